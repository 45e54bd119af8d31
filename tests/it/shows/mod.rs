//! The corners end to end, each against a truth of its own: brute force, plain loops, or the same run another way.

mod absent;
mod bound;
mod chain;
mod chains;
mod codes;
mod em;
mod gaps;
mod guides;
mod kills;
mod lifted;
mod machine;
mod made;
mod memory;
mod near;
mod nonsense;
mod parts;
mod places;
mod plans;
mod spread;
mod stack;
mod starts;
mod statistics;
mod threads;
mod truths;
mod unknown;
mod zeros;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use ghmc::data::{Column, Table};
use ghmc::model::Program;
use ghmc::model::evaluate::Values;
use ghmc::pipeline::{Compiled, Precision, Settings};
use ghmc::train::fit::StageRecord;
use ghmc::train::{AnswerValue, Fit, Options, Outcome, Silent};
use ndarray::{ArrayD, IxDyn};

use crate::oracle::random::Stream;

/// What differs between deep belief nets of two layers below an undirected part over the upper one and a label.
struct BeliefNet<'a> {
    /// Entries of the observed variable.
    pixels: usize,
    /// Units of the two layers and of the undirected part's own.
    hidden: [usize; 3],
    /// What the axis of labels is.
    digit: &'a str,
    /// Where `seen` comes from, with what it binds.
    data: &'a str,
    /// What is done with the model.
    rest: &'a str,
}

/// The text of a deep belief net with its guide.
fn belief_net(net: BeliefNet<'_>) -> String {
    let BeliefNet { pixels, hidden: [lower, upper, top], digit, data, rest } = net;
    format!(
        "axis Pixel = {pixels}
axis H1 = {lower}
axis H2 = {upper}
axis Top = {top}
axis Digit = {digit}
model rbm(v: Discrete[V], h: Bool[H]) {{
  param W: Real[V, H], b: Real[V], c: Real[H]
  factor v @ W @ h + b @ v + c @ h
}}
model dbn {{
  param W0: Real[Pixel, H1], W1: Real[H1, H2], b0: Real[Pixel], b1: Real[H1]
  (h2: Bool[H2], y: Digit, top: Bool[Top]) ~ rbm(v = h2 ++ y, h = top) as memory
  h1: Bool[H1]   ~ Bernoulli(logit = W1 @ h2 + b1)
  x: Bool[Pixel] ~ Bernoulli(logit = W0 @ h1 + b0)
}}
guide dbn {{
  param R0: Real[Pixel, H1], R1: Real[H1, H2], c1: Real[H1], c2: Real[H2]
  h1: Bool[H1] ~ Bernoulli(logit = R0 @ x + c1)
  h2: Bool[H2] ~ Bernoulli(logit = R1 @ h1 + c2)
}}
data seen = {data}
{rest}"
    )
}

/// Parameters by name.
type Arrays = BTreeMap<String, ArrayD<f64>>;

/// A program in double precision on data in memory.
fn compiled(text: &str, seed: u64, tables: &[(&str, Table)]) -> Compiled {
    let tables = tables.iter().map(|(name, table)| (name.to_string(), table.clone())).collect();
    let settings = Settings { seed, tables, precision: Some(Precision::F64), ..Settings::default() };
    Compiled::of_text("test.ghm", text, settings).unwrap_or_else(|told| panic!("{told}"))
}

/// Numbers in rows of some width, as a column of vectors.
fn numbers(width: usize, rows: &[Vec<f64>]) -> Column {
    Column::numbers(vec![width], rows.iter().flatten().copied().collect())
}

fn table(columns: Vec<(&str, Column)>) -> Table {
    let columns = columns.into_iter().map(|(name, column)| (name.to_string(), column)).collect();
    Table::from_columns(columns).expect("columns of one length")
}

/// Parameters drawn from a normal distribution of that width, whatever they start from by themselves.
fn drawn(compiled: &Compiled, sd: f64, seed: u64) -> Arrays {
    let mut stream = Stream::new(seed);
    let mut draw = |array: &ArrayD<f64>| ArrayD::from_shape_fn(array.raw_dim(), |_| sd * stream.normal());
    compiled.untrained().params().iter().map(|(name, array)| (name.clone(), draw(array))).collect()
}

/// Trains from given parameters, in double precision: where they end, and what was recorded.
fn learn(compiled: &Compiled, seed: u64, start: &Arrays) -> (Arrays, Vec<StageRecord>) {
    let options = Options { seed, ..Options::default() };
    let mut fit: Fit<'_, f64> = Fit::new(compiled.program(), compiled.plan(), compiled.data(), options);
    for (name, array) in start {
        fit.states_mut().insert(name.clone(), array.shape(), array.iter().copied().collect());
    }
    let outcome = fit.run(&AtomicBool::new(false), &mut Silent).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!(outcome, Outcome::Done);
    let end = |name: &String| {
        let (shape, data) = fit.states().get(name).expect("a parameter");
        ArrayD::from_shape_vec(IxDyn(shape), data.to_vec()).expect("its shape")
    };
    let names = compiled.program().params.iter().map(|(_, p)| p.name.clone());
    (names.map(|name| (name.clone(), end(&name))).collect(), fit.position().history.clone())
}

/// The answers to the file's questions at some parameters, by name.
fn answers(compiled: &Compiled, params: &Arrays) -> BTreeMap<String, AnswerValue> {
    let mut trained = compiled.untrained();
    for (name, array) in params {
        trained.set_param(name, array).unwrap_or_else(|told| panic!("{told}"));
    }
    let told = trained.answer_all(&AtomicBool::new(false), &mut |_| {});
    told.into_iter().map(|answer| (answer.name, answer.value)).collect()
}

/// The number that answers a question.
fn figure(answers: &BTreeMap<String, AnswerValue>, name: &str) -> f64 {
    match &answers[name] {
        AnswerValue::Number(figure) => *figure,
        other => panic!("`{name}` is no number: {other:?}"),
    }
}

/// The evaluator's values with these parameters.
fn values(program: &Program, params: &Arrays) -> Values {
    let params = program.params.iter().map(|(id, p)| (id, params[&p.name].clone())).collect();
    Values { params, ..Values::default() }
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let allowed = tolerance * (1.0 + found.abs().max(expected.abs()));
    assert!((found - expected).abs() <= allowed, "{what} is {found} and not {expected}");
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
