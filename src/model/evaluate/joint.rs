//! Log-densities of the families whose entries are not independent: the normal with a covariance, the Wisharts, the multinomial.
//! Formulas: Bishop (2006), Pattern Recognition and Machine Learning, appendix B.

use std::f64::consts::{LN_2, PI};

use super::density::{Instance, written};
use super::expression::{log_sum_exp, times};
use super::{Coordinates, EvaluateError, Evaluator, Scope};
use crate::base::span::Span;
use crate::model::family::{Arg, Dist, Family};

/// A square matrix, a row after the other.
type Matrix = Vec<Vec<f64>>;

impl Evaluator<'_> {
    /// log N(x; m, S) = −½ log |2πS| − ½ (x − m)ᵀ S⁻¹ (x − m) along the last axis, summed over the others.
    pub(super) fn joint_normal(&self, dist: &Dist, value: &Instance, scope: &Scope) -> Result<f64, EvaluateError> {
        let Some((&along, others)) = value.axes.split_last() else {
            return Err(EvaluateError::Malformed { what: "a covariance without an axis".into(), span: value.span });
        };
        let size = self.extent(along)?;
        let mut total = 0.0;
        for outer in self.positions(others)? {
            let mut apart = Vec::new();
            for k in 0..size {
                let position = [&outer[..], &[k]].concat();
                let at: Coordinates = value.axes.iter().copied().zip(position.iter().copied()).collect();
                apart.push((value.read)(&position)? - self.argument(dist, Arg::Mean, scope, &at, value.span)?);
            }
            let at: Coordinates = others.iter().copied().zip(outer.iter().copied()).collect();
            let factor = self.cholesky_of(dist, Arg::Cov, size, scope, &at, value.span)?;
            let whitened = solve_lower(&factor, &apart);
            total += -0.5 * whitened.iter().map(|w| w * w).sum::<f64>()
                - 0.5 * log_det(&factor)
                - 0.5 * size as f64 * (2.0 * PI).ln();
        }
        Ok(total)
    }

    /// log W(X; V, n) = (n−d−1)/2 log|X| − ½ tr V⁻¹X − nd/2 log 2 − n/2 log|V| − log Γ_d(n/2), and
    /// log W⁻¹(X; Ψ, n) = n/2 log|Ψ| − (n+d+1)/2 log|X| − ½ tr ΨX⁻¹ − nd/2 log 2 − log Γ_d(n/2).
    pub(super) fn wishart(&self, dist: &Dist, value: &Instance, scope: &Scope) -> Result<f64, EvaluateError> {
        let [others @ .., row, _] = value.axes else {
            return Err(EvaluateError::Malformed { what: "a matrix without two axes".into(), span: value.span });
        };
        let d = self.extent(*row)?;
        let mut total = 0.0;
        for outer in self.positions(others)? {
            let mut x = vec![vec![0.0; d]; d];
            for (i, entries) in x.iter_mut().enumerate() {
                for (j, entry) in entries.iter_mut().enumerate() {
                    *entry = (value.read)(&[&outer[..], &[i, j]].concat())?;
                }
            }
            let Some(of_x) = cholesky(&x) else { return Ok(f64::NEG_INFINITY) };
            let at: Coordinates = others.iter().copied().zip(outer.iter().copied()).collect();
            let n = self.argument(dist, Arg::Dof, scope, &at, value.span)?;
            let of_scale = self.cholesky_of(dist, Arg::Scale, d, scope, &at, value.span)?;
            let size = d as f64;
            let common = -0.5 * n * size * LN_2 - log_gamma_of_dimension(d, n / 2.0);
            total += common
                + match dist.family {
                    Family::Wishart => {
                        0.5 * (n - size - 1.0) * log_det(&of_x)
                            - 0.5 * trace_of_ratio(&of_x, &of_scale)
                            - 0.5 * n * log_det(&of_scale)
                    }
                    _ => {
                        0.5 * n * log_det(&of_scale)
                            - 0.5 * (n + size + 1.0) * log_det(&of_x)
                            - 0.5 * trace_of_ratio(&of_scale, &of_x)
                    }
                };
        }
        Ok(total)
    }

    /// log Mult(x; n, p) = log n! + Σ_k (x_k log p_k − log x_k!) along the last axis, −∞ unless Σ x_k = n.
    pub(super) fn multinomial(&self, dist: &Dist, value: &Instance, scope: &Scope) -> Result<f64, EvaluateError> {
        let Some((&along, others)) = value.axes.split_last() else {
            return Err(EvaluateError::Malformed { what: "a multinomial without an axis".into(), span: value.span });
        };
        let role = if dist.arg(Arg::Logit).is_some() { Arg::Logit } else { Arg::P };
        let mut total = 0.0;
        for outer in self.positions(others)? {
            let (mut counts, mut args) = (Vec::new(), Vec::new());
            for k in 0..self.extent(along)? {
                let position = [&outer[..], &[k]].concat();
                let at: Coordinates = value.axes.iter().copied().zip(position.iter().copied()).collect();
                counts.push((value.read)(&position)?);
                args.push(self.argument(dist, role, scope, &at, value.span)?);
            }
            let norm = if role == Arg::Logit { log_sum_exp(&args) } else { 0.0 };
            let log_p = |a: f64| if role == Arg::Logit { a - norm } else { a.ln() };
            let at: Coordinates = others.iter().copied().zip(outer.iter().copied()).collect();
            let trials = self.argument(dist, Arg::Total, scope, &at, value.span)?;
            let inside = counts.iter().all(|c| *c >= 0.0 && c.fract() == 0.0) && counts.iter().sum::<f64>() == trials;
            let terms = counts.iter().zip(&args).map(|(&c, &a)| times(c, log_p(a)) - libm::lgamma(c + 1.0));
            total += if inside { libm::lgamma(trials + 1.0) + terms.sum::<f64>() } else { f64::NEG_INFINITY };
        }
        Ok(total)
    }

    /// The lower Cholesky factor of a matrix argument; a single number stands for that multiple of the identity.
    fn cholesky_of(
        &self,
        dist: &Dist,
        role: Arg,
        size: usize,
        scope: &Scope,
        at: &Coordinates,
        span: Span,
    ) -> Result<Matrix, EvaluateError> {
        let expr = written(dist, role, span)?;
        let mut matrix = vec![vec![0.0; size]; size];
        for (i, row) in matrix.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                *entry = match expr.ty.axes.as_slice() {
                    [.., a, b] => {
                        let at = at.iter().map(|(&a, &p)| (a, p)).chain([(*a, i), (*b, j)]).collect();
                        self.entry(expr, scope, &at)?
                    }
                    _ if i == j => self.entry(expr, scope, at)?,
                    _ => 0.0,
                };
            }
        }
        let value = matrix.first().and_then(|r| r.first()).copied().unwrap_or(f64::NAN);
        cholesky(&matrix).ok_or(EvaluateError::Argument {
            family: dist.family,
            argument: role.word(),
            value,
            span: expr.span,
        })
    }
}

