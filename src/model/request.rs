//! What a file asks to be done with its models: training, questions, overrides.

use serde::{Deserialize, Serialize};

use super::expr::{Expr, Subject};
use super::program::{DataId, Domain, ModelId, ParamId, VarId};
use crate::base::span::Span;

/// A data set, or one of its splits (`digits.train`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRef {
    /// The data set.
    pub data: DataId,
    /// The split; the whole where absent.
    pub split: Option<String>,
    /// Where it was written.
    pub span: Span,
}

/// A named algorithm with its settings: `cd(ramp(3, 10))`, `adam(1e-3)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The algorithm.
    pub name: String,
    /// Its settings.
    pub args: Vec<(Option<String>, Argument)>,
    /// Where it was written.
    pub span: Span,
}

/// A setting of an algorithm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Argument {
    /// A number.
    Number(f64),
    /// A word: yes, no, or a name.
    Word(String),
    /// Text in quotes.
    Text(String),
    /// Another algorithm or a schedule (`ramp(3, 10)`).
    Call(Call),
}

impl Call {
    /// Whether another call says the same, wherever the two stand.
    pub fn says_as(&self, other: &Call) -> bool {
        let same = |a: &Argument, b: &Argument| match (a, b) {
            (Argument::Call(a), Argument::Call(b)) => a.says_as(b),
            (a, b) => a == b,
        };
        self.name == other.name
            && self.args.len() == other.args.len()
            && self.args.iter().zip(&other.args).all(|((k, a), (l, b))| k == l && same(a, b))
    }
}

/// Parameters that a training line may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Group {
    /// A model's, with those of nets and sub-models it uses.
    Model(ModelId),
    /// A guide's, with those of nets it uses.
    Guide(ModelId),
    /// A net's, by its position in `Program::nets`.
    Net(usize),
    /// One parameter.
    Param(ParamId),
}

/// `maximise e over GROUP by ENGINE with OPTIMISER`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What is maximised: an expression over `Node::Objective`s. `None`: the compiler's choice for the model.
    pub objective: Option<Expr>,
    /// The model the objective speaks of.
    pub model: ModelId,
    /// The parameters it changes; the model's and its guide's where empty.
    pub over: Vec<Group>,
    /// Engines asked for.
    pub by: Vec<Call>,
    /// The optimiser asked for.
    pub with: Option<Call>,
    /// Where it was written.
    pub span: Span,
}

/// How parameters start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Init {
    /// A copy of another parameter's value.
    Copy {
        /// The parameter that starts.
        to: ParamId,
        /// The one it is copied from.
        from: ParamId,
    },
    /// Draws from a distribution.
    Draw {
        /// The parameter that starts.
        to: ParamId,
        /// The distribution of each entry.
        dist: super::family::Dist,
    },
}

/// A stage of training: lines that alternate, a step each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What is maximised.
    pub lines: Vec<Line>,
    /// Parameters held equal for the stage: the first is the second.
    pub ties: Vec<(ParamId, ParamId)>,
    /// Parameters that start from elsewhere.
    pub inits: Vec<Init>,
    /// Passes over the data.
    pub epochs: Option<usize>,
    /// Stop after so many epochs without gain on that data.
    pub patience: Option<(usize, DataRef)>,
    /// Where it was written.
    pub span: Span,
}

/// `train m on d { .. }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// The models it trains.
    pub models: Vec<ModelId>,
    /// The data it learns from.
    pub on: DataRef,
    /// Its stages, in order; statements outside any `stage` make one stage named `train`.
    pub stages: Vec<Stage>,
    /// Where it was written.
    pub span: Span,
}

/// The four ways of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verb {
    /// An answer about a distribution.
    Query,
    /// A figure over a data set.
    Evaluate,
    /// Draws.
    Sample,
    /// Several engines on one question.
    Compare,
}

/// What a variable is fixed to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EvidenceValue {
    /// A state of a discrete variable.
    State(usize),
    /// A number.
    Number(f64),
    /// Each state in turn.
    Each,
    /// Whatever the data row holds.
    Bound,
    /// The answer to another question.
    Answer(Box<Inner>),
    /// Points on the straight line from one answer to another, ends included.
    Line {
        /// Where it starts.
        from: Box<Inner>,
        /// Where it ends.
        to: Box<Inner>,
        /// How many points.
        steps: usize,
    },
}

/// A question inside another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inner {
    /// What is asked.
    pub question: Question,
    /// Of that row, from 1.
    pub row: Option<usize>,
}

/// A variable held fixed in a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The variable.
    pub var: VarId,
    /// Its value.
    pub value: EvidenceValue,
    /// Whether it is set from outside, `do(x = v)`, which cuts it from its parents.
    pub intervention: bool,
}

