//! What is fixed and what is not, and how the rest falls apart.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::unionfind::UnionFind;

use crate::base::span::Span;
use crate::model::{Arg, AxisId, Dist, Factor, FactorKind, Family, Model, ModelId, Program, Subscript, VarId};

/// A reason with the place it speaks of.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Reason {
    /// One sentence, without a full stop.
    pub text: String,
    /// The statement it is about.
    pub at: Option<Span>,
}

impl Reason {
    /// A reason about a place.
    pub fn at(span: Span, text: impl Into<String>) -> Reason {
        Reason { text: text.into(), at: Some(span) }
    }

    /// A reason about the whole.
    pub fn of(text: impl Into<String>) -> Reason {
        Reason { text: text.into(), at: None }
    }
}

/// A model with some of its variables fixed.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The program.
    pub program: &'a Program,
    /// The model.
    pub model: ModelId,
    /// Variables whose values are known: bound, given, evidence.
    pub fixed: &'a BTreeSet<VarId>,
    /// Variables set from outside, `do(x = v)`: fixed, and cut from the factor that defines them.
    pub cut: &'a BTreeSet<VarId>,
    /// Variables that are asked for: latent, and never pruned as barren.
    pub asked: &'a BTreeSet<VarId>,
    /// Variables that have a value in some rows and in others none: latent with evidence that comes with the row, never pruned.
    pub partial: &'a BTreeSet<VarId>,
}

/// No variables.
pub static NOTHING: BTreeSet<VarId> = BTreeSet::new();

/// One summand of log p̃: a factor of the model, or one factor inside an undirected sub-model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece<'a> {
    /// The summand.
    pub factor: &'a Factor,
    /// The position in `Model::factors` of the factor it is or lies in.
    pub position: usize,
    /// Whether it lies inside an undirected sub-model.
    pub inside: bool,
}

/// Latent variables that touch each other, and the summands that touch them.
#[derive(Clone, Debug)]
pub struct Component<'a> {
    /// Its variables, in the model's order.
    pub vars: Vec<VarId>,
    /// The summands that touch them, in the order written.
    pub pieces: Vec<Piece<'a>>,
    /// Plates over which it is repeated without touching itself, as root axes.
    pub plates: Vec<AxisId>,
    /// Those of its variables that have a value in some rows.
    pub partial: Vec<VarId>,
}

impl<'a> Situation<'a> {
    /// A model with some variables fixed, and nothing cut, asked for or known in part.
    pub fn new(program: &'a Program, model: ModelId, fixed: &'a BTreeSet<VarId>) -> Situation<'a> {
        Situation { program, model, fixed, cut: &NOTHING, asked: &NOTHING, partial: &NOTHING }
    }

    /// The model.
    pub fn model(&self) -> &'a Model {
        &self.program.models[self.model]
    }

    /// Variables that are neither fixed nor defined by what is, in the model's order.
    pub fn latent(&self) -> Vec<VarId> {
        let determined = find_determined(self.program, self.model, self.fixed);
        let known = |v: &VarId| self.fixed.contains(v) || determined.contains(v) && !self.asked.contains(v);
        self.model().vars.iter().copied().filter(|v| !known(v)).collect()
    }

    /// Latent variables whose factors sum to one whatever the rest is: nothing fixed hangs below them.
    ///
    /// They drop out of every log-partition (Koller & Friedman 2009, section 9.3: barren nodes).
    pub fn barren(&self) -> BTreeSet<VarId> {
        self.prune(&self.scopes())
    }

    /// The variables that each factor touches.
    fn scopes(&self) -> Vec<BTreeSet<VarId>> {
        self.model().factors.iter().map(Factor::scope).collect()
    }

    /// Barren variables, given what each factor touches: those of the largest set of factors that normalise variables which are
    /// neither fixed nor asked for and which no factor outside the set touches. Variables that read each other along a plate go together.
    fn prune(&self, scopes: &[BTreeSet<VarId>]) -> BTreeSet<VarId> {
        let targets: Vec<Vec<VarId>> = self.model().factors.iter().map(Factor::targets).collect();
        let mut home: BTreeMap<VarId, Vec<usize>> = BTreeMap::new();
        for (position, list) in targets.iter().enumerate() {
            list.iter().for_each(|&v| home.entry(v).or_default().push(position));
        }
        let stays = |v: &VarId| self.fixed.contains(v) || self.asked.contains(v) || self.partial.contains(v);
        let mut inside: Vec<bool> = targets.iter().map(|list| !list.is_empty() && !list.iter().any(stays)).collect();
        let mut outside: Vec<usize> = (0..targets.len()).filter(|&position| !inside[position]).collect();
        while let Some(position) = outside.pop() {
            for of_var in scopes[position].iter().filter_map(|v| home.get(v)) {
                for &other in of_var {
                    if std::mem::replace(&mut inside[other], false) {
                        outside.push(other);
                    }
                }
            }
        }
        let gone = targets.iter().zip(&inside).filter(|(_, inside)| **inside);
        gone.flat_map(|(list, _)| list.iter().copied()).collect()
    }
}

