//! Small programs whose answers are worked out by hand: ways of writing a density that an engine may read wrongly.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use ghmc::train::AnswerValue;

use super::{assert_close, compiled};

/// Every answer of a file as numbers: shares of states, entries, or one figure.
fn numbers(text: &str) -> BTreeMap<String, Vec<f64>> {
    let stop = AtomicBool::new(false);
    let answers = compiled(text, 1, &[]).untrained().answer_all(&stop, &mut |_| ());
    let read = |value: &AnswerValue| match value {
        AnswerValue::Number(v) => vec![*v],
        AnswerValue::Distribution { states, .. } => states.iter().map(|(_, share)| *share).collect(),
        AnswerValue::Entries(entries) => entries.iter().flat_map(|e| e.values.clone()).collect(),
        other => panic!("{other:?}"),
    };
    answers.iter().map(|a| (a.name.clone(), read(&a.value))).collect()
}

fn holds(text: &str, name: &str, truth: &[f64]) {
    let told = numbers(text);
    let found = &told[name];
    assert_eq!(found.len(), truth.len(), "{found:?}");
    for (f, t) in found.iter().zip(truth) {
        assert_close(*f, *t, 1e-9, &format!("{name} in\n{text}"));
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn joint_distributions_of_binary_variables_are_joint() {
    let pair = "x: Bool ~ Bernoulli(0.2)\n y: Bool ~ Bernoulli(if x then 0.9 else 0.1)";
    holds(&format!("model m {{ {pair} }}\nquery q = P(x, y)"), "q", &[0.72, 0.08, 0.02, 0.18]);
    let spins = "axis S = a, b, c\nmodel m {\n s: Spin ~ Bernoulli(0.3)\n c: S ~ Categorical(if s is up then [0.5, 0.3, 0.2] else [0.1, 0.1, 0.8])\n}";
    holds(&format!("{spins}\nquery q = P(s, c)"), "q", &[0.07, 0.07, 0.56, 0.15, 0.09, 0.06]);
}

#[test]
fn a_choice_by_a_latent_variable_counts() {
    holds("model m { var h: Bool; factor if h then 2 else 0.5 }\nquery q = P(h = yes)", "q", &[sigmoid(1.5)]);
    holds("model m { var h: Spin; factor if h is up then 2 else 0.5 }\nquery q = P(h = up)", "q", &[sigmoid(1.5)]);
    let e = 1f64.exp();
    let text = "axis S = a, b, c\nmodel m { var s: S; factor if s is b then 1 else 0 }\nquery q = P(s)";
    holds(text, "q", &[1.0 / (2.0 + e), e / (2.0 + e), 1.0 / (2.0 + e)]);
    let text = "model m { var h: Bool; var v: Bool; factor if h is no then 2*v else 0.5; factor table(h) { no -> 0.1; yes -> 0.7 } }
query h = P(h = yes)
query v = P(v = yes)";
    // Weights by (h, v): e^0.1, e^2.1, e^1.2, e^1.2.
    let w = [0.1f64, 2.1, 1.2, 1.2].map(f64::exp);
    let z: f64 = w.iter().sum();
    holds(text, "h", &[(w[2] + w[3]) / z]);
    holds(text, "v", &[(w[1] + w[3]) / z]);
}

#[test]
fn an_impossible_state_stays_impossible() {
    holds("model m { z: Bool ~ Bernoulli(0); factor 200 * z }\nquery q = P(z = yes)", "q", &[0.0]);
    let text = "model m { z: Bool ~ Bernoulli(1); y: Bool ~ Bernoulli(if z then 0.25 else 0.5) }\nquery q = P(y = yes)";
    holds(text, "q", &[0.25]);
}

#[test]
fn potentials_are_silent_only_where_they_read_outside() {
    // Weights of three binary states, worked out state by state.
    let mean = |weight: &dyn Fn([f64; 3]) -> f64| -> Vec<f64> {
        let states: Vec<[f64; 3]> = (0..8u32).map(|s| [0, 1, 2].map(|t| f64::from(s >> t & 1))).collect();
        let z: f64 = states.iter().map(|s| weight(*s).exp()).sum();
        (0..3).map(|t| states.iter().map(|s| weight(*s).exp() * s[t]).sum::<f64>() / z).collect()
    };
    let model =
        |body: &str| format!("axis T = 3\nmodel m {{ for t in T {{ var s[t]: Bool; {body} }} }}\nquery q = mean(s)");
    let first = mean(&|s| 2.0 * s[0] + 1.1 * (s[1] * s[0] + s[2] * s[1]));
    holds(&model("factor if t is first then 2*s[t] else 1.1*s[t]*s[t-1]"), "q", &first);
    let last = mean(&|s| 2.0 * s[2] + 1.1 * (s[1] * s[0] + s[2] * s[1]));
    holds(&model("factor if t is last then 2*s[t] else 1.1*s[t]*s[t+1]"), "q", &last);
    let ahead = mean(&|s| 1.1 * (s[1] * s[0] + s[2] * s[1]) + 5.0 * (s[0] * (1.0 - s[1]) + s[1] * (1.0 - s[2])));
    holds(&model("factor 1.1*s[t]*s[t-1]; factor 5*s[t]*(1-s[t+1])"), "q", &ahead);
}

#[test]
fn all_pairs_are_no_chain() {
    let mean = |weight: &dyn Fn(f64, f64, f64) -> f64| {
        let mut sums = [0.0, 0.0];
        for s in 0..8u32 {
            let at = |i: u32| f64::from(s >> i & 1);
            let w = weight(at(0), at(1), at(2)).exp();
            sums[0] += w;
            sums[1] += w * at(0);
        }
        sums[1] / sums[0]
    };
    let all = mean(&|a, b, c| 0.5 * (a + b + c) * (a + b + c));
    let text = "axis I = 3\nmodel m { for i in I { var c[i]: Bool }; for i in I, j in I { factor 0.5*c[i]*c[j] } }\nquery q = mean(c)";
    holds(text, "q", &[all, all, all]);
    let text = text.replace("axis I = 3", "axis I = 3\naxis J = I").replace("j in I", "j in J");
    holds(&text, "q", &[all, all, all]);
}

#[test]
fn evidence_on_a_definition_reaches_what_it_is_computed_from() {
    let model = "model m {
  a: Bool ~ Bernoulli(0.3)
  b: Bool ~ Bernoulli(0.6)
  c: Bool = if a then b else no
  d: Bool ~ Bernoulli(if c then 0.9 else 0.2)
}";
    holds(&format!("{model}\nquery q = P(a = yes | c = yes)"), "q", &[1.0]);
    holds(&format!("{model}\nquery q = P(a = yes | c = no)"), "q", &[0.3 * 0.4 / (0.3 * 0.4 + 0.7)]);
    holds(&format!("{model}\nquery q = P(d = yes | c = no)"), "q", &[0.2]);
}

#[test]
fn reductions_count_entries_that_are_equal() {
    let ln3 = 3f64.ln();
    let model = |mean: &str| {
        format!("axis K = 3\nmodel m {{ v: Real[K] = 0.0; z: Real ~ Normal({mean}, sd = 1) }}\nquery q = mean(z)")
    };
    holds(&model("logsumexp(v)"), "q", &[ln3]);
    holds(&model("sum(softmax(v) * softmax(v))"), "q", &[1.0 / 3.0]);
}
