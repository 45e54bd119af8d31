//! Declarations: parameters, variables, factors, models, data.

use serde::{Deserialize, Serialize};

use super::axis::{Axis, AxisId};
use super::expr::{Expr, Subscript};
use super::family::Dist;
use super::request::{Ask, Infer, Require, Train};
use crate::base::id::Arena;
use crate::base::span::Span;

crate::ids!(
    /// A learned array of numbers.
    ParamId,
    /// A variable of a model.
    VarId,
    /// The index variable of a plate (`t` in `for t in Frame`).
    IndexId,
    /// A data set.
    DataId,
    /// A model.
    ModelId,
);

/// Where a value lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Domain {
    /// no or yes, as numbers 0 and 1.
    Bool,
    /// −1 or +1.
    Spin,
    /// A state of the enumeration that the axis is.
    Cat(AxisId),
    /// 0, 1, 2, ..
    Count,
    /// Any real number.
    Real,
    /// A positive number.
    Positive,
    /// A number in [0, 1].
    Unit,
    /// Non-negative numbers that sum to one along the last axis.
    Simplex,
    /// A symmetric positive-definite matrix over the last two axes, of which the second is an alias of the first.
    Cov,
}

impl Domain {
    /// Whether there are finitely many values an entry.
    pub fn is_discrete(&self) -> bool {
        matches!(self, Domain::Bool | Domain::Spin | Domain::Cat(_))
    }
}

/// Who a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// The file: shared by name.
    File,
    /// A model.
    Model(ModelId),
    /// A model's guide.
    Guide(ModelId),
    /// A net, by its position in `Program::nets`.
    Net(usize),
}

/// A learned array of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its full name: `m.W0`, `m.memory.W`, `m.guide.R0`, `enc.1.weight`; unique in the program.
    pub name: String,
    /// Who it belongs to.
    pub owner: Owner,
    /// All its axes, index axes first; a `Simplex` sums to one along the last.
    pub axes: Vec<AxisId>,
    /// Where its entries live.
    pub domain: Domain,
    /// A prior on its entries, which makes learning maximise the posterior.
    pub prior: Option<Dist>,
    /// Where it was declared.
    pub span: Span,
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Var {
    /// Its name.
    pub name: String,
    /// The model it belongs to.
    pub model: ModelId,
    /// Plates it is repeated over (`s[Frame]`), outermost first.
    pub index: Vec<AxisId>,
    /// Axes of one instance (`x: Bool[Pixel]`).
    pub event: Vec<AxisId>,
    /// Where its entries live.
    pub domain: Domain,
    /// Whether it is always conditioned on.
    pub given: bool,
    /// Where it was declared.
    pub span: Span,
}

impl Var {
    /// Index and event axes together.
    pub fn axes(&self) -> Vec<AxisId> {
        self.index.iter().chain(&self.event).copied().collect()
    }
}

/// The index variable of a plate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexVar {
    /// Its name.
    pub name: String,
    /// The plate's axis.
    pub axis: AxisId,
    /// Where it was introduced.
    pub span: Span,
}

/// Which instance of a variable a factor speaks of: `x[t]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The variable.
    pub var: VarId,
    /// One subscript an index axis.
    pub at: Vec<Subscript>,
}

/// One statement: one contribution to log p̃, repeated over its plates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Its name, where `as` gave one.
    pub name: Option<String>,
    /// The plates it stands in, outermost first.
    pub plates: Vec<IndexId>,
    /// What it contributes.
    pub kind: FactorKind,
    /// Where it was written.
    pub span: Span,
}

/// What a factor contributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FactorKind {
    /// `x ~ D(..)`: log D(x; ..), summed over the entries of x.
    Conditional {
        /// What is distributed.
        target: Target,
        /// How.
        dist: Dist,
    },
    /// `factor e`: e itself, higher is likelier; nothing where it indexes outside its axis.
    Potential(Expr),
    /// `x = e`: no contribution; x is another name for e.
    Deterministic {
        /// What is defined.
        target: Target,
        /// As what.
        value: Expr,
    },
    /// `(a, b) ~ m(..)` of an undirected sub-model m: its potentials minus the log-partition over `vars`.
    Undirected {
        /// The variables it normalises over.
        vars: Vec<VarId>,
        /// The sub-model's factors, with the arguments put in.
        body: Vec<Factor>,
    },
}

