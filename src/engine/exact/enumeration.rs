//! Enumeration of joint states, with variables inside summed in closed form.
//!
//! Where the summands are affine in h, log Σ_h exp f(h) = f(0) + Σ_j log Σ_k exp(s_k ∂f/∂h_j): the derivative is the graph's
//! own, so that a harmonium's free energy needs no code.

use super::super::error::EmitError;
use super::super::gibbs::curvatures;
use super::super::scope::Scope;
use super::{Energy, Mode, Tilts, enumerate_states, keep_labels, with_own};
use crate::dist::{Label, Named, Value};
use crate::model::{AxisId, Domain, VarId};
use crate::tensor::op::{Binary, Law, Unary};

/// log Σ over `kept` of exp of the closed-form sum over `summed`, repeated over plates: a number a row.
pub fn log_partition(
    scope: &mut Scope<'_>,
    plates: &[AxisId],
    summed: &[VarId],
    kept: &[VarId],
    energy: &Energy<'_>,
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    let joint = match kept.is_empty() {
        true => None,
        false => {
            let (joint, values) = enumerate_states(scope, kept, plates)?;
            scope.values.extend(values);
            Some(joint)
        }
    };
    let keep = keep_labels(scope, plates, &joint.into_iter().collect::<Vec<_>>())?;
    let sum = sum_closed_form(scope, summed, &keep, mode, &mut |scope| {
        let mut f = energy.emit(scope, plates)?;
        for &var in kept.iter().chain(summed) {
            let Some(value) = scope.values.get(&var).cloned() else { continue };
            f = with_own(scope, f, var, &value, tilts, &keep);
        }
        Ok(f)
    });
    for var in kept.iter().chain(summed) {
        scope.values.remove(var);
    }
    let mut value = sum?;
    if let Some(joint) = joint {
        let semiring = mode.semiring(|| scope.space.site());
        // An energy that does not depend on the state counts each state.
        let labels: Vec<Label> = keep.iter().copied().filter(|&l| value.has(l) || l == joint).collect();
        value = scope.space.align(&value, &labels);
        value = scope.space.log_sum_exp(&value, joint, semiring);
    }
    sum_plates(scope, plates, value)
}

/// Sums a value over plates; positions a ragged row does not have count nothing.
pub fn sum_plates(scope: &mut Scope<'_>, plates: &[AxisId], mut value: Named) -> Result<Named, EmitError> {
    for &plate in plates {
        let label = scope.axis(plate)?;
        if let Some(length) = scope.lengths.get(&plate).cloned() {
            let position = scope.space.positions(label);
            let inside = scope.space.zip(Binary::Lt, &position, &length);
            let zero = scope.space.scalar(0.0);
            value = scope.space.select(&inside, &value, &zero);
        }
        value = scope.space.total(&value, &[label]);
    }
    Ok(value)
}

