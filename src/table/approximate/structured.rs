//! Structured mean field: a product over clusters of axes, each exact within (Saul and Jordan 1996; Xing, Jordan and Russell 2003).
//!
//! In: a product and disjoint clusters. Out: marginals and a bound, at least that of the naive mean field's form. A cluster's
//! `q_c ∝ Π_{t within c} T_t · Π_{t across} exp E[ln T_t | x_c]` is a product of tables over its axes again, so a junction tree sums it;
//! what it hands to the other clusters are the joint marginals of the axes that each table across shares with it.

use super::field::{Climbed, MeanField, first_row};
use super::free::Free;
use super::{ApproximationError, Convergence};
use crate::table::{Options, Program, Table, TableError, Tables};

/// A table across clusters.
struct Across {
    /// Logarithms, zero where the cell is.
    logs: Vec<f64>,
    /// Whether the cell is zero; empty if none is.
    zeros: Vec<bool>,
    /// The clusters it touches.
    parts: Vec<Touch>,
}

/// A cluster's share of a table across.
struct Touch {
    /// Its axes among the table's.
    axes: Vec<usize>,
    /// For each cell of the table, the cell over those axes.
    place: Vec<u32>,
    /// Their joint marginal.
    q: Vec<f64>,
    /// E[ln T | these axes], as last used, with minus infinity for states on zeros.
    expected: Vec<f64>,
}

struct Cluster {
    axes: Vec<usize>,
    /// The tables within, then the weights of its axes, then one table for each touch.
    tables: Tables,
    /// The tables across and which of their parts is this cluster's.
    touches: Vec<(usize, usize)>,
    program: Program,
    log_z: f64,
}

/// Clusters ready for the ascent.
pub(super) struct Structured<'a> {
    free: &'a Free,
    across: Vec<Across>,
    clusters: Vec<Cluster>,
}

impl<'a> Structured<'a> {
    /// # Errors
    /// [`TableError::TooLarge`] or [`TableError::TooLong`] if a cluster has no affordable tree.
    pub fn new(free: &'a Free, parts: Vec<Vec<usize>>) -> Result<Self, ApproximationError> {
        let mut of = vec![0; free.len()];
        for (c, part) in parts.iter().enumerate() {
            part.iter().for_each(|&a| of[a] = c);
        }
        let mut own: Vec<Vec<Table>> = vec![Vec::new(); parts.len()];
        let mut touches: Vec<Vec<(usize, usize)>> = vec![Vec::new(); parts.len()];
        let mut across = Vec::new();
        let local = |a: usize| parts[of[a]].binary_search(&a).unwrap_or_default();
        for table in &free.tables {
            let mut clusters: Vec<usize> = table.axes.iter().map(|&a| of[a as usize]).collect();
            clusters.sort_unstable();
            clusters.dedup();
            if let [only] = clusters[..] {
                let axes = table.axes.iter().map(|&a| local(a as usize)).collect();
                own[only].push(Table::new(axes, table.cells.clone()));
                continue;
            }
            for (k, &c) in clusters.iter().enumerate() {
                touches[c].push((across.len(), k));
            }
            let cards: Vec<usize> = table.axes.iter().map(|&a| free.cards[a as usize]).collect();
            let touch = |cluster: usize| {
                let inside: Vec<usize> = (0..cards.len()).filter(|&i| of[table.axes[i] as usize] == cluster).collect();
                let mut place = Vec::with_capacity(table.cells.len());
                let mut index = vec![0usize; cards.len()];
                for _ in 0..table.cells.len() {
                    place.push(inside.iter().fold(0, |at, &i| at * cards[i] + index[i]) as u32);
                    for i in (0..index.len()).rev() {
                        index[i] += 1;
                        if index[i] < cards[i] {
                            break;
                        }
                        index[i] = 0;
                    }
                }
                let cells: usize = inside.iter().map(|&i| cards[i]).product();
                let axes = inside.iter().map(|&i| table.axes[i] as usize).collect();
                Touch { axes, place, q: vec![0.0; cells], expected: vec![0.0; cells] }
            };
            let zeros = if table.has_zeros() { table.cells.iter().map(|&x| x == 0.0).collect() } else { Vec::new() };
            across.push(Across {
                logs: table.cells.iter().map(|&x| if x > 0.0 { x.ln() } else { 0.0 }).collect(),
                zeros,
                parts: clusters.into_iter().map(touch).collect(),
            });
        }
        let mut clusters = Vec::with_capacity(parts.len());
        for (c, axes) in parts.iter().enumerate() {
            let mut tables =
                Tables { cards: axes.iter().map(|&a| free.cards[a]).collect(), tables: own[c].split_off(0) };
            for (i, &a) in axes.iter().enumerate() {
                tables.tables.push(Table::new(vec![i], free.unary[a].clone()));
            }
            let mut together: Vec<Vec<usize>> = Vec::new();
            for &(t, k) in &touches[c] {
                let touch: &Touch = &across[t].parts[k];
                let scope: Vec<usize> = touch.axes.iter().map(|&a| local(a)).collect();
                if scope.len() > 1 && !together.contains(&scope) {
                    together.push(scope.clone());
                }
                tables.tables.push(Table::new(scope, vec![1.0; touch.q.len()]));
            }
            let program = Program::compile(&tables, &[], &Options { together, ..Options::default() })?;
            let touches = std::mem::take(&mut touches[c]);
            clusters.push(Cluster { axes: axes.clone(), tables, touches, program, log_z: 0.0 });
        }
        Ok(Self { free, across, clusters })
    }

