//! Numbers worked out by hand, so that loops and evaluator cannot be wrong in the same way.

use std::f64::consts::{LN_2, PI};

use ghmc::model::evaluate::{Values, log_density};
use ndarray::{ArrayD, IxDyn};

use crate::engines::checked;

/// log p̃ of the model `m` of a text with these values, each over its axes in order.
fn log_p(text: &str, values: &[(&str, &[f64])]) -> f64 {
    let program = checked(text);
    let model = super::super::model(&program, "m");
    let mut found = Values::default();
    let array = |axes: &[ghmc::model::AxisId], data: &[f64]| {
        ArrayD::from_shape_vec(IxDyn(&program.extents(axes).unwrap()), data.to_vec()).unwrap()
    };
    for (name, data) in values {
        if let Some((id, param)) = program.params.iter().find(|(_, p)| p.name == *name) {
            found.params.insert(id, array(&param.axes, data));
        } else {
            let var = super::super::variable(&program, model, name);
            found.vars.insert(var, array(&program.vars[var].axes(), data));
        }
    }
    log_density(&program, model, &found).unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn is(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} and not {expected}");
}

#[test]
fn a_normal_with_a_covariance() {
    // S = [2 1; 1 2]: |S| = 3, S⁻¹ = ⅓ [2 −1; −1 2]; x − m = (1, 2) gives ⅓ (2 − 4 + 8) = 2.
    let text = "axis D = 2\nmodel m { param S: Cov[D], mu: Real[D]; x: Real[D] ~ Normal(mu, cov = S) }";
    let found = log_p(text, &[("m.S", &[2.0, 1.0, 1.0, 2.0]), ("m.mu", &[1.0, -1.0]), ("x", &[2.0, 1.0])]);
    is(found, -0.5 * (4.0 * PI * PI * 3.0).ln() - 1.0);
    // A single number is that multiple of the identity.
    let text = "axis D = 2\nmodel m { x: Real[D] ~ Normal(0, cov = 4) }";
    is(log_p(text, &[("x", &[2.0, 0.0])]), -(2.0 * PI).ln() - 2.0 * LN_2 - 0.5);
}

#[test]
fn matrices_of_one_row_are_gammas() {
    // In one dimension W(x; n, v) = Gamma(n/2, rate 1/2v) and W⁻¹(x; n, s) = InverseGamma(n/2, s/2): at n = 4, v = 1, x = 2
    // x e^(−x/2)/4 = e⁻¹/2, and at n = 4, s = 2, x = 1: s²/4 · x⁻³ e^(−s/2x) = e⁻¹.
    let text = |family: &str| format!("axis D = 1\nmodel m {{ X: Cov[D] ~ {family} }}");
    is(log_p(&text("Wishart(4, scale = 1)"), &[("X", &[2.0])]), -1.0 - LN_2);
    is(log_p(&text("InverseWishart(4, scale = 2)"), &[("X", &[1.0])]), -1.0);
}

#[test]
fn a_wishart_of_two_rows_and_its_inverse() {
    // n = 3, V = 1, X = 1: (n − d − 1)/2 = 0, so −½ tr 1 − 3 log 2 − log Γ₂(3/2), Γ₂(3/2) = √π Γ(3/2) Γ(1) = π/2.
    let text = "axis D = 2\nmodel m { X: Cov[D] ~ Wishart(3, scale = 1) }";
    let unit = [1.0, 0.0, 0.0, 1.0];
    is(log_p(text, &[("X", &unit)]), -1.0 - 3.0 * LN_2 - (PI / 2.0).ln());
    let text = "axis D = 2\nmodel m { X: Cov[D] ~ InverseWishart(3, scale = 1) }";
    is(log_p(text, &[("X", &unit)]), -1.0 - 3.0 * LN_2 - (PI / 2.0).ln());
    // What is no covariance is impossible.
    assert_eq!(log_p(text, &[("X", &[1.0, 2.0, 2.0, 1.0])]), f64::NEG_INFINITY);
}

#[test]
fn a_mean_and_its_covariance_together() {
    // S ~ W⁻¹(4, 2) at 1: −1. mu ~ N(0.5, cov = 1/4) at 1: −½ log 2π + log 2 − ½ · 0.25 · 4.
    let text = "axis D = 1\nmodel m { (mu: Real[D], S: Cov[D]) ~ NormalInverseWishart(mean = 0.5, strength = 4, scale = 2, dof = 4) }";
    is(log_p(text, &[("mu", &[1.0]), ("S", &[1.0])]), -1.0 - 0.5 * (2.0 * PI).ln() + LN_2 - 0.5);
}

