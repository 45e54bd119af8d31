//! The first look at a text, before any grammar: finds comments, brackets and statements, bounds size and nesting, and names the mistakes a grammar
//! cannot explain. What it reports it also repairs or blanks, byte for byte, so that the parser sees only what is left to say.

use super::ast::Comment;
use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic, Problems};

/// A file larger than this is refused.
pub const MAX_BYTES: usize = 4 << 20;
/// Brackets and `if`s open at one place at most; bounds the parser's stack.
pub const MAX_NESTING: usize = 64;

/// Words that begin an item and nothing else: where one begins a line, every bracket still open was forgotten.
pub const ITEM_WORDS: [&str; 17] = [
    "use",
    "data",
    "axis",
    "net",
    "model",
    "guide",
    "infer",
    "require",
    "train",
    "query",
    "evaluate",
    "sample",
    "compare",
    "report",
    "objective",
    "schedule",
    "param",
];
/// Words that begin a statement.
pub const STATEMENT_WORDS: [&str; 9] = ["param", "var", "factor", "for", "stage", "maximise", "tie", "init", "epochs"];

/// A stretch of text between two statement ends, at some depth of braces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// How many braces are open around it.
    pub depth: usize,
}

/// What the first look found.
pub struct Scan {
    /// The text with what was reported repaired or blanked; as long as the original.
    pub text: String,
    /// Every comment, in order.
    pub comments: Vec<Comment>,
    /// Every statement, items (depth 0) included.
    pub pieces: Vec<Piece>,
}

struct Open {
    kind: u8,
    at: usize,
    /// Indentation of the line it stands on.
    indent: usize,
    /// Where the statement before it began.
    statement: usize,
    /// `if`s seen in the statement around it.
    ifs: usize,
}

struct Scanner<'a> {
    file: FileId,
    source: &'a str,
    bytes: &'a [u8],
    out: Vec<u8>,
    comments: Vec<Comment>,
    pieces: Vec<Piece>,
    stack: Vec<Open>,
    statement: usize,
    ifs: usize,
    /// Whether the last token lets the statement go on on the next line.
    going_on: bool,
    /// Whether nothing of the current statement was seen yet.
    fresh_statement: bool,
    /// Whether nothing of the current line was seen yet.
    fresh_line: bool,
    line_start: usize,
    /// A `}` that stood at the indentation of an outer brace: the brace it closed, which was probably meant to be closed before.
    suspect: Option<usize>,
    too_deep: bool,
}

/// Looks over a text; problems go to the collector.
pub fn scan(file: FileId, source: &str, problems: &mut Problems) -> Scan {
    let mut scanner = Scanner {
        file,
        source,
        bytes: source.as_bytes(),
        out: source.as_bytes().to_vec(),
        comments: Vec::new(),
        pieces: Vec::new(),
        stack: Vec::new(),
        statement: 0,
        ifs: 0,
        going_on: true,
        fresh_statement: true,
        fresh_line: true,
        line_start: 0,
        suspect: None,
        too_deep: false,
    };
    scanner.run(problems);
    let text = String::from_utf8(scanner.out).unwrap_or_else(|_| " ".repeat(source.len()));
    Scan { text, comments: scanner.comments, pieces: scanner.pieces }
}

