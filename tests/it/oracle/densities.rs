//! Families: each sums or integrates to one and has the mean that the literature gives it, at uneven arguments.

use ghmc::model::evaluate::EvaluateError;
use ghmc::model::{Arg, Domain, Family};

use super::build::{Build, array, num};

/// log D(x; args) of one scalar.
fn log_p(family: Family, domain: &Domain, args: &[(Arg, f64)], x: f64) -> f64 {
    let mut b = Build::new();
    let v = b.var("v", &[], domain.clone(), &[]);
    let args: Vec<_> = args.iter().map(|&(role, value)| (role, num(value))).collect();
    b.distributed(&[], v, &[], family, &args);
    b.set(v, &[x]);
    b.log_density().expect("the density has a value")
}

/// Mass and mean over a grid of midpoints.
fn mass_and_mean(family: Family, domain: &Domain, args: &[(Arg, f64)], low: f64, high: f64) -> (f64, f64) {
    let n = 40_000;
    let step = (high - low) / f64::from(n);
    (0..n).fold((0.0, 0.0), |(mass, mean), k| {
        let x = low + (f64::from(k) + 0.5) * step;
        let p = log_p(family, domain, args, x).exp() * step;
        (mass + p, mean + x * p)
    })
}

/// A family, the domain and arguments it is tried at, the ends of the grid, its mean.
type Case = (Family, Domain, &'static [(Arg, f64)], f64, f64, f64);

#[test]
fn continuous_families_integrate_to_one_with_their_means() {
    let cases: [Case; 6] = [
        (Family::Normal, Domain::Real, &[(Arg::Mean, 0.7), (Arg::Sd, 1.3)], -12.0, 14.0, 0.7),
        (Family::Uniform, Domain::Real, &[(Arg::Low, -1.0), (Arg::High, 3.0)], -2.0, 6.0, 1.0),
        (Family::Exponential, Domain::Positive, &[(Arg::Rate, 2.5)], 0.0, 20.0, 0.4),
        (Family::Laplace, Domain::Real, &[(Arg::Mean, -0.5), (Arg::Scale, 0.8)], -25.0, 24.0, -0.5),
        (Family::Beta, Domain::Unit, &[(Arg::A, 2.5), (Arg::B, 3.0)], 0.0, 1.0, 2.5 / 5.5),
        (Family::Gamma, Domain::Positive, &[(Arg::Shape, 2.2), (Arg::Rate, 1.4)], 0.0, 40.0, 2.2 / 1.4),
    ];
    for (family, domain, args, low, high, mean) in cases {
        let (mass, found) = mass_and_mean(family, &domain, args, low, high);
        assert!((mass - 1.0).abs() < 1e-5, "{}: mass {mass}", family.name());
        assert!((found - mean).abs() < 1e-5, "{}: mean {found}", family.name());
    }
}

#[test]
fn a_poisson_sums_to_one_and_gives_fractions_nothing() {
    let args = [(Arg::Rate, 3.2)];
    let p = |k: u32| log_p(Family::Poisson, &Domain::Count, &args, f64::from(k)).exp();
    assert!(((0..60).map(p).sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(((0..60).map(|k| f64::from(k) * p(k)).sum::<f64>() - 3.2).abs() < 1e-12);
    assert_eq!(log_p(Family::Poisson, &Domain::Count, &args, 1.5), f64::NEG_INFINITY);
    assert_eq!(log_p(Family::Poisson, &Domain::Count, &args, -1.0), f64::NEG_INFINITY);
}

#[test]
fn a_dirichlet_integrates_to_one_over_its_triangle() {
    let mut b = Build::new();
    let k = b.axis("K", 3);
    let a = b.param("a", &[k], Domain::Positive, &[2.0, 3.5, 2.5]);
    let v = b.var("v", &[], Domain::Simplex, &[k]);
    let args = [(Arg::Concentration, b.p(a))];
    b.distributed(&[], v, &[], Family::Dirichlet, &args);
    let n = 400;
    let step = 1.0 / f64::from(n);
    let mut mass = 0.0;
    for (i, j) in (0..n).flat_map(|i| (0..n - i).map(move |j| (i, j))) {
        // Midpoints of the squares; those on the long side are cut in half by it.
        let share = if i + j == n - 1 { 0.5 } else { 1.0 };
        let shift = if i + j == n - 1 { 1.0 / 3.0 } else { 0.5 };
        let (x, y) = ((f64::from(i) + shift) * step, (f64::from(j) + shift) * step);
        b.set(v, &[x, y, 1.0 - x - y]);
        mass += b.log_density().unwrap().exp() * step * step * share;
    }
    assert!((mass - 1.0).abs() < 1e-4, "mass {mass}");
    b.set(v, &[0.5, 0.5, 0.5]);
    assert_eq!(b.log_density().unwrap(), f64::NEG_INFINITY);
}

#[test]
fn log_odds_and_probabilities_say_the_same() {
    for domain in [Domain::Bool, Domain::Spin] {
        let p: f64 = 0.23;
        let logit = (p / (1.0 - p)).ln();
        let no = if domain == Domain::Bool { 0.0 } else { -1.0 };
        for (x, expected) in [(1.0, p), (no, 1.0 - p)] {
            let by_p = log_p(Family::Bernoulli, &domain, &[(Arg::P, p)], x);
            let by_logit = log_p(Family::Bernoulli, &domain, &[(Arg::Logit, logit)], x);
            assert!((by_p - expected.ln()).abs() < 1e-14 && (by_logit - by_p).abs() < 1e-14);
        }
    }
    let far = log_p(Family::Bernoulli, &Domain::Bool, &[(Arg::Logit, -800.0)], 1.0);
    assert_eq!(far, -800.0);
}

#[test]
fn an_impossible_state_that_does_not_occur_costs_nothing() {
    assert_eq!(log_p(Family::Bernoulli, &Domain::Bool, &[(Arg::P, 0.0)], 0.0), 0.0);
    assert_eq!(log_p(Family::Bernoulli, &Domain::Bool, &[(Arg::P, 0.0)], 1.0), f64::NEG_INFINITY);
    assert_eq!(log_p(Family::Beta, &Domain::Unit, &[(Arg::A, 1.0), (Arg::B, 1.0)], 0.0), 0.0);
}

#[test]
fn a_grey_value_has_the_expected_log_density() {
    let p: f64 = 0.3;
    let expected = 0.8 * p.ln() + 0.2 * (1.0 - p).ln();
    assert!((log_p(Family::Bernoulli, &Domain::Bool, &[(Arg::P, p)], 0.8) - expected).abs() < 1e-14);
}

#[test]
fn a_categorical_reads_its_argument_along_the_enumeration_or_its_alias() {
    let mut b = Build::new();
    let tag = b.axis("Tag", 3);
    let prev = b.axis_of_kind("Prev", ghmc::model::AxisKind::Alias(tag), None);
    let token = b.axis("Token", 2);
    let p = b.param("p", &[token, prev], Domain::Simplex, &[0.2, 0.5, 0.3, 1.0, 0.0, 0.0]);
    let v = b.var("v", &[], Domain::Cat(tag), &[token]);
    let args = [(Arg::P, b.p(p))];
    b.distributed(&[], v, &[], Family::Categorical, &args);
    b.set(v, &[1.0, 0.0]);
    assert!((b.log_density().unwrap() - 0.5f64.ln()).abs() < 1e-14);
    b.set(v, &[1.0, 2.0]);
    assert_eq!(b.log_density().unwrap(), f64::NEG_INFINITY);
    b.values.params.insert(p, array(&[2, 3], &[0.0, 1.0, 2.0, 0.0, 0.0, 0.0]));
    let logits = [(Arg::Logit, b.p(p))];
    b.program.models[b.model].factors.clear();
    b.distributed(&[], v, &[], Family::Categorical, &logits);
    let expected = 2.0 - (1.0 + 1f64.exp() + 2f64.exp()).ln() - 3f64.ln();
    b.set(v, &[2.0, 2.0]);
    assert!((b.log_density().unwrap() - expected).abs() < 1e-14);
}

#[test]
fn one_number_repeats_over_event_axes() {
    let mut b = Build::new();
    let d = b.axis("D", 3);
    let v = b.var("v", &[], Domain::Real, &[d]);
    b.distributed(&[], v, &[], Family::Normal, &[(Arg::Mean, num(0.0)), (Arg::Sd, num(2.0))]);
    b.set(v, &[1.0, -2.0, 0.5]);
    let one = |x: f64| log_p(Family::Normal, &Domain::Real, &[(Arg::Mean, 0.0), (Arg::Sd, 2.0)], x);
    assert!((b.log_density().unwrap() - one(1.0) - one(-2.0) - one(0.5)).abs() < 1e-14);
}

#[test]
fn arguments_and_values_outside_their_domains_are_told_apart() {
    let mut b = Build::new();
    let v = b.var("v", &[], Domain::Real, &[]);
    b.distributed(&[], v, &[], Family::Normal, &[(Arg::Mean, num(0.0)), (Arg::Sd, num(-1.0))]);
    b.set(v, &[0.0]);
    assert!(matches!(b.log_density(), Err(EvaluateError::Argument { argument: "sd", value: -1.0, .. })));
    let outside = log_p(Family::Uniform, &Domain::Real, &[(Arg::Low, 0.0), (Arg::High, 1.0)], 1.5);
    assert_eq!(outside, f64::NEG_INFINITY);
    let mut b = Build::new();
    let v = b.var("v", &[], Domain::Bool, &[]);
    b.distributed(&[], v, &[], Family::Bernoulli, &[(Arg::P, num(0.5))]);
    b.set(v, &[2.0]);
    assert!(matches!(b.log_density(), Err(EvaluateError::NotAState { value: 2.0, .. })));
}
