//! The training loop: trains, stages, epochs, steps; every choice in it was made by the plan.
//!
//! The whole state of a run is its buffers and its `Position`. A step depends on these, the seed and the data alone, so a run
//! that stops anywhere and goes on from a checkpoint ends with the same bits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::binding::DataSets;
use super::checkpoint::{self, Buffer, Checkpoint};
use super::compiled::Cache;
use super::events::{Event, Failure, Observer, run_error};
use super::memory::{self, Limit};
use super::rows::{Scored, numbered};
use super::start;
use crate::data::{Batches, Element};
use crate::diag::{Code, Diagnostic};
use crate::engine::expectation::{expectation_step, maximisation_step};
use crate::engine::objective::When;
use crate::engine::update::{
    StepSpec, gradient_step, input_name, length_name, objective_value, part_name, present_name,
};
use crate::model::{AxisKind, Init, Program, VarId};
use crate::plan::{LinePlan, ObjectivePlan, Plan, Rule, Schedule, StagePlan, TrainPlan, Update};
use crate::runtime::{Context, Real, States};

/// The number types programs are compiled for.
pub trait Scalar: Real + Element + Into<f64> {
    /// A buffer to be saved.
    fn buffer(shape: &[usize], data: &[Self]) -> Buffer;
    /// A saved buffer as this type.
    fn read(buffer: &Buffer) -> Vec<Self>;
}

impl Scalar for f32 {
    fn buffer(shape: &[usize], data: &[f32]) -> Buffer {
        Buffer::F32 { shape: shape.to_vec(), data: data.to_vec() }
    }
    fn read(buffer: &Buffer) -> Vec<f32> {
        match buffer {
            Buffer::F32 { data, .. } => data.clone(),
            Buffer::F64 { data, .. } => data.iter().map(|&v| v as f32).collect(),
        }
    }
}

impl Scalar for f64 {
    fn buffer(shape: &[usize], data: &[f64]) -> Buffer {
        Buffer::F64 { shape: shape.to_vec(), data: data.to_vec() }
    }
    fn read(buffer: &Buffer) -> Vec<f64> {
        match buffer {
            Buffer::F32 { data, .. } => data.iter().map(|&v| f64::from(v)).collect(),
            Buffer::F64 { data, .. } => data.clone(),
        }
    }
}

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of everything random.
    pub seed: u64,
    /// Where checkpoints go; none: nowhere.
    pub checkpoints: Option<PathBuf>,
    /// The least time between two of them.
    pub every: Duration,
    /// What must agree for a checkpoint to be gone on from.
    pub fingerprint: String,
    /// The bytes that one program may hold.
    pub memory: usize,
}

impl Default for Options {
    fn default() -> Options {
        let every = Duration::from_secs(5);
        Options { seed: 1, checkpoints: None, every, fingerprint: String::new(), memory: memory::allowance() }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All stages are done.
    Done,
    /// It was asked to stop, and did after a checkpoint.
    Interrupted,
}

/// An epoch's objectives, a number a line, and the held-out one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The step of the run at its end.
    pub at: u64,
    /// The mean objective of each line; none where a line follows a gradient without knowing the value.
    pub objectives: Vec<Option<f64>>,
    /// The mean of each part of each line's objective, in the order of `StageRecord::parts`.
    #[serde(with = "super::stored::lists")]
    pub parts: Vec<Vec<f64>>,
    /// The objective on the data that early stopping watches; −∞ where a row of it is impossible.
    #[serde(with = "super::stored::figure")]
    pub held_out: Option<f64>,
}

