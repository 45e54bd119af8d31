//! `loglik(A | B)`: the log-partitions it is the difference of, and the normalisers of undirected parts.

use std::collections::BTreeSet;

use super::contrastive::{Undirected, choose_normaliser, find_undirected};
use super::field::{self, settle_partition};
use super::partition::{NotExact, choose_partition};
use crate::analysis::{NOTHING, Situation, find_components, find_pieces};
use crate::base::approximate::MeanField;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{FactorKind, ModelId, Program, VarId};
use crate::plan::method::Method;
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
    let clamped = match choose_partition(&situation, request.method) {
        Ok(partition) => partition,
        // Where only a gradient is followed, that of a bound will do.
        Err(_) if by_chains => settle_partition(&situation, &field::learning()).map_err(NoLogLik::Posterior)?,
        Err(not) => return Err(NoLogLik::Posterior(not)),
    };
    choose_below(request, situation, clamped, by_chains, by_runs)
}

/// `E_q log p̃ + H(q)` of the mean field q that comes closest to the posterior, less what normalises: a lower bound of `loglik(A | B)`
/// without a guide.
pub fn choose_bound(request: &Request<'_>, settings: &MeanField) -> Result<LogLikPlan, NoLogLik> {
    let situation =
        Situation { partial: &request.partial, ..Situation::new(request.program, request.model, &request.fixed) };
    let clamped = settle_partition(&situation, settings).map_err(NoLogLik::Posterior)?;
    let rest = Request {
        method: None,
        fixed: request.fixed.clone(),
        partial: request.partial.clone(),
        given: request.given.clone(),
        ..*request
    };
    choose_below(&rest, situation, clamped, false, false)
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
    Ok(LogLikPlan { clamped, free, normalisers, kind: known.then_some(kind) })
}
