//! Derivatives of the operations that move, join or contract elements: each is linear (its transpose) or a selection.

use super::Walk;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Op, Reduction, Semiring, Unary};

impl Graph {
    pub(super) fn structure_rule(&mut self, walk: &mut Walk, op: &Op, n: NodeId, adjoint: NodeId) {
        let a = self.inputs_of(n)[0];
        let inner = self.shape(a).to_vec();
        let shape = self.shape(n).to_vec();
        let d = match op {
            Op::Broadcast { map } => {
                let repeated: Vec<usize> = (0..shape.len()).filter(|i| !map.contains(i)).collect();
                let sum = self.reduce(Reduction::Sum, adjoint, &repeated);
                let rank = |axis: usize| map.iter().filter(|&&m| m < axis).count();
                self.transpose(sum, &map.iter().map(|&m| rank(m)).collect::<Vec<_>>())
            }
            Op::Reshape => self.reshape(adjoint, &inner),
            Op::Transpose { perm } => {
                let mut inverse = vec![0; perm.len()];
                for (i, &p) in perm.iter().enumerate() {
                    inverse[p] = i;
                }
                self.transpose(adjoint, &inverse)
            }
            Op::Slice { axis, start } => {
                let after = inner[*axis] - start - shape[*axis];
                self.pad(adjoint, *axis, *start, after, 0.0)
            }
            Op::Pad { axis, before, .. } => self.slice(adjoint, *axis, *before, inner[*axis]),
            Op::Concat { axis } => {
                let mut start = 0;
                for part in self.inputs_of(n).to_vec() {
                    let extent = self.shape(part)[*axis];
                    if walk.active(part) {
                        let d = self.slice(adjoint, *axis, start, extent);
                        walk.give(self, part, d);
                    }
                    start += extent;
                }
                return;
            }
            Op::Flip { axis } => self.flip(adjoint, *axis),
            Op::Gather { axis } => {
                let index = self.inputs_of(n)[1];
                self.scatter(adjoint, *axis, index, &inner)
            }
            Op::Scatter { axis } => {
                let index = self.inputs_of(n)[1];
                self.gather(adjoint, *axis, index)
            }
            Op::Reduce { kind: Reduction::Sum, axes } => self.spread(adjoint, &inner, axes),
            Op::Reduce { kind, axes } => {
                let signed = match kind {
                    Reduction::Min => self.unary(Unary::Neg, a),
                    _ => a,
                };
                let hot = self.one_hot_over(signed, axes);
                let spread = self.spread(adjoint, &inner, axes);
                self.binary(Binary::MulZero, hot, spread)
            }
            Op::LogSumExp { axis, mode } => {
                let weights = match mode {
                    Semiring::Soft => self.softmax(a, *axis),
                    Semiring::Max => self.one_hot_argmax(a, *axis),
                    Semiring::Sample(site) => self.one_hot_sample(a, *axis, *site),
                };
                let spread = self.spread(adjoint, &inner, &[*axis]);
                // An entry of −∞ has weight 0 and stays out, whatever the adjoint is.
                self.binary(Binary::MulZero, weights, spread)
            }
            Op::CumSum { axis, exclusive, reverse } => self.cumsum(adjoint, *axis, *exclusive, !reverse),
            Op::Einsum { a: la, b: lb, out } => {
                let b = self.inputs_of(n)[1];
                if walk.active(b) {
                    let d = self.einsum(a, la, adjoint, out, lb);
                    walk.give(self, b, d);
                }
                if !walk.active(a) {
                    return;
                }
                self.einsum(adjoint, out, b, lb, la)
            }
            Op::Cholesky { .. } => self.cholesky_adjoint(n, adjoint),
            Op::Solve { transposed } => {
                // B̄ = L⁻ᵀ·X̄, and what X loses by a change of L: −B̄·Xᵀ, of L·X = B; for Lᵀ·X = B the factors change places.
                let b = self.solve(a, adjoint, !transposed);
                if walk.active(a) {
                    let (left, right) = if *transposed { (n, b) } else { (b, n) };
                    let product = self.outer(left, right);
                    let below = self.triangle(product, 1.0);
                    let d = self.unary(Unary::Neg, below);
                    walk.give(self, a, d);
                }
                let to = self.inputs_of(n)[1];
                return walk.give(self, to, b);
            }
            _ => return,
        };
        walk.give(self, a, d);
    }

