#![warn(missing_docs)]
//! A compiler and runtime for graphical models, neural networks and every mixture of the two.

pub mod base;
pub mod data;
pub mod report;
pub mod train;
