//! Drawings as SVG elements: curves over axes, a confusion matrix, a bar. Colours come from the page: `currentColor` for ink,
//! `--c0` to `--c7` for curves, `--hit` and `--miss` for the matrix, so that one drawing suits a light page and a dark one.

use super::number::{Tick, log_ticks, short, ticks};
use super::run_report::{Chart, Confusion};
use maud::{Markup, html};

/// Size of a chart in its own units; the page scales it.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 236.0;
/// Room for labels around the plotting area.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;
/// A curve of more points is thinned to about so many.
const MOST_POINTS: usize = 600;
/// From so many points on, a curve is drawn faintly, with its course over it.
const DENSE: usize = 240;

/// Where values fall on one axis.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    /// The axis over these values, or nothing where no value can be shown.
    fn over(values: impl Iterator<Item = f64>, log: bool, margin: f64, from: f64, to: f64) -> Option<Axis> {
        let shown = values.filter(|v| v.is_finite() && (!log || *v > 0.0)).map(|v| if log { v.log10() } else { v });
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return None;
        }
        let room = if high > low { margin * (high - low) } else { f64::max(low.abs() * 0.1, 0.5) };
        Some(Axis { low: low - room, high: high + room, log, from, to })
    }

    fn place(&self, value: f64) -> Option<f64> {
        let value = if self.log { value.log10() } else { value };
        value.is_finite().then(|| self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from))
    }

    fn ticks(&self, count: usize, whole: bool) -> Vec<Tick> {
        match self.log {
            true => log_ticks(10f64.powf(self.low), 10f64.powf(self.high)),
            false => ticks(self.low, self.high, count, whole),
        }
    }
}

/// A hundredth of a unit is below what any screen shows.
fn coord(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Few enough points, the smallest and largest of each stretch among them.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let mut out = Vec::new();
    for part in points.chunks(stretch) {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (low, high) = (part.iter().min_by(by_y), part.iter().max_by(by_y));
        let mut kept: Vec<(f64, f64)> = low.into_iter().chain(high).copied().collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        out.extend(kept);
    }
    out.extend(points.last().filter(|last| out.last() != Some(*last)));
    out
}

/// A dense curve's means over stretches of equal length: its course, where the curve itself is a band of noise.
fn course(points: &[(f64, f64)]) -> Option<Vec<(f64, f64)>> {
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    if finite.len() < DENSE {
        return None;
    }
    let mean = |part: &[(f64, f64)]| {
        let (x, y) = part.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        (x / part.len() as f64, y / part.len() as f64)
    };
    Some(finite.chunks(finite.len().div_ceil(DENSE / 4)).map(mean).collect())
}

/// The path of a curve, broken where a value cannot be shown, and its last point.
fn path(points: &[(f64, f64)], x: &Axis, y: &Axis) -> (String, Option<(f64, f64)>) {
    let mut path = String::new();
    let mut last = None;
    let mut pen_down = false;
    for (px, py) in thinned(points) {
        let Some(at) = x.place(px).zip(y.place(py)) else {
            pen_down = false;
            continue;
        };
        path.push_str(&format!("{}{} {}", if pen_down { 'L' } else { 'M' }, coord(at.0), coord(at.1)));
        pen_down = true;
        last = Some(at);
    }
    (path, last)
}

/// The colour of a curve, as a style. An earlier run's curve has that of the one it stands beside.
pub fn colour(chart: &Chart, at: usize) -> String {
    let curve = &chart.curves[at];
    let own = || chart.curves[..at].iter().filter(|c| c.earlier == curve.earlier).count();
    let beside = || chart.curves.iter().filter(|c| !c.earlier).position(|c| c.name == curve.name);
    let place = if curve.earlier { beside().unwrap_or_else(own) } else { own() };
    format!("--c:var(--c{})", place % 8)
}

