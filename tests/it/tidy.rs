//! The house rules that a program can check. Each rule is a function from a file to complaints, and is itself tried on a file that breaks it.

use std::collections::BTreeSet;
use std::fs;

use ghmc::diag::Code;

use super::house::{Source, Token, files, flat, occurrences, relative, root, sources, tokens};

/// A file of more lines than this is two files.
const MOST_LINES: usize = 900;

/// Rooms that may touch the disk.
const DISK: [&str; 4] = ["data", "report", "train", "cli"];

/// File names in `models/` and `stdlib/` that are English words; code must be free to use those.
const ORDINARY: [&str; 8] =
    ["adversarial", "divergences", "documents", "missing", "mutual_info", "sentences", "tied", "words"];

/// Words that belong on a note pad or to one person's machine.
const NOTE_PAD: [&str; 11] =
    ["TODO", "FIXME", "XXX", "WIP", "helper", "sitting", "farm-", "/work/", "/home/", "/root/", "artifactory"];

fn complain(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// What one rule says of all sources.
fn hold(rule: impl Fn(&Source) -> Vec<String>) {
    complain(sources().iter().flat_map(rule).collect());
}

fn breaks(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) {
    let source = Source { path: path.into(), text: text.into() };
    assert_eq!(rule(&source).len(), 1, "{path}: {text}");
}

fn keeps(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) {
    let source = Source { path: path.into(), text: text.into() };
    assert_eq!(rule(&source), Vec::<String>::new());
}

/// The room a source belongs to.
fn room(path: &str) -> &str {
    path.trim_start_matches("src/").split('/').next().expect("a first part").trim_end_matches(".rs")
}

/// A file says at its top what it is.
fn opening(source: &Source) -> Vec<String> {
    match source.text.starts_with("//! ") {
        true => Vec::new(),
        false => vec![format!("{}: does not open with `//!`", source.path)],
    }
}

#[test]
fn every_file_says_what_it_is() {
    breaks(opening, "src/plan/x.rs", "// Plans.\n");
    keeps(opening, "src/plan/x.rs", "//! Plans.\n");
    hold(opening);
}

fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    (lines > MOST_LINES)
        .then(|| format!("{}: {lines} lines, more than {MOST_LINES}", source.path))
        .into_iter()
        .collect()
}

#[test]
fn no_file_is_too_long() {
    breaks(length, "src/plan/x.rs", &"\n".repeat(MOST_LINES + 1));
    keeps(length, "src/plan/x.rs", &"\n".repeat(MOST_LINES));
    hold(length);
}

/// Runs of tokens that may not stand in a room, and why.
fn forbidden(source: &Source) -> Vec<String> {
    let tokens = flat(tokens(&source.text));
    let room = room(&source.path);
    let mut found = Vec::new();
    let mut forbid = |wanted: &[&str], why: &str| {
        for token in occurrences(&tokens, wanted) {
            found.push(format!("{}:{}: `{}` {why}", source.path, token.line, wanted.concat()));
        }
    };
    for name in ["todo", "unimplemented", "dbg"] {
        forbid(&[name, "!"], "is not finished work");
    }
    if !["cli", "main"].contains(&room) {
        for name in ["print", "println", "eprint", "eprintln"] {
            forbid(&[name, "!"], "outside `cli`: a room hands text on, it does not print");
        }
    }
    if room != "kernel" {
        forbid(&["unsafe"], "outside `kernel`");
    }
    if !DISK.contains(&room) {
        forbid(&["std", ":", ":", "fs"], "in a room that may not touch the disk");
        forbid(&["File", ":", ":"], "in a room that may not touch the disk");
        forbid(&["tempfile", ":", ":"], "in a room that may not touch the disk");
    }
    found
}

#[test]
fn nothing_stands_where_it_may_not() {
    breaks(forbidden, "src/data/x.rs", "fn f() { todo!() }");
    breaks(forbidden, "src/data/x.rs", "fn f() { println!() }");
    breaks(forbidden, "src/data/x.rs", "fn f() { vec![unsafe { g() }] }");
    breaks(forbidden, "src/plan/x.rs", "use std::fs;");
    keeps(forbidden, "src/data/x.rs", "use std::fs; /* unsafe */ const S: &str = \"println!\";");
    keeps(forbidden, "src/cli/x.rs", "fn f() { println!() }");
    keeps(forbidden, "src/kernel/x.rs", "unsafe fn f() {}");
    hold(forbidden);
}

