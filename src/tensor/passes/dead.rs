//! Drops what no result reads, and the anchors: the graph is rebuilt from its outputs, updates and watches, so that what a smaller
//! graph lets the builder see is simplified too. Loop bodies lose the stacked values and carries that nobody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::id::Id;
use crate::tensor::graph::{Body, Graph, NodeId};
use crate::tensor::op::{Op, ScanOp, WhileOp};

/// The graph that computes the same named results and nothing else.
pub fn remove_dead(graph: &Graph) -> Graph {
    // A loop that lost an input may leave what computed it unread.
    let mut lean = pass(graph);
    loop {
        let next = pass(&lean);
        if next.len() >= lean.len() {
            return lean;
        }
        lean = next;
    }
}

fn pass(graph: &Graph) -> Graph {
    let mut new = Graph::new();
    let roots = rebuild(graph, &graph.roots(), &mut new);
    let names = graph.outputs().keys().map(|k| (0, k)).chain(graph.updates().keys().map(|k| (1, k)));
    let names = names.chain(graph.watches().iter().map(|(k, _)| (2, k)));
    for ((kind, name), &n) in names.zip(&roots) {
        match kind {
            0 => new.output(name, n),
            1 => new.set_state(name, n),
            _ => new.watch(name, n),
        }
    }
    for defect in graph.defects() {
        new.inherit_defect(defect.clone());
    }
    new
}

/// Copies what `roots` compute into `new`.
fn rebuild(graph: &Graph, roots: &[NodeId], new: &mut Graph) -> Vec<NodeId> {
    let live = graph.ancestors(roots);
    let mut members: BTreeMap<NodeId, BTreeSet<usize>> = BTreeMap::new();
    for n in graph.ids().filter(|n| live[n.index()]) {
        if let Op::Project(i) = graph.op(n) {
            members.entry(graph.inputs_of(n)[0]).or_default().insert(*i);
        }
    }
    // For each loop that was narrowed: where its members went.
    let mut moved: BTreeMap<NodeId, BTreeMap<usize, usize>> = BTreeMap::new();
    let mut map: Vec<Option<NodeId>> = vec![None; graph.len()];
    for n in graph.ids().filter(|n| live[n.index()]) {
        let inputs: Vec<NodeId> = graph.inputs_of(n).iter().filter_map(|i| map[i.index()]).collect();
        let read = members.get(&n);
        map[n.index()] = Some(match graph.op(n) {
            Op::Anchor | Op::StopGradient => inputs[0],
            Op::Project(i) => {
                let old = graph.inputs_of(n)[0];
                let i = moved.get(&old).and_then(|m| m.get(i)).copied().unwrap_or(*i);
                new.project(inputs[0], i)
            }
            Op::Scan(op) => {
                let (op, inputs, places) = narrow_scan(op, &inputs, read);
                moved.insert(n, places);
                new.push(Op::Scan(Arc::new(op)), &inputs, &[])
            }
            Op::While(op) => {
                let mut inner = Graph::new();
                let mut wanted = op.carry.clone();
                wanted.push(op.condition);
                let mut wanted = rebuild(&op.graph, &wanted, &mut inner);
                let condition = wanted.pop().unwrap_or(op.condition);
                let op = WhileOp { graph: inner, condition, carry: wanted, max: op.max, constants: op.constants };
                new.push(Op::While(Arc::new(op)), &inputs, &[])
            }
            _ => new.apply(graph.node(n), &inputs),
        });
    }
    roots.iter().filter_map(|r| map[r.index()]).collect()
}

/// The loop without the carries, stacked values, sequences and constants that `read` does not need; its inputs; and where
/// each member that is still there went.
fn narrow_scan(
    op: &ScanOp,
    inputs: &[NodeId],
    read: Option<&BTreeSet<usize>>,
) -> (ScanOp, Vec<NodeId>, BTreeMap<usize, usize>) {
    let g = &op.body.graph;
    let none = BTreeSet::new();
    let read = read.unwrap_or(&none);
    let stacked = op.body.stacked.len();
    let leaf = |letter: char, i: usize| g.input_nodes().get(&format!("{letter}{i}")).copied();
    let keep_stacked: Vec<usize> = (0..stacked).filter(|j| read.contains(&(op.carries + j))).collect();
    let mut keep: Vec<bool> =
        (0..op.carries).map(|i| read.contains(&i) || read.contains(&(op.carries + stacked + i))).collect();
    loop {
        let mut roots: Vec<NodeId> = keep_stacked.iter().map(|&j| op.body.stacked[j]).collect();
        roots.extend((0..op.carries).filter(|&i| keep[i]).map(|i| op.body.carry[i]));
        let live = g.ancestors(&roots);
        let next: Vec<bool> =
            (0..op.carries).map(|i| keep[i] || leaf('c', i).is_some_and(|n| live[n.index()])).collect();
        if next == keep {
            break;
        }
        keep = next;
    }
    let carries: Vec<usize> = (0..op.carries).filter(|&i| keep[i]).collect();
    let mut wanted: Vec<NodeId> = carries.iter().map(|&i| op.body.carry[i]).collect();
    wanted.extend(keep_stacked.iter().map(|&j| op.body.stacked[j]));
    // Simplify first: what the smaller body no longer reads need not be handed in.
    let mut inner = Graph::new();
    let wanted = rebuild(g, &wanted, &mut inner);
    let live = inner.ancestors(&wanted);
    let inner_reads =
        |letter: char, i: usize| inner.input_nodes().get(&format!("{letter}{i}")).is_some_and(|n| live[n.index()]);
    let sequences: Vec<usize> = (0..op.sequences).filter(|&j| inner_reads('x', j)).collect();
    let constants: Vec<usize> = (0..op.constants).filter(|&j| inner_reads('k', j)).collect();
    let mut body = Graph::new();
    let mut bind = BTreeMap::new();
    for (letter, kept) in [('c', &carries), ('x', &sequences), ('k', &constants)] {
        for (to, &from) in kept.iter().enumerate() {
            if let Some(&old) = inner.input_nodes().get(&format!("{letter}{from}")) {
                let shape = inner.shape(old).to_vec();
                bind.insert(old, body.input(&format!("{letter}{to}"), &shape));
            }
        }
    }
    let wanted = body.import(&inner, &wanted, &bind);
    let mut places = BTreeMap::new();
    for (to, &from) in carries.iter().enumerate() {
        places.insert(from, to);
        places.insert(op.carries + stacked + from, carries.len() + keep_stacked.len() + to);
    }
    for (to, &from) in keep_stacked.iter().enumerate() {
        places.insert(op.carries + from, carries.len() + to);
    }
    let new_inputs = carries
        .iter()
        .map(|&i| inputs[i])
        .chain(sequences.iter().map(|&j| inputs[op.carries + j]))
        .chain(constants.iter().map(|&j| inputs[op.carries + op.sequences + j]))
        .collect();
    let narrowed = ScanOp {
        body: Body { graph: body, carry: wanted[..carries.len()].to_vec(), stacked: wanted[carries.len()..].to_vec() },
        length: op.length,
        reverse: op.reverse,
        carries: carries.len(),
        sequences: sequences.len(),
        constants: constants.len(),
    };
    (narrowed, new_inputs, places)
}
