//! Messages from tables to axes, and what an axis tells a table: the product of its weights and all other tables' messages.
//!
//! Messages are normalised to sum to one and stand in one row in the order in which tables are visited. An entry is zero only where
//! zeros of the tables leave a state no support, however small the numbers; a row of zeros then proves that no joint state has
//! weight. At an axis of many tables the products are kept as sums of logarithms, so that leaving one out costs the same for any
//! number of them.

use super::free::Free;
use super::sums::{Scratch, all_but, all_but_one, join};
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
    /// Axes breadth first.
    pub axes: Vec<usize>,
    /// Sizes of the axes of each visit.
    cards: Vec<Vec<usize>>,
    /// Weights of all axes in one row.
    unary: Vec<f64>,
    /// The links of each axis start here.
    bounds: Vec<usize>,
    /// Where the message of each link starts.
    inbox: Vec<u32>,
    links: Vec<Link>,
    /// Cells of tables of two axes, as each of the two sees them: the other axis fastest.
    cells: Vec<f64>,
}

/// An axis in a table.
#[derive(Clone, Copy)]
struct Link {
    visit: u32,
    /// Where the axis stands in the table.
    place: u32,
    /// The least and the greatest place of the table's axes in the order of axes, this one left out.
    others: [u32; 2],
    /// Of a table of two axes: the other axis, where its message starts, and the cells; else none.
    pair: Option<(u32, u32, u32)>,
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

/// Axes and tables breadth first from an outermost axis: on a tree one pass back and one there are all it takes.
fn breadth_first(free: &Free) -> (Vec<usize>, Vec<usize>) {
    let n = free.len();
    let (mut axes, mut order) = (Vec::with_capacity(n), Vec::with_capacity(free.tables.len()));
    let mut seen_axis = vec![false; n];
    let mut seen_table = vec![false; free.tables.len()];
    // An axis of fewest tables is outermost; of those, the first.
    let mut roots: Vec<usize> = (0..n).collect();
    roots.sort_by_key(|&a| (free.having[a].len(), a));
    for root in roots {
        if std::mem::replace(&mut seen_axis[root], true) {
            continue;
        }
        let mut next = axes.len();
        axes.push(root);
        while let Some(&a) = axes.get(next) {
            next += 1;
            for &(t, _) in &free.having[a] {
                let t = t as usize;
                if std::mem::replace(&mut seen_table[t], true) {
                    continue;
                }
                order.push(t);
                for &b in &free.tables[t].axes {
                    if !std::mem::replace(&mut seen_axis[b as usize], true) {
                        axes.push(b as usize);
                    }
                }
            }
        }
    }
    (axes, order)
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

/// Normalises a message and mixes it with the old one; gives the largest change of an entry.
#[inline(always)]
fn finish(new: &mut [f64], old: &[f64], damping: f64) -> Result<f64, TableError> {
    if let ([a, b], &[c, d]) = (&mut *new, old)
        && damping == 0.0
        && *a > SMALL
        && *b > SMALL
    {
        // The loops below for two states, which are by far the most frequent.
        let inverse = 1.0 / (*a + *b);
        (*a, *b) = ((*a * inverse).max(LEAST), (*b * inverse).max(LEAST));
        return Ok((*a - c).abs().max((*b - d).abs()));
    }
    if !normalise(new) {
        return Err(TableError::Impossible);
    }
    if damping > 0.0 {
        let mix = |(new, old): (&mut f64, &f64)| *new = old.powf(damping) * new.powf(1.0 - damping);
        new.iter_mut().zip(old).for_each(mix);
        if !normalise(new) {
            return Err(TableError::Impossible);
        }
    }
    let mut change = 0.0f64;
    for (x, y) in new.iter_mut().zip(old) {
        if *x < LEAST && *x > 0.0 {
            *x = LEAST;
        }
        change = change.max((*x - y).abs());
    }
    Ok(change)
}

impl<'a> Graph<'a> {
    pub fn new(free: &'a Free) -> Self {
        let (axes, order) = breadth_first(free);
        let mut place = vec![0u32; free.len()];
        axes.iter().enumerate().for_each(|(i, &a)| place[a] = i as u32);
        let mut visit = vec![0; order.len()];
        let mut rows = vec![0];
        let mut cards = Vec::with_capacity(order.len());
        for (i, &t) in order.iter().enumerate() {
            visit[t] = i;
            let own: Vec<usize> = free.tables[t].axes.iter().map(|&a| free.cards[a as usize]).collect();
            rows.push(rows[i] + own.iter().sum::<usize>());
            cards.push(own);
        }
        let mut graph = Self {
            free,
            order,
            visit,
            rows,
            axes,
            cards,
            unary: free.unary.concat(),
            bounds: vec![0],
            inbox: Vec::new(),
            links: Vec::new(),
            cells: Vec::new(),
        };
        for axis in 0..free.len() {
            for &(t, k) in &free.having[axis] {
                graph.link(axis, t as usize, k as usize, &place);
            }
            graph.bounds.push(graph.links.len());
        }
        graph
    }

    fn link(&mut self, axis: usize, t: usize, k: usize, place: &[u32]) {
        let table = &self.free.tables[t];
        let v = self.visit[t];
        let row = |j: usize| (self.rows[v] + self.cards[v][..j].iter().sum::<usize>()) as u32;
        let others = table.axes.iter().filter(|&&a| a as usize != axis).map(|&a| place[a as usize]);
        let others = others.fold([u32::MAX, 0], |[low, high], p| [low.min(p), high.max(p)]);
        let from = row(k);
        let pair = match table.axes[..] {
            [_, _] => {
                let (own, other) = (self.cards[v][k], self.cards[v][1 - k]);
                let start = self.cells.len() as u32;
                for x in 0..own {
                    for y in 0..other {
                        self.cells.push(table.cells[if k == 0 { x * other + y } else { y * own + x }]);
                    }
                }
                Some((table.axes[1 - k], row(1 - k), start))
            }
            _ => None,
        };
        self.inbox.push(from);
        self.links.push(Link { visit: v as u32, place: k as u32, others, pair });
    }

    /// Where the messages to an axis start.
    pub fn inbox(&self, axis: usize) -> impl Iterator<Item = usize> + '_ {
        self.inbox[self.bounds[axis]..self.bounds[axis + 1]].iter().map(|&from| from as usize)
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
        for axis in (0..self.free.len()).filter(|&a| self.bounds[a + 1] - self.bounds[a] >= HUB) {
            let card = self.free.cards[axis];
            let (mut logs, mut zeros) = (vec![0.0; card], vec![0u32; card]);
            for from in self.inbox(axis) {
                for s in 0..card {
                    match messages.values[from + s] {
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
        let weights = &self.unary[self.free.starts[axis]..self.free.starts[axis + 1]];
        let least = if let ([a, b], [w, v]) = (&mut *out, weights) {
            (*a, *b) = (*w, *v);
            for from in self.inbox(axis) {
                if from != but {
                    *a *= messages.values[from];
                    *b *= messages.values[from + 1];
                }
            }
            a.min(*b)
        } else {
            out.copy_from_slice(weights);
            for from in self.inbox(axis) {
                if from != but {
                    out.iter_mut().zip(&messages.values[from..]).for_each(|(o, m)| *o *= m);
                }
            }
            out.iter().copied().fold(f64::INFINITY, f64::min)
        };
        if least < SMALL {
            return self.in_logs(messages, axis, but, out);
        }
        true
    }

    /// The same without a number below the range.
    fn in_logs(&self, messages: &Messages, axis: usize, but: usize, out: &mut [f64]) -> bool {
        for (s, o) in out.iter_mut().enumerate() {
            let mut log = self.free.unary[axis][s].ln();
            match &messages.hubs[axis] {
                Some((logs, zeros)) => {
                    let left_out = (but != usize::MAX).then(|| messages.values[but + s]);
                    let zeros = zeros[s] - u32::from(left_out == Some(0.0));
                    log += if zeros > 0 { f64::NEG_INFINITY } else { logs[s] };
                    log -= left_out.filter(|&m| m > 0.0).map_or(0.0, f64::ln);
                }
                None => {
                    for from in self.inbox(axis).filter(|&f| f != but) {
                        log += messages.values[from + s].ln();
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
            change = change.max(finish(&mut fresh[at..at + card], &old[at..at + card], damping)?);
            at += card;
        }
        Ok(change)
    }

    /// Renews the messages to an axis from tables that have an axis before it (behind it, going back); gives the largest change.
    #[inline]
    pub fn pull<const LARGEST: bool>(
        &self,
        messages: &mut Messages,
        at: usize,
        back: bool,
        damping: f64,
        room: &mut Room,
    ) -> Result<f64, TableError> {
        let axis = self.axes[at];
        let card = self.free.cards[axis];
        let mut change = 0.0f64;
        for i in self.bounds[axis]..self.bounds[axis + 1] {
            let link = &self.links[i];
            let comes = if back { link.others[1] as usize > at } else { (link.others[0] as usize) < at };
            if !comes {
                continue;
            }
            let from = self.inbox[i] as usize;
            let Room { incoming, fresh, .. } = &mut *room;
            fresh.resize(card, 0.0);
            match link.pair {
                Some((other, row, start)) => {
                    let (other, row) = (other as usize, row as usize);
                    incoming.resize(self.free.cards[other], 0.0);
                    if !self.product(messages, other, row, incoming) {
                        return Err(TableError::Impossible);
                    }
                    let cells = &self.cells[start as usize..start as usize + card * incoming.len()];
                    if let ([x, y], [w, v], &[a, b, c, d]) = (&mut fresh[..], &incoming[..], cells) {
                        *x = join::<LARGEST>(a * w, b * v);
                        *y = join::<LARGEST>(c * w, d * v);
                    } else {
                        for (x, run) in fresh.iter_mut().zip(cells.chunks_exact(incoming.len())) {
                            *x = run.iter().zip(&*incoming).map(|(c, w)| c * w).fold(0.0, join::<LARGEST>);
                        }
                    }
                }
                None => {
                    let v = link.visit as usize;
                    self.gather(messages, v, room)?;
                    let Room { scratch, incoming, fresh } = room;
                    let cards = &self.cards[v];
                    let weight = |j: usize| {
                        let from: usize = cards[..j].iter().sum();
                        &incoming[from..from + cards[j]]
                    };
                    let cells = &self.free.tables[self.order[v]].cells;
                    all_but::<LARGEST>(cells, cards, link.place as usize, weight, fresh, scratch);
                }
            }
            let fresh = &mut room.fresh[..card];
            change = change.max(finish(fresh, &messages.values[from..from + card], damping)?);
            self.put(messages, axis, from, fresh);
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
