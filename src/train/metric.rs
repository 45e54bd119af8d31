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
                Metric::ChunkF1 | Metric::ClusterError | Metric::Retrieval { .. } => {}
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
            Metric::Error | Metric::Accuracy | Metric::Retrieval { .. } => self.sum / self.entries.max(1.0),
            Metric::ClusterError => 1.0 - most_matched(&self.counts) as f64 / self.entries.max(1.0),
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

/// The largest sum of entries of a square table of which no two share a row or a column (Kuhn 1955, with the potentials of
/// Jonker & Volgenant 1987).
fn most_matched(counts: &[Vec<u64>]) -> u64 {
    let n = counts.len();
    let cost = |row: usize, column: usize| -(counts[row][column] as i64);
    // Potentials of rows and columns; the row matched to each column. Place n is outside the table.
    let (mut of_row, mut of_column, mut matched) = (vec![0i64; n + 1], vec![0i64; n + 1], vec![n; n + 1]);
    for row in 0..n {
        matched[n] = row;
        let (mut at, mut least, mut from, mut seen) = (n, vec![i64::MAX; n], vec![n; n], vec![false; n + 1]);
        while matched[at] != n {
            seen[at] = true;
            let here = matched[at];
            let (mut step, mut next) = (i64::MAX, n);
            for column in 0..n {
                if seen[column] {
                    continue;
                }
                let reduced = cost(here, column) - of_row[here] - of_column[column];
                if reduced < least[column] {
                    (least[column], from[column]) = (reduced, at);
                }
                if least[column] < step {
                    (step, next) = (least[column], column);
                }
            }
            for column in 0..=n {
                if seen[column] {
                    of_row[matched[column]] += step;
                    of_column[column] -= step;
                } else if column < n {
                    least[column] -= step;
                }
            }
            at = next;
        }
        while at != n {
            let before = from[at];
            matched[at] = matched[before];
            at = before;
        }
    }
    (0..n).filter(|&c| matched[c] < n).map(|c| counts[matched[c]][c]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_matched_as_well_as_can_be() {
        // By hand over all six matchings: 6 + 7 + 6 is the best; taking the largest entry first gives less.
        let counts = vec![vec![9, 6, 0], vec![8, 1, 7], vec![7, 2, 0]];
        let mut best = 0;
        for a in 0..3 {
            for b in (0..3).filter(|&b| b != a) {
                best = best.max(counts[0][a] + counts[1][b] + counts[2][3 - a - b]);
            }
        }
        assert_eq!((most_matched(&counts), best), (20, 20));
        let mut tally = Tally::new(Metric::ClusterError, 3, Vec::new());
        tally.add(&[2.0, 2.0, 0.0, 1.0, 1.0], &[0.0, 0.0, 1.0, 2.0, 1.0]);
        assert!((tally.figure() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn chunks_count_only_when_whole() {
        let labels = ["O", "B-NP", "I-NP", "B-VP"].map(String::from).to_vec();
        let mut tally = Tally::new(Metric::ChunkF1, 4, labels);
        // NP(0..1) VP(2) NP(4) against NP(0..1) VP(2) NP(3..4): two of three right on either side.
        tally.add(&[1.0, 2.0, 3.0, 0.0, 2.0], &[1.0, 2.0, 3.0, 1.0, 2.0]);
        assert!((tally.figure() - 2.0 / 3.0).abs() < 1e-12);
    }
}
