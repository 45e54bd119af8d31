//! Exact log-partitions as graph nodes. Their derivative in a variable's tilt is its marginal, its part of the best joint
//! state, or a posterior sample, according to the semiring; their derivative in parameters is the expected statistic.

mod enumeration;
mod field;
mod forward_backward;
mod gaussian;
mod gaussian_chain;
mod tables;

use std::collections::BTreeMap;

use super::error::EmitError;
use super::scope::{Scope, spin_to_unit};
use super::seen::Seen;
use crate::base::approximate::Approximate;
use crate::dist::{Label, Named, Value};
use crate::model::{Domain, Factor, VarId};
use crate::plan::{Block, Engine, Partition, PieceRef};
use crate::tensor::op::{Semiring, SiteId, Unary};

pub use enumeration::{Slot, energy_with_slots, normal_entries, sum_states};

/// What the derivative of a log-partition is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Marginals and expected statistics.
    Marginals,
    /// The best joint state.
    Best,
    /// An exact posterior sample.
    Sample,
}

impl Mode {
    /// The semiring of one reduction; each that samples has a site of its own.
    pub fn semiring(self, site: impl FnOnce() -> SiteId) -> Semiring {
        match self {
            Mode::Marginals => Semiring::Soft,
            Mode::Best => Semiring::Max,
            Mode::Sample => Semiring::Sample(site()),
        }
    }
}

/// Potentials added to variables so that a derivative in them reads off posteriors: an array over row, axes and states.
pub type Tilts = BTreeMap<VarId, Named>;

/// A potential that is told the arrays it reads.
pub type Potential<'a> = dyn Fn(&mut Scope<'_>, &[Named]) -> Result<Named, EmitError> + 'a;

/// The summands of a block.
pub enum Energy<'a> {
    /// Summands of a model.
    Pieces(Vec<&'a Factor>),
    /// A potential of its own making.
    Own(&'a dyn Fn(&mut Scope<'_>) -> Result<Named, EmitError>),
    /// A potential that multiplies no entries but those that some summands multiply.
    Like {
        /// The summands.
        factors: Vec<&'a Factor>,
        /// Arrays that the potential reads besides values and parameters, handed into the body of a loop with it.
        given: Vec<Named>,
        /// The potential.
        potential: &'a Potential<'a>,
    },
}

impl<'a> Energy<'a> {
    /// The summands that say which entries are multiplied, where there are any.
    pub fn factors(&self) -> Option<&[&'a Factor]> {
        match self {
            Energy::Pieces(factors) | Energy::Like { factors, .. } => Some(factors),
            Energy::Own(_) => None,
        }
    }

    /// The arrays it reads besides values and parameters.
    pub fn given(&self) -> &[Named] {
        match self {
            Energy::Like { given, .. } => given,
            Energy::Pieces(_) | Energy::Own(_) => &[],
        }
    }

    /// The same inside the body of a loop, where those arrays have other nodes.
    pub fn inside(&self, given: &[Named]) -> Energy<'a> {
        match self {
            Energy::Pieces(factors) => Energy::Pieces(factors.clone()),
            Energy::Own(f) => Energy::Own(*f),
            Energy::Like { factors, potential, .. } => {
                Energy::Like { factors: factors.clone(), given: given.to_vec(), potential: *potential }
            }
        }
    }

    /// Their sum, over every plate but those named.
    pub fn emit(&self, scope: &mut Scope<'_>, keep: &[crate::model::AxisId]) -> Result<Named, EmitError> {
        match self {
            Energy::Pieces(factors) => {
                let mut sum = scope.space.scalar(0.0);
                for factor in factors {
                    let value = scope.factor_total(factor, keep)?;
                    sum = scope.space.add(&sum, &value);
                }
                Ok(sum)
            }
            Energy::Own(f) => f(scope),
            Energy::Like { given, potential, .. } => potential(scope, given),
        }
    }
}

/// The factors that references stand for.
pub fn factors_of<'p>(scope: &Scope<'p>, model: crate::model::ModelId, pieces: &[PieceRef]) -> Vec<&'p Factor> {
    let factors = &scope.program.models[model].factors;
    pieces.iter().filter_map(|p| factors[p.position].leaves().get(p.leaf).copied()).collect()
}

