//! Facts about a model's log-density, read off its sparsity and its form. Nothing here changes the model.
//!
//! A `Situation` says which variables are fixed; `find_components` splits what is left into blocks that do not touch,
//! and `Component` carries what engines ask about: plates it repeats over, how many joint states it has, whether it is
//! a chain, which variables can be summed in closed form. Reasons for a "no" are values that name a place.

mod chain;
mod coupling;
mod degree;
mod parts;
mod quadratic;
mod situation;

pub use chain::{ChainFact, find_chain};
pub use coupling::{Apart, Coupling, check_conditional, find_colours, find_coupling};
pub use degree::{Degree, find_degree, find_factor_degree};
pub use parts::{Parts, find_parts};
pub use quadratic::find_quadratic;
pub use situation::{
    Component, NOTHING, Piece, Reason, Situation, find_components, find_determined, find_loose, find_pieces,
};
