//! Data bound to programs: labels as they are meant, ragged rows against the plain evaluator, columns that fill several axes,
//! scaled ones, draws made for the rows of other data.

use std::collections::BTreeMap;

use ghmc::model::evaluate::Values;
use ghmc::model::{Program, VarId};
use ghmc::pipeline::{Collected, Compiled, Settings, Trained};
use ghmc::train::{AnswerValue, Event};
use ndarray::{ArrayD, IxDyn};
use tempfile::TempDir;

use super::at;
use crate::oracle::{argmax, log_partition, model, variable};

/// A program beside some files.
fn compile(files: &[(&str, &str)], text: &str) -> Result<(TempDir, Compiled), String> {
    let dir = TempDir::new().unwrap();
    for (name, content) in files {
        if let Some((folder, _)) = name.rsplit_once('/') {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let settings = Settings { locations: at(dir.path()), ..Settings::default() };
    Compiled::of_text("test.ghm", text, settings).map(|c| (dir, c)).map_err(|e| e.to_string())
}

fn good(files: &[(&str, &str)], text: &str) -> (TempDir, Compiled) {
    compile(files, text).unwrap_or_else(|told| panic!("{told}\nin\n{text}"))
}

/// What the program must fail with: a code and a part of what is said.
fn bad(files: &[(&str, &str)], text: &str, code: &str, part: &str) {
    let told = compile(files, text).map(|_| ()).expect_err("this must be refused");
    let flat = told.split_whitespace().filter(|w| *w != "│").collect::<Vec<_>>().join(" ");
    assert!(told.contains(code) && flat.contains(part), "{part:?} of {code} is not in\n{told}");
}

/// Every row of a bound column.
fn column(compiled: &Compiled, data: usize, name: &str) -> Vec<f64> {
    let program = compiled.program();
    let id = program.data.ids().nth(data).unwrap();
    let (_, column) = compiled.data().bound(id).find(|(n, _)| *n == name).unwrap();
    column.gather(&(0..column.rows()).collect::<Vec<_>>())
}

/// Parameters that differ from each other, each `Simplex` summing to one; and the same for the evaluator.
fn parameters(trained: &mut Trained) -> Values {
    let program = trained.compiled().program().clone();
    let mut values = Values::default();
    for (id, param) in program.params.iter() {
        let shape = program.extents(&param.axes).unwrap();
        let count: usize = shape.iter().product();
        let mut data: Vec<f64> = (0..count).map(|i| 0.2 + ((i * 7 + id_seed(&param.name)) % 11) as f64 / 7.0).collect();
        if format!("{:?}", param.domain) == "Simplex" {
            let last = *shape.last().unwrap();
            for row in data.chunks_mut(last) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|v| *v /= sum);
            }
        }
        let array = ArrayD::from_shape_vec(IxDyn(&shape), data).unwrap();
        trained.set_param(&param.name, &array).unwrap_or_else(|e| panic!("{e}"));
        values.params.insert(id, array);
    }
    values
}

/// Sets every parameter to one value.
fn level(trained: &mut Trained, value: f64) {
    for (name, array) in trained.params() {
        trained.set_param(&name, &array.mapv(|_| value)).unwrap_or_else(|e| panic!("{e}"));
    }
}

fn id_seed(name: &str) -> usize {
    name.bytes().map(usize::from).sum()
}

/// A row's bound values and its length, for the evaluator.
fn row_of(program: &Program, trained: &Trained, base: &Values, vars: &[VarId], axis: &str, row: usize) -> Values {
    let mut values = base.clone();
    let data = program.data.ids().next().unwrap();
    for &var in vars {
        let name = &program.vars[var].name;
        let (_, column) = trained.compiled().data().bound(data).find(|(n, _)| n == name).unwrap();
        let length = column.length(row);
        let array = (0..length).map(|at| column.value(row, at)).collect();
        values.vars.insert(var, ArrayD::from_shape_vec(IxDyn(&[length]), array).unwrap());
        let (id, _) = program.axes.iter().find(|(_, a)| a.name == axis).unwrap();
        values.lengths.insert(id, length);
    }
    values
}

