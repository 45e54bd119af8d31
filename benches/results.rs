//! Reruns rows of `docs/results.md` and writes the page anew: a figure without its rerun does not exist.
//!
//! `cargo bench --bench results` reruns every row, `cargo bench --bench results -- dbn` those whose name contains a word.
//! What each row is stands in `benches/results.ron`; what was measured is kept in `docs/results.ron`, from which the page is made.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ghmc::pipeline::{Compiled, Settings};
use ghmc::train::{AnswerValue, Silent};
use serde::{Deserialize, Serialize};

/// What is run.
#[derive(Deserialize)]
struct Row {
    name: String,
    model: String,
    figure: String,
    seeds: Vec<u64>,
    /// What it should reach, in words, with its source.
    aim: String,
    /// By what the number is multiplied to be shown, and its unit.
    scale: f64,
    unit: String,
}

/// What was found.
#[derive(Clone, Serialize, Deserialize)]
struct Found {
    kind: String,
    values: Vec<f64>,
    seconds: Vec<f64>,
    commit: String,
    machine: String,
}

/// Figures by name, each with its kind, and the seconds their run took.
type Figures = (BTreeMap<String, (String, f64)>, f64);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows: Vec<Row> = ron::from_str(&std::fs::read_to_string(root.join("benches/results.ron"))?)?;
    let kept = root.join("docs/results.ron");
    let mut found: BTreeMap<String, Found> = match std::fs::read_to_string(&kept) {
        Ok(text) => ron::from_str(&text)?,
        Err(_) => BTreeMap::new(),
    };
    // Rows of one model share its runs.
    let mut done: BTreeMap<(String, u64), Figures> = BTreeMap::new();
    for row in rows.iter().filter(|r| words.is_empty() || words.iter().any(|w| r.name.contains(w))) {
        let (mut values, mut seconds, mut kind) = (Vec::new(), Vec::new(), String::new());
        for &seed in &row.seeds {
            let key = (row.model.clone(), seed);
            let (figures, time) = match done.entry(key) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(free) => {
                    eprintln!("{} with seed {seed}", row.model);
                    free.insert(run(&root.join(&row.model), seed)?)
                }
            };
            let Some((sign, value)) = figures.get(&row.figure) else {
                return Err(format!("{} answers no figure `{}`", row.model, row.figure).into());
            };
            kind.clone_from(sign);
            values.push(*value);
            seconds.push(*time);
        }
        let record = Found { kind, values, seconds, commit: git(root), machine: machine() };
        found.insert(row.name.clone(), record);
    }
    found.retain(|name, _| rows.iter().any(|r| &r.name == name));
    std::fs::write(&kept, ron::ser::to_string_pretty(&found, ron::ser::PrettyConfig::default())? + "\n")?;
    std::fs::write(root.join("docs/results.md"), page(&rows, &found))?;
    Ok(())
}

/// Trains and answers a file; its figures by name, and the seconds it took.
fn run(model: &Path, seed: u64) -> Result<Figures, Box<dyn Error>> {
    let text = std::fs::read_to_string(model)?;
    let start = Instant::now();
    let mut settings = Settings { seed, ..Settings::default() };
    settings.locations.base = model.parent().map(Path::to_path_buf).unwrap_or_default();
    settings.locations.root = std::env::var_os("GHM_DATA").map(Into::into);
    let compiled = Compiled::of_text(&model.display().to_string(), &text, settings)?;
    let never = AtomicBool::new(false);
    let mut trained = compiled.train(&never, &mut Silent)?;
    let mut figures = BTreeMap::new();
    for answered in trained.answer_all(&never, &mut |_| {}) {
        if let AnswerValue::Number(value) | AnswerValue::Confusion { figure: value, .. } = answered.value {
            figures.insert(answered.name, (answered.kind.sign().to_string(), value));
        }
    }
    Ok((figures, start.elapsed().as_secs_f64()))
}

fn page(rows: &[Row], found: &BTreeMap<String, Found>) -> String {
    let mut out = String::from(
        "# Results\n\nMade by `cargo bench --bench results`, which reruns what it is asked for (`-- dbn`: rows whose name \
         contains that word). Figures are means over the seeds, with the smallest and the largest; `=` exact, `≥` a bound, \
         `≈` an estimate. Seconds are of the whole file: compiling, training, every question.\n\n\
         | row | figure | seeds | aim | seconds | model | commit | machine |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Some(f) = found.get(&row.name) else {
            let _ = writeln!(out, "| {} | not run yet | | {} | | `{}` | | |", row.name, row.aim, row.model);
            continue;
        };
        let shown: Vec<f64> = f.values.iter().map(|v| v * row.scale).collect();
        let mean = shown.iter().sum::<f64>() / shown.len() as f64;
        let (low, high) = shown.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let spread = if shown.len() > 1 { format!(" ({low:.2} to {high:.2})") } else { String::new() };
        let seeds: Vec<String> = row.seeds.iter().map(u64::to_string).collect();
        let time = f.seconds.iter().sum::<f64>() / f.seconds.len() as f64;
        let _ = writeln!(
            out,
            "| {} | {} {mean:.2} {}{spread} | {} | {} | {time:.1} | `{}` | {} | {} |",
            row.name,
            f.kind,
            row.unit,
            seeds.join(", "),
            row.aim,
            row.model,
            f.commit,
            f.machine
        );
    }
    out
}

fn git(root: &Path) -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default()
}

fn machine() -> String {
    let name = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split(':').nth(1)?.trim().to_string())
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", name.unwrap_or_else(|| std::env::consts::ARCH.to_string()))
}
