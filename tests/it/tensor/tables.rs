//! Sums over tables as an operation: the junction tree against every joint state, and derivatives against differences.

use ghmc::base::stream::Stream;
use ghmc::runtime::{Context, Options, Program, Real, States, interpret};
use ghmc::tensor::graph::{Graph, NodeId};
use ghmc::tensor::op::{Op, Semiring, Summing, TableInput, TableOp};

use super::differences::{Argument, argument, check};

/// A random sum: tables over some axes, with rows or without, at several positions, some of which name an axis twice or none.
struct Case {
    op: TableOp,
    arguments: Vec<Argument>,
}

fn below(rng: &mut Stream, n: usize) -> usize {
    rng.below(n as u32) as usize
}

fn names(axes: usize) -> Vec<String> {
    (0..axes).map(|a| format!("x{a}")).collect()
}

fn case(seed: u64, hard: bool) -> Case {
    let rng = &mut Stream::new(seed, 7, 0, 0);
    let axes = 1 + below(rng, 6);
    let sizes: Vec<usize> = (0..axes).map(|_| [1, 2, 2, 3, 4][below(rng, 5)]).collect();
    let rows = 1 + below(rng, 7);
    let mut op = TableOp {
        names: names(axes),
        sizes: sizes.clone(),
        inputs: Vec::new(),
        mode: Semiring::Soft,
        how: Summing::Exact,
    };
    let mut arguments = Vec::new();
    for _ in 0..1 + below(rng, 5) {
        let first: Vec<usize> = (0..below(rng, 4)).map(|_| below(rng, axes)).collect();
        let own: Vec<usize> = first.iter().map(|&a| sizes[a]).collect();
        let mut places = Vec::new();
        for _ in 0..1 + below(rng, 3) {
            let place = own.iter().map(|&n| {
                let fitting: Vec<usize> = (0..axes).filter(|&a| sizes[a] == n).collect();
                (below(rng, 6) > 0).then(|| fitting[below(rng, fitting.len())])
            });
            places.push(place.collect::<Vec<_>>());
        }
        let input = TableInput { sizes: own.clone(), places, unit_over: None };
        let rowed = below(rng, 2) == 0;
        let lead = if rowed { rows } else { 1 };
        let count = lead * input.places.len() * input.cells();
        // Wide logarithms would overflow if they were not scaled.
        let wide = if hard && below(rng, 5) == 0 { 900.0 } else { 1.0 };
        let mut data: Vec<f64> = (0..count).map(|_| wide * (4.0 * rng.uniform() - 2.0)).collect();
        if hard {
            for cell in &mut data {
                if below(rng, 8) == 0 {
                    *cell = f64::NEG_INFINITY;
                }
            }
            // Evidence: one state is left of an axis, in some rows.
            if own.len() == 1 && own[0] > 0 {
                for table in data.chunks_mut(own[0]) {
                    if below(rng, 3) > 0 {
                        let state = below(rng, own[0]);
                        table
                            .iter_mut()
                            .enumerate()
                            .for_each(|(s, c)| *c = if s == state { 0.0 } else { f64::NEG_INFINITY });
                    }
                }
            }
        }
        let mut shape = if rowed { vec![rows] } else { Vec::new() };
        shape.extend([input.places.len(), input.cells()]);
        arguments.push(Argument { shape, data });
        op.inputs.push(input);
    }
    // Tables that sum to one along their last axis, as promised.
    for child in 0..axes {
        if below(rng, 2) == 0 {
            let parents: Vec<usize> = (0..child).filter(|_| below(rng, 3) == 0).collect();
            let place: Vec<usize> = parents.into_iter().chain([child]).collect();
            let own: Vec<usize> = place.iter().map(|&a| sizes[a]).collect();
            let last = own.len() - 1;
            let input = TableInput {
                sizes: own.clone(),
                places: vec![place.into_iter().map(Some).collect()],
                unit_over: Some(last),
            };
            let mut data = Vec::new();
            for _ in 0..input.cells() / sizes[child] {
                let weights: Vec<f64> = (0..sizes[child]).map(|_| rng.uniform() + 0.05).collect();
                let total: f64 = weights.iter().sum();
                data.extend(weights.iter().map(|w| (w / total).ln()));
            }
            arguments.push(Argument { shape: vec![1, input.cells()], data });
            op.inputs.push(input);
        }
    }
    Case { op, arguments }
}

/// The graph of a case with its logarithm and every derivative by the cells as outputs.
fn graph(case: &Case) -> Graph {
    let mut g = Graph::new();
    let leaves: Vec<NodeId> =
        case.arguments.iter().enumerate().map(|(i, a)| g.input(&format!("a{i}"), &a.shape)).collect();
    let sum = g.table_sum(case.op.clone(), &leaves);
    g.output("sum", sum);
    for (i, d) in g.gradient(sum, &leaves).into_iter().enumerate() {
        g.output(&format!("d{i}"), d);
    }
    g
}

fn given(case: &Case) -> Vec<(String, Vec<f64>)> {
    case.arguments.iter().enumerate().map(|(i, a)| (format!("a{i}"), a.data.clone())).collect()
}

