//! Operations that remove or run along axes: sums, maxima, log-sum-exp and what belongs to it, running sums.

use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Op, Reduction, Semiring, SiteId, Unary};
use crate::tensor::shape::{count, without};

impl Graph {
    /// `a` with these axes removed, their entries joined.
    pub fn reduce(&mut self, r: Reduction, a: NodeId, axes: &[usize]) -> NodeId {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        let shape = self.shape(a).to_vec();
        if axes.is_empty() {
            return a;
        }
        if axes.last().is_some_and(|&x| x >= shape.len()) {
            return self.push(Op::Reduce { kind: r, axes }, &[a], &shape);
        }
        let kept: Vec<usize> = (0..shape.len()).filter(|i| !axes.contains(i)).collect();
        let out: Vec<usize> = kept.iter().map(|&i| shape[i]).collect();
        if axes.iter().all(|&i| shape[i] == 1) {
            return self.reshape(a, &out);
        }
        let removed: usize = axes.iter().map(|&i| shape[i]).product();
        if removed == 0 {
            let v = match r {
                Reduction::Sum => 0.0,
                Reduction::Max => f64::NEG_INFINITY,
                Reduction::Min => f64::INFINITY,
            };
            return self.full(&out, v);
        }
        match self.op(a).clone() {
            Op::Broadcast { map } => {
                let source = self.inputs_of(a)[0];
                let inner: Vec<usize> = (0..map.len()).filter(|&i| axes.contains(&map[i])).collect();
                let repeated: usize = axes.iter().filter(|x| !map.contains(x)).map(|&i| shape[i]).product();
                let joined = self.reduce(r, source, &inner);
                let moved: Vec<usize> = map.iter().filter_map(|m| kept.iter().position(|k| k == m)).collect();
                let joined = match r {
                    Reduction::Sum => self.scale(joined, repeated as f64),
                    Reduction::Max | Reduction::Min => joined,
                };
                return self.broadcast(joined, &out, &moved);
            }
            Op::Reduce { kind, axes: first } if kind == r => {
                let source = self.inputs_of(a)[0];
                let left: Vec<usize> = (0..self.shape(source).len()).filter(|i| !first.contains(i)).collect();
                let all: Vec<usize> = first.into_iter().chain(axes.iter().map(|&i| left[i])).collect();
                return self.reduce(r, source, &all);
            }
            Op::Transpose { perm } => {
                let source = self.inputs_of(a)[0];
                let joined = self.reduce(r, source, &axes.iter().map(|&i| perm[i]).collect::<Vec<_>>());
                let order: Vec<usize> = kept.iter().map(|&i| perm[i]).collect();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                let perm: Vec<usize> =
                    order.iter().map(|p| sorted.iter().position(|s| s == p).unwrap_or_default()).collect();
                return self.transpose(joined, &perm);
            }
            Op::Unary(Unary::Neg) if r == Reduction::Sum => {
                let source = self.inputs_of(a)[0];
                let joined = self.reduce(r, source, &axes);
                return self.neg(joined);
            }
            Op::Binary(Binary::Mul) if r == Reduction::Sum => {
                let (x, y) = (self.inputs_of(a)[0], self.inputs_of(a)[1]);
                if let Some(c) = self.splat(y) {
                    let joined = self.reduce(r, x, &axes);
                    return self.scale(joined, c);
                }
                // A product of repeated arrays that is summed is a contraction of the arrays themselves.
                if [x, y].iter().any(|&n| matches!(self.op(n), Op::Broadcast { .. })) {
                    let labels: Vec<u32> = (0..shape.len() as u32).collect();
                    let out: Vec<u32> = kept.iter().map(|&i| i as u32).collect();
                    return self.einsum(x, &labels, y, &labels, &out);
                }
            }
            Op::Einsum { a: la, b: lb, out: labels } if r == Reduction::Sum => {
                let (x, y) = (self.inputs_of(a)[0], self.inputs_of(a)[1]);
                let out: Vec<u32> = kept.iter().map(|&i| labels[i]).collect();
                return self.einsum(x, &la, y, &lb, &out);
            }
            Op::Constant(data) if count(&shape) <= super::FOLD_LIMIT => {
                return self.fold_reduction(r, &shape, &data.0, &axes, &out);
            }
            _ => {}
        }
        self.push(Op::Reduce { kind: r, axes }, &[a], &[])
    }

