//! Expected statistics of normals whose means are affine in learned parameters, and the M-steps that they close.
//!
//! In: regressions, and a log-partition whose derivatives are expectations. A potential ε·φφᵀ/σ² beside each density, with φ the mean's
//! slopes in its parameters and ε = 0, has for its derivative in ε the expected second moments H, whichever engine sums; the derivative of
//! the log-partition in the parameters themselves is H·(θ* − θ), where θ* is the maximum (Fisher's identity). A spread's is found the same
//! way: N entries are counted by a potential, and σ·∂log Z/∂σ is the expected square of what is left, over σ², less N.

use super::error::EmitError;
use super::scope::Scope;
use crate::base::span::Span;
use crate::dist::{Label, Named, Space};
use crate::model::{Arg, Dist, Expr, ParamId, Program, Target};
use crate::plan::{Coefficients, Regression};
use crate::tensor::op::{Binary, Unary};

/// How much is added to the diagonal of a least-squares system, as a share of it: it slows the step in directions of which the data
/// tell nothing and does not move where it ends.
const RIDGE: f64 = 1e-7;
/// The least factor by which a step changes a variance.
const LEAST: f64 = 1e-12;

/// A regression with the potentials by which its statistics are read off.
#[derive(Clone, Debug)]
pub(super) struct Collected {
    of: Regression,
    layout: Layout,
    /// ε over cells, directions and directions again; none without parameters of the mean.
    moments: Option<Named>,
    /// ε over the spread's axes; none where the spread is not learned.
    entries: Option<Named>,
}

/// The labels of a regression.
#[derive(Clone, Debug)]
struct Layout {
    /// Cells.
    cells: Vec<Label>,
    /// Those of them that are the spread's.
    spread: Vec<Label>,
    /// The numbers beside each other in one mean, and once more.
    directions: [Label; 2],
    /// Each parameter of the mean with where it starts among them, how many it has, and its value in each direction.
    units: Vec<(Coefficients, usize, usize, Named)>,
}

impl Layout {
    fn new(scope: &mut Scope<'_>, of: &Regression) -> Result<Layout, EmitError> {
        let program = scope.program;
        let cells = scope.axis_labels(&of.cells)?;
        let spread = match of.spread {
            Some(id) => scope.axis_labels(&program.params[id].axes)?,
            None => Vec::new(),
        };
        let mut sizes = Vec::new();
        for mean in &of.means {
            let labels = scope.axis_labels(&program.params[mean.param].axes)?;
            sizes.push(mean.directions.iter().map(|&i| scope.space.extent(labels[i])).product::<usize>());
        }
        let total: usize = sizes.iter().sum();
        let directions = [scope.space.label(total), scope.space.label(total)];
        let (mut units, mut start) = (Vec::new(), 0);
        for (mean, &size) in of.means.iter().zip(&sizes) {
            let labels = scope.axis_labels(&program.params[mean.param].axes)?;
            let along: Vec<Label> = mean.directions.iter().map(|&i| labels[i]).collect();
            let data = (0..total * size).map(|i| f64::from(u8::from(i / size.max(1) == start + i % size.max(1))));
            let inner: Vec<Label> = [directions[0]].into_iter().chain(along).collect();
            let unit = scope.space.constant(&inner, data.collect());
            let whole: Vec<Label> = [directions[0]].into_iter().chain(labels).collect();
            let unit = scope.space.align(&unit, &whole);
            units.push((mean.clone(), start, size, unit));
            start += size;
        }
        Ok(Layout { cells, spread, directions, units })
    }

    /// The labels of the second moments.
    fn moments(&self) -> Vec<Label> {
        self.cells.iter().chain(&self.directions).copied().collect()
    }
}

/// The names under which the statistics of a regression are summed over rows.
fn names(program: &Program, of: &Regression) -> [String; 2] {
    let declared = &program.vars[of.target];
    let place = format!("{}.{}@{}", program.models[declared.model].name, declared.name, of.at.start);
    [format!("counts.moments {place}"), format!("counts.entries {place}")]
}

