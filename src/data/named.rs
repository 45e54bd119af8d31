//! Sets known by name. `digits` is built into the program; `mnist`, `binarized-mnist` and `frey` are folders of fixed layout;
//! any other name is a file, or a folder with a file a split (`train.csv`, `test.csv.gz`, `NAME.valid.data.gz`, ..).

use super::column::Column;
use super::csv;
use super::errors::DataError;
use super::idx;
use super::open::Input;
use super::source::{Locations, Source};
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// 64 grey values 0..16 and the digit, 1,797 lines; its README beside it says whose it is.
static DIGITS: &[u8] = include_bytes!("digits/digits.csv.gz");

/// Splits that a folder may hold a file of, in the order in which they are read.
const SPLIT_FILES: [&str; 4] = ["train", "valid", "test", "rows"];

const MNIST_FILES: [&str; 4] = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
/// Splits and rows of the fixed binarisation.
const BINARIZED_ROWS: [(&str, usize); 3] = [("train", 50_000), ("valid", 10_000), ("test", 10_000)];
const FREY_FILE: &str = "freyfaces.u8.gz";

/// What a name stands for.
enum Known {
    Digits,
    Mnist(PathBuf),
    BinarizedMnist(PathBuf),
    Frey(PathBuf),
    File(Source),
    /// Splits with a file each.
    Files(Vec<(String, PathBuf)>),
}

fn find(name: &str, locations: &Locations) -> Result<Known, DataError> {
    let mut looked = Vec::new();
    let Some(path) = locations.find(name, &mut looked) else {
        // A path that was given for this run and does not exist is never passed over.
        if name == "digits" && !locations.overrides.contains_key(name) {
            return Ok(Known::Digits);
        }
        return Err(DataError::UnknownSet { name: name.into(), looked });
    };
    if path.is_file() {
        return Ok(Known::File(Source::of_path(&path)?));
    }
    match name {
        "digits" if !locations.overrides.contains_key(name) => Ok(Known::Digits),
        "mnist" => Ok(Known::Mnist(path)),
        "binarized-mnist" => Ok(Known::BinarizedMnist(path)),
        "frey" => Ok(Known::Frey(path)),
        _ => {
            let files = split_files(name, &path)?;
            if files.is_empty() {
                looked.push(format!("`{}` holds no file named after a split", path.display()));
                return Err(DataError::UnknownSet { name: name.into(), looked });
            }
            Ok(Known::Files(files))
        }
    }
}