const TOKENS: &str = "the D\ndog N\nbarks V\n\nit N\nis V\na D\ndog N\n. P\n\n\nbarks V\n\nthe D\ndog N\n";

/// A chain along ragged rows: its mass and best path row by row against the sum over all paths.
fn agrees(text: &str, given: &[&str]) {
    let (_dir, compiled) = good(&[("t.txt", TOKENS)], text);
    let mut trained = compiled.untrained();
    let base = parameters(&mut trained);
    let program = compiled.program().clone();
    let m = model(&program, "m");
    let vars: Vec<VarId> = given.iter().map(|name| variable(&program, m, name)).collect();
    let tag = variable(&program, m, "tag");
    let mut sum = 0.0;
    for row in 0..4 {
        let values = row_of(&program, &trained, &base, &vars, "Token", row);
        let expect = log_partition(&program, m, &values);
        let ask = format!("argmax(tag | {}, row {}) of m on d", given.join(", "), row + 1);
        let answered = trained.ask(&ask).unwrap_or_else(|e| panic!("{e}"));
        let AnswerValue::Entries(entries) = &answered.value else { panic!("{answered:?}") };
        let (best, _) = argmax(&program, m, &values);
        let best: Vec<f64> = best.vars[&tag].iter().copied().collect();
        assert_eq!(entries[0].values[..best.len()], best, "row {row}");
        let ask = format!("mean(tag | {}, row {}) of m on d", given.join(", "), row + 1);
        let mass = trained.ask(&ask).unwrap_or_else(|e| panic!("{e}")).log_mass.unwrap();
        assert!((mass - expect).abs() < 1e-9, "row {row}: {mass} for {expect}");
        sum += expect;
    }
    if text.contains("word[t]: Text ~") {
        let fit = trained.ask("loglik(word) of m on d").unwrap_or_else(|e| panic!("{e}"));
        let AnswerValue::Number(fit) = fit.value else { panic!("{fit:?}") };
        assert!((fit - sum / 4.0).abs() < 1e-9, "{fit} for {}", sum / 4.0);
    }
}

#[test]
fn ragged_chains_agree_with_the_evaluator_row_by_row() {
    let data = "data d = columns(\"t.txt\") { word[Token]: Text; tag[Token]: Tag }\naxis Prev = Tag\n";
    agrees(
        &format!(
            "{data}model m {{
  param start: Simplex[Tag], A[Prev]: Simplex[Tag], B[Tag]: Simplex[Text]
  for t in Token {{
    tag[t]: Tag ~ Categorical(if t is first then start else A[tag[t-1]])
    word[t]: Text ~ Categorical(B[tag[t]])
  }}
}}\n"
        ),
        &["word"],
    );
    agrees(
        &format!(
            "{data}model m(given word[Token]: Text) {{
  param S[Text]: Real[Tag], T[Prev]: Real[Tag], L: Real[Tag]
  for t in Token {{ var tag[t]: Tag; factor S[word[t], tag[t]]; factor T[tag[t-1], tag[t]] }}
}}\n"
        ),
        &["word"],
    );
    // What reads a neighbour outside of the row contributes nothing, at the row's own end.
    agrees(
        &format!(
            "{data}model m(given word[Token]: Text) {{
  param S[Text]: Real[Tag], U[Text]: Real[Tag], V[Text]: Real[Tag]
  for t in Token {{
    var tag[t]: Tag; factor S[word[t], tag[t]]; factor U[word[t+1], tag[t]]; factor V[word[t-1], tag[t]]
  }}
}}\n"
        ),
        &["word"],
    );
}

