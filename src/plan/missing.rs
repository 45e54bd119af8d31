//! What fits and is not built yet: named with its kind and its reason, so that a file can be checked and explained before the
//! engine is there, and refused only when it is run.

use std::collections::BTreeSet;

use serde::Serialize;

use super::plan::Kind;
use super::rules::beyond::{asked_by, find_beyond};
use crate::diag::{Code, Diagnostic};
use crate::model::{Call, Expr, FactorKind, Infer, ModelId, Node, Objective, Program, Subject, VarId};

/// A training line or a question whose engine is not built yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Missing {
    /// What needs it: `train m`, a question's name.
    pub what: String,
    /// The model.
    pub model: ModelId,
    /// The engine that fits.
    pub engine: String,
    /// What its numbers will be.
    pub kind: Kind,
    /// The variables it is for.
    pub vars: Vec<VarId>,
    /// Why it fits.
    pub reason: String,
    /// How it is asked for, where it is built and nobody takes it without having asked.
    #[serde(skip)]
    pub by: Option<&'static str>,
    /// What running the file answers.
    pub problem: Diagnostic,
}

/// What stands for an engine where a question names several.
const EACH: &str = "each of the engines named";
/// What stands for an engine where none is known to fit.
const NONE: &str = "none of the engines built";

impl Missing {
    /// Whether one engine is known to fit, and named.
    pub fn names_engine(&self) -> bool {
        self.engine != EACH && self.engine != NONE
    }
}

/// What could not be planned, and where it stands.
pub struct Unplanned<'a> {
    /// What needs it: `train m`, a question's name.
    pub what: String,
    /// The model.
    pub model: ModelId,
    /// Its variables that are known.
    pub fixed: BTreeSet<VarId>,
    /// Whether parameters are to be learned.
    pub learning: bool,
    /// The objective or the value asked for.
    pub objective: Option<&'a Expr>,
    /// Engines asked for.
    pub by: &'a [Call],
}

/// Engines that files may ask for and that are not built, with what they are called and what their numbers are.
const PLANNED: [(&str, &str, Kind); 14] = [
    ("mean_field", "mean field", Kind::LowerBound),
    ("loopy_bp", "loopy belief propagation", Kind::Estimate),
    ("means", "propagated means", Kind::Estimate),
    ("score_function", "score function with control variates", Kind::LowerBound),
    ("importance", "importance sampling", Kind::Estimate),
    ("nuts", "NUTS", Kind::Estimate),
    ("hmc", "Hamiltonian Monte Carlo", Kind::Estimate),
    ("greedy", "greedy decoding", Kind::Estimate),
    ("ancestral", "ancestral sampling", Kind::Exact),
    ("variational", "variational, reparameterised", Kind::LowerBound),
    ("conjugate", "conjugate mean field", Kind::LowerBound),
    ("adversarial", "adversarial", Kind::Estimate),
    ("gibbs", "Gibbs sampling", Kind::Estimate),
    ("vimco", "multi-sample score function", Kind::LowerBound),
];

