//! The log-partition of an undirected sub-model by going through all joint states of its variables.
//!
//! log Z = log Σ_x exp Σ_f f(x), x over the joint states of the factor's variables, f over its body; one Z a position of the
//! plates that the statement stands in.

use ndarray::{ArrayD, IxDyn};

use super::expression::log_sum_exp;
use super::{EvaluateError, Evaluator, Scope, Values};
use crate::model::program::{Factor, FactorKind, ModelId, Program, VarId};

/// More joint states than this are refused.
const MOST_STATES: usize = 1 << 22;

/// The log-partition of an `Undirected` factor over its variables, the others at their values; summed over its plates.
///
/// # Errors
/// `Malformed` if the factor is of another kind, `TooManyStates` beyond four million joint states, and whatever
/// evaluating the body gives.
pub fn log_normaliser(
    program: &Program,
    model: ModelId,
    factor: &Factor,
    values: &Values,
) -> Result<f64, EvaluateError> {
    let FactorKind::Undirected { vars, body } = &factor.kind else {
        return Err(EvaluateError::Malformed {
            what: "a log-partition of a normalised factor".into(),
            span: factor.span,
        });
    };
    let evaluator = Evaluator::new(program, model, values);
    let mut total = 0.0;
    for scope in evaluator.scopes(&factor.plates, &Scope::new())? {
        let mut values = values.clone();
        let mut entries = Vec::new();
        for &var in vars {
            entries.extend(evaluator.entries(var, &scope)?.into_iter().map(|at| (var, at)));
            let shape = program.vars[var].axes().iter().map(|&a| evaluator.extent(a)).collect::<Result<Vec<_>, _>>()?;
            values.vars.insert(var, ArrayD::zeros(IxDyn(&shape)));
        }
        let mut counts = Vec::new();
        for (var, _) in &entries {
            counts.push(evaluator.number_of_states(&program.vars[*var].domain, factor.span)?);
        }
        let states = counts.iter().try_fold(1, |product: usize, &n| product.checked_mul(n));
        if states.is_none_or(|n| n > MOST_STATES) {
            return Err(EvaluateError::TooManyStates);
        }
        let mut logs = Vec::new();
        let mut configuration = vec![0; entries.len()];
        loop {
            for ((var, at), &state) in entries.iter().zip(&configuration) {
                if let Some(entry) = values.vars.get_mut(var).and_then(|array| array.get_mut(IxDyn(at))) {
                    *entry = Evaluator::number_of_state(&program.vars[*var].domain, state);
                }
            }
            logs.push(Evaluator::new(program, model, &values).sum(body, &scope)?);
            if !advance(&mut configuration, &counts) {
                break;
            }
        }
        total += log_sum_exp(&logs);
    }
    Ok(total)
}

impl Evaluator<'_> {
    /// The entries of a variable that one position of the plates speaks of: along an axis that a plate runs over, that
    /// position only.
    fn entries(&self, var: VarId, scope: &Scope) -> Result<Vec<Vec<usize>>, EvaluateError> {
        let axes = self.program.vars[var].axes();
        let fixed = |axis| scope.iter().find(|(i, _)| self.program.indices[**i].axis == axis).map(|(_, &p)| p);
        let keeps = |at: &Vec<usize>| axes.iter().zip(at).all(|(&axis, &p)| fixed(axis).is_none_or(|q| p == q));
        Ok(self.positions(&axes)?.into_iter().filter(keeps).collect())
    }
}

/// Steps to the next joint state, the last entry fastest; no after the last one.
fn advance(configuration: &mut [usize], counts: &[usize]) -> bool {
    for (state, &count) in configuration.iter_mut().zip(counts).rev() {
        *state += 1;
        if *state < count {
            return true;
        }
        *state = 0;
    }
    false
}
