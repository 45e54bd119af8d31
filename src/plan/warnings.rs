//! What is legal and rarely meant: likelihoods that grow without a fit, parameters that the data cannot tell, sums close to what is refused.
//!
//! Reads a program and its plan, changes neither. Each warning says what to write where the thing was not meant.

use std::collections::{BTreeMap, BTreeSet};

use super::choose::{bound_by, objectives};
use super::overrides::all_blocks;
use super::plan::{Block, Engine, Plan};
use super::rules::partition::{MAX_LOG2_STATES, names};
use crate::diag::{Code, Diagnostic, Problems};
use crate::model::{
    AxisKind, Binding, DataId, DataSource, Domain, Expr, Factor, FactorKind, Group, Model, Node, Objective, Operator,
    Owner, ParamId, Program, Transform, VarId,
};

/// A sum over so many times fewer states than are refused is told of.
const NEAR_LOG2: f64 = 2.0;

/// Adds every warning to the problems.
pub fn warn(program: &Program, plan: &Plan, problems: &mut Problems) {
    learned_features(program, problems);
    sums_alone(program, problems);
    own_parameters(program, problems);
    near_limit(program, plan, problems);
}

/// A density over features that are learned with it has no maximum: the features shrink, and the density grows.
fn learned_features(program: &Program, problems: &mut Problems) {
    for train in &program.trains {
        for line in train.stages.iter().flat_map(|s| &s.lines) {
            let moved: BTreeSet<ParamId> = line.over.iter().flat_map(|group| of_nets(program, group)).collect();
            for binding in bindings(program, train.on.data) {
                let Transform::Computed(features) = &binding.transform else { continue };
                if features.params().is_disjoint(&moved) {
                    continue;
                }
                let scored = line.objective.iter().flat_map(objectives).any(|o| match o {
                    Objective::LogLik { model, targets, given } => {
                        let of = |vars: &[VarId]| vars.iter().any(|&v| program.vars[v].name == binding.name);
                        let has = bound_by(program, *model, train.on.data);
                        let open = has.iter().any(|&v| program.vars[v].name == binding.name && !program.vars[v].given);
                        (of(targets) || targets.is_empty() && open) && !of(given)
                    }
                    _ => false,
                });
                if scored {
                    let text = format!(
                        "the likelihood of `{}` has no maximum while what computes it is learned",
                        binding.name
                    );
                    problems.push(
                        Diagnostic::at(Code::LearnedFeatures, line.span, text)
                            .label(binding.span, "computed by a net, which can shrink it towards a point")
                            .help(format!(
                                "leave the net out of `over`, or condition on the features: `loglik(.. | {})`",
                                binding.name
                            )),
                    );
                }
            }
        }
    }
}

/// The parameters of nets that a line names.
fn of_nets(program: &Program, group: &Group) -> Vec<ParamId> {
    match group {
        Group::Net(net) => program.nets.get(*net).map_or(Vec::new(), |net| net.params.clone()),
        Group::Param(param) => vec![*param],
        Group::Model(_) | Group::Guide(_) => Vec::new(),
    }
}

/// What a data set binds, from wherever it has it.
fn bindings(program: &Program, data: DataId) -> Vec<&Binding> {
    let declared = &program.data[data];
    let own = declared.bindings.iter();
    match &declared.source {
        DataSource::Of(of) => {
            let before = bindings(program, of.data);
            let kept = before.into_iter().filter(|b| !declared.bindings.iter().any(|o| o.name == b.name));
            own.chain(kept).collect()
        }
        DataSource::Read { .. } | DataSource::Sample { .. } => own.collect(),
    }
}

/// Parameters that occur once in the whole program, added to one another: no data tell one from the other.
fn sums_alone(program: &Program, problems: &mut Problems) {
    let mut uses: BTreeMap<ParamId, usize> = BTreeMap::new();
    let mut sums: Vec<Vec<ParamId>> = Vec::new();
    for expr in all_exprs(program) {
        expr.visit(&mut |e| {
            if let Node::Param(id) = e.node {
                *uses.entry(id).or_default() += 1;
            }
        });
        collect_sums(expr, &mut sums);
    }
    let tied: BTreeSet<ParamId> =
        program.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.ties).flat_map(|&(a, b)| [a, b]).collect();
    let mut told: BTreeSet<(ParamId, ParamId)> = BTreeSet::new();
    for sum in sums {
        let alone = |id: &ParamId| {
            let param = &program.params[*id];
            uses.get(id) == Some(&1) && param.prior.is_none() && param.domain == Domain::Real && !tied.contains(id)
        };
        let alone: Vec<ParamId> = sum.into_iter().filter(alone).collect();
        let [first, second, ..] = alone.as_slice() else { continue };
        let (a, b) = (&program.params[*first], &program.params[*second]);
        let axes = |p: &crate::model::Param| p.axes.iter().copied().collect::<BTreeSet<_>>();
        if axes(a) == axes(b) && told.insert((*first, *second)) {
            let text = format!("only the sum of `{}` and `{}` has any effect", a.name, b.name);
            let at = if matches!(a.owner, Owner::Net(_)) { (b.span, a.span) } else { (a.span, b.span) };
            problems.push(
                Diagnostic::at(Code::Unidentified, at.0, text)
                    .label(at.1, "the other")
                    .help("leave one of them out: training ends in one of infinitely many equal pairs"),
            );
        }
    }
}

