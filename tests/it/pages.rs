//! The pages of `docs/errors/` tell the truth: their wrong programs and commands get exactly their code, with the message shown,
//! and their right ones none.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use ghmc::diag::{Code, Style, render_all};
use ghmc::pipeline::{Compiled, Settings};

use super::house::root;

/// Codes whose example is no program and no command that fails: an image is made by the program itself (`it/data/report.rs`), it
/// takes two processes to be in each other's way (`it/shows/unknown.rs`), what is remarked of a run is no failure
/// (`it/shows/parts.rs`), and columns that a net computes are planned for and not bound yet (`ui/plan/warned.ghm`).
const ELSEWHERE: [&str; 4] = ["E0909", "E0910", "W0501", "W0801"];

/// A fenced block: what stands behind the opening fence, and its lines.
struct Block {
    kind: String,
    text: String,
}

/// The fenced blocks of a page, in order.
fn blocks(page: &str) -> Vec<Block> {
    let mut list: Vec<Block> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(kind), false) => list.push(Block { kind: kind.to_string(), text: String::new() }),
            (None, true) => {
                let block = list.last_mut().expect("an open block");
                block.text.push_str(line);
                block.text.push('\n');
            }
            _ => {}
        }
        open ^= line.starts_with("```");
    }
    list
}

/// The codes that a program gets, and all that is told of it.
fn told(name: &str, text: &str) -> (Vec<Code>, String) {
    let (problems, sources) = match Compiled::of_text(name, text, Settings::default()) {
        Ok(compiled) => (compiled.warnings().clone(), compiled.sources().clone()),
        Err(failed) => (failed.problems, failed.sources),
    };
    let (list, left_out) = problems.sorted();
    let drawn = match list.is_empty() {
        true => String::new(),
        false => render_all(&list, left_out, &sources, Style::PLAIN),
    };
    (list.iter().map(|d| d.code).collect(), trimmed(&drawn))
}

/// What the last of some commands says on standard error, all of them run in this folder; the earlier ones must succeed.
fn said(folder: &Path, commands: &str) -> Result<(bool, String), String> {
    let program = Path::new(env!("CARGO_BIN_EXE_ghmc"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut last = (true, String::new());
    for command in commands.lines().map(|line| line.strip_prefix("$ ").expect("a command begins with `$ `")) {
        if !last.0 {
            return Err(format!("a command before `{command}` fails:\n{}", last.1));
        }
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .env("PATH", &path)
            .env_remove("GHM_DATA")
            .env("NO_COLOR", "1")
            .output()
            .map_err(|e| format!("no shell: {e}"))?;
        last = (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(last)
}

/// The bytes of a block that is a file.
fn content(kind: &str, text: &str) -> Vec<u8> {
    match kind.starts_with("hex ") {
        false => text.into(),
        true => text.split_whitespace().map(|two| u8::from_str_radix(two, 16).expect("two digits")).collect(),
    }
}

/// The lines of a message without what stands at their ends.
fn trimmed(drawn: &str) -> String {
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_string() + "\n"
}

/// What is wrong with a code's page, and the page with its messages as they are drawn now.
fn examine(code: Code, page: &str) -> (Vec<String>, String) {
    let number = code.number();
    let (mut wrong, mut mended) = (Vec::new(), page.to_string());
    let title = format!("# {number}: {}\n", code.title());
    if !page.starts_with(&title) {
        wrong.push(format!("{number}: the page does not begin with `{}`", title.trim_end()));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let blocks = blocks(page);
    let (mut wrongs, mut rights) = (0, 0);
    for (at, block) in blocks.iter().enumerate() {
        if let Some((_, name)) = block.kind.split_once(" file ") {
            fs::write(folder.path().join(name), content(&block.kind, &block.text)).expect("a file");
            continue;
        }
        let is_wrong = block.kind.ends_with(" wrong");
        let (codes, drawn) = match block.kind.as_str() {
            "ghm wrong" => told("wrong.ghm", &block.text),
            "ghm right" => told("right.ghm", &block.text),
            "sh wrong" | "sh right" => match said(folder.path(), &block.text) {
                Err(why) => {
                    wrong.push(format!("{number}: {why}"));
                    continue;
                }
                Ok((true, _)) => (Vec::new(), String::new()),
                Ok((false, drawn)) => {
                    let codes = drawn.lines().filter_map(Code::find).collect::<Vec<_>>();
                    if codes.is_empty() {
                        wrong.push(format!("{number}: no code is told:\n{drawn}"));
                    }
                    (codes, trimmed(&drawn))
                }
            },
            _ => continue,
        };
        (wrongs, rights) = (wrongs + usize::from(is_wrong), rights + usize::from(!is_wrong));
        if !is_wrong && !codes.is_empty() {
            wrong.push(format!("{number}: what is right is not:\n{drawn}"));
        }
        if is_wrong {
            if codes.is_empty() || codes.iter().any(|&c| c != code) {
                wrong.push(format!("{number}: what is wrong gets {codes:?}:\n{drawn}"));
            }
            match blocks.get(at + 1).filter(|b| b.kind == "text") {
                Some(shown) if shown.text == drawn => {}
                Some(shown) => {
                    wrong.push(format!("{number}: another message is shown (UPDATE_UI=1 keeps the new one):\n{drawn}"));
                    let fence = |program: &str, message: &str| format!("{program}```\n\n```text\n{message}```");
                    mended = mended.replacen(&fence(&block.text, &shown.text), &fence(&block.text, &drawn), 1);
                }
                None => wrong.push(format!("{number}: no message is shown for what is wrong")),
            }
        }
    }
    if (wrongs == 0 || rights == 0) && !ELSEWHERE.contains(&number) {
        wrong.push(format!("{number}: {wrongs} wrong and {rights} right examples"));
    }
    (wrong, mended)
}

#[test]
fn pages_tell_the_truth() {
    let mut wrong = Vec::new();
    for &code in Code::ALL {
        let path = root().join(format!("docs/errors/{}.md", code.number()));
        let page = fs::read_to_string(&path).unwrap_or_default();
        let (complaints, mended) = examine(code, &page);
        wrong.extend(complaints);
        if env::var_os("UPDATE_UI").is_some() && mended != page {
            fs::write(&path, mended).expect("a writable page");
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_page_that_lies_is_found() {
    let page = "# E0402: a value outside its domain\n\n```ghm wrong\nmodel m { x: Bool ~ Bernoulli(0.5) }\n```\n\n```text\n```\n";
    let (wrong, _) = examine(Code::OutsideSupport, page);
    assert!(wrong.iter().any(|w| w.contains("what is wrong gets []")), "{wrong:?}");
    assert!(wrong.iter().any(|w| w.contains("1 wrong and 0 right")), "{wrong:?}");
    let page = "# E0402: a value outside its domain\n\n```sh wrong\n$ ghmc check nothing.ghm\n```\n\n```text\n```\n";
    let (wrong, _) = examine(Code::OutsideSupport, page);
    assert!(wrong.iter().any(|w| w.contains("what is wrong gets [MissingFile]")), "{wrong:?}");
    assert_eq!(
        examine(Code::BadTable, page).0[0],
        "E0404: the page does not begin with `# E0404: a table with rows missing or repeated`"
    );
}
