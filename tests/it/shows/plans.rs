//! A plan follows the model and not its writing: names, order, splitting and one-element plates change nothing, an edge does.

use ghmc::base::span::Sources;
use ghmc::diag::{Diagnostic, Problems};
use ghmc::pipeline::{Settings, Workspace};
use ghmc::plan::explain_json;
use serde_json::Value;

use super::{BeliefNet, belief_net};

/// The blocks of a text's plan, or why it is refused, with the texts that spans point into.
fn plan(text: &str) -> (Result<Vec<Value>, Vec<Diagnostic>>, Sources) {
    let (workspace, file) = Workspace::of_text("test.ghm", text, Settings::default());
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let Some(program) = workspace.check(&tree, &mut problems) else {
        panic!("{:?}\nin\n{text}", problems.sorted());
    };
    let plan = workspace.plan(&program, &mut problems);
    if problems.has_errors() {
        return (Err(problems.sorted().0), workspace.sources);
    }
    let told = explain_json(&program, &plan, &workspace.sources);
    (Ok(told["blocks"].as_array().expect("blocks").clone()), workspace.sources)
}

/// Of each block in order: its variables by their old names, its engine, its kind, the engines refused.
fn choices(text: &str, renamed: &[(&str, &str)]) -> Vec<(Vec<String>, String, String, Vec<String>)> {
    let blocks = plan(text).0.unwrap_or_else(|told| panic!("{told:?}\nin\n{text}"));
    let words = |value: &Value| value.as_str().expect("a word").to_string();
    let old = |name: String| renamed.iter().find(|(_, new)| *new == name).map_or(name, |(old, _)| old.to_string());
    let told = blocks.iter().map(|block| {
        let list = |key: &str| block[key].as_array().expect("a list").clone();
        let mut variables: Vec<String> = list("variables").iter().map(|v| old(words(v))).collect();
        variables.sort();
        let rejected = list("rejected").iter().map(|r| words(&r["engine"])).collect();
        (variables, words(&block["engine"]), words(&block["kind"]), rejected)
    });
    let mut told: Vec<_> = told.collect();
    // The blocks of one question have no order of their own.
    told.sort();
    told
}

/// A text with whole words exchanged.
fn renamed(text: &str, names: &[(&str, &str)]) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|d| word(d) != word(c)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        out.push_str(names.iter().find(|(old, _)| *old == piece).map_or(piece, |(_, new)| new));
        rest = after;
    }
    out
}

/// A text with the statements of its models, guides and loops in the opposite order; items stay where they are.
fn reversed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    block(&lines, false).join("\n") + "\n"
}

fn block(lines: &[&str], turn: bool) -> Vec<String> {
    let depth = |line: &str| line.matches('{').count() as i64 - line.matches('}').count() as i64;
    let mut statements: Vec<Vec<String>> = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        let mut end = i;
        let mut open = depth(lines[i]);
        while open > 0 {
            end += 1;
            open += depth(lines[end]);
        }
        let inner = ["model", "guide", "for"].iter().any(|w| lines[i].trim_start().starts_with(w));
        statements.push(match (end > i, inner) {
            (true, true) => {
                let body = block(&lines[i + 1..end], true);
                [vec![lines[i].to_string()], body, vec![lines[end].to_string()]].concat()
            }
            _ => lines[i..=end].iter().map(|l| l.to_string()).collect(),
        });
        i = end + 1;
    }
    if turn {
        statements.reverse();
    }
    statements.concat()
}

const CHAIN: &str = "axis Roll = 12
axis Face = 6
axis Die = fair, loaded
axis Prev = Die
model casino {
  param start: Simplex[Die], A[Prev]: Simplex[Die], emit[Die]: Simplex[Face]
  for t in Roll {
    s[t]: Die  ~ Categorical(if t is first then start else A[s[t-1]])
    x[t]: Face ~ Categorical(emit[s[t]])
  }
}
data rolls = sample(casino, 8, seed = 2) { x[Roll]: Face }
train casino on rolls { maximise loglik; epochs 3 }
query path = argmax(s | x, row 1) of casino on rolls
query each = argmax_each(s | x, row 1) of casino on rolls
evaluate fit = loglik of casino on rolls
";

