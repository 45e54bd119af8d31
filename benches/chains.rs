//! Hidden chains side by side with other systems: expectation-maximisation of a Gaussian chain, and the posterior of one long sequence.
//!
//! `GHM_PEERS=.. GHM_NEURAL_PEERS=.. GHM_PYTHON=.. cargo bench --bench chains` reads the chains of `GHM_PEERS/d8`, has
//! `GHM_NEURAL_PEERS/w3_gen.py` write the sequences of the Gaussian one, and runs the peers that the Python has. Rounds alternate;
//! processor and clock milliseconds are medians. What is missing is said and skipped.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ghmc::data::{Column, Table};
use ghmc::engine::answer::{PosteriorSpec, posterior};
use ghmc::engine::update::input_name;
use ghmc::pipeline::{Compiled, Precision, Settings};
use ghmc::plan::Answer;
use ghmc::runtime::{Context, Options, Program, Real, States};
use ghmc::train::fit::Scalar;
use ghmc::train::{Event, Fit, Observer};
use serde_json::Value;

const ROUNDS: usize = 5;
/// Rounds of expectation-maximisation that are timed, and those before them in which programs are compiled.
const TIMED: usize = 10;
const BEFORE: usize = 2;

const GAUSSIAN: &str = "axis Time = 500
axis Dim = 8
axis State = 16
axis Before = State
data obs = npy(\"none.npy\") { x[Time]: Real[Dim] = value }
model chain {
  param start: Simplex[State], A[Before]: Simplex[State], mu[State]: Real[Dim], sd[State]: Positive[Dim]
  for t in Time {
    s[t]: State     ~ Categorical(if t is first then start else A[s[t-1]])
    x[t]: Real[Dim] ~ Normal(mu[s[t]], sd = sd[s[t]])
  }
}
train chain on obs { maximise loglik by em; epochs EPOCHS }
";

const DISCRETE: &str = "axis Time = TIME
axis State = STATES
axis Before = State
axis Symbol = SYMBOLS
data obs = npy(\"none.npy\") { x[Time]: Symbol = value }
model chain {
  param start: Simplex[State], A[Before]: Simplex[State], B[State]: Simplex[Symbol]
  for t in Time {
    s[t]: State  ~ Categorical(if t is first then start else A[s[t-1]])
    x[t]: Symbol ~ Categorical(B[s[t]])
  }
}
query states = P(s | x, row 1) on obs
";

type Arrays = BTreeMap<String, (Vec<usize>, Vec<f64>)>;
type Told<T> = Result<T, Box<dyn Error>>;

fn main() -> Told<()> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let python = folder("GHM_PYTHON");
    match (folder("GHM_NEURAL_PEERS"), &python) {
        (Some(peers), Some(python)) => gaussian(&peers, python)?,
        _ => println!(
            "skipped: GHM_NEURAL_PEERS and GHM_PYTHON name nothing that writes the sequences of a Gaussian chain"
        ),
    }
    match folder("GHM_PEERS") {
        Some(peers) => {
            for states in [5, 64] {
                discrete(&peers, python.as_deref(), states)?;
            }
        }
        None => println!("skipped: GHM_PEERS names no folder with long sequences"),
    }
    Ok(())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Numbers as `numpy.savetxt` writes them.
fn numbers(path: &Path) -> Told<Vec<f64>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.split([',', '\n']).filter(|w| !w.trim().is_empty()).map(|w| w.trim().parse()).collect::<Result<_, _>>()?)
}

/// Notes the time after each round of expectation-maximisation.
#[derive(Default)]
struct Rounds {
    at: Vec<Instant>,
    objectives: Vec<f64>,
}

impl Observer for Rounds {
    fn notice(&mut self, event: &Event) {
        if let Event::EpochEnded { objectives, .. } = event {
            self.at.push(Instant::now());
            self.objectives.extend(objectives.first().copied().flatten());
        }
    }
}

