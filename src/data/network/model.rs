//! A network as the text of a `.ghm` model: an enumeration for each list of states, a `table(..)` for each conditional, a `factor` for each
//! table of a network without directions.
//!
//! In: a network. Out: text that checks. Names that the language cannot hold are changed, and a comment tells the name in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::base::span::Sources;
use crate::diag::Problems;
use crate::model::{NetFactor, Network};
use crate::syntax;

/// What is made of a network's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TablesAs {
    /// Numbers that stand in the text.
    Numbers,
    /// Parameters to be learned; the numbers are left out. Tables without a variable that they are of stay numbers.
    Parameters,
}

/// The text of a model of that name.
pub fn to_model(network: &Network, name: &str, tables: TablesAs) -> String {
    let mut names = Names::default();
    let model = names.legal(name, "net");
    let variables: Vec<String> = network.variables.iter().map(|v| names.fresh(&v.name)).collect();
    let mut out = String::new();
    let kind = if network.directed { "Bayesian" } else { "Markov" };
    let known = if network.name.is_empty() { name } else { &network.name };
    let _ = writeln!(out, "# The {kind} network `{}`: {} variables.", line(known), variables.len());
    network.properties.iter().for_each(|p| {
        let _ = writeln!(out, "# {}", line(p));
    });
    out.push('\n');

    // Variables with the same states share their enumeration.
    let mut axes: BTreeMap<&[String], usize> = BTreeMap::new();
    let mut enumerations: Vec<(String, Vec<String>)> = Vec::new();
    let mut of: Vec<usize> = Vec::new();
    for (variable, own) in network.variables.iter().zip(&variables) {
        let at = *axes.entry(&variable.states).or_insert_with(|| {
            let axis = names.axis(own);
            let labels = names.labels(&variable.states);
            let changed = variable.states.iter().zip(&labels).find(|(s, l)| l.trim_matches('"') != s.as_str());
            let note = changed.map(|(s, l)| format!("  # {l} is `{}`", line(s))).unwrap_or_default();
            let _ = writeln!(out, "axis {axis} = {}{note}", labels.join(", "));
            enumerations.push((axis, labels));
            enumerations.len() - 1
        });
        of.push(at);
    }
    let labels: Vec<&[String]> = of.iter().map(|&at| enumerations[at].1.as_slice()).collect();
    let axes: Vec<&str> = of.iter().map(|&at| enumerations[at].0.as_str()).collect();
    let learned = match tables {
        TablesAs::Numbers => BTreeMap::new(),
        TablesAs::Parameters => learned(network, &variables, &axes, &mut names, &mut out),
    };

    let _ = writeln!(out, "\nmodel {model} {{");
    let named = |v: usize| match variables[v] == network.variables[v].name {
        true => String::new(),
        false => format!("  # `{}` in the file", line(&network.variables[v].name)),
    };
    if !network.directed {
        for (at, variable) in variables.iter().enumerate() {
            let _ = writeln!(out, "  var {variable}: {}{}", enumerations[of[at]].0, named(at));
        }
    }
    for (text, _) in learned.values() {
        let _ = writeln!(out, "  param {text}");
    }
    for (at, factor) in network.factors.iter().enumerate() {
        let given: Vec<usize> = match factor.child {
            Some(child) => factor.scope.iter().copied().filter(|v| *v != child).collect(),
            None => factor.scope.clone(),
        };
        let width = factor.child.map_or(1, |c| labels[c].len()).max(1);
        let value = |row: &[f64]| match factor.child {
            Some(_) => format!("[{}]", row.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(", ")),
            None => row.iter().map(|v| format!("{v:?}")).collect(),
        };
        let selecting: Vec<&str> = given.iter().map(|&v| variables[v].as_str()).collect();
        let rows = rows(factor, width, &given, &labels, &value);
        let table = match given.is_empty() {
            _ if learned.contains_key(&at) => match given.is_empty() {
                true => learned[&at].1.clone(),
                false => format!("{}[{}]", learned[&at].1, selecting.join(", ")),
            },
            true => value(&factor.values),
            false => format!("table({}) {{\n{rows}  }}", selecting.join(", ")),
        };
        let _ = match factor.child {
            Some(child) => {
                if !named(child).is_empty() {
                    let _ = writeln!(out, "{}", named(child));
                }
                writeln!(out, "  {}: {} ~ Categorical({table})", variables[child], enumerations[of[child]].0)
            }
            None => writeln!(out, "  factor log({table})"),
        };
    }
    // A variable that no table speaks of is free to be anything, and the language asks for that to be said.
    let mut untouched: BTreeSet<usize> = (0..variables.len()).collect();
    network.factors.iter().flat_map(|f| &f.scope).for_each(|v| {
        untouched.remove(v);
    });
    for v in untouched {
        let rows: String = labels[v].iter().map(|l| format!("    {l} -> 1\n")).collect();
        let _ = writeln!(out, "  factor log(table({}) {{\n{rows}  }})", variables[v]);
    }
    out.push_str("}\n");
    out
}

