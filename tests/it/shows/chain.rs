//! A hidden chain: EM and gradient ascent reach one likelihood; log Z, marginals, derivatives and the best path by brute force.

use ghmc::model::evaluate::Values;
use ghmc::plan::AnswerShape;
use ndarray::{ArrayD, IxDyn, array};

use super::{Arrays, answers, assert_close, compiled, figure, learn, values};
use crate::engines::{checked, posterior_graph, posterior_plan, run};
use crate::oracle::random::Stream;
use crate::oracle::{argmax, expectation, log_partition, log_posterior, marginals, model, variable};

const CHAIN: &str = "axis Roll = ROLLS
axis Face = 6
axis Die = fair, loaded
axis Prev = Die
model truth {
  for t in Roll {
    s[t]: Die  ~ Categorical(if t is first then [0.5, 0.5] else if s[t-1] is loaded then [0.1, 0.9] else [0.95, 0.05])
    x[t]: Face ~ Categorical(if s[t] is loaded then [0.1, 0.1, 0.1, 0.1, 0.1, 0.5] else uniform)
  }
}
data rolls = sample(truth, 8, seed = 2) { x[Roll]: Face }
model casino {
  param start: Simplex[Die], A[Prev]: Simplex[Die], emit[Die]: Simplex[Face]
  for t in Roll {
    s[t]: Die  ~ Categorical(if t is first then start else A[s[t-1]])
    x[t]: Face ~ Categorical(emit[s[t]])
  }
}
train casino on rolls { maximise loglik METHOD }
evaluate fit = loglik(x) of casino on rolls
";

fn text(rolls: usize, method: &str) -> String {
    CHAIN.replace("ROLLS", &rolls.to_string()).replace("METHOD", method)
}

#[test]
fn em_and_gradient_ascent_reach_the_same_likelihood() {
    // The best tables have zeros, which a gradient only draws near: its second moments must forget the steep beginning.
    for seed in 1..=3 {
        let by_em = compiled(&text(30, "by em; epochs 3000"), seed, &[]);
        let by_gradient =
            compiled(&text(30, "by gradient with adam(decay(0.3, 1e-2), beta2 = 0.99); epochs 3000"), seed, &[]);
        let start: Arrays = by_em.untrained().params();
        assert_eq!(start, by_gradient.untrained().params(), "the same seed starts from the same tables");
        let (em, history) = learn(&by_em, seed, &start);
        let (gradient, _) = learn(&by_gradient, seed, &start);
        let fit = |params: &Arrays| figure(&answers(&by_em, params), "fit");
        assert!(fit(&em) > fit(&start) + 0.1, "seed {seed}: EM learns");
        assert!(
            (fit(&em) - fit(&gradient)).abs() < 1e-4,
            "seed {seed}: EM reaches {} and gradient ascent {} nats a row",
            fit(&em),
            fit(&gradient)
        );
        let rounds: Vec<f64> = history[0].epochs.iter().map(|e| e.objectives[0].expect("a value")).collect();
        assert!(rounds.len() > 10, "EM ran {} rounds", rounds.len());
        for pair in rounds.windows(2) {
            assert!(
                pair[1] >= pair[0] - 1e-9,
                "seed {seed}: EM lowered the likelihood from {} to {}",
                pair[0],
                pair[1]
            );
        }
    }
}

/// Six rolls and tables with every entry different.
fn six_rolls() -> (ghmc::model::Program, Values) {
    let program = checked(&text(6, "by em; epochs 1"));
    let params: Arrays = [
        ("casino.start", array![0.37, 0.63].into_dyn()),
        ("casino.A", array![[0.81, 0.19], [0.34, 0.66]].into_dyn()),
        ("casino.emit", array![[0.2, 0.17, 0.14, 0.21, 0.16, 0.12], [0.05, 0.11, 0.07, 0.13, 0.22, 0.42]].into_dyn()),
    ]
    .map(|(name, array)| (name.to_string(), array))
    .into();
    let values = values(&program, &params);
    (program, values)
}

