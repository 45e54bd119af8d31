//! A compiled tensor program: what a caller holds, runs and reads.

use super::Context;
use super::errors::{CompileError, RunError};
use super::executor::{Arguments, Memory, elements, execute};
use super::lower::lower;
use super::plan::{Kind, Plan, View};
use super::states::States;
use crate::base::approximate::Nearness;
use crate::base::places::unravel;
use crate::kernel::real::Real;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::passes::dead::remove_dead;
use crate::tensor::shape::count;
use crate::tensor::verify::{VerifyError, verify};

/// How a program is compiled.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether elementwise operations are joined into one pass over memory. Results are the same bits either way.
    pub fuse: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { fuse: true }
    }
}

/// An estimate of one run's work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Additions, multiplications and function values.
    pub flops: f64,
    /// Bytes read and written by the steps, caches left out of account.
    pub bytes: f64,
}

/// A graph compiled for one number type, with its memory.
#[derive(Clone, Debug)]
pub struct Program<T: Real> {
    plan: Plan<T>,
    memory: Memory<T>,
    outputs: Vec<(String, Vec<usize>)>,
    updates: Vec<String>,
    watches: Vec<(String, Vec<usize>, View)>,
    /// Bytes that sums over tables take while they run.
    sums: usize,
    /// States the program reads or sets.
    states: Vec<(String, Vec<usize>)>,
}

impl<T: Real> Program<T> {
    /// Compiles what the named results of `graph` need.
    pub fn compile(graph: &Graph, options: &Options) -> Result<Self, VerifyError> {
        match Self::compile_within(graph, options, usize::MAX) {
            Ok(program) => Ok(program),
            Err(CompileError::Verify(error)) => Err(error),
            // No number of bytes is above the largest.
            Err(error) => Err(VerifyError::Defect(error.to_string())),
        }
    }

    /// Compiles what the named results of `graph` need, unless its memory would hold more than `most` bytes: none is taken then.
    pub fn compile_within(graph: &Graph, options: &Options, most: usize) -> Result<Self, CompileError> {
        verify(graph)?;
        let lean = remove_dead(graph);
        if cfg!(debug_assertions) {
            verify(&lean)?;
        }
        let named = |m: &std::collections::BTreeMap<String, NodeId>| -> Vec<(String, Vec<usize>)> {
            m.iter().map(|(k, &n)| (k.clone(), lean.shape(n).to_vec())).collect()
        };
        let (outputs, updated) = (named(lean.outputs()), named(lean.updates()));
        let roots: Vec<NodeId> = lean.outputs().values().chain(lean.updates().values()).copied().collect();
        let watched: Vec<NodeId> = lean.watches().iter().map(|w| w.1).collect();
        let (plan, views) = lower::<T>(&lean, &roots, &watched, options.fuse);
        let watches = lean
            .watches()
            .iter()
            .zip(views)
            .map(|((label, n), view)| (label.clone(), lean.shape(*n).to_vec(), view))
            .collect();
        let mut states: Vec<(String, Vec<usize>)> = plan.states.iter().chain(&updated).cloned().collect();
        states.sort();
        states.dedup();
        let updates = updated.into_iter().map(|u| u.0).collect();
        let sums = sums(&plan, most)?;
        let bytes = memory(&plan).saturating_mul(size_of::<T>()).saturating_add(sums);
        if bytes > most {
            return Err(CompileError::TooLarge { bytes });
        }
        Ok(Self { memory: Memory::of(&plan), plan, outputs, updates, watches, states, sums })
    }

    /// How far the approximations among its sums came, the worst of all runs so far; none where there is none.
    pub fn nearness(&self) -> Option<Nearness> {
        self.memory.sums.iter().map(super::tables::Compiled::nearness).fold(None, Nearness::worse)
    }

    /// Names and shapes of the inputs a run must be given.
    pub fn inputs(&self) -> &[(String, Vec<usize>)] {
        &self.plan.inputs
    }

