//! One question put to several engines: each answered and timed, and held against the best there is.
//!
//! In: plans of the same question, and a way to answer one. Out: a row an engine, with the mean and the largest absolute difference of
//! its numbers from those of the exact answer: the first exact one among the engines, else the one that is given to hold them against.

use std::time::Instant;

use super::answers::{AnswerValue, Answered};
use super::events::Failure;
use crate::diag::Diagnostic;
use crate::plan::{AskPlan, Kind, Side};

/// What one engine of a comparison answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The engine as it was asked for.
    pub by: String,
    /// What its numbers are, and they, where the answer is one number.
    pub kind: Kind,
    /// The answer where it is one number.
    pub value: Option<f64>,
    /// The mean and the largest absolute difference from the exact answer; none for it itself, and where there is none.
    pub errors: Option<(f64, f64)>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Why there is no answer.
    pub failed: Option<Box<Diagnostic>>,
}

/// Answers by each engine, and the rows they speak of. An engine that fails says so in its row; an exact answer that others would be held
/// against and that fails leaves them without errors.
pub(super) fn compare(
    sides: &[Side],
    truth: Option<&AskPlan>,
    answer: &mut dyn FnMut(&AskPlan) -> Result<Answered, Failure>,
) -> (Vec<Compared>, Option<usize>) {
    let mut found = Vec::new();
    for side in sides {
        let began = Instant::now();
        let answered = match &side.plan {
            Ok(plan) => answer(plan).map_err(|failure| Box::new(failure.diagnostic())),
            Err(problem) => Err(problem.clone()),
        };
        found.push((side.by.clone(), answered, began.elapsed().as_secs_f64()));
    }
    let exact = found.iter().position(|(_, a, _)| a.as_ref().is_ok_and(|a| a.kind == Kind::Exact));
    let best = match (exact, truth) {
        (Some(at), _) => found[at].1.as_ref().ok().map(|a| numbers(&a.value)),
        (None, Some(plan)) => answer(plan).ok().map(|a| numbers(&a.value)),
        (None, None) => None,
    };
    let rows = found.iter().find_map(|(_, a, _)| a.as_ref().ok().and_then(|a| a.rows));
    let told = found.into_iter().enumerate().map(|(i, (by, answered, seconds))| match answered {
        Ok(answered) => {
            let own = numbers(&answered.value);
            let errors = best.as_ref().filter(|_| exact != Some(i)).and_then(|best| differences(&own, best));
            let value = match answered.value {
                AnswerValue::Number(v) | AnswerValue::Confusion { figure: v, .. } => Some(v),
                _ => None,
            };
            Compared { by, kind: answered.kind, value, errors, seconds, failed: None }
        }
        Err(told) => Compared { by, kind: Kind::Estimate, value: None, errors: None, seconds, failed: Some(told) },
    });
    (told.collect(), rows)
}

/// The mean and the largest absolute difference; none between answers of different lengths, or without numbers.
fn differences(own: &[f64], best: &[f64]) -> Option<(f64, f64)> {
    if own.len() != best.len() || own.is_empty() {
        return None;
    }
    let apart = || own.iter().zip(best).map(|(a, b)| (a - b).abs());
    Some((apart().sum::<f64>() / own.len() as f64, apart().fold(0.0, f64::max)))
}

/// The numbers of an answer in order. States that have been chosen count as equal or not.
fn numbers(value: &AnswerValue) -> Vec<f64> {
    match value {
        AnswerValue::Number(v) | AnswerValue::Confusion { figure: v, .. } => vec![*v],
        AnswerValue::Distribution { states, .. } => states.iter().map(|s| s.1).collect(),
        AnswerValue::Entries(entries) => entries
            .iter()
            .flat_map(|e| {
                let states = e.labels.as_ref().map(Vec::len);
                e.values.iter().flat_map(move |&v| match states {
                    Some(n) => (0..n).map(|s| f64::from(u8::from(s as f64 == v))).collect(),
                    None => vec![v],
                })
            })
            .collect(),
        AnswerValue::Settings(answers) => answers.iter().flat_map(|(_, value)| numbers(value)).collect(),
        AnswerValue::Draws(_) | AnswerValue::Compared(_) | AnswerValue::Failed(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_those_of_the_numbers() {
        assert_eq!(differences(&[0.5, 0.25], &[0.25, 0.25]), Some((0.125, 0.25)));
        assert_eq!(differences(&[0.5], &[0.5, 0.5]), None);
        assert_eq!(differences(&[], &[]), None);
    }
}
