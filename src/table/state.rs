//! A program at work: potentials for given values, messages up and down the tree, and what is read off them.
//!
//! In: a [`Program`], the tables it was compiled for, values of the fixed axes, and weights on free axes if it takes them. Out: the
//! logarithm of the sum over all joint states of the free axes, and normalised marginals. Only clusters below which something
//! changed send a new message up. Messages are scaled by their largest entry, and so is a product that grows small while it is
//! formed, so that no sum of positive numbers comes out as zero for want of range.

use rayon::prelude::*;

use super::cluster::{Cluster, Form};
use super::compile::Program;
use super::node::{Node, Scratch, gather, multiply_out, send_down, send_up};
use super::{TableError, Tables};
use crate::kernel::contract::Walk;

/// A level of the tree is shared out among threads from this many cells on.
const SHARED_OUT: f64 = 65536.0;
/// A program with values.
#[derive(Clone, Debug)]
pub struct State<'p> {
    pub(super) program: &'p Program,
    pub(super) values: Vec<usize>,
    pub(super) nodes: Vec<Node>,
    pub(super) weights: Vec<Option<Vec<f64>>>,
    /// Clusters whose message is not known to be all ones.
    live: Vec<bool>,
    /// Logarithm of the factors that span no free axis.
    constant: f64,
    log_partition: f64,
    /// The messages are those of sums, and complete.
    current: bool,
    scratch: Scratch,
}

/// The answers of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Beliefs {
    /// Logarithm of the sum of the product over all free axes; minus infinity if it is zero.
    pub log_partition: f64,
    /// For each axis its normalised marginal; none for fixed axes, for those not wanted, and where the sum is zero.
    pub marginals: Vec<Option<Vec<f64>>>,
}

impl Program {
    /// A state of this program with `values` of the fixed axes, in their order.
    ///
    /// # Errors
    /// [`TableError::Misfit`] for tables of other shapes than those compiled, or a value out of range.
    pub fn load(&self, tables: &Tables, values: &[usize]) -> Result<State<'_>, TableError> {
        let mut state = State {
            program: self,
            values: Vec::new(),
            nodes: self.clusters.iter().map(|c| self.node(c)).collect(),
            weights: vec![None; self.free.len()],
            live: vec![true; self.clusters.len()],
            constant: 0.0,
            log_partition: 0.0,
            current: false,
            scratch: Scratch::default(),
        };
        state.reload(tables, values, &|_| true)?;
        Ok(state)
    }

    /// Loads, propagates and reads everything.
    ///
    /// # Errors
    /// As [`Program::load`] and [`State::propagate`].
    pub fn run(&self, tables: &Tables, values: &[usize]) -> Result<Beliefs, TableError> {
        let mut state = self.load(tables, values)?;
        let log_partition = state.propagate()?;
        let marginals = (0..self.cards.len()).map(|axis| state.marginal(axis).map(<[f64]>::to_vec)).collect();
        Ok(Beliefs { log_partition, marginals })
    }

    /// Room for a cluster's numbers.
    fn node(&self, cluster: &Cluster) -> Node {
        let readings = cluster.readings.iter().map(|&r| vec![0.0; self.readings[r].cells]).collect();
        let down = cluster
            .kids
            .iter()
            .map(|&k| if self.clusters[k].needed { vec![0.0; self.clusters[k].shared_cells] } else { Vec::new() })
            .collect();
        let mut node = Node { readings, down, up: vec![0.0; cluster.shared_cells], stale: true, ..Node::default() };
        match &cluster.form {
            Form::Stored(form) => {
                node.potential = vec![0.0; form.cells];
                node.belief = vec![0.0; form.cells];
            }
            Form::Streamed(form) => {
                for group in &form.groups {
                    node.groups.push(if group.tiles.is_empty() { Vec::new() } else { vec![0.0; group.cells] });
                    node.products.push(Vec::new());
                }
            }
        }
        node
    }
}

