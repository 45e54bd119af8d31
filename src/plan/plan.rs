//! The plan as data: blocks with their engines, objectives with the blocks they need, stages, answers.

use serde::Serialize;

use super::method::{Optimiser, Schedule};
use super::missing::Missing;
pub use super::rules::regression::{Coefficients, Regression};
use crate::analysis::Reason;
use crate::base::approximate::Approximate;
use crate::base::span::Span;
use crate::diag::Diagnostic;
use crate::model::{
    AxisId, DataRef, Evidence, Expr, Fit, IndexId, Init, Metric, ModelId, ParamId, Place, Subject, VarId, Verb,
};

/// What a printed number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Exact, up to rounding.
    Exact,
    /// A lower bound.
    LowerBound,
    /// An estimate.
    Estimate,
}

/// Written as its sign.
impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.sign())
    }
}

impl Kind {
    /// The sign that is printed before the number.
    pub fn sign(self) -> &'static str {
        match self {
            Kind::Exact => "=",
            Kind::LowerBound => "≥",
            Kind::Estimate => "≈",
        }
    }

    /// The kind of a sum of two numbers.
    pub fn and(self, other: Kind) -> Kind {
        self.max(other)
    }
}

/// Predicted work and memory for one datum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes of the largest intermediate value.
    pub bytes: f64,
}

/// Why a better engine does not apply.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refusal {
    /// The engine.
    pub engine: &'static str,
    /// Why not.
    pub reason: Reason,
    /// What would make it apply.
    pub mend: Option<String>,
}

/// One summand of log p̃, by position: the model's factor, and the factor inside it if that is a sub-model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PieceRef {
    /// Position in `Model::factors`.
    pub position: usize,
    /// Position among that factor's leaves.
    pub leaf: usize,
}

/// How a block's log-partition is computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Engine {
    /// Sum the variables of `summed` in closed form inside an enumeration of the joint states of `kept`.
    Enumeration {
        /// Entries independent given the rest.
        summed: Vec<VarId>,
        /// Enumerated jointly.
        kept: Vec<VarId>,
    },
    /// Forward-backward along a plate (Rabiner 1989), over the joint state of the block's variables at one position.
    ForwardBackward {
        /// The plate.
        along: AxisId,
        /// The indices that the block's summands use on it.
        indices: Vec<IndexId>,
    },
    /// A junction tree over the entries of the block's variables, each summand a table of those that it reads (Lauritzen &
    /// Spiegelhalter 1988).
    JunctionTree,
    /// A method that comes near, over the tables that a junction tree would sum: only where it is asked for.
    Approximate(Approximate),
    /// Mean field over the summands as they stand, entries of a set settled at once (Saul, Jaakkola & Jordan 1996; Salakhutdinov &
    /// Hinton 2009, equation 12): each entry's mean is what its conditional says at the others' means.
    Settled {
        /// What is settled at once, in order.
        sweep: Vec<Resampled>,
        /// It ends when no mean moved by more than this.
        tolerance: f64,
        /// Or after so many rounds.
        rounds: usize,
    },
    /// Integrate the variables of `summed`, in which log p̃ is quadratic, inside an enumeration of the joint states of `kept`: position
    /// by position along a plate (Kalman 1960; Rauch, Tung & Striebel 1965), or all entries at once.
    Gaussian {
        /// Integrated.
        summed: Vec<VarId>,
        /// Enumerated jointly.
        kept: Vec<VarId>,
        /// The plate, where they are a chain along one.
        along: Option<AxisId>,
    },
}

impl Engine {
    /// The name by which `explain`, `infer` and `by` know it.
    pub fn name(&self) -> &'static str {
        match self {
            Engine::Enumeration { kept, .. } if kept.is_empty() => "closed form",
            Engine::Enumeration { .. } => "enumeration",
            Engine::ForwardBackward { .. } => "forward-backward",
            Engine::JunctionTree => "junction tree",
            Engine::Approximate(method) => method.name(),
            Engine::Settled { .. } => super::rules::field::NAME,
            Engine::Gaussian { along: Some(_), .. } => super::rules::gaussian::CHAIN,
            Engine::Gaussian { along: None, .. } => super::rules::gaussian::DENSE,
        }
    }
}

