//! Answers for people: figures with sign, n and seed in one table, other answers a line each, sampled pictures as shades.

use ghmc::diag::Diagnostic;
use ghmc::model::{DataRef, DataSource, Metric, Node, Program, Transform, Verb};
use ghmc::plan::{Answer, AskPlan, Kind};
use ghmc::report::{Figure, Sign, shade_row, short, table};
use ghmc::train::annealed::Estimate;
use ghmc::train::answers::{Drawn, Entries};
use ghmc::train::{AnswerValue, Answered, Compared};

use super::terminal::clip;

/// A joint distribution is told by so many states, the likeliest first.
const STATES: usize = 8;
/// Draws that hold no picture are shown so many.
const DRAWS: usize = 3;

/// The sign of a kind.
pub fn sign(kind: Kind) -> Sign {
    match kind {
        Kind::Exact => Sign::Exact,
        Kind::LowerBound => Sign::Lower,
        Kind::Estimate => Sign::Estimate,
    }
}

/// An answer that is one number, as a figure; `seed` is that of a trained or sampled value.
pub fn figure(program: &Program, answered: &Answered, plan: &AskPlan, seed: Option<u64>) -> Option<Figure> {
    let value = match &answered.value {
        AnswerValue::Number(value) | AnswerValue::Confusion { figure: value, .. } => *value,
        AnswerValue::Failed(told) if answered.verb == Verb::Evaluate => {
            let (name, note) = (answered.name.clone(), failure_text(told));
            return Some(Figure { name, value: f64::NAN, note, ..Figure::default() });
        }
        _ => return None,
    };
    let (unit, note) = match &plan.answer {
        Answer::Value { .. } => ("nats", "mean over rows"),
        Answer::LogZ(_) => ("nats", ""),
        Answer::Posterior { metric: Some((metric, _)), .. }
        | Answer::Conditionals { metric: Some((metric, _)), .. }
        | Answer::Code { metric: (metric, _), .. } => match metric {
            Metric::Error | Metric::Accuracy | Metric::ClusterError | Metric::ChunkF1 => ("%", ""),
            Metric::Retrieval { .. } => ("%", "mean over rows"),
            Metric::SquaredError => ("", "mean over rows"),
        },
        Answer::Posterior { .. } | Answer::Conditionals { .. } | Answer::Draws { .. } | Answer::Compare { .. } => {
            ("", "")
        }
    };
    Some(Figure {
        name: answered.name.clone(),
        kind: sign(answered.kind),
        value,
        unit: unit.to_string(),
        interval: interval(answered, &plan.answer, value),
        n: answered.rows.map(|n| n as u64),
        seed,
        data: plan.on.as_ref().map_or_else(String::new, |on| data_text(program, on)),
        note: {
            let note = match answered.unset.first() {
                None if answered.estimate.is_some() => estimate_note(answered, note),
                _ => note.to_string(),
            };
            let start = answered.unset.first().map(|name| format!("`{name}` at its start")).unwrap_or_default();
            let all = [note, start, near_text(answered)];
            all.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
        },
    })
}

/// The interval of an estimated log-partition, and of a likelihood that it is taken from once.
fn interval(answered: &Answered, answer: &Answer, value: f64) -> Option<(f64, f64)> {
    let (low, high) = answered.estimate.as_ref()?.interval;
    match answer {
        Answer::LogZ(_) => Some((low, high)),
        Answer::Value { expr, .. } if matches!(expr.node, Node::Objective(_)) => {
            let half = (high - low) / 2.0;
            Some((value - half, value + half))
        }
        _ => None,
    }
}

/// What is said about a figure with how its log-partition was estimated.
fn estimate_note(answered: &Answered, note: &str) -> String {
    let told = answered.estimate.as_ref().map(Estimate::note).unwrap_or_default();
    if note.is_empty() { told } else { format!("{note}; {told}") }
}

