//! Log-densities of the families whose entries are not independent: the normal with a covariance, the Wisharts, the multinomial.
//! Formulas: Bishop (2006), Pattern Recognition and Machine Learning, appendix B.
//!
//! Matrices are small and come many at a time (one a state, one a row), so that their Cholesky factors are written out entry by
//! entry: each entry is an array over everything the matrices repeat along, and derivatives of any order follow from the arithmetic.

use super::space::{Label, Named, Space};
use crate::tensor::op::{Binary, Semiring, Unary};

/// Rows beyond which a matrix is not written out.
pub const MOST_ROWS: usize = 32;

/// ln 2π.
const LN_TAU: f64 = 1.837_877_066_409_345_5;

/// A lower triangular matrix, the entries of each row up to the diagonal.
pub struct Lower(Vec<Vec<Named>>);

/// A square matrix over two axes; a number that lacks them stands for that multiple of the identity.
pub struct Square<'a> {
    /// The array.
    pub array: &'a Named,
    /// Its rows.
    pub rows: Label,
    /// Its columns.
    pub columns: Label,
}

impl Square<'_> {
    fn entry(&self, space: &mut Space, i: usize, j: usize) -> Named {
        if !self.array.has(self.rows) {
            return if i == j { self.array.clone() } else { space.scalar(0.0) };
        }
        let row = space.at(self.array, self.rows, i);
        space.at(&row, self.columns, j)
    }
}

impl Lower {
    /// The factor L with L·Lᵀ the matrix of `size` rows (Golub, Van Loan 2013, section 4.2), and 1 where there is one.
    pub fn of(space: &mut Space, matrix: &Square<'_>, size: usize) -> (Lower, Named) {
        let mut rows: Vec<Vec<Named>> = Vec::new();
        let mut exists = space.scalar(1.0);
        let (zero, one) = (space.scalar(0.0), space.scalar(1.0));
        for i in 0..size {
            let mut row: Vec<Named> = Vec::new();
            for j in 0..=i {
                let mut rest = matrix.entry(space, i, j);
                let other = if i == j { &row } else { &rows[j] };
                let products: Vec<Named> = row.iter().zip(other).take(j).map(|(a, b)| space.mul(a, b)).collect();
                for product in &products {
                    rest = space.sub(&rest, product);
                }
                row.push(if i == j {
                    let positive = space.zip(Binary::Lt, &zero, &rest);
                    exists = space.mul(&exists, &positive);
                    let safe = space.select(&positive, &rest, &one);
                    space.map(Unary::Sqrt, &safe)
                } else {
                    space.zip(Binary::Div, &rest, &rows[j][j])
                });
            }
            rows.push(row);
        }
        (Lower(rows), exists)
    }

    /// The solution y of L·y = b.
    fn solve(&self, space: &mut Space, b: &[Named]) -> Vec<Named> {
        let mut y: Vec<Named> = Vec::new();
        for (row, b) in self.0.iter().zip(b) {
            let mut rest = b.clone();
            for (a, known) in row.iter().zip(&y) {
                let product = space.mul(a, known);
                rest = space.sub(&rest, &product);
            }
            let pivot = &row[y.len()];
            y.push(space.zip(Binary::Div, &rest, pivot));
        }
        y
    }

    /// log |L·Lᵀ|.
    fn log_det(&self, space: &mut Space) -> Named {
        let mut sum = space.scalar(0.0);
        for (i, row) in self.0.iter().enumerate() {
            let log = space.map(Unary::Log, &row[i]);
            sum = space.add(&sum, &log);
        }
        space.scale(&sum, 2.0)
    }

    /// tr (M·Mᵀ)⁻¹·L·Lᵀ: the squared entries of M⁻¹·L.
    fn trace_over(&self, space: &mut Space, other: &Lower) -> Named {
        let mut total = space.scalar(0.0);
        for j in 0..self.0.len() {
            let zero = space.scalar(0.0);
            let column: Vec<Named> = self.0.iter().map(|row| row.get(j).unwrap_or(&zero).clone()).collect();
            let solved = other.solve(space, &column);
            let squares = sum_of_squares(space, &solved);
            total = space.add(&total, &squares);
        }
        total
    }

    /// The matrix of unconstrained coordinates: L below the diagonal, log L on it, 0 above.
    pub fn free(&self, space: &mut Space, rows: Label, columns: Label) -> Named {
        let zero = space.scalar(0.0);
        let mut stacked = Vec::new();
        for (i, row) in self.0.iter().enumerate() {
            let mut entries = row.clone();
            entries[i] = space.map(Unary::Log, &row[i]);
            entries.resize(self.0.len(), zero.clone());
            stacked.push(space.stack(&entries, columns));
        }
        space.stack(&stacked, rows)
    }
}

