//! A network of tables asked by a junction tree: the join between [`Network`] and the programs over tables.
//!
//! In: a network and evidence, as positions of variables and of states. Out: log-evidence, marginals, joint marginals, best joint states. A
//! program is compiled once for each pattern of evidence and kind of question, and run anew for other values of the same pattern.
//!
//! The evidence is fixed axes, so it costs nothing; log p(e) is the log-sum over the others, and for a network without directions it is
//! log Z with the evidence clamped. An intervention strikes out the table of what is set.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::places::unravel;
use crate::diag::{Code, Diagnostic};
use crate::model::Network;
use crate::table::{Options, Program, Table, TableError, Tables};

/// Joint states that one answer may list.
const MOST_JOINT: usize = 1 << 22;

/// Variables held at states, by position.
pub type Held = [(usize, usize)];

/// A variable by position, and how likely what was seen of it is in each of its states.
pub type Soft = (usize, Vec<f64>);

/// A network ready to be asked.
pub struct Junction {
    names: Vec<String>,
    tables: Tables,
    /// How many of the tables are the network's own; those of soft evidence stand behind them.
    own: usize,
    /// Bytes that one program may take.
    bytes: u64,
    compiled: BTreeMap<(Vec<usize>, Wish), Arc<Program>>,
}

/// What a program is compiled for besides the pattern of evidence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// The marginals of all free variables.
    All,
    /// The joint marginal of these, or with none the sum alone.
    Together(Vec<usize>),
    /// The best joint state.
    Best,
}

/// What a run over all variables gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// log p(e), or log Z with the evidence clamped.
    pub log_evidence: f64,
    /// The marginal of each variable; none for those of the evidence.
    pub marginals: Vec<Option<Vec<f64>>>,
}

impl Junction {
    /// The tables of a network. `set` are variables set from outside, whose own tables no longer count: they must be part of the evidence.
    /// Programs may take so many bytes each.
    pub fn new(network: &Network, set: &[usize], bytes: u64) -> Junction {
        let kept = network.factors.iter().filter(|f| !f.child.is_some_and(|c| set.contains(&c)));
        let table = |factor: &crate::model::NetFactor| match factor.child.filter(|_| network.directed) {
            Some(child) => Table::conditional(factor.scope.clone(), factor.values.clone(), child),
            None => Table::new(factor.scope.clone(), factor.values.clone()),
        };
        let tables = Tables { cards: network.cards(), tables: kept.map(table).collect() };
        let names = network.variables.iter().map(|v| v.name.clone()).collect();
        let own = tables.tables.len();
        Junction { names, tables, own, bytes, compiled: BTreeMap::new() }
    }

    /// Puts weights on states in the place of earlier ones: everything asked from now on counts a joint state by its product with the
    /// weights of its states (Pearl's virtual evidence). Programs are kept where the same variables are weighed.
    pub fn weigh(&mut self, soft: &[Soft]) {
        let before: Vec<usize> = self.tables.tables[self.own..].iter().flat_map(|t| t.axes.clone()).collect();
        let now: Vec<usize> = soft.iter().map(|(v, _)| *v).collect();
        if before != now {
            self.compiled.clear();
        }
        self.tables.tables.truncate(self.own);
        self.tables.tables.extend(soft.iter().map(|(v, weights)| Table::new(vec![*v], weights.clone())));
    }

    /// The tables, those of weights among them.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Compiles for the marginals under this pattern of evidence, so that `marginals` only has to run.
    ///
    /// # Errors
    /// E0601.
    pub fn prepare(&mut self, held: &Held) -> Result<(), Diagnostic> {
        self.program(&sorted(held).0, Wish::All).map(|_| ())
    }

    /// The marginals of all variables but those of the evidence.
    ///
    /// # Errors
    /// E0601 where it would take too much memory or time, E0804 where the evidence has probability zero.
    pub fn marginals(&mut self, held: &Held) -> Result<Posterior, Diagnostic> {
        let (fixed, values) = sorted(held);
        let beliefs = self.program(&fixed, Wish::All)?.run(&self.tables, &values);
        let beliefs = beliefs.map_err(|e| self.told(&e))?;
        self.possible(beliefs.log_partition)?;
        Ok(Posterior { log_evidence: beliefs.log_partition, marginals: beliefs.marginals })
    }

    /// log p(e), or log Z with the evidence clamped; minus infinity where the evidence is impossible.
    ///
    /// # Errors
    /// E0601.
    pub fn log_evidence(&mut self, held: &Held) -> Result<f64, Diagnostic> {
        let (fixed, values) = sorted(held);
        let beliefs = self.program(&fixed, Wish::Together(Vec::new()))?.run(&self.tables, &values);
        Ok(beliefs.map_err(|e| self.told(&e))?.log_partition)
    }

