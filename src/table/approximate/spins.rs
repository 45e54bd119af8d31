//! Chains over axes of two states, 64 axes a word: for tables of two axes whose neighbourhoods are of few kinds.
//!
//! In: a product and its colours. Out: words in which axes of one colour and kind stand together, and for each word where its
//! neighbours stand, as runs of neighbouring bits; or nothing, where the structure is another one and axes are better drawn one by
//! one. What decides is that axes have two states, tables two axes and no zeros, that few different neighbourhoods occur, and that
//! neighbours of neighbouring bits are neighbouring bits for the most part, as they are on lattices.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::free::Free;
use crate::base::stream::Draws;
use crate::kernel::bits::{Groups, Kind, MOST_SLOTS, Piece, WIDE, tally};

/// Fewer axes are not worth it.
const LEAST: usize = 2048;
/// Runs that a word may have on average, all its slots together.
const MOST_RUNS: usize = 24;
/// Bits of a group.
const GROUP: usize = 64 * WIDE;
/// Groups of one task.
const TASK: usize = 512;
/// Digits of the counters between two readings.
const DIGITS: usize = 8;

/// Axes in words.
pub(super) struct Spins {
    groups: Groups,
    /// The groups of each colour.
    colours: Vec<Range<usize>>,
    /// The bit of each axis.
    place: Vec<u32>,
}

/// A chain's bits, and how often each was set.
pub(super) struct Bits {
    words: Vec<u64>,
    fresh: Vec<u64>,
    planes: Vec<Vec<u64>>,
    waiting: u32,
}

/// What an axis is like for those around it: its weights, and its tables seen from it, as bits.
type Shape = (Vec<u64>, Vec<[u64; 4]>);

/// The neighbours of an axis, those with equal tables together, and what it is like.
fn around(free: &Free, axis: usize) -> (Shape, Vec<u32>) {
    let mut links: Vec<([u64; 4], u32)> = free.having[axis]
        .iter()
        .map(|&(t, k)| {
            let table = &free.tables[t as usize];
            let c: Vec<u64> = table.cells.iter().map(|x| x.to_bits()).collect();
            let seen = if k == 0 { [c[0], c[1], c[2], c[3]] } else { [c[0], c[2], c[1], c[3]] };
            (seen, table.axes[1 - k as usize])
        })
        .collect();
    links.sort_unstable();
    let weights = free.unary[axis].iter().map(|w| w.to_bits()).collect();
    let (tables, near): (Vec<[u64; 4]>, Vec<u32>) = links.into_iter().unzip();
    ((weights, tables), near)
}

/// The numbers of equal neighbours in a row.
fn classes(tables: &[[u64; 4]]) -> Vec<usize> {
    tables.chunk_by(|a, b| a == b).map(<[_]>::len).collect()
}

/// The kind of a shape: the probability of state one by how many neighbours of each class are in it.
fn kind((weights, tables): &Shape) -> Option<Kind> {
    let classes = classes(tables);
    let cases = classes.iter().try_fold(1usize, |n, c| n.checked_mul(c + 1)).filter(|n| *n <= 64)?;
    let distinct: Vec<[f64; 4]> = tables.chunk_by(|a, b| a == b).map(|run| run[0].map(f64::from_bits)).collect();
    let log = |bits: u64| f64::from_bits(bits).ln();
    let probabilities: Vec<f64> = (0..cases)
        .map(|case| {
            let mut odds = log(weights[1]) - log(weights[0]);
            let mut rest = case;
            for (&n, cells) in classes.iter().zip(&distinct) {
                let set = (rest % (n + 1)) as f64;
                rest /= n + 1;
                let [a, b, c, d] = cells.map(f64::ln);
                odds += (n as f64 - set) * (c - a) + set * (d - b);
            }
            1.0 / (1.0 + (-odds).exp())
        })
        .collect();
    Kind::new(classes, &probabilities)
}

impl Spins {
    /// Words for the axes of each colour; none where this does not fit.
    pub fn new(free: &Free, colours: &[Vec<usize>]) -> Option<Self> {
        let fits = free.len() >= LEAST
            && free.cards.iter().all(|&c| c == 2)
            && free.tables.iter().all(|t| t.axes.len() == 2 && !t.has_zeros())
            && free.having.iter().all(|h| h.len() <= MOST_SLOTS);
        if !fits {
            return None;
        }
        let mut shapes: BTreeMap<Shape, usize> = BTreeMap::new();
        let mut near = Vec::with_capacity(free.len());
        let mut of = Vec::with_capacity(free.len());
        let most = free.len() / GROUP + 1;
        for axis in 0..free.len() {
            let (shape, own) = around(free, axis);
            let next = shapes.len();
            of.push(*shapes.entry(shape).or_insert(next));
            near.push(own);
            if shapes.len() > most {
                return None;
            }
        }
        let mut kinds = vec![None; shapes.len()];
        let mut parts = vec![Vec::new(); shapes.len()];
        for (shape, &number) in &shapes {
            kinds[number] = kind(shape);
            parts[number] = classes(&shape.1);
        }
        let kinds: Vec<Kind> = kinds.into_iter().collect::<Option<_>>()?;
        // Axes in the order of their bits: by colour, kind and number, each kind up to a whole group.
        let mut order: Vec<Option<usize>> = Vec::new();
        let mut ranges = Vec::new();
        for colour in colours {
            let from = order.len() / GROUP;
            let mut axes = colour.clone();
            axes.sort_unstable_by_key(|&a| (of[a], a));
            for run in axes.chunk_by(|&a, &b| of[a] == of[b]) {
                order.extend(run.iter().map(|&a| Some(a)));
                order.resize(order.len().next_multiple_of(GROUP), None);
            }
            ranges.push(from..order.len() / GROUP);
        }
        if order.len() > 2 * free.len() + 8 * GROUP || order.len() > u32::MAX as usize / 2 {
            return None;
        }
        let mut place = vec![0u32; free.len()];
        for (bit, axis) in order.iter().enumerate() {
            if let Some(axis) = axis {
                place[*axis] = bit as u32;
            }
        }
        let mut groups = Groups::new(kinds);
        let mut runs = 0;
        for bits in order.chunks(GROUP) {
            let kind = bits.iter().flatten().next().map(|&a| of[a])?;
            let mut pieces = Vec::new();
            for (word, bits) in bits.chunks(64).enumerate() {
                pieces_of(bits, &near, &place, &parts[kind], word as u8, &mut pieces);
            }
            runs += pieces.len();
            if !groups.push(kind, &pieces) {
                return None;
            }
        }
        (runs <= MOST_RUNS * order.len() / 64).then_some(Self { groups, colours: ranges, place })
    }

