//! Sub-models: each use puts the sub-model's factors in, with the arguments in place of its ports and the axes they bring along.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, SizeKind, Stmt};

use super::Checker;
use super::lifted::{Lifted, declared, lift};
use super::scope::{Entry, Scope};
use super::types::{as_number, say_axes, show_type};

/// Sub-models inside one another.
const MAX_LEVELS: usize = 64;
/// What a use of a sub-model counts besides the operations of its body.
const USE: usize = 64;

impl<'a> Checker<'a> {
    #[allow(clippy::too_many_arguments)]
    pub fn submodel(
        &mut self,
        scope: &mut Scope,
        left: &ast::Left,
        name: &ast::Name,
        args: &[ast::Arg],
        label: Option<&ast::Name>,
        span: Span,
        factors: &mut Vec<Factor>,
    ) -> Option<()> {
        let mut vars = Vec::new();
        for decl in &left.decls {
            let whole = match scope.names.get(&decl.name.text) {
                Some((Entry::Var(var), _)) if self.program.vars[*var].span == decl.span => Some(*var),
                _ => None,
            };
            let var = match whole {
                Some(var) => var,
                None => self.target(scope, decl)?.var,
            };
            vars.push((var, decl.name.span));
        }
        let (mut body, inner) = self.instantiate(scope, name, args, label, span)?;
        let undirected = body.iter().any(|f| matches!(f.kind, FactorKind::Potential(_)));
        if undirected {
            for &(var, span) in &vars {
                self.define(scope, var, span);
                let touched = body.iter().any(|f| f.scope().contains(&var));
                if !touched {
                    let text = self.program.vars[var].name.clone();
                    self.push(
                        Diagnostic::at(
                            Code::Untouched,
                            span,
                            format!("`{text}` does not occur among the arguments of `{}`", name.text),
                        )
                        .help("pass it to the sub-model, or give it a `~` of its own"),
                    );
                    return None;
                }
            }
            let vars = vars.into_iter().map(|(v, _)| v).collect();
            let instance = label.map_or(name.text.clone(), |l| l.text.clone());
            factors.push(Factor {
                name: Some(instance),
                plates: scope.plates(),
                kind: FactorKind::Undirected { vars, body },
                span,
            });
            return Some(());
        }
        self.merge_definitions(scope, &inner);
        for (var, span) in vars {
            if !scope.defined.contains_key(&var) {
                let text = self.program.vars[var].name.clone();
                self.push(
                    Diagnostic::at(Code::NeverDefined, span, format!("`{}` does not define `{text}`", name.text))
                        .help("pass it as an argument that the sub-model defines"),
                );
                return None;
            }
        }
        if let (Some(label), [only]) = (label, body.as_mut_slice()) {
            only.name = Some(label.text.clone());
        }
        factors.extend(body);
        Some(())
    }

    pub fn merge_definitions(&mut self, scope: &mut Scope, inner: &Scope) {
        for (&var, &span) in &inner.defined {
            self.define(scope, var, span);
        }
    }

