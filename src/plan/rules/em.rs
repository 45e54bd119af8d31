//! Expectation-maximisation: applies where every parameter of a line is a table that its distributions read directly and whose
//! maximum under weighted observations has a closed form, which the families' cards say ([`Fit`]), or belongs to a regression.

use std::collections::{BTreeMap, BTreeSet};

use super::regression::find_regressions;
use crate::analysis::Reason;
use crate::model::{
    Arg, AxisId, Dist, Domain, Expr, Factor, FactorKind, Family, Fit, Node, ParamId, Program, Subscript,
};
use crate::plan::plan::{Fitted, LogLikPlan, MSteps, Refusal};

/// The M-step of each parameter of the group, and the reason, or why there is none. The expected complete log-likelihood is then
/// maximal at statistics of the observations weighted by the posterior (Dempster, Laird & Rubin 1977), which derivatives of the
/// log-likelihood give (Fisher's identity).
pub fn claim(
    program: &Program,
    plan: &LogLikPlan,
    group: &[ParamId],
    ties: &[(ParamId, ParamId)],
) -> Result<(MSteps, String), Refusal> {
    let refuse = |reason: Reason| Refusal {
        engine: "em",
        reason,
        mend: Some("tables of parameters that distributions read directly, and affine means of normals".to_string()),
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
    let factors = &program.models[plan.clamped.model].factors;
    let mut steps = MSteps::default();
    let mut others: BTreeMap<ParamId, Reason> = BTreeMap::new();
    for &param in group {
        match fit(program, factors, param, group) {
            Ok(fitted) => steps.tables.extend(fitted),
            Err(reason) => {
                others.insert(param, reason);
            }
        }
    }
    // A spread is not fitted apart from what it is measured about.
    let together: BTreeSet<ParamId> =
        factors.iter().map(Factor::params).filter(|p| p.iter().any(|p| others.contains_key(p))).flatten().collect();
    let (apart, tables) = std::mem::take(&mut steps.tables)
        .into_iter()
        .partition(|f| matches!(f.fit, Fit::Mean | Fit::Spread) && together.contains(&f.param));
    steps.tables = tables;
    others.extend(Vec::into_iter(apart).map(|f: Fitted| (f.param, Reason::of(""))));
    if !others.is_empty() {
        let of: BTreeSet<ParamId> = others.keys().copied().collect();
        if let Some((param, reason)) = others.into_iter().find(|(p, _)| ties.iter().any(|t| t.0 == *p || t.1 == *p)) {
            let name = &program.params[param].name;
            return Err(refuse(Reason { text: format!("`{name}` is no table and held equal to another"), ..reason }));
        }
        steps.regressions = find_regressions(program, plan.clamped.model, &of).map_err(refuse)?;
    }
    let reason = match (steps.regressions.is_empty(), steps.tables.iter().all(|f| f.fit == Fit::Counts)) {
        (true, true) => "every parameter is a table of probabilities: the M-step is its normalised expected counts",
        (true, false) => {
            "every parameter is a table that a distribution reads: the M-step is its weighted shares, means and spreads"
        }
        (false, _) => "every M-step is closed: those of affine means are least squares on expected second moments",
    };
    Ok((steps, reason.to_string()))
}

/// How a parameter is fitted as a table; nothing where nothing reads it.
fn fit(program: &Program, factors: &[Factor], param: ParamId, group: &[ParamId]) -> Result<Option<Fitted>, Reason> {
    let mut found: Option<Fitted> = None;
    for factor in factors.iter().filter(|f| f.params().contains(&param)) {
        let fitted = fit_in(program, factor, param, group)?;
        if found.replace(fitted.clone()).is_some_and(|before| before != fitted) {
            let name = &program.params[param].name;
            let text = format!("`{name}` has no maximum in closed form: distributions read it in several ways");
            return Err(Reason::at(factor.span, text));
        }
    }
    if let Some(fitted) = &found {
        check_prior(program, fitted)?;
    }
    Ok(found)
}

/// How one factor has a parameter fitted.
fn fit_in(program: &Program, factor: &Factor, param: ParamId, group: &[ParamId]) -> Result<Fitted, Reason> {
    let name = &program.params[param].name;
    let not = |text: &str| Reason::at(factor.span, format!("`{name}` {text}"));
    let FactorKind::Conditional { dist, .. } = &factor.kind else {
        return Err(not("is not a table that a distribution reads"));
    };
    let mut readers = dist.args.iter().filter(|(_, e)| e.params().contains(&param));
    let (Some((role, expr)), None) = (readers.next(), readers.next()) else {
        return Err(not("is read by two arguments of one distribution, or elsewhere than in one"));
    };
    if !is_table(expr, param) {
        return Err(not(&format!("is not read as `{}` itself", role.word())));
    }
    let fit = match (dist.family.fit(*role), dist.arg(Arg::Cov)) {
        (Some(fit), None) => fit,
        _ => return Err(not(&format!("has no closed form as `{}` of `{}`", role.word(), dist.family.name()))),
    };
    let mean = match fit {
        Fit::Spread => mean_of(dist, expr, group).map_err(|text| not(&text))?,
        _ => None,
    };
    Ok(Fitted { param, fit, mean })
}

/// The parameter of the group that a spread is measured about, if it moves too.
fn mean_of(dist: &Dist, spread: &Expr, group: &[ParamId]) -> Result<Option<ParamId>, String> {
    let Some(mean) = dist.arg(Arg::Mean) else { return Ok(None) };
    let moving: Vec<ParamId> = mean.params().into_iter().filter(|p| group.contains(p)).collect();
    match (moving.as_slice(), places(mean), places(spread)) {
        ([], _, _) => Ok(None),
        (&[about], Some(of_mean), Some(of_spread)) if of_spread.iter().all(|p| of_mean.iter().any(|q| same(p, q))) => {
            Ok(Some(about))
        }
        _ => Err("is a spread about means that are not a table over its axes, indexed alike".to_string()),
    }
}

/// An axis of a table, and how it is indexed if it is.
type Indexed<'a> = (AxisId, Option<&'a Subscript>);

