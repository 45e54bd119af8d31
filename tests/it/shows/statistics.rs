//! Expectation-maximisation beyond tables of probabilities: one round against plain loops over responsibilities, for every family whose
//! card has a closed form, and rounds that never lower the likelihood.

use ndarray::{ArrayD, IxDyn};

use super::{Arrays, compiled, learn, table};
use crate::oracle::random::Stream;
use ghmc::data::{Column, Table};

const ROWS: usize = 40;
const DIM: usize = 3;

/// A mixture of two components over observations that `line` says, `params` being its declarations.
fn mixture(params: &str, line: &str, domain: &str) -> String {
    format!(
        "axis Part = 2
axis Dim = {DIM}
data rows = csv(\"none.csv\") {{ x: {domain}[Dim] = x }}
model mixture {{
  param share: Simplex[Part]
  {params}
  z: Part ~ Categorical(share)
  x: {domain}[Dim] ~ {line}
}}
train mixture on rows {{ maximise loglik by em; epochs EPOCHS }}
"
    )
}

/// Rows of observations, some near one end and some near the other.
fn rows(seed: u64, draw: impl Fn(&mut Stream, bool) -> f64) -> Vec<Vec<f64>> {
    let mut stream = Stream::new(seed);
    (0..ROWS)
        .map(|_| {
            let high = stream.unit() < 0.4;
            (0..DIM).map(|_| draw(&mut stream, high)).collect()
        })
        .collect()
}

fn data(rows: &[Vec<f64>]) -> Table {
    table(vec![("x", Column::numbers(vec![DIM], rows.iter().flatten().copied().collect()))])
}

fn array(shape: &[usize], data: &[f64]) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(shape), data.to_vec()).expect("its shape")
}

/// Responsibilities of the components for rows whose entries are independent given them.
fn responsibilities(
    rows: &[Vec<f64>],
    share: &[f64; 2],
    log_density: &dyn Fn(usize, usize, f64) -> f64,
) -> Vec<[f64; 2]> {
    rows.iter()
        .map(|row| {
            let log = |k: usize| share[k].ln() + (0..DIM).map(|d| log_density(k, d, row[d])).sum::<f64>();
            let (a, b) = (log(0), log(1));
            let first = 1.0 / (1.0 + (b - a).exp());
            [first, 1.0 - first]
        })
        .collect()
}

/// Σ over rows of a component's responsibility times a value.
fn weighed(r: &[[f64; 2]], k: usize, value: impl Fn(usize) -> f64) -> f64 {
    r.iter().enumerate().map(|(i, w)| w[k] * value(i)).sum()
}

/// One round of EM from `start`.
fn round(text: &str, rows: &[Vec<f64>], start: &Arrays) -> Arrays {
    let compiled = compiled(&text.replace("EPOCHS", "1"), 1, &[("rows", data(rows))]);
    learn(&compiled, 1, start).0
}

fn close(got: &ArrayD<f64>, want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 1e-9 * w.abs().max(1.0), "{what}: {got}, not {want:?}");
    }
}

/// Many rounds never lower the likelihood, and raise it.
fn climbs(text: &str, rows: &[Vec<f64>], start: &Arrays) {
    let compiled = compiled(&text.replace("EPOCHS", "60"), 1, &[("rows", data(rows))]);
    let (_, history) = learn(&compiled, 1, start);
    let values: Vec<f64> = history[0].epochs.iter().map(|e| e.objectives[0].expect("a value")).collect();
    assert!(values.windows(2).all(|v| v[1] >= v[0] - 1e-9), "{values:?}");
    assert!(values[values.len() - 1] > values[0] + 1e-3, "{values:?}");
}

fn started(mut params: Vec<(&str, ArrayD<f64>)>) -> Arrays {
    params.push(("share", array(&[2], &[0.45, 0.55])));
    params.into_iter().map(|(name, value)| (format!("mixture.{name}"), value)).collect()
}

const SHARE: [f64; 2] = [0.45, 0.55];

fn log_normal(x: f64, mean: f64, sd: f64) -> f64 {
    -0.5 * ((x - mean) / sd).powi(2) - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
}

