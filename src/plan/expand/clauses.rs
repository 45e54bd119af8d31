//! The clauses that say what a plan chose: `over`, `by`, `with`, and the settings that a call leaves out.

use std::collections::BTreeSet;

use super::edits::Edits;
use super::sums::word;
use crate::model::{Factor, ModelId, ParamId, Program};
use crate::plan::method::{Optimiser, Rule, Schedule, is_method};
use crate::plan::plan::{
    Annealing, Answer, AskPlan, Block, Leaf, LinePlan, LogLikPlan, Normaliser, Normalising, ObjectivePlan,
};
use crate::syntax::ast::{ArgKind, Expr, ExprKind};

/// Reasons of more blocks than this are not all told.
const TOLD: usize = 3;

/// What lines move, in few names: models, guides, nets, parameters. None where no names say it.
pub fn cover(program: &Program, main: Option<ModelId>, lines: &[&LinePlan]) -> Option<String> {
    let mut left: BTreeSet<ParamId> = lines.iter().flat_map(|l| l.group.iter().copied()).collect();
    let mut said: Vec<String> = Vec::new();
    let mut take = |name: String, params: BTreeSet<ParamId>| {
        if params.iter().any(|p| left.contains(p)) {
            left.retain(|p| !params.contains(p));
            said.push(name);
        }
    };
    let of = |factors: &[Factor]| factors.iter().flat_map(Factor::params).collect::<BTreeSet<ParamId>>();
    let spoken: Vec<ModelId> = lines.iter().flat_map(|l| models_of(l)).collect();
    let rest = program.models.ids().filter(|m| spoken.contains(m) && Some(*m) != main);
    for model in main.into_iter().chain(rest) {
        let declared = &program.models[model];
        take(declared.name.clone(), of(&declared.factors));
        if let Some(guide) = &declared.guide {
            let name = if Some(model) == main { "guide".to_string() } else { format!("{}.guide", declared.name) };
            take(name, of(&guide.factors));
        }
    }
    for net in &program.nets {
        take(net.name.clone(), net.params.iter().copied().collect());
    }
    let single: Vec<ParamId> = left.iter().copied().collect();
    for id in single {
        let name = &program.params[id].name;
        let plain = name.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()));
        if !plain {
            return None;
        }
        said.push(name.clone());
    }
    (!said.is_empty()).then(|| said.join(", "))
}

fn models_of(line: &LinePlan) -> Vec<ModelId> {
    match &line.objective {
        ObjectivePlan::Expression { leaves, .. } => leaves
            .iter()
            .map(|leaf| match leaf {
                Leaf::LogLik(plan) => plan.clamped.model,
                Leaf::Variational(plan) => plan.model,
                Leaf::GuideDensity { model, .. } => *model,
            })
            .collect(),
        ObjectivePlan::Layer(plan) => vec![plan.model],
        ObjectivePlan::WakeSleep(plan) => vec![plan.model],
    }
}

/// An optimiser with all its settings.
pub fn optimiser_text(optimiser: &Optimiser, batch: Option<usize>) -> String {
    let (name, settings) = settings(optimiser, batch);
    let list: Vec<String> = settings
        .into_iter()
        .map(|(key, value)| if key == "rate" { value } else { format!("{key} = {value}") })
        .collect();
    format!("{name}({})", list.join(", "))
}

fn settings(optimiser: &Optimiser, batch: Option<usize>) -> (&'static str, Vec<(&'static str, String)>) {
    let mut list = vec![("rate", optimiser.rate.to_string())];
    let name = match &optimiser.rule {
        Rule::Sgd { momentum } => {
            list.push(("momentum", momentum.to_string()));
            "sgd"
        }
        Rule::Adam { beta1, beta2 } => {
            list.extend([("beta1", beta1.to_string()), ("beta2", beta2.to_string())]);
            "adam"
        }
    };
    list.push(("decay", optimiser.decay.to_string()));
    list.push(("batch", batch.map_or("all".to_string(), |rows| rows.to_string())));
    (name, list)
}

/// The settings that a written optimiser leaves out; whether there were any.
pub fn finish_optimiser(with: &Expr, optimiser: &Optimiser, batch: Option<usize>, edits: &mut Edits<'_>) -> bool {
    let (_, all) = settings(optimiser, batch);
    let (named, positional) = given(with);
    // The rate is the setting that needs no name.
    let has = |key: &str| named.contains(&key) || positional && key == "rate";
    let missing: Vec<String> =
        all.into_iter().filter(|(key, _)| !has(key)).map(|(key, value)| format!("{key} = {value}")).collect();
    add_arguments(with, &missing, edits)
}

