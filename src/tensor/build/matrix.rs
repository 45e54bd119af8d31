//! Factors of symmetric matrices and triangular systems.

use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::Op;

impl Graph {
    /// The lower factor L of (A + Aᵀ)/2 = L·Lᵀ for each matrix of the last two axes. A matrix that is not positive definite stops the
    /// run with an error that names `of`.
    pub fn cholesky(&mut self, a: NodeId, of: &str) -> NodeId {
        if let Op::Broadcast { map } = self.op(a)
            && let [lead @ .., _, _] = self.shape(a)
        {
            // Equal matrices are factored once.
            let (map, shape, rank) = (map.clone(), self.shape(a).to_vec(), lead.len());
            let source = self.inputs_of(a)[0];
            if map.ends_with(&[rank, rank + 1]) && map.len() < shape.len() {
                let inner = self.cholesky(source, of);
                return self.broadcast(inner, &shape, &map);
            }
        }
        self.push(Op::Cholesky { of: of.to_string() }, &[a], &[])
    }

    /// The solution X of L·X = B, or of Lᵀ·X = B if `transposed`, for each lower triangular matrix of the last two axes of `lower`;
    /// the axes before them are those of `b`.
    pub fn solve(&mut self, lower: NodeId, b: NodeId, transposed: bool) -> NodeId {
        if self.is_splat(b, 0.0) && self.shape(lower).len() == self.shape(b).len() {
            return b;
        }
        self.push(Op::Solve { transposed }, &[lower, b], &[])
    }
}