/// Of the variables with a value in some rows those that range over numbers and on which nothing hangs: conditionals of independent
/// entries draw them, and no summand reads them. Where a row lacks an entry, its density integrates to one whatever the rest is.
pub fn find_loose(situation: &Situation<'_>) -> BTreeSet<VarId> {
    let program = situation.program;
    let apart = |dist: &Dist| {
        let joint =
            matches!(dist.family, Family::Dirichlet | Family::Multinomial | Family::Wishart | Family::InverseWishart);
        !joint && dist.arg(Arg::Cov).is_none()
    };
    let alone = |factor: &Factor, var: VarId| match &factor.kind {
        FactorKind::Conditional { target, dist } => {
            target.var == var && apart(dist) && factor.reads().iter().all(|r| r.var != var)
        }
        _ => false,
    };
    let loose = |var: &VarId| {
        let kept = situation.asked.contains(var) || situation.cut.contains(var);
        let mut touching = situation.model().factors.iter().filter(|f| f.scope().contains(var));
        !kept && !program.vars[*var].domain.is_discrete() && touching.all(|f| alone(f, *var))
    };
    situation.partial.iter().copied().filter(loose).collect()
}

/// Variables that `=` defines by known ones alone, in a model or its guide: also those that read each other along a plate.
pub fn find_determined(program: &Program, model: ModelId, known: &BTreeSet<VarId>) -> BTreeSet<VarId> {
    let guide = program.models[model].guide.iter().flat_map(|g| &g.factors);
    let definitions: Vec<(VarId, BTreeSet<VarId>)> = program.models[model]
        .factors
        .iter()
        .chain(guide)
        .filter_map(|f| match &f.kind {
            FactorKind::Deterministic { target, value } if !known.contains(&target.var) => {
                Some((target.var, value.reads().into_iter().map(|r| r.var).collect()))
            }
            _ => None,
        })
        .collect();
    let mut found: BTreeSet<VarId> = definitions.iter().map(|d| d.0).collect();
    loop {
        let before = found.len();
        for (var, reads) in &definitions {
            if reads.iter().any(|v| !known.contains(v) && !found.contains(v)) {
                found.remove(var);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The summands of log p̃ that count in a situation: those of barren variables and of cut ones are left out.
pub fn find_pieces<'a>(situation: &Situation<'a>) -> Vec<Piece<'a>> {
    pieces_without(situation, &situation.barren())
}

fn pieces_without<'a>(situation: &Situation<'a>, barren: &BTreeSet<VarId>) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for (position, factor) in situation.model().factors.iter().enumerate() {
        let targets = factor.targets();
        let drops = |v: &VarId| barren.contains(v) || situation.cut.contains(v);
        if !targets.is_empty() && targets.iter().all(drops) {
            continue;
        }
        let inside = matches!(factor.kind, FactorKind::Undirected { .. });
        pieces.extend(factor.leaves().into_iter().map(|factor| Piece { factor, position, inside }));
    }
    pieces
}