/// The log-partition of a block: a number a row.
pub fn log_partition(
    scope: &mut Scope<'_>,
    block: &Block,
    energy: &Energy<'_>,
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    match &block.engine {
        Engine::Enumeration { summed, kept } => {
            enumeration::log_partition(scope, &block.plates, summed, kept, energy, tilts, mode)
        }
        Engine::ForwardBackward { along, .. } => {
            let Energy::Pieces(factors) = energy else {
                return Err(EmitError::of("a chain is made of a model's summands", "use enumeration"));
            };
            forward_backward::log_partition(scope, block, *along, factors, tilts, mode)
        }
        Engine::JunctionTree => {
            let Energy::Pieces(factors) = energy else {
                return Err(EmitError::of("a junction tree is made of a model's summands", "use enumeration"));
            };
            tables::log_partition(scope, block, factors, tilts, mode)
        }
        Engine::Settled { sweep, tolerance, rounds } => {
            let settling = field::Settling { sweep, tolerance: *tolerance, rounds: *rounds };
            field::log_partition(scope, &settling, energy, tilts, mode)
        }
        Engine::Approximate(method) => {
            let Energy::Pieces(factors) = energy else {
                return Err(EmitError::of("an approximation is made of a model's summands", "use enumeration"));
            };
            let drawn = mode == Mode::Sample && matches!(method, Approximate::Gibbs(_));
            if mode != Mode::Marginals && !drawn {
                let text = format!("{} has no such joint state", method.name());
                return Err(EmitError::of(&text, "ask for `P`, `mean` or `argmax_each`"));
            }
            tables::log_partition(scope, block, factors, tilts, mode)
        }
        Engine::Gaussian { along: Some(along), .. } => {
            let Energy::Pieces(factors) = energy else {
                return Err(EmitError::of("a chain is made of a model's summands", "use `by gaussian`"));
            };
            gaussian_chain::log_partition(scope, block, *along, factors, tilts, mode)
        }
        Engine::Gaussian { summed, kept, along: None } => {
            gaussian::log_partition(scope, block, summed, kept, energy, tilts, mode)
        }
    }
}

/// The log-partition of a situation: what is settled, and a block after the other.
pub fn partition_value(
    scope: &mut Scope<'_>,
    partition: &Partition,
    tilts: &Tilts,
    mode: Mode,
) -> Result<Named, EmitError> {
    scope.count_seen(&partition.loose);
    let value = sum_of(scope, partition, tilts, mode);
    scope.forget_seen(&partition.loose);
    value
}

fn sum_of(scope: &mut Scope<'_>, partition: &Partition, tilts: &Tilts, mode: Mode) -> Result<Named, EmitError> {
    let mut sum = scope.space.scalar(0.0);
    for factor in factors_of(scope, partition.model, &partition.settled) {
        let value = scope.factor_total(factor, &[])?;
        sum = scope.space.add(&sum, &value);
    }
    for block in &partition.blocks {
        let energy = Energy::Pieces(factors_of(scope, partition.model, &block.pieces));
        let value = log_partition(scope, block, &energy, tilts, mode)?;
        sum = scope.space.add(&sum, &value);
    }
    Ok(sum)
}

/// Σ tilt·value for the variables that have a tilt: the potential whose derivative is their posterior.
///
/// `keep` are labels that stay (row, enumeration, plates); every other axis of the product is summed.
pub fn tilt_value(scope: &mut Scope<'_>, var: VarId, value: &Value, tilts: &Tilts, keep: &[Label]) -> Option<Named> {
    let tilt = tilts.get(&var)?;
    let product = match value {
        // Along an enumerated axis the indicator is the identity: the tilt itself, renamed.
        Value::State { along: Some(along), class, .. } => scope.space.rename(tilt, *class, *along),
        Value::State { .. } | Value::Number(_) => scope.space.mul_zero(value.array(), tilt),
    };
    Some(scope.space.sum_to(&product, keep))
}

/// What the row tells of a variable, at each enumerated value of it; none where it tells nothing in any row.
///
/// `keep` are labels that stay; every other axis is summed, as entries are told apart.
pub fn seen_value(scope: &mut Scope<'_>, var: VarId, value: &Value, keep: &[Label]) -> Option<Named> {
    let Seen::States { potential, states } = scope.seen.get(&var)?.clone() else { return None };
    let value = spin_to_unit(&mut scope.space, value, &scope.program.vars[var].domain);
    let told = value.pick(&mut scope.space, &potential, states);
    Some(scope.space.sum_to(&told, keep))
}

