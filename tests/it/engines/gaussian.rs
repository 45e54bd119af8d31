//! Normals and quadratic potentials against linear algebra over all entries at once, read off the plain evaluator at points; a chain
//! against the filter and the smoother as textbooks write them; draws against the moments they should have.

use std::collections::BTreeMap;

use ghmc::engine::answer::square_name;
use ghmc::engine::draws::draws;
use ghmc::engine::update::{input_name, length_name};
use ghmc::model::evaluate::Values;
use ghmc::model::{Ask, AxisKind, Evidence, EvidenceValue, ModelId, Program, Question, Subject, VarId, Verb};
use ghmc::plan::{Answer, AnswerShape, Engine, choose_ask};
use ghmc::runtime::{self, Context, Options, RunError, States};
use ghmc::tensor::op::Reduction;
use ndarray::{ArrayD, IxDyn};

use super::{checked, posterior_graph, posterior_plan, run};
use crate::oracle::random::{Stream, random_parameters};
use crate::oracle::{log_weight, model, shape, variable};

pub(super) fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

/// Random models whose latent variables are numbers under a quadratic log-density, and whose observed ones hang below them.
fn random_text(seed: u64) -> (String, Vec<&'static str>) {
    let mut s = Stream::new(seed ^ 0x6A55);
    let (n, k) = (1 + s.below(4), 1 + s.below(3));
    let axes = format!("axis T = {n}\naxis D = {k}\naxis F = D\n");
    let (body, observed) = match seed % 8 {
        0 => (
            format!(
                "param c: Real[D], f: Real, s: Positive, r: Positive\n\
                 for t in T {{\n x[t]: Real[D] ~ Normal({}, sd = s)\n y[t]: Real[D] ~ Normal(2 * x[t] + 1, sd = r)\n }}\n",
                *s.pick(&["if t is first then c else 0.4 * x[t-1] + f * sum(x[t-1], D) + c", "if t is first then 0 else f * x[t-1]", "c"])
            ),
            vec!["y"],
        ),
        1 => (
            "param f: Real, g: Real, s: Positive, r: Positive, q: Positive\n\
             for t in T {\n v[t]: Real[D] ~ Normal(if t is first then 0 else f * v[t-1], sd = s)\n \
             x[t]: Real[D] ~ Normal(if t is first then 1 else x[t-1] + g * v[t-1] + v[t], sd = r)\n \
             y[t]: Real[D] ~ Normal(x[t], sd = q)\n }\n"
                .to_string(),
            vec!["y"],
        ),
        2 => (
            "param a: Real, b: Real, s: Positive, r: Positive\n\
             x0: Real ~ Normal(a, sd = s)\n x1: Real ~ Normal(b * x0, sd = r)\n x2: Real ~ Normal(x0 - 0.5 * x1, sd = s)\n \
             x3: Real ~ Normal(x1 + 2, sd = 1)\n y: Real ~ Normal(x2 + x3, sd = r)\n z: Real ~ Normal(x0, sd = 0.5)\n"
                .to_string(),
            vec!["y", "z"],
        ),
        3 => (
            "param a: Real, b: Real[D]\n var x: Real[D], u: Real, w: Real\n\
             factor -2 * sum(x * x, D) - 3 * u * u - w * w\n factor 0.6 * u * w + a * u + 0.2 * w * sum(x, D)\n factor b @ x\n\
             y: Real ~ Normal(u - w, sd = 2)\n"
                .to_string(),
            vec!["y"],
        ),
        4 => (
            "param s: Positive, r: Positive, a: Real\n z: Real ~ Normal(a, sd = s)\n\
             for t in T {\n m[t]: Real ~ Normal(z, sd = r)\n y[t]: Real[D] ~ Normal(m[t], sd = s)\n }\n"
                .to_string(),
            vec!["y"],
        ),
        5 => (
            "param s: Positive, W: Real[D, F], a: Real[D]\n x: Real[F] ~ Normal(0, sd = 1)\n\
             d: Real[D] = W @ x + a\n y: Real[D] ~ Normal(d, sd = s)\n"
                .to_string(),
            vec!["y"],
        ),
        6 => (
            "param s: Positive, r: Positive, q: Real\n\
             for t in T {\n x[t]: Real ~ Normal(if t is first then 0 else q, sd = s)\n y[t]: Real ~ Normal(x[t], sd = r)\n }\n\
             all: Real ~ Normal(sum(x, T), sd = 0.7)\n"
                .to_string(),
            vec!["y", "all"],
        ),
        _ => (
            "param s: Positive, r: Positive, c: Real\n\
             for t in T {\n var x[t]: Real\n factor -1.5 * x[t] * x[t]\n factor 0.6 * x[t] * x[t-1]\n factor if t is last then c * x[t] else 0\n \
             y[t]: Real ~ Normal(x[t], sd = s)\n }\n"
                .to_string(),
            vec!["y"],
        ),
    };
    (format!("{axes}model m {{\n{body}}}\n"), observed)
}

