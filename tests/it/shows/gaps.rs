//! Rows with gaps: what is absent is summed over in its row, in likelihoods, in learning and in questions; worlds that did not happen.

use std::collections::BTreeMap;

use ghmc::data::{Column, Table};
use ghmc::train::AnswerValue;
use ndarray::{ArrayD, IxDyn};

use super::{Arrays, answers, assert_close, compiled, learn, table};

const NET: &str = "axis Sky = sun, cloud, rain
axis Sky2 = Sky
model m {
  param p: Simplex[Sky], q[Sky]: Simplex[Sky2], r[Sky, Sky2]: Unit
  a: Sky  ~ Categorical(p)
  b: Sky2 ~ Categorical(q[a])
  c: Bool ~ Bernoulli(r[a, b])
}
data seen = csv(\"seen.csv\") { a: Sky; b: Sky2; c: Bool }
";

const P: [f64; 3] = [0.5, 0.3, 0.2];
const Q: [[f64; 3]; 3] = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]];
const R: [[f64; 3]; 3] = [[0.1, 0.4, 0.6], [0.3, 0.5, 0.9], [0.2, 0.7, 0.8]];

fn params() -> Arrays {
    let of = |name: &str, shape: &[usize], values: Vec<f64>| {
        (format!("m.{name}"), ArrayD::from_shape_vec(IxDyn(shape), values).expect("a shape"))
    };
    [of("p", &[3], P.to_vec()), of("q", &[3, 3], Q.concat()), of("r", &[3, 3], R.concat())].into()
}

type Row = (Option<usize>, Option<usize>, Option<usize>);

/// Rows of every pattern of gaps but the empty one.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for i in 0..56usize {
        let keep = 1 + i % 7;
        let told = |bit: usize, state: usize| (keep >> bit & 1 == 1).then_some(state);
        rows.push((told(0, i % 3), told(1, i / 3 % 3), told(2, i / 5 % 2)));
    }
    rows
}

/// A figure, of a measure also where it comes with its table.
fn figure(told: &BTreeMap<String, AnswerValue>, name: &str) -> f64 {
    match &told[name] {
        AnswerValue::Number(figure) | AnswerValue::Confusion { figure, .. } => *figure,
        other => panic!("`{name}` is no number: {other:?}"),
    }
}

fn column(values: Vec<Option<usize>>, labels: Option<&[&str]>) -> Column {
    let absent = values.iter().map(Option::is_none).collect();
    let shown: Vec<usize> = values.into_iter().map(Option::unwrap_or_default).collect();
    let mut column = match labels {
        Some(labels) => Column::coded(vec![], shown, labels.iter().map(|l| l.to_string()).collect()),
        None => Column::numbers(vec![], shown.into_iter().map(|v| v as f64).collect()),
    };
    column.absent = Some(absent);
    column
}

fn seen(rows: &[Row]) -> Table {
    let sky: &[&str] = &["sun", "cloud", "rain"];
    table(vec![
        ("a", column(rows.iter().map(|r| r.0).collect(), Some(sky))),
        ("b", column(rows.iter().map(|r| r.1).collect(), Some(sky))),
        ("c", column(rows.iter().map(|r| r.2).collect(), None)),
    ])
}

/// The joint states that agree with a row, each with its probability.
fn agreeing(p: &[f64], q: &[Vec<f64>], r: &[[f64; 3]; 3], row: Row) -> Vec<([usize; 3], f64)> {
    let mut found = Vec::new();
    for a in 0..3 {
        for b in 0..3 {
            for c in 0..2 {
                let fits = |told: Option<usize>, state: usize| told.is_none_or(|t| t == state);
                if fits(row.0, a) && fits(row.1, b) && fits(row.2, c) {
                    let yes = if c == 1 { r[a][b] } else { 1.0 - r[a][b] };
                    found.push(([a, b, c], p[a] * q[a][b] * yes));
                }
            }
        }
    }
    found
}

fn mass(states: &[([usize; 3], f64)]) -> f64 {
    states.iter().map(|s| s.1).sum()
}

#[test]
fn a_likelihood_sums_over_what_a_row_lacks() {
    let rows = rows();
    let text =
        format!("{NET}evaluate fit = loglik of m on seen\nevaluate wrong = error(a, argmax(a | b, c)) of m on seen\n");
    let told = answers(&compiled(&text, 1, &[("seen", seen(&rows))]), &params());
    let q: Vec<Vec<f64>> = Q.iter().map(|row| row.to_vec()).collect();
    let mean = rows.iter().map(|&r| mass(&agreeing(&P, &q, &R, r)).ln()).sum::<f64>() / rows.len() as f64;
    assert_close(figure(&told, "fit"), mean, 1e-12, "the mean over rows with gaps");
    // Of the rows that tell a, and b or c, the likeliest a given what is told of b and c.
    let scored: Vec<&Row> = rows.iter().filter(|r| r.0.is_some() && (r.1.is_some() || r.2.is_some())).collect();
    let best = |r: &Row| {
        let weight = |a: usize| mass(&agreeing(&P, &q, &R, (Some(a), r.1, r.2)));
        (0..3).rev().max_by(|&x, &y| weight(x).total_cmp(&weight(y))).expect("a state")
    };
    let wrong = scored.iter().filter(|r| Some(best(r)) != r.0).count() as f64 / scored.len() as f64;
    assert_close(figure(&told, "wrong"), wrong, 1e-12, "the error of predictions from what is told");
}

