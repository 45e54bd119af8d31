//! The one layout. Comes in: a tree, and for `format` the text it was read from; goes out: text that reads back to the same tree.
//!
//! Braces on one line stay there while they fit, statements that shared a line keep sharing it, one blank line is kept, the `~` of neighbouring lines
//! and the comments behind them are aligned, and everything else is written one way.

use super::ast::*;
use super::trouble::RESERVED;
use crate::base::span::Span;

/// A line longer than this is broken where it may be.
const WIDTH: usize = 120;
/// Neighbouring `~` are aligned where that costs at most so many blanks.
const ALIGN: usize = 16;

/// The text in its one layout, comments and single blank lines kept. `source` must be the text the tree was read from.
pub fn format(file: &File, source: &str) -> String {
    Printer { source: Some(source), comments: &file.comments, next: 0, out: Vec::new() }.file(file)
}

/// A tree as text, without comments; for trees that were made rather than read.
pub fn print(file: &File) -> String {
    Printer { source: None, comments: &[], next: 0, out: Vec::new() }.file(file)
}

/// A line on its way out.
struct Line {
    indent: usize,
    text: String,
    comment: Option<String>,
    /// Where the `~` stands that neighbours align on.
    tilde: Option<usize>,
}

struct Printer<'a> {
    source: Option<&'a str>,
    comments: &'a [Comment],
    next: usize,
    out: Vec<Line>,
}

/// Statements and items, as far as their layout goes.
enum Laid<'a> {
    /// Fits on a line as this text; the offset of an alignable `~` in it.
    Flat(String, Option<usize>),
    /// A head, a body in braces, and what follows.
    Braced(String, Body<'a>, Span),
}