    pub fn climb(&mut self, settings: &MeanField, start: Option<&[usize]>) -> Result<Climbed, ApproximationError> {
        let mut row = first_row(self.free, start);
        for across in &mut self.across {
            for part in &mut across.parts {
                let cards: Vec<usize> = part.axes.iter().map(|&a| self.free.cards[a]).collect();
                for (at, q) in part.q.iter_mut().enumerate() {
                    let states = crate::base::places::unravel(at, &cards);
                    *q = part.axes.iter().zip(states).map(|(&a, s)| row[self.free.starts[a] + s]).product();
                }
            }
        }
        let mut told = Convergence { rounds: 0, change: 0.0, converged: false };
        let mut whole = true;
        while !told.converged && told.rounds < settings.rounds {
            told.change = 0.0;
            whole = true;
            for c in 0..self.clusters.len() {
                match self.step(c, &mut row)? {
                    Some(change) => told.change = told.change.max(change),
                    None => whole = false,
                }
            }
            told.rounds += 1;
            told.converged = told.change <= settings.tolerance;
        }
        let bound = if whole { self.bound() } else { f64::NEG_INFINITY };
        Ok(Climbed { row, bound, convergence: told })
    }

    /// Renews one cluster and gives the largest change of a marginal; none where every joint state of it lies on a zero.
    fn step(&mut self, c: usize, row: &mut [f64]) -> Result<Option<f64>, TableError> {
        let cluster = &mut self.clusters[c];
        let first = cluster.tables.tables.len() - cluster.touches.len();
        for (i, &(t, k)) in cluster.touches.iter().enumerate() {
            let expected = self.across[t].expect(k);
            let top = expected.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if top == f64::NEG_INFINITY {
                return Ok(None);
            }
            let cells = &mut cluster.tables.tables[first + i].cells;
            cells.iter_mut().zip(&expected).for_each(|(cell, e)| *cell = (e - top).exp());
            // What is divided out stands in ln Z too, so it is left out of both.
            self.across[t].parts[k].expected = expected.iter().map(|e| e - top).collect();
        }
        let mut state = cluster.program.load(&cluster.tables, &[])?;
        let log_z = state.propagate()?;
        if log_z == f64::NEG_INFINITY {
            return Ok(None);
        }
        cluster.log_z = log_z;
        let mut change = 0.0f64;
        for (i, &axis) in cluster.axes.iter().enumerate() {
            let Some(marginal) = state.marginal(i) else { continue };
            for (q, &new) in row[self.free.starts[axis]..].iter_mut().zip(marginal) {
                change = change.max((*q - new).abs());
                *q = new;
            }
        }
        for (i, &(t, k)) in cluster.touches.iter().enumerate() {
            let scope = &cluster.tables.tables[first + i].axes;
            let joint = if scope.len() == 1 { state.marginal(scope[0]) } else { state.joint(scope) };
            if let Some(joint) = joint {
                self.across[t].parts[k].q.copy_from_slice(joint);
            }
        }
        Ok(Some(change))
    }

    /// Σ_c [ln Z_c − Σ_t E_q expected] + Σ_t across E_q ln T: each cluster's own terms and entropy, and the tables across once.
    fn bound(&self) -> f64 {
        let mut total = self.free.constant + self.clusters.iter().map(|c| c.log_z).sum::<f64>();
        for across in &self.across {
            for part in &across.parts {
                total -= dot(&part.q, &part.expected);
            }
            let mut mass = 0.0;
            for at in 0..across.logs.len() {
                let q: f64 = across.parts.iter().map(|p| p.q[p.place[at] as usize]).product();
                if across.zeros.get(at) == Some(&true) {
                    mass += q;
                }
                total += q * across.logs[at];
            }
            if mass > 0.0 {
                return f64::NEG_INFINITY;
            }
        }
        total
    }
}

/// Σ p x over the places with p above zero.
fn dot(p: &[f64], x: &[f64]) -> f64 {
    p.iter().zip(x).filter(|(p, _)| **p > 0.0).map(|(p, x)| p * x).sum()
}

impl Across {
    /// E[ln T | a part's axes] under the other parts; minus infinity where that puts more mass on zeros than it must.
    fn expect(&self, k: usize) -> Vec<f64> {
        let own = &self.parts[k];
        let mut log = vec![0.0; own.q.len()];
        let mut zero = vec![0.0; if self.zeros.is_empty() { 0 } else { log.len() }];
        for at in 0..self.logs.len() {
            let mut q = 1.0;
            for (i, part) in self.parts.iter().enumerate() {
                if i != k {
                    q *= part.q[part.place[at] as usize];
                }
            }
            let place = own.place[at] as usize;
            log[place] += q * self.logs[at];
            if self.zeros.get(at) == Some(&true) {
                zero[place] += q;
            }
        }
        let least = zero.iter().copied().fold(f64::INFINITY, f64::min);
        for (l, &z) in log.iter_mut().zip(&zero) {
            if z > least * (1.0 + 1e-9) {
                *l = f64::NEG_INFINITY;
            }
        }
        log
    }
}
