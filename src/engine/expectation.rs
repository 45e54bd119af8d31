//! The two halves of expectation-maximisation as programs (Dempster, Laird & Rubin 1977).
//!
//! By Fisher's identity the derivative of the log-likelihood is the expected one of the complete log-likelihood, so statistics are read
//! off derivatives: ∂/∂θ, and the derivative by a weight that stands beside θ wherever a distribution reads it, which counts how often
//! it does. What an M-step does with them is the family's card ([`Fit`]).

use std::collections::BTreeMap;

use super::error::EmitError;
use super::objective::{Parted, objective};
use super::regression::{collect, maximise, sum_statistics};
use super::scope::Scope;
use super::update::{LEAST_FREE, StepSpec, give_parts, mean_over_rows};
use crate::dist::{Args, Named, Space};
use crate::model::{Arg, Dist, Fit, ParamId};
use crate::plan::{Fitted, MSteps, Regression};
use crate::tensor::graph::Graph;
use crate::tensor::op::{Binary, Unary};

/// The state that adds up θ·∂log Z/∂θ for a table of probabilities and for the spread of a regression, and ∂log Z/∂θ for other
/// parameters.
fn slope_name(name: &str) -> String {
    format!("counts.{name}")
}

/// The state that adds up how often entries are read, for a location in units of its precision.
fn weight_name(name: &str) -> String {
    format!("counts.weight.{name}")
}

impl StepSpec<'_> {
    /// The parameter that holds the values of one that is tied.
    fn holder(&self, param: ParamId) -> ParamId {
        self.stage.ties.iter().find(|(a, _)| *a == param).map_or(param, |(_, b)| *b)
    }

    /// The parameters that are fitted, each once, spreads behind what they are measured about.
    fn fitted(&self, fitted: &[Fitted]) -> Vec<Fitted> {
        let mut found: BTreeMap<(bool, ParamId), Fitted> = BTreeMap::new();
        for f in fitted {
            let param = self.holder(f.param);
            let mean = f.mean.map(|m| self.holder(m));
            found.entry((f.fit == Fit::Spread, param)).or_insert(Fitted { param, mean, ..f.clone() });
        }
        found.into_values().collect()
    }
}

/// The parameters of a regression, and whether each is its spread.
fn parameters(of: &Regression) -> impl Iterator<Item = (ParamId, bool)> + '_ {
    of.means.iter().map(|m| (m.param, false)).chain(of.spread.map(|s| (s, true)))
}

impl Scope<'_> {
    /// What stands beside entries of a density so that its derivative by a parameter's weight counts how often the parameter is read:
    /// 0 whatever the weights are worth. A location's is counted in units of its precision.
    pub(super) fn read_weights(&mut self, dist: &Dist, args: &Args) -> Result<Option<Named>, EmitError> {
        if self.weights.is_empty() {
            return Ok(None);
        }
        let mut sum: Option<Named> = None;
        for (role, expr) in &dist.args {
            let fit = dist.family.fit(*role);
            let own: Vec<(ParamId, Named)> =
                expr.params().into_iter().filter_map(|id| Some((id, self.params.get(&id)?.clone()))).collect();
            for &(param, _) in &own {
                let Some(weight) = self.weights.get(&param).cloned() else { continue };
                // What stands in other branches of a condition is no weight of this one.
                for (id, value) in &own {
                    let still = self.space.stop(value);
                    self.params.insert(*id, if *id == param { weight.clone() } else { still });
                }
                let read = self.number(expr);
                self.params.extend(own.iter().cloned());
                let mut read = read?;
                if let (Some(Fit::Mean), Some(sd)) = (fit, args.get(Arg::Sd)) {
                    let sd = self.space.stop(sd);
                    let variance = self.space.map(Unary::Square, &sd);
                    read = self.space.zip(Binary::Div, &read, &variance);
                }
                let stopped = self.space.stop(&read);
                let nothing = self.space.sub(&read, &stopped);
                sum = Some(match sum {
                    Some(sum) => self.space.add(&sum, &nothing),
                    None => nothing,
                });
            }
        }
        Ok(sum)
    }
}

