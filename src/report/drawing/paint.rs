//! A placed scene as SVG elements. Ink is `currentColor`, fills are thin layers of ink or of an engine's colour, so that one drawing
//! suits light and dark pages and paper; no style sheet is needed.

use maud::{Markup, html};

use super::glyph::{DOT, Glyph, Label, RADIUS, Role, SQUARE};
use super::legend::{Entry, Legend, Mark, text_from};
use super::route::has_arrow;
use super::scene::{Course, Frame, Node, Piece, Placed, Rect, Seen, Shape, Tie};
use super::text::{NAME, NOTE, Name, SUB, width};

/// Colours of engines.
const COLOURS: [&str; 8] = ["#2f7fc4", "#dd7a2b", "#3a9c68", "#bb558c", "#9a7d2c", "#7b68c4", "#24939a", "#a0604f"];

fn colour(tint: usize) -> &'static str {
    COLOURS[tint % COLOURS.len()]
}

/// A tenth of a pixel is below what any screen shows.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

fn path(course: &Course) -> String {
    let mut d = format!("M{} {}", n(course.start.0), n(course.start.1));
    for piece in &course.pieces {
        match *piece {
            Piece::Line((x, y)) => d.push_str(&format!("L{} {}", n(x), n(y))),
            Piece::Curve(a, b, c) => {
                let all = [a, b, c].map(|(x, y)| format!("{} {}", n(x), n(y)));
                d.push_str(&format!("C{}", all.join(" ")));
            }
        }
    }
    d
}

/// A panel: boxes below, edges over them, nodes on top.
pub fn panel(placed: &Placed) -> Markup {
    let dashes = placed.scene.guide.then_some("5 3.5");
    html! {
        @for (at, cluster) in placed.scene.clusters.iter().enumerate() {
            (frame(&placed.boxes[at], cluster.frame, cluster.tint))
            (text(&plain(&cluster.label), placed.labels[at].left, middle(&placed.labels[at]), NOTE, false, true))
        }
        g fill="none" stroke="currentColor" {
            @for (at, course) in placed.courses.iter().enumerate() {
                @let thin = placed.scene.edges[at].tie == Tie::Parameter;
                path d=(path(course)) stroke-width=(if thin { "0.8" } else { "1.2" }) stroke-opacity=[thin.then_some("0.75")]
                    stroke-dasharray=[dashes.filter(|_| !thin)] {}
            }
        }
        @for (at, course) in placed.courses.iter().enumerate() {
            @if has_arrow(&placed.scene, at) { (arrow(course)) }
            @if let Some(label) = course.label {
                (text(&plain(&placed.scene.edges[at].label), label.left, middle(&label), NOTE, false, false))
            }
        }
        @for (at, node) in placed.scene.nodes.iter().enumerate() {
            g transform=(format!("translate({} {})", n(placed.at[at].0), n(placed.at[at].1))) {
                (drawn(node, &placed.glyphs[at], dashes))
            }
        }
    }
}

fn plain(text: &str) -> Vec<Name> {
    vec![Name { base: text.to_string(), sub: String::new() }]
}

fn middle(rect: &Rect) -> f64 {
    (rect.top + rect.bottom) / 2.0
}

/// Names on a line, single letters slanted as in formulas; centred on `x` or beginning there.
fn text(names: &[Name], x: f64, y: f64, size: f64, centred: bool, quiet: bool) -> Markup {
    let drop = size * 0.22;
    let count = names.len();
    html! {
        text x=(n(x)) y=(n(y)) dy="0.35em" font-size=(n(size)) text-anchor=[centred.then_some("middle")]
            fill="currentColor" fill-opacity=[quiet.then_some("0.72")] {
            @for (at, name) in names.iter().enumerate() {
                @let slanted = name.base.chars().count() == 1 && size > NOTE;
                @let comma = if at + 1 < count { ", " } else { "" };
                tspan font-style=[slanted.then_some("italic")] { (name.base) }
                @if !name.sub.is_empty() {
                    tspan dy=(n(drop)) font-size=(n(size * SUB / NAME)) { (name.sub) }
                    // The line goes on at its old height; without a character the shift would be lost.
                    @if at + 1 < count { tspan dy=(n(-drop)) { (comma) } }
                } @else { (comma) }
            }
        }
    }
}

