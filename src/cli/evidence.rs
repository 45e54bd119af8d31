//! Evidence from a JSON file or from JSON on the command line: `{"wet": "yes", "x3": 1}`, or a list of such objects, as variables held fixed.

use std::path::Path;

use ghmc::diag::{Code, Diagnostic, nearest};
use ghmc::model::{Domain, Evidence, EvidenceValue, ModelId, Program, VarId};
use ghmc::train::labels::state_labels;
use serde_json::{Map, Value};

use super::open::read_text;
use super::trouble::Trouble;

/// Several pieces of evidence, and whether they came as a list.
pub struct EvidenceFile {
    /// One entry a question.
    pub cases: Vec<Map<String, Value>>,
    /// Whether the answers are a list too.
    pub list: bool,
}

/// Reads a file of evidence.
pub fn read_evidence(path: &Path) -> Result<EvidenceFile, Trouble> {
    // What begins as JSON does is no path.
    let inline = path.to_str().map(str::trim_start).filter(|t| t.starts_with(['{', '[']));
    let text = match inline {
        Some(text) => text.to_string(),
        None => read_text(path)?,
    };
    let wrong = |what: String| {
        let message = format!("`{}` {what}", path.display());
        Trouble::of(Diagnostic::new(Code::BadEvidence, message).help(
            "write an object of variables and values, `{\"wet\": \"yes\", \"x3\": 1}`, or a list of such objects",
        ))
    };
    let value: Value = serde_json::from_str(&text).map_err(|e| wrong(format!("is not JSON: {e}")))?;
    let object = |value: Value| match value {
        Value::Object(map) => Ok(map),
        _ => Err(wrong("holds something that is not an object".to_string())),
    };
    match value {
        Value::Array(list) => {
            Ok(EvidenceFile { cases: list.into_iter().map(object).collect::<Result<_, _>>()?, list: true })
        }
        other => Ok(EvidenceFile { cases: vec![object(other)?], list: false }),
    }
}

/// The evidence on a model's variables; `null` leaves a variable free.
pub fn model_evidence(program: &Program, model: ModelId, case: &Map<String, Value>) -> Result<Vec<Evidence>, Trouble> {
    let vars = &program.models[model].vars;
    let mut evidence = Vec::new();
    for (name, value) in case.iter().filter(|(_, v)| !v.is_null()) {
        let Some(&var) = vars.iter().find(|&&v| program.vars[v].name == *name) else {
            let known = vars.iter().map(|&v| program.vars[v].name.as_str());
            let message = format!("the model `{}` has no variable `{name}`", program.models[model].name);
            let help = match nearest(name, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(Trouble::of(Diagnostic::new(Code::BadEvidence, message).help(help)));
        };
        evidence.push(Evidence { var, value: fixed_value(program, var, value)?, intervention: false });
    }
    Ok(evidence)
}

fn fixed_value(program: &Program, var: VarId, value: &Value) -> Result<EvidenceValue, Trouble> {
    let declared = &program.vars[var];
    let name = &declared.name;
    let wrong = |message: String, help: String| Trouble::of(Diagnostic::new(Code::BadEvidence, message).help(help));
    if !declared.axes().is_empty() {
        return Err(wrong(
            format!("`{name}` has many entries, and evidence from a file holds single variables so far"),
            "bind it as data and ask `on` that".to_string(),
        ));
    }
    if !declared.domain.is_discrete() {
        let Some(number) = value.as_f64() else {
            return Err(wrong(
                format!("`{name}` is a number, and the evidence is {value}"),
                "give a number".to_string(),
            ));
        };
        return Ok(EvidenceValue::Number(number));
    }
    let labels = state_labels(program, &declared.domain);
    let word = match (value, &declared.domain) {
        (Value::Bool(b), Domain::Bool) => if *b { "yes" } else { "no" }.to_string(),
        (Value::Number(n), Domain::Bool) if n.as_u64() == Some(0) => "no".to_string(),
        (Value::Number(n), Domain::Bool) if n.as_u64() == Some(1) => "yes".to_string(),
        (Value::Number(n), Domain::Spin) if n.as_f64() == Some(-1.0) => "down".to_string(),
        (Value::Number(n), Domain::Spin) if n.as_f64() == Some(1.0) => "up".to_string(),
        (Value::Number(n), _) => n.to_string(),
        (Value::String(s), _) => s.clone(),
        _ => value.to_string(),
    };
    match labels.iter().position(|l| *l == word) {
        Some(state) => Ok(EvidenceValue::State(state)),
        None => {
            let help = match nearest(&word, labels.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its states are {}", labels.join(", ")),
            };
            Err(wrong(format!("`{word}` is not a state of `{name}`"), help))
        }
    }
}