enum Body<'a> {
    Statements(&'a [Stmt]),
    Steps(&'a [Step]),
    Layers(&'a [Layer]),
    Fields(&'a [Field]),
}

impl<'a> Printer<'a> {
    fn file(mut self, file: &'a File) -> String {
        let items: Vec<(Span, Laid)> = file.items.iter().map(|i| (i.span(), item(i))).collect();
        self.sequence(items, 0, None);
        self.comments_before(u32::MAX, 0, &mut None);
        let lines = self.out;
        finish(lines)
    }

    /// Lays out one statement after the other; `end` is where the braces around them close.
    fn sequence(&mut self, list: Vec<(Span, Laid<'a>)>, indent: usize, end: Option<u32>) {
        let mut last: Option<u32> = None;
        for (span, laid) in list {
            let shares = last.is_some_and(|last| self.same_line(last, span.start));
            self.comments_before(span.start, indent, &mut last);
            if let Some(last) = last.filter(|_| !shares)
                && self.blank_between(last, span.start)
            {
                self.blank();
            }
            match laid {
                Laid::Flat(text, tilde) => {
                    let joined = shares
                        && self.out.last().is_some_and(|l| {
                            l.comment.is_none()
                                && l.indent == indent * 2
                                && !l.text.is_empty()
                                && l.indent + l.text.chars().count() + 2 + text.chars().count() <= WIDTH
                                && !l.text.ends_with('{')
                        });
                    match self.out.last_mut().filter(|_| joined) {
                        Some(line) => {
                            line.text += "; ";
                            line.text += &text;
                            line.tilde = None;
                        }
                        None => self.flat(text, tilde, indent),
                    }
                }
                Laid::Braced(head, body, braces) => self.braced(head, body, braces, indent, shares),
            }
            last = Some(span.end);
            self.comment_behind(span.end);
        }
        if let Some(end) = end {
            self.comments_before(end, indent, &mut last);
        }
    }

    /// A statement without a body; broken after commas where it is too long.
    fn flat(&mut self, text: String, tilde: Option<usize>, indent: usize) {
        if indent * 2 + text.chars().count() <= WIDTH {
            self.push(text, indent, tilde);
            return;
        }
        for (i, part) in broken(&text, WIDTH - indent * 2).into_iter().enumerate() {
            self.push(part, indent + if i == 0 { 0 } else { 2 }, None);
        }
    }

    fn braced(&mut self, head: String, body: Body<'a>, braces: Span, indent: usize, shares: bool) {
        let inner = laid(&body);
        let open = (braces.end > braces.start).then_some(braces);
        let had_one_line = open.is_none_or(|b| self.same_line(b.start, b.end)) && self.source.is_some();
        // Comments come in the order of the text.
        let ahead = &self.comments[self.next.min(self.comments.len())..];
        let first = ahead.partition_point(|c| c.span.start < braces.start);
        let no_comment = ahead.get(first).is_none_or(|c| c.span.start >= braces.end);
        let small = inner.iter().all(|(_, l)| {
            matches!(l, Laid::Flat(..)) || matches!(l, Laid::Braced(_, Body::Steps(_) | Body::Statements(_), _))
        });
        let one_line = if small { one_line(&head, &inner) } else { None };
        let short = |t: &String| indent * 2 + t.chars().count() <= WIDTH;
        let made =
            self.source.is_none() && inner.len() <= 1 || matches!(body, Body::Layers(_)) && self.source.is_none();
        if let Some(text) = one_line.filter(|t| (had_one_line || made || inner.is_empty()) && no_comment && short(t)) {
            let joined = shares
                && self.out.last().is_some_and(|l| {
                    l.comment.is_none()
                        && l.indent == indent * 2
                        && l.indent + l.text.chars().count() + 2 + text.chars().count() <= WIDTH
                });
            match self.out.last_mut().filter(|_| joined) {
                Some(line) => {
                    line.text += "; ";
                    line.text += &text;
                    line.tilde = None;
                }
                None => {
                    // A data set on one line takes part in the alignment of its neighbours.
                    let column = matches!(body, Body::Fields(_)).then(|| text.find(" = ").map_or(0, |i| i + 1));
                    self.push(text, indent, column);
                }
            }
            return;
        }
        let opening = format!("{head} {{");
        for (i, part) in broken(&opening, WIDTH - indent * 2).into_iter().enumerate() {
            self.push(part, indent + if i == 0 { 0 } else { 2 }, None);
        }
        let first = inner.first().map_or(braces.end, |(s, _)| s.start);
        // A comment behind the opening brace stays there.
        if let Some(comment) =
            self.comments.get(self.next).filter(|c| !c.own_line && c.span.start < first && c.span.start >= braces.start)
        {
            let text = self.comment_text(*comment);
            self.next += 1;
            if let Some(line) = self.out.last_mut() {
                line.comment = Some(text);
            }
        }
        self.sequence(inner, indent + 1, Some(braces.end));
        self.push("}".to_string(), indent, None);
    }

    fn push(&mut self, text: String, indent: usize, tilde: Option<usize>) {
        self.out.push(Line { indent: indent * 2, text, comment: None, tilde });
    }

    fn blank(&mut self) {
        if self.out.last().is_some_and(|l| !l.text.is_empty() || l.comment.is_some()) {
            self.out.push(Line { indent: 0, text: String::new(), comment: None, tilde: None });
        }
    }

    fn comment_text(&self, comment: Comment) -> String {
        let text =
            self.source.and_then(|s| s.get(comment.span.start as usize..comment.span.end as usize)).unwrap_or("#");
        let body = text[1..].trim_end();
        match body.chars().next() {
            None => "#".to_string(),
            Some(' ' | '#' | '!' | '\t' | '~') => format!("#{body}"),
            Some(_) => format!("# {body}"),
        }
    }

    /// Comments that stand before a place, each on a line of its own.
    fn comments_before(&mut self, at: u32, indent: usize, last: &mut Option<u32>) {
        while let Some(comment) = self.comments.get(self.next).copied().filter(|c| c.span.start < at) {
            self.next += 1;
            let text = self.comment_text(comment);
            if let Some(before) = *last
                && self.blank_between(before, comment.span.start)
            {
                self.blank();
            }
            self.out.push(Line { indent: indent * 2, text: String::new(), comment: Some(text), tilde: None });
            *last = Some(comment.span.end);
        }
    }

    /// Comments inside a statement and the one behind it move behind its last line; further ones follow on lines of their own.
    fn comment_behind(&mut self, end: u32) {
        while let Some(comment) = self.comments.get(self.next).copied() {
            if comment.span.start >= end
                && (comment.own_line
                    || !self.same_line(end, comment.span.start)
                    || self.more_follows(end, comment.span.start))
            {
                break;
            }
            self.next += 1;
            let text = self.comment_text(comment);
            match self.out.last_mut() {
                Some(line) if line.comment.is_none() => line.comment = Some(text),
                _ => {
                    let indent = self.out.last().map_or(0, |l| l.indent);
                    self.out.push(Line { indent, text: String::new(), comment: Some(text), tilde: None });
                }
            }
        }
    }

    /// Whether another statement stands between two places of one line.
    fn more_follows(&self, from: u32, to: u32) -> bool {
        let between = self.source.and_then(|s| s.get(from as usize..to as usize)).unwrap_or("");
        between.chars().any(|c| !c.is_whitespace() && c != ';')
    }

    fn same_line(&self, from: u32, to: u32) -> bool {
        self.source.and_then(|s| s.get(from as usize..to as usize)).is_some_and(|t| !t.contains('\n'))
    }

    fn blank_between(&self, from: u32, to: u32) -> bool {
        self.source
            .and_then(|s| s.get(from as usize..to as usize))
            .is_some_and(|t| t.lines().skip(1).any(|l| l.trim().is_empty()) && t.matches('\n').count() > 1)
    }
}

/// Aligns and joins the lines.
fn finish(mut lines: Vec<Line>) -> String {
    while lines.last().is_some_and(|l| l.text.is_empty() && l.comment.is_none()) {
        lines.pop();
    }
    let mut at = 0;
    while at < lines.len() {
        let group = |test: &dyn Fn(&Line) -> bool| {
            lines[at..].iter().take_while(|l| l.indent == lines[at].indent && test(l)).count()
        };
        // A comment between does not part neighbours.
        let remark = |l: &Line| l.text.is_empty() && l.comment.is_some();
        let run = if lines[at].tilde.is_some() { group(&|l| l.tilde.is_some() || remark(l)) } else { 0 };
        if run > 1 {
            let columns: Vec<usize> = lines[at..at + run].iter().filter_map(|l| l.tilde).collect();
            let (least, most) =
                (columns.iter().min().copied().unwrap_or(0), columns.iter().max().copied().unwrap_or(0));
            if most - least <= ALIGN {
                for line in &mut lines[at..at + run] {
                    let Some(column) = line.tilde else { continue };
                    let at_byte = line.text.char_indices().nth(column).map_or(line.text.len(), |(i, _)| i);
                    line.text.insert_str(at_byte, &" ".repeat(most - column));
                }
            }
        }
        at += run.max(1);
    }
    let mut at = 0;
    while at < lines.len() {
        let run = lines[at..].iter().take_while(|l| !l.text.is_empty() && l.comment.is_some()).count();
        let width = |l: &Line| l.indent + l.text.chars().count();
        let widest = lines[at..at + run].iter().map(width).max().unwrap_or(0);
        for line in &mut lines[at..at + run] {
            // Comments behind lines that could not be broken are left where they are.
            let fill = if widest > WIDTH { 2 } else { widest - width(line) + 2 };
            line.text += &" ".repeat(fill);
        }
        at += run.max(1);
    }
    let mut out = String::new();
    for line in lines {
        let full = format!("{}{}{}", " ".repeat(line.indent), line.text, line.comment.unwrap_or_default());
        out += full.trim_end();
        out.push('\n');
    }
    out
}

/// Breaks a long line at the least nesting that helps: behind a comma or a `;`, else behind `+`, `-`, `++`, `then` or `else`, else
/// behind an opening bracket.
fn broken(text: &str, width: usize) -> Vec<String> {
    const WORDS: [&str; 5] = [" + ", " - ", " ++ ", " then ", " else "];
    let mut parts = Vec::new();
    let mut rest = text;
    // Brackets that are open where the rest begins.
    let mut open: Vec<char> = Vec::new();
    while rest.chars().count() > width {
        let mut best: Option<(usize, usize, Vec<char>)> = None;
        let (mut inside, mut quoted, mut column) = (open.clone(), false, 0usize);
        for (i, c) in rest.char_indices() {
            column += 1;
            if column > width.saturating_sub(4) {
                break;
            }
            let mut cut: Option<(usize, usize)> = None;
            match c {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '(' | '[' | '{' => {
                    inside.push(c);
                    if c == '(' {
                        cut = Some((2, i + 1));
                    }
                }
                ')' | ']' | '}' => drop(inside.pop()),
                // A comma between the states of a row of a table stays.
                ',' if inside.last() == Some(&'{') => {}
                ',' | ';' => cut = Some((0, i + 1)),
                ' ' => {
                    let word = WORDS.iter().find(|w| rest[i..].starts_with(**w));
                    cut = word.map(|w| (1, i + w.len()));
                }
                _ => {}
            }
            if let Some((kind, at)) = cut
                && column > 20
                && at < rest.len()
            {
                let rank = inside.len() * 3 + kind;
                if best.as_ref().is_none_or(|(b, _, _)| rank <= *b) {
                    best = Some((rank, at, inside.clone()));
                }
            }
        }
        let Some((_, cut, now)) = best else { break };
        parts.push(rest[..cut].trim_end().to_string());
        rest = rest[cut..].trim_start();
        open = now;
    }
    parts.push(rest.to_string());
    parts
}

/// The statements of a body, laid out.
fn laid<'a>(body: &Body<'a>) -> Vec<(Span, Laid<'a>)> {
    match body {
        Body::Statements(list) => list.iter().map(|s| (s.span(), statement(s))).collect(),
        Body::Steps(list) => list.iter().map(|s| (s.span(), step(s))).collect(),
        Body::Layers(list) => list.iter().map(|l| (l.span, Laid::Flat(layer(l), None))).collect(),
        Body::Fields(list) => list.iter().map(|f| (f.span, Laid::Flat(field(f), None))).collect(),
    }
}

/// A head and its body on one line, where every statement is flat or can be.
fn one_line(head: &str, inner: &[(Span, Laid)]) -> Option<String> {
    if inner.is_empty() {
        return Some(format!("{head} {{}}"));
    }
    let parts = inner.iter().map(|(_, laid)| match laid {
        Laid::Flat(text, _) => Some(text.clone()),
        Laid::Braced(head, body, _) => one_line(head, &self::laid(body)),
    });
    Some(format!("{head} {{ {} }}", parts.collect::<Option<Vec<_>>>()?.join("; ")))
}

fn item(item: &Item) -> Laid<'_> {
    let flat = |text: String| Laid::Flat(text, None);
    match item {
        Item::Use(u) => flat(format!("use \"{}\" as {}", u.source.text, u.name.text)),
        Item::Axis(a) => flat(match &a.value {
            None => format!("axis {}", a.name.text),
            Some(AxisValue::Size(n)) => format!("axis {} = {}", a.name.text, n.text),
            Some(AxisValue::Alias(n)) => format!("axis {} = {}", a.name.text, n.text),
            Some(AxisValue::Labels(list)) => {
                // A single name without quotes would be another axis.
                let plain = |n: &Name| {
                    list.len() > 1
                        && !RESERVED.contains(&n.text.as_str())
                        && n.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                        && n.text.starts_with(|c: char| c.is_ascii_alphabetic())
                };
                let parts: Vec<_> =
                    list.iter().map(|n| if plain(n) { n.text.clone() } else { format!("\"{}\"", n.text) }).collect();
                format!("axis {} = {}", a.name.text, parts.join(", "))
            }
        }),
        Item::Data(d) => {
            let head = format!("data {} = {}", d.name.text, expr(&d.source));
            match &d.fields {
                Some(fields) => Laid::Braced(head, Body::Fields(fields), Span { start: d.source.span.end, ..d.span }),
                None => Laid::Flat(head, Some(data_column(d))),
            }
        }
        Item::Param(p) => flat(params(p)),
        Item::Net(n) => {
            let output = match &n.output {
                NetOutput::Single(d) => domain(d),
                NetOutput::Named(list) => format!("({})", decls(list)),
            };
            let head = format!("net {}({}) -> {output}", n.name.text, decls(&n.inputs));
            let start = n.layers.first().map_or(n.span.start, |l| l.span.start.saturating_sub(1));
            Laid::Braced(head, Body::Layers(&n.layers), Span { start, ..n.span })
        }
        Item::Model(m) => {
            let ports = m.ports.as_ref().map(|list| {
                let parts: Vec<_> =
                    list.iter().map(|p| format!("{}{}", if p.given { "given " } else { "" }, decl(&p.decl))).collect();
                format!("({})", parts.join(", "))
            });
            Laid::Braced(
                format!("model {}{}", m.name.text, ports.unwrap_or_default()),
                Body::Statements(&m.body.statements),
                m.body.span,
            )
        }
        Item::Guide(g) => {
            Laid::Braced(format!("guide {}", g.model.text), Body::Statements(&g.body.statements), g.body.span)
        }
        Item::Objective(o) => {
            let head = format!("objective {}{}", o.name.text, formals(&o.formals));
            let column = head.chars().count() + 1;
            Laid::Flat(format!("{head} = {}", expr(&o.value)), Some(column))
        }
        Item::Schedule(s) => {
            let start = s.formals.given.last().or(s.formals.args.last()).map_or(s.name.span.end, |f| f.span.end);
            let head = format!("schedule {}{}", s.name.text, formals(&s.formals));
            Laid::Braced(head, Body::Steps(&s.body), Span { start, ..s.span })
        }
        Item::Infer(i) => flat(format!("infer {}{}{}", names(&i.names), list(" of ", &i.of), list(" by ", &i.by))),
        Item::Require(r) => flat(format!("require {} {}{}", r.property.text, names(&r.names), list(" of ", &r.of))),
        Item::Train(t) => {
            let head = format!("train {} on {}", names(&t.models), t.on.text());
            match &t.body {
                Some(steps) => Laid::Braced(head, Body::Steps(steps), Span { start: t.on.span.end, ..t.span }),
                None => flat(head),
            }
        }
        Item::Ask(a) => {
            let on = a.on.as_ref().map(|p| format!(" on {}", p.text())).unwrap_or_default();
            let times = a.times.as_ref().map(|n| format!(" times {}", n.text)).unwrap_or_default();
            let head = format!("{} {}", a.kind.word(), a.name.text);
            let column = head.chars().count() + 1;
            let rest = format!("{}{}{on}{}{times}", expr(&a.value), list(" of ", &a.of), list(" by ", &a.by));
            Laid::Flat(format!("{head} = {rest}"), Some(column))
        }
        Item::Report(r) => flat(format!("report {}", names(&r.names))),
    }
}

/// Where the `=` of a data set stands.
fn data_column(data: &Data) -> usize {
    "data ".len() + data.name.text.chars().count() + 1
}

fn statement(statement: &Stmt) -> Laid<'_> {
    let label = |label: &Option<Name>| label.as_ref().map(|n| format!(" as {}", n.text)).unwrap_or_default();
    match statement {
        Stmt::Param(p) => Laid::Flat(params(p), None),
        Stmt::Axis { name, of, .. } => Laid::Flat(format!("axis {} = {}", name.text, of.text), None),
        Stmt::Var { decls: list, .. } => Laid::Flat(format!("var {}", decls(list)), None),
        Stmt::Factor { value, label: l, .. } => Laid::Flat(format!("factor {}{}", expr(value), label(l)), None),
        Stmt::For { binders, body, .. } => {
            let parts: Vec<_> = binders.iter().map(|b| format!("{} in {}", b.index.text, b.axis.text)).collect();
            Laid::Braced(format!("for {}", parts.join(", ")), Body::Statements(&body.statements), body.span)
        }
        Stmt::Random { left: l, value, label: as_, .. } => {
            let head = left(l);
            let column = head.chars().count() + 1;
            let tilde = (!l.grouped).then_some(column);
            Laid::Flat(format!("{head} ~ {}{}", expr(value), label(as_)), tilde)
        }
        Stmt::Equal { left: l, value, .. } => {
            let head = left(l);
            let column = head.chars().count() + 1;
            Laid::Flat(format!("{head} = {}", expr(value)), (!l.grouped).then_some(column))
        }
    }
}

fn step(step: &Step) -> Laid<'_> {
    let paths = |list: &[Path]| list.iter().map(Path::text).collect::<Vec<_>>().join(", ");
    Laid::Flat(
        match step {
            Step::Stage { name, body, span } => {
                return Laid::Braced(
                    format!("stage {}", name.text),
                    Body::Steps(body),
                    Span { start: name.span.end, ..*span },
                );
            }
            Step::Round { name, over, body, span } => {
                let head = format!("for {} in {}", name.text, over.text());
                return Laid::Braced(head, Body::Steps(body), Span { start: over.span.end, ..*span });
            }
            Step::Maximise(m) => {
                let over = if m.over.is_empty() { String::new() } else { format!(" over {}", paths(&m.over)) };
                let with = m.with.as_ref().map(|e| format!(" with {}", expr(e))).unwrap_or_default();
                format!("maximise {}{}{over}{}{with}", expr(&m.objective), list(" of ", &m.of), list(" by ", &m.by))
            }
            Step::Tie { pairs, .. } => {
                let parts: Vec<_> = pairs.iter().map(|(a, b)| format!("{} = {}", a.text(), b.text())).collect();
                format!("tie {}", parts.join(", "))
            }
            Step::Init { targets, from, .. } => format!("init {} from {}", paths(targets), expr(from)),
            Step::Epochs { count, .. } => format!("epochs {}", count.text),
            Step::Patience { count, on, .. } => format!("patience {} on {}", count.text, on.text()),
        },
        None,
    )
}

