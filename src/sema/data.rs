//! Data: where a set comes from, how its columns are bound to variables, and whether that fits what is trained or asked on it.

use std::collections::BTreeSet;

use crate::base::id::Id;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::scope::{Entry, Scope};
use super::types::{expr, say_axes, show_type};
use super::{Checker, READERS};

impl<'a> Checker<'a> {
    /// Declares a data set and its bindings.
    pub fn data_item(&mut self, item: &'a ast::Data) {
        if let Some(&first) = self.data.get(&item.name.text) {
            let first = self.program.data[first].span;
            self.twice(&item.name, first, "data set");
            return;
        }
        // A sample's model is looked up once the models are known; its place is kept.
        let source = self.data_source(item);
        let bindings = match &source {
            Some(DataSource::Of(of)) => self.program.data[of.data].bindings.clone(),
            _ => Vec::new(),
        };
        let open = item.fields.is_none() && !matches!(source, Some(DataSource::Of(_)));
        let fallback = DataSource::Read { reader: String::new(), path: String::new(), columns: Vec::new() };
        let failed = source.is_none() && !self.is_sample(item);
        let data =
            Data { name: item.name.text.clone(), source: source.unwrap_or(fallback), bindings, span: item.name.span };
        let id = self.program.data.push(data);
        self.data.insert(item.name.text.clone(), id);
        if failed {
            return;
        }
        if open || self.is_sample(item) {
            self.open_data.push((id, item));
        }
        self.fields(id, item);
    }

    fn is_sample(&self, item: &ast::Data) -> bool {
        matches!(&item.source.bare().kind, ExprKind::Call { callee, .. } if callee.name().is_some_and(|n| n.text == "sample"))
    }

    fn data_source(&mut self, item: &'a ast::Data) -> Option<DataSource> {
        let span = item.source.span;
        match &item.source.bare().kind {
            ExprKind::Path(path) => Some(DataSource::Of(self.data_ref(path)?)),
            ExprKind::Call { callee, args, .. } => {
                let name = callee.name()?;
                if name.text == "sample" {
                    return None;
                }
                if !READERS.contains(&name.text.as_str()) {
                    let diagnostic = Diagnostic::at(
                        Code::UnknownFunction,
                        name.span,
                        format!("nothing reads data with `{}`", name.text),
                    );
                    let near = nearest(&name.text, READERS.iter().copied().chain(["sample"]));
                    self.push(match near {
                        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                        None => diagnostic.help("data come from `dataset`, `csv`, `tsv`, `npy`, `npz`, `idx`, `columns`, `text`, `jsonl`, or from `sample(model, n, seed = 1)`"),
                    });
                    return None;
                }
                match args.as_slice() {
                    [ast::Arg { kind: ArgKind::Positional, value, .. }] => match &value.bare().kind {
                        ExprKind::Text(text) => {
                            let (reader, path) = (name.text.clone(), text.text.clone());
                            let columns = column_names(self.file, item);
                            Some(DataSource::Read { reader, path, columns })
                        }
                        _ => {
                            self.push(
                                Diagnostic::at(
                                    Code::WrongArguments,
                                    value.span,
                                    "a name or a path in quotes is meant here",
                                )
                                .help(format!("write `{}(\"..\")`", name.text)),
                            );
                            None
                        }
                    },
                    _ => {
                        self.push(
                            Diagnostic::at(
                                Code::WrongArguments,
                                span,
                                format!("`{}` takes one name or path", name.text),
                            )
                            .help(format!("write `{}(\"..\")`", name.text)),
                        );
                        None
                    }
                }
            }
            _ => {
                self.push(
                    Diagnostic::at(Code::NotAValue, span, "this is not a source of data")
                        .help("write `dataset(\"digits\")`, `csv(\"file.csv\")` or `sample(model, 100, seed = 1)`"),
                );
                None
            }
        }
    }