impl Scanner<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    fn blank(&mut self, start: usize, end: usize) {
        blank(&mut self.out, start, end);
    }

    fn run(&mut self, problems: &mut Problems) {
        let mut at = 0;
        while at < self.bytes.len() {
            at = self.token(at, problems);
        }
        self.close_all(self.bytes.len(), 0, problems, None);
        self.end_statement(self.bytes.len());
    }

    /// Reads one token and returns where the next begins.
    fn token(&mut self, at: usize, problems: &mut Problems) -> usize {
        let rest = &self.bytes[at..];
        let byte = rest[0];
        match byte {
            b' ' | b'\t' | b'\r' => return at + 1,
            b'\n' => {
                let in_statements = self.stack.last().is_none_or(|o| o.kind == b'{');
                if in_statements && !self.going_on && !self.continues_below(at) {
                    self.end_statement(at);
                }
                self.fresh_line = true;
                self.line_start = at + 1;
                return at + 1;
            }
            b'#' => return self.comment(at),
            _ => {}
        }
        let begins_line = std::mem::replace(&mut self.fresh_line, false);
        if std::mem::replace(&mut self.fresh_statement, false) {
            self.statement = at;
        }
        let next = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => self.word(at, begins_line, problems),
            b'0'..=b'9' => self.number(at, problems),
            b'"' => self.string(at, problems),
            b'(' | b'[' | b'{' => self.open(at, problems),
            b')' | b']' | b'}' => self.close(at, begins_line, problems),
            b';' => {
                if self.stack.last().is_some_and(|o| o.kind != b'{') {
                    // Inside parentheses a `;` is a slip for `,`; read it as one.
                    let open = self.stack.last().map_or(at, |o| o.at);
                    problems.push(
                        Diagnostic::at(
                            Code::Unexpected,
                            self.span(at, at + 1),
                            "`;` ends a statement, but a bracket is still open",
                        )
                        .label(self.span(open, open + 1), "opened here")
                        .help("separate arguments with `,`, or close the bracket first"),
                    );
                    self.out[at] = b',';
                    self.going_on = true;
                } else {
                    self.end_statement(at);
                }
                at + 1
            }
            _ => self.mark(at, problems),
        };
        next.max(at + 1)
    }

    /// Whether the next line begins with `then` or `else`.
    fn continues_below(&self, at: usize) -> bool {
        let next = at + self.bytes[at..].iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
        matches!(&self.source[next..end_of_word(self.bytes, next)], "then" | "else")
    }

    fn comment(&mut self, at: usize) -> usize {
        let end = self.bytes[at..].iter().position(|&b| b == b'\n').map_or(self.bytes.len(), |i| at + i);
        let mut stop = end;
        while stop > at && self.bytes[stop - 1].is_ascii_whitespace() {
            stop -= 1;
        }
        let own_line = self.bytes[self.line_start..at].iter().all(u8::is_ascii_whitespace);
        self.comments.push(Comment { span: self.span(at, stop), own_line });
        self.blank(at, end);
        end
    }

    fn word(&mut self, at: usize, begins_line: bool, problems: &mut Problems) -> usize {
        let end = end_of_word(self.bytes, at);
        let word = &self.source[at..end];
        if begins_line && !self.stack.is_empty() {
            let depth0 = ITEM_WORDS.contains(&word) && word != "param";
            let in_statements = self.stack.last().is_some_and(|o| o.kind == b'{');
            // A column called like an item (`sample: Real`) is a mistake of its own, not a forgotten brace.
            let names_a_column =
                self.source[end..].trim_start_matches([' ', '\t']).starts_with([':', '=', '.', '(', '[']);
            if depth0 && !names_a_column && (in_statements && !self.going_on || at == self.line_start) {
                self.close_all(at, 0, problems, Some(at));
                self.end_statement(at);
            } else if !in_statements && !self.going_on && STATEMENT_WORDS.contains(&word) && word != "for" {
                let keep = self.stack.iter().rposition(|o| o.kind == b'{').map_or(0, |i| i + 1);
                if keep > 0 || at == self.line_start {
                    self.close_all(at, keep, problems, Some(at));
                    self.end_statement(at);
                }
            }
        }
        let part_of_path = at > 0 && self.bytes[at - 1] == b'.';
        self.ifs += usize::from(word == "if" && !part_of_path);
        self.going_on = !part_of_path
            && matches!(
                word,
                "then"
                    | "else"
                    | "if"
                    | "param"
                    | "var"
                    | "factor"
                    | "maximise"
                    | "tie"
                    | "init"
                    | "infer"
                    | "train"
                    | "report"
            );
        self.check_depth(at, end, problems);
        end
    }

    fn number(&mut self, at: usize, problems: &mut Problems) -> usize {
        self.going_on = false;
        let mut end = at;
        let bytes = self.bytes;
        let digits = |mut i: usize| {
            while bytes.get(i).is_some_and(u8::is_ascii_digit) {
                i += 1;
            }
            i
        };
        end = digits(end);
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1 + sign);
            }
        }
        let stop = match bytes.get(end) {
            Some(b) if b.is_ascii_alphabetic() || *b == b'_' => end_of_word(bytes, end),
            Some(b'.') if bytes.get(end + 1) != Some(&b'.') => digits(end + 1),
            _ => end,
        };
        let text = &self.source[at..stop];
        let value: Option<f64> = text.parse().ok();
        if stop > end || value.is_some_and(f64::is_infinite) {
            let diagnostic =
                Diagnostic::at(Code::BadNumber, self.span(at, stop), format!("`{}` is not a number", clip(text)));
            let tail = &text[end - at..];
            problems.push(match tail.chars().next() {
                None => diagnostic.help("the largest number is about 1.8e308"),
                Some('.') if tail == "." => {
                    diagnostic.help(format!("write `{}` or `{}.0`", &text[..end - at], &text[..end - at]))
                }
                Some('.') => diagnostic.help("a number has one decimal point"),
                Some(_) if tail.chars().all(|c| c.is_ascii_digit() || c == '_') => {
                    diagnostic.help(format!("write `{}`", text.replace('_', "")))
                }
                Some(_) => diagnostic.help(format!(
                    "a name begins with a letter; for a product write `{} * {}`",
                    &text[..end - at],
                    clip(tail)
                )),
            });
            // A lone digit keeps the statement whole.
            self.blank(at + 1, stop);
        }
        stop
    }

    fn string(&mut self, at: usize, problems: &mut Problems) -> usize {
        self.going_on = false;
        let end = self.bytes[at + 1..].iter().position(|&b| b == b'"' || b == b'\n').map(|i| at + 1 + i);
        match end {
            Some(end) if self.bytes[end] == b'"' => end + 1,
            other => {
                let end = other.unwrap_or(self.bytes.len());
                problems.push(
                    Diagnostic::at(Code::UnclosedText, self.span(at, end), "this text is never closed")
                        .saying("begins here and runs to the end of the line")
                        .help("close it with `\"`; a text stays on one line"),
                );
                // What the text swallowed cannot be told: drop the statement, and the brackets that opened in it on this line.
                let keep =
                    self.stack.iter().rposition(|o| o.kind == b'{' || o.at < self.line_start).map_or(0, |i| i + 1);
                self.stack.truncate(keep);
                self.blank(self.statement.max(self.stack.last().map_or(0, |o| o.at + 1)), end);
                end
            }
        }
    }

    fn open(&mut self, at: usize, problems: &mut Problems) -> usize {
        let kind = self.bytes[at];
        let line = &self.bytes[self.line_start..at];
        let indent = line.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.stack.push(Open { kind, at, indent, statement: self.statement, ifs: self.ifs });
        self.ifs = 0;
        self.going_on = true;
        if kind == b'{' {
            self.statement = at + 1;
            self.fresh_statement = true;
        }
        self.check_depth(at, at + 1, problems);
        at + 1
    }

    fn check_depth(&mut self, at: usize, end: usize, problems: &mut Problems) {
        let depth = self.stack.iter().map(|o| 1 + o.ifs).sum::<usize>() + self.ifs;
        if depth > MAX_NESTING {
            if !std::mem::replace(&mut self.too_deep, true) {
                problems.push(
                    Diagnostic::at(
                        Code::TooDeep,
                        self.span(at, end),
                        format!("nested more than {MAX_NESTING} levels deep"),
                    )
                    .help("name a part with `=` and use the name"),
                );
            }
            // Dropping the whole item keeps the parser's stack bounded.
            let item = self.stack.first().map_or(self.statement, |o| o.statement);
            let next = self.bytes.len();
            self.blank(item, next);
            self.out.truncate(next);
            self.stack.clear();
            self.ifs = 0;
            self.statement = next;
            self.bytes = &self.bytes[..at.min(self.bytes.len())];
        }
    }

    fn close(&mut self, at: usize, begins_line: bool, problems: &mut Problems) -> usize {
        let byte = self.bytes[at];
        let partner = match byte {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        // A round or square bracket never reaches over a brace to find its partner.
        let found = self
            .stack
            .iter()
            .rposition(|o| o.kind == partner || (o.kind == b'{' && partner != b'{'))
            .filter(|&i| self.stack[i].kind == partner);
        let Some(found) = found else {
            let shown = byte as char;
            if let Some(open) = self.stack.last().filter(|o| o.kind != b'{' && byte != b'}') {
                let (kind, open_at) = (open.kind, open.at);
                let right = if kind == b'(' { b')' } else { b']' };
                problems.push(
                    Diagnostic::at(
                        Code::Unbalanced,
                        self.span(at, at + 1),
                        format!("this `{shown}` cannot close a `{}`", kind as char),
                    )
                    .label(self.span(open_at, open_at + 1), "opened here")
                    .help(format!("write `{}`, or exchange the other one", right as char)),
                );
                self.out[at] = REPORTED;
                self.ifs = self.stack.pop().map_or(0, |o| o.ifs);
                self.going_on = false;
                return at + 1;
            }
            let diagnostic =
                Diagnostic::at(Code::Unbalanced, self.span(at, at + 1), format!("this `{shown}` closes nothing"));
            problems.push(match self.suspect.filter(|_| byte == b'}') {
                Some(other) => {
                    diagnostic.label(self.span(other, other + 1), "the last brace was opened here, and closed before")
                }
                None => diagnostic.help(format!("remove it, or open a `{}` before it", partner as char)),
            });
            self.blank(at, at + 1);
            self.going_on = false;
            return at + 1;
        };
        if found + 1 < self.stack.len() {
            self.close_all(at, found + 1, problems, Some(at));
        }
        if byte == b'}' {
            self.end_statement(at);
        }
        if let Some(open) = self.stack.pop() {
            if byte == b'}' {
                let indent = at - self.line_start;
                if begins_line && indent < open.indent && self.stack.iter().any(|o| o.indent == indent) {
                    self.suspect = Some(open.at);
                }
                self.statement = open.statement;
                self.fresh_statement = false;
            }
            self.ifs = open.ifs;
        }
        self.going_on = false;
        at + 1
    }

    /// Reports the innermost bracket that stays open at `at`, blanks the statement it stands in, and drops all brackets from `keep` on.
    fn close_all(&mut self, at: usize, keep: usize, problems: &mut Problems, seen: Option<usize>) {
        let Some(inner) = self.stack.get(keep..).and_then(|open| open.last()) else { return };
        let (mut kind, mut open_at) = (inner.kind, inner.at);
        if let Some(suspect) = self.suspect.filter(|_| kind == b'{') {
            (kind, open_at) = (b'{', suspect);
        }
        let partner = match kind {
            b'(' => ')',
            b'[' => ']',
            _ => '}',
        };
        let diagnostic = Diagnostic::at(
            Code::Unbalanced,
            self.span(open_at, open_at + 1),
            format!("this `{}` is never closed", kind as char),
        )
        .saying("opened here");
        problems.push(match seen {
            Some(seen) => {
                let end = if self.bytes[seen].is_ascii_alphabetic() { end_of_word(self.bytes, seen) } else { seen + 1 };
                diagnostic.label(self.span(seen, end), format!("a `{partner}` is missing before this"))
            }
            None => {
                let last = self.source[..at].trim_end().len();
                diagnostic.label(self.span(last, last), format!("the file ends without a `{partner}`"))
            }
        });
        let from = match self.stack.get(keep) {
            Some(outer) => outer.statement,
            None => self.statement,
        };
        let outer_is_brace = self.stack.get(keep).is_some_and(|o| o.kind == b'{');
        self.blank(from, at);
        if outer_is_brace || keep == 0 {
            self.statement = from;
        }
        self.ifs = 0;
        self.stack.truncate(keep);
        self.suspect = None;
    }

    fn end_statement(&mut self, at: usize) {
        let text = &self.source[self.statement.min(at)..at];
        let start = self.statement + (text.len() - text.trim_start().len());
        let end = self.statement + text.trim_end().len();
        if start < end {
            let depth = self.stack.iter().filter(|o| o.kind == b'{').count();
            self.pieces.push(Piece { start, end, depth });
        }
        let at_end = self.bytes.get(at).is_none_or(|b| matches!(b, b'\n' | b';' | b'}'));
        self.statement = if at_end { (at + 1).min(self.bytes.len()) } else { at };
        self.fresh_statement = at_end;
        self.going_on = true;
        self.ifs = 0;
    }

    /// Operators and everything else that is neither a word nor a number.
    fn mark(&mut self, at: usize, problems: &mut Problems) -> usize {
        let rest = &self.source[at..];
        for (wrong, right, help) in FOREIGN {
            if rest.starts_with(wrong) {
                let end = at + wrong.len();
                problems.push(
                    Diagnostic::at(
                        Code::ForeignNotation,
                        self.span(at, end),
                        format!("`{wrong}` is not written in this language"),
                    )
                    .help(*help),
                );
                if *wrong == "//" {
                    let stop = rest.find('\n').map_or(self.bytes.len(), |i| at + i);
                    self.pass_over(at, stop);
                    return stop;
                }
                if *wrong == "/*" {
                    let stop = rest.find("*/").map_or(self.bytes.len(), |i| at + i + 2);
                    self.pass_over(at, stop);
                    return stop;
                }
                self.out[at..end].copy_from_slice(right.as_bytes());
                // What has no equal here ends the reading of its statement: more would be said of what stands for it.
                self.going_on = !right.as_bytes().contains(&REPORTED);
                return end;
            }
        }
        let byte = self.bytes[at];
        if b"+-*/@,=~|:<>.".contains(&byte) {
            let splat = byte == b'.' && self.bytes.get(at + 1) == Some(&b'.');
            if byte == b'.'
                && !splat
                && self.bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
                && !self.follows_a_word(at)
            {
                let mut end = at + 1;
                while self.bytes.get(end).is_some_and(u8::is_ascii_digit) {
                    end += 1;
                }
                let digits = &self.source[at..end];
                problems.push(
                    Diagnostic::at(Code::BadNumber, self.span(at, end), format!("`{}` is not a number", clip(digits)))
                        .help(format!("write `0{}`", clip(digits))),
                );
                self.out[at] = b'0';
                self.blank(at + 1, end);
                self.going_on = false;
                return end;
            }
            self.going_on = b"+-*/@,=~|<>:".contains(&byte);
            if byte == b',' {
                self.ifs = 0;
            }
            return at + if splat { 2 } else { 1 };
        }
        let c = rest.chars().next().unwrap_or(' ');
        let end = at + c.len_utf8();
        if c == '\''
            && let Some(length) = rest[1..].find(['\'', '\n']).filter(|&i| rest.as_bytes()[i + 1] == b'\'')
        {
            let end = at + length + 2;
            problems.push(
                Diagnostic::at(Code::BadCharacter, self.span(at, end), "a text does not stand in single quotes")
                    .help(format!("write `\"{}\"`", clip(&rest[1..=length]))),
            );
            (self.out[at], self.out[end - 1]) = (b'"', b'"');
            self.going_on = false;
            return end;
        }
        let (message, mut help) = bad_character(c);
        if c == '\'' && self.follows_a_word(at) {
            help = Some("nothing is transposed: `@` sums over the axis that both sides share");
        }
        let diagnostic = Diagnostic::at(Code::BadCharacter, self.span(at, end), message);
        problems.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
        let replacement: &[u8] = match c {
            '−' | '–' => b"-",
            '×' | '·' | '∗' => b"*",
            '≥' => b">=",
            '≤' => b"<=",
            '∼' => b"~",
            '→' => b"->",
            c if c.is_whitespace() || c.is_control() || c == '\u{feff}' => b"",
            _ => {
                // Nothing can stand for it: drop the statement so far, and let the rest of the line go with it.
                self.drop_statement(at);
                return end;
            }
        };
        self.blank(at, end);
        self.out[at..at + replacement.len()].copy_from_slice(replacement);
        self.going_on = !replacement.is_empty();
        end
    }

    /// Passes over a comment of another language; where it begins a statement, the statement begins behind it.
    fn pass_over(&mut self, at: usize, stop: usize) {
        if self.source[self.statement.min(at)..at].trim().is_empty() {
            self.statement = stop;
        }
        self.blank(at, stop);
    }

    fn follows_a_word(&self, at: usize) -> bool {
        at > 0 && (self.bytes[at - 1].is_ascii_alphanumeric() || matches!(self.bytes[at - 1], b'_' | b')' | b']'))
    }

    /// Marks the statement around `at` as beyond reading: the parser is to see nothing of it.
    fn drop_statement(&mut self, at: usize) {
        // A reserved piece of depth `usize::MAX` would complicate every reader; a control byte makes the parser stop inside exactly this statement,
        // and the parser keeps quiet where it stops at one.
        let end = at + self.source[at..].chars().next().map_or(1, char::len_utf8);
        self.blank(at, end);
        self.out[at] = REPORTED;
        self.going_on = false;
    }
}

