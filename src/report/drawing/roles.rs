//! What the plan says about variables: which the data shows, and which engine answers for the others.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::Seen;
use crate::model::{DataId, DataSource, Factor, FactorKind, ModelId, Program, Subject, Transform, VarId, Verb};
use crate::plan::{Answer, Leaf, Missing, Plan, Work, bound_by, works};

/// An engine in the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// Its name with the kind of its numbers before it.
    pub text: String,
    /// Whether it is that of a log-normaliser.
    pub normaliser: bool,
    /// The variables it answers for.
    pub vars: Vec<VarId>,
}

/// The roles of a model's variables.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    seen: BTreeMap<VarId, Seen>,
    /// The engines, in the order of the legend.
    pub engines: Vec<Engine>,
}

impl Roles {
    /// The roles of a model's variables.
    pub fn new(program: &Program, plan: &Plan, model: ModelId) -> Roles {
        let vars = &program.models[model].vars;
        let seen = seen(program, plan, model);
        let mut roles = Roles { seen, engines: Vec::new() };
        let mut claimed: BTreeSet<VarId> = BTreeSet::new();
        let built = works(program, plan).into_iter().filter(|w| w.engine != "direct");
        let (learning, asking) = unbuilt(program, plan, model);
        for work in learning.into_iter().chain(built).chain(asking) {
            let own: Vec<VarId> = work.vars.iter().copied().filter(|v| vars.contains(v)).collect();
            if own.is_empty() {
                continue;
            }
            if work.normaliser {
                roles.add_normaliser(&work, own);
                continue;
            }
            let fresh: Vec<VarId> = own.into_iter().filter(|v| roles.is_latent(*v) && claimed.insert(*v)).collect();
            if !fresh.is_empty() {
                roles.add(&work, fresh);
            }
        }
        roles
    }

    fn add(&mut self, work: &Work, vars: Vec<VarId>) {
        let text = format!("{} {}", work.kind, work.engine);
        match self.engines.iter_mut().find(|e| e.text == text && !e.normaliser) {
            Some(engine) => engine.vars.extend(vars),
            None => self.engines.push(Engine { text, normaliser: false, vars }),
        }
    }

    fn add_normaliser(&mut self, work: &Work, vars: Vec<VarId>) {
        // Variables are the same in training and in every question; what training does comes first and is what is shown.
        if !self.engines.iter().any(|e| e.normaliser && e.vars == vars) {
            let text = format!("{} {}", work.kind, work.engine);
            self.engines.push(Engine { text, normaliser: true, vars });
        }
    }

    /// How much of a variable is seen.
    pub fn seen(&self, var: VarId) -> Seen {
        self.seen.get(&var).copied().unwrap_or(Seen::Never)
    }

    fn is_latent(&self, var: VarId) -> bool {
        matches!(self.seen(var), Seen::Never | Seen::Partly)
    }

    /// The position of a variable's engine in the legend.
    pub fn tint(&self, var: VarId) -> Option<usize> {
        self.engines.iter().position(|e| !e.normaliser && e.vars.contains(&var))
    }

    /// The position of a normaliser's engine in the legend.
    pub fn normaliser(&self, vars: &[VarId]) -> Option<usize> {
        self.engines.iter().position(|e| e.normaliser && e.vars == vars)
    }
}

