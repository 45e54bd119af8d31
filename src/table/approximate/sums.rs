//! Sums of a table over all axes but one, for every axis at once.
//!
//! In: a dense table and a weight vector an axis. Out: `out_j[x_j] = Σ cells(x) Π_{i≠j} w_i[x_i]`, or the maximum in place of the sum.
//! Axes behind j are summed out from the back, which serves all j before them; axes before j enter as one product of weights.
//! Both passes together cost about four multiplications a cell, whatever the number of axes.

/// Numbers on the way.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    backs: Vec<f64>,
    front: Vec<f64>,
    next: Vec<f64>,
}

/// The outgoing row of every axis, one after the other; `weights` stand the same way.
#[inline]
pub(super) fn all_but_one<const LARGEST: bool>(
    cells: &[f64],
    cards: &[usize],
    weights: &[f64],
    out: &mut [f64],
    scratch: &mut Scratch,
) {
    match *cards {
        [2, 2] => pair_of_two::<LARGEST>(cells, weights, out),
        _ => every::<LARGEST>(cells, cards, weights, out, scratch),
    }
}

/// The sum of two numbers, or the larger.
#[inline(always)]
pub(super) fn join<const LARGEST: bool>(a: f64, b: f64) -> f64 {
    if LARGEST { a.max(b) } else { a + b }
}

/// The general loops, written out for the smallest table.
#[inline(always)]
fn pair_of_two<const LARGEST: bool>(cells: &[f64], weights: &[f64], out: &mut [f64]) {
    let (Some(&[a, b, c, d]), Some(&[w0, w1, v0, v1])) = (cells.first_chunk(), weights.first_chunk()) else { return };
    if let Some(out) = out.first_chunk_mut() {
        *out = [
            join::<LARGEST>(a * v0, b * v1),
            join::<LARGEST>(c * v0, d * v1),
            join::<LARGEST>(a * w0, c * w1),
            join::<LARGEST>(b * w0, d * w1),
        ];
    }
}

fn every<const LARGEST: bool>(cells: &[f64], cards: &[usize], weights: &[f64], out: &mut [f64], scratch: &mut Scratch) {
    let k = cards.len();
    let Scratch { backs, front, next } = scratch;
    backs.clear();
    // backs holds the table with its last axis summed out, then the last two, and so on; where each starts.
    let mut bounds = Vec::with_capacity(k);
    let mut behind = weights.len();
    for j in (1..k).rev() {
        let card = cards[j];
        behind -= card;
        let w = &weights[behind..behind + card];
        let sum = |run: &[f64]| run.iter().zip(w).fold(0.0, |s, (x, w)| join::<LARGEST>(s, x * w));
        let (start, before) = (backs.len(), bounds.last().copied());
        match before {
            None => backs.extend(cells.chunks_exact(card).map(sum)),
            Some((from, to)) => {
                let cells: usize = to - from;
                for run in 0..cells / card {
                    let at: usize = from + run * card;
                    let s = sum(&backs[at..at + card]);
                    backs.push(s);
                }
            }
        }
        bounds.push((start, backs.len()));
    }
    front.clear();
    front.push(1.0);
    let mut at = 0;
    for (j, &card) in cards.iter().enumerate() {
        let back = match k - 1 - j {
            0 => cells,
            n => &backs[bounds[n - 1].0..bounds[n - 1].1],
        };
        let out = &mut out[at..at + card];
        out.fill(0.0);
        for (run, &w) in back.chunks_exact(card).zip(front.iter()) {
            for (o, x) in out.iter_mut().zip(run) {
                *o = join::<LARGEST>(*o, w * x);
            }
        }
        if j + 1 < k {
            next.clear();
            for &f in front.iter() {
                next.extend(weights[at..at + card].iter().map(|w| f * w));
            }
            std::mem::swap(front, next);
        }
        at += card;
    }
}

/// `out[x_j] = Σ cells(x) Π_{i≠j} w_i[x_i]` for one axis j, or the maximum; `weight` gives the row of each axis.
pub(super) fn all_but<'w, const LARGEST: bool>(
    cells: &[f64],
    cards: &[usize],
    j: usize,
    weight: impl Fn(usize) -> &'w [f64],
    out: &mut [f64],
    scratch: &mut Scratch,
) {
    let Scratch { backs, next, front } = scratch;
    // Axes behind j.
    for i in (j + 1..cards.len()).rev() {
        let w = weight(i);
        let sum = |run: &[f64]| run.iter().zip(w).map(|(x, w)| x * w).fold(0.0, join::<LARGEST>);
        next.clear();
        match i + 1 == cards.len() {
            true => next.extend(cells.chunks_exact(cards[i]).map(sum)),
            false => next.extend(backs.chunks_exact(cards[i]).map(sum)),
        }
        std::mem::swap(backs, next);
    }
    let current = if j + 1 == cards.len() { cells } else { &backs[..] };
    // Axes before it, as one product.
    front.clear();
    front.push(1.0);
    for i in 0..j {
        let w = weight(i);
        let mut wider = Vec::with_capacity(front.len() * w.len());
        front.iter().for_each(|f| wider.extend(w.iter().map(|w| f * w)));
        *front = wider;
    }
    out.fill(0.0);
    for (run, &w) in current.chunks_exact(cards[j]).zip(front.iter()) {
        out.iter_mut().zip(run).for_each(|(o, x)| *o = join::<LARGEST>(*o, w * x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::stream::Stream;

    #[test]
    fn sums_are_those_by_loops() {
        let mut s = Stream::new(3, 1, 4, 1);
        for cards in [vec![2, 2], vec![2, 3], vec![3, 2, 4], vec![2, 2, 2, 2, 3], vec![4, 3]] {
            let n: usize = cards.iter().product();
            let cells: Vec<f64> = (0..n).map(|_| s.uniform()).collect();
            let weights: Vec<f64> = (0..cards.iter().sum()).map(|_| s.uniform()).collect();
            let starts: Vec<usize> = (0..cards.len()).map(|j| cards[..j].iter().sum()).collect();
            let mut sum = vec![0.0; weights.len()];
            let mut top = vec![0.0f64; weights.len()];
            for (at, x) in cells.iter().enumerate() {
                let index = crate::base::places::unravel(at, &cards);
                for j in 0..cards.len() {
                    let others = (0..cards.len()).filter(|&i| i != j);
                    let p = x * others.map(|i| weights[starts[i] + index[i]]).product::<f64>();
                    sum[starts[j] + index[j]] += p;
                    top[starts[j] + index[j]] = top[starts[j] + index[j]].max(p);
                }
            }
            let (mut out, mut scratch) = (vec![0.0; weights.len()], Scratch::default());
            let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
            all_but_one::<false>(&cells, &cards, &weights, &mut out, &mut scratch);
            assert!(same(&out, &sum), "{cards:?}");
            all_but_one::<true>(&cells, &cards, &weights, &mut out, &mut scratch);
            assert!(same(&out, &top), "{cards:?}");
            for j in 0..cards.len() {
                let mut one = vec![0.0; cards[j]];
                all_but::<false>(
                    &cells,
                    &cards,
                    j,
                    |i| &weights[starts[i]..starts[i] + cards[i]],
                    &mut one,
                    &mut scratch,
                );
                assert!(same(&one, &sum[starts[j]..]), "{cards:?} {j}");
            }
        }
    }
}
