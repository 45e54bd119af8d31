//! Everything that can be wrong with data: one closed list, each entry with a stable code, a sentence on what is wrong and a sentence on how to mend it.

use std::path::PathBuf;

use crate::diag::Code;

/// What is wrong with a data source.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// E0705: no place holds a set of that name.
    #[error("there is no data set named `{name}`: looked at {}", .looked.join(", "))]
    UnknownSet {
        /// The name asked for.
        name: String,
        /// The places looked at, in order.
        looked: Vec<String>,
    },
    /// E0708: a file could not be opened or read.
    #[error("`{}` cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// E0715: a compressed file breaks off or is not what its name says.
    #[error("`{file}` cannot be unpacked: {detail}")]
    Compression {
        /// The file.
        file: String,
        /// What the decompressor says.
        detail: String,
    },
    /// E0712: nothing in it.
    #[error("`{file}` has no rows")]
    Empty {
        /// The file.
        file: String,
    },
    /// E0714: a line with more or fewer cells than the header.
    #[error("line {line} of `{file}` has {found} cells where the header has {expected}")]
    RowWidth {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// Cells on that line.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// E0707: a cell that is not of its column's kind.
    #[error("`{text}` in column `{column}` on line {line} of `{file}` is not {expected}")]
    BadCell {
        /// The file.
        file: String,
        /// Line (text) or row (arrays), from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// What stands there.
        text: String,
        /// What should stand there, with its article.
        expected: String,
    },
    /// E0707: NaN or an infinity.
    #[error("column `{column}` holds `{text}` at row {row} of `{file}`: values must be finite")]
    NotFinite {
        /// The file.
        file: String,
        /// Row, from 1.
        row: usize,
        /// The column's name.
        column: String,
        /// The value as it stands there.
        text: String,
    },
    /// E0713: the header line does not name the columns.
    #[error("the header of `{file}` does not name its columns: {detail}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong with it.
        detail: String,
    },
    /// E0715: the bytes do not follow the format.
    #[error("`{file}` is not {format}: {detail}")]
    Malformed {
        /// The file.
        file: String,
        /// The format it was read as, with its article.
        format: &'static str,
        /// Where it departs from it.
        detail: String,
    },
    /// E0715: a quote that the end of the file leaves open.
    #[error("the quote that opens column `{column}` on line {line} of `{file}` is never closed")]
    OpenQuote {
        /// The file.
        file: String,
        /// Line of the quote, from 1.
        line: u64,
        /// The column's name, or its number where there are no names.
        column: String,
    },
    /// E0720: the body is shorter or longer than the header says.
    #[error("`{file}` should hold {expected} bytes of values and holds {found}")]
    BodyLength {
        /// The file.
        file: String,
        /// Bytes the header speaks of.
        expected: usize,
        /// Bytes that are there.
        found: String,
    },
    /// E0717: columns or files that should agree in rows or shape do not.
    #[error("the parts of {what} do not fit together: {detail}")]
    Mismatch {
        /// The table or set.
        what: String,
        /// The disagreement.
        detail: String,
    },
    /// E0706: a label outside the enumeration.
    #[error("row {row}{} of column `{column}` holds the label `{label}`, which the training rows never show", .split.as_ref().map(|s| format!(" of the split `{s}`")).unwrap_or_default())]
    NewLabel {
        /// The column's name.
        column: String,
        /// Row, from 1: of the split, if one is named.
        row: usize,
        /// The split.
        split: Option<String>,
        /// The new label.
        label: String,
        /// The labels known.
        known: Vec<String>,
    },
    /// E0716: an element type that is not read.
    #[error("`{file}` holds elements of type `{found}`, which cannot be read as numbers or labels")]
    ElementType {
        /// The file.
        file: String,
        /// The type as the file names it.
        found: String,
    },
    /// E0704: no column of that name.
    #[error("there is no column `{name}`")]
    UnknownColumn {
        /// The name asked for.
        name: String,
        /// The columns there are.
        known: Vec<String>,
    },
    /// E0709: no split of that name.
    #[error("there is no split `{name}`")]
    UnknownSplit {
        /// The name asked for.
        name: String,
        /// The splits there are.
        known: Vec<String>,
    },
    /// E0718: a request that the rows cannot meet, as more revealed labels than there are rows.
    #[error("{what}")]
    Request {
        /// The request and why it cannot be met.
        what: String,
        /// What could be asked instead.
        mend: String,
    },
    /// E0715: more in one piece than is read, before it has taken memory.
    #[error("line {line} of `{file}` {what}")]
    TooLong {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// What is too long, as the rest of the sentence.
        what: String,
    },
    /// E0717: the entries of a row differ from those of the rows before it.
    #[error("line {line} of `{file}`: {detail}")]
    Uneven {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// What differs.
        detail: String,
    },
    /// E0719: a file whose name says no format that is read.
    #[error("`{}` has no ending that says how to read it", .path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
}

