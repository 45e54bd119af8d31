//! What the compiler added, written out: a file's text with the choices of its plan put where the file leaves them out.
//!
//! In: a tree with the text it was read from, its program and its plan. Out: a text in the one layout that gives the same plan;
//! expanded again it stays as it is. A choice for which the language has no words stays with the plan.

mod clauses;
mod edits;
mod sums;

use self::clauses::{answer_method, cover, finish_method, finish_optimiser, line_method, optimiser_text};
use self::edits::Edits;
use self::sums::{Sum, sums};
use super::guides::form;
use super::missing::Missing;
use super::plan::{LinePlan, Machine, ObjectivePlan, Plan, StagePlan, TrainPlan, Update};
use super::rules::partition::names;
use crate::base::span::{Sources, Span};
use crate::diag::Problems;
use crate::model::{ModelId, Node, Objective, Program, Train, VarId, Verb};
use crate::syntax::ast::{Ask, File, Item, Maximise, Step};
use crate::syntax::{format, parse};

/// The text of a file with the choices of its plan written out, in the one layout. `source` must be the text the tree was read
/// from, and `plan` the plan of the program that the tree says.
///
/// # Errors
/// The text that was made does not read: a fault of this function.
pub fn expand(tree: &File, source: &str, program: &Program, plan: &Plan) -> Result<String, Problems> {
    let mut writer = Writer { tree, program, plan, edits: Edits::new(source, &tree.comments) };
    for item in &tree.items {
        match item {
            Item::Model(model) => {
                writer.infers(&model.name.text, item.span());
                writer.guide(&model.name.text, item.span());
            }
            Item::Train(train) => writer.train(train),
            Item::Ask(ask) => writer.ask(ask),
            _ => {}
        }
    }
    let text = writer.edits.apply();
    let mut sources = Sources::default();
    let file = sources.add("expanded", text.as_str());
    let mut problems = Problems::new();
    let tree = parse(&sources, file, &mut problems);
    if problems.has_errors() { Err(problems) } else { Ok(format(&tree, &text)) }
}

/// The bound under a guide.
const BOUND: &str = "E[log(model(observed, latent)) - log(guide(latent | observed)) for latent ~ guide]";

struct Writer<'a> {
    tree: &'a File,
    program: &'a Program,
    plan: &'a Plan,
    edits: Edits<'a>,
}

/// A line with the stages it makes.
struct Chosen<'p> {
    stage: &'p StagePlan,
    lines: Vec<&'p LinePlan>,
}

impl<'a> Writer<'a> {
    /// `infer` lines for the blocks that training sums, where nothing else says how.
    fn infers(&mut self, name: &str, model_item: Span) {
        let program = self.program;
        let Some((model, _)) = program.models.iter().find(|(_, m)| m.name == name && m.span.file == self.tree.file)
        else {
            return;
        };
        let all = sums(self.plan);
        let mut done: Vec<Vec<VarId>> = Vec::new();
        for sum in all.iter().filter(|s| s.learning && !s.vars.is_empty() && !s.conditional) {
            let own = |v: &VarId| {
                let var = &program.vars[*v];
                var.model == model && !var.name.contains('.')
            };
            let is_new = !done.contains(&sum.vars);
            let said = program.infers.iter().any(|i| i.vars.iter().any(|v| sum.vars.contains(v)));
            let touches = |other: &&Sum| other.vars.iter().any(|v| sum.vars.contains(v));
            let same = all.iter().filter(touches).all(|other| other.engine == sum.engine);
            if !is_new || said || !same || !sum.vars.iter().all(own) {
                continue;
            }
            done.push(sum.vars.clone());
            let vars: Vec<&str> = sum.vars.iter().map(|&v| program.vars[v].name.as_str()).collect();
            let guide = self.tree.items.iter().find_map(|item| match item {
                Item::Guide(guide) if guide.model.text == name => Some(guide.span),
                _ => None,
            });
            let place = guide.unwrap_or(model_item).end;
            let line = format!("infer {} of {name} by {}", vars.join(", "), sum.engine);
            self.edits.line_after(place, &format!("by {}: {}", sum.engine, sum.reason), &line);
        }
    }

