//! Einstein sums of two operands, brought to a form in which every label occurs at least twice.

use std::collections::BTreeMap;

use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Op, Reduction, Unary};
use crate::tensor::shape::einsum_shape;

impl Graph {
    /// Σ a·b over every label that `out` does not name. Labels are unique within an operand; one that stands in both and
    /// in `out` runs along (a batch), one that stands in one operand alone and not in `out` is summed there first.
    ///
    /// Repeats, signs and constant multiples of the operands are taken out of the sum, and a sum without a shared label to
    /// contract becomes an elementwise product.
    pub fn einsum(&mut self, a: NodeId, la: &[u32], b: NodeId, lb: &[u32], out: &[u32]) -> NodeId {
        let shape = match einsum_shape(la, self.shape(a), lb, self.shape(b), out) {
            Ok(shape) => shape,
            Err(text) => {
                self.defect(text);
                return self.scalar(f64::NAN);
            }
        };
        if self.is_splat(a, 0.0) || self.is_splat(b, 0.0) {
            return self.full(&shape, 0.0);
        }
        let mut extents: BTreeMap<u32, usize> = la.iter().copied().zip(self.shape(a).iter().copied()).collect();
        extents.extend(lb.iter().copied().zip(self.shape(b).iter().copied()));
        if extents.values().any(|&e| e == 0) {
            return self.full(&shape, 0.0);
        }
        let mut coefficient = 1.0;
        let (mut a, mut la) = self.strip(a, la, &mut coefficient);
        let (mut b, mut lb) = self.strip(b, lb, &mut coefficient);
        // A summed label along which both operands only repeat.
        for (label, extent) in &extents {
            if !la.contains(label) && !lb.contains(label) && !out.contains(label) {
                coefficient *= *extent as f64;
            }
        }
        (a, la) = self.sum_lone(a, la, &lb, out);
        (b, lb) = self.sum_lone(b, lb, &la, out);
        let present: Vec<u32> = out.iter().copied().filter(|l| la.contains(l) || lb.contains(l)).collect();
        let dense: Vec<usize> = present.iter().map(|l| extents[l]).collect();
        let place = |labels: &[u32]| -> Vec<usize> {
            labels.iter().map(|l| present.iter().position(|p| p == l).unwrap_or_default()).collect()
        };
        let product = if la.iter().all(|l| out.contains(l)) && lb.iter().all(|l| out.contains(l)) {
            let x = self.broadcast(a, &dense, &place(&la));
            let y = self.broadcast(b, &dense, &place(&lb));
            self.mul(x, y)
        } else {
            // Labels numbered by first sight, so that equal sums are one node whatever their labels were.
            let mut numbers = BTreeMap::new();
            for &l in la.iter().chain(&lb) {
                let next = numbers.len() as u32;
                numbers.entry(l).or_insert(next);
            }
            let rename = |labels: &[u32]| labels.iter().map(|l| numbers[l]).collect::<Vec<u32>>();
            self.push(Op::Einsum { a: rename(&la), b: rename(&lb), out: rename(&present) }, &[a, b], &[])
        };
        let scaled = match coefficient == 1.0 {
            true => product,
            false => self.scale(product, coefficient),
        };
        let map: Vec<usize> = present.iter().map(|l| out.iter().position(|o| o == l).unwrap_or_default()).collect();
        self.broadcast(scaled, &shape, &map)
    }

    /// The operand without its repeats, transposes, signs and constant coefficients.
    fn strip(&mut self, mut n: NodeId, labels: &[u32], coefficient: &mut f64) -> (NodeId, Vec<u32>) {
        let mut labels = labels.to_vec();
        loop {
            match self.op(n) {
                Op::Broadcast { map } => {
                    labels = map.iter().map(|&m| labels[m]).collect();
                    n = self.inputs_of(n)[0];
                }
                Op::Transpose { perm } => {
                    let mut before = labels.clone();
                    for (i, &p) in perm.iter().enumerate() {
                        before[p] = labels[i];
                    }
                    labels = before;
                    n = self.inputs_of(n)[0];
                }
                Op::Unary(Unary::Neg) => {
                    *coefficient = -*coefficient;
                    n = self.inputs_of(n)[0];
                }
                Op::Binary(Binary::Mul) => match self.splat(self.inputs_of(n)[1]) {
                    Some(c) => {
                        *coefficient *= c;
                        n = self.inputs_of(n)[0];
                    }
                    None => return (n, labels),
                },
                Op::Constant(_) if self.shape(n).is_empty() => {
                    *coefficient *= self.splat(n).unwrap_or(1.0);
                    return (self.scalar(1.0), labels);
                }
                _ => return (n, labels),
            }
        }
    }

    /// The operand summed over the labels that stand nowhere else.
    fn sum_lone(&mut self, n: NodeId, labels: Vec<u32>, others: &[u32], out: &[u32]) -> (NodeId, Vec<u32>) {
        let lone = |l: &u32| !others.contains(l) && !out.contains(l);
        let axes: Vec<usize> = (0..labels.len()).filter(|&i| lone(&labels[i])).collect();
        let summed = self.reduce(Reduction::Sum, n, &axes);
        (summed, labels.into_iter().filter(|l| !lone(l)).collect())
    }

    /// The matrix product of (m, k) and (k, n).
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.einsum(a, &[0, 1], b, &[1, 2], &[0, 2])
    }
}
