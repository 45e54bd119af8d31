//! The meaning of a checked program, executable: log p̃ of a model at given values, computed the plainest way there is.
//!
//! In: a checked program whose axes have extents, and `Values` for its parameters and variables. Out: numbers in `f64`.
//! One entry at a time, by recursion over the expression: a plate is a loop, an axis a coordinate, and nothing is shared
//! with the tensor side. Every engine is held against this, so it is written to be read and never to be fast.
//!
//! With factors f of a model over x and parameters θ, `log_density` is Σ_f f(x; θ), where f is log D(x | ..) for `x ~ D(..)`,
//! e for `factor e`, nothing for `x = e`, and the sum of the body's factors for `(..) ~ m(..)` of an undirected m, whose
//! log-partition is left out here and given by `log_normaliser`. Table of all constructs: `docs/language.md`.

mod density;
mod enumerate;
mod expression;
mod joint;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use ndarray::ArrayD;

use super::axis::{AxisId, AxisKind};
use super::expr::{Expr, Subscript};
use super::family::Family;
use super::program::{Domain, Factor, FactorKind, IndexId, ModelId, ParamId, Program, Target, VarId};
use crate::base::span::Span;

/// What a density is evaluated at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// Variables, over index axes then event axes. `Bool` is 0 or 1 (in between: the probability of yes), `Spin` ±1, a
    /// `Cat` the state's number from 0. An entry that is NaN is absent.
    pub vars: BTreeMap<VarId, ArrayD<f64>>,
    /// Parameters, over their axes.
    pub params: BTreeMap<ParamId, ArrayD<f64>>,
    /// Lengths of the ragged axes in this row; they may also give or shorten the extent of any other axis.
    pub lengths: BTreeMap<AxisId, usize>,
    /// The variables of which `is observed` holds.
    pub observed: BTreeSet<VarId>,
}

/// Why a density has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvaluateError {
    /// A variable is read that has neither a value nor a definition there.
    #[error("`{name}` has no value at {at:?}")]
    Unassigned {
        /// The variable.
        name: String,
        /// The entry, index axes first.
        at: Vec<usize>,
    },
    /// A parameter has no value.
    #[error("the parameter `{name}` has no value")]
    NoParameter {
        /// The parameter.
        name: String,
    },
    /// An array is too small for its axes, or has another number of them.
    #[error("`{name}` has shape {found:?}, which does not hold the entry {at:?}")]
    Shape {
        /// The variable or parameter.
        name: String,
        /// The array's shape.
        found: Vec<usize>,
        /// The entry that was read.
        at: Vec<usize>,
    },
    /// An axis's extent is not known.
    #[error("the extent of axis `{axis}` is not known")]
    NoExtent {
        /// The axis.
        axis: String,
    },
    /// An index reaches outside its axis in a place where it may not.
    #[error("position {position} lies outside axis `{axis}` of extent {extent}")]
    Outside {
        /// The axis.
        axis: String,
        /// The position reached.
        position: i64,
        /// The axis's extent.
        extent: usize,
        /// Where it was written.
        span: Span,
    },
    /// The definition of a deterministic variable cannot be evaluated.
    #[error("in the definition of `{name}`: {source}")]
    Definition {
        /// The variable.
        name: String,
        /// Why.
        source: Box<EvaluateError>,
    },
    /// A continuous deterministic variable has a value of its own: it has no density there.
    #[error("`{name}` is defined by `=`, so it has no density at an observed value")]
    Implicit {
        /// The variable.
        name: String,
    },
    /// A number that is no state of its domain.
    #[error("{value} is no state of {domain}")]
    NotAState {
        /// The number.
        value: f64,
        /// The domain.
        domain: String,
        /// Where it was read.
        span: Span,
    },
    /// An argument of a distribution lies outside its domain.
    #[error("the argument `{argument}` of {family} cannot be {value}", family = family.name())]
    Argument {
        /// The family.
        family: Family,
        /// The argument's word.
        argument: &'static str,
        /// Its value.
        value: f64,
        /// Where it was written.
        span: Span,
    },
    /// A quantity of a whole model stands inside a density.
    #[error("an objective is no part of a density")]
    Objective {
        /// Where.
        span: Span,
    },
    /// A factor's value is not a number.
    #[error("the factor's value is not a number")]
    NotANumber {
        /// The factor.
        span: Span,
    },
    /// The typed program breaks a rule that checking holds it to.
    #[error("malformed program: {what}")]
    Malformed {
        /// Which rule.
        what: String,
        /// Where.
        span: Span,
    },
    /// There are more joint states than brute force is meant for.
    #[error("too many joint states to enumerate")]
    TooManyStates,
    /// The model has no guide.
    #[error("the model has no guide")]
    NoGuide,
}

