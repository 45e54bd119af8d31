//! Bad programs: each annotated with the codes it must give, and its whole rendering kept beside it.

use std::path::Path;
use std::{env, fs};

use ghmc::base::span::{FileId, Sources};
use ghmc::diag::{Problems, Style, render_all};
use ghmc::syntax::parse;

/// `#~ E0101` at the end of a line expects that code on that line; `#~^ E0101` on the line above it.
fn expectations(text: &str) -> Vec<(usize, String)> {
    let mut list = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for part in line.split("#~").skip(1) {
            let up = part.chars().take_while(|&c| c == '^').count();
            if let Some(code) = part[up..].split_whitespace().next() {
                list.push((index + 1 - up, code.to_string()));
            }
        }
    }
    list.sort();
    list
}

#[test]
fn bad_programs_get_their_messages() {
    cases("syntax", &|sources, file, problems| {
        parse(sources, file, problems);
    });
}

/// Runs every case of a stage.
pub fn cases(stage: &str, run: &dyn Fn(&Sources, FileId, &mut Problems)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui").join(stage);
    let mut files: Vec<_> = fs::read_dir(&folder).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    let mut failures = Vec::new();
    let mut seen = 0;
    for path in files.iter().filter(|p| p.extension().is_some_and(|e| e == "ghm")) {
        seen += 1;
        let text = fs::read_to_string(path).expect("a readable case");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut sources = Sources::default();
        let file = sources.add(name.clone(), text.as_str());
        let mut problems = Problems::new();
        run(&sources, file, &mut problems);
        let (list, left_out) = problems.sorted();
        let mut found: Vec<(usize, String)> = list
            .iter()
            .filter_map(|d| Some((sources.file(file).line_column(d.span()?.start).0, d.code.number().to_string())))
            .collect();
        found.sort();
        if found != expectations(&text) {
            failures.push(format!("{name}: expected {:?}, found {found:?}", expectations(&text)));
        }
        let drawn = render_all(&list, left_out, &sources, Style::PLAIN);
        let golden = path.with_extension("stderr");
        if env::var_os("UPDATE_UI").is_some() {
            fs::write(&golden, &drawn).expect("a writable golden");
        } else if fs::read_to_string(&golden).unwrap_or_default() != drawn {
            failures.push(format!("{name}: the message changed (UPDATE_UI=1 keeps the new one):\n{drawn}"));
        }
    }
    assert!(seen > 0, "no cases in {}", folder.display());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
