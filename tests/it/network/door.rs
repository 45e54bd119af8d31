//! Networks at the command line: questions, evidence, import, export, `use`.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

use super::parse;
use ghmc::data::network::NetFormat;

const LAWN: &str = "network lawn {}
variable rain { type discrete [ 2 ] { no, yes }; }
variable on { type discrete [ 2 ] { no, yes }; }
variable how-wet { type discrete [ 3 ] { <1.5, >=1.5, - }; }
probability ( rain ) { table 0.8, 0.2; }
probability ( on | rain ) { (no) 0.6, 0.4; (yes) 0.99, 0.01; }
probability ( how-wet | on, rain ) {
  (no, no) 1, 0, 0; (no, yes) 0.2, 0.7, 0.1; (yes, no) 0.1, 0.8, 0.1; (yes, yes) 0.01, 0.9, 0.09;
}
";

/// What the program prints and how it ends.
pub fn ghmc(dir: &Path, args: &[&str]) -> (String, String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghmc"));
    let output = command.current_dir(dir).env("NO_COLOR", "1").args(args).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code())
}

pub fn answer(dir: &Path, args: &[&str]) -> Value {
    let (out, err, code) = ghmc(dir, args);
    assert_eq!(code, Some(0), "{args:?}: {err}");
    serde_json::from_str(&out).expect("JSON")
}

pub fn lawn() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("lawn.bif"), LAWN).expect("a file");
    dir
}

fn close(value: &Value, truth: f64) {
    let value = value.as_f64().expect("a number");
    assert!((value - truth).abs() < 1e-12, "{value} is not {truth}");
}

/// P(how-wet is >=1.5).
const WET: f64 = 0.8 * 0.4 * 0.8 + 0.2 * (0.99 * 0.7 + 0.01 * 0.9);

#[test]
fn a_network_is_asked() {
    let dir = lawn();
    let ask = |question: &str| answer(dir.path(), &["query", "lawn.bif", question, "--format", "json"]);
    let told = ask("P(rain | how-wet = >=1.5)");
    close(&told["distribution"]["yes"], 0.2 * (0.99 * 0.7 + 0.01 * 0.9) / WET);
    assert_eq!((told["kind"].as_str(), told["engine"].as_str()), (Some("="), Some("junction tree")));
    assert!(told["seconds"]["compile"].is_number() && told["seconds"]["query"].is_number());
    close(&ask("P(\"how-wet\" = \">=1.5\")")["distribution"][">=1.5"], WET);
    close(&ask("P(how-wet = >=1.5 | do(on = yes))")["distribution"][">=1.5"], 0.8 * 0.8 + 0.2 * 0.9);
    close(&ask("loglik(how-wet = >=1.5)")["value"], WET.ln());
    close(&ask("P(rain, on)")["distribution"][1]["p"], 0.8 * 0.4);
    let best = ask("argmax(.. | how-wet = >=1.5)");
    assert_eq!(best["values"], serde_json::json!({ "rain": "no", "on": "yes" }));
    close(&best["log_score"], (0.8f64 * 0.4 * 0.8).ln());
    let (_, err, code) = ghmc(dir.path(), &["query", "lawn.bif", "P(rain | how-wet = >1.5)"]);
    assert!(code == Some(1) && err.contains("E0711") && err.contains("did you mean `<1.5`"), "{err}");
    let (_, err, code) = ghmc(dir.path(), &["query", "lawn.bif", "Q(rain)"]);
    assert!(code == Some(2) && err.contains("argmax"), "{err}");
}

