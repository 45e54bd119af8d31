//! What a hostile file may cost: it is refused, or handled, within seconds; memory grows with what is there and not with what is claimed; and
//! nothing is written but into the folder that was named. Bounds of time are generous: tests are built with little optimisation and share
//! their machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use ghmc::data::{DataError, Locations, Source, Table, load, schema};
use ghmc::pipeline::{Compiled, Settings};
use tempfile::TempDir;

use crate::cli::{Place, code, err};

/// Longer than this takes nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the whole pipeline says to a text, within its time.
fn told(name: &str, text: &str) -> String {
    let start = Instant::now();
    let told = match Compiled::of_text("hostile.ghm", text, Settings::default()) {
        Ok(_) => String::new(),
        Err(failed) => failed.to_string(),
    };
    let spent = start.elapsed();
    assert!(spent < PATIENCE, "{name} takes {spent:?}");
    assert!(told.len() < 200_000, "{name} floods the terminal with {} bytes", told.len());
    told
}

/// A statement a number.
fn many(n: usize, statement: impl Fn(usize) -> String) -> String {
    (0..n).map(statement).collect()
}

#[test]
fn huge_sizes_are_refused() {
    let model = |head: &str, body: &str| format!("{head}\nmodel m {{ {body} }}\n");
    for size in ["1e18", "1000000000000", "99999999999999999999999999", "1e999", "-1", "0.5"] {
        let text = model(&format!("axis H = {size}"), "x: Bool[H] ~ Bernoulli(0.5)");
        let told = told(size, &text);
        assert!(told.contains("E0109") || told.contains("E0101"), "{size}: {told}");
    }
    let wide = "axis A = 100000\naxis B = 100000\naxis C = 100000\nparam W: Real[A, B, C]";
    let told_of = told("a parameter", &(model(wide, "x: Real ~ Normal(sum(W), sd = 1)") + "query q = mean(x)"));
    assert!(told_of.contains("E0601"), "{told_of}");
    let table = "y: Bool ~ Bernoulli(table(a, b, c) { 1, 1, 1 -> 0.5 })";
    let states = "a: K ~ Categorical(uniform); b: K ~ Categorical(uniform); c: K ~ Categorical(uniform)";
    let told_of = told("a table", &model("axis K = 1000000", &format!("{states}; {table}")));
    assert!(told_of.contains("E0404"), "{told_of}");
    // A long chain is structure, not work, until it is run.
    let chain = "for t in T { x[t]: Bool ~ Bernoulli(if t is first then 0.5 else if x[t-1] then 0.1 else 0.2) }";
    told("a loop", &model("axis T = 1000000000", chain));
    let nested = "for a in A { for b in B { for c in C { x[a, b, c]: Bool ~ Bernoulli(0.5) } } }";
    told("loops", &model("axis A = 1000000; axis B = 1000000; axis C = 1000000", nested));
}

#[test]
fn long_files_are_read_in_time() {
    let long = "m".repeat(1_000_000);
    assert!(
        told("a long name", &format!("model {long} {{ x: Bool ~ Bernoulli(0.5) }}\nquery q = P(x) of n"))
            .contains("E0201")
    );
    assert!(told("a long number", &format!("axis K = {}", "1".repeat(1_000_000))).contains("E0109"));
    assert!(told("a long word", &"a".repeat(3_000_000)).contains("E0104"));
    assert!(told("a long text", &format!("data d = csv(\"{}", "x".repeat(3_000_000))).contains("E0103"));
    assert!(told("ten million bytes in a line", &"x".repeat(10_000_000)).contains("E0108"));
    told("labels", &format!("axis K = {}", many(100_000, |i| format!("l{i}, ")) + "last"));
    told("labels twice", &format!("axis K = {}", many(100_000, |i| format!("l{}, ", i / 2)) + "last"));
    let body = many(20_000, |i| format!("x{i}: Bool ~ Bernoulli(0.5);"));
    told("statements in a line", &format!("model m {{ {body} }}"));
    let body = many(20_000, |i| format!("x{i}: Bool ~ Bernoulli(y{i});"));
    assert!(told("unknown names", &format!("model m {{ {body} }}")).contains("E0201"));
    assert!(told("items that are none", &many(100_000, |i| format!("x{i} = 3\n"))).contains("E0104"));
    assert!(told("open brackets", &"([{".repeat(300_000)).contains("E010"));
    assert!(told("closed brackets", &")]}".repeat(300_000)).contains("E0102"));
    assert!(told("quotes", &"\"".repeat(1_000_001)).contains("E01"));
    told("axes", &many(20_000, |i| format!("axis A{i} = A{}\n", i + 1)));
    told("models", &many(5_000, |i| format!("model m{i} {{ x: Bool ~ Bernoulli(0.5) }}\nquery q{i} = P(x) of m{i}\n")));
    let chain = many(5_000, |i| format!("  x{}: Bool ~ Bernoulli(if x{i} then 0.2 else 0.7)\n", i + 1));
    let question = "query q = P(x5000 | x0 = yes)\n";
    told("a chain", &format!("model m {{\n  x0: Bool ~ Bernoulli(0.5)\n{chain}}}\n{question}"));
    let chain = many(3_000, |i| format!("  a{}: Real = a{i} + 1\n", i + 1));
    told("definitions", &format!("model m {{\n  a0: Real ~ Normal(0, sd = 1)\n{chain}}}\n"));
}

