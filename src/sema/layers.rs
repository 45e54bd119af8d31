//! Layers: what each makes of the features before it, as expressions over parameters of the net.
//!
//! Features are vectors, one for each position of the plates they stand in. A dense layer is f(W·x + b); the first layer reads
//! all arguments laid end to end. A convolution and a recurrent layer run along the axes that the net's arguments are indexed
//! by. The last layer takes its size from the output, whose domain sets its link.

use std::collections::BTreeSet;

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind, NetOutput};

use super::Checker;
use super::nets::NetInfo;
use super::scope::Scope;
use super::types::{binary, call, expr, number, say_axes, show_type};

/// Names of layers, each with how it is written.
const LAYERS: [(&str, &str); 9] = [
    ("dense", "`dense(100, tanh)`, and last `dense`"),
    ("embed", "`embed(word = 50, pos = 5)`: a vector for each state of those arguments"),
    ("conv", "`conv(16, width = 3, relu)`, along the axes that index the arguments"),
    ("pool", "`pool(2, max)` or `pool(mean)`, in blocks or over the whole axis"),
    ("rnn", "`rnn(100)`, along the axis that indexes the arguments"),
    ("lstm", "`lstm(100, start = z)`, along the axis that indexes the arguments"),
    ("gru", "`gru(100, start = z)`, along the axis that indexes the arguments"),
    ("norm", "`norm`: each feature vector to mean 0 and spread 1, then a gain and a shift"),
    ("dropout", "`dropout(0.5)`: that share of entries is set to 0 while learning"),
];

/// An argument of a net, or features made of arguments.
#[derive(Clone)]
pub struct Part {
    /// The argument's name; empty for features.
    pub name: String,
    /// Its numbers; an enumeration's are its indicator.
    pub value: Expr,
    /// The axes of one position: what a weight is summed over.
    pub event: Vec<AxisId>,
    /// The axes that the declaration indexes it by.
    pub index: Vec<AxisId>,
    /// The index up to which it is read, of `word[<t]`.
    pub prefix: Option<IndexId>,
}

/// How many units a layer has.
#[derive(Clone, Copy)]
enum Units {
    Count(usize),
    Axis(AxisId),
}

/// The kinds of recurrent layers.
#[derive(Clone, Copy, PartialEq)]
enum Cell {
    /// h = tanh(W·x + U·h⁻ + b) (Elman 1990).
    Plain,
    /// Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014).
    Gru,
}

/// A layer with its settings read.
enum Layer {
    Dense { units: Option<Units>, activation: Option<Function> },
    Embed { sizes: Vec<(String, usize)>, drop: f64 },
    Conv { units: Units, width: usize, activation: Option<Function> },
    Pool { size: Option<usize>, how: Reduction },
    Recurrent { cell: Cell, units: Units, start: Option<String> },
    Norm,
    Dropout(f64),
}

/// What flows through the layers of one call.
struct Flow {
    parts: Vec<Part>,
    /// The axes the net runs along, as they are called by now.
    along: Vec<AxisId>,
    /// Whether the outputs have a place for each position of those axes.
    each: bool,
    span: Span,
}

