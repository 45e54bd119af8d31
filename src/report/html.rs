//! `report.html`: one page, complete in itself (style, drawings and pictures inline, no script), readable on a phone, on paper,
//! on a light screen and on a dark one. In: a [`RunReport`]. Every text is escaped by the template.

use super::errors::ReportError;
use super::figure::{Figure, Sign};
use super::image::{data_uri, extent, grid_png, svg_uri, tile_png};
use super::number::{seconds, short};
use super::run_report::{
    BarTable, Better, Chart, Confusion, Curve, Environment, ImageGrid, NetworkFigure, Panel, RunReport, Shading, Stage,
    TextBlock,
};
use super::{compare::Comparison, pairs, svg};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::path::Path;

static STYLE: &str = include_str!("style.css");

/// So many figures stand at the top in large type.
const CARDS: usize = 4;
/// An image is shown about so large, in CSS pixels.
const TILE: usize = 52;
/// Characters of fixed width that a column of the page holds.
const COLUMN: usize = 60;

/// Writes the page, whole or not at all.
pub fn write_page(report: &RunReport, path: &Path) -> Result<(), ReportError> {
    super::write_whole(path, page(report)?.as_bytes())
}

/// The page. E0909 where an image does not fill its frame.
pub fn page(report: &RunReport) -> Result<String, ReportError> {
    let both = report.against.as_deref().map(|that| Comparison { this: report, that });
    let panels = match &both {
        Some(both) => pairs::panels(both)?,
        None => report.panels.iter().map(show).collect::<Result<Vec<_>, _>>()?,
    };
    let sections: [(&str, &str, bool); 5] = [
        ("figures", "Figures", both.map_or(!report.figures.is_empty(), |b| !b.figures().is_empty())),
        ("pictures", "Answers and pictures", !panels.is_empty() || !report.networks.is_empty()),
        ("training", "Training", !report.stages.is_empty()),
        ("plan", "Plan", !report.plan.is_empty() || report.graph.is_some()),
        ("run", "Run", true),
    ];
    let heading = |id: &str| {
        let title = sections.iter().find(|(section, _, _)| *section == id).map_or("", |(_, title, _)| title);
        html! { h2 id=(id) { (title) } }
    };
    let present = |id: &str| sections.iter().any(|(section, _, there)| *section == id && *there);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (report.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { (report.title) }
                        (facts(report))
                        @if let Some(both) = &both { (pairs::beside(both)) }
                        @if !report.about.is_empty() { p.about { (report.about) } }
                        @if !report.figures.is_empty() {
                            div.cards { @for figure in report.figures.iter().take(CARDS) { (card(figure)) } }
                        }
                        nav {
                            @for (id, title, _) in sections.iter().filter(|(_, _, there)| *there) {
                                a href=(format!("#{id}")) { (title) }
                            }
                        }
                    }
                    @if present("figures") {
                        section {
                            (heading("figures"))
                            @if let Some(both) = &both { (pairs::figures(both)) } @else { (figures(&report.figures)) }
                        }
                    }
                    @if present("pictures") {
                        section {
                            (heading("pictures"))
                            @for network in &report.networks { (network_figure(network)) }
                            div.panels { @for panel in &panels { (panel) } }
                        }
                    }
                    @if present("training") {
                        section { (heading("training"))
                            @for (i, stage) in report.stages.iter().enumerate() { (training(i, stage, both.as_ref())) }
                        }
                    }
                    @if present("plan") {
                        section {
                            (heading("plan"))
                            @if let Some(graph) = &report.graph { figure.framed { (PreEscaped(graph)) } br; }
                            @if !report.plan.is_empty() { (plan(&report.plan)) }
                        }
                    }
                    section { (heading("run")) (environment(report)) }
                    footer { "Written by ghmc " (report.environment.version) "." }
                }
            }
        }
    };
    Ok(markup.into_string())
}

fn facts(report: &RunReport) -> Markup {
    let Environment { seed, threads, seconds: wall, .. } = &report.environment;
    html! {
        ul.facts {
            @if !report.file.is_empty() { li { span.mono { (report.file) } } }
            li { "seed " (seed) }
            li { (threads) @if *threads == 1 { " thread" } @else { " threads" } }
            li { (seconds(*wall)) }
        }
    }
}

fn card(figure: &Figure) -> Markup {
    let plain = Figure { kind: Sign::Measured, unit: percent(figure), ..figure.clone() };
    html! {
        div.card {
            div.name { (figure.name) }
            div.value {
                @if figure.kind != Sign::Measured { span.sign { (figure.kind.text()) } }
                (plain.text())
                @if !figure.unit.is_empty() && figure.unit != "%" { small { (figure.unit) } }
            }
            div.under {
                @if figure.interval.is_some() { (figure.interval_text()) }
                @else if let Some(n) = figure.n { "over " (n) }
            }
        }
    }
}

