//! Where parameters start.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::stream::Stream;
use crate::data::Element;
use crate::model::{Arg, DataSource, Dist, Domain, Factor, Family, Node, Param, ParamId, Program};
use crate::runtime::{Real, States};

/// Random sites of starting values; engines count theirs from zero.
const START: u32 = 0x57a2_0000;

/// A parameter's starting value.
///
/// Matrices of reals are drawn with variance 2 / (fan-in + fan-out) (Glorot & Bengio 2010), vectors and scalars are 0;
/// tables of probabilities are uniform up to noise that tells states apart; positive numbers are 1.
pub fn start_value(program: &Program, id: ParamId, seed: u64) -> Vec<f64> {
    let param = &program.params[id];
    let shape: Vec<usize> = program.extents(&param.axes).unwrap_or_default();
    let n: usize = shape.iter().product();
    let mut stream = stream_for(param, seed);
    if let Some(dist) = &param.prior
        && let Some(values) = draw_entries(dist, n, &mut stream)
    {
        return values;
    }
    match param.domain {
        Domain::Simplex => {
            let k = shape.last().copied().unwrap_or(1).max(1);
            let mut values: Vec<f64> = (0..n).map(|_| (0.5 * normal(&mut stream)).exp()).collect();
            for row in values.chunks_mut(k) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|v| *v /= sum);
            }
            values
        }
        Domain::Positive => vec![1.0; n],
        Domain::Unit => vec![0.5; n],
        _ => match shape.as_slice() {
            [] | [_] => vec![0.0; n],
            [.., rows, columns] => {
                let sd = (2.0 / (rows + columns) as f64).sqrt();
                (0..n).map(|_| sd * normal(&mut stream)).collect()
            }
        },
    }
}

/// Entries drawn from a distribution whose arguments are numbers; none for other families.
pub fn draw_entries(dist: &Dist, n: usize, stream: &mut Stream) -> Option<Vec<f64>> {
    let number = |role: Arg| match dist.arg(role).map(|e| &e.node) {
        Some(Node::Number(v)) => Some(*v),
        Some(Node::Call(crate::model::Function::Neg, inner)) => match inner.node {
            Node::Number(v) => Some(-v),
            _ => None,
        },
        _ => None,
    };
    match dist.family {
        Family::Normal => {
            let (mean, sd) = (number(Arg::Mean)?, number(Arg::Sd)?);
            Some((0..n).map(|_| mean + sd * normal(stream)).collect())
        }
        Family::Uniform => {
            let (low, high) = (number(Arg::Low)?, number(Arg::High)?);
            Some((0..n).map(|_| low + (high - low) * stream.uniform()).collect())
        }
        _ => None,
    }
}

/// A stream that depends on the parameter's name and the seed alone, not on what else the program declares.
pub fn stream_for(param: &Param, seed: u64) -> Stream {
    let name =
        param.name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    Stream::new(seed, START, name, 0)
}

fn normal(stream: &mut Stream) -> f64 {
    // Box & Muller 1958; 1 − u keeps the logarithm finite.
    let (u, v) = (1.0 - stream.uniform(), stream.uniform());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The seed that each parameter starts by: that of the first data set sampled from a model that reads it, so that the model
/// asked about is the one that the data came from, else the run's.
fn seeds(program: &Program, seed: u64) -> BTreeMap<ParamId, u64> {
    let mut seeds: BTreeMap<ParamId, u64> = program.params.iter().map(|(id, _)| (id, seed)).collect();
    let mut settled = BTreeSet::new();
    for (_, data) in program.data.iter() {
        let DataSource::Sample { model, seed, .. } = &data.source else { continue };
        for param in program.models[*model].factors.iter().flat_map(Factor::params) {
            if settled.insert(param) {
                seeds.insert(param, *seed);
            }
        }
    }
    seeds
}

/// All parameters at their starting values.
pub fn start_states<T: Real + Element>(program: &Program, seed: u64) -> States<T> {
    let mut states = States::new();
    let seeds = seeds(program, seed);
    for (id, param) in program.params.iter() {
        let shape = program.extents(&param.axes).unwrap_or_default();
        let seed = seeds.get(&id).copied().unwrap_or(seed);
        let values = start_value(program, id, seed).into_iter().map(<T as Element>::of).collect();
        states.insert(param.name.clone(), &shape, values);
    }
    states
}
