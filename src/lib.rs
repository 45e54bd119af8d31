//! A compiler and runtime for graphical models, neural networks and every mixture of the two.
//!
#![doc = include_str!("../ARCHITECTURE.md")]
#![warn(missing_docs)]

pub mod base;
pub mod diag;
// The left bank: what a model means.
pub mod analysis;
pub mod model;
pub mod plan;
pub mod sema;
pub mod syntax;
// The right bank: how numbers are made.
pub mod kernel;
pub mod runtime;
pub mod table;
pub mod tensor;
// The bridge.
pub mod dist;
pub mod engine;
// The doors.
pub mod data;
pub mod report;
pub mod train;

pub mod pipeline;
