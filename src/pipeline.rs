//! OPEN FIRST: text → syntax tree → typed program → bound data → plan → trained parameters → answers, a method a stage.
//!
//! `Workspace` holds what one file is compiled from; `Compiled` is a checked, bound and planned program; `Trained` has
//! parameters and answers questions. The command line is this module's first client, an embedding program its second.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ndarray::{ArrayD, IxDyn};

use crate::base::span::{FileId, Sources};
use crate::data::{self, Column, Locations, Table};
use crate::diag::{Code, Diagnostic, Problems};
use crate::model::{
    Ask, DataId, DataSource, Domain, Evidence, EvidenceValue, ModelId, ParamId, Program, Question, Subject, VarId,
    Verb, inline_definitions,
};
use crate::plan::{self, AskPlan, Leaf, ObjectivePlan, Plan};
use crate::runtime::States;
use crate::train::{
    AnswerValue, Answered, DataSets, Event, Failure, Fit, Observer, Outcome, Terms, answer_all, answers, bind_data,
    binding, checkpoint, fit::Position, fit::held_out_rows, memory, start,
};
use crate::{sema, syntax};

/// Which number type parameters are kept and learned in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Precision {
    /// Single.
    F32,
    /// Double.
    F64,
}

/// What a file is compiled with besides its text.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed of everything random.
    pub seed: u64,
    /// `--set NAME=VALUE`.
    pub sets: BTreeMap<String, String>,
    /// Where data is looked for.
    pub locations: Locations,
    /// Data given as arrays, by the data set's name: it is not read from its source.
    pub tables: BTreeMap<String, Table>,
    /// The number type; chosen by the plan where absent.
    pub precision: Option<Precision>,
    /// Where a run keeps its checkpoints; none: nowhere.
    pub checkpoints: Option<PathBuf>,
    /// The least time between two checkpoints.
    pub checkpoint_every: Duration,
    /// Whether to go on from the latest checkpoint.
    pub resume: bool,
    /// The bytes that parameters, simulated data and any one program may hold; half of what is free where absent.
    pub max_memory: Option<usize>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            sets: BTreeMap::new(),
            locations: Locations::default(),
            tables: BTreeMap::new(),
            precision: None,
            checkpoints: None,
            checkpoint_every: Duration::from_secs(5),
            resume: false,
            max_memory: None,
        }
    }
}

/// Files that one file may use, all together.
const MOST_FILES: usize = 256;

/// Texts and settings: where a compilation starts.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// The texts.
    pub sources: Sources,
    /// The settings.
    pub settings: Settings,
}

/// What went wrong, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The texts the diagnostics point into.
    pub sources: Sources,
    /// Errors, and warnings beside them.
    pub problems: Problems,
}

impl Failed {
    /// A single failure of a run.
    pub fn of(sources: &Sources, failure: Failure) -> Failed {
        let mut problems = Problems::new();
        problems.push(failure.diagnostic());
        Failed { sources: sources.clone(), problems }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shown, left_out) = self.problems.sorted();
        f.write_str(&crate::diag::render_all(&shown, left_out, &self.sources, crate::diag::Style::PLAIN))
    }
}

impl std::error::Error for Failed {}

impl Workspace {
    /// A workspace for one text.
    pub fn of_text(name: &str, text: &str, settings: Settings) -> (Workspace, FileId) {
        let mut sources = Sources::default();
        let file = sources.add(name, text);
        for (name, text) in sema::library() {
            sources.add(name, text);
        }
        (Workspace { sources, settings }, file)
    }

    /// The files that a file uses, and these in turn, which the workspace does not hold yet: the caller adds the texts it can read.
    /// None of the standard library is among them.
    pub fn wanted(&self, file: FileId) -> Vec<String> {
        // Most files use none, and are not read a second time for that.
        if !self.sources.file(file).text.contains("use") {
            return Vec::new();
        }
        let tree = self.parse(file, &mut Problems::new());
        self.used(&tree, &mut Problems::new()).1
    }