#[test]
fn what_grows_by_doubling_is_bounded() {
    let chain = many(60, |i| format!("  a{}: Real = a{i} * a{i}\n", i + 1));
    let text = format!("model m {{\n  a0: Real ~ Normal(0, sd = 1)\n{chain}  x: Real ~ Normal(a60, sd = 1)\n}}\n");
    assert!(told("definitions", &text).contains("E0107"));
    let mut text = "model m0(v: Bool) { factor v }\n".to_string();
    for i in 0..40 {
        let _ = writeln!(text, "model m{}(v: Bool) {{ factor m{i}(v = v); factor m{i}(v = v) }}", i + 1);
    }
    text += "model m { var x: Bool; factor m40(v = x) }\n";
    assert!(told("sub-models", &text).contains("E0107"));
}

fn packed(write: impl Fn(&mut dyn std::io::Write)) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    write(&mut out);
    out.finish().expect("memory takes everything")
}

/// What loading and looking at a file of these bytes gives, within its time.
fn read(source: Source, bytes: &[u8]) -> Result<Table, DataError> {
    let dir = TempDir::new().expect("a folder");
    let places = Locations { base: dir.path().into(), ..Locations::default() };
    let path = source_path(&source);
    std::fs::write(dir.path().join(path), bytes).expect("a file");
    let start = Instant::now();
    let _ = schema(&source, &places);
    let table = load(&source, &places);
    assert!(start.elapsed() < PATIENCE, "{source:?} takes {:?}", start.elapsed());
    table
}

fn source_path(source: &Source) -> &Path {
    match source {
        Source::Csv { path } | Source::Tsv { path } | Source::Npy { path } | Source::Npz { path } => path,
        Source::Idx { path } | Source::Text { path } | Source::Jsonl { path } | Source::Wav { path } => path,
        Source::Columns { path, .. } => path,
        Source::Dataset { .. } => Path::new("none"),
    }
}

fn readers() -> Vec<fn(PathBuf) -> Source> {
    vec![
        |path| Source::Csv { path },
        |path| Source::Tsv { path },
        |path| Source::Columns { path, names: Vec::new() },
        |path| Source::Text { path },
        |path| Source::Jsonl { path },
        |path| Source::Npy { path },
        |path| Source::Npz { path },
        |path| Source::Idx { path },
    ]
}

#[test]
fn packed_files_do_not_unpack_without_end() {
    let line = "1 1\n".repeat(1 << 16);
    let rows = packed(|out| (0..600).for_each(|_| out.write_all(line.as_bytes()).expect("memory")));
    let zeros = packed(|out| (0..600).for_each(|_| out.write_all(&[0; 1 << 18]).expect("memory")));
    assert!(rows.len() < 1 << 20 && zeros.len() < 1 << 20, "{} and {} bytes", rows.len(), zeros.len());
    for source in readers() {
        let source = source("bomb.gz".into());
        let arrays = matches!(source, Source::Npy { .. } | Source::Npz { .. } | Source::Idx { .. });
        let error = read(source.clone(), if arrays { &zeros } else { &rows }).expect_err("refused");
        assert!(error.code().number().starts_with("E07"), "{source:?}: {error}");
    }
    let error = read(Source::Columns { path: "b.gz".into(), names: Vec::new() }, &rows).expect_err("refused");
    assert!(error.to_string().contains("unpacks to more than"), "{error}");
}

