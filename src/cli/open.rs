//! Opens model files and says with what they are compiled. Comes in: paths and arguments; goes out: a `Workspace`, or why not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use ghmc::base::span::FileId;
use ghmc::data::Locations;
use ghmc::data::network::{NetFormat, TablesAs, to_model};
use ghmc::diag::{Code, Diagnostic, Problems, nearest};
use ghmc::pipeline::{Compiled, Precision, Settings, Trained, Workspace};
use ghmc::sema;
use ghmc::syntax::MAX_BYTES;
use ghmc::train::checkpoint::load_params;

use super::args::{Inputs, PrecisionArg};
use super::network::{open_network, stem};
use super::terminal::Terminal;
use super::trouble::{Trouble, tell_problems};

/// A file's text. Reads no more than a model file may have: the parser refuses what is longer.
pub fn read_text(path: &Path) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    let missing = |e: std::io::Error| {
        let diagnostic = Diagnostic::new(Code::MissingFile, format!("`{}` cannot be opened: {e}", path.display()));
        Trouble::of(match similar(path) {
            Some(near) => diagnostic.help(format!("did you mean `{}`?", near.display())),
            None => diagnostic.help("check the path and the right to read it"),
        })
    };
    let file = std::fs::File::open(path).map_err(missing)?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(missing)?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let message = format!("`{}` is not text in UTF-8: byte {} is none", path.display(), at + 1);
        Trouble::of(Diagnostic::new(Code::BadCharacter, message).help("save it as UTF-8"))
    })
}

/// The file beside it whose name is closest.
fn similar(path: &Path) -> Option<PathBuf> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut names: Vec<String> =
        std::fs::read_dir(dir).ok()?.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|n| n.ends_with(".ghm"));
    names.sort_unstable();
    let wanted = path.file_name()?.to_str()?;
    nearest(wanted, names.iter().map(String::as_str)).map(|n| path.with_file_name(n))
}

/// A workspace that holds one file.
pub fn open(path: &Path, inputs: &Inputs) -> Result<(Workspace, FileId), Trouble> {
    let text = read_text(path)?;
    let settings = settings(path, inputs);
    let (mut workspace, file) = Workspace::of_text(&path.display().to_string(), &text, settings);
    // Files that others use; what cannot be read is told of where it is used.
    let mut tried = BTreeSet::new();
    loop {
        let wanted: Vec<String> = workspace.wanted(file).into_iter().filter(|n| tried.insert(n.clone())).collect();
        if wanted.is_empty() {
            return Ok((workspace, file));
        }
        for name in wanted {
            let path = Path::new(&name);
            // A network becomes the text of a model, and from there on is like any other file.
            if NetFormat::of_path(path).is_some() && path.is_file() {
                let network = open_network(path)?;
                workspace.sources.add(name.clone(), to_model(&network, &stem(path), TablesAs::Numbers));
            } else if let Ok(text) = read_text(path) {
                workspace.sources.add(name, text);
            }
        }
    }
}

/// What a file is compiled with.
fn settings(path: &Path, inputs: &Inputs) -> Settings {
    let overrides: BTreeMap<String, PathBuf> =
        inputs.data.iter().map(|(name, path)| (name.clone(), PathBuf::from(path))).collect();
    let root = std::env::var_os("GHM_DATA").filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
    Settings {
        seed: inputs.seed,
        sets: inputs.set.iter().cloned().collect(),
        locations: Locations { overrides, root, base },
        precision: inputs.precision.map(|p| match p {
            PrecisionArg::F32 => Precision::F32,
            PrecisionArg::F64 => Precision::F64,
        }),
        max_memory: inputs.max_memory,
        ..Settings::default()
    }
}

/// That every `--data NAME=..` names a set the file reads: a misspelt one would be passed over in silence.
pub fn verify_data_names(workspace: &Workspace, file: FileId) -> Result<(), Trouble> {
    let overrides = &workspace.settings.locations.overrides;
    if overrides.is_empty() {
        return Ok(());
    }
    let tree = workspace.parse(file, &mut Problems::new());
    let read: Vec<String> =
        sema::sources(&tree).into_iter().filter(|r| r.reader == "dataset").map(|r| r.path).collect();
    let Some(unknown) = overrides.keys().find(|name| !read.contains(name)) else { return Ok(()) };
    let help = match (nearest(unknown, read.iter().map(String::as_str)), read.is_empty()) {
        (Some(near), _) => format!("did you mean `--data {near}=..`?"),
        (None, true) => "`--data` says where a `dataset(\"NAME\")` lies; the file has none".to_string(),
        (None, false) => format!("the file reads {}", read.join(", ")),
    };
    Err(Trouble::Usage(format!("the file reads no data set named `{unknown}`"), help))
}

/// All stages up to a plan with data; warnings go to standard error.
pub fn compile(path: &Path, inputs: &Inputs, terminal: &Terminal, json: bool) -> Result<Compiled, Trouble> {
    let (workspace, file) = open(path, inputs)?;
    verify_data_names(&workspace, file)?;
    let compiled = workspace.compile(file)?;
    tell_problems(compiled.warnings(), compiled.sources(), terminal, json);
    Ok(compiled)
}

/// The program with the parameters of a finished run, or with those it starts from.
pub fn with_params(compiled: &Compiled, params: Option<&Path>) -> Result<Trained, Trouble> {
    let mut trained = compiled.untrained();
    let Some(dir) = params else { return Ok(trained) };
    let path = if dir.is_dir() { dir.join("params.safetensors") } else { dir.to_path_buf() };
    let loaded = load_params(&path).map_err(|e| Trouble::of(ghmc::train::Failure::from(e).diagnostic()))?;
    trained.take_params(&loaded)?;
    Ok(trained)
}
