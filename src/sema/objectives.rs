//! Objectives: expressions over quantities of whole models, each a number a row.

use std::collections::BTreeSet;

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::Checker;
use super::expand::MOST_DEPTH;
use super::forms::{known_expectation, known_logarithm, part_named, whole_word};
use super::scope::Scope;
use super::types::{binary, call, expr, say_axes};

/// Numbers that change while a stage runs.
const SCHEDULES: [&str; 2] = ["ramp", "decay"];

impl Checker<'_> {
    /// An objective of a model.
    pub fn objective(&mut self, model: ModelId, e: &ast::Expr) -> Option<Expr> {
        self.row_value(model, e, "an objective", "sum it: `sum(..)`")
    }

    /// What is computed of each row of data: `what` it is and its `mend` for messages.
    pub fn row_value(&mut self, model: ModelId, e: &ast::Expr, what: &str, mend: &str) -> Option<Expr> {
        let mut scope = self.model_names.get(&model)?.clone();
        let value = self.objective_part(&mut scope, e);
        // Recurrent nets that the objective calls define their states beside the model's own.
        self.program.models[model].factors.append(&mut scope.made);
        let value = value?;
        if !value.ty.axes.is_empty() {
            let has = say_axes(&self.program, &value.ty.axes);
            self.push(
                Diagnostic::at(Code::AxesDisagree, value.span, format!("{what} is a single number a row"))
                    .saying(format!("this has {has}"))
                    .help(mend),
            );
            return None;
        }
        Some(value)
    }

    /// A value of a row in a model, of any axes.
    pub fn row_array(&mut self, model: ModelId, e: &ast::Expr) -> Option<Expr> {
        let mut scope = self.model_names.get(&model)?.clone();
        let value = self.numeric(&mut scope, e);
        self.program.models[model].factors.append(&mut scope.made);
        value
    }

    /// Whether an expression speaks of a whole model somewhere; the rest is ordinary arithmetic.
    fn speaks_of_models(&self, e: &ast::Expr) -> bool {
        let deeper = |e: &ast::Expr| self.speaks_of_models(e);
        match &e.kind {
            ExprKind::Group(inner) | ExprKind::Negate(inner) => deeper(inner),
            ExprKind::Path(path) => {
                let text = path.text();
                text == "loglik" || self.objectives.contains_key(&text)
            }
            ExprKind::Expect { .. } => true,
            ExprKind::If { then, otherwise, .. } => deeper(then) || deeper(otherwise),
            ExprKind::Binary { left, right, .. } => deeper(left) || deeper(right),
            ExprKind::Call { callee, args, given } => {
                let name = callee.name().map_or("", |n| n.text.as_str());
                !given.is_empty()
                    || matches!(name, "loglik" | "guide" | "model" | "layer")
                    || SCHEDULES.contains(&name)
                    || self.objectives.contains_key(name)
                    || self.models.contains_key(name)
                    || args.iter().any(|a| deeper(&a.value))
            }
            _ => false,
        }
    }

    fn objective_part(&mut self, scope: &mut Scope, e: &ast::Expr) -> Option<Expr> {
        if !self.speaks_of_models(e) {
            return self.numeric(scope, e);
        }
        let span = e.span;
        match &e.kind {
            ExprKind::Group(inner) => self.objective_part(scope, inner),
            ExprKind::Negate(inner) => Some(call(Function::Neg, self.objective_part(scope, inner)?, span)),
            ExprKind::Binary { op, left, right } => {
                let operator = match op {
                    ast::BinaryOp::Add => Operator::Add,
                    ast::BinaryOp::Subtract => Operator::Sub,
                    ast::BinaryOp::Multiply => Operator::Mul,
                    ast::BinaryOp::Divide => Operator::Div,
                    _ => {
                        self.error(Code::NotAValue, span, format!("`{}` does not join objectives", op.symbol()));
                        return None;
                    }
                };
                let (a, b) = (self.objective_part(scope, left), self.objective_part(scope, right));
                Some(binary(operator, a?, b?, span))
            }
            ExprKind::If { condition, then, otherwise } => {
                let cond = self.condition(scope, condition);
                let (a, b) = (self.objective_part(scope, then), self.objective_part(scope, otherwise));
                let node = Node::If { cond: Box::new(cond?), then: Box::new(a?), other: Box::new(b?) };
                Some(expr(node, Vec::new(), Domain::Real, span))
            }
            ExprKind::Path(path) => match self.objectives.get(&path.text()).cloned() {
                Some(named) => self.named_objective(scope, &named, &[], &[], span),
                None => {
                    let whole = Objective::LogLik { model: scope.model, targets: Vec::new(), given: Vec::new() };
                    Some(objective_expr(whole, span))
                }
            },
            ExprKind::Call { callee, args, given } => {
                let Some(name) = callee.name() else {
                    self.error(Code::NotAValue, callee.span, "this cannot be called");
                    return None;
                };
                match name.text.as_str() {
                    "loglik" => {
                        let (targets, given) = self.targets_given(scope.model, args, given)?;
                        Some(objective_expr(Objective::LogLik { model: scope.model, targets, given }, span))
                    }
                    text if self.objectives.contains_key(text) => {
                        let named = self.objectives[text].clone();
                        self.named_objective(scope, &named, args, given, span)
                    }
                    text if SCHEDULES.contains(&text) => {
                        let argument = self.argument(e)?;
                        Some(objective_expr(Objective::Scheduled(argument), span))
                    }
                    "log" => match args.as_slice() {
                        [arg] => self.log_density(scope, &arg.value, span),
                        _ => {
                            self.error(Code::WrongArguments, span, "`log` takes one argument");
                            None
                        }
                    },
                    "guide" | "model" => {
                        self.push(
                            Diagnostic::at(
                                Code::NotAValue,
                                span,
                                "a density stands here; an objective is its logarithm",
                            )
                            .help(format!("write `log({}(..))`", name.text)),
                        );
                        None
                    }
                    text if self.models.contains_key(text) => {
                        self.push(
                            Diagnostic::at(
                                Code::NotAValue,
                                span,
                                "a density stands here; an objective is its logarithm",
                            )
                            .help(format!("write `log({text}(..))`")),
                        );
                        None
                    }
                    text => match Function::ALL.into_iter().find(|f| f.name() == text) {
                        Some(function) => match args.as_slice() {
                            [arg] => Some(call(function, self.objective_part(scope, &arg.value)?, span)),
                            _ => {
                                self.error(Code::WrongArguments, span, format!("`{text}` takes one argument"));
                                None
                            }
                        },
                        None => self.numeric(scope, e),
                    },
                }
            }
            ExprKind::Expect { body, left, source, times } => {
                self.expectation(scope, body, left, source, times.as_deref(), span)
            }
            _ => self.numeric(scope, e),
        }
    }

    /// An objective by its name: its body, read where it is called.
    fn named_objective(
        &mut self,
        scope: &mut Scope,
        named: &ast::Objective,
        args: &[ast::Arg],
        given: &[ast::Condition],
        span: Span,
    ) -> Option<Expr> {
        if self.unfolding >= MOST_DEPTH {
            let message = format!("objectives inside one another, more than {MOST_DEPTH} deep");
            self.push(
                Diagnostic::at(Code::TooDeep, span, message)
                    .label(named.name.span, "the next one")
                    .help("an objective cannot speak of itself"),
            );
            return None;
        }
        let body = self.expand_objective(named, args, given, span)?;
        self.unfolding += 1;
        let value = self.objective_part(scope, &body);
        self.unfolding -= 1;
        value
    }

    /// `log(guide(y | x))`, `log(m(y | x))`; any other logarithm is arithmetic.
    fn log_density(&mut self, scope: &mut Scope, inner: &ast::Expr, span: Span) -> Option<Expr> {
        if let ExprKind::Call { callee, args, given } = &inner.bare().kind
            && let Some(name) = callee.name()
        {
            if name.text == "layer" && !self.nets.contains_key("layer") && !self.models.contains_key("layer") {
                return self.machine(scope.model, args, given, span);
            }
            let of = match name.text.as_str() {
                "guide" => Some(Subject::Guide(scope.model)),
                "model" => Some(Subject::Model(scope.model)),
                text => self.model_ids.get(text).map(|&m| Subject::Model(m)),
            };
            if let Some((of, model)) = of.and_then(|of| Some((of, of.model()?))) {
                // Of everything: the compiler may yet make a guide where the file has none.
                if let Some(part) = part_named(of, args, given) {
                    return Some(objective_expr(Objective::Part { of, part }, span));
                }
                if matches!(of, Subject::Guide(_)) {
                    self.need_guide(model, name.span)?;
                }
                let (targets, given) = self.targets_given(model, args, given)?;
                return Some(objective_expr(Objective::LogDensity { of, targets, given }, span));
            }
        }
        let value = call(Function::Log, self.objective_part(scope, inner)?, span);
        Some(known_logarithm(&self.program, value))
    }

    /// That a model has a guide, or an `infer` line that stands in for one. A guide with errors has told of them.
    fn need_guide(&mut self, model: ModelId, at: Span) -> Option<()> {
        let declared = &self.program.models[model];
        if declared.guide.is_some() {
            return Some(());
        }
        let name = declared.name.clone();
        if self.guides.contains_key(&name) {
            return None;
        }
        if self.has_override(&name) {
            return Some(());
        }
        self.push(
            Diagnostic::at(Code::UnknownName, at, format!("`{name}` has no guide"))
                .help(format!("write `guide {name} {{ .. }}`")),
        );
        None
    }

    /// `log(layer(h))`.
    fn machine(&mut self, model: ModelId, args: &[ast::Arg], given: &[ast::Condition], span: Span) -> Option<Expr> {
        let name = match args {
            [only] if given.is_empty() => super::asks::dotted(&only.value),
            _ => None,
        };
        let Some(name) = name else {
            self.push(
                Diagnostic::at(Code::WrongArguments, span, "`layer` takes the name of what lies above")
                    .help("write `log(layer(h1))`, or the name of an undirected part"),
            );
            return None;
        };
        let part = |f: &Factor| {
            matches!(f.kind, FactorKind::Undirected { .. }) && f.name.as_deref() == Some(name.text.as_str())
        };
        let above = match self.program.models[model].factors.iter().any(part) {
            true => Above::Part(name.text.clone()),
            false => Above::Var(self.variable(model, &name)?),
        };
        Some(objective_expr(Objective::Layer { model, above }, span))
    }

    /// The layers of a model, bottom up: what its guide draws, then its undirected parts.
    pub fn layers_of(&self, model: ModelId) -> Vec<String> {
        let declared = &self.program.models[model];
        let guided = declared.guide.iter().flat_map(|g| guide_order(&g.factors, &BTreeSet::new()));
        let mut names: Vec<String> = guided.map(|v| self.program.vars[v].name.clone()).collect();
        let parts = declared.factors.iter().filter(|f| matches!(f.kind, FactorKind::Undirected { .. }));
        names.extend(parts.filter_map(|f| f.name.clone()));
        names
    }

    /// Whether an `infer` line speaks of a model, which then serves as its guide.
    fn has_override(&self, model: &str) -> bool {
        self.file.items.iter().any(|i| match i {
            ast::Item::Infer(infer) => {
                infer.of.is_empty() || infer.of.iter().any(|e| e.name().is_some_and(|n| n.text == model))
            }
            _ => false,
        })
    }

    /// `(A | B)`: variables by name.
    fn targets_given(
        &mut self,
        model: ModelId,
        args: &[ast::Arg],
        given: &[ast::Condition],
    ) -> Option<(Vec<VarId>, Vec<VarId>)> {
        let mut failed = false;
        let mut lists = (Vec::new(), Vec::new());
        let given_args = given.iter().map(|c| match c {
            ast::Condition::Arg(arg) => Ok(arg),
            ast::Condition::Row { span, .. } => Err(*span),
        });
        for (arg, right) in args.iter().map(|a| (Ok(a), false)).chain(given_args.map(|a| (a, true))) {
            let name = match arg {
                Ok(arg) if arg.kind == ArgKind::Positional => super::asks::dotted(&arg.value).ok_or(arg.span),
                Ok(arg) => Err(arg.span),
                Err(span) => Err(span),
            };
            match name {
                Ok(name) => match self.variable(model, &name) {
                    Some(var) if right => lists.1.push(var),
                    Some(var) => lists.0.push(var),
                    None => failed = true,
                },
                Err(span) => {
                    self.push(
                        Diagnostic::at(Code::NotAValue, span, "the name of a variable is meant here")
                            .help("write `loglik(y | x)`: values come from the data"),
                    );
                    failed = true;
                }
            }
        }
        (!failed).then_some(lists)
    }

    fn expectation(
        &mut self,
        scope: &mut Scope,
        body: &ast::Expr,
        left: &ast::Left,
        source: &ast::Path,
        times: Option<&ast::Expr>,
        span: Span,
    ) -> Option<Expr> {
        let subject = match source.single().map(|n| n.text.as_str()) {
            Some("guide") => Subject::Guide(scope.model),
            Some("model") => Subject::Model(scope.model),
            Some("data") => match self.training_on {
                Some(data) => Subject::Data(data),
                None => {
                    self.push(
                        Diagnostic::at(Code::WrongKind, source.span, "`data` stands for the rows that are trained on")
                            .help("write this objective in a `train` block"),
                    );
                    return None;
                }
            },
            _ => self.subject(source)?,
        };
        let model = subject.model().unwrap_or(scope.model);
        let mut vars = Vec::new();
        for decl in left.decls.iter().filter(|d| !whole_word(&d.name.text)) {
            vars.push(self.variable(model, &decl.name)?);
        }
        let draws = match times.map(|e| &e.bare().kind) {
            None => None,
            Some(ExprKind::Number(n)) => Some(self.count(n, "a number of draws")?),
            Some(_) => {
                let place = times.map_or(span, |e| e.span);
                self.push(
                    Diagnostic::at(Code::NotAValue, place, "a number of draws is meant here")
                        .help("write it: `times 50`"),
                );
                return None;
            }
        };
        let body = self.objective_part(scope, body)?;
        let written = Objective::Expect { body, vars, source: subject, draws };
        Some(objective_expr(known_expectation(&self.program, written), span))
    }

    /// `m`, `m.guide`.
    pub fn subject(&mut self, path: &ast::Path) -> Option<Subject> {
        let (first, rest) = path.parts.split_first()?;
        let Some(&model) = self.model_ids.get(&first.text) else {
            match self.models.get(&first.text) {
                Some(item) => {
                    let place = item.name.span;
                    self.push(
                        Diagnostic::at(
                            Code::WrongKind,
                            first.span,
                            format!("`{}` has no meaning of its own", first.text),
                        )
                        .label(place, "its arguments have axes that only a use can tell")
                        .help("ask the model that uses it, or declare the axes with `axis`"),
                    );
                }
                None => self.no_such_model(first),
            }
            return None;
        };
        match rest {
            [] => Some(Subject::Model(model)),
            [word] if word.text == "guide" => match self.program.models[model].guide {
                Some(_) => Some(Subject::Guide(model)),
                None => {
                    if !self.guides.contains_key(&first.text) {
                        self.push(
                            Diagnostic::at(Code::UnknownName, word.span, format!("`{}` has no guide", first.text))
                                .help(format!("write `guide {} {{ .. }}`", first.text)),
                        );
                    }
                    None
                }
            },
            [word, ..] => {
                self.error(Code::UnknownName, word.span, format!("a model has a `guide`, but no `{}`", word.text));
                None
            }
        }
    }

    /// A setting of an algorithm.
    pub fn argument(&mut self, e: &ast::Expr) -> Option<Argument> {
        Some(match &e.bare().kind {
            ExprKind::Number(n) => Argument::Number(n.value),
            ExprKind::Negate(inner) => match self.argument(inner)? {
                Argument::Number(v) => Argument::Number(-v),
                _ => {
                    self.error(Code::NotAValue, e.span, "only a number can be negative");
                    return None;
                }
            },
            ExprKind::Path(path) => Argument::Word(path.text()),
            ExprKind::Text(text) => Argument::Text(text.text.clone()),
            ExprKind::Call { .. } => Argument::Call(self.algorithm(e)?),
            _ => {
                self.push(
                    Diagnostic::at(Code::NotAValue, e.span, "a setting is a number, a word or a schedule")
                        .help("a schedule is written `ramp(from, to, epochs = n)`"),
                );
                return None;
            }
        })
    }

    /// A named algorithm with its settings.
    pub fn algorithm(&mut self, e: &ast::Expr) -> Option<Call> {
        match &e.bare().kind {
            ExprKind::Path(path) => Some(Call { name: path.text(), args: Vec::new(), span: e.span }),
            ExprKind::Call { callee, args, given } if given.is_empty() => {
                let Some(name) = callee.name().map(|n| n.text.clone()) else {
                    self.push(
                        Diagnostic::at(Code::NotAValue, e.span, "an algorithm is called by its name")
                            .help("write `gibbs(1000)`, `adam(1e-3, batch = 50)`"),
                    );
                    return None;
                };
                let mut list = Vec::new();
                for arg in args {
                    let key = match &arg.kind {
                        ArgKind::Positional => None,
                        ArgKind::Named(name) => Some(name.text.clone()),
                        ArgKind::Splat => {
                            self.error(
                                Code::WrongArguments,
                                arg.span,
                                "`..` has no place among the settings of an algorithm",
                            );
                            return None;
                        }
                    };
                    list.push((key, self.argument(&arg.value)?));
                }
                Some(Call { name, args: list, span: e.span })
            }
            _ => {
                self.push(
                    Diagnostic::at(Code::NotAValue, e.span, "an algorithm is meant here")
                        .help("write its name and settings: `gibbs(1000)`, `adam(1e-3, batch = 50)`"),
                );
                None
            }
        }
    }
}

fn objective_expr(objective: Objective, span: Span) -> Expr {
    expr(Node::Objective(Box::new(objective)), Vec::new(), Domain::Real, span)
}
