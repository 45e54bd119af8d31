//! Evaluating a program's expressions as tensor nodes, with some variables given values.
//!
//! A plate is lifted: inside `for t in Frame`, `x[t]` is the whole array with the axis of `Frame` called by `t`'s label,
//! and `x[t-1]` the same array shifted. What a value lacks as an axis it repeats along.

use std::collections::{BTreeMap, BTreeSet};

use super::error::EmitError;
use super::recurrence::Step;
use super::regression::Collected;
use super::seen::Seen;
use crate::base::span::Span;
use crate::diag::Code;
use crate::dist::{Args, Label, Named, Space, Value};
use crate::model::{
    Arg, AxisId, AxisKind, Compare, Dist, Domain, Expr, Factor, FactorKind, Function, IndexId, Node, Operator, ParamId,
    Program, Reduction, Subscript, Target, VarId,
};
use crate::tensor::op::{Binary, Law, Semiring, SiteId, Unary};

/// A plate that an engine walks along: at one step, values of its variables here and one position before.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The plate.
    pub along: AxisId,
    /// Values at the step.
    pub here: BTreeMap<VarId, Value>,
    /// Values one position before.
    pub before: BTreeMap<VarId, Value>,
    /// Whether the step is the first one.
    pub first: bool,
}

/// A variable read in one way, with a value for that reading alone: `s[t-1]` at every state it may have.
#[derive(Clone, Debug)]
pub struct Local {
    /// The variable.
    pub var: VarId,
    /// The subscripts as written; the value lacks the axes that they settle.
    pub at: Vec<Subscript>,
    /// Its value.
    pub value: Value,
}

/// A place to build expressions in: labels, parameters and the values of variables.
pub struct Scope<'p> {
    /// The program.
    pub program: &'p Program,
    /// The graph under construction.
    pub space: Space,
    /// The axis of the rows, where there is more than one datum.
    pub row: Option<Label>,
    /// Values of variables.
    pub values: BTreeMap<VarId, Value>,
    /// What rows tell of variables that have a value in some of them.
    pub seen: BTreeMap<VarId, Seen>,
    /// 1 where a variable's entries count: those elsewhere add nothing to its density.
    pub(super) counted: BTreeMap<VarId, Named>,
    /// Potentials on the squares of variables' entries, so that a derivative in them reads off expected squares.
    pub(super) squares: BTreeMap<VarId, Named>,
    /// Values of parameters.
    pub params: BTreeMap<ParamId, Named>,
    /// Normals whose statistics are read off beside their densities.
    pub(super) collected: Vec<Collected>,
    /// Weights of parameters whose readings are counted: their derivatives are the counts.
    pub weights: BTreeMap<ParamId, Named>,
    /// Lengths of ragged plates, a number a row.
    pub lengths: BTreeMap<AxisId, Named>,
    /// A plate being walked along.
    pub walk: Option<Walk>,
    /// Readings that have values of their own, before any other value.
    pub local: Vec<Local>,
    /// Variables that stand as slots: their entries are summed or drawn in closed form from finite slopes.
    pub summed: BTreeSet<VarId>,
    /// Whether entries are dropped where a net says so: while learning.
    pub dropping: bool,
    /// Inside the step of a recursion, what it reads.
    pub(super) step: Option<Step>,
    /// The random site of each place where entries are dropped: one mask a step, however often it is read.
    dropped: BTreeMap<usize, SiteId>,
    axes: BTreeMap<AxisId, Label>,
    indices: BTreeMap<IndexId, Label>,
}

