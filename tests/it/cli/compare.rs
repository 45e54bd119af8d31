//! `compare` and `run --compare`: two runs side by side.

use super::{Place, code, err, json, out};

/// A run of the learner with these arguments.
fn trained(place: &Place, dir: &str, more: &[&str]) {
    let args = [&["run", "learner.ghm", "--quiet", "--out", dir], more].concat();
    let output = place.run(&args);
    assert_eq!(code(&output), 0, "{}", err(&output));
}

#[test]
fn a_run_is_shown_beside_an_earlier_one() {
    let place = Place::new();
    place.learner(20);
    trained(&place, "a", &[]);
    let output = place.run(&["run", "learner.ghm", "--seed", "4", "--out", "b", "--compare", "a"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let told = out(&output);
    let line = |name: &str| told.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name}:\n{told}"));
    let header: Vec<&str> = line("figure").split_whitespace().collect();
    assert_eq!(header, ["figure", "this", "that", "difference", "kind", "n", "seed", "data", "note"]);
    let fit: Vec<&str> = line("fit").split("  ").map(str::trim).filter(|w| !w.is_empty()).collect();
    assert!(fit[1].starts_with("= −") && fit[2].starts_with("= −"), "{fit:?}");
    assert_eq!(fit[4..7], ["=", "60", "4 / 1"], "{fit:?}");
    assert!(!err(&output).contains("note: "), "the same program: {}", err(&output));
    let page = std::fs::read_to_string(place.path("b/report.html")).expect("a page");
    for shown in ["Beside", "that: training", "class=\"earlier\"", "class=\"pair\"", "4 / 1", "That run"] {
        assert!(page.contains(shown), "no {shown}");
    }
    let alone = std::fs::read_to_string(place.path("a/report.html")).expect("a page");
    assert!(!alone.contains("Beside") && !alone.contains("class=\"pair\""));
    let summary = json(&std::fs::read_to_string(place.path("b/summary.json")).expect("a summary"));
    let fit = &summary["compare"]["figures"][0];
    let difference =
        fit["this"]["value"].as_f64().expect("a number") - fit["that"]["value"].as_f64().expect("a number");
    assert_eq!(fit["difference"].as_f64(), Some(difference));
    assert_eq!(summary["evaluate"]["fit"], fit["this"]["value"]);
}

#[test]
fn finished_runs_are_compared_without_running() {
    let place = Place::new();
    place.learner(5);
    trained(&place, "a", &[]);
    let changed = super::LEARNER.replace("ROUNDS", "9").replace("evaluate fit", "evaluate likelihood");
    place.write("learner.ghm", &changed);
    trained(&place, "b", &[]);
    let output = place.run(&["compare", "b", "a", "--html", "both.html"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(err(&output).contains("`learner` has changed between the two runs"), "{}", err(&output));
    let told = out(&output);
    assert!(told.starts_with("this: b\nthat: a\n"), "{told}");
    assert!(told.contains("only in this run") && told.contains("only in that run"), "{told}");
    let page = std::fs::read_to_string(place.path("both.html")).expect("a page");
    assert!(page.contains("that: 5 epochs") && page.contains("9 epochs"));
    let output = place.run(&["compare", "a", "a", "--format", "json"]);
    let told = json(&out(&output));
    assert_eq!((&told["this"], &told["that"], &told["remark"]), (&"a".into(), &"a".into(), &"".into()));
    assert_eq!(told["figures"][0]["difference"], 0.0);
    assert_eq!(told["stages"][0]["that"]["epochs"], 5);
}

#[test]
fn runs_of_two_models_are_compared_with_a_word_on_it() {
    let place = Place::new();
    place.learner(2).write("coin.ghm", "model coin { c: Bool ~ Bernoulli(0.5) }\nquery q = P(c)\n");
    trained(&place, "a", &[]);
    let output = place.run(&["run", "coin.ghm", "--out", "c", "--compare", "a"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(err(&output).contains("a run of another program: `learner`, not `coin`"), "{}", err(&output));
    assert!(out(&output).contains("only in that run"), "{}", out(&output));
    let output = place.run(&["compare", "c", "c"]);
    assert!(out(&output).contains("neither run has a figure"), "{}", out(&output));
}

#[test]
fn what_is_no_run_is_told_of_before_anything_runs() {
    let place = Place::new();
    place.learner(2).write("plain", "a file");
    trained(&place, "a", &[]);
    std::fs::create_dir(place.path("empty")).expect("a directory");
    for (dir, why) in [("gone", "no such directory"), ("plain", "it is a file"), ("empty", "report.json")] {
        let output = place.run(&["run", "learner.ghm", "--out", "b", "--compare", dir]);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{}", err(&output));
        assert!(err(&output).contains(why) && err(&output).contains("has written its report to"), "{}", err(&output));
        assert!(!place.path("b").exists());
        assert_eq!(code(&place.run(&["compare", "a", dir])), 2);
        assert_eq!(code(&place.run(&["compare", dir, "a"])), 2);
    }
    // A damaged report, and one whose sizes lie.
    let kept = place.path("a/report.json");
    let text = std::fs::read_to_string(&kept).expect("a report");
    std::fs::write(&kept, &text[..text.len() - 20]).expect("a file");
    let output = place.run(&["compare", "a", "a"]);
    assert!(code(&output) == 2 && err(&output).contains("damaged"), "{}", err(&output));
    let lie = r#"{"Images":{"title":"t","note":"","height":4294967296,"width":4294967296,"columns":1,"images":[[0.5]],
        "row_labels":[],"captions":[],"shading":"Ink"}}"#;
    let start = text.find("\"panels\":[").expect("panels") + "\"panels\":[".len();
    let comma = if text[start..].starts_with(']') { "" } else { "," };
    std::fs::write(&kept, format!("{}{lie}{comma}{}", &text[..start], &text[start..])).expect("a file");
    let output = place.run(&["compare", "a", "a", "--html", "x.html"]);
    assert!(code(&output) == 2 && err(&output).contains("a picture's size"), "{}", err(&output));
}

/// Spins on a grid, seen through noise: exact sums are cheap, and nothing else is exact.
const GRID: &str = "axis H = 3
axis W = 3
model grid {
  var s: Spin[H, W]
  for i in H, j in W {
    factor 0.4 * s[i, j] * s[i-1, j]
    factor 0.4 * s[i, j] * s[i, j-1]
    seen[i, j]: Real ~ Normal(s[i, j], sd = 1)
  }
}
data rows = sample(grid, 4, seed = 1)
";

#[test]
fn one_question_by_several_engines() {
    let place = Place::new();
    let questions =
        "compare spins = P(s | seen) of grid on rows by exact, loopy_bp(damping = 0.2), mean_field, gibbs(500)
compare evidence = loglik(seen) of grid on rows by exact, loopy_bp, mean_field
compare partition = logZ of grid by exact, loopy_bp, mean_field, nuts, ais(chains = 100)
sample drawn = P(s) of grid by gibbs(200) times 400
compare held = P(s | seen) of grid on rows by mean_field
";
    place.write("grid.ghm", &format!("{GRID}{questions}"));
    let output = place.run(&["run", "grid.ghm", "--out", "r", "--seed", "3"]);
    let told = out(&output);
    assert_eq!(code(&output), 0, "{}", err(&output));
    for text in ["engine", "mean error", "largest", "loopy_bp(damping = 0.2)  ≈", "nuts: failed, E0606"] {
        assert!(told.contains(text), "no {text} in\n{told}");
    }
    let summary = json(&std::fs::read_to_string(place.path("r/summary.json")).expect("a summary"));
    let rows = |name: &str| summary["queries"][name]["engines"].as_array().expect("engines").clone();
    let spins = rows("spins");
    assert!(spins[0].get("mean_error").is_none() && spins[0]["kind"] == "=", "the exact one is the truth");
    for side in &spins[1..] {
        let (mean, largest) =
            (side["mean_error"].as_f64().expect("a mean"), side["largest_error"].as_f64().expect("one"));
        assert!(0.0 < mean && mean <= largest && largest < 0.3 && side["kind"] == "≈", "{side}");
    }
    let partition = rows("partition");
    let value = |at: usize| partition[at]["value"].as_f64().expect("a value");
    let ties = |x: u32| {
        let spin = |i: usize, j: usize| if x >> (3 * i + j) & 1 == 1 { 0.4 } else { -0.4 };
        let places = (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
        let of = |(i, j): (usize, usize)| {
            let up = if i > 0 { spin(i, j) * spin(i - 1, j) } else { 0.0 };
            up + if j > 0 { spin(i, j) * spin(i, j - 1) } else { 0.0 }
        };
        places.map(of).sum::<f64>() / 0.4
    };
    let exact = (0..512).map(|x| ties(x).exp()).sum::<f64>().ln();
    assert!((value(0) - exact).abs() < 1e-9, "{} and not {exact}", value(0));
    assert!(value(2) <= exact && partition[2]["kind"] == "≥" && partition[1]["kind"] == "≈");
    assert_eq!(partition[3]["error"]["code"], "E0606");
    assert!((value(4) - exact).abs() < 0.1 && partition[4]["kind"] == "≈", "{} and not {exact}", value(4));
    // A bound less a bound is neither.
    assert_eq!(rows("evidence")[2]["kind"], "≈");
    // Neighbours agree in draws as often as they do under the model, whose spins have no lean.
    let drawn = summary["queries"]["drawn"]["draws"]["s"]["values"].as_array().expect("draws").clone();
    let spin = |d: &serde_json::Value, j: usize| d[0][j].clone();
    let agree = drawn.iter().filter(|d| spin(d, 0) == spin(d, 1)).count() as f64 / drawn.len() as f64;
    let tied = |x: &u32| (x & 1) == (x >> 1 & 1);
    let share = (0..512).filter(tied).map(|x| ties(x).exp()).sum::<f64>() / exact.exp();
    assert!((agree - share).abs() < 0.1, "{agree} of the draws agree, and {share} should");
    let held = rows("held");
    assert_eq!(
        held[0]["mean_error"], spins[2]["mean_error"],
        "held against the exact answer though it was not asked for"
    );
    let page = std::fs::read_to_string(place.path("r/report.html")).expect("a page");
    assert!(page.contains("mean error"));
}

#[test]
fn what_an_engine_cannot_say_is_refused() {
    let place = Place::new();
    for (question, told) in [
        ("evaluate e = loglik(seen) of grid on rows by gibbs(100)", "Gibbs samples have marginals"),
        ("query q = argmax(s | seen) of grid on rows by mean_field", "the best joint state by mean field"),
        ("query q = P(s | seen) of grid on rows by loopy_bp(damping = 2)", "`damping` is a number from 0 to below 1"),
        ("query q = P(s | seen) of grid on rows by gibbs(100, damping = 0.5)", "does not take a setting `damping`"),
    ] {
        place.write("grid.ghm", &format!("{GRID}{question}\n"));
        let output = place.run(&["run", "grid.ghm"]);
        assert_ne!(code(&output), 0, "{question}");
        assert!(err(&output).contains(told), "{question}\n{}", err(&output));
    }
}
