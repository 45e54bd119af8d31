//! Answers where exact sums would take too much: loopy belief propagation, mean field, Gibbs sampling, behind one door.
//!
//! In: [`Tables`], fixed axes with their values, an [`Approximation`] with its settings, a seed. Out: an [`Answer`], normalised
//! marginals, a logarithm of the sum with its [`Sign`] (a bound or an estimate), how far the method came, and joint states where it
//! has them.
//!
//! ```text
//! tables + values --free--> Free --belief--> messages to a fixed point, Bethe's estimate
//!                                --field---> products of marginals, a lower bound       (--clusters--> of trees' marginals)
//!                                --gibbs---> chains of joint states, R-hat, effective sizes
//! ```

mod belief;
mod chains;
mod clusters;
mod field;
mod free;
mod gibbs;
mod messages;
mod settings;
mod sites;
mod spins;
mod start;
mod structured;
mod sums;

use crate::base::approximate::Approximate;

use super::{Best, Draws, Options, Program, TableError, Tables};

pub use belief::{LoopyBp, Schedule};
pub use chains::{Chains, Reach};
pub use clusters::Grouping;
pub use field::MeanField;
pub use gibbs::Gibbs;
pub use settings::{ENGINES, Setting};

/// A method with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Approximation {
    /// The junction tree, for comparing with.
    Exact(Exact),
    /// Loopy belief propagation.
    LoopyBp(LoopyBp),
    /// Naive or structured mean field.
    MeanField(MeanField),
    /// Gibbs sampling.
    Gibbs(Gibbs),
}

impl From<Approximate> for Approximation {
    fn from(method: Approximate) -> Self {
        match method {
            Approximate::LoopyBp(bp) => Self::LoopyBp(bp),
            Approximate::MeanField(field) => Self::MeanField(field),
            Approximate::Gibbs(gibbs) => Self::Gibbs(gibbs),
        }
    }
}

/// What exact sums may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    /// Bytes, as [`Options::bytes`].
    pub bytes: u64,
    /// Operations, as [`Options::flops`].
    pub flops: f64,
}

impl Default for Exact {
    fn default() -> Self {
        let Options { bytes, flops, .. } = Options::default();
        Self { bytes, flops }
    }
}

/// What a number is next to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The truth up to rounding.
    Equal,
    /// At most the truth.
    AtLeast,
    /// Near the truth, one hopes.
    About,
}

impl Sign {
    /// As it is printed: what stands between "log Z" and the number.
    pub fn sign(self) -> &'static str {
        match self {
            Sign::Equal => "=",
            Sign::AtLeast => "≥",
            Sign::About => "≈",
        }
    }
}

/// The logarithm of the sum of the product over all free axes, as far as a method knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogZ {
    /// The number; minus infinity where a bound says nothing.
    pub value: f64,
    /// How it lies to the truth.
    pub sign: Sign,
}

/// How far an iteration came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convergence {
    /// Passes over all axes or tables; for the residual schedule, updates by the number of tables, rounded up.
    pub rounds: usize,
    /// The largest change of a probability in the last of them.
    pub change: f64,
    /// Whether that was within the tolerance. Chains never say so: their statistics stand in [`Chains`].
    pub converged: bool,
}

/// What a method found.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The normalised marginal of each axis; none for fixed axes.
    pub marginals: Vec<Option<Vec<f64>>>,
    /// The logarithm of the sum, where the method says anything about it.
    pub log_z: Option<LogZ>,
    /// How far it came.
    pub convergence: Convergence,
    /// What is known of the chains, for sampling.
    pub chains: Option<Chains>,
    /// The best joint state found, for maximising and for chains.
    pub best: Option<Best>,
    /// As many joint states as were asked for, where the method has them.
    pub draws: Draws,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApproximationError {
    /// Of the tables themselves.
    #[error(transparent)]
    Table(#[from] TableError),
    /// No joint state of positive weight was found, though none was ruled out.
    #[error("no joint state of positive weight was found in {tries} tries, so there is none to start from")]
    NoStart {
        /// How many joint states were built up or repaired.
        tries: usize,
    },
    /// A setting that no method has, or a value that it cannot have.
    #[error("{0}")]
    Setting(String),
    /// Something the method does not give.
    #[error("{0}")]
    NotGiven(&'static str),
}

impl Approximation {
    /// Runs the method on `tables` with the axes `fixed` at `values`; `draws` joint states are wanted besides.
    ///
    /// The same arguments give the same bits on any number of threads.
    ///
    /// # Errors
    /// [`TableError::Misfit`] for what does not fit, [`TableError::Impossible`] where no joint state has weight,
    /// [`ApproximationError::NoStart`], and [`ApproximationError::NotGiven`] for draws from belief propagation.
    pub fn run(
        &self,
        tables: &Tables,
        fixed: &[usize],
        values: &[usize],
        draws: usize,
        seed: u64,
    ) -> Result<Answer, ApproximationError> {
        match self {
            Self::Exact(exact) => exact.run(tables, fixed, values, draws, seed),
            Self::LoopyBp(bp) => bp.run(tables, fixed, values, draws),
            Self::MeanField(field) => field.run(tables, fixed, values, draws, seed),
            Self::Gibbs(gibbs) => gibbs.run(tables, fixed, values, draws, seed),
        }
    }

    /// The name it is called by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exact(_) => "exact",
            Self::LoopyBp(_) => "loopy_bp",
            Self::MeanField(_) => "mean_field",
            Self::Gibbs(_) => "gibbs",
        }
    }

    /// What its marginals are next to the truth.
    pub fn sign(&self) -> Sign {
        match self {
            Self::Exact(_) => Sign::Equal,
            Self::LoopyBp(_) | Self::MeanField(_) | Self::Gibbs(_) => Sign::About,
        }
    }
}

impl Exact {
    fn run(
        &self,
        tables: &Tables,
        fixed: &[usize],
        values: &[usize],
        draws: usize,
        seed: u64,
    ) -> Result<Answer, ApproximationError> {
        let options = Options { bytes: self.bytes, flops: self.flops, ..Options::default() };
        let program = Program::compile(tables, fixed, &options)?;
        let mut state = program.load(tables, values)?;
        let log = state.propagate()?;
        if log == f64::NEG_INFINITY {
            return Err(TableError::Impossible.into());
        }
        Ok(Answer {
            marginals: (0..tables.cards.len()).map(|axis| state.marginal(axis).map(<[f64]>::to_vec)).collect(),
            log_z: Some(LogZ { value: log, sign: Sign::Equal }),
            convergence: Convergence { rounds: 1, change: 0.0, converged: true },
            chains: None,
            best: None,
            draws: if draws > 0 { state.draw(seed, draws)? } else { Draws::new() },
        })
    }
}
