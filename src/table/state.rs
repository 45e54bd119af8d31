//! A program at work: potentials for given values, messages up and down the tree, and what is read off them.
//!
//! In: a [`Program`], the tables it was compiled for, values of the fixed axes, and weights on free axes if it takes them. Out: the
//! logarithm of the sum over all joint states of the free axes, and normalised marginals. Only clusters below which something
//! changed send a new message up. Messages are scaled by their largest entry, and so is a product that grows small while it is
//! formed, so that no sum of positive numbers comes out as zero for want of range.

use rayon::prelude::*;

use super::cluster::{Cluster, Form, Group, Outlet, Stored, Streamed, Target};
use super::compile::Program;
use super::{TableError, Tables};
use crate::kernel::contract::{How, Nest, Walk, divide, largest, scale};

/// A level of the tree is shared out among threads from this many cells on.
const SHARED_OUT: f64 = 65536.0;
/// Products whose largest entry falls below this are scaled up.
const SMALL: f64 = 1e-120;
const LARGE: f64 = 1e120;

/// What one cluster holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The product of a stored cluster's slices.
    potential: Vec<f64>,
    /// The product of each group's slices in a streamed one.
    groups: Vec<Vec<f64>>,
    /// These times messages and weights, where there are any.
    products: Vec<Vec<f64>>,
    /// A stored cluster's potential times the messages that have arrived.
    pub(super) belief: Vec<f64>,
    /// The message to the parent, its largest entry one.
    pub(super) up: Vec<f64>,
    /// What the potential and the message were divided by, as logarithms.
    log_potential: f64,
    log_gathered: f64,
    log_up: f64,
    /// What each child is multiplied by.
    down: Vec<Vec<f64>>,
    /// Normalised marginals.
    readings: Vec<Vec<f64>>,
    /// The potential or a weight changed since the last pass up.
    stale: bool,
    /// The message up changed in this pass.
    fresh: bool,
    /// The belief holds the messages of the children.
    gathered: bool,
}

