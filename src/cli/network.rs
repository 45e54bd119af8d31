//! `ghmc query` on a network file, and `ghmc import` and `ghmc export`.

use std::path::Path;
use std::time::Instant;

use ghmc::base::places::unravel;
use ghmc::base::span::Sources;
use ghmc::data::network::{NetFormat, TablesAs, read_network, read_uai_evidence, to_model, write_network};
use ghmc::diag::{Code, Diagnostic};
use ghmc::engine::junction::Junction;
use ghmc::model::{Network, tabulate};
use ghmc::report::{short, table};
use serde_json::{Map, Value, json};

use super::args::{ExportArgs, ImportArgs, NetTarget, QueryArgs};
use super::ask_network::{Asked, What, ask_network, state_of, variable_of};
use super::evidence::read_evidence;
use super::open::compile;
use super::query::choose_model;
use super::terminal::Terminal;
use super::trouble::{Trouble, exit, print};

/// The engine's name in answers.
const ENGINE: &str = "junction tree";

/// Reads a network file.
pub fn open_network(path: &Path) -> Result<Network, Trouble> {
    let mut sources = Sources::default();
    read_network(path, &mut sources).map_err(|d| Trouble::within(&sources, d))
}

/// One set of evidence, by position.
type Case = Vec<(usize, usize)>;

/// Answers a question put to a network file.
pub fn query_network(args: &QueryArgs) -> Result<u8, Trouble> {
    if args.params.is_some() || args.model.is_some() || !args.inputs.set.is_empty() || !args.inputs.data.is_empty() {
        return Err(Trouble::Usage(
            "a network file has no parameters, models, sizes or data to set".to_string(),
            "`ghmc import` turns it into a model that can be trained".to_string(),
        ));
    }
    let began = Instant::now();
    let network = open_network(&args.file)?;
    let asked = args.question.as_deref().map(|q| ask_network(q, &network)).transpose()?;
    let (cases, list) = match &args.evidence {
        Some(path) => evidence(path, &network)?,
        None => (vec![Case::new()], false),
    };
    let set: Case = asked.iter().flat_map(|a| a.set.iter().copied()).collect();
    if !set.is_empty() && !network.directed {
        return Err(Trouble::of(
            Diagnostic::new(Code::NotSupported, "a network without directions has no causes to set")
                .help("hold the variable instead: `| a = x`"),
        ));
    }
    let struck: Vec<usize> = set.iter().map(|(v, _)| *v).collect();
    let bytes = args.inputs.max_memory.unwrap_or_else(ghmc::train::memory::allowance) as u64;
    let mut junction = Junction::new(&network, &struck, bytes);
    let mut read = began.elapsed().as_secs_f64();
    let (json, mut results, mut text) = (args.format.is_json(), Vec::new(), String::new());
    for (at, case) in cases.iter().enumerate() {
        if list && !json {
            text.push_str(&format!("{}# case {}\n", if at > 0 { "\n" } else { "" }, at + 1));
        }
        let further = asked.iter().flat_map(|a| a.held.iter().chain(&a.set));
        let held = joined(&network, case.iter().chain(further).copied())?;
        match &asked {
            Some(asked) if !args.marginals => {
                let began = Instant::now();
                let answer = answer(&mut junction, &network, asked, &held)?;
                match json {
                    true => {
                        let mut one = answer.json;
                        one["question"] = json!(args.question);
                        one["engine"] = json!(ENGINE);
                        one["kind"] = json!("=");
                        one["seconds"] = json!({ "compile": read, "query": began.elapsed().as_secs_f64() });
                        results.push(one);
                    }
                    false => text.push_str(&answer.text),
                }
            }
            _ => {
                let began = Instant::now();
                junction.prepare(&held).map_err(Trouble::of)?;
                let compile = read + began.elapsed().as_secs_f64();
                let began = Instant::now();
                let posterior = junction.marginals(&held).map_err(Trouble::of)?;
                let seconds = (compile, began.elapsed().as_secs_f64());
                match json {
                    true => {
                        results.push(marginals_json(&network, posterior.log_evidence, &posterior.marginals, seconds))
                    }
                    false => {
                        text.push_str(&marginals_text(&network, posterior.log_evidence, &posterior.marginals));
                    }
                }
            }
        }
        // The file is read once, for the first case.
        read = 0.0;
    }
    if json {
        let all = if list { Value::Array(results) } else { results.into_iter().next().unwrap_or_default() };
        text = format!("{all:#}\n");
    }
    print(&text)?;
    Ok(exit::DONE)
}

