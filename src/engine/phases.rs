//! Wake-sleep (Hinton et al. 1995) and up-down (Hinton, Osindero & Teh 2006), and one layer of greedy learning.
//!
//! Wake: the guide draws the latent variables, the model's conditionals are scored. Sleep: the model dreams, the guide's
//! conditionals are scored. With an undirected part the dream starts from the chain of its contrastive divergence.

use super::contrastive::{Machine, negative_phase};
use super::error::EmitError;
use super::exact::Energy;
use super::objective::{Part, Parted};
use super::scope::Scope;
use super::variational::{Conditional, conditional_of, draw_var, guide_of, lifted, set_mean};
use crate::dist::{Named, Value};
use crate::model::{Arg, Domain, Factor, FactorKind, VarId};
use crate::plan::{self, Block, Engine, Kind, LayerPlan, Normalising, Resampled, WakeSleepPlan};
use crate::tensor::op::{Binary, Law};

/// Sweeps of contrastive divergence in an epoch, for a normaliser.
pub fn steps_at(normaliser: &plan::Normaliser, epoch: usize, epochs: usize) -> usize {
    match &normaliser.how {
        Normalising::Contrastive { steps, .. } => steps.count_at(epoch, epochs),
        Normalising::Exact(_) | Normalising::Annealed(_) => 0,
    }
}

/// Grey values of binary variables become draws with those probabilities: the objective that follows is no linear function
/// of them, and its expectation under binarisation is what grey data stand for. Values 0 and 1 stay.
pub fn draw_grey(scope: &mut Scope<'_>) -> Result<(), EmitError> {
    let binary: Vec<VarId> =
        scope.values.keys().copied().filter(|&v| scope.program.vars[v].domain == Domain::Bool).collect();
    for var in binary {
        let Some(Value::Number(p)) = scope.values.get(&var).cloned() else { continue };
        let u = scope.space.random(Law::Uniform, &p.labels);
        let yes = scope.space.zip(Binary::Lt, &u, &p);
        scope.values.insert(var, Value::Number(scope.space.stop(&yes)));
    }
    Ok(())
}

/// The sum of both phases' scores, a number a row. Samples carry no derivative. Its parts are the score of the model's conditionals in
/// the wake phase and that of the guide's in the sleep phase; what an undirected part adds has a gradient and no value.
pub fn phases(scope: &mut Scope<'_>, plan: &WakeSleepPlan, epoch: usize, epochs: usize) -> Result<Parted, EmitError> {
    let program = scope.program;
    let model = &program.models[plan.model];
    let data = scope.values.clone();
    draw_grey(scope)?;
    for &var in &plan.draws {
        let conditional = guide_of(scope, plan.model, var)?;
        draw_var(scope, var, conditional, true)?;
    }
    let mut score = scope.space.scalar(0.0);
    for &position in &plan.conditionals {
        let value = scope.factor_total(&model.factors[position], &[])?;
        score = scope.space.add(&score, &value);
    }
    let mut parts = Vec::new();
    if !plan.conditionals.is_empty() {
        parts.push(Part::new("wake", &score));
    }
    for normaliser in &plan.normalisers {
        let Some(machine) = Machine::of(scope, plan.model, normaliser) else { continue };
        let positive = machine.visible_log_partition(scope)?;
        let steps = steps_at(normaliser, epoch, epochs);
        let negative = negative_phase(scope, &machine, steps, true)?;
        score = scope.space.add(&score, &positive);
        score = scope.space.add(&score, &negative);
    }
    for &position in &plan.conditionals {
        let factor = &model.factors[position];
        if let FactorKind::Conditional { target, dist } = &factor.kind {
            draw_var(scope, target.var, Conditional { factor, dist }, true)?;
        }
    }
    if let Some(guide) = &model.guide {
        let mut sleep = scope.space.scalar(0.0);
        for factor in &guide.factors {
            let value = scope.factor_total(factor, &[])?;
            sleep = scope.space.add(&sleep, &value);
            score = scope.space.add(&score, &value);
        }
        parts.push(Part::new("sleep", &sleep));
    }
    scope.values = data;
    Ok(Parted { whole: score, parts })
}

/// The logit of a conditional, which the plan has checked to be there.
fn logit(factor: &Factor) -> Result<(&crate::model::Expr, VarId), EmitError> {
    match &factor.kind {
        FactorKind::Conditional { target, dist } => match dist.arg(Arg::Logit) {
            Some(expr) => Ok((expr, target.var)),
            None => Err(EmitError::at(factor.span, "a greedy layer needs `logit = ..`", "write it with a logit")),
        },
        _ => Err(EmitError::at(factor.span, "a greedy layer is made of conditionals", "write it with `~`")),
    }
}

