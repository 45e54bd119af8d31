//! The step that sums over products of tables: rows grouped by what their tables fix, a junction tree compiled once for each group.
//!
//! In: logarithms of cells, laid out as [`TableOp`] says. Out: the members of its tuple that are wanted. A table over a single axis with one
//! cell above zero is evidence: its axis is sliced out, as if it were not there. Programs stay from run to run, so that rows
//! whose evidence stands at the same axes share one whatever their values, and a state is renewed only where its tables changed.

mod approximate;

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::errors::CompileError;
use crate::base::approximate::Nearness;
use crate::base::places::unravel;
use crate::base::stream::Draws;
use crate::kernel::random;
use crate::kernel::real::Real;
use crate::kernel::scalar::Law;
use crate::table::{Forecast, Options, Program, Rule, State, Table, TableError, Tables, log_sum};
use crate::tensor::op::{Semiring, Summing, TableInput, TableOp};
use crate::tensor::verify::VerifyError;

/// Programs kept from run to run; those of further groups of rows are made anew each time.
const MOST_KEPT: usize = 8192;
/// Cells whose logarithm lies further than this below the largest of their table call for logarithms throughout: several such cells
/// multiplied, or weighed against each other, must not come out as zeros.
const LEAST: f64 = -200.0;
/// Rows that one task takes.
const ROWS: usize = 32;
/// Orders of summing that are tried for each group of rows.
const TRIES: usize = 8;

/// One table of the product, and where its cells are read.
#[derive(Clone, Debug)]
struct Source {
    input: usize,
    /// First cell within a row of the input.
    start: usize,
    cells: usize,
    /// Its axes, each once.
    axes: Vec<usize>,
    /// For each cell over `axes` the cell of the input, where they are not the same.
    pick: Option<Vec<u32>>,
    unit_over: Option<usize>,
}

/// What the step does, settled when it is lowered.
#[derive(Clone, Debug)]
pub(super) struct TableStep {
    op: Arc<TableOp>,
    /// Whether each input has rows.
    rowed: Vec<bool>,
    /// Rows; 1 where no input has any.
    rows: usize,
    /// The members of the tuple that are outputs.
    members: Vec<usize>,
    sources: Vec<Source>,
    /// Sources of one axis.
    single: Vec<usize>,
    /// What the sum takes where nothing is evidence.
    whole: Result<Forecast, TableError>,
}

/// A program for rows that fix the same axes, with the places its answers go to.
#[derive(Debug)]
struct Pattern {
    program: Program,
    reads: Vec<Read>,
}

/// Where the derivative by one table comes from.
#[derive(Debug)]
struct Read {
    /// The output, and the first cell within its row.
    output: usize,
    start: usize,
    source: usize,
    how: How,
    /// For each cell of the joint marginal its place among the cells over the table's axes.
    offsets: Vec<u32>,
    /// Fixed axes of the table: their place among the fixed ones, and the stride.
    fixed: Vec<(usize, usize)>,
}

#[derive(Debug)]
enum How {
    /// All its axes are fixed.
    Certain,
    Single(usize),
    /// Number of the set wanted together.
    Together(usize),
}

/// Programs of earlier runs, by the axes that are fixed.
#[derive(Clone, Debug, Default)]
pub(super) struct Compiled(BTreeMap<Vec<usize>, Arc<Pattern>>, Option<Nearness>);

impl Compiled {
    /// How far an approximation came, in all runs so far.
    pub(super) fn nearness(&self) -> Option<Nearness> {
        self.1
    }
}

/// What came of making weights of logarithms.
#[derive(Clone, Copy, Debug)]
struct Loaded {
    /// The logarithm taken out.
    shift: f64,
    /// Every cell is a weight: neither infinite nor undefined.
    whole: bool,
    /// Some cell is too small beside the largest of its table to be told from zero.
    flushed: bool,
}

impl Default for Loaded {
    fn default() -> Self {
        Self { shift: 0.0, whole: true, flushed: false }
    }
}

