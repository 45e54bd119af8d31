//! The integration tests, in one binary.

mod syntax;
mod tensor;
