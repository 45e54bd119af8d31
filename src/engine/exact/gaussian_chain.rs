//! The integral over a chain of continuous variables, position after position, as a scan: the filter in information form (Kalman 1960;
//! Kailath, Sayed & Hassibi 2000, section 9.5). Its reverse pass, made by differentiation, is the smoother (Rauch, Tung & Striebel 1965),
//! and with noise in every elimination it draws a whole path backwards (Carter & Kohn 1994).

use std::collections::BTreeMap;

use super::super::error::EmitError;
use super::super::scope::{Scope, Walk};
use super::enumeration::sum_plates;
use super::gaussian::{
    Entries, Quadratic, coefficients, count_entries, eliminated, entries_of, filled, presence, told,
};
use super::{Mode, Tilts, keep_labels, with_own};
use crate::dist::{Label, Named, Space, Value};
use crate::model::{AxisId, Factor, VarId};
use crate::plan::Block;
use crate::tensor::graph::NodeId;
use crate::tensor::op::Binary;

/// What is known of one position when everything before it is integrated out: the quadratic form (Λ, η, c) of its entries, which with
/// the summands that join it to the next, of J = (A B; Bᵀ C) and h = (a, b), passes on as Λ' = C − BᵀM⁻¹B, η' = b − BᵀM⁻¹(η + a) with
/// M = Λ + A.
pub fn log_partition(
    scope: &mut Scope<'_>,
    block: &Block,
    along: AxisId,
    factors: &[&Factor],
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    let without: Vec<AxisId> = block.plates.iter().copied().chain([along]).collect();
    let time = scope.axis(along)?;
    let length = scope.space.extent(time);
    let lead = keep_labels(scope, &block.plates, &[])?;
    let size = count_entries(scope, &block.vars, &without)?;
    let directions = scope.space.label(2 * size);
    let over: Vec<Label> = lead.iter().copied().chain([time]).collect();
    let before = entries_of(scope, &block.vars, &without, &over, directions)?;
    let here = entries_of(scope, &block.vars, &without, &over, directions)?;
    let keep: Vec<Label> = over.iter().copied().chain([directions]).collect();
    let both: Vec<Entries> = before.into_iter().chain(here).collect();

    let outer = scope.walk.take();
    let first = energy(scope, block, along, factors, tilts, &both, &keep, true);
    let rest = first.and_then(|first| Ok((first, energy(scope, block, along, factors, tilts, &both, &keep, false)?)));
    scope.walk = outer;
    let (first, rest) = rest?;
    let first = coefficients(scope, &first, &both, directions);
    let rest = coefficients(scope, &rest, &both, directions);
    let chain = Chain::new(scope, &both[block.vars.len()..], along, size, mode)?;
    chain.run(scope, block, &first, &rest, length, &lead, mode)
}

/// The summands at every position, of the values there and one position before; at the first where there is none before.
#[allow(clippy::too_many_arguments)]
fn energy(
    scope: &mut Scope<'_>,
    block: &Block,
    along: AxisId,
    factors: &[&Factor],
    tilts: &Tilts,
    both: &[Entries],
    keep: &[Label],
    first: bool,
) -> Result<Named, EmitError> {
    let (before, here) = both.split_at(block.vars.len());
    let time = scope.axis(along)?;
    let mut values = |of: &[Entries], back: Option<Label>| -> BTreeMap<VarId, Value> {
        of.iter().map(|e| (e.var, scope.held(e.var, &e.input, back))).collect()
    };
    let (now, earlier) = (values(here, None), values(before, Some(time)));
    scope.walk = Some(Walk { along, here: now.clone(), before: earlier, first });
    let mut f = scope.space.scalar(0.0);
    for factor in factors {
        let value = scope.factor_total(factor, &block.plates)?;
        let value = scope.space.sum_to(&value, keep);
        f = scope.space.add(&f, &value);
    }
    for (&var, value) in &now {
        f = with_own(scope, f, var, value, tilts, keep);
    }
    Ok(f)
}

/// The labels of a walk along a chain.
struct Chain {
    time: Label,
    /// Entries at one position, and once more.
    rows: Label,
    columns: Label,
    /// 1 at the entries to be integrated over, also along the chain where they differ there.
    there: Named,
    /// The 2π of the entries at each position; none where only the best values are wanted.
    share: Option<Named>,
    /// The length of each row, where they differ.
    lengths: Option<Named>,
}

