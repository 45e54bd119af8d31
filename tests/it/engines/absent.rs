//! Numbers that some rows lack, whole or entry by entry: integrated over where they are absent and evidence where they are there, against
//! sums over all discrete states of dense integrals over everything that is open.

use std::collections::BTreeMap;

use ghmc::engine::update::{input_name, present_name};
use ghmc::model::evaluate::Values;
use ghmc::model::{Ask, DataRef, Domain, Evidence, EvidenceValue, ModelId, Program, Question, Subject, VarId, Verb};
use ghmc::plan::{Answer, AskPlan, choose_ask};
use ndarray::{ArrayD, IxDyn};

use super::gaussian::{close, form_of, solved};
use super::{checked, posterior_graph, run_with};
use crate::oracle::random::{Stream, random_parameters};
use crate::oracle::{log_sum_exp, log_weight, model, nowhere, open_entries, shape, states, variable};

/// A model with what its data bind, the variables that may be absent, those asked for, and the engine that is to sum.
struct Case {
    body: &'static str,
    bound: &'static str,
    absent: &'static [&'static str],
    asked: &'static [&'static str],
    engine: &'static str,
    /// Variables on which nothing hangs.
    loose: &'static [&'static str],
}

const AXES: &str = "axis T = 4\naxis D = 2\naxis F = D\naxis S = 3\naxis R = S\n";

const CASES: [Case; 10] = [
    Case {
        body: "param c: Real[D], f: Real, s: Positive, r: Positive\n for t in T {\n \
               x[t]: Real[D] ~ Normal(if t is first then c else 0.4 * x[t-1] + f * sum(x[t-1], D) + c, sd = s)\n \
               y[t]: Real[D] ~ Normal(2 * x[t] + 1, sd = r)\n }\n",
        bound: "y[T]: Real[D]",
        absent: &["y"],
        asked: &["x"],
        engine: "Kalman filter and smoother",
        loose: &["y"],
    },
    // What is absent is read further on, so that it is integrated over along the chain.
    Case {
        body: "param f: Real, g: Real, s: Positive, r: Positive\n for t in T {\n \
               x[t]: Real[D] ~ Normal(if t is first then 1 else f * x[t-1], sd = s)\n \
               y[t]: Real[D] ~ Normal(if t is first then x[t] else x[t] + g * y[t-1], sd = r)\n }\n",
        bound: "y[T]: Real[D]",
        absent: &["y"],
        asked: &["x"],
        engine: "Kalman filter and smoother",
        loose: &[],
    },
    Case {
        body: "param s: Positive, r: Positive, W: Real[D, F], a: Real[D]\n x: Real[F] ~ Normal(0, sd = 1)\n \
               y: Real[D] ~ Normal(W @ x + a, sd = s)\n v: Real[F] ~ Normal(x, sd = r)\n",
        bound: "y: Real[D]; v: Real[F]",
        absent: &["y", "v"],
        asked: &["x"],
        engine: "Gaussian elimination",
        loose: &["y", "v"],
    },
    Case {
        body: "param a: Real, b: Real, s: Positive, r: Positive\n x0: Real ~ Normal(a, sd = s)\n \
               x1: Real ~ Normal(b * x0, sd = r)\n x2: Real ~ Normal(x0 - 0.5 * x1, sd = s)\n \
               y: Real ~ Normal(x2 + x1, sd = r)\n",
        bound: "x1: Real; x2: Real; y: Real",
        absent: &["x1", "x2", "y"],
        asked: &["x0"],
        engine: "Gaussian elimination",
        loose: &["y"],
    },
    Case {
        body: "param K: Cov[D], q: Real[D], r: Positive\n x: Real[D] ~ Normal(q, sd = r)\n y: Real[D] ~ Normal(x, cov = K)\n",
        bound: "y: Real[D]",
        absent: &["y"],
        asked: &["x"],
        engine: "Gaussian elimination",
        loose: &[],
    },
    Case {
        body: "param A[R]: Simplex[S], p: Simplex[S], mu: Real[S, D], r: Positive[S]\n for t in T {\n \
               s[t]: S ~ Categorical(if t is first then p else A[s[t-1]])\n y[t]: Real[D] ~ Normal(mu[s[t]], sd = r[s[t]])\n }\n",
        bound: "y[T]: Real[D]",
        absent: &["y"],
        asked: &["s"],
        engine: "forward-backward",
        loose: &["y"],
    },
    // The class is there in some rows as well.
    Case {
        body: "param p: Simplex[S], mu: Real[S], r: Positive[S], q: Positive\n z: S ~ Categorical(p)\n \
               x: Real ~ Normal(mu[z], sd = r[z])\n y: Real[D] ~ Normal(x, sd = q)\n",
        bound: "z: S; y: Real[D]",
        absent: &["z", "y"],
        asked: &["x"],
        engine: "Gaussian elimination",
        loose: &["y"],
    },
    Case {
        body: "param p: Simplex[S], mu: Real[S], r: Positive[S], q: Positive\n z: S ~ Categorical(p)\n \
               x: Real ~ Normal(mu[z], sd = r[z])\n y: Real[D] ~ Normal(x, sd = q)\n",
        bound: "x: Real; y: Real[D]",
        absent: &["x", "y"],
        asked: &["z"],
        engine: "Gaussian elimination",
        loose: &["y"],
    },
    Case {
        body: "param w: Real[D], a: Real, q: Positive\n b: Bool[D] ~ Bernoulli(logit = w)\n c: Bool ~ Bernoulli(logit = a + sum(b, D))\n \
               y: Real[D] ~ Normal(if c then b else 2 - b, sd = q)\n u: Real ~ Normal(sum(b, D), sd = q)\n",
        bound: "y: Real[D]; u: Real",
        absent: &["y", "u"],
        asked: &["b", "c"],
        engine: "",
        loose: &["y", "u"],
    },
    Case {
        body: "param f: Real, s: Positive, r: Positive\n for t in T {\n var x[t]: Real\n factor -1.5 * x[t] * x[t]\n factor 0.6 * x[t] * x[t-1]\n \
               factor if t is last then f * x[t] else 0\n y[t]: Real ~ Normal(x[t], sd = s)\n }\n",
        bound: "x[T]: Real; y[T]: Real",
        absent: &["x", "y"],
        asked: &[],
        engine: "Kalman filter and smoother",
        loose: &["y"],
    },
];

