//! Contrastive divergence (Hinton 2002): the clamped log-partition of the data minus that of a short chain's end. What can be summed
//! exactly in each is, so that the derivative is ⟨∂f⟩_data − ⟨∂f⟩_chain without a line of its own. Persistent chains go on where the
//! step before left them (Younes 1989; Tieleman 2008): their state is the program's, as the parameters are.

use std::collections::BTreeMap;

use super::draws::draw_block;
use super::error::EmitError;
use super::exact::{Energy, Mode, Tilts, factors_of, log_partition, tilt_labels};
use super::gibbs::{draw_start, resample, sweep_many};
use super::scope::Scope;
use crate::dist::{Named, Value};
use crate::model::{ModelId, VarId};
use crate::plan::{Block, Chains, Normaliser, Normalising, PieceRef, Resampled};

/// Sweeps beyond which a chain is a loop of the graph and not written out.
const UNROLLED: usize = 3;

/// What contrastive divergence needs to know of a part.
pub struct Machine<'a> {
    /// All of its summands.
    pub energy: Energy<'a>,
    /// What is resampled at once, in order.
    pub sweep: Vec<Resampled>,
    /// Variables that a chain from data starts with.
    pub visible: Vec<VarId>,
    /// The block that sums variables where a chain ends; without it the state itself is scored.
    pub hidden: Option<Block>,
    /// The summands that touch no hidden variable.
    pub settled: Energy<'a>,
    /// The summands that do.
    pub touching: Energy<'a>,
}

