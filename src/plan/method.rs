//! Names of engines, optimisers and schedules as files call them, read into values.

use serde::Serialize;

use super::missing::planned;
use crate::base::approximate::{self, Approximate, Gibbs, Grouping, LoopyBp, MeanField};
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

    /// The numbers it runs between.
    fn ends(&self) -> Vec<f64> {
        match *self {
            Schedule::Constant(v) => vec![v],
            Schedule::Ramp(a, b, _) | Schedule::Decay(a, b) => vec![a, b],
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

/// Contrastive divergence as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// Sweeps a step.
    pub steps: Schedule,
    /// Chains that go on from step to step: so many, or as many as a step has rows. Without them each starts from a row.
    pub chains: Option<Option<usize>>,
}

impl Contrast {
    /// From the rows of the data, by so many sweeps.
    pub fn from_data(steps: Schedule) -> Contrast {
        Contrast { steps, chains: None }
    }
}

/// How finely annealed importance sampling goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temperatures {
    /// Runs, side by side.
    pub chains: usize,
    /// Temperatures.
    pub betas: usize,
}

impl Default for Temperatures {
    /// A hundred runs, as Salakhutdinov & Murray 2008 take them, through fewer temperatures than theirs: the way back tells where more are
    /// needed.
    fn default() -> Temperatures {
        Temperatures { chains: 100, betas: 2_000 }
    }
}

/// An engine asked for with `by`.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Exact, by whichever engine is.
    Exact,
    /// Sums in closed form.
    ClosedForm,
    /// Enumeration.
    Enumeration,
    /// Forward-backward.
    ForwardBackward,
    /// A junction tree.
    JunctionTree,
    /// The Kalman filter and smoother.
    Kalman,
    /// Gaussian elimination.
    Gaussian,
    /// Expectation-maximisation.
    Em,
    /// Gradient ascent, where EM would be chosen.
    Gradient,
    /// Contrastive divergence.
    Contrastive(Contrast),
    /// Annealed importance sampling for log-partitions.
    Annealing(Temperatures),
    /// Entries scored one by one given the others.
    PseudoLikelihood,
    /// Wake-sleep; named undirected parts by contrastive divergence.
    WakeSleep(Vec<(String, Schedule)>),
    /// An approximation of sums over discrete variables; Gibbs sampling is for draws of undirected parts too.
    Approximate(Approximate),
    /// Draws in order, parents first.
    Ancestral,
    /// So many draws of the guide, with the rest exact.
    Guide(usize),
}

impl Method {
    /// Whether it is a way of summing exactly, and so has a part in how a block is summed.
    pub fn is_exact(&self) -> bool {
        match self {
            Method::Exact
            | Method::ClosedForm
            | Method::Enumeration
            | Method::ForwardBackward
            | Method::JunctionTree
            | Method::Kalman
            | Method::Gaussian => true,
            Method::Em
            | Method::Gradient
            | Method::Contrastive(_)
            | Method::Annealing(_)
            | Method::PseudoLikelihood
            | Method::WakeSleep(_)
            | Method::Approximate(_)
            | Method::Ancestral
            | Method::Guide(_) => false,
        }
    }

    /// Whether it is a way of summing, exactly or near enough.
    pub fn sums(&self) -> bool {
        self.is_exact() || matches!(self, Method::Approximate(_))
    }
}

/// Words after `by` that are understood, for suggestions.
const METHODS: [&str; 19] = [
    "exact",
    "closed_form",
    "enumeration",
    "forward_backward",
    "junction_tree",
    "kalman",
    "gaussian",
    "em",
    "gradient",
    "cd",
    "pcd",
    "ais",
    "pseudo_likelihood",
    "sampling",
    "loopy_bp",
    "mean_field",
    "gibbs",
    "ancestral",
    "guide",
];

