//! Central differences in f64, the oracle of every derivative.

use ghmc::runtime::{Context, States, interpret};
use ghmc::tensor::graph::{Graph, NodeId};
use ghmc::tensor::op::Reduction;
use ghmc::tensor::verify::verify;

/// An argument of a function under test.
#[derive(Clone)]
pub struct Argument {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

/// A fixed unpredictable number in [0, 1).
pub fn unit(i: usize) -> f64 {
    let x = (i as f64 + 1.0) * 12.9898;
    (x.sin() * 43758.5453).rem_euclid(1.0)
}

/// An argument with entries between `low` and `high`.
pub fn argument(shape: &[usize], low: f64, high: f64, salt: usize) -> Argument {
    let n = shape.iter().product();
    Argument { shape: shape.to_vec(), data: (0..n).map(|i| low + (high - low) * unit(i + 100 * salt)).collect() }
}

fn value(graph: &Graph, names: &[String], arguments: &[Argument]) -> std::collections::BTreeMap<String, Vec<f64>> {
    let inputs: Vec<(&str, &[f64])> =
        names.iter().zip(arguments).map(|(n, a)| (n.as_str(), a.data.as_slice())).collect();
    let context = Context { seed: 11, step: 3 };
    let results = interpret(graph, &context, &mut States::new(), &inputs).expect("the function runs");
    results.into_iter().map(|(k, v)| (k, v.data)).collect()
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * w.abs().max(1.0), "{what}[{i}]: {g} by reverse mode, {w} by differences");
    }
}

/// Weighs and sums a result, so that every entry of every adjoint is different.
fn weigh(graph: &mut Graph, n: NodeId, salt: usize) -> NodeId {
    let shape = graph.shape(n).to_vec();
    let weights = (0..shape.iter().product()).map(|i| 0.5 + unit(i + 7 * salt)).collect();
    let weights = graph.constant(&shape, weights);
    let product = graph.mul(n, weights);
    let axes: Vec<usize> = (0..shape.len()).collect();
    graph.reduce(Reduction::Sum, product, &axes)
}

/// Checks first derivatives, and second ones if `order` is 2, of what `build` makes of `arguments`.
pub fn check(what: &str, arguments: &[Argument], order: usize, build: impl Fn(&mut Graph, &[NodeId]) -> Vec<NodeId>) {
    let mut graph = Graph::new();
    let names: Vec<String> = (0..arguments.len()).map(|i| format!("a{i}")).collect();
    let leaves: Vec<NodeId> = names.iter().zip(arguments).map(|(n, a)| graph.input(n, &a.shape)).collect();
    let mut total = graph.scalar(0.0);
    for (i, n) in build(&mut graph, &leaves).into_iter().enumerate() {
        let part = weigh(&mut graph, n, i);
        total = graph.add(total, part);
    }
    for depth in 1..=order {
        graph.output("value", total);
        let adjoints = graph.gradient(total, &leaves);
        for (i, &a) in adjoints.iter().enumerate() {
            graph.output(&format!("d{i}"), a);
        }
        verify(&graph).expect("well formed");
        let found = value(&graph, &names, arguments);
        for (i, a) in arguments.iter().enumerate() {
            let mut differences = Vec::new();
            for j in 0..a.data.len() {
                let h = 1e-5 * a.data[j].abs().max(0.1);
                let at = |shift: f64| {
                    let mut moved = arguments.to_vec();
                    moved[i].data[j] += shift;
                    value(&graph, &names, &moved)["value"][0]
                };
                differences.push((8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h));
            }
            close(&format!("{what}, order {depth}, argument {i}"), &found[&format!("d{i}")], &differences, 2e-8);
        }
        if depth < order {
            total = graph.scalar(0.0);
            for (i, a) in adjoints.into_iter().enumerate() {
                let part = weigh(&mut graph, a, i + 5);
                total = graph.add(total, part);
            }
        }
    }
}
