//! Checkpoints that survive being killed at any instant, and the parameter files that a finished run leaves behind.
//!
//! A checkpoint directory holds generations, `00000007.safetensors` and the one before it. A new one is written beside them
//! under another name, flushed to the device, renamed, and only then is the oldest removed: at every instant at least one
//! whole generation stands. Each file is in the safetensors format, whose single metadata entry carries the version, the
//! fingerprint of the run, the position in it, and a SHA-256 over all of these and every buffer. What was written comes back to the bit.

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::diag::Code;

/// The version written, and the only one read.
pub const VERSION: u32 = 1;

/// The metadata entry that holds everything besides the buffers.
const ENTRY: &str = "ghmc";
/// A generation while it is being written. A killed run may leave it; it is never read.
const UNFINISHED: &str = "next.tmp";
/// How many generations are kept.
const KEPT: usize = 2;

/// The file whose lock says that a process is at work in the directory; it stays, and the system forgets the lock with the process.
const LOCK: &str = "lock";

/// Numbers with a shape, row-major, kept to the bit (NaN payloads and the sign of zero included).
#[derive(Clone, Debug, PartialEq)]
pub enum Buffer {
    /// Single precision.
    F32 {
        /// Extents, outermost first; their product is the length of `data`.
        shape: Vec<usize>,
        /// The numbers.
        data: Vec<f32>,
    },
    /// Double precision.
    F64 {
        /// Extents, outermost first; their product is the length of `data`.
        shape: Vec<usize>,
        /// The numbers.
        data: Vec<f64>,
    },
}

impl Buffer {
    /// Its extents.
    pub fn shape(&self) -> &[usize] {
        match self {
            Buffer::F32 { shape, .. } | Buffer::F64 { shape, .. } => shape,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Buffer::F32 { data, .. } => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Buffer::F64 { data, .. } => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    fn of(view: &TensorView) -> Result<Buffer, String> {
        let (shape, bytes) = (view.shape().to_vec(), view.data());
        match view.dtype() {
            Dtype::F32 => {
                let data = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
                Ok(Buffer::F32 { shape, data })
            }
            Dtype::F64 => {
                let data = bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
                Ok(Buffer::F64 { shape, data })
            }
            other => Err(format!("a buffer has the element type {other:?}")),
        }
    }
}

/// The whole state of a run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What the run is of: a hash over program, data, seed and options. A checkpoint of another run is refused.
    pub fingerprint: String,
    /// Where the run stands (stage, epoch, step, ..). Numbers that must come back to the bit and may be infinite or NaN belong in `buffers`.
    pub position: serde_json::Value,
    /// Everything numerical, by name, in the caller's order; no name twice.
    pub buffers: Vec<(String, Buffer)>,
}

/// A checkpoint read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The state.
    pub checkpoint: Checkpoint,
    /// Its number.
    pub generation: u64,
    /// Newer generations that were damaged, and how: worth a warning.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Why a checkpoint or a parameter file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// E0904: it could not be written; older generations are untouched.
    #[error("`{}` cannot be written: {source}; {}", .path.display(), standing(.stands))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
        /// The newest generation that stands.
        stands: Option<u64>,
    },
    /// E0901: a file or the directory could not be read.
    #[error("`{}` cannot be read: {source}", .path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// E0903: no generation is whole.
    #[error("no checkpoint in `{}` is whole: {}", .dir.display(), .damaged.join("; "))]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// Each file and what is wrong with it.
        damaged: Vec<String>,
    },
    /// E0902: written by another version.
    #[error("`{}` is of version {found}; this program reads version {VERSION}", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// E0910: another process is at work there.
    #[error("another process is at work in `{}`{}", .dir.display(), holder(.process))]
    Busy {
        /// The directory.
        dir: PathBuf,
        /// The process's number, where it is told.
        process: Option<u32>,
    },
    /// E0906: the checkpoint of another run.
    #[error("`{}` belongs to another run: the program, its data, the seed or an option has changed since", .path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
    },
    /// E0904: the state cannot be stored as it is.
    #[error("the state cannot be stored: {detail}")]
    Unstorable {
        /// What stands against it.
        detail: String,
    },
    /// E0903: a parameter file is damaged or of another kind.
    #[error("`{}` holds no parameters that can be read: {detail}", .path.display())]
    Parameters {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

fn holder(process: &Option<u32>) -> String {
    process.map(|number| format!(": process {number}")).unwrap_or_default()
}

fn standing(stands: &Option<u64>) -> String {
    match stands {
        Some(generation) => format!("generation {generation} still stands, nothing before it is lost"),
        None => "no earlier one was touched".into(),
    }
}

impl CheckpointError {
    /// The error's stable code.
    pub fn code(&self) -> Code {
        match self {
            CheckpointError::Write { .. } => Code::CannotWrite,
            CheckpointError::Read { .. } => Code::MissingFile,
            CheckpointError::Damaged { .. } => Code::CorruptFile,
            CheckpointError::Version { .. } => Code::WrongVersion,
            CheckpointError::OtherRun { .. } => Code::OtherRun,
            CheckpointError::Busy { .. } => Code::Busy,
            CheckpointError::Unstorable { .. } => Code::CannotWrite,
            CheckpointError::Parameters { .. } => Code::CorruptFile,
        }
    }

    /// One sentence on how to mend it.
    pub fn help(&self) -> &'static str {
        match self {
            CheckpointError::Write { .. } => {
                "Free space on the disk or allow writing there, then go on with `--resume`."
            }
            CheckpointError::Read { .. } => "Check that the run directory exists and may be read.",
            CheckpointError::Damaged { .. } => "Start the run anew into another directory with `--out`.",
            CheckpointError::Version { .. } => {
                "Resume it with the version of the program that wrote it, or start anew."
            }
            CheckpointError::OtherRun { .. } => {
                "Resume with the same file, data, seed and options, or start anew with another `--out`."
            }
            CheckpointError::Busy { .. } => "Wait until it is done, stop it, or name another directory with `--out`.",
            CheckpointError::Unstorable { .. } => {
                "Give every buffer a name of its own and as many numbers as its shape says."
            }
            CheckpointError::Parameters { .. } => {
                "Point `--params` at a run directory of a finished run, or train again."
            }
        }
    }
}

