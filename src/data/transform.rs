//! What a binding may do to a column before it is observed: threshold, binarise, reveal.
//! The first two act on gathered batches in place, the last on a whole column of labels.

use super::column::{Column, Element};
use super::errors::DataError;
use crate::base::stream::{Draws, Stream};

const REVEAL: u32 = 0xda7a_0003;

/// Each value becomes 1 where it exceeds `cut`, else 0.
pub fn threshold<T: Element + PartialOrd>(values: &mut [T], cut: T) {
    for value in values {
        *value = T::of(if *value > cut { 1.0 } else { 0.0 });
    }
}

/// Each probability becomes a Bernoulli draw of its own. `values` holds `width` numbers for each of `rows`; a draw depends on
/// (seed, site, epoch, row, place in the row) alone, so that batches of any size and order see the same one.
pub fn binarise<T: Element + Into<f64>>(
    values: &mut [T],
    rows: &[usize],
    width: usize,
    seed: u64,
    site: u32,
    epoch: u64,
) {
    let draws = Draws::new(seed, epoch, site, &[]);
    for (place, &row) in values.chunks_exact_mut(width.max(1)).zip(rows) {
        for (at, value) in place.iter_mut().enumerate() {
            let (block, word) = draws.block(row, at);
            let uniform = f64::from(block[word]) / 4_294_967_296.0;
            *value = T::of(if uniform < (*value).into() { 1.0 } else { 0.0 });
        }
    }
}

/// A copy of a column of labels in which `n` of `rows` keep theirs and every other row's is absent. Which ones depends on the seed alone.
/// With `balanced`, every label keeps as many rows as every other, the first ones one more where K does not divide n.
/// E0718 where the column holds no scalar labels, or a label or the whole has too few rows.
pub fn reveal(column: &Column, rows: &[usize], n: usize, balanced: bool, seed: u64) -> Result<Column, DataError> {
    let refuse = |what: String, mend: &str| Err(DataError::Request { what, mend: mend.into() });
    let Some(labels) = column.labels.as_ref().filter(|_| column.shape.is_empty()) else {
        return refuse(
            "`reveal` keeps some of a column's labels, and this column holds none".into(),
            "Give it a column of labels, one a row.",
        );
    };
    let mut order: Vec<usize> = rows.iter().copied().filter(|&row| !column.is_absent(row, 0)).collect();
    Stream::new(seed, REVEAL, 0, 0).shuffle(&mut order);
    let mut kept = Vec::new();
    if balanced {
        let classes = labels.len();
        for (code, label) in labels.iter().enumerate() {
            let share = n / classes + usize::from(code < n % classes);
            let of_class: Vec<usize> =
                order.iter().copied().filter(|&row| column.value(row, 0) as usize == code).take(share).collect();
            if of_class.len() < share {
                let what = format!("{share} rows of `{label}` cannot be revealed: there are {}", of_class.len());
                return refuse(what, "Ask for fewer, or without `balanced`.");
            }
            kept.extend(of_class);
        }
    } else if order.len() < n {
        let what = format!("{n} labels cannot be revealed: there are {} labelled rows", order.len());
        return refuse(what, "Ask for at most that many.");
    } else {
        kept.extend_from_slice(&order[..n]);
    }
    let mut absent = vec![true; column.values.len()];
    for row in kept {
        absent[row] = false;
    }
    Ok(Column { absent: Some(absent), ..column.clone() })
}
