//! A question about a network file, in the words of `ghmc query`: `P(a, b | c = x, do(d = y))`, `argmax(a, b | ..)`, `argmax(..)` for all
//! that is free, `loglik(a = x | ..)`, `logZ`, `entropy(a, b | ..)`, `mutual_info(a; b | ..)`. Names with marks or blanks stand in quotes.
//!
//! In: text and the network. Out: what is asked, by position.

use ghmc::diag::{Code, Diagnostic, nearest};
use ghmc::model::Network;

use super::trouble::Trouble;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A joint posterior, or one probability.
    Probability,
    /// The likeliest joint state.
    Best,
    /// Each variable's likeliest state by itself.
    Each,
    /// The log-probability of what is held before the bar, or of the evidence.
    LogLik,
    /// The entropy of variables together, in nats.
    Entropy,
    /// The mutual information of two sets of variables, in nats.
    MutualInfo,
}

/// A question.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// What for.
    pub what: What,
    /// The variables before the bar, with the states that they are asked at.
    pub of: Vec<(usize, Option<usize>)>,
    /// Whether all free variables are meant.
    pub all: bool,
    /// How many of them stand before the semicolon that parts two sets; all where there is none.
    pub first: usize,
    /// What is held after the bar.
    pub held: Vec<(usize, usize)>,
    /// What is set after the bar.
    pub set: Vec<(usize, usize)>,
}

/// Reads a question.
pub fn ask_network(question: &str, network: &Network) -> Result<Asked, Trouble> {
    let mut reader = Reader { rest: question.trim(), network };
    let what = match reader.word().as_str() {
        "P" => What::Probability,
        "argmax" => What::Best,
        "argmax_each" => What::Each,
        "loglik" | "logZ" => What::LogLik,
        "entropy" => What::Entropy,
        "mutual_info" => What::MutualInfo,
        other => {
            let message = format!("`{other}` is no question that a network file answers");
            return Err(Trouble::Usage(message, FORMS.to_string()));
        }
    };
    let mut asked = Asked { what, of: Vec::new(), all: false, first: 0, held: Vec::new(), set: Vec::new() };
    if reader.take("(") {
        while !reader.starts(")") && !reader.starts("|") {
            if reader.take("..") {
                asked.all = true;
            } else {
                let variable = reader.variable()?;
                let state = if reader.take("=") { Some(reader.state(variable)?) } else { None };
                asked.of.push((variable, state));
            }
            if what == What::MutualInfo && asked.first == 0 && reader.take(";") {
                asked.first = asked.of.len();
            } else if !reader.take(",") {
                break;
            }
        }
        if reader.take("|") {
            while !reader.starts(")") {
                let set = reader.take("do(") || reader.take("do (");
                let variable = reader.variable()?;
                if !reader.take("=") {
                    return Err(reader.wrong("`=` and a state"));
                }
                let state = reader.state(variable)?;
                if set && !reader.take(")") {
                    return Err(reader.wrong("`)`"));
                }
                if set {
                    asked.set.push((variable, state))
                } else {
                    asked.held.push((variable, state))
                }
                if !reader.take(",") {
                    break;
                }
            }
        }
        if !reader.take(")") {
            return Err(reader.wrong("`)`"));
        }
    }
    if !reader.rest.is_empty() {
        return Err(reader.wrong("the end of the question"));
    }
    let needs = what != What::LogLik && asked.of.is_empty() && !asked.all;
    let mixed = what == What::LogLik && asked.of.iter().any(|(_, s)| s.is_none());
    let information = matches!(what, What::Entropy | What::MutualInfo);
    let stated = information && asked.of.iter().any(|(_, s)| s.is_some());
    let halves = what == What::MutualInfo && (asked.first == 0 || asked.first == asked.of.len());
    let joint = matches!(what, What::Probability | What::LogLik) || information;
    if what != What::MutualInfo {
        asked.first = asked.of.len();
    }
    if needs || mixed || stated || halves || asked.all && joint {
        return Err(Trouble::Usage("the question is not complete".to_string(), FORMS.to_string()));
    }
    Ok(asked)
}

const FORMS: &str = "ask P(a, b | c = x), argmax(a, b | c = x), argmax(.. | c = x) for all that is free, argmax_each(a), loglik(a = x | c = y), entropy(a, b), or mutual_info(a; b | c = x)";

struct Reader<'a> {
    rest: &'a str,
    network: &'a Network,
}