/// Measures of a prediction against the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// Share of entries predicted wrongly.
    Error,
    /// Share of entries predicted rightly.
    Accuracy,
    /// Mean squared difference, summed over an instance's entries.
    SquaredError,
    /// F1 of labelled chunks: those whose both ends and label are right, where labels begin with `B-`, `I-` and `O`
    /// (Tjong Kim Sang & Buchholz 2000).
    ChunkF1,
    /// Share of entries outside the best one-to-one matching of predicted clusters to true labels.
    ClusterError,
    /// Share, among the rows whose predictions lie nearest by the cosine, of those with the same label or a label in common; mean over
    /// rows (Hinton & Salakhutdinov 2006, figure 4).
    Retrieval {
        /// How many are retrieved.
        at: usize,
    },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// `P(a, b | ..)`: the joint distribution of the targets (draws of it under `sample`).
    Probability {
        /// The variables asked for, each perhaps at a state (`P(rain = yes | ..)`).
        targets: Vec<(VarId, Option<usize>)>,
        /// What is held fixed.
        evidence: Vec<Evidence>,
    },
    /// `argmax(a, b | ..)`: the likeliest joint state, or with `each` the likeliest state of each entry by its marginal.
    Argmax {
        /// The variables asked for.
        targets: Vec<VarId>,
        /// By marginals.
        each: bool,
        /// What is held fixed.
        evidence: Vec<Evidence>,
    },
    /// `mean(a | ..)`: the expectation; `sd(a | ..)` and `variance(a | ..)`: how far the values lie from it.
    Mean {
        /// The variables asked for.
        targets: Vec<VarId>,
        /// What is held fixed.
        evidence: Vec<Evidence>,
        /// Which of the three.
        moment: Moment,
    },
    /// `error(y, argmax(y | x))`.
    Metric {
        /// The measure.
        metric: Metric,
        /// The truth, from the data.
        truth: VarId,
        /// The prediction.
        prediction: Box<Question>,
    },
    /// `loglik`, a bound, ..: the mean of an objective over the rows.
    Value(Expr),
    /// `logZ(memory)`: the log-partition of an undirected sub-model, by the factor's name; of the model where absent.
    LogZ(Option<String>),
}

/// A number about the values that a variable may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// Their expectation.
    Mean,
    /// Their standard deviation.
    Sd,
    /// Their variance.
    Var,
}

impl Moment {
    /// Every moment.
    pub const ALL: [Moment; 3] = [Moment::Mean, Moment::Sd, Moment::Var];

    /// The word by which files ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Moment::Mean => "mean",
            Moment::Sd => "sd",
            Moment::Var => "variance",
        }
    }
}

impl Question {
    /// The variables that are set to a value from outside: `do(x = v)`.
    pub fn interventions(&self) -> Vec<VarId> {
        match self {
            Question::Probability { evidence, .. }
            | Question::Argmax { evidence, .. }
            | Question::Mean { evidence, .. } => evidence.iter().filter(|e| e.intervention).map(|e| e.var).collect(),
            Question::Metric { prediction, .. } => prediction.interventions(),
            Question::Value(_) | Question::LogZ(_) => Vec::new(),
        }
    }
}

/// One place of a variable: what is left of it has the axes that are not named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The variable.
    pub var: VarId,
    /// Places along its leading axes, from 0.
    pub at: Vec<usize>,
}

/// A question put to a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// How it is asked.
    pub verb: Verb,
    /// The name its answer goes by.
    pub name: String,
    /// What is asked.
    pub question: Question,
    /// Of what.
    pub of: Subject,
    /// On which data.
    pub on: Option<DataRef>,
    /// Only that row, from 1.
    pub row: Option<usize>,
    /// Where it is asked for one place of its variable, and not for all of them: which.
    pub place: Option<Place>,
    /// Engines asked for.
    pub by: Vec<Call>,
    /// How many draws.
    pub times: Option<usize>,
    /// Where it was written.
    pub span: Span,
}

/// `infer x, y of m by engine`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Infer {
    /// The variables.
    pub vars: Vec<VarId>,
    /// The engine.
    pub by: Call,
    /// Where it was written.
    pub span: Span,
}

/// `require exact y`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Require {
    /// What is required (`exact`).
    pub what: String,
    /// The variable.
    pub var: VarId,
    /// Where it was written.
    pub span: Span,
}

impl Metric {
    /// Every measure.
    pub const ALL: [Metric; 6] = [
        Metric::Error,
        Metric::Accuracy,
        Metric::SquaredError,
        Metric::ChunkF1,
        Metric::ClusterError,
        Metric::Retrieval { at: 1 },
    ];

    /// The word by which files call it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Error => "error",
            Metric::Accuracy => "accuracy",
            Metric::SquaredError => "squared_error",
            Metric::ChunkF1 => "chunk_f1",
            Metric::ClusterError => "cluster_error",
            Metric::Retrieval { .. } => "retrieval",
        }
    }

    /// Whether it can measure predictions of that domain.
    pub fn covers(self, domain: &Domain) -> bool {
        match self {
            Metric::Error | Metric::Accuracy => domain.is_discrete(),
            Metric::ChunkF1 | Metric::ClusterError => matches!(domain, Domain::Cat(_)),
            Metric::SquaredError => !matches!(domain, Domain::Cat(_)),
            Metric::Retrieval { .. } => matches!(domain, Domain::Bool | Domain::Cat(_)),
        }
    }
}
