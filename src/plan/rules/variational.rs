//! The evidence lower bound under a guide, each expectation by the best rewrite that applies (Kingma & Welling 2014).

use std::collections::BTreeSet;

use super::order::readable_guide_order;
use super::partition::NotExact;
use crate::analysis::find_determined;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{Arg, Factor, FactorKind, Family, ModelId, Program, VarId};
use crate::plan::method::Schedule;
use crate::plan::plan::{Expectation, VariationalPlan};

fn conditional_of(factors: &[Factor], var: VarId) -> Option<&Factor> {
    factors.iter().find(|f| matches!(&f.kind, FactorKind::Conditional { target, .. } if target.var == var))
}

fn family_of(factor: &Factor) -> Option<Family> {
    match &factor.kind {
        FactorKind::Conditional { dist, .. } => Some(dist.family),
        _ => None,
    }
}

/// Whether KL(q ‖ p) has a closed form, entry by entry, of two conditionals of one family.
fn has_closed_kl(q: &Factor, p: &Factor) -> bool {
    let independent = |f: &Factor| match &f.kind {
        FactorKind::Conditional { dist, .. } => dist.family != Family::Normal || dist.arg(Arg::Sd).is_some(),
        _ => false,
    };
    let closed = |family| matches!(family, Family::Normal | Family::Bernoulli | Family::Categorical);
    family_of(q) == family_of(p) && family_of(q).is_some_and(closed) && independent(q) && independent(p)
}

/// Plans the bound for a model on data that binds `fixed`; where it is only evaluated, any draw will do.
pub fn choose_variational(
    program: &Program,
    model: ModelId,
    fixed: &BTreeSet<VarId>,
    kl_weight: Schedule,
    better: Option<&NotExact>,
    learning: bool,
    at: Span,
) -> Result<VariationalPlan, Diagnostic> {
    let declared = &program.models[model];
    let Some(guide) = &declared.guide else {
        return Err(Diagnostic::at(Code::NoEngine, at, format!("the bound needs a guide for `{}`", declared.name))
            .label(declared.span, "this model has none")
            .help(format!("write `guide {} {{ .. }}` with a conditional for each latent variable", declared.name)));
    };
    let order = readable_guide_order(program, guide, fixed, at)?;
    let known: BTreeSet<VarId> = fixed.iter().chain(&order).copied().collect();
    let determined = find_determined(program, model, &known);
    let mut latent = declared.vars.iter().filter(|v| !known.contains(v));
    if let Some(&missing) = latent.find(|v| !determined.contains(v)) {
        return Err(Diagnostic::at(
            Code::NoEngine,
            at,
            format!("the guide says nothing of `{}`", program.vars[missing].name),
        )
        .label(program.vars[missing].span, "latent, and not in the guide")
        .help("add a conditional for it to the guide"));
    }
    if let Some(part) =
        declared.factors.iter().find(|f| matches!(f.kind, FactorKind::Potential(_) | FactorKind::Undirected { .. }))
    {
        return Err(Diagnostic::at(Code::NotSupported, at, "the bound of a model with potentials is not built yet")
            .label(part.span, "an undirected part")
            .help("learn by wake and sleep phases, or write the model with `~` throughout"));
    }
    let mut draws = Vec::new();
    let mut analytic = Vec::new();
    for &var in &order {
        let Some(q) = conditional_of(&guide.factors, var) else { continue };
        let family = family_of(q);
        let discrete = program.vars[var].domain.is_discrete();
        let how = if family.is_some_and(Family::is_reparameterisable) {
            Expectation::Reparameterised
        } else {
            let single = program.vars[var].axes().is_empty();
            let enumerable = discrete && single;
            if !learning && !enumerable {
                draws.push((var, Expectation::Drawn));
                continue;
            }
            if !enumerable {
                let name = &program.vars[var].name;
                return Err(Diagnostic::at(
                    Code::NotReparameterised,
                    at,
                    format!("`{name}` is drawn from a distribution that cannot be reparameterised"),
                )
                .label(q.span, "its draw is not a differentiable function of noise")
                .help("learn by wake and sleep phases, which need no derivative through draws"));
            }
            Expectation::Enumerated
        };
        draws.push((var, how));
        // The pair is replaced by its closed form only where no other draw stands between them.
        let p = conditional_of(&declared.factors, var);
        if p.is_some_and(|p| has_closed_kl(q, p)) {
            analytic.push(var);
        }
    }
    let reason = match draws.iter().all(|(_, how)| *how == Expectation::Reparameterised) {
        true => "latent, continuous and differentiable, with a guide",
        false => "a guide; its discrete variables are summed over, the others reparameterised",
    };
    let reason = match guide.made {
        Some(_) => format!("{reason} that was made, since the file has none"),
        None => reason.to_string(),
    };
    Ok(VariationalPlan {
        model,
        draws,
        analytic,
        fixed: fixed.iter().copied().collect(),
        kl_weight,
        reason,
        rejected: better.map(|b| b.refusals.clone()).unwrap_or_default(),
    })
}
