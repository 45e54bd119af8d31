//! The integration tests, in one binary.

mod cli;
mod data;
mod drawing;
mod engines;
mod hostile;
mod house;
mod layering;
mod models;
mod oracle;
mod pages;
mod regressions;
mod sema;
mod shows;
mod syntax;
mod tensor;
mod tidy;
