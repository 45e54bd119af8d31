//! States as numbers and words: an answer's expectations as states, shares and labels.

use crate::base::id::Arena;
use crate::model::{Axis, AxisId, Domain, Program, VarId};

/// Expectations of one variable's entries turned into their likeliest states.
pub(super) fn snap(means: &mut [f64], domain: &Domain, axes: &Arena<AxisId, Axis>) {
    match domain {
        Domain::Cat(axis) => {
            let states = axes.extent(*axis).unwrap_or(1);
            let best = codes(means, states);
            for (entry, best) in means.chunks_mut(states.max(1)).zip(best) {
                entry.iter_mut().enumerate().for_each(|(state, v)| *v = f64::from(u8::from(state as f64 == best)));
            }
        }
        Domain::Spin => means.iter_mut().for_each(|m| *m = if *m > 0.0 { 1.0 } else { -1.0 }),
        Domain::Bool => means.iter_mut().for_each(|m| *m = f64::from(u8::from(*m > 0.5))),
        _ => {}
    }
}

/// Positions of the largest entry in each stretch of `k`.
pub(super) fn codes(hot: &[f64], k: usize) -> Vec<f64> {
    hot.chunks(k.max(1))
        .map(|c| {
            c.iter().enumerate().fold((0, f64::NEG_INFINITY), |b, (i, &v)| if v > b.1 { (i, v) } else { b }).0 as f64
        })
        .collect()
}

/// Probabilities of a variable's states from its expectation.
pub(super) fn state_shares(program: &Program, var: VarId, raw: &[f64]) -> Vec<f64> {
    match program.vars[var].domain {
        Domain::Cat(_) => raw.to_vec(),
        Domain::Spin => vec![(1.0 - raw[0]) / 2.0, (1.0 + raw[0]) / 2.0],
        _ => vec![1.0 - raw[0], raw[0]],
    }
}

/// The number by which an input tells a state.
pub(super) fn state_number(program: &Program, var: VarId, state: usize) -> f64 {
    match program.vars[var].domain {
        Domain::Spin => 2.0 * state as f64 - 1.0,
        _ => state as f64,
    }
}

/// The states' labels, as printed.
pub fn state_labels(program: &Program, domain: &Domain) -> Vec<String> {
    match domain {
        Domain::Bool => vec!["no".into(), "yes".into()],
        Domain::Spin => vec!["down".into(), "up".into()],
        Domain::Cat(axis) => match program.axes.labels(*axis) {
            Some(labels) => labels.to_vec(),
            None => (1..=program.axes.extent(*axis).unwrap_or(0)).map(|k| k.to_string()).collect(),
        },
        _ => Vec::new(),
    }
}
