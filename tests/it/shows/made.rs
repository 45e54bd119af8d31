//! Guides for models that have none: the bound against the likelihood by quadrature, what is made for which variable, and what is left alone.

use std::f64::consts::PI;
use std::sync::atomic::AtomicBool;

use ghmc::data::Column;
use ghmc::diag::{Code, Problems};
use ghmc::model::Program;
use ghmc::pipeline::{Settings, Workspace};
use ghmc::plan::{Plan, explain_text};
use ghmc::train::Silent;

use super::{answers, compiled, figure, table};
use crate::oracle::model;
use crate::oracle::random::Stream;

const BEND: &str = "model bend {
  z: Real ~ Normal(0, sd = 1)
  x: Real ~ Normal(z + 0.4 * sin(2 * z), sd = 0.5)
}
data rows = csv(\"rows.csv\") { x: Real }
data more = csv(\"more.csv\") { x: Real }
train bend on rows { maximise elbo with adam(3e-3, batch = 50); epochs 60 }
evaluate bound = elbo of bend on more
";

fn curve(z: f64) -> f64 {
    z + 0.4 * (2.0 * z).sin()
}

/// log ∫ N(z; 0, 1) N(x; curve(z), ½) dz by the trapezium rule, which is exact to many digits for so smooth a function.
fn log_likelihood(x: f64) -> f64 {
    let (low, high, steps) = (-7.0, 7.0, 700);
    let step = (high - low) / steps as f64;
    let density = |z: f64| {
        let apart = (x - curve(z)) / 0.5;
        (-0.5 * (z * z + apart * apart)).exp() / (2.0 * PI * 0.5)
    };
    let sum: f64 = (0..=steps).map(|i| density(low + step * i as f64)).sum();
    (step * sum).ln()
}

/// The bound that a made guide reaches lies below the log-likelihood, by less than a tenth of a nat; before learning by more than that.
#[test]
fn a_made_guide_learns_a_bound_below_the_likelihood() {
    let mut stream = Stream::new(5);
    let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| curve(stream.normal()) + 0.5 * stream.normal()).collect() };
    let (rows, more) = (draw(2000), draw(20_000));
    let truth = more.iter().map(|&x| log_likelihood(x)).sum::<f64>() / more.len() as f64;
    let column = |values: Vec<f64>| table(vec![("x", Column::numbers(vec![], values))]);
    let compiled = compiled(BEND, 1, &[("rows", column(rows)), ("more", column(more))]);
    let before = answers(&compiled, &compiled.untrained().params().into_iter().collect());
    let mut trained = compiled.train(&AtomicBool::new(false), &mut Silent).unwrap_or_else(|told| panic!("{told}"));
    let told = trained.answer_all(&AtomicBool::new(false), &mut |_| {});
    let after = told.into_iter().map(|answer| (answer.name, answer.value)).collect();
    let (before, after) = (figure(&before, "bound"), figure(&after, "bound"));
    assert!(after < truth && truth - after < 0.1, "the bound is {after}, the log-likelihood {truth}");
    assert!(truth - before > 0.3, "the bound was {before} before anything was learned");
}

/// The program and the plan of a text that checks.
fn planned(text: &str) -> (Program, Plan, String) {
    let (workspace, file) = Workspace::of_text("test.ghm", text, Settings::default());
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let program = workspace.check(&tree, &mut problems);
    let program = program.unwrap_or_else(|| panic!("{:?}\nin\n{text}", problems.sorted()));
    let plan = workspace.plan(&program, &mut problems);
    let told = explain_text(&program, &plan, &workspace.sources);
    (program, plan, told)
}

const SEVERAL: &str = "axis T = 5
axis U = 2
axis Sort = 3
model m {
  param a: Real, b: Real[Sort]
  s: Positive ~ LogNormal(0, sd = 0.3)
  for t in T {
    w[t]: Real[U] ~ Normal(if t is first then 0 else a * w[t-1], sd = s)
    x[t]: Real[U] ~ Normal(sin(w[t]), sd = 0.3)
  }
  k: Sort ~ Categorical(logit = s * b)
}
data rows = sample(m, 40, seed = 1) { x[T]: Real[U]; k: Sort }
train m on rows
";

