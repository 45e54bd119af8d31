//! What can go wrong while a program runs.

use crate::tensor::verify::VerifyError;

/// Why a program could not be compiled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompileError {
    /// The graph is not well formed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Its memory would be more than was allowed; none was taken.
    #[error("the program needs {bytes} bytes of memory")]
    TooLarge {
        /// What it needs.
        bytes: usize,
    },
    /// A sum over tables would take more memory or time than is allowed; none was taken.
    #[error("a sum over tables needs {bytes:.1e} bytes and {flops:.1e} operations a row")]
    Sum {
        /// What the axes of its largest table are called, each once, and how many there are.
        axes: (Vec<String>, usize),
        /// Cells of that table.
        cells: f64,
        /// Bytes that it needs.
        bytes: f64,
        /// Operations for one row.
        flops: f64,
    },
}

/// Why a run stopped. States are left as they were before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A watched value is infinite or not a number.
    #[error("`{label}` is not finite at {index:?}")]
    NotFinite {
        /// The label the watch was given.
        label: String,
        /// The index of the first such element, an entry for each axis.
        index: Vec<usize>,
    },
    /// The program reads an input that was not given.
    #[error("the program reads input `{0}`, which was not given")]
    MissingInput(String),
    /// The program reads a state that is not there.
    #[error("the program reads state `{0}`, which is not there")]
    MissingState(String),
    /// An input or state holds another number of elements, or another shape, than the program reads.
    #[error("`{name}` should have shape {expected:?} and has {found:?}")]
    Shape {
        /// The input or state.
        name: String,
        /// The program's shape.
        expected: Vec<usize>,
        /// What was given; for an input, which is a flat slice, its length.
        found: Vec<usize>,
    },
    /// A symmetric matrix that should be positive definite is not.
    #[error("the matrix of {of} is not positive definite")]
    NotPositive {
        /// What the matrix belongs to.
        of: String,
    },
    /// A gathered or scattered index is not a whole number within the axis.
    #[error("an index of {value} into an axis of {extent}")]
    IndexOutOfRange {
        /// The index.
        value: String,
        /// The axis's extent.
        extent: usize,
    },
}
