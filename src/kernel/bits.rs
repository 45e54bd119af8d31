//! Bits drawn with probabilities that depend on how many of some other bits are set, 512 at a time.
//!
//! In: words of bits, and for each group of eight words where the bits stand that each of its bits depends on. Out: the group's
//! words drawn anew. Counts are kept one binary digit a word; a bit is set where a uniform number, made digit by digit from random
//! words, is below the probability of its count, and no more digits are made once all 512 are settled (multi-spin coding; Creutz,
//! Jacobs and Rebbi 1979; Block, Virnau and Preis 2010). Probabilities and uniform numbers have 32 digits.

use super::random::sixteen_blocks;
use crate::base::stream::Draws;

/// Words of a group.
pub const WIDE: usize = 8;
/// Most bits that one bit may depend on.
pub const MOST_SLOTS: usize = 16;
/// Most cases of counts.
pub const MOST_CASES: usize = 32;
/// Binary digits of the largest count.
const DIGITS: usize = 5;

type Wide = [u64; WIDE];

/// How the bits of a kind depend on others: those of a class count alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// How many bits each class has.
    classes: Vec<usize>,
    /// The probability of a set bit for each case of counts, the first class's count fastest, in steps of 2^-32.
    thresholds: Vec<u32>,
}

impl Kind {
    /// A kind from the number of bits of each class and the probability for every case of counts, the first class fastest.
    /// None if there are too many, or a probability is not strictly between zero and one.
    pub fn new(classes: Vec<usize>, probabilities: &[f64]) -> Option<Self> {
        let slots: usize = classes.iter().sum();
        let cases = classes.iter().try_fold(1usize, |n, c| n.checked_mul(c + 1))?;
        let inside = probabilities.iter().all(|p| *p > 0.0 && *p < 1.0);
        if slots > MOST_SLOTS || cases > MOST_CASES || cases != probabilities.len() || !inside {
            return None;
        }
        let threshold = |p: &f64| (p * 4294967296.0).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        Some(Self { classes, thresholds: probabilities.iter().map(threshold).collect() })
    }

    /// How many bits one of this kind depends on.
    pub fn slots(&self) -> usize {
        self.classes.iter().sum()
    }
}

/// A run of bits on its way into a word: those from `from` on, under `mask`, to the places from `to` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first bit's place among all bits.
    pub from: u32,
    /// The word of the group.
    pub word: u8,
    /// The slot it is for.
    pub slot: u8,
    /// The first bit's place in the word.
    pub to: u8,
    /// As many ones, from the lowest on, as there are bits.
    pub mask: u64,
}

/// Groups of eight words of one kind each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    kinds: Vec<Kind>,
    kind: Vec<u32>,
    pieces: Vec<Piece>,
    bounds: Vec<usize>,
    /// One past the last bit that is read.
    reach: usize,
}

