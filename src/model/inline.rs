//! Deterministic definitions put in where they are read: `x = e` makes x another name for e, so that analysis and engines see
//! only variables that are distributed. A definition that reads itself at another position (`x[t] = .. x[t-1] ..`) has no such
//! expression and stays a variable of its own.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::expr::{Expr, Node, Objective, Subscript};
use super::program::{Factor, FactorKind, IndexId, Program, Target, VarId};
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};

/// Operations that the definitions of one model may come to once they are put in.
const MAX_NODES: usize = 1 << 20;
/// Operations inside one another that an expression may come to.
const MAX_DEPTH: usize = 400;

/// A definition that is read in a way that cannot be put in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NotInlined {
    /// The variable.
    pub var: VarId,
    /// Where it is read.
    pub at: Span,
    /// What stands in the way.
    pub why: Obstacle,
}

/// What keeps a definition from being put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It is read other than at a position of its plate.
    Reading,
    /// The expression that comes out would be too large.
    Size,
    /// The expression that comes out would be nested too deeply.
    Depth,
}

impl NotInlined {
    /// The diagnostic that says so.
    pub fn diagnostic(&self, program: &Program) -> Diagnostic {
        let var = &program.vars[self.var];
        let name = &var.name;
        match self.why {
            Obstacle::Reading => Diagnostic::at(
                Code::NotSupported,
                self.at,
                format!("`{name}` is defined with `=` and cannot be read this way yet"),
            )
            .label(var.span, "defined here, a position at a time")
            .help("read it at a position of its plate: `x[t]`"),
            Obstacle::Size => Diagnostic::at(
                Code::TooDeep,
                self.at,
                format!("with `{name}` put in, the definitions come to more than {MAX_NODES} operations"),
            )
            .label(var.span, "defined here with `=`")
            .help("a definition is put in wherever it is read: read it once, or make it a variable with `~`"),
            Obstacle::Depth => Diagnostic::at(
                Code::TooDeep,
                self.at,
                format!("with `{name}` put in, this is nested more than {MAX_DEPTH} operations deep"),
            )
            .label(var.span, "defined here with `=`")
            .help("write a long chain along an axis: `for t in T { x[t]: Real = .. x[t-1] .. }`"),
        }
    }
}

/// A definition with the others put in, and how large it is.
struct Definition {
    target: Target,
    value: Expr,
    nodes: usize,
    depth: usize,
}

type Definitions = BTreeMap<VarId, Definition>;

/// Puts every definition in where it is read, in all models and guides, but for those that a question sets to a value: what reads them
/// must then see the value. The definitions themselves stay, for draws; those of
/// undirected sub-models move beside them, since they add nothing to what is normalised there.
pub fn inline_definitions(program: &mut Program) -> Result<(), NotInlined> {
    let ids: Vec<_> = program.models.ids().collect();
    let set: BTreeSet<VarId> = program.asks.iter().flat_map(|ask| ask.question.interventions()).collect();
    for id in ids {
        lift_definitions(&mut program.models[id].factors);
        let mut written: BTreeMap<VarId, (Target, Expr)> = BTreeMap::new();
        for factor in &program.models[id].factors {
            if let FactorKind::Deterministic { target, value } = &factor.kind
                && !set.contains(&target.var)
            {
                written.insert(target.var, (target.clone(), value.clone()));
            }
        }
        if written.is_empty() {
            continue;
        }
        let mut inliner = Inliner { definitions: Definitions::new(), nodes: 0 };
        for var in resolvable(&written) {
            let Some((target, value)) = written.get(&var) else { continue };
            let value = inliner.rewrite(value)?;
            let (nodes, depth) = measure(&value);
            inliner.definitions.insert(var, Definition { target: target.clone(), value, nodes, depth });
        }
        let model = &mut program.models[id];
        let guide = model.guide.iter_mut().flat_map(|g| &mut g.factors);
        for factor in model.factors.iter_mut().chain(guide) {
            inliner.rewrite_factor(factor)?;
        }
    }
    Ok(())
}

/// Moves the definitions inside undirected sub-models behind them.
fn lift_definitions(factors: &mut Vec<Factor>) {
    fn take(body: &mut Vec<Factor>, out: &mut Vec<Factor>) {
        for mut factor in std::mem::take(body) {
            match &mut factor.kind {
                FactorKind::Deterministic { .. } => out.push(factor),
                FactorKind::Undirected { body: inner, .. } => {
                    take(inner, out);
                    body.push(factor);
                }
                FactorKind::Conditional { .. } | FactorKind::Potential(_) => body.push(factor),
            }
        }
    }
    let mut lifted = Vec::new();
    for mut factor in std::mem::take(factors) {
        if let FactorKind::Undirected { body, .. } = &mut factor.kind {
            take(body, &mut lifted);
        }
        factors.push(factor);
        factors.append(&mut lifted);
    }
}

