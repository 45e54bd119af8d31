//! Runs a plan: step after step on the calling thread, each step's kernel on the threads of the ambient rayon pool.

use rayon::prelude::*;

use super::Context;
use super::chains::Spare;
use super::errors::RunError;
use super::plan::{Given, Kept, Kind, Loop, Place, Plan, Step, View};
use super::tables::Compiled;
use crate::base::stream::Draws;
use crate::kernel::gemm::{Matrix, gemm};
use crate::kernel::real::Real;
use crate::kernel::strided::load;
use crate::kernel::tape::{BLOCK, Scratch, Tape};
use crate::kernel::{factor, lines, random, reduce};

/// The memory of a plan, kept from run to run.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory<T> {
    /// A stretch for each slot.
    pub slots: Vec<Vec<T>>,
    scratch: Scratch<T>,
    places: Vec<usize>,
    bodies: Vec<(Memory<T>, Vec<Vec<T>>)>,
    pub(super) sums: Vec<Compiled>,
    chains: Vec<Spare<T>>,
}

impl<T: Real> Memory<T> {
    /// Memory for `plan` and the bodies of its loops.
    pub fn of(plan: &Plan<T>) -> Self {
        Self {
            slots: plan.slots.iter().map(|&n| vec![T::ZERO; n]).collect(),
            scratch: Scratch::default(),
            places: Vec::new(),
            sums: vec![Compiled::default(); plan.sums],
            chains: vec![Spare::default(); plan.chains],
            bodies: plan.bodies.iter().map(|b| (Memory::of(b), Vec::new())).collect(),
        }
    }
}

/// What a run reads.
pub(super) struct Arguments<'a, T> {
    pub context: &'a Context,
    pub inputs: &'a [&'a [T]],
    pub states: &'a [&'a [T]],
}

/// The buffer a view looks into.
pub(super) fn source<'a, T>(
    plan: &'a Plan<T>,
    slots: &'a [Vec<T>],
    arguments: &Arguments<'a, T>,
    place: Place,
) -> &'a [T] {
    match place {
        Place::Input(i) => arguments.inputs[i],
        Place::State(i) => arguments.states[i],
        Place::Constant(i) => &plan.constants[i],
        Place::Buffer(b) => &slots[plan.slot_of[b]][..plan.lengths[b]],
    }
}

/// The elements of a dense view.
pub(super) fn elements<'a, T>(
    plan: &'a Plan<T>,
    slots: &'a [Vec<T>],
    arguments: &Arguments<'a, T>,
    view: &View,
) -> &'a [T] {
    let n = view.layout.len();
    let first = if n == 0 { 0 } else { view.layout.offset as usize };
    &source(plan, slots, arguments, view.place)[first..first + n]
}

/// Runs all steps. `path` holds the positions of the loops around the plan.
pub(super) fn execute<T: Real>(
    plan: &Plan<T>,
    memory: &mut Memory<T>,
    arguments: &Arguments<'_, T>,
    path: &mut Vec<u64>,
) -> Result<(), RunError> {
    plan.steps.iter().try_for_each(|step| match &step.kind {
        Kind::Scan(l) => repeat(plan, step, l, true, memory, arguments, path),
        Kind::While(l) => repeat(plan, step, l, false, memory, arguments, path),
        Kind::Tape(tape) => {
            run_tape(plan, step, tape, memory, arguments);
            Ok(())
        }
        Kind::Tables(..) | Kind::Chains(..) => {
            run_sum(plan, step, memory, arguments, path);
            Ok(())
        }
        _ => single(plan, step, memory, arguments, path),
    })
}

/// A step whose outputs are the members of a sum's tuple.
fn run_sum<T: Real>(plan: &Plan<T>, step: &Step, memory: &mut Memory<T>, arguments: &Arguments<'_, T>, path: &[u64]) {
    let Memory { slots, sums, chains, .. } = memory;
    let mut taken: Vec<Vec<T>> = step.outputs.iter().map(|&b| std::mem::take(&mut slots[plan.slot_of[b]])).collect();
    let inputs: Vec<&[T]> = step.inputs.iter().map(|v| elements(plan, slots, arguments, v)).collect();
    let mut outputs: Vec<&mut [T]> =
        taken.iter_mut().zip(&step.outputs).map(|(t, &b)| &mut t[..plan.lengths[b]]).collect();
    match &step.kind {
        Kind::Tables(tables, store) => {
            let draws =
                tables.site().map(|site| Draws::new(arguments.context.seed, arguments.context.step, site, path));
            tables.run(&inputs, &mut outputs, &mut sums[*store], draws.as_ref());
        }
        Kind::Chains(chains_step, store) => chains_step.run(&inputs, &mut outputs, &mut chains[*store]),
        _ => {}
    }
    for (t, &b) in taken.into_iter().zip(&step.outputs) {
        slots[plan.slot_of[b]] = t;
    }
}

