//! Directed factors in an order in which parents come first.

use std::collections::BTreeSet;

use crate::analysis::find_determined;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{Factor, FactorKind, Guide, Program, VarId};

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

/// The guide's conditionals that some variables hang on, themselves included.
pub fn guide_for(guide: &Guide, targets: &BTreeSet<VarId>, fixed: &BTreeSet<VarId>) -> Guide {
    let mut wanted = targets.clone();
    loop {
        let before = wanted.len();
        for factor in &guide.factors {
            if factor.targets().iter().any(|t| wanted.contains(t)) {
                wanted.extend(factor.reads().into_iter().map(|r| r.var).filter(|v| !fixed.contains(v)));
            }
        }
        if wanted.len() == before {
            break;
        }
    }
    let factors = guide.factors.iter().filter(|f| f.targets().iter().any(|t| wanted.contains(t))).cloned().collect();
    Guide { factors, ..guide.clone() }
}

/// [`guide_order`], where each draw has all that it reads: what is fixed, and what the guide drew before it. `at` is the line or
/// the question that is served.
///
/// Errors: E0506 where a draw reads what neither data nor the guide gives; E0606 where it reads what the guide draws along the same
/// plate, here or later.
pub fn readable_guide_order(
    program: &Program,
    guide: &Guide,
    fixed: &BTreeSet<VarId>,
    at: Span,
) -> Result<Vec<VarId>, Diagnostic> {
    let order = guide_order(&guide.factors, fixed);
    let mut known = fixed.clone();
    for &var in &order {
        let own = guide.factors.iter().filter(|f| f.targets().contains(&var));
        let determined = find_determined(program, program.vars[var].model, &known);
        let has = |v: VarId| known.contains(&v) || determined.contains(&v);
        if let Some(read) = own.flat_map(Factor::reads).find(|r| !has(r.var)) {
            let (name, reader) = (&program.vars[read.var].name, &program.vars[var].name);
            let declared = program.vars[read.var].span;
            if order.contains(&read.var) {
                return Err(Diagnostic::at(
                    Code::NotSupported,
                    read.span,
                    format!("a guide that draws `{reader}` from `{name}` along a plate is not built yet"),
                )
                .label(at, "needed here")
                .help("let each of the guide's variables read what is observed"));
            }
            return Err(Diagnostic::at(
                Code::NeverDefined,
                read.span,
                format!("the guide reads `{name}`, which has no value when `{reader}` is drawn"),
            )
            .label(declared, "nothing observes this, and the guide does not draw it")
            .label(at, "for this")
            .help("a guide reads what the data binds and what it draws itself: give it a conditional for this, or bind it"));
        }
        known.insert(var);
    }
    Ok(order)
}
