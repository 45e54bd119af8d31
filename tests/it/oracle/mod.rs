//! The truth that engines are held against: posteriors of small discrete models by going through all joint states on the
//! plain evaluator, and random programs to hold them against it on.
//!
//! The weight of a joint state is p̃ divided by the partitions of its `~` sub-models, so that only `factor` statements
//! leave a partition open; `log_partition` is the logarithm of the weights' sum over everything that is not clamped.

pub mod build;
pub mod random;

mod densities;
mod expressions;
mod factors;
mod random_cases;
mod trials;

use std::collections::BTreeMap;

use ghmc::base::id::Id;
use ghmc::model::evaluate::{EvaluateError, Values, log_density, log_normaliser};
use ghmc::model::{AxisId, AxisKind, Domain, Factor, FactorKind, ModelId, Program, VarId};
use ndarray::{ArrayD, Dimension, IxDyn};

/// More joint states than this are not brute force's business.
const MOST_STATES: usize = 1 << 22;

/// The extent of an axis in the row that `values` describes.
pub fn extent(program: &Program, values: &Values, axis: AxisId) -> usize {
    if let Some(&length) = values.lengths.get(&axis) {
        return length;
    }
    match &program.axes[axis].kind {
        AxisKind::Alias(of) => extent(program, values, *of),
        AxisKind::Sum(parts) => parts.iter().map(|&p| extent(program, values, p)).sum(),
        _ => program.axes[axis].extent.expect("the axis has an extent"),
    }
}

/// The extents of a variable's axes.
pub fn shape(program: &Program, values: &Values, var: VarId) -> Vec<usize> {
    program.vars[var].axes().iter().map(|&a| extent(program, values, a)).collect()
}

/// The numbers that stand for a discrete domain's states.
pub fn states(program: &Program, values: &Values, domain: &Domain) -> Vec<f64> {
    match domain {
        Domain::Bool => vec![0.0, 1.0],
        Domain::Spin => vec![-1.0, 1.0],
        Domain::Cat(axis) => (0..extent(program, values, *axis)).map(|k| k as f64).collect(),
        other => panic!("{other:?} has no finite set of states"),
    }
}

/// The model of that name.
pub fn model(program: &Program, name: &str) -> ModelId {
    program.models.iter().find(|(_, m)| m.name == name).map(|(id, _)| id).expect("the program has the model")
}

/// A model's variable of that name.
pub fn variable(program: &Program, model: ModelId, name: &str) -> VarId {
    let vars = &program.models[model].vars;
    vars.iter().copied().find(|&v| program.vars[v].name == name).expect("the model has the variable")
}

