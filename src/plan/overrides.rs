//! `infer` and `require` held against the plan: neither is ever passed over in silence.

use super::method::{Method, read_method};
use super::plan::{Answer, Block, Engine, Kind, Leaf, ObjectivePlan, Partition, Plan};
use crate::diag::{Code, Diagnostic, Problems};
use crate::model::{Infer, Program, VarId};

/// The `infer` line about one of some variables.
pub fn find_override<'a>(program: &'a Program, vars: &[VarId]) -> Option<&'a Infer> {
    program.infers.iter().find(|i| i.vars.iter().any(|v| vars.contains(v)))
}

/// Reports every `infer` that changed nothing and every `require` that is not met.
pub fn check_overrides(program: &Program, plan: &Plan, problems: &mut Problems) {
    let blocks = all_blocks(plan);
    for infer in &program.infers {
        let method = match read_method(&infer.by) {
            Ok(method) => method,
            // What it asks for is not built: the lines and questions that need it say so.
            Err(problem) if problem.code == Code::NotSupported => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let fits = |block: &Block| match (&method, &block.engine) {
            (Method::Exact, _)
            | (Method::Enumeration, Engine::Enumeration { .. })
            | (Method::ForwardBackward, Engine::ForwardBackward { .. })
            | (Method::Kalman, Engine::Gaussian { along: Some(_), .. })
            | (Method::Gaussian, Engine::Gaussian { along: None, .. }) => true,
            (Method::ClosedForm, Engine::Enumeration { kept, .. }) => kept.is_empty(),
            _ => false,
        };
        for &var in &infer.vars {
            let missing = plan.missing.iter().any(|m| m.vars.contains(&var));
            let concerned: Vec<&&Block> = blocks.iter().filter(|b| b.vars.contains(&var)).collect();
            if missing || !concerned.is_empty() && concerned.iter().all(|b| fits(b)) {
                continue;
            }
            let name = &program.vars[var].name;
            let (text, help) = match concerned.first() {
                None => (
                    format!("no engine of this file sums out `{name}`, so this line changes nothing"),
                    "leave it out, or write a guide for the variable",
                ),
                Some(_) => (
                    format!("`{name}` cannot be inferred by `{}` here", infer.by.name),
                    "`ghmc explain` says why that engine does not apply",
                ),
            };
            problems.push(Diagnostic::at(Code::OverrideRefused, infer.span, text).help(help));
        }
    }
    for require in &program.requires {
        let name = &program.vars[require.var].name;
        let mut unmet = |at, what: String| {
            problems.push(
                Diagnostic::at(Code::RequireUnmet, require.span, format!("`{name}` is not inferred exactly"))
                    .label(at, what)
                    .help("`ghmc explain` says why no exact engine applies; drop the line to go on without"),
            );
        };
        for line in plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines) {
            if estimates(&line.objective, require.var) {
                unmet(line.span, "learned here by a bound or an estimate".to_string());
            }
        }
        for ask in &plan.asks {
            let about = match &ask.answer {
                Answer::Posterior { targets, guided, .. } => {
                    targets.iter().any(|t| t.0 == require.var) || guided.contains(&require.var)
                }
                Answer::Conditionals { order, .. } => order.contains(&require.var),
                Answer::Value { leaves, .. } => leaves.iter().any(|l| leaf_estimates(l, require.var)),
                Answer::Code { .. } | Answer::Draws { .. } | Answer::LogZ(_) => false,
            };
            if about && ask.kind != Kind::Exact {
                unmet(ask.span, format!("`{}` is {}", ask.name, ask.kind.sign()));
            }
        }
        for missing in plan.missing.iter().filter(|m| m.vars.contains(&require.var) && m.kind != Kind::Exact) {
            let at = missing.problem.labels.first().map_or(require.span, |l| l.span);
            unmet(at, format!("{} is done by {}", missing.what, missing.engine));
        }
    }
}

fn estimates(objective: &ObjectivePlan, var: VarId) -> bool {
    match objective {
        ObjectivePlan::Expression { leaves, .. } => leaves.iter().any(|l| leaf_estimates(l, var)),
        ObjectivePlan::Layer(plan) => plan.below.contains(&var),
        ObjectivePlan::WakeSleep(plan) => plan.draws.contains(&var),
    }
}

fn leaf_estimates(leaf: &Leaf, var: VarId) -> bool {
    match leaf {
        Leaf::Variational(plan) => plan.draws.iter().any(|d| d.0 == var),
        Leaf::LogLik(_) | Leaf::GuideDensity { .. } => false,
    }
}

/// Every block of a plan.
fn all_blocks(plan: &Plan) -> Vec<&Block> {
    fn of<'a>(partition: &'a Partition, into: &mut Vec<&'a Block>) {
        into.extend(&partition.blocks);
    }
    let mut blocks = Vec::new();
    let lines = plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines);
    let in_lines = lines.flat_map(|l| match &l.objective {
        ObjectivePlan::Expression { leaves, .. } => leaves.as_slice(),
        ObjectivePlan::Layer(_) | ObjectivePlan::WakeSleep(_) => &[],
    });
    let in_asks = plan.asks.iter().flat_map(|a| match &a.answer {
        Answer::Value { leaves, .. } => leaves.as_slice(),
        _ => &[],
    });
    for leaf in in_lines.chain(in_asks) {
        if let Leaf::LogLik(plan) = leaf {
            of(&plan.clamped, &mut blocks);
            plan.free.iter().for_each(|p| of(p, &mut blocks));
        }
    }
    for ask in &plan.asks {
        match &ask.answer {
            Answer::Posterior { partition, .. } => of(partition, &mut blocks),
            Answer::Draws { draws, .. } => draws.posterior.iter().for_each(|p| of(p, &mut blocks)),
            _ => {}
        }
    }
    blocks
}
