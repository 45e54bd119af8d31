//! JSON: one object a line, a column a key; and the piano rolls of a set that is one object of splits.
//! In: a file. Out: columns of numbers or labels; lists of words are ragged, lists of numbers where their lengths differ.

use super::cells::{At, Builder, Want, Wants};
use super::column::Column;
use super::errors::DataError;
use super::lines::LineReader;
use super::open::Input;
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Read;

/// A line holds at most so many bytes.
const MOST_IN_LINE: usize = 1 << 23;

/// An object has at most so many keys.
const MOST_KEYS: usize = 1 << 10;

/// Rows that leave out a list, a word of the file each, come to at most so many absent entries.
const MOST_FILLED: usize = 1 << 24;

/// So many rows are looked through, at most, for the kinds and shapes of columns.
const PROBE_ROWS: usize = 1000;

/// What the values of a key look like in the rows seen so far.
#[derive(Clone, Debug)]
struct Seen {
    label: bool,
    /// The sizes of nested lists, outermost first; none where only absent values were seen.
    shape: Option<Vec<usize>>,
    ragged: bool,
}

/// A line and the object on it.
type Row = (u64, Map<String, Value>);

/// Keys in the order of their appearance.
type Slots = Vec<(String, Seen)>;

fn wrong(file: &str, line: u64, detail: impl std::fmt::Display) -> DataError {
    DataError::Malformed {
        file: file.into(),
        format: "one JSON object a line",
        detail: format!("line {line}: {detail}"),
    }
}

/// The next object and its line; blank lines are passed over.
fn next_object(reader: &mut LineReader) -> Result<Option<Row>, DataError> {
    let file = reader.file().to_string();
    loop {
        let Some((line, text)) = reader.next(MOST_IN_LINE)? else { return Ok(None) };
        if text.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(text).map_err(|e| wrong(&file, line, e))?;
        let Value::Object(object) = value else { return Err(wrong(&file, line, "it holds no object")) };
        if object.len() > MOST_KEYS {
            let what = format!("has {} keys: at most {MOST_KEYS} are read", object.len());
            return Err(DataError::TooLong { file, line, what });
        }
        return Ok(Some((line, object)));
    }
}

/// The sizes of nested lists of equal parts below the first level, and whether they hold labels.
fn look(value: &Value) -> Result<Seen, String> {
    match value {
        Value::Null => Ok(Seen { label: false, shape: None, ragged: false }),
        Value::Number(_) => Ok(Seen { label: false, shape: Some(Vec::new()), ragged: false }),
        Value::Bool(_) | Value::String(_) => Ok(Seen { label: true, shape: Some(Vec::new()), ragged: false }),
        Value::Object(_) => Err("an object within an object is no column".into()),
        Value::Array(items) => {
            let mut inner: Option<Seen> = None;
            for item in items {
                let seen = look(item)?;
                match &inner {
                    Some(first) if first.shape != seen.shape && seen.shape.is_some() && first.shape.is_some() => {
                        return Err("the parts of a list differ in shape".into());
                    }
                    Some(first) if first.shape.is_some() => {}
                    _ => inner = Some(seen),
                }
            }
            let inner = inner.unwrap_or(Seen { label: false, shape: None, ragged: false });
            let shape = [items.len()].into_iter().chain(inner.shape.iter().flatten().copied()).collect();
            // A list without an entry says nothing of what the others hold.
            let shape = (!items.is_empty()).then_some(shape);
            Ok(Seen { label: inner.label, ragged: inner.label || items.is_empty(), shape })
        }
    }
}

