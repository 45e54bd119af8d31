//! The syntax tree: what a `.ghm` file says, with the face of the source kept (its order, its parentheses, its comments) and every node's place.
//! Plain data; names are not yet resolved.

use serde::{Deserialize, Serialize};

use crate::base::span::{FileId, Span};

/// One source file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct File {
    /// The file it was read from.
    pub file: FileId,
    /// Its items, in order.
    pub items: Vec<Item>,
    /// Its comments, in order, kept beside the tree for the formatter.
    pub comments: Vec<Comment>,
}

/// A `#` comment: the place of its text, `#` included.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Comment {
    /// From `#` to the end of the line.
    pub span: Span,
    /// Whether nothing else stands before it on its line.
    pub own_line: bool,
}

/// A single name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Name {
    /// The name itself.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// Names joined by dots, such as `digits.train`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Path {
    /// At least one name.
    pub parts: Vec<Name>,
    /// Where it stands.
    pub span: Span,
}

impl Path {
    /// The name, if the path is a single one.
    pub fn single(&self) -> Option<&Name> {
        match self.parts.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    /// The path as written.
    pub fn text(&self) -> String {
        self.parts.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// A number with the spelling it had.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Number {
    /// As written, such as `1e-3`.
    pub text: String,
    /// Its value; infinite where it was too large to hold.
    pub value: f64,
    /// Where it stands.
    pub span: Span,
}

impl Number {
    /// The value as a count, where it is a whole number that fits.
    pub fn count(&self) -> Option<usize> {
        (self.value.fract() == 0.0 && (0.0..9e15).contains(&self.value)).then_some(self.value as usize)
    }
}

/// A text in quotes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Text {
    /// What stands between the quotes.
    pub text: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// One item of a file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Item {
    Use(Use),
    Data(Data),
    Axis(Axis),
    Param(Params),
    Net(Net),
    Model(Model),
    Guide(Guide),
    Objective(Objective),
    Schedule(Schedule),
    Infer(Infer),
    Require(Require),
    Train(Train),
    Ask(Ask),
    Report(Report),
}

impl Item {
    /// Where the item stands.
    pub fn span(&self) -> Span {
        match self {
            Item::Use(x) => x.span,
            Item::Data(x) => x.span,
            Item::Axis(x) => x.span,
            Item::Param(x) => x.span,
            Item::Net(x) => x.span,
            Item::Model(x) => x.span,
            Item::Guide(x) => x.span,
            Item::Objective(x) => x.span,
            Item::Schedule(x) => x.span,
            Item::Infer(x) => x.span,
            Item::Require(x) => x.span,
            Item::Train(x) => x.span,
            Item::Ask(x) => x.span,
            Item::Report(x) => x.span,
        }
    }
}

/// `use "alarm.bif" as alarm`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Use {
    pub source: Text,
    pub name: Name,
    pub span: Span,
}

/// `axis State = 8`, `axis Prev = State`, `axis Weather = sunny, cloudy, rain`, `axis Pixel`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Axis {
    pub name: Name,
    pub value: Option<AxisValue>,
    pub span: Span,
}

/// What an axis is declared to be.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum AxisValue {
    /// A default size.
    Size(Number),
    /// Another name for an axis.
    Alias(Name),
    /// The labels of an enumeration, in order: `sunny, cloudy, rain`.
    Labels(Vec<Name>),
}

/// `data digits = dataset("digits") { x: Bool[Pixel] = soft(image) }`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Data {
    pub name: Name,
    pub source: Expr,
    pub fields: Option<Vec<Field>>,
    pub span: Span,
}

/// A column of a data set as models see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Field {
    pub decl: Decl,
    pub value: Option<Expr>,
    pub span: Span,
}

/// `name[index axes]: Domain[event axes]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Decl {
    pub name: Name,
    pub index: Vec<Size>,
    pub domain: Option<Domain>,
    pub span: Span,
}

/// `Real[Pixel]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Domain {
    pub name: Name,
    pub axes: Vec<Size>,
    pub span: Span,
}

/// What stands between the brackets of a declaration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Size {
    pub kind: SizeKind,
    pub span: Span,
}

/// The forms of a size.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum SizeKind {
    /// A fixed number.
    Number(Number),
    /// `<t`: everything before `t`.
    Before(Name),
    /// An axis, or an index that a `for` introduced.
    Name(Name),
    /// An index moved by a constant, `t-1`.
    Offset(Name, i64),
}

/// `param W: Real[V, H] prior Normal(0, sd = 1), b: Real[V]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Params {
    pub list: Vec<Param>,
    pub span: Span,
}

/// One parameter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Param {
    pub decl: Decl,
    pub prior: Option<Expr>,
    pub span: Span,
}

