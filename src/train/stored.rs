//! Figures that need not be finite, stored so that they come back: JSON has no infinities and no NaN, and a `null` in their place would be
//! read as "none". A finite number stays a number; the others are the texts `inf`, `-inf` and `NaN`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Number(f64),
    Text(String),
}

fn store(value: f64) -> Stored {
    if value.is_finite() { Stored::Number(value) } else { Stored::Text(value.to_string()) }
}

fn restore<E: serde::de::Error>(stored: Stored) -> Result<f64, E> {
    match stored {
        Stored::Number(value) => Ok(value),
        Stored::Text(text) => text.parse().map_err(|_| E::custom(format!("`{text}` is not a figure"))),
    }
}

/// An optional figure.
pub mod figure {
    use super::*;

    /// Writes it.
    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(store).serialize(serializer)
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Option::<Stored>::deserialize(deserializer)?.map(restore).transpose()
    }
}

/// An optional figure with a count beside it.
pub mod best {
    use super::*;

    /// Writes it.
    pub fn serialize<S: Serializer>(value: &Option<(f64, usize)>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|(figure, since)| (store(figure), since)).serialize(serializer)
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(f64, usize)>, D::Error> {
        let stored = Option::<(Stored, usize)>::deserialize(deserializer)?;
        stored.map(|(figure, since)| Ok((restore(figure)?, since))).transpose()
    }
}

/// Figures in lists.
pub mod lists {
    use super::*;

    /// Writes them.
    pub fn serialize<S: Serializer>(value: &[Vec<f64>], serializer: S) -> Result<S::Ok, S::Error> {
        let stored: Vec<Vec<Stored>> = value.iter().map(|list| list.iter().map(|&v| store(v)).collect()).collect();
        stored.serialize(serializer)
    }

    /// Reads them.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f64>>, D::Error> {
        let stored = Vec::<Vec<Stored>>::deserialize(deserializer)?;
        stored.into_iter().map(|list| list.into_iter().map(restore).collect()).collect()
    }
}
