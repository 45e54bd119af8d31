//! What fuzzing once found stays found: the inputs in `fuzz/regressions/` go through the same checks as in fuzzing, on any
//! compiler; and ten thousand mutants of the programs in `models/` and `tests/programs/` each end in a plan or in diagnostics.

use std::fs;
use std::panic::catch_unwind;

use ghmc::base::stream::Stream;

use super::house::{files, relative, root};

#[path = "../../fuzz/checks/checkpoint.rs"]
mod checkpoint;
#[path = "../../fuzz/checks/compile.rs"]
mod compile;
#[path = "../../fuzz/checks/format.rs"]
mod format;
#[path = "../../fuzz/checks/parse.rs"]
mod parse;
#[path = "../../fuzz/checks/readers.rs"]
pub(crate) mod readers;

/// Mutants of each program: ten thousand come of all of them.
const MUTANTS: u32 = 175;

fn replay(target: &str, check: fn(&[u8])) {
    let inputs = files(&root().join("fuzz/regressions").join(target));
    assert!(!inputs.is_empty(), "no inputs for {target}");
    let fails = |bytes: &[u8]| catch_unwind(|| check(bytes)).is_err();
    let failing = inputs.iter().filter(|path| fails(&fs::read(path).expect("a readable input")));
    let names: Vec<String> = failing.map(|path| relative(path)).collect();
    assert!(names.is_empty(), "these fail again:\n{}", names.join("\n"));
}

#[test]
fn programs_are_read() {
    replay("parse", parse::check);
}

#[test]
fn programs_are_compiled() {
    replay("compile", compile::check);
}

#[test]
fn checkpoints_are_loaded() {
    replay("checkpoint", checkpoint::check);
}

#[test]
fn data_are_loaded() {
    replay("readers", readers::check);
}

#[test]
fn programs_are_laid_out() {
    replay("format", format::check);
}

/// A program with one to four slips in it: pieces left out, doubled, exchanged, taken from elsewhere, or cut off.
fn mutant(pieces: &[String], random: &mut Stream) -> String {
    const STRANGE: [&str; 16] =
        ["(", ")", "{", "}", "[", "]", "\"", "#", "~", "++", "1e999", "-0", "if", "é", "\u{0}", "\n"];
    let mut list = pieces.to_vec();
    for _ in 0..=random.below(4) {
        let mut place = || random.below(list.len() as u32) as usize;
        let (a, b) = (place(), place());
        match random.below(7) {
            0 => drop(list.remove(a)),
            1 => list.insert(a, list[b].clone()),
            2 => list.swap(a, b),
            3 => list[a] = list[b].clone(),
            4 => list[a] = STRANGE[random.below(STRANGE.len() as u32) as usize].into(),
            5 => drop(list.drain(a.min(b)..a.max(b))),
            _ => list[a] = list[a].chars().rev().collect(),
        }
        if list.is_empty() {
            break;
        }
    }
    list.concat()
}

#[test]
fn mutants_are_compiled_or_refused() {
    let all = [files(&root().join("models")), files(&root().join("tests/programs"))].concat();
    let models = all.into_iter().filter(|p| p.extension().is_some_and(|e| e == "ghm"));
    let check = |bytes: &[u8]| {
        parse::check(bytes);
        compile::check(bytes);
    };
    let fails = |text: &str| catch_unwind(|| check(text.as_bytes())).is_err();
    let mut failing = Vec::new();
    let mut seen = 0;
    for (number, path) in models.enumerate() {
        let text = fs::read_to_string(&path).expect("a readable program");
        assert!(!fails(&text), "{} itself fails", relative(&path));
        let pieces = format::pieces(&text);
        for row in 0..MUTANTS {
            let mutant = mutant(&pieces, &mut Stream::new(2006, number as u32, 0, row));
            seen += 1;
            if fails(&mutant) {
                failing.push(format!("---- {} mutant {row} ----\n{mutant}", relative(&path)));
            }
        }
    }
    assert!(seen >= 10_000, "only {seen} mutants");
    assert!(failing.is_empty(), "{} of {seen} fail, the first:\n{}", failing.len(), failing[0]);
}
