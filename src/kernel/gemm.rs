//! Matrix products: C = A B for matrices at any strides, f32 and f64.
//!
//! C is computed in tiles whose sums stay in registers. A is read in place at its strides, B in place where its rows are dense and
//! else from a packed panel. Every element of C is one chain of multiply-adds in the order of k, whatever the tile, the
//! number of threads or the vector unit (fused on machines that have it, rounded apart on the baseline).

use rayon::prelude::*;

use super::micro::{Kernel, Micro, Plain};
#[cfg(target_arch = "x86_64")]
use super::micro::{Middle, Wide};
use super::real::Real;
use super::simd::tiered;

/// Rows of B taken at a time, so that a panel stays in the first cache.
const K_BLOCK: usize = 512;
/// Most rows of C of one task.
const TASK_ROWS: usize = 112;
/// Multiply-adds below which a product runs on the calling thread.
const PARALLEL: usize = 1 << 17;

/// A matrix in a buffer: element (i, j) stands at `offset + i·row + j·col`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The buffer.
    pub data: &'a [T],
    /// Position of element (0, 0).
    pub offset: isize,
    /// Stride between rows.
    pub row: isize,
    /// Stride between columns.
    pub col: isize,
}

impl<T> Matrix<'_, T> {
    /// Whether every element of an `m` × `n` matrix lies in the buffer.
    fn fits(&self, m: usize, n: usize) -> bool {
        let span = |e: usize, s: isize| (e as isize - 1) * s;
        let (r, c) = (span(m, self.row), span(n, self.col));
        self.offset + r.min(0) + c.min(0) >= 0 && self.offset + r.max(0) + c.max(0) < self.data.len() as isize
    }
}

/// Where C lies; tasks write tiles of it that do not overlap.
#[derive(Clone, Copy)]
struct Target<T>(*mut T);
// SAFETY: tasks write disjoint tiles through the pointer and read nothing but what they wrote.
unsafe impl<T: Send> Send for Target<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Target<T> {}

/// C = A B: A is m × k, B is k × n, C dense and row-major.
pub fn gemm<T: Real>(m: usize, n: usize, k: usize, a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T]) {
    assert!(c.len() == m * n, "C has {} elements, not {m} x {n}", c.len());
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        return c.fill(T::ZERO);
    }
    assert!(a.fits(m, k) && b.fits(k, n), "a matrix reaches out of its buffer");
    if n <= 2 && a.col == 1 && k >= 8 {
        return tall(n, k, a, b, c);
    }
    if n < m && n < 8 && b.col != 1 {
        // A slim product of the other orientation: columns of A become the dense direction.
        let mut turned = vec![T::ZERO; m * n];
        let (at, bt) = (Matrix { row: a.col, col: a.row, ..a }, Matrix { row: b.col, col: b.row, ..b });
        gemm(n, m, k, bt, at, &mut turned);
        for (i, row) in c.chunks_exact_mut(n).enumerate() {
            for (j, v) in row.iter_mut().enumerate() {
                *v = turned[j * m + i];
            }
        }
        return;
    }
    const PANEL: usize = 32;
    let (panels, rows) = (n.div_ceil(PANEL), m.div_ceil(TASK_ROWS));
    let height = m.div_ceil(rows);
    let target = Target(c.as_mut_ptr());
    let task = |i: usize| {
        let (panel, block) = (i / rows, i % rows);
        let shape = Tile {
            rows: ((block * height).min(m), ((block + 1) * height).min(m)),
            cols: (panel * PANEL, ((panel + 1) * PANEL).min(n)),
            k,
            n,
        };
        tile(shape, a, b, target);
    };
    if panels * rows == 1 || m * n * k < PARALLEL {
        (0..panels * rows).for_each(task);
    } else {
        (0..panels * rows).into_par_iter().for_each(task);
    }
}

/// The part of C that one task computes.
#[derive(Clone, Copy)]
struct Tile {
    rows: (usize, usize),
    cols: (usize, usize),
    k: usize,
    n: usize,
}

tiered! {
    fn tile(tile: Tile, a: Matrix<'_, T>, b: Matrix<'_, T>, c: Target<T>)
        = tile_inner::<T, Wide>, tile_inner::<T, Middle>, tile_inner::<T, Plain>;
}