/// Every expression that adds to log p̃ or log q.
fn all_exprs(program: &Program) -> Vec<&Expr> {
    let factors = program.models.iter().flat_map(|(_, model)| {
        let guide = model.guide.iter().flat_map(|g| &g.factors);
        model.factors.iter().chain(guide)
    });
    factors.flat_map(Factor::leaves).flat_map(Factor::exprs).collect()
}

/// The parameters that stand as whole terms of each sum in an expression.
fn collect_sums(expr: &Expr, sums: &mut Vec<Vec<ParamId>>) {
    let adds = |e: &Expr| matches!(e.node, Node::Binary(Operator::Add, _, _));
    if adds(expr) {
        let (mut params, mut open) = (Vec::new(), vec![expr]);
        while let Some(e) = open.pop() {
            match &e.node {
                Node::Binary(Operator::Add, a, b) => open.extend([b.as_ref(), a.as_ref()]),
                Node::Param(id) => params.push(*id),
                _ => collect_sums(e, sums),
            }
        }
        sums.push(params);
        return;
    }
    for child in expr.children() {
        collect_sums(child, sums);
    }
}

/// A simplex or a covariance that each row draws for itself and reads once says nothing that could be learned: what was meant is one for
/// all rows.
fn own_parameters(program: &Program, problems: &mut Problems) {
    let trained = program.trains.iter().flat_map(|t| t.models.iter().map(|&m| (m, t.on.data)));
    let mut told: BTreeSet<VarId> = BTreeSet::new();
    for (id, data) in trained {
        let model = &program.models[id];
        let known = bound_by(program, id, data);
        for factor in &model.factors {
            let FactorKind::Conditional { target, .. } = &factor.kind else { continue };
            let var = &program.vars[target.var];
            let lonely = matches!(var.domain, Domain::Simplex | Domain::Cov)
                && !known.contains(&target.var)
                && factor.reads().is_empty()
                && !over_rows(program, model)
                && read_once(program, model, target.var);
            if lonely && told.insert(target.var) {
                problems.push(
                    Diagnostic::at(
                        Code::RowOwnParameter,
                        factor.span,
                        format!("every row draws a `{}` of its own and reads it once", var.name),
                    )
                    .help(format!(
                        "for one that all rows share write `for r in Row {{ .. }}` around what is drawn for each row, or `param {}: ..`",
                        var.name
                    )),
                );
            }
        }
    }
}

/// Whether a model spells out its loop over the rows.
fn over_rows(program: &Program, model: &Model) -> bool {
    let rows = |f: &Factor| f.plates.iter().any(|&i| program.axes[program.plate(i)].kind == AxisKind::Rows);
    model.factors.iter().any(rows)
}

/// Whether one draw a row is all that reads a variable: a single state, or with a covariance a single vector.
fn read_once(program: &Program, model: &Model, var: VarId) -> bool {
    let mut readers = model.factors.iter().filter(|f| f.reads().iter().any(|r| r.var == var));
    let (Some(only), None) = (readers.next(), readers.next()) else { return false };
    let FactorKind::Conditional { target, .. } = &only.kind else { return false };
    let reader = &program.vars[target.var];
    let single = reader.event.is_empty() && matches!(reader.domain, Domain::Cat(_) | Domain::Bool);
    only.plates.is_empty() && (single || program.vars[var].domain == Domain::Cov)
}

/// Sums of so many states that a few more would be refused.
fn near_limit(program: &Program, plan: &Plan, problems: &mut Problems) {
    let mut told: BTreeSet<&[VarId]> = BTreeSet::new();
    for block in all_blocks(plan) {
        let Engine::Enumeration { kept, .. } = &block.engine else { continue };
        let Some(bits) = log2_states(program, block, kept).filter(|b| *b > MAX_LOG2_STATES - NEAR_LOG2) else {
            continue;
        };
        if !told.insert(&block.vars) {
            continue;
        }
        let Some(at) = kept.first().map(|&v| program.vars[v].span) else { continue };
        let states = names(program, kept);
        let text = format!(
            "2^{bits:.0} joint states of {states} are summed, and more than 2^{MAX_LOG2_STATES:.0} are refused"
        );
        problems.push(
            Diagnostic::at(Code::NearLimit, at, text)
                .help("it takes time and memory for each row; a few units or states more need another engine"),
        );
    }
}

/// log₂ of the joint states of some variables of a block, at one position of its plates.
fn log2_states(program: &Program, block: &Block, vars: &[VarId]) -> Option<f64> {
    let mut bits = 0.0;
    for &var in vars {
        let declared = &program.vars[var];
        let axes: Vec<_> = declared.axes().into_iter().filter(|a| !block.plates.contains(a)).collect();
        let entries: usize = program.extents(&axes)?.iter().product();
        let states = match declared.domain {
            Domain::Cat(axis) => program.axes.extent(axis)?,
            _ => 2,
        };
        bits += entries as f64 * (states as f64).log2();
    }
    Some(bits)
}
