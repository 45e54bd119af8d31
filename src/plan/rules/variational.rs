//! The evidence lower bound under a guide, each expectation by the best rewrite that applies (Kingma & Welling 2014).

use std::collections::BTreeSet;

use super::contrastive::{choose_normaliser, find_undirected};
use super::order::readable_guide_order;
use super::partition::{NotExact, choose_partition, names};
use crate::analysis::{Component, Situation, find_determined};
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{Arg, AxisKind, Factor, FactorKind, Family, ModelId, Program, VarId};
use crate::plan::method::Schedule;
use crate::plan::plan::{Expectation, JointPlan, Normalising, VariationalPlan};

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

/// Joint states of guide variables that are gone through one by one.
const MOST_STATES: usize = 1 << 10;

/// How many joint states a discrete variable's entries have, where its axes have sizes that no row changes.
fn joint_states(program: &Program, var: VarId) -> Option<usize> {
    let declared = &program.vars[var];
    if declared.axes().iter().any(|&a| program.axes[program.axes.root(a)].kind == AxisKind::Ragged) {
        return None;
    }
    let states = Component::states(program, var)?;
    let entries: usize = program.extents(&declared.axes())?.iter().product();
    u32::try_from(entries).ok().and_then(|n| states.checked_pow(n))
}

/// The joint density of data and guide variables where undirected parts have a say in it; none where everything is directed.
///
/// # Errors
/// What the guide does not draw, or a log-partition, cannot be summed; a weight stands on a divergence that is not told apart.
fn choose_joint(
    program: &Program,
    model: ModelId,
    known: &BTreeSet<VarId>,
    kl_weight: &Schedule,
    learning: bool,
    at: Span,
) -> Result<Option<JointPlan>, Diagnostic> {
    let declared = &program.models[model];
    let refuse = |text: &str, part: &Factor| {
        Diagnostic::at(Code::NotSupported, at, text.to_string())
            .label(part.span, "an undirected part")
            .help("learn by wake and sleep phases, or write the model with `~` throughout")
    };
    if let Some(part) = declared.factors.iter().find(|f| matches!(f.kind, FactorKind::Potential(_))) {
        return Err(refuse("the bound of a model with potentials of its own is not built yet", part));
    }
    let Some(part) = declared.factors.iter().find(|f| matches!(f.kind, FactorKind::Undirected { .. })) else {
        return Ok(None);
    };
    if *kl_weight != Schedule::Constant(1.0) {
        return Err(refuse("a weight on the divergence from an undirected part is not built yet", part));
    }
    let situation = Situation::new(program, model, known);
    let clamped = choose_partition(&situation, None).map_err(|not| not.diagnostic(program, at))?;
    let mut normalisers = Vec::new();
    for undirected in find_undirected(&situation) {
        let found = choose_normaliser(&situation, &undirected, known, None, learning, at)?;
        if matches!(found.how, Normalising::Contrastive { .. }) {
            return Err(refuse("the bound is followed only where log Z of an undirected part can be summed", part));
        }
        normalisers.push(found);
    }
    Ok(Some(JointPlan { clamped, normalisers }))
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
    let joint = choose_joint(program, model, &known, &kl_weight, learning, at)?;
    let mut latent = declared.vars.iter().filter(|v| !known.contains(v));
    if joint.is_none()
        && let Some(&missing) = latent.find(|v| !determined.contains(v))
    {
        return Err(Diagnostic::at(
            Code::NoEngine,
            at,
            format!("the guide says nothing of `{}`", program.vars[missing].name),
        )
        .label(program.vars[missing].span, "latent, and not in the guide")
        .help("add a conditional for it to the guide"));
    }
    let mut states = 1usize;
    let mut draws = Vec::new();
    let mut analytic = Vec::new();
    for &var in &order {
        let Some(q) = conditional_of(&guide.factors, var) else { continue };
        let family = family_of(q);
        let discrete = program.vars[var].domain.is_discrete();
        let how = if family.is_some_and(Family::is_reparameterisable) {
            Expectation::Reparameterised
        } else {
            let own = if discrete { joint_states(program, var) } else { None };
            let all = own.and_then(|n| states.checked_mul(n)).filter(|&n| n <= MOST_STATES);
            // Where a sum stands at each state of the guide's anyway, few joint states of several entries are gone through.
            let enumerable = discrete && program.vars[var].axes().is_empty() || joint.is_some() && all.is_some();
            if let (true, Some(own)) = (enumerable, own) {
                states = states.saturating_mul(own);
            }
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
        if joint.is_none() && p.is_some_and(|p| has_closed_kl(q, p)) {
            analytic.push(var);
        }
    }
    let reason = match draws.iter().all(|(_, how)| *how == Expectation::Reparameterised) {
        true => "latent, continuous and differentiable, with a guide",
        false => "a guide; its discrete variables are summed over, the others reparameterised",
    };
    let reason = match &joint {
        Some(joint) if !joint.clamped.blocks.is_empty() => {
            let vars: Vec<VarId> = joint.clamped.blocks.iter().flat_map(|b| b.vars.iter().copied()).collect();
            format!("{reason}; {} summed given these", names(program, &vars))
        }
        _ => reason.to_string(),
    };
    let reason = match guide.made {
        Some(_) => format!("{reason} that was made, since the file has none"),
        None => reason,
    };
    Ok(VariationalPlan {
        model,
        draws,
        analytic,
        joint: joint.map(Box::new),
        fixed: fixed.iter().copied().collect(),
        kl_weight,
        reason,
        rejected: better.map(|b| b.refusals.clone()).unwrap_or_default(),
    })
}
