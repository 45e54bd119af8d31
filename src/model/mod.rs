//! The typed program: what a checked file means, as plain data that prints.
//!
//! `sema` makes it, everything after reads it. Sub-models and nets are already expanded into expressions here, so a
//! program is nothing but parameters, variables and the factors of one log-density a model.

pub mod axis;
pub mod entries;
pub mod evaluate;
pub mod expr;
pub mod family;
pub mod graph;
pub mod inline;
pub mod network;
pub mod order;
pub mod position;
pub mod print;
pub mod program;
pub mod request;
pub mod tabulate;
pub mod walk;

pub use axis::{Axis, AxisId, AxisKind};
pub use entries::{EntryRead, EntryReads, entries_of, entry_reads};
pub use expr::{Above, Compare, Expr, Function, Node, Objective, Operator, Part, Reduction, Subject, Subscript, Type};
pub use family::{Arg, Dist, Family, Fit};
pub use graph::FactorGraph;
pub use inline::inline_definitions;
pub use network::{NetFactor, NetVariable, Network};
pub use order::{guide_order, order_factors};
pub use position::Along;
pub use program::{
    Binding, Data, DataId, DataSource, Domain, Factor, FactorKind, Guide, IndexId, IndexVar, Model, ModelId, Owner,
    Param, ParamId, Program, Scale, Target, Transform, Var, VarId,
};
pub use request::{
    Argument, Ask, Call, DataRef, Evidence, EvidenceValue, Group, Infer, Init, Inner, Line, Metric, Moment, Place,
    Question, Require, Stage, Train, Verb,
};
pub use tabulate::tabulate;