const MIXTURE: &str = "axis Item = 5
axis Kind = 4
axis Mark = 3
model mix {
  param pi: Simplex[Kind], p[Kind]: Simplex[Mark], q[Kind]: Simplex[Mark]
  c: Kind ~ Categorical(pi)
  d: Bool ~ Bernoulli(0.3)
  for j in Item {
    x[j]: Mark ~ Categorical(p[c])
  }
  y: Mark ~ Categorical(if d then q[c] else uniform)
}
data seen = sample(mix, 20, seed = 1) { x[Item]: Mark; y: Mark }
train mix on seen { maximise loglik; epochs 2 }
query kind = P(c | x, row 1) of mix on seen
query both = argmax(c, d | x, y, row 1) of mix on seen
";

const MACHINE: &str = "axis Pixel = PIXELS
axis Hidden = HIDDEN
model rbm {
  param W: Real[Pixel, Hidden], b: Real[Pixel], c: Real[Hidden], l: Real
  var x: Bool[Pixel]
  var h: Bool[Hidden]
  factor x @ W @ h + b @ x + c @ h
}
data seen = sample(rbm, 20, seed = 1) { x[Pixel]: Bool }
train rbm on seen { maximise loglik with sgd(0.1, batch = 10); epochs 2 }
query code = argmax_each(h | x, row 1) of rbm on seen
";

/// What is done with a deep belief net.
const USES: &str = "train dbn on seen {
  stage greedy {
    tie guide.R0 = W0, guide.R1 = W1
    maximise loglik by layerwise(cd(1)) with sgd(0.1, batch = 10)
    epochs 2
  }
  stage updown {
    maximise loglik by wake_sleep(memory = cd(3)) with sgd(0.1, batch = 10)
    epochs 2
  }
}
query who = P(y | x, row 1) of dbn on seen
";

fn stack() -> String {
    let data = "sample(dbn, 20, seed = 1) { x: Bool[Pixel]; y: Digit }";
    belief_net(BeliefNet { pixels: 30, hidden: [20, 20, 50], digit: "10", data, rest: USES })
}

const APART: &str = "axis K = s, t, u
model m {
  a: Bool ~ Bernoulli(0.3)
  b: Bool ~ Bernoulli(0.4)
  c: Bool ~ Bernoulli(0.4)
  k: K ~ Categorical(uniform)
  x: Bool ~ Bernoulli(if a then 0.4 else 0.1)
  y: Bool ~ Bernoulli(if k is s then 0.4 else 0.1)
}
query all = P(a, b, c, k | x = yes, y = yes) of m
";

const CODER: &str = "axis Z = 2
axis Pixel = 4
net dec(z: Real[Z]) -> Real[Pixel] { dense(5, tanh); dense }
net enc(x: Bool[Pixel]) -> (mean: Real[Z], sd: Positive[Z]) { dense(3, tanh); dense }
model vae {
  z: Real[Z]     ~ Normal(0, sd = 1)
  x: Bool[Pixel] ~ Bernoulli(logit = dec(z))
}
guide vae {
  z: Real[Z] ~ Normal(..enc(x))
}
data seen = sample(vae, 20, seed = 1) { x: Bool[Pixel] }
train vae on seen { maximise elbo; epochs 1 }
evaluate bound = elbo on seen
";

fn machine(pixels: usize, hidden: usize) -> String {
    MACHINE.replace("PIXELS", &pixels.to_string()).replace("HIDDEN", &hidden.to_string())
}

#[test]
fn names_do_not_matter() {
    let small = machine(4, 3);
    let large = machine(64, 32);
    let stack = stack();
    // Names that sort the other way round.
    let cases: [(&str, &[(&str, &str)]); 6] = [
        (
            CHAIN,
            &[("s", "zs"), ("x", "ax"), ("A", "Zz"), ("start", "a"), ("casino", "zoo"), ("Roll", "Al"), ("t", "zt")],
        ),
        (MIXTURE, &[("c", "zc"), ("d", "ad"), ("x", "b"), ("y", "a"), ("p", "zz"), ("mix", "w"), ("j", "k")]),
        (&small, &[("x", "zx"), ("h", "ah"), ("W", "A"), ("b", "zb"), ("rbm", "z")]),
        (&large, &[("x", "zx"), ("h", "ah"), ("W", "A"), ("b", "zb"), ("rbm", "z")]),
        (&stack, &[("h1", "z1"), ("h2", "a2"), ("top", "below"), ("y", "a"), ("x", "zz"), ("W0", "W9"), ("dbn", "aa")]),
        (CODER, &[("z", "a"), ("x", "zx"), ("dec", "enc2"), ("vae", "aaa")]),
    ];
    for (text, names) in cases {
        let other = renamed(text, names);
        assert_ne!(other, text);
        assert_eq!(choices(text, &[]), choices(&other, names), "\n{text}\nagainst\n{other}");
    }
}

