//! The graph: nodes in an order in which inputs come first, each built once (equal operations on equal inputs are one node),
//! with its named results: outputs, new state, watched values.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::op::{Literal, Op};
use super::shape::{count, shape_of};
use crate::base::id::Id;

crate::ids!(
    /// A node of one graph.
    NodeId
);

/// An operation applied to nodes before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// To what.
    pub inputs: Vec<NodeId>,
    /// The shape of the result; empty for a tuple.
    pub shape: Vec<usize>,
}

/// What one step of a counted loop computes.
///
/// Inputs of `graph` are named `c0..` (carries), `x0..` (this position's slices of the sequences), `k0..` (constants) and `t`
/// (the position as a scalar).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Body {
    /// The step's operations.
    pub graph: Graph,
    /// The carries after the step, each of its carry's shape.
    pub carry: Vec<NodeId>,
    /// Values kept for every position.
    pub stacked: Vec<NodeId>,
}

/// A counted loop to be built: see [`Graph::scan`].
#[derive(Clone, Debug)]
pub struct ScanSpec {
    /// What one step computes.
    pub body: Body,
    /// Number of steps.
    pub length: usize,
    /// Whether it runs from the last position to the first.
    pub reverse: bool,
    /// Initial carries.
    pub carry: Vec<NodeId>,
    /// Arrays whose leading axis has `length` entries, one for each step.
    pub sequences: Vec<NodeId>,
    /// Arrays seen whole by each step.
    pub constants: Vec<NodeId>,
}

/// A tensor program: operations and named results.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Graph {
    nodes: Vec<Node>,
    outputs: BTreeMap<String, NodeId>,
    updates: BTreeMap<String, NodeId>,
    watches: Vec<(String, NodeId)>,
    defects: Vec<String>,
    #[serde(skip)]
    inputs: BTreeMap<String, NodeId>,
    #[serde(skip)]
    states: BTreeMap<String, NodeId>,
    #[serde(skip)]
    table: HashMap<u64, Vec<NodeId>, BuildHasherDefault<DefaultHasher>>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
            && self.outputs == other.outputs
            && self.updates == other.updates
            && self.watches == other.watches
    }
}
impl Eq for Graph {}
impl Hash for Graph {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nodes.hash(state);
        self.outputs.hash(state);
        self.updates.hash(state);
        self.watches.hash(state);
    }
}

impl Graph {
    /// A graph with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shape of a node's value.
    pub fn shape(&self, n: NodeId) -> &[usize] {
        &self.nodes[n.index()].shape
    }

    /// The operation of a node.
    pub fn op(&self, n: NodeId) -> &Op {
        &self.nodes[n.index()].op
    }

    /// What a node reads.
    pub fn inputs_of(&self, n: NodeId) -> &[NodeId] {
        &self.nodes[n.index()].inputs
    }

    /// The node itself.
    pub fn node(&self, n: NodeId) -> &Node {
        &self.nodes[n.index()]
    }

