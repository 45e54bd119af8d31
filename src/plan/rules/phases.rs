//! Wake-sleep (Hinton, Dayan, Frey & Neal 1995) and up-down (Hinton, Osindero & Teh 2006): a directed model and its guide
//! learn from each other's samples; an undirected top is learned by contrastive divergence from the wake state.

use std::collections::BTreeSet;

use super::contrastive::{choose_normaliser, find_undirected, find_unguided};
use super::order::readable_guide_order;
use crate::analysis::Situation;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{FactorKind, ModelId, Program, VarId, order_factors};
use crate::plan::method::{Contrast, Method, Schedule};
use crate::plan::plan::{Refusal, WakeSleepPlan};

/// Plans wake-sleep for a model on data that binds `fixed`.
pub fn choose_phases(
    program: &Program,
    model: ModelId,
    fixed: &BTreeSet<VarId>,
    parts: &[(String, Schedule)],
    rejected: Vec<Refusal>,
    at: Span,
) -> Result<WakeSleepPlan, Diagnostic> {
    let declared = &program.models[model];
    let Some(guide) = &declared.guide else {
        return Err(Diagnostic::at(Code::NoEngine, at, format!("wake-sleep needs a guide for `{}`", declared.name))
            .primary(declared.span, "this model has none")
            .help(format!("write `guide {} {{ .. }}` with a conditional for each latent variable", declared.name)));
    };
    let draws = readable_guide_order(program, guide, fixed, at)?;
    let known: BTreeSet<VarId> = fixed.iter().chain(&draws).copied().collect();
    let situation = Situation::new(program, model, &known);
    let mut normalisers = Vec::new();
    let undirected = find_undirected(&situation);
    for (name, _) in parts {
        if !undirected.iter().any(|p| &p.name == name) {
            let there: Vec<&str> = undirected.iter().map(|p| p.name.as_str()).collect();
            return Err(Diagnostic::at(Code::UnknownName, at, format!("no undirected part is called `{name}`")).help(
                if there.is_empty() {
                    "this model has none: leave the setting out".to_string()
                } else {
                    format!("there are: {}", there.join(", "))
                },
            ));
        }
    }
    if let Some(var) = find_unguided(&situation, &situation.latent(), &undirected) {
        return Err(Diagnostic::at(
            Code::NoEngine,
            at,
            format!("wake-sleep has no way to draw `{}`", program.vars[var].name),
        )
        .label(program.vars[var].span, "latent, and not in the guide")
        .help("add a conditional for it to the guide"));
    }
    for part in &undirected {
        let steps = parts.iter().find(|(n, _)| *n == part.name).map_or(Schedule::Constant(1.0), |(_, s)| s.clone());
        let method = Method::Contrastive(Contrast::from_data(steps));
        normalisers.push(choose_normaliser(&situation, part, &known, Some(&method), true, at)?);
    }
    let conditionals = order_factors(&declared.factors)
        .into_iter()
        .filter(|&i| matches!(declared.factors[i].kind, FactorKind::Conditional { .. }))
        .collect();
    Ok(WakeSleepPlan {
        model,
        fixed: fixed.iter().copied().collect(),
        draws,
        conditionals,
        normalisers,
        reason: "a guide draws the latent variables; model and guide learn from each other's samples".to_string(),
        rejected,
    })
}
