//! One training step as a program: objective, its derivative, new parameters.
//!
//! Constrained parameters are kept as they are read (a simplex sums to one) and stepped in unconstrained coordinates:
//! logits for a simplex or a unit number, logarithms for a positive one, a Cholesky factor with the logarithms of its diagonal for a
//! covariance.

use std::collections::{BTreeMap, BTreeSet};

use super::error::EmitError;
use super::objective::{Part, Parted, When, objective};
use super::scope::Scope;
use super::seen::Seen;
use crate::dist::joint::{Lower, MOST_ROWS, Square, covariance_at};
use crate::dist::{Label, Named, Space, Value};
use crate::model::{AxisKind, Domain, ParamId, Program, VarId};
use crate::plan::{LinePlan, Optimiser, Rule, StagePlan};
use crate::tensor::graph::Graph;
use crate::tensor::op::{Binary, SiteId, Unary};

/// The name of a bound variable's input: `[row, axes]`, states as codes.
pub fn input_name(program: &Program, var: VarId) -> String {
    let declared = &program.vars[var];
    format!("{}.{}", program.models[declared.model].name, declared.name)
}

/// The name of the input that says where a bound variable has a value: `[row, axes]`, 1 there and 0 elsewhere.
pub fn present_name(program: &Program, var: VarId) -> String {
    format!("present.{}", input_name(program, var))
}

/// The name of the input of a ragged plate's lengths, a number a row.
pub fn length_name(program: &Program, axis: crate::model::AxisId) -> String {
    format!("length.{}", program.axes[axis].name)
}

/// A scope with parameters as states and bound variables as inputs.
pub struct Opening<'a> {
    /// The program.
    pub program: &'a Program,
    /// Rows of the batch; none for a single datum without a row axis.
    pub rows: Option<usize>,
    /// Variables that are inputs.
    pub inputs: &'a [VarId],
    /// Those of them that have no value in some rows: latent, with evidence that comes with the row.
    pub partial: &'a [VarId],
    /// Parameters held equal: each is read as the other.
    pub ties: &'a [(ParamId, ParamId)],
    /// The first random site, so that programs of one run draw apart.
    pub first_site: SiteId,
}

impl<'a> Opening<'a> {
    /// The scope.
    pub fn scope(&self) -> Result<Scope<'a>, EmitError> {
        let program = self.program;
        let mut scope = Scope::new(program, Space::new(self.first_site));
        scope.row = self.rows.map(|n| scope.space.label(n));
        for id in program.params.ids() {
            let labels = scope.axis_labels(&program.params[id].axes)?;
            let state = scope.space.state(&program.params[id].name, &labels);
            scope.params.insert(id, state);
        }
        for &(tied, to) in self.ties {
            let shared = scope.params[&to].clone();
            let labels = scope.params[&tied].labels.clone();
            scope.params.insert(tied, Named { node: shared.node, labels });
        }
        let mut ragged = BTreeSet::new();
        for &var in self.inputs {
            let axes = program.vars[var].axes();
            ragged.extend(axes.iter().copied().filter(|&a| program.axes[a].kind == AxisKind::Ragged));
            let mut labels: Vec<Label> = scope.row.into_iter().collect();
            labels.extend(scope.axis_labels(&axes)?);
            let array = scope.space.input(&input_name(program, var), &labels);
            if self.partial.contains(&var) {
                let present = scope.space.input(&present_name(program, var), &labels);
                let seen = Seen::of(&mut scope, var, &array, &present)?;
                scope.seen.insert(var, seen);
                continue;
            }
            let value = match scope.class(var)? {
                Some(class) => Value::coded(&mut scope.space, &array, class),
                None => Value::Number(array),
            };
            scope.values.insert(var, value);
        }
        for axis in ragged {
            let labels: Vec<Label> = scope.row.into_iter().collect();
            let lengths = scope.space.input(&length_name(program, axis), &labels);
            scope.lengths.insert(axis, lengths);
        }
        Ok(scope)
    }
}

/// The number that a per-row objective is in the mean over the batch.
pub(super) fn mean_over_rows(scope: &mut Scope<'_>, value: &Named) -> Named {
    let Some(row) = scope.row else { return scope.space.sum_to(value, &[]) };
    let sum = scope.space.total(value, &[row]);
    let sum = scope.space.sum_to(&sum, &[]);
    let rows = scope.space.extent(row) as f64;
    scope.space.scale(&sum, 1.0 / rows)
}

/// The name of the output that holds an objective's part, by its place.
///
/// Outputs come sorted by name, so the place has a fixed width.
fn part_output(at: usize, name: &str) -> String {
    format!("part.{at:03}.{name}")
}

/// The name of the part that an output holds, if it holds one. Outputs come in the parts' order.
pub fn part_name(output: &str) -> Option<&str> {
    output.strip_prefix("part.")?.split_once('.').map(|(_, name)| name)
}

