//! Engines against brute force: every random small program, fixed in part, must give the evaluator's log-partition,
//! marginals, best state and gradient.

mod absent;
mod approximate;
mod exact;
mod gaussian;
mod partial;
mod ragged;

use std::collections::BTreeMap;

use ghmc::engine::answer::{PosteriorSpec, posterior};
use ghmc::engine::update::input_name;
use ghmc::model::evaluate::Values;
use ghmc::model::{Ask, Evidence, EvidenceValue, ModelId, Program, Question, Subject, VarId, Verb};
use ghmc::pipeline::{Settings, Workspace};
use ghmc::plan::{Answer, AnswerShape, AskPlan, Engine, choose_ask};
use ghmc::runtime::{self, Context, Options, States};
use ghmc::tensor::graph::Graph;
use ndarray::{ArrayD, IxDyn};

use crate::oracle;

/// The typed program of a text; panics with the rendered problems.
pub fn checked(text: &str) -> Program {
    let (workspace, file) = Workspace::of_text("test.ghm", text, Settings::default());
    let mut problems = ghmc::diag::Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let program = workspace.check(&tree, &mut problems);
    let (shown, left_out) = problems.sorted();
    let told = ghmc::diag::render_all(&shown, left_out, &workspace.sources, ghmc::diag::Style::PLAIN);
    program.unwrap_or_else(|| panic!("{told}\nin\n{text}"))
}

/// The plan of the posterior of the open variables; none if no exact engine fits.
pub fn posterior_plan(
    program: &Program,
    model: ModelId,
    fixed: &[VarId],
    open: &[VarId],
    shape: AnswerShape,
) -> Option<AskPlan> {
    let targets = open.to_vec();
    let evidence =
        fixed.iter().map(|&var| Evidence { var, value: EvidenceValue::Number(0.0), intervention: false }).collect();
    let question = match shape {
        AnswerShape::JointArgmax => Question::Argmax { targets, each: false, evidence },
        _ => Question::Mean { targets, evidence, moment: ghmc::model::Moment::Mean },
    };
    let ask = Ask {
        verb: Verb::Query,
        name: "test".into(),
        question,
        of: Subject::Model(model),
        on: None,
        row: None,
        place: None,
        by: Vec::new(),
        times: None,
        span: oracle::nowhere(),
    };
    choose_ask(program, &ask).ok()
}

/// The plan itself, and the same with every block summed by a junction tree.
pub fn replays(plan: &AskPlan) -> [AskPlan; 2] {
    let mut other = plan.clone();
    if let Answer::Posterior { partition, joint, .. } = &mut other.answer {
        for block in partition.blocks.iter_mut().chain(joint.iter_mut().flat_map(|j| &mut j.blocks)) {
            block.engine = Engine::JunctionTree;
        }
    }
    [plan.clone(), other]
}

/// The program of a posterior plan for one row.
pub fn posterior_graph(program: &Program, plan: &AskPlan) -> Graph {
    posterior_graph_with(program, plan, &[])
}

/// The same with further inputs: variables that have a value in some rows.
pub fn posterior_graph_with(program: &Program, plan: &AskPlan, partial: &[VarId]) -> Graph {
    let Answer::Posterior { guided, partition, joint, targets, shape, evidence, .. } = &plan.answer else {
        panic!("not a posterior: {plan:?}")
    };
    let inputs: Vec<VarId> = evidence.iter().map(|e| e.var).chain(partial.iter().copied()).collect();
    let targets: Vec<VarId> = targets.iter().map(|t| t.0).collect();
    posterior(&PosteriorSpec {
        program,
        model: partition.model,
        rows: 1,
        inputs: &inputs,
        guided,
        partition,
        joint: joint.as_ref(),
        targets: &targets,
        shape: *shape,
    })
    .unwrap_or_else(|e| panic!("{e:?}"))
}

/// Runs a graph in f64 with parameters and fixed variables from `values`.
pub fn run(program: &Program, graph: &Graph, values: &Values) -> BTreeMap<String, ArrayD<f64>> {
    run_with(program, graph, values, &[])
}

/// The same with inputs that come before those of `values`.
pub fn run_with(
    program: &Program,
    graph: &Graph,
    values: &Values,
    more: &[(String, Vec<f64>)],
) -> BTreeMap<String, ArrayD<f64>> {
    let mut compiled = runtime::Program::<f64>::compile(graph, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let mut states = States::new();
    for (&id, array) in &values.params {
        states.insert(program.params[id].name.clone(), array.shape(), array.iter().copied().collect());
    }
    let own = values.vars.iter().map(|(&v, a)| (input_name(program, v), a.iter().copied().collect()));
    let own = own.filter(|(name, _)| !more.iter().any(|(n, _)| n == name));
    let inputs: Vec<(String, Vec<f64>)> = own.chain(more.iter().cloned()).collect();
    let wanted: Vec<(&str, &[f64])> = inputs
        .iter()
        .filter(|(n, _)| compiled.inputs().iter().any(|(m, _)| m == n))
        .map(|(n, d)| (n.as_str(), d.as_slice()))
        .collect();
    compiled.run(&Context { seed: 7, step: 0 }, &mut states, &wanted).unwrap_or_else(|e| panic!("{e}"));
    compiled
        .outputs()
        .iter()
        .map(|(name, _)| {
            let (shape, data) = compiled.output(name).unwrap();
            (name.clone(), ArrayD::from_shape_vec(IxDyn(shape), data.to_vec()).unwrap())
        })
        .collect()
}