/// Room for what lies between two steps of one cluster, used again for the next.
#[derive(Clone, Debug, Default)]
struct Scratch {
    spread: Vec<f64>,
    outs: Vec<Vec<f64>>,
}

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
        state.reload(tables, values, true)?;
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
        self.reload(tables, values, false)
    }

    fn reload(&mut self, tables: &Tables, values: &[usize], everything: bool) -> Result<(), TableError> {
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
        let changed: Vec<bool> =
            values.iter().enumerate().map(|(i, v)| everything || self.values.get(i) != Some(v)).collect();
        self.values = values.to_vec();
        // Even where no cluster has a fixed axis, a table of fixed axes alone is a factor of the sum.
        self.current &= !changed.contains(&true);
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
        let touched = |s: usize| everything || slices_of(s).is_some_and(|s| s.fixed.iter().any(|&(i, _)| changed[i]));
        for (cluster, node) in program.clusters.iter().zip(&mut self.nodes) {
            if !everything && !cluster.slices.iter().any(|&s| touched(s)) {
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
        let (_, reading) = self.program.together.iter().find(|(axes, _)| axes == set)?;
        self.reading(Some(*reading)?)
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

/// Multiplies `factors` into `cells`; gives the logarithm of what they were divided by to stay in range.
fn multiply_out(factors: &[(&[f64], &Walk)], cells: &mut [f64]) -> f64 {
    match factors {
        [] => cells.fill(1.0),
        [(first, walk), more @ ..] => {
            walk.run(How::Set, first, cells);
            for (factor, walk) in more {
                walk.run(How::Multiply, factor, cells);
            }
        }
    }
    let top = largest(cells);
    if (SMALL..LARGE).contains(&top) || factors.len() < 2 {
        return 0.0;
    }
    // Out of range on the way, or near it: once more, a factor and a scale at a time.
    let mut log = 0.0;
    cells.fill(1.0);
    for (factor, walk) in factors {
        let mut single = vec![1.0; cells.len()];
        walk.run(How::Set, factor, &mut single);
        log += rescale(&mut single);
        for (x, y) in cells.iter_mut().zip(&single) {
            *x *= y;
        }
        log += rescale(cells);
    }
    log
}

/// Divides by the largest entry; gives its logarithm.
fn rescale(cells: &mut [f64]) -> f64 {
    let top = largest(cells);
    if top > 0.0 && top < f64::INFINITY && top != 1.0 {
        scale(cells, top);
    }
    top.ln()
}

/// Multiplies children's messages and weights into a cluster, or prepares the factors of a streamed one.
fn gather<'n>(
    program: &Program,
    c: usize,
    node: &mut Node,
    kid: impl Fn(usize) -> &'n Node,
    live: &[bool],
    weights: &[Option<Vec<f64>>],
) {
    let cluster = &program.clusters[c];
    node.gathered = true;
    match &cluster.form {
        Form::Stored(form) => gather_stored(program, c, form, node, kid, live, weights),
        Form::Streamed(form) => {
            let mut log = 0.0;
            for ((group, cells), product) in form.groups.iter().zip(&node.groups).zip(&mut node.products) {
                log += gather_group(cluster, group, cells, product, &kid, weights);
            }
            node.log_gathered = log;
        }
    }
}

fn gather_stored<'n>(
    program: &Program,
    c: usize,
    form: &Stored,
    node: &mut Node,
    kid: impl Fn(usize) -> &'n Node,
    live: &[bool],
    weights: &[Option<Vec<f64>>],
) {
    let cluster = &program.clusters[c];
    let belief = &mut node.belief;
    belief.copy_from_slice(&node.potential);
    let mut log = 0.0;
    if program.weighable {
        let mut inner = 1;
        for &v in cluster.axes.iter().rev() {
            let n = program.sizes[v as usize];
            if program.carrier[v as usize] == c
                && let Some(w) = &weights[v as usize]
            {
                let mut top = 0.0f64;
                for (run, &x) in belief.chunks_exact_mut(inner).zip(w.iter().cycle()) {
                    for b in run {
                        *b *= x;
                        top = top.max(*b);
                    }
                }
                if !(SMALL..LARGE).contains(&top) {
                    log += rescale(belief);
                }
            }
            inner *= n;
        }
    }
    for (&k, map) in cluster.kids.iter().zip(&form.maps) {
        if !live[k] {
            continue;
        }
        let message = &kid(k).up;
        let mut top = 0.0f64;
        for (b, &m) in belief.iter_mut().zip(map) {
            *b *= message[m as usize];
            top = if *b > top { *b } else { top };
        }
        if !(SMALL..LARGE).contains(&top) {
            log += rescale(belief);
        }
    }
    node.log_gathered = log;
}

/// One factor of a streamed cluster with the messages and weights that belong to it; gives the logarithm it was divided by.
fn gather_group<'n>(
    cluster: &Cluster,
    group: &Group,
    cells: &[f64],
    product: &mut Vec<f64>,
    kid: impl Fn(usize) -> &'n Node,
    weights: &[Option<Vec<f64>>],
) -> f64 {
    let weighed = group.weights.iter().any(|(v, _)| weights[*v as usize].is_some());
    if group.direct.is_some() || (group.kids.is_empty() && !weighed) {
        product.clear();
        return 0.0;
    }
    product.resize(group.cells, 1.0);
    match cells {
        [] => product.fill(1.0),
        _ => product.copy_from_slice(cells),
    }
    let mut log = 0.0;
    let many = group.kids.len() + group.weights.len() > 1 || !cells.is_empty();
    for (k, walk) in &group.kids {
        walk.run(How::Multiply, &kid(cluster.kids[*k]).up, product);
        if many {
            log += keep_in_range(product);
        }
    }
    for (v, walk) in &group.weights {
        if let Some(w) = &weights[*v as usize] {
            walk.run(How::Multiply, w, product);
            log += keep_in_range(product);
        }
    }
    log
}

fn keep_in_range(cells: &mut [f64]) -> f64 {
    let top = largest(cells);
    if (SMALL..LARGE).contains(&top) { 0.0 } else { rescale(cells) }
}

/// The factors of a streamed cluster, where they lie.
pub(super) fn factors<'a, 'n: 'a>(
    cluster: &Cluster,
    form: &Streamed,
    groups: &'a [Vec<f64>],
    products: &'a [Vec<f64>],
    kid: impl Fn(usize) -> &'n Node,
) -> Vec<&'a [f64]> {
    (0..form.groups.len())
        .map(|g| match form.groups[g].direct {
            Some(k) => &kid(cluster.kids[k]).up[..],
            None if products[g].is_empty() => &groups[g][..],
            None => &products[g][..],
        })
        .collect()
}

impl Node {
    /// The factors of a streamed cluster, where they lie.
    pub(super) fn factors<'n>(
        &'n self,
        cluster: &Cluster,
        form: &Streamed,
        kid: impl Fn(usize) -> &'n Node,
    ) -> Vec<&'n [f64]> {
        factors(cluster, form, &self.groups, &self.products, kid)
    }
}

