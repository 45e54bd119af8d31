//! What networks answer: against loops over all joint states, and against the reference answers of real ones.

use std::fs;
use std::path::Path;

use ghmc::base::span::Sources;
use ghmc::data::network::{NetFormat, read_network, read_uai_evidence};
use ghmc::engine::junction::Junction;
use ghmc::model::Network;
use serde_json::Value;

use super::{data, parse, peers};

const BYTES: u64 = 4 << 30;

/// Four variables, one with a single state, zeros, and a parent order that is not the order of declaration.
const LAWN: &str = "network lawn {}
variable rain { type discrete [ 3 ] { none, some, much }; }
variable on { type discrete [ 2 ] { no, yes }; }
variable place { type discrete [ 1 ] { garden }; }
variable wet { type discrete [ 2 ] { no, yes }; }
probability ( rain ) { table 0.6, 0.3, 0.1; }
probability ( place ) { table 1; }
probability ( on | rain ) { (none) 0.5, 0.5; (some) 0.9, 0.1; (much) 1, 0; }
probability ( wet | on, place, rain ) {
  (no, garden, none) 1, 0; (no, garden, some) 0.3, 0.7; (no, garden, much) 0, 1;
  (yes, garden, none) 0.1, 0.9; (yes, garden, some) 0.05, 0.95; (yes, garden, much) 0.5, 0.5;
}";

/// The product of a network's tables at a joint state.
fn product(network: &Network, states: &[usize]) -> f64 {
    let cards = network.cards();
    network.factors.iter().map(|f| f.values[f.scope.iter().fold(0, |at, &v| at * cards[v] + states[v])]).product()
}

/// Every joint state that agrees with the evidence, and its product.
fn joint_states(network: &Network, held: &[(usize, usize)]) -> Vec<(Vec<usize>, f64)> {
    let mut all = vec![Vec::new()];
    for card in network.cards() {
        all = all
            .iter()
            .flat_map(|s: &Vec<usize>| (0..card).map(|x| [&s[..], &[x]].concat()).collect::<Vec<_>>())
            .collect();
    }
    all.retain(|s| held.iter().all(|&(v, x)| s[v] == x));
    all.into_iter().map(|s| (product(network, &s), s)).map(|(p, s)| (s, p)).collect()
}

fn close(a: f64, b: f64, within: f64) {
    assert!((a - b).abs() <= within, "{a} is not {b}");
}

#[test]
fn answers_are_those_of_loops_over_all_states() {
    let lawn = parse(NetFormat::Bif, LAWN).expect("it is read");
    let loops = "MARKOV 4 2 3 2 1 5  2 0 1  2 1 2  2 2 0  1 2  0   6 1 2 0.5 0 3 1   6 2 1 1 0.25 7 1   4 1 3 2 1   2 0.5 2   1 10";
    let loops = parse(NetFormat::Uai, loops).expect("it is read");
    for network in [lawn, loops] {
        let mut junction = Junction::new(&network, &[], BYTES);
        for held in [vec![], vec![(1, 1)], vec![(3, 0), (0, 1)], vec![(1, 0)], vec![(0, 0), (1, 1), (2, 0), (3, 0)]] {
            let all = joint_states(&network, &held);
            let sum: f64 = all.iter().map(|(_, p)| p).sum();
            close(junction.log_evidence(&held).expect("an answer"), sum.ln(), 1e-12);
            let posterior = junction.marginals(&held).expect("an answer");
            close(posterior.log_evidence, sum.ln(), 1e-12);
            for (v, marginal) in posterior.marginals.iter().enumerate() {
                assert_eq!(marginal.is_none(), held.iter().any(|(h, _)| *h == v));
                for (x, p) in marginal.iter().flatten().enumerate() {
                    let truth: f64 = all.iter().filter(|(s, _)| s[v] == x).map(|(_, p)| p).sum();
                    close(*p, truth / sum, 1e-14);
                }
            }
            // The joint of a held, a free and a one-state variable; the best state of all and of some.
            let (_, joint) = junction.joint(&[2, 3, 1], &held).expect("an answer");
            let cards = network.cards();
            for (at, p) in joint.iter().enumerate() {
                let states = (at / (cards[1] * cards[3]), at / cards[1] % cards[3], at % cards[1]);
                let fits = |s: &Vec<usize>| (s[2], s[3], s[1]) == states;
                let truth: f64 = all.iter().filter(|(s, _)| fits(s)).map(|(_, p)| p).sum();
                close(*p, truth / sum, 1e-14);
            }
            let best = all.iter().map(|(_, p)| *p).fold(0.0, f64::max);
            let (states, score) = junction.best(&[0, 1, 2, 3], &held).expect("an answer");
            close(score, best.ln(), 1e-12);
            close(product(&network, &states), best, 1e-15);
            let (_, score) = junction.best(&[2], &held).expect("an answer");
            let of = |x: usize| all.iter().filter(|(s, _)| s[2] == x).map(|(_, p)| p).sum::<f64>();
            close(score, (0..cards[2]).map(of).fold(0.0, f64::max).ln(), 1e-12);
        }
    }
}

#[test]
fn what_is_set_says_nothing_of_its_causes() {
    let network = parse(NetFormat::Bif, LAWN).expect("it is read");
    let mut junction = Junction::new(&network, &[1], BYTES);
    let posterior = junction.marginals(&[(1, 1)]).expect("an answer");
    let rain = posterior.marginals[0].as_ref().expect("it is free");
    rain.iter().zip([0.6, 0.3, 0.1]).for_each(|(p, q)| close(*p, q, 1e-15));
    let wet = posterior.marginals[3].as_ref().expect("it is free");
    close(wet[1], 0.6 * 0.9 + 0.3 * 0.95 + 0.1 * 0.5, 1e-15);
}

