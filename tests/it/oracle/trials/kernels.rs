//! Trials of `conv` and `deconv`: kernels slid over grids, and laid over each other on the finer one, as loops over all positions.

use std::f64::consts::PI;

use super::{Numbers, Trial};
use crate::oracle::random::Stream;

/// One axis that a kernel slides along: places of the coarser axis, of the finer one a place, and the window.
#[derive(Clone, Copy)]
struct Slide {
    coarse: usize,
    step: usize,
    width: usize,
}

impl Slide {
    fn random(stream: &mut Stream) -> Slide {
        Slide { coarse: 1 + stream.below(3), step: 1 + stream.below(3), width: 1 + stream.below(4) }
    }

    fn fine(self) -> usize {
        self.coarse * self.step
    }

    /// Where the window's place w looks, from the coarse place j.
    fn looks(self, j: usize, w: usize) -> Option<usize> {
        (self.step * j + w).checked_sub(self.width / 2).filter(|&i| i < self.fine())
    }
}

/// Both directions in two dimensions, with channels and without, from a step of one up; on one grid and from one to another.
pub fn kernels(stream: &mut Stream) -> Trial {
    let (y, x) = (Slide::random(stream), Slide::random(stream));
    let (channels, out) = (1 + stream.below(2), 1 + stream.below(2));
    let with = stream.chance(0.5);
    let (above, kernel) = if with { ("Yf, Xf, C", "Wy, Wx, C, O") } else { ("Yf, Xf", "Wy, Wx, O") };
    let text = format!(
        "axis Yf = {}\naxis Xf = {}\naxis Yc = {}\naxis Xc = {}\naxis Wy = {}\naxis Wx = {}\naxis C = {channels}\naxis O = {out}\n\
         model m {{\n  param K: Real[{kernel}], u: Real[O], R: Real[Wy, O]\n  a: Real[{above}] ~ Normal(0, sd = 1)\n  \
         b: Real[Yc, Xc, O] ~ Normal(conv(K, a, Yf = Yc[Wy], Xf = Xc[Wx]) + u, sd = 1)\n  \
         factor sum(square(deconv(K, b, Yc = Yf[Wy], Xc = Xf[Wx]) - 0.5 * a))\n  \
         factor sum(conv(R, b, Yc = Yc[Wy]))\n}}\n",
        y.fine(),
        x.fine(),
        y.coarse,
        x.coarse,
        y.width,
        x.width,
    );
    Trial::new(text, move |n: &Numbers| {
        let log_normal = |x: f64, mean: f64| -(x - mean) * (x - mean) / 2.0 - (2.0 * PI).sqrt().ln();
        let channels = if with { channels } else { 1 };
        let value = |name: &str, at: [usize; 2], c: usize| match with {
            true => n.at(name, &[at[0], at[1], c]),
            false => n.at(name, &at),
        };
        let weight = |w: [usize; 2], c: usize, o: usize| match with {
            true => n.at("m.K", &[w[0], w[1], c, o]),
            false => n.at("m.K", &[w[0], w[1], o]),
        };
        let mut sum = 0.0;
        // What each place of the finer grid is given from below.
        let mut drawn = vec![vec![vec![0.0; channels]; x.fine()]; y.fine()];
        for (j, i) in (0..y.coarse).flat_map(|j| (0..x.coarse).map(move |i| (j, i))) {
            for o in 0..out {
                let b = n.at("b", &[j, i, o]);
                let mut mean = n.at("m.u", &[o]);
                for (v, w) in (0..y.width).flat_map(|v| (0..x.width).map(move |w| (v, w))) {
                    let (Some(row), Some(column)) = (y.looks(j, v), x.looks(i, w)) else { continue };
                    for c in 0..channels {
                        mean += weight([v, w], c, o) * value("a", [row, column], c);
                        drawn[row][column][c] += weight([v, w], c, o) * b;
                    }
                }
                sum += log_normal(b, mean);
                for v in 0..y.width {
                    let place = (j + v).checked_sub(y.width / 2).filter(|&p| p < y.coarse);
                    if let Some(place) = place {
                        sum += n.at("m.R", &[v, o]) * n.at("b", &[place, i, o]);
                    }
                }
            }
        }
        for (row, line) in drawn.iter().enumerate() {
            for (column, place) in line.iter().enumerate() {
                for (c, drawn) in place.iter().enumerate() {
                    let a = value("a", [row, column], c);
                    sum += log_normal(a, 0.0) + (drawn - 0.5 * a) * (drawn - 0.5 * a);
                }
            }
        }
        sum
    })
}
