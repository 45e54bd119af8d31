//! Junction tree: how wide the tables are that summing out a block's entries one after the other makes.
//!
//! The order is found by smallest table first, without the tries that the compiled program makes: what is said here is never better than
//! what will run.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::analysis::Component;
use crate::model::{EntryReads, Program, VarId, entries_of, entry_reads};

/// Entries beyond which no order is looked for.
const MAX_ENTRIES: usize = 200_000;
/// log₂ of the largest table that is summed over.
pub const MAX_LOG2_TABLE: f64 = 24.0;

/// What an order of summing costs, at one position of the block's plates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Width {
    /// log₂ of the cells of the largest table.
    pub largest: f64,
    /// Cells of all tables.
    pub cells: f64,
    /// Entries that are summed out.
    pub entries: usize,
}

/// The cost of summing a component's entries out (Koller & Friedman 2009, section 9.4), given up once a table is above
/// [`MAX_LOG2_TABLE`]; none where an extent is unknown, a variable has no states, or there is too much to look at.
pub fn find_width(program: &Program, component: &Component<'_>) -> Option<Width> {
    let mut base = BTreeMap::new();
    let mut bits: Vec<f64> = Vec::new();
    for &var in &component.vars {
        let count = entries_of(program, var, &component.plates)?;
        if bits.len() + count > MAX_ENTRIES {
            return None;
        }
        base.insert(var, bits.len());
        bits.extend(std::iter::repeat_n((Component::states(program, var)? as f64).log2(), count));
    }
    let mut near: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); bits.len()];
    for piece in &component.pieces {
        let EntryReads { plates, reads } = entry_reads(program, piece.factor, &component.vars, &component.plates)?;
        for position in 0..plates.iter().product() {
            let tied: BTreeSet<usize> =
                reads.iter().flat_map(|r| r.entries[position].iter().flatten().map(|e| base[&r.var] + e)).collect();
            let table: f64 = tied.iter().map(|&e| bits[e]).sum();
            if table > MAX_LOG2_TABLE {
                return Some(Width { largest: table, cells: f64::INFINITY, entries: bits.len() });
            }
            for &a in &tied {
                near[a].extend(tied.iter().copied().filter(|&b| b != a));
            }
        }
    }
    Some(eliminate(near, &bits))
}

/// log₂ of the cells of the largest table that a summand of a component becomes; none where an extent is unknown, a variable has no
/// states, or there is too much to look at.
pub fn find_largest(program: &Program, component: &Component<'_>) -> Option<f64> {
    let mut entries = 0;
    for &var in &component.vars {
        Component::states(program, var)?;
        entries += entries_of(program, var, &component.plates)?;
    }
    let mut largest: f64 = 0.0;
    for piece in &component.pieces {
        let EntryReads { plates, reads } = entry_reads(program, piece.factor, &component.vars, &component.plates)?;
        for position in 0..plates.iter().product() {
            let tied: BTreeSet<(VarId, usize)> =
                reads.iter().flat_map(|r| r.entries[position].iter().flatten().map(|&e| (r.var, e))).collect();
            let bits = tied.iter().map(|t| Some((Component::states(program, t.0)? as f64).log2()));
            largest = largest.max(bits.sum::<Option<f64>>()?);
        }
    }
    (entries <= MAX_ENTRIES).then_some(largest)
}

/// Sums out entry after entry, each time the one whose table is smallest.
fn eliminate(mut near: Vec<BTreeSet<usize>>, bits: &[f64]) -> Width {
    let table = |near: &[BTreeSet<usize>], e: usize| bits[e] + near[e].iter().map(|&n| bits[n]).sum::<f64>();
    // The smallest on top; a key that is no longer true is passed over. Bits are kept in thousandths, so that keys have an order.
    let key = |bits: f64| std::cmp::Reverse((bits * 1000.0).round() as u64);
    let mut heap: BinaryHeap<_> = (0..bits.len()).map(|e| (key(table(&near, e)), std::cmp::Reverse(e))).collect();
    let mut done = vec![false; bits.len()];
    let mut width = Width { largest: 0.0, cells: 0.0, entries: bits.len() };
    while let Some((stored, std::cmp::Reverse(e))) = heap.pop() {
        if done[e] || stored != key(table(&near, e)) {
            continue;
        }
        done[e] = true;
        let size = table(&near, e);
        width.largest = width.largest.max(size);
        width.cells += size.exp2();
        if width.largest > MAX_LOG2_TABLE {
            return Width { cells: f64::INFINITY, ..width };
        }
        let around: Vec<usize> = std::mem::take(&mut near[e]).into_iter().collect();
        for &a in &around {
            near[a].remove(&e);
            near[a].extend(around.iter().copied().filter(|&b| b != a));
        }
        heap.extend(around.iter().map(|&a| (key(table(&near, a)), std::cmp::Reverse(a))));
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_narrow_and_cliques_are_not() {
        let chain: Vec<BTreeSet<usize>> =
            (0..50usize).map(|i| [i.wrapping_sub(1), i + 1].into_iter().filter(|&n| n < 50).collect()).collect();
        let found = eliminate(chain, &[1.0; 50]);
        assert_eq!((found.largest, found.cells), (2.0, 49.0 * 4.0 + 2.0));
        let clique: Vec<BTreeSet<usize>> = (0..5usize).map(|i| (0..5).filter(|&n| n != i).collect()).collect();
        assert_eq!(eliminate(clique, &[2.0; 5]).largest, 10.0);
        let wide: Vec<BTreeSet<usize>> = (0..30usize).map(|i| (0..30).filter(|&n| n != i).collect()).collect();
        assert!(eliminate(wide, &[1.0; 30]).cells.is_infinite());
    }
}
