//! The columns of a data set: how a binding writes one, and what the source's schema says of its axes, labels and numbers.

use std::collections::BTreeSet;

use crate::base::id::Id;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent};
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::Checker;
use super::scope::{Entry, Scope};
use super::types::{expr, show_type};

impl Checker<'_> {
    /// Takes sizes and labels from a column.
    pub(super) fn fit_column(&mut self, binding: &Binding, column: &ColumnSchema, span: Span) {
        let words = binding.transform == Transform::Words;
        let ragged = [Extent::Ragged];
        let shape: &[Extent] = match words && column.shape.is_empty() {
            true => &ragged,
            false => &column.shape,
        };
        if let ([Extent::Fixed(n)], true) = (shape, binding.axes.len() > 1) {
            if !self.fits_flat(binding, *n, &column.name, span) {
                return;
            }
        } else if shape.len() != binding.axes.len() {
            let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            let message = format!(
                "the column `{}` has {}, `{}` has {}",
                column.name,
                count(shape.len(), "dimension"),
                binding.name,
                count(binding.axes.len(), "axis").replace("axiss", "axes"),
            );
            let help = match (shape, shape.len()) {
                (_, 0) => "it is a single value a row: declare it without axes".to_string(),
                ([Extent::Ragged, ..], 1) => {
                    format!("its rows differ in length: declare it as `{}[Token]: ..`", binding.name)
                }
                (_, n) => format!(
                    "declare it with {}, such as `{}: Real[{}]`",
                    count(n, "axis").replace("axiss", "axes"),
                    binding.name,
                    ["A", "B", "C", "D"][..n.min(4)].join(", ")
                ),
            };
            self.push(Diagnostic::at(Code::ShapesDisagree, span, message).help(help));
            return;
        } else {
            for (&axis, extent) in binding.axes.iter().zip(shape) {
                match extent {
                    Extent::Fixed(n) => {
                        let root = self.program.axes.root(axis);
                        if self.program.axes[root].kind != AxisKind::Ragged {
                            self.set_extent(axis, *n, span, &format!("in the column `{}`", column.name));
                        }
                    }
                    Extent::Ragged => {
                        let root = self.program.axes.root(axis);
                        self.program.axes[root].kind = AxisKind::Ragged;
                    }
                }
            }
        }
        if let Domain::Cat(axis) = binding.domain {
            self.fit_labels(axis, column, words, span);
        }
        match (&binding.domain, column.kind) {
            (Domain::Cat(_) | Domain::Bool | Domain::Spin, _) | (_, ColumnKind::Number) => {}
            (domain, ColumnKind::Label) => {
                let has = show_type(&self.program, domain, &[]);
                self.push(
                    Diagnostic::at(
                        Code::ShapesDisagree,
                        span,
                        format!("the column `{}` holds labels, not numbers", column.name),
                    )
                    .saying(format!("declared `{has}`"))
                    .help(format!("declare it as an enumeration, such as `{}: Label`", binding.name)),
                );
            }
        }
        if words && column.kind == ColumnKind::Number {
            self.push(
                Diagnostic::at(
                    Code::ShapesDisagree,
                    span,
                    format!("the column `{}` holds numbers, no text", column.name),
                )
                .help("`words` takes a text apart: bind a column of texts"),
            );
        }
        let bound = of_numbers(&binding.domain, &binding.transform);
        let scaled = |v: f64| match binding.scale {
            None => v,
            Some(Scale::Times(by)) => v * by,
            Some(Scale::Over(by)) => v / by,
        };
        let range = column.range.map(|(a, b)| (scaled(a).min(scaled(b)), scaled(a).max(scaled(b))));
        if let (Some((low, high)), Some((from, to))) = (range, bound)
            && (low < from || high > to)
        {
            let has = show_type(&self.program, &binding.domain, &[]);
            self.push(
                Diagnostic::at(
                    Code::BadValue,
                    span,
                    format!("the column `{}` runs from {low} to {high}, which is not all `{has}`", column.name),
                )
                .help(match binding.domain {
                    Domain::Bool => format!(
                        "take `soft({})`, `binarise({})` or a threshold, `{} > {}`",
                        column.name,
                        column.name,
                        column.name,
                        (low + high) / 2.0
                    ),
                    _ => "declare it `Real`".to_string(),
                }),
            );
        }
    }

    /// Whether a row of `n` numbers fills the binding's axes, the last running fastest; said with its error where it does not.
    fn fits_flat(&mut self, binding: &Binding, n: usize, column: &str, span: Span) -> bool {
        let sizes: Option<Vec<usize>> = binding.axes.iter().map(|&a| self.program.axes.extent(a)).collect();
        let Some(sizes) = sizes else {
            let unknown = binding.axes.iter().find(|&&a| self.program.axes.extent(a).is_none());
            let name = unknown.map_or(String::new(), |&a| self.program.axes[a].name.clone());
            self.push(
                Diagnostic::at(
                    Code::ShapesDisagree,
                    span,
                    format!("the column `{column}` has {n} numbers in a row, and how long `{name}` is remains open"),
                )
                .help(format!("declare the sizes of all of its axes, `axis {name} = ..`, or give it one axis")),
            );
            return false;
        };
        let product = sizes.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
        if product == Some(n) {
            return true;
        }
        let sizes = sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" times ");
        self.push(
            Diagnostic::at(
                Code::ShapesDisagree,
                span,
                format!("the column `{column}` has {n} numbers in a row, which do not fill {sizes}"),
            )
            .help("the sizes of its axes multiply to the numbers of a row, the last axis running fastest"),
        );
        false
    }

    /// An enumeration takes its labels from the first data set that binds it; what a large file holds is not known yet.
    fn fit_labels(&mut self, axis: AxisId, column: &ColumnSchema, words: bool, span: Span) {
        let root = self.program.axes.root(axis);
        if self.program.axes[root].open
            || self.enumerated.contains_key(&root)
            || self.program.axes[root].labels.is_some()
        {
            self.enumerated.entry(root).or_insert(true);
            return;
        }
        let split = |texts: &Vec<String>| -> Vec<String> {
            let all: BTreeSet<&str> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
            all.into_iter().map(String::from).collect()
        };
        let labels = match words {
            true => column.labels.as_ref().map(split),
            false => column.labels.clone(),
        };
        self.enumerated.insert(root, labels.is_some());
        // Words are put in order when they are bound: how many there are is all that is wanted before.
        let Some(labels) = labels.filter(|labels| !labels.is_empty()) else { return };
        self.set_extent(root, labels.len(), span, &format!("labels in the column `{}`", column.name));
        if !words {
            self.program.axes[root].labels = Some(labels);
        }
    }

    /// The function of the columns bound before it.
    pub(super) fn computed(&mut self, id: DataId, value: &ast::Expr) -> Option<Expr> {
        let mut scope = Scope::new(ModelId::from_index(0), "", Owner::File);
        for (position, binding) in self.program.data[id].bindings.iter().enumerate() {
            let column = expr(Node::Column(id, position), binding.axes.clone(), binding.domain.clone(), binding.span);
            scope.names.insert(binding.name.clone(), (Entry::Value(Box::new(column)), binding.span));
        }
        let value = self.numeric(&mut scope, value)?;
        if let Some(made) = scope.made.first() {
            self.push(
                Diagnostic::at(Code::WrongKind, made.span, "a column is not computed by a recurrent net")
                    .help("call the net in the model instead"),
            );
            return None;
        }
        Some(value)
    }

    pub(super) fn transform(&mut self, value: &ast::Expr) -> Option<(Column, Transform)> {
        if let Some(column) = scaled_column(value) {
            if matches!(column.scale, Some(Scale::Over(by) | Scale::Times(by)) if by == 0.0 || !by.is_finite()) {
                self.push(
                    Diagnostic::at(Code::BadNumber, value.span, "nothing is left of a column by this number")
                        .help("multiply or divide by a number other than 0"),
                );
                return None;
            }
            return Some((column, Transform::Plain));
        }
        match &value.bare().kind {
            ExprKind::Binary { op: ast::BinaryOp::Greater, left, right } => {
                match (scaled_column(left), number(right)) {
                    (Some(column), Some(threshold)) => Some((column, Transform::Above(threshold))),
                    _ => {
                        self.push(
                            Diagnostic::at(Code::NotAValue, value.span, "a threshold compares a column with a number")
                                .help("write `column > 0.5`"),
                        );
                        None
                    }
                }
            }
            ExprKind::Call { callee, args, .. } => {
                let name = callee.name()?;
                let first =
                    args.first().filter(|a| a.kind == ArgKind::Positional).and_then(|a| scaled_column(&a.value));
                let transform = match name.text.as_str() {
                    "soft" => Transform::Soft,
                    "binarise" => Transform::Binarise,
                    "words" => Transform::Words,
                    "reveal" => self.reveal(args, value.span)?,
                    text => {
                        let near = nearest(text, ["soft", "binarise", "reveal", "words"]);
                        let diagnostic = Diagnostic::at(
                            Code::UnknownFunction,
                            name.span,
                            format!("a column is not made with `{text}`"),
                        );
                        self.push(match (near, text) {
                            (Some(near), _) => diagnostic.help(format!("did you mean `{near}`?")),
                            (_, "binarize") => diagnostic.help("the word is spelled `binarise`"),
                            _ => diagnostic.help(
                                "write the column's name, `soft(..)`, `binarise(..)`, `reveal(.., n)`, `words(..)`, a threshold or a column divided by a number",
                            ),
                        });
                        return None;
                    }
                };
                let Some(column) = first else {
                    self.push(
                        Diagnostic::at(
                            Code::WrongArguments,
                            value.span,
                            format!("`{}` needs a column of the data", name.text),
                        )
                        .help(format!("write `{}(column)`", name.text)),
                    );
                    return None;
                };
                if !matches!(transform, Transform::Reveal { .. }) && args.len() > 1 {
                    self.error(Code::WrongArguments, args[1].span, format!("`{}` takes one column", name.text));
                    return None;
                }
                Some((column, transform))
            }
            _ => {
                self.push(
                    Diagnostic::at(Code::NotAValue, value.span, "a column of the data is meant here")
                        .help("write its name, `soft(..)`, `binarise(..)`, a threshold, or `column / 255`"),
                );
                None
            }
        }
    }

    fn reveal(&mut self, args: &[ast::Arg], span: Span) -> Option<Transform> {
        let mut rows = None;
        let mut balanced = false;
        for arg in args.iter().skip(1) {
            match (&arg.kind, &arg.value.bare().kind) {
                (ArgKind::Positional, ExprKind::Number(n)) => rows = Some(self.count(n, "a number of rows")?),
                (ArgKind::Named(name), ExprKind::Path(path))
                    if name.text == "balanced" && matches!(path.text().as_str(), "yes" | "no") =>
                {
                    balanced = path.text() == "yes";
                }
                _ => {
                    self.push(
                        Diagnostic::at(Code::WrongArguments, arg.span, "`reveal` does not take this")
                            .help("write `reveal(label, 100, balanced = yes)`"),
                    );
                    return None;
                }
            }
        }
        let Some(rows) = rows else {
            self.push(
                Diagnostic::at(Code::WrongArguments, span, "`reveal` needs the number of rows that keep their label")
                    .help("write `reveal(label, 100)`"),
            );
            return None;
        };
        Some(Transform::Reveal { rows, balanced })
    }
}