/// Gives out an objective's parts, each the mean over the batch. They come last, so that the rest of the graph is what it would be
/// without them.
pub(super) fn give_parts(scope: &mut Scope<'_>, parts: &[Part]) {
    for (at, part) in parts.iter().enumerate() {
        let mean = mean_over_rows(scope, &part.value);
        scope.space.graph.output(&part_output(at, &part.name), mean.node);
    }
}

/// log prior of some parameters, divided by the number of rows: counted once per data set.
fn log_prior(scope: &mut Scope<'_>, group: &[ParamId], rows: usize) -> Result<Option<Named>, EmitError> {
    let mut sum: Option<Named> = None;
    for &id in group {
        let Some(total) = scope.log_prior(id)? else { continue };
        let share = scope.space.scale(&total, 1.0 / rows.max(1) as f64);
        sum = Some(match sum {
            Some(sum) => scope.space.add(&sum, &share),
            None => share,
        });
    }
    Ok(sum)
}

/// What a step program reads besides its batch.
#[derive(Clone, Copy, Debug)]
pub struct StepSpec<'a> {
    /// The program.
    pub program: &'a Program,
    /// The stage.
    pub stage: &'a StagePlan,
    /// The line of the stage.
    pub line: usize,
    /// Rows of the batch.
    pub rows: usize,
    /// Rows of the data set.
    pub data_rows: usize,
    /// Bound variables.
    pub inputs: &'a [VarId],
    /// Those of them that have no value in some rows.
    pub partial: &'a [VarId],
    /// Where in the stage.
    pub when: When,
}

impl StepSpec<'_> {
    pub(super) fn plan(&self) -> &LinePlan {
        &self.stage.lines[self.line]
    }

    pub(super) fn opening(&self) -> Opening<'_> {
        Opening {
            program: self.program,
            rows: Some(self.rows),
            inputs: self.inputs,
            partial: self.partial,
            ties: &self.stage.ties,
            first_site: (self.line as SiteId) << 20,
        }
    }

    /// The parameters that move: those of the group that are not tied to another.
    fn moving(&self) -> Vec<ParamId> {
        let mut moving: BTreeSet<ParamId> = BTreeSet::new();
        for &id in &self.plan().group {
            let tied = self.stage.ties.iter().find(|(a, _)| *a == id).map(|(_, b)| *b);
            moving.insert(tied.unwrap_or(id));
        }
        moving.into_iter().collect()
    }
}

/// A gradient step: output `objective` (the mean over rows) and its parts ([`part_name`]), new states for parameters and optimiser.
/// Inputs besides the batch: `rate` and `momentum`, scalars.
pub fn gradient_step(spec: &StepSpec<'_>, optimiser: &Optimiser) -> Result<Graph, EmitError> {
    let program = spec.program;
    let mut scope = spec.opening().scope()?;
    scope.dropping = true;
    let moving = spec.moving();
    let mut free: BTreeMap<ParamId, Named> = BTreeMap::new();
    for &id in &moving {
        let state = scope.params[&id].clone();
        let u = unconstrain(&mut scope.space, &program.params[id].domain, &state);
        let u = Named { node: scope.space.graph.anchor(u.node), labels: u.labels };
        let value = constrain(&mut scope.space, &program.params[id].domain, &u);
        for tied in spec.stage.ties.iter().filter(|(_, to)| *to == id).map(|(a, _)| *a) {
            let labels = scope.params[&tied].labels.clone();
            scope.params.insert(tied, Named { node: value.node, labels });
        }
        scope.params.insert(id, value);
        free.insert(id, u);
    }
    let Parted { whole: per_row, parts } = objective(&mut scope, &spec.plan().objective, spec.when)?;
    scope.space.graph.watch("objective", per_row.node);
    let mut mean = mean_over_rows(&mut scope, &per_row);
    scope.space.graph.output("objective", mean.node);
    if let Some(prior) = log_prior(&mut scope, &moving, spec.data_rows)? {
        mean = scope.space.add(&mean, &prior);
    }
    let wrt: Vec<Named> = moving.iter().map(|id| free[id].clone()).collect();
    let gradients = scope.space.gradient(&mean, &wrt);
    let space = &mut scope.space;
    let rate = space.input("rate", &[]);
    let clock_name = format!("optimiser.{}.clock", spec.line);
    let clock = matches!(optimiser.rule, Rule::Adam { .. }).then(|| {
        let before = space.state(&clock_name, &[]);
        let one = space.scalar(1.0);
        let now = space.add(&before, &one);
        space.graph.set_state(&clock_name, now.node);
        now
    });
    for ((&id, u), mut gradient) in moving.iter().zip(&wrt).zip(gradients) {
        let declared = &program.params[id];
        if optimiser.decay > 0.0 && declared.axes.len() > 1 && declared.domain == Domain::Real {
            let pull = space.scale(u, -optimiser.decay);
            gradient = space.add(&gradient, &pull);
        }
        let name = &declared.name;
        let step = match &optimiser.rule {
            Rule::Sgd { .. } => {
                let momentum = space.input("momentum", &[]);
                let velocity = space.state(&format!("optimiser.{}.velocity.{name}", spec.line), &u.labels);
                let kept = space.mul(&velocity, &momentum);
                let pushed = space.mul(&gradient, &rate);
                let new = space.add(&kept, &pushed);
                space.graph.set_state(&format!("optimiser.{}.velocity.{name}", spec.line), new.node);
                new
            }
            Rule::Adam { beta1, beta2 } => {
                // Kingma & Ba 2015, algorithm 1, as ascent.
                let first = space.state(&format!("optimiser.{}.mean.{name}", spec.line), &u.labels);
                let second = space.state(&format!("optimiser.{}.square.{name}", spec.line), &u.labels);
                let (old, new) = (space.scale(&first, *beta1), space.scale(&gradient, 1.0 - beta1));
                let first = space.add(&old, &new);
                let squared = space.map(Unary::Square, &gradient);
                let (old, new) = (space.scale(&second, *beta2), space.scale(&squared, 1.0 - beta2));
                let second = space.add(&old, &new);
                space.graph.set_state(&format!("optimiser.{}.mean.{name}", spec.line), first.node);
                space.graph.set_state(&format!("optimiser.{}.square.{name}", spec.line), second.node);
                let now = clock.clone().unwrap_or_else(|| space.scalar(1.0));
                let unbias = |space: &mut Space, moment: &Named, beta: f64| {
                    let base = space.scalar(beta);
                    let power = space.zip(Binary::Pow, &base, &now);
                    let left = space.complement(&power);
                    space.zip(Binary::Div, moment, &left)
                };
                let first = unbias(space, &first, *beta1);
                let second = unbias(space, &second, *beta2);
                let root = space.map(Unary::Sqrt, &second);
                let epsilon = space.scalar(1e-8);
                let root = space.add(&root, &epsilon);
                let ratio = space.zip(Binary::Div, &first, &root);
                space.mul(&ratio, &rate)
            }
        };
        let moved = space.add(u, &step);
        let new = constrain(space, &declared.domain, &moved);
        let new = space.align(&new, &u.labels);
        space.graph.set_state(name, new.node);
        space.graph.watch(&format!("parameter {name}"), new.node);
    }
    give_parts(&mut scope, &parts);
    Ok(scope.space.graph)
}