/// A data set by its name, with what was done to grey values and labels on the way: `digits.test, x soft`.
pub fn data_text(program: &Program, on: &DataRef) -> String {
    let split = on.split.iter().map(|split| format!(".{split}")).collect::<String>();
    let mut parts = vec![format!("{}{split}", program.data[on.data].name)];
    let mut told: Vec<&str> = Vec::new();
    let mut at = Some(on.data);
    // A chain of sets made of each other is no longer than there are sets; the nearest binding of a name is the one in force.
    for _ in program.data.ids() {
        let Some(set) = at.map(|id| &program.data[id]) else { break };
        for binding in set.bindings.iter().filter(|b| !told.contains(&b.name.as_str())).collect::<Vec<_>>() {
            let name = &binding.name;
            told.push(name);
            parts.extend(match &binding.transform {
                Transform::Soft => Some(format!("{name} soft")),
                Transform::Binarise => Some(format!("{name} binarised by draws")),
                Transform::Above(threshold) => Some(format!("{name} binarised at {}", short(*threshold))),
                Transform::Reveal { rows, .. } => Some(format!("{name} kept in {rows} rows")),
                Transform::Plain | Transform::Words | Transform::Computed(_) => None,
            });
        }
        at = match &set.source {
            DataSource::Of(of) => Some(of.data),
            DataSource::Read { .. } | DataSource::Sample { .. } => None,
        };
    }
    parts.join(", ")
}

/// A failure in one line.
fn failure_text(told: &Diagnostic) -> String {
    format!("failed, {}: {}", told.code, told.message)
}

/// A line that says which parameters an answer rests on that nothing has set; nothing where there are none.
pub fn unset_note(answered: &Answered) -> String {
    let Some(first) = answered.unset.first().filter(|_| !matches!(answered.value, AnswerValue::Failed(_))) else {
        return String::new();
    };
    let others = match answered.unset.len() {
        1 => "is".to_string(),
        n => format!("and {} more are", n - 1),
    };
    format!("note: `{}` is an answer at starting values: `{first}` {others} neither trained nor given\n", answered.name)
}

/// How far an approximation came, in words; nothing where none answered.
pub fn near_text(answered: &Answered) -> String {
    let Some(near) = answered.near.filter(|_| !matches!(answered.value, AnswerValue::Failed(_))) else {
        return String::new();
    };
    let rounds = format!("{} {}", near.rounds, if near.rounds == 1 { "round" } else { "rounds" });
    match (near.change, near.r_hat) {
        (Some(change), _) if near.converged => format!("converged in {rounds}, last change {}", short(change)),
        (Some(change), _) => format!("not converged: after {rounds} a probability still moved by {}", short(change)),
        (None, Some(worst)) => {
            let draws = near.effective.map(|n| format!(", at least {} effective draws", short(n))).unwrap_or_default();
            let word = if near.converged { "chains agree" } else { "the chains do not agree" };
            let worst = if worst.is_finite() { short(worst) } else { "infinite".to_string() };
            format!("{word}: R-hat is up to {worst}{draws}")
        }
        (None, None) => format!("no chain moved in {} sweeps", near.rounds),
    }
}

/// A line that warns of an approximation that has not come to rest; nothing where it has.
pub fn near_note(answered: &Answered) -> String {
    match answered.near {
        Some(near) if !near.converged && !near_text(answered).is_empty() => {
            format!("warning: `{}`: {}\n", answered.name, near_text(answered))
        }
        _ => String::new(),
    }
}

/// Answers that are not figures, in one table of lines no longer than `width`.
pub fn answers_table(answered: &[Answered], width: usize) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let longest = answered.iter().map(|a| a.name.chars().count()).max().unwrap_or(0).max(6);
    let room = width.saturating_sub(longest + 8).max(20);
    for one in answered {
        if is_figure(one) {
            continue;
        }
        let near = near_text(one);
        let told = answer_lines(&one.value, room).into_iter().chain((!near.is_empty()).then_some(near));
        for (i, line) in told.enumerate() {
            let sign = match one.value {
                // Each engine has its own.
                AnswerValue::Failed(_) | AnswerValue::Compared(_) => "",
                _ => one.kind.sign(),
            };
            let (name, kind) = if i == 0 { (one.name.clone(), sign) } else { (String::new(), "") };
            rows.push(vec![name, kind.to_string(), line]);
        }
    }
    if rows.is_empty() { String::new() } else { table(&["answer", "kind", "value"], &[false, false, false], &rows) }
}

