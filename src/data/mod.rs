//! Data: from a source named in a program to columns in memory, their splits, and the batches that training reads.
//!
//! `schema` reads headers only and is what a program is checked against; `load` reads everything. Both answer with a
//! [`DataError`] that has a code, a place and a mend. Data made by a program itself enters through [`Table::from_columns`].

mod batch;
mod column;
mod csv;
mod errors;
mod idx;
mod named;
mod npy;
mod open;
mod quotes;
mod source;
mod table;
pub mod transform;
mod write;

pub use batch::{Batches, split_rows};
pub use column::{Column, Element, Values, sorted_labels};
pub use csv::Want;
pub use errors::DataError;
pub use source::{Locations, Source};
pub use table::Table;
pub use transform::{binarise, reveal, scale, threshold};
pub use write::write_csv;

use crate::base::schema::Schema;
use open::Input;
use std::collections::BTreeMap;

/// The column's name where a file holds a single array.
const SINGLE: &str = "value";

/// What a source offers, from headers (and a text table's first rows) alone.
pub fn schema(source: &Source, locations: &Locations) -> Result<Schema, DataError> {
    match source {
        Source::Dataset { name } => named::schema(name, locations),
        Source::Csv { path } => csv::schema(Input::open(&locations.file(path))?, b','),
        Source::Tsv { path } => csv::schema(Input::open(&locations.file(path))?, b'\t'),
        Source::Npy { path } => npy::schema(Input::open(&locations.file(path))?, SINGLE),
        Source::Npz { path } => npy::archive_schema(&locations.file(path)),
        Source::Idx { path } => idx::schema(Input::open(&locations.file(path))?, SINGLE),
    }
}

/// Everything a source holds, each text column read as its first present cell suggests.
pub fn load(source: &Source, locations: &Locations) -> Result<Table, DataError> {
    load_as(source, locations, &BTreeMap::new())
}

/// `load`, with the kinds that named columns of a text table are read as.
pub fn load_as(source: &Source, locations: &Locations, wants: &BTreeMap<String, Want>) -> Result<Table, DataError> {
    match source {
        Source::Dataset { name } => named::load(name, locations, wants),
        Source::Csv { path } => csv::load(Input::open(&locations.file(path))?, b',', wants),
        Source::Tsv { path } => csv::load(Input::open(&locations.file(path))?, b'\t', wants),
        Source::Npy { path } => {
            let column = npy::load(Input::open(&locations.file(path))?, SINGLE)?;
            Table::from_columns(vec![(SINGLE.into(), column)])
        }
        Source::Npz { path } => npy::archive(&locations.file(path)),
        Source::Idx { path } => {
            let (_, column) = idx::load(Input::open(&locations.file(path))?)?;
            Table::from_columns(vec![(SINGLE.into(), column)])
        }
    }
}

/// E0707 at the first value of an array that is not finite.
fn check_finite(file: &str, name: &str, column: &Column) -> Result<(), DataError> {
    let Values::Real(values) = &column.values else { return Ok(()) };
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(DataError::NotFinite {
            file: file.into(),
            row: at.checked_div(column.width()).unwrap_or(0) + 1,
            column: name.into(),
            text: values[at].to_string(),
        }),
    }
}
