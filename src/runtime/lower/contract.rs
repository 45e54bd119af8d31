//! Einstein sums as batches of matrix products.
//!
//! Labels in both operands and the output count batches; those in one operand and the output are rows (of the first) or
//! columns (of the second); the rest is summed. A group of labels that an operand does not hold at one stride is copied into order
//! first. The product is written with the output's leading labels as rows where that is possible, so that it is dense as the output wants it.

use super::Lower;
use crate::kernel::real::Real;
use crate::kernel::strided::Layout;
use crate::runtime::plan::{Kind, View};
use crate::tensor::graph::NodeId;

/// An operand: its array with a label on each axis.
struct Labelled {
    view: View,
    labels: Vec<u32>,
}

impl Labelled {
    fn axis(&self, label: u32) -> (usize, isize) {
        let i = self.labels.iter().position(|&l| l == label).unwrap_or_default();
        self.view.layout.axes[i]
    }

    /// Extent and stride of some labels as one axis, the last varying fastest.
    fn joined(&self, labels: &[u32]) -> Option<(usize, isize)> {
        let axes = labels.iter().map(|&l| self.axis(l)).collect();
        let joined = Layout { offset: 0, axes }.collapsed();
        match joined.axes.as_slice() {
            [] => Some((1, 0)),
            [one] => Some(*one),
            _ => None,
        }
    }
}

impl<T: Real> Lower<'_, T> {
    pub(super) fn einsum(&mut self, n: NodeId, la: &[u32], lb: &[u32], out: &[u32]) -> View {
        let (a, b) = (self.graph.inputs_of(n)[0], self.graph.inputs_of(n)[1]);
        let mut a = Labelled { view: self.view(a), labels: la.to_vec() };
        let mut b = Labelled { view: self.view(b), labels: lb.to_vec() };
        let batch: Vec<u32> = out.iter().copied().filter(|l| la.contains(l) && lb.contains(l)).collect();
        let first = out.iter().copied().find(|l| !batch.contains(l));
        if first.is_some_and(|l| lb.contains(&l)) {
            std::mem::swap(&mut a, &mut b);
        }
        let only = |one: &Labelled, other: &Labelled| -> Vec<u32> {
            out.iter().copied().filter(|l| one.labels.contains(l) && !other.labels.contains(l)).collect()
        };
        let (mut rows, mut columns) = (only(&a, &b), only(&b, &a));
        let mut summed: Vec<u32> = a.labels.iter().copied().filter(|l| !out.contains(l)).collect();
        // Another order of a group's labels may let an operand stand as it is.
        let by_stride = |operand: &Labelled, labels: &mut Vec<u32>| {
            if operand.joined(labels).is_none() {
                let mut sorted = labels.clone();
                sorted.sort_by_key(|&l| std::cmp::Reverse(operand.axis(l).1.abs()));
                if operand.joined(&sorted).is_some() {
                    *labels = sorted;
                }
            }
        };
        by_stride(&a, &mut rows);
        by_stride(&b, &mut columns);
        summed.sort_by_key(|&l| std::cmp::Reverse(a.axis(l).1.abs()));
        if b.joined(&summed).is_none() {
            let mut sorted = summed.clone();
            sorted.sort_by_key(|&l| std::cmp::Reverse(b.axis(l).1.abs()));
            if b.joined(&sorted).is_some() {
                summed = sorted;
            }
        }
        if a.joined(&rows).is_none() || a.joined(&summed).is_none() {
            a = self.in_order(a, &[&batch, &rows, &summed]);
        }
        if b.joined(&columns).is_none() || b.joined(&summed).is_none() {
            b = self.in_order(b, &[&batch, &summed, &columns]);
        }
        let one = (1, 0);
        let (m, a_row) = a.joined(&rows).unwrap_or(one);
        let (k, a_col) = a.joined(&summed).unwrap_or(one);
        let (_, b_row) = b.joined(&summed).unwrap_or(one);
        let (cols, b_col) = b.joined(&columns).unwrap_or(one);
        let mut batches = vec![(a.view.layout.offset, b.view.layout.offset)];
        for &l in &batch {
            let ((extent, sa), (_, sb)) = (a.axis(l), b.axis(l));
            batches = batches
                .into_iter()
                .flat_map(|(x, y)| (0..extent as isize).map(move |i| (x + i * sa, y + i * sb)))
                .collect();
        }
        let natural: Vec<u32> = batch.iter().chain(&rows).chain(&columns).copied().collect();
        let extent = |l: u32| if a.labels.contains(&l) { a.axis(l).0 } else { b.axis(l).0 };
        let shape: Vec<usize> = natural.iter().map(|&l| extent(l)).collect();
        let kind = Kind::Gemm { m, n: cols, k, batches, a: (a_row, a_col), b: (b_row, b_col) };
        let made = self.step(kind, vec![a.view, b.view], &shape);
        let place = |l: &u32| natural.iter().position(|x| x == l).unwrap_or_default();
        let axes = out.iter().map(|l| made.layout.axes[place(l)]).collect();
        View { layout: Layout { offset: 0, axes }, ..made }
    }

    /// The operand copied with its labels in this order.
    fn in_order(&mut self, operand: Labelled, groups: &[&[u32]]) -> Labelled {
        let labels: Vec<u32> = groups.concat();
        let axes: Vec<(usize, isize)> = labels.iter().map(|&l| operand.axis(l)).collect();
        let shape: Vec<usize> = axes.iter().map(|x| x.0).collect();
        let turned = View { layout: Layout { offset: operand.view.layout.offset, axes }, ..operand.view };
        Labelled { view: self.copy(turned, &shape), labels }
    }
}
