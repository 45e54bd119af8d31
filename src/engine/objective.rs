//! Objectives as one number a row, with the parts that people want to see beside it: an expression over model quantities, a greedy
//! layer, or wake-sleep.
//!
//! A part is a named number a row that the objective is made of: the terms of a sum, the two sides of a bound, a log-density and the
//! log-partition that normalises it. It is computed on the way to the whole and drawn beside it; nothing is learned from it.

use super::contrastive::{Machine, negative_phase, persistent_phase};
use super::error::EmitError;
use super::exact::{Energy, Mode, Tilts, factors_of, log_partition, partition_value};
use super::phases::{draw_grey, layer, phases, steps_at};
use super::pseudo::pseudo_likelihood;
use super::scope::Scope;
use super::variational;
use crate::dist::Named;
use crate::model::print::print_expr;
use crate::model::{Expr, Node, Objective, Operator, Program, Subject, VarId};
use crate::plan::{Leaf, LogLikPlan, Normaliser, Normalising, ObjectivePlan};
use crate::tensor::op::Binary;

/// Where in a stage an objective is emitted: schedules read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct When {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Epochs of the stage.
    pub epochs: usize,
}

/// A named number a row that an objective is made of.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name for people.
    pub name: String,
    /// Its value, a number a row or one for all rows.
    pub value: Named,
}

impl Part {
    /// A part.
    pub fn new(name: impl Into<String>, value: &Named) -> Part {
        Part { name: name.into(), value: value.clone() }
    }
}

/// A number a row with what it is made of.
#[derive(Clone, Debug)]
pub struct Parted {
    /// The number.
    pub whole: Named,
    /// Its parts, where it has more than one and their values are known.
    pub parts: Vec<Part>,
}

impl From<Named> for Parted {
    fn from(whole: Named) -> Parted {
        Parted { whole, parts: Vec::new() }
    }
}

/// What a line climbs, a number a row; the values of bound variables are in the scope.
pub fn objective(scope: &mut Scope<'_>, plan: &ObjectivePlan, when: When) -> Result<Parted, EmitError> {
    match plan {
        ObjectivePlan::Expression { expr, leaves } => {
            let mut terms = Vec::new();
            let whole = sum(scope, expr, &mut leaves.iter(), when, 1.0, &mut terms)?;
            Ok(Parted { whole, parts: parts_of(terms) })
        }
        ObjectivePlan::Layer(plan) => layer(scope, plan, when.epoch, when.epochs).map(Parted::from),
        ObjectivePlan::WakeSleep(plan) => phases(scope, plan, when.epoch, when.epochs),
    }
}

/// A term of an objective that is a sum.
struct Term {
    name: String,
    /// What it adds to the whole; none where only its gradient is known.
    adds: Option<Named>,
    parts: Vec<Part>,
}

/// The parts of a sum: each term with its own parts behind it, or the parts of a single term.
fn parts_of(mut terms: Vec<Term>) -> Vec<Part> {
    if terms.len() == 1 {
        return terms.remove(0).parts;
    }
    let mut parts: Vec<Part> = Vec::new();
    for (at, term) in terms.iter().enumerate() {
        // Terms of one name are told apart by their place.
        let twin = terms.iter().enumerate().any(|(other, t)| other != at && t.name == term.name);
        let name = if twin { format!("{} ({})", term.name, at + 1) } else { term.name.clone() };
        parts.extend(term.adds.iter().map(|value| Part::new(&name, value)));
        parts.extend(term.parts.iter().map(|part| Part::new(format!("{name}: {}", part.name), &part.value)));
    }
    parts
}

/// An expression with its terms: what stands between the outermost signs, each with the sign that it has in the whole.
fn sum<'l>(
    scope: &mut Scope<'_>,
    expr: &Expr,
    leaves: &mut impl Iterator<Item = &'l Leaf>,
    when: When,
    sign: f64,
    terms: &mut Vec<Term>,
) -> Result<Named, EmitError> {
    match &expr.node {
        Node::Binary(operator @ (Operator::Add | Operator::Sub), a, b) => {
            let (f, second) = match operator {
                Operator::Add => (Binary::Add, sign),
                _ => (Binary::Sub, -sign),
            };
            let a = sum(scope, a, leaves, when, sign, terms)?;
            let b = sum(scope, b, leaves, when, second, terms)?;
            return Ok(scope.space.zip(f, &a, &b));
        }
        Node::Call(crate::model::Function::Neg, a) => {
            let a = sum(scope, a, leaves, when, -sign, terms)?;
            return Ok(scope.space.scale(&a, -1.0));
        }
        _ => {}
    }
    let mut known = true;
    let mut told = leaves.inspect(|leaf| known &= leaf.has_value());
    let (value, parts) = match &expr.node {
        Node::Objective(_) => match told.next() {
            Some(plan) => {
                let Parted { whole, parts } = leaf(scope, plan, when)?;
                (whole, parts)
            }
            None => return Err(unplanned(expr)),
        },
        _ => (expression(scope, expr, &mut told, when)?, Vec::new()),
    };
    if !matches!(expr.node, Node::Number(_)) {
        let adds = if sign < 0.0 { scope.space.scale(&value, -1.0) } else { value.clone() };
        let name = title(scope.program, expr);
        let name = if sign < 0.0 { format!("−{name}") } else { name };
        terms.push(Term { name, adds: known.then_some(adds), parts });
    }
    Ok(value)
}

