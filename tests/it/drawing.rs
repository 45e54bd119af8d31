//! Drawn factor graphs: nothing overlaps, boxes hold what belongs to them, edges touch only their ends; on every program of `models/`
//! and on shapes that those do not have.

use std::fs;

use ghmc::diag::Problems;
use ghmc::pipeline::{Settings, Workspace};
use ghmc::report::drawing::{Figure, Frame, Placed, Rect, Role, Seen, Shape, figures, file};

use super::house::{files, relative, root};

/// The figures of a program, planned as far as it can be.
fn drawn(path: &str, text: &str) -> Option<Vec<Figure>> {
    let (workspace, file) = Workspace::of_text(path, text, Settings::default());
    let mut problems = Problems::new();
    let tree = workspace.parse(file, &mut problems);
    let mut program = workspace.check(&tree, &mut problems)?;
    let _ = workspace.bind(&mut program);
    let plan = workspace.plan(&program, &mut problems);
    Some(figures(&program, &plan))
}

/// What is wrong with a panel.
fn complaints(panel: &Placed) -> Vec<String> {
    let mut found = Vec::new();
    let name = |at: usize| {
        let names: Vec<String> = panel.scene.nodes[at].names.iter().map(|n| format!("{}{}", n.base, n.sub)).collect();
        format!("{at} `{}`", names.join(","))
    };
    // Everything that takes room: who it belongs to, what it is, where.
    let mut things: Vec<(String, &str, Rect)> = Vec::new();
    for (at, glyph) in panel.glyphs.iter().enumerate() {
        let (x, y) = panel.at[at];
        things.push((name(at), "body", glyph.body().moved(x, y)));
        things.extend(glyph.square().map(|r| (name(at), "square", r.moved(x, y))));
        let outside = glyph.labels.iter().filter(|l| l.role != Role::Name || glyph.half < 8.0);
        things.extend(outside.map(|l| (name(at), "label", l.at.moved(x, y))));
        for label in glyph.labels.iter().filter(|l| l.role == Role::Name && glyph.half >= 8.0) {
            if !glyph.body().holds(&label.at) {
                found.push(format!("the name of {} is wider than its circle", name(at)));
            }
        }
    }
    for (at, course) in panel.courses.iter().enumerate() {
        things.extend(course.label.map(|r| (format!("edge {at}"), "edge label", r)));
    }
    for (at, label) in panel.labels.iter().enumerate() {
        things.push((format!("box {at}"), "box label", *label));
    }
    for (i, (who, what, a)) in things.iter().enumerate() {
        for (whom, other, b) in &things[i + 1..] {
            if a.meets(b) {
                found.push(format!("the {what} of {who} lies on the {other} of {whom}"));
            }
        }
        if a.left < -0.5 || a.top < -0.5 || a.right > panel.width + 0.5 || a.bottom > panel.height + 0.5 {
            found.push(format!("the {what} of {who} lies outside"));
        }
    }
    found.extend(boxes(panel, &name));
    found.extend(edges(panel, &things, &name));
    found
}

/// Whether a node stands in a box, at any depth.
fn stands_in(panel: &Placed, node: usize, cluster: usize) -> bool {
    let mut at = panel.scene.nodes[node].cluster;
    while let Some(inner) = at {
        if inner == cluster {
            return true;
        }
        at = panel.scene.clusters[inner].parent;
    }
    false
}

fn boxes(panel: &Placed, name: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut found = Vec::new();
    for (cluster, rect) in panel.boxes.iter().enumerate() {
        for (node, glyph) in panel.glyphs.iter().enumerate() {
            let all = glyph.all().moved(panel.at[node].0, panel.at[node].1);
            let (member, held) = (stands_in(panel, node, cluster), rect.holds(&all));
            if member && !held || !member && rect.meets(&all) {
                found.push(format!("box {cluster} holds {}: {held}, it should: {member}", name(node)));
            }
        }
        if !rect.holds(&panel.labels[cluster]) {
            found.push(format!("the label of box {cluster} sticks out"));
        }
        for (other, second) in panel.boxes.iter().enumerate().skip(cluster + 1) {
            let nested = rect.holds(second);
            let inside = {
                let mut at = panel.scene.clusters[other].parent;
                while at.is_some_and(|a| a != cluster) {
                    at = at.and_then(|a| panel.scene.clusters[a].parent);
                }
                at.is_some()
            };
            if inside != nested || !inside && rect.meets(second) {
                found.push(format!("boxes {cluster} and {other} overlap or are nested wrongly"));
            }
        }
    }
    found
}

