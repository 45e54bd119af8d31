//! Diagnostics as text for people (drawn by miette) and as JSON for editors. Comes in: diagnostics and the sources; goes out: strings.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, NamedSource, SourceCode,
    SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use serde_json::{Value, json};

use super::{Diagnostic, Severity};
use crate::base::span::{Sources, Span};

/// How a diagnostic is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With terminal colours.
    pub color: bool,
    /// With box-drawing characters; plain ASCII otherwise.
    pub unicode: bool,
    /// Columns to wrap at.
    pub width: usize,
}

impl Style {
    /// What goes into files and goldens: no colour, 100 columns.
    pub const PLAIN: Style = Style { color: false, unicode: true, width: 100 };
}

/// Places further apart than so many lines are quoted each by itself.
const FURTHEST: usize = 20;

/// A line longer than this is not quoted: a generated file should not flood the terminal.
const LONGEST_QUOTED_LINE: usize = 400;

/// One diagnostic, drawn with the lines it speaks of.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let theme = GraphicalTheme {
        characters: if style.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width.max(40))
        .with_links(false)
        .with_context_lines(1)
        .tab_width(2);
    let mut out = String::new();
    let drawn = Drawing::new(diagnostic, sources);
    match handler.render_report(&mut out, &drawn) {
        Ok(()) => out,
        Err(fmt::Error) => format!("{}: {}\n", diagnostic.code, diagnostic.message),
    }
}

/// All diagnostics, a blank line between, and a last line that counts them.
pub fn render_all(diagnostics: &[Diagnostic], left_out: usize, sources: &Sources, style: Style) -> String {
    let mut out: String = diagnostics.iter().map(|d| render(d, sources, style) + "\n").collect();
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let parts: Vec<String> =
        [(count(Severity::Error), "error"), (count(Severity::Warning), "warning"), (left_out, "more not shown")]
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| if word.ends_with("shown") { format!("{n} {word}") } else { plural(n, word) })
            .collect();
    if !parts.is_empty() {
        out += &parts.join(", ");
        out.push('\n');
    }
    out
}

/// One diagnostic as a stable JSON object: `code`, `severity`, `title`, `message`, `file`, `labels`, `help`, `notes`.
///
/// A label has `file`, `start` and `end` (bytes), `line`, `column`, `end_line`, `end_column` (from 1, columns in characters), `text` and `primary`.
pub fn to_json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let place = |span: Span| {
        let file = sources.file(span.file);
        (file.name.clone(), file.line_column(span.start), file.line_column(span.end))
    };
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| {
            let (file, (line, column), (end_line, end_column)) = place(label.span);
            json!({
                "file": file, "start": label.span.start, "end": label.span.end, "line": line, "column": column,
                "end_line": end_line, "end_column": end_column, "text": label.text, "primary": label.primary,
            })
        })
        .collect();
    json!({
        "code": diagnostic.code.number(),
        "severity": diagnostic.severity,
        "title": diagnostic.code.title(),
        "message": diagnostic.message,
        "file": diagnostic.span().map(|s| place(s).0),
        "labels": labels,
        "help": diagnostic.help,
        "notes": diagnostic.notes,
    })
}

/// A diagnostic beside the source it quotes, as miette sees it.
#[derive(Debug)]
struct Drawing<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<WholeLines>>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

