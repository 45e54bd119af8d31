//! What shape an operation gives, or why it cannot be applied. The builder and the verifier both ask here.

use super::graph::Graph;
use super::op::{ChainOp, Op, TableOp};

/// Number of elements of a shape.
pub fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Row-major strides of a shape.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for i in (0..shape.len().saturating_sub(1)).rev() {
        out[i] = out[i + 1] * shape[i + 1];
    }
    out
}

/// The shape with `axis` left out.
pub fn without(shape: &[usize], axis: usize) -> Vec<usize> {
    shape.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, &d)| d).collect()
}

/// Whether `perm` names each of `0..n` once.
pub fn is_permutation(perm: &[usize], n: usize) -> bool {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..n)
}

/// The shape of `op` on inputs of these shapes; `hint` is the shape wanted of an operation that does not fix its own.
pub fn shape_of(op: &Op, inputs: &[&[usize]], hint: &[usize]) -> Result<Vec<usize>, String> {
    let arity = |n: usize| match inputs.len() == n {
        true => Ok(()),
        false => Err(format!("{op:?} takes {n} inputs, not {}", inputs.len())),
    };
    let on_axis = |axis: usize, shape: &[usize]| match axis < shape.len() {
        true => Ok(()),
        false => Err(format!("{op:?} on {shape:?}, which has no axis {axis}")),
    };
    match op {
        Op::Input(_) | Op::State(_) | Op::Random { .. } => arity(0).map(|()| hint.to_vec()),
        Op::Constant(data) => {
            arity(0)?;
            match data.0.len() == count(hint) {
                true => Ok(hint.to_vec()),
                false => Err(format!("a constant of shape {hint:?} with {} numbers", data.0.len())),
            }
        }
        Op::Iota { axis } => {
            arity(0)?;
            on_axis(*axis, hint)?;
            Ok(hint.to_vec())
        }
        Op::Unary(_) | Op::StopGradient | Op::Anchor => arity(1).map(|()| inputs[0].to_vec()),
        Op::Binary(f) => {
            arity(2)?;
            match inputs[0] == inputs[1] {
                true => Ok(inputs[0].to_vec()),
                false => Err(format!("{f:?} of {:?} and {:?}", inputs[0], inputs[1])),
            }
        }
        Op::Select => {
            arity(3)?;
            match inputs[0] == inputs[1] && inputs[1] == inputs[2] {
                true => Ok(inputs[0].to_vec()),
                false => Err(format!("select of {:?}, {:?} and {:?}", inputs[0], inputs[1], inputs[2])),
            }
        }
        Op::Broadcast { map } => {
            arity(1)?;
            let mut seen = vec![false; hint.len()];
            let mut fits = map.len() == inputs[0].len();
            for (&axis, &extent) in map.iter().zip(inputs[0]) {
                fits = fits && axis < hint.len() && hint[axis] == extent && !std::mem::replace(&mut seen[axis], true);
            }
            match fits {
                true => Ok(hint.to_vec()),
                false => Err(format!("broadcast of {:?} to {hint:?} along {map:?}", inputs[0])),
            }
        }
        Op::Reshape => {
            arity(1)?;
            match count(inputs[0]) == count(hint) {
                true => Ok(hint.to_vec()),
                false => Err(format!("reshape of {:?} to {hint:?}", inputs[0])),
            }
        }
        Op::Transpose { perm } => {
            arity(1)?;
            match is_permutation(perm, inputs[0].len()) {
                true => Ok(perm.iter().map(|&p| inputs[0][p]).collect()),
                false => Err(format!("transpose of {:?} by {perm:?}", inputs[0])),
            }
        }
        Op::Slice { axis, start } => {
            arity(1)?;
            on_axis(*axis, inputs[0])?;
            let same = hint.len() == inputs[0].len() && (0..hint.len()).all(|i| i == *axis || hint[i] == inputs[0][i]);
            match same && start + hint[*axis] <= inputs[0][*axis] {
                true => Ok(hint.to_vec()),
                false => Err(format!("slice of {:?} at {start} along {axis} to {hint:?}", inputs[0])),
            }
        }
        Op::Pad { axis, before, after, .. } => {
            arity(1)?;
            on_axis(*axis, inputs[0])?;
            let mut shape = inputs[0].to_vec();
            shape[*axis] += before + after;
            Ok(shape)
        }
        Op::Concat { axis } => {
            let first = inputs.first().ok_or_else(|| "concat of nothing".to_string())?;
            on_axis(*axis, first)?;
            let mut shape = first.to_vec();
            for other in &inputs[1..] {
                let same = other.len() == shape.len() && (0..shape.len()).all(|i| i == *axis || shape[i] == other[i]);
                if !same {
                    return Err(format!("concat of {first:?} and {other:?} along {axis}"));
                }
                shape[*axis] += other[*axis];
            }
            Ok(shape)
        }
        Op::Flip { axis } | Op::OneHotArgmax { axis } | Op::OneHotSample { axis, .. } | Op::CumSum { axis, .. } => {
            arity(1)?;
            on_axis(*axis, inputs[0])?;
            Ok(inputs[0].to_vec())
        }
        Op::Gather { axis } => {
            arity(2)?;
            on_axis(*axis, inputs[0])?;
            Ok([&inputs[0][..*axis], inputs[1], &inputs[0][axis + 1..]].concat())
        }
        Op::Scatter { axis } => {
            arity(2)?;
            on_axis(*axis, hint)?;
            match [&hint[..*axis], inputs[1], &hint[axis + 1..]].concat() == inputs[0] {
                true => Ok(hint.to_vec()),
                false => Err(format!("scatter of {:?} by {:?} into {hint:?} along {axis}", inputs[0], inputs[1])),
            }
        }
        Op::Reduce { axes, .. } => {
            arity(1)?;
            let rising = axes.windows(2).all(|w| w[0] < w[1]);
            match rising && axes.last().is_none_or(|&a| a < inputs[0].len()) {
                true => Ok((0..inputs[0].len()).filter(|i| !axes.contains(i)).map(|i| inputs[0][i]).collect()),
                false => Err(format!("reduction of {:?} over {axes:?}", inputs[0])),
            }
        }
        Op::LogSumExp { axis, .. } => {
            arity(1)?;
            on_axis(*axis, inputs[0])?;
            Ok(without(inputs[0], *axis))
        }
        Op::Einsum { a, b, out } => {
            arity(2)?;
            einsum_shape(a, inputs[0], b, inputs[1], out)
        }
        Op::Cholesky { .. } => {
            arity(1)?;
            match inputs[0] {
                [.., rows, columns] if rows == columns => Ok(inputs[0].to_vec()),
                shape => Err(format!("a factor of {shape:?}")),
            }
        }
        Op::Solve { .. } => {
            arity(2)?;
            match (inputs[0], inputs[1]) {
                ([lead @ .., rows, columns], [others @ .., entries, _])
                    if lead == others && rows == columns && columns == entries =>
                {
                    Ok(inputs[1].to_vec())
                }
                (l, b) => Err(format!("a system of {l:?} and {b:?}")),
            }
        }
        Op::Scan(scan) => {
            arity(scan.carries + scan.sequences + scan.constants)?;
            let g = &scan.body.graph;
            for (i, shape) in inputs.iter().enumerate() {
                let (name, want) = if i < scan.carries {
                    (format!("c{i}"), shape.to_vec())
                } else if i < scan.carries + scan.sequences {
                    match shape.first() == Some(&scan.length) {
                        true => (format!("x{}", i - scan.carries), shape[1..].to_vec()),
                        false => return Err(format!("a loop of {} steps over {shape:?}", scan.length)),
                    }
                } else {
                    (format!("k{}", i - scan.carries - scan.sequences), shape.to_vec())
                };
                body_input(g, &name, &want)?;
            }
            carries_fit(g, &scan.body.carry, &inputs[..scan.carries])?;
            body_input(g, "t", &[]).map(|()| Vec::new())
        }
        Op::While(op) => {
            let carries = op.carry.len();
            arity(carries + op.constants)?;
            for (i, shape) in inputs.iter().enumerate() {
                let name = if i < carries { format!("c{i}") } else { format!("k{}", i - carries) };
                body_input(&op.graph, &name, shape)?;
            }
            carries_fit(&op.graph, &op.carry, &inputs[..carries])?;
            if !op.graph.shape(op.condition).is_empty() {
                return Err(format!("a condition of shape {:?}", op.graph.shape(op.condition)));
            }
            body_input(&op.graph, "t", &[]).map(|()| Vec::new())
        }
        Op::TableSum(op) => {
            arity(op.inputs.len())?;
            tables_fit(op, inputs).map(|()| Vec::new())
        }
        Op::ChainSum(op) => chain_fits(*op, inputs).map(|()| Vec::new()),
        Op::Project(_) => arity(1).map(|()| hint.to_vec()),
    }
}

