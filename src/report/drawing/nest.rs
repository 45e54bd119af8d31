//! Layout of nested boxes, from the inside outwards: each level is a layered drawing of its own in which an inner box is one wide
//! node, and an edge that leaves a box passes a port on its rim. So boxes never overlap and hold exactly what stands in them.

use std::collections::BTreeMap;

use super::glyph::{Glyph, Lane};
use super::order::{Cell, Link, order};
use super::place::place;
use super::scene::{Node, Rect, Scene, Shape, Tie};
use super::text::{NOTE, width};
use super::tree::{Item, Level, Tree};

/// Between two ranks, at least.
const GAP: f64 = 26.0;
/// Between the content of a box and its sides.
const PAD: f64 = 14.0;
/// The strip of a box in which its label stands.
const STRIP: f64 = 20.0;
/// Half the height of an edge's label.
const HIGH: f64 = 8.0;

/// Where an edge runs vertically: x, from, to.
pub type Station = (f64, f64, f64);

/// A level with places, around the centre of its box.
#[derive(Debug, Default)]
pub struct Laid {
    /// Half its width and half its height.
    pub half: (f64, f64),
    /// The anchor of each item.
    pub at: BTreeMap<Item, (f64, f64)>,
    /// The stations of each edge that runs in it, from above.
    pub stations: BTreeMap<usize, Vec<Station>>,
    /// Where each edge that leaves it passes its rim.
    pub ports: BTreeMap<usize, f64>,
    /// The labels of edges.
    pub labels: BTreeMap<usize, Rect>,
    /// Its own label.
    pub label: Option<Rect>,
}

/// What an edge does at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ends at the circle, dot or potential.
    Body,
    /// It ends at the square of the conditional.
    Square,
    /// It takes a lane.
    Lane(Lane),
}

/// How an edge ends at a node: `target` at its far end, `upper` where the node is the edge's upper end.
pub fn end(node: &Node, tie: Tie, target: bool, upper: bool) -> End {
    let to_square = target && tie != Tie::Member;
    match (node.shape, node.law.is_some(), to_square, upper) {
        (Shape::Potential, ..) | (_, false, ..) | (_, true, false, true) => End::Body,
        (_, true, true, false) => End::Square,
        (_, true, true, true) => End::Lane(Lane::ToSquare),
        (_, true, false, false) => End::Lane(Lane::ToCircle),
    }
}

/// The glyphs of a scene's nodes, with the lanes that the ranking asks for.
pub fn glyphs(scene: &Scene, tree: &Tree) -> Vec<Glyph> {
    let mut lanes: Vec<Vec<(usize, Lane)>> = vec![Vec::new(); scene.nodes.len()];
    for (at, edge) in scene.edges.iter().enumerate() {
        for (node, target) in [(edge.from, false), (edge.to, true)] {
            let upper = tree.ends(scene, at).0 == node;
            if let End::Lane(lane) = end(&scene.nodes[node], edge.tie, target, upper) {
                lanes[node].push((at, lane));
            }
        }
    }
    scene.nodes.iter().zip(&lanes).map(|(node, lanes)| Glyph::new(node, lanes)).collect()
}

/// What a cell is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holds {
    Item(Item),
    Pass,
    Label(usize),
    Port,
}

/// A level while it is laid out.
struct Sheet<'a> {
    scene: &'a Scene,
    tree: &'a Tree,
    glyphs: &'a [Glyph],
    inner: &'a BTreeMap<Level, Laid>,
    cells: Vec<Cell>,
    holds: Vec<Holds>,
    links: Vec<Link>,
    /// The cells that each edge passes, from above, and its offset from the anchors of the first and the last.
    runs: BTreeMap<usize, (Vec<usize>, f64, f64)>,
}

/// Lays a level out, those inside it being done.
pub fn lay(scene: &Scene, tree: &Tree, glyphs: &[Glyph], inner: &BTreeMap<Level, Laid>, level: Level) -> Laid {
    let runs = BTreeMap::new();
    let (cells, holds, links) = (Vec::new(), Vec::new(), Vec::new());
    let mut sheet = Sheet { scene, tree, glyphs, inner, cells, holds, links, runs };
    sheet.fill(level);
    let rows = order(&sheet.cells, &sheet.links);
    let x = place(&sheet.cells, &sheet.links, &rows);
    sheet.finish(level, &rows, &x)
}