/// The plan of the asked variables' posterior on data of which some columns have holes.
fn plan_of(program: &mut Program, m: ModelId, case: &Case) -> AskPlan {
    let data = program.data.ids().find(|&d| program.data[d].name == "d").expect("the text has data");
    for binding in &mut program.data[data].bindings {
        binding.partial = case.absent.contains(&binding.name.as_str());
    }
    let bound: Vec<VarId> = program.data[data].bindings.iter().map(|b| variable(program, m, &b.name)).collect();
    let evidence =
        bound.iter().map(|&var| Evidence { var, value: EvidenceValue::Bound, intervention: false }).collect();
    let named = |n: &&str| variable(program, m, n);
    let asked: Vec<VarId> = match case.asked {
        [] => case.absent.iter().map(named).filter(|&v| !case.loose.contains(&program.vars[v].name.as_str())).collect(),
        asked => asked.iter().map(named).collect(),
    };
    let ask = Ask {
        verb: Verb::Query,
        name: "test".into(),
        question: Question::Mean { targets: asked, evidence, moment: ghmc::model::Moment::Mean },
        of: Subject::Model(m),
        on: Some(DataRef { data, split: None, span: nowhere() }),
        row: None,
        place: None,
        by: Vec::new(),
        times: None,
        span: nowhere(),
    };
    choose_ask(program, &ask).unwrap_or_else(|problem| panic!("{}: {problem:?}", case.body))
}

/// log of the sum over the open discrete entries of the integral over the open numbers, and the mean of every open entry.
fn brute(program: &Program, m: ModelId, clamped: &Values) -> (f64, BTreeMap<(VarId, usize), f64>) {
    let flat = |var: VarId, at: &[usize]| {
        at.iter().zip(shape(program, clamped, var)).fold(0, |place, (&i, extent)| place * extent + i)
    };
    let open: Vec<(VarId, usize)> =
        open_entries(program, m, clamped).into_iter().map(|(var, at)| (var, flat(var, &at))).collect();
    let (discrete, numbers): (Vec<_>, Vec<_>) = open.into_iter().partition(|e| program.vars[e.0].domain.is_discrete());
    let mut zero = clamped.clone();
    for &(var, place) in discrete.iter().chain(&numbers) {
        let extents = shape(program, clamped, var);
        let array = zero.vars.entry(var).or_insert_with(|| ArrayD::zeros(IxDyn(&extents)));
        *array.iter_mut().nth(place).unwrap() = 0.0;
    }
    let domains: Vec<Vec<f64>> =
        discrete.iter().map(|(var, _)| states(program, clamped, &program.vars[*var].domain)).collect();
    let (mut logs, mut means) = (Vec::new(), Vec::new());
    for joint in 0..domains.iter().map(Vec::len).product() {
        let (mut rest, mut at) = (joint, zero.clone());
        let mut mean = BTreeMap::new();
        for (&(var, place), domain) in discrete.iter().zip(&domains) {
            let value = domain[rest % domain.len()];
            rest /= domain.len();
            *at.vars.get_mut(&var).unwrap().iter_mut().nth(place).unwrap() = value;
            mean.insert((var, place), value);
        }
        // A state that some table rules out has no form.
        if log_weight(program, m, &at).unwrap() == f64::NEG_INFINITY {
            continue;
        }
        let form = form_of(program, m, &at, numbers.clone());
        let (log_z, found, _) = solved(&form);
        mean.extend(form.entries.iter().copied().zip(found));
        logs.push(log_z);
        means.push(mean);
    }
    let log_z = log_sum_exp(&logs);
    let mut mean = BTreeMap::new();
    for (log, of) in logs.iter().zip(&means) {
        for (&entry, value) in of {
            *mean.entry(entry).or_insert(0.0) += (log - log_z).exp() * value;
        }
    }
    (log_z, mean)
}

