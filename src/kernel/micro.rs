//! The innermost loops of matrix products: a few rows of C times one or two vectors of columns, summed in registers over k.

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

use super::real::Real;

/// Arguments of a micro-kernel.
pub(super) struct Micro<T> {
    /// Element (0, 0) of the rows of A.
    pub a: *const T,
    /// Strides of A.
    pub row: isize,
    pub col: isize,
    /// Row 0 of the columns of B, and the stride between its rows.
    pub b: *const T,
    pub stride: isize,
    /// Number of steps of k.
    pub depth: usize,
    /// Element (0, 0) of the tile of C, and the stride between its rows.
    pub c: *mut T,
    pub n: usize,
    /// Columns of C to write.
    pub width: usize,
    /// Whether sums start from 0 rather than from what C holds.
    pub first: bool,
}

/// A family of micro-kernels for one vector unit.
pub(super) trait Kernel {
    /// Most rows at a time.
    const ROWS: usize;

    /// Columns of one vector.
    fn lanes<T: Real>() -> usize;

    /// Adds `rows` rows of the product to a tile of so many `vectors` of columns, one or two.
    ///
    /// # Safety
    /// The machine must have the vector unit; `1 ≤ rows ≤ ROWS`; `a` must be readable at `i·row + p·col` for i < rows and p < depth,
    /// `b` at `p·stride + j` for j < vectors · lanes, `c` readable and writable at `i·n + j` for j < width, by this thread alone.
    unsafe fn run<T: Real>(rows: usize, vectors: usize, m: &Micro<T>);
}

/// Any machine: eight columns, multiplication and addition rounded apart.
pub(super) struct Plain;

impl Kernel for Plain {
    const ROWS: usize = 4;

    fn lanes<T: Real>() -> usize {
        4
    }

    unsafe fn run<T: Real>(rows: usize, vectors: usize, m: &Micro<T>) {
        // SAFETY: the caller's promise covers what each of them reads and writes.
        unsafe {
            match vectors {
                1 => plain::<T, 4>(rows, m),
                _ => plain::<T, 8>(rows, m),
            }
        }
    }
}

/// # Safety
/// As [`Kernel::run`], for `N` columns.
unsafe fn plain<T: Real, const N: usize>(rows: usize, m: &Micro<T>) {
    for i in 0..rows {
        let mut sums = [T::ZERO; N];
        // SAFETY: the caller's promise covers every address formed here.
        unsafe {
            let c = std::slice::from_raw_parts_mut(m.c.add(i * m.n), m.width);
            if !m.first {
                sums[..m.width].copy_from_slice(c);
            }
            for p in 0..m.depth as isize {
                let b = &*(m.b.offset(p * m.stride).cast::<[T; N]>());
                let a = *m.a.offset(i as isize * m.row + p * m.col);
                for (v, &b) in sums.iter_mut().zip(b) {
                    *v += a * b;
                }
            }
            c.copy_from_slice(&sums[..m.width]);
        }
    }
}

/// AVX-512: up to 14 rows of two vectors.
#[cfg(target_arch = "x86_64")]
pub(super) struct Wide;

/// AVX2: up to 6 rows of two vectors.
#[cfg(target_arch = "x86_64")]
pub(super) struct Middle;

