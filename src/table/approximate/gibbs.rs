//! Gibbs sampling: each axis, or each block of axes, drawn anew given all others (Geman and Geman 1984; blocks: Jensen, Kong and
//! Kjærulff 1995).
//!
//! In: tables, fixed axes. Out: marginals as means of the conditionals that were drawn from, joint states, and what the chains say of
//! themselves. Axes that share no table have one colour and are drawn at once. Every random number is a function of seed, chain,
//! sweep and axis, so neither threads nor their number can change a draw; a uniform number has 32 bits, so a probability is met
//! within 2^-32. Conditionals of few patterns of neighbours are tabulated, one table for all axes that agree in it.

use rayon::prelude::*;

use super::chains::{Chains, effective, r_hat, reach};
use super::clusters::groups;
use super::free::Free;
use super::sites::Sites;
use super::spins::{Bits, Spins};
use super::start::Starter;
use super::{Answer, ApproximationError, Convergence};
pub use crate::base::approximate::Gibbs;
use crate::base::stream::{Draws, Stream};
use crate::kernel::random::fill;
use crate::kernel::scalar::Law;
use crate::table::state::State;
use crate::table::{Options, Program, Table, TableError, Tables};

/// Bytes that the record of all chains may take; longer chains are recorded every so many sweeps.
const RECORD: usize = 1 << 27;
/// Multiplications that the effective sizes of one answer may take.
const LABOUR: usize = 1 << 31;
/// Sites drawn by one task.
const TASK: usize = 2048;

/// A block: a program over its axes with their neighbours fixed.
struct Block {
    axes: Vec<usize>,
    around: Vec<usize>,
    tables: Tables,
    program: Program,
}

/// A block's new states, and its axes' marginals one after the other.
type Settled = (Vec<usize>, Vec<f64>);

/// What is compiled once for all chains.
struct Sampler<'a> {
    free: &'a Free,
    /// In place of sites, where the structure allows.
    spins: Option<Spins>,
    sites: Sites,
    blocks: Vec<Block>,
    /// The sites and the blocks of each colour, each as a range.
    colours: Vec<[std::ops::Range<usize>; 2]>,
}

/// What one chain leaves behind.
struct Trail {
    /// Sums of conditionals, in one row.
    sums: Vec<f64>,
    /// How often each state was met in the first and in the second half.
    halves: [Vec<u32>; 2],
    /// Joint states at recorded sweeps.
    record: Vec<u32>,
    draws: Vec<Vec<usize>>,
}

impl Gibbs {
    fn burn(&self) -> usize {
        self.burn_in.unwrap_or(self.sweeps / 10)
    }

    /// Runs; see the file's head.
    ///
    /// # Errors
    /// [`TableError`] for what does not fit or cannot be or where a block is too large, [`ApproximationError::NoStart`].
    pub(super) fn run(
        &self,
        tables: &Tables,
        fixed: &[usize],
        values: &[usize],
        draws: usize,
        seed: u64,
    ) -> Result<Answer, ApproximationError> {
        let free = Free::new(tables, fixed, values)?;
        let parts = groups(&free, &self.blocks, tables.cards.len())?;
        let sampler = Sampler::new(&free, &parts)?;
        let starter = Starter::new(&free)?;
        let starts: Vec<Vec<usize>> =
            (0..self.chains).map(|c| starter.start(seed, c as u32)).collect::<Result<_, _>>()?;
        let each = draws.div_ceil(self.chains.max(1));
        let sweeps = self.sweeps.max(each).max(2);
        let bytes = [4, free.len(), self.chains, sweeps].into_iter().fold(1usize, usize::saturating_mul);
        let thin = bytes.div_ceil(RECORD).max(1);
        let plan = Plan { sweeps, burn_in: self.burn(), thin, draws: each, seed };
        let trails: Vec<Trail> = starts
            .into_par_iter()
            .enumerate()
            .map(|(c, start)| sampler.walk(&plan, c, start))
            .collect::<Result<_, TableError>>()?;
        let mut row = vec![0.0; free.starts[free.len()]];
        for trail in &trails {
            row.iter_mut().zip(&trail.sums).for_each(|(r, s)| *r += s);
        }
        for a in 0..free.len() {
            let row = &mut row[free.starts[a]..free.starts[a + 1]];
            let total: f64 = row.iter().sum();
            row.iter_mut().for_each(|r| *r /= total);
        }
        let convergence = Convergence { rounds: sweeps + plan.burn_in, change: 0.0, converged: false };
        let mut answer = free.answer(&row, None, convergence);
        answer.chains = Some(statistics(&free, &trails, &plan, tables.cards.len(), &parts));
        answer.draws = (0..each).flat_map(|k| trails.iter().map(move |t| t.draws[k].clone())).take(draws).collect();
        Ok(answer)
    }
}

