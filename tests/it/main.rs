//! The integration tests, in one binary.

mod sema;
mod syntax;
mod tensor;
