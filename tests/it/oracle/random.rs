//! Small random programs as source text, of one model `m` each, and random values for a checked program's parameters.
//!
//! Every shape that exact engines meet at small size: directed nets over tables, choices and log-odds; fields of potentials
//! of one to three variables; chains directed and undirected; plates and grids; bipartite sub-models under directed layers;
//! with zeros in tables, enumerations of one state, parts that nothing connects.

use std::fmt::Write;

use ghmc::model::evaluate::Values;
use ghmc::model::{Domain, Program};
use ndarray::{ArrayD, IxDyn};

/// A counter-based stream of numbers (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
pub struct Stream(u64);

impl Stream {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5851_F42D_4C95_7F2D)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of 0, .., n − 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Roughly normal: the sum of twelve uniforms has variance one.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// The shapes of random program, in the order in which seeds go through them.
pub const SHAPES: [&str; 7] = ["net", "field", "chain", "undirected chain", "plates", "grid", "sub-model"];

/// The shape of the program of that seed.
pub fn shape_of(seed: u64) -> &'static str {
    SHAPES[(seed % SHAPES.len() as u64) as usize]
}

/// A small program that checks; its model is called `m`. The same seed gives the same text.
pub fn random_program(seed: u64) -> String {
    let mut writer = Writer { stream: Stream::new(seed), ..Writer::default() };
    match shape_of(seed) {
        "net" => writer.net(),
        "field" => writer.field(),
        "chain" => writer.chain(),
        "undirected chain" => writer.undirected_chain(),
        "plates" => writer.plates(),
        "grid" => writer.grid(),
        _ => writer.sub_model(),
    }
    if writer.stream.chance(0.3) {
        // A part that nothing connects to the rest.
        writer.line("lone: Bool ~ Bernoulli(0.3)");
    }
    if writer.stream.chance(0.3) {
        writer.axis("One", "1");
        writer.line("only: One ~ Categorical(uniform)");
    }
    writer.finish()
}

/// Random values for every parameter, within its domain; a tenth of a simplex's entries are zero.
pub fn random_parameters(program: &Program, seed: u64) -> Values {
    let mut stream = Stream::new(seed ^ 0xABCD);
    let mut values = Values::default();
    for (id, param) in program.params.iter() {
        let shape: Vec<usize> = param.axes.iter().map(|&a| super::extent(program, &values, a)).collect();
        let mut array = ArrayD::from_shape_simple_fn(IxDyn(&shape), || match param.domain {
            Domain::Positive => stream.normal().exp(),
            Domain::Unit => stream.unit(),
            Domain::Simplex if stream.chance(0.1) => 0.0,
            Domain::Simplex => 0.05 + stream.unit(),
            _ => stream.normal(),
        });
        if param.domain == Domain::Simplex {
            let along = ndarray::Axis(shape.len() - 1);
            for mut lane in array.lanes_mut(along) {
                if lane.sum() == 0.0 {
                    lane.fill(1.0);
                }
                let total = lane.sum();
                lane.mapv_inplace(|x| x / total);
            }
        }
        values.params.insert(id, array);
    }
    values
}

/// What a variable of a random program can be.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Bool,
    Spin,
    Color,
    Shape,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Bool, Kind::Spin, Kind::Color, Kind::Shape];

    fn name(self) -> &'static str {
        match self {
            Kind::Bool => "Bool",
            Kind::Spin => "Spin",
            Kind::Color => "Color",
            Kind::Shape => "Shape",
        }
    }

    /// The states by the names that tables call them, where they have any.
    fn labels(self) -> &'static [&'static str] {
        match self {
            Kind::Bool => &["no", "yes"],
            Kind::Spin => &[],
            Kind::Color => &["red", "green", "blue"],
            Kind::Shape => &["round", "square"],
        }
    }

    fn is_category(self) -> bool {
        matches!(self, Kind::Color | Kind::Shape)
    }
}

