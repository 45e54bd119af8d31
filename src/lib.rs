#![warn(missing_docs)]
//! A compiler and runtime for graphical models, neural networks and every mixture of the two.

pub mod base;
pub mod diag;
pub mod syntax;
