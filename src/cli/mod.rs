//! The door: arguments in; results on standard output, progress and diagnostics on standard error, and an exit code out.
//!
//! It is the first client of `ghmc::pipeline` and lives in the program, not in the library, so that nothing can import it.
//! A file a verb: `run`, `compare`, `check`, `explain`, `query`, `sample`, `layout` (`fmt`), `network` (`import`, `export`). `trouble` says how each failure leaves the process.

mod answer_json;
mod answer_text;
mod args;
mod ask_network;
mod assemble;
mod by;
mod check;
mod compare;
mod evidence;
mod explain;
mod facts;
mod layout;
mod network;
mod network_by;
mod network_case;
mod network_panels;
mod network_svg;
mod open;
mod pages;
mod panels;
mod query;
mod reconstruct;
mod run;
mod sample;
mod terminal;
mod trouble;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use terminal::Terminal;
use trouble::exit;

/// Reads the arguments, does what they say, and tells how it went.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let terminal = Terminal::of_process();
    let (done, json) = match &args.command {
        Command::Run(a) => (run::run(a, &terminal), a.format.is_json()),
        Command::Compare(a) => (compare::compare(a, &terminal), a.format.is_json()),
        Command::Check(a) => (check::check(a, &terminal), a.format.is_json()),
        Command::Explain(a) => (explain::explain(a, &terminal), a.format.is_json()),
        Command::Query(a) => (query::query(a, &terminal), a.format.is_json()),
        Command::Sample(a) => (sample::sample(a, &terminal), false),
        Command::Fmt(a) => (layout::layout(a, &terminal), false),
        Command::Import(a) => (network::import(a), false),
        Command::Export(a) => (network::export(a, &terminal), false),
    };
    let code = match done {
        Ok(code) => code,
        Err(trouble) => {
            trouble.tell(&terminal, json);
            trouble.exit_code()
        }
    };
    debug_assert!([exit::DONE, exit::INPUT, exit::USAGE, exit::FAILED, exit::INTERRUPTED].contains(&code));
    ExitCode::from(code)
}
