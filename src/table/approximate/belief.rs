//! Loopy belief propagation: messages passed until they stay, as if the tables formed a tree (Pearl 1988; Kschischang, Frey and
//! Loeliger 2001).
//!
//! In: tables, fixed axes, a schedule. Out: beliefs as marginals, and Bethe's estimate of the logarithm of the sum,
//! `Σ_t ln Z_t + Σ_i ln Z_i − Σ_ti ln Z_ti` over tables, axes and messages (Yedidia, Freeman and Weiss 2005). Both are exact where the
//! tables form a tree. With maxima in the place of sums the answer is a joint state and its product, a lower bound on the largest;
//! the largest itself on a tree.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::free::Free;
use super::messages::{Graph, Messages, Room};
use super::{Answer, ApproximationError, Convergence, LogZ, Sign};
pub use crate::base::approximate::{LoopyBp, Schedule};
use crate::table::{TableError, Tables};

/// A visit's weight in the queue of residuals; larger first, then earlier.
struct Change(f64);

impl PartialEq for Change {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Change {}

impl PartialOrd for Change {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Change {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl LoopyBp {
    /// Runs; see the file's head.
    ///
    /// # Errors
    /// [`TableError::Misfit`], [`TableError::Impossible`], and [`ApproximationError::NotGiven`] if draws are wanted.
    pub(super) fn run(
        &self,
        tables: &Tables,
        fixed: &[usize],
        values: &[usize],
        draws: usize,
    ) -> Result<Answer, ApproximationError> {
        if draws > 0 {
            return Err(ApproximationError::NotGiven("belief propagation gives marginals and no joint states to draw"));
        }
        let free = Free::new(tables, fixed, values)?;
        let graph = Graph::new(&free);
        let (beliefs, messages, convergence) = self.settle(&graph)?;
        if self.maximise {
            let best = free.best(&decode(&graph, &messages)?);
            let mut answer = free.answer(&beliefs, None, convergence);
            answer.best = Some(best);
            return Ok(answer);
        }
        let value = bethe(&graph, &messages)?;
        Ok(free.answer(&beliefs, Some(LogZ { value, sign: Sign::About }), convergence))
    }

    /// Beliefs, in one row, and the messages they came from.
    pub(super) fn settle(&self, graph: &Graph) -> Result<(Vec<f64>, Messages, Convergence), TableError> {
        let mut messages = graph.uniform();
        let convergence = match self.maximise {
            true => self.iterate::<true>(graph, &mut messages)?,
            false => self.iterate::<false>(graph, &mut messages)?,
        };
        Ok((graph.beliefs(&messages)?, messages, convergence))
    }

    fn iterate<const LARGEST: bool>(&self, graph: &Graph, messages: &mut Messages) -> Result<Convergence, TableError> {
        if self.schedule == Schedule::Residual {
            return self.by_residuals::<LARGEST>(graph, messages);
        }
        let n = graph.order.len();
        let mut room = Room::default();
        let mut told = Convergence { rounds: 0, change: 0.0, converged: n == 0 };
        while !told.converged && told.rounds < self.rounds {
            graph.refresh(messages);
            told.change = 0.0;
            if self.schedule == Schedule::Flooding {
                let (old, rows) = (&*messages, &graph.rows);
                let share = 256;
                let parts: Vec<Result<(Vec<f64>, f64), TableError>> = (0..n.div_ceil(share))
                    .into_par_iter()
                    .map_init(Room::default, |room, part| {
                        let (mut all, mut change) = (Vec::new(), 0.0f64);
                        for v in part * share..((part + 1) * share).min(n) {
                            change = change.max(graph.send::<LARGEST>(old, v, self.damping, room)?);
                            all.extend_from_slice(&room.fresh);
                        }
                        Ok((all, change))
                    })
                    .collect();
                for (part, made) in parts.into_iter().enumerate() {
                    let (all, change) = made?;
                    let from = rows[part * share];
                    messages.values[from..from + all.len()].copy_from_slice(&all);
                    told.change = told.change.max(change);
                }
            } else {
                // Back first: the outer ends of a tree know all they need.
                for (back, at) in
                    (0..graph.axes.len()).rev().map(|at| (true, at)).chain((0..graph.axes.len()).map(|at| (false, at)))
                {
                    let change = graph.pull::<LARGEST>(messages, at, back, self.damping, &mut room)?;
                    told.change = told.change.max(change);
                }
            }
            told.rounds += 1;
            told.converged = told.change <= self.tolerance;
        }
        graph.refresh(messages);
        Ok(told)
    }