/// The E-step over a batch: adds the statistics of each fitted parameter to its states; output `objective`, the mean over rows, and
/// its parts.
pub fn expectation_step(spec: &StepSpec<'_>, steps: &MSteps) -> Result<Graph, EmitError> {
    let program = spec.program;
    let mut scope = spec.opening().scope()?;
    let fitted = spec.fitted(&steps.tables);
    collect(&mut scope, &steps.regressions)?;
    for f in fitted.iter().filter(|f| f.fit != Fit::Counts) {
        // Any numbers do, but two parameters must not have the same node.
        let value = scope.params[&f.param].clone();
        let apart = scope.space.stop(&value);
        let weight = Named { node: scope.space.graph.anchor(apart.node), labels: value.labels };
        scope.weights.insert(f.param, weight);
    }
    // What is tied to a parameter is read with the weights of that.
    for &(tied, to) in &spec.stage.ties {
        if let Some(weight) = scope.weights.get(&to) {
            let shared = Named { node: weight.node, labels: scope.params[&tied].labels.clone() };
            scope.weights.insert(tied, shared);
        }
    }
    let Parted { whole: per_row, parts } = objective(&mut scope, &spec.plan().objective, spec.when)?;
    scope.space.graph.watch("objective", per_row.node);
    let mean = mean_over_rows(&mut scope, &per_row);
    scope.space.graph.output("objective", mean.node);
    let total = scope.space.sum_to(&per_row, &[]);
    let others: Vec<(ParamId, bool)> = steps.regressions.iter().flat_map(parameters).collect();
    let all = fitted.iter().map(|f| f.param).chain(others.iter().map(|o| o.0));
    let values = all.map(|id| scope.params[&id].clone());
    let weights = fitted.iter().filter_map(|f| scope.weights.get(&f.param).cloned());
    let wrt: Vec<Named> = values.chain(weights).collect();
    let mut gradients = scope.space.gradient(&total, &wrt).into_iter();
    let add = |scope: &mut Scope<'_>, name: String, found: &Named, labels: &[crate::dist::Label]| {
        let before = scope.space.state(&name, labels);
        let after = scope.space.add(&before, found);
        scope.space.graph.set_state(&name, after.node);
    };
    for (f, value) in fitted.iter().zip(&wrt) {
        let Some(slope) = gradients.next() else { break };
        let slope = match f.fit {
            Fit::Counts => scope.space.mul_zero(value, &slope),
            _ => slope,
        };
        add(&mut scope, slope_name(&program.params[f.param].name), &slope, &value.labels);
    }
    for ((id, is_spread), value) in others.iter().zip(&wrt[fitted.len()..]) {
        let Some(slope) = gradients.next() else { break };
        let slope = if *is_spread { scope.space.mul(value, &slope) } else { slope };
        add(&mut scope, slope_name(&program.params[*id].name), &slope, &value.labels);
    }
    for f in fitted.iter().filter(|f| f.fit != Fit::Counts) {
        let Some(weight) = gradients.next() else { break };
        let labels = scope.params[&f.param].labels.clone();
        add(&mut scope, weight_name(&program.params[f.param].name), &weight, &labels);
    }
    sum_statistics(&mut scope, &total);
    give_parts(&mut scope, &parts);
    Ok(scope.space.graph)
}

/// Shares below this are zero after an M-step: as far as unconstrained coordinates reach, far under the rounding of a table's sum, far above where inverses overflow.
const LEAST_SHARE: f64 = LEAST_FREE;

/// What an M-step knows of one parameter: its value, its slope, its weight.
struct Statistics {
    value: Named,
    slope: Named,
    weight: Named,
}

/// `new` where `weight` is above zero, else the value as it was.
fn where_read(space: &mut Space, known: &Statistics, weight: &Named, new: &Named) -> Named {
    let zero = space.scalar(0.0);
    let read = space.zip(Binary::Lt, &zero, weight);
    space.select(&read, new, &known.value)
}

