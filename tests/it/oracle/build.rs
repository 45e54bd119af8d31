//! Typed programs by hand, for tests of what stands below checking. Types follow from the parts, by the rules of the language.

use ghmc::model::evaluate::Values;
use ghmc::model::{
    Arg, Axis, AxisId, AxisKind, Compare, Dist, Domain, Expr, Factor, FactorKind, Family, Function, IndexId, IndexVar,
    Model, ModelId, Node, Operator, Owner, Param, ParamId, Program, Reduction, Subscript, Target, Type, Var, VarId,
};
use ndarray::{ArrayD, Dimension, IxDyn};

use super::nowhere;

/// A program of one model, with values for its parameters and variables.
pub struct Build {
    pub program: Program,
    pub model: ModelId,
    pub values: Values,
}

impl Build {
    pub fn new() -> Self {
        let mut program = Program::default();
        let model = Model {
            name: "m".into(),
            vars: Vec::new(),
            params: Vec::new(),
            factors: Vec::new(),
            guide: None,
            span: nowhere(),
        };
        let model = program.models.push(model);
        Self { program, model, values: Values::default() }
    }

    pub fn axis_of_kind(&mut self, name: &str, kind: AxisKind, extent: Option<usize>) -> AxisId {
        self.program.axes.push(Axis { name: name.into(), kind, extent, labels: None, open: false, span: nowhere() })
    }

    pub fn axis(&mut self, name: &str, extent: usize) -> AxisId {
        self.axis_of_kind(name, AxisKind::Plain, Some(extent))
    }

    pub fn index(&mut self, name: &str, axis: AxisId) -> IndexId {
        self.program.indices.push(IndexVar { name: name.into(), axis, span: nowhere() })
    }

    pub fn var(&mut self, name: &str, index: &[AxisId], domain: Domain, event: &[AxisId]) -> VarId {
        let var = Var {
            name: name.into(),
            model: self.model,
            index: index.to_vec(),
            event: event.to_vec(),
            domain,
            given: false,
            span: nowhere(),
        };
        let id = self.program.vars.push(var);
        self.program.models[self.model].vars.push(id);
        id
    }

    /// A parameter with its value, row-major.
    pub fn param(&mut self, name: &str, axes: &[AxisId], domain: Domain, value: &[f64]) -> ParamId {
        let param = Param {
            name: name.into(),
            owner: Owner::Model(self.model),
            axes: axes.to_vec(),
            domain,
            prior: None,
            span: nowhere(),
        };
        let id = self.program.params.push(param);
        self.program.models[self.model].params.push(id);
        self.values.params.insert(id, array(&self.extents(axes), value));
        id
    }

    /// Gives a variable a value, row-major over its axes.
    pub fn set(&mut self, var: VarId, value: &[f64]) {
        let axes = self.program.vars[var].axes();
        self.values.vars.insert(var, array(&self.extents(&axes), value));
    }

    pub fn extents(&self, axes: &[AxisId]) -> Vec<usize> {
        axes.iter().map(|&a| super::extent(&self.program, &self.values, a)).collect()
    }

    pub fn factor(&mut self, plates: &[IndexId], kind: FactorKind) {
        let factor = factor(plates, kind);
        self.program.models[self.model].factors.push(factor);
    }

    /// `target[at] ~ family(args)`.
    pub fn distributed(
        &mut self,
        plates: &[IndexId],
        var: VarId,
        at: &[Subscript],
        family: Family,
        args: &[(Arg, Expr)],
    ) {
        self.factor(plates, conditional(var, at, family, args));
    }

    pub fn potential(&mut self, plates: &[IndexId], value: Expr) {
        self.factor(plates, FactorKind::Potential(value));
    }

    /// The variable, whole.
    pub fn v(&self, var: VarId) -> Expr {
        let declared = &self.program.vars[var];
        expr(Node::Var(var), declared.axes(), declared.domain.clone())
    }

    /// The parameter, whole.
    pub fn p(&self, param: ParamId) -> Expr {
        let declared = &self.program.params[param];
        expr(Node::Param(param), declared.axes.clone(), declared.domain.clone())
    }

    /// `log_density` at the values given so far.
    pub fn log_density(&self) -> Result<f64, ghmc::model::evaluate::EvaluateError> {
        ghmc::model::evaluate::log_density(&self.program, self.model, &self.values)
    }

    /// All entries of an expression, row-major over its axes, which lie where no plate is.
    pub fn value(&self, e: &Expr) -> Vec<f64> {
        let shape = self.extents(&e.ty.axes);
        let entry = |at: &[usize]| {
            ghmc::model::evaluate::expression_value(&self.program, self.model, e, at, &self.values)
                .expect("the expression has a value")
        };
        ArrayD::<u8>::zeros(IxDyn(&shape)).indexed_iter().map(|(at, _)| entry(at.slice())).collect()
    }
}

pub fn array(shape: &[usize], value: &[f64]) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(shape), value.to_vec()).expect("as many numbers as the axes ask for")
}

