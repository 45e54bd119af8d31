//! The editors' grammar against the compiler's: every keyword that the real grammar reads as one is coloured as one, and nothing else is;
//! comments, texts and numbers likewise; on every program of the repository. A small reader of TextMate grammars does the colouring, line by
//! line, as an editor does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fancy_regex::Regex;
use pest::Parser;
use pest::iterators::Pair;
use serde_json::Value;

use super::house::{files, relative, root};

/// The compiler's grammar, compiled once more: the library keeps its own to itself.
mod real {
    #![allow(missing_docs)]

    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/ghm.pest"]
    pub struct Reader;
}
use real::{Reader, Rule as Real};

const GRAMMAR: &str = "editors/vscode/syntaxes/ghm.tmLanguage.json";

/// Words that the editor knows before the compiler's grammar reserves them.
/// Programs that use the words that no file of the repository happens to use.
const REST: &str = "use \"net.bif\" as net_of_asia
data d = dataset(\"digits\") { x: Bool[Pixel] = soft(image); y: Digit = label }
require exact y of m
compare both = P(y | x = 1) of m by gibbs(10), mean_field times 3
query one = P(y | row 17)
report both, one
train m on d.train { maximise loglik with adam(over = 0.5, prior = 2); patience 3 on d.test }
";

struct Rule {
    name: String,
    begin: Regex,
    captures: BTreeMap<usize, String>,
    /// What ends it, the scopes of the end, and the rules inside; none for a rule of one match.
    region: Option<(Regex, BTreeMap<usize, String>, Vec<String>)>,
}

/// A TextMate grammar: rules by the name of their group.
struct Grammar {
    groups: BTreeMap<String, Vec<Entry>>,
}

enum Entry {
    Rule(Box<Rule>),
    Include(String),
}

/// Where an expression was found, the whole first, then its groups; a group that took no part is empty.
type Hit = Vec<(usize, usize)>;

fn hit(regex: &Regex, line: &str, at: usize) -> Option<Hit> {
    let found = regex.captures_from_pos(line, at).expect("a search")?;
    Some((0..found.len()).map(|group| found.get(group).map_or((0, 0), |part| (part.start(), part.end()))).collect())
}

fn captures(value: &Value) -> BTreeMap<usize, String> {
    let named = |(key, one): (&String, &Value)| {
        (key.parse().expect("a number"), one["name"].as_str().expect("a scope").to_string())
    };
    value.as_object().map(|map| map.iter().map(named).collect()).unwrap_or_default()
}

impl Grammar {
    fn read(text: &str) -> Grammar {
        let json: Value = serde_json::from_str(text).expect("JSON");
        let mut grammar = Grammar { groups: BTreeMap::new() };
        grammar.add("$self", &json["patterns"]);
        for (name, group) in json["repository"].as_object().expect("a repository") {
            match group.get("patterns").filter(|_| group.get("begin").is_none()) {
                Some(list) => grammar.add(&format!("#{name}"), list),
                None => grammar.add(&format!("#{name}"), &Value::Array(vec![group.clone()])),
            }
        }
        grammar
    }

    fn add(&mut self, group: &str, list: &Value) {
        let mut entries = Vec::new();
        for (at, pattern) in list.as_array().expect("a list of patterns").iter().enumerate() {
            let regex = |key: &str| pattern[key].as_str().map(|text| Regex::new(text).expect(text));
            if let Some(include) = pattern["include"].as_str() {
                entries.push(Entry::Include(include.to_string()));
                continue;
            }
            let name = pattern["name"].as_str().unwrap_or_default().to_string();
            let rule = match regex("match") {
                Some(begin) => Rule { name, begin, captures: captures(&pattern["captures"]), region: None },
                None => {
                    let inner = format!("{group}/{at}");
                    if pattern["patterns"].is_array() {
                        self.add(&inner, &pattern["patterns"]);
                    } else {
                        self.groups.insert(inner.clone(), Vec::new());
                    }
                    let end = (regex("end").expect("an end"), captures(&pattern["endCaptures"]), vec![inner]);
                    let begin = regex("begin").expect("a beginning");
                    Rule { name, begin, captures: captures(&pattern["beginCaptures"]), region: Some(end) }
                }
            };
            entries.push(Entry::Rule(Box::new(rule)));
        }
        self.groups.insert(group.to_string(), entries);
    }

    /// The rules of a group, includes followed, in order.
    fn rules<'a>(&'a self, group: &str, out: &mut Vec<&'a Rule>) {
        for entry in self.groups.get(group).unwrap_or_else(|| panic!("no group {group}")) {
            match entry {
                Entry::Rule(rule) => out.push(rule),
                Entry::Include(name) => self.rules(name, out),
            }
        }
    }

    /// The innermost scope of every byte.
    fn colour(&self, text: &str) -> Vec<String> {
        let mut scopes = vec![String::new(); text.len()];
        let mut open: Vec<&Rule> = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            self.colour_line(line.trim_end_matches('\n'), &mut open, &mut scopes[start..start + line.len()]);
            start += line.len();
        }
        assert!(open.is_empty(), "a region is still open at the end");
        scopes
    }

    fn colour_line<'a>(&'a self, line: &str, open: &mut Vec<&'a Rule>, scopes: &mut [String]) {
        let mut at = 0;
        // A region that ends with its line ends there however long it is.
        for _ in 0..=2 * line.len() + 4 {
            let mut rules = Vec::new();
            let region = open.last().and_then(|rule| rule.region.as_ref());
            self.rules(region.map_or("$self", |r| r.2[0].as_str()), &mut rules);
            let end = region.and_then(|(end, ..)| hit(end, line, at));
            let best = rules.iter().filter_map(|&rule| Some((hit(&rule.begin, line, at)?, rule)));
            let best = best.min_by_key(|(hit, _)| hit[0].0);
            let outer = open.last().map_or("", |rule| rule.name.as_str());
            let until = |to: usize, scopes: &mut [String]| scopes[at..to].fill(outer.to_string());
            let paint = |hit: &Hit, name: &str, parts: &BTreeMap<usize, String>, scopes: &mut [String]| {
                scopes[hit[0].0..hit[0].1].fill(name.to_string());
                for (group, scope) in parts {
                    scopes[hit[*group].0..hit[*group].1].fill(scope.clone());
                }
            };
            match (end, best) {
                (Some(end), best) if best.as_ref().is_none_or(|(hit, _)| end[0].0 <= hit[0].0) => {
                    until(end[0].0, scopes);
                    let rule = open.pop().expect("a region");
                    paint(&end, &rule.name, &rule.region.as_ref().expect("its end").1, scopes);
                    at = end[0].1;
                }
                (_, Some((hit, rule))) => {
                    until(hit[0].0, scopes);
                    paint(&hit, &rule.name, &rule.captures, scopes);
                    at = hit[0].1;
                    if rule.region.is_some() {
                        open.push(rule);
                    }
                }
                _ => {
                    until(line.len(), scopes);
                    return;
                }
            }
        }
        panic!("no end on the line `{line}`");
    }
}

