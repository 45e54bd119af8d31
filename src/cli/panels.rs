//! What of a run is worth looking at: answers and parameters as the report's panels.

use std::collections::BTreeMap;

use ghmc::model::{AxisId, Domain, Owner, Program};
use ghmc::pipeline::{Trained, picture_side};
use ghmc::report::{Bar, BarTable, Chart, Confusion, Curve, ImageGrid, Panel, Shading, TextBlock, short, table};
use ghmc::train::answers::{Drawn, Entries};
use ghmc::train::labels::state_labels;
use ghmc::train::{AnswerValue, Answered};

use super::answer_text::{answer_lines, near_text};

/// At most so many filters of a parameter are drawn.
const FILTERS: usize = 64;
/// At most so many answers of one question get a panel each.
const SETTINGS: usize = 12;
/// A vector of at most so many numbers is drawn as bars.
const BARS: usize = 40;
/// A parameter of at most so many numbers is written out.
const NUMBERS: usize = 120;
/// Characters in a line of a text panel.
const LINE: usize = 52;
/// The same where it is a table.
const WIDE: usize = 100;
/// A variable of at most so many states is drawn as a curve a state.
const CURVES: usize = 8;

/// Panels of the answers, in the order asked.
pub fn answer_panels(trained: &Trained, answers: &[Answered]) -> Vec<Panel> {
    let compiled = trained.compiled();
    let question = |name: &str| {
        let span = compiled.plan().asks.iter().find(|a| a.name == name).map(|a| a.span);
        let text = span.map_or("", |span| compiled.sources().text(span));
        // `query why = P(..)`: what follows on the first equals sign.
        text.split_once('=').map_or("", |(_, question)| question).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let panels = |a: &Answered| {
        let note = match a.value {
            AnswerValue::Compared(_) => question(&a.name),
            _ => {
                let near = near_text(a);
                let near = if near.is_empty() { near } else { format!("; {near}") };
                format!("{} ({}{near})", question(&a.name), a.kind.sign())
            }
        };
        value_panels(compiled.program(), &a.name, &note, &a.value)
    };
    answers.iter().flat_map(panels).collect()
}

fn value_panels(program: &Program, title: &str, asked: &str, value: &AnswerValue) -> Vec<Panel> {
    match value {
        AnswerValue::Number(_) => Vec::new(),
        AnswerValue::Confusion { labels, counts, .. } => {
            vec![Panel::Confusion(Confusion {
                title: title.to_string(),
                note: asked.to_string(),
                labels: labels.clone(),
                counts: counts.clone(),
            })]
        }
        AnswerValue::Distribution { of, states } => {
            let bars = states.iter().map(|(labels, p)| Bar { label: labels.join(", "), value: *p }).collect();
            let of = if of.len() > 1 { format!("{}; {asked}", of.join(", ")) } else { asked.to_string() };
            vec![Panel::Bars(BarTable { title: title.to_string(), note: of, full: Some(1.0), bars })]
        }
        AnswerValue::Entries(entries) => {
            if entries.iter().all(|e| e.values.len() == 1) {
                return vec![text_panel(title, asked, value)];
            }
            entries.iter().map(|e| entries_panel(program, title, asked, e)).collect()
        }
        AnswerValue::Settings(answers) => {
            let one = |(given, value): &(String, AnswerValue)| {
                value_panels(program, &format!("{title}: {given}"), asked, value)
            };
            answers.iter().take(SETTINGS).flat_map(one).collect()
        }
        AnswerValue::Draws(drawn) => drawn.iter().map(|d| drawn_panel(program, title, asked, d)).collect(),
        AnswerValue::Compared(_) | AnswerValue::Failed(_) => vec![text_panel(title, asked, value)],
    }
}

fn text_panel(title: &str, asked: &str, value: &AnswerValue) -> Panel {
    let width = if matches!(value, AnswerValue::Compared(_)) { WIDE } else { LINE };
    let text = answer_lines(value, width).join("\n");
    Panel::Text(TextBlock { title: title.to_string(), note: asked.to_string(), text, fixed: true })
}

/// The side of the pictures that a variable of that name holds.
pub fn side_of(program: &Program, name: &str) -> Option<usize> {
    program.vars.iter().filter(|(_, v)| v.name == name).find_map(|(id, _)| picture_side(program, id))
}

fn entries_panel(program: &Program, title: &str, asked: &str, entries: &Entries) -> Panel {
    let heading = format!("{title}: {}", entries.name);
    if entries.labels.is_none()
        && let Some(side) = side_of(program, &entries.name).filter(|s| s * s == entries.values.len())
    {
        return Panel::Images(ImageGrid {
            title: heading,
            note: asked.to_string(),
            height: side,
            width: side,
            columns: 1,
            images: vec![entries.values.iter().map(|&v| v as f32).collect()],
            ..ImageGrid::default()
        });
    }
    if entries.labels.is_none() && entries.values.len() <= BARS {
        let bars = entries.values.iter().enumerate().map(|(i, &v)| Bar { label: (i + 1).to_string(), value: v });
        return Panel::Bars(BarTable { title: heading, note: asked.to_string(), full: None, bars: bars.collect() });
    }
    if entries.labels.is_none()
        && let Some(chart) = curves(program, &heading, entries)
    {
        return Panel::Chart(chart);
    }
    let word = |v: &f64| match &entries.labels {
        Some(labels) => labels.get(v.round() as usize).cloned().unwrap_or_default(),
        None => short(*v),
    };
    let words: Vec<String> = entries.values.iter().map(word).collect();
    Panel::Text(TextBlock { title: heading, note: asked.to_string(), text: wrapped(&words), fixed: true })
}

/// Numbers along one axis as a curve, probabilities of states along one axis as a curve a state.
fn curves(program: &Program, title: &str, entries: &Entries) -> Option<Chart> {
    let (_, var) = program.vars.iter().find(|(_, v)| v.name == entries.name)?;
    let [along] = var.axes()[..] else { return None };
    let states = match (&var.domain, entries.shape.as_slice()) {
        (Domain::Cat(_), [_, k]) if *k <= CURVES => state_labels(program, &var.domain),
        (Domain::Cat(_), _) | (_, [] | [_, _, ..]) => return None,
        (_, [_]) => vec![entries.name.clone()],
    };
    let k = states.len().max(1);
    let points = |state: usize| {
        let values = entries.values.iter().skip(state).step_by(k);
        values.enumerate().map(|(i, &v)| ((i + 1) as f64, v)).collect()
    };
    Some(Chart {
        title: title.to_string(),
        x: program.axes[along].name.clone(),
        curves: states
            .iter()
            .enumerate()
            .map(|(i, name)| Curve { name: name.clone(), points: points(i), ..Curve::default() })
            .collect(),
        ..Chart::default()
    })
}

/// Words in lines of the panel's width, the position of each line's first word before it.
fn wrapped(words: &[String]) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for (i, word) in words.iter().enumerate() {
        if line.is_empty() {
            line = format!("{:>6}  ", i + 1);
        }
        line.push_str(word);
        line.push(' ');
        if line.chars().count() > LINE - 8 || i + 1 == words.len() {
            out.push_str(line.trim_end());
            out.push('\n');
            line.clear();
        }
    }
    out
}

