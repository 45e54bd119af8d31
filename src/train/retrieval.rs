//! Retrieval: of the rows whose codes lie nearest to a row's own, how many are of its kind.
//!
//! Comes in: a question with codes for answers and a column of labels; goes out: mean over rows i of the share, among the `at` other rows j
//! of largest c_i · c_j / (|c_i| |c_j|), of those with the label of i, or with one of its labels (Hinton & Salakhutdinov 2006, figure 4).

use super::answers::{AnswerValue, Asker, evidence_of};
use super::compiled::{Cache, Growth};
use super::events::Failure;
use super::fit::{Scalar, gather_inputs, run_program};
use super::rows::all_absent;
use crate::diag::{Code, Diagnostic};
use crate::engine::answer;
use crate::model::{Domain, Metric, Subject, VarId};
use crate::plan::Answer;
use crate::runtime::States;

impl Asker<'_> {
    /// The figure, and the rows it is over.
    pub(super) fn retrieval<T: Scalar>(&self, states: &mut States<T>) -> Result<(AnswerValue, usize), Failure> {
        let (Answer::Posterior { metric: Some((metric, truth)), .. }
        | Answer::Conditionals { metric: Some((metric, truth)), .. }
        | Answer::Code { metric: (metric, truth), .. }) = &self.ask.answer
        else {
            return Ok((AnswerValue::Settings(Vec::new()), 0));
        };
        let Metric::Retrieval { at } = *metric else { return Ok((AnswerValue::Settings(Vec::new()), 0)) };
        let (rows, codes) = self.codes(states)?;
        let declared = &self.program.vars[*truth];
        let Some(on) = &self.ask.on else { return Err(self.impossible("there is no row".into())) };
        let labels: Vec<f64> =
            self.data.gather(self.program, on.data, *truth, &rows, self.terms.seed, 0).ok_or_else(|| {
                let text = format!("the data does not bind `{}`, so rows have no label", declared.name);
                Diagnostic::at(Code::NothingBound, self.ask.span, text)
                    .help("bind a column of that name, or ask on other data")
            })?;
        let width = labels.len() / rows.len().max(1);
        let several = declared.domain == Domain::Bool;
        let mut kept: Vec<(Vec<f64>, &[f64])> = Vec::new();
        for ((row, code), label) in rows.iter().zip(codes).zip(labels.chunks(width.max(1))) {
            let absent = self.data.absent(self.program, on.data, *truth, *row);
            if !absent.is_some_and(|a| a.contains(&true)) {
                kept.push((unit(code), label));
            }
        }
        if kept.is_empty() {
            return Err(all_absent(on));
        }
        if kept.len() == 1 {
            let text = "there is one row, and none to be near it";
            return Err(Diagnostic::at(Code::TooFewRows, self.ask.span, text).help("ask on more rows").into());
        }
        let alike = |a: &[f64], b: &[f64]| match several {
            true => a.iter().zip(b).any(|(a, b)| *a > 0.5 && *b > 0.5),
            false => a == b,
        };
        Ok((AnswerValue::Number(precision(&kept, at, alike)), kept.len()))
    }

    /// The code of each row that has one.
    fn codes<T: Scalar>(&self, states: &mut States<T>) -> Result<(Vec<usize>, Vec<Vec<f64>>), Failure> {
        let mut codes = Vec::new();
        let limit = self.limit();
        let Answer::Code { expr, .. } = &self.ask.answer else {
            let rows = self.rows()?;
            let numbers = self.numbers()?;
            let mut cache = Cache::new();
            let Some((target, _)) = self.targets().first().copied() else { return Ok((Vec::new(), codes)) };
            for (step, chunk) in rows.chunks(self.chunk::<T>(rows.len())?).enumerate() {
                let mut outputs = self.posterior::<T>(&mut cache, states, chunk, &[], step)?;
                if let Some(bad) = evidence_of(&outputs).iter().position(|e| !e.is_finite()) {
                    let number = numbers[&chunk[bad]];
                    return Err(self.impossible(format!("row {number} has probability zero under the model")));
                }
                codes.extend(outputs.remove(&self.program.vars[target].name).unwrap_or_default());
                self.verify(&codes, rows.len())?;
            }
            return Ok((rows, codes));
        };
        let (Some(on), Subject::Model(model) | Subject::Guide(model)) = (&self.ask.on, self.ask.of) else {
            return Ok((Vec::new(), codes));
        };
        let vars = self.program.models[model].vars.iter().copied();
        let inputs: Vec<VarId> = vars.filter(|&v| self.data.binds(on.data, &self.program.vars[v].name)).collect();
        let read: Vec<VarId> = expr.reads().iter().map(|r| r.var).collect();
        let rows = self.chosen(self.data.telling_rows(self.program, on, &read, &[])?)?;
        let emit = |rows: usize| answer::code(self.program, rows, &inputs, expr);
        let size = match rows.len() {
            0 | 1 => 1,
            n => Growth::of::<T>(&limit.as_limit(), emit)?.rows(self.share(false)).clamp(1, n),
        };
        let mut cache = Cache::new();
        for (step, chunk) in rows.chunks(size).enumerate() {
            let program = cache.get(chunk.len(), &limit.as_limit(), || emit(chunk.len()))?;
            let values = gather_inputs::<T>(self.program, self.data, on.data, &inputs, chunk, self.terms.seed, 0);
            run_program(program, states, &values, self.terms.seed, step as u64).map_err(|e| self.failed(&e, chunk))?;
            let Some((_, data)) = program.output("value") else { continue };
            let width = (data.len() / chunk.len().max(1)).max(1);
            codes.extend(data.chunks(width).map(|row| row.iter().map(|&v| v.into()).collect::<Vec<f64>>()));
            self.verify(&codes, rows.len())?;
        }
        Ok((rows, codes))
    }

    /// Errors: the codes of so many rows take more memory than allowed.
    fn verify(&self, codes: &[Vec<f64>], rows: usize) -> Result<(), Failure> {
        let width = codes.first().map_or(0, Vec::len);
        let bytes = rows.saturating_mul(width).saturating_mul(size_of::<f64>());
        self.limit().as_limit().verify(bytes).map_err(Failure::Told)
    }
}

