//! Pure functions on slices of numbers: the arithmetic that everything above is made of. No graph, no names, no input or output.
//!
//! What may be `unsafe` in this crate lives here, behind entries that check their bounds. Every kernel gives the same bits
//! whatever the number of threads: work is split by size alone, and every sum has a fixed order.

pub mod bits;
pub mod chain;
pub mod contract;
pub mod factor;
pub mod gemm;
pub mod lines;
pub mod math;
mod micro;
pub mod random;
pub mod real;
pub mod reduce;
pub mod scalar;
mod simd;
pub mod special;
pub mod strided;
pub mod tape;
