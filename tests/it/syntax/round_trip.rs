//! Reading, printing and reading again gives the same tree, and printing is a fixed point.

use ghmc::base::span::Sources;
use ghmc::diag::{Problems, Style, render_all};
use ghmc::syntax::{ast, format, parse, print, same};
use serde_json::Value;

/// Every sketch of the language.
pub const SKETCHES: [(&str, &str); 13] = [
    ("sprinkler", include_str!("sketches/sprinkler.ghm")),
    ("words", include_str!("sketches/words.ghm")),
    ("phones", include_str!("sketches/phones.ghm")),
    ("chunker", include_str!("sketches/chunker.ghm")),
    ("denoise", include_str!("sketches/denoise.ghm")),
    ("dbn", include_str!("sketches/dbn.ghm")),
    ("m2", include_str!("sketches/m2.ghm")),
    ("svae", include_str!("sketches/svae.ghm")),
    ("documents", include_str!("sketches/documents.ghm")),
    ("sentences", include_str!("sketches/sentences.ghm")),
    ("infogan", include_str!("sketches/infogan.ghm")),
    ("dcim", include_str!("sketches/dcim.ghm")),
    ("truth", include_str!("sketches/truth.ghm")),
];

fn read(name: &str, text: &str) -> Result<ast::File, String> {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let mut problems = Problems::new();
    let tree = parse(&sources, file, &mut problems);
    let (list, left_out) = problems.sorted();
    if list.is_empty() { Ok(tree) } else { Err(render_all(&list, left_out, &sources, Style::PLAIN)) }
}

/// The tree without places and comments, and with the author's parentheses taken away where `bare`.
fn content(tree: &ast::File, bare: bool) -> Value {
    fn strip(value: &mut Value, bare: bool) {
        match value {
            Value::Object(map) => {
                for key in ["span", "comments", "file"] {
                    map.remove(key);
                }
                map.values_mut().for_each(|v| strip(v, bare));
                if bare {
                    while let Some(inner) = map.get("kind").and_then(|k| k.get("Group")).cloned() {
                        let Value::Object(inner) = inner else { break };
                        *map = inner;
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|v| strip(v, bare)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(tree).expect("a tree is plain data");
    strip(&mut value, bare);
    value
}

#[test]
fn every_sketch_survives_printing() {
    for (name, text) in SKETCHES {
        let tree = read(name, text).unwrap_or_else(|e| panic!("{e}"));
        assert!(!tree.items.is_empty());
        for printed in [format(&tree, text), print(&tree)] {
            let again = read(name, &printed).unwrap_or_else(|e| panic!("{printed}\n{e}"));
            assert_eq!(content(&tree, false), content(&again, false), "{name}:\n{printed}");
        }
        let once = format(&tree, text);
        let again = read(name, &once).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(once, format(&again, &once), "{name} is not settled after one pass");
        assert_eq!(tree.comments.len(), again.comments.len(), "{name} lost a comment:\n{once}");
    }
}

#[test]
fn quotes_that_matter_stay() {
    for text in ["axis C = \"Big\"\n", "axis A = \"E\", \"in\", b\n", "axis A = \"two words\", \"3\"\n"] {
        let tree = read("labels", text).unwrap_or_else(|e| panic!("{e}"));
        let printed = format(&tree, text);
        let again = read("labels", &printed).unwrap_or_else(|e| panic!("{printed}{e}"));
        assert!(same(&tree, &again), "{printed}");
    }
    let (big, alias) = (read("a", "axis C = \"Big\"\n"), read("a", "axis C = Big\n"));
    assert!(!same(&big.expect("reads"), &alias.expect("reads")));
}

#[test]
fn long_lines_break_outside_first() {
    let text = "model m { x: Real ~ Normal(0, sd = 1) }
train m on d {
  maximise E[log(sigmoid(disc(x))) + log(guide(c | x)) + 0.1 * log(guide(u | x)) for (c, u, x) ~ infogan] over gen, guide with adam(1e-3)
  maximise first_of_all(a_longish_name, b_longish_name) + second_of_all(c_longish_name, d_longish_name) + third(e_longish_name)
}
query q = P(alpha_variable, beta_variable | gamma_variable = mean(delta_variable | epsilon_variable, zeta_variable), eta_variable)
";
    let tree = read("long", text).unwrap_or_else(|e| panic!("{e}"));
    let printed = format(&tree, text);
    assert!(printed.lines().all(|l| l.chars().count() <= 120), "{printed}");
    let starts = |what: &str| printed.lines().any(|l| l.trim_start().starts_with(what));
    assert!(starts("third(e_longish_name)"), "{printed}");
    assert!(starts("eta_variable)"), "{printed}");
    let again = read("long", &printed).unwrap_or_else(|e| panic!("{printed}{e}"));
    assert!(same(&tree, &again), "{printed}");
    assert_eq!(printed, format(&again, &printed));
}

#[test]
fn comments_do_not_blow_up_a_file() {
    let wide = std::format!("query q{} = P(x) # wide\n", "x".repeat(20_000));
    let mut text = String::from("model m { x: Bool ~ Bernoulli(0.5) }\n");
    for i in 0..2_000 {
        text += &std::format!("query a{i} = P(x) # note\n");
    }
    text += &wide;
    let tree = read("wide", &text).unwrap_or_else(|e| panic!("{e}"));
    assert!(format(&tree, &text).len() < 3 * text.len());
}
