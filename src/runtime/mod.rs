//! Running tensor programs: compiled for one number type ([`executor`]), or by the slow and obvious twin ([`naive`]).

pub mod errors;
pub mod naive;
pub mod states;

pub use crate::kernel::real::Real;
pub use errors::RunError;
pub use naive::{Tensor, interpret};
pub use states::States;

/// The randomness key of one run: with equal keys, equal draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Context {
    /// The seed of the whole computation.
    pub seed: u64,
    /// The number of this run within it.
    pub step: u64,
}