/// Latent variables treated together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// The variables.
    pub vars: Vec<VarId>,
    /// The summands that touch them.
    pub pieces: Vec<PieceRef>,
    /// Plates over which the block repeats.
    pub plates: Vec<AxisId>,
    /// How.
    pub engine: Engine,
    /// What its numbers are.
    pub kind: Kind,
    /// Why this engine.
    pub reason: String,
    /// Predicted cost a datum, where all extents are known.
    pub cost: Option<Cost>,
    /// Better engines that do not apply.
    pub rejected: Vec<Refusal>,
}

/// A log-partition with some variables fixed: the summands without latent variables, and a block for each component.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Partition {
    /// The model.
    pub model: ModelId,
    /// Fixed variables.
    pub fixed: Vec<VarId>,
    /// Variables that have a value in some rows: evidence there, and summed over elsewhere.
    pub partial: Vec<VarId>,
    /// Those of them on which nothing hangs: where a row lacks one, its density integrates to one and is left out.
    pub loose: Vec<VarId>,
    /// Summands that touch no latent variable.
    pub settled: Vec<PieceRef>,
    /// The latent rest.
    pub blocks: Vec<Block>,
}

impl Partition {
    /// What the logarithm of its sum is.
    pub fn kind(&self) -> Kind {
        self.blocks.iter().fold(Kind::Exact, |kind, b| kind.and(b.kind))
    }

    /// What its marginals are: those of a bound are no bounds.
    pub fn marginals(&self) -> Kind {
        if self.kind() == Kind::Exact { Kind::Exact } else { Kind::Estimate }
    }
}

/// What a normaliser belongs to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum NormaliserOf {
    /// An undirected sub-model, by its factor's position.
    Group(usize),
    /// The model's own potentials.
    Model,
}

/// How log Z is dealt with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Normalising {
    /// Computed.
    Exact(Box<Block>),
    /// Only its gradient, by contrastive divergence (Hinton 2002): `steps` sweeps of block Gibbs from the data, or from where the
    /// chains were left at the step before.
    Contrastive {
        /// Sweeps, perhaps scheduled over epochs.
        steps: Schedule,
        /// What is resampled at once, in the order of a sweep; the first is resampled first.
        sweep: Vec<Resampled>,
        /// Variables whose value is at hand where the chain starts from data.
        visible: Vec<VarId>,
        /// How some of the others are summed where the chain ends; without it the chain's own state is scored.
        hidden: Option<Box<Block>>,
        /// Chains that go on from step to step (Younes 1989; Tieleman 2008); without them each starts from a row of the data.
        chains: Option<Chains>,
    },
    /// An estimate of its value, by annealed importance sampling.
    Annealed(Annealing),
}

/// Annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008) from independent entries to the part itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Annealing {
    /// Runs, side by side.
    pub chains: usize,
    /// Temperatures between the start and the end.
    pub betas: usize,
    /// What is resampled at once at each temperature; the first is summed in closed form where `summed` is there.
    pub sweep: Vec<Resampled>,
    /// How the first set is summed.
    pub summed: Option<Box<Block>>,
    /// The name under which its value is handed to what needs it.
    pub name: String,
}

/// What one move of block Gibbs resamples, given everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Resampled {
    /// All entries of some variables at once: they are independent given the rest.
    Together(Vec<VarId>),
    /// The entries of one variable that are coupled with each other: in turn those of each colour.
    Entries {
        /// The variable.
        var: VarId,
        /// How many colours, where the extents are known.
        colours: Option<usize>,
    },
}

impl Resampled {
    /// The variables.
    pub fn vars(&self) -> &[VarId] {
        match self {
            Resampled::Together(vars) => vars,
            Resampled::Entries { var, .. } => std::slice::from_ref(var),
        }
    }
}

