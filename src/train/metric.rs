//! Figures of predictions against the truth, gathered row by row.

use std::collections::BTreeSet;

use crate::model::Metric;

/// What a metric has counted so far.
pub struct Tally {
    metric: Metric,
    /// Labels of the states, where the variable has some.
    labels: Vec<String>,
    sum: f64,
    entries: f64,
    rows: f64,
    /// Chunks that are right, predicted, true.
    chunks: [f64; 3],
    /// `[truth][prediction]` counts of states.
    pub counts: Vec<Vec<u64>>,
}

impl Tally {
    /// A tally of nothing; `states` is 0 for a variable that is no enumeration.
    pub fn new(metric: Metric, states: usize, labels: Vec<String>) -> Tally {
        let counts = vec![vec![0; states]; states];
        Tally { metric, labels, sum: 0.0, entries: 0.0, rows: 0.0, chunks: [0.0; 3], counts }
    }

    /// Counts one row: its entries as predicted and as they are, codes for states.
    pub fn add(&mut self, guess: &[f64], truth: &[f64]) {
        for (g, t) in guess.iter().zip(truth) {
            match self.metric {
                Metric::Error => self.sum += f64::from(u8::from((g - t).abs() > 0.5)),
                Metric::Accuracy => self.sum += f64::from(u8::from((g - t).abs() <= 0.5)),
                Metric::SquaredError => self.sum += (g - t) * (g - t),
                Metric::ChunkF1 => {}
            }
            self.entries += 1.0;
            let count = self.counts.get_mut(*t as usize).and_then(|row| row.get_mut(*g as usize));
            count.into_iter().for_each(|c| *c += 1);
        }
        self.rows += 1.0;
        if self.metric == Metric::ChunkF1 {
            let (guessed, is) = (self.chunks_of(guess), self.chunks_of(truth));
            let more = [guessed.intersection(&is).count(), guessed.len(), is.len()];
            for (total, more) in self.chunks.iter_mut().zip(more.map(|n| n as f64)) {
                *total += more;
            }
        }
    }

    /// Rows counted so far.
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// The figure: a share of entries, a sum of squares a row, or F1 = 2PR/(P + R) of chunks.
    pub fn figure(&self) -> f64 {
        let [right, guessed, is] = self.chunks;
        match self.metric {
            Metric::SquaredError => self.sum / self.rows.max(1.0),
            Metric::Error | Metric::Accuracy => self.sum / self.entries.max(1.0),
            Metric::ChunkF1 if guessed + is == 0.0 => 1.0,
            Metric::ChunkF1 => 2.0 * right / (guessed + is),
        }
    }

    /// Chunks as (first, last, kind). `I-x` after anything but `B-x` or `I-x` begins a chunk, as the CoNLL-2000 scorer reads it.
    fn chunks_of(&self, codes: &[f64]) -> BTreeSet<(usize, usize, &str)> {
        let mut found = BTreeSet::new();
        let mut open: Option<(usize, &str)> = None;
        for (place, code) in codes.iter().enumerate() {
            let label = self.labels.get(*code as usize).map_or("O", String::as_str);
            let (begins, kind) = match label.split_once('-') {
                Some(("B", kind)) => (true, Some(kind)),
                Some(("I", kind)) => (open.is_none_or(|(_, k)| k != kind), Some(kind)),
                _ => (true, None),
            };
            if begins {
                if let Some((first, kind)) = open.take() {
                    found.insert((first, place - 1, kind));
                }
                open = kind.map(|k| (place, k));
            }
        }
        if let Some((first, kind)) = open {
            found.insert((first, codes.len() - 1, kind));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_count_only_when_whole() {
        let labels = ["O", "B-NP", "I-NP", "B-VP"].map(String::from).to_vec();
        let mut tally = Tally::new(Metric::ChunkF1, 4, labels);
        // NP(0..1) VP(2) NP(4) against NP(0..1) VP(2) NP(3..4): two of three right on either side.
        tally.add(&[1.0, 2.0, 3.0, 0.0, 2.0], &[1.0, 2.0, 3.0, 1.0, 2.0]);
        assert!((tally.figure() - 2.0 / 3.0).abs() < 1e-12);
    }
}
