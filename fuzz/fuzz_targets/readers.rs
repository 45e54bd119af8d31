//! libFuzzer's entry to `checks/readers.rs`.
#![no_main]

#[path = "../checks/readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::check(bytes));
