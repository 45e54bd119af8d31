//! What is laid out for one cluster: how its potentials, messages and readings lie and move. Plain data.

use crate::kernel::contract::{Nest, Walk};

/// A table once its fixed axes are gone: a strided view into the original cells.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    /// Which fixed axis (by its place among them) moves the view's start, and by how much a state.
    pub fixed: Vec<(usize, usize)>,
    /// The free axes and their strides.
    pub axes: Vec<(u32, usize)>,
    /// The cluster that multiplies it; none for a single number.
    pub cluster: Option<usize>,
    /// The free axis it sums to one over.
    pub unit_over: Option<u32>,
}

/// A marginal that is kept: the axes in the order of its cells.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub axes: Vec<u32>,
    pub cells: usize,
    pub cluster: usize,
}

/// One cluster of the tree.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Axes in the order of its cells.
    pub axes: Vec<u32>,
    /// Cells, as a number that may exceed what memory holds.
    pub cells: f64,
    /// Axes shared with the parent, in the order of the message's cells.
    pub shared: Vec<u32>,
    /// Cells of the message.
    pub shared_cells: usize,
    pub parent: Option<usize>,
    /// Which of its parent's children it is.
    pub rank: usize,
    pub kids: Vec<usize>,
    /// The slices it multiplies.
    pub slices: Vec<usize>,
    /// Readings taken here.
    pub readings: Vec<usize>,
    /// The message up is all ones as long as no weights are set below.
    pub pure: bool,
    /// A reading lies here or below.
    pub needed: bool,
    pub form: Form,
}

/// Small clusters are stored, large ones streamed.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Stored(Stored),
    Streamed(Box<Streamed>),
}

/// Cells in order [shared axes, others]: a message is a sum over runs.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub cells: usize,
    /// Length of a run that shares one cell of the message up.
    pub run: usize,
    /// From each slice to the cells.
    pub slices: Vec<Walk>,
    /// For each child, the cell of its message that belongs to each cell.
    pub maps: Vec<Vec<u32>>,
    /// From the cells to each reading.
    pub readings: Vec<Walk>,
}

/// Loops over a product that is never stored.
#[derive(Clone, Debug)]
pub(super) struct Streamed {
    /// Factors that slices and messages are first multiplied into.
    pub groups: Vec<Group>,
    /// The product summed into the message up.
    pub up: Nest,
    pub up_out: Outlet,
    /// The product times the message down summed into the children's shared axes and the readings.
    pub down: Nest,
    /// How the message down is spread before it takes part; none if it fits as it lies.
    pub down_in: Option<(usize, Walk)>,
    pub down_outs: Vec<Outlet>,
    /// Strides of each group along the cluster's axes, for reading single cells.
    pub strides: Vec<Vec<usize>>,
}

/// A factor of a streamed cluster.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub cells: usize,
    /// The child whose message is used where it lies.
    pub direct: Option<usize>,
    pub tiles: Vec<Tile>,
    pub kids: Vec<(usize, Walk)>,
    /// Axes with weights that belong to one of its slices, and how a weight spreads over it.
    pub weights: Vec<(u32, Walk)>,
}

/// Slices that are multiplied by one another first.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    pub cells: usize,
    /// From each slice to the tile.
    pub slices: Vec<(usize, Walk)>,
    /// From the tile, or from its only slice, to the group.
    pub walk: Walk,
}

/// Where one output of a nest goes: as it lies to a single target, or summed further into several.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pub cells: usize,
    pub direct: Option<Target>,
    pub targets: Vec<(Target, Walk)>,
}

/// What an output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The message to the parent.
    Up,
    /// The sum over all but the axes shared with a child.
    Kid(usize),
    /// A reading, by its place in the cluster's list.
    Reading(usize),
}
