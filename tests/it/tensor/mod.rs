//! Tensor programs: derivatives against differences, the compiled executor against the naive one, random numbers.

mod algebra;
mod chains;
mod compiled;
mod differences;
mod gradients;
mod loops;
mod tables;
mod threads;