    /// What a tree uses: trees by the names that `use` resolves to, and the names of those that are not there.
    fn used(
        &self,
        tree: &syntax::ast::File,
        problems: &mut Problems,
    ) -> (BTreeMap<String, syntax::ast::File>, Vec<String>) {
        let mut found: BTreeMap<String, syntax::ast::File> = BTreeMap::new();
        let mut wanted = Vec::new();
        let names = |tree: &syntax::ast::File| -> Vec<String> {
            let user = &self.sources.file(tree.file).name;
            let uses = tree.items.iter().filter_map(|i| match i {
                syntax::ast::Item::Use(u) => Some(sema::resolve(user, &u.source.text)),
                _ => None,
            });
            uses.collect()
        };
        let mut open = names(tree);
        while let Some(name) = open.pop() {
            if found.contains_key(&name) || wanted.contains(&name) || found.len() > MOST_FILES {
                continue;
            }
            match self.sources.find(&name) {
                Some(id) => {
                    let used = self.parse(id, problems);
                    open.extend(names(&used));
                    found.insert(name, used);
                }
                None if !name.starts_with("stdlib/") => wanted.push(name),
                None => {}
            }
        }
        (found, wanted)
    }

    /// Text → syntax tree.
    pub fn parse(&self, file: FileId, problems: &mut Problems) -> syntax::ast::File {
        syntax::parse(&self.sources, file, problems)
    }

    /// Syntax tree → typed program. Reads the headers of its data, never the bodies.
    pub fn check(&self, tree: &syntax::ast::File, problems: &mut Problems) -> Option<Program> {
        let mut troubles = Problems::new();
        let (used, _) = self.used(tree, &mut troubles);
        if troubles.has_errors() {
            problems.extend(troubles);
            return None;
        }
        let mut schemas = BTreeMap::new();
        for request in sema::sources(tree) {
            if let Some(table) = self.settings.tables.get(&request.name) {
                schemas.insert(request.name, table.schema_with_labels());
                continue;
            }
            let Some(source) = binding::source_of(&request.reader, &request.path, &request.columns) else { continue };
            match data::schema(&source, &self.settings.locations) {
                Ok(schema) => {
                    schemas.insert(request.name, schema);
                }
                Err(error) => {
                    problems.push(Diagnostic::at(error.code(), request.span, error.to_string()).help(error.help()))
                }
            }
        }
        let names = used.values().chain([tree]).map(|t| (t.file, self.sources.file(t.file).name.clone())).collect();
        let input = sema::Input { schemas, sets: self.settings.sets.clone(), used, names };
        let program = sema::check(tree, &input, problems)?;
        match inlined(program) {
            Ok(program) => Some(with_guides(tree, &input, program)),
            Err(problem) => {
                problems.push(*problem);
                None
            }
        }
    }

    /// Typed program → plan, without data: sizes that only data tells are unknown to it.
    pub fn plan(&self, program: &Program, problems: &mut Problems) -> Plan {
        plan::choose_plan(program, problems)
    }

    /// All stages up to a plan with its data bound.
    pub fn compile(&self, file: FileId) -> Result<Compiled, Failed> {
        let mut problems = Problems::new();
        let failed = |problems: &Problems| Failed { sources: self.sources.clone(), problems: problems.clone() };
        let tree = self.parse(file, &mut problems);
        if problems.has_errors() {
            return Err(failed(&problems));
        }
        let Some(mut program) = self.check(&tree, &mut problems).filter(|_| !problems.has_errors()) else {
            return Err(failed(&problems));
        };
        let memory = self.allowance();
        let data = self.bind(&mut program).map_err(|e| Failed::of(&self.sources, e))?;
        memory::verify_params(&program, memory).map_err(|e| Failed::of(&self.sources, Failure::Told(e)))?;
        let plan = self.plan(&program, &mut problems);
        if problems.has_errors() {
            return Err(failed(&problems));
        }
        let precision = self.settings.precision.unwrap_or_else(|| choose_precision(&program, &plan));
        Ok(Compiled { workspace: self.clone(), file, program, plan, data, precision, memory, warnings: problems })
    }

    /// The bytes that one program of a run may hold.
    fn allowance(&self) -> usize {
        self.settings.max_memory.unwrap_or_else(memory::allowance)
    }

    /// Typed program → program with its data: extents and labels become known.
    pub fn bind(&self, program: &mut Program) -> Result<DataSets, Failure> {
        let memory = self.allowance();
        let mut simulate = |program: &Program, id: DataId, sets: &DataSets| simulate(program, id, sets, memory);
        bind_data(program, &self.settings.locations, &self.settings.tables, &mut simulate)
    }
}

