//! A small deep belief net with a label: answers by hand, greedy layers and up-down against the exact likelihood, ties.

use std::collections::BTreeMap;

use ghmc::data::{Column, Table};
use ghmc::model::Program;
use ghmc::pipeline::Compiled;
use ghmc::plan::Kind;
use ghmc::train::AnswerValue;
use ndarray::{ArrayD, IxDyn};

use super::{
    Arrays, BeliefNet, answers, assert_close, belief_net, compiled, drawn, learn, numbers, sigmoid, softplus, table,
    values,
};
use crate::oracle::random::Stream;
use crate::oracle::{log_partition, marginals, model, variable};

const SEEN: &str = "csv(\"seen.csv\") { x: Bool[Pixel]; y: Digit }";

const GREEDY: &str = "  stage greedy {
    tie guide.R0 = W0, guide.R1 = W1
    maximise loglik by layerwise(cd(1)) with sgd(0.1, momentum = 0.5, batch = 10)
    epochs 60
  }
";

const UPDOWN: &str = "  stage updown {
    maximise loglik by wake_sleep(memory = cd(3)) with sgd(0.05, batch = 10)
    epochs 60
  }
";

/// The model with hidden layers of so many units, and what is done with it.
fn stack(hidden: usize, rest: &str) -> String {
    belief_net(BeliefNet { pixels: 4, hidden: [hidden; 3], digit: "zero, one", data: SEEN, rest })
}

fn train(stages: &str) -> String {
    stack(3, &format!("train dbn on seen {{\n{stages}}}\n"))
}

/// Left half inked and `zero`, right half inked and `one`, a pixel in ten the other way.
fn cases(n: usize) -> Vec<(Vec<f64>, usize)> {
    let mut stream = Stream::new(41);
    (0..n)
        .map(|row| {
            let label = row % 2;
            let ink = |i: usize| (i / 2 == label) != stream.chance(0.1);
            ((0..4).map(ink).map(|inked| f64::from(u8::from(inked))).collect(), label)
        })
        .collect()
}

fn seen(cases: &[(Vec<f64>, usize)]) -> Table {
    let pixels: Vec<Vec<f64>> = cases.iter().map(|(x, _)| x.clone()).collect();
    let labels: Vec<&str> = cases.iter().map(|(_, y)| ["zero", "one"][*y]).collect();
    table(vec![("x", numbers(4, &pixels)), ("y", Column::of_labels(Vec::new(), &labels))])
}

/// Mean log p(x, y), hidden variables summed one joint state after the other.
fn exact_likelihood(program: &Program, params: &Arrays, cases: &[(Vec<f64>, usize)]) -> f64 {
    let dbn = model(program, "dbn");
    let [x, y] = ["x", "y"].map(|name| variable(program, dbn, name));
    let mut counts: BTreeMap<(Vec<u8>, usize), f64> = BTreeMap::new();
    for (pixels, label) in cases {
        *counts.entry((pixels.iter().map(|&p| p as u8).collect(), *label)).or_default() += 1.0;
    }
    let mut sum = 0.0;
    for ((pixels, label), count) in counts {
        let mut clamped = values(program, params);
        clamped.vars.insert(x, ArrayD::from_shape_fn(IxDyn(&[4]), |i| f64::from(pixels[i[0]])));
        clamped.vars.insert(y, ArrayD::from_elem(IxDyn(&[]), label as f64));
        sum += count * log_partition(program, dbn, &clamped);
    }
    sum / cases.len() as f64
}

/// P(y | x) of each case, and the sign of the number.
fn labels(hidden: usize, cases: &[(Vec<f64>, usize)], seed: u64) -> (Compiled, Arrays, Vec<f64>) {
    let text = stack(hidden, "query who = P(y | x) of dbn on seen\n");
    let compiled = compiled(&text, 1, &[("seen", seen(cases))]);
    let params = drawn(&compiled, 3.0 / (hidden as f64).sqrt(), seed);
    let told = answers(&compiled, &params);
    let AnswerValue::Settings(rows) = &told["who"] else { panic!("{told:?}") };
    let one = |answer: &AnswerValue| {
        let AnswerValue::Distribution { states, .. } = answer else { panic!("{answer:?}") };
        assert_eq!((states[0].0[0].as_str(), states[1].0[0].as_str()), ("zero", "one"));
        assert_close(states[0].1 + states[1].1, 1.0, 1e-12, "the sum");
        states[1].1
    };
    let shares = rows.iter().map(|(_, answer)| one(answer)).collect();
    (compiled, params, shares)
}

#[test]
fn labels_given_pixels_are_exact_in_a_small_stack() {
    let cases = cases(6);
    for seed in 1..=3 {
        let (compiled, params, shares) = labels(3, &cases, seed);
        assert_eq!(compiled.plan().asks[0].kind, Kind::Exact);
        let program = compiled.program();
        let dbn = model(program, "dbn");
        let [x, y] = ["x", "y"].map(|name| variable(program, dbn, name));
        for ((pixels, _), share) in cases.iter().zip(shares) {
            let mut clamped = values(program, &params);
            clamped.vars.insert(x, ArrayD::from_shape_fn(IxDyn(&[4]), |i| pixels[i[0]]));
            assert_close(share, marginals(program, dbn, &clamped)[&y][IxDyn(&[1])], 1e-10, "P(y = one | x)");
        }
    }
}

