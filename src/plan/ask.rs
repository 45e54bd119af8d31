//! The choice for a question: an exact posterior, the guide where it must stand in, draws, or the value of an objective.

use std::collections::BTreeSet;

use super::choose::{Bound, bound_by, choose_leaf, objectives, tell_more};
use super::method::{GUIDE_DRAWS, Method, Schedule, read_method};
use super::plan::{Answer, AnswerShape, AskPlan, Engine, Kind, Leaf, NormaliserOf, Normalising, Partition, Side};
use super::rules::contrastive::{Undirected, choose_normaliser, find_undirected};
use super::rules::order::{guide_for, readable_guide_order};
use super::rules::partition::{choose_partition, names, refuse_coupled_groups, refuse_row_loops};
use crate::analysis::{Situation, find_components, find_pieces};
use crate::base::approximate::{Approximate, Gibbs};
use crate::diag::{Code, Diagnostic};
use crate::model::{
    Ask, Call, Domain, Evidence, EvidenceValue, FactorKind, Metric, ModelId, Moment, Objective, Program, Question,
    Subject, VarId, Verb, guide_order,
};

/// Joint states that a distribution is told of.
const JOINT_STATES: usize = 1 << 10;

/// What is latent beside the variables asked for, in the blocks that these lie in.
fn hidden(partition: &Partition, asked: &BTreeSet<VarId>) -> Vec<VarId> {
    let touched = partition.blocks.iter().filter(|b| b.vars.iter().any(|v| asked.contains(v)));
    touched.flat_map(|b| &b.vars).copied().filter(|v| !asked.contains(v)).collect()
}

/// Whether the posterior of a variable is a normal.
fn is_normal(partition: &Partition, var: VarId) -> bool {
    let of_var = |b: &&super::plan::Block| b.vars.contains(&var);
    let normal = |b: &super::plan::Block| matches!(&b.engine, Engine::Gaussian { kept, .. } if kept.is_empty());
    partition.blocks.iter().find(of_var).is_some_and(normal)
}

/// A posterior to be summed, after draws of the guide where there are any.
struct Posterior {
    guided: Vec<VarId>,
    draws: usize,
    partition: Partition,
}

/// Plans the answer to a question.
pub fn choose_ask(program: &Program, ask: &Ask) -> Result<AskPlan, Box<Diagnostic>> {
    if ask.verb == Verb::Compare {
        return choose_compare(program, ask);
    }
    let method = match ask.by.first() {
        None => None,
        Some(call) => Some(read_method(call)?),
    };
    let (Subject::Model(model) | Subject::Guide(model)) = ask.of else {
        return Err(Box::new(
            Diagnostic::at(Code::WrongKind, ask.span, "data cannot be asked").help("ask a model of it"),
        ));
    };
    refuse_coupled_groups(program, model, ask.span)?;
    refuse_row_loops(program, model, ask.span)?;
    if let Some(second) = ask.by.get(1) {
        return Err(Box::new(
            Diagnostic::at(Code::OverrideRefused, second.span, format!("`{}` has no part in this answer", second.name))
                .help("a question has one engine; several are put side by side by `compare`"),
        ));
    }
    if let (Some(method), Some(call)) = (&method, ask.by.first()) {
        check_method(ask, method, call)?;
    }
    if let (Some(_), true) = (ask.times, ask.verb != Verb::Sample) {
        return Err(Box::new(
            Diagnostic::at(Code::OverrideRefused, ask.span, "`times` says how many draws, and this draws nothing")
                .help("leave it out, or ask with `sample`"),
        ));
    }
    let chooser = Chooser { program, ask, model, method: method.as_ref() };
    chooser.check_subject()?;
    let (answer, kind) = chooser.choose(&ask.question, None)?;
    if ask.on.is_none() && chooser.needs_data(&answer) {
        return Err(Box::new(
            Diagnostic::at(Code::NothingBound, ask.span, format!("`{}` needs data to be asked on", ask.name))
                .help("add `on DATA` (or a split: `on DATA.test`)"),
        ));
    }
    Ok(AskPlan {
        verb: ask.verb,
        name: ask.name.clone(),
        of: ask.of,
        on: ask.on.clone(),
        row: ask.row,
        place: ask.place.clone(),
        answer,
        kind,
        span: ask.span,
    })
}

