//! Sets known by name. `digits` is built into the program; others are folders of a layout that is known here; any further name is a
//! file, or a folder with a file a split (`train.csv`, `test.csv.gz`, `NAME.valid.data.gz`, ..).

use super::cells::{Want, Wants};
use super::column::Column;
use super::csv;
use super::errors::DataError;
use super::files::{self, Format, Part};
use super::idx;
use super::json;
use super::open::Input;
use super::sound::{self, Naming};
use super::source::Locations;
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::path::{Path, PathBuf};

/// 64 grey values 0..16 and the digit, 1,797 lines; its README beside it says whose it is.
static DIGITS: &[u8] = include_bytes!("digits/digits.csv.gz");

const MNIST_FILES: [&str; 4] = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
/// Splits and rows of the fixed binarisation.
const BINARIZED_ROWS: [(&str, usize); 3] = [("train", 50_000), ("valid", 10_000), ("test", 10_000)];
const FREY_FILE: &str = "freyfaces.u8.gz";

/// A folder that holds sets of this layout, each under its own name.
const DENSITIES: &str = "density";
const ROLLS_FILE: &str = "jsb-chorales-quarter.json.gz";
const RECORDINGS_FILE: &str = "fsdd-recordings.tar.gz";
const NEWS_FILE: &str = "reuters21578.jsonl.gz";
/// The key of a news item that names its split, and the splits.
const NEWS_SPLIT: &str = "split";
const NEWS_SPLITS: [&str; 3] = ["train", "test", "unused"];

/// What a name stands for.
enum Known {
    /// The built-in set, or a file of the same lines and its rows of training.
    Digits(Option<(PathBuf, usize)>),
    Mnist(PathBuf),
    BinarizedMnist(PathBuf),
    Frey(PathBuf),
    Rolls(PathBuf),
    News(Part),
    /// Spoken digits: an archive of recordings, or the folder it unpacks to.
    Recordings(PathBuf),
    File(Part),
    /// Splits with a file each.
    Files(Vec<(String, Part)>),
}

fn find(name: &str, locations: &Locations) -> Result<Known, DataError> {
    let mut looked = Vec::new();
    let Some(path) = locations.find(name, &mut looked).or_else(|| density(name, locations, &mut looked)) else {
        // A path that was given for this run and does not exist is never passed over.
        if name == "digits" && !locations.overrides.contains_key(name) {
            return Ok(Known::Digits(None));
        }
        return Err(DataError::UnknownSet { name: name.into(), looked });
    };
    if path.is_file() {
        let format = Format::of_path(&path)?;
        return Ok(Known::File(Part { path, format }));
    }
    let splits = |format: Format| Ok(Known::Files(files::parts(&path, name, false, Some(&format))?));
    let known = match name {
        "digits" if !locations.overrides.contains_key(name) => return Ok(Known::Digits(None)),
        "digits8x8" => return Ok(Known::Digits(Some((path.join("digits8x8.csv.gz"), 1437)))),
        "mnist" => return Ok(Known::Mnist(path)),
        "binarized-mnist" => return Ok(Known::BinarizedMnist(path)),
        "frey" => return Ok(Known::Frey(path)),
        "jsb-chorales" => return Ok(Known::Rolls(path)),
        "docs" => return Ok(Known::News(Part { path: path.join(NEWS_FILE), format: Format::Json })),
        "fsdd" => {
            let packed = path.join(RECORDINGS_FILE);
            return Ok(Known::Recordings(if packed.exists() { packed } else { path.join("recordings") }));
        }
        "conll2000" => splits(Format::Columns(["word", "pos", "tag"].map(String::from).to_vec())),
        "ptb" => splits(Format::Text),
        _ => {
            let only = name != DENSITIES && path.file_name().is_some_and(|folder| folder == DENSITIES);
            Ok(Known::Files(files::parts(&path, name, only, None)?))
        }
    }?;
    match known {
        Known::Files(files) if files.is_empty() => {
            looked.push(format!("`{}` holds no file named after a split", path.display()));
            Err(DataError::UnknownSet { name: name.into(), looked })
        }
        known => Ok(known),
    }
}

/// The folder of densities, where it holds a set of that name.
fn density(name: &str, locations: &Locations, looked: &mut Vec<String>) -> Option<PathBuf> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let folder = locations.root.as_ref().filter(|_| plain && !locations.overrides.contains_key(name))?.join(DENSITIES);
    looked.push(format!("`{}`", folder.display()));
    folder.join(format!("{name}.train.data.gz")).exists().then_some(folder)
}

