//! Where parameters start: those that training moves, those that a simulated data set came from, and those that nothing sets.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, IxDyn};

use super::prior::{draw_entries, normal};
use crate::base::stream::Stream;
use crate::data::Element;
use crate::diag::{Code, Diagnostic};
use crate::model::evaluate::Values;
use crate::model::{
    AxisId, DataSource, Dist, Domain, Expr, Factor, Family, Init, ModelId, Node, Owner, ParamId, Program, Subscript,
    VarId,
};
use crate::plan::Plan;
use crate::runtime::{Real, States};

/// Random sites of starting values; engines count theirs from zero.
const START: u32 = 0x57a2_0000;
/// Random sites of the parameters that data is simulated with: training must not start from what it is to find.
const TRUTH: u32 = 0x57a3_0000;
/// Standard deviation, in unconstrained coordinates, of what tells the states of a latent variable apart.
const APART: f64 = 0.1;
/// Priors may read parameters that have priors themselves, so deep.
const DEEPEST: usize = 64;

/// A stream that depends on the parameter's name and the seed alone, not on what else the program declares.
fn stream_at(program: &Program, id: ParamId, site: u32, seed: u64) -> Stream {
    let name = &program.params[id].name;
    let name = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    Stream::new(seed, site, name, 0)
}

/// The parameters that training moves, or that a stage sets.
pub fn moved(plan: &Plan) -> BTreeSet<ParamId> {
    let mut moved = BTreeSet::new();
    for stage in plan.trains.iter().flat_map(|t| &t.stages) {
        moved.extend(stage.lines.iter().flat_map(|l| l.group.iter().copied()));
        moved.extend(stage.ties.iter().chain(&stage.then).map(|(to, _)| *to));
        moved.extend(stage.inits.iter().map(|init| match init {
            Init::Copy { to, .. } | Init::Draw { to, .. } => *to,
        }));
    }
    moved
}

/// The parameters that a model reads, with those that their priors read.
fn read_by(program: &Program, model: ModelId) -> BTreeSet<ParamId> {
    let mut read: BTreeSet<ParamId> = program.models[model].factors.iter().flat_map(Factor::params).collect();
    let mut open: Vec<ParamId> = read.iter().copied().collect();
    while let Some(id) = open.pop() {
        let further = program.params[id].prior.iter().flat_map(Dist::exprs).flat_map(Expr::params);
        open.extend(further.filter(|&p| read.insert(p)));
    }
    read
}

/// Of each parameter that data is simulated with, the seed of the first such data set: the model asked about is the one that
/// the data came from.
fn simulated(program: &Program) -> BTreeMap<ParamId, u64> {
    let mut seeds = BTreeMap::new();
    for (_, data) in program.data.iter() {
        let DataSource::Sample { model, seed, .. } = &data.source else { continue };
        for id in read_by(program, *model) {
            seeds.entry(id).or_insert(*seed);
        }
    }
    seeds
}

/// The parameters of a model or its guide that nothing sets: no training, no prior, no simulation.
pub fn unset(program: &Program, plan: &Plan) -> BTreeSet<ParamId> {
    let (moved, simulated) = (moved(plan), simulated(program));
    let set = |id: &ParamId| moved.contains(id) || simulated.contains_key(id) || program.params[*id].prior.is_some();
    program.params.ids().filter(|id| !set(id)).collect()
}

/// The variables that some training has to find out.
fn latent(program: &Program, plan: &Plan) -> BTreeSet<VarId> {
    let trains = program.trains.iter().zip(&plan.trains);
    let vars = trains.flat_map(|(declared, train)| {
        let vars = declared.models.iter().flat_map(|&m| &program.models[m].vars);
        vars.copied().filter(|v| !train.bound.contains(v))
    });
    vars.collect()
}