    /// The guide that was made for a model, behind it.
    fn guide(&mut self, name: &str, model_item: Span) {
        let own = self.program.models.iter().find(|(_, m)| m.name == name && m.span.file == self.tree.file);
        let Some(text) = own.and_then(|(_, m)| m.guide.as_ref()?.made.as_ref()) else { return };
        let told = edits::note(&format!("a guide for `{name}`, which has none: {}", form()));
        self.edits.behind(model_item.end, format!("\n\n{told}\n{}", text.trim_end()));
    }

    fn train(&mut self, item: &crate::syntax::ast::Train) {
        let planned = self.plan.trains.iter().find(|t| t.on.span == item.on.span);
        let train = self.program.trains.iter().find(|t| t.span == item.span);
        let (Some(planned), Some(train)) = (planned, train) else {
            let models: Vec<&str> = item.models.iter().map(|n| n.text.as_str()).collect();
            let about = |m: &&Missing| models.iter().any(|name| m.what == format!("training `{name}`"));
            self.missing(item.span, about);
            return;
        };
        let Some(steps) = &item.body else {
            let body = self.body(&[], item.span, planned, train, false);
            self.edits.insert(item.span.end, format!(" {{{body}\n}}"));
            return;
        };
        self.block(steps, item.span, planned, train, false);
    }

