//! From pest's pairs to the tree. The grammar guarantees the shape of what comes in; a missing child gives `None`, never a panic.
//! What the grammar cannot say is checked here: capital axes, empty nets, expressions that are too deep.

use pest::iterators::{Pair, Pairs};

use super::grammar::Rule;
use crate::base::span::{FileId, Span};
use crate::diag::{Code, Diagnostic, Problems};
use crate::syntax::ast::*;

/// Operators and calls stacked on each other at most; bounds the recursion of everything that walks a tree.
const MAX_DEPTH: usize = 256;

pub struct Builder<'p> {
    file: FileId,
    base: u32,
    depth: usize,
    problems: &'p mut Problems,
}

type Node<'i> = Pair<'i, Rule>;

/// The children of a pair that carry meaning: marks and keywords are left out.
struct Children<'i> {
    pairs: std::iter::Peekable<Pairs<'i, Rule>>,
}

impl<'i> Children<'i> {
    fn of(pair: Node<'i>) -> Self {
        Self { pairs: pair.into_inner().peekable() }
    }

    /// The next child, if it is of this rule.
    fn take(&mut self, rule: Rule) -> Option<Node<'i>> {
        self.skip(rule);
        self.pairs.next_if(|p| p.as_rule() == rule)
    }

    /// The next child that is no mark.
    fn next(&mut self) -> Option<Node<'i>> {
        self.skip(Rule::EOI);
        self.pairs.next()
    }

    fn skip(&mut self, wanted: Rule) {
        while self.pairs.next_if(|p| p.as_rule() != wanted && is_mark(p.as_rule())).is_some() {}
    }

    /// The rest, marks left out.
    fn rest(self) -> impl Iterator<Item = Node<'i>> {
        self.pairs.filter(|p| !is_mark(p.as_rule()))
    }
}

fn is_mark(rule: Rule) -> bool {
    use Rule::*;
    matches!(
        rule,
        EOI | ending
            | m_open
            | m_close
            | m_bracket
            | m_unbracket
            | m_brace
            | m_unbrace
            | m_comma
            | m_colon
            | m_arrow
            | m_bar
            | m_splat
            | m_before
            | m_tilde
            | m_equals
            | k_as
            | k_axis
            | k_by
            | k_compare
            | k_data
            | k_E
            | k_else
            | k_epochs
            | k_evaluate
            | k_factor
            | k_for
            | k_from
            | k_given
            | k_guide
            | k_if
            | k_in
            | k_infer
            | k_init
            | k_is
            | k_maximise
            | k_model
            | k_net
            | k_objective
            | k_of
            | k_on
            | k_over
            | k_param
            | k_patience
            | k_prior
            | k_query
            | k_report
            | k_require
            | k_row
            | k_sample
            | k_schedule
            | k_stage
            | k_table
            | k_then
            | k_tie
            | k_times
            | k_train
            | k_use
            | k_var
            | k_with
    )
}

impl<'p> Builder<'p> {
    pub fn new(file: FileId, base: u32, problems: &'p mut Problems) -> Self {
        Self { file, base, depth: 0, problems }
    }

    fn span(&self, pair: &Node) -> Span {
        let span = pair.as_span();
        let text = pair.as_str();
        // Rules may end with blanks that the grammar skipped.
        let end = span.start() + text.trim_end().len();
        Span { file: self.file, start: self.base + span.start() as u32, end: self.base + end as u32 }
    }

