//! Courses of edges: the stations of all levels strung together, straight instead where nothing stands in the way.

use std::collections::BTreeMap;

use super::glyph::{Glyph, Lane, RADIUS, Role, SQUARE};
use super::nest::{End, Laid, Station, end, glyphs, lay};
use super::scene::{Course, Edge, Piece, Placed, Rect, Scene, Shape, Tie};
use super::tree::{Item, Level, Tree};

/// Air around what an edge must not touch.
const AIR: f64 = 3.0;

/// Gives everything in a scene its place.
pub fn layout(scene: Scene) -> Placed {
    let tree = Tree::new(&scene);
    let glyphs = glyphs(&scene, &tree);
    let mut laid: BTreeMap<Level, Laid> = BTreeMap::new();
    for level in (0..scene.clusters.len()).rev().map(Some).chain([None]) {
        let done = lay(&scene, &tree, &glyphs, &laid, level);
        laid.insert(level, done);
    }
    let whole = laid[&None].half;
    let mut origin: BTreeMap<Level, (f64, f64)> = BTreeMap::from([(None, whole)]);
    let mut placed = Placed {
        at: vec![(0.0, 0.0); scene.nodes.len()],
        boxes: vec![Rect::around(0.0, 0.0, 0.0, 0.0); scene.clusters.len()],
        labels: vec![Rect::around(0.0, 0.0, 0.0, 0.0); scene.clusters.len()],
        courses: vec![Course::default(); scene.edges.len()],
        width: 2.0 * whole.0,
        height: 2.0 * whole.1,
        ..Placed::default()
    };
    // A box stands after the one it is in, so the order of boxes is from the outside inwards.
    for level in [None].into_iter().chain((0..scene.clusters.len()).map(Some)) {
        let (ox, oy) = origin[&level];
        let inside = &laid[&level];
        if let Some(at) = level {
            placed.boxes[at] = Rect::around(ox, oy, inside.half.0, inside.half.1);
            placed.labels[at] = inside.label.unwrap_or(placed.boxes[at]).moved(ox, oy);
        }
        for (&item, &(x, y)) in &inside.at {
            match item {
                Item::Node(node) => placed.at[node] = (ox + x, oy + y),
                Item::Frame(at) => {
                    origin.insert(Some(at), (ox + x, oy + y));
                }
            }
        }
    }
    placed.glyphs = glyphs;
    placed.scene = scene;
    for edge in 0..placed.scene.edges.len() {
        let stations = strung(&placed.scene, &tree, &laid, &origin, edge);
        let home = origin[&tree.home[edge]];
        let label = laid[&tree.home[edge]].labels.get(&edge).map(|r| r.moved(home.0, home.1));
        placed.courses[edge] = Course { label, ..course(&placed, &tree, edge, &stations) };
    }
    for edge in 0..placed.scene.edges.len() {
        if let Some(simple) = simple(&placed, &tree, edge) {
            placed.courses[edge] = simple;
        }
    }
    for (edge, course) in placed.courses.iter_mut().enumerate() {
        if tree.turned[edge] {
            *course = backwards(course);
        }
    }
    if placed.scene.guide { flipped(placed) } else { placed }
}

/// The stations of an edge through all levels, from above.
fn strung(
    scene: &Scene,
    tree: &Tree,
    laid: &BTreeMap<Level, Laid>,
    origin: &BTreeMap<Level, (f64, f64)>,
    edge: usize,
) -> Vec<Station> {
    let (upper, lower) = tree.ends(scene, edge);
    let home = tree.home[edge];
    let mut stations: Vec<Station> = Vec::new();
    let mut add = |level: Level| {
        let (ox, oy) = origin[&level];
        let list = laid[&level].stations.get(&edge).map_or(&[][..], Vec::as_slice);
        stations.extend(list.iter().map(|&(x, from, to)| (x + ox, from + oy, to + oy)));
    };
    tree.between(upper, home).iter().for_each(|&l| add(l));
    add(home);
    tree.between(lower, home).iter().rev().for_each(|&l| add(l));
    stations
}

fn how(placed: &Placed, edge: usize, node: usize, upper: bool) -> End {
    let e = &placed.scene.edges[edge];
    end(&placed.scene.nodes[node], e.tie, e.to == node, upper)
}