/// A term's name: the quantity it is about, with the number before it.
fn title(program: &Program, expr: &Expr) -> String {
    let names = |vars: &[VarId]| vars.iter().map(|&v| program.vars[v].name.as_str()).collect::<Vec<_>>().join(", ");
    let about = |targets: &[VarId], given: &[VarId]| match (targets, given) {
        ([], []) => String::new(),
        (targets, []) => format!("({})", names(targets)),
        (targets, given) => format!("({} | {})", names(targets), names(given)),
    };
    match &expr.node {
        Node::Binary(Operator::Mul, a, b) => match (&a.node, &b.node) {
            (Node::Number(weight), _) => format!("{weight} {}", title(program, b)),
            (_, Node::Number(weight)) => format!("{weight} {}", title(program, a)),
            _ => clipped(&print_expr(program, expr)),
        },
        Node::Objective(objective) => match objective.as_ref() {
            Objective::LogLik { targets, given, .. } => format!("log-likelihood{}", about(targets, given)),
            Objective::Bound { .. } | Objective::ImportanceBound { .. } => "bound".to_string(),
            Objective::LogDensity { of, targets, given } => {
                let of = match of {
                    Subject::Model(model) => program.models[*model].name.clone(),
                    Subject::Guide(_) => "guide".to_string(),
                    Subject::Data(data) => program.data[*data].name.clone(),
                };
                format!("log {of}{}", about(targets, given))
            }
            Objective::Part { .. } | Objective::Layer { .. } | Objective::Scheduled(_) | Objective::Expect { .. } => {
                clipped(&print_expr(program, expr))
            }
        },
        _ => clipped(&print_expr(program, expr)),
    }
}

/// So many characters of a term that has no name are told.
const TERM: usize = 40;

fn clipped(text: &str) -> String {
    if text.chars().count() <= TERM {
        return text.to_string();
    }
    text.chars().take(TERM - 1).chain(['…']).collect()
}

fn unplanned(expr: &Expr) -> EmitError {
    EmitError::at(expr.span, "this quantity has no plan", "this is a fault: please report it")
}

/// An expression whose model quantities are the leaves, in the order of reading.
pub fn expression<'l>(
    scope: &mut Scope<'_>,
    expr: &Expr,
    leaves: &mut impl Iterator<Item = &'l Leaf>,
    when: When,
) -> Result<Named, EmitError> {
    match &expr.node {
        Node::Objective(_) => match leaves.next() {
            Some(plan) => leaf(scope, plan, when).map(|parted| parted.whole),
            None => Err(unplanned(expr)),
        },
        Node::Binary(operator, a, b) => {
            let a = expression(scope, a, leaves, when)?;
            let b = expression(scope, b, leaves, when)?;
            let f = match operator {
                Operator::Add => Binary::Add,
                Operator::Sub => Binary::Sub,
                Operator::Mul => Binary::Mul,
                Operator::Div => Binary::Div,
            };
            Ok(scope.space.zip(f, &a, &b))
        }
        Node::Call(crate::model::Function::Neg, a) => {
            let a = expression(scope, a, leaves, when)?;
            Ok(scope.space.scale(&a, -1.0))
        }
        _ => {
            let keep: Vec<_> = scope.row.into_iter().collect();
            let value = scope.number(expr)?;
            Ok(scope.space.sum_to(&value, &keep))
        }
    }
}

