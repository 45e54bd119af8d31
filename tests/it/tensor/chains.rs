//! Sums over the paths of chains as an operation: scaled recursions against plain logarithms, and derivatives against differences.

use ghmc::base::stream::Stream;
use ghmc::runtime::{Context, Options, Program, Real, States, interpret};
use ghmc::tensor::build::Chain;
use ghmc::tensor::graph::{Graph, NodeId};
use ghmc::tensor::op::{ChainOp, Semiring};

use super::differences::{Argument, check};

struct Case {
    op: ChainOp,
    rows: usize,
    steps: usize,
    arguments: Vec<Argument>,
    lengths: Option<Vec<f64>>,
}

fn below(rng: &mut Stream, n: usize) -> usize {
    rng.below(n as u32) as usize
}

/// A random chain; a hard one has impossible states and moves, and potentials far apart.
fn case(seed: u64, most: (usize, usize, usize), hard: bool) -> Case {
    let rng = &mut Stream::new(seed, 11, 0, 0);
    let (rows, steps, states) = (1 + below(rng, most.0), 1 + below(rng, most.1), 1 + below(rng, most.2));
    let op = ChainOp { along: below(rng, 3) == 0, apart: below(rng, 3) == 0 };
    let moves: Vec<usize> = [(op.apart, rows), (op.along, steps), (true, states), (true, states)]
        .iter()
        .filter(|m| m.0)
        .map(|m| m.1)
        .collect();
    let mut arguments = Vec::new();
    for shape in [vec![rows, states], vec![rows, steps, states], moves] {
        let wide = if hard && below(rng, 3) == 0 { 400.0 } else { 1.0 };
        let count: usize = shape.iter().product();
        let data = (0..count).map(|_| match hard && below(rng, 6) == 0 {
            true => f64::NEG_INFINITY,
            false => wide * (4.0 * rng.uniform() - 2.0),
        });
        let data = data.collect();
        arguments.push(Argument { shape, data });
    }
    let lengths = (below(rng, 2) == 0).then(|| (0..rows).map(|_| (1 + below(rng, steps)) as f64).collect());
    Case { op, rows, steps, arguments, lengths }
}

impl Case {
    fn chain(&self, g: &mut Graph, leaves: &[NodeId]) -> Chain {
        let lengths = self.lengths.clone().map(|l| g.constant(&[self.rows], l));
        Chain { start: leaves[0], local: leaves[1], moves: leaves[2], lengths }
    }

    /// The sum and its derivatives as outputs, from the operation or from the sum written out.
    fn graph(&self, written: bool) -> Graph {
        let mut g = Graph::new();
        let leaves: Vec<NodeId> =
            self.arguments.iter().enumerate().map(|(i, a)| g.input(&format!("a{i}"), &a.shape)).collect();
        let chain = self.chain(&mut g, &leaves);
        let sum = match written {
            true => g.chain_written(self.op, chain, Semiring::Soft, Semiring::Soft),
            false => g.chain_sum(self.op, chain),
        };
        g.output("sum", sum);
        for (i, d) in g.gradient(sum, &leaves).into_iter().enumerate() {
            g.output(&format!("d{i}"), d);
        }
        g
    }

    fn given<T: Real>(&self) -> Vec<(String, Vec<T>)> {
        let narrow = |a: &Argument| a.data.iter().map(|&v| T::of(v)).collect();
        self.arguments.iter().enumerate().map(|(i, a)| (format!("a{i}"), narrow(a))).collect()
    }
}

fn compiled<T: Real>(g: &Graph, inputs: &[(String, Vec<T>)]) -> Program<T> {
    let mut program = Program::compile(g, &Options::default()).expect("compiles");
    let inputs: Vec<(&str, &[T])> = inputs.iter().map(|(k, v)| (k.as_str(), &v[..])).collect();
    // Twice, since what a run leaves behind must not show in the next.
    for _ in 0..2 {
        program.run(&Context::default(), &mut States::new(), &inputs).expect("runs");
    }
    program
}

