//! Exact engines on random programs: log-partition, marginals, best joint state, gradient.

use std::collections::BTreeMap;

use ghmc::model::evaluate::Values;
use ghmc::model::{Domain, Program, VarId};
use ghmc::plan::{Answer, AnswerShape, AskPlan};

use super::{checked, posterior_graph, posterior_plan, run};
use crate::oracle::random::{Stream, random_parameters, random_program, shape_of};
use crate::oracle::{argmax, draw, log_partition, log_posterior, marginals, model};

/// A program with parameters, and a plausible joint state of which some variables are kept as evidence.
struct Case {
    program: Program,
    clamped: Values,
    fixed: Vec<VarId>,
    text: String,
}

fn case(seed: u64) -> Option<Case> {
    let text = random_program(seed);
    let program = checked(&text);
    let m = model(&program, "m");
    let values = random_parameters(&program, seed);
    if !log_partition(&program, m, &values).is_finite() {
        return None;
    }
    let mut stream = Stream::new(seed ^ 0xE71D);
    let state = draw(&program, m, &values, stream.unit());
    let mut clamped = values.clone();
    let mut fixed = Vec::new();
    for &var in &program.models[m].vars {
        if program.vars[var].given || stream.chance(0.4) {
            fixed.push(var);
            clamped.vars.insert(var, state.vars[&var].clone());
        }
    }
    (fixed.len() < program.models[m].vars.len()).then_some(Case { program, clamped, fixed, text })
}

fn engines(plan: &AskPlan) -> Vec<&'static str> {
    match &plan.answer {
        Answer::Posterior { partition, .. } => partition.blocks.iter().map(|b| b.engine.name()).collect(),
        _ => Vec::new(),
    }
}

/// The engine's expectation in the oracle's layout: state shares for an enumeration, P(yes) or the mean for numbers.
fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

const PROGRAMS: u64 = 400;

#[test]
fn log_partitions_and_marginals_equal_brute_force() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..PROGRAMS {
        let Some(Case { program, clamped, fixed, text }) = case(seed) else { continue };
        let m = model(&program, "m");
        let Some(plan) = posterior_plan(&program, m, &fixed, AnswerShape::Mean) else {
            panic!("seed {seed} ({}) has no exact plan:\n{text}", shape_of(seed));
        };
        for engine in engines(&plan) {
            *seen.entry(engine).or_default() += 1;
        }
        let outputs = run(&program, &posterior_graph(&program, &plan), &clamped);
        let found = outputs["evidence"].iter().sum::<f64>();
        let expected = log_partition(&program, m, &clamped);
        assert!(
            close(found, expected, 1e-10),
            "seed {seed} ({}): log Z {found} and not {expected}\n{text}\n{:?}",
            shape_of(seed),
            engines(&plan)
        );
        let truth = marginals(&program, m, &clamped);
        for &var in program.models[m].vars.iter().filter(|v| !fixed.contains(v)) {
            let (got, want) = (&outputs[&program.vars[var].name], &truth[&var]);
            let want: Vec<f64> = expectation(&program, var, want);
            assert_eq!(got.len(), want.len(), "seed {seed}: layout of {}", program.vars[var].name);
            for (g, w) in got.iter().zip(&want) {
                assert!(close(*g, *w, 1e-9), "seed {seed}: {} is {g} and not {w}\n{text}", program.vars[var].name);
            }
        }
    }
    for engine in ["closed form", "forward-backward", "enumeration"] {
        assert!(seen.get(engine).is_some_and(|&n| n >= 20), "too few programs met {engine}: {seen:?}");
    }
}

/// The oracle's state shares `[entries, states]` as the engine gives them: all shares of an enumeration, else the mean.
fn expectation(program: &Program, var: VarId, shares: &ndarray::ArrayD<f64>) -> Vec<f64> {
    let states = shares.shape().last().copied().unwrap_or(1);
    let flat: Vec<f64> = shares.iter().copied().collect();
    match program.vars[var].domain {
        Domain::Cat(_) => flat,
        Domain::Spin => flat.chunks(states).map(|c| c[1] - c[0]).collect(),
        _ => flat.chunks(states).map(|c| c[1]).collect(),
    }
}

#[test]
fn the_best_joint_state_is_the_best() {
    for seed in 0..PROGRAMS / 2 {
        let Some(Case { program, clamped, fixed, text }) = case(seed) else { continue };
        let m = model(&program, "m");
        let Some(plan) = posterior_plan(&program, m, &fixed, AnswerShape::JointArgmax) else {
            panic!("seed {seed} has no exact plan:\n{text}");
        };
        let outputs = run(&program, &posterior_graph(&program, &plan), &clamped);
        let mut state = clamped.clone();
        for &var in program.models[m].vars.iter().filter(|v| !fixed.contains(v)) {
            let raw = &outputs[&program.vars[var].name];
            let shape: Vec<usize> = program.extents(&program.vars[var].axes()).unwrap();
            let values: Vec<f64> = match program.vars[var].domain {
                Domain::Cat(axis) => {
                    let k = program.axes.extent(axis).unwrap();
                    let flat: Vec<f64> = raw.iter().copied().collect();
                    flat.chunks(k).map(|c| c.iter().position(|&x| x > 0.5).unwrap() as f64).collect()
                }
                _ => raw.iter().copied().collect(),
            };
            state.vars.insert(var, ndarray::ArrayD::from_shape_vec(shape, values).unwrap());
        }
        // Ties may be broken either way, so the states' weights are compared and not the states.
        let (best, _) = argmax(&program, m, &clamped);
        let (found, expected) =
            (log_posterior(&program, m, &clamped, &state), log_posterior(&program, m, &clamped, &best));
        assert!(close(found, expected, 1e-9), "seed {seed}: {found} is below {expected}\n{text}");
    }
}

#[test]
fn gradients_of_log_partitions_equal_differences() {
    let mut checked_any = 0;
    for seed in 0..PROGRAMS / 2 {
        let Some(Case { program, clamped, fixed, text }) = case(seed) else { continue };
        let m = model(&program, "m");
        let Some(plan) = posterior_plan(&program, m, &fixed, AnswerShape::Mean) else { continue };
        let mut graph = posterior_graph(&program, &plan);
        let evidence = graph.outputs()["evidence"];
        for (&id, array) in &clamped.params {
            // Tables of probabilities are differentiated as free numbers by the engine and by the oracle alike; an entry
            // of zero has no two-sided difference.
            let name = &program.params[id].name;
            let Some(&node) = graph.state_nodes().get(name) else { continue };
            let gradient = graph.gradient(evidence, &[node])[0];
            graph.output("gradient", gradient);
            let got = run(&program, &graph, &clamped);
            for i in 0..array.len() {
                let value = array.iter().nth(i).copied().unwrap();
                if matches!(program.params[id].domain, Domain::Simplex | Domain::Unit | Domain::Positive)
                    && value < 1e-3
                {
                    continue;
                }
                let h = 1e-5 * (1.0 + value.abs());
                let at = |x: f64| {
                    let mut moved = clamped.clone();
                    *moved.params.get_mut(&id).unwrap().iter_mut().nth(i).unwrap() = x;
                    log_partition(&program, m, &moved)
                };
                let want = (at(value + h) - at(value - h)) / (2.0 * h);
                let found = got["gradient"].iter().nth(i).copied().unwrap();
                assert!(close(found, want, 1e-5), "seed {seed}: ∂/∂{name}[{i}] is {found} and not {want}\n{text}");
                checked_any += 1;
            }
            break;
        }
    }
    assert!(checked_any > 100, "only {checked_any} derivatives were compared");
}
