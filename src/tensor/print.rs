//! The readable form of a graph: one line for each node, `%3 = einsum[0 1, 1 2 -> 0 2] %0 %2 : 100x500`; loop bodies are indented.

use std::fmt::{Display, Formatter, Result, Write};

use super::graph::{Graph, NodeId};
use super::op::{Op, Semiring, Summing};
use crate::base::id::Id;

impl Display for Graph {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&text(self))
    }
}

/// The graph as text.
pub fn text(graph: &Graph) -> String {
    let mut out = String::new();
    write_graph(&mut out, graph, &graph.ids().collect::<Vec<_>>(), 0);
    for (name, n) in graph.outputs() {
        let _ = writeln!(out, "output {name} = %{}", n.index());
    }
    for (name, n) in graph.updates() {
        let _ = writeln!(out, "set {name} = %{}", n.index());
    }
    for (label, n) in graph.watches() {
        let _ = writeln!(out, "watch {label}: %{}", n.index());
    }
    out
}

fn dims(shape: &[usize]) -> String {
    match shape.is_empty() {
        true => "scalar".to_string(),
        false => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

fn write_graph(out: &mut String, graph: &Graph, ids: &[NodeId], depth: usize) {
    let indent = "  ".repeat(depth);
    for &n in ids {
        let _ = write!(out, "{indent}%{} = {}", n.index(), head(graph.op(n)));
        for i in graph.inputs_of(n) {
            let _ = write!(out, " %{}", i.index());
        }
        match graph.op(n) {
            Op::Scan(op) => {
                let _ = writeln!(out);
                let body = &op.body;
                write_graph(out, &body.graph, &body.graph.ids().collect::<Vec<_>>(), depth + 1);
                let ids = |v: &[NodeId]| v.iter().map(|n| format!("%{}", n.index())).collect::<Vec<_>>().join(" ");
                let results = [("carry", &body.carry), ("stack", &body.stacked)];
                for (name, nodes) in results.into_iter().filter(|r| !r.1.is_empty()) {
                    let _ = writeln!(out, "{indent}  {name} {}", ids(nodes));
                }
            }
            Op::While(op) => {
                let _ = writeln!(out);
                write_graph(out, &op.graph, &op.graph.ids().collect::<Vec<_>>(), depth + 1);
                let carry: Vec<String> = op.carry.iter().map(|n| format!("%{}", n.index())).collect();
                let _ = writeln!(out, "{indent}  if %{} carry {}", op.condition.index(), carry.join(" "));
            }
            _ => {
                let _ = writeln!(out, " : {}", dims(graph.shape(n)));
            }
        }
    }
}

fn head(op: &Op) -> String {
    let lower = |v: &dyn std::fmt::Debug| format!("{v:?}").to_lowercase();
    match op {
        Op::Input(name) => format!("input {name}"),
        Op::State(name) => format!("state {name}"),
        Op::Constant(data) => match data.0.len() {
            0..=8 => format!("constant [{}]", list(&data.0)),
            n => format!("constant [{} .. {n} numbers]", list(&data.0[..4])),
        },
        Op::Iota { axis } => format!("iota[{axis}]"),
        Op::Unary(f) => lower(f),
        Op::Binary(f) => lower(f),
        Op::Select => "select".to_string(),
        Op::Broadcast { map } => format!("broadcast[{}]", list(map)),
        Op::Reshape => "reshape".to_string(),
        Op::Transpose { perm } => format!("transpose[{}]", list(perm)),
        Op::Slice { axis, start } => format!("slice[axis {axis} from {start}]"),
        Op::Pad { axis, before, after, value } => format!("pad[axis {axis} {before}+{after} with {}]", value.0),
        Op::Concat { axis } => format!("concat[axis {axis}]"),
        Op::Flip { axis } => format!("flip[axis {axis}]"),
        Op::Gather { axis } => format!("gather[axis {axis}]"),
        Op::Scatter { axis } => format!("scatter[axis {axis}]"),
        Op::Reduce { kind, axes } => format!("{}[{}]", lower(kind), list(axes)),
        Op::LogSumExp { axis, mode } => match mode {
            Semiring::Soft => format!("logsumexp[axis {axis}]"),
            Semiring::Max => format!("logmax[axis {axis}]"),
            Semiring::Sample(site) => format!("logsumexp[axis {axis} sampled at {site}]"),
        },
        Op::OneHotArgmax { axis } => format!("argmax[axis {axis}]"),
        Op::OneHotSample { axis, site } => format!("draw[axis {axis} at {site}]"),
        Op::CumSum { axis, exclusive, reverse } => {
            let (e, r) = (if *exclusive { " exclusive" } else { "" }, if *reverse { " reverse" } else { "" });
            format!("cumsum[axis {axis}{e}{r}]")
        }
        Op::Einsum { a, b, out } => format!("einsum[{}, {} -> {}]", list(a), list(b), list(out)),
        Op::Cholesky { of } => format!("cholesky[{of}]"),
        Op::Solve { transposed } => format!("solve{}", if *transposed { "[transposed]" } else { "" }),
        Op::Random { law, site } => format!("random {}[at {site}]", lower(law)),
        Op::Scan(op) => {
            let way = if op.reverse { " reverse" } else { "" };
            format!("scan[{} steps{way}, {} carried, {} sliced]", op.length, op.carries, op.sequences)
        }
        Op::While(op) => format!("while[at most {} steps, {} carried]", op.max, op.carry.len()),
        Op::TableSum(op) => {
            let tables: usize = op.inputs.iter().map(|i| i.places.len()).sum();
            let how = match &op.how {
                Summing::Exact => String::new(),
                Summing::Approximate(method, site) => format!(", {} at {site}", method.word()),
            };
            format!("table_sum[{tables} tables over {} axes, {}{how}]", op.sizes.len(), lower(&op.mode))
        }
        Op::ChainSum(op) => {
            let along = if op.along { ", moves by position" } else { "" };
            format!("chain_sum[soft{along}]")
        }
        Op::Project(i) => format!("member {i} of"),
        Op::StopGradient => "stop_gradient".to_string(),
        Op::Anchor => "anchor".to_string(),
    }
}
