//! The interval an expression's entries lie in, read off its form: enough to tell `Bernoulli(1.2)` and `sd = -1` from what is fine.
//! Interval arithmetic after Moore (1966), Interval Analysis, chapter 2.

use crate::model::*;

/// Smallest and largest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

const ALL: Range = Range { low: f64::NEG_INFINITY, high: f64::INFINITY };

fn range(low: f64, high: f64) -> Range {
    Range { low, high }
}

/// The interval of a domain's entries.
pub fn of_domain(domain: &Domain) -> Range {
    match domain {
        Domain::Bool | Domain::Unit | Domain::Simplex => range(0.0, 1.0),
        Domain::Spin => range(-1.0, 1.0),
        Domain::Positive | Domain::Count => range(0.0, f64::INFINITY),
        Domain::Cat(_) | Domain::Real | Domain::Cov => ALL,
    }
}

/// The interval of an expression's entries; the whole line where nothing is known.
pub fn of_expr(e: &Expr) -> Range {
    let of = of_expr;
    match &e.node {
        Node::Number(v) => range(*v, *v),
        Node::State(s) => range(*s as f64, *s as f64),
        Node::Param(_) | Node::Var(_) => of_domain(&e.ty.domain),
        Node::Pick { base, .. } => of(base),
        Node::Indicator(_)
        | Node::Is(..)
        | Node::Compare(..)
        | Node::IsFirst(_)
        | Node::IsLast(_)
        | Node::IsObserved(_) => range(0.0, 1.0),
        Node::Softmax(..) => range(0.0, 1.0),
        Node::Window { of: inner, .. } => {
            let r = of(inner);
            range(r.low.min(0.0), r.high.max(0.0))
        }
        Node::Blocks { of: inner, .. } | Node::Renamed { of: inner, .. } => of(inner),
        Node::Overlap { .. } | Node::Dropout(..) | Node::Column(..) => ALL,
        Node::Call(function, inner) => {
            let r = of(inner);
            match function {
                Function::Neg => range(-r.high, -r.low),
                Function::Exp => range(r.low.exp(), r.high.exp()),
                Function::Log => range(
                    if r.low > 0.0 { r.low.ln() } else { f64::NEG_INFINITY },
                    if r.high > 0.0 { r.high.ln() } else { f64::NEG_INFINITY },
                ),
                Function::Sqrt => range(r.low.max(0.0).sqrt(), r.high.max(0.0).sqrt()),
                Function::Square | Function::Abs => {
                    let f = |v: f64| if *function == Function::Square { v * v } else { v.abs() };
                    let top = f(r.low).max(f(r.high));
                    range(if r.low <= 0.0 && r.high >= 0.0 { 0.0 } else { f(r.low).min(f(r.high)) }, top)
                }
                Function::Sin | Function::Cos | Function::Tanh => range(-1.0, 1.0),
                Function::Sigmoid | Function::Step => range(0.0, 1.0),
                Function::Softplus => range(0.0, f64::INFINITY),
                Function::Relu => range(r.low.max(0.0), r.high.max(0.0)),
            }
        }
        Node::Binary(op, a, b) => {
            let (a, b) = (of(a), of(b));
            match op {
                Operator::Add => range(a.low + b.low, a.high + b.high),
                Operator::Sub => range(a.low - b.high, a.high - b.low),
                Operator::Mul => corners(a, b, |x, y| if x == 0.0 || y == 0.0 { 0.0 } else { x * y }),
                Operator::Div if b.low > 0.0 || b.high < 0.0 => corners(a, b, |x, y| x / y),
                Operator::Div if b.low >= 0.0 && a.low >= 0.0 => range(0.0, f64::INFINITY),
                Operator::Div => ALL,
            }
        }
        Node::If { then, other, .. } => union(of(then), of(other)),
        Node::Table { entries, .. } => entries.iter().map(of).reduce(union).unwrap_or(ALL),
        Node::Concat(parts, _) | Node::Vector(parts, _) => parts.iter().map(of).reduce(union).unwrap_or(ALL),
        Node::Reduce(Reduction::Mean | Reduction::Max, inner, _) => of(inner),
        Node::Reduce(Reduction::Sum, inner, _) => {
            let r = of(inner);
            range(if r.low >= 0.0 { 0.0 } else { f64::NEG_INFINITY }, if r.high <= 0.0 { 0.0 } else { f64::INFINITY })
        }
        Node::Contract { left, right, .. } => {
            let (a, b) = (of(left), of(right));
            if a.low >= 0.0 && b.low >= 0.0 { range(0.0, f64::INFINITY) } else { ALL }
        }
        Node::Size(_) => range(1.0, f64::INFINITY),
        Node::Reduce(Reduction::LogSumExp, ..) | Node::Objective(_) => ALL,
    }
}

fn union(a: Range, b: Range) -> Range {
    range(a.low.min(b.low), a.high.max(b.high))
}

fn corners(a: Range, b: Range, f: impl Fn(f64, f64) -> f64) -> Range {
    let all = [f(a.low, b.low), f(a.low, b.high), f(a.high, b.low), f(a.high, b.high)];
    if all.iter().any(|v| v.is_nan()) {
        return ALL;
    }
    range(all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Id;
    use crate::base::span::{FileId, Span};
    use crate::sema::types;

    #[test]
    fn intervals_follow_the_arithmetic() {
        let span = Span { file: FileId::from_index(0), start: 0, end: 0 };
        let number = |v| types::number(v, span);
        let sum = types::binary(Operator::Add, number(0.5), types::call(Function::Square, number(-2.0), span), span);
        assert_eq!(of_expr(&sum), range(4.5, 4.5));
        let product =
            types::binary(Operator::Mul, number(-2.0), types::call(Function::Sigmoid, number(0.0), span), span);
        assert_eq!(of_expr(&product), range(-2.0, 0.0));
    }
}
