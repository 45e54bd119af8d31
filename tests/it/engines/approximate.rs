//! Approximations asked for by name, on random small models: belief propagation is exact on trees, mean field's log-partition lies below
//! the truth, chains come near it.

use ghmc::base::approximate::{Approximate, Gibbs, Grouping, LoopyBp, MeanField, Schedule};
use ghmc::model::evaluate::Values;
use ghmc::plan::{Answer, AnswerShape, AskPlan, Engine};

use super::{checked, posterior_graph, posterior_plan, run};
use crate::oracle::random::Stream;
use crate::oracle::{log_partition, marginals, model, variable};

/// Spins tied along the given pairs, with a lean of their own, one of them seen through a noisy reading.
fn spins(stream: &mut Stream, count: usize, pairs: &[(usize, usize)]) -> String {
    let mut text = "model m {\n".to_string();
    for i in 0..count {
        text += &format!("  var s{i}: Spin\n  factor {:.3} * s{i}\n", stream.unit() - 0.5);
    }
    for (a, b) in pairs {
        text += &format!("  factor {:.3} * s{a} * s{b}\n", 1.2 * stream.unit() - 0.6);
    }
    text + "  y: Bool ~ Bernoulli(if s0 is up then 0.8 else 0.3)\n}\nquery q = P(s0 | y = yes)\n"
}

/// Every block by one engine.
fn by(plan: &AskPlan, method: &Approximate) -> AskPlan {
    let mut plan = plan.clone();
    if let Answer::Posterior { partition, .. } = &mut plan.answer {
        partition.blocks.iter_mut().for_each(|b| b.engine = Engine::Approximate(method.clone()));
    }
    plan
}

/// The log-partition and the means of all spins, by a method and by the oracle.
fn both(text: &str, count: usize, method: &Approximate) -> [(f64, Vec<f64>); 2] {
    let program = checked(text);
    let m = model(&program, "m");
    let y = variable(&program, m, "y");
    let open: Vec<_> = (0..count).map(|i| variable(&program, m, &format!("s{i}"))).collect();
    let mut clamped = Values::default();
    clamped.vars.insert(y, ndarray::arr0(1.0).into_dyn());
    let plan = posterior_plan(&program, m, &[y], &open, AnswerShape::Mean).unwrap_or_else(|| panic!("{text}"));
    let found = run(&program, &posterior_graph(&program, &by(&plan, method)), &clamped);
    let means = open.iter().map(|&v| found[&program.vars[v].name].iter().sum()).collect();
    let truth = marginals(&program, m, &clamped);
    let exact = open.iter().map(|v| truth[v].iter().nth(1).unwrap() - truth[v].iter().next().unwrap()).collect();
    [(found["evidence"].iter().sum(), means), (log_partition(&program, m, &clamped), exact)]
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// A tree over `count`: each hangs on an earlier one.
fn tree(stream: &mut Stream, count: usize) -> Vec<(usize, usize)> {
    (1..count).map(|i| ((stream.unit() * i as f64) as usize, i)).collect()
}

const GRID: [(usize, usize); 12] =
    [(0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8), (0, 3), (1, 4), (2, 5), (3, 6), (4, 7), (5, 8)];

#[test]
fn belief_propagation_on_trees_is_exact() {
    for seed in 0..12 {
        let stream = &mut Stream::new(seed);
        let pairs = tree(stream, 7);
        let text = spins(stream, 7, &pairs);
        for schedule in [Schedule::Flooding, Schedule::Sequential, Schedule::Residual] {
            let method = Approximate::LoopyBp(LoopyBp { schedule, tolerance: 1e-12, ..LoopyBp::default() });
            let [(log, means), (exact, truth)] = both(&text, 7, &method);
            assert!((log - exact).abs() < 1e-8, "seed {seed}, {schedule:?}: {log} and not {exact}\n{text}");
            assert!(largest(&means, &truth) < 1e-8, "seed {seed}, {schedule:?}: {means:?} and not {truth:?}\n{text}");
        }
    }
}

#[test]
fn mean_field_lies_below_and_trees_make_it_tight() {
    let mut gaps = Vec::new();
    for seed in 0..12 {
        let text = spins(&mut Stream::new(seed), 9, &GRID);
        let of = |clusters| Approximate::MeanField(MeanField { clusters, ..MeanField::default() });
        let [(log, _), (exact, _)] = both(&text, 9, &of(Grouping::Single));
        assert!(log <= exact + 1e-9, "seed {seed}: {log} lies above {exact}\n{text}");
        let [(grouped, _), _] = both(&text, 9, &of(Grouping::Trees));
        assert!(grouped <= exact + 1e-9, "seed {seed}: {grouped} lies above {exact}\n{text}");
        gaps.push((exact - log, exact - grouped));
        let stream = &mut Stream::new(seed);
        let pairs = tree(stream, 6);
        let [(log, means), (exact, truth)] = both(&spins(stream, 6, &pairs), 6, &of(Grouping::Trees));
        assert!((log - exact).abs() < 1e-8 && largest(&means, &truth) < 1e-8, "seed {seed}: a tree is one group");
    }
    let (single, trees) = gaps.iter().fold((0.0, 0.0), |(s, t), g| (s + g.0, t + g.1));
    assert!(single > 0.05 && trees < single, "the bounds are {single} and {trees} below");
}

#[test]
fn chains_come_near_and_say_nothing_of_the_sum() {
    for seed in 0..8 {
        let text = spins(&mut Stream::new(seed), 9, &GRID);
        let method = Approximate::Gibbs(Gibbs { sweeps: 4000, ..Gibbs::default() });
        let [(log, means), (_, truth)] = both(&text, 9, &method);
        assert_eq!(log, 0.0);
        // 16,000 sweeps; were they independent, a mean would be off by 0.008.
        assert!(largest(&means, &truth) < 0.05, "seed {seed}: {means:?} and not {truth:?}\n{text}");
        let [(_, again), _] = both(&text, 9, &method);
        assert_eq!(means, again, "the same seed gives the same bits");
    }
}
