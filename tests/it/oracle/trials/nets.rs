//! Trials of nets: stacks of layers as loops over positions and channels.
//!
//! LSTM: Hochreiter, Schmidhuber (1997) with the forget gate of Gers, Schmidhuber, Cummins (2000); GRU: Cho et al. (2014);
//! layer normalisation: Ba, Kiros, Hinton (2016).

use std::f64::consts::PI;

use super::{Numbers, Trial};
use crate::oracle::random::Stream;

/// A vector for each position.
type Features = Vec<Vec<f64>>;

const POOLS: [&str; 3] = ["max", "mean", "sum"];
const ACTIVATIONS: [&str; 4] = ["tanh", "sigmoid", "softplus", "sin"];

fn act(name: &str, x: f64) -> f64 {
    match name {
        "tanh" => x.tanh(),
        "sigmoid" => sigmoid(x),
        "softplus" => (1.0 + x.exp()).ln(),
        "sin" => x.sin(),
        _ => x,
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// One layer between the arguments and the output.
#[derive(Clone)]
enum Layer {
    Dense(usize, &'static str),
    Conv(usize, usize, &'static str),
    Pool(usize, &'static str),
    PoolAll(&'static str),
    Norm,
    Dropout,
}

impl Layer {
    fn text(&self) -> String {
        match self {
            Layer::Dense(n, f) => format!("dense({n}, {f})"),
            Layer::Conv(n, width, f) => format!("conv({n}, width = {width}, {f})"),
            Layer::Pool(size, how) => format!("pool({size}, {how})"),
            Layer::PoolAll(how) => format!("pool({how})"),
            Layer::Norm => "norm".into(),
            Layer::Dropout => "dropout(0.3)".into(),
        }
    }

    fn apply(&self, n: &Numbers, label: &str, x: Features) -> Features {
        let name = |what: &str| format!("{label}.{what}");
        match self {
            Layer::Dense(units, f) => x.iter().map(|x| dense(n, label, x, *units, f)).collect(),
            Layer::Conv(units, width, f) => {
                let one = |t: usize, k: usize| {
                    let mut sum = n.at(&name("bias"), &[k]);
                    for w in 0..*width {
                        let place = t as i64 + w as i64 - (*width / 2) as i64;
                        if place < 0 || place >= x.len() as i64 {
                            continue;
                        }
                        for (c, v) in x[place as usize].iter().enumerate() {
                            sum += v * n.at(&name("weight"), &[w, c, k]);
                        }
                    }
                    act(f, sum)
                };
                (0..x.len()).map(|t| (0..*units).map(|k| one(t, k)).collect()).collect()
            }
            Layer::Pool(size, how) => x.chunks_exact(*size).map(|block| pool(block, how)).collect(),
            Layer::PoolAll(how) => vec![pool(&x, how)],
            Layer::Norm => {
                let one = |x: &Vec<f64>| {
                    let count = x.len() as f64;
                    let mean = x.iter().sum::<f64>() / count;
                    let spread = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count + 1e-5).sqrt();
                    let gain = |k: usize| n.at(&name("gain"), &[k]).exp();
                    (0..x.len()).map(|k| (x[k] - mean) / spread * gain(k) + n.at(&name("shift"), &[k])).collect()
                };
                x.iter().map(one).collect()
            }
            // Nothing is dropped where nothing is learned.
            Layer::Dropout => x,
        }
    }
}

fn pool(block: &[Vec<f64>], how: &str) -> Vec<f64> {
    let channel = |k: usize| block.iter().map(move |x| x[k]);
    (0..block[0].len())
        .map(|k| match how {
            "max" => channel(k).fold(f64::NEG_INFINITY, f64::max),
            "mean" => channel(k).sum::<f64>() / block.len() as f64,
            _ => channel(k).sum(),
        })
        .collect()
}

fn dense(n: &Numbers, label: &str, x: &[f64], units: usize, f: &str) -> Vec<f64> {
    let one = |k: usize| {
        let weighted = x.iter().enumerate().map(|(c, v)| v * n.at(&format!("{label}.weight"), &[c, k]));
        act(f, n.at(&format!("{label}.bias"), &[k]) + weighted.sum::<f64>())
    };
    (0..units).map(one).collect()
}

/// The link of an output's domain.
fn linked(domain: &str, x: Vec<f64>) -> Vec<f64> {
    match domain {
        "Positive" => x.iter().map(|x| x.exp()).collect(),
        "Unit" => x.iter().map(|x| sigmoid(*x)).collect(),
        "Simplex" => x.iter().map(|a| a.exp() / x.iter().map(|x| x.exp()).sum::<f64>()).collect(),
        _ => x,
    }
}

/// A stack of layers over positions: an output for each, one by weights for each position, or one by pooling them all.
pub fn features(stream: &mut Stream) -> Trial {
    let longest = 2 + stream.below(4);
    let (dims, outputs) = (1 + stream.below(2), 1 + stream.below(3));
    let domain = *stream.pick(&["Real", "Positive", "Unit", "Simplex"]);
    let embedded = stream.chance(0.5).then(|| 1 + stream.below(3));
    // 0: an output for each position, 1: one with weights for each, 2: one by pooling.
    let form = stream.below(3);
    let ragged = form != 1 && stream.chance(0.5);
    let length = if ragged { 1 + stream.below(longest) } else { longest };
    let mut layers = Vec::new();
    let mut positions = length;
    for _ in 0..stream.below(4) {
        let f = *stream.pick(&ACTIVATIONS);
        let how = *stream.pick(&POOLS);
        layers.push(match stream.below(6) {
            0 => Layer::Dense(1 + stream.below(3), f),
            1 | 2 => Layer::Conv(1 + stream.below(3), 1 + stream.below(4), f),
            3 => Layer::Norm,
            4 if form != 0 && positions >= 2 => {
                positions /= 2;
                Layer::Pool(2, how)
            }
            _ => Layer::Dropout,
        });
    }
    if form == 1 {
        // One feature vector for each position; else each argument had weights of its own.
        layers.insert(0, Layer::Dense(2, "tanh"));
    }
    if form == 2 {
        let how = *stream.pick(&POOLS);
        layers.push(Layer::PoolAll(how));
    }
    let mut written: Vec<String> = layers.iter().map(Layer::text).collect();
    let first = usize::from(embedded.is_some()) + 1;
    if let Some(size) = embedded {
        written.insert(0, format!("embed(y = {size})"));
    }
    written.push("dense".into());
    let count = written.len();
    let (output, head, read) = match form {
        0 => (format!("(out[T]: {domain}[K])"), "f.out".to_string(), "factor u @ f(x, y)[t]"),
        _ => (format!("{domain}[K]"), format!("f.{count}"), "factor u @ f(x, y)"),
    };
    let body = if form == 0 { format!("for t in T {{ {read} }}") } else { read.to_string() };
    let text = format!(
        "axis T = {longest}\naxis D = {dims}\naxis K = {outputs}\naxis Color = red, green, blue\n\
         net f(x[T]: Real[D], y[T]: Color) -> {output} {{ {} }}\n\
         model m(given x[T]: Real[D], given y[T]: Color) {{\n  param u: Real[K]\n  z: Bool ~ Bernoulli(0.5)\n  {body}\n}}\n",
        written.join("; "),
    );
    let mut trial = Trial::new(text, move |n| {
        let mut x: Features = Vec::new();
        for t in 0..length {
            let mut v = n.vector("x", &[t], dims);
            let y = n.state("y", &[t]);
            match embedded {
                Some(size) => v.extend((0..size).map(|k| n.at("f.1.y", &[y, k]))),
                None => v.extend((0..3).map(|k| if k == y { 1.0 } else { 0.0 })),
            }
            x.push(v);
        }
        for (i, layer) in layers.iter().enumerate() {
            x = layer.apply(n, &format!("f.{}", first + i), x);
        }
        let score =
            |v: Vec<f64>| -> f64 { linked(domain, v).iter().enumerate().map(|(k, v)| n.at("m.u", &[k]) * v).sum() };
        let value: f64 = match form {
            1 => {
                let one = |k: usize| {
                    let mut sum = n.at(&format!("{head}.bias"), &[k]);
                    for (t, x) in x.iter().enumerate() {
                        for (c, v) in x.iter().enumerate() {
                            sum += v * n.at(&format!("{head}.weight"), &[t, c, k]);
                        }
                    }
                    sum
                };
                score((0..outputs).map(one).collect())
            }
            _ => x.iter().map(|x| score(dense(n, &head, x, outputs, ""))).sum(),
        };
        value + 0.5f64.ln()
    });
    if ragged {
        trial.ragged.push(("T", longest, length));
    }
    trial
}

/// The states of a recurrent layer, from the one before the first; the last entry is the state after all inputs.
fn recur(n: &Numbers, label: &str, cell: &str, units: usize, start: &[f64], x: &Features) -> Features {
    let gate = |name: &str, x: &[f64], h: &[f64]| -> Vec<f64> {
        let of = |what: &str| format!("{label}.{name}.{what}");
        let one = |k: usize| {
            let input: f64 = x.iter().enumerate().map(|(c, v)| v * n.at(&of("weight"), &[c, k])).sum();
            let state: f64 = h.iter().enumerate().map(|(c, v)| v * n.at(&of("state"), &[c, k])).sum();
            input + state + n.at(&of("bias"), &[k])
        };
        (0..units).map(one).collect()
    };
    let mut states = vec![start.to_vec()];
    let mut memory = vec![0.0; units];
    for x in x {
        let h = states.last().cloned().unwrap_or_default();
        states.push(match cell {
            "rnn" => gate("in", x, &h).iter().map(|a| a.tanh()).collect(),
            "gru" => {
                let (update, reset) = (gate("update", x, &h), gate("reset", x, &h));
                let heard: Vec<f64> = (0..units).map(|k| sigmoid(reset[k]) * h[k]).collect();
                let new = gate("new", x, &heard);
                (0..units).map(|k| (1.0 - sigmoid(update[k])) * h[k] + sigmoid(update[k]) * new[k].tanh()).collect()
            }
            _ => {
                let [write, keep, read, new] = ["write", "keep", "read", "new"].map(|g| gate(g, x, &h));
                for k in 0..units {
                    memory[k] = sigmoid(keep[k]) * memory[k] + sigmoid(write[k]) * new[k].tanh();
                }
                (0..units).map(|k| sigmoid(read[k]) * memory[k].tanh()).collect()
            }
        });
    }
    states
}

/// Recurrent layers: all states, the last, and the one before each position; one over the other; with a start.
pub fn recurrences(stream: &mut Stream) -> Trial {
    let longest = 1 + stream.below(4);
    let length = if stream.chance(0.5) { longest } else { 1 + stream.below(longest) };
    let (dims, codes, units) = (1 + stream.below(2), 1 + stream.below(2), 1 + stream.below(3));
    let cell = *stream.pick(&["rnn", "gru", "lstm"]);
    let second = stream.chance(0.3).then(|| *stream.pick(&["rnn", "gru", "lstm"]));
    let start = stream.chance(0.5);
    // 0: the state of each position, 1: the last, 2: the one before each position.
    let form = stream.below(3);
    // With a start beside it the input goes through nothing else first.
    let before = (!start && stream.chance(0.4)).then(|| 1 + stream.below(3));
    let mut written = Vec::new();
    written.extend(before.map(|k| format!("dense({k}, tanh)")));
    written.push(if start { format!("{cell}({units}, start = z)") } else { format!("{cell}({units})") });
    written.extend(second.map(|c| format!("{c}(2)")));
    let (output, head) = match form {
        0 => ("(out[T]: Real[K])".to_string(), "f.out".to_string()),
        _ => ("Real[K]".to_string(), format!("f.{}", written.len() + 1)),
    };
    let (extra, z) = if start { ("z: Real[Z], ", "z, ") } else { ("", "") };
    let body = match form {
        0 => format!("for t in T {{ o[t]: Real[K] ~ Normal(f({z}x)[t], sd = 1) }}"),
        1 => format!("o: Real[K] ~ Normal(f({z}x), sd = 1)"),
        _ => String::new(),
    };
    let of_x = match form {
        2 => format!("x[t]: Real[D] ~ Normal(u @ f({z}x[<t]), sd = 1)"),
        _ => "x[t]: Real[D] ~ Normal(0, sd = 1)".to_string(),
    };
    let text = format!(
        "axis T = {longest}\naxis D = {dims}\naxis Z = {codes}\naxis K = 2\n\
         net f({extra}x[T]: Real[D]) -> {output} {{ {}; dense }}\n\
         model m {{\n  param u: Real[K]\n  z: Real[Z] ~ Normal(0, sd = 1)\n  for t in T {{ {of_x} }}\n  {body}\n}}\n",
        written.join("; "),
    );
    let mut trial = Trial::new(text, move |n| {
        let log_normal = |x: f64, mean: f64| -(x - mean) * (x - mean) / 2.0 - (2.0 * PI).sqrt().ln();
        let x: Features = (0..length).map(|t| n.vector("x", &[t], dims)).collect();
        let z = n.vector("z", &[], codes);
        let mut features = x.clone();
        let mut place = 1;
        if let Some(k) = before {
            features = features.iter().map(|x| dense(n, "f.1", x, k, "tanh")).collect();
            place = 2;
        }
        let label = format!("f.{place}");
        let first = if start { dense(n, &format!("{label}.start"), &z, units, "tanh") } else { vec![0.0; units] };
        let mut states = recur(n, &label, cell, units, &first, &features);
        if let Some(cell) = second {
            states = recur(n, &format!("f.{}", place + 1), cell, 2, &[0.0; 2], &states[1..].to_vec());
        }
        let out = |state: &[f64]| dense(n, &head, state, 2, "");
        let mut sum: f64 = z.iter().map(|z| log_normal(*z, 0.0)).sum();
        for t in 0..length {
            let mean = match form {
                2 => out(&states[t]).iter().enumerate().map(|(k, v)| n.at("m.u", &[k]) * v).sum(),
                _ => 0.0,
            };
            sum += x[t].iter().map(|x| log_normal(*x, mean)).sum::<f64>();
            if form == 0 {
                let mean = out(&states[t + 1]);
                sum += (0..2).map(|k| log_normal(n.at("o", &[t, k]), mean[k])).sum::<f64>();
            }
        }
        if form == 1 {
            let mean = out(&states[length]);
            sum += (0..2).map(|k| log_normal(n.at("o", &[k]), mean[k])).sum::<f64>();
        }
        sum
    });
    if length < longest || stream.chance(0.3) {
        trial.ragged.push(("T", longest, length));
    }
    trial
}
