//! A block as one sum over tables: each summand evaluated at every joint state of the entries it reads, position by position.
//!
//! Rows and the plates over which the block repeats become the rows of the operation; every other plate's positions are tables of one
//! input. A potential that does not differ from row to row is handed over once.

use std::collections::BTreeMap;

use super::super::error::EmitError;
use super::super::scope::{Local, Scope};
use super::enumeration::sum_plates;
use super::{Mode, Tilts, enumerate_states, keep_labels, seen_value, tilt_value};
use crate::diag::Code;
use crate::dist::{Label, Named};
use crate::model::{AxisId, Factor, FactorKind, VarId, entries_of, entry_reads};
use crate::plan::{Block, Engine};
use crate::tensor::op::{Summing, TableInput, TableOp};

/// The sum in the making.
struct Sum<'b> {
    block: &'b Block,
    /// Labels that become rows.
    lead: Vec<Label>,
    /// The number of each variable's first entry.
    base: BTreeMap<VarId, usize>,
    op: TableOp,
    inputs: Vec<Named>,
}

/// log Σ over all joint states of the block's entries, a number a row.
pub fn log_partition(
    scope: &mut Scope<'_>,
    block: &Block,
    factors: &[&Factor],
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    let lead = keep_labels(scope, &block.plates, &[])?;
    let semiring = mode.semiring(|| scope.space.site());
    let how = match &block.engine {
        Engine::Approximate(method) => Summing::Approximate(method.clone(), scope.space.site()),
        _ => Summing::Exact,
    };
    let op = TableOp { sizes: Vec::new(), names: Vec::new(), inputs: Vec::new(), mode: semiring, how };
    let mut sum = Sum { block, lead, base: BTreeMap::new(), op, inputs: Vec::new() };
    for &var in &block.vars {
        let states = scope.states(var)?;
        let count = entries_of(scope.program, var, &block.plates).ok_or_else(|| too_many(scope, var))?;
        sum.base.insert(var, sum.op.sizes.len());
        sum.op.sizes.extend(std::iter::repeat_n(states, count));
        sum.op.names.extend(std::iter::repeat_n(scope.program.vars[var].name.clone(), count));
    }
    for factor in factors {
        sum.factor(scope, factor)?;
    }
    for &var in &block.vars {
        sum.ends(scope, var)?;
        sum.tilt(scope, var, tilts)?;
    }
    sum.finish(scope)
}

fn too_many(scope: &Scope<'_>, var: VarId) -> EmitError {
    let declared = &scope.program.vars[var];
    EmitError::at(declared.span, "too many entries to sum over", "make an axis smaller").coded(Code::TooExpensive)
}

