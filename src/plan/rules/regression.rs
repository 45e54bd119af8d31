//! Normals whose means are affine in learned parameters: which of a line's parameters belong to which, and how each falls apart into
//! least-squares systems of its own.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::analysis::Reason;
use crate::base::span::Span;
use crate::model::print::print_expr;
use crate::model::{
    Arg, AxisId, Domain, Expr, Factor, FactorKind, Family, Function, IndexId, ModelId, Node, Operator, ParamId,
    Program, Reduction, Subscript, VarId,
};

/// Numbers beside each other in one mean above which no least-squares system of them is solved.
const MOST_DIRECTIONS: usize = 256;

/// A normal whose mean is affine in parameters that are learned, and whose spread is known or a parameter that is learned: its M-step is a
/// least-squares system on expected second moments, and what that leaves over (Ghahramani & Hinton 1996, section 3; Rubin & Thayer 1982).
///
/// It falls apart into cells, which share no parameter of the mean and have one spread each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regression {
    /// The variable that the statement draws.
    pub target: VarId,
    /// The statement.
    pub at: Span,
    /// Parameters of the mean.
    pub means: Vec<Coefficients>,
    /// The parameter that is the spread.
    pub spread: Option<ParamId>,
    /// The axes of the cells: those of the spread, if it is learned, before the others.
    pub cells: Vec<AxisId>,
}

/// A parameter of a mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coefficients {
    /// The parameter.
    pub param: ParamId,
    /// For each cell axis the place of the parameter's own axis that runs with it.
    pub cells: Vec<usize>,
    /// The places of its other axes, along which its numbers stand beside each other in one mean.
    pub directions: Vec<usize>,
}

/// The regressions that some parameters belong to. Errors: why one of them has no closed M-step.
pub fn find_regressions(
    program: &Program,
    model: ModelId,
    numbers: &BTreeSet<ParamId>,
) -> Result<Vec<Regression>, Reason> {
    let mut home: Vec<(ParamId, Span)> = Vec::new();
    let mut found = Vec::new();
    // What `=` defines stands in the statements that read it.
    let counts = |f: &&Factor| !matches!(f.kind, FactorKind::Deterministic { .. });
    for factor in program.models[model].factors.iter().filter(counts) {
        let own: BTreeSet<ParamId> = factor.params().intersection(numbers).copied().collect();
        let Some(&first) = own.first() else { continue };
        let name = |p: ParamId| &program.params[p].name;
        let (target, dist) = match &factor.kind {
            FactorKind::Conditional { target, dist } if dist.family == Family::Normal => (target, dist),
            _ => {
                let text = format!("`{}` is neither a table of probabilities nor read by a normal", name(first));
                return Err(Reason::at(factor.span, text));
            }
        };
        for &param in &own {
            let declared = &program.params[param];
            if declared.prior.is_some() {
                return Err(Reason::at(declared.span, format!("`{}` is no table and has a prior", declared.name)));
            }
            if let Some((_, at)) = home.iter().find(|(p, _)| *p == param) {
                return Err(Reason::at(*at, format!("`{}` is read by two statements", declared.name)));
            }
            home.push((param, factor.span));
        }
        let (Some(mean), Some(sd)) = (dist.arg(Arg::Mean), dist.arg(Arg::Sd)) else {
            return Err(Reason::at(
                factor.span,
                format!("`{}` is read by a normal with a full covariance", name(first)),
            ));
        };
        let of = |e: &Expr| -> BTreeSet<ParamId> { e.params().intersection(&own).copied().collect() };
        let (of_mean, of_sd) = (of(mean), of(sd));
        if let Some(&both) = of_mean.intersection(&of_sd).next() {
            return Err(Reason::at(factor.span, format!("`{}` is in the mean and in the spread", name(both))));
        }
        let domain =
            |of: &BTreeSet<ParamId>, domain: Domain| of.iter().copied().find(|&p| program.params[p].domain != domain);
        if let Some(bounded) = domain(&of_mean, Domain::Real).or(domain(&of_sd, Domain::Positive)) {
            let text = format!("`{}` does not range over all that its normal's M-step may give", name(bounded));
            return Err(Reason::at(program.params[bounded].span, text));
        }
        if degree(mean, &of_mean).is_none_or(|d| d > 1) {
            let text = format!("the mean of `{}` is not affine in its parameters", program.vars[target.var].name);
            return Err(Reason::at(mean.span, text));
        }
        let spread = match of_sd.iter().copied().collect::<Vec<_>>().as_slice() {
            [] => None,
            [one] if is_read(sd) => Some(*one),
            _ => {
                let text = format!("`{}` is not the spread itself", of_sd.first().map_or("", |&p| name(p)));
                return Err(Reason::at(sd.span, text));
            }
        };
        found.push(part(program, factor.span, target.var, (mean, &of_mean), (sd, spread))?);
    }
    // A parameter that nothing reads here is learned from nothing.
    match numbers.iter().find(|p| !home.iter().any(|(own, _)| own == *p)) {
        Some(&param) => {
            let declared = &program.params[param];
            Err(Reason::at(declared.span, format!("`{}` is no table of probabilities", declared.name)))
        }
        None => Ok(found),
    }
}

