//! Every operation's derivative, first and second, against differences.
//!
//! `after` lists each enumeration by a match without a wildcard: a new function does not compile until it is listed here, and is then tested.

use super::differences::{argument, check};
use ghmc::runtime::{Context, Options, Program, RunError, States, interpret};
use ghmc::tensor::graph::{Graph, NodeId};
use ghmc::tensor::op::{Binary, Reduction, Semiring, Unary};

/// The next function, and a range within which this one is smooth.
fn after(f: Unary) -> (Option<Unary>, (f64, f64)) {
    use Unary::*;
    match f {
        Neg => (Some(Exp), (-2.0, 2.0)),
        Exp => (Some(Log), (-2.0, 2.0)),
        Log => (Some(Log1p), (0.2, 3.0)),
        Log1p => (Some(Expm1), (-0.7, 3.0)),
        Expm1 => (Some(Sigmoid), (-2.0, 2.0)),
        Sigmoid => (Some(Softplus), (-4.0, 4.0)),
        Softplus => (Some(Tanh), (-4.0, 4.0)),
        Tanh => (Some(Relu), (-2.0, 2.0)),
        Relu => (Some(Abs), (0.1, 2.0)),
        Abs => (Some(Sign), (-2.0, -0.1)),
        Sign => (Some(Sqrt), (0.1, 2.0)),
        Sqrt => (Some(Square), (0.2, 3.0)),
        Square => (Some(Recip), (-2.0, 2.0)),
        Recip => (Some(Sin), (0.3, 2.0)),
        Sin => (Some(Cos), (-3.0, 3.0)),
        Cos => (Some(Floor), (-3.0, 3.0)),
        Floor => (Some(Lgamma), (1.1, 1.9)),
        Lgamma => (Some(Digamma), (0.5, 4.0)),
        Digamma => (Some(Polygamma(1)), (0.5, 4.0)),
        Polygamma(1) => (Some(Polygamma(2)), (0.8, 4.0)),
        Polygamma(_) => (Some(Erf), (0.8, 4.0)),
        Erf => (Some(Step), (-2.0, 2.0)),
        Step => (Some(IsFinite), (0.1, 2.0)),
        IsFinite => (Some(Not), (0.1, 2.0)),
        Not => (None, (0.1, 2.0)),
    }
}

fn after_binary(f: Binary) -> Option<Binary> {
    use Binary::*;
    match f {
        Add => Some(Sub),
        Sub => Some(Mul),
        Mul => Some(Div),
        Div => Some(Pow),
        Pow => Some(Max),
        Max => Some(Min),
        Min => Some(Lt),
        Lt => Some(Le),
        Le => Some(Eq),
        Eq => Some(And),
        And => Some(Or),
        Or => Some(MulZero),
        MulZero => None,
    }
}

#[test]
fn unary_functions() {
    let mut next = Some(Unary::Neg);
    let mut seen = 0;
    while let Some(f) = next {
        let (following, (low, high)) = after(f);
        check(&format!("{f:?}"), &[argument(&[2, 3], low, high, 1)], 2, |g, a| vec![g.unary(f, a[0])]);
        next = following;
        seen += 1;
    }
    assert_eq!(seen, 25);
}

#[test]
fn binary_functions() {
    let mut next = Some(Binary::Add);
    while let Some(f) = next {
        check(&format!("{f:?}"), &[argument(&[7], 0.3, 2.0, 1), argument(&[7], 0.3, 2.0, 2)], 2, |g, a| {
            vec![g.binary(f, a[0], a[1])]
        });
        next = after_binary(f);
    }
}