/// Parameters that are selected by the state of one of these variables: where they start equal, nothing ever tells its states
/// apart.
fn selected(program: &Program, by: &BTreeSet<VarId>) -> BTreeSet<ParamId> {
    let state_axis = |v: &VarId| match program.vars[*v].domain {
        Domain::Cat(axis) => Some(program.axes.root(axis)),
        _ => None,
    };
    let states: BTreeSet<AxisId> = by.iter().filter_map(state_axis).collect();
    let leads =
        |id: ParamId| program.params[id].axes.first().is_some_and(|&axis| states.contains(&program.axes.root(axis)));
    let mut found: BTreeSet<ParamId> = program.params.ids().filter(|&id| leads(id)).collect();
    let reads = |e: &Expr| e.reads().iter().any(|read| by.contains(&read.var));
    let guides = program.models.iter().filter_map(|(_, m)| m.guide.as_ref()).flat_map(|g| &g.factors);
    let factors = program.models.iter().flat_map(|(_, m)| &m.factors).chain(guides);
    for expr in factors.flat_map(Factor::leaves).flat_map(Factor::exprs) {
        expr.visit(&mut |e| match &e.node {
            Node::Pick { base, at } if at.iter().any(|s| matches!(s, Subscript::By(state) if reads(state))) => {
                found.extend(base.params());
            }
            Node::If { cond, then, other } if reads(cond) => {
                found.extend(then.params());
                found.extend(other.params());
            }
            Node::Table { of, entries } if of.iter().any(reads) => {
                found.extend(entries.iter().flat_map(Expr::params));
            }
            _ => {}
        });
    }
    // A net's layers are matrices that start apart, and its biases stay at zero.
    found.retain(|&id| !matches!(program.params[id].owner, Owner::Net(_)));
    found
}

/// How one parameter starts.
#[derive(Clone, Copy)]
enum Way {
    /// As the truth behind a simulated data set, by that seed.
    Truth(u64),
    /// From its prior, if it has one.
    Prior,
    /// As suits learning.
    Learn,
}

/// Starting values under way.
struct Starter<'a> {
    program: &'a Program,
    seed: u64,
    /// What starts a little apart: for learning, and for the truth.
    selected: [BTreeSet<ParamId>; 2],
    way: &'a dyn Fn(ParamId) -> Way,
    /// Values that a prior read.
    known: BTreeMap<ParamId, Vec<f64>>,
}

impl Starter<'_> {
    /// The value of a parameter. Errors: it is drawn, and cannot be.
    fn value(&mut self, id: ParamId, depth: usize) -> Result<Vec<f64>, Box<Diagnostic>> {
        let program = self.program;
        let param = &program.params[id];
        let way = (self.way)(id);
        let (site, seed) = match way {
            Way::Truth(seed) => (TRUTH, seed),
            Way::Prior | Way::Learn => (START, self.seed),
        };
        let mut stream = stream_at(program, id, site, seed);
        // Where learning starts is no draw from what is believed: only priors without long tails give a start.
        let gentle = |dist: &Dist| matches!(dist.family, Family::Normal | Family::Uniform | Family::Laplace);
        if let Some(prior) = param.prior.as_ref().filter(|p| !matches!(way, Way::Learn) || gentle(p)) {
            match self.drawn(id, prior, depth, &mut stream) {
                Err(_) if matches!(way, Way::Learn) => {}
                drawn => return drawn,
            }
        }
        Ok(self.default_value(id, &mut stream))
    }

    fn drawn(
        &mut self,
        id: ParamId,
        prior: &Dist,
        depth: usize,
        stream: &mut Stream,
    ) -> Result<Vec<f64>, Box<Diagnostic>> {
        let program = self.program;
        if depth > DEEPEST {
            let message = format!("the priors that `{}` depends on read each other", program.params[id].name);
            let help = "let one of them begin from numbers alone";
            return Err(Box::new(Diagnostic::at(Code::NotSupported, program.params[id].span, message).help(help)));
        }
        let mut values = Values::default();
        for read in prior.exprs().flat_map(Expr::params) {
            if !self.known.contains_key(&read) {
                let value = self.value(read, depth + 1)?;
                self.known.insert(read, value);
            }
            let shape = program.extents(&program.params[read].axes).unwrap_or_default();
            let array = ArrayD::from_shape_vec(IxDyn(&shape), self.known[&read].clone());
            values.params.insert(read, array.unwrap_or_default());
        }
        let param = &program.params[id];
        draw_entries(program, prior, &param.name, &param.axes, &values, stream)
            .map_err(|told| Box::new(told.label(param.span, "declared here")))
    }

    /// Matrices of reals are drawn with variance 2 / (fan-in + fan-out) (Glorot & Bengio 2010), vectors and scalars are 0; tables of
    /// probabilities are uniform up to noise that tells states apart; positive numbers are 1, covariances the identity. What a
    /// discrete variable selects differs a little from state to state.
    fn default_value(&self, id: ParamId, stream: &mut Stream) -> Vec<f64> {
        let param = &self.program.params[id];
        let shape: Vec<usize> = self.program.extents(&param.axes).unwrap_or_default();
        let n: usize = shape.iter().product();
        let [learned, truth] = &self.selected;
        let selected = if matches!((self.way)(id), Way::Learn) { learned } else { truth };
        let apart = if selected.contains(&id) { APART } else { 0.0 };
        let mut noise = || if apart > 0.0 { apart * normal(stream) } else { 0.0 };
        match (&param.domain, shape.as_slice()) {
            (Domain::Simplex, _) => {
                let k = shape.last().copied().unwrap_or(1).max(1);
                let mut values: Vec<f64> = (0..n).map(|_| (0.5 * normal(stream)).exp()).collect();
                for row in values.chunks_mut(k) {
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|v| *v /= sum);
                }
                values
            }
            (Domain::Positive, _) => (0..n).map(|_| noise().exp()).collect(),
            (Domain::Unit, _) => (0..n).map(|_| 1.0 / (1.0 + (-noise()).exp())).collect(),
            (Domain::Cov, [.., rows, columns]) => {
                let (rows, columns) = (*rows, (*columns).max(1));
                (0..n).map(|i| f64::from(u8::from(i / columns % rows.max(1) == i % columns))).collect()
            }
            (_, [] | [_]) => (0..n).map(|_| noise()).collect(),
            (_, [.., rows, columns]) => {
                let sd = (2.0 / (rows + columns) as f64).sqrt();
                (0..n).map(|_| sd * normal(stream)).collect()
            }
        }
    }
}

