//! The loops of one streamed cluster: which axes run along rows, which in the middle, which outside, and what is multiplied first.
//!
//! In: the axes with their sizes, the axes of each factor and of each sum that is wanted, and the order in which the message to the
//! parent lies. Out: groups, nests and outlets. A factor or a sum takes part in rows either whole (it has all axes of a row, or is
//! spread over them) or as one cell a row (it has none), so that the innermost loops are always contiguous.

use super::cluster::{Group, Outlet, Streamed, Target, Tile};
use crate::kernel::contract::{Nest, Port, Walk};

/// Longest row: three rows and the tables' rows stay within the fastest cache.
const LONGEST_ROW: usize = 512;
/// Rough costs in nanoseconds: a row's overhead, one factor's cell in it, one cell of one pass, one cell moved between layouts.
const ROW: f64 = 9.0;
const CELL_FACTOR: f64 = 1.0;
const CELL: f64 = 0.12;
const MOVE: f64 = 1.2;

/// Something that takes part, as a set of places in the cluster's axes.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub mask: u64,
    pub what: Source,
}

/// Where a factor comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// A slice, by its index, with its stride along each place and its axes' weights, if they belong to it, by place.
    Slice(usize, Vec<(usize, usize)>, Vec<(u32, usize)>),
    /// A child's message, by its place in the list.
    Kid(usize),
}

/// What has to be planned.
pub(super) struct Wish<'a> {
    /// Sizes by place.
    pub sizes: &'a [usize],
    /// Places of the axes shared with the parent, in the order of the message.
    pub shared: &'a [usize],
    pub parts: Vec<Part>,
    /// Sums of the downward pass; the places in the order of the cells of a reading.
    pub outs: Vec<(Target, Vec<usize>)>,
}

/// The plan and the order of the cluster's places that messages from children follow.
pub(super) struct Planned {
    pub streamed: Streamed,
    pub order: Vec<usize>,
}

fn mask_of(places: &[usize]) -> u64 {
    places.iter().fold(0, |m, &p| m | 1 << p)
}

fn cells(sizes: &[usize], mask: u64) -> f64 {
    (0..sizes.len()).filter(|&p| mask >> p & 1 == 1).map(|p| sizes[p] as f64).product()
}

/// Puts factors into few groups whose joint tables stay small beside the cluster: each goes, larger ones first, where it adds
/// the fewest cells.
fn grouped(sizes: &[usize], parts: Vec<Part>, limit: f64) -> Vec<(u64, Vec<Part>)> {
    let mut sorted: Vec<(f64, Part)> = parts.into_iter().map(|p| (cells(sizes, p.mask), p)).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut groups: Vec<(f64, u64, Vec<Part>)> = Vec::new();
    for (own, part) in sorted {
        let mut best: Option<(f64, f64, usize)> = None;
        for (g, (size, mask, _)) in groups.iter().enumerate() {
            let both = if mask & part.mask == part.mask { *size } else { cells(sizes, mask | part.mask) };
            // Inside a group it adds nothing, however large the group.
            let added = both - size;
            if (added == 0.0 || both <= limit) && best.is_none_or(|(least, ..)| added < least) {
                best = Some((added, both, g));
            }
        }
        match best {
            Some((_, both, g)) => {
                groups[g].0 = both;
                groups[g].1 |= part.mask;
                groups[g].2.push(part);
            }
            None => groups.push((own, part.mask, vec![part])),
        }
    }
    groups.into_iter().map(|(_, mask, parts)| (mask, parts)).collect()
}

/// What a choice of rows and middle costs for both passes.
fn cost(wish: &Wish, groups: &[(u64, Vec<Part>)], row: u64, middle: Option<usize>) -> f64 {
    let sizes = wish.sizes;
    let all = cells(sizes, (1u64 << sizes.len()).wrapping_sub(1));
    let rows = all / cells(sizes, row);
    let moves = |mask: u64| middle.is_some_and(|m| mask >> m & 1 == 1);
    let shared = mask_of(wish.shared);
    let (mut wide, mut narrow, mut moved) = (0.0, 0.0, 0.0);
    let mut factor = |mask: u64, fits: bool| {
        if mask & row == 0 {
            narrow += if moves(mask) { 1.0 } else { 0.0 };
        } else {
            wide += if moves(mask) { 1.0 } else { 0.1 };
        }
        if !fits || (mask & row != 0 && mask & row != row) {
            moved += cells(sizes, if mask & row == 0 { mask } else { mask | row });
        }
    };
    for (mask, parts) in groups {
        factor(*mask, true);
        if parts.len() == 1 && matches!(parts[0].what, Source::Kid(_)) && mask & row != 0 && mask & row != row {
            factor(0, true);
        }
    }
    let (factors, cells_in) = (wide, narrow);
    // The message up and the message down lie as the parent says: rows must be its last axes to fit.
    let suffix = wish.shared.len() >= row.count_ones() as usize
        && mask_of(&wish.shared[wish.shared.len() - row.count_ones() as usize..]) == row;
    let fits = suffix || shared & row == 0;
    let mut sum = |mask: u64, fits: bool| -> f64 {
        if !fits || (mask & row != 0 && mask & row != row) {
            moved += cells(sizes, if mask & row == 0 { mask } else { mask | row });
        }
        match (mask & row == 0, moves(mask)) {
            (true, true) => 1.2,
            (false, true) => 1.0,
            (true, false) => 0.15,
            (false, false) => 0.1,
        }
    };
    let up = sum(shared, fits);
    let down = sum(shared, fits) + wish.outs.iter().map(|(_, places)| sum(mask_of(places), true)).sum::<f64>();
    rows * 2.0 * (ROW + CELL_FACTOR * cells_in) + all * CELL * (2.0 * factors + up + down + 3.0) + moved * MOVE
}