/// The shape of member `index` of the tuple that a loop over inputs of these shapes gives.
pub fn member_shape(op: &Op, inputs: &[&[usize]], index: usize) -> Result<Vec<usize>, String> {
    let stack = |length: usize, shape: &[usize]| [&[length], shape].concat();
    match op {
        Op::Scan(scan) => {
            let (carries, stacked) = (scan.carries, scan.body.stacked.len());
            if index < carries {
                Ok(inputs[index].to_vec())
            } else if index < carries + stacked {
                Ok(stack(scan.length, scan.body.graph.shape(scan.body.stacked[index - carries])))
            } else if index < 2 * carries + stacked {
                Ok(stack(scan.length, inputs[index - carries - stacked]))
            } else {
                Err(format!("member {index} of a loop with {carries} carries and {stacked} outputs"))
            }
        }
        Op::While(op) if index < op.carry.len() => Ok(inputs[index].to_vec()),
        Op::While(op) if index == op.carry.len() => Ok(Vec::new()),
        Op::TableSum(op) if index <= op.inputs.len() => {
            let rows: Vec<usize> = TableOp::rows(inputs).into_iter().collect();
            Ok(match index.checked_sub(1).map(|i| &op.inputs[i]) {
                None => rows,
                Some(input) => [&rows[..], &[input.places.len(), input.cells()]].concat(),
            })
        }
        Op::ChainSum(_) if index == 0 => Ok(inputs[0][..1].to_vec()),
        Op::ChainSum(op) if index == 3 && !op.apart => Ok([&inputs[0][..1], inputs[2]].concat()),
        Op::ChainSum(_) if index <= 3 => Ok(inputs[index - 1].to_vec()),
        _ => Err(format!("member {index} of something that has none")),
    }
}

