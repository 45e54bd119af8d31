//! Contrastive divergence (Hinton 2002): the clamped log-partition of the data minus that of a short chain's end. Both are
//! exact sums over the hidden side, so that the derivative is ⟨∂f⟩_data − ⟨∂f⟩_chain without a line of its own.

use super::error::EmitError;
use super::exact::{Energy, Mode, Tilts, factors_of, log_partition};
use super::gibbs::{resample, sweep_many};
use super::scope::Scope;
use crate::dist::Named;
use crate::model::{ModelId, VarId};
use crate::plan::{Block, Normaliser, Normalising, PieceRef};

/// Sweeps beyond which a chain is a loop of the graph and not written out.
const UNROLLED: usize = 3;

/// What contrastive divergence needs to know of a part.
pub struct Machine<'a> {
    /// All of its summands.
    pub energy: Energy<'a>,
    /// Sets resampled together; the first holds the hidden variables.
    pub sweep: Vec<Vec<VarId>>,
    /// Variables the chain starts and ends with.
    pub visible: Vec<VarId>,
    /// The block that sums the hidden variables.
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

    /// log Σ over the hidden variables at the visible values in the scope: a number a row.
    pub fn visible_log_partition(&self, scope: &mut Scope<'_>) -> Result<Named, EmitError> {
        let settled = self.settled.emit(scope, &[])?;
        let hidden = match &self.hidden {
            None => scope.space.scalar(0.0),
            Some(block) => log_partition(scope, block, &self.touching, &Tilts::new(), Mode::Marginals)?,
        };
        Ok(scope.space.add(&settled, &hidden))
    }

    /// Runs the chain from the visible values in the scope for `steps` sweeps and leaves its end there.
    pub fn run_chain(&self, scope: &mut Scope<'_>, steps: usize) -> Result<(), EmitError> {
        for var in &self.visible {
            if let Some(value) = scope.values.get(var).cloned() {
                let stopped = value.through(|a| scope.space.stop(a));
                scope.values.insert(*var, stopped);
            }
        }
        let Some((first, rest)) = self.sweep.split_first() else { return Ok(()) };
        let starts_hidden = first.iter().any(|v| !self.visible.contains(v));
        if starts_hidden {
            resample(scope, first, &self.energy)?;
        }
        let order: Vec<Vec<VarId>> = match starts_hidden {
            true => rest.iter().cloned().chain([first.clone()]).collect(),
            false => self.sweep.clone(),
        };
        if steps > UNROLLED {
            return sweep_many(scope, &order, &self.energy, steps);
        }
        for step in 0..steps {
            for (i, set) in order.iter().enumerate() {
                // The hidden side is summed at the end of the chain, so its last draw would go unused.
                let unused = starts_hidden && step + 1 == steps && i + 1 == order.len();
                if !unused {
                    resample(scope, set, &self.energy)?;
                }
            }
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
    let hidden: Vec<VarId> = machine.sweep.iter().flatten().copied().filter(|v| !machine.visible.contains(v)).collect();
    let end = scope.values.clone();
    for var in &hidden {
        scope.values.remove(var);
    }
    let value = machine.visible_log_partition(scope)?;
    scope.values = if stay { end } else { before };
    Ok(scope.space.scale(&value, -1.0))
}
