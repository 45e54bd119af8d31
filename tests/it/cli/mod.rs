//! The command line as other programs see it: exit codes, what goes to which stream, JSON shapes, run directories.

mod ask;
mod compare;
mod look;
mod run;

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// A small file that trains in a blink: `ROUNDS` is the number of epochs.
const LEARNER: &str = "# A coin that another coin leans on.
model nature {
  c: Bool ~ Bernoulli(0.3)
  x: Bool ~ Bernoulli(if c then 0.9 else 0.2)
}
data seen = sample(nature, 60, seed = 1) { c: Bool; x: Bool }
model learner {
  param a: Real, b: Real, d: Real
  c: Bool ~ Bernoulli(logit = a)
  x: Bool ~ Bernoulli(logit = if c then b else d)
}
train learner on seen { maximise loglik with sgd(0.5, batch = 10); epochs ROUNDS }
evaluate fit = loglik of learner on seen
query leaning = P(c | x = yes) of learner
sample tosses = P(c, x) of learner times 5
";

/// A directory of its own, and the program started in it without colours or data from outside.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { dir: tempfile::tempdir().expect("a directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Place {
        std::fs::write(self.path(name), text).expect("a file");
        self
    }

    fn learner(&self, rounds: usize) -> &Place {
        self.write("learner.ghm", &LEARNER.replace("ROUNDS", &rounds.to_string()))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.dir.path()).env_remove("GHM_DATA").env_remove("NO_COLOR").args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }
}

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_ghmc")
}

/// A file of `models/`.
fn model(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name).display().to_string()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in\n{text}"))
}
