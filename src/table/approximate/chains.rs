//! What several chains say of themselves: R-hat, effective sample sizes, and whether zeros cut their state space to pieces.
//!
//! In: how often each state was met in each half of each chain, and the chains themselves. Out: for each axis the rank-normalised
//! split R-hat and the effective number of draws (Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021), each for the worst of its
//! states. A state enters as the series "is it met": its ranks have two values, so normalising them is an affine map, which changes
//! neither number, and folding it gives the same series again; R-hat is that of the means and variances of the halves.

use super::free::Free;

/// What is known of the chains.
#[derive(Clone, Debug, PartialEq)]
pub struct Chains {
    /// How many chains.
    pub chains: usize,
    /// Sweeps of each that were counted.
    pub sweeps: usize,
    /// Sweeps of each before those.
    pub burn_in: usize,
    /// For each axis its R-hat: near one for chains that agree, infinite for chains that stay apart; none for fixed axes and
    /// where no chain ever moved.
    pub r_hat: Vec<Option<f64>>,
    /// For each axis the effective number of draws of all chains together; none where it is not known.
    pub effective: Vec<Option<f64>>,
    /// Whether every joint state can be reached from every other.
    pub reach: Reach,
}

/// Whether chains that change one group of axes at a time reach all joint states. R-hat cannot see where they do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They do.
    Whole,
    /// They do not: zeros over these axes leave parts between which no single step leads.
    Parts(Vec<usize>),
    /// Zeros over these axes are too many to tell.
    Unknown(Vec<usize>),
}

impl Chains {
    /// The largest R-hat.
    pub fn worst(&self) -> Option<f64> {
        self.r_hat.iter().flatten().copied().reduce(f64::max)
    }

    /// The smallest effective number of draws.
    pub fn least(&self) -> Option<f64> {
        self.effective.iter().flatten().copied().reduce(f64::min)
    }
}

/// Split R-hat of one indicator from how often it was met in each half chain of `length` draws.
pub(super) fn r_hat(counts: &[f64], length: f64) -> Option<f64> {
    let m = counts.len() as f64;
    if length < 2.0 || m < 2.0 {
        return None;
    }
    let p: Vec<f64> = counts.iter().map(|c| c / length).collect();
    let within = p.iter().map(|p| p * (1.0 - p) * length / (length - 1.0)).sum::<f64>() / m;
    let mean = p.iter().sum::<f64>() / m;
    let between = length * p.iter().map(|p| (p - mean) * (p - mean)).sum::<f64>() / (m - 1.0);
    match (within > 0.0, between > 0.0) {
        (true, _) => Some((((length - 1.0) / length * within + between / length) / within).sqrt()),
        (false, true) => Some(f64::INFINITY),
        (false, false) => None,
    }
}

