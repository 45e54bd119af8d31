//! Sums over all paths of chains of states, and the probabilities of states and moves (Baum et al. 1970; Rabiner 1989).
//!
//! In: logarithms, a table of moves and for each row of a batch its potentials by position. Out: logarithms of the rows' sums and
//! their derivatives. The recursions run in linear space, scaled at every step, several rows side by side; what that may have lost
//! is bounded afterwards, and a row for which the bound is too weak is summed again in logarithms.

use super::gemm::{Matrix, gemm};
use super::real::Real;
use super::simd::tiered;

/// Multiply-adds from which a row that is alone has its two recursions on two threads.
const APART: usize = 1 << 16;
/// Rows side by side where they share their moves.
const SIDE: usize = 4;

/// The extents of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Positions, at least one.
    pub steps: usize,
    /// States, at least one.
    pub states: usize,
    /// Whether each position has a table of moves of its own: `[steps, states, states]`, the first unused, instead of `[states, states]`.
    pub along: bool,
}

impl Form {
    /// States with the lanes that fill the last vector.
    fn width(&self) -> usize {
        match self.states {
            ..=8 => 8,
            9..=16 => 16,
            n => n.next_multiple_of(32),
        }
    }

    /// Tables of moves.
    fn tables(&self) -> usize {
        if self.along { self.steps } else { 1 }
    }

    /// Elements of the moves of a row.
    pub fn moves(&self) -> usize {
        self.tables() * self.states * self.states
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a, T> {
    /// What the first position has beside its own potentials: `[states]`.
    pub start: &'a [T],
    /// Potentials of the positions: `[steps, states]`.
    pub local: &'a [T],
    /// Potentials of a move from state r to state s, which is behind it.
    pub moves: &'a [T],
    /// Positions that count, 1 to `steps`.
    pub length: usize,
}

/// Where the answers of one row go; derivatives have the shapes of what they are taken by.
#[derive(Debug)]
pub struct Answer<'a, T> {
    /// The logarithm of the sum over all paths.
    pub value: Option<&'a mut T>,
    /// Its derivative by `start`: the probabilities of the first states.
    pub start: Option<&'a mut [T]>,
    /// By `local`: those of all; 0 behind the last.
    pub local: Option<&'a mut [T]>,
    /// By `moves`: expected numbers of moves.
    pub moves: Option<&'a mut [T]>,
}

impl<T> Answer<'_, T> {
    fn is_value_alone(&self) -> bool {
        self.start.is_none() && self.local.is_none() && self.moves.is_none()
    }
}

/// Moves as weights, those of each table divided by its largest.
#[derive(Clone, Debug, Default)]
pub struct Weights<T> {
    /// `[tables, states, width]`.
    ahead: Vec<T>,
    /// The same with its states changed over.
    back: Vec<T>,
    /// Logarithms of the largest.
    shifts: Vec<f64>,
}

impl<T: Real> Weights<T> {
    /// Takes the moves of `form`.
    pub fn load(&mut self, form: Form, moves: &[T]) {
        assert_eq!(moves.len(), form.moves());
        let (n, width) = (form.states, form.width());
        let size = n * width;
        for buffer in [&mut self.ahead, &mut self.back] {
            buffer.clear();
            buffer.resize(form.tables() * size, T::ZERO);
        }
        self.shifts.clear();
        for (table, cells) in moves.chunks_exact(n * n).enumerate() {
            let top = largest(cells);
            let shift = if top.is_finite() { top } else { T::ZERO };
            self.shifts.push(shift.to_f64());
            // Nobody comes to the first position.
            if form.along && table == 0 {
                continue;
            }
            let ahead = &mut self.ahead[table * size..][..size];
            for (row, to) in cells.chunks_exact(n).zip(ahead.chunks_exact_mut(width)) {
                exponentials(row, shift, &mut to[..n]);
            }
            let back = &mut self.back[table * size..][..size];
            for (r, row) in ahead.chunks_exact(width).enumerate() {
                for (s, &weight) in row[..n].iter().enumerate() {
                    back[s * width + r] = weight;
                }
            }
        }
    }
}