/// Sets up the statistics of regressions: what stands in the scope from here on adds to them.
pub(super) fn collect(scope: &mut Scope<'_>, regressions: &[Regression]) -> Result<(), EmitError> {
    let mut made = 0;
    for of in regressions {
        let layout = Layout::new(scope, of)?;
        let mut zero = |space: &mut Space, labels: &[Label]| {
            // Equal operations are one node, and each slot must be a node of its own: they differ in how deep they are.
            let mut zeros = space.full(labels, 0.0);
            for _ in 0..made {
                zeros.node = space.graph.anchor(zeros.node);
                zeros = space.stop(&zeros);
            }
            made += 1;
            Named { node: space.graph.anchor(zeros.node), labels: zeros.labels }
        };
        let moments = (!of.means.is_empty()).then(|| zero(&mut scope.space, &layout.moments()));
        let entries = of.spread.is_some().then(|| zero(&mut scope.space, &layout.spread));
        scope.collected.push(Collected { of: of.clone(), layout, moments, entries });
    }
    Ok(())
}

/// Adds the statistics of a log-partition to their sums.
pub(super) fn sum_statistics(scope: &mut Scope<'_>, total: &Named) {
    let collected = scope.collected.clone();
    for one in &collected {
        let [moments, entries] = names(scope.program, &one.of);
        for (name, slot) in [(moments, &one.moments), (entries, &one.entries)] {
            let Some(slot) = slot else { continue };
            let found = scope.space.gradient(total, std::slice::from_ref(slot)).remove(0);
            let before = scope.space.state(&name, &slot.labels);
            let after = scope.space.add(&before, &found);
            let after = scope.space.align(&after, &slot.labels);
            scope.space.graph.set_state(&name, after.node);
        }
    }
}

impl Scope<'_> {
    /// The potentials beside a normal's density by which its statistics are read off; none where nothing is collected of it.
    pub(super) fn beside(
        &mut self,
        target: &Target,
        dist: &Dist,
        at: Span,
        counted: Option<&Named>,
    ) -> Result<Option<Named>, EmitError> {
        let Some(one) = self.collected.iter().find(|c| c.of.target == target.var && c.of.at == at).cloned() else {
            return Ok(None);
        };
        let (Some(mean), Some(sd)) = (dist.arg(Arg::Mean), dist.arg(Arg::Sd)) else { return Ok(None) };
        let mut sum = self.space.scalar(0.0);
        if let Some(moments) = &one.moments {
            let [first, second] = one.layout.directions;
            let slopes = self.slopes(&one.layout, mean)?;
            if slopes.has(first) {
                let deviation = self.number(sd)?;
                let scaled = self.space.zip(Binary::Div, &slopes, &deviation);
                let weights = self.at_spread(one.of.spread, moments, sd)?;
                let half = self.space.contract(&weights, &scaled, &[first]);
                let other = self.space.rename(&scaled, first, second);
                sum = self.space.contract(&half, &other, &[second]);
            }
        }
        if let Some(entries) = &one.entries {
            let counts = self.at_spread(one.of.spread, entries, sd)?;
            sum = self.space.add(&sum, &counts);
        }
        if let Some(counted) = counted {
            let zero = self.space.scalar(0.0);
            sum = self.space.select(counted, &sum, &zero);
        }
        let event = self.axis_labels(&self.program.vars[target.var].event)?;
        Ok(Some(self.space.total(&sum, &event)))
    }

    /// An affine expression's slopes in the parameters of a regression, along its directions.
    fn slopes(&mut self, layout: &Layout, mean: &Expr) -> Result<Named, EmitError> {
        let ids: Vec<ParamId> = layout.units.iter().map(|u| u.0.param).collect();
        let before: Vec<Option<Named>> = ids.iter().map(|id| self.params.get(id).cloned()).collect();
        let units: Vec<Named> = layout.units.iter().map(|u| u.3.clone()).collect();
        self.params.extend(ids.iter().copied().zip(units.iter().cloned()));
        let moved = self.number(mean);
        for (&id, unit) in ids.iter().zip(&units) {
            let zero = self.space.full(&unit.labels[1..], 0.0);
            self.params.insert(id, zero);
        }
        let still = self.number(mean);
        for (&id, value) in ids.iter().zip(before) {
            self.params.extend(value.map(|value| (id, value)));
        }
        let (moved, still) = (moved?, still?);
        Ok(self.space.sub(&moved, &still))
    }

    /// An array over the axes of a spread, and others, as the spread is read.
    fn at_spread(&mut self, spread: Option<ParamId>, array: &Named, sd: &Expr) -> Result<Named, EmitError> {
        let Some(id) = spread else { return Ok(array.clone()) };
        let before = self.params.insert(id, array.clone());
        let found = self.number(sd);
        self.params.extend(before.map(|value| (id, value)));
        found
    }
}

