//! Killed at random moments and gone on with, a run ends in the same bits. `GHM_LONG=1` asks for fifty kills.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ghmc::base::stream::Stream;

use super::{BeliefNet, belief_net};
use crate::cli::{Place, code, err, program};

/// Greedy layers with ties, up-down with a schedule and early stopping, a bound with Adam, EM: everything a checkpoint holds.
const USES: &str = "axis Kind = 3
axis Z = 3
train dbn on seen.train {
  stage greedy {
    tie guide.R0 = W0, guide.R1 = W1
    init W0, W1, memory.W from Normal(0, sd = 0.01)
    maximise loglik by layerwise(cd(1)) with sgd(0.1, momentum = ramp(0.5, 0.9), batch = 50, decay = 2e-4)
    epochs 4
  }
  stage updown {
    maximise loglik by wake_sleep(memory = cd(ramp(1, 3))) with sgd(0.02, batch = 50)
    epochs 6
  }
}
model kinds {
  param pi: Simplex[Kind], p[Kind]: Simplex[Digit]
  k: Kind ~ Categorical(pi)
  y: Digit ~ Categorical(p[k])
}
train kinds on seen.train { maximise loglik by em; epochs 5 }
net dec(z: Real[Z]) -> Real[Pixel] { dense(8, tanh); dense }
net enc(x: Bool[Pixel]) -> (mean: Real[Z], sd: Positive[Z]) { dense(8, tanh); dense }
model vae {
  z: Real[Z]     ~ Normal(0, sd = 1)
  x: Bool[Pixel] ~ Bernoulli(logit = dec(z))
}
guide vae { z: Real[Z] ~ Normal(..enc(x)) }
train vae on seen.train {
  maximise elbo with adam(1e-2, batch = 50)
  epochs 12
  patience 2 on seen.test
}
";

fn text() -> String {
    let data = "dataset(\"digits\") { x: Bool[Pixel] = binarise(image); y: Digit = label }";
    belief_net(BeliefNet { pixels: 64, hidden: [12, 12, 12], digit: "10", data, rest: USES })
}

fn run(place: &Place, out: &str, resume: bool) -> Command {
    let mut command = Command::new(program());
    command
        .args(["run", "run.ghm", "--out", out, "--quiet", "--checkpoint-every", "0.02"])
        .args(resume.then_some("--resume"))
        .current_dir(place.path(""))
        .env_remove("GHM_DATA")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Whether a run stands there that can be gone on with.
fn begun(place: &Place, out: &str) -> bool {
    place.path(out).join("plan.txt").exists()
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let long = std::env::var_os("GHM_LONG").is_some_and(|v| v == "1");
    let kills = if long { 50 } else { 8 };
    let place = Place::new();
    place.write("run.ghm", &text());
    let began = Instant::now();
    let output = run(&place, "whole", false).output().expect("the program starts");
    assert_eq!(code(&output), 0, "{}", err(&output));
    let whole = began.elapsed();
    let file = |out: &str, name: &str| -> PathBuf { place.path(out).join(name) };
    let read = |out: &str, name: &str| std::fs::read(file(out, name)).expect("a file of the run");
    let mut stream = Stream::new(50, 7, 0, 0);
    let (mut dead, mut underway) = (0, 0);
    for round in 0..kills {
        let out = format!("killed-{round}");
        // Two in three moments lie anywhere in the run, the others twice in a row.
        let moments = if round % 3 == 2 { 2 } else { 1 };
        for _ in 0..moments {
            let delay = Duration::from_secs_f64(whole.as_secs_f64() * stream.uniform());
            let mut child = run(&place, &out, begun(&place, &out)).spawn().expect("the program starts");
            std::thread::sleep(delay);
            // `kill` is SIGKILL: the process has no say in it.
            child.kill().expect("a signal is sent");
            let status = child.wait().expect("it ends");
            dead += usize::from(status.code().is_none());
            underway += usize::from(file(&out, "checkpoint").exists() && !file(&out, "params.safetensors").exists());
        }
        let output = run(&place, &out, begun(&place, &out)).output().expect("the program starts");
        assert_eq!(code(&output), 0, "round {round}: {}", err(&output));
        for name in ["params.safetensors", "metrics.jsonl"] {
            assert!(read("whole", name) == read(&out, name), "round {round}: {name} differs");
        }
        std::fs::remove_dir_all(place.path(&out)).expect("the run is put away");
    }
    assert!(dead >= kills / 2, "only {dead} of {kills} runs were killed");
    assert!(underway >= kills / 4, "only {underway} of {kills} runs were killed after a checkpoint");
}
