//! Carrying out a plan: data bound to variables, parameters started, stages run epoch by epoch, questions answered;
//! checkpointed so that an interrupted run goes on to the same bits.

pub mod annealed;
pub mod answers;
pub mod binding;
pub mod checkpoint;
mod compared;
mod compiled;
pub mod events;
pub mod fit;
pub mod labels;
pub mod memory;
pub mod metric;
mod places;
mod prior;
mod remarks;
pub mod retrieval;
mod rows;
pub mod start;
mod stored;

pub use answers::{AnswerValue, Answered, Terms, answer_all};
pub use binding::{DataSets, bind_data};
pub use compared::Compared;
pub use events::{Event, Failure, Observer, Silent};
pub use fit::{Fit, Options, Outcome};
pub use remarks::remarks;