/// The quadratic form of log p̃ in the open entries, from its values at points: f(0), h and J, with the rounding of their differences.
pub(super) struct Form {
    pub(super) entries: Vec<(VarId, usize)>,
    constant: f64,
    linear: Vec<f64>,
    precision: Vec<Vec<f64>>,
}

fn form(program: &Program, m: ModelId, clamped: &Values, open: &[VarId]) -> Form {
    let mut zero = clamped.clone();
    let mut entries = Vec::new();
    for &var in open {
        let extents = shape(program, clamped, var);
        entries.extend((0..extents.iter().product()).map(|i| (var, i)));
        zero.vars.insert(var, ArrayD::zeros(IxDyn(&extents)));
    }
    form_of(program, m, &zero, entries)
}

/// The quadratic form in some entries, which are 0 in `zero`.
pub(super) fn form_of(program: &Program, m: ModelId, zero: &Values, entries: Vec<(VarId, usize)>) -> Form {
    let at = |moves: &[(usize, f64)]| {
        let mut values = zero.clone();
        for &(i, by) in moves {
            let (var, place) = entries[i];
            *values.vars.get_mut(&var).unwrap().iter_mut().nth(place).unwrap() += by;
        }
        log_weight(program, m, &values).unwrap()
    };
    let constant = at(&[]);
    let n = entries.len();
    let linear = (0..n).map(|i| 0.5 * (at(&[(i, 1.0)]) - at(&[(i, -1.0)]))).collect();
    let precision = (0..n)
        .map(|i| {
            let row = (0..n).map(|j| -(at(&[(i, 1.0), (j, 1.0)]) - at(&[(i, 1.0)]) - at(&[(j, 1.0)]) + constant));
            row.collect()
        })
        .collect();
    Form { entries, constant, linear, precision }
}

/// The inverse and the determinant by elimination with the largest pivot first.
fn inverse(matrix: &[Vec<f64>]) -> (Vec<Vec<f64>>, f64) {
    let n = matrix.len();
    let mut a: Vec<Vec<f64>> = matrix.to_vec();
    let mut b: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let mut determinant = 1.0;
    for k in 0..n {
        let best = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        if best != k {
            a.swap(best, k);
            b.swap(best, k);
            determinant = -determinant;
        }
        let pivot = a[k][k];
        determinant *= pivot;
        for j in 0..n {
            a[k][j] /= pivot;
            b[k][j] /= pivot;
        }
        for i in (0..n).filter(|&i| i != k) {
            let by = a[i][k];
            for j in 0..n {
                a[i][j] -= by * a[k][j];
                b[i][j] -= by * b[k][j];
            }
        }
    }
    (b, determinant)
}

/// The log-partition and the means of a form.
pub(super) fn solved(form: &Form) -> (f64, Vec<f64>, Vec<Vec<f64>>) {
    let (covariance, determinant) = inverse(&form.precision);
    let means: Vec<f64> = covariance.iter().map(|row| row.iter().zip(&form.linear).map(|(a, b)| a * b).sum()).collect();
    let squares: f64 = means.iter().zip(&form.linear).map(|(a, b)| a * b).sum();
    let tau = (2.0 * std::f64::consts::PI).ln() * means.len() as f64;
    (form.constant + 0.5 * squares - 0.5 * determinant.ln() + 0.5 * tau, means, covariance)
}

