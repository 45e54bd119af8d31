//! What cannot be turned into tensors.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};

/// A construct that an engine cannot carry out, with its place.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct EmitError {
    /// The stable code: what kind of thing stands in the way.
    pub code: Code,
    /// What, as a sentence without a full stop.
    pub what: String,
    /// Where.
    pub at: Option<Span>,
    /// What to do instead.
    pub help: String,
}

impl EmitError {
    /// That a construct at a place is not built yet.
    pub fn at(span: Span, what: impl Into<String>, help: impl Into<String>) -> EmitError {
        EmitError { code: Code::NotSupported, what: what.into(), at: Some(span), help: help.into() }
    }

    /// That something about the whole is not built yet.
    pub fn of(what: impl Into<String>, help: impl Into<String>) -> EmitError {
        EmitError { code: Code::NotSupported, what: what.into(), at: None, help: help.into() }
    }

    /// The same error of another kind.
    pub fn coded(mut self, code: Code) -> EmitError {
        self.code = code;
        self
    }

    /// The diagnostic that tells it.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = match self.at {
            Some(span) => Diagnostic::at(self.code, span, self.what.clone()),
            None => Diagnostic::new(self.code, self.what.clone()),
        };
        diagnostic.help(self.help.clone())
    }
}
