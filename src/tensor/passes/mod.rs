//! Rewrites of a whole graph before it is compiled. Each keeps every named result; the verifier runs after each in debug builds.

pub mod dead;
