//! What a factor reads, as it was written: definitions, which the compiler puts in where they are read, are taken out again.
//!
//! A part that was put in still carries the place of the definition it comes from; that is how it is known.

use std::collections::BTreeSet;

use crate::base::span::Span;
use crate::model::{Expr, Factor, FactorKind, Node, ParamId, Program, Subscript, VarId};

/// A definition of a model: the variable, its expression and where it was written.
pub struct Definition<'p> {
    var: VarId,
    value: &'p Expr,
    span: Span,
}

/// The definitions among some factors.
pub fn definitions(factors: &[Factor]) -> Vec<Definition<'_>> {
    let found = factors.iter().filter_map(|f| match &f.kind {
        FactorKind::Deterministic { target, value } => Some(Definition { var: target.var, value, span: f.span }),
        _ => None,
    });
    found.collect()
}

/// What expressions read: variables, each with the shifts of its positions, and parameters.
#[derive(Debug, Default)]
pub struct Reads {
    /// Variables with their shifts, as text; nothing where there is no shift.
    pub vars: BTreeSet<(VarId, String)>,
    /// Parameters.
    pub params: BTreeSet<ParamId>,
}

impl Reads {
    /// What a factor reads.
    pub fn of(program: &Program, definitions: &[Definition], factor: &Factor) -> Reads {
        let mut reads = Reads::default();
        for expr in factor.exprs() {
            reads.walk(program, definitions, factor.span, expr);
        }
        reads
    }

    fn walk(&mut self, program: &Program, definitions: &[Definition], own: Span, expr: &Expr) {
        if let Some(definition) = definitions.iter().find(|d| d.span != own && within(expr.span, d.span)) {
            self.vars.insert((definition.var, moved(program, expr, definition.value)));
            return;
        }
        match &expr.node {
            Node::Param(id) => {
                self.params.insert(*id);
            }
            Node::Var(var) => {
                self.vars.insert((*var, String::new()));
            }
            Node::Pick { base, at } => {
                if let Node::Var(var) = base.node {
                    self.vars.insert((var, shift(program, at)));
                } else {
                    self.walk(program, definitions, own, base);
                }
                for subscript in at {
                    if let Subscript::By(by) = subscript {
                        self.walk(program, definitions, own, by);
                    }
                }
            }
            _ => expr.children().into_iter().for_each(|child| self.walk(program, definitions, own, child)),
        }
    }
}

fn within(inner: Span, outer: Span) -> bool {
    inner.file == outer.file && outer.start <= inner.start && inner.end <= outer.end && inner.start < inner.end
}

/// The shifts in subscripts as a text: `t−1`, `< t`, or nothing.
fn shift(program: &Program, at: &[Subscript]) -> String {
    let parts = at.iter().filter_map(|s| match s {
        Subscript::At { index, offset } if *offset != 0 => Some(offset_text(&program.indices[*index].name, *offset)),
        Subscript::Prefix(index) => Some(format!("< {}", program.indices[*index].name)),
        Subscript::At { .. } | Subscript::By(_) | Subscript::Constant(_) | Subscript::Last => None,
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn offset_text(index: &str, offset: i64) -> String {
    format!("{index}{}{}", if offset < 0 { '−' } else { '+' }, offset.unsigned_abs())
}

/// By how much a definition was moved when it was put in: its first reading at a position tells.
fn moved(program: &Program, put_in: &Expr, value: &Expr) -> String {
    let original = value.reads();
    for read in put_in.reads() {
        let Some(before) = original.iter().find(|r| r.span == read.span && r.var == read.var) else { continue };
        for (now, then) in read.at.iter().zip(&before.at) {
            if let (Subscript::At { index, offset }, Subscript::At { offset: was, .. }) = (now, then) {
                return match offset - was {
                    0 => String::new(),
                    by => offset_text(&program.indices[*index].name, by),
                };
            }
        }
    }
    String::new()
}
