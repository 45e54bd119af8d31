//! Networks asked by engines that estimate, by several at once, for draws, and under weights in place of states.

use super::door::{answer, ghmc, lawn};
use serde_json::Value;

/// A loop of four with strong ties, where no engine but the exact one is right.
const LOOP: &str =
    "MARKOV 4 2 2 2 2 5  1 0  2 0 1  2 1 2  2 2 3  2 0 3  2 1 2  4 3 1 1 3  4 3 1 1 3  4 3 1 1 3  4 3 1 1 3";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn near(value: &Value, truth: f64, within: f64) {
    assert!((number(value) - truth).abs() <= within, "{value} is not {truth}");
}

#[test]
fn an_engine_is_named() {
    let dir = lawn();
    let ask =
        |question: &str, by: &str| answer(dir.path(), &["query", "lawn.bif", question, "--by", by, "--format", "json"]);
    let exact = ask("P(rain | how-wet = >=1.5)", "exact");
    assert_eq!((exact["engine"].as_str(), exact["kind"].as_str()), (Some("junction tree"), Some("=")));
    let truth = number(&exact["distribution"]["yes"]);
    // The tables of three variables and two make one: belief propagation is exact.
    let told = ask("P(rain | how-wet = >=1.5)", "loopy_bp(schedule = residual, damping = 0.1, tolerance = 1e-12)");
    near(&told["distribution"]["yes"], truth, 1e-9);
    assert_eq!((told["engine"].as_str(), told["kind"].as_str()), (Some("loopy_bp"), Some("≈")));
    assert_eq!(told["convergence"]["converged"], true);
    let told = ask("P(rain)", "gibbs(4000, chains = 3)");
    near(&told["distribution"]["yes"], 0.2, 0.03);
    assert_eq!((&told["chains"]["chains"], &told["chains"]["reach"]), (&3.into(), &"whole".into()));
    assert!(number(&told["chains"]["worst_r_hat"]) < 1.05 && number(&told["chains"]["least_effective"]) > 100.0);
    assert_eq!(told, {
        let mut again = ask("P(rain)", "gibbs(4000, chains = 3)");
        again["seconds"] = told["seconds"].clone();
        again
    });
    let joint = ask("P(rain, on | how-wet = >=1.5)", "loopy_bp(tolerance = 1e-12)");
    let wanted = ask("P(rain, on | how-wet = >=1.5)", "exact");
    (0..4).for_each(|at| near(&joint["distribution"][at]["p"], number(&wanted["distribution"][at]["p"]), 1e-9));
    let best = ask("argmax(.. | how-wet = >=1.5)", "loopy_bp");
    assert_eq!(best["values"], serde_json::json!({ "rain": "no", "on": "yes" }));
    let bound = ask("loglik", "mean_field");
    assert_eq!(bound["kind"], "≥");
    let log = number(&ask("loglik", "exact")["value"]);
    assert!(number(&bound["value"]) <= log, "{bound}");
    let args = ["query", "lawn.bif", "P(rain | how-wet = -)", "--by", "mean_field"];
    let (out, err, code) = ghmc(dir.path(), &args);
    assert!(code == Some(0) && out.contains("≈ by mean_field, converged in "), "{out}{err}");
    for (by, word) in
        [("bp", "loopy_bp, mean_field"), ("gibbs(chain = 2)", "burn_in"), ("loopy_bp(damping = 2)", "below 1")]
    {
        let (_, err, code) = ghmc(dir.path(), &["query", "lawn.bif", "P(rain)", "--by", by]);
        assert!(code == Some(2) && err.contains(word), "{err}");
    }
    let (_, err, code) = ghmc(dir.path(), &["query", "lawn.bif", "logZ", "--by", "gibbs"]);
    assert!(code == Some(1) && err.contains("E0604"), "{err}");
}

