//! The methods that build nodes. Each simplifies what it can see, so that a graph is kept small and a value that cannot depend on
//! another does not mention it.
//!
//! The algebra takes 0 · x = 0 and x − x = 0 for every x, also where x may be infinite: a derivative that vanishes by its
//! form leaves no trace. Repeated scalars are kept as a broadcast of a scalar constant, and broadcasts move outwards, so that work is done once
//! for each distinct number.

mod chains;
mod contract;
mod elementwise;
mod loops;
mod matrix;
mod reduce;
mod structure;
mod tables;

pub use chains::Chain;

use super::graph::{Graph, NodeId};
use super::op::{Law, Literal, Op, SiteId};
use super::shape::count;

/// Constants up to this many elements are computed with while the graph is built.
pub const FOLD_LIMIT: usize = 4096;

impl Graph {
    /// An array of these numbers, in row-major order.
    pub fn constant(&mut self, shape: &[usize], data: Vec<f64>) -> NodeId {
        if let Some((&first, rest)) = data.split_first()
            && !shape.is_empty()
            && data.len() == count(shape)
            && rest.iter().all(|v| v.to_bits() == first.to_bits())
        {
            return self.full(shape, first);
        }
        self.push(Op::Constant(Literal(data.into())), &[], shape)
    }

    /// One number.
    pub fn scalar(&mut self, v: f64) -> NodeId {
        self.push(Op::Constant(Literal([v].into())), &[], &[])
    }

    /// An array of one number.
    pub fn full(&mut self, shape: &[usize], v: f64) -> NodeId {
        let s = self.scalar(v);
        match shape.is_empty() {
            true => s,
            false => self.push(Op::Broadcast { map: Vec::new() }, &[s], shape),
        }
    }

    /// An array whose value is the index along `axis`.
    pub fn iota(&mut self, shape: &[usize], axis: usize) -> NodeId {
        if axis >= shape.len() {
            self.defect(format!("iota along {axis} of {shape:?}"));
            return self.full(shape, 0.0);
        }
        let line = self.push(Op::Iota { axis: 0 }, &[], &shape[axis..=axis]);
        self.broadcast(line, shape, &[axis])
    }

    /// Independent draws of a law. What is drawn depends on the run's seed and step, the site, the positions of the loops
    /// around it, the index along the first axis (the row) and the index within the rest: on nothing else.
    pub fn random(&mut self, law: Law, shape: &[usize], site: SiteId) -> NodeId {
        self.push(Op::Random { law, site }, &[], shape)
    }

    /// The same value, through which no derivative flows.
    pub fn stop_gradient(&mut self, a: NodeId) -> NodeId {
        match self.op(a) {
            Op::StopGradient | Op::Constant(_) | Op::Random { .. } | Op::Iota { .. } => a,
            Op::Broadcast { .. } if self.splat(a).is_some() => a,
            _ => self.push(Op::StopGradient, &[a], &[]),
        }
    }

    /// The same value as a node of its own, with respect to which a derivative can be taken.
    ///
    /// The builder's identities look through computed nodes (`y − (−x)` reads `x`), so that a result may not mention a node it
    /// was built from. What is built from an anchor does mention it; compiling removes anchors.
    pub fn anchor(&mut self, a: NodeId) -> NodeId {
        match self.op(a) {
            Op::Anchor | Op::Input(_) | Op::State(_) => a,
            _ => self.push(Op::Anchor, &[a], &[]),
        }
    }

    /// Zeros of a node's shape.
    pub fn zeros_like(&mut self, a: NodeId) -> NodeId {
        let shape = self.shape(a).to_vec();
        self.full(&shape, 0.0)
    }

    pub(super) fn is_splat(&self, n: NodeId, v: f64) -> bool {
        self.splat(n) == Some(v)
    }
}
