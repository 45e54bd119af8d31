//! Labelled arrays: tensor nodes whose axes carry labels, so that operands line up by name and not by position.

use std::collections::BTreeMap;

use crate::base::id::Id;
use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, Law, Reduction, Semiring, SiteId, Unary};

crate::ids!(
    /// A named dimension of labelled arrays, with one extent.
    Label
);

/// A tensor node with a label an axis; no label stands twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The node.
    pub node: NodeId,
    /// Its axes, outermost first.
    pub labels: Vec<Label>,
}

impl Named {
    /// Whether it has an axis of that label.
    pub fn has(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }

    fn axis(&self, label: Label) -> Option<usize> {
        self.labels.iter().position(|&l| l == label)
    }
}

/// A graph under construction with its labels and its supply of random sites.
#[derive(Clone, Debug, Default)]
pub struct Space {
    /// The graph.
    pub graph: Graph,
    extents: Vec<usize>,
    sites: SiteId,
}

impl Space {
    /// An empty space whose random sites start at `first_site`, so that programs of one run draw apart.
    pub fn new(first_site: SiteId) -> Space {
        Space { graph: Graph::new(), extents: Vec::new(), sites: first_site }
    }

    /// A new label.
    pub fn label(&mut self, extent: usize) -> Label {
        self.extents.push(extent);
        Label::from_index(self.extents.len() - 1)
    }

    /// The extent of a label.
    pub fn extent(&self, label: Label) -> usize {
        self.extents[label.index()]
    }

    /// The shape of an array with those axes.
    pub fn shape(&self, labels: &[Label]) -> Vec<usize> {
        labels.iter().map(|&l| self.extent(l)).collect()
    }

    /// A random site nobody else has.
    pub fn site(&mut self) -> SiteId {
        self.sites += 1;
        self.sites
    }

    /// A number.
    pub fn scalar(&mut self, value: f64) -> Named {
        Named { node: self.graph.scalar(value), labels: Vec::new() }
    }

    /// The same number throughout.
    pub fn full(&mut self, labels: &[Label], value: f64) -> Named {
        let shape = self.shape(labels);
        Named { node: self.graph.full(&shape, value), labels: labels.to_vec() }
    }

    /// Given numbers, row-major.
    pub fn constant(&mut self, labels: &[Label], data: Vec<f64>) -> Named {
        let shape = self.shape(labels);
        Named { node: self.graph.constant(&shape, data), labels: labels.to_vec() }
    }

    /// An argument of the run.
    pub fn input(&mut self, name: &str, labels: &[Label]) -> Named {
        let shape = self.shape(labels);
        Named { node: self.graph.input(name, &shape), labels: labels.to_vec() }
    }

    /// A persistent buffer.
    pub fn state(&mut self, name: &str, labels: &[Label]) -> Named {
        let shape = self.shape(labels);
        Named { node: self.graph.state(name, &shape), labels: labels.to_vec() }
    }

    /// The index along an axis.
    pub fn positions(&mut self, label: Label) -> Named {
        let shape = [self.extent(label)];
        Named { node: self.graph.iota(&shape, 0), labels: vec![label] }
    }

    /// Fresh random numbers.
    pub fn random(&mut self, law: Law, labels: &[Label]) -> Named {
        let shape = self.shape(labels);
        let site = self.site();
        Named { node: self.graph.random(law, &shape, site), labels: labels.to_vec() }
    }

    /// The array with exactly these axes in this order: transposed, and repeated along those it lacks.
    pub fn align(&mut self, a: &Named, labels: &[Label]) -> Named {
        if a.labels == labels {
            return a.clone();
        }
        debug_assert!(a.labels.iter().all(|l| labels.contains(l)), "aligning keeps every axis");
        let map: Vec<usize> = a.labels.iter().map(|l| labels.iter().position(|m| m == l).unwrap_or_default()).collect();
        let shape = self.shape(labels);
        Named { node: self.graph.broadcast(a.node, &shape, &map), labels: labels.to_vec() }
    }

