//! Mean field: the product of marginals that bounds the sum from below, by coordinate ascent (Saul, Jaakkola and Jordan 1996).
//!
//! In: tables, fixed axes. Out: q = Π_i q_i, and `Σ_t E_q ln T_t + Σ_i H(q_i)`, which is at most the logarithm of the sum and grows
//! with every step `q_i(x) ∝ exp Σ_t E[ln T_t | x_i = x]`. Axes go in their order. While q has mass on zeros the bound is minus
//! infinity; a step then first lessens that mass, and where it cannot be got rid of, the ascent starts anew from a joint state
//! of positive weight. With groups of axes it is the structured mean field of `structured.rs`.

use super::clusters::groups;
use super::free::Free;
use super::start::Starter;
use super::sums::{Scratch, all_but};
use super::{Answer, ApproximationError, Convergence, LogZ, Sign};
pub use crate::base::approximate::MeanField;
use crate::base::stream::Stream;
use crate::table::{Draws, Tables};

/// What an ascent came to: marginals in one row, the bound, how far it came.
#[derive(Clone, Debug)]
pub(super) struct Climbed {
    pub row: Vec<f64>,
    pub bound: f64,
    pub convergence: Convergence,
}

impl MeanField {
    /// Runs; see the file's head.
    ///
    /// # Errors
    /// [`crate::table::TableError`] for what does not fit or cannot be, or where a cluster is too large for exact sums;
    /// [`ApproximationError::NotGiven`] if draws are wanted of clusters.
    pub(super) fn run(
        &self,
        tables: &Tables,
        fixed: &[usize],
        values: &[usize],
        draws: usize,
        seed: u64,
    ) -> Result<Answer, ApproximationError> {
        let free = Free::new(tables, fixed, values)?;
        let parts = groups(&free, &self.clusters, tables.cards.len())?;
        let single = parts.iter().all(|p| p.len() == 1);
        if draws > 0 && !single {
            return Err(ApproximationError::NotGiven("a mean field of clusters gives no joint states to draw"));
        }
        let mut structured = match single {
            true => None,
            false => Some(super::structured::Structured::new(&free, parts)?),
        };
        let field = Field::new(&free);
        let mut climb = |start: Option<&[usize]>| match &mut structured {
            Some(structured) => structured.climb(self, start),
            None => Ok(field.climb(self, start)),
        };
        let mut best = climb(None)?;
        if self.starts > 1 || best.bound == f64::NEG_INFINITY {
            let starter = Starter::new(&free)?;
            for number in 1..self.starts.max(2) {
                let start = match starter.start(seed, number as u32) {
                    Ok(start) => start,
                    // The bound that says nothing is an answer too.
                    Err(ApproximationError::NoStart { .. }) => break,
                    Err(other) => return Err(other),
                };
                let other = climb(Some(&start))?;
                if other.bound > best.bound {
                    best = other;
                }
            }
        }
        let log_z = Some(LogZ { value: best.bound, sign: Sign::AtLeast });
        let mut answer = free.answer(&best.row, log_z, best.convergence);
        answer.draws = independent(&free, &best.row, seed, draws);
        Ok(answer)
    }
}

/// Draws of a product of marginals.
fn independent(free: &Free, row: &[f64], seed: u64, count: usize) -> Draws {
    let one = |n: usize| {
        let mut stream = Stream::new(seed, 0x6d66, n as u64 >> 32, n as u32);
        let states: Vec<usize> = (0..free.len())
            .map(|a| {
                let q = &row[free.starts[a]..free.starts[a + 1]];
                let mut left = stream.uniform();
                let mut last = 0;
                for (s, &p) in q.iter().enumerate().filter(|(_, p)| **p > 0.0) {
                    last = s;
                    left -= p;
                    if left < 0.0 {
                        break;
                    }
                }
                last
            })
            .collect();
        free.restore(&states)
    };
    (0..count).map(one).collect()
}

/// A table of two axes as one of them sees it: its logarithms with the other axis fastest.
#[derive(Clone, Copy)]
struct Pair {
    /// Where the cells start.
    cells: u32,
    /// Where the other axis's marginal stands.
    other: u32,
    other_card: u32,
    /// The other axis itself.
    axis: u32,
    /// How much the log-odds of either move at most where a probability of the other moves by 1.
    strength: f64,
}

/// Share of the tolerance within which an axis would move if it were looked at; it is then passed over.
const PASSED_OVER: f64 = 0.1;

/// Logarithms of the tables, laid out for the ascent.
struct Field<'a> {
    free: &'a Free,
    /// Logarithms of weights, in one row.
    unary: Vec<f64>,
    /// Tables of two axes without zeros, both ways round.
    cells: Vec<f64>,
    pairs: Vec<Pair>,
    /// The pairs of each axis.
    bounds: Vec<usize>,
    /// For all other tables logarithms, zero where the cell is, and whether it is.
    logs: Vec<(Vec<f64>, Vec<f64>)>,
    /// Those tables for each axis, and where it stands in them.
    wide: Vec<Vec<(usize, usize)>>,
    cards: Vec<Vec<usize>>,
}

