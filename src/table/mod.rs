//! Exact sums, maxima and draws over products of tables, by a junction tree compiled once and run for many values.
//!
//! In: [`Tables`], nonnegative arrays over shared finite axes, and which axes will be fixed. Out: a [`Program`], which says what
//! it will cost before it takes any memory, and whose [`State`] answers for any values of the fixed axes: the logarithm of the sum
//! over all free axes, the normalised marginal of each of them and of chosen sets, the largest product and where it lies, and draws.
//!
//! ```text
//! tables + fixed axes --order--> order of summing --tree--> clusters --plan--> loops and strides = Program
//! Program + values    --load---> State --propagate--> log partition, marginals, joints; maximum; draws
//! ```
//!
//! Messages between clusters are Hugin's (Jensen, Lauritzen and Olesen 1990) with each message scaled by its largest entry and
//! the scale kept as a logarithm. Clusters of many cells are never stored: their product is formed row by row while it is summed.

pub mod approximate;
mod cluster;
mod compile;
mod decode;
mod logs;
mod narrow;
mod node;
mod order;
mod plan;
mod state;
mod tree;

pub use compile::{Forecast, Options, Program};
pub use decode::{Best, Draws};
pub use logs::{Rule, log_sum};
pub use narrow::Narrowed;
pub use state::{Beliefs, State};

/// A nonnegative array over some of the axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The axes it spans, each once, the last running fastest.
    pub axes: Vec<usize>,
    /// The entries; as many as the product of the axes' sizes.
    pub cells: Vec<f64>,
    /// An axis along which the cells sum to one whatever the other axes say, if there is one. Where nothing else depends on that
    /// axis, summing it out needs no work. A wrong promise gives wrong answers.
    pub sums_to_one_over: Option<usize>,
}

impl Table {
    /// A table of which nothing more is known.
    pub fn new(axes: Vec<usize>, cells: Vec<f64>) -> Self {
        Self { axes, cells, sums_to_one_over: None }
    }

    /// A table whose cells sum to one along `axis` for each index of the others.
    pub fn conditional(axes: Vec<usize>, cells: Vec<f64>, axis: usize) -> Self {
        Self { axes, cells, sums_to_one_over: Some(axis) }
    }
}

/// A product of tables over axes of finite size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// The size of each axis.
    pub cards: Vec<usize>,
    /// The factors of the product.
    pub tables: Vec<Table>,
}

/// Why tables cannot be compiled or run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TableError {
    /// A table, a value or a set of axes does not fit the axes.
    #[error("{0}")]
    Misfit(String),
    /// The program would take more memory than it may.
    #[error("{bytes:.3e} bytes would be needed, more than {budget} allowed; the largest cluster spans {} axes and {cells:.3e} cells", axes.len())]
    TooLarge {
        /// The axes of the largest cluster.
        axes: Vec<usize>,
        /// Its cells.
        cells: f64,
        /// Memory the whole program would take.
        bytes: f64,
        /// Memory it may take.
        budget: u64,
    },
    /// A run would take longer than it may.
    #[error("{flops:.3e} operations would be needed, more than {budget:.3e} allowed; the largest cluster spans {} axes and {cells:.3e} cells", axes.len())]
    TooLong {
        /// The axes of the largest cluster.
        axes: Vec<usize>,
        /// Its cells.
        cells: f64,
        /// Operations of one run.
        flops: f64,
        /// Operations it may take.
        budget: f64,
    },
    /// No joint state has a positive product, so there is nothing to normalise or to draw from.
    #[error("every joint state has weight zero")]
    Impossible,
}

impl Tables {
    /// Checks that every table fits its axes and holds finite nonnegative numbers.
    ///
    /// # Errors
    /// [`TableError::Misfit`] naming the table.
    pub fn check(&self) -> Result<(), TableError> {
        self.check_shapes()?;
        for (i, table) in self.tables.iter().enumerate() {
            if let Some(at) = table.cells.iter().position(|&x| !(x >= 0.0 && x.is_finite())) {
                return Err(TableError::Misfit(format!("cell {at} of table {i} is {}", table.cells[at])));
            }
        }
        Ok(())
    }

    /// Checks that every table fits its axes.
    fn check_shapes(&self) -> Result<(), TableError> {
        if let Some(axis) = self.cards.iter().position(|&c| c == 0 || c > u32::MAX as usize) {
            return Err(TableError::Misfit(format!("axis {axis} has size {}", self.cards[axis])));
        }
        for (i, table) in self.tables.iter().enumerate() {
            self.check_scope(&table.axes, &format!("table {i}"))?;
            let mut expected = Some(1usize);
            for &axis in &table.axes {
                expected = expected.and_then(|n| n.checked_mul(self.cards[axis]));
            }
            if expected != Some(table.cells.len()) {
                let found = table.cells.len();
                return Err(TableError::Misfit(format!(
                    "table {i} has {found} cells, which is not the size of its axes"
                )));
            }
            if table.sums_to_one_over.is_some_and(|axis| !table.axes.contains(&axis)) {
                return Err(TableError::Misfit(format!(
                    "table {i} is said to sum to one over an axis that it does not have"
                )));
            }
        }
        Ok(())
    }

    /// Checks that axes exist and stand once each.
    fn check_scope(&self, axes: &[usize], whose: &str) -> Result<(), TableError> {
        for (k, &axis) in axes.iter().enumerate() {
            if axis >= self.cards.len() {
                return Err(TableError::Misfit(format!("{whose} has axis {axis} of only {}", self.cards.len())));
            }
            if axes[..k].contains(&axis) {
                return Err(TableError::Misfit(format!("{whose} has axis {axis} twice")));
            }
        }
        Ok(())
    }

    /// The logarithm of the product at one joint state, minus infinity where a factor is zero.
    ///
    /// # Errors
    /// [`TableError::Misfit`] if `states` has not one state in range for each axis.
    pub fn score(&self, states: &[usize]) -> Result<f64, TableError> {
        if states.len() != self.cards.len() || states.iter().zip(&self.cards).any(|(s, c)| s >= c) {
            return Err(TableError::Misfit("a joint state needs one state in range for each axis".into()));
        }
        let cell = |t: &Table| t.axes.iter().fold(0, |at, &a| at * self.cards[a] + states[a]);
        Ok(self.tables.iter().map(|t| t.cells[cell(t)].ln()).sum())
    }
}
