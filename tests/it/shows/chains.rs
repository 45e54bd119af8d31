//! Undirected parts that are learned, bounded and measured by chains: each engine against an exact one or against plain loops.

use std::sync::atomic::{AtomicBool, Ordering};

use ghmc::data::Table;
use ghmc::pipeline::Compiled;
use ghmc::plan::Kind;
use ghmc::train::annealed::Estimate;
use ghmc::train::{Answered, Event, Fit, Observer, Options, Outcome, Silent};
use ndarray::IxDyn;

use super::{Arrays, answers, assert_close, compiled, drawn, figure, learn, numbers, sigmoid, table};
use crate::oracle::random::Stream;

/// Entries coupled with each other on both sides.
const COUPLED: &str = "axis Seen = 4
axis Seen2 = Seen
axis Hidden = 2
axis Hidden2 = Hidden
model m {
  param W: Real[Seen, Hidden], J: Real[Seen, Seen2], K: Real[Hidden, Hidden2]
  var x: Bool[Seen], h: Bool[Hidden]
  factor x @ W @ h
  for i in Seen, j in Seen2 { factor J[i, j] * x[i] * x[j] }
  for i in Hidden, j in Hidden2 { factor K[i, j] * h[i] * h[j] }
}
";

/// Two hidden layers and a label above.
const LAYERED: &str = "axis Seen = 4
axis H1 = 3
axis H2 = 2
axis Kind = a, b, c
model m {
  param W: Real[Seen, H1], V: Real[H1, H2], U: Real[Kind, H2], b: Real[Seen], c: Real[H1], d: Real[H2]
  var x: Bool[Seen], h: Bool[H1], g: Bool[H2], y: Kind
  factor x @ W @ h + b @ x
  factor h @ V @ g + c @ h
  factor y @ U @ g + d @ g
}
";

/// Spins on a ring's rim with hidden spins that like three neighbours.
const SPINS: &str = "axis Seen = 4
model m {
  param J: Real[Seen], W: Real[Seen]
  var x: Spin[Seen], h: Spin[Seen]
  for i in Seen { factor J[i] * x[i] * x[i-1]; factor W[i] * x[i] * h[i]; factor 0.3 * h[i] * h[i-1] }
}
";

/// Numbers seen, yes or no hidden.
const GAUSSIAN: &str = "axis Seen = 4
axis Hidden = 3
model m {
  param W: Real[Seen, Hidden], b: Real[Seen], c: Real[Hidden], s: Positive
  var x: Real[Seen], h: Bool[Hidden]
  factor -0.5 * sum(square((x - b) / s)) + (x / s) @ W @ h + c @ h
}
";

/// Numbers hidden, yes or no seen.
const CODES: &str = "axis Seen = 4
axis Code = 2
model m {
  param W: Real[Seen, Code], b: Real[Seen], c: Real[Code]
  var x: Bool[Seen], u: Real[Code]
  factor x @ W @ u + b @ x + c @ u
  factor -0.5 * (u @ u)
}
";

fn domain(model: &str) -> &str {
    let at = model.find("var x: ").expect("x") + "var x: ".len();
    &model[at..at + model[at..].find('[').expect("an axis")]
}

/// Rows of four patterns, as the domain of `x` has them.
fn rows(model: &str, times: usize) -> Table {
    let patterns = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]];
    let entry = |v: f64| if domain(model) == "Spin" { 2.0 * v - 1.0 } else { v };
    let rows: Vec<Vec<f64>> =
        (0..times).flat_map(|_| patterns.iter().map(|p| p.iter().map(|&v| entry(v)).collect())).collect();
    table(vec![("x", numbers(4, &rows))])
}

fn made(model: &str, rest: &str, times: usize) -> Compiled {
    let text = format!("data seen = csv(\"seen.csv\") {{ x: {}[Seen] }}\n{model}{rest}", domain(model));
    compiled(&text, 1, &[("seen", rows(model, times))])
}

/// Parameters that are neither small nor so large that chains stick.
fn parameters(compiled: &Compiled, seed: u64) -> Arrays {
    let mut params = drawn(compiled, 0.7, seed);
    if let Some(s) = params.get_mut("m.s") {
        s.fill(0.8);
    }
    params
}

/// What one step with a rate of one moves the parameters by.
fn step(model: &str, by: &str, rows: usize, seed: u64) -> (Arrays, String) {
    let train = format!("train m on seen {{ maximise loglik {by} with sgd(1, batch = {rows}); epochs 1 }}\n");
    let compiled = made(model, &train, rows / 4);
    let start = parameters(&compiled, 5);
    let (end, _) = learn(&compiled, seed, &start);
    (end.iter().map(|(name, array)| (name.clone(), array - &start[name])).collect(), compiled.explain())
}