fn run_tape<T: Real>(plan: &Plan<T>, step: &Step, tape: &Tape, memory: &mut Memory<T>, arguments: &Arguments<'_, T>) {
    // Most tapes read and write few arrays: their slices then stand on the stack.
    const FEW_IN: usize = 12;
    const FEW_OUT: usize = 4;
    let Memory { slots, scratch, .. } = memory;
    let mut few: [Vec<T>; FEW_OUT] = Default::default();
    let mut many: Vec<Vec<T>> = Vec::new();
    let taken: &mut [Vec<T>] = if step.outputs.len() <= FEW_OUT {
        &mut few[..step.outputs.len()]
    } else {
        many.resize_with(step.outputs.len(), Vec::new);
        &mut many
    };
    for (t, &b) in taken.iter_mut().zip(&step.outputs) {
        std::mem::swap(t, &mut slots[plan.slot_of[b]]);
    }
    {
        let input = |i: usize| source(plan, slots, arguments, step.inputs[i].place);
        let n = step.inputs.len();
        let few_in: [&[T]; FEW_IN] = std::array::from_fn(|i| if i < n.min(FEW_IN) { input(i) } else { &[] });
        let many_in: Vec<&[T]> = if n > FEW_IN { (0..n).map(input).collect() } else { Vec::new() };
        let inputs = if n > FEW_IN { &many_in[..] } else { &few_in[..n] };
        let mut rest = taken.iter_mut().zip(&step.outputs).map(|(t, &b)| &mut t[..plan.lengths[b]]);
        if step.outputs.len() <= FEW_OUT {
            let mut outputs: [&mut [T]; FEW_OUT] = std::array::from_fn(|_| rest.next().unwrap_or_default());
            tape.run(inputs, &mut outputs[..step.outputs.len()], scratch);
        } else {
            tape.run(inputs, &mut rest.collect::<Vec<_>>(), scratch);
        }
    }
    for (t, &b) in taken.iter_mut().zip(&step.outputs) {
        std::mem::swap(t, &mut slots[plan.slot_of[b]]);
    }
}

/// A step with one output and no body.
fn single<T: Real>(
    plan: &Plan<T>,
    step: &Step,
    memory: &mut Memory<T>,
    arguments: &Arguments<'_, T>,
    path: &[u64],
) -> Result<(), RunError> {
    let Memory { slots, places, .. } = memory;
    // Indices are checked before anything is taken, so that an error leaves the memory whole.
    if let Kind::Gather { n, .. } | Kind::Scatter { n, .. } = step.kind {
        places.clear();
        for v in elements(plan, slots, arguments, &step.inputs[1]) {
            let wrong = || RunError::IndexOutOfRange { value: v.to_string(), extent: n };
            places.push(v.to_index(n).ok_or_else(wrong)?);
        }
    }
    let buffer = step.outputs[0];
    let mut taken = std::mem::take(&mut slots[plan.slot_of[buffer]]);
    let out = &mut taken[..plan.lengths[buffer]];
    let input = |i: usize| elements(plan, slots, arguments, &step.inputs[i]);
    let raw = |i: usize| (source(plan, slots, arguments, step.inputs[i].place), &step.inputs[i].layout);
    let draws = |site: u32| Draws::new(arguments.context.seed, arguments.context.step, site, path);
    let mut outcome = Ok(());
    match &step.kind {
        Kind::Copy => {
            let (data, layout) = raw(0);
            let task = 16 * BLOCK;
            match out.len() <= task {
                true => load(layout, data, 0, out),
                false => {
                    out.par_chunks_mut(task).enumerate().for_each(|(i, out)| load(layout, data, i * task, out));
                }
            }
        }
        Kind::Place { total, parts, fill } => {
            if let Some(v) = fill {
                out.fill(T::of(*v));
            }
            for (i, &(offset, run)) in parts.iter().enumerate().filter(|(_, p)| p.1 > 0) {
                let (data, layout) = raw(i);
                for (row, out) in out.chunks_exact_mut((*total).max(1)).enumerate() {
                    load(layout, data, row * run, &mut out[offset..offset + run]);
                }
            }
        }
        Kind::Gather { n, inner } => lines::gather(input(0), *n, *inner, places, out),
        Kind::Scatter { n, inner } => lines::scatter(input(0), *n, *inner, places, out),
        Kind::Reduce { kind, outer, n, inner } => reduce::reduce(*kind, input(0), *outer, *n, *inner, out),
        Kind::LogSumExp { outer, n, inner, max } => lines::log_sum_exp(input(0), *outer, *n, *inner, *max, out),
        Kind::Argmax { n, inner } => lines::one_hot_argmax(input(0), *n, *inner, out),
        Kind::Sample { n, inner, site, columns } => {
            lines::one_hot_sample(input(0), *n, *inner, &draws(*site), *columns, out);
        }
        Kind::CumSum { n, inner, exclusive, reverse } => lines::cumsum(input(0), *n, *inner, *exclusive, *reverse, out),
        Kind::Gemm { m, n, k, batches, a, b } => {
            let (data_a, data_b) = (raw(0).0, raw(1).0);
            let one = |(&(at_a, at_b), out): (&(isize, isize), &mut [T])| {
                let left = Matrix { data: data_a, offset: at_a, row: a.0, col: a.1 };
                let right = Matrix { data: data_b, offset: at_b, row: b.0, col: b.1 };
                gemm(*m, *n, *k, left, right, out);
            };
            let size = m * n;
            if size > 0 {
                match batches.len() > 1 && batches.len() * size * k >= 1 << 17 {
                    true => batches.par_iter().zip(out.par_chunks_exact_mut(size)).for_each(one),
                    false => batches.iter().zip(out.chunks_exact_mut(size)).for_each(one),
                }
            }
        }
        Kind::Cholesky { n, of } => {
            outcome = factor::cholesky(input(0), *n, out).map_err(|_| RunError::NotPositive { of: of.clone() });
        }
        Kind::Solve { n, k, transposed } => factor::solve(input(0), input(1), *n, *k, *transposed, out),
        Kind::Random { law, site, columns } => random::fill(*law, &draws(*site), *columns, out),
        Kind::Tape(_) | Kind::Tables(..) | Kind::Chains(..) | Kind::Scan(_) | Kind::While(_) => {}
    }
    slots[plan.slot_of[buffer]] = taken;
    outcome
}