/// A stage's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Its name.
    pub name: String,
    /// The names of the parts of each line's objective; none where it has no parts or they are not known.
    pub parts: Vec<Vec<String>>,
    /// Its epochs.
    pub epochs: Vec<EpochRecord>,
    /// Seconds, all processes together.
    pub seconds: f64,
}

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The train statement.
    pub train: usize,
    /// Its stage.
    pub stage: usize,
    /// Whether the stage's starts are done.
    pub started: bool,
    /// The epoch.
    pub epoch: usize,
    /// Steps taken in it.
    pub step: usize,
    /// Steps taken in all.
    pub at: u64,
    /// Sums of each line's objective over the epoch's rows so far.
    pub sums: Vec<f64>,
    /// Sums of the parts of each line's objective over the same rows.
    #[serde(with = "super::stored::lists")]
    pub part_sums: Vec<Vec<f64>>,
    /// Rows seen by each line in the epoch so far.
    pub seen: Vec<f64>,
    /// The best held-out objective, and epochs since.
    #[serde(with = "super::stored::best")]
    pub best: Option<(f64, usize)>,
    /// What is past.
    pub history: Vec<StageRecord>,
}

/// A run under way.
pub struct Fit<'a, T: Scalar> {
    program: &'a Program,
    plan: &'a Plan,
    data: &'a DataSets,
    options: Options,
    states: States<T>,
    position: Position,
    saved: Instant,
}

/// Rows that one expectation step takes at a time.
const EXPECTATION_ROWS: usize = 1000;
/// EM has converged when an iteration gains less than this share of the objective.
const CONVERGED: f64 = 1e-10;
/// Buffers that begin so hold the best parameters by the objective that early stopping watches; no name in a file has the stroke.
const BEST: &str = "best/";

/// Whether a buffer lives as long as a stage and begins at zero: an optimiser's, expected counts, chains that go on.
fn is_of_stage(name: &str) -> bool {
    ["optimiser.", "counts.", "chains."].iter().any(|prefix| name.starts_with(prefix))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Step,
    Maximise,
    Value,
}

type Key = (usize, usize, Part, Vec<u64>);