    /// The labels of both, those of the first before those only the second has.
    pub fn union(a: &[Label], b: &[Label]) -> Vec<Label> {
        let mut all = a.to_vec();
        all.extend(b.iter().copied().filter(|l| !a.contains(l)));
        all
    }

    /// An elementwise function.
    pub fn map(&mut self, f: Unary, a: &Named) -> Named {
        Named { node: self.graph.unary(f, a.node), labels: a.labels.clone() }
    }

    /// An elementwise operator over the union of the axes.
    pub fn zip(&mut self, f: Binary, a: &Named, b: &Named) -> Named {
        // The operand with more axes leads, so that the common case needs no transposition.
        let labels = match a.labels.len() >= b.labels.len() {
            true => Self::union(&a.labels, &b.labels),
            false => Self::union(&b.labels, &a.labels),
        };
        let (x, y) = (self.align(a, &labels), self.align(b, &labels));
        Named { node: self.graph.binary(f, x.node, y.node), labels }
    }

    /// a + b.
    pub fn add(&mut self, a: &Named, b: &Named) -> Named {
        self.zip(Binary::Add, a, b)
    }

    /// a − b.
    pub fn sub(&mut self, a: &Named, b: &Named) -> Named {
        self.zip(Binary::Sub, a, b)
    }

    /// a · b.
    pub fn mul(&mut self, a: &Named, b: &Named) -> Named {
        self.zip(Binary::Mul, a, b)
    }

    /// a · b, and 0 wherever a is 0, even where b is infinite.
    pub fn mul_zero(&mut self, a: &Named, b: &Named) -> Named {
        self.zip(Binary::MulZero, a, b)
    }

    /// factor · a.
    pub fn scale(&mut self, a: &Named, factor: f64) -> Named {
        Named { node: self.graph.scale(a.node, factor), labels: a.labels.clone() }
    }

    /// 1 − a.
    pub fn complement(&mut self, a: &Named) -> Named {
        let one = self.scalar(1.0);
        self.sub(&one, a)
    }

    /// a where the condition is not 0, else b.
    pub fn select(&mut self, cond: &Named, a: &Named, b: &Named) -> Named {
        let labels = Self::union(&Self::union(&a.labels, &b.labels), &cond.labels);
        let (c, x, y) = (self.align(cond, &labels), self.align(a, &labels), self.align(b, &labels));
        Named { node: self.graph.select(c.node, x.node, y.node), labels }
    }

    /// The sum over those of the axes that it has; an axis it lacks is one along which it repeats, and is not counted.
    pub fn sum(&mut self, a: &Named, over: &[Label]) -> Named {
        let axes: Vec<usize> = (0..a.labels.len()).filter(|&i| over.contains(&a.labels[i])).collect();
        if axes.is_empty() {
            return a.clone();
        }
        let labels = a.labels.iter().copied().filter(|l| !over.contains(l)).collect();
        Named { node: self.graph.reduce(Reduction::Sum, a.node, &axes), labels }
    }

    /// The sum over axes along which it repeats where it lacks them: an axis it lacks multiplies by its extent.
    pub fn total(&mut self, a: &Named, over: &[Label]) -> Named {
        let absent: usize = over.iter().filter(|&&l| !a.has(l)).map(|&l| self.extent(l)).product();
        let summed = self.sum(a, over);
        match absent {
            1 => summed,
            n => self.scale(&summed, n as f64),
        }
    }

    /// The sum over every axis but these.
    pub fn sum_to(&mut self, a: &Named, keep: &[Label]) -> Named {
        let over: Vec<Label> = a.labels.iter().copied().filter(|l| !keep.contains(l)).collect();
        self.sum(a, &over)
    }

