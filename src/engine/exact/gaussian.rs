//! The integral of exp f over continuous variables in which f is quadratic: with J = −∂²f and h = ∂f at 0,
//! log ∫ exp f = f(0) + ½ hᵀJ⁻¹h − ½ log |J/2π| (Koller & Friedman 2009, section 14.2).
//!
//! In: a block and its summands. Out: a number a row. J and h are derivatives of the summands' own graph, so that nothing here knows a
//! family. A derivative of the value in a linear potential is the posterior mean, and a second one its covariance; with noise added it is
//! a draw, J⁻¹h + L⁻ᵀz for J = L·Lᵀ and z standard normal (Rue & Held 2005, section 2.4).

use super::super::error::EmitError;
use super::super::scope::Scope;
use super::super::seen::Seen;
use super::super::variational::lifted;
use super::enumeration::sum_plates;
use super::{Energy, Mode, Tilts, enumerate_states, keep_labels, with_own};
use crate::dist::linear::Factor;
use crate::dist::{Label, Named, Space};
use crate::model::{AxisId, FactorKind, VarId};
use crate::plan::Block;
use crate::tensor::op::{Binary, Law, Unary};

/// A variable's entries as an input of the graph.
pub(super) struct Entries {
    /// The variable.
    pub var: VarId,
    /// The input, over what is kept, the directions, and its own axes.
    pub input: Named,
    /// Its own axes.
    axes: Vec<Label>,
}

/// Inputs that stand for the variables, at as many places at once as there are entries: a derivative in each is one column of J.
/// `without` are axes that are kept.
pub(super) fn entries_of(
    scope: &mut Scope<'_>,
    vars: &[VarId],
    without: &[AxisId],
    keep: &[Label],
    directions: Label,
) -> Result<Vec<Entries>, EmitError> {
    let mut found = Vec::new();
    for &var in vars {
        let axes: Vec<AxisId> = scope.program.vars[var].axes().into_iter().filter(|a| !without.contains(a)).collect();
        let axes = scope.axis_labels(&axes)?;
        let labels: Vec<Label> = keep.iter().chain([&directions]).chain(&axes).copied().collect();
        let site = scope.space.site();
        let input = scope.space.input(&format!("entries{site}:{}", scope.program.vars[var].name), &labels);
        found.push(Entries { var, input, axes });
    }
    Ok(found)
}

/// How many entries some variables have at one position of what is kept.
pub(super) fn count_entries(scope: &mut Scope<'_>, vars: &[VarId], without: &[AxisId]) -> Result<usize, EmitError> {
    let mut total = 0;
    for &var in vars {
        let axes: Vec<AxisId> = scope.program.vars[var].axes().into_iter().filter(|a| !without.contains(a)).collect();
        let labels = scope.axis_labels(&axes)?;
        total += labels.iter().map(|&l| scope.space.extent(l)).product::<usize>();
    }
    Ok(total)
}

/// f(0), h and J of a quadratic f, without the axes along which they only repeat.
pub(super) struct Quadratic {
    /// f(0).
    pub constant: Named,
    /// h `[.., rows]`.
    pub linear: Named,
    /// J `[.., rows, columns]`.
    pub precision: Named,
    /// The entries.
    pub rows: Label,
    /// The entries once more.
    pub columns: Label,
}

