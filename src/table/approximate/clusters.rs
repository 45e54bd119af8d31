//! Groups of axes that are treated together: clusters of a structured mean field, blocks of a Gibbs sampler.
//!
//! In: a product and a [`Grouping`]. Out: disjoint groups that cover all free axes. Axes are joined along tables, strongest first
//! (Kruskal 1956), where a table is the stronger the further its cells lie apart in logarithms; a zero is infinitely far.

pub use crate::base::approximate::Grouping;

use super::ApproximationError;
use super::free::Free;

/// Groups under construction, each with its members.
struct Groups {
    of: Vec<usize>,
    members: Vec<Vec<usize>>,
}

impl Groups {
    fn join(&mut self, a: usize, b: usize) {
        let (mut a, mut b) = (self.of[a], self.of[b]);
        if a == b {
            return;
        }
        if self.members[a].len() < self.members[b].len() {
            std::mem::swap(&mut a, &mut b);
        }
        let moved = std::mem::take(&mut self.members[b]);
        moved.iter().for_each(|&m| self.of[m] = a);
        self.members[a].extend(moved);
    }
}

/// The groups, each ascending, in the order of their first axes.
///
/// # Errors
/// [`ApproximationError::Setting`] if a given axis does not exist or stands in two groups.
pub(super) fn groups(free: &Free, grouping: &Grouping, axes: usize) -> Result<Vec<Vec<usize>>, ApproximationError> {
    let n = free.len();
    let mut groups = Groups { of: (0..n).collect(), members: (0..n).map(|a| vec![a]).collect() };
    match grouping {
        Grouping::Single => {}
        Grouping::Given(sets) => {
            let mut seen = vec![false; axes];
            for set in sets {
                for &axis in set {
                    if axis >= axes || std::mem::replace(&mut seen[axis], true) {
                        return Err(ApproximationError::Setting(format!(
                            "axis {axis} of a group does not exist or stands in two of them"
                        )));
                    }
                }
                let inside: Vec<usize> = set.iter().filter_map(|&a| free.local(a)).collect();
                inside.windows(2).for_each(|pair| groups.join(pair[0], pair[1]));
            }
        }
        Grouping::Largest(_) | Grouping::Trees => {
            for (a, b) in links(free) {
                let (i, j) = (groups.of[a], groups.of[b]);
                let fits = i != j
                    && match grouping {
                        Grouping::Largest(most) => groups.members[i].len() + groups.members[j].len() <= *most,
                        _ => single_link(free, &groups, i, j),
                    };
                if fits {
                    groups.join(a, b);
                }
            }
        }
    }
    let mut out: Vec<Vec<usize>> = groups.members.into_iter().filter(|m| !m.is_empty()).collect();
    out.iter_mut().for_each(|m| m.sort_unstable());
    out.sort();
    Ok(out)
}

/// Pairs of axes that share a table, strongest first.
fn links(free: &Free) -> Vec<(usize, usize)> {
    let mut all: Vec<(f64, usize, usize)> = Vec::new();
    for table in &free.tables {
        let least = table.cells.iter().copied().fold(f64::INFINITY, f64::min);
        let strength = -least.ln();
        for (i, &a) in table.axes.iter().enumerate() {
            all.extend(table.axes[i + 1..].iter().map(|&b| (strength, a as usize, b as usize)));
        }
    }
    all.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    all.into_iter().map(|(_, a, b)| (a, b)).collect()
}

/// Whether just one table of two axes lies between two groups, and no larger one.
fn single_link(free: &Free, groups: &Groups, i: usize, j: usize) -> bool {
    let (few, other) = if groups.members[i].len() <= groups.members[j].len() { (i, j) } else { (j, i) };
    let mut found = 0;
    for &a in &groups.members[few] {
        for &(t, _) in &free.having[a] {
            let axes = &free.tables[t as usize].axes;
            if axes.iter().any(|&b| groups.of[b as usize] == other) {
                found += 1;
                if axes.len() > 2 || found > 1 {
                    return false;
                }
            }
        }
    }
    found == 1
}
