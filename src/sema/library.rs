//! The standard library: files of the language itself, embedded. An objective or a schedule that is called like its file is known
//! everywhere; whatever else a file defines has that file's name before its own, and comes by `use`.

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

use crate::base::span::Sources;
use crate::diag::Problems;
use crate::syntax::{self, ast};

static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/stdlib");

/// What its files define, each with the file's word, as `use` calls it.
static ITEMS: LazyLock<Vec<(String, ast::Item)>> = LazyLock::new(|| {
    let mut items = Vec::new();
    for (name, text) in library() {
        let mut sources = Sources::default();
        let word = name.trim_start_matches("stdlib/").trim_end_matches(".ghm").to_string();
        let file = sources.add(name, text);
        let tree = syntax::parse(&sources, file, &mut Problems::new());
        items.extend(tree.items.into_iter().map(|item| (word.clone(), item)));
    }
    items
});

/// The name of what a file may use.
fn name_of(item: &ast::Item) -> Option<&str> {
    match item {
        ast::Item::Objective(o) => Some(&o.name.text),
        ast::Item::Schedule(s) => Some(&s.name.text),
        ast::Item::Model(m) => Some(&m.name.text),
        ast::Item::Net(n) => Some(&n.name.text),
        _ => None,
    }
}

/// The objectives and schedules that are known without a `use`: those that have the name of their file.
pub fn known() -> impl Iterator<Item = &'static ast::Item> {
    let bare = |(word, item): &&(String, ast::Item)| {
        matches!(item, ast::Item::Objective(_) | ast::Item::Schedule(_)) && name_of(item) == Some(word)
    };
    ITEMS.iter().filter(bare).map(|(_, item)| item)
}

/// How something of the library is come by that a file calls by a name nothing here has: by its own (`sigmoid`), or by that of its file
/// before it (`layers.sigmoid`).
pub fn mend(name: &str) -> Option<String> {
    let (file, own) = name.split_once('.').unwrap_or(("", name));
    let (word, _) =
        ITEMS.iter().find(|(word, item)| name_of(item) == Some(own) && (file.is_empty() || file == word))?;
    let call = if ITEMS.iter().filter(|(w, i)| w == word && name_of(i).is_some()).count() > 1 {
        format!("{word}.{own}")
    } else {
        word.clone()
    };
    Some(format!("it is in the standard library: `use \"{word}\" as {word}`, and then `{call}`"))
}

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
