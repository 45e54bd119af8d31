//! Reports: the page, the files that programs read, the run directory.

use super::sample::sample;
use ghmc::report::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Checks that every element that is opened is closed, in order.
fn check_nesting(page: &str) {
    let void = ["meta", "img", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').unwrap() + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.starts_with('!') && !void.contains(&name) {
            open.push(name);
        }
        if name == "style" && !tag.starts_with('/') {
            rest = &rest[rest.find("</style").unwrap()..];
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn the_page_is_whole_and_needs_nothing_else() {
    let text = page(&sample()).unwrap();
    check_nesting(&text);
    for outside in ["http:", "https:", "<script", "<link", "@import", "url("] {
        assert!(!text.contains(outside), "{outside}");
    }
    assert!(!text.contains("NaN"));
    for shown in ["2.507 %", "≥", "−18.63", "[−18.71, −18.55]", "Filters of layer 1", "1 of 36 rows of 5 taken for 9"]
    {
        assert!(text.contains(shown), "{shown}");
    }
    assert_eq!(text, page(&sample()).unwrap(), "the same report is the same page");
}

#[test]
fn texts_are_escaped() {
    let evil = "<script>alert(1)</script>\"'";
    let mut report = sample();
    report.title = evil.into();
    report.file = evil.into();
    report.plan = evil.into();
    report.stages[0].charts[0].curves[0].name = evil.into();
    report.figures[0].note = evil.into();
    report.panels.push(Panel::Text(TextBlock {
        note: String::new(),
        title: evil.into(),
        text: evil.into(),
        fixed: false,
    }));
    report.panels.push(Panel::Confusion(Confusion {
        note: String::new(),
        title: evil.into(),
        labels: vec![evil.into()],
        counts: vec![vec![1]],
    }));
    let text = page(&report).unwrap();
    assert!(!text.contains("<script"));
    check_nesting(&text);
}

/// What a run shows beside another is all of both, nested as a page must be, and escaped like the rest.
#[test]
fn two_runs_share_a_page() {
    let mut report = sample();
    let mut that = sample();
    let evil = "<script>alert(1)</script>";
    that.title = evil.into();
    that.environment.command = evil.into();
    that.stages[0].charts[0].curves[0].name = evil.into();
    that.figures[0].note = evil.into();
    that.figures.remove(1);
    that.graph = Some(evil.into());
    that.panels.truncate(2);
    report.against = Some(Box::new(Against { name: evil.into(), report: that }));
    let text = page(&report).unwrap();
    check_nesting(&text);
    assert!(!text.contains("<script"));
    for shown in ["Beside", "only in this run", ": has none", "class=\"earlier\"", "difference"] {
        assert!(text.contains(shown), "{shown}");
    }
    assert_eq!(text, page(&report).unwrap());
}

/// The lines of a plan are all there, in order, the deeper ones further in.
#[test]
fn the_plan_keeps_its_lines() {
    let plan = "query q (=)\n    `a` by enumeration =\n      because `a < b`\n";
    let text = page(&RunReport { plan: plan.into(), ..RunReport::default() }).unwrap();
    let at = |line: &str| text.find(line).unwrap_or_else(|| panic!("{line}"));
    assert!(at("padding-left:2ch;text-indent:-2ch\">query q") < at("padding-left:6ch;text-indent:-2ch\">`a` by"));
    assert!(at("`a` by") < at("padding-left:8ch;text-indent:-2ch\">because `a &lt; b`"));
}

#[test]
fn an_empty_report_is_still_a_page() {
    let text = page(&RunReport::default()).unwrap();
    check_nesting(&text);
    assert!(!text.contains("id=\"figures\"") && text.contains("id=\"run\""));
}

#[test]
fn pictures_hold_their_pixels() {
    let grid = ImageGrid {
        height: 2,
        width: 1,
        columns: 2,
        images: vec![vec![0.0, 1.0], vec![0.5, 0.25], vec![1.0, 1.0]],
        ..ImageGrid::default()
    };
    let png = grid_png(&grid).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (3, 5), "two by two images of one by two, a pixel between");
    let at = |x: usize, y: usize| <[u8; 4]>::try_from(&pixels[4 * (3 * y + x)..][..4]).unwrap();
    assert_eq!([at(0, 0), at(0, 1)], [[0, 0, 0, 255], [255; 4]]);
    assert_eq!([at(2, 0), at(2, 1)], [[128, 128, 128, 255], [64, 64, 64, 255]]);
    assert_eq!(at(1, 0)[3], 0, "the gap is transparent");
    assert_eq!(at(2, 4)[3], 0, "so is an empty place");
    let short = ImageGrid { images: vec![vec![0.0, 1.0], vec![0.0]], ..grid };
    let error = grid_png(&short).unwrap_err();
    assert!(error.code().number() == "E0909" && error.to_string().contains("image 2"), "{error}");
}

#[test]
fn the_summary_keeps_its_contract() {
    let summary = Summary {
        seed: 3,
        evaluate: vec![
            Figure { name: "error".into(), value: 0.025, n: Some(359), ..Figure::default() },
            Figure {
                name: "bound".into(),
                kind: Sign::Lower,
                value: -84.6,
                interval: Some((-84.7, -84.5)),
                ..Figure::default()
            },
            Figure { name: "exact".into(), value: 0.5, ..Figure::default() },
        ],
        queries: [("rain".to_string(), json!({ "no": 0.3, "yes": 0.7 }))].into_iter().collect(),
        stages: vec![StageSummary {
            name: "layer 1".into(),
            epochs: 30,
            seconds: 9.5,
            objective: Some(21.5),
            parts: [("KL".to_string(), 4.5)].into(),
        }],
        seconds: 46.25,
        threads: 2,
        compare: None,
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("summary.json");
    std::fs::write(&path, "old").unwrap();
    summary.write(&path).unwrap();
    let back: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        back,
        json!({
            "seed": 3,
            "evaluate": { "error": 0.025, "bound": -84.6, "exact": 0.5 },
            "queries": { "rain": { "no": 0.3, "yes": 0.7 } },
            "stages": [{ "name": "layer 1", "epochs": 30, "seconds": 9.5, "objective": 21.5, "parts": { "KL": 4.5 } }],
            "seconds": 46.25,
            "threads": 2,
            "marks": { "error": { "n": 359 }, "bound": { "kind": "≥", "interval": [-84.7, -84.5] } },
        })
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "others may read it as they may any file");
    }
    assert_eq!(summary.write(&dir.path().join("gone/summary.json")).unwrap_err().code().number(), "E0904");
}

