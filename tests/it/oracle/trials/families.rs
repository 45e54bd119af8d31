//! Trials of the distribution families.
//!
//! Formulas: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1 (1994) and 2 (1995); Johnson, Kemp, Kotz,
//! Univariate Discrete Distributions (2005); Gelman et al., Bayesian Data Analysis (2013), appendix A. Determinants and
//! inverses go by elimination and not by Cholesky factors.

use std::f64::consts::PI;

use super::{Numbers, Trial, What};
use crate::oracle::random::Stream;

fn log_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// The density of one number, from its arguments: `density(x, a, b, c)`.
type Density = fn(f64, &[f64]) -> f64;

/// How a family is called with arguments `{0}`, `{1}`, .., where they live, where the variable lives, and its density.
const ENTRIES: [(&str, &[&str], &str, Density); 15] = [
    ("Normal({0}, sd = {1})", &["Real", "Positive"], "Real", |x, a| {
        (1.0 / (a[1] * (2.0 * PI).sqrt())).ln() - (x - a[0]) * (x - a[0]) / (2.0 * a[1] * a[1])
    }),
    ("Laplace({0}, scale = {1})", &["Real", "Positive"], "Real", |x, a| {
        (1.0 / (2.0 * a[1])).ln() - (x - a[0]).abs() / a[1]
    }),
    ("StudentT({2}, {0}, scale = {1})", &["Real", "Positive", "Positive"], "Real", |x, a| {
        let (z, nu) = ((x - a[0]) / a[1], a[2]);
        log_gamma((nu + 1.0) / 2.0)
            - log_gamma(nu / 2.0)
            - (nu * PI).sqrt().ln()
            - a[1].ln()
            - (nu + 1.0) / 2.0 * (1.0 + z * z / nu).ln()
    }),
    ("LogNormal({0}, sd = {1})", &["Real", "Positive"], "Positive", |x, a| {
        let z = (x.ln() - a[0]) / a[1];
        -(x * a[1] * (2.0 * PI).sqrt()).ln() - z * z / 2.0
    }),
    ("InverseGamma({0}, scale = {1})", &["Positive", "Positive"], "Positive", |x, a| {
        a[0] * a[1].ln() - log_gamma(a[0]) + (-a[0] - 1.0) * x.ln() - a[1] / x
    }),
    ("Gamma({0}, rate = {1})", &["Positive", "Positive"], "Positive", |x, a| {
        a[0] * a[1].ln() - log_gamma(a[0]) + (a[0] - 1.0) * x.ln() - a[1] * x
    }),
    ("Exponential(rate = {0})", &["Positive"], "Positive", |x, a| (a[0] * (-a[0] * x).exp()).ln()),
    ("Beta({0}, {1})", &["Positive", "Positive"], "Unit", |x, a| {
        log_gamma(a[0] + a[1]) - log_gamma(a[0]) - log_gamma(a[1])
            + (a[0] - 1.0) * x.ln()
            + (a[1] - 1.0) * (1.0 - x).ln()
    }),
    ("Uniform(-2 * {0}, {0} + 9)", &["Positive"], "Positive", |x, a| {
        if x <= a[0] + 9.0 { (1.0 / (3.0 * a[0] + 9.0)).ln() } else { f64::NEG_INFINITY }
    }),
    ("Poisson({0})", &["Positive"], "Count", |x, a| {
        (0..x as usize).map(|k| (a[0] / (k as f64 + 1.0)).ln()).sum::<f64>() - a[0]
    }),
    ("Bernoulli({0})", &["Unit"], "Bool", |x, a| if x == 1.0 { a[0].ln() } else { (1.0 - a[0]).ln() }),
    ("Bernoulli({0})", &["Unit"], "Spin", |x, a| if x == 1.0 { a[0].ln() } else { (1.0 - a[0]).ln() }),
    ("Bernoulli(logit = {0})", &["Real"], "Bool", |x, a| -(1.0 + (if x == 1.0 { -a[0] } else { a[0] }).exp()).ln()),
    ("Bernoulli(logit = {0})", &["Real"], "Spin", |x, a| -(1.0 + (-x * a[0]).exp()).ln()),
    // No argument but a number that is written.
    ("Normal(-0.5, sd = 2)", &[], "Real", |x, _| -(x + 0.5) * (x + 0.5) / 8.0 - (2.0 * (2.0 * PI).sqrt()).ln()),
];