/// A model: variables, parameters and the factors of its log-density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Variables, `given` ones first, then in the order of declaration.
    pub vars: Vec<VarId>,
    /// Its own parameters (those of expanded sub-models included; nets' and file-level ones are elsewhere).
    pub params: Vec<ParamId>,
    /// The factors, in the order written.
    pub factors: Vec<Factor>,
    /// The distribution proposed for its latent variables, if the file has one.
    pub guide: Option<Guide>,
    /// Where it was declared.
    pub span: Span,
}

/// A guide: a second directed density over a model's latent variables, given what is observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guide {
    /// Its own parameters.
    pub params: Vec<ParamId>,
    /// Its conditionals, in the order written; the variables are the model's.
    pub factors: Vec<Factor>,
    /// What was written for it where the file has none: nets and the guide, as a file would have them.
    pub made: Option<String>,
    /// Where it was declared; one that was made stands where its model does.
    pub span: Span,
}

/// A net: nothing but the name of a group of parameters, since its calls are expanded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Net {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<ParamId>,
    /// Where it was declared.
    pub span: Span,
}

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DataSource {
    /// `dataset("digits")`, `csv("rolls.csv")`, ..: a reader and the name or path it is given.
    Read {
        /// The reader's name.
        reader: String,
        /// Its argument.
        path: String,
        /// The names that the columns of a file without names get, in its order.
        columns: Vec<String>,
    },
    /// `sample(model, n, seed = s)`, `sample(model, other.train, seed = s)`.
    Sample {
        /// The model drawn from.
        model: ModelId,
        /// How many rows; 0 where there is one for each row of other data.
        rows: usize,
        /// The data whose rows the draws are made for: what they bind is taken from there.
        given: Option<super::request::DataRef>,
        /// The seed.
        seed: u64,
    },
    /// Another data set, or a split of it, with bindings of its own.
    Of(super::request::DataRef),
}

/// How a bound column is made of what the source offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Transform {
    /// The column as it is.
    Plain,
    /// Numbers in [0, 1] kept as the probabilities of a `Bool`.
    Soft,
    /// A fresh Bernoulli draw with these probabilities each epoch.
    Binarise,
    /// yes where the number exceeds the threshold.
    Above(f64),
    /// The words of a text, one after the other.
    Words,
    /// All but `rows` labels taken away, with equally many a label if `balanced`.
    Reveal {
        /// How many labels are kept.
        rows: usize,
        /// Equally many of each.
        balanced: bool,
    },
    /// A function of other columns: `features(window(x, Window))`.
    Computed(Box<Expr>),
}

/// What the numbers of a column are multiplied or divided by before anything else is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scale {
    /// `column * 2`.
    Times(f64),
    /// `column / 255`.
    Over(f64),
}

/// One bound column: `x: Bool[Pixel] = soft(image)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The name variables are bound by.
    pub name: String,
    /// Index axes then event axes.
    pub axes: Vec<AxisId>,
    /// Where its entries live.
    pub domain: Domain,
    /// The source's column.
    pub column: String,
    /// What its numbers are scaled by, if anything.
    pub scale: Option<Scale>,
    /// What is done to it.
    pub transform: Transform,
    /// Whether some rows have no value, as far as is known: the data may not have been read.
    pub partial: bool,
    /// Where it was written.
    pub span: Span,
}

/// A data set with its bindings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: DataSource,
    /// Its bound columns.
    pub bindings: Vec<Binding>,
    /// Where it was declared.
    pub span: Span,
}

/// A checked file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Axes.
    pub axes: Arena<AxisId, Axis>,
    /// Parameters of every owner.
    pub params: Arena<ParamId, Param>,
    /// Variables of every model.
    pub vars: Arena<VarId, Var>,
    /// Plates' index variables.
    pub indices: Arena<IndexId, IndexVar>,
    /// Data sets.
    pub data: Arena<DataId, Data>,
    /// Models.
    pub models: Arena<ModelId, Model>,
    /// Nets.
    pub nets: Vec<Net>,
    /// Training, in the order written.
    pub trains: Vec<Train>,
    /// Questions, in the order written.
    pub asks: Vec<Ask>,
    /// Overrides of the planner.
    pub infers: Vec<Infer>,
    /// What the planner must reach.
    pub requires: Vec<Require>,
    /// Names of the asks that the report shows first; all where empty.
    pub report: Vec<String>,
}
