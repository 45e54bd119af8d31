//! The rules of the planner, a file a method. Each reads facts and answers with a claim or a refusal; none computes.

pub mod annealed;
pub mod beyond;
pub mod contrastive;
pub mod em;
pub mod field;
pub mod gaussian;
pub mod junction;
pub mod layer;
pub mod loglik;
pub mod order;
pub mod partition;
pub mod phases;
pub mod regression;
pub mod sweep;
pub mod variational;
