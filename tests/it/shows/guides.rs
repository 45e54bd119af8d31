//! What a guide may read, and greedy layers that it leaves out or that lie in a plate.

use ghmc::data::{Column, Table};
use ghmc::diag::{Code, Diagnostic, Problems};
use ghmc::pipeline::{Compiled, Settings, Workspace};

use super::{Arrays, answers, assert_close, compiled, drawn, figure, learn, numbers, table};
use crate::oracle::random::Stream;

/// An undirected pair of layers on top of a directed one; `GUIDE` and `REST` differ.
const DEEP: &str = "axis Pixel = 4
axis H1 = 3
axis H2 = 3
axis Top = 2
axis Digit = 2
model pair(v: Discrete[V], h: Bool[H]) {
  param W: Real[V, H]
  factor v @ W @ h
}
model deep {
  param W0: Real[Pixel, H1], W1: Real[H1, H2], b1: Real[H1]
  (h2: Bool[H2], y: Digit, top: Bool[Top]) ~ pair(v = h2 ++ y, h = top)
  h1: Bool[H1]   ~ Bernoulli(logit = W1 @ h2 + b1)
  x: Bool[Pixel] ~ Bernoulli(logit = W0 @ h1)
}
guide deep {
  param R0: Real[Pixel, H1], R1: Real[H1, H2], T: Real[Top, H2]
  GUIDE
}
data seen = sample(deep, 12, seed = 1) { x: Bool[Pixel]; y: Digit }
REST
";

const H1: &str = "h1: Bool[H1] ~ Bernoulli(logit = R0 @ x)";
const H2: &str = "h2: Bool[H2] ~ Bernoulli(logit = R1 @ h1)";

fn text(guide: &[&str], rest: &str) -> String {
    DEEP.replace("GUIDE", &guide.join("\n  ")).replace("REST", rest)
}

/// What the plan of a text is refused with, each place as it stands there.
fn refusals(text: &str) -> Vec<(Diagnostic, Vec<String>)> {
    let (workspace, file) = Workspace::of_text("test.ghm", text, Settings::default());
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let program = workspace.check(&tree, &mut problems);
    assert!(!problems.has_errors(), "{:?}\nin\n{text}", problems.sorted());
    if let Some(program) = program {
        let plan = workspace.plan(&program, &mut problems);
        plan.missing.into_iter().for_each(|m| problems.push(m.problem));
    }
    let places = |d: &Diagnostic| d.labels.iter().map(|l| workspace.sources.text(l.span).to_string()).collect();
    problems.sorted().0.into_iter().map(|d| (d.clone(), places(&d))).collect()
}

fn train(how: &str) -> String {
    format!("train deep on seen {{ maximise loglik by {how} with sgd(0.1, batch = 4); epochs 1 }}")
}

#[test]
fn a_guide_reads_what_is_observed_or_drawn_before() {
    let reads_top = "h2: Bool[H2] ~ Bernoulli(logit = R1 @ h1 + T @ top)";
    for how in ["layerwise(cd(1))", "wake_sleep"] {
        // The order written does not matter.
        for guide in [[H1, H2], [H2, H1]] {
            assert!(refusals(&text(&guide, &train(how))).is_empty(), "{how}");
        }
        for guide in [[H1, reads_top], [reads_top, H1]] {
            let told = refusals(&text(&guide, &train(how)));
            let [(problem, places)] = &told[..] else { panic!("{how}: {told:?}") };
            assert_eq!(problem.code, Code::NeverDefined, "{how}");
            assert!(problem.message.contains("`top`") && problem.message.contains("`h2`"), "{how}: {problem:?}");
            assert_eq!(places[..2], ["top", "top: Bool[Top]"], "{how}");
        }
    }
    // Asked, the guide has the evidence and no more.
    let asked = |question: &str| refusals(&text(&[H1, H2], &format!("query q = {question} of deep.guide on seen")));
    assert!(asked("P(h2 | x, row 1)").is_empty());
    let told = asked("P(h2 | y, row 1)");
    let [(problem, places)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (problem.code, &places[..2]),
        (Code::NeverDefined, &["x".to_string(), "x: Bool[Pixel]".to_string()][..])
    );
}

