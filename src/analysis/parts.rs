//! Which discrete variables of a component can be summed in closed form given the others.

use std::collections::BTreeSet;

use super::degree::{Degree, find_factor_degree};
use super::situation::{Component, Reason};
use crate::model::{Program, VarId};

/// A component's variables, parted: given `kept`, the entries of `summed` are independent of each other.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Parts {
    /// Variables in which log p̃ is affine with no two entries multiplied.
    pub summed: Vec<VarId>,
    /// The others.
    pub kept: Vec<VarId>,
    /// For each variable kept, the statement that keeps it.
    pub why: Vec<(VarId, Reason)>,
}

/// Parts a component greedily, the variable with most joint states first.
///
/// The sum over `summed` is f(0) + Σ log Σ_k exp(s_k ∂f/∂h), exact because f is affine (Smolensky 1986 gives it for
/// the harmonium).
pub fn find_parts(program: &Program, component: &Component<'_>) -> Parts {
    let weight = |v: VarId| component.log2_states(program, &[v]).unwrap_or(f64::INFINITY);
    let mut order: Vec<VarId> = component.vars.clone();
    // A stable sort on size and then name, so that the parting does not hang on the order of statements.
    order.sort_by(|&a, &b| {
        weight(b).total_cmp(&weight(a)).then_with(|| program.vars[a].name.cmp(&program.vars[b].name))
    });
    let mut summed: BTreeSet<VarId> = BTreeSet::new();
    let mut kept = Vec::new();
    let mut why = Vec::new();
    for var in order {
        if !program.vars[var].domain.is_discrete() {
            kept.push(var);
            why.push((var, Reason::at(program.vars[var].span, "it is continuous")));
            continue;
        }
        if component.partial.contains(&var) {
            kept.push(var);
            why.push((var, Reason::at(program.vars[var].span, "it has a value in some rows and none in others")));
            continue;
        }
        let mut with = summed.clone();
        with.insert(var);
        match component.pieces.iter().find(|p| !find_factor_degree(p.factor, &with).is_affine()) {
            None => summed = with,
            Some(piece) => {
                let alone = find_factor_degree(piece.factor, &BTreeSet::from([var]));
                let text = match alone {
                    Degree::Poly(0 | 1) => "this couples it with a variable summed in closed form",
                    Degree::Poly(_) => "this multiplies two of its entries",
                    Degree::Nonlinear => "this is not linear in it",
                };
                kept.push(var);
                why.push((var, Reason::at(piece.factor.span, text)));
            }
        }
    }
    let in_order = |keep: &dyn Fn(VarId) -> bool| component.vars.iter().copied().filter(|&v| keep(v)).collect();
    Parts { summed: in_order(&|v| summed.contains(&v)), kept: in_order(&|v| kept.contains(&v)), why }
}
