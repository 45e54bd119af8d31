//! A run's results put together: `summary.json` and the report page, from what training and the questions gave.

use std::collections::BTreeMap;
use std::path::Path;

use ghmc::pipeline::Trained;
use ghmc::plan::StagePlan;
use ghmc::report::{
    Better, Chart, Curve, Environment, Figure, NetworkFigure, Panel, RunReport, Stage, StageSummary, Summary, drawing,
};
use ghmc::train::Answered;
use ghmc::train::fit::StageRecord;
use sha2::{Digest, Sha256};

use super::answer_json::answer_json;
use super::answer_text::{figure, is_figure};
use super::panels::{answer_panels, parameter_panels};

/// How a run was made.
pub struct Made {
    /// Worker threads.
    pub threads: usize,
    /// Wall time of this process, in seconds.
    pub seconds: f64,
    /// The command that repeats it.
    pub command: String,
}

/// The figures of a run, those that the file's `report` names first.
pub fn figures(trained: &Trained, answers: &[Answered]) -> Vec<Figure> {
    let compiled = trained.compiled();
    let seed = Some(compiled.settings().seed);
    let program = compiled.program();
    let mut figures: Vec<Figure> =
        answers.iter().zip(&compiled.plan().asks).filter_map(|(a, plan)| figure(program, a, plan, seed)).collect();
    let named = &compiled.program().report;
    figures.sort_by_key(|f| named.iter().position(|n| *n == f.name).unwrap_or(named.len()));
    figures
}

/// The summary.
pub fn summary(trained: &Trained, answers: &[Answered], made: &Made) -> Summary {
    let stages = trained.position().history.iter().map(|record| StageSummary {
        name: record.name.clone(),
        epochs: record.epochs.len() as u64,
        seconds: record.seconds,
        objective: last_objective(record),
        parts: last_parts(record),
    });
    let queries = answers.iter().filter(|a| a.verb != ghmc::model::Verb::Evaluate);
    Summary {
        seed: trained.compiled().settings().seed,
        evaluate: figures(trained, answers)
            .into_iter()
            .filter(|f| {
                answers.iter().any(|a| a.name == f.name && is_figure(a) && a.verb == ghmc::model::Verb::Evaluate)
            })
            .collect(),
        queries: queries.map(|a| (a.name.clone(), answer_json(a))).collect(),
        stages: stages.collect(),
        seconds: made.seconds,
        threads: made.threads,
        compare: None,
    }
}

/// A digest of a program's text.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn last_objective(record: &StageRecord) -> Option<f64> {
    record.epochs.last()?.objectives.last().copied().flatten().filter(|v| v.is_finite())
}

/// The parts of the last line's objective in the last epoch, by name.
fn last_parts(record: &StageRecord) -> BTreeMap<String, f64> {
    let names = record.parts.last().into_iter().flatten().cloned();
    let values = record.epochs.last().and_then(|e| e.parts.last()).into_iter().flatten().copied();
    names.zip(values).filter(|(_, value)| value.is_finite()).collect()
}

/// The page. `reconstructions` are its panels of pictures that were made again, `networks` its drawings of networks.
pub fn report(
    trained: &Trained,
    answers: &[Answered],
    reconstructions: Vec<Panel>,
    networks: Vec<NetworkFigure>,
    made: &Made,
) -> RunReport {
    let compiled = trained.compiled();
    let file = compiled.sources().file(compiled.file());
    let stem = Path::new(&file.name).file_stem().map_or_else(|| file.name.clone(), |s| s.to_string_lossy().into());
    let named = &compiled.program().report;
    let mut shown: Vec<&Answered> = answers.iter().collect();
    shown.sort_by_key(|a| named.iter().position(|n| *n == a.name).unwrap_or(named.len()));
    let shown: Vec<Answered> = shown.into_iter().cloned().collect();
    let mut panels = answer_panels(trained, &shown);
    panels.extend(reconstructions);
    panels.extend(parameter_panels(trained));
    let plans = compiled.plan().trains.iter().flat_map(|t| &t.stages);
    RunReport {
        title: stem,
        file: file.name.clone(),
        about: opening_comment(&file.text),
        plan: compiled.explain(),
        graph: Some(drawing::inline(&drawing::figures(compiled.program(), compiled.plan()))),
        networks,
        stages: trained.position().history.iter().zip(plans).map(|(record, plan)| stage(record, plan)).collect(),
        figures: figures(trained, answers),
        panels,
        environment: Environment {
            seed: compiled.settings().seed,
            threads: made.threads,
            seconds: made.seconds,
            version: env!("CARGO_PKG_VERSION").to_string(),
            command: made.command.clone(),
            program: digest(&file.text),
        },
        against: None,
    }
}

