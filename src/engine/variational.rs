//! The evidence lower bound E_q[log p(x, z) − log q(z | x)] (Jordan et al. 1999; Kingma & Welling 2014), each expectation by
//! the rewrite the plan chose: a closed-form divergence, a sum over states, a reparameterised draw.

use super::error::EmitError;
use super::exact::{Mode, Tilts, partition_value};
use super::objective::{Part, Parted, log_normaliser};
use super::scope::Scope;
use crate::dist::{Args, Label, Named, Value, draw, kl_divergence, log_density, mean};
use crate::model::{Dist, Factor, FactorKind, ModelId, VarId};
use crate::plan::{Expectation, JointPlan, VariationalPlan};

/// The name of the expected log-density of what is observed, as a part of a bound.
pub const FIT: &str = "reconstruction";
/// The name of the divergence of the guide from the model, as a part of a bound.
pub const DIVERGENCE: &str = "KL";

/// A statement `x ~ D(..)`.
#[derive(Clone, Copy, Debug)]
pub struct Conditional<'p> {
    /// The statement.
    pub factor: &'p Factor,
    /// Its distribution.
    pub dist: &'p Dist,
}

/// The conditional of a variable among some factors.
pub fn conditional_of(factors: &[Factor], var: VarId) -> Option<Conditional<'_>> {
    factors.iter().find_map(|factor| match &factor.kind {
        FactorKind::Conditional { target, dist } if target.var == var => Some(Conditional { factor, dist }),
        _ => None,
    })
}

/// A value inside a statement's plates with their labels called by their axes, as its variable's own.
pub fn lifted(scope: &mut Scope<'_>, factor: &Factor, mut named: Named) -> Result<Named, EmitError> {
    for &index in &factor.plates {
        let (from, to) = (scope.index(index)?, scope.axis(scope.program.plate(index))?);
        named = scope.space.rename(&named, from, to);
    }
    Ok(named)
}

/// Arguments of a conditional with its plates' labels called by their axes.
pub fn lifted_args(scope: &mut Scope<'_>, conditional: Conditional<'_>) -> Result<Args, EmitError> {
    let mut args = scope.args(conditional.dist)?;
    for (_, named) in &mut args.0 {
        *named = lifted(scope, conditional.factor, named.clone())?;
    }
    Ok(args)
}

/// The guide's conditional of a variable.
pub fn guide_of<'p>(scope: &Scope<'p>, model: ModelId, var: VarId) -> Result<Conditional<'p>, EmitError> {
    let program = scope.program;
    program.models[model].guide.as_ref().and_then(|g| conditional_of(&g.factors, var)).ok_or_else(|| {
        EmitError::at(program.vars[var].span, "the guide says nothing of this", "add a conditional for it")
    })
}

/// Row and axes of a variable, without its states.
pub fn entry_labels(scope: &mut Scope<'_>, var: VarId) -> Result<Vec<Label>, EmitError> {
    let axes = scope.program.vars[var].axes();
    let mut labels: Vec<Label> = scope.row.into_iter().collect();
    labels.extend(scope.axis_labels(&axes)?);
    Ok(labels)
}

/// Draws a variable from a conditional and sets it in the scope.
pub fn draw_var(
    scope: &mut Scope<'_>,
    var: VarId,
    conditional: Conditional<'_>,
    stop: bool,
) -> Result<Args, EmitError> {
    let args = lifted_args(scope, conditional)?;
    let dist = conditional.dist;
    let form = scope.form(dist.family, var)?;
    let labels = entry_labels(scope, var)?;
    let value = draw(&mut scope.space, form, &args, &labels).ok_or_else(|| no_sampler(scope, var, dist))?;
    let value = if stop { value.through(|a| scope.space.stop(a)) } else { value };
    scope.values.insert(var, value);
    Ok(args)
}

/// That a family has no vectorised sampler.
pub fn no_sampler(scope: &Scope<'_>, var: VarId, dist: &Dist) -> EmitError {
    EmitError::at(
        scope.program.vars[var].span,
        format!("draws from `{}` are not built yet", dist.family.name()),
        "use a family with draws: Bernoulli, Categorical, Normal, Uniform, Exponential, Laplace",
    )
}

/// Sets a variable to its mean under a conditional.
pub fn set_mean(scope: &mut Scope<'_>, var: VarId, conditional: Conditional<'_>) -> Result<(), EmitError> {
    let args = lifted_args(scope, conditional)?;
    let dist = conditional.dist;
    let form = scope.form(dist.family, var)?;
    let value = mean(&mut scope.space, form, &args).ok_or_else(|| no_sampler(scope, var, dist))?;
    let labels = entry_labels(scope, var)?;
    let aligned = match &value {
        Value::Number(a) => Value::Number(scope.space.align(a, &labels)),
        Value::State { hot, class, .. } => {
            let all: Vec<Label> = labels.into_iter().chain([*class]).collect();
            Value::State { hot: scope.space.align(hot, &all), class: *class, along: None }
        }
    };
    scope.values.insert(var, aligned);
    Ok(())
}

