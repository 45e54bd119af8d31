//! `check` and `fmt`, usage, and what standard error looks like.

use super::{LEARNER, Place, code, err, json, out};

const WRONG: &str = "model m {\n  a: Bool ~ Bernouli(0.5)\n  b: Bool ~ Bernoulli(c)\n}\n";

#[test]
fn check_tells_every_problem() {
    let place = Place::new();
    place.write("wrong.ghm", WRONG).write("right.ghm", "model m { a: Bool ~ Bernoulli(0.5) }\n");
    let output = place.run(&["check", "wrong.ghm", "right.ghm"]);
    let told = err(&output);
    assert_eq!((code(&output), out(&output).as_str()), (1, ""));
    for words in ["did you mean `Bernoulli`?", "wrong.ghm:3", "2 errors", "right.ghm: no problems"] {
        assert!(told.contains(words), "`{words}` is missing in\n{told}");
    }
    let output = place.run(&["check", "wrong.ghm", "right.ghm", "--format", "json"]);
    let told = json(&out(&output));
    assert_eq!((code(&output), err(&output).as_str()), (1, ""));
    assert_eq!((&told["files"][0]["errors"], &told["files"][1]["errors"]), (&2.into(), &0.into()));
    assert_eq!(told["files"][0]["diagnostics"][0]["labels"][0]["line"], 2);
    let output = place.run(&["check", "right.ghm", "--quiet"]);
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let place = Place::new();
    place.write("wrong.ghm", WRONG);
    // Standard error is no terminal here, with or without `NO_COLOR`.
    for variable in [None, Some("1")] {
        let mut command = place.command(&["check", "wrong.ghm"]);
        if let Some(value) = variable {
            command.env("NO_COLOR", value);
        }
        let output = command.output().expect("the program starts");
        assert!(!err(&output).contains('\u{1b}'));
    }
}

#[test]
fn wrong_usage_is_told_apart_from_wrong_input() {
    let place = Place::new();
    place.learner(1).write("latin.ghm", "");
    std::fs::write(place.path("latin.ghm"), b"# caf\xe9\n").expect("a file");
    let cases: [(&[&str], i32, &str); 12] = [
        (&[], 2, "Usage"),
        (&["walk"], 2, "unrecognized"),
        (&["run"], 2, "FILE"),
        (&["run", "learner.ghm", "--set", "H"], 2, "NAME=VALUE"),
        (&["run", "learner.ghm", "--set", "H=3"], 2, "no axis `H`"),
        (&["run", "learner.ghm", "--set", "H=many"], 2, "`many` is not a size"),
        (&["run", "learner.ghm", "--data", "x=y"], 2, "no data set named `x`"),
        (&["run", "learner.ghm", "--threads", "0"], 2, "--threads"),
        (&["import", "a.bif"], 1, "cannot be opened"),
        (&["run", "lerner.ghm"], 1, "did you mean `learner.ghm`?"),
        (&["check", "latin.ghm"], 1, "UTF-8"),
        (&["explain", "E0999"], 2, "no diagnostic E0999"),
    ];
    for (args, expect, words) in cases {
        let output = place.run(args);
        assert_eq!((code(&output), out(&output).as_str()), (expect, ""), "{args:?}: {}", err(&output));
        assert!(err(&output).contains(words), "{args:?}: {}", err(&output));
    }
    let output = place.run(&["--help"]);
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
    assert!(out(&output).contains("Exit codes"));
}

#[test]
fn layout_is_checked_and_mended() {
    let place = Place::new();
    let untidy = LEARNER.replace("ROUNDS", "3").replace("model nature {", "model   nature{");
    place.write("a.ghm", &untidy).write("b.ghm", "model m {");
    let output = place.run(&["fmt", "--check", "a.ghm"]);
    assert_eq!((code(&output), out(&output).as_str()), (1, "a.ghm\n"));
    assert_eq!(std::fs::read_to_string(place.path("a.ghm")).expect("a file"), untidy);
    let output = place.run(&["fmt", "a.ghm", "b.ghm"]);
    assert_eq!((code(&output), out(&output).as_str()), (1, "a.ghm\n"), "{}", err(&output));
    assert!(err(&output).contains("b.ghm:1"));
    assert_eq!(std::fs::read_to_string(place.path("b.ghm")).expect("a file"), "model m {");
    assert_eq!(code(&place.run(&["fmt", "--check", "a.ghm"])), 0);
}

#[test]
fn a_model_is_drawn_even_where_nothing_can_compute_it() {
    let place = Place::new();
    place.write("right.ghm", "model m { a: Bool ~ Bernoulli(0.5) }\nquery q = P(a)\n");
    let output = place.run(&["explain", "right.ghm", "--svg", "right.svg"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("query q"));
    let drawn = std::fs::read_to_string(place.path("right.svg")).expect("a drawing");
    assert!(drawn.starts_with("<svg") && drawn.contains("Bernoulli") && drawn.contains("closed form"), "{drawn}");
    // No engine reaches a cause through a square, and the picture shows it all the same.
    let hard =
        "model m {\n  a: Real ~ Normal(0, sd = 1)\n  b: Real ~ Normal(a * a, sd = 1)\n}\nquery q = mean(a | b = 1)\n";
    place.write("hard.ghm", hard);
    let output = place.run(&["explain", "hard.ghm", "--svg", "hard.svg"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("not built yet"), "{}", out(&output));
    assert!(place.path("hard.svg").exists());
    assert_eq!(code(&place.run(&["explain", "right.ghm", "--emit", "ast", "--svg", "x.svg"])), 2);
}
