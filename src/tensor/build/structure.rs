//! Operations that move elements: broadcast, reshape, transpose, slice, pad, concat, flip, gather, scatter.

use super::FOLD_LIMIT;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Number, Op};
use crate::tensor::shape::{count, is_permutation, strides};

impl Graph {
    /// Where `n` is 1 at the places that codes name along `axis` and 0 elsewhere, made by a comparison: the codes, and for each of their
    /// axes the one of `n` it is.
    pub fn codes_of(&self, n: NodeId, axis: usize) -> Option<(NodeId, Vec<usize>)> {
        let Op::Binary(Binary::Eq) = self.op(n) else { return None };
        let (a, b) = (self.inputs_of(n)[0], self.inputs_of(n)[1]);
        let spread = |n: NodeId| match self.op(n) {
            Op::Broadcast { map } => (self.inputs_of(n)[0], map.clone()),
            _ => (n, (0..self.shape(n).len()).collect()),
        };
        let counts = |(n, map): &(NodeId, Vec<usize>)| matches!(self.op(*n), Op::Iota { axis: 0 }) && *map == [axis];
        let (a, b) = (spread(a), spread(b));
        let codes = match (counts(&a), counts(&b)) {
            (true, false) => b,
            (false, true) => a,
            _ => return None,
        };
        (!codes.1.contains(&axis)).then_some(codes)
    }

    /// Repeats `a` to `shape`; axis i of `a` becomes axis `map[i]`. An axis of extent 1 may stretch.
    pub fn broadcast(&mut self, a: NodeId, shape: &[usize], map: &[usize]) -> NodeId {
        let inner = self.shape(a).to_vec();
        let mut seen = vec![false; shape.len()];
        let fits = map.len() == inner.len()
            && map.iter().zip(&inner).all(|(&axis, &extent)| {
                axis < shape.len()
                    && (shape[axis] == extent || extent == 1)
                    && !std::mem::replace(&mut seen[axis], true)
            });
        if !fits {
            return self.push(Op::Broadcast { map: map.to_vec() }, &[a], shape);
        }
        if inner == shape && map.iter().copied().eq(0..shape.len()) {
            return a;
        }
        // The source of a broadcast has no axis of extent 1, so that equal repeats have equal form.
        if inner.contains(&1) {
            let keep: Vec<usize> = (0..inner.len()).filter(|&i| inner[i] != 1).collect();
            let squeezed = self.reshape(a, &keep.iter().map(|&i| inner[i]).collect::<Vec<_>>());
            return self.broadcast(squeezed, shape, &keep.iter().map(|&i| map[i]).collect::<Vec<_>>());
        }
        if let Op::Broadcast { map: first } = self.op(a) {
            let composed: Vec<usize> = first.iter().map(|&i| map[i]).collect();
            let source = self.inputs_of(a)[0];
            return self.broadcast(source, shape, &composed);
        }
        let repeats = (0..shape.len()).any(|i| shape[i] != 1 && !map.contains(&i));
        if !repeats {
            let mut perm: Vec<usize> = (0..map.len()).collect();
            perm.sort_by_key(|&i| map[i]);
            let turned = self.transpose(a, &perm);
            return self.reshape(turned, shape);
        }
        self.push(Op::Broadcast { map: map.to_vec() }, &[a], shape)
    }

    /// The same elements in the same order under another shape.
    pub fn reshape(&mut self, a: NodeId, shape: &[usize]) -> NodeId {
        let old = self.shape(a).to_vec();
        if old == shape {
            return a;
        }
        if count(&old) != count(shape) {
            return self.push(Op::Reshape, &[a], shape);
        }
        if let Some(v) = self.splat(a) {
            return self.full(shape, v);
        }
        if let Some(data) = self.literal(a) {
            let data = data.to_vec();
            return self.constant(shape, data);
        }
        match self.op(a) {
            Op::Reshape => {
                let source = self.inputs_of(a)[0];
                return self.reshape(source, shape);
            }
            Op::Broadcast { map } => {
                // Where only axes of extent 1 come and go, the repeat can take the new shape itself.
                let long = |s: &[usize]| (0..s.len()).filter(|&i| s[i] != 1).collect::<Vec<_>>();
                let (from, to) = (long(&old), long(shape));
                if from.iter().map(|&i| old[i]).eq(to.iter().map(|&i| shape[i])) {
                    let moved: Option<Vec<usize>> =
                        map.iter().map(|m| from.iter().position(|f| f == m).map(|k| to[k])).collect();
                    if let Some(moved) = moved {
                        let source = self.inputs_of(a)[0];
                        return self.broadcast(source, shape, &moved);
                    }
                }
            }
            _ => {}
        }
        self.push(Op::Reshape, &[a], shape)
    }