    /// The item inside a `single`.
    pub fn item(&mut self, single: Node) -> Option<Item> {
        let pair = Children::of(single).take(Rule::item)?.into_inner().next()?;
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let first_word = pair.as_str();
        let kind = match first_word.split(|c: char| !c.is_ascii_alphabetic()).next()? {
            "query" => AskKind::Query,
            "evaluate" => AskKind::Evaluate,
            "sample" => AskKind::Sample,
            _ => AskKind::Compare,
        };
        if rule == Rule::param_item {
            return Some(Item::Param(self.params(pair)?));
        }
        let mut c = Children::of(pair);
        Some(match rule {
            Rule::use_item => Item::Use(Use { source: self.text(c.next()?), name: self.name(c.next()?), span }),
            Rule::axis_item => {
                let name = self.axis_name(c.next()?);
                let value = match c.take(Rule::number) {
                    Some(p) => Some(AxisValue::Size(self.number(p))),
                    None => {
                        let mut labels = Vec::new();
                        let mut texts = false;
                        while let Some(p) = c.take(Rule::state) {
                            texts |= p.as_str().starts_with('"');
                            let p = p.into_inner().next()?;
                            let span = self.span(&p);
                            labels.push(Name { text: p.as_str().trim_matches('"').to_string(), span });
                        }
                        match labels.as_slice() {
                            [] => None,
                            [only] if !texts => {
                                self.check_capital(only);
                                Some(AxisValue::Alias(only.clone()))
                            }
                            _ => Some(AxisValue::Labels(labels)),
                        }
                    }
                };
                Item::Axis(Axis { name, value, span })
            }
            Rule::data_item => {
                let name = self.name(c.next()?);
                let source = self.expression(c.take(Rule::expression)?)?;
                let braces = c.pairs.any(|p| p.as_rule() == Rule::m_brace);
                let fields = c.rest().map(|p| self.field(p)).collect::<Option<Vec<_>>>()?;
                Item::Data(Data { name, source, fields: braces.then_some(fields), span })
            }
            Rule::net_item => {
                let name = self.name(c.next()?);
                let inputs = self.declarations(c.take(Rule::declarations)?)?;
                let result = Children::of(c.take(Rule::result)?).next()?;
                let output = match result.as_rule() {
                    Rule::declarations => NetOutput::Named(self.declarations(result)?),
                    _ => NetOutput::Single(self.domain(result)?),
                };
                let layers = c.rest().map(|p| self.layer(p)).collect::<Option<Vec<_>>>()?;
                if layers.is_empty() {
                    self.problems.push(
                        Diagnostic::at(Code::Unexpected, name.span, format!("the net `{}` has no layers", name.text))
                            .help("the plainest net is `{ dense }`"),
                    );
                }
                Item::Net(Net { name, inputs, output, layers, span })
            }
            Rule::model_item => {
                let name = self.name(c.next()?);
                let opened = c.pairs.peek().is_some_and(|p| p.as_rule() == Rule::m_open);
                let mut ports = Vec::new();
                while let Some(p) = c.take(Rule::port) {
                    ports.push(self.port(p)?);
                }
                Item::Model(Model {
                    name,
                    ports: opened.then_some(ports),
                    body: self.block(c.take(Rule::block)?)?,
                    span,
                })
            }
            Rule::guide_item => Item::Guide(Guide { model: self.name(c.next()?), body: self.block(c.next()?)?, span }),
            Rule::objective_item => Item::Objective(Objective {
                name: self.name(c.next()?),
                formals: self.formals(&mut c)?,
                value: self.expression(c.take(Rule::expression)?)?,
                span,
            }),
            Rule::schedule_item => Item::Schedule(Schedule {
                name: self.name(c.next()?),
                formals: self.formals(&mut c)?,
                body: self.schedule(c.take(Rule::schedule)?)?,
                span,
            }),
            Rule::infer_item => Item::Infer(Infer {
                names: self.names(c.take(Rule::names)?),
                of: self.of(&mut c)?,
                by: self.list(&mut c, Rule::by)?,
                span,
            }),
            Rule::require_item => Item::Require(Require {
                property: self.name(c.next()?),
                names: self.names(c.take(Rule::names)?),
                of: self.of(&mut c)?,
                span,
            }),
            Rule::train_item => Item::Train(Train {
                models: self.names(c.take(Rule::models)?),
                on: self.on(c.take(Rule::on)?)?,
                body: match c.take(Rule::schedule) {
                    Some(p) => Some(self.schedule(p)?),
                    None => None,
                },
                span,
            }),
            Rule::ask_item => Item::Ask(Ask {
                kind,
                name: self.name(c.take(Rule::name)?),
                value: self.expression(c.take(Rule::expression)?)?,
                of: self.of(&mut c)?,
                on: match c.take(Rule::on) {
                    Some(p) => Some(self.on(p)?),
                    None => None,
                },
                by: self.list(&mut c, Rule::by)?,
                times: match c.take(Rule::times) {
                    Some(p) => Some(self.number(Children::of(p).take(Rule::number)?)),
                    None => None,
                },
                span,
            }),
            Rule::report_item => Item::Report(Report { names: self.names(c.take(Rule::names)?), span }),
            _ => return None,
        })
    }