/// Sums a cluster over what its parent does not share.
fn send_up<'n>(
    program: &Program,
    c: usize,
    node: &mut Node,
    scratch: &mut Scratch,
    kid: impl Fn(usize) -> &'n Node,
    largest: bool,
) {
    let cluster = &program.clusters[c];
    match &cluster.form {
        Form::Stored(form) => {
            for (out, run) in node.up.iter_mut().zip(node.belief.chunks_exact(form.run)) {
                *out = if largest {
                    run.iter().fold(0.0, |a, &b| if b > a || b.is_nan() { b } else { a })
                } else {
                    run.iter().sum()
                };
            }
        }
        Form::Streamed(form) => {
            let Node { groups, products, up, .. } = node;
            let ins = factors(cluster, form, groups, products, kid);
            let cells = match form.up_out.direct {
                Some(_) => &mut *up,
                None => &mut scratch.spread,
            };
            cells.clear();
            cells.resize(form.up_out.cells, 0.0);
            run_nest(&form.up, &ins, &mut [&mut cells[..]], largest);
            if form.up_out.direct.is_none() {
                up.fill(0.0);
                let how = if largest { How::Largest } else { How::Add };
                for (_, walk) in &form.up_out.targets {
                    walk.run(how, &scratch.spread, up);
                }
            }
        }
    }
    node.log_up = node.log_potential + node.log_gathered + rescale(&mut node.up);
}

fn run_nest(nest: &Nest, ins: &[&[f64]], outs: &mut [&mut [f64]], largest: bool) {
    if largest {
        nest.largest(ins, outs);
    } else {
        nest.sum(ins, outs);
    }
}

/// Takes in the parent's message, reads the marginals, and sums for each child what it shares, less what it said itself.
fn send_down<'n>(
    program: &Program,
    c: usize,
    node: &mut Node,
    scratch: &mut Scratch,
    kid: impl Fn(usize) -> &'n Node,
    live: &[bool],
    message: Option<&[f64]>,
) {
    let cluster = &program.clusters[c];
    match &cluster.form {
        Form::Stored(form) => {
            let Node { belief, down, readings, gathered, .. } = node;
            if let Some(message) = message {
                for (run, &m) in belief.chunks_exact_mut(form.run).zip(message) {
                    for b in run {
                        *b *= m;
                    }
                }
                // The belief is no longer what the children said.
                *gathered = false;
            }
            for (r, walk) in readings.iter_mut().zip(&form.readings) {
                r.fill(0.0);
                walk.run(How::Add, belief, r);
            }
            for ((&k, map), out) in cluster.kids.iter().zip(&form.maps).zip(down) {
                if program.clusters[k].needed {
                    out.fill(0.0);
                    for (b, &m) in belief.iter().zip(map) {
                        out[m as usize] += b;
                    }
                }
            }
        }
        Form::Streamed(form) => {
            let Node { groups, products, down, readings, .. } = node;
            let Scratch { spread, outs } = scratch;
            if outs.len() < form.down_outs.len() {
                outs.resize(form.down_outs.len(), Vec::new());
            }
            let mut ins = factors(cluster, form, groups, products, &kid);
            if let Some(message) = message {
                match &form.down_in {
                    Some((cells, walk)) => {
                        spread.resize(*cells, 0.0);
                        walk.run(How::Set, message, spread);
                        ins.push(spread);
                    }
                    None => ins.push(message),
                }
            }
            let mut open: Vec<&mut [f64]> = Vec::with_capacity(form.down_outs.len());
            let mut down: Vec<Option<&mut Vec<f64>>> = down.iter_mut().map(Some).collect();
            let mut readings: Vec<Option<&mut Vec<f64>>> = readings.iter_mut().map(Some).collect();
            for (outlet, own) in form.down_outs.iter().zip(outs) {
                let place = match outlet.direct {
                    Some(Target::Kid(k)) => down[k].take(),
                    Some(Target::Reading(r)) => readings[r].take(),
                    _ => None,
                }
                .unwrap_or(own);
                place.clear();
                place.resize(outlet.cells, 0.0);
                open.push(place);
            }
            if !open.is_empty() {
                form.down.sum(&ins, &mut open);
            }
            for (outlet, own) in form.down_outs.iter().zip(&open) {
                deliver(outlet, own, &mut down, &mut readings);
            }
        }
    }
    for (k, out) in node.down.iter_mut().enumerate() {
        let k = cluster.kids[k];
        if !program.clusters[k].needed {
            continue;
        }
        if live[k] {
            divide(out, &kid(k).up);
        }
        rescale(out);
    }
    for r in &mut node.readings {
        let total: f64 = r.iter().sum();
        for x in r {
            *x /= total;
        }
    }
}

fn deliver(outlet: &Outlet, own: &[f64], down: &mut [Option<&mut Vec<f64>>], readings: &mut [Option<&mut Vec<f64>>]) {
    if outlet.direct.is_some() {
        return;
    }
    for (target, walk) in &outlet.targets {
        let place = match target {
            Target::Kid(k) => down[*k].as_deref_mut(),
            Target::Reading(r) => readings[*r].as_deref_mut(),
            Target::Up => None,
        };
        if let Some(place) = place {
            place.fill(0.0);
            walk.run(How::Add, own, place);
        }
    }
}