/// A loop: carries live in buffers of their own, which change places with the body's results after each step.
fn repeat<T: Real>(
    plan: &Plan<T>,
    step: &Step,
    l: &Loop,
    counted: bool,
    memory: &mut Memory<T>,
    arguments: &Arguments<'_, T>,
    path: &mut Vec<u64>,
) -> Result<(), RunError> {
    let Memory { slots, bodies, .. } = memory;
    let body = &plan.bodies[l.body];
    let (inner, carries) = &mut bodies[l.body];
    let mut taken: Vec<Vec<T>> = step.outputs.iter().map(|&b| std::mem::take(&mut slots[plan.slot_of[b]])).collect();
    let inputs: Vec<&[T]> = step.inputs.iter().map(|v| elements(plan, slots, arguments, v)).collect();
    carries.resize_with(l.carries, Vec::new);
    for (carry, start) in carries.iter_mut().zip(&inputs) {
        carry.clear();
        carry.extend_from_slice(start);
    }
    let mut steps = 0;
    let mut outcome = Ok(());
    while steps < l.length {
        let t = if l.reverse { l.length - 1 - steps } else { steps };
        for (kept, to) in l.kept.iter().zip(&mut taken) {
            if let Kept::History(i) = kept {
                let n = carries[*i].len();
                to[t * n..(t + 1) * n].copy_from_slice(&carries[*i]);
            }
        }
        let position = [T::of_index(t)];
        {
            let given = l.given.iter().map(|g| match g {
                Given::Position => &position[..],
                Given::Carry(i) => &carries[*i],
                Given::Slice(i) => {
                    let n = inputs[*i].len() / l.length;
                    &inputs[*i][t * n..(t + 1) * n]
                }
                Given::Whole(i) => inputs[*i],
            });
            let given: Vec<&[T]> = given.collect();
            let arguments = Arguments { context: arguments.context, inputs: &given, states: &[] };
            path.push(t as u64);
            outcome = execute(body, inner, &arguments, path);
            path.pop();
        }
        if outcome.is_err() {
            break;
        }
        let slot = |i: usize| body.slot_of[body.results[i]];
        if !counted && inner.slots[slot(l.carries)][0] == T::ZERO {
            break;
        }
        for (i, carry) in carries.iter_mut().enumerate() {
            std::mem::swap(carry, &mut inner.slots[slot(i)]);
        }
        for (kept, to) in l.kept.iter().zip(&mut taken) {
            if let Kept::Stack(i) = kept {
                let from = &inner.slots[slot(*i)];
                to[t * from.len()..(t + 1) * from.len()].copy_from_slice(from);
            }
        }
        steps += 1;
    }
    for (kept, to) in l.kept.iter().zip(&mut taken) {
        match kept {
            Kept::Last(i) => to[..carries[*i].len()].copy_from_slice(&carries[*i]),
            Kept::Steps => to[0] = T::of_index(steps),
            Kept::Stack(_) | Kept::History(_) => {}
        }
    }
    for (&b, t) in step.outputs.iter().zip(taken) {
        slots[plan.slot_of[b]] = t;
    }
    outcome
}
