//! Which entries of some variables a log-density multiplies with each other, and colours for entries that are coupled.
//!
//! Each summand is taken as a polynomial in the entries; of a monomial it is kept where along each axis its entries are read. Two
//! entries that no monomial holds together are independent given the rest, so that all entries of one colour may be drawn at once
//! (Geman & Geman 1984, section XI; Gonzalez, Low, Gretton & Guestrin 2011 for the colours).

use std::collections::{BTreeMap, BTreeSet};

use super::degree::{Degree, find_degree};
use super::situation::Reason;
use crate::base::span::Span;
use crate::model::{
    Arg, AxisId, Domain, Expr, Factor, FactorKind, Family, Function, IndexId, Node, Operator, Program, Reduction,
    Subscript, VarId,
};

/// What a position along an axis is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// An index of a plate.
    Plate(IndexId),
    /// The axis of the expression's own value.
    Live(AxisId),
    /// An axis that has been summed over, by its number.
    Bound(u32),
    /// The first position.
    Start,
}

/// A position along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    origin: Origin,
    offset: i64,
}

/// An entry that is read: its variable, and a place for each of its axes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    var: VarId,
    at: Vec<Place>,
}

/// The readings that are multiplied.
type Monomial = Vec<Reading>;

/// How far apart, along each axis, two entries of one variable are that stand in one monomial; none: at any distance.
pub type Apart = Vec<Option<i64>>;

/// What the summands multiply of some variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coupling {
    /// A statement that multiplies two of the variables, if there is one.
    pub across: Option<Span>,
    /// For each variable that has entries multiplied with others of its own, how far apart these are, and by which statement.
    pub within: BTreeMap<VarId, (Vec<Apart>, Span)>,
    /// Variables with an entry multiplied by itself.
    pub squared: BTreeSet<VarId>,
}

/// Longer products and more of them are not looked through.
const MOST_FACTORS: usize = 4;
/// Monomials of one summand.
const MOST_MONOMIALS: usize = 512;

/// What the summands multiply of the variables of `of`.
///
/// # Errors
/// A summand is no polynomial in them, or raises an entry above its square.
pub fn find_coupling<'a>(
    program: &Program,
    factors: impl IntoIterator<Item = &'a Factor>,
    of: &BTreeSet<VarId>,
) -> Result<Coupling, Reason> {
    let mut coupling = Coupling::default();
    for factor in factors {
        if factor.scope().is_disjoint(of) {
            continue;
        }
        let mut walker = Walker { program, of, bound: 0 };
        let monomials = walker.factor(factor).ok_or_else(|| {
            let names: Vec<String> =
                factor.scope().intersection(of).map(|&v| format!("`{}`", program.vars[v].name)).collect();
            Reason::at(factor.span, format!("this is no polynomial in {} that can be looked through", names.join(", ")))
        })?;
        for monomial in &monomials {
            coupling.add(program, monomial, factor.span)?;
        }
    }
    Ok(coupling)
}

impl Coupling {
    fn add(&mut self, program: &Program, monomial: &[Reading], at: Span) -> Result<(), Reason> {
        for (i, a) in monomial.iter().enumerate() {
            // How many of the monomial may be this very entry, itself among them.
            let mut same = 1;
            for (j, b) in monomial.iter().enumerate() {
                if i == j {
                    continue;
                }
                if a.var != b.var {
                    self.across.get_or_insert(at);
                    continue;
                }
                let apart = distance(&a.at, &b.at);
                let may_meet = apart.iter().all(|d| d.is_none_or(|d| d == 0));
                let must_meet = apart.iter().all(|d| *d == Some(0));
                if may_meet {
                    same += 1;
                    self.squared.insert(a.var);
                }
                if !must_meet {
                    let (found, _) = self.within.entry(a.var).or_insert_with(|| (Vec::new(), at));
                    if !found.contains(&apart) {
                        found.push(apart);
                    }
                }
            }
            if same > 2 {
                let name = &program.vars[a.var].name;
                return Err(Reason::at(at, format!("this raises an entry of `{name}` above its square")));
            }
        }
        Ok(())
    }
}