/// The bound for each row; the values of fixed variables are in the scope. Its parts are the expected log-density of what is observed
/// and the divergence of the guide from the model, unweighted.
pub fn bound(scope: &mut Scope<'_>, plan: &VariationalPlan, kl_weight: f64) -> Result<Parted, EmitError> {
    let program = scope.program;
    let model = &program.models[plan.model];
    let before = scope.values.clone();
    // Each enumerated variable: its axis and its weights, in order.
    let mut sums: Vec<(Label, Named)> = Vec::new();
    let mut guide_args: Vec<(VarId, Args)> = Vec::new();
    for (var, how) in &plan.draws {
        let conditional = guide_of(scope, plan.model, *var)?;
        match how {
            Expectation::Reparameterised => {
                let args = draw_var(scope, *var, conditional, false)?;
                guide_args.push((*var, args));
            }
            Expectation::Drawn => {
                let args = draw_var(scope, *var, conditional, true)?;
                guide_args.push((*var, args));
            }
            Expectation::Enumerated => {
                let args = lifted_args(scope, conditional)?;
                let form = scope.form(conditional.dist.family, *var)?;
                let (along, values) = super::exact::enumerate_states(scope, &[*var], &[])?;
                scope.values.extend(values);
                let value = scope.values[var].clone();
                let log_q = log_density(&mut scope.space, form, &args, &value);
                // The states of several entries are gone through jointly.
                let axes = scope.axis_labels(&program.vars[*var].axes())?;
                let log_q = scope.space.total(&log_q, &axes);
                let weights = scope.space.map(crate::tensor::op::Unary::Exp, &log_q);
                sums.push((along, weights));
                guide_args.push((*var, args));
            }
        }
    }
    let mut fit = scope.space.scalar(0.0);
    let mut divergence = scope.space.scalar(0.0);
    if let Some(joint) = &plan.joint {
        fit = log_joint(scope, joint, &sums)?;
    }
    for factor in model.factors.iter().filter(|_| plan.joint.is_none()) {
        let FactorKind::Conditional { target, dist } = &factor.kind else { continue };
        let is_latent = plan.draws.iter().any(|(v, _)| *v == target.var);
        if plan.analytic.contains(&target.var) {
            let Some((_, q)) = guide_args.iter().find(|(v, _)| *v == target.var) else { continue };
            let p = lifted_args(scope, Conditional { factor, dist })?;
            let form = scope.form(dist.family, target.var)?;
            if let Some(entries) = kl_divergence(&mut scope.space, form, q, &p) {
                let kl = scope.total_within(&entries, &program.vars[target.var].axes())?;
                divergence = scope.space.add(&divergence, &kl);
                continue;
            }
        }
        let value = scope.factor_total(factor, &[])?;
        match is_latent {
            true => divergence = scope.space.sub(&divergence, &value),
            false => fit = scope.space.add(&fit, &value),
        }
    }
    for (var, args) in &guide_args {
        if plan.analytic.contains(var) {
            continue;
        }
        let form = scope.form(guide_of(scope, plan.model, *var)?.dist.family, *var)?;
        let value = scope.values[var].clone();
        let entries = log_density(&mut scope.space, form, args, &value);
        let log_q = scope.total_within(&entries, &program.vars[*var].axes())?;
        divergence = scope.space.add(&divergence, &log_q);
    }
    let weighted = scope.space.scale(&divergence, kl_weight);
    let value = scope.space.sub(&fit, &weighted);
    let whole = averaged(scope, &sums, value);
    let names = if plan.joint.is_some() { ["log p", "log q"] } else { [FIT, DIVERGENCE] };
    let mut parts = Vec::new();
    for (name, value) in names.into_iter().zip([fit, divergence]) {
        parts.push(Part { name: name.to_string(), value: averaged(scope, &sums, value) });
    }
    scope.values = before;
    Ok(Parted { whole, parts })
}

/// log p of data and guide variables at the scope's values, the rest summed out: over the rows and the states that are gone through, which
/// are rows like any other while blocks are summed.
fn log_joint(scope: &mut Scope<'_>, joint: &JointPlan, sums: &[(Label, Named)]) -> Result<Named, EmitError> {
    let lead: Vec<Label> = scope.row.into_iter().chain(sums.iter().map(|s| s.0)).collect();
    let (values, lengths, row) = (scope.values.clone(), scope.lengths.clone(), scope.row);
    let count = lead.iter().map(|&l| scope.space.extent(l)).product();
    let whole = scope.space.label(count);
    let spread = |scope: &mut Scope<'_>, array: &Named| {
        if !lead.iter().any(|&l| array.has(l)) {
            return array.clone();
        }
        let flat = scope.space.flatten(array, &lead, whole);
        let labels: Vec<Label> =
            [whole].into_iter().chain(flat.labels.iter().copied().filter(|&l| l != whole)).collect();
        scope.space.align(&flat, &labels)
    };
    if !sums.is_empty() {
        for (var, value) in &values {
            let value = value.through(|a| spread(scope, a));
            scope.values.insert(*var, value);
        }
        for (axis, length) in &lengths {
            let length = spread(scope, length);
            scope.lengths.insert(*axis, length);
        }
        scope.row = Some(whole);
    }
    let value = partition_value(scope, &joint.clamped, &Tilts::new(), Mode::Marginals);
    let (inner, mut value) = (scope.row, value?);
    scope.row = row;
    scope.values = values;
    scope.lengths = lengths;
    if !sums.is_empty() {
        let aligned = scope.space.align(&value, &inner.into_iter().collect::<Vec<_>>());
        let shape = scope.space.shape(&lead);
        value = Named { node: scope.space.graph.reshape(aligned.node, &shape), labels: lead };
    }
    for normaliser in &joint.normalisers {
        let log_z = log_normaliser(scope, joint.clamped.model, normaliser)?;
        value = scope.space.sub(&value, &log_z);
    }
    Ok(value)
}

/// The mean over enumerated states: along each axis, the sum with its weights.
fn averaged(scope: &mut Scope<'_>, sums: &[(Label, Named)], mut value: Named) -> Named {
    for (along, weights) in sums.iter().rev() {
        let labels = crate::dist::Space::union(&value.labels, &[*along]);
        let aligned = scope.space.align(&value, &labels);
        let product = scope.space.mul_zero(weights, &aligned);
        value = scope.space.sum(&product, &[*along]);
    }
    value
}
