//! The compiled executor against the naive one, on random graphs of every operation.

use std::collections::BTreeMap;

use ghmc::base::stream::Stream;
use ghmc::runtime::{Context, Options, Program, Real, RunError, States, interpret};
use ghmc::tensor::graph::{Graph, NodeId};
use ghmc::tensor::op::{Binary, Law, Reduction, Semiring, Unary};

/// Builds random graphs whose values stay small. `exact` nodes have the same bits in both executors, so that steps and
/// comparisons may read them.
struct Builder {
    g: Graph,
    nodes: Vec<(NodeId, bool)>,
    rng: Stream,
    inputs: usize,
    limit: usize,
}

const EXTENTS: [usize; 9] = [1, 1, 2, 3, 5, 7, 17, 33, 100];

impl Builder {
    fn new(seed: u64, limit: usize) -> Self {
        let mut b = Self { g: Graph::new(), nodes: Vec::new(), rng: Stream::new(seed, 0, 0, 0), inputs: 0, limit };
        for _ in 0..3 {
            let rank = b.below(4);
            let mut shape = Vec::new();
            for _ in 0..rank {
                let extent = EXTENTS[b.below(EXTENTS.len())];
                if shape.iter().product::<usize>() * extent <= b.limit {
                    shape.push(extent);
                }
            }
            b.leaf(&shape);
        }
        b
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.below(n as u32) as usize
    }

    fn leaf(&mut self, shape: &[usize]) -> NodeId {
        let kind = self.below(3);
        let n = match kind {
            0 => {
                let data = (0..shape.iter().product()).map(|_| self.rng.uniform() * 2.0 - 1.0).collect();
                self.g.constant(shape, data)
            }
            1 => {
                self.inputs += 1;
                self.g.state(&format!("s{}", self.inputs), shape)
            }
            _ => {
                self.inputs += 1;
                self.g.input(&format!("i{}", self.inputs), shape)
            }
        };
        self.nodes.push((n, true));
        n
    }

    fn any(&mut self) -> (NodeId, bool) {
        let n = self.nodes.len();
        let i = n - 1 - self.below(n.min(8));
        self.nodes[i]
    }

    /// Another node of this shape, or a new leaf.
    fn like(&mut self, shape: &[usize]) -> (NodeId, bool) {
        let same: Vec<_> = self.nodes.iter().copied().filter(|n| self.g.shape(n.0) == shape).collect();
        match same.is_empty() || self.below(4) == 0 {
            true => (self.leaf(shape), true),
            false => same[self.below(same.len())],
        }
    }

    fn bounded(&mut self, n: NodeId) -> NodeId {
        self.g.unary(Unary::Sin, n)
    }

