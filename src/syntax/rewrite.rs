//! A walk through a syntax tree that may change it: what names stand where, expression by expression, place by place.

use super::ast::*;
use crate::base::span::Span;

/// What a walk does at each thing it meets; by default nothing.
pub trait Rewrite {
    /// An expression, before what is inside it. Whether to go on inside.
    fn expr(&mut self, _: &mut Expr) -> bool {
        true
    }

    /// Names joined by dots, in an expression or a clause.
    fn path(&mut self, _: &mut Path) {}

    /// A name that stands for an item of the file: an axis, a domain, a model.
    fn item(&mut self, _: &mut Name) {}

    /// What an expectation draws.
    fn drawn(&mut self, _: &mut Left) {}

    /// The name of a stage.
    fn stage(&mut self, _: &mut Name) {}

    /// The arguments of a call or what stands behind its bar.
    fn args(&mut self, _: &mut Vec<Arg>) {}

    /// What stands behind the bar of a call.
    fn given(&mut self, _: &mut Vec<Condition>) {}

    /// A place.
    fn span(&mut self, _: &mut Span) {}
}

/// Gives everything in an item one place: that of what it was made for.
pub fn place_item(span: Span, whole: &mut Item) {
    struct Place(Span);
    impl Rewrite for Place {
        fn span(&mut self, span: &mut Span) {
            *span = self.0;
        }
    }
    item(&mut Place(span), whole);
}

/// Walks an item.
pub fn item(r: &mut impl Rewrite, item: &mut Item) {
    match item {
        Item::Use(u) => r.span(&mut u.span),
        Item::Data(d) => {
            expr(r, &mut d.source);
            for field in d.fields.iter_mut().flatten() {
                decl(r, &mut field.decl);
                field.value.iter_mut().for_each(|e| expr(r, e));
            }
        }
        Item::Axis(a) => {
            name(r, &mut a.name);
            if let Some(AxisValue::Alias(of)) = &mut a.value {
                name(r, of);
            }
        }
        Item::Param(list) => params(r, list),
        Item::Net(n) => {
            name(r, &mut n.name);
            n.inputs.iter_mut().for_each(|d| decl(r, d));
            match &mut n.output {
                NetOutput::Single(d) => domain(r, d),
                NetOutput::Named(list) => list.iter_mut().for_each(|d| decl(r, d)),
            }
            r.span(&mut n.span);
            for layer in &mut n.layers {
                r.span(&mut layer.span);
                r.span(&mut layer.name.span);
                layer.args.iter_mut().for_each(|a| args(r, a));
            }
        }
        Item::Model(m) => {
            name(r, &mut m.name);
            m.ports.iter_mut().flatten().for_each(|p| decl(r, &mut p.decl));
            block(r, &mut m.body);
        }
        Item::Guide(g) => {
            r.span(&mut g.span);
            name(r, &mut g.model);
            block(r, &mut g.body);
        }
        Item::Objective(o) => {
            name(r, &mut o.name);
            formals(r, &mut o.formals);
            expr(r, &mut o.value);
        }
        Item::Schedule(s) => {
            name(r, &mut s.name);
            formals(r, &mut s.formals);
            s.body.iter_mut().for_each(|s| step(r, s));
        }
        Item::Infer(i) => i.of.iter_mut().chain(&mut i.by).for_each(|e| expr(r, e)),
        Item::Require(q) => q.of.iter_mut().for_each(|e| expr(r, e)),
        Item::Train(t) => {
            t.models.iter_mut().for_each(|n| name(r, n));
            r.path(&mut t.on);
            t.body.iter_mut().flatten().for_each(|s| step(r, s));
        }
        Item::Ask(a) => {
            expr(r, &mut a.value);
            a.of.iter_mut().chain(&mut a.by).for_each(|e| expr(r, e));
            a.on.iter_mut().for_each(|p| r.path(p));
        }
        Item::Report(_) => {}
    }
}

/// Walks a training line.
pub fn step(r: &mut impl Rewrite, step: &mut Step) {
    match step {
        Step::Stage { name, body, span } => {
            r.span(span);
            r.stage(name);
            body.iter_mut().for_each(|s| self::step(r, s));
        }
        Step::Round { over, body, span, .. } => {
            r.span(span);
            path(r, over);
            body.iter_mut().for_each(|s| self::step(r, s));
        }
        Step::Maximise(m) => {
            r.span(&mut m.span);
            expr(r, &mut m.objective);
            m.of.iter_mut().chain(&mut m.by).chain(&mut m.with).for_each(|e| expr(r, e));
            m.over.iter_mut().for_each(|p| path(r, p));
        }
        Step::Tie { pairs, span } => {
            r.span(span);
            for (a, b) in pairs {
                path(r, a);
                path(r, b);
            }
        }
        Step::Init { targets, from, span } => {
            r.span(span);
            targets.iter_mut().for_each(|p| path(r, p));
            expr(r, from);
        }
        Step::Epochs { count, span } => {
            r.span(span);
            r.span(&mut count.span);
        }
        Step::Patience { count, on, span } => {
            r.span(span);
            r.span(&mut count.span);
            path(r, on);
        }
    }
}