/// A program with its definitions put in where they are read.
fn inlined(mut program: Program) -> Result<Program, Box<Diagnostic>> {
    match inline_definitions(&mut program) {
        Ok(()) => Ok(program),
        Err(refused) => Err(Box::new(refused.diagnostic(&program))),
    }
}

/// The program with the guides that its training lacks and that can be made: written behind their models and checked with the file. One with
/// which no training line is planned that was not planned without is not kept, and the file is told what it lacks.
fn with_guides(tree: &syntax::ast::File, input: &sema::Input, program: Program) -> Program {
    let missing = plan::missing_guides(&program);
    if missing.is_empty() {
        return program;
    }
    let planned = |program: &Program| {
        let mut problems = Problems::new();
        let plan = plan::choose_plan(program, &mut problems);
        (plan.trains.len(), problems.has_errors())
    };
    let (mut tree, mut best) = (tree.clone(), program);
    let mut before = planned(&best);
    for guide in missing {
        let declared = &best.models[guide.model];
        let (name, span) = (declared.name.clone(), declared.span);
        let mut own = Sources::default();
        let file = own.add("guide", guide.text.as_str());
        let mut troubles = Problems::new();
        let mut items = syntax::parse(&own, file, &mut troubles).items;
        items.iter_mut().for_each(|item| syntax::rewrite::place_item(span, item));
        let mut with = tree.clone();
        let is_own = |item: &syntax::ast::Item| matches!(item, syntax::ast::Item::Model(m) if m.name.text == name);
        let Some(at) = with.items.iter().position(is_own) else { continue };
        with.items.splice(at + 1..at + 1, items);
        let checked = sema::check(&with, input, &mut troubles).filter(|_| !troubles.has_errors());
        let Some(mut checked) = checked.and_then(|program| inlined(program).ok()) else { continue };
        let Some(id) = checked.models.iter().find(|(_, m)| m.name == name).map(|(id, _)| id) else { continue };
        let kept: Vec<(ModelId, String)> =
            best.models.iter().filter_map(|(id, m)| Some((id, m.guide.as_ref()?.made.clone()?))).collect();
        for (id, text) in kept.into_iter().chain([(id, guide.text)]) {
            if let Some(guide) = &mut checked.models[id].guide {
                guide.made = Some(text);
            }
        }
        let after = planned(&checked);
        if after.0 > before.0 && (before.1 || !after.1) {
            (tree, best, before) = (with, checked, after);
        }
    }
    best
}

/// Double precision where everything is exact and small enough for it to cost nothing that is felt.
fn choose_precision(program: &Program, plan: &Plan) -> Precision {
    let entries: usize =
        program.params.iter().map(|(_, p)| program.extents(&p.axes).map_or(0, |e| e.iter().product::<usize>())).sum();
    let exact = plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines).all(|line| {
        line.update.is_em()
            || matches!(&line.objective, ObjectivePlan::Expression { leaves, .. }
                if leaves.iter().all(|l| matches!(l, Leaf::LogLik(p) if p.kind.is_some())))
    });
    if exact && entries <= 2_000 { Precision::F64 } else { Precision::F32 }
}