    fn by_residuals<const LARGEST: bool>(
        &self,
        graph: &Graph,
        messages: &mut Messages,
    ) -> Result<Convergence, TableError> {
        let n = graph.order.len();
        let mut room = Room::default();
        let mut ready = messages.values.clone();
        let mut current = vec![0.0; n];
        let mut queue = BinaryHeap::new();
        for v in 0..n {
            current[v] = graph.send::<LARGEST>(messages, v, self.damping, &mut room)?;
            ready[graph.rows[v]..graph.rows[v + 1]].copy_from_slice(&room.fresh);
            queue.push((Change(current[v]), Reverse(v)));
        }
        let most = self.rounds.saturating_mul(n);
        let mut updates = 0;
        let mut waiting = vec![false; n];
        let mut near = Vec::new();
        while let Some((Change(change), Reverse(v))) = queue.pop() {
            if change != current[v] {
                continue;
            }
            if change <= self.tolerance || updates >= most {
                queue.push((Change(change), Reverse(v)));
                break;
            }
            updates += 1;
            if updates % n == 0 {
                graph.refresh(messages);
            }
            near.clear();
            // Damped, a table's own messages have further to go.
            near.push(v);
            waiting[v] = true;
            let mut at = graph.rows[v];
            for &axis in &graph.free.tables[graph.order[v]].axes {
                let row = at..at + graph.free.cards[axis as usize];
                at = row.end;
                if messages.values[row.clone()] == ready[row] {
                    continue;
                }
                for &(t, _) in &graph.free.having[axis as usize] {
                    let u = graph.visit[t as usize];
                    if !std::mem::replace(&mut waiting[u], true) {
                        near.push(u);
                    }
                }
            }
            graph.commit(messages, v, &ready[graph.rows[v]..graph.rows[v + 1]]);
            for &u in &near {
                waiting[u] = false;
                current[u] = graph.send::<LARGEST>(messages, u, self.damping, &mut room)?;
                ready[graph.rows[u]..graph.rows[u + 1]].copy_from_slice(&room.fresh);
                queue.push((Change(current[u]), Reverse(u)));
            }
        }
        graph.refresh(messages);
        let change = current.iter().copied().fold(0.0, f64::max);
        Ok(Convergence { rounds: updates.div_ceil(n.max(1)), change, converged: change <= self.tolerance })
    }
}

/// Bethe's estimate at these messages.
fn bethe(graph: &Graph, messages: &Messages) -> Result<f64, TableError> {
    let free = graph.free;
    let mut total = free.constant;
    let mut room = Room::default();
    let mut out = vec![0.0; free.cards.iter().copied().max().unwrap_or(0)];
    for axis in 0..free.len() {
        // The product is given up to a factor, which its own terms give back.
        let out = &mut out[..free.cards[axis]];
        if !graph.product(messages, axis, usize::MAX, out) {
            return Err(TableError::Impossible);
        }
        total += log_weight(graph, messages, axis, out);
    }
    for v in 0..graph.order.len() {
        let table = &free.tables[graph.order[v]];
        graph.gather(messages, v, &mut room)?;
        let mut at = 0;
        // ln Z_t less the ln Z_ti of its messages: the scale of what came in stands in both.
        for &a in &table.axes {
            let card = free.cards[a as usize];
            let row = &mut room.incoming[at..at + card];
            let message = &messages.values[graph.rows[v] + at..graph.rows[v] + at + card];
            let overlap: f64 = row.iter().zip(message).map(|(x, m)| x * m).sum();
            if overlap <= 0.0 {
                return Err(TableError::Impossible);
            }
            row.iter_mut().for_each(|x| *x /= overlap);
            at += card;
        }
        let cards: Vec<usize> = table.axes.iter().map(|&a| free.cards[a as usize]).collect();
        room.fresh.resize(at, 0.0);
        super::sums::all_but_one::<false>(&table.cells, &cards, &room.incoming, &mut room.fresh, &mut room.scratch);
        let sum: f64 = room.fresh[..cards[0]].iter().zip(&room.incoming).map(|(x, w)| x * w).sum();
        total += sum.ln();
    }
    Ok(total)
}

/// ln Σ_x w(x) Π m(x) of one axis; `product` is that sum's terms up to a factor.
fn log_weight(graph: &Graph, messages: &Messages, axis: usize, product: &[f64]) -> f64 {
    let top = (0..product.len()).max_by(|&a, &b| product[a].total_cmp(&product[b])).unwrap_or(0);
    let sum: f64 = product.iter().map(|x| x / product[top]).sum();
    let mut log = sum.ln() + graph.free.unary[axis][top].ln();
    for from in graph.inbox(axis) {
        log += messages.values[from + top].ln();
    }
    log
}

/// A joint state from maxima: axes one by one, each given those before it, so that ties are broken alike everywhere; then single
/// changes for as long as they help.
fn decode(graph: &Graph, messages: &Messages) -> Result<Vec<usize>, TableError> {
    let free = graph.free;
    let mut states = vec![usize::MAX; free.len()];
    let mut order: Vec<usize> = Vec::with_capacity(free.len());
    let mut seen = vec![false; free.len()];
    let tables = graph.order.iter().flat_map(|&t| free.tables[t].axes.iter().map(|&a| a as usize));
    for axis in tables.chain(0..free.len()) {
        if !std::mem::replace(&mut seen[axis], true) {
            order.push(axis);
        }
    }
    let mut room = Room::default();
    for axis in order {
        let mut log: Vec<f64> = free.unary[axis].iter().map(|w| w.ln()).collect();
        for &(t, k) in &free.having[axis] {
            let table = &free.tables[t as usize];
            let v = graph.visit[t as usize];
            graph.gather(messages, v, &mut room)?;
            let cards: Vec<usize> = table.axes.iter().map(|&a| free.cards[a as usize]).collect();
            let (mut at, mut own) = (0, 0);
            for (i, &a) in table.axes.iter().enumerate() {
                if i == k as usize {
                    own = at;
                } else if states[a as usize] != usize::MAX {
                    // What is settled counts, and what it would have been does not.
                    let row = &mut room.incoming[at..at + cards[i]];
                    row.fill(0.0);
                    row[states[a as usize]] = 1.0;
                }
                at += cards[i];
            }
            room.fresh.resize(at, 0.0);
            let Room { scratch, incoming, fresh } = &mut room;
            super::sums::all_but_one::<true>(&table.cells, &cards, incoming, fresh, scratch);
            log.iter_mut().zip(&fresh[own..]).for_each(|(l, m)| *l += m.ln());
        }
        states[axis] = (0..log.len()).rev().max_by(|&a, &b| log[a].total_cmp(&log[b])).unwrap_or(0);
    }
    climb(free, &mut states);
    Ok(states)
}

/// Single changes for as long as one makes the product larger (iterated conditional modes; Besag 1986).
fn climb(free: &Free, states: &mut [usize]) {
    for _ in 0..100 {
        let mut moved = false;
        for axis in 0..free.len() {
            let log = free.conditional(states, axis);
            let best = (0..log.len()).rev().max_by(|&a, &b| log[a].total_cmp(&log[b])).unwrap_or(0);
            if log[best] > log[states[axis]] + 1e-12 {
                states[axis] = best;
                moved = true;
            }
        }
        if !moved {
            return;
        }
    }
}
