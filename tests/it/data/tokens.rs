//! Sentences and JSON: layouts, lengths, and how they can be wrong.

use super::{at, folder, gzip};
use ghmc::base::schema::{ColumnKind, Extent};
use ghmc::data::{DataError, Source, Table, load, schema};
use std::path::Path;

fn columns(path: &str, names: &[&str]) -> Source {
    Source::Columns { path: path.into(), names: names.iter().map(|n| n.to_string()).collect() }
}

fn told(source: &Source, dir: &Path) -> (&'static str, String) {
    let error: DataError = load(source, &at(dir)).expect_err("this must not load");
    assert!(!error.help().is_empty());
    (error.code().number(), error.to_string())
}

fn labels(table: &Table, name: &str) -> Vec<String> {
    table.column(name).unwrap().labels.clone().unwrap()
}

#[test]
fn tokens_stand_one_a_line() {
    let text = "\u{feff}The DT 1\r\ndog\tNN 2\r\n\r\n\r\n? . 3\n";
    let dir = folder("a.txt.gz", &gzip(text.as_bytes()));
    let source = columns("a.txt.gz", &["word", "pos", "n"]);
    let seen = schema(&source, &at(dir.path())).unwrap();
    assert_eq!(seen.column("pos").unwrap().shape, [Extent::Ragged]);
    assert_eq!(seen.column("pos").unwrap().labels.as_deref().unwrap(), [".", "DT", "NN"]);
    assert_eq!(seen.column("n").unwrap().kind, ColumnKind::Number);
    let table = load(&source, &at(dir.path())).unwrap();
    assert_eq!(table.rows, 2);
    let word = table.column("word").unwrap();
    assert_eq!(labels(&table, "word"), ["?", "The", "dog"], "a question mark is a token");
    assert_eq!((word.length(0), word.length(1), word.shape.as_slice()), (2, 1, &[2][..]));
    assert_eq!(word.gather::<f64>(&[1, 0]), [0.0, 0.0, 1.0, 2.0]);
    assert_eq!(table.column("n").unwrap().gather::<f64>(&[0, 1]), [1.0, 2.0, 3.0, 0.0]);
    assert_eq!(load(&columns("a.txt.gz", &["w"]), &at(dir.path())).unwrap().columns.len(), 1);
}

#[test]
fn what_is_wrong_with_tokens_is_said_with_its_line() {
    let dir = folder("a.txt", b"a b\n\na b c\n");
    let (code, text) = told(&columns("a.txt", &["x", "y"]), dir.path());
    assert_eq!(code, "E0714");
    assert!(text.starts_with("line 3 of"), "{text}");
    assert_eq!(told(&columns("a.txt", &["x", "y", "z"]), dir.path()).0, "E0713");
    let dir = folder("a.txt", b"\n\n");
    assert_eq!(told(&columns("a.txt", &["x"]), dir.path()).0, "E0712");
    let dir = folder("a.txt", b"1\nx\n");
    assert_eq!(told(&columns("a.txt", &["x"]), dir.path()).0, "E0707");
    let dir = folder("a.txt.gz", &gzip("a".repeat(2 << 20).as_bytes()));
    for source in [
        columns("a.txt.gz", &["x"]),
        Source::Text { path: "a.txt.gz".into() },
        Source::Jsonl { path: "a.txt.gz".into() },
    ] {
        assert_eq!(told(&source, dir.path()).0, "E0715", "{source:?}");
    }
    let dir = folder("a.txt.gz", &gzip(" a".repeat(100_000).as_bytes()));
    assert_eq!(told(&columns("a.txt.gz", &[]), dir.path()).0, "E0715");
}

