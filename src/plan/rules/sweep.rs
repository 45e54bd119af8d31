//! Moves of block Gibbs: which variables of a part are resampled at once, and which entry after entry.

use std::collections::BTreeSet;

use crate::analysis::{Coupling, Piece, Reason, check_conditional, find_colours, find_coupling};
use crate::model::{Program, VarId};
use crate::plan::plan::Resampled;

/// Some variables, gathered into sets whose entries are independent given the other sets: two for a bipartite part.
/// A variable that is coupled with itself stands alone, its entries in colours. `first` come first.
///
/// # Errors
/// A variable has no conditional that could be derived, with the statement that is the reason.
pub fn find_sweep(
    program: &Program,
    vars: &[VarId],
    pieces: &[Piece<'_>],
    first: &[VarId],
) -> Result<Vec<Resampled>, Reason> {
    let factors = || pieces.iter().map(|p| p.factor);
    let coupling_of = |set: &BTreeSet<VarId>| -> Result<Coupling, Reason> { find_coupling(program, factors(), set) };
    let mut sets: Vec<(BTreeSet<VarId>, Option<Resampled>)> = Vec::new();
    let rest = vars.iter().filter(|v| !first.contains(v));
    for &var in first.iter().chain(rest) {
        let alone = BTreeSet::from([var]);
        let coupling = coupling_of(&alone)?;
        check_conditional(program, var, &coupling)?;
        if let Some((apart, _)) = coupling.within.get(&var) {
            let colours = find_colours(program, var, apart).map(|c| c.iter().max().map_or(0, |most| most + 1));
            sets.push((alone, Some(Resampled::Entries { var, colours })));
            continue;
        }
        let mut home = None;
        for (at, (set, entries)) in sets.iter().enumerate() {
            if entries.is_some() {
                continue;
            }
            let mut with = set.clone();
            with.insert(var);
            if coupling_of(&with)?.across.is_none() {
                home = Some(at);
                break;
            }
        }
        match home {
            Some(at) => {
                sets[at].0.insert(var);
            }
            None => sets.push((alone, None)),
        }
    }
    let in_order = |set: BTreeSet<VarId>| vars.iter().copied().filter(|v| set.contains(v)).collect();
    Ok(sets.into_iter().map(|(set, entries)| entries.unwrap_or_else(|| Resampled::Together(in_order(set)))).collect())
}

/// How a sweep is told: what is resampled at once, and in how many turns a variable that is coupled with itself.
pub fn sweep_text(program: &Program, sweep: &[Resampled]) -> String {
    let told: Vec<String> = sweep
        .iter()
        .map(|set| match set {
            Resampled::Together(vars) => super::partition::names(program, vars),
            Resampled::Entries { var, colours } => {
                let name = &program.vars[*var].name;
                match colours {
                    Some(colours) => format!("`{name}` in {colours} turns, its entries being coupled"),
                    None => format!("`{name}` entry by entry"),
                }
            }
        })
        .collect();
    told.join("; then ")
}