/// The covariance at unconstrained coordinates, the inverse of [`Lower::free`].
pub fn covariance_at(space: &mut Space, free: &Named, rows: Label, columns: Label) -> Named {
    let n = space.extent(rows);
    let below = (0..n * n).map(|e| if e / n > e % n { 1.0 } else { 0.0 }).collect();
    let below = space.constant(&[rows, columns], below);
    let eye = space.eye(rows, columns);
    let strict = space.mul(free, &below);
    // Off the diagonal the exponential is of 0 and then struck out.
    let diagonal = space.mul(free, &eye);
    let positive = space.map(Unary::Exp, &diagonal);
    let positive = space.mul(&positive, &eye);
    let lower = space.add(&strict, &positive);
    let inner = space.label(n);
    let left = space.rename(&lower, columns, inner);
    let right = space.rename(&lower, columns, inner);
    let right = space.rename(&right, rows, columns);
    let product = space.contract(&left, &right, &[inner]);
    space.align(&product, &free.labels)
}

fn sum_of_squares(space: &mut Space, entries: &[Named]) -> Named {
    let mut sum = space.scalar(0.0);
    for entry in entries {
        let square = space.map(Unary::Square, entry);
        sum = space.add(&sum, &square);
    }
    sum
}

/// log N(x; m, S) = −½ log |2πS| − ½ (x − m)ᵀ S⁻¹ (x − m) along one axis.
pub fn log_normal(space: &mut Space, x: &Named, mean: &Named, cov: &Square<'_>, along: Label) -> Named {
    let size = space.extent(along);
    let (factor, _) = Lower::of(space, cov, size);
    let apart = space.sub(x, mean);
    let apart: Vec<Named> = (0..size).map(|i| space.at(&apart, along, i)).collect();
    let whitened = factor.solve(space, &apart);
    let squares = sum_of_squares(space, &whitened);
    let log_det = factor.log_det(space);
    let sum = space.add(&squares, &log_det);
    let half = space.scale(&sum, -0.5);
    let constant = space.scalar(-0.5 * size as f64 * LN_TAU);
    space.add(&half, &constant)
}

/// log W(X; V, n) = (n−d−1)/2 log|X| − ½ tr V⁻¹X − nd/2 log 2 − n/2 log|V| − log Γ_d(n/2), or of the inverse
/// log W⁻¹(X; Ψ, n) = n/2 log|Ψ| − (n+d+1)/2 log|X| − ½ tr ΨX⁻¹ − nd/2 log 2 − log Γ_d(n/2); −∞ where X is no covariance.
pub fn log_wishart(space: &mut Space, x: &Square<'_>, dof: &Named, scale: &Square<'_>, inverse: bool) -> Named {
    let d = space.extent(x.rows);
    let (of_x, exists) = Lower::of(space, x, d);
    let (of_scale, _) = Lower::of(space, scale, d);
    let (det_x, det_scale) = (of_x.log_det(space), of_scale.log_det(space));
    let shift = space.scalar(d as f64 + 1.0);
    let (power, trace, weight) = match inverse {
        false => (space.sub(dof, &shift), of_x.trace_over(space, &of_scale), space.scale(dof, -1.0)),
        true => {
            let sum = space.add(dof, &shift);
            (space.scale(&sum, -1.0), of_scale.trace_over(space, &of_x), dof.clone())
        }
    };
    let (first, second) = (space.mul(&power, &det_x), space.mul(&weight, &det_scale));
    let constant = space.scale(dof, -(d as f64) * std::f64::consts::LN_2);
    let mut sum = space.add(&first, &second);
    sum = space.sub(&sum, &trace);
    sum = space.add(&sum, &constant);
    let mut value = space.scale(&sum, 0.5);
    // log Γ_d(a) = d(d−1)/4 log π + Σ_j log Γ(a − j/2), j from 0.
    let half = space.scale(dof, 0.5);
    for j in 0..d {
        let less = space.scalar(0.5 * j as f64);
        let at = space.sub(&half, &less);
        let gamma = space.map(Unary::Lgamma, &at);
        value = space.sub(&value, &gamma);
    }
    let constant = space.scalar(0.25 * (d * d.saturating_sub(1)) as f64 * std::f64::consts::PI.ln());
    value = space.sub(&value, &constant);
    let never = space.scalar(f64::NEG_INFINITY);
    space.select(&exists, &value, &never)
}

/// log Mult(x; n, p) = log n! + Σ_k (x_k log p_k − log x_k!) along one axis, −∞ unless Σ x_k = n.
pub fn log_multinomial(
    space: &mut Space,
    x: &Named,
    total: &Named,
    argument: &Named,
    logit: bool,
    along: Label,
) -> Named {
    let labels = Space::union(&argument.labels, &[along]);
    let argument = space.align(argument, &labels);
    let log_p = match logit {
        true => {
            let norm = space.log_sum_exp(&argument, along, Semiring::Soft);
            space.sub(&argument, &norm)
        }
        false => space.map(Unary::Log, &argument),
    };
    let one = space.scalar(1.0);
    let log_factorial = |space: &mut Space, n: &Named| {
        let next = space.add(n, &one);
        space.map(Unary::Lgamma, &next)
    };
    let (chosen, orders) = (space.mul_zero(x, &log_p), log_factorial(space, x));
    let terms = space.sub(&chosen, &orders);
    let terms = space.total(&terms, &[along]);
    let all = log_factorial(space, total);
    let value = space.add(&terms, &all);
    let counted = space.total(x, &[along]);
    let fits = space.zip(Binary::Eq, &counted, total);
    let never = space.scalar(f64::NEG_INFINITY);
    space.select(&fits, &value, &never)
}
