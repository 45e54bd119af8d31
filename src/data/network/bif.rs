//! BIF, the interchange format of Bayesian networks (Cozman 1998), read as tolerantly as files in use need.
//!
//! In: text. Out: a network whose conditionals have their parents in the file's order. A block may come before the variables that it
//! names; names may be quoted, hold blanks or marks; commas may be left out where the counts still tell what is meant.

use std::collections::HashMap;

use super::scan::{Scanner, Word};
use super::shape::{Room, divide_rows, row_in_words, verify_directed};
use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::{NetFactor, NetVariable, Network};

/// The name that programs write where a network has none.
pub(super) const NAMELESS: &str = "unknown";

/// Reads a network.
///
/// # Errors
/// E0715 and the like, at the place of the first thing that is wrong.
pub(super) fn read(text: &str, file: FileId) -> Result<Network, Diagnostic> {
    let mut reader = Reader {
        scanner: Scanner::new(text, file),
        network: Network { directed: true, ..Network::default() },
        places: Vec::new(),
        variables: HashMap::new(),
        states: Vec::new(),
        room: Room::of_text(text.len()),
    };
    let blocks = reader.declarations()?;
    for at in blocks {
        reader.scanner.go(at);
        reader.probability()?;
    }
    verify_directed(&reader.network, &|v| reader.places[v])?;
    Ok(reader.network)
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    network: Network,
    /// Where each variable was declared.
    places: Vec<Span>,
    /// Positions of variables by name, and of their states.
    variables: HashMap<String, usize>,
    states: Vec<HashMap<String, usize>>,
    room: Room,
}

