//! Trials of what stands around distributions: plates, edges, definitions, choices, operators.

use std::f64::consts::PI;

use super::{Numbers, Trial};
use crate::oracle::random::Stream;

fn log_normal(x: f64, mean: f64, sd: f64) -> f64 {
    -(x - mean) * (x - mean) / (2.0 * sd * sd) - (sd * (2.0 * PI).sqrt()).ln()
}

fn log_bernoulli(x: f64, p: f64) -> f64 {
    x * p.ln() + (1.0 - x) * (1.0 - p).ln()
}

/// Plates in one another and side by side; partial indices; an order of loops that is not that of the declaration.
pub fn plates(stream: &mut Stream) -> Trial {
    let (a, b, d) = (1 + stream.below(3), 1 + stream.below(3), 1 + stream.below(2));
    let text = format!(
        "axis A = {a}\naxis B = {b}\naxis D = {d}\nmodel m {{\n  param g: Real, w[A, B]: Real, v[A, B]: Real[D], u: Real[D]\n  \
         z: Real ~ Normal(g, sd = 1)\n  for i in A {{\n    y[i]: Real ~ Normal(z, sd = 1.5)\n    factor 0.5 * sum(w[i]) * y[i]\n    \
         for j in B {{ x[i, j]: Real[D] ~ Normal(v[i, j] + y[i], sd = 0.8) }}\n  }}\n  \
         for j in B, i in A {{ factor w[i, j] * (u @ x[i, j]) * y[i] }}\n  for i in A {{ factor g * x[i, 1] @ u }}\n}}\n"
    );
    // A written position counts from 1 as states are called; `x[i, 1]` needs an axis that has one.
    let text = text.replace("  for i in A { factor g * x[i, 1] @ u }\n", "");
    Trial::new(text, move |n| {
        let mut sum = log_normal(n.at("z", &[]), n.at("m.g", &[]), 1.0);
        for i in 0..a {
            let y = n.at("y", &[i]);
            sum += log_normal(y, n.at("z", &[]), 1.5);
            for j in 0..b {
                let w = n.at("m.w", &[i, j]);
                sum += 0.5 * w * y;
                let mut dot = 0.0;
                for k in 0..d {
                    let x = n.at("x", &[i, j, k]);
                    sum += log_normal(x, n.at("m.v", &[i, j, k]) + y, 0.8);
                    dot += n.at("m.u", &[k]) * x;
                }
                sum += w * dot * y;
            }
        }
        sum
    })
}

/// Neighbours on both sides, further away than the axis is long at times; both edges.
pub fn offsets(stream: &mut Stream) -> Trial {
    let (length, back, on) = (1 + stream.below(4), stream.below(4), stream.below(3));
    let text = format!(
        "axis T = {length}\nmodel m {{\n  param a: Real, b: Real, c: Real, s: Positive, start: Real\n  for t in T {{\n    \
         x[t]: Real ~ Normal(if t is first then start else a * x[t-1], sd = s)\n    \
         y[t]: Real ~ Normal(if t is last then b else b * y[t+1] + x[t], sd = 1)\n    \
         factor c * x[t-{back}] * y[t+{on}]\n    factor if t is last then x[t] * b else y[t] * x[t+1]\n    \
         factor if x[t] > 0 then x[t-1] else c\n  }}\n}}\n"
    );
    let text = text.replace("[t-0]", "[t]").replace("[t+0]", "[t]");
    Trial::new(text, move |n| {
        let (x, y) = (n.vector("x", &[], length), n.vector("y", &[], length));
        let (a, b, c) = (n.at("m.a", &[]), n.at("m.b", &[]), n.at("m.c", &[]));
        let mut sum = 0.0;
        for t in 0..length {
            let last = t + 1 == length;
            sum += log_normal(x[t], if t == 0 { n.at("m.start", &[]) } else { a * x[t - 1] }, n.at("m.s", &[]));
            sum += log_normal(y[t], if last { b } else { b * y[t + 1] + x[t] }, 1.0);
            if t >= back && t + on < length {
                sum += c * x[t - back] * y[t + on];
            }
            sum += if last { x[t] * b } else { y[t] * x[t + 1] };
            // The branch that is taken reaches outside at the first position, where the whole is then silent.
            sum += match x[t] > 0.0 {
                true if t == 0 => 0.0,
                true => x[t - 1],
                false => c,
            };
        }
        sum
    })
}