    /// Puts a sub-model in: its factors with the arguments in place of its ports.
    pub fn instantiate(
        &mut self,
        scope: &mut Scope,
        name: &ast::Name,
        args: &[ast::Arg],
        label: Option<&ast::Name>,
        span: Span,
    ) -> Option<(Vec<Factor>, Scope)> {
        let item = *self.models.get(&name.text)?;
        if self.expanding.contains(&name.text) || self.program.models[scope.model].name == name.text {
            self.push(
                Diagnostic::at(Code::DirectedCycle, span, format!("the model `{}` uses itself", name.text))
                    .label(item.name.span, "defined here")
                    .help("repetition is written with `for` over an axis"),
            );
            return None;
        }
        self.parts.insert(name.text.clone());
        if self.expanding.len() >= MAX_LEVELS {
            self.push(
                Diagnostic::at(
                    Code::TooDeep,
                    span,
                    format!("sub-models inside one another, more than {MAX_LEVELS} deep"),
                )
                .label(item.name.span, "the next one")
                .help("repetition is written with `for` over an axis"),
            );
            return None;
        }
        // A use costs something even where its body is empty, or there would be no end to uses of uses.
        self.count_made(USE, span);
        let base = label.map_or(name.text.as_str(), |l| l.text.as_str());
        let count = scope.instances.entry(base.to_string()).or_insert(0);
        *count += 1;
        let instance = if *count == 1 { base.to_string() } else { format!("{base}{count}") };
        let mut inner = Scope::new(scope.model, &format!("{}.{instance}", scope.prefix), scope.owner);
        inner.var_prefix = format!("{}{instance}.", scope.var_prefix);
        // Loops around the use go on around the body, but their indices cannot be named in it.
        inner.indices = scope.indices.iter().map(|(n, id)| (format!("{n}'"), *id)).collect();
        self.bind_ports(scope, &mut inner, item, args, span)?;
        self.expanding.push(name.text.clone());
        let around: Vec<String> = inner.indices.iter().map(|(name, _)| name.clone()).collect();
        let placed = self.placed_ports(scope, item, args);
        for (name, var) in &placed {
            if let Some((entry, _)) = inner.names.get_mut(name) {
                *entry = Entry::Var(*var);
            }
        }
        let body = match lift(item, &around, &placed) {
            Lifted::Plain => None,
            Lifted::Body(body) => Some(body),
            Lifted::Table(name) => {
                self.push(
                    Diagnostic::at(
                        Code::NotSupported,
                        span,
                        "a table over a variable of a part inside a loop is not built yet",
                    )
                    .label(name.span, "here")
                    .help("write it with `if`, or as a `param` of fixed numbers"),
                );
                self.expanding.pop();
                return None;
            }
        };
        let statements = body.as_ref().map_or(item.body.statements.as_slice(), |b| b.statements.as_slice());
        match &body {
            None => self.declare(&mut inner, statements, &mut Vec::new()),
            Some(_) => {
                // Parameters and axes are the use's, and not one for each place.
                let whole = |s: &&Stmt| matches!(s, Stmt::Param(_) | Stmt::Axis { .. });
                let (shared, own): (Vec<&Stmt>, Vec<&Stmt>) = statements.iter().partition(whole);
                let mut plates: Vec<(String, AxisId)> =
                    inner.indices.iter().map(|(name, id)| (name.clone(), self.program.plate(*id))).collect();
                self.declare(&mut inner, &shared.into_iter().cloned().collect::<Vec<_>>(), &mut Vec::new());
                self.declare(&mut inner, &own.into_iter().cloned().collect::<Vec<_>>(), &mut plates);
            }
        }
        let factors = self.statements(&mut inner, statements);
        self.expanding.pop();
        if body.is_some()
            && factors.iter().any(|f| matches!(f.kind, FactorKind::Potential(_) | FactorKind::Undirected { .. }))
        {
            self.unsupported(span, "an undirected sub-model with variables of its own inside a loop");
            return None;
        }
        // Questions name the variables that a part brings by its name and theirs.
        for (name, entry) in &inner.names {
            if let (Entry::Var(var), _) = entry
                && self.program.vars[*var].name == format!("{}{name}", inner.var_prefix)
            {
                scope.names.insert(format!("{instance}.{name}"), entry.clone());
            }
        }
        Some((factors, inner))
    }

    /// Arguments that a part defines and that stand for a variable at the place of all loops around its use: `x = x[t]`.
    fn placed_ports(&self, scope: &Scope, item: &ast::Model, args: &[ast::Arg]) -> BTreeMap<String, VarId> {
        let mut defined = BTreeSet::new();
        declared(&item.body.statements, &mut defined);
        let ports: &[ast::Port] = item.ports.as_deref().unwrap_or(&[]);
        let mut next = ports.iter();
        let mut placed = BTreeMap::new();
        for arg in args {
            let port = match &arg.kind {
                ArgKind::Positional => next.next(),
                ArgKind::Named(name) => ports.iter().find(|p| p.decl.name.text == name.text),
                ArgKind::Splat => None,
            };
            let Some(port) = port.map(|p| &p.decl.name.text).filter(|name| defined.contains(*name)) else { continue };
            let ast::ExprKind::Index { base, indices } = &arg.value.bare().kind else { continue };
            let Some((Entry::Var(var), _)) = base.name().and_then(|name| scope.names.get(&name.text)) else { continue };
            let at = |(position, (index, _)): (&ast::Position, &(String, IndexId))| match position {
                ast::Position::At(e) => e.name().is_some_and(|name| name.text == *index),
                ast::Position::Before(_) => false,
            };
            let whole = self.program.vars[*var].index.len() == indices.len() && scope.indices.len() == indices.len();
            if whole && indices.iter().zip(&scope.indices).all(at) {
                placed.insert(port.clone(), *var);
            }
        }
        placed
    }

