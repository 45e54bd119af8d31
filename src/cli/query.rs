//! `ghmc query`: one question put to a model, or the marginals of all its variables, perhaps given evidence from a file.

use std::collections::BTreeSet;
use std::time::Instant;

use ghmc::base::span::Sources;
use ghmc::data::network::NetFormat;
use ghmc::diag::{Code, Diagnostic};
use ghmc::model::{
    Ask, Domain, Evidence, FactorKind, ModelId, Moment, ParamId, Program, Question, Subject, VarId, Verb,
};
use ghmc::pipeline::{Compiled, Trained};
use ghmc::plan::{AskPlan, Kind, Plan, choose_ask, explain_json};
use ghmc::report::{short, table};
use ghmc::train::labels::state_labels;
use ghmc::train::{AnswerValue, Answered};
use serde_json::{Map, Value, json};

use super::answer_json::answer_json;
use super::answer_text::{answer_lines, near_note, unset_note};
use super::args::QueryArgs;
use super::evidence::{EvidenceFile, model_evidence, read_evidence};
use super::network::query_network;
use super::open::{compile, with_params};
use super::terminal::Terminal;
use super::trouble::{Trouble, exit, print};

/// Answers.
pub fn query(args: &QueryArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    if NetFormat::of_path(&args.file).is_some() {
        return query_network(args, terminal);
    }
    if args.by.is_some() || args.compare.is_some() || args.samples.is_some() {
        return Err(Trouble::Usage(
            "`--by`, `--compare` and `--samples` are for network files".to_string(),
            "name a model's engine in the question, `P(..) by exact`, and draw from it with `ghmc sample`".to_string(),
        ));
    }
    let json = args.format.is_json();
    let began = Instant::now();
    let compiled = compile(&args.file, &args.inputs, terminal, json)?;
    let mut trained = with_params(&compiled, args.params.as_deref())?;
    let evidence = match &args.evidence {
        Some(path) => read_evidence(path)?,
        None => EvidenceFile { cases: vec![Map::new()], list: false },
    };
    let (program, ask, sources) = asked(&compiled, args)?;
    let (Subject::Model(model) | Subject::Guide(model)) = ask.of else {
        return Err(Trouble::of(Diagnostic::new(Code::WrongKind, "data cannot be asked").help("ask a model of it")));
    };
    if args.params.is_none() {
        verify_learned(&compiled, model)?;
    }
    let compiled_in = began.elapsed().as_secs_f64();
    let mut results = Vec::new();
    let mut text = String::new();
    for (i, case) in evidence.cases.iter().enumerate() {
        let held = model_evidence(&program, model, case)?;
        if evidence.list && !json {
            text.push_str(&format!("{}# case {}\n", if i > 0 { "\n" } else { "" }, i + 1));
        }
        let began = Instant::now();
        if args.marginals {
            let told = marginals(&mut trained, &program, &ask, &sources, held)?;
            match json {
                true => results.push(told.json(compiled_in, began.elapsed().as_secs_f64())),
                false => {
                    terminal.say(&told.note);
                    text.push_str(&told.text(&program));
                }
            }
            continue;
        }
        let ask = with_evidence(&program, ask.clone(), held)?;
        let plan = plan_of(&program, &ask, &sources)?;
        let answered = answer(&mut trained, &program, &plan, &sources)?;
        match json {
            true => {
                let mut one = answer_json(&answered);
                one["question"] = json!(args.question);
                one["engine"] = json!(engines(&program, &plan, &sources));
                one["seconds"] = json!({ "compile": compiled_in, "query": began.elapsed().as_secs_f64() });
                results.push(one);
            }
            false => {
                terminal.say(&unset_note(&answered));
                terminal.say(&near_note(&answered));
                text.push_str(&answer_text(&answered, terminal));
            }
        }
    }
    if json {
        let all = if evidence.list { Value::Array(results) } else { results.into_iter().next().unwrap_or_default() };
        text = format!("{all:#}\n");
    }
    print(&text)?;
    Ok(exit::DONE)
}

