//! Sums, maxima and minima over an axis of (outer, n, inner), in an order fixed by the sizes alone.

use rayon::prelude::*;

use super::real::Real;
use super::scalar::Reduction;
use super::simd::tiered;

const LANES: usize = 32;
/// Elements joined in one go; a longer line is cut into such pieces, whose results are joined as a line of their own.
const PIECE: usize = 4096;
/// Elements below which a reduction runs on the calling thread.
const PARALLEL: usize = 1 << 15;

/// The sum of lanes as a balanced tree.
#[inline(always)]
pub(super) fn tree<T: Real, const N: usize>(mut lanes: [T; N]) -> T {
    let mut width = N;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
    }
    lanes[0]
}

#[inline(always)]
fn start<T: Real>(kind: Reduction) -> T {
    match kind {
        Reduction::Sum => T::ZERO,
        Reduction::Max => T::NEG_INFINITY,
        Reduction::Min => T::INFINITY,
    }
}

#[inline(always)]
fn join<T: Real>(kind: Reduction, a: T, b: T) -> T {
    match kind {
        Reduction::Sum => a + b,
        Reduction::Max => a.larger(b),
        Reduction::Min => a.smaller(b),
    }
}

/// Joins the middle axis of `data`, dense of shape (outer, n, inner); `out` is (outer, inner).
pub fn reduce<T: Real>(kind: Reduction, data: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    assert!(data.len() == outer * n * inner && out.len() == outer * inner);
    if out.is_empty() {
        return;
    }
    if n == 0 {
        return out.fill(start(kind));
    }
    if inner == 1 {
        if n > PIECE {
            for (line, out) in data.chunks_exact(n).zip(out) {
                *out = long_line(kind, line);
            }
        } else if data.len() < PARALLEL {
            lines(kind, data, n, out);
        } else {
            // Whole lines to a task.
            let per = (PARALLEL / 4 / n).max(1);
            data.par_chunks(per * n).zip(out.par_chunks_mut(per)).for_each(|(d, o)| lines(kind, d, n, o));
        }
        return;
    }
    for (data, out) in data.chunks_exact(n * inner).zip(out.chunks_exact_mut(inner)) {
        let width = 256;
        let work = |(i, out): (usize, &mut [T])| columns(kind, data, n, inner, i * width, out);
        match data.len() < PARALLEL || inner <= width {
            true => out.chunks_mut(width).enumerate().for_each(work),
            false => out.par_chunks_mut(width).enumerate().for_each(work),
        }
    }
}

fn long_line<T: Real>(kind: Reduction, line: &[T]) -> T {
    let mut pieces = vec![T::ZERO; line.len().div_ceil(PIECE)];
    let work = |(data, out): (&[T], &mut T)| lines(kind, data, data.len(), std::slice::from_mut(out));
    match line.len() < PARALLEL {
        true => line.chunks(PIECE).zip(&mut pieces).for_each(work),
        false => line.par_chunks(PIECE).zip(&mut pieces).for_each(work),
    }
    match pieces.len() > PIECE {
        true => long_line(kind, &pieces),
        false => {
            let mut out = [T::ZERO];
            lines(kind, &pieces, pieces.len(), &mut out);
            out[0]
        }
    }
}

tiered! {
    fn lines(kind: Reduction, data: &[T], n: usize, out: &mut [T]) = lines_inner, lines_inner, lines_inner;
}

#[inline(always)]
fn lines_inner<T: Real>(kind: Reduction, data: &[T], n: usize, out: &mut [T]) {
    match kind {
        Reduction::Sum => lines_of(data, n, out, T::ZERO, |a, b| a + b),
        Reduction::Max => lines_of(data, n, out, T::NEG_INFINITY, |a, b| a.larger(b)),
        Reduction::Min => lines_of(data, n, out, T::INFINITY, |a, b| a.smaller(b)),
    }
}

/// Short lines have too little work for many lanes.
#[inline(always)]
fn lines_of<T: Real>(data: &[T], n: usize, out: &mut [T], start: T, f: impl Fn(T, T) -> T) {
    match n < 2 * LANES {
        true => lines_in::<T, 8>(data, n, out, start, f),
        false => lines_in::<T, LANES>(data, n, out, start, f),
    }
}

#[inline(always)]
fn lines_in<T: Real, const LANES: usize>(data: &[T], n: usize, out: &mut [T], start: T, f: impl Fn(T, T) -> T) {
    for (line, out) in data.chunks_exact(n).zip(out) {
        let mut lanes = [start; LANES];
        let (whole, rest) = line.as_chunks::<LANES>();
        for part in whole {
            for l in 0..LANES {
                lanes[l] = f(lanes[l], part[l]);
            }
        }
        for (lane, &v) in lanes.iter_mut().zip(rest) {
            *lane = f(*lane, v);
        }
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] = f(lanes[i], lanes[i + width]);
            }
        }
        *out = lanes[0];
    }
}

tiered! {
    fn columns(kind: Reduction, data: &[T], n: usize, inner: usize, first: usize, out: &mut [T])
        = columns_inner, columns_inner, columns_inner;
}

#[inline(always)]
fn columns_inner<T: Real>(kind: Reduction, data: &[T], n: usize, inner: usize, first: usize, out: &mut [T]) {
    // Rows are joined sixty-four at a time, which keeps long sums accurate.
    const ROWS: usize = 64;
    let mut part = [T::ZERO; 256];
    let part = &mut part[..out.len()];
    out.fill(start(kind));
    for from in (0..n).step_by(ROWS) {
        part.fill(start(kind));
        for row in from..(from + ROWS).min(n) {
            let row = &data[row * inner + first..][..part.len()];
            match kind {
                Reduction::Sum => part.iter_mut().zip(row).for_each(|(p, &v)| *p += v),
                Reduction::Max => part.iter_mut().zip(row).for_each(|(p, &v)| *p = p.larger(v)),
                Reduction::Min => part.iter_mut().zip(row).for_each(|(p, &v)| *p = p.smaller(v)),
            }
        }
        for (o, &p) in out.iter_mut().zip(&*part) {
            *o = join(kind, *o, p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_agree_with_the_obvious_loop() {
        for &(outer, n, inner) in
            &[(1, 1, 1), (3, 17, 1), (2, 33, 5), (1, 100, 300), (7, 1, 3), (1, 100_000, 1), (40, 1000, 1), (2, 0, 3)]
        {
            let data: Vec<f64> = (0..outer * n * inner).map(|i| ((i * 7919) % 1009) as f64 - 504.0).collect();
            for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
                let mut out = vec![0.0; outer * inner];
                reduce(kind, &data, outer, n, inner, &mut out);
                for o in 0..outer {
                    for i in 0..inner {
                        let want = (0..n).fold(start(kind), |acc, j| join(kind, acc, data[(o * n + j) * inner + i]));
                        assert_eq!(out[o * inner + i], want, "{kind:?} {outer} {n} {inner}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_number_that_is_not_one_is_kept() {
        let mut data = vec![0.0f32; 100];
        data[70] = f32::NAN;
        for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
            let mut out = [0.0];
            reduce(kind, &data, 1, 100, 1, &mut out);
            assert!(out[0].is_nan());
        }
    }
}
