//! Settings of approximate sums over tables, as plain data: what chooses them and what carries them out read the same.
//!
//! The methods themselves, with their sources, stand beside the tables.

use std::hash::{Hash, Hasher};

use serde::Serialize;

/// In which order messages are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Schedule {
    /// All at once, from those of the round before.
    Flooding,
    /// Axis by axis, breadth first: back, with messages to earlier axes, and there, with messages to later ones. Each uses the newest
    /// messages; both ways are one round.
    Sequential,
    /// The table whose messages would change most goes next (Elidan, McGraw and Koller 2006).
    Residual,
}

/// How axes are grouped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize)]
pub enum Grouping {
    /// Each by itself.
    #[default]
    Single,
    /// Groups of at most so many axes.
    Largest(usize),
    /// Groups within which the tables form a tree.
    Trees,
    /// These, by the given axes; axes that are missing stand by themselves.
    Given(Vec<Vec<usize>>),
}

/// Settings of belief propagation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoopyBp {
    /// The order of renewal.
    pub schedule: Schedule,
    /// The share of the old message in the logarithm of the new, from 0 to below 1.
    pub damping: f64,
    /// It ends when no entry of a message moved by more than this.
    pub tolerance: f64,
    /// Or after so many rounds.
    pub rounds: usize,
    /// Whether to maximise in place of summing.
    pub maximise: bool,
}

impl Default for LoopyBp {
    fn default() -> Self {
        Self { schedule: Schedule::Sequential, damping: 0.0, tolerance: 1e-6, rounds: 1000, maximise: false }
    }
}

/// Settings of mean field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanField {
    /// Which axes are treated exactly together.
    pub clusters: Grouping,
    /// It ends when no probability moved by more than this.
    pub tolerance: f64,
    /// Or after so many rounds over all axes.
    pub rounds: usize,
    /// How many starts; the best bound counts. The first is uniform, the others are joint states.
    pub starts: usize,
}

impl Default for MeanField {
    fn default() -> Self {
        Self { clusters: Grouping::Single, tolerance: 1e-6, rounds: 2000, starts: 1 }
    }
}

/// Settings of Gibbs sampling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gibbs {
    /// Sweeps of each chain that count.
    pub sweeps: usize,
    /// Sweeps of each chain before those; a tenth of them if not said.
    pub burn_in: Option<usize>,
    /// How many chains.
    pub chains: usize,
    /// Which axes are drawn together, by a junction tree.
    pub blocks: Grouping,
}

impl Default for Gibbs {
    fn default() -> Self {
        Self { sweeps: 1000, burn_in: None, chains: 4, blocks: Grouping::Single }
    }
}

/// An approximate method with its settings. Two are equal where their numbers have the same bits.
#[derive(Clone, Debug, Serialize)]
pub enum Approximate {
    /// Messages to a fixed point; the logarithm of the sum is an estimate.
    LoopyBp(LoopyBp),
    /// A product of marginals; the logarithm of the sum is bounded from below.
    MeanField(MeanField),
    /// Chains of joint states; they say nothing of the sum.
    Gibbs(Gibbs),
}

impl Approximate {
    /// The word by which it is asked for.
    pub fn word(&self) -> &'static str {
        match self {
            Approximate::LoopyBp(_) => "loopy_bp",
            Approximate::MeanField(_) => "mean_field",
            Approximate::Gibbs(_) => "gibbs",
        }
    }

    /// Its name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Approximate::LoopyBp(_) => "loopy belief propagation",
            Approximate::MeanField(_) => "mean field",
            Approximate::Gibbs(_) => "Gibbs sampling",
        }
    }

    /// Everything it is, as numbers that can be compared.
    fn bits(&self) -> (u8, [u64; 2], [usize; 3], Option<Schedule>, &Grouping) {
        match self {
            Approximate::LoopyBp(b) => {
                let counts = [b.rounds, usize::from(b.maximise), 0];
                (0, [b.damping.to_bits(), b.tolerance.to_bits()], counts, Some(b.schedule), &Grouping::Single)
            }
            Approximate::MeanField(f) => (1, [0, f.tolerance.to_bits()], [f.rounds, f.starts, 0], None, &f.clusters),
            Approximate::Gibbs(g) => {
                let counts = [g.sweeps, g.burn_in.map_or(0, |b| b.saturating_add(1)), g.chains];
                (2, [0; 2], counts, None, &g.blocks)
            }
        }
    }
}

impl PartialEq for Approximate {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Approximate {}

impl Hash for Approximate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

/// How far an approximation came, over all that it was run on: the worst of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearness {
    /// Rounds of an iteration, or sweeps that were counted of each chain.
    pub rounds: usize,
    /// The largest change of a probability in an iteration's last round; none of chains.
    pub change: Option<f64>,
    /// Whether that was within the tolerance, and of chains whether they agree.
    pub converged: bool,
    /// The largest R-hat of the chains, infinite where zeros keep them apart; none of an iteration, and where no chain moved.
    pub r_hat: Option<f64>,
    /// The smallest effective number of draws of all chains together; none of an iteration, and where it is not known.
    pub effective: Option<f64>,
}

/// Chains whose R-hat is above this do not agree (Vehtari et al. 2021).
pub const AGREE: f64 = 1.01;

impl Nearness {
    /// The worse of two in everything.
    pub fn and(self, other: Nearness) -> Nearness {
        let worst = |a: Option<f64>, b: Option<f64>, f: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(f(a, b)),
            (one, other) => one.or(other),
        };
        Nearness {
            rounds: self.rounds.max(other.rounds),
            change: worst(self.change, other.change, f64::max),
            converged: self.converged && other.converged,
            r_hat: worst(self.r_hat, other.r_hat, f64::max),
            effective: worst(self.effective, other.effective, f64::min),
        }
    }

    /// The worse of two, where there are two.
    pub fn worse(one: Option<Nearness>, other: Option<Nearness>) -> Option<Nearness> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        }
    }
}
