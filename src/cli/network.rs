//! `ghmc query` on a network file, and `ghmc import` and `ghmc export`.

use std::path::Path;
use std::time::Instant;

use ghmc::base::places::unravel;
use ghmc::base::span::Sources;
use ghmc::data::network::{NetFormat, TablesAs, read_network, to_model, write_network};
use ghmc::diag::{Code, Diagnostic};
use ghmc::engine::junction::Junction;
use ghmc::model::{Network, tabulate};
use ghmc::report::{short, table};
use serde_json::{Map, Value, json};

use super::args::{ExportArgs, ImportArgs, NetTarget, QueryArgs};
use super::ask_network::{Asked, What, ask_network};
use super::by::{By, read_by, read_list};
use super::network_by::{Desk, Told, compared, signed};
use super::network_case::{Case, evidence, joined};
use super::network_svg::network_svg;
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

/// Answers a question put to a network file.
pub fn query_network(args: &QueryArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    if args.params.is_some() || args.model.is_some() || !args.inputs.set.is_empty() || !args.inputs.data.is_empty() {
        return Err(Trouble::Usage(
            "a network file has no parameters, models, sizes or data to set".to_string(),
            "`ghmc import` turns it into a model that can be trained".to_string(),
        ));
    }
    let began = Instant::now();
    let bytes = args.inputs.max_memory.unwrap_or_else(ghmc::train::memory::allowance) as u64;
    let exact = read_by("exact", bytes)?;
    let chains = read_by("gibbs", bytes)?;
    let by = args.by.as_deref().map(|text| read_by(text, bytes)).transpose()?;
    let list = args.compare.as_deref().map(|text| read_list(text, bytes)).transpose()?;
    let network = open_network(&args.file)?;
    let asked = args.question.as_deref().map(|q| ask_network(q, &network)).transpose()?;
    let (cases, many) = match &args.evidence {
        Some(path) => evidence(path, &network)?,
        None => (vec![Case::default()], false),
    };
    let set: Vec<(usize, usize)> = asked.iter().flat_map(|a| a.set.iter().copied()).collect();
    if !set.is_empty() && !network.directed {
        return Err(Trouble::of(
            Diagnostic::new(Code::NotSupported, "a network without directions has no causes to set")
                .help("hold the variable instead: `| a = x`"),
        ));
    }
    let struck: Vec<usize> = set.iter().map(|(v, _)| *v).collect();
    let mut junction = Junction::new(&network, &struck, bytes);
    let mut read = began.elapsed().as_secs_f64();
    let (json, mut results, mut text) = (args.format.is_json(), Vec::new(), String::new());
    for (at, case) in cases.iter().enumerate() {
        if many && !json {
            text.push_str(&format!("{}# case {}\n", if at > 0 { "\n" } else { "" }, at + 1));
        }
        let further = asked.iter().flat_map(|a| a.held.iter().chain(&a.set));
        let held = joined(&network, case.held.iter().chain(further).copied())?;
        junction.weigh(&case.soft);
        let began = Instant::now();
        let question = asked.as_ref().filter(|_| !args.marginals);
        // Where no engine is named, draws are exact if that fits, and from chains if not.
        let fits = args.samples.is_some() && by.is_none() && junction.prepare(&held).is_ok();
        let mut told = match (&list, args.samples) {
            (None, None) if by.as_ref().is_none_or(|b| b.method.name() == "exact") => {
                by_sums(&mut junction, &network, question, &held)?
            }
            _ => {
                let desk = Desk { network: &network, junction: &junction, held: &held, seed: args.inputs.seed };
                match (&list, args.samples, &by) {
                    (Some(list), ..) => desk.compare(list, &exact, &compared(&network, question, &held)?)?,
                    (None, Some(n), by) => {
                        let by = by.as_ref().unwrap_or(if fits { &exact } else { &chains });
                        desk.samples(by, &drawn(&network, question)?, n as usize)?
                    }
                    (None, None, by) => estimate(&desk, by.as_ref().unwrap_or(&exact), question)?,
                }
            }
        };
        if let (Some(_), Some(question)) = (question, &args.question) {
            told.json["question"] = json!(question);
        }
        let query = began.elapsed().as_secs_f64();
        told.json["seconds"] = match told.json.get("seconds").and_then(Value::as_f64) {
            // Compiling was timed by itself.
            Some(compile) => json!({ "compile": read + compile, "query": (query - compile).max(0.0) }),
            None => json!({ "compile": read, "query": query }),
        };
        match json {
            true => results.push(told.json),
            false => {
                text.push_str(&told.text);
                told.notes.iter().for_each(|note| terminal.say(&format!("note: {note}\n")));
            }
        }
        // The file is read once, for the first case.
        read = 0.0;
    }
    if json {
        let all = if many { Value::Array(results) } else { results.into_iter().next().unwrap_or_default() };
        text = format!("{all:#}\n");
    }
    print(&text)?;
    Ok(exit::DONE)
}

