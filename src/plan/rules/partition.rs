//! Exact log-partitions: closed form, forward-backward, junction tree, enumeration, Gaussian; the first that applies to each component.

use std::collections::BTreeSet;

use super::{field, gaussian};
use crate::analysis::{
    Component, Piece, Reason, Situation, find_chain, find_components, find_factor_degree, find_loose, find_parts,
    find_pieces,
};
use crate::base::approximate::Approximate;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{ModelId, Program, VarId};
use crate::plan::cost::find_cost;
use crate::plan::method::{Method, read_learning};
use crate::plan::overrides::find_override;
use crate::plan::plan::{Block, Engine, Kind, Partition, PieceRef, Refusal};
use crate::plan::rules::junction::{MAX_LOG2_TABLE, find_largest, find_width};

/// Joint states above which nothing is enumerated: 2^20 rows of f64 are already 8 MiB a variable.
pub const MAX_LOG2_STATES: f64 = 20.0;
/// Joint states of a chain at one position above which its transition table (the square) is not built.
const MAX_CHAIN_LOG2_STATES: f64 = 10.0;

/// Joint states up to which enumeration is not held against a junction tree: nothing is gained on so few.
const FEW_LOG2_STATES: f64 = 6.0;
/// The exact engines for discrete variables, in the order in which they are asked.
const EXACT: [&str; 4] = ["closed form", "forward-backward", "junction tree", "enumeration"];

/// The positions of summands in the model.
pub fn refs(situation: &Situation<'_>, pieces: &[Piece<'_>]) -> Vec<PieceRef> {
    pieces
        .iter()
        .filter_map(|p| {
            let leaves = situation.model().factors[p.position].leaves();
            let leaf = leaves.iter().position(|f| std::ptr::eq(*f, p.factor))?;
            Some(PieceRef { position: p.position, leaf })
        })
        .collect()
}

/// Why no exact engine applies to a component.
#[derive(Clone, Debug)]
pub struct NotExact {
    /// The component's variables.
    pub vars: Vec<VarId>,
    /// What each exact engine says.
    pub refusals: Vec<Refusal>,
}

