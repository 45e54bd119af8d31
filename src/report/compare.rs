//! Two runs side by side. In: the reports of both, one of them read from its directory; out: their figures in pairs, as a table for a
//! terminal and as JSON, and what must be said before they are compared. Nothing is run again.

use super::errors::ReportError;
use super::figure::Figure;
use super::number::short;
use super::run_report::{Panel, RunReport, Stage};
use super::table::table;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// A kept report larger than this was not written by a run.
const MOST_BYTES: u64 = 256 << 20;

/// An earlier run.
#[derive(Clone, Debug)]
pub struct Against {
    /// What it is called: its directory, as it was named.
    pub name: String,
    /// What it showed.
    pub report: RunReport,
}

impl Against {
    /// Reads the run in a directory (E0908 where none has been finished there).
    pub fn read(dir: &Path) -> Result<Against, ReportError> {
        let failed = |why: String| ReportError::NotFinished { path: dir.to_path_buf(), why };
        let file = match File::open(dir.join("report.json")) {
            Ok(file) => file,
            Err(_) if !dir.exists() => return Err(failed("there is no such directory".into())),
            Err(_) if !dir.is_dir() => return Err(failed("it is a file".into())),
            Err(_) if dir.join("checkpoint").exists() => {
                return Err(failed(
                    "the run in it was stopped; `ghmc run FILE --out DIR --resume` goes on with it".into(),
                ));
            }
            Err(e) => return Err(failed(format!("its `report.json` cannot be opened: {e}"))),
        };
        let report: RunReport = serde_json::from_reader(BufReader::new(file.take(MOST_BYTES)))
            .map_err(|e| failed(format!("its `report.json` is damaged: {e}")))?;
        if !report.panels.iter().all(fits) {
            return Err(failed("its `report.json` is damaged: a picture's size is not that of its numbers".into()));
        }
        Ok(Against { name: dir.display().to_string(), report })
    }
}

/// Whether what a panel says of its sizes is so: drawing takes room by them.
fn fits(panel: &Panel) -> bool {
    match panel {
        Panel::Images(grid) => grid
            .images
            .iter()
            .all(|image| !image.is_empty() && grid.height.checked_mul(grid.width) == Some(image.len())),
        Panel::Confusion(matrix) => {
            let n = matrix.labels.len();
            matrix.counts.len() == n && matrix.counts.iter().all(|row| row.len() == n)
        }
        Panel::Bars(_) | Panel::Text(_) | Panel::Chart(_) => true,
    }
}

impl RunReport {
    /// Writes it where [`Against::read`] finds it, whole or not at all.
    pub fn keep(&self, path: &Path) -> Result<(), ReportError> {
        let failed = |e: serde_json::Error| ReportError::Write { path: path.to_path_buf(), source: e.into() };
        super::write_whole(path, &serde_json::to_vec(self).map_err(failed)?)
    }
}

/// A figure of one run beside that of the other.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// This run's.
    pub this: Option<Figure>,
    /// The earlier run's.
    pub that: Option<Figure>,
}

impl Compared {
    /// This one's value minus that one's, where both are numbers of one unit.
    pub fn difference(&self) -> Option<f64> {
        let (this, that) = self.this.as_ref().zip(self.that.as_ref())?;
        let difference = this.value - that.value;
        (this.unit == that.unit && difference.is_finite()).then_some(difference)
    }

    /// The difference with its sign; of percentages in percentage points.
    pub fn difference_text(&self) -> String {
        let Some(difference) = self.difference() else { return String::new() };
        let points = self.this.as_ref().is_some_and(|f| f.unit == "%");
        let number = short(if points { difference * 100.0 } else { difference });
        let sign = if difference > 0.0 { "+" } else { "" };
        format!("{sign}{number}{}", if points { " points" } else { "" })
    }

    /// What both have, once where they agree, else `this / that`.
    pub fn both(&self, of: impl Fn(&Figure) -> String) -> String {
        let (this, that) = (self.this.as_ref().map(&of), self.that.as_ref().map(&of));
        match (this.unwrap_or_default(), that.unwrap_or_default()) {
            (this, that) if this == that || that.is_empty() => this,
            (this, that) if this.is_empty() => that,
            (this, that) => format!("{this} / {that}"),
        }
    }

    /// What keeps the two from being compared as they stand, and what is said of either.
    pub fn note(&self) -> String {
        match (&self.this, &self.that) {
            (Some(_), None) => "only in this run".into(),
            (None, Some(_)) => "only in that run".into(),
            (None, None) => String::new(),
            (Some(this), Some(that)) => {
                let mut notes = Vec::new();
                if this.kind != that.kind {
                    notes.push("of different kinds".to_string());
                }
                if this.unit != that.unit {
                    notes.push("in different units".to_string());
                }
                if this.data != that.data {
                    notes.push("on different data".to_string());
                }
                notes.extend([self.both(|f| f.note.clone())].into_iter().filter(|note| !note.is_empty()));
                notes.join("; ")
            }
        }
    }
}

/// Two runs.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// This one.
    pub this: &'a RunReport,
    /// The earlier one.
    pub that: &'a Against,
}