fn grammar() -> Grammar {
    Grammar::read(&fs::read_to_string(root().join(GRAMMAR)).expect("the editors' grammar"))
}

/// What the real grammar finds at the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leaf {
    Keyword,
    Name,
    Number,
    Text,
    Comment,
}

fn leaves(pair: Pair<'_, Real>, out: &mut Vec<(Leaf, usize, usize)>) {
    let span = (pair.as_span().start(), pair.as_span().end());
    let rule = pair.as_rule();
    let found = match rule {
        Real::number => Some(Leaf::Number),
        Real::string => Some(Leaf::Text),
        Real::name | Real::word | Real::dotted | Real::path => Some(Leaf::Name),
        // The word is used as a name there: `log(guide(y | x))`, `sample(nature, 60)`.
        Real::reference if pair.clone().into_inner().all(|p| p.as_rule() != Real::path) => Some(Leaf::Name),
        other if format!("{other:?}").starts_with("k_") => Some(Leaf::Keyword),
        _ => None,
    };
    match found {
        Some(leaf) => out.push((leaf, span.0, span.1)),
        None => pair.into_inner().for_each(|inner| leaves(inner, out)),
    }
}

/// The tokens of a program as the compiler reads them.
fn read(path: &str, text: &str) -> Vec<(Leaf, usize, usize)> {
    let file = Reader::parse(Real::file, text).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut out = Vec::new();
    file.for_each(|pair| leaves(pair, &mut out));
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let sign = line.match_indices('#').map(|(i, _)| at + i);
        let mut free = sign.filter(|i| !out.iter().any(|(leaf, from, to)| *leaf == Leaf::Text && from < i && i < to));
        if let Some(from) = free.next() {
            out.push((Leaf::Comment, from, at + line.trim_end().len()));
        }
        at += line.len();
    }
    out
}