impl<'a> Checker<'a> {
    /// The outputs of a net for its arguments, by name; the one output of a single-valued net has an empty name.
    pub fn run_layers(
        &mut self,
        scope: &mut Scope,
        info: &NetInfo<'a>,
        inputs: Vec<Part>,
        span: Span,
    ) -> Option<Vec<(String, Expr)>> {
        let mut along: Vec<AxisId> = Vec::new();
        for part in &inputs {
            along.extend(part.index.iter().filter(|a| !along.contains(a)).collect::<Vec<_>>());
        }
        let each = match &info.item.output {
            NetOutput::Named(outputs) => outputs.iter().any(|o| !o.index.is_empty()),
            NetOutput::Single(_) => false,
        };
        let mut flow = Flow { parts: inputs, along, each, span };
        let (last, hidden) = info.item.layers.split_last()?;
        for (i, written) in hidden.iter().enumerate() {
            let label = format!("{}.{}", info.item.name.text, i + 1);
            let more = hidden[i + 1..]
                .iter()
                .any(|l| matches!(l.name.text.as_str(), "rnn" | "lstm" | "gru" | "conv" | "pool"));
            self.hidden_layer(scope, info, &label, written, &mut flow, more)?;
            for part in std::mem::take(&mut flow.parts) {
                let value = self.bounded(part.value)?;
                flow.parts.push(Part { value, ..part });
            }
        }
        let Layer::Dense { units, activation } = self.layer(last)? else {
            self.push(
                Diagnostic::at(Code::WrongArguments, last.span, "the last layer gives the output its size")
                    .help("end with `dense` or `dense(activation)`"),
            );
            return None;
        };
        if let Some(Units::Count(_)) = units {
            self.push(
                Diagnostic::at(Code::WrongArguments, last.span, "the last layer takes its size from the output")
                    .help("write `dense` or `dense(activation)`; for a hidden layer add a `dense` after it"),
            );
            return None;
        }
        if let Some(part) = flow.parts.iter().find(|p| p.prefix.is_some()) {
            self.push(
                Diagnostic::at(Code::WrongArguments, part.value.span, "what came before is read by a recurrent layer")
                    .label(info.item.name.span, "this net has none")
                    .help("put `lstm(100)`, `gru(100)` or `rnn(100)` before the last layer"),
            );
            return None;
        }
        match &info.item.output {
            NetOutput::Single(domain) => {
                let (kind, axes) = self.domain(None, domain)?;
                let label = format!("{}.{}", info.item.name.text, info.item.layers.len());
                let value = self.head(info, &label, &flow, (kind, axes), activation)?;
                Some(vec![(String::new(), value)])
            }
            NetOutput::Named(outputs) => {
                let mut list = Vec::new();
                for output in outputs {
                    let Some(domain) = &output.domain else {
                        self.missing_domain(&output.name);
                        return None;
                    };
                    let index = self.axis_list(None, &output.index)?;
                    if index != flow.along && (!index.is_empty() || each) {
                        let (wants, has) = (say_axes(&self.program, &index), say_axes(&self.program, &flow.along));
                        self.push(
                            Diagnostic::at(
                                Code::AxesDisagree,
                                output.span,
                                format!("`{}` is indexed by {wants}, and the features by {has}", output.name.text),
                            )
                            .help("an output has the arguments' index axes, or none of them"),
                        );
                        return None;
                    }
                    let (kind, axes) = self.domain(None, domain)?;
                    let label = format!("{}.{}", info.item.name.text, output.name.text);
                    let value = self.head(info, &label, &flow, (kind, axes), activation)?;
                    list.push((output.name.text.clone(), value));
                }
                Some(list)
            }
        }
    }

