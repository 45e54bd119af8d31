//! Where parameters start: apart where they must be told apart, drawn from their priors where data is simulated, and never at the
//! truth that training is to find.

use std::sync::atomic::AtomicBool;

use ghmc::data::Column;
use ghmc::pipeline::{Compiled, Settings};
use ghmc::train::Silent;
use ndarray::ArrayD;

use super::{compiled, learn, table};

fn params(text: &str) -> std::collections::BTreeMap<String, ArrayD<f64>> {
    compiled(text, 1, &[]).untrained().params()
}

#[test]
fn training_starts_elsewhere_than_the_truth() {
    let model = "model m {
  param mu: Real prior Normal(0, sd = 10)
  x: Real ~ Normal(mu, sd = 0.001)
}
data seen = sample(m, 50, seed = 1) { x: Real }
data more = sample(m, 50, seed = 2) { x: Real }
evaluate first = loglik on seen
evaluate second = loglik on more
";
    let untrained = compiled(model, 1, &[]);
    let truth = untrained.untrained().params()["m.mu"].sum();
    for answered in untrained.untrained().answer_all(&AtomicBool::new(false), &mut |_| {}) {
        let ghmc::train::AnswerValue::Number(fit) = answered.value else { panic!("no number: {answered:?}") };
        assert!(fit > 4.0, "the model that {} came from gives it {fit}", answered.name);
        assert!(answered.unset.is_empty());
    }
    let start = params(&format!("{model}train m on seen {{ maximise loglik; epochs 1 }}\n"))["m.mu"].sum();
    assert!((start - truth).abs() > 0.1, "training starts at {start}, the truth is {truth}");
}

/// The mean and the variance of some numbers.
fn moments(values: &ArrayD<f64>) -> (f64, f64) {
    let mean = values.sum() / values.len() as f64;
    (mean, values.mapv(|v| (v - mean) * (v - mean)).sum() / values.len() as f64)
}

#[test]
fn simulated_parameters_come_from_their_priors() {
    // A family, what it is of, its mean and its variance.
    let families = [
        ("Normal(1, sd = 2)", "Real", 1.0, 4.0),
        ("Laplace(1, scale = 2)", "Real", 1.0, 8.0),
        ("StudentT(10, 1, scale = 2)", "Real", 1.0, 5.0),
        ("Uniform(1, 3)", "Real", 2.0, 1.0 / 3.0),
        ("Gamma(3, rate = 2)", "Positive", 1.5, 0.75),
        ("InverseGamma(5, scale = 8)", "Positive", 2.0, 4.0 / 3.0),
        ("Exponential(rate = 2)", "Positive", 0.5, 0.25),
        ("LogNormal(0, sd = 0.5)", "Positive", 1.133_148, 0.364_696),
        ("Beta(2, 3)", "Unit", 0.4, 0.04),
    ];
    for (family, domain, mean, variance) in families {
        let text = format!(
            "axis Many = 20000
model m {{
  param a: {domain}[Many] prior {family}
  x: Real ~ Normal(sum(a), sd = 1)
}}
data seen = sample(m, 2, seed = 1) {{ x: Real }}
"
        );
        let found = moments(&params(&text)["m.a"]);
        let error = 6.0 * (variance / 20_000.0f64).sqrt();
        assert!((found.0 - mean).abs() < error, "the mean of {family} is {} and not {mean}", found.0);
        assert!((found.1 / variance - 1.0).abs() < 0.15, "the variance of {family} is {} and not {variance}", found.1);
    }
}