    /// `digits`, `digits.train`.
    pub fn data_ref(&mut self, path: &ast::Path) -> Option<DataRef> {
        let (first, rest) = path.parts.split_first()?;
        let Some(&data) = self.data.get(&first.text) else {
            let near = nearest(&first.text, self.data.keys().map(String::as_str)).map(str::to_string);
            let diagnostic =
                Diagnostic::at(Code::UnknownName, first.span, format!("there is no data set `{}`", first.text));
            self.push(match near {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!("declare it: `data {} = dataset(\"..\") {{ .. }}`", first.text)),
            });
            return None;
        };
        let split = match rest {
            [] => None,
            [split] => Some(split),
            [_, more, ..] => {
                self.error(Code::UnknownSplit, more.span, "a split has no parts of its own");
                return None;
            }
        };
        if let (Some(split), Some(schema)) = (split, self.schema(data))
            && !schema.splits.contains(&split.text)
        {
            let near = nearest(&split.text, schema.splits.iter().map(String::as_str)).map(str::to_string);
            let list = schema.splits.iter().map(|s| format!("`{}.{s}`", first.text)).collect::<Vec<_>>().join(", ");
            let diagnostic = Diagnostic::at(
                Code::UnknownSplit,
                split.span,
                format!("`{}` has no split `{}`", first.text, split.text),
            );
            self.push(match (near, list.is_empty()) {
                (Some(near), _) => diagnostic.help(format!("did you mean `{}.{near}`?", first.text)),
                (None, false) => diagnostic.help(format!("its splits are {list}")),
                (None, true) => diagnostic.help(format!("it comes whole: write `{}`", first.text)),
            });
            return None;
        }
        Some(DataRef { data, split: split.map(|s| s.text.clone()), span: path.span })
    }

    /// What the set that a data set is made of offers, if that is known.
    fn schema(&self, data: DataId) -> Option<Schema> {
        let data = &self.program.data[data];
        match &data.source {
            DataSource::Of(of) => self.schema(of.data),
            _ => self.input.schemas.get(&data.name).cloned(),
        }
    }

    fn fields(&mut self, id: DataId, item: &'a ast::Data) {
        let mut own: Vec<&ast::Name> = Vec::new();
        for field in item.fields.iter().flatten() {
            let name = &field.decl.name;
            if let Some(first) = own.iter().find(|n| n.text == name.text) {
                self.twice(name, first.span, "column");
                continue;
            }
            own.push(name);
            if let Some(binding) = self.binding(id, field) {
                let list = &mut self.program.data[id].bindings;
                list.retain(|b| b.name != binding.name);
                list.push(binding);
            }
        }
    }

    fn binding(&mut self, id: DataId, field: &'a ast::Field) -> Option<Binding> {
        let decl = &field.decl;
        let index = self.axis_list(None, &decl.index)?;
        let Some(domain) = &decl.domain else {
            self.missing_domain(&decl.name);
            return None;
        };
        let (domain, event) = self.domain(None, domain)?;
        let axes: Vec<AxisId> = index.iter().copied().chain(event.iter().copied()).collect();
        let (Column { name: column, span: place, scale }, transform) = match &field.value {
            None => (Column { name: decl.name.text.clone(), span: decl.name.span, scale: None }, Transform::Plain),
            Some(value) if is_computed(self.file, value) => {
                let value = self.computed(id, value)?;
                let none = Column { name: String::new(), span: decl.span, scale: None };
                (none, Transform::Computed(Box::new(value)))
            }
            Some(value) => self.transform(value)?,
        };
        let plain = show_type(&self.program, &domain, &[]);
        let wrong = match &transform {
            Transform::Soft | Transform::Binarise | Transform::Above(_) => {
                !matches!(domain, Domain::Bool | Domain::Spin)
            }
            Transform::Reveal { .. } => !domain.is_discrete() || scale.is_some(),
            Transform::Words => !matches!(domain, Domain::Cat(_)) || scale.is_some(),
            Transform::Plain => domain.is_discrete() && scale.is_some(),
            Transform::Computed(_) => false,
        };
        if wrong {
            let at = field.value.as_ref().map_or(decl.span, |v| v.span);
            self.push(
                Diagnostic::at(Code::DomainsDisagree, at, format!("this does not give a `{plain}`"))
                    .label(decl.span, format!("`{}` is declared here", decl.name.text))
                    .help(
                        "`soft`, `binarise` and thresholds give `Bool`; `reveal` keeps some labels of an enumeration, `words` gives `Text` or one; a column times a number is a number",
                    ),
            );
            return None;
        }
        let binding =
            Binding { name: decl.name.text.clone(), axes, domain, column, scale, transform, span: field.span };
        if let Transform::Computed(value) = &binding.transform {
            if value.ty.axes != binding.axes {
                let (has, wants) = (say_axes(&self.program, &value.ty.axes), say_axes(&self.program, &binding.axes));
                self.push(
                    Diagnostic::at(Code::AxesDisagree, value.span, format!("this has {has}"))
                        .label(decl.span, format!("declared with {wants}")),
                );
                return None;
            }
            return Some(binding);
        }
        if let Some(schema) = self.schema(id) {
            let Some(column) = schema.column(&binding.column) else {
                let near = nearest(&binding.column, schema.columns.iter().map(|c| c.name.as_str())).map(str::to_string);
                let list =
                    schema.columns.iter().take(12).map(|c| format!("`{}`", c.name)).collect::<Vec<_>>().join(", ");
                let name = self.program.data[id].name.clone();
                let diagnostic =
                    Diagnostic::at(Code::UnknownColumn, place, format!("`{name}` has no column `{}`", binding.column));
                self.push(match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help(format!("its columns are {list}")),
                });
                return None;
            };
            self.fit_column(&binding, column, decl.span);
        }
        Some(binding)
    }

    /// Takes sizes and labels from a column.
    fn fit_column(&mut self, binding: &Binding, column: &ColumnSchema, span: Span) {
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
    fn computed(&mut self, id: DataId, value: &ast::Expr) -> Option<Expr> {
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

    fn transform(&mut self, value: &ast::Expr) -> Option<(Column, Transform)> {
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

    /// Settles what had to wait for the models: samples, and sets whose every column is bound by its name.
    pub fn close_data(&mut self) {
        for (id, item) in std::mem::take(&mut self.open_data) {
            if self.is_sample(item) {
                self.sample_data(id, item);
            } else if let Some(schema) = self.schema(id) {
                for column in &schema.columns {
                    if let Some(binding) = self.implied(column, item.name.span) {
                        self.fit_column(&binding, column, item.name.span);
                        self.program.data[id].bindings.push(binding);
                    }
                }
            }
        }
        for id in self.program.data.ids().collect::<Vec<_>>() {
            // What a set is made of may have got its bindings only now.
            let DataSource::Of(of) = &self.program.data[id].source else { continue };
            let above = self.program.data[of.data].bindings.clone();
            let own = &self.program.data[id].bindings;
            let missing: Vec<Binding> =
                above.into_iter().filter(|b| !own.iter().any(|mine| mine.name == b.name)).collect();
            self.program.data[id].bindings.extend(missing);
        }
        for (axis, span) in std::mem::take(&mut self.positional) {
            let Some(labels) = self.program.axes.labels(axis) else { continue };
            if labels.iter().enumerate().any(|(place, label)| *label != (place + 1).to_string()) {
                let name = self.program.axes[axis].name.clone();
                let list = labels.iter().take(6).map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
                self.push(
                    Diagnostic::at(
                        Code::UnknownLabel,
                        span,
                        format!("a state of `{name}` is named before its labels are known"),
                    )
                    .note(format!("the data call its states {list}"))
                    .help(format!("bind the column in the body of the data set, `{{ ..: {name} }}`")),
                );
            }
        }
    }

    fn sample_data(&mut self, id: DataId, item: &'a ast::Data) -> Option<()> {
        let ExprKind::Call { args, .. } = &item.source.bare().kind else { return None };
        let (mut model, mut rows, mut given, mut seed) = (None, None, None, 1);
        for (place, arg) in args.iter().enumerate() {
            match (&arg.kind, &arg.value.bare().kind) {
                (ArgKind::Positional, ExprKind::Path(path)) if place == 0 && path.parts.len() == 1 => {
                    let name = &path.parts[0];
                    let Some(&found) = self.model_ids.get(&name.text) else {
                        self.no_such_model(name);
                        return None;
                    };
                    model = Some(found);
                }
                (ArgKind::Positional, ExprKind::Number(n)) if place == 1 => {
                    rows = Some(self.count(n, "a number of rows")?)
                }
                (ArgKind::Positional, ExprKind::Path(path)) if place == 1 => {
                    let of = self.data_ref(path)?;
                    if of.data >= id {
                        let message = "the draws are made for rows that are not known yet";
                        self.push(
                            Diagnostic::at(Code::UnknownName, path.span, message)
                                .help("declare the data that are drawn for above the draws"),
                        );
                        return None;
                    }
                    given = Some(of);
                    rows = Some(0);
                }
                (ArgKind::Named(name), ExprKind::Number(n)) if name.text == "seed" => {
                    seed = self.count(n, "a seed")? as u64
                }
                _ => {
                    self.push(
                        Diagnostic::at(Code::WrongArguments, arg.span, "`sample` does not take this")
                            .help("write `sample(model, 500, seed = 1)` or `sample(model, other.train, seed = 1)`"),
                    );
                    return None;
                }
            }
        }
        let (Some(model), Some(rows)) = (model, rows) else {
            self.push(
                Diagnostic::at(Code::WrongArguments, item.source.span, "`sample` needs a model and a number of rows")
                    .help("write `sample(model, 500, seed = 1)`"),
            );
            return None;
        };
        self.program.data[id].source = DataSource::Sample { model, rows, given: given.clone(), seed };
        if let Some(of) = &given {
            self.check_given(model, of);
        }
        let vars = self.program.models[model].vars.clone();
        let mut bindings: Vec<Binding> = vars
            .iter()
            .map(|&v| {
                let v = &self.program.vars[v];
                Binding {
                    name: v.name.clone(),
                    axes: v.axes(),
                    domain: v.domain.clone(),
                    column: v.name.clone(),
                    scale: None,
                    transform: Transform::Plain,
                    span: item.name.span,
                }
            })
            .collect();
        for beside in given.iter().flat_map(|of| self.program.data[of.data].bindings.clone()) {
            if !bindings.iter().any(|b| b.name == beside.name) {
                let (column, scale, transform) = (beside.name.clone(), None, Transform::Plain);
                bindings.push(Binding { column, scale, transform, ..beside });
            }
        }
        if item.fields.is_none() {
            self.program.data[id].bindings = bindings;
            return Some(());
        }
        for binding in self.program.data[id].bindings.clone() {
            if matches!(binding.transform, Transform::Computed(_)) {
                continue;
            }
            let Some(column) = bindings.iter().find(|b| b.name == binding.column) else {
                let model = self.program.models[model].name.clone();
                let near = nearest(&binding.column, bindings.iter().map(|b| b.name.as_str())).map(str::to_string);
                let diagnostic = Diagnostic::at(
                    Code::UnknownColumn,
                    binding.span,
                    format!("`{model}` has no variable `{}` to sample", binding.column),
                );
                self.push(match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic,
                });
                continue;
            };
            if matches!(binding.transform, Transform::Plain)
                && (column.domain != binding.domain || column.axes != binding.axes)
            {
                let (is, was) = (
                    show_type(&self.program, &binding.domain, &binding.axes),
                    show_type(&self.program, &column.domain, &column.axes),
                );
                self.push(Diagnostic::at(
                    Code::ShapesDisagree,
                    binding.span,
                    format!("`{}` is sampled as a `{was}`, not a `{is}`", binding.column),
                ));
            }
        }
        Some(())
    }

    /// That the data a sample is drawn for say what every `given` variable is.
    fn check_given(&mut self, model: ModelId, of: &DataRef) {
        let bindings = &self.program.data[of.data].bindings;
        let vars = &self.program.models[model].vars;
        let open =
            |v: &VarId| self.program.vars[*v].given && !bindings.iter().any(|b| b.name == self.program.vars[*v].name);
        let Some(&var) = vars.iter().find(|v| open(v)) else { return };
        let (name, place) = (self.program.vars[var].name.clone(), self.program.vars[var].span);
        let data = self.program.data[of.data].name.clone();
        self.push(
            Diagnostic::at(Code::GivenUnbound, of.span, format!("`{data}` does not say what `{name}` is"))
                .label(place, "the draws are conditioned on it")
                .help(format!("bind it: `data {data} = .. {{ {name}: .. = column }}`")),
        );
    }

    /// The binding of a column that no body declares: as the variable of its name, or as a plain number.
    fn implied(&self, column: &ColumnSchema, span: Span) -> Option<Binding> {
        let like = self.program.vars.iter().map(|(_, v)| v).find(|v| v.name == column.name);
        let (axes, domain) = match like {
            Some(var) => (var.axes(), var.domain.clone()),
            None if column.shape.is_empty() && column.kind == ColumnKind::Number => (Vec::new(), Domain::Real),
            None => return None,
        };
        Some(Binding {
            name: column.name.clone(),
            axes,
            domain,
            column: column.name.clone(),
            scale: None,
            transform: Transform::Plain,
            span,
        })
    }

    /// Whether a model can be trained or asked on a data set: something is bound, every `given` is, names and types agree.
    pub fn check_bound(&mut self, model: ModelId, data: &DataRef) {
        let bindings = self.program.data[data.data].bindings.clone();
        if bindings.is_empty() && self.schema(data.data).is_none() {
            return;
        }
        let (model_name, data_name) =
            (self.program.models[model].name.clone(), self.program.data[data.data].name.clone());
        let vars = self.program.models[model].vars.clone();
        let mut bound = 0;
        for &id in &vars {
            let var = self.program.vars[id].clone();
            match bindings.iter().find(|b| b.name == var.name) {
                Some(binding) => {
                    bound += 1;
                    let close = binding.domain == var.domain
                        || var.domain == Domain::Real
                            && matches!(binding.domain, Domain::Unit | Domain::Positive | Domain::Count);
                    // A loop over the rows spells out the plate that every column has.
                    let rows = |a: &AxisId| self.program.axes[*a].kind == AxisKind::Rows;
                    let axes: Vec<AxisId> = var.axes().into_iter().filter(|a| !rows(a)).collect();
                    if !close || binding.axes != axes {
                        let (is, was) = (
                            show_type(&self.program, &var.domain, &var.axes()),
                            show_type(&self.program, &binding.domain, &binding.axes),
                        );
                        self.push(
                            Diagnostic::at(
                                Code::ShapesDisagree,
                                data.span,
                                format!("`{}` is a `{is}` in `{model_name}` and a `{was}` in `{data_name}`", var.name),
                            )
                            .label(var.span, "the variable")
                            .label(binding.span, "the column"),
                        );
                    }
                }
                None => {
                    let names = bindings
                        .iter()
                        .filter(|b| !vars.iter().any(|&v| self.program.vars[v].name == b.name))
                        .map(|b| b.name.as_str());
                    let near = nearest(&var.name, names).map(str::to_string).filter(|n| n.len() > 2);
                    if let Some(near) = near {
                        let place = bindings.iter().find(|b| b.name == near).map_or(data.span, |b| b.span);
                        self.push(
                            Diagnostic::at(
                                Code::NearMiss,
                                data.span,
                                format!("`{data_name}` binds `{near}`, but the variable is called `{}`", var.name),
                            )
                            .label(place, "the column")
                            .label(var.span, "the variable stays latent")
                            .help("give both the same name"),
                        );
                    } else if var.given {
                        self.push(
                            Diagnostic::at(
                                Code::GivenUnbound,
                                data.span,
                                format!("`{data_name}` does not say what `{}` is", var.name),
                            )
                            .label(var.span, format!("`{model_name}` is always conditioned on it"))
                            .help(format!("bind it: `data {data_name} = .. {{ {}: .. = column }}`", var.name)),
                        );
                    }
                }
            }
        }
        if bound == 0 {
            let words = bindings.iter().take(8).map(|b| format!("`{}`", b.name)).collect::<Vec<_>>().join(", ");
            let diagnostic = Diagnostic::at(
                Code::NothingBound,
                data.span,
                format!("`{data_name}` binds no variable of `{model_name}`"),
            );
            self.push(
                if words.is_empty() { diagnostic } else { diagnostic.note(format!("it binds {words}")) }
                    .help("a column is bound to the variable of its name"),
            );
        }
    }

    /// The variable of a model by name, said with its error where there is none.
    pub fn variable(&mut self, model: ModelId, name: &ast::Name) -> Option<VarId> {
        let scope = self.model_names.get(&model)?;
        match scope.names.get(&name.text) {
            Some((Entry::Var(var), _)) => Some(*var),
            Some((Entry::Poisoned, _)) => None,
            Some((Entry::Param(_), place)) => {
                let place = *place;
                self.push(
                    Diagnostic::at(
                        Code::WrongKind,
                        name.span,
                        format!("`{}` is a parameter, not a variable", name.text),
                    )
                    .label(place, "declared here"),
                );
                None
            }
            _ => {
                let model_name = self.program.models[model].name.clone();
                let known =
                    scope.names.iter().filter(|(_, (e, _))| matches!(e, Entry::Var(_))).map(|(n, _)| n.as_str());
                let near = nearest(&name.text, known.clone()).map(str::to_string);
                let list = known.take(12).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                let diagnostic = Diagnostic::at(
                    Code::UnknownName,
                    name.span,
                    format!("`{model_name}` has no variable `{}`", name.text),
                );
                self.push(match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help(format!("its variables are {list}")),
                });
                None
            }
        }
    }
}

/// A column as a binding writes it, perhaps times or divided by a number.
struct Column {
    name: String,
    span: Span,
    scale: Option<Scale>,
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
fn is_computed(file: &ast::File, value: &ast::Expr) -> bool {
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
