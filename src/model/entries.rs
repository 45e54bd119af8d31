//! Which entries of which variables a summand reads, position by position of its plates.
//!
//! An entry is a variable at one place along each of its axes, numbered with the last axis fastest. Plates over which a whole block
//! repeats are left out: at one position of theirs the block is one product of tables.

use super::axis::AxisId;
use super::expr::Subscript;
use super::program::{Factor, FactorKind, Program, VarId};
use super::walk::Read;
use crate::base::places::unravel;

/// One way in which a summand reads a variable: `s[t-1]`, or the whole `h`.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryRead {
    /// The variable.
    pub var: VarId,
    /// The subscripts as written.
    pub at: Vec<Subscript>,
    /// The axes along which it is read at all places, in the variable's order.
    pub open: Vec<AxisId>,
    /// For each position the entries read, along the open axes with the last fastest; none where the place lies outside an axis.
    pub entries: Vec<Vec<Option<usize>>>,
}

/// What a summand reads of some variables.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryReads {
    /// The extents of its plates, those left out as 1.
    pub plates: Vec<usize>,
    /// Each way of reading once, in the order met, the target first.
    pub reads: Vec<EntryRead>,
}

/// The most entries of all reads at all positions that are looked at.
const MOST: usize = 4_000_000;

/// How many entries a variable has off the plates left out; none where an extent is unknown or too large.
pub fn entries_of(program: &Program, var: VarId, without: &[AxisId]) -> Option<usize> {
    let extents = extents(program, &program.vars[var].axes(), without)?;
    extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e))
}

/// What a summand reads of `vars`; none where an extent is unknown, or there are more entries than anybody would sum over.
pub fn entry_reads(program: &Program, factor: &Factor, vars: &[VarId], without: &[AxisId]) -> Option<EntryReads> {
    let axes: Vec<AxisId> = factor.plates.iter().map(|&i| program.plate(i)).collect();
    let plates = extents(program, &axes, without)?;
    let positions = plates.iter().try_fold(1usize, |n, &e| n.checked_mul(e)).filter(|&n| n <= MOST)?;
    let mut found: Vec<Read> = Vec::new();
    if let FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } = &factor.kind {
        found.push(Read { var: target.var, at: target.at.clone(), span: factor.span });
    }
    found.extend(factor.reads());
    found.retain(|r| vars.contains(&r.var));
    let mut reads: Vec<EntryRead> = Vec::new();
    let mut total = 0usize;
    for read in found {
        if reads.iter().any(|r| r.var == read.var && r.at == read.at) {
            continue;
        }
        let own = program.vars[read.var].axes();
        let sizes = extents(program, &own, without)?;
        let settled = |i: usize| read.at.get(i).is_some_and(Subscript::is_place);
        let open: Vec<usize> = (0..own.len()).filter(|&i| !settled(i)).collect();
        let spans: Vec<usize> = open.iter().map(|&i| sizes[i]).collect();
        let each = spans.iter().try_fold(1usize, |n, &e| n.checked_mul(e))?;
        total = total.checked_add(each.checked_mul(positions)?).filter(|&n| n <= MOST)?;
        let entries = (0..positions)
            .map(|position| {
                let place = unravel(position, &plates);
                let fixed: Option<Vec<usize>> = (0..own.len())
                    .map(|i| match read.at.get(i) {
                        Some(Subscript::At { index, offset }) => {
                            let plate = factor.plates.iter().position(|p| p == index)?;
                            let at = usize::try_from(place[plate] as i64 + offset).ok()?;
                            (at < sizes[i]).then_some(at)
                        }
                        Some(Subscript::Constant(_)) if without.contains(&own[i]) => Some(0),
                        Some(Subscript::Constant(at)) => (*at < sizes[i]).then_some(*at),
                        _ => Some(0),
                    })
                    .collect();
                (0..each)
                    .map(|n| {
                        let mut at = fixed.clone()?;
                        open.iter().zip(unravel(n, &spans)).for_each(|(&i, s)| at[i] = s);
                        Some(at.iter().zip(&sizes).fold(0, |flat, (s, size)| flat * size + s))
                    })
                    .collect()
            })
            .collect();
        reads.push(EntryRead { var: read.var, at: read.at, open: open.iter().map(|&i| own[i]).collect(), entries });
    }
    Some(EntryReads { plates, reads })
}

fn extents(program: &Program, axes: &[AxisId], without: &[AxisId]) -> Option<Vec<usize>> {
    let all = program.extents(axes)?;
    Some(axes.iter().zip(all).map(|(a, e)| if without.contains(a) { 1 } else { e }).collect())
}
