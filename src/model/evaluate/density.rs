//! Log-densities of the distribution families at one value. Formulas: Bishop (2006), Pattern Recognition and Machine
//! Learning, appendix B; Laplace and Poisson: Johnson, Kotz, Balakrishnan (1995), Continuous Univariate Distributions 2,
//! chapter 24, and Johnson, Kemp, Kotz (2005), Univariate Discrete Distributions, chapter 4.
//!
//! Everywhere 0 · log 0 = 0. A value outside the support has log-density −∞; an argument outside its domain is an error.

use std::f64::consts::PI;

use super::expression::{log_sum_exp, softplus, times};
use super::{Coordinates, EvaluateError, Evaluator, Scope};
use crate::base::span::Span;
use crate::model::axis::AxisId;
use crate::model::expr::Expr;
use crate::model::family::{Arg, Dist, Family};
use crate::model::program::Domain;

/// How far from one the entries of a value of `Simplex` may sum: single precision over a few thousand entries.
const SIMPLEX_TOLERANCE: f64 = 1e-4;

/// What a distribution is asked about: one instance of a variable, or a parameter.
pub(super) struct Instance<'a> {
    pub domain: &'a Domain,
    pub axes: &'a [AxisId],
    /// The entry at a position along `axes`.
    pub read: &'a dyn Fn(&[usize]) -> Result<f64, EvaluateError>,
    pub span: Span,
}