    fn grow(&mut self) {
        let (a, exact) = self.any();
        let shape = self.g.shape(a).to_vec();
        let rank = shape.len();
        let axis = if rank > 0 { self.below(rank) } else { 0 };
        let choice = self.below(24);
        let result = match choice {
            0..=2 => {
                let f =
                    [Unary::Neg, Unary::Sigmoid, Unary::Softplus, Unary::Tanh, Unary::Relu, Unary::Abs, Unary::Square]
                        [self.below(7)];
                let n = self.g.unary(f, a);
                Some((self.bounded(n), false))
            }
            3 => {
                let s = self.g.unary(Unary::Tanh, a);
                let f =
                    [Unary::Exp, Unary::Expm1, Unary::Erf, Unary::Cos, Unary::Square, Unary::IsFinite][self.below(6)];
                Some((self.g.unary(f, s), false))
            }
            4 => {
                let square = self.g.unary(Unary::Square, a);
                let half = self.g.full(&shape, 0.5);
                let positive = self.g.add(square, half);
                let f = [
                    Unary::Log,
                    Unary::Log1p,
                    Unary::Sqrt,
                    Unary::Recip,
                    Unary::Lgamma,
                    Unary::Digamma,
                    Unary::Polygamma(1),
                ][self.below(7)];
                let n = self.g.unary(f, positive);
                Some((self.bounded(n), false))
            }
            5..=7 => {
                let (b, other) = self.like(&shape);
                let f =
                    [Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min, Binary::MulZero][self.below(6)];
                Some((self.g.binary(f, a, b), exact && other && !matches!(f, Binary::Mul | Binary::MulZero)))
            }
            8 if exact => {
                let (b, other) = self.like(&shape);
                match other {
                    true => {
                        let f = [Binary::Lt, Binary::Le, Binary::Eq, Binary::And, Binary::Or][self.below(5)];
                        Some((self.g.binary(f, a, b), true))
                    }
                    false => None,
                }
            }
            9 if exact => {
                let f = [Unary::Step, Unary::Sign, Unary::Floor, Unary::Not][self.below(4)];
                let cond = self.g.unary(f, a);
                let (b, other) = self.like(&shape);
                Some((self.g.select(cond, b, a), other))
            }
            10 => {
                let extra = EXTENTS[self.below(6)];
                let elements: usize = shape.iter().product();
                (elements * extra <= self.limit).then(|| {
                    let at = self.below(rank + 1);
                    let mut wide = shape.clone();
                    wide.insert(at, extra);
                    let map: Vec<usize> = (0..=rank).filter(|&i| i != at).collect();
                    (self.g.broadcast(a, &wide, &map), exact)
                })
            }
            11 => {
                let flat: usize = shape.iter().product();
                let divisor = [1, 2, 3, 5, 7][self.below(5)];
                let to = if flat.is_multiple_of(divisor) { vec![divisor, flat / divisor] } else { vec![flat] };
                Some((self.g.reshape(a, &to), exact))
            }
            12 => {
                let mut perm: Vec<usize> = (0..rank).collect();
                self.rng.shuffle(&mut perm);
                Some((self.g.transpose(a, &perm), exact))
            }
            13 if rank > 0 => {
                let start = self.below(shape[axis]);
                let len = 1 + self.below(shape[axis] - start);
                Some((self.g.slice(a, axis, start, len), exact))
            }
            14 if rank > 0 => {
                let (before, after) = (self.below(3), self.below(3));
                Some((self.g.pad(a, axis, before, after, 0.25), exact))
            }
            15 if rank > 0 => {
                let (b, other) = self.like(&shape);
                let n = self.g.concat(&[a, b, a], axis);
                (self.g.elements(n) <= self.limit).then_some((n, exact && other))
            }
            16 if rank > 0 => Some((self.g.flip(a, axis), exact)),
            17 if rank > 0 => {
                let kind = [Reduction::Sum, Reduction::Max, Reduction::Min][self.below(3)];
                let axes: Vec<usize> = (0..rank).filter(|_| self.below(2) == 0).collect();
                let n = self.g.reduce(kind, a, &axes);
                Some((self.bounded(n), false))
            }
            18 if rank > 0 => match self.below(4) {
                0 => Some((self.g.log_sum_exp(a, axis, Semiring::Soft), false)),
                1 => Some((self.g.log_sum_exp(a, axis, Semiring::Max), exact)),
                2 => Some((self.g.softmax(a, axis), false)),
                _ => {
                    let (exclusive, reverse) = (self.below(2) == 0, self.below(2) == 0);
                    let n = self.g.cumsum(a, axis, exclusive, reverse);
                    Some((self.bounded(n), false))
                }
            },
            19 if rank > 0 && exact => match self.below(2) {
                0 => Some((self.g.one_hot_argmax(a, axis), true)),
                _ => {
                    let site = self.below(3) as u32;
                    Some((self.g.one_hot_sample(a, axis, site), true))
                }
            },
            20 if rank > 0 => {
                let count = 1 + self.below(5);
                let index: Vec<f64> = (0..count).map(|_| self.below(shape[axis]) as f64).collect();
                let index = self.g.constant(&[count], index);
                let picked = self.g.gather(a, axis, index);
                match self.below(2) {
                    0 => Some((picked, exact)),
                    _ => Some((self.g.scatter(picked, axis, index, &shape), false)),
                }
            }
            21 => {
                let law = [Law::Uniform, Law::Normal, Law::Gumbel, Law::Exponential][self.below(4)];
                let site = self.below(3) as u32;
                Some((self.g.random(law, &shape, site), true))
            }
            22 => self.contraction(a, &shape).map(|n| (self.bounded(n), false)),
            23 => Some((self.recurrence(a, &shape), false)),
            _ => None,
        };
        if let Some(found) = result {
            self.nodes.push(found);
        }
    }