/// A program in the making.
struct Writer {
    stream: Stream,
    axes: Vec<(String, String)>,
    /// Statements outside the model, and those in it.
    outside: String,
    inside: String,
    header: String,
    params: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            stream: Stream::new(0),
            axes: Vec::new(),
            outside: String::new(),
            inside: String::new(),
            header: "model m".into(),
            params: 0,
        }
    }
}

impl Writer {
    fn axis(&mut self, name: &str, is: &str) {
        if !self.axes.iter().any(|(n, _)| n == name) {
            self.axes.push((name.into(), is.into()));
        }
    }

    /// An enumeration, and (for `k > 0`) its k-th alias; returns the name to index by.
    fn category(&mut self, kind: Kind, k: usize) -> String {
        self.axis(kind.name(), &kind.labels().join(", "));
        if k == 0 {
            return kind.name().into();
        }
        let alias = format!("{}{k}", kind.name());
        self.axis(&alias, kind.name());
        alias
    }

    fn line(&mut self, text: &str) {
        writeln!(self.inside, "  {text}").expect("a string takes text");
    }

    /// Declares a parameter and returns its name.
    fn param(&mut self, index: &[String], ty: &str) -> String {
        let name = format!("w{}", self.params);
        self.params += 1;
        let index = if index.is_empty() { String::new() } else { format!("[{}]", index.join(", ")) };
        self.line(&format!("param {name}{index}: {ty}"));
        name
    }

    fn finish(self) -> String {
        let axes: String = self.axes.iter().map(|(name, is)| format!("axis {name} = {is}\n")).collect();
        format!("{axes}{}{} {{\n{}}}\n", self.outside, self.header, self.inside)
    }

    /// A probability with two digits; now and then 0 or 1.
    fn probability(&mut self) -> String {
        match self.stream.below(10) {
            0 => "0".into(),
            1 => "1".into(),
            _ => format!("0.{:02}", 1 + self.stream.below(99)),
        }
    }

    fn number(&mut self) -> String {
        format!("{}{}.{}", if self.stream.chance(0.5) { "-" } else { "" }, self.stream.below(3), self.stream.below(10))
    }

    /// A `Bool` half the time: tables and choices live on them.
    fn kind(&mut self) -> Kind {
        if self.stream.chance(0.35) { Kind::Bool } else { *self.stream.pick(&Kind::ALL) }
    }

    fn declare_kind(&mut self, kind: Kind) {
        if kind.is_category() {
            self.category(kind, 0);
        }
    }

    /// A table over variables that have labels, with entries from `entry`; it is told whether the row is the first.
    fn table(&mut self, of: &[(String, Kind)], entry: fn(&mut Self, bool) -> String) -> String {
        let mut rows = vec![Vec::new()];
        for (_, kind) in of {
            rows = rows.iter().flat_map(|r| kind.labels().iter().map(move |l| [&r[..], &[*l]].concat())).collect();
        }
        let rows: Vec<String> = (rows.iter().enumerate())
            .map(|(k, row)| format!("{} -> {}", row.join(", "), entry(self, k == 0)))
            .collect();
        let names: Vec<&str> = of.iter().map(|(name, _)| name.as_str()).collect();
        format!("table({}) {{ {} }}", names.join(", "), rows.join("; "))
    }

    /// A real-valued term that reads a variable.
    fn term(&mut self, name: &str, kind: Kind) -> String {
        if kind.is_category() {
            let axis = self.category(kind, 0);
            let w = self.param(&[axis], "Real");
            format!("{w}[{name}]")
        } else {
            let w = self.param(&[], "Real");
            format!("{w} * {name}")
        }
    }

    /// The distribution of a variable given its parents.
    fn distribution(&mut self, kind: Kind, parents: &[(String, Kind)]) -> String {
        if kind.is_category() { self.categorical(kind, parents) } else { self.bernoulli(kind, parents) }
    }

