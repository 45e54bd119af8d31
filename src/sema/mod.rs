//! Checking: from the syntax tree to the typed program. Comes in: a tree, the schemas of its data, sizes set from outside; goes out: `model::Program`
//! and every error that can be told apart. What fails is dropped with its statement; the names it declares count as declared.

mod asks;
mod axes;
mod bounds;
mod calls;
mod columns;
mod convolution;
mod data;
mod dists;
mod expand;
mod exprs;
mod foreign;
mod forms;
mod layers;
mod library;
mod lifted;
mod link;
mod lists;
mod models;
mod nets;
mod objectives;
mod places;
mod ranges;
mod retrieval;
mod rows;
mod scope;
mod submodels;
mod trains;
mod types;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::schema::Schema;
use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic, Problems};
use crate::model::*;
use crate::syntax::ast;

pub use library::{library, resolve};
pub use types::show_type;

/// What a file is checked against besides itself.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// What each data set offers, by its name in the file; a set without a schema is taken on trust.
    pub schemas: BTreeMap<String, Schema>,
    /// Sizes and other values set from outside, `--set State=16`.
    pub sets: BTreeMap<String, String>,
    /// The files that it uses, and those that these use, each under the name that [`resolve`] gives.
    pub used: BTreeMap<String, ast::File>,
    /// The names of the files that were read, by their ids.
    pub names: BTreeMap<FileId, String>,
}

/// A data set that a file reads.
#[derive(Clone, Debug, PartialEq)]
pub struct DataRequest {
    /// Its name in the file.
    pub name: String,
    /// The reader: `dataset`, `csv`, ..
    pub reader: String,
    /// What the reader is given: a name or a path.
    pub path: String,
    /// The names that its bindings give to the columns of a file without names, in the file's order.
    pub columns: Vec<String>,
    /// Where the file asks for it.
    pub span: Span,
}

/// Readers of data that a file may name.
pub const READERS: [&str; 10] = ["dataset", "csv", "tsv", "npy", "npz", "idx", "columns", "text", "jsonl", "wav"];

/// The data sets that a file reads, so that their schemas can be fetched before it is checked.
pub fn sources(file: &ast::File) -> Vec<DataRequest> {
    let request = |data: &ast::Data| {
        let ast::ExprKind::Call { callee, args, .. } = &data.source.bare().kind else { return None };
        let reader = callee.name()?.text.clone();
        let ast::ExprKind::Text(path) = &args.first()?.value.bare().kind else { return None };
        let known = READERS.contains(&reader.as_str());
        known.then(|| DataRequest {
            name: data.name.text.clone(),
            reader,
            path: path.text.clone(),
            columns: columns::column_names(file, data),
            span: data.source.span,
        })
    };
    let data = file.items.iter().filter_map(|i| if let ast::Item::Data(d) = i { Some(d) } else { None });
    data.filter_map(request).collect()
}

/// Checks a file. There is a program unless there was an error; warnings go to the collector as well.
pub fn check(file: &ast::File, input: &Input, problems: &mut Problems) -> Option<Program> {
    let mut own = Problems::new();
    let linked = link::link(file, input, &mut own);
    if own.has_errors() {
        // Whatever else seemed wrong might be what the missing file would bring.
        problems.extend(own);
        return None;
    }
    let file = linked.as_ref().unwrap_or(file);
    let freed = rows::without_rows(file);
    let file = freed.as_ref().unwrap_or(file);
    let mut checker = Checker {
        file,
        input,
        problems: &mut own,
        program: Program::default(),
        declared_axes: BTreeMap::new(),
        axes: BTreeMap::new(),
        extents: BTreeMap::new(),
        enumerated: BTreeMap::new(),
        positional: BTreeMap::new(),
        models: BTreeMap::new(),
        model_ids: BTreeMap::new(),
        guides: BTreeMap::new(),
        objectives: BTreeMap::new(),
        schedules: BTreeMap::new(),
        unfolding: 0,
        nets: BTreeMap::new(),
        file_params: BTreeMap::new(),
        data: BTreeMap::new(),
        open_data: Vec::new(),
        model_names: BTreeMap::new(),
        expanding: Vec::new(),
        training_on: None,
        asked_on: None,
        silent: Vec::new(),
        failed_models: BTreeSet::new(),
        failed_data: BTreeSet::new(),
        parts: BTreeSet::new(),
        made: 0,
        label_places: BTreeMap::new(),
    };
    checker.run();
    let program = checker.program;
    let failed = own.has_errors();
    problems.extend(own);
    (!failed).then_some(program)
}