/// Chains that live as long as a stage does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chains {
    /// How many; 0 until the stage's batch is known.
    pub count: usize,
    /// The name under which their state is kept: no other chains of the stage have it.
    pub name: String,
}

/// A log-partition that stands with a minus in the objective.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Normaliser {
    /// What it normalises.
    pub of: NormaliserOf,
    /// Its name for people.
    pub name: String,
    /// Its variables.
    pub vars: Vec<VarId>,
    /// Its summands.
    pub pieces: Vec<PieceRef>,
    /// How.
    pub how: Normalising,
    /// Why so.
    pub reason: String,
    /// Better ways that do not apply.
    pub rejected: Vec<Refusal>,
}

/// `loglik(A | B)`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogLikPlan {
    /// log Z with A and B fixed.
    pub clamped: Partition,
    /// log Z with B fixed, where anything but B is scored by a subtraction and not by a normalised conditional.
    pub free: Option<Partition>,
    /// Normalisers of undirected parts.
    pub normalisers: Vec<Normaliser>,
    /// Variables whose entries are scored one by one, each given all others, in place of all together (Besag 1975).
    pub each: Option<Vec<VarId>>,
    /// What the value is; none if only the gradient is known.
    pub kind: Option<Kind>,
}

/// The evidence lower bound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VariationalPlan {
    /// The model.
    pub model: ModelId,
    /// Guide variables in the order drawn, each with how its expectation is taken.
    pub draws: Vec<(VarId, Expectation)>,
    /// Variables whose Kullback–Leibler part is computed in closed form.
    pub analytic: Vec<VarId>,
    /// Where the model has undirected parts: its joint density with what the guide does not draw summed out.
    pub joint: Option<Box<JointPlan>>,
    /// Fixed variables.
    pub fixed: Vec<VarId>,
    /// Weight of the Kullback–Leibler part.
    pub kl_weight: Schedule,
    /// Why so.
    pub reason: String,
    /// Better engines that do not apply.
    pub rejected: Vec<Refusal>,
}

/// log p of what is known with the rest summed out, undirected parts normalised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JointPlan {
    /// log Z with data and guide variables fixed.
    pub clamped: Partition,
    /// What normalises undirected parts.
    pub normalisers: Vec<Normaliser>,
}

/// How an expectation under a guide's conditional is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Expectation {
    /// A draw written as a differentiable function of noise (Kingma & Welling 2014).
    Reparameterised,
    /// A sum over its states.
    Enumerated,
    /// A draw through which no derivative flows: where the bound is evaluated and not learned from.
    Drawn,
}

/// Learning a directed model and its guide by each other's samples (Hinton et al. 1995; up-down: Hinton et al. 2006).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WakeSleepPlan {
    /// The model.
    pub model: ModelId,
    /// Fixed variables: data in the wake phase, dreamed in the sleep phase.
    pub fixed: Vec<VarId>,
    /// Guide variables in the order drawn.
    pub draws: Vec<VarId>,
    /// Positions of the model's directed conditionals, parents first.
    pub conditionals: Vec<usize>,
    /// Undirected parts, learned by contrastive divergence from the wake state; their chain starts the sleep phase.
    pub normalisers: Vec<Normaliser>,
    /// Why so.
    pub reason: String,
    /// Better engines that do not apply.
    pub rejected: Vec<Refusal>,
}

/// One layer of greedy learning: a bipartite machine made of a directed conditional and the guide's inverse of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerPlan {
    /// The model.
    pub model: ModelId,
    /// Fixed variables of the data.
    pub fixed: Vec<VarId>,
    /// Guide variables whose means feed the layer, in order.
    pub below: Vec<VarId>,
    /// What the layer learns.
    pub machine: Machine,
    /// Sweeps of contrastive divergence.
    pub steps: Schedule,
    /// Parameters that start from others when the layer is done.
    pub then: Vec<(ParamId, ParamId)>,
    /// Why so.
    pub reason: String,
}

