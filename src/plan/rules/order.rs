//! What a guide draws, in an order in which each draw has all that it reads.

use std::collections::BTreeSet;

use crate::analysis::find_determined;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{Factor, Guide, Program, VarId, guide_order};

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
