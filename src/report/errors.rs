//! What can go wrong while results are written: one closed list, each entry with a code and a mend.

use std::path::PathBuf;

use crate::diag::Code;

/// A report or a run directory could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// E0904: a file could not be written.
    #[error("`{}` cannot be written: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// E0907: the directory of a new run holds an older one.
    #[error("`{}` already holds a run", .path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// E0908: there is no run to go on with.
    #[error("`{}` holds no run to go on with", .path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
    },
    /// E0908: there is no finished run to compare with.
    #[error("`{}` holds no finished run: {why}", .path.display())]
    NotFinished {
        /// The directory.
        path: PathBuf,
        /// What is missing or wrong there.
        why: String,
    },
    /// E0909: an image's numbers do not fill its frame.
    #[error("image {index} of `{title}` has {found} values where {height} by {width} are drawn")]
    ImageSize {
        /// The grid's title.
        title: String,
        /// The image, from 1.
        index: usize,
        /// Its values.
        found: usize,
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
}

impl ReportError {
    /// The error's stable code.
    pub fn code(&self) -> Code {
        match self {
            ReportError::Write { .. } => Code::CannotWrite,
            ReportError::Occupied { .. } => Code::Occupied,
            ReportError::NoRun { .. } | ReportError::NotFinished { .. } => Code::NoRun,
            ReportError::ImageSize { .. } => Code::ImageSize,
        }
    }

    /// One sentence on how to mend it.
    pub fn help(&self) -> &'static str {
        match self {
            ReportError::Write { .. } => {
                "Free space on the disk, allow writing there, or name another directory with `--out`."
            }
            ReportError::Occupied { .. } => "Go on with it by `--resume`, or name another directory with `--out`.",
            ReportError::NoRun { .. } => "Name the run's directory with `--out`, or start without `--resume`.",
            ReportError::NotFinished { .. } => {
                "Name the directory that an earlier `ghmc run` has written its report to, such as `runs/MODEL-1`."
            }
            ReportError::ImageSize { .. } => "Give the height and width that the image has.",
        }
    }
}
