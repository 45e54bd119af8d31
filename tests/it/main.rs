//! The integration tests, in one binary.

mod data;
mod engines;
mod oracle;
mod sema;
mod syntax;
mod tensor;
