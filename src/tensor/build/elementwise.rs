//! Elementwise operations and their identities.

use std::cmp::Ordering;

use super::FOLD_LIMIT;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Op, Unary};

impl Graph {
    /// f(a), elementwise.
    pub fn unary(&mut self, f: Unary, a: NodeId) -> NodeId {
        if let Op::Broadcast { map } = self.op(a) {
            let (map, source, shape) = (map.clone(), self.inputs_of(a)[0], self.shape(a).to_vec());
            let inner = self.unary(f, source);
            return self.broadcast(inner, &shape, &map);
        }
        if let Some(data) = self.literal(a)
            && data.len() <= FOLD_LIMIT
        {
            let data = data.iter().map(|&v| f.apply(v)).collect();
            let shape = self.shape(a).to_vec();
            return self.constant(&shape, data);
        }
        match (f, self.op(a)) {
            (Unary::Neg, Op::Unary(Unary::Neg)) => return self.inputs_of(a)[0],
            (Unary::Neg, Op::Binary(Binary::Sub)) => {
                let (x, y) = (self.inputs_of(a)[0], self.inputs_of(a)[1]);
                return self.binary(Binary::Sub, y, x);
            }
            (Unary::Square | Unary::Abs, Op::Unary(Unary::Neg)) => {
                let x = self.inputs_of(a)[0];
                return self.unary(f, x);
            }
            (Unary::Recip, Op::Unary(Unary::Recip)) => return self.inputs_of(a)[0],
            (Unary::Log, Op::Unary(Unary::Exp)) => return self.inputs_of(a)[0],
            _ => {}
        }
        self.push(Op::Unary(f), &[a], &[])
    }

    /// f(a, b), elementwise over exactly equal shapes.
    pub fn binary(&mut self, f: Binary, a: NodeId, b: NodeId) -> NodeId {
        if self.shape(a) != self.shape(b) {
            let hint = self.shape(a).to_vec();
            return self.push(Op::Binary(f), &[a, b], &hint);
        }
        if let Some((parts, shape, map)) = self.common_broadcast(&[a, b]) {
            let inner = self.binary(f, parts[0], parts[1]);
            return self.broadcast(inner, &shape, &map);
        }
        if let Some(value) = self.fold(&[a, b], |v| f.apply(v[0], v[1])) {
            return value;
        }
        // Constants stand second, otherwise the older node first, so that equal expressions meet.
        let (a, b) = match (f.commutes(), self.splat(a).is_some().cmp(&self.splat(b).is_some())) {
            (true, Ordering::Greater) => (b, a),
            (true, Ordering::Equal) if b < a => (b, a),
            _ => (a, b),
        };
        if let Some(simple) = self.binary_identity(f, a, b) {
            return simple;
        }
        self.push(Op::Binary(f), &[a, b], &[])
    }

    fn negated(&self, n: NodeId) -> Option<NodeId> {
        matches!(self.op(n), Op::Unary(Unary::Neg)).then(|| self.inputs_of(n)[0])
    }

    fn binary_identity(&mut self, f: Binary, a: NodeId, b: NodeId) -> Option<NodeId> {
        let (ca, cb) = (self.splat(a), self.splat(b));
        match f {
            Binary::Add => {
                if cb == Some(0.0) {
                    return Some(a);
                }
                if ca == Some(0.0) {
                    return Some(b);
                }
                if let Some(y) = self.negated(b) {
                    return Some(self.binary(Binary::Sub, a, y));
                }
                if let Some(y) = self.negated(a) {
                    return Some(self.binary(Binary::Sub, b, y));
                }
            }
            Binary::Sub => {
                if cb == Some(0.0) {
                    return Some(a);
                }
                if ca == Some(0.0) {
                    return Some(self.unary(Unary::Neg, b));
                }
                if a == b {
                    return Some(self.zeros_like(a));
                }
                if let Some(y) = self.negated(b) {
                    return Some(self.binary(Binary::Add, a, y));
                }
            }
            Binary::Mul => {
                if ca == Some(0.0) || cb == Some(0.0) {
                    return Some(self.zeros_like(a));
                }
                if cb == Some(1.0) {
                    return Some(a);
                }
                if cb == Some(-1.0) {
                    return Some(self.unary(Unary::Neg, a));
                }
                if a == b {
                    return Some(self.unary(Unary::Square, a));
                }
                if let Some(x) = self.negated(a) {
                    let product = self.binary(Binary::Mul, x, b);
                    return Some(self.unary(Unary::Neg, product));
                }
                if let Some(y) = self.negated(b) {
                    let product = self.binary(Binary::Mul, a, y);
                    return Some(self.unary(Unary::Neg, product));
                }
                if let (Some(c), Op::Binary(Binary::Mul)) = (cb, self.op(a)) {
                    let (x, y) = (self.inputs_of(a)[0], self.inputs_of(a)[1]);
                    if let Some(d) = self.splat(y) {
                        let shape = self.shape(a).to_vec();
                        let both = self.full(&shape, c * d);
                        return Some(self.binary(Binary::Mul, x, both));
                    }
                }
            }
            Binary::MulZero => {
                if ca == Some(0.0) || cb == Some(0.0) {
                    return Some(self.zeros_like(a));
                }
                // An operand known to be finite or not zero needs no guard.
                if ca.is_some() || cb.is_some_and(f64::is_finite) {
                    return Some(self.binary(Binary::Mul, a, b));
                }
                if let Some(x) = self.negated(a) {
                    let product = self.binary(Binary::MulZero, x, b);
                    return Some(self.unary(Unary::Neg, product));
                }
                if let Some(y) = self.negated(b) {
                    let product = self.binary(Binary::MulZero, a, y);
                    return Some(self.unary(Unary::Neg, product));
                }
            }
            Binary::Div => {
                if cb == Some(1.0) {
                    return Some(a);
                }
                if ca == Some(0.0) {
                    return Some(self.zeros_like(a));
                }
                if ca == Some(1.0) {
                    return Some(self.unary(Unary::Recip, b));
                }
            }
            Binary::Pow => {
                let by = |g: &mut Graph, f: Unary| Some(g.unary(f, a));
                return match cb {
                    Some(0.0) => {
                        let shape = self.shape(a).to_vec();
                        Some(self.full(&shape, 1.0))
                    }
                    Some(1.0) => Some(a),
                    Some(2.0) => by(self, Unary::Square),
                    Some(0.5) => by(self, Unary::Sqrt),
                    Some(-1.0) => by(self, Unary::Recip),
                    _ => None,
                };
            }
            Binary::Max | Binary::Min => {
                if a == b {
                    return Some(a);
                }
                if f == Binary::Max && cb == Some(0.0) {
                    return Some(self.unary(Unary::Relu, a));
                }
                if cb == Some(if f == Binary::Max { f64::NEG_INFINITY } else { f64::INFINITY }) {
                    return Some(a);
                }
            }
            Binary::And => {
                if ca == Some(0.0) || cb == Some(0.0) {
                    return Some(self.zeros_like(a));
                }
            }
            Binary::Lt | Binary::Le | Binary::Eq | Binary::Or => {}
        }
        None
    }

