//! Guides for models that have none: in, a checked program; out, for each model whose training line can only be a bound, a guide as the text of a file.
//!
//! Each latent variable is given an amortised conditional of its own (Kingma & Welling 2014; Gershman & Goodman 2014): a normal, of its logarithm
//! where it is positive, whose mean and deviation a net with one hidden layer reads off what is observed and off the latent variables before it.
//! The text is checked and planned like any other, so that nothing further down knows who wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::choose::{bound_by, has_no_likelihood, objectives};
use crate::model::{
    AxisId, AxisKind, Domain, FactorKind, Family, ModelId, Objective, Program, Var, VarId, order_factors,
};
use crate::sema::show_type;

/// Units of the hidden layer.
const HIDDEN: usize = 64;

/// A guide that a model lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingGuide {
    /// The model.
    pub model: ModelId,
    /// Nets and the guide, as a file would have them.
    pub text: String,
}

/// What is said of a guide that was made.
pub fn form() -> String {
    format!(
        "each draw normal, or log-normal where positive, its mean and sd from a net with {HIDDEN} tanh units that reads what is \
         observed and the latent variables before it"
    )
}

/// The guides that training lines need, that the file leaves out, and that can be made. A model is left alone where a variable is latent
/// that has no differentiable draw over its whole domain, where an `infer` line speaks of it, or where nothing with a fixed number of
/// entries is observed.
pub fn missing_guides(program: &Program) -> Vec<MissingGuide> {
    let mut wanted: BTreeMap<ModelId, BTreeSet<VarId>> = BTreeMap::new();
    for train in &program.trains {
        for line in train.stages.iter().flat_map(|s| &s.lines).filter(|l| l.by.is_empty()) {
            let bounded: Vec<ModelId> = match &line.objective {
                Some(expr) => objectives(expr)
                    .into_iter()
                    .filter_map(|o| if let Objective::Bound { model, .. } = o { Some(*model) } else { None })
                    .collect(),
                None => vec![line.model],
            };
            for model in bounded {
                let declared = &program.models[model];
                let told = program.infers.iter().any(|i| i.vars.iter().any(|v| declared.vars.contains(v)));
                let bound = bound_by(program, model, train.on.data);
                // Whether anything can be made is told by a look at the statements; a likelihood has to be planned.
                let needs = || line.objective.is_some() || has_no_likelihood(program, line, &bound);
                if declared.guide.is_some() || told || latent_variables(program, model, &bound).is_none() || !needs() {
                    continue;
                }
                // What only some of the lines observe is guided, and keeps its value where it is observed.
                wanted
                    .entry(model)
                    .and_modify(|seen| seen.retain(|v| bound.contains(v)))
                    .or_insert_with(|| bound.iter().copied().collect());
            }
        }
    }
    let mut taken: BTreeSet<String> = program.nets.iter().map(|n| n.name.clone()).collect();
    taken.extend(program.models.iter().map(|(_, m)| m.name.clone()));
    taken.extend(program.vars.iter().map(|(_, v)| v.name.clone()));
    taken.extend(program.params.iter().map(|(_, p)| p.name.clone()));
    let made = wanted
        .into_iter()
        .filter_map(|(model, seen)| Some(MissingGuide { model, text: guide_text(program, model, &seen, &mut taken)? }));
    made.collect()
}

