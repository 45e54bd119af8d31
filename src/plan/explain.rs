//! The plan told: blocks, engines, reasons, costs, and for every better engine why it does not apply.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::guides::form;
use super::method::{Optimiser, Rule};
use super::missing::Missing;
use super::plan::{
    Answer, AskPlan, Block, Cost, Expectation, Leaf, LinePlan, Machine, Normaliser, Normalising, ObjectivePlan,
    Partition, Plan, Refusal, Update,
};
use super::rules::partition::names;
use crate::base::span::{Sources, Span};
use crate::model::{Program, VarId};

/// One explained block.
struct Told {
    of: String,
    vars: Vec<VarId>,
    engine: String,
    kind: String,
    reason: String,
    cost: Option<Cost>,
    rejected: Vec<Refusal>,
}

/// The plan for people: a paragraph a training line and a question.
pub fn explain_text(program: &Program, plan: &Plan, sources: &Sources) -> String {
    let mut out = String::new();
    for train in &plan.trains {
        let data = &program.data[train.on.data].name;
        let split = train.on.split.as_ref().map(|s| format!(".{s}")).unwrap_or_default();
        let _ = writeln!(out, "train on {data}{split}, which binds {}", names(program, &train.bound));
        for stage in &train.stages {
            let batch = stage.batch.map_or("all rows a step".to_string(), |b| format!("{b} rows a step"));
            let _ = writeln!(out, "  stage {}: {} epochs, {batch}", stage.name, stage.epochs);
            for (a, b) in &stage.ties {
                let _ = writeln!(out, "    tied: {} = {}", program.params[*a].name, program.params[*b].name);
            }
            for line in &stage.lines {
                let params: Vec<&str> = line.group.iter().map(|&p| program.params[p].name.as_str()).collect();
                let _ =
                    writeln!(out, "    moves {} by {} ({})", params.join(", "), update_name(&line.update), line.reason);
                write_told(&mut out, program, sources, &line_told(line), "    ");
            }
        }
    }
    for (_, model) in program.models.iter() {
        if model.guide.as_ref().is_some_and(|g| g.made.is_some()) {
            let name = &model.name;
            let _ = writeln!(out, "guide of {name}, made since the file has none: {}", form());
            let _ = writeln!(
                out,
                "  `--emit expanded` shows it; `guide {name} {{ .. }}` in the file, with a conditional for each latent variable, takes its place"
            );
        }
    }
    for ask in &plan.asks {
        let verb = format!("{:?}", ask.verb).to_lowercase();
        let _ = writeln!(out, "{verb} {} ({})", ask.name, ask.kind.sign());
        write_told(&mut out, program, sources, &answer_told(program, &ask.answer), "  ");
    }
    for missing in &plan.missing {
        let why = if missing.by.is_some() { "not asked for" } else { "not built yet" };
        let _ = writeln!(out, "{} ({}): {why}", missing.what, missing.kind.sign());
        write_told(&mut out, program, sources, &[missing_told(missing)], "  ");
    }
    out
}

/// The plan for programs: `{"blocks": [..]}` as the contract says.
pub fn explain_json(program: &Program, plan: &Plan, sources: &Sources) -> Value {
    let lines = plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines).flat_map(line_told);
    let asks = plan.asks.iter().flat_map(|a| answer_told(program, &a.answer));
    let missing = plan.missing.iter().map(missing_told);
    let blocks: Vec<Value> = lines.chain(asks).chain(missing).map(|told| block_json(program, sources, &told)).collect();
    json!({ "blocks": blocks })
}

fn missing_told(missing: &Missing) -> Told {
    Told {
        of: String::new(),
        vars: missing.vars.clone(),
        engine: missing.engine.clone(),
        kind: missing.kind.sign().to_string(),
        reason: match missing.by {
            Some(by) => format!("{}; this engine is used where it is asked for, `by {by}`", missing.reason),
            None => format!("{}; this engine is not built yet", missing.reason),
        },
        cost: None,
        rejected: Vec::new(),
    }
}

/// A training line in one phrase: its engines with the kind of their numbers, and the update.
pub fn brief_line(line: &LinePlan) -> String {
    let mut engines: Vec<String> = Vec::new();
    for told in line_told(line) {
        let engine = format!("{} {}", told.engine, told.kind);
        if !engines.contains(&engine) {
            engines.push(engine);
        }
    }
    format!("{}, {}", engines.join(", "), update_name(&line.update))
}

