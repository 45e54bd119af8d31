//! A drawing as plain data: nodes in nested boxes with edges between them, before and after they have places.
//!
//! In: what `describe` reads off a model. Out: what `paint` draws. Nothing here knows models; x grows to the right, y downwards, in
//! CSS pixels.

use super::text::Name;

/// A rectangle by its sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Left side.
    pub left: f64,
    /// Upper side.
    pub top: f64,
    /// Right side.
    pub right: f64,
    /// Lower side.
    pub bottom: f64,
}

impl Rect {
    /// The rectangle around a centre.
    pub fn around(x: f64, y: f64, half_width: f64, half_height: f64) -> Rect {
        Rect { left: x - half_width, top: y - half_height, right: x + half_width, bottom: y + half_height }
    }

    /// Whether two rectangles share more than a rim of half a pixel.
    pub fn meets(&self, other: &Rect) -> bool {
        let rim = 0.5;
        self.left < other.right - rim
            && other.left < self.right - rim
            && self.top < other.bottom - rim
            && other.top < self.bottom - rim
    }

    /// Whether the other lies inside, up to half a pixel.
    pub fn holds(&self, other: &Rect) -> bool {
        let rim = 0.5;
        self.left <= other.left + rim
            && other.right <= self.right + rim
            && self.top <= other.top + rim
            && other.bottom <= self.bottom + rim
    }

    /// The rectangle moved.
    pub fn moved(&self, x: f64, y: f64) -> Rect {
        Rect { left: self.left + x, top: self.top + y, right: self.right + x, bottom: self.bottom + y }
    }

    /// Whether the stretch between two points touches it (Liang & Barsky 1984).
    pub fn crossed_by(&self, from: (f64, f64), to: (f64, f64)) -> bool {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let sides = [
            (-dx, from.0 - self.left),
            (dx, self.right - from.0),
            (-dy, from.1 - self.top),
            (dy, self.bottom - from.1),
        ];
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        for (step, room) in sides {
            if step == 0.0 {
                if room < 0.0 {
                    return false;
                }
            } else if step < 0.0 {
                enter = enter.max(room / step);
            } else {
                leave = leave.min(room / step);
            }
        }
        enter < leave
    }
}

/// How much of a variable the data shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: it is latent.
    Never,
    /// It, in some rows.
    Partly,
    /// It, in every row.
    Always,
    /// It is always conditioned on.
    Given,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A circle: a variable. With a ring inside where it is a definition.
    Variable {
        /// How much of it is seen.
        seen: Seen,
        /// Whether it is another name for an expression.
        defined: bool,
    },
    /// A dot: learned numbers.
    Parameter,
    /// A square: a potential.
    Potential,
}

/// A node of a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub shape: Shape,
    /// What it is called; several names where parameters go together.
    pub names: Vec<Name>,
    /// A few characters beside it: the axes of one instance.
    pub note: String,
    /// The family of the conditional over it, drawn as a square before it.
    pub law: Option<String>,
    /// Parameters that its own square alone reads, drawn beside the square.
    pub aside: Vec<Name>,
    /// The shifts at which its own conditional reads it, as one text; empty if none.
    pub recurs: String,
    /// The innermost box it stands in.
    pub cluster: Option<usize>,
    /// Its colour: the position of its engine in the legend.
    pub tint: Option<usize>,
}

/// How an edge is drawn and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// A parent of a conditional: it ends at the square before the node (or, with an arrow, at a definition).
    Parent,
    /// A variable of a potential.
    Member,
    /// A parameter of a square.
    Parameter,
}

/// An edge of a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Where it starts.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// What it says: a shift, or nothing.
    pub label: String,
    /// How it is drawn.
    pub tie: Tie,
}

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Its content is repeated.
    Plate,
    /// A sub-model.
    Group,
}

/// A box around nodes and other boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The box around it; boxes stand after the ones they are in.
    pub parent: Option<usize>,
    /// What stands in its corner.
    pub label: String,
    /// What it stands for.
    pub frame: Frame,
    /// Its colour: the position of its engine in the legend.
    pub tint: Option<usize>,
}

/// Nodes, boxes and edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// What stands above.
    pub title: String,
    /// Whether it is a guide: edges run upwards and are dashed.
    pub guide: bool,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Edges.
    pub edges: Vec<Edge>,
    /// Boxes.
    pub clusters: Vec<Cluster>,
}

/// An edge's course.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Where it starts.
    pub start: (f64, f64),
    /// Its pieces, one after the other.
    pub pieces: Vec<Piece>,
    /// Where its label stands, if it has one.
    pub label: Option<Rect>,
}

/// A piece of a course.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece {
    /// Straight to a point.
    Line((f64, f64)),
    /// A cubic Bézier curve: two handles and its end.
    Curve((f64, f64), (f64, f64), (f64, f64)),
}

impl Course {
    /// Points on it, close together.
    pub fn points(&self) -> Vec<(f64, f64)> {
        let mut points = vec![self.start];
        let mut at = self.start;
        for piece in &self.pieces {
            match *piece {
                Piece::Line(to) => {
                    points.push(to);
                    at = to;
                }
                Piece::Curve(a, b, to) => {
                    for step in 1..=24 {
                        let t = f64::from(step) / 24.0;
                        let s = 1.0 - t;
                        let mix = |p: f64, q: f64, r: f64, v: f64| {
                            s * s * s * p + 3.0 * s * s * t * q + 3.0 * s * t * t * r + t * t * t * v
                        };
                        points.push((mix(at.0, a.0, b.0, to.0), mix(at.1, a.1, b.1, to.1)));
                    }
                    at = to;
                }
            }
        }
        points
    }
}

/// A scene with a place for everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placed {
    /// The scene.
    pub scene: Scene,
    /// The anchor of each node: the centre of its circle, dot or square.
    pub at: Vec<(f64, f64)>,
    /// What is drawn at each node, around its anchor.
    pub glyphs: Vec<super::glyph::Glyph>,
    /// The course of each edge.
    pub courses: Vec<Course>,
    /// The rectangle of each box.
    pub boxes: Vec<Rect>,
    /// Where the label of each box stands.
    pub labels: Vec<Rect>,
    /// Width of the whole.
    pub width: f64,
    /// Height of the whole.
    pub height: f64,
}
