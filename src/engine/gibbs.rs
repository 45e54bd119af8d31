//! Block Gibbs sampling on conditionals that are derived, not written: where an energy is affine in a set of variables, an
//! entry's conditional is the sigmoid or softmax of the derivative (Geman & Geman 1984 for the sampler).

use std::collections::BTreeMap;

use super::error::EmitError;
use super::exact::{Energy, Slot, energy_with_slots, keep_labels};
use super::scope::Scope;
use crate::dist::{Named, Value};
use crate::model::VarId;
use crate::tensor::graph::NodeId;
use crate::tensor::op::{Binary, Law, Unary};

/// Draws a set of variables given all others and sets them in the scope. The energy must be affine in the set.
pub fn resample(scope: &mut Scope<'_>, set: &[VarId], energy: &Energy<'_>) -> Result<(), EmitError> {
    let keep = keep_labels(scope, &[], &[])?;
    let (f, slots) = energy_with_slots(scope, set, &keep, &mut |scope| energy.emit(scope, &[]))?;
    let arrays: Vec<Named> = slots.iter().map(|s| s.array.clone()).collect();
    let slopes = scope.space.gradient(&f, &arrays);
    let mut pairs = Vec::new();
    for array in &arrays {
        let zeros = scope.space.full(&array.labels, 0.0);
        pairs.push((array.clone(), zeros));
    }
    let slopes = scope.space.replace(&slopes, &pairs);
    for ((&var, slot), slope) in set.iter().zip(&slots).zip(slopes) {
        let value = draw_entries(scope, slot, &slope);
        scope.values.insert(var, value);
    }
    Ok(())
}

/// A draw for each entry from its log-odds, or its unnormalised log-probabilities.
fn draw_entries(scope: &mut Scope<'_>, slot: &Slot, slope: &Named) -> Value {
    let labels = &slot.array.labels;
    if let Some(class) = slot.class {
        let noise = scope.space.random(Law::Gumbel, labels);
        let noisy = scope.space.zip(Binary::Add, &noise, slope);
        let hot = scope.space.one_hot_argmax(&noisy, class);
        let hot = scope.space.stop(&hot);
        return Value::State { hot, class, along: None };
    }
    // A ±1 entry has log-odds twice its slope.
    let odds = if slot.spin { scope.space.scale(slope, 2.0) } else { slope.clone() };
    let p = scope.space.map(Unary::Sigmoid, &odds);
    let u = scope.space.random(Law::Uniform, labels);
    let yes = scope.space.zip(Binary::Lt, &u, &p);
    let value = match slot.spin {
        false => yes,
        true => {
            let (double, one) = (scope.space.scale(&yes, 2.0), scope.space.scalar(1.0));
            scope.space.sub(&double, &one)
        }
    };
    Value::Number(scope.space.stop(&value))
}

/// Fair coin tosses for each entry of some variables: where a chain without data starts.
pub fn draw_start(scope: &mut Scope<'_>, vars: &[VarId]) -> Result<(), EmitError> {
    let keep = keep_labels(scope, &[], &[])?;
    let mut zero = |scope: &mut Scope<'_>| Ok(scope.space.scalar(0.0));
    let (_, slots) = energy_with_slots(scope, vars, &keep, &mut zero)?;
    for (&var, slot) in vars.iter().zip(&slots) {
        let flat = scope.space.full(&slot.array.labels, 0.0);
        let value = draw_entries(scope, slot, &flat);
        scope.values.insert(var, value);
    }
    Ok(())
}

/// Runs `sweeps` sweeps over the sets as one loop of the graph; the scope's values of their variables are the start and
/// become the end.
pub fn sweep_many(
    scope: &mut Scope<'_>,
    sets: &[Vec<VarId>],
    energy: &Energy<'_>,
    sweeps: usize,
) -> Result<(), EmitError> {
    let vars: Vec<VarId> = sets.iter().flatten().copied().collect();
    let mut carried = Vec::new();
    for &var in &vars {
        let value = scope.values.get(&var).cloned().ok_or_else(|| {
            EmitError::at(scope.program.vars[var].span, "a chain has no start for this", "bind it, or draw it first")
        })?;
        // Each carry has the full axes of its variable, row first.
        let labels = super::exact::tilt_labels(scope, var)?;
        let array = scope.space.align(value.array(), &labels);
        carried.push(value.through(|_| array));
    }
    let outer = Frame::of(scope, &vars);
    let carry: Vec<NodeId> = carried.iter().map(|v| v.array().node).collect();
    let constants = outer.nodes();
    let mut graph = std::mem::take(&mut scope.space.graph);
    let mut failure = None;
    let end = graph.scan_with(sweeps, false, &carry, &[], &constants, |body, _, c, _, k| {
        std::mem::swap(&mut scope.space.graph, body);
        outer.enter(scope, k);
        for ((&var, value), &node) in vars.iter().zip(&carried).zip(c) {
            let labels = value.array().labels.clone();
            scope.values.insert(var, value.through(|_| Named { node, labels }));
        }
        for set in sets {
            if let Err(error) = resample(scope, set, energy) {
                failure.get_or_insert(error);
            }
        }
        let mut after = Vec::new();
        for (var, value) in vars.iter().zip(&carried) {
            let new = scope.values.get(var).map(|v| v.array().clone()).unwrap_or_else(|| value.array().clone());
            after.push(scope.space.align(&new, &value.array().labels).node);
        }
        std::mem::swap(&mut scope.space.graph, body);
        (after, Vec::new())
    });
    scope.space.graph = graph;
    outer.leave(scope);
    if let Some(error) = failure {
        return Err(error);
    }
    for ((&var, value), node) in vars.iter().zip(&carried).zip(end) {
        let labels = value.array().labels.clone();
        let array = scope.space.stop(&Named { node, labels });
        scope.values.insert(var, value.through(|_| array));
    }
    Ok(())
}

/// What a loop's body reads from around it: parameters, values that stand still, lengths.
pub(super) struct Frame {
    params: BTreeMap<crate::model::ParamId, Named>,
    values: BTreeMap<VarId, Value>,
    lengths: BTreeMap<crate::model::AxisId, Named>,
}

impl Frame {
    pub(super) fn of(scope: &Scope<'_>, without: &[VarId]) -> Frame {
        Frame {
            params: scope.params.clone(),
            values: scope.values.iter().filter(|(v, _)| !without.contains(v)).map(|(v, x)| (*v, x.clone())).collect(),
            lengths: scope.lengths.clone(),
        }
    }

    pub(super) fn nodes(&self) -> Vec<NodeId> {
        let params = self.params.values().map(|n| n.node);
        let values = self.values.values().map(|v| v.array().node);
        params.chain(values).chain(self.lengths.values().map(|n| n.node)).collect()
    }

    /// Points the scope at the body's own inputs.
    pub(super) fn enter(&self, scope: &mut Scope<'_>, inputs: &[NodeId]) {
        let mut inputs = inputs.iter().copied();
        let mut next =
            |named: &Named| Named { node: inputs.next().unwrap_or(named.node), labels: named.labels.clone() };
        scope.params = self.params.iter().map(|(&k, v)| (k, next(v))).collect();
        scope.values = self.values.iter().map(|(&k, v)| (k, v.through(&mut next))).collect();
        scope.lengths = self.lengths.iter().map(|(&k, v)| (k, next(v))).collect();
    }

    pub(super) fn leave(self, scope: &mut Scope<'_>) {
        scope.params = self.params;
        scope.values = self.values;
        scope.lengths = self.lengths;
    }
}
