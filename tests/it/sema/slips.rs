//! Slips that must not pass, and forms that must be understood: each a program of a few lines and the codes it gives, up to the plan.

use std::time::Instant;

use ghmc::diag::{Problems, Style, render_all};
use ghmc::model::{FactorKind, Init, Program};
use ghmc::pipeline::{Settings, Workspace};

/// The codes of a text's problems, in the order of their places, and all of them as drawn.
fn problems(text: &str, plan: bool) -> (Vec<&'static str>, String, Option<Program>) {
    let (workspace, file) = Workspace::of_text("case.ghm", text, Settings::default());
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let program = if problems.has_errors() { None } else { workspace.check(&tree, &mut problems) };
    if let (Some(program), true) = (&program, plan) {
        let plan = workspace.plan(program, &mut problems);
        plan.missing.into_iter().for_each(|m| problems.push(m.problem));
    }
    let (list, left_out) = problems.sorted();
    let drawn = render_all(&list, left_out, &workspace.sources, Style::PLAIN);
    (list.iter().map(|d| d.code.number()).collect(), drawn, program)
}

#[track_caller]
fn gives(codes: &[&str], text: &str) -> String {
    let (found, drawn, _) = problems(text, true);
    assert_eq!(found, codes, "{text}\n{drawn}");
    drawn
}

#[track_caller]
fn checks(text: &str) -> Program {
    let (found, drawn, program) = problems(text, false);
    assert!(found.is_empty(), "{text}\n{drawn}");
    program.unwrap_or_else(|| panic!("{text}"))
}

const COIN: &str = "model m { x: Bool ~ Bernoulli(0.5); y: Bool ~ Bernoulli(if x then 0.9 else 0.1) }\n";

#[test]
fn what_comes_to_nothing_is_told() {
    for line in [
        "query q = P()",
        "query q = P(| x = yes)",
        "query q = argmax()",
        "query q = logZ(3)",
        "query q = P(x) by f(1)(2)",
        "sample s = P()",
        "data d = f(1)(\"x\")",
    ] {
        let (found, drawn, _) = problems(&format!("{COIN}{line}\n"), false);
        assert_eq!(found.len(), 1, "{line}\n{drawn}");
    }
}

#[test]
fn circles_are_seen_through_shifts() {
    let chain = |body: &str| format!("axis T = 5\nmodel m {{ for t in T {{ {body} }} }}");
    let unit = |name: &str, mean: &str| format!("{name}[t]: Real ~ Normal({mean}, sd = 1)");
    let (back, ahead) = (
        |v: &str| format!("if t is first then 0 else {v}[t-1]"),
        |v: &str| format!("if t is last then 0 else {v}[t+1]"),
    );
    gives(&["E0502"], &chain(&format!("{}; {}", unit("x", &ahead("y")), unit("y", &back("x")))));
    gives(&["E0502"], &chain(&unit("x", &format!("({}) + ({})", back("x"), ahead("x")))));
    gives(&["E0502"], &chain(&format!("{}; {}", unit("x", "y[t]"), unit("y", "x[t]"))));
    checks(&chain(&format!("{}; {}", unit("x", &back("y")), unit("y", &back("x")))));
    checks(&chain(&format!("{}; {}", unit("x", &ahead("y")), unit("y", "x[t]"))));
    checks(&chain(&format!("{}; {}", unit("x", &back("x")), unit("y", &ahead("y")))));
    let grid = |a: &str, b: &str| {
        format!(
            "axis I = 3; axis J = 3\nmodel m {{ for i in I, j in J {{ x[i, j]: Real ~ Normal((if i is first then 0 else (if j is last then 0 else {a})) + (if i is last then 0 else (if j is first then 0 else {b})), sd = 1) }} }}"
        )
    };
    checks(&grid("x[i-1, j+1]", "x[i, j-1]"));
    gives(&["E0502"], &grid("x[i-1, j+1]", "x[i+1, j-1]"));
}

const PAIR: &str = "axis T = 3\nmodel pair(a: Bool, p: Bool) { param w: Real; factor w * a * p }\n";

#[test]
fn a_part_that_reads_itself_elsewhere_is_no_global_field() {
    let used = |p: &str| format!("{PAIR}model m {{ for t in T {{ (a[t]: Bool) ~ pair(a = a[t], p = {p}) }} }}\n");
    gives(&["E0308"], &used("a[t-1]"));
    let guarded = used("if t is first then no else a[t-1]");
    checks(&guarded);
    gives(&["E0606"], &format!("{guarded}query q = P(a)\n"));
    gives(
        &["E0502"],
        &used("(if t is first then no else (if t is last then no else (if a[t-1] then a[t+1] else no)))"),
    );
}

