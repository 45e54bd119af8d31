//! Answers as programs: posteriors as derivatives of log-partitions, values of objectives, log-partitions.

use std::collections::BTreeMap;

use super::error::EmitError;
use super::exact::{Mode, Tilts, enumerate_states, partition_value, tilt_labels};
use super::objective::{When, expression, log_normaliser};
use super::scope::Scope;
use super::update::Opening;
use super::variational::{conditional_of, draw_var, guide_of, lifted, set_mean};
use crate::dist::{Label, Named, Value};
use crate::model::{Domain, Factor, FactorKind, ModelId, Program, VarId};
use crate::plan::{AnswerShape, Leaf, Normaliser, Partition, partial_of};
use crate::tensor::graph::Graph;
use crate::tensor::op::SiteId;

/// Sites of answers lie far from those of training.
const FIRST_SITE: SiteId = 1 << 28;

/// What a posterior program is made for.
pub struct PosteriorSpec<'a> {
    /// The program.
    pub program: &'a Program,
    /// The model.
    pub model: ModelId,
    /// Rows of the batch.
    pub rows: usize,
    /// Evidence variables: inputs.
    pub inputs: &'a [VarId],
    /// Guide variables drawn first, in order.
    pub guided: &'a [VarId],
    /// The log-partition.
    pub partition: &'a Partition,
    /// The log-partition with the targets held fixed, where their joint distribution is wanted.
    pub joint: Option<&'a Partition>,
    /// What is asked for.
    pub targets: &'a [VarId],
    /// In which shape.
    pub shape: AnswerShape,
}

/// The name of the output with the expected squares of a variable's entries.
pub fn square_name(program: &Program, var: VarId) -> String {
    format!("square.{}", program.vars[var].name)
}

/// Outputs: `evidence`, the log-partition a row; for each target, by its name, `[row, axes]` of expectations
/// (`[row, axes, states]` for an enumeration), one-hot where the best state is asked for, and where spreads are asked for their expected squares beside
/// them ([`square_name`]). With several targets of one
/// entry each and a distribution asked for, `joint` is `[row, joint states]`, the last target fastest.
pub fn posterior(spec: &PosteriorSpec<'_>) -> Result<Graph, EmitError> {
    let program = spec.program;
    let mut scope = opening(program, spec.rows, spec.inputs, &spec.partition.partial).scope()?;
    for &var in spec.guided {
        let conditional = guide_of(&scope, spec.model, var)?;
        draw_var(&mut scope, var, conditional, true)?;
    }
    let mode = match spec.shape {
        AnswerShape::JointArgmax => Mode::Best,
        AnswerShape::Distribution
        | AnswerShape::EachArgmax
        | AnswerShape::Mean
        | AnswerShape::Sd
        | AnswerShape::Var => Mode::Marginals,
    };
    let mut tilts = Tilts::new();
    for &var in spec.targets {
        let labels = tilt_labels(&mut scope, var)?;
        let tilt = scope.space.input(&format!("tilt.{}", program.vars[var].name), &labels);
        tilts.insert(var, tilt);
    }
    let spread = spec.shape.is_spread();
    for &var in spec.targets.iter().filter(|&&v| spread && !program.vars[v].domain.is_discrete()) {
        let tilt = scope.space.input(&format!("square.{}", program.vars[var].name), &tilts[&var].labels);
        scope.squares.insert(var, tilt);
    }
    let value = partition_value(&mut scope, spec.partition, &tilts, mode)?;
    let mut wrt: Vec<Named> = spec.targets.iter().map(|v| tilts[v].clone()).collect();
    wrt.extend(scope.squares.values().cloned());
    let mut found = scope.space.gradient(&value, &wrt);
    let second = found.split_off(spec.targets.len());
    if spread {
        let second: BTreeMap<VarId, Named> = scope.squares.keys().copied().zip(second).collect();
        for (i, &var) in spec.targets.iter().enumerate() {
            // The square of an indicator is itself, and that of ±1 is 1.
            let square = match (second.get(&var), &program.vars[var].domain) {
                (Some(square), _) => square.clone(),
                (None, Domain::Spin) => scope.space.full(&found[i].labels, 1.0),
                (None, _) => found[i].clone(),
            };
            found.push(square);
        }
    }
    if spec.shape == AnswerShape::EachArgmax {
        found = found.iter().zip(spec.targets).map(|(m, &var)| likeliest(&mut scope, var, m)).collect();
    }
    let row: Vec<Label> = scope.row.into_iter().collect();
    let evidence = scope.space.align(&value, &row);
    let mut roots = vec![evidence];
    roots.extend(found);
    let pairs = zeros_for(&mut scope, &wrt);
    let roots = scope.space.replace(&roots, &pairs);
    scope.space.graph.output("evidence", roots[0].node);
    let by_joint = spec.joint.is_some() && spec.shape == AnswerShape::JointArgmax;
    for (&var, root) in spec.targets.iter().zip(&roots[1..]).filter(|_| !by_joint) {
        scope.space.graph.output(&program.vars[var].name, root.node);
    }
    for (&var, root) in spec.targets.iter().zip(&roots[1..][spec.targets.len()..]) {
        scope.space.graph.output(&square_name(program, var), root.node);
    }
    if let Some(partition) = spec.joint {
        joint(&mut scope, spec.targets, partition, spec.shape == AnswerShape::JointArgmax)?;
    }
    Ok(scope.space.graph)
}