    /// log Σ exp over one axis, or what the mode makes of it.
    pub fn log_sum_exp(&mut self, a: &Named, over: Label, mode: Semiring) -> Named {
        match a.axis(over) {
            // Equal terms along the axis, each of them counted.
            None => {
                let all = Self::union(&a.labels, &[over]);
                let spread = self.align(a, &all);
                self.log_sum_exp(&spread, over, mode)
            }
            Some(axis) => Named {
                node: self.graph.log_sum_exp(a.node, axis, mode),
                labels: a.labels.iter().copied().filter(|&l| l != over).collect(),
            },
        }
    }

    /// Normalised exponentials along one axis.
    pub fn softmax(&mut self, a: &Named, over: Label) -> Named {
        match a.axis(over) {
            None => {
                let share = 1.0 / self.extent(over).max(1) as f64;
                self.full(&[over], share)
            }
            Some(axis) => Named { node: self.graph.softmax(a.node, axis), labels: a.labels.clone() },
        }
    }

    /// 1 at the first largest entry along an axis, else 0.
    pub fn one_hot_argmax(&mut self, a: &Named, over: Label) -> Named {
        match a.axis(over) {
            None => a.clone(),
            Some(axis) => Named { node: self.graph.one_hot_argmax(a.node, axis), labels: a.labels.clone() },
        }
    }

    /// The product summed over `over`, aligned along everything else.
    pub fn contract(&mut self, a: &Named, b: &Named, over: &[Label]) -> Named {
        let out: Vec<Label> = Self::union(&a.labels, &b.labels).into_iter().filter(|l| !over.contains(l)).collect();
        let number = |labels: &[Label]| labels.iter().map(|l| l.index() as u32).collect::<Vec<u32>>();
        let node = self.graph.einsum(a.node, &number(&a.labels), b.node, &number(&b.labels), &number(&out));
        Named { node, labels: out }
    }

    /// The array with one label called another; where it already has the other, its diagonal.
    pub fn rename(&mut self, a: &Named, from: Label, to: Label) -> Named {
        if from == to || !a.has(from) {
            return a.clone();
        }
        debug_assert_eq!(self.extent(from), self.extent(to), "renamed axes have one extent");
        if a.has(to) {
            let eye = self.eye(from, to);
            let masked = self.mul_zero(&eye, a);
            return self.sum(&masked, &[from]);
        }
        let labels = a.labels.iter().map(|&l| if l == from { to } else { l }).collect();
        Named { node: a.node, labels }
    }

    /// The identity matrix.
    pub fn eye(&mut self, rows: Label, columns: Label) -> Named {
        let n = self.extent(rows);
        let data = (0..n * n).map(|i| if i / n == i % n { 1.0 } else { 0.0 }).collect();
        self.constant(&[rows, columns], data)
    }

    /// 1 at each code along a new axis, else 0.
    pub fn one_hot(&mut self, codes: &Named, class: Label) -> Named {
        let states = self.positions(class);
        let labels = Self::union(&codes.labels, &[class]);
        let (c, s) = (self.align(codes, &labels), self.align(&states, &labels));
        Named { node: self.graph.binary(Binary::Eq, c.node, s.node), labels }
    }

    /// The entries of a table along `axis` that indicators made of codes select, if the codes are known and range over other axes than
    /// the table: by looking them up.
    pub fn look_up(&mut self, table: &Named, axis: Label, hot: &Named) -> Option<Named> {
        if !table.has(axis) {
            return None;
        }
        let class = hot.axis(axis)?;
        let (codes, map) = self.graph.codes_of(hot.node, class)?;
        let labels: Vec<Label> = map.iter().map(|&m| hot.labels[m]).collect();
        if labels.iter().any(|&l| table.has(l)) {
            return None;
        }
        // What belongs to one code lies together.
        let rest: Vec<Label> = table.labels.iter().copied().filter(|&l| l != axis).collect();
        let table = self.align(table, &[&[axis], &rest[..]].concat());
        Some(Named { node: self.graph.gather(table.node, 0, codes), labels: [labels, rest].concat() })
    }

