//! Loops: `scan` over positions, and `while` with a bound.

use std::sync::Arc;

use crate::tensor::graph::{Body, Graph, NodeId, ScanSpec};
use crate::tensor::op::{Binary, Op, ScanOp, Unary, WhileOp};
use crate::tensor::shape::member_shape;

impl Graph {
    /// Builds a counted loop; gives the final carries, then the stacked outputs, whose leading axis is the position.
    pub fn scan(&mut self, spec: ScanSpec) -> Vec<NodeId> {
        let op = ScanOp {
            body: spec.body,
            length: spec.length,
            reverse: spec.reverse,
            carries: spec.carry.len(),
            sequences: spec.sequences.len(),
            constants: spec.constants.len(),
        };
        let inputs: Vec<NodeId> = spec.carry.into_iter().chain(spec.sequences).chain(spec.constants).collect();
        let members = op.carries + op.body.stacked.len();
        let node = self.push(Op::Scan(Arc::new(op)), &inputs, &[]);
        (0..members).map(|i| self.project(node, i)).collect()
    }

    /// Builds a counted loop whose step is written as a closure of (body graph, position, carries, slices, constants) that gives
    /// the carries after the step and the values to stack.
    pub fn scan_with(
        &mut self,
        length: usize,
        reverse: bool,
        carry: &[NodeId],
        sequences: &[NodeId],
        constants: &[NodeId],
        step: impl FnOnce(&mut Graph, NodeId, &[NodeId], &[NodeId], &[NodeId]) -> (Vec<NodeId>, Vec<NodeId>),
    ) -> Vec<NodeId> {
        let mut g = Graph::new();
        let t = g.input("t", &[]);
        let c = self.body_inputs(&mut g, 'c', carry, 0);
        let x = self.body_inputs(&mut g, 'x', sequences, 1);
        let k = self.body_inputs(&mut g, 'k', constants, 0);
        let (after, stacked) = step(&mut g, t, &c, &x, &k);
        self.scan(ScanSpec {
            body: Body { graph: g, carry: after, stacked },
            length,
            reverse,
            carry: carry.to_vec(),
            sequences: sequences.to_vec(),
            constants: constants.to_vec(),
        })
    }

    /// Builds a loop that steps while a condition of the carries holds, at most `max` times; gives the final carries.
    ///
    /// `step` is a closure of (body graph, steps taken, carries, constants) that gives the condition for taking this step
    /// (a scalar) and the carries after it. Reverse mode runs over the same loop as a scan of `max` steps whose carries stand still
    /// once the condition fails: right for any condition, and it costs `max` steps.
    pub fn while_with(
        &mut self,
        max: usize,
        init: &[NodeId],
        constants: &[NodeId],
        step: impl FnOnce(&mut Graph, NodeId, &[NodeId], &[NodeId]) -> (NodeId, Vec<NodeId>),
    ) -> Vec<NodeId> {
        let mut g = Graph::new();
        let t = g.input("t", &[]);
        let c = self.body_inputs(&mut g, 'c', init, 0);
        let k = self.body_inputs(&mut g, 'k', constants, 0);
        let (condition, carry) = step(&mut g, t, &c, &k);
        let op = WhileOp { graph: g, condition, carry, max, constants: constants.len() };
        self.while_loop(op, &[init, constants].concat())
    }

    /// Builds a bounded loop from its parts; `inputs` are the initial carries, then the constants. Gives the final carries.
    pub fn while_loop(&mut self, op: WhileOp, inputs: &[NodeId]) -> Vec<NodeId> {
        let carries = op.carry.len();
        let node = self.push(Op::While(Arc::new(op)), inputs, &[]);
        (0..carries).map(|i| self.project(node, i)).collect()
    }

    /// The number of steps taken by the `while` loop that `member` is a result of.
    pub fn steps_taken(&mut self, member: NodeId) -> NodeId {
        let node = self.inputs_of(member).first().copied().unwrap_or(member);
        match self.op(node) {
            Op::While(op) => {
                let index = op.carry.len();
                self.project(node, index)
            }
            _ => {
                self.defect("only a member of a while loop has a number of steps".to_string());
                self.scalar(0.0)
            }
        }
    }

    fn body_inputs(&self, g: &mut Graph, letter: char, nodes: &[NodeId], skip: usize) -> Vec<NodeId> {
        nodes
            .iter()
            .enumerate()
            .map(|(i, &n)| g.input(&format!("{letter}{i}"), self.shape(n).get(skip..).unwrap_or_default()))
            .collect()
    }

    /// One member of a loop's tuple.
    pub(in crate::tensor) fn project(&mut self, node: NodeId, index: usize) -> NodeId {
        let shape = {
            let shapes: Vec<&[usize]> = self.inputs_of(node).iter().map(|&n| self.shape(n)).collect();
            member_shape(self.op(node), &shapes, index)
        };
        match shape {
            Ok(shape) => self.push(Op::Project(index), &[node], &shape),
            Err(text) => {
                self.defect(text);
                self.scalar(f64::NAN)
            }
        }
    }

    /// The scan of `max` steps that computes what a `while` loop computes: its carries stand still once its condition fails.
    pub(in crate::tensor) fn while_as_scan(&mut self, op: &WhileOp, inputs: &[NodeId]) -> NodeId {
        let mut g = op.graph.clone();
        let active = g.input("active", &[]);
        let zero = g.scalar(0.0);
        let holds = g.binary(Binary::Eq, op.condition, zero);
        let holds = g.unary(Unary::Not, holds);
        let go = g.binary(Binary::And, active, holds);
        let carries = op.carry.len();
        let mut after = Vec::with_capacity(carries + 1);
        for (i, &new) in op.carry.iter().enumerate() {
            let shape = g.shape(new).to_vec();
            let old = g.input(&format!("c{i}"), &shape);
            let cond = g.broadcast(go, &shape, &[]);
            after.push(g.select(cond, new, old));
        }
        after.push(go);
        // The flag is one more carry, behind the others, so that theirs keep their names.
        let mut body = Graph::new();
        let flag = body.input(&format!("c{carries}"), &[]);
        let bind = [(active, flag)].into_iter().collect();
        let after = body.import(&g, &after, &bind);
        let one = self.scalar(1.0);
        let op = ScanOp {
            body: Body { graph: body, carry: after, stacked: Vec::new() },
            length: op.max,
            reverse: false,
            carries: carries + 1,
            sequences: 0,
            constants: op.constants,
        };
        let inputs = [&inputs[..carries], &[one], &inputs[carries..]].concat();
        self.push(Op::Scan(Arc::new(op)), &inputs, &[])
    }
}