/// An engine at work on some variables: what a drawing shows of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The variables.
    pub vars: Vec<VarId>,
    /// The engine's name.
    pub engine: String,
    /// The sign of its numbers' kind.
    pub kind: String,
    /// Whether it answers for a log-normaliser and not for the variables themselves.
    pub normaliser: bool,
}

/// Every engine at work: in training, the last stage first, then in the questions, draws left out.
pub fn works(program: &Program, plan: &Plan) -> Vec<Work> {
    let stages = plan.trains.iter().rev().flat_map(|t| t.stages.iter().rev());
    let lines = stages.flat_map(|s| &s.lines).flat_map(line_told);
    let asks = plan.asks.iter().filter(|a| !matches!(a.answer, Answer::Draws { .. }));
    let told = lines.chain(asks.flat_map(|a| answer_told(program, &a.answer)));
    let told = told.filter(|t| t.engine != LEFT_OUT);
    told.map(|t| Work { vars: t.vars, engine: t.engine, kind: t.kind, normaliser: t.of == "log Z" }).collect()
}

fn block_json(program: &Program, sources: &Sources, told: &Told) -> Value {
    let variables: Vec<&str> = told.vars.iter().map(|&v| program.vars[v].name.as_str()).collect();
    let rejected: Vec<Value> =
        told.rejected.iter().map(|r| json!({ "engine": r.engine, "reason": refusal_text(sources, r) })).collect();
    json!({
        "variables": variables,
        "engine": told.engine,
        "kind": told.kind,
        "reason": told.reason,
        "cost": told.cost.map(|c| json!({ "flops": c.flops, "bytes": c.bytes })),
        "rejected": rejected,
    })
}

fn write_told(out: &mut String, program: &Program, sources: &Sources, told: &[Told], indent: &str) {
    for block in told {
        let vars = names(program, &block.vars);
        let of = if block.of.is_empty() { String::new() } else { format!("{}: ", block.of) };
        let _ = writeln!(out, "{indent}  {of}{vars} by {} {}", block.engine, block.kind);
        let _ = writeln!(out, "{indent}    because {}", block.reason);
        if let Some(cost) = block.cost {
            let _ =
                writeln!(out, "{indent}    about {} flops and {} bytes a datum", round(cost.flops), round(cost.bytes));
        }
        for refusal in &block.rejected {
            let _ = writeln!(out, "{indent}    not {}: {}", refusal.engine, refusal_text(sources, refusal));
        }
    }
}

fn round(number: f64) -> String {
    match number {
        n if n < 1e4 => format!("{n:.0}"),
        n if n < 1e7 => format!("{:.1}k", n / 1e3),
        n if n < 1e10 => format!("{:.1}M", n / 1e6),
        n => format!("{:.1}G", n / 1e9),
    }
}

fn refusal_text(sources: &Sources, refusal: &Refusal) -> String {
    let place = refusal.reason.at.map(|span| place_text(sources, span)).unwrap_or_default();
    let mend = refusal.mend.as_ref().map(|m| format!("; it would with {m}")).unwrap_or_default();
    format!("{}{place}{mend}", refusal.reason.text)
}

fn place_text(sources: &Sources, span: Span) -> String {
    let (line, _) = sources.file(span.file).line_column(span.start);
    let text = sources.text(span);
    let first = text.lines().next().unwrap_or("").trim();
    // A place in a file of the standard library is told with that file's name.
    let file = &sources.file(span.file).name;
    let of = if file.starts_with("stdlib/") { format!("{file}, ") } else { String::new() };
    format!(" ({of}line {line}: `{first}`)")
}

fn update_name(update: &Update) -> String {
    match update {
        Update::Em(_) => "expectation-maximisation".to_string(),
        Update::Gradient(Optimiser { rule, rate, decay }) => {
            let decay =
                if *decay > 0.0 { format!(", decay = {decay} on arrays of two or more axes") } else { String::new() };
            match rule {
                Rule::Sgd { momentum } => format!("sgd({rate}, momentum = {momentum}{decay})"),
                Rule::Adam { .. } => format!("adam({rate}{decay})"),
            }
        }
    }
}

fn block_told(of: &str, block: &Block) -> Told {
    Told {
        of: of.to_string(),
        vars: block.vars.clone(),
        engine: block.engine.name().to_string(),
        kind: block.kind.sign().to_string(),
        reason: block.reason.clone(),
        cost: block.cost,
        rejected: block.rejected.clone(),
    }
}

