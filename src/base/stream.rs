//! Counter-based random streams: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! In: a seed, a site, a step, the indices of the loops around it, a row. Out: words that depend on these and on nothing else,
//! so that no thread, order or batch size can change them. Tensor programs read whole blocks by element index
//! ([`Draws`]); shuffles and one-off samplers read a [`Stream`], which is the same cipher behind `rand`'s interface.

use rand::rand_core::{Infallible, TryRng, utils};

/// What a round multiplies the first and third word by.
pub const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What the key's words grow by from round to round.
pub const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One round of the cipher.
#[inline(always)]
pub fn philox_round(c: [u32; 4], k: [u32; 2]) -> [u32; 4] {
    let p0 = u64::from(c[0]) * u64::from(MULTIPLIERS[0]);
    let p1 = u64::from(c[2]) * u64::from(MULTIPLIERS[1]);
    [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32]
}

/// Philox4x32-10: four words from a counter of four words under a key of two.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        c = philox_round(c, k);
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

/// The words of one random site in one step of a run: a table over (row, column) that is computed where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// Key of the cipher.
    pub key: [u32; 2],
    /// Upper half of every counter.
    pub high: [u32; 2],
}

impl Draws {
    /// The table of `site` in `step` of the run seeded by `seed`, inside loops that stand at `path` (outermost first).
    pub fn new(seed: u64, step: u64, site: u32, path: &[u64]) -> Self {
        let mut b = philox([site, step as u32, (step >> 32) as u32, 0], [seed as u32, (seed >> 32) as u32]);
        for (depth, &t) in path.iter().enumerate() {
            b = philox([t as u32, (t >> 32) as u32, b[2], b[3] ^ (depth as u32 + 1)], [b[0], b[1]]);
        }
        Self { key: [b[0], b[1]], high: [b[2], b[3]] }
    }

    /// The counter's low word and the word within its block that serve column `col`.
    ///
    /// Sixteen neighbouring columns read the same word of sixteen neighbouring blocks: a vector unit then writes what it
    /// computes in order.
    #[inline(always)]
    pub fn place(col: usize) -> (u32, usize) {
        (((col >> 6) as u32) << 4 | (col as u32 & 15), (col >> 4) & 3)
    }

    /// The whole block that serves (row, col), and which of its words does.
    #[inline(always)]
    pub fn block(&self, row: usize, col: usize) -> ([u32; 4], usize) {
        let (low, word) = Self::place(col);
        (philox([low, row as u32, self.high[0], self.high[1]], self.key), word)
    }
}

/// A sequential generator over the same cipher, for shuffles, start values and samplers that draw a varying number of words.
#[derive(Clone, Debug)]
pub struct Stream {
    draws: Draws,
    row: u32,
    next: u32,
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of (seed, site, step, row); it repeats after 2^34 words.
    pub fn new(seed: u64, site: u32, step: u64, row: u32) -> Self {
        // The path tells these streams from the tables that tensor programs read at the same site.
        Self { draws: Draws::new(seed, step, site, &[u64::MAX]), row, next: 0, block: [0; 4], used: 4 }
    }

    /// The next word.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox([self.next, self.row, self.draws.high[0], self.draws.high[1]], self.draws.key);
            self.next = self.next.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next real in [0, 1), in steps of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        let bits = u64::from(self.word()) << 32 | u64::from(self.word());
        (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// The next whole number below `bound`, without bias (Lemire's rejection); 0 if `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let reject = bound.wrapping_neg() % bound;
        loop {
            let wide = u64::from(self.word()) * u64::from(bound);
            if wide as u32 >= reject {
                return (wide >> 32) as u32;
            }
        }
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below((i + 1).min(u32::MAX as usize) as u32) as usize;
            items.swap(i, j);
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.word());
        Ok(u64::from(self.word()) << 32 | low)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        utils::fill_bytes_via_next_word(bytes, || self.try_next_u32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        // Random123, examples/kat_vectors, philox4x32 10.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn every_part_of_the_address_matters() {
        let base = Draws::new(1, 2, 3, &[4, 5]);
        for other in [
            Draws::new(9, 2, 3, &[4, 5]),
            Draws::new(1, 9, 3, &[4, 5]),
            Draws::new(1, 2, 9, &[4, 5]),
            Draws::new(1, 2, 3, &[9, 5]),
            Draws::new(1, 2, 3, &[4, 9]),
            Draws::new(1, 2, 3, &[4]),
            Draws::new(1, 2 + (1 << 32), 3, &[4, 5]),
        ] {
            assert_ne!(base, other);
        }
        let mut words: Vec<u32> = (0..300)
            .map(|c| {
                let (b, w) = base.block(0, c);
                b[w]
            })
            .collect();
        words.extend((1..300).map(|r| {
            let (b, w) = base.block(r, 0);
            b[w]
        }));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 599);
    }

    #[test]
    fn samplers_of_other_crates_read_a_stream() {
        use rand_distr::{Distribution, Gamma};
        let gamma: Gamma<f64> = Gamma::new(3.0, 0.5).expect("a valid law");
        let mut stream = Stream::new(1, 2, 3, 4);
        let draws: Vec<f64> = (0..20_000).map(|_| gamma.sample(&mut stream)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 1.5).abs() < 5.0 * (0.75f64 / 20_000.0).sqrt(), "{mean}");
        let mut again = Stream::new(1, 2, 3, 4);
        assert!(draws[..10].iter().all(|&d| d == gamma.sample(&mut again)));
        let mut other = Stream::new(1, 2, 3, 5);
        assert_ne!(gamma.sample(&mut other), draws[0]);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_repeats() {
        let order = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            Stream::new(seed, 0, 0, 0).shuffle(&mut items);
            items
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