    /// Arrays laid end to end: each part's own label becomes the joint one.
    pub fn concat(&mut self, parts: &[(Named, Label)], joint: Label) -> Named {
        let mut rest: Vec<Label> = Vec::new();
        for (part, own) in parts {
            rest = Self::union(&rest, &part.labels.iter().copied().filter(|l| l != own).collect::<Vec<_>>());
        }
        let nodes: Vec<NodeId> = parts
            .iter()
            .map(|(part, own)| {
                let labels: Vec<Label> = rest.iter().copied().chain([*own]).collect();
                self.align(part, &labels).node
            })
            .collect();
        let node = self.graph.concat(&nodes, rest.len());
        Named { node, labels: rest.into_iter().chain([joint]).collect() }
    }

    /// Arrays stacked along a new axis.
    pub fn stack(&mut self, parts: &[Named], along: Label) -> Named {
        let mut rest: Vec<Label> = Vec::new();
        for part in parts {
            rest = Self::union(&rest, &part.labels);
        }
        let slim = self.label(1);
        let labels: Vec<Label> = rest.iter().copied().chain([slim]).collect();
        let nodes: Vec<NodeId> = parts.iter().map(|p| self.align(p, &labels).node).collect();
        let node = self.graph.concat(&nodes, rest.len());
        Named { node, labels: rest.into_iter().chain([along]).collect() }
    }

    /// Entry t holds what entry t + offset held; zeros come in from outside.
    pub fn shift(&mut self, a: &Named, along: Label, offset: i64) -> Named {
        let Some(axis) = a.axis(along) else { return a.clone() };
        let extent = self.extent(along);
        let distance = (offset.unsigned_abs() as usize).min(extent);
        let kept = extent - distance;
        let node = match offset {
            0 => a.node,
            _ if kept == 0 => self.graph.zeros_like(a.node),
            1.. => {
                let slice = self.graph.slice(a.node, axis, distance, kept);
                self.graph.pad(slice, axis, 0, distance, 0.0)
            }
            _ => {
                let slice = self.graph.slice(a.node, axis, 0, kept);
                self.graph.pad(slice, axis, distance, 0, 0.0)
            }
        };
        Named { node, labels: a.labels.clone() }
    }

    /// One entry along an axis, which goes; an array without the axis repeats along it and stays.
    pub fn at(&mut self, a: &Named, along: Label, position: usize) -> Named {
        let Some(axis) = a.axis(along) else { return a.clone() };
        let slice = self.graph.slice(a.node, axis, position, 1);
        let labels: Vec<Label> = a.labels.iter().copied().filter(|&l| l != along).collect();
        let shape = self.shape(&labels);
        Named { node: self.graph.reshape(slice, &shape), labels }
    }

    /// A stretch along an axis, under another label; an array without the axis stays as it is.
    pub fn stretch(&mut self, a: &Named, along: Label, start: usize, to: Label) -> Named {
        let Some(axis) = a.axis(along) else { return a.clone() };
        let node = self.graph.slice(a.node, axis, start, self.extent(to));
        Named { node, labels: a.labels.iter().map(|&l| if l == along { to } else { l }).collect() }
    }

    /// An axis cut into blocks: `along` becomes `outer`, and `inner` stands last; a rest at the end is dropped.
    pub fn blocks(&mut self, a: &Named, [along, outer, inner]: [Label; 3]) -> Named {
        if !a.has(along) {
            return a.clone();
        }
        let rest: Vec<Label> = a.labels.iter().copied().filter(|&l| l != along).collect();
        let order: Vec<Label> = rest.iter().copied().chain([along]).collect();
        let aligned = self.align(a, &order);
        let kept = self.graph.slice(aligned.node, rest.len(), 0, self.extent(outer) * self.extent(inner));
        let labels: Vec<Label> = rest.into_iter().chain([outer, inner]).collect();
        let shape = self.shape(&labels);
        Named { node: self.graph.reshape(kept, &shape), labels }
    }

