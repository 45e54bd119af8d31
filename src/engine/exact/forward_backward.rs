//! A chain's log-partition as one operation of the graph, whose derivatives are what the recursion from behind gives (Rabiner 1989;
//! Eisner 2016 on the two being one); best paths and draws as the same recursion written out.

use std::collections::BTreeMap;

use super::super::error::EmitError;
use super::super::scope::{Scope, Walk};
use super::enumeration::sum_plates;
use super::{Mode, Tilts, enumerate_states, keep_labels, with_own};
use crate::dist::{Label, Named, Value};
use crate::model::{AxisId, Factor, VarId};
use crate::plan::Block;
use crate::tensor::build::Chain;
use crate::tensor::op::{Binary, ChainOp};

/// log Σ over all paths: α₁(s) = init(s), α_t(s) = log Σ_r exp(α_{t−1}(r) + transition_t(r, s)) + emission_t(s).
pub fn log_partition(
    scope: &mut Scope<'_>,
    block: &Block,
    along: AxisId,
    factors: &[&Factor],
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    let without: Vec<AxisId> = block.plates.iter().copied().chain([along]).collect();
    let (now, here) = enumerate_states(scope, &block.vars, &without)?;
    let (before, earlier) = enumerate_states(scope, &block.vars, &without)?;
    let time = scope.axis(along)?;
    let length = scope.space.extent(time);
    let lead = keep_labels(scope, &block.plates, &[])?;
    let keep: Vec<Label> = lead.iter().copied().chain([time, before, now]).collect();

    let outer = scope.walk.take();
    let walked = Walked { along, here: &here, earlier: &earlier, plates: &block.plates, factors, keep: &keep, before };
    let parts = emit(scope, &walked);
    scope.walk = outer;
    let Parts { start, mut local, moves } = parts?;
    let around: Vec<Label> = lead.iter().copied().chain([time, now]).collect();
    for (&var, value) in &here {
        local = with_own(scope, local, var, value, tilts, &around);
    }

    let axes = |keep: &[Label], own: &[Label]| -> Vec<Label> { keep.iter().chain(own).copied().collect() };
    let rows: usize = lead.iter().map(|&l| scope.space.extent(l)).product();
    let states = scope.space.extent(now);
    let start = scope.space.at(&start, time, 0);
    let start = scope.space.align(&start, &axes(&lead, &[now]));
    let local = scope.space.align(&local, &axes(&lead, &[time, now]));
    let op = ChainOp { along: moves.has(time), apart: lead.iter().any(|&l| moves.has(l)) };
    let mut own = if op.along { vec![time] } else { Vec::new() };
    own.extend([before, now]);
    let moves = scope.space.align(&moves, &axes(if op.apart { &lead } else { &[] }, &own));
    let lengths = scope.lengths.get(&along).cloned();
    let counted = lengths.as_ref().map(|lengths| scope.space.align(lengths, &lead));
    let graph = &mut scope.space.graph;
    let shape = |leading: bool, own: &[usize]| -> Vec<usize> {
        leading.then_some(rows).into_iter().chain(own.iter().copied()).collect()
    };
    let along = if op.along { vec![length, states, states] } else { vec![states, states] };
    let chain = Chain {
        start: graph.reshape(start.node, &shape(true, &[states])),
        local: graph.reshape(local.node, &shape(true, &[length, states])),
        moves: graph.reshape(moves.node, &shape(op.apart, &along)),
        lengths: counted.map(|c| graph.reshape(c.node, &[rows])),
    };
    let value = match mode {
        Mode::Marginals => graph.chain_sum(op, chain),
        Mode::Best | Mode::Sample => {
            let moving = mode.semiring(|| scope.space.site());
            let last = mode.semiring(|| scope.space.site());
            scope.space.graph.chain_written(op, chain, moving, last)
        }
    };
    let shape: Vec<usize> = lead.iter().map(|&l| scope.space.extent(l)).collect();
    let mut value = Named { node: scope.space.graph.reshape(value, &shape), labels: lead };
    if let Some(lengths) = lengths {
        // A row without positions has no factors.
        let zero = scope.space.scalar(0.0);
        let some = scope.space.zip(Binary::Lt, &zero, &lengths);
        value = scope.space.select(&some, &value, &zero);
    }
    sum_plates(scope, &block.plates, value)
}

/// What the summands of a chain are evaluated with.
struct Walked<'a> {
    along: AxisId,
    here: &'a BTreeMap<VarId, Value>,
    earlier: &'a BTreeMap<VarId, Value>,
    plates: &'a [AxisId],
    factors: &'a [&'a Factor],
    /// Axes that are kept.
    keep: &'a [Label],
    /// The axis of the states before.
    before: Label,
}

/// The potentials of a chain, over the time axis too.
struct Parts {
    /// What only the first position has.
    start: Named,
    /// Those of each position.
    local: Named,
    /// Those of moves.
    moves: Named,
}

/// Sorts the summands by where they stand: a summand that is the same at the first position as at others is part of every
/// position's, so that nothing has to be laid out for the first one alone.
fn emit(scope: &mut Scope<'_>, walked: &Walked<'_>) -> Result<Parts, EmitError> {
    let time = scope.axis(walked.along)?;
    let zero = scope.space.scalar(0.0);
    let mut parts = Parts { start: zero.clone(), local: zero.clone(), moves: zero.clone() };
    for factor in walked.factors {
        let mut at = |first: bool| -> Result<Named, EmitError> {
            let (here, before) = (walked.here.clone(), walked.earlier.clone());
            scope.walk = Some(Walk { along: walked.along, here, before, first });
            let value = scope.factor_total(factor, walked.plates)?;
            Ok(scope.space.sum_to(&value, walked.keep))
        };
        let (first, other) = (at(true)?, at(false)?);
        let space = &mut scope.space;
        if first == other && !other.has(walked.before) {
            parts.local = space.add(&parts.local, &other);
            continue;
        }
        parts.start = space.add(&parts.start, &first);
        if other.has(walked.before) {
            parts.moves = space.add(&parts.moves, &other);
            continue;
        }
        let position = space.positions(time);
        let later = space.zip(Binary::Lt, &zero, &position);
        let other = space.select(&later, &other, &zero);
        parts.local = space.add(&parts.local, &other);
    }
    Ok(parts)
}