/// A model's variables that `=` defines.
fn defined(program: &Program, model: ModelId) -> Vec<VarId> {
    fn collect(factors: &[Factor], into: &mut Vec<VarId>) {
        for factor in factors {
            match &factor.kind {
                FactorKind::Deterministic { target, .. } => into.push(target.var),
                FactorKind::Undirected { body, .. } => collect(body, into),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(&program.models[model].factors, &mut found);
    found
}

/// One entry of a variable.
pub type Entry = (VarId, Vec<usize>);

/// The entries of a model's variables that `clamped` leaves open: absent variables, and NaN entries of present ones.
pub fn open_entries(program: &Program, model: ModelId, clamped: &Values) -> Vec<Entry> {
    let defined = defined(program, model);
    let mut entries = Vec::new();
    for &var in program.models[model].vars.iter().filter(|v| !defined.contains(v)) {
        for (at, _) in ArrayD::<u8>::zeros(IxDyn(&shape(program, clamped, var))).indexed_iter() {
            let at = at.slice().to_vec();
            if clamped.vars.get(&var).is_none_or(|array| array[IxDyn(&at)].is_nan()) {
                entries.push((var, at));
            }
        }
    }
    entries
}

/// log p̃ less the log-partitions of the model's `~` sub-models.
pub fn log_weight(program: &Program, model: ModelId, values: &Values) -> Result<f64, EvaluateError> {
    let mut log = log_density(program, model, values)?;
    for factor in program.models[model].factors.iter().filter(|f| matches!(f.kind, FactorKind::Undirected { .. })) {
        log -= log_normaliser(program, model, factor, values)?;
    }
    Ok(log)
}

/// Every joint state of the open entries in order, the last entry fastest, with its log-weight.
pub fn each_state(program: &Program, model: ModelId, clamped: &Values, mut visit: impl FnMut(&Values, f64)) {
    let entries = open_entries(program, model, clamped);
    let domains: Vec<Vec<f64>> =
        entries.iter().map(|(var, _)| states(program, clamped, &program.vars[*var].domain)).collect();
    let count = domains.iter().try_fold(1usize, |n, d| n.checked_mul(d.len())).filter(|&n| n <= MOST_STATES);
    let count = count.expect("few enough joint states to enumerate");
    let undirected: Vec<(&Factor, &[VarId])> = (program.models[model].factors.iter())
        .filter_map(|f| match &f.kind {
            FactorKind::Undirected { vars, .. } => Some((f, &vars[..])),
            _ => None,
        })
        .collect();
    // A sub-model's partition depends on nothing but the open entries outside it.
    let mut partitions: BTreeMap<(usize, Vec<usize>), f64> = BTreeMap::new();
    let mut values = clamped.clone();
    for (var, _) in &entries {
        values.vars.entry(*var).or_insert_with(|| ArrayD::zeros(IxDyn(&shape(program, clamped, *var))));
    }
    for number in 0..count {
        let mut rest = number;
        let mut chosen = vec![0; entries.len()];
        for (k, ((var, at), states)) in entries.iter().zip(&domains).enumerate().rev() {
            chosen[k] = rest % states.len();
            rest /= states.len();
            values.vars.get_mut(var).expect("every open variable has an array")[IxDyn(at)] = states[chosen[k]];
        }
        let mut log = log_density(program, model, &values).expect("the density has a value");
        for (k, (factor, vars)) in undirected.iter().enumerate() {
            let outside = entries.iter().zip(&chosen).filter(|((v, _), _)| !vars.contains(v)).map(|(_, &s)| s);
            log -= *partitions
                .entry((k, outside.collect()))
                .or_insert_with(|| log_normaliser(program, model, factor, &values).expect("the partition has a value"));
        }
        visit(&values, log);
    }
}

/// log Σ exp.
pub fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() { largest } else { largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln() }
}

/// The logarithm of the sum of weights over the open entries.
pub fn log_partition(program: &Program, model: ModelId, clamped: &Values) -> f64 {
    let mut logs = Vec::new();
    each_state(program, model, clamped, |_, log| logs.push(log));
    log_sum_exp(&logs)
}

/// log p(targets | given) of a row: log Z[both clamped] − log Z[given clamped], other variables summed out.
pub fn loglik(program: &Program, model: ModelId, row: &Values, targets: &[VarId], given: &[VarId]) -> f64 {
    let keep = |kept: &dyn Fn(&VarId) -> bool| {
        let mut values = row.clone();
        values.vars.retain(|var, _| kept(var));
        log_partition(program, model, &values)
    };
    keep(&|v| targets.contains(v) || given.contains(v)) - keep(&|v| given.contains(v))
}

/// Posterior marginals of the open variables: over the variable's axes, then its states. Clamped entries of a variable
/// that is partly open have their state with probability one.
pub fn marginals(program: &Program, model: ModelId, clamped: &Values) -> BTreeMap<VarId, ArrayD<f64>> {
    let log_z = log_partition(program, model, clamped);
    let mut found: BTreeMap<VarId, ArrayD<f64>> = BTreeMap::new();
    for (var, _) in open_entries(program, model, clamped) {
        let mut shape = shape(program, clamped, var);
        shape.push(states(program, clamped, &program.vars[var].domain).len());
        found.entry(var).or_insert_with(|| ArrayD::zeros(IxDyn(&shape)));
    }
    each_state(program, model, clamped, |values, log| {
        let p = (log - log_z).exp();
        for (var, marginal) in &mut found {
            let states = states(program, clamped, &program.vars[*var].domain);
            for (at, value) in values.vars[var].indexed_iter() {
                let state = states.iter().position(|s| s == value).expect("an enumerated value is a state");
                let mut at = at.slice().to_vec();
                at.push(state);
                marginal[IxDyn(&at)] += p;
            }
        }
    });
    found
}

/// The first of the likeliest joint states of the open entries, with its log-weight.
pub fn argmax(program: &Program, model: ModelId, clamped: &Values) -> (Values, f64) {
    let mut best = None;
    each_state(program, model, clamped, |values, log| {
        if best.as_ref().is_none_or(|(_, most)| log > *most) {
            best = Some((values.clone(), log));
        }
    });
    best.expect("there is at least one joint state")
}

/// The likeliest value of some of the open variables, the others summed out: its log-weight and the variables' values.
pub fn argmax_of(program: &Program, model: ModelId, clamped: &Values, targets: &[VarId]) -> (Values, f64) {
    let mut groups: BTreeMap<Vec<u64>, (Values, Vec<f64>)> = BTreeMap::new();
    each_state(program, model, clamped, |values, log| {
        let key = targets.iter().flat_map(|v| values.vars[v].iter().map(|x| x.to_bits())).collect();
        let of_targets = || {
            let mut values = values.clone();
            values.vars.retain(|v, _| targets.contains(v));
            values
        };
        groups.entry(key).or_insert_with(|| (of_targets(), Vec::new())).1.push(log);
    });
    let summed = groups.into_values().map(|(values, logs)| (values, log_sum_exp(&logs)));
    summed.reduce(|best, next| if next.1 > best.1 { next } else { best }).expect("there is at least one joint state")
}

/// log p(state | clamped) of one joint state of the open entries.
pub fn log_posterior(program: &Program, model: ModelId, clamped: &Values, state: &Values) -> f64 {
    log_weight(program, model, state).expect("the density has a value") - log_partition(program, model, clamped)
}

/// The posterior expectation of a function of the joint state.
pub fn expectation(program: &Program, model: ModelId, clamped: &Values, f: impl Fn(&Values) -> f64) -> f64 {
    let log_z = log_partition(program, model, clamped);
    let mut total = 0.0;
    each_state(program, model, clamped, |values, log| {
        // Impossible states may have no finite value of f.
        if log > f64::NEG_INFINITY {
            total += (log - log_z).exp() * f(values);
        }
    });
    total
}

/// An exact draw of the open entries; the one whose share of the cumulated weight holds `u` in [0, 1).
pub fn draw(program: &Program, model: ModelId, clamped: &Values, u: f64) -> Values {
    let log_z = log_partition(program, model, clamped);
    let (mut cumulated, mut drawn) = (0.0, None);
    each_state(program, model, clamped, |values, log| {
        // The last possible state catches what rounding leaves of the total.
        if log > f64::NEG_INFINITY && (drawn.is_none() || cumulated <= u) {
            drawn = Some(values.clone());
        }
        cumulated += (log - log_z).exp();
    });
    drawn.expect("some joint state is possible")
}

/// The program after `do(..)`: what the variables were drawn from is cut away.
pub fn intervened(program: &Program, model: ModelId, vars: &[VarId]) -> Program {
    let mut program = program.clone();
    program.models[model].factors.retain(|f| match &f.kind {
        FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } => {
            !vars.contains(&target.var)
        }
        FactorKind::Potential(_) | FactorKind::Undirected { .. } => true,
    });
    program
}

/// A span for programs that have no text.
pub fn nowhere() -> ghmc::base::span::Span {
    ghmc::base::span::Span { file: ghmc::base::span::FileId::from_index(0), start: 0, end: 0 }
}
