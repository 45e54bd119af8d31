//! Imports go one way: from a room only to rooms of smaller rank, and never between the two banks.

use super::house::{Token, flat, sources, tokens};

/// On which side of the water a room lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bank {
    /// What a model means.
    Left,
    /// How numbers are made.
    Right,
    /// Below, between or above them.
    Neither,
}

/// Every room with its rank and its bank. ARCHITECTURE.md explains the order.
const ROOMS: [(&str, u32, Bank); 20] = [
    ("base", 0, Bank::Neither),
    ("diag", 1, Bank::Neither),
    ("syntax", 2, Bank::Left),
    ("model", 3, Bank::Left),
    ("sema", 4, Bank::Left),
    ("analysis", 5, Bank::Left),
    ("plan", 6, Bank::Left),
    ("kernel", 2, Bank::Right),
    ("tensor", 3, Bank::Right),
    ("table", 3, Bank::Right),
    ("runtime", 4, Bank::Right),
    ("dist", 7, Bank::Neither),
    ("layer", 7, Bank::Neither),
    ("engine", 8, Bank::Neither),
    ("data", 9, Bank::Neither),
    ("report", 9, Bank::Neither),
    ("train", 10, Bank::Neither),
    ("pipeline", 11, Bank::Neither),
    ("cli", 12, Bank::Neither),
    ("main", 13, Bank::Neither),
];

fn room(name: &str) -> Option<(u32, Bank)> {
    ROOMS.iter().find(|(n, ..)| *n == name).map(|&(_, rank, bank)| (rank, bank))
}

/// What a file may not import, a sentence each. `path` is the file's, `text` what stands in it.
fn violations(path: &str, text: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").and_then(|p| p.strip_suffix(".rs")).expect("a source file");
    let own = inner.split('/').next().expect("a first part");
    if own == "lib" {
        // The crate's root names its rooms and does nothing else.
        return Vec::new();
    }
    let Some((rank, bank)) = room(own) else {
        return vec![format!("{path}: the room `{own}` has no rank; give it one in tests/it/layering.rs")];
    };
    let depth = inner.strip_suffix("/mod").unwrap_or(inner).split('/').count();
    let mut found = Vec::new();
    for (line, to) in imports(&flat(tokens(text)), depth, own == "main") {
        if to == own {
            continue;
        }
        let complaint = match room(&to) {
            None => format!("`{to}` is no room"),
            Some((_, other)) if bank != Bank::Neither && other != Bank::Neither && other != bank => {
                format!("`{own}` and `{to}` lie on different banks")
            }
            Some((to_rank, _)) if to_rank >= rank => {
                format!("`{own}` (rank {rank}) may not import from `{to}` (rank {to_rank})")
            }
            Some(_) => continue,
        };
        found.push(format!("{path}:{line}: {complaint}"));
    }
    found
}

/// The rooms that a file names, with the line: whatever follows on `crate::`, on enough `super::` to leave the room, and in
/// the program's root on the library's name. `depth` is how many modules deep the file lies.
fn imports(tokens: &[Token], depth: usize, program: bool) -> Vec<(usize, String)> {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
    let colons = |at: usize| text(at) == ":" && text(at + 1) == ":";
    let mut found = Vec::new();
    // Inline modules (`mod tests { .. }`) lie deeper; each entry is the bracket depth at which one ends.
    let mut inline: Vec<usize> = Vec::new();
    let mut brackets = 0;
    for at in 0..tokens.len() {
        match text(at) {
            "{" | "(" | "[" => {
                if text(at) == "{" && at >= 2 && text(at - 2) == "mod" {
                    inline.push(brackets);
                }
                brackets += 1;
            }
            "}" | ")" | "]" => {
                brackets -= 1;
                inline.pop_if(|end| *end == brackets);
            }
            "crate" if colons(at + 1) => named(tokens, at + 3, &mut found),
            "ghmc" if program && colons(at + 1) => named(tokens, at + 3, &mut found),
            "super" if at < 3 || !(colons(at - 2) && text(at - 3) == "super") => {
                let (mut ups, mut next) = (1, at + 1);
                while colons(next) && text(next + 2) == "super" {
                    (ups, next) = (ups + 1, next + 3);
                }
                if ups >= depth + inline.len() && colons(next) {
                    named(tokens, next + 2, &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

/// The first names of the path or of the braced list of paths that begins at `at`; exported macros lie in no room.
fn named(tokens: &[Token], at: usize, found: &mut Vec<(usize, String)>) {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
    if text(at) != "{" {
        if text(at + 1) != "!" {
            found.extend(tokens.get(at).map(|t| (t.line, t.text.clone())));
        }
        return;
    }
    let (mut depth, mut first) = (0, true);
    for token in &tokens[at..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => first = true,
            name if depth == 1 && first => {
                found.push((token.line, name.to_string()));
                first = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

#[test]
fn imports_go_one_way() {
    let found: Vec<String> = sources().iter().flat_map(|s| violations(&s.path, &s.text)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn violations_are_found_wherever_they_hide() {
    let refused = |path: &str, text: &str, word: &str| {
        let found = violations(path, text);
        assert!(found.len() == 1 && found[0].contains(word), "{path}: {text}: {found:?}");
    };
    refused("src/sema/types.rs", "use crate::analysis::Situation;", "`sema` (rank 4) may not import from `analysis`");
    refused("src/data/csv.rs", "use crate::report::Table;", "rank 9");
    refused("src/plan/choose.rs", "use crate::tensor::graph::Graph;", "banks");
    refused("src/runtime/naive.rs", "fn f() -> crate::model::Program { todo() }", "banks");
    refused("src/base/id.rs", "use crate::{base::span::Span, diag::{Code, Label}};", "`diag`");
    refused("src/model/walk.rs", "use super::super::plan::Plan;", "`plan`");
    refused("src/model/mod.rs", "use super::plan::Plan;", "`plan`");
    refused("src/model/mod.rs", "mod tests { use super::super::plan::Plan; }", "`plan`");
    refused("src/tensor/op.rs", "fn f() { vec![crate::engine::NAME] }", "`engine`");
    refused("src/base/id.rs", "macro_rules! m { () => { $crate::model::VarId } }", "`model`");
    refused("src/main.rs", "use ghmc::somewhere::main;", "no room");
    refused("src/garage/mod.rs", "", "no rank");
}

#[test]
fn what_is_allowed_passes() {
    for (path, text) in [
        ("src/sema/types.rs", "use crate::{base::id::Id, diag, model::Type, sema::scope, syntax::ast::{self, Expr}};"),
        (
            "src/engine/exact/mod.rs",
            "use crate::{plan::Plan, tensor::graph::Graph, dist::Value}; use super::scope::Scope;",
        ),
        ("src/model/mod.rs", "mod tests { use super::*; use super::axis::Axis; }"),
        ("src/base/id.rs", "// use crate::plan::Plan;\nconst TEXT: &str = \"crate::plan\"; /* crate::plan::Plan */"),
        ("src/model/axis.rs", "crate::ids!(AxisId); use std::collections::BTreeMap;"),
        ("src/train/mod.rs", "use crate::{data::Table, report::Figure};"),
        ("src/main.rs", "fn main() -> std::process::ExitCode { ghmc::cli::main() }"),
    ] {
        assert_eq!(violations(path, text), Vec::<String>::new());
    }
}