/// For each axis of a table that is read whole or indexed, how it is indexed.
fn places(expr: &Expr) -> Option<Vec<Indexed<'_>>> {
    match &expr.node {
        Node::Param(_) => Some(expr.ty.axes.iter().map(|&a| (a, None)).collect()),
        Node::Pick { base, at } if matches!(base.node, Node::Param(_)) => {
            Some(base.ty.axes.iter().enumerate().map(|(i, &a)| (a, at.get(i))).collect())
        }
        _ => None,
    }
}

/// Whether two axes are the same and indexed alike.
fn same(a: &Indexed<'_>, b: &Indexed<'_>) -> bool {
    a.0 == b.0
        && match (a.1, b.1) {
            (None, None) => true,
            (Some(a), Some(b)) => alike(a, b),
            _ => false,
        }
}

fn alike(a: &Subscript, b: &Subscript) -> bool {
    match (a, b) {
        (Subscript::By(a), Subscript::By(b)) => alike_values(a, b),
        (Subscript::By(_), _) | (_, Subscript::By(_)) => false,
        (a, b) => a == b,
    }
}

/// Whether two expressions read the same variable in the same place, wherever they are written.
fn alike_values(a: &Expr, b: &Expr) -> bool {
    match (&a.node, &b.node) {
        (Node::Var(a), Node::Var(b)) => a == b,
        (Node::Indicator(a), Node::Indicator(b)) => alike_values(a, b),
        (Node::Pick { base: a, at: x }, Node::Pick { base: b, at: y }) => {
            alike_values(a, b) && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| alike(x, y))
        }
        _ => false,
    }
}

/// That a parameter's prior, if it has one, only adds to the statistics.
fn check_prior(program: &Program, fitted: &Fitted) -> Result<(), Reason> {
    let declared = &program.params[fitted.param];
    let Some(prior) = &declared.prior else { return Ok(()) };
    let conjugate = matches!(
        (fitted.fit, prior.family),
        (Fit::Counts, Family::Dirichlet)
            | (Fit::Share, Family::Beta)
            | (Fit::Rate | Fit::InverseMean, Family::Gamma)
            | (Fit::Mean, Family::Normal)
    );
    match conjugate && (fitted.fit != Fit::Counts || declared.domain == Domain::Simplex) {
        true => Ok(()),
        false => Err(Reason::at(
            declared.span,
            format!("the prior of `{}` leaves its maximum without a closed form", declared.name),
        )),
    }
}

/// The parameter itself, indexed or chosen by a condition, and nothing computed from it.
fn is_table(expr: &Expr, param: ParamId) -> bool {
    match &expr.node {
        Node::Param(_) => true,
        Node::Pick { base, at } => {
            is_table(base, param)
                && at.iter().all(|s| match s {
                    Subscript::By(e) => !e.params().contains(&param),
                    _ => true,
                })
        }
        Node::If { cond, then, other } => {
            !cond.params().contains(&param) && is_table(then, param) && is_table(other, param)
        }
        _ => !expr.params().contains(&param),
    }
}