fn furthest(a: &Arrays, b: &Arrays) -> f64 {
    let unconstrained = a.iter().filter(|(name, _)| *name != "m.s");
    unconstrained.flat_map(|(name, array)| array.iter().zip(&b[name]).map(|(a, b)| (a - b).abs())).fold(0.0, f64::max)
}

fn close_to_exact(model: &str, by: &str, told: &str) {
    let (exact, plain) = step(model, "", 4, 1);
    assert!(!plain.contains("divergence"), "{plain}");
    let size = exact.values().flat_map(|a| a.iter().copied()).fold(0.0, |most: f64, v| most.max(v.abs()));
    assert!(size > 0.1, "the gradient is small where it is compared");
    let (found, explained) = step(model, by, 4, 1);
    assert!(explained.contains(told), "{explained}");
    // Twelve thousand products of entries, of a deviation near one: five of its standard errors.
    assert!(furthest(&found, &exact) < 0.05, "{found:?} is not {exact:?}");
}

#[test]
fn chains_that_go_on_tend_to_the_exact_gradient() {
    let by = "by pcd(60, chains = 10000)";
    close_to_exact(COUPLED, by, "`x` in 4 turns");
    close_to_exact(LAYERED, by, "`h` and `y`; then `x` and `g`");
    close_to_exact(SPINS, by, "`x` in 2 turns");
    close_to_exact(GAUSSIAN, by, "PCD-60, 10000 chains");
    close_to_exact(CODES, by, "PCD-60, 10000 chains");
}

#[test]
fn chains_from_rows_reach_entries_that_are_coupled() {
    // As many rows as chains would be: their ends are as near to the model's own draws.
    let (exact, _) = step(COUPLED, "", 4, 1);
    for model in [COUPLED, LAYERED, GAUSSIAN, CODES] {
        let exact = if model == COUPLED { exact.clone() } else { step(model, "", 4, 1).0 };
        let (found, explained) = step(model, "by cd(60)", 10_000, 1);
        assert!(explained.contains("CD-60 from `x`"), "{explained}");
        assert!(furthest(&found, &exact) < 0.05, "{found:?} is not {exact:?}");
    }
}

/// Sets a flag at a step.
struct StopAt<'a>(u64, &'a AtomicBool);

