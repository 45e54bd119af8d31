//! Models and guides: first every name of a body is declared (order means nothing), then each statement becomes a factor; sub-models are put in.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::inline::measure;
use crate::model::*;
use crate::syntax::ast::{self, ExprKind, SizeKind, Stmt};

use super::Checker;
use super::bounds::MAX_MADE;
use super::dists::Shape;
use super::ranges::{of_domain, of_expr};
use super::scope::{Entry, Scope};
use super::types::{as_number, say_axes, show_type};

impl<'a> Checker<'a> {
    /// Parameters at file level, shared by name.
    pub fn file_params(&mut self, params: &ast::Params) {
        let mut scope = Scope::new(crate::base::id::Id::from_index(0), "", Owner::File);
        for param in &params.list {
            if let Some(&first) = self.file_params.get(&param.decl.name.text) {
                let first = self.program.params[first].span;
                self.twice(&param.decl.name, first, "parameter");
                continue;
            }
            if let Some(id) = self.declare_param(&mut scope, param) {
                self.file_params.insert(param.decl.name.text.clone(), id);
                self.prior(&mut scope, param, id);
            }
        }
    }

    fn declare_param(&mut self, scope: &mut Scope, param: &ast::Param) -> Option<ParamId> {
        let decl = &param.decl;
        let index = self.axis_list(Some(scope), &decl.index);
        let Some(domain) = &decl.domain else {
            self.missing_domain(&decl.name);
            return None;
        };
        let (domain, event) = self.domain(Some(scope), domain)?;
        if matches!(domain, Domain::Bool | Domain::Spin | Domain::Cat(_) | Domain::Count) {
            let has = show_type(&self.program, &domain, &event);
            self.push(
                Diagnostic::at(Code::DomainsDisagree, decl.span, format!("a parameter cannot be a `{has}`"))
                    .help("a parameter is a learned number; a discrete unknown is a variable, with `~`"),
            );
            return None;
        }
        let mut axes = index?;
        for axis in event {
            if axes.contains(&axis) {
                self.repeated_axis(axis, decl.span);
                return None;
            }
            axes.push(axis);
        }
        let name = if scope.prefix.is_empty() {
            decl.name.text.clone()
        } else {
            format!("{}.{}", scope.prefix, decl.name.text)
        };
        Some(self.program.params.push(Param { name, owner: scope.owner, axes, domain, prior: None, span: decl.span }))
    }

    fn prior(&mut self, scope: &mut Scope, param: &ast::Param, id: ParamId) {
        let Some(prior) = &param.prior else { return };
        let p = &self.program.params[id];
        let shape =
            Shape { domain: p.domain.clone(), event: p.axes.clone(), span: p.span, name: param.decl.name.text.clone() };
        if let Some(dist) = self.dist(scope, prior, &shape) {
            if let Some(read) = dist.exprs().flat_map(Expr::reads).next() {
                self.push(
                    Diagnostic::at(Code::WrongKind, read.span, "a prior cannot read a variable")
                        .help("a prior stands once for the data set; it reads numbers and parameters"),
                );
                return;
            }
            self.program.params[id].prior = Some(dist);
        }
    }

    /// Whether a model only has meaning once its arguments are given.
    fn is_generic(&self, model: &ast::Model) -> bool {
        let known = |name: &ast::Name| self.declared_axes.contains_key(&name.text);
        model.ports.iter().flatten().any(|port| {
            let domain = port.decl.domain.as_ref();
            let sizes = port.decl.index.iter().chain(domain.iter().flat_map(|d| &d.axes));
            let enumeration = domain.filter(|d| !super::axes::DOMAINS.contains(&d.name.text.as_str()));
            domain.is_some_and(|d| d.name.text == "Discrete")
                || enumeration.is_some_and(|d| !known(&d.name))
                || sizes.filter_map(|s| if let SizeKind::Name(n) = &s.kind { Some(n) } else { None }).any(|n| !known(n))
        })
    }