/// Plans one question for each engine named; an engine that has no plan says why in its place, unless none has one.
fn choose_compare(program: &Program, ask: &Ask) -> Result<AskPlan, Box<Diagnostic>> {
    let verb = match ask.question {
        Question::Value(_) | Question::Metric { .. } => Verb::Evaluate,
        _ => Verb::Query,
    };
    let by = |by: Vec<Call>| choose_ask(program, &Ask { verb, by, ..ask.clone() });
    let mut sides = Vec::new();
    for call in &ask.by {
        let plan = by(vec![call.clone()]).map(Box::new);
        if let Err(problem) = &plan
            && !matches!(problem.code, Code::NotSupported | Code::NoEngine | Code::TooExpensive | Code::OverrideRefused)
        {
            return Err(problem.clone());
        }
        sides.push(Side { by: call.to_string(), plan });
    }
    let Some(first) = sides.iter().find_map(|s| s.plan.as_deref().ok()).cloned() else {
        let told = sides.into_iter().find_map(|s| s.plan.err());
        return Err(told.unwrap_or_else(|| {
            Box::new(
                Diagnostic::at(Code::WrongArguments, ask.span, "nothing is compared here")
                    .help("name engines: `by exact, loopy_bp, mean_field, gibbs(1000)`"),
            )
        }));
    };
    let kinds = || sides.iter().filter_map(|s| s.plan.as_deref().ok()).map(|p| p.kind);
    let truth = match kinds().any(|k| k == Kind::Exact) {
        true => None,
        false => by(Vec::new()).ok().filter(|p| p.kind == Kind::Exact).map(Box::new),
    };
    let kind = kinds().fold(Kind::Exact, Kind::and);
    Ok(AskPlan { verb: ask.verb, answer: Answer::Compare { sides, truth }, kind, ..first })
}

/// Whether an engine asked for can answer such a question at all.
fn check_method(ask: &Ask, method: &Method, call: &crate::model::Call) -> Result<(), Box<Diagnostic>> {
    let exact = method.is_exact();
    let draws = ask.verb == Verb::Sample;
    let value = matches!(&ask.question, Question::Value(_) | Question::LogZ(_));
    let sums = !matches!(&ask.question, Question::Value(e) if !objectives(e).iter().all(|o| {
        matches!(o, Objective::LogLik { .. } | Objective::LogDensity { .. })
    }));
    let fits = match method {
        Method::Approximate(Approximate::Gibbs(gibbs)) if draws => {
            if *gibbs != (Gibbs { sweeps: gibbs.sweeps, ..Gibbs::default() }) {
                return Err(Box::new(
                    Diagnostic::at(
                        Code::UnknownArgument,
                        call.span,
                        "draws by sweeps are told how many sweeps, and no more",
                    )
                    .help("write `gibbs(1000)`"),
                ));
            }
            true
        }
        Method::Approximate(Approximate::Gibbs(_)) if value && sums => {
            return Err(Box::new(
                Diagnostic::at(
                    Code::OverrideRefused,
                    call.span,
                    "Gibbs samples have marginals, and no likelihood or log Z",
                )
                .help("`loopy_bp` estimates it, `mean_field` bounds it from below"),
            ));
        }
        // A bound by the mean field that comes closest.
        Method::Approximate(Approximate::MeanField(_)) if value && is_bound(&ask.question) => true,
        Method::Annealing(_) => value && sums,
        Method::PseudoLikelihood => matches!(&ask.question, Question::Value(_)) && sums,
        Method::Approximate(near) if draws || !sums => {
            let what = if draws { "draws" } else { "bounds under a guide" };
            return Err(Box::new(
                Diagnostic::at(Code::NotSupported, call.span, format!("{what} by {} are not built yet", near.name()))
                    .help("leave it out: where no other engine applies, `ghmc` says so"),
            ));
        }
        Method::Approximate(_) => true,
        Method::Ancestral => draws,
        Method::Guide(_) => !value && !draws,
        _ => exact && (draws || sums),
    };
    if fits {
        return Ok(());
    }
    let help = match (draws, sums) {
        (true, _) => {
            "draws are made in order, `ancestral`, at once by an `exact` engine, or with `gibbs(1000)` for undirected parts"
        }
        (_, true) => {
            "an answer is made by `exact`, `closed_form`, `enumeration`, `forward_backward`, `junction_tree`, near enough by `loopy_bp`, `mean_field`, `gibbs(1000)`, a likelihood or log Z by `ais`, or by draws of a `guide`"
        }
        _ => "this is a bound under the guide, and no other engine has a part in it",
    };
    Err(Box::new(
        Diagnostic::at(Code::OverrideRefused, call.span, format!("`{}` does not answer this", call.name)).help(help),
    ))
}

