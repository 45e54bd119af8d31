//! The variational bound against one written with plain loops: the same parameters, the same noise, the same number.

use ghmc::base::stream::Draws;
use ghmc::data::{Column, Table};
use ghmc::engine::answer;
use ghmc::kernel::random;
use ghmc::pipeline::Compiled;
use ghmc::plan::Answer;
use ghmc::tensor::op::{Law, Op};
use ndarray::{ArrayD, IxDyn};

use super::{Arrays, answers, assert_close, compiled, drawn, figure, numbers, softplus, table};
use crate::oracle::random::Stream;
use crate::oracle::{model, variable};

const PIXELS: usize = 6;
const CODES: usize = 3;

const CODER: &str = "axis Z = 3
axis Pixel = 6
data seen = csv(\"seen.csv\") { x: Bool[Pixel] = soft(x) }
net dec(z: Real[Z]) -> Real[Pixel] { dense(5, tanh); dense }
net enc(x: Bool[Pixel]) -> (mean: Real[Z], SPREAD: Positive[Z]) { dense(4, tanh); dense }
model vae {
  z: Real[Z]     ~ PRIOR
  x: Bool[Pixel] ~ Bernoulli(logit = dec(z))
}
guide vae { z: Real[Z] ~ GUIDE(..enc(x)) }
evaluate bound = elbo of vae on seen
";

fn text(prior: &str, guide: &str) -> String {
    let spread = if guide == "Normal" { "sd" } else { "scale" };
    CODER.replace("PRIOR", prior).replace("GUIDE", guide).replace("SPREAD", spread)
}

/// Grey rows.
fn rows(n: usize) -> Vec<Vec<f64>> {
    let mut stream = Stream::new(17);
    (0..n).map(|_| (0..PIXELS).map(|_| stream.unit()).collect()).collect()
}

fn seen(rows: &[Vec<f64>]) -> Table {
    table(vec![("x", numbers(PIXELS, rows))])
}

/// weightᵀ·input + bias.
fn dense(params: &Arrays, name: &str, input: &[f64]) -> Vec<f64> {
    let (weight, bias) = (&params[&format!("{name}.weight")], &params[&format!("{name}.bias")]);
    let unit = |j: usize| (0..input.len()).map(|i| input[i] * weight[IxDyn(&[i, j])]).sum::<f64>();
    (0..bias.len()).map(|j| bias[IxDyn(&[j])] + unit(j)).collect()
}

fn tanh(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(f64::tanh).collect()
}

/// Mean and spread of the code of one row.
fn encode(params: &Arrays, x: &[f64], spread: &str) -> (Vec<f64>, Vec<f64>) {
    let hidden = tanh(dense(params, "enc.1", x));
    let mean = dense(params, "enc.mean", &hidden);
    (mean, dense(params, &format!("enc.{spread}"), &hidden).into_iter().map(f64::exp).collect())
}

/// E over grey pixels of log p(x | z).
fn fit(params: &Arrays, x: &[f64], z: &[f64]) -> f64 {
    let logits = dense(params, "dec.2", &tanh(dense(params, "dec.1", z)));
    x.iter().zip(logits).map(|(x, a)| x * -softplus(-a) + (1.0 - x) * -softplus(a)).sum()
}

/// KL(Normal(mean, sd) ‖ Normal(0, 1)).
fn divergence(mean: &[f64], sd: &[f64]) -> f64 {
    mean.iter().zip(sd).map(|(m, s)| 0.5 * (s * s + m * m - 1.0) - s.ln()).sum()
}

/// The noise that the program of the bound draws: where in the graph, and the numbers at that address.
fn noise(compiled: &Compiled, rows: usize, columns: usize) -> ArrayD<f64> {
    let program = compiled.program();
    let vae = model(program, "vae");
    let ask = &compiled.plan().asks[0];
    let Answer::Value { expr, leaves } = &ask.answer else { panic!("not a figure: {ask:?}") };
    let x = variable(program, vae, "x");
    let graph = answer::value(program, rows, &[x], expr, leaves).expect("a program");
    let sites: Vec<u32> = graph
        .ids()
        .filter_map(|id| match graph.op(id) {
            Op::Random { law: Law::Normal, site } => Some(*site),
            _ => None,
        })
        .collect();
    assert_eq!(sites.len(), 1, "one draw a row");
    let draws = Draws::new(compiled.settings().seed, 0, sites[0], &[]);
    ArrayD::from_shape_fn(IxDyn(&[rows, columns]), |at| random::at::<f64>(Law::Normal, &draws, at[0], at[1]))
}

#[test]
fn the_bound_with_the_same_noise_is_the_same_number() {
    let rows = rows(20);
    for seed in 1..=3 {
        let compiled = compiled(&text("Normal(0, sd = 1)", "Normal"), seed, &[("seen", seen(&rows))]);
        assert!(compiled.explain().contains("KL in closed form"), "{}", compiled.explain());
        let params = drawn(&compiled, 0.8, seed);
        let noise = noise(&compiled, rows.len(), CODES);
        let mut total = 0.0;
        for (r, x) in rows.iter().enumerate() {
            let (mean, sd) = encode(&params, x, "sd");
            let z: Vec<f64> = (0..CODES).map(|k| mean[k] + sd[k] * noise[IxDyn(&[r, k])]).collect();
            total += fit(&params, x, &z) - divergence(&mean, &sd);
        }
        let found = figure(&answers(&compiled, &params), "bound");
        assert_close(found, total / rows.len() as f64, 1e-10, "the bound");
    }
}

/// The mean of the engine's bound over many draws at one row, and of the same with noise of the test's own.
fn over_draws(prior: &str, guide: &str, own: &dyn Fn(&Arrays, &[f64], &mut Stream) -> f64) -> (f64, f64) {
    const DRAWS: usize = 40_000;
    let x = rows(1).remove(0);
    let compiled = compiled(&text(prior, guide), 4, &[("seen", seen(&vec![x.clone(); DRAWS]))]);
    let params = drawn(&compiled, 0.4, 9);
    let mut stream = Stream::new(23);
    let mean = (0..DRAWS).map(|_| own(&params, &x, &mut stream)).sum::<f64>() / DRAWS as f64;
    (figure(&answers(&compiled, &params), "bound"), mean)
}

#[test]
fn a_divergence_in_closed_form_and_one_by_draws_have_the_same_mean() {
    // A guide of another family than the prior has no closed form here: the engine averages log q − log p over draws.
    let laplace = compiled(&text("Normal(0, sd = 1)", "Laplace"), 1, &[("seen", seen(&rows(2)))]);
    assert!(!laplace.explain().contains("closed form"), "{}", laplace.explain());
    let (found, own) = over_draws("Normal(0, sd = 1)", "Laplace", &|params, x, stream| {
        let (mean, scale) = encode(params, x, "scale");
        let mut laplace = || {
            let u: f64 = stream.unit() - 0.5;
            -u.signum() * (1.0 - 2.0 * u.abs()).max(f64::MIN_POSITIVE).ln()
        };
        let z: Vec<f64> = mean.iter().zip(&scale).map(|(m, b)| m + b * laplace()).collect();
        // E_q log q = −1 − log 2b, E_q log p = −½ log 2π − (m² + 2b²)/2: the divergence in closed form.
        let kl =
            |m: &f64, b: &f64| -1.0 - (2.0 * b).ln() + 0.5 * std::f64::consts::TAU.ln() + 0.5 * (m * m + 2.0 * b * b);
        fit(params, x, &z) - mean.iter().zip(&scale).map(|(m, b)| kl(m, b)).sum::<f64>()
    });
    assert!((found - own).abs() < 0.05, "by draws {found}, in closed form {own}");
    let (found, own) = over_draws("Normal(0, sd = 1)", "Normal", &|params, x, stream| {
        let (mean, sd) = encode(params, x, "sd");
        let z: Vec<f64> = mean.iter().zip(&sd).map(|(m, s)| m + s * stream.normal()).collect();
        let log = |z: f64, m: f64, s: f64| -0.5 * ((z - m) / s).powi(2) - s.ln();
        let ratio: f64 = (0..CODES).map(|k| log(z[k], 0.0, 1.0) - log(z[k], mean[k], sd[k])).sum();
        fit(params, x, &z) + ratio
    });
    assert!((found - own).abs() < 0.05, "in closed form {found}, by draws {own}");
}

#[test]
fn a_bound_inside_a_plate_is_the_sum_over_its_positions() {
    const PLATED: &str = "axis Z = 3
axis Pixel = 6
axis Side = left, right
data seen = csv(\"seen.csv\") { x[Side]: Bool[Pixel] = soft(x) }
net dec(z: Real[Z]) -> Real[Pixel] { dense(5, tanh); dense }
net enc(x: Bool[Pixel]) -> (mean: Real[Z], sd: Positive[Z]) { dense(4, tanh); dense }
model vae {
  for i in Side {
    z[i]: Real[Z]     ~ Normal(0, sd = 1)
    x[i]: Bool[Pixel] ~ Bernoulli(logit = dec(z[i]))
  }
}
guide vae { for i in Side { z[i]: Real[Z] ~ Normal(..enc(x[i])) } }
evaluate bound = elbo of vae on seen
";
    let rows = rows(20);
    let pairs = Column::numbers(vec![2, PIXELS], rows.iter().flatten().copied().collect());
    let compiled = compiled(PLATED, 2, &[("seen", table(vec![("x", pairs)]))]);
    let params = drawn(&compiled, 0.8, 2);
    // A row of the table of noise holds both positions.
    let noise = noise(&compiled, rows.len() / 2, 2 * CODES);
    let mut total = 0.0;
    for (r, x) in rows.iter().enumerate() {
        let (mean, sd) = encode(&params, x, "sd");
        let z: Vec<f64> = (0..CODES).map(|k| mean[k] + sd[k] * noise[IxDyn(&[r / 2, r % 2 * CODES + k])]).collect();
        total += fit(&params, x, &z) - divergence(&mean, &sd);
    }
    assert_close(figure(&answers(&compiled, &params), "bound"), total / (rows.len() / 2) as f64, 1e-10, "the bound");
}
