//! Names of engines, optimisers and schedules as files call them, read into values.

use serde::Serialize;

use super::missing::PLANNED;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::{Argument, Call};

/// A number that may change over epochs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Schedule {
    /// The same throughout.
    Constant(f64),
    /// Linear from the first number to the second over so many epochs (over the whole stage where absent), then constant.
    Ramp(f64, f64, Option<usize>),
    /// Geometric from the first number to the second over the stage.
    Decay(f64, f64),
}

impl Schedule {
    /// Its value in an epoch (from 0) of a stage of `epochs`.
    pub fn at(&self, epoch: usize, epochs: usize) -> f64 {
        match *self {
            Schedule::Constant(v) => v,
            Schedule::Ramp(from, to, over) => {
                let steps = over.unwrap_or(epochs).max(2) - 1;
                from + (to - from) * (epoch.min(steps) as f64 / steps as f64)
            }
            Schedule::Decay(from, to) => {
                let steps = epochs.max(2) - 1;
                from * (to / from).powf(epoch.min(steps) as f64 / steps as f64)
            }
        }
    }

    /// Its value rounded to a whole number, at least 1: a count of sweeps.
    pub fn count_at(&self, epoch: usize, epochs: usize) -> usize {
        self.at(epoch, epochs).round().max(1.0) as usize
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Schedule::Constant(v) => write!(f, "{v}"),
            Schedule::Ramp(a, b, None) => write!(f, "ramp({a}, {b})"),
            Schedule::Ramp(a, b, Some(n)) => write!(f, "ramp({a}, {b}, epochs = {n})"),
            Schedule::Decay(a, b) => write!(f, "decay({a}, {b})"),
        }
    }
}

/// A first-order optimiser with its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Optimiser {
    /// The rule.
    pub rule: Rule,
    /// Learning rate.
    pub rate: Schedule,
    /// L2 penalty on arrays of two or more axes: the step subtracts rate·decay·θ.
    pub decay: f64,
}

/// The rule by which an optimiser turns a gradient into a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Rule {
    /// Gradient with momentum (Polyak 1964): v ← μ v + rate·g, θ ← θ + v.
    Sgd {
        /// μ.
        momentum: Schedule,
    },
    /// Adam (Kingma & Ba 2015).
    Adam {
        /// Decay of the mean gradient.
        beta1: f64,
        /// Decay of the mean squared gradient.
        beta2: f64,
    },
}

/// An engine asked for with `by`.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Exact, by whichever engine is.
    Exact,
    /// Enumeration.
    Enumeration,
    /// Forward-backward.
    ForwardBackward,
    /// Expectation-maximisation.
    Em,
    /// Gradient ascent, where EM would be chosen.
    Gradient,
    /// Contrastive divergence.
    Contrastive(Schedule),
    /// Greedy layers, each learned by the inner method.
    Layerwise(Schedule),
    /// Wake-sleep; named undirected parts by contrastive divergence.
    WakeSleep(Vec<(String, Schedule)>),
    /// Block Gibbs.
    Gibbs(usize),
}

/// Words after `by` that are understood, for suggestions.
const METHODS: [&str; 9] =
    ["exact", "enumeration", "forward_backward", "em", "gradient", "cd", "layerwise", "wake_sleep", "gibbs"];
fn unknown(call: &Call, what: &str, known: &[&str]) -> Diagnostic {
    let near = nearest(&call.name, known.iter().copied());
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", known.join(", ")),
    };
    Diagnostic::at(Code::UnknownFunction, call.span, format!("no {what} is called `{}`", call.name)).help(help)
}

/// The settings of a call, taken out by name or position; what is left over is an error.
struct Settings<'a> {
    call: &'a Call,
    left: Vec<(Option<&'a str>, &'a Argument)>,
}

impl<'a> Settings<'a> {
    fn of(call: &'a Call) -> Self {
        Settings { call, left: call.args.iter().map(|(n, a)| (n.as_deref(), a)).collect() }
    }