    fn bernoulli(&mut self, kind: Kind, parents: &[(String, Kind)]) -> String {
        let labelled = kind == Kind::Bool && parents.iter().all(|(_, k)| !k.labels().is_empty());
        // A table's head takes whole variables, not one of a plate.
        let whole = parents.iter().all(|(name, _)| !name.contains('['));
        match (labelled, parents) {
            (true, []) => format!("Bernoulli({})", self.probability()),
            (true, [(parent, of)]) if self.stream.chance(0.4) => {
                let label = *self.stream.pick(of.labels());
                let cond = if *of == Kind::Bool { parent.clone() } else { format!("{parent} is {label}") };
                format!("Bernoulli(if {cond} then {} else {})", self.probability(), self.probability())
            }
            (true, _) if whole && self.stream.chance(0.6) => {
                let table = self.table(parents, |w, _| w.probability());
                format!("Bernoulli({table})")
            }
            _ => {
                let mut terms: Vec<String> = parents.iter().map(|(name, kind)| self.term(name, *kind)).collect();
                terms.push(self.param(&[], "Real"));
                format!("Bernoulli(logit = {})", terms.join(" + "))
            }
        }
    }

    fn categorical(&mut self, kind: Kind, parents: &[(String, Kind)]) -> String {
        let ty = self.category(kind, 0);
        let categories: Vec<&(String, Kind)> = parents.iter().filter(|(_, k)| k.is_category()).collect();
        let others: Vec<&(String, Kind)> = parents.iter().filter(|(_, k)| !k.is_category()).collect();
        // Each category parent indexes by an alias of its own, so that no axis stands twice.
        let index: Vec<String> = categories.iter().enumerate().map(|(k, (_, of))| self.category(*of, k + 1)).collect();
        let at: Vec<&str> = categories.iter().map(|(name, _)| name.as_str()).collect();
        let at = if at.is_empty() { String::new() } else { format!("[{}]", at.join(", ")) };
        match others[..] {
            [] if categories.is_empty() && self.stream.chance(0.3) => "Categorical(uniform)".into(),
            [] => {
                let w = self.param(&index, &format!("Simplex[{ty}]"));
                format!("Categorical({w}{at})")
            }
            [(other, Kind::Bool)] if self.stream.chance(0.5) => {
                let (yes, no) =
                    (self.param(&index, &format!("Simplex[{ty}]")), self.param(&[], &format!("Simplex[{ty}]")));
                format!("Categorical(if {other} then {yes}{at} else {no})")
            }
            _ => {
                let mut terms = vec![format!("{}{at}", self.param(&index, &format!("Real[{ty}]")))];
                for (other, _) in others {
                    terms.push(format!("{other} * {}", self.param(&[], &format!("Real[{ty}]"))));
                }
                format!("Categorical(logit = {})", terms.join(" + "))
            }
        }
    }

    /// A directed net: each variable reads at most two before it.
    fn net(&mut self) {
        let mut vars: Vec<(String, Kind)> = Vec::new();
        for k in 0..2 + self.stream.below(4) {
            let kind = self.kind();
            self.declare_kind(kind);
            let mut parents = vars.clone();
            while parents.len() > 2 || (!parents.is_empty() && self.stream.chance(0.2)) {
                parents.remove(self.stream.below(parents.len()));
            }
            let dist = self.distribution(kind, &parents);
            self.line(&format!("x{k}: {} ~ {dist}", kind.name()));
            vars.push((format!("x{k}"), kind));
        }
        if self.stream.chance(0.4) {
            // A deterministic number between, read by one more variable.
            let (name, kind) = vars[self.stream.below(vars.len())].clone();
            let term = self.term(&name, kind);
            self.line(&format!("between: Real = tanh({term})"));
            self.line("last: Bool ~ Bernoulli(logit = between)");
        }
    }