pub fn expr(node: Node, axes: Vec<AxisId>, domain: Domain) -> Expr {
    Expr { node, ty: Type { axes, domain }, span: nowhere() }
}

pub fn factor(plates: &[IndexId], kind: FactorKind) -> Factor {
    Factor { name: None, plates: plates.to_vec(), kind, span: nowhere() }
}

pub fn conditional(var: VarId, at: &[Subscript], family: Family, args: &[(Arg, Expr)]) -> FactorKind {
    let target = Target { var, at: at.to_vec() };
    FactorKind::Conditional { target, dist: Dist { family, args: args.to_vec() } }
}

pub fn num(x: f64) -> Expr {
    expr(Node::Number(x), vec![], Domain::Real)
}

pub fn at(index: IndexId, offset: i64) -> Subscript {
    Subscript::At { index, offset }
}

pub fn by(value: Expr) -> Subscript {
    Subscript::By(Box::new(value))
}

pub fn pick(base: Expr, at: Vec<Subscript>) -> Expr {
    // The axes of a chosen position come first, then those of the base that were not indexed; a prefix keeps its axis.
    let mut axes = Vec::new();
    for (subscript, &axis) in at.iter().zip(&base.ty.axes) {
        match subscript {
            Subscript::By(value) => axes.extend(value.ty.axes.clone()),
            Subscript::Prefix(_) => axes.push(axis),
            Subscript::At { .. } | Subscript::Constant(_) | Subscript::Last => {}
        }
    }
    axes.extend_from_slice(&base.ty.axes[at.len()..]);
    let domain = base.ty.domain.clone();
    expr(Node::Pick { base: Box::new(base), at }, axes, domain)
}

pub fn indicator(value: Expr) -> Expr {
    let Domain::Cat(class) = value.ty.domain else { panic!("only a state has an indicator") };
    let axes = value.ty.axes.iter().copied().chain([class]).collect();
    expr(Node::Indicator(Box::new(value)), axes, Domain::Real)
}

pub fn call(function: Function, e: Expr) -> Expr {
    let axes = e.ty.axes.clone();
    expr(Node::Call(function, Box::new(e)), axes, Domain::Real)
}

fn union(exprs: &[&Expr]) -> Vec<AxisId> {
    let mut axes = Vec::new();
    for axis in exprs.iter().flat_map(|e| &e.ty.axes) {
        if !axes.contains(axis) {
            axes.push(*axis);
        }
    }
    axes
}

pub fn binary(operator: Operator, a: Expr, b: Expr) -> Expr {
    let axes = union(&[&a, &b]);
    expr(Node::Binary(operator, Box::new(a), Box::new(b)), axes, Domain::Real)
}

pub fn add(a: Expr, b: Expr) -> Expr {
    binary(Operator::Add, a, b)
}

pub fn mul(a: Expr, b: Expr) -> Expr {
    binary(Operator::Mul, a, b)
}

/// `a @ b`.
pub fn dot(a: Expr, b: Expr) -> Expr {
    let over: Vec<AxisId> = a.ty.axes.iter().copied().filter(|axis| b.ty.axes.contains(axis)).collect();
    let axes = union(&[&a, &b]).into_iter().filter(|axis| !over.contains(axis)).collect();
    expr(Node::Contract { left: Box::new(a), right: Box::new(b), over }, axes, Domain::Real)
}

pub fn reduce(reduction: Reduction, e: Expr, over: &[AxisId]) -> Expr {
    let axes = e.ty.axes.iter().copied().filter(|axis| !over.contains(axis)).collect();
    expr(Node::Reduce(reduction, Box::new(e), over.to_vec()), axes, Domain::Real)
}

pub fn softmax(e: Expr, axis: AxisId) -> Expr {
    let axes = e.ty.axes.clone();
    expr(Node::Softmax(Box::new(e), axis), axes, Domain::Simplex)
}

pub fn choose(cond: Expr, then: Expr, other: Expr) -> Expr {
    let axes = union(&[&cond, &then, &other]);
    let domain = then.ty.domain.clone();
    expr(Node::If { cond: Box::new(cond), then: Box::new(then), other: Box::new(other) }, axes, domain)
}

pub fn is(value: Expr, state: usize) -> Expr {
    let axes = value.ty.axes.clone();
    expr(Node::Is(Box::new(value), state), axes, Domain::Bool)
}

pub fn compare(compare: Compare, a: Expr, b: Expr) -> Expr {
    let axes = union(&[&a, &b]);
    expr(Node::Compare(compare, Box::new(a), Box::new(b)), axes, Domain::Bool)
}

pub fn is_first(index: IndexId) -> Expr {
    expr(Node::IsFirst(index), vec![], Domain::Bool)
}

pub fn table(of: Vec<Expr>, entries: &[f64]) -> Expr {
    let axes = union(&of.iter().collect::<Vec<_>>());
    expr(Node::Table { of, entries: entries.iter().map(|&x| num(x)).collect() }, axes, Domain::Real)
}
