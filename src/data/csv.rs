//! Tables as text: one line of names, then one line a row, cells split by commas or tabs (RFC 4180 quoting).
//! `?` or an empty cell is an absent value; columns `x[1], x[2], ..` are one vector column `x`.
//! A column's kind is that of its first present cell unless the caller wants another.

use super::cells::{At, Builder, Want, Wants};
use super::errors::DataError;
use super::open::{Input, read_error};
use super::quotes::Quotes;
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::collections::BTreeSet;
use std::io::{BufRead, Chain, Read};

/// So many rows are looked through, at most, for the first present cell of each column.
const PROBE_ROWS: usize = 1000;

/// A table has at most so many columns.
const MOST_CELLS: usize = 1 << 16;

/// A column of the table: its name, its extent if it is a vector, and the cell where it begins.
struct Slot {
    name: String,
    extent: Option<usize>,
    first: usize,
}

impl Slot {
    fn cells(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.extent.unwrap_or(1)
    }

    /// The name of one of its cells, as the header wrote it.
    fn cell_name(&self, at: usize) -> String {
        match self.extent {
            Some(_) => format!("{}[{}]", self.name, at + 1),
            None => self.name.clone(),
        }
    }
}

/// A row and the line it ends on.
type Row = (u64, csv::StringRecord);

/// A text with a line feed put behind it.
type Ended<'a> = Chain<Box<dyn BufRead + 'a>, &'static [u8]>;

/// The rows of text, each with its line.
struct Rows<'a> {
    reader: csv::Reader<Quotes<Ended<'a>>>,
    file: String,
    packed: bool,
    /// The header's cells, once they are read: what messages call a column.
    names: csv::StringRecord,
}

impl<'a> Rows<'a> {
    fn new(input: Input<'a>, delimiter: u8) -> Rows<'a> {
        // Lines are told apart by the line feed alone, and the last one always has it: the reader's count of lines is then
        // exact. A carriage return before it is blank space and goes with the trimming.
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(Quotes::new(input.reader.chain(&b"\n"[..]), delimiter));
        Rows { reader, file: input.file, packed: input.packed, names: csv::StringRecord::new() }
    }

    /// The next row that is not blank.
    fn next(&mut self) -> Result<Option<Row>, DataError> {
        let mut record = csv::StringRecord::new();
        loop {
            let read = self.reader.read_record(&mut record);
            let line = self.reader.position().line().saturating_sub(1);
            if let Some((line, cell)) = self.reader.get_ref().left_open() {
                let column = self.names.get(cell).map_or_else(|| (cell + 1).to_string(), str::to_string);
                return Err(DataError::OpenQuote { file: self.file.clone(), line, column });
            }
            if let Some((line, what)) = self.reader.get_ref().too_long() {
                return Err(DataError::TooLong { file: self.file.clone(), line, what });
            }
            match read {
                Ok(true) if record.len() > MOST_CELLS => {
                    let what = format!("has {} cells: at most {MOST_CELLS} are read", record.len());
                    return Err(DataError::TooLong { file: self.file.clone(), line, what });
                }
                Ok(true) if record.len() == 1 && record[0].is_empty() => {}
                Ok(true) => return Ok(Some((line, record))),
                Ok(false) => return Ok(None),
                Err(error) => return Err(text_error(&self.file, self.packed, line, error)),
            }
        }
    }
}

/// The rows below a header, the first of them held back until kinds are known.
struct Lines<'a> {
    rows: Rows<'a>,
    slots: Vec<Slot>,
    cells: usize,
    probed: std::vec::IntoIter<Row>,
    kinds: Vec<Want>,
}

fn is_absent(cell: &str) -> bool {
    cell.is_empty() || cell == "?"
}

/// `name[3]` as (`name`, 3).
fn indexed(cell: &str) -> Option<(&str, usize)> {
    let (name, index) = cell.strip_suffix(']')?.rsplit_once('[')?;
    Some((name, index.parse().ok()?))
}

/// The columns that a header line names.
fn slots(file: &str, header: &csv::StringRecord) -> Result<Vec<Slot>, DataError> {
    let wrong = |detail: String| DataError::Header { file: file.into(), detail };
    if header.iter().all(|cell| cell.parse::<f64>().is_ok()) {
        return Err(wrong("its first line holds numbers".into()));
    }
    let mut slots: Vec<Slot> = Vec::new();
    let mut next = 0;
    for (at, cell) in header.iter().enumerate() {
        let cell = cell.trim_start_matches('\u{feff}');
        let Some((name, index)) = indexed(cell) else {
            if cell.is_empty() {
                return Err(wrong(format!("column {} has no name", at + 1)));
            }
            slots.push(Slot { name: cell.into(), extent: None, first: at });
            continue;
        };
        match slots.last_mut() {
            Some(Slot { name: last, extent: Some(extent), .. }) if last == name && index == next => *extent += 1,
            _ if index <= 1 => slots.push(Slot { name: name.into(), extent: Some(1), first: at }),
            _ => return Err(wrong(format!("`{cell}` does not follow on the entry before it"))),
        }
        next = index + 1;
    }
    let mut names = BTreeSet::new();
    for slot in &slots {
        if !names.insert(&slot.name) {
            return Err(wrong(format!("`{}` stands there twice", slot.name)));
        }
    }
    Ok(slots)
}

