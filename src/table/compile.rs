//! From tables and a set of fixed axes to a program: scopes, order, tree, layouts, and the forecast of what it will cost.
//!
//! In: [`Tables`], of which only the shapes and the promises are looked at, and the axes that will be fixed. Out: a [`Program`],
//! good for any values of those axes and any cells, or the reason why it would take too much.

use super::cluster::{Cluster, Form, Reading, Slice, Stored, Streamed};
use super::order::{neighbours, search};
use super::plan::{Part, Source, Wish, plan};
use super::tree::{Tree, tree};
use super::{TableError, Tables};
use crate::kernel::contract::Walk;

/// Clusters of more cells are streamed.
const MOST_STORED: f64 = 1024.0;

/// What to compile for.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Bytes that a state of the program may take.
    pub bytes: u64,
    /// Arithmetic operations that a run may take.
    pub flops: f64,
    /// How many orders to try at most; fewer are tried where a run is cheap.
    pub tries: usize,
    /// The axes whose marginals are wanted; all if none are named. What cannot bear on them is left out.
    pub wanted: Option<Vec<usize>>,
    /// Sets of axes whose joint marginals are wanted.
    pub together: Vec<Vec<usize>>,
    /// Whether states may be given weights on free axes (soft evidence).
    pub weighable: bool,
    /// Whether states may be asked for the largest product. Like weights, it keeps what promises would leave out of sums.
    pub maximisable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bytes: 4 << 30,
            flops: 1e12,
            tries: 64,
            wanted: None,
            together: Vec::new(),
            weighable: false,
            maximisable: false,
        }
    }
}

/// What a program will take, known before it takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Axes of the largest cluster (by count), less one.
    pub width: usize,
    /// Number of clusters.
    pub clusters: usize,
    /// Cells of all clusters.
    pub cells: f64,
    /// Cells of the largest cluster.
    pub largest_cells: f64,
    /// Its axes.
    pub largest: Vec<usize>,
    /// Memory of one state, in bytes.
    pub bytes: f64,
    /// Arithmetic operations of one run.
    pub flops: f64,
}

/// Tables compiled for a set of fixed axes.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) cards: Vec<usize>,
    /// The fixed axes, as given.
    pub(super) fixed: Vec<usize>,
    /// The axis of each free one, by its own number.
    pub(super) free: Vec<usize>,
    /// The number of each axis among the free ones; none where it is fixed, has one state, or was left out.
    pub(super) local: Vec<Option<u32>>,
    pub(super) sizes: Vec<usize>,
    /// Shapes of the tables, for checking that a run is given the same.
    pub(super) lengths: Vec<usize>,
    pub(super) slices: Vec<Option<Slice>>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) levels: Vec<usize>,
    pub(super) readings: Vec<Reading>,
    /// The reading of each free axis, if it is wanted.
    pub(super) reading_of: Vec<Option<usize>>,
    /// The readings of the sets wanted together.
    pub(super) together: Vec<(Vec<usize>, usize)>,
    /// The cluster that multiplies each free axis's weights.
    pub(super) carrier: Vec<usize>,
    pub(super) weighable: bool,
    pub(super) maximisable: bool,
    /// Whether axes were left out because nothing asks for them.
    pub(super) pruned: bool,
    forecast: Forecast,
}

