//! Rooms that touch the disk: sources, batches, checkpoints, reports.

mod arrays;
mod batches;
mod bound;
mod checkpoint;
mod report;
mod sample;
mod sets;
mod text;
mod tokens;

use ghmc::data::{DataError, Locations, Source, Table, load};
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

/// A folder holding one file of that name and content.
pub fn folder(name: &str, content: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join(name), content).unwrap();
    dir
}

/// The content, gzipped.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// Paths counted from this folder.
pub fn at(dir: &Path) -> Locations {
    Locations { base: dir.into(), ..Locations::default() }
}

/// Loads a file of that name and content.
pub fn read(name: &str, content: &[u8]) -> Result<Table, DataError> {
    let dir = folder(name, content);
    load(&Source::of_path(Path::new(name)).unwrap(), &at(dir.path()))
}

/// The error that loading it must end in: its code and its whole text.
pub fn fail(name: &str, content: &[u8]) -> (&'static str, String) {
    let error = read(name, content).expect_err("this must not load");
    assert!(!error.help().is_empty());
    (error.code().number(), error.to_string())
}