/// How far the second place lies behind the first, axis by axis.
fn distance(a: &[Place], b: &[Place]) -> Apart {
    a.iter().zip(b).map(|(a, b)| (a.origin == b.origin).then_some(b.offset - a.offset)).collect()
}

/// The monomials of an expression.
struct Walker<'a> {
    program: &'a Program,
    of: &'a BTreeSet<VarId>,
    bound: u32,
}

impl Walker<'_> {
    fn factor(&mut self, factor: &Factor) -> Option<Vec<Monomial>> {
        match &factor.kind {
            FactorKind::Potential(e) => self.monomials(e),
            FactorKind::Conditional { target, dist } => {
                if dist.exprs().any(|e| find_degree(e, self.of) != Degree::NONE) {
                    return None;
                }
                let mut at: Vec<Place> = target.at.iter().map(|s| self.place(s)).collect::<Option<_>>()?;
                let axes = self.program.vars[target.var].axes();
                at.extend(axes.iter().skip(at.len()).map(|&a| Place { origin: Origin::Live(a), offset: 0 }));
                let own = vec![Reading { var: target.var, at }];
                match dist.family {
                    Family::Bernoulli | Family::Categorical => Some(vec![own]),
                    Family::Normal if dist.arg(Arg::Cov).is_none() => {
                        self.product(std::slice::from_ref(&own), std::slice::from_ref(&own))
                    }
                    _ => None,
                }
            }
            FactorKind::Undirected { body, .. } => {
                let mut all = Vec::new();
                for inner in body {
                    all.extend(self.factor(inner)?);
                }
                Some(all)
            }
            FactorKind::Deterministic { .. } => None,
        }
    }

    fn monomials(&mut self, expr: &Expr) -> Option<Vec<Monomial>> {
        // What reads none of them is a constant factor.
        if !expr.reads().iter().any(|r| self.of.contains(&r.var)) {
            return Some(vec![Monomial::new()]);
        }
        match &expr.node {
            Node::Var(var) => {
                let axes = self.program.vars[*var].axes();
                let at = axes.into_iter().map(|a| Place { origin: Origin::Live(a), offset: 0 }).collect();
                Some(vec![vec![Reading { var: *var, at }]])
            }
            Node::Pick { base, at } => self.pick(base, at),
            Node::Indicator(e) | Node::Is(e, _) | Node::Call(Function::Neg, e) | Node::Dropout(e, _) => {
                self.monomials(e)
            }
            Node::Call(Function::Square, e) => {
                let found = self.monomials(e)?;
                self.product(&found, &found)
            }
            Node::Binary(Operator::Add | Operator::Sub, a, b) => {
                let (a, b) = (self.monomials(a)?, self.monomials(b)?);
                joined([a, b])
            }
            Node::Binary(Operator::Mul, a, b) => {
                let (a, b) = (self.monomials(a)?, self.monomials(b)?);
                self.product(&a, &b)
            }
            Node::Binary(Operator::Div, a, b) if find_degree(b, self.of) == Degree::NONE => self.monomials(a),
            Node::Contract { left, right, over } => {
                let (a, b) = (self.monomials(left)?, self.monomials(right)?);
                let found = self.product(&a, &b)?;
                Some(self.summed(found, over))
            }
            Node::Reduce(Reduction::Sum | Reduction::Mean, e, over) => {
                let found = self.monomials(e)?;
                Some(self.summed(found, over))
            }
            Node::Concat(parts, _) => {
                let mut all = Vec::new();
                for part in parts {
                    let found = self.monomials(part)?;
                    // Along the joint axis a part's own axis starts elsewhere.
                    let over: Vec<AxisId> = part.ty.axes.clone();
                    all.push(self.summed(found, &over));
                }
                joined(all)
            }
            Node::Vector(parts, _) => {
                let all: Option<Vec<_>> = parts.iter().map(|p| self.monomials(p)).collect();
                joined(all?)
            }
            Node::Window { of, along, .. } => {
                let found = self.monomials(of)?;
                Some(self.summed(found, &[*along]))
            }
            Node::Overlap { of, places, window, .. } => {
                let found = self.monomials(of)?;
                Some(self.summed(found, &[*places, *window]))
            }
            Node::Blocks { of, along, .. } => {
                let found = self.monomials(of)?;
                Some(self.summed(found, &[*along]))
            }
            Node::Renamed { of, from, to } => {
                let mut found = self.monomials(of)?;
                for place in found.iter_mut().flatten().flat_map(|r| &mut r.at) {
                    if place.origin == Origin::Live(*from) {
                        place.origin = Origin::Live(*to);
                    }
                }
                Some(found)
            }
            Node::If { cond, then, other } => {
                let branches = joined([self.monomials(then)?, self.monomials(other)?])?;
                let cond = self.monomials(cond)?;
                self.product(&cond, &branches)
            }
            Node::Table { of, entries } => {
                let mut found = joined(entries.iter().map(|e| self.monomials(e)).collect::<Option<Vec<_>>>()?)?;
                for by in of {
                    let by = self.monomials(by)?;
                    found = self.product(&by, &found)?;
                }
                Some(found)
            }
            _ => None,
        }
    }

    fn place(&mut self, subscript: &Subscript) -> Option<Place> {
        match subscript {
            Subscript::At { index, offset } => Some(Place { origin: Origin::Plate(*index), offset: *offset }),
            Subscript::Constant(position) => Some(Place { origin: Origin::Start, offset: *position as i64 }),
            Subscript::By(_) | Subscript::Prefix(_) | Subscript::Last => Some(self.anywhere()),
        }
    }

    fn anywhere(&mut self) -> Place {
        self.bound += 1;
        Place { origin: Origin::Bound(self.bound), offset: 0 }
    }

    fn pick(&mut self, base: &Expr, at: &[Subscript]) -> Option<Vec<Monomial>> {
        let mut found = match &base.node {
            Node::Var(var) if self.of.contains(var) => {
                let axes = self.program.vars[*var].axes();
                let mut places: Vec<Place> = at.iter().map(|s| self.place(s)).collect::<Option<_>>()?;
                places.truncate(axes.len());
                places.extend(axes.iter().skip(places.len()).map(|&a| Place { origin: Origin::Live(a), offset: 0 }));
                vec![vec![Reading { var: *var, at: places }]]
            }
            _ => {
                let found = self.monomials(base)?;
                // Of an expression's own axes it is not followed which positions are read.
                self.summed(found, &base.ty.axes)
            }
        };
        for subscript in at {
            if let Subscript::By(e) = subscript {
                let by = self.monomials(e)?;
                found = self.product(&by, &found)?;
            }
        }
        Some(found)
    }

    /// Each monomial of the one times each of the other; what was summed within the second is summed apart from the first.
    fn product(&mut self, a: &[Monomial], b: &[Monomial]) -> Option<Vec<Monomial>> {
        let mut all = BTreeSet::new();
        for second in b {
            for first in a {
                let mut fresh: BTreeMap<u32, u32> = BTreeMap::new();
                let mut product = first.clone();
                for reading in second {
                    let mut reading = reading.clone();
                    for place in &mut reading.at {
                        if let Origin::Bound(n) = &mut place.origin {
                            let bound = &mut self.bound;
                            *n = *fresh.entry(*n).or_insert_with(|| {
                                *bound += 1;
                                *bound
                            });
                        }
                    }
                    product.push(reading);
                }
                if product.len() > MOST_FACTORS {
                    return None;
                }
                all.insert(product);
            }
        }
        (all.len() <= MOST_MONOMIALS).then(|| all.into_iter().collect())
    }

    /// The monomials with those of their value's axes summed over.
    fn summed(&mut self, mut found: Vec<Monomial>, over: &[AxisId]) -> Vec<Monomial> {
        for monomial in &mut found {
            for &axis in over {
                self.bound += 1;
                for place in monomial.iter_mut().flat_map(|r| &mut r.at) {
                    if place.origin == Origin::Live(axis) {
                        place.origin = Origin::Bound(self.bound);
                    }
                }
            }
        }
        found
    }
}

