//! NumPy arrays: one (`.npy`, format versions 1 to 3) or several by name in a zip archive (`.npz`).
//! In: a file. Out: a column an array, whose rows are the first axis. Integers, floats, booleans and strings are read,
//! in either byte order and either axis order. The header is a Python dictionary with three fixed keys and is read as just that.

use super::column::Column;
use super::errors::DataError;
use super::idx::each;
use super::open::{Bounded, Input, most_unpacked};
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::cell::Cell;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::rc::Rc;

/// Longest header that is believed; NumPy itself writes a few hundred bytes.
const HEADER_LIMIT: usize = 1 << 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    /// UCS-4 text.
    Wide,
    /// Bytes as text.
    Narrow,
}

struct Header {
    kind: Kind,
    /// Bytes per element, or characters for `Wide`.
    size: usize,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

fn malformed(file: &str, detail: &str) -> DataError {
    DataError::Malformed { file: file.into(), format: "a NumPy array", detail: detail.into() }
}

fn header(input: &mut Input) -> Result<Header, DataError> {
    let mut start = Vec::new();
    let short = "it breaks off within its header";
    take(input, 8, &mut start)?;
    if start.is_empty() {
        return Err(DataError::Empty { file: input.file.clone() });
    }
    if start.len() < 8 || !start.starts_with(b"\x93NUMPY") {
        return Err(malformed(&input.file, "it does not begin with the NumPy mark"));
    }
    let mut length = Vec::new();
    take(input, if start[6] == 1 { 2 } else { 4 }, &mut length)?;
    let length = match *length.as_slice() {
        [a, b] if start[6] == 1 => usize::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] if start[6] <= 3 => u32::from_le_bytes([a, b, c, d]) as usize,
        _ if start[6] > 3 => return Err(malformed(&input.file, "its format version is newer than 3")),
        _ => return Err(malformed(&input.file, short)),
    };
    if length > HEADER_LIMIT {
        return Err(malformed(&input.file, "its header is longer than any real one"));
    }
    let mut text = Vec::new();
    take(input, length, &mut text)?;
    if text.len() < length {
        return Err(malformed(&input.file, short));
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = |key: &str| {
        let at = text.find(&format!("'{key}'"))? + key.len() + 2;
        text[at..].trim_start().strip_prefix(':').map(str::trim_start)
    };
    let (Some(descr), Some(order), Some(shape)) = (field("descr"), field("fortran_order"), field("shape")) else {
        return Err(malformed(&input.file, "its header lacks `descr`, `fortran_order` or `shape`"));
    };
    let descr = descr.strip_prefix('\'').and_then(|d| d.split_once('\'')).map_or(descr, |(d, _)| d);
    let (kind, size) = element(descr).ok_or_else(|| {
        let found = descr.chars().take(40).collect();
        DataError::ElementType { file: input.file.clone(), found }
    })?;
    let inner = shape.strip_prefix('(').and_then(|s| s.split_once(')')).map(|(inner, _)| inner);
    let extents = inner.map(|s| s.split(',').map(str::trim).filter(|e| !e.is_empty()).map(str::parse).collect());
    let Some(Ok(shape)) = extents else {
        return Err(malformed(&input.file, "its shape is not a list of sizes"));
    };
    let shape: Vec<usize> = shape;
    if shape.is_empty() {
        return Err(malformed(&input.file, "it holds a single value, without an axis of rows"));
    }
    if shape.contains(&0) {
        return Err(DataError::Empty { file: input.file.clone() });
    }
    Ok(Header { kind, size, big_endian: descr.starts_with('>'), fortran: order.starts_with("True"), shape })
}

fn take(input: &mut Input, count: usize, into: &mut Vec<u8>) -> Result<(), DataError> {
    let read = input.reader.by_ref().take(count as u64).read_to_end(into);
    read.map(|_| ()).map_err(|e| input.error(e))
}

/// `<f8`, `|u1`, `>i4`, `<U12`, ..
fn element(descr: &str) -> Option<(Kind, usize)> {
    let body = descr.strip_prefix(['<', '>', '|', '='])?;
    let letter = body.chars().next()?;
    let size: usize = body.get(1..)?.parse().ok()?;
    let kind = match (letter, size) {
        ('b', 1) => Kind::Bool,
        ('i', 1 | 2 | 4 | 8) => Kind::Signed,
        ('u', 1 | 2 | 4 | 8) => Kind::Unsigned,
        ('f', 4 | 8) => Kind::Float,
        ('U', 1..=4096) => Kind::Wide,
        ('S', 1..=4096) => Kind::Narrow,
        _ => return None,
    };
    Some((kind, size))
}

impl Header {
    fn schema(&self, name: &str) -> ColumnSchema {
        let kind = match self.kind {
            Kind::Wide | Kind::Narrow => ColumnKind::Label,
            Kind::Bool | Kind::Signed | Kind::Unsigned | Kind::Float => ColumnKind::Number,
        };
        let range = match (self.kind, self.size) {
            (Kind::Bool, _) => Some((0.0, 1.0)),
            (Kind::Unsigned, 1) => Some((0.0, 255.0)),
            _ => None,
        };
        let shape = self.shape[1..].iter().map(|&n| Extent::Fixed(n)).collect();
        ColumnSchema { name: name.into(), kind, shape, range, labels: None }
    }

