//! The order in which rows are read: minibatches shuffled afresh each epoch.
//! It depends on the seed and the epoch alone, never on threads or on what was read before.

use crate::base::stream::Stream;

/// The random site of this room; the engine's own are counted from zero and stay far below.
const SHUFFLE: u32 = 0xda7a_0001;

/// One epoch's rows in order, cut into batches. The last batch is shorter where the batch size does not divide the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    order: Vec<usize>,
    batch: usize,
}

impl Batches {
    /// Batches of `batch` rows (at least one). With `shuffle`, the order is a uniform permutation given by (seed, epoch).
    pub fn new(rows: &[usize], batch: usize, seed: u64, epoch: u64, shuffle: bool) -> Batches {
        let mut order = rows.to_vec();
        if shuffle {
            Stream::new(seed, SHUFFLE, epoch, 0).shuffle(&mut order);
        }
        Batches { order, batch: batch.max(1) }
    }

    /// How many batches.
    pub fn len(&self) -> usize {
        self.order.len().div_ceil(self.batch)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The rows of a batch; none beyond the last.
    pub fn get(&self, at: usize) -> &[usize] {
        let from = (at * self.batch).min(self.order.len());
        &self.order[from..(from + self.batch).min(self.order.len())]
    }

    /// All batches in order.
    pub fn iter(&self) -> std::slice::Chunks<'_, usize> {
        self.order.chunks(self.batch)
    }

    /// All rows in order.
    pub fn rows(&self) -> &[usize] {
        &self.order
    }
}

impl<'a> IntoIterator for &'a Batches {
    type Item = &'a [usize];
    type IntoIter = std::slice::Chunks<'a, usize>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