impl<'a, T: Scalar> Fit<'a, T> {
    /// A run from its start.
    pub fn new(program: &'a Program, plan: &'a Plan, data: &'a DataSets, options: Options) -> Fit<'a, T> {
        let states = start::start_states(program, plan, options.seed);
        Fit { program, plan, data, options, states, position: Position::default(), saved: Instant::now() }
    }

    /// Goes on from the latest checkpoint; a run without one starts anew. Gives whether one was found.
    pub fn resume(&mut self, observer: &mut dyn Observer) -> Result<bool, Failure> {
        let Some(dir) = &self.options.checkpoints else { return Ok(false) };
        let Some(loaded) = checkpoint::load_latest(dir, &self.options.fingerprint)? else { return Ok(false) };
        for (path, detail) in &loaded.skipped {
            observer.notice(&Event::DamagedCheckpoint { path: path.clone(), detail: detail.clone() });
        }
        self.position = serde_json::from_value(loaded.checkpoint.position).map_err(|error| {
            Diagnostic::new(Code::CorruptFile, format!("the checkpoint's position cannot be read: {error}"))
                .help("start anew without `--resume`")
        })?;
        self.states = States::new();
        for (name, buffer) in &loaded.checkpoint.buffers {
            self.states.insert(name.clone(), buffer.shape(), T::read(buffer));
        }
        Ok(true)
    }

    /// The buffers.
    pub fn states(&self) -> &States<T> {
        &self.states
    }

    /// The buffers, to be set from a file of parameters.
    pub fn states_mut(&mut self) -> &mut States<T> {
        &mut self.states
    }

    /// Where it stands.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Saves the run as it stands.
    pub fn save(&mut self, observer: &mut dyn Observer) -> Result<(), Failure> {
        let Some(dir) = &self.options.checkpoints else { return Ok(()) };
        let buffers =
            self.states.iter().map(|(name, shape, data)| (name.to_string(), T::buffer(shape, data))).collect();
        let position = serde_json::to_value(&self.position).unwrap_or_default();
        let fingerprint = self.options.fingerprint.clone();
        checkpoint::save(dir, &Checkpoint { fingerprint, position, buffers })?;
        self.saved = Instant::now();
        observer.notice(&Event::Checkpointed { at: self.position.at });
        Ok(())
    }

    /// Runs to the end, or until `stop` is set.
    pub fn run(&mut self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Outcome, Failure> {
        let plan = self.plan;
        while let Some(train) = plan.trains.get(self.position.train) {
            while let Some(stage) = train.stages.get(self.position.stage) {
                if self.run_stage(train, stage, stop, observer)? == Outcome::Interrupted {
                    self.save(observer)?;
                    return Ok(Outcome::Interrupted);
                }
                self.position.stage += 1;
                self.position.started = false;
                self.position.epoch = 0;
                self.position.step = 0;
                self.position.best = None;
            }
            self.position.train += 1;
            self.position.stage = 0;
        }
        self.save(observer)?;
        Ok(Outcome::Done)
    }

    fn stage_place(&self) -> (usize, usize) {
        let before: usize = self.plan.trains[..self.position.train].iter().map(|t| t.stages.len()).sum();
        (before + self.position.stage, self.plan.trains.iter().map(|t| t.stages.len()).sum())
    }

    fn start_stage(&mut self, stage: &StagePlan) -> Result<(), Failure> {
        let stale: Vec<String> =
            self.states.iter().map(|(name, _, _)| name.to_string()).filter(|n| is_of_stage(n)).collect();
        for name in stale {
            self.states.remove(&name);
        }
        for init in &stage.inits {
            match init {
                Init::Copy { to, from } => self.copy_param(*to, *from),
                Init::Draw { to, dist } => {
                    let param = &self.program.params[*to];
                    let shape = self.program.extents(&param.axes).unwrap_or_default();
                    let values = start::init_value(self.program, &self.states, *to, dist, self.options.seed)
                        .map_err(Failure::Told)?;
                    self.states.insert(param.name.clone(), &shape, values);
                }
            }
        }
        self.position.started = true;
        self.start_sums(stage);
        let parts = vec![Vec::new(); stage.lines.len()];
        let name = stage.name.clone();
        self.position.history.push(StageRecord { name, parts, epochs: Vec::new(), seconds: 0.0 });
        Ok(())
    }

    /// Begins the sums of an epoch.
    fn start_sums(&mut self, stage: &StagePlan) {
        self.position.sums = vec![0.0; stage.lines.len()];
        self.position.part_sums = vec![Vec::new(); stage.lines.len()];
        self.position.seen = vec![0.0; stage.lines.len()];
    }

    /// Puts the parameters as they stand aside.
    fn keep_best(&mut self) {
        for (_, param) in self.program.params.iter() {
            let Some(found) = self.states.get(&param.name).map(|(s, d)| (s.to_vec(), d.to_vec())) else { continue };
            self.states.insert(format!("{BEST}{}", param.name), &found.0, found.1);
        }
    }

    /// Takes back the parameters that were put aside, if any were.
    fn restore_best(&mut self) {
        for (_, param) in self.program.params.iter() {
            let Some((shape, data)) = self.states.remove(&format!("{BEST}{}", param.name)) else { continue };
            self.states.insert(param.name.clone(), &shape, data);
        }
    }

    fn limit<'l>(&self, of: &'l str, at: crate::base::span::Span) -> Limit<'l> {
        Limit { bytes: self.options.memory, of, at }
    }

    fn copy_param(&mut self, to: crate::model::ParamId, from: crate::model::ParamId) {
        let (to, from) = (&self.program.params[to].name, &self.program.params[from].name);
        let Some(found) = self.states.get(from).map(|(s, d)| (s.to_vec(), d.to_vec())) else { return };
        self.states.insert(to.clone(), &found.0, found.1);
    }

