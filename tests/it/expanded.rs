//! `--emit expanded`: a file with its plan's choices written out says the same plan, is laid out, and stays as it is when expanded again.

use std::fmt::Write as _;
use std::fs;

use ghmc::data::Locations;
use ghmc::diag::{Problems, Style, render_all};
use ghmc::pipeline::{Settings, Workspace};
use ghmc::plan::{Plan, expand};
use ghmc::syntax::{format, parse};
use serde_json::Value;

use super::house::{files, relative, root};

fn settings(path: &str) -> Settings {
    let base = root().join(path).parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    let data = std::env::var_os("GHM_DATA").map(std::path::PathBuf::from);
    Settings { locations: Locations { root: data, base, ..Locations::default() }, ..Settings::default() }
}

/// A plan without what may differ: places, reasons, and why others were refused.
fn bare(plan: &Plan) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for key in ["span", "reason", "rejected", "problem"] {
                    map.remove(key);
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(plan).expect("a plan is plain data");
    strip(&mut value);
    value
}

/// What a text expands to, with its plan; none where it does not check, with what is wrong.
fn expanded(path: &str, text: &str, with_data: bool) -> Result<(Plan, String), String> {
    let (workspace, file) = Workspace::of_text(path, text, settings(path));
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let program = workspace.check(&tree, &mut problems);
    let planned = program.filter(|_| !problems.has_errors()).map(|mut program| {
        let bound = !with_data || workspace.bind(&mut program).is_ok();
        let plan = workspace.plan(&program, &mut problems);
        (program, plan, bound)
    });
    let (list, left_out) = problems.sorted();
    match planned {
        Some((program, plan, true)) if !problems.has_errors() => {
            let text = expand(&tree, text, &program, &plan).map_err(|_| "it does not expand".to_string())?;
            Ok((plan, text))
        }
        Some((_, _, false)) => Err("its data cannot be read".to_string()),
        _ => Err(render_all(&list, left_out, &workspace.sources, Style::PLAIN)),
    }
}

/// What is wrong with the expansion of a text; nothing where it does not check itself.
fn wrong(path: &str, text: &str, with_data: bool) -> Option<String> {
    let (plan, long) = expanded(path, text, with_data).ok()?;
    let (again, longer) = match expanded(path, &long, with_data) {
        Ok(found) => found,
        Err(told) => return Some(format!("{path}: its expansion does not check\n{told}\n{long}")),
    };
    if bare(&again) != bare(&plan) {
        let (a, b) = (bare(&plan), bare(&again));
        return Some(format!("{path}: its expansion has another plan\n{long}\nwas {a:#}\nis {b:#}"));
    }
    if longer != long {
        return Some(format!("{path}: its expansion expands further\n{long}\nto\n{longer}"));
    }
    let mut sources = ghmc::base::span::Sources::default();
    let file = sources.add(path, long.as_str());
    let tree = parse(&sources, file, &mut Problems::new());
    (format(&tree, &long) != long).then(|| format!("{path}: its expansion is not laid out\n{long}"))
}

#[test]
fn expansions_of_the_models_say_the_same_plan() {
    let (mut told, mut seen) = (String::new(), 0);
    for path in files(&root().join("models")) {
        if path.extension().is_none_or(|e| e != "ghm") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable program");
        let path = relative(&path);
        seen += usize::from(expanded(&path, &text, false).is_ok());
        if let Some(problem) = wrong(&path, &text, false) {
            let _ = writeln!(told, "{problem}");
        }
    }
    assert!(told.is_empty(), "{told}");
    assert!(seen > 30, "{seen} programs were expanded");
}

/// Programs of every other kind that the tests keep; those that do not check are not expanded.
#[test]
fn expansions_of_other_programs_say_the_same_plan() {
    let (mut told, mut seen) = (String::new(), 0);
    for folder in ["tests", "examples"] {
        for path in files(&root().join(folder)) {
            if path.extension().is_none_or(|e| e != "ghm") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            let path = relative(&path);
            seen += usize::from(expanded(&path, &text, false).is_ok());
            if let Some(problem) = wrong(&path, &text, false) {
                let _ = writeln!(told, "{problem}");
            }
        }
    }
    assert!(told.is_empty(), "{told}");
    assert!(seen >= 12, "{seen} programs were expanded");
}

/// Three files with their expansions, kept to be read; `UPDATE_UI=1` keeps new ones.
#[test]
fn expansions_read_well() {
    for name in ["chain", "guide", "stages"] {
        let place = root().join("tests/it/expanded");
        let text = fs::read_to_string(place.join(format!("{name}.ghm"))).expect("a program");
        let path = format!("tests/it/expanded/{name}.ghm");
        let (_, long) = expanded(&path, &text, true).unwrap_or_else(|told| panic!("{told}"));
        if let Some(problem) = wrong(&path, &text, true) {
            panic!("{problem}");
        }
        let golden = place.join(format!("{name}.expanded"));
        if std::env::var_os("UPDATE_UI").is_some() {
            fs::write(&golden, &long).expect("a kept expansion");
        }
        let kept = fs::read_to_string(&golden).expect("a kept expansion: run with UPDATE_UI=1 and read it");
        assert!(kept == long, "{name}: the expansion has changed; run with UPDATE_UI=1 and read it\n{long}");
    }
}

/// What `by` may not ask for is refused, and nothing that it asks for is passed over.
#[test]
fn engines_without_a_part_are_refused() {
    let text = fs::read_to_string(root().join("tests/it/expanded/stages.ghm")).expect("a program");
    let refused = |line: &str| {
        let (workspace, file) = Workspace::of_text("lines.ghm", &format!("{text}\n{line}\n"), Settings::default());
        let mut problems = Problems::new();
        let tree = workspace.parse(file, &mut problems);
        if let Some(program) = workspace.check(&tree, &mut problems) {
            workspace.plan(&program, &mut problems);
        }
        problems.sorted().0.iter().map(|d| d.code.number().to_string()).collect::<Vec<_>>()
    };
    for line in [
        "train pairs on rows { maximise loglik by exact }",
        "train deep on rows { maximise loglik by wake_sleep(memory = cd(2)) }",
        "query q = P(k | v, row 1) of deep on rows by guide(5)",
        "query q = logZ(memory) of pairs by exact",
        "sample q = P(v) of plain by ancestral",
    ] {
        assert_eq!(refused(line), Vec::<String>::new(), "{line}");
    }
    for line in [
        "train plain on rows { maximise loglik by cd(1) }",
        "train plain on rows { maximise loglik by ancestral }",
        "train plain on rows { maximise loglik by guide }",
        "query q = P(k | v, row 1) of deep on rows by exact",
        "query q = mean(g | v, row 1) of deep.guide on rows by guide(5)",
        "query q = logZ(memory) of deep by guide(5)",
        "query q = logZ(memory) of deep by forward_backward",
        "sample q = P(v) of plain by gibbs(10)",
        "sample q = P(v) of pairs by ancestral",
        "sample q = P(v) of plain by guide",
        "infer g of deep by guide",
    ] {
        assert_eq!(refused(line).len(), 1, "{line}");
    }
}