#[test]
fn a_text_is_a_sentence_a_line() {
    let dir = folder("train.txt", b" b a \n\na\n");
    std::fs::write(dir.path().join("test.txt"), b"c\n").unwrap();
    let source = Source::Text { path: ".".into() };
    assert_eq!(schema(&source, &at(dir.path())).unwrap().splits, ["train", "test"]);
    let table = load(&source, &at(dir.path())).unwrap();
    assert_eq!(labels(&table, "word"), ["<eos>", "a", "b", "c"]);
    let word = table.column("word").unwrap();
    assert_eq!(word.gather::<f64>(&[0, 1, 2]), [2., 1., 0., 1., 0., 0., 3., 0., 0.]);
    assert_eq!([0, 1, 2].map(|row| word.length(row)), [3, 2, 2]);
    assert_eq!((table.split("train").unwrap(), table.split("test").unwrap()), (&[0, 1][..], &[2][..]));
}

#[test]
fn objects_stand_one_a_line() {
    let text = "{\"k\": \"b\", \"n\": 1, \"v\": [1, 2.5], \"t\": [\"u\", \"v\"], \"b\": true}\n\n\
                {\"k\": \"a\", \"n\": null, \"v\": [null, 4], \"t\": [], \"b\": false}\n{\"n\": 3}\n";
    let dir = folder("a.jsonl.gz", &gzip(text.as_bytes()));
    let source = Source::of_path(Path::new("a.jsonl.gz")).unwrap();
    let seen = schema(&source, &at(dir.path())).unwrap();
    let shape = |name: &str| seen.column(name).unwrap().shape.clone();
    assert_eq!((shape("n"), shape("v"), shape("t")), (vec![], vec![Extent::Fixed(2)], vec![Extent::Ragged]));
    let table = load(&source, &at(dir.path())).unwrap();
    assert_eq!(table.rows, 3);
    let (n, v, t) = (table.column("n").unwrap(), table.column("v").unwrap(), table.column("t").unwrap());
    assert_eq!(n.gather::<f64>(&[0, 1, 2]), [1.0, 0.0, 3.0]);
    assert!(n.is_absent(1, 0) && v.is_absent(1, 0) && !v.is_absent(1, 1) && v.is_absent(2, 1));
    assert_eq!([0, 1, 2].map(|row| t.length(row)), [2, 0, 0]);
    assert_eq!(
        (labels(&table, "k"), labels(&table, "b")),
        (vec!["a".into(), "b".into()], vec!["false".into(), "true".into()])
    );
    for (text, code) in [
        ("", "E0712"),
        ("[1]\n", "E0715"),
        ("{\"a\": 1\n", "E0715"),
        ("{\"a\": {\"b\": 1}}\n", "E0715"),
        ("{\"a\": [1, [2]]}\n", "E0715"),
        ("{\"a\": [1]}\n{\"a\": 1}\n", "E0717"),
        ("{\"a\": [[1, 2]]}\n{\"a\": [[1]]}\n", "E0717"),
    ] {
        let dir = folder("a.jsonl", text.as_bytes());
        assert_eq!(told(&Source::Jsonl { path: "a.jsonl".into() }, dir.path()).0, code, "{text}");
    }
    let frames = folder("a.jsonl", b"{\"x\": [[1, 2], [3, 4]]}\n{\"x\": [[5, 6]]}\n");
    let table = load(&Source::Jsonl { path: "a.jsonl".into() }, &at(frames.path())).unwrap();
    let x = table.column("x").unwrap();
    assert_eq!((x.shape.as_slice(), x.gather::<f64>(&[1])), (&[2, 2][..], vec![5.0, 6.0, 0.0, 0.0]));
    // Any depth of nesting is an error of the reader and no more.
    let dir = folder("a.jsonl", format!("{{\"a\": {}", "[".repeat(200_000)).as_bytes());
    assert_eq!(told(&Source::Jsonl { path: "a.jsonl".into() }, dir.path()).0, "E0715");
}

#[test]
fn one_long_row_among_many_takes_no_more_than_itself() {
    let mut text = "a ".repeat(200_000);
    text.push('\n');
    (0..200_000).for_each(|_| text.push_str("a\n"));
    let dir = folder("a.txt", text.as_bytes());
    let table = load(&Source::Text { path: "a.txt".into() }, &at(dir.path())).unwrap();
    let word = table.column("word").unwrap();
    assert_eq!((word.shape[0], word.values.len()), (200_001, 600_001));
}