/// The most by which log-odds along one axis of a table of logarithms can move where a probability along the other moves by 1: the
/// largest difference of differences, or a bound of it.
fn strength(cells: &[f64], card: usize) -> f64 {
    if let &[a, b, c, d] = cells {
        return (a - b - c + d).abs();
    }
    let (low, high) = cells.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &c| (l.min(c), h.max(c)));
    let most = card.max(cells.len() / card.max(1)) as f64;
    most * (high - low)
}

/// Room for a step.
#[derive(Default)]
struct Room {
    log: Vec<f64>,
    zero: Vec<f64>,
    part: Vec<f64>,
    scratch: Scratch,
}

impl<'a> Field<'a> {
    fn new(free: &'a Free) -> Self {
        let mut field = Self {
            free,
            unary: free.unary.iter().flatten().map(|w| w.ln()).collect(),
            cells: Vec::new(),
            pairs: Vec::new(),
            bounds: vec![0],
            logs: vec![(Vec::new(), Vec::new()); free.tables.len()],
            wide: vec![Vec::new(); free.len()],
            cards: free.tables.iter().map(|t| t.axes.iter().map(|&a| free.cards[a as usize]).collect()).collect(),
        };
        let plain: Vec<bool> = free.tables.iter().map(|t| t.axes.len() == 2 && !t.has_zeros()).collect();
        for (t, table) in free.tables.iter().enumerate().filter(|(t, _)| !plain[*t]) {
            let log = |&x: &f64| if x > 0.0 { x.ln() } else { 0.0 };
            let zero = |&x: &f64| f64::from(x == 0.0);
            let zeros = if table.has_zeros() { table.cells.iter().map(zero).collect() } else { Vec::new() };
            field.logs[t] = (table.cells.iter().map(log).collect(), zeros);
        }
        for a in 0..free.len() {
            for &(t, k) in &free.having[a] {
                let (t, k) = (t as usize, k as usize);
                if !plain[t] {
                    field.wide[a].push((t, k));
                    continue;
                }
                let table = &free.tables[t];
                let other = table.axes[1 - k] as usize;
                let (own_card, card) = (free.cards[a], free.cards[other]);
                let cells = field.cells.len();
                for x in 0..own_card {
                    for y in 0..card {
                        let at = if k == 0 { x * card + y } else { y * own_card + x };
                        field.cells.push(table.cells[at].ln());
                    }
                }
                let strength = strength(&field.cells[cells..], card);
                field.pairs.push(Pair {
                    cells: cells as u32,
                    other: free.starts[other] as u32,
                    other_card: card as u32,
                    axis: other as u32,
                    strength,
                });
            }
            field.bounds.push(field.pairs.len());
        }
        field
    }

    /// What E[ln T | x] comes to for each state of an axis, and the mass on zeros, into `room`.
    #[inline]
    fn expect(&self, row: &[f64], axis: usize, room: &mut Room) {
        let free = self.free;
        let (from, to) = (free.starts[axis], free.starts[axis + 1]);
        room.log.clear();
        room.log.extend_from_slice(&self.unary[from..to]);
        for pair in &self.pairs[self.bounds[axis]..self.bounds[axis + 1]] {
            let card = pair.other_card as usize;
            let q = &row[pair.other as usize..pair.other as usize + card];
            let cells = &self.cells[pair.cells as usize..pair.cells as usize + card * room.log.len()];
            if let ([k, l], &[a, b, c, d], &[p, q]) = (&mut room.log[..], cells, q) {
                *k += a * p + b * q;
                *l += c * p + d * q;
                continue;
            }
            for (l, run) in room.log.iter_mut().zip(cells.chunks_exact(card)) {
                *l += run.iter().zip(q).map(|(c, q)| c * q).sum::<f64>();
            }
        }
        room.zero.clear();
        for &(t, k) in &self.wide[axis] {
            let axes = &free.tables[t].axes;
            let weight = |i: usize| &row[free.starts[axes[i] as usize]..free.starts[axes[i] as usize + 1]];
            room.part.resize(to - from, 0.0);
            all_but::<false>(&self.logs[t].0, &self.cards[t], k, weight, &mut room.part, &mut room.scratch);
            room.log.iter_mut().zip(&room.part).for_each(|(l, p)| *l += p);
            if !self.logs[t].1.is_empty() {
                room.zero.resize(to - from, 0.0);
                all_but::<false>(&self.logs[t].1, &self.cards[t], k, weight, &mut room.part, &mut room.scratch);
                room.zero.iter_mut().zip(&room.part).for_each(|(z, p)| *z += p);
            }
        }
    }

