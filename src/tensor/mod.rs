//! Tensor programs as values: a graph of operations over arrays of static shape, its algebra, its derivatives, its checks and its print.
//!
//! A [`graph::Graph`] is built through methods that simplify as they go (`build/`), differentiated as a graph (`grad/`), checked
//! (`verify`), printed (`print`) and rewritten (`rewrite`, `passes/`). It knows no number type: programs are compiled for one in `runtime`.

pub mod build;
pub mod grad;
pub mod graph;
pub mod op;
pub mod passes;
pub mod print;
pub mod rewrite;
pub mod shape;
pub mod verify;