/// Evidence together; a variable held twice must be held alike.
fn joined(network: &Network, pairs: impl Iterator<Item = (usize, usize)>) -> Result<Case, Trouble> {
    let mut held = Case::new();
    for (variable, state) in pairs {
        match held.iter().find(|(v, _)| *v == variable) {
            Some((_, other)) if *other != state => {
                let declared = &network.variables[variable];
                let (name, states) = (&declared.name, &declared.states);
                let message = format!("`{name}` is held at `{}` and at `{}`", states[*other], states[state]);
                return Err(Trouble::of(Diagnostic::new(Code::BadEvidence, message).help("hold it at one of them")));
            }
            Some(_) => {}
            None => held.push((variable, state)),
        }
    }
    Ok(held)
}

/// The cases of a file of evidence, and whether they came as a list.
fn evidence(path: &Path, network: &Network) -> Result<(Vec<Case>, bool), Trouble> {
    let name = path.to_string_lossy().to_lowercase();
    if name.trim_end_matches(".gz").ends_with(".evid") {
        let mut sources = Sources::default();
        let cases = read_uai_evidence(path, network, &mut sources).map_err(|d| Trouble::within(&sources, d))?;
        let list = cases.len() != 1;
        return Ok((cases, list));
    }
    let file = read_evidence(path)?;
    let mut cases = Vec::new();
    for case in &file.cases {
        let mut held = Case::new();
        for (name, value) in case.iter().filter(|(_, v)| !v.is_null()) {
            let variable = variable_of(network, name)?;
            let states = &network.variables[variable].states;
            let word = match value {
                Value::String(word) => word.clone(),
                Value::Bool(truth) => {
                    let words = if *truth { ["true", "yes"] } else { ["false", "no"] };
                    let known = states.iter().find(|s| words.iter().any(|w| s.eq_ignore_ascii_case(w)));
                    known.cloned().unwrap_or_else(|| value.to_string())
                }
                other => other.to_string(),
            };
            held.push((variable, state_of(network, variable, &word)?));
        }
        cases.push(held);
    }
    Ok((cases, file.list))
}

/// An answer for programs and for people.
struct Answer {
    json: Value,
    text: String,
}

