//! The networks of a run's report: discrete models whose questions hold something fixed, with the probabilities of all their variables
//! as bars in the nodes, before and after.

use std::collections::BTreeMap;

use ghmc::model::{
    Ask, Domain, Evidence, EvidenceValue, FactorKind, ModelId, Moment, Program, Question, Subject, VarId, Verb,
};
use ghmc::pipeline::Trained;
use ghmc::plan::choose_ask;
use ghmc::report::NetworkFigure;
use ghmc::report::drawing::{BarNode, bars};
use ghmc::train::AnswerValue;
use ghmc::train::labels::state_labels;

/// Networks that are drawn, the first ones asked about.
const DRAWN: usize = 4;
/// A network of more variables is no picture that can be read on a page.
const VARIABLES: usize = 40;

/// A drawing for each model and what its questions hold fixed. What cannot be answered is not drawn.
pub fn network_figures(trained: &mut Trained) -> Vec<NetworkFigure> {
    let program = trained.compiled().program().clone();
    let mut seen: Vec<(ModelId, Vec<Evidence>)> = Vec::new();
    let mut figures = Vec::new();
    for ask in &program.asks {
        let Subject::Model(model) = ask.of else { continue };
        let (Question::Probability { evidence, .. }
        | Question::Argmax { evidence, .. }
        | Question::Mean { evidence, .. }) = &ask.question
        else {
            continue;
        };
        let fixed = |e: &Evidence| matches!(e.value, EvidenceValue::State(_));
        let case = (model, evidence.clone());
        if evidence.is_empty() || !evidence.iter().all(fixed) || !is_network(&program, model) || seen.contains(&case) {
            continue;
        }
        seen.push(case);
        if figures.len() == DRAWN {
            break;
        }
        figures.extend(drawn(trained, &program, ask, model, evidence));
    }
    figures
}

/// Whether a model has single discrete variables alone, and not too many.
fn is_network(program: &Program, model: ModelId) -> bool {
    let vars = &program.models[model].vars;
    let single = |v: &VarId| {
        let declared = &program.vars[*v];
        declared.domain.is_discrete() && declared.axes().is_empty() && !declared.given
    };
    vars.len() <= VARIABLES && vars.iter().all(single)
}

fn drawn(
    trained: &mut Trained,
    program: &Program,
    ask: &Ask,
    model: ModelId,
    evidence: &[Evidence],
) -> Option<NetworkFigure> {
    let vars = &program.models[model].vars;
    let held: BTreeMap<VarId, usize> = evidence
        .iter()
        .filter_map(|e| if let EvidenceValue::State(state) = e.value { Some((e.var, state)) } else { None })
        .collect();
    let before = marginals(trained, program, ask, vars, &[])?;
    let open: Vec<VarId> = vars.iter().copied().filter(|v| !held.contains_key(v)).collect();
    let after = match open.is_empty() {
        true => BTreeMap::new(),
        false => marginals(trained, program, ask, &open, evidence)?,
    };
    let node = |var: &VarId| {
        let declared = &program.vars[*var];
        let states = state_labels(program, &declared.domain);
        let certain = |state: usize| (0..states.len()).map(|s| f64::from(u8::from(s == state))).collect();
        let after = held.get(var).map(|&state| certain(state)).or_else(|| after.get(var).cloned());
        let before = before.get(var).cloned().unwrap_or_default();
        BarNode { name: declared.name.clone(), before, after, told: held.contains_key(var), states }
    };
    let nodes: Vec<BarNode> = vars.iter().map(node).collect();
    let place = |var: VarId| vars.iter().position(|&v| v == var);
    let (mut edges, mut directed) = (Vec::new(), true);
    for factor in &program.models[model].factors {
        let scope: Vec<usize> = factor.scope().into_iter().filter_map(place).collect();
        match &factor.kind {
            FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } => {
                let to = place(target.var)?;
                // What is set from outside no longer hangs on what is above it.
                let cut = evidence.iter().any(|e| e.intervention && e.var == target.var);
                edges.extend(scope.iter().filter(|&&from| from != to && !cut).map(|&from| (from, to)));
            }
            FactorKind::Potential(_) | FactorKind::Undirected { .. } => {
                directed = false;
                for (i, &a) in scope.iter().enumerate() {
                    edges.extend(scope[i + 1..].iter().map(|&b| (a, b)));
                }
            }
        }
    }
    edges.sort_unstable();
    edges.dedup();
    let told: Vec<String> = held
        .iter()
        .map(|(&var, &state)| {
            let declared = &program.vars[var];
            format!("{} = {}", declared.name, state_labels(program, &declared.domain)[state])
        })
        .collect();
    let svg = bars(&nodes, &edges, directed)?;
    Some(NetworkFigure { title: program.models[model].name.clone(), note: format!("given {}", told.join(", ")), svg })
}

/// The probabilities of each variable's states given evidence, by the engine that the question has.
fn marginals(
    trained: &mut Trained,
    program: &Program,
    ask: &Ask,
    vars: &[VarId],
    evidence: &[Evidence],
) -> Option<BTreeMap<VarId, Vec<f64>>> {
    let question = Question::Mean { targets: vars.to_vec(), evidence: evidence.to_vec(), moment: Moment::Mean };
    let asked = Ask { verb: Verb::Query, question, on: None, row: None, place: None, times: None, ..ask.clone() };
    let plan = choose_ask(program, &asked).ok()?;
    let AnswerValue::Entries(entries) = trained.answer(program, &plan).ok()?.value else { return None };
    let shares = vars.iter().map(|&var| {
        let found = entries.iter().find(|e| e.name == program.vars[var].name)?;
        let one = found.values.first().copied()?;
        let shares = match program.vars[var].domain {
            Domain::Bool => vec![1.0 - one, one],
            Domain::Spin => vec![0.5 * (1.0 - one), 0.5 * (1.0 + one)],
            _ => found.values.clone(),
        };
        Some((var, shares))
    });
    shares.collect()
}