/// The metadata entry of a file. The hash is taken over the text as it stands, so that no version reads it otherwise than it was written.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// SHA-256, in hexadecimal, of `entry` and the buffers. How it is taken never changes with the version.
    digest: String,
    /// An [`Entry`] as JSON.
    entry: String,
}

/// What a file says besides its buffers.
#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    fingerprint: String,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    position: serde_json::Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    texts: BTreeMap<String, String>,
    /// Names of the buffers in the caller's order.
    order: Vec<String>,
}

/// A hash of byte strings, each kept apart from the next, in hexadecimal: what fingerprints are made with.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(entry: &str, buffers: &[(String, TensorView)]) -> String {
    let about = |(name, view): &(String, TensorView)| format!("{name} {:?} {:?}", view.dtype(), view.shape());
    let headers: Vec<String> = buffers.iter().map(about).collect();
    let texts = std::iter::once(entry).chain(headers.iter().map(String::as_str)).map(str::as_bytes);
    let parts: Vec<&[u8]> = texts.chain(buffers.iter().map(|(_, view)| view.data())).collect();
    fingerprint(&parts)
}

/// The bytes of a file holding these buffers under this entry.
fn encode(mut entry: Entry, buffers: &[(String, Buffer)]) -> Result<Vec<u8>, String> {
    let mut names = BTreeSet::new();
    for (name, buffer) in buffers {
        let (count, held) = match buffer {
            Buffer::F32 { shape, data } => (shape.iter().product::<usize>(), data.len()),
            Buffer::F64 { shape, data } => (shape.iter().product(), data.len()),
        };
        if count != held {
            return Err(format!("`{name}` of shape {:?} holds {held} numbers", buffer.shape()));
        }
        if !names.insert(name) {
            return Err(format!("two buffers are named `{name}`"));
        }
    }
    entry.order = buffers.iter().map(|(name, _)| name.clone()).collect();
    let raw: Vec<Vec<u8>> = buffers.iter().map(|(_, buffer)| buffer.bytes()).collect();
    let mut views = Vec::new();
    for ((name, buffer), bytes) in buffers.iter().zip(&raw) {
        let dtype = match buffer {
            Buffer::F32 { .. } => Dtype::F32,
            Buffer::F64 { .. } => Dtype::F64,
        };
        let view = TensorView::new(dtype, buffer.shape().to_vec(), bytes);
        views.push((name.clone(), view.map_err(|e| e.to_string())?));
    }
    let entry = serde_json::to_string(&entry).map_err(|e| e.to_string())?;
    let sealed = Sealed { digest: digest(&entry, &views), entry };
    let text = serde_json::to_string(&sealed).map_err(|e| e.to_string())?;
    serialize(views, Some(HashMap::from([(ENTRY.to_string(), text)]))).map_err(|e| e.to_string())
}