fn frame(at: &Rect, frame: Frame, tint: Option<usize>) -> Markup {
    let group = frame == Frame::Group;
    let ink = tint.map_or("currentColor", colour);
    html! {
        rect x=(n(at.left)) y=(n(at.top)) width=(n(at.right - at.left)) height=(n(at.bottom - at.top))
            rx=(if group { "14" } else { "8" }) stroke=(ink) stroke-width="1.1" stroke-opacity=[(!group).then_some("0.8")]
            stroke-dasharray=[group.then_some("2 3")] fill=(ink)
            fill-opacity=(if tint.is_some() { "0.09" } else if group { "0.03" } else { "0" }) {}
    }
}

fn arrow(course: &Course) -> Markup {
    let points = course.points();
    let tip = points[points.len() - 1];
    let before = points.iter().rev().copied().find(|p| (p.0 - tip.0).hypot(p.1 - tip.1) > 4.0).unwrap_or(course.start);
    head(tip, before)
}

/// The head of an arrow at `tip`, coming from `before`.
fn head(tip: (f64, f64), before: (f64, f64)) -> Markup {
    let (dx, dy) = (tip.0 - before.0, tip.1 - before.1);
    let long = dx.hypot(dy).max(1e-6);
    let (ux, uy) = (dx / long, dy / long);
    let side = |s: f64| (tip.0 - 8.5 * ux - s * 3.4 * uy, tip.1 - 8.5 * uy + s * 3.4 * ux);
    let (a, b) = (side(1.0), side(-1.0));
    html! { path d=(format!("M{} {}L{} {}L{} {}Z", n(tip.0), n(tip.1), n(a.0), n(a.1), n(b.0), n(b.1))) fill="currentColor" {} }
}

fn pill(half: f64, tall: f64, inset: f64) -> (String, String, String, String, String) {
    let (half, tall) = (half - inset, tall - inset);
    (n(-half), n(-tall), n(2.0 * half), n(2.0 * tall), n(tall))
}

fn circle(half: f64, tall: f64, seen: Seen, defined: bool, tint: Option<usize>) -> Markup {
    let (x, y, w, h, r) = pill(half, tall, 0.0);
    let (fill, thickness) = match (seen, tint) {
        (Seen::Always | Seen::Given, _) => ("currentColor", "0.2"),
        (_, Some(tint)) => (colour(tint), "0.28"),
        (_, None) => ("currentColor", "0"),
    };
    let ink = match (seen, tint) {
        (Seen::Never | Seen::Partly, Some(tint)) => colour(tint),
        _ => "currentColor",
    };
    let dashes = (seen == Seen::Given).then_some("4 2.5");
    let left = format!("M0 {t}H{e}A{t0} {t0} 0 0 0 {e} {t0}H0Z", t = n(-tall), t0 = n(tall), e = n(-(half - tall)),);
    html! {
        rect x=(x) y=(y) width=(w) height=(h) rx=(r) fill=(fill) fill-opacity=(thickness) stroke="none" {}
        @if seen == Seen::Partly { path d=(left) fill="currentColor" fill-opacity="0.26" {} }
        rect x=(x) y=(y) width=(w) height=(h) rx=(r) fill="none" stroke=(ink) stroke-width="1.4" stroke-dasharray=[dashes] {}
        @if defined {
            @let (x, y, w, h, r) = pill(half, tall, 3.0);
            rect x=(x) y=(y) width=(w) height=(h) rx=(r) fill="none" stroke=(ink) stroke-width="1" {}
        }
    }
}

fn square(y: f64) -> Markup {
    html! { rect x=(n(-SQUARE)) y=(n(y - SQUARE)) width=(n(2.0 * SQUARE)) height=(n(2.0 * SQUARE)) fill="currentColor" {} }
}

fn dot(x: f64, y: f64) -> Markup {
    html! { circle cx=(n(x)) cy=(n(y)) r=(n(DOT)) fill="currentColor" {} }
}