    fn take(&mut self, name: &str, positional: bool) -> Option<&'a Argument> {
        let named = self.left.iter().position(|(n, _)| *n == Some(name));
        let at = named.or_else(|| if positional { self.left.iter().position(|(n, _)| n.is_none()) } else { None })?;
        Some(self.left.remove(at).1)
    }

    fn schedule(&mut self, name: &str, positional: bool, default: Schedule) -> Result<Schedule, Diagnostic> {
        self.take(name, positional).map_or(Ok(default), |a| read_schedule(a, self.call.span))
    }

    fn number(&mut self, name: &str, positional: bool) -> Result<Option<f64>, Diagnostic> {
        match self.take(name, positional) {
            None => Ok(None),
            Some(Argument::Number(v)) => Ok(Some(*v)),
            Some(_) => Err(wants_number(name, self.call.span)),
        }
    }

    fn finish(self, known: &[&str]) -> Result<(), Diagnostic> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => {
                let what = name.map_or("another setting".to_string(), |n| format!("a setting `{n}`"));
                let help = if known.is_empty() {
                    format!("`{}` has no settings", self.call.name)
                } else {
                    format!("its settings are: {}", known.join(", "))
                };
                Err(Diagnostic::at(
                    Code::UnknownArgument,
                    self.call.span,
                    format!("`{}` does not take {what}", self.call.name),
                )
                .help(help))
            }
        }
    }
}

fn wants_number(name: &str, span: Span) -> Diagnostic {
    Diagnostic::at(Code::BadSchedule, span, format!("`{name}` must be a number"))
        .help(format!("write it like `{name} = 0.1`"))
}

/// A number, `ramp(a, b)`, `ramp(a, b, epochs = n)` or `decay(a, b)`.
pub fn read_schedule(argument: &Argument, span: Span) -> Result<Schedule, Diagnostic> {
    let call = match argument {
        Argument::Number(v) => return Ok(Schedule::Constant(*v)),
        Argument::Call(call) => call,
        Argument::Word(_) | Argument::Text(_) => return Err(wants_number("this setting", span)),
    };
    let mut settings = Settings::of(call);
    let ends = |s: &mut Settings<'_>| -> Result<(f64, f64), Diagnostic> {
        match (s.number("from", true)?, s.number("to", true)?) {
            (Some(a), Some(b)) => Ok((a, b)),
            _ => Err(Diagnostic::at(Code::WrongArguments, call.span, format!("`{}` needs two numbers", call.name))
                .help(format!("write `{}(0.1, 0.01)`: where it starts and where it ends", call.name))),
        }
    };
    match call.name.as_str() {
        "ramp" => {
            let (a, b) = ends(&mut settings)?;
            let over = settings.number("epochs", false)?.map(|n| n as usize);
            settings.finish(&["from", "to", "epochs"])?;
            Ok(Schedule::Ramp(a, b, over))
        }
        "decay" => {
            let (a, b) = ends(&mut settings)?;
            settings.finish(&["from", "to"])?;
            if a > 0.0 && b > 0.0 {
                Ok(Schedule::Decay(a, b))
            } else {
                Err(Diagnostic::at(Code::BadSchedule, call.span, "`decay` runs between two positive numbers")
                    .help("use `ramp` to reach zero"))
            }
        }
        _ => Err(unknown(call, "schedule", &["ramp", "decay"])),
    }
}

