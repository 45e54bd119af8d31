//! What names mean at one place: variables, parameters, the indices of loops, and the axes a sub-model got from its arguments.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::span::Span;
use crate::model::*;

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A variable of the model.
    Var(VarId),
    /// A parameter.
    Param(ParamId),
    /// A port of a sub-model that stands for an expression of its user.
    Value(Box<Expr>),
    /// Declared, but with an error of its own; reading it is no news.
    Poisoned,
}

/// The names in reach of a statement.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The model whose variables are declared.
    pub model: ModelId,
    /// What full names of parameters begin with: `m`, `m.memory`, `m.guide`.
    pub prefix: String,
    /// What names of variables begin with; empty outside sub-models.
    pub var_prefix: String,
    /// Who owns the parameters.
    pub owner: Owner,
    /// Names and where they were declared.
    pub names: BTreeMap<String, (Entry, Span)>,
    /// The loops around a statement, outermost first.
    pub indices: Vec<(String, IndexId)>,
    /// Axes that stand for others here.
    pub axes: BTreeMap<String, AxisId>,
    /// Where each variable was defined by `~` or `=`.
    pub defined: BTreeMap<VarId, Span>,
    /// Whether the statements are those of a guide.
    pub guide: bool,
    /// Names that were read.
    pub used: BTreeSet<String>,
    /// Variables that a `~` or `=` declares; a second one of those is told where definitions are counted.
    pub by_definition: BTreeSet<String>,
    /// How often each sub-model was put in.
    pub instances: BTreeMap<String, usize>,
    /// Definitions that calls of recurrent nets brought along.
    pub made: Vec<Factor>,
}

impl Scope {
    /// An empty scope of a model.
    pub fn new(model: ModelId, prefix: &str, owner: Owner) -> Scope {
        Scope {
            model,
            prefix: prefix.to_string(),
            var_prefix: String::new(),
            owner,
            names: BTreeMap::new(),
            indices: Vec::new(),
            axes: BTreeMap::new(),
            defined: BTreeMap::new(),
            guide: false,
            used: BTreeSet::new(),
            by_definition: BTreeSet::new(),
            instances: BTreeMap::new(),
            made: Vec::new(),
        }
    }

    /// The innermost loop index of that name.
    pub fn index(&self, name: &str) -> Option<IndexId> {
        self.indices.iter().rev().find(|(n, _)| n == name).map(|(_, id)| *id)
    }

    /// The plates around a statement.
    pub fn plates(&self) -> Vec<IndexId> {
        self.indices.iter().map(|(_, id)| *id).collect()
    }
}
