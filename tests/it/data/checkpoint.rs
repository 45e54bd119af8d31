//! Checkpoints: to the bit and back, and what is left after any damage.

use ghmc::train::checkpoint::{
    Buffer, Checkpoint, CheckpointError, Params, fingerprint, load_latest, load_params, save, save_params,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn state(step: u64) -> Checkpoint {
    let weights = (0..12).map(|i| (i as f32).sin() * step as f32).collect();
    Checkpoint {
        fingerprint: "run".into(),
        position: json!({ "stage": 1, "epoch": 3, "step": step, "best": 0.1 + 0.2 }),
        buffers: vec![
            ("W".into(), Buffer::F32 { shape: vec![3, 4], data: weights }),
            ("chain".into(), Buffer::F64 { shape: vec![2], data: vec![f64::MIN_POSITIVE, -0.0] }),
            ("A".into(), Buffer::F32 { shape: vec![0, 4], data: vec![] }),
        ],
    }
}

fn newest(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    files.filter(|path| path.extension().unwrap() == "safetensors").max().unwrap()
}

fn bits(buffer: &Buffer) -> Vec<u64> {
    match buffer {
        Buffer::F32 { data, .. } => data.iter().map(|v| u64::from(v.to_bits())).collect(),
        Buffer::F64 { data, .. } => data.iter().map(|v| v.to_bits()).collect(),
    }
}

proptest! {
    #[test]
    fn every_bit_comes_back(f32s in proptest::collection::vec(any::<u32>(), 0..30), f64s in proptest::collection::vec(any::<u64>(), 0..30), loss in any::<f64>()) {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = state(5);
        kept.position["loss"] = json!(loss);
        let singles: Vec<f32> = f32s.iter().map(|&b| f32::from_bits(b)).collect();
        let doubles: Vec<f64> = f64s.iter().map(|&b| f64::from_bits(b)).collect();
        kept.buffers.push(("z/first".into(), Buffer::F32 { shape: vec![singles.len()], data: singles }));
        kept.buffers.push(("b \"quoted\" é".into(), Buffer::F64 { shape: vec![1, doubles.len()], data: doubles }));
        save(dir.path(), &kept).unwrap();
        let back = load_latest(dir.path(), "run").unwrap().unwrap().checkpoint;
        prop_assert_eq!(&back.position, &kept.position, "floats in the position come back exactly");
        prop_assert_eq!(back.buffers.len(), kept.buffers.len());
        for ((name, buffer), (kept_name, kept_buffer)) in back.buffers.iter().zip(&kept.buffers) {
            prop_assert_eq!(name, kept_name);
            prop_assert_eq!(buffer.shape(), kept_buffer.shape());
            prop_assert_eq!(bits(buffer), bits(kept_buffer));
        }
    }
}

#[test]
fn two_generations_are_kept_and_the_newest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(load_latest(&dir.path().join("none"), "run").unwrap(), None);
    assert_eq!(load_latest(dir.path(), "run").unwrap(), None);
    for step in 1..=5 {
        assert_eq!(save(dir.path(), &state(step)).unwrap(), step);
        let back = load_latest(dir.path(), "run").unwrap().unwrap();
        assert_eq!((back.checkpoint, back.generation, back.skipped.len()), (state(step), step, 0));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    let bytes = || {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), &state(9)).unwrap();
        std::fs::read(newest(dir.path())).unwrap()
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn a_cut_newest_generation_falls_back() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &state(1)).unwrap();
    save(dir.path(), &state(2)).unwrap();
    let path = newest(dir.path());
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let back = load_latest(dir.path(), "run").unwrap().unwrap();
        assert_eq!((back.checkpoint, back.generation), (state(1), 1), "cut after {cut} bytes");
        assert_eq!(back.skipped.len(), 1);
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &state(1)).unwrap();
    save(dir.path(), &state(2)).unwrap();
    let path = newest(dir.path());
    let whole = std::fs::read(&path).unwrap();
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).unwrap();
        let back = load_latest(dir.path(), "run").unwrap().unwrap();
        // A flip within the blank padding of the header may change nothing at all.
        let harmless = back.generation == 2 && back.checkpoint == state(2);
        assert!(harmless || (back.generation == 1 && back.checkpoint == state(1)), "bit {bit}");
    }
}

#[test]
fn when_all_are_damaged_each_is_named() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &state(1)).unwrap();
    save(dir.path(), &state(2)).unwrap();
    for generation in ["00000001", "00000002"] {
        std::fs::write(dir.path().join(format!("{generation}.safetensors")), b"nothing").unwrap();
    }
    let error = load_latest(dir.path(), "run").unwrap_err();
    assert_eq!(error.code().number(), "E0903");
    let text = error.to_string();
    assert!(text.contains("00000001") && text.contains("00000002"), "{text}");
    // The next save goes on from there, and is found again.
    save(dir.path(), &state(3)).unwrap();
    assert_eq!(load_latest(dir.path(), "run").unwrap().unwrap().checkpoint, state(3));
}