impl Observer for StopAt<'_> {
    fn notice(&mut self, event: &Event) {
        if matches!(event, Event::Step { at, .. } if *at == self.0) {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn chains_go_on_after_a_break_with_the_same_bits() {
    let train = "train m on seen { maximise loglik by pcd(2, chains = 7) with sgd(0.1, momentum = 0.5, batch = 3); epochs 6 }\n";
    let compiled = made(COUPLED, train, 2);
    let dir = tempfile::tempdir().expect("a place");
    let run = |checkpoints: Option<std::path::PathBuf>, stop_at: Option<u64>| {
        let options = Options { seed: 3, checkpoints, ..Options::default() };
        let mut fit: Fit<'_, f64> = Fit::new(compiled.program(), compiled.plan(), compiled.data(), options);
        if stop_at.is_none() && fit.position().at == 0 {
            fit.resume(&mut Silent).unwrap_or_else(|told| panic!("{told}"));
        }
        let stop = AtomicBool::new(false);
        let outcome = match stop_at {
            Some(at) => fit.run(&stop, &mut StopAt(at, &stop)),
            None => fit.run(&stop, &mut Silent),
        };
        let outcome = outcome.unwrap_or_else(|told| panic!("{told}"));
        let states: Vec<(String, Vec<f64>)> =
            fit.states().iter().map(|(name, _, data)| (name.to_string(), data.to_vec())).collect();
        (outcome, states)
    };
    let (outcome, whole) = run(None, None);
    assert_eq!(outcome, Outcome::Done);
    let chains = |states: &[(String, Vec<f64>)]| states.iter().filter(|(n, _)| n.starts_with("chains.")).count();
    assert_eq!(chains(&whole), 3, "x, h, and that they have begun");
    let (outcome, _) = run(Some(dir.path().to_path_buf()), Some(7));
    assert_eq!(outcome, Outcome::Interrupted);
    let (outcome, again) = run(Some(dir.path().to_path_buf()), None);
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(again, whole);
}

/// Each answer whole.
fn told(compiled: &Compiled, params: &Arrays) -> Vec<Answered> {
    let mut trained = compiled.untrained();
    for (name, array) in params {
        trained.set_param(name, array).unwrap_or_else(|told| panic!("{told}"));
    }
    trained.answer_all(&AtomicBool::new(false), &mut |_| {})
}

fn estimate(answers: &[Answered], name: &str) -> Estimate {
    answers.iter().find(|a| a.name == name).and_then(|a| a.estimate).unwrap_or_else(|| panic!("{answers:?}"))
}

#[test]
fn annealed_runs_find_log_z_within_their_interval() {
    let asks = "query exact = logZ of m by exact
query runs = logZ of m by ais(chains = 400, betas = 300)
evaluate whole = loglik of m on seen by exact
evaluate part = loglik of m on seen by ais(chains = 400, betas = 300)
";
    for model in [COUPLED, LAYERED, SPINS, GAUSSIAN, CODES] {
        let compiled = made(model, asks, 1);
        for seed in 1..=4 {
            let params = parameters(&compiled, seed);
            let answers = told(&compiled, &params);
            let number = |name: &str| {
                let found = answers.iter().find(|a| a.name == name).map(|a| a.value.clone());
                let Some(ghmc::train::AnswerValue::Number(v)) = found else { panic!("{name}: {found:?}") };
                v
            };
            let (exact, found) = (number("exact"), estimate(&answers, "runs"));
            let half = (found.interval.1 - found.interval.0) / 2.0;
            // Twice the interval is four deviations.
            assert!((found.value - exact).abs() <= 2.0 * half + 1e-9, "{model}{found:?}, exactly {exact}");
            assert!((found.reverse - exact).abs() <= 4.0 * half + 1e-9, "{model}{found:?}, exactly {exact}");
            assert!(half < 0.2, "{model}{found:?}: the runs say little");
            assert!(!found.note().contains("disagree"), "{}", found.note());
            assert_close(number("runs"), found.value, 1e-12, "the figure");
            assert_close(
                number("part") - number("whole"),
                exact - estimate(&answers, "part").value,
                1e-9,
                "a likelihood",
            );
        }
        let kinds: Vec<Kind> = compiled.plan().asks.iter().map(|a| a.kind).collect();
        assert_eq!(kinds, [Kind::Exact, Kind::Estimate, Kind::Exact, Kind::Estimate]);
    }
}

#[test]
fn runs_that_are_too_few_and_too_short_are_told() {
    // Two modes far apart: one temperature finds hardly anything of either.
    let text = "axis Site = 12
model m { var x: Spin[Site]; for i in Site { factor 4 * x[i] * x[i-1] } }
query exact = logZ of m by exact
query runs = logZ of m by ais(chains = 5, betas = 1)
";
    let compiled = compiled(text, 1, &[]);
    let answers = told(&compiled, &Arrays::new());
    let found = estimate(&answers, "runs");
    assert!(found.note().contains("disagree"), "{found:?}");
}

#[test]
fn mean_field_over_layers_is_that_of_plain_loops() {
    let compiled = made(
        LAYERED,
        "evaluate bound = elbo of m on seen by mean_field\nevaluate fit = loglik of m on seen by exact\nquery z = logZ of m by exact\n",
        1,
    );
    assert!(compiled.explain().contains("are settled in turn"), "{}", compiled.explain());
    assert_eq!(compiled.plan().asks[0].kind, Kind::LowerBound);
    for seed in 1..=3 {
        let params = parameters(&compiled, seed);
        let answers = answers(&compiled, &params);
        let at = |name: &str, at: &[usize]| params[&format!("m.{name}")][IxDyn(at)];
        let mut sum = 0.0;
        for x in [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]] {
            let (mut h, mut g, mut y) = ([0.5; 3], [0.5; 2], [1.0 / 3.0; 3]);
            let up = |j: usize| at("c", &[j]) + (0..4).map(|i| x[i] * at("W", &[i, j])).sum::<f64>();
            for _ in 0..2000 {
                for k in 0..2 {
                    let below: f64 = (0..3).map(|j| h[j] * at("V", &[j, k])).sum();
                    g[k] = sigmoid(at("d", &[k]) + below + (0..3).map(|s| y[s] * at("U", &[s, k])).sum::<f64>());
                }
                for (j, h) in h.iter_mut().enumerate() {
                    *h = sigmoid(up(j) + (0..2).map(|k| g[k] * at("V", &[j, k])).sum::<f64>());
                }
                let logits = [0, 1, 2].map(|s| (0..2).map(|k| g[k] * at("U", &[s, k])).sum::<f64>().exp());
                y = logits.map(|l| l / logits.iter().sum::<f64>());
            }
            let surprise = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
            let energy = (0..4).map(|i| x[i] * at("b", &[i])).sum::<f64>()
                + (0..3).map(|j| h[j] * up(j)).sum::<f64>()
                + (0..2).map(|k| g[k] * at("d", &[k])).sum::<f64>()
                + (0..3)
                    .flat_map(|j| (0..2).map(move |k| (j, k)))
                    .map(|(j, k)| h[j] * g[k] * at("V", &[j, k]))
                    .sum::<f64>()
                + (0..3)
                    .flat_map(|s| (0..2).map(move |k| (s, k)))
                    .map(|(s, k)| y[s] * g[k] * at("U", &[s, k]))
                    .sum::<f64>();
            let bits = h.iter().chain(&g).map(|&p| surprise(p) + surprise(1.0 - p)).sum::<f64>();
            sum += energy + bits + y.iter().map(|&p| surprise(p)).sum::<f64>();
        }
        let bound = figure(&answers, "bound");
        assert_close(bound, sum / 4.0 - figure(&answers, "z"), 1e-4, "the bound");
        assert!(bound <= figure(&answers, "fit"), "a bound above what it bounds");
    }
}

#[test]
fn draws_of_layers_and_of_coupled_entries_have_the_models_means() {
    let model = "axis Seen = 12
axis H1 = 12
axis H2 = 3
model m {
  param W: Real[Seen, H1], V: Real[H1, H2], b: Real[Seen]
  var x: Bool[Seen], h: Bool[H1], g: Bool[H2]
  factor x @ W @ h + b @ x
  factor h @ V @ g
}
query exact = mean(g) of m
sample drawn = P(g) of m by gibbs(200) times 4000
";
    let compiled = compiled(model, 1, &[]);
    let mut stream = Stream::new(4);
    let mut params = drawn(&compiled, 0.5, stream.bits());
    params.get_mut("m.W").expect("W").mapv_inplace(|w| w * 0.6);
    let answers = answers(&compiled, &params);
    let ghmc::train::AnswerValue::Entries(means) = &answers["exact"] else { panic!("{answers:?}") };
    let ghmc::train::AnswerValue::Draws(draws) = &answers["drawn"] else { panic!("{answers:?}") };
    for (k, mean) in means[0].values.iter().enumerate() {
        let found = draws[0].values.iter().skip(k).step_by(3).sum::<f64>() / 4000.0;
        assert_close(found, *mean, 0.03, "a mean of draws");
    }
}

#[test]
fn a_bound_sums_what_the_guide_leaves_to_an_undirected_part() {
    let text = "axis Seen = 3
axis Hidden = 2
data seen = csv(\"seen.csv\") { x: Bool[Seen] }
param W: Real[Seen, Hidden], b: Real[Seen], c: Real[Hidden]
model machine(v: Bool[V], h: Bool[H]) {
  param W: Real[V, H], b: Real[V], c: Real[H]
  factor v @ W @ h + b @ v + c @ h
}
model whole { (x: Bool[Seen], h: Bool[Hidden]) ~ machine(v = x, h = h, W = W, b = b, c = c) }
model tied {
  (u: Bool[Seen], h: Bool[Hidden]) ~ machine(v = u, h = h, W = W, b = b, c = c)
  x: Bool[Seen] ~ Bernoulli(logit = W @ h + b)
}
model untied {
  (u: Bool[Seen], h: Bool[Hidden]) ~ machine(v = u, h = h) as top
  x: Bool[Seen] ~ Bernoulli(logit = W @ h + b)
}
guide tied { h: Bool[Hidden] ~ Bernoulli(logit = W @ x + c) }
guide untied { h: Bool[Hidden] ~ Bernoulli(logit = W @ x + c) }
evaluate whole = loglik of whole on seen
evaluate tied = loglik of tied on seen
evaluate bound = elbo of tied on seen
evaluate lower = elbo of untied on seen
evaluate upper = loglik of untied on seen
";
    let rows: Vec<Vec<f64>> = vec![vec![1.0, 0.0, 1.0], vec![0.0, 0.0, 1.0], vec![1.0, 1.0, 0.0]];
    let compiled = compiled(text, 1, &[("seen", table(vec![("x", numbers(3, &rows))]))]);
    assert_eq!(compiled.plan().asks[2].kind, Kind::LowerBound);
    for seed in 1..=3 {
        let found = answers(&compiled, &drawn(&compiled, 1.0, seed));
        let whole = figure(&found, "whole");
        // The guide is the exact posterior of the tied machine, whose density is that of the machine itself.
        assert_close(figure(&found, "tied"), whole, 1e-10, "the likelihood");
        assert_close(figure(&found, "bound"), whole, 1e-10, "the bound");
        let (lower, upper) = (figure(&found, "lower"), figure(&found, "upper"));
        assert!(lower < upper - 1e-6, "{lower} is no bound of {upper}");
    }
}

#[test]
fn pseudo_likelihood_scores_each_entry_given_the_others() {
    let asks = "evaluate found = loglik of m on seen by pseudo_likelihood\n";
    for model in [COUPLED, LAYERED, SPINS] {
        let compiled = made(model, asks, 1);
        assert_eq!(compiled.plan().asks[0].kind, Kind::Estimate);
        let program = compiled.program();
        let m = crate::oracle::model(program, "m");
        let x = crate::oracle::variable(program, m, "x");
        for seed in 1..=2 {
            let params = parameters(&compiled, seed);
            let low = if domain(model) == "Spin" { -1.0 } else { 0.0 };
            let patterns = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]];
            let at = |row: &[f64]| {
                let mut values = super::values(program, &params);
                values.vars.insert(x, ndarray::ArrayD::from_shape_vec(IxDyn(&[4]), row.to_vec()).expect("4 entries"));
                crate::oracle::log_partition(program, m, &values)
            };
            let mut sum = 0.0;
            for pattern in patterns {
                let row: Vec<f64> = pattern.iter().map(|&v| if v == 1.0 { 1.0 } else { low }).collect();
                for i in 0..4 {
                    let mut other = row.clone();
                    other[i] = 1.0 + low - row[i];
                    sum += at(&row) - crate::oracle::log_sum_exp(&[at(&row), at(&other)]);
                }
            }
            assert_close(figure(&answers(&compiled, &params), "found"), sum / 4.0, 1e-10, "the score");
        }
    }
}