/// The state of one check.
struct Checker<'a> {
    file: &'a ast::File,
    input: &'a Input,
    problems: &'a mut Problems,
    program: Program,
    /// Axes with an `axis` item or a place in a data column: what a near miss may have meant.
    declared_axes: BTreeMap<String, Span>,
    axes: BTreeMap<String, AxisId>,
    /// Who told an axis its extent.
    extents: BTreeMap<AxisId, (Span, String)>,
    /// Enumerations that data bind, and whether the first such data told their labels.
    enumerated: BTreeMap<AxisId, bool>,
    /// Enumerations of which a state was named by its number, and the first place where.
    positional: BTreeMap<AxisId, Span>,
    models: BTreeMap<String, &'a ast::Model>,
    model_ids: BTreeMap<String, ModelId>,
    guides: BTreeMap<String, &'a ast::Guide>,
    /// Expressions with a name, the standard library's where the file has none of that name.
    objectives: BTreeMap<String, ast::Objective>,
    /// Training lines with a name, likewise.
    schedules: BTreeMap<String, ast::Schedule>,
    /// How many of either are being put in, one inside another.
    unfolding: usize,
    nets: BTreeMap<String, nets::NetInfo<'a>>,
    file_params: BTreeMap<String, ParamId>,
    data: BTreeMap<String, DataId>,
    /// Data sets without a body: every column is bound by its name once the models are known.
    open_data: Vec<(DataId, &'a ast::Data)>,
    /// What a model's names stand for, for its guide, its training and its questions.
    model_names: BTreeMap<ModelId, scope::Scope>,
    /// Sub-models being put in, outermost first.
    expanding: Vec<String>,
    /// What `data` stands for in the objectives that are read.
    training_on: Option<DataId>,
    /// The data that the question at hand is asked on.
    asked_on: Option<DataId>,
    /// Statements that came to nothing and gave no reason.
    silent: Vec<Span>,
    /// Models with errors of their own: that names of theirs seem to be missing is no news.
    failed_models: BTreeSet<ModelId>,
    /// Data sets with errors of their own.
    failed_data: BTreeSet<DataId>,
    /// Models that others are made of.
    parts: BTreeSet<String>,
    /// Operations of all statements so far, sub-models and nets put in.
    made: usize,
    /// Where each label stands on an axis of many.
    label_places: BTreeMap<AxisId, BTreeMap<String, usize>>,
}

impl<'a> Checker<'a> {
    fn run(&mut self) {
        let file = self.file;
        self.check_set_sizes();
        self.axis_items();
        self.register_items();
        for item in &file.items {
            if let ast::Item::Data(data) = item {
                let before = self.problems.len();
                self.data_item(data);
                self.note_failed_data(&data.name.text, before);
            }
        }
        for item in &file.items {
            if let ast::Item::Param(params) = item {
                self.file_params(params);
            }
        }
        for item in &file.items {
            if let ast::Item::Model(model) = item {
                self.model_item(model);
            }
        }
        self.guide_items();
        self.close_data();
        self.silent_data();
        for item in &file.items {
            // What fails has reported itself and is left out.
            let before = self.problems.len();
            let done: Option<()> = match item {
                ast::Item::Train(train) => self.train_item(train),
                ast::Item::Ask(ask) => self.ask_item(ask),
                ast::Item::Infer(infer) => self.infer_item(infer),
                ast::Item::Require(require) => self.require_item(require),
                ast::Item::Report(report) => self.report_item(report),
                _ => Some(()),
            };
            self.note_silent(done, before, item.span());
        }
        self.check_set_names();
        // Where nothing else is wrong, what came to nothing must not pass for done.
        if !self.problems.has_errors() {
            for span in std::mem::take(&mut self.silent) {
                self.push(
                    Diagnostic::at(Code::NotAValue, span, "this says nothing that can be carried out")
                        .help("compare it with the forms in the description of the language"),
                );
            }
        }
    }

    /// Notes a statement that came to nothing without a reason.
    fn note_silent(&mut self, done: Option<()>, before: usize, span: Span) {
        if done.is_none() && self.problems.len() == before {
            self.silent.push(span);
        }
    }