/// One variable of a random family over a plate and an event axis; each argument has some of the two.
pub fn entries(stream: &mut Stream) -> Trial {
    let (call, args, domain, density) = *stream.pick(&ENTRIES);
    let (items, dims) = (1 + stream.below(3), 1 + stream.below(3));
    let shapes: Vec<(bool, bool)> = args.iter().map(|_| (stream.chance(0.5), stream.chance(0.5))).collect();
    let mut params = String::new();
    let mut written = call.to_string();
    for (k, (of, &(item, dim))) in args.iter().zip(&shapes).enumerate() {
        let (index, event) = (if item { "[Item]" } else { "" }, if dim { "[Dim]" } else { "" });
        params += &format!("  param a{k}{index}: {of}{event}\n");
        written = written.replace(&format!("{{{k}}}"), &format!("a{k}{}", if item { "[i]" } else { "" }));
    }
    let text = format!(
        "axis Item = {items}\naxis Dim = {dims}\nmodel m {{\n{params}  for i in Item {{ x[i]: {domain}[Dim] ~ {written} }}\n}}\n"
    );
    Trial::new(text, move |n| {
        let mut sum = 0.0;
        for i in 0..items {
            for d in 0..dims {
                let args: Vec<f64> = (shapes.iter().enumerate())
                    .map(|(k, &(item, dim))| {
                        let at: Vec<usize> = item.then_some(i).into_iter().chain(dim.then_some(d)).collect();
                        n.at(&format!("m.a{k}"), &at)
                    })
                    .collect();
                sum += density(n.at("x", &[i, d]), &args);
            }
        }
        sum
    })
}

/// A Dirichlet or a multinomial in each position of a plate.
pub fn counts(stream: &mut Stream) -> Trial {
    let (items, states) = (1 + stream.below(3), 1 + stream.below(4));
    let total = stream.below(6);
    let axes = format!("axis Item = {items}\naxis Kind = {states}\n");
    let each = stream.chance(0.5);
    let (index, at) = if each { ("[Item]", "[i]") } else { ("", "") };
    let place = move |i: usize, k: usize| if each { vec![i, k] } else { vec![k] };
    match stream.below(3) {
        0 => Trial::new(
            format!(
                "{axes}model m {{\n  param a{index}: Positive[Kind]\n  for i in Item {{ x[i]: Simplex[Kind] ~ Dirichlet(a{at}) }}\n}}\n"
            ),
            move |n| {
                let one = |i: usize| {
                    let a: Vec<f64> = (0..states).map(|k| n.at("m.a", &place(i, k))).collect();
                    let powers: f64 = (0..states).map(|k| (a[k] - 1.0) * n.at("x", &[i, k]).ln()).sum();
                    log_gamma(a.iter().sum()) - a.iter().map(|&a| log_gamma(a)).sum::<f64>() + powers
                };
                (0..items).map(one).sum()
            },
        ),
        form => {
            let (domain, role) = if form == 1 { ("Simplex", "") } else { ("Real", "logit = ") };
            let mut trial = Trial::new(
                format!(
                    "{axes}model m {{\n  param a{index}: {domain}[Kind]\n  for i in Item {{ x[i]: Count[Kind] ~ Multinomial({total}, {role}a{at}) }}\n}}\n"
                ),
                move |n| {
                    let mut sum = 0.0;
                    for i in 0..items {
                        let a: Vec<f64> = (0..states).map(|k| n.at("m.a", &place(i, k))).collect();
                        let weight = |k: usize| if form == 1 { a[k] } else { a[k].exp() };
                        let all: f64 = (0..states).map(weight).sum();
                        let x: Vec<f64> = n.vector("x", &[i], states);
                        if x.iter().sum::<f64>() != total as f64 {
                            return f64::NEG_INFINITY;
                        }
                        sum += log_gamma(total as f64 + 1.0);
                        for k in 0..states {
                            let p = if form == 1 { weight(k) } else { weight(k) / all };
                            sum += x[k] * p.ln() - log_gamma(x[k] + 1.0);
                        }
                    }
                    sum
                },
            );
            if stream.chance(0.9) {
                // Counts that come to the total; else such as they fall, which is seldom possible.
                let mut data = vec![0.0; items * states];
                for i in 0..items {
                    for _ in 0..total {
                        data[i * states + stream.below(states)] += 1.0;
                    }
                }
                trial.fixed.push(("x".into(), data));
            }
            trial
        }
    }
}

/// The determinant and the inverse, by elimination with pivots.
pub fn invert(a: &[Vec<f64>]) -> (f64, Vec<Vec<f64>>) {
    let n = a.len();
    let mut rows: Vec<Vec<f64>> =
        (0..n).map(|i| a[i].iter().copied().chain((0..n).map(|j| if i == j { 1.0 } else { 0.0 })).collect()).collect();
    let mut determinant = 1.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs())).unwrap();
        if pivot != k {
            rows.swap(pivot, k);
            determinant = -determinant;
        }
        let head = rows[k][k];
        determinant *= head;
        rows[k].iter_mut().for_each(|x| *x /= head);
        let row = rows[k].clone();
        for other in (0..n).filter(|&i| i != k) {
            let factor = rows[other][k];
            rows[other].iter_mut().zip(&row).for_each(|(x, y)| *x -= factor * y);
        }
    }
    (determinant, rows.into_iter().map(|row| row[n..].to_vec()).collect())
}