/// The engines that fit a model and are not built yet: of its training, and of its questions. Draws are left out, as they are of the
/// engines at work.
fn unbuilt(program: &Program, plan: &Plan, model: ModelId) -> (Vec<Work>, Vec<Work>) {
    let question = |m: &Missing| program.asks.iter().find(|a| m.what == format!("`{}`", a.name));
    let own = plan.missing.iter().filter(|m| m.model == model && m.names_engine());
    let drawn = |m: &&Missing| question(m).is_some_and(|ask| ask.verb == Verb::Sample);
    let (asking, learning): (Vec<&Missing>, Vec<&Missing>) =
        own.filter(|m| !drawn(m)).partition(|m| question(m).is_some());
    // What its parents define needs no engine.
    let all = &program.models[model];
    let guide = all.guide.iter().flat_map(|guide| &guide.factors);
    let defined: BTreeSet<VarId> = (all.factors.iter().chain(guide))
        .filter(|f| matches!(f.kind, FactorKind::Deterministic { .. }))
        .flat_map(Factor::targets)
        .collect();
    let work = |m: &Missing| Work {
        vars: m.vars.iter().copied().filter(|v| !defined.contains(v)).collect(),
        engine: format!("{}, not built yet", m.engine),
        kind: m.kind.sign().to_string(),
        normaliser: false,
    };
    (learning.into_iter().map(work).collect(), asking.into_iter().map(work).collect())
}

/// What the data shows of a model's variables: in training, or else in the questions about them. What is bound does not hang on
/// an engine being there.
fn seen(program: &Program, plan: &Plan, model: ModelId) -> BTreeMap<VarId, Seen> {
    let vars = &program.models[model].vars;
    let mut seen = BTreeMap::new();
    for train in program.trains.iter().filter(|t| t.models.contains(&model)) {
        let bound = bound_by(program, model, train.on.data);
        if bound.is_empty() {
            continue;
        }
        seen.clear();
        for var in bound {
            let partly = is_partly_revealed(program, train.on.data, &program.vars[var].name);
            seen.insert(var, if partly { Seen::Partly } else { Seen::Always });
        }
    }
    if seen.is_empty() {
        for ask in plan.asks.iter().filter(|a| a.on.is_some()) {
            let fixed = fixed(&ask.answer).into_iter().filter(|v| vars.contains(v));
            seen.extend(fixed.map(|v| (v, Seen::Always)));
        }
        for ask in program.asks.iter().filter(|a| a.of == Subject::Model(model) && a.verb != Verb::Sample) {
            if !plan.missing.iter().any(|m| m.what == format!("`{}`", ask.name)) {
                continue;
            }
            // What one question sums over is not shown as seen because another, or its measure, reads it off the data.
            let summed = |v: &VarId| plan.missing.iter().any(|m| m.model == model && m.vars.contains(v));
            let bound = ask.on.iter().flat_map(|on| bound_by(program, model, on.data));
            seen.extend(bound.filter(|v| !summed(v)).map(|v| (v, Seen::Always)));
        }
    }
    seen.extend(vars.iter().filter(|&&v| program.vars[v].given).map(|&v| (v, Seen::Given)));
    seen
}

/// The variables that an answer holds fixed.
fn fixed(answer: &Answer) -> Vec<VarId> {
    match answer {
        Answer::Posterior { partition, .. } => partition.fixed.clone(),
        Answer::Value { leaves, .. } => leaves
            .iter()
            .flat_map(|leaf| match leaf {
                Leaf::LogLik(plan) => plan.clamped.fixed.clone(),
                Leaf::Variational(plan) => plan.fixed.clone(),
                Leaf::GuideDensity { fixed, .. } => fixed.clone(),
            })
            .collect(),
        Answer::Conditionals { .. } | Answer::Code { .. } | Answer::Draws { .. } | Answer::LogZ(_) => Vec::new(),
        Answer::Compare { .. } => answer.parts().first().map_or(Vec::new(), |p| fixed(&p.answer)),
    }
}

fn is_partly_revealed(program: &Program, data: DataId, name: &str) -> bool {
    let mut at = Some(data);
    // A chain of data sets made of each other is no longer than there are data sets.
    for _ in 0..=program.data.ids().count() {
        let Some(id) = at else { return false };
        let set = &program.data[id];
        if let Some(binding) = set.bindings.iter().find(|b| b.name == name) {
            return matches!(binding.transform, Transform::Reveal { .. });
        }
        at = match &set.source {
            DataSource::Of(of) => Some(of.data),
            DataSource::Read { .. } | DataSource::Sample { .. } => None,
        };
    }
    false
}