#[test]
fn structure() {
    let two = [argument(&[3, 4], -1.0, 1.0, 1), argument(&[2, 4], -1.0, 1.0, 2)];
    let square = |g: &mut Graph, n: NodeId| vec![g.unary(Unary::Square, n)];
    let broadcast = |g: &mut Graph, a: &[NodeId]| {
        let n = g.broadcast(a[0], &[4, 2, 3], &[2, 0]);
        let sine = g.unary(Unary::Sin, a[0]);
        let m = g.broadcast(sine, &[4, 2, 3], &[2, 0]);
        let i = g.iota(&[4, 2, 3], 1);
        let m = g.mul(m, i);
        let n = g.mul(n, m);
        square(g, n)
    };
    check("broadcast", &two[..1], 2, broadcast);
    check("reshape", &two[..1], 2, |g, a| {
        let n = g.reshape(a[0], &[2, 6]);
        square(g, n)
    });
    check("transpose", &[argument(&[2, 3, 4], -1.0, 1.0, 1)], 2, |g, a| {
        let n = g.transpose(a[0], &[2, 0, 1]);
        square(g, n)
    });
    check("slice", &two[..1], 2, |g, a| {
        let n = g.slice(a[0], 1, 1, 2);
        square(g, n)
    });
    check("pad", &two[..1], 2, |g, a| {
        let n = g.pad(a[0], 0, 2, 1, 0.7);
        square(g, n)
    });
    check("concat", &two, 2, |g, a| {
        let n = g.concat(&[a[0], a[1], a[0]], 0);
        square(g, n)
    });
    check("flip", &two[..1], 2, |g, a| {
        let n = g.flip(a[0], 1);
        square(g, n)
    });
    check("select", &[argument(&[6], 0.5, 2.0, 1), argument(&[6], 0.5, 2.0, 2)], 2, |g, a| {
        let cond = g.constant(&[6], vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        let x = g.unary(Unary::Log, a[0]);
        vec![g.select(cond, x, a[1])]
    });
    check("gather", &[argument(&[3, 4, 2], -1.0, 1.0, 1)], 2, |g, a| {
        let index = g.constant(&[2, 2], vec![3.0, 0.0, 3.0, 1.0]);
        let n = g.gather(a[0], 1, index);
        square(g, n)
    });
    check("scatter", &[argument(&[3, 4], -1.0, 1.0, 1)], 2, |g, a| {
        let index = g.constant(&[4], vec![1.0, 0.0, 1.0, 4.0]);
        let n = g.scatter(a[0], 1, index, &[3, 5]);
        square(g, n)
    });
    check("anchor", &two[..1], 2, |g, a| {
        let n = g.anchor(a[0]);
        square(g, n)
    });
}

#[test]
fn reductions() {
    let a = [argument(&[3, 4, 2], -1.0, 1.0, 1)];
    for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
        match kind {
            Reduction::Sum | Reduction::Max | Reduction::Min => {}
        }
        for axes in [&[1][..], &[0, 2], &[0, 1, 2], &[2]] {
            check(&format!("{kind:?} over {axes:?}"), &a, 2, |g, a| {
                let n = g.reduce(kind, a[0], axes);
                vec![g.unary(Unary::Square, n)]
            });
        }
    }
    for axis in 0..3 {
        check("soft log-sum-exp", &a, 2, |g, a| {
            let n = g.log_sum_exp(a[0], axis, Semiring::Soft);
            vec![g.unary(Unary::Square, n)]
        });
        check("maximum", &a, 1, |g, a| {
            let n = g.log_sum_exp(a[0], axis, Semiring::Max);
            vec![g.unary(Unary::Square, n)]
        });
        check("softmax", &a, 2, |g, a| vec![g.softmax(a[0], axis)]);
        for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
            check("running sum", &a, 2, |g, a| {
                let n = g.cumsum(a[0], axis, exclusive, reverse);
                vec![g.unary(Unary::Square, n)]
            });
        }
    }
}

