//! Reading, printing and reading again gives the same tree, and printing is a fixed point.

use ghmc::base::span::Sources;
use ghmc::diag::{Problems, Style, render_all};
use ghmc::syntax::{ast, format, parse, print};
use serde_json::Value;

/// Every sketch of the language.
pub const SKETCHES: [(&str, &str); 13] = [
    ("sprinkler", include_str!("sketches/sprinkler.ghm")),
    ("words", include_str!("sketches/words.ghm")),
    ("phones", include_str!("sketches/phones.ghm")),
    ("chunker", include_str!("sketches/chunker.ghm")),
    ("denoise", include_str!("sketches/denoise.ghm")),
    ("dbn", include_str!("sketches/dbn.ghm")),
    ("m2", include_str!("sketches/m2.ghm")),
    ("svae", include_str!("sketches/svae.ghm")),
    ("documents", include_str!("sketches/documents.ghm")),
    ("sentences", include_str!("sketches/sentences.ghm")),
    ("infogan", include_str!("sketches/infogan.ghm")),
    ("dcim", include_str!("sketches/dcim.ghm")),
    ("truth", include_str!("sketches/truth.ghm")),
];

fn read(name: &str, text: &str) -> Result<ast::File, String> {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let mut problems = Problems::new();
    let tree = parse(&sources, file, &mut problems);
    let (list, left_out) = problems.sorted();
    if list.is_empty() { Ok(tree) } else { Err(render_all(&list, left_out, &sources, Style::PLAIN)) }
}

/// The tree without places and comments, and with the author's parentheses taken away where `bare`.
fn content(tree: &ast::File, bare: bool) -> Value {
    fn strip(value: &mut Value, bare: bool) {
        match value {
            Value::Object(map) => {
                for key in ["span", "comments", "file"] {
                    map.remove(key);
                }
                map.values_mut().for_each(|v| strip(v, bare));
                if bare {
                    while let Some(inner) = map.get("kind").and_then(|k| k.get("Group")).cloned() {
                        let Value::Object(inner) = inner else { break };
                        *map = inner;
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|v| strip(v, bare)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(tree).expect("a tree is plain data");
    strip(&mut value, bare);
    value
}

#[test]
fn every_sketch_survives_printing() {
    for (name, text) in SKETCHES {
        let tree = read(name, text).unwrap_or_else(|e| panic!("{e}"));
        assert!(!tree.items.is_empty());
        for printed in [format(&tree, text), print(&tree)] {
            let again = read(name, &printed).unwrap_or_else(|e| panic!("{printed}\n{e}"));
            assert_eq!(content(&tree, false), content(&again, false), "{name}:\n{printed}");
        }
        let once = format(&tree, text);
        let again = read(name, &once).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(once, format(&again, &once), "{name} is not settled after one pass");
        assert_eq!(tree.comments.len(), again.comments.len(), "{name} lost a comment:\n{once}");
    }
}