fn programs() -> Vec<(String, String)> {
    let folders = ["models", "tests/programs", "tests/it/syntax/sketches", "tests/it/sema/ok", "stdlib"];
    let there = folders.map(|folder| root().join(folder)).into_iter().filter(|folder| folder.is_dir());
    let paths = there.flat_map(|f| files(&f)).filter(|p| p.extension().is_some_and(|e| e == "ghm"));
    let mut list: Vec<_> = paths.map(|p| (relative(&p), fs::read_to_string(&p).expect("a readable program"))).collect();
    list.push(("the rest".to_string(), REST.to_string()));
    list
}

/// What is coloured wrongly in a program.
fn complaints(grammar: &Grammar, path: &str, text: &str) -> Vec<String> {
    let scopes = grammar.colour(text);
    let mut found = Vec::new();
    for (leaf, from, to) in read(path, text) {
        let fits = |scope: &String| {
            let word = scope.starts_with("keyword.");
            match leaf {
                Leaf::Keyword => word,
                Leaf::Name => {
                    ["entity.", "variable.", "support.", "constant."].iter().any(|s| scope.starts_with(s))
                        && !scope.starts_with("constant.numeric")
                }
                Leaf::Number => scope.starts_with("constant.numeric."),
                Leaf::Text => scope.starts_with("string."),
                Leaf::Comment => scope.starts_with("comment.") || scope.starts_with("punctuation.definition.comment"),
            }
        };
        if let Some(scope) = scopes[from..to].iter().find(|scope| !fits(scope)) {
            let line = text[..from].matches('\n').count() + 1;
            found.push(format!("{path}:{line}: {leaf:?} `{}` is coloured as `{scope}`", &text[from..to]));
        }
    }
    found
}

#[test]
fn programs_are_coloured_as_they_are_read() {
    let grammar = grammar();
    let programs = programs();
    assert!(programs.len() > 50, "{} programs", programs.len());
    let wrong: Vec<String> = programs.iter().flat_map(|(path, text)| complaints(&grammar, path, text)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The words of the compiler's grammar: those it reserves, and those that are keywords in one place only.
fn real_words() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("grammar/ghm.pest")).expect("the grammar");
    let rules = text.lines().filter(|line| line.starts_with("k_") || line.starts_with("reserved "));
    let quoted = rules.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_string);
    quoted.filter(|word| word != "_").collect()
}

/// The words that the editors' grammar may give a keyword's scope: the letters of those expressions, their signs taken away.
fn coloured_words(value: &Value, out: &mut BTreeSet<String>) {
    let scoped = |v: &Value| v.to_string().contains("\"keyword.") && !v.to_string().contains("keyword.operator.ghm");
    for key in ["match", "begin"] {
        let Some(text) = value[key].as_str().filter(|_| scoped(value)) else { continue };
        let mut plain = String::new();
        let mut signs = text.chars();
        while let Some(sign) = signs.next() {
            match sign {
                '\\' => drop(signs.next()),
                '[' => drop(signs.find(|s| *s == ']')),
                _ => plain.push(sign),
            }
            if !plain.ends_with(|c: char| c.is_ascii_alphabetic()) || sign == '\\' || sign == '[' {
                plain.push(' ');
            }
        }
        let words = plain.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty());
        out.extend(words.map(str::to_string));
    }
    match value {
        Value::Object(map) => map.values().for_each(|v| coloured_words(v, out)),
        Value::Array(list) => list.iter().for_each(|v| coloured_words(v, out)),
        _ => {}
    }
}

