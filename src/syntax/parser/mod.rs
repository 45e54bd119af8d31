//! The reader, and the only room that knows pest. Comes in: a text; goes out: its tree and every syntax error that can be told apart.
//!
//! Each item is read by itself. Where reading stops, the statement around the stop is reported and blanked, and the item is read again: places stay true
//! because blanks are as long as what they replace.

mod build;
mod words;

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};

use super::ast;
use super::scan::{self, MAX_BYTES, Piece, REPORTED};
use super::trouble::{self, Stop, Word};
use crate::base::span::{FileId, Sources, Span};
use crate::diag::{Code, Diagnostic, Problems};

#[allow(missing_docs)]
mod grammar {
    /// The grammar, read by pest when the compiler is built.
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/ghm.pest"]
    pub struct Grammar;
}
use grammar::{Grammar, Rule};

/// Syntax errors reported for one item at most.
const ERRORS_PER_ITEM: usize = 20;

/// Reads a file. The tree holds everything that could be read, also when there were errors.
pub fn parse(sources: &Sources, file: FileId, problems: &mut Problems) -> ast::File {
    let source = &sources.file(file).text;
    let mut tree = ast::File { file, items: Vec::new(), comments: Vec::new() };
    if source.len() > MAX_BYTES {
        let message =
            format!("the file is {} MiB long; a model file has at most {} MiB", source.len() >> 20, MAX_BYTES >> 20);
        problems.push(
            Diagnostic::at(Code::TooLarge, Span { file, start: 0, end: 0 }, message)
                .help("numbers in bulk belong into a data file"),
        );
        return tree;
    }
    let scanned = scan::scan(file, source, problems);
    tree.comments = scanned.comments;
    let mut text = scanned.text.into_bytes();
    let mut pieces = scanned.pieces.as_slice();
    while let Some(last) = pieces.iter().position(|p| p.depth == 0) {
        let (group, rest) = pieces.split_at(last + 1);
        pieces = rest;
        let reader = Reader { file, source, pieces: group };
        if let Some(item) = reader.item(&mut text, problems) {
            tree.items.push(item);
        }
    }
    tree
}

/// Reads a single expression, such as the question of `ghmc query`.
pub fn parse_question(sources: &Sources, file: FileId, problems: &mut Problems) -> Option<ast::Expr> {
    let source = &sources.file(file).text;
    if source.len() > MAX_BYTES {
        problems.push(Diagnostic::new(Code::TooLarge, "the question is too long"));
        return None;
    }
    let scanned = scan::scan(file, source, problems);
    if problems.has_errors() {
        return None;
    }
    let whole = Piece { start: 0, end: source.len(), depth: 1 };
    let reader = Reader { file, source, pieces: std::slice::from_ref(&whole) };
    match Grammar::parse(Rule::question, &scanned.text) {
        Ok(mut pairs) => {
            let mut builder = build::Builder::new(file, 0, problems);
            builder.question(pairs.next()?)
        }
        Err(error) => {
            let (at, expected) = stop(&error);
            problems.push(trouble::explain(&Stop { file, source: reader.source, at, expected, piece: whole }));
            None
        }
    }
}

struct Reader<'a> {
    file: FileId,
    source: &'a str,
    /// The statements of one item, the item itself last.
    pieces: &'a [Piece],
}

impl Reader<'_> {
    fn item(&self, text: &mut [u8], problems: &mut Problems) -> Option<ast::Item> {
        let whole = *self.pieces.last()?;
        for _ in 0..ERRORS_PER_ITEM {
            let chunk = std::str::from_utf8(text.get(whole.start..whole.end)?).ok()?;
            let lead = chunk.len() - chunk.trim_start().len();
            let chunk = chunk.trim();
            if chunk.is_empty() {
                return None;
            }
            let base = whole.start + lead;
            match Grammar::parse(Rule::single, chunk) {
                Ok(mut pairs) => {
                    return build::Builder::new(self.file, base as u32, problems).item(pairs.next()?);
                }
                Err(error) => {
                    let (at, expected) = stop(&error);
                    let at = base + at;
                    let piece = self.blame(at, &expected);
                    let reported = text.get(piece.start..piece.end).is_some_and(|t| t.contains(&REPORTED));
                    if !reported {
                        problems.push(trouble::explain(&Stop {
                            file: self.file,
                            source: self.source,
                            at,
                            expected,
                            piece,
                        }));
                    }
                    let drop =
                        if text[piece.start..piece.end].iter().all(u8::is_ascii_whitespace) { whole } else { piece };
                    scan::blank(text, drop.start, drop.end);
                }
            }
        }
        None
    }

    /// The innermost statement around a place; where it lies between statements, the one before.
    fn blame(&self, at: usize, expected: &[Word]) -> Piece {
        let around = self.pieces.iter().filter(|p| p.start <= at && at <= p.end).max_by_key(|p| (p.depth, p.start));
        let inside = around.filter(|p| p.depth > 0);
        let before = || self.pieces.iter().filter(|p| p.depth > 0 && p.end <= at).max_by_key(|p| p.end);
        // In a body, but in none of its statements: the statement before ran on into the blank.
        let between = || before().filter(|p| self.source[p.end..at].trim().is_empty());
        // A statement that nothing could begin here follows on one that is not complete.
        let begins = |word: &Word| {
            matches!(
                word,
                Word::Mark("}") | Word::Thing("a statement" | "a training line" | "a layer" | "a column" | "an item")
            ) || matches!(word, Word::Thing(row) if row.starts_with("a row"))
        };
        let unfinished = || inside.filter(|p| p.start == at && !expected.iter().any(begins)).and_then(|_| before());
        if let Some(piece) = unfinished() {
            return *piece;
        }
        let fallback = Piece { start: 0, end: self.source.len(), depth: 0 };
        inside.or_else(between).or(around).or(self.pieces.last()).copied().unwrap_or(fallback)
    }
}

/// Where reading stopped and what would have fitted there.
fn stop(error: &pest::error::Error<Rule>) -> (usize, Vec<Word>) {
    let at = match error.location {
        InputLocation::Pos(at) => at,
        InputLocation::Span((at, _)) => at,
    };
    let rules = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.as_slice(),
        ErrorVariant::CustomError { .. } => &[],
    };
    let mut expected: Vec<Word> = rules.iter().filter_map(|&rule| words::word(rule)).collect();
    expected.sort();
    expected.dedup();
    (at, expected)
}
