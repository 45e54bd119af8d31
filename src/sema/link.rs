//! `use`: the items of other files, each under the name that the using file gives, put beside its own. What those files train and ask
//! stays theirs. A file's only definition goes by the name after `as` alone; otherwise `as u` gives `u.name`.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::span::FileId;
use crate::diag::{Code, Diagnostic, Problems, nearest};
use crate::syntax::ast::*;
use crate::syntax::rewrite::{self, Rewrite};

use super::Input;
use super::library::{library, resolve};

/// Files that use one another, the first of all included.
const MOST_FILES: usize = 64;

/// The file with what it uses put in; none if it uses nothing.
///
/// # Errors
/// E0209: a file that is not there, that uses itself, or too many of them.
pub fn link(file: &File, input: &Input, problems: &mut Problems) -> Option<File> {
    if !file.items.iter().any(|i| matches!(i, Item::Use(_))) {
        return None;
    }
    let mut linker = Linker { input, problems, inside: Vec::new(), count: 0 };
    Some(linker.file(file))
}

struct Linker<'a> {
    input: &'a Input,
    problems: &'a mut Problems,
    /// The files being put in, outermost first.
    inside: Vec<String>,
    /// How many were put in.
    count: usize,
}

impl Linker<'_> {
    fn file(&mut self, file: &File) -> File {
        let mut linked = File { file: file.file, items: Vec::new(), comments: file.comments.clone() };
        let mut brought: Vec<Item> = Vec::new();
        for item in &file.items {
            let Item::Use(u) = item else {
                linked.items.push(item.clone());
                continue;
            };
            if let Some(items) = self.used(u, file.file) {
                brought.extend(items);
            }
        }
        let mut join = Join { items: brought.iter().filter_map(|i| Some(named(i)?.text.clone())).collect() };
        linked.items.iter_mut().for_each(|i| rewrite::item(&mut join, i));
        linked.items.extend(brought);
        linked
    }

    /// What a `use` brings.
    fn used(&mut self, u: &Use, user: FileId) -> Option<Vec<Item>> {
        let user = self.input.names.get(&user).map(String::as_str).unwrap_or_default();
        let name = resolve(user, &u.source.text);
        let Some(tree) = self.input.used.get(&name) else {
            self.problems.push(self.missing(u, &name));
            return None;
        };
        if self.inside.contains(&name) || self.count >= MOST_FILES {
            let message = match self.inside.contains(&name) {
                true => format!("`{}` uses itself", u.source.text),
                false => format!("more than {MOST_FILES} files use one another"),
            };
            let mend = "take what both need into a file of its own";
            self.problems.push(Diagnostic::at(Code::UnknownFile, u.source.span, message).help(mend));
            return None;
        }
        self.count += 1;
        self.inside.push(name);
        let mut items = self.file(tree).items;
        self.inside.pop();
        items.retain(|i| {
            matches!(
                i,
                Item::Axis(_)
                    | Item::Param(_)
                    | Item::Net(_)
                    | Item::Model(_)
                    | Item::Guide(_)
                    | Item::Objective(_)
                    | Item::Schedule(_)
                    | Item::Infer(_)
            )
        });
        let defines = |i: &&Item| matches!(i, Item::Net(_) | Item::Model(_) | Item::Objective(_) | Item::Schedule(_));
        let own: Vec<&str> = tree.items.iter().filter(defines).filter_map(|i| Some(named(i)?.text.as_str())).collect();
        let mut names = BTreeMap::new();
        for item in &items {
            let list: Vec<&str> = match item {
                Item::Param(p) => p.list.iter().map(|p| p.decl.name.text.as_str()).collect(),
                item => named(item).into_iter().map(|n| n.text.as_str()).collect(),
            };
            for name in list {
                let new = match own.as_slice() {
                    [only] if *only == name => u.name.text.clone(),
                    _ => format!("{}.{name}", u.name.text),
                };
                names.insert(name.to_string(), new);
            }
        }
        for item in &mut items {
            let local = locals(item);
            rewrite::item(&mut Rename { names: &names, local }, item);
            if let Item::Param(list) = item {
                for param in &mut list.list {
                    param.decl.name.text = names[&param.decl.name.text].clone();
                }
            }
        }
        if items.is_empty() {
            let message = format!("`{}` defines nothing that can be used", u.source.text);
            let mend = "models, nets, objectives and schedules can be; its training and its questions stay its own";
            self.problems.push(Diagnostic::at(Code::UnknownFile, u.source.span, message).help(mend));
        }
        Some(items)
    }

    fn missing(&self, u: &Use, name: &str) -> Diagnostic {
        let source = u.source.text.as_str();
        let at = Diagnostic::at(Code::UnknownFile, u.source.span, format!("there is no `{name}` to use"));
        if !name.starts_with("stdlib/") {
            return at
                .help("a path starts where this file lies; a bare word without an ending is the standard library's");
        }
        let all: Vec<String> = library()
            .into_iter()
            .map(|(n, _)| n.trim_start_matches("stdlib/").trim_end_matches(".ghm").to_string())
            .collect();
        at.help(match nearest(source, all.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "the standard library has {}; a file of yours is named with its ending, `\"{source}.ghm\"`",
                all.join(", ")
            ),
        })
    }
}