/// Rows drawn from a model whose parameters are drawn from their priors, or stand at their starting values. Where they are drawn
/// for the rows of other data, one for each, what these bind is held at its values and kept beside the draws.
fn simulate(program: &Program, id: DataId, sets: &DataSets, memory: usize) -> Result<Table, Failure> {
    let declared = &program.data[id];
    let DataSource::Sample { model, rows, given, seed } = &declared.source else {
        return Ok(Table::default());
    };
    let of_rows = given.as_ref().map(|on| sets.rows(program, on)).transpose()?;
    let known = |v: &VarId| given.as_ref().is_some_and(|on| sets.binds(on.data, &program.vars[*v].name));
    let (held, free): (Vec<VarId>, Vec<VarId>) = program.models[*model].vars.iter().partition(|v| known(v));
    let evidence = held.iter().map(|&var| Evidence { var, value: EvidenceValue::Bound, intervention: false });
    let ask = Ask {
        verb: Verb::Sample,
        name: declared.name.clone(),
        question: Question::Probability {
            targets: free.iter().map(|&v| (v, None)).collect(),
            evidence: evidence.collect(),
        },
        of: Subject::Model(*model),
        on: given.clone(),
        row: None,
        place: None,
        by: Vec::new(),
        times: Some(if of_rows.is_some() { 1 } else { *rows }),
        span: declared.span,
    };
    let plan = plan::choose_ask(program, &ask).map_err(Failure::Told)?;
    memory::verify_params(program, memory)?;
    let mut states = start::true_states(program, *model, *seed)?;
    let terms = Terms { seed: *seed, memory, unset: BTreeSet::new() };
    let answered = answers::answer_one(program, &plan, sets, &mut states, &terms)?;
    let AnswerValue::Draws(drawn) = answered.value else { return Ok(Table::default()) };
    let mut columns = Vec::new();
    for draw in drawn {
        let column = match draw.labels {
            Some(labels) => Column::coded(draw.shape, draw.values.iter().map(|&v| v as usize).collect(), labels),
            None => Column::numbers(draw.shape, draw.values),
        };
        columns.push((draw.name, column));
    }
    if let (Some(on), Some(rows)) = (given, of_rows) {
        if columns.first().is_some_and(|(_, column)| column.rows() != rows.len()) {
            return Err(Diagnostic::at(Code::NotSupported, on.span, "some of these rows have values absent")
                .help("draw for rows in which everything that the model reads is there")
                .into());
        }
        let beside = sets.bound(on.data).filter(|(name, _)| !free.iter().any(|&v| program.vars[v].name == *name));
        columns.extend(beside.map(|(name, column)| (name.to_string(), column.select(&rows))).collect::<Vec<_>>());
    }
    Ok(Table::from_columns(columns)?)
}

/// A program that is checked, bound to its data and planned.
#[derive(Clone, Debug)]
pub struct Compiled {
    workspace: Workspace,
    file: FileId,
    program: Program,
    plan: Plan,
    data: DataSets,
    precision: Precision,
    /// The bytes that one program may hold.
    memory: usize,
    warnings: Problems,
}

/// Buffers in the number type of the run.
#[derive(Clone, Debug)]
enum Buffers {
    Single(States<f32>),
    Double(States<f64>),
}

impl Compiled {
    /// Compiles one text. Errors: everything that is wrong with it, told together.
    pub fn of_text(name: &str, text: &str, settings: Settings) -> Result<Compiled, Failed> {
        let (workspace, file) = Workspace::of_text(name, text, settings);
        workspace.compile(file)
    }

    /// The typed program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The bound data.
    pub fn data(&self) -> &DataSets {
        &self.data
    }

    /// The texts.
    pub fn sources(&self) -> &Sources {
        &self.workspace.sources
    }

    /// The settings it was compiled with.
    pub fn settings(&self) -> &Settings {
        &self.workspace.settings
    }

    /// The file.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The number type of its parameters.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Warnings that compiling gave.
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// The same program, its training kept in a directory of checkpoints, and gone on with from there if `resume`.
    /// Two checkpoints lie at least `every` apart.
    pub fn with_checkpoints(mut self, dir: PathBuf, every: Duration, resume: bool) -> Compiled {
        self.workspace.settings.checkpoints = Some(dir);
        self.workspace.settings.checkpoint_every = every;
        self.workspace.settings.resume = resume;
        self
    }

    /// The plan told for people.
    pub fn explain(&self) -> String {
        plan::explain_text(&self.program, &self.plan, &self.workspace.sources)
    }

    /// What must agree for a checkpoint to be gone on from: text, seed, settings, number type, data.
    pub fn fingerprint(&self) -> String {
        let text = &self.workspace.sources.file(self.file).text;
        let seed = self.workspace.settings.seed.to_le_bytes();
        let sets = format!("{:?} {:?}", self.workspace.settings.sets, self.precision);
        crate::train::checkpoint::fingerprint(&[
            text.as_bytes(),
            &seed,
            sets.as_bytes(),
            &self.data.digest().to_le_bytes(),
        ])
    }