/// A random case: its program, what is known, and the open variables.
fn case(seed: u64) -> (Program, Values, Vec<VarId>, Vec<VarId>, String) {
    let (text, observed) = random_text(seed);
    let program = checked(&text);
    let m = model(&program, "m");
    let mut values = random_parameters(&program, seed);
    let mut stream = Stream::new(seed ^ 0x0B5);
    let mut fixed = Vec::new();
    for name in observed {
        // Now and then nothing is observed of one that could be.
        if stream.chance(0.15) {
            continue;
        }
        let var = variable(&program, m, name);
        let extents = shape(&program, &values, var);
        values.vars.insert(var, ArrayD::from_shape_simple_fn(IxDyn(&extents), || stream.normal()));
        fixed.push(var);
    }
    let defined = |v: &VarId| {
        program.models[m]
            .factors
            .iter()
            .any(|f| matches!(&f.kind, ghmc::model::FactorKind::Deterministic { target, .. } if target.var == *v))
    };
    let open = program.models[m].vars.iter().copied().filter(|v| !fixed.contains(v) && !defined(v)).collect();
    (program, values, fixed, open, text)
}

const CASES: u64 = 64;

#[test]
fn integrals_and_means_equal_dense_linear_algebra() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..CASES {
        let (program, values, fixed, open, text) = case(seed);
        let m = model(&program, "m");
        let plan = posterior_plan(&program, m, &fixed, &open, AnswerShape::Mean).unwrap_or_else(|| panic!("{text}"));
        let Answer::Posterior { partition, .. } = &plan.answer else { panic!("{text}") };
        for block in &partition.blocks {
            assert!(matches!(block.engine, Engine::Gaussian { .. }), "{text}");
            *seen.entry(block.engine.name()).or_default() += 1;
        }
        let graph = posterior_graph(&program, &plan);
        let found = run(&program, &graph, &values);
        let form = form(&program, m, &values, &open);
        let (log_z, means, _) = solved(&form);
        let evidence = found["evidence"].iter().sum::<f64>();
        assert!(close(evidence, log_z, 1e-8), "seed {seed}: log Z {evidence} and not {log_z}\n{text}");
        for ((var, place), mean) in form.entries.iter().zip(&means) {
            let name = &program.vars[*var].name;
            let got = *found[name].iter().nth(*place).unwrap();
            assert!(close(got, *mean, 1e-8), "seed {seed}: {name}[{place}] is {got} and not {mean}\n{text}");
        }
    }
    for engine in ["Kalman filter and smoother", "Gaussian elimination"] {
        assert!(seen.get(engine).is_some_and(|&n| n >= 10), "{seen:?}");
    }
}

#[test]
fn expected_squares_have_the_variances_in_them() {
    let mut compared = 0;
    for seed in 0..CASES {
        let (program, values, fixed, open, text) = case(seed);
        let m = model(&program, "m");
        let mut plan =
            posterior_plan(&program, m, &fixed, &open, AnswerShape::Mean).unwrap_or_else(|| panic!("{text}"));
        let Answer::Posterior { shape, .. } = &mut plan.answer else { panic!("{text}") };
        *shape = AnswerShape::Var;
        let found = run(&program, &posterior_graph(&program, &plan), &values);
        let form = form(&program, m, &values, &open);
        let (_, means, covariance) = solved(&form);
        for (i, &(var, place)) in form.entries.iter().enumerate() {
            let got = *found[&square_name(&program, var)].iter().nth(place).unwrap();
            let want = covariance[i][i] + means[i] * means[i];
            assert!(close(got, want, 1e-8), "seed {seed}: {got} and not {want}\n{text}");
            compared += 1;
        }
    }
    assert!(compared > 200, "only {compared} squares were compared");
}