/// The effective number of draws of an indicator over half chains of equal length: autocorrelations summed by pairs for as long
/// as they are positive and do not grow (Geyer 1992).
pub(super) fn effective(halves: &[Vec<f64>]) -> Option<f64> {
    let n = halves.first()?.len();
    let m = halves.len() as f64;
    if n < 4 {
        return None;
    }
    let length = n as f64;
    let means: Vec<f64> = halves.iter().map(|h| h.iter().sum::<f64>() / length).collect();
    let covariance = |lag: usize| {
        let of = |(h, mean): (&Vec<f64>, &f64)| {
            h[..n - lag].iter().zip(&h[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / length
        };
        halves.iter().zip(&means).map(of).sum::<f64>() / m
    };
    let within = covariance(0) * length / (length - 1.0);
    let mean = means.iter().sum::<f64>() / m;
    let between = if m > 1.0 { means.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (m - 1.0) } else { 0.0 };
    let whole = within * (length - 1.0) / length + between;
    if whole <= 0.0 {
        return None;
    }
    let correlation = |lag: usize| 1.0 - (within - covariance(lag) * length / (length - 1.0)) / whole;
    let (mut total, mut last, mut lag) = (0.0, f64::INFINITY, 0);
    while lag + 1 < n {
        let first = if lag == 0 { 1.0 } else { correlation(lag) };
        let pair = first + correlation(lag + 1);
        if pair <= 0.0 {
            break;
        }
        last = pair.min(last);
        total += last;
        lag += 2;
    }
    let draws = m * length;
    let time = (2.0 * total - 1.0).max(1.0 / draws.log10().max(1.0));
    Some(draws / time)
}

/// States of one component that are looked at one by one, at most.
const MOST_STATES: usize = 1 << 16;

/// Whether steps that redraw one group at a time connect all joint states that zeros allow.
pub(super) fn reach(free: &Free, groups: &[Vec<usize>]) -> Reach {
    let strict: Vec<usize> = (0..free.tables.len()).filter(|&t| free.tables[t].has_zeros()).collect();
    if strict.is_empty() {
        return Reach::Whole;
    }
    let mut of = vec![0; free.len()];
    for (g, group) in groups.iter().enumerate() {
        group.iter().for_each(|&a| of[a] = g);
    }
    // Axes that zeros tie together.
    let mut top: Vec<usize> = (0..free.len()).collect();
    for &t in &strict {
        let axes = &free.tables[t].axes;
        axes.windows(2).for_each(|w| join(&mut top, w[0] as usize, w[1] as usize));
    }
    let mut components: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for &t in &strict {
        let root = find(&mut top, free.tables[t].axes[0] as usize);
        components.entry(root).or_default().push(t);
    }
    let mut unknown = Vec::new();
    for tables in components.values() {
        let mut axes: Vec<usize> =
            tables.iter().flat_map(|&t| free.tables[t].axes.iter().map(|&a| a as usize)).collect();
        axes.sort_unstable();
        axes.dedup();
        match connected(free, &axes, tables, &of) {
            Some(true) => {}
            Some(false) => return Reach::Parts(named(free, &axes)),
            None => {
                for &t in tables {
                    let own: Vec<usize> = free.tables[t].axes.iter().map(|&a| a as usize).collect();
                    if connected(free, &own, &[t], &of) == Some(false) {
                        return Reach::Parts(named(free, &own));
                    }
                }
                unknown.extend(axes);
            }
        }
    }
    if unknown.is_empty() { Reach::Whole } else { Reach::Unknown(named(free, &unknown)) }
}

fn named(free: &Free, axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|&a| free.given(a)).collect()
}

/// Whether the states of some axes that some tables allow hang together by steps within a group; none if they are too many.
fn connected(free: &Free, axes: &[usize], tables: &[usize], of: &[usize]) -> Option<bool> {
    let cards: Vec<usize> = axes.iter().map(|&a| free.cards[a]).collect();
    let total = cards.iter().try_fold(1usize, |n, &c| n.checked_mul(c)).filter(|&n| n <= MOST_STATES)?;
    let mut strides = vec![1; axes.len()];
    for i in (0..axes.len().saturating_sub(1)).rev() {
        strides[i] = strides[i + 1] * cards[i + 1];
    }
    let places: Vec<Vec<usize>> = tables
        .iter()
        .map(|&t| free.tables[t].axes.iter().filter_map(|&a| axes.binary_search(&(a as usize)).ok()).collect())
        .collect();
    let digit = |x: usize, i: usize| x / strides[i] % cards[i];
    let allowed = |x: usize| {
        tables
            .iter()
            .zip(&places)
            .all(|(&t, places)| free.tables[t].cells[places.iter().fold(0, |at, &i| at * cards[i] + digit(x, i))] > 0.0)
    };
    let states: Vec<usize> = (0..total).filter(|&x| allowed(x)).collect();
    let mut top: Vec<usize> = (0..total).collect();
    let mut groups: Vec<usize> = axes.iter().map(|&a| of[a]).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let inside: Vec<usize> = (0..axes.len()).filter(|&i| of[axes[i]] == group).collect();
        let mut first = vec![usize::MAX; total];
        for &x in &states {
            // Joint states that differ within the group alone lie one step apart.
            let key = x - inside.iter().map(|&i| digit(x, i) * strides[i]).sum::<usize>();
            match first[key] {
                usize::MAX => first[key] = x,
                other => join(&mut top, other, x),
            }
        }
    }
    let root = states.first().map(|&x| find(&mut top, x));
    Some(states.iter().all(|&x| Some(find(&mut top, x)) == root))
}

fn find(top: &mut [usize], mut x: usize) -> usize {
    while top[x] != x {
        top[x] = top[top[x]];
        x = top[x];
    }
    x
}

fn join(top: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(top, a), find(top, b));
    top[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::stream::Stream;

    /// Chains that stay where they are with probability `stay` and are drawn anew otherwise.
    fn halves(stay: f64, apart: f64) -> Vec<Vec<f64>> {
        (0..8)
            .map(|c| {
                let mut s = Stream::new(5, 1, 2, c);
                let p = if c % 2 == 0 { 0.5 - apart } else { 0.5 + apart };
                let mut x = f64::from(s.uniform() < p);
                (0..2000)
                    .map(|_| {
                        if s.uniform() >= stay {
                            x = f64::from(s.uniform() < p);
                        }
                        x
                    })
                    .collect()
            })
            .collect()
    }

    fn rate(halves: &[Vec<f64>]) -> f64 {
        r_hat(&halves.iter().map(|h| h.iter().sum()).collect::<Vec<f64>>(), 2000.0).expect("it moves")
    }

    #[test]
    fn known_correlations_come_out() {
        for stay in [0.0, 0.5, 0.9] {
            let halves = halves(stay, 0.0);
            // Autocorrelations are powers of `stay`, and sum to (1 + stay) / (1 - stay).
            let wanted = 16000.0 * (1.0 - stay) / (1.0 + stay);
            let found = effective(&halves).expect("it moves");
            assert!((found / wanted - 1.0).abs() < 0.15, "{stay}: {found} {wanted}");
            assert!(rate(&halves) < 1.02, "{}", rate(&halves));
        }
        let apart = halves(0.0, 0.2);
        assert!(rate(&apart) > 1.05 && effective(&apart) < Some(100.0), "{} {:?}", rate(&apart), effective(&apart));
        assert_eq!(r_hat(&[5.0, 5.0], 5.0), None);
        assert_eq!(r_hat(&[5.0, 0.0], 5.0), Some(f64::INFINITY));
    }
}
