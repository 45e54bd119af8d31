//! A cursor over the text of a BIF file: blanks and comments passed over, names raw or quoted, numbers.
//!
//! In: the text. Out: pieces of it with their places, or a diagnostic where something else was wanted. Nothing is copied that need not be,
//! nothing is read twice but where a name holds the marks that end names.

use std::borrow::Cow;

use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic};

/// A name as written, and where.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    /// The name, without its quotes.
    pub text: Cow<'a, str>,
    /// Its place, quotes included.
    pub span: Span,
}

/// Where in the text reading stands.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    file: FileId,
}

/// Marks that no bare word holds.
const MARKS: &[u8] = b"{}[]()|,;\"";

impl<'a> Scanner<'a> {
    /// At the start of a text.
    pub fn new(text: &'a str, file: FileId) -> Self {
        Scanner { text, at: 0, file }
    }

    /// The bytes from here to there.
    pub fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    /// The next character, or the end.
    pub fn here(&self) -> Span {
        let width = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        self.span(self.at, self.at + width)
    }

    /// Where reading stands, to come back to.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Back to, or on to, a place that `position` gave or that ends a piece of the text.
    pub fn go(&mut self, at: usize) {
        self.at = at;
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The error of finding this here.
    pub fn wanted(&self, what: &str) -> Diagnostic {
        let rest = &self.text[self.at..];
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len()).max(self.here().end as usize - self.at);
        let shown: String = rest[..end].chars().take(30).collect();
        let found = if shown.is_empty() { "the file ends".to_string() } else { format!("`{shown}` stands") };
        Diagnostic::at(Code::MalformedData, self.here(), format!("{found} where {what} is wanted"))
            .help("put it in, or take away what stands there instead; names with marks stand in quotes")
    }

    /// Passes over blanks and comments (`// ..` and `/* .. */`).
    ///
    /// # Errors
    /// E0715 for a comment that does not end.
    pub fn skip(&mut self) -> Result<(), Diagnostic> {
        loop {
            let rest = &self.text[self.at..];
            self.at += rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
            let rest = &self.text[self.at..];
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let Some(end) = rest.find("*/") else {
                    let place = self.span(self.at, self.at + 2);
                    return Err(Diagnostic::at(Code::MalformedData, place, "a comment that is never closed")
                        .help("close it with `*/`"));
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    /// The next byte that is neither blank nor comment.
    pub fn peek(&mut self) -> Result<Option<u8>, Diagnostic> {
        self.skip()?;
        Ok(self.byte(self.at))
    }

    /// Takes this mark if it stands next.
    pub fn take(&mut self, mark: u8) -> Result<bool, Diagnostic> {
        let found = self.peek()? == Some(mark);
        self.at += usize::from(found);
        Ok(found)
    }

    /// Takes this mark.
    pub fn expect(&mut self, mark: u8, why: &str) -> Result<(), Diagnostic> {
        match self.take(mark)? {
            true => Ok(()),
            false => Err(self.wanted(&format!("`{}`{why}", mark as char))),
        }
    }

    /// A bare word: everything up to a blank or a mark. Empty where a mark stands.
    pub fn word(&mut self) -> Result<Word<'a>, Diagnostic> {
        self.skip()?;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let length = rest.iter().position(|b| b.is_ascii_whitespace() || MARKS.contains(b)).unwrap_or(rest.len());
        self.at += length;
        Ok(Word { text: Cow::Borrowed(&self.text[start..self.at]), span: self.span(start, self.at) })
    }

    /// A quoted text; a backslash before a quote or a backslash stands for these.
    pub fn quoted(&mut self) -> Result<Word<'a>, Diagnostic> {
        let start = self.at;
        let mut text = String::new();
        let mut rest = self.text[start + 1..].char_indices();
        while let Some((at, c)) = rest.next() {
            match c {
                '"' => {
                    self.at = start + 1 + at + 1;
                    return Ok(Word { text: Cow::Owned(text), span: self.span(start, self.at) });
                }
                '\\' if self.text[start + 1 + at + 1..].starts_with(['"', '\\']) => {
                    text.extend(rest.next().map(|(_, c)| c));
                }
                c => text.push(c),
            }
        }
        let place = self.span(start, start + 1);
        Err(Diagnostic::at(Code::MalformedData, place, "a quote that is never closed").help("close it with `\"`"))
    }

    /// A name: quoted, or everything up to one of these marks, blanks inside included and those around left out. The mark is not taken.
    pub fn name(&mut self, ends: &[u8], what: &str) -> Result<Word<'a>, Diagnostic> {
        self.skip()?;
        if self.byte(self.at) == Some(b'"') {
            let word = self.quoted()?;
            self.skip()?;
            return match self.byte(self.at) {
                Some(b) if ends.contains(&b) => Ok(word),
                _ => Err(self.wanted(&format!("the end of {what}"))),
            };
        }
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let end = loop {
            match bytes.get(at) {
                None => break at,
                Some(b) if ends.contains(b) => break at,
                // A comment ends a name only after a blank: names with slashes are real.
                Some(b'/') if at > start && bytes[at - 1].is_ascii_whitespace() => {
                    if matches!(bytes.get(at + 1), Some(b'/' | b'*')) {
                        break at;
                    }
                    at += 1;
                }
                Some(_) => at += 1,
            }
        };
        let text = self.text[start..end].trim_end();
        self.at = end;
        self.skip()?;
        let span = self.span(start, start + text.len());
        match self.byte(self.at) {
            Some(b) if ends.contains(&b) && !text.is_empty() => Ok(Word { text: Cow::Borrowed(text), span }),
            Some(b) if ends.contains(&b) => Err(self.wanted(what)),
            _ => {
                let message = format!("{what} begins here and does not end");
                let marks: Vec<String> = ends.iter().map(|b| format!("`{}`", *b as char)).collect();
                Err(Diagnostic::at(Code::MalformedData, self.span(start, start + text.len().min(1)), message)
                    .help(format!("it ends with {}", marks.join(" or "))))
            }
        }
    }