impl Reader<'_> {
    fn starts(&self, mark: &str) -> bool {
        self.rest.starts_with(mark)
    }

    fn take(&mut self, mark: &str) -> bool {
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word.to_string()
    }

    fn wrong(&self, what: &str) -> Trouble {
        let shown: String = self.rest.chars().take(20).collect();
        let found = if shown.is_empty() { "the question ends".to_string() } else { format!("`{shown}` stands") };
        Trouble::Usage(format!("{found} where {what} is wanted"), FORMS.to_string())
    }

    /// A name: quoted, or the longest of these that stands here and is followed by a mark; else what stands before the next mark.
    fn name(&mut self, known: &[&str], marks: &[char]) -> Result<String, Trouble> {
        for quote in ['"', '\''] {
            if let Some((name, rest)) = self.rest.strip_prefix(quote).and_then(|r| r.split_once(quote)) {
                self.rest = rest.trim_start();
                return Ok(name.to_string());
            }
        }
        let follows = |name: &&&str| {
            let after = self.rest.strip_prefix(**name).map(str::trim_start);
            after.is_some_and(|after| after.is_empty() || after.starts_with(marks))
        };
        let found = known.iter().filter(follows).max_by_key(|n| n.len()).map(|n| n.to_string());
        let name = match found {
            Some(name) => name,
            None => {
                let end = self.rest.find(marks).unwrap_or(self.rest.len());
                self.rest[..end].trim_end().to_string()
            }
        };
        if name.is_empty() {
            return Err(self.wrong("a name"));
        }
        self.rest = self.rest[name.len()..].trim_start();
        Ok(name)
    }

    fn variable(&mut self) -> Result<usize, Trouble> {
        let known: Vec<&str> = self.network.variables.iter().map(|v| v.name.as_str()).collect();
        let name = self.name(&known, &[',', '|', '=', ')', ';'])?;
        variable_of(self.network, &name)
    }

    fn state(&mut self, variable: usize) -> Result<usize, Trouble> {
        let known: Vec<&str> = self.network.variables[variable].states.iter().map(String::as_str).collect();
        let name = self.name(&known, &[',', '|', ')'])?;
        state_of(self.network, variable, &name)
    }
}

/// The variable of that name.
pub fn variable_of(network: &Network, name: &str) -> Result<usize, Trouble> {
    network.variables.iter().position(|v| v.name == name).ok_or_else(|| {
        let known = network.variables.iter().map(|v| v.name.as_str());
        let error = Diagnostic::new(Code::BadEvidence, format!("the network has no variable `{name}`"));
        Trouble::of(match nearest(name, known.clone()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("it has {}", some(known))),
        })
    })
}

/// The state of that name.
pub fn state_of(network: &Network, variable: usize, name: &str) -> Result<usize, Trouble> {
    let declared = &network.variables[variable];
    declared.state(name).ok_or_else(|| {
        let known = declared.states.iter().map(String::as_str);
        let message = format!("`{name}` is not a state of `{}`", declared.name);
        let error = Diagnostic::new(Code::BadEvidence, message);
        Trouble::of(match nearest(name, known.clone()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("its states are {}", some(known))),
        })
    })
}

fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let more = if all.len() > 12 { format!(" and {} more", all.len() - 12) } else { String::new() };
    format!("{}{more}", all.iter().take(12).copied().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghmc::model::NetVariable;

    fn network() -> Network {
        let variable = |name: &str, states: &[&str]| NetVariable {
            name: name.into(),
            states: states.iter().map(|s| s.to_string()).collect(),
            properties: Vec::new(),
        };
        let variables =
            vec![variable("a", &["<5", ">=5.5"]), variable("b c", &["yes", "no, never"]), variable("d", &["0"])];
        Network { variables, ..Network::default() }
    }

    #[test]
    fn questions_are_read() {
        let read = |text: &str| ask_network(text, &network()).ok();
        let asked = read("P(a | b c = no, never, do(d = 0))").expect("a question");
        assert_eq!((asked.of, asked.held, asked.set), (vec![(0, None)], vec![(1, 1)], vec![(2, 0)]));
        let asked = read("argmax(\"b c\", d | a = \">=5.5\")").expect("a question");
        assert_eq!((asked.what, asked.of.len(), asked.held), (What::Best, 2, vec![(0, 1)]));
        assert!(read("argmax(..)").is_some_and(|a| a.all));
        assert_eq!(read("loglik(a = <5)").map(|a| a.of), Some(vec![(0, Some(0))]));
        let asked = read("P(a = <5, d | do(d = 0))").expect("a question");
        assert_eq!((asked.of, asked.set), (vec![(0, Some(0)), (2, None)], vec![(2, 0)]));
        let asked = read("mutual_info(a, d; b c | a = <5)").expect("a question");
        assert_eq!((asked.what, asked.of.len(), asked.first), (What::MutualInfo, 3, 2));
        assert_eq!(read("entropy(a, b c)").map(|a| (a.what, a.first)), Some((What::Entropy, 2)));
        for wrong in
            ["mutual_info(a, d)", "mutual_info(a;)", "mutual_info(;a)", "entropy(a = <5)", "entropy(..)", "P(a; d)"]
        {
            assert!(read(wrong).is_none(), "{wrong}");
        }
        for wrong in ["P(", "P()", "P(a", "P(a) x", "P(e)", "P(a | b c)", "Q(a)", "P(a = 7)", "loglik(a)", ""] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