/// How an axis of a parameter is read in an expression, if it tells its entries apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// It stays an axis of the whole.
    Whole(AxisId),
    /// At a plate's index.
    Index(IndexId),
    /// At the state of this.
    State(String),
}

/// For each axis of a parameter how it is read, the same wherever it is read.
type Keys = Vec<Option<Key>>;

/// Cuts a regression into its cells.
fn part(
    program: &Program,
    at: Span,
    target: VarId,
    (mean, of_mean): (&Expr, &BTreeSet<ParamId>),
    (sd, spread): (&Expr, Option<ParamId>),
) -> Result<Regression, Reason> {
    let means: Vec<(ParamId, Keys)> = of_mean.iter().map(|&p| (p, keys(program, mean, p))).collect();
    let in_all = |key: &Key| means.iter().all(|(_, keys)| keys.iter().flatten().filter(|k| *k == key).count() == 1);
    let mut cells: Vec<(AxisId, Key)> = Vec::new();
    if let Some(spread) = spread {
        let axes = &program.params[spread].axes;
        for (&axis, key) in axes.iter().zip(keys(program, sd, spread)) {
            match key {
                // Without a mean to learn every entry of the spread is a cell.
                None if means.is_empty() => cells.push((axis, Key::Whole(axis))),
                Some(key) if in_all(&key) => cells.push((axis, key)),
                _ => {
                    let (of, name) = (&program.params[spread].name, &program.params[means[0].0].name);
                    let text =
                        format!("`{name}` is in means with different spreads of `{of}`, so that neither is closed");
                    return Err(Reason::at(at, text));
                }
            }
        }
    }
    if let Some((_, first)) = means.first() {
        for key in first.iter().flatten() {
            if let Key::Whole(axis) = key
                && in_all(key)
                && !cells.iter().any(|(_, k)| k == key)
            {
                cells.push((*axis, key.clone()));
            }
        }
    }
    let mut directions = 0usize;
    let mut coefficients = Vec::new();
    for (param, keys) in &means {
        let place = |key: &Key| keys.iter().position(|k| k.as_ref() == Some(key));
        let own: Vec<usize> = cells.iter().filter_map(|(_, key)| place(key)).collect();
        let rest: Vec<usize> = (0..keys.len()).filter(|i| !own.contains(i)).collect();
        let axes: Vec<AxisId> = rest.iter().map(|&i| program.params[*param].axes[i]).collect();
        let Some(extents) = program.extents(&axes) else { return Err(Reason::of("an axis has no size yet")) };
        directions = directions.saturating_add(extents.iter().product());
        coefficients.push(Coefficients { param: *param, cells: own, directions: rest });
    }
    if directions > MOST_DIRECTIONS {
        let text =
            format!("{directions} numbers stand beside each other in one mean, and {MOST_DIRECTIONS} is the limit");
        return Err(Reason::at(at, text));
    }
    let cells = cells.into_iter().map(|(axis, _)| axis).collect();
    Ok(Regression { target, at, means: coefficients, spread, cells })
}

