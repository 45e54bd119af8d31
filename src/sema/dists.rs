//! Distributions: which family, which argument is which, and whether each lies where the family needs it.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::Checker;
use super::foreign;
use super::library;
use super::lists::Place;
use super::ranges::{of_domain, of_expr};
use super::scope::Scope;
use super::types::{as_number, axis_names, number, say_axes, show_type};

/// What is distributed: its domain, its event axes, and where that was said.
pub struct Shape {
    /// Where entries live.
    pub domain: Domain,
    /// Axes of one instance.
    pub event: Vec<AxisId>,
    /// Where it is declared.
    pub span: Span,
    /// Its name.
    pub name: String,
}

impl Checker<'_> {
    /// The distribution on the right of a `~`.
    pub fn dist(&mut self, scope: &mut Scope, e: &ast::Expr, shape: &Shape) -> Option<Dist> {
        let (name, args, given) = match &e.bare().kind {
            ExprKind::Call { callee, args, given } => (callee.name(), args.as_slice(), given.as_slice()),
            ExprKind::Path(path) => (path.single(), &[][..], &[][..]),
            _ => (None, &[][..], &[][..]),
        };
        let Some(name) = name else {
            self.push(
                Diagnostic::at(Code::NotAValue, e.span, "a distribution is meant here").help(
                    "`~` draws from a distribution, such as `Normal(0, sd = 1)`; a definition is written with `=`",
                ),
            );
            return None;
        };
        let Some(family) = Family::find(&name.text) else {
            self.unknown_family(name);
            return None;
        };
        if !given.is_empty() {
            self.push(
                Diagnostic::at(Code::WrongArguments, e.span, "a distribution has no `|`")
                    .help("what it depends on stands in its arguments"),
            );
        }
        self.check_family(family, name, shape)?;
        if args.is_empty() {
            let usage = usage(family);
            self.push(
                Diagnostic::at(Code::WrongArguments, e.span, format!("`{}` needs its arguments", family.name()))
                    .help(format!("write {usage}")),
            );
            return None;
        }
        let args = self.dist_args(scope, family, args, e.span, shape)?;
        let mut failed = false;
        let mut checked = Vec::new();
        for (role, arg) in args {
            match self.check_arg(family, role, arg, shape) {
                Some(arg) => checked.push((role, arg)),
                None => failed = true,
            }
        }
        if let (Family::Uniform, [(_, low), (_, high)]) = (family, checked.as_slice())
            && of_expr(low).low >= of_expr(high).high
        {
            self.push(
                Diagnostic::at(Code::OutsideSupport, high.span, "an interval ends above where it begins")
                    .label(low.span, "it begins here")
                    .help("write the smaller bound first: `Uniform(low, high)`"),
            );
            return None;
        }
        (!failed).then_some(Dist { family, args: checked })
    }

    fn unknown_family(&mut self, name: &ast::Name) {
        let text = name.text.as_str();
        let diagnostic = Diagnostic::at(Code::UnknownFunction, name.span, format!("there is no distribution `{text}`"));
        let near = self.near(text, Family::ALL.iter().map(|f| f.name()));
        self.push(match (near, text) {
            _ if library::mend(text).is_some() => diagnostic.help(library::mend(text).unwrap_or_default()),
            (_, "NormalInverseWishart") => diagnostic.help(
                "it draws a mean and a covariance together: `(mu: Real[D], cov: Cov[D]) ~ NormalInverseWishart(..)`",
            ),
            (near, _)
                if near.is_none_or(|near| !near.eq_ignore_ascii_case(text))
                    && let Some(help) = foreign::distribution(text) =>
            {
                diagnostic.help(help)
            }
            (Some(near), _) => diagnostic.help(format!("did you mean `{near}`?")),
            _ if self.nets.contains_key(text) => diagnostic
                .help("a net gives the arguments of a distribution: `Normal(..net(x))`; a value is defined with `=`"),
            _ => {
                let all: Vec<String> = Family::ALL.iter().map(|f| format!("`{}`", f.name())).collect();
                diagnostic.help(format!("the distributions are {}", all.join(", ")))
            }
        });
    }

    fn check_family(&mut self, family: Family, name: &ast::Name, shape: &Shape) -> Option<()> {
        if family.covers(&shape.domain) {
            return Some(());
        }
        let has = show_type(&self.program, &shape.domain, &shape.event);
        let better = match &shape.domain {
            Domain::Bool | Domain::Spin => "Bernoulli",
            Domain::Cat(_) => "Categorical",
            Domain::Count => "Poisson",
            Domain::Real => "Normal",
            Domain::Positive => "Gamma",
            Domain::Unit => "Beta",
            Domain::Simplex => "Dirichlet",
            Domain::Cov => "InverseWishart",
        };
        let diagnostic =
            Diagnostic::at(Code::DomainsDisagree, name.span, format!("`{}` does not draw a `{has}`", family.name()))
                .label(shape.span, format!("`{}` is declared `{has}`", shape.name));
        self.push(match better {
            "" => diagnostic,
            _ => match drawn(family) {
                Some(domain) => {
                    let other = show_type(&self.program, &domain, &shape.event);
                    diagnostic.help(format!("use `{better}`, or declare `{}` as `{other}`", shape.name))
                }
                None => diagnostic.help(format!("use `{better}`, or declare `{}` otherwise", shape.name)),
            },
        });
        None
    }

    /// Arguments in the roles they play.
    fn dist_args(
        &mut self,
        scope: &mut Scope,
        family: Family,
        args: &[ast::Arg],
        span: Span,
        shape: &Shape,
    ) -> Option<Vec<(Arg, Expr)>> {
        let signatures = family.signatures();
        let roles: Vec<Arg> = signatures.iter().flat_map(|s| s.positional.iter().chain(s.named)).copied().collect();
        let mut list: Vec<(Arg, Expr, Span)> = Vec::new();
        let mut failed = false;
        let mut place = 0;
        for arg in args {
            match &arg.kind {
                ArgKind::Splat => match self.splat(scope, &arg.value) {
                    Some(outputs) => {
                        for (name, value) in outputs {
                            match roles.iter().find(|r| r.word() == name) {
                                Some(&role) => list.push((role, value, arg.span)),
                                None => {
                                    let words = words(&roles);
                                    self.push(
                                        Diagnostic::at(
                                            Code::UnknownArgument,
                                            arg.span,
                                            format!("the net gives `{name}`, which `{}` does not take", family.name()),
                                        )
                                        .help(format!("its arguments are {words}")),
                                    );
                                    failed = true;
                                }
                            }
                        }
                    }
                    None => failed = true,
                },
                ArgKind::Named(name) => match roles.iter().find(|r| r.word() == name.text) {
                    Some(&role) => match self.dist_value(scope, family, role, &arg.value, shape) {
                        Some(value) => list.push((role, value, arg.span)),
                        None => failed = true,
                    },
                    None => {
                        let near = self.near(&name.text, roles.iter().map(|r| r.word()));
                        let diagnostic = Diagnostic::at(
                            Code::UnknownArgument,
                            name.span,
                            format!("`{}` has no argument `{}`", family.name(), name.text),
                        );
                        let hint = match (name.text.as_str(), family) {
                            (text, family) if let Some(help) = foreign::argument(text, family.name()) => {
                                help.to_string()
                            }
                            _ => match near {
                                Some(near) => format!("did you mean `{near}`?"),
                                None => format!("its arguments are {}", words(&roles)),
                            },
                        };
                        self.push(diagnostic.help(hint));
                        let _ = self.expr(scope, &arg.value);
                        failed = true;
                    }
                },
                ArgKind::Positional => {
                    let positional = signatures[0].positional;
                    match positional.get(place) {
                        Some(&role) => match self.dist_value(scope, family, role, &arg.value, shape) {
                            Some(value) => list.push((role, value, arg.span)),
                            None => failed = true,
                        },
                        None => {
                            let named: Vec<&str> = signatures.iter().flat_map(|s| s.named).map(|r| r.word()).collect();
                            let diagnostic = Diagnostic::at(
                                Code::WrongArguments,
                                arg.span,
                                format!("this argument of `{}` needs its name", family.name()),
                            );
                            self.push(match named.as_slice() {
                                [] => Diagnostic::at(
                                    Code::WrongArguments,
                                    arg.span,
                                    format!("`{}` takes no further argument", family.name()),
                                )
                                .help(format!("write {}", usage(family))),
                                [..] if family == Family::Categorical && args.len() > 2 => diagnostic
                                    .help("probabilities written one by one stand in brackets: `Categorical([0.2, 0.3, 0.5])`"),
                                [one, ..] if matches!(family, Family::Bernoulli | Family::Categorical) => diagnostic.help(
                                    format!("one argument is enough: the probabilities without a name, or `{one} = ..`"),
                                ),
                                [one, ..] => diagnostic.help(format!(
                                    "write `{one} = ..`; books disagree about what stands here, so it is named"
                                )),
                            });
                            let _ = self.expr(scope, &arg.value);
                            failed = true;
                        }
                    }
                    place += 1;
                }
            }
        }
        for (i, (role, _, span)) in list.iter().enumerate() {
            if let Some((_, _, first)) = list[..i].iter().find(|(r, _, _)| r == role) {
                self.problems.push(
                    Diagnostic::at(Code::WrongArguments, *span, format!("`{}` is given twice", role.word()))
                        .saying("again here")
                        .label(*first, "first here"),
                );
                failed = true;
            }
        }
        if failed {
            return None;
        }
        let given: Vec<Arg> = list.iter().map(|(r, _, _)| *r).collect();
        let fits = signatures.iter().find(|s| {
            let all = s.positional.iter().chain(s.named);
            all.clone().count() == given.len() && all.clone().all(|r| given.contains(r))
        });
        let Some(fits) = fits else {
            let near =
                signatures.iter().find(|s| given.iter().all(|g| s.positional.iter().chain(s.named).any(|r| r == g)));
            let near = near.unwrap_or(&signatures[0]);
            let missing: Vec<&str> =
                near.positional.iter().chain(near.named).filter(|r| !given.contains(r)).map(|r| r.word()).collect();
            let message = match missing.as_slice() {
                [one] if !given.is_empty() => format!("`{}` is missing `{one}`", family.name()),
                _ => format!("these arguments do not go together in `{}`", family.name()),
            };
            self.push(Diagnostic::at(Code::WrongArguments, span, message).help(format!("write {}", usage(family))));
            return None;
        };
        let order: Vec<Arg> = fits.positional.iter().chain(fits.named).copied().collect();
        let mut list: Vec<(Arg, Expr)> = list.into_iter().map(|(r, e, _)| (r, e)).collect();
        list.sort_by_key(|(r, _)| order.iter().position(|o| o == r));
        // The uniform distribution over states is all log-odds equal.
        for (role, value) in &mut list {
            if *role == Arg::P && matches!(&value.node, Node::Number(v) if v.is_nan()) {
                *role = Arg::Logit;
                *value = number(0.0, value.span);
            }
        }
        Some(list)
    }

    /// An argument's value; `uniform` is marked by a NaN until its role is settled.
    fn dist_value(
        &mut self,
        scope: &mut Scope,
        family: Family,
        role: Arg,
        value: &ast::Expr,
        shape: &Shape,
    ) -> Option<Expr> {
        if family == Family::Categorical
            && role == Arg::P
            && value.name().is_some_and(|n| n.text == "uniform" && !scope.names.contains_key("uniform"))
        {
            return Some(number(f64::NAN, value.span));
        }
        if value.name().is_some_and(|n| n.text == "uniform" && !scope.names.contains_key("uniform")) {
            self.push(
                Diagnostic::at(Code::WrongArguments, value.span, "`uniform` is for `Categorical`")
                    .help("for a fair coin write `Bernoulli(0.5)`, for an interval `Uniform(low, high)`"),
            );
            return None;
        }
        let axis = match (family, &shape.domain) {
            (Family::Categorical, Domain::Cat(axis)) => Some(*axis),
            (Family::Dirichlet | Family::Multinomial, _) => shape.event.last().copied(),
            _ => None,
        };
        let value = match axis {
            Some(axis) => {
                let probabilities = role.domain(family) == Domain::Simplex;
                self.placed(scope, value, &Place { axis, probabilities, of: &shape.name, span: shape.span })
            }
            None => self.expr(scope, value),
        };
        let value = value.map(as_number)?;
        // A choice among nothing but `uniform` is `uniform`.
        let alike = role == Arg::P && value.ty.domain == Domain::Simplex && value.ty.axes.is_empty();
        Some(if family == Family::Categorical && alike { number(f64::NAN, value.span) } else { value })
    }

    fn check_arg(&mut self, family: Family, role: Arg, arg: Expr, shape: &Shape) -> Option<Expr> {
        let class = match (&shape.domain, family) {
            (Domain::Cat(axis), Family::Categorical) => Some(*axis),
            _ => None,
        };
        let mut allowed = shape.event.clone();
        allowed.extend(class);
        if let (Arg::Cov, Some(&last)) = (role, shape.event.last()) {
            allowed.push(self.mirror(last, arg.span));
        }
        if role == Arg::Cov && shape.event.is_empty() {
            self.push(
                Diagnostic::at(
                    Code::AxesDisagree,
                    arg.span,
                    format!("`{}` is a single number and has no covariance", shape.name),
                )
                .help("write `sd = ..`"),
            );
            return None;
        }
        if let Some(&extra) = arg.ty.axes.iter().find(|a| !allowed.contains(a)) {
            let alias = allowed.iter().copied().find(|&a| self.program.axes.root(a) == self.program.axes.root(extra));
            let (name, has) =
                (self.program.axes[extra].name.clone(), show_type(&self.program, &shape.domain, &shape.event));
            let diagnostic = Diagnostic::at(
                Code::AxesDisagree,
                arg.span,
                format!("this has the axis `{name}`, which `{}` does not have", shape.name),
            )
            .saying(format!("has {}", say_axes(&self.program, &arg.ty.axes)))
            .label(shape.span, format!("`{}` is declared `{has}`", shape.name));
            let plate = matches!(self.program.axes[extra].kind, AxisKind::Ragged | AxisKind::Rows);
            let help = match alias {
                Some(a) => {
                    format!("an alias is an axis of its own; use `{}` in both declarations", self.program.axes[a].name)
                }
                None if plate => format!("index it: `[t]` inside `for t in {name} {{ .. }}`"),
                None if self.is_enumerated(extra) => format!(
                    "a discrete value stands for its indicators: read a number for its state, as in `mu[s]` with `param mu[{name}]: Real`; otherwise sum over `{name}`, or declare `{}` with it",
                    shape.name
                ),
                None => format!("sum over it with `@`, index it, or declare `{}` with the axis `{name}`", shape.name),
            };
            self.push(diagnostic.help(help));
            return None;
        }
        if let Some(class) = class {
            let uniform = role == Arg::Logit && matches!(arg.node, Node::Number(_));
            if arg.ty.axes.last() != Some(&class) && !uniform {
                let name = self.program.axes[class].name.clone();
                let has = say_axes(&self.program, &arg.ty.axes);
                let diagnostic = Diagnostic::at(
                    Code::AxesDisagree,
                    arg.span,
                    format!("`Categorical` needs a number for every state of `{name}`"),
                )
                .saying(format!("has {has}"))
                .label(shape.span, format!("`{}` is declared here", shape.name));
                self.push(if arg.ty.axes.contains(&class) {
                    diagnostic.help(format!("`{name}` must be the last axis"))
                } else {
                    diagnostic
                        .help(format!("declare it with the axis: `Simplex[{name}]`, or `Real[{name}]` after `logit =`"))
                });
                return None;
            }
        }
        self.check_domain(family, role, &arg)?;
        Some(arg)
    }

    fn check_domain(&mut self, family: Family, role: Arg, arg: &Expr) -> Option<()> {
        let wanted = role.domain(family);
        // A single number stands for that multiple of the identity, and is held to `Positive` below.
        if wanted == Domain::Cov && !arg.ty.axes.is_empty() {
            if arg.ty.domain == Domain::Cov {
                return Some(());
            }
            let has = show_type(&self.program, &arg.ty.domain, &arg.ty.axes);
            self.push(
                Diagnostic::at(Code::DomainsDisagree, arg.span, "a covariance matrix is needed here")
                    .saying(format!("this is a `{has}`"))
                    .help("declare it `Cov[Axis]`; for independent entries write `sd = ..`"),
            );
            return None;
        }
        let wanted = if wanted == Domain::Cov { Domain::Positive } else { wanted };
        if wanted == Domain::Simplex {
            if arg.ty.domain == Domain::Simplex {
                return Some(());
            }
            let has = show_type(&self.program, &arg.ty.domain, &arg.ty.axes);
            if let Some(part) = mixed(arg) {
                self.push(
                    Diagnostic::at(Code::DomainsDisagree, part.span, "these probabilities must be numbers")
                        .saying("that they sum to one cannot be told from here")
                        .help("declare a parameter with the domain `Simplex`, or write `Categorical(logit = [..])`"),
                );
                return None;
            }
            let axis = arg.ty.axes.last().map_or(String::new(), |&a| axis_names(&self.program, &[a]));
            let diagnostic =
                Diagnostic::at(Code::DomainsDisagree, arg.span, "probabilities that sum to one are needed here")
                    .saying(format!("this is a `{has}`"));
            self.push(match arg.node {
                Node::Param(_) | Node::Pick { .. } => {
                    diagnostic.help(format!("declare it `Simplex[{axis}]`, or write `Categorical(logit = ..)`"))
                }
                _ => diagnostic.help("write `Categorical(logit = ..)`, or normalise with `softmax(..)`"),
            });
            return None;
        }
        if let Node::Vector(entries, _) = &arg.node {
            let held = entries.iter().map(|e| self.check_domain(family, role, e)).filter(Option::is_some).count();
            return (held == entries.len()).then_some(());
        }
        let (need, range) = (of_domain(&wanted), of_expr(arg));
        let strictly_positive = wanted == Domain::Positive;
        let inside = range.low >= need.low && range.high <= need.high && !(strictly_positive && range.high <= 0.0);
        if inside {
            return Some(());
        }
        let impossible = range.high < need.low || range.low > need.high || strictly_positive && range.high <= 0.0;
        let word = role.word();
        let literal = matches!(arg.node, Node::Number(_));
        let wanted_words = match wanted {
            Domain::Unit => "between 0 and 1",
            Domain::Positive => "positive",
            _ => "a number",
        };
        let what = if role == Arg::P { "a probability".to_string() } else { format!("`{word}`") };
        let diagnostic = if let (true, Node::Number(v)) = (literal, &arg.node) {
            Diagnostic::at(Code::OutsideSupport, arg.span, format!("{what} is {wanted_words}, not {v}"))
        } else {
            let code = if impossible { Code::OutsideSupport } else { Code::DomainsDisagree };
            let has = match (range.low.is_finite(), range.high.is_finite()) {
                (true, true) => format!("lies between {} and {}", range.low, range.high),
                (true, false) => format!("is {} or more", range.low),
                (false, true) => format!("is {} or less", range.high),
                _ => "can be any number".to_string(),
            };
            Diagnostic::at(code, arg.span, format!("{what} must be {wanted_words}")).saying(format!("this {has}"))
        };
        let help = match (wanted, family, &arg.node) {
            (_, _, Node::Number(v)) if *v >= 2.0 && *v <= 100.0 && role == Arg::P => {
                Some(format!("for {v} percent write `{}`", v / 100.0))
            }
            (Domain::Unit, _, Node::Number(_)) => {
                Some(format!("write a number between 0 and 1, or `{}(logit = ..)` for a log-odds", family.name()))
            }
            (Domain::Positive, Family::Normal, Node::Number(_)) => {
                Some("a spread is larger than zero; a value that is known for certain is defined with `=`".to_string())
            }
            (_, _, Node::Number(_)) => Some(format!("write a number larger than zero for `{word}`")),
            (Domain::Unit, Family::Bernoulli, _) => {
                Some("write `Bernoulli(logit = ..)`, or squash it with `sigmoid(..)`".to_string())
            }
            (Domain::Positive, _, Node::Param(p)) => Some(format!(
                "declare `{}` as `Positive`",
                self.program.params[*p].name.rsplit('.').next().unwrap_or_default()
            )),
            (Domain::Positive, _, _) => Some(format!("write `{word} = exp(..)` or `{word} = softplus(..)`")),
            (Domain::Unit, _, _) => Some("squash it with `sigmoid(..)`".to_string()),
            _ => None,
        };
        self.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
        None
    }

    /// Whether an axis holds the states of a variable.
    pub fn is_enumerated(&self, axis: AxisId) -> bool {
        self.program.vars.iter().any(|(_, v)| matches!(v.domain, Domain::Cat(of) if of == axis))
    }

    /// `..net(x)`: the named outputs.
    fn splat(&mut self, scope: &mut Scope, value: &ast::Expr) -> Option<Vec<(String, Expr)>> {
        if let ExprKind::Call { callee, args, .. } = &value.bare().kind
            && let Some(name) = callee.name().filter(|n| self.nets.contains_key(&n.text))
        {
            return self.net_outputs(scope, name, args, value.span);
        }
        self.push(
            Diagnostic::at(Code::WrongArguments, value.span, "`..` stands before the call of a net with named outputs")
                .help("write `Normal(..enc(x))` where `net enc(..) -> (mean: .., sd: ..)`"),
        );
        None
    }
}

