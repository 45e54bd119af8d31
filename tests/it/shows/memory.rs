//! What would not fit is refused before it is taken, with its name.

use crate::cli::{Place, code, err, out};

/// The parts of a file, and what the refusal must name.
const TOO_LARGE: [(&str, &str); 4] = [
    (
        "axis A = 200000
axis B = 200000
model m {
  param W: Real[A, B]
  x: Real ~ Normal(sum(W), sd = 1)
}
query q = mean(x)
",
        "`m.W`",
    ),
    ("axis A = 50\nmodel m { x: Bool[A] ~ Bernoulli(0.5) }\nsample draws = P(x) times 10000000000\n", "`draws`"),
    ("model m { x: Bool ~ Bernoulli(0.5) }\ndata seen = sample(m, 1000000000000, seed = 1)\n", "`seen`"),
    (
        "net f(x: Real) -> Real { dense(1000000000000); dense }
model m(given x: Real) { y: Real ~ Normal(f(x), sd = 1) }
data seen = csv(\"seen.csv\") { x: Real; y: Real }
train m on seen { maximise loglik; epochs 1 }
",
        "`f.",
    ),
];

#[test]
fn what_does_not_fit_is_refused_by_name() {
    for (text, name) in TOO_LARGE {
        let place = Place::new();
        place.write("m.ghm", text).write("seen.csv", "x,y\n1,2\n2,3\n");
        let output = place.run(&["run", "m.ghm", "--out", "r", "--quiet"]);
        assert_eq!(code(&output), 1, "{text}: {}{}", out(&output), err(&output));
        assert!(err(&output).contains("E0601") && err(&output).contains(name), "{text}: {}", err(&output));
        assert!(err(&output).contains("--max-memory"), "{}", err(&output));
    }
}

#[test]
fn the_allowance_can_be_set() {
    let place = Place::new();
    place.write("m.ghm", "model m { x: Bool ~ Bernoulli(0.5) }\nsample draws = P(x) times 100000\n");
    let output = place.run(&["run", "m.ghm", "--out", "small", "--quiet", "--max-memory", "100K"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(err(&output).contains("E0601") && err(&output).contains("102.4 kB are allowed"), "{}", err(&output));
    let output = place.run(&["run", "m.ghm", "--out", "large", "--quiet", "--max-memory", "100M"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
}
