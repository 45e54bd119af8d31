//! A small undirected machine: log Z, likelihoods and gradients by enumeration; contrastive divergence tends to the gradient.

use ghmc::data::Table;
use ghmc::model::Program;
use ghmc::model::evaluate::{Values, log_normaliser};
use ndarray::{ArrayD, IxDyn};

use super::{Arrays, answers, assert_close, compiled, drawn, figure, learn, numbers, table, values};
use crate::oracle::random::Stream;
use crate::oracle::{expectation, log_partition, loglik, model, variable};

const MACHINE: &str = "model machine(v: Discrete[V], h: Bool[H]) {
  param W: Real[V, H], b: Real[V], c: Real[H]
  factor v @ W @ h + b @ v + c @ h
}
";

const PLAIN: &str = "axis Pixel = 4
axis Hidden = 3
data seen = csv(\"seen.csv\") { x: Bool[Pixel] }
model rbm { (x: Bool[Pixel], h: Bool[Hidden]) ~ machine(v = x, h = h) as machine }
";

const LABELLED: &str = "axis Pixel = 4
axis Hidden = 3
axis Digit = zero, one, two
data seen = csv(\"seen.csv\") { x: Bool[Pixel]; y: Digit }
model joint { (x: Bool[Pixel], y: Digit, h: Bool[Hidden]) ~ machine(v = x ++ y, h = h) as machine }
evaluate both = loglik(x, y) of joint on seen
evaluate pixels = loglik(x) of joint on seen
evaluate naming = loglik(y | x) of joint on seen
evaluate drawing = loglik(x | y) of joint on seen
query z = logZ(machine) of joint
";

/// Four patterns that no independent pixels have.
fn patterns() -> Vec<Vec<f64>> {
    vec![vec![1.0, 1.0, 0.0, 0.0], vec![0.0, 0.0, 1.0, 1.0], vec![1.0, 0.0, 0.0, 1.0], vec![1.0, 1.0, 1.0, 1.0]]
}

/// The patterns over and over.
fn seen(times: usize) -> Table {
    let rows: Vec<Vec<f64>> = (0..times).flat_map(|_| patterns()).collect();
    table(vec![("x", numbers(4, &rows))])
}

fn row(program: &Program, params: &Arrays, x: &[f64], y: Option<f64>) -> Values {
    let m = program.models.iter().find(|(_, m)| m.name == "rbm" || m.name == "joint").expect("the model").0;
    let mut values = values(program, params);
    values.vars.insert(variable(program, m, "x"), ArrayD::from_shape_vec(IxDyn(&[4]), x.to_vec()).expect("4 pixels"));
    if let Some(y) = y {
        values.vars.insert(variable(program, m, "y"), ArrayD::from_elem(IxDyn(&[]), y));
    }
    values
}

#[test]
fn likelihoods_of_a_machine_are_those_of_brute_force() {
    let labels = ["zero", "one", "two", "one"];
    let seen = table(vec![("x", numbers(4, &patterns())), ("y", ghmc::data::Column::of_labels(Vec::new(), &labels))]);
    let compiled = compiled(&format!("{MACHINE}{LABELLED}"), 1, &[("seen", seen)]);
    let program = compiled.program();
    let joint = model(program, "joint");
    let [x, y] = ["x", "y"].map(|name| variable(program, joint, name));
    for seed in 1..=3 {
        let params = drawn(&compiled, 1.0, seed);
        let told = answers(&compiled, &params);
        let factor = &program.models[joint].factors[0];
        let log_z = log_normaliser(program, joint, factor, &values(program, &params)).expect("log Z");
        assert_close(figure(&told, "z"), log_z, 1e-10, "log Z");
        let codes = [0.0, 1.0, 2.0, 1.0];
        let mean = |targets: &[_], given: &[_]| {
            let rows = patterns().into_iter().zip(codes);
            rows.map(|(p, c)| loglik(program, joint, &row(program, &params, &p, Some(c)), targets, given)).sum::<f64>()
                / 4.0
        };
        assert_close(figure(&told, "both"), mean(&[x, y], &[]), 1e-10, "loglik(x, y)");
        assert_close(figure(&told, "pixels"), mean(&[x], &[]), 1e-10, "loglik(x)");
        assert_close(figure(&told, "naming"), mean(&[y], &[x]), 1e-10, "loglik(y | x)");
        assert_close(figure(&told, "drawing"), mean(&[x], &[y]), 1e-10, "loglik(x | y)");
    }
}

/// What stands beside an entry of a parameter, at the values of both sides.
type Beside = dyn Fn(usize, usize, &ArrayD<f64>, &ArrayD<f64>) -> f64;

/// The exact gradient: expectations under the data and the model of what stands beside each parameter.
fn exact_gradient(program: &Program, params: &Arrays) -> Arrays {
    let rbm = model(program, "rbm");
    let [x, h] = ["x", "h"].map(|name| variable(program, rbm, name));
    let beside = |clamped: &Values, pick: &dyn Fn(&ArrayD<f64>, &ArrayD<f64>) -> f64| {
        expectation(program, rbm, clamped, |v| pick(&v.vars[&x], &v.vars[&h]))
    };
    let contrast = |pick: &dyn Fn(&ArrayD<f64>, &ArrayD<f64>) -> f64| {
        let data = patterns().iter().map(|p| beside(&row(program, params, p, None), pick)).sum::<f64>() / 4.0;
        data - beside(&values(program, params), pick)
    };
    fn at(a: &ArrayD<f64>, i: usize) -> f64 {
        a[IxDyn(&[i])]
    }
    let entries = |shape: &[usize], pick: &Beside| {
        ArrayD::from_shape_fn(IxDyn(shape), |i| {
            let (first, second) = (i[0], if shape.len() > 1 { i[1] } else { 0 });
            contrast(&|x, h| pick(first, second, x, h))
        })
    };
    [
        ("rbm.machine.W", entries(&[4, 3], &|i, j, x, h| at(x, i) * at(h, j))),
        ("rbm.machine.b", entries(&[4], &|i, _, x, _| at(x, i))),
        ("rbm.machine.c", entries(&[3], &|j, _, _, h| at(h, j))),
    ]
    .map(|(name, array)| (name.to_string(), array))
    .into()
}

/// The gradient of one step: with a rate of one, what parameters move by.
fn step(by: &str, times: usize, seed: u64, start: &Arrays) -> Arrays {
    let rows = 4 * times;
    let train = format!("train rbm on seen {{ maximise loglik {by} with sgd(1, batch = {rows}); epochs 1 }}\n");
    let compiled = compiled(&format!("{MACHINE}{PLAIN}{train}"), 1, &[("seen", seen(times))]);
    assert_eq!(compiled.explain().contains("contrastive"), !by.is_empty(), "{}", compiled.explain());
    let (end, _) = learn(&compiled, seed, start);
    end.iter().map(|(name, array)| (name.clone(), array - &start[name])).collect()
}

fn furthest(a: &Arrays, b: &Arrays) -> f64 {
    a.iter().flat_map(|(name, array)| array.iter().zip(&b[name]).map(|(a, b)| (a - b).abs())).fold(0.0, f64::max)
}

#[test]
fn contrastive_divergence_tends_to_the_exact_gradient() {
    let whole = compiled(&format!("{MACHINE}{PLAIN}"), 1, &[("seen", seen(1))]);
    let start = drawn(&whole, 2.0, 3);
    let exact = exact_gradient(whole.program(), &start);
    let zero: Arrays = exact.iter().map(|(name, array)| (name.clone(), array * 0.0)).collect();
    assert!(furthest(&exact, &zero) > 0.1, "the gradient is small where it is compared");
    // Without `by` the machine is small enough for its own log Z.
    let found = step("", 1, 1, &start);
    assert!(furthest(&found, &exact) < 1e-10, "{found:?} is not {exact:?}");
    const TIMES: usize = 500;
    const SEEDS: u64 = 6;
    let averaged = |by: &str| {
        let mut sum = zero.clone();
        for seed in 1..=SEEDS {
            for (name, array) in step(by, TIMES, seed, &start) {
                *sum.get_mut(&name).expect("the parameter") += &(array / SEEDS as f64);
            }
        }
        sum
    };
    // Six runs of 2000 chains: a mean of products of bits has a deviation of 0.0046 at most, and fixed seeds.
    let (long, short) = (furthest(&averaged("by cd(200)"), &exact), furthest(&averaged("by cd(1)"), &exact));
    assert!(long < 0.01, "CD-200 is {long} from the gradient");
    assert!(short > 0.04, "CD-1 is only {short} from the gradient, CD-200 {long}: the start says nothing");
}

#[test]
fn a_likelihood_with_everything_summed_is_that_of_free_energies() {
    let compiled = compiled(
        &format!("{MACHINE}{PLAIN}evaluate fit = loglik of rbm on seen\nquery z = logZ(machine) of rbm\n"),
        1,
        &[("seen", seen(1))],
    );
    let program = compiled.program();
    let mut stream = Stream::new(8);
    for _ in 0..3 {
        let params = drawn(&compiled, 1.0, stream.bits());
        let told = answers(&compiled, &params);
        let (w, b, c) = (&params["rbm.machine.W"], &params["rbm.machine.b"], &params["rbm.machine.c"]);
        let free = |x: &[f64]| {
            let slope = |j: usize| c[IxDyn(&[j])] + (0..4).map(|i| x[i] * w[IxDyn(&[i, j])]).sum::<f64>();
            (0..4).map(|i| b[IxDyn(&[i])] * x[i]).sum::<f64>() + (0..3).map(|j| super::softplus(slope(j))).sum::<f64>()
        };
        let mean = patterns().iter().map(|p| free(p)).sum::<f64>() / 4.0;
        assert_close(figure(&told, "fit") + figure(&told, "z"), mean, 1e-10, "the free energy");
        let by_force = patterns()
            .into_iter()
            .map(|p| log_partition(program, model(program, "rbm"), &row(program, &params, &p, None)));
        assert_close(figure(&told, "fit"), by_force.sum::<f64>() / 4.0, 1e-10, "the likelihood");
    }
}