fn compare<T: Real>(what: &str, case: &Case, tolerance: f64) {
    let g = case.graph(false);
    let inputs = case.given::<f64>();
    let slices: Vec<(&str, &[f64])> = inputs.iter().map(|(k, v)| (k.as_str(), &v[..])).collect();
    let want = interpret(&g, &Context::default(), &mut States::new(), &slices).expect("runs");
    let program = compiled::<T>(&g, &case.given());
    for (name, _) in program.outputs() {
        let (_, got) = program.output(name).expect("an output");
        for (i, (g, &w)) in got.iter().zip(&want[name].data).enumerate() {
            let g = g.to_f64();
            let near = g == w || (g - w).abs() <= tolerance * w.abs().max(1.0);
            assert!(near, "{what} {name}[{i}]: {g}, {w} in plain logarithms");
        }
    }
}

#[test]
fn scaled_recursions_are_the_plain_ones() {
    for seed in 0..1500 {
        compare::<f64>(&format!("seed {seed}"), &case(seed, (9, 12, 7), true), 1e-9);
    }
    for seed in 0..60 {
        compare::<f64>(&format!("wide, seed {seed}"), &case(seed, (6, 6, 70), false), 1e-9);
    }
    for seed in 0..300 {
        compare::<f32>(&format!("single, seed {seed}"), &case(seed, (9, 12, 20), false), 2e-5);
    }
}

#[test]
fn the_sum_written_out_is_the_operation() {
    for seed in 0..300 {
        let case = case(seed, (5, 6, 5), false);
        let (one, other) = (case.graph(false), case.graph(true));
        let (one, other) = (compiled::<f64>(&one, &case.given()), compiled::<f64>(&other, &case.given()));
        for (name, _) in one.outputs() {
            let (a, b) = (one.output(name).expect("there").1, other.output(name).expect("there").1);
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                assert!((a - b).abs() < 1e-10 * b.abs().max(1.0), "seed {seed} {name}[{i}]: {a} and {b}");
            }
        }
    }
}

#[test]
fn a_state_too_unlikely_to_be_kept_counts_where_it_is_all_there_is() {
    // The second state loses e^-900 at every position, which no number near 1 can show, and the last position bans the first state.
    let (steps, lost) = (40, -900.0);
    let mut local: Vec<f64> = (0..steps).flat_map(|_| [0.0, lost]).collect();
    local[2 * (steps - 1)] = f64::NEG_INFINITY;
    let stay = f64::NEG_INFINITY;
    let case = Case {
        op: ChainOp { along: false, apart: false },
        rows: 1,
        steps,
        arguments: vec![
            Argument { shape: vec![1, 2], data: vec![0.0, 0.0] },
            Argument { shape: vec![1, steps, 2], data: local },
            Argument { shape: vec![2, 2], data: vec![0.0, stay, stay, 0.0] },
        ],
        lengths: None,
    };
    compare::<f64>("two that never meet", &case, 1e-12);
    compare::<f32>("two that never meet", &case, 1e-6);
    let program = compiled::<f64>(&case.graph(false), &case.given());
    let total = program.output("sum").expect("there").1[0];
    assert!((total - lost * steps as f64).abs() < 1e-9, "{total}");
    // Nothing at all is left.
    let mut none = case;
    let cells = none.arguments[1].data.len();
    none.arguments[1].data[cells - 1] = f64::NEG_INFINITY;
    let program = compiled::<f64>(&none.graph(false), &none.given());
    assert_eq!(program.output("sum").expect("there").1[0], f64::NEG_INFINITY);
    assert!(program.output("d1").expect("there").1.iter().all(|&d| d == 0.0));
}

#[test]
fn its_first_and_second_derivatives_are_those_of_differences() {
    for seed in 0..30 {
        let case = case(seed, (3, 3, 3), false);
        let cells: usize = case.arguments.iter().map(|a| a.data.len()).sum();
        let order = if cells < 40 { 2 } else { 1 };
        check(&format!("seed {seed}"), &case.arguments, order, |g, leaves| {
            let chain = case.chain(g, leaves);
            vec![g.chain_sum(case.op, chain)]
        });
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let case = case(5, (60, 90, 9), false);
    assert!(case.rows * case.steps > 400, "the case is large enough to be shared out");
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let program = compiled::<f64>(&case.graph(false), &case.given());
            let names: Vec<String> = program.outputs().iter().map(|(n, _)| n.clone()).collect();
            let all: Vec<u64> =
                names.iter().flat_map(|n| program.output(n).expect("there").1.iter().map(|v| v.to_bits())).collect();
            all
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}
