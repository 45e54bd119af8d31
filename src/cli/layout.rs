//! `ghmc fmt`: files into the one layout, or the news that they are not in it.

use std::io::Write;
use std::path::Path;

use ghmc::base::span::Sources;
use ghmc::diag::{Code, Diagnostic, Problems};
use ghmc::pipeline::Failed;
use ghmc::syntax;

use super::args::FmtArgs;
use super::open::read_text;
use super::terminal::Terminal;
use super::trouble::{Trouble, exit, print};

/// Formats each file; one that cannot be read or parsed is told of and left alone, and the others are done.
pub fn layout(args: &FmtArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    let mut code = exit::DONE;
    for path in &args.files {
        match layout_file(path) {
            Ok(None) => {}
            Ok(Some(_)) if args.check => {
                print(&format!("{}\n", path.display()))?;
                code = code.max(exit::INPUT);
            }
            Ok(Some(text)) => match replace(path, &text) {
                Ok(()) => print(&format!("{}\n", path.display()))?,
                Err(trouble) => {
                    trouble.tell(terminal, false);
                    code = code.max(trouble.exit_code());
                }
            },
            Err(trouble) => {
                trouble.tell(terminal, false);
                code = code.max(trouble.exit_code());
            }
        }
    }
    Ok(code)
}

/// The file's text in the one layout, where it differs.
fn layout_file(path: &Path) -> Result<Option<String>, Trouble> {
    let text = read_text(path)?;
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text.as_str());
    let mut problems = Problems::new();
    let tree = syntax::parse(&sources, file, &mut problems);
    if problems.has_errors() {
        return Err(Failed { sources, problems }.into());
    }
    let new = syntax::format(&tree, &text);
    // A layout that meant something else must never take the place of what was written.
    let copy = sources.add(path.display().to_string(), new.as_str());
    let again = syntax::parse(&sources, copy, &mut problems);
    if problems.has_errors() || !syntax::same(&tree, &again) {
        let message = format!("the layout of `{}` would say something else, so the file is left alone", path.display());
        let told = Diagnostic::new(Code::CannotWrite, message);
        return Err(Trouble::of(told.help("this is a fault of the layout: please report it with the file")));
    }
    Ok((new != text).then_some(new))
}

/// Replaces a file's text, whole or not at all, and keeps its permissions.
fn replace(path: &Path, text: &str) -> Result<(), Trouble> {
    let failed = |e: std::io::Error| {
        let message = format!("`{}` cannot be written: {e}", path.display());
        Trouble::of(Diagnostic::new(Code::CannotWrite, message).help("check the right to write there"))
    };
    // A link is followed, so that it is the file behind it that changes.
    let path = &path.canonicalize().map_err(failed)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let permissions = std::fs::metadata(path).map_err(failed)?.permissions();
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}
