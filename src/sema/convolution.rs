//! `conv` and `deconv`: a kernel slid along named axes, and its transpose.
//!
//! Comes in: `conv(K, x, Y0 = Y1[Wy], X0 = X1[Wx])`, a kernel with a window axis for each axis it is slid along; goes out: windows of x
//! contracted with the kernel, (conv K x)[j] = Σ_w K[w] x[s·j + w − ⌊W/2⌋], s the ratio of the sizes of `Y0` and `Y1`; and for
//! `deconv(K, h, Y1 = Y0[Wy], ..)` its adjoint, (deconv K h)[i] = Σ_j,w K[w] h[j] over s·j + w − ⌊W/2⌋ = i (Dumoulin, Visin 2016, section 4).

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::*;
use crate::syntax::ast::{self, ArgKind, ExprKind};

use super::Checker;
use super::scope::Scope;
use super::types::{expr, say_axes};

/// `Y0 = Y1[Wy]`: the axis a value has, the one it gets, and the window.
struct Slide {
    from: AxisId,
    to: AxisId,
    window: AxisId,
    span: Span,
}

impl Checker<'_> {
    /// A call of `conv`, or of `deconv` where `transposed`.
    pub fn convolution(&mut self, scope: &mut Scope, args: &[ast::Arg], transposed: bool, span: Span) -> Option<Expr> {
        let word = if transposed { "deconv" } else { "conv" };
        let form = match transposed {
            false => {
                "write `conv(K, x, Y0 = Y1[Wy], X0 = X1[Wx])`: for each axis of `x` the one it becomes and the kernel's window"
            }
            true => {
                "write `deconv(K, h, Y1 = Y0[Wy], X1 = X0[Wx])`: for each axis of `h` the one it becomes and the kernel's window"
            }
        };
        let (kernel, of, slides) = match args {
            [kernel, of, slides @ ..] if !slides.is_empty() => (kernel, of, slides),
            _ => {
                let text = format!("`{word}` takes a kernel, a value and the axes it slides along");
                self.push(Diagnostic::at(Code::WrongArguments, span, text).help(form));
                return None;
            }
        };
        self.positional(kernel, word)?;
        self.positional(of, word)?;
        let mut list = Vec::new();
        for arg in slides {
            let ArgKind::Named(from) = &arg.kind else {
                let text = format!("`{word}` is told an axis as `Y0 = Y1[Wy]`");
                self.push(Diagnostic::at(Code::WrongArguments, arg.span, text).help(form));
                return None;
            };
            let found = match &arg.value.bare().kind {
                ExprKind::Index { base, indices } => match (base.name(), indices.as_slice()) {
                    (Some(to), [ast::Position::At(window)]) => window.name().map(|w| (to.clone(), w.clone())),
                    _ => None,
                },
                _ => None,
            };
            let Some((to, window)) = found else {
                let text = format!("`{}` becomes an axis, seen through a window", from.text);
                self.push(Diagnostic::at(Code::WrongArguments, arg.value.span, text).help(form));
                return None;
            };
            let mut axis = |name: &ast::Name| self.axis_name(Some(scope), name);
            let (from, to, window) = (axis(from)?, axis(&to)?, axis(&window)?);
            list.push(Slide { from, to, window, span: arg.span });
        }
        let kernel = self.numeric(scope, &kernel.value);
        let of = self.numeric(scope, &of.value);
        let (kernel, of) = (kernel?, of?);
        for (i, slide) in list.iter().enumerate() {
            self.check_slide(&kernel, &of, slide, transposed)?;
            let named = |s: &Slide| [s.from, s.to, s.window];
            if let Some(twice) = list[..i].iter().flat_map(named).find(|a| named(slide).contains(a)) {
                let text = format!("`{}` is named twice", self.program.axes[twice].name);
                let diagnostic = Diagnostic::at(Code::RepeatedAxis, slide.span, text);
                self.push(diagnostic.help("each axis slides once, along a window of its own"));
                return None;
            }
        }
        let windows: Vec<AxisId> = list.iter().map(|s| s.window).collect();
        let spread = |mut value: Expr, slide: &Slide| {
            let mut axes = value.ty.axes.clone();
            axes.iter_mut().filter(|a| **a == slide.from).for_each(|a| *a = slide.to);
            let span = value.span;
            let node = if transposed {
                axes.retain(|a| *a != slide.window);
                Node::Overlap { of: Box::new(value), places: slide.from, along: slide.to, window: slide.window }
            } else {
                axes.push(slide.window);
                value.ty.domain = Domain::Real;
                Node::Window { of: Box::new(value), along: slide.from, places: slide.to, window: slide.window }
            };
            expr(node, axes, Domain::Real, span)
        };
        let product = |a: Expr, b: Expr| {
            let over: Vec<AxisId> = a.ty.axes.iter().copied().filter(|x| b.ty.axes.contains(x)).collect();
            let both = a.ty.axes.iter().chain(&b.ty.axes);
            let axes = both.copied().filter(|x| !over.contains(x)).collect();
            expr(Node::Contract { left: Box::new(a), right: Box::new(b), over }, axes, Domain::Real, span)
        };
        let mut value = of;
        if transposed {
            value = product(value, kernel);
            // The windows stand before the channels, so that those are left last.
            for slide in &list {
                value = spread(value, slide);
            }
        } else {
            for slide in &list {
                value = spread(value, slide);
            }
            value = product(value, kernel);
        }
        debug_assert!(value.ty.axes.iter().all(|a| !windows.contains(a)), "windows are summed over");
        self.bounded(Expr { span, ..value })
    }

    /// That the axes of one slide stand where they should, and that their sizes go into each other.
    fn check_slide(&mut self, kernel: &Expr, of: &Expr, slide: &Slide, transposed: bool) -> Option<()> {
        let name = |axis: AxisId| self.program.axes[axis].name.clone();
        let (from, to, window) = (name(slide.from), name(slide.to), name(slide.window));
        let lacks = |e: &Expr, what: &str, axis: &str| {
            Diagnostic::at(Code::AxesDisagree, slide.span, format!("{what} has no axis `{axis}`"))
                .label(e.span, format!("has {}", say_axes(&self.program, &e.ty.axes)))
        };
        let has = |e: &Expr, axis: AxisId| e.ty.axes.contains(&axis);
        let wrong = if !has(of, slide.from) {
            Some(
                lacks(of, "the value", &from)
                    .help("left of `=` stands an axis of the value, right of it the one it becomes"),
            )
        } else if !has(kernel, slide.window) {
            Some(
                lacks(kernel, "the kernel", &window)
                    .help("between the brackets stands the kernel's axis that counts the places of its window"),
            )
        } else if slide.from != slide.to && has(of, slide.to)
            || has(of, slide.window)
            || has(kernel, slide.from)
            || has(kernel, slide.to)
        {
            let text = format!("`{from}` cannot become `{to}[{window}]` here: one of these axes stands elsewhere too");
            Some(
                Diagnostic::at(Code::RepeatedAxis, slide.span, text)
                    .label(of.span, format!("has {}", say_axes(&self.program, &of.ty.axes)))
                    .label(kernel.span, format!("has {}", say_axes(&self.program, &kernel.ty.axes)))
                    .help("the value has the first, the kernel the window, and neither has the other's"),
            )
        } else {
            let (fine, coarse) = if transposed { (slide.to, slide.from) } else { (slide.from, slide.to) };
            match (self.program.axes.extent(fine), self.program.axes.extent(coarse)) {
                (Some(n), Some(m)) if m == 0 || !n.is_multiple_of(m) => {
                    let text = format!("`{}` has {n} places and `{}` {m}", name(fine), name(coarse));
                    Some(
                        Diagnostic::at(Code::AxesDisagree, slide.span, text)
                            .help("the finer axis has a whole number of places for each of the coarser one's"),
                    )
                }
                _ => None,
            }
        };
        match wrong {
            Some(diagnostic) => {
                self.push(diagnostic);
                None
            }
            None => Some(()),
        }
    }
}
