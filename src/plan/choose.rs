//! OPEN FIRST: the choice for every training line and every question of a file.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::choose_ask;
use super::method::{Batch, Method, Optimiser, Rule, Schedule, read_learning, read_optimiser, read_schedule};
use super::missing::{Missing, Unplanned, settle};
use super::overrides::check_overrides;
use super::plan::{
    Leaf, LinePlan, LogLikPlan, Normaliser, Normalising, ObjectivePlan, Partition, Plan, Refusal, StagePlan, TrainPlan,
    Update, partial_of,
};
use super::rules::em;
use super::rules::layer::choose_layer;
use super::rules::loglik::{NoLogLik, Request, choose_bound, choose_loglik};
use super::rules::partition::{refuse_coupled_groups, refuse_row_loops};
use super::rules::phases::choose_phases;
use super::rules::variational::choose_variational;
use super::warnings::warn;
use crate::analysis::Reason;
use crate::base::approximate::Approximate;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic, Problems};
use crate::model::{
    Ask, Binding, DataId, Expr, Factor, Group, Line, ModelId, Node, Objective, ParamId, Part, Program, Question, Stage,
    Subject, Train, Transform, Type, VarId,
};

/// Passes over the data where the file does not say.
const EPOCHS: usize = 50;
/// Steps on all rows where an exact gradient of few numbers is followed and the file does not say.
const STEPS: usize = 500;
/// So many numbers are few: a step on all rows costs little, and half a thousand of them come to rest.
const FEW: usize = 1000;
/// Rows a gradient step sees where the file does not say.
const BATCH: usize = 100;

/// Chooses an engine for everything the program asks for; what has none becomes a problem.
pub fn choose_plan(program: &Program, problems: &mut Problems) -> Plan {
    let mut plan = Plan::default();
    for train in &program.trains {
        match choose_train(program, train) {
            Ok(chosen) => plan.trains.push(chosen),
            Err((problem, line)) => {
                let model = line.map_or(train.models[0], |l| l.model);
                let unplanned = Unplanned {
                    what: format!("training `{}`", program.models[model].name),
                    model,
                    fixed: bound_by(program, model, train.on.data).vars,
                    learning: true,
                    objective: line.and_then(|l| l.objective.as_ref()),
                    by: line.map_or(&[], |l| &l.by),
                };
                match settle(program, unplanned, *problem) {
                    Ok(missing) => plan.missing.push(missing),
                    Err(problem) => problems.push(*problem),
                }
            }
        }
    }
    for ask in &program.asks {
        match choose_ask(program, ask) {
            Ok(chosen) => plan.asks.push(chosen),
            Err(problem) => match missing_answer(program, ask, *problem) {
                Ok(missing) => plan.missing.push(missing),
                Err(problem) => problems.push(*problem),
            },
        }
    }
    check_overrides(program, &plan, problems);
    warn(program, &plan, problems);
    plan
}

/// The engine that a question needs and that is not built yet; gives the problem back where none would do.
fn missing_answer(program: &Program, ask: &Ask, problem: Diagnostic) -> Result<Missing, Box<Diagnostic>> {
    let (Subject::Model(model) | Subject::Guide(model)) = ask.of else { return Err(Box::new(problem)) };
    let bound = ask.on.as_ref().map(|on| bound_by(program, model, on.data).vars).unwrap_or_default();
    let mut question = &ask.question;
    let mut truth = BTreeSet::new();
    while let Question::Metric { truth: of, prediction, .. } = question {
        truth.insert(*of);
        question = prediction;
    }
    let fixed = match question {
        Question::Probability { evidence, .. }
        | Question::Argmax { evidence, .. }
        | Question::Mean { evidence, .. } => evidence.iter().map(|e| e.var).collect(),
        _ => bound,
    };
    let unplanned = Unplanned {
        what: format!("`{}`", ask.name),
        model,
        fixed: fixed.difference(&truth).copied().collect(),
        learning: false,
        objective: if let Question::Value(expr) = &ask.question { Some(expr) } else { None },
        by: &ask.by,
    };
    settle(program, unplanned, problem)
}

/// The variables of a model that a data set binds.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    vars: BTreeSet<VarId>,
    /// Those of them that have no value in some rows, as far as is known.
    pub partial: BTreeSet<VarId>,
}

impl std::ops::Deref for Bound {
    type Target = BTreeSet<VarId>;

    fn deref(&self) -> &BTreeSet<VarId> {
        &self.vars
    }
}

