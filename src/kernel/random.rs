//! Random numbers of a law, by address: which number stands at (row, column) of a site's table.
//!
//! Normal draws by Box and Muller ("A note on the generation of random normal deviates", 1958): a block of four words serves
//! two pairs, each of one radius and one angle.

use rayon::prelude::*;

use super::real::Real;
use super::scalar::Law;
use super::simd::tiered;
use crate::base::stream::{Draws, MULTIPLIERS, WEYL};

/// The number a block's word stands for under a law.
#[inline(always)]
pub fn from_block<T: Real>(law: Law, block: [u32; 4], word: usize) -> T {
    match law {
        Law::Uniform => T::unit(block[word]),
        Law::Exponential => -T::unit_above_zero(block[word]).ln(),
        Law::Gumbel => -(-T::unit_open(block[word]).ln()).ln(),
        Law::Normal => {
            let pair = word & 2;
            let radius = (T::of(-2.0) * T::unit_above_zero(block[pair]).ln()).sqrt();
            let (sine, cosine) = T::sin_cos_turns(T::unit(block[pair + 1]));
            radius * if word & 1 == 1 { sine } else { cosine }
        }
    }
}

/// The number at (row, col).
#[inline(always)]
pub fn at<T: Real>(law: Law, draws: &Draws, row: usize, col: usize) -> T {
    let (block, word) = draws.block(row, col);
    from_block(law, block, word)
}

/// Row and column, in a site's table, of element `flat` of an array whose rows hold `cols` elements.
#[inline(always)]
pub fn address(flat: usize, cols: usize) -> (usize, usize) {
    (flat / cols, flat % cols)
}

/// Elements in a row of the table that serves an array of this shape: all axes but the first.
pub fn columns(shape: &[usize]) -> usize {
    shape.iter().skip(1).product::<usize>().max(1)
}

/// The position drawn from softmax(line) by a uniform number in [0, 1); `None` where every entry is −∞.
///
/// Inverts the distribution function: the first position at which the running sum of weights exceeds the uniform part of their total.
#[inline]
pub fn pick<T: Real>(line: impl Iterator<Item = T> + Clone, uniform: T) -> Option<usize> {
    let top = line.clone().fold(T::NEG_INFINITY, |m, v| if v > m { v } else { m });
    if top == T::NEG_INFINITY {
        return None;
    }
    let mut total = T::ZERO;
    for v in line.clone() {
        total += (v - top).exp();
    }
    let target = uniform * total;
    let (mut sum, mut last) = (T::ZERO, None);
    for (i, v) in line.enumerate() {
        let w = (v - top).exp();
        if w > T::ZERO {
            sum += w;
            last = Some(i);
            if sum > target {
                break;
            }
        }
    }
    last
}

/// Elements of one task of a parallel fill.
const TASK: usize = 1 << 14;

/// Draws elements 0.. of an array whose rows hold `cols` elements.
pub fn fill<T: Real>(law: Law, draws: &Draws, cols: usize, out: &mut [T]) {
    match out.len() <= TASK {
        true => stretch(law, draws, cols, 0, out),
        false => {
            out.par_chunks_mut(TASK).enumerate().for_each(|(i, out)| stretch(law, draws, cols, i * TASK, out));
        }
    }
}

tiered! {
    fn stretch(law: Law, draws: &Draws, cols: usize, start: usize, out: &mut [T])
        = stretch_inner, stretch_inner, stretch_inner;
}

#[inline(always)]
fn stretch_inner<T: Real>(law: Law, draws: &Draws, cols: usize, start: usize, out: &mut [T]) {
    let mut done = 0;
    while done < out.len() {
        let (row, col) = address(start + done, cols);
        if cols < 8 {
            out[done] = at(law, draws, row, col);
            done += 1;
            continue;
        }
        // Sixty-four neighbouring columns come from sixteen blocks; what lies outside of the stretch is thrown away.
        let group = group_of_blocks(law, draws, row, col / 64);
        let first = col % 64;
        let n = (64 - first).min(cols - col).min(out.len() - done);
        out[done..done + n].copy_from_slice(&group[first..first + n]);
        done += n;
    }
}

/// Lanes of blocks that are computed side by side.
const LANES: usize = 16;