fn number(name: &str, width: usize, range: (f64, f64)) -> ColumnSchema {
    let shape = vec![Extent::Fixed(width)];
    ColumnSchema { name: name.into(), kind: ColumnKind::Number, shape, range: Some(range), labels: None }
}

fn ten_digits() -> Vec<String> {
    (0..10).map(|digit: u8| digit.to_string()).collect()
}

fn images(width: usize, labelled: bool, rows: usize, splits: &[&str]) -> Schema {
    let mut columns = vec![number("image", width, (0.0, 1.0))];
    if labelled {
        let (name, kind, labels) = ("label".to_string(), ColumnKind::Label, Some(ten_digits()));
        columns.push(ColumnSchema { name, kind, shape: Vec::new(), range: None, labels });
    }
    Schema { columns, rows: Some(rows), splits: splits.iter().map(|s| s.to_string()).collect() }
}

/// What a named set offers, from headers alone.
pub(super) fn schema(name: &str, locations: &Locations) -> Result<Schema, DataError> {
    match find(name, locations)? {
        Known::Digits(file) => {
            if let Some((path, _)) = &file {
                Input::open(path)?;
            }
            Ok(images(64, true, 1797, &["train", "test", "all"]))
        }
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
        Known::Rolls(folder) => {
            Input::open(&folder.join(ROLLS_FILE))?;
            Ok(json::rolls_schema())
        }
        Known::News(part) => {
            let mut schema = part.schema()?;
            schema.splits = NEWS_SPLITS.map(String::from).to_vec();
            Ok(schema)
        }
        Known::Recordings(path) => sound::schema(&path, Naming::Takes),
        Known::File(part) => part.schema(),
        Known::Files(files) => files::schema_of_parts(&files),
    }
}

/// A named set, read.
pub(super) fn load(name: &str, locations: &Locations, wants: &Wants) -> Result<Table, DataError> {
    match find(name, locations)? {
        Known::Digits(file) => digits(file),
        Known::Mnist(folder) => mnist(&folder),
        Known::BinarizedMnist(folder) => binarized_mnist(&folder),
        Known::Frey(folder) => {
            let data = Input::open(&folder.join(FREY_FILE))?.body(1965 * 560)?;
            Table::from_columns(vec![("image".into(), Column::bytes(vec![560], data, 255.0))])
        }
        Known::Rolls(folder) => json::rolls(Input::open(&folder.join(ROLLS_FILE))?),
        Known::News(part) => news(&part, wants),
        Known::Recordings(path) => sound::load(&path, Naming::Takes),
        Known::File(part) => part.load(wants),
        Known::Files(files) => files::load_parts(&files, wants),
    }
}

/// News items, split by what each says of itself.
fn news(part: &Part, wants: &Wants) -> Result<Table, DataError> {
    let mut wants = wants.clone();
    wants.columns.insert(NEWS_SPLIT.into(), Want::Label);
    let mut table = part.load(&wants)?;
    let column = table.column(NEWS_SPLIT)?;
    let labels = column.labels.clone().unwrap_or_default();
    let rows = |split: &str| {
        let code = labels.iter().position(|label| label == split);
        let of = |row: &usize| code == Some(column.value(*row, 0) as usize);
        (split.to_string(), (0..table.rows).filter(of).collect())
    };
    table.splits = NEWS_SPLITS.map(rows).to_vec();
    Ok(table)
}

/// Every fifth row of the built-in set is for testing; another file names its rows of training, which come first.
fn digits(file: Option<(PathBuf, usize)>) -> Result<Table, DataError> {
    let input = match &file {
        Some((path, _)) => Input::open(path)?,
        None => Input::bytes(DIGITS, "digits (built in)"),
    };
    let name = input.file.clone();
    let (cells, _) = csv::bare_rows(input, Some(65))?;
    if cells.chunks_exact(65).any(|row| !(0.0..=9.0).contains(&row[64]) || row[64].fract() != 0.0) {
        let detail = "the last cell of a line is no digit".to_string();
        return Err(DataError::Malformed { file: name, format: "a set of digits", detail });
    }
    let rows = cells.len() / 65;
    let grey = cells.chunks_exact(65).flat_map(|row| row[..64].iter().map(|&v| v as u8)).collect();
    let codes = cells.chunks_exact(65).map(|row| row[64] as usize).collect();
    let image = Column { range: Some((0.0, 1.0)), ..Column::bytes(vec![64], grey, 16.0) };
    let label = Column::coded(Vec::new(), codes, ten_digits());
    let mut table = Table::from_columns(vec![("image".into(), image), ("label".into(), label)])?;
    let (test, train): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&row| match &file {
        Some((_, training)) => row >= *training,
        None => row % 5 == 4,
    });
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
