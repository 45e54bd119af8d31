//! The integration tests, in one binary.

mod approximate;
mod cli;
mod data;
mod drawing;
mod editors;
mod engines;
mod expanded;
mod first_model;
mod hostile;
mod house;
mod layering;
mod library;
mod models;
mod network;
mod oracle;
mod pages;
mod regressions;
mod sema;
mod shows;
mod syntax;
mod tables;
mod tensor;
mod tidy;
