//! Definitions that read themselves further along a plate, `h[t] = f(h[t-1], x[t])`, as a scan.
//!
//! In: the definitions of a program. Out: values of the variables they define, over all positions. What does not depend on the
//! recursion is computed for all positions at once, before the loop, so that `W·x` of a recurrent layer is one product; the loop's
//! step holds only what is left. Rows shorter than the plate run on behind their end, where nobody reads them.

use std::collections::{BTreeMap, BTreeSet};

use super::error::EmitError;
use super::scope::Scope;
use crate::base::span::Span;
use crate::dist::{Label, Named, Value};
use crate::model::{AxisId, Domain, Expr, Factor, FactorKind, IndexId, Node, Program, Subscript, Target, VarId};
use crate::tensor::graph::{Graph, NodeId};

/// One definition of a recursion.
#[derive(Clone, Copy)]
struct Rule<'p> {
    target: &'p Target,
    value: &'p Expr,
}

/// What expressions read inside the step of a recursion.
pub(super) struct Step {
    /// Values that do not depend on the recursion, by the expression they are of.
    ready: BTreeMap<usize, Value>,
    /// For each variable of the recursion its place of the plate among its index axes, and its values so many positions back.
    lags: BTreeMap<VarId, (usize, Vec<Option<Value>>)>,
}

impl Step {
    /// The value of an expression that was computed before the loop.
    pub(super) fn ready(&self, expr: &Expr) -> Option<Value> {
        self.ready.get(&address(expr)).cloned()
    }

    /// The value of a variable of the recursion, and which of its subscripts that has settled.
    pub(super) fn read(&self, var: VarId, at: &[Subscript]) -> Option<(Value, usize)> {
        let (slot, lags) = self.lags.get(&var)?;
        let Some(Subscript::At { offset, .. }) = at.get(*slot) else { return None };
        let value = lags.get(offset.unsigned_abs() as usize)?.clone()?;
        Some((value, *slot))
    }
}

/// An expression stands at one address as long as its program does.
fn address(expr: &Expr) -> usize {
    std::ptr::from_ref(expr) as usize
}

/// A recursion: what it defines, in the order in which one position is computed.
struct Recursion<'p> {
    along: AxisId,
    reverse: bool,
    rules: Vec<(VarId, Rule<'p>)>,
    /// How many positions back each variable is read.
    reach: BTreeMap<VarId, usize>,
}

/// The one definition of each variable of a model and its guide that has one, target and all.
fn find_rules(program: &Program, var: VarId) -> BTreeMap<VarId, Rule<'_>> {
    let model = &program.models[program.vars[var].model];
    let guide = model.guide.iter().flat_map(|g| &g.factors);
    let mut rules = BTreeMap::new();
    for factor in model.factors.iter().chain(guide).flat_map(Factor::leaves) {
        if let FactorKind::Deterministic { target, value } = &factor.kind
            && target.at.iter().all(|s| matches!(s, Subscript::At { offset: 0, .. }))
        {
            rules.insert(target.var, Rule { target, value });
        }
    }
    rules
}

/// The variables that a definition leads to, itself only if it comes back.
fn reached(rules: &BTreeMap<VarId, Rule<'_>>, from: VarId) -> BTreeSet<VarId> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(var) = open.pop() {
        let Some(rule) = rules.get(&var) else { continue };
        for read in rule.value.reads() {
            if found.insert(read.var) {
                open.push(read.var);
            }
        }
    }
    found
}

fn unbuilt(span: Span, name: &str, why: &str) -> EmitError {
    EmitError::at(
        span,
        format!("the recursion of `{name}` {why}, which is not built yet"),
        "let it run along one plate, one way, at constant distances",
    )
}

