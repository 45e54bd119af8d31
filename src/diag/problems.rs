//! The collector of diagnostics: takes them in any order, gives them back sorted by place, each once, at most as many as a person reads.

use super::Diagnostic;

/// Diagnostics gathered along the way.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Diagnostic>,
}

impl Problems {
    /// How many diagnostics one run shows at most.
    pub const CAP: usize = 50;
    /// How many are kept at most before the rest is dropped, so that a hostile file cannot fill the memory.
    const KEEP: usize = 5_000;

    /// A collector with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < Self::KEEP || diagnostic.is_error() && !self.has_errors() {
            self.list.push(diagnostic);
        }
    }

    /// Adds all of another collector.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        others.into_iter().for_each(|d| self.push(d));
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(Diagnostic::is_error)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are, doubles included.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// All of them: sorted by place (those without a place last), each once, the first [`Problems::CAP`]; and how many were left out.
    pub fn sorted(&self) -> (Vec<Diagnostic>, usize) {
        let mut list = self.list.clone();
        list.sort_by(|a, b| {
            let key = |d: &Diagnostic| (d.span().is_none(), d.span(), d.code);
            key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
        });
        list.dedup_by(|a, b| a.code == b.code && a.span() == b.span() && a.message == b.message);
        let left_out = list.len().saturating_sub(Self::CAP);
        list.truncate(Self::CAP);
        (list, left_out)
    }
}

impl IntoIterator for Problems {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Id;
    use crate::base::span::{FileId, Span};
    use crate::diag::Code;

    #[test]
    fn problems_come_back_sorted_and_once() {
        let span = |start| Span { file: FileId::from_index(0), start, end: start + 1 };
        let mut problems = Problems::new();
        problems.push(Diagnostic::new(Code::UnknownName, "nowhere"));
        problems.push(Diagnostic::at(Code::UnknownName, span(9), "late"));
        problems.push(Diagnostic::at(Code::UnknownName, span(2), "early"));
        problems.push(Diagnostic::at(Code::UnknownName, span(9), "late"));
        let (list, left_out) = problems.sorted();
        let messages: Vec<_> = list.iter().map(|d| d.message.as_str()).collect();
        assert_eq!((messages, left_out), (vec!["early", "late", "nowhere"], 0));
    }
}
