//! Objectives as one number a row: an expression over model quantities, a greedy layer, or wake-sleep.

use super::contrastive::{Machine, negative_phase};
use super::error::EmitError;
use super::exact::{Energy, Mode, Tilts, factors_of, log_partition, partition_value};
use super::phases::{draw_grey, layer, phases, steps_at};
use super::scope::Scope;
use super::variational;
use crate::dist::Named;
use crate::model::{Expr, Node, Operator};
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

/// What a line climbs, a number a row; the values of bound variables are in the scope.
pub fn objective(scope: &mut Scope<'_>, plan: &ObjectivePlan, when: When) -> Result<Named, EmitError> {
    match plan {
        ObjectivePlan::Expression { expr, leaves } => expression(scope, expr, &mut leaves.iter(), when),
        ObjectivePlan::Layer(plan) => layer(scope, plan, when.epoch, when.epochs),
        ObjectivePlan::WakeSleep(plan) => phases(scope, plan, when.epoch, when.epochs),
    }
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
            Some(plan) => leaf(scope, plan, when),
            None => Err(EmitError::at(expr.span, "this quantity has no plan", "this is a fault: please report it")),
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
fn leaf(scope: &mut Scope<'_>, plan: &Leaf, when: When) -> Result<Named, EmitError> {
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
            Ok(sum)
        }
    }
}

/// log Z with everything scored fixed, minus log Z without, minus the normalisers of undirected parts.
pub fn log_likelihood(scope: &mut Scope<'_>, plan: &LogLikPlan, when: When) -> Result<Named, EmitError> {
    let none = Tilts::new();
    let data = scope.values.clone();
    if plan.normalisers.iter().any(|n| matches!(n.how, Normalising::Contrastive { .. })) {
        draw_grey(scope)?;
    }
    let mut value = partition_value(scope, &plan.clamped, &none, Mode::Marginals)?;
    if let Some(free) = &plan.free {
        let saved = scope.values.clone();
        scope.values.retain(|v, _| free.fixed.contains(v));
        let minus = partition_value(scope, free, &none, Mode::Marginals)?;
        scope.values = saved;
        value = scope.space.sub(&value, &minus);
    }
    for normaliser in &plan.normalisers {
        let minus = match &normaliser.how {
            Normalising::Exact(_) => {
                let log_z = log_normaliser(scope, plan.clamped.model, normaliser)?;
                scope.space.scale(&log_z, -1.0)
            }
            Normalising::Contrastive { .. } => match Machine::of(scope, plan.clamped.model, normaliser) {
                Some(machine) => negative_phase(scope, &machine, steps_at(normaliser, when.epoch, when.epochs), false)?,
                None => scope.space.scalar(0.0),
            },
        };
        value = scope.space.add(&value, &minus);
    }
    scope.values = data;
    Ok(value)
}

/// log Z of an undirected part whose plan is exact.
pub fn log_normaliser(
    scope: &mut Scope<'_>,
    model: crate::model::ModelId,
    normaliser: &Normaliser,
) -> Result<Named, EmitError> {
    let Normalising::Exact(block) = &normaliser.how else {
        return Err(EmitError::of("this log-partition has only a gradient", "ask for a conditional instead"));
    };
    let saved = scope.values.clone();
    scope.values.retain(|v, _| !normaliser.vars.contains(v));
    let outside: Vec<_> = normaliser.pieces.iter().filter(|p| !block.pieces.contains(p)).copied().collect();
    let energy = Energy::Pieces(factors_of(scope, model, &block.pieces));
    let inside = log_partition(scope, block, &energy, &Tilts::new(), Mode::Marginals)?;
    let rest = Energy::Pieces(factors_of(scope, model, &outside)).emit(scope, &[])?;
    scope.values = saved;
    Ok(scope.space.add(&inside, &rest))
}
