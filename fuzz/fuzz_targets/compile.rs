//! libFuzzer's entry to `checks/compile.rs`.
#![no_main]

#[path = "../checks/compile.rs"]
mod compile;
#[allow(dead_code)]
#[path = "../checks/parse.rs"]
mod parse;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| compile::check(bytes));