#[test]
fn parameters_are_learned_by_the_exact_gradient() {
    let mut compared = 0;
    for seed in 0..CASES / 2 {
        let (program, values, fixed, open, text) = case(seed);
        let m = model(&program, "m");
        let plan = posterior_plan(&program, m, &fixed, &open, AnswerShape::Mean).unwrap_or_else(|| panic!("{text}"));
        let mut graph = posterior_graph(&program, &plan);
        let evidence = graph.outputs()["evidence"];
        for &id in values.params.keys() {
            let name = &program.params[id].name;
            let Some(&node) = graph.state_nodes().get(name) else { continue };
            let gradient = graph.gradient(evidence, &[node])[0];
            graph.output(&format!("gradient.{name}"), gradient);
        }
        let found = run(&program, &graph, &values);
        for (&id, array) in &values.params {
            let name = &program.params[id].name;
            let Some(gradient) = found.get(&format!("gradient.{name}")) else { continue };
            for i in 0..array.len() {
                let at = |by: f64| {
                    let mut moved = values.clone();
                    *moved.params.get_mut(&id).unwrap().iter_mut().nth(i).unwrap() += by;
                    solved(&form(&program, m, &moved, &open)).0
                };
                let h = 1e-4 * array.iter().nth(i).unwrap().abs().max(0.01);
                let want = (at(h) - at(-h)) / (2.0 * h);
                let got = *gradient.iter().nth(i).unwrap();
                assert!(close(got, want, 1e-4), "seed {seed}: ∂/∂{name}[{i}] is {got} and not {want}\n{text}");
                compared += 1;
            }
        }
    }
    assert!(compared > 60, "only {compared} derivatives were compared");
}

#[test]
fn the_second_derivative_in_the_tilts_is_the_covariance() {
    for (seed, var) in [(1, "x"), (9, "v"), (3, "x"), (7, "x"), (15, "x")] {
        let (program, values, fixed, open, text) = case(seed);
        let m = model(&program, "m");
        let plan = posterior_plan(&program, m, &fixed, &open, AnswerShape::Mean).unwrap_or_else(|| panic!("{text}"));
        let Answer::Posterior { partition, .. } = &plan.answer else { panic!("{text}") };
        let form = form(&program, m, &values, &open);
        let (_, _, covariance) = solved(&form);
        let var = variable(&program, m, var);
        let own: Vec<usize> = (0..form.entries.len()).filter(|&i| form.entries[i].0 == var).collect();
        for (row, &i) in own.iter().enumerate() {
            let spec = ghmc::engine::update::Opening {
                program: &program,
                rows: Some(1),
                inputs: &fixed,
                partial: &[],
                ties: &[],
                first_site: 0,
            };
            let mut scope = spec.scope().unwrap();
            let labels = ghmc::engine::exact::tilt_labels(&mut scope, var).unwrap();
            let tilt = scope.space.input("tilt", &labels);
            let tilts = [(var, tilt.clone())].into();
            let mode = ghmc::engine::exact::Mode::Marginals;
            let value = ghmc::engine::exact::partition_value(&mut scope, partition, &tilts, mode).unwrap();
            let g = &mut scope.space.graph;
            let mean = g.gradient(value.node, &[tilt.node])[0];
            let extents = g.shape(mean).to_vec();
            let pick = (0..own.len()).map(|k| f64::from(u8::from(k == row))).collect();
            let pick = g.constant(&extents, pick);
            let picked = g.mul(mean, pick);
            let axes: Vec<usize> = (0..extents.len()).collect();
            let one = g.reduce(Reduction::Sum, picked, &axes);
            let second = g.gradient(one, &[tilt.node])[0];
            let zero = g.full(&extents, 0.0);
            let second = g.substitute(&[second], &[(tilt.node, zero)].into())[0];
            g.output("covariance", second);
            let found = run(&program, g, &values);
            for (got, &j) in found["covariance"].iter().zip(&own) {
                assert!(close(*got, covariance[i][j], 1e-8), "seed {seed}: {got} and not {}\n{text}", covariance[i][j]);
            }
        }
    }
}

