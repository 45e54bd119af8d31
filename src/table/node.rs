//! One cluster at work: its potential times what arrives, the message up, the messages down, and the marginals that are read off.
//!
//! In: a cluster of a [`Program`], the nodes of its children, weights. Out: the same node with messages, each scaled by its largest entry;
//! what was divided by is kept as a logarithm.

use super::cluster::{Cluster, Form, Group, Outlet, Stored, Streamed, Target};
use super::compile::Program;
use crate::kernel::contract::{How, Nest, Walk, divide, largest, scale};

/// Products whose largest entry falls below this are scaled up.
const SMALL: f64 = 1e-120;
const LARGE: f64 = 1e120;

/// What one cluster holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The product of a stored cluster's slices.
    pub(super) potential: Vec<f64>,
    /// The product of each group's slices in a streamed one.
    pub(super) groups: Vec<Vec<f64>>,
    /// These times messages and weights, where there are any.
    pub(super) products: Vec<Vec<f64>>,
    /// A stored cluster's potential times the messages that have arrived.
    pub(super) belief: Vec<f64>,
    /// The message to the parent, its largest entry one.
    pub(super) up: Vec<f64>,
    /// What the potential and the message were divided by, as logarithms.
    pub(super) log_potential: f64,
    pub(super) log_gathered: f64,
    pub(super) log_up: f64,
    /// What each child is multiplied by.
    pub(super) down: Vec<Vec<f64>>,
    /// Normalised marginals.
    pub(super) readings: Vec<Vec<f64>>,
    /// The potential or a weight changed since the last pass up.
    pub(super) stale: bool,
    /// The message up changed in this pass.
    pub(super) fresh: bool,
    /// The belief holds the messages of the children.
    pub(super) gathered: bool,
}

/// Room for what lies between two steps of one cluster, used again for the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    pub(super) spread: Vec<f64>,
    pub(super) outs: Vec<Vec<f64>>,
}

/// Multiplies `factors` into `cells`; gives the logarithm of what they were divided by to stay in range.
pub(super) fn multiply_out(factors: &[(&[f64], &Walk)], cells: &mut [f64]) -> f64 {
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
pub(super) fn rescale(cells: &mut [f64]) -> f64 {
    let top = largest(cells);
    if top > 0.0 && top < f64::INFINITY && top != 1.0 {
        scale(cells, top);
    }
    top.ln()
}

/// Multiplies children's messages and weights into a cluster, or prepares the factors of a streamed one.
pub(super) fn gather<'n>(
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
pub(super) fn send_up<'n>(
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
pub(super) fn send_down<'n>(
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