/// What one layer of greedy learning is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Machine {
    /// visible·logit(hidden) + hidden·guide logit at zero: the potential that both conditionals share.
    Pair {
        /// The variable below.
        visible: VarId,
        /// The position of its conditional in the model.
        generative: usize,
        /// The variable above.
        hidden: VarId,
        /// The position of its conditional in the guide.
        recognition: usize,
    },
    /// An undirected part of the model.
    Group(Box<Normaliser>),
}

/// A model quantity inside an objective, in the order of reading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Leaf {
    /// A log-likelihood.
    LogLik(LogLikPlan),
    /// An evidence lower bound.
    Variational(VariationalPlan),
    /// log of a guide's conditionals at the variables' values.
    GuideDensity {
        /// The model whose guide it is.
        model: ModelId,
        /// The positions of the guide's conditionals that are summed.
        conditionals: Vec<usize>,
        /// Variables whose values it needs.
        fixed: Vec<VarId>,
    },
}

/// What a training line climbs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum ObjectivePlan {
    /// An expression over model quantities, maximised as its mean over rows.
    Expression {
        /// The expression.
        expr: Expr,
        /// Its quantities.
        leaves: Vec<Leaf>,
    },
    /// A layer of greedy learning.
    Layer(LayerPlan),
    /// Wake and sleep.
    WakeSleep(WakeSleepPlan),
}

impl VariationalPlan {
    /// Whether a log-partition in it is an estimate, which bounds nothing.
    pub fn is_estimated(&self) -> bool {
        let estimated = |n: &Normaliser| match &n.how {
            Normalising::Exact(block) => block.kind != Kind::Exact,
            Normalising::Contrastive { .. } | Normalising::Annealed(_) => true,
        };
        self.joint.iter().flat_map(|j| &j.normalisers).any(estimated)
    }
}

impl Leaf {
    /// Whether its value is known, and not a gradient alone.
    pub fn has_value(&self) -> bool {
        match self {
            Leaf::LogLik(plan) => plan.kind.is_some(),
            Leaf::Variational(_) | Leaf::GuideDensity { .. } => true,
        }
    }
}

impl ObjectivePlan {
    /// Whether the number that is climbed is the objective's value, and not a stand-in with the same gradient.
    pub fn has_value(&self) -> bool {
        match self {
            ObjectivePlan::Expression { leaves, .. } => leaves.iter().all(Leaf::has_value),
            ObjectivePlan::Layer(_) | ObjectivePlan::WakeSleep(_) => false,
        }
    }
}

/// How one parameter is fitted by an M-step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fitted {
    /// The parameter.
    pub param: ParamId,
    /// From which statistics.
    pub fit: Fit,
    /// The parameter that a spread is measured about, if it is fitted in the same step.
    pub mean: Option<ParamId>,
}

/// The M-steps of a line's parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MSteps {
    /// Parameters that are tables.
    pub tables: Vec<Fitted>,
    /// Normals with affine means, to which all others belong.
    pub regressions: Vec<Regression>,
}

/// How parameters move.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Update {
    /// Expectation-maximisation: expected statistics under the posterior, then the maximum they give in closed form (Dempster et al.
    /// 1977).
    Em(MSteps),
    /// A gradient step.
    Gradient(Optimiser),
}

impl Update {
    /// Whether it is expectation-maximisation.
    pub fn is_em(&self) -> bool {
        matches!(self, Update::Em(_))
    }
}

/// A line of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinePlan {
    /// What it climbs.
    pub objective: ObjectivePlan,
    /// The parameters it moves.
    pub group: Vec<ParamId>,
    /// How.
    pub update: Update,
    /// Why that update.
    pub reason: String,
    /// Where it was asked for.
    pub span: Span,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StagePlan {
    /// Its name.
    pub name: String,
    /// Its lines, alternating.
    pub lines: Vec<LinePlan>,
    /// Parameters held equal.
    pub ties: Vec<(ParamId, ParamId)>,
    /// Parameters that start from elsewhere.
    pub inits: Vec<Init>,
    /// Parameters copied when it ends.
    pub then: Vec<(ParamId, ParamId)>,
    /// Passes over the data.
    pub epochs: usize,
    /// Rows a step; all where none.
    pub batch: Option<usize>,
    /// Early stopping.
    pub patience: Option<(usize, DataRef)>,
}

