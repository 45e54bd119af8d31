//! Files that mean harm, or were harmed: they cost bounded time and memory, end in diagnostics, and leave nothing behind.

mod costs;
mod damage;