    /// Checks a model of the file; a generic one waits for its use.
    pub fn model_item(&mut self, item: &'a ast::Model) {
        if self.model_ids.contains_key(&item.name.text) || self.is_generic(item) {
            return;
        }
        let model = Model {
            name: item.name.text.clone(),
            vars: Vec::new(),
            params: Vec::new(),
            factors: Vec::new(),
            guide: None,
            span: item.name.span,
        };
        let id = self.program.models.push(model);
        self.model_ids.insert(item.name.text.clone(), id);
        let (problems, silent) = (self.problems.len(), self.silent.len());
        let mut scope = Scope::new(id, &item.name.text, Owner::Model(id));
        for port in item.ports.iter().flatten() {
            self.declare_var(&mut scope, &port.decl, &[], port.given, true);
        }
        self.declare(&mut scope, &item.body.statements, &mut Vec::new());
        let factors = self.statements(&mut scope, &item.body.statements);
        let vars: Vec<VarId> = self.program.vars.iter().filter(|(_, v)| v.model == id).map(|(v, _)| v).collect();
        let (given, free): (Vec<VarId>, Vec<VarId>) = vars.into_iter().partition(|&v| self.program.vars[v].given);
        let params = self.program.params.iter().filter(|(_, p)| p.owner == Owner::Model(id)).map(|(p, _)| p).collect();
        let model = &mut self.program.models[id];
        (model.vars, model.params, model.factors) = (given.into_iter().chain(free).collect(), params, factors);
        // What was dropped, with its error or with that of another item, would now look missing.
        let whole = self.problems.len() == problems && self.silent.len() == silent && self.made <= MAX_MADE;
        self.verify(id, &scope, whole);
        if !whole {
            self.failed_models.insert(id);
        }
        self.model_names.insert(id, scope);
    }

    /// Checks every guide beside its model.
    pub fn guide_items(&mut self) {
        let guides: Vec<&'a ast::Guide> = self.guides.values().copied().collect();
        for item in guides {
            let Some(&id) = self.model_ids.get(&item.model.text) else {
                if !self.models.contains_key(&item.model.text) {
                    self.no_such_model(&item.model);
                } else {
                    let what =
                        format!("`{}` is made for use inside other models and cannot have a guide", item.model.text);
                    self.error(Code::WrongKind, item.model.span, what);
                }
                continue;
            };
            let Some(names) = self.model_names.get(&id) else { continue };
            let mut scope = Scope::new(id, &format!("{}.guide", item.model.text), Owner::Guide(id));
            scope.guide = true;
            // The model's own parameters stay out of reach by their short names only where the guide has its own of that name.
            scope.names = names.names.clone();
            self.declare(&mut scope, &item.body.statements, &mut Vec::new());
            let factors = self.statements(&mut scope, &item.body.statements);
            let params =
                self.program.params.iter().filter(|(_, p)| p.owner == Owner::Guide(id)).map(|(p, _)| p).collect();
            for factor in &factors {
                if let FactorKind::Potential(_) | FactorKind::Undirected { .. } = factor.kind {
                    self.push(
                        Diagnostic::at(Code::WrongKind, factor.span, "a guide has no factors")
                            .help("a guide is a directed density that can be drawn from: use `~`"),
                    );
                }
            }
            self.verify_order(&factors);
            self.program.models[id].guide = Some(Guide { params, factors, made: None, span: item.span });
            let own =
                |entry: &Entry| matches!(entry, Entry::Param(p) if self.program.params[*p].owner == Owner::Guide(id));
            self.model_names.get_mut(&id).into_iter().for_each(|s| {
                // Only what the guide brings; the variables are the model's.
                for (name, entry) in scope.names.iter().filter(|(_, (e, _))| own(e)) {
                    s.names.entry(format!("guide.{name}")).or_insert_with(|| entry.clone());
                }
            });
        }
    }

