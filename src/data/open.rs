//! Opens files, unpacking gzip on the way. In: a path. Out: a buffered reader, and reading errors told apart.

use super::errors::DataError;
use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::rc::Rc;

/// Unpacked bytes that a packed file may always come to, and how many times its size beyond that: deflate reaches a thousand times, and
/// real data a tenth of it.
const FREE: u64 = 1 << 26;
const TIMES: u64 = 300;

/// The unpacked bytes that packed ones of this size may come to.
pub(super) fn most_unpacked(packed: u64) -> u64 {
    FREE.max(packed.saturating_mul(TIMES))
}

/// A reader that fails where more is unpacked than packed bytes may come to.
pub(super) struct Bounded<R> {
    /// What is read.
    pub inner: R,
    /// The bytes that are left to it, which several readers may share.
    pub left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.get().checked_sub(count as u64) {
            Some(left) => self.left.set(left),
            None => {
                let what = format!("it unpacks to more than {} MiB and {TIMES} times its size", FREE >> 20);
                return Err(std::io::Error::new(ErrorKind::InvalidData, what));
            }
        }
        Ok(count)
    }
}

/// A reader together with the name that errors give it.
pub(super) struct Input<'a> {
    /// The bytes, unpacked.
    pub reader: Box<dyn BufRead + 'a>,
    /// The file's name in messages.
    pub file: String,
    /// Whether the bytes are unpacked on the way.
    pub packed: bool,
}

impl<'a> Input<'a> {
    /// Opens a file; gzip is known by its two magic bytes, whatever the name says.
    pub fn open(path: &Path) -> Result<Input<'static>, DataError> {
        let unreadable = |source| DataError::Unreadable { path: path.to_path_buf(), source };
        let mut raw = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
        let magic = raw.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
        let file = path.display().to_string();
        if magic {
            let size = std::fs::metadata(path).map_or(0, |m| m.len());
            let unpacked = Bounded { inner: MultiGzDecoder::new(raw), left: Rc::new(Cell::new(most_unpacked(size))) };
            let reader = Box::new(BufReader::with_capacity(1 << 16, unpacked));
            return Ok(Input { reader, file, packed: true });
        }
        if path.extension().is_some_and(|e| e == "gz") {
            return Err(DataError::Compression { file, detail: "its name ends in .gz but it is not gzip".into() });
        }
        Ok(Input { reader: Box::new(raw), file, packed: false })
    }

    /// Reads from bytes already here; gzip as in `open`.
    pub fn bytes(bytes: &'a [u8], file: &str) -> Input<'a> {
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let left = Rc::new(Cell::new(most_unpacked(bytes.len() as u64)));
            let reader = Box::new(BufReader::new(Bounded { inner: MultiGzDecoder::new(bytes), left }));
            return Input { reader, file: file.into(), packed: true };
        }
        Input { reader: Box::new(bytes), file: file.into(), packed: false }
    }

    /// Reads a member of an archive, unpacked by the reader.
    pub fn of(reader: Box<dyn BufRead + 'a>, file: String) -> Input<'a> {
        Input { reader, file, packed: true }
    }

    /// Gives a reading error its kind: a broken archive or an unreadable file.
    pub fn error(&self, source: std::io::Error) -> DataError {
        read_error(&self.file, self.packed, source)
    }

    /// Exactly `count` bytes and then the end (E0720 otherwise). Memory grows with what is there, not with what a header claims.
    pub fn body(&mut self, count: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let limit = count as u64 + 1;
        self.reader.by_ref().take(limit).read_to_end(&mut bytes).map_err(|e| read_error(&self.file, self.packed, e))?;
        if bytes.len() == count {
            return Ok(bytes);
        }
        let found = if bytes.len() > count { "more".to_string() } else { bytes.len().to_string() };
        Err(DataError::BodyLength { file: self.file.clone(), expected: count, found })
    }
}

/// The data error of a failed read.
pub(super) fn read_error(file: &str, packed: bool, source: std::io::Error) -> DataError {
    let broken = matches!(source.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput);
    if packed && broken {
        let detail = match source.kind() {
            ErrorKind::UnexpectedEof => "it breaks off before its end".to_string(),
            _ => source.to_string(),
        };
        return DataError::Compression { file: file.into(), detail };
    }
    DataError::Unreadable { path: file.into(), source }
}
