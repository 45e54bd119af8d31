//! A model and its plan as a scene: circles for variables, squares for factors, dots for parameters, boxes for plates and sub-models.

use std::collections::{BTreeMap, BTreeSet};

use super::boxes::Boxes;
use super::reads::{Definition, Reads, definitions};
use super::roles::Roles;
use super::scene::{Edge, Node, Scene, Seen, Shape, Tie};
use super::text::{Name, cut};
use crate::model::{AxisId, Domain, Factor, FactorKind, Model, ModelId, Owner, ParamId, Program, VarId};

/// Beyond so many dots those of parameters without a prior are left out.
const DOTS: usize = 14;
/// So many names are written at one dot.
const NAMES: usize = 6;

/// A model's scene, or that of its guide.
pub struct Described {
    /// The scene.
    pub scene: Scene,
    /// Whether parameters were left out.
    pub without_parameters: bool,
}

/// The scene of a model.
pub fn model_scene(program: &Program, roles: &Roles, id: ModelId) -> Described {
    let model = &program.models[id];
    let mut writer = Writer::new(program, roles, model, &model.factors);
    // What only the guide computes is drawn with the guide.
    let own: BTreeSet<VarId> = model.factors.iter().flat_map(Factor::scope).collect();
    let guided: BTreeSet<VarId> =
        model.guide.iter().flat_map(|g| &g.factors).flat_map(Factor::targets).filter(|v| !own.contains(v)).collect();
    for &var in model.vars.iter().filter(|v| !guided.contains(v)) {
        writer.variable(var);
    }
    writer.factors(&model.factors);
    writer.done(&model.name, false)
}

/// The scene of a model's guide, if it has one.
pub fn guide_scene(program: &Program, roles: &Roles, id: ModelId) -> Option<Described> {
    let model = &program.models[id];
    let guide = model.guide.as_ref()?;
    let mut writer = Writer::new(program, roles, model, &guide.factors);
    let touched: BTreeSet<VarId> = guide.factors.iter().flat_map(Factor::scope).collect();
    let reads: Vec<Reads> = guide.factors.iter().map(|f| Reads::of(program, &writer.definitions, f)).collect();
    let read: BTreeSet<VarId> = reads.iter().flat_map(|r| r.vars.iter().map(|(v, _)| *v)).collect();
    let targets: BTreeSet<VarId> = guide.factors.iter().flat_map(Factor::targets).collect();
    for &var in &model.vars {
        if targets.contains(&var) || read.contains(&var) || (touched.contains(&var) && reads.is_empty()) {
            writer.variable(var);
        }
    }
    writer.factors(&guide.factors);
    Some(writer.done("guide", true))
}

struct Writer<'p> {
    program: &'p Program,
    roles: &'p Roles,
    model: &'p Model,
    definitions: Vec<Definition<'p>>,
    boxes: Boxes<'p>,
    scene: Scene,
    nodes: BTreeMap<VarId, usize>,
    levels: BTreeMap<VarId, usize>,
    /// Variables that conditionals of others read.
    parents: BTreeSet<VarId>,
    /// The squares that read each parameter.
    readers: BTreeMap<ParamId, BTreeSet<usize>>,
}

impl<'p> Writer<'p> {
    fn new(program: &'p Program, roles: &'p Roles, model: &'p Model, factors: &'p [Factor]) -> Self {
        Writer {
            program,
            roles,
            model,
            definitions: definitions(&model.factors),
            boxes: Boxes::new(program, roles, model, factors),
            scene: Scene::default(),
            nodes: BTreeMap::new(),
            levels: levels(model, factors, roles),
            parents: parents(factors),
            readers: BTreeMap::new(),
        }
    }

    fn variable(&mut self, var: VarId) {
        let declared = &self.program.vars[var];
        let plates = self.boxes.plates_of(var);
        let positions: Vec<String> = plates.iter().map(|&a| self.boxes.index_name(a)).collect();
        let event = &declared.event[plates.len() - declared.index.len()..];
        let path = self.boxes.of_variable(var);
        let cluster = self.boxes.enter(&mut self.scene.clusters, &path);
        self.nodes.insert(var, self.scene.nodes.len());
        self.scene.nodes.push(Node {
            shape: Shape::Variable { seen: self.roles.seen(var), defined: false },
            names: vec![Name::new(&declared.name, &positions)],
            note: note(self.program, &declared.domain, event),
            law: None,
            aside: Vec::new(),
            recurs: String::new(),
            cluster,
            tint: self.roles.tint(var),
        });
    }

