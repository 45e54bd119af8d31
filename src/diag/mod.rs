//! What the compiler tells people: diagnostics with a stable code, the places that disagree and the mend. Stages make them, `cli` prints them.

mod code;
mod problems;
mod render;

pub use code::Code;
pub use problems::Problems;
pub use render::{Style, render, render_all, to_json};

use serde::{Deserialize, Serialize};

use crate::base::span::Span;

/// How much a diagnostic weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The program has no meaning until this is mended.
    Error,
    /// The program runs, though perhaps not as meant.
    Warning,
}

/// A place in the source and what is to be said of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Label {
    /// The stretch of text.
    pub span: Span,
    /// What stands there, as a short phrase; may be empty.
    pub text: String,
    /// Whether this is the place to look at first.
    pub primary: bool,
}

/// One thing to tell: what is wrong, where, what it disagrees with, and how to mend it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The stable code, with a page of its own.
    pub code: Code,
    /// Error or warning; follows from the code.
    pub severity: Severity,
    /// One sentence without a full stop.
    pub message: String,
    /// The places, the primary one first.
    pub labels: Vec<Label>,
    /// How to mend it.
    pub help: Option<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic without places; its severity follows from the code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: Vec::new(),
            help: None,
            notes: Vec::new(),
        }
    }

    /// A diagnostic at one place.
    pub fn at(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, message).primary(span, "")
    }

    /// Adds the place to look at first.
    pub fn primary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.insert(0, Label { span, text: text.into(), primary: true });
        self
    }

    /// Says what stands at the primary place.
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.iter_mut().find(|l| l.primary) {
            label.text = text.into();
        }
        self
    }

    /// Adds a second place, the one the first disagrees with.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// Says how to mend it.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Adds something worth knowing.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// The place to look at first, if it has one.
    pub fn span(&self) -> Option<Span> {
        self.labels.iter().find(|l| l.primary).or(self.labels.first()).map(|l| l.span)
    }

    /// Whether the program has no meaning until this is mended.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The known name closest to `wanted`, where one is near enough to be meant: the source of every "did you mean".
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match wanted.chars().count() {
        0 | 1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    let length = wanted.chars().count();
    // A distance is at least the difference of the lengths.
    for name in known.into_iter().filter(|n| n.chars().count().abs_diff(length) <= limit) {
        let distance = if name.eq_ignore_ascii_case(wanted) { 0 } else { strsim::osa_distance(wanted, name) };
        if (distance <= limit) && best.is_none_or(|(d, n)| (distance, name) < (d, n)) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("Bernouli", ["Normal", "Bernoulli"]), Some("Bernoulli"));
        assert_eq!(nearest("pixel", ["Pixel", "Digit"]), Some("Pixel"));
        assert_eq!(nearest("x", ["y", "z"]), None);
        assert_eq!(nearest("cat", ["normal"]), None);
    }
}
