//! What is remarkable about a run that ended well: latent variables that came to say nothing.

use super::fit::StageRecord;
use crate::diag::{Code, Diagnostic};
use crate::engine::variational::DIVERGENCE;
use crate::model::Program;
use crate::plan::{Leaf, LinePlan, ObjectivePlan, Plan};

/// Nats that a guide must on average tell of a row, lest it be said that it tells nothing.
const TELLING: f64 = 0.01;

/// Warnings about what training came to.
pub fn remarks(program: &Program, plan: &Plan, history: &[StageRecord]) -> Vec<Diagnostic> {
    let stages = plan.trains.iter().flat_map(|t| &t.stages);
    let mut told = Vec::new();
    for (stage, record) in stages.zip(history) {
        for (at, line) in stage.lines.iter().enumerate() {
            told.extend(collapsed(program, line, record, at));
        }
    }
    told
}

/// A guide that ended as the prior, whatever the row: its draws say nothing, and the model does without them (Bowman et al. 2016).
fn collapsed(program: &Program, line: &LinePlan, record: &StageRecord, at: usize) -> Option<Diagnostic> {
    let ObjectivePlan::Expression { leaves, .. } = &line.objective else { return None };
    let bound = leaves.iter().find_map(|leaf| if let Leaf::Variational(plan) = leaf { Some(plan) } else { None })?;
    let names = record.parts.get(at)?;
    let place = names.iter().position(|name| name.rsplit(": ").next() == Some(DIVERGENCE))?;
    let told = *record.epochs.last()?.parts.get(at)?.get(place)?;
    if told >= TELLING {
        return None;
    }
    let latent: Vec<String> = bound.draws.iter().map(|(v, _)| format!("`{}`", program.vars[*v].name)).collect();
    Some(
        Diagnostic::at(
            Code::Collapsed,
            line.span,
            format!("after stage `{}` the guide tells {told:.2} nats of a row by {}: as good as nothing", record.name, latent.join(", ")),
        )
        .help("let the divergence count slowly, `kl_weight = ramp(0, 1, epochs = 10)`, or weaken what the model can say without it"),
    )
}
