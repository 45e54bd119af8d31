//! What rows tell of a variable that has a value in some of them only.
//!
//! A discrete variable stays latent and its rows' values are potentials beside the model's; a number that an engine integrates over is held
//! at its value in the entries that are there. Where nothing hangs on an entry its density integrates to one, so that it is left out.

use super::error::EmitError;
use super::scope::{Scope, spin_to_unit};
use crate::base::span::Span;
use crate::dist::{Label, Named, Value};
use crate::model::{Domain, Target, VarId};
use crate::tensor::op::Binary;

/// What a row tells of a variable that has a value in some rows only.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Of a discrete one.
    States {
        /// For each state 0 where it agrees with what is told or nothing is, else −∞: over row, axes and states.
        potential: Named,
        /// The axis of the states.
        states: Label,
    },
    /// Of one that ranges over numbers.
    Numbers {
        /// The values over row and axes, and a number of the domain where there is none.
        values: Named,
        /// 1 where there is a value, else 0.
        present: Named,
    },
}

impl Seen {
    /// Of a variable, from its values (states as codes, Booleans as 0 and 1, spins as −1 and 1) and where these count.
    pub fn of(scope: &mut Scope<'_>, var: VarId, values: &Named, present: &Named) -> Result<Seen, EmitError> {
        let domain = &scope.program.vars[var].domain;
        if !domain.is_discrete() {
            // Any number of the domain does where the density does not count: neither it nor its slopes may be undefined there.
            let inside = match domain {
                Domain::Unit => 0.5,
                Domain::Positive => 1.0,
                _ => 0.0,
            };
            let inside = scope.space.scalar(inside);
            let values = scope.space.select(present, values, &inside);
            return Ok(Seen::Numbers { values, present: present.clone() });
        }
        let count = scope.states(var)?;
        let states = scope.space.label(count);
        let codes = match domain {
            Domain::Spin => {
                spin_to_unit(&mut scope.space, &Value::Number(values.clone()), &Domain::Spin).array().clone()
            }
            _ => values.clone(),
        };
        let state = scope.space.positions(states);
        let agrees = scope.space.zip(Binary::Eq, &state, &codes);
        let (zero, never) = (scope.space.scalar(0.0), scope.space.scalar(f64::NEG_INFINITY));
        let told = scope.space.select(&agrees, &zero, &never);
        let potential = scope.space.select(present, &told, &zero);
        Ok(Seen::States { potential, states })
    }
}

impl Scope<'_> {
    /// Gives numbers on which nothing hangs their values, to count where rows have them.
    pub(super) fn count_seen(&mut self, vars: &[VarId]) {
        for &var in vars {
            if let Some(Seen::Numbers { values, present }) = self.seen.get(&var).cloned() {
                self.values.insert(var, Value::Number(values));
                self.counted.insert(var, present);
            }
        }
    }

    /// Takes back what [`Self::count_seen`] gave.
    pub(super) fn forget_seen(&mut self, vars: &[VarId]) {
        for var in vars {
            if self.counted.remove(var).is_some() {
                self.values.remove(var);
            }
        }
    }

    /// 1 at the entries of a target that count, as its conditional reads them; none where all do.
    pub(super) fn counted_at(&mut self, target: &Target, span: Span) -> Result<Option<Named>, EmitError> {
        let Some(counted) = self.counted.get(&target.var).cloned() else { return Ok(None) };
        let before = self.values.insert(target.var, Value::Number(counted));
        let found = self.read(target.var, &target.at, span);
        match before {
            Some(value) => self.values.insert(target.var, value),
            None => self.values.remove(&target.var),
        };
        Ok(Some(found?.array().clone()))
    }

    /// An integrand's entries of a variable, held at what the row tells of them where it does; `back` positions earlier along an axis.
    pub(super) fn held(&mut self, var: VarId, entries: &Named, back: Option<Label>) -> Value {
        let Some(Seen::Numbers { values, present }) = self.seen.get(&var).cloned() else {
            return Value::Number(entries.clone());
        };
        let (values, present) = match back {
            None => (values, present),
            Some(along) => (self.space.shift(&values, along, -1), self.space.shift(&present, along, -1)),
        };
        Value::Number(self.space.select(&present, &values, entries))
    }
}
