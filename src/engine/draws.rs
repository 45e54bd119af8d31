//! Draws: what is tied together at once by an exact engine, then a model's factors in order, parents first; undirected parts by block Gibbs.

use std::collections::BTreeMap;

use super::error::EmitError;
use super::exact::{Energy, Mode, Tilts, factors_of, log_partition, tilt_labels};
use super::gibbs::{Frame, draw_start, sweep_many};
use super::scope::{Scope, Walk};
use super::update::Opening;
use super::variational::{Conditional, entry_labels, lifted_args, no_sampler};
use crate::dist::{Label, Named, Value, draw, mean};
use crate::model::{AxisId, Factor, FactorKind, Program, VarId};
use crate::plan::{Block, Draws, Partition, PieceRef, Resampled};
use crate::tensor::graph::Graph;
use crate::tensor::op::SiteId;

/// Sites of draws lie apart from those of training and answers.
const FIRST_SITE: SiteId = 1 << 29;

/// Outputs by name: `[row, axes]` draws of each variable that is not an input (`[row, axes, states]` one-hot for an
/// enumeration); and `mean.<name>` where a variable has a parent's-value mean: what a picture of it shows.
pub fn draws(program: &Program, plan: &Draws, rows: usize, keep: &[VarId]) -> Result<Graph, EmitError> {
    let opening =
        Opening { program, rows: Some(rows), inputs: &plan.fixed, partial: &[], ties: &[], first_site: FIRST_SITE };
    let mut scope = opening.scope()?;
    let model = &program.models[plan.model];
    if let Some(partition) = &plan.posterior {
        draw_posterior(&mut scope, partition)?;
    }
    if let Some(swept) = &plan.potentials {
        let free: Vec<VarId> = swept.sweep.iter().flat_map(Resampled::vars).copied().collect();
        draw_start(&mut scope, &free)?;
        let energy = Energy::Pieces(factors_of(&scope, plan.model, &swept.pieces));
        sweep_many(&mut scope, &swept.sweep, &energy, swept.sweeps)?;
    }
    let recurrences = find_recurrences(&model.factors, &plan.order);
    for &position in &plan.order {
        let factor = &model.factors[position];
        match &factor.kind {
            FactorKind::Conditional { target, .. } => {
                if plan.fixed.contains(&target.var) || scope.values.contains_key(&target.var) {
                    continue;
                }
                let cluster = recurrences.iter().find(|c| c.contains(&position));
                match cluster {
                    Some(cluster) => draw_recurrence(&mut scope, &model.factors, cluster)?,
                    None => draw_lifted(&mut scope, factor, keep)?,
                }
            }
            FactorKind::Undirected { .. } => {
                let Some((_, sweeps, sets)) = plan.gibbs.iter().find(|g| g.0 == position) else { continue };
                let free: Vec<VarId> = sets.iter().flat_map(Resampled::vars).copied().collect();
                draw_start(&mut scope, &free)?;
                let refs: Vec<PieceRef> = (0..factor.leaves().len()).map(|leaf| PieceRef { position, leaf }).collect();
                let energy = Energy::Pieces(factors_of(&scope, plan.model, &refs));
                sweep_many(&mut scope, sets, &energy, *sweeps)?;
            }
            FactorKind::Deterministic { target, .. } if scope.values.contains_key(&target.var) => {}
            FactorKind::Deterministic { target, value } => {
                let defined = scope.value(value)?;
                let mut array = defined.array().clone();
                for &index in &factor.plates {
                    let (from, to) = (scope.index(index)?, scope.axis(program.plate(index))?);
                    array = scope.space.rename(&array, from, to);
                }
                set_aligned(&mut scope, target.var, &defined, array)?;
            }
            FactorKind::Potential(_) => {}
        }
    }
    for &var in keep {
        let Some(value) = scope.values.get(&var).cloned() else { continue };
        let labels = tilt_labels(&mut scope, var)?;
        let array = scope.space.align(value.array(), &labels);
        scope.space.graph.output(&program.vars[var].name, array.node);
    }
    Ok(scope.space.graph)
}

/// Draws the latent variables of a partition, block after block.
fn draw_posterior(scope: &mut Scope<'_>, partition: &Partition) -> Result<(), EmitError> {
    for block in &partition.blocks {
        let energy = Energy::Pieces(factors_of(scope, partition.model, &block.pieces));
        draw_block(scope, block, &energy)?;
    }
    Ok(())
}