/// The question with the program and the texts it belongs to. Marginals without a question ask the one model, or the one named.
fn asked(compiled: &Compiled, args: &QueryArgs) -> Result<(Program, Ask, Sources), Trouble> {
    let program = compiled.program();
    if let Some(question) = &args.question {
        let question = match &args.model {
            Some(name) => of_model(question, name),
            None => question.clone(),
        };
        let (program, _, sources) = compiled.plan_question(&question)?;
        return match program.asks.last().cloned() {
            Some(ask) => Ok((program, ask, sources)),
            None => Err(Trouble::usage("there is no question")),
        };
    }
    let model = choose_model(program, args.model.as_deref())?;
    let span = program.models[model].span;
    let question = Question::Mean { targets: Vec::new(), evidence: Vec::new(), moment: Moment::Mean };
    let (by, name) = (Vec::new(), "marginals".to_string());
    let ask = Ask {
        verb: Verb::Query,
        name,
        question,
        of: Subject::Model(model),
        on: None,
        row: None,
        place: None,
        by,
        times: None,
        span,
    };
    Ok((program.clone(), ask, compiled.sources().clone()))
}

/// The question, put to a model by name: `of` stands before `on`.
fn of_model(question: &str, name: &str) -> String {
    match question.rfind(" on ") {
        Some(at) => format!("{} of {name}{}", &question[..at], &question[at..]),
        None => format!("{question} of {name}"),
    }
}

/// The model of that name, or the only one.
pub fn choose_model(program: &Program, name: Option<&str>) -> Result<ModelId, Trouble> {
    let names: Vec<&str> = program.models.iter().map(|(_, m)| m.name.as_str()).collect();
    let has = names.join(", ");
    match name {
        Some(name) => match program.models.iter().find(|(_, m)| m.name == name) {
            Some((id, _)) => Ok(id),
            None => Err(Trouble::Usage(format!("the file has no model `{name}`"), format!("it has {has}"))),
        },
        None => match program.models.ids().collect::<Vec<_>>()[..] {
            [only] => Ok(only),
            [] => Err(Trouble::usage("the file has no model")),
            _ => Err(Trouble::Usage(
                "the file has several models".to_string(),
                format!("name one with `--model`: {has}"),
            )),
        },
    }
}

/// Refuses a model whose parameters are learned but were not given.
fn verify_learned(compiled: &Compiled, model: ModelId) -> Result<(), Trouble> {
    let program = compiled.program();
    let Some(name) = first_learned(compiled, model) else { return Ok(()) };
    let file = &compiled.sources().file(compiled.file()).name;
    let message = format!("`{}` has learned parameters (`{name}`), and none were given", program.models[model].name);
    Err(Trouble::of(
        Diagnostic::new(Code::NothingBound, message)
            .help(format!("train first with `ghmc run {file} --out DIR`, then ask with `--params DIR`")),
    ))
}

/// The name of a parameter that the model or its guide reads and some training moves.
pub fn first_learned(compiled: &Compiled, model: ModelId) -> Option<String> {
    let (program, plan) = (compiled.program(), compiled.plan());
    let lines = plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines);
    let moved: BTreeSet<ParamId> = lines.flat_map(|l| l.group.iter().copied()).collect();
    let declared = &program.models[model];
    let guide = declared.guide.iter().flat_map(|g| &g.factors);
    let read: BTreeSet<ParamId> = declared.factors.iter().chain(guide).flat_map(|f| f.params()).collect();
    read.intersection(&moved).next().map(|&id| program.params[id].name.clone())
}

fn plan_of(program: &Program, ask: &Ask, sources: &Sources) -> Result<AskPlan, Trouble> {
    choose_ask(program, ask).map_err(|d| Trouble::within(sources, *d))
}

fn answer(trained: &mut Trained, program: &Program, plan: &AskPlan, sources: &Sources) -> Result<Answered, Trouble> {
    trained.answer(program, plan).map_err(|e| Trouble::within(sources, e.diagnostic()))
}

/// The evidence that a question holds.
fn evidence_of(question: &Question) -> &[Evidence] {
    match question {
        Question::Probability { evidence, .. }
        | Question::Argmax { evidence, .. }
        | Question::Mean { evidence, .. } => evidence,
        Question::Metric { prediction, .. } => evidence_of(prediction),
        Question::Value(_) | Question::LogZ(_) => &[],
    }
}