/// Walks an expression.
pub fn expr(r: &mut impl Rewrite, e: &mut Expr) {
    if !r.expr(e) {
        return;
    }
    r.span(&mut e.span);
    match &mut e.kind {
        ExprKind::Number(n) => r.span(&mut n.span),
        ExprKind::Text(t) => r.span(&mut t.span),
        ExprKind::Path(p) => path(r, p),
        ExprKind::Group(inner) | ExprKind::Negate(inner) => expr(r, inner),
        ExprKind::List(list) => list.iter_mut().for_each(|e| expr(r, e)),
        ExprKind::If { condition, then, otherwise } => {
            [condition, then, otherwise].into_iter().for_each(|e| expr(r, e));
        }
        ExprKind::Is { subject, word } => {
            expr(r, subject);
            r.span(&mut word.span);
        }
        ExprKind::Binary { left, right, .. } => {
            expr(r, left);
            expr(r, right);
        }
        ExprKind::Call { callee, args: list, given } => {
            expr(r, callee);
            args(r, list);
            r.given(given);
            for condition in given {
                match condition {
                    Condition::Row { number, span } => {
                        r.span(span);
                        r.span(&mut number.span);
                    }
                    Condition::Arg(a) => arg(r, a),
                }
            }
        }
        ExprKind::Index { base, indices } => {
            expr(r, base);
            for position in indices {
                match position {
                    Position::Before(n) => r.span(&mut n.span),
                    Position::At(e) => expr(r, e),
                }
            }
        }
        ExprKind::Expect { body, left: drawn, source, times } => {
            r.drawn(drawn);
            left(r, drawn);
            expr(r, body);
            path(r, source);
            times.iter_mut().for_each(|e| expr(r, e));
        }
        ExprKind::Table { names, rows } => {
            names.iter_mut().for_each(|n| r.span(&mut n.span));
            for row in rows {
                r.span(&mut row.span);
                row.cells.iter_mut().for_each(|e| r.span(&mut e.span));
                expr(r, &mut row.value);
            }
        }
    }
}

fn args(r: &mut impl Rewrite, list: &mut Vec<Arg>) {
    r.args(list);
    list.iter_mut().for_each(|a| arg(r, a));
}

fn arg(r: &mut impl Rewrite, a: &mut Arg) {
    r.span(&mut a.span);
    if let ArgKind::Named(name) = &mut a.kind {
        r.span(&mut name.span);
    }
    expr(r, &mut a.value);
}

fn path(r: &mut impl Rewrite, p: &mut Path) {
    r.path(p);
    r.span(&mut p.span);
    p.parts.iter_mut().for_each(|n| r.span(&mut n.span));
}

fn name(r: &mut impl Rewrite, n: &mut Name) {
    r.item(n);
    r.span(&mut n.span);
}

fn formals(r: &mut impl Rewrite, list: &mut Formals) {
    for formal in list.args.iter_mut().chain(&mut list.given) {
        formal.default.iter_mut().for_each(|e| expr(r, e));
    }
}

fn left(r: &mut impl Rewrite, l: &mut Left) {
    r.span(&mut l.span);
    l.decls.iter_mut().for_each(|d| decl(r, d));
}

fn decl(r: &mut impl Rewrite, d: &mut Decl) {
    r.span(&mut d.span);
    r.span(&mut d.name.span);
    d.index.iter_mut().for_each(|s| size(r, s));
    d.domain.iter_mut().for_each(|d| domain(r, d));
}

fn domain(r: &mut impl Rewrite, d: &mut Domain) {
    r.span(&mut d.span);
    name(r, &mut d.name);
    d.axes.iter_mut().for_each(|s| size(r, s));
}

fn size(r: &mut impl Rewrite, s: &mut Size) {
    r.span(&mut s.span);
    match &mut s.kind {
        SizeKind::Number(n) => r.span(&mut n.span),
        SizeKind::Name(n) => name(r, n),
        SizeKind::Before(n) | SizeKind::Offset(n, _) => r.span(&mut n.span),
    }
}

fn params(r: &mut impl Rewrite, list: &mut Params) {
    r.span(&mut list.span);
    for param in &mut list.list {
        decl(r, &mut param.decl);
        param.prior.iter_mut().for_each(|e| expr(r, e));
    }
}

/// Walks the body of a model or a guide.
pub fn block(r: &mut impl Rewrite, b: &mut Block) {
    r.span(&mut b.span);
    for statement in &mut b.statements {
        match statement {
            Stmt::Param(list) => params(r, list),
            Stmt::Axis { name: own, of, span } => {
                r.span(span);
                r.span(&mut own.span);
                name(r, of);
            }
            Stmt::Var { decls, span } => {
                r.span(span);
                decls.iter_mut().for_each(|d| decl(r, d));
            }
            Stmt::Factor { value, span, .. } => {
                r.span(span);
                expr(r, value);
            }
            Stmt::For { binders, body, span } => {
                r.span(span);
                for binder in binders {
                    r.span(&mut binder.span);
                    r.span(&mut binder.index.span);
                    name(r, &mut binder.axis);
                }
                block(r, body);
            }
            Stmt::Random { left: l, value, span, .. } | Stmt::Equal { left: l, value, span } => {
                r.span(span);
                left(r, l);
                expr(r, value);
            }
        }
    }
}
