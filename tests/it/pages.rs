//! The pages of `docs/errors/` tell the truth: their wrong programs get exactly their code, with the message shown, and their right ones none.

use std::{env, fs};

use ghmc::diag::{Code, Style, render_all};
use ghmc::pipeline::{Compiled, Settings};

use super::house::root;

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
    let drawn: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    (list.iter().map(|d| d.code).collect(), drawn.join("\n").trim_matches('\n').to_string() + "\n")
}

/// What is wrong with a code's page, and the page with its messages as they are drawn now.
fn examine(code: Code, page: &str) -> (Vec<String>, String) {
    let number = code.number();
    let (mut wrong, mut mended) = (Vec::new(), page.to_string());
    let title = format!("# {number}: {}\n", code.title());
    if !page.starts_with(&title) {
        wrong.push(format!("{number}: the page does not begin with `{}`", title.trim_end()));
    }
    let blocks = blocks(page);
    for (at, block) in blocks.iter().enumerate() {
        let (codes, drawn) = match block.kind.as_str() {
            "ghm wrong" => told("wrong.ghm", &block.text),
            "ghm right" => told("right.ghm", &block.text),
            _ => continue,
        };
        if block.kind == "ghm right" && !codes.is_empty() {
            wrong.push(format!("{number}: the right program is not:\n{drawn}"));
        }
        if block.kind == "ghm wrong" {
            if codes.is_empty() || codes.iter().any(|&c| c != code) {
                wrong.push(format!("{number}: the wrong program gets {codes:?}:\n{drawn}"));
            }
            match blocks.get(at + 1).filter(|b| b.kind == "text") {
                Some(shown) if shown.text == drawn => {}
                Some(shown) => {
                    wrong.push(format!("{number}: another message is shown (UPDATE_UI=1 keeps the new one):\n{drawn}"));
                    let fence = |program: &str, message: &str| format!("{program}```\n\n```text\n{message}```");
                    mended = mended.replacen(&fence(&block.text, &shown.text), &fence(&block.text, &drawn), 1);
                }
                None => wrong.push(format!("{number}: no message is shown for the wrong program")),
            }
        }
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
    assert!(wrong.iter().any(|w| w.contains("the wrong program gets []")), "{wrong:?}");
    assert_eq!(
        examine(Code::BadTable, page).0[0],
        "E0404: the page does not begin with `# E0404: a table with rows missing or repeated`"
    );
}
