//! Linear algebra on labelled arrays: factors of symmetric matrices, triangular systems, and the integral of the exponential of a
//! quadratic form.

use super::space::{Label, Named, Space};
use crate::tensor::op::{Op, Unary};

/// ln 2π.
const LN_TAU: f64 = 1.837_877_066_409_345_5;

/// A lower triangular matrix over two axes, one for each position of its other axes.
pub struct Factor {
    /// The array `[.., rows, columns]`.
    pub array: Named,
    /// Its rows.
    pub rows: Label,
    /// Its columns.
    pub columns: Label,
}

impl Space {
    /// The array without the axes along which it only repeats.
    pub fn distinct(&self, a: &Named) -> Named {
        let mut a = a.clone();
        while let Op::Broadcast { map } = self.graph.op(a.node) {
            let labels = map.iter().map(|&axis| a.labels[axis]).collect();
            a = Named { node: self.graph.inputs_of(a.node)[0], labels };
        }
        a
    }

    /// Several axes laid out as one, which stands last; those it lacks it repeats along.
    pub fn flatten(&mut self, a: &Named, axes: &[Label], to: Label) -> Named {
        let rest: Vec<Label> = a.labels.iter().copied().filter(|l| !axes.contains(l)).collect();
        let order: Vec<Label> = rest.iter().chain(axes).copied().collect();
        let aligned = self.align(a, &order);
        let labels: Vec<Label> = rest.into_iter().chain([to]).collect();
        let shape = self.shape(&labels);
        Named { node: self.graph.reshape(aligned.node, &shape), labels }
    }

    /// The lower factor of a symmetric matrix over `rows` and `columns`; where there is none the run stops with an error that names `of`.
    pub fn cholesky(&mut self, a: &Named, rows: Label, columns: Label, of: &str) -> Factor {
        let mut labels: Vec<Label> = a.labels.iter().copied().filter(|&l| l != rows && l != columns).collect();
        labels.extend([rows, columns]);
        let aligned = self.align(a, &labels);
        Factor { array: Named { node: self.graph.cholesky(aligned.node, of), labels }, rows, columns }
    }

    /// The solution of L·x = b, or of Lᵀ·x = b if `transposed`, where b has the rows of L and any other axes.
    pub fn solve(&mut self, lower: &Factor, b: &Named, transposed: bool) -> Named {
        let lead = &lower.array.labels[..lower.array.labels.len() - 2];
        let others: Vec<Label> = b.labels.iter().copied().filter(|l| *l != lower.rows && !lead.contains(l)).collect();
        let labels: Vec<Label> = lead.iter().chain([&lower.rows]).chain(&others).copied().collect();
        let aligned = self.align(b, &labels);
        let width: usize = others.iter().map(|&l| self.extent(l)).product();
        let mut shape = self.shape(lead);
        shape.extend([self.extent(lower.rows), width]);
        let flat = self.graph.reshape(aligned.node, &shape);
        let solved = self.graph.solve(lower.array.node, flat, transposed);
        let shape = self.shape(&labels);
        Named { node: self.graph.reshape(solved, &shape), labels }
    }

    /// log |L|.
    pub fn log_diagonal(&mut self, lower: &Factor) -> Named {
        let diagonal = self.rename(&lower.array, lower.columns, lower.rows);
        let logs = self.map(Unary::Log, &diagonal);
        self.sum(&logs, &[lower.rows])
    }

    /// The share of each entry in ½·log 2π, of entries that are there or not.
    pub fn half_log_tau(&mut self, there: &Named, rows: Label) -> Named {
        let count = self.total(there, &[rows]);
        self.scale(&count, 0.5 * LN_TAU)
    }
}
