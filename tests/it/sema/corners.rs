//! The programs of the spine check without a word, and mean what they should.

use ghmc::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use ghmc::base::span::Sources;
use ghmc::diag::{Problems, Style, render_all};
use ghmc::model::{FactorKind, Program};
use ghmc::sema::{Input, check, sources};
use ghmc::syntax::parse;

/// The schema of the embedded digits.
pub fn digits() -> Schema {
    let column = |name: &str, kind, shape, range| ColumnSchema { name: name.into(), kind, shape, range, labels: None };
    Schema {
        columns: vec![
            column("image", ColumnKind::Number, vec![Extent::Fixed(64)], Some((0.0, 1.0))),
            ColumnSchema {
                labels: Some((0..10).map(|d| d.to_string()).collect()),
                ..column("label", ColumnKind::Label, vec![], None)
            },
        ],
        rows: Some(1797),
        splits: vec!["train".into(), "test".into()],
    }
}

/// The program of a text, or its diagnostics as drawn; `dataset("digits")` is the embedded one.
pub fn program(name: &str, text: &str) -> Result<Program, String> {
    let mut texts = Sources::default();
    let file = texts.add(name, text);
    let mut problems = Problems::new();
    let tree = parse(&texts, file, &mut problems);
    let mut input = Input::default();
    for request in sources(&tree).into_iter().filter(|r| r.path == "digits") {
        input.schemas.insert(request.name, digits());
    }
    let program = (!problems.has_errors()).then(|| check(&tree, &input, &mut problems)).flatten();
    let (list, left_out) = problems.sorted();
    match program {
        Some(program) if list.is_empty() => Ok(program),
        _ => Err(render_all(&list, left_out, &texts, Style::PLAIN)),
    }
}

fn ok(name: &str, text: &str) -> Program {
    program(name, text).unwrap_or_else(|e| panic!("{e}"))
}

/// Typed programs as text, kept to be read; `UPDATE_UI=1` keeps new ones.
#[test]
fn programs_print_as_kept() {
    for name in ["sprinkler", "casino", "dbn", "vae"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sema/ok");
        let text = std::fs::read_to_string(folder.join(format!("{name}.ghm"))).expect("the case");
        let printed = ghmc::model::print::print(&ok(name, &text));
        let golden = folder.join(format!("{name}.program.txt"));
        if std::env::var_os("UPDATE_UI").is_some() {
            std::fs::write(&golden, &printed).expect("a writable golden");
        }
        assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), printed, "{name}");
    }
}

#[test]
fn sprinkler_checks() {
    let p = ok("sprinkler.ghm", include_str!("ok/sprinkler.ghm"));
    assert_eq!((p.vars.len(), p.asks.len()), (3, 6));
}

#[test]
fn casino_checks() {
    let p = ok("casino.ghm", include_str!("ok/casino.ghm"));
    assert_eq!((p.models.len(), p.trains.len(), p.data.len()), (2, 2, 3));
}

#[test]
fn a_deep_belief_net_has_an_undirected_top() {
    let p = ok("dbn.ghm", include_str!("ok/dbn.ghm"));
    let (_, dbn) = p.models.iter().find(|(_, m)| m.name == "dbn").expect("the model");
    assert!(
        matches!(&dbn.factors[0].kind, FactorKind::Undirected { vars, body } if vars.len() == 3 && body.len() == 1)
    );
    let names: Vec<_> = p.params.iter().map(|(_, p)| p.name.as_str()).collect();
    assert!(names.contains(&"dbn.memory.W") && names.contains(&"dbn.guide.R0"), "{names:?}");
    assert_eq!(p.trains[0].stages[0].ties.len(), 2);
}

#[test]
fn the_other_corners_check() {
    for (name, text) in [
        ("dbn_classifier.ghm", include_str!("ok/dbn_classifier.ghm")),
        ("perceptron.ghm", include_str!("ok/perceptron.ghm")),
        ("rbm.ghm", include_str!("ok/rbm.ghm")),
        ("vae.ghm", include_str!("ok/vae.ghm")),
    ] {
        ok(name, text);
    }
}

/// Sizes set from outside come before those of the file, also for axes that only a declaration names; what fits no axis is told.
#[test]
fn sizes_are_set_from_outside() {
    let text = "axis Face = 6\nmodel m { x: Face ~ Categorical(uniform); y: Bool[Hidden] ~ Bernoulli(0.5) }";
    let checked = |sets: &[(&str, &str)]| {
        let mut texts = Sources::default();
        let file = texts.add("m.ghm", text);
        let mut problems = Problems::new();
        let tree = parse(&texts, file, &mut problems);
        let sets = sets.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let program = check(&tree, &Input { sets, ..Input::default() }, &mut problems);
        (program, problems.sorted().0)
    };
    let (program, problems) = checked(&[("Face", "20"), ("Hidden", "3")]);
    let program = program.expect("nothing is wrong");
    let extent = |name: &str| program.axes.iter().find(|(_, a)| a.name == name).and_then(|(_, a)| a.extent);
    assert_eq!((extent("Face"), extent("Hidden"), problems.len()), (Some(20), Some(3), 0));
    for (name, value) in [("Face", "six"), ("Face", "0"), ("Face", "-2"), ("Hiden", "3"), ("Row", "3")] {
        let (program, problems) = checked(&[(name, value)]);
        assert!(program.is_none(), "{name}={value}");
        assert_eq!(problems.iter().map(|d| d.code.number()).collect::<Vec<_>>(), ["E0311"], "{name}={value}");
    }
}
