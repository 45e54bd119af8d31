//! All that a report page shows, as plain data: whoever ran the program fills it in, the page only draws.

use super::compare::Against;
use super::figure::Figure;
use super::number::gaps;
use serde::{Deserialize, Serialize};

/// A run, ready to be drawn.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunReport {
    /// The run's title.
    pub title: String,
    /// The program's file name.
    pub file: String,
    /// What it is, in a few sentences: the opening comment of the file.
    pub about: String,
    /// The plan as text.
    pub plan: String,
    /// A drawing of the program's graph, as an SVG element of our own making; it is not escaped, and
    /// not kept with the rest: what is read from a directory is anyone's making.
    #[serde(skip)]
    pub graph: Option<String>,
    /// Networks with the probabilities of their states, before and after evidence; not kept with the rest.
    #[serde(skip)]
    pub networks: Vec<NetworkFigure>,
    /// The stages of training, in order.
    pub stages: Vec<Stage>,
    /// The results, the most important first.
    pub figures: Vec<Figure>,
    /// Everything else worth looking at, in order.
    pub panels: Vec<Panel>,
    /// How it was run.
    pub environment: Environment,
    /// An earlier run that it is shown beside.
    #[serde(skip)]
    pub against: Option<Box<Against>>,
}

/// A network with bars in its nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkFigure {
    /// The model's name.
    pub title: String,
    /// What is known.
    pub note: String,
    /// The drawing, as an SVG file.
    pub svg: String,
}

/// How a run was made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Environment {
    /// The seed.
    pub seed: u64,
    /// Worker threads.
    pub threads: usize,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The program's version.
    pub version: String,
    /// The command that repeats it.
    pub command: String,
    /// A digest of the program's text: two runs of one program have the same.
    pub program: String,
}

/// A stage of training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Epochs done.
    pub epochs: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The objective's last value, where it is known.
    pub objective: Option<f64>,
    /// Its curves.
    pub charts: Vec<Chart>,
}

/// Which way a curve should go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Better {
    /// Down.
    Lower,
    /// Up.
    Higher,
    /// It says nothing about quality.
    #[default]
    Neither,
}

/// Curves over a common axis.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Chart {
    /// What is drawn.
    pub title: String,
    /// The horizontal axis: `epoch`, `step`.
    pub x: String,
    /// Unit of the vertical axis, or nothing.
    pub unit: String,
    /// Whether the vertical axis is logarithmic; values that are not positive are then left out.
    pub log: bool,
    /// Which way is better.
    pub better: Better,
    /// The curves.
    pub curves: Vec<Curve>,
}

/// A curve.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// Points by ascending x; a value that is not finite leaves a gap.
    #[serde(deserialize_with = "gaps::points")]
    pub points: Vec<(f64, f64)>,
    /// Whether it is that of an earlier run, drawn beside this one's.
    #[serde(default)]
    pub earlier: bool,
    /// Whether it is a part of the curve before it, drawn thinner.
    #[serde(default)]
    pub part: bool,
}

/// Something to look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Panel {
    /// Small images in rows.
    Images(ImageGrid),
    /// Truth against prediction.
    Confusion(Confusion),
    /// Named values as bars.
    Bars(BarTable),
    /// Words.
    Text(TextBlock),
    /// Curves that belong to no stage.
    Chart(Chart),
}

/// How the values of an image become shades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shading {
    /// 0 is the page, 1 is ink: writing, masks.
    #[default]
    Ink,
    /// 0 is black, 1 is white on any page: photographs.
    Grey,
    /// Zero is the page, signs are two colours, the largest magnitude in each image is full: weights.
    Signed,
}

/// Images of one size.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImageGrid {
    /// What they are.
    pub title: String,
    /// A sentence about them, or nothing.
    pub note: String,
    /// Rows of pixels in an image.
    pub height: usize,
    /// Columns of pixels in an image.
    pub width: usize,
    /// Images side by side.
    pub columns: usize,
    /// The images, row-major, row after row of the grid.
    #[serde(deserialize_with = "gaps::images")]
    pub images: Vec<Vec<f32>>,
    /// Labels of the grid's rows, if any.
    pub row_labels: Vec<String>,
    /// A caption under each image, if any.
    pub captions: Vec<String>,
    /// How values become shades.
    pub shading: Shading,
}

/// Counts of (truth, prediction).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Confusion {
    /// What was predicted.
    pub title: String,
    /// The labels.
    pub labels: Vec<String>,
    /// What was asked, or nothing.
    #[serde(default)]
    pub note: String,
    /// Counts: a row a true label, a column a predicted one.
    pub counts: Vec<Vec<u64>>,
}

/// Named values as bars.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BarTable {
    /// What they are.
    pub title: String,
    /// A sentence about them, or nothing.
    pub note: String,
    /// The value of a full bar: 1 for probabilities; the largest magnitude where nothing is given.
    pub full: Option<f64>,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bar {
    /// Its name.
    pub label: String,
    /// Its length.
    #[serde(deserialize_with = "gaps::value")]
    pub value: f64,
}

/// A piece of text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TextBlock {
    /// Its title.
    pub title: String,
    /// The text.
    pub text: String,
    /// What was asked, or nothing.
    #[serde(default)]
    pub note: String,
    /// Whether its columns must line up.
    pub fixed: bool,
}