/// An exact engine for a component, or every exact engine's refusal.
pub fn choose_block(
    situation: &Situation<'_>,
    component: &Component<'_>,
    asked: Option<&Method>,
) -> Result<Block, NotExact> {
    let program = situation.program;
    let mut refusals = Vec::new();
    // What moves parameters or makes draws has no part in how a block is summed.
    let asked = asked.filter(|method| method.sums());
    let inferred = find_override(program, &component.vars).filter(|_| asked.is_none());
    let method = match inferred.map(|i| read_learning(&i.by)) {
        Some(Ok(method)) => Some(method),
        // It names an engine that is not built.
        Some(Err(problem)) => {
            let refusal = Refusal {
                engine: "exact",
                reason: Reason { text: problem.message.clone(), at: inferred.map(|i| i.span) },
                mend: None,
            };
            return Err(NotExact { vars: component.vars.clone(), refusals: vec![refusal] });
        }
        None => None,
    };
    let asked = asked.or(method.as_ref()).filter(|method| method.sums());
    let pieces = refs(situation, &component.pieces);
    let block = |engine: Engine, reason: String, rejected: Vec<Refusal>| Block {
        vars: component.vars.clone(),
        pieces: pieces.clone(),
        plates: component.plates.clone(),
        cost: find_cost(program, component, &engine),
        kind: match &engine {
            Engine::Approximate(Approximate::MeanField(_)) | Engine::Settled { .. } => Kind::LowerBound,
            Engine::Approximate(Approximate::LoopyBp(_) | Approximate::Gibbs(_)) => Kind::Estimate,
            _ => Kind::Exact,
        },
        engine,
        reason,
        rejected,
    };
    if let Some(var) = component.continuous(program) {
        match gaussian::claim(program, component, asked) {
            Ok((engine, reason)) => return Ok(block(engine, reason, refusals)),
            Err(said) => refusals.extend(said),
        }
        let name = &program.vars[var].name;
        let text = match component.defines(var) {
            true => format!("`{name}` is defined by its own values elsewhere, which this engine does not carry along"),
            false => format!("`{name}` is continuous"),
        };
        let reason = Reason::at(program.vars[var].span, text);
        for engine in EXACT {
            refusals.push(Refusal { engine, reason: reason.clone(), mend: None });
        }
        return Err(NotExact { vars: component.vars.clone(), refusals });
    }
    if let Some(Method::Approximate(method)) = asked {
        let refused = match (find_largest(program, component), method) {
            // Tables that would be too large are not needed where sets of entries are independent given the others.
            (Some(largest), Approximate::MeanField(settings)) if largest > MAX_LOG2_STATES => {
                match field::claim(program, component, settings) {
                    Ok((engine, reason)) => {
                        return Ok(Block { plates: Vec::new(), ..block(engine, reason, refusals) });
                    }
                    Err(refusal) => refusal,
                }
            }
            (Some(largest), _) if largest > MAX_LOG2_STATES => Refusal {
                engine: method.name(),
                reason: Reason::of(format!(
                    "some table spans 2^{largest:.0} joint states, and 2^{MAX_LOG2_STATES:.0} is the limit"
                )),
                mend: Some("fewer variables in one statement".to_string()),
            },
            (Some(_), _) => {
                let reason = format!("asked for by name, for {}", names(program, &component.vars));
                return Ok(block(Engine::Approximate(method.clone()), reason, refusals));
            }
            (None, _) => unknown_size(method.name()),
        };
        return Err(NotExact { vars: component.vars.clone(), refusals: vec![refused] });
    }
    let parts = find_parts(program, component);
    let allowed = |method: Method| asked.is_none_or(|a| *a == Method::Exact || *a == method);
    if parts.kept.is_empty() && (allowed(Method::ClosedForm) || allowed(Method::Enumeration)) {
        let reason = format!(
            "given the rest, {} independent entries: log p̃ is affine in {}",
            if parts.summed.len() == 1 { "it has" } else { "they have" },
            names(program, &parts.summed)
        );
        return Ok(block(Engine::Enumeration { summed: parts.summed, kept: Vec::new() }, reason, refusals));
    }
    if let Some((var, why)) = parts.why.first() {
        refusals.push(Refusal {
            engine: "closed form",
            reason: Reason { text: format!("`{}`: {}", program.vars[*var].name, why.text), at: why.at },
            mend: None,
        });
        // Which statements make one block of several variables is part of why, whatever else stands in the way.
        for (tied, at) in find_ties(component).take(MOST_TIES) {
            refusals.push(Refusal {
                engine: "closed form",
                reason: Reason::at(at, format!("{}: this ties them", names(program, &tied))),
                mend: None,
            });
        }
    }
    if allowed(Method::ForwardBackward) {
        match find_chain(program, component) {
            Ok(chain) => match log2_chain_states(program, component, chain.along) {
                Some(bits) if bits.is_nan() || bits > MAX_CHAIN_LOG2_STATES => refusals.push(Refusal {
                    engine: "forward-backward",
                    reason: Reason::of(format!("2^{bits:.0} joint states at one position is too many")),
                    mend: None,
                }),
                // How many states there are only data may tell; the form is a chain's whatever they say.
                bits => {
                    let reason = format!(
                        "{} couple only neighbours along {}{}",
                        names(program, &component.vars),
                        program.axes[chain.along].name,
                        if bits.is_none() { ", whose sizes the data will tell" } else { "" }
                    );
                    let engine = Engine::ForwardBackward { along: chain.along, indices: chain.indices };
                    return Ok(block(engine, reason, refusals));
                }
            },
            Err(reason) => refusals.push(Refusal { engine: "forward-backward", reason, mend: None }),
        }
    }
    let bits = component.log2_states(program, &parts.kept);
    let few = bits.is_some_and(|b| b <= FEW_LOG2_STATES) && allowed(Method::Enumeration);
    if allowed(Method::JunctionTree) && !few {
        match find_width(program, component) {
            Some(width) if width.cells.is_infinite() => refusals.push(Refusal {
                engine: "junction tree",
                reason: Reason::of(format!(
                    "some table spans 2^{:.0} joint states, and 2^{MAX_LOG2_TABLE:.0} is the limit",
                    width.largest
                )),
                mend: Some("fewer variables in one statement, or a guide".to_string()),
            }),
            // Where everything touches everything, the largest table is the enumeration.
            Some(width) if allowed(Method::Enumeration) && bits.is_some_and(|b| b.exp2() <= width.cells) => {
                refusals.push(Refusal {
                    engine: "junction tree",
                    reason: Reason::of(format!("its tables have {:.0} cells, no fewer than joint states", width.cells)),
                    mend: None,
                });
            }
            Some(width) => {
                let reason = format!(
                    "{} entries of {} are summed out one by one, with no table above {:.0} cells",
                    width.entries,
                    names(program, &component.vars),
                    width.largest.exp2()
                );
                return Ok(block(Engine::JunctionTree, reason, refusals));
            }
            None => refusals.push(unknown_size("junction tree")),
        }
    }
    if allowed(Method::Enumeration) {
        match bits {
            Some(bits) if bits <= MAX_LOG2_STATES => {
                let summed = if parts.summed.is_empty() {
                    String::new()
                } else {
                    format!(", with {} summed in closed form", names(program, &parts.summed))
                };
                let reason = format!("{:.0} joint states of {}{summed}", bits.exp2(), names(program, &parts.kept));
                let engine = Engine::Enumeration { summed: parts.summed, kept: parts.kept };
                return Ok(block(engine, reason, refusals));
            }
            Some(bits) => refusals.push(Refusal {
                engine: "enumeration",
                reason: Reason::of(format!(
                    "2^{bits:.0} joint states of {}, and 2^{MAX_LOG2_STATES:.0} is the limit",
                    names(program, &parts.kept)
                )),
                mend: Some("fewer or smaller variables, or a guide".to_string()),
            }),
            None => refusals.push(unknown_size("enumeration")),
        }
    }
    Err(NotExact { vars: component.vars.clone(), refusals })
}