fn identity(n: usize, scale: f64) -> Vec<Vec<f64>> {
    (0..n).map(|i| (0..n).map(|j| if i == j { scale } else { 0.0 }).collect()).collect()
}

/// log N(x; m, S) = −½ log((2π)ⁿ |S|) − ½ (x − m)ᵀ S⁻¹ (x − m).
pub fn log_normal(x: &[f64], mean: &[f64], cov: &[Vec<f64>]) -> f64 {
    let n = x.len();
    let (determinant, inverse) = invert(cov);
    let mut square = 0.0;
    for i in 0..n {
        for j in 0..n {
            square += (x[i] - mean[i]) * inverse[i][j] * (x[j] - mean[j]);
        }
    }
    -0.5 * ((2.0 * PI).powi(n as i32) * determinant).ln() - 0.5 * square
}

/// A normal with a covariance: one matrix for all, one for each state or place, or a single number.
pub fn covariances(stream: &mut Stream) -> Trial {
    let (items, dims, states) = (1 + stream.below(3), 1 + stream.below(4), 1 + stream.below(3));
    let axes = format!("axis Item = {items}\naxis Dim = {dims}\naxis Group = {states}\n");
    let form = stream.below(4);
    let (params, body) = match form {
        0 => ("param mu: Real[Dim], cov: Cov[Dim]", "x[i]: Real[Dim] ~ Normal(mu, cov = cov)"),
        1 => (
            "param mu[Group]: Real[Dim], cov[Group]: Cov[Dim], w: Simplex[Group]",
            "z[i]: Group ~ Categorical(w); x[i]: Real[Dim] ~ Normal(mu[z[i]], cov = cov[z[i]])",
        ),
        2 => ("param cov[Item]: Cov[Dim]", "x[i]: Real[Dim] ~ Normal(0.5, cov = cov[i])"),
        _ => ("param mu: Real[Dim], v: Positive", "x[i]: Real[Dim] ~ Normal(mu, cov = v)"),
    };
    Trial::new(format!("{axes}model m {{\n  {params}\n  for i in Item {{ {body} }}\n}}\n"), move |n| {
        let one = |i: usize| {
            let x = n.vector("x", &[i], dims);
            match form {
                0 => log_normal(&x, &n.vector("m.mu", &[], dims), &n.matrix("m.cov", &[], dims)),
                1 => {
                    let z = n.state("z", &[i]);
                    let (mean, cov) = (n.vector("m.mu", &[z], dims), n.matrix("m.cov", &[z], dims));
                    n.at("m.w", &[z]).ln() + log_normal(&x, &mean, &cov)
                }
                2 => log_normal(&x, &vec![0.5; dims], &n.matrix("m.cov", &[i], dims)),
                _ => log_normal(&x, &n.vector("m.mu", &[], dims), &identity(dims, n.at("m.v", &[]))),
            }
        };
        (0..items).map(one).sum()
    })
}

/// log Γ_p(a) by its product (Gelman et al. 2013, table A.1): π^(p(p−1)/4) Π_j Γ(a + (1 − j)/2).
fn log_gamma_p(p: usize, a: f64) -> f64 {
    let mut product = PI.powf((p * (p.max(1) - 1)) as f64 / 4.0).ln();
    for j in 1..=p {
        product += log_gamma(a + (1.0 - j as f64) / 2.0);
    }
    product
}

fn trace_of_product(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let n = a.len();
    (0..n).map(|i| (0..n).map(|j| a[i][j] * b[j][i]).sum::<f64>()).sum()
}

/// The Wishart's log-density, with the scale V (Gelman et al. 2013, table A.1).
fn log_wishart(x: &[Vec<f64>], dof: f64, scale: &[Vec<f64>]) -> f64 {
    let p = x.len() as f64;
    let ((det_x, _), (det_v, inverse)) = (invert(x), invert(scale));
    (dof - p - 1.0) / 2.0 * det_x.ln()
        - trace_of_product(&inverse, x) / 2.0
        - dof * p / 2.0 * 2f64.ln()
        - dof / 2.0 * det_v.ln()
        - log_gamma_p(x.len(), dof / 2.0)
}

