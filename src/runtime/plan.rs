//! A program as it runs: steps over numbered buffers, and which stretch of memory each buffer has while it lives.

use super::chains::ChainStep;
use super::tables::TableStep;
use crate::kernel::scalar::{Law, Reduction};
use crate::kernel::strided::Layout;
use crate::kernel::tape::Tape;

/// Where numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An argument of the run.
    Input(usize),
    /// A state, as it stood before the run.
    State(usize),
    /// A constant of the plan.
    Constant(usize),
    /// A buffer that an earlier step writes.
    Buffer(usize),
}

/// An array: where it lies and how.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub place: Place,
    pub layout: Layout,
}

/// What a step does with its inputs; sizes are elements.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// An elementwise program.
    Tape(Tape),
    /// The input, dense.
    Copy,
    /// Each input's runs of `run` elements, one run to each of the rows of `total`, from `offset` on; the rest is `fill`.
    Place { total: usize, parts: Vec<(usize, usize)>, fill: Option<f64> },
    /// Entries by index: (outer, n, inner) data.
    Gather { n: usize, inner: usize },
    /// Sums by index: (outer, n, inner) result.
    Scatter { n: usize, inner: usize },
    /// A reduction of (outer, n, inner).
    Reduce { kind: Reduction, outer: usize, n: usize, inner: usize },
    /// Log-sum-exp or maximum of (outer, n, inner).
    LogSumExp { outer: usize, n: usize, inner: usize, max: bool },
    /// The first largest entry.
    Argmax { n: usize, inner: usize },
    /// A drawn entry.
    Sample { n: usize, inner: usize, site: u32, columns: usize },
    /// Running sums.
    CumSum { n: usize, inner: usize, exclusive: bool, reverse: bool },
    /// Matrix products, one for each pair of offsets.
    Gemm { m: usize, n: usize, k: usize, batches: Vec<(isize, isize)>, a: (isize, isize), b: (isize, isize) },
    /// Lower factors of n×n matrices, of what for the error.
    Cholesky { n: usize, of: String },
    /// Solutions of n×n triangular systems with k right-hand sides.
    Solve { n: usize, k: usize, transposed: bool },
    /// Draws.
    Random { law: Law, site: u32, columns: usize },
    /// A sum over tables, and which of the plan's stores of compiled programs it keeps them in.
    Tables(Box<TableStep>, usize),
    /// A sum over the paths of chains, and which of the plan's stores its memory is.
    Chains(ChainStep, usize),
    /// A counted loop.
    Scan(Loop),
    /// A loop with a condition; `length` is its bound.
    While(Loop),
}

/// What a loop's body is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// The number of this step.
    Position,
    /// A carry.
    Carry(usize),
    /// This position's slice of an input of the step.
    Slice(usize),
    /// A whole input of the step.
    Whole(usize),
}

/// What an output of a loop holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A carry after the last step.
    Last(usize),
    /// Result `usize` of the body, for every position.
    Stack(usize),
    /// A carry before each step.
    History(usize),
    /// How many steps were taken.
    Steps,
}

/// A loop: the first inputs of its step are the initial carries.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    /// Which body of the plan.
    pub body: usize,
    pub length: usize,
    pub reverse: bool,
    pub carries: usize,
    /// For each input of the body's plan what it is given.
    pub given: Vec<Given>,
    /// For each output of the step what it holds.
    pub kept: Vec<Kept>,
}

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub kind: Kind,
    pub inputs: Vec<View>,
    pub outputs: Vec<usize>,
}

/// A compiled graph.
#[derive(Clone, Debug)]
pub(super) struct Plan<T> {
    pub inputs: Vec<(String, Vec<usize>)>,
    pub states: Vec<(String, Vec<usize>)>,
    pub constants: Vec<Vec<T>>,
    pub steps: Vec<Step>,
    pub bodies: Vec<Plan<T>>,
    /// How many steps sum over tables.
    pub sums: usize,
    /// How many of its steps sum over chains.
    pub chains: usize,
    /// The buffers of the results, in the order they were asked for; each has a slot of its own.
    pub results: Vec<usize>,
    /// Elements of each buffer.
    pub lengths: Vec<usize>,
    /// The slot of each buffer.
    pub slot_of: Vec<usize>,
    /// Elements of each slot.
    pub slots: Vec<usize>,
}

impl<T> Plan<T> {
    /// Gives each buffer a slot: buffers that live at the same time have different ones, a result keeps its own.
    pub fn assign_slots(&mut self) {
        let count = self.lengths.len();
        let mut last = vec![0; count];
        for (i, step) in self.steps.iter().enumerate() {
            for b in &step.outputs {
                last[*b] = i;
            }
            for v in &step.inputs {
                if let Place::Buffer(b) = v.place {
                    last[b] = i;
                }
            }
        }
        let mut pinned = vec![false; count];
        for &b in &self.results {
            pinned[b] = true;
        }
        self.slot_of = vec![usize::MAX; count];
        self.slots.clear();
        let mut free: Vec<usize> = Vec::new();
        for i in 0..self.steps.len() {
            for &b in &self.steps[i].outputs {
                let need = self.lengths[b];
                // The smallest free slot that is large enough, else the largest there is, which grows.
                let fitting =
                    free.iter().copied().filter(|&s| self.slots[s] >= need).min_by_key(|&s| (self.slots[s], s));
                let reuse = fitting.or_else(|| free.iter().copied().max_by_key(|&s| (self.slots[s], s)));
                let slot = match reuse {
                    Some(s) if !pinned[b] => {
                        free.retain(|&f| f != s);
                        self.slots[s] = self.slots[s].max(need);
                        s
                    }
                    _ => {
                        self.slots.push(need);
                        self.slots.len() - 1
                    }
                };
                self.slot_of[b] = slot;
            }
            let step = &self.steps[i];
            let read = step.inputs.iter().filter_map(|v| if let Place::Buffer(b) = v.place { Some(b) } else { None });
            let mut done: Vec<usize> = read.chain(step.outputs.iter().copied()).collect();
            done.sort_unstable();
            done.dedup();
            free.extend(done.into_iter().filter(|&b| last[b] == i && !pinned[b]).map(|b| self.slot_of[b]));
        }
    }
}