#[test]
fn lines_of_a_stage_share_their_rows() {
    let train = |a: &str, b: &str| {
        format!(
            "model m {{ param p: Unit; x: Bool ~ Bernoulli(p) }}\ndata d = sample(m, 10, seed = 1)\ntrain m on d {{ maximise loglik with adam(0.1{a}); maximise 2 * loglik with adam(0.1{b}) }}\n"
        )
    };
    gives(&["E0802"], &train(", batch = 5", ", batch = 10"));
    gives(&[], &train(", batch = 5", ", batch = 5"));
    gives(&[], &train("", ", batch = 5"));
    gives(&["E0802"], &train(", beta1 = 2", ""));
}

#[test]
fn parameters_are_tied_and_started_alike() {
    let text = |body: &str| {
        format!(
            "axis K = 3\nmodel m {{ param w: Real[K], p: Simplex[K], q: Simplex[K]; y: K ~ Categorical(p); z: K ~ Categorical(logit = w); u: K ~ Categorical(q) }}\ndata d = sample(m, 10, seed = 1)\ntrain m on d {{ {body} }}\n"
        )
    };
    gives(&["E0303"], &text("tie p = w"));
    gives(&["E0303"], &text("init p from w"));
    checks(&text("tie p = q"));
    // One parameter of a part starts each on the left.
    let parts = "axis V = 2; axis H = 2
model rbm(v: Discrete[V2], h: Bool[H2]) { param W: Real[V2, H2]; factor v @ W @ h }
model stack { (v: Bool[V], h: Bool[H]) ~ rbm(v = v, h = h) as memory }
model n { param R2: Real[V, H], W2: Real[V, H]; x: Bool[V] ~ Bernoulli(0.5); y: Bool[H] ~ Bernoulli(logit = R2 @ x + W2 @ x) }
data d = sample(n, 10, seed = 1)
train n on d { init R2, W2 from stack.memory.W }
";
    let program = checks(parts);
    let inits = &program.trains[0].stages[0].inits;
    let from: Vec<&str> = inits
        .iter()
        .filter_map(|i| if let Init::Copy { from, .. } = i { Some(program.params[*from].name.as_str()) } else { None })
        .collect();
    assert_eq!(from, ["stack.memory.W", "stack.memory.W"]);
}

