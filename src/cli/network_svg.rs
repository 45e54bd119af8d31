//! A network drawn with the probabilities of its states as bars, before and after evidence.

use std::path::Path;

use ghmc::diag::{Code, Diagnostic};
use ghmc::engine::junction::Junction;
use ghmc::model::Network;
use ghmc::report::drawing::{BarNode, bars};

use super::network_case::{Case, evidence};
use super::trouble::Trouble;

/// The drawing; `told` is a file of evidence, or the evidence itself as JSON.
pub fn network_svg(network: &Network, told: Option<&Path>, bytes: u64) -> Result<String, Trouble> {
    let case = match told {
        None => Case::default(),
        Some(path) => match evidence(path, network)? {
            (mut cases, _) if cases.len() == 1 => cases.remove(0),
            (cases, _) => {
                let message = format!("a drawing shows one case, and the evidence has {}", cases.len());
                return Err(Trouble::Usage(message, "give the object of one case".to_string()));
            }
        },
    };
    let mut junction = Junction::new(network, &[], bytes);
    let before = junction.marginals(&[]).map_err(Trouble::of)?.marginals;
    let known = !case.held.is_empty() || !case.soft.is_empty();
    junction.weigh(&case.soft);
    let after = match known {
        true => Some(junction.marginals(&case.held).map_err(Trouble::of)?.marginals),
        false => None,
    };
    let held = |v: usize| case.held.iter().find(|(h, _)| *h == v).map(|(_, s)| *s);
    let node = |v: usize| {
        let states = network.variables[v].states.clone();
        let certain = |state: usize| (0..states.len()).map(|s| f64::from(u8::from(s == state))).collect();
        let now = after.as_ref().and_then(|all| held(v).map(certain).or_else(|| all[v].clone()));
        BarNode {
            name: network.variables[v].name.clone(),
            before: before[v].clone().unwrap_or_else(|| vec![1.0; states.len()]),
            after: now,
            told: held(v).is_some(),
            states,
        }
    };
    let nodes: Vec<BarNode> = (0..network.variables.len()).map(node).collect();
    let edges: Vec<(usize, usize)> = network.edges().into_iter().collect();
    bars(&nodes, &edges, network.directed).ok_or_else(|| {
        let message = format!("a drawing of {} variables is no picture that can be read", nodes.len());
        Trouble::of(Diagnostic::new(Code::NotSupported, message).help("use `--to dot` and a program for large graphs"))
    })
}
