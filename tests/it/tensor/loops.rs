//! Loops: values, and derivatives through them against differences and enumeration.

use super::differences::{argument, check};
use ghmc::runtime::{Context, States, interpret};
use ghmc::tensor::graph::{Graph, NodeId};
use ghmc::tensor::op::{Binary, Law, Semiring, Unary};

/// A recurrence with everything: two carries, two sequences, a constant, a value stacked, the position, a carry that ignores itself.
fn recurrence(g: &mut Graph, a: &[NodeId], reverse: bool) -> Vec<NodeId> {
    g.scan_with(4, reverse, &[a[0], a[1]], &[a[2], a[3]], &[a[4]], |g, t, c, x, k| {
        let product = g.einsum(c[0], &[0], k[0], &[0, 1], &[1]);
        let sum = g.add(product, x[0]);
        let next = g.unary(Unary::Tanh, sum);
        let t = g.broadcast(t, &[3], &[]);
        let scaled = g.mul(next, t);
        let other = g.broadcast(x[1], &[3], &[]);
        let other = g.mul(other, c[1]);
        let out = g.add(scaled, other);
        let second = g.mul(x[0], c[0]);
        (vec![next, second], vec![out, sum])
    })
}

fn arguments() -> Vec<super::differences::Argument> {
    vec![
        argument(&[3], -1.0, 1.0, 1),
        argument(&[3], -1.0, 1.0, 2),
        argument(&[4, 3], -1.0, 1.0, 3),
        argument(&[4], -1.0, 1.0, 4),
        argument(&[3, 3], -1.0, 1.0, 5),
    ]
}

#[test]
fn scans_forward_and_backward() {
    for reverse in [false, true] {
        check("scan", &arguments(), 2, |g, a| recurrence(g, a, reverse));
        for one in 0..4 {
            check("one result of a scan", &arguments(), 1, |g, a| vec![recurrence(g, a, reverse)[one]]);
        }
    }
}

#[test]
fn a_scan_within_a_scan() {
    let arguments = [argument(&[2], -1.0, 1.0, 1), argument(&[3, 4, 2], -1.0, 1.0, 2), argument(&[2, 2], -1.0, 1.0, 3)];
    check("nested scan", &arguments, 2, |g, a| {
        g.scan_with(3, false, &[a[0]], &[a[1]], &[a[2]], |g, _, c, x, k| {
            let inner = g.scan_with(4, true, &[c[0]], &[x[0]], &[k[0]], |g, t, c, x, k| {
                let n = g.einsum(c[0], &[0], k[0], &[0, 1], &[1]);
                let t = g.broadcast(t, &[2], &[]);
                let x = g.mul(x[0], t);
                let n = g.add(n, x);
                let n = g.unary(Unary::Sin, n);
                (vec![n], vec![n])
            });
            let square = g.unary(Unary::Square, inner[1]);
            (vec![inner[0]], vec![square])
        })
    });
}

#[test]
fn a_bounded_while() {
    let build = |g: &mut Graph, a: &[NodeId]| {
        g.while_with(20, &[a[0]], &[a[1]], |g, _, c, k| {
            let total = g.sum_all(c[0]);
            let limit = g.scalar(30.0);
            let cond = g.binary(Binary::Lt, total, limit);
            let grown = g.mul(c[0], k[0]);
            let log = g.unary(Unary::Log, c[0]);
            let next = g.add(grown, log);
            (cond, vec![next])
        })
    };
    check("while", &[argument(&[2], 1.0, 2.0, 1), argument(&[2], 1.5, 2.0, 2)], 2, build);
    let mut g = Graph::new();
    let (a, k) = (g.input("a", &[2]), g.full(&[2], 2.0));
    let n = g.while_with(20, &[a], &[k], |g, _, c, k| {
        let total = g.sum_all(c[0]);
        let limit = g.scalar(30.0);
        (g.binary(Binary::Lt, total, limit), vec![g.mul(c[0], k[0])])
    })[0];
    let steps = g.steps_taken(n);
    g.output("n", n);
    g.output("steps", steps);
    let found = interpret(&g, &Context::default(), &mut States::new(), &[("a", &[1.0, 2.0])]).expect("it runs");
    assert_eq!((found["n"].data.clone(), found["steps"].data[0]), (vec![16.0, 32.0], 4.0));
}

