//! Engines that would fit where none of those built does, in the order in which they are preferred: conjugate mean field, variational
//! bounds with a made guide, wake-sleep, pseudo-likelihood.

use std::collections::BTreeSet;

use super::partition::names;
use crate::analysis::{Component, Degree, Situation, find_components, find_degree, find_quadratic};
use crate::model::{Arg, Expr, FactorKind, Family, ModelId, Program, VarId};
use crate::plan::plan::Kind;

/// What sampling from conditionals is called.
const GIBBS: &str = "Gibbs sampling";
/// What messages around loops are called.
const BELIEFS: &str = "loopy belief propagation";

/// How an engine that fits is asked for, of those that are built and that nobody takes without having asked.
pub fn asked_by(engine: &str) -> Option<&'static str> {
    match engine {
        GIBBS => Some("gibbs(1000)"),
        BELIEFS => Some("loopy_bp"),
        _ => None,
    }
}

/// An engine that fits: its name, its kind, its variables, and why.
pub type Fit = (String, Kind, Vec<VarId>, String);

/// The engine that fits the first part of a model that no exact engine reaches; `asked` where its variables are asked for, observed
/// or not. None where the size of a normal alone stands in the way.
pub fn find_beyond(
    program: &Program,
    model: ModelId,
    fixed: &BTreeSet<VarId>,
    learning: bool,
    asked: bool,
) -> Option<Fit> {
    let all: BTreeSet<VarId> = program.models[model].vars.iter().copied().collect();
    let situation = Situation::new(program, model, fixed);
    // Of a question nothing is left out, though nothing observed may hang below what is asked for.
    let situation = if asked { Situation { asked: &all, ..situation } } else { situation };
    let components = find_components(&situation);
    let hardest = components.iter().max_by(|a, b| rank(program, a).total_cmp(&rank(program, b)))?;
    fit(&situation, hardest, learning)
}

/// How far a component is from the engines that there are.
fn rank(program: &Program, component: &Component<'_>) -> f64 {
    let bits = component.log2_states(program, &component.vars).unwrap_or(f64::INFINITY);
    if component.continuous(program).is_some() { f64::INFINITY } else { bits }
}

fn fit(situation: &Situation<'_>, component: &Component<'_>, learning: bool) -> Option<Fit> {
    let program = situation.program;
    let vars = component.vars.clone();
    let told = names(program, &vars);
    let is_continuous = |v: &VarId| !program.vars[*v].domain.is_discrete();
    if vars.iter().any(is_continuous) {
        if vars.iter().all(is_continuous) && find_quadratic(program, component).is_ok() {
            return None;
        }
        let all = vars.iter().all(is_continuous);
        if is_conjugate(program, component) {
            let why = format!("{told} have conjugate conditionals: each given the rest is of its prior's family");
            return Some(("conjugate mean field".into(), Kind::LowerBound, vars, why));
        }
        let why = match all {
            true => format!("log p̃ is differentiable in {told}"),
            false => {
                "log p̃ is differentiable in the continuous ones, and the discrete ones can be summed inside".into()
            }
        };
        let engine = format!("variational, reparameterised, with {}", guide_for(situation, &vars));
        return Some((engine, Kind::LowerBound, vars, why));
    }
    let directed = component.pieces.iter().all(|p| matches!(p.factor.kind, FactorKind::Conditional { .. }));
    let (engine, kind, how) = match (directed, learning) {
        (true, true) => {
            let engine = format!("wake-sleep with {}", guide_for(situation, &vars));
            (engine, Kind::LowerBound, "discrete and directed, and too many for tables")
        }
        (true, false) => (GIBBS.into(), Kind::Estimate, "discrete and directed, and too many for tables"),
        (false, false) => (BELIEFS.into(), Kind::Estimate, "discrete, coupled in loops, and too wide for tables"),
        (false, true) => {
            let engine = "Gibbs sampling in both phases".into();
            (engine, Kind::Estimate, "discrete, coupled in loops, and too wide for tables")
        }
    };
    let why = format!("{told} are {how}");
    Some((engine, kind, vars, why))
}

/// What stands in for the posterior of some variables: the guide that the model has, as far as it speaks of them.
fn guide_for(situation: &Situation<'_>, vars: &[VarId]) -> &'static str {
    let guide = situation.program.models[situation.model].guide.as_ref();
    let speaks = |var: &&VarId| guide.is_some_and(|g| g.factors.iter().any(|f| f.targets().contains(var)));
    match vars.iter().filter(speaks).count() {
        0 => "a guide that the compiler makes",
        n if n == vars.len() => "the model's guide",
        _ => "the model's guide and what the compiler makes for the rest",
    }
}

/// Whether every continuous variable has a conjugate family and is read as it stands: as a probability, a mean, a covariance.
fn is_conjugate(program: &Program, component: &Component<'_>) -> bool {
    let continuous: BTreeSet<VarId> =
        component.vars.iter().copied().filter(|&v| !program.vars[v].domain.is_discrete()).collect();
    let plain = |e: &Expr| match &e.node {
        crate::model::Node::Var(_) => true,
        crate::model::Node::Pick { base, .. } => matches!(base.node, crate::model::Node::Var(_)),
        _ => false,
    };
    let reads_some = |e: &Expr| e.reads().iter().any(|r| continuous.contains(&r.var));
    component.pieces.iter().all(|p| match &p.factor.kind {
        FactorKind::Conditional { target, dist } => {
            let own = !continuous.contains(&target.var)
                || matches!(
                    dist.family,
                    Family::Dirichlet
                        | Family::Beta
                        | Family::Gamma
                        | Family::InverseGamma
                        | Family::Normal
                        | Family::Wishart
                        | Family::InverseWishart
                );
            let read = dist.args.iter().filter(|(_, e)| reads_some(e)).all(|(role, e)| match (dist.family, role) {
                (Family::Normal, Arg::Mean) => find_degree(e, &continuous) <= Degree::Poly(1),
                (Family::Normal, Arg::Cov) => plain(e) || matches!(e.node, crate::model::Node::Binary(..)),
                (Family::Bernoulli | Family::Categorical, Arg::P)
                | (Family::Poisson | Family::Exponential, Arg::Rate) => plain(e),
                _ => false,
            });
            own && read
        }
        FactorKind::Deterministic { value, .. } => find_degree(value, &continuous) <= Degree::Poly(1),
        FactorKind::Potential(_) | FactorKind::Undirected { .. } => false,
    })
}