    fn factors(&mut self, factors: &[Factor]) {
        for (position, factor) in factors.iter().enumerate() {
            match &factor.kind {
                FactorKind::Undirected { body, .. } => {
                    for leaf in body.iter().flat_map(Factor::leaves) {
                        self.factor(leaf, &factor.plates, Some(position));
                    }
                }
                _ => self.factor(factor, &[], None),
            }
        }
    }

    fn factor(&mut self, factor: &Factor, outer: &[crate::model::IndexId], group: Option<usize>) {
        let reads = Reads::of(self.program, &self.definitions, factor);
        let target = match &factor.kind {
            FactorKind::Conditional { target, .. } | FactorKind::Deterministic { target, .. } => {
                self.nodes.get(&target.var).copied().map(|node| (target.var, node))
            }
            FactorKind::Potential(_) | FactorKind::Undirected { .. } => None,
        };
        let square = match target {
            Some((var, node)) => {
                let parents = reads.vars.iter().filter(|(v, _)| *v != var);
                for (parent, label) in parents {
                    if let Some(&from) = self.nodes.get(parent) {
                        self.scene.edges.push(Edge { from, to: node, label: label.clone(), tie: Tie::Parent });
                    }
                }
                let own: Vec<&str> = reads.vars.iter().filter(|(v, _)| *v == var).map(|(_, l)| l.as_str()).collect();
                let drawn = &mut self.scene.nodes[node];
                drawn.recurs = cut(&own.join("; "), 24);
                match (&factor.kind, &mut drawn.shape) {
                    (FactorKind::Conditional { dist, .. }, _) => drawn.law = Some(dist.family.name().to_string()),
                    (_, Shape::Variable { defined, .. }) => *defined = true,
                    _ => {}
                }
                node
            }
            None => self.potential(factor, outer, group, &reads),
        };
        for param in reads.params {
            self.readers.entry(param).or_default().insert(square);
        }
    }

    fn potential(
        &mut self,
        factor: &Factor,
        outer: &[crate::model::IndexId],
        group: Option<usize>,
        reads: &Reads,
    ) -> usize {
        let path = self.boxes.of_potential(outer, &factor.plates, group);
        let cluster = self.boxes.enter(&mut self.scene.clusters, &path);
        let square = self.scene.nodes.len();
        self.scene.nodes.push(Node {
            shape: Shape::Potential,
            names: factor.name.iter().map(|n| Name::new(n, &[])).collect(),
            note: String::new(),
            law: None,
            aside: Vec::new(),
            recurs: String::new(),
            cluster,
            tint: None,
        });
        // Above stands what is furthest from the data and has no children of its own.
        let level = |v: &VarId| match self.parents.contains(v) {
            true => 0,
            false => 1 + self.levels.get(v).copied().unwrap_or(0),
        };
        let highest = reads.vars.iter().map(|(v, _)| level(v)).max().unwrap_or(0);
        for (var, label) in &reads.vars {
            let Some(&node) = self.nodes.get(var) else { continue };
            let (from, to) = if level(var) == highest { (node, square) } else { (square, node) };
            self.scene.edges.push(Edge { from, to, label: label.clone(), tie: Tie::Member });
        }
        square
    }