impl Program {
    /// Compiles `tables` for runs in which the axes `fixed` have given values.
    ///
    /// # Errors
    /// [`TableError::Misfit`] for shapes that do not fit, [`TableError::TooLarge`] where memory or time would exceed the options.
    pub fn compile(tables: &Tables, fixed: &[usize], options: &Options) -> Result<Self, TableError> {
        tables.check_shapes()?;
        tables.check_scope(fixed, "the set of fixed axes")?;
        for set in options.wanted.iter().chain(&options.together) {
            tables.check_scope(set, "a set of wanted axes")?;
        }
        let cards = &tables.cards;
        let mut place = vec![usize::MAX; cards.len()];
        for (i, &axis) in fixed.iter().enumerate() {
            place[axis] = i;
        }
        let mut open: Vec<bool> = (0..cards.len()).map(|a| place[a] == usize::MAX && cards[a] > 1).collect();
        let dropped = match &options.wanted {
            Some(wanted) => prune(tables, &mut open, wanted, &options.together),
            None => vec![false; tables.tables.len()],
        };
        let free: Vec<usize> = (0..cards.len()).filter(|&a| open[a]).collect();
        let mut local = vec![None; cards.len()];
        for (i, &axis) in free.iter().enumerate() {
            local[axis] = Some(i as u32);
        }
        let sizes: Vec<usize> = free.iter().map(|&a| cards[a]).collect();
        let mut slices: Vec<Option<Slice>> = tables
            .tables
            .iter()
            .zip(&dropped)
            .map(|(table, &dropped)| {
                let mut slice = Slice {
                    fixed: Vec::new(),
                    axes: Vec::new(),
                    cluster: None,
                    unit_over: table.sums_to_one_over.and_then(|a| local[a]),
                };
                let mut stride = 1;
                for &axis in table.axes.iter().rev() {
                    if place[axis] != usize::MAX {
                        slice.fixed.push((place[axis], stride));
                    } else if let Some(v) = local[axis] {
                        slice.axes.push((v, stride));
                    }
                    stride *= cards[axis];
                }
                slice.axes.reverse();
                (!dropped).then_some(slice)
            })
            .collect();
        let localise = |set: &[usize]| -> Vec<u32> { set.iter().filter_map(|&a| local[a]).collect() };
        let sets: Vec<Vec<u32>> = options.together.iter().map(|s| localise(s)).collect();
        let scopes: Vec<Vec<u32>> =
            slices.iter().flatten().map(|s| s.axes.iter().map(|a| a.0).collect()).chain(sets.iter().cloned()).collect();
        let near = neighbours(free.len(), scopes.iter().map(|s| &s[..]));
        let order = search(&near, &sizes, options.tries);
        let shape = tree(&order);
        let mut program = Self {
            cards: cards.clone(),
            fixed: fixed.to_vec(),
            lengths: tables.tables.iter().map(|t| t.cells.len()).collect(),
            levels: shape.levels.clone(),
            readings: Vec::new(),
            reading_of: vec![None; free.len()],
            together: Vec::new(),
            carrier: vec![0; free.len()],
            weighable: options.weighable,
            maximisable: options.maximisable,
            pruned: dropped.iter().any(|&d| d),
            forecast: Forecast {
                width: shape.axes.iter().map(Vec::len).max().unwrap_or(1) - 1,
                clusters: shape.axes.len(),
                cells: 0.0,
                largest_cells: 0.0,
                largest: Vec::new(),
                bytes: 0.0,
                flops: 0.0,
            },
            clusters: Vec::new(),
            slices: Vec::new(),
            free,
            local,
            sizes,
        };
        for slice in slices.iter_mut().flatten() {
            let first = slice.axes.iter().min_by_key(|a| shape.place[a.0 as usize]);
            slice.cluster = first.map(|a| shape.home[a.0 as usize]);
        }
        program.slices = slices;
        program.raise(&shape);
        program.refuse(options)?;
        program.read(options, &sets);
        program.lay_out(&shape, options)?;
        Ok(program)
    }

    /// What a run will take.
    pub fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// The fixed axes, in the order in which their values are given.
    pub fn fixed(&self) -> &[usize] {
        &self.fixed
    }

    /// Clusters without their layouts.
    fn raise(&mut self, shape: &Tree) {
        for (c, axes) in shape.axes.iter().enumerate() {
            let cells: f64 = axes.iter().map(|&v| self.sizes[v as usize] as f64).product();
            self.clusters.push(Cluster {
                axes: axes.clone(),
                cells,
                shared: shape.shared[c].clone(),
                shared_cells: 0,
                parent: shape.parent[c],
                rank: 0,
                kids: Vec::new(),
                slices: Vec::new(),
                readings: Vec::new(),
                pure: false,
                needed: false,
                form: Form::Stored(Stored { cells: 0, run: 1, slices: vec![], maps: vec![], readings: vec![] }),
            });
            if let Some(p) = shape.parent[c] {
                self.clusters[c].rank = self.clusters[p].kids.len();
                self.clusters[p].kids.push(c);
            }
            self.forecast.cells += cells;
            if cells > self.forecast.largest_cells {
                self.forecast.largest_cells = cells;
                self.forecast.largest = axes.iter().map(|&v| self.free[v as usize]).collect();
            }
        }
        for (i, slice) in self.slices.iter().enumerate() {
            if let Some(c) = slice.as_ref().and_then(|s| s.cluster) {
                self.clusters[c].slices.push(i);
            }
        }
        for c in (0..self.clusters.len()).rev() {
            self.clusters[c].pure = self.is_pure(c);
        }
    }

