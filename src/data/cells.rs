//! Cells of text turned into columns: numbers, labels as they are written, and the states of a `Bool` or `Spin` by fixed words.
//! In: cells in the order of rows. Out: a column, its labels sorted.

use super::column::{Column, sorted_labels};
use super::errors::DataError;
use std::collections::BTreeMap;

/// What a caller reads a column as, whatever its first cell looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Numbers.
    Number,
    /// Labels: `3` is then a name like any other, and another one than `3.0`.
    Label,
    /// 0 or 1, by [`truth`].
    Bool,
    /// -1 or 1, by [`turn`].
    Spin,
}

/// Which columns a caller reads, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Columns by name.
    pub columns: BTreeMap<String, Want>,
    /// Whether columns that are not named are left out; otherwise each is read as its first present cell suggests.
    pub only: bool,
}

impl Wants {
    /// What a column is read as; none: as it looks.
    pub(super) fn of(&self, name: &str) -> Option<Want> {
        self.columns.get(name).copied()
    }

    /// Whether the column is left out.
    pub(super) fn skips(&self, name: &str) -> bool {
        self.only && !self.columns.contains_key(name)
    }
}

/// The state of a `Bool` that a word stands for, in any case: `no false 0` and `yes true 1`.
pub fn truth(word: &str) -> Option<f64> {
    match word.to_ascii_lowercase().as_str() {
        "no" | "false" => Some(0.0),
        "yes" | "true" => Some(1.0),
        other => other.parse().ok().filter(|v| *v == 0.0 || *v == 1.0),
    }
}

/// The state of a `Spin` that a word stands for, in any case: `down no false -1` and `up yes true 1`.
pub fn turn(word: &str) -> Option<f64> {
    match word.to_ascii_lowercase().as_str() {
        "down" | "no" | "false" => Some(-1.0),
        "up" | "yes" | "true" => Some(1.0),
        other => other.parse().ok().filter(|v| *v == -1.0 || *v == 1.0),
    }
}

/// The words that [`truth`] knows, with their article, as messages say them.
pub const TRUTHS: &str = "one of `no`/`yes`, `false`/`true`, `0`/`1`";
/// The words that [`turn`] knows.
pub const TURNS: &str = "one of `down`/`up`, `no`/`yes`, `false`/`true`, `-1`/`1`";

/// Where a cell stands, for messages.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    /// The file.
    pub file: &'a str,
    /// Its line, from 1.
    pub line: u64,
    /// Its row, from 1.
    pub row: usize,
    /// The column's name.
    pub column: &'a str,
}

/// The values of one column as they come in: numbers, or labels by the order of their appearance.
pub(super) struct Builder {
    want: Want,
    numbers: Vec<f64>,
    codes: Vec<u32>,
    seen: BTreeMap<String, u32>,
    absent: Vec<bool>,
}

impl Builder {
    /// A column without a cell.
    pub fn new(want: Want) -> Builder {
        Builder { want, numbers: Vec::new(), codes: Vec::new(), seen: BTreeMap::new(), absent: Vec::new() }
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.absent.len()
    }

    /// An absent cell.
    pub fn skip(&mut self) {
        self.absent.push(true);
        match self.want {
            Want::Label => self.codes.push(0),
            _ => self.numbers.push(0.0),
        }
    }

    /// A cell. E0707 where it is not what the column is read as.
    pub fn push(&mut self, cell: &str, at: At) -> Result<(), DataError> {
        let number = match self.want {
            Want::Label => {
                let code = match self.seen.get(cell) {
                    Some(&code) => code,
                    None => {
                        let code = self.seen.len() as u32;
                        self.seen.insert(cell.into(), code);
                        code
                    }
                };
                self.codes.push(code);
                self.absent.push(false);
                return Ok(());
            }
            Want::Number => cell.parse::<f64>().ok(),
            Want::Bool => truth(cell),
            Want::Spin => turn(cell),
        };
        let (file, column, text) = (at.file.to_string(), at.column.to_string(), cell.to_string());
        match number {
            Some(value) if value.is_finite() => {
                self.numbers.push(value);
                self.absent.push(false);
                Ok(())
            }
            Some(_) => Err(DataError::NotFinite { file, row: at.row, column, text }),
            None => {
                let expected = match self.want {
                    Want::Bool => TRUTHS,
                    Want::Spin => TURNS,
                    Want::Number | Want::Label => "a number",
                };
                Err(DataError::BadCell { file, line: at.line, column, text, expected: expected.into() })
            }
        }
    }

    /// The column, of values of one shape.
    pub fn finish(self, shape: Vec<usize>) -> Column {
        let mut column = if self.want == Want::Label {
            let mut by_code: Vec<String> = vec![String::new(); self.seen.len()];
            for (label, code) in self.seen {
                by_code[code as usize] = label;
            }
            let labels = sorted_labels(by_code.clone());
            let place: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(at, l)| (l.as_str(), at)).collect();
            let to: Vec<usize> = by_code.iter().map(|label| place[label.as_str()]).collect();
            // An absent cell has code 0, which names no label where every cell is absent.
            let codes = self.codes.iter().map(|&code| to.get(code as usize).copied().unwrap_or(0)).collect();
            Column::coded(shape, codes, labels)
        } else {
            Column::numbers(shape, self.numbers)
        };
        column.absent = self.absent.contains(&true).then_some(self.absent);
        column
    }
}
