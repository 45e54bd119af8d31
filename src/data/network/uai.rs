//! UAI: the networks of the inference competitions, as numbers without names, and their files of evidence.
//!
//! `MARKOV` or `BAYES`, the number of variables, their numbers of states, the scopes, and a table for each scope, the last variable of
//! the scope fastest; in `BAYES` the last of a scope is the child. Variables are called `x0`, `x1`, .. and states `0`, `1`, ..

use std::borrow::Cow;
use std::fmt::Write;

use super::scan::{Scanner, Word, not_a_number, number};
use super::shape::{Room, divide_rows, row_in_words, verify_directed};
use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic};
use crate::model::{NetFactor, Network};

/// States that a variable may have: its names are made, not read.
const MOST_STATES: usize = 1 << 20;

/// Reads a network.
///
/// # Errors
/// E0715, E0707 and the like, at the place of the first thing that is wrong.
pub(super) fn read(text: &str, file: FileId) -> Result<Network, Diagnostic> {
    let mut words = Words { scanner: Scanner::new(text, file), bytes: text.len() };
    let kind = words.word("`MARKOV` or `BAYES`")?;
    let directed = match kind.text.to_ascii_uppercase().as_str() {
        "MARKOV" => false,
        "BAYES" => true,
        _ => {
            let shown: String = kind.text.chars().take(30).collect();
            return Err(Diagnostic::at(Code::MalformedData, kind.span, format!("`{shown}` is no kind of network"))
                .help("a `.uai` file begins with `MARKOV` or `BAYES`"));
        }
    };
    let count = words.count("the number of variables")?;
    let mut cards = Vec::new();
    let mut places = Vec::new();
    let mut states = 0usize;
    for _ in 0..count {
        let (card, place) = words.whole("a variable's number of states")?;
        states = states.saturating_add(card);
        if card == 0 || states > MOST_STATES.saturating_add(text.len()) {
            return Err(Diagnostic::at(Code::BadValue, place, format!("a variable cannot have {card} states here"))
                .help("a variable has at least one state, and no more than a file of this length can use"));
        }
        cards.push(card);
        places.push(place);
    }
    let factors = words.count("the number of tables")?;
    let mut scopes: Vec<(Vec<usize>, Span)> = Vec::new();
    let mut seen = vec![usize::MAX; count];
    for at in 0..factors {
        let arity = words.count("the size of a table's scope")?;
        let mut scope = Vec::new();
        let mut place = words.scanner.here();
        for _ in 0..arity {
            let (variable, here) = words.whole("a variable of a table's scope")?;
            if variable >= count {
                let message = format!("there is no variable {variable}");
                return Err(Diagnostic::at(Code::UnknownName, here, message)
                    .help(format!("variables are numbered from 0 to {}", count.saturating_sub(1))));
            }
            if seen[variable] == at {
                let message = format!("the variable {variable} stands twice in this scope");
                return Err(Diagnostic::at(Code::DefinedTwice, here, message).help("name each variable once"));
            }
            seen[variable] = at;
            scope.push(variable);
            place = if scope.len() == 1 { here } else { place.to(here) };
        }
        if directed && scope.is_empty() {
            return Err(Diagnostic::at(
                Code::MalformedData,
                place,
                "a table of a Bayesian network without its variable",
            )
            .help("begin the file with `MARKOV` if it is no Bayesian network"));
        }
        scopes.push((scope, place));
    }
    let mut room = Room::of_text(text.len());
    let mut network = Network::numbered(&cards, Vec::new(), directed);
    for (scope, place) in scopes {
        let cells = room.table(scope.iter().map(|&v| cards[v]), place)?;
        let (stated, here) = words.whole("the number of a table's entries")?;
        if stated != cells {
            let message = format!("the table says {stated} entries, and its variables have {cells} joint states");
            return Err(Diagnostic::at(Code::BodyLength, here, message)
                .label(place, "the scope")
                .help(format!("give it {cells} entries, the last variable of the scope running fastest")));
        }
        let mut values = Vec::with_capacity(cells.min(text.len()));
        for _ in 0..cells {
            let word = words.word("an entry of a table")?;
            values.push(number(&word.text).ok_or_else(|| not_a_number(&word))?);
        }
        let child = scope.last().copied().filter(|_| directed);
        if let Some(child) = child {
            divide_rows(&mut values, cards[child]).map_err(|(row, sum)| {
                let given = row_in_words(&network, &scope[..scope.len() - 1], row);
                let at = if given.is_empty() { String::new() } else { format!(" at {given}") };
                Diagnostic::at(Code::BadTable, here, format!("the probabilities of x{child}{at} sum to {sum}"))
                    .help("make each row sum to one, or begin the file with `MARKOV`")
            })?;
        }
        network.factors.push(NetFactor { scope, child, values, properties: Vec::new() });
    }
    if let Some(more) = words.next()? {
        return Err(Diagnostic::at(Code::MalformedData, more.span, "the file goes on after its last table")
            .help("correct the number of tables, or take the rest away"));
    }
    if directed {
        verify_directed(&network, &|v| places[v])?;
    }
    Ok(network)
}