    /// Axes in another order: axis i of the result is axis `perm[i]` of `a`.
    pub fn transpose(&mut self, a: NodeId, perm: &[usize]) -> NodeId {
        let old = self.shape(a).to_vec();
        if !is_permutation(perm, old.len()) {
            return self.push(Op::Transpose { perm: perm.to_vec() }, &[a], &old);
        }
        let shape: Vec<usize> = perm.iter().map(|&p| old[p]).collect();
        let long: Vec<usize> = perm.iter().copied().filter(|&p| old[p] != 1).collect();
        if long.windows(2).all(|w| w[0] < w[1]) {
            return self.reshape(a, &shape);
        }
        match self.op(a) {
            Op::Transpose { perm: first } => {
                let composed: Vec<usize> = perm.iter().map(|&p| first[p]).collect();
                let source = self.inputs_of(a)[0];
                return self.transpose(source, &composed);
            }
            Op::Broadcast { map } => {
                let moved: Vec<usize> =
                    map.iter().map(|m| perm.iter().position(|p| p == m).unwrap_or_default()).collect();
                let source = self.inputs_of(a)[0];
                return self.broadcast(source, &shape, &moved);
            }
            Op::Einsum { a: la, b: lb, out } => {
                let (la, lb) = (la.clone(), lb.clone());
                let out: Vec<u32> = perm.iter().map(|&p| out[p]).collect();
                let (x, y) = (self.inputs_of(a)[0], self.inputs_of(a)[1]);
                return self.einsum(x, &la, y, &lb, &out);
            }
            _ => {}
        }
        if let Some(moved) = self.fold_moves(a, &shape, |at| {
            let mut from = vec![0; at.len()];
            for (i, &p) in perm.iter().enumerate() {
                from[p] = at[i];
            }
            from
        }) {
            return moved;
        }
        self.push(Op::Transpose { perm: perm.to_vec() }, &[a], &[])
    }

    /// The stretch of `len` entries from `start` along `axis`.
    pub fn slice(&mut self, a: NodeId, axis: usize, start: usize, len: usize) -> NodeId {
        let old = self.shape(a).to_vec();
        let mut shape = old.clone();
        if axis < shape.len() {
            shape[axis] = len;
        }
        let op = Op::Slice { axis, start };
        if axis >= old.len() || start + len > old[axis] {
            return self.push(op, &[a], &shape);
        }
        if len == old[axis] {
            return a;
        }
        match self.op(a).clone() {
            Op::Broadcast { map } => {
                let source = self.inputs_of(a)[0];
                let source = match map.iter().position(|&m| m == axis) {
                    Some(i) => self.slice(source, i, start, len),
                    None => source,
                };
                return self.broadcast(source, &shape, &map);
            }
            Op::Slice { axis: inner, start: first } if inner == axis => {
                let source = self.inputs_of(a)[0];
                return self.slice(source, axis, first + start, len);
            }
            Op::Pad { axis: inner, before, .. } if inner == axis => {
                let source = self.inputs_of(a)[0];
                if start >= before && start + len <= before + self.shape(source)[axis] {
                    return self.slice(source, axis, start - before, len);
                }
            }
            Op::Concat { axis: inner } if inner == axis => {
                let mut offset = 0;
                for part in self.inputs_of(a).to_vec() {
                    let extent = self.shape(part)[axis];
                    if start >= offset && start + len <= offset + extent {
                        return self.slice(part, axis, start - offset, len);
                    }
                    offset += extent;
                }
            }
            _ => {}
        }
        if let Some(moved) = self.fold_moves(a, &shape, |at| {
            let mut from = at.to_vec();
            from[axis] += start;
            from
        }) {
            return moved;
        }
        self.push(op, &[a], &shape)
    }

