//! Trees in, typed programs and diagnostics out.

mod corners;
mod hostile;
mod slips;
mod ui;