impl<'a> Drawing<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &Sources) -> Self {
        let file = diagnostic.span().map(|s| s.file);
        let mut labels = Vec::new();
        let mut footer: Vec<String> = diagnostic.help.iter().cloned().collect();
        let quotable = diagnostic.labels.iter().all(|l| line_around(sources, l.span) <= LONGEST_QUOTED_LINE);
        for label in &diagnostic.labels {
            if Some(label.span.file) == file && quotable {
                let (start, length) = (label.span.start as usize, (label.span.end - label.span.start) as usize);
                let text = (!label.text.is_empty()).then(|| label.text.clone());
                labels.push(match label.primary {
                    true => LabeledSpan::new_primary_with_span(text, (start, length)),
                    false => LabeledSpan::new_with_span(text, (start, length)),
                });
            } else {
                let source = sources.file(label.span.file);
                let (line, column) = source.line_column(label.span.start);
                let text = if label.text.is_empty() { "here" } else { &label.text };
                footer.push(format!("{}:{line}:{column}: {text}", source.name));
            }
        }
        footer.extend(diagnostic.notes.iter().map(|note| format!("note: {note}")));
        Drawing {
            diagnostic,
            source: file.map(|id| {
                let file = sources.file(id);
                NamedSource::new(&file.name, WholeLines(file.text.to_string()))
            }),
            labels,
            help: (!footer.is_empty()).then(|| footer.join("\n")),
        }
    }
}

/// A text that is quoted by whole lines, and no line more than the labels need.
#[derive(Debug)]
struct WholeLines(String);

impl SourceCode for WholeLines {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        if before == 0 && after == 0 {
            // Asked for the place itself, to name its line and column.
            return self.0.read_span(span, 0, 0);
        }
        let text = self.0.as_bytes();
        let start = span.offset().min(text.len());
        let end = (start + span.len()).min(text.len());
        let from = text[..start].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let to = text[end..].iter().position(|&b| b == b'\n').map_or(text.len(), |i| end + i);
        let read = self.0.read_span(&(from, to - from).into(), 0, 0)?;
        // The count decides whether the next place is quoted in one piece with this one. The library counts from the start of the file.
        let lines = text[from..to].split(|&b| b == b'\n').count();
        let count = read.line_count().min(lines + FURTHEST);
        Ok(Box::new(MietteSpanContents::new(read.data(), *read.span(), read.line(), read.column(), count)))
    }
}

/// The length of the longest line a span touches.
fn line_around(sources: &Sources, span: Span) -> usize {
    let text = &sources.file(span.file).text;
    let start =
        text.as_bytes()[..(span.start as usize).min(text.len())].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let end = (span.end as usize).min(text.len());
    let end = text.as_bytes()[end..].iter().position(|&b| b == b'\n').map_or(text.len(), |i| end + i);
    text.as_bytes()[start..end].split(|&b| b == b'\n').map(<[u8]>::len).max().unwrap_or(0)
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Drawing<'_> {}

impl miette::Diagnostic for Drawing<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        Some(Box::new(self.diagnostic.code))
    }
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }
    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty())
            .then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;

    #[test]
    fn places_far_apart_are_quoted_by_themselves() {
        let mut sources = Sources::default();
        let text = "axis K = 3\n".repeat(400);
        let file = sources.add("a.ghm", text.as_str());
        let place = |line: u32| Span { file, start: line * 11, end: line * 11 + 4 };
        let diagnostic = Diagnostic::at(Code::DefinedTwice, place(390), "twice").label(place(200), "first here");
        let drawn = render(&diagnostic, &sources, Style::PLAIN);
        assert!(drawn.lines().count() < 20 && drawn.contains("201 │") && drawn.contains("391 │"), "{drawn}");
    }

    #[test]
    fn both_places_are_drawn_and_counted() {
        let mut sources = Sources::default();
        let file = sources.add("a.ghm", "axis K = 3\naxis K = 4\n");
        let diagnostic = Diagnostic::at(Code::DefinedTwice, Span { file, start: 16, end: 17 }, "`K` is defined twice")
            .saying("again here")
            .label(Span { file, start: 5, end: 6 }, "first here")
            .help("give one of them another name");
        let text = render_all(std::slice::from_ref(&diagnostic), 0, &sources, Style::PLAIN);
        for part in ["E0202", "a.ghm:2:6", "again here", "first here", "help: give one", "1 error"] {
            assert!(text.contains(part), "`{part}` is missing in\n{text}");
        }
        let json = to_json(&diagnostic, &sources);
        assert_eq!((&json["labels"][0]["line"], &json["labels"][0]["column"]), (&json!(2), &json!(6)));
    }
}
