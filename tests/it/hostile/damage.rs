//! Data, checkpoints and parameters that are cut short or changed by a bit: they are refused, or hold what they held.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use ghmc::base::stream::Stream;
use ghmc::data::{Locations, Source, load};
use ghmc::train::checkpoint::{Buffer, Checkpoint, Params, load_latest, load_params, save, save_params};
use serde_json::json;
use tempfile::TempDir;

use crate::house::{files, relative, root};
use crate::regressions::readers;

/// Damaged copies of each file of data.
const COPIES: u32 = 60;

#[test]
fn damaged_data_load_or_are_refused() {
    let mut failing = Vec::new();
    let mut seen = 0;
    for (number, path) in files(&root().join("fuzz/regressions/readers")).iter().enumerate() {
        let whole = fs::read(path).expect("a readable input");
        for copy in 0..COPIES {
            let mut random = Stream::new(4, number as u32, 0, copy);
            let mut place = |n: usize| random.below(n.max(1) as u32) as usize;
            // The first byte chooses the reader and is left alone.
            let mut bytes = whole.clone();
            match copy % 3 {
                0 => bytes.truncate(1 + place(whole.len() - 1)),
                1 if bytes.len() > 1 => bytes[1 + place(whole.len() - 1)] ^= 1 << place(8),
                _ => {
                    let (from, to) = (1 + place(whole.len() - 1), 1 + place(whole.len() - 1));
                    bytes.drain(from.min(to)..from.max(to));
                }
            }
            seen += 1;
            if catch_unwind(|| readers::check(&bytes)).is_err() {
                failing.push(format!("{} copy {copy}: {bytes:?}", relative(path)));
            }
        }
    }
    assert!(seen > 1000, "{seen} copies");
    assert!(failing.is_empty(), "{} of {seen} fail:\n{}", failing.len(), failing.join("\n"));
}

#[test]
fn arrays_and_packed_files_cut_short_are_refused() {
    let dir = TempDir::new().expect("a folder");
    let places = Locations { base: dir.path().into(), ..Locations::default() };
    let kept = root().join("fuzz/regressions/readers");
    let npy = |path| Source::Npy { path };
    type Case = (&'static str, fn(PathBuf) -> Source);
    let cases: [Case; 7] = [
        ("array_f8", npy),
        ("array_big_endian", npy),
        ("array_text", npy),
        ("archive", |path| Source::Npz { path }),
        ("idx_bytes", |path| Source::Idx { path }),
        ("idx_floats", |path| Source::Idx { path }),
        ("objects_gz", |path| Source::Jsonl { path }),
    ];
    for (name, source) in cases {
        let whole = fs::read(kept.join(name)).expect("a readable input").split_off(1);
        let read = |bytes: &[u8]| {
            fs::write(dir.path().join("t"), bytes).expect("a file");
            load(&source("t".into()), &places)
        };
        assert!(read(&whole).is_ok(), "{name} itself is refused");
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{name}: its first {cut} bytes of {} load", whole.len());
        }
    }
}

fn checkpoint() -> Checkpoint {
    let w = Buffer::F32 { shape: vec![2, 3], data: vec![1.0, -0.0, f32::NAN, 4.0, 5.5, 6.0] };
    let v = Buffer::F64 { shape: vec![2], data: vec![0.1, f64::INFINITY] };
    let position = json!({ "stage": 1, "epoch": 3 });
    Checkpoint { fingerprint: "run".into(), position, buffers: vec![("w".into(), w), ("v".into(), v)] }
}

/// Buffers as text: a NaN equals itself.
fn shown(buffers: &[(String, Buffer)]) -> String {
    format!("{buffers:?}")
}

/// Each prefix of a file, and each with one bit changed.
fn damaged(whole: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    let cuts = (0..whole.len()).map(|cut| (format!("cut to {cut} bytes"), whole[..cut].to_vec()));
    let flips = (0..whole.len() * 8).map(|bit| {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {} of byte {}", bit % 8, bit / 8), bytes)
    });
    cuts.chain(flips)
}

#[test]
fn a_damaged_checkpoint_is_refused_or_passed_over() {
    let dir = TempDir::new().expect("a folder");
    let first = checkpoint();
    save(dir.path(), &first).expect("a checkpoint");
    let path = dir.path().join("00000001.safetensors");
    let whole = fs::read(&path).expect("it is there");
    let (mut seen, mut same) = (0, 0);
    for (how, bytes) in damaged(&whole) {
        fs::write(&path, &bytes).expect("a file");
        seen += 1;
        match load_latest(dir.path(), "run") {
            Err(_) => {}
            Ok(None) => panic!("{how}: passed over without a word"),
            Ok(Some(found)) => {
                same += 1;
                assert!(!how.starts_with("cut"), "{how}: it loads");
                assert_eq!(shown(&found.checkpoint.buffers), shown(&first.buffers), "{how}");
                assert_eq!(found.checkpoint.position, first.position, "{how}");
            }
        }
    }
    assert!(seen > 1000 && same * 20 < seen, "{same} of {seen} load");
    // With an older one beside it, the damaged one is passed over and named.
    fs::write(&path, &whole).expect("a file");
    save(dir.path(), &first).expect("a second one");
    let second = dir.path().join("00000002.safetensors");
    let bytes = fs::read(&second).expect("it is there");
    fs::write(&second, &bytes[..bytes.len() / 2]).expect("a file");
    let found = load_latest(dir.path(), "run").expect("the older one stands").expect("it is there");
    assert_eq!((found.generation, found.skipped.len()), (1, 1));
    assert_eq!(shown(&found.checkpoint.buffers), shown(&first.buffers));
}

#[test]
fn damaged_parameters_are_refused() {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("params.safetensors");
    let Checkpoint { buffers, .. } = checkpoint();
    let params = Params { buffers, texts: [("axis K".to_string(), "[\"a\",\"b\"]".to_string())].into() };
    save_params(&path, &params).expect("a file");
    let whole = fs::read(&path).expect("it is there");
    let mut same = 0;
    for (how, bytes) in damaged(&whole) {
        fs::write(&path, &bytes).expect("a file");
        if let Ok(found) = load_params(&path) {
            same += 1;
            assert!(!how.starts_with("cut"), "{how}: it loads");
            assert_eq!((shown(&found.buffers), found.texts), (shown(&params.buffers), params.texts.clone()), "{how}");
        }
    }
    assert!(same * 20 < whole.len() * 9, "{same} load");
}