/// The name an item defines.
fn named(item: &Item) -> Option<&Name> {
    Some(match item {
        Item::Axis(a) => &a.name,
        Item::Net(n) => &n.name,
        Item::Model(m) => &m.name,
        Item::Objective(o) => &o.name,
        Item::Schedule(s) => &s.name,
        _ => return None,
    })
}

/// Names that an item declares for itself, and which hide the file's.
fn locals(item: &Item) -> BTreeSet<String> {
    fn statements(list: &[Stmt], names: &mut BTreeSet<String>) {
        let mut add = |d: &Decl| {
            names.insert(d.name.text.clone());
        };
        for statement in list {
            match statement {
                Stmt::Param(p) => p.list.iter().for_each(|p| add(&p.decl)),
                Stmt::Var { decls, .. } => decls.iter().for_each(&mut add),
                Stmt::Random { left, .. } | Stmt::Equal { left, .. } => left.decls.iter().for_each(&mut add),
                Stmt::Axis { .. } | Stmt::Factor { .. } | Stmt::For { .. } => {}
            }
        }
        for statement in list {
            if let Stmt::For { binders, body, .. } = statement {
                names.extend(binders.iter().map(|b| b.index.text.clone()));
                statements(&body.statements, names);
            }
        }
    }
    let mut names = BTreeSet::new();
    match item {
        Item::Net(n) => names.extend(n.inputs.iter().map(|d| d.name.text.clone())),
        Item::Model(m) => {
            names.extend(m.ports.iter().flatten().map(|p| p.decl.name.text.clone()));
            statements(&m.body.statements, &mut names);
        }
        Item::Guide(g) => statements(&g.body.statements, &mut names),
        Item::Objective(o) => names.extend(o.formals.args.iter().chain(&o.formals.given).map(|f| f.name.text.clone())),
        Item::Schedule(s) => names.extend(s.formals.args.iter().chain(&s.formals.given).map(|f| f.name.text.clone())),
        _ => {}
    }
    names
}

/// Gives items their new names, where they are defined and where they are used.
struct Rename<'a> {
    names: &'a BTreeMap<String, String>,
    local: BTreeSet<String>,
}

impl Rewrite for Rename<'_> {
    fn path(&mut self, path: &mut Path) {
        let Some(first) = path.parts.first_mut() else { return };
        if let Some(new) = self.names.get(&first.text).filter(|_| !self.local.contains(&first.text)) {
            first.text = new.clone();
        }
    }

    fn item(&mut self, name: &mut Name) {
        if let Some(new) = self.names.get(&name.text) {
            name.text = new.clone();
        }
    }
}

/// Joins `u.name` where the two are one name.
struct Join {
    items: BTreeSet<String>,
}

impl Rewrite for Join {
    fn path(&mut self, path: &mut Path) {
        let [first, second, ..] = path.parts.as_slice() else { return };
        let text = format!("{}.{}", first.text, second.text);
        if self.items.contains(&text) {
            let name = Name { text, span: first.span.to(second.span) };
            path.parts.splice(..2, [name]);
        }
    }
}