impl Trail {
    fn new(free: &Free, plan: &Plan) -> Self {
        let cells = free.starts[free.len()];
        Self {
            sums: vec![0.0; cells],
            halves: [vec![0; cells], vec![0; cells]],
            record: Vec::with_capacity(free.len() * (plan.sweeps / plan.thin)),
            draws: Vec::with_capacity(plan.draws),
        }
    }

    /// Whether a draw is due after this sweep.
    fn wants(&self, plan: &Plan, counted: usize) -> bool {
        self.draws.len() < plan.draws && (self.draws.len() + 1) * plan.sweeps <= (counted + 1) * plan.draws
    }

    /// Records a joint state and keeps it as a draw, as far as either is due.
    fn keep(&mut self, free: &Free, plan: &Plan, counted: usize, x: &[u32]) {
        if plan.records(counted) {
            self.record.extend_from_slice(x);
        }
        while self.wants(plan, counted) {
            let states: Vec<usize> = x.iter().map(|&s| s as usize).collect();
            self.draws.push(free.restore(&states));
        }
    }
}

/// How long chains are and what is kept.
struct Plan {
    sweeps: usize,
    burn_in: usize,
    thin: usize,
    draws: usize,
    seed: u64,
}

impl Plan {
    /// Whether the joint state after this sweep is recorded.
    fn records(&self, counted: usize) -> bool {
        (counted + 1).is_multiple_of(self.thin)
    }
}

impl<'a> Sampler<'a> {
    fn new(free: &'a Free, parts: &[Vec<usize>]) -> Result<Self, TableError> {
        let mut of = vec![0; free.len()];
        for (g, part) in parts.iter().enumerate() {
            part.iter().for_each(|&a| of[a] = g);
        }
        // Colours: each group the smallest that no neighbour before it has.
        let mut colour = vec![usize::MAX; parts.len()];
        let mut taken: Vec<usize> = Vec::new();
        for (g, part) in parts.iter().enumerate() {
            let tables = part.iter().flat_map(|&a| &free.having[a]);
            for &b in tables.flat_map(|&(t, _)| &free.tables[t as usize].axes) {
                let c = colour[of[b as usize]];
                if c != usize::MAX {
                    taken.resize(taken.len().max(c + 1), usize::MAX);
                    taken[c] = g;
                }
            }
            colour[g] = taken.iter().position(|&t| t != g).unwrap_or(taken.len());
        }
        let count = colour.iter().copied().max().map_or(0, |c| c + 1);
        let (mut axes, mut blocks, mut colours) = (Vec::new(), Vec::new(), Vec::new());
        let mut by_colour: Vec<Vec<usize>> = vec![Vec::new(); count];
        (0..parts.len()).for_each(|g| by_colour[colour[g]].push(g));
        let single = parts.iter().all(|p| p.len() == 1);
        let one = |members: &Vec<usize>| members.iter().map(|&g| parts[g][0]).collect();
        let spins = match single {
            true => Spins::new(free, &by_colour.iter().map(one).collect::<Vec<_>>()),
            false => None,
        };
        if spins.is_some() {
            by_colour.clear();
        }
        for members in &by_colour {
            let from = [axes.len(), blocks.len()];
            for &g in members {
                match parts[g][..] {
                    [axis] => axes.push(axis),
                    _ => blocks.push(Block::new(free, &parts[g])?),
                }
            }
            colours.push([from[0]..axes.len(), from[1]..blocks.len()]);
        }
        Ok(Self { free, spins, sites: Sites::new(free, axes), blocks, colours })
    }

    /// A chain 64 axes a word.
    fn walk_bits(&self, spins: &Spins, plan: &Plan, chain: usize, start: Vec<usize>) -> Trail {
        let free = self.free;
        let mut x: Vec<u32> = start.iter().map(|&s| s as u32).collect();
        let mut bits = spins.bits(&x);
        let mut trail = Trail::new(free, plan);
        let mut half = half_of(0, plan.sweeps);
        let pass = |bits: &mut Bits, half: Option<usize>, trail: &mut Trail| {
            spins.hand_over(bits, |axis, counts| {
                for (s, count) in counts.into_iter().enumerate() {
                    let at = free.starts[axis] + s;
                    trail.sums[at] += f64::from(count);
                    if let Some(half) = half {
                        trail.halves[half][at] += count;
                    }
                }
            });
        };
        for sweep in 0..plan.burn_in + plan.sweeps {
            spins.sweep(&mut bits, &Draws::new(plan.seed, sweep as u64, 0x6762, &[chain as u64]));
            let Some(counted) = sweep.checked_sub(plan.burn_in) else { continue };
            let now = half_of(counted, plan.sweeps);
            if now != half {
                pass(&mut bits, half, &mut trail);
                half = now;
            }
            if spins.count(&mut bits) {
                pass(&mut bits, half, &mut trail);
            }
            if plan.records(counted) || trail.wants(plan, counted) {
                spins.states(&bits, &mut x);
                trail.keep(free, plan, counted, &x);
            }
        }
        pass(&mut bits, half, &mut trail);
        trail
    }