    /// Notes a data set whose reading brought errors, or that is made of such a set.
    fn note_failed_data(&mut self, name: &str, before: usize) {
        let Some(&id) = self.data.get(name) else { return };
        let inherited = match &self.program.data[id].source {
            DataSource::Of(of) => self.failed_data.contains(&of.data),
            DataSource::Read { .. } | DataSource::Sample { .. } => false,
        };
        if inherited || self.problems.len() > before {
            self.failed_data.insert(id);
        }
    }

    /// Notes data sets that ended without a source.
    fn silent_data(&mut self) {
        let sets = self.program.data.iter();
        let empty = sets.filter(|(_, d)| matches!(&d.source, DataSource::Read { reader, .. } if reader.is_empty()));
        let (ids, spans): (Vec<DataId>, Vec<Span>) = empty.map(|(id, d)| (id, d.span)).unzip();
        self.failed_data.extend(ids);
        self.silent.extend(spans);
    }

    /// Whether what a data set binds can be held against a model: both were read whole.
    fn comparable(&self, model: ModelId, data: DataId) -> bool {
        !self.failed_models.contains(&model) && !self.failed_data.contains(&data)
    }

    /// Notes every model, guide and net by name, so that order does not matter.
    fn register_items(&mut self) {
        let file = self.file;
        let mut asks: BTreeMap<&str, Span> = BTreeMap::new();
        let own = |name: &ast::Name| {
            file.items.iter().any(|i| match i {
                ast::Item::Objective(o) => o.name.text == name.text,
                ast::Item::Schedule(s) => s.name.text == name.text,
                ast::Item::Model(m) => m.name.text == name.text,
                ast::Item::Net(n) => n.name.text == name.text,
                _ => false,
            })
        };
        for item in library::known() {
            match item {
                ast::Item::Objective(o) if !own(&o.name) => {
                    drop(self.objectives.insert(o.name.text.clone(), o.clone()))
                }
                ast::Item::Schedule(s) if !own(&s.name) => drop(self.schedules.insert(s.name.text.clone(), s.clone())),
                _ => {}
            }
        }
        for item in &file.items {
            match item {
                ast::Item::Model(model) => {
                    if let Some(first) = self.models.get(&model.name.text) {
                        let first = first.name.span;
                        self.twice(&model.name, first, "model");
                    } else {
                        self.models.insert(model.name.text.clone(), model);
                    }
                }
                ast::Item::Guide(guide) => match self.guides.get(&guide.model.text) {
                    Some(first) => {
                        let diagnostic = Diagnostic::at(
                            Code::DefinedTwice,
                            guide.model.span,
                            format!("the model `{}` has two guides", guide.model.text),
                        )
                        .saying("again here")
                        .label(first.model.span, "first here")
                        .help("put what both say into one `guide`");
                        self.problems.push(diagnostic);
                    }
                    None => {
                        self.guides.insert(guide.model.text.clone(), guide);
                    }
                },
                ast::Item::Net(net) => self.net_item(net),
                ast::Item::Objective(o) => {
                    if let Some(first) = self.objectives.get(&o.name.text) {
                        let first = first.name.span;
                        self.twice(&o.name, first, "objective");
                    }
                    self.objectives.insert(o.name.text.clone(), o.clone());
                }
                ast::Item::Schedule(s) => {
                    if let Some(first) = self.schedules.get(&s.name.text) {
                        let first = first.name.span;
                        self.twice(&s.name, first, "schedule");
                    }
                    self.schedules.insert(s.name.text.clone(), s.clone());
                }
                ast::Item::Ask(ask) => match asks.get(ask.name.text.as_str()) {
                    Some(&first) => self.twice(&ask.name, first, "question"),
                    None => {
                        asks.insert(&ask.name.text, ask.name.span);
                    }
                },
                _ => {}
            }
        }
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.problems.push(Diagnostic::at(code, span, message));
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    fn twice(&mut self, name: &ast::Name, first: Span, what: &str) {
        self.problems.push(
            Diagnostic::at(Code::DefinedTwice, name.span, format!("the {what} `{}` is defined twice", name.text))
                .saying("again here")
                .label(first, "first here")
                .help("give one of them another name"),
        );
    }

    /// Something the language has and this compiler does not carry out yet.
    fn unsupported(&mut self, span: Span, what: &str) {
        self.problems.push(Diagnostic::at(
            Code::NotSupported,
            span,
            format!("{what} is understood but cannot be compiled yet"),
        ));
    }
}
