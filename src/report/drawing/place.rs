//! Places along a rank: each cell as near as can be to the mean of its neighbours above and below, the order and the distances kept.
//!
//! One rank with the others fixed is least squares under x[i+1] ≥ x[i] + d[i], which subtracting the running sum of d turns into
//! isotonic regression, solved exactly by pooling adjacent violators (Ayer et al. 1955). Ranks take turns.

use super::order::{Cell, Link};

/// Between two neighbours, at least.
const APART: f64 = 20.0;
/// Turns.
const TURNS: usize = 60;

/// The x of each cell's anchor.
pub fn place(cells: &[Cell], links: &[Link], rows: &[Vec<usize>]) -> Vec<f64> {
    let mut x = vec![0.0; cells.len()];
    for row in rows {
        let mut edge = 0.0;
        for &cell in row {
            x[cell] = edge + cells[cell].left;
            edge = x[cell] + cells[cell].right + APART;
        }
        let shift = (edge - APART) / 2.0;
        row.iter().for_each(|&cell| x[cell] -= shift);
    }
    let mut pulls: Vec<Vec<(usize, f64, f64, bool)>> = vec![Vec::new(); cells.len()];
    for link in links {
        pulls[link.upper].push((link.lower, link.arrives - link.leaves, link.weight, false));
        pulls[link.lower].push((link.upper, link.leaves - link.arrives, link.weight, true));
    }
    for turn in 0..TURNS {
        // The last turns look both ways at once, so that neither end of an edge has the last word.
        let both = turn * 2 >= TURNS;
        let down = turn % 2 == 0;
        let rank_order: Vec<usize> = if down { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for row in rank_order {
            let wanted: Vec<(f64, f64)> = rows[row]
                .iter()
                .map(|&cell| {
                    let near = pulls[cell].iter().filter(|p| both || p.3 == down);
                    let (sum, weight) = near.fold((0.0, 0.0), |(s, w), p| (s + p.2 * (x[p.0] + p.1), w + p.2));
                    if weight > 0.0 { (sum / weight, weight) } else { (x[cell], 0.05) }
                })
                .collect();
            settle(cells, &rows[row], &wanted, &mut x);
        }
    }
    x
}

fn settle(cells: &[Cell], row: &[usize], wanted: &[(f64, f64)], x: &mut [f64]) {
    let mut offsets = Vec::with_capacity(row.len());
    let mut sum = 0.0;
    for (at, &cell) in row.iter().enumerate() {
        if at > 0 {
            sum += cells[row[at - 1]].right + APART + cells[cell].left;
        }
        offsets.push(sum);
    }
    // Pools of cells that push each other: weighted mean, weight, how many.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (at, &(want, weight)) in wanted.iter().enumerate() {
        let mut pool = (want - offsets[at], weight, 1);
        while let Some(&last) = pools.last().filter(|last| last.0 > pool.0) {
            pools.pop();
            let weight = last.1 + pool.1;
            pool = ((last.0 * last.1 + pool.0 * pool.1) / weight, weight, last.2 + pool.2);
        }
        pools.push(pool);
    }
    let values = pools.iter().flat_map(|&(mean, _, count)| std::iter::repeat_n(mean, count));
    for ((&cell, offset), value) in row.iter().zip(offsets).zip(values) {
        x[cell] = value + offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_keep_their_distance_and_a_parent_stands_over_its_children() {
        let cell = |rank| Cell { left: 10.0, right: 10.0, rank };
        let cells = [cell(0), cell(1), cell(1)];
        let link = |lower| Link { upper: 0, leaves: 0.0, lower, arrives: 0.0, weight: 1.0 };
        let x = place(&cells, &[link(1), link(2)], &[vec![0], vec![1, 2]]);
        assert!(x[2] - x[1] >= 20.0 + APART - 1e-9);
        assert!((x[0] - (x[1] + x[2]) / 2.0).abs() < 1e-6);
    }
}