/// A vector of length 1 in the same direction; zero stays zero, and is as far from all others as what is at right angles to them.
fn unit(mut code: Vec<f64>) -> Vec<f64> {
    let length = code.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        code.iter_mut().for_each(|v| *v /= length);
    }
    code
}

/// The mean share of rows alike among the nearest `at` of each; of rows equally near the earlier comes first.
fn precision<L: Copy>(rows: &[(Vec<f64>, L)], at: usize, alike: impl Fn(L, L) -> bool) -> f64 {
    let at = at.clamp(1, (rows.len() - 1).max(1));
    let mut sum = 0.0;
    let mut near: Vec<(f64, usize)> = Vec::new();
    for (i, (code, label)) in rows.iter().enumerate() {
        near.clear();
        let cosine = |other: &[f64]| code.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        let others = rows.iter().enumerate().filter(|(j, _)| *j != i);
        near.extend(others.map(|(j, (other, _))| (cosine(other), j)));
        let order = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if at < near.len() {
            near.select_nth_unstable_by(at - 1, order);
        }
        let found = near.iter().take(at).filter(|(_, j)| alike(*label, rows[*j].1)).count();
        sum += found as f64 / at as f64;
    }
    sum / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rows_are_counted_by_angle_and_not_by_length() {
        // Two directions; the third row is far out along the first, the last between them and nearer to the second.
        let rows: Vec<(Vec<f64>, u8)> =
            [([1.0, 0.1], 0), ([0.0, 2.0], 1), ([90.0, 0.0], 0), ([0.1, 1.0], 1), ([0.4, 1.0], 0)]
                .map(|(code, label)| (unit(code.to_vec()), label))
                .to_vec();
        let figure = |at| precision(&rows, at, |a, b| a == b);
        // Nearest of each: 2, 3, 0, 1 and 3: four of five alike.
        assert!((figure(1) - 0.8).abs() < 1e-12);
        // All four others: two of four are of the kind of a 0, one of the kind of a 1.
        assert!((figure(4) - (3.0 * 0.5 + 2.0 * 0.25) / 5.0).abs() < 1e-12);
        assert_eq!(figure(100), figure(4));
        assert_eq!(unit(vec![0.0, 0.0]), [0.0, 0.0]);
    }
}
