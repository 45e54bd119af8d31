//! Trees in, typed programs and diagnostics out.

mod corners;