#[test]
fn a_net_of_a_thousand_variables_is_planned_in_seconds() {
    let mut text = String::from("model m {\n  x0: Bool ~ Bernoulli(0.5)\n");
    for i in 1..1000 {
        text += &format!("  x{i}: Bool ~ Bernoulli(if x{} then 0.9 else 0.2)\n", (i - 1) / 2);
    }
    text += "}\n";
    for i in 0..1000 {
        text += &format!("query q{i} = P(x{i})\n");
    }
    let start = Instant::now();
    gives(&[], &text);
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn what_grows_is_bounded() {
    let start = Instant::now();
    let chain = |n: usize, step: &dyn Fn(usize) -> String| {
        let mut text = String::from("model m { x0: Real ~ Normal(0, sd = 1)\n");
        for i in 1..n {
            text += &format!("x{i}: Real = {}\n", step(i - 1));
        }
        text + &format!("y: Real ~ Normal(x{}, sd = 1) }}\n", n - 1)
    };
    let doubled = gives(&["E0107"], &chain(60, &|i| format!("x{i} + x{i}")));
    assert!(doubled.contains("operations"), "{doubled}");
    gives(&["E0107"], &chain(3000, &|i| format!("x{i} + 1")));
    gives(&[], &chain(200, &|i| format!("x{i} + 1")));
    let mut parts = String::from("model m0(a: Bool) { factor a }\n");
    for i in 1..40 {
        parts += &format!("model m{i}(a: Bool) {{ factor m{}(a); factor m{}(a) }}\n", i - 1, i - 1);
    }
    let (found, drawn, _) = problems(&format!("{parts}model top {{ var a: Bool; factor m39(a) }}\n"), false);
    assert!(!found.is_empty() && found.iter().all(|c| *c == "E0107"), "{drawn}");
    let mut values = String::from("model m0(v: Real) { factor v }\n");
    for i in 1..40 {
        values += &format!("model m{i}(v: Real) {{ factor m{}(v + v) }}\n", i - 1);
    }
    let (found, drawn, _) = problems(&format!("{values}model top {{ var a: Real; factor m39(a) }}\n"), false);
    assert!(!found.is_empty() && found.iter().all(|c| *c == "E0107"), "{drawn}");
    let layers = "norm; dense(3, tanh); ".repeat(100);
    let net = |layers: &str| {
        format!(
            "axis X = 3\nnet f(x: Real[X]) -> Real {{ {layers}dense }}\nmodel m {{ x: Real[X] ~ Normal(0, sd = 1); y: Real ~ Normal(f(x), sd = 1) }}\n"
        )
    };
    gives(&["E0107"], &net(&layers));
    gives(&["E0107"], &net(&"dense(3, tanh); ".repeat(30_000)));
    checks(&net(&"dense(3, tanh); ".repeat(60)));
    // Unknown names beyond counting, and a size that must not be laid out.
    let many: String = (0..20_000).map(|i| format!("  v{i}: Bool ~ Bernoulli(w{i})\n")).collect();
    assert!(!problems(&format!("model m {{\n{many}}}\n"), false).0.is_empty());
    checks(
        "axis V = 2147483648\nmodel m { b: Bool ~ Bernoulli(0.5); x: V ~ Categorical(if b then uniform else uniform) }\n",
    );
    assert!(start.elapsed().as_secs() < 100, "{:?}", start.elapsed());
}

#[test]
fn a_recurrence_stays_a_variable() {
    let text = "axis T = 4
model m {
  for t in T {
    x[t]: Real ~ Normal(0, sd = 1)
    h[t]: Real = if t is first then x[t] else 0.5 * h[t-1] + x[t]
    y[t]: Real ~ Normal(h[t], sd = 1)
  }
}
";
    let program = checks(text);
    let model = program.models.iter().next().expect("the model").1;
    let h = model.factors.iter().find(|f| matches!(f.kind, FactorKind::Deterministic { .. })).expect("the definition");
    let FactorKind::Deterministic { target, value } = &h.kind else { unreachable!() };
    assert!(value.reads().iter().any(|r| r.var == target.var));
    gives(&[], &format!("{text}query q = mean(y)\n"));
}

#[test]
fn a_part_may_define_and_its_variables_may_be_asked() {
    let text = "model n(a: Bool) { param w: Real; e: Bool ~ Bernoulli(0.2); g: Real = w * e; factor g * a }
model m { (a: Bool) ~ n(a) as n }
";
    let program = checks(text);
    let model = program.models.iter().find(|(_, m)| m.name == "m").expect("the model").1;
    let group = model.factors.iter().find(|f| matches!(f.kind, FactorKind::Undirected { .. })).expect("the part");
    assert!(group.leaves().iter().all(|f| !matches!(f.kind, FactorKind::Deterministic { .. })));
    let named = |f: &ghmc::model::Factor| f.reads().iter().any(|r| program.vars[r.var].name == "n.g");
    assert!(!group.leaves().into_iter().any(named), "the definition is put in");
    checks(&format!("{text}query q = P(n.e | a = yes) of m\nquery r = P(a | n.e = yes) of m\n"));
}

#[test]
fn a_loop_over_rows_that_shares_nothing_is_the_plate_itself() {
    let program = checks(
        "axis K = 3
model mix {
  param pi: Simplex[K], mu[K]: Real
  for r in Row { z[r]: K ~ Categorical(pi); x[r]: Real ~ Normal(mu[z[r]], sd = 1) }
}
data d = sample(mix, 20, seed = 1)
train mix on d
",
    );
    assert!(program.vars.iter().all(|(_, v)| v.index.is_empty()));
    for (kept, why) in [
        ("mu: Real ~ Normal(0, sd = 1); for r in Row { x[r]: Real ~ Normal(mu, sd = 1) }", "a shared variable"),
        ("for r in Row { x[r]: Real ~ Normal(if r is first then 0 else x[r-1], sd = 1) }", "the row before"),
    ] {
        let program = checks(&format!("model m {{ {kept} }}\n"));
        assert!(program.vars.iter().any(|(_, v)| !v.index.is_empty()), "{why}");
        gives(
            &["E0606"],
            &format!(
                "model m {{ {kept} }}\nmodel d {{ x: Real ~ Normal(0, sd = 1) }}\ndata t = sample(d, 9, seed = 1)\ntrain m on t\n"
            ),
        );
    }
}

#[test]
fn names_are_those_that_can_be_asked() {
    let part = "model pair(a: Bool, b: Bool) { param w: Real; factor w * a * b }
model m { (a: Bool, b: Bool) ~ pair(a, b) }
";
    checks(&format!("{part}query q = P(a)\n"));
    let drawn = gives(
        &["E0201"],
        "model m { z: Bool ~ Bernoulli(0.5); xa: Bool ~ Bernoulli(if z then 0.1 else 0.5) }
guide m { param c: Real; z: Bool ~ Bernoulli(logit = c * xa) }
query q = P(guide.zz) of m
",
    );
    assert!(!drawn.contains("guide.z`") && !drawn.contains("guide.xa"), "{drawn}");
}

#[test]
fn states_are_named_where_the_place_tells_the_enumeration() {
    let model = |y: &str| {
        format!(
            "axis A = a, b, c\nmodel m {{ x: A ~ Categorical(uniform); y: A = {y}; z: Bool ~ Bernoulli(if y is a then 0.1 else 0.9) }}\nquery q = P(x | z = yes)\n"
        )
    };
    for y in ["if x is a then b else x", "if x is a then b else c", "if x is a then x else (if x is b then c else a)"] {
        gives(&[], &model(y));
    }
    gives(&["E0201"], &model("if x is a then d else x"));
    checks(
        "axis A = a, b, c; axis B = A
model m { param T[B]: Simplex[A]; x: A ~ Categorical(uniform); y: A ~ Categorical(T[if x is a then b else x]) }
",
    );
}

#[test]
fn each_model_that_is_trained_has_its_line() {
    let text = "model one { param p: Unit; x: Bool ~ Bernoulli(p) }
model two { param p: Unit; y: Bool ~ Bernoulli(p) }
data d = csv(\"d.csv\") { x: Bool = x; y: Bool = y }
train one, two on d
";
    let (workspace, file) = Workspace::of_text("case.ghm", text, Settings::default());
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    // The table itself is not there.
    let program = ghmc::sema::check(&tree, &ghmc::sema::Input::default(), &mut problems).expect("a program");
    let plan = workspace.plan(&program, &mut problems);
    assert!(!problems.has_errors());
    let groups: Vec<Vec<&str>> = plan.trains[0].stages[0]
        .lines
        .iter()
        .map(|l| l.group.iter().map(|&p| program.params[p].name.as_str()).collect())
        .collect();
    assert_eq!(groups, [["one.p"], ["two.p"]]);
}

#[test]
fn one_error_brings_no_others() {
    gives(
        &["E0204"],
        "axis X = 3
net f(x: Real[X]) -> Real { dens(3, tanh); dense }
model m { var y: Real; x: Real[X] ~ Normal(0, sd = 1); factor f(x) * y }
",
    );
    gives(&["E0209"], "use \"alarm.bif\" as alarm\nquery q = P(a) of alarm\n");
}

#[test]
fn predictions_are_held_against_what_is_alike() {
    let text = |q: &str| {
        format!(
            "axis C = 2; axis L = red, green, blue
model m {{ param p: Simplex[C], mu[C]: Real; c: C ~ Categorical(p); x: Real ~ Normal(mu[c], sd = 1); z: Real ~ Normal(x, sd = 1) }}
data d = csv(\"d.csv\") {{ x: Real = x; y: L = y; w: Real = w }}
evaluate e = {q} on d
"
        )
    };
    let codes = |q: &str| {
        let (workspace, file) = Workspace::of_text("case.ghm", &text(q), Settings::default());
        let mut problems = Problems::new();
        let tree = workspace.parse(file, &mut problems);
        ghmc::sema::check(&tree, &ghmc::sema::Input::default(), &mut problems);
        problems.sorted().0.iter().map(|d| d.code.number()).collect::<Vec<_>>()
    };
    assert!(codes("squared_error(x, mean(z | x))").is_empty());
    assert!(codes("squared_error(w, mean(z | x))").is_empty());
    assert!(codes("cluster_error(y, argmax(c | x))").is_empty());
    assert_eq!(codes("error(y, argmax(c | x))"), ["E0403"]);
    assert_eq!(codes("squared_error(y, mean(z | x))"), ["E0403"]);
    assert_eq!(codes("error(v, argmax(c | x))"), ["E0201"]);
    assert!(codes("retrieval(y, argmax(c | x), at = 3)").is_empty());
    assert_eq!(codes("retrieval(y, argmax(c | x), at = 0)"), ["E0109"]);
}

#[test]
fn parentheses_tell_the_order_of_contractions() {
    let model = |e: &str| {
        format!(
            "axis I = 2\naxis J = 2\nmodel m {{ param a: Real[I, J], c: Real[J]; x: Real[J] ~ Normal({e}, sd = 1) }}\n"
        )
    };
    gives(&["E0304"], &model("c @ a @ a"));
    checks(&model("(c @ a) @ a"));
}

#[test]
fn layers_before_a_recurrent_one_keep_to_the_prefix() {
    let model = |layers: &str| {
        format!(
            "axis T = 3\naxis W = 4\nnet f(word[T]: W) -> Real[W] {{ {layers}; dense }}\nmodel m {{ for t in T {{ word[t]: W ~ Categorical(logit = f(word[<t])) }} }}\n"
        )
    };
    checks(&model("embed(word = 2); dense(2, tanh); norm; gru(2); lstm(2)"));
    gives(&["E0206"], &model("conv(2, width = 2, tanh); gru(2)"));
    gives(&["E0206"], &model("pool(mean); gru(2)"));
}
