//! The step where its op asks for an approximation: each row by itself, its evidence fixed.
//!
//! In: the tables that all rows share, weights already. Out: the method's logarithm of the sum, and its marginals as the derivatives by
//! tables of one axis, or a joint state that it drew. A row that the method finds impossible has minus infinity, one that it cannot answer is not a number.

use rayon::prelude::*;

use super::{Loaded, TableStep, uniforms};
use crate::base::approximate::{AGREE, Approximate, Nearness};
use crate::base::stream::Draws;
use crate::kernel::real::Real;
use crate::table::approximate::{Answer, Approximation, ApproximationError, Reach};
use crate::table::{TableError, Tables};
use crate::tensor::op::Semiring;

/// Numbers a method holds for each cell: the weight, messages both ways, what it works with.
const NUMBERS: usize = 6;

/// How far an answer's method came.
fn nearness(answer: &Answer) -> Nearness {
    let told = &answer.convergence;
    let Some(chains) = &answer.chains else {
        let (change, r_hat, effective) = (Some(told.change), None, None);
        return Nearness { rounds: told.rounds, change, converged: told.converged, r_hat, effective };
    };
    let apart = matches!(chains.reach, Reach::Parts(_));
    let r_hat = if apart { Some(f64::INFINITY) } else { chains.r_hat.iter().flatten().copied().reduce(f64::max) };
    let effective = chains.effective.iter().flatten().copied().reduce(f64::min);
    let converged = r_hat.is_some_and(|r| r <= AGREE);
    Nearness { rounds: chains.sweeps, change: None, converged, r_hat, effective }
}

impl TableStep {
    /// Bytes that the answer to one row takes, about.
    pub(super) fn approximate_bytes(&self) -> usize {
        8 * NUMBERS * self.sources.iter().map(|s| s.cells).sum::<usize>()
    }

    /// Runs `method` on every row, and says how far it came on the worst of them.
    pub(super) fn approximate<T: Real>(
        &self,
        method: &Approximate,
        inputs: &[&[T]],
        outputs: &mut [&mut [T]],
        base: &Tables,
        shared: &Loaded,
        draws: Option<&Draws>,
    ) -> Option<Nearness> {
        let method = Approximation::from(method.clone());
        let wanted = usize::from(matches!(self.op.mode, Semiring::Sample(_)));
        let rows = self.stretches(outputs).into_par_iter().enumerate().map_init(
            || base.clone(),
            |tables, (row, mut outputs)| {
                let mut loaded = *shared;
                for (s, source) in self.sources.iter().enumerate().filter(|(_, s)| self.rowed[s.input]) {
                    loaded = loaded.and(&source.load(self.row(inputs, source, row), &mut tables.tables[s].cells));
                }
                let (fixed, states) = self.evidence(inputs, row);
                let mut uniform = uniforms(draws, row);
                let mut word = || (uniform() * (1u64 << 32) as f64) as u64;
                let seed = word() | word() << 32;
                outputs.iter_mut().for_each(|o| o.fill(T::of(f64::NAN)));
                if !loaded.whole {
                    return None;
                }
                match method.run(tables, &fixed, &states, wanted, seed) {
                    Ok(answer) => {
                        self.tell(&answer, loaded.shift, (&fixed, &states), &mut outputs);
                        Some(nearness(&answer))
                    }
                    Err(ApproximationError::Table(TableError::Impossible)) => {
                        outputs.iter_mut().for_each(|o| o.fill(T::ZERO));
                        self.give(&mut outputs, 0, T::NEG_INFINITY);
                        None
                    }
                    // It is told as a row without an answer.
                    Err(_) => None,
                }
            },
        );
        rows.collect::<Vec<_>>().into_iter().fold(None, Nearness::worse)
    }

    /// Puts an answer where it belongs.
    fn tell<T: Real>(
        &self,
        answer: &Answer,
        shift: f64,
        (fixed, states): (&[usize], &[usize]),
        outputs: &mut [&mut [T]],
    ) {
        let drawn = answer.draws.first();
        self.give(outputs, 0, T::of(answer.log_z.map_or(0.0, |z| z.value + shift)));
        for (output, &member) in outputs.iter_mut().zip(&self.members) {
            for source in self.sources.iter().filter(|s| member.checked_sub(1) == Some(s.input)) {
                let [axis] = source.axes[..] else { continue };
                let cells = &mut output[source.start..][..source.cells];
                cells.fill(T::ZERO);
                for state in 0..self.op.sizes[axis] {
                    let p = match (&answer.marginals[axis], fixed.iter().position(|&a| a == axis), drawn) {
                        (_, _, Some(drawn)) => f64::from(u8::from(drawn[axis] == state)),
                        (Some(marginal), _, None) => marginal[state],
                        (None, Some(at), None) => f64::from(u8::from(states[at] == state)),
                        (None, None, None) => 1.0,
                    };
                    cells[source.pick.as_ref().map_or(state, |pick| pick[state] as usize)] = T::of(p);
                }
            }
        }
    }
}