fn drawn_panel(program: &Program, title: &str, asked: &str, drawn: &Drawn) -> Panel {
    let Some(side) = side_of(program, &drawn.name).filter(|s| drawn.shape == [s * s]) else {
        return text_panel(title, asked, &AnswerValue::Draws(vec![drawn.clone()]));
    };
    let values = drawn.means.as_ref().unwrap_or(&drawn.values);
    let images = values.chunks(side * side).map(|d| d.iter().map(|&v| v as f32).collect()).collect();
    let mut rows: Vec<String> = drawn.settings.clone();
    rows.dedup();
    let by_setting = rows.len() > 1;
    let columns = if by_setting { drawn.settings.len() / rows.len() } else { drawn.settings.len().min(10) };
    let what = if drawn.means.is_some() { "Means of" } else { "Draws of" };
    Panel::Images(ImageGrid {
        title: title.to_string(),
        note: format!("{asked}. {what} {}, {} in all.", drawn.name, drawn.settings.len()),
        height: side,
        width: side,
        columns: columns.max(1),
        images,
        row_labels: if by_setting { rows } else { Vec::new() },
        ..ImageGrid::default()
    })
}

/// Panels of the parameters: filters where a matrix reads or writes pictures, numbers where there are few.
pub fn parameter_panels(trained: &Trained) -> Vec<Panel> {
    let program = trained.compiled().program();
    let params = trained.params();
    let sides = picture_axes(trained);
    let mut panels = Vec::new();
    for (_, param) in program.params.iter() {
        let Some(values) = params.get(&param.name) else { continue };
        let flat: Vec<f64> = values.iter().copied().collect();
        let pictured = param.axes.iter().position(|a| sides.contains_key(&program.axes.root(*a)));
        match (param.axes.as_slice(), pictured) {
            ([_, _], Some(at)) if param.domain == Domain::Real => {
                panels.push(filters(&param.name, &flat, values.shape(), at, sides[&program.axes.root(param.axes[at])]));
            }
            // A net's biases say nothing by themselves.
            _ if matches!(param.owner, Owner::Net(_)) => {}
            ([axis], None) if flat.len() <= BARS => {
                let bars = flat.iter().enumerate().map(|(i, &v)| Bar { label: label(program, *axis, i), value: v });
                let full = (param.domain == Domain::Simplex).then_some(1.0);
                let (title, bars) = (param.name.clone(), bars.collect());
                panels.push(Panel::Bars(BarTable { title, note: String::new(), full, bars }));
            }
            _ if flat.len() <= NUMBERS && pictured.is_none() && param.axes.len() <= 2 => {
                let text = numbers(program, &param.axes, values.shape(), &flat);
                panels.push(Panel::Text(TextBlock {
                    title: param.name.clone(),
                    note: String::new(),
                    text,
                    fixed: true,
                }));
            }
            _ => {}
        }
    }
    panels
}

