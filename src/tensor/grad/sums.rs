//! Derivatives through a sum over joint states, of tables or along a chain: the first are members of the operation's own tuple, the
//! second come from the same sum written out.

use std::collections::BTreeMap;

use super::Walk;
use crate::tensor::build::Chain;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, ChainOp, Op, Reduction, Semiring, Summing, TableOp};
use crate::tensor::shape::member_shape;

/// What is known of the derivatives of a sum's own derivatives.
enum Second {
    /// They are 0 almost everywhere: the first are those of a maximum or a draw.
    Zero,
    /// They are not numbers: the first come from an approximation.
    Unknown,
    /// They are those of a sum that can be written out.
    Written,
}

impl Graph {
    /// Hands the adjoints of a sum's members to its inputs: member 0 is the sum, member i + 1 its derivative by input i, row by row.
    pub(super) fn sum_rule(&mut self, walk: &mut Walk, n: NodeId, op: &Op, members: &BTreeMap<usize, NodeId>) {
        let inputs = self.inputs_of(n).to_vec();
        // What says how long a chain is has no derivative.
        let able = |i: usize| !matches!(op, Op::ChainSum(_)) || i < 3;
        let active: Vec<usize> = (0..inputs.len()).filter(|&i| able(i) && walk.active(inputs[i])).collect();
        if let Some(&adjoint) = members.get(&0) {
            for &i in &active {
                let moments = self.project(n, i + 1);
                let given = self.weigh_rows(moments, adjoint, inputs[i]);
                walk.give(self, inputs[i], given);
            }
        }
        let second: Vec<(usize, NodeId)> = members.iter().filter(|(i, _)| **i > 0).map(|(&i, &a)| (i - 1, a)).collect();
        let known = match op {
            Op::TableSum(op) if op.mode != Semiring::Soft => Second::Zero,
            Op::TableSum(op) if op.how != Summing::Exact => Second::Unknown,
            _ => Second::Written,
        };
        match known {
            _ if second.is_empty() => {}
            Second::Zero => {}
            Second::Unknown => {
                for &i in &active {
                    let shape = self.shape(inputs[i]).to_vec();
                    let unknown = self.full(&shape, f64::NAN);
                    walk.give(self, inputs[i], unknown);
                }
            }
            Second::Written => {
                // Σ seed · moments is the slope of the sum along the seeds; its derivative is taken on the sum written out, where rows
                // stay apart.
                let mut own = Vec::new();
                for (i, &input) in inputs.iter().enumerate() {
                    let repeated = if able(i) { self.with_rows(input, n, i) } else { input };
                    own.push(self.anchor(repeated));
                }
                let value = self.written_out(op, &own);
                let wrt: Vec<NodeId> = second.iter().map(|&(i, _)| own[i]).collect();
                let first = self.gradient(value, &wrt);
                let seeds: Vec<(NodeId, NodeId)> =
                    first.into_iter().zip(&second).map(|(m, &(_, seed))| (m, seed)).collect();
                let wrt: Vec<NodeId> = active.iter().map(|&i| own[i]).collect();
                let found = self.gradient_seeded(&seeds, &wrt);
                for (&i, slope) in active.iter().zip(found) {
                    let given = self.sum_rows(slope, inputs[i]);
                    walk.give(self, inputs[i], given);
                }
            }
        }
    }

    /// The sum as nodes of the graph; its inputs all have rows if one has.
    fn written_out(&mut self, op: &Op, inputs: &[NodeId]) -> NodeId {
        match (op, inputs) {
            (Op::TableSum(op), _) => self.eliminate(op as &TableOp, inputs),
            (Op::ChainSum(op), &[start, local, moves, ref lengths @ ..]) => {
                let chain = Chain { start, local, moves, lengths: lengths.first().copied() };
                self.chain_written(ChainOp { apart: true, ..*op }, chain, Semiring::Soft, Semiring::Soft)
            }
            _ => inputs[0],
        }
    }

    /// moments · adjoint row by row, in the shape of the input they belong to.
    fn weigh_rows(&mut self, moments: NodeId, adjoint: NodeId, input: NodeId) -> NodeId {
        let shape = self.shape(moments).to_vec();
        let map: Vec<usize> = (0..self.shape(adjoint).len()).collect();
        let weights = self.broadcast(adjoint, &shape, &map);
        let weighed = self.binary(Binary::MulZero, weights, moments);
        self.sum_rows(weighed, input)
    }

    /// An array with a leading axis of rows, summed over them where `input` has none.
    fn sum_rows(&mut self, array: NodeId, input: NodeId) -> NodeId {
        match self.shape(array).len() > self.shape(input).len() {
            true => self.reduce(Reduction::Sum, array, &[0]),
            false => array,
        }
    }

    /// Input `i` of a sum repeated along the rows that its derivatives have.
    fn with_rows(&mut self, input: NodeId, sum: NodeId, i: usize) -> NodeId {
        let shape = member_shape(self.op(sum), &self.input_shapes(sum), i + 1).unwrap_or_default();
        match self.shape(input).len() < shape.len() {
            true => self.broadcast(input, &shape, &(1..shape.len()).collect::<Vec<_>>()),
            false => input,
        }
    }
}
