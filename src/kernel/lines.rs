//! What runs along one axis of (outer, n, inner): log-sum-exp, its selections and draws, running sums, lookups.

use rayon::prelude::*;

use super::random::{self, pick};
use super::real::Real;
use super::scalar::Law;
use super::simd::tiered;
use crate::base::stream::Draws;

/// Elements below which work stays on the calling thread.
const PARALLEL: usize = 1 << 14;
/// Neighbouring lines handled together.
const WIDTH: usize = 64;

/// Hands (first line, lines' results) to `work`, a task for each stretch of lines; results of line i are `per` elements.
fn over<T: Real>(out: &mut [T], per: usize, load: usize, lines: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if out.is_empty() {
        return;
    }
    let chunk = lines.max(1) * per;
    match load < PARALLEL {
        true => out.chunks_mut(chunk).enumerate().for_each(|(i, o)| work(i * lines, o)),
        false => out.par_chunks_mut(chunk).enumerate().for_each(|(i, o)| work(i * lines, o)),
    }
}

/// ln Σ exp (or, if `max`, the largest) along the middle axis of `data`, dense (outer, n, inner); `out` is (outer, inner).
pub fn log_sum_exp<T: Real>(data: &[T], outer: usize, n: usize, inner: usize, max: bool, out: &mut [T]) {
    assert!(data.len() == outer * n * inner && out.len() == outer * inner);
    if inner == 1 {
        let lines = (PARALLEL / 4 / n.max(1)).max(1);
        over(out, 1, data.len(), lines, |first, out| rows(&data[first * n..(first + out.len()) * n], n, max, out));
    } else if !out.is_empty() {
        let groups = (PARALLEL / 4 / (n * inner).max(1)).max(1);
        over(out, inner, data.len(), groups, |first, out| {
            for (o, out) in out.chunks_exact_mut(inner).enumerate() {
                columns(&data[(first + o) * n * inner..(first + o + 1) * n * inner], n, inner, max, out);
            }
        });
    }
}

tiered! {
    fn rows(data: &[T], n: usize, max: bool, out: &mut [T]) = rows_inner, rows_inner, rows_inner;
}

#[inline(always)]
fn rows_inner<T: Real>(data: &[T], n: usize, max: bool, out: &mut [T]) {
    const LANES: usize = 16;
    for (i, out) in out.iter_mut().enumerate() {
        let line = &data[i * n..(i + 1) * n];
        let (whole, rest) = line.as_chunks::<LANES>();
        let mut tops = [T::NEG_INFINITY; LANES];
        for part in whole {
            for l in 0..LANES {
                tops[l] = tops[l].larger(part[l]);
            }
        }
        for (top, &v) in tops.iter_mut().zip(rest) {
            *top = top.larger(v);
        }
        let top = tops.into_iter().fold(T::NEG_INFINITY, |m, v| m.larger(v));
        *out = top;
        if max || !top.is_finite() {
            continue;
        }
        let mut sums = [T::ZERO; LANES];
        for part in whole {
            for l in 0..LANES {
                sums[l] += (part[l] - top).exp();
            }
        }
        for (sum, &v) in sums.iter_mut().zip(rest) {
            *sum += (v - top).exp();
        }
        *out = top + super::reduce::tree(sums).ln();
    }
}

tiered! {
    fn columns(data: &[T], n: usize, inner: usize, max: bool, out: &mut [T]) = columns_inner, columns_inner, columns_inner;
}

#[inline(always)]
fn columns_inner<T: Real>(data: &[T], n: usize, inner: usize, max: bool, out: &mut [T]) {
    for (block, out) in out.chunks_mut(WIDTH).enumerate() {
        let width = out.len();
        let row = |j: usize| &data[j * inner + block * WIDTH..][..width];
        let mut tops = [T::NEG_INFINITY; WIDTH];
        for j in 0..n {
            for (top, &v) in tops.iter_mut().zip(row(j)) {
                *top = top.larger(v);
            }
        }
        if max {
            out.copy_from_slice(&tops[..width]);
            continue;
        }
        let mut sums = [T::ZERO; WIDTH];
        let mut base = [T::ZERO; WIDTH];
        for (base, &top) in base.iter_mut().zip(&tops) {
            *base = if top.is_finite() { top } else { T::ZERO };
        }
        for j in 0..n {
            for ((sum, &base), &v) in sums.iter_mut().zip(&base).zip(row(j)) {
                *sum += (v - base).exp();
            }
        }
        for (((out, &sum), &top), &base) in out.iter_mut().zip(&sums).zip(&tops).zip(&base) {
            *out = if top.is_finite() { base + sum.ln() } else { top };
        }
    }
}

