//! Nets: functions built of layers. Each call is expanded into expressions over parameters that the net owns, made on the first call.
//!
//! What its layers do is in `layers.rs`.

use std::collections::BTreeMap;

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::program::Net;
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, NetOutput};

use super::Checker;
use super::layers::Part;
use super::scope::Scope;
use super::types::{as_number, show_type};

/// Layers of one net.
const MAX_LAYERS: usize = 128;

/// A net as registered.
#[derive(Clone, Copy)]
pub struct NetInfo<'a> {
    pub item: &'a ast::Net,
    /// Its position in `Program::nets`.
    pub position: usize,
    /// Whether it had an error of its own; calls then keep quiet.
    broken: bool,
}

impl<'a> Checker<'a> {
    /// Registers a net and checks the names of its layers.
    pub fn net_item(&mut self, net: &'a ast::Net) {
        if let Some(first) = self.nets.get(&net.name.text) {
            let first = first.item.name.span;
            self.twice(&net.name, first, "net");
            return;
        }
        let mut broken = net.layers.is_empty();
        if let Some(more) = net.layers.get(MAX_LAYERS) {
            self.push(
                Diagnostic::at(Code::TooDeep, more.span, format!("a net of more than {MAX_LAYERS} layers"))
                    .label(net.name.span, format!("`{}` has {}", net.name.text, net.layers.len()))
                    .help("a repetition along an axis is a recurrent layer; otherwise use fewer layers"),
            );
            broken = true;
        }
        for layer in net.layers.iter().take(MAX_LAYERS) {
            broken |= self.check_layer(layer).is_none();
        }
        for (i, input) in net.inputs.iter().enumerate() {
            if let Some(first) = net.inputs[..i].iter().find(|d| d.name.text == input.name.text) {
                self.twice(&input.name, first.name.span, "argument");
                broken = true;
            }
        }
        self.program.nets.push(Net { name: net.name.text.clone(), params: Vec::new(), span: net.name.span });
        self.nets.insert(net.name.text.clone(), NetInfo { item: net, position: self.program.nets.len() - 1, broken });
    }

    /// The call of a net with one output.
    pub fn net_call(&mut self, scope: &mut Scope, name: &ast::Name, args: &[ast::Arg], span: Span) -> Option<Expr> {
        let item = self.nets.get(&name.text)?.item;
        if let NetOutput::Named(outputs) = &item.output
            && outputs.len() != 1
        {
            let words: Vec<String> = outputs.iter().map(|o| format!("`{}`", o.name.text)).collect();
            self.push(
                Diagnostic::at(
                    Code::NotAValue,
                    span,
                    format!("`{}` has named outputs: {}", name.text, words.join(", ")),
                )
                .label(item.name.span, "declared here")
                .help(format!("pass them to a distribution of the same argument names: `Normal(..{}(x))`", name.text)),
            );
            return None;
        }
        self.net_outputs(scope, name, args, span)?.pop().map(|(_, value)| value)
    }

    /// The outputs of a net's call, by name; the one output of a single-valued net has an empty name.
    pub fn net_outputs(
        &mut self,
        scope: &mut Scope,
        name: &ast::Name,
        args: &[ast::Arg],
        span: Span,
    ) -> Option<Vec<(String, Expr)>> {
        let info = *self.nets.get(&name.text)?;
        if info.broken {
            // Its own error was told; the arguments may have others.
            args.iter().for_each(|a| drop(self.expr(scope, &a.value)));
            return None;
        }
        let inputs = self.net_inputs(scope, info.item, args, span)?;
        self.run_layers(scope, &info, inputs, span)
    }

    /// A declaration that does not say where its values live.
    pub fn missing_domain(&mut self, name: &ast::Name) {
        self.push(
            Diagnostic::at(
                Code::MissingDomain,
                name.span,
                format!("`{}` does not say where its values live", name.text),
            )
            .help(format!("write `{}: Real[Axis]`, or another domain", name.text)),
        );
    }

