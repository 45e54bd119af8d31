//! Factors: plates, edges, definitions, sub-models; and the oracle itself on a network whose answers are known.

use ghmc::model::evaluate::{EvaluateError, factor_value, log_density_of_guide, log_normaliser, log_prior};
use ghmc::model::{Arg, AxisKind, Dist, Domain, FactorKind, Family, Guide, Node, Subscript, Target};

use super::build::{Build, add, at, by, choose, conditional, dot, expr, factor, is_first, mul, num, pick, table};
use super::nowhere;

/// A chain x[t] ~ Normal(x[t-1], sd = 1) with its first mean 5, over three steps.
fn walk(kind: AxisKind) -> (Build, ghmc::model::AxisId, ghmc::model::VarId) {
    let mut b = Build::new();
    let t = b.axis_of_kind("T", kind, Some(3));
    let x = b.var("x", &[t], Domain::Real, &[]);
    let i = b.index("t", t);
    let mean = choose(is_first(i), num(5.0), pick(b.v(x), vec![at(i, -1)]));
    b.distributed(&[i], x, &[at(i, 0)], Family::Normal, &[(Arg::Mean, mean), (Arg::Sd, num(1.0))]);
    b.set(x, &[6.0, 4.0, 4.5]);
    (b, t, x)
}

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

#[test]
fn a_plate_is_a_loop_and_a_ragged_one_ends_with_its_row() {
    let (mut b, t, _) = walk(AxisKind::Ragged);
    let expected = -0.5 * (1.0 + 4.0 + 0.25) - 3.0 * HALF_LOG_TAU;
    assert!((b.log_density().unwrap() - expected).abs() < 1e-14);
    b.values.lengths.insert(t, 2);
    assert!((b.log_density().unwrap() + 2.5 + 2.0 * HALF_LOG_TAU).abs() < 1e-14);
    b.values.lengths.insert(t, 0);
    assert_eq!(b.log_density().unwrap(), 0.0);
}

#[test]
fn last_is_the_row_s_last() {
    let mut b = Build::new();
    let t = b.axis_of_kind("T", AxisKind::Ragged, Some(4));
    let i = b.index("t", t);
    let x = b.param("x", &[t], Domain::Real, &[1.0, 2.0, 4.0, 8.0]);
    let last = expr(Node::IsLast(i), vec![], Domain::Bool);
    let e = choose(last, pick(b.p(x), vec![at(i, 0)]), expr(Node::Size(t), vec![], Domain::Count));
    b.potential(&[i], e);
    assert_eq!(b.log_density().unwrap(), 12.0 + 8.0);
    b.values.lengths.insert(t, 2);
    assert_eq!(b.log_density().unwrap(), 2.0 + 2.0);
}

#[test]
fn beyond_the_edge_a_potential_is_silent_and_a_conditional_an_error() {
    let mut b = Build::new();
    let (h, w) = (b.axis("Height", 2), b.axis("Width", 3));
    let x = b.var("x", &[], Domain::Spin, &[h, w]);
    let (i, j) = (b.index("i", h), b.index("j", w));
    let here = pick(b.v(x), vec![at(i, 0), at(j, 0)]);
    let above = pick(b.v(x), vec![at(i, -1), at(j, 0)]);
    let left = pick(b.v(x), vec![at(i, 0), at(j, -1)]);
    b.potential(&[i, j], mul(here.clone(), above));
    b.potential(&[i, j], mul(here, left));
    b.set(x, &[1.0, 1.0, -1.0, 1.0, -1.0, -1.0]);
    // Down: 1, −1, 1. Across: 1, −1 and −1, 1.
    assert_eq!(b.log_density().unwrap(), 1.0);

    let (mut b, t, x) = walk(AxisKind::Plain);
    let i = b.index("u", t);
    let before = pick(b.v(x), vec![at(i, -1)]);
    b.distributed(&[i], x, &[at(i, 0)], Family::Normal, &[(Arg::Mean, before), (Arg::Sd, num(1.0))]);
    assert!(matches!(b.log_density(), Err(EvaluateError::Outside { position: -1, extent: 3, .. })));
}

