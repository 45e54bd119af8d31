//! Chains: components whose only coupling along one plate is between neighbours.

use std::collections::BTreeSet;

use super::situation::{Component, Reason};
use crate::model::{AxisId, Expr, FactorKind, IndexId, Program, Subscript};

/// A component that is a first-order chain along a plate.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ChainFact {
    /// The plate it runs along.
    pub along: AxisId,
    /// The plate indices that the component's summands use on it.
    pub indices: Vec<IndexId>,
}

/// Whether a component is a chain along one of its plates: every variable stands in the plate and every summand reads
/// positions t and t−1 only. The reason names the statement that breaks it.
pub fn find_chain(program: &Program, component: &Component<'_>) -> Result<ChainFact, Reason> {
    let Some(&first) = component.vars.first() else { return Err(Reason::of("there is nothing latent")) };
    let mut shared = program.vars[first].index.clone();
    shared.retain(|a| !component.plates.contains(a));
    for &v in &component.vars {
        shared.retain(|a| program.vars[v].index.contains(a));
    }
    let Some(&along) = shared.first() else {
        return Err(Reason::of(match component.vars.as_slice() {
            [_] if program.vars[first].index.is_empty() => {
                format!("`{}` is not repeated over a sequence", program.vars[first].name)
            }
            _ => "the variables do not share a plate to run along".to_string(),
        }));
    };
    let axis_name = &program.axes[along].name;
    let mut indices = BTreeSet::new();
    for piece in &component.pieces {
        // Two indices over the plate, or over another name of it, pair every position with every other.
        let same = |i: &&IndexId| program.axes.root(program.plate(**i)) == program.axes.root(along);
        if piece.factor.plates.iter().filter(same).count() > 1 {
            return Err(Reason::at(
                piece.factor.span,
                format!("this pairs positions of {axis_name} that are not neighbours"),
            ));
        }
        let target = match &piece.factor.kind {
            FactorKind::Conditional { target, .. } => Some((target.var, target.at.clone())),
            _ => None,
        };
        let reads = piece.factor.exprs().into_iter().flat_map(Expr::reads).map(|r| (r.var, r.at));
        for (var, at) in target.into_iter().chain(reads) {
            if !component.vars.contains(&var) {
                continue;
            }
            let name = &program.vars[var].name;
            let slot = program.vars[var].index.iter().position(|&a| a == along);
            match slot.and_then(|i| at.get(i)) {
                Some(Subscript::At { index, offset: 0 | -1 }) => {
                    indices.insert(*index);
                }
                Some(Subscript::At { offset, .. }) => {
                    return Err(Reason::at(
                        piece.factor.span,
                        format!("`{name}` is read {offset:+} positions away, and a chain reaches only the one before"),
                    ));
                }
                _ => {
                    return Err(Reason::at(
                        piece.factor.span,
                        format!("this reads `{name}` over the whole of {axis_name}"),
                    ));
                }
            }
        }
    }
    Ok(ChainFact { along, indices: indices.into_iter().collect() })
}