/// The list among the branches of a choice that is not known to sum to one.
fn mixed(e: &Expr) -> Option<&Expr> {
    match &e.node {
        Node::Vector(..) => (e.ty.domain != Domain::Simplex).then_some(e),
        Node::If { then, other, .. } => mixed(then).or_else(|| mixed(other)),
        Node::Table { entries, .. } => entries.iter().find_map(mixed),
        _ => None,
    }
}

/// The domain that a family draws from, where there is one alone.
fn drawn(family: Family) -> Option<Domain> {
    Some(match family {
        Family::Bernoulli => Domain::Bool,
        Family::Normal | Family::Laplace | Family::StudentT => Domain::Real,
        Family::Exponential | Family::Gamma | Family::LogNormal | Family::InverseGamma => Domain::Positive,
        Family::Beta => Domain::Unit,
        Family::Poisson => Domain::Count,
        _ => return None,
    })
}

/// How a family is called, for help texts.
fn usage(family: Family) -> String {
    let forms: Vec<String> = family
        .signatures()
        .iter()
        .map(|s| {
            let positional = s.positional.iter().map(|r| r.word().to_string());
            let named = s.named.iter().map(|r| format!("{} = ..", r.word()));
            format!("`{}({})`", family.name(), positional.chain(named).collect::<Vec<_>>().join(", "))
        })
        .collect();
    forms.join(" or ")
}

fn words(roles: &[Arg]) -> String {
    let mut list: Vec<String> = Vec::new();
    for word in roles.iter().map(|r| format!("`{}`", r.word())) {
        if !list.contains(&word) {
            list.push(word);
        }
    }
    list.join(", ")
}
