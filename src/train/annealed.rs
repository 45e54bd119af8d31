//! Estimates of log-partitions from the weights of annealed runs: the mean weight, how far it can be trusted, and what the way back says.
//!
//! In: a logarithm of a weight for each run, there and back. Out: log Z with an interval, and the estimate of the way back, which leans
//! upwards where that of the way there leans downwards.

use super::answers::Asker;
use super::compiled::compile;
use super::events::Failure;
use super::fit::run_program;
use crate::engine::annealed::annealed;
use crate::model::ModelId;
use crate::plan::{Annealing, Leaf, Normaliser, Normalising, VariationalPlan};
use crate::runtime::States;

/// Deviations on either side of an estimate that an interval of 95 % spans.
const DEVIATIONS: f64 = 1.96;
/// Estimates there and back that are further apart than this and than the interval do not agree, in nats.
const APART: f64 = 0.5;

/// log Z as runs estimate it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The logarithm of the mean weight of the way there.
    pub value: f64,
    /// 95 % by the delta method: the deviation of the logarithm is that of the mean weight over the mean weight.
    pub interval: (f64, f64),
    /// What the way back says.
    pub reverse: f64,
    /// Runs.
    pub runs: usize,
}

impl Estimate {
    /// From log Z of the start and the logarithms of the weights there and back.
    pub fn of(start: f64, forward: &[f64], backward: &[f64]) -> Estimate {
        let (there, spread) = log_mean(forward);
        let (back, _) = log_mean(backward);
        let value = start + there;
        let half = DEVIATIONS * spread;
        Estimate { value, interval: (value - half, value + half), reverse: start - back, runs: forward.len() }
    }

    /// How it was come by, and a warning where the way back says otherwise.
    pub fn note(&self) -> String {
        let (low, high) = self.interval;
        let told = format!(
            "log Z within ±{:.2} by {} runs, {:.2} on the way back",
            (high - low) / 2.0,
            self.runs,
            self.reverse
        );
        match (self.reverse - self.value).abs() > APART.max(high - low) {
            true => format!("{told}: these disagree, take more `betas`"),
            false => told,
        }
    }
}

/// The logarithm of the mean of some exponentials, and the standard deviation of the mean over the mean.
fn log_mean(logs: &[f64]) -> (f64, f64) {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return (most, f64::INFINITY);
    }
    let n = logs.len() as f64;
    let weights: Vec<f64> = logs.iter().map(|w| (w - most).exp()).collect();
    let mean = weights.iter().sum::<f64>() / n;
    let square = weights.iter().map(|w| (w - mean) * (w - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    (most + mean.ln(), (square / n).sqrt() / mean)
}

/// The normalisers of some quantities that are estimated, each name once, with the model each is of.
pub(super) fn estimated(leaves: &[Leaf]) -> Vec<(ModelId, &Normaliser, &Annealing)> {
    let mut found: Vec<(ModelId, &Normaliser, &Annealing)> = Vec::new();
    for leaf in leaves {
        let (clamped, normalisers) = match leaf {
            Leaf::LogLik(plan) => (&plan.clamped, &plan.normalisers),
            Leaf::Variational(VariationalPlan { joint: Some(joint), .. }) => (&joint.clamped, &joint.normalisers),
            Leaf::Variational(_) | Leaf::GuideDensity { .. } => continue,
        };
        for normaliser in normalisers {
            if let Normalising::Annealed(plan) = &normaliser.how
                && !found.iter().any(|(_, _, other)| other.name == plan.name)
            {
                found.push((clamped.model, normaliser, plan));
            }
        }
    }
    found
}

impl Asker<'_> {
    /// Runs there and back, and what their weights say.
    pub(super) fn annealed(
        &self,
        model: ModelId,
        normaliser: &Normaliser,
        plan: &Annealing,
        states: &mut States<f64>,
    ) -> Result<Estimate, Failure> {
        let limit = self.limit();
        let graph = annealed(self.program, model, normaliser, plan)?;
        let mut program = compile::<f64>(&graph, &limit.as_limit())?;
        run_program(&mut program, states, &[], self.terms.seed, 0).map_err(|e| self.failed(&e, &[]))?;
        let output = |name: &str| program.output(name).map(|(_, data)| data.to_vec()).unwrap_or_default();
        let start = output("start").first().copied().unwrap_or(f64::NAN);
        Ok(Estimate::of(start, &output("forward"), &output("backward")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_weight_is_taken_where_weights_overflow() {
        let found = Estimate::of(1.0, &[1000.0, 1000.0], &[-1000.0, -1000.0]);
        assert_eq!((found.value, found.interval, found.reverse), (1001.0, (1001.0, 1001.0), 1001.0));
        assert!(!found.note().contains("disagree"));
        let (mean, spread) = log_mean(&[0.0, 3f64.ln()]);
        assert!((mean - 2f64.ln()).abs() < 1e-12 && (spread - 0.5).abs() < 1e-12, "{mean} {spread}");
        assert!(Estimate::of(0.0, &[0.0, 0.1], &[-5.0, -5.1]).note().contains("disagree"));
    }
}