impl Sum<'_> {
    /// A summand's tables.
    fn factor(&mut self, scope: &mut Scope<'_>, factor: &Factor) -> Result<(), EmitError> {
        let program = scope.program;
        let plates = &self.block.plates;
        let found = entry_reads(program, factor, &self.block.vars, plates).ok_or_else(|| {
            EmitError::at(factor.span, "too many entries to sum over", "make an axis smaller").coded(Code::TooExpensive)
        })?;
        let mut local = Vec::new();
        let mut joints = Vec::new();
        let mut sizes = Vec::new();
        for read in &found.reads {
            let settled: Vec<AxisId> =
                program.vars[read.var].axes().into_iter().filter(|a| !read.open.contains(a)).collect();
            let (joint, mut values) = enumerate_states(scope, &[read.var], &settled)?;
            let states = scope.states(read.var)?;
            let each = read.entries.first().map_or(0, Vec::len);
            sizes.extend(std::iter::repeat_n(states, each));
            joints.push(joint);
            if let Some(value) = values.remove(&read.var) {
                local.push(Local { var: read.var, at: read.at.clone(), value });
            }
        }
        let outer = std::mem::replace(&mut scope.local, local);
        let value = scope.factor(factor);
        scope.local = outer;
        let mut value = value?;
        let mut along = Vec::new();
        for &index in &factor.plates {
            let axis = program.plate(index);
            let label = scope.index(index)?;
            match plates.contains(&axis) {
                true => {
                    let own = scope.axis(axis)?;
                    value = scope.space.rename(&value, label, own);
                }
                false => along.push(label),
            }
        }
        let positions: usize = found.plates.iter().product();
        let places = (0..positions)
            .map(|p| {
                found.reads.iter().flat_map(|r| r.entries[p].iter().map(|e| e.map(|e| self.base[&r.var] + e))).collect()
            })
            .collect();
        let ragged = factor.plates.iter().any(|&i| scope.length(program.plate(i)).is_some());
        let unit_over = match &factor.kind {
            FactorKind::Conditional { target, .. } if !ragged && self.base.contains_key(&target.var) => {
                // The target's reading comes first; one entry of it has states that sum to one.
                (found.reads.first().is_some_and(|r| r.open.is_empty())).then_some(0)
            }
            _ => None,
        };
        self.push(scope, value, &along, &joints, TableInput { sizes, places, unit_over });
        Ok(())
    }

    /// Hands over tables: `value` over the lead, positions `along`, and cells over `joints`.
    fn push(&mut self, scope: &mut Scope<'_>, value: Named, along: &[Label], joints: &[Label], input: TableInput) {
        let rowed = self.lead.iter().any(|&l| value.has(l));
        let lead: Vec<Label> = if rowed { self.lead.clone() } else { Vec::new() };
        let labels: Vec<Label> = lead.iter().chain(along).chain(joints).copied().collect();
        let value = scope.space.sum_to(&value, &labels);
        let value = scope.space.align(&value, &labels);
        let rows: usize = lead.iter().map(|&l| scope.space.extent(l)).product();
        let mut shape = vec![input.places.len(), input.cells()];
        if rowed {
            shape.insert(0, rows);
        }
        let node = scope.space.graph.reshape(value.node, &shape);
        self.op.inputs.push(input);
        self.inputs.push(Named { node, labels });
    }

    /// Entries behind the end of a row stand in their first state, so that they count once.
    fn ends(&mut self, scope: &mut Scope<'_>, var: VarId) -> Result<(), EmitError> {
        let axes = scope.program.vars[var].axes();
        let mut inside: Option<Named> = None;
        for &axis in &axes {
            let Some(length) = scope.length(axis) else { continue };
            let label = scope.axis(axis)?;
            let position = scope.space.positions(label);
            let here = scope.space.zip(crate::tensor::op::Binary::Lt, &position, &length);
            inside = Some(match inside {
                Some(inside) => scope.space.mul(&inside, &here),
                None => here,
            });
        }
        let Some(inside) = inside else { return Ok(()) };
        let states = scope.states(var)?;
        let state = scope.space.label(states);
        let first = (0..states).map(|s| if s == 0 { 0.0 } else { f64::NEG_INFINITY }).collect();
        let (first, zero) = (scope.space.constant(&[state], first), scope.space.scalar(0.0));
        let value = scope.space.select(&inside, &zero, &first);
        self.single(scope, var, value, state)
    }

    /// What the row tells of a variable's entries, and its tilt: the product with each entry's value.
    fn tilt(&mut self, scope: &mut Scope<'_>, var: VarId, tilts: &Tilts) -> Result<(), EmitError> {
        if !tilts.contains_key(&var) && !scope.seen.contains_key(&var) {
            return Ok(());
        }
        let axes = scope.program.vars[var].axes();
        let (state, values) = enumerate_states(scope, &[var], &axes)?;
        let mut keep: Vec<Label> = scope.row.into_iter().collect();
        keep.extend(scope.axis_labels(&axes)?);
        keep.push(state);
        let Some(value) = values.get(&var) else { return Ok(()) };
        // What is seen stands apart: a table that leaves an entry one state takes it out of the sum.
        let more = [seen_value(scope, var, value, &keep), tilt_value(scope, var, value, tilts, &keep)];
        more.into_iter().flatten().try_for_each(|potential| self.single(scope, var, potential, state))
    }

    /// Hands over a table for each entry of a variable.
    fn single(&mut self, scope: &mut Scope<'_>, var: VarId, value: Named, state: Label) -> Result<(), EmitError> {
        let axes = scope.program.vars[var].axes();
        let along: Vec<AxisId> = axes.into_iter().filter(|a| !self.block.plates.contains(a)).collect();
        let along = scope.axis_labels(&along)?;
        let states = scope.states(var)?;
        let base = self.base[&var];
        let count = along.iter().map(|&l| scope.space.extent(l)).product::<usize>();
        let places = (0..count).map(|e| vec![Some(base + e)]).collect();
        self.push(scope, value, &along, &[state], TableInput { sizes: vec![states], places, unit_over: None });
        Ok(())
    }

    /// The operation, with its rows as the labels they were.
    fn finish(self, scope: &mut Scope<'_>) -> Result<Named, EmitError> {
        let nodes: Vec<_> = self.inputs.iter().map(|i| i.node).collect();
        let rowed = nodes.iter().any(|&n| scope.space.graph.shape(n).len() == 3);
        let sum = scope.space.graph.table_sum(self.op, &nodes);
        let value = match rowed {
            true => {
                let shape = scope.space.shape(&self.lead);
                Named { node: scope.space.graph.reshape(sum, &shape), labels: self.lead }
            }
            false => Named { node: sum, labels: Vec::new() },
        };
        sum_plates(scope, &self.block.plates, value)
    }
}
