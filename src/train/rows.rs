//! Which rows of a data set speak of what is scored. In: an expression of model quantities, bound data; out: the rows, as
//! positions in the data set's table, and their numbers as people count them.

use std::collections::{BTreeMap, BTreeSet};

use super::binding::DataSets;
use super::events::Failure;
use crate::diag::{Code, Diagnostic};
use crate::model::{DataRef, Expr, ModelId, Node, Objective, Program, Subject, VarId};
use crate::plan::{Leaf, partial_of};

/// What an expression scores and what it holds fixed, all of it bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scored {
    /// Variables whose log-density is taken: a row in which all of them are absent says nothing.
    pub targets: BTreeSet<VarId>,
    /// Variables conditioned on.
    pub given: BTreeSet<VarId>,
    /// Targets that are summed over where a row has no value for them.
    pub summed: BTreeSet<VarId>,
}

impl Scored {
    /// What the quantities in an expression read of `bound`.
    pub fn of(program: &Program, expr: &Expr, leaves: &[Leaf], bound: &[VarId]) -> Scored {
        let mut scored = Scored::default();
        let own = |model: ModelId| bound.iter().copied().filter(move |&v| program.vars[v].model == model);
        expr.visit(&mut |e| {
            let Node::Objective(objective) = &e.node else { return };
            match objective.as_ref() {
                Objective::LogLik { model, targets, given }
                | Objective::LogDensity { of: Subject::Model(model) | Subject::Guide(model), targets, given } => {
                    scored.given.extend(given);
                    scored.given.extend(own(*model).filter(|&v| program.vars[v].given));
                    match targets.is_empty() {
                        true => scored.targets.extend(own(*model).filter(|v| !given.contains(v))),
                        false => scored.targets.extend(targets),
                    }
                }
                Objective::Bound { model, .. } | Objective::ImportanceBound { model, .. } => {
                    scored.targets.extend(own(*model));
                }
                Objective::Part { .. }
                | Objective::Layer { .. }
                | Objective::Scheduled(_)
                | Objective::LogDensity { of: Subject::Data(_), .. }
                | Objective::Expect { .. } => {}
            }
        });
        scored.summed.extend(partial_of(leaves));
        for leaf in leaves {
            let fixed = match leaf {
                Leaf::LogLik(plan) => &plan.clamped.fixed,
                Leaf::Variational(plan) => &plan.fixed,
                Leaf::GuideDensity { fixed, .. } => fixed,
            };
            scored.given.extend(fixed);
        }
        scored.targets.retain(|v| bound.contains(v) && !program.vars[*v].given);
        let Scored { targets, given, .. } = &mut scored;
        given.retain(|v| bound.contains(v) && !targets.contains(v));
        scored
    }

    /// The rows in which everything scored is there, but for what is summed over where it is not. A row without any of the targets is left out.
    /// Errors: a row has some of them, or lacks what is conditioned on; no row is left.
    pub fn rows(&self, program: &Program, data: &DataSets, on: &DataRef) -> Result<Vec<usize>, Failure> {
        let rows = data.rows(program, on)?;
        let numbers = numbered(&rows);
        let mut kept = Vec::new();
        for &row in &rows {
            let missing = |v: VarId| -> (usize, usize) {
                let absent = data.absent(program, on.data, v, row).unwrap_or_default();
                (absent.iter().filter(|a| **a).count(), absent.len())
            };
            let wholly = |v: VarId| matches!(missing(v), (some, all) if some > 0 && some == all);
            if !self.targets.is_empty() && self.targets.iter().all(|&v| wholly(v)) {
                continue;
            }
            let counts = |v: &&VarId| !self.summed.contains(v);
            let partly = self.targets.iter().filter(counts).find(|&&v| missing(v).0 > 0 && !wholly(v));
            let lacking = self.targets.iter().filter(counts).chain(&self.given).find(|&&v| missing(v).0 > 0);
            if let Some(&var) = partly.or(lacking) {
                return Err(partly_absent(program, on, var, numbers[&row]));
            }
            kept.push(row);
        }
        match kept.is_empty() {
            true => Err(all_absent(on)),
            false => Ok(kept),
        }
    }
}

/// The number of each row within its split, from 1.
pub fn numbered(rows: &[usize]) -> BTreeMap<usize, usize> {
    rows.iter().enumerate().map(|(at, &row)| (row, at + 1)).collect()
}

/// That no row has what is asked about.
pub fn all_absent(on: &DataRef) -> Failure {
    Diagnostic::at(Code::BadValue, on.span, "every row of this data has its values absent")
        .help("look at the file, or at what `reveal` keeps")
        .into()
}

fn partly_absent(program: &Program, on: &DataRef, var: VarId, number: usize) -> Failure {
    let name = &program.vars[var].name;
    let message = format!(
        "`{name}` is absent in row {number} while other values are there, and summing it out in some rows alone is not built yet"
    );
    Diagnostic::at(Code::NotSupported, on.span, message)
        .help("leave such rows out of the file, or bind only columns that are complete")
        .into()
}
