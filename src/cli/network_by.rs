//! Questions to a network by engines that estimate, several engines beside each other, and draws from the posterior.
//!
//! In: a network's tables, evidence, what is asked, engines. Out: answers for programs and for people, each number with its sign,
//! and how far to trust it: rounds and convergence, R-hat and effective draws, zeros that keep chains apart.

use std::time::Instant;

use ghmc::diag::{Code, Diagnostic};
use ghmc::engine::junction::Junction;
use ghmc::model::Network;
use ghmc::report::{short, table};
use ghmc::table::TableError;
use ghmc::table::approximate::{Answer, Approximation, ApproximationError, LoopyBp, Reach, Sign};
use serde_json::{Map, Value, json};

use super::ask_network::{Asked, What};
use super::by::By;
use super::trouble::Trouble;

/// Runs of an engine that one joint posterior may take.
const MOST_RUNS: usize = 4096;
/// Chains whose R-hat is above this do not agree (Vehtari et al. 2021).
const AGREE: f64 = 1.01;

/// A network with evidence, ready for engines.
pub struct Desk<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its tables.
    pub junction: &'a Junction,
    /// What is held.
    pub held: &'a [(usize, usize)],
    /// The seed of everything random.
    pub seed: u64,
}

/// An answer, and what is to be said of it.
pub struct Told {
    /// For programs.
    pub json: Value,
    /// For people.
    pub text: String,
    /// Warnings, a sentence each.
    pub notes: Vec<String>,
}