/// More ties than this are not told of one block.
const MOST_TIES: usize = 8;

/// The statements that make one block of a component's variables, with those that each multiplies. All are told, however many would do, so
/// that the telling does not hang on their order.
fn find_ties(component: &Component<'_>) -> impl Iterator<Item = (Vec<VarId>, Span)> {
    let all: BTreeSet<VarId> = component.vars.iter().copied().collect();
    component.pieces.iter().filter_map(move |piece| {
        let tied: Vec<VarId> = piece.factor.scope().into_iter().filter(|v| all.contains(v)).collect();
        (tied.len() > 1 && !find_factor_degree(piece.factor, &all).is_affine()).then_some((tied, piece.factor.span))
    })
}

fn unknown_size(engine: &'static str) -> Refusal {
    Refusal {
        engine,
        reason: Reason::of("an axis has no size yet"),
        mend: Some("bind data, or give the axis a size".to_string()),
    }
}

fn log2_chain_states(program: &Program, component: &Component<'_>, along: crate::model::AxisId) -> Option<f64> {
    let mut bits = 0.0;
    for &var in &component.vars {
        let own = program.vars[var].axes().into_iter().filter(|a| *a != along && !component.plates.contains(a));
        let entries = own.map(|a| program.axes.extent(a)).try_fold(1usize, |n, e| n.checked_mul(e?))?;
        bits += entries as f64 * (Component::states(program, var)? as f64).log2();
    }
    Some(bits)
}

/// The log-partition of a situation by exact engines throughout, or what stands in the way.
pub fn choose_partition(situation: &Situation<'_>, asked: Option<&Method>) -> Result<Partition, NotExact> {
    check_group_parents(situation)?;
    let loose = find_loose(situation);
    let all = |vars: &BTreeSet<VarId>| vars.iter().copied().collect();
    let (fixed, partial) = (all(situation.fixed), all(situation.partial));
    // For the rest they are what is known.
    let (known, open) = (situation.fixed | &loose, situation.partial - &loose);
    let situation = &Situation { fixed: &known, partial: &open, ..*situation };
    let mut blocks = Vec::new();
    let mut touched: BTreeSet<PieceRef> = BTreeSet::new();
    for component in find_components(situation) {
        let block = choose_block(situation, &component, asked)?;
        touched.extend(&block.pieces);
        blocks.push(block);
    }
    let settled = refs(situation, &find_pieces(situation)).into_iter().filter(|p| !touched.contains(p)).collect();
    let loose = loose.into_iter().collect();
    Ok(Partition { model: situation.model, fixed, partial, loose, settled, blocks })
}

