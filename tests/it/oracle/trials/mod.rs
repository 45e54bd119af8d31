//! Every construct of the language on random programs, against formulas written a second time.
//!
//! A trial is a program as text and, beside it, its log p̃ as straight loops over plain numbers that call nothing of the
//! library. The plain evaluator must give the same number at random values; so must the compiled density, whose gradient in
//! every real, positive and unit number must be the difference quotient of the loops. What cannot be compiled is counted by its
//! reason: `NOT_COMPILED` lists what may be missing, and the list must not be longer than the truth.
//!
//! | construct | by hand | random, against loops |
//! |---|---|---|
//! | every family of `~`, arguments repeated along event axes | `densities` | `families::entries` |
//! | `Dirichlet`, `Multinomial` | `densities`, here | `families::counts` |
//! | `Normal(.., cov = ..)`, matrix, state's matrix, single number | here | `families::covariances` |
//! | `Wishart`, `InverseWishart`, `NormalInverseWishart` | here | `families::matrices` |
//! | `prior` | `factors` | `families::matrices`, `families::priors` |
//! | `for`, nested and side by side, partial index | `factors` | `structure::plates` |
//! | `x[t-1]`, `x[t+1]`, edges, `is first`, `is last` | `factors` | `structure::offsets` |
//! | ragged plates, `size` | `factors` | `structure::ragged` |
//! | `x = e`, alone, along a plate, recursive, discrete with a value | `factors` | `structure::definitions` |
//! | `if`, `is`, comparisons, tables, grey values | `expressions` | `structure::choices` |
//! | operators, functions, reductions, `softmax`, `@` | `expressions` | `structure::arithmetic` |
//! | `window` | here | `structure::windows` |
//! | `conv`, `deconv` as expressions | | `kernels::kernels` |
//! | `++`, states as indicators, `Spin`, `Discrete[V]` | `expressions` | `parts::joined` |
//! | sub-models: directed, `~`, `factor`, own and passed parameters, in a plate | `factors` | `parts::sub_models` |
//! | `guide` | `factors` | `parts::guides` |
//! | `dense`, `embed`, `conv`, `pool`, `norm`, `dropout`, links, several outputs | here | `nets::features` |
//! | `rnn`, `gru`, `lstm`, `start`, last state, prefixes | here | `nets::recurrences` |
//! | exact sums, chains, fields, grids | `factors` | `random`, in `engines` |

mod families;
mod fixed;
mod kernels;
mod nets;
mod parts;
mod structure;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ghmc::engine::EmitError;
use ghmc::engine::update::{Opening, input_name, length_name};
use ghmc::model::evaluate::{Values, factor_value, log_density, log_density_of_guide, log_normaliser, log_prior};
use ghmc::model::{AxisKind, Domain, Factor, FactorKind, ModelId, ParamId, Program, VarId};
use ghmc::runtime::{Context, States, interpret};
use ghmc::tensor::graph::Graph;
use ndarray::{ArrayD, IxDyn};

use super::random::Stream;
use crate::engines::checked;

/// Numbers by name: parameters by their full names, variables by theirs.
#[derive(Clone, Default)]
pub struct Numbers(BTreeMap<String, ArrayD<f64>>);

impl Numbers {
    fn of(program: &Program, values: &Values) -> Self {
        let params = values.params.iter().map(|(&id, a)| (program.params[id].name.clone(), a.clone()));
        let vars = values.vars.iter().map(|(&id, a)| (program.vars[id].name.clone(), a.clone()));
        Self(params.chain(vars).collect())
    }

    /// One entry.
    pub fn at(&self, name: &str, at: &[usize]) -> f64 {
        let array = self.0.get(name).unwrap_or_else(|| panic!("no `{name}` among {:?}", self.0.keys()));
        *array.get(IxDyn(at)).unwrap_or_else(|| panic!("`{name}` has shape {:?}, not {at:?}", array.shape()))
    }