#[test]
fn a_definition_is_substituted_and_a_value_must_agree_with_it() {
    let mut b = Build::new();
    let t = b.axis("T", 40);
    let d = b.var("d", &[t], Domain::Real, &[]);
    let i = b.index("t", t);
    let before = pick(b.v(d), vec![at(i, -1)]);
    let value = choose(is_first(i), num(1.0), add(before.clone(), before));
    b.factor(&[i], FactorKind::Deterministic { target: Target { var: d, at: vec![at(i, 0)] }, value });
    b.potential(&[], pick(b.v(d), vec![Subscript::Constant(39)]));
    assert_eq!(b.log_density().unwrap(), 2f64.powi(39));
    b.set(d, &[0.0; 40]);
    assert_eq!(b.log_density(), Err(EvaluateError::Implicit { name: "d".into() }));

    let mut b = Build::new();
    let (x, y) = (b.var("x", &[], Domain::Bool, &[]), b.var("y", &[], Domain::Bool, &[]));
    let not = table(vec![b.v(x)], &[1.0, 0.0]);
    b.factor(&[], FactorKind::Deterministic { target: Target { var: y, at: vec![] }, value: not });
    b.potential(&[], mul(num(3.0), b.v(y)));
    b.set(x, &[0.0]);
    assert_eq!(b.log_density().unwrap(), 3.0);
    b.set(y, &[1.0]);
    assert_eq!(b.log_density().unwrap(), 3.0);
    b.set(y, &[0.0]);
    assert_eq!(b.log_density().unwrap(), f64::NEG_INFINITY);
}

#[test]
fn a_definition_that_leaves_its_axis_is_an_error_even_under_a_potential() {
    let mut b = Build::new();
    let t = b.axis("T", 2);
    let (x, d) = (b.var("x", &[t], Domain::Real, &[]), b.var("d", &[t], Domain::Real, &[]));
    let i = b.index("t", t);
    let value = pick(b.v(x), vec![at(i, -1)]);
    b.factor(&[i], FactorKind::Deterministic { target: Target { var: d, at: vec![at(i, 0)] }, value });
    let j = b.index("u", t);
    b.potential(&[j], pick(b.v(d), vec![at(j, 0)]));
    b.set(x, &[1.0, 2.0]);
    assert!(matches!(b.log_density(), Err(EvaluateError::Definition { .. })));
}

/// v ~ a bipartite field over v[2], h[2] with weights, biased by a variable outside it.
fn field() -> (Build, ghmc::model::VarId) {
    let mut b = Build::new();
    let (v_axis, h_axis) = (b.axis("V", 2), b.axis("H", 2));
    let w = b.param("W", &[v_axis, h_axis], Domain::Real, &[0.5, -1.0, 2.0, 0.3]);
    let c = b.var("c", &[], Domain::Bool, &[]);
    let (v, h) = (b.var("v", &[], Domain::Bool, &[v_axis]), b.var("h", &[], Domain::Bool, &[h_axis]));
    b.distributed(&[], c, &[], Family::Bernoulli, &[(Arg::P, num(0.25))]);
    let pairs = factor(&[], FactorKind::Potential(dot(dot(b.v(v), b.p(w)), b.v(h))));
    let ones = super::build::reduce(ghmc::model::Reduction::Sum, b.v(h), &[h_axis]);
    let bias = factor(&[], FactorKind::Potential(mul(b.v(c), ones)));
    b.factor(&[], FactorKind::Undirected { vars: vec![v, h], body: vec![pairs, bias] });
    (b, c)
}