impl Sheet<'_> {
    fn cell(&mut self, holds: Holds, left: f64, right: f64, rank: usize) -> usize {
        self.cells.push(Cell { left, right, rank });
        self.holds.push(holds);
        self.cells.len() - 1
    }

    fn room(&self, item: Item) -> Rect {
        match item {
            Item::Node(node) => self.glyphs[node].all(),
            Item::Frame(at) => self
                .inner
                .get(&Some(at))
                .map_or(Rect::around(0.0, 0.0, 0.0, 0.0), |l| Rect::around(0.0, 0.0, l.half.0, l.half.1)),
        }
    }

    fn fill(&mut self, level: Level) {
        let (scene, tree) = (self.scene, self.tree);
        let inside = |node: usize| level.is_none() || tree.holds(level, node);
        // Edges that enter from above and that leave downwards.
        let crossing: Vec<(usize, bool)> = (0..scene.edges.len())
            .filter_map(|e| {
                let (upper, lower) = tree.ends(scene, e);
                (inside(upper) != inside(lower)).then(|| (e, inside(lower)))
            })
            .collect();
        let first = usize::from(crossing.iter().any(|(_, from_above)| *from_above));
        let mut of: BTreeMap<Item, usize> = BTreeMap::new();
        let mut last = first;
        for &item in &tree.items[&level] {
            let room = self.room(item);
            let rank = tree.ranks.get(&item).copied().unwrap_or(0) + first;
            last = last.max(rank);
            of.insert(item, self.cell(Holds::Item(item), -room.left, room.right, rank));
        }
        for edge in (0..scene.edges.len()).filter(|&e| tree.home[e] == level) {
            let (upper, lower) = tree.ends(scene, edge);
            let (a, b) = (tree.item(level, upper), tree.item(level, lower));
            self.run(edge, of[&a], of[&b], self.offset(edge, upper, a), self.offset(edge, lower, b));
        }
        for (edge, from_above) in crossing {
            let (upper, lower) = tree.ends(scene, edge);
            let node = if from_above { lower } else { upper };
            let item = tree.item(level, node);
            let offset = self.offset(edge, node, item);
            let port = self.cell(Holds::Port, 2.0, 2.0, if from_above { 0 } else { last + 1 });
            if from_above {
                self.run(edge, port, of[&item], 0.0, offset);
            } else {
                self.run(edge, of[&item], port, offset, 0.0);
            }
        }
    }

    /// Where an edge meets an item, from its anchor.
    fn offset(&self, edge: usize, node: usize, item: Item) -> f64 {
        match item {
            Item::Frame(at) => self.inner.get(&Some(at)).and_then(|l| l.ports.get(&edge)).copied().unwrap_or(0.0),
            Item::Node(_) => self.glyphs[node].lanes.iter().find(|(e, ..)| *e == edge).map_or(0.0, |&(_, _, x)| x),
        }
    }

    fn run(&mut self, edge: usize, from: usize, to: usize, leaves: f64, arrives: f64) {
        let (top, bottom) = (self.cells[from].rank, self.cells[to].rank);
        let label = &self.scene.edges[edge].label;
        let home = matches!((self.holds[from], self.holds[to]), (Holds::Item(_), Holds::Item(_)));
        let middle = (top + bottom) / 2;
        let mut passed = vec![from];
        for rank in top + 1..bottom {
            let cell = match home && !label.is_empty() && rank == middle {
                true => self.cell(Holds::Label(edge), 4.0, width(label, NOTE) + 8.0, rank),
                false => self.cell(Holds::Pass, 4.0, 4.0, rank),
            };
            passed.push(cell);
        }
        passed.push(to);
        for (at, pair) in passed.windows(2).enumerate() {
            let ends = [at == 0, at + 2 == passed.len()];
            // Long edges are to be straight; parameters give way to variables.
            let weight = match ends {
                [true, true] => 1.0,
                [false, false] => 12.0,
                _ => 5.0,
            };
            let weight = if self.scene.edges[edge].tie == Tie::Parameter { 0.001 * weight } else { weight };
            let (leaves, arrives) = (if ends[0] { leaves } else { 0.0 }, if ends[1] { arrives } else { 0.0 });
            self.links.push(Link { upper: pair[0], leaves, lower: pair[1], arrives, weight });
        }
        self.runs.insert(edge, (passed, leaves, arrives));
    }

    fn finish(&self, level: Level, rows: &[Vec<usize>], x: &[f64]) -> Laid {
        let bands = self.bands(level, rows, x);
        let mut laid = Laid::default();
        let (mut left, mut right) = (f64::INFINITY, f64::NEG_INFINITY);
        for (at, cell) in self.cells.iter().enumerate() {
            left = left.min(x[at] - cell.left);
            right = right.max(x[at] + cell.right);
        }
        if left > right {
            (left, right) = (0.0, 0.0);
        }
        let framed = level.is_some();
        if framed {
            (left, right) = (left - PAD, right + PAD);
        }
        let ports_below: Vec<f64> = self.ports(x, rows.len().saturating_sub(1)).map(|(_, x)| x).collect();
        let mut bottom = bands.last().map_or(0.0, |b| b.2);
        if let Some(at) = level {
            let top = bottom + if ports_below.is_empty() { 2.0 } else { 0.0 };
            bottom = top + STRIP;
            let wide = width(&self.scene.clusters[at].label, NOTE) + 4.0;
            let free = |from: f64| ports_below.iter().all(|p| *p < from - 4.0 || *p > from + wide + 4.0);
            let mut from = right - 8.0 - wide;
            if !free(from) || from < left + 8.0 {
                from = left + 8.0;
            }
            if !free(from) {
                from = ports_below.iter().copied().fold(from, f64::max) + 8.0;
            }
            right = right.max(from + wide + 8.0);
            laid.label = Some(Rect { left: from, right: from + wide, top: top + 1.0, bottom: top + STRIP - 4.0 });
        }
        let (cx, cy) = ((left + right) / 2.0, bottom / 2.0);
        laid.half = ((right - left) / 2.0, cy);
        laid.label = laid.label.map(|r| r.moved(-cx, -cy));
        for (at, holds) in self.holds.iter().enumerate() {
            let band = bands[self.cells[at].rank];
            match *holds {
                Holds::Item(item) => {
                    laid.at.insert(item, (x[at] - cx, band.1 - cy));
                }
                Holds::Label(edge) => {
                    let (x, y) = (x[at] - cx, band.1 - cy);
                    let wide = width(&self.scene.edges[edge].label, NOTE);
                    let rect = Rect { left: x + 5.0, right: x + 5.0 + wide, top: y - HIGH, bottom: y + HIGH };
                    laid.labels.insert(edge, rect);
                }
                Holds::Pass | Holds::Port => {}
            }
        }
        for (&edge, (passed, leaves, arrives)) in &self.runs {
            let count = passed.len();
            let stations = passed.iter().enumerate().map(|(nth, &cell)| {
                let (top, _, low) = bands[self.cells[cell].rank];
                let offset = if nth == 0 {
                    *leaves
                } else if nth + 1 == count {
                    *arrives
                } else {
                    0.0
                };
                let rim = if nth == 0 { 0.0 } else { bottom };
                let (from, to) = match self.holds[cell] {
                    Holds::Port => (if nth == 0 { rim } else { top }, if nth == 0 { low } else { rim }),
                    Holds::Item(item) => {
                        let y = bands[self.cells[cell].rank].1;
                        let room = self.room(item);
                        let edge_of = |node: usize| self.reach(edge, node, nth == 0);
                        match (item, nth == 0) {
                            (Item::Frame(_), true) => (y + room.bottom, low),
                            (Item::Frame(_), false) => (top, y + room.top),
                            (Item::Node(node), true) => (y + edge_of(node), low),
                            (Item::Node(node), false) => (top, y + edge_of(node)),
                        }
                    }
                    Holds::Pass | Holds::Label(_) => (top, low),
                };
                (x[cell] + offset - cx, from - cy, to - cy)
            });
            laid.stations.insert(edge, stations.collect());
        }
        for rank in [0, rows.len().saturating_sub(1)] {
            laid.ports.extend(self.ports(x, rank).map(|(edge, x)| (edge, x - cx)));
        }
        laid
    }

    /// The ports of a rank with the edges that pass them.
    fn ports<'s>(&'s self, x: &'s [f64], rank: usize) -> impl Iterator<Item = (usize, f64)> + 's {
        self.runs.iter().flat_map(move |(&edge, (passed, ..))| {
            let ends = [passed[0], passed[passed.len() - 1]];
            let found = ends.into_iter().find(|&c| self.holds[c] == Holds::Port && self.cells[c].rank == rank);
            found.map(|c| (edge, x[c]))
        })
    }

    /// The height at which an edge's vertical part begins or ends at a node.
    fn reach(&self, edge: usize, node: usize, upper: bool) -> f64 {
        let drawn = &self.glyphs[node];
        let e = &self.scene.edges[edge];
        match end(&self.scene.nodes[node], e.tie, e.to == node, upper) {
            End::Body if upper => drawn.tall,
            End::Body => -drawn.tall,
            End::Square => drawn.law.unwrap_or(0.0) - super::glyph::SQUARE,
            End::Lane(Lane::ToSquare) => drawn.law.unwrap_or(0.0) + 10.0,
            End::Lane(Lane::ToCircle) => -10.0,
        }
    }

    /// The top, the line of anchors and the bottom of each rank.
    fn bands(&self, level: Level, rows: &[Vec<usize>], x: &[f64]) -> Vec<(f64, f64, f64)> {
        let mut bands: Vec<(f64, f64, f64)> = Vec::new();
        let has_port = |row: &[usize]| row.iter().any(|&c| self.holds[c] == Holds::Port);
        let mut y = if level.is_some() && !rows.first().is_some_and(|r| has_port(r)) { PAD } else { 0.0 };
        for (rank, row) in rows.iter().enumerate() {
            let (mut up, mut down) = (0.0f64, 0.0f64);
            for &cell in row {
                let (u, d) = match self.holds[cell] {
                    Holds::Item(item) => {
                        let room = self.room(item);
                        (-room.top, room.bottom)
                    }
                    Holds::Label(_) => (HIGH, HIGH),
                    Holds::Pass | Holds::Port => (0.0, 0.0),
                };
                (up, down) = (up.max(u), down.max(d));
            }
            bands.push((y, y + up, y + up + down));
            let lean = |l: &Link| (x[l.upper] + l.leaves - x[l.lower] - l.arrives).abs();
            let widest = self.links.iter().filter(|l| self.cells[l.upper].rank == rank).map(lean).fold(0.0, f64::max);
            let rim = has_port(row) || rows.get(rank + 1).is_some_and(|r| has_port(r));
            y += up + down + if rim { 12.0 } else { GAP } + (widest * 0.14).min(44.0);
        }
        bands
    }
}
