//! What analysis finds for each training and each question: barren variables, components, chains, closed forms. In: a program and
//! its plan, which says what is fixed; out: plain data and its text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ghmc::analysis::{ChainFact, Component, Parts, Reason, Situation, find_chain, find_components, find_parts};
use ghmc::base::span::Sources;
use ghmc::model::{AxisId, Evidence, ModelId, Program, VarId};
use ghmc::plan::{Answer, Leaf, LinePlan, ObjectivePlan, Plan};
use serde::Serialize;

/// Facts about one model with some variables fixed.
#[derive(Serialize)]
pub struct Facts {
    /// What fixes them.
    pub of: String,
    /// The model's name.
    pub model: String,
    /// The fixed variables.
    pub fixed: Vec<String>,
    /// Latent variables that sum to one and drop out.
    pub barren: Vec<String>,
    /// What is left, parted.
    pub components: Vec<ComponentFacts>,
}

/// Facts about one component.
#[derive(Serialize)]
pub struct ComponentFacts {
    /// Its variables.
    pub variables: Vec<String>,
    /// The summands that touch it.
    pub summands: usize,
    /// Plates over which it repeats.
    pub plates: Vec<String>,
    /// log₂ of its joint states at one position of the plates; unknown where a size is.
    pub log2_states: Option<f64>,
    /// The plate it is a chain along, or why it is none.
    pub chain: Result<String, Reason>,
    /// Variables that can be summed in closed form given the others.
    pub summed: Vec<String>,
    /// The others, each with the statement that keeps it.
    pub kept: Vec<(String, Reason)>,
}

/// The facts of a program: one entry for each training and each question about a distribution.
pub fn find_facts(program: &Program, plan: &Plan) -> Vec<Facts> {
    let mut facts = Vec::new();
    for train in &plan.trains {
        let data = &program.data[train.on.data].name;
        let mut told: BTreeSet<(ModelId, Vec<VarId>)> = BTreeSet::new();
        for line in train.stages.iter().flat_map(|s| &s.lines) {
            for (model, fixed) in fixed_by(line) {
                if told.insert((model, fixed.clone())) {
                    let fixed = fixed.into_iter().collect();
                    let of = format!("train on {data}");
                    facts.push(facts_of(program, model, of, &fixed, &BTreeSet::new(), &BTreeSet::new()));
                }
            }
        }
    }
    for ask in &plan.asks {
        let Answer::Posterior { partition, targets, evidence, .. } = &ask.answer else { continue };
        let vars = |keep: &dyn Fn(&Evidence) -> bool| evidence.iter().filter(|e| keep(e)).map(|e| e.var).collect();
        let asked = targets.iter().map(|t| t.0).collect();
        let of = format!("{:?} {}", ask.verb, ask.name).to_lowercase();
        facts.push(facts_of(program, partition.model, of, &vars(&|_| true), &vars(&|e| e.intervention), &asked));
    }
    facts
}

/// What a training line fixes, a model each: likelihoods first with, then without what they condition on.
fn fixed_by(line: &LinePlan) -> Vec<(ModelId, Vec<VarId>)> {
    match &line.objective {
        ObjectivePlan::Expression { leaves, .. } => leaves
            .iter()
            .flat_map(|leaf| match leaf {
                Leaf::LogLik(plan) => {
                    let parts = [Some(&plan.clamped), plan.free.as_ref()];
                    parts.into_iter().flatten().map(|p| (p.model, p.fixed.clone())).collect()
                }
                Leaf::Variational(plan) => vec![(plan.model, plan.fixed.clone())],
                Leaf::GuideDensity { model, fixed, .. } => vec![(*model, fixed.clone())],
            })
            .collect(),
        ObjectivePlan::Layer(plan) => vec![(plan.model, plan.fixed.clone())],
        ObjectivePlan::WakeSleep(plan) => vec![(plan.model, plan.fixed.clone())],
    }
}

fn facts_of(
    program: &Program,
    model: ModelId,
    of: String,
    fixed: &BTreeSet<VarId>,
    cut: &BTreeSet<VarId>,
    asked: &BTreeSet<VarId>,
) -> Facts {
    let situation = Situation { program, model, fixed, cut, asked, partial: &ghmc::analysis::NOTHING };
    let names = |vars: &mut dyn Iterator<Item = VarId>| vars.map(|v| program.vars[v].name.clone()).collect();
    Facts {
        of,
        model: program.models[model].name.clone(),
        fixed: names(&mut fixed.iter().copied()),
        barren: names(&mut situation.barren().into_iter()),
        components: find_components(&situation).iter().map(|c| component_facts(program, c)).collect(),
    }
}

fn component_facts(program: &Program, component: &Component<'_>) -> ComponentFacts {
    let names = |vars: &[VarId]| vars.iter().map(|&v| program.vars[v].name.clone()).collect();
    let axis = |a: AxisId| program.axes[a].name.clone();
    let Parts { summed, why, .. } = find_parts(program, component);
    ComponentFacts {
        variables: names(&component.vars),
        summands: component.pieces.len(),
        plates: component.plates.iter().map(|&a| axis(a)).collect(),
        log2_states: component.log2_states(program, &component.vars),
        chain: find_chain(program, component).map(|ChainFact { along, .. }| axis(along)),
        summed: names(&summed),
        kept: why.into_iter().map(|(v, reason)| (program.vars[v].name.clone(), reason)).collect(),
    }
}

/// The facts for people.
pub fn facts_text(facts: &[Facts], sources: &Sources) -> String {
    let list = |names: &[String]| if names.is_empty() { "nothing".to_string() } else { names.join(", ") };
    let reason = |r: &Reason| match r.at {
        Some(span) => format!("{} (line {})", r.text, sources.file(span.file).line_column(span.start).0),
        None => r.text.clone(),
    };
    let mut out = String::new();
    for one in facts {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}, model {}: fixed {}", one.of, one.model, list(&one.fixed));
        if !one.barren.is_empty() {
            let _ = writeln!(out, "  barren: {}", list(&one.barren));
        }
        if one.components.is_empty() {
            let _ = writeln!(out, "  nothing latent is left");
        }
        for c in &one.components {
            let _ = writeln!(out, "  component {} with {} summands", list(&c.variables), c.summands);
            if !c.plates.is_empty() {
                let _ = writeln!(out, "    repeats over {}", list(&c.plates));
            }
            let states = c.log2_states.map_or("unknown, or not finite".to_string(), |n| format!("2^{n:.1}"));
            let _ = writeln!(out, "    joint states: {states}");
            let _ = match &c.chain {
                Ok(along) => writeln!(out, "    a chain along {along}"),
                Err(why) => writeln!(out, "    no chain: {}", reason(why)),
            };
            let _ = writeln!(out, "    summed in closed form: {}", list(&c.summed));
            for (name, why) in &c.kept {
                let _ = writeln!(out, "    not {name}: {}", reason(why));
            }
        }
    }
    out
}