/// What is done about entries that a row lacks and on which nothing hangs.
const LEFT_OUT: &str = "leaving out what a row lacks";

fn partition_told(of: &str, partition: &Partition) -> Vec<Told> {
    let loose = Told {
        of: of.to_string(),
        vars: partition.loose.clone(),
        engine: LEFT_OUT.to_string(),
        kind: "=".to_string(),
        reason: "nothing hangs on them: where a row lacks an entry, its density integrates to 1".to_string(),
        cost: None,
        rejected: Vec::new(),
    };
    let blocks = partition.blocks.iter().map(|b| block_told(of, b));
    (!partition.loose.is_empty()).then_some(loose).into_iter().chain(blocks).collect()
}

fn normaliser_told(normaliser: &Normaliser) -> Vec<Told> {
    let base = |engine: String, kind: &str, cost: Option<Cost>| Told {
        of: "log Z".to_string(),
        vars: normaliser.vars.clone(),
        engine,
        kind: kind.to_string(),
        reason: normaliser.reason.clone(),
        cost,
        rejected: normaliser.rejected.clone(),
    };
    match &normaliser.how {
        Normalising::Exact(block) => {
            vec![base(block.engine.name().to_string(), block.kind.sign(), block.cost)]
        }
        Normalising::Annealed(annealing) => {
            let mut told = vec![base("annealed importance sampling".to_string(), "≈", None)];
            told.extend(annealing.summed.iter().map(|b| block_told("in each run", b)));
            told
        }
        Normalising::Contrastive { steps, hidden, chains, .. } => {
            let engine = match chains {
                None => format!("contrastive divergence CD-{steps}"),
                Some(chains) => format!("persistent contrastive divergence PCD-{steps}, {} chains", chains.count),
            };
            let given = if chains.is_some() { "where a chain stands" } else { "given the visible" };
            let mut told = vec![base(engine, "≈", None)];
            told.extend(hidden.iter().map(|b| block_told(given, b)));
            told
        }
    }
}

fn leaf_told(leaf: &Leaf) -> Vec<Told> {
    match leaf {
        Leaf::LogLik(plan) => {
            let mut told = partition_told("", &plan.clamped);
            if let Some(free) = &plan.free {
                told.extend(partition_told("log Z", free));
            }
            told.extend(plan.normalisers.iter().flat_map(normaliser_told));
            told.extend(plan.each.iter().map(|vars| Told {
                of: String::new(),
                vars: vars.clone(),
                engine: "pseudo-likelihood".to_string(),
                kind: "≈".to_string(),
                reason: "each entry is scored given all others, so that no log Z is needed".to_string(),
                cost: None,
                rejected: Vec::new(),
            }));
            if told.is_empty() {
                told.push(Told {
                    of: String::new(),
                    vars: plan.clamped.fixed.clone(),
                    engine: "direct".to_string(),
                    kind: "=".to_string(),
                    reason: "nothing is latent: the likelihood itself".to_string(),
                    cost: None,
                    rejected: Vec::new(),
                });
            }
            told
        }
        Leaf::Variational(plan) => std::iter::once(Told {
            of: String::new(),
            vars: plan.draws.iter().map(|d| d.0).collect(),
            engine: match plan.analytic.is_empty() {
                true if plan.draws.iter().all(|(_, how)| *how == Expectation::Enumerated) => {
                    "variational bound, summed over the guide's states".to_string()
                }
                true => "reparameterised variational bound".to_string(),
                false => "reparameterised variational bound, KL in closed form".to_string(),
            },
            kind: "≥".to_string(),
            reason: plan.reason.clone(),
            cost: None,
            rejected: plan.rejected.clone(),
        })
        .chain(plan.joint.iter().flat_map(|joint| {
            let below = partition_told("given the guide's", &joint.clamped);
            below.into_iter().chain(joint.normalisers.iter().flat_map(normaliser_told))
        }))
        .collect(),
        Leaf::GuideDensity { fixed, .. } => vec![Told {
            of: "guide".to_string(),
            vars: fixed.clone(),
            engine: "direct".to_string(),
            kind: "=".to_string(),
            reason: "every variable it reads is bound".to_string(),
            cost: None,
            rejected: Vec::new(),
        }],
    }
}