/// A conditional for each latent variable, later ones reading earlier ones; its places lie in the file, and the plan says how it came.
#[test]
fn every_latent_variable_has_its_conditional() {
    let (program, plan, told) = planned(SEVERAL);
    assert!(plan.missing.is_empty(), "{:?}", plan.missing);
    let declared = &program.models[model(&program, "m")];
    let guide = declared.guide.as_ref().expect("a guide");
    let text = guide.made.as_ref().expect("its text");
    for line in [
        "net guess_s(x: Real[T, U], k: Sort) -> (mean: Real, sd: Positive) { dense(64, tanh); dense }",
        "net guess_w_mean(x: Real[T, U], k: Sort, s: Positive) -> Real[T, U] { dense(64, tanh); dense }",
        "s: Positive ~ LogNormal(..guess_s(x, k))",
        "for i0 in T {",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    assert!(guide.factors.iter().all(|f| f.span == declared.span), "places outside the file");
    assert!(told.contains("guide of m, made since the file has none: ") && told.contains("guide m { .. }"), "{told}");
    let learned = compiled(SEVERAL, 1, &[]).train(&AtomicBool::new(false), &mut Silent);
    assert!(learned.is_ok(), "{}", learned.err().map(|told| told.to_string()).unwrap_or_default());
}

/// What cannot be guided, or was spoken of, is left as it was: nothing is made, and running says what is missing.
#[test]
fn what_cannot_be_guided_is_left_alone() {
    let left = |model: &str, rest: &str| {
        let text = format!("axis T = 3\nmodel m {{ {model} }}\ndata rows = csv(\"rows.csv\") {{ x: Real }}\n{rest}\n");
        let (program, plan, _) = planned(&text);
        assert!(program.models[self::model(&program, "m")].guide.is_none(), "a guide for\n{text}");
        assert_eq!(plan.missing.first().map(|m| m.problem.code), Some(Code::NotSupported), "{text}");
    };
    let train = "train m on rows { maximise elbo }";
    for body in [
        "z: Real ~ Normal(0, sd = 1); k: Bool ~ Bernoulli(0.5); x: Real ~ Normal(sin(z) + k, sd = 1)",
        "z: Unit ~ Uniform(0, 0.5); x: Real ~ Normal(sin(z), sd = 1)",
        "z: Unit ~ Beta(2, 2); x: Real ~ Normal(sin(z), sd = 1)",
    ] {
        left(body, train);
    }
    let bend = "z: Real ~ Normal(0, sd = 1); x: Real ~ Normal(sin(z), sd = 1)";
    left(bend, &format!("{train}\ninfer z of m by nuts"));
    // A likelihood that is asked for by name is not turned into a bound.
    left(bend, "train m on rows { maximise loglik }");
}

/// A normal whose entries hang together is not compared with it entry by entry.
#[test]
fn a_divergence_is_closed_only_of_independent_entries() {
    let text = |prior: &str| {
        format!(
            "axis U = 2\nparam c: Cov[U]\n\
             model m {{ z: Real[U] ~ Normal(0, {prior}); x: Real[U] ~ Normal(sin(z), sd = 1) }}\n\
             data rows = csv(\"rows.csv\") {{ x: Real[U] }}\ntrain m on rows {{ maximise elbo }}\n"
        )
    };
    for (prior, closed) in [("sd = 1", true), ("cov = c", false)] {
        let (program, _, told) = planned(&text(prior));
        let guide = program.models[model(&program, "m")].guide.as_ref().expect("a guide");
        assert_eq!(guide.factors.len(), 1);
        assert_eq!(told.contains("KL in closed form"), closed, "{told}");
    }
}