/// Stands in the scanned text where something was reported that nothing can replace.
pub const REPORTED: u8 = 1;

/// Overwrites a stretch with spaces, newlines kept.
pub fn blank(text: &mut [u8], start: usize, end: usize) {
    let end = end.min(text.len());
    for byte in &mut text[start.min(end)..end] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Where the word that begins at `at` ends.
pub fn end_of_word(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).map_or(bytes.len(), |i| at + i)
}

/// At most 40 characters of a text, for quoting in a message.
pub fn clip(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Notation of other languages, what to read it as (of equal length), and what to write.
const FOREIGN: &[(&str, &str, &str)] = &[
    ("==", "\u{1} ", "conditions and definitions are written with a single `=`; to test for a label write `x is yes`"),
    (":=", " =", "a definition is written `x: Domain = value`"),
    ("//", "  ", "a comment begins with `#`"),
    ("+=", " =", "a definition stands once; a second contribution to the log-density is a `factor`"),
    ("!=", "\u{1} ", "to choose the other case, exchange the branches of the `if`"),
    ("&&", "\u{1} ", "choose with `if .. then .. else ..`, one inside the other"),
    ("||", "\u{1} ", "choose with `if .. then .. else ..`, one inside the other"),
    ("/*", "  ", "a comment begins with `#` and ends with its line"),
    ("**", "* ", "a power is written as a product, or with `square(x)`"),
    ("=>", "->", "a result is written after `->`"),
];

/// What to say of a character outside the language.
fn bad_character(c: char) -> (String, Option<&'static str>) {
    let help = match c {
        '\'' | '“' | '”' | '‘' | '’' | '`' => Some("a text stands in straight double quotes: `\"..\"`"),
        '−' | '–' | '—' => Some("write the minus of the keyboard, `-`"),
        '×' | '·' | '∗' => Some("write `*`"),
        '≥' => Some("write `>=`"),
        '≤' => Some("write `<=`"),
        '∼' => Some("write `~`"),
        '→' => Some("write `->`"),
        '^' => Some("a power is written as a product, or with `square(x)`"),
        '!' => Some("to choose the other case, exchange the branches of the `if`"),
        '&' => Some("choose with `if .. then .. else ..`"),
        '?' => Some("an absent value stands in the data, not in the model"),
        '%' => Some("write a fraction, such as `0.05`"),
        '÷' => Some("write `/`"),
        '√' => Some("write `sqrt(..)`"),
        '∑' | 'Σ' => Some("write `sum(..)`"),
        '²' => Some("write `square(..)`"),
        '$' | '\\' => Some("formulas are plain text: write names as they are, without marks around them"),
        c if c.is_alphabetic() => Some("names are made of the letters a to z, digits and `_`"),
        _ => None,
    };
    match c.is_control() || c == '\u{feff}' {
        true => (format!("the character U+{:04X} does not belong here", c as u32), help),
        false => (format!("`{c}` does not belong to the language"), help),
    }
}
