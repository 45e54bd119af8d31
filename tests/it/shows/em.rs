//! Expectation-maximisation where parameters are means and spreads of normals: the likelihood never falls, and where it ends a gradient
//! finds nothing more; of complete rows one step is the least-squares fit.

use ghmc::data::{Column, Table};

use super::{Arrays, assert_close, compiled, learn, numbers, table};
use crate::oracle::random::Stream;

/// A column of rows with holes: about that share of its entries is absent.
fn holed(shape: Vec<usize>, rows: &[Vec<f64>], share: f64, stream: &mut Stream) -> Column {
    let values: Vec<f64> = rows.iter().flatten().copied().collect();
    let absent: Vec<bool> = values.iter().map(|_| stream.chance(share)).collect();
    let shown = values.iter().zip(&absent).map(|(v, gone)| if *gone { 0.0 } else { *v }).collect();
    Column { absent: Some(absent), ..Column::numbers(shape, shown) }
}

/// Rows of a walk in two dimensions with steps of both sizes, seen with noise.
fn walks(rows: usize, length: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
    (0..rows)
        .map(|_| {
            let (mut x, mut wild) = ([0.0, 0.0], false);
            let mut seen = Vec::new();
            for _ in 0..length {
                wild = if stream.chance(0.2) { !wild } else { wild };
                for x in &mut x {
                    *x = 0.8 * *x + if wild { 1.5 } else { 0.4 } * stream.normal();
                    seen.push(1.5 * *x + 0.3 + 0.3 * stream.normal());
                }
            }
            seen
        })
        .collect()
}

/// The objective after each epoch, from a start, under a text's model and one more line.
fn run(model: &str, line: &str, data: &Table, start: &Arrays) -> (Arrays, Vec<f64>) {
    let text = format!("{model}train m on d {{ {line} }}\n");
    let compiled = compiled(&text, 3, &[("d", data.clone())]);
    let start = if start.is_empty() { compiled.untrained().params() } else { start.clone() };
    let (end, history) = learn(&compiled, 3, &start);
    (end, history[0].epochs.iter().map(|e| e.objectives[0].expect("a likelihood")).collect())
}

const MODELS: [(&str, &str); 6] = [
    (
        "factors",
        "axis D = 4\naxis K = 2\nmodel m {\n param W: Real[D, K], b: Real[D], s: Positive[D]\n z: Real[K] ~ Normal(0, sd = 1)\n \
         y: Real[D] ~ Normal(W @ z + b, sd = s)\n}\ndata d = csv(\"d.csv\") { y: Real[D] }\n",
    ),
    (
        "components, through a definition",
        "axis D = 4\naxis K = 2\nmodel m {\n param W: Real[D, K], b: Real[D], s: Positive\n z: Real[K] ~ Normal(0, sd = 1)\n \
         mean: Real[D] = W @ z + b\n y: Real[D] ~ Normal(mean, sd = s)\n}\ndata d = csv(\"d.csv\") { y: Real[D] }\n",
    ),
    (
        "a linear system",
        "axis T = 6\naxis D = 2\naxis F = D\nmodel m {\n param A: Real[D, F], c: Real, b: Real, s: Positive[D], r: Positive\n for t in T {\n \
         x[t]: Real[D] ~ Normal(if t is first then 0 else sum(A * x[t-1], F), sd = s)\n y[t]: Real[D] ~ Normal(c * x[t] + b, sd = r)\n }\n}\n\
         data d = csv(\"d.csv\") { y[T]: Real[D] }\n",
    ),
    (
        "hidden states",
        "axis T = 6\naxis D = 2\naxis S = 2\naxis R = S\nmodel m {\n param A[R]: Simplex[S], p: Simplex[S], mu: Real[S, D], r: Positive[S]\n \
         for t in T {\n s[t]: S ~ Categorical(if t is first then p else A[s[t-1]])\n y[t]: Real[D] ~ Normal(mu[s[t]], sd = r[s[t]])\n }\n}\n\
         data d = csv(\"d.csv\") { y[T]: Real[D] }\n",
    ),
    (
        "a mixture",
        "axis D = 4\naxis S = 2\nmodel m {\n param p: Simplex[S], b: Real[S, D], r: Positive[S, D]\n \
         z: S ~ Categorical(p)\n y: Real[D] ~ Normal(b[z], sd = r[z])\n}\ndata d = csv(\"d.csv\") { y: Real[D] }\n",
    ),
    (
        "spreads alone",
        "axis T = 6\naxis D = 2\nmodel m {\n param s: Positive, r: Positive\n for t in T {\n \
         x[t]: Real[D] ~ Normal(if t is first then 0 else x[t-1], sd = s)\n y[t]: Real[D] ~ Normal(x[t], sd = r)\n }\n}\n\
         data d = csv(\"d.csv\") { y[T]: Real[D] }\n",
    ),
];

