//! CSV and TSV: kinds, absent cells, vectors, and every way a text table can be wrong.

use super::{at, fail, folder, gzip, read};
use ghmc::base::schema::{ColumnKind, Extent};
use ghmc::data::{Source, Want, Wants, load_as, schema, write_csv};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn kinds_absent_cells_and_label_order() {
    let table = read("a.csv", b"size,grade,wet\n1.5,10,yes\n?,9,no\n-2e3,?,yes\n").unwrap();
    assert_eq!(table.rows, 3);
    let size = table.column("size").unwrap();
    assert_eq!(size.gather::<f64>(&[0, 1, 2]), [1.5, 0.0, -2000.0]);
    assert_eq!([2, 1].map(|row| size.is_absent(row, 0)), [false, true]);
    let wet = table.column("wet").unwrap();
    assert_eq!(wet.labels.as_deref().unwrap(), ["no", "yes"]);
    assert_eq!(wet.gather::<f32>(&[0, 1, 2]), [1.0, 0.0, 1.0]);
    assert_eq!(wet.absent, None);
    let grade = table.column("grade").unwrap().clone().into_labels();
    assert_eq!(grade.labels.as_deref().unwrap(), ["9", "10"], "numeric labels sort by value");
    assert_eq!(grade.gather::<f64>(&[0, 1]), [1.0, 0.0]);
    assert!(grade.is_absent(2, 0));
    assert_eq!(table.split("rows").unwrap(), [0, 1, 2]);
}

/// One column, read in one way.
fn only(column: &str, want: Want) -> Wants {
    Wants { columns: BTreeMap::from([(column.to_string(), want)]), only: true }
}