impl<'p> Scope<'p> {
    /// A scope without values.
    pub fn new(program: &'p Program, space: Space) -> Scope<'p> {
        Scope {
            program,
            space,
            row: None,
            values: BTreeMap::new(),
            seen: BTreeMap::new(),
            counted: BTreeMap::new(),
            squares: BTreeMap::new(),
            params: BTreeMap::new(),
            weights: BTreeMap::new(),
            collected: Vec::new(),
            lengths: BTreeMap::new(),
            walk: None,
            local: Vec::new(),
            summed: BTreeSet::new(),
            dropping: false,
            step: None,
            dropped: BTreeMap::new(),
            axes: BTreeMap::new(),
            indices: BTreeMap::new(),
        }
    }

    /// The label of an axis.
    pub fn axis(&mut self, axis: AxisId) -> Result<Label, EmitError> {
        if let Some(&label) = self.axes.get(&axis) {
            return Ok(label);
        }
        let Some(extent) = self.program.axes.extent(axis) else {
            let declared = &self.program.axes[axis];
            return Err(EmitError::at(
                declared.span,
                format!("`{}` has no size", declared.name),
                format!("write `axis {} = 10`, or bind data that has one", declared.name),
            )
            .coded(Code::UnknownSize));
        };
        let label = self.space.label(extent);
        self.axes.insert(axis, label);
        Ok(label)
    }

    /// The labels of some axes.
    pub fn axis_labels(&mut self, axes: &[AxisId]) -> Result<Vec<Label>, EmitError> {
        axes.iter().map(|&a| self.axis(a)).collect()
    }

    /// The label that a plate's axis goes by where an index runs over it.
    pub fn index(&mut self, index: IndexId) -> Result<Label, EmitError> {
        if let Some(&label) = self.indices.get(&index) {
            return Ok(label);
        }
        let axis = self.axis(self.program.plate(index))?;
        let extent = self.space.extent(axis);
        let label = self.space.label(extent);
        self.indices.insert(index, label);
        Ok(label)
    }

    /// The axis of a discrete variable's states.
    pub fn class(&mut self, var: VarId) -> Result<Option<Label>, EmitError> {
        match self.program.vars[var].domain {
            Domain::Cat(axis) => Ok(Some(self.axis(axis)?)),
            _ => Ok(None),
        }
    }

    /// How many states one entry of a discrete variable has.
    pub fn states(&mut self, var: VarId) -> Result<usize, EmitError> {
        Ok(self.class(var)?.map_or(2, |class| self.space.extent(class)))
    }

    /// The arguments of a distribution.
    pub fn args(&mut self, dist: &Dist) -> Result<Args, EmitError> {
        let mut args = Vec::new();
        for (role, expr) in &dist.args {
            if *role == Arg::Cov {
                return Err(EmitError::at(
                    expr.span,
                    "a normal with a full covariance is not built yet",
                    "write `sd = ..`",
                ));
            }
            args.push((*role, self.number(expr)?));
        }
        Ok(Args(args))
    }

    /// The contribution of a summand to log p̃: entries of its event axes are summed, its plates' labels stay.
    pub fn factor(&mut self, factor: &Factor) -> Result<Named, EmitError> {
        let value = match &factor.kind {
            FactorKind::Conditional { target, dist } => {
                let value = self.read(target.var, &target.at, factor.span)?;
                let counted = self.counted_at(target, factor.span)?;
                let density = self.log_density(dist, self.entries_of(target.var), &value, counted.as_ref())?;
                match self.beside(target, dist, factor.span, counted.as_ref())? {
                    Some(beside) => self.space.add(&density, &beside),
                    None => density,
                }
            }
            FactorKind::Potential(expr) => self.potential(expr)?,
            FactorKind::Deterministic { target, value }
                if self.values.contains_key(&target.var) || self.local.iter().any(|l| l.var == target.var) =>
            {
                self.agreement(target, value, factor.span)?
            }
            FactorKind::Deterministic { .. } => self.space.scalar(0.0),
            FactorKind::Undirected { .. } => {
                return Err(EmitError::at(
                    factor.span,
                    "an undirected sub-model is evaluated by its parts",
                    "this is a fault of the compiler: please report it",
                ));
            }
        };
        self.mask_ragged(factor, value)
    }

    /// A summand's contribution with every plate summed but those named.
    pub fn factor_total(&mut self, factor: &Factor, keep: &[AxisId]) -> Result<Named, EmitError> {
        let mut value = self.factor(factor)?;
        let along = self.walk.as_ref().map(|w| w.along);
        for &index in &factor.plates {
            let axis = self.program.plate(index);
            let label = self.index(index)?;
            if Some(axis) == along || keep.contains(&axis) {
                let own = self.axis(axis)?;
                value = self.space.rename(&value, label, own);
            } else {
                value = self.space.total(&value, &[label]);
            }
        }
        Ok(value)
    }

    /// What `x = e` adds where x has a value from outside: 0 where a discrete x agrees with e, else −∞.
    fn agreement(&mut self, target: &Target, value: &Expr, span: Span) -> Result<Named, EmitError> {
        let declared = &self.program.vars[target.var];
        let (is, says) = (self.read(target.var, &target.at, span)?, self.value(value)?);
        let product = self.space.mul_zero(is.array(), says.array());
        let agrees = match (&declared.domain, &is) {
            (_, Value::State { class, .. }) => self.space.total(&product, &[*class]),
            (Domain::Bool, _) => {
                let (a, b) = (self.space.complement(is.array()), self.space.complement(says.array()));
                let both_no = self.space.mul_zero(&a, &b);
                self.space.add(&product, &both_no)
            }
            (Domain::Spin, _) => {
                let (half, shift) = (self.space.scale(&product, 0.5), self.space.scalar(0.5));
                self.space.add(&half, &shift)
            }
            _ => {
                return Err(EmitError::at(
                    span,
                    format!("`{}` is defined by `=`, so it has no density at a value from outside", declared.name),
                    "leave it out of the data and the evidence, or draw it with `~`",
                )
                .coded(Code::Implicit));
            }
        };
        let entries = self.space.map(Unary::Log, &agrees);
        let event = self.axis_labels(&declared.event)?;
        Ok(self.space.total(&entries, &event))
    }

    /// The value of a potential, 0 where it reads outside an axis: in the branch that is taken, as it would be read.
    fn potential(&mut self, expr: &Expr) -> Result<Named, EmitError> {
        let zero = self.space.scalar(0.0);
        if let Node::If { cond, then, other } = &expr.node
            && self.known(cond).is_none()
            && !is_positional(cond)
            && [then, other].iter().any(|e| e.reads_at_shift())
        {
            let (a, b) = (self.potential(then)?, self.potential(other)?);
            let chosen = self.choose(cond, &a, &b)?;
            return Ok(match self.outside(cond)? {
                Some(out) => self.space.select(&out, &zero, &chosen),
                None => chosen,
            });
        }
        if self.reaches_before_first(expr) {
            return Ok(zero);
        }
        let value = self.number(expr)?;
        Ok(match self.outside(expr)? {
            Some(out) => self.space.select(&out, &zero, &value),
            None => value,
        })
    }

    /// Whether an expression reads the position before the first of the plate that is walked along.
    fn reaches_before_first(&self, expr: &Expr) -> bool {
        let Some(walk) = self.walk.as_ref().filter(|w| w.first) else { return false };
        if let Node::If { cond, then, other } = &expr.node
            && let Some(known) = self.known(cond)
        {
            return self.reaches_before_first(if known { then } else { other });
        }
        let own = match &expr.node {
            Node::Pick { at, .. } => at.iter().any(|s| {
                matches!(s, Subscript::At { index, offset } if *offset < 0 && self.program.plate(*index) == walk.along)
            }),
            _ => false,
        };
        own || expr.children().into_iter().any(|e| self.reaches_before_first(e))
    }

    /// 1 at the positions of the plates where an expression reads outside an axis; none where it never does.
    fn outside(&mut self, expr: &Expr) -> Result<Option<Named>, EmitError> {
        if !expr.reads_at_shift() {
            return Ok(None);
        }
        if let Node::If { cond, then, other } = &expr.node {
            if let Some(known) = self.known(cond) {
                return self.outside(if known { then } else { other });
            }
            let of_cond = self.outside(cond)?;
            let (a, b) = (self.outside(then)?, self.outside(other)?);
            if a.is_none() && b.is_none() {
                return Ok(of_cond);
            }
            if !is_positional(cond) {
                return Err(EmitError::at(
                    expr.span,
                    "a choice inside a potential has a branch that reads outside its axis",
                    "write the choice outermost: `factor if c then .. else ..`",
                ));
            }
            let c = self.number(cond)?;
            let zero = self.space.scalar(0.0);
            let chosen = self.space.select(&c, &a.unwrap_or(zero.clone()), &b.unwrap_or(zero));
            return Ok(Some(self.either(chosen, of_cond)));
        }
        let mut out: Option<Named> = None;
        if let Node::Pick { at, .. } = &expr.node {
            for subscript in at {
                let Subscript::At { index, offset } = subscript else { continue };
                let axis = self.program.plate(*index);
                let walked = self.walk.as_ref().is_some_and(|w| w.along == axis);
                // The step before the first is settled by `reaches_before_first`.
                if *offset == 0 || walked && *offset < 0 {
                    continue;
                }
                let label = self.index(*index)?;
                let position = self.space.positions(label);
                let bound = match (*offset < 0, self.length(axis)) {
                    (true, _) => self.space.scalar(-*offset as f64),
                    (false, None) => self.space.scalar(self.space.extent(label) as f64 - *offset as f64),
                    (false, Some(length)) => {
                        let offset = self.space.scalar(*offset as f64);
                        self.space.sub(&length, &offset)
                    }
                };
                let here = match *offset < 0 {
                    true => self.space.zip(Binary::Lt, &position, &bound),
                    false => self.space.zip(Binary::Le, &bound, &position),
                };
                out = Some(self.either(here, out));
            }
        }
        for child in expr.children() {
            if let Some(inner) = self.outside(child)? {
                out = Some(self.either(inner, out));
            }
        }
        Ok(out)
    }

    fn either(&mut self, a: Named, b: Option<Named>) -> Named {
        match b {
            Some(b) => self.space.zip(Binary::Max, &a, &b),
            None => a,
        }
    }

    /// a where a condition holds and b where not. It is linear in the condition where that is a number between the two: of a
    /// grey value, and of a variable whose slopes are wanted.
    fn choose(&mut self, cond: &Expr, a: &Named, b: &Named) -> Result<Named, EmitError> {
        let c = self.number(cond)?;
        if is_positional(cond) {
            return Ok(self.space.select(&c, a, b));
        }
        let rest = self.space.complement(&c);
        let (yes, no) = (self.space.mul_zero(&c, a), self.space.mul_zero(&rest, b));
        let mixed = self.space.add(&yes, &no);
        if cond.reads().iter().any(|r| self.summed.contains(&r.var)) {
            return Ok(mixed);
        }
        // At a plain yes or no the other branch may be anything, also undefined.
        let (zero, one) = (self.space.scalar(0.0), self.space.scalar(1.0));
        let is_yes = self.space.zip(Binary::Le, &one, &c);
        let is_no = self.space.zip(Binary::Le, &c, &zero);
        let inner = self.space.select(&is_no, b, &mixed);
        Ok(self.space.select(&is_yes, a, &inner))
    }

    /// Positions beyond a row's length contribute nothing.
    fn mask_ragged(&mut self, factor: &Factor, mut value: Named) -> Result<Named, EmitError> {
        for &index in &factor.plates {
            let axis = self.program.plate(index);
            if let Some(inside) = self.inside(axis, index)? {
                let zero = self.space.scalar(0.0);
                value = self.space.select(&inside, &value, &zero);
            }
        }
        Ok(value)
    }

    /// 1 at the positions of a ragged plate that a row has, by the index's label; none where the plate is not ragged.
    pub fn inside(&mut self, axis: AxisId, index: IndexId) -> Result<Option<Named>, EmitError> {
        let Some(length) = self.length(axis) else { return Ok(None) };
        let label = self.index(index)?;
        let position = self.space.positions(label);
        Ok(Some(self.space.zip(Binary::Lt, &position, &length)))
    }

    /// The length of an axis in each row, where that differs: of a ragged axis, another name for it, or the whole blocks on it.
    pub fn length(&mut self, axis: AxisId) -> Option<Named> {
        if let Some(length) = self.lengths.get(&axis) {
            return Some(length.clone());
        }
        match self.program.axes[axis].kind {
            AxisKind::Alias(of) => self.length(of),
            AxisKind::Blocks(of, size) => {
                let length = self.length(of)?;
                let blocks = self.space.scale(&length, 1.0 / size.max(1) as f64);
                Some(self.space.map(Unary::Floor, &blocks))
            }
            AxisKind::Plain | AxisKind::Rows | AxisKind::Ragged | AxisKind::Sum(_) => None,
        }
    }

    /// The array with another number wherever it lies behind the end of its row, along those of the axes that are ragged.
    fn within(&mut self, array: &Named, axes: &[AxisId], outside: f64) -> Result<Named, EmitError> {
        let mut array = array.clone();
        for &axis in axes {
            let Some(length) = self.length(axis) else { continue };
            let label = self.axis(axis)?;
            let position = self.space.positions(label);
            let inside = self.space.zip(Binary::Lt, &position, &length);
            let outside = self.space.scalar(outside);
            array = self.space.select(&inside, &array, &outside);
        }
        Ok(array)
    }

    /// The sum of a variable's entries over its axes, those behind the end of a row left out.
    pub fn total_within(&mut self, entries: &Named, axes: &[AxisId]) -> Result<Named, EmitError> {
        let entries = self.within(entries, axes, 0.0)?;
        let labels = self.axis_labels(axes)?;
        Ok(self.space.total(&entries, &labels))
    }

    /// The array with a share of its entries set to 0 and the others raised by as much (Srivastava et al. 2014).
    fn dropout(&mut self, place: &Expr, array: &Named, share: f64) -> Named {
        let fresh = self.space.site();
        let site = *self.dropped.entry(std::ptr::from_ref(place) as usize).or_insert(fresh);
        let shape = self.space.shape(&array.labels);
        let drawn = Named { node: self.space.graph.random(Law::Uniform, &shape, site), labels: array.labels.clone() };
        let bound = self.space.scalar(share);
        let kept = self.space.zip(Binary::Le, &bound, &drawn);
        let raised = self.space.scale(array, 1.0 / (1.0 - share));
        self.space.mul_zero(&kept, &raised)
    }

    fn unavailable(&self, expr: &Expr, what: &str) -> EmitError {
        EmitError::at(expr.span, format!("{what} is understood but cannot be computed yet"), "write it another way")
    }

    /// The value a variable has, with leading axes indexed.
    pub(super) fn read(
        &mut self,
        var: VarId,
        at: &[Subscript],
        span: crate::base::span::Span,
    ) -> Result<Value, EmitError> {
        let declared = &self.program.vars[var];
        if let Some(local) = self.local.iter().find(|l| l.var == var && l.at == at) {
            let mut value = local.value.clone();
            for (subscript, axis) in at.iter().zip(declared.axes()) {
                if !subscript.is_place() {
                    let label = self.axis(axis)?;
                    let array = self.subscript(value.array().clone(), label, subscript, span)?;
                    value = value.through(|_| array);
                }
            }
            return Ok(value);
        }
        let along = self.walk.as_ref().map(|w| w.along);
        let slot = declared.index.iter().position(|a| Some(*a) == along);
        let step = slot.and_then(|i| at.get(i)).and_then(|s| match s {
            Subscript::At { offset, .. } => Some(*offset),
            _ => None,
        });
        let walked = match (&self.walk, step) {
            (Some(walk), Some(0)) => walk.here.get(&var).cloned(),
            (Some(walk), Some(-1)) => walk.before.get(&var).cloned(),
            _ => None,
        };
        // The subscript that a walk or the step of a recursion has settled.
        let mut settled = walked.is_some().then_some(slot).flatten();
        let value = match walked {
            Some(value) => Some(value),
            None => match self.step.as_ref().and_then(|step| step.read(var, at)) {
                Some((value, slot)) => {
                    settled = Some(slot);
                    Some(value)
                }
                None => match self.values.get(&var).cloned() {
                    Some(value) => Some(value),
                    None if self.step.is_none() => self.recursion(var)?,
                    None => None,
                },
            },
        };
        let Some(mut value) = value else {
            return Err(EmitError::at(
                span,
                format!("`{}` has no value here", declared.name),
                "bind it to data, or ask with it fixed",
            ));
        };
        let axes = declared.axes();
        for (i, (subscript, axis)) in at.iter().zip(axes).enumerate() {
            let label = self.axis(axis)?;
            if Some(i) == settled {
                // What a walk holds for all its positions at once goes by the index that reads it.
                if let Subscript::At { index, .. } = subscript
                    && value.array().has(label)
                {
                    let to = self.index(*index)?;
                    value = value.through(|a| self.space.rename(a, label, to));
                }
                continue;
            }
            // A value that lacks the axis repeats along it: enumerated states lack their plates.
            if value.array().has(label) {
                let array = self.subscript(value.array().clone(), label, subscript, span)?;
                value = value.through(|_| array);
            }
        }
        Ok(value)
    }

    /// One leading axis indexed.
    fn subscript(
        &mut self,
        array: Named,
        label: Label,
        subscript: &Subscript,
        span: crate::base::span::Span,
    ) -> Result<Named, EmitError> {
        match subscript {
            Subscript::At { index, offset } => {
                let to = self.index(*index)?;
                let shifted = self.space.shift(&array, label, *offset);
                Ok(self.space.rename(&shifted, label, to))
            }
            Subscript::Constant(position) => Ok(self.space.at(&array, label, *position)),
            Subscript::By(by) => {
                let state = self.value(by)?;
                Ok(state.select_linear(&mut self.space, &array, label))
            }
            Subscript::Last => {
                let axis = self.axes.iter().find(|(_, l)| **l == label).map(|(axis, _)| *axis);
                let last = match axis.and_then(|axis| self.length(axis)) {
                    Some(length) => length,
                    None => return Ok(self.space.at(&array, label, self.space.extent(label).saturating_sub(1))),
                };
                let one = self.space.scalar(1.0);
                let position = self.space.positions(label);
                let last = self.space.sub(&last, &one);
                let there = self.space.zip(Binary::Eq, &position, &last);
                let product = self.space.mul_zero(&there, &array);
                Ok(self.space.sum(&product, &[label]))
            }
            Subscript::Prefix(_) => Err(EmitError::at(
                span,
                "reading a prefix is understood but cannot be computed yet",
                "read a fixed number of positions back: `x[t-1]`",
            )),
        }
    }

    /// A number, or the indicator vector of a state.
    pub fn number(&mut self, expr: &Expr) -> Result<Named, EmitError> {
        Ok(self.value(expr)?.array().clone())
    }

    /// What an expression evaluates to.
    pub fn value(&mut self, expr: &Expr) -> Result<Value, EmitError> {
        if let Some(ready) = self.step.as_ref().and_then(|step| step.ready(expr)) {
            return Ok(ready);
        }
        let named = match &expr.node {
            Node::Number(v) => self.space.scalar(*v),
            Node::State(state) => match expr.ty.domain {
                Domain::Cat(axis) => {
                    let class = self.axis(axis)?;
                    let code = self.space.scalar(*state as f64);
                    return Ok(Value::coded(&mut self.space, &code, class));
                }
                Domain::Spin => self.space.scalar(if *state == 0 { -1.0 } else { 1.0 }),
                _ => self.space.scalar(*state as f64),
            },
            Node::Param(id) => match self.params.get(id) {
                Some(named) => named.clone(),
                None => {
                    let name = &self.program.params[*id].name;
                    return Err(EmitError::at(expr.span, format!("`{name}` has no value here"), "train it first"));
                }
            },
            Node::Var(var) => return self.read(*var, &[], expr.span),
            Node::Pick { base, at } => {
                if let Node::Var(var) = base.node {
                    return self.read(var, at, expr.span);
                }
                let mut value = self.value(base)?;
                for (subscript, &axis) in at.iter().zip(&base.ty.axes) {
                    let label = self.axis(axis)?;
                    let array = self.subscript(value.array().clone(), label, subscript, expr.span)?;
                    value = value.through(|_| array);
                }
                return Ok(value);
            }
            Node::Indicator(inner) => self.number(inner)?,
            Node::Call(function, inner) => {
                let a = self.number(inner)?;
                self.space.map(unary(*function), &a)
            }
            Node::Binary(operator, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                let f = match operator {
                    Operator::Add => Binary::Add,
                    Operator::Sub => Binary::Sub,
                    Operator::Mul => Binary::Mul,
                    Operator::Div => Binary::Div,
                };
                self.space.zip(f, &a, &b)
            }
            Node::Contract { left, right, over } => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                let a = self.within(&a, over, 0.0)?;
                let over = self.axis_labels(over)?;
                self.space.contract(&a, &b, &over)
            }
            Node::Reduce(reduction, inner, over) => {
                let a = self.number(inner)?;
                let outside = match reduction {
                    Reduction::Sum | Reduction::Mean => 0.0,
                    Reduction::Max | Reduction::LogSumExp => f64::NEG_INFINITY,
                };
                let a = self.within(&a, over, outside)?;
                let axes = over;
                let over = self.axis_labels(over)?;
                match reduction {
                    Reduction::Sum => self.space.total(&a, &over),
                    Reduction::Mean => {
                        let sum = self.space.total(&a, &over);
                        let mut mean = sum;
                        for (&axis, &label) in axes.iter().zip(&over) {
                            mean = match self.length(axis) {
                                Some(length) => self.space.zip(Binary::Div, &mean, &length),
                                None => self.space.scale(&mean, 1.0 / self.space.extent(label).max(1) as f64),
                            };
                        }
                        mean
                    }
                    Reduction::Max => {
                        let mut a = a;
                        for label in over {
                            a = self.space.log_sum_exp(&a, label, Semiring::Max);
                        }
                        a
                    }
                    Reduction::LogSumExp => {
                        let mut a = a;
                        for label in over {
                            a = self.space.log_sum_exp(&a, label, Semiring::Soft);
                        }
                        a
                    }
                }
            }
            Node::Softmax(inner, axis) => {
                let a = self.number(inner)?;
                let a = self.within(&a, &[*axis], f64::NEG_INFINITY)?;
                let label = self.axis(*axis)?;
                self.space.softmax(&a, label)
            }
            Node::Concat(parts, axis) => {
                let joint = self.axis(*axis)?;
                let mut arrays = Vec::new();
                for part in parts {
                    let array = self.number(part)?;
                    let Some(&own) = part.ty.axes.last() else {
                        return Err(self.unavailable(part, "joining a number without an axis"));
                    };
                    arrays.push((array, self.axis(own)?));
                }
                self.space.concat(&arrays, joint)
            }
            Node::Vector(entries, axis) => {
                let along = self.axis(*axis)?;
                let mut parts = Vec::new();
                for entry in entries {
                    parts.push(self.number(entry)?);
                }
                self.space.stack(&parts, along)
            }
            Node::If { cond, then, other } => {
                if let Some(known) = self.known(cond) {
                    return self.value(if known { then } else { other });
                }
                let (a, b) = (self.value(then)?, self.value(other)?);
                let chosen = self.choose(cond, a.array(), b.array())?;
                return Ok(a.through(|_| chosen));
            }
            Node::Is(inner, state) => {
                let value = self.value(inner)?;
                match (&value, &inner.ty.domain) {
                    (Value::State { hot, class, .. }, _) => self.space.at(hot, *class, *state),
                    (Value::Number(x), Domain::Spin) => {
                        let sign = if *state == 0 { -0.5 } else { 0.5 };
                        let (half, shift) = (self.space.scale(x, sign), self.space.scalar(0.5));
                        self.space.add(&half, &shift)
                    }
                    (Value::Number(x), _) if *state == 0 => self.space.complement(x),
                    (Value::Number(x), _) => x.clone(),
                }
            }
            Node::Compare(compare, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                match compare {
                    Compare::Lt => self.space.zip(Binary::Lt, &a, &b),
                    Compare::Le => self.space.zip(Binary::Le, &a, &b),
                    Compare::Gt => self.space.zip(Binary::Lt, &b, &a),
                    Compare::Ge => self.space.zip(Binary::Le, &b, &a),
                }
            }
            Node::IsFirst(index) => {
                let label = self.index(*index)?;
                let (position, zero) = (self.space.positions(label), self.space.scalar(0.0));
                self.space.zip(Binary::Eq, &position, &zero)
            }
            Node::IsLast(index) => {
                let label = self.index(*index)?;
                let axis = self.program.plate(*index);
                let position = self.space.positions(label);
                let one = self.space.scalar(1.0);
                let length = match self.length(axis) {
                    Some(length) => length,
                    None => self.space.scalar(self.space.extent(label) as f64),
                };
                let last = self.space.sub(&length, &one);
                self.space.zip(Binary::Eq, &position, &last)
            }
            Node::Table { of, entries } => {
                let mut values = Vec::new();
                let mut shape = Vec::new();
                for parent in of {
                    let states = match parent.ty.domain {
                        Domain::Cat(axis) => {
                            let label = self.axis(axis)?;
                            self.space.extent(label)
                        }
                        _ => 2,
                    };
                    values.push(self.value(parent)?);
                    shape.push(self.space.label(states));
                }
                let flat: usize = shape.iter().map(|&l| self.space.extent(l)).product();
                let all = self.space.label(flat);
                let mut rows = Vec::new();
                for entry in entries {
                    rows.push(self.number(entry)?);
                }
                let stacked = self.space.stack(&rows, all);
                let rest: Vec<Label> = stacked.labels.iter().copied().filter(|&l| l != all).collect();
                let labels: Vec<Label> = rest.iter().chain(&shape).copied().collect();
                let dims = self.space.shape(&labels);
                let mut table = Named { node: self.space.graph.reshape(stacked.node, &dims), labels };
                for ((value, parent), axis) in values.iter().zip(of).zip(shape) {
                    let value = spin_to_unit(&mut self.space, value, &parent.ty.domain);
                    table = value.pick(&mut self.space, &table, axis);
                }
                table
            }
            Node::Size(axis) => match self.length(*axis) {
                Some(length) => length,
                None => {
                    let label = self.axis(*axis)?;
                    self.space.scalar(self.space.extent(label) as f64)
                }
            },
            Node::Window { of, along, places, window } => {
                let array = self.number(of)?;
                let (label, places, window) = (self.axis(*along)?, self.axis(*places)?, self.axis(*window)?);
                self.check_step(label, places, expr.span)?;
                // What lies behind a row's end is outside.
                let array = self.within(&array, &[*along], 0.0)?;
                self.space.windows(&array, [label, places, window])
            }
            Node::Overlap { of, places, along, window } => {
                let array = self.number(of)?;
                let (label, from, window) = (self.axis(*along)?, self.axis(*places)?, self.axis(*window)?);
                self.check_step(label, from, expr.span)?;
                let array = self.within(&array, &[*places], 0.0)?;
                self.space.overlap(&array, [label, from, window])
            }
            Node::Blocks { of, along, outer, inner } => {
                let array = self.number(of)?;
                let labels = [self.axis(*along)?, self.axis(*outer)?, self.axis(*inner)?];
                self.space.blocks(&array, labels)
            }
            Node::Renamed { of, from, to } => {
                let array = self.number(of)?;
                let (from, to) = (self.axis(*from)?, self.axis(*to)?);
                self.space.rename(&array, from, to)
            }
            Node::Dropout(inner, share) => {
                let array = self.number(inner)?;
                match self.dropping {
                    true => self.dropout(expr, &array, *share),
                    false => array,
                }
            }
            Node::Column(..) => return Err(self.unavailable(expr, "a column inside a density")),
            Node::IsObserved(_) => return Err(self.unavailable(expr, "`is observed`")),
            Node::Objective(_) => {
                return Err(EmitError::at(
                    expr.span,
                    "a quantity of a whole model stands inside a density",
                    "use it in `maximise` or `evaluate`",
                ));
            }
        };
        Ok(Value::Number(named))
    }