    /// The expression inside a `question`.
    pub fn question(&mut self, pair: Node) -> Option<Expr> {
        self.expression(Children::of(pair).take(Rule::expression)?)
    }

    // Words

    fn name(&self, pair: Node) -> Name {
        Name { text: pair.as_str().to_string(), span: self.span(&pair) }
    }

    /// A name that must be an axis.
    fn axis_name(&mut self, pair: Node) -> Name {
        let name = self.name(pair);
        self.check_capital(&name);
        name
    }

    fn check_capital(&mut self, name: &Name) {
        // An axis of another file has that file's name before its own.
        let own = name.text.rsplit('.').next().unwrap_or_default();
        let mut letters = own.chars();
        if let Some(first) = letters.next().filter(char::is_ascii_lowercase) {
            let capital: String = first.to_ascii_uppercase().to_string() + letters.as_str();
            self.problems.push(
                Diagnostic::at(Code::NameForm, name.span, format!("the axis `{own}` needs a capital letter"))
                    .help(format!("write `{capital}`; a small letter is an index or a variable")),
            );
        }
    }

    fn names(&self, pair: Node) -> Vec<Name> {
        Children::of(pair).rest().map(|p| self.name(p)).collect()
    }

    fn path(&self, pair: Node) -> Path {
        let span = self.span(&pair);
        let mut start = span.start;
        let parts = pair.as_str().split('.').map(|part| {
            let name = Name { text: part.to_string(), span: Span { start, end: start + part.len() as u32, ..span } };
            start += part.len() as u32 + 1;
            name
        });
        Path { parts: parts.collect(), span }
    }

    fn number(&self, pair: Node) -> Number {
        Number {
            text: pair.as_str().to_string(),
            value: pair.as_str().parse().unwrap_or(f64::INFINITY),
            span: self.span(&pair),
        }
    }

    fn text(&self, pair: Node) -> Text {
        Text { text: pair.as_str().trim_matches('"').to_string(), span: self.span(&pair) }
    }

    // Declarations

    fn declarations(&mut self, pair: Node) -> Option<Vec<Decl>> {
        Children::of(pair).rest().map(|p| self.declaration(p)).collect()
    }

    fn declaration(&mut self, pair: Node) -> Option<Decl> {
        let span = self.span(&pair);
        let mut c = Children::of(pair);
        let name = self.name(c.take(Rule::name)?);
        let index = match c.take(Rule::sizes) {
            Some(p) => self.sizes(p)?,
            None => Vec::new(),
        };
        let domain = match c.take(Rule::domain) {
            Some(p) => Some(self.domain(p)?),
            None => None,
        };
        Some(Decl { name, index, domain, span })
    }

    fn domain(&mut self, pair: Node) -> Option<Domain> {
        let span = self.span(&pair);
        let mut c = Children::of(pair);
        let name = self.name(c.take(Rule::path)?);
        let axes = match c.take(Rule::sizes) {
            Some(p) => self.sizes(p)?,
            None => Vec::new(),
        };
        for axis in &axes {
            if let SizeKind::Name(name) = &axis.kind {
                self.check_capital(name);
            }
        }
        Some(Domain { name, axes, span })
    }

    fn sizes(&mut self, pair: Node) -> Option<Vec<Size>> {
        Children::of(pair).rest().map(|p| self.size(p)).collect()
    }

    fn size(&mut self, pair: Node) -> Option<Size> {
        let span = self.span(&pair);
        let before = pair.as_str().starts_with('<');
        let mut c = Children::of(pair);
        let first = c.next()?;
        let kind = match first.as_rule() {
            Rule::number => SizeKind::Number(self.number(first)),
            _ if before => SizeKind::Before(self.name(first)),
            _ => {
                let name = self.name(first);
                match c.take(Rule::sign) {
                    Some(sign) => {
                        let number = self.number(c.take(Rule::number)?);
                        let size = self.whole(&number)?;
                        SizeKind::Offset(name, if sign.as_str() == "-" { -size } else { size })
                    }
                    None => SizeKind::Name(name),
                }
            }
        };
        Some(Size { kind, span })
    }

