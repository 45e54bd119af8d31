//! Sentences: one token a line with blank lines between rows (the CoNLL layout, and its successor CoNLL-U), or one row a line.
//! In: a file. Out: ragged columns, a token an entry. A token is what stands between blanks, and `?` is one like any other.

use super::cells::{At, Builder, Want, Wants};
use super::csv::looks_like;
use super::errors::DataError;
use super::open::Input;
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use std::io::{BufRead, Read};

/// A line holds at most so many bytes.
const MOST_IN_LINE: usize = 1 << 20;

/// A file of tokens has at most so many columns.
const MOST_COLUMNS: usize = 1 << 10;

/// What closes every row of a text.
pub(super) const END: &str = "<eos>";

/// The columns of CoNLL-U that are read, and their places in a line.
const UNIVERSAL: [(&str, usize); 3] = [("word", 1), ("lemma", 2), ("pos", 3)];

/// Lines of text, none longer than it may be.
pub(super) struct LineReader<'a> {
    input: Input<'a>,
    line: u64,
    buffer: Vec<u8>,
}

impl<'a> LineReader<'a> {
    /// The lines of a file.
    pub fn new(input: Input<'a>) -> LineReader<'a> {
        LineReader { input, line: 0, buffer: Vec::new() }
    }

    /// The file's name in messages.
    pub fn file(&self) -> &str {
        &self.input.file
    }

    /// The next line with its number, from 1, and without its end. Memory is bounded whatever the file holds.
    pub fn next(&mut self, most: usize) -> Result<Option<(u64, &str)>, DataError> {
        self.buffer.clear();
        self.line += 1;
        let limit = most as u64 + 1;
        if let Err(error) = self.input.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer) {
            return Err(self.input.error(error));
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if self.buffer.len() > most {
            let (file, what) = (self.input.file.clone(), format!("is longer than {most} bytes"));
            return Err(DataError::TooLong { file, line: self.line, what });
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => {
                let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
                Ok(Some((self.line, text.trim_end_matches(['\n', '\r']))))
            }
            Err(_) => Err(DataError::Malformed {
                file: self.input.file.clone(),
                format: "UTF-8 text",
                detail: format!("line {} holds bytes that are no characters", self.line),
            }),
        }
    }
}

/// How lines become tokens.
#[derive(Clone, Copy)]
pub(super) enum Layout<'a> {
    /// Columns between blanks under these names, in the file's order; what has no name is not read.
    Columns(&'a [String]),
    /// Tab-separated columns at fixed places; comments, spans of tokens and empty nodes are not read.
    Universal,
    /// A row a line, its words between blanks, closed by a mark.
    Text,
}

/// A column that is read: its name, and its place in a line.
struct Slot {
    name: String,
    place: usize,
}

impl Layout<'_> {
    /// The columns, once the first line tells how many there are.
    fn slots(self, first: &[&str], file: &str) -> Result<Vec<Slot>, DataError> {
        let slot = |(place, name): (usize, &str)| Slot { name: name.into(), place };
        match self {
            Layout::Text => Ok(vec![slot((0, "word"))]),
            Layout::Universal if UNIVERSAL.iter().any(|&(_, place)| place >= first.len()) => Err(DataError::Header {
                file: file.into(),
                detail: format!("its first token has {} columns, split by tabs, of the ten of CoNLL-U", first.len()),
            }),
            Layout::Universal => Ok(UNIVERSAL.iter().map(|&(name, place)| slot((place, name))).collect()),
            Layout::Columns(names) if names.len() > first.len() => Err(DataError::Header {
                file: file.into(),
                detail: format!("{} are named, and its first line has {}", names.len(), first.len()),
            }),
            Layout::Columns([]) => {
                let named = (0..first.len()).map(|place| Slot { name: format!("column{}", place + 1), place });
                Ok(named.collect())
            }
            Layout::Columns(names) => Ok(names.iter().map(String::as_str).enumerate().map(slot).collect()),
        }
    }

    /// The cells of a line, none where it is to be passed over.
    fn cells(self, line: &str) -> Option<Vec<&str>> {
        match self {
            Layout::Text | Layout::Columns(_) => Some(line.split_whitespace().collect()),
            Layout::Universal => {
                let cells: Vec<&str> = line.split('\t').collect();
                let token = !line.starts_with('#') && !cells[0].contains(['-', '.']);
                token.then_some(cells)
            }
        }
    }
}