#[test]
fn labels_given_pixels_are_the_mean_over_draws_of_the_guide_in_a_large_stack() {
    const HIDDEN: usize = 14;
    let cases = cases(6);
    let mut stream = Stream::new(7);
    let mut apart = Vec::new();
    for seed in 1..=3 {
        let (compiled, params, shares) = labels(HIDDEN, &cases, seed);
        assert_eq!(compiled.plan().asks[0].kind, Kind::Estimate);
        let at = |name: &str, at: &[usize]| params[&format!("dbn.{name}")][IxDyn(at)];
        let layer = |below: &[f64], weights: &str, bias: &str| -> Vec<f64> {
            let slope = |j: usize| (0..below.len()).map(|i| below[i] * at(weights, &[i, j])).sum::<f64>();
            (0..HIDDEN).map(|j| sigmoid(at(bias, &[j]) + slope(j))).collect()
        };
        let mut draw =
            |p: Vec<f64>| -> Vec<f64> { p.into_iter().map(|p| f64::from(u8::from(stream.chance(p)))).collect() };
        for ((x, _), share) in cases.iter().zip(shares) {
            // The label's free energy, its row of weights below those of the hidden layer.
            let free = |h2: &[f64], y: usize| {
                let slope = |t: usize| {
                    let below: f64 = (0..HIDDEN).map(|k| h2[k] * at("memory.W", &[k, t])).sum();
                    at("memory.c", &[t]) + below + at("memory.W", &[HIDDEN + y, t])
                };
                at("memory.b", &[HIDDEN + y]) + (0..HIDDEN).map(|t| softplus(slope(t))).sum::<f64>()
            };
            let mut mean = 0.0;
            for _ in 0..1000 {
                let h1 = draw(layer(x, "guide.R0", "guide.c1"));
                let h2 = draw(layer(&h1, "guide.R1", "guide.c2"));
                mean += sigmoid(free(&h2, 1) - free(&h2, 0)) / 1000.0;
            }
            // Twenty draws of a probability lie within four of their standard errors, of at most 0.5/√20.
            assert_close(share, mean, 0.45, "P(y = one | x)");
            apart.push(share - mean);
        }
    }
    let bias = apart.iter().sum::<f64>() / apart.len() as f64;
    assert!(bias.abs() < 0.05, "{apart:?}");
}

#[test]
fn greedy_layers_and_up_down_raise_the_exact_likelihood() {
    let cases = cases(40);
    let compiled = compiled(&train(&format!("{GREEDY}{UPDOWN}")), 1, &[("seen", seen(&cases))]);
    let program = compiled.program();
    let start = compiled.untrained().params();
    let before = exact_likelihood(program, &start, &cases);
    for seed in 1..=2 {
        let (end, history) = learn(&compiled, seed, &start);
        let stages: Vec<(&str, usize)> = history.iter().map(|s| (s.name.as_str(), s.epochs.len())).collect();
        assert_eq!(stages.len(), 4, "a stage a layer and one for all: {stages:?}");
        let after = exact_likelihood(program, &end, &cases);
        // Without structure the best is 5 log 2 = 3.47 nats below zero.
        assert!(after > before + 0.5 && after > -3.0, "seed {seed}: from {before} to {after}");
    }
}

#[test]
fn ties_hold_while_their_stage_runs_and_not_after() {
    let cases = cases(40);
    let data = [("seen", seen(&cases))];
    let greedy = compiled(&train(GREEDY), 1, &data);
    let start = drawn(&greedy, 0.1, 5);
    let (end, _) = learn(&greedy, 1, &start);
    for (tied, to) in [("dbn.guide.R0", "dbn.W0"), ("dbn.guide.R1", "dbn.W1")] {
        assert_ne!(start[tied], start[to], "they start apart");
        assert_ne!(end[to], start[to], "{to} was learned");
        assert_eq!(end[tied], end[to], "{tied} ends as {to}");
    }
    let both = compiled(&train(&format!("{GREEDY}{UPDOWN}")), 1, &data);
    let (end, _) = learn(&both, 1, &start);
    assert_ne!(end["dbn.guide.R0"], end["dbn.W0"]);
    assert_ne!(end["dbn.guide.R1"], end["dbn.W1"]);
}

#[test]
fn a_tied_step_is_the_sum_of_both_steps() {
    // One step over all rows from parameters that are equal where they are tied, so that both runs draw the same numbers.
    let cases = cases(40);
    let step = |tie: &str| {
        let stage = format!("{tie}  maximise loglik by wake_sleep with sgd(1, batch = 40); epochs 1\n");
        let compiled = compiled(&train(&stage), 1, &[("seen", seen(&cases))]);
        let mut start = drawn(&compiled, 0.5, 7);
        start.insert("dbn.guide.R0".into(), start["dbn.W0"].clone());
        let (end, _) = learn(&compiled, 1, &start);
        end.iter().map(|(name, array)| (name.clone(), array - &start[name])).collect::<Arrays>()
    };
    let (apart, tied) = (step(""), step("  tie guide.R0 = W0\n"));
    assert_ne!(apart["dbn.guide.R0"], apart["dbn.W0"]);
    let sum = &apart["dbn.W0"] + &apart["dbn.guide.R0"];
    for (found, expected) in tied["dbn.W0"].iter().zip(&sum) {
        assert_close(*found, *expected, 1e-12, "the tied step");
    }
    assert_eq!(tied["dbn.guide.R0"], tied["dbn.W0"]);
    assert_eq!(tied["dbn.guide.R1"], apart["dbn.guide.R1"], "what is not tied moves as before");
}
