//! The step that sums over the paths of chains: rows in groups, each group on one thread.
//!
//! In: potentials, laid out as [`ChainOp`] says. Out: the members of its tuple that are wanted. What a group is computed in stays
//! from run to run.

use rayon::prelude::*;

use crate::kernel::chain::{Answer, Form, Row, Weights, Work, side_by_side, sum};
use crate::kernel::real::Real;
use crate::tensor::op::ChainOp;

/// Multiply-adds below which all rows stay on the calling thread.
const PARALLEL: usize = 1 << 15;

/// What the step does, settled when it is lowered.
#[derive(Clone, Debug)]
pub(super) struct ChainStep {
    op: ChainOp,
    rows: usize,
    form: Form,
    /// Whether rows have lengths.
    ragged: bool,
    /// The members of the tuple that are outputs.
    members: Vec<usize>,
}

/// What earlier runs leave for later ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare<T> {
    shared: Weights<T>,
    work: Vec<Work<T>>,
}

impl ChainStep {
    /// The step for inputs of these shapes; `members` of the tuple are its outputs, in this order.
    pub fn new(op: ChainOp, shapes: &[&[usize]], members: Vec<usize>) -> Self {
        let (rows, steps, states) = match shapes[1] {
            &[rows, steps, states] => (rows, steps, states),
            _ => (0, 1, 1),
        };
        Self { op, rows, form: Form { steps, states, along: op.along }, ragged: shapes.len() > 3, members }
    }

    /// Rows, positions and states.
    pub fn extents(&self) -> (usize, usize, usize) {
        (self.rows, self.form.steps, self.form.states)
    }

    /// Operations of one run: a product with the moves each way, and their outer product where moves are counted.
    pub fn flops(&self) -> f64 {
        let passes = match (self.members.contains(&3), self.members.iter().any(|&m| m > 0)) {
            (true, _) => 6.0,
            (false, true) => 4.0,
            (false, false) => 2.0,
        };
        passes * (self.rows * self.form.steps * self.form.states * self.form.states) as f64
    }

    /// Runs the step.
    pub fn run<T: Real>(&self, inputs: &[&[T]], outputs: &mut [&mut [T]], spare: &mut Spare<T>) {
        let Form { steps, states, .. } = self.form;
        let moves = self.form.moves();
        let shared = (!self.op.apart).then(|| {
            spare.shared.load(self.form, inputs[2]);
            &spare.shared
        });
        let length = |row: usize| match self.ragged {
            true => inputs[3][row].to_index(steps + 1).unwrap_or(steps).max(1),
            false => steps,
        };
        let row = |row: usize| Row {
            start: &inputs[0][row * states..][..states],
            local: &inputs[1][row * steps * states..][..steps * states],
            moves: &inputs[2][if self.op.apart { row * moves } else { 0 }..][..moves],
            length: length(row),
        };
        let mut answers: Vec<Answer<'_, T>> =
            (0..self.rows).map(|_| Answer { value: None, start: None, local: None, moves: None }).collect();
        for (output, member) in outputs.iter_mut().zip(&self.members) {
            let width = [1, states, steps * states, moves][*member];
            for (answer, part) in answers.iter_mut().zip(output.chunks_exact_mut(width)) {
                match member {
                    0 => answer.value = part.first_mut(),
                    1 => answer.start = Some(part),
                    2 => answer.local = Some(part),
                    _ => answer.moves = Some(part),
                }
            }
        }
        let group = side_by_side(shared.is_some());
        let groups = self.rows.div_ceil(group);
        // As many groups to a task as leave each thread one; a group's own arithmetic does not depend on which task has it.
        let tasks = match self.rows * steps * states * states >= PARALLEL {
            true => rayon::current_num_threads().min(groups).max(1),
            false => 1,
        };
        spare.work.resize_with(tasks.max(spare.work.len()), Work::default);
        let each = groups.div_ceil(tasks).max(1) * group;
        let task = |(first, answers, work): (usize, &mut [Answer<'_, T>], &mut Work<T>)| {
            for (i, answers) in answers.chunks_mut(group).enumerate() {
                let rows: Vec<Row<'_, T>> = (0..answers.len()).map(|r| row(first + i * group + r)).collect();
                sum(self.form, &rows, shared, answers, work);
            }
        };
        type Part<'a, 'b, T> = (usize, &'a mut [Answer<'b, T>], &'a mut Work<T>);
        let mut parts: Vec<Part<'_, '_, T>> = answers
            .chunks_mut(each)
            .zip(&mut spare.work)
            .enumerate()
            .map(|(i, (answers, work))| (i * each, answers, work))
            .collect();
        match parts.len() {
            0 => {}
            1 => task(parts.remove(0)),
            _ => parts.into_par_iter().for_each(task),
        }
    }
}