    /// A potential over one to three variables.
    fn potential(&mut self, of: &[(String, Kind)]) -> String {
        let labelled = of.iter().all(|(_, k)| !k.labels().is_empty());
        if labelled && self.stream.chance(0.4) {
            // A table of weights: where one is zero the joint state is impossible. First rows are kept possible, so that
            // the joint state of first labels always is.
            return if self.stream.chance(0.5) {
                format!("log({})", self.table(of, |w, first| if first { "0.5".into() } else { w.probability() }))
            } else {
                self.table(of, |w, _| w.number())
            };
        }
        let categories: Vec<(String, Kind)> = of.iter().filter(|(_, k)| k.is_category()).cloned().collect();
        let index: Vec<String> = categories.iter().enumerate().map(|(k, (_, kind))| self.category(*kind, k)).collect();
        let w = self.param(&index, "Real");
        let at: Vec<&str> = categories.iter().map(|(name, _)| name.as_str()).collect();
        let w = if at.is_empty() { w } else { format!("{w}[{}]", at.join(", ")) };
        let others = of.iter().filter(|(_, k)| !k.is_category()).map(|(name, _)| format!(" * {name}"));
        format!("{w}{}", others.collect::<String>())
    }

    /// An undirected field over a handful of variables.
    fn field(&mut self) {
        let mut vars: Vec<(String, Kind)> = Vec::new();
        for k in 0..2 + self.stream.below(4) {
            let kind = self.kind();
            self.declare_kind(kind);
            self.line(&format!("var x{k}: {}", kind.name()));
            vars.push((format!("x{k}"), kind));
        }
        for var in vars.clone() {
            let potential = self.potential(&[var]);
            self.line(&format!("factor {potential}"));
        }
        for _ in 0..1 + self.stream.below(4) {
            let mut of = vars.clone();
            let size = 2 + self.stream.below(2);
            while of.len() > size {
                of.remove(self.stream.below(of.len()));
            }
            let potential = self.potential(&of);
            self.line(&format!("factor {potential}"));
        }
    }

    /// A hidden chain with emissions of a random kind.
    fn chain(&mut self) {
        let length = 2 + self.stream.below(4);
        self.axis("Step", &length.to_string());
        let states = 1 + self.stream.below(3);
        self.axis("State", &states.to_string());
        self.axis("Prev", "State");
        self.line("param start: Simplex[State], A[Prev]: Simplex[State]");
        let emission = match self.stream.below(4) {
            0 => {
                self.category(Kind::Color, 0);
                self.line("param emit[State]: Simplex[Color]");
                "x[t]: Color ~ Categorical(emit[s[t]])"
            }
            1 => {
                self.line("param emit[State]: Unit");
                "x[t]: Bool ~ Bernoulli(emit[s[t]])"
            }
            2 => {
                self.axis("Unit2", "2");
                self.line("param emit[State]: Real[Unit2]");
                "x[t]: Bool[Unit2] ~ Bernoulli(logit = emit[s[t]])"
            }
            _ => {
                self.line("param emit[State]: Real, feed: Real");
                "x[t]: Bool ~ Bernoulli(logit = emit[s[t]] + (if t is first then 0 else feed * x[t-1]))"
            }
        };
        self.line("for t in Step {");
        self.line("  s[t]: State ~ Categorical(if t is first then start else A[s[t-1]])");
        self.line(&format!("  {emission}"));
        self.line("}");
    }

    /// A linear chain of potentials, with a given input half the time.
    fn undirected_chain(&mut self) {
        let length = 2 + self.stream.below(4);
        self.axis("Step", &length.to_string());
        self.category(Kind::Color, 1);
        self.line("param T[Color1]: Real[Color], u: Real[Color]");
        let given = self.stream.chance(0.5);
        if given {
            self.header = "model m(given z[Step]: Bool)".into();
            self.line("param v: Real[Color]");
        }
        self.line("for t in Step {");
        self.line("  var s[t]: Color");
        self.line("  factor T[s[t-1], s[t]]");
        let layers = ["conv(2, width = 3, tanh)", "gru(2)", "lstm(2)", "rnn(2); norm", "dropout(0.3); dense(2, tanh)"];
        // Brute force runs a net for each joint state.
        if given && length <= 3 && self.stream.chance(0.5) {
            let layer = *self.stream.pick(&layers);
            self.outside = format!("net f(z[Step]: Bool) -> (score[Step]: Real[Color]) {{ {layer}; dense }}\n");
            self.line("  factor f(z)[t, s[t]]");
        } else {
            self.line(if given { "  factor u[s[t]] + z[t] * v[s[t]]" } else { "  factor u[s[t]]" });
        }
        if self.stream.chance(0.3) {
            self.line("  factor if t is last then u[s[t]] else 0");
        }
        self.line("}");
    }