/// The coefficients of `f`, in which the entries are inputs; `directions` becomes the columns.
pub(super) fn coefficients(scope: &mut Scope<'_>, f: &Named, entries: &[Entries], directions: Label) -> Quadratic {
    let space = &mut scope.space;
    let inputs: Vec<Named> = entries.iter().map(|e| e.input.clone()).collect();
    let total = space.extent(directions);
    let slopes = space.gradient(f, &inputs);
    // Σ slope·direction has J·direction for its derivative, whatever the place: f is quadratic.
    let mut along = space.scalar(0.0);
    let mut start = 0;
    let mut sizes = Vec::new();
    for (entry, slope) in entries.iter().zip(&slopes) {
        let size: usize = entry.axes.iter().map(|&l| space.extent(l)).product();
        let unit = (0..total * size).map(|i| if i / size == start + i % size { 1.0 } else { 0.0 }).collect();
        let labels: Vec<Label> = [directions].into_iter().chain(entry.axes.iter().copied()).collect();
        let unit = space.constant(&labels, unit);
        let product = space.mul(slope, &unit);
        let product = space.sum_to(&product, &[]);
        along = space.add(&along, &product);
        start += size;
        sizes.push(size);
    }
    let curvature = space.gradient(&along, &inputs);
    let mut roots = vec![f.clone()];
    roots.extend(slopes);
    roots.extend(curvature);
    let pairs: Vec<(Named, Named)> =
        inputs.iter().map(|input| (input.clone(), space.full(&input.labels, 0.0))).collect();
    let mut roots = space.replace(&roots, &pairs).into_iter();
    let rows = space.label(total);
    let at_zero = match roots.next() {
        Some(f) => space.at(&f, directions, 0),
        None => space.scalar(0.0),
    };
    let found: Vec<Named> = roots.collect();
    let join = |space: &mut Space, arrays: &[Named]| {
        let mut parts = Vec::new();
        for ((entry, array), &size) in entries.iter().zip(arrays).zip(&sizes) {
            let own = space.label(size);
            let distinct = space.distinct(array);
            parts.push((space.flatten(&distinct, &entry.axes, own), own));
        }
        space.concat(&parts, rows)
    };
    let (slopes, curvature) = found.split_at(entries.len());
    let slopes: Vec<Named> = slopes.iter().map(|s| space.at(s, directions, 0)).collect();
    let linear = join(space, &slopes);
    let joined = join(space, curvature);
    let precision = space.scale(&joined, -1.0);
    // A row without its direction is one that repeats: only a form without second derivatives has such.
    let precision = match precision.has(directions) {
        true => precision,
        false => {
            let labels: Vec<Label> = precision.labels.iter().copied().chain([directions]).collect();
            space.align(&precision, &labels)
        }
    };
    Quadratic { constant: space.distinct(&at_zero), linear, precision, rows, columns: directions }
}

/// 1 at the entries that are to be integrated over, along `rows` and what rows differ in: within the row's length, where the axes of
/// `without` are not looked at, and without a value that the row tells.
pub(super) fn presence(
    scope: &mut Scope<'_>,
    entries: &[Entries],
    without: &[AxisId],
    rows: Label,
) -> Result<Named, EmitError> {
    let mut parts = Vec::new();
    for entry in entries {
        let mut there = scope.space.scalar(1.0);
        for axis in scope.program.vars[entry.var].axes() {
            let Some(length) = scope.length(axis).filter(|_| !without.contains(&axis)) else { continue };
            let label = scope.axis(axis)?;
            let position = scope.space.positions(label);
            let inside = scope.space.zip(Binary::Lt, &position, &length);
            there = scope.space.mul(&there, &inside);
        }
        if let Some(Seen::Numbers { present, .. }) = scope.seen.get(&entry.var).cloned() {
            let open = scope.space.complement(&present);
            there = scope.space.mul(&there, &open);
        }
        let size = entry.axes.iter().map(|&l| scope.space.extent(l)).product();
        let own = scope.space.label(size);
        parts.push((scope.space.flatten(&there, &entry.axes, own), own));
    }
    Ok(scope.space.concat(&parts, rows))
}

/// J with 1 on the diagonal at entries that are not there, so that they add nothing.
pub(super) fn filled(space: &mut Space, precision: &Named, there: &Named, rows: Label, columns: Label) -> Named {
    let absent = space.complement(there);
    let absent = space.distinct(&absent);
    let eye = space.eye(rows, columns);
    let diagonal = space.mul(&eye, &absent);
    space.add(precision, &diagonal)
}

/// What eliminating some entries adds to the log-partition, ½ hᵀJ⁻¹h − ½ log |J|, and L⁻¹h. The 2π of each entry stands apart.
pub(super) fn eliminated(
    space: &mut Space,
    lower: &Factor,
    linear: &Named,
    lead: &[Label],
    mode: Mode,
) -> (Named, Named) {
    let rows = lower.rows;
    let half = space.solve(lower, linear, false);
    let squares = space.map(Unary::Square, &half);
    let squares = space.sum(&squares, &[rows]);
    let mut value = space.scale(&squares, 0.5);
    if mode != Mode::Best {
        let log_root = space.log_diagonal(lower);
        value = space.sub(&value, &log_root);
    }
    if mode == Mode::Sample {
        // The term is 0, and its derivative in h the noise of a draw.
        let labels: Vec<Label> = lead.iter().copied().chain([rows]).collect();
        let noise = space.random(Law::Normal, &labels);
        let noise = space.solve(lower, &noise, true);
        let product = space.mul(linear, &noise);
        let moved = space.sum(&product, &[rows]);
        let still = space.stop(&moved);
        let nothing = space.sub(&moved, &still);
        value = space.add(&value, &nothing);
    }
    (value, half)
}