    /// Raw text up to a semicolon outside of quotes, which is taken; blanks around are left out.
    pub fn line(&mut self) -> Result<&'a str, Diagnostic> {
        let start = self.at;
        let mut quoted = false;
        for (at, byte) in self.text.as_bytes()[start..].iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b';' if !quoted => {
                    self.at = start + at + 1;
                    return Ok(self.text[start..start + at].trim());
                }
                _ => {}
            }
        }
        let place = self.span(start, start);
        Err(Diagnostic::at(Code::MalformedData, place, "a property that does not end").help("end it with `;`"))
    }

    /// Non-negative numbers, split by blanks and commas, up to a semicolon, which is taken, or a mark that cannot follow on a number. At
    /// most `most` of them are kept; the count of all is given.
    pub fn numbers(&mut self, most: usize, into: &mut Vec<f64>) -> Result<usize, Diagnostic> {
        let mut count = 0;
        loop {
            self.skip()?;
            match self.byte(self.at) {
                Some(b',') => self.at += 1,
                Some(b';') => {
                    self.at += 1;
                    return Ok(count);
                }
                None | Some(b'}' | b'(') => return Ok(count),
                Some(_) => {
                    let word = self.word()?;
                    let number = number(&word.text).ok_or_else(|| not_a_number(&word))?;
                    if count < most {
                        into.push(number);
                    }
                    count += 1;
                }
            }
        }
    }
}

/// A finite number that is not negative.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    // The zero has no sign, so that it reads back the same from every format.
    text.parse::<f64>().ok().filter(|v| plain && v.is_finite() && *v >= 0.0).map(|v| v + 0.0)
}

/// The error of a word in the place of a number.
pub(super) fn not_a_number(word: &Word) -> Diagnostic {
    let shown: String = word.text.chars().take(30).collect();
    Diagnostic::at(Code::BadValue, word.span, format!("`{shown}` is not a number that a table can hold"))
        .help("a table holds finite numbers that are not negative, such as `0.25` or `2.5e-4`")
}