/// log p̃ of a model: the sum of its factors' contributions, without any log-partition.
///
/// # Errors
/// See `EvaluateError`; a value of probability zero is no error but −∞.
pub fn log_density(program: &Program, model: ModelId, values: &Values) -> Result<f64, EvaluateError> {
    Evaluator::new(program, model, values).sum(&program.models[model].factors, &Scope::new())
}

/// The log-density of a model's guide over the variables that it guides.
///
/// # Errors
/// See `EvaluateError`.
pub fn log_density_of_guide(program: &Program, model: ModelId, values: &Values) -> Result<f64, EvaluateError> {
    let guide = program.models[model].guide.as_ref().ok_or(EvaluateError::NoGuide)?;
    Evaluator::new(program, model, values).sum(&guide.factors, &Scope::new())
}

/// The contribution of one factor of a model (or of its guide), summed over its plates.
///
/// # Errors
/// See `EvaluateError`.
pub fn factor_value(program: &Program, model: ModelId, factor: &Factor, values: &Values) -> Result<f64, EvaluateError> {
    Evaluator::new(program, model, values).factor(factor, &Scope::new())
}

/// The log-density of a parameter's prior at its value; 0 where it has none. It counts once a data set, not once a row.
///
/// # Errors
/// See `EvaluateError`.
pub fn log_prior(program: &Program, param: ParamId, values: &Values) -> Result<f64, EvaluateError> {
    let declared = &program.params[param];
    let Some(prior) = &declared.prior else { return Ok(0.0) };
    let evaluator = Evaluator { program, values, definitions: BTreeMap::new(), known: RefCell::default() };
    let read = |at: &[usize]| evaluator.parameter(param, at);
    let value = density::Instance { domain: &declared.domain, axes: &declared.axes, read: &read, span: declared.span };
    evaluator.log_probability(prior, &value, &Scope::new())
}

/// The value of one entry of an expression of a model: `at` holds a position for each axis of its type.
///
/// # Errors
/// See `EvaluateError`.
pub fn expression_value(
    program: &Program,
    model: ModelId,
    expr: &Expr,
    at: &[usize],
    values: &Values,
) -> Result<f64, EvaluateError> {
    let at = expr.ty.axes.iter().copied().zip(at.iter().copied()).collect();
    Evaluator::new(program, model, values).entry(expr, &Scope::new(), &at)
}

pub use enumerate::log_normaliser;

/// Positions of the plates' index variables.
type Scope = BTreeMap<IndexId, usize>;

/// Positions along axes: which entry is meant.
type Coordinates = BTreeMap<AxisId, usize>;

/// A statement `x[t] = e`: its target and what the target stands for.
type Definition<'a> = (&'a Target, &'a Expr);

/// A program at given values.
struct Evaluator<'a> {
    program: &'a Program,
    values: &'a Values,
    /// The deterministic variables' definitions.
    definitions: BTreeMap<VarId, Vec<Definition<'a>>>,
    /// Entries of deterministic variables already evaluated, so that a recurrence costs a line and not a tree.
    known: RefCell<BTreeMap<(VarId, Vec<usize>), f64>>,
}

