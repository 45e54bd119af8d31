#![warn(missing_docs)]
//! The command `ghmc`: hands its arguments to the door.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