    /// Repeated parts under a shared cause, one plate inside another half the time.
    fn plates(&mut self) {
        let (items, marks) = (1 + self.stream.below(3), 1 + self.stream.below(2));
        self.axis("Item", &items.to_string());
        self.axis("Mark", &marks.to_string());
        let cause = self.kind();
        self.declare_kind(cause);
        let dist = self.distribution(cause, &[]);
        self.line(&format!("z: {} ~ {dist}", cause.name()));
        let part = self.kind();
        self.declare_kind(part);
        let dist = self.distribution(part, &[("z".into(), cause)]);
        let inner = self.distribution(Kind::Bool, &[("y[i]".into(), part)]);
        self.line("for i in Item {");
        self.line(&format!("  y[i]: {} ~ {dist}", part.name()));
        if self.stream.chance(0.5) {
            self.line(&format!("  for j in Mark {{ x[i, j]: Bool ~ {inner} }}"));
        } else {
            self.line(&format!("  x[i]: Bool ~ {inner}"));
        }
        self.line("}");
    }

    /// A grid of spins or bits with a field of its own.
    fn grid(&mut self) {
        let (height, width) = (1 + self.stream.below(3), 2 + self.stream.below(2));
        self.axis("Height", &height.to_string());
        self.axis("Width", &width.to_string());
        let kind = if self.stream.chance(0.5) { "Spin" } else { "Bool" };
        self.line(&format!("var x: {kind}[Height, Width]"));
        self.line("param a: Real[Height, Width], b: Real, c: Real");
        self.line("for i in Height, j in Width {");
        self.line("  factor a[i, j] * x[i, j]");
        self.line("  factor b * x[i, j] * x[i-1, j]");
        self.line("  factor c * x[i, j] * x[i, j-1]");
        self.line("}");
    }

    /// A bipartite sub-model, with or without a label beside its visible units, perhaps over a directed layer.
    fn sub_model(&mut self) {
        for (axis, most) in [("N", 3), ("M", 2)] {
            let extent = 1 + self.stream.below(most);
            self.axis(axis, &extent.to_string());
        }
        let domain = if self.stream.chance(0.7) { "Bool" } else { "Spin" };
        self.outside = format!(
            "model pair(v: Discrete[V], h: {domain}[H]) {{\n  param W: Real[V, H], b: Real[V], c: Real[H]\n  \
             factor v @ W @ h + b @ v + c @ h\n}}\n"
        );
        let label = self.stream.chance(0.5);
        if label {
            self.category(Kind::Color, 0);
        }
        let normalised = self.stream.chance(0.6);
        match (normalised, label) {
            (true, true) => {
                self.line(&format!("(a: Bool[N], y: Color, h: {domain}[M]) ~ pair(v = a ++ y, h = h) as top"));
            }
            (true, false) => self.line(&format!("(a: Bool[N], h: {domain}[M]) ~ pair(v = a, h = h) as top")),
            (false, true) => {
                self.line(&format!("var a: Bool[N], y: Color, h: {domain}[M]"));
                self.line("factor pair(v = a ++ y, h = h) as top");
            }
            (false, false) => {
                self.line(&format!("var a: Bool[N], h: {domain}[M]"));
                self.line("factor pair(v = a, h = h) as top");
            }
        }
        if self.stream.chance(0.6) {
            let extent = 1 + self.stream.below(2);
            self.axis("X", &extent.to_string());
            self.line("param U: Real[X, N], d: Real[X]");
            self.line("x: Bool[X] ~ Bernoulli(logit = U @ a + d)");
        }
    }
}
