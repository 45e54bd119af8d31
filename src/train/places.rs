//! Answers about one place of a variable, read off those about the whole of it.

use std::ops::Range;

use super::answers::{Asker, extents};
use super::events::Failure;
use crate::diag::{Code, Diagnostic};
use crate::model::{AxisId, EvidenceValue, Place, VarId};

/// What of a variable's entries a question asks for.
pub(super) struct Asked {
    /// As it was asked for.
    pub(super) name: String,
    /// The axes that are left.
    pub(super) axes: Vec<AxisId>,
    /// The numbers there.
    pub(super) values: Vec<f64>,
}

impl Asker<'_> {
    /// What of a variable's entries is asked for.
    pub(super) fn asked_of(&self, var: VarId, values: Vec<f64>) -> Asked {
        let declared = &self.program.vars[var];
        let axes = declared.axes();
        let Some(place) = self.ask.place.as_ref().filter(|p| p.var == var) else {
            return Asked { name: declared.name.clone(), axes, values };
        };
        let label = |(&axis, &at): (&AxisId, &usize)| match self.program.axes.labels(axis) {
            Some(labels) => labels.get(at).cloned().unwrap_or_default(),
            None => (at + 1).to_string(),
        };
        let labels: Vec<String> = axes.iter().zip(&place.at).map(label).collect();
        let range = self.entries_at(place, values.len());
        Asked {
            name: format!("{}[{}]", declared.name, labels.join(", ")),
            axes: axes[place.at.len()..].to_vec(),
            values: values.get(range).map(<[f64]>::to_vec).unwrap_or_default(),
        }
    }

    /// Which of so many numbers of a variable, in the order of its axes, stand at a place of it.
    pub(super) fn entries_at(&self, place: &Place, numbers: usize) -> Range<usize> {
        let extents = extents(self.program, &self.program.vars[place.var].axes());
        let (named, rest) = extents.split_at(place.at.len().min(extents.len()));
        let at = named.iter().zip(&place.at).fold(0, |at, (extent, p)| at * extent + p);
        let states = numbers / extents.iter().product::<usize>().max(1);
        let width = rest.iter().product::<usize>() * states;
        at * width..(at + 1) * width
    }

    /// Errors: the place that is asked for lies behind a row's end.
    pub(super) fn check_place(&self, row: usize, number: usize) -> Result<(), Failure> {
        let (Some(place), Some(on)) = (&self.ask.place, &self.ask.on) else { return Ok(()) };
        let declared = &self.program.vars[place.var];
        let first = |var: VarId| self.program.vars[var].axes().first().map(|&a| self.program.axes.root(a));
        let (Some(axis), Some(at)) = (first(place.var), place.at.first()) else { return Ok(()) };
        let beside = self.evidence().iter().filter(|e| e.value == EvidenceValue::Bound && first(e.var) == Some(axis));
        let length = beside
            .filter_map(|e| self.data.lengths::<f64>(self.program, on.data, e.var, &[row]))
            .find_map(|lengths| lengths.first().map(|&l| l as usize));
        match length {
            Some(length) if *at >= length => {
                let message = format!("row {number} has no `{}[{}]`: it ends after {length}", declared.name, at + 1);
                Err(Diagnostic::at(Code::BadEvidence, self.ask.span, message)
                    .help("ask for a place that every row has, or for one row: `| row 1`")
                    .into())
            }
            _ => Ok(()),
        }
    }
}