    fn walk(&self, plan: &Plan, chain: usize, start: Vec<usize>) -> Result<Trail, TableError> {
        let free = self.free;
        if let Some(spins) = &self.spins {
            return Ok(self.walk_bits(spins, plan, chain, start));
        }
        let mut x: Vec<u32> = start.iter().map(|&s| s as u32).collect();
        let mut trail = Trail::new(free, plan);
        let n = self.sites.len();
        let (mut uniforms, mut fresh) = (vec![0.0; n], vec![0u32; n]);
        // Sums by site, so that tasks own what they add to.
        let mut sums = vec![0.0; self.sites.rows(n)];
        let mut states: Vec<State<'_>> = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let around: Vec<usize> = block.around.iter().map(|&a| x[a] as usize).collect();
            states.push(block.program.load(&block.tables, &around)?);
        }
        for sweep in 0..plan.burn_in + plan.sweeps {
            let counts = sweep >= plan.burn_in;
            let address = Draws::new(plan.seed, sweep as u64, 0x6762, &[chain as u64]);
            fill(Law::Uniform, &address, n.max(1), &mut uniforms);
            for [sites, blocks] in &self.colours {
                self.redraw(sites.clone(), &x, &uniforms, &mut fresh, &mut sums, counts);
                let settled: Vec<Result<Settled, TableError>> = states[blocks.clone()]
                    .par_iter_mut()
                    .zip(&self.blocks[blocks.clone()])
                    .enumerate()
                    .map(|(i, (state, block))| {
                        let around: Vec<usize> = block.around.iter().map(|&a| x[a] as usize).collect();
                        state.revalue(&block.tables, &around)?;
                        let number = (blocks.start + i) as u32;
                        let mut stream = Stream::new(plan.seed, 0x6262 ^ (chain as u32) << 16, sweep as u64, number);
                        block.draw(state, &mut stream)
                    })
                    .collect();
                for p in sites.clone() {
                    x[self.sites.axes[p]] = fresh[p];
                }
                for (block, settled) in self.blocks[blocks.clone()].iter().zip(settled) {
                    let (drawn, marginals) = settled?;
                    let mut at = 0;
                    for (&axis, s) in block.axes.iter().zip(drawn) {
                        x[axis] = s as u32;
                        let card = free.cards[axis];
                        if counts {
                            let row = trail.sums[free.starts[axis]..].iter_mut();
                            row.zip(&marginals[at..at + card]).for_each(|(s, p)| *s += p);
                        }
                        at += card;
                    }
                }
            }
            let Some(counted) = sweep.checked_sub(plan.burn_in) else { continue };
            if let Some(half) = half_of(counted, plan.sweeps) {
                let met = &mut trail.halves[half];
                x.iter().zip(&free.starts).for_each(|(&s, start)| met[start + s as usize] += 1);
            }
            trail.keep(free, plan, counted, &x);
        }
        for (p, &axis) in self.sites.axes.iter().enumerate() {
            let own = &sums[self.sites.rows(p)..self.sites.rows(p + 1)];
            trail.sums[free.starts[axis]..free.starts[axis + 1]].copy_from_slice(own);
        }
        Ok(trail)
    }

    /// Draws the sites of one colour, in tasks if they are many.
    fn redraw(
        &self,
        sites: std::ops::Range<usize>,
        x: &[u32],
        uniforms: &[f64],
        fresh: &mut [u32],
        sums: &mut [f64],
        counts: bool,
    ) {
        let mut tasks = Vec::with_capacity(sites.len() / TASK + 1);
        let mut fresh = &mut fresh[sites.clone()];
        let mut sums = &mut sums[self.sites.rows(sites.start)..self.sites.rows(sites.end)];
        let mut from = sites.start;
        while from < sites.end {
            let to = (from + TASK).min(sites.end);
            let (f, rest) = fresh.split_at_mut(to - from);
            let (s, more) = sums.split_at_mut(self.sites.rows(to) - self.sites.rows(from));
            tasks.push((from, f, s));
            (fresh, sums, from) = (rest, more, to);
        }
        let run = |(from, fresh, sums): (usize, &mut [u32], &mut [f64])| {
            self.sites.redraw(self.free, from, x, &uniforms[from..from + fresh.len()], fresh, sums, counts);
        };
        match tasks.len() {
            0..4 => tasks.into_iter().for_each(run),
            _ => tasks.into_par_iter().for_each(run),
        }
    }
}

