//! Derivatives through a sum over tables: the first are members of the operation's own tuple, the second come from the same sum
//! written out.

use std::collections::BTreeMap;

use super::Walk;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Semiring, Summing, TableOp};

impl Graph {
    /// Hands the adjoints of a table sum's members to its inputs.
    pub(super) fn table_rule(&mut self, walk: &mut Walk, n: NodeId, op: &TableOp, members: &BTreeMap<usize, NodeId>) {
        let inputs = self.inputs_of(n).to_vec();
        let active: Vec<usize> = (0..inputs.len()).filter(|&i| walk.active(inputs[i])).collect();
        if let Some(&adjoint) = members.get(&0) {
            for &i in &active {
                let moments = self.project(n, i + 1);
                let given = self.weigh_rows(moments, adjoint, inputs[i]);
                walk.give(self, inputs[i], given);
            }
        }
        // The derivatives of a maximum and of a draw are constant almost everywhere.
        let second: Vec<(usize, NodeId)> = members.iter().filter(|(i, _)| **i > 0).map(|(&i, &a)| (i - 1, a)).collect();
        if second.is_empty() || op.mode != Semiring::Soft {
            return;
        }
        if op.how != Summing::Exact {
            for &i in &active {
                let shape = self.shape(inputs[i]).to_vec();
                let unknown = self.full(&shape, f64::NAN);
                walk.give(self, inputs[i], unknown);
            }
            return;
        }
        // Σ seed · moments is the slope of the sum along the seeds; its derivative is taken on the sum written out, where rows stay apart.
        let mut tables = Vec::new();
        for &input in &inputs {
            let repeated = self.with_rows(input, &inputs);
            tables.push(self.anchor(repeated));
        }
        let value = self.eliminate(op, &tables);
        let wrt: Vec<NodeId> = second.iter().map(|&(i, _)| tables[i]).collect();
        let first = self.gradient(value, &wrt);
        let seeds: Vec<(NodeId, NodeId)> = first.into_iter().zip(&second).map(|(m, &(_, seed))| (m, seed)).collect();
        let wrt: Vec<NodeId> = active.iter().map(|&i| tables[i]).collect();
        let found = self.gradient_seeded(&seeds, &wrt);
        for (&i, slope) in active.iter().zip(found) {
            let given = self.sum_rows(slope, inputs[i]);
            walk.give(self, inputs[i], given);
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
            true => self.reduce(crate::tensor::op::Reduction::Sum, array, &[0]),
            false => array,
        }
    }

    /// An input repeated along the rows that some other one has.
    fn with_rows(&mut self, input: NodeId, inputs: &[NodeId]) -> NodeId {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&i| self.shape(i)).collect();
        match (TableOp::rows(&shapes), self.shape(input)) {
            (Some(rows), own @ [_, _]) => {
                let shape = [&[rows], own].concat();
                self.broadcast(input, &shape, &[1, 2])
            }
            _ => input,
        }
    }
}
