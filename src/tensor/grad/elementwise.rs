//! Derivatives of the elementwise functions.

use super::Walk;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Unary};

impl Graph {
    pub(super) fn unary_rule(&mut self, walk: &mut Walk, f: Unary, n: NodeId, adjoint: NodeId) {
        let x = self.inputs_of(n)[0];
        let shape = self.shape(n).to_vec();
        let derivative = match f {
            Unary::Neg => {
                let d = self.neg(adjoint);
                return walk.give(self, x, d);
            }
            Unary::Relu => {
                let positive = self.unary(Unary::Step, x);
                let zero = self.full(&shape, 0.0);
                let d = self.select(positive, adjoint, zero);
                return walk.give(self, x, d);
            }
            Unary::Sign | Unary::Floor | Unary::Step | Unary::IsFinite | Unary::Not => return,
            Unary::Exp => n,
            Unary::Log => self.unary(Unary::Recip, x),
            Unary::Log1p => {
                let one = self.full(&shape, 1.0);
                let u = self.add(x, one);
                self.unary(Unary::Recip, u)
            }
            Unary::Expm1 => {
                // Not e^x − 1 + 1, which loses small values at the left end.
                self.unary(Unary::Exp, x)
            }
            Unary::Sigmoid => {
                // σ(x) σ(−x), which keeps its digits in both tails.
                let minus = self.neg(x);
                let other = self.unary(Unary::Sigmoid, minus);
                self.mul(n, other)
            }
            Unary::Softplus => self.unary(Unary::Sigmoid, x),
            Unary::Tanh => {
                let square = self.unary(Unary::Square, n);
                let one = self.full(&shape, 1.0);
                self.sub(one, square)
            }
            Unary::Abs => self.unary(Unary::Sign, x),
            Unary::Sqrt => {
                let r = self.unary(Unary::Recip, n);
                self.scale(r, 0.5)
            }
            Unary::Square => self.scale(x, 2.0),
            Unary::Recip => {
                let square = self.unary(Unary::Square, n);
                self.neg(square)
            }
            Unary::Sin => self.unary(Unary::Cos, x),
            Unary::Cos => {
                let s = self.unary(Unary::Sin, x);
                self.neg(s)
            }
            Unary::Lgamma => self.unary(Unary::Digamma, x),
            Unary::Digamma => self.unary(Unary::Polygamma(1), x),
            Unary::Polygamma(order) => self.unary(Unary::Polygamma(order.saturating_add(1)), x),
            Unary::Erf => {
                let square = self.unary(Unary::Square, x);
                let minus = self.neg(square);
                let bell = self.unary(Unary::Exp, minus);
                self.scale(bell, std::f64::consts::FRAC_2_SQRT_PI)
            }
        };
        let d = self.chain(adjoint, derivative);
        walk.give(self, x, d);
    }

    pub(super) fn binary_rule(&mut self, walk: &mut Walk, f: Binary, n: NodeId, adjoint: NodeId) {
        let (a, b) = (self.inputs_of(n)[0], self.inputs_of(n)[1]);
        match f {
            Binary::Add => {
                walk.give(self, a, adjoint);
                walk.give(self, b, adjoint);
            }
            Binary::Sub => {
                walk.give(self, a, adjoint);
                if walk.active(b) {
                    let d = self.neg(adjoint);
                    walk.give(self, b, d);
                }
            }
            Binary::Mul => {
                if walk.active(a) {
                    let d = self.chain(adjoint, b);
                    walk.give(self, a, d);
                }
                if walk.active(b) {
                    let d = self.chain(adjoint, a);
                    walk.give(self, b, d);
                }
            }
            Binary::MulZero => {
                if walk.active(a) {
                    let d = self.chain(adjoint, b);
                    walk.give(self, a, d);
                }
                if walk.active(b) {
                    let d = self.binary(Binary::MulZero, a, adjoint);
                    walk.give(self, b, d);
                }
            }
            Binary::Div => {
                if walk.active(a) {
                    let r = self.unary(Unary::Recip, b);
                    let d = self.chain(adjoint, r);
                    walk.give(self, a, d);
                }
                if walk.active(b) {
                    let r = self.div(n, b);
                    let d = self.chain(adjoint, r);
                    let d = self.neg(d);
                    walk.give(self, b, d);
                }
            }
            Binary::Pow => {
                let shape = self.shape(n).to_vec();
                if walk.active(a) {
                    let one = self.full(&shape, 1.0);
                    let less = self.sub(b, one);
                    let power = self.binary(Binary::Pow, a, less);
                    let r = self.binary(Binary::MulZero, b, power);
                    let d = self.chain(adjoint, r);
                    walk.give(self, a, d);
                }
                if walk.active(b) {
                    let log = self.unary(Unary::Log, a);
                    let r = self.binary(Binary::MulZero, n, log);
                    let d = self.chain(adjoint, r);
                    walk.give(self, b, d);
                }
            }
            Binary::Max | Binary::Min => {
                // On a tie the first operand takes it all.
                let first = match f {
                    Binary::Max => self.binary(Binary::Le, b, a),
                    _ => self.binary(Binary::Le, a, b),
                };
                let zero = self.zeros_like(n);
                if walk.active(a) {
                    let d = self.select(first, adjoint, zero);
                    walk.give(self, a, d);
                }
                if walk.active(b) {
                    let d = self.select(first, zero, adjoint);
                    walk.give(self, b, d);
                }
            }
            Binary::Lt | Binary::Le | Binary::Eq | Binary::And | Binary::Or => {}
        }
    }
}
