//! Sentences for what the grammar did not expect. Comes in: the text, the place where reading stopped and the human words for what could have stood there;
//! goes out: a diagnostic. Knows the common slips and names them before it falls back on "expected .. here".

use super::habits;
use super::scan::{ITEM_WORDS, Piece, clip, end_of_word};
use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic, nearest};

/// What a grammar rule is called in a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    /// A thing: "a name", "an expression".
    Thing(&'static str),
    /// A literal mark or keyword, quoted.
    Mark(&'static str),
    /// A binary operator; all of them are said as one.
    Operator,
    /// Something that may follow but is no news: not said where anything else is.
    Quiet(&'static str),
}

/// Where reading stopped.
pub struct Stop<'a> {
    /// The file.
    pub file: FileId,
    /// The whole text, as written.
    pub source: &'a str,
    /// The byte at which nothing fitted.
    pub at: usize,
    /// What would have fitted.
    pub expected: Vec<Word>,
    /// The statement it happened in.
    pub piece: Piece,
}

/// Words that the grammar keeps to itself.
pub const RESERVED: [&str; 42] = [
    "use",
    "data",
    "axis",
    "param",
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
    "var",
    "factor",
    "for",
    "stage",
    "maximise",
    "tie",
    "init",
    "epochs",
    "if",
    "then",
    "else",
    "is",
    "in",
    "on",
    "of",
    "by",
    "with",
    "over",
    "as",
    "given",
    "prior",
    "from",
    "times",
    "table",
    "objective",
    "schedule",
    "E",
];

/// The diagnostic for a stop.
pub fn explain(stop: &Stop) -> Diagnostic {
    let rest = &stop.source[stop.at..];
    let stop = &Stop {
        at: stop.at + rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len(),
        expected: stop.expected.clone(),
        ..*stop
    };
    let token = token_at(stop.source, stop.at);
    let span = |start: usize, end: usize| Span { file: stop.file, start: start as u32, end: end as u32 };
    let here = span(stop.at, stop.at + token.len());
    let wants = |word: Word| stop.expected.contains(&word);
    let wants_name = wants(Word::Thing("a name"));
    let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_reserved = RESERVED.contains(&token);
    let begins_statement = stop.at == stop.piece.start;

    if begins_statement
        && is_word
        && let Some(diagnostic) = unknown_beginning(stop, token, here)
    {
        return diagnostic;
    }
    let before = word_before(stop.source, stop.at);
    if is_reserved && wants_name {
        return reserved(token, here);
    }
    let behind = stop.source[..stop.at].trim_end();
    let new_line = stop.source[behind.len()..stop.at].contains('\n') && !begins_statement;
    if let Some((start, word)) = before.filter(|(start, _)| *start == stop.piece.start && stop.piece.depth == 0)
        && ITEM_WORDS.contains(&word)
        && wants_name
        && !is_reserved
    {
        let missing = span(start, start + word.len());
        return Diagnostic::at(Code::Unexpected, missing, format!("a name is missing after `{word}`"))
            .help(habits::named(word));
    }
    if token.is_empty() || new_line {
        return ended(stop, &span);
    }
    // A reserved word used as a variable stops the reader just behind it: `in = 3`, `model: Bool`.
    if let Some((start, word)) = before {
        let declares = matches!(token, ":" | "~" | "=" | ",");
        if declares
            && RESERVED.contains(&word)
            && start >= stop.piece.start
            && (wants_name || start == stop.piece.start)
        {
            return reserved(word, span(start, start + word.len()));
        }
        if word == "train" && wants(Word::Mark("on"))
            || wants(Word::Mark("on")) && stop.source[stop.piece.start..].starts_with("train")
        {
            return Diagnostic::at(Code::Unexpected, here, format!("`{}` was not expected here", clip(token)))
                .saying("`on` and the data were expected")
                .help("write `train MODEL on DATA`");
        }
    }
    if token == "," && !wants(Word::Mark(",")) && stop.piece.depth > 0 && wants(Word::Operator) {
        return Diagnostic::at(Code::Unexpected, here, "a `,` does not end a statement")
            .help("end the statement with `;` or a new line");
    }
    if token == "=" && before.is_some_and(|(start, _)| start >= stop.piece.start) && wants(Word::Mark("then")) {
        return Diagnostic::at(Code::Unexpected, here, "a condition has no `=`")
            .help("test for a state with `is`: `if x is yes then ..`; numbers are compared with `<` and `>`");
    }
    if token == "(" && before.is_some_and(|(_, word)| word == "E") {
        return Diagnostic::at(Code::Unexpected, here, "an expectation stands in brackets")
            .help("write `E[e for x ~ q]`; the mean of a variable is asked with `mean(x | y)`");
    }
    if token == "=" && wants(Word::Operator) && stop.source[..stop.at].trim_end().ends_with(']') {
        return Diagnostic::at(Code::Unexpected, here, "a single place of a variable has no value of its own here")
            .help("bind it in `data`, where `?` leaves the other places open");
    }
    if token == "=" && wants(Word::Mark("~")) {
        return Diagnostic::at(Code::Unexpected, here, "a `=` was not expected here");
    }
    if token == "{" && wants(Word::Thing("an expression")) {
        let diagnostic = Diagnostic::at(Code::Unexpected, here, "braces do not group an expression");
        let help = habits::instead(stop, token, None).filter(|_| stop.piece.depth == 0);
        return diagnostic.help(help.unwrap_or_else(|| "group with `(` and `)`".to_string()));
    }
    if token == "(" && wants(Word::Mark("{")) && stop.source[stop.piece.start..].starts_with("guide") {
        return Diagnostic::at(Code::Unexpected, here, "a guide takes no arguments")
            .help("write `guide MODEL { .. }`: a guide reads what its model's data observes");
    }
    if token.starts_with('"') && !wants(Word::Thing("an expression")) && wants_name {
        let diagnostic = Diagnostic::at(Code::Unexpected, here, "a text stands where a name must stand");
        return match stop.source[stop.piece.start..].starts_with("train") {
            true => diagnostic.help("declare the data, `data d = dataset(\"..\") { .. }`, and write `on d`"),
            false => diagnostic.help("names are written without quotes"),
        };
    }
    if wants(Word::Thing("a text in quotes")) && is_word {
        return Diagnostic::at(Code::Unexpected, here, format!("`{token}` was not expected here"))
            .saying("a text in quotes was expected")
            .help(format!("write `\"{token}\"`"));
    }
    let list = expected_list(&stop.expected);
    let mut diagnostic = Diagnostic::at(Code::Unexpected, here, format!("{} was not expected here", describe(token)));
    if !list.is_empty() {
        diagnostic = diagnostic.saying(format!("expected {list}"));
    }
    if let Some((operator, word)) = hanging(stop, token, before) {
        let mark = &stop.source[operator..operator + 1];
        return Diagnostic::at(
            Code::Unexpected,
            span(operator, operator + 1),
            format!("nothing stands behind this `{mark}`"),
        )
        .label(span(word, stop.at), "so that this line is read as what belongs to it")
        .help(format!("write what is missing, or leave the `{mark}` out"));
    }
    let before_word = before.map(|(_, word)| word);
    if let Some(help) = habits::instead(stop, token, before_word) {
        return diagnostic.help(help);
    }
    if is_word && wants(Word::Operator) {
        diagnostic = match before {
            Some((_, word)) if nearest(word, ["if", "factor", "param", "var"]).is_some_and(|w| w != word) => {
                let meant = nearest(word, ["if", "factor", "param", "var"]).unwrap_or_default();
                diagnostic.help(format!("did you mean `{meant}` for `{word}`?"))
            }
            _ if is_reserved => diagnostic,
            _ => diagnostic.help("a product is written with `*`, and statements on one line are separated by `;`"),
        };
    }
    diagnostic
}

/// An item or statement that begins with a word no item or statement begins with.
fn unknown_beginning(stop: &Stop, token: &str, here: Span) -> Option<Diagnostic> {
    let at_top = stop.piece.depth == 0;
    if RESERVED.contains(&token) {
        let next = stop.source[stop.at + token.len()..].trim_start_matches([' ', '\t']);
        if next.starts_with([':', '~', '=', '[']) {
            return Some(reserved(token, here));
        }
        if at_top && ITEM_WORDS.contains(&token) {
            return None;
        }
        let place = if at_top { "an item" } else { "a statement here" };
        let diagnostic = Diagnostic::at(Code::Unexpected, here, format!("`{token}` does not begin {place}"));
        return Some(match token {
            "var" | "factor" | "for" if at_top => {
                diagnostic.help(format!("`{token}` stands inside a `model` or a `guide`"))
            }
            "maximise" | "tie" | "init" | "epochs" | "stage" if at_top => {
                diagnostic.help(format!("`{token}` stands inside the braces of a `train`"))
            }
            "maximise" | "tie" | "init" | "epochs" | "stage" => {
                diagnostic.help(format!("`{token}` stands inside the braces of a `train`"))
            }
            "query" | "evaluate" | "sample" | "compare" | "train" | "infer" => {
                diagnostic.help(format!("`{token}` stands outside, after the closing `}}`"))
            }
            "param" | "var" | "factor" | "for" => {
                diagnostic.help(format!("`{token}` stands inside a `model` or a `guide`"))
            }
            _ => match habits::item(token)
                .map(String::from)
                .filter(|_| at_top)
                .or_else(|| habits::instead(stop, token, None))
            {
                Some(help) => diagnostic.help(help),
                None => diagnostic.saying(format!("expected {}", expected_list(&stop.expected))),
            },
        });
    }
    if !at_top {
        let steps = ["stage", "maximise", "tie", "init", "epochs", "patience"];
        let in_train = stop.expected.contains(&Word::Thing("a training line"));
        if !in_train {
            return None;
        }
        let diagnostic = Diagnostic::at(Code::UnknownItem, here, format!("`{}` begins no training line", clip(token)));
        return Some(match (nearest(token, steps), token) {
            (_, "maximize") => diagnostic.help("the word is spelled `maximise`"),
            (_, "minimise" | "minimize") => diagnostic.help("objectives are raised: write `maximise -(..)`"),
            (Some(meant), _) => diagnostic.help(format!("did you mean `{meant}`?")),
            _ => diagnostic
                .help("a training line begins with `stage`, `maximise`, `tie`, `init`, `epochs` or `patience`"),
        });
    }
    let diagnostic = Diagnostic::at(Code::UnknownItem, here, format!("`{}` begins no item", clip(token)));
    let rest = stop.source[stop.at + token.len()..].trim_start_matches([' ', '\t']);
    Some(match (nearest(token, ITEM_WORDS), token) {
        (_, "import" | "include") => diagnostic.help("another file is brought in with `use \"path\" as name`"),
        (_, "class" | "def" | "fn" | "function") => diagnostic.help("a function that learns is a `net`; a distribution is a `model`"),
        (_, "let" | "const") => diagnostic.help("inside a model a definition is written `x: Domain = value`; a learned number is a `param`"),
        (Some(meant), _) => diagnostic.help(format!("did you mean `{meant}`?")),
        (None, word) if let Some(help) = habits::item(word) => diagnostic.help(help),
        _ if rest.starts_with(['~', ':', '[']) => diagnostic.help("variables are declared inside a `model NAME { .. }`"),
        _ => diagnostic.help(
            "an item begins with `use`, `data`, `axis`, `param`, `net`, `model`, `guide`, `infer`, `require`, `train`, `query`, `evaluate`, `sample`, `compare` or `report`",
        ),
    })
}

fn reserved(word: &str, span: Span) -> Diagnostic {
    let mut other = word.to_lowercase();
    other.push('_');
    let diagnostic =
        Diagnostic::at(Code::ReservedWord, span, format!("`{word}` is a word of the language and cannot be a name"));
    match word {
        "epochs" => diagnostic.help("the number of passes is written without a sign: `epochs 10`"),
        _ => diagnostic.help(format!("choose another name, such as `{other}`")),
    }
}

/// The text or the statement ended before it was complete.
fn ended(stop: &Stop, span: &impl Fn(usize, usize) -> Span) -> Diagnostic {
    let last = last_token_end(stop.source, stop.at);
    let what = if stop.source[last..].contains('\n') { "the line" } else { "the text" };
    let list = expected_list(&stop.expected);
    let diagnostic = Diagnostic::at(Code::Unexpected, span(last, last), format!("{what} ends too early"));
    let diagnostic = if list.is_empty() { diagnostic } else { diagnostic.saying(format!("expected {list}")) };
    match stop.expected.contains(&Word::Operator) {
        _ if let Some(help) = habits::missing(stop) => diagnostic.help(help),
        true => diagnostic
            .help("a line goes on after an operator, a comma, `=` or an open bracket; put the operator at its end"),
        false => diagnostic,
    }
}

/// A sign at a line's end that swallowed the line below, which begins with a declaration: the places of the sign and of that line.
fn hanging(stop: &Stop, token: &str, before: Option<(usize, &str)>) -> Option<(usize, usize)> {
    let (word, _) = before.filter(|_| matches!(token, ":" | "~" | "=") && stop.expected.contains(&Word::Operator))?;
    let line = stop.source[..word].rfind('\n')?;
    let operator = last_token_end(stop.source, line).checked_sub(1)?;
    let alone = stop.source[line..word].trim().is_empty() && operator >= stop.piece.start;
    (alone && b"+-*/@=~<>".contains(&stop.source.as_bytes()[operator])).then_some((operator, word))
}

/// Where the last token before a place ends; comments between are passed over.
fn last_token_end(source: &str, at: usize) -> usize {
    let mut end = source[..at].trim_end().len();
    loop {
        let line = source[..end].rfind('\n').map_or(0, |i| i + 1);
        let mut quoted = false;
        let comment = source[line..end].find(|c| {
            quoted ^= c == '"';
            c == '#' && !quoted
        });
        match comment {
            Some(i) => end = source[..line + i].trim_end().len(),
            None => return end,
        }
    }
}

/// The token at a place: a word, a number, a text, one or two marks; empty at the end of a line or of the text.
fn token_at(source: &str, at: usize) -> &str {
    let rest = source.get(at..).unwrap_or("");
    let bytes = rest.as_bytes();
    let end = match bytes.first() {
        None | Some(b'\n' | b'#' | b'\r') => 0,
        Some(b) if b.is_ascii_alphanumeric() => end_of_word(bytes, 0),
        Some(b'"') => {
            bytes.iter().skip(1).position(|&b| b == b'"' || b == b'\n').map_or(bytes.len(), |i| i + 2).min(bytes.len())
        }
        Some(_) => {
            let two = ["->", "++", "..", ">=", "<="].iter().find(|t| rest.starts_with(**t));
            two.map_or_else(|| rest.chars().next().map_or(0, char::len_utf8), |t| t.len())
        }
    };
    &rest[..end]
}

/// The word that ends just before a place, blanks between, and where it begins.
fn word_before(source: &str, at: usize) -> Option<(usize, &str)> {
    let before = source[..at].trim_end_matches([' ', '\t']);
    let start = before.len() - before.bytes().rev().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    before[start..].starts_with(|c: char| c.is_ascii_alphabetic()).then(|| (start, &before[start..]))
}

fn describe(token: &str) -> String {
    match token.chars().next() {
        Some('"') => "this text".to_string(),
        Some(c) if c.is_ascii_digit() => format!("the number `{}`", clip(token)),
        _ => format!("`{}`", clip(token)),
    }
}

/// "a name, `,` or `)`"; operators said as one, and at most five words.
fn expected_list(expected: &[Word]) -> String {
    let mut things: Vec<String> = Vec::new();
    let mut marks: Vec<String> = Vec::new();
    let mut quiet: Vec<String> = Vec::new();
    let mut operator = false;
    for word in expected {
        match word {
            Word::Thing(text) => things.push((*text).to_string()),
            // What may follow any name is no news beside what must follow this one.
            Word::Mark("(" | "[" | "|" | "=") if expected.contains(&Word::Operator) => {}
            Word::Mark("[") if expected.contains(&Word::Mark("~")) => {}
            Word::Mark(text) => marks.push(format!("`{text}`")),
            Word::Operator => operator = true,
            Word::Quiet(text) => quiet.push((*text).to_string()),
        }
    }
    let mut list = things;
    list.extend(marks);
    if list.is_empty() {
        list = quiet;
    }
    if operator {
        list.push("an operator".to_string());
    }
    list.dedup();
    if list.len() > 6 {
        list.truncate(5);
        list.push("something else that fits".to_string());
    }
    match list.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}