    fn fold_reduction(&mut self, r: Reduction, shape: &[usize], data: &[f64], axes: &[usize], out: &[usize]) -> NodeId {
        let start = match r {
            Reduction::Sum => 0.0,
            Reduction::Max => f64::NEG_INFINITY,
            Reduction::Min => f64::INFINITY,
        };
        let mut joined = vec![start; count(out)];
        let steps = crate::tensor::shape::strides(shape);
        for (i, &v) in data.iter().enumerate() {
            let to = (0..shape.len())
                .filter(|axis| !axes.contains(axis))
                .fold(0, |to, axis| to * shape[axis] + i / steps[axis] % shape[axis]);
            joined[to] = match r {
                Reduction::Sum => joined[to] + v,
                Reduction::Max => Binary::Max.apply(joined[to], v),
                Reduction::Min => Binary::Min.apply(joined[to], v),
            };
        }
        self.constant(out, joined)
    }

    /// The sum over all axes.
    pub fn sum_all(&mut self, a: NodeId) -> NodeId {
        let axes: Vec<usize> = (0..self.shape(a).len()).collect();
        self.reduce(Reduction::Sum, a, &axes)
    }

    /// ln Σ exp (or max) over `axis`, which is removed; −∞ where all entries are. What its derivative is, `mode` says.
    pub fn log_sum_exp(&mut self, a: NodeId, axis: usize, mode: Semiring) -> NodeId {
        let shape = self.shape(a).to_vec();
        if axis < shape.len() {
            let rest = without(&shape, axis);
            if shape[axis] == 0 {
                return self.full(&rest, f64::NEG_INFINITY);
            }
            if let Some(v) = self.splat(a) {
                let more = if mode == Semiring::Max { 0.0 } else { (shape[axis] as f64).ln() };
                return self.full(&rest, v + more);
            }
        }
        self.push(Op::LogSumExp { axis, mode }, &[a], &[])
    }

    /// e^a divided by its sum along `axis`; zeros where all entries are −∞.
    pub fn softmax(&mut self, a: NodeId, axis: usize) -> NodeId {
        let total = self.log_sum_exp(a, axis, Semiring::Soft);
        let rest = self.shape(total).to_vec();
        let lowest = self.full(&rest, f64::NEG_INFINITY);
        let some = self.binary(Binary::Lt, lowest, total);
        let zero = self.full(&rest, 0.0);
        let total = self.select(some, total, zero);
        let shape = self.shape(a).to_vec();
        let map: Vec<usize> = (0..shape.len()).filter(|&i| i != axis).collect();
        let total = self.broadcast(total, &shape, &map);
        let log = self.sub(a, total);
        self.unary(Unary::Exp, log)
    }

    /// 1 at the first largest entry along `axis`, 0 elsewhere; zeros where all entries are −∞. No derivative flows through.
    pub fn one_hot_argmax(&mut self, a: NodeId, axis: usize) -> NodeId {
        self.push(Op::OneHotArgmax { axis }, &[a], &[])
    }

    /// 1 at an entry drawn from softmax(a) along `axis`, 0 elsewhere; zeros where all entries are −∞. No derivative flows through.
    pub fn one_hot_sample(&mut self, a: NodeId, axis: usize, site: SiteId) -> NodeId {
        self.push(Op::OneHotSample { axis, site }, &[a], &[])
    }

    /// Running sums along `axis`; `exclusive` leaves each entry itself out, `reverse` sums from the end.
    pub fn cumsum(&mut self, a: NodeId, axis: usize, exclusive: bool, reverse: bool) -> NodeId {
        if self.is_splat(a, 0.0) && axis < self.shape(a).len() {
            return a;
        }
        self.push(Op::CumSum { axis, exclusive, reverse }, &[a], &[])
    }
}
