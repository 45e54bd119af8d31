//! Rows whose values are absent, hidden or impossible: they are left out or told, by their own numbers.

use std::sync::atomic::AtomicBool;

use ghmc::data::{Column, Table};
use ghmc::diag::Code;
use ghmc::pipeline::{Compiled, Precision, Settings};
use ghmc::train::checkpoint::save_params;
use ghmc::train::{AnswerValue, Answered};
use ndarray::{ArrayD, IxDyn};

use super::{assert_close, compiled, table};
use crate::cli::{Place, code, err};

const READS: &str = "data seen = csv(\"seen.csv\") { x: Bool; y: Kind }
data few = seen { x: Bool; y: Kind = reveal(y, 4) }
model m {
  param p: Simplex[Kind], q[Kind]: Unit
  y: Kind ~ Categorical(p)
  x: Bool ~ Bernoulli(q[y])
}
";

/// Ten rows with a label, nine in ten of them `a`, then ninety without one.
fn labelled() -> Table {
    let mut y = Column::coded(vec![], (0..100).map(|i| usize::from(i == 0)).collect(), vec!["a".into(), "b".into()]);
    y.absent = Some((0..100).map(|i| i >= 10).collect());
    table(vec![("x", Column::numbers(vec![], (0..100).map(|i| f64::from(i % 2)).collect())), ("y", y)])
}

fn asked(text: &str, table: Table) -> Vec<Answered> {
    let compiled = compiled(text, 1, &[("seen", table)]);
    let mut trained = compiled.untrained();
    let array =
        |shape: &[usize], values: &[f64]| ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).expect("a shape");
    trained.set_param("m.p", &array(&[2], &[0.75, 0.25])).expect("a parameter");
    trained.set_param("m.q", &array(&[2], &[0.5, 0.5])).expect("a parameter");
    trained.answer_all(&AtomicBool::new(false), &mut |_| {})
}

fn number(answered: &Answered) -> f64 {
    match &answered.value {
        AnswerValue::Number(value) | AnswerValue::Confusion { figure: value, .. } => *value,
        other => panic!("{} is no number: {other:?}", answered.name),
    }
}

#[test]
fn absent_truths_are_not_scored() {
    let text = format!(
        "axis Kind = a, b\n{READS}evaluate wrong = error(y, argmax(y | x)) on seen
evaluate told = loglik(y) on seen
evaluate naming = loglik(y | x) on seen
evaluate hidden = loglik(y) on few
evaluate pixel = loglik(x) on seen
"
    );
    let answers = asked(&text, labelled());
    let rows: Vec<Option<usize>> = answers.iter().map(|a| a.rows).collect();
    assert_eq!(rows, [Some(10), Some(10), Some(10), Some(4), Some(100)]);
    assert_close(number(&answers[0]), 0.1, 1e-12, "the share of errors");
    let mean = (9.0 * 0.75f64.ln() + 0.25f64.ln()) / 10.0;
    assert_close(number(&answers[1]), mean, 1e-12, "loglik(y)");
    assert_close(number(&answers[2]), mean, 1e-12, "loglik(y | x)");
    // Four labels are known: at most one of them is the only `b`.
    let four = [4.0 * 0.75f64.ln(), 3.0 * 0.75f64.ln() + 0.25f64.ln()].map(|sum| sum / 4.0);
    assert!(four.iter().any(|f| (f - number(&answers[3])).abs() < 1e-12), "{}", number(&answers[3]));
    assert_close(number(&answers[4]), 0.5f64.ln(), 1e-12, "loglik(x)");
}

#[test]
fn impossible_rows_are_told_by_their_own_numbers() {
    let text = "data seen = csv(\"seen.csv\") { x: Bool; y: Bool }
model m {
  y: Bool ~ Bernoulli(0.5)
  x: Bool ~ Bernoulli(0)
}
evaluate wrong = error(y, argmax(y | x)) on seen
evaluate fit = loglik(x) on seen
query each = P(y | x) on seen
evaluate whole = loglik(y) on seen
";
    // The first row says nothing of x, the third is impossible.
    let mut x = Column::numbers(vec![], vec![0.0, 0.0, 1.0]);
    x.absent = Some(vec![true, false, false]);
    let seen = table(vec![("x", x), ("y", Column::numbers(vec![], vec![0.0, 1.0, 1.0]))]);
    let compiled = compiled(text, 1, &[("seen", seen)]);
    let answers = compiled.untrained().answer_all(&AtomicBool::new(false), &mut |_| {});
    for answered in &answers[..3] {
        let AnswerValue::Failed(told) = &answered.value else { panic!("{} is answered: {answered:?}", answered.name) };
        assert_eq!(told.code, Code::ImpossibleRow);
        assert!(told.message.starts_with("row 3 "), "{}", told.message);
    }
    // One question that fails takes no other with it.
    assert_close(number(&answers[3]), 0.5f64.ln(), 1e-12, "loglik(y)");
}

