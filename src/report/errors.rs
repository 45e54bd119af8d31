//! What can go wrong while results are written: one closed list, each entry with a code and a mend.

use std::path::PathBuf;

/// A report or a run directory could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// E0911: a file could not be written.
    #[error("`{}` cannot be written: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// E0912: the directory of a new run holds an older one.
    #[error("`{}` already holds a run", .path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// E0913: there is no run to go on with.
    #[error("`{}` holds no run to go on with", .path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
    },
    /// E0914: an image's numbers do not fill its frame.
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
    pub fn code(&self) -> &'static str {
        match self {
            ReportError::Write { .. } => "E0911",
            ReportError::Occupied { .. } => "E0912",
            ReportError::NoRun { .. } => "E0913",
            ReportError::ImageSize { .. } => "E0914",
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
            ReportError::ImageSize { .. } => "Give the height and width that the image has.",
        }
    }
}
