//! Pictures beside what a model makes of them: for each figure that holds a picture against its predicted mean, some rows of the data and
//! their predictions, one above the other. The questions are asked as a file would ask them, a row each.

use ghmc::model::{Evidence, EvidenceValue, Metric, Program, Question, Subject};
use ghmc::pipeline::{Trained, picture_side};
use ghmc::report::{ImageGrid, Panel};
use ghmc::train::AnswerValue;

/// So many rows are shown.
const ROWS: usize = 10;

/// One panel a figure of that kind.
pub fn reconstruction_panels(trained: &mut Trained) -> Vec<Panel> {
    let program = trained.compiled().program().clone();
    (0..program.asks.len()).filter_map(|ask| panel(trained, &program, ask)).collect()
}

fn panel(trained: &mut Trained, program: &Program, ask: usize) -> Option<Panel> {
    let ask = &program.asks[ask];
    let Question::Metric { metric: Metric::SquaredError, truth, prediction } = &ask.question else { return None };
    let Question::Mean { targets, evidence, .. } = prediction.as_ref() else { return None };
    let (Subject::Model(model), Some(on), Some(side)) = (ask.of, &ask.on, picture_side(program, *truth)) else {
        return None;
    };
    let plain = |e: &Evidence| matches!(e.value, EvidenceValue::Bound) && !e.intervention;
    if targets.as_slice() != [*truth] || !evidence.iter().all(plain) {
        return None;
    }
    let name = |var| program.vars[var].name.as_str();
    let given: Vec<&str> = evidence.iter().map(|e| name(e.var)).collect();
    let split = on.split.iter().map(|split| format!(".{split}")).collect::<String>();
    let (data, of) = (&program.data[on.data].name, &program.models[model].name);
    let seed = trained.compiled().settings().seed;
    let mut rows = trained.compiled().data().rows(program, on).ok()?;
    rows.truncate(ROWS);
    let shown = trained.compiled().data().gather::<f32>(program, on.data, *truth, &rows, seed, 0)?;
    let mut images: Vec<Vec<f32>> = shown.chunks(side * side).map(<[f32]>::to_vec).collect();
    for row in 1..=rows.len() {
        let question = format!("mean({} | {}, row {row}) of {of} on {data}{split}", name(*truth), given.join(", "));
        let AnswerValue::Entries(entries) = trained.ask(&question).ok()?.value else { return None };
        let made = entries.into_iter().find(|e| e.name == name(*truth) && e.values.len() == side * side)?;
        images.push(made.values.iter().map(|&v| v as f32).collect());
    }
    Some(Panel::Images(ImageGrid {
        title: format!("{}: reconstructions", ask.name),
        note: format!(
            "The first {} rows of {data}{split}, and mean({} | {}).",
            rows.len(),
            name(*truth),
            given.join(", ")
        ),
        height: side,
        width: side,
        columns: rows.len(),
        images,
        row_labels: vec!["data".to_string(), "made".to_string()],
        ..ImageGrid::default()
    }))
}