/// Training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainPlan {
    /// The data.
    pub on: DataRef,
    /// Variables that the data binds.
    pub bound: Vec<VarId>,
    /// Those of them that have no value in some rows.
    pub partial: Vec<VarId>,
    /// Its stages.
    pub stages: Vec<StagePlan>,
}

/// Sweeps of block Gibbs over some summands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Swept {
    /// How many.
    pub sweeps: usize,
    /// What is resampled at once, in order.
    pub sweep: Vec<Resampled>,
    /// The summands.
    pub pieces: Vec<PieceRef>,
}

/// How draws are made: the model's factors in order, guide and Gibbs where conditioning asks for them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draws {
    /// The model.
    pub model: ModelId,
    /// Variables held fixed.
    pub fixed: Vec<VarId>,
    /// Positions of factors, parents first.
    pub order: Vec<usize>,
    /// Sweeps of block Gibbs for undirected parts, with the sets resampled together, by factor position.
    pub gibbs: Vec<(usize, usize, Vec<Resampled>)>,
    /// Sweeps over what the model's own potentials tie together, where nothing draws it at once.
    pub potentials: Option<Swept>,
    /// What is drawn first, from its posterior: variables with something fixed below them, or under potentials.
    pub posterior: Option<Partition>,
}

/// How an answer is made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Answer {
    /// A posterior over some variables.
    Posterior {
        /// Guide variables drawn first, in order; the answer is the mean over the draws.
        guided: Vec<VarId>,
        /// How many draws of them; 1 where there are none.
        draws: usize,
        /// The log-partition whose derivative answers.
        partition: Partition,
        /// The log-partition with the targets held fixed: that of each joint state, where a joint distribution is asked for.
        joint: Option<Partition>,
        /// What is asked for.
        targets: Vec<(VarId, Option<usize>)>,
        /// Joint maximum, maxima of marginals, a distribution, or an expectation.
        shape: AnswerShape,
        /// What is held fixed.
        evidence: Vec<Evidence>,
        /// Compared with the truth, where a metric asks.
        metric: Option<(Metric, VarId)>,
    },
    /// Conditionals read as they stand, each on draws of the earlier ones: a guide asked directly, or a model's variables
    /// below everything that is fixed.
    Conditionals {
        /// The model.
        model: ModelId,
        /// Whether they are the guide's.
        of_guide: bool,
        /// Variables in order, up to those asked for.
        order: Vec<VarId>,
        /// How many draws of the earlier ones the answer is the mean over; 1 where there are none.
        draws: usize,
        /// What is asked for.
        targets: Vec<(VarId, Option<usize>)>,
        /// Joint maximum, maxima of marginals, a distribution, or an expectation.
        shape: AnswerShape,
        /// What is held fixed.
        evidence: Vec<Evidence>,
        /// Compared with the truth, where a metric asks.
        metric: Option<(Metric, VarId)>,
    },
    /// A value that each row's data tell, held against the truth of other rows.
    Code {
        /// The value.
        expr: Expr,
        /// The measure and the truth.
        metric: (Metric, VarId),
    },
    /// The mean over rows of an expression of model quantities.
    Value {
        /// The expression.
        expr: Expr,
        /// Its quantities.
        leaves: Vec<Leaf>,
    },
    /// Draws.
    Draws {
        /// How.
        draws: Draws,
        /// What is kept.
        targets: Vec<VarId>,
        /// What is held fixed.
        evidence: Vec<Evidence>,
        /// How many for each setting of the evidence.
        times: usize,
    },
    /// A log-partition.
    LogZ(Normaliser),
    /// The same question put to several engines.
    Compare {
        /// Each engine in the order named.
        sides: Vec<Side>,
        /// What they are held against where none of them is exact: the exact answer, if there is one.
        truth: Option<Box<AskPlan>>,
    },
}

