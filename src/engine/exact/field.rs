//! Mean field over a block's summands: q = Π q_i with each mean what its conditional says at the others' means, set after set until they
//! stand still (Saul, Jaakkola & Jordan 1996). Where log p̃ multiplies no entry with itself, E_q log p̃ is log p̃ at the means, so that
//! the bound is E_q log p̃ + H(q) from the summands' own graph. Its derivative at fixed means is that of the bound at its maximum over q;
//! in a variable's tilt it is the means.

use super::super::error::EmitError;
use super::super::gibbs::Frame;
use super::super::scope::Scope;
use super::{Energy, Mode, Slot, Tilts, energy_with_slots, keep_labels, tilt_labels, tilt_value};
use crate::dist::{Named, Value};
use crate::model::{Domain, VarId};
use crate::plan::Resampled;
use crate::tensor::graph::NodeId;
use crate::tensor::op::{Binary, Law, Reduction, Unary};

/// What settles: its sets, when it is near enough, and how long it may take.
pub(super) struct Settling<'a> {
    pub sweep: &'a [Resampled],
    pub tolerance: f64,
    pub rounds: usize,
}

/// The bound, a number a row.
pub(super) fn log_partition(
    scope: &mut Scope<'_>,
    settling: &Settling<'_>,
    energy: &Energy<'_>,
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    let vars: Vec<VarId> = settling.sweep.iter().flat_map(|s| s.vars()).copied().collect();
    settle(scope, settling, &vars, energy)?;
    let keep = keep_labels(scope, &[], &[])?;
    let mut value = energy.emit(scope, &[])?;
    for &var in &vars {
        let Some(mean) = scope.values.get(&var).cloned() else { continue };
        let spread = entropy(scope, var, &mean);
        let spread = scope.space.sum_to(&spread, &keep);
        value = scope.space.add(&value, &spread);
        let shown = match mode {
            Mode::Marginals => mean,
            Mode::Sample => drawn(scope, var, &mean)?,
            Mode::Best => {
                return Err(EmitError::at(
                    scope.program.vars[var].span,
                    "mean field has no best joint state",
                    "ask for `argmax_each`",
                ));
            }
        };
        if let Some(tilt) = tilt_value(scope, var, &shown, tilts, &keep) {
            value = scope.space.add(&value, &tilt);
        }
    }
    for var in &vars {
        scope.values.remove(var);
    }
    Ok(value)
}

/// Sets each variable to its means: even at first, then in turn until none moves by more than the tolerance.
fn settle(
    scope: &mut Scope<'_>,
    settling: &Settling<'_>,
    vars: &[VarId],
    energy: &Energy<'_>,
) -> Result<(), EmitError> {
    let mut carried: Vec<Value> = Vec::new();
    for &var in vars {
        let labels = tilt_labels(scope, var)?;
        let class = scope.class(var)?;
        let even = match (class, &scope.program.vars[var].domain) {
            (Some(class), _) => 1.0 / scope.space.extent(class).max(1) as f64,
            (None, Domain::Spin) => 0.0,
            (None, _) => 0.5,
        };
        let start = scope.space.full(&labels, even);
        carried.push(match class {
            Some(class) => Value::State { hot: start, class, along: None },
            None => Value::Number(start),
        });
        scope.values.remove(&var);
    }
    let outer = Frame::of(scope, vars);
    let moved = scope.space.scalar(f64::INFINITY);
    let init: Vec<NodeId> = carried.iter().map(|v| v.array().node).chain([moved.node]).collect();
    let constants = outer.nodes();
    let mut graph = std::mem::take(&mut scope.space.graph);
    let mut failure = None;
    let end = graph.while_with(settling.rounds, &init, &constants, |body, _, c, k| {
        std::mem::swap(&mut scope.space.graph, body);
        outer.enter(scope, k);
        let before: Vec<Named> =
            carried.iter().zip(c).map(|(value, &node)| Named { node, labels: value.array().labels.clone() }).collect();
        for ((&var, value), array) in vars.iter().zip(&carried).zip(&before) {
            scope.values.insert(var, value.through(|_| array.clone()));
        }
        for set in settling.sweep {
            if let Err(error) = renew(scope, set.vars(), energy) {
                failure.get_or_insert(error);
            }
        }
        let mut largest = scope.space.scalar(0.0);
        let mut after = Vec::new();
        for (var, old) in vars.iter().zip(&before) {
            let new = scope.values.get(var).map_or_else(|| old.clone(), |v| v.array().clone());
            let new = scope.space.align(&new, &old.labels);
            let apart = scope.space.sub(&new, old);
            let apart = scope.space.map(Unary::Abs, &apart);
            let axes: Vec<usize> = (0..apart.labels.len()).collect();
            let most = Named { node: scope.space.graph.reduce(Reduction::Max, apart.node, &axes), labels: Vec::new() };
            largest = scope.space.zip(Binary::Max, &largest, &most);
            after.push(new.node);
        }
        let last = Named { node: c[vars.len()], labels: Vec::new() };
        let tolerance = scope.space.scalar(settling.tolerance);
        let open = scope.space.zip(Binary::Lt, &tolerance, &last);
        after.push(largest.node);
        std::mem::swap(&mut scope.space.graph, body);
        (open.node, after)
    });
    scope.space.graph = graph;
    outer.leave(scope);
    if let Some(error) = failure {
        return Err(error);
    }
    for ((&var, value), &node) in vars.iter().zip(&carried).zip(&end) {
        let labels = value.array().labels.clone();
        let array = scope.space.stop(&Named { node, labels });
        scope.values.insert(var, value.through(|_| array));
    }
    Ok(())
}

