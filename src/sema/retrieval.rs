//! `retrieval(label, code, at = 5)`: how many of a row's nearest neighbours by code are of its kind.
//!
//! Comes in: the call; goes out: a question whose prediction is a mean or a best state, or a value that the row's data tell.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::Checker;
use super::asks::Conditions;
use super::types::{say_axes, show_type};

const USAGE: &str = "write `retrieval(topic, mean(code | x), at = 5)`: the label, the code, and how many are retrieved";

impl Checker<'_> {
    /// One call of the measure.
    pub(super) fn retrieval(
        &mut self,
        model: ModelId,
        args: &[ast::Arg],
        span: Span,
        conditions: &mut Conditions,
    ) -> Option<Question> {
        let [truth, code, at] = args else {
            let text = "`retrieval` takes a label, a code and a number of rows";
            self.push(Diagnostic::at(Code::WrongArguments, span, text).help(USAGE));
            return None;
        };
        let at = match (&at.kind, &at.value.bare().kind) {
            (ArgKind::Named(name), ExprKind::Number(n)) if name.text == "at" => self.count(n, "a number of rows")?,
            _ => {
                self.push(Diagnostic::at(Code::WrongArguments, at.span, "how many are retrieved?").help(USAGE));
                return None;
            }
        };
        self.positional(truth, "retrieval")?;
        self.positional(code, "retrieval")?;
        let Some(name) = truth.value.name() else {
            self.error(Code::WrongArguments, truth.span, "the label is a variable that the data bind");
            return None;
        };
        let label = match self.compared_column(model, name) {
            Some(column) => Some(column),
            None => self.variable(model, name),
        };
        let asked = match &code.value.bare().kind {
            ExprKind::Call { callee, .. } => {
                let words = ["mean", "argmax", "argmax_each"];
                callee.name().is_some_and(|n| words.contains(&n.text.as_str())) && is_asked(&code.value)
            }
            _ => false,
        };
        let prediction = match asked {
            true => self.question(model, &code.value, conditions),
            false => self.row_array(model, &code.value).map(Question::Value),
        };
        let (label, prediction) = (label?, prediction?);
        conditions.needs_data.get_or_insert(truth.span);
        let metric = Metric::Retrieval { at };
        let is = &self.program.vars[label];
        let fits = metric.covers(&is.domain)
            && is.index.is_empty()
            && match is.domain {
                Domain::Bool => is.event.len() == 1,
                _ => is.event.is_empty(),
            };
        if !fits {
            let has = show_type(&self.program, &is.domain, &is.axes());
            self.push(
                Diagnostic::at(Code::DomainsDisagree, truth.span, format!("rows are not told apart by a `{has}`"))
                    .help("the label is one state of an enumeration, or a `Bool` for each of several"),
            );
            return None;
        }
        let axes = match &prediction {
            Question::Argmax { targets, .. } | Question::Mean { targets, moment: crate::model::Moment::Mean, .. } => {
                match targets.as_slice() {
                    [one] => {
                        let var = &self.program.vars[*one];
                        let state = match var.domain {
                            Domain::Cat(axis) => Some(axis),
                            _ => None,
                        };
                        var.axes().into_iter().chain(state).collect()
                    }
                    _ => {
                        self.error(Code::WrongArguments, code.span, "a code is one variable or one value");
                        return None;
                    }
                }
            }
            Question::Value(value) => value.ty.axes.clone(),
            _ => Vec::new(),
        };
        if axes.is_empty()
            || axes.iter().any(|&a| self.program.axes[self.program.axes.root(a)].kind == AxisKind::Ragged)
        {
            let has = say_axes(&self.program, &axes);
            self.push(
                Diagnostic::at(Code::AxesDisagree, code.span, "a code is a vector of one length for all rows")
                    .saying(format!("this has {has}"))
                    .help("sum over what differs in length: `sum(word, Token)`"),
            );
            return None;
        }
        Some(Question::Metric { metric, truth: label, prediction: Box::new(prediction) })
    }
}

/// Whether a call has a bar, or asks of variables alone: `mean(z)`; `mean(x, Axis)` is a value.
fn is_asked(e: &ast::Expr) -> bool {
    match &e.bare().kind {
        ExprKind::Call { args, given, .. } => !given.is_empty() || args.len() == 1,
        _ => false,
    }
}