#[test]
fn unfinished_and_foreign_files_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &state(1)).unwrap();
    let bytes = std::fs::read(newest(dir.path())).unwrap();
    for cut in [0, 10, bytes.len()] {
        std::fs::write(dir.path().join("next.tmp"), &bytes[..cut]).unwrap();
        std::fs::write(dir.path().join("notes.safetensors"), b"mine").unwrap();
        assert_eq!(load_latest(dir.path(), "run").unwrap().unwrap().generation, 1);
    }
    assert_eq!(save(dir.path(), &state(2)).unwrap(), 2);
    assert!(!dir.path().join("next.tmp").exists());
}

#[test]
fn another_run_and_another_version_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &state(1)).unwrap();
    assert_eq!(load_latest(dir.path(), "other").unwrap_err().code().number(), "E0906");
    // A later version, as it would be written: the same checksum rule over an entry that says 2.
    let whole = std::fs::read(newest(dir.path())).unwrap();
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&whole[8..8 + length]).unwrap();
    let stored = header["__metadata__"]["ghmc"].as_str().unwrap();
    let mut sealed: serde_json::Value = serde_json::from_str(stored).unwrap();
    let entry = sealed["entry"].as_str().unwrap().replace("\"version\":1", "\"version\":2");
    let mut parts = vec![entry.clone().into_bytes()];
    for (name, buffer) in state(1).buffers {
        let dtype = if matches!(buffer, Buffer::F32 { .. }) { "F32" } else { "F64" };
        parts.push(format!("{name} {dtype} {:?}", buffer.shape()).into_bytes());
    }
    for (_, buffer) in state(1).buffers {
        parts.push(match buffer {
            Buffer::F32 { data, .. } => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Buffer::F64 { data, .. } => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
    }
    sealed["digest"] = json!(fingerprint(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    sealed["entry"] = json!(entry);
    let later = sealed.to_string();
    let text = String::from_utf8(whole[8..8 + length].to_vec()).unwrap();
    let old = serde_json::to_string(stored).unwrap();
    assert!(text.contains(&old));
    let text = text.replace(&old, &serde_json::to_string(&later).unwrap());
    let file = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &whole[8 + length..]].concat();
    std::fs::write(newest(dir.path()), file).unwrap();
    let error = load_latest(dir.path(), "run").unwrap_err();
    assert!(matches!(error, CheckpointError::Version { found: 2, .. }), "{error}");
}

#[test]
fn a_failed_write_leaves_the_last_generation() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &state(1)).unwrap();
    // A directory in the way of the unfinished file stands for a disk that refuses.
    std::fs::create_dir(dir.path().join("next.tmp")).unwrap();
    let error = save(dir.path(), &state(2)).unwrap_err();
    assert_eq!(error.code().number(), "E0904");
    assert!(error.to_string().ends_with("generation 1 still stands, nothing before it is lost"), "{error}");
    assert_eq!(load_latest(dir.path(), "run").unwrap().unwrap().checkpoint, state(1));
}

#[test]
fn what_cannot_be_stored_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut twice = state(1);
    twice.buffers.push(("W".into(), Buffer::F32 { shape: vec![], data: vec![1.0] }));
    assert_eq!(save(dir.path(), &twice).unwrap_err().code().number(), "E0904");
    let mut short = state(1);
    short.buffers[0].1 = Buffer::F32 { shape: vec![5], data: vec![1.0] };
    assert_eq!(save(dir.path(), &short).unwrap_err().code().number(), "E0904");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn parameters_keep_their_texts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("params.safetensors");
    let texts =
        BTreeMap::from([("Digit".to_string(), "[\"0\",\"1\"]".to_string()), ("π".to_string(), "\n".to_string())]);
    let params = Params { buffers: state(4).buffers, texts };
    save_params(&path, &params).unwrap();
    assert_eq!(load_params(&path).unwrap(), params);
    let other = safetensors::SafeTensors::deserialize(&std::fs::read(&path).unwrap()).unwrap().len();
    assert_eq!(other, 3, "any reader of the format finds the buffers");
    std::fs::write(&path, b"nothing of the kind").unwrap();
    assert_eq!(load_params(&path).unwrap_err().code().number(), "E0903");
    assert_eq!(load_params(&dir.path().join("gone")).unwrap_err().code().number(), "E0901");
}

/// Named in the environment of the process that is to be killed: the directory it writes to.
const WRITER: &str = "GHMC_TEST_CHECKPOINT_WRITER";

#[test]
fn killed_at_any_moment() {
    let big = |step: u64| {
        let mut state = state(step);
        state.buffers.push(("big".into(), Buffer::F64 { shape: vec![20_000], data: vec![step as f64; 20_000] }));
        state
    };
    if let Some(dir) = std::env::var_os(WRITER) {
        for step in 1.. {
            save(Path::new(&dir), &big(step)).unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut newest = 0;
    for kill in 0..20 {
        let mut writer = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "data::checkpoint::killed_at_any_moment"])
            .env(WRITER, dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_micros(20_000 + 1_777 * kill));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let Some(back) = load_latest(dir.path(), "run").unwrap() else { continue };
        assert!(back.generation >= newest, "no finished generation is lost");
        assert_eq!(back.skipped, [], "a killed writer leaves nothing damaged behind");
        assert_eq!(back.checkpoint, big(back.checkpoint.position["step"].as_u64().unwrap()));
        newest = back.generation;
    }
    assert!(newest > 0, "no writer ever came to write");
}