#[test]
fn a_wanted_kind_overrules_the_first_cell() {
    let dir = folder("a.csv", b"y\n3\n12\n?\n3a\n");
    let wants = only("y", Want::Label);
    let table = load_as(&Source::Csv { path: "a.csv".into() }, &at(dir.path()), &wants).unwrap();
    assert_eq!(table.column("y").unwrap().labels.as_deref().unwrap(), ["12", "3", "3a"]);
    let wants = only("y", Want::Number);
    let error = load_as(&Source::Csv { path: "a.csv".into() }, &at(dir.path()), &wants).unwrap_err();
    assert!(error.to_string().starts_with("`3a` in column `y` on line 5 of"), "{error}");
    // How a label is written is what it is called.
    let dir = folder("b.csv", b"y,z\n01,1\n1,b\n1.0,3\n1e0,4\n");
    let table = load_as(&Source::Csv { path: "b.csv".into() }, &at(dir.path()), &only("y", Want::Label)).unwrap();
    let y = table.column("y").unwrap();
    assert_eq!(y.labels.as_deref().unwrap(), ["01", "1", "1.0", "1e0"]);
    assert_eq!(y.gather::<f64>(&[0, 1, 2, 3]), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(table.columns.len(), 1, "nobody wants `z`, whose cells are of no one kind");
}

#[test]
fn states_are_told_by_fixed_words_and_never_by_their_order() {
    let dir = folder("a.csv", b"b,s\nTrue,up\nno,-1\n0,down\n?,1\n");
    let wants = Wants { columns: [("b".to_string(), Want::Bool), ("s".to_string(), Want::Spin)].into(), only: true };
    let table = load_as(&Source::Csv { path: "a.csv".into() }, &at(dir.path()), &wants).unwrap();
    assert_eq!(table.column("b").unwrap().gather::<f64>(&[0, 1, 2]), [1.0, 0.0, 0.0]);
    assert_eq!(table.column("s").unwrap().gather::<f64>(&[0, 1, 2, 3]), [1.0, -1.0, -1.0, 1.0]);
    for (text, line) in [("b,s\nyes,up\noff,up\n", 3), ("b,s\nyes,up\nno,left\n", 3), ("b,s\n2,up\n", 2)] {
        let dir = folder("a.csv", text.as_bytes());
        let error = load_as(&Source::Csv { path: "a.csv".into() }, &at(dir.path()), &wants).unwrap_err();
        assert_eq!(error.code().number(), "E0707");
        assert!(error.to_string().contains(&format!(" on line {line} of ")), "{error}");
    }
}

#[test]
fn what_has_no_end_is_refused_before_it_takes_memory() {
    let long = "a".repeat(3 << 20);
    let wide = (0..70_000).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    let many = format!("x\n{}\n", "1,".repeat(5 << 20));
    for text in [format!("x\n{long}\n"), long.clone(), format!("{wide}\n{wide}\n"), many, format!("x,y\n1,\"{long}")] {
        let (code, told) = fail("a.csv.gz", &gzip(text.as_bytes()));
        assert_eq!(code, "E0715", "{told}");
    }
}

#[test]
fn indexed_columns_are_one_vector() {
    let table = read("a.tsv", b"x[1]\tx[2]\tx[3]\tk\n1\t2\t3\ta\n4\t?\t6\tb\n").unwrap();
    let x = table.column("x").unwrap();
    assert_eq!((x.shape.as_slice(), x.gather::<f64>(&[1]).as_slice()), (&[3][..], &[4.0, 0.0, 6.0][..]));
    assert_eq!([0, 1, 2].map(|at| x.is_absent(1, at)), [false, true, false]);
}

#[test]
fn the_schema_reads_the_first_rows_only() {
    // The body breaks off in the middle of the archive: the schema must not notice.
    let mut body = b"x[0],x[1],k\n?,2,\n1,2,red\n".to_vec();
    body.extend((0..200_000u32).flat_map(|i| format!("{},1,{}\n", i.wrapping_mul(2_654_435_761), i % 7).into_bytes()));
    let packed = gzip(&body);
    let dir = folder("a.csv.gz", &packed[..packed.len() / 2]);
    let source = Source::Csv { path: "a.csv.gz".into() };
    let schema = schema(&source, &at(dir.path())).unwrap();
    assert_eq!(schema.rows, None);
    assert_eq!(schema.column("x").unwrap().shape, [Extent::Fixed(2)]);
    assert_eq!(schema.column("x").unwrap().kind, ColumnKind::Number);
    assert_eq!(schema.column("k").unwrap().kind, ColumnKind::Label);
    let error = ghmc::data::load(&source, &at(dir.path())).unwrap_err();
    assert_eq!(error.code().number(), "E0715");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    assert_eq!(fail("a.csv", b"").0, "E0712");
    assert_eq!(fail("a.csv", b"x,y\n").0, "E0712");
    let (code, text) = fail("a.csv", b"x,y\n1,2\n\n3\n");
    assert_eq!(code, "E0714");
    assert!(text.starts_with("line 4 of") && text.ends_with("has 1 cells where the header has 2"), "{text}");
    let (code, text) = fail("a.csv", b"x,y\n1,2\n3,four\n");
    assert_eq!(code, "E0707");
    for (line, lines) in
        [(3, "1,2\nx,3"), (3, "1,2\r\nx,3\r\n"), (5, "1,2\r\n\r\n\n\"x\",3\r\n"), (4, "\"1\n\",2\nx,3\n")]
    {
        let text = fail("a.csv", format!("x,y\n{lines}").as_bytes()).1;
        assert!(text.starts_with(&format!("`x` in column `x` on line {line} of")), "{lines:?}: {text}");
    }
    assert!(text.starts_with("`four` in column `y` on line 3 of") && text.ends_with("is not a number"), "{text}");
    let (code, text) = fail("a.csv", b"x,y\n1,2\n3,NaN\n");
    assert_eq!(code, "E0707");
    assert!(text.contains("column `y` holds `NaN` at row 2"), "{text}");
    assert_eq!(fail("a.csv", b"x,y\n1,1e999\n").0, "E0707");
    assert_eq!(fail("a.csv", b"1,2\n3,4\n").0, "E0713");
    assert_eq!(fail("a.csv", b"x,x\n3,4\n").0, "E0713");
    assert_eq!(fail("a.csv", b"x,\n3,4\n").0, "E0713");
    assert_eq!(fail("a.csv", b"x[1],x[3]\n3,4\n").0, "E0713");
    assert_eq!(fail("a.csv", b"x,y\n1,\xff\xfe\n").0, "E0715");
    assert_eq!(fail("a.csv.gz", b"x,y\n1,2\n").0, "E0715");
    let packed = gzip(b"x,y\n1,2\n3,4\n");
    for cut in 2..packed.len() {
        assert_eq!(fail("a.csv.gz", &packed[..cut]).0, "E0715", "cut after {cut} bytes");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_told_where_it_opens() {
    for (name, text, column, line) in [
        ("a.csv", "x\n\"1\n", "x", 2),
        ("a.csv", "x\n\"1", "x", 2),
        ("a.csv", "\u{feff}x\n1\n\"2\n3\n4\n", "x", 3),
        ("a.csv", "x,y\n1,2\n\"3\n\",\"4\n5,6\n", "y", 4),
        ("a.csv", "x,y\n1,\"2\"\"\n", "y", 2),
        ("a.tsv", "x\ty\n1,\t\"2\n", "y", 2),
        ("a.csv", "x,\"y\n1,2\n", "2", 1),
        ("a.csv", "\u{feff}\"x\n1\n", "1", 1),
    ] {
        let (code, told) = fail(name, text.as_bytes());
        assert_eq!(code, "E0715", "{text:?}: {told}");
        let expected = format!("the quote that opens column `{column}` on line {line} of ");
        assert!(told.starts_with(&expected) && told.ends_with("is never closed"), "{text:?}: {told}");
    }
    // A quote inside of a cell is a character; one that is closed is none.
    for (text, label) in
        [("k\na\"b\n", "a\"b"), ("k\n\"a\"\"\"\n", "a\""), ("k\n\"a\nb\"", "a\nb"), ("k\n \"a\n", "\"a")]
    {
        let table = read("a.csv", text.as_bytes()).unwrap();
        assert_eq!(table.column("k").unwrap().labels.as_deref().unwrap(), [label], "{text:?}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let dir = folder("a.csv", b"x\n1\n");
    let error = ghmc::data::load(&Source::Csv { path: "b.csv".into() }, &at(dir.path())).unwrap_err();
    assert_eq!(error.code().number(), "E0708");
    assert!(error.to_string().contains("b.csv"));
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_table_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for name in ["a.csv", "a.tsv", "a.npy", "a.npz", "a.idx", "a.csv.gz"] {
            if let Ok(table) = read(name, &bytes) {
                prop_assert!(table.rows > 0);
            }
        }
    }

    #[test]
    fn numbers_come_back_exactly(values in proptest::collection::vec(proptest::num::f64::NORMAL, 1..40)) {
        let mut text = String::from("v\n");
        for value in &values {
            text.push_str(&format!("{value:e}\n"));
        }
        let table = read("a.csv", text.as_bytes()).unwrap();
        let rows: Vec<usize> = (0..values.len()).collect();
        prop_assert_eq!(table.column("v").unwrap().gather::<f64>(&rows), values);
    }
}

#[test]
fn what_is_written_reads_back() {
    let text = b"x[1],x[2],k,n\n0.1,?,\"a,b\",3\n-2.5e-300,4,\"say \"\"b\"\"\",?\n";
    let table = read("a.csv", text).unwrap();
    let mut out = Vec::new();
    write_csv(&table, &[0, 1], &mut out).unwrap();
    assert_eq!(read("a.csv", &out).unwrap(), table);
    assert!(out.starts_with(b"x[1],x[2],k,n\n0.1,?,\"a,b\",3\n"));
}