/// Curves over common axes. The legend is the page's.
pub fn lines(chart: &Chart) -> Markup {
    let all = || chart.curves.iter().flat_map(|curve| curve.points.iter().copied());
    let x = Axis::over(all().map(|p| p.0), false, 0.0, LEFT, WIDTH - RIGHT);
    let y = Axis::over(all().map(|p| p.1), chart.log, 0.06, HEIGHT - BOTTOM, TOP);
    let (Some(x), Some(y)) = (x, y) else {
        return html! { p.quiet { "No value was logged." } };
    };
    let whole = all().all(|p| p.0.fract() == 0.0);
    let floor = HEIGHT - BOTTOM;
    let named = |curve: &str| if curve.is_empty() { chart.title.clone() } else { curve.to_string() };
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(chart.title) {
            g.grid {
                @for tick in y.ticks(5, false) {
                    @if let Some(at) = y.place(tick.at) {
                        line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(coord(at)) y2=(coord(at)) {}
                        text x=(LEFT - 7.0) y=(coord(at)) dy="0.34em" text-anchor="end" { (tick.label) }
                    }
                }
            }
            g.axis {
                line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(floor) y2=(floor) {}
                @for tick in x.ticks(6, whole) {
                    @if let Some(at) = x.place(tick.at) {
                        line x1=(coord(at)) x2=(coord(at)) y1=(floor) y2=(floor + 4.0) {}
                        text x=(coord(at)) y=(floor + 16.0) text-anchor="middle" { (tick.label) }
                    }
                }
                text.name x=(coord((LEFT + WIDTH - RIGHT) / 2.0)) y=(HEIGHT - 4.0) text-anchor="middle" { (chart.x) }
            }
            @for (i, curve) in chart.curves.iter().enumerate() {
                @let (whole, last) = path(&curve.points, &x, &y);
                g.earlier[curve.earlier].part[curve.part] style=(colour(chart, i)) {
                    title { (named(&curve.name)) }
                    @if let Some(course) = course(&curve.points) {
                        path.raw d=(whole) {}
                        path.curve d=(path(&course, &x, &y).0) {}
                    } @else {
                        path.curve d=(whole) {}
                    }
                    @if let (Some((px, py)), true) = (last, curve.points.len() < DENSE) {
                        circle.end cx=(coord(px)) cy=(coord(py)) r=(if curve.part { "1.9" } else { "2.6" }) {}
                    }
                }
            }
        }
    }
}

