//! Normalisers of undirected parts: exact where affordable, else contrastive divergence on derived Gibbs conditionals.

use std::collections::BTreeSet;

use super::junction::find_width;
use super::partition::{MAX_LOG2_STATES, choose_block, names, refs};
use crate::analysis::{Component, Piece, Reason, Situation, find_factor_degree};
use crate::diag::{Code, Diagnostic};
use crate::model::{FactorKind, Program, VarId};
use crate::plan::method::{Method, Schedule};
use crate::plan::plan::{Engine, Kind, Normaliser, NormaliserOf, Normalising, Refusal};

/// What is to be normalised: its variables and summands.
pub struct Undirected<'a> {
    /// Which part.
    pub of: NormaliserOf,
    /// Its name for people.
    pub name: String,
    /// The variables it normalises over.
    pub vars: Vec<VarId>,
    /// Its summands.
    pub pieces: Vec<Piece<'a>>,
}

/// The undirected parts of a model that count in a situation.
pub fn find_undirected<'a>(situation: &Situation<'a>) -> Vec<Undirected<'a>> {
    let model = situation.model();
    let barren = situation.barren();
    let mut found = Vec::new();
    for (position, factor) in model.factors.iter().enumerate() {
        if let FactorKind::Undirected { vars, .. } = &factor.kind {
            if vars.iter().all(|v| barren.contains(v)) {
                continue;
            }
            let pieces = factor.leaves().into_iter().map(|factor| Piece { factor, position, inside: true }).collect();
            let name = factor.name.clone().unwrap_or_else(|| model.name.clone());
            found.push(Undirected { of: NormaliserOf::Group(position), name, vars: vars.clone(), pieces });
        }
    }
    found
}

/// The first of some latent variables whose value nobody has when the model's conditionals are scored or paired: an undirected part
/// sums over its own, but not over one that a conditional outside of it reads.
pub fn find_unguided(situation: &Situation<'_>, latent: &[VarId], parts: &[Undirected<'_>]) -> Option<VarId> {
    let directed = || situation.model().factors.iter().filter(|f| matches!(f.kind, FactorKind::Conditional { .. }));
    let summed = |var: VarId| parts.iter().any(|p| p.vars.contains(&var));
    let read = |var: VarId| directed().any(|f| f.reads().iter().any(|r| r.var == var));
    latent.iter().copied().find(|&var| !summed(var) || read(var))
}

/// The variables of an undirected part, gathered into sets whose entries are independent given the other sets.
///
/// Two sets for a bipartite part; the statement that couples a variable with itself is the reason there are none.
pub fn find_sweep(program: &Program, part: &Undirected<'_>, first: &[VarId]) -> Result<Vec<Vec<VarId>>, Reason> {
    let mut sets: Vec<BTreeSet<VarId>> = Vec::new();
    let rest = part.vars.iter().filter(|v| !first.contains(v));
    for &var in first.iter().chain(rest) {
        if !program.vars[var].domain.is_discrete() {
            return Err(Reason::at(program.vars[var].span, format!("`{}` is continuous", program.vars[var].name)));
        }
        let affine = |set: &BTreeSet<VarId>| {
            part.pieces.iter().find(|p| !find_factor_degree(p.factor, set).is_affine()).map(|p| p.factor.span)
        };
        if let Some(span) = affine(&BTreeSet::from([var])) {
            return Err(Reason::at(
                span,
                format!("this couples entries of `{}` with each other", program.vars[var].name),
            ));
        }
        let home = sets.iter().position(|set| {
            let mut with = set.clone();
            with.insert(var);
            affine(&with).is_none()
        });
        match home {
            Some(i) => {
                sets[i].insert(var);
            }
            None => sets.push(BTreeSet::from([var])),
        }
    }
    Ok(sets.into_iter().map(|s| part.vars.iter().copied().filter(|v| s.contains(v)).collect()).collect())
}

