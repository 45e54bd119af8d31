//! Named sets: the built-in digits, where names lead, folders with a file a split, and the large sets where they are at hand.

use super::{folder, gzip};
use ghmc::base::schema::{ColumnKind, Extent};
use ghmc::data::{Locations, Source, load, schema};
use std::path::PathBuf;

fn named(name: &str) -> Source {
    Source::Dataset { name: name.into() }
}

#[test]
fn digits_are_built_in() {
    let here = Locations::default();
    let table = load(&named("digits"), &here).unwrap();
    assert_eq!(schema(&named("digits"), &here).unwrap(), table.schema());
    assert_eq!(table.rows, 1797);
    let (train, test) = (table.split("train").unwrap(), table.split("test").unwrap());
    assert_eq!((train.len(), test.len(), table.split("all").unwrap().len()), (1438, 359, 1797));
    assert_eq!(test[..3], [4, 9, 14], "rows 5, 10, 15 counted from 1");
    let label = table.column("label").unwrap();
    let mut counts = [0; 10];
    for code in label.gather::<f64>(table.split("all").unwrap()) {
        counts[code as usize] += 1;
    }
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let image = table.column("image").unwrap();
    assert_eq!(image.gather::<f64>(&[0])[..6], [0.0, 0.0, 5.0 / 16.0, 13.0 / 16.0, 9.0 / 16.0, 1.0 / 16.0]);
    assert!(image.gather::<f32>(test).iter().all(|v| (0.0..=1.0).contains(v)));
}

#[test]
fn an_unknown_set_says_where_it_was_looked_for() {
    let error = load(&named("mnist"), &Locations::default()).unwrap_err();
    assert_eq!(error.code().number(), "E0705");
    assert!(error.to_string().contains("`mnist`") && error.to_string().contains("GHM_DATA (not set)"), "{error}");
    assert!(error.help().contains("--data mnist=PATH"));
    let root = tempfile::tempdir().unwrap();
    let there = Locations { root: Some(root.path().join("inside")), ..Locations::default() };
    std::fs::create_dir(root.path().join("inside")).unwrap();
    for outside in ["..", "../inside", "/"] {
        assert_eq!(load(&named(outside), &there).unwrap_err().code().number(), "E0705", "{outside}");
    }
}

#[test]
fn an_override_goes_before_everything() {
    let dir = folder("mine.csv", b"image,label\n1,a\n2,b\n");
    let mut here = Locations::default();
    here.overrides.insert("digits".into(), dir.path().join("mine.csv"));
    assert_eq!(load(&named("digits"), &here).unwrap().rows, 2);
    here.overrides.insert("digits".into(), dir.path().join("gone.csv"));
    assert_eq!(load(&named("digits"), &here).unwrap_err().code().number(), "E0705");
}

#[test]
fn a_folder_without_its_files_is_noticed_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut here = Locations::default();
    for name in ["mnist", "binarized-mnist", "frey"] {
        here.overrides.insert(name.into(), dir.path().into());
        assert_eq!(schema(&named(name), &here).unwrap_err().code().number(), "E0708", "{name}");
    }
    here.overrides.insert("flags".into(), dir.path().into());
    assert_eq!(schema(&named("flags"), &here).unwrap_err().code().number(), "E0705");
}

#[test]
fn a_folder_gives_a_split_a_file() {
    let dir = folder("train.csv", b"x,k\n1,b\n2,a\n");
    std::fs::write(dir.path().join("flags.test.csv.gz"), gzip(b"x,k\n?,a\n")).unwrap();
    let mut here = Locations::default();
    here.overrides.insert("flags".into(), dir.path().into());
    let seen = schema(&named("flags"), &here).unwrap();
    assert_eq!(seen.splits, ["train", "test"]);
    assert_eq!(seen.column("k").unwrap().kind, ColumnKind::Label);
    let table = load(&named("flags"), &here).unwrap();
    assert_eq!((table.split("train").unwrap(), table.split("test").unwrap()), (&[0, 1][..], &[2][..]));
    assert!(table.column("x").unwrap().is_absent(2, 0) && !table.column("x").unwrap().is_absent(1, 0));
    assert_eq!(table.column("k").unwrap().gather::<f64>(&[0, 1, 2]), [1.0, 0.0, 0.0]);
    std::fs::write(dir.path().join("flags.test.csv.gz"), gzip(b"x,k\n1,a\n1,c\n")).unwrap();
    let mut k = load(&named("flags"), &here).unwrap().column("k").unwrap().clone();
    assert_eq!(k.labels.as_deref().unwrap(), ["a", "b", "c"], "labels of all splits, until an enumeration is bound");
    let known = k.labels_in(&[0, 1]);
    let error = k.recode("k", &known, None).unwrap_err();
    assert_eq!(error.code().number(), "E0706");
    assert!(error.to_string().starts_with("row 4 of column `k` holds the label `c`"), "{error}");
}