/// Writes a network: names and properties have no place in this format.
pub(super) fn write(network: &Network) -> String {
    let mut out = String::from(if network.directed { "BAYES\n" } else { "MARKOV\n" });
    let cards: Vec<String> = network.cards().iter().map(usize::to_string).collect();
    let _ = writeln!(out, "{}\n{}\n{}", cards.len(), cards.join(" "), network.factors.len());
    for factor in &network.factors {
        let scope: Vec<String> = [factor.scope.len()].iter().chain(&factor.scope).map(usize::to_string).collect();
        out.push_str(&scope.join(" "));
        out.push('\n');
    }
    let cards = network.cards();
    for factor in &network.factors {
        let _ = write!(out, "\n{}\n", factor.values.len());
        let width = factor.scope.last().map_or(1, |&v| cards[v]);
        for row in factor.values.chunks(width.max(1)) {
            let row: Vec<String> = row.iter().map(|v| format!("{v:?}")).collect();
            out.push_str(&row.join(" "));
            out.push('\n');
        }
    }
    out
}

/// Reads a file of evidence: the cases, each a list of variables and states. Older files hold the number of cases first.
///
/// # Errors
/// E0711 where the numbers do not fit together or name what the network does not have.
pub(super) fn read_evidence(text: &str, file: FileId, cards: &[usize]) -> Result<Vec<Vec<(usize, usize)>>, Diagnostic> {
    let mut words = Words { scanner: Scanner::new(text, file), bytes: text.len() };
    let mut numbers: Vec<(usize, Span)> = Vec::new();
    while let Some(word) = words.next()? {
        numbers.push((whole_number(&word, "evidence")?, word.span));
    }
    let end = words.scanner.here();
    let wrong = |place, message: String| {
        Diagnostic::at(Code::BadEvidence, place, message)
            .help("evidence is a count and as many pairs of a variable and its state, all as numbers from 0")
    };
    let pair = |pair: &[(usize, Span)]| -> Result<(usize, usize), Diagnostic> {
        let [(variable, at), (state, there)] = pair else { return Err(wrong(end, "half a pair".into())) };
        match cards.get(*variable) {
            None => Err(wrong(*at, format!("there is no variable {variable}"))),
            Some(card) if state >= card => Err(wrong(*there, format!("the variable {variable} has no state {state}"))),
            Some(_) => Ok((*variable, *state)),
        }
    };
    let Some(&(first, _)) = numbers.first() else { return Ok(vec![Vec::new()]) };
    if numbers.len() == first.saturating_mul(2).saturating_add(1) {
        return Ok(vec![numbers[1..].chunks(2).map(pair).collect::<Result<_, _>>()?]);
    }
    let mut cases = Vec::new();
    let mut rest = &numbers[1..];
    while let Some((&(count, at), after)) = rest.split_first() {
        if after.len() / 2 < count {
            return Err(wrong(at, format!("{count} pairs are announced, and {} numbers follow", after.len())));
        }
        let (own, others) = after.split_at(2 * count);
        cases.push(own.chunks(2).map(pair).collect::<Result<_, _>>()?);
        rest = others;
    }
    if cases.len() != first {
        let message = format!("{first} cases are announced, and there are {}", cases.len());
        return Err(wrong(numbers[0].1, message));
    }
    Ok(cases)
}

/// The words of a text, split by blanks alone.
struct Words<'a> {
    scanner: Scanner<'a>,
    bytes: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<Option<Word<'a>>, Diagnostic> {
        let text = self.scanner.text();
        let rest = &text[self.scanner.position()..];
        let blank = |c: char| c.is_ascii_whitespace() || c == '\u{feff}';
        let start = text.len() - rest.trim_start_matches(blank).len();
        let length = text[start..].find(blank).unwrap_or(text.len() - start);
        self.scanner.go(start + length);
        let span = self.scanner.span(start, start + length);
        Ok((length > 0).then(|| Word { text: Cow::Borrowed(&text[start..start + length]), span }))
    }

    fn word(&mut self, what: &str) -> Result<Word<'a>, Diagnostic> {
        match self.next()? {
            Some(word) => Ok(word),
            None => Err(Diagnostic::at(
                Code::BodyLength,
                self.scanner.here(),
                format!("the file ends where {what} is wanted"),
            )
            .help("the file was cut short, or one of its counts is too large")),
        }
    }

    fn whole(&mut self, what: &str) -> Result<(usize, Span), Diagnostic> {
        let word = self.word(what)?;
        Ok((whole_number(&word, what)?, word.span))
    }

    /// A count of things that each take at least two bytes of the file.
    fn count(&mut self, what: &str) -> Result<usize, Diagnostic> {
        let (count, place) = self.whole(what)?;
        if count > self.bytes {
            return Err(Diagnostic::at(
                Code::BodyLength,
                place,
                format!("{what} is {count}, more than the file can hold"),
            )
            .help("the file was cut short, or this number is wrong"));
        }
        Ok(count)
    }
}

fn whole_number(word: &Word, what: &str) -> Result<usize, Diagnostic> {
    word.text.parse::<usize>().map_err(|_| {
        let shown: String = word.text.chars().take(30).collect();
        Diagnostic::at(Code::BadValue, word.span, format!("`{shown}` stands where {what} is wanted"))
            .help("write a whole number, 0 or more")
    })
}