#[test]
fn means_and_spreads_are_weighted_moments() {
    let observed = rows(3, |s, high| s.normal() + if high { 2.0 } else { -1.0 });
    let mean = [-1.1, -0.6, -0.9, 1.5, 2.2, 1.0];
    let m = |k: usize, d: usize| mean[k * DIM + d];
    // A spread for each component and entry, for each component, for each entry, for all; and one that is known.
    type Spread = fn(usize, usize) -> usize;
    let layouts: [(&str, &str, Vec<usize>, Spread); 4] = [
        ("sd[Part]: Positive[Dim]", "sd[z]", vec![2, DIM], |k, d| k * DIM + d),
        ("sd[Part]: Positive", "sd[z]", vec![2], |k, _| k),
        ("sd: Positive[Dim]", "sd", vec![DIM], |_, d| d),
        ("sd: Positive", "sd", vec![], |_, _| 0),
    ];
    for (declared, read, shape, cell) in layouts {
        let text =
            mixture(&format!("param mu[Part]: Real[Dim], {declared}"), &format!("Normal(mu[z], sd = {read})"), "Real");
        let cells: usize = shape.iter().product();
        let sd: Vec<f64> = (0..cells).map(|i| 0.8 + 0.1 * i as f64).collect();
        let start = started(vec![("mu", array(&[2, DIM], &mean)), ("sd", array(&shape, &sd))]);
        let found = round(&text, &observed, &start);
        let r = responsibilities(&observed, &SHARE, &|k, d, x| log_normal(x, m(k, d), sd[cell(k, d)]));
        let n = |k: usize| weighed(&r, k, |_| 1.0);
        let new: Vec<f64> =
            (0..2 * DIM).map(|i| weighed(&r, i / DIM, |row| observed[row][i % DIM]) / n(i / DIM)).collect();
        close(&found["mixture.share"], &[n(0) / ROWS as f64, n(1) / ROWS as f64], declared);
        close(&found["mixture.mu"], &new, declared);
        let (mut squares, mut counts) = (vec![0.0; cells], vec![0.0; cells]);
        for k in 0..2 {
            for d in 0..DIM {
                squares[cell(k, d)] += weighed(&r, k, |row| (observed[row][d] - new[k * DIM + d]).powi(2));
                counts[cell(k, d)] += n(k);
            }
        }
        let spreads: Vec<f64> = squares.iter().zip(&counts).map(|(s, n)| (s / n).sqrt()).collect();
        close(&found["mixture.sd"], &spreads, declared);
        climbs(&text, &observed, &start);
    }
}

#[test]
fn a_mean_shared_by_several_precisions_is_weighed_by_them_and_by_its_prior() {
    let observed = rows(5, |s, high| 0.5 + s.normal() * if high { 0.3 } else { 3.0 });
    let text = mixture(
        "param mu: Real[Dim] prior Normal(0.2, sd = 0.5)",
        "Normal(mu, sd = if z is 0 then 0.4 else 2.5)",
        "Real",
    )
    .replace("if z is 0 then 0.4 else 2.5", "spread[z]")
    .replace("axis Part = 2", "axis Part = narrow, wide")
    .replace("spread[z]", "if z is narrow then 0.4 else 2.5");
    let mean = [0.1, 0.3, -0.2];
    let start = started(vec![("mu", array(&[DIM], &mean))]);
    let found = round(&text, &observed, &start);
    let sd = [0.4, 2.5];
    let r = responsibilities(&observed, &SHARE, &|k, d, x| log_normal(x, mean[d], sd[k]));
    let want: Vec<f64> = (0..DIM)
        .map(|d| {
            let part = |k: usize| weighed(&r, k, |row| observed[row][d]) / sd[k].powi(2);
            let weight = |k: usize| weighed(&r, k, |_| 1.0) / sd[k].powi(2);
            (part(0) + part(1) + 0.2 / 0.25) / (weight(0) + weight(1) + 1.0 / 0.25)
        })
        .collect();
    close(&found["mixture.mu"], &want, "means");
}

