//! Trials of vectors laid end to end, of sub-models and of guides.

use std::f64::consts::PI;

use super::{Trial, What};
use crate::oracle::random::Stream;

fn log_normal(x: f64, mean: f64, sd: f64) -> f64 {
    -(x - mean) * (x - mean) / (2.0 * sd * sd) - (sd * (2.0 * PI).sqrt()).ln()
}

/// Numbers, units and states laid end to end, twice over the same parts, and through a port of indicator coordinates.
pub fn joined(stream: &mut Stream) -> Trial {
    let (units, spins, hidden) = (1 + stream.below(3), 1 + stream.below(2), 1 + stream.below(2));
    let port = stream.chance(0.5);
    let (outside, inside) = match port {
        true => (
            "model pair(v: Discrete[V], h: Spin[H]) {\n  param W: Real[V, H], b: Real[V]\n  factor v @ W @ h + b @ v\n}\n",
            "factor pair(v = a ++ y ++ s, h = h) as top",
        ),
        false => ("", "factor (a ++ y) @ (e ++ f) + (f ++ e) @ (y ++ a)\n  factor sum(square(e ++ e2))"),
    };
    let text = format!(
        "axis A = {units}\naxis S = {spins}\naxis H = {hidden}\naxis Color = red, green, blue\n{outside}model m {{\n  \
         param e: Real[A], f: Real[Color], e2: Real[S]\n  var a: Bool[A], y: Color, s: Spin[S], h: Spin[H]\n  \
         factor e @ a + f @ y + e2 @ s + sum(h)\n  {inside}\n}}\n"
    );
    Trial::new(text, move |n| {
        let y = n.state("y", &[]);
        let mut sum = n.at("m.f", &[y]);
        for i in 0..units {
            sum += n.at("m.e", &[i]) * n.at("a", &[i]);
        }
        for i in 0..spins {
            sum += n.at("m.e2", &[i]) * n.at("s", &[i]);
        }
        for i in 0..hidden {
            sum += n.at("h", &[i]);
        }
        if port {
            // The coordinates: units, then a one among three for y, then the spins.
            let mut v: Vec<f64> = n.vector("a", &[], units);
            v.extend((0..3).map(|k| if k == y { 1.0 } else { 0.0 }));
            v.extend(n.vector("s", &[], spins));
            for (i, v) in v.iter().enumerate() {
                sum += n.at("m.top.b", &[i]) * v;
                for j in 0..hidden {
                    sum += v * n.at("m.top.W", &[i, j]) * n.at("h", &[j]);
                }
            }
        } else {
            for i in 0..units {
                sum += 2.0 * n.at("m.e", &[i]) * n.at("a", &[i]) + n.at("m.e", &[i]).powi(2);
            }
            sum += 2.0 * n.at("m.f", &[y]);
            for i in 0..spins {
                sum += n.at("m.e2", &[i]).powi(2);
            }
        }
        sum
    })
}

