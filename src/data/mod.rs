//! Data: from a source named in a program to columns in memory, their splits, and the batches that training reads.
//!
//! `schema` reads headers, and small texts for their labels, and is what a program is checked against; `load` reads everything. Both answer with a
//! [`DataError`] that has a code, a place and a mend. Data made by a program itself enters through [`Table::from_columns`].

mod batch;
mod cells;
mod column;
mod csv;
mod errors;
mod files;
mod idx;
mod json;
mod lines;
mod named;
pub mod network;
mod npy;
mod open;
mod quotes;
mod sound;
mod source;
mod table;
pub mod transform;
mod write;

pub use batch::Batches;
pub use cells::{TRUTHS, TURNS, Want, Wants, truth, turn};
pub use column::{Column, Element, Values, sorted_labels};
pub use errors::DataError;
pub use source::{Locations, Source};
pub use table::Table;
pub use transform::{binarise, reveal, threshold};
pub use write::write_csv;

use crate::base::schema::Schema;
use files::Part;
use sound::Naming;

/// What a source offers, from headers and the first rows of text alone; small files of text are looked through for labels.
pub fn schema(source: &Source, locations: &Locations) -> Result<Schema, DataError> {
    match parts(source, locations)? {
        Parts::Named(name) => named::schema(name, locations),
        Parts::Splits(parts) => files::schema_of_parts(&parts),
        Parts::One(part) => part.schema(),
        Parts::Sound(path) => sound::schema(&path, Naming::Plain),
    }
}

/// Everything a source holds, each text column read as its first present cell suggests.
pub fn load(source: &Source, locations: &Locations) -> Result<Table, DataError> {
    load_as(source, locations, &Wants::default())
}

/// `load`, with the columns of text that are wanted, and what they are read as.
pub fn load_as(source: &Source, locations: &Locations, wants: &Wants) -> Result<Table, DataError> {
    match parts(source, locations)? {
        Parts::Named(name) => named::load(name, locations, wants),
        Parts::Splits(parts) => files::load_parts(&parts, wants),
        Parts::One(part) => part.load(wants),
        Parts::Sound(path) => sound::load(&path, Naming::Plain),
    }
}

/// What a source is read from.
enum Parts<'a> {
    Named(&'a str),
    Splits(Vec<(String, Part)>),
    One(Part),
    Sound(std::path::PathBuf),
}

fn parts<'a>(source: &'a Source, locations: &Locations) -> Result<Parts<'a>, DataError> {
    let (path, format) = match (source, source.file()) {
        (_, Some(file)) => file,
        (Source::Dataset { name }, _) => return Ok(Parts::Named(name)),
        (Source::Wav { path }, _) => return Ok(Parts::Sound(locations.file(path))),
        _ => return Ok(Parts::Splits(Vec::new())),
    };
    let path = locations.file(path);
    if !path.is_dir() {
        return Ok(Parts::One(Part { path, format }));
    }
    let parts = files::parts(&path, "", false, Some(&format))?;
    match parts.is_empty() {
        true => Err(DataError::UnknownSet {
            name: path.display().to_string(),
            looked: vec!["the names of the files in that folder, of which none says a split".into()],
        }),
        false => Ok(Parts::Splits(parts)),
    }
}

/// E0707 at the first value of an array that is not finite.
fn check_finite(file: &str, name: &str, column: &Column) -> Result<(), DataError> {
    let Values::Real(values) = &column.values else { return Ok(()) };
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(DataError::NotFinite {
            file: file.into(),
            row: column.row_of(at).0 + 1,
            column: name.into(),
            text: values[at].to_string(),
        }),
    }
}