#[test]
fn an_undirected_sub_model_counts_its_potentials_and_normalises_to_one() {
    let (mut b, c) = field();
    b.set(c, &[1.0]);
    let factors = b.program.models[b.model].factors.clone();
    // Σ_h exp(..) factorises: for each v, Π_j (1 + exp(1 + Σ_i v_i W_ij)).
    let z: f64 = [(0.0, 0.0), (0.5, -1.0), (2.0, 0.3), (2.5, -0.7)]
        .iter()
        .map(|(a, b): &(f64, f64)| (1.0 + (1.0 + a).exp()) * (1.0 + (1.0 + b).exp()))
        .sum();
    let found = log_normaliser(&b.program, b.model, &factors[1], &b.values).unwrap();
    assert!((found - z.ln()).abs() < 1e-12);
    let (v, h) = (super::variable(&b.program, b.model, "v"), super::variable(&b.program, b.model, "h"));
    b.set(v, &[1.0, 1.0]);
    b.set(h, &[0.0, 1.0]);
    let value = factor_value(&b.program, b.model, &factors[1], &b.values).unwrap();
    assert!((value - (-0.7 + 1.0)).abs() < 1e-14);

    // The whole is one: the sub-model's partition differs with c, and both are divided out.
    let (b, c) = field();
    assert!(super::log_partition(&b.program, b.model, &b.values).abs() < 1e-12);
    let marginal = &super::marginals(&b.program, b.model, &b.values)[&c];
    assert!((marginal[1] - 0.25).abs() < 1e-12);
}

#[test]
fn a_sub_model_in_a_plate_has_a_partition_a_position() {
    let mut b = Build::new();
    let t = b.axis("T", 3);
    let x = b.var("x", &[t], Domain::Bool, &[]);
    let w = b.param("w", &[t], Domain::Real, &[0.5, -1.0, 2.0]);
    let i = b.index("t", t);
    let term = mul(pick(b.p(w), vec![at(i, 0)]), pick(b.v(x), vec![at(i, 0)]));
    let body = vec![factor(&[i], FactorKind::Potential(term))];
    b.factor(&[i], FactorKind::Undirected { vars: vec![x], body });
    let factors = b.program.models[b.model].factors.clone();
    let expected: f64 = [0.5f64, -1.0, 2.0].iter().map(|w| w.exp().ln_1p()).sum();
    let found = log_normaliser(&b.program, b.model, &factors[0], &b.values).unwrap();
    assert!((found - expected).abs() < 1e-12);
    b.set(x, &[1.0, 0.0, 1.0]);
    assert_eq!(b.log_density().unwrap(), 2.5);
}

#[test]
fn a_guide_is_a_density_of_its_own_and_a_prior_counts_apart() {
    let mut b = Build::new();
    let z = b.var("z", &[], Domain::Real, &[]);
    b.distributed(&[], z, &[], Family::Normal, &[(Arg::Mean, num(0.0)), (Arg::Sd, num(1.0))]);
    b.set(z, &[1.0]);
    assert_eq!(log_density_of_guide(&b.program, b.model, &b.values), Err(EvaluateError::NoGuide));
    let args = [(Arg::Mean, num(1.0)), (Arg::Sd, num(1.0))];
    let factors = vec![factor(&[], conditional(z, &[], Family::Normal, &args))];
    b.program.models[b.model].guide = Some(Guide { params: vec![], factors, made: None, span: nowhere() });
    assert!((log_density_of_guide(&b.program, b.model, &b.values).unwrap() + HALF_LOG_TAU).abs() < 1e-14);
    assert!((b.log_density().unwrap() + 0.5 + HALF_LOG_TAU).abs() < 1e-14);

    let k = b.axis("K", 2);
    let w = b.param("w", &[k], Domain::Real, &[2.0, 0.0]);
    assert_eq!(log_prior(&b.program, w, &b.values).unwrap(), 0.0);
    b.program.params[w].prior =
        Some(Dist { family: Family::Normal, args: vec![(Arg::Mean, num(0.0)), (Arg::Sd, num(2.0))] });
    let expected = -0.5 - 2.0 * (2f64.ln() + HALF_LOG_TAU);
    assert!((log_prior(&b.program, w, &b.values).unwrap() - expected).abs() < 1e-14);
}