/// The cheapest rows and middle that adding one axis at a time finds.
fn choose(wish: &Wish, groups: &[(u64, Vec<Part>)]) -> (u64, Option<usize>) {
    let sizes = wish.sizes;
    let middles = |row: u64| -> (f64, Option<usize>) {
        let mut best = (f64::INFINITY, None);
        for m in (0..sizes.len()).filter(|&m| row >> m & 1 == 0) {
            let c = cost(wish, groups, row, Some(m));
            if c < best.0 {
                best = (c, Some(m));
            }
        }
        if best.1.is_none() { (cost(wish, groups, row, None), None) } else { best }
    };
    let grow = |start: u64| -> (f64, u64, Option<usize>) {
        let mut row = start;
        let (mut least, mut middle) = if row == 0 { (f64::INFINITY, None) } else { middles(row) };
        loop {
            let mut best = None;
            for p in (0..sizes.len()).filter(|&p| row >> p & 1 == 0) {
                let wider = row | 1 << p;
                if cells(sizes, wider) > LONGEST_ROW as f64 && row != 0 {
                    continue;
                }
                let (c, m) = middles(wider);
                if c < least {
                    (least, middle) = (c, m);
                    best = Some(wider);
                }
            }
            match best {
                Some(wider) => row = wider,
                None => return (least, row, middle),
            }
        }
    };
    let mut best = grow(0);
    // The last axes of the message to the parent are rows that need no moving.
    let mut suffix = 0u64;
    for &p in wish.shared.iter().rev() {
        suffix |= 1 << p;
        if cells(sizes, suffix) > LONGEST_ROW as f64 {
            break;
        }
        let (c, m) = middles(suffix);
        if c < best.0 {
            best = (c, suffix, m);
        }
    }
    (best.1, best.2)
}

/// Row-major strides of the places in `mask`, which lie in this order.
fn strides(sizes: &[usize], order: &[usize], mask: u64) -> Vec<usize> {
    let mut out = vec![0; sizes.len()];
    let mut stride = 1;
    for &p in order.iter().rev().filter(|&&p| mask >> p & 1 == 1) {
        out[p] = stride;
        stride *= sizes[p];
    }
    out
}