/// What the first row says.
pub(super) fn schema(input: Input, layout: Layout) -> Result<Schema, DataError> {
    let mut reader = LineReader::new(input);
    let file = reader.file().to_string();
    while let Some((_, line)) = reader.next(MOST_IN_LINE)? {
        let Some(cells) = layout.cells(line).filter(|cells| !line.trim().is_empty() && !cells.is_empty()) else {
            continue;
        };
        let slots = layout.slots(&cells, &file)?;
        let kind = |slot: &Slot| match (layout, cells.get(slot.place).map(|cell| looks_like(cell))) {
            (Layout::Columns(_), Some(Want::Number)) => ColumnKind::Number,
            _ => ColumnKind::Label,
        };
        let column = |slot: &Slot| ColumnSchema {
            name: slot.name.clone(),
            kind: kind(slot),
            shape: vec![Extent::Ragged],
            range: None,
            labels: None,
        };
        return Ok(Schema { columns: slots.iter().map(column).collect(), rows: None, splits: vec!["rows".into()] });
    }
    Err(DataError::Empty { file })
}

/// The columns being read, and how long their rows are.
struct Reading {
    slots: Vec<Slot>,
    builders: Vec<Builder>,
    lengths: Vec<usize>,
    width: usize,
    /// Tokens of the row that is being read.
    open: usize,
}

impl Reading {
    /// The columns that the first line with tokens tells, read as they are wanted.
    fn new(layout: Layout, first: &[&str], file: &str, wants: &Wants) -> Result<Reading, DataError> {
        let mut slots = layout.slots(first, file)?;
        slots.retain(|slot| !wants.skips(&slot.name));
        let kind = |slot: &Slot| match (wants.of(&slot.name), layout) {
            (Some(want), _) => want,
            (None, Layout::Columns(_)) => first.get(slot.place).map_or(Want::Label, |cell| looks_like(cell)),
            (None, _) => Want::Label,
        };
        let builders = slots.iter().map(|slot| Builder::new(kind(slot))).collect();
        Ok(Reading { slots, builders, lengths: Vec::new(), width: first.len(), open: 0 })
    }

    /// One token: a cell for each column.
    fn push(&mut self, cells: &[&str], file: &str, line: u64) -> Result<(), DataError> {
        if cells.len() != self.width {
            let (file, found) = (file.to_string(), cells.len());
            return Err(DataError::RowWidth { file, line, found, expected: self.width });
        }
        for (slot, builder) in self.slots.iter().zip(&mut self.builders) {
            let at = At { file, line, row: self.lengths.len() + 1, column: &slot.name };
            builder.push(cells[slot.place], at)?;
        }
        self.open += 1;
        Ok(())
    }

    /// Ends the row, if it has a token.
    fn close(&mut self) {
        if self.open > 0 {
            self.lengths.push(self.open);
        }
        self.open = 0;
    }
}

/// The whole file.
pub(super) fn load(input: Input, layout: Layout, wants: &Wants) -> Result<Table, DataError> {
    let mut reader = LineReader::new(input);
    let file = reader.file().to_string();
    let mut reading: Option<Reading> = None;
    while let Some((line, text)) = reader.next(MOST_IN_LINE)? {
        if text.trim().is_empty() {
            reading.iter_mut().for_each(Reading::close);
            continue;
        }
        let Some(cells) = layout.cells(text) else { continue };
        if matches!(layout, Layout::Text) {
            let reading = match &mut reading {
                Some(reading) => reading,
                none => none.insert(Reading::new(layout, &[END], &file, wants)?),
            };
            for word in cells.iter().chain([&END]) {
                reading.push(&[word], &file, line)?;
            }
            reading.close();
            continue;
        }
        if cells.len() > MOST_COLUMNS {
            let what = format!("has {} columns: at most {MOST_COLUMNS} are read", cells.len());
            return Err(DataError::TooLong { file, line, what });
        }
        match &mut reading {
            Some(reading) => reading.push(&cells, &file, line)?,
            none => none.insert(Reading::new(layout, &cells, &file, wants)?).push(&cells, &file, line)?,
        }
    }
    let Some(mut reading) = reading else { return Err(DataError::Empty { file }) };
    reading.close();
    let Reading { slots, builders, lengths, .. } = reading;
    let columns =
        slots.into_iter().zip(builders).map(|(slot, b)| (slot.name, b.finish(Vec::new()).ragged(&lengths))).collect();
    Table::from_columns(columns)
}