impl Comparison<'_> {
    /// The figures in pairs: this run's in its order, then those that only the other has.
    pub fn figures(&self) -> Vec<Compared> {
        let (this, that) = (&self.this.figures, &self.that.report.figures);
        let find = |list: &[Figure], name: &str| list.iter().find(|f| f.name == name).cloned();
        let names = this.iter().chain(that.iter().filter(|f| find(this, &f.name).is_none())).map(|f| &f.name);
        names.map(|name| Compared { name: name.clone(), this: find(this, name), that: find(that, name) }).collect()
    }

    /// What must be known before the two are compared: that they are of different programs.
    pub fn remark(&self) -> String {
        let (this, that) = (self.this, &self.that.report);
        if this.title != that.title {
            return format!("that is a run of another program: `{}`, not `{}`", that.title, this.title);
        }
        if this.environment.program != that.environment.program {
            return format!("`{}` has changed between the two runs", this.title);
        }
        String::new()
    }

    /// The earlier run's stage that answers to one of this run's: the same name, the same position among those of that name.
    pub fn stage(&self, at: usize) -> Option<&Stage> {
        let stages = &self.this.stages;
        let before = stages[..at].iter().filter(|s| s.name == stages[at].name).count();
        self.that.report.stages.iter().filter(|s| s.name == stages[at].name).nth(before)
    }

    /// The figures for a terminal.
    pub fn table(&self) -> String {
        let text = |figure: &Option<Figure>| figure.as_ref().map_or("–".to_string(), Figure::text);
        let count = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
        let rows: Vec<Vec<String>> = self
            .figures()
            .iter()
            .map(|c| {
                let mut row = vec![c.name.clone(), text(&c.this), text(&c.that), c.difference_text()];
                row.push(c.both(|f| f.kind.text().to_string()));
                row.extend([c.both(|f| count(f.n)), c.both(|f| count(f.seed))]);
                row.extend([c.both(|f| f.data.clone()), c.note()]);
                row
            })
            .collect();
        let header = ["figure", "this", "that", "difference", "kind", "n", "seed", "data", "note"];
        table(&header, &[false, true, true, true, false, true, true, false, false], &rows)
    }

    /// The figures and stages for programs: `{"that": "..", "remark": "..", "figures": [{"name", "this", "that", "difference"}],
    /// "stages": [{"name", "this", "that"}]}`; `null` where a run has none.
    pub fn json(&self) -> Value {
        let figures = self.figures();
        let figures = figures
            .iter()
            .map(|c| json!({ "name": c.name, "this": c.this, "that": c.that, "difference": c.difference() }));
        let stage = |s: &Stage| json!({ "epochs": s.epochs, "seconds": s.seconds, "objective": s.objective });
        let stages = self.this.stages.iter().enumerate();
        let stages = stages
            .map(|(at, s)| json!({ "name": s.name, "this": stage(s), "that": self.stage(at).map(stage) }))
            .collect::<Vec<_>>();
        json!({
            "that": self.that.name,
            "remark": self.remark(),
            "figures": figures.collect::<Vec<_>>(),
            "stages": stages,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Sign;

    fn figure(name: &str, value: f64, unit: &str) -> Figure {
        Figure { name: name.into(), value, unit: unit.into(), n: Some(359), ..Figure::default() }
    }

    fn report(title: &str, figures: Vec<Figure>) -> RunReport {
        RunReport { title: title.into(), figures, ..RunReport::default() }
    }

    #[test]
    fn figures_stand_in_pairs() {
        let bound = Figure { kind: Sign::Lower, ..figure("fit", -20.0, "nats") };
        let this = report("a", vec![figure("error", 0.03, "%"), bound, figure("new", 1.0, "")]);
        let exact = Figure { kind: Sign::Exact, n: Some(100), ..figure("fit", -21.5, "nats") };
        let that = report("a", vec![figure("old", 2.0, ""), exact, figure("error", 0.04, "%")]);
        let that = Against { name: "runs/a-1".into(), report: that };
        let both = Comparison { this: &this, that: &that };
        assert_eq!(both.remark(), "");
        let table = both.table();
        let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split("  ").filter(|w| !w.is_empty()).collect()).collect();
        let cells = |at: usize| lines[at].iter().map(|w| w.trim()).collect::<Vec<_>>();
        assert_eq!(cells(2), ["error", "3 %", "4 %", "−1 points", "359"]);
        assert_eq!(cells(3), ["fit", "≥ −20 nats", "= −21.5 nats", "+1.5", "≥ / =", "359 / 100", "of different kinds"]);
        assert_eq!(cells(4), ["new", "1", "–", "359", "only in this run"]);
        assert_eq!(cells(5), ["old", "–", "2", "359", "only in that run"]);
        assert_eq!(both.json()["figures"][1]["difference"], 1.5);
        assert_eq!(both.json()["figures"][3]["this"], Value::Null);
    }

    #[test]
    fn runs_of_different_programs_are_told_apart() {
        let this = report("a", Vec::new());
        let mut that = Against { name: "b-1".into(), report: report("b", Vec::new()) };
        assert!(Comparison { this: &this, that: &that }.remark().contains("another program: `b`"));
        that.report.title = "a".into();
        that.report.environment.program = "else".into();
        assert!(Comparison { this: &this, that: &that }.remark().contains("has changed"));
    }

    #[test]
    fn a_report_that_was_kept_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let why = |dir: &Path| Against::read(dir).map(|_| ()).expect_err("no run").to_string();
        assert!(why(dir.path()).contains("report.json") && why(&dir.path().join("gone")).contains("no such directory"));
        std::fs::create_dir(dir.path().join("checkpoint")).expect("a directory");
        assert!(why(dir.path()).contains("--resume"));
        let path = dir.path().join("report.json");
        let mut kept = report("a", vec![figure("failed", f64::NAN, "")]);
        kept.stages = vec![Stage { name: "s".into(), ..Stage::default() }];
        kept.keep(&path).expect("a file");
        let again = Against::read(dir.path()).expect("a run").report;
        assert!(again.figures[0].value.is_nan() && again.stages[0].name == "s" && again.title == "a");
        let whole = std::fs::read(&path).expect("a file");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("a file");
        assert!(why(dir.path()).contains("damaged"));
    }
}
