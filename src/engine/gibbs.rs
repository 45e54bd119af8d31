//! Block Gibbs sampling on conditionals that are derived, not written (Geman & Geman 1984 for the sampler). Given all else log p̃ is in
//! one entry a polynomial of degree two at most, a + b·x + c·x²: a yes or no has the log-odds b + c, which is the slope at one half; a
//! state has the slopes of its indicators for log-probabilities; a number is normal with the precision −2c and the mean b over that.

use std::collections::BTreeMap;

use super::error::EmitError;
use super::exact::{Energy, Slot, energy_with_slots, keep_labels, tilt_labels};
use super::scope::Scope;
use crate::analysis::{find_colours, find_coupling};
use crate::dist::{Label, Named, Value};
use crate::model::{Domain, VarId};
use crate::plan::Resampled;
use crate::tensor::graph::NodeId;
use crate::tensor::op::{Binary, Law, Unary};

/// Colours beyond which the turns of a variable are a loop of the graph and not written out.
const UNROLLED: usize = 2;

/// Draws what a move resamples given all else, and sets it in the scope. Entries that are coupled with each other have values there
/// already, and are drawn colour by colour.
pub fn resample(scope: &mut Scope<'_>, set: &Resampled, energy: &Energy<'_>) -> Result<(), EmitError> {
    match set {
        Resampled::Together(vars) => resample_where(scope, vars, energy, None),
        Resampled::Entries { var, .. } => {
            let (colours, count) = colours_of(scope, *var, energy)?;
            let vars = [*var];
            if count <= UNROLLED {
                for colour in 0..count {
                    let colour = scope.space.scalar(colour as f64);
                    let mask = scope.space.zip(Binary::Eq, &colours, &colour);
                    resample_where(scope, &vars, energy, Some(&mask))?;
                }
                return Ok(());
            }
            let given: Vec<Named> = [colours].into_iter().chain(energy.given().iter().cloned()).collect();
            repeat(scope, &vars, count, &given, &mut |scope, position, given| {
                let Some((colours, rest)) = given.split_first() else { return Ok(()) };
                let mask = scope.space.zip(Binary::Eq, colours, position);
                resample_where(scope, &vars, &energy.inside(rest), Some(&mask))
            })
        }
    }
}

/// The colour of each entry of a variable as an array over its axes, and how many there are.
fn colours_of(scope: &mut Scope<'_>, var: VarId, energy: &Energy<'_>) -> Result<(Named, usize), EmitError> {
    let labels = scope.axis_labels(&scope.program.vars[var].axes())?;
    let Some(factors) = energy.factors() else {
        return Err(EmitError::of("a potential of its own making has no colours", "report this"));
    };
    let coupling = find_coupling(scope.program, factors.iter().copied(), &[var].into())
        .map_err(|reason| EmitError::at(scope.program.vars[var].span, reason.text, "write it as a polynomial"))?;
    let apart = coupling.within.get(&var).map(|(apart, _)| apart.as_slice()).unwrap_or_default();
    let Some(colours) = find_colours(scope.program, var, apart) else {
        return Err(EmitError::at(
            scope.program.vars[var].span,
            "this has no size",
            "bind data, or give its axes a size",
        ));
    };
    let count = colours.iter().max().map_or(0, |most| most + 1);
    let data = colours.into_iter().map(|c| c as f64).collect();
    Ok((scope.space.constant(&labels, data), count))
}

