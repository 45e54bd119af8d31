//! libFuzzer's entry to `checks/format.rs`.
#![no_main]

#[path = "../checks/format.rs"]
mod format;
#[allow(dead_code)]
#[path = "../checks/parse.rs"]
mod parse;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| format::check(bytes));
