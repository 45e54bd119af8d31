//! Questions answered with trained parameters: distributions, best states, figures over data, draws.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::annealed::{Estimate, estimated};
use super::binding::DataSets;
use super::compared::{Compared, compare};
use super::compiled::{Cache, Growth, compile};
use super::events::{Failure, run_error};
use super::fit::{Scalar, gather_inputs, run_program, scalar_output};
use super::labels::{codes, snap, state_labels, state_number, state_shares};
use super::memory::{self, Limit};
use super::metric::Tally;
use super::places::Asked;
use super::rows::{Scored, all_absent, numbered};
use crate::base::approximate::Nearness;
use crate::base::span::Span;
use crate::data::Element;
use crate::diag::{Code, Diagnostic};
use crate::engine::EmitError;
use crate::engine::answer::{self, ConditionalsSpec, PosteriorSpec, square_name};
use crate::engine::draws::draws;
use crate::engine::update::input_name;
use crate::model::{AxisId, Domain, Evidence, EvidenceValue, Factor, Metric, ParamId, Program, Subject, VarId, Verb};
use crate::plan::{Answer, AnswerShape, AskPlan, Kind, Leaf, Normalising, Plan};
use crate::runtime::States;
use crate::tensor::graph::Graph;

/// Bytes that the program of a question may hold: so many rows are answered at a time. Where draws depend on it, what a run is
/// allowed does not change it: two machines give the same bits.
const CHUNK: usize = 64 << 20;
/// Bytes that a draw takes besides its numbers: its caption.
const CAPTION: usize = size_of::<String>();

/// An answer with what it needs to be printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// How it was asked.
    pub verb: Verb,
    /// Its name.
    pub name: String,
    /// What its numbers are.
    pub kind: Kind,
    /// The answer.
    pub value: AnswerValue,
    /// Rows it speaks of, where it was asked on data.
    pub rows: Option<usize>,
    /// The log-partition with the evidence held fixed, where one posterior was computed.
    pub log_mass: Option<f64>,
    /// The estimate of a log-partition that it is or rests on.
    pub estimate: Option<Estimate>,
    /// Parameters it rests on that nothing has set: no training, no prior, no simulation, no file. The answer is one of the model
    /// at starting values, whatever its kind says.
    pub unset: Vec<String>,
    /// How far an approximation came, where one answered: the worst over all rows.
    pub near: Option<Nearness>,
}

/// What every answer of a run is made with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The seed of everything random.
    pub seed: u64,
    /// The bytes that one program may hold.
    pub memory: usize,
    /// Parameters that nothing has set.
    pub unset: BTreeSet<ParamId>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerValue {
    /// A figure; nats for log-densities, a share for errors.
    Number(f64),
    /// Probabilities of the joint states of some variables.
    Distribution {
        /// The variables' names.
        of: Vec<String>,
        /// A state of each, and their probability.
        states: Vec<(Vec<String>, f64)>,
    },
    /// A state or number for each entry of some variables.
    Entries(Vec<Entries>),
    /// One answer for each setting of `each`, or each row.
    Settings(Vec<(String, AnswerValue)>),
    /// How often which prediction was made, with the figure.
    Confusion {
        /// The figure.
        figure: f64,
        /// The labels.
        labels: Vec<String>,
        /// `[truth][prediction]` counts.
        counts: Vec<Vec<u64>>,
    },
    /// Draws of some variables: for each, one array a draw.
    Draws(Vec<Drawn>),
    /// One question put to several engines.
    Compared(Vec<Compared>),
    /// There is no answer, and why.
    Failed(Box<Diagnostic>),
}

/// Entries of one variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries {
    /// Its name.
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// Numbers; for an enumeration the expected share of each state is left to `Distribution`, and this is the code.
    pub values: Vec<f64>,
    /// The labels of an enumeration.
    pub labels: Option<Vec<String>>,
}

/// Draws of one variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Its name.
    pub name: String,
    /// The extents of one draw.
    pub shape: Vec<usize>,
    /// What was held fixed for each draw.
    pub settings: Vec<String>,
    /// The draws, one after the other; codes for an enumeration.
    pub values: Vec<f64>,
    /// The mean of each draw given its parents, where it has one: what a picture shows.
    pub means: Option<Vec<f64>>,
    /// The labels of an enumeration.
    pub labels: Option<Vec<String>>,
}