/// The closed-form sum over variables in which the energy is affine; axes in `keep` stay.
pub fn sum_closed_form(
    scope: &mut Scope<'_>,
    summed: &[VarId],
    keep: &[Label],
    mode: Mode,
    energy: &mut dyn FnMut(&mut Scope<'_>) -> Result<Named, EmitError>,
) -> Result<Named, EmitError> {
    if summed.is_empty() {
        return energy(scope);
    }
    let (f, slots) = energy_with_slots(scope, summed, keep, energy)?;
    let arrays: Vec<Named> = slots.iter().map(|s| s.array.clone()).collect();
    let slopes = scope.space.gradient(&f, &arrays);
    let mut pairs = Vec::new();
    for slot in &slots {
        let zeros = scope.space.full(&slot.array.labels, 0.0);
        pairs.push((slot.array.clone(), zeros));
    }
    let curves = curvatures(scope, summed, &slots, &slopes, None);
    // Affine: the slope does not depend on the slot, and what the simplifier leaves of it is replaced all the same.
    let count = slopes.len();
    let mut roots = slopes;
    roots.push(f);
    roots.extend(curves.iter().flatten().cloned());
    let mut roots = scope.space.replace(&roots, &pairs);
    let mut bent = roots.split_off(count + 1).into_iter();
    let mut total = match roots.pop() {
        Some(at_zero) => at_zero,
        None => scope.space.scalar(0.0),
    };
    for ((slot, slope), curve) in slots.iter().zip(roots).zip(curves) {
        let entries = match curve.and_then(|_| bent.next()) {
            Some(curve) => {
                let entries = normal_entries(scope, &slope, &curve, mode);
                scope.space.align(&entries, &slot.array.labels)
            }
            None => sum_states(scope, slot, &slope, mode),
        };
        let part = scope.space.sum_to(&entries, keep);
        total = scope.space.add(&total, &part);
    }
    Ok(total)
}

/// A variable's place in an energy, in the order asked for: an input that stands for its value.
pub struct Slot {
    /// The input.
    pub array: Named,
    /// The axis of its states, where it is an enumeration.
    pub class: Option<Label>,
    /// Whether its numbers are ±1.
    pub spin: bool,
}

/// Evaluates an energy with inputs standing for some variables.
pub fn energy_with_slots(
    scope: &mut Scope<'_>,
    vars: &[VarId],
    keep: &[Label],
    energy: &mut dyn FnMut(&mut Scope<'_>) -> Result<Named, EmitError>,
) -> Result<(Named, Vec<Slot>), EmitError> {
    let program = scope.program;
    let mut slots = Vec::new();
    let mut previous = Vec::new();
    for &var in vars {
        let class = scope.class(var)?;
        let mut labels: Vec<Label> = keep.to_vec();
        let axes = scope.axis_labels(&program.vars[var].axes())?;
        labels.extend(axes.into_iter().filter(|l| !keep.contains(l)));
        labels.extend(class);
        let site = scope.space.site();
        let array = scope.space.input(&format!("slot{site}:{}", program.vars[var].name), &labels);
        let value = match class {
            Some(class) => Value::State { hot: array.clone(), class, along: None },
            None => Value::Number(array.clone()),
        };
        previous.push((var, scope.values.insert(var, value)));
        slots.push(Slot { array, class, spin: program.vars[var].domain == Domain::Spin });
    }
    let around = std::mem::replace(&mut scope.summed, vars.iter().copied().collect());
    let f = energy(scope);
    scope.summed = around;
    for (var, value) in previous {
        match value {
            Some(value) => scope.values.insert(var, value),
            None => scope.values.remove(&var),
        };
    }
    Ok((f?, slots))
}

/// log ∫ exp(slope·x + ½ curvature·x²) dx for each entry: slope²/2λ + ½ log 2π/λ with the precision λ, minus the curvature. Its derivative
/// in the slope is the mean, or a draw where the mode says so; the best value has no width.
pub fn normal_entries(scope: &mut Scope<'_>, slope: &Named, curvature: &Named, mode: Mode) -> Named {
    let precision = scope.space.scale(curvature, -1.0);
    let square = scope.space.map(Unary::Square, slope);
    let lifted = scope.space.zip(Binary::Div, &square, &precision);
    let mut value = scope.space.scale(&lifted, 0.5);
    if mode != Mode::Best {
        let log = scope.space.map(Unary::Log, &precision);
        let turn = scope.space.scalar(std::f64::consts::TAU.ln());
        let width = scope.space.sub(&turn, &log);
        let width = scope.space.scale(&width, 0.5);
        value = scope.space.add(&value, &width);
    }
    if mode == Mode::Sample {
        // The term is 0, and its derivative in the slope the noise of a draw.
        let noise = scope.space.random(Law::Normal, &slope.labels);
        let root = scope.space.map(Unary::Sqrt, &precision);
        let noise = scope.space.zip(Binary::Div, &noise, &root);
        let noise = scope.space.stop(&noise);
        let moved = scope.space.mul(slope, &noise);
        let still = scope.space.stop(&moved);
        let nothing = scope.space.sub(&moved, &still);
        value = scope.space.add(&value, &nothing);
    }
    value
}

/// log Σ_k exp(s_k · slope) for each entry.
pub fn sum_states(scope: &mut Scope<'_>, slot: &Slot, slope: &Named, mode: Mode) -> Named {
    if let Some(class) = slot.class {
        let semiring = mode.semiring(|| scope.space.site());
        return scope.space.log_sum_exp(slope, class, semiring);
    }
    if mode == Mode::Marginals && !slot.spin {
        return scope.space.map(Unary::Softplus, slope);
    }
    let low = match slot.spin {
        true => scope.space.map(Unary::Neg, slope),
        false => scope.space.full(&slope.labels, 0.0),
    };
    let pair = scope.space.label(2);
    let both = scope.space.stack(&[low, slope.clone()], pair);
    let semiring = mode.semiring(|| scope.space.site());
    scope.space.log_sum_exp(&both, pair, semiring)
}