    /// An Einstein sum with labels chosen at random.
    fn contraction(&mut self, a: NodeId, shape: &[usize]) -> Option<NodeId> {
        let la: Vec<u32> = (0..shape.len() as u32).collect();
        let mut lb: Vec<u32> = la.iter().copied().filter(|_| self.below(2) == 0).collect();
        lb.extend((0..self.below(3) as u32).map(|i| 20 + i));
        self.rng.shuffle(&mut lb);
        let sb: Vec<usize> =
            lb.iter().map(|&l| if l < 20 { shape[l as usize] } else { [2, 5, 33][l as usize - 20] }).collect();
        let mut out: Vec<u32> = la
            .iter()
            .copied()
            .chain([20, 21])
            .filter(|l| (la.contains(l) || lb.contains(l)) && self.below(2) == 0)
            .collect();
        self.rng.shuffle(&mut out);
        let extents: usize =
            out.iter().map(|&l| if l < 20 { shape[l as usize] } else { [2, 5, 33][l as usize - 20] }).product();
        if extents > self.limit || sb.iter().product::<usize>() > self.limit {
            return None;
        }
        let (b, _) = self.like(&sb);
        Some(match self.below(2) {
            0 => self.g.einsum(a, &la, b, &lb, &out),
            _ => self.g.einsum(b, &lb, a, &la, &out),
        })
    }

    fn recurrence(&mut self, a: NodeId, shape: &[usize]) -> NodeId {
        let (b, _) = self.like(shape);
        let (length, reverse) = (1 + self.below(4), self.below(2) == 0);
        let rows = self.leaf(&[&[length], shape].concat());
        let (which, swap) = (self.below(5), self.below(2) == 0);
        let results = self.g.scan_with(length, reverse, &[a, b], &[rows], &[b], |g, t, c, x, k| {
            let t = g.broadcast(t, shape, &[]);
            let noise = g.random(Law::Normal, shape, 77);
            let noise = g.mul(noise, t);
            let sum = g.add(x[0], noise);
            let sum = g.add(sum, k[0]);
            let next = g.mul(c[0], sum);
            let next = g.unary(Unary::Tanh, next);
            match swap {
                true => (vec![c[1], next], vec![next, c[0]]),
                false => (vec![next, c[1]], vec![sum, sum]),
            }
        });
        match results.get(which) {
            Some(&n) => n,
            None => self.g.while_with(5, &[a], &[b], |g, t, c, k| {
                let limit = g.scalar(3.0);
                let next = g.add(c[0], k[0]);
                (g.binary(Binary::Lt, t, limit), vec![g.unary(Unary::Sin, next)])
            })[0],
        }
    }
}

fn random_graph(seed: u64, size: usize, limit: usize) -> Graph {
    let mut b = Builder::new(seed, limit);
    for _ in 0..size {
        b.grow();
    }
    let results: Vec<NodeId> = (0..3).map(|_| b.any().0).collect();
    for (i, &n) in results.iter().enumerate() {
        b.g.output(&format!("o{i}"), n);
        b.g.set_state(&format!("new{i}"), n);
    }
    if seed.is_multiple_of(2) {
        let leaves: Vec<NodeId> = b.g.input_nodes().values().chain(b.g.state_nodes().values()).copied().collect();
        let leaves: Vec<NodeId> = leaves.into_iter().filter(|&l| !b.g.updates().values().any(|&u| u == l)).collect();
        for (i, d) in b.g.gradient(results[0], &leaves).into_iter().enumerate() {
            b.g.output(&format!("d{i}"), d);
        }
    }
    b.g
}

type Found<T> = (BTreeMap<String, Vec<T>>, States<T>);

fn arguments<T: Real>(g: &Graph, seed: u64) -> (Vec<(String, Vec<T>)>, States<T>) {
    let mut rng = Stream::new(seed, 1, 0, 0);
    // Eighths, so that sums of few of them are exact.
    let mut fill = |n: usize| (0..n).map(|_| T::of((rng.uniform() * 16.0).floor() / 8.0 - 1.0)).collect::<Vec<T>>();
    let inputs = g.input_nodes().iter().map(|(k, &n)| (k.clone(), fill(g.elements(n)))).collect();
    let mut states = States::new();
    for (name, &n) in g.state_nodes() {
        states.insert(name.as_str(), g.shape(n), fill(g.elements(n)));
    }
    (inputs, states)
}

pub fn compiled<T: Real>(g: &Graph, seed: u64, options: &Options, runs: u64) -> Result<Found<T>, RunError> {
    let (inputs, mut states) = arguments::<T>(g, seed);
    let inputs: Vec<(&str, &[T])> = inputs.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
    let mut program = Program::<T>::compile(g, options).expect("well formed");
    for step in 0..runs {
        program.run(&Context { seed, step }, &mut states, &inputs)?;
    }
    let names: Vec<String> = program.outputs().iter().map(|o| o.0.clone()).collect();
    let found = names.into_iter().map(|n| (n.clone(), program.output(&n).expect("an output").1.to_vec())).collect();
    Ok((found, states))
}