/// One task, in micro-tiles whose sums fill the vector registers.
#[inline(always)]
fn tile_inner<T: Real, K: Kernel>(tile: Tile, a: Matrix<'_, T>, b: Matrix<'_, T>, c: Target<T>) {
    let lanes = K::lanes::<T>();
    // Blocks of rows as even as can be.
    let rows = tile.rows.1 - tile.rows.0;
    let height = rows.div_ceil(rows.div_ceil(K::ROWS));
    let mut packed: Vec<T> = Vec::new();
    let mut j = tile.cols.0;
    while j < tile.cols.1 {
        let vectors = if tile.cols.1 - j > lanes { 2 } else { 1 };
        let nr = vectors * lanes;
        let width = nr.min(tile.cols.1 - j);
        let in_place = width == nr && b.col == 1;
        let mut p = 0;
        while p < tile.k {
            let depth = K_BLOCK.min(tile.k - p);
            let corner = b.offset + p as isize * b.row + j as isize * b.col;
            let (panel, stride) = if in_place {
                (b.data.as_ptr().wrapping_offset(corner), b.row)
            } else {
                pack(b, corner, depth, width, nr, &mut packed);
                (packed.as_ptr(), nr as isize)
            };
            let mut i = tile.rows.0;
            while i < tile.rows.1 {
                let left = height.min(tile.rows.1 - i);
                let from = a.offset + i as isize * a.row + p as isize * a.col;
                let args = Micro {
                    a: a.data.as_ptr().wrapping_offset(from),
                    row: a.row,
                    col: a.col,
                    b: panel,
                    stride,
                    depth,
                    c: c.0.wrapping_add(i * tile.n + j),
                    n: tile.n,
                    width,
                    first: p == 0,
                };
                // SAFETY: `gemm` checked that both matrices lie in their buffers, the panel holds `depth` rows of `nr`, and rows
                // i..i + left and columns j..j + width of C belong to this task alone; the tier was chosen for this machine.
                unsafe { K::run(left, vectors, &args) };
                i += left;
            }
            p += depth;
        }
        j += width;
    }
}

/// Copies `depth` rows of `width` columns of B to rows of `nr`, with zeros behind.
#[inline(always)]
fn pack<T: Real>(b: Matrix<'_, T>, corner: isize, depth: usize, width: usize, nr: usize, to: &mut Vec<T>) {
    to.clear();
    to.resize(depth * nr, T::ZERO);
    if b.row == 1 {
        for j in 0..width {
            let from = (corner + j as isize * b.col) as usize;
            for (p, &v) in b.data[from..from + depth].iter().enumerate() {
                to[p * nr + j] = v;
            }
        }
        return;
    }
    for (p, row) in to.chunks_exact_mut(nr).enumerate() {
        let mut at = corner + p as isize * b.row;
        for v in &mut row[..width] {
            *v = b.data[at as usize];
            at += b.col;
        }
    }
}

/// Few columns and dense rows of A: a dot product each, over columns of B laid out densely.
fn tall<T: Real>(n: usize, k: usize, a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T]) {
    let mut columns = Vec::with_capacity(n * k);
    for j in 0..n {
        columns.extend((0..k).map(|p| b.data[(b.offset + p as isize * b.row + j as isize * b.col) as usize]));
    }
    const ROWS: usize = 64;
    let work = |(block, rows): (usize, &mut [T])| dots(a, block * ROWS, n, k, &columns, rows);
    match c.len() * k < PARALLEL {
        true => c.chunks_mut(ROWS * n).enumerate().for_each(work),
        false => c.par_chunks_mut(ROWS * n).enumerate().for_each(work),
    }
}

