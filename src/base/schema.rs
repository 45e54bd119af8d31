//! What a data source offers before its body is read: its columns, their shapes and their kinds. `data` fills it, `sema` checks against it.

use serde::{Deserialize, Serialize};

/// The kind of value a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// Real numbers.
    Number,
    /// Labels of an enumeration, or words.
    Label,
}

/// One dimension of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// The same size in every row.
    Fixed(usize),
    /// A length of its own in each row.
    Ragged,
}

/// One column: a value of the same kind in each row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// The name by which bindings read it.
    pub name: String,
    /// The value's kind.
    pub kind: ColumnKind,
    /// The value's dimensions within a row, outermost first.
    pub shape: Vec<Extent>,
    /// Smallest and largest value a number can take, where the source says so (grey images: 0 and 1).
    pub range: Option<(f64, f64)>,
    /// What the column's entries are as labels of an enumeration, in its order, where the source says so or is small enough to be looked
    /// through: a column of numbers has its numbers as they are written.
    pub labels: Option<Vec<String>>,
}

/// What a data source offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
pub struct Schema {
    /// Columns, in the source's order.
    pub columns: Vec<ColumnSchema>,
    /// Number of rows, where it is known without reading the body.
    pub rows: Option<usize>,
    /// Names of the splits it comes with (`train`, `test`, ..).
    pub splits: Vec<String>,
}

impl Schema {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|c| c.name == name)
    }
}
