//! Whether log p̃ is quadratic in some continuous variables, so that their posterior is a normal.

use std::collections::BTreeSet;

use super::degree::{Degree, find_degree};
use super::situation::{Component, Reason};
use crate::model::{Arg, Domain, Expr, FactorKind, Family, Program, VarId};

/// The continuous variables of a component, given that log p̃ is a quadratic form in them whatever the others are: every one ranges over
/// all numbers, and every summand that touches them is a normal with a linear mean and a fixed spread, or a polynomial of degree two.
/// What `=` defines of them must be linear. The reason names the statement that is none of these.
pub fn find_quadratic(program: &Program, component: &Component<'_>) -> Result<Vec<VarId>, Reason> {
    let of: BTreeSet<VarId> =
        component.vars.iter().copied().filter(|&v| !program.vars[v].domain.is_discrete()).collect();
    for &var in &of {
        let declared = &program.vars[var];
        if declared.domain != Domain::Real {
            return Err(Reason::at(declared.span, format!("`{}` does not range over all numbers", declared.name)));
        }
    }
    let read = |e: &Expr| {
        let name = e.reads().into_iter().find(|r| of.contains(&r.var)).map(|r| program.vars[r.var].name.clone());
        name.unwrap_or_default()
    };
    for piece in &component.pieces {
        let at = |text: String| Reason::at(piece.factor.span, text);
        match &piece.factor.kind {
            FactorKind::Conditional { target, dist } => {
                let name = &program.vars[target.var].name;
                for (role, argument) in &dist.args {
                    let degree = find_degree(argument, &of);
                    let mean = dist.family == Family::Normal && *role == Arg::Mean;
                    match (mean, degree) {
                        (_, Degree::NONE) => {}
                        (true, degree) if degree.is_affine() => {}
                        (true, _) => {
                            return Err(at(format!("the mean of `{name}` is not linear in `{}`", read(argument))));
                        }
                        (false, _) if dist.family == Family::Normal => {
                            return Err(at(format!("the spread of `{name}` depends on `{}`", read(argument))));
                        }
                        (false, _) => {
                            let (of, family) = (read(argument), dist.family.name());
                            return Err(at(format!("`{name}`, which depends on `{of}`, is `{family}` and not normal")));
                        }
                    }
                }
                if of.contains(&target.var) && dist.family != Family::Normal {
                    return Err(at(format!("`{name}` is `{}` and not normal", dist.family.name())));
                }
            }
            FactorKind::Deterministic { target, value } => {
                if !find_degree(value, &of).is_affine() {
                    return Err(at(format!("`{}` is not linear in `{}`", program.vars[target.var].name, read(value))));
                }
            }
            FactorKind::Potential(value) => {
                if find_degree(value, &of) > Degree::Poly(2) {
                    return Err(at(format!("this is not quadratic in `{}`", read(value))));
                }
            }
            FactorKind::Undirected { .. } => return Err(at("this has a log-partition of its own".to_string())),
        }
    }
    Ok(of.into_iter().collect())
}
