//! Expectations whose form an engine knows: the bound under a guide, plain, weighted and of several draws. They are known by what they say,
//! so that an expectation written out and the name of one give the same plan.
//!
//! Under q(z | x), the guide: E\[log p(x, z) − log q(z | x)\] (Jordan et al. 1999); E\[log p(x | z) − w (log q(z | x) − log p(z))\] with a
//! weight w (Bowman et al. 2016); log of the mean of k draws of p(x, z) / q(z | x) (Burda et al. 2016, eq. 8).

use std::collections::BTreeSet;

use crate::model::*;
use crate::syntax::ast::{self, ArgKind};

/// The words for all that a row leaves latent and all that it tells.
const LATENT: &str = "latent";
const OBSERVED: &str = "observed";

/// Whether a name stands for all that is latent or observed.
pub fn whole_word(name: &str) -> bool {
    matches!(name, LATENT | OBSERVED)
}

/// The part that arguments name by the words `latent` and `observed`.
pub fn part_named(of: Subject, args: &[ast::Arg], given: &[ast::Condition]) -> Option<Part> {
    let word = |arg: &ast::Arg| match arg.kind {
        ArgKind::Positional => arg.value.name().map(|n| n.text.clone()).filter(|n| whole_word(n)),
        _ => None,
    };
    let behind = given.iter().map(|c| match c {
        ast::Condition::Arg(arg) => word(arg),
        ast::Condition::Row { .. } => None,
    });
    let behind: Vec<String> = behind.collect::<Option<_>>()?;
    let mut targets: Vec<String> = args.iter().map(word).collect::<Option<_>>()?;
    targets.sort_unstable();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let behind: Vec<&str> = behind.iter().map(String::as_str).collect();
    match (of, targets.as_slice(), behind.as_slice()) {
        (Subject::Model(_), [LATENT, OBSERVED], []) => Some(Part::Joint),
        (Subject::Model(_), [OBSERVED], [LATENT]) => Some(Part::Observed),
        (Subject::Model(_), [LATENT], []) => Some(Part::Latent),
        (Subject::Guide(_), [LATENT], [] | [OBSERVED]) => Some(Part::Latent),
        _ => None,
    }
}

/// A bound for an expectation that is one; any other as it is, with whole models' variables called by no name.
pub fn known_expectation(program: &Program, written: Objective) -> Objective {
    let Objective::Expect { body, source, draws: None, .. } = &written else { return written };
    let (model, whole) = match source {
        Subject::Guide(model) => (*model, (false, Part::Joint)),
        Subject::Model(model) => (*model, (true, Part::Latent)),
        Subject::Data(_) => return written,
    };
    if part_of(program, model, body) == Some(whole) {
        let of = if whole.0 { Subject::Guide(model) } else { Subject::Model(model) };
        let node = Node::Objective(Box::new(Objective::Part { of, part: whole.1 }));
        let body = Expr { node, ..body.clone() };
        return Objective::Expect { body, vars: Vec::new(), source: *source, draws: None };
    }
    match (source, integrand(program, model, body)) {
        (Subject::Guide(_), Some(kl_weight)) => Objective::Bound { model, kl_weight },
        _ => written,
    }
}

/// The bound of several draws for the logarithm of a mean that is one; any other as it is.
pub fn known_logarithm(program: &Program, written: Expr) -> Expr {
    let Node::Call(Function::Log, inner) = &written.node else { return written };
    let Node::Objective(objective) = &inner.node else { return written };
    let Objective::Expect { body, source: Subject::Guide(model), draws: Some(samples), .. } = objective.as_ref() else {
        return written;
    };
    let Node::Call(Function::Exp, ratio) = &body.node else { return written };
    if integrand(program, *model, ratio) != Some(None) {
        return written;
    }
    let bound = match samples {
        1 => Objective::Bound { model: *model, kl_weight: None },
        &samples => Objective::ImportanceBound { model: *model, samples },
    };
    Expr { node: Node::Objective(Box::new(bound)), ..written }
}

/// The weight of the divergence where a sum is the integrand of a bound: none for one.
fn integrand(program: &Program, model: ModelId, body: &Expr) -> Option<Option<Argument>> {
    let Node::Binary(Operator::Sub, first, second) = &body.node else { return None };
    let part = |e: &Expr| part_of(program, model, e);
    if part(first)? == (false, Part::Joint) && part(second) == Some((true, Part::Latent)) {
        return Some(None);
    }
    let (weight, divergence) = match &second.node {
        Node::Binary(Operator::Mul, weight, rest) => (weight_of(weight)?, rest.as_ref()),
        _ => (None, second.as_ref()),
    };
    let Node::Binary(Operator::Sub, guide, prior) = &divergence.node else { return None };
    let whole = part(first)? == (false, Part::Observed)
        && part(guide)? == (true, Part::Latent)
        && part(prior)? == (false, Part::Latent);
    whole.then_some(weight)
}

/// A constant or scheduled weight; none for one.
fn weight_of(e: &Expr) -> Option<Option<Argument>> {
    match &e.node {
        Node::Number(v) if *v == 1.0 => Some(None),
        Node::Number(v) => Some(Some(Argument::Number(*v))),
        Node::Objective(o) => match o.as_ref() {
            Objective::Scheduled(Argument::Number(v)) if *v == 1.0 => Some(None),
            Objective::Scheduled(argument) => Some(Some(argument.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// The part of a row that a log-density is of, and whether it is the guide's.
fn part_of(program: &Program, model: ModelId, e: &Expr) -> Option<(bool, Part)> {
    let Node::Objective(objective) = &e.node else { return None };
    let declared = &program.models[model];
    let all: BTreeSet<VarId> = declared.vars.iter().copied().filter(|&v| !program.vars[v].given).collect();
    let guided: BTreeSet<VarId> = declared.guide.iter().flat_map(|g| &g.factors).flat_map(|f| f.targets()).collect();
    let set = |list: &[VarId]| list.iter().copied().filter(|&v| !program.vars[v].given).collect::<BTreeSet<VarId>>();
    match objective.as_ref() {
        Objective::Part { of: Subject::Model(m), part } if *m == model => Some((false, *part)),
        Objective::Part { of: Subject::Guide(m), part } if *m == model => Some((true, *part)),
        Objective::LogDensity { of: Subject::Guide(m), targets, .. } if *m == model => {
            (set(targets) == guided).then_some((true, Part::Latent))
        }
        Objective::LogDensity { of: Subject::Model(m), targets, given } if *m == model => {
            let (targets, given) = (set(targets), set(given));
            let rest: BTreeSet<VarId> = all.difference(&guided).copied().collect();
            match given.is_empty() {
                true if targets == all => Some((false, Part::Joint)),
                true if targets == guided => Some((false, Part::Latent)),
                false if targets == rest && given == guided => Some((false, Part::Observed)),
                _ => None,
            }
        }
        _ => None,
    }
}
