//! Questions about one place of a variable: `s[3]`, with constants along its leading axes.
//!
//! The answer is read off that of the whole variable: the marginals of a posterior are those of each of its places.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{AxisKind, Domain, Metric, ModelId, Place, Question};
use crate::syntax::ast::{self, ExprKind, Position};

use super::Checker;
use super::asks::dotted;
use super::types::say_axes;

impl Checker<'_> {
    /// `s[3]`, `clean[2, 5]`, `load[monday]`: nothing for what is no variable with constants behind it.
    pub(super) fn place(&mut self, model: ModelId, e: &ast::Expr) -> Option<Place> {
        let ExprKind::Index { base, indices } = &e.bare().kind else { return None };
        let Some(name) = dotted(base) else {
            self.error(Code::WrongArguments, e.span, "the name of a variable is meant here");
            return None;
        };
        let var = self.variable(model, &name)?;
        let axes = self.program.vars[var].axes();
        if indices.len() > axes.len() {
            let (has, place) = (say_axes(&self.program, &axes), self.program.vars[var].span);
            self.push(
                Diagnostic::at(Code::WrongIndex, e.span, "more indices than axes")
                    .label(place, format!("`{}` has {has}", name.text))
                    .help("an index for each axis of the declaration, in its order"),
            );
            return None;
        }
        let mut at = Vec::new();
        for (&axis, position) in axes.iter().zip(indices) {
            let label = match position {
                Position::At(value) => match &value.bare().kind {
                    ExprKind::Number(n) => Some((n.text.clone(), value.span)),
                    ExprKind::Path(path) => Some((path.text(), value.span)),
                    _ => None,
                },
                Position::Before(_) => None,
            };
            let Some((label, span)) = label else {
                self.push(
                    Diagnostic::at(Code::WrongIndex, e.span, "a question is about a place that is written out")
                        .help(format!("write a number or a label: `{}[3]`", name.text)),
                );
                return None;
            };
            at.push(self.position(axis, &label, span)?);
        }
        Some(Place { var, at })
    }

    /// A declaration names no single place.
    pub(super) fn lone_place(&mut self, var: &str, at: Span) {
        self.push(
            Diagnostic::at(Code::WrongIndex, at, format!("one place of `{var}` cannot be declared by itself")).help(format!(
                "declare it for every place, `for i in Axis {{ {var}[i]: .. ~ .. }}`, and tell places apart inside: `if i is first then .. else ..`"
            )),
        );
    }

    /// A number or a label as a place along an axis, from 0.
    fn position(&mut self, axis: crate::model::AxisId, label: &str, span: Span) -> Option<usize> {
        let root = self.program.axes.root(axis);
        // How long a ragged axis is, each row says for itself.
        if self.program.axes[root].kind != AxisKind::Ragged {
            return self.state(&Domain::Cat(axis), label, span);
        }
        match label.parse::<usize>() {
            Ok(n) if n > 0 => Some(n - 1),
            _ => {
                self.push(
                    Diagnostic::at(Code::WrongIndex, span, format!("`{label}` is no place of a row"))
                        .help("places of a row are counted from 1"),
                );
                None
            }
        }
    }

    /// What a question with a place may be: about one variable, a distribution or a best state or a mean.
    pub(super) fn check_place(&mut self, question: &Question, sampled: bool, span: Span) -> Option<()> {
        let refused = match question {
            _ if sampled => Some(("draws of one place of a variable", "draw the variable whole")),
            Question::Probability { targets, .. } if targets.len() > 1 => {
                Some(("the joint distribution of places of variables", "ask for each by itself"))
            }
            Question::Argmax { targets, .. } | Question::Mean { targets, .. } if targets.len() > 1 => {
                Some(("a question about several variables and a place of one", "ask for each by itself"))
            }
            Question::Metric { metric: Metric::Retrieval { .. } | Metric::ChunkF1, .. } => {
                Some(("this measure at one place of a variable", "compare the variables whole"))
            }
            Question::Probability { .. }
            | Question::Argmax { .. }
            | Question::Mean { .. }
            | Question::Metric { .. }
            | Question::Value(_)
            | Question::LogZ(_) => None,
        };
        let Some((what, help)) = refused else { return Some(()) };
        self.push(
            Diagnostic::at(Code::NotSupported, span, format!("{what} is understood but cannot be compiled yet"))
                .help(help),
        );
        None
    }
}
