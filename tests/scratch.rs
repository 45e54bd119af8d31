//! Scratch.
#![allow(dead_code, unused)]
#[path = "it/engines/mod.rs"]
pub mod engines;
#[path = "it/oracle/mod.rs"]
pub mod oracle;