/// The quadratic form of two neighbouring positions, cut into its blocks.
struct Joined {
    a: Named,
    b: Named,
    c: Named,
    linear: [Named; 2],
    constant: Named,
}

impl Chain {
    fn new(
        scope: &mut Scope<'_>,
        here: &[Entries],
        along: AxisId,
        size: usize,
        mode: Mode,
    ) -> Result<Chain, EmitError> {
        let (rows, columns) = (scope.space.label(size), scope.space.label(size));
        let there = presence(scope, here, &[along], rows)?;
        let there = scope.space.distinct(&there);
        let share = (mode != Mode::Best).then(|| scope.space.half_log_tau(&there, rows));
        let lengths = scope.length(along);
        Ok(Chain { time: scope.axis(along)?, rows, columns, there, share, lengths })
    }

    /// The blocks of a form, a position before and here.
    fn cut(&self, space: &mut Space, of: &Quadratic) -> Joined {
        let size = space.extent(self.rows);
        let mut part = |from: usize, to: usize| {
            let rows = space.stretch(&of.precision, of.rows, from * size, self.rows);
            space.stretch(&rows, of.columns, to * size, self.columns)
        };
        let (a, b, c) = (part(0, 0), part(0, 1), part(1, 1));
        let c = filled(space, &c, &self.there, self.rows, self.columns);
        let linear = [0, 1].map(|i| space.stretch(&of.linear, of.rows, i * size, self.rows));
        let constant = match &self.share {
            Some(share) => space.add(&of.constant, share),
            None => of.constant.clone(),
        };
        Joined { a, b, c, linear, constant }
    }

