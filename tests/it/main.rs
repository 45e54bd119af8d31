//! The integration tests, in one binary.

mod data;
mod oracle;
mod syntax;
mod tensor;