fn compiled<T: Real>(g: &Graph, inputs: &[(String, Vec<T>)], seed: u64) -> Program<T> {
    let mut program = Program::compile(g, &Options::default()).expect("compiles");
    let inputs: Vec<(&str, &[T])> = inputs.iter().map(|(k, v)| (k.as_str(), &v[..])).collect();
    program.run(&Context { seed, step: 0 }, &mut States::new(), &inputs).expect("runs");
    program
}

fn same(got: f64, want: f64, tolerance: f64) -> bool {
    got == want || got.is_nan() && want.is_nan() || (got - want).abs() <= tolerance * want.abs().max(1.0)
}

#[test]
fn the_junction_tree_is_the_sum_over_every_joint_state() {
    for seed in 0..3000 {
        let mut case = case(seed, true);
        for mode in [Semiring::Soft, Semiring::Max] {
            case.op.mode = mode;
            let g = graph(&case);
            let inputs = given(&case);
            let slices: Vec<(&str, &[f64])> = inputs.iter().map(|(k, v)| (k.as_str(), &v[..])).collect();
            let want = interpret(&g, &Context::default(), &mut States::new(), &slices).expect("runs");
            let program = compiled(&g, &inputs, 0);
            for (name, _) in program.outputs() {
                // The largest product may be attained at several joint states.
                if mode == Semiring::Max && name != "sum" {
                    continue;
                }
                let (_, got) = program.output(name).expect("an output");
                for (i, (g, w)) in got.iter().zip(&want[name].data).enumerate() {
                    assert!(same(*g, *w, 1e-9), "seed {seed} {mode:?} {name}[{i}]: {g}, {w} by every joint state");
                }
            }
        }
    }
}

#[test]
fn single_precision_is_computed_in_double() {
    for seed in 0..200 {
        let case = case(seed, false);
        let g = graph(&case);
        let wide = compiled(&g, &given(&case), 0);
        let narrow = compiled::<f32>(
            &g,
            &given(&case).into_iter().map(|(k, v)| (k, v.into_iter().map(|x| x as f32).collect())).collect::<Vec<_>>(),
            0,
        );
        for (name, _) in wide.outputs() {
            let (a, b) = (wide.output(name).expect("there").1, narrow.output(name).expect("there").1);
            for (a, b) in a.iter().zip(b) {
                assert!(same(f64::from(*b), *a, 1e-5), "seed {seed} {name}: {b} and {a}");
            }
        }
    }
}

#[test]
fn its_first_second_and_third_derivatives_are_those_of_differences() {
    for seed in 0..40 {
        let mut case = case(seed, false);
        // Cells are moved one by one here, and a promise would not survive that.
        case.op.inputs.iter_mut().for_each(|i| i.unit_over = None);
        let cells: usize = case.arguments.iter().map(|a| a.data.len()).sum();
        let order = if cells < 40 { 3 } else { 1 };
        check(&format!("seed {seed}"), &case.arguments, order, |g, leaves| vec![g.table_sum(case.op.clone(), leaves)]);
    }
}

#[test]
fn draws_are_joint_states_in_proportion() {
    let op = TableOp {
        sizes: vec![2, 3],
        names: names(2),
        inputs: vec![TableInput { sizes: vec![2, 3], places: vec![vec![Some(0), Some(1)]], unit_over: None }],
        mode: Semiring::Sample(5),
        how: Summing::Exact,
    };
    let rows = 20_000;
    let one = argument(&[1, 1, 6], -1.0, 1.0, 3);
    let case = Case { op, arguments: vec![Argument { shape: vec![rows, 1, 6], data: one.data.repeat(rows) }] };
    let g = graph(&case);
    let program = compiled(&g, &given(&case), 4);
    let (_, hot) = program.output("d0").expect("the draws");
    let total: f64 = one.data.iter().map(|v| v.exp()).sum();
    for cell in 0..6 {
        let share = hot.iter().skip(cell).step_by(6).sum::<f64>() / rows as f64;
        let p = one.data[cell].exp() / total;
        let spread = (p * (1.0 - p) / rows as f64).sqrt();
        assert!((share - p).abs() < 5.0 * spread, "cell {cell} is drawn with {share}, and has {p}");
    }
    assert!(hot.chunks(6).all(|row| row.iter().sum::<f64>() == 1.0), "one joint state is drawn for each row");
}

#[test]
fn what_is_no_table_is_refused_before_it_runs() {
    let mut g = Graph::new();
    let a = g.input("a", &[2, 3]);
    let op = TableOp {
        sizes: vec![3],
        names: names(1),
        inputs: vec![TableInput { sizes: vec![3], places: vec![vec![Some(0)], vec![None]], unit_over: None }],
        mode: Semiring::Soft,
        how: Summing::Exact,
    };
    let sum = g.table_sum(op, &[a]);
    assert!(g.shape(sum).is_empty());
    assert!(matches!(g.op(g.inputs_of(sum)[0]), Op::TableSum(_)));
    assert!(g.to_string().contains("table_sum[2 tables over 1 axes, soft]"), "{g}");
    // A cell that is no number makes the sum none, and takes no other row with it.
    g.output("sum", sum);
    let program = compiled(&g, &[("a".to_string(), vec![0.0, f64::NAN, 0.0, 1.0, 1.0, 1.0])], 0);
    assert!(program.output("sum").expect("there").1[0].is_nan());
}
