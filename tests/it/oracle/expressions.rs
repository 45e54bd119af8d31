//! Expressions: every kind of node at values worked out by hand.

use ghmc::model::evaluate::EvaluateError;
use ghmc::model::{AxisKind, Compare, Domain, Function, Node, Objective, Operator, Reduction, Subscript};

use super::build::{
    Build, add, at, binary, by, call, choose, compare, dot, expr, indicator, is, is_first, mul, num, pick, reduce,
    softmax, table,
};

fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-12)
}

#[test]
fn operands_line_up_by_name_whatever_the_order_of_their_axes() {
    let mut b = Build::new();
    let (i, j) = (b.axis("I", 2), b.axis("J", 3));
    let m = b.param("m", &[i, j], Domain::Real, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let t = b.param("t", &[j, i], Domain::Real, &[10.0, 40.0, 20.0, 50.0, 30.0, 60.0]);
    let u = b.param("u", &[j], Domain::Real, &[1.0, 0.0, -1.0]);
    assert_eq!(b.value(&add(b.p(m), b.p(t))), [11.0, 22.0, 33.0, 44.0, 55.0, 66.0]);
    assert_eq!(b.value(&mul(b.p(m), b.p(u))), [1.0, 0.0, -3.0, 4.0, 0.0, -6.0]);
    assert_eq!(b.value(&dot(b.p(m), b.p(u))), [-2.0, -2.0]);
    assert_eq!(b.value(&dot(b.p(u), b.p(m))), [-2.0, -2.0]);
    assert_eq!(b.value(&dot(b.p(m), b.p(t))), [910.0]);
    assert_eq!(b.value(&binary(Operator::Sub, b.p(m), num(1.0))), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(b.value(&binary(Operator::Div, num(6.0), b.p(m))), [6.0, 3.0, 2.0, 1.5, 1.2, 1.0]);
}

#[test]
fn zero_times_an_impossible_log_is_zero() {
    let mut b = Build::new();
    let k = b.axis("K", 2);
    let log = b.param("log", &[k], Domain::Real, &[f64::NEG_INFINITY, -1.0]);
    let x = b.param("x", &[k], Domain::Real, &[0.0, 1.0]);
    assert_eq!(b.value(&dot(b.p(x), b.p(log))), [-1.0]);
    assert_eq!(b.value(&mul(num(0.0), call(Function::Log, num(0.0)))), [0.0]);
    assert!(b.value(&mul(num(0.0), num(f64::NAN)))[0].is_nan());
}

#[test]
fn functions_are_the_ones_their_names_say() {
    let b = Build::new();
    let cases: [(Function, f64, f64); 15] = [
        (Function::Neg, 2.0, -2.0),
        (Function::Exp, 1.0, std::f64::consts::E),
        (Function::Log, std::f64::consts::E, 1.0),
        (Function::Sqrt, 9.0, 3.0),
        (Function::Square, -3.0, 9.0),
        (Function::Abs, -3.0, 3.0),
        (Function::Sin, std::f64::consts::FRAC_PI_2, 1.0),
        (Function::Cos, std::f64::consts::PI, -1.0),
        (Function::Tanh, 0.5, 0.462_117_157_260_009_8),
        (Function::Sigmoid, 2.0, 0.880_797_077_977_882_3),
        (Function::Softplus, 2.0, 2.126_928_011_042_972_5),
        (Function::Softplus, 1000.0, 1000.0),
        (Function::Relu, -1.0, 0.0),
        (Function::Step, 0.0, 0.0),
        (Function::Step, 0.1, 1.0),
    ];
    for (function, x, y) in cases {
        assert!(close(&b.value(&call(function, num(x))), &[y]), "{}", function.name());
    }
}

#[test]
fn reductions_and_softmax_run_over_the_axes_named() {
    let mut b = Build::new();
    let (i, j) = (b.axis("I", 2), b.axis("J", 3));
    let m = b.param("m", &[i, j], Domain::Real, &[1.0, 2.0, 3.0, 1.0, 1.0, 1.0]);
    assert_eq!(b.value(&reduce(Reduction::Sum, b.p(m), &[j])), [6.0, 3.0]);
    assert_eq!(b.value(&reduce(Reduction::Sum, b.p(m), &[i])), [2.0, 3.0, 4.0]);
    assert_eq!(b.value(&reduce(Reduction::Mean, b.p(m), &[i, j])), [1.5]);
    let total = 1f64.exp() + 2f64.exp() + 3f64.exp();
    assert!(close(&b.value(&reduce(Reduction::LogSumExp, b.p(m), &[j])), &[total.ln(), 1.0 + 3f64.ln()]));
    let third = 1.0 / 3.0;
    let rows = [1f64.exp() / total, 2f64.exp() / total, 3f64.exp() / total, third, third, third];
    assert!(close(&b.value(&softmax(b.p(m), j)), &rows));
    assert!(close(&b.value(&softmax(b.p(m), i))[..2], &[0.5, 1f64.exp() / (1f64.exp() + 1.0)]));
}

#[test]
fn values_choose_positions() {
    let mut b = Build::new();
    let k = b.axis("K", 3);
    let (prev, d) = (b.axis_of_kind("Prev", AxisKind::Alias(k), None), b.axis("D", 2));
    let a = b.param("a", &[prev, d], Domain::Real, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let pair = b.axis("Pair", 2);
    let w = b.param("w", &[pair], Domain::Real, &[-1.0, 1.0]);
    let (s, r) = (b.var("s", &[], Domain::Cat(k), &[]), b.var("r", &[], Domain::Bool, &[]));
    let each = b.var("each", &[], Domain::Cat(k), &[pair]);
    b.set(s, &[2.0]);
    b.set(each, &[1.0, 0.0]);
    assert_eq!(b.value(&pick(b.p(a), vec![by(b.v(s))])), [5.0, 6.0]);
    assert_eq!(b.value(&pick(b.p(a), vec![Subscript::Constant(1), Subscript::Constant(0)])), [3.0]);
    assert_eq!(b.value(&pick(b.p(a), vec![by(b.v(each))])), [3.0, 4.0, 1.0, 2.0]);
    assert_eq!(b.value(&indicator(b.v(s))), [0.0, 0.0, 1.0]);
    assert_eq!(b.value(&indicator(b.v(each))), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let chosen = pick(b.p(w), vec![by(b.v(r))]);
    for (value, expected) in [(0.0, -1.0), (1.0, 1.0), (0.25, -0.5)] {
        b.set(r, &[value]);
        assert_eq!(b.value(&chosen), [expected]);
    }
}

#[test]
fn only_the_branch_taken_is_evaluated() {
    let mut b = Build::new();
    let c = b.var("c", &[], Domain::Bool, &[]);
    let absent = b.var("absent", &[], Domain::Real, &[]);
    let e = choose(b.v(c), b.v(absent), num(3.0));
    b.set(c, &[0.0]);
    assert_eq!(b.value(&e), [3.0]);
    b.set(c, &[1.0]);
    let value = ghmc::model::evaluate::expression_value(&b.program, b.model, &e, &[], &b.values);
    assert_eq!(value, Err(EvaluateError::Unassigned { name: "absent".into(), at: vec![] }));
}

#[test]
fn a_choice_is_made_entry_by_entry() {
    let mut b = Build::new();
    let k = b.axis("K", 3);
    let x = b.param("x", &[k], Domain::Real, &[-1.0, 0.0, 2.0]);
    let e = choose(compare(Compare::Gt, b.p(x), num(0.0)), call(Function::Log, b.p(x)), num(7.0));
    assert!(close(&b.value(&e), &[7.0, 7.0, 2f64.ln()]));
    for (op, expected) in
        [(Compare::Lt, [1.0, 0.0, 0.0]), (Compare::Le, [1.0, 1.0, 0.0]), (Compare::Ge, [0.0, 1.0, 1.0])]
    {
        assert_eq!(b.value(&compare(op, b.p(x), num(0.0))), expected);
    }
}

#[test]
fn a_table_is_row_major_and_linear_in_a_grey_value() {
    let mut b = Build::new();
    let k = b.axis("K", 3);
    let (s, r) = (b.var("s", &[], Domain::Cat(k), &[]), b.var("r", &[], Domain::Bool, &[]));
    let e = table(vec![b.v(s), b.v(r)], &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0]);
    b.set(s, &[2.0]);
    for (value, expected) in [(0.0, 5.0), (1.0, 9.0), (0.5, 7.0)] {
        b.set(r, &[value]);
        assert_eq!(b.value(&e), [expected]);
    }
    b.set(s, &[0.0]);
    b.set(r, &[1.0]);
    assert_eq!(b.value(&e), [2.0]);
    assert_eq!(b.value(&is(b.v(s), 0)), [1.0]);
    assert_eq!(b.value(&is(b.v(s), 1)), [0.0]);
}

#[test]
fn a_sum_axis_holds_its_parts_end_to_end() {
    let mut b = Build::new();
    let (h, k) = (b.axis("H", 2), b.axis("K", 3));
    let sum = b.axis_of_kind("H ++ K", AxisKind::Sum(vec![h, k]), None);
    let (x, y) = (b.var("x", &[], Domain::Bool, &[h]), b.var("y", &[], Domain::Cat(k), &[]));
    b.set(x, &[1.0, 0.0]);
    b.set(y, &[1.0]);
    let both = expr(Node::Concat(vec![b.v(x), indicator(b.v(y))], sum), vec![sum], Domain::Real);
    assert_eq!(b.value(&both), [1.0, 0.0, 0.0, 1.0, 0.0]);
    let w = b.param("w", &[sum], Domain::Real, &[1.0, 10.0, 100.0, 1000.0, 10_000.0]);
    assert_eq!(b.value(&dot(b.p(w), both)), [1001.0]);
}

#[test]
fn states_stand_for_numbers() {
    let mut b = Build::new();
    let k = b.axis("K", 3);
    for (domain, expected) in [(Domain::Bool, 1.0), (Domain::Spin, 1.0), (Domain::Cat(k), 1.0)] {
        assert_eq!(b.value(&expr(Node::State(1), vec![], domain)), [expected]);
    }
    assert_eq!(b.value(&expr(Node::State(0), vec![], Domain::Spin)), [-1.0]);
    assert_eq!(b.value(&expr(Node::Size(k), vec![], Domain::Count)), [3.0]);
}

#[test]
fn observed_is_what_the_values_say() {
    let mut b = Build::new();
    let v = b.var("v", &[], Domain::Real, &[]);
    let e = expr(Node::IsObserved(v), vec![], Domain::Bool);
    assert_eq!(b.value(&e), [0.0]);
    b.values.observed.insert(v);
    assert_eq!(b.value(&e), [1.0]);
}

#[test]
fn a_prefix_ends_before_its_index() {
    let mut b = Build::new();
    let t = b.axis("T", 4);
    let x = b.param("x", &[t], Domain::Real, &[1.0, 2.0, 4.0, 8.0]);
    let i = b.index("i", t);
    let before = pick(b.p(x), vec![Subscript::Prefix(i)]);
    b.potential(&[i], reduce(Reduction::Sum, before.clone(), &[t]));
    assert_eq!(b.log_density().unwrap(), 0.0 + 1.0 + 3.0 + 7.0);
    b.program.models[b.model].factors.clear();
    b.potential(&[i], dot(before.clone(), before));
    assert_eq!(b.log_density().unwrap(), 0.0 + 1.0 + 5.0 + 21.0);
}

#[test]
fn what_is_no_part_of_a_density_is_refused() {
    let mut b = Build::new();
    let (t, m) = (b.axis("T", 2), b.model);
    let i = b.index("i", t);
    let objective = Objective::LogLik { model: m, targets: vec![], given: vec![] };
    b.potential(&[], expr(Node::Objective(Box::new(objective)), vec![], Domain::Real));
    assert!(matches!(b.log_density(), Err(EvaluateError::Objective { .. })));
    b.program.models[m].factors.clear();
    b.potential(&[], is_first(i));
    assert!(matches!(b.log_density(), Err(EvaluateError::Malformed { .. })));
    b.program.models[m].factors.clear();
    b.potential(&[], call(Function::Log, num(-1.0)));
    assert!(matches!(b.log_density(), Err(EvaluateError::NotANumber { .. })));
    b.program.models[m].factors.clear();
    let x = b.param("x", &[t], Domain::Real, &[1.0, 2.0]);
    b.potential(&[i], pick(b.p(x), vec![at(i, 0)]));
    b.values.params.clear();
    assert_eq!(b.log_density(), Err(EvaluateError::NoParameter { name: "x".into() }));
}
