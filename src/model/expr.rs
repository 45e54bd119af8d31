//! Typed expressions: the one language in which potentials, arguments of distributions and objectives are written.
//!
//! A value has named axes; operands line up by name. Inside `for t in Frame` the type is that of one `t`; lowering lifts
//! the plate into an axis.

use serde::{Deserialize, Serialize};

use super::axis::AxisId;
use super::program::{DataId, Domain, IndexId, ModelId, ParamId, VarId};
use crate::base::span::Span;

/// What a value is: its named axes, outermost first, and where each entry lives.
///
/// A value of domain `Cat(a)` is one state of `a` an entry; its indicator (`Node::Indicator`) is `Real` with `a` appended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Type {
    /// Named axes.
    pub axes: Vec<AxisId>,
    /// Where each entry lives.
    pub domain: Domain,
}

/// An expression with its type and place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    /// What it does.
    pub node: Node,
    /// What it gives.
    pub ty: Type,
    /// Where it was written; parts that the compiler adds carry the span of what they come from.
    pub span: Span,
}

/// How one leading axis is indexed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Subscript {
    /// The position of a plate's index, shifted by a constant: `x[t-1]`.
    At {
        /// The index variable.
        index: IndexId,
        /// The shift.
        offset: i64,
    },
    /// A value of an enumeration (or a `Bool`, no = 0, yes = 1): `A[s[t-1]]`.
    By(Box<Expr>),
    /// A fixed position, from 0.
    Constant(usize),
    /// The positions before a plate's index: `word[<t]`.
    Prefix(IndexId),
    /// The last position of the axis, in this row where it is ragged.
    Last,
}

impl Subscript {
    /// Whether it names one place, known without any value: a plate's position or a constant.
    pub fn is_place(&self) -> bool {
        matches!(self, Subscript::At { .. } | Subscript::Constant(_))
    }
}

/// Elementwise functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Function {
    Neg,
    Exp,
    Log,
    Sqrt,
    Square,
    Abs,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Softplus,
    Relu,
    /// 1 where the argument is positive, else 0: a threshold unit. Its derivative is zero almost everywhere.
    Step,
}

impl Function {
    /// Every function.
    pub const ALL: [Function; 13] = [
        Function::Neg,
        Function::Exp,
        Function::Log,
        Function::Sqrt,
        Function::Square,
        Function::Abs,
        Function::Sin,
        Function::Cos,
        Function::Tanh,
        Function::Sigmoid,
        Function::Softplus,
        Function::Relu,
        Function::Step,
    ];

    /// The word by which files call it (`Neg` is written `-x`).
    pub fn name(self) -> &'static str {
        match self {
            Function::Neg => "neg",
            Function::Exp => "exp",
            Function::Log => "log",
            Function::Sqrt => "sqrt",
            Function::Square => "square",
            Function::Abs => "abs",
            Function::Sin => "sin",
            Function::Cos => "cos",
            Function::Tanh => "tanh",
            Function::Sigmoid => "sigmoid",
            Function::Softplus => "softplus",
            Function::Relu => "relu",
            Function::Step => "step",
        }
    }
}

/// Elementwise operators of two arguments; axes of one missing in the other repeat it (only scalars and plates may differ).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Operator {
    Add,
    Sub,
    Mul,
    Div,
}

/// Comparisons; the result is a `Bool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Compare {
    Lt,
    Le,
    Gt,
    Ge,
}

/// Reductions over named axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Reduction {
    Sum,
    Mean,
    LogSumExp,
    Max,
}