#[test]
fn pseudo_likelihood_is_climbed() {
    let train = "train m on seen { maximise loglik by pseudo_likelihood with adam(0.05, batch = 4); epochs 40 }\n";
    let ask = "evaluate score = loglik of m on seen by pseudo_likelihood\n";
    let compiled = made(COUPLED, &format!("{train}{ask}"), 1);
    let start = parameters(&compiled, 3);
    let (end, history) = learn(&compiled, 1, &start);
    let (before, after) = (figure(&answers(&compiled, &start), "score"), figure(&answers(&compiled, &end), "score"));
    assert!(after > before + 0.5, "{before} to {after}");
    assert!(history[0].epochs.iter().all(|e| e.objectives[0].is_some()), "its value is known");
}

#[test]
fn log_z_of_a_machine_that_has_learned_digits_is_found_to_half_a_nat() {
    let text = "data digits = dataset(\"digits\") { x: Bool[Pixel] = binarise(image) }
axis Hidden = 15
model m {
  param W: Real[Pixel, Hidden], b: Real[Pixel], c: Real[Hidden]
  var x: Bool[Pixel], h: Bool[Hidden]
  factor x @ W @ h + b @ x + c @ h
}
train m on digits.train {
  init W from Normal(0, sd = 0.01)
  maximise loglik by pcd(1, chains = 50) with sgd(0.05, batch = 50)
  epochs 15
}
query exact = logZ of m by exact
query runs = logZ of m by ais(chains = 50, betas = 300)
evaluate first = loglik of m on digits.test by exact
";
    let compiled = compiled(text, 1, &[]);
    let start = drawn(&compiled, 0.01, 2);
    let (end, _) = learn(&compiled, 1, &start);
    let before = figure(&answers(&compiled, &start), "first");
    let found = told(&compiled, &end);
    let number = |name: &str| match found.iter().find(|a| a.name == name).map(|a| &a.value) {
        Some(ghmc::train::AnswerValue::Number(v)) => *v,
        other => panic!("{name}: {other:?}"),
    };
    assert!(number("first") > before + 15.0, "{before} to {}: it has learned nothing", number("first"));
    let (exact, runs) = (number("exact"), estimate(&found, "runs"));
    assert!((runs.value - exact).abs() < 0.5 && (runs.reverse - exact).abs() < 1.0, "{runs:?}, exactly {exact}");
}