/// Draws the variables of a block: what its log-partition's derivative in their tilts is when every sum is one draw.
pub(super) fn draw_block(scope: &mut Scope<'_>, block: &Block, energy: &Energy<'_>) -> Result<(), EmitError> {
    let program = scope.program;
    let mut tilts = Tilts::new();
    let defines =
        |f: &&Factor, var: VarId| matches!(&f.kind, FactorKind::Deterministic { target, .. } if target.var == var);
    let factors = energy.factors().unwrap_or_default();
    // What is defined is computed from the draws of the others.
    let vars: Vec<VarId> = block.vars.iter().copied().filter(|&v| !factors.iter().any(|f| defines(f, v))).collect();
    for &var in &vars {
        let labels = tilt_labels(scope, var)?;
        let tilt = scope.space.input(&format!("tilt.{}", program.vars[var].name), &labels);
        tilts.insert(var, tilt);
    }
    let value = log_partition(scope, block, energy, &tilts, Mode::Sample)?;
    let wrt: Vec<Named> = vars.iter().map(|v| tilts[v].clone()).collect();
    let found = scope.space.gradient(&value, &wrt);
    let pairs: Vec<(Named, Named)> =
        wrt.iter().map(|tilt| (tilt.clone(), scope.space.full(&tilt.labels, 0.0))).collect();
    let found = scope.space.replace(&found, &pairs);
    for (&var, drawn) in vars.iter().zip(&found) {
        let drawn = scope.space.stop(drawn);
        let value = match scope.class(var)? {
            Some(class) => Value::State { hot: drawn, class, along: None },
            None => Value::Number(drawn),
        };
        scope.values.insert(var, value);
    }
    Ok(())
}

/// Sets of conditionals that read each other along a plate (`s[t]` reads `s[t-1]`), each in the order drawn.
fn find_recurrences(factors: &[Factor], order: &[usize]) -> Vec<Vec<usize>> {
    let mut graph = petgraph::graph::DiGraph::<usize, ()>::new();
    let nodes: Vec<_> = order.iter().map(|&p| graph.add_node(p)).collect();
    for (i, &child) in order.iter().enumerate() {
        for (j, &parent) in order.iter().enumerate() {
            let targets = factors[parent].targets();
            if factors[child].reads().iter().any(|r| targets.contains(&r.var)) {
                graph.add_edge(nodes[j], nodes[i], ());
            }
        }
    }
    let mut found = Vec::new();
    for component in petgraph::algo::tarjan_scc(&graph) {
        let positions: Vec<usize> = component.iter().map(|&n| graph[n]).collect();
        let own = component.len() == 1 && graph.find_edge(component[0], component[0]).is_none();
        if !own && positions.iter().all(|&p| !factors[p].plates.is_empty()) {
            found.push(order.iter().copied().filter(|p| positions.contains(p)).collect());
        }
    }
    found
}

/// Draws every instance of a variable at once.
fn draw_lifted(scope: &mut Scope<'_>, factor: &Factor, keep: &[VarId]) -> Result<(), EmitError> {
    let FactorKind::Conditional { target, dist } = &factor.kind else { return Ok(()) };
    let var = target.var;
    let args = lifted_args(scope, Conditional { factor, dist })?;
    let form = scope.form(dist.family, var)?;
    if keep.contains(&var)
        && let Some(mean) = mean(&mut scope.space, form, &args)
    {
        let labels = tilt_labels(scope, var)?;
        let mean = scope.space.align(mean.array(), &labels);
        scope.space.graph.output(&format!("mean.{}", scope.program.vars[var].name), mean.node);
    }
    let labels = entry_labels(scope, var)?;
    let value = draw(&mut scope.space, form, &args, &labels).ok_or_else(|| no_sampler(scope, var, dist))?;
    let value = value.through(|a| scope.space.stop(a));
    scope.values.insert(var, value);
    Ok(())
}