    /// Whether everything summed out in a cluster and below it sums to one by what the tables promise.
    fn is_pure(&self, c: usize) -> bool {
        let cluster = &self.clusters[c];
        if !cluster.kids.iter().all(|&k| self.clusters[k].pure) {
            return false;
        }
        let mut slices: Vec<&Slice> = cluster.slices.iter().filter_map(|&s| self.slices[s].as_ref()).collect();
        let mut summed: Vec<u32> = cluster.axes.iter().copied().filter(|v| !cluster.shared.contains(v)).collect();
        if slices.len() != summed.len() {
            return false;
        }
        while let Some(at) = summed.iter().position(|&v| {
            let mut having = slices.iter().filter(|s| s.axes.iter().any(|a| a.0 == v));
            matches!((having.next(), having.next()), (Some(s), None) if s.unit_over == Some(v))
        }) {
            let v = summed.swap_remove(at);
            slices.retain(|s| s.unit_over != Some(v));
        }
        summed.is_empty() && slices.is_empty()
    }

    /// Refuses what is hopeless before any layout is thought about.
    fn refuse(&self, options: &Options) -> Result<(), TableError> {
        let least: f64 = self
            .clusters
            .iter()
            .map(|c| 16.0 * c.shared.iter().map(|&v| self.sizes[v as usize] as f64).product::<f64>())
            .sum();
        self.within(least, 4.0 * self.forecast.cells, options)
    }

    fn within(&self, bytes: f64, flops: f64, options: &Options) -> Result<(), TableError> {
        let (axes, cells) = (self.forecast.largest.clone(), self.forecast.largest_cells);
        if bytes > options.bytes as f64 {
            return Err(TableError::TooLarge { axes, cells, bytes, budget: options.bytes });
        }
        if flops > options.flops || self.forecast.cells > 2f64.powi(50) {
            return Err(TableError::TooLong { axes, cells, flops, budget: options.flops });
        }
        Ok(())
    }

    /// Where each wanted marginal is read: the smallest cluster that has its axes.
    fn read(&mut self, options: &Options, sets: &[Vec<u32>]) {
        let n = self.free.len();
        let mut having: Vec<Vec<usize>> = vec![Vec::new(); n];
        for (c, cluster) in self.clusters.iter().enumerate() {
            for &v in &cluster.axes {
                having[v as usize].push(c);
            }
        }
        let by_size = |a: &usize, b: &usize| self.clusters[*a].cells.total_cmp(&self.clusters[*b].cells).then(a.cmp(b));
        let add = |axes: &[u32], readings: &mut Vec<Reading>| -> usize {
            let cluster = match axes {
                [] => 0,
                [first, ..] => having[*first as usize]
                    .iter()
                    .copied()
                    .filter(|&c| axes.iter().all(|v| self.clusters[c].axes.contains(v)))
                    .min_by(by_size)
                    .unwrap_or(0),
            };
            let cells = axes.iter().map(|&v| self.sizes[v as usize]).product();
            readings.push(Reading { axes: axes.to_vec(), cells, cluster });
            readings.len() - 1
        };
        let mut readings = Vec::new();
        let mut reading_of = vec![None; n];
        for v in 0..n {
            if options.wanted.as_ref().is_none_or(|w| w.contains(&self.free[v])) {
                reading_of[v] = Some(add(&[v as u32], &mut readings));
            }
        }
        let mut together = Vec::new();
        for (set, axes) in options.together.iter().zip(sets) {
            if !axes.is_empty() {
                together.push((set.clone(), add(axes, &mut readings)));
            }
        }
        // Weights lie best on a small cluster, but a streamed one needs a slice to carry them.
        let mut carrier = vec![0; n];
        for v in 0..n {
            let carries = |c: &usize| {
                self.clusters[*c].cells <= MOST_STORED
                    || self.clusters[*c].slices.iter().any(|&s| self.has_axis(s, v as u32))
            };
            carrier[v] = having[v].iter().copied().filter(carries).min_by(by_size).unwrap_or(0);
        }
        for (r, reading) in readings.iter().enumerate() {
            if !reading.axes.is_empty() {
                self.clusters[reading.cluster].readings.push(r);
                self.clusters[reading.cluster].needed = true;
            }
        }
        for c in (1..self.clusters.len()).rev() {
            if let Some(p) = self.clusters[c].parent {
                self.clusters[p].needed |= self.clusters[c].needed;
            }
        }
        (self.readings, self.reading_of, self.together, self.carrier) = (readings, reading_of, together, carrier);
    }

    fn has_axis(&self, slice: usize, v: u32) -> bool {
        self.slices[slice].as_ref().is_some_and(|s| s.axes.iter().any(|a| a.0 == v))
    }

