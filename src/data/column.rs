//! One column in memory: a value of the same shape in each row, numbers or label codes, with what is absent marked.
//! Ragged columns are padded with zeros to their longest row and carry the lengths.

use super::errors::DataError;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

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

/// A column. Invariants, held by its constructors: `values` and `absent` have rows × width entries, `lengths` has one a row, codes index `labels`.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The dimensions within a row, outermost first; the largest, where rows differ. Empty for a scalar.
    pub shape: Vec<usize>,
    /// How much of the first dimension each row fills, where rows differ.
    pub lengths: Option<Vec<usize>>,
    /// Numbers, or codes `0..K-1` of labels; 0 where absent or padded.
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
        Column { shape, lengths: None, values: Values::Real(values), absent: None, labels: None, range: None }
    }

    /// A column of bytes that stand for `byte / unit`.
    pub fn bytes(shape: Vec<usize>, data: Vec<u8>, unit: f64) -> Column {
        let range = Some((0.0, 255.0 / unit));
        Column { shape, lengths: None, values: Values::Byte { data, unit }, absent: None, labels: None, range }
    }

    /// A column of label codes.
    pub fn coded(shape: Vec<usize>, codes: Vec<usize>, labels: Vec<String>) -> Column {
        let values = match labels.len() {
            0..=256 => Values::Byte { data: codes.iter().map(|&c| c as u8).collect(), unit: 1.0 },
            _ => Values::Real(codes.iter().map(|&c| c as f64).collect()),
        };
        Column { shape, lengths: None, values, absent: None, labels: Some(labels), range: None }
    }

    /// A column of labels, enumerated in sorted order.
    pub fn of_labels<S: AsRef<str>>(shape: Vec<usize>, texts: &[S]) -> Column {
        let distinct: BTreeSet<&str> = texts.iter().map(AsRef::as_ref).collect();
        let labels = sorted_labels(distinct.into_iter().map(String::from).collect());
        let code: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(code, l)| (l.as_str(), code)).collect();
        let codes = texts.iter().map(|t| code[t.as_ref()]).collect();
        Column::coded(shape, codes, labels)
    }

    /// Numbers in a row, padding included.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds labels.
    pub fn is_label(&self) -> bool {
        self.labels.is_some()
    }

    /// The number or code at a row and an offset within it.
    pub fn value(&self, row: usize, at: usize) -> f64 {
        self.values.get(row * self.width() + at)
    }

    /// Whether that element is absent.
    pub fn is_absent(&self, row: usize, at: usize) -> bool {
        self.absent.as_ref().is_some_and(|mask| mask[row * self.width() + at])
    }

    /// How many leading entries of the row are its own and not padding.
    pub fn filled(&self, row: usize) -> usize {
        match &self.lengths {
            Some(lengths) => lengths[row] * self.shape[1..].iter().product::<usize>(),
            None => self.width(),
        }
    }

    /// What it looks like from outside, under a name.
    pub fn schema(&self, name: &str) -> ColumnSchema {
        let mut shape: Vec<Extent> = self.shape.iter().map(|&n| Extent::Fixed(n)).collect();
        if let (Some(first), Some(_)) = (shape.first_mut(), &self.lengths) {
            *first = Extent::Ragged;
        }
        let kind = match &self.labels {
            Some(labels) => ColumnKind::Label(Some(labels.clone())),
            None => ColumnKind::Number,
        };
        ColumnSchema { name: name.into(), kind, shape, range: self.range }
    }

    /// The rows' values, one after the other, padding included: rows.len() × width numbers.
    pub fn gather<T: Element>(&self, rows: &[usize]) -> Vec<T> {
        let mut out = vec![T::default(); rows.len() * self.width()];
        self.gather_into(rows, &mut out);
        out
    }

    /// `gather` into a buffer of rows.len() × width numbers; a shorter buffer takes as many whole rows as fit.
    pub fn gather_into<T: Element>(&self, rows: &[usize], out: &mut [T]) {
        let width = self.width();
        if width == 0 {
            return;
        }
        let places = out.chunks_exact_mut(width).zip(rows);
        match &self.values {
            Values::Real(data) => {
                for (place, &row) in places {
                    for (to, &from) in place.iter_mut().zip(&data[row * width..(row + 1) * width]) {
                        *to = T::of(from);
                    }
                }
            }
            Values::Byte { data, unit } => {
                let table: [T; 256] = std::array::from_fn(|byte| T::of(byte as f64 / unit));
                for (place, &row) in places {
                    for (to, &from) in place.iter_mut().zip(&data[row * width..(row + 1) * width]) {
                        *to = table[usize::from(from)];
                    }
                }
            }
        }
    }

    /// The rows' marks of absence, laid out as `gather`; nothing where the whole column is present.
    pub fn gather_absent(&self, rows: &[usize]) -> Option<Vec<bool>> {
        let width = self.width();
        let mask = self.absent.as_ref()?;
        Some(rows.iter().flat_map(|&row| mask[row * width..(row + 1) * width].iter().copied()).collect())
    }

    /// The rows' lengths, where rows differ.
    pub fn gather_lengths(&self, rows: &[usize]) -> Option<Vec<usize>> {
        self.lengths.as_ref().map(|lengths| rows.iter().map(|&row| lengths[row]).collect())
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

    /// Codes the column by the given labels instead of its own. E0706 where a present element's label is not among them.
    pub fn recode(&mut self, name: &str, labels: &[String]) -> Result<(), DataError> {
        let own = self.labels.clone().unwrap_or_default();
        if own == labels {
            return Ok(());
        }
        let code: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(code, l)| (l.as_str(), code)).collect();
        let to: Vec<Option<usize>> = own.iter().map(|l| code.get(l.as_str()).copied()).collect();
        let width = self.width();
        let mut codes = vec![0; self.values.len()];
        for row in 0..self.values.len().checked_div(width).unwrap_or(0) {
            for at in (0..self.filled(row)).filter(|&at| !self.is_absent(row, at)) {
                let from = self.value(row, at) as usize;
                codes[row * width + at] = to[from].ok_or_else(|| DataError::NewLabel {
                    column: name.into(),
                    row: row + 1,
                    label: own[from].clone(),
                    known: labels.to_vec(),
                })?;
            }
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
        let width = self.width();
        let present = |i: usize| {
            let row = i.checked_div(width).unwrap_or(0);
            i - row * width < self.filled(row) && !self.absent.as_ref().is_some_and(|mask| mask[i])
        };
        let texts: Vec<Option<String>> =
            (0..self.values.len()).map(|i| present(i).then(|| self.values.get(i).to_string())).collect();
        let distinct: BTreeSet<&str> = texts.iter().flatten().map(String::as_str).collect();
        let labels = sorted_labels(distinct.into_iter().map(String::from).collect());
        let code: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(code, l)| (l.as_str(), code)).collect();
        let codes = texts.iter().map(|text| text.as_ref().map_or(0, |t| code[t.as_str()])).collect();
        let coded = Column::coded(Vec::new(), codes, labels);
        Column { values: coded.values, labels: coded.labels, range: None, ..self }
    }

    /// Puts the rows of `other` below this column's. E0717 where shapes or kinds differ; labels of `other` must be known here (E0706).
    pub(super) fn append(&mut self, name: &str, other: Column) -> Result<(), DataError> {
        let mut other = other;
        let mismatch = |detail: String| DataError::Mismatch { what: format!("column `{name}`"), detail };
        if self.shape != other.shape || self.lengths.is_some() || other.lengths.is_some() {
            return Err(mismatch(format!("a value of shape {:?} follows one of shape {:?}", other.shape, self.shape)));
        }
        match (&self.labels, &other.labels) {
            (Some(labels), Some(_)) => other.recode(name, labels)?,
            (None, None) => {}
            (Some(_), None) => return Err(mismatch("numbers follow labels".into())),
            (None, Some(_)) => return Err(mismatch("labels follow numbers".into())),
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
