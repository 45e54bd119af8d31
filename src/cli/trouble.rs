//! How things go wrong at the door: each kind of trouble has its words on standard error and its exit code.

use std::io::Write;

use ghmc::diag::{Code, Diagnostic, Problems, render_all, to_json};
use ghmc::pipeline::Failed;
use ghmc::report::ReportError;
use serde_json::{Value, json};

use super::terminal::Terminal;
use ghmc::base::span::Sources;

/// Exit codes, a contract with other programs.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// The input is wrong; diagnostics say where.
    pub const INPUT: u8 = 1;
    /// The command was called in a way it cannot be called.
    pub const USAGE: u8 = 2;
    /// The run failed: training diverged, the disk is full.
    pub const FAILED: u8 = 3;
    /// Stopped on request, after writing a checkpoint.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a command could not do what it was asked.
pub enum Trouble {
    /// Diagnostics; they were made by a stage of the pipeline.
    Diagnosed(Box<Failed>),
    /// The call itself is wrong: what is, and how to mend it.
    Usage(String, String),
    /// A run was stopped on request; what is left of it was told already.
    Interrupted,
    /// Whoever read standard output has gone away: nobody is left to be told.
    Unread,
}

impl Trouble {
    /// A wrong call without a mend beyond its message.
    pub fn usage(message: impl Into<String>) -> Trouble {
        Trouble::Usage(message.into(), String::new())
    }

    /// One diagnostic that points into no text.
    pub fn of(diagnostic: Diagnostic) -> Trouble {
        Trouble::within(&Sources::default(), diagnostic)
    }

    /// One diagnostic that may point into these texts.
    pub fn within(sources: &Sources, diagnostic: Diagnostic) -> Trouble {
        let mut problems = Problems::new();
        problems.push(diagnostic);
        Failed { sources: sources.clone(), problems }.into()
    }

    /// The exit code. Diagnostics mean a wrong input, unless one of them tells of a run that failed or all of a wrong call.
    pub fn exit_code(&self) -> u8 {
        match self {
            Trouble::Diagnosed(failed) => {
                let (list, _) = failed.problems.sorted();
                let ran = |d: &Diagnostic| matches!(d.code, Code::Diverged | Code::CannotWrite | Code::Busy);
                let call = |d: &Diagnostic| matches!(d.code, Code::BadSetting | Code::Occupied | Code::NoRun);
                match list.iter().any(call) && list.iter().filter(|d| d.is_error()).all(call) {
                    true => exit::USAGE,
                    false if list.iter().any(ran) => exit::FAILED,
                    false => exit::INPUT,
                }
            }
            Trouble::Usage(..) => exit::USAGE,
            Trouble::Interrupted => exit::INTERRUPTED,
            Trouble::Unread => exit::DONE,
        }
    }

    /// Says it on standard error.
    pub fn tell(&self, terminal: &Terminal, json: bool) {
        match self {
            Trouble::Diagnosed(failed) => tell_problems(&failed.problems, &failed.sources, terminal, json),
            Trouble::Usage(message, help) if json => {
                terminal.say(&format!("{}\n", json!({ "usage": message, "help": help })));
            }
            Trouble::Usage(message, help) => {
                let error = terminal.paint_error("error:");
                let mend = if help.is_empty() { String::new() } else { format!("\n  help: {help}") };
                terminal.say(&format!("{error} {message}{mend}\n"));
            }
            Trouble::Interrupted | Trouble::Unread => {}
        }
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Trouble {
        Trouble::Diagnosed(Box::new(failed))
    }
}

impl From<ReportError> for Trouble {
    fn from(error: ReportError) -> Trouble {
        Trouble::of(Diagnostic::new(error.code(), error.to_string()).help(error.help()))
    }
}

/// Diagnostics on standard error, drawn for people or as `{"diagnostics": [..]}`.
pub fn tell_problems(problems: &Problems, sources: &Sources, terminal: &Terminal, json: bool) {
    if problems.is_empty() {
        return;
    }
    let (list, left_out) = problems.sorted();
    if json {
        terminal.say(&format!("{}\n", problems_json(problems, sources)));
    } else {
        terminal.say(&render_all(&list, left_out, sources, terminal.style()));
    }
}

/// `{"diagnostics": [..], "errors": n, "warnings": n}`, with `left_out` where there were too many to list.
pub fn problems_json(problems: &Problems, sources: &Sources) -> Value {
    let (list, left_out) = problems.sorted();
    let errors = list.iter().filter(|d| d.is_error()).count();
    let mut all = json!({
        "diagnostics": list.iter().map(|d| to_json(d, sources)).collect::<Vec<_>>(),
        "errors": errors,
        "warnings": list.len() - errors,
    });
    if left_out > 0 {
        all["left_out"] = json!(left_out);
    }
    all
}

/// Writes results to standard output.
pub fn print(text: &str) -> Result<(), Trouble> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Trouble::Unread),
        Err(e) => Err(Trouble::of(
            Diagnostic::new(Code::CannotWrite, format!("standard output cannot be written: {e}"))
                .help("free space where it leads to, or send it elsewhere"),
        )),
    }
}
