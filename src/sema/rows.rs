//! `for r in Row` spelled out where nothing is shared by the rows: the loop is the plate that every model stands in anyway, so it
//! is taken away and the body kept. What stands outside the loop, or reads another row, needs the loop; it stays.

use std::collections::BTreeSet;

use crate::syntax::ast::*;

use super::axes::ROWS;

/// The file with every loop over the rows taken away that says nothing of its own; none if there is no such loop.
pub fn without_rows(file: &File) -> Option<File> {
    let mut new: Option<File> = None;
    for item in &file.items {
        let Item::Model(model) = item else { continue };
        if !model.body.statements.iter().any(is_row_loop) {
            continue;
        }
        let Some((freed, names)) = free_model(model) else { continue };
        let guide = file.items.iter().find_map(|i| match i {
            Item::Guide(g) if g.model.text == model.name.text => Some(g),
            _ => None,
        });
        let freed_guide = match guide {
            Some(guide) => match free_guide(guide, &names) {
                Some(freed) => Some(freed),
                None => continue,
            },
            None => None,
        };
        let target = new.get_or_insert_with(|| file.clone());
        for item in &mut target.items {
            match item {
                Item::Model(m) if m.name == model.name => *m = freed.clone(),
                Item::Guide(g) if Some(&*g) == guide => {
                    freed_guide.iter().for_each(|freed| *g = freed.clone());
                }
                _ => {}
            }
        }
    }
    new
}

fn is_row_loop(statement: &Stmt) -> bool {
    matches!(statement, Stmt::For { binders, .. } if binders.iter().any(|b| b.axis.text == ROWS))
}

/// The model without its loops over rows, if each of its variables stands in one.
fn free_model(model: &Model) -> Option<(Model, BTreeSet<String>)> {
    let mut model = model.clone();
    let mut indexed = BTreeSet::new();
    for port in model.ports.iter_mut().flatten() {
        // An argument is one value a row, which its declaration must say.
        let before = port.decl.index.len();
        port.decl.index.retain(|s| !matches!(&s.kind, SizeKind::Name(n) if n.text == ROWS));
        if port.decl.index.len() + 1 != before {
            return None;
        }
        indexed.insert(port.decl.name.text.clone());
    }
    declared(&model.body.statements, &mut indexed);
    let inside = model.body.statements.iter().all(|s| is_row_loop(s) || matches!(s, Stmt::Param(_)));
    let statements = free_block(std::mem::take(&mut model.body.statements), &indexed).filter(|_| inside)?;
    model.body.statements = statements;
    Some((model, indexed))
}

fn free_guide(guide: &Guide, names: &BTreeSet<String>) -> Option<Guide> {
    let mut guide = guide.clone();
    let inside = guide.body.statements.iter().all(|s| is_row_loop(s) || matches!(s, Stmt::Param(_)));
    guide.body.statements = free_block(std::mem::take(&mut guide.body.statements), names).filter(|_| inside)?;
    Some(guide)
}

/// The names that statements declare.
fn declared(statements: &[Stmt], names: &mut BTreeSet<String>) {
    for statement in statements {
        match statement {
            Stmt::Param(_) | Stmt::Axis { .. } | Stmt::Factor { .. } => {}
            Stmt::Var { decls, .. } => names.extend(decls.iter().map(|d| d.name.text.clone())),
            Stmt::For { body, .. } => declared(&body.statements, names),
            Stmt::Random { left, .. } | Stmt::Equal { left, .. } => {
                names.extend(left.decls.iter().map(|d| d.name.text.clone()));
            }
        }
    }
}

