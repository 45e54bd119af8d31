//! The arguments of every command, and what `--help` says of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// Write a model as its log-density; the compiler chooses the inference, explains it and runs it.
#[derive(Parser)]
#[command(name = "ghmc", version, propagate_version = true, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Results go to standard output, progress and diagnostics to standard error.
Exit codes: 0 done, 1 the input is wrong, 2 wrong usage, 3 the run failed, 130 interrupted after a checkpoint.
Start with `ghmc run FILE` on a file of the folder models/; `ghmc explain FILE` tells what it will do and why.";

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Train as the file says, then evaluate, answer its queries and draw its samples
    Run(RunArgs),
    /// Show two finished runs side by side, without running anything
    Compare(CompareArgs),
    /// Show every problem of some files without running them
    Check(CheckArgs),
    /// Show how a file will be computed and why, or the page of a diagnostic code
    Explain(ExplainArgs),
    /// Ask a model one question, or for the marginals of all its variables
    Query(QueryArgs),
    /// Draw from a model
    Sample(SampleArgs),
    /// Bring files into the one layout
    Fmt(FmtArgs),
    /// Write a network file (.bif, .xmlbif, .uai) as a model
    Import(ImportArgs),
    /// Write a discrete model, or a network file, in a format that other programs read
    Export(ExportArgs),
}

/// `ghmc import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// The network file: .bif, .xmlbif or .uai, each also with .gz
    pub file: PathBuf,
    /// The model's name [default: the file's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write the tables of conditionals as parameters to be learned, without their numbers
    #[arg(long)]
    pub learn: bool,
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub out: Option<PathBuf>,
}

/// What a model is written as.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetTarget {
    /// The interchange format of Bayesian networks.
    Bif,
    /// The same as XML.
    Xmlbif,
    /// The format of the UAI competitions.
    Uai,
    /// The graph alone, for Graphviz.
    Dot,
    /// A drawing with the probabilities of the states as bars, before and after evidence.
    Svg,
}

/// `ghmc export`.
#[derive(clap::Args)]
pub struct ExportArgs {
    /// The model file, or a network file
    pub file: PathBuf,
    /// The format
    #[arg(long, value_enum)]
    pub to: NetTarget,
    /// What it is compiled with.
    #[command(flatten)]
    pub inputs: Inputs,
    /// The model that is written, where the file has several
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// For a drawing: a JSON file that holds variables fixed or weighs their states, or the JSON itself
    #[arg(long, value_name = "EV.json")]
    pub evidence: Option<PathBuf>,
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub out: Option<PathBuf>,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Format {
    /// Whether it is JSON.
    pub fn is_json(self) -> bool {
        self == Format::Json
    }
}

/// The number type of parameters.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// What a file is compiled with.
#[derive(clap::Args)]
pub struct Inputs {
    /// Where the data set NAME lies, a file or a folder; without it: $GHM_DATA/NAME
    #[arg(long = "data", value_name = "NAME=PATH", value_parser = pair)]
    pub data: Vec<(String, String)>,
    /// Set the size of an axis, as in `--set State=16`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Keep parameters in single or double precision [default: the plan chooses]
    #[arg(long, value_name = "TYPE")]
    pub precision: Option<PrecisionArg>,
    /// What parameters, simulated data or one computation may hold, as in `--max-memory 4G` [default: half of what is free]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_memory: Option<usize>,
}

/// A number of bytes, perhaps in units of 1024 (`K`, `M`, `G`, `T`).
fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => (&text[..at], letter.to_ascii_uppercase()),
        _ => (text, ' '),
    };
    let shift = [' ', 'K', 'M', 'G', 'T'].iter().position(|u| *u == unit);
    let bytes = number.parse::<usize>().ok().zip(shift).and_then(|(n, at)| n.checked_mul(1usize << (10 * at)));
    bytes.ok_or("it is a number of bytes, such as 500M or 4G".to_string())
}

/// A time in seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: Option<f64> = text.parse().ok();
    number.and_then(|n| Duration::try_from_secs_f64(n).ok()).ok_or("it is a number of seconds, such as 0.5".to_string())
}

/// `NAME=VALUE`, split at the first `=`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_string(), value.trim().to_string()))
        }
        _ => Err("it has the form NAME=VALUE".to_string()),
    }
}

/// `ghmc run`.
#[derive(clap::Args)]
#[command(
    after_help = "The run directory holds plan.txt, metrics.jsonl, checkpoint/, params.safetensors, summary.json, report.html and,
for `--compare`, report.json.
Ctrl-C writes a checkpoint and stops; `--resume` goes on to the same bits. A second Ctrl-C stops at once."
)]
pub struct RunArgs {
    /// The model file
    pub file: PathBuf,
    /// What it is compiled with.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Worker threads [default: one a core]; the results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// The run directory [default: runs/MODEL-N, N counting up]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the run in --out, or with the newest runs/MODEL-N
    #[arg(long)]
    pub resume: bool,
    /// Seconds between two checkpoints, at least: what a killed run loses
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub checkpoint_every: Duration,
    /// Show the figures, curves and pictures beside those of an earlier run (`ghmc compare` does it for two finished ones)
    #[arg(long, value_name = "RUN")]
    pub compare: Option<PathBuf>,
    /// Print the results for people or as the content of summary.json
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// No plan and no progress on standard error
    #[arg(long, short)]
    pub quiet: bool,
}

