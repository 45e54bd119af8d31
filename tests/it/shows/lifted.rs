//! Parts with variables of their own inside loops, against the same model with the part written out.

use ghmc::model::evaluate::log_density;
use ghmc::model::{Domain, Program};
use ndarray::{ArrayD, IxDyn};

use super::{Arrays, answers, compiled, drawn, table, values};
use crate::oracle::random::Stream;
use crate::oracle::{model, variable};

const PARTED: &str = "axis Time = 3
axis Pair = 2
model noisy(given s: Bool, x: Real) {
  param a: Real, w: Real[Pair]
  e: Bool ~ Bernoulli(logit = a * s)
  for u in Pair { g[u]: Bool ~ Bernoulli(logit = w[u] * e) }
  m: Real = 2 * e + g[1] - g[2]
  x ~ Normal(m + s, sd = 1)
}
model m {
  param p: Unit
  for t in Time {
    s[t]: Bool ~ Bernoulli(p)
    (x[t]: Real) ~ noisy(s = s[t], x = x[t]) as part
  }
}
";

const WHOLE: &str = "axis Time = 3
axis Pair = 2
model m {
  param p: Unit, a: Real, w: Real[Pair]
  for t in Time {
    s[t]: Bool ~ Bernoulli(p)
    e[t]: Bool ~ Bernoulli(logit = a * s[t])
    for u in Pair { g[t, u]: Bool ~ Bernoulli(logit = w[u] * e[t]) }
    x[t]: Real ~ Normal(2 * e[t] + g[t, 1] - g[t, 2] + s[t], sd = 1)
  }
}
";

/// Parameters of the whole by the names that the parts give them, and by those of the part where it stands alone.
fn renamed(params: &Arrays) -> Arrays {
    let names = |n: &String| match n.as_str() {
        "m.p" => vec![n.clone()],
        _ => vec![n.replace("m.", "m.part."), n.replace("m.", "noisy.")],
    };
    params.iter().flat_map(|(n, array)| names(n).into_iter().map(|name| (name, array.clone()))).collect()
}

fn density(program: &Program, params: &Arrays, part: &str, seed: u64) -> f64 {
    let mut at = values(program, params);
    let mut stream = Stream::new(seed);
    let m = model(program, "m");
    for (name, shape) in [("s", vec![3]), ("e", vec![3]), ("g", vec![3, 2]), ("x", vec![3])] {
        let prefix = if matches!(name, "e" | "g") { part } else { "" };
        let var = variable(program, m, &format!("{prefix}{name}"));
        let discrete = program.vars[var].domain == Domain::Bool;
        let mut draw = || if discrete { f64::from(u8::from(stream.unit() > 0.5)) } else { stream.normal() };
        at.vars.insert(var, ArrayD::from_shape_simple_fn(IxDyn(&shape), &mut draw));
    }
    log_density(program, m, &at).unwrap_or_else(|e| panic!("{e:?}"))
}

#[test]
fn a_part_in_a_loop_has_its_variables_at_each_place() {
    let (parted, whole) = (compiled(PARTED, 1, &[]), compiled(WHOLE, 1, &[]));
    let mut params = drawn(&whole, 0.8, 5);
    params.insert("m.p".into(), ArrayD::from_elem(IxDyn(&[]), 0.3));
    for seed in 0..20 {
        let one = density(parted.program(), &renamed(&params), "part.", seed);
        let other = density(whole.program(), &params, "", seed);
        assert!((one - other).abs() < 1e-12, "{one} and not {other}");
    }
}

