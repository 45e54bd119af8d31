//! Expressions, one entry at a time: the value at a position of the plates (`scope`) and at coordinates along the axes (`at`).
//!
//! Operands line up by name because each simply looks up the axes it has among the coordinates. Whatever selects by a
//! discrete value is linear in that value's indicator, so that a grey `Bool` u gives u·(value at yes) + (1 − u)·(value at no).

use ndarray::{ArrayD, IxDyn};

use super::{Coordinates, EvaluateError, Evaluator, Scope, every_position};
use crate::base::span::Span;
use crate::model::axis::{AxisId, AxisKind};
use crate::model::expr::{Compare, Expr, Function, Node, Operator, Reduction, Subscript};
use crate::model::program::{Domain, IndexId, ParamId, VarId};

impl Evaluator<'_> {
    /// One entry of an expression. `at` places every axis of its type and may place others.
    pub(super) fn entry(&self, expr: &Expr, scope: &Scope, at: &Coordinates) -> Result<f64, EvaluateError> {
        let malformed = |what: &str| EvaluateError::Malformed { what: what.into(), span: expr.span };
        match &expr.node {
            Node::Number(number) => Ok(*number),
            Node::State(state) => Ok(Self::number_of_state(&expr.ty.domain, *state)),
            Node::Param(param) => {
                self.parameter(*param, &self.looked_up(&self.program.params[*param].axes, at, expr.span)?)
            }
            Node::Var(var) => self.variable(*var, &self.looked_up(&self.program.vars[*var].axes(), at, expr.span)?),
            Node::Pick { base, at: subscripts } => self.pick(base, subscripts, scope, at, expr.span),
            Node::Indicator(value) => {
                let class = *expr.ty.axes.last().ok_or_else(|| malformed("an indicator without a class axis"))?;
                self.weight(value, self.coordinate(class, at, expr.span)?, scope, at)
            }
            Node::Call(function, argument) => Ok(call(*function, self.entry(argument, scope, at)?)),
            Node::Binary(operator, left, right) => {
                Ok(binary(*operator, self.entry(left, scope, at)?, self.entry(right, scope, at)?))
            }
            Node::Contract { left, right, over } => {
                let mut total = 0.0;
                for at in self.spread(&[left, right], over, scope, at)? {
                    total += times(self.entry(left, scope, &at)?, self.entry(right, scope, &at)?);
                }
                Ok(total)
            }
            Node::Reduce(reduction, argument, axes) => {
                let spread = self.spread(&[argument], axes, scope, at)?;
                let terms = spread.iter().map(|at| self.entry(argument, scope, at)).collect::<Result<Vec<_>, _>>()?;
                Ok(match reduction {
                    Reduction::Sum => terms.iter().sum(),
                    Reduction::Mean => terms.iter().sum::<f64>() / terms.len() as f64,
                    Reduction::LogSumExp => log_sum_exp(&terms),
                    Reduction::Max => terms.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                })
            }
            Node::Softmax(argument, axis) => {
                let spread = self.spread(&[argument], &[*axis], scope, at)?;
                let terms = spread.iter().map(|at| self.entry(argument, scope, at)).collect::<Result<Vec<_>, _>>()?;
                Ok((self.entry(argument, scope, at)? - log_sum_exp(&terms)).exp())
            }
            Node::Concat(parts, axis) => {
                let AxisKind::Sum(axes) = &self.program.axes[*axis].kind else {
                    return Err(malformed("`++` along an axis that is no sum"));
                };
                let mut position = self.coordinate(*axis, at, expr.span)?;
                for (part, &axis) in parts.iter().zip(axes) {
                    let extent = self.extent(axis)?;
                    if position < extent {
                        return self.entry(part, scope, &placed(at, axis, position));
                    }
                    position -= extent;
                }
                Err(malformed("a position beyond the parts of `++`"))
            }
            Node::Vector(entries, axis) => {
                let position = self.coordinate(*axis, at, expr.span)?;
                let entry = entries.get(position).ok_or_else(|| malformed("a position beyond a list's end"))?;
                self.entry(entry, scope, at)
            }
            Node::If { cond, then, other } => {
                let choose = |state| if state == 1 { then } else { other };
                self.select(cond, &expr.ty.domain, scope, at, |state| self.entry(choose(state), scope, at))
            }
            Node::Is(value, state) => self.weight(value, *state, scope, at),
            Node::Compare(compare, left, right) => {
                let (left, right) = (self.entry(left, scope, at)?, self.entry(right, scope, at)?);
                Ok(truth(match compare {
                    Compare::Lt => left < right,
                    Compare::Le => left <= right,
                    Compare::Gt => left > right,
                    Compare::Ge => left >= right,
                }))
            }
            Node::IsFirst(index) => Ok(truth(self.position(*index, scope, expr.span)? == 0)),
            Node::IsLast(index) => {
                let extent = self.extent(self.program.indices[*index].axis)?;
                Ok(truth(self.position(*index, scope, expr.span)? + 1 == extent))
            }
            Node::IsObserved(var) => Ok(truth(self.values.observed.contains(var))),
            Node::Table { of, entries } => self.table(of, entries, 0, scope, at, expr),
            Node::Size(axis) => Ok(self.extent(*axis)? as f64),
            Node::Window { of, along, places, window } => {
                let half = (self.extent(*window)? / 2) as i64;
                let shift = self.coordinate(*window, at, expr.span)? as i64 - half;
                let step = self.step(*along, *places, expr.span)?;
                let position = step * self.coordinate(*places, at, expr.span)? as i64 + shift;
                match usize::try_from(position).ok().filter(|&p| p < self.extent(*along).unwrap_or(0)) {
                    Some(position) => self.entry(of, scope, &placed(at, *along, position)),
                    None => Ok(0.0),
                }
            }
            Node::Overlap { of, places, along, window } => {
                let half = (self.extent(*window)? / 2) as i64;
                let step = self.step(*along, *places, expr.span)?;
                let position = self.coordinate(*along, at, expr.span)? as i64;
                let mut total = 0.0;
                for t in 0..self.extent(*places)? {
                    for w in 0..self.extent(*window)? {
                        if step * t as i64 + w as i64 - half == position {
                            total += self.entry(of, scope, &placed(&placed(at, *places, t), *window, w))?;
                        }
                    }
                }
                Ok(total)
            }
            Node::Blocks { of, along, outer, inner } => {
                let block = self.coordinate(*outer, at, expr.span)?;
                let within = self.coordinate(*inner, at, expr.span)?;
                self.entry(of, scope, &placed(at, *along, block * self.extent(*inner)? + within))
            }
            Node::Renamed { of, from, to } => {
                let position = self.coordinate(*to, at, expr.span)?;
                self.entry(of, scope, &placed(at, *from, position))
            }
            // A question leaves every entry in.
            Node::Dropout(argument, _) => self.entry(argument, scope, at),
            Node::Column(..) => Err(malformed("a data column inside a density")),
            Node::Objective(_) => Err(EvaluateError::Objective { span: expr.span }),
        }
    }

    /// How many positions of an axis lie between two neighbouring places on it.
    fn step(&self, along: AxisId, places: AxisId, span: Span) -> Result<i64, EvaluateError> {
        let (positions, places) = (self.extent(along)?, self.extent(places)?);
        match places {
            0 => Ok(1),
            _ if positions % places == 0 => Ok((positions / places) as i64),
            _ => Err(EvaluateError::Malformed { what: "places that do not divide their axis".into(), span }),
        }
    }

    /// `base[subscripts]`: the leading coordinates come from the subscripts, the others stay.
    fn pick(
        &self,
        base: &Expr,
        subscripts: &[Subscript],
        scope: &Scope,
        at: &Coordinates,
        span: Span,
    ) -> Result<f64, EvaluateError> {
        if subscripts.len() > base.ty.axes.len() {
            return Err(EvaluateError::Malformed { what: "more subscripts than axes".into(), span });
        }
        // Each way of choosing has a weight; there is more than one only where a `Bool` subscript is grey.
        let mut ways = vec![(1.0, at.clone())];
        for (subscript, &axis) in subscripts.iter().zip(&base.ty.axes) {
            let positions = match subscript {
                Subscript::At { index, offset } => vec![(self.shifted(*index, *offset, axis, scope, span)?, 1.0)],
                Subscript::Constant(position) => vec![(*position, 1.0)],
                Subscript::Last => {
                    let last = self.extent(axis)?.checked_sub(1);
                    let empty = || EvaluateError::Malformed { what: "the last place of an empty axis".into(), span };
                    vec![(last.ok_or_else(empty)?, 1.0)]
                }
                Subscript::By(value) => self.states(value, scope, at)?,
                Subscript::Prefix(index) => {
                    let position = self.coordinate(axis, at, span)?;
                    if position >= self.position(*index, scope, span)? {
                        return Err(EvaluateError::Malformed { what: "a prefix read beyond its end".into(), span });
                    }
                    vec![(position, 1.0)]
                }
            };
            ways = ways
                .iter()
                .flat_map(|(w, at)| positions.iter().map(move |&(p, v)| (w * v, placed(at, axis, p))))
                .collect();
        }
        if ways.len() > 1 {
            not_of_states(&base.ty.domain, span)?;
        }
        ways.iter().map(|(weight, at)| Ok(weight * self.entry(base, scope, at)?)).sum()
    }

    /// The table's entry for the states of `of[depth..]`; `entries` is the block that the states before have left.
    fn table(
        &self,
        of: &[Expr],
        entries: &[Expr],
        depth: usize,
        scope: &Scope,
        at: &Coordinates,
        table: &Expr,
    ) -> Result<f64, EvaluateError> {
        let malformed = || EvaluateError::Malformed { what: "a table of the wrong size".into(), span: table.span };
        let Some(value) = of.get(depth) else {
            return self.entry(entries.first().ok_or_else(malformed)?, scope, at);
        };
        let states = self.number_of_states(&value.ty.domain, value.span)?;
        if states == 0 || !entries.len().is_multiple_of(states) {
            return Err(malformed());
        }
        let block = entries.len() / states;
        self.select(value, &table.ty.domain, scope, at, |state| {
            self.table(of, &entries[state * block..(state + 1) * block], depth + 1, scope, at, table)
        })
    }

    /// The result for the value's state; for a grey value the results for both, weighted.
    fn select(
        &self,
        value: &Expr,
        domain: &Domain,
        scope: &Scope,
        at: &Coordinates,
        result: impl Fn(usize) -> Result<f64, EvaluateError>,
    ) -> Result<f64, EvaluateError> {
        match self.states(value, scope, at)?[..] {
            [(state, _)] => result(state),
            ref states => {
                not_of_states(domain, value.span)?;
                states.iter().map(|&(state, weight)| Ok(weight * result(state)?)).sum()
            }
        }
    }

    /// The states that a discrete value is in, with weights that sum to one; none has weight zero.
    pub(super) fn states(
        &self,
        value: &Expr,
        scope: &Scope,
        at: &Coordinates,
    ) -> Result<Vec<(usize, f64)>, EvaluateError> {
        let number = self.entry(value, scope, at)?;
        self.states_of(number, &value.ty.domain, value.span)
    }

    /// The states that a stored number stands for, with weights.
    pub(super) fn states_of(
        &self,
        number: f64,
        domain: &Domain,
        span: Span,
    ) -> Result<Vec<(usize, f64)>, EvaluateError> {
        let not_a_state = |domain: &str| EvaluateError::NotAState { value: number, domain: domain.into(), span };
        let binary = |yes: f64| match yes {
            0.0 => Some(vec![(0, 1.0)]),
            1.0 => Some(vec![(1, 1.0)]),
            grey if grey > 0.0 && grey < 1.0 => Some(vec![(0, 1.0 - grey), (1, grey)]),
            _ => None,
        };
        match domain {
            Domain::Bool => binary(number).ok_or_else(|| not_a_state("Bool")),
            Domain::Spin => binary((number + 1.0) / 2.0).ok_or_else(|| not_a_state("Spin")),
            Domain::Cat(axis) => {
                let is_state = number >= 0.0 && number.fract() == 0.0 && number < self.extent(*axis)? as f64;
                if is_state {
                    Ok(vec![(number as usize, 1.0)])
                } else {
                    Err(not_a_state(&self.program.axes[*axis].name))
                }
            }
            _ => Err(EvaluateError::Malformed { what: "a number where a discrete value is needed".into(), span }),
        }
    }

    /// How far a discrete value is in a state: 1 or 0, in between where it is grey.
    fn weight(&self, value: &Expr, state: usize, scope: &Scope, at: &Coordinates) -> Result<f64, EvaluateError> {
        Ok(self.states(value, scope, at)?.iter().find(|(s, _)| *s == state).map_or(0.0, |(_, weight)| *weight))
    }

    /// How many states a discrete domain has.
    pub(super) fn number_of_states(&self, domain: &Domain, span: Span) -> Result<usize, EvaluateError> {
        match domain {
            Domain::Bool | Domain::Spin => Ok(2),
            Domain::Cat(axis) => self.extent(*axis),
            _ => Err(EvaluateError::Malformed { what: "states of a domain that is not discrete".into(), span }),
        }
    }

    /// One entry of a parameter.
    pub(super) fn parameter(&self, param: ParamId, at: &[usize]) -> Result<f64, EvaluateError> {
        let name = &self.program.params[param].name;
        let array = self.values.params.get(&param).ok_or_else(|| EvaluateError::NoParameter { name: name.clone() })?;
        self.stored(name, array, at)
    }

    /// One entry of a variable: its value, or what its definition says.
    pub(super) fn variable(&self, var: VarId, at: &[usize]) -> Result<f64, EvaluateError> {
        if let Some(array) = self.values.vars.get(&var) {
            let value = self.stored(&self.program.vars[var].name, array, at)?;
            if !value.is_nan() {
                return Ok(value);
            }
        }
        self.defined(var, at)
    }

    /// One entry of a deterministic variable, by its definition.
    pub(super) fn defined(&self, var: VarId, at: &[usize]) -> Result<f64, EvaluateError> {
        let key = (var, at.to_vec());
        if let Some(&value) = self.known.borrow().get(&key) {
            return Ok(value);
        }
        let declared = &self.program.vars[var];
        let unassigned = || EvaluateError::Unassigned { name: declared.name.clone(), at: at.to_vec() };
        let definitions = self.definitions.get(&var).ok_or_else(unassigned)?;
        let (index, event) = at.split_at(declared.index.len());
        // The statement `d[t+1] = e` defines d[3] at t = 2; one that reaches no position of its plates defines nothing.
        let found = definitions.iter().find_map(|(target, value)| {
            let mut scope = Scope::new();
            for (subscript, &position) in target.at.iter().zip(index) {
                match subscript {
                    Subscript::At { index, offset } => {
                        let extent = self.extent(self.program.indices[*index].axis).ok()?;
                        let placed = usize::try_from(position as i64 - offset).ok().filter(|&p| p < extent)?;
                        scope.insert(*index, placed);
                    }
                    Subscript::Constant(fixed) if *fixed == position => {}
                    _ => return None,
                }
            }
            Some((scope, *value))
        });
        let (scope, definition) = found.ok_or_else(unassigned)?;
        let at = declared.event.iter().copied().zip(event.iter().copied()).collect();
        let wrap = |source| EvaluateError::Definition { name: declared.name.clone(), source: Box::new(source) };
        let value = self.entry(definition, &scope, &at).map_err(wrap)?;
        self.known.borrow_mut().insert(key, value);
        Ok(value)
    }

    /// One entry of an array.
    pub(super) fn stored(&self, name: &str, array: &ArrayD<f64>, at: &[usize]) -> Result<f64, EvaluateError> {
        let shape = || EvaluateError::Shape { name: name.into(), found: array.shape().to_vec(), at: at.to_vec() };
        array.get(IxDyn(at)).copied().ok_or_else(shape)
    }

    /// The position of a plate's index.
    fn position(&self, index: IndexId, scope: &Scope, span: Span) -> Result<usize, EvaluateError> {
        let unplaced = || EvaluateError::Malformed { what: "an index outside its plate".into(), span };
        scope.get(&index).copied().ok_or_else(unplaced)
    }

    /// The position `index + offset` along an axis.
    pub(super) fn shifted(
        &self,
        index: IndexId,
        offset: i64,
        axis: AxisId,
        scope: &Scope,
        span: Span,
    ) -> Result<usize, EvaluateError> {
        let position = self.position(index, scope, span)? as i64 + offset;
        let extent = self.extent(axis)?;
        usize::try_from(position).ok().filter(|&p| p < extent).ok_or_else(|| EvaluateError::Outside {
            axis: self.program.axes[axis].name.clone(),
            position,
            extent,
            span,
        })
    }

    /// The coordinate along one axis.
    fn coordinate(&self, axis: AxisId, at: &Coordinates, span: Span) -> Result<usize, EvaluateError> {
        let open =
            || EvaluateError::Malformed { what: format!("axis `{}` is open", self.program.axes[axis].name), span };
        at.get(&axis).copied().ok_or_else(open)
    }

    /// The coordinates along some axes, in their order.
    fn looked_up(&self, axes: &[AxisId], at: &Coordinates, span: Span) -> Result<Vec<usize>, EvaluateError> {
        axes.iter().map(|&axis| self.coordinate(axis, at, span)).collect()
    }

    /// `at` with every position along `over`, which reach as far as the expressions do.
    fn spread(
        &self,
        exprs: &[&Expr],
        over: &[AxisId],
        scope: &Scope,
        at: &Coordinates,
    ) -> Result<Vec<Coordinates>, EvaluateError> {
        let mut extents = Vec::new();
        for &axis in over {
            let reach = self.reach(exprs, axis, scope)?;
            extents.push(reach.map_or_else(|| self.extent(axis), Ok)?);
        }
        let place =
            |position: Vec<usize>| at.iter().map(|(&a, &p)| (a, p)).chain(over.iter().copied().zip(position)).collect();
        Ok(every_position(&extents).into_iter().map(place).collect())
    }

    /// How far expressions reach along an axis of their types: its extent, or less where one reads a prefix of it.
    fn reach(&self, exprs: &[&Expr], axis: AxisId, scope: &Scope) -> Result<Option<usize>, EvaluateError> {
        let mut found = None;
        for expr in exprs.iter().filter(|e| e.ty.axes.contains(&axis)) {
            let reach = match &expr.node {
                Node::Pick { base, at } => {
                    let prefix = at.iter().zip(&base.ty.axes).find_map(|(subscript, &a)| match subscript {
                        Subscript::Prefix(index) if a == axis => Some(*index),
                        _ => None,
                    });
                    match prefix {
                        Some(index) => Some(self.position(index, scope, expr.span)?),
                        None if base.ty.axes[at.len()..].contains(&axis) => self.reach(&[base], axis, scope)?,
                        // It is an axis of a value in the subscripts, which follow the base among the children.
                        None => self.reach(&expr.children()[1..], axis, scope)?,
                    }
                }
                _ => self.reach(&expr.children(), axis, scope)?,
            };
            let reach = reach.map_or_else(|| self.extent(axis), Ok)?;
            if found.is_some_and(|other| other != reach) {
                let what = format!("operands of different lengths along `{}`", self.program.axes[axis].name);
                return Err(EvaluateError::Malformed { what, span: expr.span });
            }
            found = Some(reach);
        }
        Ok(found)
    }
}

