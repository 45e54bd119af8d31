//! Single axes drawn given all others: conditionals by pattern of neighbours where those are few, by multiplying rows where not.
//!
//! In: a product and the axes in the order in which they are drawn. Out: for each its conditional at a joint state, and a draw of it.
//! Axes whose tables hold the same numbers in the same places share one tabulated conditional, whatever they are called.

use std::collections::BTreeMap;

use super::free::Free;

/// Cells of one tabulated conditional, and of all of them.
const MOST_CELLS: usize = 1 << 15;
const MOST_IN_ALL: usize = 1 << 22;

/// Axes with their conditionals.
pub(super) struct Sites {
    /// The axis of each site.
    pub axes: Vec<usize>,
    /// Where the neighbours of each site start.
    bounds: Vec<usize>,
    /// Neighbouring axes, and what a state of each adds to the pattern.
    links: Vec<(u32, u32)>,
    /// Where each site's tabulated conditionals start; none if it has none.
    table: Vec<Option<u32>>,
    /// Conditionals: patterns by states.
    conditionals: Vec<f64>,
    /// Where each site's row of states starts; the total last.
    rows: Vec<usize>,
}

impl Sites {
    pub fn new(free: &Free, axes: Vec<usize>) -> Self {
        let mut kinds: BTreeMap<Vec<u64>, u32> = BTreeMap::new();
        let mut kind = |cells: &[f64]| {
            let bits: Vec<u64> = cells.iter().map(|x| x.to_bits()).collect();
            let next = kinds.len() as u32;
            *kinds.entry(bits).or_insert(next)
        };
        let tables: Vec<u32> = free.tables.iter().map(|t| kind(&t.cells)).collect();
        let weights: Vec<u32> = free.unary.iter().map(|w| kind(w)).collect();
        let mut known: BTreeMap<Vec<u32>, Option<u32>> = BTreeMap::new();
        let mut sites = Self {
            bounds: vec![0],
            links: Vec::new(),
            table: Vec::with_capacity(axes.len()),
            conditionals: Vec::new(),
            rows: vec![0],
            axes: Vec::new(),
        };
        for &axis in &axes {
            // Tables in an order that does not depend on names; neighbours as they come up.
            let mut having: Vec<(u32, u32, u32)> =
                free.having[axis].iter().map(|&(t, k)| (tables[t as usize], k, t)).collect();
            having.sort_unstable();
            let mut near: Vec<u32> = Vec::new();
            let mut key = vec![weights[axis], free.cards[axis] as u32];
            for &(kind, k, t) in &having {
                key.extend([kind, k]);
                for &a in &free.tables[t as usize].axes {
                    if a as usize == axis {
                        continue;
                    }
                    let slot = near.iter().position(|&b| b == a).unwrap_or(near.len());
                    if slot == near.len() {
                        near.push(a);
                    }
                    key.extend([slot as u32, free.cards[a as usize] as u32]);
                }
            }
            let mut stride = 1usize;
            for &a in &near {
                sites.links.push((a, stride.min(u32::MAX as usize) as u32));
                stride = stride.saturating_mul(free.cards[a as usize]);
            }
            let cells = stride.saturating_mul(free.cards[axis]);
            let table = *known.entry(key).or_insert_with(|| {
                let start = sites.conditionals.len();
                (cells <= MOST_CELLS && start + cells <= MOST_IN_ALL).then(|| {
                    tabulate(free, axis, &near, stride, &mut sites.conditionals);
                    start as u32
                })
            });
            sites.table.push(table);
            sites.bounds.push(sites.links.len());
            sites.rows.push(sites.rows[sites.rows.len() - 1] + free.cards[axis]);
        }
        sites.axes = axes;
        sites
    }

    pub fn len(&self) -> usize {
        self.axes.len()
    }

    /// Where the row of a site starts when all stand in one.
    pub fn rows(&self, site: usize) -> usize {
        self.rows[site]
    }