/// numerator / denominator, and something finite where that is not above zero.
fn ratio(space: &mut Space, numerator: &Named, denominator: &Named) -> Named {
    let (zero, one) = (space.scalar(0.0), space.scalar(1.0));
    let some = space.zip(Binary::Lt, &zero, denominator);
    let divisor = space.select(&some, denominator, &one);
    space.zip(Binary::Div, numerator, &divisor)
}

/// The M-step: each parameter becomes what its statistics and its prior make most probable; what no row reads stays as it was.
/// Statistics start again at zero.
pub fn maximisation_step(spec: &StepSpec<'_>, steps: &MSteps) -> Result<Graph, EmitError> {
    let program = spec.program;
    let mut scope = spec.opening().scope()?;
    let mut moved: BTreeMap<ParamId, (Statistics, Named)> = BTreeMap::new();
    for regression in &steps.regressions {
        maximise(&mut scope, regression)?;
    }
    for f in spec.fitted(&steps.tables) {
        let declared = &program.params[f.param];
        let value = scope.params[&f.param].clone();
        let labels = value.labels.clone();
        let mut statistic = |name: String| {
            let found = scope.space.state(&name, &labels);
            let zeros = scope.space.full(&labels, 0.0);
            scope.space.graph.set_state(&name, zeros.node);
            found
        };
        let slope = statistic(slope_name(&declared.name));
        let weight = match f.fit {
            Fit::Counts => slope.clone(),
            _ => statistic(weight_name(&declared.name)),
        };
        let known = Statistics { value, slope, weight };
        let prior = match &declared.prior {
            Some(prior) => scope.args(prior)?,
            None => Args::default(),
        };
        let space = &mut scope.space;
        let new = match f.fit {
            Fit::Counts => shares(space, &known, &prior),
            Fit::Share => share(space, &known, &prior),
            Fit::Rate => rate(space, &known, &prior),
            Fit::InverseMean => inverse_mean(space, &known, &prior),
            Fit::Mean => mean(space, &known, &prior),
            Fit::Spread => {
                let about = f.mean.and_then(|m| moved.get(&m));
                spread(space, &known, about)
            }
        };
        let new = scope.space.align(&new, &labels);
        scope.space.graph.set_state(&declared.name, new.node);
        scope.space.graph.watch(&format!("parameter {}", declared.name), new.node);
        moved.insert(f.param, (known, new));
    }
    Ok(scope.space.graph)
}

/// Normalised expected counts, with a Dirichlet prior's pseudo-counts; the last axis is that of the states.
fn shares(space: &mut Space, known: &Statistics, prior: &Args) -> Named {
    let Some(&class) = known.value.labels.last() else { return known.value.clone() };
    let mut counts = known.slope.clone();
    let zero = space.scalar(0.0);
    let one = space.scalar(1.0);
    if let Some(alpha) = prior.get(Arg::Concentration) {
        // The mode of a Dirichlet posterior has counts + α − 1.
        let extra = space.sub(alpha, &one);
        counts = space.add(&counts, &extra);
        counts = space.zip(Binary::Max, &counts, &zero);
    }
    let total = space.sum(&counts, &[class]);
    let share = ratio(space, &counts, &total);
    // A state that nothing speaks for shrinks towards zero for ever; where its inverse is no longer finite, neither are
    // the next counts. It is zero well before, which changes no likelihood that can be told apart.
    let least = space.scalar(LEAST_SHARE);
    let gone = space.zip(Binary::Lt, &share, &least);
    let share = space.select(&gone, &zero, &share);
    where_read(space, known, &total, &share)
}

/// The expected number of yeses, slope · p(1 − p) + n·p, over that of all; a beta prior adds a − 1 to one and a + b − 2 to the other.
fn share(space: &mut Space, known: &Statistics, prior: &Args) -> Named {
    let one = space.scalar(1.0);
    let other = space.complement(&known.value);
    let spread = space.mul(&known.value, &other);
    let (moved, stayed) = (space.mul_zero(&spread, &known.slope), space.mul(&known.weight, &known.value));
    let mut yes = space.add(&moved, &stayed);
    let mut all = known.weight.clone();
    if let (Some(a), Some(b)) = (prior.get(Arg::A), prior.get(Arg::B)) {
        let (a, b) = (space.sub(a, &one), space.sub(b, &one));
        yes = space.add(&yes, &a);
        all = space.add(&all, &a);
        all = space.add(&all, &b);
    }
    let share = ratio(space, &yes, &all);
    let zero = space.scalar(0.0);
    let share = space.zip(Binary::Max, &share, &zero);
    let share = space.zip(Binary::Min, &share, &one);
    where_read(space, known, &all, &share)
}

