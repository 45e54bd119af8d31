//! From an order to a tree of clusters: only clusters that no other contains, joined along their shared axes.
//!
//! In: the steps of an elimination. Out: clusters, parents before children, each with the axes it shares with its parent. Any
//! axis's clusters hang together (the running intersection), which is what makes passing messages exact (Lauritzen and
//! Spiegelhalter 1988).

use super::order::Order;

/// The tree's shape; clusters are numbered so that a parent comes before its children, and level by level.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// The axes of each cluster, later in the order first.
    pub axes: Vec<Vec<u32>>,
    /// The axes shared with the parent, in the same order; none at a root.
    pub shared: Vec<Vec<u32>>,
    /// Parent of each cluster.
    pub parent: Vec<Option<usize>>,
    /// Where each level begins in the numbering, with the number of clusters last.
    pub levels: Vec<usize>,
    /// The cluster in which each axis is summed out.
    pub home: Vec<usize>,
    /// When each axis is summed out.
    pub place: Vec<usize>,
}

/// Builds the tree of an order.
pub(super) fn tree(order: &Order) -> Tree {
    let n = order.steps.len();
    let mut place = vec![0; n];
    for (i, (v, _)) in order.steps.iter().enumerate() {
        place[*v as usize] = i;
    }
    let mut up: Vec<Option<usize>> =
        order.steps.iter().map(|(_, own)| own.iter().map(|&u| place[u as usize]).min()).collect();
    // A step's cluster lies inside that of an earlier step that hangs on it exactly when it has one axis fewer.
    let mut stands: Vec<usize> = (0..n).collect();
    for i in 0..n {
        if let Some(p) = up[i]
            && stands[p] == p
            && order.steps[i].1.len() == order.steps[p].1.len() + 1
        {
            stands[p] = i;
        }
    }
    // What stands for a step lies before it, so one pass settles all chains.
    for i in 0..n {
        stands[i] = stands[stands[i]];
    }
    // The absorbing cluster hangs where the last one it absorbed hung.
    for i in 0..n {
        if stands[i] != i {
            up[stands[i]] = up[i];
        }
    }
    let parent_of = |i: usize| up[i].map(|p| stands[p]);
    // A cluster's parent may stand at an earlier step, so depth is found along chains.
    let mut depth = vec![usize::MAX; n];
    for i in 0..n {
        if stands[i] != i {
            continue;
        }
        let mut chain = vec![i];
        while let Some(p) = parent_of(chain[chain.len() - 1])
            && depth[chain[chain.len() - 1]] == usize::MAX
        {
            chain.push(p);
        }
        let last = chain[chain.len() - 1];
        if depth[last] == usize::MAX {
            depth[last] = 0;
        }
        for k in (0..chain.len() - 1).rev() {
            if depth[chain[k]] == usize::MAX {
                depth[chain[k]] = depth[chain[k + 1]] + 1;
            }
        }
    }
    let mut kept: Vec<usize> = (0..n).filter(|&i| stands[i] == i).collect();
    kept.sort_by_key(|&i| (depth[i], i));
    let mut number = vec![usize::MAX; n];
    for (k, &i) in kept.iter().enumerate() {
        number[i] = k;
    }
    let mut levels = vec![0];
    for k in 1..kept.len() {
        if depth[kept[k]] != depth[kept[k - 1]] {
            levels.push(k);
        }
    }
    levels.push(kept.len());
    let mut out = Tree {
        levels: if kept.is_empty() { vec![0] } else { levels },
        home: (0..n).map(|v| number[stands[place[v]]]).collect(),
        ..Tree::default()
    };
    for &i in &kept {
        let mut axes = order.steps[i].1.clone();
        axes.push(order.steps[i].0);
        axes.sort_unstable_by_key(|&v| Reverse(place[v as usize]));
        out.parent.push(parent_of(i).map(|p| number[p]));
        out.axes.push(axes);
    }
    for k in 0..kept.len() {
        let shared = match out.parent[k] {
            Some(p) => out.axes[k].iter().copied().filter(|v| out.axes[p].contains(v)).collect(),
            None => Vec::new(),
        };
        out.shared.push(shared);
    }
    out.place = place;
    out
}

use std::cmp::Reverse;

#[cfg(test)]
mod tests {
    use super::super::order::{neighbours, search};
    use super::*;

    #[test]
    fn clusters_are_maximal_and_hang_together() {
        for seed in 0..50u32 {
            let n = 20;
            let scopes: Vec<Vec<u32>> = (0..26u32)
                .map(|i| {
                    let mut s: Vec<u32> = (0..3).map(|k| (i * (5 + k) + seed * (k + 3) + k * k) % n).collect();
                    s.sort_unstable();
                    s.dedup();
                    s
                })
                .collect();
            let near = neighbours(n as usize, scopes.iter().map(|s| &s[..]));
            let t = tree(&search(&near, &[2; 20], 3));
            let inside = |a: &[u32], b: &[u32]| a.iter().all(|v| b.contains(v));
            for (i, a) in t.axes.iter().enumerate() {
                assert!(t.axes.iter().enumerate().all(|(j, b)| i == j || !inside(a, b)), "{:?}", t.axes);
                assert!(t.parent[i].is_none_or(|p| p < i));
                assert!(t.parent[i].is_none() || !t.shared[i].is_empty());
            }
            for s in &scopes {
                let first = *s.iter().min_by_key(|&&v| t.place[v as usize]).expect("axes");
                assert!(inside(s, &t.axes[t.home[first as usize]]));
            }
            for v in 0..n {
                // The clusters with an axis have one top.
                let tops = (0..t.axes.len()).filter(|&i| t.axes[i].contains(&v) && !t.shared[i].contains(&v)).count();
                assert_eq!(tops, 1);
                assert!(t.axes[t.home[v as usize]].contains(&v));
            }
            assert!((0..t.axes.len()).all(|i| {
                t.levels.windows(2).any(|w| (w[0]..w[1]).contains(&i) && t.parent[i].is_none_or(|p| p < w[0]))
            }));
        }
    }
}
