//! Engines that would fit where none of those built does, in the order in which they are preferred: junction trees, conjugate mean field, variational bounds with a made guide, sampling.

use std::collections::{BTreeMap, BTreeSet};

use super::partition::names;
use crate::analysis::{Component, Degree, Situation, find_components, find_degree, find_factor_degree};
use crate::model::{Arg, AxisId, Expr, Factor, FactorKind, Family, ModelId, Program, Subscript, VarId};
use crate::plan::plan::Kind;

/// Entries beyond which no elimination order is looked for.
const MAX_ENTRIES: usize = 2000;
/// log₂ of the largest table of a junction tree.
const MAX_LOG2_TABLE: f64 = 24.0;

/// An engine that fits: its name, its kind, its variables, and why.
pub type Fit = (String, Kind, Vec<VarId>, String);

/// The engine that fits the first part of a model that no exact engine reaches; `asked` where its variables are asked for, observed
/// or not.
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
    Some(fit(&situation, hardest, learning))
}

/// How far a component is from the engines that there are.
fn rank(program: &Program, component: &Component<'_>) -> f64 {
    let bits = component.log2_states(program, &component.vars).unwrap_or(f64::INFINITY);
    if component.continuous(program).is_some() { f64::INFINITY } else { bits }
}

fn fit(situation: &Situation<'_>, component: &Component<'_>, learning: bool) -> Fit {
    let program = situation.program;
    let vars = component.vars.clone();
    let told = names(program, &vars);
    let is_continuous = |v: &VarId| !program.vars[*v].domain.is_discrete();
    if vars.iter().any(is_continuous) {
        let all = vars.iter().all(is_continuous);
        if is_conjugate(program, component) {
            let why = format!("{told} have conjugate conditionals: each given the rest is of its prior's family");
            return ("conjugate mean field".into(), Kind::LowerBound, vars, why);
        }
        let why = match all {
            true => format!("log p̃ is differentiable in {told}"),
            false => {
                "log p̃ is differentiable in the continuous ones, and the discrete ones can be summed inside".into()
            }
        };
        let engine = format!("variational, reparameterised, with {}", guide_for(situation, &vars));
        return (engine, Kind::LowerBound, vars, why);
    }
    match log2_width(program, component) {
        Some(bits) if bits <= MAX_LOG2_TABLE => {
            let why = format!("an elimination order of {told} has no table above 2^{bits:.0} entries");
            ("junction tree".into(), Kind::Exact, vars, why)
        }
        _ if component.pieces.iter().all(|p| matches!(p.factor.kind, FactorKind::Conditional { .. })) => {
            let why = format!("{told} are discrete and directed, and too many for tables");
            match learning {
                true => (format!("wake-sleep with {}", guide_for(situation, &vars)), Kind::LowerBound, vars, why),
                false => ("Gibbs sampling".into(), Kind::Estimate, vars, why),
            }
        }
        _ if learning && is_layered(component) => {
            let why = format!("{told} lie in layers that couple only neighbours");
            ("mean field in the clamped phase, PCD in the free one".into(), Kind::Estimate, vars, why)
        }
        _ => {
            let why = format!("{told} are discrete, coupled in loops, and too wide for tables");
            match learning {
                true => ("pseudo-likelihood".into(), Kind::Estimate, vars, why),
                false => ("loopy belief propagation".into(), Kind::Estimate, vars, why),
            }
        }
    }
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

/// Whether no variable is coupled with itself and the couplings of variables make no odd circle: layers.
fn is_layered(component: &Component<'_>) -> bool {
    let mut side: BTreeMap<VarId, bool> = BTreeMap::new();
    let couples = |f: &Factor, a: VarId, b: VarId| {
        let scope = f.scope();
        scope.contains(&a) && scope.contains(&b) && !find_factor_degree(f, &BTreeSet::from([a, b])).is_affine()
    };
    for &start in &component.vars {
        let mut stack = vec![(start, *side.get(&start).unwrap_or(&false))];
        while let Some((var, is)) = stack.pop() {
            match side.insert(var, is) {
                Some(was) if was != is => return false,
                Some(_) => continue,
                None => {}
            }
            let alone = BTreeSet::from([var]);
            if component.pieces.iter().any(|p| !find_factor_degree(p.factor, &alone).is_affine()) {
                return false;
            }
            for &other in component.vars.iter().filter(|&&o| o != var) {
                if component.pieces.iter().any(|p| couples(p.factor, var, other)) {
                    stack.push((other, !is));
                }
            }
        }
    }
    true
}

/// An entry of a variable: its position along its axes.
type Entry = (VarId, Vec<usize>);

/// log₂ of the largest table that eliminating the entries of a component by fewest fill-ins makes (Koller & Friedman 2009,
/// section 9.4); none where it is too large to look.
fn log2_width(program: &Program, component: &Component<'_>) -> Option<f64> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut bits: Vec<f64> = Vec::new();
    for &var in &component.vars {
        let extents = program.extents(&program.vars[var].axes())?;
        let count = extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e))?;
        if entries.len() + count > MAX_ENTRIES {
            return None;
        }
        let states = (Component::states(program, var)? as f64).log2();
        for at in positions(&extents) {
            entries.push((var, at));
            bits.push(states);
        }
    }
    let place: BTreeMap<&Entry, usize> = entries.iter().enumerate().map(|(i, e)| (e, i)).collect();
    let mut near: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); entries.len()];
    for piece in &component.pieces {
        for clique in cliques(program, component, piece.factor)? {
            let inside: Vec<usize> = clique.iter().filter_map(|e| place.get(e).copied()).collect();
            for &a in &inside {
                near[a].extend(inside.iter().copied().filter(|&b| b != a));
            }
        }
    }
    let mut left: BTreeSet<usize> = (0..entries.len()).collect();
    let mut widest: f64 = 0.0;
    while !left.is_empty() {
        let fill = |&node: &usize| {
            let around: Vec<usize> = near[node].iter().copied().collect();
            let pairs = around.iter().enumerate().flat_map(|(i, &a)| around[i + 1..].iter().map(move |&b| (a, b)));
            pairs.filter(|(a, b)| !near[*a].contains(b)).count()
        };
        let next = left.iter().copied().min_by_key(fill)?;
        left.remove(&next);
        let around: Vec<usize> = near[next].iter().copied().collect();
        let table = bits[next] + around.iter().map(|&n| bits[n]).sum::<f64>();
        widest = widest.max(table);
        if widest > MAX_LOG2_TABLE {
            return Some(widest);
        }
        for &a in &around {
            near[a].remove(&next);
            near[a].extend(around.iter().copied().filter(|&b| b != a));
        }
    }
    Some(widest)
}

