//! Which engine answers what, and why: chosen automatically, explained always.
//!
//! In: a typed program and the facts about its models. Out: a `Plan`, plain data that prints, compares and is carried out
//! by `engine` and `train` without further choice. Every rule answers with a claim or a refusal that names its reason.

mod ask;
mod choose;
mod cost;
mod draws;
mod expand;
mod explain;
mod guides;
mod method;
mod missing;
mod overrides;
#[allow(clippy::module_inception)]
mod plan;
mod rules;
mod warnings;

pub use ask::choose_ask;
pub use choose::{bound_by, choose_plan};
pub use expand::expand;
pub use explain::{Work, brief_line, explain_json, explain_text, works};
pub use guides::{MissingGuide, missing_guides};
pub use method::{Optimiser, Rule, Schedule};
pub use missing::Missing;
pub use plan::{
    Annealing, Answer, AnswerShape, AskPlan, Block, Chains, Coefficients, Cost, Draws, Engine, Expectation, Fitted,
    JointPlan, Kind, LayerPlan, Leaf, LinePlan, LogLikPlan, MSteps, Machine, Normaliser, NormaliserOf, Normalising,
    ObjectivePlan, Partition, PieceRef, Plan, Refusal, Regression, Resampled, Side, StagePlan, Swept, TrainPlan,
    Update, VariationalPlan, WakeSleepPlan, partial_of,
};