/// Answers every question, in order; gives what was answered before `stop` was set. A question that fails has its failure for
/// an answer, and the others are answered all the same.
pub fn answer_all<T: Scalar>(
    program: &Program,
    plan: &Plan,
    data: &DataSets,
    states: &mut States<T>,
    terms: &Terms,
    stop: &AtomicBool,
    done: &mut dyn FnMut(&Answered),
) -> Vec<Answered> {
    let mut answers = Vec::new();
    for ask in &plan.asks {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let answered = answer_one(program, ask, data, states, terms).unwrap_or_else(|failure| {
            let asker = Asker { program, ask, data, terms, near: Cell::new(None) };
            asker.answered(AnswerValue::Failed(Box::new(failure.diagnostic())), None, None)
        });
        done(&answered);
        answers.push(answered);
    }
    answers
}

/// Answers one question. Figures of a model and questions about distributions are computed in f64 whatever the parameters were
/// learned in; predictions and draws in the type of the parameters.
pub fn answer_one<T: Scalar>(
    program: &Program,
    ask: &AskPlan,
    data: &DataSets,
    states: &mut States<T>,
    terms: &Terms,
) -> Result<Answered, Failure> {
    let asker = Asker { program, ask, data, terms, near: Cell::new(None) };
    let (mut log_mass, mut estimate) = (None, None);
    let (value, rows) = match &ask.answer {
        Answer::Posterior { metric: Some(_), .. } | Answer::Conditionals { metric: Some(_), .. } => {
            let (value, rows) = asker.metric(states)?;
            (value, Some(rows))
        }
        Answer::Posterior { .. } | Answer::Conditionals { .. } => {
            let (value, rows, mass) = asker.distribution(&mut doubled(states))?;
            log_mass = mass;
            (value, rows)
        }
        Answer::Code { .. } => {
            let (value, rows) = asker.retrieval(states)?;
            (value, Some(rows))
        }
        Answer::Compare { sides, truth } => {
            let mut answer = |plan: &AskPlan| answer_one(program, plan, data, states, terms);
            let (value, rows) = compare(sides, truth.as_deref(), &mut answer);
            (AnswerValue::Compared(value), rows)
        }
        Answer::Value { .. } => {
            let (value, rows, rests_on) = asker.value(&mut doubled(states))?;
            estimate = rests_on;
            (value, Some(rows))
        }
        Answer::Draws { .. } => (asker.draws(states)?, None),
        Answer::LogZ(normaliser) => {
            let (Subject::Model(model) | Subject::Guide(model)) = ask.of else {
                return Ok(asker.answered(AnswerValue::Settings(Vec::new()), None, None));
            };
            if let Normalising::Annealed(plan) = &normaliser.how {
                let found = asker.annealed(model, normaliser, plan, &mut doubled(states))?;
                let answered = asker.answered(AnswerValue::Number(found.value), None, None);
                return Ok(Answered { estimate: Some(found), ..answered });
            }
            let limit = asker.limit();
            let mut compiled = compile::<f64>(&answer::log_z(program, model, normaliser)?, &limit.as_limit())?;
            let mut exact = doubled(states);
            run_program(&mut compiled, &mut exact, &[], terms.seed, 0).map_err(|e| asker.failed(&e, &[]))?;
            asker.came(&compiled);
            (AnswerValue::Number(scalar_output(&compiled, "value")), None)
        }
    };
    Ok(Answered { estimate, ..asker.answered(value, rows, log_mass) })
}

/// Buffers in double precision.
fn doubled<T: Scalar>(states: &States<T>) -> States<f64> {
    let mut exact = States::new();
    for (name, shape, values) in states.iter() {
        exact.insert(name, shape, values.iter().map(|&v| v.into()).collect());
    }
    exact
}

/// The limit of a question, with its name.
pub(super) struct OwnLimit {
    bytes: usize,
    of: String,
    at: Span,
}

impl OwnLimit {
    pub(super) fn as_limit(&self) -> Limit<'_> {
        Limit { bytes: self.bytes, of: &self.of, at: self.at }
    }
}

/// A posterior program's outputs by name, an array a row.
pub(super) type Outputs = BTreeMap<String, Vec<Vec<f64>>>;

pub(super) struct Asker<'a> {
    pub(super) program: &'a Program,
    pub(super) ask: &'a AskPlan,
    pub(super) data: &'a DataSets,
    pub(super) terms: &'a Terms,
    /// How far approximations came so far.
    near: Cell<Option<Nearness>>,
}