/// The M-step of a regression: its parameters' new values, from the sums of its statistics and of the slopes in its parameters, which
/// start again at zero.
pub(super) fn maximise(scope: &mut Scope<'_>, of: &Regression) -> Result<(), EmitError> {
    let program = scope.program;
    let layout = Layout::new(scope, of)?;
    let [moments_name, entries_name] = names(program, of);
    let mut gained = scope.space.scalar(0.0);
    if !of.means.is_empty() {
        let [rows, columns] = layout.directions;
        let moments = taken(&mut scope.space, &moments_name, &layout.moments());
        let mut parts = Vec::new();
        let mut places = Vec::new();
        for (mean, _, size, _) in &layout.units {
            let labels = scope.axis_labels(&program.params[mean.param].axes)?;
            let space = &mut scope.space;
            let mut slope = taken(space, &format!("counts.{}", program.params[mean.param].name), &labels);
            for (&i, &cell) in mean.cells.iter().zip(&layout.cells) {
                slope = space.rename(&slope, labels[i], cell);
            }
            let along: Vec<Label> = mean.directions.iter().map(|&i| labels[i]).collect();
            let own = space.label(*size);
            parts.push((space.flatten(&slope, &along, own), own));
            places.push((labels, along, own));
        }
        let space = &mut scope.space;
        let slope = space.concat(&parts, rows);
        // What nothing speaks for stays as it is.
        let diagonal = space.rename(&moments, columns, rows);
        let zero = space.scalar(0.0);
        let told = space.zip(Binary::Lt, &zero, &diagonal);
        let (ridge, one) = (space.scale(&diagonal, RIDGE), space.scalar(1.0));
        let ridge = space.select(&told, &ridge, &one);
        let eye = space.eye(rows, columns);
        let ridge = space.mul(&eye, &ridge);
        let system = space.add(&moments, &ridge);
        let lower = space.cholesky(&system, rows, columns, &format!("the mean of `{}`", program.vars[of.target].name));
        let half = space.solve(&lower, &slope, false);
        // What the step gains is ½ of this, at the spread that was.
        let squares = space.map(Unary::Square, &half);
        gained = space.sum(&squares, &[rows]);
        let step = space.solve(&lower, &half, true);
        for ((mean, start, _, _), (labels, along, own)) in layout.units.iter().zip(places) {
            let part = space.stretch(&step, rows, *start, own);
            let order: Vec<Label> = layout.cells.iter().copied().chain([own]).collect();
            let part = space.align(&part, &order);
            let inner: Vec<Label> = layout.cells.iter().copied().chain(along).collect();
            let shape = space.shape(&inner);
            let mut part = Named { node: space.graph.reshape(part.node, &shape), labels: inner };
            for (&i, &cell) in mean.cells.iter().zip(&layout.cells) {
                part = space.rename(&part, cell, labels[i]);
            }
            let name = &program.params[mean.param].name;
            let before = scope.params[&mean.param].clone();
            let after = space.add(&before, &part);
            let after = space.align(&after, &before.labels);
            space.graph.set_state(name, after.node);
            space.graph.watch(&format!("parameter {name}"), after.node);
        }
    }
    if let Some(id) = of.spread {
        let space = &mut scope.space;
        let name = &program.params[id].name;
        let before = scope.params[&id].clone();
        let entries = taken(space, &entries_name, &layout.spread);
        let slope = taken(space, &format!("counts.{name}"), &layout.spread);
        // The expected square that is left, over the variance that was: N + σ·∂log Z/∂σ, less what the mean's step takes.
        let gained = space.sum_to(&gained, &layout.spread);
        let left = space.add(&entries, &slope);
        let left = space.sub(&left, &gained);
        let zero = space.scalar(0.0);
        let some = space.zip(Binary::Lt, &zero, &entries);
        let one = space.scalar(1.0);
        let count = space.select(&some, &entries, &one);
        let ratio = space.zip(Binary::Div, &left, &count);
        let least = space.scalar(LEAST);
        let ratio = space.zip(Binary::Max, &ratio, &least);
        let root = space.map(Unary::Sqrt, &ratio);
        let root = space.select(&some, &root, &one);
        let after = space.mul(&before, &root);
        let after = space.align(&after, &before.labels);
        space.graph.set_state(name, after.node);
        space.graph.watch(&format!("parameter {name}"), after.node);
    }
    Ok(())
}

/// A sum, which starts again at zero.
fn taken(space: &mut Space, name: &str, labels: &[Label]) -> Named {
    let sum = space.state(name, labels);
    let zeros = space.full(labels, 0.0);
    space.graph.set_state(name, zeros.node);
    sum
}