#[test]
fn einsums() {
    type Case = (&'static [usize], &'static [u32], &'static [usize], &'static [u32], &'static [u32]);
    let cases: [Case; 9] = [
        (&[3, 4], &[0, 1], &[4, 2], &[1, 2], &[0, 2]),
        (&[3, 4], &[0, 1], &[4, 2], &[1, 2], &[2, 0]),
        (&[4, 3], &[1, 0], &[2, 4], &[2, 1], &[0, 2]),
        (&[2, 3, 4], &[0, 1, 2], &[2, 4, 2], &[0, 2, 3], &[0, 1, 3]),
        (&[2, 3], &[0, 1], &[2, 3], &[0, 1], &[]),
        (&[3], &[0], &[4], &[1], &[1, 0]),
        (&[3, 4], &[0, 1], &[3], &[0], &[1]),
        (&[3, 4, 2], &[0, 1, 5], &[4, 3], &[1, 2], &[2]),
        (&[2, 3, 2], &[0, 1, 2], &[3, 2, 2], &[1, 2, 4], &[4, 0]),
    ];
    for (sa, la, sb, lb, out) in cases {
        check(
            &format!("{la:?} {lb:?} -> {out:?}"),
            &[argument(sa, -1.0, 1.0, 1), argument(sb, -1.0, 1.0, 2)],
            2,
            |g, a| {
                let n = g.einsum(a[0], la, a[1], lb, out);
                vec![g.unary(Unary::Square, n)]
            },
        );
    }
}

/// A symmetric positive definite matrix for each of the leading axes, made of whatever `a` holds.
fn definite(g: &mut Graph, a: NodeId) -> NodeId {
    let shape = g.shape(a).to_vec();
    let n = shape[shape.len() - 1];
    let (left, right) = ([0, 1, 3], [0, 2, 3]);
    let cut = 3 - shape.len();
    let square = g.einsum(a, &left[cut..], a, &right[cut..], &[0, 1, 2][cut..]);
    let eye = (0..n * n).map(|e| if e / n == e % n { 1.0 } else { 0.0 }).collect();
    let eye = g.constant(&[n, n], eye);
    let eye = g.broadcast(eye, &shape, &[shape.len() - 2, shape.len() - 1]);
    g.add(square, eye)
}

#[test]
fn factors_and_triangular_systems() {
    for shape in [&[1, 1][..], &[4, 4], &[3, 2, 2]] {
        check("cholesky", &[argument(shape, -1.0, 1.0, 1)], 2, |g, a| {
            let matrix = definite(g, a[0]);
            vec![g.cholesky(matrix, "the test")]
        });
        let n = shape[shape.len() - 1];
        let right = [&shape[..shape.len() - 1], &[3]].concat();
        for transposed in [false, true] {
            check("solve", &[argument(shape, 0.5, 1.5, 1), argument(&right, -1.0, 1.0, 2)], 2, |g, a| {
                vec![g.solve(a[0], a[1], transposed)]
            });
        }
        // Of a matrix that is not symmetric its symmetric half is factored, also by the derivative.
        let off = argument(shape, -0.1, 0.1, 3);
        check("cholesky of what is not symmetric", &[off], 1, |g, a| {
            let eye = (0..n * n).map(|e| if e / n == e % n { 1.0 } else { 0.0 }).collect();
            let eye = g.constant(&[n, n], eye);
            let eye = g.broadcast(eye, shape, &[shape.len() - 2, shape.len() - 1]);
            let matrix = g.add(a[0], eye);
            vec![g.cholesky(matrix, "the test")]
        });
    }
}

#[test]
fn a_matrix_without_a_factor_is_named() {
    let mut g = Graph::new();
    let a = g.input("a", &[2, 2, 2]);
    let l = g.cholesky(a, "`x`");
    g.output("l", l);
    let good = [2.0, 1.0, 1.0, 2.0];
    let bad = [1.0, 2.0, 2.0, 1.0];
    let context = Context { seed: 1, step: 0 };
    let both = |a: &[f64]| {
        let naive = interpret(&g, &context, &mut States::new(), &[("a", a)]).map(|found| found["l"].data.clone());
        let mut compiled = Program::<f64>::compile(&g, &Options::default()).expect("it compiles");
        let fast = compiled.run(&context, &mut States::new(), &[("a", a)]);
        (naive, fast.map(|()| compiled.output("l").expect("it is there").1.to_vec()))
    };
    let (naive, fast) = both(&[good, good].concat());
    assert_eq!(naive, fast);
    assert!(naive.expect("it has one")[..3].iter().all(|v| v.is_finite()));
    let (naive, fast) = both(&[good, bad].concat());
    assert_eq!(naive, Err(RunError::NotPositive { of: "`x`".to_string() }));
    assert_eq!(naive, fast);
}

fn run(g: &Graph, inputs: &[(&str, &[f64])]) -> std::collections::BTreeMap<String, Vec<f64>> {
    let results = interpret(g, &Context { seed: 1, step: 0 }, &mut States::new(), inputs).expect("it runs");
    results.into_iter().map(|(k, v)| (k, v.data)).collect()
}

#[test]
fn minus_infinity_has_weight_zero_in_every_mode() {
    let low = f64::NEG_INFINITY;
    for mode in [Semiring::Soft, Semiring::Max, Semiring::Sample(4)] {
        let mut g = Graph::new();
        let a = g.input("a", &[3, 3]);
        let n = g.log_sum_exp(a, 1, mode);
        g.output("n", n);
        let d = g.gradient(n, &[a])[0];
        g.output("d", d);
        let found = run(&g, &[("a", &[low, 1.0, low, low, low, low, 0.5, low, 0.25])]);
        assert_eq!(found["n"][..2], [1.0, low], "{mode:?}");
        assert_eq!(found["d"][..7], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, found["d"][6]], "{mode:?}");
        assert_eq!((found["d"][7], found["d"][6] + found["d"][8]), (0.0, 1.0), "{mode:?}");
        if mode == Semiring::Soft {
            let dd = g.gradient(d, &[a])[0];
            g.output("dd", dd);
            let found = run(&g, &[("a", &[low, 1.0, low, low, low, low, 0.5, low, 0.25])]);
            assert!(found["dd"].iter().all(|v| v.is_finite()), "{:?}", found["dd"]);
        }
    }
}

