//! From plan to tensor programs: each engine turns a block of variables and their summands into nodes of one graph.
//!
//! `scope` evaluates a program's expressions with some variables given values, `recurrence` those that read their own past,
//! `conditional` the densities that they are arguments of, and `seen` holds what rows tell of variables that some rows lack. The
//! engines in `exact`, `gibbs`, `contrastive`, `annealed`, `variational` and `phases` build on it, and `objective`, `answer`, `draws`, `update` and
//! `expectation` put their pieces together into the programs that `train`
//! runs. No gradient is written by hand: every one is a derivative of a graph.

pub mod annealed;
pub mod answer;
mod conditional;
pub mod contrastive;
pub mod draws;
pub mod error;
pub mod exact;
pub mod expectation;
pub mod gibbs;
pub mod junction;
pub mod objective;
pub mod phases;
mod pseudo;
mod recurrence;
mod regression;
pub mod scope;
pub mod seen;
pub mod update;
pub mod variational;

pub use error::EmitError;