/// The variables whose definitions do not read themselves, each after those that it reads.
fn resolvable(written: &BTreeMap<VarId, (Target, Expr)>) -> Vec<VarId> {
    let mut graph: DiGraph<VarId, ()> = DiGraph::new();
    let nodes: BTreeMap<VarId, NodeIndex> = written.keys().map(|&v| (v, graph.add_node(v))).collect();
    let mut own: BTreeSet<VarId> = BTreeSet::new();
    for (&var, (_, value)) in written {
        for read in value.reads() {
            if read.var == var {
                own.insert(var);
            }
            if let Some(&to) = nodes.get(&read.var) {
                graph.update_edge(nodes[&var], to, ());
            }
        }
    }
    // Strongly connected components come with those that are read first.
    let groups = kosaraju_scc(&graph);
    let single = groups.iter().filter_map(|g| if let [one] = g.as_slice() { Some(graph[*one]) } else { None });
    single.filter(|v| !own.contains(v)).collect()
}

/// How many operations an expression has, and how many of them lie inside one another.
pub fn measure(expr: &Expr) -> (usize, usize) {
    let (mut nodes, mut depth) = (1usize, 0);
    for child in expr.children() {
        let (n, d) = measure(child);
        nodes = nodes.saturating_add(n);
        depth = depth.max(d);
    }
    (nodes, depth + 1)
}

struct Inliner {
    definitions: Definitions,
    /// Operations made so far.
    nodes: usize,
}

impl Inliner {
    fn rewrite_factor(&mut self, factor: &mut Factor) -> Result<(), NotInlined> {
        match &mut factor.kind {
            FactorKind::Conditional { dist, .. } => {
                for (_, expr) in &mut dist.args {
                    *expr = self.rewrite(expr)?;
                }
            }
            // Its own expression is at hand already, if it has one without itself.
            FactorKind::Deterministic { target, value } => match self.definitions.get(&target.var) {
                Some(done) => *value = done.value.clone(),
                None => *value = self.rewrite(value)?,
            },
            FactorKind::Potential(expr) => *expr = self.rewrite(expr)?,
            FactorKind::Undirected { body, .. } => {
                for inner in body {
                    self.rewrite_factor(inner)?;
                }
            }
        }
        Ok(())
    }

    /// The expression with every reading of a definition replaced.
    fn rewrite(&mut self, expr: &Expr) -> Result<Expr, NotInlined> {
        self.rewrite_at(expr, 0)
    }

    fn rewrite_at(&mut self, expr: &Expr, depth: usize) -> Result<Expr, NotInlined> {
        let (var, at): (VarId, &[Subscript]) = match &expr.node {
            Node::Var(var) => (*var, &[]),
            Node::Pick { base, at } => match base.node {
                Node::Var(var) => (var, at),
                _ => return map_children(expr, &mut |e| self.rewrite_at(e, depth + 1)),
            },
            _ => return map_children(expr, &mut |e| self.rewrite_at(e, depth + 1)),
        };
        let Some(definition) = self.definitions.get(&var) else {
            return map_children(expr, &mut |e| self.rewrite_at(e, depth + 1));
        };
        let refused = |why| NotInlined { var, at: expr.span, why };
        self.nodes = self.nodes.saturating_add(definition.nodes);
        if self.nodes > MAX_NODES {
            return Err(refused(Obstacle::Size));
        }
        if depth + definition.depth > MAX_DEPTH {
            return Err(refused(Obstacle::Depth));
        }
        let (target, mut moved) = (definition.target.clone(), definition.value.clone());
        if at.len() < target.at.len() {
            return Err(refused(Obstacle::Reading));
        }
        for (slot, given) in target.at.iter().zip(at) {
            let Subscript::At { index, offset: 0 } = slot else { return Err(refused(Obstacle::Reading)) };
            let given = match given {
                Subscript::By(by) => Subscript::By(Box::new(self.rewrite_at(by, depth + 1)?)),
                other => other.clone(),
            };
            moved = shift(&moved, *index, &given).ok_or(refused(Obstacle::Reading))?;
        }
        let rest = &at[target.at.len()..];
        if rest.is_empty() {
            return Ok(Expr { span: expr.span, ..moved });
        }
        let mut subscripts = Vec::new();
        for subscript in rest {
            subscripts.push(match subscript {
                Subscript::By(by) => Subscript::By(Box::new(self.rewrite_at(by, depth + 1)?)),
                other => other.clone(),
            });
        }
        Ok(Expr { node: Node::Pick { base: Box::new(moved), at: subscripts }, ty: expr.ty.clone(), span: expr.span })
    }
}

