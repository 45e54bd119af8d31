//! XMLBIF 0.3: Bayesian networks as XML. A table has the parents in the order of their `GIVEN`s, the child fastest.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

use roxmltree::{Document, Node, ParsingOptions};

use super::scan::{Word, not_a_number, number};
use super::shape::{Room, divide_rows, row_in_words, verify_directed};
use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::{NetFactor, NetVariable, Network};

/// Elements and texts that a file may have.
const MOST_NODES: u32 = 1 << 22;

/// Reads a network.
///
/// # Errors
/// E0715 and the like, at the place of the first thing that is wrong.
pub(super) fn read(text: &str, file: FileId) -> Result<Network, Diagnostic> {
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let place = offset(text, error.pos());
        let span = Span { file, start: place as u32, end: place as u32 };
        Diagnostic::at(Code::MalformedData, span, format!("this is not XML: {error}"))
            .help("write the file again with the program that it comes from")
    })?;
    let reader = Reader { file, bytes: text.len() };
    reader.network(&document)
}

/// The byte at a line and column, both from 1, columns in characters.
fn offset(text: &str, at: roxmltree::TextPos) -> usize {
    let line = text.split_inclusive('\n').nth(at.row.saturating_sub(1) as usize).unwrap_or("");
    let before: usize = text.split_inclusive('\n').take(at.row.saturating_sub(1) as usize).map(str::len).sum();
    before + line.char_indices().nth(at.col.saturating_sub(1) as usize).map_or(line.len(), |(at, _)| at)
}

struct Reader {
    file: FileId,
    bytes: usize,
}

impl Reader {
    fn span(&self, range: Range<usize>) -> Span {
        Span { file: self.file, start: range.start as u32, end: range.end as u32 }
    }

    /// The place of an element's opening mark, which is short where its content may be long.
    fn place(&self, node: Node) -> Span {
        let range = node.range();
        self.span(range.start..(range.start + 1 + node.tag_name().name().len()).min(range.end))
    }

    fn network(&self, document: &Document) -> Result<Network, Diagnostic> {
        let root = document.root_element();
        let wrong = |node: Node, message: &str, help: &str| {
            Diagnostic::at(Code::MalformedData, self.place(node), message).help(help)
        };
        let inner = match named(root, "BIF") {
            true => root.children().find(|n| named(*n, "NETWORK")),
            false => Some(root).filter(|n| named(*n, "NETWORK")),
        };
        let Some(inner) = inner else {
            return Err(wrong(
                root,
                "an XML file without a network",
                "an XMLBIF file holds `<BIF><NETWORK> .. </NETWORK></BIF>`",
            ));
        };
        let mut network = Network { directed: true, name: text_of(inner, "NAME"), ..Network::default() };
        network.properties = properties(inner);
        let mut variables: HashMap<String, usize> = HashMap::new();
        let mut places = Vec::new();
        for node in inner.children().filter(|n| named(*n, "VARIABLE")) {
            let variable = self.variable(node)?;
            if let Some(&first) = variables.get(&variable.name) {
                let message = format!("the variable `{}` is declared twice", variable.name);
                return Err(Diagnostic::at(Code::DefinedTwice, self.place(node), message)
                    .label(places[first], "here first")
                    .help("rename one of them, or take it away"));
            }
            variables.insert(variable.name.clone(), network.variables.len());
            network.variables.push(variable);
            places.push(self.place(node));
        }
        if network.variables.is_empty() {
            return Err(Diagnostic::at(Code::EmptyData, self.place(inner), "a network without variables")
                .help("declare them with `VARIABLE` elements"));
        }
        let mut room = Room::of_text(self.bytes);
        for node in inner.children().filter(|n| named(*n, "DEFINITION") || named(*n, "PROBABILITY")) {
            let factor = self.definition(node, &network, &variables, &mut room)?;
            network.factors.push(factor);
        }
        verify_directed(&network, &|v| places[v])?;
        Ok(network)
    }

    fn variable(&self, node: Node) -> Result<NetVariable, Diagnostic> {
        let name = text_of(node, "NAME");
        let kind = node.attributes().find(|a| a.name().eq_ignore_ascii_case("TYPE")).map_or("nature", |a| a.value());
        if !kind.eq_ignore_ascii_case("nature") && !kind.eq_ignore_ascii_case("discrete") {
            let message = format!("`{name}` is of the type `{kind}`, and only variables of nature are read");
            return Err(Diagnostic::at(Code::NotSupported, self.place(node), message)
                .help("take decisions and utilities out of the network"));
        }
        let mut states: Vec<String> = Vec::new();
        let mut seen = HashMap::new();
        for state in node.children().filter(|n| named(*n, "OUTCOME") || named(*n, "VALUE")) {
            let text = content(state);
            if seen.insert(text.clone(), ()).is_some() {
                let message = format!("`{name}` has the state `{text}` twice");
                return Err(Diagnostic::at(Code::DefinedTwice, self.place(state), message)
                    .help("give each state a name of its own"));
            }
            states.push(text);
        }
        if name.is_empty() || states.is_empty() {
            let lacks = if name.is_empty() { "`NAME`" } else { "`OUTCOME`" };
            return Err(Diagnostic::at(
                Code::MissingDomain,
                self.place(node),
                format!("a variable without its {lacks}"),
            )
            .help("a variable has a `NAME` and an `OUTCOME` for each state"));
        }
        Ok(NetVariable { name, states, properties: properties(node) })
    }