/// value · logit, over the entries of the value.
fn product(scope: &mut Scope<'_>, var: VarId, logit: &Named) -> Result<Named, EmitError> {
    let Some(value) = scope.values.get(&var).cloned() else { return Ok(scope.space.scalar(0.0)) };
    let array = match (&value, &scope.program.vars[var].domain) {
        // A ±1 value has the log-odds of a 0/1 value at half its size.
        (Value::Number(x), Domain::Spin) => scope.space.scale(x, 0.5),
        _ => value.array().clone(),
    };
    let scored = scope.space.mul(&array, logit);
    let keep: Vec<_> = scope.row.into_iter().collect();
    Ok(scope.space.sum_to(&scored, &keep))
}

/// The objective of one greedy layer, a number a row: its derivative is that of contrastive divergence.
pub fn layer(scope: &mut Scope<'_>, plan: &LayerPlan, epoch: usize, epochs: usize) -> Result<Named, EmitError> {
    let program = scope.program;
    let model = &program.models[plan.model];
    let data = scope.values.clone();
    draw_grey(scope)?;
    // The layer learns on what the guide makes of the data; draws carry no derivative, so the guide below stands still.
    for &var in &plan.below {
        let conditional = guide_of(scope, plan.model, var)?;
        draw_var(scope, var, conditional, true)?;
    }
    let steps = plan.steps.count_at(epoch, epochs);
    let value = match &plan.machine {
        plan::Machine::Group(normaliser) => match Machine::of(scope, plan.model, normaliser) {
            None => scope.space.scalar(0.0),
            Some(machine) => contrast(scope, &machine, steps)?,
        },
        plan::Machine::Pair { visible, generative, hidden, recognition } => {
            let below = &model.factors[*generative];
            let (down, _) = logit(below)?;
            let guide = model.guide.as_ref().ok_or_else(|| EmitError::of("the model has no guide", "write one"))?;
            let above = &guide.factors[*recognition];
            let (up, _) = logit(above)?;
            let (visible, hidden) = (*visible, *hidden);
            let energy = move |scope: &mut Scope<'_>| -> Result<Named, EmitError> {
                // visible · logit(hidden) + hidden · guide logit at visible = 0: what both conditionals share, once.
                let down = scope.number(down)?;
                let down = lifted(scope, below, down)?;
                let first = product(scope, visible, &down)?;
                let at = scope.values.get(&visible).cloned();
                if let Some(value) = &at {
                    let labels = value.array().labels.clone();
                    let zeros = scope.space.full(&labels, 0.0);
                    scope.values.insert(visible, value.through(|_| zeros));
                }
                let up = scope.number(up);
                if let Some(value) = at {
                    scope.values.insert(visible, value);
                }
                let up = lifted(scope, above, up?)?;
                let second = product(scope, hidden, &up)?;
                Ok(scope.space.add(&first, &second))
            };
            let block = Block {
                vars: vec![hidden],
                pieces: Vec::new(),
                plates: Vec::new(),
                engine: Engine::Enumeration { summed: vec![hidden], kept: Vec::new() },
                kind: Kind::Exact,
                reason: String::new(),
                cost: None,
                rejected: Vec::new(),
            };
            let machine = Machine {
                energy: Energy::Own(&energy),
                sweep: vec![Resampled::Together(vec![hidden]), Resampled::Together(vec![visible])],
                visible: vec![visible],
                hidden: Some(block),
                settled: Energy::Pieces(Vec::new()),
                touching: Energy::Own(&energy),
            };
            contrast(scope, &machine, steps)?
        }
    };
    scope.values = data;
    Ok(value)
}

fn contrast(scope: &mut Scope<'_>, machine: &Machine<'_>, steps: usize) -> Result<Named, EmitError> {
    let positive = machine.visible_log_partition(scope)?;
    let negative = negative_phase(scope, machine, steps, false)?;
    Ok(scope.space.add(&positive, &negative))
}

/// The mean of an observed leaf under the model at the scope's values: what a reconstruction or a dream looks like.
pub fn leaf_mean(scope: &mut Scope<'_>, model: crate::model::ModelId, var: VarId) -> Result<Option<Value>, EmitError> {
    let Some(conditional) = conditional_of(&scope.program.models[model].factors, var) else { return Ok(None) };
    let saved = scope.values.get(&var).cloned();
    set_mean(scope, var, conditional)?;
    let mean = scope.values.get(&var).cloned();
    match saved {
        Some(value) => scope.values.insert(var, value),
        None => scope.values.remove(&var),
    };
    Ok(mean)
}
