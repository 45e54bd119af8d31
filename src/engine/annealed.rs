//! Annealed importance sampling of log Z (Neal 2001; Salakhutdinov & Murray 2008): many runs side by side, from a distribution of
//! independent entries whose log Z is known, through f_β = (1 − β)·f₀ + β·f, to the part itself; and back again from where they end.
//!
//! In: an undirected part and how its moves go. Out: the logarithm of a weight for each run. f₀ has the slopes of f where every entry is
//! zero, and the curvature of f in numbers, so that both ends are derived from one density. The largest set of entries that are
//! independent given the rest is summed and not drawn. Backwards the mean weight is that of Z₀/Z, so that its estimate of log Z leans
//! upwards as far as the runs' ends are draws of the part (Burda, Grosse & Salakhutdinov 2015); they rest there for a while first.

use super::error::EmitError;
use super::exact::{
    Energy, Mode, Slot, Tilts, energy_with_slots, factors_of, log_partition, normal_entries, sum_states, tilt_labels,
};
use super::gibbs::{curvatures, draw_from, fold, repeat, resample};
use super::scope::Scope;
use super::update::Opening;
use crate::dist::Named;
use crate::model::{Factor, ModelId, Program, VarId};
use crate::plan::{Annealing, Normaliser};
use crate::tensor::graph::Graph;
use crate::tensor::op::SiteId;

/// Sites of these runs lie apart from those of training, answers and draws.
const FIRST_SITE: SiteId = 3 << 28;
/// Of the temperatures, the share of sweeps for which the runs rest at the end before they go back.
const REST: usize = 10;

/// Independent entries: for each variable its slope, and its curvature where it is a number.
struct Start {
    slopes: Vec<(VarId, Named, Option<Named>)>,
    /// f where every entry is zero.
    constant: Named,
}

impl Start {
    /// The arrays in a fixed order, to be handed into a loop.
    fn arrays(&self) -> Vec<Named> {
        let of = |(_, slope, curve): &(VarId, Named, Option<Named>)| {
            [Some(slope.clone()), curve.clone()].into_iter().flatten().collect::<Vec<_>>()
        };
        self.slopes.iter().flat_map(of).chain([self.constant.clone()]).collect()
    }

    /// The same with other arrays, in that order.
    fn with(&self, arrays: &[Named]) -> Start {
        let mut arrays = arrays.iter().cloned();
        let mut next = |old: &Named| arrays.next().unwrap_or_else(|| old.clone());
        let mut slopes = Vec::new();
        for (var, slope, curve) in &self.slopes {
            let slope = next(slope);
            slopes.push((*var, slope, curve.as_ref().map(&mut next)));
        }
        Start { slopes, constant: next(&self.constant) }
    }

    /// f₀ at the values in the scope: a number a row.
    fn energy(&self, scope: &mut Scope<'_>) -> Named {
        let row: Vec<_> = scope.row.into_iter().collect();
        let mut sum = self.constant.clone();
        for (var, slope, curve) in &self.slopes {
            let Some(value) = scope.values.get(var).cloned() else { continue };
            let linear = scope.space.mul(value.array(), slope);
            let linear = scope.space.sum_to(&linear, &row);
            sum = scope.space.add(&sum, &linear);
            if let Some(curve) = curve {
                let square = scope.space.mul(value.array(), value.array());
                let bent = scope.space.mul(&square, curve);
                let bent = scope.space.sum_to(&bent, &row);
                let bent = scope.space.scale(&bent, 0.5);
                sum = scope.space.add(&sum, &bent);
            }
        }
        sum
    }
}

