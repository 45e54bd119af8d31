//! What must hold of any bytes given as a program: diagnostics with places inside the text, never a panic; and what reads
//! without a complaint reads back from its printed form to the same tree.

use ghmc::base::span::{FileId, Sources};
use ghmc::diag::{Diagnostic, Problems, Style, render_all, to_json};
use ghmc::syntax::{ast, format, parse, parse_question, print};
use serde_json::Value;

/// Panics where the reader or the printer breaks a promise on these bytes.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    ask(text);
    let Some(tree) = read(text) else { return };
    let plain = content(&tree);
    for printed in [print(&tree), format(&tree, text)] {
        match read(&printed) {
            Some(again) => assert_eq!(plain, content(&again), "printed, it reads as another program:\n{printed}"),
            None => panic!("printed, it no longer reads:\n{printed}"),
        }
    }
    let once = format(&tree, text);
    let again = read(&once).expect("it was read a moment ago");
    assert_eq!(once, format(&again, &once), "the layout is not settled after one pass");
    assert_eq!(tree.comments.len(), again.comments.len(), "a comment is lost:\n{once}");
}

/// The tree of a text without complaints; each complaint must be presentable.
fn read(text: &str) -> Option<ast::File> {
    let mut sources = Sources::default();
    let file = sources.add("fuzz.ghm", text);
    let mut problems = Problems::new();
    let tree = parse(&sources, file, &mut problems);
    present(&sources, file, problems).is_empty().then_some(tree)
}

/// The same for a single question.
fn ask(text: &str) {
    let mut sources = Sources::default();
    let file = sources.add("question", text);
    let mut problems = Problems::new();
    let question = parse_question(&sources, file, &mut problems);
    let silent = present(&sources, file, problems).is_empty();
    assert!(question.is_some() || !silent, "a question is refused without a word");
}

/// The complaints, each shown to be presentable: its places lie in the text, and it can be drawn and sent.
pub fn present(sources: &Sources, file: FileId, problems: Problems) -> Vec<Diagnostic> {
    let text = &sources.file(file).text;
    let (list, left_out) = problems.sorted();
    for label in list.iter().flat_map(|d: &Diagnostic| &d.labels) {
        let (start, end) = (label.span.start as usize, label.span.end as usize);
        assert!(start <= end && text.get(start..end).is_some(), "{:?} is no place in the text", label.span);
    }
    let drawn = render_all(&list, left_out, sources, Style::PLAIN);
    assert_eq!(drawn.is_empty(), list.is_empty(), "what is told to an editor is told to a reader");
    for diagnostic in &list {
        let value = to_json(diagnostic, sources);
        assert_eq!(value["code"], diagnostic.code.number());
    }
    list
}

/// The tree as plain data, without places and comments.
fn content(tree: &ast::File) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for key in ["span", "comments", "file"] {
                    map.remove(key);
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(tree).expect("a tree is plain data");
    strip(&mut value);
    value
}