fn positions(extents: &[usize]) -> Vec<Vec<usize>> {
    extents.iter().fold(vec![Vec::new()], |all, &extent| {
        all.iter().flat_map(|p| (0..extent).map(move |i| [&p[..], &[i]].concat())).collect()
    })
}

/// The entries that a summand ties together, at each position of its plates.
fn cliques(program: &Program, component: &Component<'_>, factor: &Factor) -> Option<Vec<Vec<Entry>>> {
    let axes: Vec<AxisId> = factor.plates.iter().map(|&i| program.plate(i)).collect();
    let extents = program.extents(&axes)?;
    if extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e))? > 4 * MAX_ENTRIES {
        return None;
    }
    let mut reads: Vec<(VarId, Vec<Subscript>)> = factor.reads().into_iter().map(|r| (r.var, r.at)).collect();
    if let FactorKind::Conditional { target, .. } = &factor.kind {
        reads.push((target.var, target.at.clone()));
    }
    reads.retain(|(v, _)| component.vars.contains(v));
    let mut all = Vec::new();
    for at in positions(&extents) {
        let mut clique = Vec::new();
        for (var, subscripts) in &reads {
            let own = program.extents(&program.vars[*var].axes())?;
            let ranges: Vec<Vec<usize>> = own
                .iter()
                .enumerate()
                .map(|(i, &extent)| match subscripts.get(i) {
                    Some(Subscript::At { index, offset }) => {
                        let slot = factor.plates.iter().position(|p| p == index);
                        let to = slot.map(|s| at[s] as i64 + offset);
                        to.and_then(|p| usize::try_from(p).ok()).filter(|&p| p < extent).into_iter().collect()
                    }
                    Some(Subscript::Constant(p)) => vec![*p],
                    _ => (0..extent).collect(),
                })
                .collect();
            let entries = ranges.iter().fold(vec![Vec::new()], |all: Vec<Vec<usize>>, range| {
                all.iter().flat_map(|p| range.iter().map(move |&i| [&p[..], &[i]].concat())).collect()
            });
            clique.extend(entries.into_iter().map(|e| (*var, e)));
            if clique.len() > 200 {
                return None;
            }
        }
        all.push(clique);
    }
    Some(all)
}