/// That tables have the shapes their sum says, and its axes.
fn tables_fit(op: &TableOp, inputs: &[&[usize]]) -> Result<(), String> {
    let rows = TableOp::rows(inputs);
    if op.names.len() != op.sizes.len() {
        return Err(format!("{} names for {} axes", op.names.len(), op.sizes.len()));
    }
    for (i, (input, shape)) in op.inputs.iter().zip(inputs).enumerate() {
        let own = [input.places.len(), input.cells()];
        let fits = match shape.len() {
            2 => shape[..] == own,
            _ => shape.len() == 3 && Some(shape[0]) == rows && shape[1..] == own,
        };
        if !fits {
            return Err(format!("tables {own:?} of {rows:?} rows given as {shape:?}"));
        }
        for place in &input.places {
            let known = |(axis, &size): (&Option<usize>, &usize)| match axis {
                Some(axis) => op.sizes.get(*axis) == Some(&size),
                None => size > 0,
            };
            if place.len() != input.sizes.len() || !place.iter().zip(&input.sizes).all(known) {
                return Err(format!("input {i} has a table over {:?} that stands at {place:?}", input.sizes));
            }
        }
        if input.unit_over.is_some_and(|a| a >= input.sizes.len()) {
            return Err(format!("input {i} promises a sum over an axis that it does not have"));
        }
    }
    Ok(())
}

/// That potentials of a chain have the shapes their sum says.
fn chain_fits(op: ChainOp, inputs: &[&[usize]]) -> Result<(), String> {
    let wrong = || Err(format!("potentials of a chain of shapes {inputs:?}, its moves {op:?}"));
    let (&[_, &[rows, steps, states], ..], 3 | 4) = (inputs, inputs.len()) else { return wrong() };
    let moves: Vec<usize> = [(op.apart, rows), (op.along, steps), (true, states), (true, states)]
        .iter()
        .filter(|m| m.0)
        .map(|m| m.1)
        .collect();
    let lengths = inputs.get(3).is_none_or(|l| **l == [rows]);
    match steps > 0 && states > 0 && *inputs[0] == [rows, states] && *inputs[2] == moves && lengths {
        true => Ok(()),
        false => wrong(),
    }
}

fn body_input(body: &Graph, name: &str, want: &[usize]) -> Result<(), String> {
    match body.input_nodes().get(name) {
        Some(&n) if body.shape(n) != want => {
            Err(format!("a loop body reads `{name}` as {:?} and is given {want:?}", body.shape(n)))
        }
        _ => Ok(()),
    }
}

fn carries_fit(body: &Graph, carry: &[super::graph::NodeId], inputs: &[&[usize]]) -> Result<(), String> {
    if carry.len() != inputs.len() {
        return Err(format!("a loop body gives {} carries and is given {}", carry.len(), inputs.len()));
    }
    for (i, (&n, &want)) in carry.iter().zip(inputs).enumerate() {
        if body.shape(n) != want {
            return Err(format!("carry {i} goes in as {want:?} and comes out as {:?}", body.shape(n)));
        }
    }
    Ok(())
}

/// The extents of `out`, after checking that labels are unique and agree.
pub fn einsum_shape(la: &[u32], sa: &[usize], lb: &[u32], sb: &[usize], out: &[u32]) -> Result<Vec<usize>, String> {
    let describe = || format!("einsum of {la:?} {sa:?} and {lb:?} {sb:?} to {out:?}");
    let unique = |l: &[u32]| (0..l.len()).all(|i| !l[..i].contains(&l[i]));
    if la.len() != sa.len() || lb.len() != sb.len() || !unique(la) || !unique(lb) || !unique(out) {
        return Err(describe());
    }
    let extent = |label: u32| {
        let a = la.iter().position(|&l| l == label).map(|i| sa[i]);
        let b = lb.iter().position(|&l| l == label).map(|i| sb[i]);
        match (a, b) {
            (Some(x), Some(y)) if x != y => None,
            _ => a.or(b),
        }
    };
    for &l in la.iter().chain(lb) {
        extent(l).ok_or_else(describe)?;
    }
    out.iter().map(|&l| extent(l).ok_or_else(describe)).collect()
}
