//! `ghmc sample`: draws of all variables of a model, as CSV or as one NumPy array on standard output.

use ghmc::data::{Column, Table, write_csv};
use ghmc::diag::{Code, Diagnostic};
use ghmc::model::{Ask, Question, Subject, Verb};
use ghmc::plan::choose_ask;
use ghmc::train::AnswerValue;
use ghmc::train::answers::Drawn;
use ndarray::Array2;
use ndarray_npy::WriteNpyExt;

use super::args::{SampleArgs, TableFormat};
use super::open::{compile, with_params};
use super::query::{choose_model, first_learned};
use super::terminal::Terminal;
use super::trouble::{Trouble, exit, print_bytes};

/// Draws.
pub fn sample(args: &SampleArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    let compiled = compile(&args.file, &args.inputs, terminal, false)?;
    let mut trained = with_params(&compiled, args.params.as_deref())?;
    let program = compiled.program();
    let model = choose_model(program, args.model.as_deref())?;
    if let Some(name) = first_learned(&compiled, model).filter(|_| args.params.is_none()) {
        terminal.say(&format!(
            "note: `{name}` and other parameters are not trained but as they start; name a finished run with `--params DIR`\n"
        ));
    }
    let targets = program.models[model].vars.iter().copied().filter(|&v| !program.vars[v].given);
    let ask = Ask {
        verb: Verb::Sample,
        name: program.models[model].name.clone(),
        question: Question::Probability { targets: targets.map(|v| (v, None)).collect(), evidence: Vec::new() },
        of: Subject::Model(model),
        on: None,
        row: None,
        place: None,
        by: Vec::new(),
        times: Some(args.n as usize),
        span: program.models[model].span,
    };
    let plan = choose_ask(program, &ask).map_err(|d| Trouble::within(compiled.sources(), *d))?;
    let answered = trained.answer(program, &plan).map_err(|e| Trouble::within(compiled.sources(), e.diagnostic()))?;
    let AnswerValue::Draws(drawn) = answered.value else {
        return Err(Trouble::of(Diagnostic::new(Code::NotSupported, "this model cannot be drawn from")));
    };
    let mut bytes = Vec::new();
    let written = match args.format {
        TableFormat::Csv => csv(drawn, args.n as usize, &mut bytes),
        TableFormat::Npy => npy(&drawn, args.n as usize, &mut bytes),
    };
    written.map_err(|message| Trouble::of(Diagnostic::new(Code::CannotWrite, message)))?;
    print_bytes(&bytes)?;
    Ok(exit::DONE)
}

fn csv(drawn: Vec<Drawn>, n: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let column = |draw: Drawn| {
        let column = match draw.labels {
            Some(labels) => Column::coded(draw.shape, draw.values.iter().map(|&v| v as usize).collect(), labels),
            None => Column::numbers(draw.shape, draw.values),
        };
        (draw.name, column)
    };
    let table = Table::from_columns(drawn.into_iter().map(column).collect()).map_err(|e| e.to_string())?;
    let rows: Vec<usize> = (0..n).collect();
    write_csv(&table, &rows, out).map_err(|e| e.to_string())
}

/// Every number of a draw in its row, variables in the model's order.
fn npy(drawn: &[Drawn], n: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let widths: Vec<usize> = drawn.iter().map(|d| d.shape.iter().product()).collect();
    let mut all = Vec::with_capacity(n * widths.iter().sum::<usize>());
    for row in 0..n {
        for (draw, &width) in drawn.iter().zip(&widths) {
            all.extend_from_slice(draw.values.get(row * width..(row + 1) * width).unwrap_or(&[]));
        }
    }
    let array = Array2::from_shape_vec((n, widths.iter().sum()), all).map_err(|e| e.to_string())?;
    array.write_npy(out).map_err(|e| e.to_string())
}