fn joined(parts: impl IntoIterator<Item = Vec<Monomial>>) -> Option<Vec<Monomial>> {
    let all: BTreeSet<Monomial> = parts.into_iter().flatten().collect();
    (all.len() <= MOST_MONOMIALS).then(|| all.into_iter().collect())
}

/// Steps of looking for neighbours beyond which every entry has a colour of its own.
const MOST_LOOKS: usize = 1 << 25;

/// A colour for each entry of a variable, row-major, so that no two entries of one colour are coupled; none if an extent is unknown.
/// Entry after entry takes the first colour that none of its neighbours has (Welsh & Powell 1967).
pub fn find_colours(program: &Program, var: VarId, apart: &[Apart]) -> Option<Vec<usize>> {
    let extents = program.extents(&program.vars[var].axes())?;
    let total = extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e))?;
    let reach =
        |d: &Apart| -> usize { d.iter().zip(&extents).map(|(d, &e)| if d.is_none() { e } else { 1 }).product() };
    let looks = apart.iter().map(reach).sum::<usize>().saturating_mul(total);
    let dense = apart.iter().any(|d| d.iter().all(Option::is_none));
    if dense || looks > MOST_LOOKS {
        return Some((0..total).collect());
    }
    let mut colours: Vec<usize> = Vec::with_capacity(total);
    for entry in 0..total {
        let here = unravel(entry, &extents);
        let mut taken = BTreeSet::new();
        for d in apart {
            for sign in [1, -1] {
                visit(&here, d, sign, &extents, &mut |other| {
                    if other < entry {
                        taken.insert(colours[other]);
                    }
                });
            }
        }
        colours.push((0..).find(|c| !taken.contains(c)).unwrap_or(entry));
    }
    Some(colours)
}