/// Sub-models: a directed one, one with factors as `~` in a plate and as `factor`; parameters passed and own.
pub fn sub_models(stream: &mut Stream) -> Trial {
    let (items, visible, hidden) = (1 + stream.below(2), 1 + stream.below(2), 1 + stream.below(2));
    let passed = stream.chance(0.5);
    let partition = stream.chance(0.4);
    let pass = if passed { ", W = W, b = bias(z)" } else { "" };
    let text = format!(
        "axis I = {items}\naxis V = {visible}\naxis H = {hidden}\n\
         net bias(z: Real) -> Real[V] {{ dense }}\n\
         model pair(v: Bool[X], h: Bool[Y]) {{\n  param W: Real[X, Y], b: Real[X], c: Real[Y]\n  factor v @ W @ h + b @ v + c @ h\n}}\n\
         model drift(a: Real, b: Real) {{\n  param s: Positive, k: Real\n  between: Real = k * a\n  b ~ Normal(between, sd = s)\n}}\n\
         model m {{\n  param W: Real[V, H]\n  z: Real ~ Normal(0, sd = 1)\n  (q: Real) ~ drift(a = z, b = q) as step\n  \
         for i in I {{ (v[i]: Bool[V], h[i]: Bool[H]) ~ pair(v = v[i], h = h[i]{pass}) as machine }}\n  \
         var g: Bool[H]\n  for i in I {{ factor pair(v = v[i], h = g) as extra }}\n}}\n"
    );
    let energy = move |n: &super::Numbers, name: &str, own: bool, v: &[f64], h: &[f64]| {
        let of = |what: &str| format!("m.{name}.{what}");
        let mut sum = 0.0;
        for (i, v) in v.iter().enumerate() {
            sum += v * match own {
                true => n.at(&of("b"), &[i]),
                false => n.at("bias.1.weight", &[0, i]) * n.at("z", &[]) + n.at("bias.1.bias", &[i]),
            };
            for (j, h) in h.iter().enumerate() {
                sum += v * h * if own { n.at(&of("W"), &[i, j]) } else { n.at("m.W", &[i, j]) };
            }
        }
        sum + h.iter().enumerate().map(|(j, h)| h * n.at(&of("c"), &[j])).sum::<f64>()
    };
    let trial = Trial::new(text, move |n| {
        if partition {
            // The same at every position.
            let bits = |k: usize, n: usize| (0..n).map(|i| (k >> i & 1) as f64).collect::<Vec<f64>>();
            let mut z = 0.0;
            for a in 0..1 << visible {
                for b in 0..1 << hidden {
                    z += energy(n, "machine", !passed, &bits(a, visible), &bits(b, hidden)).exp();
                }
            }
            return items as f64 * z.ln();
        }
        let z = n.at("z", &[]);
        let mut sum = log_normal(z, 0.0, 1.0);
        sum += log_normal(n.at("q", &[]), n.at("m.step.k", &[]) * z, n.at("m.step.s", &[]));
        for i in 0..items {
            let v = n.vector("v", &[i], visible);
            sum += energy(n, "machine", !passed, &v, &n.vector("h", &[i], hidden));
            sum += energy(n, "extra", true, &v, &n.vector("g", &[], hidden));
        }
        sum
    });
    if partition { trial.of(What::Partitions) } else { trial }
}

/// A guide that reads what is observed and its own earlier variables, with parameters of its own and a net.
pub fn guides(stream: &mut Stream) -> Trial {
    let (codes, pixels) = (1 + stream.below(3), 1 + stream.below(3));
    let text = format!(
        "axis Z = {codes}\naxis X = {pixels}\naxis Color = red, green, blue\n\
         net enc(x: Bool[X], y: Color) -> (mean: Real[Z], sd: Positive[Z]) {{ dense }}\n\
         model m {{\n  param W: Real[X, Z]\n  y: Color ~ Categorical(uniform)\n  z: Real[Z] ~ Normal(0, sd = 1)\n  \
         x: Bool[X] ~ Bernoulli(logit = W @ z)\n}}\n\
         guide m {{\n  param R: Real[X, Color], c: Real[Color]\n  y: Color ~ Categorical(logit = R @ x + c)\n  \
         z: Real[Z] ~ Normal(..enc(x, y))\n}}\n"
    );
    let whose = if stream.chance(0.6) { What::Guide } else { What::Model };
    Trial::new(text, move |n| {
        let (x, y) = (n.vector("x", &[], pixels), n.state("y", &[]));
        let mut sum = 0.0;
        if whose == What::Model {
            sum -= 3f64.ln();
            for k in 0..codes {
                sum += log_normal(n.at("z", &[k]), 0.0, 1.0);
            }
            for (i, x) in x.iter().enumerate() {
                let a: f64 = (0..codes).map(|k| n.at("m.W", &[i, k]) * n.at("z", &[k])).sum();
                sum -= (1.0 + if *x == 1.0 { (-a).exp() } else { a.exp() }).ln();
            }
            return sum;
        }
        let logits: Vec<f64> = (0..3)
            .map(|k| n.at("m.guide.c", &[k]) + (0..pixels).map(|i| n.at("m.guide.R", &[i, k]) * x[i]).sum::<f64>())
            .collect();
        sum += logits[y] - logits.iter().map(|l| l.exp()).sum::<f64>().ln();
        for k in 0..codes {
            let head = |name: &str| {
                let weight = format!("enc.{name}.weight");
                let bias = n.at(&format!("enc.{name}.bias"), &[k]);
                bias + (0..pixels).map(|i| n.at(&weight, &[i, k]) * x[i]).sum::<f64>() + n.at(&weight, &[pixels + y, k])
            };
            sum += log_normal(n.at("z", &[k]), head("mean"), head("sd").exp());
        }
        sum
    })
    .of(whose)
}
