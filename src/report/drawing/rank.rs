//! Ranks: how far down each item stands, so that edges run downwards (Sugiyama, Tagawa & Toda 1981).

/// A wish that one item stands above another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// The upper item.
    pub above: usize,
    /// The lower item.
    pub below: usize,
    /// By how many ranks, at least.
    pub by: usize,
    /// Whether it yields where wishes go round in a circle before the others do.
    pub weak: bool,
}

/// Ranks of items, from 0, and which wishes had to be turned round because the others contradict them.
pub fn rank(items: usize, wishes: &[Wish]) -> (Vec<usize>, Vec<bool>) {
    let mut turned = vec![false; wishes.len()];
    let mut below: Vec<Vec<(usize, usize)>> = vec![Vec::new(); items];
    for weak in [false, true] {
        for (at, wish) in wishes.iter().enumerate().filter(|(_, w)| w.weak == weak && w.above != w.below) {
            turned[at] = reaches(&below, wish.below, wish.above);
            let (from, to) = if turned[at] { (wish.below, wish.above) } else { (wish.above, wish.below) };
            below[from].push((to, wish.by));
        }
    }
    let order = topological(&below);
    let mut ranks = vec![0; items];
    for &item in &order {
        for &(to, by) in &below[item] {
            ranks[to] = ranks[to].max(ranks[item] + by);
        }
    }
    // An item with nothing above it comes down to what it is for.
    let mut held = vec![false; items];
    for list in &below {
        for &(to, _) in list {
            held[to] = true;
        }
    }
    for &item in order.iter().rev().filter(|&&i| !held[i]) {
        if let Some(lowest) = below[item].iter().map(|&(to, by)| ranks[to] - by).min() {
            ranks[item] = lowest;
        }
    }
    let top = ranks.iter().copied().min().unwrap_or(0);
    (ranks.into_iter().map(|r| r - top).collect(), turned)
}

fn reaches(below: &[Vec<(usize, usize)>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; below.len()];
    let mut open = vec![from];
    while let Some(item) = open.pop() {
        if item == to {
            return true;
        }
        if !std::mem::replace(&mut seen[item], true) {
            open.extend(below[item].iter().map(|&(next, _)| next));
        }
    }
    false
}

fn topological(below: &[Vec<(usize, usize)>]) -> Vec<usize> {
    let mut waits = vec![0usize; below.len()];
    for list in below {
        for &(to, _) in list {
            waits[to] += 1;
        }
    }
    let mut order: Vec<usize> = (0..below.len()).filter(|&i| waits[i] == 0).collect();
    let mut at = 0;
    while at < order.len() {
        for &(to, _) in &below[order[at]] {
            waits[to] -= 1;
            if waits[to] == 0 {
                order.push(to);
            }
        }
        at += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(above: usize, below: usize) -> Wish {
        Wish { above, below, by: 1, weak: false }
    }

    #[test]
    fn edges_run_downwards_and_a_circle_is_cut_at_its_weak_edge() {
        let circle = [Wish { weak: true, ..wish(2, 0) }, wish(0, 1), wish(1, 2)];
        let (ranks, turned) = rank(3, &circle);
        assert_eq!(ranks, [0, 1, 2]);
        assert_eq!(turned, [true, false, false]);
    }

    #[test]
    fn a_source_stands_right_above_what_it_is_for() {
        assert_eq!(rank(4, &[wish(0, 1), wish(1, 2), wish(3, 2)]).0, [0, 1, 2, 1]);
    }
}