    /// The arguments of a call, in the order of the net's inputs, as numbers.
    fn net_inputs(
        &mut self,
        scope: &mut Scope,
        item: &'a ast::Net,
        args: &[ast::Arg],
        span: Span,
    ) -> Option<Vec<Part>> {
        let mut values: BTreeMap<usize, Expr> = BTreeMap::new();
        let mut failed = false;
        let mut place = 0;
        for arg in args {
            let value = self.expr(scope, &arg.value).and_then(|e| self.bounded(e));
            let position = match &arg.kind {
                ArgKind::Positional => {
                    place += 1;
                    (place <= item.inputs.len()).then_some(place - 1)
                }
                ArgKind::Named(name) => {
                    let found = item.inputs.iter().position(|d| d.name.text == name.text);
                    if found.is_none() {
                        let near =
                            self.near(&name.text, item.inputs.iter().map(|d| d.name.text.as_str())).map(str::to_string);
                        let diagnostic = Diagnostic::at(
                            Code::UnknownArgument,
                            name.span,
                            format!("`{}` has no argument `{}`", item.name.text, name.text),
                        )
                        .label(item.name.span, "declared here");
                        self.push(match near {
                            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                            None => diagnostic,
                        });
                        failed = true;
                        continue;
                    }
                    found
                }
                ArgKind::Splat => {
                    self.error(
                        Code::WrongArguments,
                        arg.span,
                        "`..` gives the arguments of a distribution, not of a net",
                    );
                    failed = true;
                    continue;
                }
            };
            match (position, value) {
                (Some(position), Some(value)) => {
                    values.insert(position, value);
                }
                (Some(_), None) => failed = true,
                (None, _) => {}
            }
        }
        if failed {
            return None;
        }
        if values.len() != item.inputs.len() || args.len() != item.inputs.len() {
            let missing: Vec<String> = item
                .inputs
                .iter()
                .enumerate()
                .filter(|(i, _)| !values.contains_key(i))
                .map(|(_, d)| format!("`{}`", d.name.text))
                .collect();
            let count = item.inputs.len();
            let plural = if count == 1 { "" } else { "s" };
            let message = format!("`{}` takes {count} argument{plural}, not {}", item.name.text, args.len());
            let inputs: Vec<&str> = item.inputs.iter().map(|d| d.name.text.as_str()).collect();
            let diagnostic = Diagnostic::at(Code::WrongArguments, span, message).label(item.name.span, "declared here");
            self.push(if missing.is_empty() {
                diagnostic.help(format!("write `{}({})`", item.name.text, inputs.join(", ")))
            } else {
                diagnostic.help(format!("{} is missing", missing.join(" and ")))
            });
            return None;
        }
        let mut list = Vec::new();
        for (decl, (_, value)) in item.inputs.iter().zip(values) {
            let Some(domain) = &decl.domain else {
                self.missing_domain(&decl.name);
                return None;
            };
            let index = self.axis_list(None, &decl.index)?;
            let (kind, mut event) = self.domain(None, domain)?;
            let same_kind = match (&kind, &value.ty.domain) {
                (Domain::Cat(a), Domain::Cat(b)) => a == b,
                (Domain::Cat(_), _) | (_, Domain::Cat(_)) => false,
                _ => true,
            };
            let wanted: Vec<AxisId> = index.iter().chain(&event).copied().collect();
            if !same_kind || wanted.iter().any(|a| !value.ty.axes.contains(a)) {
                let (wants, has) = (
                    show_type(&self.program, &kind, &wanted),
                    show_type(&self.program, &value.ty.domain, &value.ty.axes),
                );
                let code = if same_kind { Code::AxesDisagree } else { Code::DomainsDisagree };
                self.push(
                    Diagnostic::at(
                        code,
                        value.span,
                        format!("`{}` does not take this for `{}`", item.name.text, decl.name.text),
                    )
                    .saying(format!("this is a `{has}`"))
                    .label(decl.span, format!("declared `{wants}`"))
                    .help(format!("pass a `{wants}`, or declare `{}` as what it is given", decl.name.text)),
                );
                return None;
            }
            let prefix = prefix_of(&value);
            let value =
                if let (Some(_), Node::Pick { base, .. }) = (prefix, &value.node) { (**base).clone() } else { value };
            if let Domain::Cat(class) = kind {
                event.push(class);
            }
            list.push(Part { name: decl.name.text.clone(), value: as_number(value), event, index, prefix });
        }
        Some(list)
    }
}

/// The index that a prefix is read up to: `word[<t]`.
fn prefix_of(value: &Expr) -> Option<IndexId> {
    match &value.node {
        Node::Pick { at, .. } => match at.as_slice() {
            [Subscript::Prefix(index)] => Some(*index),
            _ => None,
        },
        _ => None,
    }
}
