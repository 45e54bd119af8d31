//! A typed program as text, one line a declaration or factor: what `--emit program` shows and stage goldens keep.

use std::fmt::Write;

use super::axis::{AxisId, AxisKind};
use super::expr::{Above, Compare, Expr, Function, Node, Objective, Operator, Part, Reduction, Subject, Subscript};
use super::family::Dist;
use super::program::{DataSource, Domain, Factor, FactorKind, Program, Scale, Target, Transform, VarId};
use super::request::{Argument, Call, DataRef, Evidence, EvidenceValue, Group, Init, Inner, Question, Verb};

/// The whole program.
pub fn print(program: &Program) -> String {
    Printer { program, out: String::new() }.program()
}

/// One expression.
pub fn print_expr(program: &Program, e: &Expr) -> String {
    Printer { program, out: String::new() }.expr(e)
}

struct Printer<'a> {
    program: &'a Program,
    out: String,
}

impl Printer<'_> {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = indent * 2);
    }

    fn program(mut self) -> String {
        let p = self.program;
        for (id, axis) in p.axes.iter() {
            let kind = match &axis.kind {
                AxisKind::Plain => String::new(),
                AxisKind::Rows => " rows".to_string(),
                AxisKind::Ragged => " ragged".to_string(),
                AxisKind::Sum(parts) => {
                    format!(" = {}", parts.iter().map(|&a| self.axis(a)).collect::<Vec<_>>().join(" ++ "))
                }
                AxisKind::Alias(of) => format!(" = {}", self.axis(*of)),
                AxisKind::Blocks(of, size) => format!(" = {} / {size}", self.axis(*of)),
            };
            let extent = p.axes.extent(id).map_or("?".to_string(), |n| n.to_string());
            let labels = axis.labels.as_ref().map(|l| format!(" {{{}}}", l.join(", "))).unwrap_or_default();
            self.line(0, &format!("axis {}{kind}: {extent}{labels}", axis.name));
        }
        for (_, data) in p.data.iter() {
            let source = match &data.source {
                DataSource::Read { reader, path, .. } => format!("{reader}({path:?})"),
                DataSource::Sample { model, rows, given, seed } => {
                    let rows = given.as_ref().map_or(rows.to_string(), |of| self.data_ref(of));
                    format!("sample({}, {rows}, seed = {seed})", p.models[*model].name)
                }
                DataSource::Of(of) => self.data_ref(of),
            };
            self.line(0, &format!("data {} = {source}", data.name));
            for b in &data.bindings {
                let own = match b.scale {
                    None => b.column.clone(),
                    Some(Scale::Times(by)) => format!("{} * {by}", b.column),
                    Some(Scale::Over(by)) => format!("{} / {by}", b.column),
                };
                let column = match &b.transform {
                    Transform::Plain => own,
                    Transform::Soft => format!("soft({own})"),
                    Transform::Binarise => format!("binarise({own})"),
                    Transform::Above(t) => format!("{own} > {t}"),
                    Transform::Words => format!("words({own})"),
                    Transform::Reveal { rows, balanced } => {
                        format!("reveal({own}, {rows}, balanced = {})", yes(*balanced))
                    }
                    Transform::Computed(e) => self.expr(e),
                };
                let ty = self.ty(&b.domain, &b.axes);
                self.line(1, &format!("{}: {ty} = {column}", b.name));
            }
        }
        for (_, param) in p.params.iter() {
            let prior = param.prior.as_ref().map(|d| format!(" prior {}", self.dist(d))).unwrap_or_default();
            let ty = self.ty(&param.domain, &param.axes);
            self.line(0, &format!("param {}: {ty}{prior}", param.name));
        }
        for (_, model) in p.models.iter() {
            self.line(0, &format!("model {}", model.name));
            for &v in &model.vars {
                let var = &p.vars[v];
                let index = if var.index.is_empty() { String::new() } else { format!("[{}]", self.axes(&var.index)) };
                let given = if var.given { "given " } else { "var " };
                let ty = self.ty(&var.domain, &var.event);
                self.line(1, &format!("{given}{}{index}: {ty}", var.name));
            }
            model.factors.iter().for_each(|f| self.factor(f, 1));
            if let Some(guide) = &model.guide {
                self.line(1, "guide");
                guide.factors.iter().for_each(|f| self.factor(f, 2));
            }
        }
        self.requests();
        self.out
    }

    fn factor(&mut self, factor: &Factor, indent: usize) {
        let plates: Vec<String> = factor
            .plates
            .iter()
            .map(|&i| format!("{} in {}", self.program.indices[i].name, self.axis(self.program.indices[i].axis)))
            .collect();
        let plates = if plates.is_empty() { String::new() } else { format!("for {}: ", plates.join(", ")) };
        let label = factor.name.as_ref().map(|n| format!(" as {n}")).unwrap_or_default();
        match &factor.kind {
            FactorKind::Conditional { target, dist } => {
                let text = format!("{plates}{} ~ {}{label}", self.target(target), self.dist(dist));
                self.line(indent, &text);
            }
            FactorKind::Potential(e) => {
                let text = format!("{plates}factor {}{label}", self.expr(e));
                self.line(indent, &text);
            }
            FactorKind::Deterministic { target, value } => {
                let text = format!("{plates}{} = {}", self.target(target), self.expr(value));
                self.line(indent, &text);
            }
            FactorKind::Undirected { vars, body } => {
                let text = format!("{plates}({}) ~ undirected{label}", self.vars(vars));
                self.line(indent, &text);
                body.iter().for_each(|f| self.factor(f, indent + 1));
            }
        }
    }

    fn requests(&mut self) {
        let p = self.program;
        for train in &p.trains {
            let names: Vec<&str> = train.models.iter().map(|&m| p.models[m].name.as_str()).collect();
            let text = format!("train {} on {}", names.join(", "), self.data_ref(&train.on));
            self.line(0, &text);
            for stage in &train.stages {
                self.line(1, &format!("stage {}", stage.name));
                for (a, b) in &stage.ties {
                    self.line(2, &format!("tie {} = {}", p.params[*a].name, p.params[*b].name));
                }
                for init in &stage.inits {
                    let text = match init {
                        Init::Copy { to, from } => format!("init {} from {}", p.params[*to].name, p.params[*from].name),
                        Init::Draw { to, dist } => format!("init {} from {}", p.params[*to].name, self.dist(dist)),
                    };
                    self.line(2, &text);
                }
                for line in &stage.lines {
                    let objective = line.objective.as_ref().map_or("(chosen)".to_string(), |e| self.expr(e));
                    let over: Vec<String> = line.over.iter().map(|g| self.group(g)).collect();
                    let over = if over.is_empty() { String::new() } else { format!(" over {}", over.join(", ")) };
                    let with = line.with.as_ref().map(|c| format!(" with {}", call(c))).unwrap_or_default();
                    let text =
                        format!("maximise {objective} of {}{over}{}{with}", p.models[line.model].name, by(&line.by));
                    self.line(2, &text);
                }
                if let Some(epochs) = stage.epochs {
                    self.line(2, &format!("epochs {epochs}"));
                }
                if let Some((count, on)) = &stage.patience {
                    let text = format!("patience {count} on {}", self.data_ref(on));
                    self.line(2, &text);
                }
            }
        }
        for ask in &p.asks {
            let verb = match ask.verb {
                Verb::Query => "query",
                Verb::Evaluate => "evaluate",
                Verb::Sample => "sample",
                Verb::Compare => "compare",
            };
            let on = ask.on.as_ref().map(|d| format!(" on {}", self.data_ref(d))).unwrap_or_default();
            let place = ask.place.as_ref().map(|p| format!(" at {:?}", p.at)).unwrap_or_default();
            let row = ask.row.map(|r| format!(" row {r}")).unwrap_or_default() + &place;
            let times = ask.times.map(|n| format!(" times {n}")).unwrap_or_default();
            let text = format!(
                "{verb} {} = {} of {}{on}{row}{}{times}",
                ask.name,
                self.question(&ask.question),
                self.subject(ask.of),
                by(&ask.by)
            );
            self.line(0, &text);
        }
        for infer in &p.infers {
            let text = format!("infer {} by {}", self.vars(&infer.vars), call(&infer.by));
            self.line(0, &text);
        }
        for require in &p.requires {
            self.line(0, &format!("require {} {}", require.what, p.vars[require.var].name));
        }
        if !p.report.is_empty() {
            self.line(0, &format!("report {}", p.report.join(", ")));
        }
    }

    fn axis(&self, id: AxisId) -> String {
        self.program.axes[id].name.clone()
    }

    fn axes(&self, axes: &[AxisId]) -> String {
        axes.iter().map(|&a| self.axis(a)).collect::<Vec<_>>().join(", ")
    }

    fn ty(&self, domain: &Domain, axes: &[AxisId]) -> String {
        let name = match domain {
            Domain::Cat(axis) => self.axis(*axis),
            other => format!("{other:?}"),
        };
        if axes.is_empty() { name } else { format!("{name}[{}]", self.axes(axes)) }
    }

    fn var(&self, id: VarId) -> &str {
        &self.program.vars[id].name
    }

    fn vars(&self, ids: &[VarId]) -> String {
        ids.iter().map(|&v| self.var(v)).collect::<Vec<_>>().join(", ")
    }

    fn target(&self, target: &Target) -> String {
        format!("{}{}", self.var(target.var), self.at(&target.at))
    }

    fn at(&self, at: &[Subscript]) -> String {
        let index = |i| &self.program.indices[i].name;
        let one = |s: &Subscript| match s {
            Subscript::At { index: i, offset: 0 } => index(*i).clone(),
            Subscript::At { index: i, offset } => format!("{}{offset:+}", index(*i)),
            Subscript::By(e) => self.expr(e),
            Subscript::Constant(n) => format!("#{n}"),
            Subscript::Prefix(i) => format!("<{}", index(*i)),
            Subscript::Last => "last".to_string(),
        };
        if at.is_empty() { String::new() } else { format!("[{}]", at.iter().map(one).collect::<Vec<_>>().join(", ")) }
    }

    fn dist(&self, dist: &Dist) -> String {
        let args: Vec<String> = dist.args.iter().map(|(r, e)| format!("{} = {}", r.word(), self.expr(e))).collect();
        format!("{}({})", dist.family.name(), args.join(", "))
    }

    fn expr(&self, e: &Expr) -> String {
        let list = |es: &[Expr]| es.iter().map(|e| self.expr(e)).collect::<Vec<_>>();
        match &e.node {
            Node::Number(v) => v.to_string(),
            Node::State(s) => format!("#{s}"),
            Node::Param(id) => self.program.params[*id].name.clone(),
            Node::Var(id) => self.var(*id).to_string(),
            Node::Pick { base, at } => format!("{}{}", self.expr(base), self.at(at)),
            Node::Indicator(inner) => format!("indicator({})", self.expr(inner)),
            Node::Call(Function::Neg, inner) => format!("-{}", self.expr(inner)),
            Node::Call(f, inner) => format!("{}({})", f.name(), self.expr(inner)),
            Node::Binary(op, a, b) => {
                let symbol = match op {
                    Operator::Add => "+",
                    Operator::Sub => "-",
                    Operator::Mul => "*",
                    Operator::Div => "/",
                };
                format!("({} {symbol} {})", self.expr(a), self.expr(b))
            }
            Node::Contract { left, right, over } => {
                format!("({} @{{{}}} {})", self.expr(left), self.axes(over), self.expr(right))
            }
            Node::Reduce(r, inner, over) => {
                let name = match r {
                    Reduction::Sum => "sum",
                    Reduction::Mean => "mean",
                    Reduction::LogSumExp => "logsumexp",
                    Reduction::Max => "max",
                };
                format!("{name}({}, {})", self.expr(inner), self.axes(over))
            }
            Node::Softmax(inner, axis) => format!("softmax({}, {})", self.expr(inner), self.axis(*axis)),
            Node::Concat(parts, _) => format!("({})", list(parts).join(" ++ ")),
            Node::Vector(parts, _) => format!("[{}]", list(parts).join(", ")),
            Node::If { cond, then, other } => {
                format!("(if {} then {} else {})", self.expr(cond), self.expr(then), self.expr(other))
            }
            Node::Is(inner, state) => format!("{} is #{state}", self.expr(inner)),
            Node::Compare(op, a, b) => {
                let symbol = match op {
                    Compare::Lt => "<",
                    Compare::Le => "<=",
                    Compare::Gt => ">",
                    Compare::Ge => ">=",
                };
                format!("({} {symbol} {})", self.expr(a), self.expr(b))
            }
            Node::IsFirst(i) => format!("{} is first", self.program.indices[*i].name),
            Node::IsLast(i) => format!("{} is last", self.program.indices[*i].name),
            Node::IsObserved(v) => format!("{} is observed", self.var(*v)),
            Node::Table { of, entries } => format!("table({}) {{ {} }}", list(of).join(", "), list(entries).join("; ")),
            Node::Size(axis) => format!("size({})", self.axis(*axis)),
            Node::Window { of, along, places, window } if along == places => {
                format!("window({}, {} -> {})", self.expr(of), self.axis(*along), self.axis(*window))
            }
            Node::Window { of, along, places, window } => {
                let (along, places, window) = (self.axis(*along), self.axis(*places), self.axis(*window));
                format!("window({}, {along} -> {places}, {window})", self.expr(of))
            }
            Node::Overlap { of, places, along, window } => {
                let (along, places, window) = (self.axis(*along), self.axis(*places), self.axis(*window));
                format!("overlap({}, {places}, {window} -> {along})", self.expr(of))
            }
            Node::Blocks { of, along, outer, inner } => {
                let (along, outer, inner) = (self.axis(*along), self.axis(*outer), self.axis(*inner));
                format!("blocks({}, {along} -> {outer}, {inner})", self.expr(of))
            }
            Node::Renamed { of, from, to } => {
                format!("{}{{{} -> {}}}", self.expr(of), self.axis(*from), self.axis(*to))
            }
            Node::Dropout(inner, share) => format!("dropout({}, {share})", self.expr(inner)),
            Node::Column(data, column) => {
                let data = &self.program.data[*data];
                data.bindings.get(*column).map_or(format!("{}.?", data.name), |b| format!("{}.{}", data.name, b.name))
            }
            Node::Objective(objective) => self.objective(objective),
        }
    }

    fn objective(&self, objective: &Objective) -> String {
        let bar = |targets: &[VarId], given: &[VarId]| {
            if given.is_empty() { self.vars(targets) } else { format!("{} | {}", self.vars(targets), self.vars(given)) }
        };
        match objective {
            Objective::LogLik { model, targets, given } => {
                format!("loglik[{}]({})", self.program.models[*model].name, bar(targets, given))
            }
            Objective::Bound { model, kl_weight } => {
                let weight = kl_weight.as_ref().map(|w| format!("kl_weight = {}", argument(w))).unwrap_or_default();
                format!("bound[{}]({weight})", self.program.models[*model].name)
            }
            Objective::ImportanceBound { model, samples } => {
                format!("bound[{}](draws = {samples})", self.program.models[*model].name)
            }
            Objective::Part { of, part } => {
                let what = match part {
                    Part::Joint => "observed, latent",
                    Part::Latent => "latent",
                    Part::Observed => "observed | latent",
                };
                format!("logdensity[{}]({what})", self.subject(*of))
            }
            Objective::Layer { model, above } => {
                let above = match above {
                    Above::Var(var) => self.vars(&[*var]),
                    Above::Part(name) => name.clone(),
                };
                format!("layer[{}]({above})", self.program.models[*model].name)
            }
            Objective::Scheduled(schedule) => argument(schedule),
            Objective::LogDensity { of, targets, given } => {
                format!("logdensity[{}]({})", self.subject(*of), bar(targets, given))
            }
            Objective::Expect { body, vars, source, draws } => {
                let vars = if vars.is_empty() { "all".to_string() } else { self.vars(vars) };
                let draws = draws.map(|n| format!(" times {n}")).unwrap_or_default();
                format!("E[{} for {vars} ~ {}{draws}]", self.expr(body), self.subject(*source))
            }
        }
    }

    fn subject(&self, subject: Subject) -> String {
        match subject {
            Subject::Model(m) => self.program.models[m].name.clone(),
            Subject::Guide(m) => format!("{}.guide", self.program.models[m].name),
            Subject::Data(d) => self.program.data[d].name.clone(),
        }
    }

    fn data_ref(&self, of: &DataRef) -> String {
        let name = &self.program.data[of.data].name;
        of.split.as_ref().map_or(name.clone(), |s| format!("{name}.{s}"))
    }

    fn group(&self, group: &Group) -> String {
        match group {
            Group::Model(m) => self.program.models[*m].name.clone(),
            Group::Guide(m) => format!("{}.guide", self.program.models[*m].name),
            Group::Net(n) => self.program.nets.get(*n).map_or("?".to_string(), |n| n.name.clone()),
            Group::Param(p) => self.program.params[*p].name.clone(),
        }
    }

    fn question(&self, question: &Question) -> String {
        match question {
            Question::Probability { targets, evidence } => {
                let targets: Vec<String> = targets
                    .iter()
                    .map(|(v, s)| s.map_or(self.var(*v).to_string(), |s| format!("{} = #{s}", self.var(*v))))
                    .collect();
                format!("P({}{})", targets.join(", "), self.evidence(evidence))
            }
            Question::Argmax { targets, each, evidence } => {
                format!("argmax{}({}{})", if *each { "_each" } else { "" }, self.vars(targets), self.evidence(evidence))
            }
            Question::Mean { targets, evidence, moment } => {
                format!("{}({}{})", moment.name(), self.vars(targets), self.evidence(evidence))
            }
            Question::Metric { metric, truth, prediction } => {
                format!("{}({}, {})", metric.name(), self.var(*truth), self.question(prediction))
            }
            Question::Value(e) => self.expr(e),
            Question::LogZ(part) => part.as_ref().map_or("logZ".to_string(), |p| format!("logZ({p})")),
        }
    }

    fn inner(&self, inner: &Inner) -> String {
        inner
            .row
            .map_or(self.question(&inner.question), |row| format!("{} at row {row}", self.question(&inner.question)))
    }

    fn evidence(&self, list: &[Evidence]) -> String {
        let one = |e: &Evidence| {
            let text = match &e.value {
                EvidenceValue::State(s) => format!("{} = #{s}", self.var(e.var)),
                EvidenceValue::Number(v) => format!("{} = {v}", self.var(e.var)),
                EvidenceValue::Each => format!("{} = each", self.var(e.var)),
                EvidenceValue::Bound => self.var(e.var).to_string(),
                EvidenceValue::Answer(inner) => format!("{} = {}", self.var(e.var), self.inner(inner)),
                EvidenceValue::Line { from, to, steps } => {
                    format!("{} = line({}, {}, steps = {steps})", self.var(e.var), self.inner(from), self.inner(to))
                }
            };
            if e.intervention { format!("do({text})") } else { text }
        };
        if list.is_empty() {
            String::new()
        } else {
            format!(" | {}", list.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    }
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn by(list: &[Call]) -> String {
    if list.is_empty() {
        String::new()
    } else {
        format!(" by {}", list.iter().map(call).collect::<Vec<_>>().join(", "))
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&call(self))
    }
}

fn call(c: &Call) -> String {
    let args: Vec<String> = c
        .args
        .iter()
        .map(|(name, value)| name.as_ref().map_or(argument(value), |n| format!("{n} = {}", argument(value))))
        .collect();
    if args.is_empty() { c.name.clone() } else { format!("{}({})", c.name, args.join(", ")) }
}

fn argument(a: &Argument) -> String {
    match a {
        Argument::Number(v) => v.to_string(),
        Argument::Word(w) => w.clone(),
        Argument::Text(t) => format!("{t:?}"),
        Argument::Call(c) => call(c),
    }
}