#[test]
fn discrete_variables_mix_normals() {
    let text = "axis K = 3\nmodel m {\n param p: Simplex[K], mu: Real[K], s: Positive[K], r: Positive, w: Real\n\
                z: K ~ Categorical(p)\n b: Bool ~ Bernoulli(logit = w)\n x: Real ~ Normal(mu[z], sd = s[z])\n\
                u: Real ~ Normal(if b then x else 0, sd = 1)\n y: Real ~ Normal(x + u, sd = r)\n}\n";
    let program = checked(text);
    let m = model(&program, "m");
    let names = ["z", "b", "x", "u", "y"].map(|n| variable(&program, m, n));
    let [z, b, x, u, y] = names;
    for seed in 0..10 {
        let mut values = random_parameters(&program, seed);
        values.vars.insert(y, ndarray::arr0(0.7).into_dyn());
        let plan = posterior_plan(&program, m, &[y], &[z, b, x, u], AnswerShape::Mean).expect("it has an engine");
        let found = run(&program, &posterior_graph(&program, &plan), &values);
        let mut logs = Vec::new();
        for state in 0..6 {
            let mut at = values.clone();
            at.vars.insert(z, ndarray::arr0((state / 2) as f64).into_dyn());
            at.vars.insert(b, ndarray::arr0((state % 2) as f64).into_dyn());
            if log_weight(&program, m, &{
                let mut full = at.clone();
                full.vars.insert(x, ndarray::arr0(0.0).into_dyn());
                full.vars.insert(u, ndarray::arr0(0.0).into_dyn());
                full
            })
            .unwrap()
            .is_finite()
            {
                let (log_z, means, _) = solved(&form(&program, m, &at, &[x, u]));
                logs.push((state, log_z, means));
            }
        }
        let top = logs.iter().map(|l| l.1).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|l| (l.1 - top).exp()).sum();
        let mean = |f: &dyn Fn(usize, &[f64]) -> f64| -> f64 {
            logs.iter().map(|(state, log, means)| (log - top).exp() / total * f(*state, means)).sum()
        };
        let evidence = found["evidence"].iter().sum::<f64>();
        assert!(close(evidence, top + total.ln(), 1e-10), "{evidence} and not {}", top + total.ln());
        let (of_x, of_b) = (mean(&|_, m| m[0]), mean(&|s, _| (s % 2) as f64));
        assert!(close(found["x"].iter().sum(), of_x, 1e-9), "{:?} and not {of_x}", found["x"]);
        assert!(close(found["b"].iter().sum(), of_b, 1e-9), "{:?} and not {of_b}", found["b"]);
        let shares: Vec<f64> = found["z"].iter().copied().collect();
        for (k, share) in shares.iter().enumerate() {
            assert!(close(*share, mean(&|s, _| f64::from(u8::from(s / 2 == k))), 1e-9));
        }
    }
}

