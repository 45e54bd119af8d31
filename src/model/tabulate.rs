//! A discrete model as a network of tables: each statement evaluated at every joint state of what it reads.
//!
//! In: a checked program whose model has single discrete variables and numbers that are known. Out: a [`Network`], or what of the model is no
//! table. The arithmetic is that of `evaluate`; probabilities that stand in the file are taken as they stand.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use super::evaluate::{EvaluateError, Values, expression_value, factor_value};
use super::expr::{Expr, Function, Node};
use super::family::{Arg, Dist, Family};
use super::network::{NetFactor, NetVariable, Network};
use super::program::{Domain, Factor, FactorKind, ModelId, Program, VarId};
use crate::base::places::unravel;
use crate::diag::{Code, Diagnostic};

/// Joint states that one table may have.
const MOST_CELLS: usize = 1 << 20;

/// The model's variables with a table for each of its statements. It is directed where every statement is the conditional of a variable.
///
/// # Errors
/// E0606 for what is no table: repeated or continuous variables, learned parameters, normalised parts.
pub fn tabulate(program: &Program, model: ModelId) -> Result<Network, Diagnostic> {
    let declared = &program.models[model];
    let mut network = Network { name: declared.name.clone(), directed: true, ..Network::default() };
    let mut place: BTreeMap<VarId, usize> = BTreeMap::new();
    for &var in &declared.vars {
        let it = &program.vars[var];
        let refuse = |what: &str| {
            Diagnostic::at(Code::NotSupported, it.span, format!("`{}` {what}", it.name))
                .help("what is exported has single discrete variables, each with a distribution of its own")
        };
        if it.given {
            return Err(refuse("is given, and a network says how everything comes about"));
        }
        if !it.axes().is_empty() {
            return Err(refuse("has axes, and a network has single variables"));
        }
        let states = states(program, &it.domain).ok_or_else(|| refuse("is not discrete, and tables are finite"))?;
        place.insert(var, network.variables.len());
        network.variables.push(NetVariable { name: it.name.clone(), states, properties: Vec::new() });
    }
    for factor in &declared.factors {
        let table = table(program, model, factor, &network, &place)?;
        network.directed &= table.child.is_some();
        network.factors.push(table);
    }
    let every = |v: usize| network.factors.iter().filter(|f| f.child == Some(v)).count() == 1;
    network.directed &= (0..network.variables.len()).all(every);
    if !network.directed {
        network.factors.iter_mut().for_each(|f| f.child = None);
    }
    Ok(network)
}

/// The names of a discrete domain's states.
fn states(program: &Program, domain: &Domain) -> Option<Vec<String>> {
    let words = |list: [&str; 2]| Some(list.map(str::to_string).to_vec());
    match domain {
        Domain::Bool => words(["no", "yes"]),
        Domain::Spin => words(["down", "up"]),
        Domain::Cat(axis) => {
            let count = program.axes.extent(*axis)?;
            Some(match program.axes.labels(*axis) {
                Some(labels) => labels.to_vec(),
                None => (1..=count).map(|s| s.to_string()).collect(),
            })
        }
        _ => None,
    }
}

/// A state as the evaluator has it.
fn number(domain: &Domain, state: usize) -> f64 {
    if *domain == Domain::Spin { 2.0 * state as f64 - 1.0 } else { state as f64 }
}

fn table(
    program: &Program,
    model: ModelId,
    factor: &Factor,
    network: &Network,
    place: &BTreeMap<VarId, usize>,
) -> Result<NetFactor, Diagnostic> {
    let refuse =
        |what: &str, help: &str| Err(Diagnostic::at(Code::NotSupported, factor.span, what.to_string()).help(help));
    if !factor.plates.is_empty() {
        return refuse("a loop is no table", "write the repeated statements out");
    }
    if let Some(&param) = factor.params().iter().next() {
        let name = &program.params[param].name;
        return refuse(&format!("`{name}` is a parameter, and a table holds numbers"), "write its value in its place");
    }
    let child = match &factor.kind {
        FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } => Some(target.var),
        FactorKind::Potential(_) => None,
        FactorKind::Undirected { .. } => {
            return refuse("a part with factors of its own is no table", "write its terms as factors of this model");
        }
    };
    // In the order in which the statement reads them, which is that of its table.
    let mut scope: Vec<VarId> = Vec::new();
    for var in factor.reads().into_iter().map(|r| r.var).chain(factor.scope()) {
        if Some(var) != child && !scope.contains(&var) {
            scope.push(var);
        }
    }
    scope.extend(child);
    let positions: Vec<usize> = scope.iter().filter_map(|v| place.get(v).copied()).collect();
    if positions.len() < scope.len() {
        return refuse("this reads what is no variable of the model", "write the model without it");
    }
    let cards: Vec<usize> = positions.iter().map(|&v| network.variables[v].states.len()).collect();
    let cells = cards.iter().try_fold(1usize, |n, &c| n.checked_mul(c)).filter(|n| *n <= MOST_CELLS);
    let Some(cells) = cells else {
        return refuse(
            "this table would have more than a million entries",
            "let fewer variables meet in one statement",
        );
    };
    let mut values = Values::default();
    let mut table = Vec::with_capacity(cells);
    for at in 0..cells {
        let joint = unravel(at, &cards);
        for (var, &state) in scope.iter().zip(&joint) {
            let value = number(&program.vars[*var].domain, state);
            values.vars.insert(*var, ArrayD::from_elem(IxDyn(&[]), value));
        }
        let value = cell(program, model, factor, joint.last().copied().unwrap_or(0), &values).map_err(|e| {
            Diagnostic::at(Code::NotSupported, factor.span, format!("this has no value at some joint state: {e}"))
                .help("what is exported has a value at every joint state of its variables")
        })?;
        if !value.is_finite() || value < 0.0 {
            return refuse("this is infinite at some joint state", "a table holds finite numbers");
        }
        table.push(value);
    }
    let child = child.map(|v| place[&v]);
    Ok(NetFactor { scope: positions, child, values: table, properties: Vec::new() })
}

/// One number of a table: a probability that stands in the file as it stands, else the exponential of what the statement adds.
fn cell(
    program: &Program,
    model: ModelId,
    factor: &Factor,
    state: usize,
    values: &Values,
) -> Result<f64, EvaluateError> {
    let read = |e: &Expr, at: &[usize]| expression_value(program, model, e, at, values);
    match &factor.kind {
        FactorKind::Conditional { dist: Dist { family: Family::Bernoulli, args }, .. } => {
            if let Some((_, p)) = args.iter().find(|(role, e)| *role == Arg::P && e.ty.axes.is_empty()) {
                let p = read(p, &[])?;
                return Ok(if state == 1 { p } else { 1.0 - p });
            }
        }
        FactorKind::Conditional { dist: Dist { family: Family::Categorical, args }, .. } => {
            if let Some((_, p)) = args.iter().find(|(role, e)| *role == Arg::P && e.ty.axes.len() == 1) {
                return read(p, &[state]);
            }
        }
        FactorKind::Potential(Expr { node: Node::Call(Function::Log, inner), .. }) if inner.ty.axes.is_empty() => {
            return read(inner, &[]);
        }
        _ => {}
    }
    Ok(factor_value(program, model, factor, values)?.exp())
}