impl<'a> Evaluator<'a> {
    fn new(program: &'a Program, model: ModelId, values: &'a Values) -> Self {
        fn collect<'a>(factors: &'a [Factor], into: &mut BTreeMap<VarId, Vec<Definition<'a>>>) {
            for factor in factors {
                match &factor.kind {
                    FactorKind::Deterministic { target, value } => {
                        into.entry(target.var).or_default().push((target, value));
                    }
                    FactorKind::Undirected { body, .. } => collect(body, into),
                    FactorKind::Conditional { .. } | FactorKind::Potential(_) => {}
                }
            }
        }
        let mut definitions = BTreeMap::new();
        collect(&program.models[model].factors, &mut definitions);
        if let Some(guide) = &program.models[model].guide {
            collect(&guide.factors, &mut definitions);
        }
        Self { program, values, definitions, known: RefCell::default() }
    }

    /// The sum of factors' contributions.
    fn sum(&self, factors: &[Factor], scope: &Scope) -> Result<f64, EvaluateError> {
        factors.iter().map(|f| self.factor(f, scope)).sum()
    }

    /// One factor, over all positions of those of its plates that `scope` leaves open.
    fn factor(&self, factor: &Factor, scope: &Scope) -> Result<f64, EvaluateError> {
        let value =
            self.scopes(&factor.plates, scope)?.iter().map(|s| self.instance(factor, s)).sum::<Result<f64, _>>()?;
        if value.is_nan() { Err(EvaluateError::NotANumber { span: factor.span }) } else { Ok(value) }
    }

    /// Every way of placing the plates' index variables, the last fastest.
    fn scopes(&self, plates: &[IndexId], scope: &Scope) -> Result<Vec<Scope>, EvaluateError> {
        let mut scopes = vec![scope.clone()];
        for &index in plates.iter().filter(|i| !scope.contains_key(i)) {
            let extent = self.extent(self.program.indices[index].axis)?;
            let place = |s: &Scope, position| s.iter().map(|(&i, &p)| (i, p)).chain([(index, position)]).collect();
            scopes = scopes.iter().flat_map(|s| (0..extent).map(move |p| place(s, p))).collect();
        }
        Ok(scopes)
    }

    /// One factor at one position of its plates.
    fn instance(&self, factor: &Factor, scope: &Scope) -> Result<f64, EvaluateError> {
        match &factor.kind {
            FactorKind::Conditional { target, dist } => {
                let var = &self.program.vars[target.var];
                let index = self.target_positions(target, scope, factor.span)?;
                let read = |at: &[usize]| self.variable(target.var, &[&index, at].concat());
                let value = density::Instance { domain: &var.domain, axes: &var.event, read: &read, span: factor.span };
                self.log_probability(dist, &value, scope)
            }
            FactorKind::Potential(e) => {
                if !e.ty.axes.is_empty() {
                    return Err(EvaluateError::Malformed { what: "a potential has axes".into(), span: e.span });
                }
                match self.entry(e, scope, &Coordinates::new()) {
                    Err(EvaluateError::Outside { .. }) => Ok(0.0),
                    value => value,
                }
            }
            FactorKind::Deterministic { target, .. } => self.agreement(target, scope, factor.span),
            FactorKind::Undirected { body, .. } => self.sum(body, scope),
        }
    }

    /// What `x = e` contributes: nothing, unless a value was given for `x`. Then a discrete `x` contributes 0 where it
    /// agrees with `e` and −∞ where it does not; a continuous one has no density.
    fn agreement(&self, target: &Target, scope: &Scope, span: Span) -> Result<f64, EvaluateError> {
        let Some(given) = self.values.vars.get(&target.var) else { return Ok(0.0) };
        let var = &self.program.vars[target.var];
        let index = self.target_positions(target, scope, span)?;
        for at in self.positions(&var.event)? {
            let at = [&index[..], &at].concat();
            let given = self.stored(&var.name, given, &at)?;
            if given.is_nan() {
                continue;
            }
            if !var.domain.is_discrete() {
                return Err(EvaluateError::Implicit { name: var.name.clone() });
            }
            if given != self.defined(target.var, &at)? {
                return Ok(f64::NEG_INFINITY);
            }
        }
        Ok(0.0)
    }

    /// The positions along a target's index axes.
    fn target_positions(&self, target: &Target, scope: &Scope, span: Span) -> Result<Vec<usize>, EvaluateError> {
        let axes = &self.program.vars[target.var].index;
        if axes.len() != target.at.len() {
            return Err(EvaluateError::Malformed { what: "a target without all its indices".into(), span });
        }
        let place = |(subscript, &axis): (&Subscript, &AxisId)| match subscript {
            Subscript::At { index, offset } => self.shifted(*index, *offset, axis, scope, span),
            Subscript::Constant(position) => Ok(*position),
            Subscript::By(_) | Subscript::Prefix(_) | Subscript::Last => {
                Err(EvaluateError::Malformed { what: "a target chosen by a value".into(), span })
            }
        };
        target.at.iter().zip(axes).map(place).collect()
    }

    /// The extent of an axis in this row.
    fn extent(&self, axis: AxisId) -> Result<usize, EvaluateError> {
        if let Some(&length) = self.values.lengths.get(&axis) {
            return Ok(length);
        }
        let declared = &self.program.axes[axis];
        match &declared.kind {
            AxisKind::Alias(of) => self.extent(*of),
            AxisKind::Sum(parts) => parts.iter().map(|&part| self.extent(part)).sum(),
            AxisKind::Blocks(of, size) => Ok(self.extent(*of)? / size.max(&1)),
            AxisKind::Plain | AxisKind::Rows | AxisKind::Ragged => {
                declared.extent.ok_or_else(|| EvaluateError::NoExtent { axis: declared.name.clone() })
            }
        }
    }

    /// Every position along the axes, the last fastest.
    fn positions(&self, axes: &[AxisId]) -> Result<Vec<Vec<usize>>, EvaluateError> {
        let extents = axes.iter().map(|&a| self.extent(a)).collect::<Result<Vec<_>, _>>()?;
        Ok(every_position(&extents))
    }

    /// A state as the number that stands for it in `Values`.
    fn number_of_state(domain: &Domain, state: usize) -> f64 {
        if *domain == Domain::Spin { 2.0 * state as f64 - 1.0 } else { state as f64 }
    }
}

/// Every position in a box of these extents, the last fastest; one empty position where there are no axes.
fn every_position(extents: &[usize]) -> Vec<Vec<usize>> {
    extents.iter().fold(vec![Vec::new()], |positions, &extent| {
        positions.iter().flat_map(|p| (0..extent).map(move |next| [&p[..], &[next]].concat())).collect()
    })
}
