//! Every block that a plan sums, with the word by which files ask for its engine.

use crate::model::VarId;
use crate::plan::plan::{
    Answer, Block, Engine, Leaf, LogLikPlan, Machine, Normaliser, Normalising, ObjectivePlan, Partition, Plan,
};

/// A block that is summed somewhere in a plan.
pub struct Sum {
    /// Its variables.
    pub vars: Vec<VarId>,
    /// The word after `by` that asks for its engine.
    pub engine: &'static str,
    /// Why that engine.
    pub reason: String,
    /// Whether a training line sums it with the data fixed.
    pub learning: bool,
    /// Whether it belongs to a log-partition that is subtracted.
    pub conditional: bool,
}

/// The word after `by` that asks for an engine.
pub fn word(engine: &Engine) -> &'static str {
    match engine {
        Engine::Enumeration { kept, .. } if kept.is_empty() => "closed_form",
        Engine::Enumeration { .. } => "enumeration",
        Engine::ForwardBackward { .. } => "forward_backward",
        Engine::JunctionTree => "junction_tree",
        Engine::Approximate(method) => method.word(),
        Engine::Settled { .. } => "mean_field",
        Engine::Gaussian { along: Some(_), .. } => "kalman",
        Engine::Gaussian { along: None, .. } => "gaussian",
    }
}

/// The blocks of a plan, in its order.
pub fn sums(plan: &Plan) -> Vec<Sum> {
    let mut found = Found { sums: Vec::new(), learning: true };
    for line in plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines) {
        match &line.objective {
            ObjectivePlan::Expression { leaves, .. } => leaves.iter().for_each(|l| found.leaf(l)),
            ObjectivePlan::Layer(layer) => match &layer.machine {
                Machine::Group(normaliser) => found.normaliser(normaliser),
                Machine::Pair { .. } => {}
            },
            ObjectivePlan::WakeSleep(plan) => plan.normalisers.iter().for_each(|n| found.normaliser(n)),
        }
    }
    found.learning = false;
    for ask in &plan.asks {
        found.answer(&ask.answer);
    }
    found.sums
}

struct Found {
    sums: Vec<Sum>,
    learning: bool,
}

impl Found {
    fn block(&mut self, block: &Block, conditional: bool) {
        self.sums.push(Sum {
            vars: block.vars.clone(),
            engine: word(&block.engine),
            reason: block.reason.clone(),
            learning: self.learning,
            conditional,
        });
    }

    fn partition(&mut self, partition: &Partition, conditional: bool) {
        partition.blocks.iter().for_each(|b| self.block(b, conditional));
    }

    fn normaliser(&mut self, normaliser: &Normaliser) {
        match &normaliser.how {
            Normalising::Exact(block) => self.block(block, true),
            Normalising::Contrastive { hidden, .. } => hidden.iter().for_each(|b| self.block(b, true)),
            Normalising::Annealed(annealing) => annealing.summed.iter().for_each(|b| self.block(b, true)),
        }
    }

    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Posterior { partition, joint, .. } => {
                self.partition(partition, false);
                joint.iter().for_each(|p| self.partition(p, false));
            }
            Answer::Value { leaves, .. } => leaves.iter().for_each(|l| self.leaf(l)),
            Answer::LogZ(normaliser) => self.normaliser(normaliser),
            Answer::Draws { draws, .. } => draws.posterior.iter().for_each(|p| self.partition(p, false)),
            Answer::Compare { .. } => answer.parts().iter().for_each(|p| self.answer(&p.answer)),
            Answer::Conditionals { .. } | Answer::Code { .. } => {}
        }
    }

    fn leaf(&mut self, leaf: &Leaf) {
        let Leaf::LogLik(LogLikPlan { clamped, free, normalisers, .. }) = leaf else { return };
        self.partition(clamped, false);
        free.iter().for_each(|p| self.partition(p, true));
        normalisers.iter().for_each(|n| self.normaliser(n));
    }
}
