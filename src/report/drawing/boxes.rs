//! Which boxes a variable or a potential stands in: plates, the most shared outermost, and sub-models inside the plates they repeat over.

use std::collections::BTreeMap;

use super::describe::axis_text;
use super::roles::Roles;
use super::scene::{Cluster, Frame};
use super::text::cut;
use crate::model::{AxisId, AxisKind, Factor, FactorKind, IndexId, Model, Program, Subscript, VarId};

/// A step into a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A plate.
    Plate(AxisId),
    /// A sub-model, by its factor's position.
    Group(usize),
}

/// The boxes of a model.
pub struct Boxes<'p> {
    program: &'p Program,
    roles: &'p Roles,
    factors: &'p [Factor],
    /// Plates, the outermost first, each with the name of its index.
    order: Vec<(AxisId, Option<String>)>,
    /// How many of a variable's event axes are plates in all but name: everything reads it a position at a time.
    unfolded: BTreeMap<VarId, usize>,
    opened: BTreeMap<Vec<Step>, usize>,
}

impl<'p> Boxes<'p> {
    /// The boxes of a model and of the factors drawn.
    pub fn new(program: &'p Program, roles: &'p Roles, model: &'p Model, factors: &'p [Factor]) -> Self {
        let unfolded = unfolded(program, model, factors);
        let mut shared: Vec<(AxisId, usize, Option<String>)> = Vec::new();
        let mut count = |axis: AxisId, name: Option<&str>| {
            let at = shared.iter().position(|s| s.0 == axis).unwrap_or_else(|| {
                shared.push((axis, 0, None));
                shared.len() - 1
            });
            shared[at].1 += 1;
            if shared[at].2.is_none() {
                shared[at].2 = name.map(str::to_string);
            }
        };
        for &var in &model.vars {
            let plates = plates_of(program, &unfolded, var);
            plates.into_iter().for_each(|a| count(program.axes.root(a), None));
        }
        for factor in factors.iter().flat_map(|f| f.leaves().into_iter().chain([f])) {
            for &index in &factor.plates {
                count(program.axes.root(program.plate(index)), Some(&program.indices[index].name));
            }
        }
        shared.sort_by_key(|s| std::cmp::Reverse(s.1));
        let order = shared.into_iter().map(|(axis, _, name)| (axis, name)).collect();
        Boxes { program, roles, factors, order, unfolded, opened: BTreeMap::new() }
    }

    /// The name of a plate's index, or the plate's own where no index names it.
    pub fn index_name(&self, axis: AxisId) -> String {
        let root = self.program.axes.root(axis);
        let named = self.order.iter().find(|(a, _)| *a == root).and_then(|(_, name)| name.clone());
        named.unwrap_or_else(|| self.program.axes[axis].name.clone())
    }

    fn ordered(&self, axes: &[AxisId]) -> Vec<Step> {
        let roots: Vec<AxisId> = axes.iter().map(|&a| self.program.axes.root(a)).collect();
        self.order.iter().filter(|(a, _)| roots.contains(a)).map(|(a, _)| Step::Plate(*a)).collect()
    }

    fn plates(&self, indices: &[IndexId]) -> Vec<AxisId> {
        indices.iter().map(|&i| self.program.plate(i)).collect()
    }

    fn with_group(&self, axes: &[AxisId], group: Option<usize>) -> Vec<Step> {
        let all = self.ordered(axes);
        let Some(position) = group else { return all };
        let outer = self.ordered(&self.plates(&self.factors[position].plates));
        let rest = all.into_iter().filter(|s| !outer.contains(s)).collect::<Vec<_>>();
        outer.iter().copied().chain([Step::Group(position)]).chain(rest).collect()
    }

    /// The way to a variable.
    pub fn of_variable(&self, var: VarId) -> Vec<Step> {
        let group = self
            .factors
            .iter()
            .position(|f| matches!(&f.kind, FactorKind::Undirected { vars, .. } if vars.contains(&var)));
        self.with_group(&self.plates_of(var), group)
    }

