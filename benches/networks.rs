//! Networks side by side with the reference junction tree: processor time for each set of evidence, cold and with other values, as ratios
//! in one run.
//!
//! `GHM_DATA=.. GHM_PEERS=.. GHM_PYTHON=.. cargo bench --bench networks -- alarm munin2` reads networks from `GHM_DATA/bn`, evidence and the
//! reference programs from `GHM_PEERS`, and runs the latter by `GHM_PYTHON` (a Python with NumPy). Rounds alternate; medians over rounds and
//! sets are told. Without these folders it says so and does nothing.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ghmc::base::span::Sources;
use ghmc::data::network::read_network;
use ghmc::engine::junction::Junction;
use ghmc::model::Network;
use ghmc::table::{Options, Program};
use serde_json::Value;

const ROUNDS: usize = 3;
const NETWORKS: [&str; 13] = [
    "asia",
    "sachs",
    "child",
    "insurance",
    "alarm",
    "hailfinder",
    "barley",
    "mildew",
    "pathfinder",
    "diabetes",
    "munin2",
    "munin3",
    "link",
];

type Case = Vec<(usize, usize)>;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let (Some(data), Some(peers)) = (folder("GHM_DATA"), folder("GHM_PEERS")) else {
        println!("skipped: GHM_DATA and GHM_PEERS name no folders with networks and reference programs");
        return Ok(());
    };
    let python = folder("GHM_PYTHON");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!(
        "{:<12} {:>10} {:>10} {:>10} {:>10} {:>8}",
        "network", "cold ms", "revalue ms", "warm ms", "numpy ms", "ratio"
    );
    for name in NETWORKS.iter().filter(|n| words.is_empty() || words.iter().any(|w| w == *n)) {
        let network = read(&data.join("bn"), name)?;
        let (first, second) = evidence(&peers, name, &network)?;
        let mut own = Times::default();
        let mut reference = Vec::new();
        for _ in 0..ROUNDS {
            pool.install(|| own.round(&network, &first, &second))?;
            if let Some(python) = &python {
                reference.extend(numpy(python, &peers, &data, name)?);
            }
        }
        let (cold, revalue, warm) = (median(&mut own.cold), median(&mut own.revalue), median(&mut own.warm));
        let numpy = median(&mut reference);
        println!("{name:<12} {cold:>10.4} {revalue:>10.4} {warm:>10.4} {numpy:>10.3} {:>8.1}", numpy / cold);
    }
    Ok(())
}

/// Milliseconds a set.
#[derive(Default)]
struct Times {
    /// Nothing compiled before.
    cold: Vec<f64>,
    /// The same variables as before with other values.
    revalue: Vec<f64>,
    /// Compiled without evidence before, other variables than last time.
    warm: Vec<f64>,
}

impl Times {
    fn round(&mut self, network: &Network, first: &[Case], second: &[Case]) -> Result<(), String> {
        let told = |d: ghmc::diag::Diagnostic| d.message;
        for (one, two) in first.iter().zip(second) {
            let mut junction = Junction::new(network, &[], u64::MAX);
            let began = Instant::now();
            junction.marginals(one).map_err(told)?;
            self.cold.push(1e3 * began.elapsed().as_secs_f64());
            let began = Instant::now();
            junction.marginals(two).map_err(told)?;
            self.revalue.push(1e3 * began.elapsed().as_secs_f64());
        }
        let junction = Junction::new(network, &[], u64::MAX);
        let options = Options { bytes: 2 << 30, weighable: true, ..Options::default() };
        // A tree without evidence may be out of reach where trees with it are not.
        let Ok(program) = Program::compile(junction.tables(), &[], &options) else { return Ok(()) };
        let mut state = program.load(junction.tables(), &[]).map_err(|e| e.to_string())?;
        for case in first.iter().chain(second) {
            let began = Instant::now();
            state.unweigh();
            for &(axis, value) in case {
                state.observe(axis, value).map_err(|e| e.to_string())?;
            }
            state.propagate().map_err(|e| e.to_string())?;
            let mut sum = 0.0;
            for axis in 0..network.variables.len() {
                sum += state.marginal(axis).map_or(0.0, |p| p[0]);
            }
            std::hint::black_box(sum);
            self.warm.push(1e3 * began.elapsed().as_secs_f64());
        }
        Ok(())
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn read(folder: &Path, name: &str) -> Result<Network, Box<dyn Error>> {
    let found = ["bif", "bif.gz"].map(|end| folder.join(format!("{name}.{end}"))).into_iter().find(|p| p.exists());
    let path = found.ok_or_else(|| format!("no network `{name}` in {}", folder.display()))?;
    read_network(&path, &mut Sources::default()).map_err(|d| d.message.into())
}

/// The sets of evidence of a network, and the same variables with other values.
fn evidence(peers: &Path, name: &str, network: &Network) -> Result<(Vec<Case>, Vec<Case>), Box<dyn Error>> {
    let all: Value = serde_json::from_slice(&std::fs::read(peers.join(format!("d1/evidence/{name}.json")))?)?;
    let list = |key: &str| -> Vec<Case> {
        let sets = all["sets"].as_array().cloned().unwrap_or_default();
        sets.iter().map(|set| case(&set[key], network)).collect()
    };
    Ok((list("evidence"), list("evidence_alt")))
}

fn case(set: &Value, network: &Network) -> Case {
    let find = |(name, state): (&String, &Value)| {
        let at = network.variables.iter().position(|v| v.name == *name)?;
        let state = match state {
            Value::String(word) => network.variables[at].states.iter().position(|s| s == word)?,
            other => other.as_u64()? as usize,
        };
        Some((at, state))
    };
    set.as_object().into_iter().flatten().filter_map(find).collect()
}

/// One round of the reference: processor milliseconds of its cold runs.
fn numpy(python: &Path, peers: &Path, data: &Path, name: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let out = Command::new(python)
        .args(["d1_bn_marginals.py", "work", "numpy", name, "d1", "10"])
        .current_dir(peers)
        .env("PEERS_BN_DIR", data.join("bn"))
        .env("OMP_NUM_THREADS", "1")
        .output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let told: Value = text.lines().rev().find_map(|l| serde_json::from_str(l).ok()).unwrap_or_default();
    let times = told["cold_cpu_ms"].as_array().or_else(|| told["cold_ms"].as_array());
    Ok(times.into_iter().flatten().filter_map(Value::as_f64).collect())
}
