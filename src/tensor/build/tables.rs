//! Sums over products of tables: as one operation, and written out axis by axis.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::places::unravel;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Op, TableInput, TableOp};

/// A table in the course of elimination: its array is `[rows..., one axis for each of `axes`]`.
struct Term {
    array: NodeId,
    /// Axes of the product, increasing.
    axes: Vec<usize>,
}

impl Graph {
    /// ln Σ over joint states of the product of tables, a number a row; its derivative is what `op.mode` says. See [`TableOp`] for the
    /// shapes of `tables`.
    pub fn table_sum(&mut self, op: TableOp, tables: &[NodeId]) -> NodeId {
        let node = self.push(Op::TableSum(Arc::new(op)), tables, &[]);
        self.project(node, 0)
    }

    /// The same sum written out: each axis is summed out of the product of the terms that have it, the cheapest first.
    pub(in crate::tensor) fn eliminate(&mut self, op: &TableOp, tables: &[NodeId]) -> NodeId {
        let rows: Vec<usize> = {
            let shapes: Vec<&[usize]> = tables.iter().map(|&t| self.shape(t)).collect();
            TableOp::rows(&shapes).into_iter().collect()
        };
        let mut terms = Vec::new();
        for (input, &table) in op.inputs.iter().zip(tables) {
            for position in 0..input.places.len() {
                terms.push(self.term(op, input, table, position));
            }
        }
        let mut left: BTreeSet<usize> = (0..op.sizes.len()).collect();
        while let Some(axis) = cheapest(&left, &terms, &op.sizes) {
            left.remove(&axis);
            let (having, rest): (Vec<Term>, Vec<Term>) = terms.into_iter().partition(|t| t.axes.contains(&axis));
            terms = rest;
            let mut axes: Vec<usize> = having.iter().flat_map(|t| t.axes.clone()).chain([axis]).collect();
            axes.sort_unstable();
            axes.dedup();
            let joined = self.join(&having, &axes, &rows, &op.sizes);
            let at = rows.len() + axes.iter().position(|&a| a == axis).unwrap_or_default();
            let array = self.log_sum_exp(joined, at, op.mode);
            axes.retain(|&a| a != axis);
            terms.push(Term { array, axes });
        }
        self.join(&terms, &[], &rows, &op.sizes)
    }

    /// The sum of terms over the given axes.
    fn join(&mut self, terms: &[Term], axes: &[usize], rows: &[usize], sizes: &[usize]) -> NodeId {
        let shape: Vec<usize> = rows.iter().copied().chain(axes.iter().map(|&a| sizes[a])).collect();
        let mut sum = self.full(&shape, 0.0);
        for term in terms {
            let places = term.axes.iter().filter_map(|a| axes.iter().position(|b| a == b)).map(|i| rows.len() + i);
            let own = self.shape(term.array).len() - term.axes.len();
            let map: Vec<usize> = (0..own).chain(places).collect();
            let repeated = self.broadcast(term.array, &shape, &map);
            sum = self.add(sum, repeated);
        }
        sum
    }

    /// The table at one position, over increasing axes, each once.
    fn term(&mut self, op: &TableOp, input: &TableInput, table: NodeId, position: usize) -> Term {
        let mut axes: Vec<usize> = input.places[position].iter().copied().flatten().collect();
        axes.sort_unstable();
        axes.dedup();
        let along = self.shape(table).len() - 2;
        let lead = self.shape(table)[..along].to_vec();
        let here = self.slice(table, along, position, 1);
        let shape = [&lead[..], &[input.cells()]].concat();
        let here = self.reshape(here, &shape);
        let sizes: Vec<usize> = axes.iter().map(|&a| op.sizes[a]).collect();
        let count: usize = sizes.iter().product();
        let cells = (0..count).map(|cell| input.cell(position, &axes, &unravel(cell, &sizes)) as f64).collect();
        let shape = [&lead[..], &sizes].concat();
        let index = self.constant(&[count], cells);
        let picked = self.gather(here, along, index);
        Term { array: self.reshape(picked, &shape), axes }
    }
}

/// The axis whose summing makes the smallest table.
fn cheapest(left: &BTreeSet<usize>, terms: &[Term], sizes: &[usize]) -> Option<usize> {
    let cost = |axis: &usize| -> f64 {
        let near: BTreeSet<usize> =
            terms.iter().filter(|t| t.axes.contains(axis)).flat_map(|t| t.axes.iter().copied()).collect();
        near.iter().map(|&a| sizes[a] as f64).product()
    };
    left.iter().map(|a| (cost(a), *a)).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|found| found.1)
}