    /// Writes out a stage, and the stages inside it.
    fn block(&mut self, steps: &[Step], whole: Span, planned: &TrainPlan, train: &Train, ended: bool) {
        let ended = ended || steps.iter().any(|s| matches!(s, Step::Epochs { .. }));
        let (staged, loose): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|s| matches!(s, Step::Stage { .. }));
        if staged.is_empty() || loose.iter().any(|s| matches!(s, Step::Maximise(_))) {
            let body = self.body(&loose, whole, planned, train, ended);
            self.close(&loose, whole, body);
        }
        for step in staged {
            if let Step::Stage { body, span, .. } = step {
                self.block(body, *span, planned, train, ended);
            }
        }
    }

    /// Puts new statements behind the last one, or in front of the brace that closes an empty body.
    fn close(&mut self, steps: &[&Step], whole: Span, body: String) {
        if body.is_empty() {
            return;
        }
        match steps.last() {
            Some(last) => self.edits.behind(last.span().end, body),
            None => self.edits.insert(whole.end.saturating_sub(1), format!("{body}\n")),
        }
    }

    /// Writes out the clauses of a stage's lines; gives the statements it lacks, each on a line of its own.
    fn body(&mut self, steps: &[&Step], whole: Span, planned: &TrainPlan, train: &Train, ended: bool) -> String {
        let chosen = |span: Span| -> Vec<Chosen<'_>> {
            let stages = planned.stages.iter();
            let of =
                stages.map(|stage| Chosen { stage, lines: stage.lines.iter().filter(|l| l.span == span).collect() });
            of.filter(|c| !c.lines.is_empty()).collect()
        };
        let mut added = String::new();
        let mut epochs = None;
        let mut written = false;
        for step in steps {
            let Step::Maximise(line) = step else { continue };
            written = true;
            let found = chosen(line.span);
            epochs = found.first().map(|c| c.stage.epochs).or(epochs);
            self.line(line, &found);
        }
        if !written {
            for found in chosen(whole) {
                epochs = Some(found.stage.epochs);
                for line in found.lines {
                    let (reason, text) = self.new_line(line, found.stage, train.models.len() > 1);
                    added += &format!("\n{}\n{text}", edits::note(&reason));
                }
            }
        }
        if let Some(epochs) = epochs.filter(|_| !ended) {
            added += &format!("\n{}\nepochs {epochs}", edits::note("the default number of epochs"));
        }
        added
    }

    /// A line, or the two phases, that the file leaves out altogether or calls by a schedule's name.
    fn new_line(&self, line: &LinePlan, stage: &StagePlan, several: bool) -> (String, String) {
        let program = self.program;
        let of = |model: Option<ModelId>| match model.filter(|_| several) {
            Some(model) => format!(" of {}", program.models[model].name),
            None => String::new(),
        };
        let (method, reason) = line_method(line);
        let with = match &line.update {
            Update::Gradient(optimiser) => format!(" with {}", optimiser_text(optimiser, stage.batch)),
            Update::Em(_) => String::new(),
        };
        if let ObjectivePlan::WakeSleep(plan) = &line.objective {
            let of_model = of(Some(plan.model));
            let text = format!(
                "maximise E[log(model(observed, latent)) for latent ~ guide]{of_model} over model by {method}{with}\n\
                 maximise E[log(guide(latent | observed)) for (latent, observed) ~ model]{of_model} over guide by {method}{with}"
            );
            return (format!("the two phases: {reason}"), text);
        }
        let (objective, model) = match &line.objective {
            ObjectivePlan::Expression { expr, .. } => match &expr.node {
                Node::Objective(o) => match o.as_ref() {
                    Objective::Bound { model, .. } => (BOUND.to_string(), Some(*model)),
                    Objective::LogLik { model, .. } => ("loglik".to_string(), Some(*model)),
                    _ => ("loglik".to_string(), None),
                },
                _ => ("loglik".to_string(), None),
            },
            ObjectivePlan::WakeSleep(plan) => ("loglik".to_string(), Some(plan.model)),
            ObjectivePlan::Layer(plan) => {
                let above = match &plan.machine {
                    Machine::Pair { hidden, .. } => program.vars[*hidden].name.clone(),
                    Machine::Group(normaliser) => normaliser.name.clone(),
                };
                (format!("log(layer({above}))"), Some(plan.model))
            }
        };
        let mut text = format!("maximise {objective}{}", of(model));
        if let Some(over) = cover(program, model, &[line]) {
            text += &format!(" over {over}");
        }
        text += &format!(" by {method}{with}");
        (format!("{objective} by {method}: {reason}"), text)
    }

    /// The clauses that a line lacks.
    fn line(&mut self, line: &Maximise, found: &[Chosen<'_>]) {
        let Some(Chosen { stage, lines }) = found.first() else { return };
        let Some(first) = lines.first() else { return };
        let by_name = line.by.first().is_some_and(|m| !clauses::is_engine(m));
        let phases = matches!(first.objective, ObjectivePlan::WakeSleep(_));
        if by_name && (phases || matches!(first.objective, ObjectivePlan::Layer(_))) {
            self.listed(line, found);
            return;
        }
        // The two phases take their clauses from each other, and lines of a schedule of the file's own have no place to put any.
        if by_name || phases {
            self.edits.note_before(line.span.start, "");
            return;
        }
        let all: Vec<&LinePlan> = found.iter().flat_map(|c| c.lines.iter().copied()).collect();
        let mut reasons: Vec<String> = Vec::new();
        // Settings of the file's own calls and whole clauses, which follow from nothing in the model.
        let mut defaults: Vec<&str> = Vec::new();
        let mut end = line.of.last().map_or(line.objective.span.end, |e| e.span.end);
        match line.over.last() {
            Some(last) => end = last.span.end,
            None => {
                if let Some(over) = cover(self.program, self.model_of(first), &all) {
                    self.edits.insert(end, format!(" over {over}"));
                    defaults.push("the group");
                }
            }
        }
        match line.by.as_slice() {
            [] => {
                let (method, reason) = line_method(first);
                self.edits.insert(end, format!(" by {method}"));
                reasons.push(format!("by {method}: {reason}"));
            }
            [method, ..] => {
                end = line.by.last().map_or(end, |e| e.span.end);
                if finish_method(method, &mut self.edits) {
                    defaults.push("the engine's settings");
                }
            }
        }
        match (&line.with, &first.update) {
            (None, Update::Gradient(optimiser)) => {
                self.edits.insert(end, format!(" with {}", optimiser_text(optimiser, stage.batch)));
                defaults.push("the optimiser");
            }
            (Some(with), Update::Gradient(optimiser)) => {
                if finish_optimiser(with, optimiser, stage.batch, &mut self.edits) {
                    defaults.push("the optimiser's settings");
                }
            }
            (_, Update::Em(_)) => {}
        }
        if !defaults.is_empty() {
            reasons.push(format!("{} by default", defaults.join(", ")));
        }
        let told = reasons.join("; ");
        let adds = !defaults.is_empty() || line.by.is_empty();
        self.edits.note_before(line.span.start, if adds { &told } else { "" });
    }

    /// Puts the lines of a schedule in place of its name; layers that follow one another are stages.
    fn listed(&mut self, line: &Maximise, found: &[Chosen<'_>]) {
        let mut text = String::new();
        for Chosen { stage, lines } in found {
            let own = stage.name.rsplit(": ").next().unwrap_or_default();
            text += &if found.len() > 1 { format!("stage {own} {{\n") } else { String::new() };
            for planned in lines {
                let (reason, told) = self.new_line(planned, stage, !line.of.is_empty());
                text += &format!("{}\n{told}\n", edits::note(&reason));
            }
            text += if found.len() > 1 { "}\n" } else { "" };
        }
        self.edits.note_before(line.span.start, "");
        let begins = self.edits.begins_line(line.span.start);
        let text = format!("{}{}", if begins { "" } else { "\n" }, text.trim_end());
        self.edits.replace(line.span.start, line.span.end, text);
    }

    /// The model whose guide a line calls `guide`.
    fn model_of(&self, line: &LinePlan) -> Option<ModelId> {
        let lines = self.program.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines);
        lines.into_iter().find(|l| l.span == line.span).map(|l| l.model)
    }

    fn ask(&mut self, ask: &Ask) {
        let Some(planned) = self.plan.asks.iter().find(|a| a.span == ask.span) else {
            self.missing(ask.span, |m| m.what == format!("`{}`", ask.name.text));
            return;
        };
        let mut reasons: Vec<String> = Vec::new();
        let last = [ask.of.last().map(|e| e.span.end), ask.on.as_ref().map(|p| p.span.end)];
        let mut end = last.into_iter().flatten().max().unwrap_or(ask.value.span.end);
        match ask.by.as_slice() {
            [] => {
                if let Some((method, reason)) = answer_method(planned) {
                    self.edits.insert(end, format!(" by {method}"));
                    reasons.push(format!("by {method}: {reason}"));
                }
            }
            [method, ..] => {
                end = method.span.end;
                if clauses::finish_draws(method, &planned.answer, &mut self.edits) {
                    reasons.push("the engine's setting by default".to_string());
                }
            }
        }
        if let (super::plan::Answer::Draws { times, .. }, None, Verb::Sample) =
            (&planned.answer, &ask.times, planned.verb)
        {
            self.edits.insert(end, format!(" times {times}"));
            reasons.push(format!("{times} draw by default"));
        }
        self.edits.note_before(ask.span.start, &reasons.join("; "));
    }

    /// Says of an item what it waits for; nothing is added to it.
    fn missing(&mut self, item: Span, about: impl Fn(&&Missing) -> bool) {
        let inside = |m: &&Missing| {
            m.problem
                .labels
                .iter()
                .any(|l| l.span.file == item.file && l.span.start >= item.start && l.span.end <= item.end)
        };
        let all = &self.plan.missing;
        let Some(missing) = all.iter().find(|m| about(m) && inside(m)).or_else(|| all.iter().find(|m| about(m))) else {
            return;
        };
        let (engine, sign) = (&missing.engine, missing.kind.sign());
        let vars = match missing.vars.is_empty() {
            true => String::new(),
            false => format!(" for {}", names(self.program, &missing.vars)),
        };
        self.edits.wait_before(item.start, &format!("{engine} {sign}{vars}: {}", missing.reason));
    }
}
