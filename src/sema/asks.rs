//! Questions: what is asked, of which model, on which data, and what is held fixed. Also `infer`, `require` and `report`.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, AskKind, Condition, ExprKind};

use super::{Checker, library};

/// Words that begin a question.
const QUESTIONS: [&str; 14] = [
    "P",
    "argmax",
    "argmax_each",
    "mean",
    "sd",
    "variance",
    "error",
    "accuracy",
    "squared_error",
    "chunk_f1",
    "cluster_error",
    "retrieval",
    "loglik",
    "logZ",
];

/// Conditions of a question as they are gathered.
#[derive(Default)]
pub(super) struct Conditions {
    evidence: Vec<Evidence>,
    row: Option<usize>,
    /// The place that is asked for.
    place: Option<Place>,
    /// The first condition whose value the data must tell.
    pub(super) needs_data: Option<Span>,
    /// Whether that is a variable with axes, which no single value can be given.
    whole: bool,
}

impl Checker<'_> {
    /// One `query`, `evaluate`, `sample` or `compare`.
    pub fn ask_item(&mut self, item: &ast::Ask) -> Option<()> {
        let on = match &item.on {
            Some(path) => Some(self.data_ref(path)?),
            None => None,
        };
        let of = self.asked(item)?;
        let model = match of {
            Subject::Model(m) | Subject::Guide(m) => m,
            Subject::Data(_) => return None,
        };
        if let Some(on) = &on
            && self.comparable(model, on.data)
        {
            self.check_bound(model, on);
        }
        let mut conditions = Conditions::default();
        self.asked_on = on.as_ref().map(|on| on.data);
        let question = self.question(model, &item.value, &mut conditions);
        let by: Option<Vec<Call>> = item.by.iter().map(|e| self.algorithm(e)).collect::<Vec<_>>().into_iter().collect();
        let times = match &item.times {
            Some(n) => Some(self.count(n, "a number of times")?),
            None => None,
        };
        let mut question = question?;
        if let Some(on) = on.as_ref().filter(|_| conditions.row.is_some()) {
            self.clamp_row(model, on.data, &mut question);
        }
        if let (Some(span), None) = (conditions.needs_data, &on) {
            let diagnostic =
                Diagnostic::at(Code::BadEvidence, span, "the value of this comes from data, but no data are named");
            self.push(match conditions.row.is_some() {
                true => diagnostic.help("add `on DATA`: the row is one of its rows"),
                false if conditions.whole => diagnostic.help("add `on DATA` to take it from there"),
                false => diagnostic.help("add `on DATA` to take it from there, or give a single value: `x = ..`"),
            });
            return None;
        }
        let verb = match item.kind {
            AskKind::Query => Verb::Query,
            AskKind::Evaluate => Verb::Evaluate,
            AskKind::Sample => Verb::Sample,
            AskKind::Compare => Verb::Compare,
        };
        if conditions.place.is_some() {
            self.check_place(&question, verb == Verb::Sample, item.value.span)?;
        }
        if verb == Verb::Sample && !matches!(question, Question::Probability { .. }) {
            self.push(
                Diagnostic::at(Code::WrongKind, item.value.span, "a sample is drawn from a distribution")
                    .help("write `sample NAME = P(x | ..)`"),
            );
            return None;
        }
        self.program.asks.push(Ask {
            verb,
            name: item.name.text.clone(),
            question,
            of,
            on,
            row: conditions.row,
            place: conditions.place,
            by: by?,
            times,
            span: item.span,
        });
        Some(())
    }

    /// The models that a question without `of` may mean: those that no other is made of.
    fn askable(&self) -> Vec<(String, ModelId)> {
        let all = || self.model_ids.iter().map(|(name, &id)| (name.clone(), id));
        // Models of other files and models that others are made of are meant where there is nothing else.
        let here = |id: &ModelId| self.program.models[*id].span.file == self.file.file;
        let whole = |name: &String| !self.parts.contains(name);
        let own: Vec<(String, ModelId)> = all().filter(|(name, id)| here(id) && whole(name)).collect();
        let used: Vec<(String, ModelId)> = all().filter(|(name, _)| whole(name)).collect();
        match (own.is_empty(), used.is_empty()) {
            (false, _) => own,
            (true, false) => used,
            (true, true) => all().collect(),
        }
    }

    /// `| row 17` alone: all that the row holds of the model is known, but what is asked for.
    fn clamp_row(&self, model: ModelId, data: DataId, question: &mut Question) {
        let (targets, evidence): (Vec<VarId>, &mut Vec<Evidence>) = match question {
            Question::Probability { targets, evidence } => (targets.iter().map(|t| t.0).collect(), evidence),
            Question::Argmax { targets, evidence, .. } | Question::Mean { targets, evidence, .. } => {
                (targets.clone(), evidence)
            }
            Question::Metric { .. } | Question::Value(_) | Question::LogZ(_) => return,
        };
        if !evidence.is_empty() {
            return;
        }
        let bound = |name: &str| self.program.data[data].bindings.iter().any(|b| b.name == name);
        let known = self.program.models[model].vars.iter().copied();
        for var in known.filter(|v| !targets.contains(v) && bound(&self.program.vars[*v].name)) {
            evidence.push(Evidence { var, value: EvidenceValue::Bound, intervention: false });
        }
    }

    /// The model a question is put to.
    fn asked(&mut self, item: &ast::Ask) -> Option<Subject> {
        match item.of.as_slice() {
            [] => {
                let askable = self.askable();
                match (askable.first(), askable.get(1)) {
                    (Some(&(_, only)), None) => Some(Subject::Model(only)),
                    (None, _) => {
                        if self.models.is_empty() {
                            self.push(Diagnostic::at(Code::WhichModel, item.span, "there is no model to ask"));
                        }
                        None
                    }
                    _ => {
                        let list = askable.iter().map(|(n, _)| format!("`of {n}`")).collect::<Vec<_>>().join(", ");
                        self.push(
                            Diagnostic::at(
                                Code::WhichModel,
                                item.name.span,
                                format!("which model is `{}` asked of?", item.name.text),
                            )
                            .help(format!("the file has several: add {list}")),
                        );
                        None
                    }
                }
            }
            [one] => match &one.bare().kind {
                ExprKind::Path(path) => self.subject(path),
                _ => {
                    self.error(Code::WrongKind, one.span, "a model is meant here");
                    None
                }
            },
            [first, rest @ ..] => {
                // The objective names the others; here they are only held to be models.
                for other in rest {
                    if let ExprKind::Path(path) = &other.bare().kind {
                        self.subject(path)?;
                    }
                }
                match &first.bare().kind {
                    ExprKind::Path(path) => self.subject(path),
                    _ => None,
                }
            }
        }
    }

    pub(super) fn question(&mut self, model: ModelId, e: &ast::Expr, conditions: &mut Conditions) -> Option<Question> {
        let (name, args, given): (Option<&ast::Name>, &[ast::Arg], &[Condition]) = match &e.bare().kind {
            ExprKind::Call { callee, args, given } => (callee.name(), args, given),
            ExprKind::Path(path) => (path.single(), &[], &[]),
            _ => (None, &[], &[]),
        };
        let text = name.map_or("", |n| n.text.as_str());
        let metric = Metric::ALL.into_iter().find(|m| m.name() == text);
        if let Some(metric) = metric {
            return self.metric(model, metric, args, e.span, conditions);
        }
        match text {
            "P" => {
                let targets = self.targets(model, args, text, e.span, conditions)?;
                let evidence = self.conditions(model, given, conditions)?;
                self.disjoint(&targets.iter().map(|(v, _)| *v).collect::<Vec<_>>(), &evidence, e.span)?;
                Some(Question::Probability { targets, evidence })
            }
            "argmax" | "argmax_each" | "mean" | "sd" | "variance" => {
                let targets = self.targets(model, args, text, e.span, conditions)?;
                let evidence = self.conditions(model, given, conditions)?;
                if let Some(arg) = args.iter().zip(&targets).find(|(_, (_, state))| state.is_some()).map(|(a, _)| a) {
                    self.push(
                        Diagnostic::at(
                            Code::WrongArguments,
                            arg.span,
                            format!("`{text}` asks for variables, not for states"),
                        )
                        .help("write the name alone"),
                    );
                    return None;
                }
                let targets: Vec<VarId> = targets.into_iter().map(|(v, _)| v).collect();
                self.disjoint(&targets, &evidence, e.span)?;
                let moment = Moment::ALL.into_iter().find(|m| m.name() == text);
                Some(match moment {
                    Some(moment) => Question::Mean { targets, evidence, moment },
                    None => Question::Argmax { targets, each: text == "argmax_each", evidence },
                })
            }
            "logZ" => match args {
                [] => Some(Question::LogZ(None)),
                [arg] => {
                    let Some(part) = arg.value.name() else {
                        self.push(
                            Diagnostic::at(Code::WrongArguments, arg.span, "`logZ` takes the name of one part").help(
                                "write `logZ` for the whole model, or `logZ(memory)` for the part named so with `as`",
                            ),
                        );
                        return None;
                    };
                    let known: Vec<String> = self.program.models[model]
                        .factors
                        .iter()
                        .filter(|f| matches!(f.kind, FactorKind::Undirected { .. }))
                        .filter_map(|f| f.name.clone())
                        .collect();
                    if known.contains(&part.text) {
                        return Some(Question::LogZ(Some(part.text.clone())));
                    }
                    let diagnostic = Diagnostic::at(
                        Code::UnknownName,
                        part.span,
                        format!("no undirected part is called `{}`", part.text),
                    );
                    let list = known.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                    self.push(if list.is_empty() {
                        diagnostic.help("write `logZ` for the whole model")
                    } else {
                        diagnostic.help(format!("there is {list}"))
                    });
                    None
                }
                _ => {
                    self.error(Code::WrongArguments, e.span, "`logZ` takes the name of one part");
                    None
                }
            },
            _ => {
                if let Some(name) = name
                    && matches!(e.bare().kind, ExprKind::Call { .. })
                    && !matches!(text, "loglik" | "log")
                    && !self.objectives.contains_key(text)
                    && Function::ALL.iter().all(|f| f.name() != text)
                    && !self.nets.contains_key(text)
                {
                    let diagnostic =
                        Diagnostic::at(Code::UnknownFunction, name.span, format!("there is no question `{text}`"));
                    self.push(match (self.near(text, QUESTIONS), text) {
                        _ if library::mend(text).is_some() => diagnostic.help(library::mend(text).unwrap_or_default()),
                        (_, "sample" | "draw" | "simulate") => diagnostic.help("draws are asked for with `sample NAME = P(..) times 10`"),
                        (_, "map" | "MAP" | "mode" | "viterbi" | "max" | "predict") => diagnostic.help("the likeliest values are asked with `argmax(x | ..)`"),
                        (_, "expectation" | "avg" | "average") => diagnostic.help("a mean is asked with `mean(x | ..)`"),
                        (_, "mse" | "rmse" | "l2") => diagnostic.help("it is called `squared_error(x, mean(x | ..))`"),
                        (_, "f1" | "precision" | "recall" | "auc") => diagnostic.help("metrics are `error`, `accuracy`, `squared_error`, `chunk_f1` and `cluster_error`"),
                        (_, "perplexity" | "nll" | "evidence" | "marginal" | "likelihood") => diagnostic.help("the log-likelihood of data is asked with `evaluate NAME = loglik on DATA`"),
                        (_, "p" | "prob" | "Pr") => diagnostic.help("a probability is asked with `P(..)`"),
                        (Some(near), _) => diagnostic.help(format!("did you mean `{near}`?")),
                        _ => diagnostic.help("questions are `P`, `argmax`, `argmax_each`, `mean`, `sd`, `variance`, `error`, `accuracy`, `squared_error`, `chunk_f1`, `cluster_error`, `retrieval`, `loglik`, `logZ` and the objectives"),
                    });
                    return None;
                }
                let mend = "ask for a distribution, `P(x)`, for a `mean(x)`, or compare a truth with a prediction: `accuracy(y, argmax(y | x))`";
                self.row_value(model, e, "what is asked of data", mend).map(Question::Value)
            }
        }
    }

    fn metric(
        &mut self,
        model: ModelId,
        metric: Metric,
        args: &[ast::Arg],
        span: Span,
        conditions: &mut Conditions,
    ) -> Option<Question> {
        if matches!(metric, Metric::Retrieval { .. }) {
            return self.retrieval(model, args, span, conditions);
        }
        let [truth, prediction] = args else {
            let word = metric.name();
            self.push(
                Diagnostic::at(Code::WrongArguments, span, format!("`{word}` compares a truth with a prediction"))
                    .help(format!("write `{word}(y, argmax(y | x))`")),
            );
            return None;
        };
        let (whole, at) = match &truth.value.bare().kind {
            ExprKind::Index { base, .. } => (base.as_ref(), Some(self.place(model, &truth.value)?)),
            _ => (&truth.value, None),
        };
        let Some(name) = whole.name() else {
            self.push(
                Diagnostic::at(Code::WrongArguments, truth.span, "the truth is a variable that the data bind")
                    .help("the truth stands first, the prediction second: `error(y, argmax(y | x))`"),
            );
            return None;
        };
        let truth_var = match self.compared_column(model, name) {
            Some(column) => Some(column),
            None => self.variable(model, name),
        };
        let (guessed, place) = (prediction.span, truth.span);
        let prediction = self.question(model, &prediction.value, conditions)?;
        let truth_var = truth_var?;
        if at.as_ref().map(|p| &p.at) != conditions.place.as_ref().map(|p| &p.at) {
            self.push(
                Diagnostic::at(Code::WrongArguments, guessed, "truth and prediction are not of the same place")
                    .label(place, "this is the truth")
                    .help("write the same place on both sides: `error(s[3], argmax(s[3] | ..))`"),
            );
            return None;
        }
        conditions.needs_data.get_or_insert(truth.span);
        let domain = self.program.vars[truth_var].domain.clone();
        let predicted = match &prediction {
            Question::Argmax { targets, .. } | Question::Mean { targets, moment: Moment::Mean, .. } => targets.clone(),
            _ => {
                self.push(
                    Diagnostic::at(
                        Code::WrongArguments,
                        span,
                        "a prediction is an `argmax`, an `argmax_each` or a `mean`",
                    )
                    .help(format!("write `argmax({} | ..)`", name.text)),
                );
                return None;
            }
        };
        let [one] = predicted.as_slice() else {
            let message = format!("`{}` measures the prediction of one variable", metric.name());
            self.error(Code::WrongArguments, span, message);
            return None;
        };
        let (guess, is) = (&self.program.vars[*one], &self.program.vars[truth_var]);
        let kinds = match (metric, &guess.domain, &is.domain) {
            (Metric::ClusterError, Domain::Cat(_), Domain::Cat(_)) => true,
            (_, a, b) => a == b || metric == Metric::SquaredError && is_number(a) && is_number(b),
        };
        // A loop over the rows spells out the plate that every column has.
        let own = |v: &Var| -> Vec<AxisId> {
            v.axes().into_iter().filter(|a| self.program.axes[*a].kind != AxisKind::Rows).collect()
        };
        if own(guess) != own(is) || !kinds {
            let show = |v: &Var| super::show_type(&self.program, &v.domain, &v.axes());
            let (guessed, wanted, of) = (show(guess), show(is), guess.name.clone());
            let message = format!("the prediction is a `{guessed}`, and `{}` a `{wanted}`", name.text);
            let diagnostic = Diagnostic::at(Code::DomainsDisagree, span, message);
            self.push(match (&self.program.vars[*one].domain, &domain) {
                (Domain::Cat(_), Domain::Cat(_)) => diagnostic.help(format!(
                    "clusters are held against labels with `cluster_error({}, argmax({of} | ..))`",
                    name.text
                )),
                _ => diagnostic.help(format!("write `{}({}, argmax({} | ..))`", metric.name(), name.text, name.text)),
            });
            return None;
        }
        if !metric.covers(&domain) {
            let has = super::show_type(&self.program, &domain, &[]);
            self.push(
                Diagnostic::at(Code::DomainsDisagree, span, format!("`{}` does not measure a `{has}`", metric.name()))
                    .label(truth.span, format!("`{}` is a `{has}`", name.text))
                    .help("for labels take `error` or `accuracy`, for numbers `squared_error`"),
            );
            return None;
        }
        Some(Question::Metric { metric, truth: truth_var, prediction: Box::new(prediction) })
    }

    /// A column that no variable of the model is called like: a variable beside the model stands for it, so that predictions can be
    /// held against it.
    pub(super) fn compared_column(&mut self, model: ModelId, name: &ast::Name) -> Option<VarId> {
        if self.model_names.get(&model)?.names.contains_key(&name.text) {
            return None;
        }
        let data = self.asked_on?;
        let binding = self.program.data[data].bindings.iter().find(|b| b.name == name.text)?.clone();
        let before =
            self.program.vars.iter().find(|(_, v)| v.model == model && v.name == binding.name).map(|(id, _)| id);
        Some(before.unwrap_or_else(|| {
            self.program.vars.push(Var {
                name: binding.name,
                model,
                index: Vec::new(),
                event: binding.axes,
                domain: binding.domain,
                given: false,
                span: binding.span,
            })
        }))
    }

    fn targets(
        &mut self,
        model: ModelId,
        args: &[ast::Arg],
        question: &str,
        span: Span,
        conditions: &mut Conditions,
    ) -> Option<Vec<(VarId, Option<usize>)>> {
        if args.is_empty() {
            self.push(
                Diagnostic::at(Code::WrongArguments, span, format!("`{question}` does not say of what"))
                    .help(format!("name a variable: `{question}(x)` or `{question}(x | y = ..)`")),
            );
            return None;
        }
        let mut list = Vec::new();
        let mut failed = false;
        for arg in args {
            let target = match &arg.kind {
                ArgKind::Named(name) => self.variable(model, name).and_then(|var| {
                    let domain = self.program.vars[var].domain.clone();
                    let label = word(&arg.value);
                    let Some(label) = label else {
                        self.error(Code::BadEvidence, arg.value.span, "a state of the variable is meant here");
                        return None;
                    };
                    Some((var, Some(self.state(&domain, &label, arg.value.span)?)))
                }),
                ArgKind::Positional => match dotted(&arg.value) {
                    Some(name) => self.variable(model, &name).map(|v| (v, None)),
                    None if matches!(arg.value.bare().kind, ExprKind::Index { .. }) => {
                        self.place(model, &arg.value).map(|place| {
                            let var = place.var;
                            conditions.place = Some(place);
                            (var, None)
                        })
                    }
                    None => {
                        self.push(
                            Diagnostic::at(Code::WrongArguments, arg.span, "the name of a variable is meant here")
                                .help("ask for a variable, `P(y)`, or for one of its states, `P(y = 3)`"),
                        );
                        None
                    }
                },
                ArgKind::Splat => {
                    self.error(Code::WrongArguments, arg.span, "`..` has no place in a question");
                    None
                }
            };
            match target {
                // Places of one variable may be several, and are refused with a reason of their own.
                Some((var, _)) if conditions.place.is_none() && list.iter().any(|(v, _)| *v == var) => {
                    let name = self.program.vars[var].name.clone();
                    let place = list.iter().position(|(v, _)| *v == var).map_or(span, |at: usize| args[at].span);
                    self.push(
                        Diagnostic::at(Code::WrongArguments, arg.span, format!("`{name}` is asked for twice"))
                            .label(place, "asked for here")
                            .help("name each variable once"),
                    );
                    failed = true;
                }
                Some(target) => list.push(target),
                None => failed = true,
            }
        }
        (!failed).then_some(list)
    }

    fn conditions(
        &mut self,
        model: ModelId,
        given: &[Condition],
        conditions: &mut Conditions,
    ) -> Option<Vec<Evidence>> {
        let mut list: Vec<Evidence> = Vec::new();
        let mut failed = false;
        for condition in given {
            match condition {
                Condition::Row { number, span } => {
                    conditions.row = self.count(number, "a row");
                    conditions.needs_data.get_or_insert(*span);
                    failed |= conditions.row.is_none();
                }
                Condition::Arg(arg) => {
                    let inner = match &arg.value.bare().kind {
                        ExprKind::Call { callee, args, .. }
                            if arg.kind == ArgKind::Positional && callee.name().is_some_and(|n| n.text == "do") =>
                        {
                            for arg in args {
                                match self.evidence(model, arg, true, conditions) {
                                    Some(evidence) => list.push(evidence),
                                    None => failed = true,
                                }
                            }
                            continue;
                        }
                        _ => self.evidence(model, arg, false, conditions),
                    };
                    match inner {
                        Some(evidence) => {
                            if let Some(before) = list.iter().find(|e| e.var == evidence.var) {
                                let name = self.program.vars[before.var].name.clone();
                                self.push(
                                    Diagnostic::at(Code::BadEvidence, arg.span, format!("`{name}` is fixed twice"))
                                        .help("leave one of the two out"),
                                );
                                failed = true;
                            }
                            list.push(evidence);
                        }
                        None => failed = true,
                    }
                }
            }
        }
        conditions.evidence = list.clone();
        (!failed).then_some(list)
    }

    fn evidence(
        &mut self,
        model: ModelId,
        arg: &ast::Arg,
        intervention: bool,
        conditions: &mut Conditions,
    ) -> Option<Evidence> {
        match &arg.kind {
            ArgKind::Named(name) => {
                let var = self.variable(model, name)?;
                let (domain, axes) = (self.program.vars[var].domain.clone(), self.program.vars[var].axes());
                let value = &arg.value;
                if let ExprKind::Call { callee, args, .. } = &value.bare().kind {
                    let value = match callee.name().map(|n| n.text.as_str()) {
                        Some("line") => self.line(model, var, args, value.span, conditions)?,
                        _ => EvidenceValue::Answer(Box::new(self.inner_question(model, var, value, conditions)?)),
                    };
                    return Some(Evidence { var, value, intervention });
                }
                if word(value).is_some_and(|w| w == "each") {
                    if !domain.is_discrete() || !axes.is_empty() {
                        let (has, place) =
                            (super::show_type(&self.program, &domain, &axes), self.program.vars[var].span);
                        self.push(
                            Diagnostic::at(
                                Code::BadEvidence,
                                value.span,
                                format!("`each` needs a single discrete variable, and `{}` is none", name.text),
                            )
                            .label(place, format!("declared `{has}`"))
                            .help("give it a value, or leave it out"),
                        );
                        return None;
                    }
                    return Some(Evidence { var, value: EvidenceValue::Each, intervention });
                }
                if !axes.is_empty() {
                    let has = super::show_type(&self.program, &domain, &axes);
                    self.push(
                        Diagnostic::at(
                            Code::BadEvidence,
                            value.span,
                            format!("`{}` is a `{has}`, not a single value", name.text),
                        )
                        .help(format!("take it from data: `| {}` with `on DATA`", name.text)),
                    );
                    return None;
                }
                let number = match &value.bare().kind {
                    ExprKind::Number(n) => Some(n.value),
                    ExprKind::Negate(inner) => match &inner.bare().kind {
                        ExprKind::Number(n) => Some(-n.value),
                        _ => None,
                    },
                    _ => None,
                };
                if domain.is_discrete() {
                    let label = word(value);
                    let Some(label) = label else {
                        self.error(Code::BadEvidence, value.span, format!("a state of `{}` is meant here", name.text));
                        return None;
                    };
                    let state = match (&domain, label.as_str()) {
                        (Domain::Bool, "0") => Some(0),
                        (Domain::Bool, "1") => Some(1),
                        _ => self.state(&domain, &label, value.span),
                    };
                    return Some(Evidence { var, value: EvidenceValue::State(state?), intervention });
                }
                let Some(number) = number else {
                    let (has, place) = (super::show_type(&self.program, &domain, &[]), self.program.vars[var].span);
                    self.push(
                        Diagnostic::at(Code::BadEvidence, value.span, "this is no number")
                            .label(place, format!("`{}` is declared `{has}`", name.text))
                            .help(format!("write a number: `{} = 0.5`", name.text)),
                    );
                    return None;
                };
                let range = super::ranges::of_domain(&domain);
                if number < range.low || number > range.high {
                    let has = super::show_type(&self.program, &domain, &[]);
                    self.error(Code::OutsideSupport, value.span, format!("{number} is not a `{has}`"));
                    return None;
                }
                Some(Evidence { var, value: EvidenceValue::Number(number), intervention })
            }
            ArgKind::Positional => {
                let Some(name) = dotted(&arg.value) else {
                    self.push(
                        Diagnostic::at(Code::BadEvidence, arg.span, "a variable is meant here")
                            .help("write `x`, `x = yes`, `do(x = yes)` or `row 17`"),
                    );
                    return None;
                };
                let var = self.variable(model, &name)?;
                if conditions.needs_data.is_none() {
                    conditions.whole = !self.program.vars[var].axes().is_empty();
                }
                conditions.needs_data.get_or_insert(arg.span);
                if let Some(data) = self.asked_on.filter(|&data| self.comparable(model, data)) {
                    let set = &self.program.data[data];
                    if !set.bindings.is_empty() && !set.bindings.iter().any(|b| b.name == name.text) {
                        let (what, place) = (set.name.clone(), set.span);
                        self.push(
                            Diagnostic::at(
                                Code::BadEvidence,
                                arg.span,
                                format!("`{what}` does not say what `{}` is", name.text),
                            )
                            .label(place, "these are the data")
                            .help(format!("bind a column of that name, or give a value: `{} = ..`", name.text)),
                        );
                        return None;
                    }
                }
                Some(Evidence { var, value: EvidenceValue::Bound, intervention })
            }
            ArgKind::Splat => {
                self.error(Code::BadEvidence, arg.span, "`..` has no place in a question");
                None
            }
        }
    }

    /// `line(mean(z | row 1), mean(z | row 2), steps = 8)`.
    fn line(
        &mut self,
        model: ModelId,
        var: VarId,
        args: &[ast::Arg],
        span: Span,
        conditions: &mut Conditions,
    ) -> Option<EvidenceValue> {
        let usage = "write `line(mean(z | row 1), mean(z | row 2), steps = 8)`";
        if self.program.vars[var].domain.is_discrete() {
            let name = self.program.vars[var].name.clone();
            self.error(Code::BadEvidence, span, format!("there is no straight line between states of `{name}`"));
            return None;
        }
        let (mut ends, mut steps) = (Vec::new(), 8);
        for arg in args {
            match (&arg.kind, &arg.value.bare().kind) {
                (ArgKind::Named(name), ExprKind::Number(n)) if name.text == "steps" => {
                    steps = self.count(n, "a number of steps")?;
                }
                (ArgKind::Positional, ExprKind::Call { .. }) => {
                    ends.push(self.inner_question(model, var, &arg.value, conditions)?);
                }
                _ => {
                    self.push(Diagnostic::at(Code::WrongArguments, arg.span, "`line` does not take this").help(usage));
                    return None;
                }
            }
        }
        let Ok([from, to]) = <[Inner; 2]>::try_from(ends) else {
            self.push(Diagnostic::at(Code::WrongArguments, span, "a line has two ends").help(usage));
            return None;
        };
        Some(EvidenceValue::Line { from: Box::new(from), to: Box::new(to), steps })
    }

    /// A question whose answer is what a variable is fixed to.
    fn inner_question(
        &mut self,
        model: ModelId,
        var: VarId,
        e: &ast::Expr,
        conditions: &mut Conditions,
    ) -> Option<Inner> {
        let mut own = Conditions::default();
        let question = self.question(model, e, &mut own)?;
        if let Some(span) = own.needs_data {
            conditions.needs_data.get_or_insert(span);
        }
        let of = match &question {
            Question::Mean { targets, moment: Moment::Mean, .. } | Question::Argmax { targets, .. } => {
                targets.as_slice()
            }
            _ => &[],
        };
        if of != [var] || own.place.is_some() {
            let name = self.program.vars[var].name.clone();
            self.push(
                Diagnostic::at(Code::BadEvidence, e.span, format!("this is not a value of `{name}`"))
                    .help(format!("write `mean({name} | ..)` or `argmax({name} | ..)`")),
            );
            return None;
        }
        Some(Inner { question, row: own.row })
    }

    fn disjoint(&mut self, targets: &[VarId], evidence: &[Evidence], span: Span) -> Option<()> {
        let Some(both) = evidence.iter().find(|e| targets.contains(&e.var)) else { return Some(()) };
        let name = self.program.vars[both.var].name.clone();
        self.push(
            Diagnostic::at(Code::BadEvidence, span, format!("`{name}` is both asked for and fixed"))
                .help("take it from one side of the `|`"),
        );
        None
    }

    /// `infer y by ..`.
    pub fn infer_item(&mut self, item: &ast::Infer) -> Option<()> {
        let mut models = Vec::new();
        for one in 0..item.of.len().max(1) {
            let of = item.of.get(one..=one).unwrap_or(&[]);
            models.push(self.of_item(of, item.span, &item.names)?);
        }
        let by = match item.by.as_slice() {
            [one] => self.algorithm(one)?,
            _ => {
                self.error(Code::WrongArguments, item.span, "`infer` names one engine");
                return None;
            }
        };
        for model in models {
            let vars: Option<Vec<VarId>> =
                item.names.iter().map(|n| self.variable(model, n)).collect::<Vec<_>>().into_iter().collect();
            self.program.infers.push(Infer { vars: vars?, by: by.clone(), span: item.span });
        }
        Some(())
    }

    /// `require exact y`.
    pub fn require_item(&mut self, item: &ast::Require) -> Option<()> {
        if item.property.text != "exact" {
            self.push(
                Diagnostic::at(
                    Code::UnknownName,
                    item.property.span,
                    format!("`{}` cannot be required", item.property.text),
                )
                .help("write `require exact y`"),
            );
        }
        let model = self.of_item(&item.of, item.span, &item.names)?;
        for name in &item.names {
            let var = self.variable(model, name)?;
            self.program.requires.push(Require { what: item.property.text.clone(), var, span: item.span });
        }
        Some(())
    }

    fn of_item(&mut self, of: &[ast::Expr], span: Span, names: &[ast::Name]) -> Option<ModelId> {
        match of {
            [] => {
                // The one model, or the one that has a variable of that name.
                let askable: Vec<ModelId> = self.askable().into_iter().map(|(_, id)| id).collect();
                let knows =
                    |m: &ModelId, n: &ast::Name| self.model_names.get(m).is_some_and(|s| s.names.contains_key(&n.text));
                let having: Vec<ModelId> =
                    askable.iter().copied().filter(|m| names.iter().all(|n| knows(m, n))).collect();
                match (having.as_slice(), askable.as_slice()) {
                    ([one], _) => Some(*one),
                    ([], [one]) => Some(*one),
                    _ => {
                        self.push(
                            Diagnostic::at(Code::WhichModel, span, "which model is meant?").help("add `of MODEL`"),
                        );
                        None
                    }
                }
            }
            [one] => match &one.bare().kind {
                ExprKind::Path(path) => match self.subject(path)? {
                    Subject::Model(m) | Subject::Guide(m) => Some(m),
                    Subject::Data(_) => None,
                },
                _ => {
                    self.error(Code::WrongKind, one.span, "a model is meant here");
                    None
                }
            },
            [_, second, ..] => {
                self.push(
                    Diagnostic::at(Code::WrongKind, second.span, "one model is meant here")
                        .help("write a line for each"),
                );
                None
            }
        }
    }

    /// `report a, b`.
    pub fn report_item(&mut self, item: &ast::Report) -> Option<()> {
        let file = self.file;
        let known: Vec<&str> = file
            .items
            .iter()
            .filter_map(|i| if let ast::Item::Ask(a) = i { Some(a.name.text.as_str()) } else { None })
            .collect();
        for name in &item.names {
            if known.contains(&name.text.as_str()) {
                self.program.report.push(name.text.clone());
                continue;
            }
            let diagnostic =
                Diagnostic::at(Code::UnknownName, name.span, format!("nothing asked is called `{}`", name.text));
            self.push(match self.near(&name.text, known.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help("a report shows questions by their names"),
            });
        }
        Some(())
    }
}

/// Whether entries are numbers whose difference means something.
fn is_number(domain: &Domain) -> bool {
    matches!(domain, Domain::Real | Domain::Positive | Domain::Unit | Domain::Count)
}

/// The name of a variable; that of a sub-model's own begins with the sub-model's.
pub fn dotted(e: &ast::Expr) -> Option<ast::Name> {
    match &e.bare().kind {
        ExprKind::Path(path) => Some(ast::Name { text: path.text(), span: path.span }),
        _ => None,
    }
}

/// A label or a number as a word.
fn word(e: &ast::Expr) -> Option<String> {
    match &e.bare().kind {
        ExprKind::Path(path) => Some(path.text()),
        ExprKind::Number(n) => Some(n.text.clone()),
        ExprKind::Text(t) => Some(t.text.clone()),
        _ => None,
    }
}
