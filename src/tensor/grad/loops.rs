//! Derivatives through loops: the adjoint of a scan is a scan in the other direction.
//!
//! Its step recomputes the forward step from the carries that stood before it (the loop's history) and applies reverse mode to the
//! body; positions keep their numbers, so that random draws inside come out the same. Adjoints of constants are summed in carries.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Walk;
use crate::base::id::Id;
use crate::tensor::graph::{Body, Graph, NodeId, ScanSpec};
use crate::tensor::op::{Op, ScanOp};

impl Graph {
    /// Hands the adjoints of a loop's results to its inputs.
    pub(super) fn loop_rule(&mut self, walk: &mut Walk, n: NodeId, members: &BTreeMap<usize, NodeId>) {
        match self.op(n).clone() {
            Op::Scan(op) => {
                let active: Vec<bool> = self.inputs_of(n).iter().map(|&i| walk.active(i)).collect();
                let found = self.scan_rule(n, &op, members, &active);
                for (input, adjoint) in found {
                    let to = self.inputs_of(n)[input];
                    walk.give(self, to, adjoint);
                }
            }
            Op::While(op) => {
                let inputs = self.inputs_of(n).to_vec();
                let carries = op.carry.len();
                let scan = self.while_as_scan(&op, &inputs);
                let Op::Scan(frozen) = self.op(scan).clone() else { return };
                // The flag stands between carries and constants and has no derivative; the number of steps has none either.
                let mut active: Vec<bool> = inputs.iter().map(|&i| walk.active(i)).collect();
                active.insert(carries, false);
                let members = members.iter().filter(|(i, _)| **i < carries).map(|(&i, &a)| (i, a)).collect();
                for (input, adjoint) in self.scan_rule(scan, &frozen, &members, &active) {
                    let to = inputs[if input > carries { input - 1 } else { input }];
                    walk.give(self, to, adjoint);
                }
            }
            _ => {}
        }
    }

    /// The adjoints of a scan's inputs, by position.
    fn scan_rule(
        &mut self,
        n: NodeId,
        op: &Arc<ScanOp>,
        members: &BTreeMap<usize, NodeId>,
        active: &[bool],
    ) -> Vec<(usize, NodeId)> {
        let inputs = self.inputs_of(n).to_vec();
        let forward = &op.body.graph;
        let stacked_from = op.carries;
        let history_from = op.carries + op.body.stacked.len();
        let leaf = |name: String| forward.input_nodes().get(&name).copied();
        let carried = self.carries_to_follow(op, members, active);

        // Sequences of the backward loop: histories of the carries, the forward sequences, adjoints of stacked values and histories.
        let mut sequences = Vec::new();
        let mut body = Graph::new();
        let mut bind = BTreeMap::new();
        let t = body.input("t", &[]);
        if let Some(old) = leaf("t".to_string()) {
            bind.insert(old, t);
        }
        let slice = |outer: &mut Graph, body: &mut Graph, sequences: &mut Vec<NodeId>, from: NodeId| {
            let name = format!("x{}", sequences.len());
            sequences.push(from);
            body.input(&name, outer.shape(from).get(1..).unwrap_or_default())
        };
        let mut adjoint_in = vec![None; op.carries];
        let mut carry_in = vec![None; op.carries];
        for (i, carry_in) in carry_in.iter_mut().enumerate() {
            if let Some(old) = leaf(format!("c{i}")) {
                let history = self.carry_history(n, i);
                let new = slice(self, &mut body, &mut sequences, history);
                *carry_in = Some(new);
                bind.insert(old, new);
            }
        }
        let mut sequence_in = vec![None; op.sequences];
        for (j, sequence_in) in sequence_in.iter_mut().enumerate() {
            if let Some(old) = leaf(format!("x{j}")) {
                let new = slice(self, &mut body, &mut sequences, inputs[op.carries + j]);
                *sequence_in = Some(new);
                bind.insert(old, new);
            }
        }
        let constants = inputs[op.carries + op.sequences..].to_vec();
        let mut constant_in = vec![None; op.constants];
        for (j, &k) in constants.iter().enumerate() {
            let new = body.input(&format!("k{j}"), self.shape(k));
            constant_in[j] = leaf(format!("k{j}")).map(|old| {
                bind.insert(old, new);
                new
            });
        }
        // Carries of the backward loop: adjoints of the carries followed.
        let mut carry = Vec::new();
        for i in (0..op.carries).filter(|&i| carried[i]) {
            adjoint_in[i] = Some(body.input(&format!("c{}", carry.len()), self.shape(inputs[i])));
            carry.push(match members.get(&i) {
                Some(&adjoint) => adjoint,
                None => self.zeros_like(inputs[i]),
            });
        }
        let roots: Vec<NodeId> = op.body.carry.iter().chain(&op.body.stacked).copied().collect();
        let imported = body.import(forward, &roots, &bind);
        let mut seeds: Vec<(NodeId, NodeId)> =
            (0..op.carries).filter_map(|i| adjoint_in[i].map(|a| (imported[i], a))).collect();
        for j in 0..op.body.stacked.len() {
            if let Some(&adjoint) = members.get(&(stacked_from + j)) {
                seeds.push((imported[op.carries + j], slice(self, &mut body, &mut sequences, adjoint)));
            }
        }
        let follow: Vec<usize> = (0..op.carries).filter(|&i| carried[i]).collect();
        let follow_x: Vec<usize> =
            (0..op.sequences).filter(|&j| active[op.carries + j] && sequence_in[j].is_some()).collect();
        let follow_k: Vec<usize> =
            (0..op.constants).filter(|&j| active[op.carries + op.sequences + j] && constant_in[j].is_some()).collect();
        // A carry that the body never reads has no node to differentiate by; its adjoint before a step is 0.
        let wrt: Vec<NodeId> = follow
            .iter()
            .filter_map(|&i| carry_in[i])
            .chain(follow_x.iter().filter_map(|&j| sequence_in[j]))
            .chain(follow_k.iter().filter_map(|&j| constant_in[j]))
            .collect();
        let mut found = body.gradient_seeded(&seeds, &wrt).into_iter();
        let mut after = Vec::new();
        for &i in &follow {
            let mut d = match carry_in[i] {
                Some(_) => found.next(),
                None => None,
            }
            .unwrap_or_else(|| {
                let shape = self.shape(inputs[i]).to_vec();
                body.full(&shape, 0.0)
            });
            if let Some(&adjoint) = members.get(&(history_from + i)) {
                let more = slice(self, &mut body, &mut sequences, adjoint);
                d = body.add(d, more);
            }
            after.push(d);
        }
        let slices: Vec<NodeId> = found.by_ref().take(follow_x.len()).collect();
        let mut sums = Vec::new();
        for (&j, d) in follow_k.iter().zip(found) {
            if body.is_splat(d, 0.0) {
                continue;
            }
            let old = body.input(&format!("c{}", carry.len()), self.shape(constants[j]));
            carry.push(self.zeros_like(constants[j]));
            after.push(body.add(old, d));
            sums.push(j);
        }
        let spec = ScanSpec {
            body: Body { graph: body, carry: after, stacked: slices },
            length: op.length,
            reverse: !op.reverse,
            carry,
            sequences,
            constants,
        };
        let results = self.scan(spec);
        let places = follow
            .iter()
            .copied()
            .chain(sums.iter().map(|j| op.carries + op.sequences + j))
            .chain(follow_x.iter().map(|j| op.carries + j));
        places.zip(results).filter(|(place, _)| active[*place]).collect()
    }