/// A column as a binding writes it, perhaps times or divided by a number.
pub(super) struct Column {
    /// Its name in the source.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// What it is scaled by.
    pub scale: Option<Scale>,
}

fn number(value: &ast::Expr) -> Option<f64> {
    match &value.bare().kind {
        ExprKind::Number(n) => Some(n.value),
        ExprKind::Negate(inner) => number(inner).map(|v| -v),
        _ => None,
    }
}

/// `column`, `column / 255`, `column * 2`, `2 * column`.
fn scaled_column(value: &ast::Expr) -> Option<Column> {
    let plain = |e: &ast::Expr| e.name().map(|n| Column { name: n.text.clone(), span: n.span, scale: None });
    match &value.bare().kind {
        ExprKind::Binary { op: ast::BinaryOp::Divide, left, right } => {
            Some(Column { scale: Some(Scale::Over(number(right)?)), ..plain(left)? })
        }
        ExprKind::Binary { op: ast::BinaryOp::Multiply, left, right } => match number(right) {
            Some(by) => Some(Column { scale: Some(Scale::Times(by)), ..plain(left)? }),
            None => Some(Column { scale: Some(Scale::Times(number(left)?)), ..plain(right)? }),
        },
        _ => plain(value),
    }
}

/// Whether a column is a function of others: a net or a window.
pub(super) fn is_computed(file: &ast::File, value: &ast::Expr) -> bool {
    let net = |text: &str| file.items.iter().any(|item| matches!(item, ast::Item::Net(net) if net.name.text == text));
    match &value.bare().kind {
        ExprKind::Call { callee, .. } => callee.name().is_some_and(|n| n.text == "window" || net(&n.text)),
        _ => false,
    }
}

/// The names of the source's columns that the bindings of a data set read, each once, in the order in which they stand.
pub(super) fn column_names(file: &ast::File, item: &ast::Data) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in item.fields.iter().flatten() {
        let name = match &field.value {
            None => Some(field.decl.name.text.clone()),
            Some(value) if is_computed(file, value) => None,
            Some(value) => match &value.bare().kind {
                ExprKind::Call { args, .. } => args.first().and_then(|a| scaled_column(&a.value)).map(|c| c.name),
                ExprKind::Binary { op: ast::BinaryOp::Greater, left, .. } => scaled_column(left).map(|c| c.name),
                _ => scaled_column(value).map(|c| c.name),
            },
        };
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

/// The interval that bound numbers must keep to.
fn of_numbers(domain: &Domain, transform: &Transform) -> Option<(f64, f64)> {
    match (domain, transform) {
        (_, Transform::Soft | Transform::Binarise) => Some((0.0, 1.0)),
        (Domain::Unit, Transform::Plain) => Some((0.0, 1.0)),
        (Domain::Positive | Domain::Count, Transform::Plain) => Some((0.0, f64::INFINITY)),
        _ => None,
    }
}