    fn hidden_layer(
        &mut self,
        scope: &mut Scope,
        info: &NetInfo<'a>,
        label: &str,
        written: &ast::Layer,
        flow: &mut Flow,
        more: bool,
    ) -> Option<()> {
        match self.layer(written)? {
            Layer::Dense { units, activation } => {
                let Some(units) = units else {
                    self.push(
                        Diagnostic::at(Code::WrongArguments, written.span, "a hidden layer needs its number of units")
                            .help("write `dense(100, tanh)`; only the last layer takes its size from the output"),
                    );
                    return None;
                };
                let axis = self.units_axis(label, units, written.span);
                let out = self.dense(info, label, &flow.parts, vec![axis], flow.span)?;
                let out = activation.map_or(out.clone(), |f| call(f, out, flow.span));
                let prefix = flow.parts.iter().find_map(|p| p.prefix);
                self.settle_features(flow, out, axis, prefix);
            }
            Layer::Embed { sizes, drop } => {
                for (name, size) in sizes {
                    let Some(part) = flow.parts.iter_mut().find(|p| p.name == name) else { continue };
                    let axis = self.units_axis(&format!("{label}.{name}"), Units::Count(size), written.span);
                    let event = part.event.clone();
                    let table =
                        self.net_param(info, format!("{label}.{name}"), event.iter().copied().chain([axis]).collect());
                    let value = self.contract(part.value.clone(), table, flow.span)?;
                    part.value = dropped(value, drop);
                    part.event = vec![axis];
                }
            }
            Layer::Conv { .. } | Layer::Pool { .. } if self.reads_beyond(flow, written) => return None,
            Layer::Conv { units, width, activation } => {
                if flow.along.is_empty() {
                    self.no_axis_to_run_along(info, written);
                    return None;
                }
                let (mut value, channel) = self.joined(&flow.parts, flow.span)?;
                let axis = self.units_axis(label, units, written.span);
                let mut weight = Vec::new();
                for &along in &flow.along {
                    let name = format!("{label}.{}", self.program.axes[along].name);
                    let window = self.made_axis(&name, Some(width), written.span);
                    let mut axes = value.ty.axes.clone();
                    axes.push(window);
                    value = expr(
                        Node::Window { of: Box::new(value), along, places: along, window },
                        axes,
                        Domain::Real,
                        flow.span,
                    );
                    weight.push(window);
                }
                weight.extend([channel, axis]);
                let weight = self.net_param(info, format!("{label}.weight"), weight);
                let bias = self.net_param(info, format!("{label}.bias"), vec![axis]);
                let product = self.contract(value, weight, flow.span)?;
                let out = binary(Operator::Add, product, bias, flow.span);
                let out = activation.map_or(out.clone(), |f| call(f, out, flow.span));
                self.settle_features(flow, out, axis, None);
            }
            Layer::Pool { size, how } => {
                if flow.along.is_empty() {
                    self.no_axis_to_run_along(info, written);
                    return None;
                }
                let (value, channel) = self.joined(&flow.parts, flow.span)?;
                let out = match size {
                    None => {
                        let over = std::mem::take(&mut flow.along);
                        let axes = value.ty.axes.iter().copied().filter(|a| !over.contains(a)).collect();
                        expr(Node::Reduce(how, Box::new(value), over), axes, Domain::Real, flow.span)
                    }
                    Some(size) => self.pooled(value, label, flow, size, how, written.span),
                };
                self.settle_features(flow, out, channel, None);
            }
            Layer::Recurrent { cell, units, start } => {
                let [along] = flow.along[..] else {
                    self.no_axis_to_run_along(info, written);
                    return None;
                };
                let start = match &start {
                    None => None,
                    Some(name) => {
                        let place = flow.parts.iter().position(|p| p.name == *name)?;
                        Some(flow.parts.remove(place))
                    }
                };
                let prefix = flow.parts.iter().find_map(|p| p.prefix);
                let (value, channel) = self.joined(&flow.parts, flow.span)?;
                if value.ty.axes != [along, channel] {
                    let has = say_axes(&self.program, &value.ty.axes);
                    self.push(
                        Diagnostic::at(
                            Code::NotSupported,
                            flow.span,
                            "a recurrent net inside another loop is not built yet",
                        )
                        .note(format!("its features have {has}")),
                    );
                    return None;
                }
                let axis = self.units_axis(label, units, written.span);
                let (whole, first) = self.recurrence(scope, info, label, cell, (value, along, channel), axis, start)?;
                // Further layers along the axis read all states, and leave the last word to the last of them.
                let (out, prefix) = match prefix {
                    Some(index) if more => (whole, Some(index)),
                    // The state before t is all that a prefix says.
                    Some(index) => {
                        let before = picked(&whole, Subscript::At { index, offset: -1 }, flow.span);
                        let at_first = expr(Node::IsFirst(index), Vec::new(), Domain::Bool, flow.span);
                        let node =
                            Node::If { cond: Box::new(at_first), then: Box::new(first), other: Box::new(before) };
                        flow.along.clear();
                        (expr(node, vec![axis], Domain::Real, flow.span), None)
                    }
                    None if !flow.each && !more => {
                        flow.along.clear();
                        (picked(&whole, Subscript::Last, flow.span), None)
                    }
                    None => (whole, None),
                };
                self.settle_features(flow, out, axis, prefix);
            }
            Layer::Norm => {
                let (value, channel) = self.joined(&flow.parts, flow.span)?;
                let out = self.normed(info, label, value, channel, flow.span);
                let prefix = flow.parts.iter().find_map(|p| p.prefix);
                self.settle_features(flow, out, channel, prefix);
            }
            Layer::Dropout(share) => {
                for part in &mut flow.parts {
                    part.value = dropped(part.value.clone(), share);
                }
            }
        }
        Some(())
    }

    fn no_axis_to_run_along(&mut self, info: &NetInfo<'a>, layer: &ast::Layer) {
        let text = &layer.name.text;
        self.push(
            Diagnostic::at(Code::WrongArguments, layer.span, format!("`{text}` has no axis to run along"))
                .label(info.item.name.span, "no argument of this net is indexed by one")
                .help("declare an argument by position: `net f(word[Token]: Text)`; a recurrent layer runs along one axis"),
        );
    }

    /// The features after a layer; `prefix` where they still stand at positions of which only those before one are read.
    fn settle_features(&mut self, flow: &mut Flow, value: Expr, event: AxisId, prefix: Option<IndexId>) {
        let part = Part { name: String::new(), value, event: vec![event], index: Vec::new(), prefix };
        flow.parts = vec![part];
    }

