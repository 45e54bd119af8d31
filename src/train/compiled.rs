//! Compiled programs, kept by what they were compiled for, and how their memory grows with the rows they take.

use std::collections::BTreeMap;

use super::events::Failure;
use super::memory::Limit;
use crate::diag::{Code, Diagnostic};
use crate::engine::EmitError;
use crate::runtime::{CompileError, Options, Program, Real};
use crate::tensor::graph::Graph;

/// Compiles a graph. Errors: it would hold more than `limit` allows; one that does not verify is the compiler's fault, and says so.
pub fn compile<T: Real>(graph: &Graph, limit: &Limit<'_>) -> Result<Program<T>, Failure> {
    Program::compile_within(graph, &Options::default(), limit.bytes).map_err(|error| match error {
        CompileError::TooLarge { bytes } => limit.refusal(bytes).into(),
        CompileError::Sum { axes: (names, count), cells, bytes, flops } => {
            limit.wide(&names, count, cells, bytes, flops).into()
        }
        CompileError::Verify(error) => {
            Diagnostic::new(Code::NotSupported, format!("the compiler made a program that does not verify: {error}"))
                .help("this is a fault of the compiler: please report it with the file")
                .into()
        }
    })
}

/// Memory of a program as its rows grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Bytes that do not depend on the rows.
    base: usize,
    /// Bytes for each row.
    row: usize,
}

impl Growth {
    /// Told by the program for one row and the one for two. Errors: one row is more than `limit` allows.
    pub fn of<T: Real>(limit: &Limit<'_>, emit: impl Fn(usize) -> Result<Graph, EmitError>) -> Result<Growth, Failure> {
        let one = compile::<T>(&emit(1)?, limit)?.memory();
        // Where two rows are too many, one is as good a measure of each as is needed.
        let two = compile::<T>(&emit(2)?, limit).map_or(one.saturating_mul(2), |program| program.memory());
        let row = two.saturating_sub(one);
        Ok(Growth { base: one.saturating_sub(row), row })
    }

    /// Bytes for so many rows.
    pub fn bytes(&self, rows: usize) -> usize {
        self.row.saturating_mul(rows).saturating_add(self.base)
    }

    /// How many rows fit into so many bytes.
    pub fn rows(&self, bytes: usize) -> usize {
        bytes.saturating_sub(self.base) / self.row.max(1)
    }
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
    pub fn get(
        &mut self,
        key: K,
        limit: &Limit<'_>,
        emit: impl FnOnce() -> Result<Graph, EmitError>,
    ) -> Result<&mut Program<T>, Failure> {
        match self.programs.entry(key) {
            std::collections::btree_map::Entry::Occupied(there) => Ok(there.into_mut()),
            std::collections::btree_map::Entry::Vacant(free) => Ok(free.insert(compile(&emit()?, limit)?)),
        }
    }
}
