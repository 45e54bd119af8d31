//! From a graph to a plan: views for what only moves elements, groups of elementwise nodes fused into tapes, contractions as matrix products.
//!
//! Nodes are taken in an order in which the heavy inputs of an elementwise expression come before any of it, so that the
//! expression becomes one pass. `order` finds that order, `fuse` forms the groups, `contract` lowers Einstein sums, `nodes` all other nodes.

mod contract;
mod fuse;
mod nodes;
mod order;

use std::collections::BTreeMap;

use super::plan::{Kind, Place, Plan, Step, View};
use crate::base::id::Id;
use crate::kernel::real::Real;
use crate::kernel::strided::Layout;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::Op;
use crate::tensor::shape::count;

/// The state of one lowering.
struct Lower<'g, T> {
    graph: &'g Graph,
    fuse: bool,
    plan: Plan<T>,
    /// The array of each node that has one.
    views: Vec<Option<View>>,
    /// Arrays of the members of loops' tuples.
    members: BTreeMap<(NodeId, usize), View>,
    /// For each buffer the step that writes it.
    writer: Vec<usize>,
    /// Dense copies of nodes whose own arrays are not dense.
    copies: BTreeMap<NodeId, View>,
    groups: Vec<fuse::Group>,
    /// The group of each elementwise node.
    group_of: Vec<Option<usize>>,
    /// Whether a step other than its own group reads a node's buffer.
    read: Vec<bool>,
}

/// Compiles what `roots` need; result i of the plan is root i. `views` of watched nodes come back beside it.
pub(super) fn lower<T: Real>(graph: &Graph, roots: &[NodeId], watched: &[NodeId], fuse: bool) -> (Plan<T>, Vec<View>) {
    let plan = Plan {
        inputs: Vec::new(),
        states: Vec::new(),
        constants: Vec::new(),
        steps: Vec::new(),
        bodies: Vec::new(),
        sums: 0,
        chains: 0,
        results: Vec::new(),
        lengths: Vec::new(),
        slot_of: Vec::new(),
        slots: Vec::new(),
    };
    let n = graph.len();
    let mut lower = Lower {
        graph,
        fuse,
        plan,
        views: vec![None; n],
        members: BTreeMap::new(),
        writer: Vec::new(),
        copies: BTreeMap::new(),
        groups: Vec::new(),
        group_of: vec![None; n],
        read: vec![false; n],
    };
    let all: Vec<NodeId> = roots.iter().chain(watched).copied().collect();
    for id in order::order(graph, &all) {
        lower.node(id);
    }
    for &r in roots {
        let buffer = lower.result(r);
        lower.plan.results.push(buffer);
    }
    // A watched array must outlive the run: its buffer is a result too, behind the others.
    let mut watches = Vec::new();
    for &w in watched {
        let view = lower.dense(w);
        if let Place::Buffer(b) = view.place
            && !lower.plan.results.contains(&b)
        {
            lower.plan.results.push(b);
        }
        watches.push(view);
    }
    lower.finish_groups();
    lower.plan.assign_slots();
    (lower.plan, watches)
}

impl<T: Real> Lower<'_, T> {
    /// A new buffer, to be written by `step`.
    fn buffer(&mut self, len: usize, step: usize) -> usize {
        self.plan.lengths.push(len);
        self.writer.push(step);
        self.plan.lengths.len() - 1
    }

    /// The step that makes a node's array; what is there before the run has none.
    fn made(&self, n: NodeId) -> Option<usize> {
        match self.views[n.index()].as_ref()?.place {
            Place::Buffer(b) => Some(self.writer[b]),
            Place::Input(_) | Place::State(_) | Place::Constant(_) => None,
        }
    }

    /// Adds a step with one output of `shape` and gives its array.
    fn step(&mut self, kind: Kind, inputs: Vec<View>, shape: &[usize]) -> View {
        let buffer = self.buffer(count(shape), self.plan.steps.len());
        self.plan.steps.push(Step { kind, inputs, outputs: vec![buffer] });
        View { place: Place::Buffer(buffer), layout: Layout::dense(shape) }
    }

    /// The array of a node, to be read by a step outside of the node's own group.
    fn view(&mut self, n: NodeId) -> View {
        self.read[n.index()] = true;
        self.views[n.index()].clone().unwrap_or(View { place: Place::Constant(0), layout: Layout::dense(&[0]) })
    }

    /// The array of a node with its elements one after the other, copied if need be.
    fn dense(&mut self, n: NodeId) -> View {
        let view = self.view(n);
        if view.layout.is_dense() {
            return view;
        }
        if let Some(copy) = self.copies.get(&n) {
            return copy.clone();
        }
        let copy = self.copy(view, self.graph.shape(n));
        self.copies.insert(n, copy.clone());
        copy
    }

    fn copy(&mut self, view: View, shape: &[usize]) -> View {
        let view = View { layout: view.layout.collapsed(), ..view };
        self.step(Kind::Copy, vec![view], shape)
    }

    /// A buffer that holds the node's elements in order and no other result.
    fn result(&mut self, n: NodeId) -> usize {
        let view = self.view(n);
        let len = self.graph.elements(n);
        if let Place::Buffer(b) = view.place
            && view.layout.is_dense()
            && view.layout.offset == 0
            && self.plan.lengths[b] == len
            && !self.plan.results.contains(&b)
        {
            return b;
        }
        let copy = self.copy(view, self.graph.shape(n));
        match copy.place {
            Place::Buffer(b) => b,
            _ => 0,
        }
    }

    fn constant(&mut self, data: Vec<T>) -> Place {
        let place = self.plan.constants.iter().position(|c| *c == data && !data.is_empty());
        Place::Constant(place.unwrap_or_else(|| {
            self.plan.constants.push(data);
            self.plan.constants.len() - 1
        }))
    }
}

/// Whether an operation works element by element.
fn is_elementwise(op: &Op) -> bool {
    matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Select)
}
