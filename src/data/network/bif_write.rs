//! BIF, written: numbers in the fewest digits that read back as the same double, names in quotes where a bare word would be read otherwise.

use std::fmt::Write;

use super::bif::NAMELESS;
use crate::base::places::unravel;
use crate::model::{NetFactor, Network};

/// The text of a directed network.
pub(super) fn write(network: &Network) -> String {
    let mut out = String::new();
    let title = if network.name.is_empty() { NAMELESS.to_string() } else { name(&network.name) };
    let _ = writeln!(out, "network {title} {{");
    properties(&mut out, &network.properties);
    out.push_str("}\n");
    for variable in &network.variables {
        let states: Vec<String> = variable.states.iter().map(|s| name(s)).collect();
        let _ = writeln!(out, "variable {} {{", name(&variable.name));
        let _ = writeln!(out, "  type discrete [ {} ] {{ {} }};", states.len(), states.join(", "));
        properties(&mut out, &variable.properties);
        out.push_str("}\n");
    }
    for factor in &network.factors {
        block(&mut out, network, factor);
    }
    out
}

fn block(out: &mut String, network: &Network, factor: &NetFactor) {
    let Some((&child, parents)) = factor.scope.split_last() else { return };
    let child = &network.variables[child];
    let given: Vec<String> = parents.iter().map(|&p| name(&network.variables[p].name)).collect();
    let bar = if given.is_empty() { "" } else { " | " };
    let _ = writeln!(out, "probability ( {}{bar}{} ) {{", name(&child.name), given.join(", "));
    let states: Vec<Vec<String>> =
        parents.iter().map(|&p| network.variables[p].states.iter().map(|s| name(s)).collect()).collect();
    let cards: Vec<usize> = states.iter().map(Vec::len).collect();
    for (row, values) in factor.values.chunks(child.states.len().max(1)).enumerate() {
        let values: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
        let words: Vec<&str> =
            unravel(row, &cards).into_iter().zip(&states).map(|(state, names)| names[state].as_str()).collect();
        let _ = match words.is_empty() {
            true => writeln!(out, "  table {};", values.join(", ")),
            false => writeln!(out, "  ({}) {};", words.join(", "), values.join(", ")),
        };
    }
    properties(out, &factor.properties);
    out.push_str("}\n");
}

fn properties(out: &mut String, list: &[String]) {
    for property in list {
        let _ = writeln!(out, "  property {};", line(property));
    }
}

/// A property that ends where its line ends: one that could end sooner is quoted.
fn line(property: &str) -> String {
    let mut quoted = false;
    let mut ends = false;
    for byte in property.bytes() {
        quoted ^= byte == b'"';
        ends |= byte == b';' && !quoted;
    }
    match quoted || ends {
        true => format!("\"{}\"", property.replace('"', "'")),
        false => property.to_string(),
    }
}

/// A name as a word, or in quotes.
fn name(name: &str) -> String {
    let marked = |c: char| c.is_whitespace() || "{}[]()|,;\"\u{feff}".contains(c);
    match name.is_empty() || name == NAMELESS || name.contains(marked) || name.contains("//") || name.contains("/*") {
        true => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
        false => name.to_string(),
    }
}