    /// A name that should be a model.
    pub fn no_such_model(&mut self, name: &ast::Name) {
        let near = self.near(&name.text, self.models.keys().map(String::as_str)).map(str::to_string);
        let diagnostic = Diagnostic::at(Code::UnknownName, name.span, format!("there is no model `{}`", name.text));
        self.push(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if self.nets.contains_key(&name.text) => {
                diagnostic.help(format!("`{}` is a net; a net becomes a model by a `~` over its output", name.text))
            }
            None => diagnostic.help(format!("define it: `model {} {{ .. }}`", name.text)),
        });
    }

    // First pass: names

    pub fn declare(&mut self, scope: &mut Scope, statements: &[Stmt], plates: &mut Vec<(String, AxisId)>) {
        for statement in statements {
            if let Stmt::Axis { name, of, span } = statement
                && let Some(of) = self.axis_name(Some(scope), of)
            {
                let alias = self.alias(&name.text, of, *span);
                scope.axes.insert(name.text.clone(), alias);
            }
        }
        for statement in statements {
            match statement {
                Stmt::Axis { .. } => {}
                Stmt::Param(params) => {
                    for param in &params.list {
                        let name = &param.decl.name;
                        if scope.names.get(&name.text).is_some_and(|(_, span)| *span == name.span) {
                            continue;
                        }
                        if !plates.is_empty() {
                            let (index, axis) = &plates[plates.len() - 1];
                            let axis = &self.program.axes[*axis].name;
                            let message = format!("the parameter `{}` stands inside a loop", name.text);
                            let help = format!(
                                "declare it outside, one for each place: `param {}[{axis}]: ..`, and read `{}[{index}]`",
                                name.text, name.text
                            );
                            self.push(Diagnostic::at(Code::WrongIndex, param.span, message).help(help));
                        }
                        if self.taken(scope, name, "parameter") {
                            continue;
                        }
                        let entry = self.declare_param(scope, param).map_or(Entry::Poisoned, Entry::Param);
                        scope.names.insert(name.text.clone(), (entry, name.span));
                    }
                }
                Stmt::Var { decls, .. } => {
                    for decl in decls {
                        self.declare_var(scope, decl, plates, false, true);
                    }
                }
                Stmt::Factor { .. } => {}
                Stmt::For { binders, body, .. } => {
                    let before = plates.len();
                    for binder in binders {
                        if let Some(axis) = self.axis_name(Some(scope), &binder.axis) {
                            plates.push((binder.index.text.clone(), axis));
                        }
                    }
                    if plates.len() == before + binders.len() {
                        self.declare(scope, &body.statements, plates);
                    } else {
                        self.poison(scope, &body.statements);
                    }
                    plates.truncate(before);
                }
                Stmt::Random { left, .. } | Stmt::Equal { left, .. } => {
                    // A sub-model defines whole variables, along all of their axes.
                    let whole = matches!(statement, Stmt::Random { value, .. } if self.is_submodel(value));
                    for decl in &left.decls {
                        let known = scope.names.contains_key(&decl.name.text);
                        if scope.guide
                            || decl.domain.is_none() && known
                            || scope.by_definition.contains(&decl.name.text)
                        {
                            continue;
                        }
                        if !known {
                            scope.by_definition.insert(decl.name.text.clone());
                        }
                        self.declare_var(scope, decl, plates, false, whole);
                    }
                }
            }
        }
    }

    /// Whether an expression is the use of a model.
    fn is_submodel(&self, value: &ast::Expr) -> bool {
        match &value.bare().kind {
            ast::ExprKind::Call { callee, .. } => callee.name().is_some_and(|n| self.models.contains_key(&n.text)),
            _ => false,
        }
    }

    /// Counts everything a failed body declares as declared.
    fn poison(&mut self, scope: &mut Scope, statements: &[Stmt]) {
        for statement in statements {
            let names: Vec<&ast::Name> = match statement {
                Stmt::Param(params) => params.list.iter().map(|p| &p.decl.name).collect(),
                Stmt::Var { decls, .. } => decls.iter().map(|d| &d.name).collect(),
                Stmt::Random { left, .. } | Stmt::Equal { left, .. } => left.decls.iter().map(|d| &d.name).collect(),
                Stmt::For { body, .. } => {
                    self.poison(scope, &body.statements);
                    Vec::new()
                }
                Stmt::Axis { .. } | Stmt::Factor { .. } => Vec::new(),
            };
            for name in names {
                scope.names.entry(name.text.clone()).or_insert((Entry::Poisoned, name.span));
            }
        }
    }

    fn taken(&mut self, scope: &Scope, name: &ast::Name, what: &str) -> bool {
        let first = match scope.names.get(&name.text) {
            // A guide may have parameters called like the model's.
            Some((Entry::Param(p), _)) if scope.guide && self.program.params[*p].owner != scope.owner => None,
            Some((_, span)) => Some(*span),
            None => None,
        };
        let Some(first) = first else { return false };
        if first == name.span {
            return true;
        }
        let message = format!("the {what} `{}` is declared twice", name.text);
        self.push(
            Diagnostic::at(
                if what == "variable" { Code::TwoDefinitions } else { Code::DefinedTwice },
                name.span,
                message,
            )
            .saying("again here")
            .label(first, "first here")
            .help("each name is declared once; give one of them another name"),
        );
        true
    }

    fn declare_var(
        &mut self,
        scope: &mut Scope,
        decl: &ast::Decl,
        plates: &[(String, AxisId)],
        given: bool,
        free: bool,
    ) {
        let name = &decl.name;
        if self.taken(scope, name, "variable") {
            return;
        }
        if plates.iter().any(|(n, _)| *n == name.text) {
            self.push(
                Diagnostic::at(
                    Code::DefinedTwice,
                    name.span,
                    format!("`{}` already is the index of a loop around", name.text),
                )
                .help("give one of them another name"),
            );
        }
        let entry = self.new_var(scope, decl, plates, given, free).map_or(Entry::Poisoned, Entry::Var);
        scope.names.insert(name.text.clone(), (entry, name.span));
    }

    fn new_var(
        &mut self,
        scope: &Scope,
        decl: &ast::Decl,
        plates: &[(String, AxisId)],
        given: bool,
        free: bool,
    ) -> Option<VarId> {
        let Some(domain) = &decl.domain else {
            let near = self
                .near(&decl.name.text, scope.names.keys().map(String::as_str).filter(|n| !n.contains('.')))
                .map(str::to_string);
            let diagnostic = Diagnostic::at(
                Code::MissingDomain,
                decl.name.span,
                format!("`{}` does not say where its values live", decl.name.text),
            );
            self.push(match near {
                Some(near) => diagnostic
                    .help(format!("write `{}: Real`, or another domain; or did you mean `{near}`?", decl.name.text)),
                None => diagnostic.help(format!("write `{}: Real`, or another domain", decl.name.text)),
            });
            return None;
        };
        let resolved = self.domain(Some(scope), domain);
        let mut index = Vec::new();
        let mut used = Vec::new();
        for size in &decl.index {
            let SizeKind::Name(name) = &size.kind else {
                if matches!(size.kind, SizeKind::Number(_)) && !free {
                    self.lone_place(&decl.name.text, size.span);
                    return None;
                }
                self.axis_list(Some(scope), std::slice::from_ref(size));
                return None;
            };
            if let Some((_, axis)) = plates.iter().rev().find(|(n, _)| *n == name.text) {
                if index.contains(axis) {
                    self.error(
                        Code::RepeatedAxis,
                        size.span,
                        format!("`{}` runs over an axis that this declaration already has", name.text),
                    );
                    return None;
                }
                index.push(*axis);
                used.push(name.text.clone());
            } else if name.text.starts_with(|c: char| c.is_ascii_lowercase()) {
                self.push(
                    Diagnostic::at(
                        Code::UnboundIndex,
                        name.span,
                        format!("no `for` introduces the index `{}`", name.text),
                    )
                    .help(format!("write `for {} in Axis {{ .. }}` around the statement", name.text)),
                );
                return None;
            } else if free {
                index.extend(self.axis_list(Some(scope), std::slice::from_ref(size))?);
            } else {
                self.push(
                    Diagnostic::at(
                        Code::WrongIndex,
                        size.span,
                        format!("`{}` is an axis; a definition needs an index that runs over it", name.text),
                    )
                    .help(format!("write `for i in {} {{ {}[i]: .. ~ .. }}`", name.text, decl.name.text)),
                );
                return None;
            }
        }
        if let Some((missing, _)) = plates.iter().find(|(n, _)| !used.contains(n)) {
            let mut wanted: Vec<&str> = used.iter().map(String::as_str).collect();
            wanted.push(missing);
            self.push(
                Diagnostic::at(
                    Code::WrongIndex,
                    decl.name.span,
                    format!("`{}` stands inside `for {missing}`, but has no index `{missing}`", decl.name.text),
                )
                .help(format!(
                    "write `{}[{}]`, one for each place, or move the statement out of the loop",
                    decl.name.text,
                    wanted.join(", ")
                )),
            );
            return None;
        }
        let (domain, event) = resolved?;
        if let Some(&axis) = event.iter().find(|a| index.contains(a)) {
            self.repeated_axis(axis, decl.span);
            return None;
        }
        let name = format!("{}{}", scope.var_prefix, decl.name.text);
        Some(self.program.vars.push(Var { name, model: scope.model, index, event, domain, given, span: decl.span }))
    }

    // Second pass: factors

    pub fn statements(&mut self, scope: &mut Scope, statements: &[Stmt]) -> Vec<Factor> {
        let mut factors = Vec::new();
        for statement in statements {
            let (before, made, first) = (self.problems.len(), self.made, factors.len());
            if made > MAX_MADE {
                break;
            }
            let done = self.statement(scope, statement, &mut factors);
            self.note_silent(done, before, statement.span());
            // Bodies of loops and sub-models have been counted, a statement at a time.
            if self.made == made {
                let exprs = factors[first..].iter().flat_map(Factor::leaves).flat_map(Factor::exprs);
                let operations: usize = exprs.map(|e| measure(e).0).sum();
                self.count_made(operations, statement.span());
            }
            factors.append(&mut scope.made);
        }
        factors
    }

    fn statement(&mut self, scope: &mut Scope, statement: &Stmt, factors: &mut Vec<Factor>) -> Option<()> {
        match statement {
            Stmt::Axis { .. } => {}
            Stmt::Param(params) => {
                for param in &params.list {
                    if let Some((Entry::Param(id), span)) = scope.names.get(&param.decl.name.text)
                        && *span == param.decl.name.span
                        && param.prior.is_some()
                    {
                        let id = *id;
                        self.prior(scope, param, id);
                    }
                }
            }
            Stmt::Var { span, .. } => {
                if scope.guide {
                    self.push(
                        Diagnostic::at(Code::WrongKind, *span, "a guide declares no variables of its own")
                            .help("it distributes its model's latent variables with `~`"),
                    );
                }
            }
            Stmt::Factor { value, label, span } => return self.factor(scope, value, label.as_ref(), *span, factors),
            Stmt::For { binders, body, .. } => {
                let before = scope.indices.len();
                for binder in binders {
                    if scope.index(&binder.index.text).is_some() {
                        self.push(
                            Diagnostic::at(
                                Code::DefinedTwice,
                                binder.index.span,
                                format!("`{}` already is the index of a loop around", binder.index.text),
                            )
                            .help("give one of them another name"),
                        );
                    }
                    let axis = self.axis_name(Some(scope), &binder.axis)?;
                    let index = self.program.indices.push(IndexVar {
                        name: binder.index.text.clone(),
                        axis,
                        span: binder.index.span,
                    });
                    scope.indices.push((binder.index.text.clone(), index));
                }
                let inner = self.statements(scope, &body.statements);
                scope.indices.truncate(before);
                factors.extend(inner);
            }
            Stmt::Random { left, value, label, span } => {
                if let ExprKind::Call { callee, args, .. } = &value.bare().kind
                    && let Some(name) = callee.name().filter(|n| self.models.contains_key(&n.text))
                {
                    return self.submodel(scope, left, name, args, label.as_ref(), *span, factors);
                }
                if let ([mean, cov], ExprKind::Call { callee, args, .. }) = (left.decls.as_slice(), &value.bare().kind)
                    && callee.name().is_some_and(|n| n.text == "NormalInverseWishart")
                {
                    return self.normal_inverse_wishart(scope, [mean, cov], args, *span, factors);
                }
                let [decl] = left.decls.as_slice() else {
                    // The names stay declared; what they are drawn from is looked at for its own errors.
                    let shape =
                        Shape { domain: Domain::Real, event: Vec::new(), span: left.span, name: "these".to_string() };
                    let family = match &value.bare().kind {
                        ExprKind::Call { callee, .. } => callee.name().and_then(|n| Family::find(&n.text)),
                        _ => None,
                    };
                    if family.is_some() {
                        self.push(
                            Diagnostic::at(
                                Code::DomainsDisagree,
                                left.span,
                                "this distribution draws one variable, not several",
                            )
                            .help("write one `~` for each variable"),
                        );
                    } else {
                        self.dist(scope, value, &shape);
                    }
                    return None;
                };
                let target = self.target(scope, decl)?;
                let var = &self.program.vars[target.var];
                let shape = Shape {
                    domain: var.domain.clone(),
                    event: var.event.clone(),
                    span: var.span,
                    name: decl.name.text.clone(),
                };
                self.define(scope, target.var, decl.name.span);
                let dist = self.dist(scope, value, &shape)?;
                let name = label.as_ref().map(|l| l.text.clone());
                let kind = FactorKind::Conditional { target, dist };
                factors.push(Factor { name, plates: scope.plates(), kind, span: *span });
            }
            Stmt::Equal { left, value, span } => {
                let [decl] = left.decls.as_slice() else {
                    self.push(
                        Diagnostic::at(Code::WrongKind, left.span, "`=` defines one variable at a time")
                            .help("write a line for each"),
                    );
                    return None;
                };
                let target = self.target(scope, decl)?;
                self.define(scope, target.var, decl.name.span);
                let domain = self.program.vars[target.var].domain.clone();
                let value = self.stated(scope, value, domain.is_discrete().then_some(&domain))?;
                let value = self.check_definition(target.var, value)?;
                factors.push(Factor {
                    name: None,
                    plates: scope.plates(),
                    kind: FactorKind::Deterministic { target, value },
                    span: *span,
                });
            }
        }
        Some(())
    }

    /// `(mu: Real[D], cov: Cov[D]) ~ NormalInverseWishart(mean = m, strength = k, scale = S, dof = n)`: cov from an inverse
    /// Wishart and mu from a normal with covariance cov/k (Gelman et al. 2013, section 3.6).
    fn normal_inverse_wishart(
        &mut self,
        scope: &mut Scope,
        decls: [&ast::Decl; 2],
        args: &[ast::Arg],
        span: Span,
        factors: &mut Vec<Factor>,
    ) -> Option<()> {
        let usage = "write `NormalInverseWishart(mean = 0, strength = 0.1, scale = 1, dof = 4)`";
        let mut settings: [Option<Expr>; 4] = [const { None }; 4];
        for arg in args {
            let place = match &arg.kind {
                ast::ArgKind::Named(name) => {
                    ["mean", "strength", "scale", "dof"].into_iter().position(|n| n == name.text)
                }
                _ => None,
            };
            let Some(place) = place else {
                self.push(
                    Diagnostic::at(Code::UnknownArgument, arg.span, "`NormalInverseWishart` does not take this")
                        .help(usage),
                );
                return None;
            };
            settings[place] = Some(self.expr(scope, &arg.value)?);
        }
        let [Some(mean), Some(strength), Some(scale), Some(dof)] = settings else {
            self.push(
                Diagnostic::at(Code::WrongArguments, span, "`NormalInverseWishart` needs four arguments").help(usage),
            );
            return None;
        };
        let (mu, cov) = (self.target(scope, decls[0]), self.target(scope, decls[1]));
        let (mu, cov) = (mu?, cov?);
        self.define(scope, mu.var, decls[0].name.span);
        self.define(scope, cov.var, decls[1].name.span);
        let (of_mean, of_cov) = (self.program.vars[mu.var].clone(), self.program.vars[cov.var].clone());
        let fits = of_mean.domain == Domain::Real
            && of_cov.domain == Domain::Cov
            && of_cov.event.first() == of_mean.event.last()
            && of_mean.event.len() == 1;
        if !fits {
            self.push(
                Diagnostic::at(Code::DomainsDisagree, span, "this draws a vector and its covariance")
                    .label(of_mean.span, "the mean, a `Real[D]`")
                    .label(of_cov.span, "the covariance, a `Cov[D]`")
                    .help("write `(mu: Real[D], cov: Cov[D]) ~ NormalInverseWishart(..)`"),
            );
            return None;
        }
        let whole = Expr {
            node: Node::Var(cov.var),
            ty: Type { axes: of_cov.axes(), domain: Domain::Cov },
            span: decls[1].name.span,
        };
        let here = Expr {
            node: if cov.at.is_empty() { whole.node } else { Node::Pick { base: Box::new(whole), at: cov.at.clone() } },
            ty: Type { axes: of_cov.event.clone(), domain: Domain::Cov },
            span: decls[1].name.span,
        };
        let scaled = Expr {
            node: Node::Binary(Operator::Div, Box::new(here), Box::new(strength)),
            ty: Type { axes: of_cov.event.clone(), domain: Domain::Cov },
            span,
        };
        let wishart = Dist { family: Family::InverseWishart, args: vec![(Arg::Dof, dof), (Arg::Scale, scale)] };
        let normal = Dist { family: Family::Normal, args: vec![(Arg::Mean, mean), (Arg::Cov, scaled)] };
        let plates = scope.plates();
        for (target, dist) in [(cov, wishart), (mu, normal)] {
            let kind = FactorKind::Conditional { target, dist };
            factors.push(Factor { name: None, plates: plates.clone(), kind, span });
        }
        Some(())
    }

    /// The instance a definition speaks of.
    pub fn target(&mut self, scope: &mut Scope, decl: &ast::Decl) -> Option<Target> {
        let entry = scope.names.get(&decl.name.text).cloned();
        let var = match entry {
            Some((Entry::Var(var), _)) => var,
            Some((Entry::Param(_), place)) => {
                self.push(
                    Diagnostic::at(
                        Code::WrongKind,
                        decl.name.span,
                        format!("`{}` is a parameter, a number; `~` makes a variable", decl.name.text),
                    )
                    .label(place, "declared here")
                    .help("for a penalty on a parameter write `prior`; for a random one drop the `param`"),
                );
                return None;
            }
            Some((Entry::Value(_), _)) => {
                self.error(
                    Code::WrongKind,
                    decl.name.span,
                    format!("`{}` stands for an expression here and cannot be defined", decl.name.text),
                );
                return None;
            }
            Some((Entry::Poisoned, _)) => return None,
            None => {
                let model = self.program.models[scope.model].name.clone();
                let near = self
                    .near(&decl.name.text, scope.names.keys().map(String::as_str).filter(|n| !n.contains('.')))
                    .map(str::to_string);
                let diagnostic = Diagnostic::at(
                    Code::UnknownName,
                    decl.name.span,
                    format!("`{model}` has no variable `{}`", decl.name.text),
                );
                self.push(match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help("a guide distributes the variables of its model"),
                });
                return None;
            }
        };
        let (index, event, domain, place) = {
            let v = &self.program.vars[var];
            (v.index.clone(), v.event.clone(), v.domain.clone(), v.span)
        };
        if self.program.vars[var].given {
            self.push(
                Diagnostic::at(
                    Code::WrongKind,
                    decl.name.span,
                    format!("`{}` is given and cannot be defined", decl.name.text),
                )
                .label(place, "always conditioned on")
                .help("drop the `given`, or the definition"),
            );
            return None;
        }
        if decl.span != place
            && let Some(written) = &decl.domain
        {
            let (kind, axes) = self.domain(Some(scope), written)?;
            if kind != domain || axes != event {
                let (was, is) = (show_type(&self.program, &domain, &event), show_type(&self.program, &kind, &axes));
                self.push(
                    Diagnostic::at(
                        Code::DomainsDisagree,
                        written.span,
                        format!("`{}` is a `{was}`, not a `{is}`", decl.name.text),
                    )
                    .label(place, "declared here"),
                );
                return None;
            }
        }
        let mut at = Vec::new();
        for (size, &axis) in decl.index.iter().zip(&index) {
            let SizeKind::Name(name) = &size.kind else {
                if matches!(size.kind, SizeKind::Number(_)) {
                    self.lone_place(&decl.name.text, size.span);
                    return None;
                }
                self.axis_list(Some(scope), std::slice::from_ref(size));
                return None;
            };
            let Some(id) = scope.index(&name.text) else {
                self.push(
                    Diagnostic::at(
                        Code::UnboundIndex,
                        name.span,
                        format!("no `for` introduces the index `{}`", name.text),
                    )
                    .help(format!(
                        "write `for {} in {} {{ .. }}` around the statement",
                        name.text, self.program.axes[axis].name
                    )),
                );
                return None;
            };
            let plate = self.program.indices[id].axis;
            if self.program.axes.root(plate) != self.program.axes.root(axis) {
                let (runs, wanted) = (self.program.axes[plate].name.clone(), self.program.axes[axis].name.clone());
                self.push(
                    Diagnostic::at(
                        Code::WrongIndex,
                        name.span,
                        format!("`{}` runs over `{runs}`, but `{}` has the axis `{wanted}`", name.text, decl.name.text),
                    )
                    .label(place, "declared here"),
                );
                return None;
            }
            at.push(Subscript::At { index: id, offset: 0 });
        }
        if decl.index.len() != index.len() {
            let has = say_axes(&self.program, &index);
            self.push(
                Diagnostic::at(
                    Code::WrongIndex,
                    decl.span,
                    format!("`{}` needs an index for each of its places", decl.name.text),
                )
                .label(place, format!("is indexed by {has}")),
            );
            return None;
        }
        Some(Target { var, at })
    }

    pub fn define(&mut self, scope: &mut Scope, var: VarId, span: Span) {
        if let Some(&first) = scope.defined.get(&var) {
            let name = self.program.vars[var].name.clone();
            self.push(
                Diagnostic::at(Code::TwoDefinitions, span, format!("`{name}` is defined twice"))
                    .saying("again here")
                    .label(first, "first here")
                    .help("each variable has one `~` or `=`; a second opinion about it is a `factor`"),
            );
            return;
        }
        scope.defined.insert(var, span);
    }

    fn check_definition(&mut self, var: VarId, value: Expr) -> Option<Expr> {
        let (event, domain, place, name) = {
            let v = &self.program.vars[var];
            (v.event.clone(), v.domain.clone(), v.span, v.name.clone())
        };
        let same = match (&domain, &value.ty.domain) {
            (Domain::Cat(a), Domain::Cat(b)) => a == b,
            (Domain::Cat(_) | Domain::Bool | Domain::Spin, other) => *other == domain,
            (Domain::Simplex | Domain::Cov, other) => *other == domain,
            (_, Domain::Cat(_)) => true,
            _ => true,
        };
        let has = show_type(&self.program, &value.ty.domain, &value.ty.axes);
        if !same {
            let wants = show_type(&self.program, &domain, &event);
            self.push(
                Diagnostic::at(Code::DomainsDisagree, value.span, format!("`{name}` cannot be this value"))
                    .saying(format!("this is a `{has}`"))
                    .label(place, format!("declared `{wants}`"))
                    .help(match (&domain, value.ty.domain.is_discrete()) {
                        (Domain::Simplex | Domain::Cov, _) | (_, true) => format!("declare `{name}` as what the value is"),
                        (_, false) => format!("a definition takes values of the same kind: declare `{name}` as what the value is, or draw it with `~`"),
                    }),
            );
            return None;
        }
        let value = if domain.is_discrete() { value } else { as_number(value) };
        if value.ty.axes.iter().any(|a| !event.contains(a)) {
            let (has, wants) = (say_axes(&self.program, &value.ty.axes), say_axes(&self.program, &event));
            self.push(
                Diagnostic::at(Code::AxesDisagree, value.span, format!("the axes of `{name}` and of its value differ"))
                    .saying(format!("has {has}"))
                    .label(place, format!("has {wants}"))
                    .help(format!(
                        "declare `{name}` with the axes of its value, or take them away: `sum(.., Axis)`, `@`, an index"
                    )),
            );
            return None;
        }
        let (need, range) = (of_domain(&domain), of_expr(&value));
        if !domain.is_discrete() && (range.low < need.low || range.high > need.high) {
            let wants = show_type(&self.program, &domain, &[]);
            self.push(
                Diagnostic::at(Code::OutsideSupport, value.span, format!("this value can leave `{wants}`"))
                    .label(place, format!("`{name}` is declared `{wants}`"))
                    .help(match domain {
                        Domain::Positive => "write `exp(..)` or `softplus(..)`, or declare it `Real`",
                        Domain::Unit => "write `sigmoid(..)`, or declare it `Real`",
                        _ => "declare it `Real`",
                    }),
            );
            return None;
        }
        Some(value)
    }

    fn factor(
        &mut self,
        scope: &mut Scope,
        value: &ast::Expr,
        label: Option<&ast::Name>,
        span: Span,
        factors: &mut Vec<Factor>,
    ) -> Option<()> {
        if let ExprKind::Call { callee, args, .. } = &value.bare().kind
            && let Some(name) = callee.name().filter(|n| self.models.contains_key(&n.text))
        {
            let (body, inner) = self.instantiate(scope, name, args, label, span)?;
            self.merge_definitions(scope, &inner);
            factors.extend(body);
            return Some(());
        }
        let value = self.numeric(scope, value)?;
        if !value.ty.axes.is_empty() {
            let has = say_axes(&self.program, &value.ty.axes);
            self.push(
                Diagnostic::at(Code::AxesDisagree, value.span, "a factor adds a single number")
                    .saying(format!("this has {has}"))
                    .help(match value.ty.axes.as_slice() {
                        [one] if self.is_enumerated(*one) => {
                            "a discrete value is its indicators: read a number for its state, `w[y]` or `w @ y`"
                        }
                        _ => "sum it: `factor sum(..)`, or contract with `@`",
                    }),
            );
            return None;
        }
        let kind = FactorKind::Potential(value);
        factors.push(Factor { name: label.map(|l| l.text.clone()), plates: scope.plates(), kind, span });
        Some(())
    }
}