fn edges(panel: &Placed, things: &[(String, &str, Rect)], name: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut found = Vec::new();
    for (at, course) in panel.courses.iter().enumerate() {
        let edge = &panel.scene.edges[at];
        let own = [name(edge.from), name(edge.to), format!("edge {at}")];
        let points = course.points();
        let ends = [(edge.from, points[0]), (edge.to, points[points.len() - 1])];
        for (node, end) in ends {
            let glyph = &panel.glyphs[node];
            let (x, y) = panel.at[node];
            let touched = [Some(glyph.body()), glyph.square()];
            let near = Rect::around(end.0, end.1, 1.5, 1.5);
            if !touched.into_iter().flatten().any(|r| r.moved(x, y).meets(&near)) {
                found.push(format!("edge {at} does not reach {}", name(node)));
            }
        }
        for (who, what, rect) in things.iter().filter(|(who, ..)| !own.contains(who)) {
            if points.windows(2).any(|p| rect.crossed_by(p[0], p[1])) {
                found.push(format!("edge {at} passes through the {what} of {who}"));
            }
        }
    }
    found
}

fn all_is_well(path: &str, figures: &[Figure]) {
    for figure in figures {
        for panel in &figure.panels {
            let found = complaints(panel);
            assert!(found.is_empty(), "{path}, {} ({}):\n{}", figure.title, panel.scene.title, found.join("\n"));
        }
    }
}

#[test]
fn models_are_drawn_without_overlap() {
    let programs = ["models", "tests/it/drawing"].map(|f| files(&root().join(f))).into_iter().flatten();
    let mut count = 0;
    for path in programs.filter(|p| p.extension().is_some_and(|e| e == "ghm")) {
        let text = fs::read_to_string(&path).expect("a readable program");
        if let Some(figures) = drawn(&path.to_string_lossy(), &text) {
            all_is_well(&relative(&path), &figures);
            count += figures.len();
        }
    }
    assert!(count >= 20, "{count} figures");
}

/// What the data shows is filled, and the engine named, whether or not that engine is built.
#[test]
fn a_missing_engine_hides_nothing() {
    let text = "data digits = dataset(\"digits\") { x: Bool[Pixel] = soft(image) }
axis H = 8
model m {
  h: Bool[H] ~ Bernoulli(0.5)
  param W: Real[Pixel, H]
  x: Bool[Pixel] ~ Bernoulli(logit = W @ h)
}
train m on digits.train { maximise loglik by mean_field }
";
    let drawn = drawn("m", text).expect("a program that means something");
    let nodes = &drawn[0].panels[0].scene.nodes;
    let node = |name: &str| nodes.iter().find(|n| n.names.iter().any(|m| m.base == name)).expect("a node");
    assert!(matches!(node("x").shape, Shape::Variable { seen: Seen::Always, .. }), "{:?}", node("x"));
    assert!(matches!(node("h").shape, Shape::Variable { seen: Seen::Never, .. }));
    assert_eq!((node("h").tint, node("x").tint), (Some(0), None));
    let svg = file(&drawn);
    assert!(svg.contains("h: ≥ mean field, not built yet") && svg.contains("observed"), "{svg}");
}

#[test]
fn drawings_are_kept() {
    for name in ["chain", "machine"] {
        let path = root().join(format!("tests/it/drawing/{name}.ghm"));
        let text = fs::read_to_string(&path).expect("a readable program");
        let figures = drawn(name, &text).expect("a program that means something");
        let svg = file(&figures);
        assert_eq!(svg, file(&drawn(name, &text).expect("the same program")));
        let golden = path.with_extension("svg");
        if std::env::var_os("UPDATE_UI").is_some() {
            fs::write(&golden, &svg).expect("a folder to write in");
        }
        let kept = fs::read_to_string(&golden).expect("a kept drawing: run with UPDATE_UI=1 and look at it");
        assert!(svg == kept, "{name}: the drawing has changed; run with UPDATE_UI=1 and look at it");
    }
}

#[test]
fn the_complaints_find_what_is_wrong() {
    let path = root().join("tests/it/drawing/chain.ghm");
    let text = fs::read_to_string(path).expect("a readable program");
    let figures = drawn("chain", &text).expect("a program that means something");
    let sound = figures[0].panels[0].clone();
    assert!(complaints(&sound).is_empty());
    assert!(sound.scene.clusters.iter().any(|c| c.frame == Frame::Plate));
    let mut moved = sound.clone();
    moved.at[0] = moved.at[1];
    assert!(complaints(&moved).iter().any(|c| c.contains("lies on")));
    let mut escaped = sound.clone();
    escaped.boxes[0].right = escaped.boxes[0].left + 20.0;
    assert!(complaints(&escaped).iter().any(|c| c.contains("it should: true")));
    let mut astray = sound;
    astray.courses[0].start.0 += 300.0;
    assert!(complaints(&astray).iter().any(|c| c.contains("does not reach")));
}
