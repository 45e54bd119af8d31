//! A product of tables as the approximate engines want it: fixed axes sliced out, hopeless states gone, scales taken out.
//!
//! In: [`Tables`], fixed axes and their values. Out: [`Free`], dense tables of two axes or more over the axes that are left with
//! several states, one weight vector an axis for all tables of one axis, and the logarithm of everything that is constant.
//! States without support go by arc consistency ([`Tables::narrowed`]). A table whose axes all lie in another is multiplied into
//! it, so that tables over the same axes make no loop.

use std::collections::BTreeMap;

use super::{Answer, Convergence, LogZ};
use crate::table::narrow::Narrowed;
use crate::table::{Best, TableError, Tables};

/// What a positive cell is at least, next to a largest of one.
pub(super) const LEAST: f64 = 1e-290;

/// A table of at least two axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dense {
    /// Its axes, ascending, the last running fastest.
    pub axes: Vec<u32>,
    /// Its cells, the largest of them one.
    pub cells: Vec<f64>,
}

/// The product that is left.
#[derive(Clone, Debug)]
pub(super) struct Free {
    /// The size of each axis, at least two.
    pub cards: Vec<usize>,
    /// The weights of each axis by itself, the largest of them one.
    pub unary: Vec<Vec<f64>>,
    /// Tables of two axes or more; none lies within another.
    pub tables: Vec<Dense>,
    /// For each axis the tables that have it, and where it stands in them.
    pub having: Vec<Vec<(u32, u32)>>,
    /// Logarithm of what was taken out.
    pub constant: f64,
    /// Where the weights of each axis start when all stand in one row; the total last.
    pub starts: Vec<usize>,
    /// The given axis of each.
    given: Vec<usize>,
    narrowed: Narrowed,
    fixed: Vec<bool>,
}

impl Dense {
    /// Strides of its axes.
    pub fn strides(&self, cards: &[usize]) -> Vec<usize> {
        let mut strides = vec![1; self.axes.len()];
        for i in (0..self.axes.len().saturating_sub(1)).rev() {
            strides[i] = strides[i + 1] * cards[self.axes[i + 1] as usize];
        }
        strides
    }

    /// Whether a joint state can have weight zero.
    pub fn has_zeros(&self) -> bool {
        self.cells.contains(&0.0)
    }
}

fn local_flags(n: usize, set: &[usize]) -> Vec<bool> {
    let mut flags = vec![false; n];
    set.iter().for_each(|&a| flags[a] = true);
    flags
}

/// Divides by the largest entry and gives its logarithm; none if nothing is positive.
fn scale(cells: &mut [f64]) -> Option<f64> {
    let top = cells.iter().copied().fold(0.0, f64::max);
    if top <= 0.0 {
        return None;
    }
    // A largest cell near the ends of the range has no finite inverse.
    cells.iter_mut().for_each(|x| *x /= top);
    Some(top.ln())
}

/// A product of positive numbers is positive, also where it lies below the range.
fn product(a: f64, b: f64) -> f64 {
    let p = a * b;
    if p < LEAST && a > 0.0 && b > 0.0 { LEAST } else { p }
}

/// Multiplies `part` into `whole`, whose axes include all of `part`'s.
fn absorb(whole: &mut Dense, part: &Dense, cards: &[usize]) {
    let own = part.strides(cards);
    let places: Vec<usize> = part.axes.iter().filter_map(|a| whole.axes.iter().position(|b| a == b)).collect();
    let extents: Vec<usize> = whole.axes.iter().map(|&a| cards[a as usize]).collect();
    let mut index = vec![0usize; extents.len()];
    for cell in &mut whole.cells {
        let at: usize = places.iter().zip(&own).map(|(&p, s)| index[p] * s).sum();
        *cell = product(*cell, part.cells[at]);
        for i in (0..index.len()).rev() {
            index[i] += 1;
            if index[i] < extents[i] {
                break;
            }
            index[i] = 0;
        }
    }
}

