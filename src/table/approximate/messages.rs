//! Messages from tables to axes, and what an axis tells a table: the product of its weights and all other tables' messages.
//!
//! Messages are normalised to sum to one and stand in one row in the order in which tables are visited. An entry is zero only where
//! zeros of the tables leave a state no support, however small the numbers; a row of zeros then proves that no joint state has
//! weight. At an axis of many tables the products are kept as sums of logarithms, so that leaving one out costs the same for any
//! number of them.

use super::free::Free;
use super::sums::{Scratch, all_but_one};
use crate::table::TableError;

/// From this many tables on an axis keeps sums of logarithms.
const HUB: usize = 12;
/// What a positive entry of a message is at least.
const LEAST: f64 = 1e-100;
/// Products below this are made again in logarithms.
const SMALL: f64 = 1e-200;

/// Where messages lie; the tables in the order of visits.
pub(super) struct Graph<'a> {
    pub free: &'a Free,
    /// The table of each visit.
    pub order: Vec<usize>,
    /// The visit of each table.
    pub visit: Vec<usize>,
    /// Where the row of each visit starts; the total last.
    pub rows: Vec<usize>,
    /// Sizes of the axes of each visit, and the axes.
    cards: Vec<Vec<usize>>,
    /// For each axis, where the messages it receives start.
    inbox: Vec<Vec<u32>>,
}

/// The messages of one moment.
pub(super) struct Messages {
    pub values: Vec<f64>,
    /// For hubs: sums of logarithms of nonzero entries, and how many are zero.
    hubs: Vec<Option<(Vec<f64>, Vec<u32>)>>,
}

/// Room for one visit.
#[derive(Clone, Default)]
pub(super) struct Room {
    pub scratch: Scratch,
    pub incoming: Vec<f64>,
    pub fresh: Vec<f64>,
}

/// Tables breadth first from an outermost one: on a tree one pass there and one back are all it takes.
fn breadth_first(free: &Free) -> Vec<usize> {
    let n = free.len();
    let mut order = Vec::with_capacity(free.tables.len());
    let mut seen_axis = vec![false; n];
    let mut seen_table = vec![false; free.tables.len()];
    // An axis of fewest tables is outermost; of those, the first.
    let mut roots: Vec<usize> = (0..n).collect();
    roots.sort_by_key(|&a| (free.having[a].len(), a));
    let mut queue = std::collections::VecDeque::new();
    for root in roots {
        if !std::mem::replace(&mut seen_axis[root], true) {
            queue.push_back(root);
        }
        while let Some(a) = queue.pop_front() {
            for &(t, _) in &free.having[a] {
                let t = t as usize;
                if std::mem::replace(&mut seen_table[t], true) {
                    continue;
                }
                order.push(t);
                for &b in &free.tables[t].axes {
                    if !std::mem::replace(&mut seen_axis[b as usize], true) {
                        queue.push_back(b as usize);
                    }
                }
            }
        }
    }
    order
}

/// Divides by the sum; false where there is none.
#[inline(always)]
pub(super) fn normalise(row: &mut [f64]) -> bool {
    let total: f64 = row.iter().sum();
    if total > SMALL {
        let inverse = 1.0 / total;
        row.iter_mut().for_each(|x| *x *= inverse);
        return true;
    }
    let top = row.iter().copied().fold(0.0, f64::max);
    if top <= 0.0 {
        return false;
    }
    row.iter_mut().for_each(|x| *x /= top);
    let total: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= total);
    true
}

impl<'a> Graph<'a> {
    pub fn new(free: &'a Free) -> Self {
        let order = breadth_first(free);
        let mut visit = vec![0; order.len()];
        let mut rows = vec![0];
        let mut cards = Vec::with_capacity(order.len());
        let mut inbox: Vec<Vec<u32>> = vec![Vec::new(); free.len()];
        for (i, &t) in order.iter().enumerate() {
            visit[t] = i;
            let own: Vec<usize> = free.tables[t].axes.iter().map(|&a| free.cards[a as usize]).collect();
            let mut at = rows[i];
            for (&a, card) in free.tables[t].axes.iter().zip(&own) {
                inbox[a as usize].push(at as u32);
                at += card;
            }
            rows.push(at);
            cards.push(own);
        }
        Self { free, order, visit, rows, cards, inbox }
    }

