//! IDX arrays, the format of the classical digit sets: two zero bytes, an element type, the number of dimensions,
//! the dimensions as big-endian 32-bit counts, then the elements, big-endian, last dimension fastest.
//! In: a file. Out: one column, whose rows are the first dimension.

use super::column::Column;
use super::errors::DataError;
use super::open::Input;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::io::Read;

/// The header: element size in bytes, element type, dimensions.
struct Header {
    kind: u8,
    shape: Vec<usize>,
}

fn malformed(file: &str, detail: String) -> DataError {
    DataError::Malformed { file: file.into(), format: "an IDX file", detail }
}

fn size_of(kind: u8) -> usize {
    match kind {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0c | 0x0d => 4,
        _ => 8,
    }
}

fn header(input: &mut Input) -> Result<Header, DataError> {
    let mut magic = [0u8; 4];
    let read = read_some(input, &mut magic)?;
    if read == 0 {
        return Err(DataError::Empty { file: input.file.clone() });
    }
    if read < 4 || magic[0] != 0 || magic[1] != 0 {
        return Err(malformed(&input.file, "its first two bytes are not zero".into()));
    }
    if !matches!(magic[2], 0x08 | 0x09 | 0x0b..=0x0e) {
        return Err(malformed(&input.file, format!("0x{:02x} is no element type", magic[2])));
    }
    if magic[3] == 0 {
        return Err(malformed(&input.file, "it has no dimensions".into()));
    }
    let mut shape = Vec::new();
    for _ in 0..magic[3] {
        let mut extent = [0u8; 4];
        if read_some(input, &mut extent)? < 4 {
            return Err(malformed(&input.file, "it breaks off within its dimensions".into()));
        }
        shape.push(u32::from_be_bytes(extent) as usize);
    }
    if shape.contains(&0) {
        return Err(DataError::Empty { file: input.file.clone() });
    }
    Ok(Header { kind: magic[2], shape })
}

fn read_some(input: &mut Input, buffer: &mut [u8]) -> Result<usize, DataError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(input.error(e)),
        }
    }
    Ok(filled)
}

/// What the header says, the column under the given name.
pub(super) fn schema(mut input: Input, name: &str) -> Result<Schema, DataError> {
    let header = header(&mut input)?;
    let shape = header.shape[1..].iter().map(|&n| Extent::Fixed(n)).collect();
    let range = (header.kind == 0x08).then_some((0.0, 255.0));
    let column = ColumnSchema { name: name.into(), kind: ColumnKind::Number, shape, range, labels: None };
    Ok(Schema { columns: vec![column], rows: Some(header.shape[0]), splits: vec!["rows".into()] })
}

/// The array, as a column and its number of rows.
pub(super) fn load(mut input: Input) -> Result<(usize, Column), DataError> {
    let Header { kind, shape } = header(&mut input)?;
    let count = shape.iter().try_fold(size_of(kind), |n, &extent| n.checked_mul(extent));
    let count = count.ok_or_else(|| malformed(&input.file, "its dimensions are beyond all memory".into()))?;
    let bytes = input.body(count)?;
    let within = shape[1..].to_vec();
    let column = match kind {
        0x08 => Column::bytes(within, bytes, 1.0),
        0x09 => Column::numbers(within, bytes.iter().map(|&b| f64::from(b as i8)).collect()),
        0x0b => Column::numbers(within, each(&bytes, |b: [u8; 2]| f64::from(i16::from_be_bytes(b)))),
        0x0c => Column::numbers(within, each(&bytes, |b: [u8; 4]| f64::from(i32::from_be_bytes(b)))),
        0x0d => Column::numbers(within, each(&bytes, |b: [u8; 4]| f64::from(f32::from_be_bytes(b)))),
        _ => Column::numbers(within, each(&bytes, f64::from_be_bytes)),
    };
    super::check_finite(&input.file, "value", &column)?;
    Ok((shape[0], column))
}

/// The elements of `N` bytes each, converted.
pub(super) fn each<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| convert(chunk)).collect()
}