tiered! {
    fn dots(a: Matrix<'_, T>, first: usize, n: usize, k: usize, columns: &[T], rows: &mut [T])
        = dots_inner::<T, true>, dots_inner::<T, true>, dots_inner::<T, false>;
}

#[inline(always)]
fn dots_inner<T: Real, const FUSED: bool>(
    a: Matrix<'_, T>,
    first: usize,
    n: usize,
    k: usize,
    columns: &[T],
    rows: &mut [T],
) {
    const LANES: usize = 32;
    for (i, out) in rows.chunks_exact_mut(n).enumerate() {
        let from = (a.offset + (first + i) as isize * a.row) as usize;
        let row = &a.data[from..from + k];
        for (v, column) in out.iter_mut().zip(columns.chunks_exact(k)) {
            let mut sums = [T::ZERO; LANES];
            let (whole, rest) = row.as_chunks::<LANES>();
            let (other, other_rest) = column.as_chunks::<LANES>();
            for (x, y) in whole.iter().zip(other) {
                for l in 0..LANES {
                    sums[l] = if FUSED { x[l].fused(y[l], sums[l]) } else { sums[l] + x[l] * y[l] };
                }
            }
            for ((&x, &y), s) in rest.iter().zip(other_rest).zip(&mut sums) {
                *s = if FUSED { x.fused(y, *s) } else { *s + x * y };
            }
            *v = super::reduce::tree(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: usize) -> f64 {
        ((i * 7919 + 13) % 1009) as f64 / 504.5 - 1.0
    }

    fn against_three_loops<T: Real>(tolerance: f64) {
        for &(m, n, k) in &[
            (1, 1, 1),
            (1, 1, 40),
            (3, 17, 33),
            (17, 3, 5),
            (33, 33, 33),
            (13, 32, 7),
            (12, 64, 300),
            (100, 31, 17),
            (97, 65, 513),
            (5, 1, 100),
            (200, 2, 64),
            (1, 100, 100),
            (7, 40, 0),
            (2, 500, 3),
            (64, 5, 9),
        ] {
            for layout in 0..8 {
                let make = |r: usize, c: usize, turned: bool, salt: usize| {
                    let data: Vec<T> = (0..r * c + 5).map(|i| T::of(number(i + salt))).collect();
                    let (row, col) = if turned { (1, r as isize) } else { (c as isize, 1) };
                    (data, row, col)
                };
                let (da, ra, ca) = make(m, k, layout & 1 == 1, 1);
                let (db, rb, cb) = make(k, n, layout & 2 == 2, 500);
                let (mut oa, mut ra) = (3, ra);
                if layout & 4 == 4 && m > 0 {
                    // Rows from the last to the first.
                    oa += (m as isize - 1) * ra;
                    ra = -ra;
                }
                let a = Matrix { data: &da, offset: oa, row: ra, col: ca };
                let b = Matrix { data: &db, offset: 2, row: rb, col: cb };
                let mut c = vec![T::of(9.0); m * n];
                gemm(m, n, k, a, b, &mut c);
                for i in 0..m {
                    for j in 0..n {
                        let want: f64 = (0..k)
                            .map(|p| {
                                da[(oa + i as isize * ra + p as isize * ca) as usize].to_f64()
                                    * db[(2 + p as isize * rb + j as isize * cb) as usize].to_f64()
                            })
                            .sum();
                        let got = c[i * n + j].to_f64();
                        assert!(
                            (got - want).abs() <= tolerance * (1.0 + k as f64),
                            "{m} {n} {k} {layout}: {got} {want}"
                        );
                    }
                }
            }
        }
    }

    /// The product by one family of micro-kernels, on the calling thread.
    fn by<T: Real, K: Kernel>(m: usize, n: usize, k: usize, a: &[T], b: &[T]) -> Vec<T> {
        let mut c = vec![T::ZERO; m * n];
        let a = Matrix { data: a, offset: 0, row: k as isize, col: 1 };
        let b = Matrix { data: b, offset: 0, row: n as isize, col: 1 };
        assert!(a.fits(m, k) && b.fits(k, n));
        tile_inner::<T, K>(Tile { rows: (0, m), cols: (0, n), k, n }, a, b, Target(c.as_mut_ptr()));
        c
    }

    fn vector_units_agree<T: Real>(tolerance: f64) {
        for (m, n, k) in [(1, 1, 3), (15, 33, 40), (29, 70, 600), (6, 16, 9)] {
            let a: Vec<T> = (0..m * k).map(|i| T::of(number(i))).collect();
            let b: Vec<T> = (0..k * n).map(|i| T::of(number(i + 77))).collect();
            let plain = by::<T, Plain>(m, n, k, &a, &b);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                let middle = by::<T, Middle>(m, n, k, &a, &b);
                for (x, y) in plain.iter().zip(&middle) {
                    assert!((x.to_f64() - y.to_f64()).abs() <= tolerance * k as f64);
                }
                if is_x86_feature_detected!("avx512f") {
                    assert_eq!(middle, by::<T, Wide>(m, n, k, &a, &b), "fused sums have the same bits on both");
                }
            }
        }
    }

    #[test]
    fn vector_units_agree_with_each_other() {
        vector_units_agree::<f32>(3e-7);
        vector_units_agree::<f64>(6e-16);
    }

    #[test]
    fn products_agree_with_three_loops() {
        against_three_loops::<f32>(3e-7);
        against_three_loops::<f64>(6e-16);
    }
}
