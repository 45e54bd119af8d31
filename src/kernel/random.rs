//! Random numbers of a law, by address: which number stands at (row, column) of a site's table.
//!
//! Normal draws by Box and Muller ("A note on the generation of random normal deviates", 1958): a block of four words serves
//! two pairs, each of one radius and one angle.

use super::real::Real;
use super::scalar::Law;
use crate::base::stream::Draws;

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