    /// Names and shapes of the results, sorted by name.
    pub fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }

    /// Names and shapes of the states that a run reads or sets, sorted by name. A state that is only set need not be there before.
    pub fn states(&self) -> &[(String, Vec<usize>)] {
        &self.states
    }

    /// Runs once: reads `inputs` (row-major) and `states`, leaves outputs to be read, and sets the states' new values, all together,
    /// unless something went wrong: then they are as they were. Inputs that the program does not read are ignored.
    pub fn run(&mut self, context: &Context, states: &mut States<T>, inputs: &[(&str, &[T])]) -> Result<(), RunError> {
        let mut given: Vec<&[T]> = Vec::with_capacity(self.plan.inputs.len());
        for (name, shape) in &self.plan.inputs {
            let (_, data) =
                inputs.iter().find(|(k, _)| k == name).ok_or_else(|| RunError::MissingInput(name.clone()))?;
            if data.len() != count(shape) {
                return Err(RunError::Shape { name: name.clone(), expected: shape.clone(), found: vec![data.len()] });
            }
            given.push(data);
        }
        for (name, shape) in &self.states {
            if let Some((found, _)) = states.get(name)
                && found != shape.as_slice()
            {
                return Err(RunError::Shape { name: name.clone(), expected: shape.clone(), found: found.to_vec() });
            }
        }
        let mut before: Vec<&[T]> = Vec::with_capacity(self.plan.states.len());
        for (name, _) in &self.plan.states {
            before.push(states.get(name).ok_or_else(|| RunError::MissingState(name.clone()))?.1);
        }
        let arguments = Arguments { context, inputs: &given, states: &before };
        execute(&self.plan, &mut self.memory, &arguments, &mut Vec::new())?;
        for (label, shape, view) in &self.watches {
            let values = elements(&self.plan, &self.memory.slots, &arguments, view);
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return Err(RunError::NotFinite { label: label.clone(), index: unravel(i, shape) });
            }
        }
        // A new value changes places with the old one, whose memory serves the next run.
        for (i, name) in self.updates.iter().enumerate() {
            let slot = self.plan.slot_of[self.plan.results[self.outputs.len() + i]];
            let new = &mut self.memory.slots[slot];
            match states.vector_mut(name) {
                Some(old) => std::mem::swap(old, new),
                None => {
                    let shape = self.states.iter().find(|s| s.0 == *name).map(|s| s.1.clone()).unwrap_or_default();
                    states.insert(name.as_str(), &shape, new.clone());
                }
            }
        }
        Ok(())
    }

    /// Shape and elements of a result, as the last run left it; zeros before the first.
    pub fn output(&self, name: &str) -> Option<(&[usize], &[T])> {
        let i = self.outputs.iter().position(|o| o.0 == name)?;
        let buffer = self.plan.results[i];
        Some((&self.outputs[i].1, &self.memory.slots[self.plan.slot_of[buffer]][..self.plan.lengths[buffer]]))
    }

    /// What one run is estimated to cost; a `while` loop counts with its bound.
    pub fn cost(&self) -> Cost {
        cost(&self.plan)
    }

    /// Bytes of memory the program holds, inputs and states apart.
    pub fn memory(&self) -> usize {
        memory(&self.plan).saturating_mul(size_of::<T>()).saturating_add(self.sums)
    }

    /// The plan as text, a line for each step.
    pub fn describe(&self) -> String {
        let mut out = String::new();
        describe(&self.plan, 0, &mut out);
        out
    }
}

fn memory<T>(plan: &Plan<T>) -> usize {
    let own = plan.slots.iter().fold(0usize, |sum, n| sum.saturating_add(*n));
    plan.bodies.iter().map(memory).fold(own, usize::saturating_add)
}

/// The most that a sum over tables takes, on every thread at once. Errors: one of them takes more than `most`, or too long.
fn sums<T>(plan: &Plan<T>, most: usize) -> Result<usize, CompileError> {
    let mut bytes = 0;
    for step in &plan.steps {
        if let Kind::Tables(tables, _) = &step.kind {
            let threads = rayon::current_num_threads().min(tables.rows());
            bytes = bytes.max(tables.forecast(most)?.saturating_mul(threads));
        }
    }
    plan.bodies.iter().try_fold(bytes, |bytes, body| Ok(bytes.max(sums(body, most)?)))
}