impl IntoIterator for Bound {
    type Item = VarId;
    type IntoIter = std::collections::btree_set::IntoIter<VarId>;

    fn into_iter(self) -> Self::IntoIter {
        self.vars.into_iter()
    }
}

impl Bound {
    /// Those of some models, by name.
    fn of(program: &Program, models: impl Iterator<Item = ModelId>, data: DataId) -> Bound {
        let names = bound_names(program, data);
        let mut bound = Bound::default();
        for var in models.flat_map(|m| program.models[m].vars.iter().copied()) {
            let Some(&partial) = names.get(program.vars[var].name.as_str()) else { continue };
            bound.vars.insert(var);
            if partial && !program.vars[var].given {
                bound.partial.insert(var);
            }
        }
        bound
    }

    /// Those of one model.
    fn within(&self, program: &Program, model: ModelId) -> Bound {
        let own = |vars: &BTreeSet<VarId>| vars.iter().copied().filter(|&v| program.vars[v].model == model).collect();
        Bound { vars: own(&self.vars), partial: own(&self.partial) }
    }
}

/// The variables of a model that a data set binds, by name.
pub fn bound_by(program: &Program, model: ModelId, data: DataId) -> Bound {
    Bound::of(program, std::iter::once(model), data)
}

/// The names that a data set binds, and whether values are missing there in some rows.
fn bound_names(program: &Program, data: DataId) -> BTreeMap<&str, bool> {
    use crate::model::DataSource;
    let declared = &program.data[data];
    let mut names: BTreeMap<&str, bool> = match &declared.source {
        DataSource::Of(of) => bound_names(program, of.data),
        DataSource::Sample { model, .. } if declared.bindings.is_empty() => {
            program.models[*model].vars.iter().map(|&v| (program.vars[v].name.as_str(), false)).collect()
        }
        DataSource::Sample { .. } | DataSource::Read { .. } => BTreeMap::new(),
    };
    let some = |b: &Binding| b.partial || matches!(b.transform, Transform::Reveal { .. });
    names.extend(declared.bindings.iter().map(|b| (b.name.as_str(), some(b))));
    names
}

/// Whether a row that lacks some entries of `partial` may tell others, of these variables or of `all` that are looked at.
pub fn tell_more(program: &Program, all: &BTreeSet<VarId>, partial: &BTreeSet<VarId>) -> bool {
    all.len() > 1 || partial.iter().any(|&v| !program.vars[v].axes().is_empty())
}

/// Refuses what has no value in some rows where only a likelihood could sum over it.
fn refuse_partial(program: &Program, model: ModelId, bound: &Bound, at: Span) -> Result<(), Box<Diagnostic>> {
    let own = bound.within(program, model);
    let scored = own.iter().filter(|&&v| !program.vars[v].given).count();
    match own.partial.first() {
        // A row in which nothing is told is left out.
        Some(&var) if scored > 1 => Err(Box::new(
            Diagnostic::at(
                Code::NotSupported,
                at,
                format!("a bound on rows without `{}` beside rows with it is not built yet", program.vars[var].name),
            )
            .help("learn from the complete rows alone, or leave the variable unbound; a likelihood sums over it"),
        )),
        _ => Ok(()),
    }
}

/// What a training line could not be planned for.
type Unfit<'a> = (Box<Diagnostic>, Option<&'a Line>);

fn choose_train<'a>(program: &Program, train: &'a Train) -> Result<TrainPlan, Unfit<'a>> {
    let mut models: BTreeSet<ModelId> = train.models.iter().copied().collect();
    for line in train.stages.iter().flat_map(|s| &s.lines) {
        models.insert(line.model);
        models.extend(line.objective.iter().flat_map(objectives).flat_map(models_of));
    }
    for &model in &models {
        refuse_coupled_groups(program, model, train.span).map_err(|p| (p, None))?;
        refuse_row_loops(program, model, train.span).map_err(|p| (p, None))?;
    }
    let bound = Bound::of(program, models.iter().copied(), train.on.data);
    let mut stages = Vec::new();
    for stage in &train.stages {
        stages.push(choose_stage(program, stage, &bound)?);
    }
    let lines = stages.iter().flat_map(|s: &StagePlan| &s.lines);
    let partial: BTreeSet<VarId> = lines
        .filter_map(|l| if let ObjectivePlan::Expression { leaves, .. } = &l.objective { Some(leaves) } else { None })
        .flat_map(|leaves| partial_of(leaves))
        .collect();
    let partial = partial.into_iter().collect();
    Ok(TrainPlan { on: train.on.clone(), bound: bound.iter().copied().collect(), partial, stages })
}

