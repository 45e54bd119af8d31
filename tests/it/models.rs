//! The programs of `models/` are laid out in the one layout, and compile without a word.

use std::fs;

use ghmc::base::span::Sources;
use ghmc::diag::{Problems, Style, render_all};
use ghmc::pipeline::{Compiled, Settings};
use ghmc::syntax::{format, parse};

use super::house::{files, relative, root};

/// Every program with its path.
fn programs() -> Vec<(String, String)> {
    let paths = files(&root().join("models")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "ghm"));
    let list: Vec<_> = paths.map(|p| (relative(&p), fs::read_to_string(&p).expect("a readable program"))).collect();
    assert!(!list.is_empty(), "there are no programs");
    list
}

#[test]
fn models_are_laid_out() {
    for (path, text) in programs() {
        let mut sources = Sources::default();
        let file = sources.add(path.as_str(), text.as_str());
        let tree = parse(&sources, file, &mut Problems::new());
        assert_eq!(format(&tree, &text), text, "{path}: run `ghmc fmt` on it");
    }
}

#[test]
fn models_compile_without_a_word() {
    for (path, text) in programs() {
        let compiled = Compiled::of_text(&path, &text, Settings::default()).unwrap_or_else(|failed| panic!("{failed}"));
        let (list, left_out) = compiled.warnings().sorted();
        assert!(list.is_empty(), "{}", render_all(&list, left_out, compiled.sources(), Style::PLAIN));
    }
}
