//! Helpers on types: building typed expressions, lining up axes, words for messages.

use crate::base::span::Span;
use crate::diag::nearest;
use crate::model::*;
use crate::syntax::ast;

use super::Checker;

/// A typed expression.
pub fn expr(node: Node, axes: Vec<AxisId>, domain: Domain, span: Span) -> Expr {
    Expr { node, ty: Type { axes, domain }, span }
}

/// A number.
pub fn number(value: f64, span: Span) -> Expr {
    expr(Node::Number(value), Vec::new(), Domain::Real, span)
}

/// `a op b`, axes already known to line up.
pub fn binary(op: Operator, a: Expr, b: Expr, span: Span) -> Expr {
    let axes = if a.ty.axes.len() >= b.ty.axes.len() { a.ty.axes.clone() } else { b.ty.axes.clone() };
    expr(Node::Binary(op, Box::new(a), Box::new(b)), axes, Domain::Real, span)
}

/// A function applied entry by entry.
pub fn call(function: Function, e: Expr, span: Span) -> Expr {
    let domain = match function {
        Function::Exp | Function::Softplus => Domain::Positive,
        Function::Sigmoid => Domain::Unit,
        _ => Domain::Real,
    };
    let axes = e.ty.axes.clone();
    expr(Node::Call(function, Box::new(e)), axes, domain, span)
}

/// A value as numbers: a state of an enumeration becomes its indicator.
pub fn as_number(e: Expr) -> Expr {
    match e.ty.domain {
        Domain::Cat(axis) => {
            let mut axes = e.ty.axes.clone();
            axes.push(axis);
            let span = e.span;
            expr(Node::Indicator(Box::new(e)), axes, Domain::Real, span)
        }
        _ => e,
    }
}

/// A type in the words of the language.
pub fn show_type(program: &Program, domain: &Domain, axes: &[AxisId]) -> String {
    let name = match domain {
        Domain::Bool => "Bool",
        Domain::Spin => "Spin",
        Domain::Cat(axis) => &program.axes[*axis].name,
        Domain::Count => "Count",
        Domain::Real => "Real",
        Domain::Positive => "Positive",
        Domain::Unit => "Unit",
        Domain::Simplex => "Simplex",
        Domain::Cov => "Cov",
    };
    // A matrix is written with the one axis that both of its own are.
    let axes = if *domain == Domain::Cov { &axes[..axes.len().saturating_sub(1)] } else { axes };
    if axes.is_empty() { name.to_string() } else { format!("{name}[{}]", axis_names(program, axes)) }
}

/// Axes as written between brackets.
pub fn axis_names(program: &Program, axes: &[AxisId]) -> String {
    axes.iter().map(|&a| program.axes[a].name.as_str()).collect::<Vec<_>>().join(", ")
}

/// "the axes `A`, `B`", "the axis `A`", "no axes".
pub fn say_axes(program: &Program, axes: &[AxisId]) -> String {
    let list: Vec<String> = axes.iter().map(|&a| format!("`{}`", program.axes[a].name)).collect();
    match list.as_slice() {
        [] => "no axes".to_string(),
        [one] => format!("the axis {one}"),
        _ => format!("the axes {}", list.join(", ")),
    }
}

/// Two spans as one, where they lie in one file.
pub fn cover(a: Span, b: Span) -> Span {
    if a.file == b.file { a.to(b) } else { a }
}

/// Problems after which no near names are looked for: the search costs as much as there are names.
const NEAR_ENOUGH: usize = 200;

impl Checker<'_> {
    /// The known name that a wrong one may have meant, while there are few enough problems for it to be read.
    pub fn near<'n>(&self, wanted: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        if self.problems.len() < NEAR_ENOUGH { nearest(wanted, known) } else { None }
    }

    /// A number written as a whole, positive one.
    pub fn count(&mut self, number: &ast::Number, what: &str) -> Option<usize> {
        let count = number.count().filter(|&n| n > 0 && n <= 1 << 40);
        if count.is_none() {
            self.error(crate::diag::Code::BadNumber, number.span, format!("{what} is a whole number, at least 1"));
        }
        count
    }
}
