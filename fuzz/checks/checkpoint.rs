//! What must hold of any bytes found where a checkpoint or a parameter file should be: they load or are refused with a
//! reason, never a panic; and what loads is saved and loaded again to the same bits.
//!
//! A checksum guards the files, so random bytes seldom get past it. Bytes that begin with `S` therefore become an entry (up
//! to the first zero byte) and a buffer (the rest) under a checksum that is right.

use ghmc::train::checkpoint::{Buffer, Checkpoint, Params, fingerprint, load_latest, load_params, save, save_params};
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::HashMap;
use std::fs;

/// Panics where loading breaks a promise on these bytes.
pub fn check(bytes: &[u8]) {
    match bytes.strip_prefix(b"S") {
        None => load(bytes),
        Some(rest) => {
            let cut = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
            if let Some(file) = std::str::from_utf8(&rest[..cut]).ok().and_then(|entry| sealed(entry, &rest[cut..])) {
                load(&file);
            }
        }
    }
}

/// A file with a right checksum over this entry and these numbers, the one buffer `w`.
fn sealed(entry: &str, body: &[u8]) -> Option<Vec<u8>> {
    let body = &body[..body.len() / 4 * 4];
    let shape = vec![body.len() / 4];
    let header = format!("w {:?} {shape:?}", Dtype::F32);
    let digest = fingerprint(&[entry.as_bytes(), header.as_bytes(), body]);
    let text = serde_json::json!({ "digest": digest, "entry": entry }).to_string();
    let view = TensorView::new(Dtype::F32, shape, body).ok()?;
    serialize(vec![("w", view)], Some(HashMap::from([("ghmc".to_string(), text)]))).ok()
}

fn load(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let path = dir.path().join("00000001.safetensors");
    fs::write(&path, bytes).expect("a scratch file");
    match load_latest(dir.path(), "") {
        Ok(found) => {
            let state = found.expect("a generation that is passed over makes an error").checkpoint;
            save(dir.path(), &state).expect("what was loaded can be saved");
            let again = load_latest(dir.path(), "").expect("what was saved loads").expect("it is there").checkpoint;
            let Checkpoint { fingerprint, position, buffers } = again;
            assert_eq!((fingerprint, position), (state.fingerprint, state.position));
            assert_eq!(bits(&buffers), bits(&state.buffers));
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.help().is_empty()),
    }
    match load_params(&path) {
        Ok(params) => {
            let copy = dir.path().join("params.safetensors");
            save_params(&copy, &params).expect("what was loaded can be saved");
            let Params { buffers, texts } = load_params(&copy).expect("what was saved loads");
            assert_eq!((bits(&buffers), texts), (bits(&params.buffers), params.texts));
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.help().is_empty()),
    }
}

/// Buffers by name, their numbers as bits: a NaN equals itself.
fn bits(buffers: &[(String, Buffer)]) -> Vec<(&str, &[usize], Vec<u64>)> {
    let of = |buffer: &Buffer| match buffer {
        Buffer::F32 { data, .. } => data.iter().map(|x| u64::from(x.to_bits())).collect(),
        Buffer::F64 { data, .. } => data.iter().map(|x| x.to_bits()).collect(),
    };
    buffers.iter().map(|(name, buffer)| (name.as_str(), buffer.shape(), of(buffer))).collect()
}