impl<'p> Recursion<'p> {
    fn of(program: &'p Program, var: VarId) -> Result<Option<Recursion<'p>>, EmitError> {
        let rules = find_rules(program, var);
        let name = &program.vars[var].name;
        let Some(own) = rules.get(&var) else { return Ok(None) };
        let mine = reached(&rules, var);
        let vars: Vec<VarId> =
            mine.iter().copied().filter(|&v| v == var || reached(&rules, v).contains(&var)).collect();
        let mut along = BTreeSet::new();
        let (mut back, mut on) = (false, false);
        let mut reach: BTreeMap<VarId, usize> = vars.iter().map(|&v| (v, 0)).collect();
        let mut same: BTreeMap<VarId, BTreeSet<VarId>> = BTreeMap::new();
        for &v in &vars {
            for read in rules[&v].value.reads().into_iter().filter(|r| vars.contains(&r.var)) {
                let mut here = true;
                for (&axis, subscript) in program.vars[read.var].index.iter().zip(&read.at) {
                    match subscript {
                        Subscript::At { offset: 0, .. } => {}
                        Subscript::At { offset, .. } => {
                            along.insert(axis);
                            (back, on) = (back || *offset < 0, on || *offset > 0);
                            let most = reach.entry(read.var).or_default();
                            *most = (*most).max(offset.unsigned_abs() as usize);
                            here = false;
                        }
                        _ => return Err(unbuilt(read.span, name, "is read at computed positions")),
                    }
                }
                if read.at.len() < program.vars[read.var].index.len() {
                    return Err(unbuilt(read.span, name, "reads all positions at once"));
                }
                if here {
                    same.entry(v).or_default().insert(read.var);
                }
            }
        }
        let [along] = along.into_iter().collect::<Vec<_>>()[..] else {
            return Err(unbuilt(own.value.span, name, "runs along several plates"));
        };
        if back && on {
            return Err(unbuilt(own.value.span, name, "runs both ways"));
        }
        // What is read at the same position comes first; checking has seen to it that there is an order.
        let mut order: Vec<VarId> = Vec::new();
        while order.len() < vars.len() {
            let free = |v: &&VarId| {
                !order.contains(v) && same.get(v).is_none_or(|reads| reads.iter().all(|r| order.contains(r)))
            };
            let Some(&next) = vars.iter().find(free) else {
                return Err(unbuilt(own.value.span, name, "has no order"));
            };
            order.push(next);
        }
        let rules = order.into_iter().map(|v| (v, rules[&v])).collect();
        Ok(Some(Recursion { along, reverse: on, rules, reach }))
    }

    fn has(&self, var: VarId) -> bool {
        self.reach.contains_key(&var)
    }

    fn index(&self, program: &Program, rule: Rule<'_>) -> Option<IndexId> {
        let axes = &program.vars[rule.target.var].index;
        rule.target.at.iter().zip(axes).find(|(_, a)| **a == self.along).and_then(|(s, _)| match s {
            Subscript::At { index, .. } => Some(*index),
            _ => None,
        })
    }

    /// The largest parts of an expression that do not depend on the recursion, and the axes along which the rest mixes positions.
    fn outside(&self, expr: &'p Expr, found: &mut Vec<&'p Expr>, mixed: &mut Vec<AxisId>) {
        if expr.reads().iter().all(|r| !self.has(r.var)) {
            if !matches!(expr.node, Node::Number(_) | Node::State(_)) {
                found.push(expr);
            }
            return;
        }
        match &expr.node {
            Node::Contract { over, .. } | Node::Reduce(_, _, over) => mixed.extend(over),
            Node::Softmax(_, axis) | Node::Blocks { along: axis, .. } => mixed.push(*axis),
            Node::Window { along, places, .. } | Node::Overlap { along, places, .. } => {
                mixed.extend([*along, *places]);
            }
            _ => {}
        }
        for child in expr.children() {
            // A reading of the recursion itself is what the step knows.
            if !matches!(child.node, Node::Var(var) if self.has(var)) {
                self.outside(child, found, mixed);
            }
        }
    }
}

/// What goes into the loop beside its carries.
struct Feed {
    /// The expressions, with the values that become sequences or constants.
    parts: Vec<(usize, Value, bool)>,
    steps: Label,
}

impl Feed {
    /// Labels of one position of a part.
    fn slice(&self, value: &Value) -> Vec<Label> {
        value.array().labels.iter().copied().filter(|&l| l != self.steps).collect()
    }
}

impl<'p> Scope<'p> {
    /// The values of a variable that is defined by a recursion, over all its axes; none if it is not.
    pub(super) fn recursion(&mut self, var: VarId) -> Result<Option<Value>, EmitError> {
        let program = self.program;
        let Some(recursion) = Recursion::of(program, var)? else { return Ok(None) };
        let walk = self.walk.take();
        let found = self.run_recursion(&recursion);
        self.walk = walk;
        Ok(found?.remove(&var))
    }