    /// One entry that is a state.
    pub fn state(&self, name: &str, at: &[usize]) -> usize {
        self.at(name, at) as usize
    }

    /// A square matrix: the last two axes at a position of those before.
    pub fn matrix(&self, name: &str, at: &[usize], n: usize) -> Vec<Vec<f64>> {
        let entry = |i, j| self.at(name, &[at, &[i, j]].concat());
        (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
    }

    /// A vector: the last axis at a position of those before.
    pub fn vector(&self, name: &str, at: &[usize], n: usize) -> Vec<f64> {
        (0..n).map(|i| self.at(name, &[at, &[i]].concat())).collect()
    }
}

/// What the loops compute.
#[derive(Clone, Copy, PartialEq)]
pub enum What {
    /// The model's log p̃.
    Model,
    /// The guide's log q.
    Guide,
    /// The log-densities of the parameters' priors.
    Priors,
    /// The log-partitions of the model's undirected parts.
    Partitions,
}

/// A program and the loops that say what it means.
pub struct Trial {
    pub text: String,
    pub what: What,
    pub reference: Box<dyn Fn(&Numbers) -> f64>,
    /// Axes that are ragged, with the longest length and this row's.
    pub ragged: Vec<(&'static str, usize, usize)>,
    /// Values that must be more than their domain says.
    pub fixed: Vec<(String, Vec<f64>)>,
}

impl Trial {
    pub fn new(text: String, reference: impl Fn(&Numbers) -> f64 + 'static) -> Self {
        let reference = Box::new(reference);
        Self { text, what: What::Model, reference, ragged: Vec::new(), fixed: Vec::new() }
    }