/// The models that an objective speaks of.
pub fn models_of(objective: &Objective) -> Vec<ModelId> {
    match objective {
        Objective::LogLik { model, .. } | Objective::Bound { model, .. } | Objective::ImportanceBound { model, .. } => {
            vec![*model]
        }
        Objective::LogDensity { of: subject, .. }
        | Objective::Part { of: subject, .. }
        | Objective::Expect { source: subject, .. } => subject.model().into_iter().collect(),
        Objective::Layer { model, .. } => vec![*model],
        Objective::Scheduled(_) => Vec::new(),
    }
}

fn choose_stage<'a>(program: &Program, stage: &'a Stage, bound: &Bound) -> Result<StagePlan, Unfit<'a>> {
    let mut lines = Vec::new();
    let mut batch: Option<(Batch, Span)> = None;
    let mut waiting = stage.lines.iter().peekable();
    while let Some(line) = waiting.next() {
        let phases = waiting.next_if(|next| are_phases(line, next)).is_some();
        let (chosen, rows) =
            choose_line(program, line, &stage.ties, phases, bound).map_err(|problem| (problem, Some(line)))?;
        if let (Some((before, first)), Some(now)) = (batch, rows)
            && before != now
        {
            let message = format!("the lines of a stage step together, with {before} rows or with {now}?");
            let problem = Diagnostic::at(Code::BadSchedule, line.span, message)
                .label(first, format!("`batch = {before}` here"))
                .help("give both the same `batch`, or each a stage of its own");
            return Err((Box::new(problem), None));
        }
        batch = batch.or(rows.map(|rows| (rows, line.span)));
        lines.push(chosen);
    }
    name_chains(&mut lines, batch.map(|(rows, _)| rows));
    let gentle = |line: &LinePlan| match &line.objective {
        ObjectivePlan::Expression { leaves, .. } => is_small(program, leaves, &line.group),
        ObjectivePlan::Layer(_) | ObjectivePlan::WakeSleep(_) => false,
    };
    let unsaid = stage.lines.iter().all(|l| l.with.is_none());
    let whole = unsaid && lines.iter().all(|l| !l.update.is_em() && gentle(l));
    let then = lines.iter().flat_map(|l| match &l.objective {
        ObjectivePlan::Layer(layer) => layer.then.clone(),
        ObjectivePlan::Expression { .. } | ObjectivePlan::WakeSleep(_) => Vec::new(),
    });
    let made = StagePlan {
        name: stage.name.clone(),
        batch: match batch {
            _ if whole || lines.iter().any(|l| l.update.is_em()) => None,
            None => Some(BATCH),
            Some((Batch::Rows(rows), _)) => Some(rows),
            Some((Batch::All, _)) => None,
        },
        then: then.collect(),
        lines,
        ties: stage.ties.clone(),
        inits: stage.inits.clone(),
        epochs: stage.epochs.unwrap_or(if whole { STEPS } else { EPOCHS }),
        patience: stage.patience.clone(),
    };
    verify_patience(&made).map_err(|p| (p, None))?;
    Ok(made)
}

/// Whether two lines are the phases of learning by each other's draws: the model on the guide's, then the guide on the model's.
fn are_phases(wake: &Line, sleep: &Line) -> bool {
    let of = |line: &Line| {
        let Some(Node::Objective(objective)) = line.objective.as_ref().map(|e| &e.node) else { return None };
        let Objective::Expect { body, source, draws: None, .. } = objective.as_ref() else { return None };
        match &body.node {
            Node::Objective(inner) => match inner.as_ref() {
                Objective::Part { of, part } => Some((*source, *of, *part)),
                _ => None,
            },
            _ => None,
        }
    };
    let (model, guide) = (Subject::Model(wake.model), Subject::Guide(wake.model));
    of(wake) == Some((guide, model, Part::Joint))
        && of(sleep) == Some((model, guide, Part::Latent))
        && wake.over == [Group::Model(wake.model)]
        && sleep.over == [Group::Guide(wake.model)]
        && wake.by.len() == sleep.by.len()
        && wake.by.iter().zip(&sleep.by).all(|(a, b)| a.says_as(b))
        && match (&wake.with, &sleep.with) {
            (Some(a), Some(b)) => a.says_as(b),
            (None, None) => true,
            _ => false,
        }
}