fn naive<T: Real>(g: &Graph, seed: u64, runs: u64) -> Result<Found<T>, RunError> {
    let (inputs, mut states) = arguments::<T>(g, seed);
    let inputs: Vec<(&str, &[T])> = inputs.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
    let mut found = BTreeMap::new();
    for step in 0..runs {
        found = interpret(g, &Context { seed, step }, &mut states, &inputs)?;
    }
    Ok((found.into_iter().map(|(k, v)| (k, v.data)).collect(), states))
}

fn same<T: Real>(seed: u64, what: &str, got: &[T], want: &[T], tolerance: f64, g: &Graph) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().map(|w| w.to_f64().abs()).filter(|w| w.is_finite()).fold(1.0, f64::max);
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        let (a, b) = (a.to_f64(), b.to_f64());
        let fine = (a - b).abs() <= tolerance * scale || a == b || (a.is_nan() && b.is_nan());
        assert!(fine, "graph {seed}, {what}[{i}]: {a} compiled, {b} naive\n{g}");
    }
}

fn agree<T: Real>(graphs: std::ops::Range<u64>, tolerance: f64) {
    for seed in graphs {
        let g = random_graph(seed, 4 + (seed % 13) as usize, 400);
        let want = naive::<T>(&g, seed, 2).expect("it runs");
        for fuse in [true, false] {
            let got = compiled::<T>(&g, seed, &Options { fuse }, 2).expect("it runs");
            for (name, values) in &want.0 {
                same(seed, name, &got.0[name], values, tolerance, &g);
            }
            for (name, _, values) in want.1.iter() {
                same(seed, name, got.1.get(name).expect("a state").1, values, tolerance, &g);
            }
        }
    }
}

#[test]
fn compiled_graphs_agree_with_the_naive_executor_in_f64() {
    agree::<f64>(0..1200, 1e-9);
}

#[test]
fn compiled_graphs_agree_with_the_naive_executor_in_f32() {
    agree::<f32>(1200..2400, 2e-4);
}

#[test]
fn work_that_is_split_agrees_with_the_naive_executor() {
    let mut g = Graph::new();
    let (x, y) = (g.input("x", &[210, 100]), g.input("y", &[5, 60, 70]));
    let mut results = Vec::new();
    for (n, axes) in [(x, 2), (y, 3)] {
        let shape = g.shape(n).to_vec();
        for axis in 0..axes {
            results.push(g.log_sum_exp(n, axis, Semiring::Soft));
            results.push(g.log_sum_exp(n, axis, Semiring::Max));
            results.push(g.softmax(n, axis));
            results.push(g.one_hot_argmax(n, axis));
            results.push(g.one_hot_sample(n, axis, 3));
            results.push(g.cumsum(n, axis, true, true));
            results.push(g.reduce(Reduction::Sum, n, &[axis]));
            results.push(g.reduce(Reduction::Max, n, &[axis]));
            let extent = shape[axis];
            let index = g.constant(&[2 * extent], (0..2 * extent).map(|i| (i * i % extent) as f64).collect());
            let picked = g.gather(n, axis, index);
            results.push(picked);
            results.push(g.scatter(picked, axis, index, &shape));
            let flipped = g.flip(n, axis);
            let padded = g.pad(flipped, axis, 3, 1, 0.5);
            results.push(padded);
        }
        results.push(g.sum_all(n));
        let noise = g.random(Law::Normal, &shape, 5);
        let sum = g.add(n, noise);
        results.push(sum);
        let perm: Vec<usize> = (0..axes).rev().collect();
        results.push(g.transpose(sum, &perm));
    }
    // A batch of products large enough to be split.
    let z = g.input("z", &[5, 70, 30]);
    results.push(g.einsum(y, &[0, 1, 2], z, &[0, 2, 3], &[0, 3, 1]));
    // Factors of matrices whose rows are no whole number of lanes, and the systems they solve.
    for (matrices, n, k) in [(1, 33, 1), (7, 5, 3), (30, 19, 20)] {
        let a = g.input(&format!("a{n}"), &[matrices, n, n]);
        let square = g.einsum(a, &[0, 1, 3], a, &[0, 2, 3], &[0, 1, 2]);
        let eye = (0..n * n).map(|e| if e / n == e % n { 1.0 } else { 0.0 }).collect();
        let eye = g.constant(&[n, n], eye);
        let eye = g.broadcast(eye, &[matrices, n, n], &[1, 2]);
        let square = g.add(square, eye);
        let lower = g.cholesky(square, "the test");
        let b = g.input(&format!("b{n}"), &[matrices, n, k]);
        results.push(lower);
        results.push(g.solve(lower, b, false));
        results.push(g.solve(lower, b, true));
    }
    for (i, n) in results.into_iter().enumerate() {
        g.output(&format!("o{i}"), n);
    }
    let want = naive::<f64>(&g, 1, 1).expect("it runs");
    let got = compiled::<f64>(&g, 1, &Options::default(), 1).expect("it runs");
    for (name, values) in &want.0 {
        same(1, name, &got.0[name], values, 1e-11, &Graph::new());
    }
    let want = naive::<f32>(&g, 1, 1).expect("it runs");
    let got = compiled::<f32>(&g, 1, &Options::default(), 1).expect("it runs");
    for (name, values) in &want.0 {
        same(1, name, &got.0[name], values, 1e-5, &Graph::new());
    }
}

