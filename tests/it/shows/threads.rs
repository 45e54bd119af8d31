//! Threads change no bit: whole models trained on pools of one, two and seven threads.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use ghmc::pipeline::{Compiled, Settings};
use ghmc::train::Silent;

use crate::house::root;

/// A file of `models/` with some words exchanged.
fn shortened(name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(root().join("models").join(name)).expect("a readable model");
    for (from, to) in changes {
        assert!(text.contains(from), "`{from}` is not in {name}");
        text = text.replace(from, to);
    }
    text
}

fn trained_bits(text: &str, threads: usize) -> BTreeMap<String, Vec<u64>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| {
        let compiled = Compiled::of_text("test.ghm", text, Settings::default()).unwrap_or_else(|told| panic!("{told}"));
        let stop = AtomicBool::new(false);
        let mut trained = compiled.train(&stop, &mut Silent).unwrap_or_else(|told| panic!("{told}"));
        let mut bits: BTreeMap<String, Vec<u64>> =
            trained.params().iter().map(|(name, a)| (name.clone(), a.iter().map(|v| v.to_bits()).collect())).collect();
        let answers = trained.answer_all(&stop, &mut |_| {});
        let told = format!("{answers:?}").bytes().map(u64::from).collect();
        bits.insert("answers".into(), told);
        bits
    })
}

fn assert_same_bits(text: &str) {
    let one = trained_bits(text, 1);
    for threads in [2, 7] {
        let many = trained_bits(text, threads);
        for (name, bits) in &one {
            assert!(*bits == many[name], "{name} differs on {threads} threads");
        }
    }
}

#[test]
fn contrastive_divergence_gives_the_same_bits() {
    // Batches large enough that every kernel parts its work.
    let changes =
        [("epochs 60", "epochs 2"), ("batch = 20", "batch = 600"), ("gibbs(1000) times 20", "gibbs(20) times 200")];
    assert_same_bits(&shortened("rbm.ghm", &changes));
}

#[test]
fn a_bound_gives_the_same_bits() {
    assert_same_bits(&shortened("vae.ghm", &[("epochs 150", "epochs 2"), ("batch = 50", "batch = 600")]));
}

#[test]
fn small_batches_give_the_same_bits() {
    assert_same_bits(&shortened("vae.ghm", &[("epochs 150", "epochs 2")]));
}
