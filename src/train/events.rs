//! What a run tells while it goes on, and how it can fail.

use crate::base::span::Span;
use crate::data::DataError;
use crate::diag::{Code, Diagnostic};
use crate::engine::EmitError;
use crate::runtime::RunError;
use crate::train::checkpoint::CheckpointError;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A stage begins.
    StageStarted {
        /// Its position among all stages, from 0, and their number.
        stage: (usize, usize),
        /// Its name.
        name: String,
        /// Its epochs.
        epochs: usize,
        /// Steps an epoch.
        steps: usize,
    },
    /// A step was taken.
    Step {
        /// The step of the whole run, from 1.
        at: u64,
        /// The epoch of the stage, from 0.
        epoch: usize,
        /// The step of the epoch, from 0.
        step: usize,
        /// The objective of the last line, in the mean over the batch's rows; none where its value is unknown.
        objective: Option<f64>,
    },
    /// An epoch is over.
    EpochEnded {
        /// The step of the whole run.
        at: u64,
        /// The stage's position.
        stage: usize,
        /// The stage's name.
        name: String,
        /// The epoch, from 0.
        epoch: usize,
        /// The mean objective of each line over the epoch's rows; none where a line's value is unknown.
        objectives: Vec<Option<f64>>,
        /// The parts of each line's objective with their means over the same rows; none where there are none or they are unknown.
        parts: Vec<Vec<(String, f64)>>,
        /// The objective on the data that early stopping watches.
        held_out: Option<f64>,
    },
    /// A stage is over.
    StageEnded {
        /// Its position.
        stage: usize,
        /// Its name.
        name: String,
        /// Epochs it ran.
        epochs: usize,
        /// Seconds it took in this process.
        seconds: f64,
        /// Its last epoch's mean objective; none where its value is unknown.
        objective: Option<f64>,
        /// The parts of its last line's objective in its last epoch.
        parts: Vec<(String, f64)>,
    },
    /// A checkpoint that a run would have gone on from is damaged, and an older one serves.
    DamagedCheckpoint {
        /// Its file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A checkpoint was written.
    Checkpointed {
        /// The step of the whole run.
        at: u64,
    },
}

/// Who listens to a run.
pub trait Observer {
    /// Told of everything, in order, on the thread that runs.
    fn notice(&mut self, event: &Event);
}

/// Listens to nothing.
pub struct Silent;

impl Observer for Silent {
    fn notice(&mut self, _: &Event) {}
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The program, its plan or its data is wrong.
    #[error("{}", .0.message)]
    Told(Box<Diagnostic>),
    /// Data cannot be read or does not fit.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl Failure {
    /// What is to be told of it.
    pub fn diagnostic(self) -> Diagnostic {
        match self {
            Failure::Told(diagnostic) => *diagnostic,
            Failure::Data(error) => Diagnostic::new(error.code(), error.to_string()).help(error.help()),
            Failure::Checkpoint(error) => Diagnostic::new(error.code(), error.to_string()).help(error.help()),
        }
    }

    /// That data is wrong, with the place in the program that reads it and what is said of that place.
    pub fn of_data(error: &DataError, reader: Span, text: impl Into<String>) -> Failure {
        Diagnostic::new(error.code(), error.to_string()).label(reader, text).help(error.help()).into()
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Failure {
        Failure::Told(Box::new(diagnostic))
    }
}

impl From<Box<Diagnostic>> for Failure {
    fn from(diagnostic: Box<Diagnostic>) -> Failure {
        Failure::Told(diagnostic)
    }
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Failure {
        error.diagnostic().into()
    }
}

/// The diagnostic of a failed run of a tensor program: the watched value is named, with row and step. `rows` are the numbers of
/// the batch's rows as people count them, from 1.
pub fn run_error(error: &RunError, at: Option<Span>, rows: &[usize], step: u64, what: &str) -> Failure {
    let place = |d: Diagnostic| match at {
        Some(span) => d.primary(span, "while this was computed"),
        None => d,
    };
    match error {
        RunError::NotFinite { label, index } if label == "objective" => {
            let row = index.first().and_then(|&i| rows.get(i)).map(|r| format!(" at row {r}"));
            place(Diagnostic::new(
                Code::Diverged,
                format!("the objective is not finite{} in step {step} of {what}", row.unwrap_or_default()),
            ))
            .help("lower the learning rate; a row that the model cannot produce has likelihood zero: look at it")
            .into()
        }
        RunError::NotFinite { label, index } => {
            let entry: Vec<String> = index.iter().map(|i| (i + 1).to_string()).collect();
            place(Diagnostic::new(
                Code::Diverged,
                format!("{label} is not finite at entry [{}] in step {step} of {what}", entry.join(", ")),
            ))
            .help("lower the learning rate, or start from smaller numbers: `init W from Normal(0, sd = 0.01)`")
            .into()
        }
        RunError::NotPositive { of } => place(Diagnostic::new(
            Code::Improper,
            format!("the density of {of} cannot be normalised: it does not fall off in every direction"),
        ))
        .help("give each of these variables a `~`, or a potential like `factor -a * x * x` that outweighs what couples them")
        .into(),
        other => Diagnostic::new(Code::Diverged, format!("{what} stopped in step {step}: {other}"))
            .help("this is a fault of the compiler: please report it with the file")
            .into(),
    }
}
