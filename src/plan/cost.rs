//! Predicted work: floating-point operations and the largest intermediate value, for one datum.

use std::collections::BTreeSet;

use crate::analysis::Component;
use crate::model::{AxisId, Expr, Factor, FactorKind, Node, Program};
use crate::plan::plan::{Cost, Engine};
use crate::plan::rules::junction::find_width;

/// Operations of one evaluation of an expression at one position of its plates.
pub fn find_expr_flops(program: &Program, expr: &Expr) -> Option<f64> {
    let size = |axes: &BTreeSet<AxisId>| -> Option<f64> {
        axes.iter().map(|&a| program.axes.extent(a).map(|n| n as f64)).product()
    };
    let inner: f64 = expr.children().into_iter().map(|c| find_expr_flops(program, c)).sum::<Option<f64>>()?;
    let own = match &expr.node {
        Node::Contract { left, right, .. } => {
            2.0 * size(&left.ty.axes.iter().chain(&right.ty.axes).copied().collect())?
        }
        Node::Number(_) | Node::State(_) | Node::Param(_) | Node::Var(_) | Node::Size(_) => 0.0,
        _ => size(&expr.ty.axes.iter().copied().collect())?,
    };
    Some(inner + own)
}

/// Operations of one evaluation of a summand, over all its plates.
pub fn find_factor_flops(program: &Program, factor: &Factor) -> Option<f64> {
    let plates: f64 = factor
        .plates
        .iter()
        .map(|&i| program.axes.extent(program.plate(i)).map(|n| n as f64))
        .product::<Option<f64>>()?;
    let body: f64 = factor.exprs().into_iter().map(|e| find_expr_flops(program, e)).sum::<Option<f64>>()?;
    let value = match &factor.kind {
        FactorKind::Conditional { target, .. } => {
            let event = program.extents(&program.vars[target.var].event)?;
            4.0 * event.iter().product::<usize>() as f64
        }
        _ => 1.0,
    };
    Some(plates * (body + value))
}

/// The cost of a block's log-partition.
pub fn find_cost(program: &Program, component: &Component<'_>, engine: &Engine) -> Option<Cost> {
    let once: f64 = component.pieces.iter().map(|p| find_factor_flops(program, p.factor)).sum::<Option<f64>>()?;
    match engine {
        Engine::Enumeration { kept, summed } => {
            let states = component.log2_states(program, kept)?.exp2();
            let entries: f64 = summed
                .iter()
                .chain(kept)
                .map(|&v| component.entries(program, v).map(|n| n as f64))
                .sum::<Option<f64>>()?;
            Some(Cost { flops: states * once, bytes: 8.0 * states * entries.max(1.0) })
        }
        Engine::JunctionTree => {
            let width = find_width(program, component)?;
            // A sweep up and one down, a few operations a cell each.
            Some(Cost { flops: once + 8.0 * width.cells, bytes: 16.0 * width.cells })
        }
        // How many rounds it takes only the numbers tell.
        Engine::Approximate(_) | Engine::Settled { .. } => None,
        Engine::ForwardBackward { along, .. } => {
            let length = program.axes.extent(*along)? as f64;
            let mut states = 1.0;
            for &var in &component.vars {
                let entries = component.entries(program, var)? as f64 / length;
                states *= (Component::states(program, var)? as f64).powf(entries);
            }
            Some(Cost { flops: states * once + 6.0 * length * states * states, bytes: 8.0 * length * states * states })
        }
        Engine::Gaussian { summed, kept, along } => {
            let length = match along {
                Some(along) => program.axes.extent(*along)? as f64,
                None => 1.0,
            };
            let states = component.log2_states(program, kept)?.exp2();
            let entries: f64 =
                summed.iter().map(|&v| component.entries(program, v).map(|n| n as f64)).sum::<Option<f64>>()?;
            let n = entries / length;
            // The factor of a matrix of n rows, and along a chain the elimination of one position from the next.
            let (factor, size) = match along {
                Some(_) => (n * n * n * (1.0 / 3.0 + 2.0), 4.0 * n * n),
                None => (n * n * n / 3.0, n * n),
            };
            Some(Cost { flops: states * (once + length * factor), bytes: 8.0 * states * length * size })
        }
    }
}
