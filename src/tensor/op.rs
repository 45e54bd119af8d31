//! The closed set of operations. What each takes is listed as (inputs) → output; every shape is static.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::base::approximate::Approximate;
pub use crate::kernel::scalar::{Binary, Law, Reduction, Unary};
use crate::tensor::graph::{Body, Graph, NodeId};

/// Names a place where random numbers are drawn. Two draws at one site in one step are the same numbers.
pub type SiteId = u32;

/// What the derivative of a log-sum-exp hands back, and with it what the derivative of a whole log-partition means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Semiring {
    /// Value ln Σ exp; derivative the softmax weights: marginals.
    Soft,
    /// Value max; derivative 1 at the first largest entry: the best joint assignment.
    Max,
    /// Value ln Σ exp; derivative 1 at an entry drawn from the softmax: an exact joint sample.
    Sample(SiteId),
}

/// A constant that is compared and hashed by its bits.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Number {}
impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// The elements of a constant in row-major order.
#[derive(Clone, Debug)]
pub struct Literal(pub Arc<[f64]>);

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(other.0.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}
impl Eq for Literal {}
impl Hash for Literal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for v in self.0.iter() {
            v.to_bits().hash(state);
        }
    }
}
impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

/// A counted loop. Inputs of its node: initial carries, sequences, constants, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ScanOp {
    /// What one step computes.
    pub body: Body,
    /// Number of steps.
    pub length: usize,
    /// Whether it runs from the last position to the first.
    pub reverse: bool,
    /// How many carries.
    pub carries: usize,
    /// How many sequences.
    pub sequences: usize,
    /// How many constants.
    pub constants: usize,
}

/// A loop that runs while a condition holds, at most `max` times. Inputs of its node: initial carries, constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct WhileOp {
    /// Inputs `c0..`, `k0..` and `t`, the number of steps taken so far.
    pub graph: Graph,
    /// Scalar of the carries before a step; 0 ends the loop.
    pub condition: NodeId,
    /// The carries after a step.
    pub carry: Vec<NodeId>,
    /// Largest number of steps.
    pub max: usize,
    /// How many constants.
    pub constants: usize,
}

/// A product of nonnegative tables over shared finite axes, each cell given by its logarithm, summed over all joint states.
///
/// Input i of its node is `[positions, cells]`, or `[rows, positions, cells]` where its numbers differ from row to row: a table for each
/// position. Members of its tuple: the logarithm of the sum (`[rows]`, a scalar where no input has rows), and for each input the
/// derivatives of that by its cells, row by row (`[rows, positions, cells]`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TableOp {
    /// How many states each axis of the product has.
    pub sizes: Vec<usize>,
    /// What an error calls each axis; several may share a name.
    pub names: Vec<String>,
    /// What the inputs hold.
    pub inputs: Vec<TableInput>,
    /// The meaning of the sum and of its derivatives.
    pub mode: Semiring,
    /// How it is summed.
    pub how: Summing,
}

/// How a product of tables is summed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Summing {
    /// Exactly, by a junction tree.
    #[default]
    Exact,
    /// Near enough, random numbers from the site. Never [`Semiring::Max`]; the value is the method's estimate or bound, 0 where it has
    /// none, and the derivatives by tables of one axis are the method's marginals or joint state. It has none by other tables, and no second ones:
    /// they are not numbers.
    Approximate(Approximate, SiteId),
}

/// Tables of one form, one for each position.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TableInput {
    /// How many states each axis of a table has; the last runs fastest.
    pub sizes: Vec<usize>,
    /// For each position the axis of the product that each of the table's axes is. None: the table stands at the first state of
    /// that one. An axis of the product may be named twice; both then have the same state.
    pub places: Vec<Vec<Option<usize>>>,
    /// An axis of each table over which its cells sum to one whatever the others say, if there is one. Where nothing else depends on that
    /// axis, summing it out needs no work. A wrong promise gives wrong answers.
    pub unit_over: Option<usize>,
}

impl TableInput {
    /// Cells of one table.
    pub fn cells(&self) -> usize {
        self.sizes.iter().product()
    }

    /// The cell of the table at a position that is read where some axes of the product, the table's own among them, have these states.
    pub fn cell(&self, position: usize, axes: &[usize], states: &[usize]) -> usize {
        self.places[position].iter().zip(&self.sizes).fold(0, |cell, (axis, size)| {
            let state = axis.and_then(|a| axes.iter().position(|&b| a == b)).map_or(0, |i| states[i]);
            cell * size + state
        })
    }
}

impl TableOp {
    /// The rows of the result, given the shapes of the inputs.
    pub fn rows(inputs: &[&[usize]]) -> Option<usize> {
        inputs.iter().find(|s| s.len() == 3).map(|s| s[0])
    }
}

/// A sum over the paths of a chain of states, row by row, each weight given by its logarithm.
///
/// Inputs of its node: `start [rows, states]`, what the first position has beside its own potentials; `local [rows, steps, states]`, the
/// potentials of the positions; `moves`, the potential of going from one state to the next: `[states, states]`, with `steps` before it
/// if `along` (those of the first are not read) and `rows` before that if `apart`; and perhaps `lengths [rows]`, how many positions
/// count, at least 1. Members of its tuple: the logarithm of the sum (`[rows]`), and its derivatives by the first three inputs, row by
/// row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ChainOp {
    /// Whether each position has moves of its own.
    pub along: bool,
    /// Whether each row has moves of its own.
    pub apart: bool,
}

