//! Objectives whose value is unknown: no number stands in for it, and nothing stops by it. Also: two processes, one directory.

use ghmc::pipeline::{Compiled, Settings};
use ghmc::train::checkpoint::lock;

use crate::cli::{Place, code, err};

const MACHINE: &str = "axis V = 4
axis H = 3
data seen = csv(\"seen.csv\") { v: Bool[V] }
model rbm(v: Bool[V], h: Bool[H]) {
  param W: Real[V, H]
  factor v @ W @ h
}
model m { (v: Bool[V], h: Bool[H]) ~ rbm(v = v, h = h) as memory }
";

fn place(train: &str) -> Place {
    let place = Place::new();
    let text = format!(
        "{MACHINE}train m on seen {{ maximise loglik by cd(1) with sgd(0.1, batch = 2, decay = 1e-4); epochs 3{train} }}\n"
    );
    place.write("m.ghm", &text).write("seen.csv", "v[1],v[2],v[3],v[4]\n1,0,1,0\n0,1,0,1\n1,1,0,0\n1,0,1,1\n");
    place
}

#[test]
fn no_number_stands_for_an_unknown_value() {
    let place = place("");
    let output = place.run(&["run", "m.ghm", "--out", "r"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(err(&output).contains("3 epochs") && err(&output).contains("value unknown"), "{}", err(&output));
    assert!(err(&output).contains("decay = 0.0001 on arrays of two or more axes"), "{}", err(&output));
    let read = |name: &str| std::fs::read_to_string(place.path("r").join(name)).expect("a file of the run");
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).expect("JSON");
    assert!(summary["stages"][0]["objective"].is_null(), "{summary}");
    for line in read("metrics.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(line["values"]["objective"].is_null(), "{line}");
    }
}

#[test]
fn nothing_stops_by_an_unknown_value() {
    let output = place("; patience 2 on seen").run(&["check", "m.ghm"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(err(&output).contains("E0802") && err(&output).contains("patience"), "{}", err(&output));
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let place = place("");
    let checkpoints = place.path("r/checkpoint");
    let held = lock(&checkpoints).expect("nobody is there");
    let output = place.run(&["run", "m.ghm", "--out", "r", "--resume"]);
    assert_eq!(code(&output), 3, "{}", err(&output));
    let process = format!("process {}", std::process::id());
    assert!(err(&output).contains("E0910") && err(&output).contains(&process), "{}", err(&output));
    drop(held);
    // What a process leaves behind when it dies is no lock.
    assert!(checkpoints.join("lock").exists());
    let output = place.run(&["run", "m.ghm", "--out", "r", "--resume"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
}

#[test]
fn the_plan_says_what_decays() {
    let text = "data seen = sample(truth, 10, seed = 1)
model truth { x: Real ~ Normal(0, sd = 1) }
model m {
  param a: Real
  x: Real ~ Normal(a, sd = 1)
}
train m on seen { maximise loglik with adam(0.1, decay = 0.5); epochs 1 }
";
    let compiled = Compiled::of_text("test.ghm", text, Settings::default()).unwrap_or_else(|told| panic!("{told}"));
    assert!(compiled.explain().contains("decay = 0.5 on arrays of two or more axes"), "{}", compiled.explain());
}
