//! The standard library: files of the language itself, embedded. Its objectives and schedules are known everywhere; its models and nets come by `use`.

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

use crate::base::span::Sources;
use crate::diag::Problems;
use crate::syntax::{self, ast};

static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/stdlib");

/// The objectives and schedules of all its files.
pub static KNOWN: LazyLock<Vec<ast::Item>> = LazyLock::new(|| {
    let mut items = Vec::new();
    for (name, text) in library() {
        let mut sources = Sources::default();
        let file = sources.add(name, text);
        let tree = syntax::parse(&sources, file, &mut Problems::new());
        items.extend(tree.items.into_iter().filter(|i| matches!(i, ast::Item::Objective(_) | ast::Item::Schedule(_))));
    }
    items
});

/// The files of the standard library: the name by which diagnostics call each, and its text; in the order of their names.
pub fn library() -> Vec<(String, &'static str)> {
    let mut files: Vec<(String, &'static str)> = FILES
        .files()
        .filter_map(|f| Some((format!("stdlib/{}", f.path().file_name()?.to_str()?), f.contents_utf8()?)))
        .filter(|(name, _)| name.ends_with(".ghm"))
        .collect();
    files.sort();
    files
}

/// The name under which the text that `use "what"` means is found, in a file of that name: a bare word is a file of the standard library,
/// anything else a path from where the using file lies.
pub fn resolve(user: &str, what: &str) -> String {
    if !what.contains(['/', '.', '\\']) {
        return format!("stdlib/{what}.ghm");
    }
    match user.rsplit_once('/') {
        Some((dir, _)) if !what.starts_with('/') => format!("{dir}/{what}"),
        _ => what.to_string(),
    }
}