/// What an answer about a distribution looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AnswerShape {
    /// The distribution itself.
    Distribution,
    /// The likeliest joint state.
    JointArgmax,
    /// The likeliest state of each entry.
    EachArgmax,
    /// The expectation.
    Mean,
    /// The standard deviation of each entry: of a state, that of its indicator.
    Sd,
    /// The variance of each entry.
    Var,
}

impl AnswerShape {
    /// Whether it says how far values lie from their mean.
    pub fn is_spread(self) -> bool {
        matches!(self, AnswerShape::Sd | AnswerShape::Var)
    }
}

/// One engine of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The engine as it was asked for.
    pub by: String,
    /// Its plan, or why it has none.
    pub plan: Result<Box<AskPlan>, Box<Diagnostic>>,
}

/// A question with its plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AskPlan {
    /// How it was asked.
    pub verb: Verb,
    /// Its name.
    pub name: String,
    /// Of what.
    pub of: Subject,
    /// On which data.
    pub on: Option<DataRef>,
    /// Only that row, from 1.
    pub row: Option<usize>,
    /// One place of its variable, where it is asked for that alone.
    pub place: Option<Place>,
    /// How it is answered.
    pub answer: Answer,
    /// What the printed number is.
    pub kind: Kind,
    /// Where it was asked.
    pub span: Span,
}

/// Everything a file asks for, decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Training, in order.
    pub trains: Vec<TrainPlan>,
    /// Questions, in order.
    pub asks: Vec<AskPlan>,
    /// What fits and is not built yet: the file can be explained, and not run.
    pub missing: Vec<Missing>,
}

impl Answer {
    /// The questions that a comparison puts, as far as they have plans; none of any other answer.
    pub fn parts(&self) -> Vec<&AskPlan> {
        match self {
            Answer::Compare { sides, truth } => {
                let sides = sides.iter().filter_map(|s| s.plan.as_deref().ok());
                sides.chain(truth.as_deref()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether it rests on random numbers of its own, besides draws of a guide.
    pub fn is_sampled(&self) -> bool {
        let sampled = |b: &Block| matches!(b.engine, Engine::Approximate(_));
        match self {
            Answer::Posterior { partition, joint, .. } => {
                partition.blocks.iter().chain(joint.iter().flat_map(|p| &p.blocks)).any(sampled)
            }
            Answer::Value { leaves, .. } => leaves.iter().any(|leaf| match leaf {
                Leaf::LogLik(plan) => {
                    std::iter::once(&plan.clamped).chain(&plan.free).flat_map(|p| &p.blocks).any(sampled)
                }
                Leaf::Variational(_) | Leaf::GuideDensity { .. } => false,
            }),
            _ => false,
        }
    }

    /// The variables that have a value in some rows only, and are summed over in the others.
    pub fn partial(&self) -> Vec<VarId> {
        match self {
            Answer::Posterior { partition, .. } => partition.partial.clone(),
            Answer::Value { leaves, .. } => partial_of(leaves),
            Answer::Conditionals { .. } | Answer::Code { .. } | Answer::Draws { .. } | Answer::LogZ(_) => Vec::new(),
            Answer::Compare { .. } => self.parts().into_iter().flat_map(|p| p.answer.partial()).collect(),
        }
    }
}

/// The variables that likelihoods among some quantities sum over where a row has no value for them, each once.
pub fn partial_of(leaves: &[Leaf]) -> Vec<VarId> {
    let mut all: Vec<VarId> = leaves
        .iter()
        .filter_map(|leaf| if let Leaf::LogLik(plan) = leaf { Some(&plan.clamped.partial) } else { None })
        .flatten()
        .copied()
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}
