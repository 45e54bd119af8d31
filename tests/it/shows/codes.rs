//! Definitions asked for, and rows found again by their codes, against loops over the same numbers.

use std::sync::atomic::AtomicBool;

use ghmc::data::{Column, Table};
use ghmc::train::{AnswerValue, Answered};

use super::{assert_close, compiled, table};
use crate::cli::{Place, code, err, out};
use crate::oracle::random::Stream;

const ROWS: usize = 40;
const TEXT: &str = "axis D = 3
axis Kind = a, b, c
axis Tag = 2
data seen = csv(\"seen.csv\") { x: Real[D]; y: Kind; t: Bool[Tag]; far: Bool }
model m {
  x: Real[D] ~ Normal(0, sd = 1)
  z: Real[D] = tanh(2 * x)
  far: Bool = z @ x > 2
  kind: Kind = if far then b else c
  deep: Bool = if kind is b then far else no
}
evaluate right = accuracy(far, argmax(far | x)) on seen
query whole = argmax(kind, deep | x, row 1) on seen
query mean = mean(z | x, row 1) on seen
evaluate one = retrieval(y, mean(z | x), at = 1) on seen
evaluate seven = retrieval(y, mean(z | x), at = 7) on seen
evaluate tags = retrieval(t, mean(z | x), at = 5) on seen
evaluate told = retrieval(y, exp(x), at = 3) on seen
";

/// Rows as drawn, and as a table.
type Rows = (Vec<[f64; 3]>, Vec<usize>, Vec<[bool; 2]>, Table);

fn data() -> Rows {
    let mut stream = Stream::new(11);
    let x: Vec<[f64; 3]> = (0..ROWS).map(|_| [stream.normal(), stream.normal(), stream.normal()]).collect();
    let y: Vec<usize> = (0..ROWS).map(|_| stream.below(3)).collect();
    let t: Vec<[bool; 2]> = (0..ROWS).map(|_| [stream.chance(0.5), stream.chance(0.3)]).collect();
    let labels = ["a", "b", "c"].map(String::from).to_vec();
    let far = x.iter().map(|x| f64::from(x.iter().map(|v| (2.0 * v).tanh() * v).sum::<f64>() > 2.0)).collect();
    let table = table(vec![
        ("x", Column::numbers(vec![3], x.iter().flatten().copied().collect())),
        ("y", Column::coded(vec![], y.clone(), labels)),
        ("t", Column::numbers(vec![2], t.iter().flatten().map(|&b| f64::from(b)).collect())),
        ("far", Column::numbers(vec![], far)),
    ]);
    (x, y, t, table)
}

fn number(answers: &[Answered], name: &str) -> f64 {
    let answered = answers.iter().find(|a| a.name == name).expect("an answer");
    match &answered.value {
        AnswerValue::Number(value) | AnswerValue::Confusion { figure: value, .. } => *value,
        other => panic!("{name} is no number: {other:?}"),
    }
}

/// The share of those alike among the nearest, by sorting all.
fn found(codes: &[Vec<f64>], at: usize, alike: impl Fn(usize, usize) -> bool) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = |i: usize, j: usize| {
        let (a, b) = (&codes[i], &codes[j]);
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let share = |i: usize| {
        let mut others: Vec<usize> = (0..codes.len()).filter(|&j| j != i).collect();
        others.sort_by(|&a, &b| cosine(i, b).total_cmp(&cosine(i, a)));
        others[..at].iter().filter(|&&j| alike(i, j)).count() as f64 / at as f64
    };
    (0..codes.len()).map(share).sum::<f64>() / codes.len() as f64
}

#[test]
fn definitions_and_codes_are_those_of_the_loops() {
    let (x, y, t, table) = data();
    let compiled = compiled(TEXT, 1, &[("seen", table)]);
    let answers = compiled.untrained().answer_all(&AtomicBool::new(false), &mut |_| {});
    assert_close(number(&answers, "right"), 1.0, 1e-12, "the threshold");
    let z: Vec<Vec<f64>> = x.iter().map(|x| x.iter().map(|v| (2.0 * v).tanh()).collect()).collect();
    let entries = |name: &str| match &answers.iter().find(|a| a.name == name).expect("an answer").value {
        AnswerValue::Entries(entries) => entries.iter().map(|e| e.values.clone()).collect::<Vec<_>>(),
        other => panic!("{name}: {other:?}"),
    };
    for (a, b) in entries("mean")[0].iter().zip(&z[0]) {
        assert_close(*a, *b, 1e-6, "the mean of a definition");
    }
    let far = z[0].iter().zip(&x[0]).map(|(z, x)| z * x).sum::<f64>() > 2.0;
    assert_eq!(entries("whole"), [vec![if far { 1.0 } else { 2.0 }], vec![f64::from(far)]]);
    let same = |i: usize, j: usize| y[i] == y[j];
    assert_close(number(&answers, "one"), found(&z, 1, same), 1e-12, "the nearest");
    assert_close(number(&answers, "seven"), found(&z, 7, same), 1e-12, "the nearest seven");
    let shared = |i: usize, j: usize| (0..2).any(|k| t[i][k] && t[j][k]);
    assert_close(number(&answers, "tags"), found(&z, 5, shared), 1e-12, "a label in common");
    let plain: Vec<Vec<f64>> = x.iter().map(|x| x.iter().map(|v| v.exp()).collect()).collect();
    assert_close(number(&answers, "told"), found(&plain, 3, same), 1e-12, "a value of the data");
}

#[test]
fn data_that_nothing_draws_yet_leaves_the_plan() {
    let place = Place::new();
    place.write(
        "far.ghm",
        "model truth { g: Positive ~ Gamma(2, rate = 1) }\ndata far = sample(truth, 9, seed = 1)\nmodel m {\n  param a: Positive\n  \
         g: Positive ~ Gamma(2, rate = a)\n}\ntrain m on far\n",
    );
    let output = place.run(&["explain", "far.ghm"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(err(&output).contains("the data cannot be drawn: draws from `Gamma`"), "{}", err(&output));
    assert!(out(&output).contains("train on far"), "{}", out(&output));
    assert_eq!(code(&place.run(&["run", "far.ghm"])), 1);
}
