//! Objectives and schedules by name: the body with the arguments of a call in place of its formal ones, every place of it the place of the
//! call, so that what is wrong with it is told where it was asked for.

use std::collections::BTreeMap;

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::*;
use crate::syntax::rewrite::{self, Rewrite};

use super::Checker;

/// Objectives and schedules inside one another.
pub const MOST_DEPTH: usize = 16;

/// What the arguments of a call stand for.
struct Bound {
    one: BTreeMap<String, Expr>,
    rest: BTreeMap<String, Vec<Arg>>,
}

impl Checker<'_> {
    /// The body of an objective, called at a place.
    pub fn expand_objective(
        &mut self,
        objective: &Objective,
        args: &[Arg],
        given: &[Condition],
        span: Span,
    ) -> Option<Expr> {
        let bound = self.bind_formals(&objective.name.text, &objective.formals, args, given, span)?;
        let mut body = objective.value.clone();
        place(span, |r| rewrite::expr(r, &mut body));
        rewrite::expr(&mut Substitute { bound: &bound }, &mut body);
        Some(body)
    }

    /// The lines of a schedule, called at a place.
    pub fn expand_schedule(&mut self, schedule: &Schedule, args: &[Arg], span: Span) -> Option<Vec<Step>> {
        let bound = self.bind_formals(&schedule.name.text, &schedule.formals, args, &[], span)?;
        let mut body = schedule.body.clone();
        place(span, |r| body.iter_mut().for_each(|s| rewrite::step(r, s)));
        let mut substitute = Substitute { bound: &bound };
        body.iter_mut().for_each(|s| rewrite::step(&mut substitute, s));
        Some(body)
    }

    /// Some lines with a name standing for another.
    pub fn substitute(&self, body: &[Step], name: &Name, value: Expr) -> Vec<Step> {
        let bound = Bound { one: BTreeMap::from([(name.text.clone(), value)]), rest: BTreeMap::new() };
        let mut body = body.to_vec();
        body.iter_mut().for_each(|s| rewrite::step(&mut Substitute { bound: &bound }, s));
        body
    }

    fn bind_formals(
        &mut self,
        name: &str,
        formals: &Formals,
        args: &[Arg],
        given: &[Condition],
        span: Span,
    ) -> Option<Bound> {
        let mut bound = Bound { one: BTreeMap::new(), rest: BTreeMap::new() };
        let mut behind = Vec::new();
        for condition in given {
            match condition {
                Condition::Arg(arg) => behind.push(arg.clone()),
                Condition::Row { span, .. } => {
                    self.error(Code::WrongArguments, *span, format!("`{name}` takes no row"));
                    return None;
                }
            }
        }
        for (formals, args) in [(&formals.args, args.to_vec()), (&formals.given, behind)] {
            let mut waiting = formals.iter();
            for arg in args {
                let formal = match &arg.kind {
                    ArgKind::Named(word) => formals.iter().find(|f| !f.rest && f.name.text == word.text),
                    ArgKind::Positional => waiting.by_ref().find(|f| !f.rest && !bound.one.contains_key(&f.name.text)),
                    ArgKind::Splat => None,
                };
                match (formal, formals.iter().find(|f| f.rest)) {
                    (Some(formal), _) => drop(bound.one.insert(formal.name.text.clone(), arg.value)),
                    (None, Some(rest)) => bound.rest.entry(rest.name.text.clone()).or_default().push(arg),
                    (None, None) => {
                        self.push(
                            Diagnostic::at(Code::UnknownArgument, arg.span, format!("`{name}` does not take this"))
                                .help(takes(formals)),
                        );
                        return None;
                    }
                }
            }
            for formal in formals {
                let text = &formal.name.text;
                if formal.rest {
                    bound.rest.entry(text.clone()).or_default();
                } else if !bound.one.contains_key(text) {
                    let Some(default) = &formal.default else {
                        let message = format!("`{name}` needs `{text}`");
                        self.push(Diagnostic::at(Code::WrongArguments, span, message).help(takes(formals)));
                        return None;
                    };
                    let mut default = default.clone();
                    place(span, |r| rewrite::expr(r, &mut default));
                    bound.one.insert(text.clone(), default);
                }
            }
        }
        Some(bound)
    }
}