fn gaussian(peers: &Path, python: &Path) -> Told<()> {
    let folder = std::env::temp_dir().join("ghmc-chains");
    let written = Command::new(python).arg(peers.join("w3_gen.py")).arg(&folder).output()?;
    if !written.status.success() {
        println!("skipped: w3_gen.py: {}", String::from_utf8_lossy(&written.stderr));
        return Ok(());
    }
    let (rows, steps, dim, states) = (100, 500, 8, 16);
    let read = |name: &str| numbers(&folder.join(format!("{name}.csv")));
    let sd: Vec<f64> = read("var")?.into_iter().map(f64::sqrt).collect();
    let start: Arrays = [
        ("chain.start", vec![states], read("pi")?),
        ("chain.A", vec![states, states], read("A")?),
        ("chain.mu", vec![states, dim], read("mu")?),
        ("chain.sd", vec![states, dim], sd),
    ]
    .map(|(name, shape, data)| (name.to_string(), (shape, data)))
    .into();
    let column = Column::numbers(vec![steps, dim], read("obs")?);
    let table = Table::from_columns(vec![("value".to_string(), column)])?;
    let model = |epochs: usize, precision: Precision| -> Told<Compiled> {
        let tables = BTreeMap::from([("obs".to_string(), table.clone())]);
        let settings = Settings { tables, precision: Some(precision), ..Settings::default() };
        Ok(Compiled::of_text("chain.ghm", &GAUSSIAN.replace("EPOCHS", &epochs.to_string()), settings)?)
    };
    println!("{TIMED} rounds of EM, {rows} sequences of {steps}, {states} states");
    let exact = model(TIMED + 1, Precision::F64)?;
    let (_, objectives) = learn::<f64>(&exact, &start)?;
    // A round's objective is what the parameters before it were worth.
    let last = objectives.last().copied().unwrap_or(f64::NAN) * rows as f64;
    println!("  log-likelihood after {TIMED} in double precision {last:.3}, by every peer -591199.924");
    let exact = model(TIMED + BEFORE, Precision::F64)?;
    let narrow = model(TIMED + BEFORE, Precision::F32)?;
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let names = [["f32, 1 thread", "f64, 1 thread"], ["f32, 2 threads", "f64, 2 threads"]][threads - 1];
            times.entry(names[0]).or_default().push(pool.install(|| learn::<f32>(&narrow, &start))?.0);
            times.entry(names[1]).or_default().push(pool.install(|| learn::<f64>(&exact, &start))?.0);
        }
        for peer in ["jax-f32", "jax-f64", "hmmlearn-scaling", "hmmlearn-log"] {
            let out = Command::new(python)
                .args(["w3_hmm.py", "--peer", peer, "--data"])
                .arg(&folder)
                .current_dir(peers)
                .output()?;
            let text = String::from_utf8_lossy(&out.stdout);
            let told: Option<Value> = text.lines().rev().find_map(|l| serde_json::from_str(l).ok());
            if let Some(seconds) = told.as_ref().and_then(|t| t["seconds"].as_f64()) {
                times.entry(peer).or_default().push(1e3 * seconds);
            }
        }
    }
    for (name, found) in &mut times {
        println!("  {name:<20} {:>10.2} ms", median(found));
    }
    Ok(())
}

/// Clock milliseconds of the timed rounds from given parameters, and each round's objective, a mean over rows.
fn learn<T: Scalar>(compiled: &Compiled, start: &Arrays) -> Result<(f64, Vec<f64>), String> {
    let options = ghmc::train::Options::default();
    let mut fit: Fit<'_, T> = Fit::new(compiled.program(), compiled.plan(), compiled.data(), options);
    for (name, (shape, data)) in start {
        fit.states_mut().insert(name.clone(), shape, data.iter().map(|&v| <T as Real>::of(v)).collect());
    }
    let mut rounds = Rounds::default();
    fit.run(&AtomicBool::new(false), &mut rounds).map_err(|e| e.to_string())?;
    let from = rounds.at.len().saturating_sub(TIMED + 1);
    let spent = rounds.at[rounds.at.len() - 1] - rounds.at[from];
    Ok((1e3 * spent.as_secs_f64(), rounds.objectives))
}