#[test]
fn a_question_that_fails_stands_in_its_place() {
    let place = Place::new();
    place.write("seen.csv", "x\n0\n1\n").write(
        "m.ghm",
        "data seen = csv(\"seen.csv\") { x: Bool }
model m {
  y: Bool ~ Bernoulli(0.5)
  x: Bool ~ Bernoulli(0)
}
evaluate fit = loglik(x) on seen
query each = P(y | x) on seen
query plain = P(y)
",
    );
    let output = place.run(&["run", "m.ghm", "--out", "r", "--quiet"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(err(&output).contains("E0804") && err(&output).contains("row 2"), "{}", err(&output));
    let summary = std::fs::read_to_string(place.path("r/summary.json")).expect("a summary");
    let told: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    assert!(told["evaluate"]["fit"].is_null() && told["evaluate"].get("fit").is_some(), "{summary}");
    assert!(told["marks"]["fit"]["note"].as_str().is_some_and(|n| n.contains("E0804")), "{summary}");
    assert_eq!(told["queries"]["each"]["error"]["code"], "E0804");
    assert_eq!(told["queries"]["plain"]["distribution"]["yes"], 0.5);
    assert!(place.path("r/report.html").exists());
}

#[test]
fn figures_are_computed_in_double_precision() {
    let text = "data seen = csv(\"seen.csv\") { x: Real }
model m {
  param a: Real
  x: Real ~ Normal(a, sd = 1)
}
evaluate fit = loglik(x) on seen
";
    let tables = [("seen".to_string(), table(vec![("x", Column::numbers(vec![], vec![1000.1, 1000.3]))]))];
    let settings = Settings { tables: tables.into(), precision: Some(Precision::F32), ..Settings::default() };
    let compiled = Compiled::of_text("test.ghm", text, settings).unwrap_or_else(|told| panic!("{told}"));
    let mut trained = compiled.untrained();
    trained.set_param("m.a", &ArrayD::from_elem(IxDyn(&[]), 1000.0)).expect("a parameter");
    let answers = trained.answer_all(&AtomicBool::new(false), &mut |_| {});
    let expected = -0.5 * (0.1f64.powi(2) + 0.3f64.powi(2)) / 2.0 - 0.5 * std::f64::consts::TAU.ln();
    assert!((number(&answers[0]) - expected).abs() < 1e-10, "{} is not {expected}", number(&answers[0]));
}

#[test]
fn other_data_has_another_fingerprint() {
    let of = |change: &dyn Fn(&mut Table)| {
        let mut seen = labelled();
        change(&mut seen);
        compiled(READS, 1, &[("seen", seen)]).fingerprint()
    };
    let plain = of(&|_| {});
    assert_eq!(plain, of(&|_| {}));
    let column = |table: &mut Table, change: &dyn Fn(&mut Column)| change(&mut table.columns[1].1);
    let masked = of(&|t| column(t, &|c| c.absent.iter_mut().for_each(|mask| mask[5] = true)));
    let renamed = of(&|t| column(t, &|c| c.labels = Some(vec!["a".into(), "c".into()])));
    let split = of(&|t| t.splits.push(("train".to_string(), (0..10).collect())));
    for other in [&masked, &renamed, &split] {
        assert_ne!(*other, plain);
    }
}

#[test]
fn parameters_of_other_states_are_refused() {
    let with = |labels: [&str; 2]| {
        let mut seen = labelled();
        seen.columns[1].1.labels = Some(labels.map(String::from).to_vec());
        compiled(READS, 1, &[("seen", seen)])
    };
    let saved = with(["a", "b"]).untrained().saved_params();
    let place = Place::new();
    save_params(&place.path("p.safetensors"), &saved).expect("a file");
    let read = ghmc::train::checkpoint::load_params(&place.path("p.safetensors")).expect("parameters");
    with(["a", "b"]).untrained().take_params(&read).expect("the same states");
    let told = with(["a", "z"]).untrained().take_params(&read).expect_err("other states").to_string();
    assert!(told.contains("E0905") && told.contains("`b`") && told.contains("`z`"), "{told}");
}

#[test]
fn answers_from_unset_parameters_say_so() {
    let text = "model m {
  param a: Real, b: Real prior Normal(0, sd = 1)
  x: Bool ~ Bernoulli(logit = a + b)
}
query yes = P(x)
";
    let compiled = compiled(text, 1, &[]);
    let mut trained = compiled.untrained();
    let unset = |answers: Vec<Answered>| answers[0].unset.clone();
    assert_eq!(unset(trained.answer_all(&AtomicBool::new(false), &mut |_| {})), ["m.a"]);
    trained.set_param("m.a", &ArrayD::from_elem(IxDyn(&[]), 1.0)).expect("a parameter");
    assert!(unset(trained.answer_all(&AtomicBool::new(false), &mut |_| {})).is_empty());
    let place = Place::new();
    place.write("m.ghm", text);
    for args in [&["query", "m.ghm", "P(x)"][..], &["query", "m.ghm", "--marginals"], &["run", "m.ghm", "--out", "r"]] {
        let output = place.run(args);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert!(err(&output).contains("starting values: `m.a`"), "{args:?}: {}", err(&output));
    }
}

#[test]
fn spins_are_called_down_and_up_everywhere() {
    let place = Place::new();
    let text = "model m {
  s: Spin ~ Bernoulli(0.2)
  x: Spin ~ Bernoulli(logit = s)
}
query p = P(s | x = up)
query each = P(s | x = each)
query best = argmax(s | x = down)
";
    place.write("m.ghm", text).write("case.json", "[{\"x\": -1}, {\"x\": \"up\"}]");
    let output = place.run(&["run", "m.ghm", "--out", "r", "--quiet", "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let queries = &told["queries"];
    assert!(queries["p"]["distribution"]["up"].is_f64() && queries["p"]["distribution"]["down"].is_f64(), "{told}");
    assert_eq!(queries["each"]["answers"][0]["given"], "x = down");
    assert_eq!(queries["best"]["values"]["s"], "down");
    let output = place.run(&["query", "m.ghm", "P(s)", "--evidence", "case.json", "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told[1]["distribution"], queries["p"]["distribution"]);
}
