//! Watches a run: a bar a stage where there is a terminal, one line a finished stage where there is none, and `metrics.jsonl`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ghmc::report::{MetricLine, Metrics, ReportError, seconds, short, sparkline};
use ghmc::train::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::{Terminal, clip};

/// A bar is redrawn so often.
const REDRAW: Duration = Duration::from_millis(100);
/// In an epoch of more steps than this, every so many are logged.
const LOGGED_STEPS: usize = 100;
/// Characters of the curve that stands behind a finished stage.
const CURVE: usize = 16;

/// The file of metrics, opened once the run has its directory to itself and it is known where it goes on.
struct Logbook {
    path: PathBuf,
    resume: bool,
    file: Option<Metrics>,
}

impl Logbook {
    /// Opens the file before what happens at step `at` is logged: older lines stand, later ones are cut off.
    fn reach(&mut self, at: u64) -> Result<&mut Metrics, ReportError> {
        let file = match self.file.take() {
            Some(file) => file,
            None if self.resume => Metrics::resume(&self.path, at.saturating_sub(1))?,
            None => Metrics::create(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}

/// A stage under way.
struct Live {
    bar: Option<ProgressBar>,
    place: (usize, usize),
    name: String,
    epochs: usize,
    steps: usize,
    /// Steps of it that this process took, and since when.
    taken: u64,
    began: Instant,
    drawn: Instant,
    /// The objective's sum and count in the epoch under way.
    sum: f64,
    count: f64,
    curve: Vec<f64>,
}

/// Listens to a run.
pub struct Watch<'a> {
    terminal: &'a Terminal,
    quiet: bool,
    stop: &'a AtomicBool,
    book: Logbook,
    stage: Option<Live>,
    /// Why metrics could not be written: the run was then asked to stop.
    pub broken: Option<ReportError>,
    /// The step of the last checkpoint.
    pub saved: u64,
}

impl<'a> Watch<'a> {
    /// A watch over a run that begins, or goes on where its metrics are.
    pub fn new(terminal: &'a Terminal, quiet: bool, stop: &'a AtomicBool, metrics: PathBuf, resume: bool) -> Watch<'a> {
        let book = Logbook { path: metrics, resume, file: None };
        Watch { terminal, quiet, stop, book, stage: None, broken: None, saved: 0 }
    }

    /// Sees to it that a run without a step has its file of metrics too.
    pub fn close(&mut self) -> Result<(), ReportError> {
        match self.book.resume {
            true => Ok(()),
            false => self.book.reach(0).map(|_| ()),
        }
    }

    /// Takes the bar away, so that other lines can be written.
    pub fn clear(&mut self) {
        if let Some(bar) = self.stage.take().and_then(|live| live.bar) {
            bar.finish_and_clear();
        }
    }

    fn log(&mut self, at: u64, line: Option<MetricLine>) {
        let logged = self.book.reach(at).and_then(|file| line.map_or(Ok(()), |line| file.log(&line)));
        if let Err(error) = logged
            && self.broken.is_none()
        {
            // A run whose record cannot be kept stops with its checkpoint rather than going on unseen.
            self.broken = Some(error);
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn begin(&mut self, place: (usize, usize), name: &str, epochs: usize, steps: usize) {
        let bar = (self.terminal.live && !self.quiet).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some((epochs * steps) as u64), ProgressDrawTarget::stderr_with_hz(20));
            let colours = if self.terminal.color { ":.cyan/dim" } else { "" };
            let template = format!("{{prefix}} {{wide_bar{colours}}} {{msg}}");
            bar.set_style(
                ProgressStyle::with_template(&template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("━╸─"),
            );
            bar.set_prefix(format!("{}/{} {}", place.0 + 1, place.1, clip(name, self.terminal.width / 4)));
            bar
        });
        let now = Instant::now();
        self.stage = Some(Live {
            bar,
            place,
            name: name.to_string(),
            epochs,
            steps,
            taken: 0,
            began: now,
            drawn: now - REDRAW,
            sum: 0.0,
            count: 0.0,
            curve: Vec::new(),
        });
    }

    fn end(&mut self, name: &str, epochs: usize, took: f64, objective: Option<f64>, parts: &[(String, f64)]) {
        let Some(live) = self.stage.take() else { return };
        if let Some(bar) = &live.bar {
            bar.finish_and_clear();
        }
        if self.quiet {
            return;
        }
        let of = format!("{}/{} {name}", live.place.0 + 1, live.place.1);
        let plural = if epochs == 1 { "epoch" } else { "epochs" };
        let mut line = format!("{of}: {epochs} {plural}, {}, {}", seconds(took), worth(objective));
        let told: Vec<String> = parts.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
        let told = if told.is_empty() { told.concat() } else { format!(" ({})", told.join(", ")) };
        let curve = if live.bar.is_some() && live.curve.len() > 1 { CURVE + 2 } else { 0 };
        // On a terminal a stage has one line, and its whole comes before its parts.
        if live.bar.is_none() || line.chars().count() + told.chars().count() + curve <= self.terminal.width {
            line.push_str(&told);
        }
        if live.bar.is_some() && live.curve.len() > 1 {
            line.push_str("  ");
            line.push_str(&self.terminal.paint_dim(&sparkline(&live.curve, CURVE)));
        }
        self.terminal.say(&format!("{line}\n"));
    }
}

impl Live {
    fn step(&mut self, epoch: usize, step: usize, objective: Option<f64>, width: usize) {
        self.taken += 1;
        if step == 0 {
            (self.sum, self.count) = (0.0, 0.0);
        }
        self.sum += objective.unwrap_or(f64::NAN);
        self.count += 1.0;
        let Some(bar) = self.bar.as_ref().filter(|_| self.drawn.elapsed() >= REDRAW) else { return };
        self.drawn = Instant::now();
        let done = (epoch * self.steps + step + 1) as u64;
        let pace = self.taken as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
        let left = ((self.epochs * self.steps) as u64).saturating_sub(done) as f64 / pace.max(1e-9);
        let objective = objective.map(|_| self.sum / self.count);
        let brief = objective.map_or("–".to_string(), short);
        let objective = worth(objective);
        let epoch = format!("{}/{}", epoch + 1, self.epochs);
        let left = remaining(left);
        let message = match width {
            0..70 => format!("{epoch}  {brief}  {left}"),
            70..100 => format!("epoch {epoch}  {objective}  {left} left"),
            100.. => format!("epoch {epoch}  {objective}  {} steps/s  {left} left", short(pace.round())),
        };
        bar.set_position(done);
        bar.set_message(message);
    }
}

impl Observer for Watch<'_> {
    fn notice(&mut self, event: &Event) {
        match event {
            Event::StageStarted { stage, name, epochs, steps } => self.begin(*stage, name, *epochs, *steps),
            Event::Step { at, epoch, step, objective } => {
                let width = self.terminal.width;
                let mut line = None;
                if let Some(live) = &mut self.stage {
                    live.step(*epoch, *step, *objective, width);
                    // The last step of an epoch is told by the epoch's own line.
                    if (step + 1).is_multiple_of(LOGGED_STEPS) && step + 1 < live.steps {
                        line = Some(MetricLine {
                            at: *at,
                            stage: live.name.clone(),
                            epoch: *epoch as u64,
                            step: (epoch * live.steps + step + 1) as u64,
                            values: [("objective".to_string(), objective.and_then(finite))].into(),
                        });
                    }
                }
                self.log(*at, line);
            }
            Event::EpochEnded { at, name, epoch, objectives, parts, held_out, .. } => {
                let steps = self.stage.as_ref().map_or(0, |live| live.steps);
                let whole = |line: usize| match objectives.len() {
                    1 => "objective".to_string(),
                    _ => format!("objective.{}", line + 1),
                };
                let mut values: Vec<(String, Option<f64>)> = Vec::new();
                for (line, objective) in objectives.iter().enumerate() {
                    values.push((whole(line), objective.and_then(finite)));
                    let parts = parts.get(line).into_iter().flatten();
                    values.extend(parts.map(|(name, value)| (format!("{}.{name}", whole(line)), finite(*value))));
                }
                values.extend(held_out.map(|v| ("held_out".to_string(), finite(v))));
                if let Some(live) = &mut self.stage {
                    live.curve.extend(objectives.last().copied().flatten());
                }
                let step = ((epoch + 1) * steps) as u64;
                let values = values.into_iter().collect();
                self.log(*at, Some(MetricLine { at: *at, stage: name.clone(), epoch: *epoch as u64, step, values }));
            }
            Event::StageEnded { name, epochs, seconds, objective, parts, .. } => {
                self.end(name, *epochs, *seconds, *objective, parts);
            }
            Event::DamagedCheckpoint { path, detail } => {
                self.terminal.say(&format!("warning: `{}` is passed over: {detail}\n", path.display()));
            }
            Event::Checkpointed { at } => {
                self.saved = *at;
                if let Some(Err(error)) = self.book.file.as_ref().map(Metrics::sync) {
                    self.broken.get_or_insert(error);
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// A remaining time: whole seconds, or minutes and seconds.
fn remaining(seconds: f64) -> String {
    match seconds.ceil() as u64 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{}:{:02} min", s / 60, s % 60),
        s => format!("{}:{:02} h", s / 3600, s / 60 % 60),
    }
}

/// An objective in words.
fn worth(objective: Option<f64>) -> String {
    objective.map_or("value unknown".to_string(), |value| format!("objective {}", short(value)))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
