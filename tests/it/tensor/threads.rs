//! The same bits on any number of threads.

use ghmc::base::stream::Stream;
use ghmc::runtime::{Context, Options, Program, Real, States};
use ghmc::tensor::graph::Graph;
use ghmc::tensor::op::{Binary, Law, Reduction, Semiring, Unary};

/// A step of stochastic learning with sizes large enough that every kernel splits its work.
fn large() -> Graph {
    let mut g = Graph::new();
    let (v, w, c) = (g.input("v", &[100, 300]), g.state("w", &[300, 170]), g.state("c", &[170]));
    let vw = g.matmul(v, w);
    let c_wide = g.broadcast(c, &[100, 170], &[1]);
    let a = g.add(vw, c_wide);
    let p = g.unary(Unary::Sigmoid, a);
    let u = g.random(Law::Uniform, &[100, 170], 1);
    let h = g.binary(Binary::Lt, u, p);
    let noise = g.random(Law::Normal, &[300, 170], 2);
    let dw = g.einsum(v, &[0, 1], h, &[0, 2], &[1, 2]);
    let dw = g.scale(dw, 0.01);
    let dw = g.add(dw, noise);
    let back = g.einsum(h, &[0, 1], w, &[2, 1], &[0, 2]);
    let soft = g.softmax(back, 1);
    let rows = g.log_sum_exp(back, 0, Semiring::Soft);
    let hot = g.one_hot_sample(back, 1, 3);
    let best = g.one_hot_argmax(back, 0);
    let sums = g.cumsum(back, 1, false, true);
    let new = g.add(w, dw);
    let column = g.reduce(Reduction::Sum, h, &[0]);
    let total = g.sum_all(noise);
    let square = g.unary(Unary::Square, a);
    let loss = g.sum_all(square);
    let d = g.gradient(loss, &[w, c]);
    let vector = g.einsum(w, &[0, 1], c, &[1], &[0]);
    let turned = g.transpose(w, &[1, 0]);
    let turned = g.flip(turned, 0);
    let square = g.einsum(w, &[0, 1], w, &[0, 2], &[1, 2]);
    let lower = g.cholesky(square, "the test");
    let solved = g.solve(lower, square, false);
    let many = g.broadcast(square, &[9, 170, 170], &[1, 2]);
    let apart = g.iota(&[9, 170, 170], 0);
    let many = g.add(many, apart);
    let factors = g.cholesky(many, "the test");
    for (i, n) in [lower, solved, factors].into_iter().enumerate() {
        g.output(&format!("factor{i}"), n);
    }
    for (i, n) in
        [p, h, soft, rows, hot, best, sums, column, total, loss, d[0], d[1], vector, turned].into_iter().enumerate()
    {
        g.output(&format!("o{i}"), n);
    }
    g.set_state("w", new);
    g
}

fn bits<T: Real>(threads: usize) -> Vec<u64> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let g = large();
    let mut rng = Stream::new(1, 0, 0, 0);
    let mut fill = |n: usize| (0..n).map(|_| T::of(rng.uniform() - 0.5)).collect::<Vec<T>>();
    let v = fill(30_000);
    let mut states = States::new();
    states.insert("w", &[300, 170], fill(51_000));
    states.insert("c", &[170], fill(170));
    let mut program = Program::<T>::compile(&g, &Options::default()).expect("well formed");
    pool.install(|| {
        for step in 0..2 {
            program.run(&Context { seed: 4, step }, &mut states, &[("v", &v)]).expect("it runs");
        }
    });
    let names: Vec<String> = program.outputs().iter().map(|o| o.0.clone()).collect();
    let mut all: Vec<u64> = Vec::new();
    for n in names {
        all.extend(program.output(&n).expect("an output").1.iter().map(|v| v.to_f64().to_bits()));
    }
    for (_, _, data) in states.iter() {
        all.extend(data.iter().map(|v| v.to_f64().to_bits()));
    }
    all
}

#[test]
fn one_two_and_seven_threads_give_the_same_bits() {
    let one = bits::<f32>(1);
    assert!(one == bits::<f32>(2) && one == bits::<f32>(7));
    let one = bits::<f64>(1);
    assert!(one == bits::<f64>(2) && one == bits::<f64>(7));
}