/// Splits the latent variables into components that share no summand.
pub fn find_components<'a>(situation: &Situation<'a>) -> Vec<Component<'a>> {
    let scopes = situation.scopes();
    let barren = situation.prune(&scopes);
    let latent: Vec<VarId> = situation.latent().into_iter().filter(|v| !barren.contains(v)).collect();
    let place: BTreeMap<VarId, usize> = latent.iter().enumerate().map(|(i, &v)| (v, i)).collect();
    let mut joined: UnionFind<usize> = UnionFind::new(latent.len());
    let mut touching: Vec<(Piece<'a>, usize)> = Vec::new();
    for piece in pieces_without(situation, &barren) {
        let own;
        // What a part of an undirected group touches is less than what the group does.
        let scope = if piece.inside {
            own = piece.factor.scope();
            &own
        } else {
            &scopes[piece.position]
        };
        let touched: Vec<usize> = scope.iter().filter_map(|v| place.get(v).copied()).collect();
        let Some(&first) = touched.first() else { continue };
        for &other in &touched {
            joined.union(first, other);
        }
        touching.push((piece, first));
    }
    // Components come in the order of their first variables.
    let mut number: BTreeMap<usize, usize> = BTreeMap::new();
    let mut components: Vec<Component<'a>> = Vec::new();
    for (i, &var) in latent.iter().enumerate() {
        let at = *number.entry(joined.find(i)).or_insert(components.len());
        match components.get_mut(at) {
            Some(component) => component.vars.push(var),
            None => components.push(Component {
                vars: vec![var],
                pieces: Vec::new(),
                plates: Vec::new(),
                partial: Vec::new(),
            }),
        }
    }
    for (piece, first) in touching {
        components[number[&joined.find(first)]].pieces.push(piece);
    }
    for component in &mut components {
        component.plates = find_plates(situation.program, &component.vars, &component.pieces);
        component.partial = component.vars.iter().copied().filter(|v| situation.partial.contains(v)).collect();
    }
    components
}

/// Plates that every variable stands in and every summand reads at one position only.
fn find_plates(program: &Program, vars: &[VarId], pieces: &[Piece<'_>]) -> Vec<AxisId> {
    let Some(&first) = vars.first() else { return Vec::new() };
    let inside: BTreeSet<VarId> = vars.iter().copied().collect();
    let stays = |axis: AxisId| {
        vars.iter().all(|&v| program.vars[v].index.contains(&axis))
            && pieces.iter().all(|p| {
                let mut positions = p.factor.reads();
                if let FactorKind::Conditional { target, .. } = &p.factor.kind {
                    positions.push(crate::model::walk::Read {
                        var: target.var,
                        at: target.at.clone(),
                        span: p.factor.span,
                    });
                }
                let mut indices = BTreeSet::new();
                let local = positions.iter().filter(|r| inside.contains(&r.var)).all(|r| {
                    let at = program.vars[r.var].index.iter().position(|&a| a == axis).and_then(|i| r.at.get(i));
                    match at {
                        Some(Subscript::At { index, offset: 0 }) => {
                            indices.insert(*index);
                            true
                        }
                        _ => false,
                    }
                });
                local && indices.len() == 1
            })
    };
    program.vars[first].index.iter().copied().filter(|&axis| stays(axis)).collect()
}

impl Component<'_> {
    /// How many entries a variable has that are not on the component's plates; none if an extent is unknown.
    pub fn entries(&self, program: &Program, var: VarId) -> Option<usize> {
        program.vars[var]
            .axes()
            .iter()
            .filter(|a| !self.plates.contains(a))
            .map(|&a| program.axes.extent(a))
            .try_fold(1usize, |n, extent| n.checked_mul(extent?))
    }

    /// How many states one entry of a discrete variable has.
    pub fn states(program: &Program, var: VarId) -> Option<usize> {
        match program.vars[var].domain {
            crate::model::Domain::Bool | crate::model::Domain::Spin => Some(2),
            crate::model::Domain::Cat(axis) => program.axes.extent(axis),
            _ => None,
        }
    }

    /// log₂ of the number of joint states of some of its variables, at one position of its plates.
    pub fn log2_states(&self, program: &Program, vars: &[VarId]) -> Option<f64> {
        vars.iter()
            .map(|&v| Some(self.entries(program, v)? as f64 * (Self::states(program, v)? as f64).log2()))
            .sum::<Option<f64>>()
    }

    /// Whether one of its summands defines a variable with `=`.
    pub fn defines(&self, var: VarId) -> bool {
        self.pieces
            .iter()
            .any(|p| matches!(&p.factor.kind, FactorKind::Deterministic { target, .. } if target.var == var))
    }

    /// A continuous variable in it, if there is one.
    pub fn continuous(&self, program: &Program) -> Option<VarId> {
        self.vars.iter().copied().find(|&v| !program.vars[v].domain.is_discrete())
    }
}