    /// `a` where `cond` is not 0, else `b`. What the branch not taken holds, be it NaN, reaches neither value nor derivative.
    pub fn select(&mut self, cond: NodeId, a: NodeId, b: NodeId) -> NodeId {
        if self.shape(cond) != self.shape(a) || self.shape(a) != self.shape(b) {
            let hint = self.shape(a).to_vec();
            return self.push(Op::Select, &[cond, a, b], &hint);
        }
        if a == b {
            return a;
        }
        if let Some(c) = self.splat(cond) {
            return if c != 0.0 { a } else { b };
        }
        if let Some((parts, shape, map)) = self.common_broadcast(&[cond, a, b]) {
            let inner = self.select(parts[0], parts[1], parts[2]);
            return self.broadcast(inner, &shape, &map);
        }
        if let Some(value) = self.fold(&[cond, a, b], |v| if v[0] != 0.0 { v[1] } else { v[2] }) {
            return value;
        }
        if matches!(self.op(cond), Op::Unary(Unary::Not)) {
            let inner = self.inputs_of(cond)[0];
            return self.select(inner, b, a);
        }
        self.push(Op::Select, &[cond, a, b], &[])
    }

    /// If all are repeats of smaller arrays of one shape along the same axes (repeated scalars fit any), those arrays, the
    /// common shape, and where their axes go.
    #[allow(clippy::type_complexity)]
    fn common_broadcast(&mut self, nodes: &[NodeId]) -> Option<(Vec<NodeId>, Vec<usize>, Vec<usize>)> {
        let shape = self.shape(nodes[0]).to_vec();
        if shape.is_empty() {
            return None;
        }
        let mut found: Option<(Vec<usize>, Vec<usize>)> = None;
        for &n in nodes {
            if self.splat(n).is_some() {
                continue;
            }
            let Op::Broadcast { map } = self.op(n) else { return None };
            let inner = self.shape(self.inputs_of(n)[0]);
            match &found {
                None => found = Some((map.clone(), inner.to_vec())),
                Some((m, s)) if m == map && s == inner => {}
                Some(_) => return None,
            }
        }
        let (map, inner) = found.unwrap_or_default();
        let parts = nodes
            .iter()
            .map(|&n| match self.splat(n) {
                Some(v) => self.full(&inner, v),
                None => self.inputs_of(n)[0],
            })
            .collect();
        Some((parts, shape, map))
    }

    /// The elementwise value of small constants.
    fn fold(&mut self, nodes: &[NodeId], f: impl Fn(&[f64]) -> f64) -> Option<NodeId> {
        let shape = self.shape(nodes[0]).to_vec();
        let n = self.elements(nodes[0]);
        if n > FOLD_LIMIT || nodes.iter().any(|&n| self.splat(n).is_none() && self.literal(n).is_none()) {
            return None;
        }
        let at = |n: NodeId, i: usize| match self.splat(n) {
            Some(v) => v,
            None => self.literal(n).map_or(f64::NAN, |d| d[i]),
        };
        let data = (0..n).map(|i| f(&nodes.iter().map(|&n| at(n, i)).collect::<Vec<_>>())).collect();
        Some(self.constant(&shape, data))
    }
}

/// Short forms of the common operations.
impl Graph {
    /// a + b.
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Add, a, b)
    }

    /// a − b.
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Sub, a, b)
    }

    /// a · b, elementwise.
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Mul, a, b)
    }

    /// a / b, elementwise.
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Div, a, b)
    }

    /// −a.
    pub fn neg(&mut self, a: NodeId) -> NodeId {
        self.unary(Unary::Neg, a)
    }

    /// a times a number.
    pub fn scale(&mut self, a: NodeId, by: f64) -> NodeId {
        let shape = self.shape(a).to_vec();
        let c = self.full(&shape, by);
        self.mul(a, c)
    }
}
