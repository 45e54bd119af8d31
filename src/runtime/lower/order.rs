//! The order in which nodes are computed: depth first from the results, and before any part of an elementwise expression everything it
//! reads from outside.

use super::is_elementwise;
use crate::base::id::Id;
use crate::tensor::graph::{Graph, NodeId};

/// Every node that `roots` need, inputs first.
pub(super) fn order(graph: &Graph, roots: &[NodeId]) -> Vec<NodeId> {
    let mut done = vec![false; graph.len()];
    let mut out = Vec::new();
    let mut stack: Vec<NodeId> = roots.iter().rev().copied().collect();
    while let Some(&n) = stack.last() {
        if done[n.index()] {
            stack.pop();
            continue;
        }
        let (members, mut missing) = expression(graph, n, &done);
        if missing.is_empty() {
            stack.pop();
            for m in members {
                done[m.index()] = true;
                out.push(m);
            }
        } else {
            missing.reverse();
            stack.append(&mut missing);
        }
    }
    out
}

/// The elementwise expression that ends at `n` (or `n` alone), in order, and what it reads that is not yet computed.
fn expression(graph: &Graph, n: NodeId, done: &[bool]) -> (Vec<NodeId>, Vec<NodeId>) {
    let mut members = vec![n];
    let mut missing = Vec::new();
    let mut seen = std::collections::BTreeSet::from([n]);
    let mut next = 0;
    while next < members.len() {
        let m = members[next];
        next += 1;
        for &i in graph.inputs_of(m) {
            if done[i.index()] || !seen.insert(i) {
                continue;
            }
            match is_elementwise(graph.op(m)) && is_elementwise(graph.op(i)) {
                true => members.push(i),
                false => missing.push(i),
            }
        }
    }
    members.sort_unstable();
    (members, missing)
}
