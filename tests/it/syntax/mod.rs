//! Texts in, trees and diagnostics out.

pub mod round_trip;
pub mod ui;