/// What an expression does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Node {
    /// A number.
    Number(f64),
    /// A state of the type's domain: no = 0 and yes = 1 for `Bool`, the position in the enumeration for `Cat`.
    State(usize),
    /// A parameter, whole.
    Param(ParamId),
    /// A variable, whole.
    Var(VarId),
    /// The base with its leading axes indexed.
    Pick {
        /// What is indexed.
        base: Box<Expr>,
        /// One subscript a leading axis.
        at: Vec<Subscript>,
    },
    /// The indicator vector of a `Cat` value: the class axis is appended to its axes.
    Indicator(Box<Expr>),
    /// An elementwise function.
    Call(Function, Box<Expr>),
    /// An elementwise operator.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a @ b`: the product summed over the axes both have.
    Contract {
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
        /// The axes summed over.
        over: Vec<AxisId>,
    },
    /// A reduction over some of the argument's axes.
    Reduce(Reduction, Box<Expr>, Vec<AxisId>),
    /// Normalised exponentials along an axis.
    Softmax(Box<Expr>, AxisId),
    /// `a ++ b`: vectors laid end to end along a sum axis, which stands last in the type.
    Concat(Vec<Expr>, AxisId),
    /// `[a, b, c]`: numbers along an axis, which stands last in the type.
    Vector(Vec<Expr>, AxisId),
    /// A choice, elementwise in the condition.
    If {
        /// A `Bool`.
        cond: Box<Expr>,
        /// Taken where it is yes.
        then: Box<Expr>,
        /// Taken where it is no.
        other: Box<Expr>,
    },
    /// Whether a discrete value is in a state.
    Is(Box<Expr>, usize),
    /// A comparison of numbers.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// `t is first`.
    IsFirst(IndexId),
    /// `t is last` (of that row, where the plate is ragged).
    IsLast(IndexId),
    /// `y is observed`.
    IsObserved(VarId),
    /// `table(a, b) { .. }`: an entry for each joint state of the discrete values, last fastest.
    Table {
        /// The discrete values that select.
        of: Vec<Expr>,
        /// Row-major entries.
        entries: Vec<Expr>,
    },
    /// The extent of an axis (of that row, where it is ragged).
    Size(AxisId),
    /// The neighbours of places along an axis: `along` becomes `places`, and entry w of the window, which stands last in the
    /// type, is the argument at position s·t + w − ⌊width/2⌋, s the ratio of the two axes' sizes; 0 outside the axis.
    Window {
        /// What is looked at.
        of: Box<Expr>,
        /// The axis along which.
        along: AxisId,
        /// The axis of the places looked from; `along` itself where every position is one.
        places: AxisId,
        /// The window's axis.
        window: AxisId,
    },
    /// The transpose of `Window`: `places` becomes `along`, the window goes, and position i holds the sum of the argument's
    /// entries at all t and w with s·t + w − ⌊width/2⌋ = i.
    Overlap {
        /// What is laid over each other.
        of: Box<Expr>,
        /// The axis of the places.
        places: AxisId,
        /// The axis it becomes.
        along: AxisId,
        /// The window's axis.
        window: AxisId,
    },
    /// An axis cut into equal blocks: `along` becomes `outer`, and `inner` stands last in the type; what is left over at the
    /// end is dropped.
    Blocks {
        /// What is cut.
        of: Box<Expr>,
        /// The axis that is cut.
        along: AxisId,
        /// The blocks.
        outer: AxisId,
        /// The positions within one.
        inner: AxisId,
    },
    /// The argument with one of its axes called by another that runs along the same positions.
    Renamed {
        /// What is read.
        of: Box<Expr>,
        /// The axis it has.
        from: AxisId,
        /// The axis it gets.
        to: AxisId,
    },
    /// The argument with each entry set to 0 with that probability and divided by the probability of staying; while learning
    /// only, else the argument (Srivastava et al. 2014).
    Dropout(Box<Expr>, f64),
    /// A column of a data set: only in bindings that are computed.
    Column(DataId, usize),
    /// A quantity of a whole model: only in objectives and questions.
    Objective(Box<Objective>),
}

/// A model, or the guide beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A model.
    Model(ModelId),
    /// A model's guide.
    Guide(ModelId),
    /// A data set: its rows are the samples.
    Data(DataId),
}

impl Subject {
    /// The model it is or belongs to; none for data.
    pub fn model(self) -> Option<super::program::ModelId> {
        match self {
            Subject::Model(model) | Subject::Guide(model) => Some(model),
            Subject::Data(_) => None,
        }
    }
}

/// Quantities of whole models that objectives are made of; each is a number a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Objective {
    /// `loglik(A | B)` = log Z[A, B clamped] − log Z[B clamped]; bound but unnamed variables are summed out.
    LogLik {
        /// Whose.
        model: ModelId,
        /// A; all that is bound where empty.
        targets: Vec<VarId>,
        /// B.
        given: Vec<VarId>,
    },
    /// The evidence lower bound E_q[log p̃ − log q] under the guide.
    Bound {
        /// Whose.
        model: ModelId,
        /// Weight of the KL part; 1 where absent.
        kl_weight: Option<super::request::Argument>,
    },
    /// The importance-weighted bound E[log 1/K Σ_k p̃(x, z_k)/q(z_k | x)] over K draws of the guide (Burda et al. 2016).
    ImportanceBound {
        /// Whose.
        model: ModelId,
        /// K.
        samples: usize,
    },
    /// `log(guide(y | x))`, `log(m(y | x))`: a normalised log-density of the subject at its variables' values.
    LogDensity {
        /// Whose.
        of: Subject,
        /// The variables scored.
        targets: Vec<VarId>,
        /// The variables conditioned on.
        given: Vec<VarId>,
    },
    /// A log-density of all that a row leaves latent and all that it tells, whatever these are.
    Part {
        /// Whose.
        of: Subject,
        /// Of what.
        part: Part,
    },
    /// The log-density of one layer: the bipartite machine whose conditionals are the model's of what lies below and the guide's of what
    /// lies above, or an undirected part (Hinton, Osindero & Teh 2006).
    Layer {
        /// Whose.
        model: ModelId,
        /// What lies above.
        above: Above,
    },
    /// A number that changes while a stage runs.
    Scheduled(super::request::Argument),
    /// `E[body for vars ~ source]`, or with `times` the mean of so many draws.
    Expect {
        /// What is averaged.
        body: Expr,
        /// What is drawn; everything where empty.
        vars: Vec<VarId>,
        /// From where.
        source: Subject,
        /// The number of draws averaged; none: the expectation itself.
        draws: Option<usize>,
    },
}

/// What a layer is called by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Above {
    /// A variable of the guide.
    Var(VarId),
    /// An undirected part, by its name.
    Part(String),
}

/// What of a row a log-density is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Everything: `(observed, latent)`.
    Joint,
    /// What is latent: of a model its prior, of a guide the whole of it.
    Latent,
    /// What is observed given what is latent.
    Observed,
}
