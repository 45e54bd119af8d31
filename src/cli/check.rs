//! `ghmc check`: every diagnostic of some files; nothing is run and no body of a data file is read.

use ghmc::base::span::Sources;
use ghmc::diag::Problems;

use super::args::CheckArgs;
use super::open::{open, verify_data_names};
use super::terminal::Terminal;
use super::trouble::{Trouble, exit, print, problems_json, tell_problems};

/// Checks each file by itself; the exit code is that of the worst.
pub fn check(args: &CheckArgs, terminal: &Terminal) -> Result<u8, Trouble> {
    let json = args.format.is_json();
    let mut files = Vec::new();
    let mut code = exit::DONE;
    for path in &args.files {
        let (sources, problems) = match open(path, &args.inputs) {
            Ok((workspace, file)) => {
                verify_data_names(&workspace, file)?;
                let mut problems = Problems::new();
                let tree = workspace.parse(file, &mut problems);
                if !problems.has_errors()
                    && let Some(program) = workspace.check(&tree, &mut problems)
                    && !problems.has_errors()
                {
                    workspace.plan(&program, &mut problems);
                }
                (workspace.sources, problems)
            }
            Err(Trouble::Diagnosed(failed)) => (failed.sources, failed.problems),
            Err(other) => return Err(other),
        };
        if problems.has_errors() {
            code = exit::INPUT;
        }
        match json {
            true => {
                let mut told = problems_json(&problems, &sources);
                told["file"] = path.display().to_string().into();
                files.push(told);
            }
            false => tell(&path.display().to_string(), &problems, &sources, args.quiet, terminal),
        }
    }
    if json {
        print(&format!("{:#}\n", serde_json::json!({ "files": files })))?;
    }
    Ok(code)
}

fn tell(name: &str, problems: &Problems, sources: &Sources, quiet: bool, terminal: &Terminal) {
    tell_problems(problems, sources, terminal, false);
    if problems.is_empty() && !quiet {
        terminal.say(&format!("{name}: no problems\n"));
    }
}
