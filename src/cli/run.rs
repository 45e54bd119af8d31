//! `ghmc run`: trains as the file says, evaluates, answers and draws; keeps the run in its directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ghmc::diag::Problems;
use ghmc::model::Program;
use ghmc::pipeline::{Compiled, Failed, Precision, Trained};
use ghmc::plan::brief_line;
use ghmc::report::{Against, Comparison, Occupied, ReportError, RunDir, RunReport, figures_table, write_page};
use ghmc::train::checkpoint::save_params;
use ghmc::train::{AnswerValue, Answered, Outcome};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answer_text::{answers_table, near_note, picture_row, unset_note};
use super::args::RunArgs;
use super::assemble::{Made, report, summary};
use super::compare::{comparison_text, tell_remark};
use super::network_panels::network_figures;
use super::open::compile;
use super::panels::side_of;
use super::reconstruct::reconstruction_panels;
use super::terminal::{Terminal, clip};
use super::trouble::{Trouble, exit, print, tell_problems};
use super::watch::Watch;

/// Where runs go that are given no directory.
const RUNS: &str = "runs";
/// Worker threads parse and plan as well: their stacks hold the deepest nesting a file may have.
const STACK: usize = 16 << 20;

/// Runs a file on a pool of its own.
pub fn run(args: &RunArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK)
        .build()
        .map_err(|e| Trouble::usage(format!("{threads} threads cannot be started: {e}")))?;
    pool.install(|| carry_out(args, threads, terminal))
}

fn carry_out(args: &RunArgs, threads: usize, terminal: &Terminal) -> Result<u8, Trouble> {
    let began = Instant::now();
    let json = args.format.is_json();
    // A directory that is no run is told of before an hour of work, not after it.
    let against = args.compare.as_deref().map(Against::read).transpose()?;
    let compiled = compile(&args.file, &args.inputs, terminal, json)?;
    compiled.verify()?;
    let dir = run_dir(args)?;
    let compiled = compiled.with_checkpoints(dir.path().join("checkpoint"), args.checkpoint_every, args.resume);
    dir.write_plan(&compiled.explain())?;
    if !args.quiet {
        terminal.say(&plan_lines(&compiled, threads, dir.path(), terminal));
    }
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&stop);
    let mut watch = Watch::new(terminal, args.quiet, &stop, dir.metrics(), args.resume);
    let trained = compiled.train(&stop, &mut watch);
    watch.clear();
    let mut trained = trained?;
    watch.close()?;
    if let Some(error) = watch.broken.take() {
        return Err(error.into());
    }
    if trained.outcome() == Outcome::Interrupted {
        return interrupted(args, dir.path(), &format!("after step {}", trained.position().at), terminal);
    }
    tell_problems(&trained.remarks(), compiled.sources(), terminal, json);
    save_params(&dir.params(), &trained.saved_params())
        .map_err(|e| Trouble::of(ghmc::train::Failure::from(e).diagnostic()))?;
    let answers = answer(&mut trained, &stop, args.quiet, terminal);
    if answers.len() < compiled.plan().asks.len() {
        return interrupted(args, dir.path(), "after training, with questions left", terminal);
    }
    let made = Made { threads, seconds: began.elapsed().as_secs_f64(), command: command(args, None) };
    let reconstructions = reconstruction_panels(&mut trained);
    let networks = network_figures(&mut trained);
    let mut report = report(&trained, &answers, reconstructions, networks, &made);
    report.against = against.map(Box::new);
    let both = report.against.as_deref().map(|that| Comparison { this: &report, that });
    let mut summary = summary(&trained, &answers, &made);
    summary.compare = both.map(|both| both.json());
    summary.write(&dir.summary())?;
    report.keep(&dir.kept())?;
    write_page(&report, &dir.report())?;
    if let Some(both) = &both {
        tell_remark(both, terminal);
    }
    match json {
        true => print(&format!("{:#}\n", summary.json()))?,
        false => print(&results(&trained, &answers, &report, terminal))?,
    }
    if !args.quiet {
        for answered in &answers {
            terminal.say(&unset_note(answered));
            terminal.say(&near_note(answered));
        }
        terminal.say(&format!("report: {}\n", dir.report().display()));
    }
    // What failed stands in its place in the summary; the process's code and its complaint tell of it too.
    let mut problems = Problems::new();
    for answered in answers {
        if let AnswerValue::Failed(diagnostic) = answered.value {
            problems.push(*diagnostic);
        }
    }
    match problems.has_errors() {
        true => Err(Failed { sources: compiled.sources().clone(), problems }.into()),
        false => Ok(exit::DONE),
    }
}