/// The objective alone, for early stopping: output `objective`, the mean over rows.
pub fn objective_value(spec: &StepSpec<'_>) -> Result<Graph, EmitError> {
    let mut scope = spec.opening().scope()?;
    let per_row = objective(&mut scope, &spec.plan().objective, spec.when)?.whole;
    let mean = mean_over_rows(&mut scope, &per_row);
    scope.space.graph.output("objective", mean.node);
    Ok(scope.space.graph)
}

/// Probabilities and positive numbers below this have the unconstrained coordinates of this: about −69 as a logarithm.
///
/// An M-step or a file may leave a share of exactly zero, whose logarithm is −∞ and from where no gradient leads back; with the
/// floor, a state that turns up after all has a small probability and can be learned. Its inverse is still a number in single
/// precision.
pub(super) const LEAST_FREE: f64 = 1e-30;

/// Unconstrained coordinates of a parameter: any numbers there are a value. Finite wherever the value is, with
/// a floor under what the logarithm is taken of.
pub fn unconstrain(space: &mut Space, domain: &Domain, value: &Named) -> Named {
    match domain {
        Domain::Simplex | Domain::Positive => floored_log(space, value),
        Domain::Unit => {
            let other = space.complement(value);
            let (a, b) = (floored_log(space, value), floored_log(space, &other));
            space.sub(&a, &b)
        }
        Domain::Cov => match value.labels[..] {
            [.., rows, columns] if space.extent(rows) <= MOST_ROWS => {
                let size = space.extent(rows);
                let (lower, _) = Lower::of(space, &Square { array: value, rows, columns }, size);
                let free = lower.free(space, rows, columns);
                space.align(&free, &value.labels)
            }
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

fn floored_log(space: &mut Space, value: &Named) -> Named {
    let least = space.scalar(LEAST_FREE);
    let floored = space.zip(Binary::Max, value, &least);
    space.map(Unary::Log, &floored)
}

/// The value at unconstrained coordinates.
pub fn constrain(space: &mut Space, domain: &Domain, free: &Named) -> Named {
    match domain {
        Domain::Simplex => match free.labels.last() {
            Some(&class) => space.softmax(free, class),
            None => free.clone(),
        },
        Domain::Positive => space.map(Unary::Exp, free),
        Domain::Unit => space.map(Unary::Sigmoid, free),
        Domain::Cov => match free.labels[..] {
            [.., rows, columns] if space.extent(rows) <= MOST_ROWS => covariance_at(space, free, rows, columns),
            _ => free.clone(),
        },
        _ => free.clone(),
    }
}