/// The inverse Wishart's, with the scale Ψ: the Wishart's of the inverse with scale Ψ⁻¹, times the volume |X|^−(p+1).
fn log_inverse_wishart(x: &[Vec<f64>], dof: f64, scale: &[Vec<f64>]) -> f64 {
    let ((det, inverse), (_, of_scale)) = (invert(x), invert(scale));
    log_wishart(&inverse, dof, &of_scale) - (x.len() as f64 + 1.0) * det.ln()
}

/// Random matrices, alone and with a mean; as variables or as priors of parameters.
pub fn matrices(stream: &mut Stream) -> Trial {
    let (items, dims) = (1 + stream.below(2), 1 + stream.below(3));
    let axes = format!("axis Item = {items}\naxis Dim = {dims}\n");
    let dof = dims as f64 + 0.5 + stream.unit();
    let inverse = stream.chance(0.5);
    let family = if inverse { "InverseWishart" } else { "Wishart" };
    let density = if inverse { log_inverse_wishart } else { log_wishart };
    match stream.below(4) {
        0 => Trial::new(
            format!(
                "{axes}model m {{\n  param S: Cov[Dim]\n  for i in Item {{ X[i]: Cov[Dim] ~ {family}({dof}, scale = S) }}\n}}\n"
            ),
            move |n| (0..items).map(|i| density(&n.matrix("X", &[i], dims), dof, &n.matrix("m.S", &[], dims))).sum(),
        ),
        1 => Trial::new(
            format!(
                "{axes}model m {{\n  param s[Item]: Positive\n  for i in Item {{ X[i]: Cov[Dim] ~ {family}({dof}, scale = s[i]) }}\n}}\n"
            ),
            move |n| {
                let one = |i: usize| density(&n.matrix("X", &[i], dims), dof, &identity(dims, n.at("m.s", &[i])));
                (0..items).map(one).sum()
            },
        ),
        2 => Trial::new(
            format!(
                "{axes}model m {{\n  param S[Item]: Cov[Dim] prior {family}({dof}, scale = 0.7)\n  x: Real ~ Normal(0, sd = 1)\n}}\n"
            ),
            move |n| {
                let one = |i: usize| density(&n.matrix("m.S", &[i], dims), dof, &identity(dims, 0.7));
                (0..items).map(one).sum()
            },
        )
        .of(What::Priors),
        // Gelman et al. (2013), section 3.6: Σ ~ InvWishart(ν, Λ), μ | Σ ~ N(m, Σ/κ).
        _ => Trial::new(
            format!(
                "{axes}model m {{\n  param m0: Real[Dim], k: Positive\n  for i in Item {{\n    \
                 (mu[i]: Real[Dim], S[i]: Cov[Dim]) ~ NormalInverseWishart(mean = m0, strength = k, scale = 1.5, dof = {dof})\n  }}\n}}\n"
            ),
            move |n| {
                let one = |i: usize| {
                    let of_cov = n.matrix("S", &[i], dims);
                    let mut cov = of_cov.clone();
                    cov.iter_mut().flatten().for_each(|s| *s /= n.at("m.k", &[]));
                    log_inverse_wishart(&of_cov, dof, &identity(dims, 1.5))
                        + log_normal(&n.vector("mu", &[i], dims), &n.vector("m.m0", &[], dims), &cov)
                };
                (0..items).map(one).sum()
            },
        ),
    }
}

/// Priors of parameters: each counts once, over all its entries.
pub fn priors(stream: &mut Stream) -> Trial {
    let (items, dims) = (1 + stream.below(3), 1 + stream.below(3));
    let text = format!(
        "axis Item = {items}\naxis Dim = {dims}\nmodel m {{\n  param w[Item]: Real[Dim] prior Normal(0, sd = 2)\n  \
         param p[Item]: Simplex[Dim] prior Dirichlet(1.5), r: Positive prior Gamma(2, rate = 3), u: Unit prior Beta(2, 1.5)\n  \
         param free: Real\n  for i in Item {{ x[i]: Real[Dim] ~ Normal(w[i], sd = r) }}\n}}\n"
    );
    Trial::new(text, move |n: &Numbers| {
        let mut sum = ENTRIES[5].3(n.at("m.r", &[]), &[2.0, 3.0]) + ENTRIES[7].3(n.at("m.u", &[]), &[2.0, 1.5]);
        for i in 0..items {
            sum += log_gamma(1.5 * dims as f64) - dims as f64 * log_gamma(1.5);
            for d in 0..dims {
                sum += ENTRIES[0].3(n.at("m.w", &[i, d]), &[0.0, 2.0]) + 0.5 * n.at("m.p", &[i, d]).ln();
            }
        }
        sum
    })
    .of(What::Priors)
}