    fn bind_ports(
        &mut self,
        scope: &mut Scope,
        inner: &mut Scope,
        item: &'a ast::Model,
        args: &[ast::Arg],
        span: Span,
    ) -> Option<()> {
        let ports: &[ast::Port] = item.ports.as_deref().unwrap_or(&[]);
        let params: Vec<&ast::Param> = item
            .body
            .statements
            .iter()
            .flat_map(|s| if let Stmt::Param(p) = s { p.list.as_slice() } else { &[] })
            .collect();
        let mut bound: Vec<&str> = Vec::new();
        let mut failed = false;
        let mut place = 0;
        let mut passed: Vec<(&ast::Param, &ast::Arg)> = Vec::new();
        for arg in args {
            let port = match &arg.kind {
                ArgKind::Positional => {
                    place += 1;
                    ports.get(place - 1)
                }
                ArgKind::Named(name) => {
                    if let Some(param) = params.iter().find(|p| p.decl.name.text == name.text) {
                        passed.push((param, arg));
                        continue;
                    }
                    ports.iter().find(|p| p.decl.name.text == name.text)
                }
                ArgKind::Splat => None,
            };
            let Some(port) = port else {
                let words: Vec<String> = ports
                    .iter()
                    .map(|p| &p.decl)
                    .chain(params.iter().map(|p| &p.decl))
                    .map(|d| format!("`{}`", d.name.text))
                    .collect();
                let message = match &arg.kind {
                    ArgKind::Named(name) => format!("the model `{}` has no argument `{}`", item.name.text, name.text),
                    _ => format!("the model `{}` takes {} arguments", item.name.text, ports.len()),
                };
                self.push(
                    Diagnostic::at(Code::UnknownArgument, arg.span, message)
                        .label(item.name.span, "defined here")
                        .help(if words.is_empty() {
                            "it takes none".to_string()
                        } else {
                            format!("it takes {}", words.join(", "))
                        }),
                );
                failed = true;
                continue;
            };
            bound.push(&port.decl.name.text);
            match self.bind_port(scope, inner, port, &arg.value) {
                Some(entry) => inner.names.insert(port.decl.name.text.clone(), (entry, port.decl.name.span)),
                None => {
                    failed = true;
                    inner.names.insert(port.decl.name.text.clone(), (Entry::Poisoned, port.decl.name.span))
                }
            };
        }
        let missing: Vec<String> = ports
            .iter()
            .filter(|p| !bound.contains(&p.decl.name.text.as_str()))
            .map(|p| format!("`{}`", p.decl.name.text))
            .collect();
        if !missing.is_empty() && !failed {
            let message = format!("the model `{}` is missing {}", item.name.text, missing.join(" and "));
            let all: Vec<String> = ports.iter().map(|p| format!("{} = ..", p.decl.name.text)).collect();
            self.push(
                Diagnostic::at(Code::WrongArguments, span, message)
                    .label(item.name.span, "defined here")
                    .help(format!("write `{}({})`", item.name.text, all.join(", "))),
            );
            failed = true;
        }
        if failed {
            return None;
        }
        for (param, arg) in passed {
            let value = self.expr(scope, &arg.value)?;
            let value = self.bounded(value)?;
            let index = self.axis_list(Some(inner), &param.decl.index)?;
            let (_, event) = match &param.decl.domain {
                Some(domain) => self.domain(Some(inner), domain)?,
                None => return None,
            };
            let axes: Vec<AxisId> = index.into_iter().chain(event).collect();
            if axes.len() != value.ty.axes.len() || axes.iter().any(|a| !value.ty.axes.contains(a)) {
                let (wants, has) = (say_axes(&self.program, &axes), say_axes(&self.program, &value.ty.axes));
                self.push(
                    Diagnostic::at(
                        Code::AxesDisagree,
                        value.span,
                        format!("`{}` of `{}` has other axes", param.decl.name.text, item.name.text),
                    )
                    .saying(format!("has {has}"))
                    .label(param.decl.span, format!("needs {wants}")),
                );
                return None;
            }
            let entry = match value.node {
                Node::Param(id) => Entry::Param(id),
                _ => Entry::Value(Box::new(value)),
            };
            // The declaration's own span marks the name as taken care of.
            inner.names.insert(param.decl.name.text.clone(), (entry, param.decl.name.span));
        }
        Some(())
    }

