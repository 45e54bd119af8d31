//! The forward recursion of a chain as a scan; its reverse pass, made by differentiation, is the backward recursion
//! (Rabiner 1989; Eisner 2016 on the two being one).

use super::super::error::EmitError;
use super::super::scope::{Scope, Walk};
use super::enumeration::sum_plates;
use super::{Mode, Tilts, enumerate_states, keep_labels, with_own};
use crate::dist::{Label, Named};
use crate::model::{AxisId, Factor};
use crate::plan::Block;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Semiring};

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
    let emit = |scope: &mut Scope<'_>, first: bool| -> Result<(Named, Named), EmitError> {
        scope.walk = Some(Walk { along, here: here.clone(), before: earlier.clone(), first });
        let mut local = scope.space.scalar(0.0);
        let mut moves = scope.space.scalar(0.0);
        for factor in factors {
            let value = scope.factor_total(factor, &block.plates)?;
            let value = scope.space.sum_to(&value, &keep);
            match value.has(before) {
                true => moves = scope.space.add(&moves, &value),
                false => local = scope.space.add(&local, &value),
            }
        }
        let around: Vec<Label> = lead.iter().copied().chain([time, now]).collect();
        for (&var, value) in &here {
            local = with_own(scope, local, var, value, tilts, &around);
        }
        Ok((local, moves))
    };
    let parts = emit(scope, true).and_then(|first| Ok((first, emit(scope, false)?)));
    scope.walk = outer;
    let ((start, _), (local, moves)) = parts?;

    let state_labels: Vec<Label> = lead.iter().copied().chain([now]).collect();
    let start = scope.space.at(&start, time, 0);
    let start = scope.space.align(&start, &state_labels);
    let mut alpha = start.clone();
    if length > 1 {
        let steps = scope.space.label(length - 1);
        let local = scope.space.stretch(&local, time, 1, steps);
        let with_steps: Vec<Label> = [steps].into_iter().chain(state_labels.iter().copied()).collect();
        let local = scope.space.align(&local, &with_steps);
        let moves = scope.space.stretch(&moves, time, 1, steps);
        let varies = moves.has(steps);
        let mut move_labels: Vec<Label> = lead.iter().copied().filter(|&l| moves.has(l)).collect();
        move_labels.extend([before, now]);
        if varies {
            move_labels.insert(0, steps);
        }
        let moves = scope.space.align(&moves, &move_labels);
        let inside = match scope.lengths.get(&along).cloned() {
            None => None,
            Some(lengths) => {
                let position = scope.space.positions(steps);
                let one = scope.space.scalar(1.0);
                let position = scope.space.add(&position, &one);
                let mask = scope.space.zip(Binary::Lt, &position, &lengths);
                Some(scope.space.align(&mask, &with_steps))
            }
        };
        let semiring = mode.semiring(|| scope.space.site());
        let inner: Vec<Label> = move_labels.iter().copied().filter(|&l| l != steps).collect();
        let full: Vec<Label> = lead.iter().copied().chain([before, now]).collect();
        let shape = scope.space.shape(&full);
        let before_map: Vec<usize> = (0..=lead.len()).collect();
        let move_map: Vec<usize> = inner.iter().map(|l| full.iter().position(|f| f == l).unwrap_or_default()).collect();
        let mut sequences = vec![local.node];
        let mut constants = Vec::new();
        match varies {
            true => sequences.push(moves.node),
            false => constants.push(moves.node),
        }
        sequences.extend(inside.as_ref().map(|m| m.node));
        let recursion = Recursion { shape, before_map, move_map, axis: lead.len(), semiring };
        let last =
            scope.space.graph.scan_with(length - 1, false, &[start.node], &sequences, &constants, |g, _, c, x, k| {
                let (moves, mask) = match varies {
                    true => (x[1], x.get(2)),
                    false => (k[0], x.get(1)),
                };
                let next = recursion.step(g, c[0], moves, x[0]);
                let next = match mask {
                    Some(&mask) => g.select(mask, next, c[0]),
                    None => next,
                };
                (vec![next], Vec::new())
            });
        alpha = Named { node: last[0], labels: state_labels };
    }
    let semiring = mode.semiring(|| scope.space.site());
    let mut value = scope.space.log_sum_exp(&alpha, now, semiring);
    if let Some(lengths) = scope.lengths.get(&along).cloned() {
        // A row without positions has no factors.
        let zero = scope.space.scalar(0.0);
        let some = scope.space.zip(Binary::Lt, &zero, &lengths);
        value = scope.space.select(&some, &value, &zero);
    }
    sum_plates(scope, &block.plates, value)
}

/// Shapes of one forward step.
struct Recursion {
    shape: Vec<usize>,
    before_map: Vec<usize>,
    move_map: Vec<usize>,
    axis: usize,
    semiring: Semiring,
}

impl Recursion {
    fn step(&self, g: &mut Graph, alpha: NodeId, moves: NodeId, local: NodeId) -> NodeId {
        let alpha = g.broadcast(alpha, &self.shape, &self.before_map);
        let moves = g.broadcast(moves, &self.shape, &self.move_map);
        let joint = g.add(alpha, moves);
        let summed = g.log_sum_exp(joint, self.axis, self.semiring);
        g.add(summed, local)
    }
}