impl Loaded {
    /// Of one table and of others.
    fn and(&self, other: &Loaded) -> Loaded {
        Loaded {
            shift: self.shift + other.shift,
            whole: self.whole && other.whole,
            flushed: self.flushed || other.flushed,
        }
    }
}

/// What one row's tables fix.
struct Evidence {
    row: usize,
    states: Vec<usize>,
}

impl TableStep {
    /// The step for inputs of these shapes; `members` of the tuple are its outputs, in this order.
    pub fn new(op: &Arc<TableOp>, shapes: &[&[usize]], members: Vec<usize>) -> Self {
        let mut sources = Vec::new();
        for (i, input) in op.inputs.iter().enumerate() {
            for (position, place) in input.places.iter().enumerate() {
                sources.push(source(op, i, input, position, place));
            }
        }
        let single = (0..sources.len()).filter(|&s| sources[s].axes.len() == 1).collect();
        let rowed: Vec<bool> = shapes.iter().map(|s| s.len() == 3).collect();
        let rows = TableOp::rows(shapes).unwrap_or(1);
        let whole = Err(TableError::Impossible);
        let mut step = Self { op: op.clone(), rowed, rows, members, sources, single, whole };
        if step.op.how == Summing::Exact {
            let options = Options { bytes: u64::MAX, tries: TRIES, ..Options::default() };
            // Only shapes are looked at, but a table without its cells is none.
            step.whole = step.compile(&step.blank(), &[], options).map(|p| p.program.forecast().clone());
        }
        step
    }

    /// The tables without their numbers.
    fn blank(&self) -> Tables {
        let blank = |s: &Source| {
            let mut table = Table::new(s.axes.clone(), vec![0.0; s.len(&self.op.sizes)]);
            table.sums_to_one_over = s.unit_over;
            table
        };
        Tables { cards: self.op.sizes.clone(), tables: self.sources.iter().map(blank).collect() }
    }