impl DataError {
    /// The error's stable code.
    pub fn code(&self) -> Code {
        match self {
            DataError::UnknownSet { .. } => Code::UnknownData,
            DataError::Unreadable { .. } => Code::UnreadableData,
            DataError::Compression { .. } => Code::MalformedData,
            DataError::Empty { .. } => Code::EmptyData,
            DataError::RowWidth { .. } => Code::RaggedRows,
            DataError::BadCell { .. } => Code::BadValue,
            DataError::NotFinite { .. } => Code::BadValue,
            DataError::Header { .. } => Code::BadHeader,
            DataError::Malformed { .. } | DataError::OpenQuote { .. } => Code::MalformedData,
            DataError::BodyLength { .. } => Code::BodyLength,
            DataError::Mismatch { .. } => Code::PartsDisagree,
            DataError::NewLabel { .. } => Code::NewLabel,
            DataError::ElementType { .. } => Code::ElementType,
            DataError::UnknownColumn { .. } => Code::UnknownColumn,
            DataError::UnknownSplit { .. } => Code::UnknownSplit,
            DataError::Request { .. } => Code::TooFewRows,
            DataError::UnknownFormat { .. } => Code::UnknownFormat,
            DataError::TooLong { .. } => Code::MalformedData,
            DataError::Uneven { .. } => Code::PartsDisagree,
        }
    }

    /// One sentence on how to mend it.
    pub fn help(&self) -> String {
        match self {
            DataError::UnknownSet { name, .. } => {
                format!("Say where it lies with `--data {name}=PATH`, or put it into the folder that GHM_DATA names; `digits` is built in.")
            }
            DataError::Unreadable { .. } => "Check the path, counted from the model file's folder, and the right to read it.".into(),
            DataError::Compression { .. } => "Fetch or compress the file again.".into(),
            DataError::Empty { .. } => "A data file needs at least one row of values below its header.".into(),
            DataError::RowWidth { .. } => "Give the line a cell for every column, `?` where the value is absent, and quote cells that hold the separator.".into(),
            DataError::BadCell { .. } => {
                "Mend the cell, write `?` for an absent value, or bind the column to a domain of labels if it holds names.".into()
            }
            DataError::NotFinite { .. } => "Write `?` for an absent value, or take the row out.".into(),
            DataError::Header { .. } => "The first line names each column once, as `height,weight,label` or, for a vector, `x[1],x[2],x[3]`.".into(),
            DataError::Malformed { .. } => "Write the file again with the program it came from, or correct its ending if it is of another format.".into(),
            DataError::OpenQuote { .. } => "Close the quote at the end of the cell; a cell that holds a quote has it doubled, between two others.".into(),
            DataError::BodyLength { .. } => "The file was cut short or its header changed: fetch or write it again.".into(),
            DataError::Mismatch { .. } => "Every column of a table needs the same rows, and every file of a set the same columns.".into(),
            DataError::NewLabel { known, .. } => format!("Known are {}; move such a row into the training rows, or take it out.", listed(known)),
            DataError::ElementType { .. } => "Store it as integers, floats, booleans or strings.".into(),
            DataError::UnknownColumn { known, .. } => format!("The columns are {}.", listed(known)),
            DataError::UnknownSplit { known, .. } => format!("The splits are {}.", listed(known)),
            DataError::Request { mend, .. } => mend.clone(),
            DataError::UnknownFormat { .. } => {
                "Endings that are read: .csv, .tsv, .npy, .npz, .idx, -ubyte, .jsonl, .conllu and, for splits of a set, .data, each also with .gz.".into()
            }
            DataError::TooLong { .. } => "Look at the file: most likely it is not of the format it was read as, or has lost its line ends.".into(),
            DataError::Uneven { .. } => "Give every row the same entries, or make the column one that differs from row to row from its first rows on.".into(),
        }
    }
}

/// Names in quotes, at most a dozen.
fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(12).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if names.len() > 12 {
        text.push_str(&format!(" and {} more", names.len() - 12));
    }
    text
}