fn line(at: u64) -> MetricLine {
    let values = BTreeMap::from([("loss".to_string(), Some(1.0 / at as f64)), ("odd".to_string(), None)]);
    MetricLine { at, stage: "one".into(), epoch: at / 10, step: at, values }
}

#[test]
fn metrics_resume_where_the_run_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.jsonl");
    let mut metrics = Metrics::create(&path).unwrap();
    for at in 1..=6 {
        metrics.log(&line(at)).unwrap();
    }
    metrics.sync().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let lines = |path: &Path| -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|l| serde_json::from_str::<MetricLine>(l).unwrap().at).collect()
    };
    // Killed at any byte: what is kept are the whole lines up to the checkpoint, and logging goes on below them.
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut metrics = Metrics::resume(&path, 4).unwrap();
        metrics.log(&line(5)).unwrap();
        let kept = whole[..cut].iter().filter(|&&byte| byte == b'\n').count().min(4) as u64;
        assert_eq!(lines(&path), (1..=kept).chain([5]).collect::<Vec<_>>(), "cut after {cut} bytes");
    }
    let begun = dir.path().join("begun.jsonl");
    Metrics::resume(&begun, 4).unwrap().log(&line(1)).unwrap();
    assert_eq!(lines(&begun), [1], "a missing file is begun");
    assert_eq!(Metrics::create(&dir.path().join("gone/metrics.jsonl")).unwrap_err().code().number(), "E0904");
}

#[test]
fn run_directories_do_not_tread_on_each_other() {
    let root = tempfile::tempdir().unwrap();
    let runs = root.path().join("runs");
    let name = |dir: &RunDir| dir.path().file_name().unwrap().to_str().unwrap().to_string();
    assert_eq!(name(&RunDir::fresh(&runs, "deep").unwrap()), "deep-1");
    assert_eq!(name(&RunDir::fresh(&runs, "deep").unwrap()), "deep-2");
    assert_eq!(name(&RunDir::fresh(&runs, "deep-2").unwrap()), "deep-2-1");
    std::fs::create_dir(runs.join("deep-7")).unwrap();
    std::fs::create_dir(runs.join("deep-x")).unwrap();
    assert_eq!(name(&RunDir::fresh(&runs, "deep").unwrap()), "deep-8");

    let out = root.path().join("a/b");
    assert_eq!(RunDir::existing(&out).unwrap_err().code().number(), "E0908");
    let dir = RunDir::given(&out, Occupied::Refuse).unwrap();
    assert_eq!(RunDir::existing(&out).unwrap_err().code().number(), "E0908");
    dir.write_plan("plan").unwrap();
    std::fs::create_dir(dir.checkpoints()).unwrap();
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    assert_eq!(RunDir::existing(&out).unwrap(), dir);
    assert_eq!(RunDir::given(&out, Occupied::Refuse).unwrap_err().code().number(), "E0907");
    RunDir::given(&out, Occupied::Replace).unwrap();
    let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"], "only the run's own files go");
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(RunDir::given(&file, Occupied::Refuse).unwrap_err().code().number(), "E0904");
    assert_eq!(RunDir::fresh(&file, "deep").unwrap_err().code().number(), "E0904");
}