#[test]
fn what_a_header_claims_takes_no_memory() {
    let npy = |shape: &str| {
        let head = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(head.len() as u16).to_le_bytes()[..], head.as_bytes(), &[0; 64]].concat()
    };
    for shape in [
        "(1152921504606846976,)",
        "(4294967296, 4294967296, 4294967296)",
        "(8, 1099511627776)",
        "(18446744073709551616,)",
    ] {
        let error = read(Source::Npy { path: "a.npy".into() }, &npy(shape)).expect_err("refused");
        assert!(matches!(error.code().number(), "E0715" | "E0720"), "{shape}: {error}");
    }
    for dims in [1u8, 3, 200] {
        let mut idx = vec![0, 0, 0x0e, dims];
        (0..dims).for_each(|_| idx.extend(u32::MAX.to_be_bytes()));
        let error = read(Source::Idx { path: "a.idx".into() }, &idx).expect_err("refused");
        assert!(matches!(error.code().number(), "E0715" | "E0720"), "{dims}: {error}");
    }
    // A program that binds such an array is told before anything is taken.
    let place = Place::new();
    std::fs::write(place.path("a.npy"), npy("(8, 1099511627776)")).expect("a file");
    place.write("m.ghm", "data d = npy(\"a.npy\") { x: Real[K] = value }\nmodel m { x: Real[K] ~ Normal(0, sd = 1) }\nevaluate e = loglik on d\n");
    let output = place.run(&["run", "m.ghm", "--out", "r"]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(err(&output).contains("E0"), "{}", err(&output));
}

#[test]
fn lines_and_lists_are_bounded() {
    let long = "x".repeat(10_000_000);
    for source in readers() {
        let error = read(source("t".into()), long.as_bytes()).expect_err("refused");
        assert!(error.code().number().starts_with("E07"), "{error}");
    }
    // A row that leaves out a list costs a few bytes and stands for the whole list.
    let list = format!("{{\"x\": [{}1]}}\n", "0, ".repeat(1 << 20));
    let error =
        read(Source::Jsonl { path: "t".into() }, (list + &"{}\n".repeat(100_000)).as_bytes()).expect_err("refused");
    assert!(error.to_string().contains("leaves out `x`"), "{error}");
    let deep = format!("{{\"x\": {}1{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    read(Source::Jsonl { path: "t".into() }, deep.as_bytes()).expect_err("refused");
    let keys: String = (0..50_000).map(|i| format!("\"k{i}\": 1, ")).collect();
    read(Source::Jsonl { path: "t".into() }, format!("{{{keys}\"k\": 1}}\n").as_bytes()).expect_err("refused");
    let names: String = (0..200_000).map(|i| format!("c{i},")).collect();
    read(Source::Csv { path: "t".into() }, format!("{names}c\n{}1\n", "1,".repeat(200_000)).as_bytes())
        .expect_err("refused");
}

/// Every path below a folder.
fn tree(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        into.push(entry.path());
        if entry.path().is_dir() {
            tree(&entry.path(), into);
        }
    }
}

#[test]
fn nothing_is_written_outside_the_folder_that_was_named() {
    for name in ["../x", "../../x", "/tmp/x", "a/b", "..", "\"../x\"", "a\\b", "~/x", "$HOME"] {
        for item in ["model NAME { x: Bool ~ Bernoulli(0.5) }", "query NAME = P(x)", "axis NAME = 3", "report NAME"] {
            let told = told(name, &item.replace("NAME", name));
            assert!(told.contains("E01"), "`{name}` is a name in {item}: {told}");
        }
    }
    let place = Place::new();
    std::fs::create_dir(place.path("own")).expect("a folder");
    place.write(
        "own/m.ghm",
        "data d = sample(truth, 8, seed = 1)
model truth { x: Bool ~ Bernoulli(0.3) }
model m {
  param p: Unit
  x: Bool ~ Bernoulli(p)
}
train m on d
evaluate fit = loglik of m on d
sample draws = P(x) of m times 3
query q = P(x) of m
",
    );
    let output = place.run(&["run", "own/m.ghm", "--out", "own/here", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let mut all = Vec::new();
    tree(&place.path("."), &mut all);
    let allowed = [place.path("./own/here"), place.path("./own/m.ghm")];
    let outside: Vec<_> =
        all.iter().filter(|p| **p != place.path("./own") && !allowed.iter().any(|a| p.starts_with(a))).collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert!(all.len() > 4, "the run wrote {all:?}");
    // A question, a check and an explanation write nothing at all.
    for args in [
        &["check", "own/m.ghm"][..],
        &["explain", "own/m.ghm"],
        &["query", "own/m.ghm", "P(x) of truth"],
        &["fmt", "--check", "own/m.ghm"],
    ] {
        place.run(args);
    }
    let mut after = Vec::new();
    tree(&place.path("."), &mut after);
    assert_eq!(all.len(), after.len());
}
