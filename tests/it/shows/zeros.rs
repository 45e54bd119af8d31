//! Shares of exactly zero: a gradient goes on from them, and a held-out likelihood of −∞ survives a checkpoint.

use std::sync::atomic::{AtomicBool, Ordering};

use ghmc::data::{Column, Table};
use ghmc::pipeline::{Compiled, Precision, Settings};
use ghmc::train::fit::{EpochRecord, Position};
use ghmc::train::{Event, Fit, Observer, Options, Outcome, Silent};

use super::{compiled, learn, table};

/// A state `c` that the first data never show.
const MARKS: &str = "axis Mark = a, b, c
data first = csv(\"first.csv\") { x: Mark }
data second = csv(\"second.csv\") { x: Mark }
model m {
  param p: Simplex[Mark]
  x: Mark ~ Categorical(p)
}
";

fn marks(labels: &[&str]) -> Table {
    table(vec![("x", Column::of_labels(Vec::new(), labels))])
}

fn data() -> [(&'static str, Table); 2] {
    [("first", marks(&["a", "b", "a"])), ("second", marks(&["a", "c", "a", "b"]))]
}

#[test]
fn a_gradient_goes_on_from_a_share_of_zero() {
    let counts = "train m on first { maximise loglik by em; epochs 2 }\n";
    let text = format!("{MARKS}{counts}");
    let once = compiled(&text, 1, &data());
    let (end, _) = learn(&once, 1, &once.untrained().params());
    assert_eq!(end["m.p"].as_slice().expect("a table")[2], 0.0, "what is never counted has no share");
    let text = format!("{MARKS}{counts}train m on second {{ maximise loglik with adam(1); epochs 200 }}\n");
    for precision in [Precision::F32, Precision::F64] {
        let tables = data().into_iter().map(|(name, table)| (name.to_string(), table)).collect();
        let settings = Settings { tables, precision: Some(precision), ..Settings::default() };
        let compiled = Compiled::of_text("test.ghm", &text, settings).unwrap_or_else(|told| panic!("{told}"));
        let trained = compiled.train(&AtomicBool::new(false), &mut Silent).unwrap_or_else(|told| panic!("{told}"));
        let params = trained.params();
        for (found, expected) in params["m.p"].iter().zip([0.5, 0.25, 0.25]) {
            assert!((found - expected).abs() < 0.02, "{precision:?}: {:?}", params["m.p"]);
        }
    }
}

/// Stops the run when an epoch is over.
struct Stopping<'a> {
    stop: &'a AtomicBool,
    after: usize,
}

impl Observer for Stopping<'_> {
    fn notice(&mut self, event: &Event) {
        if matches!(event, Event::EpochEnded { epoch, .. } if *epoch == self.after) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_impossible_held_out_row_survives_a_checkpoint() {
    // The first epoch's held-out figure is -inf already, so that early stopping has no better one to wait for.
    let text = format!("{MARKS}train m on first {{ maximise loglik by em; epochs 9; patience 2 on second }}\n");
    let compiled = compiled(&text, 1, &data());
    let dir = tempfile::tempdir().expect("a directory");
    let fit = || -> Fit<'_, f64> {
        let options = Options { checkpoints: Some(dir.path().to_path_buf()), ..Options::default() };
        Fit::new(compiled.program(), compiled.plan(), compiled.data(), options)
    };
    let whole = {
        let mut fit: Fit<'_, f64> = Fit::new(compiled.program(), compiled.plan(), compiled.data(), Options::default());
        fit.run(&AtomicBool::new(false), &mut Silent).unwrap_or_else(|told| panic!("{told}"));
        fit.position().clone()
    };
    let stop = AtomicBool::new(false);
    let mut begun = fit();
    let outcome = begun.run(&stop, &mut Stopping { stop: &stop, after: 0 }).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!(outcome, Outcome::Interrupted);
    assert_eq!(begun.position().best.map(|(best, _)| best), Some(f64::NEG_INFINITY));
    let mut resumed = fit();
    assert!(resumed.resume(&mut ghmc::train::Silent).unwrap_or_else(|told| panic!("{told}")));
    assert_eq!(resumed.position(), begun.position());
    resumed.run(&AtomicBool::new(false), &mut Silent).unwrap_or_else(|told| panic!("{told}"));
    let told = |position: &Position| -> Vec<EpochRecord> { position.history[0].epochs.clone() };
    assert_eq!(told(resumed.position()), told(&whole));
    assert_eq!(told(&whole).last().and_then(|e| e.held_out), Some(f64::NEG_INFINITY));
}

#[test]
fn figures_of_every_kind_come_back() {
    for figure in [0.1 + 0.2, -1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let position = Position { best: Some((figure, 3)), ..Position::default() };
        let text = serde_json::to_string(&position).expect("text");
        let back: Position = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let (best, since) = back.best.expect("a best figure");
        assert_eq!(
            (best.to_bits() == figure.to_bits() || best.is_nan() && figure.is_nan(), since),
            (true, 3),
            "{text}"
        );
        let record =
            EpochRecord { at: 1, objectives: vec![Some(0.5)], parts: vec![vec![figure, 0.25]], held_out: Some(figure) };
        let text = serde_json::to_string(&record).expect("text");
        let back: EpochRecord = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert!(back.held_out.is_some_and(|v| v == figure || v.is_nan() && figure.is_nan()), "{text}");
    }
    let nothing: Position =
        serde_json::from_str(&serde_json::to_string(&Position::default()).expect("text")).expect("nothing");
    assert_eq!(nothing, Position::default());
}