/// Entry and buffers of a file's bytes, the digest compared. The version is the caller's to judge.
fn decode(bytes: &[u8]) -> Result<(Entry, Vec<(String, Buffer)>), String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
    let text = text.ok_or_else(|| format!("it has no `{ENTRY}` entry"))?;
    let sealed: Sealed = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let entry: Entry = serde_json::from_str(&sealed.entry).map_err(|e| e.to_string())?;
    if entry.order.len() != tensors.len() {
        return Err("its list of buffers is not that of its body".into());
    }
    let mut views = Vec::new();
    for name in &entry.order {
        views.push((name.clone(), tensors.tensor(name).map_err(|e| e.to_string())?));
    }
    if digest(&sealed.entry, &views) != sealed.digest {
        return Err("its content does not match its checksum".into());
    }
    let mut buffers = Vec::new();
    for (name, view) in &views {
        buffers.push((name.clone(), Buffer::of(view)?));
    }
    Ok((entry, buffers))
}

/// Writes a file so that its name leads to the old bytes or to all of the new ones, whenever the machine stops.
fn replace(unfinished: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let write = || {
        let mut file = File::create(unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(unfinished, path)
    };
    write().inspect_err(|_| {
        // What is left of a failed attempt only takes up the space that was missing.
        let _ = fs::remove_file(unfinished);
    })?;
    // The new name is an entry of the directory, which has a flush of its own; some systems have no such thing.
    if let Some(Ok(dir)) = path.parent().map(File::open) {
        let _ = dir.sync_all();
    }
    Ok(())
}

fn generation_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{generation:08}.safetensors"))
}