#[test]
fn heavy_tails_and_logarithms() {
    // Student's with one degree of freedom is Cauchy's: 1/(π s (1 + z²)), here s = 2, z = 1.
    let text = |call: &str, domain: &str| format!("model m {{ x: {domain} ~ {call} }}");
    is(log_p(&text("StudentT(1, 3, scale = 2)", "Real"), &[("x", &[5.0])]), -(4.0 * PI).ln());
    // x = e: log x = 1, so ½ (1 − 0)²/4 and the Jacobian's 1.
    let e = std::f64::consts::E;
    is(log_p(&text("LogNormal(0, sd = 2)", "Positive"), &[("x", &[e])]), -0.125 - LN_2 - 0.5 * (2.0 * PI).ln() - 1.0);
    // s² x⁻³ e^(−s/x) at s = 2, x = 2.
    is(log_p(&text("InverseGamma(2, scale = 2)", "Positive"), &[("x", &[2.0])]), -LN_2 - 1.0);
}

#[test]
fn a_multinomial_counts_the_orders() {
    // 4!/(2! 1! 1!) = 12 orders of ½² ¼ ¼.
    let text = "axis K = 3\nmodel m { param p: Simplex[K]; x: Count[K] ~ Multinomial(4, p) }";
    let p = ("m.p", [0.5, 0.25, 0.25].as_slice());
    is(log_p(text, &[p, ("x", &[2.0, 1.0, 1.0])]), (12.0f64 / 64.0).ln());
    assert_eq!(log_p(text, &[p, ("x", &[2.0, 1.0, 0.0])]), f64::NEG_INFINITY);
}

#[test]
fn a_window_sees_zeros_beyond_the_ends() {
    let text = "axis T = 3\naxis W = 3\nmodel m { param F: Real[W]; for t in T { var x[t]: Bool; factor F @ window(x, W)[t] } }";
    // x = 1 0 1 under (1, 10, 100), the middle of it on t: 10; 1 + 100; 10.
    is(log_p(text, &[("m.F", &[1.0, 10.0, 100.0]), ("x", &[1.0, 0.0, 1.0])]), 10.0 + 101.0 + 10.0);
}

#[test]
fn layers_by_hand() {
    let text = |layers: &str| {
        format!(
            "axis T = 3\naxis D = 1\nnet f(x[T]: Real[D]) -> Real {{ {layers}; dense }}\nmodel m(given x[T]: Real[D]) {{ z: Bool ~ Bernoulli(0.5); factor f(x) }}"
        )
    };
    let half = 0.5f64.ln();
    let x = ("x", [1.0, -2.0, 4.0].as_slice());
    let (z, head) = (("z", [1.0].as_slice()), [("f.2.weight", [3.0].as_slice()), ("f.2.bias", [0.5].as_slice())]);
    is(log_p(&text("pool(max)"), &[x, z, head[0], head[1]]), half + 12.5);
    is(log_p(&text("pool(mean)"), &[x, z, head[0], head[1]]), half + 3.5);
    // rnn with W = 1, U = ½, b = 0: tanh(4 + ½ tanh(−2 + ½ tanh 1)).
    let gates = [("f.1.in.weight", [1.0].as_slice()), ("f.1.in.state", &[0.5]), ("f.1.in.bias", &[0.0])];
    let state = (4.0 + 0.5 * (-2.0 + 0.5 * 1f64.tanh()).tanh()).tanh();
    let values = [x, z, head[0], head[1], gates[0], gates[1], gates[2]];
    is(log_p(&text("rnn(1)"), &values), half + 3.0 * state + 0.5);
    // conv of width 2 looks at t − 1 and t: relu(x[t−1] − x[t]) = 0, 3, 0.
    let conv = [("f.1.weight", [1.0, -1.0].as_slice()), ("f.1.bias", &[0.0])];
    let values = [x, z, conv[0], conv[1], ("f.3.weight", &[1.0]), ("f.3.bias", &[0.0])];
    is(log_p(&text("conv(1, width = 2, relu); pool(sum)"), &values), half + 3.0);
}