    #[allow(clippy::too_many_arguments)]
    fn run(
        &self,
        scope: &mut Scope<'_>,
        block: &Block,
        first: &Quadratic,
        rest: &Quadratic,
        length: usize,
        lead: &[Label],
        mode: Mode,
    ) -> Result<Named, EmitError> {
        let of = told(scope, &block.vars);
        let space = &mut scope.space;
        let start = self.cut(space, first);
        let [start_matrix, start_vector, start_value] =
            [&start.c, &start.linear[1], &start.constant].map(|part| space.at(part, self.time, 0));
        // A row without positions has a form that adds nothing.
        let (start_matrix, start_vector, start_value) = match self.lengths.clone() {
            None => (start_matrix, start_vector, start_value),
            Some(lengths) => {
                let zero = space.scalar(0.0);
                let some = space.zip(Binary::Lt, &zero, &lengths);
                let eye = space.eye(self.rows, self.columns);
                let matrix = space.select(&some, &start_matrix, &eye);
                (matrix, space.select(&some, &start_vector, &zero), space.select(&some, &start_value, &zero))
            }
        };
        let (mut matrix, mut vector, mut value) = (start_matrix, start_vector, start_value);
        if length > 1 {
            let steps = space.label(length - 1);
            let joined = self.cut(space, rest);
            let cut = |space: &mut Space, part: &Named| {
                let part = space.stretch(part, self.time, 1, steps);
                space.distinct(&part)
            };
            let [before, here] = &joined.linear;
            let parts = [&joined.a, &joined.b, &joined.c, before, here, &joined.constant].map(|p| cut(space, p));
            let inside = self.lengths.clone().map(|lengths| {
                let position = space.positions(steps);
                let one = space.scalar(1.0);
                let position = space.add(&position, &one);
                space.zip(Binary::Lt, &position, &lengths)
            });
            // What a matrix repeats along is known before the loop: its carry has those axes and no others.
            let spread = |arrays: &[&Named]| -> Vec<Label> {
                let has = |l: &Label| arrays.iter().any(|a| a.has(*l));
                lead.iter().copied().filter(has).collect()
            };
            let mask: Vec<&Named> = inside.iter().collect();
            let of_matrix = spread(&[&[&matrix, &parts[0], &parts[1], &parts[2]][..], &mask].concat());
            let matrix_labels: Vec<Label> = of_matrix.into_iter().chain([self.rows, self.columns]).collect();
            let vector_labels: Vec<Label> = lead.iter().copied().chain([self.rows]).collect();
            matrix = space.align(&matrix, &matrix_labels);
            vector = space.align(&vector, &vector_labels);
            value = space.align(&value, lead);
            let carry = [&matrix, &vector, &value].map(|n| n.node);
            // What stands still is a constant of the loop.
            let (mut sequences, mut constants) = (Vec::new(), Vec::new());
            let mut places: Vec<(bool, usize, Vec<Label>)> = Vec::new();
            for part in parts.iter().chain(&inside) {
                let inner: Vec<Label> = part.labels.iter().copied().filter(|&l| l != steps).collect();
                let moving = part.has(steps);
                let (list, labels) = match moving {
                    true => (&mut sequences, [steps].into_iter().chain(inner.iter().copied()).collect()),
                    false => (&mut constants, inner.clone()),
                };
                list.push(space.align(part, &labels).node);
                places.push((moving, list.len() - 1, inner));
            }
            let mut graph = std::mem::take(&mut space.graph);
            let found = graph.scan_with(length - 1, false, &carry, &sequences, &constants, |body, _, c, x, k| {
                std::mem::swap(&mut space.graph, body);
                let given: Vec<Named> = places
                    .iter()
                    .map(|(moving, i, labels)| Named {
                        node: if *moving { x[*i] } else { k[*i] },
                        labels: labels.clone(),
                    })
                    .collect();
                let carried = [
                    Named { node: c[0], labels: matrix_labels.clone() },
                    Named { node: c[1], labels: vector_labels.clone() },
                    Named { node: c[2], labels: lead.to_vec() },
                ];
                let after = self.step(space, &carried, &given, lead, &of, mode);
                let after = match given.get(parts.len()) {
                    None => after,
                    Some(inside) => {
                        let mut kept = after.iter().zip(&carried).map(|(new, old)| space.select(inside, new, old));
                        [(); 3].map(|()| kept.next().unwrap_or_else(|| carried[0].clone()))
                    }
                };
                let nodes: Vec<NodeId> =
                    after.iter().zip(&carried).map(|(new, old)| space.align(new, &old.labels).node).collect();
                std::mem::swap(&mut space.graph, body);
                (nodes, Vec::new())
            });
            space.graph = graph;
            matrix = Named { node: found[0], labels: matrix_labels };
            vector = Named { node: found[1], labels: vector_labels };
            value = Named { node: found[2], labels: lead.to_vec() };
        }
        let lower = space.cholesky(&matrix, self.rows, self.columns, &of);
        let (last, _) = eliminated(space, &lower, &vector, lead, mode);
        let mut value = space.add(&value, &last);
        if let Some(lengths) = self.lengths.clone() {
            let zero = space.scalar(0.0);
            let some = space.zip(Binary::Lt, &zero, &lengths);
            value = space.select(&some, &value, &zero);
        }
        sum_plates(scope, &block.plates, value)
    }

    /// One position integrated out.
    #[allow(clippy::too_many_arguments)]
    fn step(
        &self,
        space: &mut Space,
        [matrix, vector, value]: &[Named; 3],
        given: &[Named],
        lead: &[Label],
        of: &str,
        mode: Mode,
    ) -> [Named; 3] {
        let [a, b, c, linear_before, linear_here, constant, ..] = given else {
            return [matrix.clone(), vector.clone(), value.clone()];
        };
        let joined = space.add(matrix, a);
        let linear = space.add(vector, linear_before);
        let lower = space.cholesky(&joined, self.rows, self.columns, of);
        let (gained, half) = eliminated(space, &lower, &linear, lead, mode);
        // B has the entries before for rows and those here for columns.
        let (inner, other) = (space.label(space.extent(self.rows)), space.label(space.extent(self.rows)));
        let b = space.rename(b, self.columns, other);
        let across = space.solve(&lower, &b, false);
        let across = space.rename(&across, self.rows, inner);
        let left = space.rename(&across, other, self.rows);
        let right = space.rename(&across, other, self.columns);
        let lost = space.contract(&left, &right, &[inner]);
        let matrix = space.sub(c, &lost);
        let half = space.rename(&half, self.rows, inner);
        let carried = space.contract(&left, &half, &[inner]);
        let vector = space.sub(linear_here, &carried);
        let value = space.add(value, constant);
        [matrix, vector, space.add(&value, &gained)]
    }
}