/// The means of a set's entries at the others' means.
fn renew(scope: &mut Scope<'_>, set: &[VarId], energy: &Energy<'_>) -> Result<(), EmitError> {
    let keep = keep_labels(scope, &[], &[])?;
    let (f, slots) = energy_with_slots(scope, set, &keep, &mut |scope| energy.emit(scope, &[]))?;
    let arrays: Vec<Named> = slots.iter().map(|s| s.array.clone()).collect();
    let slopes = scope.space.gradient(&f, &arrays);
    let pairs: Vec<(Named, Named)> = arrays.iter().map(|a| (a.clone(), scope.space.full(&a.labels, 0.0))).collect();
    let slopes = scope.space.replace(&slopes, &pairs);
    for ((&var, slot), slope) in set.iter().zip(&slots).zip(&slopes) {
        let mean = mean_of(scope, slot, slope);
        scope.values.insert(var, mean);
    }
    Ok(())
}

fn mean_of(scope: &mut Scope<'_>, slot: &Slot, slope: &Named) -> Value {
    match slot.class {
        Some(class) => Value::State { hot: scope.space.softmax(slope, class), class, along: None },
        None if slot.spin => Value::Number(scope.space.map(Unary::Tanh, slope)),
        None => Value::Number(scope.space.map(Unary::Sigmoid, slope)),
    }
}

/// The probabilities of a yes or no, or of both signs, as yes and no.
fn yes_and_no(scope: &mut Scope<'_>, var: VarId, mean: &Named) -> (Named, Named) {
    let yes = match scope.program.vars[var].domain {
        Domain::Spin => {
            let half = scope.space.scale(mean, 0.5);
            let shift = scope.space.scalar(0.5);
            scope.space.add(&half, &shift)
        }
        _ => mean.clone(),
    };
    let no = scope.space.complement(&yes);
    (yes, no)
}

/// −p ln p, 0 at p = 0.
fn surprise(scope: &mut Scope<'_>, p: &Named) -> Named {
    let log = scope.space.map(Unary::Log, p);
    let product = scope.space.mul_zero(p, &log);
    scope.space.scale(&product, -1.0)
}

/// The entropy of each entry.
fn entropy(scope: &mut Scope<'_>, var: VarId, mean: &Value) -> Named {
    match mean {
        Value::State { hot, .. } => surprise(scope, hot),
        Value::Number(mean) => {
            let (yes, no) = yes_and_no(scope, var, mean);
            let (a, b) = (surprise(scope, &yes), surprise(scope, &no));
            scope.space.add(&a, &b)
        }
    }
}

/// A draw for each entry from its own distribution.
fn drawn(scope: &mut Scope<'_>, var: VarId, mean: &Value) -> Result<Value, EmitError> {
    let labels = tilt_labels(scope, var)?;
    Ok(match mean {
        Value::State { hot, class, .. } => {
            let noise = scope.space.random(Law::Gumbel, &labels);
            let log = scope.space.map(Unary::Log, hot);
            let noisy = scope.space.add(&noise, &log);
            Value::State { hot: scope.space.one_hot_argmax(&noisy, *class), class: *class, along: None }
        }
        Value::Number(mean) => {
            let (yes, _) = yes_and_no(scope, var, mean);
            let u = scope.space.random(Law::Uniform, &labels);
            let yes = scope.space.zip(Binary::Lt, &u, &yes);
            match scope.program.vars[var].domain {
                Domain::Spin => {
                    let (double, one) = (scope.space.scale(&yes, 2.0), scope.space.scalar(1.0));
                    Value::Number(scope.space.sub(&double, &one))
                }
                _ => Value::Number(yes),
            }
        }
    })
}
