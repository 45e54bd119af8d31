//! The programs of `models/` are laid out in the one layout, and compile without a word.

use std::fs;

use ghmc::base::span::Sources;
use ghmc::data::Locations;
use ghmc::diag::{Problems, Style, render_all};
use ghmc::pipeline::{Settings, Workspace};
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

/// Files named in a program lie beside it; named sets in the folder that `GHM_DATA` names.
fn settings(path: &str) -> Settings {
    let base = root().join(path).parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    let data = std::env::var_os("GHM_DATA").map(std::path::PathBuf::from);
    Settings { locations: Locations { root: data, base, ..Locations::default() }, ..Settings::default() }
}

/// Programs that say more than this version reads: each passes once it does, and then leaves this list.
const NOT_READ: [&str; 4] =
    ["models/dcim_cnn.ghm", "models/documents.ghm", "models/speech/words.ghm", "models/text/documents.ghm"];

#[test]
fn models_check_without_a_word() {
    let mut wrong = String::new();
    for (path, text) in programs() {
        if path.matches('/').count() > 1 && std::env::var_os("GHM_DATA").is_none() {
            eprintln!("skipped {path}: its data lie where GHM_DATA says, and it says nothing");
            continue;
        }
        let (workspace, file) = Workspace::of_text(&path, &text, settings(&path));
        let mut problems = Problems::new();
        let tree = workspace.parse(file, &mut problems);
        if let Some(program) = workspace.check(&tree, &mut problems) {
            workspace.plan(&program, &mut problems);
        }
        let (list, left_out) = problems.sorted();
        let listed = NOT_READ.contains(&path.as_str());
        if list.is_empty() == listed {
            wrong += &format!("{path} {}\n", if listed { "is read now: take it off the list" } else { "" });
            wrong += &render_all(&list, left_out, &workspace.sources, Style::PLAIN);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
