//! Expectation-maximisation: applies where every parameter's M-step is a normalised table of expected counts.

use crate::analysis::Reason;
use crate::model::{Arg, Domain, Expr, Factor, FactorKind, Family, Node, ParamId, Program};
use crate::plan::plan::{LogLikPlan, Refusal};

/// Whether every parameter of the group is a table of probabilities that categoricals read directly, so that the
/// expected complete log-likelihood is maximal at its normalised expected counts (Dempster, Laird & Rubin 1977;
/// the counts are θ·∂log Z/∂θ).
pub fn claim(program: &Program, plan: &LogLikPlan, group: &[ParamId]) -> Result<String, Refusal> {
    let refuse = |reason: Reason| Refusal {
        engine: "em",
        reason,
        mend: Some("probability tables that `Categorical` reads directly".to_string()),
    };
    if let Some(normaliser) = plan.normalisers.first() {
        return Err(refuse(Reason::of(format!("{} has a log-partition of its own", normaliser.name))));
    }
    if plan.each.is_some() {
        return Err(refuse(Reason::of("entries are scored one by one")));
    }
    if plan.free.is_some() {
        return Err(refuse(Reason::of("the likelihood is conditional")));
    }
    for &param in group {
        let declared = &program.params[param];
        if declared.domain != Domain::Simplex {
            return Err(refuse(Reason::at(
                declared.span,
                format!("`{}` is not a table of probabilities", declared.name),
            )));
        }
        for factor in &program.models[plan.clamped.model].factors {
            if factor.params().contains(&param) {
                check_factor(program, factor, param).map_err(refuse)?;
            }
        }
    }
    Ok("every parameter is a table of probabilities: the M-step is its normalised expected counts".to_string())
}

fn check_factor(program: &Program, factor: &Factor, param: ParamId) -> Result<(), Reason> {
    let name = &program.params[param].name;
    match &factor.kind {
        FactorKind::Conditional { dist, .. } if dist.family == Family::Categorical => match dist.arg(Arg::P) {
            Some(p) if is_table(p, param) => Ok(()),
            _ => Err(Reason::at(factor.span, format!("`{name}` is not read as the probabilities themselves"))),
        },
        _ => Err(Reason::at(factor.span, format!("`{name}` is read by something other than a categorical"))),
    }
}

/// The parameter itself, indexed or chosen by a condition, and nothing computed from it.
fn is_table(expr: &Expr, param: ParamId) -> bool {
    match &expr.node {
        Node::Param(_) => true,
        Node::Pick { base, at } => {
            is_table(base, param)
                && at.iter().all(|s| match s {
                    crate::model::Subscript::By(e) => !e.params().contains(&param),
                    _ => true,
                })
        }
        Node::If { cond, then, other } => {
            !cond.params().contains(&param) && is_table(then, param) && is_table(other, param)
        }
        _ => !expr.params().contains(&param),
    }
}