/// An answer as lines of at most `room` characters.
pub fn answer_lines(value: &AnswerValue, room: usize) -> Vec<String> {
    match value {
        AnswerValue::Number(number) => vec![short(*number)],
        AnswerValue::Confusion { figure, .. } => vec![short(*figure)],
        AnswerValue::Distribution { of, states } => distribution_lines(of, states, room),
        AnswerValue::Entries(entries) => {
            let single = entries.iter().all(|e| e.values.len() == 1);
            let texts: Vec<String> =
                entries.iter().map(|e| format!("{} = {}", e.name, entries_text(e, room))).collect();
            if single { vec![clip(&texts.join(", "), room)] } else { texts.iter().map(|t| clip(t, room)).collect() }
        }
        AnswerValue::Settings(answers) => {
            let shown = answers.iter().take(STATES);
            let mut lines: Vec<String> = shown
                .flat_map(|(given, value)| {
                    let inner = answer_lines(value, room.saturating_sub(given.chars().count() + 2).max(20));
                    inner.into_iter().map(move |line| format!("{given}: {line}")).collect::<Vec<_>>()
                })
                .collect();
            if answers.len() > STATES {
                lines.push(format!("… {} more", answers.len() - STATES));
            }
            lines
        }
        AnswerValue::Draws(drawn) => drawn.iter().flat_map(|d| drawn_lines(d, room)).collect(),
        AnswerValue::Compared(sides) => compared_lines(sides).iter().map(|line| clip(line, room)).collect(),
        AnswerValue::Failed(told) => vec![clip(&failure_text(told), room)],
    }
}

/// A comparison as the lines of a table, an engine each; those that gave no answer below it, with the reason.
fn compared_lines(sides: &[Compared]) -> Vec<String> {
    let number = |v: Option<f64>| v.map_or_else(String::new, short);
    let rows: Vec<Vec<String>> = sides
        .iter()
        .filter(|s| s.failed.is_none())
        .map(|s| {
            vec![
                s.by.clone(),
                s.kind.sign().to_string(),
                number(s.value),
                number(s.errors.map(|e| e.0)),
                number(s.errors.map(|e| e.1)),
                format!("{:.3}", s.seconds),
            ]
        })
        .collect();
    let header = ["engine", "kind", "value", "mean error", "largest", "seconds"];
    let told = table(&header, &[false, false, true, true, true, true], &rows);
    let failed = sides.iter().filter_map(|s| Some(format!("{}: {}", s.by, failure_text(s.failed.as_ref()?))));
    told.lines().map(str::to_string).chain(failed).collect()
}

fn distribution_lines(of: &[String], states: &[(Vec<String>, f64)], room: usize) -> Vec<String> {
    let text = |(labels, p): &(Vec<String>, f64)| format!("{} {}", labels.join(", "), short(*p));
    let joined = states.iter().map(text).collect::<Vec<_>>().join("   ");
    let line = format!("{}: {joined}", of.join(", "));
    if line.chars().count() <= room {
        return vec![line];
    }
    let mut sorted: Vec<&(Vec<String>, f64)> = states.iter().collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut lines = vec![format!("{}:", of.join(", "))];
    lines.extend(sorted.iter().take(STATES).map(|s| clip(&format!("  {}", text(s)), room)));
    if states.len() > STATES {
        lines.push(format!("  … {} more", states.len() - STATES));
    }
    lines
}

/// Entries in one line: states that repeat are told once with their number.
fn entries_text(entries: &Entries, room: usize) -> String {
    let word = |v: f64| match &entries.labels {
        Some(labels) => labels.get(v.round() as usize).cloned().unwrap_or_default(),
        None => short(v),
    };
    words_text(&entries.values, &word, entries.labels.is_some(), room)
}