/// The expression with the position of an index replaced by another subscript.
fn shift(expr: &Expr, index: IndexId, by: &Subscript) -> Option<Expr> {
    let unmoved = matches!(by, Subscript::At { offset: 0, .. });
    let node = match (&expr.node, by) {
        (Node::IsFirst(i), Subscript::At { index: to, .. }) if *i == index && unmoved => Node::IsFirst(*to),
        (Node::IsLast(i), Subscript::At { index: to, .. }) if *i == index && unmoved => Node::IsLast(*to),
        (Node::IsFirst(i) | Node::IsLast(i), _) if *i == index => return None,
        (Node::Pick { base, at }, _) => {
            let at = at
                .iter()
                .map(|s| match (s, by) {
                    (Subscript::At { index: i, offset }, Subscript::At { index: to, offset: more }) if *i == index => {
                        Some(Subscript::At { index: *to, offset: offset + more })
                    }
                    (Subscript::At { index: i, offset: 0 }, other) if *i == index => Some(other.clone()),
                    (Subscript::At { index: i, .. } | Subscript::Prefix(i), _) if *i == index => None,
                    (Subscript::By(inner), _) => Some(Subscript::By(Box::new(shift(inner, index, by)?))),
                    (other, _) => Some(other.clone()),
                })
                .collect::<Option<Vec<_>>>()?;
            Node::Pick { base: Box::new(shift(base, index, by)?), at }
        }
        _ => return map_children(expr, &mut |e| shift(e, index, by).ok_or(())).ok(),
    };
    Some(Expr { node, ty: expr.ty.clone(), span: expr.span })
}

/// The expression with `f` applied to each expression directly inside it.
pub fn map_children<E>(expr: &Expr, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Expr, E> {
    fn boxed<E>(e: &Expr, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Box<Expr>, E> {
        f(e).map(Box::new)
    }
    let node = match &expr.node {
        Node::Number(_)
        | Node::State(_)
        | Node::Param(_)
        | Node::Var(_)
        | Node::IsFirst(_)
        | Node::IsLast(_)
        | Node::IsObserved(_)
        | Node::Size(_)
        | Node::Column(..) => expr.node.clone(),
        Node::Window { of, along, places, window } => {
            Node::Window { of: boxed(of, f)?, along: *along, places: *places, window: *window }
        }
        Node::Overlap { of, places, along, window } => {
            Node::Overlap { of: boxed(of, f)?, places: *places, along: *along, window: *window }
        }
        Node::Blocks { of, along, outer, inner } => {
            Node::Blocks { of: boxed(of, f)?, along: *along, outer: *outer, inner: *inner }
        }
        Node::Renamed { of, from, to } => Node::Renamed { of: boxed(of, f)?, from: *from, to: *to },
        Node::Dropout(e, share) => Node::Dropout(boxed(e, f)?, *share),
        Node::Pick { base, at } => {
            let base = boxed(base, f)?;
            let mut subscripts = Vec::new();
            for s in at {
                subscripts.push(match s {
                    Subscript::By(e) => Subscript::By(boxed(e, f)?),
                    other => other.clone(),
                });
            }
            Node::Pick { base, at: subscripts }
        }
        Node::Indicator(e) => Node::Indicator(boxed(e, f)?),
        Node::Call(g, e) => Node::Call(*g, boxed(e, f)?),
        Node::Binary(op, a, b) => Node::Binary(*op, boxed(a, f)?, boxed(b, f)?),
        Node::Contract { left, right, over } => {
            Node::Contract { left: boxed(left, f)?, right: boxed(right, f)?, over: over.clone() }
        }
        Node::Reduce(r, e, over) => Node::Reduce(*r, boxed(e, f)?, over.clone()),
        Node::Softmax(e, axis) => Node::Softmax(boxed(e, f)?, *axis),
        Node::Concat(parts, axis) => Node::Concat(parts.iter().map(&mut *f).collect::<Result<_, _>>()?, *axis),
        Node::Vector(parts, axis) => Node::Vector(parts.iter().map(&mut *f).collect::<Result<_, _>>()?, *axis),
        Node::If { cond, then, other } => {
            Node::If { cond: boxed(cond, f)?, then: boxed(then, f)?, other: boxed(other, f)? }
        }
        Node::Is(e, state) => Node::Is(boxed(e, f)?, *state),
        Node::Compare(c, a, b) => Node::Compare(*c, boxed(a, f)?, boxed(b, f)?),
        Node::Table { of, entries } => Node::Table {
            of: of.iter().map(&mut *f).collect::<Result<_, _>>()?,
            entries: entries.iter().map(&mut *f).collect::<Result<_, _>>()?,
        },
        Node::Objective(objective) => match objective.as_ref() {
            Objective::Expect { body, vars, source, draws } => Node::Objective(Box::new(Objective::Expect {
                body: f(body)?,
                vars: vars.clone(),
                source: *source,
                draws: *draws,
            })),
            Objective::LogLik { .. }
            | Objective::Bound { .. }
            | Objective::ImportanceBound { .. }
            | Objective::Part { .. }
            | Objective::Layer { .. }
            | Objective::Scheduled(_)
            | Objective::LogDensity { .. } => expr.node.clone(),
        },
    };
    Ok(Expr { node, ty: expr.ty.clone(), span: expr.span })
}
