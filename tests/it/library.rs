//! `use`, objectives and schedules by name, and the standard library made of them.

use ghmc::pipeline::{Settings, Workspace};
use ghmc::plan::Plan;
use ghmc::sema::library;
use ghmc::syntax;
use ghmc::{base::span::Sources, diag::Problems};

use crate::cli::{Place, code, err};

fn plan(text: &str) -> Plan {
    let (workspace, file) = Workspace::of_text("test.ghm", text, Settings::default());
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let program = workspace.check(&tree, &mut problems);
    let told = |problems: &Problems| format!("{:?}\nin\n{text}", problems.sorted());
    let program = program.unwrap_or_else(|| panic!("{}", told(&problems)));
    let plan = workspace.plan(&program, &mut problems);
    assert!(!problems.has_errors(), "{}", told(&problems));
    plan
}

/// A plan as text, without the places it points to.
fn said(text: &str) -> String {
    let plan = plan(text);
    let text = serde_json::to_string_pretty(&plan).expect("a plan is plain data");
    let place = |l: &&str| !["\"start\"", "\"end\"", "\"file\""].iter().any(|k| l.trim_start().starts_with(k));
    text.lines().filter(place).collect::<Vec<_>>().join("\n")
}

fn same(one: &str, other: &str) {
    let (one, other) = (said(one), said(other));
    assert!(one.contains("trains"), "{one}");
    // Line by line, so that a difference is told where it lies.
    for (a, b) in one.lines().zip(other.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(one.lines().count(), other.lines().count());
}

#[test]
fn every_file_is_in_the_one_layout_and_has_an_opening_comment() {
    let files = library();
    assert!(files.len() >= 10, "{}", files.len());
    for (name, text) in files {
        let mut sources = Sources::default();
        let file = sources.add(name.as_str(), text);
        let mut problems = Problems::new();
        let tree = syntax::parse(&sources, file, &mut problems);
        assert!(problems.is_empty(), "{name}: {:?}", problems.sorted());
        assert_eq!(syntax::format(&tree, text), text, "{name}");
        assert!(text.starts_with("# "), "{name}");
    }
}

const VAE: &str = "
data digits = dataset(\"digits\") { x: Bool[Pixel] = image > 0.5 }
axis Z = 2
net enc(x: Bool[Pixel]) -> (mean: Real[Z], sd: Positive[Z]) { dense }
net dec(z: Real[Z]) -> Real[Pixel] { dense }
model m {
  z: Real[Z]     ~ Normal(0, sd = 1)
  x: Bool[Pixel] ~ Bernoulli(logit = dec(z))
}
guide m { z: Real[Z] ~ Normal(..enc(x)) }
train m on digits.train { maximise OBJECTIVE; epochs 2 }
";

fn vae(objective: &str) -> String {
    VAE.replace("OBJECTIVE", objective)
}

#[test]
fn a_bound_by_its_name_is_the_expectation_written_out() {
    same(&vae("elbo"), &vae("E[log(m(x, z)) - log(guide(z | x)) for z ~ guide]"));
    same(&vae("elbo"), &vae("E[log(model(observed, latent)) - log(guide(latent | observed)) for latent ~ guide]"));
    same(&vae("elbo(kl_weight = 1)"), &vae("elbo"));
    let ramp = "E[log(m(x | z)) - ramp(0, 1, epochs = 3) * (log(guide(z | x)) - log(m(z))) for z ~ guide]";
    same(&vae("elbo(kl_weight = ramp(0, 1, epochs = 3))"), &vae(ramp));
    assert_ne!(said(&vae("elbo")), said(&vae("elbo(kl_weight = 0.5)")));
}

#[test]
fn a_bound_of_several_draws_is_the_logarithm_of_their_mean() {
    let written = "log(E[exp(log(m(x, z)) - log(guide(z | x))) for z ~ guide times 7])";
    same(&vae("iwae(7)"), &vae(written));
    same(&vae("iwae(draws = 1)"), &vae("elbo"));
    assert!(plan(&vae("iwae(7)")).missing.iter().any(|m| m.engine.contains("importance-weighted")));
}

#[test]
fn an_expectation_that_is_no_bound_is_not_taken_for_one() {
    // The sign of the entropy is turned round, and the guide is that of the prior alone.
    for wrong in [
        "E[log(m(x, z)) + log(guide(z | x)) for z ~ guide]",
        "E[log(m(x, z)) for z ~ guide]",
        "E[log(m(x | z)) - log(guide(z | x)) for z ~ guide]",
        "E[log(m(x, z)) - log(guide(z | x)) for z ~ m]",
    ] {
        assert!(!plan(&vae(wrong)).missing.is_empty(), "{wrong}");
    }
}

const BELIEF: &str = "
data digits = dataset(\"digits\") { x: Bool[Pixel] = image > 0.5 }
axis H1 = 4
axis H2 = 3
model m {
  param W2: Real[H1, H2], W1: Real[Pixel, H1], b2: Real[H2], b1: Real[H1], b0: Real[Pixel]
  h2: Bool[H2] ~ Bernoulli(logit = b2)
  h1: Bool[H1] ~ Bernoulli(logit = W2 @ h2 + b1)
  x: Bool[Pixel] ~ Bernoulli(logit = W1 @ h1 + b0)
}
guide m {
  param R1: Real[Pixel, H1], R2: Real[H1, H2], c1: Real[H1], c2: Real[H2]
  h2: Bool[H2] ~ Bernoulli(logit = R2 @ h1 + c2)
  h1: Bool[H1] ~ Bernoulli(logit = R1 @ x + c1)
}
train m on digits.train { BODY }
";

fn belief(body: &str) -> String {
    BELIEF.replace("BODY", body)
}

#[test]
fn a_schedule_by_its_name_is_its_lines() {
    let lines = "maximise E[log(m(x, h1, h2)) for (h1, h2) ~ guide] over model with adam(1e-3)
        maximise E[log(guide(h1, h2 | x)) for (h1, h2, x) ~ m] over guide with adam(1e-3)";
    same(&belief("maximise loglik by wake_sleep with adam(1e-3)"), &belief(lines));
}

#[test]
fn greedy_layers_are_stages_that_can_be_listed() {
    let tie = "stage greedy { tie guide.R1 = W1, guide.R2 = W2; epochs 3; ";
    let named = belief(&format!("{tie} maximise loglik by layerwise(cd(2)) }}"));
    // The guide's second variable reads its first, whatever the order they stand in.
    let listed = "stage h1 { maximise log(layer(h1)) by cd(2) }; stage h2 { maximise log(layer(h2)) by cd(2) } }";
    same(&named, &belief(&format!("{tie} {listed}")));
    let stages = &plan(&named).trains[0].stages;
    assert_eq!(stages.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["greedy: h1", "greedy: h2"]);
    assert!(stages.iter().all(|s| s.epochs == 3 && s.ties.len() == 2));
    let turns = plan(&belief("stage greedy { maximise loglik by interleaved }"));
    assert_eq!((turns.trains[0].stages.len(), turns.trains[0].stages[0].lines.len()), (1, 2));
}

#[test]
fn a_used_model_is_the_model_written_out() {
    let data = "data digits = dataset(\"digits\") { x: Bool[Pixel] = image > 0.5 }\naxis H = 5\n";
    let model = "model m { (x: Bool[Pixel], h: Bool[H]) ~ machine(v = x, h = h) }\ntrain m on digits.train { maximise loglik by cd(1) }";
    let own = "model machine(v: Discrete[V], h: Discrete[H]) {
      param W: Real[V, H], b: Real[V], c: Real[H]
      factor v @ W @ h + b @ v + c @ h
    }";
    same(&format!("use \"rbm\" as machine\n{data}{model}"), &format!("{data}{own}\n{model}"));
}

#[test]
fn chains_and_layers_of_the_library_are_planned_as_what_they_are() {
    let chain = plan(
        "use \"hmm\" as hmm
        axis Die = fair, loaded
        axis Face = 6
        axis Roll = 20
        model casino { (s[Roll]: Die, x[Roll]: Face) ~ hmm(s = s, x = x) }
        data rolls = sample(casino, 5, seed = 1) { x[Roll]: Face = x }
        train casino on rolls",
    );
    let text = serde_json::to_string(&chain).expect("plain data");
    assert!(text.contains("ForwardBackward") && text.contains("Em"), "{text}");
    let layers = plan(
        "use \"linear_layers\" as layers
        axis H = 3
        axis V = 4
        model m { h: Bool[H] ~ Bernoulli(0.5); v: Bool[V] ~ layers.sigmoid(above = h, below = v) }
        data seen = sample(m, 3, seed = 1) { v: Bool[V] = v }
        query q = P(h | row 1) on seen",
    );
    assert_eq!((layers.missing.len(), layers.asks.len()), (0, 1));
}

#[test]
fn a_file_of_ones_own_is_found_beside_the_file_that_uses_it() {
    let place = Place::new();
    std::fs::create_dir(place.path("parts")).expect("a folder");
    place
        .write("parts/noisy.ghm", "axis Gate = 2\nuse \"more.ghm\" as more\nmodel noisy(given a: Bool, b: Bool) { b ~ more.copy(a = a, b = b) }")
        .write("parts/more.ghm", "param leak: Unit\nmodel copy(given a: Bool, b: Bool) { b ~ Bernoulli(if a then 0.9 else 0.1) }\nmodel unused { z: Real ~ Normal(0, sd = 1) }")
        .write("main.ghm", "use \"parts/noisy.ghm\" as noisy\nmodel m { a: Bool ~ Bernoulli(0.5); b: Bool ~ noisy(a = a, b = b) }\nquery q = P(a | b = yes)");
    let output = place.run(&["query", "main.ghm", "P(a | b = yes)"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "= a: no 0.1   yes 0.9\n");
}

#[test]
fn what_cannot_be_used_is_told_where_it_is_used() {
    let place = Place::new();
    place
        .write("a.ghm", "use \"b.ghm\" as b\nmodel m { x: Bool ~ b(x = x) }")
        .write("b.ghm", "use \"./a.ghm\" as a\nmodel n(x: Bool) { x ~ Bernoulli(0.5) }")
        .write("c.ghm", "use \"d.ghm\" as d")
        .write("e.ghm", "use \"f.ghm\" as f")
        .write("f.ghm", "axis")
        .write("g.ghm", "use \"h.ghm\" as h")
        .write("h.ghm", "query q = 1")
        .write("i.ghm", "use \"net.bif\" as alarm");
    for (file, number, words) in [
        ("c.ghm", "E0209", "there is no `d.ghm` to use"),
        ("e.ghm", "E0101", "f.ghm:1"),
        ("g.ghm", "E0209", "defines nothing that can be used"),
        ("i.ghm", "E0209", "there is no `net.bif` to use"),
    ] {
        let output = place.run(&["check", file]);
        let told = err(&output);
        assert!(code(&output) == 1 && told.contains(number) && told.contains(words), "{file}: {told}");
    }
    let output = place.run(&["check", "a.ghm"]);
    assert!(code(&output) == 1 && err(&output).contains("E0209"), "{}", err(&output));
}