    fn definition(
        &self,
        node: Node,
        network: &Network,
        variables: &HashMap<String, usize>,
        room: &mut Room,
    ) -> Result<NetFactor, Diagnostic> {
        let find = |node: Node| {
            let name = content(node);
            variables.get(&name).copied().ok_or_else(|| {
                let error =
                    Diagnostic::at(Code::UnknownName, self.place(node), format!("no variable is called `{name}`"));
                match nearest(&name, network.variables.iter().map(|v| v.name.as_str())) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("declare it with a `VARIABLE` element"),
                }
            })
        };
        let children: Vec<usize> = node.children().filter(|n| named(*n, "FOR")).map(find).collect::<Result<_, _>>()?;
        let [child] = children[..] else {
            let message = format!("a table for {} variables", children.len());
            return Err(Diagnostic::at(Code::MalformedData, self.place(node), message)
                .help("a table is for one variable, which its `FOR` names"));
        };
        let mut scope: Vec<usize> = Vec::new();
        for given in node.children().filter(|n| named(*n, "GIVEN")) {
            let parent = find(given)?;
            if parent == child || scope.contains(&parent) {
                let message = format!("`{}` stands twice in this table", network.variables[parent].name);
                return Err(
                    Diagnostic::at(Code::DefinedTwice, self.place(given), message).help("name each variable once")
                );
            }
            scope.push(parent);
        }
        let parents = scope.clone();
        scope.push(child);
        let cells = room.table(scope.iter().map(|&v| network.variables[v].states.len()), self.place(node))?;
        let name = &network.variables[child].name;
        let mut values: Vec<f64> = Vec::new();
        let mut count = 0usize;
        let tables: Vec<Node> = node.children().filter(|n| named(*n, "TABLE")).collect();
        for text in tables.iter().flat_map(|t| t.children()).filter(|n| n.is_text()) {
            let (range, text) = (text.range(), text.text().unwrap_or(""));
            for word in text.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty()) {
                let Some(value) = number(word) else {
                    // Places agree with the text as long as nothing in it was written as an entity.
                    let at = word.as_ptr() as usize - text.as_ptr() as usize;
                    let place = match range.len() == text.len() {
                        true => self.span(range.start + at..range.start + at + word.len()),
                        false => self.span(range.start..range.start),
                    };
                    return Err(not_a_number(&Word { text: word.into(), span: place }));
                };
                count += 1;
                if count <= cells {
                    values.push(value);
                }
            }
        }
        if count != cells {
            let message = format!("{count} numbers stand where the table of `{name}` needs {cells}");
            return Err(Diagnostic::at(Code::BodyLength, self.place(*tables.first().unwrap_or(&node)), message)
                .help("give one for each joint state, the variable's own fastest, the first `GIVEN` slowest"));
        }
        divide_rows(&mut values, network.variables[child].states.len()).map_err(|(row, sum)| {
            let given = row_in_words(network, &parents, row);
            let at = if given.is_empty() { String::new() } else { format!(" at {given}") };
            Diagnostic::at(Code::BadTable, self.place(node), format!("the probabilities of `{name}`{at} sum to {sum}"))
                .help("make each row sum to one; what is off by rounding alone is divided by its sum")
        })?;
        Ok(NetFactor { scope, child: Some(child), values, properties: properties(node) })
    }
}

fn named(node: Node, name: &str) -> bool {
    node.is_element() && node.tag_name().name().eq_ignore_ascii_case(name)
}

/// The text of an element, comments left out, blanks around it too.
fn content(node: Node) -> String {
    let text: String = node.children().filter(|n| n.is_text()).filter_map(|n| n.text()).collect();
    text.trim().to_string()
}

fn text_of(node: Node, name: &str) -> String {
    node.children().find(|n| named(*n, name)).map(content).unwrap_or_default()
}

fn properties(node: Node) -> Vec<String> {
    node.children().filter(|n| named(*n, "PROPERTY")).map(content).collect()
}

/// The text of a directed network.
pub(super) fn write(network: &Network) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BIF VERSION=\"0.3\">\n<NETWORK>\n");
    let element = |out: &mut String, indent: &str, tag: &str, text: &str| {
        let _ = writeln!(out, "{indent}<{tag}>{}</{tag}>", escaped(text));
    };
    element(&mut out, "", "NAME", &network.name);
    network.properties.iter().for_each(|p| element(&mut out, "", "PROPERTY", p));
    for variable in &network.variables {
        out.push_str("<VARIABLE TYPE=\"nature\">\n");
        element(&mut out, "  ", "NAME", &variable.name);
        variable.states.iter().for_each(|s| element(&mut out, "  ", "OUTCOME", s));
        variable.properties.iter().for_each(|p| element(&mut out, "  ", "PROPERTY", p));
        out.push_str("</VARIABLE>\n");
    }
    for factor in &network.factors {
        let Some((&child, parents)) = factor.scope.split_last() else { continue };
        out.push_str("<DEFINITION>\n");
        element(&mut out, "  ", "FOR", &network.variables[child].name);
        parents.iter().for_each(|&p| element(&mut out, "  ", "GIVEN", &network.variables[p].name));
        out.push_str("  <TABLE>\n");
        for row in factor.values.chunks(network.variables[child].states.len().max(1)) {
            let row: Vec<String> = row.iter().map(|v| format!("{v:?}")).collect();
            let _ = writeln!(out, "    {}", row.join(" "));
        }
        out.push_str("  </TABLE>\n");
        factor.properties.iter().for_each(|p| element(&mut out, "  ", "PROPERTY", p));
        out.push_str("</DEFINITION>\n");
    }
    out.push_str("</NETWORK>\n</BIF>\n");
    out
}

/// Text as XML holds it; what XML cannot hold at all becomes the mark of a lost character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
