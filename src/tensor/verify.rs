//! Checks that a graph is well formed: inputs before users, shapes as the operations give them, loop bodies and results that fit.

use super::graph::{Graph, NodeId};
use super::op::Op;
use super::shape::{member_shape, shape_of};
use crate::base::id::Id;

/// What is wrong with a graph: a bug in what built it, never in what a user wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The builder was misused.
    #[error("the graph was built wrongly: {0}")]
    Defect(String),
    /// A node reads one that does not stand before it.
    #[error("node {node} reads node {input}, which does not stand before it")]
    Order {
        /// The reader.
        node: usize,
        /// What it reads.
        input: usize,
    },
    /// An operation does not fit its inputs or its shape.
    #[error("node {node}: {text}")]
    Shape {
        /// The node.
        node: usize,
        /// What does not fit.
        text: String,
    },
    /// A loop body holds what only a whole program may.
    #[error("the body of the loop at node {node} {text}")]
    Body {
        /// The loop.
        node: usize,
        /// What it holds.
        text: String,
    },
    /// A state's new value has another shape than the state.
    #[error("state `{name}` has shape {state:?} and is set to shape {value:?}")]
    Update {
        /// The state.
        name: String,
        /// Its shape.
        state: Vec<usize>,
        /// The new value's shape.
        value: Vec<usize>,
    },
}

/// The first thing wrong with `graph`, if anything is.
pub fn verify(graph: &Graph) -> Result<(), VerifyError> {
    if let Some(text) = graph.defects().first() {
        return Err(VerifyError::Defect(text.clone()));
    }
    for n in graph.ids() {
        verify_node(graph, n)?;
    }
    for (name, &value) in graph.updates() {
        let state = graph.state_nodes().get(name).map(|&s| graph.shape(s).to_vec()).unwrap_or_default();
        if state != graph.shape(value) {
            return Err(VerifyError::Update { name: name.clone(), state, value: graph.shape(value).to_vec() });
        }
    }
    Ok(())
}

fn verify_node(graph: &Graph, n: NodeId) -> Result<(), VerifyError> {
    let node = n.index();
    if let Some(late) = graph.inputs_of(n).iter().find(|i| i.index() >= node) {
        return Err(VerifyError::Order { node, input: late.index() });
    }
    let wrong = |text: String| VerifyError::Shape { node, text };
    for &i in graph.inputs_of(n) {
        let tuple = graph.op(i).gives_tuple();
        if tuple != matches!(graph.op(n), Op::Project(_)) {
            return Err(wrong("a tuple is read by a projection, and by nothing else".to_string()));
        }
    }
    let shapes = graph.input_shapes(n);
    let shape = match graph.op(n) {
        Op::Project(index) => {
            let tuple = graph.inputs_of(n)[0];
            member_shape(graph.op(tuple), &graph.input_shapes(tuple), *index)
        }
        op => shape_of(op, &shapes, graph.shape(n)),
    }
    .map_err(wrong)?;
    if shape != graph.shape(n) {
        return Err(wrong(format!("{:?} should have shape {shape:?}, not {:?}", graph.op(n), graph.shape(n))));
    }
    let (body, results, allowed) = match graph.op(n) {
        Op::Scan(op) => {
            let results = [op.body.carry.as_slice(), &op.body.stacked].concat();
            (&op.body.graph, results, [('c', op.carries), ('x', op.sequences), ('k', op.constants)])
        }
        Op::While(op) => {
            let results = [op.carry.as_slice(), &[op.condition]].concat();
            (&op.graph, results, [('c', op.carry.len()), ('x', 0), ('k', op.constants)])
        }
        _ => return Ok(()),
    };
    verify(body)?;
    let says = |text: String| VerifyError::Body { node, text };
    if !body.state_nodes().is_empty() || !body.roots().is_empty() {
        return Err(says("has states or results of its own".to_string()));
    }
    // A step may be written by way of inputs that are substituted before it is done; only what it still reads counts.
    let live = body.ancestors(&results);
    for (name, _) in body.input_nodes().iter().filter(|(_, n)| live[n.index()]) {
        let known = name == "t"
            || allowed.iter().any(|(letter, n)| {
                name.strip_prefix(*letter).and_then(|d| d.parse::<usize>().ok()).is_some_and(|i| i < *n)
            });
        if !known {
            return Err(says(format!("reads `{name}`, which the loop does not give it")));
        }
    }
    Ok(())
}