/// Adds what a row shows.
fn note(slots: &mut Slots, object: &Map<String, Value>, file: &str, line: u64) -> Result<(), DataError> {
    for (key, value) in object {
        let seen = look(value).map_err(|detail| wrong(file, line, format!("`{key}`: {detail}")))?;
        match slots.iter_mut().find(|(name, _)| name == key) {
            None => slots.push((key.clone(), seen)),
            Some((_, known)) => {
                known.label |= seen.label;
                known.ragged |= seen.ragged;
                match (&known.shape, &seen.shape) {
                    (Some(a), Some(b)) if a != b && !a.is_empty() && !b.is_empty() && a[1..] == b[1..] => {
                        known.ragged = true;
                    }
                    (Some(a), Some(b)) if a != b => {
                        let detail = format!("`{key}` has shape {b:?} and had {a:?} before");
                        return Err(DataError::Uneven { file: file.into(), line, detail });
                    }
                    (None, _) => known.shape = seen.shape,
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// The first rows, and what they show.
fn probe(reader: &mut LineReader) -> Result<(Slots, Vec<Row>), DataError> {
    let file = reader.file().to_string();
    let mut slots = Slots::new();
    let mut rows = Vec::new();
    while rows.len() < PROBE_ROWS {
        let Some((line, object)) = next_object(reader)? else { break };
        note(&mut slots, &object, &file, line)?;
        rows.push((line, object));
    }
    if rows.is_empty() {
        return Err(DataError::Empty { file });
    }
    Ok((slots, rows))
}

/// What the first rows say.
pub(super) fn schema(input: Input) -> Result<Schema, DataError> {
    let (slots, _) = probe(&mut LineReader::new(input))?;
    let column = |(name, seen): (String, Seen)| {
        let mut shape: Vec<Extent> = seen.shape.iter().flatten().map(|&n| Extent::Fixed(n)).collect();
        if seen.ragged {
            shape = [Extent::Ragged].into_iter().chain(shape.into_iter().skip(1)).collect();
        }
        let kind = if seen.label { ColumnKind::Label } else { ColumnKind::Number };
        ColumnSchema { name, kind, shape, range: None, labels: None }
    };
    Ok(Schema { columns: slots.into_iter().map(column).collect(), rows: None, splits: vec!["rows".into()] })
}

/// One column being read.
struct Reading {
    name: String,
    seen: Seen,
    builder: Builder,
    lengths: Vec<usize>,
    /// Entries of lists that rows leave out.
    filled: usize,
}

impl Reading {
    /// Entries at one position of the first dimension.
    fn inner(&self) -> usize {
        self.seen.shape.iter().flatten().skip(1).product()
    }

    /// One row's value.
    fn push(&mut self, value: &Value, file: &str, line: u64, row: usize) -> Result<(), DataError> {
        let before = self.builder.len();
        let uneven = |detail: String| DataError::Uneven { file: file.into(), line, detail };
        let seen = look(value).map_err(|detail| wrong(file, line, format!("`{}`: {detail}", self.name)))?;
        if let (Some(shape), Some(own)) = (&seen.shape, &self.seen.shape)
            && (shape.len() != own.len() || shape.get(1..) != own.get(1..) || (!self.seen.ragged && shape != own))
        {
            return Err(uneven(format!("`{}` has shape {shape:?}, and {own:?} in the rows before it", self.name)));
        }
        let whole = self.seen.shape.iter().flatten().product::<usize>();
        match (value, self.seen.ragged) {
            (Value::Null, false) => {
                self.filled = self.filled.saturating_add(whole);
                if whole > 1 && self.filled > MOST_FILLED {
                    let what = format!(
                        "leaves out `{}`, a list of {whole} entries; more than {MOST_FILLED} entries are left out by now",
                        self.name
                    );
                    return Err(DataError::TooLong { file: file.into(), line, what });
                }
                (0..whole).for_each(|_| self.builder.skip());
            }
            (Value::Array(items), false) if items.is_empty() => {
                return Err(uneven(format!("`{}` is an empty list", self.name)));
            }
            _ => self.leaves(value, file, line, row)?,
        }
        if self.seen.ragged {
            self.lengths.push((self.builder.len() - before).checked_div(self.inner()).unwrap_or(0));
        }
        Ok(())
    }

    fn leaves(&mut self, value: &Value, file: &str, line: u64, row: usize) -> Result<(), DataError> {
        let at = At { file, line, row, column: &self.name };
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.leaves(item, file, line, row)),
            Value::Null => {
                self.builder.skip();
                Ok(())
            }
            Value::String(text) if text.is_empty() => {
                self.builder.skip();
                Ok(())
            }
            Value::String(text) => self.builder.push(text, at),
            Value::Bool(truth) => self.builder.push(if *truth { "true" } else { "false" }, at),
            Value::Number(number) => self.builder.push(&number.to_string(), at),
            Value::Object(_) => Err(wrong(file, line, "an object within an object is no column")),
        }
    }
}

/// The whole file, but for the columns that nobody wants.
pub(super) fn load(input: Input, wants: &Wants) -> Result<Table, DataError> {
    let mut reader = LineReader::new(input);
    let file = reader.file().to_string();
    let (slots, probed) = probe(&mut reader)?;
    let open = |(name, seen): (String, Seen)| {
        let want = wants.of(&name).unwrap_or(if seen.label { Want::Label } else { Want::Number });
        Reading { name, seen, builder: Builder::new(want), lengths: Vec::new(), filled: 0 }
    };
    let mut columns: Vec<Reading> = slots.into_iter().filter(|(name, _)| !wants.skips(name)).map(open).collect();
    let mut probed = probed.into_iter();
    let mut row = 0;
    while let Some((line, object)) = probed.next().map_or_else(|| next_object(&mut reader), |r| Ok(Some(r)))? {
        row += 1;
        if let Some(key) =
            object.keys().find(|key| row > PROBE_ROWS && !wants.skips(key) && !columns.iter().any(|c| c.name == **key))
        {
            return Err(wrong(&file, line, format!("`{key}` is not among the keys of the first {PROBE_ROWS} rows")));
        }
        for column in &mut columns {
            let value = object.get(&column.name).unwrap_or(&Value::Null);
            match (value, column.seen.ragged) {
                (Value::Null, true) => column.lengths.push(0),
                _ => column.push(value, &file, line, row)?,
            }
        }
    }
    let finish = |column: Reading| {
        let shape: Vec<usize> = column.seen.shape.iter().flatten().copied().collect();
        let values = match column.seen.ragged {
            true => column.builder.finish(shape.into_iter().skip(1).collect()).ragged(&column.lengths),
            false => column.builder.finish(shape),
        };
        (column.name, values)
    };
    Table::from_columns(columns.into_iter().map(finish).collect())
}

/// Notes of a piano roll: MIDI numbers from `LOWEST`, a key each.
const LOWEST: u64 = 21;
const KEYS: usize = 88;

/// The schema of a set of piano rolls.
pub(super) fn rolls_schema() -> Schema {
    let shape = vec![Extent::Ragged, Extent::Fixed(KEYS)];
    let notes =
        ColumnSchema { name: "notes".into(), kind: ColumnKind::Number, shape, range: Some((0.0, 1.0)), labels: None };
    let splits = ["train", "valid", "test"].map(String::from).to_vec();
    Schema { columns: vec![notes], rows: None, splits }
}

/// Piano rolls: `{split: [[[midi, ..], ..], ..]}` as 0 or 1 for each of 88 keys at each step.
pub(super) fn rolls(mut input: Input) -> Result<Table, DataError> {
    let file = input.file.clone();
    let mut text = Vec::new();
    let most = 1u64 << 26;
    input
        .reader
        .by_ref()
        .take(most)
        .read_to_end(&mut text)
        .map_err(|e| super::open::read_error(&file, input.packed, e))?;
    let malformed =
        |detail: String| DataError::Malformed { file: file.clone(), format: "a set of piano rolls", detail };
    let splits: BTreeMap<String, Vec<Vec<Vec<u64>>>> =
        serde_json::from_slice(&text).map_err(|e| malformed(e.to_string()))?;
    let mut parts = Vec::new();
    for split in rolls_schema().splits {
        let Some(rows) = splits.get(&split) else { return Err(malformed(format!("it has no `{split}`"))) };
        let mut keys: Vec<u8> = Vec::new();
        for step in rows.iter().flatten() {
            let from = keys.len();
            keys.resize(from + KEYS, 0);
            for note in step {
                let key = note.checked_sub(LOWEST).map(|key| key as usize).filter(|&key| key < KEYS);
                keys[from + key.ok_or_else(|| malformed(format!("the note {note} is on no piano")))?] = 1;
            }
        }
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let range = Some((0.0, 1.0));
        let column = Column { range, ..Column::bytes(vec![KEYS], keys, 1.0).ragged(&lengths) };
        parts.push((split, Table::from_columns(vec![("notes".into(), column)])?));
    }
    Table::stacked(parts)
}
