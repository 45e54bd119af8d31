//! Order within ranks: few crossings, by medians and exchanges (Gansner, Koutsofios, North & Vo 1993, section 3).

/// A cell of a rank: an item, or a place where an edge passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Room to the left of its anchor.
    pub left: f64,
    /// Room to the right.
    pub right: f64,
    /// Its rank.
    pub rank: usize,
}

/// A stretch of an edge between cells of neighbouring ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The upper cell.
    pub upper: usize,
    /// Where it leaves, from the cell's anchor.
    pub leaves: f64,
    /// The lower cell.
    pub lower: usize,
    /// Where it arrives, from the cell's anchor.
    pub arrives: f64,
    /// How much it wants to be vertical.
    pub weight: f64,
}

/// Sweeps of medians.
const SWEEPS: usize = 16;
/// With so many links, exchanges would take too long.
const MANY: usize = 1500;

/// Cells of each rank, left to right.
pub fn order(cells: &[Cell], links: &[Link]) -> Vec<Vec<usize>> {
    let ranks = cells.iter().map(|c| c.rank + 1).max().unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); ranks];
    for (at, cell) in cells.iter().enumerate() {
        rows[cell.rank].push(at);
    }
    let mut best = rows.clone();
    let mut fewest = crossings(&rows, links, cells.len());
    // The order of declaration, and then its mirror image, as starting points: whichever leads further.
    for mirrored in [false, true] {
        if mirrored {
            rows.iter_mut().for_each(|row| {
                row.sort_unstable();
                row.reverse();
            });
        }
        for sweep in 0..SWEEPS {
            medians(&mut rows, links, cells.len(), sweep % 2 == 0);
            if links.len() <= MANY {
                exchange(&mut rows, links, cells.len());
            }
            let now = crossings(&rows, links, cells.len());
            if now < fewest {
                fewest = now;
                best = rows.clone();
            }
            if fewest == 0 {
                return best;
            }
        }
    }
    best
}

/// Position of each cell in its row, as a number that offsets within a cell refine.
fn positions(rows: &[Vec<usize>], cells: usize) -> Vec<f64> {
    let mut at = vec![0.0; cells];
    for row in rows {
        for (place, &cell) in row.iter().enumerate() {
            at[cell] = place as f64;
        }
    }
    at
}

/// Offsets move an end by less than one place.
fn end(place: f64, offset: f64) -> f64 {
    place + (offset / 1e5).clamp(-0.49, 0.49)
}

fn medians(rows: &mut [Vec<usize>], links: &[Link], cells: usize, down: bool) {
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); cells];
    for (at, link) in links.iter().enumerate() {
        near[if down { link.lower } else { link.upper }].push(at);
    }
    let count = rows.len();
    for step in 1..count {
        let row = if down { step } else { count - 1 - step };
        let place = positions(rows, cells);
        let key = |&cell: &usize| -> f64 {
            let mut ends: Vec<f64> = near[cell]
                .iter()
                .map(|&l| {
                    if down {
                        end(place[links[l].upper], links[l].leaves)
                    } else {
                        end(place[links[l].lower], links[l].arrives)
                    }
                })
                .collect();
            ends.sort_by(f64::total_cmp);
            match ends.len() {
                0 => place[cell],
                n if n % 2 == 1 => ends[n / 2],
                n => (ends[n / 2 - 1] + ends[n / 2]) / 2.0,
            }
        };
        let mut keyed: Vec<(f64, usize)> = rows[row].iter().map(|c| (key(c), *c)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows[row] = keyed.into_iter().map(|(_, c)| c).collect();
    }
}

fn exchange(rows: &mut [Vec<usize>], links: &[Link], cells: usize) {
    let mut touching: Vec<Vec<usize>> = vec![Vec::new(); cells];
    for (at, link) in links.iter().enumerate() {
        touching[link.upper].push(at);
        touching[link.lower].push(at);
    }
    for _ in 0..8 {
        let mut gained = false;
        for row in 0..rows.len() {
            for at in 1..rows[row].len() {
                let place = positions(rows, cells);
                let (a, b) = (rows[row][at - 1], rows[row][at]);
                let (now, then) = (between(a, b, &touching, links, &place), between(b, a, &touching, links, &place));
                if then < now {
                    rows[row].swap(at - 1, at);
                    gained = true;
                }
            }
        }
        if !gained {
            return;
        }
    }
}

/// Crossings between the links of two neighbours, the first standing left.
fn between(a: usize, b: usize, touching: &[Vec<usize>], links: &[Link], place: &[f64]) -> usize {
    let far = |cell: usize, link: &Link| match link.upper == cell {
        true => (true, end(place[link.lower], link.arrives)),
        false => (false, end(place[link.upper], link.leaves)),
    };
    let mut count = 0;
    for &l in &touching[a] {
        let (down, x) = far(a, &links[l]);
        for &m in &touching[b] {
            let (other, y) = far(b, &links[m]);
            count += usize::from(down == other && x > y);
        }
    }
    count
}

fn crossings(rows: &[Vec<usize>], links: &[Link], cells: usize) -> usize {
    let place = positions(rows, cells);
    let mut rank = vec![0; cells];
    for (at, row) in rows.iter().enumerate() {
        for &cell in row {
            rank[cell] = at;
        }
    }
    let mut by_rank: Vec<Vec<(f64, f64)>> = vec![Vec::new(); rows.len()];
    for link in links {
        by_rank[rank[link.upper]].push((end(place[link.upper], link.leaves), end(place[link.lower], link.arrives)));
    }
    let mut count = 0;
    for ends in &by_rank {
        for (i, a) in ends.iter().enumerate() {
            count += ends[i + 1..].iter().filter(|b| (a.0 - b.0) * (a.1 - b.1) < 0.0).count();
        }
    }
    count
}