/// The unit that belongs to the number itself.
fn percent(figure: &Figure) -> String {
    if figure.unit == "%" { "%".into() } else { String::new() }
}

fn figures(figures: &[Figure]) -> Markup {
    let any = |has: fn(&Figure) -> bool| figures.iter().any(has);
    let interval = any(|f| f.interval.is_some());
    let (n, seed) = (any(|f| f.n.is_some()), any(|f| f.seed.is_some()));
    let data = any(|f| !f.data.is_empty());
    html! {
        div.scroll {
            table.figures {
                thead {
                    tr {
                        th { "figure" } th.right { "value" }
                        @if interval { th.right { "interval" } }
                        @if n { th.right { "over" } }
                        @if seed { th.right { "seed" } }
                        @if data { th { "data" } }
                    }
                }
                tbody {
                    @for figure in figures {
                        tr {
                            td { (figure.name) @if !figure.note.is_empty() { small { (figure.note) } } }
                            td.right { (figure.text()) }
                            @if interval { td.right.quiet.more data-name="interval" { (figure.interval_text()) } }
                            @if n { td.right.quiet.more data-name="over" { @if let Some(n) = figure.n { (n) } } }
                            @if seed { td.right.quiet.more data-name="seed" { @if let Some(seed) = figure.seed { (seed) } } }
                            @if data { td.quiet.more data-name="on" { (figure.data) } }
                        }
                    }
                }
            }
        }
    }
}

/// The plan, a line an element, so that a long line goes on below its own beginning.
fn plan(text: &str) -> Markup {
    let inner = |line: &str| line.chars().take_while(|c| *c == ' ').count();
    html! {
        pre.plan {
            @for line in text.lines() {
                @let depth = inner(line);
                span style=(format!("padding-left:{}ch;text-indent:-2ch", depth + 2)) { (line.trim_start()) "\n" }
            }
        }
    }
}

fn training(at: usize, stage: &Stage, both: Option<&Comparison>) -> Markup {
    let that = both.and_then(|both| both.stage(at));
    let charts = match that {
        Some(that) => pairs::overlaid(&stage.charts, &that.charts),
        None => stage.charts.clone(),
    };
    html! {
        div.stage {
            header {
                h3 { (at + 1) ". " (stage.name) }
                span.quiet { (stage.epochs) @if stage.epochs == 1 { " epoch" } @else { " epochs" } }
                span.quiet { (seconds(stage.seconds)) }
                @match stage.objective {
                    Some(objective) => span.quiet { "objective " (short(objective)) },
                    None => span.quiet { "value of the objective unknown" },
                }
                @if both.is_some() { (pairs::stage(that)) }
            }
            div.charts { @for drawing in &charts { (chart(drawing)) } }
        }
    }
}

fn last_value(curve: &Curve) -> String {
    let last = curve.points.iter().rev().find(|(_, y)| y.is_finite());
    last.map_or_else(String::new, |(_, y)| short(*y))
}

fn chart(chart: &Chart) -> Markup {
    let better = match chart.better {
        Better::Lower => "lower is better",
        Better::Higher => "higher is better",
        Better::Neither => "",
    };
    let about: Vec<&str> = [chart.unit.as_str(), if chart.log { "log scale" } else { "" }, better]
        .into_iter()
        .filter(|t| !t.is_empty())
        .collect();
    html! {
        figure.framed {
            figcaption {
                h3 { (chart.title) }
                span.quiet { (about.join(" · ")) }
                div.legend {
                    @for (i, curve) in chart.curves.iter().enumerate() {
                        span.earlier[curve.earlier].part[curve.part] style=(svg::colour(chart, i)) {
                            @if curve.earlier { "that: " }
                            (curve.name) b { (last_value(curve)) }
                        }
                    }
                }
            }
            (svg::lines(chart))
        }
    }
}

pub(super) fn show(panel: &Panel) -> Result<Markup, ReportError> {
    Ok(match panel {
        Panel::Images(grid) => images(grid)?,
        Panel::Confusion(matrix) => confusion(matrix),
        Panel::Bars(table) => bars(table),
        Panel::Text(block) => text(block),
        Panel::Chart(drawing) => chart(drawing),
    })
}