    /// That the places on an axis are equally far apart.
    fn check_step(&self, along: Label, places: Label, span: Span) -> Result<(), EmitError> {
        let (positions, places) = (self.space.extent(along), self.space.extent(places));
        if places == 0 || positions.is_multiple_of(places) {
            return Ok(());
        }
        let text = format!("{positions} positions are not a whole number of steps for {places} places");
        Err(EmitError::at(span, text, "give the finer axis a multiple of the coarser one's size"))
    }

    /// A condition that is settled by the step of the walk.
    fn known(&self, cond: &Expr) -> Option<bool> {
        match (&cond.node, &self.walk) {
            (Node::IsFirst(index), Some(walk)) if self.program.plate(*index) == walk.along => Some(walk.first),
            _ => None,
        }
    }
}

/// A table is indexed by no and yes, whichever numbers the domain writes them as.
pub(super) fn spin_to_unit(space: &mut Space, value: &Value, domain: &Domain) -> Value {
    match (value, domain) {
        (Value::Number(x), Domain::Spin) => {
            let (half, shift) = (space.scale(x, 0.5), space.scalar(0.5));
            Value::Number(space.add(&half, &shift))
        }
        _ => value.clone(),
    }
}

fn unary(function: Function) -> Unary {
    match function {
        Function::Neg => Unary::Neg,
        Function::Exp => Unary::Exp,
        Function::Log => Unary::Log,
        Function::Sqrt => Unary::Sqrt,
        Function::Square => Unary::Square,
        Function::Abs => Unary::Abs,
        Function::Sin => Unary::Sin,
        Function::Cos => Unary::Cos,
        Function::Tanh => Unary::Tanh,
        Function::Sigmoid => Unary::Sigmoid,
        Function::Softplus => Unary::Softplus,
        Function::Relu => Unary::Relu,
        Function::Step => Unary::Step,
    }
}

/// Whether a condition is settled by the place alone, or is a plain yes or no by its making.
fn is_positional(cond: &Expr) -> bool {
    matches!(cond.node, Node::IsFirst(_) | Node::IsLast(_) | Node::IsObserved(_) | Node::Compare(..) | Node::State(_))
}