#[test]
fn the_likelihood_never_falls_and_a_gradient_finds_no_more() {
    for (name, model) in MODELS {
        for share in [0.0f64, 0.25] {
            let mut stream = Stream::new(share.to_bits() ^ 0xE3);
            let rows = walks(30, if model.contains("axis T") { 6 } else { 2 }, &mut stream);
            let shape = if model.contains("axis T") { vec![6, 2] } else { vec![4] };
            let data = table(vec![("y", holed(shape, &rows, share, &mut stream))]);
            let (end, climbed) = run(model, "maximise loglik; epochs 400", &data, &Arrays::new());
            for (epoch, pair) in climbed.windows(2).enumerate() {
                assert!(
                    pair[1] >= pair[0] - 1e-9,
                    "{name}, {share}: epoch {epoch} falls from {} to {}",
                    pair[0],
                    pair[1]
                );
            }
            let (first, last) = (climbed[0], climbed[climbed.len() - 1]);
            assert!(last > first + 0.05, "{name}, {share}: from {first} to {last} in {} epochs", climbed.len());
            let (_, further) = run(model, "maximise loglik with adam(1e-3); epochs 200", &data, &end);
            let most = further.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!(most < last + 2e-3, "{name}, {share}: {last} by EM, and {most} by a gradient from there");
            // From the same start a gradient climbs the same hill, where there is one.
            if model.contains("axis S") {
                continue;
            }
            let (_, other) = run(model, "maximise loglik with adam(0.02); epochs 1500", &data, &Arrays::new());
            let other = other.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!((other - last).abs() < 0.02, "{name}, {share}: {last} by EM, and {other} by a gradient");
        }
    }
}

#[test]
fn of_complete_rows_one_step_is_least_squares() {
    let model = "axis F = 3\nmodel m(given x: Real[F]) {\n param w: Real[F], b: Real, s: Positive\n y: Real ~ Normal(w @ x + b, sd = s)\n}\n\
                 data d = csv(\"d.csv\") { x: Real[F]; y: Real }\n";
    let mut stream = Stream::new(5);
    let x: Vec<Vec<f64>> = (0..40).map(|_| (0..3).map(|_| stream.normal()).collect()).collect();
    let y: Vec<f64> = x.iter().map(|x| 0.4 * x[0] - 1.2 * x[1] + 0.1 * x[2] + 2.0 + 0.5 * stream.normal()).collect();
    let column = Column::numbers(Vec::new(), y.clone());
    let data = table(vec![("x", numbers(3, &x)), ("y", column)]);
    let (end, _) = run(model, "maximise loglik by em; epochs 1", &data, &Arrays::new());
    let (w, b, s) = (&end["m.w"], end["m.b"].sum(), end["m.s"].sum());
    let left: Vec<f64> =
        x.iter().zip(&y).map(|(x, y)| y - b - x.iter().zip(w.iter()).map(|(x, w)| x * w).sum::<f64>()).collect();
    // What is left is orthogonal to all that is read, up to the ridge, and has the spread.
    assert!(left.iter().sum::<f64>().abs() < 1e-3, "{left:?}");
    for i in 0..3 {
        let along: f64 = x.iter().zip(&left).map(|(x, left)| x[i] * left).sum();
        assert!(along.abs() < 1e-3, "{i}: {along}");
    }
    let square = left.iter().map(|e| e * e).sum::<f64>() / 40.0;
    assert_close(s * s, square, 1e-5, "the variance");
}
