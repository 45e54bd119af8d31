//! One column in memory: a value of the same shape in each row, numbers or label codes, with what is absent marked.
//! Ragged columns keep their rows end to end; padding comes in only where rows are gathered.

use super::errors::DataError;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// So many numbers are looked at, at most, for the labels that they would be, and so many labels kept.
const MOST_PROBED: usize = 100_000;
const MOST_NUMBERS: usize = 2_000;

/// A number type that batches can be gathered in.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
}

impl Element for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }
}

impl Element for f64 {
    fn of(value: f64) -> f64 {
        value
    }
}

/// The stored numbers, row-major over (row, dimensions within the row).
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// As they are.
    Real(Vec<f64>),
    /// Bytes that stand for `byte / unit`: images keep an eighth of the memory.
    Byte {
        /// The bytes.
        data: Vec<u8>,
        /// What a byte is divided by.
        unit: f64,
    },
}

impl Values {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Values::Real(data) => data.len(),
            Values::Byte { data, .. } => data.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number at a flat index.
    pub fn get(&self, at: usize) -> f64 {
        match self {
            Values::Real(data) => data[at],
            Values::Byte { data, unit } => f64::from(data[at]) / unit,
        }
    }
}

/// A column. Invariants: `values` and `absent` have as many entries as all rows fill, codes index `labels`, `starts` never falls.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The dimensions within a row, outermost first; the largest, where rows differ. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Where rows differ in the first dimension: for each row the positions filled before it, and at the end those of all rows.
    pub starts: Option<Vec<usize>>,
    /// Numbers, or codes `0..K-1` of labels; 0 where absent.
    pub values: Values,
    /// Marks absent elements, where there are any.
    pub absent: Option<Vec<bool>>,
    /// The labels by code, for a column of labels.
    pub labels: Option<Vec<String>>,
    /// Smallest and largest value a number can take, where the source says so.
    pub range: Option<(f64, f64)>,
}

impl Column {
    /// A column of numbers.
    pub fn numbers(shape: Vec<usize>, values: Vec<f64>) -> Column {
        Column { shape, starts: None, values: Values::Real(values), absent: None, labels: None, range: None }
    }

    /// A column of bytes that stand for `byte / unit`.
    pub fn bytes(shape: Vec<usize>, data: Vec<u8>, unit: f64) -> Column {
        let range = Some((0.0, 255.0 / unit));
        Column { shape, starts: None, values: Values::Byte { data, unit }, absent: None, labels: None, range }
    }

    /// A column of label codes.
    pub fn coded(shape: Vec<usize>, codes: Vec<usize>, labels: Vec<String>) -> Column {
        let values = match labels.len() {
            0..=256 => Values::Byte { data: codes.iter().map(|&c| c as u8).collect(), unit: 1.0 },
            _ => Values::Real(codes.iter().map(|&c| c as f64).collect()),
        };
        Column { shape, starts: None, values, absent: None, labels: Some(labels), range: None }
    }

