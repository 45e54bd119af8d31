//! Watches the quotes of a text table while it is read: a reader of bytes in, the same bytes out, and where a quote was left open.
//!
//! It also stops where a cell or a row grows beyond all sense, before the reader behind it has taken the memory for it.
//!
//! The library that splits cells takes everything after an unclosed quote as one cell and says nothing. The states are those of RFC 4180:
//! a quote opens a cell only as its first character, a doubled one stands for itself.

use std::io::Read;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the first character of a cell.
    Start,
    /// In a cell, outside of quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes: the end of them, or the first of two.
    Closing,
}

/// A reader that passes bytes on and keeps an eye on the quotes.
pub(super) struct Quotes<R> {
    inner: R,
    delimiter: u8,
    state: State,
    /// Bytes of a byte order mark seen so far: a quote after it opens the first cell.
    mark: usize,
    line: u64,
    cell: usize,
    opened: (u64, usize),
    ended: bool,
    /// Bytes of the cell and of the row so far.
    sizes: (usize, usize),
    long: Option<(u64, String)>,
}

/// A cell and a row hold at most so many bytes.
const MOST_IN_CELL: usize = 1 << 20;
const MOST_IN_ROW: usize = 1 << 23;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl<R> Quotes<R> {
    /// Watches `inner`, whose cells are split by `delimiter` and whose lines end with a line feed.
    pub fn new(inner: R, delimiter: u8) -> Quotes<R> {
        let (state, sizes) = (State::Start, (0, 0));
        Quotes { inner, delimiter, state, mark: 0, line: 1, cell: 0, opened: (1, 0), ended: false, sizes, long: None }
    }

    /// Where a quote was opened that the end of the text leaves open: its line, from 1, and its cell, from 0.
    pub fn left_open(&self) -> Option<(u64, usize)> {
        (self.ended && self.state == State::Quoted).then_some(self.opened)
    }

    /// Where a cell or a row is longer than any may be: its line, and what is wrong as the rest of a sentence.
    pub fn too_long(&self) -> Option<(u64, String)> {
        self.long.clone()
    }

    fn see(&mut self, byte: u8) {
        self.sizes = (self.sizes.0 + 1, self.sizes.1 + 1);
        self.step(byte);
        if self.long.is_none() && (self.sizes.0 > MOST_IN_CELL || self.sizes.1 > MOST_IN_ROW) {
            let what = match self.sizes.0 > MOST_IN_CELL {
                true => format!("has a cell of more than {MOST_IN_CELL} bytes"),
                false => format!("is longer than {MOST_IN_ROW} bytes"),
            };
            self.long = Some((self.line, what));
        }
    }

    fn step(&mut self, byte: u8) {
        if self.mark < BYTE_ORDER_MARK.len() {
            if byte == BYTE_ORDER_MARK[self.mark] {
                self.mark += 1;
                return;
            }
            if self.mark > 0 {
                self.state = State::Plain;
            }
            self.mark = BYTE_ORDER_MARK.len();
        }
        if byte == b'\n' {
            self.line += 1;
        }
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::Closing,
            (State::Quoted, _) | (State::Closing, b'"') => State::Quoted,
            (State::Start, b'"') => {
                self.opened = (self.line, self.cell);
                State::Quoted
            }
            (_, b'\n') => {
                self.cell = 0;
                self.sizes = (0, 0);
                State::Start
            }
            (_, byte) if byte == self.delimiter => {
                self.cell += 1;
                self.sizes.0 = 0;
                State::Start
            }
            _ => State::Plain,
        };
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended = count == 0 && !buffer.is_empty();
        buffer[..count].iter().for_each(|&byte| self.see(byte));
        match &self.long {
            Some((_, what)) => Err(std::io::Error::other(what.clone())),
            None => Ok(count),
        }
    }
}