    /// Draws the sites from `from` on, as many as `fresh` holds; adds their conditionals to `sums` if they count.
    #[allow(clippy::too_many_arguments)]
    pub fn redraw(
        &self,
        free: &Free,
        from: usize,
        x: &[u32],
        uniforms: &[f64],
        fresh: &mut [u32],
        sums: &mut [f64],
        counts: bool,
    ) {
        let base = self.rows[from];
        let mut own = Vec::new();
        for (i, (fresh, &uniform)) in fresh.iter_mut().zip(uniforms).enumerate() {
            let site = from + i;
            let card = self.rows[site + 1] - self.rows[site];
            let conditional = match self.table[site] {
                Some(start) => {
                    let links = &self.links[self.bounds[site]..self.bounds[site + 1]];
                    let pattern: usize = links.iter().map(|&(a, stride)| (x[a as usize] * stride) as usize).sum();
                    &self.conditionals[start as usize + pattern * card..][..card]
                }
                None => {
                    by_rows(free, self.axes[site], |a| x[a as usize] as usize, &mut own);
                    &own[..]
                }
            };
            *fresh = draw(conditional, uniform) as u32;
            if counts {
                let sums = &mut sums[self.rows[site] - base..self.rows[site + 1] - base];
                sums.iter_mut().zip(conditional).for_each(|(s, p)| *s += p);
            }
        }
    }
}

/// The first state at which the running sum exceeds a uniform number; never one without weight.
#[inline(always)]
fn draw(conditional: &[f64], uniform: f64) -> usize {
    if let [p, q] = *conditional {
        return usize::from(uniform >= p && q > 0.0);
    }
    let (mut sum, mut last) = (0.0, 0);
    for (s, &p) in conditional.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        last = s;
        sum += p;
        if uniform < sum {
            break;
        }
    }
    last
}

/// Conditionals of an axis for all patterns of its neighbours, the first neighbour fastest. Patterns that cannot be met get
/// uniform ones, which nobody reads.
fn tabulate(free: &Free, axis: usize, near: &[u32], patterns: usize, out: &mut Vec<f64>) {
    let mut own = Vec::new();
    let mut states = vec![0usize; near.len()];
    for _ in 0..patterns {
        by_rows(free, axis, |a| near.iter().position(|&b| b == a).map_or(0, |slot| states[slot]), &mut own);
        out.extend_from_slice(&own);
        for (state, &a) in states.iter_mut().zip(near) {
            *state += 1;
            if *state < free.cards[a as usize] {
                break;
            }
            *state = 0;
        }
    }
}

/// The conditional of an axis: its rows of all tables multiplied and normalised.
fn by_rows(free: &Free, axis: usize, state: impl Fn(u32) -> usize, out: &mut Vec<f64>) {
    out.clear();
    out.extend_from_slice(&free.unary[axis]);
    let card = out.len();
    for &(t, k) in &free.having[axis] {
        let table = &free.tables[t as usize];
        let (mut at, mut stride, mut own) = (0, 1, 1);
        for (i, &a) in table.axes.iter().enumerate().rev() {
            match i == k as usize {
                true => own = stride,
                false => at += state(a) * stride,
            }
            stride *= free.cards[a as usize];
        }
        let mut top = 0.0f64;
        for (s, o) in out.iter_mut().enumerate() {
            // Positive numbers stay so: what they are next to is near one.
            let p = *o * table.cells[at + s * own];
            *o = if p < super::free::LEAST && *o > 0.0 && table.cells[at + s * own] > 0.0 {
                super::free::LEAST
            } else {
                p
            };
            top = top.max(*o);
        }
        if top <= 0.0 {
            out.fill(1.0 / card as f64);
            return;
        }
        if top < 1e-100 {
            out.iter_mut().for_each(|o| *o /= top);
        }
    }
    let total: f64 = out.iter().sum();
    out.iter_mut().for_each(|o| *o /= total);
}
