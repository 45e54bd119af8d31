//! Parts with variables of their own inside loops, against the same model with the part written out.

use ghmc::model::evaluate::log_density;
use ghmc::model::{Domain, Program};
use ndarray::{ArrayD, IxDyn};

use super::{Arrays, answers, compiled, drawn, table, values};
use crate::oracle::random::Stream;
use crate::oracle::{model, variable};

const PARTED: &str = "axis Time = 3
axis Unit = 2
model noisy(given s: Bool, x: Real) {
  param a: Real, w: Real[Unit]
  e: Bool ~ Bernoulli(logit = a * s)
  for u in Unit { g[u]: Bool ~ Bernoulli(logit = w[u] * e) }
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
axis Unit = 2
model m {
  param p: Unit, a: Real, w: Real[Unit]
  for t in Time {
    s[t]: Bool ~ Bernoulli(p)
    e[t]: Bool ~ Bernoulli(logit = a * s[t])
    for u in Unit { g[t, u]: Bool ~ Bernoulli(logit = w[u] * e[t]) }
    x[t]: Real ~ Normal(2 * e[t] + g[t, 1] - g[t, 2] + s[t], sd = 1)
  }
}
";

/// Parameters of the whole by the names that the parts give them.
fn renamed(params: &Arrays) -> Arrays {
    let name = |n: &String| if n == "m.p" { n.clone() } else { n.replace("m.", "m.part.") };
    params.iter().map(|(n, array)| (name(n), array.clone())).collect()
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
