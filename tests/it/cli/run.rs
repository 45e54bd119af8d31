//! `run`: its directory, its streams, and that a stopped run goes on to the same bits.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Place, code, err, json, model, out, program};

#[test]
fn a_run_leaves_its_directory() {
    let place = Place::new();
    place.learner(30);
    let output = place.run(&["run", "learner.ghm"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    for name in
        ["plan.txt", "metrics.jsonl", "params.safetensors", "checkpoint", "summary.json", "report.html", "report.json"]
    {
        assert!(place.path("runs/learner-1").join(name).exists(), "no {name}");
    }
    let told = out(&output);
    assert!(told.contains("figure") && told.contains("fit") && told.contains("leaning"), "{told}");
    let told = err(&output);
    assert!(told.contains("direct =") && told.contains("1/1 train: 30 epochs"), "{told}");
    assert!(!told.contains('\r') && !told.contains('\u{1b}'), "no bars without a terminal:\n{told}");
    let metrics = std::fs::read_to_string(place.path("runs/learner-1/metrics.jsonl")).expect("metrics");
    assert_eq!(metrics.lines().count(), 30);
    let last = json(metrics.lines().last().expect("a line"));
    assert_eq!((&last["at"], &last["epoch"], &last["step"]), (&180.into(), &29.into(), &180.into()));
    assert!(last["values"]["objective"].is_f64());
    assert_eq!(code(&place.run(&["run", "learner.ghm", "--quiet"])), 0);
    assert!(place.path("runs/learner-2/summary.json").exists());
}

#[test]
fn the_summary_is_what_json_prints() {
    let place = Place::new();
    place.learner(10);
    let output = place.run(&["run", "learner.ghm", "--out", "r", "--format", "json", "--quiet", "--seed", "4"]);
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
    let told = json(&out(&output));
    assert_eq!(told, json(&std::fs::read_to_string(place.path("r/summary.json")).expect("a summary")));
    assert_eq!((&told["seed"], &told["stages"][0]["epochs"]), (&4.into(), &10.into()));
    assert!(told["evaluate"]["fit"].is_f64() && told["seconds"].is_f64() && told["threads"].is_u64());
    assert_eq!(told["marks"]["fit"]["kind"], "=");
    assert_eq!(told["queries"]["leaning"]["of"][0], "c");
    assert_eq!(told["queries"]["tosses"]["draws"]["x"]["n"], 5);
    for key in ["name", "epochs", "seconds", "objective"] {
        assert!(told["stages"][0].get(key).is_some(), "no {key}");
    }
}

#[test]
fn a_file_of_questions_alone_runs() {
    let place = Place::new();
    let output = place.run(&["run", &model("sprinkler.ghm"), "--out", "r"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("rain: no 0.6423   yes 0.3577"), "{}", out(&output));
    let page = std::fs::read_to_string(place.path("r/report.html")).expect("a page");
    assert!(page.contains("explains away") && page.contains("sprinkler"));
}

#[test]
fn directories_that_will_not_do_are_refused() {
    let place = Place::new();
    place.learner(2).write("plain", "a file");
    let output = place.run(&["run", "learner.ghm", "--out", "plain/r"]);
    assert_eq!((code(&output), out(&output).as_str()), (3, ""), "{}", err(&output));
    assert!(err(&output).contains("E0904") && err(&output).contains("--out"), "{}", err(&output));
    assert_eq!(code(&place.run(&["run", "learner.ghm", "--out", "r", "--quiet"])), 0);
    let output = place.run(&["run", "learner.ghm", "--out", "r"]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("--resume"), "{}", err(&output));
    assert_eq!(code(&place.run(&["run", "learner.ghm", "--out", "empty", "--resume"])), 2);
    assert_eq!(code(&place.run(&["run", "learner.ghm", "--resume"])), 2);
    // Another program is not gone on with.
    place.learner(3);
    let output = place.run(&["run", "learner.ghm", "--out", "r", "--resume"]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("another run"), "{}", err(&output));
}

#[test]
fn a_run_that_diverges_says_where() {
    let place = Place::new();
    place.write(
        "wild.ghm",
        "model nature { x: Real ~ Normal(3, sd = 1) }
data seen = sample(nature, 60, seed = 1) { x: Real }
model m {
  param a: Real
  x: Real ~ Normal(a, sd = 0.01)
}
train m on seen { maximise loglik with sgd(1e3, batch = 10); epochs 200 }
",
    );
    let output = place.run(&["run", "wild.ghm", "--out", "r"]);
    assert_eq!((code(&output), out(&output).as_str()), (3, ""), "{}", err(&output));
    assert!(err(&output).contains("E0801") && err(&output).contains("step"), "{}", err(&output));
    assert!(!place.path("r/summary.json").exists());
}

#[test]
fn threads_do_not_change_a_bit() {
    let place = Place::new();
    place.learner(5);
    let params = |threads: &str| {
        let output = place.run(&["run", "learner.ghm", "--out", threads, "--threads", threads, "--quiet"]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        std::fs::read(place.path(threads).join("params.safetensors")).expect("parameters")
    };
    assert_eq!(params("1"), params("3"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let place = Place::new();
    place.learner(4000);
    assert_eq!(code(&place.run(&["run", "learner.ghm", "--out", "whole", "--quiet"])), 0);
    let child = Command::new(program())
        .args(["run", "learner.ghm", "--out", "parts"])
        .current_dir(place.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let metrics = place.path("parts/metrics.jsonl");
    let began = Instant::now();
    while std::fs::metadata(&metrics).map_or(0, |m| m.len()) == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "training does not begin");
        std::thread::sleep(Duration::from_millis(2));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((code(&output), out(&output).as_str()), (130, ""), "{}", err(&output));
    assert!(err(&output).contains("ghmc run learner.ghm --out parts --resume"), "{}", err(&output));
    let output = place.run(&["run", "learner.ghm", "--out", "parts", "--resume", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    for name in ["params.safetensors", "metrics.jsonl"] {
        let read = |run: &str| std::fs::read(place.path(run).join(name)).expect("a file");
        assert!(read("whole") == read("parts"), "{name} differs");
    }
    // A finished run that is resumed answers again and changes nothing.
    let before = std::fs::read(&metrics).expect("metrics");
    assert_eq!(code(&place.run(&["run", "learner.ghm", "--out", "parts", "--resume", "--quiet"])), 0);
    assert_eq!(std::fs::read(&metrics).expect("metrics"), before);
}

/// A reader that goes away (`ghmc .. | head -1`) is no failure.
#[test]
fn a_closed_pipe_is_no_panic() {
    let place = Place::new();
    let mut child = Command::new(program())
        .args(["sample", &model("sprinkler.ghm"), "-n", "20000"])
        .current_dir(place.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
}

/// What a run writes on a terminal, which `script` (of util-linux) makes.
#[cfg(target_os = "linux")]
fn on_a_terminal(place: &Place, colours: bool, more: &str) -> String {
    let line = format!("{} run learner.ghm --seed 2 {more}", program());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(place.dir.path()).stdin(Stdio::null());
    command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("GHM_DATA");
    if !colours {
        command.env("NO_COLOR", "1");
    }
    let output = command.output().expect("`script` makes a terminal");
    assert!(output.status.success(), "{}", out(&output));
    out(&output)
}

#[cfg(target_os = "linux")]
#[test]
fn bars_and_colours_are_for_terminals() {
    let place = Place::new();
    // Long enough for the bar to be drawn more than once.
    place.learner(30_000);
    let (bar, colour) = ("\u{2501}", "\u{1b}[2m");
    let told = on_a_terminal(&place, true, "");
    assert!(told.contains(bar) && told.contains(colour) && told.contains("left"), "{told:?}");
    let told = on_a_terminal(&place, false, "");
    assert!(told.contains(bar) && !told.contains(colour) && !told.contains("\u{1b}[36m"), "{told:?}");
    let told = on_a_terminal(&place, true, "--quiet");
    assert!(!told.contains(bar) && !told.contains('\u{1b}') && told.contains("figure"), "{told:?}");
}

/// Where a file holds pictures against their predicted means, the report shows both; a figure says how grey values were read.
#[test]
fn reconstructions_stand_below_the_data() {
    let place = Place::new();
    place.write(
        "again.ghm",
        "data digits = dataset(\"digits\") { x: Bool[Pixel] = soft(image); target: Bool[Pixel] = image > 0.5 }
model again(given x: Bool[Pixel]) {
  param b: Real[Pixel]
  target: Bool[Pixel] ~ Bernoulli(logit = 9 * x + b)
}
train again on digits.train { maximise loglik(target) with sgd(0.1, batch = 100); epochs 1 }
evaluate error = squared_error(target, mean(target | x)) on digits.test
",
    );
    let output = place.run(&["run", "again.ghm", "--out", "r", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("digits.test, x soft, target binarised at 0.5"), "{}", out(&output));
    let page = std::fs::read_to_string(place.path("r/report.html")).expect("a page");
    for shown in ["error: reconstructions", "The first 10 rows of digits.test", "<span>data</span><span>made</span>"] {
        assert!(page.contains(shown), "no {shown}");
    }
    let kept = json(&std::fs::read_to_string(place.path("r/report.json")).expect("a report"));
    let panels = kept["panels"].as_array().expect("panels");
    let grid = panels.iter().find_map(|p| p["Images"].as_object().filter(|g| g["title"] == "error: reconstructions"));
    let images = grid.expect("a grid")["images"].as_array().expect("images");
    assert_eq!(images.len(), 20);
    // Ink stays ink: where the data has a one, the model makes more than where it has a zero.
    let pixels = |i: usize| images[i].as_array().expect("pixels").iter().map(|v| v.as_f64().expect("a number"));
    let mean = |of: f64| {
        let made: Vec<f64> = pixels(0).zip(pixels(10)).filter(|(data, _)| *data == of).map(|(_, made)| made).collect();
        made.iter().sum::<f64>() / made.len() as f64
    };
    assert!(mean(1.0) > mean(0.0) + 0.1, "{} {}", mean(1.0), mean(0.0));
}