#[test]
fn impossible_evidence_is_told() {
    let network = parse(NetFormat::Bif, LAWN).expect("it is read");
    let mut junction = Junction::new(&network, &[], BYTES);
    let held = [(0, 0), (1, 0), (3, 1)];
    assert_eq!(junction.log_evidence(&held).expect("a number"), f64::NEG_INFINITY);
    for error in [junction.marginals(&held).err(), junction.best(&[2], &held).err(), junction.joint(&[2], &held).err()]
    {
        assert_eq!(error.expect("no distribution").code, ghmc::diag::Code::ImpossibleRow);
    }
    let mut small = Junction::new(&network, &[], 1);
    assert_eq!(small.marginals(&[]).expect_err("one byte").code, ghmc::diag::Code::TooExpensive);
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a readable file")).expect("JSON")
}

fn files(folder: &Path) -> Vec<(String, Value)> {
    let mut paths: Vec<_> = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|p| (p.file_stem().expect("a name").to_string_lossy().into_owned(), json(p))).collect()
}

fn network(path: &Path) -> Network {
    read_network(path, &mut Sources::default()).unwrap_or_else(|d| panic!("{d:?}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn held(network: &Network, object: &Value) -> Vec<(usize, usize)> {
    let positions = network.positions();
    let pairs = object.as_object().expect("an object").iter();
    pairs
        .map(|(name, state)| {
            let variable = positions[name.as_str()];
            (variable, network.variables[variable].state(state.as_str().expect("a state")).expect("a state"))
        })
        .collect()
}

#[test]
fn bayesian_networks_answer_as_their_references() {
    let (Some(data), Some(peers)) = (data(), peers()) else { return };
    for (name, reference) in files(&peers.join("d1/reference")) {
        let network = network(&data.join(format!("bn/{name}.bif.gz")));
        let cases = json(&peers.join(format!("d1/evidence/{name}.json")));
        let maxima = json(&peers.join(format!("d1/map/{name}.json")));
        let mut junction = Junction::new(&network, &[], BYTES);
        let positions = network.positions();
        let (mut worst, mut worst_log, mut worst_best) = (0.0f64, 0.0f64, 0.0f64);
        for (at, set) in reference["sets"].as_array().expect("sets").iter().enumerate() {
            let evidence = held(&network, &cases["sets"][at]["evidence"]);
            let posterior = junction.marginals(&evidence).unwrap_or_else(|d| panic!("{name}: {d:?}"));
            worst_log = worst_log.max((posterior.log_evidence - number(&set["log_p_evidence"])).abs());
            let marginals = set["marginals"].as_object().expect("marginals");
            assert_eq!(marginals.len() + evidence.len(), network.variables.len());
            for (variable, truth) in marginals {
                let got = posterior.marginals[positions[variable.as_str()]].as_ref().expect("a marginal");
                for (p, q) in got.iter().zip(truth.as_array().expect("numbers")) {
                    worst = worst.max((p - number(q)).abs());
                }
            }
            let other = held(&network, &cases["sets"][at]["evidence_alt"]);
            let log = junction.log_evidence(&other).expect("a number");
            worst_log = worst_log.max((log - number(&set["log_p_evidence_alt"])).abs());
            let all: Vec<usize> = (0..network.variables.len()).collect();
            let (states, score) = junction.best(&all, &evidence).expect("a best state");
            let rescored: f64 = {
                let cards = network.cards();
                let cell = |f: &ghmc::model::NetFactor| f.scope.iter().fold(0, |at, &v| at * cards[v] + states[v]);
                network.factors.iter().map(|f| f.values[cell(f)].ln()).sum()
            };
            let truth = number(&maxima["sets"][at]["log_p"]);
            worst_best = worst_best.max((rescored - truth).abs()).max((score - truth).abs());
        }
        eprintln!("{name}: marginals within {worst:.1e}, log P within {worst_log:.1e}, best within {worst_best:.1e}");
        assert!(worst <= 1e-8 && worst_log <= 1e-7 && worst_best <= 1e-9, "{name}");
    }
}

#[test]
fn markov_networks_answer_as_their_references() {
    let (Some(data), Some(peers)) = (data(), peers()) else { return };
    for (name, reference) in files(&peers.join("d3/reference")) {
        let path = data.join(format!("uai/{name}.uai.gz"));
        let network = network(&path);
        let evidence = data.join(format!("uai/{name}.uai.evid"));
        let cases = read_uai_evidence(&evidence, &network, &mut Sources::default()).expect("evidence");
        let mut junction = Junction::new(&network, &[], BYTES);
        let posterior = junction.marginals(&cases[0]).unwrap_or_else(|d| panic!("{name}: {d:?}"));
        let truth = number(&reference["log_z"]);
        let off = (posterior.log_evidence - truth).abs() / truth.abs().max(1.0);
        let mut worst = 0.0f64;
        for (variable, truth) in reference["marginals"].as_object().expect("marginals") {
            let variable: usize = variable.parse().expect("a position");
            let Some(got) = &posterior.marginals[variable] else { continue };
            for (p, q) in got.iter().zip(truth.as_array().expect("numbers")) {
                worst = worst.max((p - number(q)).abs());
            }
        }
        let all: Vec<usize> = (0..network.variables.len()).collect();
        let (_, score) = junction.best(&all, &cases[0]).expect("a best state");
        let best = (score - number(&reference["map_log"])).abs() / number(&reference["map_log"]).abs().max(1.0);
        eprintln!("{name}: marginals within {worst:.1e}, log Z within {off:.1e}, best within {best:.1e}");
        assert!(worst <= 1e-8 && off <= 1e-7 && best <= 1e-9, "{name}");
    }
}