#[test]
fn expected_counts_are_those_of_plain_loops() {
    let rows = rows();
    let text =
        format!("{NET}train m over p, q on seen {{ maximise loglik by em; epochs 4 }}\n").replace(" over p, q", "");
    let text = text.replace("maximise loglik by em", "maximise loglik over p, q by em");
    let compiled = compiled(&text, 1, &[("seen", seen(&rows))]);
    let (learned, _) = learn(&compiled, 1, &params());
    let (mut p, mut q) = (P.to_vec(), Q.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
    for _ in 0..4 {
        let (mut np, mut nq) = (vec![0.0; 3], vec![vec![0.0; 3]; 3]);
        for &row in &rows {
            let states = agreeing(&p, &q, &R, row);
            let all = mass(&states);
            for ([a, b, _], weight) in states {
                np[a] += weight / all;
                nq[a][b] += weight / all;
            }
        }
        let total: f64 = np.iter().sum();
        p = np.iter().map(|n| n / total).collect();
        q = nq.iter().map(|row| row.iter().map(|n| n / row.iter().sum::<f64>()).collect()).collect();
    }
    for (name, expected) in [("m.p", p), ("m.q", q.concat())] {
        for (found, want) in learned[name].iter().zip(&expected) {
            assert_close(*found, *want, 1e-6, name);
        }
    }
}

#[test]
fn what_would_have_been_is_asked_of_twins() {
    // y = x unless u is on: given x = y = yes, u is on or off as before; without x, y is yes only where u is on.
    let text = "model m {
  u: Bool ~ Bernoulli(0.2)
  x: Bool ~ Bernoulli(0.5)
  y: Bool = if u then u else x
  x2: Bool = x
  y2: Bool = if u then u else x2
  z: Bool ~ Bernoulli(if y then 0.9 else 0.3)
}
query blame = P(y2 | y = yes, x = yes, do(x2 = no))
query story = argmax(y, x | z = yes)
query both  = P(y, x | z = yes)
";
    let told = answers(&compiled(text, 1, &[]), &Arrays::new());
    let AnswerValue::Distribution { states, .. } = &told["blame"] else { panic!("{:?}", told["blame"]) };
    assert_close(states[1].1, 0.2, 1e-12, "y without x");
    let AnswerValue::Entries(entries) = &told["story"] else { panic!("{:?}", told["story"]) };
    let state: Vec<f64> = entries.iter().map(|e| e.values[0]).collect();
    assert_eq!(state, [1.0, 1.0]);
    let AnswerValue::Distribution { states, .. } = &told["both"] else { panic!("{:?}", told["both"]) };
    let weights = [0.8 * 0.5 * 0.3, 0.0, 0.2 * 0.5 * 0.9, 0.5 * 0.9];
    let all: f64 = weights.iter().sum();
    for ((_, share), weight) in states.iter().zip(weights) {
        assert_close(*share, weight / all, 1e-12, "a joint state");
    }
}

#[test]
fn potentials_are_drawn_at_once() {
    let text = "axis Height = 3
axis Width = 3
model field {
  var s: Spin[Height, Width]
  for i in Height, j in Width {
    factor 0.4 * s[i, j] * s[i-1, j]
    factor 0.4 * s[i, j] * s[i, j-1]
    seen[i, j]: Bool ~ Bernoulli(logit = 2 * s[i, j])
  }
}
data pictures = sample(field, 4000, seed = 3)
evaluate ahead = loglik(seen) of field on pictures
evaluate alone = error(s, argmax_each(s | seen)) of field on pictures
evaluate blind = error(s, argmax_each(s)) of field on pictures
";
    let told = answers(&compiled(text, 1, &[]), &Arrays::new());
    // One entry's error is at most that of its own picture point, and less with its neighbours'.
    let share = 1.0 / (1.0 + 4f64.exp().sqrt());
    assert!(figure(&told, "alone") < share, "{}", figure(&told, "alone"));
    // By symmetry nothing is known beforehand.
    assert_close(figure(&told, "blind"), 0.5, 0.03, "the error without a picture");
    assert!(figure(&told, "ahead") > 9.0 * 0.5f64.ln(), "{}", figure(&told, "ahead"));
}
