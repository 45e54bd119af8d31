//! The integration tests, in one binary.

mod data;
mod oracle;
mod sema;
mod syntax;
mod tensor;
