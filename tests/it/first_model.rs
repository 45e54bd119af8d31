//! The page that takes a newcomer to a model of his own is followed word for word: each `sh` block is run in one folder, and what it prints
//! is the `text` block behind it. `UPDATE_UI=1` keeps what is printed now.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use crate::cli::{Place, program};
use crate::house::root;

/// What a block of commands prints, in that folder.
fn run(commands: &str, dir: &Path) -> String {
    let bin = Path::new(program()).parent().expect("a folder of programs");
    let path = env::var("PATH").expect("a path");
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", commands])
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("NO_COLOR", "1")
        .env_remove("GHM_DATA")
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_page_for_newcomers_is_true() {
    let path = root().join("docs/first-model.md");
    let page = fs::read_to_string(&path).expect("the page");
    let place = Place::new();
    let mut told = String::new();
    let mut printed = String::new();
    let mut parts = page.split("```");
    let mut blocks = 0;
    // Prose and fenced blocks in turn.
    while let Some(prose) = parts.next() {
        told += prose;
        let Some(block) = parts.next() else { break };
        let (kind, text) = block.split_once('\n').expect("a block of lines");
        told += "```";
        told += kind;
        told.push('\n');
        match kind {
            "sh" => {
                printed = run(text, &place.path(""));
                blocks += 1;
                told += text;
            }
            "text" => told += &printed,
            _ => told += text,
        }
        told += "```";
    }
    assert!(blocks >= 8, "{blocks} blocks of commands");
    if env::var_os("UPDATE_UI").is_some() {
        fs::write(&path, &told).expect("the page");
    }
    assert_eq!(page, told, "UPDATE_UI=1 keeps what is printed now");
}
