//! `loglik(A | B)`: the log-partitions it is the difference of, and the normalisers of undirected parts.

use std::collections::BTreeSet;

use super::contrastive::{Undirected, choose_normaliser, find_undirected};
use super::field::{self, settle_partition};
use super::partition::{NotExact, choose_partition};
use crate::analysis::{NOTHING, Situation, find_components, find_pieces};
use crate::base::approximate::MeanField;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{AxisKind, FactorKind, ModelId, Program, VarId};
use crate::plan::method::{Contrast, Method, Schedule};
use crate::plan::plan::{Kind, LogLikPlan, NormaliserOf, Normalising, Partition};

/// What a log-likelihood is asked of.
pub struct Request<'a> {
    /// The program.
    pub program: &'a Program,
    /// The model.
    pub model: ModelId,
    /// A and B together, without what is known in part.
    pub fixed: BTreeSet<VarId>,
    /// Those of A that have a value in some rows only.
    pub partial: BTreeSet<VarId>,
    /// B.
    pub given: BTreeSet<VarId>,
    /// An engine asked for.
    pub method: Option<&'a Method>,
    /// Whether parameters are learned by it.
    pub learning: bool,
    /// Where.
    pub at: Span,
}

impl<'a> Request<'a> {
    /// The same by another engine.
    fn by<'b>(&self, method: Option<&'b Method>) -> Request<'b>
    where
        'a: 'b,
    {
        let (fixed, partial, given) = (self.fixed.clone(), self.partial.clone(), self.given.clone());
        Request { method, fixed, partial, given, program: self.program, ..*self }
    }
}

/// Sweeps a step of chains that nobody asked for.
const SWEEPS: f64 = 5.0;

/// Why a log-likelihood has no plan.
pub enum NoLogLik {
    /// The posterior given the data is out of reach of the exact engines.
    Posterior(NotExact),
    /// Something else, told.
    Told(Box<Diagnostic>),
}

/// Plans a log-likelihood.
pub fn choose_loglik(request: &Request<'_>) -> Result<LogLikPlan, NoLogLik> {
    let program = request.program;
    let defined = program.models[request.model]
        .factors
        .iter()
        .find(|f| matches!(&f.kind, FactorKind::Deterministic { target, .. } if request.fixed.contains(&target.var)));
    if let Some(factor) = defined {
        let problem =
            Diagnostic::at(Code::Implicit, request.at, "the likelihood of a deterministic output does not exist")
                .label(factor.span, "a function of other variables: it has samples and no density")
                .help("give it a distribution with `~`, or learn it adversarially");
        return Err(NoLogLik::Told(Box::new(problem)));
    }
    let situation =
        Situation { partial: &request.partial, ..Situation::new(request.program, request.model, &request.fixed) };
    let by_chains = matches!(request.method, Some(Method::Contrastive(_)));
    let by_runs = matches!(request.method, Some(Method::Annealing(_)));
    if request.method == Some(&Method::PseudoLikelihood) {
        return choose_each(request, &situation);
    }
    let clamped = match choose_partition(&situation, request.method) {
        Ok(partition) => partition,
        // Layers: mean field where data are seen, chains that go on where not (Salakhutdinov & Hinton 2009).
        Err(not) if request.learning && request.method.is_none() => {
            let Ok(clamped) = settle_partition(&situation, &field::learning(), false) else {
                return Err(NoLogLik::Posterior(not));
            };
            let chains = Method::Contrastive(Contrast { steps: Schedule::Constant(SWEEPS), chains: Some(None) });
            return choose_below(&request.by(Some(&chains)), situation, clamped, true, false);
        }
        // Where only a gradient is followed, that of a bound will do.
        Err(_) if by_chains => settle_partition(&situation, &field::learning(), false).map_err(NoLogLik::Posterior)?,
        Err(not) => return Err(NoLogLik::Posterior(not)),
    };
    choose_below(request, situation, clamped, by_chains, by_runs)
}