    /// The plates that a variable is drawn in.
    pub fn plates_of(&self, var: VarId) -> Vec<AxisId> {
        plates_of(self.program, &self.unfolded, var)
    }

    /// The way to a potential.
    pub fn of_potential(&self, outer: &[IndexId], own: &[IndexId], group: Option<usize>) -> Vec<Step> {
        let axes: Vec<AxisId> = self.plates(outer).into_iter().chain(self.plates(own)).collect();
        self.with_group(&axes, group)
    }

    /// The innermost box of a way, opened if it was not.
    pub fn enter(&mut self, clusters: &mut Vec<Cluster>, path: &[Step]) -> Option<usize> {
        let mut parent = None;
        for depth in 1..=path.len() {
            let way = path[..depth].to_vec();
            let at = match self.opened.get(&way) {
                Some(&at) => at,
                None => {
                    clusters.push(self.cluster(parent, path[depth - 1]));
                    self.opened.insert(way, clusters.len() - 1);
                    clusters.len() - 1
                }
            };
            parent = Some(at);
        }
        parent
    }

    fn cluster(&self, parent: Option<usize>, step: Step) -> Cluster {
        match step {
            Step::Plate(axis) => {
                let index = self.order.iter().find(|(a, _)| *a == axis).and_then(|(_, name)| name.as_ref());
                let index = index.map(|i| format!("{} in ", cut(i, 20))).unwrap_or_default();
                let ragged = matches!(self.program.axes[axis].kind, AxisKind::Ragged);
                let size = axis_text(self.program, axis);
                let size = if ragged { size.replace('(', "(≤ ") } else { size };
                Cluster { parent, label: format!("{index}{size}"), frame: Frame::Plate, tint: None }
            }
            Step::Group(position) => {
                let factor = &self.factors[position];
                let tint = match &factor.kind {
                    FactorKind::Undirected { vars, .. } => self.roles.normaliser(vars),
                    _ => None,
                };
                let label = factor.name.as_deref().unwrap_or("undirected");
                Cluster { parent, label: cut(label, 24), frame: Frame::Group, tint }
            }
        }
    }

    /// Whether a box is a plate or stands in one.
    pub fn in_plate(&self, clusters: &[Cluster], mut at: Option<usize>) -> bool {
        while let Some(cluster) = at {
            if clusters[cluster].frame == Frame::Plate {
                return true;
            }
            at = clusters[cluster].parent;
        }
        false
    }
}

fn plates_of(program: &Program, unfolded: &BTreeMap<VarId, usize>, var: VarId) -> Vec<AxisId> {
    let declared = &program.vars[var];
    let more = unfolded.get(&var).copied().unwrap_or(0);
    declared.index.iter().chain(declared.event.iter().take(more)).copied().collect()
}

/// Leading event axes along which every factor reads a variable at positions of plates, and none distributes it as a whole.
fn unfolded(program: &Program, model: &Model, factors: &[Factor]) -> BTreeMap<VarId, usize> {
    let mut unfolded: BTreeMap<VarId, usize> = BTreeMap::new();
    for &var in &model.vars {
        let declared = &program.vars[var];
        let reads = factors.iter().flat_map(Factor::reads).filter(|r| r.var == var);
        let at_positions = reads.map(|r| {
            let positions = r.at.iter().take_while(|s| matches!(s, Subscript::At { .. })).count();
            positions.saturating_sub(declared.index.len())
        });
        let whole = factors
            .iter()
            .flat_map(Factor::leaves)
            .any(|f| !matches!(f.kind, FactorKind::Undirected { .. }) && f.targets().contains(&var));
        let count = at_positions.min().unwrap_or(0).min(declared.event.len());
        if count > 0 && !whole {
            unfolded.insert(var, count);
        }
    }
    unfolded
}
