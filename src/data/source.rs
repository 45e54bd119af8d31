//! Where data comes from, and how a name or a path in a program becomes a file on this machine.

use super::errors::DataError;
use super::files::Format;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A place that data comes from. File forms may also be gzip-compressed (`.gz`), or a folder with a file a split.
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
    /// One token a line, a blank line between rows: a ragged column for each name, in the file's order.
    Columns {
        /// The file.
        path: PathBuf,
        /// The columns' names; `column1`, `column2`, .. where there are none.
        names: Vec<String>,
    },
    /// One row a line: one ragged column `word`, closed by `<eos>`.
    Text {
        /// The file.
        path: PathBuf,
    },
    /// One JSON object a line, a column a key.
    Jsonl {
        /// The file.
        path: PathBuf,
    },
    /// Recordings: their energies in mel bands are the ragged column `mel`, their names' first two words `label` and `speaker`.
    Wav {
        /// The file, an archive of them or a folder.
        path: PathBuf,
    },
}

impl Source {
    /// The file source that the path's ending asks for (E0719 for an unknown ending).
    pub fn of_path(path: &Path) -> Result<Source, DataError> {
        let unknown = DataError::UnknownFormat { path: path.to_path_buf() };
        let path = path.to_path_buf();
        match Format::of_path(&path)? {
            Format::Table(b'\t') => Ok(Source::Tsv { path }),
            Format::Table(_) => Ok(Source::Csv { path }),
            Format::Npy => Ok(Source::Npy { path }),
            Format::Npz => Ok(Source::Npz { path }),
            Format::Idx => Ok(Source::Idx { path }),
            Format::Json => Ok(Source::Jsonl { path }),
            Format::Text | Format::Columns(_) | Format::Universal | Format::Bare => Err(unknown),
        }
    }

    /// The file or folder, and how it is read; none for a set known by its name and for what is not read yet.
    pub(super) fn file(&self) -> Option<(&Path, Format)> {
        match self {
            Source::Dataset { .. } | Source::Wav { .. } => None,
            Source::Csv { path } => Some((path, Format::Table(b','))),
            Source::Tsv { path } => Some((path, Format::Table(b'\t'))),
            Source::Npy { path } => Some((path, Format::Npy)),
            Source::Npz { path } => Some((path, Format::Npz)),
            Source::Idx { path } => Some((path, Format::Idx)),
            Source::Columns { path, names } => Some((path, Format::Columns(names.clone()))),
            Source::Text { path } => Some((path, Format::Text)),
            Source::Jsonl { path } => Some((path, Format::Json)),
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

/// Whether a name is one folder's and no way out of it.
fn is_single(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none() && !name.starts_with('.')
}

impl Locations {
    /// The path of a file named in a program. A single word that is no file there may also be the name of a set.
    pub fn file(&self, path: &Path) -> PathBuf {
        let here = self.base.join(path);
        match path.to_str().filter(|_| !here.exists()) {
            Some(name) => self.find(name, &mut Vec::new()).unwrap_or(here),
            None => here,
        }
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
            Some(root) if is_single(name) => {
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