/// Position and speed on a line, from noisy positions: log-likelihood and smoothed positions by the recursions of textbooks in
/// covariance form.
fn textbook(y: &[f64], wind: f64, waves: f64, noise: f64) -> (f64, Vec<f64>) {
    type Matrix = [[f64; 2]; 2];
    let mul = |a: Matrix, b: Matrix| {
        let mut c = [[0.0; 2]; 2];
        for (i, row) in c.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                *entry = a[i][0] * b[0][j] + a[i][1] * b[1][j];
            }
        }
        c
    };
    let turned = |a: Matrix| [[a[0][0], a[1][0]], [a[0][1], a[1][1]]];
    // The state is (x, v): x' = x + v, v' = v.
    let f: Matrix = [[1.0, 1.0], [0.0, 1.0]];
    let (mut means, mut covs, mut ahead) = (Vec::new(), Vec::new(), Vec::new());
    let mut log = 0.0;
    let (mut m, mut p) = ([0.0, 0.0], [[0.0; 2]; 2]);
    for (t, &y) in y.iter().enumerate() {
        if t > 0 {
            m = [m[0] + m[1], m[1]];
            p = mul(mul(f, p), turned(f));
        }
        p[0][0] += waves * waves;
        p[1][1] += wind * wind;
        ahead.push((m, p));
        let spread = p[0][0] + noise * noise;
        let apart = y - m[0];
        log -= 0.5 * (apart * apart / spread + (2.0 * std::f64::consts::PI * spread).ln());
        let gain = [p[0][0] / spread, p[1][0] / spread];
        m = [m[0] + gain[0] * apart, m[1] + gain[1] * apart];
        let first = p[0];
        for (row, gain) in p.iter_mut().zip(gain) {
            row.iter_mut().zip(first).for_each(|(entry, first)| *entry -= gain * first);
        }
        means.push(m);
        covs.push(p);
    }
    let mut smooth = means.clone();
    for t in (0..y.len().saturating_sub(1)).rev() {
        let (mean, p) = ahead[t + 1];
        let det = p[0][0] * p[1][1] - p[0][1] * p[1][0];
        let inverse = [[p[1][1] / det, -p[0][1] / det], [-p[1][0] / det, p[0][0] / det]];
        let gain = mul(mul(covs[t], turned(f)), inverse);
        let apart = [smooth[t + 1][0] - mean[0], smooth[t + 1][1] - mean[1]];
        for (entry, row) in smooth[t].iter_mut().zip(gain) {
            *entry += row[0] * apart[0] + row[1] * apart[1];
        }
    }
    (log, smooth.iter().map(|s| s[0]).collect())
}

const BOAT: &str = "axis Time = 9\nmodel m {\n param wind: Positive, waves: Positive, noise: Positive\n for t in Time {\n \
                    v[t]: Real ~ Normal(if t is first then 0 else v[t-1], sd = wind)\n \
                    x[t]: Real ~ Normal(if t is first then 0 else x[t-1] + v[t-1], sd = waves)\n \
                    y[t]: Real ~ Normal(x[t], sd = noise)\n }\n}\n";

#[test]
fn a_chain_is_filtered_and_smoothed_as_in_textbooks() {
    for ragged in [false, true] {
        let mut program = checked(BOAT);
        let m = model(&program, "m");
        let [v, x, y] = ["v", "x", "y"].map(|n| variable(&program, m, n));
        let axis = program.vars[y].index[0];
        if ragged {
            program.axes[axis].kind = AxisKind::Ragged;
        }
        let plan = posterior_plan(&program, m, &[y], &[v, x], AnswerShape::Mean).expect("it has an engine");
        let Answer::Posterior { partition, targets, evidence, shape, .. } = &plan.answer else { panic!("{plan:?}") };
        assert_eq!(partition.blocks[0].engine.name(), "Kalman filter and smoother");
        let inputs: Vec<VarId> = evidence.iter().map(|e| e.var).collect();
        let targets: Vec<VarId> = targets.iter().map(|t| t.0).collect();
        let lengths: Vec<usize> = if ragged { vec![9, 4, 1, 0] } else { vec![9; 4] };
        let graph = ghmc::engine::answer::posterior(&ghmc::engine::answer::PosteriorSpec {
            program: &program,
            model: m,
            rows: 4,
            inputs: &inputs,
            guided: &[],
            partition,
            joint: None,
            targets: &targets,
            shape: *shape,
        })
        .unwrap_or_else(|e| panic!("{e:?}"));
        let (wind, waves, noise) = (0.3, 0.2, 0.8);
        let mut stream = Stream::new(5);
        let data: Vec<f64> = (0..36).map(|_| 3.0 * stream.normal()).collect();
        let mut states = States::new();
        for (name, value) in [("wind", wind), ("waves", waves), ("noise", noise)] {
            states.insert(format!("m.{name}"), &[], vec![value]);
            states.insert(name, &[], vec![value]);
        }
        let mut compiled = runtime::Program::<f64>::compile(&graph, &Options::default()).unwrap();
        let (of_y, of_time) = (input_name(&program, y), length_name(&program, axis));
        let row_lengths: Vec<f64> = lengths.iter().map(|&l| l as f64).collect();
        let mut given: Vec<(&str, &[f64])> = vec![(&of_y, &data)];
        if ragged {
            given.push((&of_time, &row_lengths));
        }
        compiled.run(&Context { seed: 1, step: 0 }, &mut states, &given).unwrap();
        let (logs, means) = (compiled.output("evidence").unwrap().1, compiled.output("x").unwrap().1);
        for (row, &length) in lengths.iter().enumerate() {
            let (log, smooth) = textbook(&data[row * 9..row * 9 + length], wind, waves, noise);
            assert!(close(logs[row], log, 1e-10), "row {row}: {} and not {log}", logs[row]);
            for (t, s) in smooth.iter().enumerate() {
                assert!(close(means[row * 9 + t], *s, 1e-10), "row {row}, {t}: {} and not {s}", means[row * 9 + t]);
            }
        }
    }
}