/// The question with more evidence.
fn with_evidence(program: &Program, mut ask: Ask, held: Vec<Evidence>) -> Result<Ask, Trouble> {
    if held.is_empty() {
        return Ok(ask);
    }
    let wrong = |message: String| {
        Err(Trouble::of(
            Diagnostic::new(Code::BadEvidence, message).help("leave it out of the evidence or of the question"),
        ))
    };
    let (targets, evidence) = match &mut ask.question {
        Question::Probability { targets, evidence } => (targets.iter().map(|t| t.0).collect::<Vec<_>>(), evidence),
        Question::Argmax { targets, evidence, .. } | Question::Mean { targets, evidence, .. } => {
            (targets.clone(), evidence)
        }
        Question::Metric { .. } | Question::Value(_) | Question::LogZ(_) => {
            return wrong("a figure takes no evidence from a file".to_string());
        }
    };
    for one in held {
        let name = &program.vars[one.var].name;
        if evidence.iter().any(|e| e.var == one.var) {
            return wrong(format!("`{name}` is fixed by the question and by the evidence"));
        }
        if targets.contains(&one.var) {
            return wrong(format!("`{name}` is asked for and fixed by the evidence"));
        }
        evidence.push(one);
    }
    Ok(ask)
}

/// The engines of a plan, each once.
fn engines(program: &Program, plan: &AskPlan, sources: &Sources) -> String {
    let whole = Plan { asks: vec![plan.clone()], ..Plan::default() };
    let told = explain_json(program, &whole, sources);
    let mut names: Vec<&str> =
        told["blocks"].as_array().into_iter().flatten().filter_map(|b| b["engine"].as_str()).collect();
    names.dedup();
    if names.is_empty() { "direct".to_string() } else { names.join(", ") }
}

fn answer_text(answered: &Answered, terminal: &Terminal) -> String {
    let lines = answer_lines(&answered.value, terminal.width.saturating_sub(2));
    let indent = |(i, line): (usize, String)| {
        let sign = if i == 0 { answered.kind.sign() } else { " " };
        format!("{sign} {line}\n")
    };
    lines.into_iter().enumerate().map(indent).collect()
}

/// Posterior marginals.
struct Marginals {
    log_evidence: Option<f64>,
    /// A variable, its states, and the probabilities of each entry's states.
    of: Vec<(VarId, Vec<String>, Vec<Vec<f64>>)>,
    shapes: Vec<Vec<usize>>,
    names: Vec<String>,
    engine: String,
    kind: Kind,
    /// Parameters that nothing has set, and what is to be said of them.
    unset: Vec<String>,
    note: String,
}

/// The marginals of every discrete variable that is not held fixed: expectations of indicators, all from one log-partition.
fn marginals(
    trained: &mut Trained,
    program: &Program,
    ask: &Ask,
    sources: &Sources,
    held: Vec<Evidence>,
) -> Result<Marginals, Trouble> {
    let (Subject::Model(model) | Subject::Guide(model)) = ask.of else {
        return Err(Trouble::usage("data has no marginals: ask a model"));
    };
    let mut evidence = evidence_of(&ask.question).to_vec();
    for one in held {
        if evidence.iter().any(|e| e.var == one.var) {
            let name = &program.vars[one.var].name;
            let message = format!("`{name}` is fixed by the question and by the evidence");
            return Err(Trouble::of(Diagnostic::new(Code::BadEvidence, message).help("leave it out of one of them")));
        }
        evidence.push(one);
    }
    let declared = &program.models[model];
    let free = |v: &VarId| {
        let var = &program.vars[*v];
        var.domain.is_discrete() && !var.given && !evidence.iter().any(|e| e.var == *v)
    };
    let targets: Vec<VarId> = declared.vars.iter().copied().filter(free).collect();
    let mean = |targets: Vec<VarId>, evidence: Vec<Evidence>| Ask {
        question: Question::Mean { targets, evidence, moment: Moment::Mean },
        name: "marginals".to_string(),
        ..ask.clone()
    };
    let plan = plan_of(program, &mean(targets.clone(), evidence.clone()), sources)?;
    let answered = answer(trained, program, &plan, sources)?;
    // Where the density is not normalised, the probability of the evidence is a ratio of two log-partitions.
    let undirected = |k: &FactorKind| matches!(k, FactorKind::Potential(_) | FactorKind::Undirected { .. });
    let mut log_evidence = answered.log_mass.filter(|_| answered.kind == Kind::Exact);
    if declared.factors.iter().any(|f| undirected(&f.kind)) {
        let all: Vec<VarId> = declared.vars.iter().copied().filter(|&v| !program.vars[v].given).collect();
        let kept = evidence.iter().filter(|e| e.intervention || program.vars[e.var].given).cloned().collect();
        let plan = plan_of(program, &mean(all, kept), sources)?;
        let whole = answer(trained, program, &plan, sources)?;
        log_evidence = log_evidence.zip(whole.log_mass.filter(|_| whole.kind == Kind::Exact)).map(|(a, b)| a - b);
    }
    if !evidence.iter().any(|e| !e.intervention) {
        // Nothing was seen: its probability is one, without the rounding of the sums that would show it.
        log_evidence = Some(0.0);
    }
    let AnswerValue::Entries(entries) = &answered.value else {
        return Err(Trouble::of(
            Diagnostic::new(Code::NotSupported, "marginals are given for one case at a time")
                .help("ask without `each`, and of one row"),
        ));
    };
    let mut told = Marginals {
        log_evidence,
        of: Vec::new(),
        shapes: Vec::new(),
        names: Vec::new(),
        engine: engines(program, &plan, sources),
        kind: answered.kind,
        unset: answered.unset.clone(),
        note: unset_note(&answered),
    };
    for entry in entries {
        let Some(&var) = targets.iter().find(|&&v| program.vars[v].name == entry.name) else { continue };
        let domain = &program.vars[var].domain;
        let labels = state_labels(program, domain);
        let rows: Vec<Vec<f64>> = match domain {
            Domain::Cat(_) => entry.values.chunks(labels.len().max(1)).map(<[f64]>::to_vec).collect(),
            Domain::Spin => entry.values.iter().map(|m| vec![(1.0 - m) / 2.0, (1.0 + m) / 2.0]).collect(),
            _ => entry.values.iter().map(|p| vec![1.0 - p, *p]).collect(),
        };
        let shape = program.extents(&program.vars[var].axes()).unwrap_or_default();
        told.of.push((var, labels, rows));
        told.shapes.push(shape);
        told.names.push(entry.name.clone());
    }
    Ok(told)
}

