//! How large what a short text stands for may become: sub-models, nets and arguments are put in wherever they are used, so that sizes
//! multiply along chains of uses.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::Expr;
use crate::model::inline::measure;

use super::Checker;

/// Operations that all statements of a file may come to.
pub const MAX_MADE: usize = 1 << 21;
/// Operations of an expression that is passed to a sub-model or on to the next layer.
const MAX_OPERATIONS: usize = 1 << 17;
/// How deep such an expression may be nested.
const MAX_DEPTH: usize = 400;

impl Checker<'_> {
    /// Counts operations that a statement came to; too many in all are an error, told once.
    pub fn count_made(&mut self, operations: usize, span: Span) {
        let before = self.made;
        self.made = before.saturating_add(operations);
        if before <= MAX_MADE && self.made > MAX_MADE {
            let message =
                format!("with sub-models and nets put in, the models come to more than {MAX_MADE} operations");
            self.push(
                Diagnostic::at(Code::TooDeep, span, message)
                    .saying("here the bound is reached")
                    .help("each use puts the whole in again: write repetition with `for` over an axis"),
            );
        }
    }

    /// An expression that others will be made of, unless it is too large for that.
    pub fn bounded(&mut self, e: Expr) -> Option<Expr> {
        let (operations, depth) = measure(&e);
        let message = match (operations > MAX_OPERATIONS, depth > MAX_DEPTH) {
            (true, _) => format!("this comes to {operations} operations, and {MAX_OPERATIONS} is the limit"),
            (_, true) => format!("this is nested {depth} operations deep, and {MAX_DEPTH} is the limit"),
            _ => return Some(e),
        };
        self.push(
            Diagnostic::at(Code::TooDeep, e.span, message)
                .help("what is passed on is put in wherever it is read: make it a variable, or use fewer layers"),
        );
        None
    }
}