    /// Orders each cluster's cells, parents first, and plans its loops.
    fn lay_out(&mut self, shape: &Tree, options: &Options) -> Result<(), TableError> {
        let (mut bytes, mut flops) = (0.0, 0.0);
        let mut position = vec![usize::MAX; self.free.len()];
        for c in 0..self.clusters.len() {
            // Shared axes already follow the parent's order.
            let cluster = &self.clusters[c];
            let shared = cluster.shared.clone();
            self.clusters[c].shared_cells = shared.iter().map(|&v| self.sizes[v as usize]).product();
            let cluster = &self.clusters[c];
            let mut kid_shared: Vec<Vec<u32>> = cluster.kids.iter().map(|&k| shape.shared[k].clone()).collect();
            let stored = cluster.cells <= MOST_STORED;
            let mut axes = shared.clone();
            axes.extend(cluster.axes.iter().copied().filter(|v| !shared.contains(v)));
            if stored {
                let form = self.store(c, &axes, &mut kid_shared, &mut position);
                bytes += form.cells as f64 * (16.0 + 4.0 * form.maps.len() as f64);
                flops += form.cells as f64 * 4.0 * (1.0 + form.maps.len() as f64);
                self.clusters[c].axes = axes;
                self.clusters[c].form = Form::Stored(form);
            } else {
                let (form, axes) = self.stream(c, &axes, &mut kid_shared, &mut position);
                let moved: usize = form.groups.iter().map(|g| g.cells).sum::<usize>()
                    + form.down_in.as_ref().map_or(0, |d| d.0)
                    + form
                        .down_outs
                        .iter()
                        .chain([&form.up_out])
                        .filter(|o| o.direct.is_none())
                        .map(|o| o.cells)
                        .sum::<usize>();
                bytes += 8.0 * moved as f64;
                flops +=
                    self.clusters[c].cells * (2 * form.groups.len() + 2 + form.down_outs.len()) as f64 + moved as f64;
                self.clusters[c].axes = axes;
                self.clusters[c].form = Form::Streamed(Box::new(form));
            }
            bytes += 16.0 * self.clusters[c].shared_cells as f64;
            let kids = self.clusters[c].kids.clone();
            for (k, shared) in kids.into_iter().zip(kid_shared) {
                self.clusters[k].shared = shared;
            }
        }
        bytes += self.readings.iter().map(|r| 8.0 * r.cells as f64).sum::<f64>();
        (self.forecast.bytes, self.forecast.flops) = (bytes, flops);
        self.within(bytes, flops, options)
    }

    /// Whether a child's message is known to be all ones and stays so.
    pub(super) fn skipped(&self, kid: usize) -> bool {
        let streams = |p: usize| self.clusters[p].cells > MOST_STORED;
        self.clusters[kid].pure
            && !((self.weighable || self.maximisable) && self.clusters[kid].parent.is_some_and(streams))
    }

    fn store(&self, c: usize, axes: &[u32], kid_shared: &mut [Vec<u32>], position: &mut [usize]) -> Stored {
        let cluster = &self.clusters[c];
        for (i, &v) in axes.iter().enumerate() {
            position[v as usize] = i;
        }
        let extents: Vec<usize> = axes.iter().map(|&v| self.sizes[v as usize]).collect();
        let mut strides = vec![1; axes.len()];
        for i in (0..axes.len().saturating_sub(1)).rev() {
            strides[i] = strides[i + 1] * extents[i + 1];
        }
        let cells: usize = extents.iter().product();
        let slices = cluster
            .slices
            .iter()
            .map(|&s| {
                let mut from = vec![0; axes.len()];
                for &(v, stride) in self.slices[s].iter().flat_map(|s| &s.axes) {
                    from[position[v as usize]] = stride;
                }
                Walk::new((0..axes.len()).map(|i| (extents[i], from[i], strides[i])))
            })
            .collect();
        let maps = kid_shared
            .iter_mut()
            .map(|shared| {
                shared.sort_by_key(|&v| position[v as usize]);
                let mut map = vec![0u32];
                let mut stride = 1;
                let mut weight = vec![0; axes.len()];
                for &v in shared.iter().rev() {
                    weight[position[v as usize]] = stride as u32;
                    stride *= self.sizes[v as usize];
                }
                for i in 0..axes.len() {
                    let before = map.len();
                    let mut next = Vec::with_capacity(before * extents[i]);
                    for &at in &map {
                        next.extend((0..extents[i] as u32).map(|s| at + s * weight[i]));
                    }
                    map = next;
                }
                map
            })
            .collect();
        let readings = cluster
            .readings
            .iter()
            .map(|&r| {
                let mut to = vec![0; axes.len()];
                let mut stride = 1;
                for &v in self.readings[r].axes.iter().rev() {
                    to[position[v as usize]] = stride;
                    stride *= self.sizes[v as usize];
                }
                Walk::new((0..axes.len()).map(|i| (extents[i], strides[i], to[i])))
            })
            .collect();
        let shared = cluster.shared.len();
        Stored { cells, run: extents[shared..].iter().product(), slices, maps, readings }
    }