/// Tells the chains of a stage apart, and how many there are where the file does not say: as many as a step has rows.
fn name_chains(lines: &mut [LinePlan], batch: Option<Batch>) {
    let rows = match batch {
        Some(Batch::Rows(rows)) => rows,
        Some(Batch::All) | None => BATCH,
    };
    for (at, line) in lines.iter_mut().enumerate() {
        let ObjectivePlan::Expression { leaves, .. } = &mut line.objective else { continue };
        let sums = leaves.iter_mut().filter_map(|leaf| if let Leaf::LogLik(plan) = leaf { Some(plan) } else { None });
        for (number, normaliser) in sums.flat_map(|plan| &mut plan.normalisers).enumerate() {
            if let Normalising::Contrastive { chains: Some(chains), .. } = &mut normaliser.how {
                chains.name = format!("chains.{at}.{number}");
                if chains.count == 0 {
                    chains.count = rows;
                }
            }
        }
    }
}

/// Errors: a stage stops by an objective whose value nobody knows.
fn verify_patience(stage: &StagePlan) -> Result<(), Box<Diagnostic>> {
    match (&stage.patience, stage.lines.last()) {
        (Some((_, on)), Some(line)) if !line.objective.has_value() => Err(Box::new(
            Diagnostic::at(Code::BadSchedule, on.span, "`patience` watches an objective whose value is unknown")
                .label(line.span, "only its gradient is followed here")
                .help("say how long with `epochs`, or end the stage with a line whose value is known, such as a bound"),
        )),
        _ => Ok(()),
    }
}

/// Plans a line; with `phases`, it and the one that follows it as the two phases of learning by each other's draws.
fn choose_line(
    program: &Program,
    line: &Line,
    ties: &[(ParamId, ParamId)],
    phases: bool,
    bound: &Bound,
) -> Result<(LinePlan, Option<Batch>), Box<Diagnostic>> {
    let own = bound.within(program, line.model);
    let method = match line.by.as_slice() {
        [] => None,
        [one] => Some(read_learning(one)?),
        [_, second, ..] => {
            return Err(Box::new(
                Diagnostic::at(Code::BadSchedule, second.span, "a training line has one engine")
                    .help("alternate lines instead, one engine each"),
            ));
        }
    };
    let method = method.or(phases.then(|| Method::WakeSleep(Vec::new())));
    let (optimiser, batch) = match &line.with {
        None => (None, None),
        Some(call) => {
            let (optimiser, batch) = read_optimiser(call)?;
            (Some(optimiser), batch)
        }
    };
    if let Some(Node::Objective(objective)) = line.objective.as_ref().map(|e| &e.node)
        && let Objective::Layer { model, above } = objective.as_ref()
    {
        let steps = match &method {
            None => Schedule::Constant(1.0),
            Some(Method::Contrastive(contrast)) if contrast.chains.is_none() => contrast.steps.clone(),
            Some(_) => {
                let problem = Diagnostic::at(Code::NotSupported, line.span, "layers are learned by `cd(k)` so far");
                return Err(Box::new(problem.help("write `by cd(1)`")));
            }
        };
        let layer = choose_layer(program, *model, &own, above, &steps, line.span)?;
        let plan = LinePlan {
            group: restrict(program, &line.over, layer_params(program, &layer)),
            objective: ObjectivePlan::Layer(layer),
            update: Update::Gradient(optimiser.unwrap_or_else(contrastive_default)),
            reason: "contrastive divergence on the guide's means of what lies below".to_string(),
            span: line.span,
        };
        return Ok((plan, batch));
    }
    match &method {
        Some(Method::WakeSleep(parts)) => {
            if !phases && line.objective.is_some() {
                return Err(Box::new(
                    Diagnostic::at(Code::NotSupported, line.span, "this phase stands alone, without the other")
                        .help("let a line for the model on the guide's draws, `over model`, and one for the guide on the model's, `over guide`, follow each other"),
                ));
            }
            let plan = choose_phases(program, line.model, &own, parts, Vec::new(), line.span)?;
            return Ok((phases_line(program, line, plan, optimiser), batch));
        }
        Some(Method::Ancestral | Method::Guide(_) | Method::Annealing(_)) => {
            return Err(Box::new(
                Diagnostic::at(Code::OverrideRefused, line.span, "this engine makes answers and learns nothing")
                    .help("leave out `by`: `ghmc explain` says what is chosen"),
            ));
        }
        _ => {}
    }
    let (expr, leaves) = match &line.objective {
        Some(expr) => {
            let mut leaves = Vec::new();
            for objective in objectives(expr) {
                leaves.push(choose_leaf(program, objective, bound, method.as_ref(), true, line.span)?);
            }
            (expr.clone(), leaves)
        }
        None => match choose_default(program, line, &own, method.as_ref())? {
            Default::Leaf(expr, leaf) => (expr, vec![*leaf]),
            Default::WakeSleep(plan) => {
                return Ok((phases_line(program, line, *plan, optimiser), batch));
            }
        },
    };
    let all = leaves.iter().flat_map(|l| leaf_params(program, l)).chain(expr.params()).collect();
    let group = restrict(program, &line.over, all);
    if group.is_empty() {
        return Err(Box::new(
            Diagnostic::at(Code::NothingToLearn, line.span, "this objective depends on no parameter it may change")
                .help("name the right group after `over`, or declare a `param`"),
        ));
    }
    if let Some(method) = &method {
        check_part(method, &leaves, line.span)?;
    }
    let (update, reason) = choose_update(program, &leaves, &group, ties, method.as_ref(), optimiser, line.span)?;
    Ok((
        LinePlan { objective: ObjectivePlan::Expression { expr, leaves }, group, update, reason, span: line.span },
        batch,
    ))
}