    /// The neighbours of places on an axis, along a window that stands last: `along` becomes `places`, whose t-th is at s·t, s the
    /// ratio of the extents; entry w is what lies at s·t + w − ⌊width/2⌋, 0 outside. An array without the axis has itself for neighbours.
    pub fn windows(&mut self, a: &Named, [along, places, window]: [Label; 3]) -> Named {
        let width = self.extent(window);
        let step = self.extent(along) / self.extent(places).max(1);
        let a = if a.has(along) { a.clone() } else { self.repeated(a, along) };
        let parts: Vec<Named> = (0..width)
            .map(|w| {
                let shifted = self.shift(&a, along, w as i64 - (width / 2) as i64);
                if along == places {
                    return shifted;
                }
                let within = self.label(step);
                let blocks = self.blocks(&shifted, [along, places, within]);
                self.at(&blocks, within, 0)
            })
            .collect();
        self.stack(&parts, window)
    }

    /// The transpose of [`Space::windows`]: `places` becomes `along`, and each position holds the sum over the window of all that
    /// would look at it.
    pub fn overlap(&mut self, a: &Named, [along, places, window]: [Label; 3]) -> Named {
        let width = self.extent(window);
        let step = self.extent(along) / self.extent(places).max(1);
        let mut a = a.clone();
        for label in [places, window] {
            a = if a.has(label) { a } else { self.repeated(&a, label) };
        }
        let rest: Vec<Label> = a.labels.iter().copied().filter(|l| ![places, window].contains(l)).collect();
        let labels: Vec<Label> = rest.iter().copied().chain([along]).collect();
        let shape = self.shape(&labels);
        let mut total: Option<Named> = None;
        for w in 0..width {
            let one = self.at(&a, window, w);
            let slim = self.label(1);
            let order: Vec<Label> = rest.iter().copied().chain([places, slim]).collect();
            let aligned = self.align(&one, &order);
            let spread = self.graph.pad(aligned.node, rest.len() + 1, 0, step.saturating_sub(1), 0.0);
            let spread = Named { node: self.graph.reshape(spread, &shape), labels: labels.clone() };
            let part = self.shift(&spread, along, (width / 2) as i64 - w as i64);
            total = Some(match total {
                None => part,
                Some(sum) => self.add(&sum, &part),
            });
        }
        total.unwrap_or_else(|| self.full(&labels, 0.0))
    }

    /// The array with one more axis, along which it repeats.
    fn repeated(&mut self, a: &Named, along: Label) -> Named {
        let labels: Vec<Label> = a.labels.iter().copied().chain([along]).collect();
        self.align(a, &labels)
    }

    /// The same value, through which no derivative flows.
    pub fn stop(&mut self, a: &Named) -> Named {
        Named { node: self.graph.stop_gradient(a.node), labels: a.labels.clone() }
    }

    /// The derivative of the sum of all entries of `of`.
    pub fn gradient(&mut self, of: &Named, wrt: &[Named]) -> Vec<Named> {
        let nodes: Vec<NodeId> = wrt.iter().map(|w| w.node).collect();
        let found = self.graph.gradient(of.node, &nodes);
        found.into_iter().zip(wrt).map(|(node, w)| Named { node, labels: w.labels.clone() }).collect()
    }

    /// Arrays rebuilt with some inputs replaced by arrays of the same axes.
    pub fn replace(&mut self, roots: &[Named], pairs: &[(Named, Named)]) -> Vec<Named> {
        let mut map = BTreeMap::new();
        for (old, new) in pairs {
            let new = self.align(new, &old.labels);
            map.insert(old.node, new.node);
        }
        let nodes: Vec<NodeId> = roots.iter().map(|r| r.node).collect();
        let found = self.graph.substitute(&nodes, &map);
        found.into_iter().zip(roots).map(|(node, r)| Named { node, labels: r.labels.clone() }).collect()
    }
}
