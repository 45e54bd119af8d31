//! The factor graph: a model's variables and factors as a bipartite graph, plates lifted.
//!
//! A variable repeated over a plate is one node; an edge carries the shifts at which the factor reads it (`s[t-1]`: −1)
//! and whether the factor normalises it. The graph is a view of `Model`; nothing is stored in it that is not there.

use std::collections::BTreeSet;

use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;
use serde::Serialize;

use super::program::{FactorKind, Model, ModelId, Program, VarId};

/// A node: one side or the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Vertex {
    /// A variable.
    Var(VarId),
    /// A factor, by its position in `Model::factors`.
    Factor(usize),
}

/// How a factor touches a variable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Touch {
    /// Whether the factor is normalised over it (edges run from factor to variable), or reads it (the other way).
    pub target: bool,
    /// Shifts along plates; empty where it is read whole or at the plates' own positions only.
    pub shifts: BTreeSet<i64>,
}

/// A model's factor graph.
#[derive(Clone, Debug, Serialize)]
pub struct FactorGraph {
    graph: StableDiGraph<Vertex, Touch>,
    #[serde(skip)]
    vars: std::collections::BTreeMap<VarId, NodeIndex>,
}

impl FactorGraph {
    /// The factor graph of a model.
    pub fn new(program: &Program, model: ModelId) -> FactorGraph {
        let model: &Model = &program.models[model];
        let mut graph = StableDiGraph::new();
        let vars = model.vars.iter().map(|&v| (v, graph.add_node(Vertex::Var(v)))).collect();
        let mut this = FactorGraph { graph, vars };
        for (position, factor) in model.factors.iter().enumerate() {
            let node = this.graph.add_node(Vertex::Factor(position));
            let targets: BTreeSet<VarId> = factor.targets().into_iter().collect();
            let shifts = program.shifts(factor);
            for var in factor.scope() {
                let Some(&at) = this.vars.get(&var) else { continue };
                let shifts = shifts
                    .iter()
                    .filter(|((v, _), _)| *v == var)
                    .flat_map(|(_, s)| s.iter().copied())
                    .filter(|&s| s != 0)
                    .collect();
                let target = targets.contains(&var);
                let (from, to) = if target { (node, at) } else { (at, node) };
                this.graph.add_edge(from, to, Touch { target, shifts });
            }
        }
        this
    }

    /// The underlying graph, for drawing.
    pub fn petgraph(&self) -> &StableDiGraph<Vertex, Touch> {
        &self.graph
    }

    /// The factors that touch a variable, by position.
    pub fn factors_of(&self, var: VarId) -> Vec<usize> {
        let Some(&node) = self.vars.get(&var) else { return Vec::new() };
        let mut factors: Vec<usize> = self
            .graph
            .neighbors_undirected(node)
            .filter_map(|n| match self.graph[n] {
                Vertex::Factor(f) => Some(f),
                Vertex::Var(_) => None,
            })
            .collect();
        factors.sort_unstable();
        factors.dedup();
        factors
    }

    /// The factor that is normalised over a variable, if there is one.
    pub fn definition(&self, model: &Model, var: VarId) -> Option<usize> {
        let &node = self.vars.get(&var)?;
        self.graph
            .edges_directed(node, petgraph::Direction::Incoming)
            .filter_map(|e| match self.graph[e.source()] {
                Vertex::Factor(f) => Some(f),
                Vertex::Var(_) => None,
            })
            .find(|&f| !matches!(model.factors[f].kind, FactorKind::Potential(_)))
    }
}