#[test]
fn words_met_after_training_are_one_state_and_labels_none() {
    let program = "model m { param B: Simplex[Text]\n for t in Token { word[t]: Text ~ Categorical(B) } }\n\
                   train m on d.train { maximise loglik; epochs 1 }\nevaluate fit = loglik of m on d.test\n";
    let files = [("s/train.txt", "b a\na <unk> c\n\n"), ("s/test.txt", "a new b\n")];
    let (_dir, compiled) = good(&files, &format!("data d = text(\"s\") {{ word[Token]: Text }}\n{program}"));
    let axis = compiled.program().axes.iter().find(|(_, a)| a.name == "Text").unwrap().1;
    assert_eq!(axis.labels.as_deref().unwrap(), ["<eos>", "a", "b", "c", "<unk>"]);
    assert_eq!(axis.extent, Some(5));
    assert_eq!(column(&compiled, 0, "word"), [2., 1., 0., 0., 1., 4., 3., 0., 1., 4., 2., 0.]);
    let mut trained = compiled.untrained();
    level(&mut trained, 0.2);
    let AnswerValue::Number(fit) = trained.ask("loglik of m on d.test").unwrap().value else { panic!() };
    assert!((fit + 4.0 * 5f64.ln()).abs() < 1e-9, "{fit}: a row counts for its own four tokens");
    let closed = program.replace("Text", "Vocab");
    let text = format!("data d = text(\"s\") {{ word[Token]: Vocab }}\n{closed}");
    bad(&files, &text, "E0706", "row 1 of the split `test` of column `word` holds the label `new`");
}