#[test]
fn the_density_layout_has_no_header() {
    let dir = folder("pets.train.data.gz", &gzip(b"0,1,1\n1,0,0\n"));
    std::fs::write(dir.path().join("pets.valid.data.gz"), gzip(b"1,1,1\n")).unwrap();
    let mut here = Locations::default();
    here.overrides.insert("pets".into(), dir.path().into());
    let table = load(&named("pets"), &here).unwrap();
    assert_eq!(schema(&named("pets"), &here).unwrap().column("x").unwrap().shape, [Extent::Fixed(3)]);
    assert_eq!(table.column("x").unwrap().gather::<f64>(table.split("valid").unwrap()), [1.0, 1.0, 1.0]);
}

/// The folder of large sets, where this machine has one; without it the tests below have nothing to read and end.
fn large() -> Option<Locations> {
    let root = PathBuf::from(std::env::var_os("GHM_DATA")?);
    Some(Locations { root: Some(root), ..Locations::default() })
}

#[test]
fn mnist_has_its_counts() {
    let Some(here) = large() else { return };
    let table = load(&named("mnist"), &here).unwrap();
    assert_eq!(schema(&named("mnist"), &here).unwrap(), table.schema());
    let label = table.column("label").unwrap();
    for (split, expect) in [
        ("train", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ] {
        let mut counts = [0; 10];
        for code in label.gather::<f64>(table.split(split).unwrap()) {
            counts[code as usize] += 1;
        }
        assert_eq!(counts, expect);
    }
    assert_eq!((table.split("fit").unwrap().len(), table.split("valid").unwrap()[0]), (50_000, 50_000));
}

#[test]
fn binarized_mnist_has_its_means() {
    let Some(here) = large() else { return };
    let table = load(&named("binarized-mnist"), &here).unwrap();
    for (split, expect) in [("train", 0.130562), ("valid", 0.131127), ("test", 0.132512)] {
        let pixels = table.column("image").unwrap().gather::<f32>(table.split(split).unwrap());
        let mean = pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels.len() as f64;
        assert!((mean - expect).abs() < 1e-6, "{split}: {mean}");
    }
}

#[test]
fn faces_are_whole() {
    let Some(here) = large() else { return };
    let table = load(&named("frey"), &here).unwrap();
    let grey = table.column("image").unwrap().gather::<f64>(table.split("rows").unwrap());
    let (low, high) = grey.iter().fold((1.0f64, 0.0f64), |(l, h), &v| (l.min(v), h.max(v)));
    assert_eq!((table.rows, (low * 255.0).round(), (high * 255.0).round()), (1965, 8.0, 238.0));
}

#[test]
fn sentences_have_their_counts() {
    let Some(here) = large() else { return };
    let counted = |name: &str, column: &str| {
        let (seen, table) = (schema(&named(name), &here).unwrap(), load(&named(name), &here).unwrap());
        assert_eq!(seen.splits, table.splits.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>(), "{name}");
        assert_eq!(seen.column(column).unwrap().shape[0], Extent::Ragged, "{name}");
        let column = table.column(column).unwrap();
        let count = |(split, rows): &(String, Vec<usize>)| {
            (split.clone(), rows.len(), rows.iter().map(|&row| column.length(row)).sum())
        };
        table.splits.iter().map(count).collect::<Vec<(String, usize, usize)>>()
    };
    let split = |name: &str, rows: usize, tokens: usize| (name.to_string(), rows, tokens);
    assert_eq!(counted("conll2000", "tag"), [split("train", 8936, 211_727), split("test", 2012, 47_377)]);
    assert_eq!(
        counted("ud-english-ewt", "pos"),
        [split("train", 12_544, 204_577), split("valid", 2001, 25_147), split("test", 2077, 25_094)]
    );
    assert_eq!(
        counted("ptb", "word"),
        [split("train", 42_068, 929_589), split("valid", 3370, 73_760), split("test", 3761, 82_430)]
    );
    assert_eq!(
        counted("jsb-chorales", "notes").iter().map(|(_, rows, steps)| (*rows, *steps)).collect::<Vec<_>>(),
        [(229, 13_807), (76, 4602), (77, 4725)]
    );
}

#[test]
fn the_other_large_sets_are_whole() {
    let Some(here) = large() else { return };
    let sizes = |name: &str| {
        let table = load(&named(name), &here).unwrap();
        assert_eq!(schema(&named(name), &here).unwrap().splits.len(), table.splits.len());
        (table.splits.iter().map(|(_, rows)| rows.len()).collect::<Vec<_>>(), table)
    };
    let (docs, table) = sizes("docs");
    assert_eq!((docs, table.rows), (vec![9603, 3299, 8676], 21_578));
    assert!(table.column("topics").unwrap().is_label());
    let (nltcs, table) = sizes("nltcs");
    assert_eq!((nltcs, table.column("x").unwrap().width()), (vec![16_181, 2157, 3236], 16));
    assert_eq!(sizes("digits8x8").0, [1437, 360, 1797]);
    let (spoken, table) = sizes("fsdd");
    assert_eq!((spoken, table.rows), (vec![2700, 300], 3000));
    assert_eq!(table.column("speaker").unwrap().labels.as_ref().map(Vec::len), Some(6));
    assert_eq!(load(&named("density"), &here).unwrap_err().code().number(), "E0717");
}
