//! Calls inside expressions: functions, reductions, sizes and nets.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind};

use super::Checker;
use super::foreign;
use super::library;
use super::scope::Scope;
use super::types::{call, expr, say_axes};

const REDUCTIONS: [&str; 6] = ["sum", "mean", "max", "logsumexp", "softmax", "size"];
const OTHERS: [&str; 3] = ["window", "conv", "deconv"];

impl Checker<'_> {
    /// `f(a, ..)` inside a model.
    pub fn call_expr(
        &mut self,
        scope: &mut Scope,
        callee: &ast::Expr,
        args: &[ast::Arg],
        given: &[ast::Condition],
        span: Span,
    ) -> Option<Expr> {
        let Some(name) = callee.name() else {
            let of_library = super::asks::dotted(callee).and_then(|name| Some((library::mend(&name.text)?, name)));
            self.push(match of_library {
                Some((mend, name)) => {
                    Diagnostic::at(Code::UnknownFunction, name.span, format!("nothing here is called `{}`", name.text))
                        .help(mend)
                }
                None => Diagnostic::at(Code::NotAValue, callee.span, "this cannot be called")
                    .help("only functions, nets and models are called by name"),
            });
            return None;
        };
        let text = name.text.as_str();
        if self.nets.contains_key(text) {
            self.no_condition(given, "a net")?;
            return self.net_call(scope, name, args, span);
        }
        if text == "size" {
            return self.size(scope, args, span);
        }
        if let Some(function) = Function::ALL.into_iter().find(|f| f.name() == text) {
            self.no_condition(given, "a function")?;
            let [arg] = args else {
                let message = format!("`{text}` takes one argument, not {}", args.len());
                self.push(Diagnostic::at(Code::WrongArguments, span, message).help(format!("write `{text}(x)`")));
                args.iter().for_each(|a| drop(self.expr(scope, &a.value)));
                return None;
            };
            self.positional(arg, text)?;
            let inner = self.numeric(scope, &arg.value)?;
            if function == Function::Log && matches!(inner.node, Node::Number(v) if v < 0.0) {
                self.error(Code::OutsideSupport, inner.span, "the logarithm of a negative number");
                return None;
            }
            return Some(call(function, inner, span));
        }
        if REDUCTIONS.contains(&text) {
            self.no_condition(given, "a function")?;
            return self.reduction(scope, name, args, span);
        }
        if Family::find(text).is_some() {
            self.push(
                Diagnostic::at(Code::NotAValue, span, format!("`{text}` is a distribution, not a value"))
                    .help(format!("declare a variable with it: `x: .. ~ {text}(..)`")),
            );
            return None;
        }
        if self.models.contains_key(text) {
            self.push(
                Diagnostic::at(Code::NotAValue, span, format!("the model `{text}` stands inside an expression")).help(
                    format!(
                        "its potential is a statement: `factor {text}(..)`; its distribution is `(x: ..) ~ {text}(..)`"
                    ),
                ),
            );
            return None;
        }
        if matches!(text, "conv" | "deconv") {
            self.no_condition(given, "a function")?;
            return self.convolution(scope, args, text == "deconv", span);
        }
        if text == "window" {
            self.no_condition(given, "a function")?;
            return self.window(scope, args, span);
        }
        let functions = Function::ALL.iter().map(|f| f.name());
        let known: Vec<&str> =
            functions.chain(REDUCTIONS).chain(OTHERS).chain(self.nets.keys().map(String::as_str)).collect();
        let near = self.near(text, known).map(str::to_string);
        let diagnostic = if scope.names.contains_key(text) || self.file_params.contains_key(text) {
            Diagnostic::at(Code::WrongKind, name.span, format!("`{text}` is not a function"))
                .help(format!("index with brackets: `{text}[..]`; multiply with `*`"))
        } else {
            let diagnostic =
                Diagnostic::at(Code::UnknownFunction, name.span, format!("there is no function or net `{text}`"));
            match near {
                _ if library::mend(text).is_some() => diagnostic.help(library::mend(text).unwrap_or_default()),
                near if near.as_ref().is_none_or(|near| !near.eq_ignore_ascii_case(text))
                    && let Some(help) = foreign::function(text) =>
                {
                    diagnostic.help(help)
                }
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help("the functions are `exp log sqrt square abs sin cos tanh sigmoid softplus relu step sum mean max logsumexp softmax size window conv deconv`"),
            }
        };
        self.push(diagnostic);
        None
    }

    fn no_condition(&mut self, given: &[ast::Condition], what: &str) -> Option<()> {
        let Some(first) = given.first() else { return Some(()) };
        let span = match first {
            ast::Condition::Row { span, .. } => *span,
            ast::Condition::Arg(arg) => arg.span,
        };
        self.push(
            Diagnostic::at(Code::WrongArguments, span, format!("{what} has no condition"))
                .help("`|` stands in questions and objectives"),
        );
        None
    }

    /// An argument given by its place.
    pub fn positional(&mut self, arg: &ast::Arg, callee: &str) -> Option<()> {
        match &arg.kind {
            ArgKind::Positional => Some(()),
            ArgKind::Named(name) => {
                self.error(Code::UnknownArgument, name.span, format!("`{callee}` has no argument `{}`", name.text));
                None
            }
            ArgKind::Splat => {
                self.push(
                    Diagnostic::at(Code::WrongArguments, arg.span, format!("`..` cannot be used in `{callee}`"))
                        .help("`..net(x)` gives a distribution its arguments"),
                );
                None
            }
        }
    }

    fn axis_argument(&mut self, scope: &Scope, arg: &ast::Arg) -> Option<AxisId> {
        let Some(name) = arg.value.name() else {
            self.error(Code::UnknownAxis, arg.span, "an axis is meant here");
            return None;
        };
        self.axis_name(Some(scope), name)
    }

    fn size(&mut self, scope: &mut Scope, args: &[ast::Arg], span: Span) -> Option<Expr> {
        let [arg] = args else {
            self.push(Diagnostic::at(Code::WrongArguments, span, "`size` takes one axis").help("write `size(Axis)`"));
            return None;
        };
        let axis = self.axis_argument(scope, arg)?;
        Some(expr(Node::Size(axis), Vec::new(), Domain::Real, span))
    }

    /// `window(x, Window)`: the neighbours of each position along the leading axis.
    fn window(&mut self, scope: &mut Scope, args: &[ast::Arg], span: Span) -> Option<Expr> {
        let [of, axis] = args else {
            self.push(
                Diagnostic::at(Code::WrongArguments, span, "`window` takes a value and the window's axis")
                    .help("write `window(x, Window)` with `axis Window = 5`"),
            );
            return None;
        };
        self.positional(of, "window")?;
        if let ast::ExprKind::Number(width) = &axis.value.bare().kind {
            self.push(
                Diagnostic::at(Code::UnknownAxis, axis.span, "a window runs along an axis of its own")
                    .help(format!("declare `axis Window = {}` and write `window(.., Window)`", width.text)),
            );
            return None;
        }
        let window = self.axis_argument(scope, axis)?;
        let of = self.numeric(scope, &of.value)?;
        let Some(&along) = of.ty.axes.first() else {
            self.push(
                Diagnostic::at(Code::AxesDisagree, of.span, "a single number has no neighbours")
                    .help("the window runs along the leading axis of a value"),
            );
            return None;
        };
        if of.ty.axes.contains(&window) {
            let name = self.program.axes[window].name.clone();
            self.push(
                Diagnostic::at(Code::RepeatedAxis, axis.span, format!("the value already runs along `{name}`"))
                    .help("the second argument is a new axis that counts the places of the window: `axis Window = 5`"),
            );
            return None;
        }
        // The window comes right behind the axis it runs along, as a net that reads it declares it.
        let mut axes = of.ty.axes.clone();
        axes.insert(1, window);
        Some(expr(Node::Window { of: Box::new(of), along, places: along, window }, axes, Domain::Real, span))
    }

    fn reduction(&mut self, scope: &mut Scope, name: &ast::Name, args: &[ast::Arg], span: Span) -> Option<Expr> {
        let text = name.text.as_str();
        let Some((first, rest)) = args.split_first() else {
            self.error(Code::WrongArguments, span, format!("`{text}` needs an argument"));
            return None;
        };
        self.positional(first, text)?;
        let inner = self.numeric(scope, &first.value)?;
        let mut over = Vec::new();
        for arg in rest {
            self.positional(arg, text)?;
            let axis = self.axis_argument(scope, arg)?;
            if !inner.ty.axes.contains(&axis) {
                let (axis, has) = (self.program.axes[axis].name.clone(), say_axes(&self.program, &inner.ty.axes));
                self.push(
                    Diagnostic::at(
                        Code::AxesDisagree,
                        arg.span,
                        format!("there is no axis `{axis}` to take the {text} over"),
                    )
                    .label(inner.span, format!("has {has}"))
                    .help(match inner.ty.axes.is_empty() {
                        true => format!("it is a single number already: leave out the {text}"),
                        false => format!("name one of its own axes, or none for all: `{text}(..)`"),
                    }),
                );
                return None;
            }
            over.push(axis);
        }
        if text == "softmax" {
            let axis = match over.as_slice() {
                [] => inner.ty.axes.last().copied(),
                [axis] => Some(*axis),
                _ => None,
            };
            let Some(axis) = axis else {
                self.push(
                    Diagnostic::at(Code::WrongArguments, span, "`softmax` normalises along one axis")
                        .help("write `softmax(x, Axis)`"),
                );
                return None;
            };
            let mut axes: Vec<AxisId> = inner.ty.axes.iter().copied().filter(|a| *a != axis).collect();
            axes.push(axis);
            return Some(expr(Node::Softmax(Box::new(inner), axis), axes, Domain::Simplex, span));
        }
        let reduction = match text {
            "sum" => Reduction::Sum,
            "mean" => Reduction::Mean,
            "max" => Reduction::Max,
            _ => Reduction::LogSumExp,
        };
        if over.is_empty() {
            over = inner.ty.axes.clone();
        }
        if over.is_empty() {
            self.push(
                Diagnostic::at(Code::WrongArguments, inner.span, format!("`{text}` of a single number"))
                    .help("leave it away"),
            );
            return None;
        }
        let axes = inner.ty.axes.iter().copied().filter(|a| !over.contains(a)).collect();
        Some(expr(Node::Reduce(reduction, Box::new(inner), over), axes, Domain::Real, span))
    }
}
