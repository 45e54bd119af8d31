//! Tables without the states that zeros rule out.
//!
//! In: tables and values of some axes. Out: smaller tables over the same axes whose sums, marginals and maxima are those of the
//! given ones at these values. A state goes when some table has no positive cell left that agrees with it (generalised arc
//! consistency; Mackworth 1977), which is repeated until nothing goes. Where zeros dominate this shrinks clusters by orders of
//! magnitude before an order is sought; the price is that other values need narrowing anew.

use std::collections::VecDeque;

use super::{Beliefs, Options, Program, Table, TableError, Tables};

/// Smaller tables, and how their states correspond to those of the given ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Narrowed {
    /// The tables that are left; a fixed axis has one state.
    pub tables: Tables,
    /// For each axis its remaining states, by their numbers in the given tables.
    pub states: Vec<Vec<usize>>,
    fixed: Vec<usize>,
    cards: Vec<usize>,
}

/// Calls `each` with every cell of a table whose states are listed, axis by axis: its place, and the states.
fn remaining(table: &Table, cards: &[usize], lists: &[&[usize]], mut each: impl FnMut(usize, &[usize])) {
    if lists.iter().any(|l| l.is_empty()) {
        return;
    }
    let n = lists.len();
    let mut strides = vec![1; n];
    for i in (0..n.saturating_sub(1)).rev() {
        strides[i] = strides[i + 1] * cards[table.axes[i + 1]];
    }
    let mut index = vec![0; n];
    let mut current: Vec<usize> = lists.iter().map(|l| l[0]).collect();
    let Some(last) = n.checked_sub(1) else { return each(0, &current) };
    loop {
        let start: usize = (0..last).map(|i| current[i] * strides[i]).sum();
        for &s in lists[last] {
            current[last] = s;
            each(start + s, &current);
        }
        let mut level = last;
        loop {
            if level == 0 {
                return;
            }
            level -= 1;
            index[level] += 1;
            if index[level] < lists[level].len() {
                current[level] = lists[level][index[level]];
                break;
            }
            index[level] = 0;
            current[level] = lists[level][0];
        }
    }
}

impl Tables {
    /// Takes out the states that no positive product can have once the axes `fixed` have `values`.
    ///
    /// # Errors
    /// [`TableError::Misfit`] for what does not fit; [`TableError::Impossible`] if an axis loses all its states.
    pub fn narrowed(&self, fixed: &[usize], values: &[usize]) -> Result<Narrowed, TableError> {
        self.check_shapes()?;
        self.check_scope(fixed, "the set of fixed axes")?;
        if values.len() != fixed.len() || values.iter().zip(fixed).any(|(&v, &a)| v >= self.cards[a]) {
            return Err(TableError::Misfit("every fixed axis needs one value in range".into()));
        }
        let mut states: Vec<Vec<usize>> = self.cards.iter().map(|&c| (0..c).collect()).collect();
        for (&axis, &value) in fixed.iter().zip(values) {
            states[axis] = vec![value];
        }
        let mut having: Vec<Vec<usize>> = vec![Vec::new(); self.cards.len()];
        for (t, table) in self.tables.iter().enumerate() {
            for &axis in &table.axes {
                having[axis].push(t);
            }
        }
        let mut todo: VecDeque<usize> = (0..self.tables.len()).collect();
        let mut waits = vec![true; self.tables.len()];
        while let Some(t) = todo.pop_front() {
            waits[t] = false;
            let table = &self.tables[t];
            let mut supported: Vec<Vec<bool>> = table.axes.iter().map(|&a| vec![false; self.cards[a]]).collect();
            let lists: Vec<&[usize]> = table.axes.iter().map(|&a| &states[a][..]).collect();
            remaining(table, &self.cards, &lists, |at, current| {
                if table.cells[at] > 0.0 {
                    for (marks, &s) in supported.iter_mut().zip(current) {
                        marks[s] = true;
                    }
                }
            });
            for (&axis, marks) in table.axes.iter().zip(&supported) {
                let before = states[axis].len();
                states[axis].retain(|&s| marks[s]);
                if states[axis].is_empty() {
                    return Err(TableError::Impossible);
                }
                if states[axis].len() < before {
                    for &other in &having[axis] {
                        if other != t && !waits[other] {
                            waits[other] = true;
                            todo.push_back(other);
                        }
                    }
                }
            }
        }
        let tables = self.tables.iter().map(|table| self.narrow_one(table, &states)).collect();
        let cards = states.iter().map(Vec::len).collect();
        let tables = Tables { cards, tables };
        Ok(Narrowed { tables, states, fixed: fixed.to_vec(), cards: self.cards.clone() })
    }

    /// One table over the remaining states; its promise is kept if what went along that axis was zero.
    fn narrow_one(&self, table: &Table, states: &[Vec<usize>]) -> Table {
        let mut cells = Vec::new();
        let lists: Vec<&[usize]> = table.axes.iter().map(|&a| &states[a][..]).collect();
        remaining(table, &self.cards, &lists, |at, _| cells.push(table.cells[at]));
        let promise = table.sums_to_one_over.filter(|&axis| {
            let gone: Vec<usize> = (0..self.cards[axis]).filter(|s| !states[axis].contains(s)).collect();
            let lists: Vec<&[usize]> =
                table.axes.iter().map(|&a| if a == axis { &gone[..] } else { &states[a][..] }).collect();
            let mut lost = false;
            remaining(table, &self.cards, &lists, |at, _| lost |= table.cells[at] > 0.0);
            !lost
        });
        Table { axes: table.axes.clone(), cells, sums_to_one_over: promise }
    }
}

impl Narrowed {
    /// Compiles and runs what is left; the answers are in the states of the given tables.
    ///
    /// # Errors
    /// As [`Program::compile`] and [`Program::run`].
    pub fn run(&self, options: &Options) -> Result<Beliefs, TableError> {
        let mut beliefs = Program::compile(&self.tables, &[], options)?.run(&self.tables, &[])?;
        for (axis, marginal) in beliefs.marginals.iter_mut().enumerate() {
            *marginal = marginal.take().filter(|_| !self.fixed.contains(&axis)).map(|p| self.widen(axis, &p));
        }
        Ok(beliefs)
    }

    /// A marginal of an axis over its remaining states as one over all it had.
    pub fn widen(&self, axis: usize, marginal: &[f64]) -> Vec<f64> {
        let mut wide = vec![0.0; self.cards[axis]];
        for (&s, &p) in self.states[axis].iter().zip(marginal) {
            wide[s] = p;
        }
        wide
    }

    /// A joint state of the remaining states as one of the given tables.
    pub fn restore(&self, states: &[usize]) -> Vec<usize> {
        self.states.iter().zip(states).map(|(all, &s)| all[s]).collect()
    }
}