    /// Tables of the product.
    pub fn tables(&self) -> usize {
        self.sources.len()
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Where the random numbers come from, if draws are made.
    pub fn site(&self) -> Option<u32> {
        match (&self.op.how, self.op.mode) {
            (Summing::Approximate(_, site), _) => Some(*site),
            (Summing::Exact, Semiring::Sample(site)) => Some(site),
            (Summing::Exact, Semiring::Soft | Semiring::Max) => None,
        }
    }

    /// Operations of one run without evidence.
    pub fn flops(&self) -> f64 {
        self.whole.as_ref().map_or(f64::INFINITY, |forecast| forecast.flops * self.rows as f64)
    }

    /// Bytes that the answers to one row without evidence take, after one look at what they would.
    ///
    /// # Errors
    /// [`CompileError::Sum`]: they take more than `most`, or too long.
    pub fn forecast(&self, most: usize) -> Result<usize, CompileError> {
        let told = |axes: &[usize], cells: f64, bytes: f64, flops: f64| {
            let mut names: Vec<String> = axes.iter().map(|&a| self.op.names[a].clone()).collect();
            names.sort();
            names.dedup();
            CompileError::Sum { axes: (names, axes.len()), cells, bytes, flops }
        };
        if self.op.how != Summing::Exact {
            return Ok(self.approximate_bytes());
        }
        match &self.whole {
            Ok(forecast) if forecast.bytes > most as f64 => {
                Err(told(&forecast.largest, forecast.largest_cells, forecast.bytes, forecast.flops))
            }
            Ok(forecast) => Ok(forecast.bytes as usize),
            Err(TableError::TooLarge { axes, cells, bytes, .. }) => Err(told(axes, *cells, *bytes, 0.0)),
            Err(TableError::TooLong { axes, cells, flops, .. }) => Err(told(axes, *cells, 0.0, *flops)),
            Err(error) => Err(CompileError::Verify(VerifyError::Defect(error.to_string()))),
        }
    }

    /// Elements of an output's row.
    fn width(&self, member: usize) -> usize {
        match member.checked_sub(1) {
            None => 1,
            Some(i) => self.op.inputs[i].places.len() * self.op.inputs[i].cells(),
        }
    }

    /// Runs the step.
    pub fn run<T: Real>(&self, inputs: &[&[T]], outputs: &mut [&mut [T]], kept: &mut Compiled, draws: Option<&Draws>) {
        let mut base = self.blank();
        let mut all = Loaded::default();
        for (source, table) in self.sources.iter().zip(&mut base.tables).filter(|(s, _)| !self.rowed[s.input]) {
            all = all.and(&source.load(self.row(inputs, source, 0), &mut table.cells));
        }
        if let Summing::Approximate(method, _) = &self.op.how {
            let came = self.approximate(method, inputs, outputs, &base, &all, draws);
            kept.1 = Nearness::worse(kept.1, came);
            return;
        }
        let mut groups: BTreeMap<Vec<usize>, Vec<Evidence>> = BTreeMap::new();
        for row in 0..self.rows {
            let (fixed, states) = self.evidence(inputs, row);
            groups.entry(fixed).or_default().push(Evidence { row, states });
        }
        // What it may take was settled when it was compiled; evidence only makes it less.
        let free = Options { bytes: u64::MAX, flops: f64::INFINITY, tries: TRIES, ..Options::default() };
        let missing: Vec<&Vec<usize>> = groups.keys().filter(|fixed| !kept.0.contains_key(*fixed)).collect();
        let made: Vec<(Vec<usize>, Result<Pattern, TableError>)> =
            missing.into_par_iter().map(|fixed| (fixed.clone(), self.compile(&base, fixed, free.clone()))).collect();
        let mut fresh: BTreeMap<Vec<usize>, Option<Arc<Pattern>>> = BTreeMap::new();
        for (fixed, pattern) in made {
            debug_assert!(!matches!(pattern, Err(TableError::Misfit(_))), "{pattern:?}");
            let pattern = pattern.ok().map(Arc::new);
            match (&pattern, kept.0.len() < MOST_KEPT) {
                (Some(found), true) => {
                    kept.0.insert(fixed, found.clone());
                }
                _ => {
                    fresh.insert(fixed, pattern);
                }
            }
        }
        // Each row's stretch of each output goes to the task that has the row.
        let mut stretches = self.stretches(outputs);
        type Task<'a, T> = (Option<Arc<Pattern>>, Vec<(Evidence, Vec<&'a mut [T]>)>);
        let mut tasks: Vec<Task<'_, T>> = Vec::new();
        for (fixed, rows) in groups {
            let pattern = kept.0.get(&fixed).cloned().or_else(|| fresh.get(&fixed).cloned().flatten());
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                let some = rows.by_ref().take(ROWS);
                let some = some.map(|e| (std::mem::take(&mut stretches[e.row]), e)).map(|(s, e)| (e, s)).collect();
                tasks.push((pattern.clone(), some));
            }
        }
        tasks.into_par_iter().for_each_init(
            || base.clone(),
            |tables, (pattern, mut rows)| match pattern {
                Some(pattern) => self.some(inputs, &pattern, tables, &all, &mut rows, draws),
                // What does not fit in memory was refused before the run; a table that is none says so by its value.
                None => rows.iter_mut().flat_map(|r| &mut r.1).for_each(|s| s.fill(T::of(f64::NAN))),
            },
        );
    }

    /// For each row its stretch of each output.
    fn stretches<'a, T>(&self, outputs: &'a mut [&mut [T]]) -> Vec<Vec<&'a mut [T]>> {
        let mut stretches: Vec<Vec<&mut [T]>> = (0..self.rows).map(|_| Vec::new()).collect();
        for (output, &member) in outputs.iter_mut().zip(&self.members) {
            let width = self.width(member).max(1);
            for (row, stretch) in output.chunks_mut(width).enumerate().take(self.rows) {
                stretches[row].push(stretch);
            }
        }
        stretches
    }

    /// The cells of a table in a row.
    fn row<'a, T>(&self, inputs: &[&'a [T]], source: &Source, row: usize) -> &'a [T] {
        let width = self.op.inputs[source.input].places.len() * self.op.inputs[source.input].cells();
        let from = if self.rowed[source.input] { row * width } else { 0 };
        &inputs[source.input][from + source.start..][..source.cells]
    }

    /// The axes that a row's tables leave one state, and that state.
    fn evidence<T: Real>(&self, inputs: &[&[T]], row: usize) -> (Vec<usize>, Vec<usize>) {
        let mut found: BTreeMap<usize, usize> = BTreeMap::new();
        for &s in &self.single {
            let source = &self.sources[s];
            if source.pick.is_some() {
                continue;
            }
            let cells = self.row(inputs, source, row);
            let mut positive = (0..cells.len()).filter(|&i| cells[i] > T::NEG_INFINITY);
            if let (Some(state), None) = (positive.next(), positive.next()) {
                found.entry(source.axes[0]).or_insert(state);
            }
        }
        found.into_iter().unzip()
    }

    /// The program for rows that fix these axes.
    fn compile(&self, base: &Tables, fixed: &[usize], mut options: Options) -> Result<Pattern, TableError> {
        let soft = self.op.mode == Semiring::Soft;
        let is_free = |a: usize| self.op.sizes[a] > 1 && fixed.binary_search(&a).is_err();
        options.maximisable = self.op.mode == Semiring::Max;
        let (mut wanted, mut together, mut reads) = (Vec::new(), Vec::new(), Vec::new());
        for (output, &member) in self.members.iter().enumerate() {
            let Some(input) = member.checked_sub(1) else { continue };
            for (s, source) in self.sources.iter().enumerate().filter(|(_, s)| s.input == input) {
                let free: Vec<usize> = source.axes.iter().copied().filter(|&a| is_free(a)).collect();
                let how = match free.as_slice() {
                    [] => How::Certain,
                    [axis] => {
                        wanted.push(*axis);
                        How::Single(*axis)
                    }
                    _ => {
                        together.push(free.clone());
                        How::Together(together.len() - 1)
                    }
                };
                let strides = source.strides(&self.op.sizes);
                let stride = |axis: usize| source.axes.iter().position(|&a| a == axis).map_or(0, |i| strides[i]);
                let mut offsets = vec![0u32];
                if soft {
                    for &axis in &free {
                        let step = stride(axis) as u32;
                        let states = 0..self.op.sizes[axis] as u32;
                        offsets = offsets.iter().flat_map(|at| states.clone().map(move |s| at + s * step)).collect();
                    }
                }
                let held = fixed.iter().enumerate().filter(|(_, a)| source.axes.contains(a));
                let held = held.map(|(i, &a)| (i, stride(a))).collect();
                reads.push(Read { output, start: source.start, source: s, how, offsets, fixed: held });
            }
        }
        if soft {
            wanted.sort_unstable();
            wanted.dedup();
            options.wanted = Some(wanted);
            options.together = together;
        }
        let program = Program::compile(base, fixed, &options)?;
        Ok(Pattern { program, reads })
    }

    /// Answers for some rows of one pattern.
    fn some<T: Real>(
        &self,
        inputs: &[&[T]],
        pattern: &Pattern,
        tables: &mut Tables,
        shared: &Loaded,
        rows: &mut [(Evidence, Vec<&mut [T]>)],
        draws: Option<&Draws>,
    ) {
        let mut state: Option<State<'_>> = None;
        let mut changed = vec![false; self.sources.len()];
        let mut cells = Vec::new();
        for (evidence, outputs) in rows {
            let mut loaded = *shared;
            for (s, source) in self.sources.iter().enumerate().filter(|(_, s)| self.rowed[s.input]) {
                cells.resize(tables.tables[s].cells.len(), 0.0);
                loaded = loaded.and(&source.load(self.row(inputs, source, evidence.row), &mut cells));
                changed[s] = cells != tables.tables[s].cells;
                if changed[s] {
                    std::mem::swap(&mut tables.tables[s].cells, &mut cells);
                }
            }
            outputs.iter_mut().for_each(|o| o.fill(T::ZERO));
            if loaded.flushed && loaded.whole {
                self.by_logs(inputs, evidence.row, outputs, draws);
                state = None;
                continue;
            }
            let ready = match &mut state {
                Some(state) => state.renew(tables, &evidence.states, &changed),
                None => pattern.program.load(tables, &evidence.states).map(|s| state = Some(s)),
            };
            let found = match (&mut state, ready) {
                (Some(state), Ok(())) if loaded.whole => self.answer(pattern, state, evidence, outputs, draws),
                (_, ready) => Err(ready.err().unwrap_or_else(|| TableError::Misfit("a cell is no weight".into()))),
            };
            match found {
                Ok(log) => self.give(outputs, 0, T::of(log + loaded.shift)),
                Err(TableError::Impossible) => self.give(outputs, 0, T::NEG_INFINITY),
                Err(_) => {
                    // The state may be half renewed.
                    state = None;
                    outputs.iter_mut().for_each(|o| o.fill(T::of(f64::NAN)));
                }
            }
        }
    }

    /// Answers for a row whose cells lie too far apart for linear space.
    fn by_logs<T: Real>(&self, inputs: &[&[T]], row: usize, outputs: &mut [&mut [T]], draws: Option<&Draws>) {
        let sizes = &self.op.sizes;
        let mut tables: Vec<(Vec<usize>, Vec<f64>, Vec<usize>)> = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let logs = self.row(inputs, source, row);
            let strides = source.strides(sizes);
            let mut order: Vec<usize> = (0..source.axes.len()).collect();
            order.sort_unstable_by_key(|&i| source.axes[i]);
            let axes: Vec<usize> = order.iter().map(|&i| source.axes[i]).collect();
            let own: Vec<usize> = axes.iter().map(|&a| sizes[a]).collect();
            let places: Vec<usize> = (0..source.len(sizes))
                .map(|cell| {
                    let at = unravel(cell, &own).iter().zip(&order).map(|(s, &i)| s * strides[i]).sum::<usize>();
                    source.pick.as_ref().map_or(at, |p| p[at] as usize)
                })
                .collect();
            tables.push((axes, places.iter().map(|&at| logs[at].to_f64()).collect(), places));
        }
        let mut uniform = uniforms(draws, row);
        let rule = match self.op.mode {
            Semiring::Soft => Rule::Sum,
            Semiring::Max => Rule::Largest,
            Semiring::Sample(_) => Rule::Draw(&mut uniform),
        };
        let given: Vec<(&[usize], &[f64])> = tables.iter().map(|(a, l, _)| (&a[..], &l[..])).collect();
        let (total, weights) = log_sum(sizes, &given, rule);
        self.give(outputs, 0, T::of(total));
        for (output, &member) in outputs.iter_mut().zip(&self.members) {
            let of = |s: &(usize, &Source)| member.checked_sub(1) == Some(s.1.input);
            for (s, source) in self.sources.iter().enumerate().filter(of) {
                for (&at, &weight) in tables[s].2.iter().zip(&weights[s]) {
                    output[source.start + at] = T::of(weight);
                }
            }
        }
    }

    fn give<T: Real>(&self, outputs: &mut [&mut [T]], member: usize, value: T) {
        for (output, &m) in outputs.iter_mut().zip(&self.members) {
            if m == member {
                output.fill(value);
            }
        }
    }

    /// The sum's logarithm, with the wanted derivatives put where they belong.
    fn answer<T: Real>(
        &self,
        pattern: &Pattern,
        state: &mut State<'_>,
        evidence: &Evidence,
        outputs: &mut [&mut [T]],
        draws: Option<&Draws>,
    ) -> Result<f64, TableError> {
        let (log, states) = match self.op.mode {
            Semiring::Soft => (state.propagate()?, None),
            Semiring::Max => {
                let best = state.maximum()?;
                (best.score, Some(best.states))
            }
            Semiring::Sample(_) => {
                let mut uniform = uniforms(draws, evidence.row);
                let log = state.propagate()?;
                (log, Some(state.draw_by(&mut uniform)?))
            }
        };
        if log == f64::NEG_INFINITY {
            return Err(TableError::Impossible);
        }
        for read in &pattern.reads {
            let source = &self.sources[read.source];
            let mut put = |at: usize, value: f64| {
                let at = source.pick.as_ref().map_or(at, |p| p[at] as usize);
                outputs[read.output][read.start + at] = T::of(value);
            };
            if let Some(states) = &states {
                let strides = source.strides(&self.op.sizes);
                put(source.axes.iter().zip(strides).map(|(&a, s)| states[a] * s).sum(), 1.0);
                continue;
            }
            let base: usize = read.fixed.iter().map(|&(i, stride)| evidence.states[i] * stride).sum();
            let marginal = match read.how {
                How::Certain => Some(&[1.0][..]),
                How::Single(axis) => state.marginal(axis),
                How::Together(set) => state.joint_of(set),
            };
            for (&offset, &p) in read.offsets.iter().zip(marginal.unwrap_or_default()) {
                put(base + offset as usize, p);
            }
        }
        Ok(log)
    }
}