/// Numbers of the finished generations, ascending.
fn generations(dir: &Path) -> Result<Vec<u64>, CheckpointError> {
    let failed = |source| CheckpointError::Read { path: dir.to_path_buf(), source };
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let number = name.strip_suffix(".safetensors").filter(|stem| stem.bytes().all(|b| b.is_ascii_digit()));
        found.extend(number.and_then(|stem| stem.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Sole use of a directory of checkpoints, for as long as this stands or the process lives.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// Takes a directory of checkpoints (made if need be) for this process. E0910 where another has it: also one that shares the
/// directory with this process and opened it on its own.
pub fn lock(dir: &Path) -> Result<Lock, CheckpointError> {
    let path = dir.join(LOCK);
    let failed = |source| CheckpointError::Write { path: path.clone(), source, stands: None };
    fs::create_dir_all(dir).map_err(failed)?;
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        // Where the file system knows no locks, runs are kept apart by nothing but their directories' names.
        Ok(()) | Err(TryLockError::Error(_)) => {}
        Err(TryLockError::WouldBlock) => {
            let process = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            return Err(CheckpointError::Busy { dir: dir.into(), process });
        }
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(Lock(file))
}

/// Writes the next generation into `dir` (made if need be) and answers its number; the newest two are kept.
pub fn save(dir: &Path, checkpoint: &Checkpoint) -> Result<u64, CheckpointError> {
    let entry = Entry {
        version: VERSION,
        fingerprint: checkpoint.fingerprint.clone(),
        position: checkpoint.position.clone(),
        texts: BTreeMap::new(),
        order: Vec::new(),
    };
    let bytes = encode(entry, &checkpoint.buffers).map_err(|detail| CheckpointError::Unstorable { detail })?;
    fs::create_dir_all(dir).map_err(|source| CheckpointError::Write { path: dir.into(), source, stands: None })?;
    let before = generations(dir)?;
    let stands = before.last().copied();
    let next = stands.map_or(1, |newest| newest + 1);
    let path = generation_path(dir, next);
    replace(&dir.join(UNFINISHED), &path, &bytes).map_err(|source| CheckpointError::Write {
        path: path.clone(),
        source,
        stands,
    })?;
    for &old in before.iter().rev().skip(KEPT - 1) {
        // One generation too many does no harm and goes with the next attempt.
        let _ = fs::remove_file(generation_path(dir, old));
    }
    Ok(next)
}

/// The newest whole generation of the run with this fingerprint; nothing where none was ever finished.
/// Damaged ones are passed over and named in the answer. E0903 where all are, E0902 and E0906 where the newest whole one is not ours to read.
pub fn load_latest(dir: &Path, fingerprint: &str) -> Result<Option<Loaded>, CheckpointError> {
    let mut skipped: Vec<(PathBuf, String)> = Vec::new();
    for &generation in generations(dir)?.iter().rev() {
        let path = generation_path(dir, generation);
        let (entry, buffers) = match fs::read(&path).map_err(|e| e.to_string()).and_then(|bytes| decode(&bytes)) {
            Ok(whole) => whole,
            Err(detail) => {
                skipped.push((path, detail));
                continue;
            }
        };
        if entry.version != VERSION {
            return Err(CheckpointError::Version { path, found: entry.version });
        }
        if entry.fingerprint != fingerprint {
            return Err(CheckpointError::OtherRun { path });
        }
        let checkpoint = Checkpoint { fingerprint: entry.fingerprint, position: entry.position, buffers };
        return Ok(Some(Loaded { checkpoint, generation, skipped }));
    }
    if skipped.is_empty() {
        return Ok(None);
    }
    let name = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let damaged = skipped.iter().map(|(path, detail)| format!("`{}`: {detail}", name(path))).collect();
    Err(CheckpointError::Damaged { dir: dir.into(), damaged })
}

/// The parameters of a trained run: buffers by name, and texts such as enumerations.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Params {
    /// The buffers.
    pub buffers: Vec<(String, Buffer)>,
    /// The texts by name.
    pub texts: BTreeMap<String, String>,
}

/// Writes a parameter file (`params.safetensors`), replacing an old one only by a whole new one.
pub fn save_params(path: &Path, params: &Params) -> Result<(), CheckpointError> {
    let entry = Entry {
        version: VERSION,
        fingerprint: String::new(),
        position: serde_json::Value::Null,
        texts: params.texts.clone(),
        order: Vec::new(),
    };
    let bytes = encode(entry, &params.buffers).map_err(|detail| CheckpointError::Unstorable { detail })?;
    replace(&path.with_extension("tmp"), path, &bytes).map_err(|source| CheckpointError::Write {
        path: path.into(),
        source,
        stands: None,
    })
}

/// Reads a parameter file back. E0903 where it is damaged, E0902 where another version wrote it.
pub fn load_params(path: &Path) -> Result<Params, CheckpointError> {
    let bytes = fs::read(path).map_err(|source| CheckpointError::Read { path: path.into(), source })?;
    let (entry, buffers) =
        decode(&bytes).map_err(|detail| CheckpointError::Parameters { path: path.into(), detail })?;
    if entry.version != VERSION {
        return Err(CheckpointError::Version { path: path.into(), found: entry.version });
    }
    Ok(Params { buffers, texts: entry.texts })
}
