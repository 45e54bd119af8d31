//! A data set in memory: columns over the same rows, and named splits of those rows.

use super::column::Column;
use super::errors::DataError;
use crate::base::schema::Schema;
use std::collections::BTreeSet;

/// Columns over the same rows.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    /// How many rows.
    pub rows: usize,
    /// The columns with their names, in the source's order.
    pub columns: Vec<(String, Column)>,
    /// Named lists of rows (from 0); a row may stand in several.
    pub splits: Vec<(String, Vec<usize>)>,
}

impl Table {
    /// A table of these columns with the single split `rows`. E0717 where their numbers of rows differ, E0713 where two have one name.
    pub fn from_columns(columns: Vec<(String, Column)>) -> Result<Table, DataError> {
        let mismatch = |detail: String| DataError::Mismatch { what: "the table".into(), detail };
        let rows = columns.first().map_or(0, |(_, column)| column.rows());
        let mut names = BTreeSet::new();
        for (name, column) in &columns {
            let found = column.rows();
            if found != rows {
                return Err(mismatch(format!("`{name}` has {found} rows, `{}` has {rows}", columns[0].0)));
            }
            let size: usize = (0..rows).map(|row| column.filled(row)).sum();
            if column.values.len() != size || column.absent.as_ref().is_some_and(|mask| mask.len() != size) {
                return Err(mismatch(format!("`{name}` does not fill {rows} rows of shape {:?}", column.shape)));
            }
            if column.starts.is_some()
                && (0..rows).any(|row| column.length(row) > column.shape.first().copied().unwrap_or(0))
            {
                return Err(mismatch(format!("`{name}` has a row longer than its extent")));
            }
            if !names.insert(name) {
                let detail = format!("two columns are named `{name}`");
                return Err(DataError::Header { file: "the table".into(), detail });
            }
        }
        Ok(Table { rows, columns, splits: vec![("rows".into(), (0..rows).collect())] })
    }

    /// The column of that name (E0704).
    pub fn column(&self, name: &str) -> Result<&Column, DataError> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, column)| column).ok_or_else(|| {
            let known = self.columns.iter().map(|(n, _)| n.clone()).collect();
            DataError::UnknownColumn { name: name.into(), known }
        })
    }

    /// The rows of that split (E0709).
    pub fn split(&self, name: &str) -> Result<&[usize], DataError> {
        self.splits.iter().find(|(n, _)| n == name).map(|(_, rows)| rows.as_slice()).ok_or_else(|| {
            let known = self.splits.iter().map(|(n, _)| n.clone()).collect();
            DataError::UnknownSplit { name: name.into(), known }
        })
    }

    /// What it looks like from outside.
    pub fn schema(&self) -> Schema {
        Schema {
            columns: self.columns.iter().map(|(name, column)| column.schema(name)).collect(),
            rows: Some(self.rows),
            splits: self.splits.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    /// `schema`, with the labels that a column of few numbers would have as an enumeration: that of a table given as it is.
    pub fn schema_with_labels(&self) -> Schema {
        let mut schema = self.schema();
        for (seen, (_, column)) in schema.columns.iter_mut().zip(&self.columns) {
            seen.labels = column.few_labels();
        }
        schema
    }

    /// Puts tables of the same columns below one another, a split each. The labels are those of all of them.
    pub(super) fn stacked(parts: Vec<(String, Table)>) -> Result<Table, DataError> {
        let mut whole = Table::default();
        for (split, part) in parts {
            let from = whole.rows;
            let rows = (from..from + part.rows).collect();
            if whole.columns.is_empty() {
                whole = Table { splits: Vec::new(), ..part };
            } else {
                let names = |table: &Table| table.columns.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
                if names(&whole) != names(&part) {
                    let detail = format!("`{split}` has other columns than the split before it");
                    return Err(DataError::Mismatch { what: "the set".into(), detail });
                }
                for ((name, column), (_, more)) in whole.columns.iter_mut().zip(part.columns) {
                    column.append(name, more)?;
                }
                whole.rows += part.rows;
            }
            whole.splits.push((split, rows));
        }
        Ok(whole)
    }
}