    /// A chain's bits at a joint state.
    pub fn bits(&self, x: &[u32]) -> Bits {
        let mut words = vec![0u64; self.groups.words().max(self.groups.len() * WIDE + 1)];
        for (&bit, &x) in self.place.iter().zip(x) {
            words[bit as usize / 64] |= u64::from(x & 1) << (bit % 64);
        }
        let wide = self.colours.iter().map(|c| c.len()).max().unwrap_or(0) * WIDE;
        let planes = vec![vec![0; self.groups.len() * WIDE]; DIGITS];
        Bits { words, fresh: vec![0; wide], planes, waiting: 0 }
    }

    /// One sweep.
    pub fn sweep(&self, bits: &mut Bits, draws: &Draws) {
        for colour in &self.colours {
            let Bits { words, fresh, .. } = bits;
            let fresh = &mut fresh[..colour.len() * WIDE];
            match colour.len() > 2 * TASK {
                true => fresh.par_chunks_mut(TASK * WIDE).enumerate().for_each(|(i, out)| {
                    self.groups.redraw(colour.start + i * TASK, words, draws, out);
                }),
                false => self.groups.redraw(colour.start, words, draws, fresh),
            }
            words[colour.start * WIDE..colour.end * WIDE].copy_from_slice(fresh);
        }
    }

    /// Counts the bits that are set; true once the counts must be handed over before the next.
    pub fn count(&self, bits: &mut Bits) -> bool {
        tally(&mut bits.planes, &bits.words[..self.groups.len() * WIDE]);
        bits.waiting += 1;
        bits.waiting + 1 == 1 << DIGITS
    }

    /// Calls `each` with every axis, how often it was not set since the last time, and how often it was.
    pub fn hand_over(&self, bits: &mut Bits, mut each: impl FnMut(usize, [u32; 2])) {
        for (axis, &bit) in self.place.iter().enumerate() {
            let (word, at) = (bit as usize / 64, bit % 64);
            let digits = bits.planes.iter().enumerate();
            let set: u32 = digits.map(|(d, plane)| ((plane[word] >> at & 1) as u32) << d).sum();
            each(axis, [bits.waiting - set, set]);
        }
        bits.planes.iter_mut().for_each(|p| p.fill(0));
        bits.waiting = 0;
    }

    /// The state of each axis.
    pub fn states(&self, bits: &Bits, x: &mut [u32]) {
        for (x, &bit) in x.iter_mut().zip(&self.place) {
            *x = (bits.words[bit as usize / 64] >> (bit % 64) & 1) as u32;
        }
    }
}

/// Where the neighbours of a word's bits stand. Within a class any neighbour may take any slot: each goes on where the bit before
/// left off if it can, so that runs are long.
fn pieces_of(
    bits: &[Option<usize>],
    near: &[Vec<u32>],
    place: &[u32],
    classes: &[usize],
    word: u8,
    pieces: &mut Vec<Piece>,
) {
    let slots: usize = classes.iter().sum();
    let mut last = vec![u32::MAX; slots];
    let mut open: Vec<Option<usize>> = vec![None; slots];
    for (i, axis) in bits.iter().enumerate() {
        let Some(axis) = *axis else { continue };
        let mut first = 0;
        for &n in classes {
            let mut own: Vec<u32> = near[axis][first..first + n].iter().map(|&a| place[a as usize]).collect();
            own.sort_unstable();
            let mut given = vec![u32::MAX; n];
            for s in 0..n {
                if let Some(at) = own.iter().position(|&p| last[first + s] != u32::MAX && p == last[first + s] + 1) {
                    given[s] = own.remove(at);
                }
            }
            for (s, given) in given.iter_mut().enumerate() {
                let goes_on = *given != u32::MAX;
                if !goes_on {
                    *given = own.remove(0);
                }
                let slot = first + s;
                last[slot] = *given;
                match open[slot].filter(|_| goes_on) {
                    Some(piece) => pieces[piece].mask = pieces[piece].mask << 1 | 1,
                    None => {
                        open[slot] = Some(pieces.len());
                        pieces.push(Piece { from: *given, word, slot: slot as u8, to: i as u8, mask: 1 });
                    }
                }
            }
            first += n;
        }
    }
}