/// Plans a streamed cluster. `kid_masks` are the places each child shares.
pub(super) fn plan(wish: Wish, kid_shared: &[Vec<usize>]) -> Planned {
    let sizes = wish.sizes;
    let all = cells(sizes, (1u64 << sizes.len()).wrapping_sub(1));
    let groups = grouped(sizes, wish.parts.clone(), (all / 32.0).max(256.0));
    let (row, middle) = choose(&wish, &groups);
    let shared = mask_of(wish.shared);
    let shared_place = |p: usize| wish.shared.iter().position(|&q| q == p);
    // Outside: first what the parent shares, in its order, then the rest.
    let mut order: Vec<usize> = (0..sizes.len()).filter(|&p| row >> p & 1 == 0 && Some(p) != middle).collect();
    order.sort_by_key(|&p| shared_place(p).unwrap_or(usize::MAX));
    let outer = order.clone();
    order.extend(middle);
    let mut rows: Vec<usize> = (0..sizes.len()).filter(|&p| row >> p & 1 == 1).collect();
    rows.sort_by_key(|&p| shared_place(p).map_or(0, |k| k + 1));
    order.extend(&rows);
    let length = |mask: u64| cells(sizes, mask) as usize;
    // What lies in the nest's own order, spread over the row if it has part of it.
    let spread = |mask: u64| if mask & row == 0 { mask } else { mask | row };
    let port = |mask: u64| -> (Port, Vec<usize>) {
        let s = strides(sizes, &order, mask);
        let port = Port {
            wide: mask & row != 0,
            middle: middle.map_or(0, |m| s[m]),
            outer: outer.iter().map(|&p| s[p]).collect(),
        };
        (port, s)
    };
    let walk = |mask: u64, from: &[usize], to: &[usize]| {
        Walk::new(order.iter().filter(|&&p| mask >> p & 1 == 1).map(|&p| (sizes[p], from[p], to[p])))
    };
    let mut ins = Vec::new();
    let mut plans = Vec::new();
    let mut group_strides = Vec::new();
    for (mask, parts) in &groups {
        let full = spread(*mask);
        let (p, to) = port(full);
        ins.push(p);
        let mut group = Group { cells: length(full), direct: None, tiles: vec![], kids: vec![], weights: vec![] };
        let (kids, slices): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|p| matches!(p.what, Source::Kid(_)));
        for part in kids {
            if let Source::Kid(k) = part.what {
                let from = strides(sizes, &order, mask_of(&kid_shared[k]));
                if parts.len() == 1 && full == *mask {
                    group.direct = Some(k);
                    group.cells = 0;
                }
                group.kids.push((k, walk(full, &from, &to)));
            }
        }
        // Many small slices are multiplied into tiles first, each of which is spread over the group once.
        let slices: Vec<Part> = slices.into_iter().cloned().collect();
        let tile = if slices.len() > 2 { 256.0 } else { 0.0 };
        for (mask, parts) in grouped(sizes, slices, tile) {
            let tile_strides = strides(sizes, &order, mask);
            let mut tile = Tile { cells: length(mask), slices: vec![], walk: walk(full, &tile_strides, &to) };
            for part in &parts {
                let Source::Slice(slice, places, weights) = &part.what else { continue };
                let mut from = vec![0; sizes.len()];
                for &(p, stride) in places {
                    from[p] = stride;
                }
                if parts.len() == 1 {
                    tile.walk = walk(full, &from, &to);
                }
                tile.slices.push((*slice, walk(mask, &from, &tile_strides)));
                for &(axis, place) in weights {
                    let mut from = vec![0; sizes.len()];
                    from[place] = 1;
                    group.weights.push((axis, walk(full, &from, &to)));
                }
            }
            group.tiles.push(tile);
        }
        plans.push(group);
        group_strides.push(to);
    }
    // The parent's order of the shared axes against ours.
    let mut given = vec![0; sizes.len()];
    let mut stride = 1;
    for &p in wish.shared.iter().rev() {
        given[p] = stride;
        stride *= sizes[p];
    }
    let full = spread(shared);
    let (shared_port, own) = port(full);
    let same = full == shared && (0..sizes.len()).all(|p| sizes[p] == 1 || own[p] == given[p]);
    let up_out = match same {
        true => Outlet { cells: length(shared), direct: Some(Target::Up), targets: vec![] },
        false => Outlet { cells: length(full), direct: None, targets: vec![(Target::Up, walk(full, &own, &given))] },
    };
    let down_in = (!same).then(|| (length(full), walk(full, &given, &own)));
    let nest = |ins: Vec<Port>, outs: Vec<Port>| Nest {
        outer: outer.iter().map(|&p| sizes[p]).collect(),
        middle: middle.map_or(1, |m| sizes[m]),
        row: length(row).max(1),
        ins,
        outs,
    };
    let up = nest(ins.clone(), vec![shared_port.clone()]);
    if !wish.shared.is_empty() {
        ins.push(shared_port);
    }
    // Sums over the same spread axes are one output.
    let mut outs: Vec<(u64, Outlet)> = Vec::new();
    for (target, places) in &wish.outs {
        let mask = mask_of(places);
        let full = spread(mask);
        let own = strides(sizes, &order, full);
        let mut to = vec![0; sizes.len()];
        match target {
            Target::Reading(_) => {
                let mut stride = 1;
                for &p in places.iter().rev() {
                    to[p] = stride;
                    stride *= sizes[p];
                }
            }
            _ => to = strides(sizes, &order, mask),
        }
        let entry = match outs.iter().position(|(m, _)| *m == full) {
            Some(at) => at,
            None => {
                outs.push((full, Outlet { cells: length(full), direct: None, targets: vec![] }));
                outs.len() - 1
            }
        };
        outs[entry].1.targets.push((*target, walk(full, &own, &to)));
    }
    let mut down_ports = Vec::new();
    let mut down_outs = Vec::new();
    for (full, mut outlet) in outs {
        down_ports.push(port(full).0);
        if let [(target, only)] = outlet.targets.as_slice()
            && only.is_plain()
            && only.steps() == outlet.cells
        {
            outlet.direct = Some(*target);
        }
        down_outs.push(outlet);
    }
    let down = nest(ins, down_ports);
    let streamed = Streamed { groups: plans, up, up_out, down, down_in, down_outs, strides: group_strides };
    Planned { streamed, order }
}
