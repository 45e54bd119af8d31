//! What must hold of any bytes given as a program, beyond its reading: checking and planning end in a plan or in diagnostics
//! with places inside the text, never a panic. No data is read.

use ghmc::base::span::Sources;
use ghmc::diag::Problems;
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
    present(&sources, file, problems);
}