/// Draws the entries of some variables where the mask holds, or all of them, each from its conditional at the others' values.
fn resample_where(
    scope: &mut Scope<'_>,
    vars: &[VarId],
    energy: &Energy<'_>,
    mask: Option<&Named>,
) -> Result<(), EmitError> {
    let keep = keep_labels(scope, &[], &[])?;
    let (f, slots) = energy_with_slots(scope, vars, &keep, &mut |scope| energy.emit(scope, &[]))?;
    let arrays: Vec<Named> = slots.iter().map(|s| s.array.clone()).collect();
    let slopes = scope.space.gradient(&f, &arrays);
    let curvatures = curvatures(scope, vars, &slots, &slopes, mask);
    let mut pairs = Vec::new();
    for (&var, slot) in vars.iter().zip(&slots) {
        let middle = if scope.program.vars[var].domain == Domain::Bool { 0.5 } else { 0.0 };
        let mut point = scope.space.full(&slot.array.labels, middle);
        if let (Some(mask), Some(now)) = (mask, scope.values.get(&var).cloned()) {
            point = scope.space.select(mask, &point, now.array());
            point = scope.space.align(&point, &slot.array.labels);
        }
        pairs.push((slot.array.clone(), point));
    }
    let roots: Vec<Named> = slopes.into_iter().chain(curvatures.iter().flatten().cloned()).collect();
    let mut found = scope.space.replace(&roots, &pairs);
    let mut curved = found.split_off(slots.len()).into_iter();
    for (((&var, slot), slope), curvature) in vars.iter().zip(&slots).zip(found).zip(curvatures) {
        let curvature = curvature.and_then(|_| curved.next());
        let drawn = draw_entries(scope, slot, &slope, curvature.as_ref());
        let value = match (mask, scope.values.get(&var).cloned()) {
            (Some(mask), Some(now)) => {
                let both = scope.space.select(mask, drawn.array(), now.array());
                let both = scope.space.align(&both, &slot.array.labels);
                drawn.through(|_| both)
            }
            _ => drawn,
        };
        scope.values.insert(var, value);
    }
    Ok(())
}

/// ∂²f/∂x² of each entry of the numbers among some variables; none for what has states. The entries are independent of each other, so
/// that the derivative of the slopes' sum is each entry's own.
pub(super) fn curvatures(
    scope: &mut Scope<'_>,
    vars: &[VarId],
    slots: &[Slot],
    slopes: &[Named],
    mask: Option<&Named>,
) -> Vec<Option<Named>> {
    let mut found = Vec::new();
    for ((&var, slot), slope) in vars.iter().zip(slots).zip(slopes) {
        if scope.program.vars[var].domain.is_discrete() {
            found.push(None);
            continue;
        }
        let slope = match mask {
            Some(mask) => scope.space.mul(slope, mask),
            None => slope.clone(),
        };
        found.extend(scope.space.gradient(&slope, std::slice::from_ref(&slot.array)).into_iter().map(Some));
    }
    found
}

/// A draw for each entry from its log-odds, its unnormalised log-probabilities, or its slope and curvature.
fn draw_entries(scope: &mut Scope<'_>, slot: &Slot, slope: &Named, curvature: Option<&Named>) -> Value {
    let labels = &slot.array.labels;
    if let Some(curvature) = curvature {
        let precision = scope.space.scale(curvature, -1.0);
        let mean = scope.space.zip(Binary::Div, slope, &precision);
        let root = scope.space.map(Unary::Sqrt, &precision);
        let noise = scope.space.random(Law::Normal, labels);
        let noise = scope.space.zip(Binary::Div, &noise, &root);
        let drawn = scope.space.add(&noise, &mean);
        let drawn = scope.space.align(&drawn, labels);
        return Value::Number(scope.space.stop(&drawn));
    }
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

/// Draws a variable's entries from their slopes and curvatures, which have all of its axes, and sets it in the scope.
pub fn draw_from(scope: &mut Scope<'_>, var: VarId, slope: &Named, curvature: Option<&Named>) -> Result<(), EmitError> {
    let class = scope.class(var)?;
    let spin = scope.program.vars[var].domain == Domain::Spin;
    let value = draw_entries(scope, &Slot { array: slope.clone(), class, spin }, slope, curvature);
    scope.values.insert(var, value);
    Ok(())
}

/// States drawn evenly, and standard normal numbers, for each entry of some variables: where a chain without data starts.
pub fn draw_start(scope: &mut Scope<'_>, vars: &[VarId]) -> Result<(), EmitError> {
    let keep = keep_labels(scope, &[], &[])?;
    let mut zero = |scope: &mut Scope<'_>| Ok(scope.space.scalar(0.0));
    let (_, slots) = energy_with_slots(scope, vars, &keep, &mut zero)?;
    for (&var, slot) in vars.iter().zip(&slots) {
        let flat = scope.space.full(&slot.array.labels, 0.0);
        let unit = match scope.program.vars[var].domain.is_discrete() {
            true => None,
            false => Some(scope.space.full(&slot.array.labels, -1.0)),
        };
        let value = draw_entries(scope, slot, &flat, unit.as_ref());
        scope.values.insert(var, value);
    }
    Ok(())
}

/// Runs `sweeps` sweeps over the sets as one loop of the graph; the scope's values of their variables are the start and
/// become the end.
pub fn sweep_many(
    scope: &mut Scope<'_>,
    sets: &[Resampled],
    energy: &Energy<'_>,
    sweeps: usize,
) -> Result<(), EmitError> {
    let vars: Vec<VarId> = sets.iter().flat_map(|s| s.vars()).copied().collect();
    repeat(scope, &vars, sweeps, &[], &mut |scope, _, _| sets.iter().try_for_each(|set| resample(scope, set, energy)))
}

/// What one turn of a loop does: it is told its position and the arrays handed in, and sets the variables anew.
pub(super) type Turn<'t> = dyn FnMut(&mut Scope<'_>, &Named, &[Named]) -> Result<(), EmitError> + 't;