/// The words of blocks 16·g .. 16·(g + 1) of a row: the first words of all of them, then the second ones, and so on.
#[inline(always)]
pub(super) fn sixteen_blocks(draws: &Draws, row: u32, g: u32) -> [[u32; LANES]; 4] {
    // Words in the low halves of 64 bits, where a vector unit multiplies 32 by 32 bits in one instruction.
    const LOW: u64 = 0xFFFF_FFFF;
    let mut c0: [u64; LANES] = std::array::from_fn(|lane| u64::from((g << 4) | lane as u32));
    let mut c1 = [u64::from(row); LANES];
    let mut c2 = [u64::from(draws.high[0]); LANES];
    let mut c3 = [u64::from(draws.high[1]); LANES];
    let mut key = draws.key;
    for _ in 0..10 {
        let (k0, k1) = (u64::from(key[0]), u64::from(key[1]));
        for lane in 0..LANES {
            let p0 = (c0[lane] & LOW) * u64::from(MULTIPLIERS[0]);
            let p1 = (c2[lane] & LOW) * u64::from(MULTIPLIERS[1]);
            c0[lane] = (p1 >> 32) ^ c1[lane] ^ k0;
            c1[lane] = p1 & LOW;
            c2[lane] = (p0 >> 32) ^ c3[lane] ^ k1;
            c3[lane] = p0 & LOW;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    [c0, c1, c2, c3].map(|c| c.map(|w| w as u32))
}

/// Columns 64·g .. 64·(g + 1) of a row.
#[inline(always)]
fn group_of_blocks<T: Real>(law: Law, draws: &Draws, row: usize, g: usize) -> [T; 64] {
    let words = sixteen_blocks(draws, row as u32, g as u32);
    let mut out = [T::ZERO; 64];
    // One loop for each law, so that each becomes vector code.
    macro_rules! each {
        ($law:ident) => {
            for (out, words) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(&words) {
                for lane in 0..LANES {
                    out[lane] = from_block(Law::$law, [words[lane]; 4], 0);
                }
            }
        };
    }
    match law {
        Law::Uniform => each!(Uniform),
        Law::Gumbel => each!(Gumbel),
        Law::Exponential => each!(Exponential),
        Law::Normal => {
            for pair in [0, 2] {
                for lane in 0..LANES {
                    let radius = (T::of(-2.0) * T::unit_above_zero(words[pair][lane]).ln()).sqrt();
                    let (sine, cosine) = T::sin_cos_turns(T::unit(words[pair + 1][lane]));
                    out[pair * LANES + lane] = radius * cosine;
                    out[(pair + 1) * LANES + lane] = radius * sine;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fills_as_addressed<T: Real>() {
        let draws = Draws::new(3, 4, 5, &[6]);
        for cols in [1, 3, 8, 17, 33, 64, 100, 1000, 40_000] {
            for law in [Law::Uniform, Law::Normal, Law::Gumbel, Law::Exponential] {
                let mut out = vec![T::ZERO; 2 * cols + 1];
                fill(law, &draws, cols, &mut out);
                for (i, &v) in out.iter().enumerate() {
                    let (row, col) = address(i, cols);
                    assert!(v == at(law, &draws, row, col), "{law:?} {cols} {i}");
                }
            }
        }
    }

    #[test]
    fn a_fill_has_the_bits_of_single_draws() {
        fills_as_addressed::<f32>();
        fills_as_addressed::<f64>();
    }

    #[test]
    fn laws_have_their_moments() {
        let n = 200_000;
        for (law, mean, variance) in [
            (Law::Uniform, 0.5, 1.0 / 12.0),
            (Law::Normal, 0.0, 1.0),
            (Law::Gumbel, 0.577_215_664_9, std::f64::consts::PI.powi(2) / 6.0),
            (Law::Exponential, 1.0, 1.0),
        ] {
            let mut out = vec![0f32; n];
            fill(law, &Draws::new(1, 2, 3, &[]), 1000, &mut out);
            let m = out.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
            let v = out.iter().map(|&v| (f64::from(v) - m).powi(2)).sum::<f64>() / n as f64;
            assert!((m - mean).abs() < 5.0 * (variance / n as f64).sqrt(), "{law:?}: mean {m}");
            assert!((v - variance).abs() < 0.03 * variance, "{law:?}: variance {v}");
            assert!(out.iter().all(|v| v.is_finite()));
        }
    }
}