/// The cells of a table with its axes in ascending order.
fn ascending(axes: &[u32], cells: &[f64], cards: &[usize]) -> Dense {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if sorted == axes {
        return Dense { axes: sorted, cells: cells.to_vec() };
    }
    let mut whole = Dense { cells: vec![1.0; cells.len()], axes: sorted };
    absorb(&mut whole, &Dense { axes: axes.to_vec(), cells: cells.to_vec() }, cards);
    whole
}

impl Free {
    /// Slices, narrows, scales and joins.
    ///
    /// # Errors
    /// [`TableError::Misfit`] for what does not fit, [`TableError::Impossible`] where zeros leave no joint state.
    pub fn new(tables: &Tables, fixed: &[usize], values: &[usize]) -> Result<Self, TableError> {
        tables.check()?;
        let narrowed = tables.narrowed(fixed, values)?;
        let all = &narrowed.tables.cards;
        let given: Vec<usize> = (0..all.len()).filter(|&a| all[a] > 1).collect();
        let mut local = vec![u32::MAX; all.len()];
        for (i, &axis) in given.iter().enumerate() {
            local[axis] = i as u32;
        }
        let cards: Vec<usize> = given.iter().map(|&a| all[a]).collect();
        // In logarithms: thousands of weights may stand on one axis, pulling both ways.
        let mut logs: Vec<Vec<f64>> = cards.iter().map(|&c| vec![0.0; c]).collect();
        let mut constant = 0.0;
        let mut joined: BTreeMap<Vec<u32>, Dense> = BTreeMap::new();
        let mut order = Vec::new();
        for table in &narrowed.tables.tables {
            let axes: Vec<u32> = table.axes.iter().map(|&a| local[a]).filter(|&a| a != u32::MAX).collect();
            let mut dense = ascending(&axes, &table.cells, &cards);
            constant += scale(&mut dense.cells).ok_or(TableError::Impossible)?;
            match axes[..] {
                [] => {}
                [only] => logs[only as usize].iter_mut().zip(&dense.cells).for_each(|(w, x)| *w += x.ln()),
                _ => match joined.get_mut(&dense.axes) {
                    Some(earlier) => {
                        earlier.cells.iter_mut().zip(&dense.cells).for_each(|(a, b)| *a = product(*a, *b));
                        constant += scale(&mut earlier.cells).ok_or(TableError::Impossible)?;
                    }
                    None => {
                        order.push(dense.axes.clone());
                        joined.insert(dense.axes.clone(), dense);
                    }
                },
            }
        }
        for weights in &mut logs {
            let top = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if top == f64::NEG_INFINITY {
                return Err(TableError::Impossible);
            }
            let weight = |w: f64| if w == f64::NEG_INFINITY { 0.0 } else { (w - top).exp().max(LEAST) };
            weights.iter_mut().for_each(|w| *w = weight(*w));
            constant += top;
        }
        let unary = logs;
        let mut dense: Vec<Dense> = order.iter().filter_map(|axes| joined.remove(axes)).collect();
        constant += Self::join_parts(&mut dense, &cards)?;
        let mut having = vec![Vec::new(); cards.len()];
        for (t, table) in dense.iter().enumerate() {
            for (k, &a) in table.axes.iter().enumerate() {
                having[a as usize].push((t as u32, k as u32));
            }
        }
        let mut starts = vec![0];
        cards.iter().for_each(|c| starts.push(starts[starts.len() - 1] + c));
        let is_fixed = local_flags(all.len(), fixed);
        Ok(Self { cards, unary, tables: dense, having, constant, starts, given, narrowed, fixed: is_fixed })
    }

