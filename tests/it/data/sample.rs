//! A report with one of everything, filled with made-up numbers and real digits.

use ghmc::data::{Locations, Source, load};
use ghmc::report::*;

/// A wave that wanders, between 0 and 1, the same on every machine.
fn wobble(i: usize) -> f64 {
    let x = (i as f64 * 12.9898).sin() * 43_758.545;
    x - x.floor()
}

fn decay(name: &str, n: usize, from: f64, to: f64, rate: f64, noise: f64, salt: usize) -> Curve {
    let value = |i: usize| to + (from - to) * (-(i as f64) * rate).exp() + noise * (wobble(i + salt) - 0.5);
    Curve { name: name.into(), points: (0..=n).map(|i| (i as f64, value(i))).collect(), ..Curve::default() }
}

fn stage(name: &str, epochs: usize, seconds: f64, objective: f64) -> Stage {
    let log_loss = Chart {
        title: "reconstruction".into(),
        x: "epoch".into(),
        unit: "nats".into(),
        log: false,
        better: Better::Lower,
        curves: vec![
            decay("train", epochs, 31.0, objective, 0.16, 0.22, 3),
            Curve { part: true, ..decay("train: KL", epochs, 1.0, 9.0, 0.1, 0.1, 5) },
            decay("validation", epochs, 31.4, objective + 0.9, 0.14, 0.35, 40),
        ],
    };
    let size = Chart {
        title: "size of the update".into(),
        x: "step".into(),
        unit: String::new(),
        log: true,
        better: Better::Neither,
        curves: vec![Curve {
            name: "‖Δθ‖ / ‖θ‖".into(),
            points: (0..epochs * 72)
                .map(|i| (i as f64, 0.08 * (-(i as f64) / 500.0).exp() * (0.5 + wobble(i)) + 4e-4))
                .collect(),
            ..Curve::default()
        }],
    };
    Stage {
        name: name.into(),
        epochs: epochs as u64,
        seconds,
        objective: Some(objective),
        charts: vec![log_loss, size],
    }
}

