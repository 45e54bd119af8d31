//! What a model as a whole must satisfy: no directed cycle, no variable that nothing touches, no `~` that reaches outside its axis.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;

use super::Checker;
use super::scope::Scope;

impl Checker<'_> {
    /// Checks the factors of a finished model; unless it is `whole`, only one by one.
    pub fn verify(&mut self, id: ModelId, scope: &Scope, whole: bool) {
        let factors = self.program.models[id].factors.clone();
        for factor in &factors {
            self.check_reach(factor);
        }
        if !whole {
            return;
        }
        self.check_cycles(&factors);
        let touched: BTreeSet<VarId> = factors.iter().flat_map(|f| f.scope()).collect();
        for var in self.program.models[id].vars.clone() {
            let v = &self.program.vars[var];
            if touched.contains(&var) || v.given || scope.defined.contains_key(&var) {
                continue;
            }
            let (name, span) = (v.name.clone(), v.span);
            self.push(
                Diagnostic::at(Code::Untouched, span, format!("nothing says anything about `{name}`"))
                    .help("give it a `~`, put it into a `factor`, or remove it"),
            );
        }
    }

    /// Checks a guide's factors: each reads what stands before it, or what may be observed.
    pub fn verify_order(&mut self, factors: &[Factor]) {
        for factor in factors {
            self.check_reach(factor);
        }
        self.check_cycles(factors);
    }

    /// That no variable depends on itself. Variables that read each other in a circle may do so from position to position, as long as
    /// some plate orders them: all shifts along it point the same way, and what does not move along it is ordered by another plate
    /// (Karp, Miller, Winograd 1967, section 4).
    fn check_cycles(&mut self, factors: &[Factor]) {
        let mut edges: Vec<Edge> = Vec::new();
        for factor in factors {
            let targets = factor.targets();
            if targets.is_empty() {
                continue;
            }
            let undirected = matches!(factor.kind, FactorKind::Undirected { .. });
            let reads = if undirected { self.program.outside_reads(factor) } else { self.program.placed_reads(factor) };
            for read in reads {
                for &to in &targets {
                    let along = self.program.lies(factor, to, &read);
                    edges.push(Edge { from: read.var, to, along, span: read.span });
                }
            }
        }
        let mut open = vec![edges];
        while let Some(edges) = open.pop() {
            for group in circles(edges) {
                let axes: BTreeSet<AxisId> = group.iter().flat_map(|e| e.along.iter().map(|(a, _)| *a)).collect();
                let moves = |e: &Edge, axis: AxisId| match e.along.iter().find(|(a, _)| *a == axis) {
                    Some((_, Along::Shift(by))) => Some(by.signum()),
                    Some((_, Along::Before)) => Some(-1),
                    Some((_, Along::Anywhere)) | None => None,
                };
                let ordering = axes.into_iter().find(|&axis| {
                    let signs: Option<BTreeSet<i64>> = group.iter().map(|e| moves(e, axis)).collect();
                    signs.is_some_and(|s| s.contains(&-1) != s.contains(&1))
                });
                match ordering {
                    Some(axis) => open.push(group.into_iter().filter(|e| moves(e, axis) == Some(0)).collect()),
                    None => {
                        self.report_cycle(&group);
                        return;
                    }
                }
            }
        }
    }

    fn report_cycle(&mut self, group: &[Edge]) {
        let circle = shortest(group);
        let names: Vec<String> = circle.iter().map(|e| format!("`{}`", self.program.vars[e.to].name)).collect();
        let message = match names.as_slice() {
            [one] => format!("{one} is defined by itself"),
            _ => format!("{} define each other", names.join(" and ")),
        };
        let Some(last) = circle.last() else { return };
        let shifted = circle.iter().any(|e| e.along.iter().any(|(_, a)| !matches!(a, Along::Shift(0))));
        let mut diagnostic = Diagnostic::at(Code::DirectedCycle, last.span, message).saying("this closes the circle");
        for edge in circle.iter().take(3) {
            let v = &self.program.vars[edge.to];
            diagnostic = diagnostic.label(v.span, format!("`{}`", v.name));
        }
        self.push(diagnostic.help(if shifted {
            "along a plate all readings go the same way, to what came before or to what comes after; a mutual influence is a `factor`"
        } else {
            "a mutual influence without direction is a `factor`; a step in time is `x[t-1]`"
        }));
    }

    /// A `~` or `=` may read a neighbour only where there is one.
    fn check_reach(&mut self, factor: &Factor) {
        match &factor.kind {
            FactorKind::Conditional { dist, .. } => {
                for e in dist.exprs() {
                    self.reach(e, None, &mut Vec::new());
                }
            }
            FactorKind::Deterministic { value, .. } => self.reach(value, None, &mut Vec::new()),
            // The potentials of a part are a `~` along the loops around it, and add nothing outside their own.
            FactorKind::Undirected { body, .. } => {
                for leaf in body.iter().flat_map(Factor::leaves) {
                    let within = matches!(leaf.kind, FactorKind::Potential(_)).then_some(factor.plates.as_slice());
                    for e in leaf.exprs() {
                        self.reach(e, within, &mut Vec::new());
                    }
                }
            }
            FactorKind::Potential(_) => {}
        }
    }

    /// `within`: the only indices that count; all where none. `guards`: indices known not to be at their first (false) or last (true)
    /// place.
    fn reach(&mut self, e: &Expr, within: Option<&[IndexId]>, guards: &mut Vec<(IndexId, bool)>) {
        match &e.node {
            Node::If { cond, then, other } => {
                let guard = match cond.node {
                    Node::IsFirst(index) => Some((index, false)),
                    Node::IsLast(index) => Some((index, true)),
                    _ => None,
                };
                self.reach(cond, within, guards);
                self.reach(then, within, guards);
                guards.extend(guard);
                self.reach(other, within, guards);
                if guard.is_some() {
                    guards.pop();
                }
                return;
            }
            Node::Pick { at, .. } => {
                for subscript in at {
                    if let Subscript::At { index, offset } = subscript
                        && *offset != 0
                        && within.is_none_or(|list| list.contains(index))
                        && !(offset.abs() == 1 && guards.contains(&(*index, *offset > 0)))
                    {
                        self.out_of_reach(e, *index, *offset);
                    }
                }
            }
            _ => {}
        }
        for child in e.children() {
            self.reach(child, within, guards);
        }
    }

    fn out_of_reach(&mut self, e: &Expr, index: IndexId, offset: i64) {
        let (name, axis) = (
            self.program.indices[index].name.clone(),
            self.program.axes[self.program.indices[index].axis].name.clone(),
        );
        let introduced = self.program.indices[index].span;
        let (end, word) = if offset < 0 { ("first", "before") } else { ("last", "after") };
        let diagnostic = Diagnostic::at(
            Code::OutsideAxis,
            e.span,
            format!("at the {end} place of `{axis}` there is nothing {word} it"),
        )
        .saying(format!("reaches outside where `{name} is {end}`"))
        .label(introduced, format!("`{name}` runs over all of `{axis}`"));
        self.push(if offset.abs() == 1 {
            diagnostic.help(format!("say what holds there: `if {name} is {end} then .. else ..`"))
        } else {
            diagnostic.help("only steps of one place can be guarded; carry the value along in a variable of its own")
        });
    }
}