#[test]
fn absent_numbers_are_integrated_over_and_the_others_are_evidence() {
    for (number, case) in CASES.iter().enumerate() {
        let text = format!("{AXES}model m {{\n{}}}\ndata d = sample(m, 3) {{ {} }}\n", case.body, case.bound);
        let mut program = checked(&text);
        let m = model(&program, "m");
        let plan = plan_of(&mut program, m, case);
        let Answer::Posterior { partition, .. } = &plan.answer else { panic!("{text}") };
        let names = |vars: &[VarId]| -> Vec<String> { vars.iter().map(|&v| program.vars[v].name.clone()).collect() };
        assert_eq!(names(&partition.loose), case.loose, "{text}");
        for block in &partition.blocks {
            let fits = case.engine.is_empty() || block.engine.name().starts_with(case.engine);
            assert!(fits, "{} and not {}\n{text}", block.engine.name(), case.engine);
        }
        let mut graph = posterior_graph(&program, &plan);
        let evidence = graph.outputs()["evidence"];
        let params: Vec<_> = program.params.ids().collect();
        for &id in &params {
            let name = &program.params[id].name;
            let Some(&node) = graph.state_nodes().get(name) else { continue };
            let gradient = graph.gradient(evidence, &[node])[0];
            graph.output(&format!("gradient.{name}"), gradient);
        }
        for seed in 0..6 {
            let mut values = random_parameters(&program, seed);
            for (&id, array) in values.params.iter_mut().filter(|(id, _)| program.params[**id].domain == Domain::Cov) {
                assert_eq!(program.params[id].axes.len(), 2, "{text}");
                *array = ndarray::arr2(&[[1.5, 0.4], [0.4, 0.8 + seed as f64]]).into_dyn();
            }
            let mut stream = Stream::new(seed ^ (number as u64) << 8);
            let (mut clamped, mut inputs) = (values.clone(), Vec::new());
            for binding in &program.data[program.data.ids().next().unwrap()].bindings {
                let var = variable(&program, m, &binding.name);
                let extents = shape(&program, &values, var);
                let domain = &program.vars[var].domain;
                let value = ArrayD::from_shape_simple_fn(IxDyn(&extents), || match domain {
                    Domain::Real => stream.normal(),
                    _ => stream.below(states(&program, &values, domain).len()) as f64,
                });
                // Now and then a row tells nothing at all, or all.
                let share = [0.0, 0.5, 0.5, 0.3, 1.0, 0.7][seed as usize];
                let present: Vec<f64> = value.iter().map(|_| f64::from(u8::from(stream.chance(share)))).collect();
                let mut told = value.clone();
                told.iter_mut().zip(&present).filter(|(_, p)| **p == 0.0).for_each(|(v, _)| *v = f64::NAN);
                clamped.vars.insert(var, told.clone());
                // Nothing may hang on what stands where nothing is told.
                let shown = told.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect();
                inputs.push((input_name(&program, var), shown));
                inputs.push((present_name(&program, var), present));
            }
            let found = run_with(&program, &graph, &clamped, &inputs);
            let (log_z, means) = brute(&program, m, &clamped);
            let evidence = found["evidence"].iter().sum::<f64>();
            if log_z == f64::NEG_INFINITY {
                assert_eq!(evidence, log_z, "{seed}: what no state allows\n{text}");
                continue;
            }
            assert!(close(evidence, log_z, 1e-7), "{seed}: log Z {evidence} and not {log_z}\n{text}");
            let mut compared = 0;
            for (&(var, place), &mean) in &means {
                let declared = &program.vars[var];
                let Some(array) = found.get(&declared.name) else { continue };
                let got = match declared.domain {
                    Domain::Cat(axis) => {
                        let states = program.axes.extent(axis).unwrap();
                        let of = |state: usize| *array.iter().nth(place * states + state).unwrap();
                        (0..states).map(|state| state as f64 * of(state)).sum()
                    }
                    _ => *array.iter().nth(place).unwrap(),
                };
                assert!(close(got, mean, 1e-7), "{seed}: {}[{place}] is {got} and not {mean}\n{text}", declared.name);
                compared += 1;
            }
            let all_told = case.asked.is_empty() && seed == 4;
            assert!(compared > 0 || all_told, "{text}");
            for (id, array) in values.params.iter().filter(|(id, _)| program.params[**id].domain == Domain::Real) {
                let name = &program.params[*id].name;
                let Some(gradient) = found.get(&format!("gradient.{name}")) else { continue };
                for i in 0..array.len() {
                    let at = |by: f64| {
                        let mut moved = clamped.clone();
                        *moved.params.get_mut(id).unwrap().iter_mut().nth(i).unwrap() += by;
                        brute(&program, m, &moved).0
                    };
                    let want = (at(1e-3) - at(-1e-3)) / 2e-3;
                    let got = *gradient.iter().nth(i).unwrap();
                    assert!(close(got, want, 1e-4), "{seed}: ∂/∂{name}[{i}] is {got} and not {want}\n{text}");
                }
            }
        }
    }
}