/// `net dec(z: Real[Z]) -> Real[Pixel] { dense(500, softplus); dense }`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Net {
    pub name: Name,
    pub inputs: Vec<Decl>,
    pub output: NetOutput,
    pub layers: Vec<Layer>,
    pub span: Span,
}

/// What a net returns.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum NetOutput {
    /// One unnamed value.
    Single(Domain),
    /// Named values, which splat into named arguments.
    Named(Vec<Decl>),
}

/// One layer of a net.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Layer {
    pub name: Name,
    pub args: Option<Vec<Arg>>,
    pub span: Span,
}

/// `model pair(v: Discrete[V], given x: Real) { .. }`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Model {
    pub name: Name,
    pub ports: Option<Vec<Port>>,
    pub body: Block,
    pub span: Span,
}

/// A variable a model shows to the outside.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Port {
    pub given: bool,
    pub decl: Decl,
    pub span: Span,
}

/// `guide m { .. }`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Guide {
    pub model: Name,
    pub body: Block,
    pub span: Span,
}

/// `objective fool(disc, x) = E[log(sigmoid(disc(x))) for x ~ model]`: an expression with a name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Objective {
    pub name: Name,
    pub formals: Formals,
    pub value: Expr,
    pub span: Span,
}

/// `schedule phases(..parts) { maximise .. }`: training lines with a name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Schedule {
    pub name: Name,
    pub formals: Formals,
    pub body: Vec<Step>,
    pub span: Span,
}

/// What an objective or a schedule is called with.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Formals {
    /// Before the bar.
    pub args: Vec<Formal>,
    /// Behind it.
    pub given: Vec<Formal>,
}

/// One argument: a name, with what it is where it is left out, or all that remain.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Formal {
    pub name: Name,
    pub rest: bool,
    pub default: Option<Expr>,
    pub span: Span,
}

/// Statements in braces.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Block {
    pub statements: Vec<Stmt>,
    pub span: Span,
}

/// One statement of a model or a guide.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Stmt {
    /// Learned numbers.
    Param(Params),
    /// `axis Before = State`: another name for an axis, inside this model alone.
    Axis { name: Name, of: Name, span: Span },
    /// `var h: Bool[H]`: a variable that only factors define.
    Var { decls: Vec<Decl>, span: Span },
    /// `factor e as name`: a log-potential.
    Factor { value: Expr, label: Option<Name>, span: Span },
    /// `for i in Height, j in Width { .. }`
    For { binders: Vec<Binder>, body: Block, span: Span },
    /// `x: Bool ~ Bernoulli(0.2) as name`: a normalised conditional.
    Random { left: Left, value: Expr, label: Option<Name>, span: Span },
    /// `x: Real = e`: deterministic.
    Equal { left: Left, value: Expr, span: Span },
}

impl Stmt {
    /// Where the statement stands.
    pub fn span(&self) -> Span {
        match self {
            Stmt::Param(p) => p.span,
            Stmt::Axis { span, .. }
            | Stmt::Var { span, .. }
            | Stmt::Factor { span, .. }
            | Stmt::For { span, .. }
            | Stmt::Random { span, .. }
            | Stmt::Equal { span, .. } => *span,
        }
    }
}

/// `t in Token`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Binder {
    pub index: Name,
    pub axis: Name,
    pub span: Span,
}

/// What is defined: one variable or several at once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Left {
    pub decls: Vec<Decl>,
    /// Whether it stands in parentheses.
    pub grouped: bool,
    pub span: Span,
}

/// `infer y of m by enumeration`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Infer {
    pub names: Vec<Name>,
    pub of: Vec<Expr>,
    pub by: Vec<Expr>,
    pub span: Span,
}

/// `require exact y of m`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Require {
    pub property: Name,
    pub names: Vec<Name>,
    pub of: Vec<Expr>,
    pub span: Span,
}

/// `train m on digits.train { .. }`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Train {
    pub models: Vec<Name>,
    pub on: Path,
    pub body: Option<Vec<Step>>,
    pub span: Span,
}

/// One line of a training program.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Step {
    /// A stage of its own.
    Stage { name: Name, body: Vec<Step>, span: Span },
    /// The same lines for each of several things.
    Round { name: Name, over: Path, body: Vec<Step>, span: Span },
    /// An objective to raise.
    Maximise(Box<Maximise>),
    /// Parameters that are one for the duration of the stage.
    Tie { pairs: Vec<(Path, Path)>, span: Span },
    /// Parameters that start from others.
    Init { targets: Vec<Path>, from: Expr, span: Span },
    /// How many passes over the rows.
    Epochs { count: Number, span: Span },
    /// Stop after so many passes without gain on a split.
    Patience { count: Number, on: Path, span: Span },
}