    /// Whether a layer that looks at several positions at once would read beyond a prefix; that is told.
    fn reads_beyond(&mut self, flow: &Flow, layer: &ast::Layer) -> bool {
        let Some(part) = flow.parts.iter().find(|p| p.prefix.is_some()) else { return false };
        let text = &layer.name.text;
        self.push(
            Diagnostic::at(Code::WrongArguments, layer.span, format!("`{text}` would read beyond what came before"))
                .label(part.value.span, "only the positions before one are read here")
                .help("put `lstm(100)`, `gru(100)` or `rnn(100)` in its place"),
        );
        true
    }

    fn units_axis(&mut self, label: &str, units: Units, span: Span) -> AxisId {
        match units {
            Units::Count(n) => self.made_axis(label, Some(n), span),
            Units::Axis(axis) => axis,
        }
    }

    /// All parts as one feature vector for each position, and its axis.
    fn joined(&mut self, parts: &[Part], span: Span) -> Option<(Expr, AxisId)> {
        let mut values = Vec::new();
        let mut axes: Vec<AxisId> = Vec::new();
        for part in parts {
            let mut value = part.value.clone();
            let channel = match part.event.as_slice() {
                [one] => *one,
                [] => {
                    // A single number is a vector of one entry.
                    let unit = self.made_axis("one.1", Some(1), span);
                    let mut axes = value.ty.axes.clone();
                    axes.push(unit);
                    let ones = expr(Node::Vector(vec![number(1.0, span)], unit), vec![unit], Domain::Real, span);
                    value =
                        Expr { ty: Type { axes, domain: Domain::Real }, ..binary(Operator::Mul, value, ones, span) };
                    unit
                }
                several => {
                    let has = say_axes(&self.program, several);
                    self.push(
                        Diagnostic::at(Code::AxesDisagree, part.value.span, format!("this layer reads vectors, and `{}` has {has}", part.name))
                            .help("index the argument by the axes the layer runs along (`x[Height, Width]: Bool`), or put a `dense` first"),
                    );
                    return None;
                }
            };
            let plates = value.ty.axes.iter().copied().filter(|a| *a != channel);
            axes.extend(plates.filter(|a| !axes.contains(a)).collect::<Vec<_>>());
            values.push((value, channel));
        }
        if let [(value, channel)] = values.as_slice() {
            axes.push(*channel);
            let ty = Type { axes, domain: value.ty.domain.clone() };
            return Some((Expr { ty, ..value.clone() }, *channel));
        }
        let joint = self.sum_axis(values.iter().map(|(_, c)| *c).collect(), span);
        let parts = values
            .into_iter()
            .map(|(value, channel)| {
                // The joined axis stands last.
                let mut own: Vec<AxisId> = value.ty.axes.iter().copied().filter(|a| *a != channel).collect();
                own.push(channel);
                Expr { ty: Type { axes: own, domain: value.ty.domain.clone() }, ..value }
            })
            .collect();
        axes.push(joint);
        Some((expr(Node::Concat(parts, joint), axes, Domain::Real, span), joint))
    }

    fn pooled(&mut self, value: Expr, label: &str, flow: &mut Flow, size: usize, how: Reduction, span: Span) -> Expr {
        let mut value = value;
        for along in &mut flow.along {
            let name = self.program.axes[*along].name.clone();
            let outer = self.made_axis(&format!("{label}.{name}"), None, span);
            self.program.axes[outer].kind = AxisKind::Blocks(*along, size);
            let inner = self.made_axis(&format!("{label}.{name}.block"), Some(size), span);
            let mut axes: Vec<AxisId> = value.ty.axes.iter().map(|a| if a == along { outer } else { *a }).collect();
            let kept = axes.clone();
            axes.push(inner);
            let node = Node::Blocks { of: Box::new(value), along: *along, outer, inner };
            let blocks = expr(node, axes, Domain::Real, flow.span);
            value = expr(Node::Reduce(how, Box::new(blocks), vec![inner]), kept, Domain::Real, flow.span);
            *along = outer;
        }
        value
    }

    /// Layer normalisation (Ba, Kiros, Hinton 2016).
    fn normed(&mut self, info: &NetInfo<'a>, label: &str, x: Expr, channel: AxisId, span: Span) -> Expr {
        let without: Vec<AxisId> = x.ty.axes.iter().copied().filter(|a| *a != channel).collect();
        let mean = |e: Expr| {
            expr(Node::Reduce(Reduction::Mean, Box::new(e), vec![channel]), without.clone(), Domain::Real, span)
        };
        let centred = binary(Operator::Sub, x.clone(), mean(x), span);
        let variance = mean(call(Function::Square, centred.clone(), span));
        let spread = call(Function::Sqrt, binary(Operator::Add, variance, number(1e-5, span), span), span);
        let scaled = binary(Operator::Div, centred, spread, span);
        // The gain is stored as its logarithm, so that it starts at 1 where parameters start at 0.
        let gain = call(Function::Exp, self.net_param(info, format!("{label}.gain"), vec![channel]), span);
        let shift = self.net_param(info, format!("{label}.shift"), vec![channel]);
        binary(Operator::Add, binary(Operator::Mul, scaled, gain, span), shift, span)
    }

