//! The integration tests, in one binary.

mod data;
mod engines;
mod oracle;
mod syntax;
mod tensor;
