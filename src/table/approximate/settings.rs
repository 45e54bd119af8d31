//! Methods by name with settings by name, as they are written after `by`: `loopy_bp(schedule = residual, damping = 0.5)`.
//!
//! In: a name and settings, each with a number or a word. Out: an [`Approximation`], or what is wrong with them in a sentence.

use super::clusters::Grouping;
use super::{Approximation, ApproximationError, Exact, Gibbs, LoopyBp, MeanField, Schedule};

/// The names of the methods.
pub const ENGINES: [&str; 4] = ["exact", "loopy_bp", "mean_field", "gibbs"];

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A word.
    Word(String),
}

fn wrong(message: String) -> ApproximationError {
    ApproximationError::Setting(message)
}

impl Setting {
    fn number(&self, name: &str, fits: impl Fn(f64) -> bool, wanted: &str) -> Result<f64, ApproximationError> {
        match self {
            Setting::Number(x) if fits(*x) => Ok(*x),
            _ => Err(wrong(format!("`{name}` is {wanted}"))),
        }
    }

    fn count(&self, name: &str, least: f64, most: f64) -> Result<usize, ApproximationError> {
        let fits = |x: f64| x >= least && x <= most && x.fract() == 0.0;
        self.number(name, fits, &format!("a whole number from {least} to {most}")).map(|x| x as usize)
    }

    fn grouping(&self, name: &str) -> Result<Grouping, ApproximationError> {
        match self {
            Setting::Word(word) if word == "trees" => Ok(Grouping::Trees),
            Setting::Word(word) => Err(wrong(format!("`{name}` is a number or `trees`, not `{word}`"))),
            Setting::Number(_) => match self.count(name, 1.0, 1e6)? {
                1 => Ok(Grouping::Single),
                most => Ok(Grouping::Largest(most)),
            },
        }
    }
}

impl Approximation {
    /// The method of this name with these settings; a setting without a name is `gibbs`'s number of sweeps.
    ///
    /// # Errors
    /// [`ApproximationError::Setting`].
    pub fn of(name: &str, settings: &[(Option<String>, Setting)]) -> Result<Self, ApproximationError> {
        let mut method = match name {
            "exact" => Self::Exact(Exact::default()),
            "loopy_bp" => Self::LoopyBp(LoopyBp::default()),
            "mean_field" => Self::MeanField(MeanField::default()),
            "gibbs" => Self::Gibbs(Gibbs::default()),
            other => return Err(wrong(format!("there is no engine `{other}`; there are {}", ENGINES.join(", ")))),
        };
        for (key, value) in settings {
            method.set(key.as_deref(), value)?;
        }
        Ok(method)
    }

    fn set(&mut self, key: Option<&str>, value: &Setting) -> Result<(), ApproximationError> {
        let name = self.name();
        let known = match (self, key) {
            (Self::LoopyBp(bp), Some("schedule")) => {
                bp.schedule = match value {
                    Setting::Word(w) if w == "flooding" => Schedule::Flooding,
                    Setting::Word(w) if w == "sequential" => Schedule::Sequential,
                    Setting::Word(w) if w == "residual" => Schedule::Residual,
                    _ => return Err(wrong("`schedule` is flooding, sequential or residual".into())),
                };
                return Ok(());
            }
            (Self::LoopyBp(bp), Some("damping")) => {
                bp.damping = value.number("damping", |x| (0.0..1.0).contains(&x), "a number from 0 to below 1")?;
                return Ok(());
            }
            (Self::LoopyBp(bp), Some("tolerance")) => {
                bp.tolerance = tolerance(value)?;
                return Ok(());
            }
            (Self::LoopyBp(bp), Some("rounds")) => {
                bp.rounds = value.count("rounds", 1.0, 1e9)?;
                return Ok(());
            }
            (Self::LoopyBp(_), _) => "schedule, damping, tolerance, rounds",
            (Self::MeanField(field), Some("clusters")) => {
                field.clusters = value.grouping("clusters")?;
                return Ok(());
            }
            (Self::MeanField(field), Some("tolerance")) => {
                field.tolerance = tolerance(value)?;
                return Ok(());
            }
            (Self::MeanField(field), Some("rounds")) => {
                field.rounds = value.count("rounds", 1.0, 1e9)?;
                return Ok(());
            }
            (Self::MeanField(field), Some("starts")) => {
                field.starts = value.count("starts", 1.0, 1e4)?;
                return Ok(());
            }
            (Self::MeanField(_), _) => "clusters, tolerance, rounds, starts",
            (Self::Gibbs(gibbs), None | Some("sweeps")) => {
                gibbs.sweeps = value.count("sweeps", 2.0, 1e9)?;
                return Ok(());
            }
            (Self::Gibbs(gibbs), Some("burn_in")) => {
                gibbs.burn_in = Some(value.count("burn_in", 0.0, 1e9)?);
                return Ok(());
            }
            (Self::Gibbs(gibbs), Some("chains")) => {
                gibbs.chains = value.count("chains", 1.0, 1e4)?;
                return Ok(());
            }
            (Self::Gibbs(gibbs), Some("blocks")) => {
                gibbs.blocks = value.grouping("blocks")?;
                return Ok(());
            }
            (Self::Gibbs(_), _) => "sweeps, burn_in, chains, blocks",
            (Self::Exact(_), _) => return Err(wrong("`exact` has no settings".into())),
        };
        let given = key.map_or("a value without a name".to_string(), |k| format!("`{k}`"));
        Err(wrong(format!("`{name}` does not take {given}; its settings are {known}")))
    }
}

fn tolerance(value: &Setting) -> Result<f64, ApproximationError> {
    value.number("tolerance", |x| (0.0..1.0).contains(&x), "a number from 0 to below 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_checked() {
        let number = |k: &str, x| (Some(k.to_string()), Setting::Number(x));
        let word = |k: &str, w: &str| (Some(k.to_string()), Setting::Word(w.to_string()));
        let bp = Approximation::of("loopy_bp", &[word("schedule", "residual"), number("damping", 0.5)]);
        let wanted = LoopyBp { schedule: Schedule::Residual, damping: 0.5, ..LoopyBp::default() };
        assert_eq!(bp, Ok(Approximation::LoopyBp(wanted)));
        let gibbs = Approximation::of("gibbs", &[(None, Setting::Number(50.0)), number("blocks", 3.0)]);
        let wanted = Gibbs { sweeps: 50, blocks: Grouping::Largest(3), ..Gibbs::default() };
        assert_eq!(gibbs, Ok(Approximation::Gibbs(wanted)));
        for (name, settings) in [
            ("gauss", vec![]),
            ("loopy_bp", vec![number("damping", 1.0)]),
            ("loopy_bp", vec![(None, Setting::Number(3.0))]),
            ("mean_field", vec![word("clusters", "big")]),
            ("gibbs", vec![number("chains", 0.5)]),
            ("exact", vec![number("rounds", 1.0)]),
        ] {
            assert!(Approximation::of(name, &settings).is_err(), "{name}");
        }
    }
}