    fn numbers(&self, bytes: &[u8]) -> Vec<f64> {
        macro_rules! read {
            ($t:ty) => {
                match self.big_endian {
                    true => each(bytes, |b| <$t>::from_be_bytes(b) as f64),
                    false => each(bytes, |b| <$t>::from_le_bytes(b) as f64),
                }
            };
        }
        match (self.kind, self.size) {
            (Kind::Signed, 1) => read!(i8),
            (Kind::Signed, 2) => read!(i16),
            (Kind::Signed, 4) => read!(i32),
            (Kind::Signed, _) => read!(i64),
            (Kind::Unsigned, 2) => read!(u16),
            (Kind::Unsigned, 4) => read!(u32),
            (Kind::Unsigned, 8) => read!(u64),
            (Kind::Float, 4) => read!(f32),
            (Kind::Float, _) => read!(f64),
            _ => read!(u8),
        }
    }

    fn texts(&self, bytes: &[u8]) -> Vec<String> {
        let unit = if self.kind == Kind::Wide { 4 } else { 1 };
        let text = |element: &[u8]| -> String {
            let code = |c: &[u8]| match (c, self.big_endian) {
                (&[a, b, c, d], true) => u32::from_be_bytes([a, b, c, d]),
                (&[a, b, c, d], false) => u32::from_le_bytes([a, b, c, d]),
                _ => u32::from(c[0]),
            };
            let chars = element.chunks_exact(unit).map(|c| char::from_u32(code(c)).unwrap_or('\u{fffd}'));
            chars.collect::<String>().trim_end_matches('\0').into()
        };
        bytes.chunks_exact(unit * self.size).map(text).collect()
    }
}

/// Elements stored first axis fastest, put into last axis fastest.
fn row_major<T: Clone>(values: Vec<T>, shape: &[usize]) -> Vec<T> {
    let mut strides = Vec::new();
    let mut stride = 1;
    for &extent in shape {
        strides.push(stride);
        stride *= extent;
    }
    let place = |flat: usize| {
        let mut rest = flat;
        let mut at = 0;
        for (extent, stride) in shape.iter().zip(&strides).rev() {
            at += rest % extent * stride;
            rest /= extent;
        }
        at
    };
    (0..values.len()).map(|flat| values[place(flat)].clone()).collect()
}

/// What the header says, the column under the given name.
pub(super) fn schema(mut input: Input, name: &str) -> Result<Schema, DataError> {
    let header = header(&mut input)?;
    Ok(Schema { columns: vec![header.schema(name)], rows: Some(header.shape[0]), splits: vec!["rows".into()] })
}

/// The array as a column.
pub(super) fn load(mut input: Input, name: &str) -> Result<Column, DataError> {
    let header = header(&mut input)?;
    let size = if header.kind == Kind::Wide { 4 * header.size } else { header.size };
    let count = header.shape.iter().try_fold(size, |n, &extent| n.checked_mul(extent));
    let bytes = input.body(count.ok_or_else(|| malformed(&input.file, "its shape is beyond all memory"))?)?;
    let within = header.shape[1..].to_vec();
    let order = |column: Vec<f64>| if header.fortran { row_major(column, &header.shape) } else { column };
    let mut column = match (header.kind, header.size) {
        (Kind::Wide | Kind::Narrow, _) => {
            let texts = header.texts(&bytes);
            Column::of_labels(within, &if header.fortran { row_major(texts, &header.shape) } else { texts })
        }
        (Kind::Bool, _) | (Kind::Unsigned, 1) if !header.fortran => Column::bytes(within, bytes, 1.0),
        _ => Column::numbers(within, order(header.numbers(&bytes))),
    };
    column.range = header.schema(name).range;
    super::check_finite(&input.file, name, &column)?;
    Ok(column)
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Calls `each` with every array of the archive, in its order.
fn members<T>(path: &Path, mut each: impl FnMut(Input, &str) -> Result<T, DataError>) -> Result<Vec<T>, DataError> {
    let unreadable = |source| DataError::Unreadable { path: path.to_path_buf(), source };
    let mut input = Input::open(path)?;
    let file = input.file.clone();
    let source: Box<dyn ReadSeek> = if input.packed {
        let mut bytes = Vec::new();
        let read = input.reader.read_to_end(&mut bytes);
        read.map_err(|e| input.error(e))?;
        Box::new(Cursor::new(bytes))
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).map_err(unreadable)?))
    };
    let broken = |e: zip::result::ZipError| DataError::Malformed {
        file: file.clone(),
        format: "an archive of NumPy arrays",
        detail: e.to_string(),
    };
    let mut archive = zip::ZipArchive::new(source).map_err(broken)?;
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    let left = Rc::new(Cell::new(most_unpacked(size)));
    let mut out = Vec::new();
    for at in 0..archive.len() {
        let member = archive.by_index(at).map_err(broken)?;
        let full = member.name().map_err(broken)?.into_owned();
        let name = full.strip_suffix(".npy").unwrap_or(&full).to_string();
        let reader = BufReader::new(Bounded { inner: member, left: left.clone() });
        let input = Input::of(Box::new(reader), format!("{file}:{full}"));
        out.push(each(input, &name)?);
    }
    if out.is_empty() {
        return Err(DataError::Empty { file });
    }
    Ok(out)
}

/// What the headers of an archive's arrays say.
pub(super) fn archive_schema(path: &Path) -> Result<Schema, DataError> {
    let headers = members(path, |mut input, name| {
        let header = header(&mut input)?;
        Ok((header.shape[0], header.schema(name)))
    })?;
    let rows = headers[0].0;
    if let Some((found, odd)) = headers.iter().find(|(n, _)| *n != rows) {
        let detail = format!("`{}` has {found} rows, `{}` has {rows}", odd.name, headers[0].1.name);
        return Err(DataError::Mismatch { what: format!("`{}`", path.display()), detail });
    }
    let columns = headers.into_iter().map(|(_, column)| column).collect();
    Ok(Schema { columns, rows: Some(rows), splits: vec!["rows".into()] })
}

/// An archive's arrays as columns.
pub(super) fn archive(path: &Path) -> Result<Table, DataError> {
    Table::from_columns(members(path, |input, name| Ok((name.to_string(), load(input, name)?)))?)
}