/// The names of a call's arguments, and whether it has one without a name.
fn given(call: &Expr) -> (Vec<&str>, bool) {
    let ExprKind::Call { args, .. } = &call.bare().kind else { return (Vec::new(), false) };
    let named = args.iter().filter_map(|a| if let ArgKind::Named(n) = &a.kind { Some(n.text.as_str()) } else { None });
    (named.collect(), args.iter().any(|a| matches!(a.kind, ArgKind::Positional)))
}

/// Adds arguments to a call, or makes a name one; whether there were any.
fn add_arguments(call: &Expr, arguments: &[String], edits: &mut Edits<'_>) -> bool {
    if arguments.is_empty() {
        return false;
    }
    let call = call.bare();
    let list = arguments.join(", ");
    match &call.kind {
        ExprKind::Call { args, .. } if args.is_empty() => edits.insert(call.span.end.saturating_sub(1), list),
        ExprKind::Call { .. } => edits.insert(call.span.end.saturating_sub(1), format!(", {list}")),
        _ => edits.insert(call.span.end, format!("({list})")),
    }
    true
}

/// The name of a call.
fn name_of(call: &Expr) -> Option<&str> {
    match &call.bare().kind {
        ExprKind::Call { callee, .. } => name_of(callee),
        ExprKind::Path(path) => path.single().map(|n| n.text.as_str()),
        _ => None,
    }
}

/// Whether what stands after `by` is an engine, and not lines by their name.
pub fn is_engine(method: &Expr) -> bool {
    name_of(method).is_some_and(is_method)
}

/// The settings that a training line's written engine leaves out; whether there were any.
pub fn finish_method(method: &Expr, edits: &mut Edits<'_>) -> bool {
    let args = match &method.bare().kind {
        ExprKind::Call { args, .. } => args.as_slice(),
        _ => &[],
    };
    match name_of(method) {
        Some("cd") if args.is_empty() => add_arguments(method, &["1".to_string()], edits),
        _ => false,
    }
}

/// The number of draws or sweeps that a question's written engine leaves out; whether there was one.
pub fn finish_draws(method: &Expr, answer: &Answer, edits: &mut Edits<'_>) -> bool {
    let (named, positional) = given(method);
    if !named.is_empty() || positional {
        return false;
    }
    let count = match (name_of(method), answer) {
        (Some("gibbs"), Answer::Draws { draws, .. }) => draws.gibbs.first().map(|g| g.1),
        (Some("guide"), Answer::Posterior { draws, .. } | Answer::Conditionals { draws, .. }) => Some(*draws),
        _ => None,
    };
    add_arguments(method, &count.map(|n| n.to_string()).into_iter().collect::<Vec<_>>(), edits)
}

/// Undirected parts with their sweeps, each name once.
fn parts(normalisers: &[Normaliser]) -> Vec<(&str, &Schedule)> {
    let mut found: Vec<(&str, &Schedule)> = Vec::new();
    for normaliser in normalisers {
        if let Normalising::Contrastive { steps, .. } = &normaliser.how
            && !found.iter().any(|(name, _)| *name == normaliser.name)
        {
            found.push((&normaliser.name, steps));
        }
    }
    found
}

/// What to write after `by` in a training line that says nothing there, and why.
pub fn line_method(line: &LinePlan) -> (String, String) {
    match &line.objective {
        ObjectivePlan::WakeSleep(plan) => {
            let parts: Vec<String> = parts(&plan.normalisers).iter().map(|(n, s)| format!("{n} = cd({s})")).collect();
            let settings = if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
            (format!("sampling{settings}"), plan.reason.clone())
        }
        ObjectivePlan::Layer(plan) => (format!("cd({})", plan.steps), plan.reason.clone()),
        ObjectivePlan::Expression { leaves, .. } => {
            if line.update.is_em() {
                return ("em".to_string(), line.reason.clone());
            }
            if let Some((word, reason)) = contrastive(leaves) {
                return (word, reason.to_string());
            }
            let reason = match leaves.as_slice() {
                [Leaf::Variational(plan)] => &plan.reason,
                _ => &line.reason,
            };
            ("gradient".to_string(), reason.trim_start_matches("a gradient; ").to_string())
        }
    }
}