/// Numbers or states in one line; no more of them are written than could be read.
fn words_text(values: &[f64], word: &dyn Fn(f64) -> String, repeat: bool, room: usize) -> String {
    if !repeat {
        return values.iter().take(room).map(|&v| word(v)).collect::<Vec<_>>().join(" ");
    }
    let mut runs: Vec<(String, usize)> = Vec::new();
    for &value in values {
        let word = word(value);
        match runs.last_mut() {
            Some((last, n)) if *last == word => *n += 1,
            _ => runs.push((word, 1)),
        }
    }
    let long = runs.len() * 3 > values.len() * 2;
    let text = |(word, n): &(String, usize)| match n {
        1 => word.clone(),
        _ if long => vec![word.clone(); *n].join(" "),
        n => format!("{word}×{n}"),
    };
    runs.iter().take(room).map(text).collect::<Vec<_>>().join(" ")
}

fn drawn_lines(drawn: &Drawn, room: usize) -> Vec<String> {
    let n = drawn.settings.len();
    let width = drawn.values.len() / n.max(1);
    let word = |v: f64| match &drawn.labels {
        Some(labels) => labels.get(v as usize).cloned().unwrap_or_default(),
        None => short(v),
    };
    if width == 1 {
        let line = format!("{} = {}", drawn.name, words_text(&drawn.values, &word, drawn.labels.is_some(), room));
        return vec![clip(&line, room)];
    }
    let mut lines: Vec<String> = drawn
        .values
        .chunks(width.max(1))
        .take(DRAWS)
        .map(|draw| clip(&format!("{} = {}", drawn.name, words_text(draw, &word, drawn.labels.is_some(), room)), room))
        .collect();
    if n > DRAWS {
        lines.push(format!("… {} more draws of {}", n - DRAWS, drawn.name));
    }
    lines
}

/// One row of drawn pictures as shades, as many as fit, with what was held fixed under each; nothing where none fits.
pub fn picture_row(drawn: &Drawn, side: usize, width: usize) -> String {
    let size = side * side;
    let values = drawn.means.as_ref().unwrap_or(&drawn.values);
    let tile = 2 * side;
    let most = (width + 2) / (tile + 2);
    let mut settings: Vec<&String> = drawn.settings.iter().collect();
    settings.dedup();
    let n = drawn.settings.len();
    // One draw of each setting where they differ, else the first ones.
    let stride = if settings.len() > 1 { n / settings.len() } else { 1 };
    let chosen: Vec<usize> = (0..n).step_by(stride.max(1)).take(most).collect();
    let images: Vec<Vec<f32>> = chosen
        .iter()
        .filter_map(|i| values.get(i * size..(i + 1) * size))
        .map(|image| image.iter().map(|&v| v as f32).collect())
        .collect();
    if images.is_empty() {
        return String::new();
    }
    let views: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
    let mut out = shade_row(&views, side);
    if settings.len() > 1 {
        let captions: Vec<String> =
            chosen.iter().map(|&i| format!("{:^tile$}", clip(&drawn.settings[i], tile))).collect();
        out.push_str(captions.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Whether an answer goes into the table of figures: a number, or the failure of an `evaluate`.
pub fn is_figure(answered: &Answered) -> bool {
    match answered.value {
        AnswerValue::Number(_) | AnswerValue::Confusion { .. } => true,
        AnswerValue::Failed(_) => answered.verb == Verb::Evaluate,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_that_repeat_are_counted() {
        let labels = Some(vec!["fair".to_string(), "loaded".to_string()]);
        let values = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        let entries = Entries { name: "s".into(), shape: vec![6], values, labels };
        assert_eq!(answer_lines(&AnswerValue::Entries(vec![entries]), 80), ["s = fair×3 loaded×2 fair"]);
    }

    #[test]
    fn distributions_stand_in_one_line_where_they_fit() {
        let states = vec![(vec!["no".to_string()], 0.75), (vec!["yes".to_string()], 0.25)];
        let value = AnswerValue::Distribution { of: vec!["rain".into()], states };
        assert_eq!(answer_lines(&value, 80), ["rain: no 0.75   yes 0.25"]);
        assert_eq!(answer_lines(&value, 20), ["rain:", "  no 0.75", "  yes 0.25"]);
    }
}
