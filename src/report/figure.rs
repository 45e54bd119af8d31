//! A figure: one number that answers a question, with the sign that says how far it can be trusted.

use super::number::{gaps, short};
use serde::{Deserialize, Serialize};

/// How a figure stands to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Sign {
    /// It is the truth, up to rounding.
    #[serde(rename = "=")]
    Exact,
    /// The truth is at least this.
    #[serde(rename = "≥")]
    Lower,
    /// The truth is at most this.
    #[serde(rename = "≤")]
    Upper,
    /// An estimate.
    #[serde(rename = "≈")]
    Estimate,
    /// A plain measurement, with nothing behind it to be compared to.
    #[default]
    #[serde(rename = "")]
    Measured,
}

impl Sign {
    /// The sign as printed.
    pub fn text(self) -> &'static str {
        match self {
            Sign::Exact => "=",
            Sign::Lower => "≥",
            Sign::Upper => "≤",
            Sign::Estimate => "≈",
            Sign::Measured => "",
        }
    }
}

/// One result.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Figure {
    /// What it is called in the program.
    pub name: String,
    /// How it stands to the truth.
    pub kind: Sign,
    /// The number.
    #[serde(deserialize_with = "gaps::value")]
    pub value: f64,
    /// Unit or nothing: `nats`, `%` (the number is then shown a hundredfold).
    pub unit: String,
    /// An interval around it, where it is an estimate.
    #[serde(deserialize_with = "gaps::interval")]
    pub interval: Option<(f64, f64)>,
    /// How many rows or samples it is taken over.
    pub n: Option<u64>,
    /// The seed behind it, where it is not the run's.
    pub seed: Option<u64>,
    /// The data it is taken on, and how grey values became states there: `digits.test, x soft`.
    #[serde(default)]
    pub data: String,
    /// Anything to be said about it.
    pub note: String,
}

impl Figure {
    fn number(&self, value: f64) -> String {
        if self.unit == "%" { format!("{} %", short(value * 100.0)) } else { short(value) }
    }

    /// Sign, number and unit.
    pub fn text(&self) -> String {
        if self.value.is_nan() {
            return "none".to_string();
        }
        let mut text = String::new();
        if !matches!(self.kind, Sign::Measured) {
            text.push_str(self.kind.text());
            text.push(' ');
        }
        text.push_str(&self.number(self.value));
        if !self.unit.is_empty() && self.unit != "%" {
            text.push(' ');
            text.push_str(&self.unit);
        }
        text
    }

    /// The interval, `[low, high]`, or nothing.
    pub fn interval_text(&self) -> String {
        let text = |(low, high)| format!("[{}, {}]", self.number(low), self.number(high));
        self.interval.map_or_else(String::new, text)
    }
}