    /// Where the messages to an axis start.
    pub fn inbox(&self, axis: usize) -> impl Iterator<Item = usize> + '_ {
        self.inbox[axis].iter().map(|&from| from as usize)
    }

    /// Messages that say nothing.
    pub fn uniform(&self) -> Messages {
        let mut values = Vec::with_capacity(self.rows[self.order.len()]);
        for cards in &self.cards {
            cards.iter().for_each(|&c| values.extend(std::iter::repeat_n(1.0 / c as f64, c)));
        }
        let mut messages = Messages { values, hubs: vec![None; self.free.len()] };
        self.refresh(&mut messages);
        messages
    }

    /// Sums of logarithms anew, against drift.
    pub fn refresh(&self, messages: &mut Messages) {
        for (axis, inbox) in self.inbox.iter().enumerate().filter(|(_, inbox)| inbox.len() >= HUB) {
            let card = self.free.cards[axis];
            let (mut logs, mut zeros) = (vec![0.0; card], vec![0u32; card]);
            for &from in inbox {
                for s in 0..card {
                    match messages.values[from as usize + s] {
                        0.0 => zeros[s] += 1,
                        x => logs[s] += x.ln(),
                    }
                }
            }
            messages.hubs[axis] = Some((logs, zeros));
        }
    }

    /// Puts a new message in the place of one at `at` to `axis`.
    #[inline]
    pub fn put(&self, messages: &mut Messages, axis: usize, at: usize, new: &[f64]) {
        let old = &mut messages.values[at..at + new.len()];
        if let Some((logs, zeros)) = &mut messages.hubs[axis] {
            for (s, (&mut a, &b)) in old.iter_mut().zip(new).enumerate() {
                match a {
                    0.0 => zeros[s] -= 1,
                    a => logs[s] -= a.ln(),
                }
                match b {
                    0.0 => zeros[s] += 1,
                    b => logs[s] += b.ln(),
                }
            }
        }
        old.copy_from_slice(new);
    }

    /// The product of an axis's weights and of the messages to it but the one at `but` (all, if that is none's place), the
    /// largest entry near one. False where it is zero.
    #[inline]
    pub fn product(&self, messages: &Messages, axis: usize, but: usize, out: &mut [f64]) -> bool {
        if messages.hubs[axis].is_some() {
            return self.in_logs(messages, axis, but, out);
        }
        out.copy_from_slice(&self.free.unary[axis]);
        let card = out.len();
        for &from in &self.inbox[axis] {
            let from = from as usize;
            if from != but {
                for (o, m) in out.iter_mut().zip(&messages.values[from..from + card]) {
                    *o *= m;
                }
            }
        }
        let least = out.iter().copied().fold(f64::INFINITY, f64::min);
        if least < SMALL {
            return self.in_logs(messages, axis, but, out);
        }
        true
    }

    /// The same without a number below the range.
    fn in_logs(&self, messages: &Messages, axis: usize, but: usize, out: &mut [f64]) -> bool {
        let card = out.len();
        for (s, o) in out.iter_mut().enumerate() {
            let mut log = self.free.unary[axis][s].ln();
            match &messages.hubs[axis] {
                Some((logs, zeros)) => {
                    let left_out = messages.values.get(but..but + card).map(|m| m[s]).filter(|_| but != usize::MAX);
                    let zeros = zeros[s] - u32::from(left_out == Some(0.0));
                    log += if zeros > 0 { f64::NEG_INFINITY } else { logs[s] };
                    log -= left_out.filter(|&m| m > 0.0).map_or(0.0, f64::ln);
                }
                None => {
                    for &from in self.inbox[axis].iter().filter(|&&f| f as usize != but) {
                        log += messages.values[from as usize + s].ln();
                    }
                }
            }
            *o = log;
        }
        let top = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            out.fill(0.0);
            return false;
        }
        out.iter_mut().for_each(|x| *x = if *x == f64::NEG_INFINITY { 0.0 } else { (*x - top).exp().max(LEAST) });
        true
    }

    /// Gathers what the axes of a visit tell its table.
    #[inline]
    pub fn gather(&self, messages: &Messages, v: usize, room: &mut Room) -> Result<(), TableError> {
        let (from, to) = (self.rows[v], self.rows[v + 1]);
        room.incoming.resize(to - from, 0.0);
        let mut at = 0;
        for &axis in &self.free.tables[self.order[v]].axes {
            let axis = axis as usize;
            let card = self.free.cards[axis];
            if !self.product(messages, axis, from + at, &mut room.incoming[at..at + card]) {
                return Err(TableError::Impossible);
            }
            at += card;
        }
        Ok(())
    }

    /// What a visit would send now, into `room.fresh`; gives the largest change of an entry. Messages are mixed with the old ones
    /// in logarithms, `damping` of the old.
    #[inline]
    pub fn send<const LARGEST: bool>(
        &self,
        messages: &Messages,
        v: usize,
        damping: f64,
        room: &mut Room,
    ) -> Result<f64, TableError> {
        self.gather(messages, v, room)?;
        let cards = &self.cards[v];
        let Room { scratch, incoming, fresh } = room;
        fresh.resize(incoming.len(), 0.0);
        all_but_one::<LARGEST>(&self.free.tables[self.order[v]].cells, cards, incoming, fresh, scratch);
        let old = &messages.values[self.rows[v]..self.rows[v + 1]];
        let (mut change, mut at) = (0.0f64, 0);
        for &card in cards {
            let new = &mut fresh[at..at + card];
            if !normalise(new) {
                return Err(TableError::Impossible);
            }
            let old = &old[at..at + card];
            if damping > 0.0 {
                let mix = |(new, old): (&mut f64, &f64)| *new = (*old).powf(damping) * new.powf(1.0 - damping);
                new.iter_mut().zip(old).for_each(mix);
                if !normalise(new) {
                    return Err(TableError::Impossible);
                }
            }
            for (x, y) in new.iter_mut().zip(old) {
                if *x < LEAST && *x > 0.0 {
                    *x = LEAST;
                }
                change = change.max((*x - y).abs());
            }
            at += card;
        }
        Ok(change)
    }

    /// Puts what [`Graph::send`] made in place.
    #[inline]
    pub fn commit(&self, messages: &mut Messages, v: usize, fresh: &[f64]) {
        let mut at = 0;
        for &axis in &self.free.tables[self.order[v]].axes {
            let card = self.free.cards[axis as usize];
            self.put(messages, axis as usize, self.rows[v] + at, &fresh[at..at + card]);
            at += card;
        }
    }

    /// The normalised belief of every axis, in one row.
    pub fn beliefs(&self, messages: &Messages) -> Result<Vec<f64>, TableError> {
        let mut row = vec![0.0; self.free.starts[self.free.len()]];
        for axis in 0..self.free.len() {
            let out = &mut row[self.free.starts[axis]..self.free.starts[axis + 1]];
            if !self.product(messages, axis, usize::MAX, out) || !normalise(out) {
                return Err(TableError::Impossible);
            }
        }
        Ok(row)
    }
}