impl Desk<'_> {
    /// Runs an engine with more held than the evidence.
    fn run(&self, method: &Approximation, more: &[(usize, usize)], draws: usize) -> Result<Answer, ApproximationError> {
        let (fixed, values): (Vec<usize>, Vec<usize>) = self.held.iter().chain(more).copied().unzip();
        method.run(self.junction.tables(), &fixed, &values, draws, self.seed)
    }

    fn trouble(&self, error: ApproximationError) -> Trouble {
        match error {
            ApproximationError::Table(table) => Trouble::of(self.junction.told(&table)),
            ApproximationError::Setting(what) => Trouble::usage(what),
            ApproximationError::NotGiven(what) => Trouble::of(
                Diagnostic::new(Code::OverrideRefused, what).help("take `--by gibbs`, or `--by exact` where it fits"),
            ),
            ApproximationError::NoStart { .. } => Trouble::of(
                Diagnostic::new(Code::NoEngine, error.to_string())
                    .help("the network's zeros leave very few joint states: take `--by exact`"),
            ),
        }
    }

    fn names(&self, axes: &[usize]) -> String {
        let names: Vec<String> =
            axes.iter().take(6).map(|&a| format!("`{}`", self.network.variables[a].name)).collect();
        format!("{}{}", names.join(", "), if axes.len() > 6 { ", .." } else { "" })
    }

    /// What must be known of an answer before it is believed.
    fn notes(&self, by: &By, answer: &Answer) -> Vec<String> {
        let mut notes = Vec::new();
        let name = by.method.name();
        let told = answer.convergence;
        if answer.chains.is_none() && !told.converged {
            notes.push(format!(
                "{name} has not converged: after {} rounds a probability still moved by {}",
                told.rounds,
                short(told.change)
            ));
        }
        if answer.log_z.is_some_and(|z| z.value == f64::NEG_INFINITY) {
            notes.push(format!("{name} has mass on zeros of the network, so its bound says nothing"));
        }
        let Some(chains) = &answer.chains else { return notes };
        match &chains.reach {
            Reach::Whole => {}
            Reach::Parts(axes) => notes.push(format!(
                "zeros over {} keep the chains apart, which R-hat need not show: the answer is wrong where they stay; \
                 `blocks = {}` draws such variables together",
                self.names(axes),
                axes.len().max(2)
            )),
            Reach::Unknown(axes) => notes.push(format!(
                "whether zeros over {} keep the chains apart is not known, and R-hat need not show it",
                self.names(axes)
            )),
        }
        if let Some(worst) = chains.worst().filter(|r| *r > AGREE) {
            notes.push(format!("the chains do not agree yet: R-hat is up to {}, above {AGREE}", short(worst)));
        }
        notes
    }

    /// The joint posterior of some variables, the last of them fastest, and a run under the evidence alone: by the chain rule, with
    /// the engine run once for each state of all but the last.
    pub fn posterior(&self, by: &By, of: &[usize]) -> Result<(Vec<f64>, Answer), Trouble> {
        let cards: Vec<usize> = of.iter().map(|&v| self.network.variables[v].states.len()).collect();
        let runs = cards.iter().rev().skip(1).try_fold(1usize, |n, &c| n.checked_mul(c)).filter(|n| *n <= MOST_RUNS);
        let too_many = || {
            let message = "the joint posterior would take too many runs of the engine";
            Trouble::of(Diagnostic::new(Code::TooExpensive, message).help("ask for fewer variables together"))
        };
        runs.ok_or_else(too_many)?;
        let first = self.run(&by.method, &[], 0).map_err(|e| self.trouble(e))?;
        let mut joint = vec![(Vec::new(), 1.0)];
        for (at, &v) in of.iter().enumerate() {
            let mut wider = Vec::new();
            for (states, p) in &joint {
                let states: &Vec<usize> = states;
                let more: Vec<(usize, usize)> = of.iter().copied().zip(states.iter().copied()).collect();
                let held = self.held.iter().chain(&more).find(|(h, _)| *h == v).map(|(_, s)| *s);
                // What has no weight needs no run.
                let found = match (held, at) {
                    (Some(held), _) => (0..cards[at]).map(|s| f64::from(s == held)).collect(),
                    (None, 0) => first.marginals[v].clone().unwrap_or_default(),
                    _ if *p == 0.0 => vec![0.0; cards[at]],
                    _ => match self.run(&by.method, &more, 0) {
                        Ok(answer) => answer.marginals[v].clone().unwrap_or_default(),
                        Err(ApproximationError::Table(TableError::Impossible)) => vec![0.0; cards[at]],
                        Err(other) => return Err(self.trouble(other)),
                    },
                };
                for (s, q) in found.iter().enumerate() {
                    wider.push(([&states[..], &[s]].concat(), p * q));
                }
            }
            joint = wider;
        }
        Ok((joint.into_iter().map(|(_, p)| p).collect(), first))
    }

    /// All marginals.
    pub fn marginals(&self, by: &By) -> Result<Answer, Trouble> {
        self.run(&by.method, &[], 0).map_err(|e| self.trouble(e))
    }

    /// Adds what the engine says of its answer.
    pub fn sign(&self, by: &By, answer: &Answer, json: &mut Value) -> Vec<String> {
        let notes = self.notes(by, answer);
        json["engine"] = json!(by.method.name());
        json["settings"] = json!(by.text);
        json["kind"] = json!(by.method.sign().sign());
        for (key, value) in trust(self.network, answer) {
            json[key] = value;
        }
        if !notes.is_empty() {
            json["notes"] = json!(notes);
        }
        notes
    }

    /// log Z or log p(e) as the engine knows it, or the logarithm of a conditional probability.
    pub fn log(&self, by: &By, before: &[(usize, usize)]) -> Result<Told, Trouble> {
        let answer = self.marginals(by)?;
        let Some(whole) = answer.log_z else {
            let message = format!("{} gives no logarithm of the whole", by.method.name());
            return Err(Trouble::of(
                Diagnostic::new(Code::OverrideRefused, message).help("take `--by loopy_bp` or `--by mean_field`"),
            ));
        };
        let value = match before {
            [] => whole,
            _ if matches!(by.method, Approximation::MeanField(_)) => {
                let message = "the difference of two lower bounds bounds nothing";
                return Err(Trouble::of(
                    Diagnostic::new(Code::OverrideRefused, message).help("take `--by loopy_bp`, or ask `logZ` alone"),
                ));
            }
            _ => {
                let held = |v: usize| self.held.iter().find(|(h, _)| *h == v).map(|(_, s)| *s);
                let open: Vec<(usize, usize)> = before.iter().copied().filter(|(v, _)| held(*v).is_none()).collect();
                let contradicted = before.iter().any(|&(v, s)| held(v).is_some_and(|h| h != s));
                let both = if contradicted {
                    f64::NEG_INFINITY
                } else {
                    match self.run(&by.method, &open, 0) {
                        Ok(answer) => answer.log_z.map_or(f64::NAN, |z| z.value),
                        Err(ApproximationError::Table(TableError::Impossible)) => f64::NEG_INFINITY,
                        Err(other) => return Err(self.trouble(other)),
                    }
                };
                ghmc::table::approximate::LogZ { value: both - whole.value, sign: whole.sign }
            }
        };
        let shown = number(value.value);
        let mut json = json!({ "value": shown });
        let notes = self.sign(by, &answer, &mut json);
        json["kind"] = json!(value.sign.sign());
        Ok(Told { json, text: format!("{} {}\n", value.sign.sign(), short(value.value)), notes })
    }

    /// The best joint state that messages of maxima find; its score bounds the largest from below.
    pub fn best(&self, by: &By) -> Result<(Vec<usize>, f64, Answer), Trouble> {
        let Approximation::LoopyBp(bp) = &by.method else {
            let message = format!("{} does not maximise", by.method.name());
            return Err(Trouble::of(
                Diagnostic::new(Code::OverrideRefused, message).help("take `--by loopy_bp` or `--by exact`"),
            ));
        };
        let method = Approximation::LoopyBp(LoopyBp { maximise: true, ..bp.clone() });
        let answer = self.run(&method, &[], 0).map_err(|e| self.trouble(e))?;
        let best = answer.best.clone().unwrap_or(ghmc::table::Best { score: f64::NEG_INFINITY, states: Vec::new() });
        Ok((best.states, best.score, answer))
    }

    /// Draws of some variables from the posterior.
    pub fn samples(&self, by: &By, of: &[usize], count: usize) -> Result<Told, Trouble> {
        let answer = self.run(&by.method, &[], count).map_err(|e| self.trouble(e))?;
        let word = |v: usize, s: usize| self.network.variables[v].states[s].clone();
        let name = |v: usize| self.network.variables[v].name.clone();
        let rows = answer.draws.iter().map(|x| of.iter().map(|&v| word(v, x[v])).collect::<Vec<_>>());
        let rows: Vec<Vec<String>> = rows.collect();
        let objects: Vec<Value> = rows
            .iter()
            .map(|row| Value::Object(of.iter().map(|&v| name(v)).zip(row.iter().map(|w| json!(w))).collect()))
            .collect();
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header: Vec<String> = of.iter().map(|&v| name(v)).collect();
        let unwritten = |e: &dyn std::fmt::Display| Trouble::of(Diagnostic::new(Code::CannotWrite, e.to_string()));
        csv.write_record(&header).map_err(|e| unwritten(&e))?;
        for row in &rows {
            csv.write_record(row).map_err(|e| unwritten(&e))?;
        }
        let bytes = csv.into_inner().map_err(|e| unwritten(&e))?;
        let text = String::from_utf8(bytes).map_err(|e| unwritten(&e))?;
        let mut json = json!({ "samples": objects });
        let notes = self.sign(by, &answer, &mut json);
        Ok(Told { json, text, notes })
    }

    /// Several engines on the marginals of some variables: errors against the best truth there is, times, log Z or a bound.
    pub fn compare(&self, list: &[By], exact: &By, of: &[usize]) -> Result<Told, Trouble> {
        let timed = |by: &By| {
            let began = Instant::now();
            (self.run(&by.method, &[], 0), began.elapsed().as_secs_f64())
        };
        let truth = timed(exact);
        if let (Err(ApproximationError::Table(e @ (TableError::Impossible | TableError::Misfit(_)))), _) = &truth {
            return Err(Trouble::of(self.junction.told(e)));
        }
        let found: Vec<_> = list
            .iter()
            .map(|by| match &by.method {
                Approximation::Exact(_) => truth.clone(),
                _ => timed(by),
            })
            .collect();
        // The truth: exact, else chains that agree, else the first of the others that converged.
        let agrees = |a: &Answer| {
            let chains = a.chains.as_ref();
            chains.is_some_and(|c| c.reach == Reach::Whole && c.worst().is_none_or(|r| r <= AGREE))
        };
        let nth = |fits: &dyn Fn(&Answer) -> bool| {
            found.iter().position(|(f, _)| f.as_ref().is_ok_and(fits)).map(|at| (list[at].text.clone(), &found[at].0))
        };
        let (name, best) = match &truth.0 {
            Ok(_) => ("exact".to_string(), Some(&truth.0)),
            Err(_) => match nth(&agrees).or_else(|| nth(&|a: &Answer| a.convergence.converged)) {
                Some((name, found)) => (name, Some(found)),
                None => ("none".to_string(), None),
            },
        };
        let best = best.and_then(|b| b.as_ref().ok());
        let mut notes = Vec::new();
        if truth.0.is_err() {
            notes.push(match best {
                Some(_) => format!("exact sums would take too much: errors are against `{name}`, an estimate itself"),
                None => "exact sums would take too much, and no engine converged: there is no truth".to_string(),
            });
        }
        let (mut rows, mut engines) = (Vec::new(), Vec::new());
        for (by, (found, seconds)) in list.iter().zip(&found) {
            let answer = match found {
                Ok(answer) => answer,
                Err(error) => {
                    rows.push(
                        [by.text.clone(), "".into(), "".into(), "".into(), "".into(), error.to_string()].to_vec(),
                    );
                    engines
                        .push(json!({ "engine": by.method.name(), "settings": by.text, "error": error.to_string() }));
                    continue;
                }
            };
            let errors = best.map(|best| errors(answer, best, of));
            let log = answer.log_z.map_or(String::new(), |z| format!("{} {}", z.sign.sign(), short(z.value)));
            let (mean, most) = match errors {
                Some((mean, most)) => (short(mean), short(most)),
                None => (String::new(), String::new()),
            };
            rows.push(vec![by.text.clone(), mean, most, log, ghmc::report::seconds(*seconds), state(answer)]);
            let mut one = json!({ "seconds": seconds });
            if let Some((mean, most)) = errors {
                one["mean_error"] = json!(mean);
                one["max_error"] = json!(most);
            }
            let more = self.sign(by, answer, &mut one);
            notes.extend(more.into_iter().filter(|n| !notes.contains(n)).collect::<Vec<_>>());
            engines.push(one);
        }
        let head = ["engine", "mean error", "max error", "log Z", "time", "state"];
        let text = table(&head, &[false, true, true, true, true, false], &rows);
        let sign = if truth.0.is_ok() { Sign::Equal } else { Sign::About };
        let text = format!("{text}errors are of probabilities, against {name} ({})\n", sign.sign());
        let names: Vec<&str> = of.iter().map(|&v| self.network.variables[v].name.as_str()).collect();
        let json = json!({
            "of": names,
            "truth": { "engine": name, "kind": sign.sign() },
            "engines": engines,
            "notes": notes,
        });
        Ok(Told { json, text, notes })
    }
}