/// Errors: an engine that was asked for has no part in any quantity of the objective.
fn check_part(method: &Method, leaves: &[Leaf], at: Span) -> Result<(), Box<Diagnostic>> {
    let mut sums = leaves.iter().filter_map(|leaf| if let Leaf::LogLik(plan) = leaf { Some(plan) } else { None });
    let text = match method {
        Method::Contrastive(_) if !sums.any(|plan| plan.normalisers.iter().any(is_contrastive)) => {
            "contrastive divergence learns undirected parts, and this objective has none to normalise"
        }
        Method::PseudoLikelihood if sums.next().is_none() => {
            "pseudo-likelihood scores entries in place of a likelihood, and there is none in this objective"
        }
        method if method.is_exact() && sums.next().is_none() => {
            "this objective sums nothing, so no engine has a part in it"
        }
        _ => return Ok(()),
    };
    Err(Box::new(Diagnostic::at(Code::OverrideRefused, at, text).help("leave out `by`")))
}

fn phases_line(
    program: &Program,
    line: &Line,
    plan: super::plan::WakeSleepPlan,
    optimiser: Option<Optimiser>,
) -> LinePlan {
    let model = &program.models[plan.model];
    let mut all: BTreeSet<ParamId> = model.factors.iter().flat_map(Factor::params).collect();
    if let Some(guide) = &model.guide {
        all.extend(guide.factors.iter().flat_map(Factor::params));
    }
    LinePlan {
        group: all.into_iter().collect(),
        reason: "wake: the model on the guide's draws; sleep: the guide on the model's".to_string(),
        objective: ObjectivePlan::WakeSleep(plan),
        update: Update::Gradient(optimiser.unwrap_or_else(contrastive_default)),
        span: line.span,
    }
}

/// The objectives inside an expression, in the order of reading.
pub fn objectives(expr: &Expr) -> Vec<&Objective> {
    let mut found = Vec::new();
    expr.visit(&mut |e| {
        if let Node::Objective(objective) = &e.node {
            found.push(objective.as_ref());
        }
    });
    found
}

