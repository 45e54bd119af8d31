//! Normalisers of undirected parts: exact where affordable, else contrastive divergence on derived Gibbs conditionals.

use std::collections::BTreeSet;

use super::annealed;
use super::junction::find_width;
use super::partition::{MAX_LOG2_STATES, choose_block, names, refs};
use super::sweep::{find_sweep, sweep_text};
use crate::analysis::{Component, Piece, Reason, Situation, find_coupling};
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{AxisKind, FactorKind, Program, VarId};
use crate::plan::method::{Contrast, Method, Schedule, Temperatures};
use crate::plan::plan::{Block, Chains, Engine, Kind, Normaliser, NormaliserOf, Normalising, Refusal, Resampled};

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

/// Plans a normaliser: `visible` are the variables whose values are at hand when it is learned. Where nothing is learned its value is
/// wanted, exactly or estimated.
pub fn choose_normaliser(
    situation: &Situation<'_>,
    part: &Undirected<'_>,
    visible: &BTreeSet<VarId>,
    asked: Option<&Method>,
    learning: bool,
    at: Span,
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
        Some(Method::Contrastive(contrast)) => Some(contrast),
        _ => None,
    };
    let wants_exact = asked.is_some_and(Method::sums);
    let temperatures = match asked {
        Some(Method::Annealing(asked)) => Some(*asked),
        _ => None,
    };
    if let Some(temperatures) = temperatures {
        let (annealing, reason) = annealed::choose(situation, part, temperatures, at)?;
        rejected.push(Refusal {
            engine: "exact",
            reason: Reason::of("annealed importance sampling was asked for"),
            mend: Some("leave out `by`".to_string()),
        });
        return Ok(make(Normalising::Annealed(annealing), reason, rejected));
    }
    match choose_block(situation, &whole, asked).map(|block| without_matrix(program, &part.pieces, block)) {
        Ok(block)
            if steps.is_none()
                && (wants_exact || !learning && is_small(&block) || is_affordable(program, &whole, &block.engine)) =>
        {
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
    if !learning && steps.is_none() {
        let (annealing, reason) = annealed::choose(situation, part, Temperatures::default(), at)?;
        return Ok(make(Normalising::Annealed(annealing), reason, rejected));
    }
    let contrast = steps.cloned().unwrap_or(Contrast::from_data(Schedule::Constant(1.0)));
    let (how, reason) = choose_contrast(situation, part, visible, &contrast, at)?;
    Ok(make(how, reason, rejected))
}

/// The gradient of a log-partition by chains: what they resample, where they start, and what is summed where they end.
fn choose_contrast(
    situation: &Situation<'_>,
    part: &Undirected<'_>,
    visible: &BTreeSet<VarId>,
    contrast: &Contrast,
    at: Span,
) -> Result<(Normalising, String), Diagnostic> {
    let program = situation.program;
    let seen: Vec<VarId> = part.vars.iter().copied().filter(|v| visible.contains(v)).collect();
    let hidden: Vec<VarId> = part.vars.iter().copied().filter(|v| !visible.contains(v)).collect();
    if seen.is_empty() && contrast.chains.is_none() {
        return Err(Diagnostic::at(
            Code::NoEngine,
            at,
            format!("contrastive divergence on {} has no value to start from", part.name),
        )
        .help("bind one of its variables to data, write a guide for them, or let chains go on by `pcd(k)`"));
    }
    if contrast.chains.is_some() {
        refuse_row_parts(situation, part, at)?;
    }
    let sweep = find_sweep(program, &part.vars, &part.pieces, &hidden).map_err(|reason| {
        let mut d =
            Diagnostic::at(Code::NoEngine, at, format!("{} cannot be resampled", names(program, &part.vars)));
        if let Some(span) = reason.at {
            d = d.label(span, reason.text);
        }
        d.help("conditionals are derived where log p̃ is a polynomial in each variable's entries, at most a square in a number")
    })?;
    let first = match sweep.first() {
        Some(Resampled::Together(vars)) => vars.as_slice(),
        _ => &[],
    };
    // Whatever can be summed where a chain ends makes its gradient less noisy: the hidden variables, else the first set.
    let inner = [hidden.as_slice(), first]
        .into_iter()
        .filter(|vars| !vars.is_empty() && (contrast.chains.is_some() || vars.iter().all(|v| hidden.contains(v))))
        .find_map(|vars| choose_summed(situation, part, vars));
    if inner.is_none() && contrast.chains.is_none() && !hidden.is_empty() && first != hidden {
        let text = format!(
            "no chain of {} can start from a row: {} have no exact posterior",
            part.name,
            names(program, &hidden)
        );
        let mut d = Diagnostic::at(Code::NoEngine, at, text);
        let of: BTreeSet<VarId> = hidden.iter().copied().collect();
        if let Ok(coupling) = find_coupling(program, part.pieces.iter().map(|p| p.factor), &of) {
            for span in coupling.within.values().map(|(_, span)| *span).chain(coupling.across) {
                d = d.label(span, "this couples them given the rest");
            }
        }
        return Err(d.help("let chains go on from step to step instead: `by pcd(k)`"));
    }
    let moves = sweep_text(program, &sweep);
    let steps = &contrast.steps;
    let (reason, chains) = match contrast.chains {
        None => (
            format!(
                "log Z of {} is out of reach; its gradient by CD-{steps} from {}: {moves}",
                part.name,
                names(program, &seen)
            ),
            None,
        ),
        Some(count) => {
            let reason = format!(
                "log Z of {} has its gradient from chains that go on, drawn evenly at first: {moves}",
                part.name
            );
            (reason, Some(Chains { count: count.unwrap_or(0), name: String::new() }))
        }
    };
    let steps = steps.clone();
    Ok((Normalising::Contrastive { steps, sweep, visible: seen, hidden: inner.map(Box::new), chains }, reason))
}

/// How some variables of a part are summed given the others: exactly, or not at all.
pub(super) fn choose_summed(situation: &Situation<'_>, part: &Undirected<'_>, vars: &[VarId]) -> Option<Block> {
    let program = situation.program;
    let below = Component {
        vars: vars.to_vec(),
        pieces: part.pieces.iter().filter(|p| p.factor.scope().iter().any(|v| vars.contains(v))).copied().collect(),
        plates: Vec::new(),
        partial: Vec::new(),
    };
    let block = without_matrix(program, &below.pieces, choose_block(situation, &below, None).ok()?);
    let is_sampled = matches!(block.engine, Engine::Approximate(_) | Engine::Settled { .. });
    (!is_sampled).then_some(block)
}

/// A block whose numbers are independent of each other given its states, each integrated on its own: that needs no matrix.
fn without_matrix(program: &Program, pieces: &[Piece<'_>], block: Block) -> Block {
    let Engine::Gaussian { summed, kept, along: None } = &block.engine else { return block };
    let of: BTreeSet<VarId> = summed.iter().copied().collect();
    match find_coupling(program, pieces.iter().map(|p| p.factor), &of) {
        Ok(coupling) if coupling.across.is_none() && coupling.within.is_empty() => {}
        _ => return block,
    }
    let told = names(program, summed);
    let reason = match kept.is_empty() {
        true => format!("{told} are normal, each entry on its own given the rest"),
        false => format!("the joint states of {}, with {told} normal, each entry on its own", names(program, kept)),
    };
    let engine = Engine::Enumeration { summed: summed.clone(), kept: kept.clone() };
    Block { engine, reason, ..block }
}
/// Chains that go on stand for one distribution: not for one that differs from row to row.
pub(super) fn refuse_row_parts(situation: &Situation<'_>, part: &Undirected<'_>, at: Span) -> Result<(), Diagnostic> {
    let program = situation.program;
    let outside = part.pieces.iter().flat_map(|p| p.factor.reads()).find(|r| !part.vars.contains(&r.var));
    let ragged = part.vars.iter().find(|&&v| {
        program.vars[v].axes().iter().any(|&a| program.axes[program.axes.root(a)].kind == AxisKind::Ragged)
    });
    let (span, text) = match (outside, ragged) {
        (Some(read), _) => (read.span, format!("it depends on `{}`", program.vars[read.var].name)),
        (None, Some(&var)) => {
            (program.vars[var].span, format!("rows have `{}` of their own length", program.vars[var].name))
        }
        (None, None) => return Ok(()),
    };
    Err(Diagnostic::at(
        Code::OverrideRefused,
        at,
        format!("no one set of chains stands for {}: its log-partition differs from row to row", part.name),
    )
    .label(span, text)
    .help("it is learned by chains that start from the rows, `by cd(k)`"))
}

/// Cells of a junction tree that each step of learning may visit for a normaliser.
const MAX_CELLS_A_STEP: f64 = 16384.0;

/// Bytes above which a sum that is taken once is estimated instead, unless it is asked for.
const MAX_BYTES_ONCE: f64 = (1 << 31) as f64;

/// An exact normaliser that is computed once needs memory for its states.
fn is_small(block: &Block) -> bool {
    block.cost.is_none_or(|cost| cost.bytes <= MAX_BYTES_ONCE)
}

/// Exact normalisers are recomputed at every step, so they must be far cheaper than one answer may be.
fn is_affordable(program: &Program, component: &Component<'_>, engine: &Engine) -> bool {
    match engine {
        Engine::Enumeration { kept, .. } => {
            component.log2_states(program, kept).is_some_and(|bits| bits <= MAX_LOG2_STATES - 6.0)
        }
        Engine::ForwardBackward { .. } | Engine::Gaussian { .. } => true,
        // It was asked for.
        Engine::Approximate(_) | Engine::Settled { .. } => true,
        Engine::JunctionTree => find_width(program, component).is_some_and(|w| w.cells <= MAX_CELLS_A_STEP),
    }
}