/// The variables that are drawn: those before the bar, or all.
fn drawn(network: &Network, asked: Option<&Asked>) -> Result<Vec<usize>, Trouble> {
    match asked {
        None => Ok((0..network.variables.len()).collect()),
        Some(asked) if asked.all => Ok((0..network.variables.len()).collect()),
        Some(asked) if asked.what == What::Probability && asked.of.iter().all(|(_, s)| s.is_none()) => {
            Ok(asked.of.iter().map(|(v, _)| *v).collect())
        }
        Some(_) => Err(Trouble::Usage(
            "draws are of variables".to_string(),
            "ask P(a, b | c = x), or leave the question out for all".to_string(),
        )),
    }
}

/// By exact sums.
fn by_sums(
    junction: &mut Junction,
    network: &Network,
    asked: Option<&Asked>,
    held: &[(usize, usize)],
) -> Result<Told, Trouble> {
    let Some(asked) = asked else {
        let began = Instant::now();
        junction.prepare(held).map_err(Trouble::of)?;
        let compile = began.elapsed().as_secs_f64();
        let posterior = junction.marginals(held).map_err(Trouble::of)?;
        let log = format!("{} {}", log_name(network), short(posterior.log_evidence));
        let mut json = marginals_json(network, posterior.log_evidence, &posterior.marginals);
        json["engine"] = json!(ENGINE);
        json["kind"] = json!("=");
        json["seconds"] = json!(compile);
        let text = format!("{}= by {ENGINE}, {log}\n", marginals_table(network, &posterior.marginals));
        return Ok(Told { json, text, notes: Vec::new() });
    };
    let mut told = answer(junction, network, asked, held)?;
    told.json["engine"] = json!(ENGINE);
    told.json["kind"] = json!("=");
    Ok(told)
}

/// By an engine that estimates.
fn estimate(desk: &Desk<'_>, by: &By, asked: Option<&Asked>) -> Result<Told, Trouble> {
    let network = desk.network;
    let Some(asked) = asked else {
        let found = desk.marginals(by)?;
        let (log, tail) = match found.log_z {
            Some(z) => (z.value, format!(", {} {} {}", log_name(network), z.sign.sign(), short(z.value))),
            None => (f64::NAN, String::new()),
        };
        let mut json = marginals_json(network, log, &found.marginals);
        let notes = desk.sign(by, &found, &mut json);
        let text = format!("{}{}{tail}\n", marginals_table(network, &found.marginals), signed(by, &found));
        return Ok(Told { json, text, notes });
    };
    let of: Vec<usize> = asked_of(network, asked, desk.held);
    match asked.what {
        What::LogLik => {
            let before: Vec<(usize, usize)> = asked.of.iter().filter_map(|(v, s)| Some((*v, (*s)?))).collect();
            desk.log(by, &before)
        }
        What::Best => {
            if !asked.all {
                return Err(Trouble::Usage(
                    "a likeliest state with all else summed out takes exact sums".to_string(),
                    "ask argmax(..) for everything that is free, or argmax_each(a)".to_string(),
                ));
            }
            let (states, score, found) = desk.best(by)?;
            let (values, listed) = assignment(network, of.iter().map(|&v| (v, states.get(v).copied().unwrap_or(0))));
            let mut json = json!({ "values": values, "log_score": score });
            let notes = desk.sign(by, &found, &mut json);
            json["kind"] = json!("≥");
            Ok(Told { json, text: format!("{listed}≥ log score {} by {}\n", short(score), by.text), notes })
        }
        What::Each => {
            let found = desk.marginals(by)?;
            let (values, listed) = assignment(network, likeliest(&of, &found.marginals, desk.held).into_iter());
            let mut json = json!({ "values": values });
            let notes = desk.sign(by, &found, &mut json);
            Ok(Told { json, text: format!("{listed}{}\n", signed(by, &found)), notes })
        }
        What::Probability => {
            let (joint, found) = desk.posterior(by, &of)?;
            let mut told = distribution(network, asked, &of, &joint, by.method.sign().sign(), &signed(by, &found));
            told.notes = desk.sign(by, &found, &mut told.json);
            Ok(told)
        }
        What::Entropy | What::MutualInfo => {
            let (joint, found) = desk.posterior(by, &of)?;
            let value = information(network, asked, &of, &joint);
            let mut json = json!({ "value": value });
            let notes = desk.sign(by, &found, &mut json);
            Ok(Told { json, text: format!("{} {}\n", by.method.sign().sign(), short(value)), notes })
        }
    }
}