fn answer(junction: &mut Junction, network: &Network, asked: &Asked, held: &Case) -> Result<Answer, Trouble> {
    let name = |v: usize| network.variables[v].name.clone();
    let state = |v: usize, s: usize| network.variables[v].states[s].clone();
    let of: Vec<usize> = match asked.all {
        true => (0..network.variables.len()).filter(|v| held.iter().all(|(h, _)| h != v)).collect(),
        false => asked.of.iter().map(|(v, _)| *v).collect(),
    };
    match asked.what {
        What::LogLik => {
            let before: Case = asked.of.iter().filter_map(|(v, s)| Some((*v, (*s)?))).collect();
            let value = match before.is_empty() {
                true => junction.log_evidence(held).map_err(Trouble::of)?,
                false => {
                    let below = junction.log_evidence(held).map_err(Trouble::of)?;
                    match joined(network, held.iter().chain(&before).copied()) {
                        Ok(both) => junction.log_evidence(&both).map_err(Trouble::of)? - below,
                        Err(_) => f64::NEG_INFINITY,
                    }
                }
            };
            let shown = if value.is_finite() { json!(value) } else { json!(value.to_string()) };
            Ok(Answer { json: json!({ "value": shown }), text: format!("= {}\n", short(value)) })
        }
        What::Best => {
            let (states, score) = junction.best(&of, held).map_err(Trouble::of)?;
            let (values, listed) = assignment(network, of.iter().copied().zip(states));
            let text = format!("{listed}= log score {}\n", short(score));
            Ok(Answer { json: json!({ "values": values, "log_score": score }), text })
        }
        What::Each => {
            let posterior = junction.marginals(held).map_err(Trouble::of)?;
            let likeliest = |v: usize| match &posterior.marginals[v] {
                Some(p) => (0..p.len()).rev().max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap_or(0),
                None => held.iter().find(|(h, _)| *h == v).map_or(0, |(_, s)| *s),
            };
            let (values, text) = assignment(network, of.iter().map(|&v| (v, likeliest(v))));
            Ok(Answer { json: json!({ "values": values }), text })
        }
        What::Probability => {
            let (_, joint) = junction.joint(&of, held).map_err(Trouble::of)?;
            let cards: Vec<usize> = of.iter().map(|&v| network.variables[v].states.len()).collect();
            let labels =
                |at: usize| -> Vec<String> { of.iter().zip(unravel(at, &cards)).map(|(&v, s)| state(v, s)).collect() };
            let wanted = |words: &[String]| {
                let fits = |((v, s), word): (&(usize, Option<usize>), &String)| s.is_none_or(|s| state(*v, s) == *word);
                asked.of.iter().zip(words).all(fits)
            };
            let cells: Vec<(Vec<String>, f64)> =
                joint.iter().enumerate().map(|(at, p)| (labels(at), *p)).filter(|(words, _)| wanted(words)).collect();
            let names: Vec<String> = of.iter().map(|&v| name(v)).collect();
            let distribution = match names.len() {
                1 => Value::Object(cells.iter().map(|(words, p)| (words.concat(), json!(p))).collect()),
                _ => cells
                    .iter()
                    .map(|(words, p)| {
                        let mut one: Map<String, Value> =
                            names.iter().cloned().zip(words.iter().map(|w| json!(w))).collect();
                        one.insert("p".into(), json!(p));
                        Value::Object(one)
                    })
                    .collect(),
            };
            let json = json!({ "of": names, "distribution": distribution });
            if asked.of.iter().all(|(_, s)| s.is_some()) {
                let p: f64 = cells.iter().map(|(_, p)| p).sum();
                return Ok(Answer { json, text: format!("= {}\n", short(p)) });
            }
            let mut head: Vec<&str> = names.iter().map(String::as_str).collect();
            head.push("p");
            let right: Vec<bool> = (0..head.len()).map(|i| i == names.len()).collect();
            let rows: Vec<Vec<String>> =
                cells.iter().map(|(words, p)| [words.clone(), vec![short(*p)]].concat()).collect();
            let text = format!("{}= by {ENGINE}\n", table(&head, &right, &rows));
            Ok(Answer { json, text })
        }
    }
}

/// Variables with a state each, for programs and for people.
fn assignment(network: &Network, pairs: impl Iterator<Item = (usize, usize)>) -> (Map<String, Value>, String) {
    let words = pairs.map(|(v, s)| (&network.variables[v], s)).map(|(v, s)| vec![v.name.clone(), v.states[s].clone()]);
    let rows: Vec<Vec<String>> = words.collect();
    let values = rows.iter().map(|row| (row[0].clone(), json!(row[1]))).collect();
    (values, table(&["variable", "state"], &[false, false], &rows))
}

fn marginals_json(network: &Network, log: f64, marginals: &[Option<Vec<f64>>], seconds: (f64, f64)) -> Value {
    let free = network.variables.iter().zip(marginals).filter_map(|(v, m)| Some((v, m.as_ref()?)));
    let of = free.map(|(variable, p)| {
        let states = variable.states.iter().cloned().zip(p.iter().map(|p| json!(p))).collect();
        (variable.name.clone(), Value::Object(states))
    });
    json!({
        "log_evidence": log,
        "marginals": Value::Object(of.collect()),
        "engine": ENGINE,
        "kind": "=",
        "seconds": { "compile": seconds.0, "query": seconds.1 },
    })
}