impl Step {
    /// Where the line stands.
    pub fn span(&self) -> Span {
        match self {
            Step::Maximise(m) => m.span,
            Step::Stage { span, .. }
            | Step::Round { span, .. }
            | Step::Tie { span, .. }
            | Step::Init { span, .. }
            | Step::Epochs { span, .. }
            | Step::Patience { span, .. } => *span,
        }
    }
}

/// `maximise e of MODEL over GROUP by ENGINE with OPTIMISER`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Maximise {
    pub objective: Expr,
    pub of: Vec<Expr>,
    pub over: Vec<Path>,
    pub by: Vec<Expr>,
    pub with: Option<Expr>,
    pub span: Span,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum AskKind {
    Query,
    Evaluate,
    Sample,
    Compare,
}

impl AskKind {
    /// The word that begins it.
    pub fn word(self) -> &'static str {
        match self {
            AskKind::Query => "query",
            AskKind::Evaluate => "evaluate",
            AskKind::Sample => "sample",
            AskKind::Compare => "compare",
        }
    }
}

/// `evaluate error = error(y, argmax(y | x)) of m on digits.test by gibbs(100) times 3`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Ask {
    pub kind: AskKind,
    pub name: Name,
    pub value: Expr,
    pub of: Vec<Expr>,
    pub on: Option<Path>,
    pub by: Vec<Expr>,
    pub times: Option<Number>,
    pub span: Span,
}

/// `report why, best`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Report {
    pub names: Vec<Name>,
    pub span: Span,
}

/// An expression and its place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

/// The forms of an expression.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ExprKind {
    Number(Number),
    Text(Text),
    Path(Path),
    /// Parentheses the author wrote.
    Group(Box<Expr>),
    /// `[0.1, 0.9]`: a number for each state of an axis that its place tells.
    List(Vec<Expr>),
    If {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// `t is first`
    Is {
        subject: Box<Expr>,
        word: Name,
    },
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    /// `f(a, b = c | d)`; `given` is what stands after the bar.
    Call {
        callee: Box<Expr>,
        args: Vec<Arg>,
        given: Vec<Condition>,
    },
    /// `W[i, <t]`
    Index {
        base: Box<Expr>,
        indices: Vec<Position>,
    },
    /// `E[e for (x, z) ~ q times n]`; without `times` the expectation itself, with it the mean of so many draws.
    Expect {
        body: Box<Expr>,
        left: Left,
        source: Path,
        times: Option<Box<Expr>>,
    },
    /// `table(a, b) { no, no -> 0; .. }`
    Table {
        names: Vec<Name>,
        rows: Vec<Row>,
    },
}

/// An operator between two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum BinaryOp {
    GreaterEqual,
    LessEqual,
    Greater,
    Less,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    Contract,
}

impl BinaryOp {
    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::LessEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::Less => "<",
            BinaryOp::Concat => "++",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Contract => "@",
        }
    }

    /// The operator a symbol stands for.
    pub fn from_symbol(symbol: &str) -> Option<BinaryOp> {
        use BinaryOp::*;
        [GreaterEqual, LessEqual, Greater, Less, Concat, Add, Subtract, Multiply, Divide, Contract]
            .into_iter()
            .find(|op| op.symbol() == symbol)
    }

    /// How tightly it binds; 0 is the loosest.
    pub fn level(self) -> u8 {
        match self {
            BinaryOp::GreaterEqual | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::Less => 1,
            BinaryOp::Concat => 2,
            BinaryOp::Add | BinaryOp::Subtract => 3,
            BinaryOp::Multiply | BinaryOp::Divide => 4,
            BinaryOp::Contract => 5,
        }
    }
}

/// An argument of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Arg {
    pub kind: ArgKind,
    pub value: Expr,
    pub span: Span,
}

/// How an argument is passed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ArgKind {
    /// By its place.
    Positional,
    /// `sd = 1`
    Named(Name),
    /// `..enc(x)`: named outputs become named arguments.
    Splat,
}

/// What stands after the bar of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Condition {
    /// `row 17`, from 1.
    Row { number: Number, span: Span },
    /// `wet = yes`, `x`, `do(wet = yes)`
    Arg(Arg),
}

/// One position of an index.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Position {
    /// `<t`: everything before `t`.
    Before(Name),
    /// A value.
    At(Expr),
}

/// `no, yes -> 0.8`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Row {
    pub cells: Vec<Expr>,
    pub value: Expr,
    pub span: Span,
}

impl Expr {
    /// The expression without the parentheses around it.
    pub fn bare(&self) -> &Expr {
        match &self.kind {
            ExprKind::Group(inner) => inner.bare(),
            _ => self,
        }
    }

    /// The name, if the expression is a single one.
    pub fn name(&self) -> Option<&Name> {
        match &self.bare().kind {
            ExprKind::Path(path) => path.single(),
            _ => None,
        }
    }
}