/// A course along stations, from the upper end to the lower.
fn course(placed: &Placed, tree: &Tree, edge: usize, stations: &[Station]) -> Course {
    let (upper, lower) = tree.ends(&placed.scene, edge);
    let mut course = Course::default();
    let Some(&(x, y, _)) = stations.first() else { return course };
    course.start = (x, y);
    if let End::Lane(Lane::ToSquare) = how(placed, edge, upper, true) {
        let (nx, ny) = placed.at[upper];
        let at = ny + placed.glyphs[upper].law.unwrap_or(0.0);
        course.start = (nx - SQUARE, at);
        course.pieces.push(Piece::Curve((nx - SQUARE - 8.0, at), (x, at), (x, y)));
    }
    let mut last: Option<Station> = None;
    for &(x, from, to) in stations {
        if let Some((px, _, py)) = last {
            if (x - px).abs() < 0.5 {
                course.pieces.push(Piece::Line((x, from)));
            } else {
                let bend = (from - py) / 2.0;
                course.pieces.push(Piece::Curve((px, py + bend), (x, from - bend), (x, from)));
            }
        }
        if to > from + 0.01 {
            course.pieces.push(Piece::Line((x, to)));
        }
        last = Some((x, from, to));
    }
    if let (End::Lane(Lane::ToCircle), Some((x, _, _))) = (how(placed, edge, lower, false), last) {
        let (nx, ny) = placed.at[lower];
        let rim = nx - placed.glyphs[lower].half;
        course.pieces.push(Piece::Curve((x, ny), (rim - 6.0, ny), (rim, ny)));
    }
    course
}

/// A simpler course of an edge where nothing stands in its way: a straight line if it is steep enough, else one arc past what stands
/// between its ends.
fn simple(placed: &Placed, tree: &Tree, edge: usize) -> Option<Course> {
    let (upper, lower) = tree.ends(&placed.scene, edge);
    let mut ends = [(0.0, 0.0); 2];
    for (nth, node) in [upper, lower].into_iter().enumerate() {
        ends[nth] = match how(placed, edge, node, nth == 0) {
            End::Body => placed.at[node],
            End::Square => (placed.at[node].0, placed.at[node].1 + placed.glyphs[node].law? - SQUARE),
            End::Lane(_) => return None,
        };
    }
    if !placed.scene.edges[edge].label.is_empty() {
        return None;
    }
    let [a, b] = ends;
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    // How far the course along the stations strays from the straight line: that side is free.
    let points = placed.courses[edge].points();
    let stray = |p: &(f64, f64)| p.0 - (a.0 + dx * (p.1 - a.1) / dy.max(1.0));
    let furthest = points.iter().map(stray).fold(0.0, |m: f64, s| if s.abs() > m.abs() { s } else { m });
    let beside = has_sibling(&placed.scene, edge);
    for (first, second) in handles(a, b, furthest) {
        let line = first == a && second == b;
        if line && (dy < 0.45 * dx.abs() || beside) {
            continue;
        }
        let mut from = a;
        let mut to = b;
        if how(placed, edge, upper, true) == End::Body {
            from = rim(&placed.glyphs[upper], a, if line { b } else { first });
        }
        if how(placed, edge, lower, false) == End::Body {
            to = rim(&placed.glyphs[lower], b, if line { a } else { second });
        }
        let piece = if line { Piece::Line(to) } else { Piece::Curve(first, second, to) };
        let course = Course { start: from, pieces: vec![piece], label: None };
        if is_free(placed, tree, edge, &course) {
            return Some(course);
        }
    }
    None
}

/// Handles of the curves tried between two points, the plainest first; those of the straight line are the points themselves.
fn handles(a: (f64, f64), b: (f64, f64), furthest: f64) -> Vec<((f64, f64), (f64, f64))> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let mut list = vec![(a, b)];
    if furthest.abs() < 1.0 {
        return list;
    }
    // A cubic whose handles stand out by four thirds of the bulge passes the bulge in its middle.
    let bulge = |share: f64, early: f64, late: f64| {
        let out = share * furthest * 4.0 / 3.0;
        ((a.0 + dx * early + out, a.1 + dy * early), (a.0 + dx * late + out, a.1 + dy * late))
    };
    list.extend([0.5, 0.75, 1.0, 1.2].map(|share| bulge(share, 0.3, 0.7)));
    // Plumb down at first, and then over.
    list.extend(
        [(0.7, 0.3), (0.75, 0.2), (0.85, 0.12)].map(|(down, up)| ((a.0, a.1 + dy * down), (a.0, b.1 - dy * up))),
    );
    for share in [0.8, 1.0, 1.3, 1.6] {
        list.extend([(0.45, 0.85), (0.15, 0.55), (0.6, 0.95)].map(|(early, late)| bulge(share, early, late)));
    }
    list
}

/// Whether another edge, with a label, joins the same nodes: the two are kept apart.
fn has_sibling(scene: &Scene, edge: usize) -> bool {
    let own = &scene.edges[edge];
    scene.edges.iter().any(|e| !e.label.is_empty() && (e.from, e.to) == (own.from, own.to))
}