/// `ghmc compare`.
#[derive(clap::Args)]
#[command(
    after_help = "A run is named by its directory. Differences are this minus that; `ghmc run FILE --compare RUN` compares while it runs."
)]
pub struct CompareArgs {
    /// The directory of a finished run: this one
    #[arg(value_name = "RUN")]
    pub this: PathBuf,
    /// The directory of the run it is compared with: that one
    #[arg(value_name = "RUN")]
    pub that: PathBuf,
    /// Write a page that shows both runs side by side: figures, curves, pictures
    #[arg(long, value_name = "OUT")]
    pub html: Option<PathBuf>,
    /// Print the comparison for people or as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `ghmc check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// The model files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// What they are compiled with.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Diagnostics drawn on standard error, or as JSON on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// No line that says that all is well
    #[arg(long, short)]
    pub quiet: bool,
}

/// A stage of the compiler to be shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// The syntax tree.
    Ast,
    /// The typed program.
    Program,
    /// The factor graph.
    Model,
    /// What analysis found: components, chains, closed forms.
    Facts,
    /// The plan.
    Plan,
    /// The tensor programs of the first step of each training line.
    Tensor,
    /// The file with what the compiler chose written out: it compiles to the same plan.
    Expanded,
}

/// `ghmc explain`.
#[derive(clap::Args)]
pub struct ExplainArgs {
    /// A model file, or a diagnostic code such as E0304
    #[arg(value_name = "FILE|CODE")]
    pub what: String,
    /// What it is compiled with.
    #[command(flatten)]
    pub inputs: Inputs,
    /// The stage to show
    #[arg(long, value_enum, default_value_t = Emit::Plan)]
    pub emit: Emit,
    /// Draw the factor graph of each model into this file, as SVG: plates, observed variables, engines
    #[arg(long, value_name = "OUT")]
    pub svg: Option<PathBuf>,
    /// Show the stage's data as RON
    #[arg(long)]
    pub ron: bool,
    /// Show the plan for people or as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `ghmc query`.
#[derive(clap::Args)]
pub struct QueryArgs {
    /// The model file, or a network file: .bif, .xmlbif or .uai, each also with .gz
    pub file: PathBuf,
    /// The question in the file's notation, as in 'P(rain | wet = yes)' or 'argmax(s | x) of chain on unseen'
    #[arg(required_unless_present_any = ["marginals", "samples", "compare"])]
    pub question: Option<String>,
    /// What it is compiled with.
    #[command(flatten)]
    pub inputs: Inputs,
    /// The directory of a finished run, whose parameters are used
    #[arg(long, value_name = "DIR")]
    pub params: Option<PathBuf>,
    /// A JSON file that holds variables fixed: {"wet": "yes", "x3": 1}, or a list of such objects, or the JSON itself; for networks also weights of states, {"wet": {"yes": 0.9, "no": 0.2}}, and UAI files (.evid)
    #[arg(long, value_name = "EV.json")]
    pub evidence: Option<PathBuf>,
    /// The model that is asked, where the file has several and the question does not say
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Give the posterior marginals of all other discrete variables
    #[arg(long)]
    pub marginals: bool,
    /// Ask a network file by this engine: exact, loopy_bp, mean_field or gibbs, with settings as in 'loopy_bp(schedule = residual, damping = 0.5)' [default: exact]
    #[arg(long, value_name = "ENGINE", conflicts_with = "compare")]
    pub by: Option<String>,
    /// Put the question to a network file to several engines: their errors, times, log Z or bounds, as in 'loopy_bp,mean_field,gibbs'
    #[arg(long, value_name = "ENGINES")]
    pub compare: Option<String>,
    /// Give so many joint states of a network file drawn from its posterior, of the variables before the bar or of all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000), conflicts_with_all = ["marginals", "compare"])]
    pub samples: Option<u32>,
    /// Print the answer for people or as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How draws are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// A header line, then a line a draw; labels as words.
    Csv,
    /// One NumPy array of doubles, a row a draw, in the columns of the CSV; labels as codes from 0.
    Npy,
}

/// `ghmc sample`.
#[derive(clap::Args)]
pub struct SampleArgs {
    /// The model file
    pub file: PathBuf,
    /// How many draws
    #[arg(short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub n: u32,
    /// What it is compiled with.
    #[command(flatten)]
    pub inputs: Inputs,
    /// The model that is drawn from, where the file has several
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// The directory of a finished run, whose parameters are used
    #[arg(long, value_name = "DIR")]
    pub params: Option<PathBuf>,
    /// Print the draws as CSV or as a NumPy array
    #[arg(long, value_enum, default_value_t = TableFormat::Csv)]
    pub format: TableFormat,
}

/// `ghmc fmt`.
#[derive(clap::Args)]
pub struct FmtArgs {
    /// The model files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; exit with 1 if a file is not in the one layout
    #[arg(long)]
    pub check: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!((bytes("12"), bytes("2k"), bytes("4G")), (Ok(12), Ok(2048), Ok(4 << 30)));
        assert!(bytes("G").is_err() && bytes("-1").is_err() && bytes("4X").is_err() && bytes("99999999T").is_err());
    }

    #[test]
    fn pairs_split_at_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("a").is_err() && pair("=b").is_err() && pair("a=").is_err());
    }
}
