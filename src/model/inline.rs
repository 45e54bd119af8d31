//! Deterministic definitions put in where they are read: `x = e` makes x another name for e, so that analysis and engines see
//! only variables that are distributed.

use std::collections::BTreeMap;

use super::expr::{Expr, Node, Objective, Subscript};
use super::program::{Factor, FactorKind, IndexId, Program, Target, VarId};
use crate::base::span::Span;

/// A definition that is read in a way that cannot be put in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NotInlined {
    /// The variable.
    pub var: VarId,
    /// Where it is read.
    pub at: Span,
}

type Definitions = BTreeMap<VarId, (Target, Expr)>;

/// Puts every definition in where it is read, in all models and guides. The definitions themselves stay, for draws.
pub fn inline_definitions(program: &mut Program) -> Result<(), NotInlined> {
    let ids: Vec<_> = program.models.ids().collect();
    for id in ids {
        let mut definitions: Definitions = BTreeMap::new();
        // In the order written; a definition may read an earlier or a later one, so each is resolved when it is needed.
        for factor in &program.models[id].factors {
            if let FactorKind::Deterministic { target, value } = &factor.kind {
                definitions.insert(target.var, (target.clone(), value.clone()));
            }
        }
        if definitions.is_empty() {
            continue;
        }
        let model = &mut program.models[id];
        let guide = model.guide.iter_mut().flat_map(|g| &mut g.factors);
        for factor in model.factors.iter_mut().chain(guide) {
            rewrite_factor(factor, &definitions)?;
        }
    }
    Ok(())
}

fn rewrite_factor(factor: &mut Factor, definitions: &Definitions) -> Result<(), NotInlined> {
    match &mut factor.kind {
        FactorKind::Conditional { dist, .. } => {
            for (_, expr) in &mut dist.args {
                *expr = rewrite(expr, definitions)?;
            }
        }
        FactorKind::Potential(expr) | FactorKind::Deterministic { value: expr, .. } => {
            *expr = rewrite(expr, definitions)?
        }
        FactorKind::Undirected { body, .. } => {
            for inner in body {
                rewrite_factor(inner, definitions)?;
            }
        }
    }
    Ok(())
}

/// The expression with every reading of a defined variable replaced.
fn rewrite(expr: &Expr, definitions: &Definitions) -> Result<Expr, NotInlined> {
    let (var, at): (VarId, &[Subscript]) = match &expr.node {
        Node::Var(var) => (*var, &[]),
        Node::Pick { base, at } => match base.node {
            Node::Var(var) => (var, at),
            _ => return map_children(expr, &mut |e| rewrite(e, definitions)),
        },
        _ => return map_children(expr, &mut |e| rewrite(e, definitions)),
    };
    let Some((target, value)) = definitions.get(&var) else {
        return map_children(expr, &mut |e| rewrite(e, definitions));
    };
    let refused = NotInlined { var, at: expr.span };
    if at.len() < target.at.len() {
        return Err(refused);
    }
    let mut moved = value.clone();
    for (slot, given) in target.at.iter().zip(at) {
        let Subscript::At { index, offset: 0 } = slot else { return Err(refused) };
        let given = match given {
            Subscript::By(by) => Subscript::By(Box::new(rewrite(by, definitions)?)),
            other => other.clone(),
        };
        moved = shift(&moved, *index, &given).ok_or(refused)?;
    }
    let moved = rewrite(&moved, definitions)?;
    let rest = &at[target.at.len()..];
    if rest.is_empty() {
        return Ok(Expr { span: expr.span, ..moved });
    }
    Ok(Expr { node: Node::Pick { base: Box::new(moved), at: rest.to_vec() }, ty: expr.ty.clone(), span: expr.span })
}