/// The directory of the run: named, the newest to go on with, or a fresh one.
fn run_dir(args: &RunArgs) -> Result<RunDir, ReportError> {
    let model = args.file.file_stem().map_or("run".to_string(), |s| s.to_string_lossy().into_owned());
    let runs = Path::new(RUNS);
    match (&args.out, args.resume) {
        (Some(out), true) => RunDir::existing(out),
        (Some(out), false) => RunDir::given(out, Occupied::Refuse),
        (None, false) => RunDir::fresh(runs, &model),
        (None, true) => match newest(runs, &model) {
            Some(path) => RunDir::existing(&path),
            None => Err(ReportError::NoRun { path: runs.join(format!("{model}-1")) }),
        },
    }
}

/// `<runs>/<model>-<n>` with the largest n.
fn newest(runs: &Path, model: &str) -> Option<PathBuf> {
    let numbers = std::fs::read_dir(runs)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(model)?.strip_prefix('-')?.parse::<u64>().ok());
    numbers.max().map(|n| runs.join(format!("{model}-{n}")))
}

/// The plan in a few lines: a line a stage with its engines, and where the rest is told.
fn plan_lines(compiled: &Compiled, threads: usize, dir: &Path, terminal: &Terminal) -> String {
    let program = compiled.program();
    let plan = compiled.plan();
    let mut lines = Vec::new();
    let mut at = 0;
    let total: usize = plan.trains.iter().map(|t| t.stages.len()).sum();
    for (declared, train) in program.trains.iter().zip(&plan.trains) {
        let models: Vec<&str> = declared.models.iter().map(|&m| program.models[m].name.as_str()).collect();
        let rows = compiled.data().rows(program, &train.on).map_or(0, |r| r.len());
        let data = &program.data[train.on.data].name;
        let split = train.on.split.as_ref().map(|s| format!(".{s}")).unwrap_or_default();
        lines.push(format!("train {} on {data}{split}, {rows} {}", models.join(", "), plural(rows, "row")));
        for stage in &train.stages {
            at += 1;
            let how: Vec<String> = stage.lines.iter().map(brief_line).collect();
            lines.push(format!("  {at}/{total} {}: {}", stage.name, how.join("; ")));
        }
    }
    let asks = plan.asks.len();
    let precision = match compiled.precision() {
        Precision::F32 => "single",
        Precision::F64 => "double",
    };
    lines.push(format!(
        "{asks} {}, seed {}, {threads} {}, {precision} precision; in {}",
        plural(asks, "question"),
        compiled.settings().seed,
        plural(threads, "thread"),
        dir.display()
    ));
    let fits = |l: &String| if terminal.live { clip(l, terminal.width) } else { l.clone() };
    lines.iter().map(|l| format!("{}\n", terminal.paint_dim(&fits(l)))).collect()
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_string() } else { format!("{word}s") }
}

/// The first signal asks the run to stop after a checkpoint, the second ends the process: the checkpoint on the disk is whole
/// at every instant.
fn stop_on_signal(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    // Without a handler a signal ends the process at once, which loses no more than the steps since the last checkpoint.
    let _ = ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
    });
}