fn cost<T>(plan: &Plan<T>) -> Cost {
    let mut total = Cost::default();
    for step in &plan.steps {
        let read: usize = step.inputs.iter().map(|v| v.layout.len()).sum();
        let written: usize = step.outputs.iter().map(|&b| plan.lengths[b]).sum();
        let flops = match &step.kind {
            Kind::Tape(tape) => (tape.len * tape.code.len()) as f64,
            Kind::Gemm { m, n, k, batches, .. } => 2.0 * (m * n * k * batches.len()) as f64,
            Kind::Copy | Kind::Place { .. } | Kind::Gather { .. } => 0.0,
            Kind::Scatter { .. } | Kind::Reduce { .. } | Kind::CumSum { .. } | Kind::Argmax { .. } => read as f64,
            Kind::LogSumExp { .. } | Kind::Sample { .. } => 3.0 * read as f64,
            Kind::Cholesky { n, .. } => (written * n) as f64 / 3.0,
            Kind::Solve { n, .. } => (written * n) as f64,
            Kind::Random { .. } => written as f64,
            Kind::Tables(tables, _) => tables.flops(),
            Kind::Chains(chains, _) => chains.flops(),
            Kind::Scan(l) | Kind::While(l) => {
                let body = cost(&plan.bodies[l.body]);
                total.bytes += body.bytes * l.length as f64;
                body.flops * l.length as f64
            }
        };
        total.flops += flops;
        total.bytes += ((read + written) * size_of::<T>()) as f64;
    }
    total
}

fn describe<T>(plan: &Plan<T>, depth: usize, out: &mut String) {
    use std::fmt::Write;
    for step in &plan.steps {
        let indent = "  ".repeat(depth);
        let name = match &step.kind {
            Kind::Tape(tape) => {
                let codes: Vec<String> = tape
                    .code
                    .iter()
                    .map(|i| match i.code {
                        crate::kernel::tape::Code::Unary(f, _) => format!("{f:?}").to_lowercase(),
                        crate::kernel::tape::Code::Binary(f, _, _) => format!("{f:?}").to_lowercase(),
                        crate::kernel::tape::Code::Select(..) => "select".to_string(),
                    })
                    .collect();
                format!("tape of {}: {}", tape.len, codes.join(" "))
            }
            Kind::Gemm { m, n, k, batches, .. } => format!("gemm {m}x{n}x{k}, {} of them", batches.len()),
            Kind::Scan(l) => format!("scan of {} steps", l.length),
            Kind::While(l) => format!("while, at most {} steps", l.length),
            Kind::Copy => "copy".to_string(),
            Kind::Place { parts, .. } => format!("place {} parts", parts.len()),
            Kind::Gather { .. } => "gather".to_string(),
            Kind::Scatter { .. } => "scatter".to_string(),
            Kind::Reduce { kind, outer, n, inner } => {
                format!("{} of {outer}x[{n}]x{inner}", format!("{kind:?}").to_lowercase())
            }
            Kind::LogSumExp { outer, n, inner, .. } => format!("logsumexp of {outer}x[{n}]x{inner}"),
            Kind::Argmax { .. } => "argmax".to_string(),
            Kind::Sample { .. } => "draw".to_string(),
            Kind::CumSum { .. } => "cumsum".to_string(),
            Kind::Tables(tables, _) => format!("sum over {} tables, {} rows", tables.tables(), tables.rows()),
            Kind::Chains(chains, _) => {
                let (rows, steps, states) = chains.extents();
                format!("sum over paths of {steps} positions, {states} states, {rows} rows")
            }
            Kind::Cholesky { n, of } => format!("cholesky of {n}x{n}, {of}"),
            Kind::Solve { n, k, .. } => format!("solve {n}x{n} for {k}"),
            Kind::Random { law, .. } => format!("random {}", format!("{law:?}").to_lowercase()),
        };
        let slots: Vec<String> = step.outputs.iter().map(|&b| format!("#{}", plan.slot_of[b])).collect();
        let _ = writeln!(out, "{indent}{} = {name}", slots.join(" "));
        if let Kind::Scan(l) | Kind::While(l) = &step.kind {
            describe(&plan.bodies[l.body], depth + 1, out);
        }
    }
}
