//! The programs of `models/` are laid out in the one layout, and compile without a word.

use std::fs;

use ghmc::base::span::Sources;
use ghmc::data::Locations;
use ghmc::diag::{Problems, Style, render_all};
use ghmc::model::Program;
use ghmc::pipeline::{Settings, Workspace};
use ghmc::plan::{Plan, explain_json};
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
const NOT_READ: [&str; 1] = ["models/text/documents.ghm"];

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

/// One line of a file's plan: who is inferred by what, each choice once.
fn choices(workspace: &Workspace, program: &Program, plan: &Plan) -> Vec<String> {
    let told = explain_json(program, plan, &workspace.sources);
    let mut lines: Vec<String> = Vec::new();
    for block in told["blocks"].as_array().into_iter().flatten() {
        let word = |key: &str| block[key].as_str().unwrap_or_default().to_string();
        let vars: Vec<String> = block["variables"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| Some(format!("`{}`", v.as_str()?)))
            .collect();
        let of = if vars.is_empty() { "nothing latent".to_string() } else { vars.join(", ") };
        let line = format!("{of} {} {}", word("kind"), word("engine"));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// docs/plans.md: what the planner chose for each file, and how many files can be run.
#[test]
fn the_page_of_plans_is_true() {
    let (mut rows, mut runs, mut all) = (String::new(), 0, 0);
    for (path, text) in programs().into_iter().filter(|(path, _)| path.matches('/').count() == 1) {
        all += 1;
        let (workspace, file) = Workspace::of_text(&path, &text, settings(&path));
        let mut problems = Problems::new();
        let tree = workspace.parse(file, &mut problems);
        let program = workspace.check(&tree, &mut problems);
        let plan = program.as_ref().map(|program| workspace.plan(program, &mut problems));
        let name = path.trim_start_matches("models/");
        let (state, choices) = match (&program, &plan) {
            (Some(program), Some(plan)) if !problems.has_errors() => {
                runs += usize::from(plan.missing.is_empty());
                let state = match plan.missing.len() {
                    0 => "planned".to_string(),
                    1 => "1 engine missing".to_string(),
                    n => format!("{n} engines missing"),
                };
                (state, choices(&workspace, program, plan).join("<br>"))
            }
            _ => ("not read yet".to_string(), String::new()),
        };
        rows += &format!("| [`{name}`](../{path}) | {state} | {choices} |\n");
    }
    let page = format!(
        "# What the planner chooses\n\nFor each file of `models/`: the variables, the kind of their numbers and the engine, every choice once. \
         An engine that is not built yet stands where it will be used; such a file can be checked and explained, and `ghmc run` says what is \
         missing. {runs} of {all} files have all their engines. Kept true by a test (`UPDATE_UI=1 cargo test --test it page_of_plans` \
         writes it anew).\n\n| file | state | choices |\n|---|---|---|\n{rows}"
    );
    let kept = root().join("docs/plans.md");
    if std::env::var_os("UPDATE_UI").is_some() {
        fs::write(&kept, &page).expect("a page");
    }
    assert!(fs::read_to_string(&kept).unwrap_or_default() == page, "docs/plans.md is not true any more:\n{page}");
}
