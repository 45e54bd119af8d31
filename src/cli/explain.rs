//! `ghmc explain`: the plan of a file and why it is so, any stage on the way to it, or the page of a diagnostic code.

use std::fmt::Write as _;
use std::path::Path;

use ghmc::base::span::{FileId, Sources};
use ghmc::diag::{Code, Diagnostic, Problems};
use ghmc::engine::expectation::{expectation_step, maximisation_step};
use ghmc::engine::objective::When;
use ghmc::engine::update::{StepSpec, gradient_step};
use ghmc::model::graph::FactorGraph;
use ghmc::model::print::print as print_program;
use ghmc::model::{FactorKind, Program, VarId};
use ghmc::pipeline::{Compiled, Failed, Workspace};
use ghmc::plan::{Plan, Update, expand, explain_json, explain_text};
use ghmc::report::drawing;
use ghmc::tensor::graph::Graph;
use ghmc::{syntax, tensor};
use serde::Serialize;

use super::args::{Emit, ExplainArgs};
use super::facts::{facts_text, find_facts};
use super::open::{open, verify_data_names};
use super::pages;
use super::terminal::Terminal;
use super::trouble::{Trouble, exit, print, tell_problems};

/// Rows that one expectation step takes where no batch is asked for.
const ROWS: usize = 1000;

/// Explains a file or a code.
pub fn explain(args: &ExplainArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    if pages::is_code(&args.what) && !Path::new(&args.what).exists() {
        return pages::show(&args.what);
    }
    let json = args.format.is_json();
    if json && (args.emit != Emit::Plan || args.ron) {
        return Err(Trouble::usage(
            "`--format json` is the form of the plan; other stages are printed as text or with `--ron`",
        ));
    }
    if args.ron && args.emit == Emit::Expanded {
        return Err(Trouble::usage(
            "`--emit expanded` is a `.ghm` file; the plan behind it is printed by `--emit plan --ron`",
        ));
    }
    if args.svg.is_some() && args.emit == Emit::Ast {
        return Err(Trouble::usage("`--svg` draws a checked program; `--emit ast` shows one that is only read"));
    }
    let (workspace, file) = open(Path::new(&args.what), &args.inputs)?;
    verify_data_names(&workspace, file)?;
    if args.emit == Emit::Ast {
        let mut problems = Problems::new();
        let tree = workspace.parse(file, &mut problems);
        tell_problems(&problems, &workspace.sources, terminal, json);
        let text = if args.ron { ron(&tree)? } else { syntax::print(&tree) };
        print(&text)?;
        return Ok(if problems.has_errors() { exit::INPUT } else { exit::DONE });
    }
    let reached = match (reach(&workspace, file, terminal, json), &args.svg) {
        (Err(trouble), Some(path)) => {
            draw_unplanned(&workspace, file, path)?;
            return Err(trouble);
        }
        (reached, _) => reached?,
    };
    if let Some(path) = &args.svg {
        drawing::write(&drawing::figures(&reached.program, &reached.plan), path)?;
    }
    let text = match args.emit {
        Emit::Plan if json => format!("{:#}\n", explain_json(&reached.program, &reached.plan, &reached.sources)),
        Emit::Plan if args.ron => ron(&reached.plan)?,
        Emit::Plan => explain_text(&reached.program, &reached.plan, &reached.sources),
        Emit::Program if args.ron => ron(&reached.program)?,
        Emit::Program => print_program(&reached.program),
        Emit::Model => model(&reached, args.ron)?,
        Emit::Facts => {
            let facts = find_facts(&reached.program, &reached.plan);
            if args.ron { ron(&facts)? } else { facts_text(&facts, &reached.sources) }
        }
        Emit::Tensor => tensors(&reached, args.ron)?,
        Emit::Expanded => expanded(&workspace, file, &reached)?,
        Emit::Ast => String::new(),
    };
    print(&text)?;
    Ok(exit::DONE)
}

/// How far a file could be compiled.
struct Reached {
    program: Program,
    plan: Plan,
    sources: Sources,
    /// With its data, where that could be read.
    compiled: Option<Compiled>,
}