    /// A number that must be a small whole one.
    fn whole(&mut self, number: &Number) -> Option<i64> {
        let value = number.count().filter(|n| *n <= 1_000_000_000).map(|n| n as i64);
        if value.is_none() {
            let message = format!("`{}` is not a whole number of places", number.text);
            self.problems.push(
                Diagnostic::at(Code::BadNumber, number.span, message)
                    .help("an index moves by a whole number, such as `t-1`"),
            );
        }
        value
    }

    fn field(&mut self, pair: Node) -> Option<Field> {
        let span = self.span(&pair);
        let mut c = Children::of(pair);
        let decl = self.declaration(c.take(Rule::declaration)?)?;
        let value = self.optional(&mut c)?;
        Some(Field { decl, value, span })
    }

    /// An expression that may be missing.
    fn optional(&mut self, c: &mut Children) -> Option<Option<Expr>> {
        match c.take(Rule::expression) {
            Some(p) => self.expression(p).map(Some),
            None => Some(None),
        }
    }

    fn params(&mut self, pair: Node) -> Option<Params> {
        let span = self.span(&pair);
        let list = Children::of(pair).rest().map(|p| {
            let span = self.span(&p);
            let mut c = Children::of(p);
            let decl = self.declaration(c.take(Rule::declaration)?)?;
            Some(Param { decl, prior: self.optional(&mut c)?, span })
        });
        Some(Params { list: list.collect::<Option<Vec<_>>>()?, span })
    }

    fn layer(&mut self, pair: Node) -> Option<Layer> {
        let span = self.span(&pair);
        let mut c = Children::of(pair);
        let name = self.name(c.take(Rule::name)?);
        let args = match c.take(Rule::call) {
            Some(call) => {
                let (args, given) = self.call(call)?;
                if let Some(condition) = given.first() {
                    let at = match condition {
                        Condition::Row { span, .. } => *span,
                        Condition::Arg(arg) => arg.span,
                    };
                    self.problems.push(
                        Diagnostic::at(Code::Unexpected, at, "a layer has no conditions")
                            .help("remove the `|` and what follows it"),
                    );
                }
                Some(args)
            }
            None => None,
        };
        Some(Layer { name, args, span })
    }

    fn port(&mut self, pair: Node) -> Option<Port> {
        let span = self.span(&pair);
        let mut c = Children::of(pair);
        let given = c.take(Rule::k_given).is_some();
        Some(Port { given, decl: self.declaration(c.take(Rule::declaration)?)?, span })
    }

    // Statements

    fn block(&mut self, pair: Node) -> Option<Block> {
        let span = self.span(&pair);
        let statements = Children::of(pair).rest().map(|p| self.statement(p)).collect::<Option<Vec<_>>>()?;
        Some(Block { statements, span })
    }

    fn statement(&mut self, pair: Node) -> Option<Stmt> {
        let pair = pair.into_inner().next()?;
        let span = self.span(&pair);
        if pair.as_rule() == Rule::param_item {
            return Some(Stmt::Param(self.params(pair)?));
        }
        if pair.as_rule() == Rule::mirror {
            let mut c = Children::of(pair);
            let (name, of) = (self.axis_name(c.take(Rule::name)?), self.axis_name(c.take(Rule::path)?));
            return Some(Stmt::Axis { name, of, span });
        }
        let rule = pair.as_rule();
        let mut c = Children::of(pair);
        Some(match rule {
            Rule::variable => Stmt::Var { decls: self.declarations(c.take(Rule::declarations)?)?, span },
            Rule::factor => {
                let value = self.expression(c.take(Rule::expression)?)?;
                Stmt::Factor { value, label: self.label(&mut c)?, span }
            }
            Rule::repetition => {
                let mut binders = Vec::new();
                while let Some(p) = c.take(Rule::binder) {
                    let span = self.span(&p);
                    let mut c = Children::of(p);
                    let index = self.name(c.take(Rule::name)?);
                    binders.push(Binder { index, axis: self.axis_name_in(&mut c)?, span });
                }
                Stmt::For { binders, body: self.block(c.take(Rule::block)?)?, span }
            }
            Rule::definition => {
                let left = self.left(c.take(Rule::left)?)?;
                let random = c.pairs.peek().is_some_and(|p| p.as_rule() == Rule::m_tilde);
                let value = self.expression(c.take(Rule::expression)?)?;
                match random {
                    true => Stmt::Random { left, value, label: self.label(&mut c)?, span },
                    false => Stmt::Equal { left, value, span },
                }
            }
            _ => return None,
        })
    }

