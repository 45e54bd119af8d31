//! What must hold of any bytes given as a table of text: they load or are refused with a reason, never a panic; the schema
//! read from the head agrees with what the whole gives; and what loads is written and loaded again to the same table.

use ghmc::data::{Locations, Source, Table, Want, Wants, load, load_as, schema, write_csv};
use std::fs;

/// Panics where reading or writing breaks a promise on these bytes.
pub fn check(bytes: &[u8]) {
    // A small packed file may unpack to any size: the search is for slips, not for patience.
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a scratch folder");
    let places = Locations { base: dir.path().into(), ..Locations::default() };
    fs::write(dir.path().join("t.csv"), bytes).expect("a scratch file");
    let csv = |name: &str| Source::Csv { path: name.into() };
    let (head, table) = (schema(&csv("t.csv"), &places), load(&csv("t.csv"), &places));
    let table = match table {
        Ok(table) => table,
        Err(error) => return assert!(!error.to_string().is_empty() && !error.help().is_empty()),
    };
    let head = head.expect("what loads has a schema");
    let whole = table.schema();
    for (early, late) in head.columns.iter().zip(&whole.columns) {
        assert_eq!((&early.name, &early.shape), (&late.name, &late.shape));
    }
    assert_eq!((head.columns.len(), head.splits), (whole.columns.len(), whole.splits));

    let mut out = Vec::new();
    write_csv(&table, &(0..table.rows).collect::<Vec<_>>(), &mut out).expect("memory takes everything");
    fs::write(dir.path().join("again.csv"), &out).expect("a scratch file");
    // A label that looks like a number comes back as the label it was.
    let want = |label: bool| if label { Want::Label } else { Want::Number };
    let columns = table.columns.iter().map(|(name, column)| (name.clone(), want(column.is_label()))).collect();
    let wants = Wants { columns, only: true };
    let again = load_as(&csv("again.csv"), &places, &wants).expect("what was written loads");
    assert_eq!(cells(&table), cells(&again), "written as:\n{}", String::from_utf8_lossy(&out));
}

/// A column's name, shape and cells: nothing where absent, else the label or the bits of the number.
type Shown<'a> = (&'a str, &'a [usize], Vec<Option<String>>);

fn cells(table: &Table) -> Vec<Shown<'_>> {
    let mut columns = Vec::new();
    for (name, column) in &table.columns {
        let mut cells = Vec::new();
        for (row, at) in (0..table.rows).flat_map(|row| (0..column.width()).map(move |at| (row, at))) {
            let value = column.value(row, at);
            let shown = match &column.labels {
                _ if column.is_absent(row, at) => None,
                Some(labels) => Some(labels.get(value as usize).cloned().expect("a code has its label")),
                None => Some(format!("{:016x}", value.to_bits())),
            };
            cells.push(shown);
        }
        columns.push((name.as_str(), column.shape.as_slice(), cells));
    }
    columns
}