    fn bind_port(
        &mut self,
        scope: &mut Scope,
        inner: &mut Scope,
        port: &ast::Port,
        value: &ast::Expr,
    ) -> Option<Entry> {
        let value = self.expr(scope, value)?;
        let value = self.bounded(value)?;
        let Some(domain) = &port.decl.domain else {
            self.missing_domain(&port.decl.name);
            return None;
        };
        let discrete = domain.name.text == "Discrete";
        let value = if discrete { as_number(value) } else { value };
        if discrete
            && let Some(read) = value.reads().into_iter().find(|r| !self.program.vars[r.var].domain.is_discrete())
        {
            let text = self.program.vars[read.var].name.clone();
            self.push(
                Diagnostic::at(Code::DomainsDisagree, read.span, format!("`{text}` is not discrete"))
                    .label(port.decl.span, "`Discrete` takes `Bool`, `Spin` and enumerations"),
            );
            return None;
        }
        let names: Vec<&ast::Size> = port.decl.index.iter().chain(&domain.axes).collect();
        if names.len() != value.ty.axes.len() {
            let has = show_type(&self.program, &value.ty.domain, &value.ty.axes);
            self.push(
                Diagnostic::at(
                    Code::AxesDisagree,
                    value.span,
                    format!("`{}` has {} axes, this has {}", port.decl.name.text, names.len(), value.ty.axes.len()),
                )
                .saying(format!("this is a `{has}`"))
                .label(port.decl.span, "declared here"),
            );
            return None;
        }
        for (size, &axis) in names.iter().zip(&value.ty.axes) {
            let SizeKind::Name(name) = &size.kind else {
                self.axis_list(Some(inner), std::slice::from_ref(*size));
                return None;
            };
            self.bind_axis(inner, name, axis, value.span)?;
        }
        if !discrete {
            if let Domain::Cat(axis) = value.ty.domain
                && !super::axes::DOMAINS.contains(&domain.name.text.as_str())
            {
                self.bind_axis(inner, &domain.name, axis, value.span)?;
            }
            let (wanted, _) = self.domain(Some(inner), domain)?;
            let numeric = |d: &Domain| matches!(d, Domain::Real | Domain::Positive | Domain::Unit);
            if wanted != value.ty.domain && !(wanted == Domain::Real && numeric(&value.ty.domain)) {
                let (wants, has) =
                    (show_type(&self.program, &wanted, &[]), show_type(&self.program, &value.ty.domain, &[]));
                self.push(
                    Diagnostic::at(
                        Code::DomainsDisagree,
                        value.span,
                        format!("`{}` does not take a `{has}`", port.decl.name.text),
                    )
                    .label(port.decl.span, format!("declared `{wants}`"))
                    .help("an argument that takes any discrete values is declared `Discrete[Axis]`"),
                );
                return None;
            }
        }
        Some(match value.node {
            Node::Var(var) => Entry::Var(var),
            _ => Entry::Value(Box::new(value)),
        })
    }

    fn bind_axis(&mut self, inner: &mut Scope, name: &ast::Name, axis: AxisId, place: Span) -> Option<()> {
        let before = inner.axes.get(&name.text).copied().or_else(|| {
            let fixed = self.declared_axes.contains_key(&name.text);
            self.axes.get(&name.text).copied().filter(|_| fixed)
        });
        match before {
            Some(before) if before != axis => {
                let (is, was) = (self.program.axes[axis].name.clone(), self.program.axes[before].name.clone());
                let diagnostic = Diagnostic::at(
                    Code::AxesDisagree,
                    place,
                    format!("`{}` cannot be both `{was}` and `{is}`", name.text),
                )
                .label(name.span, format!("`{}` is used here", name.text));
                self.push(if was == name.text {
                    diagnostic.help(format!("`{was}` is an axis of the file; a placeholder needs a name of its own"))
                } else {
                    diagnostic
                });
                None
            }
            _ => {
                inner.axes.insert(name.text.clone(), axis);
                Some(())
            }
        }
    }
}
