//! The lowering of single nodes: views, steps on (outer, n, inner), loops.

use super::{Lower, is_elementwise, lower};
use crate::base::id::Id;
use crate::kernel::random;
use crate::kernel::real::Real;
use crate::kernel::strided::Layout;
use crate::runtime::chains::ChainStep;
use crate::runtime::plan::{Given, Kept, Kind, Loop, Place, Step, View};
use crate::runtime::tables::TableStep;
use crate::tensor::graph::NodeId;
use crate::tensor::op::{Op, ScanOp, Semiring, WhileOp};
use crate::tensor::shape::{count, member_shape, without};

/// (outer, n, inner) around an axis.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (count(&shape[..axis]), shape[axis], count(&shape[axis + 1..]))
}

/// The layout of the same elements under another shape, if strides can say it.
fn reshaped(layout: &Layout, shape: &[usize]) -> Option<Layout> {
    if layout.is_dense() {
        return Some(Layout { offset: layout.offset, ..Layout::dense(shape) });
    }
    let mut left = layout.collapsed().axes.into_iter();
    let mut current = (1, 0);
    let mut axes = Vec::with_capacity(shape.len());
    for &extent in shape {
        if extent == 1 {
            axes.push((1, 0));
            continue;
        }
        if current.0 == 1 {
            current = left.next()?;
        }
        if current.0 % extent != 0 {
            return None;
        }
        current.0 /= extent;
        axes.push((extent, current.1 * current.0 as isize));
    }
    Some(Layout { offset: layout.offset, axes })
}