    /// Number of nodes, dead ones included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes, inputs before users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::from_index)
    }

    /// Number of elements of a node's value.
    pub fn elements(&self, n: NodeId) -> usize {
        count(self.shape(n))
    }

    /// Results by name.
    pub fn outputs(&self) -> &BTreeMap<String, NodeId> {
        &self.outputs
    }

    /// New values of states by name.
    pub fn updates(&self) -> &BTreeMap<String, NodeId> {
        &self.updates
    }

    /// Values whose finiteness is checked, with the label an error shows.
    pub fn watches(&self) -> &[(String, NodeId)] {
        &self.watches
    }

    /// Arguments by name.
    pub fn input_nodes(&self) -> &BTreeMap<String, NodeId> {
        &self.inputs
    }

    /// State buffers by name.
    pub fn state_nodes(&self) -> &BTreeMap<String, NodeId> {
        &self.states
    }

    /// Misuses of the builder, which the verifier reports.
    pub fn defects(&self) -> &[String] {
        &self.defects
    }

    /// Every node that a result names: outputs, updates, watches.
    pub fn roots(&self) -> Vec<NodeId> {
        let mut roots: Vec<NodeId> = self.outputs.values().chain(self.updates.values()).copied().collect();
        roots.extend(self.watches.iter().map(|(_, n)| *n));
        roots
    }

    /// Records a misuse of the builder: a bug in the caller, loud in debug builds and refused by the verifier in others.
    pub(super) fn defect(&mut self, text: String) {
        debug_assert!(false, "{text}");
        self.defects.push(text);
    }

    /// Hands on a misuse recorded in a graph this one was made from.
    pub(super) fn inherit_defect(&mut self, text: String) {
        self.defects.push(text);
    }

    /// The node of this operation on these inputs, new or old. `hint` gives the shape where the operation alone does not.
    pub(super) fn push(&mut self, op: Op, inputs: &[NodeId], hint: &[usize]) -> NodeId {
        let shape = {
            let shapes: Vec<&[usize]> = inputs.iter().map(|&n| self.shape(n)).collect();
            match shape_of(&op, &shapes, hint) {
                Ok(shape) => shape,
                Err(text) => {
                    self.defect(text);
                    hint.to_vec()
                }
            }
        };
        let node = Node { op, inputs: inputs.to_vec(), shape };
        let hash = self.table.hasher().hash_one(&node);
        if let Some(found) =
            self.table.get(&hash).and_then(|c| c.iter().copied().find(|n| self.nodes[n.index()] == node))
        {
            return found;
        }
        self.nodes.push(node);
        let id = NodeId::from_index(self.nodes.len() - 1);
        self.table.entry(hash).or_default().push(id);
        id
    }

    /// A read-only argument of a run. The same name is the same node; a name has one shape.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> NodeId {
        if let Some(&n) = self.inputs.get(name) {
            if self.shape(n) != shape {
                self.defect(format!("input `{name}` was declared as {:?} and then as {shape:?}", self.shape(n)));
            }
            return n;
        }
        let n = self.push(Op::Input(name.to_string()), &[], shape);
        self.inputs.insert(name.to_string(), n);
        n
    }

    /// A persistent buffer, as it stood before the run. The same name is the same node; a name has one shape.
    pub fn state(&mut self, name: &str, shape: &[usize]) -> NodeId {
        if let Some(&n) = self.states.get(name) {
            if self.shape(n) != shape {
                self.defect(format!("state `{name}` was declared as {:?} and then as {shape:?}", self.shape(n)));
            }
            return n;
        }
        let n = self.push(Op::State(name.to_string()), &[], shape);
        self.states.insert(name.to_string(), n);
        n
    }

    /// Sets what a state holds after the run. All updates take effect together, at its end.
    pub fn set_state(&mut self, name: &str, new: NodeId) {
        let shape = self.shape(new).to_vec();
        let old = self.state(name, &shape);
        if self.shape(old) == shape.as_slice() {
            self.updates.insert(name.to_string(), new);
        }
    }

    /// Names a result.
    pub fn output(&mut self, name: &str, n: NodeId) {
        self.outputs.insert(name.to_string(), n);
    }

    /// Has every run check that `n` is finite; the error names `label` and the index of the first entry that is not.
    pub fn watch(&mut self, label: &str, n: NodeId) {
        self.watches.push((label.to_string(), n));
    }

    /// The numbers of a constant node, if it is one (a repeated scalar is not: see [`Graph::splat`]).
    pub fn literal(&self, n: NodeId) -> Option<&[f64]> {
        match self.op(n) {
            Op::Constant(Literal(data)) => Some(data),
            _ => None,
        }
    }

    /// The one number that every element of `n` is, if the graph shows that.
    pub fn splat(&self, n: NodeId) -> Option<f64> {
        match self.op(n) {
            Op::Constant(Literal(data)) if self.shape(n).is_empty() => data.first().copied(),
            Op::Broadcast { .. } => {
                let source = self.inputs_of(n)[0];
                if self.shape(source).is_empty() { self.splat(source) } else { None }
            }
            _ => None,
        }
    }

    /// Whether the value of `root` can depend on `leaf`.
    pub fn reaches(&self, root: NodeId, leaf: NodeId) -> bool {
        self.ancestors(&[root])[leaf.index()]
    }

    /// For each node whether one of `roots` reads it, directly or not.
    pub fn ancestors(&self, roots: &[NodeId]) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        for r in roots {
            seen[r.index()] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if seen[i] {
                for n in &self.nodes[i].inputs {
                    seen[n.index()] = true;
                }
            }
        }
        seen
    }

    /// For each node whether it reads one of `leaves`, directly or not.
    pub fn descendants(&self, leaves: &[NodeId]) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        for l in leaves {
            seen[l.index()] = true;
        }
        for i in 0..self.nodes.len() {
            seen[i] = seen[i] || self.nodes[i].inputs.iter().any(|n| seen[n.index()]);
        }
        seen
    }
}
