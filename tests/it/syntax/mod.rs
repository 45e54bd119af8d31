//! Texts in, trees and diagnostics out.

mod round_trip;
mod ui;