/// The uniform numbers of a row, one after the other.
fn uniforms(draws: Option<&Draws>, row: usize) -> impl FnMut() -> f64 + '_ {
    let mut columns = 0..;
    move || draws.zip(columns.next()).map_or(0.5, |(d, col)| random::at(Law::Uniform, d, row, col))
}

impl Source {
    /// Cells over its axes.
    fn len(&self, sizes: &[usize]) -> usize {
        self.axes.iter().map(|&a| sizes[a]).product()
    }

    fn strides(&self, sizes: &[usize]) -> Vec<usize> {
        let own: Vec<usize> = self.axes.iter().map(|&a| sizes[a]).collect();
        crate::tensor::shape::strides(&own)
    }

    /// Exponentials of logarithms, the largest taken to 1. A table that is promised to sum to one stays as it is.
    fn load<T: Real>(&self, logs: &[T], cells: &mut [f64]) -> Loaded {
        let log = |i: usize| logs[self.pick.as_ref().map_or(i, |p| p[i] as usize)].to_f64();
        let mut top = f64::NEG_INFINITY;
        let mut finite = true;
        for i in 0..cells.len() {
            let v = log(i);
            finite &= v < f64::INFINITY;
            top = if v > top { v } else { top };
        }
        let shift = if self.unit_over.is_some() || top == f64::NEG_INFINITY { 0.0 } else { top };
        let mut flushed = false;
        for (i, cell) in cells.iter_mut().enumerate() {
            let v = log(i) - shift;
            *cell = if v == 0.0 { 1.0 } else { v.exp() };
            flushed |= v < LEAST && v > f64::NEG_INFINITY;
        }
        Loaded { shift, whole: finite, flushed }
    }
}

fn source(op: &TableOp, i: usize, input: &TableInput, position: usize, place: &[Option<usize>]) -> Source {
    let cells = input.cells();
    let mut axes: Vec<usize> = Vec::new();
    for &axis in place.iter().flatten() {
        if !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    let regular = axes.len() == place.len();
    let sizes: Vec<usize> = axes.iter().map(|&a| op.sizes[a]).collect();
    let count: usize = sizes.iter().product();
    let pick =
        (!regular).then(|| (0..count).map(|at| input.cell(position, &axes, &unravel(at, &sizes)) as u32).collect());
    let unit_over = input.unit_over.filter(|_| regular).and_then(|a| place[a]);
    Source { input: i, start: position * cells, cells, axes, pick, unit_over }
}
