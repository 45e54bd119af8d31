//! Values of variables as arrays: numbers, or states of an enumeration as indicator vectors.

use super::space::{Label, Named, Space};
use crate::model::Arg;

/// A value, perhaps repeated along labelled axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Numbers: also `Bool` as 0 and 1, `Spin` as −1 and 1.
    Number(Named),
    /// States of an enumeration: an indicator vector along `class` an entry.
    State {
        /// The indicators.
        hot: Named,
        /// The axis of the states.
        class: Label,
        /// Where the indicators are the identity between this axis and `class`: the states enumerated along it.
        along: Option<Label>,
    },
}

impl Value {
    /// Every state of an enumeration along an axis of its own.
    pub fn enumerated(space: &mut Space, along: Label, class: Label) -> Value {
        Value::State { hot: space.eye(along, class), class, along: Some(along) }
    }

    /// States given as whole numbers.
    pub fn coded(space: &mut Space, codes: &Named, class: Label) -> Value {
        Value::State { hot: space.one_hot(codes, class), class, along: None }
    }

    /// The array: numbers as they are, states as indicators.
    pub fn array(&self) -> &Named {
        match self {
            Value::Number(named) | Value::State { hot: named, .. } => named,
        }
    }

    /// The same value with its array passed through `f`, which must keep the class axis.
    pub fn through(&self, f: impl FnOnce(&Named) -> Named) -> Value {
        match self {
            Value::Number(named) => Value::Number(f(named)),
            Value::State { hot, class, .. } => Value::State { hot: f(hot), class: *class, along: None },
        }
    }

    /// The entries of `table` along `axis` that the states select; the axis goes.
    ///
    /// Exact where the states are certain even if other entries are infinite; linear in the indicators.
    pub fn pick(&self, space: &mut Space, table: &Named, axis: Label) -> Named {
        match self {
            Value::State { along: Some(along), .. } => space.rename(table, axis, *along),
            Value::State { hot, class, along: None } => {
                let hot = space.rename(hot, *class, axis);
                if !table.has(axis) {
                    return table.clone();
                }
                if let Some(looked) = space.look_up(table, axis, &hot) {
                    return looked;
                }
                let chosen = space.mul_zero(&hot, table);
                space.sum(&chosen, &[axis])
            }
            Value::Number(yes) => {
                let (no_entry, yes_entry) = (space.at(table, axis, 0), space.at(table, axis, 1));
                let no = space.complement(yes);
                let (a, b) = (space.mul_zero(&no, &no_entry), space.mul_zero(yes, &yes_entry));
                space.add(&a, &b)
            }
        }
    }

    /// The entries of a table of finite numbers that the states select, by contraction: `pick` for weight matrices.
    pub fn select_linear(&self, space: &mut Space, table: &Named, axis: Label) -> Named {
        match self {
            Value::State { hot, class, along: None } if table.has(axis) => {
                let hot = space.rename(hot, *class, axis);
                match space.look_up(table, axis, &hot) {
                    Some(looked) => looked,
                    None => space.contract(&hot, table, &[axis]),
                }
            }
            _ => self.pick(space, table, axis),
        }
    }
}

/// Evaluated arguments of a distribution.
#[derive(Clone, Debug, Default)]
pub struct Args(pub Vec<(Arg, Named)>);

impl Args {
    /// The argument of that role.
    pub fn get(&self, role: Arg) -> Option<&Named> {
        self.0.iter().find(|(r, _)| *r == role).map(|(_, a)| a)
    }
}