/// 1 at the chosen entry of each line along the middle axis, 0 elsewhere. `choose` gets a line and its number.
fn one_hot<T: Real>(
    data: &[T],
    n: usize,
    inner: usize,
    out: &mut [T],
    choose: impl Fn(LineOf<'_, T>, usize) -> Option<usize> + Sync,
) {
    assert!(data.len() == out.len());
    if out.is_empty() {
        return;
    }
    let groups = (PARALLEL / 4 / (n * inner)).max(1);
    over(out, n * inner, data.len(), groups, |first, out| {
        out.fill(T::ZERO);
        for (o, out) in out.chunks_exact_mut(n * inner).enumerate() {
            let data = &data[(first + o) * n * inner..(first + o + 1) * n * inner];
            for i in 0..inner {
                if let Some(j) = choose(LineOf { data: &data[i..], inner }, (first + o) * inner + i) {
                    out[j * inner + i] = T::ONE;
                }
            }
        }
    });
}

/// The entries of one line.
struct LineOf<'a, T> {
    data: &'a [T],
    inner: usize,
}

impl<'a, T: Real> LineOf<'a, T> {
    fn iter(&self) -> impl Iterator<Item = T> + Clone + use<'a, T> {
        self.data.iter().step_by(self.inner).copied()
    }
}

/// 1 at the first largest entry of each line, 0 elsewhere; zeros where all are −∞.
pub fn one_hot_argmax<T: Real>(data: &[T], n: usize, inner: usize, out: &mut [T]) {
    one_hot(data, n, inner, out, |line, _| {
        let mut best = (T::NEG_INFINITY, None);
        for (j, v) in line.iter().enumerate() {
            if v > best.0 {
                best = (v, Some(j));
            }
        }
        best.1
    });
}

/// 1 at an entry drawn from the softmax of each line, 0 elsewhere; zeros where all are −∞. `columns` is the row length of the table of
/// uniform numbers, one for each line.
pub fn one_hot_sample<T: Real>(data: &[T], n: usize, inner: usize, draws: &Draws, columns: usize, out: &mut [T]) {
    one_hot(data, n, inner, out, |line, number| {
        let (row, col) = random::address(number, columns);
        pick(line.iter(), random::at(Law::Uniform, draws, row, col))
    });
}

/// Running sums along the middle axis of dense (outer, n, inner).
pub fn cumsum<T: Real>(data: &[T], n: usize, inner: usize, exclusive: bool, reverse: bool, out: &mut [T]) {
    assert!(data.len() == out.len());
    if out.is_empty() {
        return;
    }
    let groups = (PARALLEL / 4 / (n * inner)).max(1);
    over(out, n * inner, data.len(), groups, |first, out| {
        let mut sums = vec![T::ZERO; inner];
        for (o, out) in out.chunks_exact_mut(n * inner).enumerate() {
            let data = &data[(first + o) * n * inner..];
            sums.fill(T::ZERO);
            for step in 0..n {
                let j = if reverse { n - 1 - step } else { step };
                let row = &data[j * inner..(j + 1) * inner];
                for ((sum, &v), out) in sums.iter_mut().zip(row).zip(&mut out[j * inner..]) {
                    let after = *sum + v;
                    *out = if exclusive { *sum } else { after };
                    *sum = after;
                }
            }
        }
    });
}

/// Copies the entries of the middle axis of `data`, dense (outer, n, inner), that `places` names; `out` is (outer, places, inner).
pub fn gather<T: Real>(data: &[T], n: usize, inner: usize, places: &[usize], out: &mut [T]) {
    assert!(places.iter().all(|&p| p < n), "a place outside of the axis");
    if out.is_empty() {
        return;
    }
    for (outer, out) in out.chunks_exact_mut(places.len() * inner).enumerate() {
        let data = &data[outer * n * inner..(outer + 1) * n * inner];
        let work = |(out, &p): (&mut [T], &usize)| out.copy_from_slice(&data[p * inner..(p + 1) * inner]);
        match out.len() < PARALLEL {
            true => out.chunks_exact_mut(inner).zip(places).for_each(work),
            false => out.par_chunks_exact_mut(inner).zip(places).with_min_len(PARALLEL / 4 / inner + 1).for_each(work),
        }
    }
}

/// Adds the entries of `data`, dense (outer, places, inner), to zeros of shape (outer, n, inner) where `places` says, in order.
pub fn scatter<T: Real>(data: &[T], n: usize, inner: usize, places: &[usize], out: &mut [T]) {
    assert!(places.iter().all(|&p| p < n), "a place outside of the axis");
    out.fill(T::ZERO);
    if data.is_empty() || out.is_empty() {
        return;
    }
    for (data, out) in data.chunks_exact(places.len() * inner).zip(out.chunks_exact_mut(n * inner)) {
        for (from, &p) in data.chunks_exact(inner).zip(places) {
            for (to, &v) in out[p * inner..(p + 1) * inner].iter_mut().zip(from) {
                *to += v;
            }
        }
    }
}