/// Outputs: `forward` and `backward`, a logarithm a run: of a weight whose mean is Z/Z₀, and of one whose mean is Z₀/Z; and `start`, log Z₀.
///
/// # Errors
/// The part has no derived conditionals, or an axis has no size.
pub fn annealed(
    program: &Program,
    model: ModelId,
    normaliser: &Normaliser,
    plan: &Annealing,
) -> Result<Graph, EmitError> {
    let none: [VarId; 0] = [];
    let opening = Opening { program, rows: None, inputs: &none, partial: &[], ties: &[], first_site: FIRST_SITE };
    let mut scope = opening.scope()?;
    let factors = factors_of(&scope, model, &normaliser.pieces);
    let vars: Vec<VarId> = plan.sweep.iter().flat_map(|s| s.vars()).copied().collect();
    let (start, log_z) = find_start(&mut scope, &vars, &factors)?;
    let chain = scope.space.label(plan.chains.max(1));
    scope.row = Some(chain);
    for (var, slope, curve) in &start.slopes {
        let labels = tilt_labels(&mut scope, *var)?;
        let slope = scope.space.align(slope, &labels);
        let curve = curve.as_ref().map(|c| scope.space.align(c, &labels));
        draw_from(&mut scope, *var, &slope, curve.as_ref())?;
    }
    let runs = Runs { plan, factors, start };
    let carried = runs.carried();
    for var in vars.iter().filter(|v| !carried.contains(v)) {
        scope.values.remove(var);
    }
    let given = runs.start.arrays();
    let zeros = scope.space.full(&[chain], 0.0);
    let share = 1.0 / plan.betas.max(1) as f64;
    let forward =
        fold(&mut scope, &carried, plan.betas, &given, Some(&zeros), &mut |scope, position, given, weight| {
            let start = runs.start.with(given);
            let one = scope.space.scalar(1.0);
            let next = scope.space.add(position, &one);
            let (low, high) = (scope.space.scale(position, share), scope.space.scale(&next, share));
            let weight = runs.step(scope, &start, weight, &low, &high)?;
            runs.sweep(scope, &start, &high)?;
            Ok(Some(weight))
        })?;
    repeat(&mut scope, &carried, (plan.betas / REST).max(1), &given, &mut |scope, _, given| {
        let start = runs.start.with(given);
        let one = scope.space.scalar(1.0);
        runs.sweep(scope, &start, &one)
    })?;
    let backward =
        fold(&mut scope, &carried, plan.betas, &given, Some(&zeros), &mut |scope, position, given, weight| {
            let start = runs.start.with(given);
            let (all, one) = (scope.space.scalar(plan.betas as f64), scope.space.scalar(1.0));
            let left = scope.space.sub(&all, position);
            let less = scope.space.sub(&left, &one);
            let (high, low) = (scope.space.scale(&left, share), scope.space.scale(&less, share));
            let weight = runs.step(scope, &start, weight, &high, &low)?;
            runs.sweep(scope, &start, &low)?;
            Ok(Some(weight))
        })?;
    for (name, weights) in [("forward", forward), ("backward", backward)] {
        let weights = weights.unwrap_or_else(|| zeros.clone());
        let weights = scope.space.align(&weights, &[chain]);
        scope.space.graph.output(name, weights.node);
    }
    scope.space.graph.output("start", log_z.node);
    Ok(scope.space.graph)
}

/// The independent entries that f is nearest to where every entry is zero, and their log Z.
fn find_start(scope: &mut Scope<'_>, vars: &[VarId], factors: &[&Factor]) -> Result<(Start, Named), EmitError> {
    let energy = Energy::Pieces(factors.to_vec());
    let (f, slots) = energy_with_slots(scope, vars, &[], &mut |scope| energy.emit(scope, &[]))?;
    let arrays: Vec<Named> = slots.iter().map(|s| s.array.clone()).collect();
    let slopes = scope.space.gradient(&f, &arrays);
    let curves = curvatures(scope, vars, &slots, &slopes, None);
    let pairs: Vec<(Named, Named)> = arrays.iter().map(|a| (a.clone(), scope.space.full(&a.labels, 0.0))).collect();
    let roots: Vec<Named> = [f].into_iter().chain(slopes).chain(curves.iter().flatten().cloned()).collect();
    let mut found = scope.space.replace(&roots, &pairs).into_iter();
    let zero = scope.space.scalar(0.0);
    let constant = found.next().unwrap_or(zero);
    let mut log_z = constant.clone();
    let slopes: Vec<Named> = found.by_ref().take(slots.len()).collect();
    let mut all = Vec::new();
    for (((&var, slot), slope), curve) in vars.iter().zip(&slots).zip(slopes).zip(curves) {
        let curve = curve.and_then(|_| found.next());
        let entries = match &curve {
            Some(curve) => normal_entries(scope, &slope, curve, Mode::Marginals),
            None => sum_states(scope, slot, &slope, Mode::Marginals),
        };
        let entries = scope.space.align(&entries, &entry_axes(slot));
        let part = scope.space.sum_to(&entries, &[]);
        log_z = scope.space.add(&log_z, &part);
        all.push((var, slope, curve));
    }
    Ok((Start { slopes: all, constant }, log_z))
}

