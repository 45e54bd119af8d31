//! A network of discrete variables as the world's files state it: names, states and tables of numbers. Readers make it, importers turn it
//! into a program, exact engines take its tables as they are.

use std::collections::{BTreeMap, BTreeSet};

/// Discrete variables and the tables over them; their product is the density, normalised where the network is directed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Network {
    /// The network's own name; empty where its file gives none.
    pub name: String,
    /// The variables, in the file's order.
    pub variables: Vec<NetVariable>,
    /// The tables, in the file's order.
    pub factors: Vec<NetFactor>,
    /// Whether every table is the conditional of one variable, so that the product sums to one.
    pub directed: bool,
    /// What the file says besides and no reader understands, a line each.
    pub properties: Vec<String>,
}

/// A variable with finitely many states.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetVariable {
    /// Its name, as the file spells it.
    pub name: String,
    /// The names of its states, in order; at least one.
    pub states: Vec<String>,
    /// What the file says of it besides, a line each.
    pub properties: Vec<String>,
}

/// A table of non-negative numbers over some variables.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NetFactor {
    /// Positions in [`Network::variables`], each once; the last runs fastest through `values`. In a conditional the parents stand first, in
    /// the file's order, and the child last.
    pub scope: Vec<usize>,
    /// The variable whose conditional this is.
    pub child: Option<usize>,
    /// A number for every joint state of the scope.
    pub values: Vec<f64>,
    /// What the file says of the table besides, a line each.
    pub properties: Vec<String>,
}

impl Network {
    /// How many states each variable has, in order.
    pub fn cards(&self) -> Vec<usize> {
        self.variables.iter().map(|v| v.states.len()).collect()
    }

    /// The variables' positions by name; of equal names the first.
    pub fn positions(&self) -> BTreeMap<&str, usize> {
        self.variables.iter().enumerate().rev().map(|(at, v)| (v.name.as_str(), at)).collect()
    }

    /// The parents of each variable, by position; empty for one that no table is the conditional of.
    pub fn parents(&self) -> Vec<&[usize]> {
        let mut parents: Vec<&[usize]> = vec![&[]; self.variables.len()];
        for factor in &self.factors {
            if let (Some(child), Some((_, above))) = (factor.child, factor.scope.split_last()) {
                parents[child] = above;
            }
        }
        parents
    }

    /// From parents to children; without directions between variables that share a table, the earlier first. Each pair once, in order.
    pub fn edges(&self) -> BTreeSet<(usize, usize)> {
        let mut edges = BTreeSet::new();
        for factor in &self.factors {
            match factor.child.filter(|_| self.directed) {
                Some(child) => edges.extend(factor.scope.iter().filter(|p| **p != child).map(|&p| (p, child))),
                None => {
                    for (at, &a) in factor.scope.iter().enumerate() {
                        edges.extend(factor.scope[at + 1..].iter().map(|&b| (a.min(b), a.max(b))));
                    }
                }
            }
        }
        edges
    }

    /// How many numbers its tables hold together.
    pub fn cells(&self) -> usize {
        self.factors.iter().map(|f| f.values.len()).sum()
    }

    /// The same numbers under names of positions: variables `x0`, `x1`, .., each with the states `0`, `1`, ..
    pub fn numbered(cards: &[usize], factors: Vec<NetFactor>, directed: bool) -> Network {
        let variable = |(at, &card): (usize, &usize)| NetVariable {
            name: format!("x{at}"),
            states: (0..card).map(|s| s.to_string()).collect(),
            properties: Vec::new(),
        };
        let variables = cards.iter().enumerate().map(variable).collect();
        Network { name: String::new(), variables, factors, directed, properties: Vec::new() }
    }
}

impl NetVariable {
    /// The position of a state.
    pub fn state(&self, name: &str) -> Option<usize> {
        self.states.iter().position(|s| s == name)
    }
}
