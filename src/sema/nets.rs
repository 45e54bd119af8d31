//! Nets: functions built of layers. Each call is expanded into expressions over parameters that the net owns, made on the first call.
//!
//! A dense layer is f(W·x + b); the first reads all arguments laid end to end, and an output's domain sets its link.

use std::collections::BTreeMap;

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::program::Net;
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind, NetOutput};

use super::Checker;
use super::scope::Scope;
use super::types::{as_number, binary, call, expr, show_type};

/// Layers of the language that cannot be compiled yet.
const LATER: [&str; 9] = ["embed", "conv", "lstm", "gru", "pool", "norm", "dropout", "attention", "rnn"];

/// A net as registered.
#[derive(Clone, Copy)]
pub struct NetInfo<'a> {
    item: &'a ast::Net,
    /// Its position in `Program::nets`.
    pub position: usize,
    /// Whether it had an error of its own; calls then keep quiet.
    broken: bool,
}

/// A layer with its settings read.
struct Dense {
    units: Option<Units>,
    activation: Option<Function>,
}

enum Units {
    Count(usize),
    Axis(AxisId),
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
        for layer in &net.layers {
            let text = layer.name.text.as_str();
            if text == "dense" {
                continue;
            }
            broken = true;
            if LATER.contains(&text) {
                self.unsupported(layer.span, &format!("the layer `{text}`"));
                continue;
            }
            let diagnostic =
                Diagnostic::at(Code::UnknownFunction, layer.name.span, format!("there is no layer `{text}`"));
            let known = LATER.iter().copied().chain(["dense"]);
            self.push(match nearest(text, known) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help("the layer is `dense`: `dense(100, tanh)`, and last `dense`"),
            });
        }
        for (i, input) in net.inputs.iter().enumerate() {
            if let Some(first) = net.inputs[..i].iter().find(|d| d.name.text == input.name.text) {
                self.twice(&input.name, first.name.span, "argument");
                broken = true;
            }
            if !input.index.is_empty() {
                self.unsupported(input.span, "a net over a whole plate");
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
        let mut parts = self.net_inputs(scope, info.item, args, span)?;
        let (last, hidden) = info.item.layers.split_last()?;
        for (i, layer) in hidden.iter().enumerate() {
            let dense = self.dense_settings(layer)?;
            let label = format!("{}.{}", name.text, i + 1);
            let axis = match dense.units {
                Some(Units::Count(n)) => self.made_axis(&label, Some(n), layer.span),
                Some(Units::Axis(axis)) => axis,
                None => {
                    self.push(
                        Diagnostic::at(Code::WrongArguments, layer.span, "a hidden layer needs its number of units")
                            .help("write `dense(100, tanh)`; only the last layer takes its size from the output"),
                    );
                    return None;
                }
            };
            let out = self.dense(&info, &label, parts, vec![axis], span)?;
            parts = vec![dense.activation.map_or(out.clone(), |f| call(f, out, span))];
        }
        let dense = self.dense_settings(last)?;
        if let Some(Units::Count(_)) = dense.units {
            self.push(
                Diagnostic::at(Code::WrongArguments, last.span, "the last layer takes its size from the output")
                    .help("write `dense` or `dense(activation)`; for a hidden layer add a `dense` after it"),
            );
            return None;
        }
        match &info.item.output {
            NetOutput::Single(domain) => {
                let (kind, axes) = self.domain(None, domain)?;
                let label = format!("{}.{}", name.text, info.item.layers.len());
                let value = self.head(&info, &label, parts, (kind, axes), dense.activation, span)?;
                Some(vec![(String::new(), value)])
            }
            NetOutput::Named(outputs) => {
                let mut list = Vec::new();
                for output in outputs {
                    let Some(domain) = &output.domain else {
                        self.missing_domain(&output.name);
                        return None;
                    };
                    if !output.index.is_empty() {
                        self.unsupported(output.span, "a net over a whole plate");
                        return None;
                    }
                    let (kind, axes) = self.domain(None, domain)?;
                    let label = format!("{}.{}", name.text, output.name.text);
                    let value = self.head(&info, &label, parts.clone(), (kind, axes), dense.activation, span)?;
                    list.push((output.name.text.clone(), value));
                }
                Some(list)
            }
        }
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
    ) -> Option<Vec<Expr>> {
        let mut values: BTreeMap<usize, Expr> = BTreeMap::new();
        let mut failed = false;
        let mut place = 0;
        for arg in args {
            let value = self.expr(scope, &arg.value);
            let position = match &arg.kind {
                ArgKind::Positional => {
                    place += 1;
                    (place <= item.inputs.len()).then_some(place - 1)
                }
                ArgKind::Named(name) => {
                    let found = item.inputs.iter().position(|d| d.name.text == name.text);
                    if found.is_none() {
                        let near =
                            nearest(&name.text, item.inputs.iter().map(|d| d.name.text.as_str())).map(str::to_string);
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
            let message = format!("`{}` takes {} arguments, not {}", item.name.text, item.inputs.len(), args.len());
            let diagnostic = Diagnostic::at(Code::WrongArguments, span, message).label(item.name.span, "declared here");
            self.push(if missing.is_empty() {
                diagnostic
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
            let (kind, axes) = self.domain(None, domain)?;
            let same_kind = match (&kind, &value.ty.domain) {
                (Domain::Cat(a), Domain::Cat(b)) => a == b,
                (Domain::Cat(_), _) | (_, Domain::Cat(_)) | (Domain::Text, _) | (_, Domain::Text) => false,
                _ => true,
            };
            let same_axes = axes.len() == value.ty.axes.len() && axes.iter().all(|a| value.ty.axes.contains(a));
            if !same_kind || !same_axes {
                let (wants, has) = (
                    show_type(&self.program, &kind, &axes),
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
                    .label(decl.span, format!("declared `{wants}`")),
                );
                return None;
            }
            list.push(as_number(value));
        }
        Some(list)
    }

    fn dense_settings(&mut self, layer: &ast::Layer) -> Option<Dense> {
        let mut dense = Dense { units: None, activation: None };
        for arg in layer.args.iter().flatten() {
            self.positional(arg, "dense")?;
            match &arg.value.bare().kind {
                ExprKind::Number(n) => dense.units = Some(Units::Count(self.count(n, "a number of units")?)),
                ExprKind::Path(path)
                    if path.parts.len() == 1 && path.parts[0].text.starts_with(|c: char| c.is_ascii_uppercase()) =>
                {
                    dense.units = Some(Units::Axis(self.axis_name(None, &path.parts[0])?));
                }
                ExprKind::Path(path) => {
                    let text = path.text();
                    match Function::ALL.into_iter().find(|f| f.name() == text) {
                        Some(function) => dense.activation = Some(function),
                        None => {
                            let near = nearest(&text, Function::ALL.iter().map(|f| f.name()));
                            let diagnostic = Diagnostic::at(
                                Code::UnknownFunction,
                                arg.span,
                                format!("there is no activation `{text}`"),
                            );
                            self.push(match near {
                                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                                None => diagnostic.help(
                                    "any function of one argument, such as `tanh`, `sigmoid`, `softplus` or `relu`",
                                ),
                            });
                            return None;
                        }
                    }
                }
                _ => {
                    self.push(
                        Diagnostic::at(
                            Code::WrongArguments,
                            arg.span,
                            "`dense` takes a number of units and an activation",
                        )
                        .help("write `dense(100, tanh)`"),
                    );
                    return None;
                }
            }
        }
        Some(dense)
    }

    fn net_param(&mut self, info: &NetInfo, name: String, axes: Vec<AxisId>) -> Expr {
        let span = info.item.name.span;
        let found =
            self.program.nets[info.position].params.iter().copied().find(|&p| self.program.params[p].name == name);
        let id = found.unwrap_or_else(|| {
            let param = Param {
                name,
                owner: Owner::Net(info.position),
                axes: axes.clone(),
                domain: Domain::Real,
                prior: None,
                span,
            };
            let id = self.program.params.push(param);
            self.program.nets[info.position].params.push(id);
            id
        });
        expr(Node::Param(id), axes, Domain::Real, span)
    }

    /// W·x + b. Vectors are laid end to end under one weight; single numbers and arrays of more axes have a weight each.
    fn dense(&mut self, info: &NetInfo, label: &str, parts: Vec<Expr>, out: Vec<AxisId>, span: Span) -> Option<Expr> {
        let several = parts.len() > 1;
        let (vectors, others): (Vec<_>, Vec<_>) =
            parts.into_iter().enumerate().partition(|(_, p)| p.ty.axes.len() == 1);
        let mut sum = self.net_param(info, format!("{label}.bias"), out.clone());
        let mut vectors: Vec<Expr> = vectors.into_iter().map(|(_, e)| e).collect();
        let joined = if vectors.len() > 1 { Some(self.concat_parts(vectors, span)?) } else { vectors.pop() };
        if let Some(x) = joined {
            let mut axes = x.ty.axes.clone();
            axes.extend(&out);
            self.check_layer_axes(&axes, span)?;
            let weight = self.net_param(info, format!("{label}.weight"), axes);
            let product = self.contract(weight, x, span)?;
            sum = binary(Operator::Add, product, sum, span);
        }
        for (i, x) in others {
            let name = if several {
                format!("{label}.weight.{}", info.item.inputs.get(i).map_or("x", |d| &d.name.text))
            } else {
                format!("{label}.weight")
            };
            let mut axes = x.ty.axes.clone();
            axes.extend(&out);
            self.check_layer_axes(&axes, span)?;
            let weight = self.net_param(info, name, axes);
            let product = match x.ty.axes.is_empty() {
                true => binary(Operator::Mul, weight, x, span),
                false => self.contract(weight, x, span)?,
            };
            sum = binary(Operator::Add, product, sum, span);
        }
        Some(sum)
    }

    /// A layer cannot read and write the same axis: its weight would have it twice.
    fn check_layer_axes(&mut self, axes: &[AxisId], span: Span) -> Option<()> {
        let twice = axes.iter().enumerate().find(|(i, a)| axes[..*i].contains(a)).map(|(_, a)| *a);
        let Some(axis) = twice else { return Some(()) };
        let name = self.program.axes[axis].name.clone();
        self.push(
            Diagnostic::at(Code::RepeatedAxis, span, format!("a layer would read and write the axis `{name}`")).help(
                format!("put a hidden layer between, or let the output have an alias: `axis Out{name} = {name}`"),
            ),
        );
        None
    }

    fn head(
        &mut self,
        info: &NetInfo,
        label: &str,
        parts: Vec<Expr>,
        (kind, axes): (Domain, Vec<AxisId>),
        activation: Option<Function>,
        span: Span,
    ) -> Option<Expr> {
        let out = self.dense(info, label, parts, axes.clone(), span)?;
        let out = activation.map_or(out.clone(), |f| call(f, out, span));
        Some(match kind {
            Domain::Real => out,
            Domain::Positive => call(Function::Exp, out, span),
            Domain::Unit => call(Function::Sigmoid, out, span),
            Domain::Simplex => match axes.last() {
                Some(&last) => expr(Node::Softmax(Box::new(out), last), axes, Domain::Simplex, span),
                None => return None,
            },
            other => {
                let has = show_type(&self.program, &other, &axes);
                self.push(
                    Diagnostic::at(Code::DomainsDisagree, info.item.name.span, format!("a net cannot give a `{has}`"))
                        .help("its outputs are `Real`, `Positive`, `Unit` or `Simplex`; feed them to a distribution for the rest"),
                );
                return None;
            }
        })
    }
}
