//! The directory that holds a run: made under a free name or where the caller says, and the places within it.

use super::errors::ReportError;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What to do about an older run in the directory of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupied {
    /// Leave it and refuse (E0907).
    Refuse,
    /// Remove its files, and only those, then begin.
    Replace,
}

/// A run's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

/// The files of a run.
const FILES: [&str; 6] =
    ["summary.json", "metrics.jsonl", "params.safetensors", "plan.txt", "report.html", "report.json"];

impl RunDir {
    /// Makes `<runs>/<name>-<n>` with the smallest n above all that are there.
    pub fn fresh(runs: &Path, name: &str) -> Result<RunDir, ReportError> {
        let failed = |path: &Path, source| ReportError::Write { path: path.to_path_buf(), source };
        fs::create_dir_all(runs).map_err(|source| failed(runs, source))?;
        let mut n = 1;
        for entry in fs::read_dir(runs).map_err(|source| failed(runs, source))? {
            let entry = entry.map_err(|source| failed(runs, source))?.file_name();
            let number = entry.to_str().and_then(|e| e.strip_prefix(name)?.strip_prefix('-')?.parse::<u64>().ok());
            n = n.max(number.map_or(1, |taken| taken.saturating_add(1)));
        }
        loop {
            let path = runs.join(format!("{name}-{n}"));
            match fs::create_dir(&path) {
                Ok(()) => return RunDir { path }.probed(),
                // Another run was quicker: the next number is free.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && n < u64::MAX => n += 1,
                Err(source) => return Err(failed(&path, source)),
            }
        }
    }

    /// Makes the directory that the caller named, with its parents.
    pub fn given(path: &Path, occupied: Occupied) -> Result<RunDir, ReportError> {
        let failed = |source| ReportError::Write { path: path.to_path_buf(), source };
        let dir = RunDir { path: path.into() };
        if dir.holds_run() {
            if occupied == Occupied::Refuse {
                return Err(ReportError::Occupied { path: path.into() });
            }
            for file in FILES.map(|name| path.join(name)).into_iter().filter(|file| file.exists()) {
                fs::remove_file(file).map_err(failed)?;
            }
            if dir.checkpoints().exists() {
                fs::remove_dir_all(dir.checkpoints()).map_err(failed)?;
            }
        }
        fs::create_dir_all(path).map_err(failed)?;
        dir.probed()
    }

    /// Opens the directory of a run that is to be gone on with (E0908 where it holds none).
    pub fn existing(path: &Path) -> Result<RunDir, ReportError> {
        let dir = RunDir { path: path.into() };
        if dir.holds_run() { dir.probed() } else { Err(ReportError::NoRun { path: path.into() }) }
    }

    /// Fails now rather than after an hour of work if nothing can be written there.
    fn probed(self) -> Result<RunDir, ReportError> {
        match tempfile::NamedTempFile::new_in(&self.path) {
            Ok(_) => Ok(self),
            Err(source) => Err(ReportError::Write { path: self.path, source }),
        }
    }

    fn holds_run(&self) -> bool {
        self.checkpoints().exists() || FILES.iter().any(|name| self.path.join(name).exists())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `summary.json`.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// `metrics.jsonl`.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// `params.safetensors`.
    pub fn params(&self) -> PathBuf {
        self.path.join("params.safetensors")
    }

    /// `checkpoint/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// `report.html`.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// `report.json`: what `report.html` shows, as data, so that a later run can be shown beside it.
    pub fn kept(&self) -> PathBuf {
        self.path.join("report.json")
    }

    /// Writes `plan.txt`.
    pub fn write_plan(&self, plan: &str) -> Result<(), ReportError> {
        super::write_whole(&self.path.join("plan.txt"), plan.as_bytes())
    }
}