impl<'a> Machine<'a> {
    /// The machine of a normaliser that is learned by contrast; none if it is exact.
    pub fn of(scope: &Scope<'a>, model: ModelId, normaliser: &Normaliser) -> Option<Machine<'a>> {
        let Normalising::Contrastive { sweep, visible, hidden, .. } = &normaliser.how else { return None };
        let inside: Vec<PieceRef> = hidden.as_ref().map(|b| b.pieces.clone()).unwrap_or_default();
        let (touching, settled): (Vec<PieceRef>, Vec<PieceRef>) =
            normaliser.pieces.iter().partition(|p| inside.contains(p));
        Some(Machine {
            energy: Energy::Pieces(factors_of(scope, model, &normaliser.pieces)),
            sweep: sweep.clone(),
            visible: visible.clone(),
            hidden: hidden.as_deref().cloned(),
            settled: Energy::Pieces(factors_of(scope, model, &settled)),
            touching: Energy::Pieces(factors_of(scope, model, &touching)),
        })
    }

    /// log Σ over what is summed, at the other values in the scope: a number a row.
    pub fn visible_log_partition(&self, scope: &mut Scope<'_>) -> Result<Named, EmitError> {
        let settled = self.settled.emit(scope, &[])?;
        let hidden = match &self.hidden {
            None => scope.space.scalar(0.0),
            Some(block) => log_partition(scope, block, &self.touching, &Tilts::new(), Mode::Marginals)?,
        };
        Ok(scope.space.add(&settled, &hidden))
    }

    /// The log-partition of the values in the scope, where a chain has ended.
    fn end_value(&self, scope: &mut Scope<'_>) -> Result<Named, EmitError> {
        for var in self.hidden.iter().flat_map(|b| &b.vars) {
            scope.values.remove(var);
        }
        self.visible_log_partition(scope)
    }

    /// The set that comes first and need not be told where it stands: it is drawn given the others before anything else.
    fn leading(&self) -> Option<&Resampled> {
        self.sweep.first().filter(|set| matches!(set, Resampled::Together(_)))
    }

    /// Whether all that a chain from data lacks is drawn by the leading set.
    fn leads_all_hidden(&self) -> bool {
        let all = || self.sweep.iter().flat_map(|s| s.vars());
        self.leading().is_some_and(|set| all().all(|v| set.vars().contains(v) != self.visible.contains(v)))
    }

    /// Whether the block sums exactly the leading set.
    fn sums_leading(&self) -> bool {
        match (&self.hidden, self.leading()) {
            (Some(block), Some(set)) => {
                block.vars.len() == set.vars().len() && block.vars.iter().all(|v| set.vars().contains(v))
            }
            _ => false,
        }
    }

    /// Runs the chain from the visible values in the scope for `steps` sweeps and leaves its end there.
    pub fn run_chain(&self, scope: &mut Scope<'_>, steps: usize) -> Result<(), EmitError> {
        for var in &self.visible {
            if let Some(value) = scope.values.get(var).cloned() {
                let stopped = value.through(|a| scope.space.stop(a));
                scope.values.insert(*var, stopped);
            }
        }
        if self.leads_all_hidden() || self.visible.len() == self.sweep.iter().map(|s| s.vars().len()).sum::<usize>() {
            return self.sweeps(scope, steps, self.leads_all_hidden());
        }
        if let Some(block) = &self.hidden {
            draw_block(scope, block, &self.touching)?;
        }
        self.sweeps(scope, steps, false)
    }

    /// So many sweeps; with `leading`, the first set is drawn before them and comes last in each.
    fn sweeps(&self, scope: &mut Scope<'_>, steps: usize, leading: bool) -> Result<(), EmitError> {
        let Some((first, rest)) = self.sweep.split_first() else { return Ok(()) };
        if leading {
            resample(scope, first, &self.energy)?;
        }
        let order: Vec<Resampled> = match leading {
            true => rest.iter().cloned().chain([first.clone()]).collect(),
            false => self.sweep.clone(),
        };
        let turns = order.iter().any(|set| matches!(set, Resampled::Entries { .. }));
        if steps > UNROLLED || turns {
            return sweep_many(scope, &order, &self.energy, steps);
        }
        for step in 0..steps {
            for (i, set) in order.iter().enumerate() {
                // What is summed at the end of the chain is not drawn there.
                let unused = leading && self.sums_leading() && step + 1 == steps && i + 1 == order.len();
                if !unused {
                    resample(scope, set, &self.energy)?;
                }
            }
        }
        Ok(())
    }

    /// Where the chains of the step before ended, or an even start; leaves in the scope where this step's end, and keeps it.
    fn go_on(&self, scope: &mut Scope<'_>, chains: &Chains, steps: usize) -> Result<(), EmitError> {
        let leading = self.leading().is_some() && self.sweep.len() > 1;
        let sets = if leading { &self.sweep[1..] } else { &self.sweep[..] };
        let carried: Vec<VarId> = sets.iter().flat_map(|s| s.vars()).copied().collect();
        draw_start(scope, &carried)?;
        let begun = format!("{}.begun", chains.name);
        let before = scope.space.state(&begun, &[]);
        let one = scope.space.scalar(1.0);
        scope.space.graph.set_state(&begun, one.node);
        let name = |scope: &Scope<'_>, var: VarId| format!("{}.{}", chains.name, scope.program.vars[var].name);
        for &var in &carried {
            let labels = tilt_labels(scope, var)?;
            let Some(start) = scope.values.get(&var).cloned() else { continue };
            let kept = name(scope, var);
            let kept = scope.space.state(&kept, &labels);
            let start_array = scope.space.align(start.array(), &labels);
            let chosen = scope.space.select(&before, &kept, &start_array);
            let chosen = scope.space.align(&chosen, &labels);
            let chosen = scope.space.stop(&chosen);
            scope.values.insert(var, start.through(|_| chosen));
        }
        self.sweeps(scope, steps, leading)?;
        for &var in &carried {
            let labels = tilt_labels(scope, var)?;
            let Some(end) = scope.values.get(&var).cloned() else { continue };
            let end = scope.space.align(end.array(), &labels);
            let kept = name(scope, var);
            scope.space.graph.set_state(&kept, end.node);
        }
        Ok(())
    }
}

/// The objective whose derivative is that of contrastive divergence, without the data's part: minus the chain end's
/// log-partition, a number a row. The scope's values are left at the chain's end if `stay`, else as they were.
pub fn negative_phase(
    scope: &mut Scope<'_>,
    machine: &Machine<'_>,
    steps: usize,
    stay: bool,
) -> Result<Named, EmitError> {
    let before = scope.values.clone();
    machine.run_chain(scope, steps)?;
    let end = scope.values.clone();
    let value = machine.end_value(scope)?;
    scope.values = if stay { end } else { before };
    Ok(scope.space.scale(&value, -1.0))
}

/// The same for chains that go on from step to step: minus the mean of their ends' log-partitions, one number for all rows.
pub fn persistent_phase(
    scope: &mut Scope<'_>,
    machine: &Machine<'_>,
    chains: &Chains,
    steps: usize,
) -> Result<Named, EmitError> {
    let values: BTreeMap<VarId, Value> = std::mem::take(&mut scope.values);
    let chain = scope.space.label(chains.count);
    let row = scope.row.replace(chain);
    let value = machine.go_on(scope, chains, steps).and_then(|()| machine.end_value(scope));
    scope.row = row;
    scope.values = values;
    let total = scope.space.total(&value?, &[chain]);
    let total = scope.space.sum_to(&total, &[]);
    Ok(scope.space.scale(&total, -1.0 / chains.count.max(1) as f64))
}