    fn stream(
        &self,
        c: usize,
        axes: &[u32],
        kid_shared: &mut [Vec<u32>],
        position: &mut [usize],
    ) -> (Streamed, Vec<u32>) {
        let cluster = &self.clusters[c];
        for (i, &v) in axes.iter().enumerate() {
            position[v as usize] = i;
        }
        let sizes: Vec<usize> = axes.iter().map(|&v| self.sizes[v as usize]).collect();
        let places = |set: &[u32]| -> Vec<usize> { set.iter().map(|&v| position[v as usize]).collect() };
        let mask = |places: &[usize]| places.iter().fold(0u64, |m, &p| m | 1 << p);
        let mut weighed: Vec<u32> = Vec::new();
        let mut parts = Vec::new();
        for &s in &cluster.slices {
            let Some(slice) = &self.slices[s] else { continue };
            let at: Vec<(usize, usize)> =
                slice.axes.iter().map(|&(v, stride)| (position[v as usize], stride)).collect();
            let mut weights = Vec::new();
            for &(v, _) in &slice.axes {
                if self.weighable && self.carrier[v as usize] == c && !weighed.contains(&v) {
                    weighed.push(v);
                    weights.push((v, position[v as usize]));
                }
            }
            parts.push(Part { mask: at.iter().fold(0, |m, a| m | 1 << a.0), what: Source::Slice(s, at, weights) });
        }
        let shared: Vec<Vec<usize>> = kid_shared.iter().map(|s| places(s)).collect();
        let mut outs = Vec::new();
        for (k, &kid) in cluster.kids.iter().enumerate() {
            if !self.skipped(kid) {
                parts.push(Part { mask: mask(&shared[k]), what: Source::Kid(k) });
            }
            if self.clusters[kid].needed {
                outs.push((super::cluster::Target::Kid(k), shared[k].clone()));
            }
        }
        for (i, &r) in cluster.readings.iter().enumerate() {
            outs.push((super::cluster::Target::Reading(i), places(&self.readings[r].axes)));
        }
        let own: Vec<usize> = (0..cluster.shared.len()).collect();
        let planned = plan(Wish { sizes: &sizes, shared: &own, parts, outs }, &shared);
        let axes: Vec<u32> = planned.order.iter().map(|&p| axes[p]).collect();
        for (i, &v) in axes.iter().enumerate() {
            position[v as usize] = i;
        }
        for shared in kid_shared {
            shared.sort_by_key(|&v| position[v as usize]);
        }
        // Single cells are read by the cluster's own order.
        let mut streamed = planned.streamed;
        for strides in &mut streamed.strides {
            *strides = planned.order.iter().map(|&p| strides[p]).collect();
        }
        (streamed, axes)
    }
}

/// Closes the axes that nothing wanted depends on, one at a time: each stands in one open table, which sums to one over it.
/// Says which tables go with them.
fn prune(tables: &Tables, open: &mut [bool], wanted: &[usize], together: &[Vec<usize>]) -> Vec<bool> {
    let mut dropped = vec![false; tables.tables.len()];
    let mut having: Vec<Vec<usize>> = vec![Vec::new(); open.len()];
    for (i, table) in tables.tables.iter().enumerate() {
        for &axis in &table.axes {
            having[axis].push(i);
        }
    }
    let mut kept = vec![false; open.len()];
    for &axis in wanted.iter().chain(together.iter().flatten()) {
        kept[axis] = true;
    }
    let mut count: Vec<usize> = having.iter().map(Vec::len).collect();
    let mut todo: Vec<usize> = (0..open.len()).collect();
    while let Some(axis) = todo.pop() {
        if !open[axis] || kept[axis] || count[axis] != 1 {
            continue;
        }
        let Some(&table) = having[axis].iter().find(|&&t| !dropped[t]) else { continue };
        if tables.tables[table].sums_to_one_over != Some(axis) {
            continue;
        }
        open[axis] = false;
        dropped[table] = true;
        for &other in &tables.tables[table].axes {
            count[other] -= 1;
            todo.push(other);
        }
    }
    dropped
}
