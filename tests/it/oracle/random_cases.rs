//! The generator itself: the same text for the same seed, other texts for other seeds, and every construct within reach.

use ghmc::model::Domain;

use super::build::Build;
use super::random::{SHAPES, Stream, random_parameters, random_program, shape_of};

#[test]
fn a_seed_is_a_program() {
    let texts: Vec<String> = (0..50).map(random_program).collect();
    assert_eq!(texts, (0..50).map(random_program).collect::<Vec<_>>());
    let mut different = texts.clone();
    different.sort();
    different.dedup();
    assert!(different.len() > 45, "{} different texts", different.len());
    assert_eq!(shape_of(SHAPES.len() as u64 + 1), SHAPES[1]);
}

#[test]
fn every_construct_is_met_early() {
    let all: String = (0..350).map(random_program).collect();
    let constructs = [
        "table(",
        "-> 0",
        "if ",
        " is first",
        " is last",
        " is red",
        "logit = ",
        "Categorical(uniform)",
        "Spin",
        "axis One = 1",
        "lone",
        "factor ",
        "log(table",
        "~ pair(",
        "factor pair(",
        "++",
        "for i in Item",
        "for j in Mark",
        "[t-1]",
        "given ",
        "net f(",
        "tanh(",
        "x[i-1, j]",
        "axis State = 1",
    ];
    for construct in constructs {
        assert!(all.contains(construct), "no program has `{construct}`");
    }
}

#[test]
fn brackets_close_in_order() {
    for seed in 0..200 {
        let text = random_program(seed);
        let mut open = Vec::new();
        for c in text.chars() {
            match c {
                '(' | '[' | '{' => open.push(c),
                ')' => assert_eq!(open.pop(), Some('('), "{text}"),
                ']' => assert_eq!(open.pop(), Some('['), "{text}"),
                '}' => assert_eq!(open.pop(), Some('{'), "{text}"),
                _ => {}
            }
        }
        assert!(open.is_empty(), "{text}");
    }
}

#[test]
fn the_stream_is_even_and_centred() {
    let mut stream = Stream::new(3);
    let n = 20_000;
    let mean = (0..n).map(|_| stream.unit()).sum::<f64>() / f64::from(n);
    assert!((mean - 0.5).abs() < 0.01);
    let (sum, squares) = (0..n).map(|_| stream.normal()).fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
    assert!((sum / f64::from(n)).abs() < 0.03 && (squares / f64::from(n) - 1.0).abs() < 0.05);
}

#[test]
fn random_parameters_lie_in_their_domains() {
    let mut b = Build::new();
    let (i, k) = (b.axis("I", 30), b.axis("K", 4));
    let shares = b.param("shares", &[i, k], Domain::Simplex, &[0.0; 120]);
    let rate = b.param("rate", &[i], Domain::Positive, &[0.0; 30]);
    let p = b.param("p", &[i], Domain::Unit, &[-1.0; 30]);
    let values = random_parameters(&b.program, 7);
    let rows = &values.params[&shares];
    assert!(rows.sum_axis(ndarray::Axis(1)).iter().all(|sum| (sum - 1.0f64).abs() < 1e-12));
    assert!(rows.iter().any(|&x| x == 0.0) && rows.iter().all(|&x| (0.0..=1.0).contains(&x)));
    assert!(values.params[&rate].iter().all(|&x| x > 0.0));
    assert!(values.params[&p].iter().all(|&x| (0.0..1.0).contains(&x)));
    assert_eq!(values, random_parameters(&b.program, 7));
    assert_eq!(super::model(&b.program, "m"), b.model);
}