/// What the recursions of one group of rows are computed in.
#[derive(Clone, Debug, Default)]
pub struct Work<T> {
    /// Weights of the positions: `[steps, rows, width]`, as all here.
    local: Vec<T>,
    /// What is expected before a position's own weight, from the front.
    before: Vec<T>,
    /// The same with it.
    after: Vec<T>,
    /// What comes from behind, with the position's own weight.
    behind: Vec<T>,
    /// The sums over states of what came from the front: `[steps, rows]`.
    sums: Vec<T>,
    /// Those of the one from behind.
    spare: Vec<T>,
    /// The potentials of a row's first position.
    first: Vec<T>,
    /// Moves of a row of its own.
    own: Weights<T>,
}

/// How rows of a batch are taken together.
pub fn side_by_side(shared: bool) -> usize {
    if shared { SIDE } else { 1 }
}

/// Answers some rows, as many as [`side_by_side`] says at most; `shared` are the weights of their moves if they have the same.
pub fn sum<T: Real>(
    form: Form,
    rows: &[Row<'_, T>],
    shared: Option<&Weights<T>>,
    answers: &mut [Answer<'_, T>],
    work: &mut Work<T>,
) {
    assert!(form.steps > 0 && form.states > 0 && rows.len() == answers.len());
    for row in rows {
        assert!(row.start.len() == form.states && row.local.len() == form.steps * form.states);
        assert!(row.moves.len() == form.moves() && (1..=form.steps).contains(&row.length));
    }
    if shared.is_some() && rows.len() == SIDE {
        return some::<T, SIDE>(form, rows, shared, answers, work);
    }
    for (row, answer) in rows.iter().zip(answers) {
        some::<T, 1>(form, std::slice::from_ref(row), shared, std::slice::from_mut(answer), work);
    }
}

/// One way through a chain, for `G` rows.
struct Sweep<'a, T> {
    form: Form,
    /// Positions that some row has.
    steps: usize,
    /// Each row's length.
    lengths: &'a [usize],
    moves: &'a [T],
    local: &'a [T],
    /// Where what is expected before a position's own weight is kept, if it is.
    before: Option<&'a mut [T]>,
    after: &'a mut [T],
    sums: &'a mut [T],
    backwards: bool,
    /// For each row the smallest weight that any state had.
    low: &'a mut [T],
}

fn some<T: Real, const G: usize>(
    form: Form,
    rows: &[Row<'_, T>],
    shared: Option<&Weights<T>>,
    answers: &mut [Answer<'_, T>],
    work: &mut Work<T>,
) {
    let (n, width) = (form.states, form.width());
    let lengths: [usize; G] = std::array::from_fn(|g| rows[g].length);
    let steps = lengths.iter().copied().max().unwrap_or(1);
    let Work { local, before, after, behind, sums, spare, first, own } = work;
    first.resize(n, T::ZERO);
    for buffer in [&mut *local, before, after, behind] {
        buffer.resize(steps * G * width, T::ZERO);
    }
    for buffer in [&mut *sums, spare] {
        buffer.resize(steps * G, T::ZERO);
    }
    let weights = match shared {
        Some(weights) => weights,
        None => {
            own.load(form, rows[0].moves);
            own
        }
    };
    let mut logs = [0.0; G];
    for (g, row) in rows.iter().enumerate() {
        let stride = Stride { first: g * width, step: G * width };
        load(row, width, stride, first, local, &mut logs[g]);
    }
    let mut low = [T::INFINITY; G];
    let mut spare_low = [T::INFINITY; G];
    let all = answers.iter().any(|a| !a.is_value_alone());
    let mut ahead = Sweep {
        form,
        steps,
        lengths: &lengths,
        moves: &weights.ahead,
        local,
        before: Some(before),
        after,
        sums,
        backwards: false,
        low: &mut low,
    };
    let mut back = Sweep {
        form,
        steps,
        lengths: &lengths,
        moves: &weights.back,
        local,
        before: None,
        after: behind,
        sums: spare,
        backwards: true,
        low: &mut spare_low,
    };
    let at_once = all && G == 1 && steps * n * n >= APART;
    match at_once {
        true => {
            rayon::join(|| sweep::<T>(&mut ahead, G), || sweep::<T>(&mut back, G));
        }
        false => sweep::<T>(&mut ahead, G),
    }
    // Where no state ever had next to no weight, nothing was lost; else the way from behind tells what it would have been worth.
    let least = least::<T>();
    let clear = low.iter().all(|&low| low > least);
    if !at_once && (all || !clear) {
        sweep::<T>(&mut back, G);
    }
    for (g, (row, answer)) in rows.iter().zip(answers).enumerate() {
        let stride = Stride { first: g * width, step: G * width };
        let mut sure = true;
        if all || !clear {
            sure = settle(n, row.length, stride, before, behind);
        }
        let mut total = logs[g];
        let mut product = 1.0f64;
        for t in 0..row.length {
            let sum = sums[t * G + g].to_f64();
            sure &= sum > 0.0 && sum.is_finite();
            if t + 1 < row.length && !is_scaled(sums[t * G + g]) {
                continue;
            }
            // One logarithm for as many factors as keep the product well inside of the range.
            match (1e-100..1e100).contains(&sum) {
                true => product *= sum,
                false => total += sum.ln(),
            }
            if !(1e-150..1e150).contains(&product) {
                total += product.ln();
                product = 1.0;
            }
        }
        total += product.ln();
        let shifts = |t: usize| weights.shifts[if form.along { t } else { 0 }];
        total += match form.along {
            true => (1..row.length).map(shifts).sum(),
            false => (row.length - 1) as f64 * shifts(0),
        };
        if !sure || !total.is_finite() {
            in_logarithms(form, row, answer);
            continue;
        }
        if let Some(value) = &mut answer.value {
            **value = T::of(total);
        }
        write(form, row.length, stride, before, after, behind, weights, answer);
    }
}

/// Whether a sum is so far from 1 that the next position is divided by it.
#[inline(always)]
fn is_scaled<T: Real>(sum: T) -> bool {
    !(sum > T::of(1e-4) && sum < T::of(1e4))
}

/// Weights below which a state may have lost what it should have had.
fn least<T: Real>() -> T {
    // 2^40 above the smallest normal number; products with weights below 1 stay above it or do not count.
    if T::EPSILON.to_f64() > 1e-10 { T::of(1.3e-26) } else { T::of(1e-290) }
}

/// Where a row's stretches lie: the first, and the step from one position to the next.
#[derive(Clone, Copy)]
struct Stride {
    first: usize,
    step: usize,
}

impl Stride {
    fn at(&self, t: usize) -> usize {
        self.first + t * self.step
    }
}

#[inline(always)]
fn largest<T: Real>(cells: &[T]) -> T {
    cells.iter().fold(T::NEG_INFINITY, |m, &v| m.larger(v))
}

tiered! {
    fn exponentials(from: &[T], shift: T, to: &mut [T]) = exponentials_inner, exponentials_inner, exponentials_inner;
}

#[inline(always)]
fn exponentials_inner<T: Real>(from: &[T], shift: T, to: &mut [T]) {
    for (to, &v) in to.iter_mut().zip(from) {
        *to = (v - shift).vector_exp();
    }
}

tiered! {
    /// A row's potentials as weights, the largest of each position 1; adds the logarithms taken out.
    fn load(row: &Row<'_, T>, width: usize, stride: Stride, first: &mut [T], to: &mut [T], log: &mut f64)
        = load_inner, load_inner, load_inner;
}

#[inline(always)]
fn load_inner<T: Real>(row: &Row<'_, T>, width: usize, stride: Stride, first: &mut [T], to: &mut [T], log: &mut f64) {
    let states = row.start.len();
    for t in 0..to.len() / stride.step {
        let to = &mut to[stride.at(t)..][..width];
        if t >= row.length {
            to[..states].fill(T::ONE);
            to[states..].fill(T::ZERO);
            continue;
        }
        let mut from = &row.local[t * states..][..states];
        if t == 0 {
            for ((sum, &own), &start) in first.iter_mut().zip(from).zip(row.start) {
                *sum = own + start;
            }
            from = &*first;
        }
        // Eight at a time, those behind the last state as if they were impossible, so that none is computed by itself.
        let mut top = [T::NEG_INFINITY; 8];
        let (lanes, _) = to.as_chunks_mut::<8>();
        for (i, lanes) in lanes.iter_mut().enumerate() {
            let from = &from[(8 * i).min(states)..(8 * i + 8).min(states)];
            *lanes = [T::NEG_INFINITY; 8];
            lanes[..from.len()].copy_from_slice(from);
            for (top, &v) in top.iter_mut().zip(&*lanes) {
                *top = top.larger(v);
            }
        }
        let top = largest(&top);
        let shift = if top.is_finite() { top } else { T::ZERO };
        *log += shift.to_f64();
        for lanes in lanes {
            for v in lanes {
                *v = (*v - shift).vector_exp();
            }
        }
    }
}

tiered! {
    fn sweep(job: &mut Sweep<'_, T>, rows: usize) = sweep_inner::<T, true>, sweep_inner::<T, true>, sweep_inner::<T, false>;
}

#[inline(always)]
fn sweep_inner<T: Real, const FUSED: bool>(job: &mut Sweep<'_, T>, rows: usize) {
    match (rows, job.form.width()) {
        (SIDE, 8) => run::<T, FUSED, SIDE, 8, 1, 1>(job),
        (SIDE, 16) => run::<T, FUSED, SIDE, 16, 1, 1>(job),
        (SIDE, _) => run::<T, FUSED, SIDE, 16, 2, 1>(job),
        (_, 8) => run::<T, FUSED, 1, 8, 1, 2>(job),
        (_, 16) => run::<T, FUSED, 1, 16, 1, 2>(job),
        (_, _) => run::<T, FUSED, 1, 16, 2, 2>(job),
    }
}

/// The recursion for `G` rows, `COLS` vectors of `W` states at a time, each sum in `SPLIT` parts.
#[inline(always)]
fn run<T: Real, const FUSED: bool, const G: usize, const W: usize, const COLS: usize, const SPLIT: usize>(
    job: &mut Sweep<'_, T>,
) {
    let (steps, states, width) = (job.steps, job.form.states, job.form.width());
    let (line, size) = (G * width, states * width);
    // A position is scaled by the sum of the one before it, and only where that is far from 1: a step then waits for no sum across
    // lanes, since the branch is guessed.
    let mut scale = [T::ONE; G];
    let mut low = [[T::INFINITY; W]; G];
    let mut expected = vec![T::ONE; line];
    for turn in 0..steps {
        let to = if job.backwards { steps - 1 - turn } else { turn };
        let mut sums = [[T::ZERO; W]; G];
        let from = if job.backwards { to + 1 } else { to.wrapping_sub(1) };
        let (here, there): (&mut [T], &[T]) = match (turn, job.backwards) {
            (0, _) => (&mut job.after[to * line..][..line], &[]),
            (_, false) => {
                let (low, high) = job.after.split_at_mut(to * line);
                (&mut high[..line], &low[from * line..])
            }
            (_, true) => {
                let (low, high) = job.after.split_at_mut(from * line);
                (&mut low[to * line..], &high[..line])
            }
        };
        let table = if job.form.along && turn > 0 { to.max(from) } else { 0 };
        let moves = &job.moves[table * size..][..size];
        let local = &job.local[to * line..][..line];
        if turn > 0 {
            for base in (0..width).step_by(COLS * W) {
                let mut acc = [[[[T::ZERO; W]; COLS]; G]; SPLIT];
                let mut r = 0;
                while r + SPLIT <= states {
                    for (k, acc) in acc.iter_mut().enumerate() {
                        gather::<T, FUSED, G, W, COLS>(acc, there, width, r + k, &moves[(r + k) * width + base..]);
                    }
                    r += SPLIT;
                }
                if r < states {
                    gather::<T, FUSED, G, W, COLS>(&mut acc[0], there, width, r, &moves[r * width + base..]);
                }
                for g in 0..G {
                    for c in 0..COLS {
                        let to = &mut expected[g * width + base + c * W..][..W];
                        for (l, to) in to.iter_mut().enumerate() {
                            let mut sum = acc[0][g][c][l];
                            for part in &acc[1..] {
                                sum += part[g][c][l];
                            }
                            *to = sum;
                        }
                    }
                }
            }
        }
        if job.backwards {
            for g in (0..G).filter(|&g| to + 1 == job.lengths[g]) {
                expected[g * width..][..width].fill(T::ONE);
                scale[g] = T::ONE;
            }
        }
        for g in 0..G {
            for base in (0..width).step_by(W) {
                let at = g * width + base;
                let (local, expected, here) = (&local[at..][..W], &expected[at..][..W], &mut here[at..][..W]);
                for l in 0..W {
                    let value = expected[l] * (local[l] * scale[g]);
                    here[l] = value;
                    sums[g][l] += value;
                    // The lanes behind the last state hold zeros, which say nothing.
                    let told = if base + l < states { value } else { T::ONE };
                    low[g][l] = low[g][l].smaller(told);
                }
            }
        }
        if let Some(before) = &mut job.before {
            before[to * line..][..line].copy_from_slice(&expected);
        }
        for g in 0..G {
            let sum = folded(sums[g]);
            job.sums[to * G + g] = sum;
            scale[g] = if is_scaled(sum) { T::ONE / sum } else { T::ONE };
        }
    }
    for g in 0..G {
        job.low[g] = low[g].iter().fold(T::INFINITY, |m, &v| m.smaller(v));
    }
}

/// Adds state r's share to the sums: its weight in each row times its moves.
#[inline(always)]
fn gather<T: Real, const FUSED: bool, const G: usize, const W: usize, const COLS: usize>(
    acc: &mut [[[T; W]; COLS]; G],
    there: &[T],
    width: usize,
    r: usize,
    moves: &[T],
) {
    let (moves, _) = moves.as_chunks::<W>();
    let moves = &moves[..COLS];
    for (g, acc) in acc.iter_mut().enumerate() {
        let weight = there[g * width + r];
        for (acc, moves) in acc.iter_mut().zip(moves) {
            for (sum, &m) in acc.iter_mut().zip(moves) {
                *sum = if FUSED { weight.fused(m, *sum) } else { weight * m + *sum };
            }
        }
    }
}

/// The sum over lanes, halves onto halves.
#[inline(always)]
fn folded<T: Real, const W: usize>(mut lanes: [T; W]) -> T {
    let mut half = W / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Divides what comes from behind by each position's whole, so that its product with what is expected there is the probability of a
/// state. Gives whether nothing that was too small to be kept can have counted at any position.
fn settle<T: Real>(states: usize, length: usize, stride: Stride, before: &[T], behind: &mut [T]) -> bool {
    let mut sure = true;
    settle_all(states, length, stride, before, behind, &mut sure);
    sure
}

tiered! {
    fn settle_all(states: usize, length: usize, stride: Stride, before: &[T], behind: &mut [T], sure: &mut bool)
        = settle_inner, settle_inner, settle_inner;
}

#[inline(always)]
fn settle_inner<T: Real>(
    states: usize,
    length: usize,
    stride: Stride,
    before: &[T],
    behind: &mut [T],
    sure: &mut bool,
) {
    let least = least::<T>();
    let width = states.next_multiple_of(8);
    for t in 0..length {
        let (before, behind) = (&before[stride.at(t)..][..width], &mut behind[stride.at(t)..][..width]);
        let mut sums = [T::ZERO; 8];
        for (a, b) in before.as_chunks::<8>().0.iter().zip(behind.as_chunks::<8>().0) {
            for l in 0..8 {
                sums[l] += a[l] * b[l];
            }
        }
        let whole = folded(sums);
        *sure &= whole > least && whole.is_finite();
        let share = T::ONE / whole;
        for v in behind {
            *v *= share;
        }
    }
}

/// Writes a row's derivatives.
#[allow(clippy::too_many_arguments)]
fn write<T: Real>(
    form: Form,
    length: usize,
    stride: Stride,
    before: &[T],
    after: &[T],
    behind: &[T],
    weights: &Weights<T>,
    answer: &mut Answer<'_, T>,
) {
    let (n, width) = (form.states, form.width());
    let product = |t: usize, to: &mut [T]| {
        let (a, b) = (&before[stride.at(t)..][..n], &behind[stride.at(t)..][..n]);
        for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
            *to = a * b;
        }
    };
    if let Some(start) = &mut answer.start {
        product(0, start);
    }
    if let Some(local) = &mut answer.local {
        for (t, to) in local.chunks_exact_mut(n).enumerate().take(length) {
            product(t, to);
        }
        local[length * n..].fill(T::ZERO);
    }
    let Some(moves) = &mut answer.moves else { return };
    if form.along {
        moves[..n * n].fill(T::ZERO);
        for (t, to) in moves.chunks_exact_mut(n * n).enumerate().take(length).skip(1) {
            let (from, behind) = (&after[stride.at(t - 1)..][..n], &behind[stride.at(t)..][..n]);
            let table = &weights.ahead[t * n * width..][..n * width];
            for ((to, table), &from) in to.chunks_exact_mut(n).zip(table.chunks_exact(width)).zip(from) {
                for ((to, &weight), &behind) in to.iter_mut().zip(table).zip(behind) {
                    *to = from * weight * behind;
                }
            }
        }
        moves[length * n * n..].fill(T::ZERO);
        return;
    }
    let step = stride.step as isize;
    let a = Matrix { data: after, offset: stride.first as isize, row: 1, col: step };
    let b = Matrix { data: behind, offset: stride.at(1) as isize, row: step, col: 1 };
    match length {
        1 => moves.fill(T::ZERO),
        _ => gemm(n, n, length - 1, a, b, moves),
    }
    for (to, table) in moves.chunks_exact_mut(n).zip(weights.ahead.chunks_exact(width)) {
        for (to, &weight) in to.iter_mut().zip(table) {
            *to *= weight;
        }
    }
}

/// ln Σ e^v; −∞ for nothing but −∞.
fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().fold(f64::NEG_INFINITY, |m, v| if v > m || v.is_nan() { v } else { m });
    if !top.is_finite() {
        return top;
    }
    top + values.map(|v| (v - top).exp()).sum::<f64>().ln()
}

/// The recursions with every weight a logarithm: nothing is too small, and a step takes an exponential for each move.
fn in_logarithms<T: Real>(form: Form, row: &Row<'_, T>, answer: &mut Answer<'_, T>) {
    let (n, length) = (form.states, row.length);
    let at = |cells: &[T], i: usize| cells[i].to_f64();
    let table = |t: usize| if form.along { t * n * n } else { 0 };
    let step = |t: usize, r: usize, s: usize| at(row.moves, table(t) + r * n + s);
    let start = |t: usize, s: usize| if t == 0 { at(row.start, s) } else { 0.0 };
    let own = |t: usize, s: usize| at(row.local, t * n + s) + start(t, s);
    let mut ahead = vec![0.0; length * n];
    for t in 0..length {
        for s in 0..n {
            let come = match t {
                0 => 0.0,
                _ => log_sum((0..n).map(|r| ahead[(t - 1) * n + r] + step(t, r, s))),
            };
            ahead[t * n + s] = come + own(t, s);
        }
    }
    let total = log_sum(ahead[(length - 1) * n..].iter().copied());
    if let Some(value) = &mut answer.value {
        **value = T::of(total);
    }
    if answer.is_value_alone() {
        return;
    }
    let mut behind = vec![0.0; length * n];
    for t in (0..length - 1).rev() {
        for r in 0..n {
            behind[t * n + r] = log_sum((0..n).map(|s| step(t + 1, r, s) + own(t + 1, s) + behind[(t + 1) * n + s]));
        }
    }
    // Where no path has any weight there is nothing to share out.
    let share = |log: f64| if total == f64::NEG_INFINITY { T::ZERO } else { T::of((log - total).exp()) };
    if let Some(start) = &mut answer.start {
        (0..n).for_each(|s| start[s] = share(ahead[s] + behind[s]));
    }
    if let Some(local) = &mut answer.local {
        local.fill(T::ZERO);
        (0..length * n).for_each(|i| local[i] = share(ahead[i] + behind[i]));
    }
    if let Some(moves) = &mut answer.moves {
        moves.fill(T::ZERO);
        for t in 1..length {
            for r in 0..n {
                for s in 0..n {
                    let path = ahead[(t - 1) * n + r] + step(t, r, s) + own(t, s) + behind[t * n + s];
                    moves[table(t) + r * n + s] += share(path);
                }
            }
        }
    }
}