/// The axes of a slot without its states.
fn entry_axes(slot: &Slot) -> Vec<crate::dist::Label> {
    slot.array.labels.iter().copied().filter(|l| Some(*l) != slot.class).collect()
}

/// The runs: their moves and weights at a temperature.
struct Runs<'p, 'a> {
    plan: &'a Annealing,
    factors: Vec<&'p Factor>,
    start: Start,
}

impl Runs<'_, '_> {
    /// The variables that are summed where a weight is taken, and drawn anew wherever they are needed.
    fn lead(&self) -> &[VarId] {
        match (&self.plan.summed, self.plan.sweep.first()) {
            (Some(_), Some(first)) => first.vars(),
            _ => &[],
        }
    }

    /// The variables whose values a run has from one temperature to the next.
    fn carried(&self) -> Vec<VarId> {
        let lead = self.lead();
        self.plan.sweep.iter().flat_map(|s| s.vars()).copied().filter(|v| !lead.contains(v)).collect()
    }

    /// log of what a run weighs more at `to` than at `from`, added to its weight.
    fn step(
        &self,
        scope: &mut Scope<'_>,
        start: &Start,
        weight: Option<&Named>,
        from: &Named,
        to: &Named,
    ) -> Result<Named, EmitError> {
        let after = self.at(scope, start, to, |scope, energy| self.free(scope, energy))?;
        let before = self.at(scope, start, from, |scope, energy| self.free(scope, energy))?;
        let gained = scope.space.sub(&after, &before);
        Ok(match weight {
            Some(weight) => scope.space.add(weight, &gained),
            None => gained,
        })
    }

    /// log Σ over the first set at the others' values, or the energy itself.
    fn free(&self, scope: &mut Scope<'_>, energy: &Energy<'_>) -> Result<Named, EmitError> {
        match &self.plan.summed {
            Some(block) => log_partition(scope, block, energy, &Tilts::new(), Mode::Marginals),
            None => energy.emit(scope, &[]),
        }
    }

    /// Every set drawn once.
    fn sweep(&self, scope: &mut Scope<'_>, start: &Start, beta: &Named) -> Result<(), EmitError> {
        self.at(scope, start, beta, |scope, energy| {
            self.plan.sweep.iter().try_for_each(|set| resample(scope, set, energy))
        })?;
        for var in self.lead() {
            scope.values.remove(var);
        }
        Ok(())
    }

    /// Something done with f_β.
    fn at<T>(
        &self,
        scope: &mut Scope<'_>,
        start: &Start,
        beta: &Named,
        then: impl FnOnce(&mut Scope<'_>, &Energy<'_>) -> Result<T, EmitError>,
    ) -> Result<T, EmitError> {
        let pieces = Energy::Pieces(self.factors.clone());
        let potential = |scope: &mut Scope<'_>, given: &[Named]| -> Result<Named, EmitError> {
            let there = pieces.emit(scope, &[])?;
            let Some((beta, arrays)) = given.split_first() else { return Ok(there) };
            let here = self.start.with(arrays).energy(scope);
            let rest = scope.space.complement(beta);
            let (a, b) = (scope.space.mul(&here, &rest), scope.space.mul(&there, beta));
            Ok(scope.space.add(&a, &b))
        };
        let given = [beta.clone()].into_iter().chain(start.arrays()).collect();
        then(scope, &Energy::Like { factors: self.factors.clone(), given, potential: &potential })
    }
}