    /// Ā = (S + Sᵀ)/2 with S = L⁻ᵀ·Φ(Lᵀ·L̄)·L⁻¹, where Φ takes the lower triangle and half the diagonal (Murray 2016, section 3.1).
    fn cholesky_adjoint(&mut self, lower: NodeId, adjoint: NodeId) -> NodeId {
        let adjoint = self.triangle(adjoint, 1.0);
        let lead: Vec<u32> = (2..self.shape(lower).len() as u32).collect();
        let labels = |last: [u32; 2]| [&lead[..], &last].concat();
        let summed = self.shape(lower).len() as u32;
        let product = self.einsum(lower, &labels([summed, 0]), adjoint, &labels([summed, 1]), &labels([0, 1]));
        let half = self.triangle(product, 0.5);
        let left = self.solve(lower, half, true);
        let turned = self.turned(left);
        let s = self.solve(lower, turned, true);
        let back = self.turned(s);
        let sum = self.add(s, back);
        self.scale(sum, 0.5)
    }

    /// A·Bᵀ of each pair of matrices.
    fn outer(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let lead: Vec<u32> = (2..self.shape(a).len() as u32).collect();
        let labels = |last: [u32; 2]| [&lead[..], &last].concat();
        let summed = self.shape(a).len() as u32;
        self.einsum(a, &labels([0, summed]), b, &labels([1, summed]), &labels([0, 1]))
    }

    /// Each matrix turned over.
    fn turned(&mut self, a: NodeId) -> NodeId {
        let rank = self.shape(a).len();
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(rank - 2, rank - 1);
        self.transpose(a, &perm)
    }

    /// The lower triangle of each matrix, its diagonal weighed.
    fn triangle(&mut self, a: NodeId, diagonal: f64) -> NodeId {
        let shape = self.shape(a).to_vec();
        let (rank, n) = (shape.len(), shape[shape.len() - 1]);
        let weights = (0..n * n).map(|e| match (e / n).cmp(&(e % n)) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => diagonal,
            std::cmp::Ordering::Greater => 1.0,
        });
        let weights = self.constant(&[n, n], weights.collect());
        let weights = self.broadcast(weights, &shape, &[rank - 2, rank - 1]);
        self.mul(a, weights)
    }

    /// A reduction's result repeated along the axes it removed.
    fn spread(&mut self, reduced: NodeId, shape: &[usize], axes: &[usize]) -> NodeId {
        let map: Vec<usize> = (0..shape.len()).filter(|i| !axes.contains(i)).collect();
        self.broadcast(reduced, shape, &map)
    }

    /// 1 at the first largest entry over several axes together.
    fn one_hot_over(&mut self, a: NodeId, axes: &[usize]) -> NodeId {
        if let [axis] = axes {
            return self.one_hot_argmax(a, *axis);
        }
        let shape = self.shape(a).to_vec();
        let perm: Vec<usize> = (0..shape.len()).filter(|i| !axes.contains(i)).chain(axes.iter().copied()).collect();
        let kept = shape.len() - axes.len();
        let turned = self.transpose(a, &perm);
        let long = self.shape(turned).to_vec();
        let flat: Vec<usize> = long[..kept].iter().copied().chain([long[kept..].iter().product()]).collect();
        let flat = self.reshape(turned, &flat);
        let hot = self.one_hot_argmax(flat, kept);
        let hot = self.reshape(hot, &long);
        let mut inverse = vec![0; perm.len()];
        for (i, &p) in perm.iter().enumerate() {
            inverse[p] = i;
        }
        self.transpose(hot, &inverse)
    }
}