#[test]
fn log_z_marginals_and_derivatives_of_a_chain_are_exact() {
    let (program, clean) = six_rolls();
    let casino = model(&program, "casino");
    let (s, x) = (variable(&program, casino, "s"), variable(&program, casino, "x"));
    let mut stream = Stream::new(3);
    for _ in 0..5 {
        let mut clamped = clean.clone();
        let faces = ArrayD::from_shape_fn(IxDyn(&[6]), |_| stream.below(6) as f64);
        clamped.vars.insert(x, faces.clone());
        let plan = posterior_plan(&program, casino, &[x], &[s], AnswerShape::Mean).expect("an exact plan");
        let mut graph = posterior_graph(&program, &plan);
        let evidence = graph.outputs()["evidence"];
        for (_, param) in program.params.iter() {
            let gradient = graph.gradient(evidence, &[graph.state_nodes()[&param.name]])[0];
            graph.output(&format!("gradient {}", param.name), gradient);
        }
        let found = run(&program, &graph, &clamped);
        assert_close(found["evidence"].sum(), log_partition(&program, casino, &clamped), 1e-10, "log Z");
        for (&got, &want) in found["s"].iter().zip(&marginals(&program, casino, &clamped)[&s]) {
            assert_close(got, want, 1e-10, "a marginal");
        }
        // ∂ log Z / ∂θ is the expected number of uses of an entry, over the entry.
        let check = |name: &str, at: &[usize], uses: &dyn Fn(&[usize]) -> f64| {
            let id = program.params.iter().find(|(_, p)| p.name == name).expect("the parameter").0;
            let path = |v: &Values| v.vars[&s].iter().map(|&c| c as usize).collect::<Vec<_>>();
            let expected = expectation(&program, casino, &clamped, |v| uses(&path(v)));
            let want = expected / clamped.params[&id][IxDyn(at)];
            let gradient = &found[&format!("gradient {name}")];
            assert_close(gradient[IxDyn(at)], want, 1e-10, &format!("∂/∂{name}{at:?}"));
        };
        let count = |hits: usize| hits as f64;
        for i in 0..2 {
            check("casino.start", &[i], &|path| count(usize::from(path[0] == i)));
            for j in 0..2 {
                check("casino.A", &[i, j], &|path| count(path.windows(2).filter(|p| **p == [i, j]).count()));
            }
            for f in 0..6 {
                let seen = |t: usize| faces[IxDyn(&[t])] as usize == f;
                check("casino.emit", &[i, f], &|path| count((0..6).filter(|&t| path[t] == i && seen(t)).count()));
            }
        }
    }
}

#[test]
fn the_best_path_is_the_best() {
    let (program, clean) = six_rolls();
    let casino = model(&program, "casino");
    let (s, x) = (variable(&program, casino, "s"), variable(&program, casino, "x"));
    let plan = posterior_plan(&program, casino, &[x], &[s], AnswerShape::JointArgmax).expect("an exact plan");
    let graph = posterior_graph(&program, &plan);
    let mut stream = Stream::new(5);
    let mut switches = 0;
    for _ in 0..20 {
        let mut clamped = clean.clone();
        // Sixes are frequent, so that paths with both dice are met.
        let face = |s: &mut Stream| if s.chance(0.4) { 5.0 } else { s.below(6) as f64 };
        clamped.vars.insert(x, ArrayD::from_shape_fn(IxDyn(&[6]), |_| face(&mut stream)));
        let hot: Vec<f64> = run(&program, &graph, &clamped)["s"].iter().copied().collect();
        let path: Vec<f64> = hot.chunks(2).map(|pair| f64::from(u8::from(pair[1] > 0.5))).collect();
        let (best, _) = argmax(&program, casino, &clamped);
        let best_path: Vec<f64> = best.vars[&s].iter().copied().collect();
        assert_eq!(path, best_path, "on {:?}", clamped.vars[&x]);
        assert!(log_posterior(&program, casino, &clamped, &best) < 0.0);
        switches += path.windows(2).filter(|p| p[0] != p[1]).count();
    }
    assert!(switches > 0, "no best path used both dice");
}
