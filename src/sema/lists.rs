//! Lists of numbers, `[0.1, 0.9]`: one for each state of an axis, which the place of the list tells.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ExprKind};

use super::Checker;
use super::scope::Scope;
use super::types::expr;

/// How far from one probabilities written as decimals may sum.
const SLACK: f64 = 1e-9;

/// A place where a list may stand: an argument that has a number for each state.
pub struct Place<'a> {
    /// The axis of the states.
    pub axis: AxisId,
    /// Whether the numbers are probabilities that sum to one.
    pub probabilities: bool,
    /// What is distributed.
    pub of: &'a str,
    /// Where that is declared.
    pub span: Span,
}

impl Checker<'_> {
    /// An expression at a place for lists. Choices and tables hand the place on to their branches.
    pub fn placed(&mut self, scope: &mut Scope, e: &ast::Expr, place: &Place) -> Option<Expr> {
        match &e.kind {
            ExprKind::Group(inner) => self.placed(scope, inner, place),
            ExprKind::List(entries) => self.list(scope, entries, place, e.span),
            ExprKind::If { condition, then, otherwise } => {
                let cond = self.condition(scope, condition);
                let then = self.placed(scope, then, place);
                let other = self.placed(scope, otherwise, place);
                self.choice(cond?, then?, other?, e.span)
            }
            ExprKind::Table { names, rows } => self.table(scope, names, rows, e.span, Some(place)),
            ExprKind::Path(path)
                if place.probabilities
                    && path.single().is_some_and(|n| n.text == "uniform" && !scope.names.contains_key("uniform")) =>
            {
                self.uniform(place, e.span)
            }
            _ => self.expr(scope, e),
        }
    }

    /// How many states the place has; their order must be known for a list to mean anything.
    fn states(&mut self, place: &Place, span: Span, what: &str) -> Option<usize> {
        let extent = self.program.axes.extent(place.axis).filter(|&n| n > 0);
        if extent.is_none() {
            let name = self.program.axes[place.axis].name.clone();
            self.push(
                Diagnostic::at(Code::UnknownSize, span, format!("{what} needs to know the states of `{name}`"))
                    .help(format!("list them: `axis {name} = a, b, ..`")),
            );
        }
        extent
    }

    /// The same probability for each state: one number, which repeats over them.
    fn uniform(&mut self, place: &Place, span: Span) -> Option<Expr> {
        let extent = self.states(place, span, "`uniform` in a choice")?;
        Some(expr(Node::Number(1.0 / extent as f64), Vec::new(), Domain::Simplex, span))
    }

    fn list(&mut self, scope: &mut Scope, entries: &[ast::Expr], place: &Place, span: Span) -> Option<Expr> {
        let values: Vec<Option<Expr>> = entries.iter().map(|e| self.numeric(scope, e)).collect();
        let values = values.into_iter().collect::<Option<Vec<Expr>>>()?;
        if let Some(bad) = values.iter().find(|v| !v.ty.axes.is_empty()) {
            let has = super::types::say_axes(&self.program, &bad.ty.axes);
            self.push(
                Diagnostic::at(Code::AxesDisagree, bad.span, "an entry of a list is a single number")
                    .saying(format!("this has {has}"))
                    .help("index it: `q[state]`"),
            );
            return None;
        }
        let extent = self.states(place, span, "a list")?;
        if extent != values.len() {
            self.wrong_length(values.len(), extent, place, span);
            return None;
        }
        let constants: Vec<f64> =
            values.iter().filter_map(|v| if let Node::Number(x) = v.node { Some(x) } else { None }).collect();
        let mut domain = Domain::Real;
        if place.probabilities && constants.len() == values.len() {
            self.check_probabilities(&values, &constants, span)?;
            domain = Domain::Simplex;
        }
        Some(expr(Node::Vector(values, place.axis), vec![place.axis], domain, span))
    }

    fn wrong_length(&mut self, found: usize, extent: usize, place: &Place, span: Span) {
        let axis = &self.program.axes[place.axis];
        let labels = self.program.axes.labels(place.axis).unwrap_or_default();
        let states = match labels.len() {
            0 => String::new(),
            n if n <= 10 => format!(": {}", labels.join(", ")),
            _ => format!(": {}, ..", labels[..10].join(", ")),
        };
        let entries = if found == 1 { "1 entry".to_string() } else { format!("{found} entries") };
        let diagnostic = Diagnostic::at(
            Code::AxesDisagree,
            span,
            format!("this list has {entries}, but `{}` has {extent} states", axis.name),
        )
        .saying("one for each state is needed")
        .label(place.span, format!("`{}` is declared here", place.of))
        .help(format!("write a number for each state of `{}`, in their order{states}", axis.name));
        self.push(diagnostic);
    }

    fn check_probabilities(&mut self, values: &[Expr], constants: &[f64], span: Span) -> Option<()> {
        let mut held = Some(());
        for (value, &p) in values.iter().zip(constants) {
            if !(0.0..=1.0).contains(&p) {
                self.push(
                    Diagnostic::at(
                        Code::OutsideSupport,
                        value.span,
                        format!("a probability is between 0 and 1, not {p}"),
                    )
                    .help("write the shares of the states; for log-odds write `Categorical(logit = [..])`"),
                );
                held = None;
            }
        }
        held?;
        let sum: f64 = constants.iter().sum();
        if (sum - 1.0).abs() <= SLACK {
            return Some(());
        }
        // Sums of decimals carry rounding dust, which nobody wrote.
        let shown = (sum * 1e10).round() / 1e10;
        self.push(
            Diagnostic::at(Code::OutsideSupport, span, format!("these probabilities sum to {shown}, not to 1"))
                .help("write fractions where decimals do not come out: `[1/3, 1/3, 1/3]`"),
        );
        None
    }

    /// A list where nothing tells its axis.
    pub fn unplaced_list(&mut self, scope: &mut Scope, entries: &[ast::Expr], span: Span) -> Option<Expr> {
        for entry in entries {
            let _ = self.expr(scope, entry);
        }
        self.push(Diagnostic::at(Code::UnplacedList, span, "a list needs to know its axis").help(
            "a list is an argument of `Categorical` or `Dirichlet`, whose variable tells the axis; elsewhere index by states, as in `table(s) { a -> 1; b -> 2 }`",
        ));
        None
    }
}
