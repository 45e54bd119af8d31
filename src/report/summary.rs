//! `summary.json`: the run in one object that programs read. Its keys are a contract.

use super::errors::ReportError;
use super::figure::{Figure, Sign};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// A stage in the summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageSummary {
    /// Its name.
    pub name: String,
    /// Epochs done.
    pub epochs: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The objective's last value, where it is known.
    pub objective: Option<f64>,
    /// The last values of the objective's parts by name, where it has any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
}

/// The run.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// The named figures.
    pub evaluate: Vec<Figure>,
    /// Answers by the query's name.
    pub queries: Map<String, Value>,
    /// The stages in order.
    pub stages: Vec<StageSummary>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Worker threads.
    pub threads: usize,
    /// How it compares with an earlier run, where that was asked for: [`super::Comparison::json`].
    pub compare: Option<Value>,
}

impl Summary {
    /// The object. `evaluate` holds plain numbers; what marks one as a bound or an estimate stands under its name in `marks`.
    pub fn json(&self) -> Value {
        let mut evaluate = Map::new();
        let mut marks = Map::new();
        for figure in &self.evaluate {
            // A figure that failed is `null`, and its mark says why.
            evaluate.insert(figure.name.clone(), json!(figure.value));
            let mut mark = Map::new();
            if figure.kind != Sign::Measured {
                mark.insert("kind".into(), json!(figure.kind.text()));
            }
            if let Some((low, high)) = figure.interval {
                mark.insert("interval".into(), json!([low, high]));
            }
            if let Some(n) = figure.n {
                mark.insert("n".into(), json!(n));
            }
            if let Some(seed) = figure.seed {
                mark.insert("seed".into(), json!(seed));
            }
            for (key, text) in [("unit", &figure.unit), ("data", &figure.data), ("note", &figure.note)] {
                if !text.is_empty() {
                    mark.insert(key.into(), json!(text));
                }
            }
            if !mark.is_empty() {
                marks.insert(figure.name.clone(), Value::Object(mark));
            }
        }
        let mut all = json!({
            "seed": self.seed,
            "evaluate": evaluate,
            "queries": self.queries,
            "stages": self.stages,
            "seconds": self.seconds,
            "threads": self.threads,
        });
        if let (false, Some(object)) = (marks.is_empty(), all.as_object_mut()) {
            object.insert("marks".into(), Value::Object(marks));
        }
        if let (Some(compare), Some(object)) = (&self.compare, all.as_object_mut()) {
            object.insert("compare".into(), compare.clone());
        }
        all
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        super::write_whole(path, format!("{:#}\n", self.json()).as_bytes())
    }
}