#[test]
fn labels_are_what_the_cells_say() {
    let model = "model m { param p: Simplex[Face]\n y: Face ~ Categorical(p) }\n";
    let csv = "y,z\n01,1\n1,2\n1.0,A3\n1e0,1\n";
    let (_dir, compiled) = good(&[("a.csv", csv)], &format!("data d = csv(\"a.csv\") {{ y: Face; z: Z }}\n{model}"));
    assert_eq!(column(&compiled, 0, "y"), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(column(&compiled, 0, "z"), [0.0, 1.0, 2.0, 0.0], "`1, 2, A3` are labels");
    // A state that is called 3 is the one called 3, wherever it stands.
    let text = "data d = csv(\"b.csv\") { y: Face; b: Bool }\nmodel m {\n  param p: Simplex[Face], q: Unit, r: Unit\n  \
                y: Face ~ Categorical(p)\n  b: Bool ~ Bernoulli(if y is 3 then q else r)\n}\n";
    let (_dir, compiled) = good(&[("b.csv", "y,b\n0,no\n3,yes\n1,no\n2,no\n")], text);
    let mut trained = compiled.untrained();
    parameters(&mut trained);
    let params = trained.params();
    let named = |end: &str| params.iter().find(|(name, _)| name.ends_with(end)).unwrap().1.first().copied();
    assert_ne!(named("q"), named("r"));
    for (state, param) in [("0", "r"), ("2", "r"), ("3", "q")] {
        let answered = trained.ask(&format!("P(b | y = {state})")).unwrap();
        let AnswerValue::Distribution { states, .. } = &answered.value else { panic!("{answered:?}") };
        let (_, yes) = states.iter().find(|(of, _)| of == &["yes"]).unwrap();
        let (_, value) = params.iter().find(|(name, _)| name.ends_with(param)).unwrap();
        assert!((yes - value.first().unwrap()).abs() < 1e-12, "{state}");
    }
    let told = trained.ask("P(b | y = 4)").expect_err("there is no such state").to_string();
    assert!(told.contains("E0208"), "{told}");
    // Without a body the labels come too late for the model: said, and not guessed.
    bad(
        &[("b.csv", "y,b\n0,no\n3,yes\n1,no\n2,no\n")],
        &text.replace(" { y: Face; b: Bool }", ""),
        "E0208",
        "before its labels are known",
    );
    // Words of a `Bool` are fixed; anything else is told with its line.
    bad(
        &[("b.csv", "y,b\n0,off\n1,on\n")],
        text.replace("y is 3", "y is 1").as_str(),
        "E0707",
        "`off` in column `b` on line 2 of",
    );
}

#[test]
fn the_labels_of_a_large_file_are_not_guessed_at() {
    let mut csv = String::from("y,b\n");
    (0..900_000).for_each(|i| csv.push_str(if i % 2 == 0 { "0,no\n" } else { "3,yes\n" }));
    let text = "data d = csv(\"b.csv\") { y: Face; b: Bool }\nmodel m {\n  y: Face ~ Categorical(uniform)\n  \
                b: Bool ~ Bernoulli(if y is 3 then 0.1 else 0.2)\n}\n";
    bad(&[("b.csv", &csv)], text, "E0208", "is known only once the data are read");
}

#[test]
fn the_first_data_that_bind_an_enumeration_say_its_labels() {
    let text = "data a = csv(\"a.csv\") { y: Face }\ndata b = csv(\"b.csv\") { y: Face }\n\
                model m { param p: Simplex[Face]\n y: Face ~ Categorical(p) }\n";
    bad(&[("a.csv", "y\nu\nv\n"), ("b.csv", "y\nu\nw\n")], text, "E0706", "row 2 of column `y` holds the label `w`");
    let (_dir, compiled) = good(&[("a.csv", "y\nu\nv\n"), ("b.csv", "y\nv\n")], text);
    assert_eq!(column(&compiled, 1, "y"), [1.0]);
}

#[test]
fn a_flat_column_fills_several_axes() {
    let text = |axes: &str| {
        format!(
            "{axes}\ndata d = dataset(\"digits\") {{ x: Bool[Y0, X0] = soft(image) }}\n\
             model m {{ param p: Unit[Y0, X0]\n x: Bool[Y0, X0] ~ Bernoulli(p) }}\n"
        )
    };
    let (_dir, compiled) = good(&[], &text("axis Y0 = 8; axis X0 = 8"));
    let id = compiled.program().data.ids().next().unwrap();
    let (_, x) = compiled.data().bound(id).next().unwrap();
    assert_eq!((x.shape.as_slice(), x.value(0, 3)), (&[8, 8][..], 13.0 / 16.0));
    let (_dir, compiled) = good(&[], &text("axis Y0 = 4; axis X0 = 16"));
    assert_eq!(compiled.data().bound(id).next().unwrap().1.shape, [4, 16]);
    bad(&[], &text("axis Y0 = 8; axis X0 = 7"), "E0710", "do not fill 8 times 7");
    bad(&[], &text("axis Y0 = 8"), "E0710", "how long `X0` is remains open");
}

#[test]
fn columns_are_scaled_by_numbers() {
    let csv = [("a.csv", "v,k\n0,a\n51,b\n255,a\n")];
    let model = "model m { param q: Unit\n x: Bool ~ Bernoulli(q) }\n";
    let text = format!(
        "data d = csv(\"a.csv\") {{ u: Unit = v / 255; w: Real = 2 * v; n: Real = v * -0.5; x: Bool = soft(v / 255); h: Bool = v / 255 > 0.1 }}\n{model}"
    );
    let (_dir, compiled) = good(&csv, &text);
    assert_eq!(column(&compiled, 0, "u"), [0.0, 0.2, 1.0]);
    assert_eq!(column(&compiled, 0, "w"), [0.0, 102.0, 510.0]);
    assert_eq!(column(&compiled, 0, "n"), [0.0, -25.5, -127.5]);
    assert_eq!(column(&compiled, 0, "x"), [0.0, 0.2, 1.0]);
    bad(&csv, &format!("data d = csv(\"a.csv\") {{ x: Bool = soft(v) }}\n{model}"), "E0707", "row 2");
    bad(
        &csv,
        &format!("data d = csv(\"a.csv\") {{ u: Unit = v / 0; x: Bool = v > 1 }}\n{model}"),
        "E0109",
        "nothing is left",
    );
    bad(
        &csv,
        &format!("data d = csv(\"a.csv\") {{ y: Kind = k / 2; x: Bool = v > 1 }}\n{model}"),
        "E0403",
        "does not give",
    );
}

#[test]
fn draws_are_made_for_the_rows_of_other_data() {
    let text = "data digits = dataset(\"digits\") { image: Unit[Pixel]; label: Digit }
axis Site = positive, negative
model scanner(given image: Unit[Pixel], given label: Digit) {
  s: Site        ~ Categorical(uniform)
  y: Digit       = label
  x: Bool[Pixel] ~ Bernoulli(if s is negative then 1 - image else image)
}
data scans = sample(scanner, digits.test, seed = 1) { x: Bool[Pixel]; y: Digit; s: Site; image: Unit[Pixel] }
data few = scans { y: Digit = reveal(y, 20, balanced = yes) }
model m { param p: Simplex[Digit], q[Digit]: Unit[Pixel]
  y: Digit ~ Categorical(p)
  x: Bool[Pixel] ~ Bernoulli(q[y])
}
train m on scans { maximise loglik; epochs 1 }
";
    let (_dir, compiled) = good(&[], text);
    let (x, y, s, image) = (
        column(&compiled, 1, "x"),
        column(&compiled, 1, "y"),
        column(&compiled, 1, "s"),
        column(&compiled, 1, "image"),
    );
    assert_eq!((x.len(), y.len(), s.len()), (359 * 64, 359, 359));
    let digits = compiled.program().data.ids().next().unwrap();
    let rows: Vec<usize> = (0..359).map(|i| 5 * i + 4).collect();
    let label = compiled.data().bound(digits).find(|(n, _)| *n == "label").unwrap().1.gather::<f64>(&rows);
    assert_eq!(y, label, "a row keeps its own label");
    let mut negatives = 0;
    for row in 0..359 {
        negatives += s[row] as usize;
        for at in 64 * row..64 * (row + 1) {
            let sure = image[at] == 0.0 || image[at] == 1.0;
            assert!(!sure || x[at] == if s[row] == 1.0 { 1.0 - image[at] } else { image[at] }, "row {row}");
        }
    }
    assert!((140..220).contains(&negatives), "{negatives} of 359");
    let few = compiled.program().data.ids().nth(2).unwrap();
    let revealed = compiled.data().bound(few).find(|(n, _)| *n == "y").unwrap().1;
    assert_eq!((0..359).filter(|&row| !revealed.is_absent(row, 0)).count(), 20);
    bad(&[], &text.replace("image: Unit[Pixel]; label", "label"), "E0702", "does not say what `image` is");
}

#[test]
fn computed_columns_are_refused_at_their_place() {
    let net = "axis F = 2; axis Window = 3\nnet features(x: Real[Window]) -> Real[F] { dense }\n";
    let model = "model m(given y[Frame]: Real[F]) { param w: Real[F]\n for t in Frame { s[t]: Bool ~ Bernoulli(logit = w @ y[t]) } }\n";
    let files = [("a.jsonl", "{\"x\": [1, 2, 3], \"s\": [true, false, true]}\n{\"x\": [4], \"s\": [false]}\n")];
    let data = |value: &str| {
        format!("data d = jsonl(\"a.jsonl\") {{ x[Frame]: Real; s[Frame]: Bool; y[Frame]: Real[F] = {value} }}\n")
    };
    bad(
        &files,
        &format!("{net}{}{model}", data("features(window(x, Window))")),
        "E0606",
        "computed from other columns",
    );
    bad(&files, &format!("{net}{}{model}", data("features(window(x, 3))")), "E0301", "declare `axis Window = 3`");
    bad(&files, &format!("{net}{}{model}", data("features(window(x, Frame))")), "E0302", "already runs along `Frame`");
}

#[test]
fn texts_are_taken_apart_into_words() {
    let tsv = [("n.tsv", "topic\ttext\nb\tone two one\na\ttwo\nb\t?\n")];
    let text = "data d = tsv(\"n.tsv\") { word[Token]: Vocab = words(text); again[Token]: Vocab = words(text); topic: Topic }\n\
                model m { param p: Simplex[Vocab]\n for t in Token { word[t]: Vocab ~ Categorical(p) } }\n";
    let (_dir, compiled) = good(&tsv, text);
    assert_eq!(column(&compiled, 0, "word"), [0., 1., 0., 1., 0., 0., 0., 0., 0.]);
    let id = compiled.program().data.ids().next().unwrap();
    let again = compiled.data().bound(id).find(|(n, _)| *n == "again").unwrap().1;
    assert_eq!([0, 1, 2].map(|row| again.length(row)), [3, 1, 0]);
    let uneven = "data d = jsonl(\"u.jsonl\") { a[T]: A; b[T]: A }\nmodel m { param p: Simplex[A]\n for t in T { a[t]: A ~ Categorical(p) } }\n";
    let lines = "{\"a\": [\"x\"], \"b\": [\"y\"]}\n{\"a\": [\"x\", \"y\"], \"b\": [\"y\"]}\n";
    bad(&[("u.jsonl", lines)], uneven, "E0710", "row 2 of `b` has 1 entries along `T`");
}

#[test]
fn two_files_share_a_ragged_axis() {
    let text = "data d = columns(\"a.txt\") { tag[Token]: Tag }\ndata more = columns(\"b.txt\") { tag[Token]: Tag }\n\
                model m { param p: Simplex[Tag]\n for t in Token { tag[t]: Tag ~ Categorical(p) } }\n\
                train m on d { maximise loglik; epochs 1 }\n";
    let (_dir, compiled) = good(&[("a.txt", "x\ny\n\nx\n"), ("b.txt", "x\nx\ny\ny\n\ny\n")], text);
    let extents: BTreeMap<&str, Option<usize>> =
        compiled.program().axes.iter().map(|(_, a)| (a.name.as_str(), a.extent)).collect();
    assert_eq!(extents["Token"], Some(4), "as long as the longest row of all data");
    let mut trained = compiled.untrained();
    level(&mut trained, 0.5);
    for (data, tokens) in [("d", 1.5), ("more", 2.5)] {
        let AnswerValue::Number(fit) = trained.ask(&format!("loglik of m on {data}")).unwrap().value else { panic!() };
        assert!((fit + tokens * 2f64.ln()).abs() < 1e-9, "{data}: {fit}");
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_told() {
    let text = "data d = csv(\"a.csv\") { x: Bool }\nmodel m { param q: Unit\n x: Bool ~ Bernoulli(q) }\n\
                train m on d { maximise loglik with sgd(0.1, batch = 1); epochs 6 }\n";
    let (dir, compiled) = good(&[("a.csv", "x\nyes\nno\n")], text);
    let kept = dir.path().join("kept");
    let run = |resume: bool| {
        let mut seen = Collected::default();
        let compiled = compiled.clone().with_checkpoints(kept.clone(), std::time::Duration::ZERO, resume);
        compiled.train(&std::sync::atomic::AtomicBool::new(false), &mut seen).unwrap_or_else(|e| panic!("{e}"));
        seen.0.into_iter().filter(|e| matches!(e, Event::DamagedCheckpoint { .. })).collect::<Vec<_>>()
    };
    assert_eq!(run(false), []);
    let mut files: Vec<_> = std::fs::read_dir(&kept).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.file_name().is_some_and(|name| name != "lock"));
    files.sort();
    assert!(files.len() > 1, "{files:?}");
    let newest = files.pop().unwrap();
    std::fs::write(&newest, b"cut").unwrap();
    let told = run(true);
    assert!(
        matches!(&told[..], [Event::DamagedCheckpoint { path, detail }] if *path == newest && !detail.is_empty()),
        "{told:?}"
    );
}