    pub fn of(self, what: What) -> Self {
        Self { what, ..self }
    }
}

type Maker = fn(&mut Stream) -> Trial;

/// The kinds of trial.
const KINDS: [(&str, Maker); 18] = [
    ("entries", families::entries),
    ("counts", families::counts),
    ("covariances", families::covariances),
    ("matrices", families::matrices),
    ("priors", families::priors),
    ("plates", structure::plates),
    ("offsets", structure::offsets),
    ("ragged", structure::ragged),
    ("definitions", structure::definitions),
    ("choices", structure::choices),
    ("arithmetic", structure::arithmetic),
    ("windows", structure::windows),
    ("kernels", kernels::kernels),
    ("joined", parts::joined),
    ("sub-models", parts::sub_models),
    ("guides", parts::guides),
    ("features", nets::features),
    ("recurrences", nets::recurrences),
];

/// A symmetric positive-definite matrix, row-major.
fn positive_definite(stream: &mut Stream, n: usize) -> Vec<f64> {
    let a: Vec<f64> = (0..n * n).map(|_| 0.6 * stream.normal()).collect();
    let entry = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * a[j * n + k]).sum::<f64>();
    (0..n * n).map(|e| entry(e / n, e % n) + if e / n == e % n { 0.5 } else { 0.0 }).collect()
}

/// Numbers of a domain for an array of that shape.
fn numbers(program: &Program, stream: &mut Stream, domain: &Domain, shape: &[usize]) -> ArrayD<f64> {
    let count: usize = shape.iter().product();
    let last = shape.last().copied().unwrap_or(1).max(1);
    let data: Vec<f64> = match domain {
        Domain::Bool => (0..count).map(|_| stream.below(2) as f64).collect(),
        Domain::Spin => (0..count).map(|_| 2.0 * stream.below(2) as f64 - 1.0).collect(),
        Domain::Cat(axis) => {
            let states = program.axes.extent(*axis).expect("the enumeration has a size");
            (0..count).map(|_| stream.below(states) as f64).collect()
        }
        Domain::Count => (0..count).map(|_| stream.below(5) as f64).collect(),
        Domain::Real => (0..count).map(|_| stream.normal()).collect(),
        Domain::Positive => (0..count).map(|_| (0.5 * stream.normal()).exp()).collect(),
        Domain::Unit => (0..count).map(|_| 0.05 + 0.9 * stream.unit()).collect(),
        Domain::Simplex => {
            let shares: Vec<f64> = (0..count).map(|_| 0.1 + stream.unit()).collect();
            shares.chunks(last).flat_map(|c| c.iter().map(|x| x / c.iter().sum::<f64>())).collect()
        }
        Domain::Cov => (0..count / (last * last)).flat_map(|_| positive_definite(stream, last)).collect(),
    };
    ArrayD::from_shape_vec(IxDyn(shape), data).expect("as many numbers as the shape has")
}

/// A checked trial with its values.
struct Case {
    program: Program,
    model: ModelId,
    values: Values,
    trial: Trial,
}

fn case(kind: usize, seed: u64) -> Case {
    let mut stream = Stream::new(seed.wrapping_mul(31) ^ (kind as u64) << 32);
    let trial = KINDS[kind].1(&mut stream);
    let mut program = checked(&trial.text);
    let model = super::model(&program, "m");
    let mut values = Values::default();
    for &(name, longest, length) in &trial.ragged {
        let ids: Vec<_> = program.axes.iter().filter(|(_, a)| a.name == name).map(|(id, _)| id).collect();
        for id in ids {
            program.axes[id].kind = AxisKind::Ragged;
            program.axes[id].extent = Some(longest);
            values.lengths.insert(id, length);
        }
    }
    for (id, param) in program.params.iter() {
        let shape = program.extents(&param.axes).expect("every axis has a size");
        values.params.insert(id, numbers(&program, &mut stream, &param.domain, &shape));
    }
    let defined = super::defined(&program, model);
    for &var in program.models[model].vars.iter().filter(|v| !defined.contains(v)) {
        let declared = &program.vars[var];
        let shape = program.extents(&declared.axes()).expect("every axis has a size");
        values.vars.insert(var, numbers(&program, &mut stream, &declared.domain, &shape));
    }
    for (name, data) in &trial.fixed {
        let var = super::variable(&program, model, name);
        let shape = program.extents(&program.vars[var].axes()).expect("every axis has a size");
        values.vars.insert(var, ArrayD::from_shape_vec(IxDyn(&shape), data.clone()).expect("as many numbers"));
    }
    Case { program, model, values, trial }
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

/// What the evaluator says.
fn evaluated(case: &Case) -> f64 {
    let Case { program, model, values, trial } = case;
    let found = match trial.what {
        What::Model => log_density(program, *model, values),
        What::Guide => log_density_of_guide(program, *model, values),
        What::Priors => program.params.ids().map(|id| log_prior(program, id, values)).sum(),
        What::Partitions => undirected(program, *model).map(|f| log_normaliser(program, *model, f, values)).sum(),
    };
    found.unwrap_or_else(|e| panic!("{e}\nin\n{}", trial.text))
}

fn undirected(program: &Program, model: ModelId) -> impl Iterator<Item = &Factor> {
    program.models[model].factors.iter().filter(|f| matches!(f.kind, FactorKind::Undirected { .. }))
}

/// What is differentiated: a parameter or a variable.
#[derive(Clone, Copy)]
enum Leaf {
    Param(ParamId),
    Var(VarId),
}

/// The compiled density: output `log`, and `gradient.<name>` for each leaf.
fn compiled(case: &Case, rows: Option<usize>) -> Result<(Graph, Vec<(String, Leaf)>), EmitError> {
    let program = &case.program;
    let inputs: Vec<VarId> = case.values.vars.keys().copied().collect();
    let mut scope = Opening { program, rows, inputs: &inputs, partial: &[], ties: &[], first_site: 0 }.scope()?;
    let mut total = scope.space.scalar(0.0);
    let factors = match case.trial.what {
        What::Guide => program.models[case.model].guide.iter().flat_map(|g| &g.factors).collect::<Vec<_>>(),
        _ => program.models[case.model].factors.iter().collect(),
    };
    if case.trial.what == What::Priors {
        for id in program.params.ids() {
            if let Some(prior) = scope.log_prior(id)? {
                total = scope.space.add(&total, &prior);
            }
        }
    } else {
        for leaf in factors.into_iter().flat_map(Factor::leaves) {
            let value = scope.factor_total(leaf, &[])?;
            total = scope.space.add(&total, &value);
        }
    }
    let total = scope.space.sum_to(&total, &[]);
    let smooth = |domain: &Domain| matches!(domain, Domain::Real | Domain::Positive | Domain::Unit);
    let mut leaves = Vec::new();
    let mut wrt = Vec::new();
    for (id, param) in program.params.iter().filter(|(_, p)| smooth(&p.domain)) {
        leaves.push((param.name.clone(), Leaf::Param(id)));
        wrt.push(scope.params[&id].clone());
    }
    for &var in inputs.iter().filter(|v| smooth(&program.vars[**v].domain)) {
        leaves.push((program.vars[var].name.clone(), Leaf::Var(var)));
        wrt.push(scope.values[&var].array().clone());
    }
    let gradients = scope.space.gradient(&total, &wrt);
    scope.space.graph.output("log", total.node);
    for ((name, _), gradient) in leaves.iter().zip(gradients) {
        scope.space.graph.output(&format!("gradient.{name}"), gradient.node);
    }
    Ok((scope.space.graph, leaves))
}

/// Runs a density's graph on both executors, which must agree, and gives its outputs.
fn run(case: &Case, graph: &Graph) -> BTreeMap<String, Vec<f64>> {
    let Case { program, values, trial, .. } = case;
    let mut states = States::new();
    for (&id, array) in &values.params {
        states.insert(program.params[id].name.clone(), array.shape(), array.iter().copied().collect());
    }
    let mut inputs: Vec<(String, Vec<f64>)> =
        values.vars.iter().map(|(&v, a)| (input_name(program, v), a.iter().copied().collect())).collect();
    inputs.extend(values.lengths.iter().map(|(&a, &n)| (length_name(program, a), vec![n as f64])));
    let known = graph.input_nodes();
    let inputs: Vec<(&str, &[f64])> =
        inputs.iter().filter(|(n, _)| known.contains_key(n)).map(|(n, d)| (n.as_str(), d.as_slice())).collect();
    let context = Context { seed: 7, step: 0 };
    let plain = interpret(graph, &context, &mut states.clone(), &inputs).unwrap_or_else(|e| panic!("{e}"));
    let mut fast = ghmc::runtime::Program::<f64>::compile(graph, &Default::default()).unwrap_or_else(|e| panic!("{e}"));
    fast.run(&context, &mut states, &inputs).unwrap_or_else(|e| panic!("{e}"));
    for (name, value) in &plain {
        let (_, found) = fast.output(name).expect("both executors have the output");
        for (a, b) in found.iter().zip(&value.data) {
            assert!(close(*a, *b, 1e-9) || a.is_nan() && b.is_nan(), "{name}: {a} and {b} in\n{}", trial.text);
        }
    }
    plain.into_iter().map(|(name, value)| (name, value.data)).collect()
}

/// What is not compiled yet, and for which kinds of trial: (the reason, as it is told; the kind).
const NOT_COMPILED: [(&str, &str); 0] = [];

/// Trials of each kind.
const TRIALS: u64 = 40;

/// Tries every kind at some seeds, and tells of each kind the first that fails.
fn each_kind(trials: u64, mut compare: impl FnMut(&'static str, &Case)) {
    let mut failed = Vec::new();
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        for seed in 0..trials {
            let outcome = catch_unwind(AssertUnwindSafe(|| compare(name, &case(kind, seed))));
            if outcome.is_err() {
                failed.push(format!("{name} {seed}"));
                break;
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}, as told above");
}

#[test]
fn the_evaluator_says_what_the_loops_say() {
    each_kind(TRIALS, |_, case| {
        let expected = (case.trial.reference)(&Numbers::of(&case.program, &case.values));
        assert!(!expected.is_nan(), "the loops are at fault in\n{}", case.trial.text);
        let found = evaluated(case);
        let values = &case.values;
        assert!(close(found, expected, 1e-9), "{found} and not {expected}\n{}\n{values:?}", case.trial.text);
    });
}

#[test]
fn the_parts_of_a_density_sum_to_it() {
    each_kind(1, |_, case| {
        if case.trial.what == What::Model {
            let factors = &case.program.models[case.model].factors;
            let parts = factors.iter().map(|f| factor_value(&case.program, case.model, f, &case.values).unwrap());
            assert!(close(parts.sum(), evaluated(case), 1e-12), "{}", case.trial.text);
        }
    });
}

#[test]
fn the_compiled_density_and_its_gradient_are_those_of_the_loops() {
    let mut missing: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let (mut values_compared, mut slopes_compared, mut rows) = (0, 0, None);
    each_kind(TRIALS / 2, |name, case| {
        if case.trial.what == What::Partitions {
            return;
        }
        rows = if rows.is_none() { Some(1) } else { None };
        let (graph, leaves) = match compiled(case, rows) {
            Ok(found) => found,
            Err(error) => {
                *missing.entry((error.what, name)).or_default() += 1;
                return;
            }
        };
        let outputs = run(case, &graph);
        let expected = (case.trial.reference)(&Numbers::of(&case.program, &case.values));
        let found = outputs["log"][0];
        assert!(close(found, expected, 1e-9), "{found} and not {expected}\n{}", case.trial.text);
        values_compared += 1;
        if !expected.is_finite() {
            return;
        }
        for (leaf_name, leaf) in leaves {
            slopes_compared += compare_slopes(case, &leaf_name, leaf, &outputs[&format!("gradient.{leaf_name}")]);
        }
    });
    for ((what, kind), count) in &missing {
        println!("not compiled: {what} ({kind}: {count})");
    }
    for (what, kind) in missing.keys() {
        assert!(NOT_COMPILED.contains(&(what, kind)), "{kind}: {what}");
    }
    for (what, kind) in NOT_COMPILED {
        assert!(missing.contains_key(&(what.into(), kind)), "`{what}` is compiled by now: take it off the list");
    }
    assert!(values_compared > 250 && slopes_compared > 2000, "{values_compared} values, {slopes_compared} slopes");
}

/// Compares some slopes of a leaf with difference quotients of the loops; gives how many.
fn compare_slopes(case: &Case, name: &str, leaf: Leaf, gradient: &[f64]) -> usize {
    let mut values = case.values.clone();
    let at = |values: &Values| (case.trial.reference)(&Numbers::of(&case.program, values));
    let entry = |values: &mut Values, i: usize, x: f64| {
        let array = match leaf {
            Leaf::Param(id) => values.params.get_mut(&id),
            Leaf::Var(id) => values.vars.get_mut(&id),
        };
        let entry = array.and_then(|a| a.iter_mut().nth(i)).expect("the leaf has the entry");
        std::mem::replace(entry, x)
    };
    let mut compared = 0;
    // The first few entries: each construct reads them all alike.
    for (i, &found) in gradient.iter().enumerate().take(6) {
        let x = entry(&mut values, i, 0.0);
        let h = 1e-5 * (1.0 + x.abs());
        let mut value_at = |x: f64| {
            entry(&mut values, i, x);
            at(&values)
        };
        let (up, down, here) = (value_at(x + h), value_at(x - h), value_at(x));
        // On both sides alike, or it is a corner (a maximum, a relu at its bend).
        let (right, left) = ((up - here) / h, (here - down) / h);
        if !close(right, left, 1e-2) || !up.is_finite() || !down.is_finite() {
            continue;
        }
        let want = (up - down) / (2.0 * h);
        assert!(close(found, want, 2e-5), "∂/∂{name}[{i}] is {found} and not {want}\n{}", case.trial.text);
        compared += 1;
    }
    compared
}