#[test]
fn states_change_together_at_the_end() {
    let mut g = Graph::new();
    let (a, b) = (g.state("a", &[2]), g.state("b", &[2]));
    g.set_state("a", b);
    g.set_state("b", a);
    let sum = g.add(a, b);
    g.set_state("sum", sum);
    g.output("a", a);
    let mut states = States::new();
    states.insert("a", &[2], vec![1.0f32, 2.0]);
    states.insert("b", &[2], vec![3.0f32, 4.0]);
    let mut program = Program::<f32>::compile(&g, &Options::default()).expect("well formed");
    for turn in 0..3 {
        program.run(&Context::default(), &mut states, &[]).expect("it runs");
        let (first, second) = if turn % 2 == 0 { ([3.0, 4.0], [1.0, 2.0]) } else { ([1.0, 2.0], [3.0, 4.0]) };
        assert_eq!(states.get("a").expect("a").1, first);
        assert_eq!(states.get("b").expect("b").1, second);
        assert_eq!(states.get("sum").expect("sum").1, [4.0, 6.0]);
        assert_eq!(program.output("a").expect("a").1, second);
    }
}

#[test]
fn what_goes_wrong_is_named_and_leaves_the_states_as_they_were() {
    let mut g = Graph::new();
    let (x, s, i) = (g.input("x", &[2, 3]), g.state("s", &[3]), g.input("i", &[]));
    let wide = g.broadcast(s, &[2, 3], &[1]);
    let ratio = g.div(x, wide);
    g.watch("ratio", ratio);
    let picked = g.gather(s, 0, i);
    g.output("picked", picked);
    let new = g.reduce(Reduction::Sum, ratio, &[0]);
    g.set_state("s", new);
    let mut program = Program::<f64>::compile(&g, &Options::default()).expect("well formed");
    let mut states = States::new();
    let x = [1.0; 6];
    let run =
        |p: &mut Program<f64>, s: &mut States<f64>, inputs: &[(&str, &[f64])]| p.run(&Context::default(), s, inputs);
    let missing = run(&mut program, &mut states, &[("x", &x), ("i", &[0.0])]);
    assert_eq!(missing, Err(RunError::MissingState("s".to_string())));
    states.insert("s", &[3], vec![1.0, 0.0, 2.0]);
    assert_eq!(run(&mut program, &mut states, &[("x", &x)]), Err(RunError::MissingInput("i".to_string())));
    assert!(matches!(run(&mut program, &mut states, &[("x", &x[1..]), ("i", &[0.0])]), Err(RunError::Shape { .. })));
    let out = run(&mut program, &mut states, &[("x", &x), ("i", &[3.0])]);
    assert_eq!(out, Err(RunError::IndexOutOfRange { value: "3".to_string(), extent: 3 }));
    let infinite = run(&mut program, &mut states, &[("x", &x), ("i", &[1.0])]);
    assert_eq!(infinite, Err(RunError::NotFinite { label: "ratio".to_string(), index: vec![0, 1] }));
    assert_eq!(states.get("s").expect("s").1, [1.0, 0.0, 2.0]);
    if let Some((_, s)) = states.get_mut("s") {
        s[1] = 4.0;
    }
    assert_eq!(run(&mut program, &mut states, &[("x", &x), ("i", &[1.0])]), Ok(()));
    assert_eq!(program.output("picked").expect("picked").1, [4.0]);
    assert_eq!(states.get("s").expect("s").1, [2.0, 0.5, 1.0]);
}