/// The paths of the files that `mod name;` in this file can mean.
fn children(path: &str, tokens: &[Token]) -> Vec<[String; 2]> {
    let (folder, name) = path.rsplit_once('/').expect("a file in a folder");
    let stem = name.trim_end_matches(".rs");
    let below = if ["mod", "lib", "main"].contains(&stem) { folder.to_string() } else { format!("{folder}/{stem}") };
    let declared = tokens.windows(3).filter(|w| w[0].text == "mod" && w[2].text == ";");
    declared.map(|w| [format!("{below}/{}.rs", w[1].text), format!("{below}/{}/mod.rs", w[1].text)]).collect()
}

#[test]
fn every_file_is_part_of_the_crate() {
    let all = sources();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec!["src/lib.rs".to_string(), "src/main.rs".to_string()];
    while let Some(path) = open.pop() {
        let Some(source) = all.iter().find(|s| s.path == path) else { continue };
        if reached.insert(&source.path) {
            open.extend(children(&source.path, &flat(tokens(&source.text))).into_iter().flatten());
        }
    }
    let left: Vec<_> = all.iter().filter(|s| !reached.contains(s.path.as_str())).collect();
    complain(left.iter().map(|s| format!("{}: no `mod` leads to it", s.path)).collect());
    assert_eq!(children("src/a/b.rs", &flat(tokens("mod c; mod d {}"))), [["src/a/b/c.rs", "src/a/b/c/mod.rs"]]);
}

/// The words of a text, in lower case: letters, digits and `_`.
fn words(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_lowercase)
}

/// Where a text has one of these words, comments included.
fn wording(source: &Source, names: &BTreeSet<String>) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    let hits = lines.flat_map(|(at, line)| words(line).filter(|w| names.contains(w)).map(move |w| (at + 1, w)));
    hits.map(|(line, word)| format!("{}:{line}: `{word}` is a file's name: no room knows a model", source.path))
        .collect()
}

#[test]
fn no_room_knows_a_model_by_name() {
    let folders = ["models", "stdlib"].map(|f| root().join(f)).into_iter().filter(|f| f.is_dir());
    let programs = folders.flat_map(|f| files(&f)).filter(|p| p.extension().is_some_and(|e| e == "ghm"));
    let names: BTreeSet<String> = programs
        .map(|p| p.file_stem().expect("a name").to_string_lossy().to_lowercase())
        .filter(|name| !ORDINARY.contains(&name.as_str()))
        .collect();
    assert!(!names.is_empty(), "there are no models");
    let one = BTreeSet::from(["rbm".to_string()]);
    breaks(|s| wording(s, &one), "src/plan/x.rs", "// An RBM's sampler.");
    keeps(|s| wording(s, &one), "src/plan/x.rs", "fn harbm() {}");
    hold(|s| wording(s, &names));
}

#[test]
fn every_code_has_its_page() {
    let pages: BTreeSet<String> = files(&root().join("docs/errors")).iter().map(|p| relative(p)).collect();
    let wanted: BTreeSet<String> = Code::ALL.iter().map(|c| format!("docs/errors/{}.md", c.number())).collect();
    complain(wanted.difference(&pages).map(|page| format!("{page} is not written")).collect());
    complain(pages.difference(&wanted).map(|page| format!("{page} is the page of no code")).collect());
}

#[test]
fn every_code_is_raised_somewhere() {
    let rooms = sources().into_iter().filter(|s| room(&s.path) != "diag");
    let tokens: Vec<Token> = rooms.flat_map(|s| flat(tokens(&s.text))).collect();
    let named: BTreeSet<&str> = tokens
        .windows(4)
        .filter(|w| w[0].text == "Code" && w[1].text == ":" && w[2].text == ":")
        .map(|w| w[3].text.as_str())
        .collect();
    let silent = Code::ALL.iter().filter(|c| !named.contains(format!("{c:?}").as_str()));
    complain(silent.map(|c| format!("nothing raises {} ({c:?})", c.number())).collect());
}