/// A sub-model's own log-partition must not hang on anything latent outside it: nobody sums over that here.
fn check_group_parents(situation: &Situation<'_>) -> Result<(), NotExact> {
    let is_group = |f: &&crate::model::Factor| matches!(f.kind, crate::model::FactorKind::Undirected { .. });
    if !situation.model().factors.iter().any(|f| is_group(&f)) {
        return Ok(());
    }
    let barren = situation.barren();
    for factor in situation.model().factors.iter().filter(is_group) {
        let vars = factor.targets();
        if vars.iter().all(|v| barren.contains(v)) {
            continue;
        }
        let outside = situation.program.outside_reads(factor);
        let outside = outside.into_iter().find(|r| vars.contains(&r.var) || !situation.fixed.contains(&r.var));
        if let Some(read) = outside {
            let name = &situation.program.vars[read.var].name;
            let why = if vars.contains(&read.var) { "at another position" } else { "which is latent" };
            let reason = Reason::at(read.span, format!("the sub-model's log-partition depends on `{name}`, {why}"));
            let refusals = EXACT.map(|engine| Refusal { engine, reason: reason.clone(), mend: None }).to_vec();
            return Err(NotExact { vars: vec![read.var], refusals });
        }
    }
    Ok(())
}

/// Refuses a model with an undirected part that is told its own variables at another position: its log-partition is one for each
/// position, and the engines sum over all positions at once, which would be another model.
pub fn refuse_coupled_groups(program: &Program, model: ModelId, at: Span) -> Result<(), Box<Diagnostic>> {
    for factor in &program.models[model].factors {
        let Some(read) = program.own_elsewhere(factor) else { continue };
        let name = &program.vars[read.var].name;
        let diagnostic = Diagnostic::at(
            Code::NotSupported,
            at,
            format!("an undirected part that reads its own `{name}` at another position is not built yet"),
        );
        return Err(Box::new(
            diagnostic
                .label(read.span, "its log-partition would be one for each value of this")
                .help("carry the influence over in a variable with a `~` of its own, or write the whole as `factor`s"),
        ));
    }
    Ok(())
}

/// Refuses a model whose loop over the rows cannot be taken away: something is shared by all rows, or rows read each other.
pub fn refuse_row_loops(program: &Program, model: ModelId, at: Span) -> Result<(), Box<Diagnostic>> {
    let rows =
        |v: &VarId| program.vars[*v].axes().iter().any(|&a| program.axes[a].kind == crate::model::AxisKind::Rows);
    let (inside, outside): (Vec<VarId>, Vec<VarId>) = program.models[model].vars.iter().copied().partition(rows);
    let Some(&first) = inside.first() else { return Ok(()) };
    let diagnostic = Diagnostic::at(Code::NotSupported, at, "a model over all rows at once is not built yet");
    Err(Box::new(match outside.first() {
        Some(&shared) => diagnostic
            .label(program.vars[shared].span, format!("all rows share `{}`", program.vars[shared].name))
            .help("make what is shared a `param`, with its distribution as a `prior`: then it is learned, and the rows are apart"),
        None => diagnostic
            .label(program.vars[first].span, "one row depends on another")
            .help("a sequence is an axis of its own within a row: `for t in Time { .. }` over a column `x[Time]`"),
    }))
}

impl NotExact {
    /// The diagnostic that says so.
    pub fn diagnostic(&self, program: &Program, at: crate::base::span::Span) -> Diagnostic {
        let large =
            |r: &Refusal| matches!(r.engine, "enumeration" | "junction tree" | gaussian::DENSE) && r.mend.is_some();
        let too_large = self.refusals.iter().any(large);
        let code = if too_large { Code::TooExpensive } else { Code::NoEngine };
        let mut diagnostic = Diagnostic::at(code, at, format!("no exact engine fits {}", names(program, &self.vars)));
        for refusal in &self.refusals {
            match refusal.reason.at {
                Some(span) => {
                    diagnostic = diagnostic.label(span, format!("no {}: {}", refusal.engine, refusal.reason.text));
                }
                None => diagnostic = diagnostic.note(format!("no {}: {}", refusal.engine, refusal.reason.text)),
            }
        }
        let discrete = self.vars.iter().all(|&v| program.vars[v].domain.is_discrete());
        diagnostic.help(match discrete && too_large {
            true => "make them fewer, write a guide for them, or come near enough: `by loopy_bp`, `by mean_field`, `by gibbs(1000)`",
            false => "write a guide for these variables, or make them fewer",
        })
    }
}

/// So many names a person reads.
const MOST_NAMES: usize = 24;

/// Names for people: "`a`, `b` and `c`"; of very many the first.
pub fn names(program: &Program, vars: &[VarId]) -> String {
    let mut quoted: Vec<String> =
        vars.iter().take(MOST_NAMES).map(|&v| format!("`{}`", program.vars[v].name)).collect();
    if vars.len() > MOST_NAMES {
        quoted.push(format!("{} more", vars.len() - MOST_NAMES));
    }
    match quoted.as_slice() {
        [] => "nothing".to_string(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