/// Answers the file's questions, a spinner beside them on a terminal.
fn answer(trained: &mut Trained, stop: &AtomicBool, quiet: bool, terminal: &Terminal) -> Vec<Answered> {
    let names: Vec<String> = trained.compiled().plan().asks.iter().map(|a| a.name.clone()).collect();
    let show = terminal.live && !quiet && !names.is_empty();
    let spinner = show.then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    });
    let mut done = 0;
    let tell = |done: usize| {
        if let (Some(bar), Some(name)) = (&spinner, names.get(done)) {
            bar.set_message(format!("answering {name} ({}/{})", done + 1, names.len()));
        }
    };
    tell(0);
    let answers = trained.answer_all(stop, &mut |_| {
        done += 1;
        tell(done);
    });
    if let Some(bar) = &spinner {
        bar.finish_and_clear();
    }
    answers
}

/// What is printed at the end for people.
fn results(trained: &Trained, answers: &[Answered], report: &RunReport, terminal: &Terminal) -> String {
    let program: &Program = trained.compiled().program();
    let width = terminal.width.min(120);
    let mut parts = vec![match &report.against {
        Some(that) => {
            let both = Comparison { this: report, that };
            format!("that: {}\n\n{}", that.name, comparison_text(&both))
        }
        None => figures_table(&report.figures),
    }];
    let pictured = |a: &Answered| match &a.value {
        AnswerValue::Draws(drawn) => drawn.iter().any(|d| side_of(program, &d.name).is_some()),
        _ => false,
    };
    let told: Vec<Answered> = answers.iter().filter(|a| !pictured(a)).cloned().collect();
    parts.push(answers_table(&told, width));
    for answered in answers.iter().filter(|a| pictured(a)) {
        let AnswerValue::Draws(drawn) = &answered.value else { continue };
        for one in drawn {
            let Some(side) = side_of(program, &one.name) else { continue };
            let what = format!(
                "{} {} {} of {}, in the report",
                answered.name,
                answered.kind.sign(),
                plural(one.settings.len(), "draw"),
                one.name
            );
            let count = one.settings.len();
            let row = if terminal.out { picture_row(one, side, width) } else { String::new() };
            parts.push(format!(
                "{}\n{row}",
                what.replacen(answered.kind.sign(), &format!("{} {count}", answered.kind.sign()), 1)
            ));
        }
    }
    parts.retain(|p| !p.is_empty());
    parts.join("\n")
}

/// Says where the run stopped and how it goes on.
fn interrupted(args: &RunArgs, dir: &Path, place: &str, terminal: &Terminal) -> Result<u8, Trouble> {
    terminal
        .say(&format!("interrupted {place}; the checkpoint is written. Go on with:\n  {}\n", command(args, Some(dir))));
    Err(Trouble::Interrupted)
}

/// The command that repeats the run, or that goes on with the one in a directory. Data, settings and seed are part of it.
fn command(args: &RunArgs, resume: Option<&Path>) -> String {
    let mut words = vec!["ghmc".to_string(), "run".to_string(), args.file.display().to_string()];
    for (flag, pairs) in [("--data", &args.inputs.data), ("--set", &args.inputs.set)] {
        words.extend(pairs.iter().flat_map(|(name, value)| [flag.to_string(), format!("{name}={value}")]));
    }
    if args.inputs.seed != 1 {
        words.extend(["--seed".to_string(), args.inputs.seed.to_string()]);
    }
    if let Some(precision) = args.inputs.precision {
        words.extend([
            "--precision".to_string(),
            if precision == super::args::PrecisionArg::F32 { "f32" } else { "f64" }.to_string(),
        ]);
    }
    if let Some(bytes) = args.inputs.max_memory {
        words.extend(["--max-memory".to_string(), bytes.to_string()]);
    }
    if let Some(run) = &args.compare {
        words.extend(["--compare".to_string(), run.display().to_string()]);
    }
    if let Some(threads) = args.threads.filter(|_| resume.is_some()) {
        words.extend(["--threads".to_string(), threads.to_string()]);
    }
    if let Some(dir) = resume {
        words.extend(["--out".to_string(), dir.display().to_string(), "--resume".to_string()]);
    }
    words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("runs/a-1"), "runs/a-1");
        assert_eq!(quoted("my model.ghm"), "'my model.ghm'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