    /// Dots for the parameters, one for all that the same squares read.
    fn parameters(&mut self) -> bool {
        let mut together: BTreeMap<(BTreeSet<usize>, Option<&str>), Vec<Name>> = BTreeMap::new();
        for (&param, squares) in &self.readers {
            let declared = &self.program.params[param];
            let prior = declared.prior.as_ref().map(|d| d.family.name());
            let name = parameter_name(self.program, param);
            let names = together.entry((squares.clone(), prior)).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let is_aside = |this: &Self, squares: &BTreeSet<usize>, prior: Option<&str>| {
            let only = squares.first().filter(|_| squares.len() == 1 && prior.is_none())?;
            let free = !this.boxes.in_plate(&this.scene.clusters, this.scene.nodes[*only].cluster);
            let squared = this.scene.nodes[*only].law.is_some() || this.scene.nodes[*only].shape == Shape::Potential;
            (free && squared).then_some(*only)
        };
        let dots = together.iter().filter(|((s, p), _)| p.is_none() && is_aside(self, s, *p).is_none()).count();
        for ((squares, prior), mut names) in together {
            if names.len() > NAMES {
                names.truncate(NAMES);
                names.push(Name { base: "…".to_string(), sub: String::new() });
            }
            if let Some(node) = is_aside(self, &squares, prior) {
                self.scene.nodes[node].aside = names;
                continue;
            }
            if dots > DOTS && prior.is_none() {
                continue;
            }
            let from = self.scene.nodes.len();
            self.scene.nodes.push(Node {
                shape: Shape::Parameter,
                names,
                note: String::new(),
                law: prior.map(str::to_string),
                aside: Vec::new(),
                recurs: String::new(),
                cluster: None,
                tint: None,
            });
            let edges = squares.into_iter().map(|to| Edge { from, to, label: String::new(), tie: Tie::Parameter });
            self.scene.edges.extend(edges);
        }
        dots > DOTS
    }

    fn done(mut self, title: &str, guide: bool) -> Described {
        let without_parameters = self.parameters();
        self.scene.title = title.to_string();
        self.scene.guide = guide;
        debug_assert!(!guide || self.model.guide.is_some());
        Described { scene: self.scene, without_parameters }
    }
}

/// How far a variable is from what is seen, over factors: the further, the higher a potential stands below it.
fn levels(model: &Model, factors: &[Factor], roles: &Roles) -> BTreeMap<VarId, usize> {
    let scopes: Vec<BTreeSet<VarId>> = factors.iter().flat_map(Factor::leaves).map(Factor::scope).collect();
    let is_seen = |v: &&VarId| roles.seen(**v) != Seen::Never;
    let mut open: Vec<VarId> = model.vars.iter().filter(is_seen).copied().collect();
    if open.is_empty() {
        open.extend(model.vars.first());
    }
    let mut levels: BTreeMap<VarId, usize> = open.iter().map(|&v| (v, 0)).collect();
    let mut used = vec![false; scopes.len()];
    while !open.is_empty() {
        let mut next = Vec::new();
        for var in open {
            let level = levels[&var];
            for (at, scope) in scopes.iter().enumerate() {
                if scope.contains(&var) && !std::mem::replace(&mut used[at], true) {
                    for &other in scope {
                        levels.entry(other).or_insert_with(|| {
                            next.push(other);
                            level + 1
                        });
                    }
                }
            }
        }
        open = next;
    }
    levels
}

fn parents(factors: &[Factor]) -> BTreeSet<VarId> {
    let conditionals = factors.iter().filter(|f| matches!(f.kind, FactorKind::Conditional { .. }));
    conditionals
        .flat_map(|f| {
            let targets = f.targets();
            f.reads().into_iter().map(|r| r.var).filter(move |v| !targets.contains(v))
        })
        .collect()
}

/// What a parameter is called in its drawing: a net's go by the net's name.
fn parameter_name(program: &Program, param: ParamId) -> Name {
    let declared = &program.params[param];
    let name = match declared.owner {
        Owner::Net(at) => program.nets.get(at).map_or(declared.name.as_str(), |n| n.name.as_str()),
        Owner::File | Owner::Model(_) | Owner::Guide(_) => {
            declared.name.rsplit('.').next().unwrap_or(declared.name.as_str())
        }
    };
    Name::new(name, &[])
}

/// An axis with its extent.
pub fn axis_text(program: &Program, axis: AxisId) -> String {
    let size = program.axes.extent(axis).map(|n| format!(" ({n})")).unwrap_or_default();
    format!("{}{size}", cut(&program.axes[axis].name, 20))
}

/// The enumeration or the axes of one instance; a single number needs no note.
fn note(program: &Program, domain: &Domain, event: &[AxisId]) -> String {
    let own = match domain {
        Domain::Cat(axis) => Some(*axis),
        _ => None,
    };
    let axes: Vec<String> = event.iter().copied().chain(own).map(|a| axis_text(program, a)).collect();
    cut(&axes.join(" × "), 40)
}