impl Groups {
    /// None yet, of these kinds.
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds, kind: Vec::new(), pieces: Vec::new(), bounds: vec![0], reach: 0 }
    }

    /// One more group; false if it does not fit: an unknown kind, a piece of no such word, slot or place.
    pub fn push(&mut self, kind: usize, pieces: &[Piece]) -> bool {
        let Some(known) = self.kinds.get(kind) else { return false };
        let slots = known.slots();
        let fits = |p: &Piece| {
            let bits = p.mask.trailing_ones() as usize;
            (p.word as usize) < WIDE
                && (p.slot as usize) < slots
                && bits + p.to as usize <= 64
                && p.mask == u64::MAX.checked_shr(64 - bits as u32).unwrap_or(0)
        };
        if !pieces.iter().all(fits) {
            return false;
        }
        self.kind.push(kind as u32);
        self.pieces.extend_from_slice(pieces);
        self.bounds.push(self.pieces.len());
        let ends = pieces.iter().map(|p| p.from as usize + 64);
        self.reach = ends.fold(self.reach, usize::max);
        true
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Words that `bits` must have for [`Groups::redraw`]: a piece may read the word behind its last bit.
    pub fn words(&self) -> usize {
        self.reach / 64 + 2
    }

    /// Draws the groups from `first` on into `out`, eight words each, given all bits. What group g gets is a function of `draws`,
    /// g and the bits.
    ///
    /// # Panics
    /// If `bits` is shorter than [`Groups::words`], or there are fewer groups.
    pub fn redraw(&self, first: usize, bits: &[u64], draws: &Draws, out: &mut [u64]) {
        assert!(bits.len() >= self.words() && first + out.len() / WIDE <= self.len());
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
            fn wide(groups: &Groups, first: usize, bits: &[u64], draws: &Draws, out: &mut [u64]) {
                groups.each(first, bits, draws, out);
            }
            #[target_feature(enable = "avx2")]
            fn middle(groups: &Groups, first: usize, bits: &[u64], draws: &Draws, out: &mut [u64]) {
                groups.each(first, bits, draws, out);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx2")
            {
                // SAFETY: this machine has every feature the function is compiled for.
                return unsafe { wide(self, first, bits, draws, out) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: this machine has every feature the function is compiled for.
                return unsafe { middle(self, first, bits, draws, out) };
            }
        }
        self.each(first, bits, draws, out);
    }

    #[inline(always)]
    fn each(&self, first: usize, bits: &[u64], draws: &Draws, out: &mut [u64]) {
        let (mut slots, mut cases) = ([[0u64; WIDE]; MOST_SLOTS], [[0u64; WIDE]; MOST_CASES]);
        for (i, out) in out.as_chunks_mut::<WIDE>().0.iter_mut().enumerate() {
            let g = first + i;
            let kind = &self.kinds[self.kind[g] as usize];
            slots[..kind.slots()].fill([0; WIDE]);
            for piece in &self.pieces[self.bounds[g]..self.bounds[g + 1]] {
                let (at, shift) = ((piece.from / 64) as usize, piece.from % 64);
                // Shifted in two steps, since none of 64 places exists.
                let run = (bits[at] >> shift) | ((bits[at + 1] << 1) << (63 - shift));
                slots[piece.slot as usize % MOST_SLOTS][piece.word as usize % WIDE] |= (run & piece.mask) << piece.to;
            }
            count(kind, &slots, &mut cases);
            *out = choose(&kind.thresholds, &cases, draws, g);
        }
    }
}

/// For each case the bits whose counts it is.
#[inline(always)]
fn count(kind: &Kind, slots: &[Wide; MOST_SLOTS], cases: &mut [Wide; MOST_CASES]) {
    cases[0] = [u64::MAX; WIDE];
    let (mut known, mut slot) = (1, 0);
    for &n in &kind.classes {
        let mut all = [[0u64; WIDE]; DIGITS];
        let digits = &mut all[..(n + 1).next_power_of_two().trailing_zeros() as usize];
        for own in &slots[slot..slot + n] {
            let mut carry = *own;
            for digit in digits.iter_mut() {
                for w in 0..WIDE {
                    let both = digit[w] & carry[w];
                    digit[w] ^= carry[w];
                    carry[w] = both;
                }
            }
        }
        slot += n;
        // From the highest count down, so that the cases known so far stand until they are the last to be split.
        for c in (0..=n).rev() {
            let mut mask = [u64::MAX; WIDE];
            for (d, digit) in digits.iter().enumerate() {
                let flip = if c >> d & 1 == 1 { 0 } else { u64::MAX };
                for w in 0..WIDE {
                    mask[w] &= digit[w] ^ flip;
                }
            }
            for k in 0..known {
                let before = cases[k];
                let case = &mut cases[c * known + k];
                for w in 0..WIDE {
                    case[w] = before[w] & mask[w];
                }
            }
        }
        known *= n + 1;
    }
}

/// A bit for each place: whether a uniform number is below the threshold of its case.
#[inline(always)]
fn choose(thresholds: &[u32], cases: &[Wide; MOST_CASES], draws: &Draws, g: usize) -> Wide {
    let (mut out, mut open) = ([0u64; WIDE], [u64::MAX; WIDE]);
    for batch in 0..8u32 {
        let words = sixteen_blocks(draws, batch, g as u32);
        for (q, row) in words.iter().enumerate() {
            let digit = 31 - (4 * batch + q as u32);
            let mut below = [0u64; WIDE];
            for (case, &threshold) in cases.iter().zip(thresholds) {
                let all = 0u64.wrapping_sub(u64::from(threshold >> digit & 1));
                for w in 0..WIDE {
                    below[w] |= case[w] & all;
                }
            }
            let mut left = 0;
            for w in 0..WIDE {
                let random = u64::from(row[w]) | u64::from(row[w + WIDE]) << 32;
                out[w] |= open[w] & !random & below[w];
                open[w] &= !(random ^ below[w]);
                left |= open[w];
            }
            if left == 0 {
                return out;
            }
        }
    }
    out
}

/// Adds a bit to each of many counters that are kept one binary digit a row: `planes[d]` holds digit d of all of them.
pub fn tally(planes: &mut [Vec<u64>], bits: &[u64]) {
    let mut carry = bits.to_vec();
    for plane in planes {
        let mut any = 0;
        for (p, c) in plane.iter_mut().zip(&mut carry) {
            let both = *p & *c;
            *p ^= *c;
            *c = both;
            any |= both;
        }
        if any == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_the_probabilities_of_their_counts() {
        // Two classes of two and one: six cases; every bit looks at bits of the first three words.
        let p = [0.1, 0.3, 0.5, 0.62, 0.8, 0.97];
        let kind = Kind::new(vec![2, 1], &p).expect("a kind");
        let mut groups = Groups::new(vec![kind]);
        let mut pieces = Vec::new();
        for word in 0..8 {
            for (slot, from) in [(0, 0), (1, 64), (2, 131)] {
                // In two runs, to try both ends of words.
                pieces.push(Piece { from, word, slot, to: 0, mask: (1 << 37) - 1 });
                pieces.push(Piece { from: from + 37, word, slot, to: 37, mask: u64::MAX >> 37 });
            }
        }
        assert!(groups.push(0, &pieces));
        let bits = [0x0123_4567_89ab_cdef, 0xfeed_face_dead_beef, 0x0f0f_1234_aaaa_9999, 0x5a5a, 0, 0];
        assert!(bits.len() >= groups.words());
        let bit = |at: usize| (bits[at / 64] >> (at % 64) & 1) as usize;
        let (mut set, mut all) = ([0.0; 6], [0.0; 6]);
        let rounds = 2000;
        for step in 0..rounds {
            let mut out = [0u64; 8];
            groups.redraw(0, &bits, &Draws::new(1, step, 2, &[]), &mut out);
            for (word, o) in out.iter().enumerate() {
                for i in 0..64 {
                    let case = bit(i) + bit(64 + i) + 3 * bit(131 + i);
                    set[case] += (o >> i & 1) as f64;
                    all[case] += 1.0;
                    assert!(word < 8);
                }
            }
        }
        for case in 0..6 {
            let share = set[case] / all[case];
            let error = (p[case] * (1.0 - p[case]) / all[case]).sqrt();
            assert!(all[case] > 1000.0 && (share - p[case]).abs() < 5.0 * error, "{case}: {share} {}", p[case]);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Kind::new(vec![2], &[0.5, 0.5]).is_none() && Kind::new(vec![1], &[0.0, 0.5]).is_none());
        assert!(Kind::new(vec![17], &[0.5; 18]).is_none() && Kind::new(vec![1; 6], &[0.5; 64]).is_none());
        let mut groups = Groups::new(vec![Kind::new(vec![1], &[0.2, 0.5]).expect("a kind")]);
        let piece = Piece { from: 0, word: 0, slot: 0, to: 60, mask: 0b1111 };
        assert!(groups.push(0, &[piece]) && !groups.push(1, &[piece]));
        for wrong in [
            Piece { word: 8, ..piece },
            Piece { slot: 1, ..piece },
            Piece { to: 61, ..piece },
            Piece { mask: 0b1010, ..piece },
        ] {
            assert!(!groups.push(0, &[wrong]), "{wrong:?}");
        }
    }

    #[test]
    fn tallies_count() {
        let mut planes = vec![vec![0u64; 2]; 3];
        for k in 0..7u64 {
            tally(&mut planes, &[k & 3, u64::MAX]);
        }
        let read = |bit: usize, word: usize| (0..3).map(|d| (planes[d][word] >> bit & 1) << d).sum::<u64>();
        assert_eq!((read(0, 0), read(1, 0), read(2, 0), read(9, 1)), (3, 3, 0, 7));
    }
}