/// A row shorter than the longest: everything that runs along the axis ends with the row.
pub fn ragged(stream: &mut Stream) -> Trial {
    let longest = 2 + stream.below(4);
    let length = 1 + stream.below(longest);
    let terms = [
        "factor a * x[t] * x[t+1]",
        "factor size(T) * b * x[t]",
        "factor if t is last then a * x[t] else 0",
        "factor b * x[t-2]",
        "factor 0.1 * sum(x) * x[t]",
        "factor mean(x) * b",
        "factor max(x) * x[t]",
        "factor logsumexp(x) * a",
        "factor softmax(x)[t] * a",
        "factor 0.1 * (x @ x)",
        "factor a * sum(window(x, W)[t])",
    ];
    let kept: Vec<usize> = (0..terms.len()).filter(|_| stream.chance(0.4)).collect();
    let body: String = kept.iter().map(|&k| format!("    {}\n", terms[k])).collect();
    let text = format!(
        "axis T = {longest}\naxis W = 3\nmodel m {{\n  param a: Real, b: Real\n  for t in T {{\n    \
         x[t]: Real ~ Normal(if t is first then a else b * x[t-1], sd = 1)\n{body}  }}\n}}\n"
    );
    let mut trial = Trial::new(text, move |n| {
        let x = n.vector("x", &[], length);
        let (a, b) = (n.at("m.a", &[]), n.at("m.b", &[]));
        let total: f64 = x.iter().sum();
        let exps: f64 = x.iter().map(|x| x.exp()).sum();
        let near = |t: usize| x[t.max(1) - 1..(t + 2).min(length)].iter().sum::<f64>();
        let mut sum = 0.0;
        for t in 0..length {
            sum += log_normal(x[t], if t == 0 { a } else { b * x[t - 1] }, 1.0);
            for k in &kept {
                sum += match k {
                    0 if t + 1 < length => a * x[t] * x[t + 1],
                    1 => length as f64 * b * x[t],
                    2 if t + 1 == length => a * x[t],
                    3 if t >= 2 => b * x[t - 2],
                    4 => 0.1 * total * x[t],
                    5 => total / length as f64 * b,
                    6 => x.iter().copied().fold(f64::NEG_INFINITY, f64::max) * x[t],
                    7 => exps.ln() * a,
                    8 => x[t].exp() / exps * a,
                    9 => 0.1 * x.iter().map(|x| x * x).sum::<f64>(),
                    10 => a * near(t),
                    _ => 0.0,
                };
            }
        }
        sum
    });
    trial.ragged.push(("T", longest, length));
    trial
}