impl Evaluator<'_> {
    /// log D(value; arguments), summed over the value's entries, which are independent given the arguments.
    pub(super) fn log_probability(&self, dist: &Dist, value: &Instance, scope: &Scope) -> Result<f64, EvaluateError> {
        match dist.family {
            Family::Dirichlet => return self.dirichlet(dist, value, scope),
            Family::Multinomial => return self.multinomial(dist, value, scope),
            Family::Wishart | Family::InverseWishart => return self.wishart(dist, value, scope),
            Family::Normal if dist.arg(Arg::Cov).is_some() => return self.joint_normal(dist, value, scope),
            _ => {}
        }
        let mut total = 0.0;
        for position in self.positions(value.axes)? {
            let at = value.axes.iter().copied().zip(position.iter().copied()).collect();
            total += self.entry_log_probability(dist, (value.read)(&position)?, value, scope, &at)?;
        }
        Ok(total)
    }

    /// The log-probability of one entry `x`.
    fn entry_log_probability(
        &self,
        dist: &Dist,
        x: f64,
        value: &Instance,
        scope: &Scope,
        at: &Coordinates,
    ) -> Result<f64, EvaluateError> {
        let arg = |role: Arg| self.argument(dist, role, scope, at, value.span);
        let within = |inside: bool, log: f64| if inside { log } else { f64::NEG_INFINITY };
        Ok(match dist.family {
            Family::Bernoulli => {
                let (yes, no) = match dist.arg(Arg::Logit) {
                    Some(_) => {
                        let logit = arg(Arg::Logit)?;
                        (-softplus(-logit), -softplus(logit))
                    }
                    None => {
                        let p = arg(Arg::P)?;
                        (p.ln(), (-p).ln_1p())
                    }
                };
                let states = self.states_of(x, value.domain, value.span)?;
                states.iter().map(|&(state, weight)| times(weight, if state == 1 { yes } else { no })).sum()
            }
            Family::Categorical => {
                let Domain::Cat(class) = value.domain else {
                    return Err(EvaluateError::Malformed {
                        what: "Categorical over no enumeration".into(),
                        span: value.span,
                    });
                };
                let [(state, _)] = self.states_of(x, value.domain, value.span)?[..] else {
                    return Err(EvaluateError::Malformed { what: "a grey state".into(), span: value.span });
                };
                let role = if dist.arg(Arg::Logit).is_some() { Arg::Logit } else { Arg::P };
                let along = self.class_axis(dist.arg(role), *class, value.axes);
                let entry = |k: usize| {
                    let at = at.iter().map(|(&a, &p)| (a, p)).chain([(along, k)]).collect();
                    self.argument(dist, role, scope, &at, value.span)
                };
                if role == Arg::P {
                    entry(state)?.ln()
                } else {
                    let logits = (0..self.extent(*class)?).map(entry).collect::<Result<Vec<_>, _>>()?;
                    logits[state] - log_sum_exp(&logits)
                }
            }
            Family::Normal => {
                let (mean, sd) = (arg(Arg::Mean)?, arg(Arg::Sd)?);
                -0.5 * ((x - mean) / sd).powi(2) - sd.ln() - 0.5 * (2.0 * PI).ln()
            }
            Family::Uniform => {
                let (low, high) = (arg(Arg::Low)?, arg(Arg::High)?);
                within(low <= x && x <= high, -(high - low).ln())
            }
            Family::Exponential => {
                let rate = arg(Arg::Rate)?;
                within(x >= 0.0, rate.ln() - rate * x)
            }
            Family::Laplace => {
                let (mean, scale) = (arg(Arg::Mean)?, arg(Arg::Scale)?);
                -(x - mean).abs() / scale - (2.0 * scale).ln()
            }
            Family::Beta => {
                let (a, b) = (arg(Arg::A)?, arg(Arg::B)?);
                let norm = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
                within((0.0..=1.0).contains(&x), norm + times(a - 1.0, x.ln()) + times(b - 1.0, (-x).ln_1p()))
            }
            Family::Gamma => {
                let (shape, rate) = (arg(Arg::Shape)?, arg(Arg::Rate)?);
                let norm = shape * rate.ln() - libm::lgamma(shape);
                within(x >= 0.0, norm + times(shape - 1.0, x.ln()) - rate * x)
            }
            Family::Poisson => {
                let rate = arg(Arg::Rate)?;
                within(x >= 0.0 && x.fract() == 0.0, times(x, rate.ln()) - rate - libm::lgamma(x + 1.0))
            }
            Family::StudentT => {
                let (dof, mean, scale) = (arg(Arg::Dof)?, arg(Arg::Mean)?, arg(Arg::Scale)?);
                let norm =
                    libm::lgamma((dof + 1.0) / 2.0) - libm::lgamma(dof / 2.0) - 0.5 * (dof * PI).ln() - scale.ln();
                norm - (dof + 1.0) / 2.0 * (((x - mean) / scale).powi(2) / dof).ln_1p()
            }
            Family::LogNormal => {
                let (mean, sd) = (arg(Arg::Mean)?, arg(Arg::Sd)?);
                within(x > 0.0, -0.5 * ((x.ln() - mean) / sd).powi(2) - sd.ln() - 0.5 * (2.0 * PI).ln() - x.ln())
            }
            Family::InverseGamma => {
                let (shape, scale) = (arg(Arg::Shape)?, arg(Arg::Scale)?);
                let norm = shape * scale.ln() - libm::lgamma(shape);
                within(x > 0.0, norm - (shape + 1.0) * x.ln() - scale / x)
            }
            Family::Dirichlet | Family::Multinomial | Family::Wishart | Family::InverseWishart => {
                return Err(EvaluateError::Malformed {
                    what: format!("a {} of one entry", dist.family.name()),
                    span: value.span,
                });
            }
        })
    }

    /// log Dir(x; a) = log Γ(Σ a_k) + Σ_k ((a_k − 1) log x_k − log Γ(a_k)) along the last axis, summed over the others.
    fn dirichlet(&self, dist: &Dist, value: &Instance, scope: &Scope) -> Result<f64, EvaluateError> {
        let Some((&along, others)) = value.axes.split_last() else {
            return Err(EvaluateError::Malformed { what: "a Dirichlet without an axis".into(), span: value.span });
        };
        let mut total = 0.0;
        for outer in self.positions(others)? {
            let (mut sum_of_x, mut sum_of_a, mut log) = (0.0, 0.0, 0.0);
            let mut inside = true;
            for k in 0..self.extent(along)? {
                let position = [&outer[..], &[k]].concat();
                let at = value.axes.iter().copied().zip(position.iter().copied()).collect();
                let (x, a) =
                    ((value.read)(&position)?, self.argument(dist, Arg::Concentration, scope, &at, value.span)?);
                inside &= (0.0..=1.0).contains(&x);
                sum_of_x += x;
                sum_of_a += a;
                log += times(a - 1.0, x.ln()) - libm::lgamma(a);
            }
            inside &= (sum_of_x - 1.0).abs() <= SIMPLEX_TOLERANCE;
            total += if inside { log + libm::lgamma(sum_of_a) } else { f64::NEG_INFINITY };
        }
        Ok(total)
    }

    /// One entry of an argument, held to its domain.
    pub(super) fn argument(
        &self,
        dist: &Dist,
        role: Arg,
        scope: &Scope,
        at: &Coordinates,
        span: Span,
    ) -> Result<f64, EvaluateError> {
        let expr = written(dist, role, span)?;
        let value = self.entry(expr, scope, at)?;
        let allowed = match role.domain(dist.family) {
            Domain::Unit | Domain::Simplex => (0.0..=1.0).contains(&value),
            Domain::Positive => value > 0.0,
            _ => !value.is_nan(),
        };
        if allowed {
            Ok(value)
        } else {
            Err(EvaluateError::Argument { family: dist.family, argument: role.word(), value, span: expr.span })
        }
    }

    /// The axis of a categorical's argument that runs over the classes: the enumeration, or another name for it.
    fn class_axis(&self, argument: Option<&Expr>, class: AxisId, event: &[AxisId]) -> AxisId {
        let axes = &self.program.axes;
        let same = |axis: &&AxisId| !event.contains(axis) && axes.root(**axis) == axes.root(class);
        argument.and_then(|e| e.ty.axes.iter().rev().find(same)).copied().unwrap_or(class)
    }
}

/// The expression of an argument that the family must have.
pub(super) fn written(dist: &Dist, role: Arg, span: Span) -> Result<&Expr, EvaluateError> {
    let missing =
        || EvaluateError::Malformed { what: format!("{} without `{}`", dist.family.name(), role.word()), span };
    dist.arg(role).ok_or_else(missing)
}
