//! Whatever the text, there is an answer: a program or diagnostics, never a panic, and in bounded time.

use ghmc::syntax::{MAX_BYTES, MAX_NESTING};

use super::corners::program;
use crate::syntax::round_trip::SKETCHES;

/// A small generator, so that a failing case can be told by its number.
struct Stream(u64);

impl Stream {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

#[test]
fn mutated_programs_get_diagnostics() {
    let mut stream = Stream(7);
    let scraps = [
        "{", "}", "(", ")", "[", "]", ",", ";", "~", "=", "@", "|", " for ", " if ", "\n", "\"", "0", "t", "State",
        "..", "<", "é",
    ];
    for round in 0..1500 {
        let (_, text) = SKETCHES[stream.below(SKETCHES.len())];
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..1 + stream.below(4) {
            let at = stream.below(chars.len());
            match stream.below(4) {
                0 => drop(chars.drain(at..(at + 1 + stream.below(12)).min(chars.len()))),
                1 => drop(chars.splice(at..at, scraps[stream.below(scraps.len())].chars())),
                2 => chars.truncate(at.max(1)),
                _ => {
                    let from = stream.below(chars.len());
                    let piece: Vec<char> = chars[from..(from + 20).min(chars.len())].to_vec();
                    drop(chars.splice(at..at, piece));
                }
            }
            if chars.is_empty() {
                chars.push('x');
            }
        }
        let text: String = chars.into_iter().collect();
        let _ = program(&format!("mutant {round}"), &text);
    }
}

#[test]
fn every_sketch_checks_or_says_what_is_missing() {
    let mut poor = String::new();
    for (name, text) in SKETCHES {
        if let Err(drawn) = program(name, text) {
            let unknown: Vec<&str> = drawn
                .lines()
                .filter(|l| l.len() == 5 && l.starts_with('E') && !matches!(*l, "E0606" | "E0709"))
                .collect();
            if !unknown.is_empty() {
                poor += &format!("{name}:\n{drawn}");
            }
        }
    }
    assert!(poor.is_empty(), "{poor}");
}

#[test]
fn nesting_is_bounded() {
    let body = |e: &str| format!("model m {{ x: Real ~ Normal({e}, sd = 1) }}");
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    assert!(program("shallow", &body(&deep("(", ")", MAX_NESTING - 4))).is_ok());
    for e in [
        deep("(", ")", 100_000),
        deep("exp(", ")", 50_000),
        format!("{}1", "-".repeat(100_000)),
        format!("1{}", " + 1".repeat(100_000)),
        format!("{}1{}", "if x > 0 then 1 else ".repeat(10_000), ""),
        format!("a{}", "[0]".repeat(10_000)),
        "(".repeat(100_000),
    ] {
        let drawn = program("deep", &body(&e)).expect_err("too deep");
        assert!(drawn.contains("E0107") || drawn.contains("E0102"), "{drawn}");
    }
    let loops = format!("model m {{ {} }}", deep("for t in A { ", " }", 10_000).replace('1', ""));
    assert!(program("loops", &loops).expect_err("too deep").contains("E0107"));
    assert!(program("large", &"#".repeat(MAX_BYTES + 1)).expect_err("too large").contains("E0108"));
}

#[test]
fn a_long_model_is_checked_quickly() {
    let mut text = String::from("model m {\n  x0: Bool ~ Bernoulli(0.5)\n");
    for i in 1..10_000 {
        text += &format!("  x{i}: Bool ~ Bernoulli(if x{} then 0.2 else 0.7)\n", i - 1);
    }
    text += "}\nquery q = P(x9999 | x0 = yes)\n";
    let start = std::time::Instant::now();
    let checked = program("long", &text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(checked.vars.len(), 10_000);
    // Generous: the tests are built without optimisation and share their machine.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