    fn run_recursion(&mut self, recursion: &Recursion<'p>) -> Result<BTreeMap<VarId, Value>, EmitError> {
        let program = self.program;
        let time = self.axis(recursion.along)?;
        let length = self.space.extent(time);
        let steps = self.space.label(length);
        let mut feed = Feed { parts: Vec::new(), steps };
        for &(_, rule) in &recursion.rules {
            let (mut outside, mut mixed) = (Vec::new(), Vec::new());
            recursion.outside(rule.value, &mut outside, &mut mixed);
            if mixed.into_iter().any(|axis| self.length(axis).is_some()) {
                let name = &program.vars[rule.target.var].name;
                return Err(unbuilt(rule.value.span, name, "sums along a ragged axis"));
            }
            let Some(index) = recursion.index(program, rule) else {
                return Err(unbuilt(rule.value.span, &program.vars[rule.target.var].name, "has no plate"));
            };
            let here = self.index(index)?;
            for part in outside {
                let value = self.value(part)?;
                let array = self.space.rename(value.array(), here, steps);
                let runs = array.has(steps);
                let labels: Vec<Label> = runs
                    .then_some(steps)
                    .into_iter()
                    .chain(array.labels.iter().copied().filter(|&l| l != steps))
                    .collect();
                let array = self.space.align(&array, &labels);
                feed.parts.push((address(part), value.through(|_| array), runs));
            }
        }
        // A state has the axes of what it is made of; those are found by making it, from none until no more come up.
        let mut layouts: BTreeMap<VarId, Vec<Label>> = BTreeMap::new();
        for &(var, _) in &recursion.rules {
            let mut labels = self.axis_labels(&program.vars[var].event)?;
            labels.extend(self.class(var)?);
            layouts.insert(var, labels);
        }
        loop {
            let mut trial = Graph::new();
            let mut place = 0;
            let mut inputs = |shapes: Vec<Vec<usize>>| -> Vec<NodeId> {
                let made = shapes.iter().map(|shape| {
                    place += 1;
                    trial.input(&format!("trial.{place}"), shape)
                });
                made.collect()
            };
            let carries = inputs(self.carry_shapes(recursion, &layouts));
            let fed: Vec<Vec<usize>> = feed.parts.iter().map(|(_, v, _)| self.space.shape(&feed.slice(v))).collect();
            let fed = inputs(fed);
            let made = self.step(recursion, &feed, &layouts, &mut trial, &carries, &fed)?;
            let mut grown = false;
            for ((var, _), value) in recursion.rules.iter().zip(&made) {
                let labels = layouts.entry(*var).or_default();
                for &label in &value.array().labels {
                    if label == steps || label == time {
                        return Err(unbuilt(
                            program.vars[*var].span,
                            &program.vars[*var].name,
                            "reads several positions at once",
                        ));
                    }
                    if !labels.contains(&label) {
                        labels.push(label);
                        grown = true;
                    }
                }
            }
            if !grown {
                break;
            }
        }
        let start: Vec<NodeId> =
            self.carry_shapes(recursion, &layouts).iter().map(|shape| self.space.graph.full(shape, 0.0)).collect();
        let of_kind = |runs: bool| feed.parts.iter().filter(move |p| p.2 == runs).map(|p| p.1.array().node);
        let (sequences, constants): (Vec<NodeId>, Vec<NodeId>) = (of_kind(true).collect(), of_kind(false).collect());
        let mut graph = std::mem::take(&mut self.space.graph);
        let mut failure = None;
        let found = graph.scan_with(length, recursion.reverse, &start, &sequences, &constants, |body, _, c, x, k| {
            let (mut x, mut k) = (x.iter(), k.iter());
            let fed: Vec<NodeId> =
                feed.parts.iter().filter_map(|p| if p.2 { x.next() } else { k.next() }).copied().collect();
            match self.step(recursion, &feed, &layouts, body, c, &fed) {
                Ok(values) => {
                    let nodes: Vec<NodeId> = values.iter().map(|v| v.array().node).collect();
                    (shifted(recursion, &nodes, c), nodes)
                }
                Err(error) => {
                    failure = Some(error);
                    (c.to_vec(), Vec::new())
                }
            }
        });
        self.space.graph = graph;
        if let Some(error) = failure {
            return Err(error);
        }
        let stacked = &found[start.len()..];
        let mut values = BTreeMap::new();
        for (&(var, _), &node) in recursion.rules.iter().zip(stacked) {
            let labels = std::iter::once(time).chain(layouts[&var].iter().copied()).collect();
            values.insert(var, self.of_domain(var, Named { node, labels })?);
        }
        Ok(values)
    }

