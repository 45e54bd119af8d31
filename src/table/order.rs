//! The order in which axes are summed out: several greedy searches, the cheapest by total cells kept.
//!
//! In: which axes meet in a table, and their sizes. Out: for each step the axis and the axes it is joined with at that moment,
//! which together are a cluster. Greedy scores: fewest new edges (min-fill; Rose 1972), fewest by weight of their ends
//! (weighted min-fill; Kjærulff 1990), smallest cluster, and these with noise from a fixed seed. Finding the best order is
//! NP-hard (Arnborg, Corneil and Proskurowski 1987), so the search ends when it has cost a fair share of what it can save.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::base::stream::Stream;

/// What is known of an order.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// The axes as they are summed out, each with the neighbours it has then, sorted.
    pub steps: Vec<(u32, Vec<u32>)>,
    /// Cells of all clusters, counting each step's.
    pub cells: f64,
}

/// How a search rates an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Score {
    Fill,
    WeightedFill,
    Weight,
}

/// The neighbourhood of each axis in the tables with these scopes, sorted.
pub(super) fn neighbours<'a>(axes: usize, scopes: impl Iterator<Item = &'a [u32]>) -> Vec<Vec<u32>> {
    let mut near: Vec<Vec<u32>> = vec![Vec::new(); axes];
    for scope in scopes {
        for &a in scope {
            near[a as usize].extend(scope.iter().filter(|&&b| b != a));
        }
    }
    for list in &mut near {
        list.sort_unstable();
        list.dedup();
    }
    near
}

/// The cheapest order of at most `tries` searches, the first always carried out.
pub(super) fn search(near: &[Vec<u32>], sizes: &[usize], tries: usize) -> Order {
    let mut best = Order { steps: Vec::new(), cells: f64::INFINITY };
    // What the searches have cost, in visits to a neighbour; a visit takes about as long as a few cells do.
    let mut spent = 0.0;
    for attempt in 0..tries.max(1) {
        if attempt > 0 && 10.0 * spent * (attempt as f64 + 1.0) / attempt as f64 > best.cells {
            break;
        }
        // The plain searches, and after the best of them those that break near-ties at random.
        let (score, noise) = match attempt {
            0 => (Score::WeightedFill, 0.0),
            1 => (Score::Fill, 0.05),
            2 => (Score::Weight, 0.0),
            _ => ([Score::WeightedFill, Score::Fill][attempt % 2], [0.05, 0.2, 0.5][attempt / 2 % 3]),
        };
        if let Some(order) = greedy(near, sizes, score, noise, attempt as u32, best.cells, &mut spent) {
            best = order;
        }
    }
    best
}