/// A loop of the graph that carries the values of some variables; the scope's values are the start and become the end. The turns also
/// read the arrays of `given`.
pub(super) fn repeat(
    scope: &mut Scope<'_>,
    vars: &[VarId],
    length: usize,
    given: &[Named],
    turn: &mut Turn<'_>,
) -> Result<(), EmitError> {
    fold(scope, vars, length, given, None, &mut |scope, position, given, _| {
        turn(scope, position, given)?;
        Ok(None)
    })?;
    Ok(())
}

/// A turn that adds a number a row to a running sum as well.
pub(super) type Adding<'t> =
    dyn FnMut(&mut Scope<'_>, &Named, &[Named], Option<&Named>) -> Result<Option<Named>, EmitError> + 't;

/// As [`repeat`], with a running value that each turn is told and gives anew.
pub(super) fn fold(
    scope: &mut Scope<'_>,
    vars: &[VarId],
    length: usize,
    given: &[Named],
    start: Option<&Named>,
    turn: &mut Adding<'_>,
) -> Result<Option<Named>, EmitError> {
    let mut carried = Vec::new();
    for &var in vars {
        let value = scope.values.get(&var).cloned().ok_or_else(|| {
            EmitError::at(scope.program.vars[var].span, "a chain has no start for this", "bind it, or draw it first")
        })?;
        // Each carry has the full axes of its variable, row first.
        let labels = tilt_labels(scope, var)?;
        let array = scope.space.align(value.array(), &labels);
        carried.push(value.through(|_| array));
    }
    let outer = Frame::of(scope, vars);
    let carry: Vec<NodeId> = carried.iter().map(|v| v.array()).chain(start).map(|a| a.node).collect();
    let mut constants = outer.nodes();
    let around = constants.len();
    constants.extend(given.iter().map(|g| g.node));
    let mut graph = std::mem::take(&mut scope.space.graph);
    let mut failure = None;
    let end = graph.scan_with(length, false, &carry, &[], &constants, |body, t, c, _, k| {
        std::mem::swap(&mut scope.space.graph, body);
        outer.enter(scope, k);
        for ((&var, value), &node) in vars.iter().zip(&carried).zip(c) {
            let labels = value.array().labels.clone();
            scope.values.insert(var, value.through(|_| Named { node, labels }));
        }
        let position = Named { node: t, labels: Vec::new() };
        let inner: Vec<Named> =
            given.iter().zip(&k[around..]).map(|(g, &node)| Named { node, labels: g.labels.clone() }).collect();
        let running = start.map(|s| Named { node: c[vars.len()], labels: s.labels.clone() });
        let mut new = running.clone();
        match turn(scope, &position, &inner, running.as_ref()) {
            Ok(value) => new = value.or(new),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
        let mut after = Vec::new();
        for (var, value) in vars.iter().zip(&carried) {
            let new = scope.values.get(var).map(|v| v.array().clone()).unwrap_or_else(|| value.array().clone());
            after.push(scope.space.align(&new, &value.array().labels).node);
        }
        if let (Some(new), Some(start)) = (new, start) {
            after.push(scope.space.align(&new, &start.labels).node);
        }
        std::mem::swap(&mut scope.space.graph, body);
        (after, Vec::new())
    });
    scope.space.graph = graph;
    outer.leave(scope);
    if let Some(error) = failure {
        return Err(error);
    }
    for ((&var, value), &node) in vars.iter().zip(&carried).zip(&end) {
        let labels: Vec<Label> = value.array().labels.clone();
        let array = scope.space.stop(&Named { node, labels });
        scope.values.insert(var, value.through(|_| array));
    }
    Ok(start.map(|s| Named { node: end[vars.len()], labels: s.labels.clone() }))
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
