//! A layer of greedy learning (Hinton, Osindero & Teh 2006): a directed conditional and the guide's inverse of it make one bipartite machine,
//! or an undirected part is one; it learns by contrastive divergence on the guide's means of what lies below.

use std::collections::BTreeSet;

use super::contrastive::{choose_normaliser, find_undirected, find_unguided};
use super::order::readable_guide_order;
use crate::analysis::{Degree, Situation, find_degree};
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{
    Above, Arg, Expr, Factor, FactorKind, Family, ModelId, Node, Operator, Param, ParamId, Program, VarId,
};
use crate::plan::method::{Contrast, Method, Schedule};
use crate::plan::plan::{LayerPlan, Machine};

/// The logit of a Bernoulli or categorical conditional.
fn logit(factor: &Factor) -> Option<&Expr> {
    match &factor.kind {
        FactorKind::Conditional { dist, .. } if matches!(dist.family, Family::Bernoulli | Family::Categorical) => {
            dist.arg(Arg::Logit)
        }
        _ => None,
    }
}

/// The one parameter that is added to an expression as it stands: a bias.
fn bias(expr: &Expr) -> Option<ParamId> {
    match &expr.node {
        Node::Param(id) => Some(*id),
        Node::Binary(Operator::Add, a, b) => match (bias(a), bias(b)) {
            (Some(id), None) | (None, Some(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

fn conditional_of(factors: &[Factor], var: VarId) -> Option<usize> {
    factors.iter().position(|f| matches!(&f.kind, FactorKind::Conditional { target, .. } if target.var == var))
}

/// Plans the layer below `above`, in a model on data that binds `fixed`.
///
/// # Errors
/// E0604: there is no guide, or no bipartite machine is made of the two conditionals.
pub fn choose_layer(
    program: &Program,
    model: ModelId,
    fixed: &BTreeSet<VarId>,
    above: &Above,
    steps: &Schedule,
    at: Span,
) -> Result<LayerPlan, Diagnostic> {
    let declared = &program.models[model];
    let order = match &declared.guide {
        Some(guide) => readable_guide_order(program, guide, fixed, at)?,
        None => Vec::new(),
    };
    match above {
        Above::Var(hidden) => match order.iter().position(|v| v == hidden) {
            Some(place) => {
                let pair = choose_pair(program, model, fixed, &order[..place], *hidden, steps, at)?;
                refuse_unlearned(program, model, fixed, &order, at)?;
                Ok(pair)
            }
            None => Err(Diagnostic::at(
                Code::NoEngine,
                at,
                format!("no guide of `{}` draws `{}`", declared.name, program.vars[*hidden].name),
            )
            .label(program.vars[*hidden].span, "a layer is what the guide draws, given what lies below")
            .help(format!("write `guide {} {{ .. }}` with a conditional for each hidden layer", declared.name))),
        },
        Above::Part(name) => {
            refuse_unlearned(program, model, fixed, &order, at)?;
            let known: BTreeSet<VarId> = fixed.iter().chain(&order).copied().collect();
            let situation = Situation::new(program, model, &known);
            let Some(part) = find_undirected(&situation).into_iter().find(|p| &p.name == name) else {
                return Err(Diagnostic::at(Code::NoEngine, at, format!("nothing of `{name}` is left to learn")));
            };
            let normaliser = choose_normaliser(
                &situation,
                &part,
                &known,
                Some(&Method::Contrastive(Contrast::from_data(steps.clone()))),
                true,
                at,
            )?;
            Ok(LayerPlan {
                model,
                fixed: fixed.iter().copied().collect(),
                below: order,
                machine: Machine::Group(Box::new(normaliser)),
                steps: steps.clone(),
                then: Vec::new(),
                reason: format!("the undirected part {name} on the guide's means below it"),
            })
        }
    }
}

/// Errors: a latent variable is in no layer.
fn refuse_unlearned(
    program: &Program,
    model: ModelId,
    fixed: &BTreeSet<VarId>,
    order: &[VarId],
    at: Span,
) -> Result<(), Diagnostic> {
    let known: BTreeSet<VarId> = fixed.iter().chain(order).copied().collect();
    let situation = Situation::new(program, model, &known);
    let undirected = find_undirected(&situation);
    // Leaves that nothing observes take part in no layer and need none.
    let barren = situation.barren();
    let latent: Vec<VarId> = situation.latent().into_iter().filter(|v| !barren.contains(v)).collect();
    match find_unguided(&situation, &latent, &undirected) {
        Some(missing) => {
            Err(Diagnostic::at(Code::NoEngine, at, format!("no layer learns `{}`", program.vars[missing].name))
                .label(program.vars[missing].span, "latent, and not in the guide")
                .help("greedy layers go bottom up: add a conditional for it to the guide"))
        }
        None => Ok(()),
    }
}

/// The machine that a conditional of something below and the guide's conditional of `hidden` share.
fn choose_pair(
    program: &Program,
    model: ModelId,
    fixed: &BTreeSet<VarId>,
    below: &[VarId],
    hidden: VarId,
    steps: &Schedule,
    at: Span,
) -> Result<LayerPlan, Diagnostic> {
    let declared = &program.models[model];
    let guide: &[Factor] = declared.guide.as_ref().map_or(&[], |g| &g.factors);
    let above = BTreeSet::from([hidden]);
    let visible = declared.factors.iter().enumerate().find_map(|(i, f)| match &f.kind {
        FactorKind::Conditional { target, .. }
            if (fixed.contains(&target.var) || below.contains(&target.var))
                && f.reads().iter().any(|r| r.var == hidden) =>
        {
            Some((i, target.var))
        }
        _ => None,
    });
    let recognition = conditional_of(guide, hidden);
    let name = &program.vars[hidden].name;
    let (Some((generative, visible)), Some(recognition)) = (visible, recognition) else {
        return Err(Diagnostic::at(Code::NoEngine, at, format!("`{name}` makes no layer with anything below it"))
            .label(program.vars[hidden].span, "no conditional of a lower variable reads it")
            .help("greedy layers go bottom up: each guide variable must be the parent of one below it"));
    };
    let (p, q) = (&declared.factors[generative], &guide[recognition]);
    let affine = |e: &Expr| find_degree(e, &above) <= Degree::Poly(1);
    let (Some(_), Some(up)) = (logit(p).filter(|e| affine(e)), logit(q)) else {
        return Err(Diagnostic::at(Code::NoEngine, at, format!("the layer of `{name}` is not bipartite"))
            .label(p.span, "this must be linear in the layer above, with `logit = ..`")
            .label(q.span, "and this with `logit = ..`")
            .help("greedy layers pair a conditional and its inverse that share one weight matrix"));
    };
    let mut then = Vec::new();
    let own = conditional_of(&declared.factors, hidden).and_then(|i| logit(&declared.factors[i]));
    if let (Some(to), Some(from)) = (own.and_then(bias), bias(up)) {
        let (ours, theirs) = (&program.params[to], &program.params[from]);
        let roots = |param: &Param| param.axes.iter().map(|&a| program.axes.root(a)).collect::<Vec<_>>();
        if roots(ours) != roots(theirs) {
            return Err(Diagnostic::at(
                Code::NoEngine,
                at,
                format!("the biases of `{name}` in the model and in its guide have other axes"),
            )
            .label(ours.span, "starts from the guide's when the layer is learned")
            .label(theirs.span, "and this is the guide's")
            .help("give both the axes of the layer"));
        }
        then.push((to, from));
    }
    let seen = &program.vars[visible].name;
    Ok(LayerPlan {
        model,
        fixed: fixed.iter().copied().collect(),
        below: below.to_vec(),
        machine: Machine::Pair { visible, generative, hidden, recognition },
        steps: steps.clone(),
        then,
        reason: format!("`{seen}` given `{name}` and the guide's `{name}` given `{seen}` share one potential"),
    })
}