/// Plans one model quantity.
pub fn choose_leaf(
    program: &Program,
    objective: &Objective,
    bound: &Bound,
    method: Option<&Method>,
    learning: bool,
    at: Span,
) -> Result<Leaf, Box<Diagnostic>> {
    match objective {
        Objective::LogLik { model, targets, given } => {
            Ok(Leaf::LogLik(loglik(program, *model, (targets, given), bound, method, learning, at)?))
        }
        Objective::LogDensity { of: Subject::Model(model), targets, given } => {
            Ok(Leaf::LogLik(loglik(program, *model, (targets, given), bound, method, learning, at)?))
        }
        Objective::LogDensity { of: Subject::Guide(model), targets, .. } => {
            let Some(guide) = &program.models[*model].guide else {
                return Err(Box::new(
                    Diagnostic::at(Code::NoEngine, at, "this model has no guide")
                        .help("write one, or leave this part out"),
                ));
            };
            let conditionals: Vec<usize> = (0..guide.factors.len())
                .filter(|&i| guide.factors[i].targets().iter().any(|t| targets.contains(t)))
                .collect();
            let fixed: BTreeSet<VarId> = conditionals.iter().flat_map(|&i| guide.factors[i].scope()).collect();
            if let Some(&latent) = fixed.iter().find(|v| !bound.contains(v)) {
                return Err(Box::new(
                    Diagnostic::at(
                        Code::NotSupported,
                        at,
                        "a guide's density at variables that are not bound is not built yet",
                    )
                    .label(program.vars[latent].span, "no data binds this"),
                ));
            }
            Ok(Leaf::GuideDensity { model: *model, conditionals, fixed: fixed.into_iter().collect() })
        }
        Objective::LogDensity { of: Subject::Data(_), .. } => Err(Box::new(
            Diagnostic::at(Code::NoEngine, at, "data has samples and no density").help("name a model or a guide"),
        )),
        Objective::Bound { model, kl_weight } => {
            refuse_partial(program, *model, bound, at)?;
            // Without a guide the mean field that comes closest to the posterior is one.
            if let (Some(Method::Approximate(Approximate::MeanField(settings))), None) = (method, kl_weight) {
                let found = request(program, *model, (&[], &[]), bound, None, learning, at)
                    .and_then(|request| choose_bound(&request, settings));
                return Ok(Leaf::LogLik(told(program, found, at)?));
            }
            let weight = match kl_weight {
                None => Schedule::Constant(1.0),
                Some(argument) => read_schedule(argument, at)?,
            };
            let own = bound.iter().copied().filter(|&v| program.vars[v].model == *model).collect();
            Ok(Leaf::Variational(choose_variational(program, *model, &own, weight, None, learning, at)?))
        }
        Objective::ImportanceBound { .. } => Err(Box::new(
            Diagnostic::at(Code::NotSupported, at, "the importance-weighted bound is understood but not built yet")
                .help("the bound of a single draw is"),
        )),
        Objective::Expect { body, .. } => Err(Box::new(
            Diagnostic::at(
                Code::NotSupported,
                body.span,
                "an expectation of this form is understood but not built yet",
            )
            .help("the likelihood and the bound under a guide are"),
        )),
        Objective::Part { .. } | Objective::Layer { .. } | Objective::Scheduled(_) => Err(Box::new(
            Diagnostic::at(Code::NotSupported, at, "this stands outside every expectation that an engine is built for")
                .help("the likelihood and the bound under a guide are built"),
        )),
    }
}

fn loglik(
    program: &Program,
    model: ModelId,
    scored: (&[VarId], &[VarId]),
    bound: &Bound,
    method: Option<&Method>,
    learning: bool,
    at: Span,
) -> Result<LogLikPlan, Box<Diagnostic>> {
    told(program, try_loglik(program, model, scored, bound, method, learning, at), at)
}

fn told(program: &Program, found: Result<LogLikPlan, NoLogLik>, at: Span) -> Result<LogLikPlan, Box<Diagnostic>> {
    found.map_err(|no| match no {
        NoLogLik::Posterior(not) => Box::new(not.diagnostic(program, at)),
        NoLogLik::Told(problem) => problem,
    })
}

fn try_loglik(
    program: &Program,
    model: ModelId,
    scored: (&[VarId], &[VarId]),
    bound: &Bound,
    method: Option<&Method>,
    learning: bool,
    at: Span,
) -> Result<LogLikPlan, NoLogLik> {
    choose_loglik(&request(program, model, scored, bound, method, learning, at)?)
}

/// What a likelihood of A given B is asked of, where data bind some variables.
fn request<'a>(
    program: &'a Program,
    model: ModelId,
    (targets, given): (&[VarId], &[VarId]),
    bound: &Bound,
    method: Option<&'a Method>,
    learning: bool,
    at: Span,
) -> Result<Request<'a>, NoLogLik> {
    let declared = &program.models[model];
    let ports = declared.vars.iter().copied().filter(|&v| program.vars[v].given);
    let b: BTreeSet<VarId> = given.iter().copied().chain(ports).collect();
    let a: BTreeSet<VarId> = match targets {
        [] => declared.vars.iter().copied().filter(|v| bound.contains(v)).collect(),
        some => some.iter().copied().collect(),
    };
    let partial: BTreeSet<VarId> = a.iter().copied().filter(|v| bound.partial.contains(v) && !b.contains(v)).collect();
    // Where nothing else is scored, a row without a value is left out.
    let partial = if tell_more(program, &(&a - &b), &partial) { partial } else { BTreeSet::new() };
    if let Some(&var) = b.iter().find(|v| bound.partial.contains(v)) {
        let name = &program.vars[var].name;
        let problem =
            Diagnostic::at(Code::NotSupported, at, format!("`{name}` is conditioned on and has no value in some rows"))
                .help("give it a distribution and leave it among what is scored: then it is summed over there");
        return Err(NoLogLik::Told(Box::new(problem)));
    }
    let fixed = a.union(&b).copied().filter(|v| !partial.contains(v)).collect();
    Ok(Request { program, model, fixed, partial, given: b, method, learning, at })
}