fn drawn(node: &Node, glyph: &Glyph, dashes: Option<&str>) -> Markup {
    html! {
        @if let Some(y) = glyph.law {
            @let side = y.signum();
            @let (from, to) = (y - side * SQUARE, side * glyph.tall);
            path d=(format!("M0 {}L0 {}", n(from), n(to + side * 5.0))) stroke="currentColor" stroke-width="1.2"
                stroke-dasharray=[dashes] {}
            (head((0.0, to), (0.0, from)))
            (square(y))
        }
        @if let Some(x) = glyph.recurs {
            @let d = match glyph.law {
                Some(y) => format!("M{} 0C{} 0 {} {} {} {}", n(-glyph.half), n(x * 1.1), n(x * 1.1), n(y), n(-SQUARE), n(y)),
                None => format!("M{0} 6C{1} 14 {1} -14 {0} -6", n(-glyph.half + 2.0), n(x * 1.2)),
            };
            path d=(d) fill="none" stroke="currentColor" stroke-width="1.2" stroke-dasharray=[dashes] {}
        }
        @if let Some(x) = glyph.dot {
            @let y = glyph.law.unwrap_or(0.0);
            path d=(format!("M{} {}H{}", n(x), n(y), n(-SQUARE))) stroke="currentColor" stroke-width="0.8" stroke-opacity="0.75" {}
            (dot(x, y))
        }
        @match node.shape {
            Shape::Variable { seen, defined } => (circle(glyph.half, glyph.tall, seen, defined, node.tint)),
            Shape::Parameter => (dot(0.0, 0.0)),
            Shape::Potential => (square(0.0)),
        }
        @for label in &glyph.labels { (label_text(label, glyph)) }
    }
}

fn label_text(label: &Label, glyph: &Glyph) -> Markup {
    let inside = label.role == Role::Name && glyph.half >= RADIUS;
    let x = match inside {
        true => (label.at.left + label.at.right) / 2.0,
        false => label.at.left,
    };
    // Texts on the left of their mark end there, however wide a reader's letters are.
    let left = !inside && label.at.right < 0.0;
    let quiet = label.role == Role::Note;
    if left {
        return html! { g text-anchor="end" { (text(&label.names, label.at.right, middle(&label.at), label.size, false, quiet)) } };
    }
    text(&label.names, x, middle(&label.at), label.size, inside, quiet)
}

/// The legend.
pub fn legend(legend: &Legend) -> Markup {
    html! {
        @for entry in &legend.entries {
            g transform=(format!("translate({} {})", n(entry.x + 11.0), n(entry.y))) { (sign(entry)) }
            (text(&plain(&entry.text), text_from(entry), entry.y, NOTE, false, false))
        }
    }
}

fn sign(entry: &Entry) -> Markup {
    match entry.mark {
        Mark::Circle(seen) => circle(8.0, 8.0, seen, false, None),
        Mark::Ring => circle(8.0, 8.0, Seen::Never, true, None),
        Mark::Tint(tint) => circle(8.0, 8.0, Seen::Never, false, Some(tint)),
        Mark::Group(tint) => frame(&Rect::around(0.0, 0.0, 10.0, 8.0), Frame::Group, Some(tint)),
        Mark::Squares => square(0.0),
        Mark::Dot => dot(0.0, 0.0),
        Mark::Dashed => html! {
            path d="M-10 0H6" stroke="currentColor" stroke-width="1.2" stroke-dasharray="5 3.5" {}
            (head((11.0, 0.0), (0.0, 0.0)))
        },
        Mark::Nothing => html! {},
    }
}

/// A heading.
pub fn heading(title: &str, x: f64, y: f64, size: f64, quiet: bool) -> Markup {
    html! {
        text x=(n(x)) y=(n(y)) dy="0.35em" font-size=(n(size)) font-weight=[(!quiet).then_some("600")] fill="currentColor"
            fill-opacity=[quiet.then_some("0.72")] { (title) }
    }
}

/// Width of a heading.
pub fn heading_width(title: &str, size: f64) -> f64 {
    width(title, size * 1.08)
}
