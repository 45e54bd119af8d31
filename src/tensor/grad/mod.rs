//! Reverse mode as a graph transformation: derivatives are nodes of the same graph, and can be differentiated again.
//!
//! Walks the nodes from last to first and hands each one's adjoint to its inputs by that operation's rule: `elementwise` and
//! `structure` hold the rules of single operations, `loops` those of `scan` and `while`, `sums` those of sums over joint states. A rule multiplies an adjoint by a local
//! derivative through `MulZero`, so that an adjoint of 0 stays 0 where the derivative is infinite or NaN.

mod elementwise;
mod loops;
mod structure;
mod sums;

use std::collections::BTreeMap;

use super::graph::{Graph, NodeId};
use super::op::{Binary, Op};
use crate::base::id::Id;

/// Adjoints found so far, during one walk.
struct Walk {
    /// Nodes that depend on what is differentiated by.
    active: Vec<bool>,
    adjoints: BTreeMap<NodeId, NodeId>,
    /// Adjoints of the members of tuples.
    members: BTreeMap<NodeId, BTreeMap<usize, NodeId>>,
}

impl Walk {
    fn active(&self, n: NodeId) -> bool {
        self.active.get(n.index()).copied().unwrap_or(false)
    }

    fn give(&mut self, g: &mut Graph, to: NodeId, adjoint: NodeId) {
        if !self.active(to) || g.is_splat(adjoint, 0.0) {
            return;
        }
        debug_assert_eq!(g.shape(to), g.shape(adjoint), "an adjoint has its node's shape");
        let sum = match self.adjoints.get(&to) {
            Some(&old) => g.add(old, adjoint),
            None => adjoint,
        };
        self.adjoints.insert(to, sum);
    }
}

impl Graph {
    /// The derivatives of the sum of `of`'s elements with respect to `wrt`, each of its node's shape; zeros where nothing connects them.
    ///
    /// Members of `wrt` must be nodes that no identity of the builder sees through: inputs, states, anchors ([`Graph::anchor`]), draws,
    /// results of loops. By another computed node it would be wrong in silence, and is refused as a misuse of the builder.
    pub fn gradient(&mut self, of: NodeId, wrt: &[NodeId]) -> Vec<NodeId> {
        let shape = self.shape(of).to_vec();
        let one = self.full(&shape, 1.0);
        self.gradient_seeded(&[(of, one)], wrt)
    }

    /// The derivatives of Σ seed · of with respect to `wrt`; each seed has the shape of its node. See [`Graph::gradient`].
    pub fn gradient_seeded(&mut self, of: &[(NodeId, NodeId)], wrt: &[NodeId]) -> Vec<NodeId> {
        for &n in wrt {
            if self.seen_through(n) {
                let op = self.op(n).clone();
                self.defect(format!(
                    "a derivative by {op:?}, which identities see through; take it by an anchor of that"
                ));
            }
        }
        let mut walk = Walk { active: self.descendants(wrt), adjoints: BTreeMap::new(), members: BTreeMap::new() };
        for &(n, seed) in of {
            walk.give(self, n, seed);
        }
        let roots: Vec<NodeId> = of.iter().map(|&(n, _)| n).collect();
        let read = self.ancestors(&roots);
        for i in (0..walk.active.len()).rev().filter(|&i| read[i]) {
            let n = NodeId::from_index(i);
            if let Some(members) = walk.members.remove(&n) {
                match self.op(n).clone() {
                    op @ (Op::TableSum(_) | Op::ChainSum(_)) => self.sum_rule(&mut walk, n, &op, &members),
                    _ => self.loop_rule(&mut walk, n, &members),
                }
            } else if let Some(&adjoint) = walk.adjoints.get(&n) {
                self.rule(&mut walk, n, adjoint);
            }
        }
        wrt.iter()
            .map(|n| match walk.adjoints.get(n) {
                Some(&found) => found,
                None => self.zeros_like(*n),
            })
            .collect()
    }

    /// Hands the adjoint of one node to its inputs.
    fn rule(&mut self, walk: &mut Walk, n: NodeId, adjoint: NodeId) {
        if !self.inputs_of(n).iter().any(|&i| walk.active(i)) {
            return;
        }
        match self.op(n).clone() {
            Op::Unary(f) => self.unary_rule(walk, f, n, adjoint),
            Op::Binary(f) => self.binary_rule(walk, f, n, adjoint),
            Op::Select => {
                let (cond, a, b) = (self.inputs_of(n)[0], self.inputs_of(n)[1], self.inputs_of(n)[2]);
                let zero = self.zeros_like(n);
                if walk.active(a) {
                    let da = self.select(cond, adjoint, zero);
                    walk.give(self, a, da);
                }
                if walk.active(b) {
                    let db = self.select(cond, zero, adjoint);
                    walk.give(self, b, db);
                }
            }
            Op::Project(index) => {
                let tuple = self.inputs_of(n)[0];
                walk.members.entry(tuple).or_default().insert(index, adjoint);
            }
            Op::Anchor => {
                let a = self.inputs_of(n)[0];
                walk.give(self, a, adjoint);
            }
            Op::Input(_)
            | Op::State(_)
            | Op::Constant(_)
            | Op::Iota { .. }
            | Op::Random { .. }
            | Op::OneHotArgmax { .. }
            | Op::OneHotSample { .. }
            | Op::StopGradient => {}
            Op::Scan(_) | Op::While(_) | Op::TableSum(_) | Op::ChainSum(_) => {}
            op @ (Op::Broadcast { .. }
            | Op::Reshape
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Concat { .. }
            | Op::Flip { .. }
            | Op::Gather { .. }
            | Op::Scatter { .. }
            | Op::Reduce { .. }
            | Op::LogSumExp { .. }
            | Op::CumSum { .. }
            | Op::Einsum { .. }
            | Op::Cholesky { .. }
            | Op::Solve { .. }) => self.structure_rule(walk, &op, n, adjoint),
        }
    }

    /// Whether something built from `n` may read what `n` reads instead.
    fn seen_through(&self, n: NodeId) -> bool {
        match self.op(n) {
            Op::Input(_)
            | Op::State(_)
            | Op::Anchor
            | Op::StopGradient
            | Op::Random { .. }
            | Op::Project(_)
            | Op::Select
            | Op::Gather { .. }
            | Op::Scatter { .. }
            | Op::LogSumExp { .. }
            | Op::OneHotArgmax { .. }
            | Op::OneHotSample { .. }
            | Op::CumSum { .. }
            | Op::Solve { .. } => false,
            Op::Constant(_)
            | Op::Iota { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Broadcast { .. }
            | Op::Reshape
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Concat { .. }
            | Op::Flip { .. }
            | Op::Reduce { .. }
            | Op::Einsum { .. }
            | Op::Cholesky { .. }
            | Op::Scan(_)
            | Op::While(_)
            | Op::TableSum(_)
            | Op::ChainSum(_) => true,
        }
    }

    /// adjoint · derivative, 0 where the adjoint is 0.
    fn chain(&mut self, adjoint: NodeId, derivative: NodeId) -> NodeId {
        self.binary(Binary::MulZero, adjoint, derivative)
    }
}
