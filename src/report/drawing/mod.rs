//! A program's models as factor graphs, drawn: plates, sub-models, what the data shows, and which engine answers for the rest.
//!
//! In: a typed program and its plan. Out: an SVG element, for a page or as a file of its own. The notation is that of directed factor
//! graphs (Dietz 2010; plates after Buntine 1994, Bishop 2006 chapter 8): circles are variables, squares are factors, an arrow leads from
//! the square of a conditional to its variable. The layout is layered (Sugiyama et al. 1981), a layering for each box.

mod bars;
mod boxes;
mod describe;
mod glyph;
mod legend;
mod nest;
mod order;
mod paint;
mod place;
mod rank;
mod reads;
mod roles;
mod route;
mod scene;
mod text;
mod tree;

use std::path::Path;

use maud::{Markup, html};

use super::errors::ReportError;
use crate::model::{ModelId, Program};
use crate::plan::Plan;
use describe::{guide_scene, model_scene};
use legend::Legend;
use roles::Roles;

pub use bars::{BarNode, bars};
pub use glyph::{Glyph, Label, Role};
pub use scene::{Cluster, Course, Edge, Frame, Node, Piece, Placed, Rect, Scene, Seen, Shape, Tie};

/// Models of more variables and factors than this are not drawn: nobody could read the picture.
const MOST: usize = 400;
/// Panels stand beside each other where they are no wider than this together.
const WIDE: f64 = 1000.0;
/// Between panels.
const GAP: f64 = 44.0;
/// Between panels and legend.
const BELOW: f64 = 18.0;
/// Between rows of figures, and around them.
const MARGIN: f64 = 26.0;
/// Height of a heading.
const HEADING: f64 = 30.0;

/// One model, drawn.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The model's name.
    pub title: String,
    /// The model, and its guide if it has one.
    pub panels: Vec<Placed>,
    /// Why there is no panel, if there is none.
    pub note: String,
    legend: Legend,
}

/// A figure of each model of a program.
pub fn figures(program: &Program, plan: &Plan) -> Vec<Figure> {
    program.models.ids().map(|id| figure(program, plan, id)).collect()
}

fn figure(program: &Program, plan: &Plan, id: ModelId) -> Figure {
    let model = &program.models[id];
    let mut drawn =
        Figure { title: model.name.clone(), panels: Vec::new(), note: String::new(), legend: Legend::default() };
    let factors: usize = model.factors.iter().map(|f| f.leaves().len()).sum();
    let size = model.vars.len() + factors;
    if size > MOST {
        drawn.note = format!("{} variables and {factors} factors are too many to be drawn", model.vars.len());
        return drawn;
    }
    let roles = Roles::new(program, plan, id);
    let described: Vec<_> =
        [Some(model_scene(program, &roles, id)), guide_scene(program, &roles, id)].into_iter().flatten().collect();
    let without = described.iter().any(|d| d.without_parameters);
    drawn.panels = described.into_iter().map(|d| route::layout(d.scene)).collect();
    let (wide, _) = drawn.extent();
    drawn.legend = legend::legend(program, &roles, &drawn.panels, without, wide);
    drawn
}

impl Figure {
    /// Where each panel stands below the figure's heading.
    fn corners(&self) -> Vec<(f64, f64)> {
        let total: f64 =
            self.panels.iter().map(|p| p.width).sum::<f64>() + GAP * self.panels.len().saturating_sub(1) as f64;
        let tallest = self.panels.iter().map(|p| p.height).fold(0.0, f64::max);
        let captions = if self.panels.len() > 1 { HEADING } else { 0.0 };
        let (mut x, mut y) = (0.0, captions);
        let mut corners = Vec::new();
        for panel in &self.panels {
            if total <= WIDE {
                // What is seen stands at the bottom of both.
                corners.push((x, captions + tallest - panel.height));
                x += panel.width + GAP;
            } else {
                corners.push((0.0, y));
                y += panel.height + GAP;
            }
        }
        corners
    }

