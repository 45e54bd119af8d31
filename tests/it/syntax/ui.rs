//! Bad programs: each annotated with the codes it must give, and its whole rendering kept beside it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use ghmc::base::span::{FileId, Sources};
use ghmc::data::Locations;
use ghmc::diag::{Code, Diagnostic, Problems, Style, render_all, to_json};
use ghmc::pipeline::{Compiled, Settings};
use ghmc::plan::choose_plan;
use ghmc::sema;
use ghmc::syntax::parse;
use serde_json::Value;

use crate::cli::program;
use crate::sema::corners::digits;

/// `#~ E0101` at the end of a line expects that code on that line; `#~^ E0101` on the line above it.
fn expectations(text: &str) -> Vec<(usize, String)> {
    let mut list = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for part in line.split("#~").skip(1) {
            let up = part.chars().take_while(|&c| c == '^').count();
            if let Some(code) = part[up..].split_whitespace().next() {
                list.push((index + 1 - up, code.to_string()));
            }
        }
    }
    list.sort();
    list
}

/// What is wrong with the object that an editor gets for a diagnostic: its places must be those that people are shown.
fn unfit(told: &Value, diagnostic: &Diagnostic, sources: &Sources) -> Option<String> {
    if told["code"] != diagnostic.code.number() || told["message"] != diagnostic.message.as_str() {
        return Some(format!("{told} is not about {}", diagnostic.message));
    }
    for (label, told) in diagnostic.labels.iter().zip(told["labels"].as_array()?) {
        let (line, column) = sources.file(label.span.file).line_column(label.span.start);
        let (end_line, end_column) = sources.file(label.span.file).line_column(label.span.end);
        let is = [label.span.start as usize, label.span.end as usize, line, column, end_line, end_column];
        let said = ["start", "end", "line", "column", "end_line", "end_column"].map(|key| told[key].as_u64());
        if said != is.map(|n| Some(n as u64)) || told["primary"] != label.primary {
            return Some(format!("{told} is not at {is:?}"));
        }
    }
    None
}

/// `ghmc check --format json` tells editors the same codes at the same places.
#[test]
fn editors_are_told_the_same() {
    for stage in ["syntax", "sema", "plan"] {
        for path in programs(stage) {
            let text = fs::read_to_string(&path).expect("a readable case");
            let output = Command::new(program())
                .args(["check", "--format", "json"])
                .arg(&path)
                .env_remove("GHM_DATA")
                .output()
                .expect("the program starts");
            let told: Value = serde_json::from_slice(&output.stdout).expect("an object");
            let list = told["files"][0]["diagnostics"].as_array().expect("a list");
            let mut found = Vec::new();
            for one in list {
                let labels = one["labels"].as_array().expect("places");
                let first = labels.iter().find(|l| l["primary"] == true).or(labels.first()).expect("a place");
                let (start, end) = (first["start"].as_u64(), first["end"].as_u64());
                let place = text.get(start.expect("bytes") as usize..end.expect("bytes") as usize);
                assert!(place.is_some(), "{first} is no place in {}", path.display());
                for key in ["severity", "title", "message", "file", "help", "notes"] {
                    assert!(one.get(key).is_some(), "{one} lacks `{key}`");
                }
                let code = one["code"].as_str().expect("a code").to_string();
                found.push((first["line"].as_u64().expect("a line") as usize, code));
            }
            found.sort();
            assert_eq!(found, expectations(&text), "{}", path.display());
            let count = |kind: &str| told["files"][0][kind].as_u64().unwrap_or_default() as usize;
            assert_eq!(count("errors") + count("warnings"), found.len(), "{}", path.display());
        }
    }
}

/// How many mistakes there are, and which codes they earn, here and on the pages of the codes.
#[test]
fn bad_programs_are_many_and_earn_every_code() {
    let texts = ["syntax", "sema", "plan", "data"].into_iter().flat_map(programs);
    let texts: Vec<String> = texts.map(|p| fs::read_to_string(p).expect("a readable case")).collect();
    let marked: Vec<String> = texts.iter().flat_map(|t| expectations(t)).map(|(_, code)| code).collect();
    assert!(marked.len() >= 150, "{} mistakes", marked.len());
    // What only a run can tell, and what no program can: their pages have the commands, or name the test.
    let elsewhere = |number: &str| ["E08", "E09", "W08", "E0504"].iter().any(|stage| number.starts_with(stage));
    let told_by_pages = ["E0108", "E0311", "E0719"];
    let missing: Vec<&str> = (Code::ALL.iter().map(|c| c.number()))
        .filter(|n| !elsewhere(n) && !told_by_pages.contains(n) && !marked.iter().any(|m| m == n))
        .collect();
    assert!(missing.is_empty(), "no bad program earns {missing:?}");
}

#[test]
fn bad_programs_get_their_messages() {
    cases("syntax", &|sources, file, problems| {
        parse(sources, file, problems);
    });
}

#[test]
fn programs_without_a_plan_get_their_messages() {
    cases("plan", &|texts, file, problems| {
        let tree = parse(texts, file, problems);
        let mut input = sema::Input::default();
        for request in sema::sources(&tree).into_iter().filter(|r| r.reader == "dataset") {
            input.schemas.insert(request.name, digits());
        }
        let program = sema::check(&tree, &input, problems);
        assert!(!problems.has_errors(), "a case of this stage means something");
        choose_plan(&program.expect("a program"), problems);
    });
}

/// One mistake in data ends the binding, so that each has a program of its own.
#[test]
fn programs_with_bad_data_get_their_messages() {
    cases("data", &|texts, file, problems| {
        let source = texts.file(file);
        // Counted from the folder in which the tests run, so that messages show the same path everywhere.
        let locations = Locations { base: "tests/ui/data".into(), ..Locations::default() };
        let settings = Settings { locations, ..Settings::default() };
        if let Err(failed) = Compiled::of_text(&source.name, &source.text, settings) {
            problems.extend(failed.problems.sorted().0);
        }
    });
}

/// The bad programs of a stage, in order.
fn programs(stage: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui").join(stage);
    let mut files: Vec<_> = fs::read_dir(&folder).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files.retain(|p| p.extension().is_some_and(|e| e == "ghm"));
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    files
}

/// Runs every case of a stage.
pub fn cases(stage: &str, run: &dyn Fn(&Sources, FileId, &mut Problems)) {
    let mut failures = Vec::new();
    for path in &programs(stage) {
        let text = fs::read_to_string(path).expect("a readable case");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut sources = Sources::default();
        let file = sources.add(name.clone(), text.as_str());
        let mut problems = Problems::new();
        run(&sources, file, &mut problems);
        let (list, left_out) = problems.sorted();
        let mut found: Vec<(usize, String)> = list
            .iter()
            .filter_map(|d| Some((sources.file(file).line_column(d.span()?.start).0, d.code.number().to_string())))
            .collect();
        found.sort();
        if found != expectations(&text) {
            failures.push(format!("{name}: expected {:?}, found {found:?}", expectations(&text)));
        }
        for diagnostic in &list {
            failures.extend(unfit(&to_json(diagnostic, &sources), diagnostic, &sources));
        }
        let drawn = render_all(&list, left_out, &sources, Style::PLAIN);
        let golden = path.with_extension("stderr");
        if env::var_os("UPDATE_UI").is_some() {
            fs::write(&golden, &drawn).expect("a writable golden");
        } else if fs::read_to_string(&golden).unwrap_or_default() != drawn {
            failures.push(format!("{name}: the message changed (UPDATE_UI=1 keeps the new one):\n{drawn}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
