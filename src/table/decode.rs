//! The largest product and where it lies, and exact draws: both go down the tree once the messages up are there.
//!
//! In: a state. Out: joint states of all axes. At each cluster the axes shared with its parent are settled already; the others are
//! chosen by the largest cell (after a pass of maxima; Dawid 1992) or in proportion to the cells (after a pass of sums).

use super::TableError;
use super::cluster::Form;
use super::state::State;
use crate::base::stream::Stream;

/// The largest product over the free axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Its logarithm.
    pub score: f64,
    /// One joint state that attains it, a state for each axis, the fixed ones included.
    pub states: Vec<usize>,
}

/// Joint states drawn in proportion to their product, a state for each axis.
pub type Draws = Vec<Vec<usize>>;

impl State<'_> {
    /// The joint state of the largest product, and its logarithm. The next [`State::propagate`] starts anew.
    ///
    /// # Errors
    /// [`TableError::Impossible`] if every product is zero; [`TableError::Misfit`] if the program left axes out or was not compiled for maxima.
    pub fn maximum(&mut self) -> Result<Best, TableError> {
        if !self.program.maximisable {
            return Err(TableError::Misfit("the program was not compiled for maxima".into()));
        }
        self.whole()?;
        let score = self.collect(true);
        if score == f64::NEG_INFINITY {
            return Err(TableError::Impossible);
        }
        let states = self.descend(|cells| {
            let mut best = 0;
            for (i, &x) in cells.iter().enumerate() {
                if x > cells[best] {
                    best = i;
                }
            }
            best
        });
        Ok(Best { score, states })
    }

    /// `count` independent joint states; the n-th depends on the seed and on n alone.
    ///
    /// # Errors
    /// [`TableError::Impossible`] if every product is zero; [`TableError::Misfit`] if the program left axes out.
    pub fn draw(&mut self, seed: u64, count: usize) -> Result<Draws, TableError> {
        self.whole()?;
        if self.propagate()? == f64::NEG_INFINITY {
            return Err(TableError::Impossible);
        }
        self.complete();
        Ok((0..count).map(|n| self.draw_one(&mut Stream::new(seed, 0x6a74, n as u64 >> 32, n as u32))).collect())
    }

    /// One joint state by the next numbers of a stream.
    ///
    /// # Errors
    /// As [`State::draw`].
    pub(super) fn draw_from(&mut self, stream: &mut Stream) -> Result<Vec<usize>, TableError> {
        self.whole()?;
        if self.propagate()? == f64::NEG_INFINITY {
            return Err(TableError::Impossible);
        }
        self.complete();
        Ok(self.draw_one(stream))
    }

    fn draw_one(&self, stream: &mut Stream) -> Vec<usize> {
        self.descend(|cells| {
            let total: f64 = cells.iter().sum();
            let mut left = stream.uniform() * total;
            let mut last = 0;
            for (i, &x) in cells.iter().enumerate() {
                if x > 0.0 {
                    last = i;
                    left -= x;
                    if left < 0.0 {
                        break;
                    }
                }
            }
            last
        })
    }

    fn whole(&self) -> Result<(), TableError> {
        if self.program.pruned {
            return Err(TableError::Misfit("a program compiled for some axes alone has no joint states".into()));
        }
        Ok(())
    }

    /// Settles all axes, parents first; `pick` chooses among the cells that agree with what is settled.
    fn descend(&self, mut pick: impl FnMut(&[f64]) -> usize) -> Vec<usize> {
        let program = self.program;
        let mut local = vec![0usize; program.free.len()];
        let mut cells = Vec::new();
        for (c, cluster) in program.clusters.iter().enumerate() {
            let node = &self.nodes[c];
            let at = |axes: &[u32]| axes.iter().fold(0, |at, &v| at * program.sizes[v as usize] + local[v as usize]);
            match &cluster.form {
                Form::Stored(form) => {
                    let run = at(&cluster.shared) * form.run;
                    let mut chosen = pick(&node.belief[run..run + form.run]);
                    for &v in cluster.axes[cluster.shared.len()..].iter().rev() {
                        local[v as usize] = chosen % program.sizes[v as usize];
                        chosen /= program.sizes[v as usize];
                    }
                }
                Form::Streamed(form) => {
                    let factors = node.factors(cluster, form, |k| &self.nodes[k]);
                    let shared = |v: &u32| cluster.shared.contains(v);
                    let base: Vec<usize> = form
                        .strides
                        .iter()
                        .map(|s| {
                            let settled = cluster.axes.iter().zip(s).filter(|(v, _)| shared(v));
                            settled.map(|(&v, s)| local[v as usize] * s).sum()
                        })
                        .collect();
                    // The product over the open axes, first of them slowest, a factor at a time.
                    let open: Vec<usize> = (0..cluster.axes.len()).filter(|&i| !shared(&cluster.axes[i])).collect();
                    let extents: Vec<usize> = open.iter().map(|&i| program.sizes[cluster.axes[i] as usize]).collect();
                    let total: usize = extents.iter().product();
                    cells.clear();
                    cells.resize(total, 1.0);
                    let steps: Vec<usize> = {
                        let mut stride = total;
                        extents
                            .iter()
                            .map(|e| {
                                stride /= e;
                                stride
                            })
                            .collect()
                    };
                    for ((factor, strides), &start) in factors.iter().zip(&form.strides).zip(&base) {
                        let loops = (0..open.len()).map(|i| (extents[i], strides[open[i]], steps[i]));
                        let walk = crate::kernel::contract::Walk::new(loops);
                        walk.run(crate::kernel::contract::How::Multiply, &factor[start..], &mut cells);
                    }
                    let mut chosen = pick(&cells);
                    for (&i, &e) in open.iter().zip(&extents).rev() {
                        local[cluster.axes[i] as usize] = chosen % e;
                        chosen /= e;
                    }
                }
            }
        }
        let mut states = vec![0; program.cards.len()];
        for (&axis, &value) in program.fixed.iter().zip(&self.values) {
            states[axis] = value;
        }
        for (&axis, &value) in program.free.iter().zip(&local) {
            states[axis] = value;
        }
        states
    }
}