#[test]
fn the_words_are_those_of_the_compiler() {
    let json = fs::read_to_string(root().join(GRAMMAR)).expect("the editors' grammar");
    let mut coloured = BTreeSet::new();
    coloured_words(&serde_json::from_str(&json).expect("JSON"), &mut coloured);
    let wanted = real_words();
    assert!(wanted.contains("maximise") && wanted.contains("patience") && wanted.len() > 40, "{wanted:?}");
    assert_eq!(coloured, wanted, "left: the editors' keywords; right: those of grammar/ghm.pest");
}

#[test]
fn every_keyword_is_met_in_some_program() {
    let mut met: BTreeSet<String> = BTreeSet::new();
    for (path, text) in programs() {
        let words = read(&path, &text).into_iter().filter(|(leaf, ..)| *leaf == Leaf::Keyword);
        met.extend(words.map(|(_, from, to)| text[from..to].to_string()));
    }
    let missing: Vec<String> = real_words().difference(&met).cloned().collect();
    assert!(missing.is_empty(), "no program uses {missing:?}: the colouring of these words is not tried");
}

#[test]
fn the_complaints_find_a_drift() {
    let text = fs::read_to_string(root().join(GRAMMAR)).expect("the editors' grammar");
    let program = "model m {\n  var x: Bool # for\n  factor 0.5 * x\n}\nquery q = P(x | x = yes)\n";
    assert_eq!(complaints(&Grammar::read(&text), "m", program), Vec::<String>::new());
    let lost = complaints(&Grammar::read(&text.replace("|factor|", "|")), "m", program);
    assert!(lost.len() == 1 && lost[0].contains("Keyword `factor`"), "{lost:?}");
    let greedy = complaints(&Grammar::read(&text.replace("(?:if|then|else)", "(?:if|then|else|x)")), "m", program);
    assert!(greedy.iter().any(|c| c.contains("Name `x` is coloured as `keyword")), "{greedy:?}");
    let mute = complaints(&Grammar::read(&text.replace("(#).*$", "(%).*$")), "m", program);
    assert!(mute.iter().any(|c| c.contains("Comment")), "{mute:?}");
}

#[test]
fn domains_are_those_of_the_compiler() {
    let text = fs::read_to_string(root().join("src/sema/axes.rs")).expect("the domains");
    let table = text.split("DOMAINS: [&str; ").nth(1).and_then(|t| t.split(';').next()).expect("the table");
    let known: BTreeSet<&str> = table.split('"').skip(1).step_by(2).collect();
    let json: Value =
        serde_json::from_str(&fs::read_to_string(root().join(GRAMMAR)).expect("the grammar")).expect("JSON");
    let rule = json["repository"]["domain"]["match"].as_str().expect("a rule");
    let inner = rule.trim_start_matches("\\b(?:").trim_end_matches(")\\b");
    assert_eq!(inner.split('|').collect::<BTreeSet<&str>>(), known);
}

#[test]
fn the_extension_holds_together() {
    let folder = root().join("editors/vscode");
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(folder.join(name)).expect(name))
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let package = read("package.json");
    let (language, grammar) = (&package["contributes"]["languages"][0], &package["contributes"]["grammars"][0]);
    assert_eq!((&language["id"], &language["extensions"][0]), (&grammar["language"], &".ghm".into()));
    let configuration = read(language["configuration"].as_str().expect("a path"));
    assert_eq!(configuration["comments"]["lineComment"], "#");
    assert_eq!(read(grammar["path"].as_str().expect("a path"))["scopeName"], grammar["scopeName"]);
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
}
