//! What cannot be turned into tensors.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};

/// A construct that an engine cannot carry out, with its place.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct EmitError {
    /// What, as a sentence without a full stop.
    pub what: String,
    /// Where.
    pub at: Option<Span>,
    /// What to do instead.
    pub help: String,
}

impl EmitError {
    /// An error about a place.
    pub fn at(span: Span, what: impl Into<String>, help: impl Into<String>) -> EmitError {
        EmitError { what: what.into(), at: Some(span), help: help.into() }
    }

    /// An error about the whole.
    pub fn of(what: impl Into<String>, help: impl Into<String>) -> EmitError {
        EmitError { what: what.into(), at: None, help: help.into() }
    }

    /// The diagnostic that tells it.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = match self.at {
            Some(span) => Diagnostic::at(Code::NotSupported, span, self.what.clone()),
            None => Diagnostic::new(Code::NotSupported, self.what.clone()),
        };
        diagnostic.help(self.help.clone())
    }
}
