//! Tables as text: one line of names, then one line a row, cells split by commas or tabs (RFC 4180 quoting).
//! `?` or an empty cell is an absent value; columns `x[1], x[2], ..` are one vector column `x`.
//! A column's kind is that of its first present cell unless the caller wants another.

use super::column::{Column, sorted_labels};
use super::errors::DataError;
use super::open::{Input, read_error};
use super::quotes::Quotes;
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::collections::BTreeMap;
use std::io::{BufRead, Chain, Read};

/// The kind a caller reads a text column as, whatever its first cell looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Numbers.
    Number,
    /// Labels: `3` is then a name like any other.
    Label,
}

/// So many rows are looked through, at most, for the first present cell of each column.
const PROBE_ROWS: usize = 1000;

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
            match read {
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
    labels: Vec<bool>,
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
    for (i, slot) in slots.iter().enumerate() {
        if slots[..i].iter().any(|earlier| earlier.name == slot.name) {
            return Err(wrong(format!("`{}` stands there twice", slot.name)));
        }
    }
    Ok(slots)
}

impl<'a> Lines<'a> {
    /// Reads the header, and as many rows as it takes to see each column's kind.
    fn open(input: Input<'a>, delimiter: u8, wants: &BTreeMap<String, Want>) -> Result<Lines<'a>, DataError> {
        let mut rows = Rows::new(input, delimiter);
        let Some((_, header)) = rows.next()? else { return Err(DataError::Empty { file: rows.file }) };
        let slots = slots(&rows.file, &header)?;
        rows.names = header.clone();
        let mut kinds: Vec<Option<bool>> =
            slots.iter().map(|slot| wants.get(&slot.name).map(|want| *want == Want::Label)).collect();
        let nothing = Vec::new().into_iter();
        let mut lines = Lines { rows, cells: header.len(), slots, probed: nothing, labels: Vec::new() };
        let mut probed = Vec::new();
        while probed.is_empty() || (probed.len() < PROBE_ROWS && kinds.contains(&None)) {
            let Some((line, record)) = lines.next()? else { break };
            for (slot, kind) in lines.slots.iter().zip(&mut kinds).filter(|(_, kind)| kind.is_none()) {
                *kind = slot.cells().map(|at| &record[at]).find(|c| !is_absent(c)).map(|c| c.parse::<f64>().is_err());
            }
            probed.push((line, record));
        }
        if probed.is_empty() {
            return Err(DataError::Empty { file: lines.rows.file });
        }
        lines.probed = probed.into_iter();
        lines.labels = kinds.into_iter().map(|kind| kind.unwrap_or(false)).collect();
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
    let lines = Lines::open(input, delimiter, &BTreeMap::new())?;
    let columns = lines.slots.iter().zip(&lines.labels).map(|(slot, &label)| ColumnSchema {
        name: slot.name.clone(),
        kind: if label { ColumnKind::Label(None) } else { ColumnKind::Number },
        shape: slot.extent.map(Extent::Fixed).into_iter().collect(),
        range: None,
    });
    Ok(Schema { columns: columns.collect(), rows: None, splits: vec!["rows".into()] })
}

/// The values of one column as they come in: numbers, or labels by the order of their appearance.
struct Builder {
    label: bool,
    numbers: Vec<f64>,
    codes: Vec<usize>,
    seen: BTreeMap<String, usize>,
    absent: Vec<bool>,
}

impl Builder {
    fn finish(self, shape: Vec<usize>) -> Column {
        let mut column = if self.label {
            let mut by_code: Vec<String> = vec![String::new(); self.seen.len()];
            for (label, code) in self.seen {
                by_code[code] = label;
            }
            let labels = sorted_labels(by_code.clone());
            let place: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(at, l)| (l.as_str(), at)).collect();
            let to: Vec<usize> = by_code.iter().map(|label| place[label.as_str()]).collect();
            // An absent cell has code 0, which names no label where every cell is absent.
            let codes = self.codes.iter().map(|&code| to.get(code).copied().unwrap_or(0)).collect();
            Column::coded(shape, codes, labels)
        } else {
            Column::numbers(shape, self.numbers)
        };
        column.absent = self.absent.contains(&true).then_some(self.absent);
        column
    }
}

/// The whole file.
pub(super) fn load(input: Input, delimiter: u8, wants: &BTreeMap<String, Want>) -> Result<Table, DataError> {
    let mut lines = Lines::open(input, delimiter, wants)?;
    let fresh = |&label: &bool| Builder {
        label,
        numbers: Vec::new(),
        codes: Vec::new(),
        seen: BTreeMap::new(),
        absent: Vec::new(),
    };
    let mut builders: Vec<Builder> = lines.labels.iter().map(fresh).collect();
    let mut row = 0;
    while let Some((line, record)) = lines.next()? {
        row += 1;
        for (slot, builder) in lines.slots.iter().zip(&mut builders) {
            for (at, cell) in slot.cells().map(|at| &record[at]).enumerate() {
                builder.absent.push(is_absent(cell));
                if builder.label {
                    let code = match builder.seen.get(cell) {
                        _ if is_absent(cell) => 0,
                        Some(&code) => code,
                        None => {
                            builder.seen.insert(cell.into(), builder.seen.len());
                            builder.seen.len() - 1
                        }
                    };
                    builder.codes.push(code);
                    continue;
                }
                let number = if is_absent(cell) { Ok(0.0) } else { cell.parse::<f64>() };
                let file = || lines.rows.file.clone();
                match number {
                    Ok(value) if value.is_finite() => builder.numbers.push(value),
                    Ok(_) => {
                        let (column, text) = (slot.cell_name(at), cell.into());
                        return Err(DataError::NotFinite { file: file(), row, column, text });
                    }
                    Err(_) => {
                        let (column, text) = (slot.cell_name(at), cell.into());
                        let expected = "a number".into();
                        return Err(DataError::BadCell { file: file(), line, column, text, expected });
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

/// Rows of numbers without a header, each row one vector of `width` cells: (rows, cells).
pub(super) fn bare_rows(input: Input, width: usize) -> Result<Vec<f64>, DataError> {
    let mut rows = Rows::new(input, b',');
    let mut values = Vec::new();
    while let Some((line, record)) = rows.next()? {
        if record.len() != width {
            return Err(DataError::RowWidth { file: rows.file, line, found: record.len(), expected: width });
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
    if values.is_empty() {
        return Err(DataError::Empty { file: rows.file });
    }
    Ok(values)
}