    /// Whether the whole file can be carried out: what [`Compiled::train`] would stop at before its first step.
    ///
    /// # Errors
    /// An engine that the plan needs is not built yet (E0606, one for each place), or the data has no rows to train on.
    pub fn verify(&self) -> Result<(), Failed> {
        if !self.plan.missing.is_empty() {
            let mut problems = Problems::new();
            self.plan.missing.iter().for_each(|m| problems.push(m.problem.clone()));
            return Err(Failed { sources: self.workspace.sources.clone(), problems });
        }
        let told = |e: Failure| Failed::of(&self.workspace.sources, e);
        self.data.verify_rows(&self.program, &self.plan).map_err(told)?;
        for train in &self.plan.trains {
            for stage in &train.stages {
                held_out_rows(&self.program, &self.data, train, stage).map_err(told)?;
            }
        }
        Ok(())
    }

    /// Trains as the file says. `stop` may be set from elsewhere: the run then saves a checkpoint and comes back.
    pub fn train(&self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Trained, Failed> {
        self.verify()?;
        let (buffers, position, outcome, resumed, lock) = match self.precision {
            Precision::F32 => {
                let (states, position, outcome, resumed, lock) = self.fit::<f32>(stop, observer)?;
                (Buffers::Single(states), position, outcome, resumed, lock)
            }
            Precision::F64 => {
                let (states, position, outcome, resumed, lock) = self.fit::<f64>(stop, observer)?;
                (Buffers::Double(states), position, outcome, resumed, lock)
            }
        };
        let unset = start::unset(&self.program, &self.plan);
        Ok(Trained { compiled: self.clone(), buffers, position, outcome, resumed, unset, _lock: lock })
    }

    fn fit<T: crate::train::fit::Scalar>(
        &self,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Fitted<T>, Failed> {
        let told = |e: Failure| Failed::of(&self.workspace.sources, e);
        let options = crate::train::Options {
            seed: self.workspace.settings.seed,
            checkpoints: self.workspace.settings.checkpoints.clone(),
            every: self.workspace.settings.checkpoint_every,
            fingerprint: self.fingerprint(),
            memory: self.memory,
        };
        let lock = match &options.checkpoints {
            Some(dir) => Some(Arc::new(checkpoint::lock(dir).map_err(|e| told(e.into()))?)),
            None => None,
        };
        let mut fit: Fit<'_, T> = Fit::new(&self.program, &self.plan, &self.data, options);
        let resumed = self.workspace.settings.resume && fit.resume(observer).map_err(told)?;
        let outcome = fit.run(stop, observer).map_err(told)?;
        Ok((fit.states().clone(), fit.position().clone(), outcome, resumed, lock))
    }

    /// The program with parameters at their starting values, as if trained for no epochs.
    pub fn untrained(&self) -> Trained {
        let seed = self.workspace.settings.seed;
        let buffers = match self.precision {
            Precision::F32 => Buffers::Single(start::start_states(&self.program, &self.plan, seed)),
            Precision::F64 => Buffers::Double(start::start_states(&self.program, &self.plan, seed)),
        };
        let mut unset = start::unset(&self.program, &self.plan);
        unset.extend(start::moved(&self.plan));
        let (compiled, position, outcome) = (self.clone(), Position::default(), Outcome::Done);
        Trained { compiled, buffers, position, outcome, resumed: false, unset, _lock: None }
    }

    /// The plan of one more question in the file's notation, such as `P(rain | wet = yes)`.
    pub fn plan_question(&self, question: &str) -> Result<(Program, AskPlan, Sources), Failed> {
        let mut workspace = self.workspace.clone();
        let old = workspace.sources.file(self.file);
        let text = format!("{}\nquery question_asked = {question}\n", old.text);
        let name = format!("{} with the question", old.name);
        let file = workspace.sources.add(name, text);
        let mut problems = Problems::new();
        let tree = workspace.parse(file, &mut problems);
        let checked = match problems.has_errors() {
            true => None,
            false => workspace.check(&tree, &mut problems),
        };
        let failed = |problems: Problems| Failed { sources: workspace.sources.clone(), problems };
        let Some(mut program) = checked.filter(|_| !problems.has_errors()) else { return Err(failed(problems)) };
        workspace.bind(&mut program).map_err(|e| Failed::of(&workspace.sources, e))?;
        let Some(ask) = program.asks.last().filter(|a| a.name == "question_asked") else {
            return Err(failed(problems));
        };
        match plan::choose_ask(&program, ask) {
            Ok(plan) => Ok((program, plan, workspace.sources.clone())),
            Err(problem) => {
                problems.push(*problem);
                Err(failed(problems))
            }
        }
    }
}

/// A program with parameters.
#[derive(Clone, Debug)]
pub struct Trained {
    compiled: Compiled,
    buffers: Buffers,
    position: Position,
    outcome: Outcome,
    resumed: bool,
    /// Parameters that no training, prior, simulation or caller has set.
    unset: BTreeSet<ParamId>,
    /// Keeps others out of the run's directory for as long as this stands.
    _lock: Option<Arc<checkpoint::Lock>>,
}

/// What a fit ends with: buffers, position, outcome, whether it was resumed, and the lock on its directory.
type Fitted<T> = (States<T>, Position, Outcome, bool, Option<Arc<checkpoint::Lock>>);

impl Trained {
    /// The program.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// How training ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether training went on from a checkpoint.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Where training stands, with its history.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Warnings about what training came to.
    pub fn remarks(&self) -> Problems {
        let mut problems = Problems::new();
        let compiled = &self.compiled;
        for remark in crate::train::remarks(&compiled.program, &compiled.plan, &self.position.history) {
            problems.push(remark);
        }
        problems
    }

    /// What every answer is made with.
    fn terms(&self) -> Terms {
        let compiled = &self.compiled;
        Terms { seed: compiled.workspace.settings.seed, memory: compiled.memory, unset: self.unset.clone() }
    }

    /// Answers every question of the file, in order; `done` is told of each. A question that fails has its failure for an answer.
    pub fn answer_all(&mut self, stop: &AtomicBool, done: &mut dyn FnMut(&Answered)) -> Vec<Answered> {
        let terms = self.terms();
        let c = &self.compiled;
        match &mut self.buffers {
            Buffers::Single(states) => answer_all(&c.program, &c.plan, &c.data, states, &terms, stop, done),
            Buffers::Double(states) => answer_all(&c.program, &c.plan, &c.data, states, &terms, stop, done),
        }
    }

    /// Answers one question in the file's notation.
    pub fn ask(&mut self, question: &str) -> Result<Answered, Failed> {
        let (program, plan, sources) = self.compiled.plan_question(question)?;
        self.answer(&program, &plan).map_err(|e| Failed::of(&sources, e))
    }

    /// Answers a planned question; the program must be this one, perhaps with more questions.
    pub fn answer(&mut self, program: &Program, plan: &AskPlan) -> Result<Answered, Failure> {
        let terms = self.terms();
        let data = &self.compiled.data;
        match &mut self.buffers {
            Buffers::Single(states) => answers::answer_one(program, plan, data, states, &terms),
            Buffers::Double(states) => answers::answer_one(program, plan, data, states, &terms),
        }
    }

    /// Parameters by name, with their extents.
    pub fn params(&self) -> BTreeMap<String, ArrayD<f64>> {
        let program = &self.compiled.program;
        let mut params = BTreeMap::new();
        for (_, param) in program.params.iter() {
            let found = match &self.buffers {
                Buffers::Single(s) => {
                    s.get(&param.name).map(|(shape, d)| (shape.to_vec(), d.iter().map(|&v| f64::from(v)).collect()))
                }
                Buffers::Double(s) => s.get(&param.name).map(|(shape, d)| (shape.to_vec(), d.to_vec())),
            };
            if let Some((shape, data)) = found
                && let Ok(array) = ArrayD::from_shape_vec(IxDyn(&shape), data)
            {
                params.insert(param.name.clone(), array);
            }
        }
        params
    }

    /// Sets a parameter. Errors: the name or the shape is not the program's.
    pub fn set_param(&mut self, name: &str, value: &ArrayD<f64>) -> Result<(), Failed> {
        let program = &self.compiled.program;
        let told = |message: String| {
            let diagnostic = Diagnostic::new(Code::OtherModel, message).help("give it the shape the program declares");
            Failed::of(&self.compiled.workspace.sources, diagnostic.into())
        };
        let Some((id, param)) = program.params.iter().find(|(_, p)| p.name == name) else {
            let known: Vec<&str> = program.params.iter().map(|(_, p)| p.name.as_str()).collect();
            return Err(told(format!("the program has no parameter `{name}`; it has {}", known.join(", "))));
        };
        let shape = program.extents(&param.axes).unwrap_or_default();
        if shape != value.shape() {
            return Err(told(format!("`{name}` has shape {shape:?}, and {:?} was given", value.shape())));
        }
        match &mut self.buffers {
            Buffers::Single(s) => {
                s.insert(name.to_string(), &shape, value.iter().map(|&v| v as f32).collect());
            }
            Buffers::Double(s) => {
                s.insert(name.to_string(), &shape, value.iter().copied().collect());
            }
        }
        self.unset.remove(&id);
        Ok(())
    }

    /// Parameters in the run's number type, to be saved; with the labels of enumerations.
    pub fn saved_params(&self) -> crate::train::checkpoint::Params {
        use crate::train::checkpoint::{Buffer, Params};
        let program = &self.compiled.program;
        let mut buffers = Vec::new();
        for (_, param) in program.params.iter() {
            let buffer = match &self.buffers {
                Buffers::Single(s) => {
                    s.get(&param.name).map(|(shape, d)| Buffer::F32 { shape: shape.to_vec(), data: d.to_vec() })
                }
                Buffers::Double(s) => {
                    s.get(&param.name).map(|(shape, d)| Buffer::F64 { shape: shape.to_vec(), data: d.to_vec() })
                }
            };
            buffers.extend(buffer.map(|b| (param.name.clone(), b)));
        }
        let labelled = program.axes.iter().filter_map(|(_, axis)| {
            let labels = axis.labels.as_ref()?;
            Some((format!("labels.{}", axis.name), serde_json::to_string(labels).ok()?))
        });
        Params { buffers, texts: labelled.collect() }
    }

    /// Takes saved parameters. Errors: one is missing or has another shape, or the states of an enumeration are others.
    pub fn take_params(&mut self, params: &crate::train::checkpoint::Params) -> Result<(), Failed> {
        use crate::train::fit::Scalar;
        let program = self.compiled.program.clone();
        for (_, axis) in program.axes.iter() {
            let saved = params.texts.get(&format!("labels.{}", axis.name));
            let saved = saved.and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
            let (Some(saved), Some(own)) = (saved, &axis.labels) else { continue };
            if saved != *own {
                let differs = saved.iter().zip(own).position(|(a, b)| a != b).unwrap_or(saved.len().min(own.len()));
                let state = |labels: &[String]| match labels.get(differs) {
                    Some(label) => format!("`{label}`"),
                    None => "none".to_string(),
                };
                let message = format!(
                    "the saved parameters are of other states of `{}`: state {} is {} there and {} here",
                    axis.name,
                    differs + 1,
                    state(&saved),
                    state(own)
                );
                let diagnostic = Diagnostic::new(Code::OtherModel, message).primary(axis.span, "declared here").help(
                    "use the data that the parameters were trained on, or name the states in their order with `axis`",
                );
                return Err(Failed::of(&self.compiled.workspace.sources, diagnostic.into()));
            }
        }
        for (_, param) in program.params.iter() {
            let Some((_, buffer)) = params.buffers.iter().find(|(name, _)| *name == param.name) else {
                let diagnostic =
                    Diagnostic::new(Code::OtherModel, format!("the saved parameters have no `{}`", param.name))
                        .primary(param.span, "declared here")
                        .help("these parameters belong to another model, or to an older text of this one");
                return Err(Failed::of(&self.compiled.workspace.sources, diagnostic.into()));
            };
            let array = ArrayD::from_shape_vec(IxDyn(buffer.shape()), f64::read(buffer));
            self.set_param(&param.name, &array.unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Collects events: for tests and embedding programs that want the history at the end.
#[derive(Clone, Debug, Default)]
pub struct Collected(pub Vec<Event>);

impl Observer for Collected {
    fn notice(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}

/// Whether a variable is one a picture can be made of: numbers in [0, 1] over one axis of square extent.
pub fn picture_side(program: &Program, var: VarId) -> Option<usize> {
    let declared = &program.vars[var];
    let [axis] = declared.axes()[..] else { return None };
    if !matches!(declared.domain, Domain::Bool | Domain::Unit | Domain::Real) {
        return None;
    }
    let n = program.axes.extent(axis)?;
    let side = (n as f64).sqrt().round() as usize;
    (side * side == n && side >= 4).then_some(side)
}