#[test]
fn marginals_come_with_a_bound_and_chains_with_a_warning() {
    let dir = lawn();
    std::fs::write(dir.path().join("loop.uai"), LOOP).expect("a file");
    let ask = |by: &str| answer(dir.path(), &["query", "loop.uai", "--marginals", "--by", by, "--format", "json"]);
    let log = number(&ask("exact")["log_evidence"]);
    for (by, sign) in [("mean_field", "≥"), ("mean_field(clusters = trees)", "≥"), ("loopy_bp", "≈")] {
        let told = ask(by);
        assert_eq!(told["log_z"]["kind"], sign);
        near(&told["log_z"]["value"], log, 0.5);
        assert!(sign != "≥" || number(&told["log_evidence"]) < log);
        assert_eq!(told["marginals"].as_object().map(|m| m.len()), Some(4));
    }
    near(&ask("mean_field(clusters = 4)")["log_z"]["value"], log, 1e-9);
    let equal = "MARKOV 2 2 2 2 1 0 2 0 1 2 1 3 4 1 0 0 1";
    std::fs::write(dir.path().join("equal.uai"), equal).expect("a file");
    let args = ["query", "equal.uai", "P(x0)", "--by", "gibbs"];
    let (_, err, code) = ghmc(dir.path(), &args);
    assert!(code == Some(0) && err.contains("zeros over `x0`, `x1` keep the chains apart"), "{err}");
    let told = answer(dir.path(), &["query", "equal.uai", "P(x0)", "--by", "gibbs(blocks = 2)", "--format", "json"]);
    near(&told["distribution"]["1"], 0.75, 0.02);
    assert!(told.get("notes").is_none());
}

#[test]
fn engines_are_compared() {
    let dir = lawn();
    std::fs::write(dir.path().join("loop.uai"), LOOP).expect("a file");
    let list = "loopy_bp,mean_field(clusters = 2),gibbs(500, chains = 2),exact";
    let args = ["query", "loop.uai", "P(x0, x2 | x1 = 1)", "--compare", list];
    let (out, err, code) = ghmc(dir.path(), &args);
    assert_eq!(code, Some(0), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.iter().any(|l| l.starts_with("loopy_bp ") && l.contains('≈') && l.contains("converged in")), "{out}");
    assert!(lines.iter().any(|l| l.starts_with("mean_field(clusters = 2)") && l.contains('≥')), "{out}");
    assert!(lines.iter().any(|l| l.contains("2 chains of 500, R-hat 1")), "{out}");
    assert!(out.ends_with("errors are of probabilities, against exact (=)\n"), "{out}");
    let told = answer(dir.path(), &[&args[..], &["--format", "json"]].concat());
    let engines = told["engines"].as_array().expect("engines");
    assert_eq!((engines.len(), &told["of"]), (4, &serde_json::json!(["x0", "x2"])));
    assert!(number(&engines[1]["mean_error"]) > number(&engines[0]["mean_error"]), "{told:#}");
    assert_eq!((&engines[3]["mean_error"], &engines[3]["kind"]), (&0.0.into(), &"=".into()));
    assert!(engines.iter().all(|e| number(&e["max_error"]) < 0.2 && e["seconds"].is_number()));
    let told = answer(dir.path(), &["query", "loop.uai", "--compare", "loopy_bp", "--format", "json"]);
    assert_eq!(told["of"].as_array().map(Vec::len), Some(4));
    // Where exact sums do not fit, the others are compared with chains.
    let args = ["query", "loop.uai", "--compare", "loopy_bp,gibbs(20000)", "--max-memory", "1", "--format", "json"];
    let told = answer(dir.path(), &args);
    assert_eq!(told["truth"], serde_json::json!({ "engine": "gibbs(20000)", "kind": "≈" }));
    assert!(told["notes"][0].as_str().is_some_and(|n| n.contains("too much")));
}

