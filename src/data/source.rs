//! Where data comes from, and how a name or a path in a program becomes a file on this machine.

use super::errors::DataError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A place that data comes from. File forms may also be gzip-compressed (`.gz`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A set known by its name, built in or found on disk.
    Dataset {
        /// The name.
        name: String,
    },
    /// Comma-separated values under a header line.
    Csv {
        /// The file.
        path: PathBuf,
    },
    /// Tab-separated values under a header line.
    Tsv {
        /// The file.
        path: PathBuf,
    },
    /// One NumPy array; its first axis counts the rows, its column is named `value`.
    Npy {
        /// The file.
        path: PathBuf,
    },
    /// Named NumPy arrays, a column each.
    Npz {
        /// The file.
        path: PathBuf,
    },
    /// One IDX array; its first axis counts the rows, its column is named `value`.
    Idx {
        /// The file.
        path: PathBuf,
    },
}

impl Source {
    /// The file source that the path's ending asks for (E0719 for an unknown ending).
    pub fn of_path(path: &Path) -> Result<Source, DataError> {
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        let path = path.to_path_buf();
        match stem.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "csv" => Ok(Source::Csv { path }),
            "tsv" => Ok(Source::Tsv { path }),
            "npy" => Ok(Source::Npy { path }),
            "npz" => Ok(Source::Npz { path }),
            "idx" => Ok(Source::Idx { path }),
            _ if stem.ends_with("-ubyte") => Ok(Source::Idx { path }),
            _ => Err(DataError::UnknownFormat { path }),
        }
    }
}

/// What decides where names and relative paths lead.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    /// `NAME=PATH` as given for this run; a relative path counts from the working directory.
    pub overrides: BTreeMap<String, PathBuf>,
    /// The folder that `GHM_DATA` names.
    pub root: Option<PathBuf>,
    /// The model file's folder: relative paths in a program count from here.
    pub base: PathBuf,
}

impl Locations {
    /// The path of a file named in a program.
    pub fn file(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The file or folder of a named set, or nothing where only a built-in copy can serve; looked-at places are noted in `looked`.
    pub(super) fn find(&self, name: &str, looked: &mut Vec<String>) -> Option<PathBuf> {
        match self.overrides.get(name) {
            Some(path) => {
                looked.push(format!("`{}`", path.display()));
                if path.exists() {
                    return Some(path.clone());
                }
            }
            None => looked.push(format!("`--data {name}=..` (not given)")),
        }
        match &self.root {
            // A name is a single folder below the root: `..` or `/` in it leads nowhere.
            Some(root) if Path::new(name).components().count() == 1 && !name.starts_with('.') => {
                let path = root.join(name);
                looked.push(format!("`{}`", path.display()));
                path.exists().then_some(path)
            }
            Some(_) => None,
            None => {
                looked.push("GHM_DATA (not set)".into());
                None
            }
        }
    }
}