#[test]
fn a_missing_value_says_which() {
    let (mut b, _, x) = walk(AxisKind::Plain);
    b.set(x, &[6.0, f64::NAN, 4.5]);
    assert_eq!(b.log_density(), Err(EvaluateError::Unassigned { name: "x".into(), at: vec![1] }));
    b.values.vars.insert(x, super::build::array(&[2], &[6.0, 4.0]));
    assert!(matches!(b.log_density(), Err(EvaluateError::Shape { .. })));
}

/// Pearl's lawn: rain, sprinkler, wet grass.
fn lawn() -> (Build, [ghmc::model::VarId; 3]) {
    let mut b = Build::new();
    let [rain, sprinkler, wet] = ["rain", "sprinkler", "wet"].map(|name| b.var(name, &[], Domain::Bool, &[]));
    let on = choose(b.v(rain), num(0.01), num(0.40));
    let grass = table(vec![b.v(sprinkler), b.v(rain)], &[0.0, 0.8, 0.9, 0.99]);
    b.distributed(&[], rain, &[], Family::Bernoulli, &[(Arg::P, num(0.2))]);
    b.distributed(&[], sprinkler, &[], Family::Bernoulli, &[(Arg::P, on)]);
    b.distributed(&[], wet, &[], Family::Bernoulli, &[(Arg::P, grass)]);
    (b, [rain, sprinkler, wet])
}

#[test]
fn the_oracle_knows_the_lawn() {
    let (mut b, [rain, sprinkler, wet]) = lawn();
    let m = b.model;
    assert!(super::log_partition(&b.program, m, &b.values).abs() < 1e-12);
    b.set(wet, &[1.0]);
    let marginal = super::marginals(&b.program, m, &b.values);
    assert!((marginal[&rain][1] - 0.3577).abs() < 5e-5);
    let loglik = super::loglik(&b.program, m, &b.values, &[wet], &[]);
    assert!((loglik - 0.44838f64.ln()).abs() < 1e-9);
    let (best, log) = super::argmax(&b.program, m, &b.values);
    assert_eq!((best.vars[&rain][[].as_slice()], best.vars[&sprinkler][[].as_slice()]), (0.0, 1.0));
    assert!((log - (0.8 * 0.4 * 0.9f64).ln()).abs() < 1e-12);
    let posterior = super::log_posterior(&b.program, m, &b.values, &best);
    assert!((posterior - (0.8 * 0.4 * 0.9f64 / 0.44838).ln()).abs() < 1e-9);
    let (likely, _) = super::argmax_of(&b.program, m, &b.values, &[rain]);
    assert_eq!(likely.vars[&rain][[].as_slice()], 0.0);
    let mean = super::expectation(&b.program, m, &b.values, |v| v.vars[&rain][[].as_slice()]);
    assert!((mean - marginal[&rain][1]).abs() < 1e-14);

    // do(sprinkler = yes): 0.8 · 0.9 + 0.2 · 0.99, whatever the rain would have done to the sprinkler.
    let cut = super::intervened(&b.program, m, &[sprinkler]);
    b.values.vars.clear();
    b.set(sprinkler, &[1.0]);
    let marginal = super::marginals(&cut, m, &b.values);
    assert!((marginal[&wet][1] - (0.8 * 0.9 + 0.2 * 0.99)).abs() < 1e-12);
}

#[test]
fn draws_follow_the_weights() {
    let (b, [rain, ..]) = lawn();
    let n = 2000;
    let share = (0..n)
        .map(|k| super::draw(&b.program, b.model, &b.values, (f64::from(k) + 0.5) / f64::from(n)))
        .filter(|drawn| drawn.vars[&rain][[].as_slice()] == 1.0)
        .count();
    assert!((share as f64 / f64::from(n) - 0.2).abs() < 1e-3);
}