/// One greedy search; none once it is sure to cost `limit` or more.
fn greedy(
    near: &[Vec<u32>],
    sizes: &[usize],
    score: Score,
    noise: f64,
    attempt: u32,
    limit: f64,
    spent: &mut f64,
) -> Option<Order> {
    let n = near.len();
    let mut near = near.to_vec();
    let mut stream = Stream::new(0x6f72_6465, 0, 0, attempt);
    let jitter: Vec<f64> = (0..n).map(|_| if noise > 0.0 { 1.0 + noise * stream.uniform() } else { 1.0 }).collect();
    let logs: Vec<f64> = sizes.iter().map(|&s| (s as f64).log2()).collect();
    let mut mark = vec![0u32; n];
    let mut stamp = 0;
    let mut visits = 0usize;
    let mut rate = |v: usize, near: &[Vec<u32>], visits: &mut usize| -> (u64, u64) {
        let own = &near[v];
        let log = logs[v] + own.iter().map(|&a| logs[a as usize]).sum::<f64>();
        if score == Score::Weight {
            *visits += own.len();
            return ((log * jitter[v]).to_bits(), own.len() as u64);
        }
        stamp += 1;
        for &a in own {
            mark[a as usize] = stamp;
        }
        let mut missing = 0.0;
        for &a in own {
            *visits += near[a as usize].len();
            let met = near[a as usize].iter().filter(|&&b| mark[b as usize] == stamp);
            missing += match score {
                Score::Fill => (own.len() - 1) as f64 - met.count() as f64,
                _ => {
                    let all: f64 = own.iter().map(|&b| sizes[b as usize] as f64).sum();
                    let own_size = sizes[a as usize] as f64;
                    own_size * (all - own_size - met.map(|&b| sizes[b as usize] as f64).sum::<f64>())
                }
            };
        }
        // Without noise an axis that adds no edge goes first whatever its weight: it is never a mistake.
        ((missing.max(0.0) * jitter[v]).to_bits(), log.to_bits())
    };
    let mut current: Vec<(u64, u64)> = (0..n).map(|v| rate(v, &near, &mut visits)).collect();
    let mut heap: BinaryHeap<Reverse<((u64, u64), u32)>> = (0..n).map(|v| Reverse((current[v], v as u32))).collect();
    let mut gone = vec![false; n];
    let mut order = Order { steps: Vec::with_capacity(n), cells: 0.0 };
    let mut touched_mark = vec![0u32; n];
    let mut merged = Vec::new();
    while let Some(Reverse((key, v))) = heap.pop() {
        let v = v as usize;
        if gone[v] || current[v] != key {
            continue;
        }
        gone[v] = true;
        let own = std::mem::take(&mut near[v]);
        order.cells += (logs[v] + own.iter().map(|&a| logs[a as usize]).sum::<f64>()).exp2();
        if order.cells >= limit {
            *spent += visits as f64;
            return None;
        }
        let step = order.steps.len() as u32 + 1;
        let mut touched: Vec<u32> = own.clone();
        for &a in &own {
            touched_mark[a as usize] = step;
        }
        for &a in &own {
            let list = &near[a as usize];
            // The list without v, joined with the other neighbours; both are sorted.
            merged.clear();
            let (mut i, mut j) = (0, 0);
            let mut added = 0;
            while i < list.len() || j < own.len() {
                let x = list.get(i).copied().unwrap_or(u32::MAX);
                let y = own.get(j).copied().unwrap_or(u32::MAX);
                if x <= y {
                    i += 1;
                    j += usize::from(x == y);
                    if x as usize != v {
                        merged.push(x);
                    }
                } else {
                    j += 1;
                    if y != a {
                        merged.push(y);
                        added += 1;
                        // An edge between a and y changes the score of whoever is near both.
                        if y > a && score != Score::Weight {
                            common(&near[a as usize], &near[y as usize], |c| {
                                if touched_mark[c as usize] != step && c as usize != v {
                                    touched_mark[c as usize] = step;
                                    touched.push(c);
                                }
                            });
                            visits += near[a as usize].len() + near[y as usize].len();
                        }
                    }
                }
            }
            visits += merged.len();
            if added > 0 {
                near[a as usize].clear();
                near[a as usize].extend_from_slice(&merged);
            } else {
                near[a as usize].retain(|&x| x as usize != v);
            }
        }
        for &a in &touched {
            let key = rate(a as usize, &near, &mut visits);
            if key != current[a as usize] {
                current[a as usize] = key;
                heap.push(Reverse((key, a)));
            }
        }
        order.steps.push((v as u32, own));
    }
    *spent += visits as f64;
    Some(order)
}

/// What two sorted lists share.
fn common(a: &[u32], b: &[u32], mut each: impl FnMut(u32)) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                each(a[i]);
                (i, j) = (i + 1, j + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_gets_no_new_edge_and_a_ring_as_many_as_it_needs() {
        let chain: Vec<[u32; 2]> = (0..9).map(|i| [i, i + 1]).collect();
        let near = neighbours(10, chain.iter().map(|s| &s[..]));
        let order = search(&near, &[3; 10], 5);
        assert_eq!(order.steps.len(), 10);
        assert!(order.steps.iter().all(|(_, own)| own.len() <= 1));
        assert!((order.cells - (9.0 * 9.0 + 3.0)).abs() < 1e-9);
        let ring: Vec<[u32; 2]> = (0..6).map(|i| [i, (i + 1) % 6]).collect();
        let near = neighbours(6, ring.iter().map(|s| &s[..]));
        let order = search(&near, &[2; 6], 5);
        assert_eq!(order.steps.iter().map(|(_, own)| own.len()).max(), Some(2));
    }

    #[test]
    fn every_step_lists_the_later_axes_it_meets() {
        let scopes: Vec<[u32; 3]> = (0..30).map(|i| [i, (i * 7 + 3) % 30, (i * 11 + 5) % 30]).collect();
        let scopes: Vec<Vec<u32>> = scopes
            .iter()
            .map(|s| {
                let mut s = s.to_vec();
                s.sort_unstable();
                s.dedup();
                s
            })
            .collect();
        let near = neighbours(30, scopes.iter().map(|s| &s[..]));
        for tries in [1, 2, 3, 12] {
            let order = search(&near, &[2; 30], tries);
            let place = |v: u32| order.steps.iter().position(|s| s.0 == v).expect("every axis goes");
            for scope in &scopes {
                let first = *scope.iter().min_by_key(|&&v| place(v)).expect("axes");
                let own = &order.steps[place(first)].1;
                assert!(scope.iter().all(|&v| v == first || own.contains(&v)), "{scope:?} {own:?}");
            }
            for (i, (_, own)) in order.steps.iter().enumerate() {
                assert!(own.iter().all(|&v| place(v) > i));
            }
        }
    }
}
