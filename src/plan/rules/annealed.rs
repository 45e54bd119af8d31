//! Estimates of log-partitions by annealed importance sampling, where no exact engine reaches them or the file asks for it.

use super::contrastive::{Undirected, choose_summed, refuse_row_parts};
use super::partition::names;
use super::sweep::{find_sweep, sweep_text};
use crate::analysis::Situation;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{Program, VarId};
use crate::plan::method::Temperatures;
use crate::plan::plan::{Annealing, Engine, Resampled};

/// The runs with what each resamples, and why; the largest set whose entries are independent given the rest is summed and not drawn.
///
/// # Errors
/// The log-partition differs from row to row, or the part cannot be resampled.
pub fn choose(
    situation: &Situation<'_>,
    part: &Undirected<'_>,
    temperatures: Temperatures,
    at: Span,
) -> Result<(Annealing, String), Diagnostic> {
    let program = situation.program;
    refuse_row_parts(situation, part, at)?;
    let mut sweep = find_sweep(program, &part.vars, &part.pieces, &[]).map_err(|reason| {
        let text = format!("{} cannot be annealed", names(program, &part.vars));
        let mut d = Diagnostic::at(Code::NoEngine, at, text);
        if let Some(span) = reason.at {
            d = d.label(span, reason.text);
        }
        d.help("conditionals are derived where log p̃ is a polynomial in each variable's entries, at most a square in a number")
    })?;
    if let Some(var) = coupled_numbers(program, &sweep) {
        let declared = &program.vars[var];
        return Err(Diagnostic::at(Code::NoEngine, at, format!("{} cannot be annealed", names(program, &part.vars)))
            .label(declared.span, format!("entries of `{}` are numbers and coupled with each other", declared.name))
            .help("`by gaussian` integrates them"));
    }
    let largest = (0..sweep.len())
        .filter(|&i| matches!(sweep[i], Resampled::Together(_)))
        .max_by_key(|&i| (entries(program, sweep[i].vars()), std::cmp::Reverse(i)));
    let mut summed = None;
    if let Some(largest) = largest {
        summed = choose_summed(situation, part, sweep[largest].vars())
            .filter(|block| matches!(&block.engine, Engine::Enumeration { kept, .. } if kept.is_empty()));
        if summed.is_some() {
            let first = sweep.remove(largest);
            sweep.insert(0, first);
        }
    }
    let reason = format!(
        "log Z of {} by {} runs through {} temperatures from independent entries: {}{}",
        part.name,
        temperatures.chains,
        temperatures.betas,
        sweep_text(program, &sweep),
        summed.as_ref().map_or(String::new(), |b| format!("; {} summed", names(program, &b.vars))),
    );
    let name = format!("annealed.{}.{}", program.models[situation.model].name, part.name);
    let Temperatures { chains, betas } = temperatures;
    Ok((Annealing { chains, betas, sweep, summed: summed.map(Box::new), name }, reason))
}

fn entries(program: &Program, vars: &[VarId]) -> usize {
    vars.iter().map(|&v| program.extents(&program.vars[v].axes()).map_or(1, |e| e.iter().product())).sum()
}

fn coupled_numbers(program: &Program, sweep: &[Resampled]) -> Option<VarId> {
    let entries = sweep.iter().filter(|s| matches!(s, Resampled::Entries { .. }));
    entries.flat_map(|s| s.vars()).copied().find(|&v| !program.vars[v].domain.is_discrete())
}
