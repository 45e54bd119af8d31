//! `infer` and `require` held against the plan: neither is ever passed over in silence.

use super::choose::{models_of, objectives};
use super::method::{Method, read_learning};
use super::plan::{Answer, Block, Engine, Kind, Leaf, ObjectivePlan, Partition, Plan};
use crate::diag::{Code, Diagnostic, Problems};
use crate::model::{Infer, Program, VarId};

/// The `infer` line about one of some variables.
pub fn find_override<'a>(program: &'a Program, vars: &[VarId]) -> Option<&'a Infer> {
    program.infers.iter().find(|i| i.vars.iter().any(|v| vars.contains(v)))
}

/// Reports every `infer` that changed nothing and every `require` that is not met, or that nothing meets.
pub fn check_overrides(program: &Program, plan: &Plan, problems: &mut Problems) {
    let blocks = all_blocks(plan);
    // Where something has no plan at all, what would have concerned a variable is not known.
    let whole = !problems.has_errors();
    for infer in &program.infers {
        let method = match read_learning(&infer.by) {
            Ok(method) => method,
            // What it asks for is not built: the lines and questions that need it say so, if there are any.
            Err(problem) if problem.code == Code::NotSupported => {
                let idle =
                    |var: &&VarId| !is_open(program, plan, **var) && !blocks.iter().any(|b| b.vars.contains(var));
                if let Some(&var) = infer.vars.iter().find(idle).filter(|_| whole) {
                    problems.push(idle_override(program, plan, infer, var));
                }
                continue;
            }
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let fits = |block: &Block| match (&method, &block.engine) {
            (Method::Exact, _)
            | (Method::Enumeration, Engine::Enumeration { .. })
            | (Method::ForwardBackward, Engine::ForwardBackward { .. })
            | (Method::JunctionTree, Engine::JunctionTree)
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
            problems.push(match concerned.first() {
                None => idle_override(program, plan, infer, var),
                Some(_) => Diagnostic::at(
                    Code::OverrideRefused,
                    infer.span,
                    format!("`{name}` cannot be inferred by `{}` here", infer.by.name),
                )
                .help("`ghmc explain` says why that engine does not apply"),
            });
        }
    }
    for require in &program.requires {
        let name = &program.vars[require.var].name;
        if whole && !is_open(program, plan, require.var) && !concerns(plan, &blocks, require.var) {
            problems.push(
                Diagnostic::at(
                    Code::IdleRequirement,
                    require.span,
                    format!("nothing in this file infers `{name}`, so this line requires nothing"),
                )
                .help(format!("leave it out, or ask for it: `query NAME = P({name} | ..)`")),
            );
            continue;
        }
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
                Answer::Code { .. } | Answer::Draws { .. } | Answer::LogZ(_) | Answer::Compare { .. } => false,
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

/// That an `infer` line changes nothing, with what becomes of its variable instead.
fn idle_override(program: &Program, plan: &Plan, infer: &Infer, var: VarId) -> Diagnostic {
    let name = &program.vars[var].name;
    let lines = plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines);
    let drawn = lines.into_iter().find(|line| estimates(&line.objective, var));
    let text = format!("no engine of this file sums out `{name}`, so this line changes nothing");
    let told = Diagnostic::at(Code::OverrideRefused, infer.span, text);
    match drawn {
        Some(line) => told
            .label(line.span, "the guide draws it here")
            .help("leave it out, or learn by `loglik`, which sums out what is latent"),
        None => told.help("leave it out: in every line and question of the file it is given, or it is not spoken of"),
    }
}

/// Whether a variable may be inferred by what has no plan yet.
fn is_open(program: &Program, plan: &Plan, var: VarId) -> bool {
    let model = program.vars[var].model;
    let trained = program.trains.iter().any(|train| {
        let lines = train.stages.iter().flat_map(|s| &s.lines);
        let spoken = lines.flat_map(|l| l.objective.iter().flat_map(objectives)).flat_map(models_of);
        train.models.iter().copied().chain(spoken).any(|m| m == model)
    });
    plan.missing.iter().any(|m| m.vars.contains(&var)) || trained && plan.trains.len() < program.trains.len()
}

/// Whether anything of a plan infers a variable.
fn concerns(plan: &Plan, blocks: &[&Block], var: VarId) -> bool {
    let lines = plan.trains.iter().flat_map(|t| &t.stages).flat_map(|s| &s.lines);
    let learned = lines.into_iter().any(|line| estimates(&line.objective, var));
    let asks = plan.asks.iter().flat_map(|a| std::iter::once(a).chain(a.answer.parts()));
    let asked = asks.into_iter().any(|ask| match &ask.answer {
        Answer::Posterior { targets, guided, .. } => targets.iter().any(|t| t.0 == var) || guided.contains(&var),
        Answer::Conditionals { order, .. } => order.contains(&var),
        Answer::Value { leaves, .. } => leaves.iter().any(|l| leaf_estimates(l, var)),
        Answer::LogZ(normaliser) => normaliser.vars.contains(&var),
        Answer::Code { .. } | Answer::Draws { .. } | Answer::Compare { .. } => false,
    });
    learned || asked || blocks.iter().any(|b| b.vars.contains(&var))
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
pub fn all_blocks(plan: &Plan) -> Vec<&Block> {
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