    /// Width and height of the panels together.
    fn extent(&self) -> (f64, f64) {
        let ends = self.corners().into_iter().zip(&self.panels).map(|((x, y), p)| (x + p.width, y + p.height));
        ends.fold((0.0, 0.0), |(w, h), (x, y)| (f64::max(w, x), f64::max(h, y)))
    }

    /// Width and height of everything.
    fn size(&self) -> (f64, f64) {
        let (wide, high) = self.extent();
        let texts = paint::heading_width(&self.title, 16.0).max(text::width(&self.note, 12.0));
        (wide.max(self.legend.width).max(texts), HEADING + high + BELOW + self.legend.height)
    }

    fn markup(&self) -> Markup {
        let below = HEADING + self.extent().1 + BELOW;
        html! {
            (paint::heading(&self.title, 0.0, 8.0, 16.0, false))
            @if !self.note.is_empty() { (paint::heading(&self.note, 0.0, HEADING, 12.0, true)) }
            @for (panel, (x, y)) in self.panels.iter().zip(self.corners()) {
                g transform=(format!("translate({x:.1} {:.1})", HEADING + y)) {
                    @if self.panels.len() > 1 {
                        (paint::heading(if panel.scene.guide { "guide" } else { "model" }, 0.0, -14.0, 11.0, true))
                    }
                    (paint::panel(panel))
                }
            }
            g transform=(format!("translate(0 {below:.1})")) { (paint::legend(&self.legend)) }
        }
    }
}

/// An SVG element a figure, side by side where the page has room; they take their ink from the page around them.
pub fn inline(figures: &[Figure]) -> String {
    let each: Vec<String> = figures.iter().map(|f| element(std::slice::from_ref(f), false)).collect();
    format!("<div style=\"display:flex;flex-wrap:wrap;align-items:flex-start\">{}</div>", each.concat())
}

/// The figures as a file of their own, with ink and paper for light and dark screens.
pub fn file(figures: &[Figure]) -> String {
    element(figures, true)
}

/// Writes the figures into a file of their own, whole or not at all.
pub fn write(figures: &[Figure], path: &Path) -> Result<(), ReportError> {
    super::write_whole(path, file(figures).as_bytes())
}

const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Helvetica Neue', Arial, sans-serif";
const THEME: &str = "svg{color-scheme:light dark;color:#1c1b19}.paper{fill:#fff}\
@media screen and (prefers-color-scheme:dark){svg{color:#e8e4dc}.paper{fill:#16171a}}";

/// Where each figure stands: in rows, as many beside each other as there is room for.
fn shelves(sizes: &[(f64, f64)]) -> (Vec<(f64, f64)>, f64, f64) {
    let (mut x, mut y, mut high) = (MARGIN, MARGIN, 0.0f64);
    let (mut width, mut corners) = (0.0f64, Vec::new());
    for &(w, h) in sizes {
        if x > MARGIN && x + w > WIDE {
            (x, y, high) = (MARGIN, y + high + MARGIN, 0.0);
        }
        corners.push((x, y));
        x += w + GAP;
        high = high.max(h);
        width = width.max(x - GAP + MARGIN);
    }
    (corners, width.ceil(), (y + high + MARGIN).ceil())
}

fn element(figures: &[Figure], alone: bool) -> String {
    let sizes: Vec<(f64, f64)> = figures.iter().map(Figure::size).collect();
    let (corners, width, height) = shelves(&sizes);
    let names: Vec<&str> = figures.iter().map(|f| f.title.as_str()).collect();
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img"
            aria-label=(format!("factor graph of {}", names.join(", "))) font-family=(FONTS)
            color=[alone.then_some("#1c1b19")] class=[(!alone).then_some("graph")]
            style=[(!alone).then(|| format!("width:{width}px;max-width:100%;height:auto"))] {
            @if alone {
                style { (maud::PreEscaped(THEME)) }
                rect.paper width=(width) height=(height) fill="#fff" {}
            }
            @for (figure, (x, y)) in figures.iter().zip(corners) {
                g transform=(format!("translate({x:.1} {y:.1})")) { (figure.markup()) }
            }
        }
    };
    let text = markup.into_string();
    if alone { text + "\n" } else { text }
}