impl<'a> Lines<'a> {
    /// Reads the header, and as many rows as it takes to see each column's kind.
    fn open(input: Input<'a>, delimiter: u8, wants: &Wants) -> Result<Lines<'a>, DataError> {
        let mut rows = Rows::new(input, delimiter);
        let Some((_, header)) = rows.next()? else { return Err(DataError::Empty { file: rows.file }) };
        let mut slots = slots(&rows.file, &header)?;
        rows.names = header.clone();
        slots.retain(|slot| !wants.skips(&slot.name));
        let mut kinds: Vec<Option<Want>> = slots.iter().map(|slot| wants.of(&slot.name)).collect();
        let nothing = Vec::new().into_iter();
        let mut lines = Lines { rows, cells: header.len(), slots, probed: nothing, kinds: Vec::new() };
        let mut probed = Vec::new();
        while probed.is_empty() || (probed.len() < PROBE_ROWS && kinds.contains(&None)) {
            let Some((line, record)) = lines.next()? else { break };
            for (slot, kind) in lines.slots.iter().zip(&mut kinds).filter(|(_, kind)| kind.is_none()) {
                *kind = slot.cells().map(|at| &record[at]).find(|c| !is_absent(c)).map(looks_like);
            }
            probed.push((line, record));
        }
        if probed.is_empty() {
            return Err(DataError::Empty { file: lines.rows.file });
        }
        lines.probed = probed.into_iter();
        lines.kinds = kinds.into_iter().map(|kind| kind.unwrap_or(Want::Number)).collect();
        Ok(lines)
    }

    /// The next row, of the header's width.
    fn next(&mut self) -> Result<Option<Row>, DataError> {
        if let Some(row) = self.probed.next() {
            return Ok(Some(row));
        }
        match self.rows.next()? {
            Some((line, record)) if record.len() != self.cells => {
                let (file, found) = (self.rows.file.clone(), record.len());
                Err(DataError::RowWidth { file, line, found, expected: self.cells })
            }
            row => Ok(row),
        }
    }
}

/// What a cell suggests that its column holds.
pub(super) fn looks_like(cell: &str) -> Want {
    if cell.parse::<f64>().is_ok() { Want::Number } else { Want::Label }
}

fn text_error(file: &str, packed: bool, line: u64, error: csv::Error) -> DataError {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => read_error(file, packed, source),
        _ => DataError::Malformed {
            file: file.into(),
            format: "UTF-8 text",
            detail: format!("line {line} holds bytes that are no characters"),
        },
    }
}

/// What the header and the first rows say.
pub(super) fn schema(input: Input, delimiter: u8) -> Result<Schema, DataError> {
    let lines = Lines::open(input, delimiter, &Wants::default())?;
    let columns = lines.slots.iter().zip(&lines.kinds).map(|(slot, &kind)| ColumnSchema {
        name: slot.name.clone(),
        kind: if kind == Want::Label { ColumnKind::Label } else { ColumnKind::Number },
        shape: slot.extent.map(Extent::Fixed).into_iter().collect(),
        range: None,
        labels: None,
    });
    Ok(Schema { columns: columns.collect(), rows: None, splits: vec!["rows".into()] })
}

/// The whole file, but for the columns that nobody wants.
pub(super) fn load(input: Input, delimiter: u8, wants: &Wants) -> Result<Table, DataError> {
    let mut lines = Lines::open(input, delimiter, wants)?;
    let mut builders: Vec<Builder> = lines.kinds.iter().map(|&kind| Builder::new(kind)).collect();
    let file = lines.rows.file.clone();
    let mut row = 0;
    while let Some((line, record)) = lines.next()? {
        row += 1;
        for (slot, builder) in lines.slots.iter().zip(&mut builders) {
            for (entry, at) in slot.cells().enumerate() {
                match &record[at] {
                    cell if is_absent(cell) => builder.skip(),
                    cell => {
                        let told = |e| named(e, slot.cell_name(entry));
                        builder.push(cell, At { file: &file, line, row, column: &slot.name }).map_err(told)?;
                    }
                }
            }
        }
    }
    let columns = lines.slots.iter().zip(builders).map(|(slot, builder)| {
        let shape = slot.extent.into_iter().collect();
        (slot.name.clone(), builder.finish(shape))
    });
    Table::from_columns(columns.collect())
}

/// The error of a cell, under the name that the header gave it.
fn named(error: DataError, name: String) -> DataError {
    match error {
        DataError::BadCell { file, line, text, expected, .. } => {
            DataError::BadCell { file, line, column: name, text, expected }
        }
        DataError::NotFinite { file, row, text, .. } => DataError::NotFinite { file, row, column: name, text },
        other => other,
    }
}

/// Rows of numbers without a header, each row one vector as wide as asked or else as the first: (rows, cells), and the width.
pub(super) fn bare_rows(input: Input, width: Option<usize>) -> Result<(Vec<f64>, usize), DataError> {
    let mut rows = Rows::new(input, b',');
    let mut values = Vec::new();
    let mut width = width;
    while let Some((line, record)) = rows.next()? {
        let expected = *width.get_or_insert(record.len());
        if record.len() != expected {
            return Err(DataError::RowWidth { file: rows.file, line, found: record.len(), expected });
        }
        for (at, cell) in record.iter().enumerate() {
            match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => {
                    let (column, expected) = ((at + 1).to_string(), "a finite number".to_string());
                    return Err(DataError::BadCell { file: rows.file, line, column, text: cell.into(), expected });
                }
            }
        }
    }
    match width {
        Some(width) => Ok((values, width)),
        None => Err(DataError::Empty { file: rows.file }),
    }
}