    fn of_domain(&mut self, var: VarId, array: Named) -> Result<Value, EmitError> {
        Ok(match (&self.program.vars[var].domain, self.class(var)?) {
            (Domain::Cat(_), Some(class)) => Value::State { hot: array, class, along: None },
            _ => Value::Number(array),
        })
    }

    /// The shapes of the carries: for each variable as many as it is read back.
    fn carry_shapes(&self, recursion: &Recursion<'p>, layouts: &BTreeMap<VarId, Vec<Label>>) -> Vec<Vec<usize>> {
        let each = recursion.rules.iter().map(|(v, _)| (recursion.reach[v], self.space.shape(&layouts[v])));
        each.flat_map(|(n, shape)| std::iter::repeat_n(shape, n)).collect()
    }

    /// One position: the values of the recursion's variables, in a graph of its own.
    fn step(
        &mut self,
        recursion: &Recursion<'p>,
        feed: &Feed,
        layouts: &BTreeMap<VarId, Vec<Label>>,
        body: &mut Graph,
        carries: &[NodeId],
        fed: &[NodeId],
    ) -> Result<Vec<Value>, EmitError> {
        let program = self.program;
        std::mem::swap(&mut self.space.graph, body);
        let made = (|| {
            let ready = feed.parts.iter().zip(fed).map(|((at, value, _), &node)| {
                let labels = feed.slice(value);
                (*at, value.through(|_| Named { node, labels }))
            });
            let mut step = Step { ready: ready.collect(), lags: BTreeMap::new() };
            let mut carries = carries.iter();
            for &(var, _) in &recursion.rules {
                let mut lags = vec![None];
                for &node in carries.by_ref().take(recursion.reach[&var]) {
                    let labels = layouts[&var].clone();
                    lags.push(Some(self.of_domain(var, Named { node, labels })?));
                }
                let slot = program.vars[var].index.iter().position(|a| *a == recursion.along).unwrap_or_default();
                step.lags.insert(var, (slot, lags));
            }
            let outer = self.step.replace(step);
            let made =
                recursion.rules.iter().map(|&(var, rule)| self.position(recursion, var, rule, layouts)).collect();
            self.step = outer;
            made
        })();
        std::mem::swap(&mut self.space.graph, body);
        made
    }

    /// One variable at one position, which the variables after it may read.
    fn position(
        &mut self,
        recursion: &Recursion<'p>,
        var: VarId,
        rule: Rule<'p>,
        layouts: &BTreeMap<VarId, Vec<Label>>,
    ) -> Result<Value, EmitError> {
        let program = self.program;
        let value = self.value(rule.value)?;
        let mut array = value.array().clone();
        for (subscript, &axis) in rule.target.at.iter().zip(&program.vars[var].index) {
            if let Subscript::At { index, .. } = subscript
                && axis != recursion.along
            {
                let (from, to) = (self.index(*index)?, self.axis(axis)?);
                array = self.space.rename(&array, from, to);
            }
        }
        // Along what it lacks so far it repeats.
        let labels = crate::dist::Space::union(&layouts[&var], &array.labels);
        let array = self.space.align(&array, &labels);
        let value = self.of_domain(var, array)?;
        if let Some((_, lags)) = self.step.as_mut().and_then(|s| s.lags.get_mut(&var)) {
            lags[0] = Some(value.clone());
        }
        Ok(value)
    }
}

/// The carries after a step: each value moves one further back.
fn shifted(recursion: &Recursion<'_>, values: &[NodeId], carries: &[NodeId]) -> Vec<NodeId> {
    let mut after = Vec::new();
    let mut carries = carries.iter();
    for ((var, _), &value) in recursion.rules.iter().zip(values) {
        let old: Vec<NodeId> = carries.by_ref().take(recursion.reach[var]).copied().collect();
        after.extend(std::iter::once(value).chain(old).take(recursion.reach[var]));
    }
    after
}