/// Each entry given all others: no log-partition but that of the hidden variables is needed.
fn choose_each(request: &Request<'_>, situation: &Situation<'_>) -> Result<LogLikPlan, NoLogLik> {
    let program = request.program;
    let refuse = |span, text: String, help: &str| {
        let told = Diagnostic::at(Code::OverrideRefused, request.at, "pseudo-likelihood does not apply here");
        Err(NoLogLik::Told(Box::new(told.label(span, text).help(help))))
    };
    let each: Vec<VarId> =
        program.models[request.model].vars.iter().copied().filter(|v| request.fixed.contains(v)).collect();
    let each: Vec<VarId> = each.into_iter().filter(|v| !request.given.contains(v)).collect();
    for &var in &each {
        let declared = &program.vars[var];
        let ragged = |a: &crate::model::AxisId| program.axes[program.axes.root(*a)].kind == AxisKind::Ragged;
        if !declared.domain.is_discrete() || declared.axes().iter().any(ragged) {
            let text = format!("`{}` has no fixed number of entries with states to go through", declared.name);
            return refuse(declared.span, text, "score it as a whole, or condition on it");
        }
    }
    if let Some(&var) = request.partial.first() {
        let text = format!("`{}` has a value in some rows and none in others", program.vars[var].name);
        return refuse(program.vars[var].span, text, "learn from the complete rows");
    }
    for part in find_undirected(situation) {
        let outside = part.pieces.iter().flat_map(|p| p.factor.reads()).find(|r| !part.vars.contains(&r.var));
        if let Some(read) = outside {
            let text = "a log-partition depends on this".to_string();
            return refuse(read.span, text, "learn it by `cd(k)`");
        }
    }
    let clamped = choose_partition(situation, None).map_err(NoLogLik::Posterior)?;
    Ok(LogLikPlan { clamped, free: None, normalisers: Vec::new(), each: Some(each), kind: Some(Kind::Estimate) })
}

/// `E_q log p̃ + H(q)` of the mean field q that comes closest to the posterior, less what normalises: a lower bound of `loglik(A | B)`
/// without a guide.
pub fn choose_bound(request: &Request<'_>, settings: &MeanField) -> Result<LogLikPlan, NoLogLik> {
    let situation =
        Situation { partial: &request.partial, ..Situation::new(request.program, request.model, &request.fixed) };
    let clamped = settle_partition(&situation, settings, true).map_err(NoLogLik::Posterior)?;
    choose_below(&request.by(None), situation, clamped, false, false)
}

/// The log-partitions that are subtracted.
fn choose_below(
    request: &Request<'_>,
    situation: Situation<'_>,
    clamped: Partition,
    by_chains: bool,
    by_runs: bool,
) -> Result<LogLikPlan, NoLogLik> {
    let below = Situation { fixed: &request.given, partial: &NOTHING, ..situation };
    // What comes near the one sum has to come near the other.
    let near = request.method.filter(|m| matches!(m, Method::Approximate(_)));
    let mut normalisers = Vec::new();
    let told = |d: Diagnostic| NoLogLik::Told(Box::new(d));
    let free_parts = find_undirected(&below);
    for part in find_undirected(&situation) {
        // A part that counts in both log-partitions cancels from their difference.
        if !free_parts.iter().any(|p| p.of == part.of) {
            normalisers.push(
                choose_normaliser(&situation, &part, &request.fixed, request.method, request.learning, request.at)
                    .map_err(told)?,
            );
        }
    }
    let mut free = None;
    if !find_pieces(&below).is_empty() {
        match choose_partition(&below, near) {
            Ok(partition) if !by_chains && !by_runs => free = Some(partition),
            other => {
                let pieces = find_pieces(&below);
                if pieces.iter().any(|p| p.inside) || !pieces.iter().all(|p| p.factor.targets().is_empty()) {
                    return Err(match other {
                        Err(not) => NoLogLik::Posterior(not),
                        Ok(_) => told(
                            Diagnostic::at(
                                Code::OverrideRefused,
                                request.at,
                                "contrastive divergence learns potentials, and these are conditionals",
                            )
                            .help("leave out `by`: the exact gradient is at hand"),
                        ),
                    });
                }
                let vars = find_components(&below).into_iter().flat_map(|c| c.vars).collect();
                let name = request.program.models[request.model].name.clone();
                let part = Undirected { of: NormaliserOf::Model, name, vars, pieces };
                normalisers.push(
                    choose_normaliser(&situation, &part, &request.fixed, request.method, request.learning, request.at)
                        .map_err(told)?,
                );
            }
        }
    }
    let known = normalisers.iter().all(|n| !matches!(n.how, Normalising::Contrastive { .. }));
    // A bound that is taken away bounds nothing.
    let subtracted = free.iter().all(|p| p.kind() == Kind::Exact)
        && normalisers.iter().all(|n| match &n.how {
            Normalising::Exact(block) => block.kind == Kind::Exact,
            Normalising::Contrastive { .. } => true,
            Normalising::Annealed(_) => false,
        });
    let kind = if subtracted { clamped.kind() } else { Kind::Estimate };
    Ok(LogLikPlan { clamped, free, normalisers, each: None, kind: known.then_some(kind) })
}