    fn axis_name_in(&mut self, c: &mut Children) -> Option<Name> {
        let pair = c.take(Rule::path)?;
        Some(self.axis_name(pair))
    }

    fn label(&mut self, c: &mut Children) -> Option<Option<Name>> {
        match c.take(Rule::label) {
            Some(p) => Some(Some(self.name(Children::of(p).take(Rule::name)?))),
            None => Some(None),
        }
    }

    fn left(&mut self, pair: Node) -> Option<Left> {
        let span = self.span(&pair);
        let grouped = pair.as_str().starts_with('(');
        let inner = Children::of(pair).next()?;
        let decls = match inner.as_rule() {
            Rule::declarations => self.declarations(inner)?,
            _ => vec![self.declaration(inner)?],
        };
        Some(Left { decls, grouped, span })
    }

    // Training and clauses

    fn formals(&mut self, c: &mut Children) -> Option<Formals> {
        let Some(pair) = c.take(Rule::formals) else { return Some(Formals::default()) };
        let mut c = Children::of(pair);
        let mut formals = Formals::default();
        while let Some(p) = c.take(Rule::formal) {
            formals.args.push(self.formal(p)?);
        }
        if let Some(p) = c.take(Rule::conditions) {
            formals.given = Children::of(p).rest().map(|p| self.formal(p)).collect::<Option<_>>()?;
        }
        Some(formals)
    }

    fn formal(&mut self, pair: Node) -> Option<Formal> {
        let span = self.span(&pair);
        let rest = pair.as_str().starts_with("..");
        let mut c = Children::of(pair);
        Some(Formal { name: self.name(c.take(Rule::name)?), rest, default: self.optional(&mut c)?, span })
    }

    fn schedule(&mut self, pair: Node) -> Option<Vec<Step>> {
        Children::of(pair).rest().map(|p| self.step(p)).collect()
    }

    fn step(&mut self, pair: Node) -> Option<Step> {
        let pair = pair.into_inner().next()?;
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut c = Children::of(pair);
        Some(match rule {
            Rule::stage => Step::Stage {
                name: self.name(c.take(Rule::name)?),
                body: self.schedule(c.take(Rule::schedule)?)?,
                span,
            },
            Rule::round => Step::Round {
                name: self.name(c.take(Rule::name)?),
                over: self.path(c.take(Rule::path)?),
                body: self.schedule(c.take(Rule::schedule)?)?,
                span,
            },
            Rule::maximise => Step::Maximise(Box::new(Maximise {
                objective: self.expression(c.take(Rule::expression)?)?,
                of: self.of(&mut c)?,
                over: match c.take(Rule::over) {
                    Some(p) => Children::of(p).rest().map(|p| self.path(p)).collect(),
                    None => Vec::new(),
                },
                by: self.list(&mut c, Rule::by)?,
                with: match c.take(Rule::with) {
                    Some(p) => Some(self.expression(Children::of(p).take(Rule::expression)?)?),
                    None => None,
                },
                span,
            })),
            Rule::tie => {
                let paths: Vec<Path> = c.rest().map(|p| self.path(p)).collect();
                let mut pairs = Vec::new();
                let mut paths = paths.into_iter();
                while let (Some(a), Some(b)) = (paths.next(), paths.next()) {
                    pairs.push((a, b));
                }
                Step::Tie { pairs, span }
            }
            Rule::init => {
                let mut targets = Vec::new();
                while let Some(p) = c.take(Rule::path) {
                    targets.push(self.path(p));
                }
                Step::Init { targets, from: self.expression(c.take(Rule::expression)?)?, span }
            }
            Rule::epochs => Step::Epochs { count: self.number(c.take(Rule::number)?), span },
            Rule::patience => {
                Step::Patience { count: self.number(c.take(Rule::number)?), on: self.on(c.take(Rule::on)?)?, span }
            }
            _ => return None,
        })
    }