/// The mean and the largest difference of two engines' probabilities of some variables' states.
fn errors(a: &Answer, b: &Answer, of: &[usize]) -> (f64, f64) {
    let (mut sum, mut most, mut count) = (0.0, 0.0f64, 0usize);
    for &v in of {
        if let (Some(p), Some(q)) = (&a.marginals[v], &b.marginals[v]) {
            for (p, q) in p.iter().zip(q) {
                sum += (p - q).abs();
                most = most.max((p - q).abs());
                count += 1;
            }
        }
    }
    (sum / count.max(1) as f64, most)
}

/// How far an engine came, in a few words.
fn state(answer: &Answer) -> String {
    match &answer.chains {
        Some(chains) => {
            let rate = chains.worst().map_or("no move".to_string(), |r| format!("R-hat {}", short(r)));
            let size = chains.least().map_or(String::new(), |e| format!(", {} effective draws", e.round()));
            format!("{} chains of {}, {rate}{size}", chains.chains, chains.sweeps)
        }
        None => {
            let told = answer.convergence;
            let word = if told.converged { "converged" } else { "not converged" };
            format!("{word} in {} round{}", told.rounds, if told.rounds == 1 { "" } else { "s" })
        }
    }
}

/// A number for programs; what is infinite in words.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

/// Convergence and statistics of chains for programs.
fn trust(network: &Network, answer: &Answer) -> Map<String, Value> {
    let mut told = Map::new();
    if let Some(z) = answer.log_z {
        told.insert("log_z".into(), json!({ "value": number(z.value), "kind": z.sign.sign() }));
    }
    match &answer.chains {
        None => {
            let c = answer.convergence;
            let one = json!({ "rounds": c.rounds, "change": c.change, "converged": c.converged });
            told.insert("convergence".into(), one);
        }
        Some(chains) => {
            let each = |values: &[Option<f64>]| -> Value {
                let of = network.variables.iter().zip(values);
                Value::Object(of.filter_map(|(v, x)| Some((v.name.clone(), number((*x)?)))).collect())
            };
            let reach = match &chains.reach {
                Reach::Whole => json!("whole"),
                Reach::Parts(_) => json!("parts"),
                Reach::Unknown(_) => json!("unknown"),
            };
            let one = json!({
                "chains": chains.chains,
                "sweeps": chains.sweeps,
                "burn_in": chains.burn_in,
                "worst_r_hat": chains.worst().map(number),
                "least_effective": chains.least(),
                "r_hat": each(&chains.r_hat),
                "effective": each(&chains.effective),
                "reach": reach,
            });
            told.insert("chains".into(), one);
        }
    }
    told
}

/// The last line of an answer by an engine that estimates.
pub fn signed(by: &By, answer: &Answer) -> String {
    format!("{} by {}, {}", by.method.sign().sign(), by.text, state(answer))
}

/// The variables whose marginals a comparison is about.
pub fn compared(network: &Network, asked: Option<&Asked>, held: &[(usize, usize)]) -> Result<Vec<usize>, Trouble> {
    let free = |v: &usize| held.iter().all(|(h, _)| h != v);
    match asked {
        None => Ok((0..network.variables.len()).filter(free).collect()),
        Some(asked) if matches!(asked.what, What::Probability | What::Each) && !asked.all => {
            Ok(asked.of.iter().map(|(v, _)| *v).filter(free).collect())
        }
        Some(asked) if asked.all => Ok((0..network.variables.len()).filter(free).collect()),
        Some(_) => Err(Trouble::Usage(
            "engines are compared by the marginals they give".to_string(),
            "ask P(a, b | c = x), or for all with `--marginals`".to_string(),
        )),
    }
}
