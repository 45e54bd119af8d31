//! From text to syntax tree and back. Comes in: a source file; goes out: `ast::File` and diagnostics E01xx, and from a tree the one layout.

pub mod ast;
mod format;
mod habits;
mod parser;
pub mod rewrite;
mod scan;
mod trouble;

pub use format::{expr as print_expr, format, print};
pub use parser::{parse, parse_question};

pub use scan::{MAX_BYTES, MAX_NESTING};

/// Whether two trees say the same: all but places and comments.
pub fn same(a: &ast::File, b: &ast::File) -> bool {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                for key in ["span", "comments", "file"] {
                    map.remove(key);
                }
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let content = |tree: &ast::File| {
        serde_json::to_value(tree).map(|mut v| {
            strip(&mut v);
            v
        })
    };
    matches!((content(a), content(b)), (Ok(a), Ok(b)) if a == b)
}
