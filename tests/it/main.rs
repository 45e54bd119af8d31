//! The integration tests, in one binary.

mod cli;
mod data;
mod drawing;
mod editors;
mod engines;
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
