//! Exact engines on random programs: log-partition, marginals, best joint state, gradient.

use std::collections::BTreeMap;

use ghmc::model::evaluate::{Values, log_normaliser};
use ghmc::model::{Domain, FactorKind, Program, VarId};
use ghmc::plan::{Answer, AnswerShape, AskPlan};

use super::{checked, posterior_graph, posterior_plan, replays, run};
use crate::oracle::random::{Stream, random_parameters, random_program, shape_of};
use crate::oracle::{argmax, draw, log_partition, log_posterior, marginals, model};

/// A program with parameters, and a plausible joint state of which some variables are kept as evidence.
struct Case {
    program: Program,
    clamped: Values,
    fixed: Vec<VarId>,
    open: Vec<VarId>,
    text: String,
}

/// Variables that are distributed and not fixed.
fn open_vars(program: &Program, fixed: &[VarId]) -> Vec<VarId> {
    let m = model(program, "m");
    let defined: Vec<VarId> = program.models[m]
        .factors
        .iter()
        .filter_map(|f| match &f.kind {
            FactorKind::Deterministic { target, .. } => Some(target.var),
            _ => None,
        })
        .collect();
    let vars = program.models[m].vars.iter().copied();
    vars.filter(|v| !fixed.contains(v) && !defined.contains(v)).collect()
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
        let Some(value) = state.vars.get(&var) else { continue };
        if program.vars[var].given || stream.chance(0.4) {
            fixed.push(var);
            clamped.vars.insert(var, value.clone());
        }
    }
    let open = open_vars(&program, &fixed);
    (!open.is_empty()).then_some(Case { program, clamped, fixed, open, text })
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

const PROGRAMS: u64 = 150;

#[test]
fn log_partitions_and_marginals_equal_brute_force() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..PROGRAMS {
        let Some(Case { program, clamped, fixed, open, text }) = case(seed) else { continue };
        let m = model(&program, "m");
        let Some(plan) = posterior_plan(&program, m, &fixed, &open, AnswerShape::Mean) else {
            panic!("seed {seed} ({}) has no exact plan:\n{text}", shape_of(seed));
        };
        for engine in engines(&plan) {
            *seen.entry(engine).or_default() += 1;
        }
        // The posterior leaves the sub-models' own log-partitions out: they do not depend on what is asked.
        let undirected = program.models[m].factors.iter().filter(|f| matches!(f.kind, FactorKind::Undirected { .. }));
        let own: f64 = undirected.map(|f| log_normaliser(&program, m, f, &clamped).unwrap()).sum();
        let expected = log_partition(&program, m, &clamped) + own;
        let truth = marginals(&program, m, &clamped);
        for plan in replays(&plan) {
            let outputs = run(&program, &posterior_graph(&program, &plan), &clamped);
            let found = outputs["evidence"].iter().sum::<f64>();
            assert!(
                close(found, expected, 1e-10),
                "seed {seed} ({}): log Z {found} and not {expected}\n{text}\n{:?}",
                shape_of(seed),
                engines(&plan)
            );
            for &var in &open {
                let (got, want) = (&outputs[&program.vars[var].name], &truth[&var]);
                let want: Vec<f64> = expectation(&program, var, want);
                assert_eq!(got.len(), want.len(), "seed {seed}: layout of {}", program.vars[var].name);
                for (g, w) in got.iter().zip(&want) {
                    assert!(close(*g, *w, 1e-9), "seed {seed}: {} is {g} and not {w}\n{text}", program.vars[var].name);
                }
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
        let Some(Case { program, clamped, fixed, open, text }) = case(seed) else { continue };
        let m = model(&program, "m");
        let Some(plan) = posterior_plan(&program, m, &fixed, &open, AnswerShape::JointArgmax) else {
            panic!("seed {seed} has no exact plan:\n{text}");
        };
        for plan in replays(&plan) {
            let outputs = run(&program, &posterior_graph(&program, &plan), &clamped);
            let mut state = clamped.clone();
            for &var in &open {
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
}

#[test]
fn gradients_of_log_partitions_equal_differences() {
    let mut checked_any = 0;
    for seed in 0..PROGRAMS / 2 {
        let Some(Case { program, clamped, fixed, open, text }) = case(seed) else { continue };
        let m = model(&program, "m");
        // The oracle's log-partition has the sub-models' own taken off, which the posterior leaves out.
        if program.models[m].factors.iter().any(|f| matches!(f.kind, FactorKind::Undirected { .. })) {
            continue;
        }
        let Some(plan) = posterior_plan(&program, m, &fixed, &open, AnswerShape::Mean) else { continue };
        for plan in replays(&plan) {
            let mut graph = posterior_graph(&program, &plan);
            let evidence = graph.outputs()["evidence"];
            for (&id, array) in &clamped.params {
                let name = &program.params[id].name;
                let Some(&node) = graph.state_nodes().get(name) else { continue };
                let gradient = graph.gradient(evidence, &[node])[0];
                graph.output("gradient", gradient);
                let got = run(&program, &graph, &clamped);
                let gradient: Vec<f64> = got["gradient"].iter().copied().collect();
                let flat: Vec<f64> = array.iter().copied().collect();
                let domain = &program.params[id].domain;
                let row = array.shape().last().copied().unwrap_or(1);
                let at = |moves: &[(usize, f64)]| {
                    let mut moved = clamped.clone();
                    for &(i, by) in moves {
                        if let Some(entry) = moved.params.get_mut(&id).and_then(|p| p.iter_mut().nth(i)) {
                            *entry += by;
                        }
                    }
                    log_partition(&program, m, &moved)
                };
                for i in 0..flat.len() {
                    let h = 1e-5 * (1.0 + flat[i].abs());
                    // A table's entries are moved in pairs, so that its rows still sum to one.
                    let (found, want) = match domain {
                        Domain::Simplex => {
                            let j = i / row * row + (i + 1) % row;
                            if i == j || flat[i] < 1e-2 || flat[j] < 1e-2 {
                                continue;
                            }
                            let difference = at(&[(i, h), (j, -h)]) - at(&[(i, -h), (j, h)]);
                            (gradient[i] - gradient[j], difference / (2.0 * h))
                        }
                        Domain::Real => (gradient[i], (at(&[(i, h)]) - at(&[(i, -h)])) / (2.0 * h)),
                        _ => continue,
                    };
                    assert!(close(found, want, 1e-5), "seed {seed}: ∂/∂{name}[{i}] is {found} and not {want}\n{text}");
                    checked_any += 1;
                }
                break;
            }
        }
    }
    assert!(checked_any > 100, "only {checked_any} derivatives were compared");
}
