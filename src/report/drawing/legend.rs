//! The legend: what the signs that occur in a figure mean, and nothing else, in rows below it.

use super::roles::Roles;
use super::scene::{Frame, Placed, Seen, Shape};
use super::text::{NOTE, cut, width};
use crate::model::{Program, VarId};

/// Height of a row.
const ROW: f64 = 24.0;
/// Room for a sign.
const SIGN: f64 = 30.0;
/// Between entries.
const GAP: f64 = 22.0;
/// A legend is at least so wide before it breaks into rows.
const LEAST: f64 = 340.0;

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A circle seen so far.
    Circle(Seen),
    /// A circle with a ring inside.
    Ring,
    /// A circle in an engine's colour.
    Tint(usize),
    /// A box in an engine's colour.
    Group(usize),
    /// Squares of the model's own potentials.
    Squares,
    /// A dot.
    Dot,
    /// A dashed arrow.
    Dashed,
    /// No sign.
    Nothing,
}

/// An entry with its place below the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The sign.
    pub mark: Mark,
    /// What it means.
    pub text: String,
    /// Left end of the sign.
    pub x: f64,
    /// Middle of the row.
    pub y: f64,
}

/// A legend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Legend {
    /// Its entries.
    pub entries: Vec<Entry>,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// The legend of some panels under a figure of a width.
pub fn legend(program: &Program, roles: &Roles, panels: &[Placed], without_parameters: bool, wide: f64) -> Legend {
    let nodes = || panels.iter().flat_map(|p| &p.scene.nodes);
    let variable = |what: fn(Seen, bool) -> bool| {
        nodes().any(|n| matches!(n.shape, Shape::Variable { seen, defined } if what(seen, defined)))
    };
    let mut list: Vec<(Mark, String)> = Vec::new();
    for (at, engine) in roles.engines.iter().enumerate() {
        let of = |vars: &[VarId]| {
            let names: Vec<&str> = vars.iter().map(|&v| program.vars[v].name.as_str()).collect();
            cut(&names.join(", "), 48)
        };
        let boxed =
            panels.iter().flat_map(|p| &p.scene.clusters).any(|c| c.frame == Frame::Group && c.tint == Some(at));
        match (engine.normaliser, boxed) {
            (false, _) => list.push((Mark::Tint(at), format!("{}: {}", of(&engine.vars), engine.text))),
            (true, true) => list.push((Mark::Group(at), format!("log Z {}", engine.text))),
            (true, false) => {
                let squares = (Mark::Squares, format!("log Z {}", engine.text));
                if !list.contains(&squares) {
                    list.push(squares);
                }
            }
        }
    }
    let mut add = |there: bool, mark: Mark, text: &str| {
        if there {
            list.push((mark, text.to_string()));
        }
    };
    add(variable(|s, _| s == Seen::Always), Mark::Circle(Seen::Always), "observed");
    add(variable(|s, _| s == Seen::Partly), Mark::Circle(Seen::Partly), "observed in some rows");
    add(variable(|s, _| s == Seen::Given), Mark::Circle(Seen::Given), "given");
    add(variable(|_, defined| defined), Mark::Ring, "defined by its parents");
    let dots = nodes().any(|n| n.shape == Shape::Parameter || !n.aside.is_empty());
    add(dots, Mark::Dot, "parameters");
    add(without_parameters, Mark::Nothing, "parameters without a prior are not drawn");
    add(panels.iter().any(|p| p.scene.guide), Mark::Dashed, "guide");
    let most = wide.max(LEAST);
    let mut legend = Legend { height: ROW, ..Legend::default() };
    let mut x = 0.0;
    for (mark, text) in list {
        let sign = if mark == Mark::Nothing { 0.0 } else { SIGN };
        let room = sign + width(&text, NOTE);
        if x > 0.0 && x + room > most {
            x = 0.0;
            legend.height += ROW;
        }
        legend.width = legend.width.max(x + room);
        legend.entries.push(Entry { mark, text, x, y: legend.height - ROW / 2.0 });
        x += room + GAP;
    }
    if legend.entries.is_empty() {
        legend.height = 0.0;
    }
    legend
}

/// Where the text of an entry begins.
pub fn text_from(entry: &Entry) -> f64 {
    entry.x + if entry.mark == Mark::Nothing { 0.0 } else { SIGN }
}
