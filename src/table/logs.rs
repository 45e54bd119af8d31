//! The same sums in logarithms, cell by cell: where the cells of a product lie further apart than floating-point numbers reach.
//!
//! In: tables of logarithms. Out: the logarithm of the sum (or of the largest product, or of the sum with a draw), and its derivative by
//! every cell. Axes are summed out one after the other; the way back hands each result's weight to the cells it came from. Slower
//! than messages in linear space by the price of an exponential a cell, and never out of range.

use super::order::{neighbours, search};
use crate::kernel::random::pick;

/// What is done with the cells along an axis.
pub enum Rule<'a> {
    /// Their sum; derivatives are marginals.
    Sum,
    /// The largest; derivatives are 1 at one best joint state.
    Largest,
    /// Their sum; derivatives are 1 at a joint state drawn by uniform numbers in [0, 1), one for each axis.
    Draw(&'a mut dyn FnMut() -> f64),
}

/// A table in the course of elimination, over increasing axes.
struct Term {
    axes: Vec<usize>,
    logs: Vec<f64>,
}

/// How an axis was summed out.
struct Step {
    axis: usize,
    /// The axes of the product, increasing.
    axes: Vec<usize>,
    /// The terms multiplied.
    from: Vec<usize>,
    product: Vec<f64>,
    /// The term made.
    made: usize,
}

/// ln Σ Π exp(table) over all axes, and for each table the derivative of that by its cells; minus infinity and zeros where every joint
/// state is ruled out. Each table is its axes, each once and increasing, and its cells, the last axis fastest.
pub fn log_sum(sizes: &[usize], tables: &[(&[usize], &[f64])], mut rule: Rule<'_>) -> (f64, Vec<Vec<f64>>) {
    let mut terms: Vec<Term> = tables.iter().map(|(a, l)| Term { axes: a.to_vec(), logs: l.to_vec() }).collect();
    let scopes: Vec<Vec<u32>> = tables.iter().map(|(axes, _)| axes.iter().map(|&a| a as u32).collect()).collect();
    let order = search(&neighbours(sizes.len(), scopes.iter().map(|s| &s[..])), sizes, 1);
    let mut open: Vec<usize> = (0..terms.len()).collect();
    let mut steps: Vec<Step> = Vec::new();
    for (axis, _) in order.steps {
        let axis = axis as usize;
        let (from, rest): (Vec<usize>, Vec<usize>) = open.into_iter().partition(|&t| terms[t].axes.contains(&axis));
        let mut axes: Vec<usize> = from.iter().flat_map(|&t| terms[t].axes.clone()).chain([axis]).collect();
        axes.sort_unstable();
        axes.dedup();
        let product = multiply(sizes, &axes, from.iter().map(|&t| &terms[t]));
        let (outer, inner) = around(sizes, &axes, axis);
        let mut logs = Vec::with_capacity(outer * inner);
        for at in 0..outer * inner {
            let line = line(&product, sizes[axis], inner, at);
            logs.push(if matches!(rule, Rule::Largest) { largest(line) } else { log_total(line) });
        }
        let left = axes.iter().copied().filter(|&a| a != axis).collect();
        open = rest;
        open.push(terms.len());
        steps.push(Step { axis, axes, from, product, made: terms.len() });
        terms.push(Term { axes: left, logs });
    }
    let total: f64 = open.iter().map(|&t| terms[t].logs[0]).sum();
    let mut weights: Vec<Vec<f64>> = terms.iter().map(|t| vec![0.0; t.logs.len()]).collect();
    if total > f64::NEG_INFINITY {
        open.iter().for_each(|&t| weights[t][0] = 1.0);
        for step in steps.iter().rev() {
            let (outer, inner) = around(sizes, &step.axes, step.axis);
            let size = sizes[step.axis];
            let mut shares = vec![0.0; step.product.len()];
            for at in 0..outer * inner {
                let weight = weights[step.made][at];
                if weight == 0.0 {
                    continue;
                }
                let whole = terms[step.made].logs[at];
                let cells = line(&step.product, size, inner, at);
                let chosen = match &mut rule {
                    Rule::Sum => None,
                    Rule::Largest => cells.clone().position(|v| v == whole),
                    Rule::Draw(uniform) => pick(cells.clone(), uniform()),
                };
                for (state, log) in cells.enumerate() {
                    let share = match rule {
                        Rule::Sum => (log - whole).exp(),
                        _ if chosen == Some(state) => 1.0,
                        _ => 0.0,
                    };
                    shares[(at / inner * size + state) * inner + at % inner] = weight * share;
                }
            }
            for &t in &step.from {
                let to = &mut weights[t];
                each(sizes, &step.axes, &terms[t].axes, |cell, at| to[at] += shares[cell]);
            }
        }
    }
    weights.truncate(tables.len());
    (total, weights)
}

/// Sums the logarithms of terms over `axes`.
fn multiply<'a>(sizes: &[usize], axes: &[usize], terms: impl Iterator<Item = &'a Term>) -> Vec<f64> {
    let mut product = vec![0.0; axes.iter().map(|&a| sizes[a]).product()];
    for term in terms {
        each(sizes, axes, &term.axes, |cell, at| product[cell] += term.logs[at]);
    }
    product
}

/// Visits the cells over `axes`, each with its place in a table over some of them.
fn each(sizes: &[usize], axes: &[usize], own: &[usize], mut visit: impl FnMut(usize, usize)) {
    let mut strides = vec![0; axes.len()];
    let mut stride = 1;
    for &axis in own.iter().rev() {
        if let Some(i) = axes.iter().position(|&a| a == axis) {
            strides[i] = stride;
        }
        stride *= sizes[axis];
    }
    let count: usize = axes.iter().map(|&a| sizes[a]).product();
    let mut states = vec![0; axes.len()];
    let mut at = 0;
    for cell in 0..count {
        visit(cell, at);
        for i in (0..axes.len()).rev() {
            states[i] += 1;
            at += strides[i];
            if states[i] < sizes[axes[i]] {
                break;
            }
            at -= strides[i] * states[i];
            states[i] = 0;
        }
    }
}

/// Cells before and behind an axis.
fn around(sizes: &[usize], axes: &[usize], axis: usize) -> (usize, usize) {
    let count = |axes: &mut dyn Iterator<Item = &usize>| axes.map(|&a| sizes[a]).product();
    (count(&mut axes.iter().take_while(|&&a| a < axis)), count(&mut axes.iter().filter(|&&a| a > axis)))
}

/// The cells along an axis, at one place of the others.
fn line(cells: &[f64], size: usize, inner: usize, at: usize) -> impl Iterator<Item = f64> + Clone + '_ {
    let start = at / inner * size * inner + at % inner;
    (0..size).map(move |s| cells[start + s * inner])
}

fn largest(line: impl Iterator<Item = f64>) -> f64 {
    line.fold(f64::NEG_INFINITY, f64::max)
}

fn log_total(line: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = largest(line.clone());
    match top == f64::NEG_INFINITY {
        true => top,
        false => top + line.map(|v| (v - top).exp()).sum::<f64>().ln(),
    }
}