/// All parameters as they stand before training: those that training moves at starting values of the run's seed, the others as
/// the data they were simulated with, or drawn from their priors.
pub fn start_states<T: Real + Element>(program: &Program, plan: &Plan, seed: u64) -> States<T> {
    let (moved, truth) = (moved(plan), simulated(program));
    let way = |id: ParamId| match truth.get(&id) {
        _ if moved.contains(&id) => Way::Learn,
        Some(&seed) => Way::Truth(seed),
        None => Way::Prior,
    };
    let all = program.vars.ids().collect();
    let selected = [selected(program, &latent(program, plan)), selected(program, &all)];
    let mut starter = Starter { program, seed, selected, way: &way, known: BTreeMap::new() };
    let mut states = States::new();
    for id in program.params.ids() {
        // What could not be drawn was told where data was simulated with it, and is told as unset where it is asked about.
        let value = match starter.value(id, 0) {
            Ok(value) => value,
            Err(_) => starter.default_value(id, &mut stream_at(program, id, START, seed)),
        };
        insert(&mut states, program, id, value);
    }
    states
}

/// The parameters that a data set is simulated with. Errors: one that its model reads has a prior that cannot be drawn from.
pub fn true_states(program: &Program, model: ModelId, seed: u64) -> Result<States<f64>, Box<Diagnostic>> {
    let truth = simulated(program);
    let way = |id: ParamId| Way::Truth(truth.get(&id).copied().unwrap_or(seed));
    let selected = [BTreeSet::new(), selected(program, &program.vars.ids().collect())];
    let mut starter = Starter { program, seed, selected, way: &way, known: BTreeMap::new() };
    let mut states = States::new();
    for id in read_by(program, model) {
        let value = starter.value(id, 0)?;
        insert(&mut states, program, id, value);
    }
    Ok(states)
}

/// What `init PARAM from DIST` sets a parameter to, at the other parameters as they stand. Errors: it cannot be drawn.
pub fn init_value<T: Real + Element + Into<f64>>(
    program: &Program,
    states: &States<T>,
    id: ParamId,
    dist: &Dist,
    seed: u64,
) -> Result<Vec<T>, Box<Diagnostic>> {
    let mut values = Values::default();
    for read in dist.exprs().flat_map(Expr::params) {
        let Some((shape, data)) = states.get(&program.params[read].name) else { continue };
        let array = ArrayD::from_shape_vec(IxDyn(shape), data.iter().map(|&v| v.into()).collect());
        values.params.insert(read, array.unwrap_or_default());
    }
    let param = &program.params[id];
    let mut stream = stream_at(program, id, START, seed);
    let drawn = draw_entries(program, dist, &param.name, &param.axes, &values, &mut stream)?;
    Ok(drawn.into_iter().map(<T as Element>::of).collect())
}

fn insert<T: Real + Element>(states: &mut States<T>, program: &Program, id: ParamId, value: Vec<f64>) {
    let param = &program.params[id];
    let shape = program.extents(&param.axes).unwrap_or_default();
    states.insert(param.name.clone(), &shape, value.into_iter().map(<T as Element>::of).collect());
}