/// The names of variables as an error tells them.
pub(super) fn told(scope: &Scope<'_>, vars: &[VarId]) -> String {
    vars.iter().map(|&v| format!("`{}`", scope.program.vars[v].name)).collect::<Vec<_>>().join(", ")
}

/// log Σ over `kept` of ∫ exp f over all entries of `summed` at once, repeated over plates.
pub fn log_partition(
    scope: &mut Scope<'_>,
    block: &Block,
    summed: &[VarId],
    kept: &[VarId],
    energy: &Energy<'_>,
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    let mut joint = None;
    if !kept.is_empty() {
        let (label, values) = enumerate_states(scope, kept, &block.plates)?;
        scope.values.extend(values);
        joint = Some(label);
    }
    let lead = keep_labels(scope, &block.plates, &joint.into_iter().collect::<Vec<_>>())?;
    let total = count_entries(scope, summed, &block.plates)?;
    let directions = scope.space.label(total);
    let keep: Vec<Label> = lead.iter().copied().chain([directions]).collect();
    let entries = entries_of(scope, summed, &block.plates, &lead, directions)?;
    for entry in &entries {
        let value = scope.held(entry.var, &entry.input, None);
        scope.values.insert(entry.var, value);
    }
    let f = tilted(scope, block, summed, kept, energy, tilts, &keep);
    for var in summed.iter().chain(kept) {
        scope.values.remove(var);
    }
    let f = f?;
    let found = coefficients(scope, &f, &entries, directions);
    let there = presence(scope, &entries, &[], found.rows)?;
    let precision = filled(&mut scope.space, &found.precision, &there, found.rows, found.columns);
    let of = told(scope, summed);
    let lower = scope.space.cholesky(&precision, found.rows, found.columns, &of);
    let (value, _) = eliminated(&mut scope.space, &lower, &found.linear, &lead, mode);
    let mut value = scope.space.add(&found.constant, &value);
    if mode != Mode::Best {
        let share = scope.space.half_log_tau(&there, found.rows);
        value = scope.space.add(&value, &share);
    }
    if let Some(joint) = joint {
        let semiring = mode.semiring(|| scope.space.site());
        // A form that does not depend on the state counts each state.
        let labels: Vec<Label> = lead.iter().copied().filter(|&l| value.has(l) || l == joint).collect();
        value = scope.space.align(&value, &labels);
        value = scope.space.log_sum_exp(&value, joint, semiring);
    }
    sum_plates(scope, &block.plates, value)
}

/// The energy with the tilts, those of definitions among them, summed to what is kept.
fn tilted(
    scope: &mut Scope<'_>,
    block: &Block,
    summed: &[VarId],
    kept: &[VarId],
    energy: &Energy<'_>,
    tilts: &Tilts,
    keep: &[Label],
) -> Result<Named, EmitError> {
    let f = energy.emit(scope, &block.plates)?;
    let mut f = scope.space.sum_to(&f, keep);
    for var in summed.iter().chain(kept) {
        let Some(value) = scope.values.get(var).cloned() else { continue };
        f = with_own(scope, f, *var, &value, tilts, keep);
    }
    let Energy::Pieces(factors) = energy else { return Ok(f) };
    for factor in factors {
        let FactorKind::Deterministic { target, value } = &factor.kind else { continue };
        if !tilts.contains_key(&target.var) {
            continue;
        }
        let value = match value.reads().iter().all(|r| r.var != target.var) {
            true => {
                let defined = scope.value(value)?;
                let whole = lifted(scope, factor, defined.array().clone())?;
                defined.through(|_| whole)
            }
            false => scope.read(target.var, &[], factor.span)?,
        };
        f = with_own(scope, f, target.var, &value, tilts, keep);
    }
    Ok(f)
}