fn formals(list: &Formals) -> String {
    let one = |f: &Formal| {
        let default = f.default.as_ref().map(|e| format!(" = {}", expr(e))).unwrap_or_default();
        format!("{}{}{default}", if f.rest { ".." } else { "" }, f.name.text)
    };
    let all = |list: &[Formal]| list.iter().map(one).collect::<Vec<_>>().join(", ");
    match (list.args.is_empty(), list.given.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("({})", all(&list.args)),
        (true, false) => format!("(| {})", all(&list.given)),
        (false, false) => format!("({} | {})", all(&list.args), all(&list.given)),
    }
}

fn names(list: &[Name]) -> String {
    list.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn list(word: &str, list: &[Expr]) -> String {
    if list.is_empty() {
        String::new()
    } else {
        format!("{word}{}", list.iter().map(expr).collect::<Vec<_>>().join(", "))
    }
}

fn decls(list: &[Decl]) -> String {
    list.iter().map(decl).collect::<Vec<_>>().join(", ")
}

fn decl(d: &Decl) -> String {
    let domain = d.domain.as_ref().map(|d| format!(": {}", domain(d))).unwrap_or_default();
    format!("{}{}{domain}", d.name.text, sizes(&d.index))
}

fn domain(d: &Domain) -> String {
    format!("{}{}", d.name.text, sizes(&d.axes))
}

fn sizes(list: &[Size]) -> String {
    let one = |s: &Size| match &s.kind {
        SizeKind::Number(n) => n.text.clone(),
        SizeKind::Before(n) => format!("<{}", n.text),
        SizeKind::Name(n) => n.text.clone(),
        SizeKind::Offset(n, by) => format!("{}{by:+}", n.text),
    };
    if list.is_empty() { String::new() } else { format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(", ")) }
}