#[test]
fn questions_name_what_a_part_has_at_a_place() {
    let ask = |text: &str, part: &str| {
        format!("{text}data seen = csv(\"seen.csv\") {{ x[Time]: Real }}\nquery e = P({part}e[2] | x, row 1) on seen\n")
    };
    let seen = || {
        let column = ghmc::data::Column::numbers(vec![3], vec![0.5, 2.5, -1.0]);
        [("seen", table(vec![("x", column)]))]
    };
    let parted = compiled(&ask(PARTED, "part."), 1, &seen());
    let whole = compiled(&ask(WHOLE, ""), 1, &seen());
    let mut params = drawn(&whole, 0.8, 5);
    params.insert("m.p".into(), ArrayD::from_elem(IxDyn(&[]), 0.3));
    let shares = |told: &ghmc::train::AnswerValue| match told {
        ghmc::train::AnswerValue::Distribution { states, .. } => states.iter().map(|s| s.1).collect::<Vec<f64>>(),
        other => panic!("{other:?}"),
    };
    let one = shares(&answers(&parted, &renamed(&params))["e"]);
    let other = shares(&answers(&whole, &params)["e"]);
    assert!((one[1] - other[1]).abs() < 1e-12 && one[1] > 0.05 && one[1] < 0.95, "{one:?} and not {other:?}");
}

const RECURRENT: &str = "axis K = 2
axis Token = 3
axis F = 2
data seen = csv(\"seen.csv\") { x[K, Token]: Real[F]; y[K]: Real[F] }
net enc(x[Token]: Real[F]) -> Real[F] { rnn(3); pool(mean); dense }
model m {
  for k in K {
    for t in Token { x[k, t]: Real[F] ~ Normal(0, sd = 1) }
    y[k]: Real[F] ~ Normal(enc(x[k]), sd = 1)
  }
}
evaluate fit = loglik(y | x) on seen
";

/// A recurrent net called in a loop has states of its own at each place: against plain loops.
#[test]
fn a_recurrent_net_runs_anew_at_each_place_of_a_loop() {
    let mut stream = Stream::new(31);
    let mut normal = |n: usize| (0..n).map(|_| stream.normal()).collect::<Vec<f64>>();
    let (x, y) = (normal(4 * 2 * 3 * 2), normal(4 * 2 * 2));
    let seen = table(vec![
        ("x", ghmc::data::Column::numbers(vec![2, 3, 2], x.clone())),
        ("y", ghmc::data::Column::numbers(vec![2, 2], y.clone())),
    ]);
    let compiled = compiled(RECURRENT, 1, &[("seen", seen)]);
    let params = drawn(&compiled, 0.7, 9);
    let named = |end: &str| {
        let found: Vec<&ArrayD<f64>> = params.iter().filter(|(n, _)| n.ends_with(end)).map(|(_, a)| a).collect();
        assert_eq!(found.len(), 1, "{end} of {:?}", params.keys());
        found[0].clone()
    };
    let (w, u, b) = (named("in.weight"), named("in.state"), named("in.bias"));
    let last = params.iter().filter(|(n, _)| !n.contains(".in."));
    let last: Vec<(&String, &ArrayD<f64>)> = last.collect();
    let (out, shift) = (last.iter().find(|l| l.0.ends_with("weight")), last.iter().find(|l| l.0.ends_with("bias")));
    let (out, shift) = (out.expect("a weight").1, shift.expect("a bias").1);
    let mut total = 0.0;
    for place in 0..4 * 2 {
        let (mut state, mut mean) = ([0.0; 3], [0.0; 3]);
        for t in 0..3 {
            let heard = &x[(place * 3 + t) * 2..][..2];
            let unit = |j: usize| {
                let own: f64 = (0..2).map(|i| heard[i] * w[[i, j].as_slice()]).sum();
                let past: f64 = (0..3).map(|i| state[i] * u[[i, j].as_slice()]).sum();
                (own + past + b[[j].as_slice()]).tanh()
            };
            state = [unit(0), unit(1), unit(2)];
            (0..3).for_each(|j| mean[j] += state[j] / 3.0);
        }
        for f in 0..2 {
            let at = shift[[f].as_slice()] + (0..3).map(|j| mean[j] * out[[j, f].as_slice()]).sum::<f64>();
            let off = y[place * 2 + f] - at;
            total += -0.5 * off * off - 0.918_938_533_204_672_7;
        }
    }
    let fit = super::figure(&answers(&compiled, &params), "fit");
    super::assert_close(fit, total / 4.0, 1e-9, "the likelihood");
}
