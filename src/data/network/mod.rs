//! Network files: BIF, XMLBIF and UAI, read and written, packed with gzip or not, and UAI's files of evidence.
//!
//! In: a path, or text. Out: a [`Network`], or one diagnostic with its place; the text goes to the sources that the place points into.

mod bif;
mod bif_write;
mod model;
mod scan;
mod shape;
mod uai;
mod xmlbif;

pub use model::{TablesAs, to_model};

use std::io::Read;
use std::path::Path;

use super::open::Input;
use crate::base::span::{FileId, Sources};
use crate::diag::{Code, Diagnostic};
use crate::model::Network;

/// Bytes that a network file may unpack to.
const MOST_BYTES: u64 = 1 << 29;

/// The formats of network files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetFormat {
    /// The interchange format of Bayesian networks.
    Bif,
    /// The same as XML.
    XmlBif,
    /// That of the UAI competitions.
    Uai,
}

impl NetFormat {
    /// The format that a file's ending says, `.gz` left out.
    pub fn of_path(path: &Path) -> Option<NetFormat> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "bif" => Some(NetFormat::Bif),
            "xmlbif" => Some(NetFormat::XmlBif),
            "uai" => Some(NetFormat::Uai),
            _ => None,
        }
    }
}

/// Opens and reads a network file. Its text is added to the sources under the path's name, so that a diagnostic can point into it.
///
/// # Errors
/// E0901, E0719, E0108, and what `parse_network` says.
pub fn read_network(path: &Path, sources: &mut Sources) -> Result<Network, Diagnostic> {
    let Some(format) = NetFormat::of_path(path) else {
        let message = format!("`{}` has no ending that says which kind of network it holds", path.display());
        return Err(Diagnostic::new(Code::UnknownFormat, message)
            .help("endings that are read: .bif, .xmlbif, .uai, each also with .gz"));
    };
    let file = sources.add(path.display().to_string(), read_text(path)?);
    parse_network(format, sources, file)
}

/// Reads a network from a text among the sources.
///
/// # Errors
/// One diagnostic: the first thing that is wrong, with its place and its mend.
pub fn parse_network(format: NetFormat, sources: &Sources, file: FileId) -> Result<Network, Diagnostic> {
    let text = &sources.file(file).text;
    match format {
        NetFormat::Bif => bif::read(text, file),
        NetFormat::XmlBif => xmlbif::read(text, file),
        NetFormat::Uai => uai::read(text, file),
    }
}

/// A network's text in a format. Every number reads back as the same double.
///
/// # Errors
/// E0606: a Markov network in a format of Bayesian networks.
pub fn write_network(network: &Network, format: NetFormat) -> Result<String, Diagnostic> {
    if !network.directed && format != NetFormat::Uai {
        return Err(Diagnostic::new(
            Code::NotSupported,
            "a Markov network cannot be written in a format that holds Bayesian networks only",
        )
        .help("write it with `--to uai`"));
    }
    Ok(match format {
        NetFormat::Bif => bif_write::write(network),
        NetFormat::XmlBif => xmlbif::write(network),
        NetFormat::Uai => uai::write(network),
    })
}

/// Opens and reads a file of evidence of the UAI competitions: its cases, each a list of variables and states.
///
/// # Errors
/// E0901, E0711.
pub fn read_uai_evidence(
    path: &Path,
    network: &Network,
    sources: &mut Sources,
) -> Result<Vec<Vec<(usize, usize)>>, Diagnostic> {
    let file = sources.add(path.display().to_string(), read_text(path)?);
    uai::read_evidence(&sources.file(file).text, file, &network.cards())
}

/// A file's text, unpacked. Bytes that are not UTF-8 are taken for Latin-1, in which old files write their names.
fn read_text(path: &Path) -> Result<String, Diagnostic> {
    let missing = |e: &dyn std::fmt::Display| {
        Diagnostic::new(Code::MissingFile, format!("`{}` cannot be opened: {e}", path.display()))
            .help("check the path and the right to read it")
    };
    if !path.is_file() {
        return Err(match path.exists() {
            true => missing(&"it is no file"),
            false => missing(&"there is no such file"),
        });
    }
    let mut input = Input::open(path).map_err(|e| Diagnostic::new(e.code(), e.to_string()).help(e.help()))?;
    let mut bytes = Vec::new();
    if let Err(e) = input.reader.by_ref().take(MOST_BYTES + 1).read_to_end(&mut bytes) {
        let error = input.error(e);
        return Err(Diagnostic::new(error.code(), error.to_string()).help(error.help()));
    }
    if bytes.len() as u64 > MOST_BYTES {
        let message = format!("`{}` holds more than {} MiB", path.display(), MOST_BYTES >> 20);
        return Err(Diagnostic::new(Code::TooLarge, message).help("split the network, or look whether it is one"));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| e.as_bytes().iter().map(|&b| b as char).collect()))
}
