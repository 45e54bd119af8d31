//! Variables that have a value in some entries: what is absent is summed over, what is there is evidence.

use ghmc::engine::update::{input_name, present_name};
use ghmc::model::{Domain, FactorKind};
use ghmc::plan::{Answer, AnswerShape, Engine};

use super::{checked, posterior_graph_with, posterior_plan, run_with};
use crate::oracle::random::{Stream, random_parameters, random_program, shape_of};
use crate::oracle::{draw, log_partition, marginals, model};

#[test]
fn absent_entries_are_summed_over_and_the_others_are_evidence() {
    let mut compared = 0;
    for seed in 0..150 {
        let text = random_program(seed);
        let program = checked(&text);
        let m = model(&program, "m");
        let values = random_parameters(&program, seed);
        // What is put in for another name has no density of its own, and the oracle takes the sub-models' own log-partitions off.
        let plain = |f: &ghmc::model::Factor| {
            !matches!(f.kind, FactorKind::Undirected { .. } | FactorKind::Deterministic { .. })
        };
        if !program.models[m].factors.iter().all(plain) || !log_partition(&program, m, &values).is_finite() {
            continue;
        }
        let mut stream = Stream::new(seed ^ 0x9A27);
        let state = draw(&program, m, &values, stream.unit());
        let (mut fixed, mut partial, mut open) = (Vec::new(), Vec::new(), Vec::new());
        let mut clamped = values.clone();
        let mut inputs = Vec::new();
        for &var in &program.models[m].vars {
            let Some(value) = state.vars.get(&var) else { continue };
            let choice = stream.unit();
            if program.vars[var].given || choice < 0.3 {
                fixed.push(var);
                clamped.vars.insert(var, value.clone());
            } else if choice < 0.8 {
                partial.push(var);
                let present: Vec<f64> = value.iter().map(|_| f64::from(u8::from(stream.chance(0.5)))).collect();
                let mut told = value.clone();
                told.iter_mut().zip(&present).filter(|(_, p)| **p == 0.0).for_each(|(v, _)| *v = f64::NAN);
                clamped.vars.insert(var, told);
                // Nothing may hang on what stands where nothing is told.
                let zero = if program.vars[var].domain == Domain::Spin { -1.0 } else { 0.0 };
                let shown = value.iter().zip(&present).map(|(v, p)| if *p == 0.0 { zero } else { *v }).collect();
                inputs.push((input_name(&program, var), shown));
                inputs.push((present_name(&program, var), present));
            } else {
                open.push(var);
            }
        }
        if partial.is_empty() {
            continue;
        }
        let latent: Vec<_> = partial.iter().chain(&open).copied().collect();
        let Some(mut plan) = posterior_plan(&program, m, &fixed, &latent, AnswerShape::Mean) else { continue };
        let Answer::Posterior { partition, .. } = &mut plan.answer else { continue };
        partition.partial = partial.clone();
        partition.blocks.iter_mut().for_each(|b| b.engine = Engine::JunctionTree);
        let outputs = run_with(&program, &posterior_graph_with(&program, &plan, &partial), &clamped, &inputs);
        let (found, expected) = (outputs["evidence"].iter().sum::<f64>(), log_partition(&program, m, &clamped));
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
        assert!(close(found, expected), "seed {seed} ({}): {found}, {expected} by brute force\n{text}", shape_of(seed));
        let truth = marginals(&program, m, &clamped);
        for &var in &latent {
            let Some(want) = truth.get(&var) else { continue };
            let states = want.shape().last().copied().unwrap_or(1);
            let flat: Vec<f64> = want.iter().copied().collect();
            let want: Vec<f64> = match program.vars[var].domain {
                Domain::Cat(_) => flat,
                Domain::Spin => flat.chunks(states).map(|c| c[1] - c[0]).collect(),
                _ => flat.chunks(states).map(|c| c[1]).collect(),
            };
            for (g, w) in outputs[&program.vars[var].name].iter().zip(&want) {
                assert!(
                    close(*g, *w),
                    "seed {seed}: {} is {g}, and {w} by brute force\n{text}",
                    program.vars[var].name
                );
            }
        }
        compared += 1;
    }
    assert!(compared > 40, "only {compared} programs were compared");
}
