//! Rows shorter than the longest: what lies behind their end is in no sum.

use std::collections::BTreeMap;

use ghmc::engine::update::{Opening, length_name};
use ghmc::engine::variational::bound;
use ghmc::model::AxisKind;
use ghmc::plan::{Expectation, Schedule, VariationalPlan};
use ghmc::runtime::{Context, States, interpret};

use super::checked;
use crate::oracle;

/// −KL of a guide that knows nothing, by the weight before it: with the same noise the rest of the bound is the same.
fn divergence(sd_of_guide: f64, analytic: bool, length: usize) -> f64 {
    let text = format!(
        "axis T = 4\nmodel m {{ for t in T {{ z[t]: Real ~ Normal(0, sd = 1); x[t]: Real ~ Normal(z[t], sd = 1) }} }}\n\
         guide m {{ for t in T {{ z[t]: Real ~ Normal(0.3, sd = {sd_of_guide}) }} }}\n"
    );
    let mut program = checked(&text);
    let model = oracle::model(&program, "m");
    let (z, x) = (oracle::variable(&program, model, "z"), oracle::variable(&program, model, "x"));
    let axis = program.vars[x].index[0];
    program.axes[axis].kind = AxisKind::Ragged;
    let plan = VariationalPlan {
        model,
        draws: vec![(z, Expectation::Reparameterised)],
        joint: None,
        analytic: if analytic { vec![z] } else { vec![] },
        fixed: vec![x],
        kl_weight: Schedule::Constant(1.0),
        reason: String::new(),
        rejected: vec![],
    };
    let at = |weight: f64| {
        let opening =
            Opening { program: &program, rows: Some(1), inputs: &[x], partial: &[], ties: &[], first_site: 0 };
        let mut scope = opening.scope().unwrap();
        let value = bound(&mut scope, &plan, weight).unwrap();
        scope.space.graph.output("bound", value.whole.node);
        let (data, lengths) = ([0.1, 0.2, 30.0, 40.0], [length as f64]);
        let name = length_name(&program, axis);
        let inputs: BTreeMap<&str, &[f64]> = [("m.x", data.as_slice()), (name.as_str(), lengths.as_slice())].into();
        let inputs: Vec<(&str, &[f64])> = inputs.into_iter().collect();
        let context = Context { seed: 3, step: 0 };
        interpret(&scope.space.graph, &context, &mut States::new(), &inputs).unwrap()["bound"].data[0]
    };
    at(1.0) - at(0.0)
}

#[test]
fn a_divergence_ends_with_the_row() {
    // KL(N(m, s) ‖ N(0, 1)) = −log s + (s² + m²)/2 − ½, for each position.
    let each = -(0.5f64.ln()) + (0.25 + 0.09) / 2.0 - 0.5;
    for length in 0..=4 {
        let found = divergence(0.5, true, length);
        assert!((found + length as f64 * each).abs() < 1e-12, "{found} at length {length}");
    }
}

#[test]
fn a_guide_s_density_ends_with_the_row() {
    assert_eq!(divergence(0.5, false, 0), 0.0);
}
