//! Answers for programs: the values under `queries` in `summary.json`, and what `query --format json` prints.

use ghmc::train::answers::{Drawn, Entries};
use ghmc::train::{AnswerValue, Answered, Compared};
use serde_json::{Map, Value, json};

/// Draws of a variable with more numbers than this are told by their shape alone.
const MOST_DRAWN: usize = 4096;

/// An answer with the sign of its kind.
pub fn answer_json(answered: &Answered) -> Value {
    let mut object = Map::new();
    if !matches!(answered.value, AnswerValue::Failed(_) | AnswerValue::Compared(_)) {
        object.insert("kind".into(), json!(answered.kind.sign()));
    }
    if !answered.unset.is_empty() {
        object.insert("unset".into(), json!(answered.unset));
    }
    if let Some(near) = &answered.near {
        let told = json!({
            "rounds": near.rounds,
            "change": near.change,
            "converged": near.converged,
            "r_hat": near.r_hat.filter(|r| r.is_finite()),
            "effective": near.effective,
        });
        object.insert("convergence".into(), told);
    }
    if let Some(rows) = answered.rows {
        object.insert("n".into(), json!(rows));
    }
    if let Some(estimate) = &answered.estimate {
        let (low, high) = estimate.interval;
        let log_z = json!({ "value": estimate.value, "interval": [low, high], "reverse": estimate.reverse });
        object.insert("log_z".into(), log_z);
    }
    fill(&mut object, &answered.value);
    Value::Object(object)
}

fn fill(object: &mut Map<String, Value>, value: &AnswerValue) {
    match value {
        AnswerValue::Number(number) => {
            object.insert("value".into(), json!(number));
        }
        AnswerValue::Distribution { of, states } => {
            object.insert("of".into(), json!(of));
            object.insert("distribution".into(), distribution(of, states));
        }
        AnswerValue::Entries(entries) => {
            let values = entries.iter().map(|e| (e.name.clone(), entries_json(e))).collect();
            object.insert("values".into(), Value::Object(values));
        }
        AnswerValue::Settings(answers) => {
            let list = answers.iter().map(|(given, value)| {
                let mut one = Map::new();
                one.insert("given".into(), json!(given));
                fill(&mut one, value);
                Value::Object(one)
            });
            object.insert("answers".into(), list.collect());
        }
        AnswerValue::Confusion { figure, labels, counts } => {
            object.insert("value".into(), json!(figure));
            object.insert("labels".into(), json!(labels));
            object.insert("counts".into(), json!(counts));
        }
        AnswerValue::Draws(drawn) => {
            let draws = drawn.iter().map(|d| (d.name.clone(), drawn_json(d))).collect();
            object.insert("draws".into(), Value::Object(draws));
        }
        AnswerValue::Compared(sides) => {
            object.insert("engines".into(), sides.iter().map(compared_json).collect());
        }
        AnswerValue::Failed(told) => {
            object.insert("error".into(), json!({ "code": told.code.number(), "message": told.message }));
        }
    }
}

/// An engine of a comparison: its kind, value, errors and seconds, or why it gave none.
fn compared_json(side: &Compared) -> Value {
    let mut one = Map::new();
    one.insert("by".into(), json!(side.by));
    if let Some(told) = &side.failed {
        one.insert("error".into(), json!({ "code": told.code.number(), "message": told.message }));
        return Value::Object(one);
    }
    one.insert("kind".into(), json!(side.kind.sign()));
    if let Some(value) = side.value {
        one.insert("value".into(), json!(value));
    }
    if let Some((mean, largest)) = side.errors {
        one.insert("mean_error".into(), json!(mean));
        one.insert("largest_error".into(), json!(largest));
    }
    one.insert("seconds".into(), json!(side.seconds));
    Value::Object(one)
}

/// `{"no": p, "yes": p}` for one variable, a list of joint states with their `p` for several.
fn distribution(of: &[String], states: &[(Vec<String>, f64)]) -> Value {
    if of.len() == 1 {
        return Value::Object(states.iter().map(|(labels, p)| (labels.concat(), json!(p))).collect());
    }
    let state = |(labels, p): &(Vec<String>, f64)| {
        let mut one: Map<String, Value> = of.iter().cloned().zip(labels.iter().map(|l| json!(l))).collect();
        one.insert("p".into(), json!(p));
        Value::Object(one)
    };
    states.iter().map(state).collect()
}

fn entries_json(entries: &Entries) -> Value {
    let leaf = |v: f64| match &entries.labels {
        Some(labels) => json!(labels.get(v.round() as usize)),
        None => json!(v),
    };
    nested(&entries.values, &entries.shape, &leaf)
}

fn drawn_json(drawn: &Drawn) -> Value {
    let mut object = Map::new();
    object.insert("n".into(), json!(drawn.settings.len()));
    object.insert("shape".into(), json!(drawn.shape));
    if drawn.settings.iter().any(|s| !s.is_empty()) {
        object.insert("given".into(), json!(drawn.settings));
    }
    if drawn.values.len() <= MOST_DRAWN {
        let shape: Vec<usize> = [drawn.settings.len()].into_iter().chain(drawn.shape.iter().copied()).collect();
        let leaf = |v: f64| match &drawn.labels {
            Some(labels) => json!(labels.get(v as usize)),
            None => json!(v),
        };
        object.insert("values".into(), nested(&drawn.values, &shape, &leaf));
    }
    Value::Object(object)
}

/// Row-major numbers as lists within lists.
fn nested(values: &[f64], shape: &[usize], leaf: &dyn Fn(f64) -> Value) -> Value {
    match shape {
        [] => values.first().map_or(Value::Null, |&v| leaf(v)),
        [_, inner @ ..] => {
            let width = inner.iter().product::<usize>().max(1);
            values.chunks(width).map(|part| nested(part, inner, leaf)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_nest_by_shape() {
        let leaf = |v: f64| json!(v);
        assert_eq!(nested(&[1.0, 2.0, 3.0, 4.0], &[2, 2], &leaf), json!([[1.0, 2.0], [3.0, 4.0]]));
        assert_eq!(nested(&[1.0], &[], &leaf), json!(1.0));
    }

    #[test]
    fn joint_states_are_listed_by_name() {
        let of = ["a".to_string(), "b".to_string()];
        let states = [(vec!["no".to_string(), "yes".to_string()], 0.25)];
        assert_eq!(distribution(&of, &states), json!([{ "a": "no", "b": "yes", "p": 0.25 }]));
        assert_eq!(distribution(&of[..1], &[(vec!["no".into()], 0.5)]), json!({ "no": 0.5 }));
    }
}