/// Contrastive divergence as a file asks for it, where it deals with every normaliser alike.
fn contrastive(leaves: &[Leaf]) -> Option<(String, &str)> {
    let sums: Vec<&LogLikPlan> =
        leaves.iter().filter_map(|leaf| if let Leaf::LogLik(plan) = leaf { Some(plan) } else { None }).collect();
    if sums.iter().any(|plan| plan.free.is_some()) {
        return None;
    }
    let all: Option<Vec<(String, &str)>> = sums
        .iter()
        .flat_map(|plan| &plan.normalisers)
        .map(|normaliser| match &normaliser.how {
            Normalising::Contrastive { steps, chains, .. } => {
                let word = match chains {
                    None => format!("cd({steps})"),
                    Some(chains) => format!("pcd({steps}, chains = {})", chains.count),
                };
                Some((word, normaliser.reason.as_str()))
            }
            Normalising::Exact(_) | Normalising::Annealed(_) => None,
        })
        .collect();
    let mut all = all?;
    let alike = all.iter().all(|(word, _)| *word == all[0].0);
    (alike && !all.is_empty()).then(|| all.remove(0))
}

/// What to write after `by` in a question that says nothing there, and why; none where no word has a part in it.
pub fn answer_method(ask: &AskPlan) -> Option<(String, String)> {
    match &ask.answer {
        Answer::Posterior { guided, draws, partition, joint, .. } => match guided.is_empty() {
            true => {
                let blocks = partition.blocks.iter().chain(joint.iter().flat_map(|p| &p.blocks));
                Some(exact(&blocks.collect::<Vec<_>>(), "nothing is to be summed"))
            }
            false => Some((format!("guide({draws})"), "no exact engine reaches all of it".to_string())),
        },
        Answer::Conditionals { of_guide: true, order, draws, .. } => (order.len() > 1).then(|| {
            (format!("guide({draws})"), "each of its conditionals reads draws of the earlier ones".to_string())
        }),
        Answer::Conditionals { .. } => {
            Some(("exact".to_string(), "everything their conditionals read is fixed".to_string()))
        }
        Answer::Value { leaves, .. } => {
            let mut blocks: Vec<&Block> = Vec::new();
            for leaf in leaves {
                let Leaf::LogLik(plan) = leaf else { return None };
                if let Some(told) = plan.normalisers.iter().find_map(|n| match &n.how {
                    Normalising::Annealed(annealing) => Some((ais(annealing), n.reason.clone())),
                    Normalising::Exact(_) | Normalising::Contrastive { .. } => None,
                }) {
                    return Some(told);
                }
                blocks.extend(&plan.clamped.blocks);
                blocks.extend(plan.free.iter().flat_map(|p| &p.blocks));
                blocks.extend(plan.normalisers.iter().filter_map(|n| match &n.how {
                    Normalising::Exact(block) => Some(block.as_ref()),
                    Normalising::Contrastive { .. } | Normalising::Annealed(_) => None,
                }));
            }
            (!leaves.is_empty()).then(|| exact(&blocks, "nothing is latent"))
        }
        Answer::Code { .. } | Answer::Compare { .. } => None,
        Answer::LogZ(normaliser) => match &normaliser.how {
            Normalising::Exact(block) => Some(exact(&[block.as_ref()], "")),
            Normalising::Annealed(annealing) => Some((ais(annealing), normaliser.reason.clone())),
            Normalising::Contrastive { .. } => None,
        },
        Answer::Draws { draws, .. } if draws.posterior.is_some() => {
            let blocks: Vec<&Block> = draws.posterior.iter().flat_map(|p| &p.blocks).collect();
            (!blocks.is_empty()).then(|| exact(&blocks, ""))
        }
        Answer::Draws { draws, .. } => Some(match draws.gibbs.first() {
            Some((_, sweeps, _)) => {
                (format!("gibbs({sweeps})"), "undirected parts are drawn by sweeps of block Gibbs".to_string())
            }
            None => ("ancestral".to_string(), "parents come before children".to_string()),
        }),
    }
}

/// Annealed importance sampling as a file asks for it.
fn ais(annealing: &Annealing) -> String {
    format!("ais(chains = {}, betas = {})", annealing.chains, annealing.betas)
}

/// The one word for how some blocks are summed, `exact` where they differ, with their reasons.
fn exact(blocks: &[&Block], none: &str) -> (String, String) {
    let Some(first) = blocks.first() else { return ("exact".to_string(), none.to_string()) };
    let engine = word(&first.engine);
    let same = blocks.iter().all(|b| word(&b.engine) == engine);
    let mut reasons: Vec<&str> = Vec::new();
    for block in blocks {
        if !reasons.contains(&block.reason.as_str()) {
            reasons.push(&block.reason);
        }
    }
    let more = if reasons.len() > TOLD { "; and so on" } else { "" };
    reasons.truncate(TOLD);
    (if same { engine } else { "exact" }.to_string(), format!("{}{more}", reasons.join("; ")))
}