/// A reading: what is read, by the statement of what, and how the one lies to the other along each plate.
#[derive(Clone)]
struct Edge {
    from: VarId,
    to: VarId,
    along: Vec<(AxisId, Along)>,
    span: Span,
}

/// The readings that lie on circles, a group for each set of variables that reach each other.
fn circles(edges: Vec<Edge>) -> Vec<Vec<Edge>> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    let mut nodes: BTreeMap<VarId, NodeIndex> = BTreeMap::new();
    for edge in &edges {
        for var in [edge.from, edge.to] {
            nodes.entry(var).or_insert_with(|| graph.add_node(()));
        }
        graph.update_edge(nodes[&edge.from], nodes[&edge.to], ());
    }
    let groups = kosaraju_scc(&graph);
    let mut home = vec![0; graph.node_count()];
    for (i, group) in groups.iter().enumerate() {
        group.iter().for_each(|n| home[n.index()] = i);
    }
    let mut lists: Vec<Vec<Edge>> = vec![Vec::new(); groups.len()];
    for edge in edges {
        let (from, to) = (home[nodes[&edge.from].index()], home[nodes[&edge.to].index()]);
        if from == to {
            lists[from].push(edge);
        }
    }
    lists.retain(|l| !l.is_empty());
    lists.sort_by_key(|l| l[0].span);
    lists
}

/// A shortest circle among readings of which each lies on one.
fn shortest(group: &[Edge]) -> Vec<&Edge> {
    let Some(first) = group.first() else { return Vec::new() };
    // Breadth first from the first reading's variable back to what it reads.
    let mut came: BTreeMap<VarId, &Edge> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([first.to]);
    while let Some(at) = queue.pop_front() {
        if at == first.from {
            break;
        }
        for edge in group.iter().filter(|e| e.from == at) {
            if edge.to != first.to && !came.contains_key(&edge.to) {
                came.insert(edge.to, edge);
                queue.push_back(edge.to);
            }
        }
    }
    let mut circle = vec![first];
    let mut at = first.from;
    while at != first.to {
        let Some(edge) = came.get(&at) else { break };
        circle.insert(1, edge);
        at = edge.from;
    }
    circle
}
