//! Training programs: stages, their lines, ties and starts.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ExprKind, Step};

use super::Checker;
use super::dists::Shape;
use super::expand::MOST_DEPTH;
use super::scope::{Entry, Scope};
use super::types::show_type;

impl Checker<'_> {
    /// One `train`.
    pub fn train_item(&mut self, item: &ast::Train) -> Option<()> {
        let on = self.data_ref(&item.on);
        let mut models = Vec::new();
        for name in &item.models {
            let path = ast::Path { parts: vec![name.clone()], span: name.span };
            match self.subject(&path) {
                Some(Subject::Model(model)) => models.push(model),
                _ => return None,
            }
        }
        let on = on?;
        for &model in &models {
            if self.comparable(model, on.data) {
                self.check_bound(model, &on);
            }
        }
        self.training_on = Some(on.data);
        let stages = self.stage(&models, None, item.body.as_deref().unwrap_or_default(), item.span);
        self.program.trains.push(Train { models, on, stages, span: item.span });
        Some(())
    }

    /// A stage, or with no name the whole training; where stages stand in it, these one after another, each with what the outer one says of
    /// ties, starts and ends.
    fn stage(&mut self, models: &[ModelId], name: Option<&str>, body: &[Step], span: Span) -> Vec<Stage> {
        let mut stage = self.empty_stage(name.unwrap_or("train"), span);
        let mut inner = Vec::new();
        for step in body {
            let before = self.problems.len();
            let done = self.step(models, &mut stage, &mut inner, step);
            self.note_silent(done, before, step.span());
        }
        if inner.is_empty() {
            self.settle(models, &mut stage, span);
            return vec![stage];
        }
        if let Some(line) = stage.lines.first() {
            self.push(
                Diagnostic::at(Code::BadSchedule, line.span, "this line stands beside stages, and in none of them")
                    .help("put it into a `stage NAME { .. }`, so that the order is plain"),
            );
        }
        let mut inits = std::mem::take(&mut stage.inits);
        let made = inner.into_iter().map(|part| Stage {
            name: name.map_or(part.name.clone(), |outer| format!("{outer}: {}", part.name)),
            lines: part.lines,
            ties: stage.ties.iter().copied().chain(part.ties).collect(),
            // What the outer stage starts from is set once, before its first part.
            inits: inits.drain(..).chain(part.inits).collect(),
            epochs: part.epochs.or(stage.epochs),
            patience: part.patience.or(stage.patience.clone()),
            span: part.span,
        });
        made.collect()
    }

    fn empty_stage(&self, name: &str, span: Span) -> Stage {
        Stage {
            name: name.to_string(),
            lines: Vec::new(),
            ties: Vec::new(),
            inits: Vec::new(),
            epochs: None,
            patience: None,
            span,
        }
    }

    /// A stage without a line maximises what the compiler chooses, for each model.
    fn settle(&mut self, models: &[ModelId], stage: &mut Stage, span: Span) {
        if stage.lines.is_empty() {
            let line = |&model| Line { objective: None, model, over: Vec::new(), by: Vec::new(), with: None, span };
            stage.lines.extend(models.iter().map(line));
        }
    }

    fn step(&mut self, models: &[ModelId], stage: &mut Stage, inner: &mut Vec<Stage>, step: &Step) -> Option<()> {
        let main = *models.first()?;
        match step {
            Step::Stage { name, body, span } => {
                if self.unfolding >= MOST_DEPTH {
                    self.error(Code::TooDeep, *span, format!("stages inside one another, more than {MOST_DEPTH} deep"));
                    return None;
                }
                if let Some(first) = inner.iter().find(|s| s.name == name.text) {
                    let first = first.span;
                    self.twice(name, first, "stage");
                }
                self.unfolding += 1;
                let made = self.stage(models, Some(&name.text), body, *span);
                self.unfolding -= 1;
                inner.extend(made);
            }
            Step::Round { name, over, body, span } => {
                if over.text() != "layers" {
                    self.push(
                        Diagnostic::at(Code::UnknownName, over.span, format!("`{}` cannot be gone through", over.text()))
                            .help("a training program goes through `layers`: what the guide draws, bottom up, then the undirected parts"),
                    );
                    return None;
                }
                let layers = self.layers_of(main);
                if layers.is_empty() {
                    let (name, place) = (self.program.models[main].name.clone(), self.program.models[main].span);
                    self.push(
                        Diagnostic::at(
                            Code::NoEngine,
                            *span,
                            format!("`{name}` has no layers: neither a guide nor an undirected part"),
                        )
                        .label(place, "this model")
                        .help(format!("write `guide {name} {{ .. }}` with a conditional for each hidden layer")),
                    );
                    return None;
                }
                for layer in layers {
                    let parts = layer.split('.').map(|p| ast::Name { text: p.to_string(), span: over.span }).collect();
                    let value =
                        ast::Expr { kind: ExprKind::Path(ast::Path { parts, span: over.span }), span: over.span };
                    for step in self.substitute(body, name, value) {
                        self.step(models, stage, inner, &step)?;
                    }
                }
            }
            Step::Maximise(line) if self.schedule_of(line).is_some() => {
                return self.scheduled(models, stage, inner, line);
            }
            Step::Maximise(line) => {
                let model = match line.of.as_slice() {
                    [] => main,
                    [one] => match &one.bare().kind {
                        ExprKind::Path(path) => match self.subject(path)? {
                            Subject::Model(m) | Subject::Guide(m) => m,
                            Subject::Data(_) => main,
                        },
                        _ => {
                            self.error(Code::WrongKind, one.span, "a model is meant here");
                            return None;
                        }
                    },
                    [_, second, ..] => {
                        self.push(
                            Diagnostic::at(Code::BadSchedule, second.span, "a line's names are those of one model")
                                .help("leave out `of`, and name the models in the objective: `log(a(y | x)) + log(b(x | y))`"),
                        );
                        return None;
                    }
                };
                let objective = self.objective(model, &line.objective);
                let over: Option<Vec<Group>> =
                    line.over.iter().map(|p| self.group(model, p)).collect::<Vec<_>>().into_iter().collect();
                let by: Option<Vec<Call>> =
                    line.by.iter().map(|e| self.algorithm(e)).collect::<Vec<_>>().into_iter().collect();
                let with = match &line.with {
                    Some(e) => Some(self.algorithm(e)?),
                    None => None,
                };
                stage.lines.push(Line {
                    objective: Some(objective?),
                    model,
                    over: over?,
                    by: by?,
                    with,
                    span: line.span,
                });
            }
            Step::Tie { pairs, .. } => {
                for (a, b) in pairs {
                    let (Some(x), Some(y)) = (self.param_path(main, a), self.param_path(main, b)) else { continue };
                    let same = {
                        let (p, q) = (&self.program.params[x], &self.program.params[y]);
                        p.axes == q.axes && p.domain == q.domain
                    };
                    if !same {
                        let show = |c: &Self, p: ParamId| {
                            show_type(&c.program, &c.program.params[p].domain, &c.program.params[p].axes)
                        };
                        let (one, other) = (show(self, x), show(self, y));
                        self.push(
                            Diagnostic::at(
                                Code::AxesDisagree,
                                b.span,
                                format!("`{}` and `{}` cannot be one array", a.text(), b.text()),
                            )
                            .saying(format!("a `{other}`"))
                            .label(a.span, format!("a `{one}`"))
                            .help("tied parameters have the same domain and the same axes in the same order"),
                        );
                        continue;
                    }
                    stage.ties.push((x, y));
                }
            }
            Step::Init { targets, from, .. } => return self.init(main, stage, targets, from),
            Step::Epochs { count, .. } => {
                if stage.epochs.is_some() {
                    self.push(
                        Diagnostic::at(Code::BadSchedule, step.span(), "`epochs` stands twice in this stage")
                            .help("one number of passes a stage"),
                    );
                }
                stage.epochs = self.count(count, "a number of epochs");
            }
            Step::Patience { count, on, .. } => {
                let (count, on) = (self.count(count, "a number of epochs"), self.data_ref(on));
                stage.patience = Some((count?, on?));
            }
        }
        Some(())
    }

    /// The schedule that a line is carried out by, with what it is called with.
    fn schedule_of(&self, line: &ast::Maximise) -> Option<(ast::Schedule, Vec<ast::Arg>)> {
        let [only] = line.by.as_slice() else { return None };
        let (name, args) = match &only.bare().kind {
            ExprKind::Path(path) => (path.text(), Vec::new()),
            ExprKind::Call { callee, args, given } if given.is_empty() => (callee.name()?.text.clone(), args.clone()),
            _ => return None,
        };
        Some((self.schedules.get(&name)?.clone(), args))
    }

    /// A line that a schedule carries out: the schedule's lines take its place, with its optimiser where they name none.
    fn scheduled(
        &mut self,
        models: &[ModelId],
        stage: &mut Stage,
        inner: &mut Vec<Stage>,
        line: &ast::Maximise,
    ) -> Option<()> {
        let (schedule, args) = self.schedule_of(line)?;
        let name = &schedule.name.text;
        if line.objective.name().is_none_or(|n| n.text != "loglik") {
            self.push(
                Diagnostic::at(
                    Code::OverrideRefused,
                    line.objective.span,
                    format!("`{name}` learns `loglik`, and this is another objective"),
                )
                .help(format!("write `maximise loglik by {name}`, or leave out `by`")),
            );
            return None;
        }
        if let Some(first) = line.over.first() {
            self.push(
                Diagnostic::at(
                    Code::BadSchedule,
                    first.span,
                    format!("`{name}` says itself what each of its lines changes"),
                )
                .help("leave out `over`, or write its lines out"),
            );
            return None;
        }
        if self.unfolding >= MOST_DEPTH {
            let message = format!("schedules inside one another, more than {MOST_DEPTH} deep");
            self.push(
                Diagnostic::at(Code::TooDeep, line.span, message).help("a schedule cannot be carried out by itself"),
            );
            return None;
        }
        let steps = self.expand_schedule(&schedule, &args, line.span)?;
        self.unfolding += 1;
        let mut done = Some(());
        for mut step in steps {
            inherit(&mut step, line);
            if self.step(models, stage, inner, &step).is_none() {
                done = None;
            }
        }
        self.unfolding -= 1;
        done
    }

    fn init(&mut self, model: ModelId, stage: &mut Stage, targets: &[ast::Path], from: &ast::Expr) -> Option<()> {
        let targets: Vec<(ParamId, Span)> =
            targets.iter().filter_map(|p| Some((self.param_path(model, p)?, p.span))).collect();
        if let ExprKind::Path(path) = &from.bare().kind {
            // From another parameter, or from those of the same names in a model or a guide.
            let prefix = path.text();
            let exact = self.find_param(model, path);
            let single = path.single().is_some_and(|n| !self.models.contains_key(&n.text));
            if exact.is_some() || single || !self.model_ids.contains_key(&path.parts[0].text) {
                let source = match exact {
                    Some(source) => source,
                    None => self.param_path(model, path)?,
                };
                for (to, place) in targets {
                    self.copy(stage, to, source, place, from.span);
                }
                return Some(());
            }
            for (to, place) in targets {
                let base = self.program.params[to].name.rsplit('.').next().unwrap_or_default().to_string();
                let wanted = format!("{prefix}.{base}");
                let found = self.program.params.iter().find(|(_, p)| p.name == wanted).map(|(id, _)| id);
                match found {
                    Some(source) => self.copy(stage, to, source, place, from.span),
                    None => {
                        let near = self
                            .program
                            .params
                            .iter()
                            .map(|(_, p)| p.name.as_str())
                            .filter(|n| n.starts_with(&format!("{prefix}.")));
                        let list = near.map(|n| format!("`{}`", &n[prefix.len() + 1..])).collect::<Vec<_>>().join(", ");
                        let diagnostic = Diagnostic::at(
                            Code::UnknownName,
                            place,
                            format!("`{prefix}` has no parameter `{base}` to start from"),
                        )
                        .label(from.span, "looked for here");
                        self.push(if list.is_empty() { diagnostic } else { diagnostic.help(format!("it has {list}")) });
                    }
                }
            }
            return Some(());
        }
        for (to, _) in targets {
            let p = self.program.params[to].clone();
            let shape = Shape { domain: p.domain, event: p.axes, span: p.span, name: p.name };
            let mut scope = Scope::new(model, "", Owner::File);
            let dist = self.dist(&mut scope, from, &shape)?;
            stage.inits.push(Init::Draw { to, dist });
        }
        Some(())
    }

    fn copy(&mut self, stage: &mut Stage, to: ParamId, from: ParamId, place: Span, source: Span) {
        let same = {
            let (p, q) = (&self.program.params[to], &self.program.params[from]);
            p.axes == q.axes && p.domain == q.domain
        };
        if !same {
            let show = |p: &Param| show_type(&self.program, &p.domain, &p.axes);
            let (a, b) = (show(&self.program.params[to]), show(&self.program.params[from]));
            self.push(
                Diagnostic::at(Code::AxesDisagree, place, "this parameter cannot start from that one")
                    .saying(format!("a `{a}`"))
                    .label(source, format!("a `{b}`"))
                    .help("one starts from another of the same domain and axes; numbers are drawn with `init W from Normal(0, sd = 0.01)`"),
            );
            return;
        }
        stage.inits.push(Init::Copy { to, from });
    }

    fn find_param(&self, model: ModelId, path: &ast::Path) -> Option<ParamId> {
        let text = path.text();
        let candidates = [format!("{}.{text}", self.program.models[model].name), text];
        candidates
            .iter()
            .find_map(|candidate| self.program.params.iter().find(|(_, p)| p.name == *candidate))
            .map(|(id, _)| id)
    }

    /// A parameter by its path: `W0`, `guide.R0`, `memory.W`, `m.W0`, `enc.1.weight`.
    fn param_path(&mut self, model: ModelId, path: &ast::Path) -> Option<ParamId> {
        if let Some(found) = self.find_param(model, path) {
            return Some(found);
        }
        let text = path.text();
        let model_name = self.program.models[model].name.clone();
        let scope = self.model_names.get(&model);
        if scope.and_then(|s| s.names.get(&text)).is_some_and(|(e, _)| matches!(e, Entry::Poisoned)) {
            return None;
        }
        if let Some((Entry::Var(_), place)) = scope.and_then(|s| s.names.get(&text)) {
            let place = *place;
            self.push(
                Diagnostic::at(Code::WrongKind, path.span, format!("`{text}` is a variable, not a parameter"))
                    .label(place, "declared here")
                    .help("name a parameter; what is not declared `param` is not learned"),
            );
            return None;
        }
        let short: Vec<String> = self
            .program
            .params
            .iter()
            .map(|(_, p)| p.name.strip_prefix(&format!("{model_name}.")).unwrap_or(&p.name).to_string())
            .collect();
        let diagnostic = Diagnostic::at(Code::UnknownName, path.span, format!("there is no parameter `{text}`"));
        self.push(match self.near(&text, short.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => {
                let list = short.iter().take(12).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                diagnostic.help(if list.is_empty() {
                    "the file has no parameters".to_string()
                } else {
                    format!("there are {list}")
                })
            }
        });
        None
    }

    /// What a line may change.
    fn group(&mut self, model: ModelId, path: &ast::Path) -> Option<Group> {
        if let Some(name) = path.single() {
            match name.text.as_str() {
                "guide" => return Some(Group::Guide(model)),
                "model" => return Some(Group::Model(model)),
                _ => {}
            }
            if let Some(&id) = self.model_ids.get(&name.text) {
                return Some(Group::Model(id));
            }
            if let Some(net) = self.nets.get(&name.text) {
                return Some(Group::Net(net.position));
            }
        } else if let [first, second] = path.parts.as_slice()
            && second.text == "guide"
            && let Some(&id) = self.model_ids.get(&first.text)
        {
            return Some(Group::Guide(id));
        }
        self.param_path(model, path).map(Group::Param)
    }
}

/// Gives the lines of a schedule the model and the optimiser of the line it carries out, where they name none.
fn inherit(step: &mut Step, from: &ast::Maximise) {
    match step {
        Step::Maximise(line) => {
            if line.of.is_empty() {
                line.of.clone_from(&from.of);
            }
            if line.with.is_none() {
                line.with.clone_from(&from.with);
            }
        }
        Step::Stage { body, .. } | Step::Round { body, .. } => body.iter_mut().for_each(|s| inherit(s, from)),
        Step::Tie { .. } | Step::Init { .. } | Step::Epochs { .. } | Step::Patience { .. } => {}
    }
}
