//! `sd(x | ..)` and `variance(x | ..)`: how far values lie from their mean, of numbers and of states, exactly and by samples.

use std::collections::BTreeMap;

use ghmc::train::AnswerValue;

use super::{Arrays, answers, assert_close, compiled};

const TEXT: &str = "axis Season = wet, dry, cold
model m {
  z: Real ~ Normal(1, sd = 1)
  y: Real ~ Normal(z, sd = 2)
  twice: Real = 2 * z + 1
  rain: Bool ~ Bernoulli(0.3)
  lawn: Bool ~ Bernoulli(if rain then 0.9 else 0.2)
  spin: Spin ~ Bernoulli(logit = if lawn then 1 else -0.5)
  season: Season ~ Categorical([0.2, 0.5, 0.3])
  mixed: Real ~ Normal(if rain then 10 else -10, sd = 3)
}
query deviation = sd(z | y = 4) of m
query variance  = variance(z | y = 4) of m
query doubled   = sd(twice | y = 4) of m
query before    = sd(z) of m
query wet       = sd(rain | lawn = yes) of m
query sampled   = sd(rain | lawn = yes) of m by gibbs(20000)
query spun      = variance(spin) of m
query seasons   = variance(season) of m
query both      = variance(mixed) of m
";

fn entries(answers: &BTreeMap<String, AnswerValue>, name: &str) -> Vec<f64> {
    match &answers[name] {
        AnswerValue::Entries(entries) => entries[0].values.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn spreads_are_those_of_closed_forms() {
    let compiled = compiled(TEXT, 1, &[]);
    let answers = answers(&compiled, &Arrays::new());
    let one = |name: &str| entries(&answers, name)[0];
    // The precisions of prior and likelihood add up.
    let variance = 1.0 / (1.0 + 0.25);
    assert_close(one("deviation"), f64::sqrt(variance), 1e-9, "a standard deviation");
    assert_close(one("variance"), variance, 1e-9, "a variance");
    assert_close(one("doubled"), 2.0 * f64::sqrt(variance), 1e-9, "that of a linear function");
    assert_close(one("before"), 1.0, 1e-9, "that of a prior");
    let wet = 0.3 * 0.9 / (0.3 * 0.9 + 0.7 * 0.2);
    assert_close(one("wet"), f64::sqrt(wet * (1.0 - wet)), 1e-9, "that of a yes or no");
    assert_close(one("sampled"), f64::sqrt(wet * (1.0 - wet)), 0.02, "that of samples");
    let lawn = 0.3 * 0.9 + 0.7 * 0.2;
    let up = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    let mean = 2.0 * (lawn * up(1.0) + (1.0 - lawn) * up(-0.5)) - 1.0;
    assert_close(one("spun"), 1.0 - mean * mean, 1e-9, "that of a spin");
    for (found, share) in entries(&answers, "seasons").iter().zip([0.2, 0.5, 0.3]) {
        assert_close(*found, share * (1.0 - share), 1e-9, "that of a state");
    }
    assert_close(one("both"), 9.0 + 400.0 * 0.3 * 0.7, 1e-7, "that of a mixture");
}