/// The engine that fits what could not be planned; gives the problem back where none would, or the file itself is at fault.
pub fn settle(program: &Program, unplanned: Unplanned<'_>, problem: Diagnostic) -> Result<Missing, Box<Diagnostic>> {
    let of_model = |infer: &&Infer| infer.vars.iter().any(|v| program.models[unplanned.model].vars.contains(v));
    let overrides = program.infers.iter().filter(of_model).map(|infer| &infer.by);
    let asked: Vec<_> = unplanned.by.iter().chain(overrides).filter_map(|call| planned(&call.name)).collect();
    // An engine that is built and was asked for has said what is wrong with that.
    let open = problem.code == Code::NotSupported
        || matches!(problem.code, Code::NoEngine | Code::TooExpensive)
            && (unplanned.by.is_empty() || !asked.is_empty());
    if !open {
        return Err(Box::new(problem));
    }
    let declared = &program.models[unplanned.model];
    // A definition is computed, and needs no engine.
    let factors = declared.factors.iter().chain(declared.guide.iter().flat_map(|g| &g.factors));
    let computed: BTreeSet<VarId> = factors
        .filter_map(|f| match &f.kind {
            FactorKind::Deterministic { target, .. } => Some(target.var),
            _ => None,
        })
        .collect();
    let is_latent = |v: &VarId| !unplanned.fixed.contains(v) && !program.vars[*v].given && !computed.contains(v);
    let latent: Vec<VarId> = declared.vars.iter().copied().filter(is_latent).collect();
    let (engine, kind, vars, reason) = if let Some((engine, kind)) = asked.first() {
        let engine = if unplanned.by.len() > 1 { EACH.to_string() } else { engine.to_string() };
        (engine, *kind, latent, "asked for by name".to_string())
    } else if let Some((engine, kind, reason)) = unplanned.objective.and_then(expectation) {
        (engine.to_string(), kind, latent, reason.to_string())
    } else if let Some(found) = find_beyond(program, unplanned.model, &unplanned.fixed, unplanned.learning, false) {
        found
    } else if problem.code == Code::NotSupported {
        (NONE.to_string(), Kind::Estimate, latent, problem.message.clone())
    } else if problem.code == Code::NoEngine
        && let Some(found) = find_beyond(program, unplanned.model, &unplanned.fixed, unplanned.learning, true)
    {
        found
    } else {
        return Err(Box::new(problem));
    };
    let by = asked_by(&engine).filter(|_| asked.is_empty());
    if let Some(by) = by
        && problem.code != Code::NotSupported
    {
        let told = match problem.code {
            Code::TooExpensive => problem,
            _ => Diagnostic {
                message: format!("{} needs {engine}, which is used where it is asked for", unplanned.what),
                ..problem
            },
        };
        let told = told.help(format!("near enough by `by {by}`; exact with fewer or smaller variables"));
        let (what, model) = (unplanned.what, unplanned.model);
        return Ok(Missing { what, model, engine, kind, vars, reason, by: Some(by), problem: told });
    }
    let text = if problem.code == Code::NotSupported {
        problem.message.clone()
    } else {
        format!("{} is not built yet, and {} needs it", engine, unplanned.what)
    };
    let mut told = Diagnostic { code: Code::NotSupported, message: text, ..problem };
    if told.help.is_none() {
        told.help = Some("`ghmc explain` says what else was looked at".to_string());
    }
    Ok(Missing { what: unplanned.what, model: unplanned.model, engine, kind, vars, reason, by: None, problem: told })
}

/// What an engine that is not built is called, and what its numbers are.
pub fn planned(name: &str) -> Option<(&'static str, Kind)> {
    PLANNED.iter().find(|(word, _, _)| *word == name).map(|(_, engine, kind)| (*engine, *kind))
}

/// The engine that an objective itself calls for.
fn expectation(objective: &Expr) -> Option<(&'static str, Kind, &'static str)> {
    let mut found = None;
    let (mut data, mut model) = (false, false);
    objective.visit(&mut |e| {
        let Node::Objective(objective) = &e.node else { return };
        match objective.as_ref() {
            Objective::ImportanceBound { .. } => {
                let why = "the mean over draws stands inside the logarithm";
                found = Some(("importance-weighted bound, reparameterised", Kind::LowerBound, why));
            }
            Objective::Expect { source: Subject::Data(_), .. } => data = true,
            Objective::Expect { .. } => model = true,
            _ => {}
        }
    });
    match (found, data, model) {
        (Some(found), ..) => Some(found),
        (None, true, true) => Some((
            "adversarial: alternating steps on draws",
            Kind::Estimate,
            "draws of a model are set against the data",
        )),
        (None, _, true) => Some(("expectation over draws", Kind::Estimate, "the objective is a mean over draws")),
        (None, true, false) => Some(("mean over the rows", Kind::Exact, "the objective is a mean over the data")),
        _ => None,
    }
}