fn shared<T: Serialize, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().serialize(serializer)
}

impl Op {
    /// Whether its node stands for several arrays, each of them read by a [`Op::Project`].
    pub fn gives_tuple(&self) -> bool {
        matches!(self, Op::Scan(_) | Op::While(_) | Op::TableSum(_) | Op::ChainSum(_))
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Op {
    /// () → an argument of the run.
    Input(String),
    /// () → a persistent buffer as it stood before the run.
    State(String),
    /// () → these numbers.
    Constant(Literal),
    /// () → the index along an axis.
    Iota {
        /// The axis counted along.
        axis: usize,
    },
    /// (a) → f(a), elementwise.
    Unary(Unary),
    /// (a, b) → f(a, b), elementwise over equal shapes.
    Binary(Binary),
    /// (c, a, b) → a where c ≠ 0, else b.
    Select,
    /// (a) → a repeated along the axes that `map` does not name.
    Broadcast {
        /// For each axis of the input the axis of the output that it becomes.
        map: Vec<usize>,
    },
    /// (a) → the same elements in the same order under another shape.
    Reshape,
    /// (a) → axes in another order.
    Transpose {
        /// For each axis of the output the axis of the input that it was.
        perm: Vec<usize>,
    },
    /// (a) → a stretch along one axis.
    Slice {
        /// The axis cut.
        axis: usize,
        /// First index kept.
        start: usize,
    },
    /// (a) → a with a border along one axis.
    Pad {
        /// The axis that grows.
        axis: usize,
        /// Entries before.
        before: usize,
        /// Entries after.
        after: usize,
        /// What the border holds.
        value: Number,
    },
    /// (a, b, ..) → one after the other along an axis.
    Concat {
        /// The axis joined.
        axis: usize,
    },
    /// (a) → a backwards along an axis.
    Flip {
        /// The axis turned round.
        axis: usize,
    },
    /// (data, index) → the entries of `data` along `axis` that `index` names; the axis is replaced by the index's shape.
    Gather {
        /// The axis looked up.
        axis: usize,
    },
    /// (a, index) → zeros with each entry of `a` added where `index` says: the transpose of `Gather`.
    Scatter {
        /// The axis written.
        axis: usize,
    },
    /// (a) → the axes removed.
    Reduce {
        /// How entries are joined.
        kind: Reduction,
        /// The axes removed, increasing.
        axes: Vec<usize>,
    },
    /// (a) → log-sum-exp (or max) over one axis, which is removed.
    LogSumExp {
        /// The axis removed.
        axis: usize,
        /// The meaning of value and derivative.
        mode: Semiring,
    },
    /// (a) → 1 at the first largest entry along an axis, 0 elsewhere; zeros where all are −∞.
    OneHotArgmax {
        /// The axis searched.
        axis: usize,
    },
    /// (a) → 1 at an entry drawn from softmax(a) along an axis, 0 elsewhere; zeros where all are −∞.
    OneHotSample {
        /// The axis drawn along.
        axis: usize,
        /// Where the random numbers come from.
        site: SiteId,
    },
    /// (a) → running sums along an axis.
    CumSum {
        /// The axis summed along.
        axis: usize,
        /// Whether an entry leaves itself out.
        exclusive: bool,
        /// Whether sums run from the end.
        reverse: bool,
    },
    /// (a, b) → Σ a·b over the labels missing from the output. Every label occurs in two of the three lists at least.
    Einsum {
        /// Labels of a's axes.
        a: Vec<u32>,
        /// Labels of b's axes.
        b: Vec<u32>,
        /// Labels of the output's axes.
        out: Vec<u32>,
    },
    /// (a) → the lower Cholesky factor of (a + aᵀ)/2 for each matrix of the last two axes; an error where one has none.
    Cholesky {
        /// What the matrices belong to, for the error.
        of: String,
    },
    /// (l, b) → x with l·x = b for each lower triangular matrix of the last two axes.
    Solve {
        /// Whether it is lᵀ·x = b.
        transposed: bool,
    },
    /// () → independent draws of a law.
    Random {
        /// The law.
        law: Law,
        /// The site.
        site: SiteId,
    },
    /// (carries, sequences, constants) → a tuple: final carries, stacked outputs, carries before each step.
    Scan(#[serde(serialize_with = "shared")] Arc<ScanOp>),
    /// (carries, constants) → a tuple: final carries, number of steps taken.
    While(#[serde(serialize_with = "shared")] Arc<WhileOp>),
    /// (tables) → a tuple: the logarithm of the sum of their product, and its derivatives.
    TableSum(#[serde(serialize_with = "shared")] Arc<TableOp>),
    /// (start, local, moves, lengths) → a tuple: the logarithm of the sum over all paths, and its derivatives.
    ChainSum(ChainOp),
    /// (tuple) → one member of it.
    Project(usize),
    /// (a) → a, through which no derivative flows.
    StopGradient,
    /// (a) → a, as a node that no identity sees through.
    Anchor,
}