    /// A column of labels, enumerated in sorted order.
    pub fn of_labels<S: AsRef<str>>(shape: Vec<usize>, texts: &[S]) -> Column {
        let distinct: BTreeSet<&str> = texts.iter().map(AsRef::as_ref).collect();
        let labels = sorted_labels(distinct.into_iter().map(String::from).collect());
        let code: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(code, l)| (l.as_str(), code)).collect();
        let codes = texts.iter().map(|t| code[t.as_ref()]).collect();
        Column::coded(shape, codes, labels)
    }

    /// The column with rows of these lengths: its shape, so far that of one position, gets a first dimension as long as the longest row.
    pub fn ragged(mut self, lengths: &[usize]) -> Column {
        let mut starts = Vec::with_capacity(lengths.len() + 1);
        starts.push(0);
        let mut total = 0;
        for &length in lengths {
            total += length;
            starts.push(total);
        }
        self.shape.insert(0, lengths.iter().copied().max().unwrap_or(0).max(1));
        self.starts = Some(starts);
        self
    }

    /// Numbers in a row, padding included.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds labels.
    pub fn is_label(&self) -> bool {
        self.labels.is_some()
    }

    /// Numbers at one position of the first dimension.
    fn inner(&self) -> usize {
        self.shape.get(1..).unwrap_or_default().iter().product()
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        match &self.starts {
            Some(starts) => starts.len().saturating_sub(1),
            None => self.values.len().checked_div(self.width()).unwrap_or(0),
        }
    }

    /// How many positions of the first dimension the row fills: one where there are no dimensions.
    pub fn length(&self, row: usize) -> usize {
        match &self.starts {
            Some(starts) => starts[row + 1] - starts[row],
            None => self.shape.first().copied().unwrap_or(1),
        }
    }

    /// The row's entries among all.
    fn place(&self, row: usize) -> std::ops::Range<usize> {
        match &self.starts {
            Some(starts) => starts[row] * self.inner()..starts[row + 1] * self.inner(),
            None => row * self.width()..(row + 1) * self.width(),
        }
    }

    /// The row that the entry at a flat index belongs to, and the offset within it.
    pub fn row_of(&self, at: usize) -> (usize, usize) {
        let row = match &self.starts {
            Some(starts) => starts.partition_point(|&start| start * self.inner() <= at).saturating_sub(1),
            None => at.checked_div(self.width()).unwrap_or(0),
        };
        (row, at - self.place(row).start)
    }

    /// The number or code at a row and an offset within it; 0 beyond what the row fills.
    pub fn value(&self, row: usize, at: usize) -> f64 {
        let place = self.place(row);
        if at < place.len() { self.values.get(place.start + at) } else { 0.0 }
    }

    /// Whether that element is absent.
    pub fn is_absent(&self, row: usize, at: usize) -> bool {
        let place = self.place(row);
        at < place.len() && self.absent.as_ref().is_some_and(|mask| mask[place.start + at])
    }

    /// How many leading entries of the row are its own and not padding.
    pub fn filled(&self, row: usize) -> usize {
        self.place(row).len()
    }

    /// What it looks like from outside, under a name.
    pub fn schema(&self, name: &str) -> ColumnSchema {
        let mut shape: Vec<Extent> = self.shape.iter().map(|&n| Extent::Fixed(n)).collect();
        if let (Some(first), Some(_)) = (shape.first_mut(), &self.starts) {
            *first = Extent::Ragged;
        }
        let kind = if self.is_label() { ColumnKind::Label } else { ColumnKind::Number };
        ColumnSchema { name: name.into(), kind, shape, range: self.range, labels: self.labels.clone() }
    }

    /// The labels, or those that its numbers would be where they are few and were not measured as bytes.
    pub(super) fn few_labels(&self) -> Option<Vec<String>> {
        if self.is_label() {
            return self.labels.clone();
        }
        if matches!(self.values, Values::Byte { .. }) || self.values.len() > MOST_PROBED {
            return None;
        }
        let labels = self.clone().into_labels().labels.unwrap_or_default();
        (labels.len() <= MOST_NUMBERS).then_some(labels)
    }

    /// The rows' values, one after the other, padding included: rows.len() × width numbers.
    pub fn gather<T: Element>(&self, rows: &[usize]) -> Vec<T> {
        self.gather_padded(rows, self.shape.first().copied().unwrap_or(1))
    }

    /// `gather` with the first dimension stretched by zeros to `first`, for a ragged axis that other data make longer.
    pub fn gather_padded<T: Element>(&self, rows: &[usize], first: usize) -> Vec<T> {
        let width = match self.shape.is_empty() {
            true => 1,
            false => first * self.inner(),
        };
        let mut out = vec![T::default(); rows.len() * width];
        if width == 0 {
            return out;
        }
        let places = out.chunks_exact_mut(width).zip(rows);
        match &self.values {
            Values::Real(data) => {
                for (place, &row) in places {
                    for (to, &from) in place.iter_mut().zip(&data[self.place(row)]) {
                        *to = T::of(from);
                    }
                }
            }
            Values::Byte { data, unit } => {
                let table: [T; 256] = std::array::from_fn(|byte| T::of(byte as f64 / unit));
                for (place, &row) in places {
                    for (to, &from) in place.iter_mut().zip(&data[self.place(row)]) {
                        *to = table[usize::from(from)];
                    }
                }
            }
        }
        out
    }

    /// A column of these rows alone, in this order.
    pub fn select(&self, rows: &[usize]) -> Column {
        let entries = || rows.iter().flat_map(|&row| self.place(row));
        let values = match &self.values {
            Values::Real(data) => Values::Real(entries().map(|at| data[at]).collect()),
            Values::Byte { data, unit } => Values::Byte { data: entries().map(|at| data[at]).collect(), unit: *unit },
        };
        let absent = self.absent.as_ref().map(|mask| entries().map(|at| mask[at]).collect());
        let (labels, range) = (self.labels.clone(), self.range);
        let column = Column { shape: self.shape.clone(), starts: None, values, absent, labels, range };
        match &self.starts {
            None => column,
            Some(_) => {
                let lengths: Vec<usize> = rows.iter().map(|&row| self.length(row)).collect();
                Column { shape: self.shape[1..].to_vec(), ..column }.ragged(&lengths)
            }
        }
    }

    /// The labels that these rows show, in sorted order.
    pub fn labels_in(&self, rows: &[usize]) -> Vec<String> {
        let Some(labels) = &self.labels else { return Vec::new() };
        let mut seen = vec![false; labels.len()];
        for &row in rows {
            for at in (0..self.filled(row)).filter(|&at| !self.is_absent(row, at)) {
                seen[self.value(row, at) as usize] = true;
            }
        }
        sorted_labels(labels.iter().zip(seen).filter(|(_, seen)| *seen).map(|(label, _)| label.clone()).collect())
    }

    /// Codes the column by the given labels instead of its own. A present element whose label is not among them gets the code
    /// `unknown`, or is E0706 where there is none.
    pub fn recode(&mut self, name: &str, labels: &[String], unknown: Option<usize>) -> Result<(), DataError> {
        let own = self.labels.clone().unwrap_or_default();
        if own == labels {
            return Ok(());
        }
        let code: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(code, l)| (l.as_str(), code)).collect();
        let to: Vec<Option<usize>> = own.iter().map(|l| code.get(l.as_str()).copied().or(unknown)).collect();
        let mut codes = vec![0; self.values.len()];
        for (at, place) in codes.iter_mut().enumerate() {
            if self.absent.as_ref().is_some_and(|mask| mask[at]) {
                continue;
            }
            let from = self.values.get(at) as usize;
            *place = to.get(from).copied().flatten().ok_or_else(|| DataError::NewLabel {
                column: name.into(),
                row: self.row_of(at).0 + 1,
                split: None,
                label: own.get(from).cloned().unwrap_or_default(),
                known: labels.to_vec(),
            })?;
        }
        self.values = Column::coded(Vec::new(), codes, labels.to_vec()).values;
        self.labels = Some(labels.to_vec());
        Ok(())
    }

    /// The column as labels: a column of numbers becomes one of the numbers' texts (`3`, `2.5`), one of labels stays as it is.
    pub fn into_labels(self) -> Column {
        if self.is_label() {
            return self;
        }
        let present = |i: usize| !self.absent.as_ref().is_some_and(|mask| mask[i]);
        let texts: Vec<Option<String>> =
            (0..self.values.len()).map(|i| present(i).then(|| self.values.get(i).to_string())).collect();
        let distinct: BTreeSet<&str> = texts.iter().flatten().map(String::as_str).collect();
        let labels = sorted_labels(distinct.into_iter().map(String::from).collect());
        let code: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(code, l)| (l.as_str(), code)).collect();
        let codes = texts.iter().map(|text| text.as_ref().map_or(0, |t| code[t.as_str()])).collect();
        let coded = Column::coded(Vec::new(), codes, labels);
        Column { values: coded.values, labels: coded.labels, range: None, ..self }
    }

    /// The column of labels as numbers, each label turned into one by `number`. Where it gives none: the row, from 0, and the label.
    pub fn into_numbers(self, number: impl Fn(&str) -> Option<f64>) -> Result<Column, (usize, String)> {
        let Some(labels) = &self.labels else { return Ok(self) };
        let meant: Vec<Option<f64>> = labels.iter().map(|label| number(label)).collect();
        let mut values = vec![0.0; self.values.len()];
        for (at, value) in values.iter_mut().enumerate() {
            if self.absent.as_ref().is_some_and(|mask| mask[at]) {
                continue;
            }
            let code = self.values.get(at) as usize;
            *value = match meant.get(code).copied().flatten() {
                Some(value) => value,
                None => return Err((self.row_of(at).0, labels.get(code).cloned().unwrap_or_default())),
            };
        }
        Ok(Column { values: Values::Real(values), labels: None, ..self })
    }

    /// A column of texts as a ragged one of their words: runs of characters between blanks. An absent text has none.
    pub fn words(&self) -> Option<Column> {
        let labels = self.labels.as_ref().filter(|_| self.shape.is_empty())?;
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        let texts: Vec<Vec<&str>> = labels.iter().map(|text| text.split_whitespace().collect()).collect();
        texts.iter().flatten().for_each(|word| {
            codes.entry(word).or_insert(0);
        });
        let vocabulary = sorted_labels(codes.keys().map(|word| word.to_string()).collect());
        for (code, word) in vocabulary.iter().enumerate() {
            codes.insert(word, code);
        }
        let of: Vec<Vec<usize>> = texts.iter().map(|text| text.iter().map(|word| codes[word]).collect()).collect();
        let mut all = Vec::new();
        let mut lengths = Vec::new();
        for row in 0..self.rows() {
            let words = match self.is_absent(row, 0) {
                true => &[][..],
                false => of.get(self.value(row, 0) as usize).map_or(&[][..], Vec::as_slice),
            };
            all.extend_from_slice(words);
            lengths.push(words.len());
        }
        Some(Column::coded(Vec::new(), all, vocabulary.clone()).ragged(&lengths))
    }

    /// The column with every number multiplied, or divided where `over` says so.
    pub fn scaled(mut self, by: f64, over: bool) -> Column {
        let change = |v: f64| if over { v / by } else { v * by };
        self.values = match self.values {
            Values::Byte { data, unit } if by > 0.0 => {
                Values::Byte { data, unit: if over { unit * by } else { unit / by } }
            }
            values => Values::Real((0..values.len()).map(|i| change(values.get(i))).collect()),
        };
        self.range = self.range.map(|(low, high)| (change(low).min(change(high)), change(low).max(change(high))));
        self
    }

    /// Puts the rows of `other` below this column's. Rows that differ in their first dimension alone make the column ragged, labels
    /// that either lacks are added. E0717 where shapes or kinds differ.
    pub(super) fn append(&mut self, name: &str, other: Column) -> Result<(), DataError> {
        let mut other = other;
        let mismatch = |detail: String| DataError::Mismatch { what: format!("column `{name}`"), detail };
        let either = self.starts.is_some() || other.starts.is_some();
        let alike = match either {
            true => self.shape.len() == other.shape.len() && self.shape.get(1..) == other.shape.get(1..),
            false => self.shape == other.shape,
        };
        if !alike {
            return Err(mismatch(format!("a value of shape {:?} follows one of shape {:?}", other.shape, self.shape)));
        }
        match (&self.labels, &other.labels) {
            (Some(mine), Some(more)) if mine != more => {
                let all = sorted_labels(mine.iter().chain(more).cloned().collect());
                self.recode(name, &all, None)?;
                other.recode(name, &all, None)?;
            }
            (Some(_), Some(_)) | (None, None) => {}
            (Some(_), None) => return Err(mismatch("numbers follow labels".into())),
            (None, Some(_)) => return Err(mismatch("labels follow numbers".into())),
        }
        if either {
            let lengths: Vec<usize> =
                [&*self, &other].iter().flat_map(|c| (0..c.rows()).map(|r| c.length(r))).collect();
            let inner = Column { shape: self.shape[1..].to_vec(), ..Column::numbers(Vec::new(), Vec::new()) };
            let Column { shape, starts, .. } = inner.ragged(&lengths);
            (self.shape, self.starts) = (shape, starts);
        }
        if self.absent.is_some() || other.absent.is_some() {
            let mut mask = self.absent.take().unwrap_or_else(|| vec![false; self.values.len()]);
            mask.extend(other.absent.take().unwrap_or_else(|| vec![false; other.values.len()]));
            self.absent = Some(mask);
        }
        match (&mut self.values, &other.values) {
            (Values::Byte { data, unit }, Values::Byte { data: more, unit: same }) if unit == same => data.extend(more),
            (values, more) => {
                let all = (0..values.len()).map(|i| values.get(i)).chain((0..more.len()).map(|i| more.get(i)));
                *values = Values::Real(all.collect());
            }
        }
        Ok(())
    }
}

/// Labels in the order of an enumeration: by value where all of them are numbers, else by their characters.
pub fn sorted_labels(mut labels: Vec<String>) -> Vec<String> {
    let number = |label: &String| label.parse::<f64>().ok().filter(|v| v.is_finite());
    if labels.iter().all(|label| number(label).is_some()) {
        labels.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal).then_with(|| a.cmp(b)));
    } else {
        labels.sort();
    }
    labels.dedup();
    labels
}
