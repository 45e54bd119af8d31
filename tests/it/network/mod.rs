//! Network files: what is read, what is refused and where, what is written, and what the networks answer.

mod answers;
mod by;
mod door;
mod read;

use std::path::PathBuf;

use ghmc::base::span::Sources;
use ghmc::data::network::{NetFormat, parse_network};
use ghmc::diag::{Diagnostic, Style, render};
use ghmc::model::Network;

/// Why a text is refused: the diagnostic, as drawn, and its line and column.
pub type Refusal = Box<(Diagnostic, String, (usize, usize))>;

/// Reads a text.
pub fn parse(format: NetFormat, text: &str) -> Result<Network, Refusal> {
    let mut sources = Sources::default();
    let file = sources.add("net", text);
    parse_network(format, &sources, file).map_err(|d| {
        let place = d.span().map_or((0, 0), |s| sources.file(s.file).line_column(s.start));
        let drawn = render(&d, &sources, Style::PLAIN);
        Box::new((d, drawn, place))
    })
}

/// The folder of real data, where there is one.
pub fn data() -> Option<PathBuf> {
    let root = std::env::var_os("GHM_DATA").filter(|v| !v.is_empty()).map(PathBuf::from);
    if root.is_none() {
        eprintln!("skipped: GHM_DATA names no folder with real networks");
    }
    root
}

/// The folder of workloads with reference answers, where there is one.
pub fn peers() -> Option<PathBuf> {
    let root = std::env::var_os("GHM_PEERS").filter(|v| !v.is_empty()).map(PathBuf::from);
    if root.is_none() {
        eprintln!("skipped: GHM_PEERS names no folder with reference answers");
    }
    root
}