    /// log p(e), and the joint posterior of some variables, the last of them fastest; what is held among them has the state it is held at.
    ///
    /// # Errors
    /// E0601, E0804.
    pub fn joint(&mut self, of: &[usize], held: &Held) -> Result<(f64, Vec<f64>), Diagnostic> {
        let cards: Vec<usize> = of.iter().map(|&v| self.tables.cards[v]).collect();
        let cells = cards.iter().try_fold(1usize, |n, &c| n.checked_mul(c)).filter(|n| *n <= MOST_JOINT);
        let Some(cells) = cells else {
            return Err(Diagnostic::new(Code::TooExpensive, "the joint posterior has more states than can be listed")
                .help("ask for fewer variables together, or for their marginals"));
        };
        let (fixed, values) = sorted(held);
        let free: Vec<usize> =
            of.iter().copied().filter(|v| self.tables.cards[*v] > 1 && fixed.binary_search(v).is_err()).collect();
        let program = self.program(&fixed, Wish::Together(free.clone()))?;
        let mut state = program.load(&self.tables, &values).map_err(|e| self.told(&e))?;
        let log_evidence = state.propagate().map_err(|e| self.told(&e))?;
        self.possible(log_evidence)?;
        let dense: &[f64] = match free[..] {
            [] => &[1.0],
            [only] => state.marginal(only).unwrap_or_default(),
            _ => state.joint(&free).unwrap_or_default(),
        };
        let mut joint = vec![0.0; cells];
        for (at, cell) in joint.iter_mut().enumerate() {
            let states = unravel(at, &cards);
            let stands = of.iter().zip(&states).all(|(v, s)| held.iter().all(|(h, t)| h != v || t == s));
            let place = of.iter().zip(&states).filter(|(v, _)| free.contains(v));
            let place = place.fold(0, |at, (&v, s)| at * self.tables.cards[v] + s);
            *cell = if stands { dense.get(place).copied().unwrap_or(0.0) } else { 0.0 };
        }
        Ok((log_evidence, joint))
    }

    /// The likeliest joint state of some variables, all else summed out, and the log of its probability together with the evidence. Ties
    /// between listed states go to the first.
    ///
    /// # Errors
    /// E0601, E0804.
    pub fn best(&mut self, of: &[usize], held: &Held) -> Result<(Vec<usize>, f64), Diagnostic> {
        let (fixed, values) = sorted(held);
        let all = (0..self.names.len()).all(|v| of.contains(&v) || fixed.binary_search(&v).is_ok());
        if all {
            let program = self.program(&fixed, Wish::Best)?;
            let mut state = program.load(&self.tables, &values).map_err(|e| self.told(&e))?;
            let best = state.maximum().map_err(|e| self.told(&e))?;
            return Ok((of.iter().map(|&v| best.states[v]).collect(), best.score));
        }
        let (log_evidence, joint) = self.joint(of, held)?;
        let mut at = 0;
        for (candidate, p) in joint.iter().enumerate() {
            if *p > joint[at] {
                at = candidate;
            }
        }
        let score = log_evidence + joint[at].ln();
        let cards: Vec<usize> = of.iter().map(|&v| self.tables.cards[v]).collect();
        Ok((unravel(at, &cards), score))
    }

    /// The program for a pattern and a question.
    fn program(&mut self, fixed: &[usize], wish: Wish) -> Result<Arc<Program>, Diagnostic> {
        let key = (fixed.to_vec(), wish);
        if let Some(program) = self.compiled.get(&key) {
            return Ok(program.clone());
        }
        let mut options = Options { bytes: self.bytes, ..Options::default() };
        match &key.1 {
            Wish::All => {}
            Wish::Together(set) => {
                options.wanted = Some(set.clone());
                options.together = if set.len() > 1 { vec![set.clone()] } else { Vec::new() };
            }
            Wish::Best => options.maximisable = true,
        }
        let program = Arc::new(Program::compile(&self.tables, fixed, &options).map_err(|e| self.told(&e))?);
        self.compiled.insert(key, program.clone());
        Ok(program)
    }

    /// Refuses evidence that cannot be.
    fn possible(&self, log_evidence: f64) -> Result<(), Diagnostic> {
        match log_evidence == f64::NEG_INFINITY {
            true => Err(self.told(&TableError::Impossible)),
            false => Ok(()),
        }
    }

    /// An error of the tables in the network's words.
    pub fn told(&self, error: &TableError) -> Diagnostic {
        let named = |axes: &[usize]| {
            let names: Vec<&str> = axes.iter().take(8).filter_map(|&a| self.names.get(a)).map(String::as_str).collect();
            format!("{}{}", names.join(", "), if axes.len() > 8 { ", .." } else { "" })
        };
        match error {
            TableError::Misfit(what) => {
                Diagnostic::new(Code::BadTable, what.clone()).help("look at the tables of the network")
            }
            TableError::Impossible => {
                let message = "no joint state agrees with the evidence: it has probability zero";
                Diagnostic::new(Code::ImpossibleRow, message).help("take away what contradicts the network's zeros")
            }
            TableError::TooLarge { axes, cells, bytes, budget } => {
                let message = format!(
                    "exact sums need {} MiB, and {} MiB are allowed: one table of {cells:.2e} numbers spans {} variables",
                    (bytes / 1048576.0).ceil(),
                    budget >> 20,
                    axes.len()
                );
                Diagnostic::new(Code::TooExpensive, message)
                    .help("allow more with `--max-memory`, hold more variables fixed, or estimate by another engine: `--by loopy_bp`, `mean_field`, `gibbs`")
                    .note(format!("the variables that meet are {}", named(axes)))
            }
            TableError::TooLong { axes, cells, flops, .. } => {
                let message = format!(
                    "exact sums need {flops:.1e} operations: one table of {cells:.2e} numbers spans {} variables",
                    axes.len()
                );
                Diagnostic::new(Code::TooExpensive, message)
                    .help("hold more variables fixed, or estimate by another engine: `--by loopy_bp`, `mean_field`, `gibbs`")
                    .note(format!("the variables that meet are {}", named(axes)))
            }
        }
    }
}

/// The held variables in order, and their states.
fn sorted(held: &Held) -> (Vec<usize>, Vec<usize>) {
    let map: BTreeMap<usize, usize> = held.iter().copied().collect();
    map.into_iter().unzip()
}