/// The joint distribution of the targets: log p(state, evidence) of each joint state, normalised. Where the `best` is asked for, each
/// target's state in the likeliest joint state, the first of equal ones.
fn joint(scope: &mut Scope<'_>, targets: &[VarId], partition: &Partition, best: bool) -> Result<(), EmitError> {
    let (along, values) = enumerate_states(scope, targets, &[])?;
    let row: Vec<Label> = scope.row.into_iter().collect();
    let mut columns = Vec::new();
    for state in 0..scope.space.extent(along) {
        for (&var, value) in &values {
            let fixed = match value {
                // Along its own axis a state is known by its place.
                Value::State { along: Some(_), class, .. } => {
                    let code = scope.space.scalar(state as f64);
                    Value::coded(&mut scope.space, &code, *class)
                }
                _ => value.through(|a| scope.space.at(a, along, state)),
            };
            scope.values.insert(var, fixed);
        }
        let value = partition_value(scope, partition, &Tilts::new(), Mode::Marginals)?;
        columns.push(scope.space.align(&value, &row));
    }
    let stacked = scope.space.stack(&columns, along);
    if best {
        let chosen = scope.space.one_hot_argmax(&stacked, along);
        for &var in targets {
            let Some(value) = values.get(&var) else { continue };
            let state = scope.space.contract(&chosen, value.array(), &[along]);
            let labels = tilt_labels(scope, var)?;
            let state = scope.space.align(&state, &labels);
            scope.space.graph.output(&scope.program.vars[var].name, state.node);
        }
        return Ok(());
    }
    let shares = scope.space.softmax(&stacked, along);
    let labels: Vec<Label> = row.into_iter().chain([along]).collect();
    let shares = scope.space.align(&shares, &labels);
    scope.space.graph.output("joint", shares.node);
    Ok(())
}

/// One-hot of the likeliest state of each entry, or the likelier number of a binary one.
fn likeliest(scope: &mut Scope<'_>, var: VarId, marginal: &Named) -> Named {
    let space = &mut scope.space;
    match scope.program.vars[var].domain {
        Domain::Cat(_) => match marginal.labels.last() {
            Some(&class) => space.one_hot_argmax(marginal, class),
            None => marginal.clone(),
        },
        Domain::Spin => {
            let zero = space.scalar(0.0);
            let yes = space.zip(crate::tensor::op::Binary::Lt, &zero, marginal);
            let (double, one) = (space.scale(&yes, 2.0), space.scalar(1.0));
            space.sub(&double, &one)
        }
        _ => {
            let half = space.scalar(0.5);
            space.zip(crate::tensor::op::Binary::Lt, &half, marginal)
        }
    }
}

fn zeros_for(scope: &mut Scope<'_>, slots: &[Named]) -> Vec<(Named, Named)> {
    slots.iter().map(|s| (s.clone(), scope.space.full(&s.labels, 0.0))).collect()
}

fn opening<'a>(program: &'a Program, rows: usize, inputs: &'a [VarId], partial: &'a [VarId]) -> Opening<'a> {
    Opening { program, rows: Some(rows), inputs, partial, ties: &[], first_site: FIRST_SITE }
}

/// What a program of conditionals is made for.
pub struct ConditionalsSpec<'a> {
    /// The program.
    pub program: &'a Program,
    /// The model.
    pub model: ModelId,
    /// Whether the conditionals are the guide's.
    pub of_guide: bool,
    /// Rows of the batch.
    pub rows: usize,
    /// Evidence variables: inputs.
    pub inputs: &'a [VarId],
    /// Variables in order.
    pub order: &'a [VarId],
    /// What is asked for.
    pub targets: &'a [VarId],
    /// In which shape.
    pub shape: AnswerShape,
}

