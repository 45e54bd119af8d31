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