/// The lower factor L with L Lᵀ = A; none unless A is symmetric and positive definite.
fn cholesky(a: &Matrix) -> Option<Matrix> {
    let n = a.len();
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            if (a[i][j] - a[j][i]).abs() > 1e-6 * (1.0 + a[i][j].abs()) {
                return None;
            }
            let rest = a[i][j] - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
            if !l[i][j].is_finite() || (i == j && rest <= 0.0) {
                return None;
            }
        }
    }
    Some(l)
}

/// The solution of L y = b.
fn solve_lower(l: &Matrix, b: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity(b.len());
    for (i, row) in l.iter().enumerate() {
        let known: f64 = row.iter().zip(&y).map(|(a, v): (&f64, &f64)| a * v).sum();
        y.push((b[i] - known) / row[i]);
    }
    y
}

/// log |L Lᵀ|.
fn log_det(l: &Matrix) -> f64 {
    2.0 * l.iter().enumerate().map(|(i, row)| row[i].ln()).sum::<f64>()
}

/// tr B⁻¹A for A = L Lᵀ and B = M Mᵀ: the squared entries of M⁻¹ L.
fn trace_of_ratio(l: &Matrix, m: &Matrix) -> f64 {
    let column = |j: usize| l.iter().map(|row| row[j]).collect::<Vec<_>>();
    (0..l.len()).flat_map(|j| solve_lower(m, &column(j))).map(|v| v * v).sum()
}

/// log Γ_d(a) = d(d−1)/4 log π + Σ_{j=1}^{d} log Γ(a + (1 − j)/2).
fn log_gamma_of_dimension(d: usize, a: f64) -> f64 {
    let size = d as f64;
    let sum: f64 = (0..d).map(|j| libm::lgamma(a - 0.5 * j as f64)).sum();
    0.25 * size * (size - 1.0) * PI.ln() + sum
}