/// The variables that a question is about.
fn asked_of(network: &Network, asked: &Asked, held: &[(usize, usize)]) -> Vec<usize> {
    match asked.all {
        true => (0..network.variables.len()).filter(|v| held.iter().all(|(h, _)| h != v)).collect(),
        false => asked.of.iter().map(|(v, _)| *v).collect(),
    }
}

/// Each variable's likeliest state; the first of equal ones.
fn likeliest(of: &[usize], marginals: &[Option<Vec<f64>>], held: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let state = |v: usize| match &marginals[v] {
        Some(p) => (0..p.len()).rev().max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap_or(0),
        None => held.iter().find(|(h, _)| *h == v).map_or(0, |(_, s)| *s),
    };
    of.iter().map(|&v| (v, state(v))).collect()
}

fn answer(junction: &mut Junction, network: &Network, asked: &Asked, held: &[(usize, usize)]) -> Result<Told, Trouble> {
    let of = asked_of(network, asked, held);
    let told = |json: Value, text: String| Ok(Told { json, text, notes: Vec::new() });
    match asked.what {
        What::LogLik => {
            let before: Vec<(usize, usize)> = asked.of.iter().filter_map(|(v, s)| Some((*v, (*s)?))).collect();
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
            told(json!({ "value": shown }), format!("= {}\n", short(value)))
        }
        What::Best => {
            let (states, score) = junction.best(&of, held).map_err(Trouble::of)?;
            let (values, listed) = assignment(network, of.iter().copied().zip(states));
            told(json!({ "values": values, "log_score": score }), format!("{listed}= log score {}\n", short(score)))
        }
        What::Each => {
            let posterior = junction.marginals(held).map_err(Trouble::of)?;
            let (values, text) = assignment(network, likeliest(&of, &posterior.marginals, held).into_iter());
            told(json!({ "values": values }), text)
        }
        What::Probability => {
            let (_, joint) = junction.joint(&of, held).map_err(Trouble::of)?;
            Ok(distribution(network, asked, &of, &joint, "=", &format!("= by {ENGINE}")))
        }
        What::Entropy | What::MutualInfo => {
            let (_, joint) = junction.joint(&of, held).map_err(Trouble::of)?;
            let value = information(network, asked, &of, &joint);
            told(json!({ "value": value }), format!("= {}\n", short(value)))
        }
    }
}

/// −Σ p ln p.
fn entropy(p: &[f64]) -> f64 {
    let sum: f64 = p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum();
    // Not minus zero.
    0.0 - sum
}

/// The entropy of a joint posterior, or the mutual information of its two sets: H(a) + H(b) − H(a, b).
fn information(network: &Network, asked: &Asked, of: &[usize], joint: &[f64]) -> f64 {
    let whole = entropy(joint);
    if asked.what == What::Entropy {
        return whole;
    }
    let cards: Vec<usize> = of.iter().map(|&v| network.variables[v].states.len()).collect();
    let width: usize = cards[asked.first..].iter().product();
    let first: Vec<f64> = joint.chunks(width.max(1)).map(|row| row.iter().sum()).collect();
    let second: Vec<f64> = (0..width).map(|j| joint.iter().skip(j).step_by(width).sum()).collect();
    (entropy(&first) + entropy(&second) - whole).max(0.0)
}

