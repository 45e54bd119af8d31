//! Checking: from the syntax tree to the typed program.

use std::collections::BTreeMap;

use crate::base::schema::Schema;
use crate::base::span::Span;
use crate::diag::Problems;
use crate::model::Program;
use crate::syntax::ast;

/// What a file is checked against besides itself.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// What each data set offers, by its name in the file; a set without a schema is taken on trust.
    pub schemas: BTreeMap<String, Schema>,
    /// Sizes and other values set from outside, `--set State=16`.
    pub sets: BTreeMap<String, String>,
}

/// A data set that a file reads.
#[derive(Clone, Debug, PartialEq)]
pub struct DataRequest {
    /// Its name in the file.
    pub name: String,
    /// The reader: `dataset`, `csv`, ..
    pub reader: String,
    /// What the reader is given: a name or a path.
    pub path: String,
    /// Where the file asks for it.
    pub span: Span,
}

/// Readers of data that a file may name.
pub const READERS: [&str; 7] = ["dataset", "csv", "tsv", "npy", "npz", "idx", "columns"];

/// The data sets that a file reads, so that their schemas can be fetched before it is checked.
pub fn sources(file: &ast::File) -> Vec<DataRequest> {
    let request = |data: &ast::Data| {
        let ast::ExprKind::Call { callee, args, .. } = &data.source.bare().kind else { return None };
        let reader = callee.name()?.text.clone();
        let ast::ExprKind::Text(path) = &args.first()?.value.bare().kind else { return None };
        let known = READERS.contains(&reader.as_str());
        known.then(|| DataRequest {
            name: data.name.text.clone(),
            reader,
            path: path.text.clone(),
            span: data.source.span,
        })
    };
    let data = file.items.iter().filter_map(|i| if let ast::Item::Data(d) = i { Some(d) } else { None });
    data.filter_map(request).collect()
}

/// Checks a file.
pub fn check(_: &ast::File, _: &Input, _: &mut Problems) -> Option<Program> {
    None
}