fn discrete(peers: &Path, python: Option<&Path>, states: usize) -> Told<()> {
    let told: Value = serde_json::from_slice(&std::fs::read(peers.join(format!("d8/hmm-{states}.json")))?)?;
    let flat = |value: &Value| -> Vec<f64> {
        let mut all = Vec::new();
        for v in value.as_array().into_iter().flatten() {
            match v.as_array() {
                Some(row) => all.extend(row.iter().filter_map(Value::as_f64)),
                None => all.extend(v.as_f64()),
            }
        }
        all
    };
    let (start, moves, emit, obs) =
        (flat(&told["start"]), flat(&told["trans"]), flat(&told["emit"]), flat(&told["obs"]));
    let (steps, symbols) = (obs.len(), emit.len() / states);
    let text = DISCRETE
        .replace("TIME", &steps.to_string())
        .replace("STATES", &states.to_string())
        .replace("SYMBOLS", &symbols.to_string());
    let column = Column::numbers(vec![steps], obs.clone());
    let table = Table::from_columns(vec![("value".to_string(), column)])?;
    let settings = Settings { tables: BTreeMap::from([("obs".to_string(), table)]), ..Settings::default() };
    let compiled = Compiled::of_text("chain.ghm", &text, settings)?;
    let program = compiled.program();
    let Some(Answer::Posterior { guided, partition, joint, targets, shape, evidence, .. }) =
        compiled.plan().asks.first().map(|a| &a.answer)
    else {
        return Err("the question has another plan".into());
    };
    let inputs: Vec<_> = evidence.iter().map(|e| e.var).collect();
    let targets: Vec<_> = targets.iter().map(|t| t.0).collect();
    let graph = posterior(&PosteriorSpec {
        program,
        model: partition.model,
        rows: 1,
        inputs: &inputs,
        guided,
        partition,
        joint: joint.as_ref(),
        targets: &targets,
        shape: *shape,
    })
    .map_err(|e| e.to_string())?;
    let mut run: Program<f64> = Program::compile(&graph, &Options::default())?;
    let mut params = States::new();
    for (name, shape, data) in [
        ("chain.start", vec![states], &start),
        ("chain.A", vec![states, states], &moves),
        ("chain.B", vec![states, symbols], &emit),
    ] {
        params.insert(name.to_string(), &shape, data.clone());
    }
    let given = [(input_name(program, inputs[0]), obs)];
    let given: Vec<(&str, &[f64])> = given.iter().map(|(n, d)| (n.as_str(), d.as_slice())).collect();
    let mut spent: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            pool.install(|| -> Result<(), String> {
                for again in 0..20 {
                    let began = Instant::now();
                    run.run(&Context::default(), &mut params, &given).map_err(|e| e.to_string())?;
                    if round + again > 0 {
                        let name = format!("ghmc, {threads} threads");
                        spent.entry(name).or_default().push(1e3 * began.elapsed().as_secs_f64());
                    }
                }
                Ok(())
            })?;
        }
    }
    println!("posterior of {steps} symbols, {states} states");
    if let Some((_, evidence)) = run.output("evidence") {
        println!("  log-likelihood {:.9}, reference {}", evidence[0], told["log_lik"]);
    }
    if let Some((_, found)) = run.output("s") {
        let want = flat(&told["posterior_every_50"]);
        let rows = found.chunks(states).step_by(50).flatten();
        let gap = rows.zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("  largest gap of a posterior {gap:.2e}");
    }
    for (name, found) in &mut spent {
        println!("  {name:<20} {:>10.4} ms", median(found));
    }
    if let Some(python) = python {
        let out = Command::new(python)
            .args(["d8_hmm.py", "bench", "--rounds", &ROUNDS.to_string()])
            .current_dir(peers)
            .env("OMP_NUM_THREADS", "1")
            .output()?;
        for line in String::from_utf8_lossy(&out.stdout).lines() {
            let peer: Value = serde_json::from_str(line).unwrap_or_default();
            if peer["states"].as_u64() == Some(states as u64) {
                println!(
                    "  {:<20} {:>10.4} ms",
                    peer["peer"].as_str().unwrap_or_default(),
                    peer["cpu_ms"].as_f64().unwrap_or(f64::NAN)
                );
            }
        }
    }
    Ok(())
}