/// Whether the question is for a bound alone, without weights.
fn is_bound(question: &Question) -> bool {
    let Question::Value(expr) = question else { return false };
    objectives(expr).iter().all(|o| matches!(o, Objective::Bound { kl_weight: None, .. }))
}

/// All that counts in a model with potentials of its own, as one part: log Z is that of everything, and what is distributed below sums
/// to one.
fn find_own<'a>(program: &Program, situation: &Situation<'a>) -> Option<Undirected<'a>> {
    let pieces = find_pieces(situation);
    pieces.iter().find(|p| p.factor.targets().is_empty())?;
    let vars = find_components(situation).into_iter().flat_map(|c| c.vars).collect();
    let name = program.models[situation.model].name.clone();
    Some(Undirected { of: NormaliserOf::Model, name, vars, pieces })
}

/// What a question is put to, and the engine that it names.
pub(super) struct Chooser<'a> {
    pub program: &'a Program,
    pub ask: &'a Ask,
    pub model: ModelId,
    pub method: Option<&'a Method>,
}

impl Chooser<'_> {
    /// A guide has conditionals and no likelihood, bound or partition of its own.
    fn check_subject(&self) -> Result<(), Box<Diagnostic>> {
        let of_model = match &self.ask.question {
            Question::Value(_) | Question::LogZ(_) => true,
            Question::Probability { .. } => self.ask.verb == Verb::Sample,
            _ => false,
        };
        if of_model && matches!(self.ask.of, Subject::Guide(_)) {
            return Err(Box::new(
                Diagnostic::at(Code::WrongKind, self.ask.span, "this is asked of a model, and a guide is none")
                    .help("ask the model itself; of a guide ask `P`, `mean` or `argmax`"),
            ));
        }
        Ok(())
    }

    /// What an engine cannot be asked, whichever it is.
    pub(super) fn check_targets(
        &self,
        targets: &[(VarId, Option<usize>)],
        shape: AnswerShape,
        evidence: &[Evidence],
    ) -> Result<(), Box<Diagnostic>> {
        let program = self.program;
        let refuse =
            |text: String, help: &str| Err(Box::new(Diagnostic::at(Code::WrongKind, self.ask.span, text).help(help)));
        for &(var, state) in targets {
            let declared = &program.vars[var];
            let name = &declared.name;
            if matches!(shape, AnswerShape::JointArgmax | AnswerShape::EachArgmax) && !declared.domain.is_discrete() {
                return refuse(format!("`{name}` has no states to choose among"), "ask for its `mean`");
            }
            if shape == AnswerShape::Distribution && !declared.domain.is_discrete() {
                return refuse(
                    format!("the distribution of the number `{name}` cannot be printed"),
                    "ask for its `mean`, or draw it: `sample NAME = P(..)`",
                );
            }
            if state.is_some() && !declared.axes().is_empty() {
                return refuse(
                    format!("`{name}` has many entries, and one state is asked for"),
                    "ask for `P` of it whole",
                );
            }
        }
        for fixed in evidence {
            let name = &program.vars[fixed.var].name;
            if let EvidenceValue::Answer(_) | EvidenceValue::Line { .. } = fixed.value {
                return Err(Box::new(
                    Diagnostic::at(
                        Code::NotSupported,
                        self.ask.span,
                        format!("fixing `{name}` to the answer of another question is not built yet"),
                    )
                    .help("ask the other question first, and write its answer here"),
                ));
            }
        }
        Ok(())
    }

    fn needs_data(&self, answer: &Answer) -> bool {
        let bound = |evidence: &[Evidence]| evidence.iter().any(|e| e.value == EvidenceValue::Bound);
        match answer {
            Answer::Posterior { evidence, metric, .. } | Answer::Conditionals { evidence, metric, .. } => {
                metric.is_some() || bound(evidence)
            }
            Answer::Value { .. } | Answer::Code { .. } => true,
            Answer::Draws { evidence, .. } => bound(evidence),
            Answer::LogZ(_) | Answer::Compare { .. } => false,
        }
    }

    fn choose(&self, question: &Question, metric: Option<(Metric, VarId)>) -> Result<(Answer, Kind), Box<Diagnostic>> {
        let span = self.ask.span;
        match question {
            Question::Probability { targets, evidence } if self.ask.verb == Verb::Sample => {
                self.choose_draws(&targets.iter().map(|t| t.0).collect::<Vec<_>>(), evidence)
            }
            Question::Probability { targets, evidence } => {
                self.choose_posterior(targets.clone(), AnswerShape::Distribution, evidence, metric)
            }
            Question::Argmax { targets, each, evidence } => {
                // The likeliest state of one place has the largest marginal there.
                let each = *each || self.ask.place.is_some();
                let shape = if each { AnswerShape::EachArgmax } else { AnswerShape::JointArgmax };
                self.choose_posterior(targets.iter().map(|&v| (v, None)).collect(), shape, evidence, metric)
            }
            Question::Mean { targets, evidence, moment } => {
                let shape = match moment {
                    Moment::Mean => AnswerShape::Mean,
                    Moment::Sd => AnswerShape::Sd,
                    Moment::Var => AnswerShape::Var,
                };
                self.choose_posterior(targets.iter().map(|&v| (v, None)).collect(), shape, evidence, metric)
            }
            Question::Metric { metric, truth, prediction } => match prediction.as_ref() {
                Question::Argmax { .. } | Question::Mean { .. } => self.choose(prediction, Some((*metric, *truth))),
                Question::Value(expr) if matches!(metric, Metric::Retrieval { .. }) => {
                    let bound = match &self.ask.on {
                        Some(on) => bound_by(self.program, self.model, on.data),
                        None => Bound::default(),
                    };
                    if let Some(read) = expr.reads().iter().find(|r| !bound.contains(&r.var)) {
                        let text = format!("the data do not tell `{}`", self.program.vars[read.var].name);
                        return Err(Box::new(
                            Diagnostic::at(Code::NothingBound, read.span, text)
                                .help("ask for its `mean` given what they tell"),
                        ));
                    }
                    Ok((Answer::Code { expr: expr.clone(), metric: (*metric, *truth) }, Kind::Exact))
                }
                _ => Err(Box::new(
                    Diagnostic::at(Code::WrongKind, span, "a measure compares the truth with one prediction a row")
                        .help(format!("write `{}(y, argmax(y | x))`", metric.name())),
                )),
            },
            Question::Value(expr) => {
                let bound = match &self.ask.on {
                    Some(on) => bound_by(self.program, self.model, on.data),
                    None => Bound::default(),
                };
                let mut leaves = Vec::new();
                let mut kind = Kind::Exact;
                for objective in objectives(expr) {
                    let leaf = choose_leaf(self.program, objective, &bound, self.method, false, span)?;
                    kind = kind.and(match &leaf {
                        Leaf::LogLik(plan) => match plan.kind {
                            Some(kind) => kind,
                            None => {
                                let name = plan.normalisers.first().map_or("it", |n| n.name.as_str()).to_string();
                                return Err(Box::new(
                                    Diagnostic::at(
                                        Code::TooExpensive,
                                        span,
                                        format!("the log-partition of {name} has only a gradient by chains, and the likelihood with it"),
                                    )
                                    .help("leave out `by`, or estimate it: `by ais`"),
                                ));
                            }
                        },
                        // With a smaller weight on the divergence it bounds nothing.
                        Leaf::Variational(plan) => match plan.kl_weight {
                            Schedule::Constant(weight) if weight >= 1.0 && !plan.is_estimated() => Kind::LowerBound,
                            _ => Kind::Estimate,
                        },
                        Leaf::GuideDensity { .. } => Kind::Exact,
                    });
                    leaves.push(leaf);
                }
                let is_bare = matches!(&expr.node, crate::model::Node::Objective(_));
                if kind == Kind::LowerBound && !is_bare {
                    kind = Kind::Estimate;
                }
                Ok((Answer::Value { expr: expr.clone(), leaves }, kind))
            }
            Question::LogZ(name) => self.choose_log_z(name.as_deref()),
        }
    }

    fn choose_log_z(&self, name: Option<&str>) -> Result<(Answer, Kind), Box<Diagnostic>> {
        let empty = BTreeSet::new();
        let all: BTreeSet<VarId> = self.program.models[self.model].vars.iter().copied().collect();
        let span = self.ask.span;
        let situation = Situation::new(self.program, self.model, &all);
        let mut parts = find_undirected(&situation);
        let none = BTreeSet::new();
        let alone = Situation::new(self.program, self.model, &none);
        let own = parts.is_empty() && name.is_none();
        if own {
            parts.extend(find_own(self.program, &alone));
        }
        let situation = if own { alone } else { situation };
        let part = match (name, parts.as_slice()) {
            (Some(name), _) => parts.iter().find(|p| p.name == name),
            (None, [] | [_]) => parts.first(),
            (None, several) => {
                let list = several.iter().map(|p| format!("`logZ({})`", p.name)).collect::<Vec<_>>().join(", ");
                return Err(Box::new(
                    Diagnostic::at(Code::WhichModel, span, "this model has several undirected parts")
                        .help(format!("ask for one: {list}")),
                ));
            }
        };
        let Some(part) = part else {
            return Err(Box::new(
                Diagnostic::at(Code::UnknownName, span, "there is no undirected part of that name")
                    .help("name it where it is used: `~ sub(..) as memory`"),
            ));
        };
        let normaliser = choose_normaliser(&situation, part, &empty, self.method, false, span)?;
        match normaliser.how {
            Normalising::Exact(ref block) => {
                let kind = block.kind;
                Ok((Answer::LogZ(normaliser), kind))
            }
            Normalising::Annealed(_) => Ok((Answer::LogZ(normaliser), Kind::Estimate)),
            Normalising::Contrastive { .. } => Err(Box::new(
                Diagnostic::at(Code::TooExpensive, span, "this log-partition has only its gradient")
                    .help("leave out `by`, or estimate it: `by ais`"),
            )),
        }
    }

    /// The answer that sums a posterior, some of it drawn by the guide first.
    fn summed(
        &self,
        posterior: Posterior,
        situation: &Situation<'_>,
        targets: Vec<(VarId, Option<usize>)>,
        shape: AnswerShape,
        evidence: &[Evidence],
        metric: Option<(Metric, VarId)>,
    ) -> Result<Answer, Box<Diagnostic>> {
        let Posterior { guided, draws, partition } = posterior;
        let shape = self.settle_argmax(shape, situation.asked, &partition)?;
        let asked: BTreeSet<VarId> = targets.iter().map(|t| t.0).collect();
        let joint = match shape == AnswerShape::JointArgmax && hidden(&partition, &asked).is_empty() {
            true => None,
            false => self.choose_joint(&targets, shape, situation)?,
        };
        let evidence = self.with_ports(evidence);
        Ok(Answer::Posterior { guided, draws, partition, joint, targets, shape, evidence, metric })
    }

    fn choose_posterior(
        &self,
        targets: Vec<(VarId, Option<usize>)>,
        shape: AnswerShape,
        evidence: &[Evidence],
        metric: Option<(Metric, VarId)>,
    ) -> Result<(Answer, Kind), Box<Diagnostic>> {
        let program = self.program;
        let numbers = targets.iter().all(|(v, _)| program.vars[*v].domain == Domain::Real);
        if numbers && matches!(shape, AnswerShape::JointArgmax | AnswerShape::EachArgmax) {
            // The best values of a normal are its mean.
            let refused = self.check_targets(&targets, shape, evidence).err();
            let found = match (self.choose_posterior(targets, AnswerShape::Mean, evidence, metric), &refused) {
                (Ok(found), _) => found,
                (Err(other), None) => return Err(other),
                (Err(_), Some(refused)) => return Err(refused.clone()),
            };
            return match (&found.0, refused) {
                (Answer::Posterior { guided, partition, targets, .. }, Some(refused))
                    if !guided.is_empty() || !targets.iter().all(|t| is_normal(partition, t.0)) =>
                {
                    Err(refused)
                }
                (Answer::Posterior { .. }, _) | (_, None) => Ok(found),
                (_, Some(refused)) => Err(refused),
            };
        }
        self.check_targets(&targets, shape, evidence)?;
        let declared = &program.models[self.model];
        let defined = declared.factors.iter().find(|f| {
            matches!(&f.kind, FactorKind::Deterministic { target, .. }
                if targets.iter().any(|t| t.0 == target.var) && !program.vars[target.var].domain.is_discrete())
        });
        let told = self.told(&targets, evidence);
        if told.is_some() && shape.is_spread() {
            return Err(Box::new(
                Diagnostic::at(
                    Code::WrongKind,
                    self.ask.span,
                    "this is computed from what is fixed, and has one value",
                )
                .help("ask for its `mean`"),
            ));
        }
        if let Some(order) = told {
            let evidence = self.with_ports(evidence);
            let (model, of_guide, draws) = (self.model, false, 1);
            return Ok((
                Answer::Conditionals { model, of_guide, order, draws, targets, shape, evidence, metric },
                Kind::Exact,
            ));
        }
        let undefined = defined.map(|factor| {
            Box::new(
                Diagnostic::at(
                    Code::NotSupported,
                    self.ask.span,
                    "the posterior of a continuous definition is built only where all it is computed from is fixed",
                )
                .label(factor.span, "a function of other variables")
                .help("fix these too, or ask for their posterior"),
            )
        });
        // A linear function of normals is one.
        let linear = (shape == AnswerShape::Mean || shape.is_spread()) && matches!(self.ask.of, Subject::Model(_));
        if let Some(problem) = undefined.as_ref().filter(|_| !linear) {
            return Err(problem.clone());
        }
        let cut: BTreeSet<VarId> = evidence.iter().filter(|e| e.intervention).map(|e| e.var).collect();
        let told = self.ask.on.as_ref().map(|on| bound_by(program, self.model, on.data).partial).unwrap_or_default();
        let some = |e: &&Evidence| e.value == EvidenceValue::Bound && !e.intervention && told.contains(&e.var);
        let partial: BTreeSet<VarId> = evidence.iter().filter(some).map(|e| e.var).collect();
        // A row that tells nothing has no answer, so that one partial variable by itself is known wherever it is asked on.
        let told: BTreeSet<VarId> = evidence.iter().map(|e| e.var).collect();
        let partial = if tell_more(program, &told, &partial) { &partial } else { &crate::analysis::NOTHING };
        let mut fixed: BTreeSet<VarId> = evidence.iter().map(|e| e.var).filter(|v| !partial.contains(v)).collect();
        let ports = declared.vars.iter().copied().filter(|&v| program.vars[v].given);
        fixed.extend(ports);
        if matches!(self.ask.of, Subject::Guide(_)) {
            return self.choose_guide(targets, shape, evidence, metric, &fixed);
        }
        let asked: BTreeSet<VarId> = targets.iter().map(|t| t.0).collect();
        let situation = Situation { program, model: self.model, fixed: &fixed, cut: &cut, asked: &asked, partial };
        let by_guide = matches!(self.method, Some(Method::Guide(_)));
        // A number whose conditional stands there as it is needs no sum over its values.
        let numbers = targets.iter().any(|(v, _)| !program.vars[*v].domain.is_discrete());
        if numbers
            && !shape.is_spread()
            && self.method.is_none_or(|m| *m == Method::Exact)
            && undefined.is_none()
            && let Some(order) = self.below(&targets, &fixed)
        {
            let evidence = self.with_ports(evidence);
            let (model, of_guide, draws) = (self.model, false, 1);
            return Ok((
                Answer::Conditionals { model, of_guide, order, draws, targets, shape, evidence, metric },
                Kind::Exact,
            ));
        }
        let not = match choose_partition(&situation, self.method) {
            Ok(partition) if undefined.is_some() && !targets.iter().all(|t| is_normal(&partition, t.0)) => None,
            Ok(_) if by_guide => None,
            Ok(partition) => {
                let kind = partition.marginals();
                let posterior = Posterior { guided: Vec::new(), draws: 1, partition };
                return Ok((self.summed(posterior, &situation, targets, shape, evidence, metric)?, kind));
            }
            Err(not) => Some(not),
        };
        if let Some(problem) = undefined {
            return Err(problem);
        }
        if let Some(order) = self.below(&targets, &fixed).filter(|_| !by_guide && !shape.is_spread()) {
            let evidence = self.with_ports(evidence);
            let (model, of_guide, draws) = (self.model, false, 1);
            return Ok((
                Answer::Conditionals { model, of_guide, order, draws, targets, shape, evidence, metric },
                Kind::Exact,
            ));
        }
        let unreached = || match &not {
            Some(not) => Box::new(not.diagnostic(program, self.ask.span)),
            None => Box::new(
                Diagnostic::at(Code::OverrideRefused, self.ask.span, "no guide draws anything for this answer")
                    .help("leave out `by guide`: an exact engine applies"),
            ),
        };
        let Some(guide) = declared.guide.as_ref().filter(|_| !self.method.is_some_and(Method::sums)) else {
            return Err(unreached());
        };
        let guided: Vec<VarId> =
            guide_order(&guide.factors, &fixed).into_iter().filter(|v| !asked.contains(v)).collect();
        if guided.is_empty() && by_guide {
            return Err(unreached());
        }
        let known: BTreeSet<VarId> = fixed.iter().chain(&guided).copied().collect();
        let readable = guide
            .factors
            .iter()
            .filter(|f| f.targets().iter().any(|t| guided.contains(t)))
            .all(|f| f.reads().iter().all(|r| known.contains(&r.var)));
        match choose_partition(&Situation { fixed: &known, ..situation }, self.method) {
            Ok(partition) if readable => {
                let posterior = Posterior { guided, draws: self.guide_draws(), partition };
                let situation = Situation { fixed: &known, ..situation };
                Ok((self.summed(posterior, &situation, targets, shape, evidence, metric)?, Kind::Estimate))
            }
            _ => Err(unreached()),
        }
    }

    /// Draws of a guide that the answer is the mean over.
    fn guide_draws(&self) -> usize {
        match self.method {
            Some(Method::Guide(draws)) => *draws,
            _ => GUIDE_DRAWS,
        }
    }

    /// The log-partition that gives each joint state of several targets its share.
    fn choose_joint(
        &self,
        targets: &[(VarId, Option<usize>)],
        shape: AnswerShape,
        situation: &Situation<'_>,
    ) -> Result<Option<Partition>, Box<Diagnostic>> {
        let program = self.program;
        let wanted = matches!(shape, AnswerShape::Distribution | AnswerShape::JointArgmax);
        if targets.len() < 2 || !wanted || !targets.iter().all(|t| self.is_single(t.0)) {
            return Ok(None);
        }
        let states = targets.iter().try_fold(1usize, |n, (v, _)| match program.vars[*v].domain {
            Domain::Cat(axis) => n.checked_mul(program.axes.extent(axis).unwrap_or(1)),
            _ => n.checked_mul(2),
        });
        if states.is_none_or(|n| n > JOINT_STATES) {
            return Err(Box::new(
                Diagnostic::at(
                    Code::TooExpensive,
                    self.ask.span,
                    format!("more than {JOINT_STATES} joint states are asked for"),
                )
                .help("ask for fewer variables at a time, or for the best state with `argmax`"),
            ));
        }
        if let Some(Method::Approximate(Approximate::Gibbs(_))) = self.method {
            return Err(Box::new(
                Diagnostic::at(
                    Code::NotSupported,
                    self.ask.span,
                    "joint distributions by Gibbs samples are not built yet",
                )
                .help("ask for one variable at a time"),
            ));
        }
        let fixed = situation.fixed.iter().copied().chain(targets.iter().map(|t| t.0)).collect();
        let none = BTreeSet::new();
        choose_partition(&Situation { fixed: &fixed, asked: &none, ..*situation }, self.method)
            .map(Some)
            .map_err(|not| Box::new(not.diagnostic(program, self.ask.span)))
    }

    /// Whether a variable is discrete and has one entry.
    fn is_single(&self, var: VarId) -> bool {
        let declared = &self.program.vars[var];
        declared.axes().is_empty() && declared.domain.is_discrete()
    }

    /// A joint maximum is over the targets, with every other latent variable summed out. Where nothing else is latent in a
    /// block, its best joint state is that; where a block has one target of one entry, the maximum of its marginal is; of few
    /// single variables it is the largest of their joint distribution.
    fn settle_argmax(
        &self,
        shape: AnswerShape,
        asked: &BTreeSet<VarId>,
        partition: &super::plan::Partition,
    ) -> Result<AnswerShape, Box<Diagnostic>> {
        if shape != AnswerShape::JointArgmax {
            return Ok(shape);
        }
        let program = self.program;
        let touched: Vec<_> = partition.blocks.iter().filter(|b| b.vars.iter().any(|v| asked.contains(v))).collect();
        let near = touched.iter().find(|b| matches!(b.engine, Engine::Approximate(_) | Engine::Settled { .. }));
        if near.is_none() && touched.iter().all(|b| b.vars.iter().all(|v| asked.contains(v))) {
            return Ok(AnswerShape::JointArgmax);
        }
        let single = |b: &&super::plan::Block| {
            let targets: Vec<VarId> = b.vars.iter().copied().filter(|v| asked.contains(v)).collect();
            matches!(targets.as_slice(), [one] if program.vars[*one].axes().iter().all(|a| b.plates.contains(a)))
        };
        if touched.iter().all(single) {
            return Ok(AnswerShape::EachArgmax);
        }
        if let Some(near) = near {
            let text = format!("the best joint state by {} is not built yet", near.engine.name());
            return Err(Box::new(
                Diagnostic::at(Code::NotSupported, self.ask.span, text)
                    .help("ask for `argmax_each`, or leave out `by`"),
            ));
        }
        if asked.iter().all(|&v| self.is_single(v)) {
            return Ok(AnswerShape::JointArgmax);
        }
        let others = hidden(partition, asked);
        Err(Box::new(
            Diagnostic::at(
                Code::NotSupported,
                self.ask.span,
                format!("the best joint state with {} summed out is not built yet", names(program, &others)),
            )
            .help("ask for every latent variable in one `argmax`, or for `argmax_each`"),
        ))
    }

    /// The targets, if each is a conditional that reads nothing but fixed variables and that nothing else depends on:
    /// what is asked of them is then asked of their conditionals.
    fn below(&self, targets: &[(VarId, Option<usize>)], fixed: &BTreeSet<VarId>) -> Option<Vec<VarId>> {
        let factors = &self.program.models[self.model].factors;
        let order: Vec<VarId> = targets.iter().map(|t| t.0).collect();
        let alone = order.iter().all(|var| {
            let touching: Vec<_> = factors.iter().filter(|f| f.scope().contains(var)).collect();
            matches!(touching.as_slice(), [f] if matches!(f.kind, FactorKind::Conditional { .. })
                && f.plates.is_empty()
                && f.reads().iter().all(|r| fixed.contains(&r.var)))
        });
        alone.then_some(order)
    }

    /// The targets, if each is defined by `=` from fixed variables alone: the posterior of each is all at its value.
    fn told(&self, targets: &[(VarId, Option<usize>)], evidence: &[Evidence]) -> Option<Vec<VarId>> {
        let declared = &self.program.models[self.model];
        let fixed = |var: &VarId| self.program.vars[*var].given || evidence.iter().any(|e| e.var == *var);
        let definitions = |var: VarId| {
            declared
                .factors
                .iter()
                .filter(move |f| matches!(&f.kind, FactorKind::Deterministic { target, .. } if target.var == var))
        };
        let mut open: Vec<VarId> = targets.iter().map(|t| t.0).collect();
        let order = open.clone();
        let mut seen: BTreeSet<VarId> = open.iter().copied().collect();
        while let Some(var) = open.pop() {
            let own = |f: &crate::model::Factor| match &f.kind {
                FactorKind::Deterministic { target, .. } => {
                    target.at.iter().all(|s| matches!(s, crate::model::Subscript::At { offset: 0, .. }))
                }
                _ => false,
            };
            // One that is defined place by place has no value as a whole.
            if definitions(var).count() != 1 || !definitions(var).all(own) {
                return None;
            }
            let reads: Vec<VarId> = definitions(var).flat_map(|f| f.reads()).map(|r| r.var).collect();
            open.extend(reads.into_iter().filter(|v| !fixed(v) && seen.insert(*v)));
        }
        Some(order)
    }

    /// Evidence with the model's `given` variables, which data must bind.
    pub(super) fn with_ports(&self, evidence: &[Evidence]) -> Vec<Evidence> {
        let declared = &self.program.models[self.model];
        let mut all = evidence.to_vec();
        for &var in &declared.vars {
            if self.program.vars[var].given && !all.iter().any(|e| e.var == var) {
                all.push(Evidence { var, value: EvidenceValue::Bound, intervention: false });
            }
        }
        all
    }

    fn choose_guide(
        &self,
        targets: Vec<(VarId, Option<usize>)>,
        shape: AnswerShape,
        evidence: &[Evidence],
        metric: Option<(Metric, VarId)>,
        fixed: &BTreeSet<VarId>,
    ) -> Result<(Answer, Kind), Box<Diagnostic>> {
        if shape.is_spread() {
            return Err(Box::new(
                Diagnostic::at(Code::NotSupported, self.ask.span, "how far a guide's values spread is not built yet")
                    .help("ask the model itself, or for a `mean`"),
            ));
        }
        let Some(guide) = &self.program.models[self.model].guide else {
            return Err(Box::new(
                Diagnostic::at(Code::NoEngine, self.ask.span, "this model has no guide").help("ask the model itself"),
            ));
        };
        let wanted = targets.iter().map(|t| t.0).collect();
        let guide = &guide_for(guide, &wanted, fixed);
        let order = readable_guide_order(self.program, guide, fixed, self.ask.span)?;
        if let Some((var, _)) = targets.iter().find(|(v, _)| !order.contains(v)) {
            return Err(Box::new(
                Diagnostic::at(
                    Code::NoEngine,
                    self.ask.span,
                    format!("the guide says nothing of `{}`", self.program.vars[*var].name),
                )
                .help("ask the model itself"),
            ));
        }
        let one = order.len() == 1;
        let refused = match self.method {
            Some(Method::Guide(_)) if one => Some("the guide's conditional answers as it stands, without draws"),
            Some(method) if method.sums() && !one => Some("this answer is a mean over draws of the guide"),
            _ => None,
        };
        if let Some(text) = refused {
            return Err(Box::new(
                Diagnostic::at(Code::OverrideRefused, self.ask.span, text)
                    .help("leave out `by`, or ask the model itself"),
            ));
        }
        let (kind, draws) = if one { (Kind::Exact, 1) } else { (Kind::Estimate, self.guide_draws()) };
        let evidence = self.with_ports(evidence);
        let (model, of_guide) = (self.model, true);
        Ok((Answer::Conditionals { model, of_guide, order, draws, targets, shape, evidence, metric }, kind))
    }
}