/// Defines one micro-kernel for a number type and a vector unit.
#[cfg(target_arch = "x86_64")]
macro_rules! micro_kernel {
    ($name:ident, $t:ty, $lanes:literal, $features:literal, $zero:ident, $load:ident, $store:ident, $set:ident, $fma:ident) => {
        /// # Safety
        /// As [`Kernel::run`].
        #[target_feature(enable = $features)]
        unsafe fn $name<const MR: usize, const NV: usize>(m: &Micro<$t>) {
            use std::arch::x86_64::*;
            let mut sums = [[$zero(); NV]; MR];
            // SAFETY: the caller's promise covers every address formed here; partial rows go through a buffer of full width.
            unsafe {
                if !m.first {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let c = m.c.add(i * m.n);
                        if m.width == NV * $lanes {
                            for (v, sum) in sum.iter_mut().enumerate() {
                                *sum = $load(c.add(v * $lanes));
                            }
                        } else {
                            let mut row = [0.0; 2 * $lanes];
                            for (j, to) in row[..m.width].iter_mut().enumerate() {
                                *to = *c.add(j);
                            }
                            for (v, sum) in sum.iter_mut().enumerate() {
                                *sum = $load(row.as_ptr().add(v * $lanes));
                            }
                        }
                    }
                }
                let (mut a, mut b) = (m.a, m.b);
                for _ in 0..m.depth {
                    let mut columns = [$zero(); NV];
                    for (v, column) in columns.iter_mut().enumerate() {
                        *column = $load(b.add(v * $lanes));
                    }
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let x = $set(*a.offset(i as isize * m.row));
                        for (sum, &column) in sum.iter_mut().zip(&columns) {
                            *sum = $fma(x, column, *sum);
                        }
                    }
                    a = a.wrapping_offset(m.col);
                    b = b.wrapping_offset(m.stride);
                }
                for (i, sum) in sums.iter().enumerate() {
                    let c = m.c.add(i * m.n);
                    if m.width == NV * $lanes {
                        for (v, &sum) in sum.iter().enumerate() {
                            $store(c.add(v * $lanes), sum);
                        }
                    } else {
                        let mut row = [0.0; 2 * $lanes];
                        for (v, &sum) in sum.iter().enumerate() {
                            $store(row.as_mut_ptr().add(v * $lanes), sum);
                        }
                        for (j, &from) in row[..m.width].iter().enumerate() {
                            *c.add(j) = from;
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
micro_kernel!(
    wide_f32,
    f32,
    16,
    "avx512f",
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps
);
#[cfg(target_arch = "x86_64")]
micro_kernel!(
    wide_f64,
    f64,
    8,
    "avx512f",
    _mm512_setzero_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_set1_pd,
    _mm512_fmadd_pd
);
#[cfg(target_arch = "x86_64")]
micro_kernel!(
    middle_f32,
    f32,
    8,
    "avx2,fma",
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps
);
#[cfg(target_arch = "x86_64")]
micro_kernel!(
    middle_f64,
    f64,
    4,
    "avx2,fma",
    _mm256_setzero_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_fmadd_pd
);

/// The same arguments under the name of the type that `T` is.
#[cfg(target_arch = "x86_64")]
fn retyped<T: Real, U: Real>(m: &Micro<T>) -> Option<Micro<U>> {
    (TypeId::of::<T>() == TypeId::of::<U>()).then(|| Micro {
        a: m.a.cast(),
        row: m.row,
        col: m.col,
        b: m.b.cast(),
        stride: m.stride,
        depth: m.depth,
        c: m.c.cast(),
        n: m.n,
        width: m.width,
        first: m.first,
    })
}

#[cfg(target_arch = "x86_64")]
macro_rules! by_rows {
    ($rows:expr, $vectors:expr, $kernel:ident, $m:expr, $($n:literal)*) => {
        match ($rows, $vectors) {
            $(($n, 1) => $kernel::<$n, 1>($m),)*
            $(($n, _) => $kernel::<$n, 2>($m),)*
            _ => {}
        }
    };
}

#[cfg(target_arch = "x86_64")]
impl Kernel for Wide {
    const ROWS: usize = 14;

    fn lanes<T: Real>() -> usize {
        if TypeId::of::<T>() == TypeId::of::<f32>() { 16 } else { 8 }
    }

    #[inline(always)]
    unsafe fn run<T: Real>(rows: usize, vectors: usize, m: &Micro<T>) {
        // SAFETY: the caller promises what the kernels ask for.
        unsafe {
            if let Some(m) = retyped::<T, f32>(m) {
                by_rows!(rows, vectors, wide_f32, &m, 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            } else if let Some(m) = retyped::<T, f64>(m) {
                by_rows!(rows, vectors, wide_f64, &m, 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Kernel for Middle {
    const ROWS: usize = 6;

    fn lanes<T: Real>() -> usize {
        if TypeId::of::<T>() == TypeId::of::<f32>() { 8 } else { 4 }
    }

    #[inline(always)]
    unsafe fn run<T: Real>(rows: usize, vectors: usize, m: &Micro<T>) {
        // SAFETY: the caller promises what the kernels ask for.
        unsafe {
            if let Some(m) = retyped::<T, f32>(m) {
                by_rows!(rows, vectors, middle_f32, &m, 1 2 3 4 5 6);
            } else if let Some(m) = retyped::<T, f64>(m) {
                by_rows!(rows, vectors, middle_f64, &m, 1 2 3 4 5 6);
            }
        }
    }
}
