//! Data: where a set comes from, how its columns are bound to variables, and whether that fits what is trained or asked on it.

use crate::base::schema::{ColumnKind, ColumnSchema, Schema};
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::columns::{Column, column_names, is_computed};
use super::scope::Entry;
use super::types::{say_axes, show_type};
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
                        "`soft`, `binarise` and thresholds give `Bool`; `reveal` and `words` give an enumeration; a column times a number is a number",
                    ),
            );
            return None;
        }
        let binding = Binding {
            name: decl.name.text.clone(),
            axes,
            domain,
            column,
            scale,
            transform,
            partial: false,
            span: field.span,
        };
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
                    partial: false,
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
            partial: false,
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
                    if !close || binding.axes.iter().copied().filter(|a| !rows(a)).ne(axes) {
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
