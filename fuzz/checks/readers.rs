//! What must hold of any bytes given as data: they load or are refused with a reason, never a panic; the schema read from the
//! head agrees with what the whole gives; every cell can be asked for; and a table of text is written and loaded again to the
//! same table.
//!
//! The first byte chooses the reader by its lower half, and with bit 4 the rest is packed by gzip before it is read.

use flate2::Compression;
use flate2::write::GzEncoder;
use ghmc::base::schema::{Extent, Schema};
use ghmc::data::{Column, DataError, Locations, Source, Table, Want, Wants, load, load_as, schema, write_csv};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Packed bytes that are looked at: a longer file may unpack to any size, and the search is for slips, not for patience.
const MOST_PACKED: usize = 2048;

/// Panics where reading or writing breaks a promise on these bytes.
pub fn check(bytes: &[u8]) {
    let Some((&choice, body)) = bytes.split_first() else { return };
    let reader = choice & 0xf;
    let packs = body.starts_with(&[0x1f, 0x8b]) || body.windows(4).any(|four| four == b"PK\x03\x04");
    if packs && body.len() > MOST_PACKED {
        return;
    }
    let dir = tempfile::tempdir().expect("a scratch folder");
    let places = Locations {
        base: dir.path().into(),
        overrides: [("set".to_string(), dir.path().join("set"))].into(),
        ..Locations::default()
    };
    let source = stored(dir.path(), reader, choice & 0x10 != 0, body);
    let (head, table) = (schema(&source, &places), load(&source, &places));
    let table = match table {
        Ok(table) => table,
        Err(error) => {
            if let Err(early) = head {
                told(&early);
            }
            return told(&error);
        }
    };
    agree(&head.expect("what loads has a schema"), &table);
    table.columns.iter().for_each(|(_, column)| whole(column, table.rows));
    if matches!(source, Source::Csv { .. } | Source::Tsv { .. }) {
        written(&table, dir.path(), &places);
    }
}

/// Puts the bytes where the chosen reader looks for them.
fn stored(dir: &Path, reader: u8, packed: bool, body: &[u8]) -> Source {
    let write = |name: &str, bytes: &[u8]| {
        let bytes = match packed {
            false => bytes.to_vec(),
            true => {
                let mut out = GzEncoder::new(Vec::new(), Compression::fast());
                out.write_all(bytes).expect("memory takes everything");
                out.finish().expect("memory takes everything")
            }
        };
        fs::write(dir.join(name), bytes).expect("a scratch file");
    };
    let path = "t".into();
    let single = |source: Source| {
        write("t", body);
        source
    };
    let set = |names: &[&str]| {
        fs::create_dir(dir.join("set")).expect("a scratch folder");
        let mut parts = body.splitn(names.len(), |&byte| byte == 0);
        names.iter().for_each(|name| write(&format!("set/{name}"), parts.next().unwrap_or_default()));
        Source::Dataset { name: "set".into() }
    };
    match reader {
        0 => single(Source::Csv { path }),
        1 => single(Source::Tsv { path }),
        2 => single(Source::Npy { path }),
        3 => single(Source::Npz { path }),
        4 => single(Source::Idx { path }),
        5 => single(Source::Columns { path, names: Vec::new() }),
        6 => single(Source::Columns { path, names: vec!["word".into(), "tag".into()] }),
        7 => single(Source::Text { path }),
        8 => single(Source::Jsonl { path }),
        9 => set(&["train.conllu"]),
        10 => set(&["train.data"]),
        11 => set(&["train.csv", "test.csv"]),
        12 => set(&["train.jsonl", "test.jsonl"]),
        _ => set(&["train.npy", "test.npy"]),
    }
}

/// A refusal says what is wrong and how to mend it.
fn told(error: &DataError) {
    assert!(!error.to_string().is_empty() && !error.help().is_empty());
}

/// What the head said holds of the whole.
fn agree(head: &Schema, table: &Table) {
    let all = table.schema();
    assert_eq!((head.columns.len(), &head.splits), (all.columns.len(), &all.splits));
    for (early, late) in head.columns.iter().zip(&all.columns) {
        assert_eq!((&early.name, early.shape.len()), (&late.name, late.shape.len()));
        for (said, is) in early.shape.iter().zip(&late.shape) {
            // Files below one another may differ where a row may: the whole is then ragged.
            assert!(said == is || *is == Extent::Ragged, "{} was {said:?} and is {is:?}", early.name);
        }
    }
}

/// Every cell can be asked for: a finite number, or the code of a label.
fn whole(column: &Column, rows: usize) {
    assert_eq!(column.rows(), rows);
    for row in 0..rows {
        let filled = column.filled(row);
        assert!(filled <= column.width());
        for at in 0..filled {
            let value = column.value(row, at);
            match &column.labels {
                _ if column.is_absent(row, at) => {}
                Some(labels) => assert!((value as usize) < labels.len()),
                None => assert!(value.is_finite()),
            }
        }
    }
    let last: Vec<usize> = (0..rows).rev().take(2).collect();
    if column.width() < 1 << 16 {
        assert_eq!(column.gather::<f32>(&last).len(), last.len() * column.width());
    }
    assert_eq!(column.select(&last).rows(), last.len());
    assert!(column.clone().into_labels().is_label());
}

/// Writing and loading again gives the same table.
fn written(table: &Table, dir: &Path, places: &Locations) {
    let mut out = Vec::new();
    write_csv(table, &(0..table.rows).collect::<Vec<_>>(), &mut out).expect("memory takes everything");
    fs::write(dir.join("again.csv"), &out).expect("a scratch file");
    // A label that looks like a number comes back as the label it was.
    let want = |label: bool| if label { Want::Label } else { Want::Number };
    let columns = table.columns.iter().map(|(name, column)| (name.clone(), want(column.is_label()))).collect();
    let wants = Wants { columns, only: true };
    let again = load_as(&Source::Csv { path: "again.csv".into() }, places, &wants).expect("what was written loads");
    assert_eq!(cells(table), cells(&again), "written as:\n{}", String::from_utf8_lossy(&out));
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
