//! Directed factors in an order in which parents come first.

use std::collections::BTreeSet;

use super::program::{Factor, FactorKind, VarId};

/// Positions of the factors that define variables (conditionals and undirected sub-models), parents before children.
/// Ties keep the order written. A reading at an earlier plate position (`s[t-1]`) does not count as a parent.
pub fn order_factors(factors: &[Factor]) -> Vec<usize> {
    let defining: Vec<usize> =
        (0..factors.len()).filter(|&i| !matches!(factors[i].kind, FactorKind::Potential(_))).collect();
    let defined: BTreeSet<VarId> = defining.iter().flat_map(|&i| factors[i].targets()).collect();
    let mut done: BTreeSet<VarId> = BTreeSet::new();
    let mut order = Vec::new();
    let mut left = defining;
    while !left.is_empty() {
        let ready = left.iter().position(|&i| {
            let own = factors[i].targets();
            factors[i]
                .reads()
                .iter()
                .all(|r| !defined.contains(&r.var) || done.contains(&r.var) || own.contains(&r.var))
        });
        // Without a ready factor two variables read each other along a plate; the order written stands.
        let position = left.remove(ready.unwrap_or(0));
        done.extend(factors[position].targets());
        order.push(position);
    }
    order
}

/// The variables that a guide's conditionals draw, in that order, without the fixed ones and those that `=` defines.
pub fn guide_order(factors: &[Factor], fixed: &BTreeSet<VarId>) -> Vec<VarId> {
    let order = order_factors(factors).into_iter().map(|i| &factors[i]);
    let drawn = order.filter(|f| !matches!(f.kind, FactorKind::Deterministic { .. }));
    drawn.flat_map(Factor::targets).filter(|v| !fixed.contains(v)).collect()
}
