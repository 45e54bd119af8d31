//! The slow and obvious executor: one node after the other, one element after the other. The oracle of every pass and kernel.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Context;
use super::errors::RunError;
use super::states::States;
use super::tables::{Compiled, TableStep};
use crate::base::id::Id;
use crate::base::places::unravel;
use crate::base::stream::Draws;
use crate::kernel::random;
use crate::kernel::real::Real;
use crate::kernel::scalar::Law;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, ChainOp, Op, Reduction, ScanOp, Semiring, Summing, TableInput, TableOp, WhileOp};
use crate::tensor::shape::{count, member_shape, strides};

/// An array of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T> {
    /// Extents of the axes.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<T>,
}

impl<T: Real> Tensor<T> {
    fn build(shape: &[usize], mut f: impl FnMut(&[usize]) -> T) -> Self {
        let mut at = vec![0; shape.len()];
        let mut data = Vec::with_capacity(count(shape));
        for _ in 0..count(shape) {
            data.push(f(&at));
            for axis in (0..shape.len()).rev() {
                at[axis] += 1;
                if at[axis] < shape[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
        Self { shape: shape.to_vec(), data }
    }

    fn offset(&self, at: &[usize]) -> usize {
        at.iter().zip(strides(&self.shape)).map(|(i, s)| i * s).sum()
    }

    fn at(&self, at: &[usize]) -> T {
        self.data[self.offset(at)]
    }

    fn leading(&self, i: usize) -> Self {
        let n = count(&self.shape[1..]);
        Self { shape: self.shape[1..].to_vec(), data: self.data[i * n..(i + 1) * n].to_vec() }
    }
}

struct Run<'a, T> {
    context: &'a Context,
    /// Positions of the loops around, outermost first.
    path: Vec<u64>,
    states: Option<&'a States<T>>,
}

/// Runs `graph` once: updates `states`, and gives the outputs by name.
pub fn interpret<T: Real>(
    graph: &Graph,
    context: &Context,
    states: &mut States<T>,
    inputs: &[(&str, &[T])],
) -> Result<BTreeMap<String, Tensor<T>>, RunError> {
    let mut given = BTreeMap::new();
    let roots = graph.roots();
    let live = graph.ancestors(&roots);
    for (name, &n) in graph.input_nodes().iter().filter(|(_, n)| live[n.index()]) {
        let (_, data) = inputs.iter().find(|(k, _)| k == name).ok_or_else(|| RunError::MissingInput(name.clone()))?;
        let expected = graph.shape(n).to_vec();
        if data.len() != count(&expected) {
            return Err(RunError::Shape { name: name.clone(), expected, found: vec![data.len()] });
        }
        given.insert(name.clone(), Tensor { shape: expected, data: data.to_vec() });
    }
    let mut run = Run { context, path: Vec::new(), states: Some(states) };
    let values = run.graph(graph, &roots, &given)?;
    let value = |n: &NodeId| values[n.index()].first().cloned().ok_or_else(|| RunError::MissingInput(String::new()));
    for (label, n) in graph.watches() {
        let v = value(n)?;
        if let Some(i) = v.data.iter().position(|x| !x.is_finite()) {
            return Err(RunError::NotFinite { label: label.clone(), index: unravel(i, &v.shape) });
        }
    }
    let updates: Vec<(String, Tensor<T>)> =
        graph.updates().iter().map(|(name, n)| Ok((name.clone(), value(n)?))).collect::<Result<_, RunError>>()?;
    let outputs =
        graph.outputs().iter().map(|(name, n)| Ok((name.clone(), value(n)?))).collect::<Result<_, RunError>>()?;
    for (name, new) in updates {
        states.insert(name, &new.shape, new.data);
    }
    Ok(outputs)
}

impl<T: Real> Run<'_, T> {
    /// The values of the nodes that `roots` need; loops have several.
    fn graph(
        &mut self,
        graph: &Graph,
        roots: &[NodeId],
        inputs: &BTreeMap<String, Tensor<T>>,
    ) -> Result<Vec<Vec<Tensor<T>>>, RunError> {
        let live = graph.ancestors(roots);
        let mut values: Vec<Vec<Tensor<T>>> = vec![Vec::new(); graph.len()];
        for n in graph.ids().filter(|n| live[n.index()]) {
            values[n.index()] = match graph.op(n) {
                Op::Scan(op) => self.scan(op, &self.arguments(graph, n, &values))?,
                Op::While(op) => self.bounded(op, &self.arguments(graph, n, &values))?,
                Op::TableSum(op) => self.table_sum(op, &self.arguments(graph, n, &values)),
                Op::ChainSum(op) => chain_sum(*op, &self.arguments(graph, n, &values)),
                Op::Project(i) => vec![values[graph.inputs_of(n)[0].index()][*i].clone()],
                _ => vec![self.node(graph, n, &self.arguments(graph, n, &values), inputs)?],
            };
        }
        Ok(values)
    }

    fn arguments(&self, graph: &Graph, n: NodeId, values: &[Vec<Tensor<T>>]) -> Vec<Tensor<T>> {
        match graph.op(n) {
            Op::Project(_) => Vec::new(),
            _ => graph.inputs_of(n).iter().map(|i| values[i.index()][0].clone()).collect(),
        }
    }

    fn draws(&self, site: u32) -> Draws {
        Draws::new(self.context.seed, self.context.step, site, &self.path)
    }

    fn node(
        &self,
        graph: &Graph,
        n: NodeId,
        args: &[Tensor<T>],
        inputs: &BTreeMap<String, Tensor<T>>,
    ) -> Result<Tensor<T>, RunError> {
        let shape = graph.shape(n);
        let op = graph.op(n);
        let value = match op {
            Op::Input(name) => inputs.get(name).cloned().ok_or_else(|| RunError::MissingInput(name.clone()))?,
            Op::State(name) => {
                let missing = || RunError::MissingState(name.clone());
                let (found, data) = self.states.and_then(|s| s.get(name)).ok_or_else(missing)?;
                if found != shape {
                    return Err(RunError::Shape {
                        name: name.clone(),
                        expected: shape.to_vec(),
                        found: found.to_vec(),
                    });
                }
                Tensor { shape: shape.to_vec(), data: data.to_vec() }
            }
            Op::Constant(data) => Tensor { shape: shape.to_vec(), data: data.0.iter().map(|&v| T::of(v)).collect() },
            Op::Iota { axis } => Tensor::build(shape, |at| T::of_index(at[*axis])),
            Op::Unary(f) => Tensor::build(shape, |at| f.apply(args[0].at(at))),
            Op::Binary(f) => Tensor::build(shape, |at| f.apply(args[0].at(at), args[1].at(at))),
            Op::Select => {
                Tensor::build(shape, |at| if args[0].at(at) != T::ZERO { args[1].at(at) } else { args[2].at(at) })
            }
            Op::Broadcast { map } => {
                Tensor::build(shape, |at| args[0].at(&map.iter().map(|&m| at[m]).collect::<Vec<_>>()))
            }
            Op::Reshape => Tensor { shape: shape.to_vec(), data: args[0].data.clone() },
            Op::Transpose { perm } => Tensor::build(shape, |at| {
                let mut from = vec![0; at.len()];
                for (i, &p) in perm.iter().enumerate() {
                    from[p] = at[i];
                }
                args[0].at(&from)
            }),
            Op::Slice { axis, start } => Tensor::build(shape, |at| args[0].at(&with(at, *axis, at[*axis] + start))),
            Op::Pad { axis, before, value, .. } => Tensor::build(shape, |at| {
                let i = at[*axis];
                match i >= *before && i < before + args[0].shape[*axis] {
                    true => args[0].at(&with(at, *axis, i - before)),
                    false => T::of(value.0),
                }
            }),
            Op::Concat { axis } => Tensor::build(shape, |at| {
                let mut i = at[*axis];
                for part in args {
                    if i < part.shape[*axis] {
                        return part.at(&with(at, *axis, i));
                    }
                    i -= part.shape[*axis];
                }
                T::ZERO
            }),
            Op::Flip { axis } => Tensor::build(shape, |at| args[0].at(&with(at, *axis, shape[*axis] - 1 - at[*axis]))),
            Op::Gather { axis } => {
                let (data, index) = (&args[0], &args[1]);
                let rank = index.shape.len();
                let places = whole(index, data.shape[*axis])?;
                Tensor::build(shape, |at| {
                    let i = places[index.offset(&at[*axis..axis + rank])];
                    data.at(&[&at[..*axis], &[i], &at[axis + rank..]].concat())
                })
            }
            Op::Scatter { axis } => {
                let (from, index) = (&args[0], &args[1]);
                let rank = index.shape.len();
                let places = whole(index, shape[*axis])?;
                let mut out = Tensor::build(shape, |_| T::ZERO);
                for i in 0..from.data.len() {
                    let at = unravel(i, &from.shape);
                    let place = places[index.offset(&at[*axis..axis + rank])];
                    let to = out.offset(&[&at[..*axis], &[place], &at[axis + rank..]].concat());
                    out.data[to] += from.data[i];
                }
                out
            }
            Op::Reduce { kind, axes } => {
                let start = match kind {
                    Reduction::Sum => T::ZERO,
                    Reduction::Max => T::NEG_INFINITY,
                    Reduction::Min => T::INFINITY,
                };
                let mut out = Tensor::build(shape, |_| start);
                for i in 0..args[0].data.len() {
                    let at = unravel(i, &args[0].shape);
                    let kept: Vec<usize> = (0..at.len()).filter(|a| !axes.contains(a)).map(|a| at[a]).collect();
                    let to = out.offset(&kept);
                    let v = args[0].data[i];
                    out.data[to] = match kind {
                        Reduction::Sum => out.data[to] + v,
                        Reduction::Max => Binary::Max.apply(out.data[to], v),
                        Reduction::Min => Binary::Min.apply(out.data[to], v),
                    };
                }
                out
            }
            Op::LogSumExp { axis, mode } => Tensor::build(shape, |at| {
                let line = line(&args[0], at, *axis);
                match mode {
                    Semiring::Max => line.iter().fold(T::NEG_INFINITY, |m, &v| m.larger(v)),
                    Semiring::Soft | Semiring::Sample(_) => log_sum_exp(&line),
                }
            }),
            Op::OneHotArgmax { axis } => self.one_hot(&args[0], *axis, |line, _| {
                let best = line.iter().fold(T::NEG_INFINITY, |m, &v| if v > m { v } else { m });
                if best == T::NEG_INFINITY { None } else { line.iter().position(|&v| v == best) }
            }),
            Op::OneHotSample { axis, site } => {
                let draws = self.draws(*site);
                let rest = crate::tensor::shape::without(shape, *axis);
                let cols = random::columns(&rest);
                self.one_hot(&args[0], *axis, |line, flat| {
                    let (row, col) = random::address(flat, cols);
                    random::pick(line.iter().copied(), random::at(Law::Uniform, &draws, row, col))
                })
            }
            Op::CumSum { axis, exclusive, reverse } => Tensor::build(shape, |at| {
                let i = at[*axis];
                let range = match (*exclusive, *reverse) {
                    (false, false) => 0..i + 1,
                    (true, false) => 0..i,
                    (false, true) => i..shape[*axis],
                    (true, true) => i + 1..shape[*axis],
                };
                range.map(|j| args[0].at(&with(at, *axis, j))).sum()
            }),
            Op::Einsum { a, b, out } => {
                let summed: Vec<(u32, usize)> =
                    a.iter().copied().zip(args[0].shape.iter().copied()).filter(|(l, _)| !out.contains(l)).collect();
                let extents: Vec<usize> = summed.iter().map(|&(_, e)| e).collect();
                Tensor::build(shape, |at| {
                    let mut total = T::ZERO;
                    for k in 0..count(&extents) {
                        let inner = unravel(k, &extents);
                        let pick = |labels: &[u32]| -> Vec<usize> {
                            labels
                                .iter()
                                .map(|l| match out.iter().position(|o| o == l) {
                                    Some(i) => at[i],
                                    None => inner[summed.iter().position(|(s, _)| s == l).unwrap_or_default()],
                                })
                                .collect()
                        };
                        total += args[0].at(&pick(a)) * args[1].at(&pick(b));
                    }
                    total
                })
            }
            Op::Cholesky { of } => {
                let (lead, n) = (&shape[..shape.len() - 2], shape[shape.len() - 1]);
                let mut out = Tensor { shape: shape.to_vec(), data: vec![T::ZERO; count(shape)] };
                for matrix in 0..count(lead) {
                    let batch = unravel(matrix, lead);
                    let at = |i: usize, j: usize| [&batch[..], &[i, j]].concat();
                    for j in 0..n {
                        for i in j..n {
                            let sum: T = (0..j).map(|k| out.at(&at(i, k)) * out.at(&at(j, k))).sum();
                            let rest = T::of(0.5) * (args[0].at(&at(i, j)) + args[0].at(&at(j, i))) - sum;
                            if i == j && rest <= T::ZERO {
                                return Err(RunError::NotPositive { of: of.clone() });
                            }
                            let entry = if i == j { rest.sqrt() } else { rest / out.at(&at(j, j)) };
                            let place = out.offset(&at(i, j));
                            out.data[place] = entry;
                        }
                    }
                }
                out
            }
            Op::Solve { transposed } => {
                let (lead, n, k) = (&shape[..shape.len() - 2], shape[shape.len() - 2], shape[shape.len() - 1]);
                let mut out = args[1].clone();
                for matrix in 0..count(lead) {
                    let batch = unravel(matrix, lead);
                    let at = |i: usize, j: usize| [&batch[..], &[i, j]].concat();
                    for (step, column) in (0..n * k).map(|e| (e / k, e % k)) {
                        let i = if *transposed { n - 1 - step } else { step };
                        let solved = if *transposed { i + 1..n } else { 0..i };
                        let l = |i: usize, j: usize| args[0].at(&if *transposed { at(j, i) } else { at(i, j) });
                        let sum: T = solved.map(|j| l(i, j) * out.at(&at(j, column))).sum();
                        let place = out.offset(&at(i, column));
                        out.data[place] = (out.data[place] - sum) / l(i, i);
                    }
                }
                out
            }
            Op::Random { law, site } => {
                let draws = self.draws(*site);
                let cols = random::columns(shape);
                let mut flat = 0;
                Tensor::build(shape, |_| {
                    let (row, col) = random::address(flat, cols);
                    flat += 1;
                    random::at(*law, &draws, row, col)
                })
            }
            Op::StopGradient
            | Op::Anchor
            | Op::Scan(_)
            | Op::While(_)
            | Op::TableSum(_)
            | Op::ChainSum(_)
            | Op::Project(_) => args[0].clone(),
        };
        Ok(value)
    }

    /// The members of a sum over tables, by visiting every joint state. A draw takes one uniform number and inverts the distribution
    /// function over all joint states.
    /// What a method's own arithmetic gives has no other definition: it is run as the executor runs it.
    fn table_step(&self, op: &TableOp, shapes: &[&[usize]], args: &[Tensor<T>], site: u32) -> Vec<Tensor<T>> {
        let members: Vec<usize> = (0..=op.inputs.len()).collect();
        let whole = Op::TableSum(Arc::new(op.clone()));
        let mut found: Vec<Tensor<T>> = members
            .iter()
            .map(|&m| Tensor::build(&member_shape(&whole, shapes, m).unwrap_or_default(), |_| T::ZERO))
            .collect();
        let step = TableStep::new(&Arc::new(op.clone()), shapes, members);
        let inputs: Vec<&[T]> = args.iter().map(|a| &a.data[..]).collect();
        let mut outputs: Vec<&mut [T]> = found.iter_mut().map(|t| &mut t.data[..]).collect();
        step.run(&inputs, &mut outputs, &mut Compiled::default(), Some(&self.draws(site)));
        found
    }

    fn table_sum(&self, op: &TableOp, args: &[Tensor<T>]) -> Vec<Tensor<T>> {
        let shapes: Vec<&[usize]> = args.iter().map(|a| &a.shape[..]).collect();
        let rows = TableOp::rows(&shapes);
        if let Summing::Approximate(_, site) = op.how {
            return self.table_step(op, &shapes, args, site);
        }
        let lead: Vec<usize> = rows.into_iter().collect();
        let states: Vec<Vec<usize>> = (0..count(&op.sizes)).map(|at| unravel(at, &op.sizes)).collect();
        let mut logs = Tensor { shape: lead.clone(), data: Vec::new() };
        let widths: Vec<usize> = op.inputs.iter().map(|i| i.places.len() * i.cells()).collect();
        let empty = |input: &TableInput| {
            Tensor::build(&[&lead[..], &[input.places.len(), input.cells()]].concat(), |_| T::ZERO)
        };
        let mut moments: Vec<Tensor<T>> = op.inputs.iter().map(empty).collect();
        // The cells, over all inputs, that a joint state reads.
        let reads = |state: &[usize]| -> Vec<(usize, usize)> {
            let mut found = Vec::new();
            for (i, input) in op.inputs.iter().enumerate() {
                for (position, place) in input.places.iter().enumerate() {
                    let cell = place.iter().zip(&input.sizes).fold(0, |c, (a, n)| c * n + a.map_or(0, |a| state[a]));
                    found.push((i, position * input.cells() + cell));
                }
            }
            found
        };
        for row in 0..rows.unwrap_or(1) {
            let value =
                |i: usize, cell: usize| args[i].data[if args[i].shape.len() == 3 { row * widths[i] } else { 0 } + cell];
            let line: Vec<T> = states
                .iter()
                .map(|state| reads(state).into_iter().fold(T::ZERO, |sum, (i, cell)| sum + value(i, cell)))
                .collect();
            let top = line.iter().fold(T::NEG_INFINITY, |m, &v| m.larger(v));
            let total = log_sum_exp(&line);
            logs.data.push(if op.mode == Semiring::Max { top } else { total });
            let chosen = match op.mode {
                Semiring::Soft => None,
                Semiring::Max => line.iter().position(|&v| v == top),
                Semiring::Sample(site) => {
                    let uniform = random::at(Law::Uniform, &self.draws(site), row, 0);
                    random::pick(line.iter().copied(), uniform)
                }
            };
            if top == T::NEG_INFINITY {
                continue;
            }
            for (s, state) in states.iter().enumerate() {
                let weight = match op.mode {
                    Semiring::Soft => (line[s] - total).exp(),
                    _ if chosen == Some(s) => T::ONE,
                    _ => T::ZERO,
                };
                for (i, cell) in reads(state) {
                    moments[i].data[row * widths[i] + cell] += weight;
                }
            }
        }
        [vec![logs], moments].concat()
    }

    fn one_hot(&self, a: &Tensor<T>, axis: usize, choose: impl Fn(&[T], usize) -> Option<usize>) -> Tensor<T> {
        let rest = crate::tensor::shape::without(&a.shape, axis);
        let mut flat = 0;
        let chosen = Tensor::build(&rest, |at| {
            let i = choose(&line(a, at, axis), flat);
            flat += 1;
            i.map_or(-T::ONE, T::of_index)
        });
        Tensor::build(&a.shape, |at| {
            let outer: Vec<usize> = (0..at.len()).filter(|&i| i != axis).map(|i| at[i]).collect();
            if chosen.at(&outer) == T::of_index(at[axis]) { T::ONE } else { T::ZERO }
        })
    }

    fn scan(&mut self, op: &ScanOp, args: &[Tensor<T>]) -> Result<Vec<Tensor<T>>, RunError> {
        let body = &op.body;
        let mut carry = args[..op.carries].to_vec();
        let empty = |shape: &[usize]| Tensor::build(&[&[op.length], shape].concat(), |_| T::ZERO);
        let mut stacked: Vec<Tensor<T>> = body.stacked.iter().map(|&n| empty(body.graph.shape(n))).collect();
        let mut history: Vec<Tensor<T>> = carry.iter().map(|c| empty(&c.shape)).collect();
        let put = |to: &mut Tensor<T>, t: usize, from: &Tensor<T>| {
            let n = from.data.len();
            to.data[t * n..(t + 1) * n].copy_from_slice(&from.data);
        };
        let roots: Vec<NodeId> = body.carry.iter().chain(&body.stacked).copied().collect();
        for i in 0..op.length {
            let t = if op.reverse { op.length - 1 - i } else { i };
            let mut inputs = BTreeMap::new();
            inputs.insert("t".to_string(), Tensor { shape: Vec::new(), data: vec![T::of_index(t)] });
            for (j, c) in carry.iter().enumerate() {
                put(&mut history[j], t, c);
                inputs.insert(format!("c{j}"), c.clone());
            }
            for (j, x) in args[op.carries..op.carries + op.sequences].iter().enumerate() {
                inputs.insert(format!("x{j}"), x.leading(t));
            }
            for (j, k) in args[op.carries + op.sequences..].iter().enumerate() {
                inputs.insert(format!("k{j}"), k.clone());
            }
            self.path.push(t as u64);
            let values = self.graph(&body.graph, &roots, &inputs);
            self.path.pop();
            let values = values?;
            carry = body.carry.iter().map(|n| values[n.index()][0].clone()).collect();
            for (j, n) in body.stacked.iter().enumerate() {
                put(&mut stacked[j], t, &values[n.index()][0]);
            }
        }
        Ok(carry.into_iter().chain(stacked).chain(history).collect())
    }

    fn bounded(&mut self, op: &WhileOp, args: &[Tensor<T>]) -> Result<Vec<Tensor<T>>, RunError> {
        let carries = op.carry.len();
        let mut carry = args[..carries].to_vec();
        let mut roots = op.carry.clone();
        roots.push(op.condition);
        let mut steps = 0;
        while steps < op.max {
            let mut inputs = BTreeMap::new();
            inputs.insert("t".to_string(), Tensor { shape: Vec::new(), data: vec![T::of_index(steps)] });
            for (j, c) in carry.iter().enumerate() {
                inputs.insert(format!("c{j}"), c.clone());
            }
            for (j, k) in args[carries..].iter().enumerate() {
                inputs.insert(format!("k{j}"), k.clone());
            }
            self.path.push(steps as u64);
            let values = self.graph(&op.graph, &roots, &inputs);
            self.path.pop();
            let values = values?;
            if values[op.condition.index()][0].data[0] == T::ZERO {
                break;
            }
            carry = op.carry.iter().map(|n| values[n.index()][0].clone()).collect();
            steps += 1;
        }
        carry.push(Tensor { shape: Vec::new(), data: vec![T::of_index(steps)] });
        Ok(carry)
    }
}

fn with(at: &[usize], axis: usize, i: usize) -> Vec<usize> {
    let mut at = at.to_vec();
    at[axis] = i;
    at
}

/// The entries along `axis` at the place `at` of the other axes.
fn line<T: Real>(a: &Tensor<T>, at: &[usize], axis: usize) -> Vec<T> {
    (0..a.shape[axis]).map(|i| a.at(&[&at[..axis], &[i], &at[axis..]].concat())).collect()
}

/// The members of a sum over the paths of chains, every weight a logarithm.
fn chain_sum<T: Real>(op: ChainOp, args: &[Tensor<T>]) -> Vec<Tensor<T>> {
    let (rows, steps, n) = (args[1].shape[0], args[1].shape[1], args[1].shape[2]);
    let own = |row: usize, t: usize, s: usize| {
        let start = if t == 0 { args[0].at(&[row, s]) } else { T::ZERO };
        args[1].at(&[row, t, s]) + start
    };
    let place = |row: usize, t: usize, r: usize, s: usize| -> Vec<usize> {
        [(op.apart, row), (op.along, t), (true, r), (true, s)].iter().filter(|p| p.0).map(|p| p.1).collect()
    };
    let moves = |row: usize, t: usize, r: usize, s: usize| args[2].at(&place(row, t, r, s));
    let shapes: Vec<&[usize]> = args.iter().map(|a| &a.shape[..]).collect();
    let whole = Op::ChainSum(op);
    let mut found: Vec<Tensor<T>> =
        (0..4).map(|m| Tensor::build(&member_shape(&whole, &shapes, m).unwrap_or_default(), |_| T::ZERO)).collect();
    for row in 0..rows {
        let length = args.get(3).map_or(steps, |l| l.at(&[row]).to_index(steps + 1).unwrap_or(steps).max(1));
        let mut ahead = vec![vec![T::ZERO; n]; length];
        let mut behind = ahead.clone();
        for t in 0..length {
            for s in 0..n {
                let come: Vec<T> = match t {
                    0 => vec![T::ZERO],
                    _ => (0..n).map(|r| ahead[t - 1][r] + moves(row, t, r, s)).collect(),
                };
                ahead[t][s] = log_sum_exp(&come) + own(row, t, s);
            }
        }
        for t in (0..length - 1).rev() {
            for r in 0..n {
                let go: Vec<T> =
                    (0..n).map(|s| moves(row, t + 1, r, s) + own(row, t + 1, s) + behind[t + 1][s]).collect();
                behind[t][r] = log_sum_exp(&go);
            }
        }
        let total = log_sum_exp(&ahead[length - 1]);
        found[0].data[row] = total;
        if total == T::NEG_INFINITY {
            continue;
        }
        for t in 0..length {
            for s in 0..n {
                let share = (ahead[t][s] + behind[t][s] - total).exp();
                found[2].data[(row * steps + t) * n + s] = share;
                if t == 0 {
                    found[1].data[row * n + s] = share;
                }
                for r in (0..n).filter(|_| t > 0) {
                    let path = ahead[t - 1][r] + moves(row, t, r, s) + own(row, t, s) + behind[t][s];
                    let at = place(row, t, r, s);
                    let at = if op.apart { at } else { [vec![row], at].concat() };
                    let at = found[3].offset(&at);
                    found[3].data[at] += (path - total).exp();
                }
            }
        }
    }
    found
}

fn log_sum_exp<T: Real>(line: &[T]) -> T {
    let top = line.iter().fold(T::NEG_INFINITY, |m, &v| m.larger(v));
    if !top.is_finite() {
        return top;
    }
    top + line.iter().map(|&v| (v - top).exp()).sum::<T>().ln()
}

fn whole<T: Real>(index: &Tensor<T>, extent: usize) -> Result<Vec<usize>, RunError> {
    index
        .data
        .iter()
        .map(|v| v.to_index(extent).ok_or_else(|| RunError::IndexOutOfRange { value: v.to_string(), extent }))
        .collect()
}
