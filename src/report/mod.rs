//! Reports: what people look at after a run, and the files that other programs read.
//!
//! Plain data comes in (a [`RunReport`], figures, curves, images); out go a self-contained page, tables and small pictures for a
//! terminal (as strings), `summary.json`, `metrics.jsonl`, and the run directory that holds them. Nothing here computes a result.

mod compare;
pub mod drawing;
mod errors;
mod figure;
mod glyph;
mod html;
mod image;
mod metrics;
mod number;
mod pairs;
mod run_dir;
mod run_report;
mod summary;
mod svg;
mod table;

pub use compare::{Against, Compared, Comparison};
pub use errors::ReportError;
pub use figure::{Figure, Sign};
pub use glyph::{shade, shade_row, sparkline};
pub use html::{page, write_page};
pub use image::{data_uri, grid_png, tile_png};
pub use metrics::{MetricLine, Metrics};
pub use number::{seconds, short};
pub use run_dir::{Occupied, RunDir};
pub use run_report::{
    Bar, BarTable, Better, Chart, Confusion, Curve, Environment, ImageGrid, NetworkFigure, Panel, RunReport, Shading,
    Stage, TextBlock,
};
pub use summary::{StageSummary, Summary};
pub use svg::{bar, confusion, lines};
pub use table::{figures_table, table};

use std::io::Write;
use std::path::Path;

/// Writes a file whole or not at all: its name leads to the old bytes or to all of the new ones.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let failed = |source| ReportError::Write { path: path.to_path_buf(), source };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = readable().tempfile_in(dir).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Files that end up with the permissions of any other new file: a scratch file's are its owner's alone.
#[cfg(unix)]
fn readable() -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::fs::Permissions::from_mode(0o666));
    builder
}

/// Where files have no permissions of that kind, a new one's are right as they are.
#[cfg(not(unix))]
fn readable() -> tempfile::Builder<'static, 'static> {
    tempfile::Builder::new()
}