/// A grey value cannot choose between states: there is no state in between.
fn not_of_states(domain: &Domain, span: Span) -> Result<(), EvaluateError> {
    match domain {
        Domain::Cat(_) => {
            Err(EvaluateError::Malformed { what: "a grey value chooses between states of an enumeration".into(), span })
        }
        _ => Ok(()),
    }
}

/// The coordinates with one more placed.
fn placed(at: &Coordinates, axis: AxisId, position: usize) -> Coordinates {
    let mut at = at.clone();
    at.insert(axis, position);
    at
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// a · b, where zero times anything infinite is zero: an impossible state that does not occur costs nothing.
pub(super) fn times(a: f64, b: f64) -> f64 {
    let nothing = (a == 0.0 && !b.is_nan()) || (b == 0.0 && !a.is_nan());
    if nothing { 0.0 } else { a * b }
}

/// log Σ exp, −∞ for no terms.
pub(super) fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() { largest } else { largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln() }
}

/// log(1 + e^x), without overflow.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn binary(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Sub => left - right,
        Operator::Mul => times(left, right),
        Operator::Div => left / right,
    }
}

fn call(function: Function, x: f64) -> f64 {
    match function {
        Function::Neg => -x,
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sqrt => x.sqrt(),
        Function::Square => x * x,
        Function::Abs => x.abs(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Function::Softplus => softplus(x),
        Function::Relu => x.max(0.0),
        Function::Step => truth(x > 0.0),
    }
}
