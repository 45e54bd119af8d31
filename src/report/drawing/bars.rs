//! A network with the probabilities of its states as bars in the nodes, before and after evidence.
//!
//! In: variables with their states, which of them read which, and marginals. Out: an SVG file. The layout is that of the factor graphs:
//! ranks, few crossings, places. An edge that passes a rank has a place of its own there, so that no edge crosses a node.

use maud::{Markup, html};

use super::order::{Cell, Link, order};
use super::place::place;
use super::rank::{Wish, rank};
use super::text::{NAME, NOTE, cut, width};
use super::{FONTS, MARGIN, MOST, THEME};

/// A variable of a network, with what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarNode {
    /// Its name.
    pub name: String,
    /// The names of its states.
    pub states: Vec<String>,
    /// The probability of each state before evidence.
    pub before: Vec<f64>,
    /// The same after evidence; none if there is no evidence.
    pub after: Option<Vec<f64>>,
    /// Whether it is evidence.
    pub told: bool,
}

/// States that a node shows, at most; of more, the likeliest.
const STATES: usize = 10;
/// Height of a state's line, and of a node's heading.
const LINE: f64 = 15.0;
const HEAD: f64 = 23.0;
/// Length of a bar at probability one.
const BAR: f64 = 64.0;
/// Room inside a node, to the left and right.
const PAD: f64 = 8.0;
/// Room for a percentage.
const SHARE: f64 = 42.0;
/// Between ranks.
const DROP: f64 = 44.0;
const LETTERS: usize = 22;

/// The drawing as a file; none for more variables than anybody could read. `edges` lead from a parent to a child, without a direction
/// if not `directed`.
pub fn bars(nodes: &[BarNode], edges: &[(usize, usize)], directed: bool) -> Option<String> {
    if nodes.is_empty() || nodes.len() > MOST {
        return None;
    }
    let shown: Vec<Vec<usize>> = nodes.iter().map(shown).collect();
    let sizes: Vec<(f64, f64, f64)> = nodes.iter().zip(&shown).map(|(n, s)| size(n, s)).collect();
    let wishes: Vec<Wish> = edges.iter().map(|&(above, below)| Wish { above, below, by: 1, weak: false }).collect();
    let (ranks, turned) = rank(nodes.len(), &wishes);
    let mut cells: Vec<Cell> =
        (0..nodes.len()).map(|i| Cell { left: sizes[i].0 / 2.0, right: sizes[i].0 / 2.0, rank: ranks[i] }).collect();
    let mut links = Vec::new();
    let mut courses: Vec<Vec<usize>> = Vec::new();
    for (&(a, b), &turned) in edges.iter().zip(&turned) {
        let (upper, lower) = if turned { (b, a) } else { (a, b) };
        let mut course = vec![upper];
        for rank in ranks[upper] + 1..ranks[lower] {
            cells.push(Cell { left: 4.0, right: 4.0, rank });
            course.push(cells.len() - 1);
        }
        course.push(lower);
        for pair in course.windows(2) {
            // Long edges are kept straight before short ones.
            let weight = if pair.iter().all(|&c| c >= nodes.len()) { 6.0 } else { 1.0 };
            links.push(Link { upper: pair[0], leaves: 0.0, lower: pair[1], arrives: 0.0, weight });
        }
        courses.push(course);
    }
    let rows = order(&cells, &links);
    let x = place(&cells, &links, &rows);
    let mut tops = Vec::with_capacity(rows.len());
    let mut bottoms = Vec::with_capacity(rows.len());
    let mut y = 0.0;
    for row in &rows {
        let high = row.iter().filter_map(|&c| sizes.get(c)).map(|s| s.1).fold(0.0, f64::max);
        tops.push(y);
        bottoms.push(y + high);
        y += high + DROP;
    }
    let left = (0..cells.len()).map(|c| x[c] - cells[c].left).fold(f64::INFINITY, f64::min);
    let right = (0..cells.len()).map(|c| x[c] + cells[c].right).fold(f64::NEG_INFINITY, f64::max);
    let (across, down) = (MARGIN - left, MARGIN);
    let evidence = nodes.iter().any(|n| n.after.is_some());
    let (wide, high) = ((right - left + 2.0 * MARGIN).max(360.0), y - DROP + 2.0 * MARGIN + LINE);
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {wide:.0} {high:.0}")) width=(format!("{wide:.0}"))
            height=(format!("{high:.0}")) role="img" aria-label="a network with the probabilities of its states" font-family=(FONTS) color="#1c1b19" {
            style { (maud::PreEscaped(THEME)) }
            rect.paper width=(format!("{wide:.0}")) height=(format!("{high:.0}")) fill="#fff" {}
            g transform=(format!("translate({across:.1} {down:.1})")) {
                @for (course, &turned) in courses.iter().zip(&turned) {
                    (edge(course, &x, &cells, (&tops, &bottoms), &sizes, directed.then_some(turned)))
                }
                @for (i, node) in nodes.iter().enumerate() {
                    g transform=(format!("translate({:.1} {:.1})", x[i] - sizes[i].0 / 2.0, tops[ranks[i]])) { (body(node, &shown[i], sizes[i])) }
                }
            }
            (key(evidence, high))
        }
    };
    Some(markup.into_string() + "\n")
}

