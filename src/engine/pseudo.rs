//! Pseudo-likelihood (Besag 1975): Σ_i log p(x_i | x_rest), each entry scored given all others, hidden variables summed out.
//!
//! In: a log-partition with the scored variables fixed. Out: a number a row. No normaliser is needed, since it cancels from
//! log p(x_i | x_rest) = F(x) − log Σ_k exp F(x with entry i at state k), F the log-partition; the entries are the turns of one loop.

use super::error::EmitError;
use super::exact::{Mode, Tilts, partition_value};
use super::gibbs::fold;
use super::scope::Scope;
use crate::dist::{Label, Named, Value};
use crate::model::{Domain, VarId};
use crate::plan::Partition;
use crate::tensor::op::{Binary, Semiring};

/// The score of all entries of some discrete variables, whose values are in the scope.
///
/// # Errors
/// An axis has no size, or a summand cannot be evaluated.
pub fn pseudo_likelihood(scope: &mut Scope<'_>, clamped: &Partition, vars: &[VarId]) -> Result<Named, EmitError> {
    let none = Tilts::new();
    let row: Vec<Label> = scope.row.into_iter().collect();
    let here = partition_value(scope, clamped, &none, Mode::Marginals)?;
    let here = scope.space.align(&here, &row);
    let mut total = scope.space.full(&row, 0.0);
    for &var in vars {
        let Some(value) = scope.values.get(&var).cloned() else { continue };
        let axes = scope.axis_labels(&scope.program.vars[var].axes())?;
        let count: usize = axes.iter().map(|&l| scope.space.extent(l)).product();
        let numbers = scope.space.constant(&axes, (0..count).map(|i| i as f64).collect());
        let states = scope.states(var)?;
        let given = [numbers, here.clone()];
        let found = fold(scope, &[], count, &given, Some(&total), &mut |scope, position, given, sum| {
            let [numbers, here] = given else { return Ok(None) };
            // Inside the loop the value is the loop's own.
            let own = scope.values.get(&var).cloned().unwrap_or_else(|| value.clone());
            let mask = scope.space.zip(Binary::Eq, numbers, position);
            let mut at = Vec::new();
            for state in 0..states {
                let other = with_state(scope, var, &own, &mask, state);
                scope.values.insert(var, other);
                let there = partition_value(scope, clamped, &none, Mode::Marginals)?;
                at.push(scope.space.align(&there, &row));
            }
            scope.values.insert(var, own);
            let along = scope.space.label(states);
            let stacked = scope.space.stack(&at, along);
            let all = scope.space.log_sum_exp(&stacked, along, Semiring::Soft);
            let score = scope.space.sub(here, &all);
            Ok(sum.map(|sum| scope.space.add(sum, &score)))
        })?;
        total = found.unwrap_or(total);
    }
    Ok(total)
}

/// A value with the entries of the mask in a state.
fn with_state(scope: &mut Scope<'_>, var: VarId, value: &Value, mask: &Named, state: usize) -> Value {
    let number = match (&scope.program.vars[var].domain, value) {
        (_, Value::State { class, .. }) => {
            let class = *class;
            let positions = scope.space.positions(class);
            let state = scope.space.scalar(state as f64);
            scope.space.zip(Binary::Eq, &positions, &state)
        }
        (Domain::Spin, _) => scope.space.scalar(2.0 * state as f64 - 1.0),
        _ => scope.space.scalar(state as f64),
    };
    let labels = value.array().labels.clone();
    let changed = scope.space.select(mask, &number, value.array());
    let changed = scope.space.align(&changed, &labels);
    value.through(|_| changed)
}