/// A joint posterior as it is told; `tail` stands under its table.
fn distribution(network: &Network, asked: &Asked, of: &[usize], joint: &[f64], sign: &str, tail: &str) -> Told {
    let name = |v: usize| network.variables[v].name.clone();
    let state = |v: usize, s: usize| network.variables[v].states[s].clone();
    let cards: Vec<usize> = of.iter().map(|&v| network.variables[v].states.len()).collect();
    let labels = |at: usize| -> Vec<String> { of.iter().zip(unravel(at, &cards)).map(|(&v, s)| state(v, s)).collect() };
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
                let mut one: Map<String, Value> = names.iter().cloned().zip(words.iter().map(|w| json!(w))).collect();
                one.insert("p".into(), json!(p));
                Value::Object(one)
            })
            .collect(),
    };
    let json = json!({ "of": names, "distribution": distribution });
    if asked.of.iter().all(|(_, s)| s.is_some()) {
        let p: f64 = cells.iter().map(|(_, p)| p).sum();
        return Told { json, text: format!("{sign} {}\n", short(p)), notes: Vec::new() };
    }
    let mut head: Vec<&str> = names.iter().map(String::as_str).collect();
    head.push("p");
    let right: Vec<bool> = (0..head.len()).map(|i| i == names.len()).collect();
    let rows: Vec<Vec<String>> = cells.iter().map(|(words, p)| [words.clone(), vec![short(*p)]].concat()).collect();
    Told { json, text: format!("{}{tail}\n", table(&head, &right, &rows)), notes: Vec::new() }
}

/// Variables with a state each, for programs and for people.
fn assignment(network: &Network, pairs: impl Iterator<Item = (usize, usize)>) -> (Map<String, Value>, String) {
    let words = pairs.map(|(v, s)| (&network.variables[v], s)).map(|(v, s)| vec![v.name.clone(), v.states[s].clone()]);
    let rows: Vec<Vec<String>> = words.collect();
    let values = rows.iter().map(|row| (row[0].clone(), json!(row[1]))).collect();
    (values, table(&["variable", "state"], &[false, false], &rows))
}

fn marginals_json(network: &Network, log: f64, marginals: &[Option<Vec<f64>>]) -> Value {
    let free = network.variables.iter().zip(marginals).filter_map(|(v, m)| Some((v, m.as_ref()?)));
    let of = free.map(|(variable, p)| {
        let states = variable.states.iter().cloned().zip(p.iter().map(|p| json!(p))).collect();
        (variable.name.clone(), Value::Object(states))
    });
    json!({ "log_evidence": log, "marginals": Value::Object(of.collect()) })
}

fn marginals_table(network: &Network, marginals: &[Option<Vec<f64>>]) -> String {
    let mut rows = Vec::new();
    for (variable, p) in network.variables.iter().zip(marginals) {
        let Some(p) = p else { continue };
        let states: Vec<String> = variable.states.iter().zip(p).map(|(s, p)| format!("{s} {}", short(*p))).collect();
        rows.push(vec![variable.name.clone(), states.join("   ")]);
    }
    table(&["variable", "probabilities"], &[false, false], &rows)
}

/// What the logarithm of the sum is called.
fn log_name(network: &Network) -> &'static str {
    if network.directed { "log evidence" } else { "log Z" }
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
        NetTarget::Svg => {
            let bytes = args.inputs.max_memory.unwrap_or_else(ghmc::train::memory::allowance) as u64;
            put(&network_svg(&network, args.evidence.as_deref(), bytes)?, args.out.as_deref())?;
            return Ok(exit::DONE);
        }
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
    network.edges().iter().for_each(|&(a, b)| out.push_str(&format!("  {} {edge} {};\n", quoted(a), quoted(b))));
    out + "}\n"
}
