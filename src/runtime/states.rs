//! The named buffers that outlive a run: parameters, moments of optimisers, chains.

use std::collections::BTreeMap;

/// Named arrays, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States<T> {
    buffers: BTreeMap<String, (Vec<usize>, Vec<T>)>,
}

impl<T> States<T> {
    /// No buffers.
    pub fn new() -> Self {
        Self { buffers: BTreeMap::new() }
    }

    /// Sets a buffer, in row-major order; gives back what stood there. Nothing is set, and the data comes back, if its length is
    /// not that of the shape.
    pub fn insert(&mut self, name: impl Into<String>, shape: &[usize], data: Vec<T>) -> Option<Vec<T>> {
        if data.len() != shape.iter().product::<usize>() {
            debug_assert!(false, "{} numbers for shape {shape:?}", data.len());
            return Some(data);
        }
        self.buffers.insert(name.into(), (shape.to_vec(), data)).map(|(_, d)| d)
    }

    /// Shape and elements of a buffer.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[T])> {
        self.buffers.get(name).map(|(s, d)| (s.as_slice(), d.as_slice()))
    }

    /// Shape and elements of a buffer, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<(&[usize], &mut [T])> {
        self.buffers.get_mut(name).map(|(s, d)| (s.as_slice(), d.as_mut_slice()))
    }

    /// Takes a buffer out.
    pub fn remove(&mut self, name: &str) -> Option<(Vec<usize>, Vec<T>)> {
        self.buffers.remove(name)
    }

    /// All buffers, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[T])> {
        self.buffers.iter().map(|(n, (s, d))| (n.as_str(), s.as_slice(), d.as_slice()))
    }

    /// Number of buffers.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// The buffer's own vector, for an exchange of equal lengths.
    pub(super) fn vector_mut(&mut self, name: &str) -> Option<&mut Vec<T>> {
        self.buffers.get_mut(name).map(|(_, d)| d)
    }
}