/// One model quantity, a number a row.
fn leaf(scope: &mut Scope<'_>, plan: &Leaf, when: When) -> Result<Parted, EmitError> {
    match plan {
        Leaf::LogLik(plan) => log_likelihood(scope, plan, when),
        Leaf::Variational(plan) => variational::bound(scope, plan, plan.kl_weight.at(when.epoch, when.epochs)),
        Leaf::GuideDensity { model, conditionals, .. } => {
            let program = scope.program;
            let mut sum = scope.space.scalar(0.0);
            if let Some(guide) = &program.models[*model].guide {
                for &position in conditionals {
                    let value = scope.factor_total(&guide.factors[position], &[])?;
                    sum = scope.space.add(&sum, &value);
                }
            }
            Ok(sum.into())
        }
    }
}

/// log Z with everything scored fixed, minus log Z without, minus the normalisers of undirected parts: these are its parts.
pub fn log_likelihood(scope: &mut Scope<'_>, plan: &LogLikPlan, when: When) -> Result<Parted, EmitError> {
    let none = Tilts::new();
    let data = scope.values.clone();
    if plan.normalisers.iter().any(|n| matches!(n.how, Normalising::Contrastive { .. })) {
        draw_grey(scope)?;
    }
    if let Some(vars) = &plan.each {
        draw_grey(scope)?;
        let value = pseudo_likelihood(scope, &plan.clamped, vars)?;
        scope.values = data;
        return Ok(value.into());
    }
    let mut value = partition_value(scope, &plan.clamped, &none, Mode::Marginals)?;
    let mut parts = vec![Part::new("log p̃", &value)];
    if let Some(free) = &plan.free {
        let saved = (scope.values.clone(), std::mem::take(&mut scope.seen));
        scope.values.retain(|v, _| free.fixed.contains(v));
        let minus = partition_value(scope, free, &none, Mode::Marginals);
        (scope.values, scope.seen) = saved;
        let minus = minus?;
        value = scope.space.sub(&value, &minus);
        parts.push(Part::new("log Z", &minus));
    }
    for normaliser in &plan.normalisers {
        let minus = match &normaliser.how {
            Normalising::Exact(_) => {
                let log_z = log_normaliser(scope, plan.clamped.model, normaliser)?;
                let name = if plan.normalisers.len() == 1 && plan.free.is_none() {
                    "log Z".to_string()
                } else {
                    format!("log Z of {}", normaliser.name)
                };
                parts.push(Part::new(name, &log_z));
                scope.space.scale(&log_z, -1.0)
            }
            Normalising::Annealed(_) => {
                let log_z = log_normaliser(scope, plan.clamped.model, normaliser)?;
                parts.push(Part::new(format!("log Z of {}", normaliser.name), &log_z));
                scope.space.scale(&log_z, -1.0)
            }
            Normalising::Contrastive { chains, .. } => {
                let steps = steps_at(normaliser, when.epoch, when.epochs);
                match (Machine::of(scope, plan.clamped.model, normaliser), chains) {
                    (Some(machine), None) => negative_phase(scope, &machine, steps, false)?,
                    (Some(machine), Some(chains)) => persistent_phase(scope, &machine, chains, steps)?,
                    (None, _) => scope.space.scalar(0.0),
                }
            }
        };
        value = scope.space.add(&value, &minus);
    }
    scope.values = data;
    if parts.len() == 1 || plan.kind.is_none() {
        parts.clear();
    }
    Ok(Parted { whole: value, parts })
}

/// log Z of an undirected part whose plan is exact, or the input that tells its estimate.
pub fn log_normaliser(
    scope: &mut Scope<'_>,
    model: crate::model::ModelId,
    normaliser: &Normaliser,
) -> Result<Named, EmitError> {
    let block = match &normaliser.how {
        Normalising::Exact(block) => block,
        // Estimated beforehand, once for all rows.
        Normalising::Annealed(plan) => return Ok(scope.space.input(&plan.name, &[])),
        Normalising::Contrastive { .. } => {
            return Err(EmitError::of("this log-partition has only a gradient", "ask for a conditional instead"));
        }
    };
    // What rows tell has no part in what normalises.
    let saved = (scope.values.clone(), std::mem::take(&mut scope.seen));
    scope.values.retain(|v, _| !normaliser.vars.contains(v));
    let outside: Vec<_> = normaliser.pieces.iter().filter(|p| !block.pieces.contains(p)).copied().collect();
    let energy = Energy::Pieces(factors_of(scope, model, &block.pieces));
    let inside = log_partition(scope, block, &energy, &Tilts::new(), Mode::Marginals)?;
    let rest = Energy::Pieces(factors_of(scope, model, &outside)).emit(scope, &[])?;
    (scope.values, scope.seen) = saved;
    Ok(scope.space.add(&inside, &rest))
}