fn line_told(line: &LinePlan) -> Vec<Told> {
    match &line.objective {
        ObjectivePlan::Expression { leaves, .. } => leaves.iter().flat_map(leaf_told).collect(),
        ObjectivePlan::Layer(layer) => match &layer.machine {
            Machine::Group(normaliser) => normaliser_told(normaliser),
            Machine::Pair { visible, hidden, .. } => vec![Told {
                of: "layer".to_string(),
                vars: vec![*visible, *hidden],
                engine: format!("contrastive divergence CD-{}", layer.steps),
                kind: "≈".to_string(),
                reason: layer.reason.clone(),
                cost: None,
                rejected: Vec::new(),
            }],
        },
        ObjectivePlan::WakeSleep(plan) => {
            let mut told = vec![Told {
                of: String::new(),
                vars: plan.draws.clone(),
                engine: "wake-sleep".to_string(),
                kind: "≈".to_string(),
                reason: plan.reason.clone(),
                cost: None,
                rejected: plan.rejected.clone(),
            }];
            told.extend(plan.normalisers.iter().flat_map(normaliser_told));
            told
        }
    }
}

fn answer_told(program: &Program, answer: &Answer) -> Vec<Told> {
    let guide = |vars: Vec<VarId>, reason: &str| Told {
        of: String::new(),
        vars,
        engine: "guide".to_string(),
        kind: "≈".to_string(),
        reason: reason.to_string(),
        cost: None,
        rejected: Vec::new(),
    };
    match answer {
        Answer::Posterior { guided, draws, partition, .. } => {
            let mut told = Vec::new();
            if !guided.is_empty() {
                let reason =
                    format!("no exact engine reaches them; the answer is the mean over {draws} draws of the guide");
                told.push(guide(guided.clone(), &reason));
            }
            told.extend(partition_told("", partition));
            told
        }
        Answer::Conditionals { order, of_guide: true, .. } if order.len() == 1 => vec![Told {
            kind: "=".to_string(),
            ..guide(order.clone(), "the guide was asked, and says so without draws")
        }],
        Answer::Conditionals { order, of_guide: true, .. } => vec![guide(order.clone(), "the guide was asked")],
        Answer::Conditionals { order, .. } => vec![Told {
            engine: "direct".to_string(),
            kind: "=".to_string(),
            ..guide(order.clone(), "everything their conditionals read is fixed")
        }],
        Answer::Code { .. } => {
            vec![Told { engine: "direct".to_string(), kind: "=".to_string(), ..guide(Vec::new(), "the data tell it") }]
        }
        Answer::Value { leaves, .. } => leaves.iter().flat_map(leaf_told).collect(),
        Answer::LogZ(normaliser) => normaliser_told(normaliser),
        Answer::Compare { sides, truth } => {
            let one = |by: &str, plan: &AskPlan| {
                let by = by.to_string();
                answer_told(program, &plan.answer).into_iter().map(move |t| Told {
                    of: if t.of.is_empty() { by.clone() } else { format!("{by}, {}", t.of) },
                    ..t
                })
            };
            let planned = sides.iter().filter_map(|s| Some((s.by.as_str(), s.plan.as_deref().ok()?)));
            planned.chain(truth.as_deref().map(|t| ("held against", t))).flat_map(|(by, plan)| one(by, plan)).collect()
        }
        Answer::Draws { draws, .. } => {
            let first: Vec<VarId> =
                draws.posterior.iter().flat_map(|p| &p.blocks).flat_map(|b| b.vars.iter().copied()).collect();
            let known = |v: &VarId| draws.fixed.contains(v) || first.contains(v);
            let vars: Vec<VarId> = program.models[draws.model].vars.iter().copied().filter(|v| !known(v)).collect();
            let mut told: Vec<Told> =
                draws.posterior.iter().flat_map(|p| partition_told("drawn from the posterior", p)).collect();
            if vars.is_empty() {
                return told;
            }
            let sweeps = draws.gibbs.first().map(|g| g.1).or(draws.potentials.as_ref().map(|s| s.sweeps));
            let engine = match sweeps {
                Some(sweeps) if draws.gibbs.is_empty() => {
                    format!("block Gibbs({sweeps}) for potentials, then draws in order")
                }
                Some(sweeps) => format!("draws in order, block Gibbs({sweeps}) for undirected parts"),
                None => "draws in order".to_string(),
            };
            let kind = if sweeps.is_none() { "=" } else { "≈" };
            told.push(Told {
                of: String::new(),
                vars,
                engine,
                kind: kind.to_string(),
                reason: "parents come before children".to_string(),
                cost: None,
                rejected: Vec::new(),
            });
            told
        }
    }
}
