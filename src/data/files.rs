//! Files and folders of files: which format a path is read as, and a split for each file of a folder.
//! In: paths. Out: schemas and tables; a folder's is that of all of its files.

use super::cells::{Want, Wants};
use super::column::Column;
use super::errors::DataError;
use super::lines::{self, Layout};
use super::open::Input;
use super::table::Table;
use super::{csv, idx, json, npy};
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

/// The column's name where a file holds a single array.
const SINGLE: &str = "value";

/// A file that unpacks to no more bytes is looked through for labels before a program is checked.
const SMALL: u64 = 1 << 22;

/// Splits that a folder may hold a file of, in the order in which they are read, with the words that file names say for them.
const SPLITS: [(&str, &[&str]); 4] =
    [("train", &["train"]), ("valid", &["valid", "validation", "dev"]), ("test", &["test"]), ("rows", &["rows"])];

/// How a file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A header and rows of cells, split by this byte.
    Table(u8),
    /// One array.
    Npy,
    /// Arrays by name.
    Npz,
    /// One array.
    Idx,
    /// Tokens with these columns.
    Columns(Vec<String>),
    /// Tokens with the columns of CoNLL-U.
    Universal,
    /// Sentences.
    Text,
    /// Objects.
    Json,
    /// Numbers split by commas, without a header: one vector.
    Bare,
}

impl Format {
    /// The format that a file's ending asks for (E0719 for an unknown ending).
    pub fn of_path(path: &Path) -> Result<Format, DataError> {
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        match stem.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "csv" => Ok(Format::Table(b',')),
            "tsv" => Ok(Format::Table(b'\t')),
            "npy" => Ok(Format::Npy),
            "npz" => Ok(Format::Npz),
            "idx" => Ok(Format::Idx),
            "jsonl" => Ok(Format::Json),
            "conllu" => Ok(Format::Universal),
            "data" => Ok(Format::Bare),
            _ if stem.ends_with("-ubyte") => Ok(Format::Idx),
            _ => Err(DataError::UnknownFormat { path: path.to_path_buf() }),
        }
    }

    fn schema(&self, path: &Path) -> Result<Schema, DataError> {
        let input = || Input::open(path);
        match self {
            Format::Table(delimiter) => csv::schema(input()?, *delimiter),
            Format::Npy => npy::schema(input()?, SINGLE),
            Format::Npz => npy::archive_schema(path),
            Format::Idx => idx::schema(input()?, SINGLE),
            Format::Columns(names) => lines::schema(input()?, Layout::Columns(names)),
            Format::Universal => lines::schema(input()?, Layout::Universal),
            Format::Text => lines::schema(input()?, Layout::Text),
            Format::Json => json::schema(input()?),
            Format::Bare => {
                let shape = vec![Extent::Fixed(bare_width(input()?)?)];
                let (name, kind, range) = ("x".to_string(), ColumnKind::Number, Some((0.0, 1.0)));
                let columns = vec![ColumnSchema { name, kind, shape, range, labels: None }];
                Ok(Schema { columns, rows: None, splits: vec!["rows".into()] })
            }
        }
    }

    fn load(&self, input: Input, wants: &Wants) -> Result<Table, DataError> {
        match self {
            Format::Table(delimiter) => csv::load(input, *delimiter, wants),
            Format::Npy => Table::from_columns(vec![(SINGLE.into(), npy::load(input, SINGLE)?)]),
            Format::Npz => Ok(Table::default()),
            Format::Idx => Table::from_columns(vec![(SINGLE.into(), idx::load(input)?.1)]),
            Format::Columns(names) => lines::load(input, Layout::Columns(names), wants),
            Format::Universal => lines::load(input, Layout::Universal, wants),
            Format::Text => lines::load(input, Layout::Text, wants),
            Format::Json => json::load(input, wants),
            Format::Bare => {
                let (values, width) = csv::bare_rows(input, None)?;
                Table::from_columns(vec![("x".into(), Column::numbers(vec![width], values))])
            }
        }
    }
}

/// A file and how it is read.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Its path.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
}

impl Part {
    /// What its header and first rows say, and the labels of its columns where it is small.
    pub fn schema(&self) -> Result<Schema, DataError> {
        let mut schema = self.format.schema(&self.path)?;
        self.add_labels(&mut schema);
        Ok(schema)
    }