/// Whether a word after `by` is an engine, built or not.
pub fn is_method(word: &str) -> bool {
    METHODS.contains(&word) || planned(word).is_some()
}

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

    fn schedule(
        &mut self,
        name: &str,
        positional: bool,
        default: Schedule,
        kind: Kind,
    ) -> Result<Schedule, Diagnostic> {
        let Some(argument) = self.take(name, positional) else { return Ok(default) };
        let schedule = read_schedule(argument, self.call.span)?;
        let span = match argument {
            Argument::Call(inner) => inner.span,
            _ => self.call.span,
        };
        schedule.ends().into_iter().try_for_each(|v| kind.check(name, v, span))?;
        Ok(schedule)
    }

    fn number(&mut self, name: &str, positional: bool, kind: Kind) -> Result<Option<f64>, Diagnostic> {
        match self.take(name, positional) {
            None => Ok(None),
            Some(Argument::Number(v)) => kind.check(name, *v, self.call.span).map(|()| Some(*v)),
            Some(_) => Err(wants_number(name, self.call.span)),
        }
    }

    fn count(&mut self, name: &str, positional: bool, most: f64) -> Result<Option<usize>, Diagnostic> {
        Ok(self.number(name, positional, Kind::Count(most))?.map(|v| v as usize))
    }

    /// Whether a setting is that word; takes it if it is.
    fn word(&mut self, name: &str, word: &str) -> bool {
        let at = self.left.iter().position(|(n, a)| *n == Some(name) && matches!(a, Argument::Word(w) if w == word));
        at.map(|at| self.left.remove(at)).is_some()
    }

    /// How entries are grouped: so many at most, or `trees`.
    fn grouping(&mut self, name: &str) -> Result<Grouping, Diagnostic> {
        if self.word(name, "trees") {
            return Ok(Grouping::Trees);
        }
        if self.left.iter().any(|(n, a)| *n == Some(name) && !matches!(a, Argument::Number(_))) {
            let text = format!("`{name}` is a number or `trees`");
            return Err(Diagnostic::at(Code::BadSchedule, self.call.span, text));
        }
        Ok(match self.count(name, false, MAX_STARTS)? {
            None | Some(1) => Grouping::Single,
            Some(most) => Grouping::Largest(most),
        })
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

/// What a setting may be.
#[derive(Clone, Copy)]
enum Kind {
    /// Any finite number.
    Any,
    /// Above 0.
    Positive,
    /// 0 or more.
    NotNegative,
    /// From 0 to below 1.
    BelowOne,
    /// Whole, from 1 to a limit.
    Count(f64),
    /// Whole, from 0 to a limit.
    Whole(f64),
}

impl Kind {
    fn check(self, name: &str, value: f64, span: Span) -> Result<(), Diagnostic> {
        let (holds, wanted) = match self {
            Kind::Any => (value.is_finite(), "a finite number".to_string()),
            Kind::Positive => (value > 0.0 && value.is_finite(), "a number above 0".to_string()),
            Kind::NotNegative => (value >= 0.0 && value.is_finite(), "0 or more".to_string()),
            Kind::BelowOne => ((0.0..1.0).contains(&value), "a number from 0 to below 1".to_string()),
            Kind::Count(most) => {
                (value >= 1.0 && value <= most && value.fract() == 0.0, format!("a whole number from 1 to {most}"))
            }
            Kind::Whole(most) => {
                (value >= 0.0 && value <= most && value.fract() == 0.0, format!("a whole number from 0 to {most}"))
            }
        };
        if holds {
            return Ok(());
        }
        Err(Diagnostic::at(Code::BadSchedule, span, format!("`{name}` is {wanted}, not {value}")))
    }
}

/// Sweeps of block Gibbs for draws where the file does not say.
pub const SWEEPS: usize = 1000;
/// Draws of a guide that an answer is averaged over (Hinton, Osindero, Teh 2006, section 6, average over 20 up-passes).
pub const GUIDE_DRAWS: usize = 20;

/// Sweeps and steps of a chain beyond this are a slip of the pen.
const MAX_SWEEPS: f64 = 1e7;
/// Chains, starts and entries of a group beyond this as well.
const MAX_STARTS: f64 = 1e4;
/// Epochs and rows beyond this as well.
const MAX_COUNT: f64 = 1e9;

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
        match (s.number("from", true, Kind::Any)?, s.number("to", true, Kind::Any)?) {
            (Some(a), Some(b)) => Ok((a, b)),
            _ => Err(Diagnostic::at(Code::WrongArguments, call.span, format!("`{}` needs two numbers", call.name))
                .help(format!("write `{}(0.1, 0.01)`: where it starts and where it ends", call.name))),
        }
    };
    match call.name.as_str() {
        "ramp" => {
            let (a, b) = ends(&mut settings)?;
            let over = settings.count("epochs", false, MAX_COUNT)?;
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
        "closed_form" => Method::ClosedForm,
        "enumeration" => Method::Enumeration,
        "forward_backward" => Method::ForwardBackward,
        "junction_tree" => Method::JunctionTree,
        "kalman" => Method::Kalman,
        "gaussian" => Method::Gaussian,
        "em" => Method::Em,
        "gradient" => Method::Gradient,
        "pseudo_likelihood" => Method::PseudoLikelihood,
        "cd" | "pcd" => {
            let steps = settings.schedule("steps", true, Schedule::Constant(1.0), Kind::Count(MAX_SWEEPS))?;
            let chains = match call.name == "pcd" {
                true => Some(settings.count("chains", false, MAX_STARTS)?),
                false => None,
            };
            Method::Contrastive(Contrast { steps, chains })
        }
        "ais" => {
            let usual = Temperatures::default();
            Method::Annealing(Temperatures {
                chains: settings.count("chains", true, MAX_STARTS)?.unwrap_or(usual.chains),
                betas: settings.count("betas", false, MAX_SWEEPS)?.unwrap_or(usual.betas),
            })
        }
        "loopy_bp" => Method::Approximate(Approximate::LoopyBp(read_loopy_bp(&mut settings)?)),
        "mean_field" => Method::Approximate(Approximate::MeanField(read_mean_field(&mut settings)?)),
        "gibbs" => Method::Approximate(Approximate::Gibbs(read_gibbs(&mut settings)?)),
        "guide" => Method::Guide(settings.count("draws", true, MAX_COUNT)?.unwrap_or(GUIDE_DRAWS)),
        // With settings it is an engine that is not built.
        "ancestral" if call.args.is_empty() => Method::Ancestral,
        "sampling" => {
            let mut parts = Vec::new();
            for (name, argument) in std::mem::take(&mut settings.left) {
                let (Some(name), Argument::Call(inner)) = (name, argument) else {
                    return Err(Diagnostic::at(
                        Code::WrongArguments,
                        call.span,
                        "the names of undirected parts are meant here, each with its engine",
                    )
                    .help("write `memory = cd(3)`"));
                };
                match read_method(inner)? {
                    Method::Contrastive(Contrast { steps, chains: None }) => parts.push((name.to_string(), steps)),
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
        name if planned(name).is_some() => {
            return Err(Diagnostic::at(Code::NotSupported, call.span, format!("`{name}` is not built yet"))
                .help(format!("engines that are: {}", METHODS.join(", "))));
        }
        _ => return Err(unknown(call, "engine", &METHODS)),
    };
    settings.finish(match &method {
        Method::Contrastive(Contrast { chains: Some(_), .. }) => &["steps", "chains"],
        Method::Contrastive(_) => &["steps"],
        Method::Annealing(_) => &["chains", "betas"],
        Method::Approximate(Approximate::LoopyBp(_)) => &["schedule", "damping", "tolerance", "rounds"],
        Method::Approximate(Approximate::MeanField(_)) => &["clusters", "tolerance", "rounds", "starts"],
        Method::Approximate(Approximate::Gibbs(_)) => &["sweeps", "burn_in", "chains", "blocks"],
        _ => &[],
    })?;
    Ok(method)
}

/// The same where parameters are learned through the engine, or a line gives it to a variable: no approximation is built for that.
pub fn read_learning(call: &Call) -> Result<Method, Diagnostic> {
    let name = match call.name.as_str() {
        "loopy_bp" => "loopy belief propagation",
        "mean_field" => "mean field",
        "gibbs" => "Gibbs samples alone",
        _ => return read_method(call),
    };
    Err(Diagnostic::at(Code::NotSupported, call.span, format!("learning by {name} is not built yet")).help(
        "a question may be answered by it: write `by` there; for learning use an exact engine, `cd(k)`, `pcd(k)` or a guide",
    ))
}

fn read_loopy_bp(settings: &mut Settings<'_>) -> Result<LoopyBp, Diagnostic> {
    let mut bp = LoopyBp::default();
    for (word, schedule) in [
        ("flooding", approximate::Schedule::Flooding),
        ("sequential", approximate::Schedule::Sequential),
        ("residual", approximate::Schedule::Residual),
    ] {
        if settings.word("schedule", word) {
            bp.schedule = schedule;
        }
    }
    if settings.take("schedule", false).is_some() {
        return Err(Diagnostic::at(
            Code::BadSchedule,
            settings.call.span,
            "`schedule` is flooding, sequential or residual",
        ));
    }
    bp.damping = settings.number("damping", false, Kind::BelowOne)?.unwrap_or(bp.damping);
    bp.tolerance = settings.number("tolerance", false, Kind::BelowOne)?.unwrap_or(bp.tolerance);
    bp.rounds = settings.count("rounds", false, MAX_COUNT)?.unwrap_or(bp.rounds);
    Ok(bp)
}

fn read_mean_field(settings: &mut Settings<'_>) -> Result<MeanField, Diagnostic> {
    let mut field = MeanField { clusters: settings.grouping("clusters")?, ..MeanField::default() };
    field.tolerance = settings.number("tolerance", false, Kind::BelowOne)?.unwrap_or(field.tolerance);
    field.rounds = settings.count("rounds", false, MAX_COUNT)?.unwrap_or(field.rounds);
    field.starts = settings.count("starts", false, MAX_STARTS)?.unwrap_or(field.starts);
    Ok(field)
}

fn read_gibbs(settings: &mut Settings<'_>) -> Result<Gibbs, Diagnostic> {
    let gibbs = Gibbs { sweeps: SWEEPS, blocks: settings.grouping("blocks")?, ..Gibbs::default() };
    Ok(Gibbs {
        sweeps: settings.count("sweeps", true, MAX_SWEEPS)?.unwrap_or(gibbs.sweeps),
        burn_in: settings.number("burn_in", false, Kind::Whole(MAX_SWEEPS))?.map(|n| n as usize),
        chains: settings.count("chains", false, MAX_STARTS)?.unwrap_or(gibbs.chains),
        ..gibbs
    })
}

/// The rows that one step sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// All of them.
    All,
    /// So many.
    Rows(usize),
}

impl std::fmt::Display for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Batch::All => f.write_str("all"),
            Batch::Rows(rows) => write!(f, "{rows}"),
        }
    }
}