/// Reads an engine after `by`.
pub fn read_method(call: &Call) -> Result<Method, Diagnostic> {
    let mut settings = Settings::of(call);
    let method = match call.name.as_str() {
        "exact" => Method::Exact,
        "enumeration" => Method::Enumeration,
        "forward_backward" => Method::ForwardBackward,
        "em" => Method::Em,
        "gradient" => Method::Gradient,
        "cd" => Method::Contrastive(settings.schedule("steps", true, Schedule::Constant(1.0))?),
        "gibbs" => Method::Gibbs(settings.number("sweeps", true)?.unwrap_or(1000.0) as usize),
        "layerwise" => match settings.take("by", true) {
            None => Method::Layerwise(Schedule::Constant(1.0)),
            Some(Argument::Call(inner)) => match read_method(inner)? {
                Method::Contrastive(steps) => Method::Layerwise(steps),
                _ => {
                    return Err(Diagnostic::at(
                        Code::NotSupported,
                        inner.span,
                        format!("layers cannot be learned by `{}`", inner.name),
                    )
                    .help("write `layerwise(cd(1))`"));
                }
            },
            Some(_) => return Err(wants_number("by", call.span)),
        },
        "wake_sleep" => {
            let mut parts = Vec::new();
            for (name, argument) in std::mem::take(&mut settings.left) {
                let (Some(name), Argument::Call(inner)) = (name, argument) else {
                    return Err(Diagnostic::at(
                        Code::WrongArguments,
                        call.span,
                        "`wake_sleep` takes the names of undirected parts, each with its engine",
                    )
                    .help("write `wake_sleep(memory = cd(3))`"));
                };
                match read_method(inner)? {
                    Method::Contrastive(steps) => parts.push((name.to_string(), steps)),
                    _ => {
                        return Err(Diagnostic::at(
                            Code::NotSupported,
                            inner.span,
                            format!("an undirected part cannot be learned by `{}` here", inner.name),
                        )
                        .help("write `cd(k)`"));
                    }
                }
            }
            Method::WakeSleep(parts)
        }
        name if PLANNED.iter().any(|(word, _, _)| *word == name) => {
            return Err(Diagnostic::at(Code::NotSupported, call.span, format!("`{name}` is not built yet"))
                .help(format!("engines that are: {}", METHODS.join(", "))));
        }
        _ => return Err(unknown(call, "engine", &METHODS)),
    };
    settings.finish(&[])?;
    Ok(method)
}

/// An optimiser with the batch size that may stand among its settings.
pub fn read_optimiser(call: &Call) -> Result<(Optimiser, Option<usize>), Diagnostic> {
    let mut settings = Settings::of(call);
    let (rule, rate, known): (Rule, Schedule, &[&str]) = match call.name.as_str() {
        "sgd" => {
            let rate = settings.schedule("rate", true, Schedule::Constant(0.1))?;
            let momentum = settings.schedule("momentum", false, Schedule::Constant(0.0))?;
            (Rule::Sgd { momentum }, rate, &["rate", "momentum", "decay", "batch"])
        }
        "adam" => {
            let rate = settings.schedule("rate", true, Schedule::Constant(1e-3))?;
            let beta1 = settings.number("beta1", false)?.unwrap_or(0.9);
            let beta2 = settings.number("beta2", false)?.unwrap_or(0.999);
            (Rule::Adam { beta1, beta2 }, rate, &["rate", "beta1", "beta2", "decay", "batch"])
        }
        _ => return Err(unknown(call, "optimiser", &["sgd", "adam"])),
    };
    let decay = settings.number("decay", false)?.unwrap_or(0.0);
    let batch = settings.number("batch", false)?;
    settings.finish(known)?;
    let batch = match batch {
        None => None,
        Some(b) if b >= 1.0 && b.fract() == 0.0 => Some(b as usize),
        Some(_) => {
            return Err(
                Diagnostic::at(Code::BadSchedule, call.span, "`batch` is a number of rows").help("write `batch = 50`")
            );
        }
    };
    Ok((Optimiser { rule, rate, decay }, batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_start_and_end_where_they_say() {
        let ramp = Schedule::Ramp(3.0, 10.0, None);
        assert_eq!((ramp.count_at(0, 8), ramp.count_at(7, 8), ramp.count_at(20, 8)), (3, 10, 10));
        let short = Schedule::Ramp(0.5, 0.9, Some(5));
        assert_eq!((short.at(0, 100), short.at(4, 100), short.at(99, 100)), (0.5, 0.9, 0.9));
        let decay = Schedule::Decay(0.1, 0.001);
        assert!((decay.at(2, 5) - 0.01).abs() < 1e-12);
    }
}
