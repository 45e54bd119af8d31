//! `metrics.jsonl`: a line a logged step, each line a JSON object. A resumed run cuts off what lies beyond the point it resumes
//! from (and a line that a killed run left half written), then goes on below.

use super::errors::ReportError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// One logged step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricLine {
    /// Steps done in the whole run when it was logged: ascending from line to line.
    pub at: u64,
    /// The stage's name.
    pub stage: String,
    /// Epoch within the stage.
    pub epoch: u64,
    /// Step within the stage.
    pub step: u64,
    /// The metrics by name. One that is not finite is written as `null`.
    pub values: BTreeMap<String, Option<f64>>,
}

/// The open file.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Begins a new file in the place of any old one.
    pub fn create(path: &Path) -> Result<Metrics, ReportError> {
        let file = File::create(path).map_err(|source| ReportError::Write { path: path.into(), source })?;
        Ok(Metrics { path: path.into(), file })
    }

    /// Goes on with a file: keeps its whole lines up to `at` and cuts off the rest. A missing file is begun.
    pub fn resume(path: &Path, at: u64) -> Result<Metrics, ReportError> {
        let failed = |source| ReportError::Write { path: path.to_path_buf(), source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut reader = BufReader::new(&file);
        let mut kept = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(failed)?;
            let parsed = serde_json::from_slice::<MetricLine>(&line);
            if !line.ends_with(b"\n") || !parsed.is_ok_and(|parsed| parsed.at <= at) {
                break;
            }
            kept += length as u64;
        }
        file.set_len(kept).map_err(failed)?;
        Ok(Metrics { path: path.into(), file })
    }

    /// Appends a line in one write.
    pub fn log(&mut self, line: &MetricLine) -> Result<(), ReportError> {
        let failed = |source| ReportError::Write { path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec(line).map_err(|e| failed(e.into()))?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(failed)
    }

    /// Flushes to the device: called with each checkpoint, so that no line before it can be missing.
    pub fn sync(&self) -> Result<(), ReportError> {
        self.file.sync_data().map_err(|source| ReportError::Write { path: self.path.clone(), source })
    }
}
