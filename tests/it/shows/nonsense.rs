//! Inputs that make no sense end in their own code and exit code, never in a panic.

use crate::cli::{Place, code, err, out};

const FILE: &str = "data seen = csv(\"seen.csv\") { x: Real }
model m {
  param a: Real
  x: Real ~ Normal(a, sd = 1)
}
train m on seen { maximise loglik with sgd(RATE, batch = 1); epochs 200 }
evaluate fit = loglik of m on seen
";

fn place(rows: &str) -> Place {
    let place = Place::new();
    place.write("m.ghm", &FILE.replace("RATE", "0.1")).write("seen.csv", rows);
    place
}

#[test]
fn data_that_is_not_there_or_not_data_is_told() {
    let cases = [
        ("x\n1\nNaN\n2\n", "E0707", "row 2"),
        ("x\n1\ninf\n2\n", "E0707", "row 2"),
        ("x\n1\n1e400\n2\n", "E0707", "row 2"),
        ("x\n1\none\n2\n", "E0707", "line 3"),
        ("", "E0712", "seen.csv"),
        ("x\n", "E0712", "seen.csv"),
        ("x[1],x[2]\n1,2\n3,4\n", "E0710", "`x`"),
        ("x\n1,2\n", "E0714", "line 2"),
        ("z\n1\n", "E0704", "`x`"),
        ("x,x\n1,2\n", "E0713", "x"),
        ("x\n\"1\n2\n", "E0715", "column `x` on line 2"),
        ("x\n1\u{0}\n", "E0710", "`x`"),
    ];
    for (rows, number, words) in cases {
        let place = place(rows);
        let output = place.run(&["run", "m.ghm", "--out", "r"]);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{rows:?}: {}", err(&output));
        assert!(err(&output).contains(number) && err(&output).contains(words), "{rows:?}: {}", err(&output));
        assert!(!place.path("r").exists(), "{rows:?}: a wrong input makes no run directory");
    }
    let place = place("x\n1\n");
    place.write("seen.csv", "x\n?\n?\n");
    let output = place.run(&["run", "m.ghm", "--out", "absent"]);
    assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{}", err(&output));
    assert!(err(&output).contains("E0707") && err(&output).contains("absent"), "{}", err(&output));
    assert!(!place.path("absent").exists(), "what cannot be learned from makes no run directory");
    std::fs::remove_file(place.path("seen.csv")).expect("a file");
    let output = place.run(&["run", "m.ghm", "--out", "r"]);
    assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{}", err(&output));
    assert!(err(&output).contains("E0708") && err(&output).contains("seen.csv"), "{}", err(&output));
}

#[test]
fn wrong_data_is_told_with_the_declaration_that_reads_it() {
    for rows in ["x\n1\none\n", "x\n1\nNaN\n", "x\n1\n2,3\n"] {
        let output = place(rows).run(&["run", "m.ghm", "--out", "r"]);
        assert_eq!(code(&output), 1, "{rows:?}: {}", err(&output));
        let told = err(&output);
        assert!(told.contains("m.ghm:1:6") && told.contains("`seen` is read from it"), "{rows:?}: {told}");
    }
    // A wrong label is found when its column is bound.
    let place = place("x\n1\n");
    place.write("seen.csv", "x,k\n1,a\n2,c\n").write(
        "m.ghm",
        "axis K = a, b\ndata seen = csv(\"seen.csv\") { x: Real; k: K }\nmodel m {\n  x: Real ~ Normal(0, sd = 1)\n  k: K ~ Categorical(uniform)\n}\nevaluate fit = loglik of m on seen\n",
    );
    let output = place.run(&["run", "m.ghm", "--out", "r"]);
    assert!(err(&output).contains("E0706") && err(&output).contains("m.ghm:2:"), "{}", err(&output));
    assert!(err(&output).contains("`k` is bound to it"), "{}", err(&output));
}

#[test]
fn an_axis_without_a_size_is_told_by_its_own_code() {
    let place = place("x\n1\n");
    place.write("m.ghm", "model m {\n  x: Bool[Pixel] ~ Bernoulli(0.5)\n}\nsample s = P(x) of m times 3\n");
    let output = place.run(&["run", "m.ghm", "--out", "r"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(out(&output).contains("failed, E0307"), "the question that fails stands in its place: {}", out(&output));
    assert!(err(&output).contains("E0307") && err(&output).contains("`Pixel` has no size"), "{}", err(&output));
}

#[test]
fn a_directory_that_cannot_be_written_is_told_before_work_begins() {
    let place = place("x\n1\n2\n");
    // A file stands where a directory must; the right to write would not stop a privileged user.
    place.write("taken", "");
    for out_dir in ["taken", "taken/r"] {
        let output = place.run(&["run", "m.ghm", "--out", out_dir]);
        assert_eq!((code(&output), out(&output).as_str()), (3, ""), "{}", err(&output));
        assert!(err(&output).contains("E0904"), "{}", err(&output));
    }
}

#[test]
fn damaged_parameters_are_told() {
    let place = place("x\n1\n2\n");
    assert_eq!(code(&place.run(&["run", "m.ghm", "--out", "r", "--quiet"])), 0);
    let whole = std::fs::read(place.path("r/params.safetensors")).expect("parameters");
    let ask = |bytes: &[u8]| {
        std::fs::write(place.path("r/params.safetensors"), bytes).expect("a file");
        place.run(&["query", "m.ghm", "mean(x)", "--params", "r"])
    };
    assert_eq!(code(&ask(&whole)), 0);
    for cut in [0, 1, 7, 8, 9, whole.len() / 2, whole.len() - 1] {
        let output = ask(&whole[..cut]);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{cut} bytes: {}", err(&output));
        assert!(err(&output).contains("E0903"), "{cut} bytes: {}", err(&output));
    }
    for at in [0, 20, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let output = ask(&bytes);
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "byte {at}: {}", err(&output));
        assert!(err(&output).contains("E0903"), "byte {at}: {}", err(&output));
    }
    // Another model's parameters are whole and still not these.
    place.write("other.ghm", "model m {\n  param b: Real\n  x: Real ~ Normal(b, sd = 1)\n}\n");
    assert_eq!(code(&ask(&whole)), 0);
    let output = place.run(&["query", "other.ghm", "mean(x)", "--params", "r"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(err(&output).contains("E0905") && err(&output).contains("`m.b`"), "{}", err(&output));
}

#[test]
fn a_run_that_diverges_keeps_its_checkpoint() {
    let place = place("x\n1\n3\n2\n");
    place.write("m.ghm", &FILE.replace("RATE", "1e6"));
    let run = |more: &[&str]| {
        let args = ["run", "m.ghm", "--out", "r", "--quiet", "--checkpoint-every", "0"];
        place.run(&[&args, more].concat())
    };
    let output = run(&[]);
    assert_eq!((code(&output), out(&output).as_str()), (3, ""), "{}", err(&output));
    let told = err(&output);
    assert!(told.contains("E0801") && told.contains("at row ") && told.contains("in step "), "{told}");
    assert!(told.contains("m.ghm:6"), "the line that trains is shown: {told}");
    let names = std::fs::read_dir(place.path("r/checkpoint")).expect("checkpoints").flatten().map(|e| e.file_name());
    let kept = names.filter(|n| n.to_string_lossy().ends_with(".safetensors")).count();
    assert!((1..=2).contains(&kept), "{kept} checkpoints");
    assert!(!place.path("r/summary.json").exists() && !place.path("r/params.safetensors").exists());
    // From there it goes the same way again.
    let again = run(&["--resume"]);
    assert_eq!((code(&again), err(&again)), (3, told));
}
