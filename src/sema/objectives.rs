//! Objectives: expressions over quantities of whole models, each a number a row.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::Checker;
use super::scope::Scope;
use super::types::{binary, call, expr, say_axes};

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

    /// Whether an expression speaks of a whole model somewhere; the rest is ordinary arithmetic.
    fn speaks_of_models(&self, e: &ast::Expr) -> bool {
        let deeper = |e: &ast::Expr| self.speaks_of_models(e);
        match &e.kind {
            ExprKind::Group(inner) | ExprKind::Negate(inner) => deeper(inner),
            ExprKind::Path(path) => matches!(path.text().as_str(), "loglik" | "elbo"),
            ExprKind::Expect { .. } => true,
            ExprKind::If { then, otherwise, .. } => deeper(then) || deeper(otherwise),
            ExprKind::Binary { left, right, .. } => deeper(left) || deeper(right),
            ExprKind::Call { callee, args, given } => {
                let name = callee.name().map_or("", |n| n.text.as_str());
                !given.is_empty()
                    || matches!(name, "loglik" | "elbo" | "guide" | "mutual_info")
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
            ExprKind::Path(path) => {
                let objective = match path.text().as_str() {
                    "elbo" => Objective::Elbo { model: scope.model, kl_weight: None },
                    _ => Objective::LogLik { model: scope.model, targets: Vec::new(), given: Vec::new() },
                };
                Some(objective_expr(objective, span))
            }
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
                    "elbo" => self.elbo(scope, args, span),
                    "log" => match args.as_slice() {
                        [arg] => self.log_density(scope, &arg.value, span),
                        _ => {
                            self.error(Code::WrongArguments, span, "`log` takes one argument");
                            None
                        }
                    },
                    "guide" => {
                        self.push(
                            Diagnostic::at(
                                Code::NotAValue,
                                span,
                                "a density stands here; an objective is its logarithm",
                            )
                            .help("write `log(guide(..))`"),
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
                    "mutual_info" => self.mutual_information(scope, args, given, span),
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
            ExprKind::Expect { body, left, source } => self.expectation(scope, body, left, source, span),
            _ => self.numeric(scope, e),
        }
    }

    fn elbo(&mut self, scope: &Scope, args: &[ast::Arg], span: Span) -> Option<Expr> {
        let (mut kl_weight, mut draws) = (None, None);
        for arg in args {
            match (&arg.kind, &arg.value.bare().kind) {
                (ArgKind::Named(name), _) if name.text == "kl_weight" => kl_weight = Some(self.argument(&arg.value)?),
                (ArgKind::Named(name), ExprKind::Number(n)) if name.text == "draws" => {
                    draws = Some(self.count(n, "a number of draws")?);
                }
                _ => {
                    self.push(Diagnostic::at(Code::UnknownArgument, arg.span, "`elbo` does not take this").help(
                        "its settings are `kl_weight`, a number or a schedule, `elbo(kl_weight = ramp(0, 1))`, and `draws`, \
                         the number of draws inside the logarithm, `elbo(draws = 50)`",
                    ));
                    return None;
                }
            }
        }
        if let Some(samples) = draws.filter(|&n| n > 1) {
            if kl_weight.is_some() {
                self.push(
                    Diagnostic::at(Code::WrongArguments, span, "a bound of several draws has no weighted divergence")
                        .help("take `kl_weight` or `draws`"),
                );
                return None;
            }
            return Some(objective_expr(Objective::ImportanceBound { model: scope.model, samples }, span));
        }
        Some(objective_expr(Objective::Elbo { model: scope.model, kl_weight }, span))
    }

    /// `mutual_info(c | x)` = E[log guide(c | x) − log m(c)] under the model: a lower bound of the mutual information of c
    /// and x (Barber & Agakov 2003).
    fn mutual_information(
        &mut self,
        scope: &Scope,
        args: &[ast::Arg],
        given: &[ast::Condition],
        span: Span,
    ) -> Option<Expr> {
        let model = scope.model;
        let (targets, given) = self.targets_given(model, args, given)?;
        if self.program.models[model].guide.is_none() {
            let name = self.program.models[model].name.clone();
            self.push(
                Diagnostic::at(Code::UnknownName, span, format!("`{name}` has no guide to recover this by"))
                    .help(format!("write `guide {name} {{ .. }}`")),
            );
            return None;
        }
        let vars: Vec<VarId> = targets.iter().chain(&given).copied().collect();
        let recovered = Objective::LogDensity { of: Subject::Guide(model), targets: targets.clone(), given };
        let prior = Objective::LogDensity { of: Subject::Model(model), targets, given: Vec::new() };
        let body = binary(Operator::Sub, objective_expr(recovered, span), objective_expr(prior, span), span);
        Some(objective_expr(Objective::Expect { body, vars, source: Subject::Model(model) }, span))
    }

    /// `log(guide(y | x))`, `log(m(y | x))`; any other logarithm is arithmetic.
    fn log_density(&mut self, scope: &mut Scope, inner: &ast::Expr, span: Span) -> Option<Expr> {
        if let ExprKind::Call { callee, args, given } = &inner.bare().kind
            && let Some(name) = callee.name()
        {
            let of = match name.text.as_str() {
                "guide" => match self.program.models[scope.model].guide {
                    Some(_) => Some(Subject::Guide(scope.model)),
                    None if self.guides.contains_key(&self.program.models[scope.model].name) => return None,
                    // What `infer` makes stands in for a guide.
                    None if self.has_override(&self.program.models[scope.model].name) => {
                        Some(Subject::Guide(scope.model))
                    }
                    None => {
                        let model = self.program.models[scope.model].name.clone();
                        self.push(
                            Diagnostic::at(Code::UnknownName, name.span, format!("`{model}` has no guide"))
                                .help(format!("write `guide {model} {{ .. }}`")),
                        );
                        return None;
                    }
                },
                text => self.model_ids.get(text).map(|&m| Subject::Model(m)),
            };
            if let Some(of) = of {
                let model = match of {
                    Subject::Model(m) | Subject::Guide(m) => m,
                    Subject::Data(_) => scope.model,
                };
                let (targets, given) = self.targets_given(model, args, given)?;
                return Some(objective_expr(Objective::LogDensity { of, targets, given }, span));
            }
        }
        Some(call(Function::Log, self.objective_part(scope, inner)?, span))
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
        span: Span,
    ) -> Option<Expr> {
        let subject = match source.single().map(|n| n.text.as_str()) {
            Some("guide") => Subject::Guide(scope.model),
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
        let model = match subject {
            Subject::Model(m) | Subject::Guide(m) => m,
            Subject::Data(_) => scope.model,
        };
        let mut vars = Vec::new();
        for decl in &left.decls {
            vars.push(self.variable(model, &decl.name)?);
        }
        let body = self.objective_part(scope, body)?;
        Some(objective_expr(Objective::Expect { body, vars, source: subject }, span))
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
                // What `use` would bring was refused where it stands.
                None if self.file.items.iter().any(|i| matches!(i, ast::Item::Use(u) if u.name.text == first.text)) => {
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
