//! At which position of its plates a statement speaks of its variables: `(a[t]) ~ pair(a = a[t], p = a[t-1])` distributes `a[t]`
//! and is told `a[t-1]`, which is a parent like any other.

use std::collections::BTreeMap;

use super::axis::AxisId;
use super::expr::{Expr, Node, Subscript};
use super::program::{Factor, FactorKind, IndexId, Program, VarId};
use super::walk::Read;

/// How a reading lies to the target of its statement along one plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// So many positions away; 0 is the target's own.
    Shift(i64),
    /// All positions before the target's.
    Before,
    /// Anywhere.
    Anywhere,
}

impl Program {
    /// The plate indices by which a statement speaks of a variable that it distributes or defines, one an index axis.
    pub fn position(&self, factor: &Factor, var: VarId) -> Vec<Option<IndexId>> {
        let at = match &factor.kind {
            FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } => target.at.as_slice(),
            FactorKind::Potential(_) | FactorKind::Undirected { .. } => &[],
        };
        let axes = self.vars[var].index.iter().enumerate();
        axes.map(|(i, &axis)| match at.get(i) {
            Some(Subscript::At { index, offset: 0 }) => Some(*index),
            Some(_) => None,
            // An undirected part stands in the loops that its variables are indexed by.
            None => {
                let root = self.axes.root(axis);
                let exact = factor.plates.iter().rev().find(|&&p| self.plate(p) == axis);
                exact.or(factor.plates.iter().rev().find(|&&p| self.axes.root(self.plate(p)) == root)).copied()
            }
        })
        .collect()
    }

    /// How a reading lies to a target along each plate that both have; a plate that only one has is not listed.
    pub fn lies(&self, factor: &Factor, target: VarId, read: &Read) -> Vec<(AxisId, Along)> {
        let position = self.position(factor, target);
        let roots = |var: VarId| self.vars[var].index.iter().map(|&a| self.axes.root(a)).collect::<Vec<_>>();
        let (own, other) = (roots(target), roots(read.var));
        let single = |list: &[AxisId], axis: AxisId| list.iter().filter(|&&a| a == axis).count() == 1;
        let mut list = Vec::new();
        for (i, &axis) in own.iter().enumerate() {
            // Two plates of one axis cannot be told apart by it; the axes themselves do.
            let (key, place) = if single(&own, axis) && single(&other, axis) {
                (axis, other.iter().position(|&a| a == axis))
            } else {
                let key = self.vars[target].index[i];
                (key, self.vars[read.var].index.iter().position(|&a| a == key))
            };
            let Some(place) = place else { continue };
            let along = match (read.at.get(place), position[i]) {
                (Some(Subscript::At { index, offset }), Some(own)) if *index == own => Along::Shift(*offset),
                (Some(Subscript::Prefix(index)), Some(own)) if *index == own => Along::Before,
                _ => Along::Anywhere,
            };
            list.push((key, along));
        }
        list
    }

    /// The readings of an undirected part that are not of its own variables at its own position.
    pub fn outside_reads(&self, factor: &Factor) -> Vec<Read> {
        let own = |read: &Read| {
            factor.targets().contains(&read.var)
                && self.lies(factor, read.var, read).iter().all(|(_, along)| *along == Along::Shift(0))
        };
        self.placed_reads(factor).into_iter().filter(|read| !own(read)).collect()
    }

    /// Every reading of a variable in a factor's expressions, at the position that an index around it tells: in `f(x)[t]`, where f
    /// works position by position, x is read at t.
    pub fn placed_reads(&self, factor: &Factor) -> Vec<Read> {
        let mut reads = Vec::new();
        for e in factor.leaves().into_iter().flat_map(Factor::exprs) {
            self.collect_placed(e, &BTreeMap::new(), &mut reads);
        }
        reads
    }

    /// `places`: axes along which only one position of the expression counts.
    fn collect_placed(&self, e: &Expr, places: &BTreeMap<AxisId, Subscript>, reads: &mut Vec<Read>) {
        let placed = |var: VarId, at: &[Subscript]| {
            let rest = self.vars[var].index.iter().skip(at.len()).map_while(|axis| places.get(axis).cloned());
            Read { var, at: at.iter().cloned().chain(rest).collect(), span: e.span }
        };
        let mixed: Vec<AxisId> = match &e.node {
            Node::Var(var) => return reads.push(placed(*var, &[])),
            Node::Pick { base, at } => {
                for subscript in at {
                    if let Subscript::By(by) = subscript {
                        self.collect_placed(by, places, reads);
                    }
                }
                if let Node::Var(var) = base.node {
                    return reads.push(placed(var, at));
                }
                let mut places = places.clone();
                places.extend(base.ty.axes.iter().copied().zip(at.iter().cloned()));
                return self.collect_placed(base, &places, reads);
            }
            Node::Window { along, places, .. } | Node::Overlap { along, places, .. } => vec![*along, *places],
            Node::Blocks { along, outer, .. } => vec![*along, *outer],
            Node::Renamed { from, to, .. } => vec![*from, *to],
            Node::Contract { over, .. } | Node::Reduce(_, _, over) => over.clone(),
            Node::Softmax(_, axis) | Node::Concat(_, axis) => vec![*axis],
            _ => Vec::new(),
        };
        let kept: BTreeMap<AxisId, Subscript> =
            places.iter().filter(|(a, _)| !mixed.contains(a)).map(|(a, s)| (*a, s.clone())).collect();
        for child in e.children() {
            self.collect_placed(child, &kept, reads);
        }
    }

    /// A reading by an undirected part of one of its own variables at another position.
    pub fn own_elsewhere(&self, factor: &Factor) -> Option<Read> {
        let FactorKind::Undirected { vars, .. } = &factor.kind else { return None };
        self.outside_reads(factor).into_iter().find(|read| vars.contains(&read.var))
    }
}