/// A network with its bars. As a picture of its own it keeps its style to itself.
fn network_figure(network: &NetworkFigure) -> Markup {
    html! {
        figure.framed {
            (caption(&network.title, &network.note))
            img src=(svg_uri(&network.svg)) alt=(format!("{}, {}", network.title, network.note)) style="max-width:100%;height:auto";
        }
        br;
    }
}

fn caption(title: &str, note: &str) -> Markup {
    html! {
        figcaption { h3 { (title) } }
        @if !note.is_empty() { p.note { (note) } }
    }
}

fn images(grid: &ImageGrid) -> Result<Markup, ReportError> {
    let enlarge = (TILE / grid.width.max(1)).max(1);
    let class = match grid.shading {
        Shading::Ink => "ink",
        Shading::Grey => "grey",
        Shading::Signed => "signed",
    };
    if grid.images.is_empty() {
        return Ok(html! { figure.framed { (caption(&grid.title, &grid.note)) p.quiet { "None were drawn." } } });
    }
    if !grid.captions.is_empty() {
        let side = grid.width * enlarge;
        let mut tiles = Vec::new();
        for at in 0..grid.images.len() {
            tiles.push(data_uri(&tile_png(grid, at)?));
        }
        return Ok(html! {
            figure.framed.wide[tiles.len() > 8] {
                (caption(&grid.title, &grid.note))
                div.tiles style=(format!("--tile:{}px", side.max(84))) {
                    @for (at, uri) in tiles.iter().enumerate() {
                        @let under = grid.captions.get(at).map_or("", String::as_str);
                        div.tile { img class=(class) src=(uri) width=(side) alt=(under); (under) }
                    }
                }
            }
        });
    }
    let (width, _) = extent(grid);
    let uri = data_uri(&grid_png(grid)?);
    let shown = width * enlarge;
    let labelled = !grid.row_labels.is_empty();
    Ok(html! {
        figure.framed.wide[shown > 560] {
            (caption(&grid.title, &grid.note))
            div.sheet.bare[!labelled] {
                @if labelled { div.labels { @for label in &grid.row_labels { span { (label) } } } }
                img class=(class) src=(uri) width=(shown) alt=(grid.title);
            }
        }
    })
}

fn confusion(matrix: &Confusion) -> Markup {
    let all = matrix.counts.iter().flatten().fold(0u64, |sum, n| sum.saturating_add(*n));
    let hits = matrix.counts.iter().enumerate().filter_map(|(i, row)| row.get(i));
    let right = hits.fold(0u64, |sum, n| sum.saturating_add(*n));
    let asked = if matrix.note.is_empty() { String::new() } else { format!("{}. ", matrix.note) };
    let note = format!(
        "{asked}{right} of {all} right: {} wrong. Shade is the share of a row; misses are drawn stronger than they are.",
        all.saturating_sub(right)
    );
    html! { figure.framed.wide[matrix.labels.len() > 14] { (caption(&matrix.title, &note)) (svg::confusion(matrix)) } }
}

fn bars(table: &BarTable) -> Markup {
    let largest = table.bars.iter().map(|b| b.value.abs()).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let full = table.full.unwrap_or(largest);
    let signed = table.bars.iter().any(|b| b.value < 0.0);
    html! {
        figure.framed {
            (caption(&table.title, &table.note))
            div.bars {
                @for bar in &table.bars {
                    span { (bar.label) }
                    (svg::bar(bar.value, full, signed))
                    span.right { (short(bar.value)) }
                }
            }
        }
    }
}

fn text(block: &TextBlock) -> Markup {
    html! {
        figure.framed.wide[block.fixed && block.text.lines().any(|l| l.chars().count() > COLUMN)] {
            (caption(&block.title, &block.note))
            @if block.fixed { pre { (block.text) } } @else { p.prose { (block.text) } }
        }
    }
}

/// A command, broken between its words alone.
fn code(command: &str) -> Markup {
    html! { code { @for word in command.split(' ') { span.word { (word) } " " } } }
}

fn environment(report: &RunReport) -> Markup {
    let Environment { seed, threads, seconds: wall, version, command, .. } = &report.environment;
    html! {
        dl {
            @if !command.is_empty() { dt { "Again" } dd { (code(command)) } }
            dt { "Seed" } dd { (seed) }
            dt { "Threads" } dd { (threads) " (the results do not depend on it)" }
            dt { "Time" } dd { (seconds(*wall)) }
            dt { "Version" } dd { (version) }
            @if let Some(that) = &report.against {
                dt { "That run" } dd { (that.name) @if !that.report.environment.command.is_empty() { ", " (code(&that.report.environment.command)) } }
            }
        }
    }
}