/// The guide of a model of which `seen` is observed; none where it cannot be made.
fn guide_text(
    program: &Program,
    model: ModelId,
    seen: &BTreeSet<VarId>,
    taken: &mut BTreeSet<String>,
) -> Option<String> {
    let declared = &program.models[model];
    let mut inputs: Vec<VarId> = Vec::new();
    for &var in declared.vars.iter().filter(|v| seen.contains(v) || program.vars[**v].given) {
        let v = &program.vars[var];
        if !is_plain(program, v) {
            return None;
        }
        let is_read = matches!(v.domain, Domain::Bool | Domain::Spin | Domain::Cat(_) | Domain::Count)
            || matches!(v.domain, Domain::Real | Domain::Positive | Domain::Unit);
        inputs.extend(is_read.then_some(var));
    }
    if inputs.is_empty() || declared.name.contains('.') {
        return None;
    }
    let (mut nets, mut body) = (String::new(), String::new());
    for (target, family) in latent_variables(program, model, seen)? {
        let var = &program.vars[target];
        let name = &var.name;
        let args: Vec<&str> = inputs.iter().map(|&v| program.vars[v].name.as_str()).collect();
        let args = args.join(", ");
        let takes: Vec<String> = inputs.iter().map(|&v| declaration(program, &program.vars[v])).collect();
        let takes = takes.join(", ");
        let layers = format!("{{ dense({HIDDEN}, tanh); dense }}");
        let [mean, sd] = [Domain::Real, Domain::Positive].map(|d| show_type(program, &d, &var.axes()));
        let mut net = |what: &str, gives: String| {
            let mut word = format!("guess_{name}{what}");
            while taken.contains(&word) {
                word.push('_');
            }
            taken.insert(word.clone());
            let _ = writeln!(nets, "net {word}({takes}) -> {gives} {layers}");
            word
        };
        let call = family.name();
        if var.index.is_empty() {
            let word = net("", format!("(mean: {mean}, sd: {sd})"));
            let _ = writeln!(body, "{} ~ {call}(..{word}({args}))", declaration(program, var));
        } else {
            let (mean, sd) = (net("_mean", mean), net("_sd", sd));
            let places: Vec<String> = (0..var.index.len()).map(|at| format!("i{at}")).collect();
            let binders: Vec<String> = (places.iter().zip(&var.index))
                .map(|(place, &axis)| format!("{place} in {}", program.axes[axis].name))
                .collect();
            let at = places.join(", ");
            let _ = writeln!(
                body,
                "for {} {{\n{name}[{at}]: {} ~ {call}({mean}({args})[{at}], sd = {sd}({args})[{at}])\n}}",
                binders.join(", "),
                show_type(program, &var.domain, &var.event),
            );
        }
        inputs.push(target);
    }
    Some(format!("{nets}\nguide {} {{\n{body}}}\n", declared.name))
}

/// The latent variables in an order in which each stands behind what it hangs on, with the family of its guide; none where one has no guide that
/// can be made.
fn latent_variables(program: &Program, model: ModelId, seen: &BTreeSet<VarId>) -> Option<Vec<(VarId, Family)>> {
    let declared = &program.models[model];
    let mut found: Vec<(VarId, Family)> = Vec::new();
    for factor in order_factors(&declared.factors).into_iter().map(|at| &declared.factors[at]) {
        let (target, dist) = match &factor.kind {
            FactorKind::Conditional { target, dist } => (target.var, dist),
            FactorKind::Deterministic { .. } => continue,
            FactorKind::Potential(_) | FactorKind::Undirected { .. } => return None,
        };
        let var = &program.vars[target];
        if seen.contains(&target) || var.given {
            continue;
        }
        let family = match (&var.domain, dist.family) {
            (Domain::Real, Family::Normal | Family::Laplace | Family::StudentT) => Family::Normal,
            (Domain::Positive, Family::Gamma | Family::Exponential | Family::LogNormal | Family::InverseGamma) => {
                Family::LogNormal
            }
            // Of the other families a draw is no differentiable function, or leaves the interval that the model allows.
            _ => return None,
        };
        // Two statements for parts of one variable have no one place in a guide.
        if !is_plain(program, var) || found.iter().any(|(v, _)| *v == target) {
            return None;
        }
        found.push((target, family));
    }
    (!found.is_empty()).then_some(found)
}

/// Whether a variable has the same number of entries in every row, and a name that a file can say.
fn is_plain(program: &Program, var: &Var) -> bool {
    let fixed = |axis: &AxisId| {
        let root = program.axes.root(*axis);
        matches!(program.axes[root].kind, AxisKind::Plain) && !program.axes[*axis].name.contains('.')
    };
    var.axes().iter().all(fixed) && !var.name.contains('.')
}

/// `x: Real[Time, Place]`: plates among the other axes, since a net reads all their entries at once.
fn declaration(program: &Program, var: &Var) -> String {
    format!("{}: {}", var.name, show_type(program, &var.domain, &var.axes()))
}