/// Draws variables that depend on their own past, a position after the other.
fn draw_recurrence(scope: &mut Scope<'_>, factors: &[Factor], cluster: &[usize]) -> Result<(), EmitError> {
    let program = scope.program;
    let vars: Vec<VarId> = cluster.iter().flat_map(|&p| factors[p].targets()).collect();
    let shared = program.vars[vars[0]].index.iter().copied();
    let mut shared: Vec<AxisId> = shared.filter(|a| vars.iter().all(|v| program.vars[*v].index.contains(a))).collect();
    let (Some(along), true) = (shared.pop(), shared.is_empty()) else {
        return Err(EmitError::at(
            factors[cluster[0]].span,
            "draws of a recurrence inside more than one plate are not built yet",
            "draw it with the outer plate as rows of the data",
        ));
    };
    let time = scope.axis(along)?;
    let length = scope.space.extent(time);
    // Values that are already known and vary along the plate are read a position at a time.
    let around: Vec<(VarId, Value)> =
        scope.values.iter().filter(|(_, v)| v.array().has(time)).map(|(k, v)| (*k, v.clone())).collect();
    let outer = scope.walk.take();
    let here = around.iter().map(|(k, v)| (*k, v.through(|a| scope.space.at(a, time, 0)))).collect();
    scope.walk = Some(Walk { along, here, before: BTreeMap::new(), first: true });
    let first = draw_position(scope, factors, cluster)?;
    let mut columns: Vec<Value> = Vec::new();
    if length > 1 {
        let steps = scope.space.label(length - 1);
        let mut sequences = Vec::new();
        let mut layouts: Vec<Vec<Label>> = Vec::new();
        for (_, value) in &around {
            let shifted = scope.space.shift(value.array(), time, -1);
            for array in [value.array().clone(), shifted] {
                let cut = scope.space.stretch(&array, time, 1, steps);
                let rest: Vec<Label> = cut.labels.iter().copied().filter(|&l| l != steps).collect();
                let labels: Vec<Label> = [steps].into_iter().chain(rest.iter().copied()).collect();
                sequences.push(scope.space.align(&cut, &labels).node);
                layouts.push(rest);
            }
        }
        let frame = Frame::of(scope, &vars);
        let carry: Vec<_> = first.iter().map(|v| v.array().node).collect();
        let constants = frame.nodes();
        let mut graph = std::mem::take(&mut scope.space.graph);
        let mut failure = None;
        let found = graph.scan_with(length - 1, false, &carry, &sequences, &constants, |body, _, c, x, k| {
            std::mem::swap(&mut scope.space.graph, body);
            frame.enter(scope, k);
            let mut here = BTreeMap::new();
            let mut before = BTreeMap::new();
            for (i, (var, value)) in around.iter().enumerate() {
                let named = |j: usize| Named { node: x[2 * i + j], labels: layouts[2 * i + j].clone() };
                here.insert(*var, value.through(|_| named(0)));
                before.insert(*var, value.through(|_| named(1)));
            }
            for ((var, value), &node) in vars.iter().zip(&first).zip(c) {
                let labels = value.array().labels.clone();
                before.insert(*var, value.through(|_| Named { node, labels }));
            }
            scope.walk = Some(Walk { along, here, before, first: false });
            let drawn = draw_position(scope, factors, cluster);
            std::mem::swap(&mut scope.space.graph, body);
            match drawn {
                Ok(values) => {
                    let nodes: Vec<_> = values.iter().map(|v| v.array().node).collect();
                    (nodes.clone(), nodes)
                }
                Err(error) => {
                    failure.get_or_insert(error);
                    (c.to_vec(), c.to_vec())
                }
            }
        });
        scope.space.graph = graph;
        frame.leave(scope);
        if let Some(error) = failure {
            scope.walk = outer;
            return Err(error);
        }
        for (value, &node) in first.iter().zip(&found[vars.len()..]) {
            let labels: Vec<Label> = [steps].into_iter().chain(value.array().labels.iter().copied()).collect();
            columns.push(value.through(|_| Named { node, labels }));
        }
        for ((var, start), rest) in vars.iter().zip(&first).zip(&columns) {
            let slim = scope.space.label(1);
            let labels: Vec<Label> = [slim].into_iter().chain(start.array().labels.iter().copied()).collect();
            let start_array = scope.space.align(start.array(), &labels);
            let whole = scope.space.concat(&[(start_array, slim), (rest.array().clone(), steps)], time);
            set_aligned(scope, *var, start, whole)?;
        }
    } else {
        for (var, start) in vars.iter().zip(&first) {
            set_aligned(scope, *var, start, start.array().clone())?;
        }
    }
    scope.walk = outer;
    Ok(())
}

fn set_aligned(scope: &mut Scope<'_>, var: VarId, like: &Value, array: Named) -> Result<(), EmitError> {
    let labels = tilt_labels(scope, var)?;
    let array = scope.space.align(&array, &labels);
    scope.values.insert(var, like.through(|_| array));
    Ok(())
}

/// Draws each variable of a recurrence at the position of the walk, which learns their values.
fn draw_position(scope: &mut Scope<'_>, factors: &[Factor], cluster: &[usize]) -> Result<Vec<Value>, EmitError> {
    let mut drawn = Vec::new();
    for &position in cluster {
        let FactorKind::Conditional { target, dist } = &factors[position].kind else { continue };
        let var = target.var;
        let args = lifted_args(scope, Conditional { factor: &factors[position], dist })?;
        let form = scope.form(dist.family, var)?;
        let along = scope.walk.as_ref().map(|w| w.along);
        let axes: Vec<AxisId> = scope.program.vars[var].axes().into_iter().filter(|a| Some(*a) != along).collect();
        let mut labels: Vec<Label> = scope.row.into_iter().collect();
        labels.extend(scope.axis_labels(&axes)?);
        let value = draw(&mut scope.space, form, &args, &labels).ok_or_else(|| no_sampler(scope, var, dist))?;
        let value = value.through(|a| scope.space.stop(a));
        if let Some(walk) = &mut scope.walk {
            walk.here.insert(var, value.clone());
        }
        drawn.push(value);
    }
    Ok(drawn)
}