/// The report.
pub fn sample() -> RunReport {
    let digits = load(&Source::Dataset { name: "digits".into() }, &Locations::default()).unwrap();
    let (image, label) = (digits.column("image").unwrap(), digits.column("label").unwrap());
    let of_class = |class: usize, count: usize| {
        let rows = (0..digits.rows).filter(move |&row| label.value(row, 0) as usize == class);
        rows.take(count).map(|row| image.gather::<f32>(&[row])).collect::<Vec<_>>()
    };
    let filter = |k: usize| {
        let (cx, cy, angle) = (2.0 + 4.0 * wobble(k), 2.0 + 4.0 * wobble(k + 50), 3.2 * wobble(k + 99));
        let at = |i: usize| {
            let (x, y) = ((i % 8) as f64 - cx, (i / 8) as f64 - cy);
            let wave = (1.1 * (x * angle.cos() + y * angle.sin()) + 6.0 * wobble(k + 7)).cos();
            (wave * (-(x * x + y * y) / 7.0).exp() + 0.12 * (wobble(64 * k + i) - 0.5)) as f32
        };
        (0..64).map(at).collect::<Vec<f32>>()
    };
    let names: Vec<String> = (0..10).map(|d| d.to_string()).collect();
    let mut counts: Vec<Vec<u64>> =
        (0..10).map(|i| (0..10).map(|j| if i == j { 34 + i % 3 } else { 0 }).collect()).collect();
    for (truth, guess, count) in [(1, 8, 1), (3, 9, 2), (8, 1, 3), (9, 3, 1), (5, 9, 1), (4, 7, 1)] {
        counts[truth][guess] = count;
        counts[truth][truth] -= count;
    }
    let originals: Vec<Vec<f32>> = (0..10).map(|c| of_class(c, 3).pop().unwrap()).collect();
    let blurred = originals.iter().map(|image| {
        let near =
            |i: usize| [i.checked_sub(1), Some(i), Some(i + 1)].into_iter().flatten().filter_map(|j| image.get(j));
        (0..64).map(|i| near(i).sum::<f32>() / near(i).count() as f32).collect::<Vec<f32>>()
    });
    let pairs: Vec<Vec<f32>> = originals.iter().cloned().chain(blurred).collect();
    RunReport {
        against: None,
        title: "A deep belief net on digits".into(),
        file: "models/deep.ghm".into(),
        about: "Two layers of binary units under an undirected top with label units, trained a layer at a time and then together. \
                Expect under 4 % of the test rows wrong by the label units, under 2.5 % after backpropagation."
            .into(),
        plan: "block h1 [Hidden = 200]\n    engine   block Gibbs, exact conditionals           =\n    because  p(h1 | x, h2) factorises: no factor joins two units of h1\n    cost     25.6 kflop and 1.6 kB a row\n    refused  enumeration: 2^200 joint states\n\nblock h2, y [Top = 400, Digit = 10]\n    engine   contrastive divergence, 1 step            ≈\n    because  undirected and bipartite; log Z has no closed form at 400 units\n    refused  exact gradient: log Z sums 2^200 states on its smaller side; at 20 units it would apply\n"
            .into(),
        graph: None,
        networks: Vec::new(),
        stages: vec![
            stage("layer 1", 30, 9.42, 21.37),
            stage("layer 2, with labels", 40, 21.8, 18.02),
            Stage {
                name: "backpropagation".into(),
                epochs: 25,
                seconds: 14.1,
                objective: Some(0.0213),
                charts: vec![
                    Chart {
                        title: "cross-entropy".into(),
                        x: "epoch".into(),
                        unit: "nats".into(),
                        log: true,
                        better: Better::Lower,
                        curves: vec![decay("train", 25, 1.6, 0.012, 0.31, 0.001, 9), decay("test", 25, 1.7, 0.081, 0.33, 0.006, 2)],
                    },
                    Chart {
                        title: "error".into(),
                        x: "epoch".into(),
                        unit: "% of rows".into(),
                        log: false,
                        better: Better::Lower,
                        curves: vec![decay("train", 25, 12.0, 0.1, 0.4, 0.1, 5), decay("test", 25, 13.0, 2.3, 0.35, 0.5, 77)],
                    },
                ],
            },
        ],
        figures: vec![
            Figure { name: "error".into(), value: 9.0 / 359.0, unit: "%".into(), n: Some(359), note: "after backpropagation, on digits.test".into(), ..Figure::default() },
            Figure { name: "error by label units".into(), value: 13.0 / 359.0, unit: "%".into(), n: Some(359), ..Figure::default() },
            Figure {
                name: "log p(x)".into(),
                kind: Sign::Lower,
                value: -18.63,
                unit: "nats".into(),
                interval: Some((-18.71, -18.55)),
                n: Some(359),
                note: "log Z by annealed importance sampling, 1000 chains".into(),
                ..Figure::default()
            },
            Figure { name: "log Z".into(), kind: Sign::Estimate, value: 224.41, unit: "nats".into(), interval: Some((224.2, 224.6)), n: Some(1000), seed: Some(7), ..Figure::default() },
            Figure { name: "P(rain | wet)".into(), kind: Sign::Exact, value: 0.7079276773, ..Figure::default() },
        ],
        panels: vec![
            Panel::Images(ImageGrid {
                title: "Fantasies by class".into(),
                note: "Label clamped, 1000 sweeps of Gibbs sampling at the top, one pass down.".into(),
                height: 8,
                width: 8,
                columns: 9,
                images: (0..10).flat_map(|c| of_class(c, 9)).collect(),
                row_labels: names.clone(),
                ..ImageGrid::default()
            }),
            Panel::Confusion(Confusion { note: String::new(), title: "Digits told apart".into(), labels: names.clone(), counts }),
            Panel::Images(ImageGrid {
                title: "Filters of layer 1".into(),
                note: "Weights into each of 60 units: blue is positive, orange negative, each image scaled to its largest.".into(),
                height: 8,
                width: 8,
                columns: 10,
                images: (0..60).map(filter).collect(),
                shading: Shading::Signed,
                ..ImageGrid::default()
            }),
            Panel::Images(ImageGrid {
                title: "Reconstructions".into(),
                height: 8,
                width: 8,
                columns: 10,
                images: pairs,
                row_labels: vec!["data".into(), "model".into()],
                ..ImageGrid::default()
            }),
            Panel::Bars(BarTable {
                title: "P(digit | row 17)".into(),
                full: Some(1.0),
                bars: (0..10).map(|d| Bar { label: d.to_string(), value: [0.0004, 0.012, 0.0, 0.021, 0.0, 0.0031, 0.0, 0.0, 0.911, 0.0525][d] }).collect(),
                ..BarTable::default()
            }),
            Panel::Bars(BarTable {
                title: "Change of log p".into(),
                note: "when the factor is left out".into(),
                full: None,
                bars: [("emission", -3.21), ("transition", -0.84), ("start", 0.06)].map(|(label, value)| Bar { label: label.into(), value }).into(),
            }),
            Panel::Images(ImageGrid {
                title: "Least certain test rows".into(),
                height: 8,
                width: 8,
                columns: 6,
                images: (0..6).map(|c| of_class(c + 3, 12).pop().unwrap()).collect(),
                captions: (0..6).map(|c| format!("row {}: {} or {}?", 31 * c + 7, c + 3, (c + 8) % 10)).collect(),
                shading: Shading::Grey,
                ..ImageGrid::default()
            }),
            Panel::Text(TextBlock { note: String::new(),
                title: "Most likely path".into(),
                text: "rolls   3 1 5 1 1 6 2 4 6 4 4 6 6 4 6 6 6 6 1 6\npath    F F F F F F F F F F L L L L L L L L L L".into(),
                fixed: true,
            }),
        ],
        environment: Environment {
            program: "1d6a".into(),
            seed: 1,
            threads: 2,
            seconds: 46.3,
            version: "0.1.0".into(),
            command: "ghmc run models/deep.ghm --seed 1".into(),
        },
    }
}
