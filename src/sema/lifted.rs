//! Sub-models inside loops: a variable that such a part brings of its own is one for each place of the loops around it.
//!
//! In: a part's body and the loops' indices as the body knows them. Out: the body with these indices before every place where it declares
//! or reads a variable of its own: `e: Bool ~ ..` becomes `e[t]: Bool ~ ..`.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::VarId;
use crate::syntax::ast::*;
use crate::syntax::rewrite::{self, Rewrite};

/// What becomes of a body inside loops.
pub enum Lifted {
    /// It has no variable of its own, and stays as it is.
    Plain,
    /// One with its variables at every place of the loops.
    Body(Block),
    /// A table is written over a variable of its own, whose name cannot have a place there.
    Table(Name),
}

/// The body of a model inside loops over these indices, outermost first. `placed` are arguments that stand for a variable at the place of
/// the loops: the body names the whole of it, and means that place.
pub fn lift(model: &Model, indices: &[String], placed: &BTreeMap<String, VarId>) -> Lifted {
    let ports: BTreeSet<&str> = model.ports.iter().flatten().map(|p| p.decl.name.text.as_str()).collect();
    let mut own = BTreeSet::new();
    declared(&model.body.statements, &mut own);
    own.retain(|name| !ports.contains(name.as_str()));
    own.extend(placed.keys().cloned());
    if own.is_empty() || indices.is_empty() {
        return Lifted::Plain;
    }
    let mut body = model.body.clone();
    let mut lifting = Lifting { own: &own, indices, table: None };
    places(&mut lifting, &mut body.statements);
    rewrite::block(&mut lifting, &mut body);
    match lifting.table {
        Some(name) => Lifted::Table(name),
        None => Lifted::Body(body),
    }
}

/// The variables that statements declare.
pub fn declared(statements: &[Stmt], names: &mut BTreeSet<String>) {
    for statement in statements {
        match statement {
            Stmt::Var { decls, .. } => names.extend(decls.iter().map(|d| d.name.text.clone())),
            Stmt::Random { left, .. } | Stmt::Equal { left, .. } => {
                names.extend(left.decls.iter().map(|d| d.name.text.clone()));
            }
            Stmt::For { body, .. } => declared(&body.statements, names),
            Stmt::Param(_) | Stmt::Axis { .. } | Stmt::Factor { .. } => {}
        }
    }
}

struct Lifting<'n> {
    own: &'n BTreeSet<String>,
    indices: &'n [String],
    table: Option<Name>,
}

impl Lifting<'_> {
    fn is_own(&self, e: &Expr) -> bool {
        matches!(&e.kind, ExprKind::Path(path) if path.single().is_some_and(|n| self.own.contains(&n.text)))
    }

    /// The indices as positions of a reading.
    fn positions(&self, at: &Expr) -> Vec<Position> {
        let name = |text: &String| Name { text: text.clone(), span: at.span };
        let path = |text| ExprKind::Path(Path { parts: vec![name(text)], span: at.span });
        self.indices.iter().map(|text| Position::At(Expr { kind: path(text), span: at.span })).collect()
    }
}

impl Rewrite for Lifting<'_> {
    fn expr(&mut self, e: &mut Expr) -> bool {
        if let ExprKind::Table { names, .. } = &e.kind
            && let Some(name) = names.iter().find(|n| self.own.contains(&n.text))
        {
            self.table.get_or_insert_with(|| name.clone());
        }
        if self.is_own(e) {
            let indices = self.positions(e);
            e.kind = ExprKind::Index { base: Box::new(e.clone()), indices };
            return false;
        }
        let ExprKind::Index { base, indices } = &mut e.kind else { return true };
        if !self.is_own(base) {
            return true;
        }
        for position in indices.iter_mut() {
            if let Position::At(inner) = position {
                rewrite::expr(self, inner);
            }
        }
        indices.splice(0..0, self.positions(base));
        false
    }
}

/// Puts the indices before those of every declaration of a variable of the body's own.
fn places(lifting: &mut Lifting<'_>, statements: &mut [Stmt]) {
    for statement in statements {
        let decls: &mut [Decl] = match statement {
            Stmt::Var { decls, .. } => decls,
            Stmt::Random { left, .. } | Stmt::Equal { left, .. } => &mut left.decls,
            Stmt::For { body, .. } => {
                places(lifting, &mut body.statements);
                continue;
            }
            Stmt::Param(_) | Stmt::Axis { .. } | Stmt::Factor { .. } => continue,
        };
        for decl in decls.iter_mut().filter(|d| lifting.own.contains(&d.name.text)) {
            let span = decl.name.span;
            let size = |text: &String| Size { kind: SizeKind::Name(Name { text: text.clone(), span }), span };
            decl.index.splice(0..0, lifting.indices.iter().map(size));
        }
    }
}