/// A parameter as it stands or indexed, and nothing computed from it.
fn is_read(expr: &Expr) -> bool {
    match &expr.node {
        Node::Param(_) => true,
        Node::Pick { base, .. } => matches!(base.node, Node::Param(_)),
        _ => false,
    }
}

/// The degree of an expression in some parameters, where it is a polynomial of them by its form.
fn degree(expr: &Expr, of: &BTreeSet<ParamId>) -> Option<usize> {
    let none = |e: &Expr| e.params().is_disjoint(of);
    if none(expr) {
        return Some(0);
    }
    let most = |parts: &[&Expr]| parts.iter().try_fold(0, |most: usize, e| Some(most.max(degree(e, of)?)));
    match &expr.node {
        Node::Param(_) => Some(1),
        Node::Pick { base, at } => {
            let plain = at.iter().all(|s| if let Subscript::By(e) = s { none(e) } else { true });
            degree(base, of).filter(|_| plain)
        }
        Node::Call(Function::Neg, a) => degree(a, of),
        Node::Binary(Operator::Add | Operator::Sub, a, b) => most(&[a, b]),
        Node::Binary(Operator::Mul, a, b) | Node::Contract { left: a, right: b, .. } => {
            Some(degree(a, of)? + degree(b, of)?)
        }
        Node::Binary(Operator::Div, a, b) if none(b) => degree(a, of),
        Node::Reduce(Reduction::Sum | Reduction::Mean, a, _) => degree(a, of),
        Node::Concat(parts, _) | Node::Vector(parts, _) => most(&parts.iter().collect::<Vec<_>>()),
        Node::If { cond, then, other } if none(cond) => most(&[then, other]),
        Node::Table { of: by, entries } if by.iter().all(none) => most(&entries.iter().collect::<Vec<_>>()),
        _ => None,
    }
}

/// How each axis of a parameter is read in an expression.
fn keys(program: &Program, expr: &Expr, param: ParamId) -> Keys {
    let mut found: Option<Keys> = None;
    walk(program, expr, param, &mut Vec::new(), &mut found);
    found.unwrap_or_else(|| vec![None; program.params[param].axes.len()])
}

/// Goes down to each reading of a parameter; `above` are the axes of what stands over it.
fn walk(program: &Program, expr: &Expr, param: ParamId, above: &mut Vec<Vec<AxisId>>, found: &mut Option<Keys>) {
    let at: &[Subscript] = match &expr.node {
        Node::Param(id) if *id == param => &[],
        Node::Pick { base, at } if matches!(base.node, Node::Param(id) if id == param) => at,
        _ => {
            above.push(expr.ty.axes.clone());
            for child in expr.children() {
                walk(program, child, param, above, found);
            }
            above.pop();
            return;
        }
    };
    let read = program.params[param].axes.iter().enumerate().map(|(i, axis)| match at.get(i) {
        Some(Subscript::At { index, offset: 0 }) => Some(Key::Index(*index)),
        Some(Subscript::By(state)) => Some(Key::State(print_expr(program, state))),
        Some(_) => None,
        None => above.iter().all(|axes| axes.contains(axis)).then_some(Key::Whole(*axis)),
    });
    let read: Keys = read.collect();
    *found = Some(match found.take() {
        None => read,
        Some(before) => before.into_iter().zip(read).map(|(a, b)| a.filter(|a| Some(a) == b.as_ref())).collect(),
    });
}