/// Whether an error may be that of data which cannot be had: a file that is not there, or a model that it is drawn from and that no engine
/// draws yet.
fn is_about_data(error: &Diagnostic) -> bool {
    matches!(error.code, Code::UnreadableData | Code::UnknownData | Code::NotSupported | Code::NoEngine)
}

/// Compiles a file with its data; where only the data is missing, without: sizes that it tells are then unknown.
fn reach(workspace: &Workspace, file: FileId, terminal: &Terminal, json: bool) -> Result<Reached, Trouble> {
    let failed = match workspace.compile(file) {
        Ok(compiled) => {
            tell_problems(compiled.warnings(), compiled.sources(), terminal, json);
            let (program, plan) = (compiled.program().clone(), compiled.plan().clone());
            return Ok(Reached { program, plan, sources: compiled.sources().clone(), compiled: Some(compiled) });
        }
        Err(failed) => failed,
    };
    let (errors, _) = failed.problems.sorted();
    if !errors.iter().filter(|d| d.is_error()).all(is_about_data) {
        return Err(failed.into());
    }
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let checked = workspace.check(&tree, &mut problems);
    let mut others = Problems::new();
    others.extend(problems.into_iter().filter(|d| !matches!(d.code, Code::UnreadableData | Code::UnknownData)));
    let sources = workspace.sources.clone();
    let Some(program) = checked.filter(|_| !others.has_errors()) else { return Err(failed.into()) };
    let plan = workspace.plan(&program, &mut others);
    if others.has_errors() {
        return Err(Failed { sources, problems: others }.into());
    }
    for error in &errors {
        let help = error.help.as_ref().map(|h| format!("\n  help: {h}")).unwrap_or_default();
        let about = if matches!(error.code, Code::UnreadableData | Code::UnknownData) {
            ""
        } else {
            "the data cannot be drawn: "
        };
        terminal.say(&format!("note: {about}{}; sizes and costs that depend on it are unknown{help}\n", error.message));
    }
    Ok(Reached { program, plan, sources, compiled: None })
}

/// The file with the choices of its plan written out.
fn expanded(workspace: &Workspace, file: FileId, reached: &Reached) -> Result<String, Trouble> {
    let tree = workspace.parse(file, &mut Problems::new());
    let text = &workspace.sources.file(file).text;
    expand(&tree, text, &reached.program, &reached.plan).map_err(|_| {
        let told = Diagnostic::new(Code::CannotWrite, "the choices of this file's plan cannot be written out");
        Trouble::of(told.help("this is a fault of `--emit expanded`: please report it with the file"))
    })
}

/// Draws a program that means something but cannot be computed: what the plan lacks is not in the picture.
fn draw_unplanned(workspace: &Workspace, file: FileId, path: &Path) -> Result<(), Trouble> {
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    if let Some(mut program) = workspace.check(&tree, &mut problems) {
        // Sizes that only the data knows are welcome and not needed.
        let _ = workspace.bind(&mut program);
        let plan = workspace.plan(&program, &mut problems);
        drawing::write(&drawing::figures(&program, &plan), path)?;
    }
    Ok(())
}

/// A stage's data as RON.
fn ron<T: Serialize>(value: &T) -> Result<String, Trouble> {
    let config = ron::ser::PrettyConfig::default().indentor("  ");
    match ron::ser::to_string_pretty(value, config) {
        Ok(text) => Ok(text + "\n"),
        Err(e) => Err(Trouble::usage(format!("this stage cannot be written as RON: {e}"))),
    }
}

