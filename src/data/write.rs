//! Tables as text again: in the form that `csv` reads, so that samples drawn by one program are data of the next.

use super::column::Column;
use super::table::Table;
use std::io::Write;

/// Writes these rows of the table under a header line. A vector's entries are `name[1]`, `name[2]`, ..; what is absent or beyond a
/// row's length is `?`. Numbers are written in the fewest digits that read back as the same double.
pub fn write_csv(table: &Table, rows: &[usize], out: &mut dyn Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let header = table.columns.iter().flat_map(|(name, column)| match column.shape.is_empty() {
        true => vec![name.clone()],
        false => (1..=column.width()).map(|i| format!("{name}[{i}]")).collect(),
    });
    writer.write_record(header)?;
    for &row in rows {
        let cells = table.columns.iter().flat_map(|(_, column)| (0..column.width()).map(|at| cell(column, row, at)));
        writer.write_record(cells)?;
    }
    writer.flush()
}

fn cell(column: &Column, row: usize, at: usize) -> String {
    if column.is_absent(row, at) || at >= column.filled(row) {
        return "?".into();
    }
    let value = column.value(row, at);
    match &column.labels {
        Some(labels) => labels.get(value as usize).cloned().unwrap_or_else(|| "?".into()),
        None => value.to_string(),
    }
}