/// The energy with what stands beside the summands for a variable: its tilt, and what the row tells of it.
pub(super) fn with_own(
    scope: &mut Scope<'_>,
    mut energy: Named,
    var: VarId,
    value: &Value,
    tilts: &Tilts,
    keep: &[Label],
) -> Named {
    let square = scope.squares.get(&var).cloned().map(|tilt| {
        let squared = scope.space.map(Unary::Square, value.array());
        let product = scope.space.mul_zero(&squared, &tilt);
        scope.space.sum_to(&product, keep)
    });
    let own = [tilt_value(scope, var, value, tilts, keep), seen_value(scope, var, value, keep), square];
    for potential in own.into_iter().flatten() {
        energy = scope.space.add(&energy, &potential);
    }
    energy
}

/// The joint states of some variables at one position of their plates, laid out along one axis.
///
/// Gives each variable's value along `joint`; a single state variable without other axes is the identity along it.
pub fn enumerate_states(
    scope: &mut Scope<'_>,
    vars: &[VarId],
    without: &[crate::model::AxisId],
) -> Result<(Label, BTreeMap<VarId, Value>), EmitError> {
    let program = scope.program;
    let mut layouts: Vec<(VarId, Vec<Label>, usize, usize)> = Vec::new();
    let mut total: usize = 1;
    for &var in vars {
        let axes: Vec<_> = program.vars[var].axes().into_iter().filter(|a| !without.contains(a)).collect();
        let labels = scope.axis_labels(&axes)?;
        let entries: usize = labels.iter().map(|&l| scope.space.extent(l)).product();
        let states = match scope.class(var)? {
            Some(class) => scope.space.extent(class),
            None => 2,
        };
        total =
            (0..entries).try_fold(total, |n, _| n.checked_mul(states)).filter(|&n| n <= 1 << 24).ok_or_else(|| {
                EmitError::at(
                    program.vars[var].span,
                    "too many joint states to enumerate",
                    "use fewer or smaller variables",
                )
            })?;
        layouts.push((var, labels, entries, states));
    }
    let joint = scope.space.label(total);
    let mut values = BTreeMap::new();
    let mut stride = total;
    for (var, labels, entries, states) in layouts {
        let class = scope.class(var)?;
        if let (Some(class), 1, true) = (class, vars.len(), labels.is_empty()) {
            values.insert(var, Value::enumerated(&mut scope.space, joint, class));
            continue;
        }
        // Mixed-radix digits, the last entry of the last variable fastest.
        let mut digits = vec![0usize; total * entries];
        for e in 0..entries {
            stride /= states;
            for s in 0..total {
                digits[s * entries + e] = s / stride % states;
            }
        }
        let axes: Vec<Label> = [joint].into_iter().chain(labels).collect();
        let value = match class {
            Some(class) => {
                let data = digits.iter().flat_map(|&d| (0..states).map(move |k| f64::from(u8::from(k == d)))).collect();
                let axes: Vec<Label> = axes.into_iter().chain([class]).collect();
                Value::State { hot: scope.space.constant(&axes, data), class, along: None }
            }
            None => {
                let low = if program.vars[var].domain == Domain::Spin { -1.0 } else { 0.0 };
                let data = digits.iter().map(|&d| if d == 0 { low } else { 1.0 }).collect();
                Value::Number(scope.space.constant(&axes, data))
            }
        };
        values.insert(var, value);
    }
    Ok((joint, values))
}

/// Every axis of a posterior over a variable: row, its axes, its states.
pub fn tilt_labels(scope: &mut Scope<'_>, var: VarId) -> Result<Vec<Label>, EmitError> {
    let axes = scope.program.vars[var].axes();
    let mut labels: Vec<Label> = scope.row.into_iter().collect();
    labels.extend(scope.axis_labels(&axes)?);
    labels.extend(scope.class(var)?);
    Ok(labels)
}

/// Labels that a value keeps besides those summed.
pub fn keep_labels(
    scope: &mut Scope<'_>,
    plates: &[crate::model::AxisId],
    more: &[Label],
) -> Result<Vec<Label>, EmitError> {
    let mut keep: Vec<Label> = scope.row.into_iter().collect();
    keep.extend(scope.axis_labels(plates)?);
    keep.extend(more);
    Ok(keep)
}