#[test]
fn what_cannot_be_normalised_is_an_error() {
    for text in [
        "model m { var x: Real, u: Real\n factor -x * x - u * u + 3 * x * u }\n",
        "model m { var x: Real, u: Real\n factor x * u }\n",
        "axis T = 4\nmodel m { for t in T { var x[t]: Real; factor -x[t] * x[t] + 1.9 * x[t] * x[t-1] } }\n",
    ] {
        let program = checked(text);
        let m = model(&program, "m");
        let x = variable(&program, m, "x");
        let plan = posterior_plan(&program, m, &[], &[x], AnswerShape::Mean).unwrap_or_else(|| panic!("{text}"));
        let graph = posterior_graph(&program, &plan);
        let mut compiled = runtime::Program::<f64>::compile(&graph, &Options::default()).unwrap();
        match compiled.run(&Context { seed: 1, step: 0 }, &mut States::new(), &[]) {
            Err(RunError::NotPositive { of }) => assert!(of.contains("`x`"), "{of}"),
            other => panic!("{other:?} of\n{text}"),
        }
    }
}

/// Draws given something below, `rows` of them: for each variable its entries, a row after the other.
fn drawn(text: &str, given: &[(&str, &[f64])], rows: usize) -> (Program, BTreeMap<String, Vec<f64>>) {
    let program = checked(text);
    let m = model(&program, "m");
    let fixed: Vec<VarId> = given.iter().map(|(n, _)| variable(&program, m, n)).collect();
    let targets: Vec<VarId> = program.models[m].vars.iter().copied().filter(|v| !fixed.contains(v)).collect();
    let bound = |&var: &VarId| Evidence { var, value: EvidenceValue::Number(0.0), intervention: false };
    let ask = Ask {
        verb: Verb::Sample,
        name: "test".into(),
        question: Question::Probability {
            targets: targets.iter().map(|&v| (v, None)).collect(),
            evidence: fixed.iter().map(bound).collect(),
        },
        of: Subject::Model(m),
        on: None,
        row: None,
        place: None,
        by: Vec::new(),
        times: Some(1),
        span: crate::oracle::nowhere(),
    };
    let plan = choose_ask(&program, &ask).unwrap_or_else(|e| panic!("{e:?}"));
    let Answer::Draws { draws: how, .. } = &plan.answer else { panic!("{plan:?}") };
    assert_eq!(plan.kind, ghmc::plan::Kind::Exact);
    let graph = draws(&program, how, rows, &targets).unwrap_or_else(|e| panic!("{e:?}"));
    let mut compiled = runtime::Program::<f64>::compile(&graph, &Options::default()).unwrap();
    let inputs: Vec<(String, Vec<f64>)> =
        fixed.iter().zip(given).map(|(&v, (_, data))| (input_name(&program, v), data.repeat(rows))).collect();
    let inputs: Vec<(&str, &[f64])> = inputs.iter().map(|(n, d)| (n.as_str(), d.as_slice())).collect();
    compiled.run(&Context { seed: 3, step: 0 }, &mut States::new(), &inputs).unwrap();
    let found = targets.iter().map(|&v| {
        let name = program.vars[v].name.clone();
        let data = compiled.output(&name).unwrap().1.to_vec();
        (name, data)
    });
    let found = found.collect();
    (program, found)
}

