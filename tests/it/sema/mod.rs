//! Trees in, typed programs and diagnostics out.

pub(crate) mod corners;
mod hostile;
mod slips;
mod ui;