impl Marginals {
    fn json(&self, compile: f64, query: f64) -> Value {
        let state = |labels: &[String], row: &[f64]| -> Value {
            Value::Object(labels.iter().cloned().zip(row.iter().map(|p| json!(p))).collect())
        };
        let mut marginals = Map::new();
        for ((name, shape), (_, labels, rows)) in self.names.iter().zip(&self.shapes).zip(&self.of) {
            let cells: Vec<Value> = rows.iter().map(|row| state(labels, row)).collect();
            marginals.insert(name.clone(), nested(cells, shape));
        }
        let mut told = json!({
            "log_evidence": self.log_evidence,
            "marginals": marginals,
            "engine": self.engine,
            "kind": self.kind.sign(),
            "seconds": { "compile": compile, "query": query },
        });
        if !self.unset.is_empty() {
            told["unset"] = json!(self.unset);
        }
        told
    }

    fn text(&self, program: &Program) -> String {
        let mut rows = Vec::new();
        for (var, labels, entries) in &self.of {
            for (i, probabilities) in entries.iter().enumerate() {
                let at = if entries.len() == 1 { String::new() } else { format!("[{}]", i + 1) };
                let states: Vec<String> =
                    labels.iter().zip(probabilities).map(|(l, p)| format!("{l} {}", short(*p))).collect();
                rows.push(vec![format!("{}{at}", program.vars[*var].name), states.join("   ")]);
            }
        }
        let head = format!("{} by {}", self.kind.sign(), self.engine);
        let evidence = self.log_evidence.map(|l| format!(", log evidence {}", short(l))).unwrap_or_default();
        format!("{}{head}{evidence}\n", table(&["variable", "probabilities"], &[false, false], &rows))
    }
}

/// Cells as lists within lists.
fn nested(cells: Vec<Value>, shape: &[usize]) -> Value {
    match shape {
        [] => cells.into_iter().next().unwrap_or_default(),
        [_] => Value::Array(cells),
        [_, inner @ ..] => {
            let width = inner.iter().product::<usize>().max(1);
            cells.chunks(width).map(|part| nested(part.to_vec(), inner)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_before_its_data() {
        assert_eq!(of_model("argmax(s | x) on unseen", "chain"), "argmax(s | x) of chain on unseen");
        assert_eq!(of_model("P(rain)", "lawn"), "P(rain) of lawn");
    }
}