/// A confusion matrix: a row a true label, shares of the row as shade, hits and misses in colours of their own.
pub fn confusion(matrix: &Confusion) -> Markup {
    let n = matrix.labels.len();
    let longest = matrix.labels.iter().map(|l| l.chars().count()).max().unwrap_or(0).min(12) as f64;
    let largest = matrix.counts.iter().flatten().max().copied().unwrap_or(0).to_string().len() as f64;
    // A cell has room for its count and for its column's label, where the matrix is small enough for both.
    let cell = match n {
        0..=4 => (7.0 * largest.max(longest) + 9.0).max(29.0),
        5..=12 => (7.0 * largest + 9.0).max(29.0),
        _ => (420.0 / n as f64).max(9.0),
    };
    // Labels of the columns that are wider than a column lean to the right.
    let lean = 6.6 * longest + 4.0 > cell;
    let (left, top) = (22.0 + 7.0 * longest, if lean { 44.0 + 4.4 * longest } else { 40.0 });
    let side = cell * n as f64;
    let (width, height) = (left + side + 52.0, top + side + 6.0);
    let count =
        |row: usize, column: usize| matrix.counts.get(row).and_then(|counts| counts.get(column)).copied().unwrap_or(0);
    let total = |row: usize| (0..n).map(|column| count(row, column)).fold(0u64, u64::saturating_add);
    let middle = |at: usize| coord((at as f64 + 0.5) * cell);
    let cut = |label: &str| label.chars().take(12).collect::<String>();
    html! {
        svg.matrix viewBox=(format!("0 0 {} {}", coord(width), coord(height))) role="img" aria-label=(matrix.title)
            style=(format!("max-width:{}px", coord(width * 1.3))) {
            text.name x=(coord(left + side / 2.0)) y="12" text-anchor="middle" { "predicted" }
            text.name transform=(format!("translate(11 {}) rotate(-90)", coord(top + side / 2.0))) text-anchor="middle" { "true" }
            text.name x=(coord(left + side + 48.0)) y=(coord(top - 8.0)) text-anchor="end" { "right" }
            @for (i, label) in matrix.labels.iter().enumerate() {
                @let column = coord(left + (i as f64 + 0.5) * cell);
                @if lean {
                    text transform=(format!("translate({column} {}) rotate(-42)", coord(top - 7.0))) { (cut(label)) }
                } @else {
                    text x=(column) y=(coord(top - 8.0)) text-anchor="middle" { (cut(label)) }
                }
                g transform=(format!("translate({} {})", coord(left), coord(top + i as f64 * cell))) {
                    text x="-7" y=(coord(cell / 2.0)) dy="0.34em" text-anchor="end" { (cut(label)) }
                    @for (j, guess) in matrix.labels.iter().enumerate() {
                        @let share = count(i, j) as f64 / total(i).max(1) as f64;
                        // Misses are rare where a run went well: their square root keeps them in sight.
                        @let shade = if i == j { share } else { share.sqrt() };
                        rect.cell x=(coord(j as f64 * cell + 1.0)) y="1" width=(coord(cell - 2.0)) height=(coord(cell - 2.0)) rx="3" {}
                        @if count(i, j) > 0 {
                            rect.hit[i == j].miss[i != j] x=(coord(j as f64 * cell + 1.0)) y="1" rx="3" width=(coord(cell - 2.0))
                                height=(coord(cell - 2.0)) fill-opacity=(coord(0.12 + 0.88 * shade)) {
                                title { (format!("{} of {} rows of {label} taken for {guess}", count(i, j), total(i))) }
                            }
                            @if n <= 20 {
                                text.count.strong[shade > 0.5] x=(middle(j)) y=(coord(cell / 2.0)) dy="0.34em" text-anchor="middle" {
                                    (count(i, j))
                                }
                            }
                        }
                    }
                    @if total(i) > 0 {
                        text.share x=(coord(side + 48.0)) y=(coord(cell / 2.0)) dy="0.34em" text-anchor="end" {
                            (format!("{:.1} %", 100.0 * count(i, i) as f64 / total(i) as f64))
                        }
                    }
                }
            }
        }
    }
}

/// A bar of a table: `value` against a `full` one; negative values grow from the right end of their half.
pub fn bar(value: f64, full: f64, signed: bool) -> Markup {
    let share = if full > 0.0 && value.is_finite() { (value / full).clamp(-1.0, 1.0) } else { 0.0 };
    let (zero, scale) = if signed { (50.0, 50.0) } else { (0.0, 100.0) };
    let from = if share < 0.0 { zero + share * scale } else { zero };
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(short(value)) {
            rect.track x="0" y="0" width="100" height="10" {}
            rect.hit[share >= 0.0].miss[share < 0.0] x=(coord(from)) y="0" width=(coord(share.abs() * scale)) height="10" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Curve;

    #[test]
    fn thinning_keeps_the_extremes() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), (f64::from(i) / 500.0).sin())).collect();
        points[7777].1 = 9.0;
        let few = thinned(&points);
        assert!(few.len() <= MOST_POINTS + 1);
        assert!(few.contains(&(7777.0, 9.0)));
        assert_eq!(few.last(), points.last());
        assert!(few.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn a_curve_breaks_where_it_has_no_value() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 2.0)];
        let chart = Chart { curves: vec![Curve { name: "a".into(), points, ..Curve::default() }], ..Chart::default() };
        let text = lines(&chart).into_string();
        assert_eq!(text.matches("d=\"M").count(), 1);
        let d = text.split("d=\"").nth(1).unwrap_or_default().split('"').next().unwrap_or_default();
        assert_eq!((d.matches('M').count(), d.matches('L').count()), (2, 2));
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }

    #[test]
    fn nothing_to_show_is_said() {
        let text = lines(&Chart {
            log: true,
            curves: vec![Curve { name: String::new(), points: vec![(0.0, -1.0)], ..Curve::default() }],
            ..Chart::default()
        });
        assert!(text.into_string().contains("No value"));
    }
}