/// Plans a normaliser: `visible` are the variables whose values are at hand when it is learned.
pub fn choose_normaliser(
    situation: &Situation<'_>,
    part: &Undirected<'_>,
    visible: &BTreeSet<VarId>,
    asked: Option<&Method>,
    at: crate::base::span::Span,
) -> Result<Normaliser, Diagnostic> {
    let program = situation.program;
    let whole =
        Component { vars: part.vars.clone(), pieces: part.pieces.clone(), plates: Vec::new(), partial: Vec::new() };
    let mut rejected = Vec::new();
    let make = |how: Normalising, reason: String, rejected: Vec<Refusal>| Normaliser {
        of: part.of.clone(),
        name: part.name.clone(),
        vars: part.vars.clone(),
        pieces: refs(situation, &part.pieces),
        how,
        reason,
        rejected,
    };
    let steps = match asked {
        Some(Method::Contrastive(steps)) => Some(steps),
        _ => None,
    };
    let wants_exact = asked.is_some_and(Method::sums);
    match choose_block(situation, &whole, asked) {
        Ok(block) if steps.is_none() && (wants_exact || is_affordable(program, &whole, &block.engine)) => {
            let reason = match block.kind {
                Kind::Exact => format!("log Z of {} exactly: {}", part.name, block.reason),
                _ => format!("log Z of {}: {}", part.name, block.reason),
            };
            return Ok(make(Normalising::Exact(Box::new(block)), reason, rejected));
        }
        Err(not) if wants_exact => return Err(not.diagnostic(program, at)),
        Ok(block) if steps.is_none() => rejected.push(Refusal {
            engine: block.engine.name(),
            reason: Reason::of(format!("{} are too many to be summed at every step", block.reason)),
            mend: Some("`by exact`".to_string()),
        }),
        Ok(_) => rejected.push(Refusal {
            engine: "exact",
            reason: Reason::of("contrastive divergence was asked for"),
            mend: Some("leave out `by`".to_string()),
        }),
        Err(not) => rejected.extend(not.refusals),
    }
    let seen: Vec<VarId> = part.vars.iter().copied().filter(|v| visible.contains(v)).collect();
    let hidden: Vec<VarId> = part.vars.iter().copied().filter(|v| !visible.contains(v)).collect();
    if seen.is_empty() {
        return Err(Diagnostic::at(
            Code::NoEngine,
            at,
            format!("contrastive divergence on {} has no value to start from", part.name),
        )
        .help("bind one of its variables to data, or write a guide for them"));
    }
    let sweep = find_sweep(program, part, &hidden).map_err(|reason| {
        // Normal units have normal conditionals: an engine will come for them.
        let continuous = part.vars.iter().any(|&v| !program.vars[v].domain.is_discrete());
        let code = if continuous { Code::NotSupported } else { Code::NoEngine };
        let mut d = Diagnostic::at(code, at, format!("{} cannot be resampled in blocks", names(program, &part.vars)));
        if let Some(span) = reason.at {
            d = d.label(span, reason.text);
        }
        d.help("only undirected parts without coupling inside a block are learned yet")
    })?;
    let below = Component {
        vars: hidden.clone(),
        pieces: part.pieces.iter().filter(|p| p.factor.scope().iter().any(|v| hidden.contains(v))).copied().collect(),
        plates: Vec::new(),
        partial: Vec::new(),
    };
    let inner = if hidden.is_empty() {
        None
    } else {
        let block = choose_block(situation, &below, None).map_err(|not| not.diagnostic(program, at))?;
        Some(Box::new(block))
    };
    let steps = steps.cloned().unwrap_or(Schedule::Constant(1.0));
    let reason =
        format!("log Z of {} is out of reach; its gradient by CD-{steps} from {}", part.name, names(program, &seen));
    Ok(make(Normalising::Contrastive { steps, sweep, visible: seen, hidden: inner }, reason, rejected))
}

/// Cells of a junction tree that each step of learning may visit for a normaliser.
const MAX_CELLS_A_STEP: f64 = 16384.0;

/// Exact normalisers are recomputed at every step, so they must be far cheaper than one answer may be.
fn is_affordable(program: &Program, component: &Component<'_>, engine: &Engine) -> bool {
    match engine {
        Engine::Enumeration { kept, .. } => {
            component.log2_states(program, kept).is_some_and(|bits| bits <= MAX_LOG2_STATES - 6.0)
        }
        Engine::ForwardBackward { .. } | Engine::Gaussian { .. } => true,
        // It was asked for.
        Engine::Approximate(_) => true,
        Engine::JunctionTree => find_width(program, component).is_some_and(|w| w.cells <= MAX_CELLS_A_STEP),
    }
}