/// The states that are shown: all, or the likeliest in their own order.
fn shown(node: &BarNode) -> Vec<usize> {
    let mut all: Vec<usize> = (0..node.states.len()).collect();
    if all.len() > STATES {
        let weight = |s: usize| {
            let of = |list: &Vec<f64>| list.get(s).copied().unwrap_or(0.0);
            of(&node.before).max(node.after.as_ref().map_or(0.0, of))
        };
        all.sort_by(|&a, &b| weight(b).total_cmp(&weight(a)).then(a.cmp(&b)));
        all.truncate(STATES - 1);
        all.sort_unstable();
    }
    all
}

/// Width and height of a node, and the room that names of states take.
fn size(node: &BarNode, shown: &[usize]) -> (f64, f64, f64) {
    let names = shown.iter().map(|&s| width(&cut(&node.states[s], LETTERS), NOTE)).fold(0.0, f64::max);
    let lines = shown.len() + usize::from(shown.len() < node.states.len());
    let inner = (names + 6.0 + BAR + SHARE).max(width(&cut(&node.name, 2 * LETTERS), NAME));
    (inner + 2.0 * PAD, HEAD + LINE * lines as f64 + 5.0, names)
}

fn share(p: f64) -> String {
    match p {
        p if p == 0.0 || p == 1.0 => format!("{:.0} %", 100.0 * p),
        p if p < 0.001 => "< 0.1 %".to_string(),
        p if p > 0.999 => "> 99.9 %".to_string(),
        p => format!("{:.1} %", 100.0 * p),
    }
}

