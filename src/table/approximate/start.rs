//! Joint states of positive weight to start from.
//!
//! In: a product and a number that tells starts apart. Out: a joint state that no table forbids. Axes are settled one by one, each
//! state drawn in proportion to belief propagation's marginal among the states that still have support; what a choice rules out
//! elsewhere is taken away at once (arc consistency), and a choice that leaves an axis nothing is taken back. Where that does not
//! end soon, single changes repair a state by fewest forbidden tables (Minton et al. 1992; Selman, Kautz and Cohen 1994).

use super::free::Free;
use super::messages::Graph;
use super::{ApproximationError, LoopyBp, Schedule};
use crate::base::stream::Stream;
use crate::table::TableError;

/// How often a choice may be taken back in one try.
const MOST_BACK: usize = 2000;
/// Tries from other orders.
const TRIES: usize = 8;
/// Changes of one repair, for each axis.
const REPAIRS: usize = 200;

/// What guides starts, made once for all of them.
pub(super) struct Starter<'a> {
    free: &'a Free,
    /// Weights of states, in one row.
    beliefs: Vec<f64>,
    strict: Vec<bool>,
}

impl<'a> Starter<'a> {
    /// # Errors
    /// [`TableError::Impossible`] where zeros leave no joint state.
    pub fn new(free: &'a Free) -> Result<Self, TableError> {
        let strict: Vec<bool> = free.tables.iter().map(|t| t.has_zeros()).collect();
        let rounds = if strict.contains(&true) { 20 } else { 3 };
        let guide = LoopyBp { schedule: Schedule::Sequential, rounds, damping: 0.1, ..LoopyBp::default() };
        let (beliefs, ..) = guide.settle(&Graph::new(free))?;
        Ok(Self { free, beliefs, strict })
    }

    /// The start of this number.
    ///
    /// # Errors
    /// [`ApproximationError::NoStart`].
    pub fn start(&self, seed: u64, number: u32) -> Result<Vec<usize>, ApproximationError> {
        let mut stream = Stream::new(seed, 0x7374, 0, number);
        for _ in 0..TRIES {
            if let Some(states) = self.build(&mut stream) {
                return Ok(states);
            }
        }
        for _ in 0..TRIES {
            if let Some(states) = self.repair(&mut stream) {
                return Ok(states);
            }
        }
        Err(ApproximationError::NoStart { tries: 2 * TRIES })
    }

    fn weights(&self, axis: usize) -> &[f64] {
        &self.beliefs[self.free.starts[axis]..self.free.starts[axis + 1]]
    }

    fn build(&self, stream: &mut Stream) -> Option<Vec<usize>> {
        let free = self.free;
        let mut order: Vec<usize> = (0..free.len()).collect();
        stream.shuffle(&mut order);
        if self.strict.contains(&true) {
            // The surest first, nearly: they are the hardest to come by later.
            let sure = |a: &usize| self.weights(*a).iter().copied().fold(0.0, f64::max);
            let jitter: Vec<f64> = (0..free.len()).map(|_| 0.2 * stream.uniform()).collect();
            order.sort_by(|a, b| (sure(b) + jitter[*b]).total_cmp(&(sure(a) + jitter[*a])).then(a.cmp(b)));
        }
        let mut domains: Vec<bool> = self.beliefs.iter().map(|&b| b > 0.0).collect();
        let mut trail: Vec<usize> = Vec::new();
        // Each choice: its axis's place in the order, the state, and how long the trail was.
        let mut choices: Vec<(usize, usize, usize)> = Vec::new();
        let (mut at, mut back) = (0, 0);
        while at < order.len() {
            let axis = order[at];
            let start = free.starts[axis];
            let open: Vec<f64> =
                self.weights(axis).iter().zip(&domains[start..]).map(|(&w, &d)| if d { w } else { 0.0 }).collect();
            let total: f64 = open.iter().sum();
            let mark = trail.len();
            let mut chosen = open.iter().rposition(|&w| w > 0.0);
            let mut left = stream.uniform() * total;
            for (s, &w) in open.iter().enumerate() {
                left -= w;
                if w > 0.0 && left < 0.0 {
                    chosen = Some(s);
                    break;
                }
            }
            let holds = chosen.is_some_and(|chosen| {
                for s in 0..free.cards[axis] {
                    if s != chosen && std::mem::replace(&mut domains[start + s], false) {
                        trail.push(start + s);
                    }
                }
                self.propagate(axis, &mut domains, &mut trail)
            });
            if holds {
                choices.push((at, chosen?, mark));
                at += 1;
                continue;
            }
            back += 1;
            if back > MOST_BACK {
                return None;
            }
            trail.drain(mark..).for_each(|i| domains[i] = true);
            // This state is ruled out by the choices so far; if it was the last one, so is the latest choice.
            let mut out = chosen.map(|s| (axis, s));
            loop {
                if let Some((axis, s)) = out {
                    let i = free.starts[axis] + s;
                    domains[i] = false;
                    trail.push(i);
                    if domains[free.starts[axis]..free.starts[axis + 1]].contains(&true)
                        && self.propagate(axis, &mut domains, &mut trail)
                    {
                        break;
                    }
                }
                let (place, state, mark) = choices.pop()?;
                trail.drain(mark..).for_each(|i| domains[i] = true);
                at = place;
                out = Some((order[place], state));
            }
        }
        let mut states = vec![0; free.len()];
        for (axis, state) in states.iter_mut().enumerate() {
            *state = domains[free.starts[axis]..free.starts[axis + 1]].iter().position(|&d| d)?;
        }
        (free.score(&states) > f64::NEG_INFINITY).then_some(states)
    }