impl Block {
    fn new(free: &Free, axes: &[usize]) -> Result<Self, TableError> {
        let mut own: Vec<u32> = axes.iter().flat_map(|&a| free.having[a].iter().map(|h| h.0)).collect();
        own.sort_unstable();
        own.dedup();
        let mut around: Vec<usize> =
            own.iter().flat_map(|&t| free.tables[t as usize].axes.iter().map(|&a| a as usize)).collect();
        around.sort_unstable();
        around.dedup();
        around.retain(|a| axes.binary_search(a).is_err());
        // The block's axes first, then those around it.
        let all: Vec<usize> = axes.iter().chain(&around).copied().collect();
        let place = |a: u32| match axes.binary_search(&(a as usize)) {
            Ok(i) => i,
            Err(_) => axes.len() + around.binary_search(&(a as usize)).unwrap_or_default(),
        };
        let mut tables = Tables { cards: all.iter().map(|&a| free.cards[a]).collect(), tables: Vec::new() };
        for &t in &own {
            let table = &free.tables[t as usize];
            tables.tables.push(Table::new(table.axes.iter().map(|&a| place(a)).collect(), table.cells.clone()));
        }
        for (i, &a) in axes.iter().enumerate() {
            tables.tables.push(Table::new(vec![i], free.unary[a].clone()));
        }
        let fixed: Vec<usize> = (axes.len()..all.len()).collect();
        let program = Program::compile(&tables, &fixed, &Options::default())?;
        Ok(Self { axes: axes.to_vec(), around, tables, program })
    }

    /// New states of its axes, and their marginals one after the other.
    fn draw(&self, state: &mut State<'_>, stream: &mut Stream) -> Result<Settled, TableError> {
        let mut drawn = state.draw_by(&mut || stream.uniform())?;
        drawn.truncate(self.axes.len());
        let mut marginals = Vec::new();
        (0..self.axes.len()).for_each(|i| marginals.extend_from_slice(state.marginal(i).unwrap_or_default()));
        Ok((drawn, marginals))
    }
}

/// The half of a chain that a sweep lies in; the middle one of an odd number in none.
fn half_of(sweep: usize, sweeps: usize) -> Option<usize> {
    let half = sweeps / 2;
    match sweep {
        s if s < half => Some(0),
        s if s >= sweeps - half => Some(1),
        _ => None,
    }
}

fn statistics(free: &Free, trails: &[Trail], plan: &Plan, axes: usize, parts: &[Vec<usize>]) -> Chains {
    let length = (plan.sweeps / 2) as f64;
    let n = free.len();
    let recorded = trails.first().map_or(0, |t| t.record.len() / n.max(1));
    // The sums of squares of a lag or two dozen of each recorded state; beyond what that may take, evenly chosen axes have it.
    let labour = recorded.saturating_mul(trails.len()).saturating_mul(32);
    let every = (labour.saturating_mul(n)).div_ceil(LABOUR).max(1);
    let of: Vec<(Option<f64>, Option<f64>)> = (0..n)
        .into_par_iter()
        .map(|axis| {
            let (mut worst, mut least) = (None::<f64>, None::<f64>);
            for s in 0..free.cards[axis] {
                let at = free.starts[axis] + s;
                let counts: Vec<f64> = trails.iter().flat_map(|t| [0, 1].map(|h| f64::from(t.halves[h][at]))).collect();
                let Some(rate) = r_hat(&counts, length) else { continue };
                worst = Some(worst.map_or(rate, |w| w.max(rate)));
                if axis % every != 0 || (s == 0 && free.cards[axis] == 2) {
                    // The two states of an axis make one series.
                    continue;
                }
                let half = recorded / 2;
                let series = |t: &Trail, from: usize| -> Vec<f64> {
                    (from..from + half).map(|i| f64::from(t.record[i * n + axis] as usize == s)).collect()
                };
                let halves: Vec<Vec<f64>> =
                    trails.iter().flat_map(|t| [series(t, 0), series(t, recorded - half)]).collect();
                if let Some(size) = effective(&halves) {
                    least = Some(least.map_or(size, |l| l.min(size)));
                }
            }
            (worst, least)
        })
        .collect();
    let (mut r_hat, mut effective) = (vec![None; axes], vec![None; axes]);
    for (axis, (rate, size)) in of.into_iter().enumerate() {
        (r_hat[free.given(axis)], effective[free.given(axis)]) = (rate, size);
    }
    let reach = reach(free, parts);
    Chains { chains: trails.len(), sweeps: plan.sweeps, burn_in: plan.burn_in, r_hat, effective, reach }
}