impl Reader<'_> {
    /// Reads all but the tables; where those begin.
    fn declarations(&mut self) -> Result<Vec<usize>, Diagnostic> {
        let mut blocks = Vec::new();
        while self.scanner.peek()?.is_some() {
            let word = self.scanner.word()?;
            match word.text.to_ascii_lowercase().as_str() {
                "network" => {
                    let name = self.scanner.name(b"{", "the network's name")?.text.into_owned();
                    self.network.name = if name == NAMELESS { String::new() } else { name };
                    self.scanner.expect(b'{', "")?;
                    while !self.scanner.take(b'}')? {
                        let property = self.property("the network")?;
                        self.network.properties.push(property);
                    }
                }
                "variable" => self.variable()?,
                "probability" => {
                    blocks.push(self.scanner.position());
                    self.pass_block()?;
                }
                _ => {
                    self.scanner.go(word.span.start as usize);
                    return Err(self
                        .scanner
                        .wanted("`network`, `variable` or `probability`")
                        .help("a `.bif` file is made of blocks of these three kinds"));
                }
            }
            self.scanner.take(b';')?;
        }
        if self.network.variables.is_empty() {
            return Err(Diagnostic::at(Code::EmptyData, self.scanner.here(), "a network without variables")
                .help("declare them: `variable rain { type discrete [ 2 ] { no, yes }; }`"));
        }
        Ok(blocks)
    }

    /// `property ..;` as text.
    fn property(&mut self, of: &str) -> Result<String, Diagnostic> {
        let word = self.scanner.word()?;
        if !word.text.eq_ignore_ascii_case("property") {
            self.scanner.go(word.span.start as usize);
            return Err(self.scanner.wanted(&format!("a property or the end of {of}")).help("end the block with `}`"));
        }
        Ok(self.scanner.line()?.to_string())
    }

    /// Passes over a block to its closing brace.
    fn pass_block(&mut self) -> Result<(), Diagnostic> {
        let start = self.scanner.position();
        let unclosed = |scanner: &Scanner| {
            Diagnostic::at(Code::Unbalanced, scanner.span(start, start), "a block of probabilities that does not end")
                .help("end it with `}`")
        };
        // A property is raw text, and begins only where a statement may.
        let mut fresh = false;
        loop {
            match self.scanner.peek()? {
                None => return Err(unclosed(&self.scanner)),
                Some(b'}') => {
                    self.scanner.take(b'}')?;
                    return Ok(());
                }
                Some(b'"') => {
                    self.scanner.quoted()?;
                    fresh = false;
                }
                Some(mark) => {
                    let word = self.scanner.word()?;
                    if word.text.is_empty() {
                        self.scanner.go(self.scanner.position() + 1);
                        fresh = matches!(mark, b'{' | b';');
                        continue;
                    }
                    if fresh && word.text.eq_ignore_ascii_case("property") {
                        self.scanner.line()?;
                        continue;
                    }
                    fresh = false;
                }
            }
        }
    }

    /// `NAME { type discrete [ 2 ] { no, yes }; property ..; }`
    fn variable(&mut self) -> Result<(), Diagnostic> {
        let name = self.scanner.name(b"{", "the variable's name")?;
        self.scanner.expect(b'{', "")?;
        let mut variable = NetVariable { name: name.text.to_string(), ..NetVariable::default() };
        while !self.scanner.take(b'}')? {
            let start = self.scanner.position();
            let word = self.scanner.word()?;
            match word.text.to_ascii_lowercase().as_str() {
                "type" if variable.states.is_empty() => variable.states = self.states(&name)?,
                "property" => variable.properties.push(self.scanner.line()?.to_string()),
                _ => {
                    self.scanner.go(start);
                    return Err(self
                        .scanner
                        .wanted("`type`, `property` or the end of the variable")
                        .help("a variable reads `variable rain { type discrete [ 2 ] { no, yes }; }`"));
                }
            }
        }
        if variable.states.is_empty() {
            return Err(Diagnostic::at(Code::MissingDomain, name.span, format!("`{}` has no states", name.text))
                .help("give it a type: `type discrete [ 2 ] { no, yes };`"));
        }
        let at = self.network.variables.len();
        if let Some(&first) = self.variables.get(&variable.name) {
            let message = format!("the variable `{}` is declared twice", name.text);
            return Err(Diagnostic::at(Code::DefinedTwice, name.span, message)
                .label(self.places[first], "here first")
                .help("rename one of them, or take it away"));
        }
        self.variables.insert(variable.name.clone(), at);
        self.states.push(variable.states.iter().cloned().zip(0..).collect());
        self.network.variables.push(variable);
        self.places.push(name.span);
        Ok(())
    }

    /// `discrete [ 2 ] { no, yes };`
    fn states(&mut self, of: &Word) -> Result<Vec<String>, Diagnostic> {
        let word = self.scanner.word()?;
        if !word.text.eq_ignore_ascii_case("discrete") {
            let message = format!("`{}` has the type `{}`, and only discrete variables are read", of.text, word.text);
            return Err(
                Diagnostic::at(Code::NotSupported, word.span, message).help("cut its values into finitely many states")
            );
        }
        let mut count = None;
        if self.scanner.take(b'[')? {
            let word = self.scanner.word()?;
            let stated = word.text.parse::<usize>().ok();
            let Some(stated) = stated else {
                self.scanner.go(word.span.start as usize);
                return Err(self.scanner.wanted("the number of states"));
            };
            count = Some((stated, word.span));
            self.scanner.expect(b']', " after the number of states")?;
        }
        self.scanner.expect(b'{', " before the states")?;
        let mut list: Vec<(String, Span, bool)> = Vec::new();
        while !self.scanner.take(b'}')? {
            let quoted = self.scanner.peek()? == Some(b'"');
            let state = self.scanner.name(b",}", "a state's name")?;
            list.push((state.text.into_owned(), state.span, quoted));
            self.scanner.take(b',')?;
        }
        self.scanner.take(b';')?;
        if let Some((stated, place)) = count.filter(|(stated, _)| *stated != list.len()) {
            // Files that split by blanks alone are real; the count tells that this is one.
            let words: Vec<(String, Span, bool)> = list
                .iter()
                .flat_map(|(text, span, quoted)| match quoted {
                    true => vec![(text.clone(), *span, true)],
                    false => text.split_whitespace().map(|w| (w.to_string(), *span, false)).collect(),
                })
                .collect();
            if words.len() != stated {
                let message = format!("`{}` is said to have {stated} states, and {} are named", of.text, list.len());
                return Err(Diagnostic::at(Code::BodyLength, place, message).help("correct the number or the list"));
            }
            list = words;
        }
        let mut seen = HashMap::new();
        for (state, span, _) in &list {
            if let Some(first) = seen.insert(state.as_str(), *span) {
                let message = format!("`{}` has the state `{state}` twice", of.text);
                return Err(Diagnostic::at(Code::DefinedTwice, *span, message)
                    .label(first, "here first")
                    .help("give each state a name of its own"));
            }
        }
        Ok(list.into_iter().map(|(state, ..)| state).collect())
    }

    /// `( child | parents ) { .. }`
    fn probability(&mut self) -> Result<(), Diagnostic> {
        let (child, parents, place) = self.head()?;
        let card = self.network.variables[child].states.len();
        let rows = self.room.table(self.cards(&parents), place)?;
        let cells = self.room.table(self.cards(&parents).into_iter().chain([card]), place)?;
        let mut table = Table { values: Vec::new(), filled: Vec::new(), default: None, whole: false };
        let mut properties = Vec::new();
        self.scanner.expect(b'{', " before the probabilities")?;
        loop {
            match self.scanner.peek()? {
                Some(b'}') => {
                    self.scanner.take(b'}')?;
                    break;
                }
                Some(b'(') => {
                    let start = self.scanner.here();
                    self.scanner.take(b'(')?;
                    let row = self.row_of(&parents)?;
                    let mut values = Vec::new();
                    let count = self.scanner.numbers(card, &mut values)?;
                    self.verify_count(count, card, child, start)?;
                    if table.filled.is_empty() {
                        table.filled = vec![false; rows];
                        table.values = vec![0.0; cells];
                    }
                    if std::mem::replace(&mut table.filled[row], true) {
                        let given = row_in_words(&self.network, &parents, row);
                        return Err(Diagnostic::at(
                            Code::BadTable,
                            start,
                            format!("the row for {given} is given twice"),
                        )
                        .help("leave one of the two out"));
                    }
                    table.values[row * card..(row + 1) * card].copy_from_slice(&values);
                }
                _ => {
                    let word = self.scanner.word()?;
                    match word.text.to_ascii_lowercase().as_str() {
                        "table" if table.filled.is_empty() && !table.whole => {
                            let count = self.scanner.numbers(cells, &mut table.values)?;
                            self.verify_count(count, cells, child, word.span)?;
                            table.whole = true;
                        }
                        "default" if table.default.is_none() => {
                            let mut values = Vec::new();
                            let count = self.scanner.numbers(card, &mut values)?;
                            self.verify_count(count, card, child, word.span)?;
                            table.default = Some(values);
                        }
                        "property" => properties.push(self.scanner.line()?.to_string()),
                        _ => {
                            self.scanner.go(word.span.start as usize);
                            return Err(self
                                .scanner
                                .wanted("`table`, a row, `default` or the end of the block")
                                .help("a row reads `(yes, no) 0.9, 0.1;`, a whole table `table 0.9, 0.1;`"));
                        }
                    }
                }
            }
        }
        let mut values = self.filled(table, child, &parents, rows, place)?;
        divide_rows(&mut values, card).map_err(|(row, sum)| {
            let given = row_in_words(&self.network, &parents, row);
            let at = if given.is_empty() { String::new() } else { format!(" at {given}") };
            let name = &self.network.variables[child].name;
            Diagnostic::at(Code::BadTable, place, format!("the probabilities of `{name}`{at} sum to {sum}"))
                .help("make each row sum to one; what is off by rounding alone is divided by its sum")
        })?;
        let scope = parents.into_iter().chain([child]).collect();
        self.network.factors.push(NetFactor { scope, child: Some(child), values, properties });
        Ok(())
    }

    fn cards(&self, of: &[usize]) -> Vec<usize> {
        of.iter().map(|&v| self.network.variables[v].states.len()).collect()
    }

    /// `( child | parents )`, and where the child stands.
    fn head(&mut self) -> Result<(usize, Vec<usize>, Span), Diagnostic> {
        self.scanner.expect(b'(', " after `probability`")?;
        let mut list: Vec<usize> = Vec::new();
        let start = self.scanner.position();
        while !self.scanner.take(b')')? {
            self.scanner.skip()?;
            let place = self.scanner.position();
            let found = self.variables_here()?;
            for variable in found {
                if list.contains(&variable) {
                    let here = self.scanner.span(place, place + 1);
                    let message = format!("`{}` stands twice in this head", self.network.variables[variable].name);
                    return Err(Diagnostic::at(Code::DefinedTwice, here, message).help("name each variable once"));
                }
                list.push(variable);
            }
            let _ = self.scanner.take(b'|')? || self.scanner.take(b',')?;
        }
        let place = self.scanner.span(start, self.scanner.position() - 1);
        match list.split_first() {
            Some((&child, parents)) => Ok((child, parents.to_vec(), place)),
            None => Err(Diagnostic::at(Code::MalformedData, place, "a head without a variable")
                .help("write `probability ( rain | cloudy ) { .. }`")),
        }
    }

    /// A variable of a head, or several between blanks.
    fn variables_here(&mut self) -> Result<Vec<usize>, Diagnostic> {
        let start = self.scanner.position();
        let quoted = self.scanner.peek()? == Some(b'"');
        let word = self.scanner.name(b"|,)", "a variable's name")?;
        if let Some(&variable) = self.variables.get(&*word.text) {
            return Ok(vec![variable]);
        }
        if !quoted {
            let words: Option<Vec<usize>> =
                word.text.split_whitespace().map(|w| self.variables.get(w).copied()).collect();
            if let Some(found) = words {
                return Ok(found);
            }
            self.scanner.go(start);
            let names = self.network.variables.iter().map(|v| v.name.as_str());
            if let Some(found) = longest(&mut self.scanner, names, b"|,)")? {
                return Ok(vec![found]);
            }
        }
        let names = self.network.variables.iter().map(|v| v.name.as_str());
        let error = Diagnostic::at(Code::UnknownName, word.span, format!("no variable is called `{}`", word.text));
        Err(match nearest(&word.text, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("declare it with a `variable` block"),
        })
    }

    /// The number of the row whose parents' states stand here, up to the closing bracket, which is taken.
    fn row_of(&mut self, parents: &[usize]) -> Result<usize, Diagnostic> {
        let start = self.scanner.position();
        let mut row = 0;
        for (at, &parent) in parents.iter().enumerate() {
            if at > 0 {
                self.scanner.take(b',')?;
            }
            let state = self.state_here(parent)?;
            row = row * self.network.variables[parent].states.len() + state;
        }
        if self.scanner.take(b')')? {
            return Ok(row);
        }
        let place = self.scanner.span(start - 1, self.scanner.position());
        let message = format!("this row names more states than there are parents, which are {}", parents.len());
        Err(Diagnostic::at(Code::BadTable, place, message).help("give a state for each parent, in the head's order"))
    }

    /// A state of this variable.
    fn state_here(&mut self, variable: usize) -> Result<usize, Diagnostic> {
        self.scanner.skip()?;
        let start = self.scanner.position();
        let quoted = self.scanner.peek()? == Some(b'"');
        let word = self.scanner.name(b",)", "a parent's state")?;
        if let Some(&state) = self.states[variable].get(&*word.text) {
            return Ok(state);
        }
        if !quoted {
            self.scanner.go(start);
            let names = self.network.variables[variable].states.iter().map(String::as_str);
            if let Some(found) = longest(&mut self.scanner, names, b",)")? {
                return Ok(found);
            }
            // Without commas a word is a state.
            self.scanner.go(start);
            let first = self.scanner.word()?;
            if let Some(&state) = self.states[variable].get(&*first.text) {
                return Ok(state);
            }
        }
        let declared = &self.network.variables[variable];
        let message = format!("`{}` has no state `{}`", declared.name, word.text);
        let error = Diagnostic::at(Code::UnknownLabel, word.span, message);
        Err(match nearest(&word.text, declared.states.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("its states are {}", some_of(&declared.states))),
        })
    }

    fn verify_count(&self, count: usize, wanted: usize, child: usize, place: Span) -> Result<(), Diagnostic> {
        if count == wanted {
            return Ok(());
        }
        let name = &self.network.variables[child].name;
        let message = format!("{count} numbers stand where `{name}` needs {wanted}");
        Err(Diagnostic::at(Code::BodyLength, place, message).help(
            "give one number for each state, in the order of the states; a `table` has them for all parents' states",
        ))
    }

    /// The table's cells, the child fastest.
    fn filled(
        &self,
        table: Table,
        child: usize,
        parents: &[usize],
        rows: usize,
        place: Span,
    ) -> Result<Vec<f64>, Diagnostic> {
        let card = self.network.variables[child].states.len();
        let name = &self.network.variables[child].name;
        if table.whole {
            return Ok(parents_first(table.values, card));
        }
        let missing = match table.filled.is_empty() {
            true => Some(0),
            false => table.filled.iter().position(|f| !f),
        };
        let mut values = table.values;
        match (missing, table.default) {
            (None, _) => {}
            (Some(_), Some(default)) => {
                values.resize(rows * card, 0.0);
                for (row, cells) in values.chunks_mut(card).enumerate() {
                    if !table.filled.get(row).copied().unwrap_or(false) {
                        cells.copy_from_slice(&default);
                    }
                }
            }
            (Some(row), None) => {
                let given = row_in_words(&self.network, parents, row);
                let message = match given.is_empty() || table.filled.is_empty() {
                    true => format!("`{name}` has no probabilities"),
                    false => format!("`{name}` has no row for {given}"),
                };
                return Err(Diagnostic::at(Code::BadTable, place, message)
                    .help("give a row for each joint state of the parents, or a `default` row"));
            }
        }
        Ok(values)
    }
}