    /// The states of a recurrent layer at every position, and the one before the first, as definitions of the model.
    #[allow(clippy::too_many_arguments)]
    fn recurrence(
        &mut self,
        scope: &mut Scope,
        info: &NetInfo<'a>,
        label: &str,
        cell: Cell,
        (features, along, channel): (Expr, AxisId, AxisId),
        units: AxisId,
        start: Option<Part>,
    ) -> Option<(Expr, Expr)> {
        let span = features.span;
        let index = self.program.indices.push(IndexVar { name: "t".to_string(), axis: along, span });
        let mirror = self.mirror(units, span);
        // A layer that reads the place of a loop around it has states of its own at each.
        let read = start.iter().map(|part| &part.value).chain([&features]).flat_map(indices_of);
        let read: BTreeSet<IndexId> = read.collect();
        let around: Vec<IndexId> = scope.plates().into_iter().filter(|i| read.contains(i)).collect();
        let plates: Vec<AxisId> = around.iter().map(|&i| self.program.plate(i)).collect();
        let same = |&(at, axis): &(usize, AxisId)| plates[..at].contains(&axis) || axis == along || axis == units;
        if let Some((_, axis)) = plates.iter().copied().enumerate().find(same) {
            let name = self.program.axes[axis].name.clone();
            self.push(
                Diagnostic::at(
                    Code::NotSupported,
                    span,
                    format!("a recurrent layer along `{name}` for each `{name}` is not built yet"),
                )
                .help(format!("give one of the two another name: `axis Other = {name}`")),
            );
            return None;
        }
        let places: Vec<Subscript> = around.iter().map(|&index| Subscript::At { index, offset: 0 }).collect();
        let here = picked(&features, Subscript::At { index, offset: 0 }, span);
        let first = match start {
            None => number(0.0, span),
            Some(part) => {
                let out = self.dense(info, &format!("{label}.start"), &[part], vec![units], span)?;
                call(Function::Tanh, out, span)
            }
        };
        let states = match cell {
            Cell::Lstm => vec!["", "cell"],
            Cell::Plain | Cell::Gru => vec![""],
        };
        let vars: Vec<VarId> = states
            .iter()
            .map(|s| {
                let name = format!("{label}{}{s}", if s.is_empty() { "" } else { "." });
                self.made_var(scope, &name, plates.iter().copied().chain([along]).collect(), units, span)
            })
            .collect();
        let whole = |var: VarId| {
            let all = plates.iter().copied().chain([along, units]).collect();
            let every = expr(Node::Var(var), all, Domain::Real, span);
            if places.is_empty() {
                return every;
            }
            expr(Node::Pick { base: Box::new(every), at: places.clone() }, vec![along, units], Domain::Real, span)
        };
        let is_first = expr(Node::IsFirst(index), Vec::new(), Domain::Bool, span);
        let before = |var: VarId, at_first: Expr| {
            let back = picked(&whole(var), Subscript::At { index, offset: -1 }, span);
            let node = Node::If { cond: Box::new(is_first.clone()), then: Box::new(at_first), other: Box::new(back) };
            expr(node, vec![units], Domain::Real, span)
        };
        let previous = before(vars[0], first.clone());
        let state = |e: Expr| {
            let node = Node::Renamed { of: Box::new(e), from: units, to: mirror };
            expr(node, vec![mirror], Domain::Real, span)
        };
        // W·x + U·h + b, each gate with parameters of its own.
        let gate = |this: &mut Self, name: &str, h: Expr| -> Option<Expr> {
            let w = this.net_param(info, format!("{label}.{name}.weight"), vec![channel, units]);
            let u = this.net_param(info, format!("{label}.{name}.state"), vec![mirror, units]);
            let b = this.net_param(info, format!("{label}.{name}.bias"), vec![units]);
            let x = this.contract(here.clone(), w, span)?;
            let h = this.contract(state(h), u, span)?;
            Some(binary(Operator::Add, binary(Operator::Add, x, h, span), b, span))
        };
        let values: Vec<Expr> = match cell {
            Cell::Plain => vec![call(Function::Tanh, gate(self, "in", previous)?, span)],
            Cell::Lstm => {
                let sigmoid = |e: Expr| call(Function::Sigmoid, e, span);
                let write = sigmoid(gate(self, "write", previous.clone())?);
                let keep = sigmoid(gate(self, "keep", previous.clone())?);
                let read = sigmoid(gate(self, "read", previous.clone())?);
                let new = call(Function::Tanh, gate(self, "new", previous)?, span);
                let kept = binary(Operator::Mul, keep, before(vars[1], number(0.0, span)), span);
                let memory = binary(Operator::Add, kept, binary(Operator::Mul, write, new, span), span);
                let now = picked(&whole(vars[1]), Subscript::At { index, offset: 0 }, span);
                vec![binary(Operator::Mul, read, call(Function::Tanh, now, span), span), memory]
            }
            Cell::Gru => {
                let update = call(Function::Sigmoid, gate(self, "update", previous.clone())?, span);
                let reset = call(Function::Sigmoid, gate(self, "reset", previous.clone())?, span);
                let heard = binary(Operator::Mul, reset, previous.clone(), span);
                let new = call(Function::Tanh, gate(self, "new", heard)?, span);
                let change = binary(Operator::Mul, update, binary(Operator::Sub, new, previous.clone(), span), span);
                vec![binary(Operator::Add, previous, change, span)]
            }
        };
        for (&var, value) in vars.iter().zip(values) {
            let at = places.iter().cloned().chain([Subscript::At { index, offset: 0 }]).collect();
            let kind = FactorKind::Deterministic { target: Target { var, at }, value };
            let plates = around.iter().copied().chain([index]).collect();
            scope.made.push(Factor { name: None, plates, kind, span });
        }
        Some((whole(vars[0]), Expr { ty: Type { axes: vec![units], domain: Domain::Real }, ..first }))
    }

