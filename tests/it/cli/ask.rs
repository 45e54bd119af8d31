//! `query`, `sample` and `explain`.

use super::{Place, code, err, json, model, out};

fn near(value: &serde_json::Value, expect: f64) {
    let value = value.as_f64().expect("a number");
    assert!((value - expect).abs() < 1e-9, "{value} is not {expect}");
}

/// P(rain | wet) of models/sprinkler.ghm by hand: 0.2 · (0.01 · 0.99 + 0.99 · 0.8) over that plus 0.8 · 0.4 · 0.9.
const RAIN: f64 = 0.16038 / (0.16038 + 0.288);

#[test]
fn a_question_is_answered_on_standard_output() {
    let place = Place::new();
    let output = place.run(&["query", &model("sprinkler.ghm"), "P(rain | wet = yes)"]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "= rain: no 0.6423   yes 0.3577\n"));
    assert_eq!(err(&output), "");
    let output = place.run(&["query", &model("sprinkler.ghm"), "P(rain | wet = yes)", "--format", "json"]);
    let told = json(&out(&output));
    near(&told["distribution"]["yes"], RAIN);
    assert_eq!((&told["kind"], &told["question"]), (&json("\"=\""), &json("\"P(rain | wet = yes)\"")));
}

#[test]
fn marginals_keep_the_contract() {
    let place = Place::new();
    place.write("one.json", r#"{"wet": "yes"}"#).write("two.json", r#"[{"wet": true}, {"wet": 1, "rain": null}]"#);
    let ask = |file: &str| {
        place.run(&["query", &model("sprinkler.ghm"), "--marginals", "--evidence", file, "--format", "json"])
    };
    let output = ask("one.json");
    assert_eq!(code(&output), 0, "{}", err(&output));
    let told = json(&out(&output));
    let keys: Vec<&String> = told.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["engine", "kind", "log_evidence", "marginals", "seconds"]);
    near(&told["marginals"]["rain"]["yes"], RAIN);
    near(&told["log_evidence"], (0.16038f64 + 0.288).ln());
    assert!(
        told["marginals"]["wet"].is_null() && told["seconds"]["compile"].is_f64() && told["seconds"]["query"].is_f64()
    );
    let list = json(&out(&ask("two.json")));
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    near(&list[1]["marginals"]["rain"]["yes"], RAIN);
}

