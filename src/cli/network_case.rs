//! The evidence that a question to a network is asked under: variables held at states, and weights on the states of others.
//!
//! In: a file of evidence, JSON or UAI's, or JSON on the command line, and what the question holds. Out: cases by position.

use std::path::Path;

use ghmc::base::span::Sources;
use ghmc::data::network::read_uai_evidence;
use ghmc::diag::{Code, Diagnostic};
use ghmc::engine::junction::Soft;
use ghmc::model::Network;
use serde_json::{Map, Value};

use super::ask_network::{state_of, variable_of};
use super::evidence::read_evidence;
use super::trouble::Trouble;

/// One set of evidence, by position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// Variables held, and the states they are held at.
    pub held: Vec<(usize, usize)>,
    /// Weights of a variable's states: how likely what was seen is in each.
    pub soft: Vec<Soft>,
}

/// The cases of a file of evidence, and whether they came as a list.
pub fn evidence(path: &Path, network: &Network) -> Result<(Vec<Case>, bool), Trouble> {
    let name = path.to_string_lossy().to_lowercase();
    if name.trim_end_matches(".gz").ends_with(".evid") {
        let mut sources = Sources::default();
        let cases = read_uai_evidence(path, network, &mut sources).map_err(|d| Trouble::within(&sources, d))?;
        let list = cases.len() != 1;
        return Ok((cases.into_iter().map(|held| Case { held, soft: Vec::new() }).collect(), list));
    }
    let file = read_evidence(path)?;
    let mut cases = Vec::new();
    for given in &file.cases {
        let mut case = Case::default();
        for (name, value) in given.iter().filter(|(_, v)| !v.is_null()) {
            let variable = variable_of(network, name)?;
            match value {
                Value::Object(weights) => case.soft.push((variable, likelihood(network, variable, weights)?)),
                other => case.held.push((variable, state(network, variable, other)?)),
            }
        }
        cases.push(case);
    }
    Ok((cases, file.list))
}

/// A state by its name; a truth value also by what a network may call it.
fn state(network: &Network, variable: usize, value: &Value) -> Result<usize, Trouble> {
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
    state_of(network, variable, &word)
}

/// A weight for each state; states that are not named have none.
fn likelihood(network: &Network, variable: usize, given: &Map<String, Value>) -> Result<Vec<f64>, Trouble> {
    let declared = &network.variables[variable];
    let mut weights = vec![0.0; declared.states.len()];
    for (name, value) in given {
        let at = state_of(network, variable, name)?;
        weights[at] = match value.as_f64().filter(|w| *w >= 0.0 && w.is_finite()) {
            Some(weight) => weight,
            None => {
                let message = format!("the weight of `{name}` of `{}` is {value}", declared.name);
                return Err(Trouble::of(Diagnostic::new(Code::BadEvidence, message).help("weights are 0 or more")));
            }
        };
    }
    if weights.iter().all(|w| *w == 0.0) {
        let message = format!("no state of `{}` has a weight", declared.name);
        return Err(Trouble::of(
            Diagnostic::new(Code::BadEvidence, message)
                .help("give each state how likely what was seen is in it: {\"yes\": 0.9, \"no\": 0.2}"),
        ));
    }
    Ok(weights)
}

/// Evidence together; a variable held twice must be held alike.
pub fn joined(network: &Network, pairs: impl Iterator<Item = (usize, usize)>) -> Result<Vec<(usize, usize)>, Trouble> {
    let mut held: Vec<(usize, usize)> = Vec::new();
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