/// Expected events, rate · (slope + n), over n; a gamma prior adds shape − 1 to one and its rate to the other.
fn rate(space: &mut Space, known: &Statistics, prior: &Args) -> Named {
    let both = space.add(&known.slope, &known.weight);
    let events = space.mul(&known.value, &both);
    positive_ratio(space, known, &events, &known.weight.clone(), prior)
}

/// n over the expected sum of observations, n / rate − slope.
fn inverse_mean(space: &mut Space, known: &Statistics, prior: &Args) -> Named {
    let all = space.zip(Binary::Div, &known.weight, &known.value);
    let sum = space.sub(&all, &known.slope);
    positive_ratio(space, known, &known.weight.clone(), &sum, prior)
}

/// events / exposure under a gamma prior, above zero.
fn positive_ratio(space: &mut Space, known: &Statistics, events: &Named, exposure: &Named, prior: &Args) -> Named {
    let (mut events, mut exposure) = (events.clone(), exposure.clone());
    if let (Some(shape), Some(rate)) = (prior.get(Arg::Shape), prior.get(Arg::Rate)) {
        let one = space.scalar(1.0);
        let extra = space.sub(shape, &one);
        events = space.add(&events, &extra);
        exposure = space.add(&exposure, rate);
    }
    let found = ratio(space, &events, &exposure);
    let least = space.scalar(LEAST_FREE);
    let found = space.zip(Binary::Max, &found, &least);
    where_read(space, known, &exposure, &found)
}

/// θ + slope / precision: the complete log-likelihood is a parabola in a location, whose curvature is the sum of precisions. A normal
/// prior is one more observation.
fn mean(space: &mut Space, known: &Statistics, prior: &Args) -> Named {
    let (mut slope, mut precision) = (known.slope.clone(), known.weight.clone());
    if let (Some(m), Some(sd)) = (prior.get(Arg::Mean), prior.get(Arg::Sd)) {
        let variance = space.map(Unary::Square, sd);
        let off = space.sub(m, &known.value);
        let pull = space.zip(Binary::Div, &off, &variance);
        slope = space.add(&slope, &pull);
        let one = space.scalar(1.0);
        let more = space.zip(Binary::Div, &one, &variance);
        precision = space.add(&precision, &more);
    }
    let step = ratio(space, &slope, &precision);
    let new = space.add(&known.value, &step);
    where_read(space, known, &precision, &new)
}

/// The root of the mean square about the new means: slope·σ³ + n·σ² is the sum of squares about the old ones, and a mean that moved by δ
/// takes (2·slope·δ − precision·δ²)·σ² off.
fn spread(space: &mut Space, known: &Statistics, about: Option<&(Statistics, Named)>) -> Named {
    let variance = space.map(Unary::Square, &known.value);
    let steep = space.mul(&known.slope, &known.value);
    let mut squares = space.add(&steep, &known.weight);
    if let Some((old, new)) = about {
        let delta = space.sub(new, &old.value);
        let twice = space.scale(&old.slope, 2.0);
        let bent = space.mul(&old.weight, &delta);
        let net = space.sub(&twice, &bent);
        let gained = space.mul(&net, &delta);
        let gained = space.sum_to(&gained, &known.value.labels);
        squares = space.sub(&squares, &gained);
    }
    let mean_square = ratio(space, &squares, &known.weight);
    let new = space.mul(&mean_square, &variance);
    let new = space.map(Unary::Sqrt, &new);
    // Observations without any spread leave none to be fitted.
    let least = space.scalar(LEAST_FREE);
    let wide = space.zip(Binary::Lt, &least, &mean_square);
    let new = space.select(&wide, &new, &known.value);
    where_read(space, known, &known.weight, &new)
}