/// Means of conditionals, each on draws of those before it, or their likeliest states: outputs by name, as `posterior`.
pub fn conditionals(spec: &ConditionalsSpec<'_>) -> Result<Graph, EmitError> {
    let mut scope = opening(spec.program, spec.rows, spec.inputs, &[]).scope()?;
    let mut means: BTreeMap<VarId, Value> = BTreeMap::new();
    for &var in spec.order {
        let factors = &spec.program.models[spec.model].factors;
        let told = |f: &&Factor| matches!(&f.kind, FactorKind::Deterministic { target, .. } if target.var == var);
        if !spec.of_guide
            && let Some(factor) = factors.iter().find(told)
        {
            let value = match &factor.kind {
                // Other definitions have been put into this one; what still reads itself runs along a plate.
                FactorKind::Deterministic { value, .. } if value.reads().iter().all(|r| r.var != var) => {
                    let defined = scope.value(value)?;
                    let lifted = lifted(&mut scope, factor, defined.array().clone())?;
                    defined.through(|_| lifted)
                }
                _ => scope.read(var, &[], factor.span)?,
            };
            means.insert(var, value);
            continue;
        }
        let conditional = match spec.of_guide {
            true => guide_of(&scope, spec.model, var)?,
            false => conditional_of(factors, var)
                .ok_or_else(|| EmitError::of("this variable has no conditional", "ask for another one"))?,
        };
        if spec.targets.contains(&var) {
            set_mean(&mut scope, var, conditional)?;
            means.extend(scope.values.get(&var).map(|mean| (var, mean.clone())));
        }
        if spec.order.last() != Some(&var) {
            draw_var(&mut scope, var, conditional, true)?;
        }
    }
    let (program, targets, shape) = (spec.program, spec.targets, spec.shape);
    for &var in targets {
        let Some(value) = means.get(&var).cloned() else { continue };
        let labels = tilt_labels(&mut scope, var)?;
        let mut array = scope.space.align(value.array(), &labels);
        if matches!(shape, AnswerShape::JointArgmax | AnswerShape::EachArgmax) {
            array = likeliest(&mut scope, var, &array);
        }
        scope.space.graph.output(&program.vars[var].name, array.node);
    }
    Ok(scope.space.graph)
}

/// The value of an objective: output `value`, a number a row.
pub fn value(
    program: &Program,
    rows: usize,
    inputs: &[VarId],
    expr: &crate::model::Expr,
    leaves: &[Leaf],
) -> Result<Graph, EmitError> {
    let partial = partial_of(leaves);
    let mut scope = opening(program, rows, inputs, &partial).scope()?;
    let when = When { epoch: usize::MAX / 2, epochs: 1 };
    let per_row = expression(&mut scope, expr, &mut leaves.iter(), when)?;
    let row: Vec<Label> = scope.row.into_iter().collect();
    let per_row = scope.space.align(&per_row, &row);
    scope.space.graph.output("value", per_row.node);
    Ok(scope.space.graph)
}

/// A value that each row's data tell: output `value`, `[row, axes]`.
pub fn code(program: &Program, rows: usize, inputs: &[VarId], expr: &crate::model::Expr) -> Result<Graph, EmitError> {
    let mut scope = opening(program, rows, inputs, &[]).scope()?;
    let value = scope.number(expr)?;
    let row = scope.row;
    let labels: Vec<Label> = row.into_iter().chain(scope.axis_labels(&expr.ty.axes)?).collect();
    let value = scope.space.align(&value, &labels);
    scope.space.graph.output("value", value.node);
    Ok(scope.space.graph)
}

/// A log-partition: output `value`, a scalar.
pub fn log_z(program: &Program, model: ModelId, normaliser: &Normaliser) -> Result<Graph, EmitError> {
    let none: [VarId; 0] = [];
    let opening = Opening { program, rows: None, inputs: &none, partial: &[], ties: &[], first_site: FIRST_SITE };
    let mut scope = opening.scope()?;
    let value = log_normaliser(&mut scope, model, normaliser)?;
    let value = scope.space.sum_to(&value, &[]);
    scope.space.graph.output("value", value.node);
    Ok(scope.space.graph)
}
