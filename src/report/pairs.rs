//! The parts of the page that show two runs side by side: figures in pairs, curves over each other, pictures next to each other.

use super::compare::Comparison;
use super::errors::ReportError;
use super::figure::Figure;
use super::html::show;
use super::number::{seconds, short};
use super::run_report::{Chart, Curve, Panel, Stage};
use maud::{Markup, html};

/// Which run this one is shown beside, and what must be known of it.
pub fn beside(both: &Comparison) -> Markup {
    let remark = both.remark();
    html! {
        p.beside {
            "Beside " span.mono { (both.that.name) } ", seed " (both.that.report.environment.seed)
            @if !remark.is_empty() { ". " span.remark { "Note: " (remark) "." } }
        }
    }
}

/// The figures in pairs.
pub fn figures(both: &Comparison) -> Markup {
    let list = both.figures();
    let any = |has: fn(&Figure) -> bool| list.iter().any(|c| c.this.iter().chain(&c.that).any(has));
    let (n, seed) = (any(|f| f.n.is_some()), any(|f| f.seed.is_some()));
    let (interval, data) = (any(|f| f.interval.is_some()), any(|f| !f.data.is_empty()));
    let text = |figure: &Option<Figure>| figure.as_ref().map_or("–".to_string(), Figure::text);
    let count = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    html! {
        div.scroll {
            table.figures {
                thead {
                    tr {
                        th { "figure" } th.right { "this" } th.right { "that" } th.right { "difference" }
                        @if interval { th.right { "interval" } }
                        @if n { th.right { "over" } }
                        @if seed { th.right { "seed" } }
                        @if data { th { "data" } }
                    }
                }
                tbody {
                    @for one in &list {
                        tr {
                            td { (one.name) @if !one.note().is_empty() { small { (one.note()) } } }
                            td.right { (text(&one.this)) }
                            td.right.more data-name="that" { (text(&one.that)) }
                            td.right.more data-name="difference" { (one.difference_text()) }
                            @if interval { td.right.quiet.more data-name="interval" { (one.both(Figure::interval_text)) } }
                            @if n { td.right.quiet.more data-name="over" { (one.both(|f| count(f.n))) } }
                            @if seed { td.right.quiet.more data-name="seed" { (one.both(|f| count(f.seed))) } }
                            @if data { td.quiet.more data-name="on" { (one.both(|f| f.data.clone())) } }
                        }
                    }
                }
            }
        }
    }
}

/// What the earlier run's stage took and reached.
pub fn stage(that: Option<&Stage>) -> Markup {
    html! {
        span.quiet {
            @match that {
                None => "that: no such stage",
                Some(that) => {
                    "that: " (that.epochs) @if that.epochs == 1 { " epoch, " } @else { " epochs, " } (seconds(that.seconds))
                    @if let Some(objective) = that.objective { ", objective " (short(objective)) }
                }
            }
        }
    }
}

/// Charts with the earlier run's curves over them; a chart that only one of the runs has stands by itself.
pub fn overlaid(this: &[Chart], that: &[Chart]) -> Vec<Chart> {
    let earlier =
        |chart: &Chart| chart.curves.iter().map(|curve| Curve { earlier: true, ..curve.clone() }).collect::<Vec<_>>();
    let mut charts: Vec<Chart> = this.to_vec();
    for chart in &mut charts {
        let beside = that.iter().find(|c| c.title == chart.title && c.unit == chart.unit);
        chart.curves.extend(beside.map(earlier).unwrap_or_default());
    }
    let alone = that.iter().filter(|c| !this.iter().any(|t| t.title == c.title && t.unit == c.unit));
    charts.extend(alone.map(|chart| Chart { curves: earlier(chart), ..chart.clone() }));
    charts
}

fn title(panel: &Panel) -> &str {
    match panel {
        Panel::Images(grid) => &grid.title,
        Panel::Confusion(matrix) => &matrix.title,
        Panel::Bars(table) => &table.title,
        Panel::Text(block) => &block.title,
        Panel::Chart(chart) => &chart.title,
    }
}

/// Every panel of either run, those of one title and kind next to each other.
pub fn panels(both: &Comparison) -> Result<Vec<Markup>, ReportError> {
    let (this, that) = (&both.this.panels, &both.that.report.panels);
    let kind = std::mem::discriminant::<Panel>;
    let same = |a: &Panel, b: &Panel| title(a) == title(b) && kind(a) == kind(b);
    let of = |panel: Option<&Panel>, which: &str| -> Result<Markup, ReportError> {
        let shown = panel.map(show).transpose()?;
        Ok(html! {
            div {
                p.which { (which) @if shown.is_none() { ": has none" } }
                @if let Some(shown) = shown { (shown) }
            }
        })
    };
    let mut out = Vec::new();
    for panel in this {
        let beside = that.iter().find(|other| same(panel, other));
        // Curves are told apart over each other; pictures and numbers next to each other.
        let merged = match (panel, beside) {
            (Panel::Chart(a), Some(Panel::Chart(b))) => {
                overlaid(std::slice::from_ref(a), std::slice::from_ref(b)).into_iter().next().map(Panel::Chart)
            }
            _ => None,
        };
        out.push(match merged {
            Some(chart) => show(&chart)?,
            None => {
                let (left, right) = (of(Some(panel), "this")?, of(beside, "that")?);
                html! { div.pair { (left) (right) } }
            }
        });
    }
    for panel in that.iter().filter(|other| !this.iter().any(|panel| same(panel, other))) {
        let (left, right) = (of(None, "this")?, of(Some(panel), "that")?);
        out.push(html! { div.pair { (left) (right) } });
    }
    Ok(out)
}