#[test]
fn every_code_in_use_is_in_the_table() {
    let is_code =
        |text: &str| text.len() == 5 && text.starts_with(['E', 'W']) && text[1..].bytes().all(|b| b.is_ascii_digit());
    let all = sources();
    let literals = all.iter().flat_map(|s| flat(tokens(&s.text))).map(|t| t.text.trim_matches('"').to_string());
    let strays: BTreeSet<String> = literals.filter(|t| is_code(t) && Code::find(t).is_none()).collect();
    complain(strays.into_iter().map(|code| format!("{code} is in use, but `diag::Code` lacks it")).collect());
}

/// Files that people read or build from: text, outside of what is built, fetched or ignored.
fn texts() -> Vec<Source> {
    let skip = ["target", ".git", "runs", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "tests/it/tidy.rs"];
    let mut list = Vec::new();
    let mut open = vec![root().to_path_buf()];
    while let Some(path) = open.pop() {
        if path != root() && skip.contains(&relative(&path).as_str()) {
            continue;
        }
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a readable folder").map(|e| e.expect("an entry").path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            list.push(Source { path: relative(&path), text });
        }
    }
    list
}

fn note_pad(source: &Source) -> Vec<String> {
    let begins = |line: &str, word: &str| {
        let mut from = 0;
        while let Some(at) = line[from..].find(word).map(|at| from + at) {
            if !line[..at].ends_with(|c: char| c.is_alphanumeric()) {
                return true;
            }
            from = at + word.len();
        }
        false
    };
    let lines = source.text.lines().enumerate();
    let hits = lines.flat_map(|(at, line)| NOTE_PAD.iter().filter(move |w| begins(line, w)).map(move |w| (at + 1, w)));
    hits.map(|(line, word)| format!("{}:{line}: `{word}`", source.path)).collect()
}

#[test]
fn nothing_speaks_of_unfinished_work_or_of_one_machine() {
    breaks(note_pad, "README.md", "See /home/me/notes.");
    keeps(note_pad, "README.md", "Babysitting is not work.");
    complain(texts().iter().flat_map(note_pad).collect());
}

/// The targets of a Markdown text's links, with their lines: `[text](target)`.
fn links(text: &str) -> Vec<(usize, &str)> {
    let of = |line: &'_ str| -> Vec<(usize, usize)> {
        let starts = line.match_indices("](").map(|(at, _)| at + 2);
        starts.filter_map(|from| Some((from, from + line[from..].find(')')?))).collect()
    };
    let lines = text.lines().enumerate();
    lines.flat_map(|(at, line)| of(line).into_iter().map(move |(from, to)| (at + 1, &line[from..to]))).collect()
}

/// Links to files that are not there.
fn broken_links(source: &Source) -> Vec<String> {
    let folder = root().join(&source.path).parent().expect("a folder").to_path_buf();
    let files = links(&source.text).into_iter().filter(|(_, to)| !to.starts_with('#') && !to.contains(':'));
    let broken = files.filter(|(_, to)| !folder.join(to.split('#').next().unwrap_or(to)).exists());
    broken.map(|(line, to)| format!("{}:{line}: nothing at `{to}`", source.path)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    breaks(broken_links, "docs/x.md", "[a](../README.md) [b](nowhere.md) [c](https://example.org) [d](#here)");
    let pages = texts().into_iter().filter(|s| s.path.ends_with(".md"));
    complain(pages.flat_map(|s| broken_links(&s)).collect());
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the architecture page");
    let rooms: BTreeSet<String> = sources().iter().map(|s| room(&s.path).to_string()).collect();
    let entry = |name: &str| ["/", ".rs"].iter().any(|end| map.contains(&format!("\n- `{name}{end}`: ")));
    let known = |name: &str| ["lib", "main"].contains(&name) || entry(name);
    complain(
        rooms.iter().filter(|r| !known(r)).map(|r| format!("ARCHITECTURE.md has no line `- `{r}/`: ..`")).collect(),
    );
}
