//! From text to syntax tree and back. Comes in: a source file; goes out: `ast::File` and diagnostics E01xx, and from a tree the one layout.

pub mod ast;
mod format;
mod parser;
mod scan;
mod trouble;

pub use format::{expr as print_expr, format, print};
pub use parser::{parse, parse_question};
pub use scan::{MAX_BYTES, MAX_NESTING};