/// The parameters that stand for conditionals, by the factor's place: how each is declared, and its name. Another name for an axis is
/// written out where two variables of one table share their states.
fn learned(
    network: &Network,
    variables: &[String],
    axes: &[&str],
    names: &mut Names,
    out: &mut String,
) -> BTreeMap<usize, (String, String)> {
    let mut again: BTreeMap<(&str, usize), String> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for (at, factor) in network.factors.iter().enumerate() {
        let Some(child) = factor.child else { continue };
        let mut used: BTreeMap<&str, usize> = BTreeMap::from([(axes[child], 1)]);
        let mut along = Vec::new();
        for &parent in factor.scope.iter().filter(|v| **v != child) {
            let count = used.entry(axes[parent]).or_default();
            *count += 1;
            along.push(match *count {
                1 => axes[parent].to_string(),
                n => again
                    .entry((axes[parent], n))
                    .or_insert_with(|| {
                        let other = names.distinct(format!("{}{n}", axes[parent]));
                        let _ = writeln!(out, "axis {other} = {}", axes[parent]);
                        other
                    })
                    .clone(),
            });
        }
        let name = names.distinct(format!("p_{}", variables[child]));
        let along = if along.is_empty() { String::new() } else { format!("[{}]", along.join(", ")) };
        found.insert(at, (format!("{name}{along}: Simplex[{}]", axes[child]), name));
    }
    found
}

fn rows(
    factor: &NetFactor,
    width: usize,
    given: &[usize],
    labels: &[&[String]],
    value: &dyn Fn(&[f64]) -> String,
) -> String {
    let mut out = String::new();
    for (at, row) in factor.values.chunks(width).enumerate() {
        let mut rest = at;
        let mut words: Vec<&str> = Vec::new();
        for &v in given.iter().rev() {
            words.push(&labels[v][rest % labels[v].len()]);
            rest /= labels[v].len();
        }
        words.reverse();
        let _ = writeln!(out, "    {} -> {}", words.join(", "), value(row));
    }
    out
}

/// Text for a comment.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Names already given, and those that the language can hold.
#[derive(Default)]
struct Names {
    taken: BTreeSet<String>,
    legal: BTreeMap<String, bool>,
}

impl Names {
    /// Whether the language takes this as a name.
    fn is_legal(&mut self, name: &str) -> bool {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(letters) {
            return false;
        }
        if let Some(&known) = self.legal.get(name) {
            return known;
        }
        let (mut sources, mut problems) = (Sources::default(), Problems::new());
        let file = sources.add("name", format!("axis A = {name}, a_"));
        syntax::parse(&sources, file, &mut problems);
        self.legal.insert(name.to_string(), !problems.has_errors());
        !problems.has_errors()
    }

    /// The name, or the nearest that the language takes.
    fn legal(&mut self, name: &str, otherwise: &str) -> String {
        if self.is_legal(name) {
            return name.to_string();
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut text: String = name.chars().take(80).map(plain).collect();
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            text = format!("{otherwise}_{}", text.trim_start_matches('_'));
        }
        if !self.is_legal(&text) {
            text.push('_');
        }
        text
    }

    /// A name that no other variable has.
    fn fresh(&mut self, name: &str) -> String {
        let name = self.legal(name, "v");
        self.distinct(name)
    }

    /// An enumeration's name, from that of a variable that has its states.
    fn axis(&mut self, variable: &str) -> String {
        let mut letters = variable.chars();
        let first: String = letters.next().map(|c| c.to_ascii_uppercase()).into_iter().collect();
        self.distinct(format!("{first}{}States", letters.as_str()))
    }

    fn distinct(&mut self, name: String) -> String {
        let mut own = name.clone();
        let mut count = 2;
        while !self.taken.insert(own.clone()) {
            own = format!("{name}_{count}");
            count += 1;
        }
        own
    }

    /// States as labels: words, or texts in quotes, which hold all but quotes and line ends.
    fn labels(&mut self, states: &[String]) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        for state in states {
            let plain: String = state.chars().map(|c| if c == '"' { '\'' } else { c }).collect();
            let plain = match plain.contains('\n') || plain.is_empty() {
                true => format!("{} ", line(&plain)),
                false => plain,
            };
            let mut own = plain.clone();
            while !seen.insert(own.clone()) {
                own.push('\'');
            }
            // A single word would be another axis, so a single state stands in quotes.
            list.push(if states.len() > 1 && self.is_legal(&own) { own } else { format!("\"{own}\"") });
        }
        list
    }
}