/// The files of a folder that are named `SPLIT.ending` or `NAME.SPLIT.ending`.
fn split_files(name: &str, folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let unreadable = |source| DataError::Unreadable { path: folder.to_path_buf(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut files = Vec::new();
    for split in SPLIT_FILES {
        let of_split = |file: &&String| {
            let rest = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).unwrap_or(file);
            rest.strip_prefix(split).is_some_and(|rest| rest.starts_with('.'))
        };
        files.extend(names.iter().find(of_split).map(|file| (split.to_string(), folder.join(file))));
    }
    Ok(files)
}

fn number(name: &str, width: usize, range: (f64, f64)) -> ColumnSchema {
    let shape = vec![Extent::Fixed(width)];
    ColumnSchema { name: name.into(), kind: ColumnKind::Number, shape, range: Some(range) }
}

fn ten_digits() -> Vec<String> {
    (0..10).map(|digit: u8| digit.to_string()).collect()
}

fn images(width: usize, labelled: bool, rows: usize, splits: &[&str]) -> Schema {
    let mut columns = vec![number("image", width, (0.0, 1.0))];
    if labelled {
        let kind = ColumnKind::Label(Some(ten_digits()));
        columns.push(ColumnSchema { name: "label".into(), kind, shape: Vec::new(), range: None });
    }
    Schema { columns, rows: Some(rows), splits: splits.iter().map(|s| s.to_string()).collect() }
}

/// What a named set offers, from headers alone.
pub(super) fn schema(name: &str, locations: &Locations) -> Result<Schema, DataError> {
    match find(name, locations)? {
        Known::Digits => Ok(images(64, true, 1797, &["train", "test", "all"])),
        Known::Mnist(folder) => {
            for stem in MNIST_FILES {
                idx::schema(Input::open(&mnist_file(&folder, stem))?, stem)?;
            }
            Ok(images(784, true, 70_000, &["train", "test", "fit", "valid"]))
        }
        Known::BinarizedMnist(folder) => {
            for (split, _) in BINARIZED_ROWS {
                Input::open(&folder.join(format!("binarized_mnist_{split}.bits.gz")))?;
            }
            Ok(images(784, false, 70_000, &["train", "valid", "test"]))
        }
        Known::Frey(folder) => {
            Input::open(&folder.join(FREY_FILE))?;
            Ok(images(560, false, 1965, &["rows"]))
        }
        Known::File(source) => super::schema(&source, &absolute()),
        Known::Files(files) => {
            let (_, first) = &files[0];
            let mut schema = match bare(first) {
                true => {
                    let width = bare_width(first)?;
                    Schema { columns: vec![number("x", width, (0.0, 1.0))], ..Schema::default() }
                }
                false => super::schema(&Source::of_path(first)?, &absolute())?,
            };
            schema.rows = None;
            schema.splits = files.into_iter().map(|(split, _)| split).collect();
            Ok(schema)
        }
    }
}

/// A named set, read.
pub(super) fn load(name: &str, locations: &Locations, wants: &BTreeMap<String, csv::Want>) -> Result<Table, DataError> {
    match find(name, locations)? {
        Known::Digits => digits(),
        Known::Mnist(folder) => mnist(&folder),
        Known::BinarizedMnist(folder) => binarized_mnist(&folder),
        Known::Frey(folder) => {
            let data = Input::open(&folder.join(FREY_FILE))?.body(1965 * 560)?;
            Table::from_columns(vec![("image".into(), Column::bytes(vec![560], data, 255.0))])
        }
        Known::File(source) => super::load_as(&source, &absolute(), wants),
        Known::Files(files) => {
            let read = |(split, path): (String, PathBuf)| {
                let table = match bare(&path) {
                    true => {
                        let width = bare_width(&path)?;
                        let values = csv::bare_rows(Input::open(&path)?, width)?;
                        Table::from_columns(vec![("x".into(), Column::numbers(vec![width], values))])?
                    }
                    false => super::load_as(&Source::of_path(&path)?, &absolute(), wants)?,
                };
                Ok((split, table))
            };
            Table::stacked(files.into_iter().map(read).collect::<Result<_, DataError>>()?)
        }
    }
}

/// Paths found through `Locations` count from nowhere else.
fn absolute() -> Locations {
    Locations::default()
}

/// Whether it is a `.data` file: numbers split by commas, without a header.
fn bare(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(".data")
}

fn bare_width(path: &Path) -> Result<usize, DataError> {
    let mut input = Input::open(path)?;
    let mut line = String::new();
    if let Err(e) = input.reader.read_line(&mut line) {
        return Err(input.error(e));
    }
    if line.trim().is_empty() {
        return Err(DataError::Empty { file: input.file });
    }
    Ok(line.split(',').count())
}

fn digits() -> Result<Table, DataError> {
    let cells = csv::bare_rows(Input::bytes(DIGITS, "digits (built in)"), 65)?;
    let rows = cells.len() / 65;
    let grey = cells.chunks_exact(65).flat_map(|row| row[..64].iter().map(|&v| v as u8)).collect();
    let codes = cells.chunks_exact(65).map(|row| row[64] as usize).collect();
    let image = Column { range: Some((0.0, 1.0)), ..Column::bytes(vec![64], grey, 16.0) };
    let label = Column::coded(Vec::new(), codes, ten_digits());
    let mut table = Table::from_columns(vec![("image".into(), image), ("label".into(), label)])?;
    let (test, train): (Vec<usize>, Vec<usize>) = (0..rows).partition(|row| row % 5 == 4);
    table.splits = vec![("train".into(), train), ("test".into(), test), ("all".into(), (0..rows).collect())];
    Ok(table)
}

/// One of the official files, packed or not.
fn mnist_file(folder: &Path, stem: &str) -> PathBuf {
    let packed = folder.join(format!("{stem}-ubyte.gz"));
    if packed.exists() { packed } else { folder.join(format!("{stem}-ubyte")) }
}

/// The four official IDX files.
fn mnist(folder: &Path) -> Result<Table, DataError> {
    let array = |stem: &str| {
        let path = mnist_file(folder, stem);
        Ok((path.clone(), idx::load(Input::open(&path)?)?.1))
    };
    let part = |stem: &str, rows: usize| {
        let (path, image) = array(&format!("{stem}-images-idx3"))?;
        let (_, label) = array(&format!("{stem}-labels-idx1"))?;
        let (super::Values::Byte { data: grey, .. }, super::Values::Byte { data: digit, .. }) =
            (image.values, label.values)
        else {
            return Err(DataError::ElementType { file: path.display().to_string(), found: "wider than a byte".into() });
        };
        if grey.len() != rows * 784 || digit.len() != rows || digit.iter().any(|&d| d > 9) {
            let detail = format!("`{stem}` should hold {rows} images of 28 by 28 and as many digits");
            return Err(DataError::Mismatch { what: "`mnist`".into(), detail });
        }
        Ok((grey, digit))
    };
    let (mut grey, mut digit) = part("train", 60_000)?;
    let (test_grey, test_digit) = part("t10k", 10_000)?;
    grey.extend(test_grey);
    digit.extend(test_digit);
    let label = Column::coded(Vec::new(), digit.into_iter().map(usize::from).collect(), ten_digits());
    let image = Column::bytes(vec![784], grey, 255.0);
    let mut table = Table::from_columns(vec![("image".into(), image), ("label".into(), label)])?;
    table.splits = vec![
        ("train".into(), (0..60_000).collect()),
        ("test".into(), (60_000..70_000).collect()),
        ("fit".into(), (0..50_000).collect()),
        ("valid".into(), (50_000..60_000).collect()),
    ];
    Ok(table)
}

/// Rows of 98 bytes, the first pixel in the most significant bit.
fn binarized_mnist(folder: &Path) -> Result<Table, DataError> {
    let mut parts = Vec::new();
    for (split, rows) in BINARIZED_ROWS {
        let bits = Input::open(&folder.join(format!("binarized_mnist_{split}.bits.gz")))?.body(rows * 98)?;
        let pixels = bits.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let image = Column { range: Some((0.0, 1.0)), ..Column::bytes(vec![784], pixels, 1.0) };
        parts.push((split.to_string(), Table::from_columns(vec![("image".into(), image)])?));
    }
    Table::stacked(parts)
}