fn unravel(mut entry: usize, extents: &[usize]) -> Vec<usize> {
    let mut at = vec![0; extents.len()];
    for (place, &extent) in at.iter_mut().zip(extents).rev() {
        *place = entry % extent.max(1);
        entry /= extent.max(1);
    }
    at
}

/// The entries that lie so far from one: its neighbours in one direction.
fn visit(here: &[usize], apart: &Apart, sign: i64, extents: &[usize], seen: &mut dyn FnMut(usize)) {
    let mut entries = vec![0usize];
    for ((&at, d), &extent) in here.iter().zip(apart).zip(extents) {
        let places: Vec<usize> = match d {
            None => (0..extent).collect(),
            Some(d) => {
                let to = at as i64 + sign * d;
                usize::try_from(to).ok().filter(|&to| to < extent).into_iter().collect()
            }
        };
        entries = entries.iter().flat_map(|e| places.iter().map(move |p| e * extent + p)).collect();
    }
    entries.into_iter().for_each(seen);
}

/// Whether a variable's entries can be drawn from conditionals that are derived: of the discrete ones by slopes, of numbers by slopes and
/// curvature.
///
/// # Errors
/// It is continuous and does not range over all numbers or has no square to hold it, or is an enumeration with an entry multiplied by itself.
pub fn check_conditional(program: &Program, var: VarId, coupling: &Coupling) -> Result<(), Reason> {
    let declared = &program.vars[var];
    let at = |text: String| Err(Reason::at(declared.span, text));
    match declared.domain {
        Domain::Bool | Domain::Spin => Ok(()),
        Domain::Cat(_) if coupling.squared.contains(&var) => {
            at(format!("`{}` has states, and an entry is multiplied with itself", declared.name))
        }
        Domain::Cat(_) => Ok(()),
        Domain::Real if coupling.squared.contains(&var) => Ok(()),
        Domain::Real => {
            at(format!("`{}` ranges over all numbers, and no square of it holds it together", declared.name))
        }
        _ => at(format!("`{}` does not range over all numbers", declared.name)),
    }
}
