//! Walking expressions and factors: children, the variables and parameters they read, rewriting.

use std::collections::{BTreeMap, BTreeSet};

use super::axis::AxisId;
use super::expr::{Expr, Node, Objective, Subscript};
use super::family::Dist;
use super::program::{Factor, FactorKind, IndexId, ParamId, Program, VarId};
use crate::base::span::Span;

/// One reading of a variable: where, and how each of its leading axes is indexed.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The variable.
    pub var: VarId,
    /// Subscripts of its leading axes; axes beyond are read whole.
    pub at: Vec<Subscript>,
    /// Where it is read.
    pub span: Span,
}

impl Expr {
    /// The expressions directly inside this one, those in subscripts included.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.node {
            Node::Number(_)
            | Node::State(_)
            | Node::Param(_)
            | Node::Var(_)
            | Node::IsFirst(_)
            | Node::IsLast(_)
            | Node::IsObserved(_)
            | Node::Size(_)
            | Node::Column(..) => Vec::new(),
            Node::Pick { base, at } => {
                let mut children = vec![base.as_ref()];
                children.extend(at.iter().filter_map(|s| match s {
                    Subscript::By(e) => Some(e.as_ref()),
                    Subscript::At { .. } | Subscript::Constant(_) | Subscript::Prefix(_) | Subscript::Last => None,
                }));
                children
            }
            Node::Indicator(e)
            | Node::Call(_, e)
            | Node::Reduce(_, e, _)
            | Node::Softmax(e, _)
            | Node::Is(e, _)
            | Node::Window { of: e, .. }
            | Node::Overlap { of: e, .. }
            | Node::Blocks { of: e, .. }
            | Node::Renamed { of: e, .. }
            | Node::Dropout(e, _) => vec![e],
            Node::Binary(_, a, b) | Node::Compare(_, a, b) | Node::Contract { left: a, right: b, .. } => vec![a, b],
            Node::Concat(parts, _) | Node::Vector(parts, _) => parts.iter().collect(),
            Node::If { cond, then, other } => vec![cond, then, other],
            Node::Table { of, entries } => of.iter().chain(entries).collect(),
            Node::Objective(objective) => match objective.as_ref() {
                Objective::Expect { body, .. } => vec![body],
                Objective::LogLik { .. }
                | Objective::Bound { .. }
                | Objective::ImportanceBound { .. }
                | Objective::Part { .. }
                | Objective::Layer { .. }
                | Objective::Scheduled(_)
                | Objective::LogDensity { .. } => Vec::new(),
            },
        }
    }

    /// Calls `f` on this expression and everything inside it, outermost first.
    pub fn visit<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        f(self);
        for child in self.children() {
            child.visit(f);
        }
    }

    /// Every reading of a variable.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads = Vec::new();
        self.collect_reads(&mut reads);
        reads
    }

    fn collect_reads(&self, reads: &mut Vec<Read>) {
        match &self.node {
            Node::Var(var) => reads.push(Read { var: *var, at: Vec::new(), span: self.span }),
            Node::Pick { base, at } => {
                if let Node::Var(var) = base.node {
                    reads.push(Read { var, at: at.clone(), span: self.span });
                } else {
                    base.collect_reads(reads);
                }
                for subscript in at {
                    if let Subscript::By(e) = subscript {
                        e.collect_reads(reads);
                    }
                }
            }
            _ => {
                for child in self.children() {
                    child.collect_reads(reads);
                }
            }
        }
    }

    /// The parameters it reads.
    pub fn params(&self) -> BTreeSet<ParamId> {
        let mut params = BTreeSet::new();
        self.visit(&mut |e| {
            if let Node::Param(id) = e.node {
                params.insert(id);
            }
        });
        params
    }

    /// Whether it reads something at a shift: `x[t-1]`.
    pub fn reads_at_shift(&self) -> bool {
        let mut found = false;
        self.visit(&mut |e| {
            if let Node::Pick { at, .. } = &e.node {
                found |= at.iter().any(|s| matches!(s, Subscript::At { offset, .. } if *offset != 0));
            }
        });
        found
    }
}

impl Dist {
    /// The argument expressions.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.args.iter().map(|(_, e)| e)
    }
}

impl Factor {
    /// The expressions it is written with (not those of an undirected body's factors).
    pub fn exprs(&self) -> Vec<&Expr> {
        match &self.kind {
            FactorKind::Conditional { dist, .. } => dist.exprs().collect(),
            FactorKind::Potential(e) | FactorKind::Deterministic { value: e, .. } => vec![e],
            FactorKind::Undirected { .. } => Vec::new(),
        }
    }

    /// The factors of an undirected sub-model, or the factor itself.
    pub fn leaves(&self) -> Vec<&Factor> {
        match &self.kind {
            FactorKind::Undirected { body, .. } => body.iter().flat_map(Factor::leaves).collect(),
            FactorKind::Conditional { .. } | FactorKind::Potential(_) | FactorKind::Deterministic { .. } => vec![self],
        }
    }

    /// The variables it normalises over: a conditional's target, an undirected sub-model's variables.
    pub fn targets(&self) -> Vec<VarId> {
        match &self.kind {
            FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } => vec![target.var],
            FactorKind::Undirected { vars, .. } => vars.clone(),
            FactorKind::Potential(_) => Vec::new(),
        }
    }

    /// Every reading of a variable in its expressions; a conditional's own target is not one.
    pub fn reads(&self) -> Vec<Read> {
        self.leaves().into_iter().flat_map(|f| f.exprs()).flat_map(Expr::reads).collect()
    }

    /// Every variable it touches, targets included.
    pub fn scope(&self) -> BTreeSet<VarId> {
        let mut scope: BTreeSet<VarId> = self.targets().into_iter().collect();
        for leaf in self.leaves() {
            scope.extend(leaf.targets());
        }
        scope.extend(self.reads().into_iter().map(|r| r.var));
        scope
    }

    /// The parameters it reads.
    pub fn params(&self) -> BTreeSet<ParamId> {
        self.leaves().into_iter().flat_map(|f| f.exprs()).flat_map(|e| e.params()).collect()
    }
}

impl Program {
    /// The shifts at which a plate's index is read, for each variable and plate axis of a factor: `s[t-1]` gives −1.
    pub fn shifts(&self, factor: &Factor) -> BTreeMap<(VarId, AxisId), BTreeSet<i64>> {
        let mut shifts: BTreeMap<(VarId, AxisId), BTreeSet<i64>> = BTreeMap::new();
        let mut add = |var: VarId, at: &[Subscript]| {
            for (&axis, subscript) in self.vars[var].index.iter().zip(at) {
                if let Subscript::At { offset, .. } = subscript {
                    shifts.entry((var, axis)).or_default().insert(*offset);
                }
            }
        };
        for leaf in factor.leaves() {
            if let FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } = &leaf.kind {
                add(target.var, &target.at);
            }
            for read in leaf.exprs().into_iter().flat_map(Expr::reads) {
                add(read.var, &read.at);
            }
        }
        shifts
    }

    /// The axis that a plate's index runs over.
    pub fn plate(&self, index: IndexId) -> AxisId {
        self.indices[index].axis
    }

    /// A variable's or parameter's extent along each of its axes, if all are known.
    pub fn extents(&self, axes: &[AxisId]) -> Option<Vec<usize>> {
        axes.iter().map(|&a| self.axes.extent(a)).collect()
    }
}