/// The log-partition of a chain of 5 variables of 3 values with the given pair and single potentials.
fn chain(g: &mut Graph, pair: NodeId, single: NodeId, mode: Semiring) -> NodeId {
    let first = g.slice(single, 0, 0, 1);
    let first = g.reshape(first, &[3]);
    let rest = g.slice(single, 0, 1, 4);
    let last = g.scan_with(4, false, &[first], &[rest], &[pair], |g, _, c, x, k| {
        let before = g.broadcast(c[0], &[3, 3], &[0]);
        let after = g.broadcast(x[0], &[3, 3], &[1]);
        let sum = g.add(before, after);
        let sum = g.add(sum, k[0]);
        (vec![g.log_sum_exp(sum, 0, mode)], vec![])
    })[0];
    g.log_sum_exp(last, 0, mode)
}

#[test]
fn a_chains_log_partition_has_marginals_assignments_and_samples_as_derivatives() {
    let (pair, single) = (argument(&[3, 3], -1.0, 1.0, 1), argument(&[5, 3], -1.0, 1.0, 2));
    check("chain", &[pair.clone(), single.clone()], 2, |g, a| vec![chain(g, a[0], a[1], Semiring::Soft)]);
    let score = |x: &[usize]| {
        (0..5).map(|t| single.data[3 * t + x[t]]).sum::<f64>()
            + (1..5).map(|t| pair.data[3 * x[t - 1] + x[t]]).sum::<f64>()
    };
    let all: Vec<Vec<usize>> = (0..243).map(|i: usize| (0..5).map(|t| i / 3usize.pow(t) % 3).collect()).collect();
    let z: f64 = all.iter().map(|x| score(x).exp()).sum();
    let marginal = |t: usize, v: usize| all.iter().filter(|x| x[t] == v).map(|x| score(x).exp() / z).sum::<f64>();
    let derivative = |mode, step| {
        let mut g = Graph::new();
        let (p, s) = (g.input("p", &[3, 3]), g.input("s", &[5, 3]));
        let n = chain(&mut g, p, s, mode);
        g.output("n", n);
        let d = g.gradient(n, &[s])[0];
        g.output("d", d);
        let context = Context { seed: 5, step };
        let found =
            interpret(&g, &context, &mut States::new(), &[("p", &pair.data), ("s", &single.data)]).expect("it runs");
        (found["n"].data[0], found["d"].data.clone())
    };
    let (n, d) = derivative(Semiring::Soft, 0);
    assert!((n - z.ln()).abs() < 1e-12);
    for t in 0..5 {
        for v in 0..3 {
            assert!((d[3 * t + v] - marginal(t, v)).abs() < 1e-12);
        }
    }
    let best = all.iter().max_by(|a, b| score(a).total_cmp(&score(b))).expect("some");
    let (n, d) = derivative(Semiring::Max, 0);
    assert!((n - score(best)).abs() < 1e-12);
    let hot = |x: &[usize]| (0..15).map(|i| f64::from(u8::from(x[i / 3] == i % 3))).collect::<Vec<_>>();
    assert_eq!(d, hot(best));
    // Joint samples: each is one assignment, and their frequencies are the probabilities.
    let mut counts = vec![0.0; 243];
    let runs = 4000;
    for step in 0..runs {
        let (n, d) = derivative(Semiring::Sample(9), step);
        assert!((n - z.ln()).abs() < 1e-12);
        let x: Vec<usize> = (0..5).map(|t| (0..3).find(|v| d[3 * t + v] == 1.0).expect("one value")).collect();
        assert_eq!(d, hot(&x));
        counts[(0..5).map(|t| x[t] * 3usize.pow(t as u32)).sum::<usize>()] += 1.0;
    }
    // Pearson's statistic has mean 242 and standard deviation 22 if the law is right.
    let statistic: f64 = all
        .iter()
        .zip(&counts)
        .map(|(x, c)| {
            let e = score(x).exp() / z * runs as f64;
            (c - e) * (c - e) / e
        })
        .sum();
    assert!(statistic < 242.0 + 4.5 * 22.0, "{statistic}");
}

#[test]
fn a_draw_in_a_loop_differs_by_position_and_is_the_same_in_the_reverse_pass() {
    let arguments = [argument(&[3], 0.5, 1.0, 1)];
    for reverse in [false, true] {
        check("noisy scan", &arguments, 2, |g, a| {
            g.scan_with(4, reverse, &[a[0]], &[], &[], |g, _, c, _, _| {
                let noise = g.random(Law::Normal, &[3], 17);
                let n = g.mul(c[0], noise);
                let n = g.unary(Unary::Sin, n);
                (vec![n], vec![noise])
            })
        });
    }
}