    /// Takes away what has lost its support since `axis` lost states; false if an axis has none left.
    fn propagate(&self, axis: usize, domains: &mut [bool], trail: &mut Vec<usize>) -> bool {
        let free = self.free;
        let mut todo = vec![axis];
        while let Some(axis) = todo.pop() {
            for &(t, _) in free.having[axis].iter().filter(|(t, _)| self.strict[*t as usize]) {
                let table = &free.tables[t as usize];
                let mut supported: Vec<Vec<bool>> =
                    table.axes.iter().map(|&a| vec![false; free.cards[a as usize]]).collect();
                let mut index = vec![0usize; table.axes.len()];
                for &cell in &table.cells {
                    let open = |(&a, &s): (&u32, &usize)| domains[free.starts[a as usize] + s];
                    if cell > 0.0 && table.axes.iter().zip(&index).all(open) {
                        supported.iter_mut().zip(&index).for_each(|(marks, &s)| marks[s] = true);
                    }
                    for i in (0..index.len()).rev() {
                        index[i] += 1;
                        if index[i] < supported[i].len() {
                            break;
                        }
                        index[i] = 0;
                    }
                }
                for (&a, marks) in table.axes.iter().zip(&supported) {
                    let start = free.starts[a as usize];
                    let mut lost = false;
                    for (s, &mark) in marks.iter().enumerate() {
                        if !mark && std::mem::replace(&mut domains[start + s], false) {
                            trail.push(start + s);
                            lost = true;
                        }
                    }
                    if !marks.contains(&true) {
                        return false;
                    }
                    if lost && !todo.contains(&(a as usize)) {
                        todo.push(a as usize);
                    }
                }
            }
        }
        true
    }

    /// From a random state by single changes of an axis in a forbidden table to where fewest are forbidden, now and then at random.
    fn repair(&self, stream: &mut Stream) -> Option<Vec<usize>> {
        let free = self.free;
        let mut states: Vec<usize> = (0..free.len())
            .map(|a| {
                let open: Vec<usize> = (0..free.cards[a]).filter(|&s| self.weights(a)[s] > 0.0).collect();
                open[stream.below(open.len() as u32) as usize]
            })
            .collect();
        let cell = |t: usize, states: &[usize]| {
            let table = &free.tables[t];
            table.cells[table.axes.iter().fold(0, |at, &a| at * free.cards[a as usize] + states[a as usize])]
        };
        let mut broken: Vec<usize> = (0..free.tables.len()).filter(|&t| cell(t, &states) == 0.0).collect();
        for _ in 0..REPAIRS * free.len() {
            if broken.is_empty() {
                return (free.score(&states) > f64::NEG_INFINITY).then_some(states);
            }
            let table = &free.tables[broken[stream.below(broken.len() as u32) as usize]];
            let mut best: Vec<(usize, usize)> = Vec::new();
            let mut fewest = usize::MAX;
            let random = stream.below(10) == 0;
            for &a in &table.axes {
                let a = a as usize;
                let now = states[a];
                for s in (0..free.cards[a]).filter(|&s| s != now && self.weights(a)[s] > 0.0) {
                    states[a] = s;
                    let count = match random {
                        true => 0,
                        false => free.having[a].iter().filter(|(t, _)| cell(*t as usize, &states) == 0.0).count(),
                    };
                    states[a] = now;
                    if count < fewest {
                        fewest = count;
                        best.clear();
                    }
                    if count == fewest {
                        best.push((a, s));
                    }
                }
            }
            let &(a, s) = best.get(stream.below(best.len() as u32) as usize)?;
            states[a] = s;
            broken.retain(|&t| cell(t, &states) == 0.0);
            for &(t, _) in &free.having[a] {
                if cell(t as usize, &states) == 0.0 && !broken.contains(&(t as usize)) {
                    broken.push(t as usize);
                }
            }
        }
        None
    }
}