    /// Multiplies tables into others that have all their axes and more; gives the logarithm of what was scaled out.
    fn join_parts(tables: &mut Vec<Dense>, cards: &[usize]) -> Result<f64, TableError> {
        let mut having = vec![Vec::new(); cards.len()];
        for (t, table) in tables.iter().enumerate() {
            table.axes.iter().for_each(|&a| having[a as usize].push(t));
        }
        let mut by_size: Vec<usize> = (0..tables.len()).collect();
        by_size.sort_by_key(|&t| (tables[t].axes.len(), t));
        let mut gone = vec![false; tables.len()];
        let mut constant = 0.0;
        for t in by_size {
            let axes = &tables[t].axes;
            let Some(rarest) = axes.iter().min_by_key(|&&a| having[a as usize].len()) else { continue };
            let wider = having[*rarest as usize].iter().copied().find(|&u| {
                tables[u].axes.len() > axes.len() && axes.iter().all(|a| tables[u].axes.binary_search(a).is_ok())
            });
            if let Some(wider) = wider {
                let part = std::mem::take(&mut tables[t].cells);
                let part = Dense { axes: tables[t].axes.clone(), cells: part };
                absorb(&mut tables[wider], &part, cards);
                constant += scale(&mut tables[wider].cells).ok_or(TableError::Impossible)?;
                gone[t] = true;
            }
        }
        let mut at = 0;
        tables.retain(|_| {
            at += 1;
            !gone[at - 1]
        });
        Ok(constant)
    }

    /// How many axes are left.
    pub fn len(&self) -> usize {
        self.cards.len()
    }

    /// The given axis that stands behind one that is left.
    pub fn given(&self, axis: usize) -> usize {
        self.given[axis]
    }

    /// The number among those left of a given axis; none if it is fixed or has one state.
    pub fn local(&self, given: usize) -> Option<usize> {
        self.given.binary_search(&given).ok()
    }

    /// A joint state of what is left as one of all the given axes.
    pub fn restore(&self, states: &[usize]) -> Vec<usize> {
        let mut all = vec![0; self.narrowed.tables.cards.len()];
        for (&axis, &s) in self.given.iter().zip(states) {
            all[axis] = s;
        }
        self.narrowed.restore(&all)
    }

    /// The logarithm of the whole product at a joint state of what is left.
    pub fn score(&self, states: &[usize]) -> f64 {
        let mut total = self.constant;
        for (weights, &s) in self.unary.iter().zip(states) {
            total += weights[s].ln();
        }
        for table in &self.tables {
            let at = table.axes.iter().fold(0, |at, &a| at * self.cards[a as usize] + states[a as usize]);
            total += table.cells[at].ln();
        }
        total
    }

    /// Logarithms of the weights of an axis's states given those of all others.
    pub fn conditional(&self, states: &[usize], axis: usize) -> Vec<f64> {
        let mut log: Vec<f64> = self.unary[axis].iter().map(|w| w.ln()).collect();
        for &(t, k) in &self.having[axis] {
            let table = &self.tables[t as usize];
            let (mut at, mut stride, mut own) = (0, 1, 1);
            for (i, &a) in table.axes.iter().enumerate().rev() {
                match i == k as usize {
                    true => own = stride,
                    false => at += states[a as usize] * stride,
                }
                stride *= self.cards[a as usize];
            }
            log.iter_mut().enumerate().for_each(|(s, l)| *l += table.cells[at + s * own].ln());
        }
        log
    }

    /// An answer from marginals of what is left, which stand in one row.
    pub fn answer(&self, row: &[f64], log_z: Option<LogZ>, convergence: Convergence) -> Answer {
        let all = &self.narrowed.tables.cards;
        let marginals = (0..all.len()).map(|axis| {
            let narrow = match self.local(axis) {
                Some(i) => &row[self.starts[i]..self.starts[i + 1]],
                None => &[1.0][..],
            };
            (!self.fixed[axis]).then(|| self.narrowed.widen(axis, narrow))
        });
        Answer { marginals: marginals.collect(), log_z, convergence, chains: None, best: None, draws: Vec::new() }
    }

    /// The best joint state found, in the given axes.
    pub fn best(&self, states: &[usize]) -> Best {
        Best { score: self.score(states), states: self.restore(states) }
    }
}