/// Definitions: plain, along a plate, of themselves one position before or after, of states.
pub fn definitions(stream: &mut Stream) -> Trial {
    let length = 1 + stream.below(4);
    let backwards = stream.chance(0.3);
    let recursion = match backwards {
        false => "r[t]: Real = if t is first then x else tanh(b * r[t-1] + d[t])",
        true => "r[t]: Real = if t is last then x else tanh(b * r[t+1] + d[t])",
    };
    let recursive = stream.chance(0.6);
    let (line, read) = if recursive { (recursion, "r[t] + d[t]") } else { ("", "d[t]") };
    let text = format!(
        "axis T = {length}\naxis Sky = sunny, cloudy, rain\nmodel m {{\n  param a: Real, b: Real, v: Real[Sky], w: Simplex[Sky]\n  \
         x: Real ~ Normal(0, sd = 1)\n  twice: Real = 2 * x + a\n  for t in T {{\n    e[t]: Real ~ Normal(twice, sd = 1)\n    \
         d[t]: Real = a * e[t] + x\n    {line}\n    o[t]: Real ~ Normal({read}, sd = 0.5)\n  }}\n  \
         s: Sky ~ Categorical(w)\n  u: Sky = if s is sunny then cloudy else s\n  factor v[u]\n}}\n"
    );
    let given = stream.chance(0.3).then(|| stream.below(3));
    let mut trial = Trial::new(text, move |n| {
        let (a, b, x) = (n.at("m.a", &[]), n.at("m.b", &[]), n.at("x", &[]));
        let d: Vec<f64> = (0..length).map(|t| a * n.at("e", &[t]) + x).collect();
        let mut r = vec![0.0; length];
        let order: Vec<usize> = if backwards { (0..length).rev().collect() } else { (0..length).collect() };
        for (k, &t) in order.iter().enumerate() {
            r[t] = if k == 0 { x } else { (b * r[order[k - 1]] + d[t]).tanh() };
        }
        let mut sum = log_normal(x, 0.0, 1.0);
        for t in 0..length {
            sum += log_normal(n.at("e", &[t]), 2.0 * x + a, 1.0);
            sum += log_normal(n.at("o", &[t]), d[t] + if recursive { r[t] } else { 0.0 }, 0.5);
        }
        let s = n.state("s", &[]);
        let u = if s == 0 { 1 } else { s };
        let agrees = given.is_none_or(|g| g == u);
        sum += n.at("m.w", &[s]).ln() + n.at("m.v", &[given.unwrap_or(u)]);
        if agrees { sum } else { f64::NEG_INFINITY }
    });
    trial.fixed.extend(given.map(|g| ("u".to_string(), vec![g as f64])));
    trial
}

/// Choices by states, comparisons and tables; a grey `Bool` mixes what it chooses between.
pub fn choices(stream: &mut Stream) -> Trial {
    let text = "axis Sky = sunny, cloudy, rain\nmodel m {\n  param p: Unit, q: Unit, w[Sky]: Real, v[Sky]: Real, a: Real\n  \
        c: Bool ~ Bernoulli(p)\n  s: Sky ~ Categorical([0.2, 0.5, 0.3])\n  \
        g: Bool ~ Bernoulli(if c then q else (if s is rain then p else 0.9))\n  k: Spin ~ Bernoulli(0.25)\n  \
        x: Real ~ Normal(table(c, s) { no, sunny -> 0; no, cloudy -> a; no, rain -> 2 * a; yes, sunny -> 1; yes, cloudy -> p; yes, rain -> -1 }, sd = if g is no then 0.5 else 1.5)\n  \
        factor table(g, c) { no, no -> 0.5; no, yes -> a; yes, no -> w[s]; yes, yes -> 3 * q }\n  \
        factor if s is cloudy then w[s] else k * v[s]\n  factor if x < a then x else a * x\n  \
        factor if k is up then a * c else 0.3\n  factor log(table(c) { no -> 0.25; yes -> p })\n}\n";
    let text = text.replace("k is up", "k > 0");
    let grey = stream.chance(0.5).then(|| 0.1 + 0.8 * stream.unit());
    let mut trial = Trial::new(text, move |n: &Numbers| {
        let (p, q, a) = (n.at("m.p", &[]), n.at("m.q", &[]), n.at("m.a", &[]));
        let (c, g, k, x, s) = (n.at("c", &[]), n.at("g", &[]), n.at("k", &[]), n.at("x", &[]), n.state("s", &[]));
        let (w, v) = (n.at("m.w", &[s]), n.at("m.v", &[s]));
        let mix = |yes: f64, no: f64| c * yes + (1.0 - c) * no;
        let other = if s == 2 { p } else { 0.9 };
        let mut sum = log_bernoulli(c, p) + [0.2f64, 0.5, 0.3][s].ln() + log_bernoulli(g, mix(q, other));
        sum += if k > 0.0 { 0.25f64.ln() } else { 0.75f64.ln() };
        let mean = mix([1.0, p, -1.0][s], [0.0, a, 2.0 * a][s]);
        sum += log_normal(x, mean, if g == 0.0 { 0.5 } else { 1.5 });
        sum += if g == 0.0 { mix(a, 0.5) } else { mix(3.0 * q, w) };
        sum += if s == 1 { w } else { k * v };
        sum += if x < a { x } else { a * x };
        sum += if k > 0.0 { a * c } else { 0.3 };
        sum + mix(p, 0.25).ln()
    });
    trial.fixed.extend(grey.map(|u| ("c".to_string(), vec![u])));
    trial
}