impl State<'_> {
    /// Gives the fixed axes other values; `tables` are those the state was loaded from.
    ///
    /// # Errors
    /// [`TableError::Misfit`] for a value out of range or tables of another shape.
    pub fn revalue(&mut self, tables: &Tables, values: &[usize]) -> Result<(), TableError> {
        self.reload(tables, values, &|_| false)
    }

    /// Gives some tables other cells and the fixed axes other values; `changed` says which tables are not those the state has seen.
    ///
    /// # Errors
    /// [`TableError::Misfit`] for a value out of range, tables of another shape, or a list that is not one entry a table.
    pub fn renew(&mut self, tables: &Tables, values: &[usize], changed: &[bool]) -> Result<(), TableError> {
        if changed.len() != tables.tables.len() {
            return Err(TableError::Misfit("which tables changed is said of each of them".into()));
        }
        self.reload(tables, values, &|table| changed[table])
    }

    fn reload(&mut self, tables: &Tables, values: &[usize], other: &dyn Fn(usize) -> bool) -> Result<(), TableError> {
        let program = self.program;
        if tables.tables.len() != program.lengths.len()
            || tables.tables.iter().zip(&program.lengths).any(|(t, &n)| t.cells.len() != n)
        {
            return Err(TableError::Misfit("the tables are not those the program was compiled for".into()));
        }
        if values.len() != program.fixed.len()
            || values.iter().zip(&program.fixed).any(|(&v, &a)| v >= program.cards[a])
        {
            return Err(TableError::Misfit("every fixed axis needs one value in range".into()));
        }
        let changed: Vec<bool> = values.iter().enumerate().map(|(i, v)| self.values.get(i) != Some(v)).collect();
        self.values = values.to_vec();
        // Even where no cluster has a fixed axis, a table of fixed axes alone is a factor of the sum.
        self.current &= !changed.contains(&true) && !(0..tables.tables.len()).any(other);
        self.constant = 0.0;
        for (slice, table) in program.slices.iter().zip(&tables.tables) {
            if let Some(slice) = slice
                && slice.cluster.is_none()
            {
                let at: usize = slice.fixed.iter().map(|&(i, stride)| values[i] * stride).sum();
                self.constant += table.cells[at].ln();
            }
        }
        let slices_of = |s: usize| program.slices[s].as_ref();
        let start = |s: usize| -> usize {
            slices_of(s).map_or(0, |s| s.fixed.iter().map(|&(i, stride)| values[i] * stride).sum())
        };
        let touched = |s: usize| other(s) || slices_of(s).is_some_and(|s| s.fixed.iter().any(|&(i, _)| changed[i]));
        for (cluster, node) in program.clusters.iter().zip(&mut self.nodes) {
            if !node.stale && !cluster.slices.iter().any(|&s| touched(s)) {
                continue;
            }
            (node.stale, node.log_potential) = (true, 0.0);
            match &cluster.form {
                Form::Stored(form) => {
                    let factors: Vec<(&[f64], &Walk)> = cluster
                        .slices
                        .iter()
                        .zip(&form.slices)
                        .map(|(&s, walk)| (&tables.tables[s].cells[start(s)..], walk))
                        .collect();
                    node.log_potential = multiply_out(&factors, &mut node.potential);
                }
                Form::Streamed(form) => {
                    for (group, cells) in form.groups.iter().zip(&mut node.groups) {
                        if group.tiles.is_empty() {
                            continue;
                        }
                        let cells_of = |s: usize| &tables.tables[s].cells[start(s)..];
                        let mut joined: Vec<Vec<f64>> = Vec::with_capacity(group.tiles.len());
                        for tile in &group.tiles {
                            let mut cells = Vec::new();
                            if tile.slices.len() > 1 {
                                cells.resize(tile.cells, 1.0);
                                let factors: Vec<(&[f64], &Walk)> =
                                    tile.slices.iter().map(|(s, walk)| (cells_of(*s), walk)).collect();
                                node.log_potential += multiply_out(&factors, &mut cells);
                            }
                            joined.push(cells);
                        }
                        let tiles = group.tiles.iter().zip(&joined);
                        let factors: Vec<(&[f64], &Walk)> = tiles
                            .map(|(tile, cells)| match tile.slices.as_slice() {
                                [(only, _)] => (cells_of(*only), &tile.walk),
                                _ => (&cells[..], &tile.walk),
                            })
                            .collect();
                        node.log_potential += multiply_out(&factors, cells);
                    }
                }
            }
        }
        Ok(())
    }

    /// Multiplies the product by `weights` along a free axis (soft evidence), in place of earlier weights there.
    ///
    /// # Errors
    /// [`TableError::Misfit`] if the axis is not free, the program was not compiled for weights, or the weights do not fit it.
    pub fn weigh(&mut self, axis: usize, weights: &[f64]) -> Result<(), TableError> {
        let program = self.program;
        let Some(v) = program.local.get(axis).copied().flatten().filter(|_| program.weighable) else {
            return Err(TableError::Misfit(format!("axis {axis} takes no weights in this program")));
        };
        if weights.len() != program.cards[axis] || weights.iter().any(|&w| !(w >= 0.0 && w.is_finite())) {
            return Err(TableError::Misfit(format!(
                "axis {axis} needs {} finite weights, none negative",
                program.cards[axis]
            )));
        }
        self.set_weights(v as usize, Some(weights));
        Ok(())
    }

    /// Fixes a free axis to a value by weights, for this state only.
    ///
    /// # Errors
    /// As [`State::weigh`], and if the value is out of range.
    pub fn observe(&mut self, axis: usize, value: usize) -> Result<(), TableError> {
        let card = self.program.cards.get(axis).copied().unwrap_or(0);
        if value >= card {
            return Err(TableError::Misfit(format!("axis {axis} has no state {value}")));
        }
        let mut weights = vec![0.0; card];
        weights[value] = 1.0;
        if card == 1 {
            return Ok(());
        }
        self.weigh(axis, &weights)
    }

    /// Takes the weights off all axes.
    pub fn unweigh(&mut self) {
        for v in 0..self.weights.len() {
            if self.weights[v].is_some() {
                self.set_weights(v, None);
            }
        }
    }

    fn set_weights(&mut self, v: usize, weights: Option<&[f64]>) {
        if self.weights[v].as_deref() != weights {
            self.weights[v] = weights.map(<[f64]>::to_vec);
            self.nodes[self.program.carrier[v]].stale = true;
            self.current = false;
        }
    }

    /// Passes messages up and down, as far as anything changed; gives the logarithm of the sum over all free axes.
    ///
    /// # Errors
    /// [`TableError::Misfit`] if a cell, and with it the sum, is not a number.
    pub fn propagate(&mut self) -> Result<f64, TableError> {
        if self.current {
            return Ok(self.log_partition);
        }
        self.log_partition = self.collect(false);
        if self.log_partition.is_nan() || self.log_partition == f64::INFINITY {
            return Err(TableError::Misfit("a table has a cell that is negative, infinite or not a number".into()));
        }
        if self.log_partition > f64::NEG_INFINITY {
            self.distribute();
        }
        self.current = true;
        Ok(self.log_partition)
    }

    /// The normalised marginal of an axis; none for fixed axes, axes not wanted, before [`State::propagate`], and where the sum
    /// is zero. An axis of one state has it for sure.
    pub fn marginal(&self, axis: usize) -> Option<&[f64]> {
        let program = self.program;
        if !self.current || self.log_partition == f64::NEG_INFINITY {
            return None;
        }
        match program.local.get(axis)? {
            Some(v) => self.reading(program.reading_of[*v as usize]?),
            None => (program.cards[axis] == 1 && !program.fixed.contains(&axis)).then_some(&[1.0]),
        }
    }

    /// The normalised joint marginal of a set compiled as wanted together, over the sizes of its axes as listed there; fixed axes
    /// and those of one state do not appear among its cells' axes.
    pub fn joint(&self, set: &[usize]) -> Option<&[f64]> {
        if !self.current || self.log_partition == f64::NEG_INFINITY {
            return None;
        }
        self.joint_of(self.program.together.iter().position(|(axes, _)| axes == set)?)
    }

    /// The normalised joint marginal of the set compiled as the `number`-th of those that are to be wanted together, of those with a
    /// free axis; none where [`State::joint`] has none.
    pub fn joint_of(&self, number: usize) -> Option<&[f64]> {
        if !self.current || self.log_partition == f64::NEG_INFINITY {
            return None;
        }
        self.reading(self.program.together.get(number)?.1)
    }

    fn reading(&self, r: usize) -> Option<&[f64]> {
        let cluster = &self.program.clusters[self.program.readings[r].cluster];
        let at = cluster.readings.iter().position(|&x| x == r)?;
        Some(&self.nodes[self.program.readings[r].cluster].readings[at])
    }

    /// Messages up, of sums or of maxima. Gives the logarithm of the whole.
    pub(super) fn collect(&mut self, largest: bool) -> f64 {
        let program = self.program;
        let n = program.clusters.len();
        let mut weighed = vec![false; n];
        for (v, w) in self.weights.iter().enumerate() {
            weighed[program.carrier[v]] |= w.is_some();
        }
        if largest {
            self.current = false;
        }
        for c in (0..n).rev() {
            let cluster = &program.clusters[c];
            // Promises are about sums only.
            let live = largest || !cluster.pure || weighed[c] || cluster.kids.iter().any(|&k| self.live[k]);
            self.nodes[c].stale |= live != self.live[c];
            self.live[c] = live;
        }
        let (live, weights) = (&self.live, &self.weights);
        for bounds in program.levels.windows(2).rev() {
            let (near, below) = self.nodes.split_at_mut(bounds[1]);
            let level = &mut near[bounds[0]..];
            let send = |scratch: &mut Scratch, (i, node): (usize, &mut Node)| {
                let c = bounds[0] + i;
                let cluster = &program.clusters[c];
                let renew = node.stale || cluster.kids.iter().any(|&k| below[k - bounds[1]].fresh);
                node.fresh = renew;
                if !renew && !largest {
                    return;
                }
                node.gathered = false;
                let kid = |k: usize| &below[k - bounds[1]];
                if live[c] || largest {
                    gather(program, c, node, kid, live, weights);
                    send_up(program, c, node, scratch, kid, largest);
                } else {
                    node.up.fill(1.0);
                    node.log_up = 0.0;
                }
                // A pass of maxima leaves nothing that a pass of sums could build on.
                node.stale = largest;
            };
            let cells: f64 = program.clusters[bounds[0]..bounds[1]].iter().map(|c| c.cells).sum();
            if cells >= SHARED_OUT && level.len() > 1 {
                level.par_iter_mut().enumerate().for_each_init(Scratch::default, send);
            } else {
                level.iter_mut().enumerate().for_each(|at| send(&mut self.scratch, at));
            }
        }
        let mut total = self.constant;
        for node in &self.nodes {
            total += node.log_up;
        }
        total
    }

    /// Brings every cluster to hold what its children say, for going down the tree.
    pub(super) fn complete(&mut self) {
        let program = self.program;
        for c in (0..program.clusters.len()).rev() {
            let (near, below) = self.nodes.split_at_mut(c + 1);
            if !near[c].gathered && !program.clusters[c].needed {
                gather(program, c, &mut near[c], |k| &below[k - c - 1], &self.live, &self.weights);
            }
        }
    }

    /// Messages down, and the readings.
    fn distribute(&mut self) {
        let program = self.program;
        let (live, weights) = (&self.live, &self.weights);
        for bounds in program.levels.windows(2) {
            let (near, below) = self.nodes.split_at_mut(bounds[1]);
            let (above, level) = near.split_at_mut(bounds[0]);
            let send = |scratch: &mut Scratch, (i, node): (usize, &mut Node)| {
                let c = bounds[0] + i;
                let cluster = &program.clusters[c];
                if !cluster.needed {
                    return;
                }
                let kid = |k: usize| &below[k - bounds[1]];
                if !node.gathered {
                    gather(program, c, node, kid, live, weights);
                }
                let message = cluster.parent.map(|p| &above[p].down[cluster.rank][..]);
                send_down(program, c, node, scratch, kid, live, message);
            };
            let cells: f64 = program.clusters[bounds[0]..bounds[1]].iter().map(|c| c.cells).sum();
            if cells >= SHARED_OUT && level.len() > 1 {
                level.par_iter_mut().enumerate().for_each_init(Scratch::default, send);
            } else {
                level.iter_mut().enumerate().for_each(|at| send(&mut self.scratch, at));
            }
        }
    }
}
