//! Training: what goes on around the steps of an engine.

pub mod checkpoint;
