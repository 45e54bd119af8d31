//! Axes and domains: which name means which axis, how large it is, and who said so.

use std::collections::BTreeMap;

use crate::base::id::Id;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast;

use super::Checker;
use super::scope::Scope;

/// The domains that are not enumerations.
pub const DOMAINS: [&str; 10] =
    ["Bool", "Spin", "Count", "Real", "Positive", "Unit", "Simplex", "Cov", "Text", "Discrete"];

/// The plate of the rows of a data set.
pub const ROWS: &str = "Row";

/// The largest size of an axis.
const MOST: usize = 1 << 31;
/// Labels of an axis that are looked through one by one.
const FEW: usize = 64;

impl Checker<'_> {
    /// Declares the axes of `axis` items, then notes those that data columns name.
    pub fn axis_items(&mut self) {
        let file = self.file;
        let mut items: Vec<&ast::Axis> = Vec::new();
        for item in &file.items {
            let ast::Item::Axis(axis) = item else { continue };
            if let Some(&first) = self.declared_axes.get(&axis.name.text) {
                self.twice(&axis.name, first, "axis");
                continue;
            }
            if axis.name.text == ROWS || DOMAINS.contains(&axis.name.text.as_str()) {
                let what = if axis.name.text == ROWS { "the rows of the data" } else { "a domain" };
                let message = format!("`{}` already names {what}", axis.name.text);
                self.push(Diagnostic::at(Code::DefinedTwice, axis.name.span, message).help("choose another name"));
                continue;
            }
            self.declared_axes.insert(axis.name.text.clone(), axis.name.span);
            self.named_axis(&axis.name.text, axis.name.span);
            items.push(axis);
        }
        for item in &file.items {
            let ast::Item::Data(data) = item else { continue };
            for field in data.fields.iter().flatten() {
                let domain = field.decl.domain.iter();
                let sizes = field.decl.index.iter().chain(domain.clone().flat_map(|d| &d.axes));
                let names = sizes.filter_map(|s| if let ast::SizeKind::Name(n) = &s.kind { Some(n) } else { None });
                let enumerations = domain.map(|d| &d.name).filter(|n| !DOMAINS.contains(&n.text.as_str()));
                for name in names.chain(enumerations) {
                    self.declared_axes.entry(name.text.clone()).or_insert(name.span);
                }
            }
        }
        for axis in items {
            let Some(&id) = self.axes.get(&axis.name.text) else { continue };
            match &axis.value {
                None => {}
                Some(ast::AxisValue::Size(number)) => match number.count().filter(|n| (1..=MOST).contains(n)) {
                    Some(_) if self.input.sets.contains_key(&axis.name.text) => {}
                    Some(size) => self.set_extent(id, size, number.span, "declared here"),
                    None => {
                        let message = format!("`{}` is not the size of an axis", number.text);
                        self.push(
                            Diagnostic::at(Code::BadNumber, number.span, message)
                                .help(format!("a size is a whole number from 1 to {}", MOST)),
                        );
                    }
                },
                Some(ast::AxisValue::Labels(labels)) => self.set_labels(id, labels),
                Some(ast::AxisValue::Alias(of)) => {
                    if let Some(root) = self.axis_name(None, of) {
                        if self.program.axes.root_checked(root, id) {
                            self.program.axes[id].kind = AxisKind::Alias(root);
                        } else {
                            let message =
                                format!("the axes `{}` and `{}` stand for each other", axis.name.text, of.text);
                            self.push(
                                Diagnostic::at(Code::AxisCycle, axis.span, message).help("give one of them a size"),
                            );
                        }
                    }
                }
            }
        }
    }

    /// A new axis that the file names; a size set from outside comes before every other.
    fn named_axis(&mut self, name: &str, span: Span) -> AxisId {
        let id = self.new_axis(name, AxisKind::Plain, span);
        if let Some(size) = self.input.sets.get(name).and_then(|value| set_size(value)) {
            self.set_extent(id, size, span, "set from outside");
        }
        id
    }

    /// That every size set from outside is one.
    pub fn check_set_sizes(&mut self) {
        for (name, value) in &self.input.sets {
            if set_size(value).is_none() {
                let message = format!("`{value}` is not a size for the axis `{name}`");
                self.problems
                    .push(Diagnostic::new(Code::BadSetting, message).help("a size is a whole number, at least 1"));
            }
        }
    }

    /// That every size set from outside is that of an axis. Where errors have kept statements from being read, an axis
    /// may only seem to be missing.
    pub fn check_set_names(&mut self) {
        if self.problems.has_errors() {
            return;
        }
        let known = |(_, id): &(&String, &AxisId)| {
            matches!(self.program.axes[**id].kind, AxisKind::Plain | AxisKind::Alias(_) | AxisKind::Ragged)
        };
        let names: Vec<&str> =
            self.axes.iter().filter(known).map(|(name, _)| name.as_str()).filter(|n| !n.contains('.')).collect();
        for name in self.input.sets.keys().filter(|name| !names.contains(&name.as_str())) {
            let diagnostic = Diagnostic::new(Code::BadSetting, format!("a size is set, but there is no axis `{name}`"));
            let help = match self.near(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "it has no axes".to_string(),
                None => format!("its axes are {}", names.join(", ")),
            };
            self.problems.push(diagnostic.help(help));
        }
    }

    fn set_labels(&mut self, id: AxisId, labels: &[ast::Name]) {
        let mut seen = BTreeMap::new();
        for label in labels {
            let first = *seen.entry(label.text.as_str()).or_insert(label.span);
            if first != label.span {
                self.twice(label, first, "label");
            }
        }
        let Some(first) = labels.first() else { return };
        self.set_extent(id, labels.len(), first.span, "labels listed here");
        self.program.axes[id].labels = Some(labels.iter().map(|l| l.text.clone()).collect());
    }

    fn new_axis(&mut self, name: &str, kind: AxisKind, span: Span) -> AxisId {
        let id = self.program.axes.push(Axis {
            name: name.to_string(),
            kind,
            extent: None,
            labels: None,
            open: false,
            span,
        });
        self.axes.insert(name.to_string(), id);
        id
    }

    /// An axis that the compiler makes; its name carries a dot.
    pub fn made_axis(&mut self, name: &str, extent: Option<usize>, span: Span) -> AxisId {
        if let Some(&id) = self.axes.get(name) {
            return id;
        }
        let id = self.new_axis(name, AxisKind::Plain, span);
        self.program.axes[id].extent = extent;
        id
    }

    /// The open enumeration of words that `Text` is: one vocabulary for the whole file.
    fn words(&mut self, span: Span) -> AxisId {
        let id = self.made_axis("Text", None, span);
        self.program.axes[id].open = true;
        id
    }

    /// An axis that runs along another once more, so that both can stand in one value.
    pub fn mirror(&mut self, axis: AxisId, span: Span) -> AxisId {
        let name = format!("{}'", self.program.axes[axis].name);
        if let Some(&id) = self.axes.get(&name) {
            return id;
        }
        self.new_axis(&name, AxisKind::Alias(axis), span)
    }

    /// A name for an axis that holds inside one model.
    pub fn alias(&mut self, name: &str, of: AxisId, span: Span) -> AxisId {
        let found = self.program.axes.iter().find(|(_, a)| a.name == name && a.kind == AxisKind::Alias(of));
        let new =
            Axis { name: name.to_string(), kind: AxisKind::Alias(of), extent: None, labels: None, open: false, span };
        match found {
            Some((id, _)) => id,
            None => self.program.axes.push(new),
        }
    }

    /// The axis made of others laid end to end; equal parts give the same axis.
    pub fn sum_axis(&mut self, parts: Vec<AxisId>, span: Span) -> AxisId {
        let found = self.program.axes.iter().find(|(_, a)| a.kind == AxisKind::Sum(parts.clone())).map(|(id, _)| id);
        found.unwrap_or_else(|| {
            let names: Vec<&str> = parts.iter().map(|&p| self.program.axes[p].name.as_str()).collect();
            let name = names.join(".");
            self.program.axes.push(Axis {
                name,
                kind: AxisKind::Sum(parts),
                extent: None,
                labels: None,
                open: false,
                span,
            })
        })
    }

    /// Tells an axis its extent; two that disagree are an error with both places.
    pub fn set_extent(&mut self, id: AxisId, extent: usize, span: Span, who: &str) {
        let id = self.program.axes.root(id);
        match (self.program.axes[id].extent, self.extents.get(&id).cloned()) {
            (Some(before), Some((place, told))) if before != extent => {
                let name = self.program.axes[id].name.clone();
                let message = format!("the axis `{name}` cannot have both {before} and {extent} entries");
                self.push(
                    Diagnostic::at(Code::AxesDisagree, span, message)
                        .saying(format!("{extent} {who}"))
                        .label(place, format!("{before} {told}"))
                        .help(format!("leave the size away, or run with `--set {name}=..`")),
                );
            }
            (Some(_), Some(_)) => {}
            _ => {
                self.program.axes[id].extent = Some(extent);
                self.extents.insert(id, (span, who.to_string()));
            }
        }
    }

    /// The axis of that name at that place; a capital name that nothing declares makes a new one, whose size bound data may tell.
    pub fn axis_name(&mut self, scope: Option<&Scope>, name: &ast::Name) -> Option<AxisId> {
        if let Some(&id) = scope.and_then(|s| s.axes.get(&name.text)).or(self.axes.get(&name.text)) {
            return Some(id);
        }
        if name.text == ROWS {
            return Some(self.new_axis(ROWS, AxisKind::Rows, name.span));
        }
        let own = name.text.rsplit('.').next().unwrap_or_default();
        if own.starts_with(|c: char| c.is_ascii_lowercase()) {
            self.push(
                Diagnostic::at(Code::UnknownAxis, name.span, format!("`{}` is not an axis", name.text))
                    .help("an axis has a capital name; an index like `t` is introduced by `for t in Axis { .. }`"),
            );
            return None;
        }
        if DOMAINS.contains(&name.text.as_str()) {
            self.push(Diagnostic::at(
                Code::UnknownAxis,
                name.span,
                format!("`{}` is a domain, not an axis", name.text),
            ));
            return None;
        }
        if !self.declared_axes.contains_key(&name.text) && name.text.len() >= 4 {
            let near = self.near(&name.text, self.declared_axes.keys().map(String::as_str)).map(str::to_string);
            if let Some((meant, place)) = near.and_then(|n| Some((n.clone(), *self.declared_axes.get(&n)?))) {
                self.push(
                    Diagnostic::at(Code::UnknownAxis, name.span, format!("nothing declares the axis `{}`", name.text))
                        .label(place, "a near name stands here")
                        .help(format!("did you mean `{meant}`? otherwise declare it: `axis {}`", name.text)),
                );
                return None;
            }
        }
        Some(self.named_axis(&name.text, name.span))
    }

    /// The axes between the brackets of a declaration, none twice.
    pub fn axis_list(&mut self, scope: Option<&Scope>, sizes: &[ast::Size]) -> Option<Vec<AxisId>> {
        let mut list = Vec::new();
        let mut failed = false;
        for size in sizes {
            let axis = match &size.kind {
                ast::SizeKind::Name(name) => self.axis_name(scope, name),
                ast::SizeKind::Number(n) => {
                    self.push(
                        Diagnostic::at(Code::UnknownAxis, size.span, "a size needs a name")
                            .help(format!("declare `axis Name = {}` and write `Name` here", n.text)),
                    );
                    None
                }
                ast::SizeKind::Before(n) | ast::SizeKind::Offset(n, _) => {
                    self.push(
                        Diagnostic::at(
                            Code::WrongIndex,
                            size.span,
                            format!("`{}` cannot be shifted in a declaration", n.text),
                        )
                        .help("a declaration names its own place; read neighbours on the right of `~`"),
                    );
                    None
                }
            };
            match axis {
                Some(axis) if list.contains(&axis) => {
                    let name = self.program.axes[axis].name.clone();
                    self.push(
                        Diagnostic::at(
                            Code::RepeatedAxis,
                            size.span,
                            format!("the axis `{name}` stands twice in one declaration"),
                        )
                        .help(format!("make an alias, `axis Other{name} = {name}`, and use it for one of the two")),
                    );
                    failed = true;
                }
                Some(axis) => list.push(axis),
                None => failed = true,
            }
        }
        (!failed).then_some(list)
    }

    /// The domain and event axes that a declaration names. `Discrete` is for ports only and refused here.
    pub fn domain(&mut self, scope: Option<&Scope>, domain: &ast::Domain) -> Option<(Domain, Vec<AxisId>)> {
        let axes = self.axis_list(scope, &domain.axes);
        let name = &domain.name;
        let kind = match name.text.as_str() {
            "Bool" => Domain::Bool,
            "Spin" => Domain::Spin,
            "Count" => Domain::Count,
            "Real" => Domain::Real,
            "Positive" => Domain::Positive,
            "Unit" => Domain::Unit,
            "Simplex" => Domain::Simplex,
            "Cov" => Domain::Cov,
            "Text" => Domain::Cat(self.words(name.span)),
            "Discrete" => {
                self.push(
                    Diagnostic::at(
                        Code::UnknownDomain,
                        name.span,
                        "`Discrete` stands only among the arguments of a sub-model",
                    )
                    .help("say which kind it is: `Bool`, `Spin` or an enumeration"),
                );
                return None;
            }
            text => {
                let known = scope.is_some_and(|s| s.axes.contains_key(text))
                    || self.axes.contains_key(text)
                    || self.declared_axes.contains_key(text);
                let near = self.near(text, DOMAINS);
                if !known && (near.is_some() || text.starts_with(|c: char| c.is_ascii_lowercase())) {
                    let diagnostic =
                        Diagnostic::at(Code::UnknownDomain, name.span, format!("there is no domain `{text}`"));
                    self.push(match near {
                        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                        None => diagnostic.help(
                            "the domains are `Bool`, `Spin`, `Count`, `Real`, `Positive`, `Unit`, `Simplex`, `Cov`, `Text` and any axis used as an enumeration",
                        ),
                    });
                    return None;
                }
                Domain::Cat(self.axis_name(scope, name)?)
            }
        };
        let axes = axes?;
        if matches!(kind, Domain::Simplex | Domain::Cov) && axes.is_empty() {
            self.push(
                Diagnostic::at(Code::UnknownDomain, domain.span, format!("`{}` needs an axis", name.text))
                    .help(format!("write `{}[Axis]`", name.text)),
            );
            return None;
        }
        let mut axes = axes;
        if let (Domain::Cov, Some(&last)) = (&kind, axes.last()) {
            axes.push(self.mirror(last, domain.span));
        }
        Some((kind, axes))
    }

    /// The label's position among an enumeration's states, said with its error where it is none.
    pub fn state(&mut self, domain: &Domain, label: &str, span: Span) -> Option<usize> {
        match domain {
            Domain::Bool => match label {
                "no" => Some(0),
                "yes" => Some(1),
                _ => {
                    self.push(
                        Diagnostic::at(Code::UnknownLabel, span, format!("`{label}` is not a state of a `Bool`"))
                            .help("its states are `no` and `yes`"),
                    );
                    None
                }
            },
            Domain::Spin => match label {
                "down" | "no" => Some(0),
                "up" | "yes" => Some(1),
                _ => {
                    self.push(
                        Diagnostic::at(Code::UnknownLabel, span, format!("`{label}` is not a state of a `Spin`"))
                            .help("its states are `down` and `up`"),
                    );
                    None
                }
            },
            Domain::Cat(axis) => {
                let name = self.program.axes[self.program.axes.root(*axis)].name.clone();
                if let Some(labels) = self.program.axes.labels(*axis) {
                    if labels.len() < FEW {
                        if let Some(position) = labels.iter().position(|l| l == label) {
                            return Some(position);
                        }
                    } else {
                        let places = self.label_places.entry(self.program.axes.root(*axis)).or_default();
                        if places.len() != labels.len() {
                            *places = labels.iter().cloned().enumerate().map(|(place, label)| (label, place)).collect();
                        }
                        if let Some(&position) = places.get(label) {
                            return Some(position);
                        }
                    }
                    let near = self.near(label, labels.iter().map(String::as_str)).map(str::to_string);
                    let list = labels.iter().take(12).map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
                    let diagnostic =
                        Diagnostic::at(Code::UnknownLabel, span, format!("`{label}` is not a state of `{name}`"));
                    self.push(match near {
                        Some(near) if label.parse::<f64>().is_err() => {
                            diagnostic.help(format!("did you mean `{near}`?"))
                        }
                        _ => diagnostic.help(format!("its states are {list}")),
                    });
                    return None;
                }
                let (root, extent) = (self.program.axes.root(*axis), self.program.axes.extent(*axis));
                if self.enumerated.contains_key(&root) {
                    self.push(
                        Diagnostic::at(
                            Code::UnknownLabel,
                            span,
                            format!("what the states of `{name}` are called is known only once the data are read"),
                        )
                        .help("say it by a variable that data bind, or let a small file bind the enumeration first"),
                    );
                    return None;
                }
                match label.parse::<usize>().ok().filter(|&n| n >= 1 && extent.is_none_or(|e| n <= e)) {
                    Some(n) => {
                        self.positional.entry(root).or_insert(span);
                        Some(n - 1)
                    }
                    None => {
                        let diagnostic =
                            Diagnostic::at(Code::UnknownLabel, span, format!("`{label}` is not a state of `{name}`"));
                        self.push(match extent {
                            Some(extent) => diagnostic.help(match label {
                                "0" => format!("counting begins at 1: its states are 1 to {extent}"),
                                _ => format!("its states are 1 to {extent}; list labels with `axis {name} = a, b, ..`"),
                            }),
                            None => diagnostic
                                .help(format!("its labels are not known yet; list them with `axis {name} = a, b, ..`")),
                        });
                        None
                    }
                }
            }
            _ => {
                self.push(Diagnostic::at(
                    Code::UnknownLabel,
                    span,
                    format!("`{label}` is a label, but a number is meant here"),
                ));
                None
            }
        }
    }

    /// That a declaration has an axis twice.
    pub(super) fn repeated_axis(&mut self, axis: AxisId, span: Span) {
        let name = &self.program.axes[axis].name;
        let twice =
            Diagnostic::at(Code::RepeatedAxis, span, format!("the axis `{name}` stands twice in one declaration"))
                .help(format!("make an alias, `axis Other{name} = {name}`, and use it for one of the two"));
        self.push(twice);
    }
}

/// Roots that do not trust the chain to end.
trait RootChecked {
    fn root_checked(&self, from: AxisId, avoid: AxisId) -> bool;
}

impl RootChecked for crate::base::id::Arena<AxisId, Axis> {
    /// Whether following aliases from `from` never meets `avoid`.
    fn root_checked(&self, from: AxisId, avoid: AxisId) -> bool {
        let mut at = from;
        for _ in 0..=self.len() {
            if at == avoid || at.index() >= self.len() {
                return false;
            }
            match self[at].kind {
                AxisKind::Alias(next) => at = next,
                _ => return true,
            }
        }
        false
    }
}

/// The size that a text sets.
fn set_size(value: &str) -> Option<usize> {
    value.parse().ok().filter(|n| (1..=1 << 31).contains(n))
}