    /// Looks through a small file of text. What is wrong with its body is said when it is bound.
    fn add_labels(&self, schema: &mut Schema) {
        if !matches!(
            self.format,
            Format::Table(_) | Format::Columns(_) | Format::Universal | Format::Text | Format::Json
        ) {
            return;
        }
        let Ok(mut input) = Input::open(&self.path) else { return };
        let mut bytes = Vec::new();
        let read = input.reader.by_ref().take(SMALL + 1).read_to_end(&mut bytes);
        if read.is_err() || bytes.len() as u64 > SMALL {
            return;
        }
        let columns = schema.columns.iter().map(|c| (c.name.clone(), Want::Label)).collect();
        let wants = Wants { columns, only: true };
        let Ok(table) = self.format.load(Input::bytes(&bytes, &input.file), &wants) else { return };
        for column in &mut schema.columns {
            column.labels = table.column(&column.name).ok().and_then(|c| c.labels.clone());
        }
    }

    /// Everything in it.
    pub fn load(&self, wants: &Wants) -> Result<Table, DataError> {
        match self.format {
            Format::Npz => npy::archive(&self.path),
            _ => self.format.load(Input::open(&self.path)?, wants),
        }
    }
}

/// The files of a folder whose names say a split, in the splits' order; those of other endings than are read are passed over. Where two
/// are of one split, the one whose name begins with `name` serves, and with `only` no other ever does. E0717 where two are left.
pub(super) fn parts(
    folder: &Path,
    name: &str,
    only: bool,
    format: Option<&Format>,
) -> Result<Vec<(String, Part)>, DataError> {
    let unreadable = |source| DataError::Unreadable { path: folder.to_path_buf(), source };
    let mut files: Vec<(String, Part)> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let path = folder.join(&file);
        if let Some(format) = format.cloned().or_else(|| Format::of_path(&path).ok()) {
            files.push((file, Part { path, format }));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let own = |file: &str| file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let mut found = Vec::new();
    for (split, words) in SPLITS {
        let of_split = |file: &str| file.split(['.', '-', '_']).any(|piece| words.contains(&piece));
        let mut candidates: Vec<&(String, Part)> = files.iter().filter(|(file, _)| of_split(file)).collect();
        if only || candidates.len() > 1 && candidates.iter().any(|(file, _)| own(file)) {
            candidates.retain(|(file, _)| own(file));
        }
        match candidates[..] {
            [] => {}
            [(_, part)] => found.push((split.to_string(), part.clone())),
            [(first, _), (second, _), ..] => {
                let detail = format!("`{first}` and `{second}` are both of the split `{split}`");
                return Err(DataError::Mismatch { what: format!("`{}`", folder.display()), detail });
            }
        }
    }
    Ok(found)
}

/// The schema of several files: that of the first, and their splits.
pub(super) fn schema_of_parts(parts: &[(String, Part)]) -> Result<Schema, DataError> {
    let Some((first, part)) = parts.first() else { return Ok(Schema::default()) };
    let mut schema = part.schema()?;
    if first != "train" && parts.len() > 1 {
        // Without training rows the labels are those of all rows.
        schema.columns.iter_mut().for_each(|column| column.labels = None);
    }
    schema.rows = None;
    schema.splits = parts.iter().map(|(split, _)| split.clone()).collect();
    Ok(schema)
}

/// Several files below one another, a split each.
pub(super) fn load_parts(parts: &[(String, Part)], wants: &Wants) -> Result<Table, DataError> {
    let read = |(split, part): &(String, Part)| Ok((split.clone(), part.load(wants)?));
    Table::stacked(parts.iter().map(read).collect::<Result<_, DataError>>()?)
}

/// How many numbers the first line of a file without a header holds.
fn bare_width(mut input: Input) -> Result<usize, DataError> {
    let most = 1 << 23;
    let mut line = Vec::new();
    // Blank lines before the first row are passed over, as when the rows are read.
    loop {
        line.clear();
        match input.reader.by_ref().take(most).read_until(b'\n', &mut line) {
            Err(e) => return Err(input.error(e)),
            Ok(0) => return Err(DataError::Empty { file: input.file }),
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => return Ok(line.split(|&byte| byte == b',').count()),
        }
    }
}
