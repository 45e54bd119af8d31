//! The total degree of a log-density as a polynomial in the indicator coordinates of some variables.
//!
//! Degree at most one means: affine in each entry and no product of two entries, so that the entries are conditionally
//! independent given everything else and each conditional is `sigmoid` or `softmax` of the derivative.

use std::collections::BTreeSet;

use crate::model::{Expr, Factor, FactorKind, Family, Function, Node, Operator, Reduction, Subscript, VarId};

/// A polynomial's total degree, or none where the expression is no polynomial of the variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degree {
    /// A polynomial of that total degree; 0 does not depend on the variables.
    Poly(u32),
    /// Not a polynomial.
    Nonlinear,
}

impl Degree {
    /// Does not depend on the variables.
    pub const NONE: Degree = Degree::Poly(0);

    fn plus(self, other: Degree) -> Degree {
        match (self, other) {
            (Degree::Poly(a), Degree::Poly(b)) => Degree::Poly(a.saturating_add(b)),
            _ => Degree::Nonlinear,
        }
    }

    /// Whether every entry enters at most linearly and no two entries multiply.
    pub fn is_affine(self) -> bool {
        self <= Degree::Poly(1)
    }

    fn through_nonlinear(self) -> Degree {
        if self == Degree::NONE { Degree::NONE } else { Degree::Nonlinear }
    }
}

fn widest(degrees: impl IntoIterator<Item = Degree>) -> Degree {
    degrees.into_iter().max().unwrap_or(Degree::NONE)
}

/// The degree of an expression in the variables of `of`.
pub fn find_degree(expr: &Expr, of: &BTreeSet<VarId>) -> Degree {
    let degree = |e: &Expr| find_degree(e, of);
    match &expr.node {
        Node::Number(_)
        | Node::State(_)
        | Node::Param(_)
        | Node::IsFirst(_)
        | Node::IsLast(_)
        | Node::IsObserved(_)
        | Node::Size(_)
        | Node::Column(..) => Degree::NONE,
        Node::Var(var) => Degree::Poly(u32::from(of.contains(var))),
        Node::Pick { base, at } => at.iter().fold(degree(base), |d, s| match s {
            // Selecting by a state is linear in that state's indicator.
            Subscript::By(e) => d.plus(degree(e)),
            Subscript::At { .. } | Subscript::Constant(_) | Subscript::Prefix(_) | Subscript::Last => d,
        }),
        Node::Indicator(e)
        | Node::Is(e, _)
        | Node::Call(Function::Neg, e)
        | Node::Window { of: e, .. }
        | Node::Overlap { of: e, .. }
        | Node::Blocks { of: e, .. }
        | Node::Renamed { of: e, .. }
        | Node::Dropout(e, _) => degree(e),
        Node::Call(Function::Square, e) => degree(e).plus(degree(e)),
        Node::Call(_, e) | Node::Softmax(e, _) | Node::Reduce(Reduction::LogSumExp | Reduction::Max, e, _) => {
            degree(e).through_nonlinear()
        }
        Node::Binary(Operator::Add | Operator::Sub, a, b) => degree(a).max(degree(b)),
        Node::Binary(Operator::Mul, a, b) | Node::Contract { left: a, right: b, .. } => degree(a).plus(degree(b)),
        Node::Binary(Operator::Div, a, b) => degree(a).plus(degree(b).through_nonlinear()),
        Node::Reduce(Reduction::Sum | Reduction::Mean, e, _) => degree(e),
        Node::Concat(parts, _) | Node::Vector(parts, _) => widest(parts.iter().map(degree)),
        Node::If { cond, then, other } => degree(cond).plus(degree(then).max(degree(other))),
        Node::Compare(_, a, b) => degree(a).max(degree(b)).through_nonlinear(),
        Node::Table { of: by, entries } => {
            by.iter().map(degree).fold(Degree::NONE, Degree::plus).plus(widest(entries.iter().map(degree)))
        }
        Node::Objective(_) => Degree::Nonlinear,
    }
}

/// The degree of a factor's contribution to log p̃ in the variables of `of`.
///
/// A Bernoulli or categorical is linear in its value and has a log-normaliser that is not a polynomial of its
/// arguments; a normal is quadratic in its value and in its mean.
pub fn find_factor_degree(factor: &Factor, of: &BTreeSet<VarId>) -> Degree {
    match &factor.kind {
        FactorKind::Potential(e) => find_degree(e, of),
        // Whether a state agrees with its definition is yes or no: its logarithm is no sum over states.
        FactorKind::Deterministic { target, value } if of.contains(&target.var) && value.ty.domain.is_discrete() => {
            Degree::Nonlinear
        }
        FactorKind::Deterministic { value, .. } => find_degree(value, of).through_nonlinear(),
        FactorKind::Undirected { body, .. } => widest(body.iter().map(|f| find_factor_degree(f, of))),
        FactorKind::Conditional { target, dist } => {
            let arguments = widest(dist.exprs().map(|e| find_degree(e, of)));
            if arguments != Degree::NONE {
                return Degree::Nonlinear;
            }
            match (of.contains(&target.var), dist.family) {
                (false, _) => Degree::NONE,
                (true, Family::Bernoulli | Family::Categorical) => Degree::Poly(1),
                (true, Family::Normal) => Degree::Poly(2),
                (
                    true,
                    Family::Uniform
                    | Family::Exponential
                    | Family::Laplace
                    | Family::Beta
                    | Family::Gamma
                    | Family::Poisson
                    | Family::Dirichlet
                    | Family::StudentT
                    | Family::LogNormal
                    | Family::InverseGamma
                    | Family::Multinomial
                    | Family::Wishart
                    | Family::InverseWishart,
                ) => Degree::Nonlinear,
            }
        }
    }
}