#[test]
fn evidence_that_does_not_fit_is_told() {
    let place = Place::new();
    for (text, words) in [
        (r#"{"wte": "yes"}"#, "did you mean `wet`?"),
        (r#"{"wet": "maybe"}"#, "`maybe` is not a state of `wet`"),
        (r#"{"wet": "#, "is not JSON"),
        ("[1]", "not an object"),
        (r#"{"rain": "yes"}"#, "`rain` is asked for and fixed"),
    ] {
        place.write("ev.json", text);
        let output = place.run(&["query", &model("sprinkler.ghm"), "P(rain)", "--evidence", "ev.json"]);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{text}");
        assert!(err(&output).contains(words) && err(&output).contains("E0711"), "{}", err(&output));
    }
}

#[test]
fn a_question_with_a_mistake_points_at_it() {
    let place = Place::new();
    let output = place.run(&["query", &model("sprinkler.ghm"), "P(rian)"]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("did you mean `rain`?"), "{}", err(&output));
}

#[test]
fn learned_parameters_are_asked_for_and_used() {
    let place = Place::new();
    place.learner(40);
    let output = place.run(&["query", "learner.ghm", "P(c | x = yes)", "--model", "learner"]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("--params DIR"), "{}", err(&output));
    // What needs nothing learned is answered without.
    let output = place.run(&["query", "learner.ghm", "P(c | x = yes) of nature"]);
    assert_eq!((code(&output), out(&output).as_str()), (0, "= c: no 0.3415   yes 0.6585\n"));
    assert_eq!(code(&place.run(&["run", "learner.ghm", "--out", "r", "--quiet"])), 0);
    let asked = place.run(&["query", "learner.ghm", "P(c | x = yes) of learner", "--params", "r", "--format", "json"]);
    assert_eq!(code(&asked), 0, "{}", err(&asked));
    let summary = json(&std::fs::read_to_string(place.path("r/summary.json")).expect("a summary"));
    let (asked, told) = (json(&out(&asked)), &summary["queries"]["leaning"]);
    assert_eq!(asked["distribution"], told["distribution"]);
    let output = place.run(&["query", "learner.ghm", "P(c)", "--model", "learner", "--params", "nowhere"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
}

#[test]
fn draws_are_tables() {
    let place = Place::new();
    let output = place.run(&["sample", &model("sprinkler.ghm"), "-n", "7"]);
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((code(&output), lines.len(), lines[0]), (0, 8, "rain,sprinkler,wet"));
    assert_eq!(out(&place.run(&["sample", &model("sprinkler.ghm"), "-n", "7"])), text);
    assert_ne!(out(&place.run(&["sample", &model("sprinkler.ghm"), "-n", "7", "--seed", "9"])), text);
    let output = place.run(&["sample", &model("sprinkler.ghm"), "-n", "7", "--format", "npy"]);
    assert!(output.stdout.starts_with(b"\x93NUMPY"));
    assert_eq!(output.stdout.len() % 64, (7 * 3 * 8) % 64);
    place.learner(1);
    let output = place.run(&["sample", "learner.ghm"]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("nature, learner"), "{}", err(&output));
}

#[test]
fn stages_are_shown() {
    let place = Place::new();
    place.learner(1);
    for (emit, words) in [
        ("ast", "model nature {"),
        ("program", "axis"),
        ("model", "-> x <- c"),
        ("facts", "nothing latent is left"),
        ("plan", "moves learner.a"),
        ("tensor", "set learner.a"),
    ] {
        let output = place.run(&["explain", "learner.ghm", "--emit", emit]);
        assert_eq!(code(&output), 0, "{emit}: {}", err(&output));
        if emit != "program" {
            assert!(out(&output).contains(words), "{emit}:\n{}", out(&output));
        }
        let output = place.run(&["explain", "learner.ghm", "--emit", emit, "--ron"]);
        assert_eq!(code(&output), 0, "{emit}: {}", err(&output));
        assert!(out(&output).trim_start().starts_with(['(', '[']), "{emit}");
    }
    let output = place.run(&["explain", "learner.ghm", "--format", "json"]);
    let block = &json(&out(&output))["blocks"][0];
    for key in ["variables", "engine", "kind", "reason", "cost", "rejected"] {
        assert!(block.get(key).is_some(), "no {key} in {block}");
    }
    let output = place.run(&["explain", "learner.ghm", "--emit", "expanded"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    place.write("longer.ghm", &out(&output));
    assert_eq!(code(&place.run(&["fmt", "--check", "longer.ghm"])), 0);
    assert_eq!(out(&place.run(&["explain", "longer.ghm", "--emit", "expanded"])), out(&output));
    for wrong in [&["expanded", "--ron"][..], &["expanded", "--format", "json"], &["expansion"]] {
        let output = place.run(&[&["explain", "learner.ghm", "--emit"], wrong].concat());
        assert_eq!(code(&output), 2, "{wrong:?}");
    }
    let told = err(&place.run(&["explain", "learner.ghm", "--emit", "expansion"]));
    assert!(told.contains("ast, program, model, facts, plan, tensor, expanded"), "{told}");
}

#[test]
fn missing_data_leaves_the_plan_with_unknown_costs() {
    let place = Place::new();
    place.write(
        "far.ghm",
        "data far = csv(\"far.csv\") { c: Bool }\nmodel m {\n  param a: Real\n  c: Bool ~ Bernoulli(logit = a)\n}\ntrain m on far\n",
    );
    let output = place.run(&["explain", "far.ghm"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(err(&output).contains("far.csv") && err(&output).contains("unknown"), "{}", err(&output));
    assert!(out(&output).contains("train on far"));
    let output = place.run(&["run", "far.ghm"]);
    assert_eq!(code(&output), 1);
    assert!(!place.path("runs").exists(), "a wrong input makes no run directory");
}
