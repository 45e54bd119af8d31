//! Mean field over the summands as they stand, for blocks whose entries come in sets that are independent given the other sets: layers
//! of a deep machine, whose tables would span too many states.

use std::collections::BTreeSet;

use super::partition::{NotExact, choose_block, names, refs};
use super::sweep::{find_sweep, sweep_text};
use crate::analysis::{Component, Reason, Situation, find_components, find_coupling, find_loose, find_pieces};
use crate::base::approximate::{Grouping, MeanField};
use crate::model::{AxisKind, Program, VarId};
use crate::plan::plan::{Block, Engine, Kind, Partition, PieceRef, Refusal, Resampled};

/// What the engine is called.
pub const NAME: &str = "mean field";

/// Mean field while parameters are learned: the means need not be right to more digits than a step moves them.
pub fn learning() -> MeanField {
    MeanField { tolerance: 1e-2, rounds: 15, ..MeanField::default() }
}

/// The engine with its reason, or why it does not apply.
pub fn claim(program: &Program, component: &Component<'_>, settings: &MeanField) -> Result<(Engine, String), Refusal> {
    let refuse = |reason| Refusal { engine: NAME, reason, mend: None };
    if settings.clusters != Grouping::Single || settings.starts > 1 {
        return Err(refuse(Reason::of("its tables are too large for groups of entries and for several starts")));
    }
    if let Some(&var) = component.partial.first() {
        let text = format!("`{}` has a value in some rows and none in others", program.vars[var].name);
        return Err(refuse(Reason::at(program.vars[var].span, text)));
    }
    for &var in &component.vars {
        let declared = &program.vars[var];
        let ragged = |a: &crate::model::AxisId| program.axes[program.axes.root(*a)].kind == AxisKind::Ragged;
        let text = match () {
            () if !declared.domain.is_discrete() => "is continuous",
            () if declared.axes().iter().any(ragged) => "has another length in each row",
            () => continue,
        };
        return Err(refuse(Reason::at(declared.span, format!("`{}` {text}", declared.name))));
    }
    let sweep = find_sweep(program, &component.vars, &component.pieces, &[]).map_err(refuse)?;
    if let Some(Resampled::Entries { var, .. }) = sweep.iter().find(|s| matches!(s, Resampled::Entries { .. })) {
        let declared = &program.vars[*var];
        return Err(refuse(Reason::at(declared.span, format!("entries of `{}` are coupled", declared.name))));
    }
    let of: BTreeSet<_> = component.vars.iter().copied().collect();
    let coupling = find_coupling(program, component.pieces.iter().map(|p| p.factor), &of).map_err(refuse)?;
    if let Some(&var) = coupling.squared.iter().next() {
        let declared = &program.vars[var];
        let text = format!("an entry of `{}` is multiplied with itself", declared.name);
        return Err(refuse(Reason::at(declared.span, text)));
    }
    let reason = format!("{} are settled in turn: {}", names(program, &component.vars), sweep_text(program, &sweep));
    Ok((Engine::Settled { sweep, tolerance: settings.tolerance, rounds: settings.rounds }, reason))
}

/// A log-partition with a derivative that is a lower bound: each block summed exactly where that can be done, else by mean field; the
/// other way round where that was `asked` for.
///
/// # Errors
/// A block that neither reaches, with every refusal.
pub fn settle_partition(situation: &Situation<'_>, settings: &MeanField, asked: bool) -> Result<Partition, NotExact> {
    let loose = find_loose(situation);
    let (fixed, partial) = (vars(situation.fixed), vars(situation.partial));
    let (known, open) = (situation.fixed | &loose, situation.partial - &loose);
    let situation = &Situation { fixed: &known, partial: &open, ..*situation };
    let mut blocks = Vec::new();
    let mut touched: BTreeSet<PieceRef> = BTreeSet::new();
    for component in find_components(situation) {
        let own = claim(situation.program, &component, settings);
        let near = |engine: Engine, reason: String, rejected: Vec<Refusal>| Block {
            vars: component.vars.clone(),
            pieces: refs(situation, &component.pieces),
            plates: Vec::new(),
            engine,
            kind: Kind::LowerBound,
            reason,
            cost: None,
            rejected,
        };
        let block = match (choose_block(situation, &component, None), own) {
            (_, Ok((engine, reason))) if asked => near(engine, reason, Vec::new()),
            (Ok(block), _) => block,
            (Err(not), Ok((engine, reason))) => near(engine, reason, not.refusals),
            (Err(mut not), Err(refusal)) => {
                not.refusals.push(refusal);
                return Err(not);
            }
        };
        touched.extend(&block.pieces);
        blocks.push(block);
    }
    let settled = refs(situation, &find_pieces(situation)).into_iter().filter(|p| !touched.contains(p)).collect();
    Ok(Partition { model: situation.model, fixed, partial, loose: vars(&loose), settled, blocks })
}

fn vars(all: &BTreeSet<VarId>) -> Vec<VarId> {
    all.iter().copied().collect()
}