#[test]
fn tables_and_covariances_come_from_their_priors() {
    let text = "axis Many = 4000
axis K = 3
axis D = 2
model m {
  param base: Positive prior Gamma(2000, rate = 1000)
  param p[Many]: Simplex[K] prior Dirichlet([1, 2, 5])
  param S[Many]: Cov[D] prior InverseWishart(6, scale = 3)
  param W[Many]: Cov[D] prior Wishart(4, scale = 0.5)
  param w: Real[Many] prior Normal(0, sd = base)
  x: Real ~ Normal(sum(w) + sum(S) + sum(p) + sum(W), sd = 1)
}
data seen = sample(m, 2, seed = 1) { x: Real }
";
    let params = params(text);
    let entry = |name: &str, at: usize| {
        let array = &params[name];
        let width = array.len() / 4000;
        array.iter().skip(at).step_by(width).sum::<f64>() / 4000.0
    };
    for (at, mean) in [0.125, 0.25, 0.625].into_iter().enumerate() {
        assert!((entry("m.p", at) - mean).abs() < 0.02, "share {at} is {}", entry("m.p", at));
    }
    // The means are the scale over dof − D − 1, and dof times the scale.
    for (at, [inverse, direct]) in [[1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [1.0, 2.0]].into_iter().enumerate() {
        assert!((entry("m.S", at) - inverse).abs() < 0.1, "S {at} is {}", entry("m.S", at));
        assert!((entry("m.W", at) - direct).abs() < 0.1, "W {at} is {}", entry("m.W", at));
    }
    assert!((moments(&params["m.w"]).1 - 4.0).abs() < 0.6, "a prior reads another parameter");
}

#[test]
fn a_prior_that_cannot_be_drawn_is_told() {
    let text = "axis D = 3
model m {
  param S: Cov[D] prior InverseWishart(1, scale = 1)
  x: Real ~ Normal(sum(S), sd = 1)
}
data seen = sample(m, 2, seed = 1) { x: Real }
";
    let told =
        Compiled::of_text("test.ghm", text, Settings::default()).expect_err("too few degrees of freedom").to_string();
    assert!(told.contains("E0606") && told.contains("`m.S`") && told.contains("degrees of freedom"), "{told}");
}

#[test]
fn a_covariance_starts_at_the_identity() {
    let text = "axis D = 3
data seen = csv(\"seen.csv\") { x: Real }
model m {
  param S: Cov[D]
  x: Real ~ Normal(sum(S), sd = 1)
}
";
    let seen = table(vec![("x", Column::numbers(vec![], vec![1.0, 2.0]))]);
    let start = compiled(text, 1, &[("seen", seen)]).untrained().params()["m.S"].clone();
    let flat: Vec<f64> = start.iter().copied().collect();
    assert_eq!(flat, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn the_parts_of_a_mixture_come_apart() {
    let body = [
        ("param p: Simplex[K], mu[K]: Real", "mu[k]"),
        ("param p: Simplex[K], mu[K]: Positive", "8 * mu[k] - 8"),
        ("param p: Simplex[K], mu[K]: Unit", "20 * mu[k] - 10"),
        ("param p: Simplex[K], a: Real, b: Real", "if k is one then a else b"),
    ];
    for (declared, mean) in body {
        let text = format!(
            "axis K = one, two
data seen = csv(\"seen.csv\") {{ x: Real }}
model m {{
  {declared}
  k: K ~ Categorical(p)
  x: Real ~ Normal({mean}, sd = 1)
}}
train m on seen {{ maximise loglik by gradient with adam(0.05, batch = 100); epochs 200 }}
"
        );
        let values = (0..100).map(|i| if i % 2 == 0 { 3.0 } else { -3.0 } + f64::from(i % 5) / 5.0);
        let seen = table(vec![("x", Column::numbers(vec![], values.collect()))]);
        let compiled = compiled(&text, 1, &[("seen", seen)]);
        let start = compiled.untrained().params();
        let (end, _) = learn(&compiled, 1, &start);
        let means: Vec<f64> = match end.get("m.mu") {
            Some(mu) => mu.iter().copied().collect(),
            None => vec![end["m.a"].sum(), end["m.b"].sum()],
        };
        let scale = if declared.contains("Positive") {
            8.0
        } else if declared.contains("Unit") {
            20.0
        } else {
            1.0
        };
        assert!(scale * (means[0] - means[1]).abs() > 4.0, "{declared}: {means:?}");
    }
}

#[test]
fn early_stopping_keeps_the_best() {
    // The mean climbs from 0 to 5, and the held-out data lies at 2.
    let text = "data seen = csv(\"seen.csv\") { x: Real }
data held = csv(\"held.csv\") { x: Real }
model m {
  param a: Real
  x: Real ~ Normal(a, sd = 1)
}
train m on seen { maximise loglik with sgd(0.1, momentum = 0, batch = 2); epochs 100; patience 5 on held }
evaluate fit = loglik on held
";
    let column = |at: f64| table(vec![("x", Column::numbers(vec![], vec![at - 0.5, at + 0.5]))]);
    let compiled = compiled(text, 1, &[("seen", column(5.0)), ("held", column(2.0))]);
    let mut trained = compiled.train(&AtomicBool::new(false), &mut Silent).unwrap_or_else(|told| panic!("{told}"));
    let history = &trained.position().history[0].epochs;
    let best = history.iter().filter_map(|e| e.held_out).fold(f64::NEG_INFINITY, f64::max);
    assert!(history.len() < 20 && history.last().and_then(|e| e.held_out).is_some_and(|last| last < best - 0.1));
    let a = trained.params()["m.a"].sum();
    assert!((a - 2.0).abs() < 0.3, "the mean ends at {a}");
    let answers = trained.answer_all(&AtomicBool::new(false), &mut |_| {});
    let ghmc::train::AnswerValue::Number(fit) = answers[0].value else { panic!("no number") };
    assert!((fit - best).abs() < 1e-12, "{fit} is not the best, {best}");
}