    fn run_stage(
        &mut self,
        train: &TrainPlan,
        stage: &StagePlan,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Failure> {
        let inputs = self.data.inputs_of(self.program, train);
        let rows = self.data.telling_rows(self.program, &train.on, &inputs, &train.partial)?;
        let numbers = numbered(&self.data.rows(self.program, &train.on)?);
        let mut cache: Cache<Key, T> = Cache::new();
        let is_em = stage.lines.iter().any(|l| l.update.is_em());
        let batch = stage.batch.unwrap_or(EXPECTATION_ROWS).clamp(1, rows.len());
        let steps = rows.len().div_ceil(batch);
        let place = self.stage_place();
        let (name, epochs) = (stage.name.clone(), stage.epochs);
        observer.notice(&Event::StageStarted { stage: place, name: name.clone(), epochs, steps });
        let began = Instant::now();
        if !self.position.started {
            self.start_stage(stage)?;
        }
        let seconds_before = self.position.history.last().map_or(0.0, |h| h.seconds);
        while self.position.epoch < epochs {
            let when = When { epoch: self.position.epoch, epochs };
            let epoch_key = self.position.at.wrapping_sub(self.position.step as u64);
            let order = Batches::new(&rows, batch, self.options.seed, epoch_key, !is_em);
            while self.position.step < steps {
                let batch_rows = order.get(self.position.step).to_vec();
                let mut objective = None;
                for (line, plan) in stage.lines.iter().enumerate() {
                    let spec = StepSpec {
                        program: self.program,
                        stage,
                        line,
                        rows: batch_rows.len(),
                        data_rows: rows.len(),
                        inputs: &inputs,
                        partial: &train.partial,
                        when,
                    };
                    let key = (line, batch_rows.len(), Part::Step, schedule_key(plan, when));
                    let value = self.step(&mut cache, key, &spec, train, &batch_rows, &numbers, epoch_key)?;
                    objective = plan.objective.has_value().then_some(value);
                    self.position.sums[line] += value * batch_rows.len() as f64;
                    self.position.seen[line] += batch_rows.len() as f64;
                }
                self.position.at += 1;
                self.position.step += 1;
                let step = self.position.step - 1;
                observer.notice(&Event::Step { at: self.position.at, epoch: when.epoch, step, objective });
                let spent = seconds_before + began.elapsed().as_secs_f64();
                if let Some(record) = self.position.history.last_mut() {
                    record.seconds = spent;
                }
                if stop.load(Ordering::Relaxed) {
                    return Ok(Outcome::Interrupted);
                }
                // The end of an epoch is handled before the next step, so a checkpoint may fall anywhere.
                if self.saved.elapsed() >= self.options.every {
                    self.save(observer)?;
                }
            }
            let done = self.end_epoch(train, stage, &mut cache, &rows, &inputs, batch, place.0, observer)?;
            if done {
                break;
            }
        }
        self.restore_best();
        for &(tied, to) in &stage.ties {
            self.copy_param(tied, to);
        }
        for &(to, from) in &stage.then {
            self.copy_param(to, from);
        }
        let record = self.position.history.last();
        let objective = record.and_then(|r| r.epochs.last()).and_then(|e| e.objectives.last().copied().flatten());
        let parts = record.and_then(|r| named_parts(&r.parts, &r.epochs.last()?.parts).pop()).unwrap_or_default();
        observer.notice(&Event::StageEnded {
            stage: place.0,
            name,
            epochs: record.map_or(0, |r| r.epochs.len()),
            seconds: record.map_or(0.0, |r| r.seconds),
            objective,
            parts,
        });
        Ok(Outcome::Done)
    }

    #[allow(clippy::too_many_arguments)]
    fn step(
        &mut self,
        cache: &mut Cache<Key, T>,
        key: Key,
        spec: &StepSpec<'_>,
        train: &TrainPlan,
        rows: &[usize],
        numbers: &BTreeMap<usize, usize>,
        epoch_key: u64,
    ) -> Result<f64, Failure> {
        let plan = &spec.stage.lines[spec.line];
        let stage = format!("a step of the stage `{}` with {} rows", spec.stage.name, rows.len());
        let program = cache.get(key, &self.limit(&stage, plan.span), || match &plan.update {
            Update::Em(steps) => expectation_step(spec, steps),
            Update::Gradient(optimiser) => gradient_step(spec, optimiser),
        })?;
        let mut inputs = self.gather(train, spec.inputs, rows, epoch_key);
        if let Update::Gradient(optimiser) = &plan.update {
            let (epoch, epochs) = (spec.when.epoch, spec.when.epochs);
            inputs.push(("rate".to_string(), vec![<T as Element>::of(optimiser.rate.at(epoch, epochs))]));
            if let Rule::Sgd { momentum } = &optimiser.rule {
                inputs.push(("momentum".to_string(), vec![<T as Element>::of(momentum.at(epoch, epochs))]));
            }
        }
        run_program(program, &mut self.states, &inputs, self.options.seed, self.position.at).map_err(|e| {
            let rows: Vec<usize> = rows.iter().map(|r| numbers[r]).collect();
            run_error(&e, Some(plan.span), &rows, self.position.at + 1, &format!("stage {}", spec.stage.name))
        })?;
        let names = self.position.history.last_mut().map(|record| &mut record.parts[spec.line]);
        sum_parts(program, rows.len() as f64, names, &mut self.position.part_sums[spec.line]);
        Ok(scalar_output(program, "objective"))
    }

    fn gather(&self, train: &TrainPlan, vars: &[VarId], rows: &[usize], epoch: u64) -> Vec<(String, Vec<T>)> {
        gather_inputs(self.program, self.data, train.on.data, vars, rows, self.options.seed, epoch)
    }

    /// The end of an epoch: M-steps, records, early stopping. Gives whether the stage is over.
    #[allow(clippy::too_many_arguments)]
    fn end_epoch(
        &mut self,
        train: &TrainPlan,
        stage: &StagePlan,
        cache: &mut Cache<Key, T>,
        rows: &[usize],
        inputs: &[VarId],
        batch: usize,
        place: usize,
        observer: &mut dyn Observer,
    ) -> Result<bool, Failure> {
        let when = When { epoch: self.position.epoch, epochs: stage.epochs };
        let spec = |line: usize, n: usize| StepSpec {
            program: self.program,
            stage,
            line,
            rows: n,
            data_rows: rows.len(),
            inputs,
            partial: &train.partial,
            when,
        };
        for (line, plan) in stage.lines.iter().enumerate() {
            if let Update::Em(steps) = &plan.update {
                let spec = spec(line, 1);
                let limit = Limit { bytes: self.options.memory, of: "the M-step", at: plan.span };
                let key = (line, 0, Part::Maximise, Vec::new());
                let program = cache.get(key, &limit, || maximisation_step(&spec, steps))?;
                run_program(program, &mut self.states, &[], self.options.seed, self.position.at).map_err(|e| {
                    run_error(&e, Some(plan.span), &[], self.position.at, &format!("stage {}", stage.name))
                })?;
            }
        }
        let mut held_out = None;
        if let Some((_, on)) = &stage.patience {
            let rows = held_out_rows(self.program, self.data, train, stage)?.unwrap_or_default();
            let numbers = numbered(&self.data.rows(self.program, on)?);
            let line = stage.lines.len() - 1;
            let limit = Limit { bytes: self.options.memory, of: "early stopping", at: on.span };
            let mut sum = 0.0;
            for chunk in rows.chunks(batch) {
                let spec = spec(line, chunk.len());
                let key = (line, chunk.len(), Part::Value, schedule_key(&stage.lines[line], when));
                let program = cache.get(key, &limit, || objective_value(&spec))?;
                let values = gather_inputs(self.program, self.data, on.data, inputs, chunk, self.options.seed, 0);
                run_program(program, &mut self.states, &values, self.options.seed, self.position.at).map_err(|e| {
                    let chunk: Vec<usize> = chunk.iter().map(|r| numbers[r]).collect();
                    run_error(&e, Some(on.span), &chunk, self.position.at, "early stopping")
                })?;
                sum += scalar_output(program, "objective") * chunk.len() as f64;
            }
            held_out = Some(sum / rows.len() as f64);
        }
        let sums = self.position.sums.iter().zip(&self.position.seen);
        let objectives: Vec<Option<f64>> =
            sums.zip(&stage.lines).map(|((s, n), line)| line.objective.has_value().then_some(s / n)).collect();
        let weighed = self.position.part_sums.iter().zip(&self.position.seen);
        let parts: Vec<Vec<f64>> = weighed.map(|(sums, n)| sums.iter().map(|s| s / n).collect()).collect();
        let previous = self.position.history.last().and_then(|h| h.epochs.last()).map(|e| e.objectives.clone());
        let (at, epoch) = (self.position.at, self.position.epoch);
        if let Some(record) = self.position.history.last_mut() {
            let told = named_parts(&record.parts, &parts);
            record.epochs.push(EpochRecord { at, objectives: objectives.clone(), parts, held_out });
            let (name, objectives) = (stage.name.clone(), objectives.clone());
            observer.notice(&Event::EpochEnded { at, stage: place, name, epoch, objectives, parts: told, held_out });
        }
        self.position.epoch += 1;
        self.position.step = 0;
        self.start_sums(stage);
        if let (Some((patience, _)), Some(value)) = (&stage.patience, held_out) {
            let (best, since) = self.position.best.unwrap_or((f64::NEG_INFINITY, 0));
            let gained = value > best;
            self.position.best = Some(if gained { (value, 0) } else { (best, since + 1) });
            if gained {
                self.keep_best();
            }
            if self.position.best.is_some_and(|(_, since)| since >= *patience) {
                return Ok(true);
            }
        }
        let converged = stage.lines.iter().all(|l| l.update.is_em())
            && previous.is_some_and(|p| {
                p.iter()
                    .flatten()
                    .zip(objectives.iter().flatten())
                    .all(|(a, b)| (b - a).abs() <= CONVERGED * (1.0 + b.abs()))
            });
        Ok(converged)
    }
}

/// The rows that early stopping of a stage watches, if there is any: those with all that its last line's objective scores.
/// Errors: there are none, or some that it cannot score.
pub fn held_out_rows(
    program: &Program,
    data: &DataSets,
    train: &TrainPlan,
    stage: &StagePlan,
) -> Result<Option<Vec<usize>>, Failure> {
    let Some((_, on)) = &stage.patience else { return Ok(None) };
    let bound: Vec<VarId> =
        train.bound.iter().copied().filter(|&v| data.binds(on.data, &program.vars[v].name)).collect();
    match stage.lines.last().map(|line| &line.objective) {
        Some(ObjectivePlan::Expression { expr, leaves }) => {
            Scored::of(program, expr, leaves, &bound).rows(program, data, on).map(Some)
        }
        Some(ObjectivePlan::Layer(_) | ObjectivePlan::WakeSleep(_)) | None => data.rows(program, on).map(Some),
    }
}

/// The schedules that an objective's program depends on, at an epoch: programs are compiled anew when they change.
fn schedule_key(plan: &LinePlan, when: When) -> Vec<u64> {
    let count = |s: &Schedule| s.count_at(when.epoch, when.epochs) as u64;
    let normalisers = |list: &[crate::plan::Normaliser]| -> Vec<u64> {
        list.iter()
            .filter_map(|n| match &n.how {
                crate::plan::Normalising::Contrastive { steps, .. } => Some(count(steps)),
                crate::plan::Normalising::Exact(_) | crate::plan::Normalising::Annealed(_) => None,
            })
            .collect()
    };
    match &plan.objective {
        ObjectivePlan::Layer(layer) => vec![count(&layer.steps)],
        ObjectivePlan::WakeSleep(plan) => normalisers(&plan.normalisers),
        ObjectivePlan::Expression { leaves, .. } => leaves
            .iter()
            .flat_map(|leaf| match leaf {
                crate::plan::Leaf::LogLik(plan) => normalisers(&plan.normalisers),
                crate::plan::Leaf::Variational(plan) => vec![plan.kl_weight.at(when.epoch, when.epochs).to_bits()],
                crate::plan::Leaf::GuideDensity { .. } => Vec::new(),
            })
            .collect(),
    }
}

/// Values of variables and lengths of ragged plates at some rows, by input name.
pub fn gather_inputs<T: Scalar>(
    program: &Program,
    data: &DataSets,
    set: crate::model::DataId,
    vars: &[VarId],
    rows: &[usize],
    seed: u64,
    epoch: u64,
) -> Vec<(String, Vec<T>)> {
    let mut inputs: Vec<(String, Vec<T>)> = Vec::new();
    for &var in vars {
        if let Some(values) = data.gather::<T>(program, set, var, rows, seed, epoch) {
            inputs.push((input_name(program, var), values));
        }
        if let Some(present) = data.present::<T>(program, set, var, rows) {
            inputs.push((present_name(program, var), present));
        }
        for axis in program.vars[var].axes() {
            let name = length_name(program, axis);
            let there = inputs.iter().any(|(n, _)| *n == name);
            if program.axes[axis].kind == AxisKind::Ragged
                && !there
                && let Some(lengths) = data.lengths::<T>(program, set, var, rows)
            {
                inputs.push((name, lengths));
            }
        }
    }
    inputs
}

/// Runs a program; states it needs and nobody has started begin at zero.
pub fn run_program<T: Scalar>(
    program: &mut crate::runtime::Program<T>,
    states: &mut States<T>,
    inputs: &[(String, Vec<T>)],
    seed: u64,
    step: u64,
) -> Result<(), crate::runtime::RunError> {
    for (name, shape) in program.states() {
        if states.get(name).is_none() && is_of_stage(name) {
            states.insert(name.clone(), shape, vec![T::ZERO; shape.iter().product()]);
        }
    }
    let wanted: Vec<(&str, &[T])> = inputs
        .iter()
        .filter(|(name, _)| program.inputs().iter().any(|(n, _)| n == name))
        .map(|(name, data)| (name.as_str(), data.as_slice()))
        .collect();
    program.run(&Context { seed, step }, states, &wanted)
}

/// Adds the parts of an objective, as a step over so many rows left them, to their sums; the names are read where they are not known
/// yet.
fn sum_parts<T: Scalar>(
    program: &crate::runtime::Program<T>,
    rows: f64,
    names: Option<&mut Vec<String>>,
    sums: &mut Vec<f64>,
) {
    let parts = || program.outputs().iter().filter_map(|(output, _)| Some((part_name(output)?, output)));
    if let Some(names) = names.filter(|names| names.is_empty()) {
        names.extend(parts().map(|(name, _)| name.to_string()));
    }
    for (at, (_, output)) in parts().enumerate() {
        if sums.len() == at {
            sums.push(0.0);
        }
        sums[at] += scalar_output(program, output) * rows;
    }
}

/// The parts of each line's objective with their names.
fn named_parts(names: &[Vec<String>], values: &[Vec<f64>]) -> Vec<Vec<(String, f64)>> {
    let line = |(names, values): (&Vec<String>, &Vec<f64>)| names.iter().cloned().zip(values.iter().copied()).collect();
    names.iter().zip(values).map(line).collect()
}

/// A scalar output of a program that has run.
pub fn scalar_output<T: Scalar>(program: &crate::runtime::Program<T>, name: &str) -> f64 {
    program.output(name).and_then(|(_, data)| data.first().copied()).map_or(f64::NAN, Into::into)
}