/// Whether a course touches nothing but the ends of its edge.
fn is_free(placed: &Placed, tree: &Tree, edge: usize, course: &Course) -> bool {
    let (upper, lower) = tree.ends(&placed.scene, edge);
    let points = course.points();
    let wide = |r: Rect| Rect { left: r.left - AIR, top: r.top - AIR, right: r.right + AIR, bottom: r.bottom + AIR };
    let hit = |r: Rect| points.windows(2).any(|p| r.crossed_by(p[0], p[1]));
    for (node, drawn) in placed.glyphs.iter().enumerate() {
        let (x, y) = placed.at[node];
        if node != upper && node != lower {
            if hit(wide(drawn.all().moved(x, y))) {
                return false;
            }
            continue;
        }
        let beside = drawn.labels.iter().filter(|l| l.role != Role::Name || drawn.half < RADIUS);
        if beside.into_iter().any(|l| hit(l.at.moved(x, y))) {
            return false;
        }
        // Its own circle is not to be crossed on the way to its square.
        let ends_here = how(placed, edge, node, node == upper) == End::Body;
        let square = drawn.square().filter(|_| ends_here);
        if (!ends_here && hit(drawn.body().moved(x, y))) || square.is_some_and(|r| hit(r.moved(x, y))) {
            return false;
        }
    }
    let foreign = |at: usize| !tree.holds(Some(at), upper) && !tree.holds(Some(at), lower);
    if (0..placed.boxes.len()).any(|at| hit(wide(placed.labels[at])) || (foreign(at) && hit(wide(placed.boxes[at])))) {
        return false;
    }
    // It stays inside the boxes that hold both ends.
    let around = (0..placed.boxes.len()).filter(|&at| tree.holds(Some(at), upper) && tree.holds(Some(at), lower));
    let leaves = |r: Rect| points.iter().any(|p| !r.holds(&Rect::around(p.0, p.1, AIR, AIR)));
    if around.into_iter().any(|at| leaves(placed.boxes[at])) {
        return false;
    }
    // A box that holds one of its ends is left once and for all.
    let rims = (0..placed.boxes.len()).filter(|&at| tree.holds(Some(at), upper) != tree.holds(Some(at), lower));
    let inside = |r: Rect, p: (f64, f64)| r.holds(&Rect::around(p.0, p.1, 0.0, 0.0));
    let passes = |r: Rect| points.windows(2).filter(|p| inside(r, p[0]) != inside(r, p[1])).count();
    if rims.into_iter().any(|at| passes(placed.boxes[at]) != 1) {
        return false;
    }
    if points.iter().any(|p| p.0 < 0.0 || p.0 > placed.width) {
        return false;
    }
    if placed.courses.iter().filter_map(|c| c.label).any(|r| hit(wide(r))) {
        return false;
    }
    // One line that lies on another would be taken for it.
    let ends = |e: &Edge| (e.from.min(e.to), e.from.max(e.to));
    let own = &placed.scene.edges[edge];
    !placed.scene.edges.iter().enumerate().any(|(at, e)| at < edge && ends(e) == ends(own) && e.label.is_empty())
}

/// Where the line from the centre of a glyph towards a point leaves it.
fn rim(glyph: &Glyph, centre: (f64, f64), towards: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (towards.0 - centre.0, towards.1 - centre.1);
    let inside = |t: f64| {
        let (x, y) = ((dx * t).abs(), (dy * t).abs());
        let past = (x - (glyph.half - glyph.tall)).max(0.0);
        past.hypot(y) < glyph.tall
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if inside(middle) { low = middle } else { high = middle }
    }
    (centre.0 + dx * low, centre.1 + dy * low)
}

fn backwards(course: &Course) -> Course {
    let mut from = vec![course.start];
    from.extend(course.pieces.iter().map(|p| match *p {
        Piece::Line(to) | Piece::Curve(_, _, to) => to,
    }));
    let turned = course.pieces.iter().zip(&from).rev().map(|(piece, &start)| match *piece {
        Piece::Line(_) => Piece::Line(start),
        Piece::Curve(a, b, _) => Piece::Curve(b, a, start),
    });
    Course { start: from[from.len() - 1], pieces: turned.collect(), label: course.label }
}

/// A guide runs from what is seen, at the bottom, upwards.
fn flipped(mut placed: Placed) -> Placed {
    let height = placed.height;
    let up = |p: (f64, f64)| (p.0, height - p.1);
    let over = |r: Rect| Rect { top: height - r.bottom, bottom: height - r.top, ..r };
    placed.at.iter_mut().for_each(|p| *p = up(*p));
    placed.glyphs = placed.glyphs.into_iter().map(Glyph::flipped).collect();
    placed.boxes.iter_mut().chain(&mut placed.labels).for_each(|r| *r = over(*r));
    for course in &mut placed.courses {
        course.start = up(course.start);
        course.label = course.label.map(over);
        for piece in &mut course.pieces {
            *piece = match *piece {
                Piece::Line(to) => Piece::Line(up(to)),
                Piece::Curve(a, b, to) => Piece::Curve(up(a), up(b), up(to)),
            };
        }
    }
    placed
}

/// Whether an edge ends with an arrow: at a definition, which has no square.
pub fn has_arrow(scene: &Scene, edge: usize) -> bool {
    let e = &scene.edges[edge];
    let to = &scene.nodes[e.to];
    e.tie != Tie::Member && to.law.is_none() && matches!(to.shape, Shape::Variable { .. })
}
