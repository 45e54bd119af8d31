//! Cholesky factors of symmetric matrices, many at a time, and solutions of the triangular systems they give
//! (Golub, Van Loan 2013, sections 3.1 and 4.2). In: dense `[matrices, n, n]`. Out: arrays of the same layout.
//!
//! A row is finished before the next is begun and every sum runs in lanes of a fixed width, so that the bits are the same on any
//! number of threads and on any vector unit.

use rayon::prelude::*;

use super::real::Real;
use super::simd::tiered;

/// Multiplications below which work stays on the calling thread.
const PARALLEL: usize = 1 << 15;
/// Neighbouring entries of a sum that are added side by side.
const LANES: usize = 8;

/// A matrix that has no factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFactor {
    /// Which of the matrices.
    pub matrix: usize,
    /// The first leading block of so many rows that is not positive definite.
    pub rows: usize,
}

/// The lower factor L of (A + Aᵀ)/2 = L·Lᵀ for each `[n, n]` matrix, zeros above the diagonal. What is not a number stays one.
///
/// Errors: the first of the matrices that is not positive definite.
pub fn cholesky<T: Real>(data: &[T], n: usize, out: &mut [T]) -> Result<(), NoFactor> {
    assert!(data.len() == out.len() && (n == 0 && out.is_empty() || n > 0 && out.len().is_multiple_of(n * n)));
    if out.is_empty() {
        return Ok(());
    }
    let size = n * n;
    let one = |(a, l): (&[T], &mut [T])| {
        let mut failed = None;
        factor(a, n, l, &mut failed);
        failed
    };
    let failed: Vec<Option<usize>> = match out.len() * n >= PARALLEL {
        true => data.par_chunks_exact(size).zip(out.par_chunks_exact_mut(size)).map(one).collect(),
        false => data.chunks_exact(size).zip(out.chunks_exact_mut(size)).map(one).collect(),
    };
    match failed.iter().enumerate().find_map(|(matrix, f)| f.map(|rows| NoFactor { matrix, rows })) {
        Some(none) => Err(none),
        None => Ok(()),
    }
}

tiered! {
    fn factor(a: &[T], n: usize, l: &mut [T], failed: &mut Option<usize>) = factor_inner, factor_inner, factor_inner;
}

#[inline(always)]
fn factor_inner<T: Real>(a: &[T], n: usize, l: &mut [T], failed: &mut Option<usize>) {
    let half = T::of(0.5);
    for i in 0..n {
        let (above, rest) = l.split_at_mut(i * n);
        let row = &mut rest[..n];
        row.fill(T::ZERO);
        for j in 0..i {
            let other = &above[j * n..j * n + n];
            let entry = half * (a[i * n + j] + a[j * n + i]);
            row[j] = (entry - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = a[i * n + i] - dot(&row[..i], &row[..i]);
        if pivot <= T::ZERO && failed.is_none() {
            *failed = Some(i + 1);
            return;
        }
        row[i] = pivot.sqrt();
    }
}

#[inline(always)]
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let ((long_a, rest_a), (long_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [T::ZERO; LANES];
    for (x, y) in long_a.iter().zip(long_b) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let mut sum = T::ZERO;
    for lane in sums {
        sum += lane;
    }
    for (&x, &y) in rest_a.iter().zip(rest_b) {
        sum += x * y;
    }
    sum
}

/// The solution X `[matrices, n, k]` of L·X = B, or of Lᵀ·X = B if `transposed`, for lower triangular L; what stands above its
/// diagonal is not read.
pub fn solve<T: Real>(lower: &[T], b: &[T], n: usize, k: usize, transposed: bool, out: &mut [T]) {
    assert_eq!(b.len(), out.len());
    if out.is_empty() {
        return;
    }
    assert!(out.len().is_multiple_of(n * k) && lower.len() * k == out.len() * n);
    out.copy_from_slice(b);
    let one = |(l, x): (&[T], &mut [T])| substitute(l, n, k, transposed, x);
    match out.len() * n >= PARALLEL {
        true => lower.par_chunks_exact(n * n).zip(out.par_chunks_exact_mut(n * k)).for_each(one),
        false => lower.chunks_exact(n * n).zip(out.chunks_exact_mut(n * k)).for_each(one),
    }
}

tiered! {
    fn substitute(l: &[T], n: usize, k: usize, transposed: bool, x: &mut [T]) = substitute_inner, substitute_inner, substitute_inner;
}

#[inline(always)]
fn substitute_inner<T: Real>(l: &[T], n: usize, k: usize, transposed: bool, x: &mut [T]) {
    for step in 0..n {
        let i = if transposed { n - 1 - step } else { step };
        // The row that is solved for takes away from it what those solved before contribute.
        let (low, high) = x.split_at_mut(i * k);
        let (row, high) = high.split_at_mut(k);
        match transposed {
            false => low.chunks_exact(k).enumerate().for_each(|(j, solved)| take(row, l[i * n + j], solved)),
            true => high.chunks_exact(k).enumerate().for_each(|(j, solved)| take(row, l[(i + 1 + j) * n + i], solved)),
        }
        let pivot = l[i * n + i];
        row.iter_mut().for_each(|v| *v = *v / pivot);
    }
}

#[inline(always)]
fn take<T: Real>(row: &mut [T], weight: T, solved: &[T]) {
    for (v, &s) in row.iter_mut().zip(solved) {
        *v -= weight * s;
    }
}