fn marginals_text(network: &Network, log: f64, marginals: &[Option<Vec<f64>>]) -> String {
    let mut rows = Vec::new();
    for (variable, p) in network.variables.iter().zip(marginals) {
        let Some(p) = p else { continue };
        let states: Vec<String> = variable.states.iter().zip(p).map(|(s, p)| format!("{s} {}", short(*p))).collect();
        rows.push(vec![variable.name.clone(), states.join("   ")]);
    }
    let name = if network.directed { "log evidence" } else { "log Z" };
    format!("{}= by {ENGINE}, {name} {}\n", table(&["variable", "probabilities"], &[false, false], &rows), short(log))
}

/// Writes a network file as a model.
pub fn import(args: &ImportArgs) -> Result<u8, Trouble> {
    let network = open_network(&args.file)?;
    let name = args.name.clone().unwrap_or_else(|| stem(&args.file));
    let tables = if args.learn { TablesAs::Parameters } else { TablesAs::Numbers };
    let text = to_model(&network, &name, tables);
    put(&text, args.out.as_deref())?;
    Ok(exit::DONE)
}

/// Writes a model, or a network file, in a format that others read.
pub fn export(args: &ExportArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    let network = match NetFormat::of_path(&args.file) {
        Some(_) => open_network(&args.file)?,
        None => {
            let compiled = compile(&args.file, &args.inputs, terminal, false)?;
            let model = choose_model(compiled.program(), args.model.as_deref())?;
            tabulate(compiled.program(), model).map_err(|d| Trouble::within(compiled.sources(), d))?
        }
    };
    let format = match args.to {
        NetTarget::Bif => NetFormat::Bif,
        NetTarget::Xmlbif => NetFormat::XmlBif,
        NetTarget::Uai => NetFormat::Uai,
        NetTarget::Dot => {
            put(&dot(&network), args.out.as_deref())?;
            return Ok(exit::DONE);
        }
    };
    let text = write_network(&network, format).map_err(Trouble::of)?;
    put(&text, args.out.as_deref())?;
    Ok(exit::DONE)
}

/// A file's name up to its first dot.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_string()
}

/// To a file, or to standard output.
fn put(text: &str, out: Option<&Path>) -> Result<(), Trouble> {
    let Some(path) = out else { return print(text) };
    std::fs::write(path, text).map_err(|e| {
        let message = format!("`{}` cannot be written: {e}", path.display());
        Trouble::of(Diagnostic::new(Code::CannotWrite, message).help("check the folder and the space that is left"))
    })
}

/// The graph for programs that draw: arrows from parents, or lines between variables that share a table.
fn dot(network: &Network) -> String {
    let quoted = |v: usize| format!("\"{}\"", network.variables[v].name.replace('\\', "\\\\").replace('"', "\\\""));
    let (kind, edge) = if network.directed { ("digraph", "->") } else { ("graph", "--") };
    let mut out = format!("{kind} {{\n");
    (0..network.variables.len()).for_each(|v| out.push_str(&format!("  {};\n", quoted(v))));
    let mut edges = std::collections::BTreeSet::new();
    for factor in &network.factors {
        match factor.child.filter(|_| network.directed) {
            Some(child) => edges.extend(factor.scope.iter().filter(|p| **p != child).map(|&p| (p, child))),
            None => {
                for (at, &a) in factor.scope.iter().enumerate() {
                    edges.extend(factor.scope[at + 1..].iter().map(|&b| (a.min(b), a.max(b))));
                }
            }
        }
    }
    edges.iter().for_each(|&(a, b)| out.push_str(&format!("  {} {edge} {};\n", quoted(a), quoted(b))));
    out + "}\n"
}
