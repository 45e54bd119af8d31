//! Rebuilding expressions: with some nodes replaced, or in another graph. Everything goes through the builder and is simplified again.

use std::collections::BTreeMap;

use super::graph::{Graph, Node, NodeId};
use super::op::Op;
use super::shape::member_shape;
use crate::base::id::Id;

impl Graph {
    /// `roots` with each node that `map` names replaced, wherever it is read.
    pub fn substitute(&mut self, roots: &[NodeId], map: &BTreeMap<NodeId, NodeId>) -> Vec<NodeId> {
        let keys: Vec<NodeId> = map.keys().copied().collect();
        let (read, touched) = (self.ancestors(roots), self.descendants(&keys));
        let mut new: Vec<NodeId> = self.ids().collect();
        for (&from, &to) in map {
            new[from.index()] = to;
        }
        for i in 0..new.len() {
            let id = NodeId::from_index(i);
            if read[i] && touched[i] && !map.contains_key(&id) {
                let node = self.node(id).clone();
                let inputs: Vec<NodeId> = node.inputs.iter().map(|n| new[n.index()]).collect();
                if inputs != node.inputs {
                    new[i] = self.apply(&node, &inputs);
                }
            }
        }
        roots.iter().map(|r| new[r.index()]).collect()
    }

    /// Copies into this graph what `roots` of `other` compute. Nodes of `other` that `bind` names become the nodes of this
    /// graph given there; inputs and states not named keep their names.
    pub fn import(&mut self, other: &Graph, roots: &[NodeId], bind: &BTreeMap<NodeId, NodeId>) -> Vec<NodeId> {
        let mut needed = vec![false; other.len()];
        for r in roots {
            needed[r.index()] = true;
        }
        for id in other.ids().rev() {
            if needed[id.index()] && !bind.contains_key(&id) {
                for n in other.inputs_of(id) {
                    needed[n.index()] = true;
                }
            }
        }
        let mut new: Vec<Option<NodeId>> = vec![None; other.len()];
        for id in other.ids().filter(|id| needed[id.index()]) {
            new[id.index()] = Some(match bind.get(&id) {
                Some(&to) => to,
                None => {
                    let inputs: Vec<NodeId> = other.inputs_of(id).iter().filter_map(|n| new[n.index()]).collect();
                    self.apply(other.node(id), &inputs)
                }
            });
        }
        roots.iter().filter_map(|r| new[r.index()]).collect()
    }

    /// The operation of `node` on other inputs (of the same shapes), through the builder.
    pub(super) fn apply(&mut self, node: &Node, inputs: &[NodeId]) -> NodeId {
        let shape = &node.shape;
        match (&node.op, inputs) {
            (Op::Input(name), _) => self.input(name, shape),
            (Op::State(name), _) => self.state(name, shape),
            (Op::Unary(f), &[a]) => self.unary(*f, a),
            (Op::Binary(f), &[a, b]) => self.binary(*f, a, b),
            (Op::Select, &[c, a, b]) => self.select(c, a, b),
            (Op::Broadcast { map }, &[a]) => self.broadcast(a, shape, map),
            (Op::Reshape, &[a]) => self.reshape(a, shape),
            (Op::Transpose { perm }, &[a]) => self.transpose(a, perm),
            (Op::Slice { axis, start }, &[a]) => self.slice(a, *axis, *start, shape[*axis]),
            (Op::Pad { axis, before, after, value }, &[a]) => self.pad(a, *axis, *before, *after, value.0),
            (Op::Concat { axis }, parts) => self.concat(parts, *axis),
            (Op::Flip { axis }, &[a]) => self.flip(a, *axis),
            (Op::Gather { axis }, &[data, index]) => self.gather(data, *axis, index),
            (Op::Scatter { axis }, &[a, index]) => self.scatter(a, *axis, index, shape),
            (Op::Reduce { kind, axes }, &[a]) => self.reduce(*kind, a, axes),
            (Op::LogSumExp { axis, mode }, &[a]) => self.log_sum_exp(a, *axis, *mode),
            (Op::OneHotArgmax { axis }, &[a]) => self.one_hot_argmax(a, *axis),
            (Op::OneHotSample { axis, site }, &[a]) => self.one_hot_sample(a, *axis, *site),
            (Op::CumSum { axis, exclusive, reverse }, &[a]) => self.cumsum(a, *axis, *exclusive, *reverse),
            (Op::Einsum { a: la, b: lb, out }, &[a, b]) => self.einsum(a, la, b, lb, out),
            (Op::Cholesky { of }, &[a]) => self.cholesky(a, of),
            (Op::Solve { transposed }, &[l, b]) => self.solve(l, b, *transposed),
            (Op::StopGradient, &[a]) => self.stop_gradient(a),
            (Op::Anchor, &[a]) => self.anchor(a),
            (Op::Project(i), &[tuple]) => self.project(tuple, *i),
            (
                Op::Constant(_)
                | Op::Iota { .. }
                | Op::Random { .. }
                | Op::Scan(_)
                | Op::While(_)
                | Op::TableSum(_)
                | Op::ChainSum(_),
                _,
            ) => self.push(node.op.clone(), inputs, shape),
            (op, _) => {
                self.defect(format!("{op:?} with {} inputs", inputs.len()));
                self.full(shape, f64::NAN)
            }
        }
    }

    /// The member of a loop's tuple that is the carry before each step, stacked.
    pub(super) fn carry_history(&mut self, scan: NodeId, carry: usize) -> NodeId {
        let index = match self.op(scan) {
            Op::Scan(op) => op.carries + op.body.stacked.len() + carry,
            _ => usize::MAX,
        };
        debug_assert!(member_shape(self.op(scan), &self.input_shapes(scan), index).is_ok());
        self.project(scan, index)
    }

    /// The shapes of a node's inputs.
    pub(super) fn input_shapes(&self, n: NodeId) -> Vec<&[usize]> {
        self.inputs_of(n).iter().map(|&i| self.shape(i)).collect()
    }
}