/// An expression over the axes I and J, drawn at random: its text, and its value as a grid that is constant along the axes it
/// lacks.
enum Tree {
    Leaf(&'static str, bool, bool),
    Number(f64),
    Call(&'static str, Box<Tree>),
    Binary(char, Box<Tree>, Box<Tree>),
    Contract(Box<Tree>, Box<Tree>),
    Over(&'static str, Box<Tree>, char),
    Softmax(Box<Tree>, char),
}

type Grid = Vec<Vec<f64>>;

impl Tree {
    fn random(stream: &mut Stream, depth: usize) -> Tree {
        const LEAVES: [Tree; 4] = [
            Tree::Leaf("a", true, true),
            Tree::Leaf("b", true, false),
            Tree::Leaf("c", false, true),
            Tree::Leaf("d", false, false),
        ];
        const CALLS: [&str; 13] = [
            "exp(tanh(#))",
            "log(square(#) + 0.5)",
            "sqrt(square(#) + 1)",
            "square(tanh(#))",
            "abs(#)",
            "sin(#)",
            "cos(#)",
            "tanh(#)",
            "sigmoid(#)",
            "softplus(#)",
            "relu(#)",
            "step(#)",
            "-(#)",
        ];
        if depth == 0 || stream.chance(0.1) {
            return match stream.below(9) {
                0 => Tree::Number((stream.normal() * 100.0).round() / 100.0),
                k => {
                    let Tree::Leaf(name, i, j) = LEAVES[k % 4] else { return Tree::Number(1.0) };
                    Tree::Leaf(name, i, j)
                }
            };
        }
        let one = Box::new(Tree::random(stream, depth - 1));
        let (i, j) = one.axes();
        match stream.below(6) {
            0 | 1 => {
                let call = *stream.pick(&CALLS);
                Tree::Call(call, one)
            }
            2 | 3 => {
                let other = Box::new(Tree::random(stream, depth - 1));
                let (k, l) = other.axes();
                // The axes of one are among the other's; else each has something of its own and nothing in common.
                if i && !j && !k && l || !i && j && k && !l {
                    return Tree::Over("sum", one, if i { 'I' } else { 'J' });
                }
                Tree::Binary(*stream.pick(&['+', '-', '*', '/']), one, other)
            }
            4 => {
                let other = Box::new(Tree::random(stream, depth - 1));
                let (k, l) = other.axes();
                if i && k || j && l { Tree::Contract(one, other) } else { Tree::Call("tanh(#)", one) }
            }
            _ if i || j => {
                let axis = if i && (!j || stream.chance(0.5)) { 'I' } else { 'J' };
                match stream.below(5) {
                    4 => Tree::Softmax(one, axis),
                    k => Tree::Over(["sum", "mean", "max", "logsumexp"][k], one, axis),
                }
            }
            _ => Tree::Call("tanh(#)", one),
        }
    }

    fn axes(&self) -> (bool, bool) {
        match self {
            Tree::Leaf(_, i, j) => (*i, *j),
            Tree::Number(_) => (false, false),
            Tree::Call(_, e) | Tree::Softmax(e, _) => e.axes(),
            Tree::Binary(_, a, b) => (a.axes().0 || b.axes().0, a.axes().1 || b.axes().1),
            Tree::Contract(a, b) => (a.axes().0 != b.axes().0, a.axes().1 != b.axes().1),
            Tree::Over(_, e, axis) => (e.axes().0 && *axis != 'I', e.axes().1 && *axis != 'J'),
        }
    }

    fn text(&self) -> String {
        match self {
            Tree::Leaf(name, ..) => (*name).into(),
            Tree::Number(x) if *x < 0.0 => format!("(0 - {})", -x),
            Tree::Number(x) => format!("{x}"),
            Tree::Call(form, e) => form.replace('#', &e.text()),
            Tree::Binary('/', a, b) => format!("({} / (1 + square({})))", a.text(), b.text()),
            Tree::Binary(op, a, b) => format!("({} {op} {})", a.text(), b.text()),
            Tree::Contract(a, b) => format!("(({}) @ ({}))", a.text(), b.text()),
            Tree::Over(how, e, axis) => format!("{how}({}, {axis})", e.text()),
            Tree::Softmax(e, axis) => format!("softmax({}, {axis})", e.text()),
        }
    }

    fn value(&self, n: &Numbers, size: (usize, usize)) -> Grid {
        let grid = |f: &dyn Fn(usize, usize) -> f64| -> Grid {
            (0..size.0).map(|i| (0..size.1).map(|j| f(i, j)).collect()).collect()
        };
        let lines = |e: &Tree, axis: char, f: &dyn Fn(Vec<f64>, usize) -> f64| {
            let v = e.value(n, size);
            grid(&|i, j| match axis {
                'I' => f((0..size.0).map(|k| v[k][j]).collect(), i),
                _ => f(v[i].clone(), j),
            })
        };
        match self {
            Tree::Leaf(name, has_i, has_j) => grid(&|i, j| {
                let at: Vec<usize> = has_i.then_some(i).into_iter().chain(has_j.then_some(j)).collect();
                n.at(&format!("m.{name}"), &at)
            }),
            Tree::Number(x) => grid(&|_, _| *x),
            Tree::Call(form, e) => {
                let v = e.value(n, size);
                let f = |x: f64| match form.split('(').next().unwrap_or_default() {
                    "exp" => x.tanh().exp(),
                    "log" => (x * x + 0.5).ln(),
                    "sqrt" => (x * x + 1.0).sqrt(),
                    "square" => x.tanh() * x.tanh(),
                    "abs" => x.abs(),
                    "sin" => x.sin(),
                    "cos" => x.cos(),
                    "tanh" => (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
                    "sigmoid" => 1.0 / (1.0 + (-x).exp()),
                    "softplus" => x.max(0.0) + (1.0 + (-x.abs()).exp()).ln(),
                    "relu" => {
                        if x > 0.0 {
                            x
                        } else {
                            0.0
                        }
                    }
                    "step" => {
                        if x > 0.0 {
                            1.0
                        } else {
                            0.0
                        }
                    }
                    _ => -x,
                };
                grid(&|i, j| f(v[i][j]))
            }
            Tree::Binary(op, a, b) => {
                let (a, b) = (a.value(n, size), b.value(n, size));
                grid(&|i, j| match op {
                    '+' => a[i][j] + b[i][j],
                    '-' => a[i][j] - b[i][j],
                    '*' => a[i][j] * b[i][j],
                    _ => a[i][j] / (1.0 + b[i][j] * b[i][j]),
                })
            }
            Tree::Contract(left, right) => {
                let both = (left.axes().0 && right.axes().0, left.axes().1 && right.axes().1);
                let (a, b) = (left.value(n, size), right.value(n, size));
                grid(&|i, j| {
                    let rows = if both.0 { 0..size.0 } else { i..i + 1 };
                    let columns = if both.1 { 0..size.1 } else { j..j + 1 };
                    rows.map(|i| columns.clone().map(|j| a[i][j] * b[i][j]).sum::<f64>()).sum()
                })
            }
            Tree::Over(how, e, axis) => lines(e, *axis, &|line, _| match *how {
                "sum" => line.iter().sum(),
                "mean" => line.iter().sum::<f64>() / line.len() as f64,
                "max" => line.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                _ => line.iter().map(|x| x.exp()).sum::<f64>().ln(),
            }),
            Tree::Softmax(e, axis) => {
                lines(e, *axis, &|line, k| line[k].exp() / line.iter().map(|x| x.exp()).sum::<f64>())
            }
        }
    }
}

/// A random expression as a potential and as a mean.
pub fn arithmetic(stream: &mut Stream) -> Trial {
    let size = (1 + stream.below(3), 1 + stream.below(3));
    let (tree, mean) = (Tree::random(stream, 4), Tree::random(stream, 3));
    let all = format!("tanh({})", tree.text());
    let (i, j) = tree.axes();
    let whole = if i || j { format!("sum({all})") } else { all };
    let (row, column) = (mean.axes().0, mean.axes().1);
    let target = match (row, column) {
        (false, false) => "Real",
        (true, false) => "Real[I]",
        (false, true) => "Real[J]",
        (true, true) => "Real[I, J]",
    };
    let text = format!(
        "axis I = {}\naxis J = {}\nmodel m {{\n  param a: Real[I, J], b: Real[I], c: Real[J], d: Real\n  \
         x: {target} ~ Normal(tanh({}), sd = 1.25)\n  factor {whole}\n}}\n",
        size.0,
        size.1,
        mean.text(),
    );
    Trial::new(text, move |n| {
        let (v, mean) = (tree.value(n, size), mean.value(n, size));
        let mut sum = 0.0;
        for i in 0..if i { size.0 } else { 1 } {
            for j in 0..if j { size.1 } else { 1 } {
                sum += v[i][j].tanh();
            }
        }
        for i in 0..if row { size.0 } else { 1 } {
            for j in 0..if column { size.1 } else { 1 } {
                let at: Vec<usize> = row.then_some(i).into_iter().chain(column.then_some(j)).collect();
                sum += log_normal(n.at("x", &at), mean[i][j].tanh(), 1.25);
            }
        }
        sum
    })
}

/// Windows of any width, over one axis and over one of a matrix, on a row that may be short.
pub fn windows(stream: &mut Stream) -> Trial {
    let longest = 1 + stream.below(4);
    let length = if stream.chance(0.5) { longest } else { 1 + stream.below(longest) };
    let (width, dims) = (1 + stream.below(5), 1 + stream.below(2));
    let text = format!(
        "axis T = {longest}\naxis D = {dims}\naxis W = {width}\nmodel m {{\n  param F: Real[W, D], a: Real\n  for t in T {{\n    \
         x[t]: Real[D] ~ Normal(0, sd = 1)\n    factor F @ window(x, W)[t]\n    \
         y[t]: Real[W, D] ~ Normal(a * window(x, W)[t], sd = 1)\n  }}\n}}\n"
    );
    let mut trial = Trial::new(text, move |n| {
        let mut sum = 0.0;
        for t in 0..length {
            for d in 0..dims {
                sum += log_normal(n.at("x", &[t, d]), 0.0, 1.0);
                for w in 0..width {
                    let place = t as i64 + w as i64 - (width / 2) as i64;
                    let x = if place < 0 || place >= length as i64 { 0.0 } else { n.at("x", &[place as usize, d]) };
                    sum += n.at("m.F", &[w, d]) * x;
                    sum += log_normal(n.at("y", &[t, w, d]), n.at("m.a", &[]) * x, 1.0);
                }
            }
        }
        sum
    });
    trial.ragged.push(("T", longest, length));
    trial
}