#[test]
fn the_order_of_statements_does_not_matter() {
    let (small, large, stack) = (machine(4, 3), machine(64, 32), stack());
    for text in [CHAIN, MIXTURE, &small, &large, &stack, CODER] {
        let other = reversed(text);
        assert_ne!(other, text);
        assert_eq!(choices(text, &[]), choices(&other, &[]), "\n{text}\nagainst\n{other}");
    }
}

#[test]
fn a_factor_may_be_split() {
    let (small, large, stack) = (machine(4, 3), machine(64, 32), stack());
    for (text, whole, parts) in [
        (small.as_str(), "factor x @ W @ h + b @ x + c @ h", ["factor x @ W @ h", "factor b @ x", "factor c @ h"]),
        (&large, "factor x @ W @ h + b @ x + c @ h", ["factor x @ W @ h", "factor b @ x", "factor c @ h"]),
        (&stack, "factor v @ W @ h + b @ v + c @ h", ["factor v @ W @ h", "factor b @ v", "factor c @ h"]),
    ] {
        assert!(text.contains(whole));
        for split in [parts.join("\n  "), parts.iter().rev().copied().collect::<Vec<_>>().join("\n  ")] {
            let other = text.replace(whole, &split);
            assert_eq!(choices(text, &[]), choices(&other, &[]), "\n{text}\nagainst\n{other}");
        }
    }
}

#[test]
fn a_plate_of_one_does_not_matter() {
    let wrap = |text: &str, changes: &[(&str, &str)]| {
        let mut other = format!("axis Once = 1\n{text}");
        for (from, to) in changes {
            assert!(other.contains(from), "`{from}` is not in\n{other}");
            other = other.replace(from, to);
        }
        other
    };
    let machine_in_a_plate: &[(&str, &str)] = &[
        ("var x: Bool[Pixel]", "for i in Once { var x[i]: Bool[Pixel] }"),
        ("var h: Bool[Hidden]", "for i in Once { var h[i]: Bool[Hidden] }"),
        ("factor x @ W @ h + b @ x + c @ h", "for i in Once { factor x[i] @ W @ h[i] + b @ x[i] + c @ h[i] }"),
        ("{ x[Pixel]: Bool }", "{ x[Once]: Bool[Pixel] }"),
    ];
    let (small, large) = (machine(4, 3), machine(64, 32));
    let cases: [(&str, &[(&str, &str)]); 5] = [
        (
            CHAIN,
            &[
                ("for t in Roll", "for i in Once, t in Roll"),
                ("s[t]", "s[i, t]"),
                ("s[t-1]", "s[i, t-1]"),
                ("x[t]", "x[i, t]"),
                ("x[Roll]", "x[Once, Roll]"),
            ],
        ),
        (
            MIXTURE,
            &[
                ("  c: Kind ~", "  for i in Once {\n  c[i]: Kind ~"),
                ("  d: Bool", "  d[i]: Bool"),
                ("x[j]", "x[i, j]"),
                ("p[c]", "p[c[i]]"),
                ("y: Mark ~", "y[i]: Mark ~"),
                ("if d then q[c] else uniform)\n}", "if d[i] then q[c[i]] else uniform)\n}\n}"),
                ("x[Item]: Mark; y: Mark", "x[Once, Item]: Mark; y[Once]: Mark"),
            ],
        ),
        (
            CODER,
            &[
                ("  z: Real[Z]     ~ Normal(0, sd = 1)", "  for i in Once { z[i]: Real[Z] ~ Normal(0, sd = 1) }"),
                (
                    "  x: Bool[Pixel] ~ Bernoulli(logit = dec(z))",
                    "  for i in Once { x[i]: Bool[Pixel] ~ Bernoulli(logit = dec(z[i])) }",
                ),
                ("  z: Real[Z] ~ Normal(..enc(x))", "  for i in Once { z[i]: Real[Z] ~ Normal(..enc(x[i])) }"),
                ("{ x: Bool[Pixel] }", "{ x[Once]: Bool[Pixel] }"),
            ],
        ),
        (&small, machine_in_a_plate),
        (&large, machine_in_a_plate),
    ];
    let engines = |text: &str| -> Vec<_> {
        choices(text, &[]).into_iter().map(|(variables, engine, kind, _)| (variables, engine, kind)).collect()
    };
    for (text, changes) in cases {
        let other = wrap(text, changes);
        assert_eq!(engines(text), engines(&other), "\n{text}\nagainst\n{other}");
    }
}

