//! The parts of an objective: each against a number of its own, and training that is the same bit for bit whether they are told.

use std::collections::BTreeMap;

use ghmc::diag::Code;
use ghmc::engine::objective::When;
use ghmc::engine::update::{StepSpec, gradient_step, part_name};
use ghmc::plan::Update;
use ghmc::runtime::{Options, Program, States};
use ghmc::tensor::graph::{Graph, NodeId};
use ghmc::train::fit::{StageRecord, run_program};

use super::{assert_close, compiled, drawn, learn, numbers, table};
use crate::oracle::random::Stream;

const PIXELS: usize = 6;

const CODER: &str = "axis Z = 3
axis Pixel = 6
data seen = csv(\"seen.csv\") { x: Bool[Pixel] = soft(x) }
net dec(z: Real[Z]) -> Real[Pixel] { dense(5, tanh); dense }
net enc(x: Bool[Pixel]) -> (mean: Real[Z], sd: Positive[Z]) { dense }
model vae {
  z: Real[Z]     ~ Normal(0, sd = 1)
  x: Bool[Pixel] ~ Bernoulli(logit = dec(z))
}
guide vae { z: Real[Z] ~ Normal(..enc(x)) }
";

fn rows(n: usize) -> Vec<Vec<f64>> {
    let mut stream = Stream::new(23);
    (0..n).map(|_| (0..PIXELS).map(|_| stream.unit()).collect()).collect()
}

/// The named parts of a stage's line in an epoch.
fn parts(record: &StageRecord, line: usize, epoch: usize) -> BTreeMap<String, f64> {
    let epoch = &record.epochs[epoch];
    assert_eq!(record.parts[line].len(), epoch.parts[line].len());
    record.parts[line].iter().cloned().zip(epoch.parts[line].iter().copied()).collect()
}

#[test]
fn a_bound_has_a_reconstruction_and_a_divergence() {
    let data = rows(7);
    let seen = table(vec![("x", numbers(PIXELS, &data))]);
    // The first epoch is one step, so its figures are those of the parameters that it starts from.
    let text = format!(
        "{CODER}train vae on seen {{ maximise elbo(kl_weight = 0.25) with adam(0.01, batch = 7); epochs 2 }}\n"
    );
    let compiled = compiled(&text, 1, &[("seen", seen)]);
    let start = drawn(&compiled, 0.4, 3);
    let (_, history) = learn(&compiled, 1, &start);
    let told = parts(&history[0], 0, 0);
    assert_eq!(told.keys().collect::<Vec<_>>(), ["KL", "reconstruction"]);
    let whole = history[0].epochs[0].objectives[0].expect("a value");
    assert_close(told["reconstruction"] - 0.25 * told["KL"], whole, 1e-12, "the whole");
    // KL(Normal(mean, sd) ‖ Normal(0, 1)) in closed form.
    let dense = |name: &str, x: &[f64], j: usize| {
        let weight = &start[&format!("enc.{name}.weight")];
        start[&format!("enc.{name}.bias")][[j].as_slice()]
            + x.iter().enumerate().map(|(i, x)| x * weight[[i, j].as_slice()]).sum::<f64>()
    };
    let divergence = |x: &Vec<f64>| -> f64 {
        let entry = |j| {
            let (mean, log_sd) = (dense("mean", x, j), dense("sd", x, j));
            0.5 * ((2.0 * log_sd).exp() + mean * mean - 1.0) - log_sd
        };
        (0..3).map(entry).sum()
    };
    let expected = data.iter().map(divergence).sum::<f64>() / 7.0;
    assert_close(told["KL"], expected, 1e-9, "the divergence");
}

#[test]
fn a_sum_over_states_has_parts_that_add_up() {
    let text = "axis Part = 3
axis Dim = 2
data seen = csv(\"seen.csv\") { x: Real[Dim] }
model mixture {
  param w: Simplex[Part], mu[Part]: Real[Dim]
  k: Part ~ Categorical(w)
  x: Real[Dim] ~ Normal(mu[k], sd = 1)
}
guide mixture { param R: Real[Dim, Part]; k: Part ~ Categorical(logit = R @ x) }
train mixture on seen { maximise elbo with adam(0.01, batch = 4); epochs 3 }
";
    let data: Vec<Vec<f64>> = (0..8).map(|i| vec![f64::from(i) / 4.0, 1.0 - f64::from(i)]).collect();
    let compiled = compiled(text, 1, &[("seen", table(vec![("x", numbers(2, &data))]))]);
    let (_, history) = learn(&compiled, 1, &drawn(&compiled, 0.4, 3).into_iter().map(positive).collect());
    for epoch in 0..3 {
        let told = parts(&history[0], 0, epoch);
        let whole = history[0].epochs[epoch].objectives[0].expect("a value");
        assert_close(told["reconstruction"] - told["KL"], whole, 1e-12, "the whole");
        assert!(told["KL"] > 0.0 && told["KL"] < 5.0, "{told:?}");
    }
}

/// A drawn array as shares, where it is a parameter of shares.
fn positive((name, array): (String, ndarray::ArrayD<f64>)) -> (String, ndarray::ArrayD<f64>) {
    let shares = array.mapv(f64::exp);
    let total = shares.sum();
    if name.ends_with('w') { (name, shares / total) } else { (name, array) }
}

#[test]
fn the_terms_of_a_sum_are_told_each_with_its_sign_and_weight() {
    let text = "axis Pixel = 3
data seen = csv(\"seen.csv\") { x: Bool[Pixel]; y: Bool }
param W: Real[Pixel]
model up(given x: Bool[Pixel]) { y: Bool ~ Bernoulli(logit = W @ x) }
model down(given y: Bool) { param V: Real[Pixel]; x: Bool[Pixel] ~ Bernoulli(logit = V) }
train up, down on seen { maximise log(up(y | x)) + 2 * log(down(x | y)) - 0.5 * (W @ W); epochs 2 }
";
    let data: Vec<Vec<f64>> = (0..8u8).map(|i| (0..3).map(|b| f64::from(i >> b & 1)).collect()).collect();
    let label: Vec<Vec<f64>> = (0..8).map(|i| vec![f64::from(u8::from(i % 3 == 0))]).collect();
    let label = ghmc::data::Column::numbers(Vec::new(), label.concat());
    let compiled = compiled(text, 1, &[("seen", table(vec![("x", numbers(3, &data)), ("y", label)]))]);
    let start = drawn(&compiled, 0.5, 4);
    let (_, history) = learn(&compiled, 1, &start);
    let whole = history[0].epochs[0].objectives[0].expect("a value");
    let told = parts(&history[0], 0, 0);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_close(told.values().sum(), whole, 1e-12, "the whole");
    // Every pattern occurs once: a pixel is set in half of the rows.
    let down: f64 = start["down.V"].iter().map(|v| 0.5 * (v - v.exp().ln_1p()) - 0.5 * v.exp().ln_1p()).sum();
    assert_close(told["2 log down(x | y)"], 2.0 * down, 1e-9, "a weighted term");
    assert!(told["log up(y | x)"] < 0.0);
}

/// The same graph with the objective and the new states alone.
fn without_parts(graph: &Graph) -> Graph {
    let kept = graph.outputs().iter().filter(|(name, _)| part_name(name).is_none());
    let named: Vec<(bool, &String, NodeId)> =
        kept.map(|(n, &id)| (false, n, id)).chain(graph.updates().iter().map(|(n, &id)| (true, n, id))).collect();
    let roots: Vec<NodeId> = named.iter().map(|n| n.2).collect();
    let mut lean = Graph::new();
    let new = lean.import(graph, &roots, &BTreeMap::new());
    for ((is_state, name, _), id) in named.iter().zip(new) {
        if *is_state { lean.set_state(name, id) } else { lean.output(name, id) }
    }
    lean
}

#[test]
fn telling_parts_changes_no_bit_of_training() {
    let seen = table(vec![("x", numbers(PIXELS, &rows(40)))]);
    let text = format!("{CODER}train vae on seen {{ maximise elbo with adam(0.02, batch = 40); epochs 1 }}\n");
    let compiled = compiled(&text, 1, &[("seen", seen)]);
    let (program, plan) = (compiled.program(), compiled.plan());
    let (train, stage) = (&plan.trains[0], &plan.trains[0].stages[0]);
    let Update::Gradient(optimiser) = &stage.lines[0].update else { panic!("a gradient") };
    let when = When { epoch: 0, epochs: 1 };
    let inputs = &train.bound;
    let spec = StepSpec { program, stage, line: 0, rows: 40, data_rows: 40, inputs, partial: &[], when };
    let told = gradient_step(&spec, optimiser).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(told.outputs().keys().filter(|name| part_name(name).is_some()).count(), 2);
    let silent = without_parts(&told);
    assert_eq!(silent.outputs().len(), 1);
    let values: Vec<f32> = rows(40).concat().iter().map(|&v| v as f32).collect();
    let inputs = vec![("vae.x".to_string(), values), ("rate".to_string(), vec![0.02f32])];
    let run = |graph: &Graph| -> Vec<(String, Vec<u32>)> {
        let mut compiled_step: Program<f32> =
            Program::compile(graph, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        let mut states: States<f32> = States::new();
        for (name, array) in drawn(&compiled, 0.4, 3) {
            states.insert(name, array.shape(), array.iter().map(|&v| v as f32).collect());
        }
        for step in 0..20 {
            run_program(&mut compiled_step, &mut states, &inputs, 1, step).unwrap_or_else(|e| panic!("{e}"));
        }
        states.iter().map(|(name, _, data)| (name.to_string(), data.iter().map(|v| v.to_bits()).collect())).collect()
    };
    assert_eq!(run(&told), run(&silent));
}

#[test]
fn a_latent_variable_that_says_nothing_is_told_of() {
    // Every row is the same: there is nothing that a code could tell.
    let alike = vec![vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0]; 12];
    let told = |data: &[Vec<f64>]| {
        let seen = table(vec![("x", numbers(PIXELS, data))]);
        let text = format!("{CODER}train vae on seen {{ maximise elbo with adam(0.03, batch = 12); epochs 300 }}\n");
        let compiled = compiled(&text, 1, &[("seen", seen)]);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let trained = compiled.train(&stop, &mut ghmc::train::Silent).unwrap_or_else(|told| panic!("{told}"));
        trained.remarks().sorted().0.iter().map(|d| (d.code, d.message.clone())).collect::<Vec<_>>()
    };
    let found = told(&alike);
    assert!(matches!(found.as_slice(), [(Code::Collapsed, text)] if text.contains("`z`")), "{found:?}");
    let halves: Vec<Vec<f64>> = (0..12).map(|i| vec![f64::from(i % 2); PIXELS]).collect();
    assert_eq!(told(&halves), Vec::new());
}