    fn of(&mut self, c: &mut Children) -> Option<Vec<Expr>> {
        match c.take(Rule::of) {
            Some(p) => Children::of(p).rest().map(|p| self.expression(p)).collect(),
            None => Some(Vec::new()),
        }
    }

    fn list(&mut self, c: &mut Children, rule: Rule) -> Option<Vec<Expr>> {
        match c.take(rule) {
            Some(p) => Children::of(p).rest().map(|p| self.expression(p)).collect(),
            None => Some(Vec::new()),
        }
    }

    fn on(&mut self, pair: Node) -> Option<Path> {
        let pair = Children::of(pair).take(Rule::path)?;
        Some(self.path(pair))
    }

    // Expressions

    /// Any rule of the expression ladder.
    fn expression(&mut self, pair: Node) -> Option<Expr> {
        if self.depth >= MAX_DEPTH {
            return self.too_deep(&pair);
        }
        self.depth += 1;
        let built = self.expression_below(pair);
        self.depth -= 1;
        built
    }

    fn too_deep<T>(&mut self, pair: &Node) -> Option<T> {
        let span = self.span(pair);
        self.problems.push(
            Diagnostic::at(Code::TooDeep, span, format!("more than {MAX_DEPTH} operators stacked in one expression"))
                .help("name a part with `=` and use the name"),
        );
        None
    }

    fn expression_below(&mut self, mut pair: Node) -> Option<Expr> {
        // Down the ladder without recursion while a level has a single child.
        loop {
            let single = matches!(
                pair.as_rule(),
                Rule::expression
                    | Rule::comparison
                    | Rule::joined
                    | Rule::sum
                    | Rule::product
                    | Rule::contraction
                    | Rule::signed
                    | Rule::applied
                    | Rule::atom
            );
            let mut inner = pair.clone().into_inner();
            match (single, inner.next(), inner.next()) {
                (true, Some(only), None) => pair = only,
                _ => break,
            }
        }
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let kind = match rule {
            Rule::comparison | Rule::joined | Rule::sum | Rule::product | Rule::contraction => return self.chain(pair),
            Rule::signed => return self.signed(pair),
            Rule::applied => return self.applied(pair),
            Rule::reference => ExprKind::Path(self.path(pair)),
            Rule::number => ExprKind::Number(self.number(pair)),
            Rule::string => ExprKind::Text(self.text(pair)),
            Rule::group => ExprKind::Group(Box::new(self.expression(Children::of(pair).take(Rule::expression)?)?)),
            Rule::list => ExprKind::List(Children::of(pair).rest().map(|p| self.expression(p)).collect::<Option<_>>()?),
            Rule::conditional => {
                let mut c = Children::of(pair);
                let mut next = || c.take(Rule::expression);
                let (a, b, d) = (next()?, next()?, next()?);
                ExprKind::If {
                    condition: Box::new(self.expression(a)?),
                    then: Box::new(self.expression(b)?),
                    otherwise: Box::new(self.expression(d)?),
                }
            }
            Rule::expectation => {
                let mut c = Children::of(pair);
                let body = Box::new(self.expression(c.take(Rule::expression)?)?);
                let left = self.left(c.take(Rule::left)?)?;
                let source = self.path(c.take(Rule::reference)?);
                ExprKind::Expect { body, left, source, times: self.optional(&mut c)?.map(Box::new) }
            }
            Rule::table => {
                let mut c = Children::of(pair);
                let names = self.names(c.take(Rule::names)?);
                ExprKind::Table { names, rows: c.rest().map(|p| self.row(p)).collect::<Option<Vec<_>>>()? }
            }
            _ => return None,
        };
        Some(Expr { kind, span })
    }

