//! Expressions: from syntax to typed nodes. Operands line up by the names of their axes; what does not is an error that shows both.

use std::collections::BTreeMap;

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ExprKind};

use super::Checker;
use super::foreign;
use super::lists::Place;
use super::scope::{Entry, Scope};
use super::types::{as_number, binary, call, cover, expr, number, say_axes, show_type};

impl Checker<'_> {
    /// The typed form of an expression; `None` where an error was reported.
    pub fn expr(&mut self, scope: &mut Scope, e: &ast::Expr) -> Option<Expr> {
        let span = e.span;
        match &e.kind {
            ExprKind::Group(inner) => self.expr(scope, inner),
            ExprKind::List(entries) => self.unplaced_list(scope, entries, span),
            ExprKind::Number(n) => Some(number(n.value, span)),
            ExprKind::Text(_) => {
                self.push(
                    Diagnostic::at(Code::NotAValue, span, "a text is not a value in a model")
                        .help("labels are written without quotes, as in `x is sunny`"),
                );
                None
            }
            ExprKind::Path(path) => self.path(scope, path),
            ExprKind::Negate(inner) => {
                let inner = self.numeric(scope, inner)?;
                Some(match inner.node {
                    Node::Number(v) => number(-v, span),
                    _ => call(Function::Neg, inner, span),
                })
            }
            ExprKind::Binary { op, left, right } => self.binary_expr(scope, *op, left, right, span),
            ExprKind::If { .. } => self.stated(scope, e, None),
            ExprKind::Is { subject, word } => self.is(scope, subject, word, span),
            ExprKind::Table { names, rows } => self.table(scope, names, rows, span, None),
            ExprKind::Index { base, indices } => self.index(scope, base, indices, span),
            ExprKind::Call { callee, args, given } => self.call_expr(scope, callee, args, given, span),
            ExprKind::Expect { .. } => {
                self.push(
                    Diagnostic::at(Code::NotAValue, span, "an expectation stands in an objective, not in a model")
                        .help("write it in a `maximise` line or a question"),
                );
                None
            }
        }
    }

    /// An expression where a name may be a state: that of the domain the place tells, or else that of the other branch of a choice.
    pub fn stated(&mut self, scope: &mut Scope, e: &ast::Expr, domain: Option<&Domain>) -> Option<Expr> {
        match &e.kind {
            ExprKind::Group(inner) => self.stated(scope, inner, domain),
            ExprKind::If { condition, then, otherwise } => {
                let cond = self.condition(scope, condition);
                // The branch that tells its domain comes first.
                let swap = self.only_states(scope, then) && !self.only_states(scope, otherwise);
                let (one, two) = if swap { (otherwise, then) } else { (then, otherwise) };
                let one = self.stated(scope, one, domain);
                let told = one.as_ref().map(|e| e.ty.domain.clone()).filter(Domain::is_discrete);
                let two = self.stated(scope, two, domain.or(told.as_ref()));
                let (then, other) = if swap { (two, one) } else { (one, two) };
                self.choice(cond?, then?, other?, e.span)
            }
            ExprKind::Path(path) => match (path.single(), domain) {
                (Some(name), Some(domain)) if self.only_states(scope, e) => {
                    let known = match domain {
                        Domain::Cat(axis) => self.program.axes.labels(*axis).is_some_and(|l| l.contains(&name.text)),
                        Domain::Bool => matches!(name.text.as_str(), "yes" | "no"),
                        Domain::Spin => matches!(name.text.as_str(), "up" | "down"),
                        _ => false,
                    };
                    if !known {
                        return self.expr(scope, e);
                    }
                    let state = self.state(domain, &name.text, name.span)?;
                    Some(expr(Node::State(state), Vec::new(), domain.clone(), name.span))
                }
                _ => self.expr(scope, e),
            },
            _ => self.expr(scope, e),
        }
    }

    /// Whether an expression is nothing but names that nothing else defines: states, if anything.
    fn only_states(&self, scope: &Scope, e: &ast::Expr) -> bool {
        match &e.kind {
            ExprKind::Group(inner) => self.only_states(scope, inner),
            ExprKind::If { then, otherwise, .. } => self.only_states(scope, then) && self.only_states(scope, otherwise),
            ExprKind::Path(path) => path.single().is_some_and(|n| {
                !scope.names.contains_key(&n.text)
                    && !self.file_params.contains_key(&n.text)
                    && scope.index(&n.text).is_none()
            }),
            _ => false,
        }
    }

    /// An expression read as numbers: a state of an enumeration is its indicator.
    pub fn numeric(&mut self, scope: &mut Scope, e: &ast::Expr) -> Option<Expr> {
        let e = self.expr(scope, e)?;
        Some(as_number(e))
    }

    fn path(&mut self, scope: &mut Scope, path: &ast::Path) -> Option<Expr> {
        let Some(name) = path.single() else {
            self.push(
                Diagnostic::at(Code::WrongKind, path.span, format!("`{}` is not a value here", path.text())).help(
                    match path.text().rsplit('.').next() {
                        Some("T" | "mT" | "t" | "transpose") => {
                            "nothing is transposed: `@` sums over the axis that both sides share"
                        }
                        Some("shape" | "size") => "the length of an axis is `size(Axis)`",
                        Some("sum" | "mean" | "exp" | "log" | "max") => {
                            "values have no methods: write the function around the value, as in `sum(x)`"
                        }
                        _ => "inside a model a variable or a parameter is read by its own name",
                    },
                ),
            );
            return None;
        };
        if scope.index(&name.text).is_some() {
            self.push(
                Diagnostic::at(
                    Code::NotAValue,
                    name.span,
                    format!("the index `{}` is a place, not a number", name.text),
                )
                .help(format!("use it between brackets, as in `x[{}]`, or ask `{} is first`", name.text, name.text)),
            );
            return None;
        }
        scope.used.insert(name.text.clone());
        match scope.names.get(&name.text) {
            Some((Entry::Var(var), _)) => {
                let var = *var;
                let v = &self.program.vars[var];
                Some(expr(Node::Var(var), v.axes(), v.domain.clone(), name.span))
            }
            Some((Entry::Param(param), _)) => {
                let param = *param;
                let p = &self.program.params[param];
                Some(expr(Node::Param(param), p.axes.clone(), p.domain.clone(), name.span))
            }
            Some((Entry::Value(value), _)) => Some(Expr { span: name.span, ..(**value).clone() }),
            Some((Entry::Poisoned, _)) => None,
            None => {
                if let Some(&param) = self.file_params.get(&name.text) {
                    let p = &self.program.params[param];
                    return Some(expr(Node::Param(param), p.axes.clone(), p.domain.clone(), name.span));
                }
                match name.text.as_str() {
                    "yes" => return Some(expr(Node::State(1), Vec::new(), Domain::Bool, name.span)),
                    "no" => return Some(expr(Node::State(0), Vec::new(), Domain::Bool, name.span)),
                    _ => {}
                }
                self.unknown_name(scope, name);
                None
            }
        }
    }

    fn unknown_name(&mut self, scope: &Scope, name: &ast::Name) {
        let text = name.text.as_str();
        let diagnostic = Diagnostic::at(Code::UnknownName, name.span, format!("nothing here is called `{text}`"));
        let known = scope
            .names
            .keys()
            .chain(self.file_params.keys())
            .map(String::as_str)
            .filter(|n| !n.contains('.'))
            .chain(scope.indices.iter().map(|(n, _)| n.as_str()));
        let other_kind = self.nets.contains_key(text) || self.models.contains_key(text) || self.axes.contains_key(text);
        let diagnostic = match self.near(text, known).filter(|_| !other_kind) {
            Some(near) => {
                let place = scope.names.get(near).map(|(_, span)| *span);
                let diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                match place {
                    Some(place) => diagnostic.label(place, "a near name is declared here"),
                    None => diagnostic,
                }
            }
            None if self.nets.contains_key(text) => {
                diagnostic.help(format!("`{text}` is a net; call it: `{text}(..)`"))
            }
            None if self.models.contains_key(text) => {
                diagnostic.help(format!("`{text}` is a model; use it as `(x: ..) ~ {text}(..)` or `factor {text}(..)`"))
            }
            None if self.axes.contains_key(text) => {
                diagnostic.help(format!("`{text}` is an axis; its length is `size({text})`"))
            }
            None if Function::ALL.iter().any(|f| f.name() == text) => {
                diagnostic.help(format!("`{text}` is a function; call it: `{text}(..)`"))
            }
            None => {
                let labelled = self
                    .program
                    .axes
                    .iter()
                    .find(|(_, a)| a.labels.as_ref().is_some_and(|l| l.iter().any(|l| l == text)));
                match labelled {
                    Some((_, axis)) => diagnostic
                        .help(format!("`{text}` is a label of `{}`; to test for it write `x is {text}`", axis.name)),
                    None if matches!(text, "true" | "True" | "false" | "False") => diagnostic.help(
                        "the states of a `Bool` are `yes` and `no`: a value takes 1 or 0, a condition `x is yes`",
                    ),
                    None => match foreign::objective(text) {
                        Some(help) => diagnostic.help(help),
                        None => diagnostic.help("declare it as a `param`, a `var`, or with `~`"),
                    },
                }
            }
        };
        self.push(diagnostic);
    }

    fn binary_expr(
        &mut self,
        scope: &mut Scope,
        op: ast::BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Option<Expr> {
        use ast::BinaryOp as B;
        if op == B::Concat {
            return self.concat(scope, left, right, span);
        }
        if op == B::Contract {
            return self.contraction(scope, left, right, span);
        }
        let a = self.numeric(scope, left);
        let b = self.numeric(scope, right);
        let (a, b) = (a?, b?);
        self.check_lined_up(&a, &b, op.symbol())?;
        if let (Node::Number(x), Node::Number(y)) = (&a.node, &b.node) {
            let value = match op {
                B::Add => x + y,
                B::Subtract => x - y,
                B::Multiply => x * y,
                B::Divide if *y == 0.0 => {
                    self.push(
                        Diagnostic::at(Code::OutsideSupport, span, "division by zero")
                            .saying("this has no value")
                            .help("write another divisor"),
                    );
                    return None;
                }
                B::Divide => x / y,
                _ => f64::NAN,
            };
            if !value.is_nan() {
                return Some(number(value, span));
            }
        }
        let operator = match op {
            B::Add => Operator::Add,
            B::Subtract => Operator::Sub,
            B::Multiply => Operator::Mul,
            B::Divide => Operator::Div,
            B::Greater | B::GreaterEqual | B::Less | B::LessEqual | B::Concat | B::Contract => {
                let compare = match op {
                    B::Greater => Compare::Gt,
                    B::GreaterEqual => Compare::Ge,
                    B::Less => Compare::Lt,
                    _ => Compare::Le,
                };
                let axes = if a.ty.axes.len() >= b.ty.axes.len() { a.ty.axes.clone() } else { b.ty.axes.clone() };
                return Some(expr(Node::Compare(compare, Box::new(a), Box::new(b)), axes, Domain::Bool, span));
            }
        };
        Some(binary(operator, a, b, span))
    }

    /// Whether the axes of one are among the other's.
    fn check_lined_up(&mut self, a: &Expr, b: &Expr, symbol: &str) -> Option<()> {
        let within = |x: &Expr, y: &Expr| x.ty.axes.iter().all(|axis| y.ty.axes.contains(axis));
        if within(a, b) || within(b, a) {
            return Some(());
        }
        let (left, right) = (say_axes(&self.program, &a.ty.axes), say_axes(&self.program, &b.ty.axes));
        let shared = a.ty.axes.iter().any(|axis| b.ty.axes.contains(axis));
        let mut diagnostic = Diagnostic::new(Code::AxesDisagree, format!("the operands of `{symbol}` do not line up"))
            .primary(a.span, format!("has {left}"))
            .label(b.span, format!("has {right}"));
        let only_alias = a.ty.axes.len() == b.ty.axes.len()
            && a.ty.axes.iter().zip(&b.ty.axes).all(|(&x, &y)| self.program.axes.root(x) == self.program.axes.root(y));
        diagnostic = if only_alias {
            diagnostic.help("an alias is an axis of its own here; declare both with the same name")
        } else if shared && symbol == "*" {
            diagnostic.help("`*` is entry by entry; to sum over the shared axis write `@`")
        } else {
            diagnostic.help("entry by entry, one side has all the axes of the other: declare them with an axis in common, or sum over one with `@`")
        };
        self.push(diagnostic);
        None
    }

    fn contraction(&mut self, scope: &mut Scope, left: &ast::Expr, right: &ast::Expr, span: Span) -> Option<Expr> {
        let a = self.numeric(scope, left);
        let b = self.numeric(scope, right);
        let (a, b) = (a?, b?);
        // W @ x @ y where y still shares an axis that the first `@` could have summed over would depend on the order of reading.
        if !matches!(left.kind, ast::ExprKind::Group(_))
            && let Node::Contract { over: inner, .. } = &a.node
            && let Some(&shared) = inner.iter().find(|axis| b.ty.axes.contains(axis))
        {
            let name = self.program.axes[shared].name.clone();
            let diagnostic =
                Diagnostic::new(Code::Contraction, format!("three operands of `@` share the axis `{name}`"))
                    .primary(b.span, "the third")
                    .label(a.span, format!("already summed over `{name}` here"))
                    .help("write the order with parentheses");
            self.push(diagnostic);
            return None;
        }
        self.contract(a, b, span)
    }

    /// `a @ b`, with its errors.
    pub fn contract(&mut self, a: Expr, b: Expr, span: Span) -> Option<Expr> {
        let over: Vec<AxisId> = a.ty.axes.iter().copied().filter(|axis| b.ty.axes.contains(axis)).collect();
        if over.is_empty() {
            let (left, right) = (say_axes(&self.program, &a.ty.axes), say_axes(&self.program, &b.ty.axes));
            let root = |axis: AxisId| self.program.axes.root(axis);
            let pairs = a.ty.axes.iter().flat_map(|&x| b.ty.axes.iter().map(move |&y| (x, y)));
            let alias = pairs.into_iter().find(|&(x, y)| root(x) == root(y));
            let diagnostic = Diagnostic::new(Code::Contraction, "the operands of `@` share no axis")
                .primary(a.span, format!("has {left}"))
                .label(b.span, format!("has {right}"));
            self.push(if let Some((x, y)) = alias {
                let (x, y) = (&self.program.axes[x].name, &self.program.axes[y].name);
                diagnostic.help(format!(
                    "`{x}` and `{y}` are two names of one axis, and `@` goes by the name: declare both operands with the same one"
                ))
            } else if a.ty.axes.is_empty() || b.ty.axes.is_empty() {
                diagnostic.help("with a single number write `*`")
            } else {
                diagnostic.help("`@` sums over the axes that both have; give them one in common, or write `*`")
            });
            return None;
        }
        let mut axes: Vec<AxisId> = a.ty.axes.iter().copied().filter(|axis| !over.contains(axis)).collect();
        axes.extend(b.ty.axes.iter().copied().filter(|axis| !over.contains(axis)));
        let node = Node::Contract { left: Box::new(a), right: Box::new(b), over };
        Some(expr(node, axes, Domain::Real, span))
    }

    fn concat(&mut self, scope: &mut Scope, left: &ast::Expr, right: &ast::Expr, span: Span) -> Option<Expr> {
        let mut written = Vec::new();
        let mut rest = left;
        written.push(right);
        while let ExprKind::Binary { op: ast::BinaryOp::Concat, left, right } = &rest.kind {
            written.push(right);
            rest = left;
        }
        written.push(rest);
        written.reverse();
        let parts: Vec<Option<Expr>> = written.into_iter().map(|e| self.numeric(scope, e)).collect();
        let parts = parts.into_iter().collect::<Option<Vec<Expr>>>()?;
        self.concat_parts(parts, span)
    }

    /// Vectors laid end to end.
    pub fn concat_parts(&mut self, parts: Vec<Expr>, span: Span) -> Option<Expr> {
        if let Some(bad) = parts.iter().find(|p| p.ty.axes.len() != 1) {
            let has = say_axes(&self.program, &bad.ty.axes);
            let diagnostic = Diagnostic::at(Code::AxesDisagree, bad.span, "`++` lays vectors end to end")
                .saying(format!("this has {has}"))
                .help("each operand needs exactly one axis");
            self.push(diagnostic);
            return None;
        }
        let axis = self.sum_axis(parts.iter().flat_map(|p| p.ty.axes.clone()).collect(), span);
        Some(expr(Node::Concat(parts, axis), vec![axis], Domain::Real, span))
    }

    /// An expression that must be a yes or no.
    pub fn condition(&mut self, scope: &mut Scope, e: &ast::Expr) -> Option<Expr> {
        let c = self.expr(scope, e)?;
        if c.ty.domain == Domain::Bool {
            return Some(c);
        }
        let has = show_type(&self.program, &c.ty.domain, &c.ty.axes);
        let diagnostic = Diagnostic::at(Code::DomainsDisagree, c.span, "a condition is a yes or a no")
            .saying(format!("this is a `{has}`"));
        self.push(match c.ty.domain {
            Domain::Cat(_) | Domain::Spin => diagnostic.help("test for a state: `x is label`"),
            _ => diagnostic.help("compare it: `x > 0`"),
        });
        None
    }

    /// A choice between two values.
    pub fn choice(&mut self, cond: Expr, then: Expr, other: Expr, span: Span) -> Option<Expr> {
        let (then, other) =
            if then.ty.domain == other.ty.domain { (then, other) } else { (as_number(then), as_number(other)) };
        self.check_lined_up(&then, &other, "if")?;
        let domain = joined(&then.ty.domain, &other.ty.domain);
        let mut axes =
            if then.ty.axes.len() >= other.ty.axes.len() { then.ty.axes.clone() } else { other.ty.axes.clone() };
        let extra: Vec<AxisId> = cond.ty.axes.iter().copied().filter(|a| !axes.contains(a)).collect();
        // A condition a unit makes the choice a unit: its axes lead.
        axes.splice(0..0, extra);
        Some(expr(Node::If { cond: Box::new(cond), then: Box::new(then), other: Box::new(other) }, axes, domain, span))
    }

    fn is(&mut self, scope: &mut Scope, subject: &ast::Expr, word: &ast::Name, span: Span) -> Option<Expr> {
        let test = |node| Some(expr(node, Vec::new(), Domain::Bool, span));
        if let Some(name) = subject.name() {
            if let Some(index) = scope.index(&name.text) {
                return match word.text.as_str() {
                    "first" => test(Node::IsFirst(index)),
                    "last" => test(Node::IsLast(index)),
                    _ => {
                        self.push(
                            Diagnostic::at(
                                Code::UnknownLabel,
                                word.span,
                                format!("an index is `first` or `last`, not `{}`", word.text),
                            )
                            .help(format!("a variable at `{}` is written `x[{}]`", name.text, name.text)),
                        );
                        None
                    }
                };
            }
            if matches!(word.text.as_str(), "first" | "last") && !scope.names.contains_key(&name.text) {
                self.push(
                    Diagnostic::at(
                        Code::UnboundIndex,
                        name.span,
                        format!("no `for` introduces the index `{}`", name.text),
                    )
                    .help(format!("write `for {} in Axis {{ .. }}` around it", name.text)),
                );
                return None;
            }
        }
        if word.text == "observed" {
            let name = match &subject.bare().kind {
                ExprKind::Index { base, .. } => base.name(),
                _ => subject.name(),
            };
            if let Some((Entry::Var(var), _)) = name.and_then(|n| scope.names.get(&n.text)) {
                return test(Node::IsObserved(*var));
            }
            self.push(Diagnostic::at(Code::WrongKind, subject.span, "only a variable is observed or not"));
            return None;
        }
        let value = self.expr(scope, subject)?;
        if !value.ty.domain.is_discrete() {
            let has = show_type(&self.program, &value.ty.domain, &value.ty.axes);
            self.push(
                Diagnostic::at(Code::DomainsDisagree, value.span, "`is` tests for a state of a discrete value")
                    .saying(format!("this is a `{has}`"))
                    .help("compare numbers with `<`, `<=`, `>`, `>=`"),
            );
            return None;
        }
        let state = self.state(&value.ty.domain.clone(), &word.text, word.span)?;
        let axes = value.ty.axes.clone();
        Some(expr(Node::Is(Box::new(value), state), axes, Domain::Bool, span))
    }

    /// A value for each joint state; its rows may be lists where the place is one for lists.
    pub fn table(
        &mut self,
        scope: &mut Scope,
        names: &[ast::Name],
        rows: &[ast::Row],
        span: Span,
        place: Option<&Place>,
    ) -> Option<Expr> {
        let mut of = Vec::new();
        let mut failed = false;
        for name in names {
            let path = ast::Path { parts: vec![name.clone()], span: name.span };
            match self.path(scope, &path) {
                Some(value) if !value.ty.domain.is_discrete() || !value.ty.axes.is_empty() => {
                    let has = show_type(&self.program, &value.ty.domain, &value.ty.axes);
                    self.push(
                        Diagnostic::at(Code::BadTable, name.span, format!("a table cannot select by `{}`", name.text))
                            .saying(format!("this is a `{has}`"))
                            .help("a table selects by single discrete variables; give a neighbour or an entry a name with `=` first"),
                    );
                    failed = true;
                }
                Some(value) => of.push(value),
                None => failed = true,
            }
        }
        let mut entries: BTreeMap<Vec<usize>, (Expr, Span)> = BTreeMap::new();
        for row in rows {
            let value = match place {
                Some(place) => self.placed(scope, &row.value, place),
                None => self.expr(scope, &row.value),
            };
            if failed {
                continue;
            }
            let row_span = row.cells.first().map_or(row.span, |c| c.span);
            let row_span = row.cells.last().map_or(row_span, |c| cover(row_span, c.span));
            if row.cells.len() != of.len() {
                self.push(
                    Diagnostic::at(
                        Code::BadTable,
                        row_span,
                        format!(
                            "this row names {} {}, and the table selects by {}",
                            row.cells.len(),
                            if row.cells.len() == 1 { "state" } else { "states" },
                            of.len()
                        ),
                    )
                    .label(cover(names[0].span, names[names.len() - 1].span), "one state for each of these"),
                );
                failed = true;
                continue;
            }
            let mut states = Vec::new();
            for (cell, value) in row.cells.iter().zip(&of) {
                let text = match &cell.kind {
                    ExprKind::Path(path) => path.text(),
                    ExprKind::Number(n) => n.text.clone(),
                    ExprKind::Text(t) => t.text.clone(),
                    _ => String::new(),
                };
                match self.state(&value.ty.domain, &text, cell.span) {
                    Some(state) => states.push(state),
                    None => failed = true,
                }
            }
            if states.len() < of.len() {
                continue;
            }
            if let Some((_, first)) = entries.get(&states) {
                let first = *first;
                self.push(
                    Diagnostic::at(Code::BadTable, row_span, "this row stands twice")
                        .saying("again here")
                        .label(first, "first here")
                        .help("leave one of them out"),
                );
                failed = true;
                continue;
            }
            match value {
                Some(value) => {
                    entries.insert(states, (value, row_span));
                }
                None => failed = true,
            }
        }
        if failed {
            return None;
        }
        let mut sizes = Vec::new();
        for value in &of {
            match &value.ty.domain {
                Domain::Cat(axis) => match self.program.axes.extent(*axis) {
                    Some(extent) => sizes.push(extent),
                    None => {
                        let name = self.program.axes[*axis].name.clone();
                        self.push(
                            Diagnostic::at(
                                Code::UnknownSize,
                                value.span,
                                format!("a table needs to know the states of `{name}`"),
                            )
                            .help(format!("list them: `axis {name} = a, b, ..`")),
                        );
                        return None;
                    }
                },
                _ => sizes.push(2),
            }
        }
        let joint = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).filter(|&n| n <= 1 << 20);
        let Some(joint) = joint else {
            self.error(Code::BadTable, span, "this table has more than a million rows");
            return None;
        };
        let mut list = Vec::with_capacity(joint);
        for position in 0..joint {
            let mut states = vec![0; sizes.len()];
            let mut left = position;
            for (slot, &size) in states.iter_mut().zip(&sizes).rev() {
                *slot = left % size;
                left /= size;
            }
            match entries.remove(&states) {
                Some((value, _)) => list.push(value),
                None => {
                    let words: Vec<String> =
                        states.iter().zip(&of).map(|(&s, v)| self.state_word(&v.ty.domain, s)).collect();
                    let missing = joint - rows.len();
                    let more = if missing > 1 { format!(" and {} more", missing - 1) } else { String::new() };
                    self.push(
                        Diagnostic::at(
                            Code::BadTable,
                            span,
                            format!("the table has no row for `{}`{more}", words.join(", ")),
                        )
                        .help("every joint state needs its row"),
                    );
                    return None;
                }
            }
        }
        let domain = list.iter().skip(1).fold(list[0].ty.domain.clone(), |d, e| joined(&d, &e.ty.domain));
        let axes = list.iter().map(|e| &e.ty.axes).max_by_key(|a| a.len()).cloned().unwrap_or_default();
        if let Some(odd) = list.iter().find(|e| !e.ty.axes.is_empty() && e.ty.axes != axes) {
            let has = say_axes(&self.program, &odd.ty.axes);
            self.push(
                Diagnostic::at(Code::AxesDisagree, odd.span, "the rows of a table have the same axes")
                    .saying(format!("this has {has}")),
            );
            return None;
        }
        Some(expr(Node::Table { of, entries: list }, axes, domain, span))
    }

    /// A state as people call it.
    pub fn state_word(&self, domain: &Domain, state: usize) -> String {
        match domain {
            Domain::Bool => ["no", "yes"].get(state).unwrap_or(&"?").to_string(),
            Domain::Spin => ["down", "up"].get(state).unwrap_or(&"?").to_string(),
            Domain::Cat(axis) => self
                .program
                .axes
                .labels(*axis)
                .and_then(|l| l.get(state).cloned())
                .unwrap_or_else(|| (state + 1).to_string()),
            _ => state.to_string(),
        }
    }

    fn index(&mut self, scope: &mut Scope, base: &ast::Expr, indices: &[ast::Position], span: Span) -> Option<Expr> {
        let base = self.expr(scope, base)?;
        if indices.len() > base.ty.axes.len() {
            let has = say_axes(&self.program, &base.ty.axes);
            self.push(
                Diagnostic::at(
                    Code::WrongIndex,
                    span,
                    format!("{} indices, but only {} to index", indices.len(), base.ty.axes.len()),
                )
                .label(base.span, format!("has {has}"))
                .help(match base.ty.axes.is_empty() {
                    true => "it is a single value: leave out the index".to_string(),
                    false => "an index for each axis of the declaration, in its order".to_string(),
                }),
            );
            return None;
        }
        let leading: Vec<AxisId> = base.ty.axes[..indices.len()].to_vec();
        let mut at = Vec::new();
        let mut rest: Vec<AxisId> = Vec::new();
        let mut failed = false;
        for (axis, position) in leading.into_iter().zip(indices) {
            match self.subscript(scope, axis, position, base.span) {
                Some((subscript, axes)) => {
                    rest.extend(axes);
                    at.push(subscript);
                }
                None => failed = true,
            }
        }
        if failed {
            return None;
        }
        rest.extend(base.ty.axes[indices.len()..].iter().copied());
        let domain = base.ty.domain.clone();
        Some(expr(Node::Pick { base: Box::new(base), at }, rest, domain, span))
    }

    /// One position of an index, and the axes its value brings along.
    fn subscript(
        &mut self,
        scope: &mut Scope,
        axis: AxisId,
        position: &ast::Position,
        base: Span,
    ) -> Option<(Subscript, Vec<AxisId>)> {
        let value = match position {
            ast::Position::Before(name) => {
                let index = self.loop_index(scope, name)?;
                self.check_index_axis(index, axis, name.span, base)?;
                return Some((Subscript::Prefix(index), vec![axis]));
            }
            ast::Position::At(value) => value.bare(),
        };
        let (name, offset) = match &value.kind {
            ExprKind::Path(path) => (path.single(), 0.0),
            ExprKind::Binary { op: op @ (ast::BinaryOp::Add | ast::BinaryOp::Subtract), left, right } => {
                match (left.name(), &right.bare().kind) {
                    (Some(name), ExprKind::Number(n)) => {
                        (Some(name), if *op == ast::BinaryOp::Add { n.value } else { -n.value })
                    }
                    _ => (None, 0.0),
                }
            }
            _ => (None, 0.0),
        };
        if let Some(name) = name
            && let Some(index) = scope.index(&name.text)
        {
            if offset.fract() != 0.0 || offset.abs() > 1e6 {
                self.error(Code::WrongIndex, value.span, "an index moves by a whole number of places");
                return None;
            }
            self.check_index_axis(index, axis, name.span, base)?;
            return Some((Subscript::At { index, offset: offset as i64 }, Vec::new()));
        }
        let root = self.program.axes.root(axis);
        let axis_name = self.program.axes[axis].name.clone();
        // A label or a number of a state: a fixed place.
        let label = match &value.kind {
            ExprKind::Number(n) => Some(n.text.clone()),
            ExprKind::Path(path) => path
                .single()
                .filter(|n| !scope.names.contains_key(&n.text))
                .map(|n| n.text.clone())
                .filter(|text| self.program.axes.labels(root).is_some_and(|l| l.contains(text))),
            _ => None,
        };
        if let Some(label) = label {
            let state = self.state(&Domain::Cat(axis), &label, value.span)?;
            return Some((Subscript::Constant(state), Vec::new()));
        }
        if let Some(name) = name
            && offset == 0.0
            && !scope.names.contains_key(&name.text)
            && !self.file_params.contains_key(&name.text)
            && (name.text.len() <= 2 || self.axes.contains_key(&name.text))
        {
            self.push(
                Diagnostic::at(Code::UnboundIndex, name.span, format!("no `for` introduces the index `{}`", name.text))
                    .help(match self.axes.contains_key(&name.text) {
                        true => format!(
                            "`{}` is an axis: write `for i in {axis_name} {{ .. }}` around the statement, and `i` here",
                            name.text
                        ),
                        false => format!("write `for {} in {axis_name} {{ .. }}` around the statement", name.text),
                    }),
            );
            return None;
        }
        let by = self.expr(scope, value)?;
        let fits = match &by.ty.domain {
            Domain::Cat(of) => self.program.axes.root(*of) == root,
            Domain::Bool | Domain::Spin => self.program.axes.extent(root).is_none_or(|e| e == 2),
            _ => false,
        };
        if !fits {
            let has = show_type(&self.program, &by.ty.domain, &by.ty.axes);
            self.push(
                Diagnostic::at(Code::WrongIndex, by.span, format!("this cannot index the axis `{axis_name}`"))
                    .saying(format!("a `{has}`"))
                    .label(base, format!("`{axis_name}` is the axis to index"))
                    .help(format!("index with a value of `{axis_name}` or with the index of `for .. in {axis_name}`")),
            );
            return None;
        }
        let axes = by.ty.axes.clone();
        Some((Subscript::By(Box::new(by)), axes))
    }

    fn loop_index(&mut self, scope: &Scope, name: &ast::Name) -> Option<IndexId> {
        let index = scope.index(&name.text);
        if index.is_none() {
            self.push(
                Diagnostic::at(Code::UnboundIndex, name.span, format!("no `for` introduces the index `{}`", name.text))
                    .help(format!("write `for {} in Axis {{ .. }}` around the statement", name.text)),
            );
        }
        index
    }

    fn check_index_axis(&mut self, index: IndexId, axis: AxisId, place: Span, base: Span) -> Option<()> {
        let plate = self.program.indices[index].axis;
        if self.program.axes.root(plate) == self.program.axes.root(axis) {
            return Some(());
        }
        let (runs, wanted) = (self.program.axes[plate].name.clone(), self.program.axes[axis].name.clone());
        let (name, introduced) = (self.program.indices[index].name.clone(), self.program.indices[index].span);
        self.push(
            Diagnostic::at(Code::WrongIndex, place, format!("`{name}` runs over `{runs}`, but `{wanted}` is indexed"))
                .label(base, format!("its next axis is `{wanted}`"))
                .label(introduced, format!("`{name}` is introduced here"))
                .help(format!("indices stand in the order of the declaration; here an index of `{wanted}` is needed")),
        );
        None
    }
}

/// The domain of a choice between two values.
pub fn joined(a: &Domain, b: &Domain) -> Domain {
    if a == b { a.clone() } else { Domain::Real }
}
