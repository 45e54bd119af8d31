//! The builder's identities: what is simplified, and that a vanished dependence leaves no trace.

use std::collections::BTreeMap;

use ghmc::tensor::graph::Graph;
use ghmc::tensor::op::{Binary, Reduction, Unary};
use ghmc::tensor::passes::dead::remove_dead;
use ghmc::tensor::verify::verify;

#[test]
fn the_derivative_of_a_bilinear_form_does_not_mention_what_it_is_taken_by() {
    let mut g = Graph::new();
    let (v, w) = (g.input("v", &[20, 5]), g.input("w", &[5, 4]));
    let (h, c) = (g.input("h", &[20, 4]), g.input("c", &[4]));
    let vw = g.matmul(v, w);
    let vwh = g.mul(vw, h);
    let vwh = g.sum_all(vwh);
    let c = g.broadcast(c, &[20, 4], &[1]);
    let ch = g.mul(c, h);
    let ch = g.sum_all(ch);
    let energy = g.add(vwh, ch);
    let energy = g.neg(energy);
    let d = g.gradient(energy, &[h])[0];
    assert!(!g.reaches(d, h), "{g}");
    assert!(g.reaches(d, v) && g.reaches(d, w));
    let dv = g.gradient(energy, &[v])[0];
    assert!(!g.reaches(dv, v), "{g}");
    let hessian = g.gradient(d, &[h])[0];
    assert_eq!(g.splat(hessian), Some(0.0));
}

#[test]
fn identities() {
    let mut g = Graph::new();
    let x = g.input("x", &[3, 4]);
    let (zero, one) = (g.full(&[3, 4], 0.0), g.full(&[3, 4], 1.0));
    assert_eq!(g.add(x, zero), x);
    assert_eq!(g.mul(one, x), x);
    assert_eq!(g.mul(x, zero), zero);
    assert_eq!(g.sub(x, x), zero);
    let minus = g.neg(x);
    assert_eq!(g.neg(minus), x);
    let turned = g.transpose(x, &[1, 0]);
    assert_eq!(g.transpose(turned, &[1, 0]), x);
    let flat = g.reshape(x, &[12]);
    assert_eq!(g.reshape(flat, &[3, 4]), x);
    let wide = g.broadcast(x, &[3, 2, 4], &[0, 2]);
    let sum = g.reduce(Reduction::Sum, wide, &[1]);
    let twice = g.scale(x, 2.0);
    assert_eq!(sum, twice);
    assert_eq!(g.select(one, x, minus), x);
    assert_eq!(g.einsum(x, &[0, 1], zero, &[0, 1], &[]), g.scalar(0.0));
    let total = g.sum_all(x);
    assert_eq!(g.einsum(x, &[0, 1], one, &[0, 1], &[]), total);
    let padded = g.pad(x, 0, 1, 2, 0.0);
    assert_eq!(g.slice(padded, 0, 1, 3), x);
    let two = g.scalar(2.0);
    let four = g.binary(Binary::Pow, two, two);
    assert_eq!(g.splat(four), Some(4.0));
    assert_eq!(g.input("x", &[3, 4]), x);
    let exp = g.unary(Unary::Exp, x);
    assert_eq!(g.unary(Unary::Exp, x), exp);
    assert!(verify(&g).is_ok());
}

#[test]
fn substitution_simplifies_again() {
    let mut g = Graph::new();
    let (x, y) = (g.input("x", &[3]), g.input("y", &[3]));
    let product = g.mul(x, y);
    let e = g.unary(Unary::Exp, product);
    let one = g.full(&[3], 1.0);
    let found = g.substitute(&[e, product], &BTreeMap::from([(y, one)]));
    let want = g.unary(Unary::Exp, x);
    assert_eq!(found, vec![want, x]);
    let mut other = Graph::new();
    let z = other.input("z", &[3]);
    let copied = other.import(&g, &[e], &BTreeMap::from([(x, z), (y, z)]))[0];
    let square = other.unary(Unary::Square, z);
    let want = other.unary(Unary::Exp, square);
    assert_eq!(copied, want);
}

#[test]
fn a_graph_prints_and_serialises() {
    let mut g = Graph::new();
    let (x, w) = (g.input("x", &[2, 3]), g.state("w", &[3, 4]));
    let y = g.matmul(x, w);
    let p = g.unary(Unary::Sigmoid, y);
    let start = g.constant(&[4], vec![0.0, 1.0, 2.0, 3.0]);
    let last = g.scan_with(2, true, &[start], &[p], &[], |g, _, c, x, _| (vec![g.add(c[0], x[0])], vec![]))[0];
    g.output("last", last);
    g.watch("p", p);
    let want = "\
%0 = input x : 2x3
%1 = state w : 3x4
%2 = einsum[0 1, 1 2 -> 0 2] %0 %1 : 2x4
%3 = sigmoid %2 : 2x4
%4 = constant [0 1 2 3] : 4
%5 = scan[2 steps reverse, 1 carried, 1 sliced] %4 %3
  %0 = input t : scalar
  %1 = input c0 : 4
  %2 = input x0 : 4
  %3 = add %1 %2 : 4
  carry %3
%6 = member 0 of %5 : 4
output last = %6
watch p: %3
";
    assert_eq!(g.to_string(), want);
    let json = serde_json::to_value(&g).expect("plain data");
    assert_eq!(json["nodes"].as_array().map(Vec::len), Some(7));
}

#[test]
fn the_verifier_refuses_what_does_not_fit() {
    let mut g = Graph::new();
    let x = g.input("x", &[3]);
    let _ = g.scan_with(2, false, &[x], &[], &[], |g, _, c, _, _| {
        let other = g.input("y", &[]);
        let other = g.broadcast(other, &[3], &[]);
        (vec![g.add(c[0], other)], vec![])
    });
    let refused = verify(&g).expect_err("the body reads what the loop does not give");
    assert!(refused.to_string().contains("reads `y`"), "{refused}");
}

#[test]
fn the_dead_are_removed_from_graphs_and_loop_bodies() {
    let mut g = Graph::new();
    let (a, b) = (g.input("a", &[2]), g.input("b", &[2]));
    let unused = g.unary(Unary::Exp, b);
    let results = g.scan_with(3, false, &[a, unused], &[], &[b], |g, _, c, _, k| {
        let next = g.add(c[0], c[0]);
        let other = g.mul(c[1], k[0]);
        (vec![next, other], vec![other, next])
    });
    g.output("last", results[3]);
    let lean = remove_dead(&g);
    assert!(verify(&lean).is_ok());
    assert!(lean.input_nodes().contains_key("a") && !lean.input_nodes().contains_key("b"), "{lean}");
}