impl Asker<'_> {
    /// Notes how far the approximations of a program that has run came.
    fn came<T: Scalar>(&self, program: &crate::runtime::Program<T>) {
        self.near.set(Nearness::worse(self.near.get(), program.nearness()));
    }

    fn answered(&self, value: AnswerValue, rows: Option<usize>, log_mass: Option<f64>) -> Answered {
        let (verb, name, kind) = (self.ask.verb, self.ask.name.clone(), self.ask.kind);
        let near = self.near.get();
        Answered { verb, name, kind, value, rows, log_mass, estimate: None, unset: self.unset(), near }
    }

    /// The names of the parameters that the answer rests on and nothing has set.
    fn unset(&self) -> Vec<String> {
        let (Subject::Model(model) | Subject::Guide(model)) = self.ask.of else { return Vec::new() };
        let declared = &self.program.models[model];
        let guided = |leaf: &Leaf| match leaf {
            Leaf::Variational(_) | Leaf::GuideDensity { .. } => true,
            Leaf::LogLik(_) => false,
        };
        let (of_model, of_guide) = match &self.ask.answer {
            Answer::Posterior { guided, .. } => (true, !guided.is_empty()),
            Answer::Conditionals { of_guide, .. } => (!of_guide, *of_guide),
            Answer::Value { leaves, .. } => (true, leaves.iter().any(guided)),
            Answer::Code { .. } | Answer::Draws { .. } | Answer::LogZ(_) | Answer::Compare { .. } => (true, false),
        };
        let of_guide = of_guide || matches!(self.ask.of, Subject::Guide(_));
        let guide = declared.guide.iter().filter(|_| of_guide).flat_map(|g| &g.factors);
        let factors = declared.factors.iter().filter(|_| of_model).chain(guide);
        let read: BTreeSet<ParamId> = factors.flat_map(Factor::params).collect();
        read.intersection(&self.terms.unset).map(|&id| self.program.params[id].name.clone()).collect()
    }

    pub(super) fn limit(&self) -> OwnLimit {
        OwnLimit { bytes: self.terms.memory, of: format!("`{}`", self.ask.name), at: self.ask.span }
    }

    /// The number of each row within the split that is asked on, from 1.
    pub(super) fn numbers(&self) -> Result<BTreeMap<usize, usize>, Failure> {
        match &self.ask.on {
            Some(on) => Ok(numbered(&self.data.rows(self.program, on)?)),
            None => Ok([(0, 1)].into()),
        }
    }

    /// Why a program that was computing these rows stopped.
    pub(super) fn failed(&self, error: &crate::runtime::RunError, rows: &[usize]) -> Failure {
        let numbers = self.numbers().unwrap_or_default();
        let rows: Vec<usize> = rows.iter().filter_map(|row| numbers.get(row).copied()).collect();
        run_error(error, Some(self.ask.span), &rows, 0, &format!("`{}`", self.ask.name))
    }

    /// That a row is impossible.
    pub(super) fn impossible(&self, message: String) -> Failure {
        Diagnostic::at(Code::ImpossibleRow, self.ask.span, message)
            .help("a distribution given something impossible is not defined: change the evidence or the tables")
            .into()
    }

    pub(super) fn rows(&self) -> Result<Vec<usize>, Failure> {
        let Some(on) = &self.ask.on else { return Ok(Vec::new()) };
        let bound = self.evidence().iter().filter(|e| e.value == EvidenceValue::Bound).map(|e| e.var);
        let rows = self.data.telling_rows(self.program, on, &bound.collect::<Vec<_>>(), &self.ask.answer.partial())?;
        self.chosen(rows)
    }

    /// Of the rows that can be answered the one that is asked for, or all.
    pub(super) fn chosen(&self, rows: Vec<usize>) -> Result<Vec<usize>, Failure> {
        let (Some(on), Some(n)) = (&self.ask.on, self.ask.row) else { return Ok(rows) };
        let all = self.data.rows(self.program, on)?;
        let told = |message: String| -> Failure {
            Diagnostic::at(Code::BadEvidence, self.ask.span, message)
                .help("rows count from 1, in the order of the split")
                .into()
        };
        match all.get(n.wrapping_sub(1)) {
            None => Err(told(format!("there is no row {n}: the data has {}", all.len()))),
            Some(row) if !rows.contains(row) => {
                Err(told(format!("row {n} has none of the values that are asked about")))
            }
            Some(&row) => Ok(vec![row]),
        }
    }

    /// The answer's program for some number of rows.
    fn graph(&self, rows: usize) -> Result<Graph, EmitError> {
        match &self.ask.answer {
            Answer::Posterior { guided, partition, joint, targets, evidence, .. } => {
                let inputs: Vec<VarId> = evidence.iter().map(|e| e.var).collect();
                let targets: Vec<VarId> = targets.iter().map(|t| t.0).collect();
                answer::posterior(&PosteriorSpec {
                    program: self.program,
                    model: partition.model,
                    rows,
                    inputs: &inputs,
                    guided,
                    partition,
                    joint: joint.as_ref(),
                    targets: &targets,
                    // The best states under a guide are those of the mean over its draws.
                    shape: match (guided.is_empty(), self.shape()) {
                        (false, AnswerShape::EachArgmax) => AnswerShape::Mean,
                        (_, shape) => shape,
                    },
                })
            }
            Answer::Conditionals { model, of_guide, order, draws, targets, evidence, .. } => {
                let inputs: Vec<VarId> = evidence.iter().map(|e| e.var).collect();
                let targets: Vec<VarId> = targets.iter().map(|t| t.0).collect();
                let spec = ConditionalsSpec {
                    program: self.program,
                    model: *model,
                    of_guide: *of_guide,
                    rows,
                    inputs: &inputs,
                    order,
                    targets: &targets,
                    shape: if *draws > 1 { AnswerShape::Mean } else { self.shape() },
                };
                answer::conditionals(&spec)
            }
            Answer::Value { .. }
            | Answer::Code { .. }
            | Answer::Draws { .. }
            | Answer::LogZ(_)
            | Answer::Compare { .. } => Err(EmitError::of("this is not a posterior", "report this")),
        }
    }

    /// Draws of a guide that a posterior is averaged over.
    fn guide_draws(&self) -> usize {
        match &self.ask.answer {
            Answer::Posterior { draws, .. } | Answer::Conditionals { draws, .. } => *draws,
            _ => 1,
        }
    }

    /// Bytes that a program may hold, where its draws depend on how many rows it takes or not.
    pub(super) fn share(&self, drawn: bool) -> usize {
        if drawn { CHUNK } else { CHUNK.min(self.terms.memory) }
    }

    /// Rows answered at a time, of so many: as many as fit into the memory set aside for it.
    pub(super) fn chunk<T: Scalar>(&self, rows: usize) -> Result<usize, Failure> {
        let draws = self.guide_draws();
        let drawn = draws > 1 || self.ask.answer.is_sampled();
        if rows.saturating_mul(draws) <= 1 {
            return Ok(1);
        }
        let limit = self.limit();
        let growth = Growth::of::<T>(&limit.as_limit(), |rows| self.graph(rows))?;
        Ok((growth.rows(self.share(drawn)) / draws).clamp(1, rows))
    }

    /// The posterior of some rows, the `step`-th lot of them: the means over the guide's draws, if there are any.
    pub(super) fn posterior<T: Scalar>(
        &self,
        cache: &mut Cache<usize, T>,
        states: &mut States<T>,
        chunk: &[usize],
        setting: &[(VarId, f64)],
        step: usize,
    ) -> Result<Outputs, Failure> {
        let draws = self.guide_draws();
        let rows: Vec<usize> = chunk.iter().flat_map(|&row| std::iter::repeat_n(row, draws)).collect();
        let program = cache.get(rows.len(), &self.limit().as_limit(), || self.graph(rows.len()))?;
        let inputs = self.inputs::<T>(&rows, setting);
        run_program(program, states, &inputs, self.terms.seed, step as u64).map_err(|e| self.failed(&e, &rows))?;
        self.came(program);
        let targets: Vec<VarId> = self.targets().into_iter().map(|(v, _)| v).collect();
        let names = targets.iter().map(|&v| self.program.vars[v].name.clone());
        let squares = targets.iter().map(|&v| square_name(self.program, v));
        let mut outputs = Outputs::new();
        for name in names.chain(squares).chain(["evidence".to_string(), "joint".to_string()]) {
            let Some((_, data)) = program.output(&name) else { continue };
            let width = data.len() / rows.len().max(1);
            let mean = |row: usize, entry: usize| {
                let of = (0..draws).map(|d| -> f64 { data[(row * draws + d) * width + entry].into() });
                of.sum::<f64>() / draws as f64
            };
            let rows = (0..chunk.len()).map(|row| (0..width).map(|entry| mean(row, entry)).collect());
            outputs.insert(name, rows.collect());
        }
        for &var in targets.iter().filter(|_| self.shape().is_spread()) {
            let Some(squares) = outputs.remove(&square_name(self.program, var)) else { continue };
            let means = outputs.get_mut(&self.program.vars[var].name).into_iter().flatten();
            for (mean, square) in means.zip(&squares).flat_map(|(mean, square)| mean.iter_mut().zip(square)) {
                // Rounding may leave less than nothing.
                let variance = (square - *mean * *mean).max(0.0);
                *mean = if self.shape() == AnswerShape::Sd { variance.sqrt() } else { variance };
            }
        }
        if draws > 1 && matches!(self.shape(), AnswerShape::JointArgmax | AnswerShape::EachArgmax) {
            for (var, _) in self.targets() {
                let declared = &self.program.vars[var];
                for row in outputs.get_mut(&declared.name).into_iter().flatten() {
                    snap(row, &declared.domain, &self.program.axes);
                }
            }
        }
        Ok(outputs)
    }

    pub(super) fn evidence(&self) -> &[Evidence] {
        match &self.ask.answer {
            Answer::Posterior { evidence, .. }
            | Answer::Conditionals { evidence, .. }
            | Answer::Draws { evidence, .. } => evidence,
            Answer::Value { .. } | Answer::Code { .. } | Answer::LogZ(_) | Answer::Compare { .. } => &[],
        }
    }

    pub(super) fn targets(&self) -> Vec<(VarId, Option<usize>)> {
        match &self.ask.answer {
            Answer::Posterior { targets, .. } | Answer::Conditionals { targets, .. } => targets.clone(),
            _ => Vec::new(),
        }
    }

    fn shape(&self) -> AnswerShape {
        match &self.ask.answer {
            Answer::Posterior { shape, .. } | Answer::Conditionals { shape, .. } => *shape,
            _ => AnswerShape::Distribution,
        }
    }

    /// Evidence of the data at some rows, and fixed values repeated over them.
    fn inputs<T: Scalar>(&self, rows: &[usize], setting: &[(VarId, f64)]) -> Vec<(String, Vec<T>)> {
        let evidence = self.evidence();
        let bound: Vec<VarId> = evidence.iter().filter(|e| e.value == EvidenceValue::Bound).map(|e| e.var).collect();
        let mut inputs = match &self.ask.on {
            Some(on) => gather_inputs::<T>(self.program, self.data, on.data, &bound, rows, self.terms.seed, 0),
            None => Vec::new(),
        };
        let n = rows.len().max(1);
        for fixed in evidence {
            let value = match &fixed.value {
                EvidenceValue::State(state) => state_number(self.program, fixed.var, *state),
                EvidenceValue::Number(number) => *number,
                EvidenceValue::Each => match setting.iter().find(|(v, _)| *v == fixed.var) {
                    Some((_, value)) => *value,
                    None => continue,
                },
                EvidenceValue::Bound | EvidenceValue::Answer(_) | EvidenceValue::Line { .. } => continue,
            };
            let width: usize = extents(self.program, &self.program.vars[fixed.var].axes()).iter().product();
            inputs.push((input_name(self.program, fixed.var), vec![<T as Element>::of(value); n * width]));
        }
        inputs
    }

    /// Settings of `each`: a value for each state of those variables, with a caption.
    fn settings(&self) -> Vec<(String, Vec<(VarId, f64)>)> {
        let mut settings = vec![(String::new(), Vec::new())];
        for fixed in self.evidence().iter().filter(|e| e.value == EvidenceValue::Each) {
            let var = &self.program.vars[fixed.var];
            let labels = state_labels(self.program, &var.domain);
            settings = settings
                .into_iter()
                .flat_map(|(caption, values): (String, Vec<(VarId, f64)>)| {
                    labels
                        .iter()
                        .enumerate()
                        .map(|(state, label)| {
                            let comma = if caption.is_empty() { "" } else { ", " };
                            let mut values = values.clone();
                            values.push((fixed.var, state_number(self.program, fixed.var, state)));
                            (format!("{caption}{comma}{} = {label}", var.name), values)
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        settings
    }

    /// The answer, the rows it is over, and the log-partition where there is a single one.
    fn distribution(&self, states: &mut States<f64>) -> Result<(AnswerValue, Option<usize>, Option<f64>), Failure> {
        let rows = self.rows()?;
        let on_data = !rows.is_empty();
        let rows = if on_data { rows } else { vec![0] };
        let numbers = self.numbers()?;
        let mut answers = Vec::new();
        let mut mass = None;
        let mut cache = Cache::new();
        let size = self.chunk::<f64>(rows.len())?;
        for (caption, setting) in self.settings() {
            for (step, chunk) in rows.chunks(size).enumerate() {
                let outputs = self.posterior::<f64>(&mut cache, states, chunk, &setting, step)?;
                let evidence = evidence_of(&outputs);
                mass = evidence.first().copied();
                if let Some(bad) = evidence.iter().position(|e| !e.is_finite()) {
                    return Err(self.impossible(match on_data {
                        _ if self.ask.answer.is_sampled() => {
                            "no joint state that the model allows was found: an exact engine knows whether there is one"
                                .to_string()
                        }
                        true => format!("row {} has probability zero under the model", numbers[&chunk[bad]]),
                        false => "this evidence has probability zero under the model".to_string(),
                    }));
                }
                for (i, row) in chunk.iter().enumerate() {
                    self.check_place(*row, numbers[row])?;
                    let label = match (on_data, caption.is_empty()) {
                        (true, true) => format!("row {}", numbers[row]),
                        (true, false) => format!("{caption}, row {}", numbers[row]),
                        (false, _) => caption.clone(),
                    };
                    answers.push((label, self.row_answer(&outputs, i)));
                }
            }
        }
        let count = on_data.then_some(rows.len());
        Ok(match answers.len() {
            1 => (answers.remove(0).1, count, mass),
            _ => (AnswerValue::Settings(answers), count, None),
        })
    }

    /// The answer for one row of a posterior.
    fn row_answer(&self, outputs: &Outputs, row: usize) -> AnswerValue {
        let targets = self.targets();
        let slice = |name: &str| -> Vec<f64> { outputs.get(name).map_or(Vec::new(), |rows| rows[row].clone()) };
        let asked = |var: VarId| self.asked_of(var, slice(&self.program.vars[var].name));
        let single = targets.iter().all(|(v, _)| asked(*v).axes.is_empty());
        let discrete = targets.iter().all(|(v, _)| self.program.vars[*v].domain.is_discrete());
        if self.shape() == AnswerShape::Distribution && single && discrete {
            let of: Vec<String> = targets.iter().map(|(v, _)| asked(*v).name).collect();
            let shares = match targets.as_slice() {
                [(var, _)] => state_shares(self.program, *var, &asked(*var).values),
                _ => slice("joint"),
            };
            let labels: Vec<Vec<String>> =
                targets.iter().map(|(v, _)| state_labels(self.program, &self.program.vars[*v].domain)).collect();
            let mut states = Vec::new();
            for (i, share) in shares.into_iter().enumerate() {
                let mut rest = i;
                let mut codes = vec![0; labels.len()];
                for (k, l) in labels.iter().enumerate().rev() {
                    codes[k] = rest % l.len();
                    rest /= l.len();
                }
                let wanted = targets.iter().zip(&codes).all(|((_, at), code)| at.is_none_or(|a| a == *code));
                if wanted {
                    states.push((codes.iter().zip(&labels).map(|(&c, l)| l[c].clone()).collect(), share));
                }
            }
            return AnswerValue::Distribution { of, states };
        }
        let entries = targets
            .iter()
            .map(|(var, _)| {
                let declared = &self.program.vars[*var];
                let Asked { name, axes, values: raw } = asked(*var);
                let axes = extents(self.program, &axes);
                match (&declared.domain, self.shape()) {
                    (Domain::Cat(axis), AnswerShape::JointArgmax | AnswerShape::EachArgmax) => Entries {
                        name,
                        shape: axes,
                        values: codes(&raw, self.program.axes.extent(*axis).unwrap_or(1)),
                        labels: Some(state_labels(self.program, &declared.domain)),
                    },
                    (Domain::Cat(axis), _) => {
                        let mut shape = axes;
                        shape.extend(self.program.axes.extent(*axis));
                        Entries { name, shape, values: raw, labels: None }
                    }
                    (Domain::Bool | Domain::Spin, AnswerShape::JointArgmax | AnswerShape::EachArgmax) => Entries {
                        name,
                        shape: axes,
                        values: match declared.domain {
                            Domain::Spin => raw.iter().map(|v| f64::from(u8::from(*v > 0.0))).collect(),
                            _ => raw,
                        },
                        labels: Some(state_labels(self.program, &declared.domain)),
                    },
                    _ => Entries { name, shape: axes, values: raw, labels: None },
                }
            })
            .collect();
        AnswerValue::Entries(entries)
    }

    fn metric<T: Scalar>(&self, states: &mut States<T>) -> Result<(AnswerValue, usize), Failure> {
        let (Answer::Posterior { metric: Some((metric, truth)), .. }
        | Answer::Conditionals { metric: Some((metric, truth)), .. }) = &self.ask.answer
        else {
            return Ok((AnswerValue::Settings(Vec::new()), 0));
        };
        let (metric, truth) = (*metric, *truth);
        if let Metric::Retrieval { .. } = metric {
            return self.retrieval(states);
        }
        let rows = self.rows()?;
        let declared = &self.program.vars[truth];
        let class = match declared.domain {
            Domain::Cat(axis) => self.program.axes.extent(axis),
            _ => None,
        };
        let on = self.ask.on.as_ref().map(|o| o.data);
        let predicted = self.targets().first().map_or(truth, |t| t.0);
        // Clusters have states of their own, however many the labels are.
        let clusters = match self.program.vars[predicted].domain {
            Domain::Cat(axis) => self.program.axes.extent(axis),
            _ => None,
        };
        let most = class.unwrap_or(0).max(clusters.unwrap_or(0));
        let mut tally = Tally::new(metric, most, state_labels(self.program, &declared.domain));
        let mut cache = Cache::new();
        let numbers = self.numbers()?;
        let size = self.chunk::<T>(rows.len())?;
        for (step, chunk) in rows.chunks(size).enumerate() {
            let outputs = self.posterior::<T>(&mut cache, states, chunk, &[], step)?;
            let evidence = evidence_of(&outputs);
            let predicted = outputs.get(&self.program.vars[predicted].name);
            let output: Vec<f64> = predicted.into_iter().flatten().flatten().copied().collect();
            let guess = match clusters {
                Some(k) => codes(&output, k),
                None => output,
            };
            let actual: Vec<f64> = on
                .and_then(|data| self.data.gather::<f64>(self.program, data, truth, chunk, self.terms.seed, 0))
                .ok_or_else(|| {
                    Diagnostic::at(
                        Code::NothingBound,
                        self.ask.span,
                        format!("the data does not bind `{}`, so nothing can be compared with it", declared.name),
                    )
                    .help("bind a column of that name, or ask on other data")
                })?;
            let width = actual.len() / chunk.len().max(1);
            let lengths = on.and_then(|data| self.data.lengths::<f64>(self.program, data, truth, chunk));
            let width = width.max(1);
            for (row, (guess, actual)) in guess.chunks(width).zip(actual.chunks(width)).enumerate() {
                let length = lengths.as_ref().map_or(width, |l| (l[row] as usize).min(width));
                let absent = on.and_then(|data| self.data.absent(self.program, data, truth, chunk[row]));
                let there = |at: &usize| !absent.as_ref().is_some_and(|a| a[*at]);
                let asked = self.ask.place.as_ref().map_or(0..width, |place| self.entries_at(place, width));
                let known: Vec<usize> = (0..length).filter(|at| asked.contains(at)).filter(there).collect();
                // Chunks have ends: a row of which a part is unknown has none that could be compared.
                if known.is_empty() && (length > 0 || self.ask.place.is_some())
                    || metric == Metric::ChunkF1 && known.len() < length
                {
                    continue;
                }
                if evidence.get(row).is_some_and(|e| !e.is_finite()) {
                    let number = numbers[&chunk[row]];
                    return Err(self.impossible(format!("row {number} has probability zero under the model")));
                }
                let pick = |of: &[f64]| known.iter().map(|&at| of[at]).collect::<Vec<f64>>();
                tally.add(&pick(guess), &pick(actual));
            }
        }
        let counted = tally.rows();
        if counted == 0 {
            return Err(self.ask.on.as_ref().map_or_else(|| self.impossible("there is no row".into()), all_absent));
        }
        let figure = tally.figure();
        let value = match class {
            Some(k) if k <= 50 && metric != crate::model::Metric::ClusterError => AnswerValue::Confusion {
                figure,
                labels: state_labels(self.program, &declared.domain),
                counts: tally.counts,
            },
            _ => AnswerValue::Number(figure),
        };
        Ok((value, counted))
    }

    /// The figure, the rows it is over, and the estimate of a log-partition that it rests on.
    fn value(&self, states: &mut States<f64>) -> Result<(AnswerValue, usize, Option<Estimate>), Failure> {
        let Answer::Value { expr, leaves } = &self.ask.answer else {
            return Ok((AnswerValue::Settings(Vec::new()), 0, None));
        };
        let (Some(on), Subject::Model(model) | Subject::Guide(model)) = (&self.ask.on, self.ask.of) else {
            return Ok((AnswerValue::Settings(Vec::new()), 0, None));
        };
        let mut estimates: Vec<(String, Vec<f64>)> = Vec::new();
        let mut rests_on = None;
        for (model, normaliser, plan) in estimated(leaves) {
            let found = self.annealed(model, normaliser, plan, states)?;
            estimates.push((plan.name.clone(), vec![found.value]));
            rests_on = Some(found);
        }
        let inputs: Vec<VarId> = self.program.models[model]
            .vars
            .iter()
            .copied()
            .filter(|&v| self.data.binds(on.data, &self.program.vars[v].name))
            .collect();
        let rows = self.chosen(Scored::of(self.program, expr, leaves, &inputs).rows(self.program, self.data, on)?)?;
        let numbers = self.numbers()?;
        let limit = self.limit();
        let emit = |rows: usize| answer::value(self.program, rows, &inputs, expr, leaves);
        let size = match rows.len() {
            0 | 1 => 1,
            n => {
                let drawn =
                    self.ask.answer.is_sampled() || leaves.iter().any(|leaf| matches!(leaf, Leaf::Variational(_)));
                Growth::of::<f64>(&limit.as_limit(), emit)?.rows(self.share(drawn)).clamp(1, n)
            }
        };
        let mut sum = 0.0;
        let mut cache = Cache::new();
        for (step, chunk) in rows.chunks(size).enumerate() {
            let program = cache.get(chunk.len(), &limit.as_limit(), || emit(chunk.len()))?;
            let mut values = gather_inputs::<f64>(self.program, self.data, on.data, &inputs, chunk, self.terms.seed, 0);
            values.extend(estimates.iter().cloned());
            run_program(program, states, &values, self.terms.seed, step as u64).map_err(|e| self.failed(&e, chunk))?;
            if let Some((_, data)) = program.output("value") {
                for (i, &v) in data.iter().enumerate() {
                    if !v.is_finite() {
                        let message = format!("row {} makes `{}` infinite", numbers[&chunk[i]], self.ask.name);
                        return Err(Diagnostic::at(Code::ImpossibleRow, self.ask.span, message)
                            .help("the model gives this row probability zero")
                            .into());
                    }
                    sum += v;
                }
            }
        }
        Ok((AnswerValue::Number(sum / rows.len().max(1) as f64), rows.len(), rests_on))
    }

    fn draws<T: Scalar>(&self, states: &mut States<T>) -> Result<AnswerValue, Failure> {
        let Answer::Draws { draws: plan, targets, times, .. } = &self.ask.answer else {
            return Ok(AnswerValue::Settings(Vec::new()));
        };
        let rows = self.rows()?;
        // The draws of one setting lie side by side in a batch; settings too, so that one program makes all.
        let settings = self.settings();
        let bases = if rows.is_empty() { 1 } else { rows.len() };
        let total = settings.len().saturating_mul(bases).saturating_mul(*times);
        let limit = self.limit();
        let emit = |total: usize| draws(self.program, plan, total, targets);
        let kept = targets.iter().map(|&v| {
            let extents = extents(self.program, &self.program.vars[v].axes());
            memory::product(&extents, memory::NUMBER).saturating_add(CAPTION)
        });
        let kept = kept.fold(0usize, usize::saturating_add).saturating_mul(total);
        let held = Growth::of::<T>(&limit.as_limit(), emit)?.bytes(total).saturating_add(kept);
        limit.as_limit().verify(held).map_err(Failure::Told)?;
        let mut program = compile::<T>(&emit(total)?, &limit.as_limit())?;
        let mut inputs: Vec<(String, Vec<T>)> = Vec::new();
        let mut captions = Vec::new();
        for (caption, setting) in &settings {
            for base in 0..bases {
                let row: Vec<usize> = rows.get(base).copied().into_iter().collect();
                for _ in 0..*times {
                    captions.push(caption.clone());
                    for (name, values) in self.inputs::<T>(&row, setting) {
                        match inputs.iter_mut().find(|(n, _)| *n == name) {
                            Some((_, all)) => all.extend(values),
                            None => inputs.push((name, values)),
                        }
                    }
                }
            }
        }
        run_program(&mut program, states, &inputs, self.terms.seed, 0).map_err(|e| self.failed(&e, &[]))?;
        let mut drawn = Vec::new();
        for &var in targets {
            let declared = &self.program.vars[var];
            let output = |name: &str| -> Option<Vec<f64>> {
                program.output(name).map(|(_, data)| data.iter().map(|&v| v.into()).collect())
            };
            let Some(raw) = output(&declared.name) else { continue };
            let (values, labels, means) = match declared.domain {
                Domain::Cat(axis) => {
                    let k = self.program.axes.extent(axis).unwrap_or(1);
                    (codes(&raw, k), Some(state_labels(self.program, &declared.domain)), None)
                }
                _ => (raw, None, output(&format!("mean.{}", declared.name))),
            };
            drawn.push(Drawn {
                name: declared.name.clone(),
                shape: extents(self.program, &declared.axes()),
                settings: captions.clone(),
                values,
                means,
                labels,
            });
        }
        Ok(AnswerValue::Draws(drawn))
    }
}

/// The log-mass of the evidence in each row of a posterior.
pub(super) fn evidence_of(outputs: &Outputs) -> Vec<f64> {
    outputs.get("evidence").into_iter().flatten().flatten().copied().collect()
}

pub(super) fn extents(program: &Program, axes: &[AxisId]) -> Vec<usize> {
    program.extents(axes).unwrap_or_default()
}