/// Whether a line without an objective of its own has no exact likelihood to raise, so that only a bound is left.
pub fn has_no_likelihood(program: &Program, line: &Line, bound: &Bound) -> bool {
    let found = try_loglik(program, line.model, (&[], &[]), bound, None, true, line.span);
    matches!(found, Err(NoLogLik::Posterior(_)))
}

enum Default {
    Leaf(Expr, Box<Leaf>),
    WakeSleep(Box<super::plan::WakeSleepPlan>),
}

/// The objective for a model when the file names none: the likelihood where it can be had, else a bound, else wake-sleep.
fn choose_default(
    program: &Program,
    line: &Line,
    bound: &Bound,
    method: Option<&Method>,
) -> Result<Default, Box<Diagnostic>> {
    let leaf = |objective: Objective, leaf: Leaf| {
        let ty = Type { axes: Vec::new(), domain: crate::model::Domain::Real };
        Default::Leaf(Expr { node: Node::Objective(Box::new(objective)), ty, span: line.span }, Box::new(leaf))
    };
    let model = line.model;
    match try_loglik(program, model, (&[], &[]), bound, method, true, line.span) {
        Ok(plan) => Ok(leaf(Objective::LogLik { model, targets: Vec::new(), given: Vec::new() }, Leaf::LogLik(plan))),
        Err(NoLogLik::Told(problem)) => Err(problem),
        Err(NoLogLik::Posterior(not)) => {
            refuse_partial(program, model, bound, line.span)?;
            if program.models[model].guide.is_none() {
                return Err(Box::new(not.diagnostic(program, line.span)));
            }
            let weight = Schedule::Constant(1.0);
            match choose_variational(program, model, bound, weight, Some(&not), true, line.span) {
                Ok(plan) => Ok(leaf(Objective::Bound { model, kl_weight: None }, Leaf::Variational(plan))),
                Err(_) => {
                    let plan = choose_phases(program, model, bound, &[], not.refusals, line.span)?;
                    Ok(Default::WakeSleep(Box::new(plan)))
                }
            }
        }
    }
}

/// EM where every M-step is closed, else a gradient; with the reason.
#[allow(clippy::too_many_arguments)]
fn choose_update(
    program: &Program,
    leaves: &[Leaf],
    group: &[ParamId],
    ties: &[(ParamId, ParamId)],
    method: Option<&Method>,
    optimiser: Option<Optimiser>,
    at: Span,
) -> Result<(Update, String), Box<Diagnostic>> {
    let only = match leaves {
        [Leaf::LogLik(plan)] => Some(plan),
        _ => None,
    };
    let wants_em = matches!(method, Some(Method::Em));
    let claim = match only {
        Some(plan) => em::claim(program, plan, group, ties),
        None => Err(Refusal {
            engine: "em",
            reason: Reason::of("the objective is not a single log-likelihood"),
            mend: None,
        }),
    };
    let gradient_asked = optimiser.is_some()
        || matches!(method, Some(Method::Gradient | Method::Contrastive(_) | Method::PseudoLikelihood));
    match claim {
        Ok((steps, reason)) if wants_em || !gradient_asked => Ok((Update::Em(steps), reason)),
        Err(refusal) if wants_em => {
            let mut problem =
                Diagnostic::at(Code::OverrideRefused, at, format!("EM does not apply: {}", refusal.reason.text));
            if let Some(span) = refusal.reason.at {
                problem = problem.label(span, "because of this");
            }
            Err(Box::new(problem.help("leave out `by em`: the gradient is exact as well")))
        }
        claim => {
            let contrastive = only.is_some_and(|p| p.normalisers.iter().any(is_contrastive));
            let tabular = group.iter().all(|&p| program.params[p].domain == crate::model::Domain::Simplex);
            let reason = match claim {
                Ok(_) => "a gradient was asked for; EM applies too".to_string(),
                Err(refusal) => format!("a gradient; no EM: {}", refusal.reason.text),
            };
            let default = || match (contrastive, tabular || is_small(program, leaves, group)) {
                (true, _) => contrastive_default(),
                (false, true) => adam(0.05),
                (false, false) => adam(1e-3),
            };
            Ok((Update::Gradient(optimiser.unwrap_or_else(default)), reason))
        }
    }
}

