//! The command `ghmc`: hands its arguments to the door.
#![warn(missing_docs)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