/// What a call may be made with.
fn takes(formals: &[Formal]) -> String {
    let one = |f: &Formal| match (&f.default, f.rest) {
        (_, true) => format!("any number of {}", f.name.text),
        (Some(_), _) => format!("`{} = ..`", f.name.text),
        (None, _) => format!("`{}`", f.name.text),
    };
    match formals {
        [] => "it takes nothing here".to_string(),
        some => format!("it takes {}", some.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

/// Puts everything at one place.
fn place(span: Span, walk: impl FnOnce(&mut Place)) {
    walk(&mut Place(span));
}

struct Place(Span);

impl Rewrite for Place {
    fn span(&mut self, span: &mut Span) {
        *span = self.0;
    }
}

/// Puts arguments in place of names.
struct Substitute<'a> {
    bound: &'a Bound,
}

impl Substitute<'_> {
    /// The list that an argument stands for, if it is the name of one.
    fn list(&self, arg: &Arg) -> Option<&Vec<Arg>> {
        match &arg.kind {
            ArgKind::Named(_) => None,
            ArgKind::Positional | ArgKind::Splat => self.bound.rest.get(&arg.value.name()?.text),
        }
    }
}

impl Rewrite for Substitute<'_> {
    fn expr(&mut self, e: &mut Expr) -> bool {
        if let ExprKind::Path(path) = &e.kind
            && let Some(value) = path.single().and_then(|n| self.bound.one.get(&n.text))
        {
            // An operator that was an argument stays one operand.
            let whole = matches!(value.kind, ExprKind::Binary { .. } | ExprKind::If { .. } | ExprKind::Is { .. });
            *e = match whole {
                true => Expr { kind: ExprKind::Group(Box::new(value.clone())), span: value.span },
                false => value.clone(),
            };
            return false;
        }
        true
    }

    fn path(&mut self, path: &mut Path) {
        let value = path.parts.first().and_then(|n| self.bound.one.get(&n.text));
        if let Some(ExprKind::Path(new)) = value.map(|v| &v.bare().kind) {
            path.parts.splice(..1, new.parts.iter().cloned());
        }
    }

    fn stage(&mut self, name: &mut Name) {
        if let Some(ExprKind::Path(new)) = self.bound.one.get(&name.text).map(|v| &v.bare().kind) {
            name.text = new.text();
        }
    }

    fn drawn(&mut self, left: &mut Left) {
        let mut decls = Vec::new();
        for decl in left.decls.drain(..) {
            let one = self.bound.one.get(&decl.name.text).and_then(|e| e.name());
            let list = self.bound.rest.get(&decl.name.text);
            match (one, list) {
                (Some(name), _) => decls.push(Decl { name: name.clone(), ..decl }),
                (None, Some(list)) => {
                    let names = list.iter().filter_map(|a| a.value.name());
                    decls.extend(names.map(|name| Decl { name: name.clone(), ..decl.clone() }));
                }
                (None, None) => decls.push(decl),
            }
        }
        left.decls = decls;
    }

    fn args(&mut self, args: &mut Vec<Arg>) {
        if args.iter().any(|a| self.list(a).is_some()) {
            *args = args
                .drain(..)
                .flat_map(|a| match self.list(&a) {
                    Some(list) => list.clone(),
                    None => vec![a],
                })
                .collect();
        }
    }

    fn given(&mut self, given: &mut Vec<Condition>) {
        let mut new = Vec::new();
        for condition in given.drain(..) {
            match condition {
                Condition::Arg(a) if self.list(&a).is_some() => {
                    new.extend(self.list(&a).into_iter().flatten().cloned().map(Condition::Arg));
                }
                other => new.push(other),
            }
        }
        *given = new;
    }
}
