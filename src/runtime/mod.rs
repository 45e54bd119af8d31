//! Running tensor programs: compiled for one number type ([`program`]), or by the slow and obvious twin ([`naive`]).
//!
//! `lower` turns a graph into a `plan` of steps over buffers, `executor` runs the plan. Parallelism is that of the rayon pool
//! the caller stands in; results have the same bits on any number of threads.

mod chains;
pub mod errors;
mod executor;
mod lower;
pub mod naive;
mod plan;
pub mod program;
pub mod states;
mod tables;

pub use crate::kernel::real::Real;
pub use errors::{CompileError, RunError};
pub use naive::{Tensor, interpret};
pub use program::{Cost, Options, Program};
pub use states::States;

/// The randomness key of one run: with equal keys, equal draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Context {
    /// The seed of the whole computation.
    pub seed: u64,
    /// The number of this run within it.
    pub step: u64,
}
