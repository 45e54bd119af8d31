//! What a model as a whole must satisfy: no directed cycle, no variable that nothing touches, no `~` that reaches outside its axis.

use std::collections::{BTreeMap, BTreeSet};

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

    fn check_cycles(&mut self, factors: &[Factor]) {
        let mut parents: BTreeMap<VarId, Vec<(VarId, Span)>> = BTreeMap::new();
        for factor in factors {
            let targets = factor.targets();
            if targets.is_empty() {
                continue;
            }
            for read in factor.reads() {
                let earlier = read.at.iter().any(|s| match s {
                    Subscript::At { offset, .. } => *offset != 0,
                    Subscript::Prefix(_) => true,
                    Subscript::By(_) | Subscript::Constant(_) | Subscript::Last => false,
                });
                if earlier || matches!(factor.kind, FactorKind::Undirected { .. }) && targets.contains(&read.var) {
                    continue;
                }
                for &target in &targets {
                    parents.entry(target).or_default().push((read.var, read.span));
                }
            }
        }
        let mut done: BTreeSet<VarId> = BTreeSet::new();
        for &start in parents.keys() {
            // An iterative walk: a file may chain thousands of variables.
            let mut path: Vec<(VarId, usize)> = vec![(start, 0)];
            let mut on_path: BTreeSet<VarId> = BTreeSet::from([start]);
            while let Some((at, next)) = path.last_mut() {
                if done.contains(at) {
                    on_path.remove(at);
                    path.pop();
                    continue;
                }
                match parents.get(at).and_then(|list| list.get(*next)) {
                    Some(&(parent, span)) => {
                        *next += 1;
                        if on_path.contains(&parent) {
                            let from = path.iter().position(|(v, _)| *v == parent).unwrap_or(0);
                            let cycle: Vec<VarId> = path[from..].iter().map(|(v, _)| *v).collect();
                            self.report_cycle(&cycle, span);
                            return;
                        }
                        if !done.contains(&parent) {
                            on_path.insert(parent);
                            path.push((parent, 0));
                        }
                    }
                    None => {
                        done.insert(*at);
                    }
                }
            }
        }
    }

    fn report_cycle(&mut self, cycle: &[VarId], span: Span) {
        let names: Vec<String> = cycle.iter().rev().map(|&v| format!("`{}`", self.program.vars[v].name)).collect();
        let message = match names.as_slice() {
            [one] => format!("{one} is defined by itself"),
            _ => format!("{} define each other", names.join(" and ")),
        };
        let mut diagnostic = Diagnostic::at(Code::DirectedCycle, span, message).saying("this closes the circle");
        for &var in cycle.iter().take(3) {
            let v = &self.program.vars[var];
            diagnostic = diagnostic.label(v.span, format!("`{}`", v.name));
        }
        self.push(diagnostic.help("a mutual influence without direction is a `factor`; a step in time is `x[t-1]`"));
    }

    /// A `~` or `=` may read a neighbour only where there is one.
    fn check_reach(&mut self, factor: &Factor) {
        match &factor.kind {
            FactorKind::Conditional { dist, .. } => {
                for e in dist.exprs() {
                    self.reach(e, &mut Vec::new());
                }
            }
            FactorKind::Deterministic { value, .. } => self.reach(value, &mut Vec::new()),
            FactorKind::Potential(_) | FactorKind::Undirected { .. } => {}
        }
    }

    /// `guards`: indices known not to be at their first (false) or last (true) place.
    fn reach(&mut self, e: &Expr, guards: &mut Vec<(IndexId, bool)>) {
        match &e.node {
            Node::If { cond, then, other } => {
                let guard = match cond.node {
                    Node::IsFirst(index) => Some((index, false)),
                    Node::IsLast(index) => Some((index, true)),
                    _ => None,
                };
                self.reach(cond, guards);
                self.reach(then, guards);
                guards.extend(guard);
                self.reach(other, guards);
                if guard.is_some() {
                    guards.pop();
                }
                return;
            }
            Node::Pick { at, .. } => {
                for subscript in at {
                    if let Subscript::At { index, offset } = subscript
                        && *offset != 0
                        && !(offset.abs() == 1 && guards.contains(&(*index, *offset > 0)))
                    {
                        self.out_of_reach(e, *index, *offset);
                    }
                }
            }
            _ => {}
        }
        for child in e.children() {
            self.reach(child, guards);
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
