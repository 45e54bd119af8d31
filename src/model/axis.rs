//! Axes: the named dimensions along which variables, parameters and data line up. A plate is an axis; so is an enumeration.

use serde::{Deserialize, Serialize};

use crate::base::id::Arena;
use crate::base::span::Span;

crate::ids!(
    /// An axis of a program.
    AxisId
);

/// What kind of dimension an axis is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AxisKind {
    /// One extent for the whole data set.
    Plain,
    /// The rows of a data set.
    Rows,
    /// A length of its own in each row; the extent is the longest.
    Ragged,
    /// Several axes laid end to end, as `++` makes them.
    Sum(Vec<AxisId>),
    /// Another name for an axis, so that it can stand twice in one declaration.
    Alias(AxisId),
    /// An axis cut into blocks of that many positions; what is left over at the end is dropped.
    Blocks(AxisId, usize),
}

/// A named dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Its name; axes that the compiler makes carry a dot (`enc.1`).
    pub name: String,
    /// What it is.
    pub kind: AxisKind,
    /// Its extent, once a default, `--set` or bound data told it; sums and aliases take theirs from their parts.
    pub extent: Option<usize>,
    /// The states' labels where the axis is an enumeration, in order.
    pub labels: Option<Vec<String>>,
    /// Whether labels met after training are one state more, `<unk>`, and no error: the words of `Text`.
    pub open: bool,
    /// Where it was first named.
    pub span: Span,
}

impl Arena<AxisId, Axis> {
    /// The axis that an alias stands for; any other axis stands for itself.
    pub fn root(&self, axis: AxisId) -> AxisId {
        match self[axis].kind {
            AxisKind::Alias(of) => self.root(of),
            _ => axis,
        }
    }

    /// The extent, if every part of it is known.
    pub fn extent(&self, axis: AxisId) -> Option<usize> {
        match &self[axis].kind {
            AxisKind::Alias(of) => self.extent(*of),
            AxisKind::Sum(parts) => parts.iter().map(|&p| self.extent(p)).sum(),
            AxisKind::Blocks(of, size) => self.extent(*of).map(|n| n / size.max(&1)),
            AxisKind::Plain | AxisKind::Rows | AxisKind::Ragged => self[axis].extent,
        }
    }

    /// The labels of an enumeration, if the axis is one whose labels are known.
    pub fn labels(&self, axis: AxisId) -> Option<&[String]> {
        self[self.root(axis)].labels.as_deref()
    }
}