fn body(node: &BarNode, shown: &[usize], (wide, high, names): (f64, f64, f64)) -> Markup {
    let from = PAD + names + 6.0;
    let bar = |p: f64| format!("{:.1}", (BAR * p.clamp(0.0, 1.0)).max(0.4));
    html! {
        rect.paper width=(format!("{wide:.1}")) height=(format!("{high:.1}")) rx="5" fill="#fff" {}
        rect width=(format!("{wide:.1}")) height=(format!("{high:.1}")) rx="5" fill="currentColor"
            fill-opacity=(if node.told { "0.14" } else { "0.03" }) stroke="currentColor" stroke-width="1.1" {}
        text x=(format!("{:.1}", wide / 2.0)) y="16" text-anchor="middle" font-size=(NAME) fill="currentColor" { (cut(&node.name, 2 * LETTERS)) }
        @for (line, &s) in shown.iter().enumerate() {
            @let y = HEAD + LINE * line as f64;
            @let now = node.after.as_ref().unwrap_or(&node.before)[s];
            text x=(format!("{:.1}", PAD + names)) y=(format!("{:.1}", y + 11.0)) text-anchor="end" font-size=(NOTE) fill="currentColor" {
                (cut(&node.states[s], LETTERS))
            }
            rect x=(format!("{from:.1}")) y=(format!("{:.1}", y + 2.5)) width=(format!("{BAR:.1}")) height="10" fill="currentColor" fill-opacity="0.07" {}
            rect x=(format!("{from:.1}")) y=(format!("{:.1}", y + 2.5)) width=(bar(now)) height="10" fill="#2f7fc4" {}
            @if node.after.is_some() {
                @let x = from + BAR * node.before[s].clamp(0.0, 1.0);
                path d=(format!("M{x:.1} {:.1}V{:.1}", y + 0.8, y + 14.2)) stroke="#dd7a2b" stroke-width="2" {}
            }
            text x=(format!("{:.1}", from + BAR + 4.0)) y=(format!("{:.1}", y + 11.0)) font-size=(NOTE) fill="currentColor" { (share(now)) }
        }
        @if shown.len() < node.states.len() {
            text x=(format!("{PAD:.1}")) y=(format!("{:.1}", HEAD + LINE * shown.len() as f64 + 11.0)) font-size=(NOTE) fill="currentColor" fill-opacity="0.7" {
                (format!("and {} less likely states", node.states.len() - shown.len()))
            }
        }
    }
}

/// An edge: down from a node to the next, straight where it passes a rank.
fn edge(
    course: &[usize],
    x: &[f64],
    cells: &[Cell],
    (tops, bottoms): (&[f64], &[f64]),
    sizes: &[(f64, f64, f64)],
    turned: Option<bool>,
) -> Markup {
    let low = |c: usize| match sizes.get(c) {
        Some(size) => tops[cells[c].rank] + size.1,
        None => bottoms[cells[c].rank],
    };
    let start = (x[course[0]], low(course[0]));
    let mut d = format!("M{:.1} {:.1}", start.0, start.1);
    let mut at = start;
    for &cell in &course[1..] {
        let to = (x[cell], tops[cells[cell].rank]);
        let half = (to.1 - at.1) / 2.0;
        d.push_str(&format!("C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", at.0, at.1 + half, to.0, to.1 - half, to.0, to.1));
        at = (to.0, low(cell).max(to.1));
        if cell >= sizes.len() {
            d.push_str(&format!("V{:.1}", at.1));
        }
    }
    let end = course.last().map_or(start, |&c| (x[c], tops[cells[c].rank]));
    let head = |(x, y): (f64, f64), up: bool| {
        let back = if up { 8.0 } else { -8.0 };
        format!("M{x:.1} {y:.1}L{:.1} {:.1}L{:.1} {:.1}Z", x - 3.6, y + back, x + 3.6, y + back)
    };
    html! {
        path d=(d) fill="none" stroke="currentColor" stroke-width="1.1" {}
        @if let Some(turned) = turned {
            path d=(if turned { head(start, true) } else { head(end, false) }) fill="currentColor" {}
        }
    }
}

/// What bar and mark mean.
fn key(evidence: bool, high: f64) -> Markup {
    let y = high - 18.0;
    html! {
        rect x=(MARGIN) y=(format!("{y:.1}")) width="22" height="9" fill="#2f7fc4" {}
        text x=(format!("{:.1}", MARGIN + 28.0)) y=(format!("{:.1}", y + 8.5)) font-size=(NOTE) fill="currentColor" {
            (if evidence { "probability given the evidence" } else { "probability" })
        }
        @if evidence {
            path d=(format!("M{:.1} {:.1}V{:.1}", MARGIN + 214.0, y - 2.0, y + 11.0)) stroke="#dd7a2b" stroke-width="2" {}
            text x=(format!("{:.1}", MARGIN + 220.0)) y=(format!("{:.1}", y + 8.5)) font-size=(NOTE) fill="currentColor" { "without it" }
        }
    }
}