/// A table as it is read.
struct Table {
    values: Vec<f64>,
    /// Which rows were given, where any were.
    filled: Vec<bool>,
    /// What stands for all other rows.
    default: Option<Vec<f64>>,
    /// Whether the values were given all at once.
    whole: bool,
}

/// A `table` of a conditional with the parents first. The format's definition has the child slowest, and some programs write it fastest:
/// where only one of the two gives rows that sum to one, it is that one.
fn parents_first(values: Vec<f64>, card: usize) -> Vec<f64> {
    let rows = values.len() / card.max(1);
    let turned: Vec<f64> = (0..values.len()).map(|at| values[at % card * rows + at / card]).collect();
    let sums = |values: &[f64]| values.chunks(card).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-3);
    if !sums(&turned) && sums(&values) { values } else { turned }
}

/// The longest of these names that stands here and is followed by one of these marks: for names that hold such marks themselves.
fn longest<'n>(
    scanner: &mut Scanner,
    names: impl Iterator<Item = &'n str>,
    ends: &[u8],
) -> Result<Option<usize>, Diagnostic> {
    scanner.skip()?;
    let start = scanner.position();
    let rest = &scanner.text()[start..];
    let fits = |name: &str| {
        let after = rest.strip_prefix(name).map(str::trim_start);
        after.is_some_and(|after| after.as_bytes().first().is_some_and(|b| ends.contains(b)))
    };
    let found = names.enumerate().filter(|(_, name)| fits(name)).max_by_key(|(_, name)| name.len());
    if let Some((_, name)) = found {
        scanner.go(start + name.len());
    }
    Ok(found.map(|(at, _)| at))
}

fn some_of(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(12).map(|n| format!("`{n}`")).collect();
    let more = if names.len() > 12 { " and others" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::parents_first;

    #[test]
    fn a_whole_table_is_read_the_way_that_sums_to_one() {
        // Two states of the child, two of its parent: the definition's order, and the other.
        assert_eq!(parents_first(vec![0.6, 0.05, 0.4, 0.95], 2), [0.6, 0.4, 0.05, 0.95]);
        assert_eq!(parents_first(vec![0.6, 0.4, 0.05, 0.95], 2), [0.6, 0.4, 0.05, 0.95]);
    }
}