#[test]
fn the_branch_not_taken_leaks_nothing() {
    let mut g = Graph::new();
    let x = g.input("x", &[4]);
    let one = g.full(&[4], 1.0);
    let log = g.unary(Unary::Log, x);
    let root = g.unary(Unary::Sqrt, x);
    let both = g.mul(log, root);
    let exp = g.unary(Unary::Exp, both);
    let cond = g.unary(Unary::Step, x);
    let n = g.select(cond, exp, one);
    let d = g.gradient(n, &[x])[0];
    g.output("n", n);
    g.output("d", d);
    let found = run(&g, &[("x", &[0.0, -1.0, 1.0, f64::NEG_INFINITY])]);
    assert_eq!(found["n"], vec![1.0, 1.0, 1.0, 1.0]);
    assert_eq!(found["d"], vec![0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn zero_times_the_log_of_zero_is_zero_and_so_are_its_derivatives() {
    let mut g = Graph::new();
    let p = g.input("p", &[2]);
    let q = g.input("q", &[2]);
    let log = g.unary(Unary::Log, q);
    let n = g.binary(Binary::MulZero, p, log);
    g.output("n", n);
    let d = g.gradient(n, &[q])[0];
    g.output("d", d);
    let found = run(&g, &[("p", &[0.0, 0.5]), ("q", &[0.0, 1.0])]);
    assert_eq!(found["n"], vec![0.0, 0.0]);
    assert_eq!(found["d"], vec![0.0, 0.5]);
}

#[test]
fn a_derivative_by_a_computed_node_is_taken_by_its_anchor() {
    let mut g = Graph::new();
    let (x, y) = (g.input("x", &[3]), g.input("y", &[3]));
    let minus = g.neg(x);
    let h = g.anchor(minus);
    let difference = g.sub(y, h);
    let square = g.unary(Unary::Square, difference);
    let d = g.gradient(square, &[h, x]);
    g.output("h", d[0]);
    g.output("x", d[1]);
    let found = run(&g, &[("x", &[1.0, 2.0, 3.0]), ("y", &[1.0, 1.0, 1.0])]);
    assert_eq!(found["h"], vec![-4.0, -6.0, -8.0]);
    assert_eq!(found["x"], vec![4.0, 6.0, 8.0]);
}

#[test]
fn no_derivative_flows_through_a_stop_or_a_draw() {
    let mut g = Graph::new();
    let x = g.input("x", &[3]);
    let stopped = g.stop_gradient(x);
    let hot = g.one_hot_sample(x, 0, 2);
    let product = g.mul(stopped, hot);
    let d = g.gradient(product, &[x])[0];
    assert_eq!(g.splat(d), Some(0.0));
    let d = g.gradient(product, &[stopped])[0];
    assert_eq!(d, hot);
}