#[test]
fn the_posterior_is_drawn_from() {
    let dir = lawn();
    let args = ["query", "lawn.bif", "P(rain, on | how-wet = >=1.5)", "--samples", "4000"];
    let (out, err, code) = ghmc(dir.path(), &args);
    assert_eq!(code, Some(0), "{err}");
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("rain,on"));
    let rain = lines.clone().filter(|l| l.starts_with("yes,")).count() as f64 / 4000.0;
    let wet = 0.8 * 0.4 * 0.8 + 0.2 * (0.99 * 0.7 + 0.01 * 0.9);
    assert!(lines.count() == 4000 && (rain - 0.2 * (0.99 * 0.7 + 0.01 * 0.9) / wet).abs() < 0.04, "{rain}");
    let told = answer(dir.path(), &["query", "lawn.bif", "--samples", "3", "--by", "gibbs", "--format", "json"]);
    let samples = told["samples"].as_array().expect("samples");
    assert!(samples.len() == 3 && samples.iter().all(|s| s["how-wet"].is_string()));
    let (_, err, code) = ghmc(dir.path(), &["query", "lawn.bif", "--samples", "3", "--by", "loopy_bp"]);
    assert!(code == Some(1) && err.contains("no joint states to draw"), "{err}");
}

#[test]
fn states_may_have_weights() {
    let dir = lawn();
    let soft = r#"{"rain": {"yes": 3, "no": 0.5}, "on": "no"}"#;
    let both = [0.8 * 0.6 * 0.5, 0.2 * 0.99 * 3.0];
    for by in ["exact", "loopy_bp(tolerance = 1e-12)"] {
        let args = ["query", "lawn.bif", "--marginals", "--evidence", soft, "--by", by, "--format", "json"];
        let told = answer(dir.path(), &args);
        near(&told["marginals"]["rain"]["yes"], both[1] / (both[0] + both[1]), 1e-9);
        near(&told["log_evidence"], (both[0] + both[1]).ln(), 1e-9);
    }
    // Cases with weights on other variables, and without.
    let list = r#"[{"rain": {"yes": 1}}, {"on": {"yes": 1, "no": 1}}, {}]"#;
    std::fs::write(dir.path().join("list.json"), list).expect("a file");
    let told = answer(dir.path(), &["query", "lawn.bif", "P(on)", "--evidence", "list.json", "--format", "json"]);
    near(&told[0]["distribution"]["yes"], 0.01, 1e-12);
    near(&told[1]["distribution"]["yes"], 0.8 * 0.4 + 0.2 * 0.01, 1e-12);
    assert_eq!(told[1]["distribution"], told[2]["distribution"]);
    for (wrong, word) in
        [(r#"{"rain": {"yes": -1}}"#, "0 or more"), (r#"{"rain": {}}"#, "has a weight"), ("{", "not JSON")]
    {
        let (_, err, code) = ghmc(dir.path(), &["query", "lawn.bif", "P(on)", "--evidence", wrong]);
        assert!(code == Some(1) && err.contains("E0711") && err.contains(word), "{err}");
    }
}

#[test]
fn information_is_asked_for() {
    let dir = lawn();
    let ask = |question: &str, by: &str| {
        number(&answer(dir.path(), &["query", "lawn.bif", question, "--by", by, "--format", "json"])["value"])
    };
    let h = |p: &[f64]| -> f64 { p.iter().map(|p| -p * p.ln()).sum() };
    let joint = [0.8 * 0.6, 0.8 * 0.4, 0.2 * 0.99, 0.2 * 0.01];
    let mutual = h(&[0.8, 0.2]) + h(&[joint[0] + joint[2], joint[1] + joint[3]]) - h(&joint);
    for by in ["exact", "loopy_bp(tolerance = 1e-13)"] {
        assert!((ask("entropy(rain, on)", by) - h(&joint)).abs() < 1e-9);
        assert!((ask("mutual_info(rain; on)", by) - mutual).abs() < 1e-9);
        assert_eq!(ask("entropy(rain | rain = yes)", by), 0.0);
    }
    assert!(ask("mutual_info(rain; on | how-wet = >=1.5)", "exact") > 0.1);
}

#[test]
fn models_keep_their_own_words() {
    let dir = lawn();
    std::fs::write(dir.path().join("coin.ghm"), "model coin { c: Bool ~ Bernoulli(0.5) }\n").expect("a file");
    let (_, err, code) = ghmc(dir.path(), &["query", "coin.ghm", "P(c)", "--by", "gibbs"]);
    assert!(code == Some(2) && err.contains("in the question"), "{err}");
}