/// Axes of square extent along which data shows pictures, with their side.
fn picture_axes(trained: &Trained) -> BTreeMap<AxisId, usize> {
    let compiled = trained.compiled();
    let program = compiled.program();
    let bound = |name: &str| program.data.ids().any(|d| compiled.data().binds(d, name));
    program
        .vars
        .iter()
        .filter(|(_, v)| bound(&v.name))
        .filter_map(|(id, v)| Some((program.axes.root(*v.axes().first()?), picture_side(program, id)?)))
        .collect()
}

fn filters(name: &str, values: &[f64], shape: &[usize], at: usize, side: usize) -> Panel {
    let (rows, columns) = (shape[0], shape[1]);
    let others = if at == 0 { columns } else { rows };
    let entry = |filter: usize, pixel: usize| match at {
        0 => values[pixel * columns + filter],
        _ => values[filter * columns + pixel],
    };
    let shown = others.min(FILTERS);
    let images = (0..shown).map(|f| (0..side * side).map(|p| entry(f, p) as f32).collect()).collect();
    let note = match others > shown {
        true => format!("The first {shown} of {others}; each scaled by itself, blue is positive."),
        false => "Each scaled by itself, blue is positive.".to_string(),
    };
    Panel::Images(ImageGrid {
        title: name.to_string(),
        note,
        height: side,
        width: side,
        columns: 16.min(shown),
        images,
        shading: Shading::Signed,
        ..ImageGrid::default()
    })
}

/// The name of a position on an axis.
fn label(program: &Program, axis: AxisId, i: usize) -> String {
    match program.axes.labels(axis) {
        Some(labels) => labels.get(i).cloned().unwrap_or_default(),
        None => (i + 1).to_string(),
    }
}

/// A small parameter as a table with the names of its states.
fn numbers(program: &Program, axes: &[AxisId], shape: &[usize], values: &[f64]) -> String {
    let (&[first, last], &[_, width]) = (axes, shape) else {
        return wrapped(&values.iter().map(|v| short(*v)).collect::<Vec<_>>());
    };
    let header: Vec<String> = (0..width).map(|i| label(program, last, i)).collect();
    let mut heads = vec![program.axes[first].name.as_str()];
    heads.extend(header.iter().map(String::as_str));
    let rows: Vec<Vec<String>> = values
        .chunks(width.max(1))
        .enumerate()
        .map(|(i, row)| [label(program, first, i)].into_iter().chain(row.iter().map(|v| short(*v))).collect())
        .collect();
    let right: Vec<bool> = (0..=width).map(|i| i > 0).collect();
    table(&heads, &right, &rows)
}
