//! Insertions into a text and replacements in it: clauses in the middle of a line, lines of their own, and the comments that say why they are there.

use crate::syntax::ast::Comment;

/// A comment is broken before it is wider than this.
const WIDTH: usize = 112;
/// How the comment on an addition begins.
const ADDED: &str = "# added: ";
/// How the comment on what nothing could be added to begins.
const WAITS: &str = "# not built yet: ";

/// Insertions, by place.
pub struct Edits<'a> {
    source: &'a str,
    comments: &'a [Comment],
    list: Vec<(usize, usize, String)>,
    /// The comment above the last statement, and where the statement begins.
    above: Option<(usize, String)>,
}

impl<'a> Edits<'a> {
    /// None yet, for a text and the comments in it.
    pub fn new(source: &'a str, comments: &'a [Comment]) -> Self {
        Edits { source, comments, list: Vec::new(), above: None }
    }

    /// Inserts a text; what is inserted at one place stands in the order of the calls.
    pub fn insert(&mut self, at: u32, text: String) {
        self.list.push((at as usize, at as usize, text));
    }

    /// Puts a text in place of another.
    pub fn replace(&mut self, from: u32, to: u32, text: String) {
        self.list.push((from as usize, to as usize, text));
    }

    /// The text with everything inserted.
    pub fn apply(mut self) -> String {
        self.list.sort_by_key(|(at, ..)| *at);
        let mut out = String::with_capacity(self.source.len() * 2);
        let mut done = 0;
        for (at, to, text) in &self.list {
            out += self.source.get(done..*at).unwrap_or("");
            out += text;
            done = *to;
        }
        out + self.source.get(done..).unwrap_or("")
    }

    /// Inserts a text that begins with a newline behind a statement and the comment that follows on its line.
    pub fn behind(&mut self, end: u32, text: String) {
        let remark =
            |c: &&Comment| !c.own_line && c.span.start >= end && !self.between(end, c.span.start).contains('\n');
        let at = match self.comments.iter().find(remark) {
            Some(comment) if self.between(end, comment.span.start).trim().is_empty() => comment.span.end,
            _ => end,
        };
        // What shares the line must not end up behind a comment.
        let rest = self.source.get(at as usize..).unwrap_or("");
        let alone = rest.lines().next().is_none_or(|l| l.trim().is_empty());
        self.insert(at, if alone { text } else { text + "\n" });
    }

    /// Inserts a line with its comment behind an item.
    pub fn line_after(&mut self, end: u32, reason: &str, line: &str) {
        self.behind(end, format!("\n{}\n{line}", note(reason)));
    }

    /// Inserts a comment above a statement, unless the statement above it has the same or there is nothing to say.
    pub fn note_before(&mut self, start: u32, reason: &str) {
        if reason.is_empty() {
            self.above = None;
            return;
        }
        let text = note(reason);
        let said = self.above.as_ref().is_some_and(|(before, last)| {
            let between = self.between(*before as u32, start);
            *last == text && !between.contains('#') && !between.contains("\n\n")
        });
        self.above = Some((start as usize, text.clone()));
        if !said {
            self.above(start, &text);
        }
    }

    /// Inserts a comment above an item to which nothing could be added, unless it is there.
    pub fn wait_before(&mut self, start: u32, reason: &str) {
        let text = wrapped(WAITS, reason);
        let before = self.source.get(..start as usize).unwrap_or("");
        let has = before.trim_end().lines().rev().take_while(|l| l.starts_with('#')).any(|l| l.starts_with(WAITS));
        self.above = None;
        if !has {
            self.above(start, &text);
        }
    }

    /// Whether a statement is the first on its line.
    pub fn begins_line(&self, start: u32) -> bool {
        let before = self.source.get(..start as usize).unwrap_or("");
        before.rsplit('\n').next().is_none_or(|l| l.trim().is_empty())
    }

    fn above(&mut self, start: u32, text: &str) {
        let alone = self.begins_line(start);
        self.insert(start, if alone { format!("{text}\n") } else { format!("\n{text}\n") });
    }

    fn between(&self, from: u32, to: u32) -> &'a str {
        self.source.get(from as usize..to as usize).unwrap_or("")
    }
}

/// The comment on an addition, on as many lines as it needs.
pub fn note(reason: &str) -> String {
    wrapped(ADDED, reason)
}

fn wrapped(begin: &str, text: &str) -> String {
    let mut lines = vec![begin.trim_end().to_string()];
    for word in text.split_whitespace() {
        let width = |s: &String| s.chars().count();
        match lines.last_mut() {
            Some(line) if width(line) + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("#   {word}")),
        }
    }
    lines.join("\n")
}