    /// Operands and operators of one level, folded to the left.
    fn chain(&mut self, pair: Node) -> Option<Expr> {
        let children: Vec<Node> = pair.clone().into_inner().collect();
        if self.depth + children.len() / 2 > MAX_DEPTH {
            return self.too_deep(&pair);
        }
        self.depth += children.len() / 2;
        let mut children = children.into_iter();
        let mut left = self.expression(children.next()?)?;
        while let Some(op) = children.next() {
            let right = children.next()?;
            let start = left.span;
            let kind = if op.as_rule() == Rule::k_is {
                ExprKind::Is { subject: Box::new(left), word: self.name(right) }
            } else {
                let op = BinaryOp::from_symbol(op.as_str().trim())?;
                ExprKind::Binary { op, left: Box::new(left), right: Box::new(self.expression(right)?) }
            };
            let end = match &kind {
                ExprKind::Is { word, .. } => word.span,
                ExprKind::Binary { right, .. } => right.span,
                _ => start,
            };
            left = Expr { kind, span: start.to(end) };
        }
        self.depth -= pair.into_inner().count() / 2;
        Some(left)
    }

    fn signed(&mut self, pair: Node) -> Option<Expr> {
        let children: Vec<Node> = pair.clone().into_inner().collect();
        if self.depth + children.len() > MAX_DEPTH {
            return self.too_deep(&pair);
        }
        self.depth += children.len();
        let added = children.len();
        let mut children = children.into_iter().rev();
        let mut value = self.expression(children.next()?)?;
        for minus in children {
            let span = self.span(&minus).to(value.span);
            value = Expr { kind: ExprKind::Negate(Box::new(value)), span };
        }
        self.depth -= added;
        Some(value)
    }

    fn applied(&mut self, pair: Node) -> Option<Expr> {
        let children: Vec<Node> = pair.clone().into_inner().collect();
        if self.depth + children.len() > MAX_DEPTH {
            return self.too_deep(&pair);
        }
        self.depth += children.len();
        let added = children.len();
        let mut children = children.into_iter();
        let mut value = self.expression(children.next()?)?;
        for suffix in children {
            let span = value.span.to(self.span(&suffix));
            let kind = if suffix.as_rule() == Rule::call {
                let (args, given) = self.call(suffix)?;
                ExprKind::Call { callee: Box::new(value), args, given }
            } else {
                let indices = Children::of(suffix).rest().map(|p| self.position(p)).collect::<Option<Vec<_>>>()?;
                ExprKind::Index { base: Box::new(value), indices }
            };
            value = Expr { kind, span };
        }
        self.depth -= added;
        Some(value)
    }

    fn call(&mut self, pair: Node) -> Option<(Vec<Arg>, Vec<Condition>)> {
        let mut c = Children::of(pair);
        let mut args = Vec::new();
        while let Some(p) = c.take(Rule::argument) {
            args.push(self.argument(p)?);
        }
        let mut given = Vec::new();
        if let Some(p) = c.take(Rule::given) {
            for p in Children::of(p).rest() {
                let span = self.span(&p);
                let mut c = Children::of(p);
                given.push(match c.take(Rule::argument) {
                    Some(argument) => Condition::Arg(self.argument(argument)?),
                    None => Condition::Row { number: self.number(c.take(Rule::number)?), span },
                });
            }
        }
        Some((args, given))
    }

    fn argument(&mut self, pair: Node) -> Option<Arg> {
        let span = self.span(&pair);
        let splat = pair.as_str().starts_with("..");
        let mut c = Children::of(pair);
        let kind = match c.take(Rule::dotted) {
            Some(word) => ArgKind::Named(self.name(word)),
            None if splat => ArgKind::Splat,
            None => ArgKind::Positional,
        };
        Some(Arg { kind, value: self.expression(c.take(Rule::expression)?)?, span })
    }

    fn position(&mut self, pair: Node) -> Option<Position> {
        let child = Children::of(pair).next()?;
        Some(match child.as_rule() {
            Rule::name => Position::Before(self.name(child)),
            _ => Position::At(self.expression(child)?),
        })
    }

    fn row(&mut self, pair: Node) -> Option<Row> {
        let span = self.span(&pair);
        let mut c = Children::of(pair);
        let mut cells = Vec::new();
        while let Some(cell) = c.take(Rule::cell) {
            let cell = cell.into_inner().next()?;
            let span = self.span(&cell);
            let kind = match cell.as_rule() {
                Rule::number => ExprKind::Number(self.number(cell)),
                Rule::string => ExprKind::Text(self.text(cell)),
                _ => ExprKind::Path(self.path(cell)),
            };
            cells.push(Expr { kind, span });
        }
        Some(Row { cells, value: self.expression(c.take(Rule::expression)?)?, span })
    }
}