fn stage(record: &StageRecord, plan: &StagePlan) -> Stage {
    let curve = |name: String, values: Vec<Option<f64>>| Curve {
        name,
        points: values.iter().enumerate().map(|(i, v)| ((i + 1) as f64, v.unwrap_or(f64::NAN))).collect(),
        ..Curve::default()
    };
    let lines = record.epochs.first().map_or(0, |e| e.objectives.len());
    let mut curves: Vec<Curve> = Vec::new();
    for line in 0..lines {
        let whole = if lines == 1 { "training".to_string() } else { format!("line {}", line + 1) };
        let name = |part: &str| if lines == 1 { part.to_string() } else { format!("{whole}: {part}") };
        let values = record.epochs.iter().map(|e| e.objectives.get(line).copied().flatten());
        curves.push(curve(whole.clone(), values.collect()));
        for (at, part) in record.parts.get(line).into_iter().flatten().enumerate() {
            let values = record.epochs.iter().map(|e| e.parts.get(line).and_then(|parts| parts.get(at)).copied());
            curves.push(Curve { part: true, ..curve(name(part), values.collect()) });
        }
    }
    // A line whose value is unknown has no curve.
    curves.retain(|c| c.points.iter().any(|(_, v)| v.is_finite()));
    if record.epochs.iter().any(|e| e.held_out.is_some()) {
        curves.push(curve("held out".to_string(), record.epochs.iter().map(|e| e.held_out).collect()));
    }
    // Parts that would press the whole flat have a chart to themselves.
    let (parts, wholes): (Vec<Curve>, Vec<Curve>) = curves.iter().cloned().partition(|c| c.part);
    let apart = !wholes.is_empty() && span(&curves) > FLAT * span(&wholes);
    let value = plan.lines.iter().all(|l| l.objective.has_value());
    let chart = Chart {
        title: "objective".to_string(),
        x: "epoch".to_string(),
        unit: if value { "nats a row".to_string() } else { String::new() },
        log: false,
        better: if value { Better::Higher } else { Better::Neither },
        curves: if apart { wholes } else { curves },
    };
    let beside = apart.then(|| Chart {
        title: "parts of the objective".to_string(),
        better: Better::Neither,
        curves: parts.into_iter().map(|part| Curve { part: false, ..part }).collect(),
        ..chart.clone()
    });
    Stage {
        name: record.name.clone(),
        epochs: record.epochs.len() as u64,
        seconds: record.seconds,
        objective: last_objective(record),
        // One point is no curve.
        charts: if record.epochs.len() > 1 && !chart.curves.is_empty() {
            std::iter::once(chart).chain(beside).collect()
        } else {
            Vec::new()
        },
    }
}

/// Where curves cover more than so many times what their whole covers, its course could not be read beside them.
const FLAT: f64 = 5.0;

/// From the least value of some curves to the largest.
fn span(curves: &[Curve]) -> f64 {
    let values = curves.iter().flat_map(|c| &c.points).map(|p| p.1).filter(|v| v.is_finite());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    (high - low).max(0.0)
}

/// The comment that a file opens with, as one paragraph.
fn opening_comment(text: &str) -> String {
    let lines = text.lines().skip_while(|l| l.trim().is_empty()).map_while(|l| l.trim().strip_prefix('#'));
    lines.map(str::trim).collect::<Vec<_>>().join(" ").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_introduced_by_its_first_comment() {
        assert_eq!(opening_comment("\n# A lawn.\n#  Pearl.\n\n# later\nmodel m {}"), "A lawn. Pearl.");
        assert_eq!(opening_comment("model m {}"), "");
    }
}
