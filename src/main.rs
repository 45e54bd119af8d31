//! The `ghmc` program.

fn main() {}