    /// A deterministic variable that a net brings into a model.
    fn made_var(&mut self, scope: &Scope, label: &str, index: Vec<AxisId>, units: AxisId, span: Span) -> VarId {
        let taken = |c: &Self, name: &str| c.program.vars.iter().any(|(_, v)| v.model == scope.model && v.name == name);
        let mut name = label.to_string();
        let mut count = 1;
        while taken(self, &name) {
            count += 1;
            name = format!("{label}#{count}");
        }
        let var = Var { name, model: scope.model, index, event: vec![units], domain: Domain::Real, given: false, span };
        let id = self.program.vars.push(var);
        let model = &mut self.program.models[scope.model];
        // A model whose body is done has its list already: the call stands in its guide or in an objective.
        if !model.vars.is_empty() {
            model.vars.push(id);
        }
        id
    }

    /// Whether a layer is written as it should be; what is not is told.
    pub fn check_layer(&mut self, layer: &ast::Layer) -> Option<()> {
        self.layer(layer).map(drop)
    }

    fn layer(&mut self, layer: &ast::Layer) -> Option<Layer> {
        let text = layer.name.text.as_str();
        let mut settings = Settings::default();
        if !LAYERS.iter().any(|(name, _)| *name == text) {
            let diagnostic =
                Diagnostic::at(Code::UnknownFunction, layer.name.span, format!("there is no layer `{text}`"));
            let list = LAYERS.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            self.push(match self.near(text, LAYERS.iter().map(|(name, _)| *name)) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!("the layers are {list}")),
            });
            return None;
        }
        for arg in layer.args.iter().flatten() {
            self.layer_argument(text, arg, &mut settings)?;
        }
        let missing = |this: &mut Self, what: &str| {
            let usage = LAYERS.iter().find(|(name, _)| *name == text).map_or("", |(_, usage)| usage);
            this.push(
                Diagnostic::at(Code::WrongArguments, layer.span, format!("`{text}` needs {what}"))
                    .help(format!("write {usage}")),
            );
        };
        let cell = match text {
            "lstm" => Cell::Lstm,
            "gru" => Cell::Gru,
            _ => Cell::Plain,
        };
        Some(match text {
            "dense" => Layer::Dense { units: settings.units, activation: settings.activation },
            "embed" if settings.sizes.is_empty() => {
                missing(self, "the size of each argument's vectors");
                return None;
            }
            "embed" => Layer::Embed { sizes: settings.sizes, drop: settings.share.unwrap_or(0.0) },
            "conv" => match (settings.units, settings.width) {
                (Some(units), Some(width)) => Layer::Conv { units, width, activation: settings.activation },
                _ => {
                    missing(self, "its number of units and its width");
                    return None;
                }
            },
            "pool" => {
                let size = match settings.units {
                    Some(Units::Count(n)) => Some(n),
                    _ => None,
                };
                Layer::Pool { size, how: settings.how.unwrap_or(Reduction::Max) }
            }
            "norm" => Layer::Norm,
            "dropout" => match settings.share {
                Some(share) => Layer::Dropout(share),
                None => {
                    missing(self, "the share of entries to drop");
                    return None;
                }
            },
            _ => match settings.units {
                Some(units) => Layer::Recurrent { cell, units, start: settings.start },
                None => {
                    missing(self, "its number of units");
                    return None;
                }
            },
        })
    }

    fn layer_argument(&mut self, layer: &str, arg: &ast::Arg, settings: &mut Settings) -> Option<()> {
        let usage = LAYERS.iter().find(|(name, _)| *name == layer).map_or("", |(_, usage)| usage);
        let wrong = |this: &mut Self, message: String| {
            this.push(Diagnostic::at(Code::WrongArguments, arg.span, message).help(format!("write {usage}")));
            None
        };
        match (&arg.kind, &arg.value.bare().kind) {
            (ArgKind::Named(name), ExprKind::Number(n)) => match (layer, name.text.as_str()) {
                ("conv", "width") => settings.width = Some(self.count(n, "a width")?),
                ("embed", "drop") => settings.share = Some(self.share(n)?),
                ("embed", input) => settings.sizes.push((input.to_string(), self.count(n, "a size")?)),
                (_, other) => return wrong(self, format!("`{layer}` has no setting `{other}`")),
            },
            (ArgKind::Named(name), ExprKind::Path(path))
                if name.text == "start" && matches!(layer, "rnn" | "lstm" | "gru") =>
            {
                settings.start = Some(path.text());
            }
            (ArgKind::Positional, ExprKind::Number(n)) if layer == "dropout" => settings.share = Some(self.share(n)?),
            (ArgKind::Positional, ExprKind::Number(n)) if !matches!(layer, "embed" | "norm") => {
                settings.units = Some(Units::Count(self.count(n, "a number of units")?));
            }
            (ArgKind::Positional, ExprKind::Path(path))
                if layer != "pool"
                    && path.parts.len() == 1
                    && path.parts[0].text.starts_with(|c: char| c.is_ascii_uppercase()) =>
            {
                settings.units = Some(Units::Axis(self.axis_name(None, &path.parts[0])?));
            }
            (ArgKind::Positional, ExprKind::Path(path)) if layer == "pool" => {
                settings.how = match path.text().as_str() {
                    "max" => Some(Reduction::Max),
                    "mean" => Some(Reduction::Mean),
                    "sum" => Some(Reduction::Sum),
                    other => return wrong(self, format!("`pool` takes `max`, `mean` or `sum`, not `{other}`")),
                };
            }
            (ArgKind::Positional, ExprKind::Path(path)) if matches!(layer, "dense" | "conv") => {
                let text = path.text();
                let Some(function) = Function::ALL.into_iter().find(|f| f.name() == text) else {
                    let near = self.near(&text, Function::ALL.iter().map(|f| f.name()));
                    let diagnostic =
                        Diagnostic::at(Code::UnknownFunction, arg.span, format!("there is no activation `{text}`"));
                    self.push(match near {
                        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                        None => diagnostic
                            .help("any function of one argument, such as `tanh`, `sigmoid`, `softplus` or `relu`"),
                    });
                    return None;
                };
                settings.activation = Some(function);
            }
            _ => return wrong(self, format!("`{layer}` does not take this")),
        }
        Some(())
    }

    fn share(&mut self, number: &ast::Number) -> Option<f64> {
        if (0.0..1.0).contains(&number.value) {
            return Some(number.value);
        }
        self.error(Code::BadNumber, number.span, "a share lies between 0 and 1");
        None
    }

    fn net_param(&mut self, info: &NetInfo<'a>, name: String, axes: Vec<AxisId>) -> Expr {
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
    fn dense(&mut self, info: &NetInfo<'a>, label: &str, parts: &[Part], out: Vec<AxisId>, span: Span) -> Option<Expr> {
        let several = parts.len() > 1;
        let (vectors, others): (Vec<Part>, Vec<Part>) = parts.iter().cloned().partition(|p| p.event.len() <= 1);
        let mut sum = self.net_param(info, format!("{label}.bias"), out.clone());
        if !vectors.is_empty() {
            let (x, channel) = self.joined(&vectors, span)?;
            let axes: Vec<AxisId> = std::iter::once(channel).chain(out.iter().copied()).collect();
            self.check_layer_axes(&axes, span)?;
            let weight = self.net_param(info, format!("{label}.weight"), axes);
            let product = self.contract(x, weight, span)?;
            sum = sum_of(product, sum, span);
        }
        for part in others {
            let name = if several { format!("{label}.weight.{}", part.name) } else { format!("{label}.weight") };
            let axes: Vec<AxisId> = part.event.iter().chain(&out).copied().collect();
            self.check_layer_axes(&axes, span)?;
            let weight = self.net_param(info, name, axes);
            let product = self.contract(part.value.clone(), weight, span)?;
            sum = sum_of(product, sum, span);
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
        info: &NetInfo<'a>,
        label: &str,
        flow: &Flow,
        (kind, axes): (Domain, Vec<AxisId>),
        activation: Option<Function>,
    ) -> Option<Expr> {
        let span = flow.span;
        let mut parts = flow.parts.clone();
        if !flow.each {
            // An output without positions reads those that are left, each with weights of its own.
            for part in &mut parts {
                let left = flow.along.iter().copied().filter(|a| part.value.ty.axes.contains(a));
                part.event = left.chain(part.event.iter().copied()).collect();
                if let Some(ragged) = part.event.iter().find(|a| self.program.axes[**a].kind == AxisKind::Ragged) {
                    let name = self.program.axes[*ragged].name.clone();
                    self.push(
                        Diagnostic::at(
                            Code::WrongArguments,
                            info.item.name.span,
                            format!(
                                "this net gives one value for all of `{name}`, whose length differs from row to row"
                            ),
                        )
                        .help("put `pool(mean)`, `pool(max)` or a recurrent layer before the last"),
                    );
                    return None;
                }
            }
        }
        let out = self.dense(info, label, &parts, axes.clone(), span)?;
        let out = activation.map_or(out.clone(), |f| call(f, out, span));
        Some(match kind {
            Domain::Real => out,
            Domain::Positive => call(Function::Exp, out, span),
            Domain::Unit => call(Function::Sigmoid, out, span),
            Domain::Simplex => match axes.last() {
                Some(&last) => {
                    let axes = out.ty.axes.clone();
                    expr(Node::Softmax(Box::new(out), last), axes, Domain::Simplex, span)
                }
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

/// Settings as they are read.
#[derive(Default)]
struct Settings {
    units: Option<Units>,
    activation: Option<Function>,
    width: Option<usize>,
    how: Option<Reduction>,
    sizes: Vec<(String, usize)>,
    share: Option<f64>,
    start: Option<String>,
}

/// The argument with its leading axis indexed.
fn picked(base: &Expr, at: Subscript, span: Span) -> Expr {
    let axes = base.ty.axes.get(1..).unwrap_or(&[]).to_vec();
    // A place behind places is one reading with all of them.
    if let Node::Pick { base: inner, at: before } = &base.node
        && matches!(inner.node, Node::Var(_))
        && before.iter().all(Subscript::is_place)
    {
        let at = before.iter().cloned().chain([at]).collect();
        return expr(Node::Pick { base: inner.clone(), at }, axes, base.ty.domain.clone(), span);
    }
    expr(Node::Pick { base: Box::new(base.clone()), at: vec![at] }, axes, base.ty.domain.clone(), span)
}

/// The indices of loops that an expression reads places of.
fn indices_of(e: &Expr) -> BTreeSet<IndexId> {
    let mut found = BTreeSet::new();
    e.visit(&mut |e| match &e.node {
        Node::Pick { at, .. } => found.extend(at.iter().filter_map(|s| match s {
            Subscript::At { index, .. } | Subscript::Prefix(index) => Some(*index),
            Subscript::By(_) | Subscript::Constant(_) | Subscript::Last => None,
        })),
        Node::IsFirst(index) | Node::IsLast(index) => drop(found.insert(*index)),
        _ => {}
    });
    found
}

fn dropped(value: Expr, share: f64) -> Expr {
    if share == 0.0 {
        return value;
    }
    let (ty, span) = (value.ty.clone(), value.span);
    Expr { node: Node::Dropout(Box::new(value), share), ty, span }
}

/// a + b with the plates of both and then b's own axes, which both have.
fn sum_of(a: Expr, b: Expr, span: Span) -> Expr {
    let mut axes: Vec<AxisId> = a.ty.axes.iter().chain(&b.ty.axes).copied().collect();
    let mut seen = Vec::new();
    axes.retain(|x| {
        let new = !seen.contains(x);
        seen.push(*x);
        new
    });
    Expr { ty: Type { axes, domain: Domain::Real }, ..binary(Operator::Add, a, b, span) }
}