    fn climb(&self, settings: &MeanField, start: Option<&[usize]>) -> Climbed {
        let free = self.free;
        let mut row = first_row(free, start);
        let mut room = Room::default();
        let mut told = Convergence { rounds: 0, change: 0.0, converged: free.len() == 0 };
        // How far each axis's log-odds can have moved since it was looked at last.
        let mut moved = vec![f64::INFINITY; free.len()];
        while !told.converged && told.rounds < settings.rounds {
            told.change = 0.0;
            for axis in 0..free.len() {
                if moved[axis] <= PASSED_OVER * settings.tolerance {
                    continue;
                }
                self.expect(&row, axis, &mut room);
                soften(&mut room.log, &room.zero);
                let mut change = 0.0f64;
                for (q, &new) in row[free.starts[axis]..].iter_mut().zip(&room.log) {
                    change = change.max((*q - new).abs());
                    *q = new;
                }
                told.change = told.change.max(change);
                moved[axis] = 0.0;
                for pair in &self.pairs[self.bounds[axis]..self.bounds[axis + 1]] {
                    moved[pair.axis as usize] += pair.strength * change;
                }
                for &(t, _) in self.wide[axis].iter().filter(|_| change > 0.0) {
                    free.tables[t]
                        .axes
                        .iter()
                        .filter(|&&a| a as usize != axis)
                        .for_each(|&a| moved[a as usize] = f64::INFINITY);
                }
            }
            told.rounds += 1;
            told.converged = told.change <= settings.tolerance;
        }
        Climbed { bound: self.bound(&row), row, convergence: told }
    }

    fn bound(&self, row: &[f64]) -> f64 {
        let free = self.free;
        let mut total = free.constant;
        for (q, l) in row.iter().zip(&self.unary).filter(|(q, _)| **q > 0.0) {
            total += q * (l - q.ln());
        }
        let mut room = Room::default();
        for axis in 0..free.len() {
            let q = &row[free.starts[axis]..free.starts[axis + 1]];
            // A table counts at its first axis.
            for (pair, &(_, k)) in self.pairs[self.bounds[axis]..self.bounds[axis + 1]]
                .iter()
                .zip(free.having[axis].iter().filter(|(t, _)| self.logs[*t as usize].0.is_empty()))
            {
                if k == 0 {
                    let card = pair.other_card as usize;
                    let other = &row[pair.other as usize..pair.other as usize + card];
                    let cells = &self.cells[pair.cells as usize..pair.cells as usize + card * q.len()];
                    for (&p, run) in q.iter().zip(cells.chunks_exact(card)) {
                        total += p * run.iter().zip(other).map(|(c, q)| c * q).sum::<f64>();
                    }
                }
            }
            for &(t, k) in self.wide[axis].iter().filter(|(_, k)| *k == 0) {
                let axes = &free.tables[t].axes;
                let weight = |i: usize| &row[free.starts[axes[i] as usize]..free.starts[axes[i] as usize + 1]];
                let (logs, zeros) = &self.logs[t];
                room.part.resize(q.len(), 0.0);
                if !zeros.is_empty() {
                    all_but::<false>(zeros, &self.cards[t], k, weight, &mut room.part, &mut room.scratch);
                    if q.iter().zip(&room.part).any(|(q, z)| q * z > 0.0) {
                        return f64::NEG_INFINITY;
                    }
                }
                all_but::<false>(logs, &self.cards[t], k, weight, &mut room.part, &mut room.scratch);
                total += q.iter().zip(&room.part).map(|(q, l)| q * l).sum::<f64>();
            }
        }
        total
    }
}

/// Uniform marginals, or all on one joint state.
pub(super) fn first_row(free: &Free, start: Option<&[usize]>) -> Vec<f64> {
    let mut row = Vec::with_capacity(free.starts[free.len()]);
    for (axis, &card) in free.cards.iter().enumerate() {
        match start {
            Some(states) => row.extend((0..card).map(|s| f64::from(s == states[axis]))),
            None => row.extend(std::iter::repeat_n(1.0 / card as f64, card)),
        }
    }
    row
}

/// Logarithms into a distribution over the states with least mass on zeros.
#[inline]
fn soften(log: &mut [f64], zero: &[f64]) {
    if zero.is_empty()
        && let [a, b] = log
    {
        let odds = (*a - *b).exp();
        *b = 1.0 / (1.0 + odds);
        *a = if odds < 1.0 { odds * *b } else { 1.0 / (1.0 + 1.0 / odds) };
        return;
    }
    let least = zero.iter().copied().fold(f64::INFINITY, f64::min);
    for (l, &z) in log.iter_mut().zip(zero) {
        if z > least * (1.0 + 1e-9) {
            *l = f64::NEG_INFINITY;
        }
    }
    let top = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    log.iter_mut().for_each(|l| *l = (*l - top).exp());
    let total: f64 = log.iter().sum();
    log.iter_mut().for_each(|l| *l /= total);
}