    /// The carries whose adjoints the backward loop must hold: they depend on something active, and a result depends on them.
    fn carries_to_follow(&self, op: &ScanOp, members: &BTreeMap<usize, NodeId>, active: &[bool]) -> Vec<bool> {
        let forward = &op.body.graph;
        let leaf = |name: String| forward.input_nodes().get(&name).copied();
        let mut depends: Vec<bool> = active[..op.carries].to_vec();
        loop {
            let mut sources: Vec<NodeId> =
                (0..op.carries).filter(|&i| depends[i]).filter_map(|i| leaf(format!("c{i}"))).collect();
            sources.extend((0..op.sequences).filter(|&j| active[op.carries + j]).filter_map(|j| leaf(format!("x{j}"))));
            sources.extend(
                (0..op.constants)
                    .filter(|&j| active[op.carries + op.sequences + j])
                    .filter_map(|j| leaf(format!("k{j}"))),
            );
            let reached = forward.descendants(&sources);
            let next: Vec<bool> = (0..op.carries).map(|i| depends[i] || reached[op.body.carry[i].index()]).collect();
            if next == depends {
                break;
            }
            depends = next;
        }
        let stacked = op.body.stacked.len();
        let mut counts: Vec<bool> = (0..op.carries)
            .map(|i| members.contains_key(&i) || members.contains_key(&(op.carries + stacked + i)))
            .collect();
        loop {
            let mut results: Vec<NodeId> = (0..op.carries).filter(|&i| counts[i]).map(|i| op.body.carry[i]).collect();
            results
                .extend((0..stacked).filter(|j| members.contains_key(&(op.carries + j))).map(|j| op.body.stacked[j]));
            let read = forward.ancestors(&results);
            let next: Vec<bool> =
                (0..op.carries).map(|i| counts[i] || leaf(format!("c{i}")).is_some_and(|n| read[n.index()])).collect();
            if next == counts {
                break;
            }
            counts = next;
        }
        (0..op.carries).map(|i| depends[i] && counts[i]).collect()
    }
}