#[test]
fn a_guide_along_a_plate_is_refused_before_it_is_run() {
    let text = |read: &str| {
        format!(
            "axis T = 3
model m {{
  for t in T {{
    a[t]: Bool ~ Bernoulli(0.4)
    b[t]: Bool ~ Bernoulli(0.6)
    x[t]: Bool ~ Bernoulli(if a[t] then (if b[t] then 0.9 else 0.5) else 0.2)
  }}
}}
guide m {{
  param u: Real
  for t in T {{
    a[t] ~ Bernoulli(logit = if t is first then u else (if {read} then u else 0))
    b[t] ~ Bernoulli(logit = if a[t] then u else 0)
  }}
}}
data seen = sample(m, 10, seed = 1) {{ x[T]: Bool }}
train m on seen {{ maximise loglik by wake_sleep; epochs 1 }}
"
        )
    };
    assert!(refusals(&text("x[t-1]")).is_empty());
    for read in ["b[t-1]", "a[t-1]"] {
        let told = refusals(&text(read));
        let [(problem, places)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((problem.code, places[0].as_str()), (Code::NotSupported, read));
    }
}

#[test]
fn a_guide_that_leaves_a_layer_out_is_refused() {
    for how in ["layerwise(cd(1))", "wake_sleep"] {
        // The undirected part has the label to start from: without the check the missing layer would show only when it is run.
        let told = refusals(&text(&[H1], &train(how)));
        let [(problem, places)] = &told[..] else { panic!("{how}: {told:?}") };
        assert_eq!(problem.code, Code::NoEngine, "{how}");
        assert!(problem.message.contains("`h2`") && places.iter().any(|p| p == "h2: Bool[H2]"), "{how}: {problem:?}");
    }
    // The lowest layer left out.
    let told = refusals(&text(&["h2: Bool[H2] ~ Bernoulli(logit = x @ R0 @ R1)"], &train("layerwise(cd(1))")));
    let [(problem, _)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(problem.code, Code::NoEngine);
    assert!(problem.message.contains("`h2` makes no layer"), "{problem:?}");
}

const LAYER: &str = "axis Pixel = 4
axis Hidden = 3
axis Times = 2
data seen = csv(\"seen.csv\") { x: Bool[Pixel] }
model m {
  param W: Real[Pixel, Hidden], b: Real[Pixel], c: Real[Hidden]
  h: Bool[Hidden] ~ Bernoulli(logit = c)
  x: Bool[Pixel] ~ Bernoulli(logit = W @ h + b)
}
guide m {
  param R: Real[Pixel, Hidden], d: Real[Hidden]
  h: Bool[Hidden] ~ Bernoulli(logit = R @ x + d)
}
train m on seen { tie guide.R = W; maximise loglik by layerwise(cd(1)) with sgd(0.5, batch = BATCH); epochs 80 }
evaluate fit = loglik of m on seen
";

/// The same layer, in a plate.
fn plated() -> String {
    let mut text = LAYER.replace("{ x: Bool[Pixel] }", "{ x[Times]: Bool[Pixel] }").replace("BATCH", "10");
    for (from, to) in [
        ("  h: Bool[Hidden] ~ Bernoulli(logit = c)", "  for t in Times { h[t]: Bool[Hidden] ~ Bernoulli(logit = c) }"),
        (
            "  x: Bool[Pixel] ~ Bernoulli(logit = W @ h + b)",
            "  for t in Times { x[t]: Bool[Pixel] ~ Bernoulli(logit = W @ h[t] + b) }",
        ),
        (
            "  h: Bool[Hidden] ~ Bernoulli(logit = R @ x + d)",
            "  for t in Times { h[t]: Bool[Hidden] ~ Bernoulli(logit = R @ x[t] + d) }",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn biases_of_other_axes_make_no_layer() {
    let text = LAYER.replace("BATCH", "10").replace("csv(\"seen.csv\")", "sample(m, 12, seed = 1)");
    assert!(refusals(&text).is_empty());
    let told = refusals(&text.replace("c: Real[Hidden]", "c: Real"));
    let [(problem, places)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(problem.code, Code::NoEngine);
    assert_eq!(places[1..], ["c: Real", "d: Real[Hidden]"]);
}

/// Left or right half inked, a pixel in ten the other way.
fn rows(n: usize) -> Vec<Vec<f64>> {
    let mut stream = Stream::new(23);
    let mut row = |side: usize| (0..4).map(|i| f64::from(u8::from((i / 2 == side) != stream.chance(0.1)))).collect();
    (0..n).map(|i| row(i / 2 % 2)).collect()
}

#[test]
fn a_greedy_layer_in_a_plate_learns_as_one_of_as_many_rows() {
    let rows = rows(80);
    let pairs: Vec<f64> = rows.iter().flatten().copied().collect();
    let seen = |column: Column| -> Table { table(vec![("x", column)]) };
    let flat = compiled(&LAYER.replace("BATCH", "20"), 1, &[("seen", seen(numbers(4, &rows)))]);
    let plated = compiled(&plated(), 1, &[("seen", seen(Column::numbers(vec![2, 4], pairs)))]);
    let start = drawn(&flat, 0.1, 3);
    let fit = |compiled: &Compiled, params: &Arrays| figure(&answers(compiled, params), "fit");
    let before = fit(&flat, &start);
    // At the same parameters a row of two has the likelihood of two rows.
    assert_close(fit(&plated, &start), 2.0 * before, 1e-10, "the likelihood of a pair");
    let after = |compiled: &Compiled| fit(compiled, &learn(compiled, 1, &start).0);
    // Without structure the best is 4 log 2 = 2.77 nats below zero; with it, 2.0.
    let (alone, paired) = (after(&flat), after(&plated) / 2.0);
    for found in [alone, paired] {
        assert!(found > before + 0.2 && found > -2.5, "from {before} to {found}");
    }
    assert_close(paired, alone, 0.05, "what is learned in a plate");
}