fn free_block(statements: Vec<Stmt>, names: &BTreeSet<String>) -> Option<Vec<Stmt>> {
    let mut list = Vec::new();
    for statement in statements {
        match statement {
            Stmt::For { mut binders, mut body, span } if binders.iter().any(|b| b.axis.text == ROWS) => {
                let place = binders.iter().position(|b| b.axis.text == ROWS)?;
                let index = binders.remove(place).index.text;
                let again = binders.iter().any(|b| b.axis.text == ROWS || b.index.text == index);
                let freed = body.statements.iter_mut().all(|s| free_statement(s, &index, names));
                if again || !freed {
                    return None;
                }
                if binders.is_empty() {
                    list.append(&mut body.statements);
                } else {
                    list.push(Stmt::For { binders, body, span });
                }
            }
            other => list.push(other),
        }
    }
    Some(list)
}

/// Takes the index away from a statement; no if it is used otherwise than to name the row at hand.
fn free_statement(statement: &mut Stmt, index: &str, names: &BTreeSet<String>) -> bool {
    match statement {
        Stmt::Param(_) | Stmt::Axis { .. } => false,
        Stmt::Var { decls, .. } => decls.iter_mut().all(|d| free_decl(d, index)),
        Stmt::Factor { value, .. } => free(value, index, names),
        Stmt::For { binders, body, .. } => {
            !binders.iter().any(|b| b.index.text == index || b.axis.text == ROWS)
                && body.statements.iter_mut().all(|s| free_statement(s, index, names))
        }
        Stmt::Random { left, value, .. } | Stmt::Equal { left, value, .. } => {
            left.decls.iter_mut().all(|d| free_decl(d, index)) && free(value, index, names)
        }
    }
}

fn free_decl(decl: &mut Decl, index: &str) -> bool {
    let before = decl.index.len();
    decl.index.retain(|s| !matches!(&s.kind, SizeKind::Name(n) if n.text == index));
    let own = |s: &Size| match &s.kind {
        SizeKind::Name(n) | SizeKind::Before(n) | SizeKind::Offset(n, _) => n.text == index || n.text == ROWS,
        SizeKind::Number(_) => false,
    };
    decl.index.len() + 1 == before && !decl.index.iter().chain(decl.domain.iter().flat_map(|d| &d.axes)).any(own)
}

fn free(e: &mut Expr, index: &str, names: &BTreeSet<String>) -> bool {
    let deeper = |e: &mut Expr| free(e, index, names);
    match &mut e.kind {
        ExprKind::Number(_) | ExprKind::Text(_) => true,
        // A variable without its row would be that of all rows.
        ExprKind::Path(path) => {
            path.parts.iter().all(|p| p.text != index && p.text != ROWS && !names.contains(&p.text))
        }
        ExprKind::Group(inner) | ExprKind::Negate(inner) => deeper(inner),
        ExprKind::List(entries) => entries.iter_mut().all(deeper),
        ExprKind::If { condition, then, otherwise } => deeper(condition) && deeper(then) && deeper(otherwise),
        ExprKind::Is { subject, .. } => deeper(subject),
        ExprKind::Binary { left, right, .. } => deeper(left) && deeper(right),
        ExprKind::Call { callee, args, given } => {
            given.is_empty() && deeper(callee) && args.iter_mut().all(|a| deeper(&mut a.value))
        }
        ExprKind::Index { base, indices } => {
            let variable = base.name().is_some_and(|n| names.contains(&n.text));
            let before = indices.len();
            if variable {
                indices.retain(|p| !matches!(p, Position::At(e) if e.name().is_some_and(|n| n.text == index)));
            }
            let rest = indices.iter_mut().all(|p| match p {
                Position::Before(name) => name.text != index,
                Position::At(e) => deeper(e),
            });
            if !rest || variable && indices.len() + 1 != before || !variable && !deeper(base) {
                return false;
            }
            if indices.is_empty() {
                let span = e.span;
                let kind = std::mem::replace(&mut base.kind, ExprKind::List(Vec::new()));
                *e = Expr { kind, span };
            }
            true
        }
        ExprKind::Expect { .. } => false,
        ExprKind::Table { names: of, rows } => {
            of.iter().all(|n| n.text != index && !names.contains(&n.text))
                && rows.iter_mut().all(|r| deeper(&mut r.value))
        }
    }
}