#[test]
fn a_partly_open_variable_keeps_what_is_clamped() {
    let mut b = Build::new();
    let (t, k) = (b.axis("T", 3), b.axis("K", 2));
    let s = b.var("s", &[t], Domain::Cat(k), &[]);
    let i = b.index("t", t);
    let w = b.param("w", &[k], Domain::Real, &[0.0, 1.0]);
    b.potential(&[i], pick(b.p(w), vec![by(pick(b.v(s), vec![at(i, 0)]))]));
    b.set(s, &[1.0, f64::NAN, 0.0]);
    let e = 1f64.exp();
    assert!((super::log_partition(&b.program, b.model, &b.values) - (1.0 + (1.0 + e).ln())).abs() < 1e-12);
    let marginal = &super::marginals(&b.program, b.model, &b.values)[&s];
    let yes: Vec<f64> = (0..3).map(|t| marginal[[t, 1].as_slice()]).collect();
    assert!((yes[0] - 1.0).abs() < 1e-12 && (yes[1] - e / (1.0 + e)).abs() < 1e-12 && yes[2].abs() < 1e-12);
}

#[test]
fn the_oracle_agrees_with_the_forward_recursion() {
    let mut b = Build::new();
    let (t, k, f) = (b.axis("T", 5), b.axis("K", 3), b.axis("F", 2));
    let prev = b.axis_of_kind("Prev", AxisKind::Alias(k), None);
    let (start, transition) = ([0.5, 0.2, 0.3], [[0.7, 0.3, 0.0], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]]);
    let emission = [[0.9, 0.1], [0.4, 0.6], [0.0, 1.0]];
    let start_param = b.param("start", &[k], Domain::Simplex, &start);
    let a = b.param("A", &[prev, k], Domain::Simplex, transition.as_flattened());
    let emit = b.param("emit", &[k, f], Domain::Simplex, emission.as_flattened());
    let (s, x) = (b.var("s", &[t], Domain::Cat(k), &[]), b.var("x", &[t], Domain::Cat(f), &[]));
    let i = b.index("t", t);
    let here = pick(b.v(s), vec![at(i, 0)]);
    let before = pick(b.p(a), vec![by(pick(b.v(s), vec![at(i, -1)]))]);
    let p = choose(is_first(i), b.p(start_param), before);
    b.distributed(&[i], s, &[at(i, 0)], Family::Categorical, &[(Arg::P, p)]);
    let rolled = pick(b.p(emit), vec![by(here)]);
    b.distributed(&[i], x, &[at(i, 0)], Family::Categorical, &[(Arg::P, rolled)]);
    let seen = [0usize, 1, 1, 0, 1];
    b.set(x, &seen.map(|f| f as f64));

    let emitted = |alpha: [f64; 3], f: usize| std::array::from_fn(|k| alpha[k] * emission[k][f]);
    let step = |alpha: [f64; 3]| std::array::from_fn(|k| (0..3).map(|j| alpha[j] * transition[j][k]).sum());
    let mut alpha: [f64; 3] = emitted(start, seen[0]);
    for &f in &seen[1..] {
        alpha = emitted(step(alpha), f);
    }
    let total: f64 = alpha.iter().sum();
    assert!((super::log_partition(&b.program, b.model, &b.values) - total.ln()).abs() < 1e-12);
    let marginal = &super::marginals(&b.program, b.model, &b.values)[&s];
    for k in 0..3 {
        assert!((marginal[[4, k].as_slice()] - alpha[k] / total).abs() < 1e-12);
    }
    assert_eq!(marginal[[3, 2].as_slice()], 0.0);
}

#[test]
fn bound_variables_that_are_not_named_are_summed_out() {
    let (mut b, [rain, sprinkler, wet]) = lawn();
    for var in [rain, sprinkler, wet] {
        b.set(var, &[1.0]);
    }
    let m = b.model;
    let loglik = |targets: &[_], given: &[_]| super::loglik(&b.program, m, &b.values, targets, given).exp();
    assert!((loglik(&[rain], &[wet]) - 0.16038 / 0.44838).abs() < 1e-9);
    assert!((loglik(&[rain, sprinkler], &[wet]) - 0.2 * 0.01 * 0.99 / 0.44838).abs() < 1e-9);
    assert!((loglik(&[sprinkler], &[]) - (0.2 * 0.01 + 0.8 * 0.4)).abs() < 1e-12);
}
