//! What is drawn at a node and how much room it takes around its anchor: circle, square of its conditional, names, notes, and the
//! lanes on its left in which an edge reaches a side that it does not come from.

use super::scene::{Node, Rect, Shape};
use super::text::{NAME, NOTE, Name, names_width, width};

/// Half the height of a circle.
pub const RADIUS: f64 = 17.0;
/// From the centre of a circle to that of its square.
pub const RISE: f64 = 42.0;
/// Half the side of a square.
pub const SQUARE: f64 = 4.5;
/// Radius of a dot.
pub const DOT: f64 = 3.0;
/// Between two lanes.
const LANE: f64 = 13.0;
/// Between a mark and the text beside it.
const GAP: f64 = 6.0;

/// What an edge does in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// From below to the square.
    ToSquare,
    /// From above to the circle.
    ToCircle,
}

/// A text with its rectangle.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The names it consists of.
    pub names: Vec<Name>,
    /// The size of its letters.
    pub size: f64,
    /// Where it stands, around the anchor.
    pub at: Rect,
    /// What it is.
    pub role: Role,
}

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The node's name, inside its circle or beside its dot.
    Name,
    /// Something about it.
    Note,
    /// Parameters.
    Parameters,
}

/// What is drawn at a node, around its anchor (0, 0).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glyph {
    /// Half the width of the circle, dot or square.
    pub half: f64,
    /// Half its height.
    pub tall: f64,
    /// The height at which the square of its conditional stands (negative: above), if it has one.
    pub law: Option<f64>,
    /// The dot of its own parameters, left of the square.
    pub dot: Option<f64>,
    /// The lane in which its reading of itself runs.
    pub recurs: Option<f64>,
    /// Its texts.
    pub labels: Vec<Label>,
    /// All of it.
    pub room: Room,
    /// The lanes of edges, in the order they were asked for.
    pub lanes: Vec<(usize, Lane, f64)>,
}

/// Room around an anchor, four positive numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Room {
    /// To the left.
    pub left: f64,
    /// To the right.
    pub right: f64,
    /// Upwards.
    pub up: f64,
    /// Downwards.
    pub down: f64,
}

fn plain(text: &str) -> Vec<Name> {
    vec![Name { base: text.to_string(), sub: String::new() }]
}

impl Glyph {
    /// The glyph of a node, edges running downwards, with lanes for these edges.
    pub fn new(node: &Node, lanes: &[(usize, Lane)]) -> Glyph {
        let names = names_width(&node.names, NAME);
        let (half, tall) = match node.shape {
            Shape::Variable { .. } => (f64::max(RADIUS, names / 2.0 + 8.0), RADIUS),
            Shape::Parameter => (DOT, DOT),
            Shape::Potential => (SQUARE, SQUARE),
        };
        let rise = if node.shape == Shape::Parameter { 24.0 } else { RISE };
        let law = node.law.as_ref().map(|_| -rise);
        let mut glyph = Glyph { half, tall, law, ..Glyph::default() };
        let mut add = |names: Vec<Name>, size: f64, x: f64, y: f64, role: Role| {
            let (wide, high) = (names_width(&names, size), size * 0.62);
            let at = match role {
                Role::Parameters => Rect { left: x - wide, right: x, top: y - high, bottom: y + high },
                _ => Rect { left: x, right: x + wide, top: y - high, bottom: y + high },
            };
            glyph.labels.push(Label { names, size, at, role });
        };
        match node.shape {
            Shape::Variable { .. } => add(node.names.clone(), NAME, -names / 2.0, 0.0, Role::Name),
            Shape::Parameter | Shape::Potential if !node.names.is_empty() => {
                add(node.names.clone(), 12.0, half + GAP, 0.0, Role::Name);
            }
            Shape::Parameter | Shape::Potential => {}
        }
        if !node.note.is_empty() {
            add(plain(&node.note), NOTE, half + GAP, 0.0, Role::Note);
        }
        if let (Some(y), Some(family)) = (law, node.law.as_ref().filter(|f| !f.is_empty())) {
            add(plain(family), NOTE, SQUARE + GAP, y, Role::Note);
        }
        let mut lane = half + LANE;
        if !node.recurs.is_empty() {
            let y = law.unwrap_or(0.0) / 2.0;
            add(plain(&node.recurs), NOTE, -lane - GAP - width(&node.recurs, NOTE), y, Role::Note);
            glyph.recurs = Some(-lane);
            lane += GAP + width(&node.recurs, NOTE) + LANE;
        }
        for &(edge, kind) in lanes {
            glyph.lanes.push((edge, kind, -lane));
            lane += LANE;
        }
        if !node.aside.is_empty() {
            let y = law.unwrap_or(0.0);
            let x = if lanes.is_empty() && glyph.recurs.is_none() { SQUARE + 20.0 } else { lane };
            glyph.dot = Some(-x);
            let (names, wide) = (node.aside.clone(), names_width(&node.aside, 12.0));
            let at = Rect { left: -x - DOT - GAP - wide, right: -x - DOT - GAP, top: y - 7.5, bottom: y + 7.5 };
            glyph.labels.push(Label { names, size: 12.0, at, role: Role::Parameters });
        }
        let lane = if lanes.is_empty() && glyph.recurs.is_none() { half } else { lane - LANE };
        let left = glyph.labels.iter().map(|l| -l.at.left).fold(f64::max(lane, half), f64::max);
        let right = glyph.labels.iter().map(|l| l.at.right).fold(half, f64::max);
        let up = law.map_or(tall, |y| -y + 8.0);
        let labels = |end: fn(&Rect) -> f64| glyph.labels.iter().map(|l| end(&l.at)).fold(0.0, f64::max);
        glyph.room = Room {
            left: left + 2.0,
            right: right + 2.0,
            up: up.max(labels(|r| -r.top)),
            down: tall.max(labels(|r| r.bottom)),
        };
        glyph
    }

    /// The glyph turned upside down, its texts upright.
    pub fn flipped(mut self) -> Glyph {
        self.law = self.law.map(|y| -y);
        for label in &mut self.labels {
            (label.at.top, label.at.bottom) = (-label.at.bottom, -label.at.top);
        }
        (self.room.up, self.room.down) = (self.room.down, self.room.up);
        self
    }

    /// The circle, dot or square.
    pub fn body(&self) -> Rect {
        Rect::around(0.0, 0.0, self.half, self.tall)
    }

    /// The square of its conditional.
    pub fn square(&self) -> Option<Rect> {
        self.law.map(|y| Rect::around(0.0, y, SQUARE, SQUARE))
    }

    /// All of it.
    pub fn all(&self) -> Rect {
        let Room { left, right, up, down } = self.room;
        Rect { left: -left, top: -up, right, bottom: down }
    }

    /// The lane of an edge.
    pub fn lane(&self, edge: usize, kind: Lane) -> Option<f64> {
        self.lanes.iter().find(|(e, k, _)| *e == edge && *k == kind).map(|&(_, _, x)| x)
    }
}
