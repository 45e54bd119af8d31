//! What must hold of any bytes given as a program, beyond its reading: checking and planning end in a plan or in diagnostics
//! with places inside the text, never a panic; a program without a meaning has at least one error. No data is read.

use ghmc::base::span::Sources;
use ghmc::diag::{Diagnostic, Problems};
use ghmc::plan::choose_plan;
use ghmc::sema::{self, Input};
use ghmc::syntax::parse;

use super::parse::present;

/// Panics where checking or planning breaks a promise on these bytes.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut sources = Sources::default();
    let file = sources.add("fuzz.ghm", text);
    let mut problems = Problems::new();
    let tree = parse(&sources, file, &mut problems);
    let program = sema::check(&tree, &Input::default(), &mut problems);
    if let Some(program) = &program {
        choose_plan(program, &mut problems);
    }
    let list = present(&sources, file, problems);
    assert!(program.is_some() || list.iter().any(Diagnostic::is_error), "a program is refused without a word");
}