#[test]
fn draws_given_what_hangs_below_have_the_posterior_s_moments() {
    let rows = 4000;
    let chain = "axis T = 4\nmodel m { for t in T { x[t]: Real ~ Normal(if t is first then 0 else 0.9 * x[t-1], sd = 0.7)\n \
                 y[t]: Real ~ Normal(x[t], sd = 0.5) } }\n";
    let tree = "axis T = 4\nmodel m { z: Real ~ Normal(1, sd = 2)\n for t in T { x[t]: Real ~ Normal(z, sd = 0.7)\n \
                y[t]: Real ~ Normal(x[t], sd = 0.5) } }\n";
    let data = [0.4, -1.0, 0.3, 2.0];
    for text in [chain, tree] {
        let (program, found) = drawn(text, &[("y", &data)], rows);
        let m = model(&program, "m");
        let mut values = Values::default();
        values.vars.insert(variable(&program, m, "y"), ndarray::arr1(&data).into_dyn());
        let x = variable(&program, m, "x");
        let open: Vec<VarId> =
            program.models[m].vars.iter().copied().filter(|v| !values.vars.contains_key(v)).collect();
        let form = form(&program, m, &values, &open);
        let (_, means, covariance) = solved(&form);
        let own: Vec<usize> = (0..form.entries.len()).filter(|&i| form.entries[i].0 == x).collect();
        let draws = &found["x"];
        let averages: Vec<f64> = (0..4).map(|i| draws.iter().skip(i).step_by(4).sum::<f64>() / rows as f64).collect();
        for (i, &a) in own.iter().enumerate() {
            let (found_mean, sd) = (averages[i], covariance[a][a].sqrt());
            assert!(
                (found_mean - means[a]).abs() < 5.0 * sd / (rows as f64).sqrt(),
                "{found_mean} and not {}",
                means[a]
            );
            for (j, &b) in own.iter().enumerate() {
                let product: f64 = draws.chunks(4).map(|d| (d[i] - averages[i]) * (d[j] - averages[j])).sum();
                let (got, want) = (product / rows as f64, covariance[a][b]);
                let scale = (covariance[a][a] * covariance[b][b]).sqrt();
                assert!(
                    (got - want).abs() < 5.0 * scale * (2.0 / rows as f64).sqrt(),
                    "{i}, {j}: {got} and not {want}"
                );
            }
        }
    }
}

#[test]
fn other_exact_engines_draw_from_their_posteriors_too() {
    let rows = 4000;
    let text = "model m { a: Bool ~ Bernoulli(0.3)\n b: Bool ~ Bernoulli(if a then 0.9 else 0.2)\n \
                c: Bool ~ Bernoulli(if b then 0.7 else 0.1) }\n";
    let (_, found) = drawn(text, &[("b", &[1.0])], rows);
    let share = |name: &str| found[name].iter().sum::<f64>() / rows as f64;
    // P(a | b) = 0.27 / (0.27 + 0.14), and c hangs on b alone.
    assert!((share("a") - 0.27 / 0.41).abs() < 0.04, "{}", share("a"));
    assert!((share("c") - 0.7).abs() < 0.04, "{}", share("c"));
    let text = "axis T = 3\naxis S = 2\naxis P = S\nmodel m { for t in T { \
                s[t]: S ~ Categorical(if t is first then [0.5, 0.5] else [0.8, 0.2]); x[t]: Real ~ Normal(if s[t] is 1 then 0 else 2, sd = 1) } }\n";
    let (_, found) = drawn(text, &[("x", &[1.0, 0.0, 5.0])], rows);
    let hot = &found["s"];
    assert_eq!(hot.len(), rows * 6);
    assert!(hot.chunks(2).all(|h| h[0] + h[1] == 1.0));
    let first: f64 = hot.chunks(6).map(|h| h[0]).sum::<f64>() / rows as f64;
    assert!((first - 0.5).abs() < 0.04, "{first}");
}