    /// `a` with `before` and `after` entries of `value` around it along `axis`.
    pub fn pad(&mut self, a: NodeId, axis: usize, before: usize, after: usize, value: f64) -> NodeId {
        if before == 0 && after == 0 && axis < self.shape(a).len() {
            return a;
        }
        if self.is_splat(a, value) && axis < self.shape(a).len() {
            let mut shape = self.shape(a).to_vec();
            shape[axis] += before + after;
            return self.full(&shape, value);
        }
        let hint = self.shape(a).to_vec();
        self.push(Op::Pad { axis, before, after, value: Number(value) }, &[a], &hint)
    }

    /// The parts one after the other along `axis`.
    pub fn concat(&mut self, parts: &[NodeId], axis: usize) -> NodeId {
        match parts {
            [one] => return *one,
            [first, rest @ ..] if axis < self.shape(*first).len() => {
                if let Some(v) = self.splat(*first)
                    && rest.iter().all(|&n| self.is_splat(n, v) && self.shape(n).len() == self.shape(*first).len())
                {
                    let mut shape = self.shape(*first).to_vec();
                    shape[axis] = parts.iter().map(|&n| self.shape(n)[axis]).sum();
                    return self.full(&shape, v);
                }
            }
            _ => {}
        }
        self.push(Op::Concat { axis }, parts, &[])
    }

    /// `a` backwards along `axis`.
    pub fn flip(&mut self, a: NodeId, axis: usize) -> NodeId {
        let shape = self.shape(a).to_vec();
        if axis < shape.len() {
            if shape[axis] <= 1 {
                return a;
            }
            match self.op(a) {
                Op::Flip { axis: inner } if *inner == axis => return self.inputs_of(a)[0],
                Op::Broadcast { map } if !map.contains(&axis) => return a,
                _ => {}
            }
            if let Some(moved) = self.fold_moves(a, &shape, |at| {
                let mut from = at.to_vec();
                from[axis] = shape[axis] - 1 - from[axis];
                from
            }) {
                return moved;
            }
        }
        self.push(Op::Flip { axis }, &[a], &shape)
    }

    /// The entries of `data` along `axis` at the whole numbers `index` holds; the axis is replaced by the axes of `index`.
    /// An index out of range stops the run with an error.
    pub fn gather(&mut self, data: NodeId, axis: usize, index: NodeId) -> NodeId {
        if axis < self.shape(data).len() && self.shape(index).is_empty() {
            let extent = self.shape(data)[axis];
            if let Some(at) = self.splat(index)
                && at >= 0.0
                && at.fract() == 0.0
                && (at as usize) < extent
            {
                let cut = self.slice(data, axis, at as usize, 1);
                let shape = crate::tensor::shape::without(self.shape(cut), axis);
                return self.reshape(cut, &shape);
            }
        }
        self.push(Op::Gather { axis }, &[data, index], &[])
    }

    /// An array of `shape` holding at each place along `axis` the sum of the entries of `a` whose index names it: the transpose
    /// of [`Graph::gather`].
    pub fn scatter(&mut self, a: NodeId, axis: usize, index: NodeId, shape: &[usize]) -> NodeId {
        if self.is_splat(a, 0.0) {
            return self.full(shape, 0.0);
        }
        self.push(Op::Scatter { axis }, &[a, index], shape)
    }

    /// The constant of the given shape whose element at each place is that of `a` at `from(place)`,
    /// if `a` is a small constant.
    fn fold_moves(&mut self, a: NodeId, shape: &[usize], from: impl Fn(&[usize]) -> Vec<usize>) -> Option<NodeId> {
        let data = self.literal(a)?;
        if data.len() > FOLD_LIMIT {
            return None;
        }
        let old = strides(self.shape(a));
        let mut at = vec![0; shape.len()];
        let mut moved = Vec::with_capacity(count(shape));
        for _ in 0..count(shape) {
            moved.push(data[from(&at).iter().zip(&old).map(|(i, s)| i * s).sum::<usize>()]);
            for axis in (0..shape.len()).rev() {
                at[axis] += 1;
                if at[axis] < shape[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
        Some(self.constant(shape, moved))
    }
}