/// The factor graph of each model: a line a factor, `->` to what it normalises and `<-` from what it reads.
fn model(reached: &Reached, as_ron: bool) -> Result<String, Trouble> {
    let program = &reached.program;
    let graphs: Vec<(String, FactorGraph)> =
        program.models.iter().map(|(id, m)| (m.name.clone(), FactorGraph::new(program, id))).collect();
    if as_ron {
        return ron(&graphs);
    }
    let mut out = String::new();
    for (id, declared) in program.models.iter() {
        let _ = writeln!(out, "model {}", declared.name);
        let graph = FactorGraph::new(program, id);
        for &var in &declared.vars {
            let v = &program.vars[var];
            let axes: Vec<&str> = v.axes().iter().map(|&a| program.axes[a].name.as_str()).collect();
            let axes = if axes.is_empty() { String::new() } else { format!("[{}]", axes.join(", ")) };
            let factors: Vec<String> = graph.factors_of(var).iter().map(usize::to_string).collect();
            let given = if v.given { "given " } else { "" };
            let _ = writeln!(out, "  {given}{}{axes} in factors {}", v.name, factors.join(" "));
        }
        for (position, factor) in declared.factors.iter().enumerate() {
            let names =
                |vars: Vec<VarId>| vars.iter().map(|&v| program.vars[v].name.as_str()).collect::<Vec<_>>().join(", ");
            let targets = factor.targets();
            let read: Vec<VarId> = factor.scope().into_iter().filter(|v| !targets.contains(v)).collect();
            let kind = match &factor.kind {
                FactorKind::Conditional { dist, .. } => dist.family.name(),
                FactorKind::Potential(_) => "potential",
                FactorKind::Deterministic { .. } => "deterministic",
                FactorKind::Undirected { .. } => "undirected",
            };
            let plates: Vec<&str> =
                factor.plates.iter().map(|&i| program.axes[program.plate(i)].name.as_str()).collect();
            let plates = if plates.is_empty() { String::new() } else { format!(" for {}", plates.join(", ")) };
            let to = if targets.is_empty() { String::new() } else { format!(" -> {}", names(targets)) };
            let from = if read.is_empty() { String::new() } else { format!(" <- {}", names(read)) };
            let (line, _) = reached.sources.file(factor.span.file).line_column(factor.span.start);
            let name = factor.name.as_ref().map(|n| format!(" `{n}`")).unwrap_or_default();
            let _ = writeln!(out, "  factor {position}{name} {kind}{plates}{to}{from} (line {line})");
        }
    }
    Ok(out)
}

/// The tensor programs of the first step of each training line.
fn tensors(reached: &Reached, as_ron: bool) -> Result<String, Trouble> {
    let Some(compiled) = &reached.compiled else {
        let what = Diagnostic::new(
            Code::UnknownData,
            "tensor programs have shapes, and the data that tells them cannot be read",
        );
        return Err(Trouble::of(what.help("give the data with `--data NAME=PATH`")));
    };
    let (program, data) = (compiled.program(), compiled.data());
    let mut graphs: Vec<(String, Graph)> = Vec::new();
    for train in &compiled.plan().trains {
        let told = |e: ghmc::train::Failure| Trouble::within(&reached.sources, e.diagnostic());
        let rows = data.rows(program, &train.on).map_err(told)?.len();
        let bound = train.bound.iter().copied();
        let inputs: Vec<VarId> = bound.filter(|&v| data.binds(train.on.data, &program.vars[v].name)).collect();
        for stage in &train.stages {
            let batch = stage.batch.unwrap_or(ROWS).clamp(1, rows);
            for (at, line) in stage.lines.iter().enumerate() {
                let when = When { epoch: 0, epochs: stage.epochs };
                let spec = StepSpec {
                    program,
                    stage,
                    line: at,
                    rows: batch,
                    data_rows: rows,
                    inputs: &inputs,
                    partial: &train.partial,
                    when,
                };
                let title = format!("stage {}, line {}", stage.name, at + 1);
                let made = |e: ghmc::engine::EmitError| told(e.into());
                match &line.update {
                    Update::Em(steps) => {
                        graphs.push((
                            format!("{title}, expectation over {batch} rows"),
                            expectation_step(&spec, steps).map_err(made)?,
                        ));
                        let spec = StepSpec { rows: 1, ..spec };
                        graphs.push((format!("{title}, maximisation"), maximisation_step(&spec, steps).map_err(made)?));
                    }
                    Update::Gradient(optimiser) => {
                        graphs.push((format!("{title}, {batch} rows"), gradient_step(&spec, optimiser).map_err(made)?));
                    }
                }
            }
        }
    }
    if as_ron {
        return ron(&graphs);
    }
    if graphs.is_empty() {
        return Ok("nothing is trained\n".to_string());
    }
    Ok(graphs.iter().map(|(title, graph)| format!("# {title}\n{}\n", tensor::print::text(graph))).collect())
}