/// Whether an exact likelihood depends on few numbers.
fn is_small(program: &Program, leaves: &[Leaf], group: &[ParamId]) -> bool {
    let exact = |leaf: &Leaf| matches!(leaf, Leaf::LogLik(plan) if !plan.normalisers.iter().any(is_contrastive));
    let entries = |&p: &ParamId| program.extents(&program.params[p].axes).map(|e| e.iter().product::<usize>());
    let all: Option<usize> = group.iter().map(entries).sum();
    leaves.iter().all(exact) && all.is_some_and(|n| n <= FEW)
}

fn is_contrastive(normaliser: &Normaliser) -> bool {
    matches!(normaliser.how, Normalising::Contrastive { .. })
}

fn adam(rate: f64) -> Optimiser {
    Optimiser { rule: Rule::Adam { beta1: 0.9, beta2: 0.999 }, rate: Schedule::Constant(rate), decay: 0.0 }
}

/// Settings for contrastive divergence after Hinton 2010, "A practical guide", sections 7 to 10.
fn contrastive_default() -> Optimiser {
    Optimiser {
        rule: Rule::Sgd { momentum: Schedule::Ramp(0.5, 0.9, Some(5)) },
        rate: Schedule::Constant(0.1),
        decay: 2e-4,
    }
}

/// The parameters of `all` that a line may change.
fn restrict(program: &Program, over: &[Group], all: BTreeSet<ParamId>) -> Vec<ParamId> {
    if over.is_empty() {
        return all.into_iter().collect();
    }
    let allowed: BTreeSet<ParamId> = over.iter().flat_map(|g| group_params(program, g)).collect();
    all.into_iter().filter(|p| allowed.contains(p)).collect()
}

fn group_params(program: &Program, group: &Group) -> BTreeSet<ParamId> {
    match group {
        Group::Model(m) => program.models[*m].factors.iter().flat_map(Factor::params).collect(),
        Group::Guide(m) => program.models[*m].guide.iter().flat_map(|g| &g.factors).flat_map(Factor::params).collect(),
        Group::Net(n) => program.nets.get(*n).into_iter().flat_map(|n| n.params.iter().copied()).collect(),
        Group::Param(p) => BTreeSet::from([*p]),
    }
}

fn partition_params(program: &Program, partition: &Partition) -> BTreeSet<ParamId> {
    let factors = &program.models[partition.model].factors;
    let pieces = partition.settled.iter().chain(partition.blocks.iter().flat_map(|b| &b.pieces));
    pieces.flat_map(|p| factors[p.position].leaves().get(p.leaf).map(|f| f.params()).unwrap_or_default()).collect()
}

fn leaf_params(program: &Program, leaf: &Leaf) -> BTreeSet<ParamId> {
    match leaf {
        Leaf::LogLik(plan) => {
            let mut params = partition_params(program, &plan.clamped);
            if let Some(free) = &plan.free {
                params.extend(partition_params(program, free));
            }
            params
        }
        Leaf::Variational(plan) => {
            let model = &program.models[plan.model];
            let guide = model.guide.iter().flat_map(|g| &g.factors);
            model.factors.iter().chain(guide).flat_map(Factor::params).collect()
        }
        Leaf::GuideDensity { model, conditionals, .. } => {
            let guide = program.models[*model].guide.as_ref();
            conditionals.iter().filter_map(|&i| guide.map(|g| g.factors[i].params())).flatten().collect()
        }
    }
}

fn layer_params(program: &Program, layer: &super::plan::LayerPlan) -> BTreeSet<ParamId> {
    let model = &program.models[layer.model];
    match &layer.machine {
        super::plan::Machine::Pair { generative, recognition, .. } => {
            let mut params = model.factors[*generative].params();
            if let Some(guide) = &model.guide {
                params.extend(guide.factors[*recognition].params());
            }
            params
        }
        super::plan::Machine::Group(normaliser) => {
            normaliser.pieces.iter().flat_map(|p| model.factors[p.position].leaves()[p.leaf].params()).collect()
        }
    }
}