#[test]
fn marginals_follow_the_contract() {
    let dir = lawn();
    std::fs::write(dir.path().join("one.json"), r#"{"how-wet": ">=1.5", "on": null}"#).expect("a file");
    std::fs::write(dir.path().join("list.json"), r#"[{"how-wet": ">=1.5"}, {"rain": true}, {"how-wet": "-"}]"#)
        .expect("a file");
    let ask =
        |file: &str| answer(dir.path(), &["query", "lawn.bif", "--marginals", "--evidence", file, "--format", "json"]);
    let one = ask("one.json");
    let mut keys: Vec<&str> = one.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["engine", "kind", "log_evidence", "marginals", "seconds"]);
    close(&one["log_evidence"], WET.ln());
    assert!(one["marginals"].get("how-wet").is_none());
    close(&one["marginals"]["on"]["yes"], (0.8 * 0.4 * 0.8 + 0.2 * 0.01 * 0.9) / WET);
    let list = ask("list.json");
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 3);
    assert_eq!(list[0]["marginals"], one["marginals"]);
    close(&list[1]["log_evidence"], 0.2f64.ln());
    // The third has the pattern of the first, and its program.
    assert!(list[2]["seconds"]["compile"].as_f64() < Some(1e-3));

    let uai = "MARKOV 2 2 3 1 2 0 1 6 1 2 3 4 5 6";
    std::fs::write(dir.path().join("n.uai"), uai).expect("a file");
    for (name, text) in [("n.uai.evid", "1 1 2"), ("n.json", r#"{"x1": 2}"#), ("old.evid", "1 1 1 2")] {
        std::fs::write(dir.path().join(name), text).expect("a file");
        let told = answer(dir.path(), &["query", "n.uai", "--marginals", "--evidence", name, "--format", "json"]);
        close(&told["log_evidence"], 9f64.ln());
        close(&told["marginals"]["x0"]["0"], 3.0 / 9.0);
    }
    std::fs::write(dir.path().join("bad.evid"), "1 1 3").expect("a file");
    let (_, err, code) = ghmc(dir.path(), &["query", "n.uai", "--marginals", "--evidence", "bad.evid"]);
    assert!(code == Some(1) && err.contains("E0711") && err.contains("bad.evid:1:5"), "{err}");
}

#[test]
fn an_imported_network_is_an_ordinary_model() {
    let dir = lawn();
    let (_, err, code) = ghmc(dir.path(), &["import", "lawn.bif", "--out", "lawn.ghm"]);
    assert_eq!(code, Some(0), "{err}");
    let (_, err, code) = ghmc(dir.path(), &["check", "lawn.ghm"]);
    assert_eq!(code, Some(0), "{err}");
    let text = std::fs::read_to_string(dir.path().join("lawn.ghm")).expect("a file");
    assert!(text.contains("# `how-wet` in the file"), "{text}");
    let told = answer(dir.path(), &["query", "lawn.ghm", "P(rain | how_wet = \">=1.5\")", "--format", "json"]);
    close(&told["distribution"]["yes"], 0.2 * (0.99 * 0.7 + 0.01 * 0.9) / WET);

    // Out again, it has the same numbers.
    let (out, err, code) = ghmc(dir.path(), &["export", "lawn.ghm", "--to", "bif"]);
    assert_eq!(code, Some(0), "{err}");
    let again = parse(NetFormat::Bif, &out).expect("it is read");
    let first = parse(NetFormat::Bif, LAWN).expect("it is read");
    assert_eq!(again.factors, first.factors);
    assert_eq!(again.variables[2].states, first.variables[2].states);
    for format in ["xmlbif", "uai", "dot"] {
        let (out, err, code) = ghmc(dir.path(), &["export", "lawn.bif", "--to", format]);
        assert!(code == Some(0) && !out.is_empty(), "{err}");
    }
    let continuous = "model m {\n  x: Real ~ Normal(0, sd = 1)\n}\n";
    std::fs::write(dir.path().join("c.ghm"), continuous).expect("a file");
    let (_, err, code) = ghmc(dir.path(), &["export", "c.ghm", "--to", "bif"]);
    assert!(code == Some(1) && err.contains("E0606") && err.contains("c.ghm:2:3"), "{err}");
}

#[test]
fn markov_networks_are_imported_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let uai = "MARKOV 4 2 3 1 2 3 2 0 1 1 2 0 6 1 2 0 4 5 6 1 7 1 0.5";
    std::fs::write(dir.path().join("n.uai"), uai).expect("a file");
    let (out, err, code) = ghmc(dir.path(), &["import", "n.uai", "--name", "grid"]);
    assert_eq!(code, Some(0), "{err}");
    std::fs::write(dir.path().join("n.ghm"), &out).expect("a file");
    for question in ["P(x0 | x1 = \"1\")", "P(x1)"] {
        let told = |file: &str| answer(dir.path(), &["query", file, question, "--format", "json"]);
        let (a, b) = (told("n.uai"), told("n.ghm"));
        for (state, p) in a["distribution"].as_object().expect("an object") {
            close(&b["distribution"][state], p.as_f64().expect("a number"));
        }
    }
    let (back, err, code) = ghmc(dir.path(), &["export", "n.ghm", "--to", "uai"]);
    assert_eq!(code, Some(0), "{err}");
    let (again, first) = (parse(NetFormat::Uai, &back), parse(NetFormat::Uai, uai));
    assert_eq!(again.expect("it is read").factors[..3], first.expect("it is read").factors[..]);
    let (_, err, code) = ghmc(dir.path(), &["export", "n.ghm", "--to", "bif"]);
    assert!(code == Some(1) && err.contains("--to uai"), "{err}");
}

#[test]
fn a_network_is_used_by_another_file() {
    let dir = lawn();
    let file = "use \"lawn.bif\" as garden\nquery why = P(rain | on_ = yes) of garden\n";
    std::fs::write(dir.path().join("m.ghm"), file).expect("a file");
    let (out, err, code) = ghmc(dir.path(), &["run", "m.ghm", "--out", "r", "--quiet"]);
    assert!(code == Some(0) && out.contains("why"), "{out}{err}");
    let told = answer(dir.path(), &["query", "m.ghm", "P(rain = yes | on_ = yes)", "--format", "json"]);
    close(&told["distribution"]["yes"], 0.002 / 0.322);
    std::fs::write(dir.path().join("lawn.bif"), LAWN.replace("0.8, 0.2;", "0.8, 0.2x;")).expect("a file");
    let (_, err, code) = ghmc(dir.path(), &["check", "m.ghm"]);
    assert!(code == Some(1) && err.contains("lawn.bif:5:35"), "{err}");
    std::fs::write(dir.path().join("m.ghm"), file.replace("lawn.bif", "lown.bif")).expect("a file");
    let (_, err, code) = ghmc(dir.path(), &["check", "m.ghm"]);
    assert!(code == Some(1) && err.contains("E0209"), "{err}");
}