/// The expression with the position of an index replaced by another subscript.
fn shift(expr: &Expr, index: IndexId, by: &Subscript) -> Option<Expr> {
    let unmoved = matches!(by, Subscript::At { offset: 0, .. });
    let node = match (&expr.node, by) {
        (Node::IsFirst(i), Subscript::At { index: to, .. }) if *i == index && unmoved => Node::IsFirst(*to),
        (Node::IsLast(i), Subscript::At { index: to, .. }) if *i == index && unmoved => Node::IsLast(*to),
        (Node::IsFirst(i) | Node::IsLast(i), _) if *i == index => return None,
        (Node::Pick { base, at }, _) => {
            let at = at
                .iter()
                .map(|s| match (s, by) {
                    (Subscript::At { index: i, offset }, Subscript::At { index: to, offset: more }) if *i == index => {
                        Some(Subscript::At { index: *to, offset: offset + more })
                    }
                    (Subscript::At { index: i, offset: 0 }, other) if *i == index => Some(other.clone()),
                    (Subscript::At { index: i, .. } | Subscript::Prefix(i), _) if *i == index => None,
                    (Subscript::By(inner), _) => Some(Subscript::By(Box::new(shift(inner, index, by)?))),
                    (other, _) => Some(other.clone()),
                })
                .collect::<Option<Vec<_>>>()?;
            Node::Pick { base: Box::new(shift(base, index, by)?), at }
        }
        _ => return map_children(expr, &mut |e| shift(e, index, by).ok_or(())).ok(),
    };
    Some(Expr { node, ty: expr.ty.clone(), span: expr.span })
}

/// The expression with `f` applied to each expression directly inside it.
pub fn map_children<E>(expr: &Expr, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Expr, E> {
    fn boxed<E>(e: &Expr, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Box<Expr>, E> {
        f(e).map(Box::new)
    }
    let node = match &expr.node {
        Node::Number(_)
        | Node::State(_)
        | Node::Param(_)
        | Node::Var(_)
        | Node::IsFirst(_)
        | Node::IsLast(_)
        | Node::IsObserved(_)
        | Node::Size(_)
        | Node::Column(..) => expr.node.clone(),
        Node::Window { of, along, window } => Node::Window { of: boxed(of, f)?, along: *along, window: *window },
        Node::Blocks { of, along, outer, inner } => {
            Node::Blocks { of: boxed(of, f)?, along: *along, outer: *outer, inner: *inner }
        }
        Node::Renamed { of, from, to } => Node::Renamed { of: boxed(of, f)?, from: *from, to: *to },
        Node::Dropout(e, share) => Node::Dropout(boxed(e, f)?, *share),
        Node::Pick { base, at } => {
            let base = boxed(base, f)?;
            let mut subscripts = Vec::new();
            for s in at {
                subscripts.push(match s {
                    Subscript::By(e) => Subscript::By(boxed(e, f)?),
                    other => other.clone(),
                });
            }
            Node::Pick { base, at: subscripts }
        }
        Node::Indicator(e) => Node::Indicator(boxed(e, f)?),
        Node::Call(g, e) => Node::Call(*g, boxed(e, f)?),
        Node::Binary(op, a, b) => Node::Binary(*op, boxed(a, f)?, boxed(b, f)?),
        Node::Contract { left, right, over } => {
            Node::Contract { left: boxed(left, f)?, right: boxed(right, f)?, over: over.clone() }
        }
        Node::Reduce(r, e, over) => Node::Reduce(*r, boxed(e, f)?, over.clone()),
        Node::Softmax(e, axis) => Node::Softmax(boxed(e, f)?, *axis),
        Node::Concat(parts, axis) => Node::Concat(parts.iter().map(&mut *f).collect::<Result<_, _>>()?, *axis),
        Node::Vector(parts, axis) => Node::Vector(parts.iter().map(&mut *f).collect::<Result<_, _>>()?, *axis),
        Node::If { cond, then, other } => {
            Node::If { cond: boxed(cond, f)?, then: boxed(then, f)?, other: boxed(other, f)? }
        }
        Node::Is(e, state) => Node::Is(boxed(e, f)?, *state),
        Node::Compare(c, a, b) => Node::Compare(*c, boxed(a, f)?, boxed(b, f)?),
        Node::Table { of, entries } => Node::Table {
            of: of.iter().map(&mut *f).collect::<Result<_, _>>()?,
            entries: entries.iter().map(&mut *f).collect::<Result<_, _>>()?,
        },
        Node::Objective(objective) => match objective.as_ref() {
            Objective::Expect { body, vars, source } => {
                Node::Objective(Box::new(Objective::Expect { body: f(body)?, vars: vars.clone(), source: *source }))
            }
            Objective::LogLik { .. }
            | Objective::Elbo { .. }
            | Objective::ImportanceBound { .. }
            | Objective::LogDensity { .. } => expr.node.clone(),
        },
    };
    Ok(Expr { node, ty: expr.ty.clone(), span: expr.span })
}