#[test]
fn rates_and_shares_are_weighted_means() {
    type Density = fn(f64, f64) -> f64;
    type Step = fn(f64, f64) -> f64;
    // What is declared, what is drawn and over what domain, its density, its M-step, and where the components start.
    type Case = (&'static str, &'static str, &'static str, Density, Step, [f64; 2]);
    let cases: [Case; 6] = [
        ("rate[Part]: Positive[Dim]", "Poisson(rate[z])", "Count", |x, l| x * l.ln() - l, |n, s| s / n, [1.5, 6.0]),
        (
            "rate[Part]: Positive[Dim] prior Gamma(3, rate = 2)",
            "Poisson(rate[z])",
            "Count",
            |x, l| x * l.ln() - l,
            |n, s| (s + 2.0) / (n + 2.0),
            [1.5, 6.0],
        ),
        (
            "rate[Part]: Positive[Dim]",
            "Exponential(rate = rate[z])",
            "Positive",
            |x, l| l.ln() - l * x,
            |n, s| n / s,
            [0.5, 2.0],
        ),
        (
            "rate[Part]: Positive[Dim] prior Gamma(3, rate = 2)",
            "Exponential(rate = rate[z])",
            "Positive",
            |x, l| l.ln() - l * x,
            |n, s| (n + 2.0) / (s + 2.0),
            [0.5, 2.0],
        ),
        (
            "rate[Part]: Unit[Dim]",
            "Bernoulli(rate[z])",
            "Bool",
            |x, p| if x > 0.5 { p.ln() } else { (1.0 - p).ln() },
            |n, s| s / n,
            [0.3, 0.8],
        ),
        (
            "rate[Part]: Unit[Dim] prior Beta(3, 2)",
            "Bernoulli(rate[z])",
            "Bool",
            |x, p| if x > 0.5 { p.ln() } else { (1.0 - p).ln() },
            |n, s| (s + 2.0) / (n + 3.0),
            [0.3, 0.8],
        ),
    ];
    for (declared, line, domain, density, step, [low, high]) in cases {
        let observed = rows(7, |s, many| match domain {
            "Count" => {
                let most: f64 = if many { 10.0 } else { 3.0 };
                (most * s.unit()).floor()
            }
            "Positive" => -s.unit().max(1e-9).ln() * if many { 2.0 } else { 0.4 },
            _ => f64::from(u8::from(s.unit() < if many { 0.85 } else { 0.25 })),
        });
        let text = mixture(&format!("param {declared}"), line, domain);
        let rate: Vec<f64> =
            (0..2 * DIM).map(|i| if i < DIM { low } else { high } * (1.0 - 0.05 * (i % DIM) as f64)).collect();
        let start = started(vec![("rate", array(&[2, DIM], &rate))]);
        let found = round(&text, &observed, &start);
        let r = responsibilities(&observed, &SHARE, &|k, d, x| density(x, rate[k * DIM + d]));
        let want: Vec<f64> = (0..2 * DIM)
            .map(|i| step(weighed(&r, i / DIM, |_| 1.0), weighed(&r, i / DIM, |row| observed[row][i % DIM])))
            .collect();
        close(&found["mixture.rate"], &want, line);
        if !declared.contains("prior") {
            climbs(&text, &observed, &start);
        }
    }
}

#[test]
fn a_mean_that_is_not_affine_is_left_to_the_gradient() {
    let text = mixture("param mu[Part]: Real[Dim], sd: Positive", "Normal(exp(mu[z]), sd = sd)", "Real")
        .replace(" by em; epochs EPOCHS", "; epochs 1");
    let observed = rows(3, |s, _| s.normal());
    let told = compiled(&text, 1, &[("rows", data(&observed))]).explain().to_string();
    assert!(told.contains("is not affine in its parameters"), "{told}");
}

#[test]
fn parameters_in_branches_of_a_condition_are_fitted_apart() {
    let text = mixture("param low: Unit[Dim], high: Unit[Dim]", "Bernoulli(if z is first then low else high)", "Bool")
        .replace("axis Part = 2", "axis Part = first, second");
    let observed = rows(9, |s, many| f64::from(u8::from(s.unit() < if many { 0.85 } else { 0.25 })));
    let rate = [[0.3, 0.25, 0.35], [0.8, 0.7, 0.6]];
    let start = started(vec![("low", array(&[DIM], &rate[0])), ("high", array(&[DIM], &rate[1]))]);
    let found = round(&text, &observed, &start);
    let density = |k: usize, d: usize, x: f64| if x > 0.5 { rate[k][d].ln() } else { (1.0 - rate[k][d]).ln() };
    let r = responsibilities(&observed, &SHARE, &density);
    for (k, name) in ["mixture.low", "mixture.high"].into_iter().enumerate() {
        let n = weighed(&r, k, |_| 1.0);
        let want: Vec<f64> = (0..DIM).map(|d| weighed(&r, k, |row| observed[row][d]) / n).collect();
        close(&found[name], &want, name);
    }
    climbs(&text, &observed, &start);
}
