//! Scratch.
#[path = "it/tensor/differences.rs"]
#[allow(dead_code)]
pub mod differences;
#[path = "it/tensor/tables.rs"]
pub mod tables;