/// The statement that was added, as reasons quote it.
fn quotes(sources: &Sources, told: &Diagnostic, statement: &str) -> bool {
    told.labels.iter().any(|label| sources.text(label.span).contains(statement))
}

#[test]
fn an_edge_more_changes_the_plan_and_is_named() {
    // In a chain: a step over two positions.
    let step = "factor if s[t] is loaded then (if s[t-2] is loaded then 1 else 0) else 0";
    let other = CHAIN.replace("emit[s[t]])\n", &format!("emit[s[t]])\n    {step}\n"));
    assert_ne!(choices(CHAIN, &[]), choices(&other, &[]));
    let blocks = plan(&other).0.expect("a plan");
    let refusal = |blocks: &[Value], engine: &str| -> Vec<String> {
        let rejected = blocks.iter().flat_map(|b| b["rejected"].as_array().expect("a list"));
        rejected.filter(|r| r["engine"] == engine).map(|r| r["reason"].as_str().expect("words").to_string()).collect()
    };
    assert!(!refusal(&plan(CHAIN).0.expect("a plan"), "forward-backward").iter().any(|r| r.contains("positions away")));
    let reasons = refusal(&blocks, "forward-backward");
    assert!(!reasons.is_empty() && reasons.iter().all(|r| r.contains(step) && r.contains("line 10")), "{reasons:?}");
    // In a machine: hidden units that see each other.
    let lateral = "factor l * sum(h) * sum(h)";
    let with = |text: &str| text.replace("c @ h\n", &format!("c @ h\n  {lateral}\n"));
    let (small, large) = (machine(4, 3), machine(64, 32));
    assert_ne!(choices(&small, &[]), choices(&with(&small), &[]));
    let reasons = refusal(&plan(&with(&small)).0.expect("a plan"), "closed form");
    assert!(reasons.iter().any(|r| r.contains("`h`") && r.contains(lateral) && r.contains("line 8")), "{reasons:?}");
    assert!(!refusal(&plan(&small).0.expect("a plan"), "closed form").iter().any(|r| r.contains(lateral)));
    let blocks = plan(&with(&large)).0.expect("a plan");
    let engines: Vec<&str> = blocks.iter().filter_map(|b| b["engine"].as_str()).collect();
    assert_eq!(
        engines,
        ["Gibbs sampling in both phases", "loopy belief propagation"],
        "no engine that is built is left for a large one"
    );
    // Between variables that a statement each holds apart from the rest: the statement before does not hide the new one.
    for (edge, tied) in [
        ("factor if a then (if b then 1 else 0) else 0", "`a` and `b`"),
        ("factor if b then (if a then 1 else 0) else 0", "`a` and `b`"),
        ("factor if c then (if k is u then 1 else 0) else 0", "`c` and `k`"),
        ("factor if a then (if c then (if k is s then 1 else 0) else 2) else 0", "`a`, `c` and `k`"),
    ] {
        let other = APART.replace("  x: Bool", &format!("  {edge}\n  x: Bool"));
        let later = APART.replace("}\nquery", &format!("  {edge}\n}}\nquery"));
        let before = refusal(&plan(APART).0.expect("a plan"), "closed form");
        assert!(!before.iter().any(|r| r.contains("factor")), "{before:?}");
        for (text, line) in [(&other, "line 7"), (&later, "line 9")] {
            assert_ne!(choices(APART, &[]), choices(text, &[]));
            let reasons = refusal(&plan(text).0.expect("a plan"), "closed form");
            let named = |r: &String| r.contains(edge) && r.contains(line) && r.contains(tied);
            assert!(reasons.iter().any(named), "{edge}: {reasons:?}");
        }
    }
    // In a stack: units of the undirected part that see each other.
    let lateral = "factor sum(h) * sum(h)";
    let (refused, sources) = plan(&stack().replace("c @ h\n", &format!("c @ h\n  {lateral}\n")));
    let told = refused.expect_err("no engine is left");
    assert!(!told.is_empty() && told.iter().all(|d| quotes(&sources, d, lateral)), "{told:?}");
}
