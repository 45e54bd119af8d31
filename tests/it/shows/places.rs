//! Questions about one place of a variable, against sums over all joint states.

use ghmc::data::Column;
use ghmc::train::AnswerValue;
use ndarray::{ArrayD, IxDyn};

use super::{Arrays, answers, compiled, numbers, table};

const CHAIN: &str = "axis Time = 4
axis State = a, b, c
axis Prev = State
model chain {
  param start: Simplex[State], A[Prev]: Simplex[State], yes[State]: Unit
  for t in Time {
    s[t]: State ~ Categorical(if t is first then start else A[s[t-1]])
    x[t]: Bool ~ Bernoulli(yes[s[t]])
  }
}
";

/// The parameters of the chain.
fn params() -> Arrays {
    let of = |name: &str, shape: &[usize], values: Vec<f64>| {
        (format!("chain.{name}"), ArrayD::from_shape_vec(IxDyn(shape), values).expect("a shape"))
    };
    let moves = of("A", &[3, 3], MOVE.concat());
    [of("start", &[3], START.to_vec()), moves, of("yes", &[3], YES.to_vec())].into()
}

const START: [f64; 3] = [0.5, 0.3, 0.2];
const MOVE: [[f64; 3]; 3] = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]];
const YES: [f64; 3] = [0.9, 0.5, 0.2];

/// P(s[at] | x) by summing every path.
fn shares(x: &[f64], at: usize) -> [f64; 3] {
    let mut mass = [0.0; 3];
    for path in 0..3usize.pow(x.len() as u32) {
        let s: Vec<usize> = (0..x.len() as u32).map(|t| path / 3usize.pow(t) % 3).collect();
        let mut p = START[s[0]];
        p *= s.windows(2).map(|w| MOVE[w[0]][w[1]]).product::<f64>();
        p *= s.iter().zip(x).map(|(&s, &x)| if x > 0.5 { YES[s] } else { 1.0 - YES[s] }).product::<f64>();
        mass[s[at]] += p;
    }
    let all: f64 = mass.iter().sum();
    mass.map(|m| m / all)
}

fn best(shares: [f64; 3]) -> usize {
    (0..3).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap_or(0)
}

#[test]
fn one_place_is_asked_with_all_others_summed_out() {
    let text = format!(
        "{CHAIN}data seen = csv(\"seen.csv\") {{ x[Time]: Bool }}
query third = P(s[3] | x, row 2) on seen
query best  = argmax(s[3] | x, row 2) on seen
query ahead = P(x[4])
"
    );
    let rows = vec![vec![1.0, 1.0, 1.0, 0.0], vec![0.0, 1.0, 0.0, 1.0]];
    let compiled = compiled(&text, 1, &[("seen", table(vec![("x", numbers(4, &rows))]))]);
    let told = answers(&compiled, &params());
    let AnswerValue::Distribution { of, states } = &told["third"] else { panic!("{:?}", told["third"]) };
    assert_eq!(of, &["s[3]"]);
    let expected = shares(&rows[1], 2);
    for ((labels, share), (label, exact)) in states.iter().zip(["a", "b", "c"].iter().zip(expected)) {
        assert_eq!(labels, &[label.to_string()]);
        assert!((share - exact).abs() < 1e-12, "{label}: {share} and not {exact}");
    }
    let AnswerValue::Entries(entries) = &told["best"] else { panic!("{:?}", told["best"]) };
    assert_eq!((entries[0].name.as_str(), entries[0].values.as_slice()), ("s[3]", [best(expected) as f64].as_slice()));
    let AnswerValue::Distribution { states, .. } = &told["ahead"] else { panic!("{:?}", told["ahead"]) };
    let mut now = START;
    for _ in 0..3 {
        now = [0, 1, 2].map(|to| (0..3).map(|from| now[from] * MOVE[from][to]).sum());
    }
    let yes: f64 = now.iter().zip(YES).map(|(p, y)| p * y).sum();
    assert!((states[1].1 - yes).abs() < 1e-12, "{states:?}");
}

#[test]
fn a_measure_of_one_place_counts_that_place() {
    let rows: Vec<Vec<f64>> = (0..16u8).map(|i| (0..4).map(|b| f64::from(i >> b & 1)).collect()).collect();
    let truth: Vec<Vec<usize>> = (0..16).map(|i| (0..4).map(|t| (i + t) % 3).collect()).collect();
    let text = format!(
        "{CHAIN}data seen = csv(\"seen.csv\") {{ x[Time]: Bool; s[Time]: State }}
evaluate wrong = error(s[2], argmax(s[2] | x)) on seen
"
    );
    let labels = ["a", "b", "c"].map(String::from).to_vec();
    let seen = table(vec![("x", numbers(4, &rows)), ("s", Column::coded(vec![4], truth.concat(), labels))]);
    let compiled = compiled(&text, 1, &[("seen", seen)]);
    let wrong = rows.iter().zip(&truth).filter(|(x, s)| best(shares(x, 1)) != s[1]).count();
    match &answers(&compiled, &params())["wrong"] {
        AnswerValue::Confusion { figure, counts, .. } => {
            assert!((figure - wrong as f64 / 16.0).abs() < 1e-12, "{figure}");
            assert_eq!(counts.iter().flatten().sum::<u64>(), 16);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_may_end_before_the_place() {
    let text = format!(
        "{}data seen = csv(\"seen.csv\") {{ x[Time]: Bool }}
query third = P(s[3] | x, row 1) on seen
query short = P(s[3] | x, row 2) on seen
",
        CHAIN.replace("axis Time = 4\n", "")
    );
    let rolls = Column::numbers(Vec::new(), vec![1.0, 0.0, 1.0, 1.0, 1.0, 0.0]).ragged(&[4, 2]);
    let compiled = compiled(&text, 1, &[("seen", table(vec![("x", rolls)]))]);
    let told = answers(&compiled, &params());
    let AnswerValue::Distribution { states, .. } = &told["third"] else { panic!("{:?}", told["third"]) };
    for ((_, share), exact) in states.iter().zip(shares(&[1.0, 0.0, 1.0, 1.0], 2)) {
        assert!((share - exact).abs() < 1e-6, "{share} and not {exact}");
    }
    let AnswerValue::Failed(told) = &told["short"] else { panic!("{:?}", told["short"]) };
    assert!(told.message.contains("row 2 has no `s[3]`: it ends after 2"), "{}", told.message);
}