fn params(p: &Params) -> String {
    let one = |p: &Param| {
        format!("{}{}", decl(&p.decl), p.prior.as_ref().map(|e| format!(" prior {}", expr(e))).unwrap_or_default())
    };
    format!("param {}", p.list.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn left(l: &Left) -> String {
    if l.grouped || l.decls.len() != 1 { format!("({})", decls(&l.decls)) } else { decls(&l.decls) }
}

fn layer(l: &Layer) -> String {
    match &l.args {
        Some(args) => format!("{}({})", l.name.text, args.iter().map(arg).collect::<Vec<_>>().join(", ")),
        None => l.name.text.clone(),
    }
}

fn field(f: &Field) -> String {
    format!("{}{}", decl(&f.decl), f.value.as_ref().map(|e| format!(" = {}", expr(e))).unwrap_or_default())
}

fn row(r: &Row) -> String {
    format!("{} -> {}", r.cells.iter().map(expr).collect::<Vec<_>>().join(", "), expr(&r.value))
}

fn arg(a: &Arg) -> String {
    match &a.kind {
        ArgKind::Positional => expr(&a.value),
        ArgKind::Named(n) => format!("{} = {}", n.text, expr(&a.value)),
        ArgKind::Splat => format!("..{}", expr(&a.value)),
    }
}

/// An expression as text.
pub fn expr(e: &Expr) -> String {
    at_level(e, 0)
}

/// How tightly an expression binds; 0 is the loosest.
fn level(e: &Expr) -> u8 {
    match &e.kind {
        ExprKind::If { .. } => 0,
        ExprKind::Is { .. } => 1,
        ExprKind::Binary { op, .. } => op.level(),
        ExprKind::Negate(_) => 6,
        ExprKind::Call { .. } | ExprKind::Index { .. } => 7,
        _ => 8,
    }
}

/// An expression where only what binds at least as tightly may stand without parentheses.
fn at_level(e: &Expr, least: u8) -> String {
    let text = match &e.kind {
        ExprKind::Number(n) => n.text.clone(),
        ExprKind::Text(t) => format!("\"{}\"", t.text),
        ExprKind::Path(p) => p.text(),
        ExprKind::Group(inner) => format!("({})", expr(inner)),
        ExprKind::List(entries) => format!("[{}]", entries.iter().map(expr).collect::<Vec<_>>().join(", ")),
        ExprKind::If { condition, then, otherwise } => {
            format!("if {} then {} else {}", expr(condition), expr(then), expr(otherwise))
        }
        ExprKind::Is { subject, word } => format!("{} is {}", at_level(subject, 2), word.text),
        ExprKind::Binary { op, left, right } => {
            // Comparisons do not chain; the others fold to the left.
            let l = op.level();
            let on_the_left = if l == 1 { 2 } else { l };
            format!("{} {} {}", at_level(left, on_the_left), op.symbol(), at_level(right, l + 1))
        }
        ExprKind::Negate(inner) => format!("-{}", at_level(inner, 6)),
        ExprKind::Call { callee, args, given } => {
            let args = args.iter().map(arg).collect::<Vec<_>>().join(", ");
            let given: Vec<_> = given
                .iter()
                .map(|c| match c {
                    Condition::Row { number, .. } => format!("row {}", number.text),
                    Condition::Arg(a) => arg(a),
                })
                .collect();
            let bar = match (given.is_empty(), args.is_empty()) {
                (true, _) => String::new(),
                (false, true) => format!("| {}", given.join(", ")),
                (false, false) => format!(" | {}", given.join(", ")),
            };
            format!("{}({args}{bar})", at_level(callee, 7))
        }
        ExprKind::Index { base, indices } => {
            let one = |p: &Position| match p {
                Position::Before(n) => format!("<{}", n.text),
                // An offset stands close, as in `t-1`; everything else is spaced.
                Position::At(e) => match &e.kind {
                    ExprKind::Binary { op: op @ (BinaryOp::Add | BinaryOp::Subtract), left, right } => {
                        match (&left.kind, &right.kind) {
                            (ExprKind::Path(p), ExprKind::Number(n)) => {
                                format!("{}{}{}", p.text(), op.symbol(), n.text)
                            }
                            _ => expr(e),
                        }
                    }
                    _ => expr(e),
                },
            };
            format!("{}[{}]", at_level(base, 7), indices.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Expect { body, left: l, source, times } => {
            let times = times.as_ref().map(|n| format!(" times {}", expr(n))).unwrap_or_default();
            format!("E[{} for {} ~ {}{times}]", expr(body), left(l), source.text())
        }
        ExprKind::Table { names: list, rows } => {
            let head = format!("table({})", names(list));
            let rows: Vec<_> = rows.iter().map(row).collect();
            if rows.is_empty() { format!("{head} {{}}") } else { format!("{head} {{ {} }}", rows.join("; ")) }
        }
    };
    if level(e) < least { format!("({text})") } else { text }
}
