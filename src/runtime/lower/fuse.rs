//! Groups of elementwise nodes of one shape that run as one tape.
//!
//! A node joins the latest group of its shape that would run just before it anyway or that it is related to (it reads a member,
//! or something a member reads), if all else it reads is made before the group runs: then no order between steps can be
//! violated. A group runs where its first node stood.

use std::collections::BTreeMap;

use super::Lower;
use crate::base::id::Id;
use crate::kernel::real::Real;
use crate::kernel::strided::Layout;
use crate::kernel::tape::{Code, Instruction, Operand, Tape};
use crate::runtime::plan::{Kind, Place, Step, View};
use crate::tensor::graph::NodeId;
use crate::tensor::op::Op;
use crate::tensor::shape::count;

/// Longest tape, and how far back a node looks for its group.
const LONGEST: usize = 96;
const LOOK_BACK: usize = 6;

/// Nodes that run together.
pub(super) struct Group {
    step: usize,
    shape: Vec<usize>,
    nodes: Vec<NodeId>,
}

impl<T: Real> Lower<'_, T> {
    /// Puts an elementwise node into a group, new or old.
    pub(super) fn elementwise(&mut self, n: NodeId) {
        let shape = self.graph.shape(n).to_vec();
        let inputs = self.graph.inputs_of(n).to_vec();
        let found = (0..self.groups.len()).rev().take(if self.fuse { LOOK_BACK } else { 0 }).find(|&g| {
            let group = &self.groups[g];
            let member = |i: &NodeId| self.group_of[i.index()] == Some(g);
            let reads = |m: &NodeId, i: &NodeId| self.graph.inputs_of(*m).contains(i) && self.graph.splat(*i).is_none();
            group.shape == shape
                && group.nodes.len() < LONGEST
                && inputs.iter().all(|i| member(i) || self.made(*i).is_none_or(|s| s < group.step))
                && (group.step + 1 == self.plan.steps.len()
                    || inputs.iter().any(|i| member(i) || group.nodes.iter().any(|m| reads(m, i))))
        });
        let g = found.unwrap_or_else(|| {
            let step = self.plan.steps.len();
            self.plan.steps.push(Step { kind: Kind::Copy, inputs: Vec::new(), outputs: Vec::new() });
            self.groups.push(Group { step, shape: shape.clone(), nodes: Vec::new() });
            self.groups.len() - 1
        });
        for i in inputs {
            if self.group_of[i.index()] != Some(g) {
                self.read[i.index()] = true;
            }
        }
        self.groups[g].nodes.push(n);
        self.group_of[n.index()] = Some(g);
        let buffer = self.buffer(count(&shape), self.groups[g].step);
        self.views[n.index()] = Some(View { place: Place::Buffer(buffer), layout: Layout::dense(&shape) });
    }

    /// Writes each group's tape into its step, once it is known which of its nodes are read elsewhere.
    pub(super) fn finish_groups(&mut self) {
        for g in 0..self.groups.len() {
            let step = self.groups[g].step;
            self.plan.steps[step] = self.tape(g);
        }
    }

    fn tape(&mut self, g: usize) -> Step {
        let nodes = self.groups[g].nodes.clone();
        let mut last_read: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (at, &n) in nodes.iter().enumerate() {
            last_read.insert(n, at);
            for &i in self.graph.inputs_of(n) {
                last_read.insert(i, at);
            }
        }
        let mut arguments: Vec<NodeId> = Vec::new();
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        let mut code = Vec::new();
        let mut register_of: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut free: Vec<usize> = Vec::new();
        let mut registers = 0;
        for (at, &n) in nodes.iter().enumerate() {
            let mut operands = Vec::new();
            for &i in self.graph.inputs_of(n) {
                operands.push(match register_of.get(&i) {
                    Some(&r) => Operand::Register(r),
                    None => Operand::Input(arguments.iter().position(|&a| a == i).unwrap_or_else(|| {
                        let view = self.views[i.index()].clone();
                        let view = view.unwrap_or(View { place: Place::Constant(0), layout: Layout::dense(&[0]) });
                        inputs.push(View { layout: view.layout.collapsed(), ..view });
                        arguments.push(i);
                        arguments.len() - 1
                    })),
                });
            }
            let to = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            register_of.insert(n, to);
            let mut gone: Vec<usize> = Vec::new();
            for i in self.graph.inputs_of(n).iter().chain([&n]) {
                if last_read.get(i) == Some(&at)
                    && let Some(&r) = register_of.get(i)
                    && !gone.contains(&r)
                {
                    gone.push(r);
                }
            }
            free.extend(gone);
            let output = self.read[n.index()].then(|| {
                if let Some(View { place: Place::Buffer(b), .. }) = self.views[n.index()] {
                    outputs.push(b);
                }
                outputs.len() - 1
            });
            let code_of = match (self.graph.op(n), operands.as_slice()) {
                (Op::Unary(f), &[a]) => Code::Unary(*f, a),
                (Op::Binary(f), &[a, b]) => Code::Binary(*f, a, b),
                (_, &[c, a, b]) => Code::Select(c, a, b),
                _ => continue,
            };
            code.push(Instruction { code: code_of, to, output });
        }
        let layouts = inputs.iter().map(|v| v.layout.clone()).collect();
        let tape = Tape { code, layouts, registers, len: count(&self.groups[g].shape) };
        Step { kind: Kind::Tape(tape), inputs, outputs }
    }
}