/// An optimiser with the batch size that may stand among its settings.
pub fn read_optimiser(call: &Call) -> Result<(Optimiser, Option<Batch>), Diagnostic> {
    let mut settings = Settings::of(call);
    let (rule, rate, known): (Rule, Schedule, &[&str]) = match call.name.as_str() {
        "sgd" => {
            let rate = settings.schedule("rate", true, Schedule::Constant(0.1), Kind::NotNegative)?;
            let momentum = settings.schedule("momentum", false, Schedule::Constant(0.0), Kind::BelowOne)?;
            (Rule::Sgd { momentum }, rate, &["rate", "momentum", "decay", "batch"])
        }
        "adam" => {
            let rate = settings.schedule("rate", true, Schedule::Constant(1e-3), Kind::NotNegative)?;
            let beta1 = settings.number("beta1", false, Kind::BelowOne)?.unwrap_or(0.9);
            let beta2 = settings.number("beta2", false, Kind::BelowOne)?.unwrap_or(0.999);
            (Rule::Adam { beta1, beta2 }, rate, &["rate", "beta1", "beta2", "decay", "batch"])
        }
        _ => return Err(unknown(call, "optimiser", &["sgd", "adam"])),
    };
    let decay = settings.number("decay", false, Kind::NotNegative)?.unwrap_or(0.0);
    let batch = match settings.word("batch", "all") {
        true => Some(Batch::All),
        false => settings.count("batch", false, MAX_COUNT)?.map(Batch::Rows),
    };
    settings.finish(known)?;
    if rate.ends().into_iter().all(|v| v == 0.0) {
        return Err(Kind::Positive
            .check("rate", 0.0, call.span)
            .err()
            .unwrap_or_else(|| wants_number("rate", call.span)));
    }
    Ok((Optimiser { rule, rate, decay }, batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_to_what_they_mean() {
        let call = |name: &str, key: Option<&str>, value: Argument| {
            let span = Span { file: crate::base::id::Id::from_index(0), start: 0, end: 1 };
            Call { name: name.into(), args: vec![(key.map(str::to_string), value)], span }
        };
        let ramp = call("ramp", Some("epochs"), Argument::Number(-3.0));
        for (name, key, value) in [
            ("adam", None, -1.0),
            ("adam", Some("beta1"), 2.0),
            ("adam", Some("decay"), -4.0),
            ("adam", Some("batch"), 0.0),
            ("adam", None, 0.0),
            ("sgd", Some("momentum"), 7.0),
            ("sgd", None, f64::INFINITY),
        ] {
            let refused = read_optimiser(&call(name, key, Argument::Number(value))).err();
            assert_eq!(refused.map(|d| d.code), Some(Code::BadSchedule), "{name} {key:?} = {value}");
        }
        for (name, value) in [("cd", 0.0), ("cd", 1.5), ("gibbs", -5.0), ("gibbs", 1e15)] {
            let refused = read_method(&call(name, None, Argument::Number(value))).err();
            assert_eq!(refused.map(|d| d.code), Some(Code::BadSchedule), "{name}({value})");
        }
        let mut ramp = ramp;
        ramp.args.extend([(None, Argument::Number(0.0)), (None, Argument::Number(1.0))]);
        let refused =
            read_schedule(&Argument::Call(ramp), Span { file: crate::base::id::Id::from_index(0), start: 0, end: 1 });
        assert_eq!(refused.err().map(|d| d.code), Some(Code::BadSchedule));
        assert!(read_optimiser(&call("adam", Some("rate"), Argument::Number(0.1))).is_ok());
    }

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
