//! Compiled programs, kept by what they were compiled for.

use std::collections::BTreeMap;

use super::events::Failure;
use crate::diag::{Code, Diagnostic};
use crate::engine::EmitError;
use crate::runtime::{Options, Program, Real};
use crate::tensor::graph::Graph;

/// Compiles a graph; one that does not verify is the compiler's fault, and says so.
pub fn compile<T: Real>(graph: &Graph) -> Result<Program<T>, Failure> {
    Program::compile(graph, &Options::default()).map_err(|error| {
        Diagnostic::new(Code::NotSupported, format!("the compiler made a program that does not verify: {error}"))
            .help("this is a fault of the compiler: please report it with the file")
            .into()
    })
}

/// Programs by key; emitted again only for a key that is new.
pub struct Cache<K, T: Real> {
    programs: BTreeMap<K, Program<T>>,
}

impl<K: Ord, T: Real> Cache<K, T> {
    /// An empty cache.
    pub fn new() -> Cache<K, T> {
        Cache { programs: BTreeMap::new() }
    }

    /// The program of a key, made if it is not there.
    pub fn get(&mut self, key: K, emit: impl FnOnce() -> Result<Graph, EmitError>) -> Result<&mut Program<T>, Failure> {
        match self.programs.entry(key) {
            std::collections::btree_map::Entry::Occupied(there) => Ok(there.into_mut()),
            std::collections::btree_map::Entry::Vacant(free) => Ok(free.insert(compile(&emit()?)?)),
        }
    }
}