impl<T: Real> Lower<'_, T> {
    /// Lowers one node whose inputs are lowered.
    pub(super) fn node(&mut self, n: NodeId) {
        let graph = self.graph;
        let op = graph.op(n);
        if is_elementwise(op) {
            return self.elementwise(n);
        }
        let shape = graph.shape(n).to_vec();
        let inputs = graph.inputs_of(n).to_vec();
        let view = match op {
            Op::Scan(op) => return self.scan(n, op),
            Op::While(op) => return self.bounded(n, op),
            Op::TableSum(_) | Op::ChainSum(_) => return self.joint_sum(n),
            Op::Project(i) => {
                self.views[n.index()] = self.members.get(&(inputs[0], *i)).cloned();
                return;
            }
            Op::Input(name) => {
                self.plan.inputs.push((name.clone(), shape.clone()));
                View { place: Place::Input(self.plan.inputs.len() - 1), layout: Layout::dense(&shape) }
            }
            Op::State(name) => {
                self.plan.states.push((name.clone(), shape.clone()));
                View { place: Place::State(self.plan.states.len() - 1), layout: Layout::dense(&shape) }
            }
            Op::Constant(data) => {
                let place = self.constant(data.0.iter().map(|&v| T::of(v)).collect());
                View { place, layout: Layout::dense(&shape) }
            }
            Op::Iota { axis } => {
                let (_, extent, inner) = around(&shape, *axis);
                let place = self.constant((0..count(&shape)).map(|i| T::of_index(i / inner.max(1) % extent)).collect());
                View { place, layout: Layout::dense(&shape) }
            }
            Op::Broadcast { .. }
            | Op::Reshape
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Flip { .. }
            | Op::StopGradient
            | Op::Anchor => self.moved(op, inputs[0], &shape),
            Op::Pad { axis, before, value, .. } => {
                let (_, total, inner) = around(&shape, *axis);
                let run = graph.shape(inputs[0])[*axis] * inner;
                let from = self.view(inputs[0]);
                let from = View { layout: from.layout.collapsed(), ..from };
                let kind =
                    Kind::Place { total: total * inner, parts: vec![(before * inner, run)], fill: Some(value.0) };
                self.step(kind, vec![from], &shape)
            }
            Op::Concat { axis } => {
                let (_, total, inner) = around(&shape, *axis);
                let mut parts = Vec::new();
                let mut offset = 0;
                let mut from = Vec::new();
                for &i in &inputs {
                    let run = graph.shape(i)[*axis] * inner;
                    parts.push((offset, run));
                    offset += run;
                    let view = self.view(i);
                    from.push(View { layout: view.layout.collapsed(), ..view });
                }
                self.step(Kind::Place { total: total * inner, parts, fill: None }, from, &shape)
            }
            Op::Gather { axis } => {
                let (_, extent, inner) = around(graph.shape(inputs[0]), *axis);
                let from = vec![self.dense(inputs[0]), self.dense(inputs[1])];
                self.step(Kind::Gather { n: extent, inner }, from, &shape)
            }
            Op::Scatter { axis } => {
                let (_, extent, inner) = around(&shape, *axis);
                let from = vec![self.dense(inputs[0]), self.dense(inputs[1])];
                self.step(Kind::Scatter { n: extent, inner }, from, &shape)
            }
            Op::Reduce { kind, axes } => {
                let (view, outer, extent, inner) = self.grouped(inputs[0], axes);
                self.step(Kind::Reduce { kind: *kind, outer, n: extent, inner }, vec![view], &shape)
            }
            Op::LogSumExp { axis, mode } => {
                let (outer, extent, inner) = around(graph.shape(inputs[0]), *axis);
                let from = self.dense(inputs[0]);
                let max = *mode == Semiring::Max;
                self.step(Kind::LogSumExp { outer, n: extent, inner, max }, vec![from], &shape)
            }
            Op::OneHotArgmax { axis } => {
                let (_, extent, inner) = around(&shape, *axis);
                let from = self.dense(inputs[0]);
                self.step(Kind::Argmax { n: extent, inner }, vec![from], &shape)
            }
            Op::OneHotSample { axis, site } => {
                let (_, extent, inner) = around(&shape, *axis);
                let columns = random::columns(&without(&shape, *axis));
                let from = self.dense(inputs[0]);
                self.step(Kind::Sample { n: extent, inner, site: *site, columns }, vec![from], &shape)
            }
            Op::CumSum { axis, exclusive, reverse } => {
                let (_, extent, inner) = around(&shape, *axis);
                let from = self.dense(inputs[0]);
                let kind = Kind::CumSum { n: extent, inner, exclusive: *exclusive, reverse: *reverse };
                self.step(kind, vec![from], &shape)
            }
            Op::Einsum { a, b, out } => self.einsum(n, a, b, out),
            Op::Cholesky { of } => {
                let from = self.dense(inputs[0]);
                self.step(Kind::Cholesky { n: shape[shape.len() - 1], of: of.clone() }, vec![from], &shape)
            }
            Op::Solve { transposed } => {
                let (n, k) = (shape[shape.len() - 2], shape[shape.len() - 1]);
                let from = vec![self.dense(inputs[0]), self.dense(inputs[1])];
                self.step(Kind::Solve { n, k, transposed: *transposed }, from, &shape)
            }
            Op::Random { law, site } => {
                let kind = Kind::Random { law: *law, site: *site, columns: random::columns(&shape) };
                self.step(kind, Vec::new(), &shape)
            }
            Op::Unary(_) | Op::Binary(_) | Op::Select => return,
        };
        self.views[n.index()] = Some(view);
    }

    fn moved(&mut self, op: &Op, input: NodeId, shape: &[usize]) -> View {
        let view = self.view(input);
        let Layout { mut offset, axes } = view.layout.clone();
        let axes = match op {
            Op::Broadcast { map } => {
                let mut to: Vec<(usize, isize)> = shape.iter().map(|&e| (e, 0)).collect();
                for (i, &m) in map.iter().enumerate() {
                    to[m].1 = axes[i].1;
                }
                to
            }
            Op::Transpose { perm } => perm.iter().map(|&p| axes[p]).collect(),
            Op::Slice { axis, start } => {
                let mut axes = axes;
                offset += *start as isize * axes[*axis].1;
                axes[*axis].0 = shape[*axis];
                axes
            }
            Op::Flip { axis } => {
                let mut axes = axes;
                let (extent, stride) = axes[*axis];
                offset += (extent as isize - 1).max(0) * stride;
                axes[*axis].1 = -stride;
                axes
            }
            Op::Reshape => match reshaped(&view.layout, shape) {
                Some(layout) => return View { layout, ..view },
                None => {
                    let copy = self.dense(input);
                    return View { layout: Layout { offset: copy.layout.offset, ..Layout::dense(shape) }, ..copy };
                }
            },
            _ => axes,
        };
        View { layout: Layout { offset, axes }, ..view }
    }

    /// The input of a reduction as dense (outer, n, inner), with its axes in the order that needs no copy, if there is one.
    fn grouped(&mut self, input: NodeId, axes: &[usize]) -> (View, usize, usize, usize) {
        let shape = self.graph.shape(input).to_vec();
        let view = self.view(input);
        let kept: Vec<usize> = (0..shape.len()).filter(|i| !axes.contains(i)).collect();
        let ordered = |order: &[usize]| Layout {
            offset: view.layout.offset,
            axes: order.iter().map(|&i| view.layout.axes[i]).collect(),
        };
        let n: usize = axes.iter().map(|&i| shape[i]).product();
        let all: usize = kept.iter().map(|&i| shape[i]).product();
        if view.layout.is_dense() && axes.windows(2).all(|w| w[1] == w[0] + 1) && !axes.is_empty() {
            let (first, last) = (axes[0], axes[axes.len() - 1]);
            return (view, count(&shape[..first]), n, count(&shape[last + 1..]));
        }
        let (rows_last, rows_first) = ([&kept[..], axes].concat(), [axes, &kept[..]].concat());
        if ordered(&rows_last).is_dense() {
            return (View { layout: ordered(&rows_last), ..view }, all, n, 1);
        }
        if ordered(&rows_first).is_dense() {
            return (View { layout: ordered(&rows_first), ..view }, 1, n, all);
        }
        let layout = ordered(&rows_last);
        let copied = self.copy(View { layout, ..view }, &[all, n]);
        (copied, all, n, 1)
    }

    fn scan(&mut self, n: NodeId, op: &ScanOp) {
        let body = &op.body;
        let roots: Vec<NodeId> = body.carry.iter().chain(&body.stacked).copied().collect();
        let (plan, _) = lower::<T>(&body.graph, &roots, &[], self.fuse);
        let given = plan
            .inputs
            .iter()
            .map(|(name, _)| match (name.split_at(1), name[1..].parse::<usize>()) {
                (("c", _), Ok(i)) => Given::Carry(i),
                (("x", _), Ok(j)) => Given::Slice(op.carries + j),
                (("k", _), Ok(j)) => Given::Whole(op.carries + op.sequences + j),
                _ => Given::Position,
            })
            .collect();
        let stacked = body.stacked.len();
        let kept = (0..op.carries)
            .map(Kept::Last)
            .chain((0..stacked).map(|j| Kept::Stack(op.carries + j)))
            .chain((0..op.carries).map(Kept::History))
            .collect();
        let shape_of = |i: usize| {
            let long = |s: &[usize]| [&[op.length], s].concat();
            if i < op.carries {
                body.graph.shape(body.carry[i]).to_vec()
            } else if i < op.carries + stacked {
                long(body.graph.shape(body.stacked[i - op.carries]))
            } else {
                long(body.graph.shape(body.carry[i - op.carries - stacked]))
            }
        };
        let shapes: Vec<Vec<usize>> = (0..2 * op.carries + stacked).map(shape_of).collect();
        self.repeat(n, plan, given, kept, &shapes, op.carries, (op.length, op.reverse), true);
    }

    fn bounded(&mut self, n: NodeId, op: &WhileOp) {
        let carries = op.carry.len();
        let roots: Vec<NodeId> = op.carry.iter().chain([&op.condition]).copied().collect();
        let (plan, _) = lower::<T>(&op.graph, &roots, &[], self.fuse);
        let given = plan
            .inputs
            .iter()
            .map(|(name, _)| match (name.split_at(1), name[1..].parse::<usize>()) {
                (("c", _), Ok(i)) => Given::Carry(i),
                (("k", _), Ok(j)) => Given::Whole(carries + j),
                _ => Given::Position,
            })
            .collect();
        let kept = (0..carries).map(Kept::Last).chain([Kept::Steps]).collect();
        let mut shapes: Vec<Vec<usize>> = op.carry.iter().map(|&c| op.graph.shape(c).to_vec()).collect();
        shapes.push(Vec::new());
        self.repeat(n, plan, given, kept, &shapes, carries, (op.max, false), false);
    }

    /// The members of a tuple that some node projects, increasing.
    fn projected(&self, n: NodeId) -> Vec<usize> {
        let graph = self.graph;
        let mut members: Vec<usize> = graph
            .ids()
            .filter_map(|id| match graph.op(id) {
                Op::Project(i) if graph.inputs_of(id)[0] == n => Some(*i),
                _ => None,
            })
            .collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// A sum over joint states. Only members of its tuple that some node projects get a buffer.
    fn joint_sum(&mut self, n: NodeId) {
        let graph = self.graph;
        let inputs: Vec<View> = graph.inputs_of(n).to_vec().into_iter().map(|i| self.dense(i)).collect();
        let shapes: Vec<&[usize]> = graph.inputs_of(n).iter().map(|&i| graph.shape(i)).collect();
        let members = self.projected(n);
        let mut outputs = Vec::new();
        for &member in &members {
            let shape = member_shape(graph.op(n), &shapes, member).unwrap_or_default();
            let buffer = self.buffer(count(&shape), self.plan.steps.len());
            outputs.push(buffer);
            self.members.insert((n, member), View { place: Place::Buffer(buffer), layout: Layout::dense(&shape) });
        }
        let kind = match graph.op(n) {
            Op::TableSum(op) => {
                self.plan.sums += 1;
                Kind::Tables(Box::new(TableStep::new(op, &shapes, members)), self.plan.sums - 1)
            }
            Op::ChainSum(op) => {
                self.plan.chains += 1;
                Kind::Chains(ChainStep::new(*op, &shapes, members), self.plan.chains - 1)
            }
            _ => return,
        };
        self.plan.steps.push(Step { kind, inputs, outputs });
    }

    /// Adds a loop's step. Only members of its tuple that some node projects get a buffer.
    #[allow(clippy::too_many_arguments)]
    fn repeat(
        &mut self,
        n: NodeId,
        body: crate::runtime::plan::Plan<T>,
        given: Vec<Given>,
        kept: Vec<Kept>,
        shapes: &[Vec<usize>],
        carries: usize,
        (length, reverse): (usize, bool),
        counted: bool,
    ) {
        let graph = self.graph;
        let wanted = self.projected(n);
        let inputs: Vec<View> = graph.inputs_of(n).to_vec().into_iter().map(|i| self.dense(i)).collect();
        let mut outputs = Vec::new();
        let mut kinds = Vec::new();
        for (i, kind) in kept.into_iter().enumerate().filter(|(i, _)| wanted.contains(i)) {
            let buffer = self.buffer(count(&shapes[i]), self.plan.steps.len());
            outputs.push(buffer);
            kinds.push(kind);
            let view = View { place: Place::Buffer(buffer), layout: Layout::dense(&shapes[i]) };
            self.members.insert((n, i), view);
        }
        self.plan.bodies.push(body);
        let body = self.plan.bodies.len() - 1;
        let step = Loop { body, length, reverse, carries, given, kept: kinds };
        let kind = if counted { Kind::Scan(step) } else { Kind::While(step) };
        self.plan.steps.push(Step { kind, inputs, outputs });
    }
}
