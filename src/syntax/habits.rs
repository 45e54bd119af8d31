//! Habits of other languages, each with what is written here instead. Comes in: where reading stopped and what stands there; goes out: a
//! sentence for the help, or none where the slip is not a known one.

use super::trouble::{Stop, Word};

/// What to write instead, for a statement or an item that cannot be read. `token` stands where reading stopped, `before` is the word before.
pub fn instead(stop: &Stop, token: &str, before: Option<&str>) -> Option<String> {
    let wants = |word: Word| stop.expected.contains(&word);
    let piece = &stop.source[stop.piece.start..];
    let line = piece.lines().next().unwrap_or_default();
    let first = word_at(line);
    let behind = stop.source[stop.piece.start.min(stop.at)..stop.at].trim_end();
    let top = stop.piece.depth == 0;
    let rest = stop.source[stop.at + token.len()..].trim_start_matches([' ', '\t']);
    let capital = token.starts_with(|c: char| c.is_ascii_uppercase());
    let fixed = match (token, before) {
        (":", Some("else")) | (":", Some("then")) => "write `if CONDITION then A else B`, without colons",
        (_, Some("not")) => "to choose the other case, exchange the branches of the `if`",
        (_, Some("lambda")) => "a function that learns is a `net`; others are not written here",
        ("and" | "or", _) => "conditions are not joined: put one `if` into a branch of the other",
        ("of", _) if first == "infer" => "the model stands before the engine: `infer x of MODEL by ENGINE`",
        ("on", _) if first == "infer" => {
            "an engine is chosen for a model, whatever its data: `infer x of MODEL by ENGINE`"
        }
        ("times", _) if top => "the number stands behind the word: `times 10`",
        (number, _) if top && number.starts_with(|c: char| c.is_ascii_digit()) && rest.starts_with("times") => {
            "the number stands behind the word: `times 10`"
        }
        ("maximise" | "epochs" | "with" | "by" | "loglik" | "using", _) if first == "train" && top => {
            "how it is trained stands in braces: `train m on d { maximise loglik with adam(1e-3) }`"
        }
        ("lr" | "rate" | "learning_rate" | "batch" | "batch_size", _) if !top => {
            "the settings of a step are the optimiser's: `maximise loglik with adam(1e-3, batch = 100)`"
        }
        (_, _) if top && first == "data" && wants(Word::Mark("{")) => {
            "its columns stand in braces: `data d = csv(\"d.csv\") { x: Real }`"
        }
        ("{", _) if first == "data" => "say where they come from: `data d = csv(\"d.csv\") { x: Real }`",
        (",", _) if first == "axis" && top => "an axis has a size, `axis K = 3`, or labels, `axis K = a, b`",
        (_, _) if top && wants(Word::Mark("=")) && !matches!(first, "param" | "net") => {
            return Some(named(first).into());
        }
        (_, _) if first == "net" && (wants(Word::Mark("->")) || wants(Word::Mark("("))) && top => {
            "a net says what it takes and gives: `net f(x: Real) -> Real { dense }`"
        }
        (",", _) if wants(Word::Quiet("`(`")) => "layers are separated by `;` or stand on lines of their own",
        (",", _) if wants(Word::Mark("~")) && wants(Word::Mark(":")) => {
            "each variable has a statement of its own; several that are drawn together stand in brackets: `(a: Real, b: Real) ~ ..`"
        }
        (":", _) if wants(Word::Mark("->")) => "a row of a table is written `yes -> 0.5`, the rows separated by `;`",
        (":", _) if wants(Word::Mark(")")) => "arguments are given with `=`, as in `sd = 1`",
        (":", _) if wants(Word::Mark("]")) => "an index is a single place; a part of an axis is an axis of its own",
        (":", _) if behind.ends_with('~') => "the domain stands before the `~`: `x: Real ~ Normal(0, sd = 1)`",
        ("~", _) if behind.ends_with('~') => "one `~` is enough",
        (_, Some("table")) => "what a table selects by stands in brackets: `table(x) { yes -> 0.9; no -> 0.1 }`",
        ("=", _) if first == "param" => {
            "a parameter is learned, `param w: Real`; a fixed number is a definition, `w: Real = 3`"
        }
        (_, Some(name)) if first == "param" && capital && wants(Word::Mark(":")) => {
            return Some(format!("write `{name}: {token}`"));
        }
        (_, _) if rest.starts_with('=') && wants(Word::Mark(")")) => "separate arguments with `,`",
        ("@", _) if top && stop.at == stop.piece.start => {
            "nothing is annotated: what is done with a model stands beside it, as `train` or `query`"
        }
        ("if", Some(_)) if wants(Word::Operator) => "write `if CONDITION then A else B`: the condition stands first",
        ("<" | ">" | "<=" | ">=", _) if wants(Word::Operator) => {
            "a condition compares two values: put a second one into a branch of the `if`"
        }
        ("<", _) if rest.starts_with('-') && wants(Word::Mark("~")) => {
            "a definition is written `x: Domain = value`, a random variable `x: Domain ~ D(..)`"
        }
        (".", _) if stop.source[..stop.at].ends_with([')', ']']) => {
            "values have no methods: write the function around the value, as in `sum(x)`"
        }
        ("'", _) if rest.split('\n').next().is_some_and(|line| line.contains('\'')) => return None,
        ("'", _) => "nothing is transposed: `@` sums over the axis that both sides share",
        (_, _) if matches!(first, "for" | "foreach" | "forall") && !wants(Word::Operator) => {
            return Some(loop_of(line));
        }
        ("(", _) if wants(Word::Mark("~")) && line[..offset(stop, line)].contains(':') => {
            "axes stand in brackets: `x: Real[Axis]`"
        }
        ("{", _) if wants(Word::Mark("->")) => "a net says what it gives: `net f(x: Real) -> Real { .. }`",
        (":", _) if wants(Word::Mark("{")) => "what belongs to it stands in braces: `{ .. }`",
        ("/", _) if rest.starts_with('*') => "a comment begins with `#` and ends with its line",
        ("-", _) if rest.starts_with('-') && stop.at == stop.piece.start => "a comment begins with `#`",
        _ if token.starts_with('"') && stop.at == stop.piece.start => "a comment begins with `#`",
        _ if capital && wants(Word::Mark("~")) && rest.starts_with('(') => {
            let declared = line[..offset(stop, line)].trim_end();
            return Some(format!("write `{declared} ~ {token}(..)`"));
        }
        _ => match first {
            "real" | "float" | "double" | "int" | "integer" | "bool" | "boolean" | "vector" | "matrix" | "simplex"
            | "array" | "tensor" | "string" | "row_vector" | "cov_matrix" | "auto" | "dim"
                if wants(Word::Mark("~")) =>
            {
                "the name stands first: `param x: Real` is learned, `x: Real ~ D(..)` is random, `x: Real = e` is defined"
            }
            "with" | "plate" => "a plate is a loop over an axis: `for i in Axis { .. }`",
            "observe" | "condition" | "assert" | "observed" => {
                "a model does not say what is observed: bind it to a column of `data`, or ask `P(.. | x = value)`"
            }
            "return" | "print" | "yield" | "output" => {
                "a model gives back nothing: ask outside of it, as in `query q = mean(x)`"
            }
            "while" | "repeat" | "loop" | "until" => "a loop runs over an axis: `for t in Axis { .. }`",
            "if" | "else" | "elif" | "elseif" | "switch" | "match" | "case" => {
                "choose within a value: `x: Real = if CONDITION then A else B`"
            }
            "let" | "const" | "def" | "set" | "val" | "local" => "a definition is written `x: Domain = value`",
            "latent" | "hidden" | "obs" | "random" | "stochastic" | "node" | "variable" => {
                "a random variable is written `x: Domain ~ D(..)`"
            }
            "parameter" | "parameters" | "learn" | "weight" | "weights" => {
                "a learned number is declared `param w: Real`"
            }
            "potential" | "energy" | "score" | "clique" => "a log-potential is written `factor e`",
            _ if capital && wants(Word::Mark("~")) && wants(Word::Mark(":")) => {
                let declared = line[..offset(stop, line)].trim_end();
                return Some(format!("write `{declared}: {token}`"));
            }
            _ if stop.source[..stop.at].trim_end().ends_with(':') && wants(Word::Thing("a name")) => {
                "behind the `:` stands a domain, such as `Real` or `Bool[Axis]`"
            }
            _ => return None,
        },
    };
    Some(fixed.into())
}

/// What to write instead of an item that begins with this word.
pub fn item(word: &str) -> Option<&'static str> {
    Some(match word {
        "parameters" | "parameter" | "transformed" => {
            "learned numbers are declared in the model that reads them: `model m { param w: Real .. }`"
        }
        "generated" | "print" | "plot" | "show" | "output" => "what is asked stands by itself: `query NAME = mean(x)`",
        "functions" | "layer" | "network" | "module" => "a function that learns is a `net`",
        "observe" | "observed" | "evidence" | "condition" => {
            "what is known stands behind the bar of a question: `query q = P(x | y = yes)`"
        }
        "plate" | "index" | "dim" | "dimension" | "range" | "enum" | "domain" | "type" => {
            "an axis is declared `axis Name = 10`, or with its labels: `axis Name = a, b, c`"
        }
        "fit" | "learn" | "optimize" | "optimise" | "run" => "learning is asked for with `train MODEL on DATA`",
        "inference" | "mcmc" | "engine" | "method" => "a method is chosen with `infer x of MODEL by ENGINE`",
        "ask" | "probability" | "predict" | "posterior" => "a question is asked with `query NAME = P(x | y)`",
        "from" => "another file is brought in with `use \"path\" as name`",
        "load" | "read" | "dataset" | "csv" => "data are declared `data NAME = csv(\"file.csv\") { x: Real }`",
        "prior" | "variable" | "var_" | "random" => "variables are declared inside a `model NAME { .. }`",
        _ => return None,
    })
}

/// How an item begins that lacks its name.
pub fn named(word: &str) -> &'static str {
    match word {
        "axis" => "write `axis Name = 10`",
        "data" => "write `data name = dataset(\"..\") { .. }`",
        "model" => "write `model name { .. }`",
        "guide" => "write the model's name: `guide MODEL { .. }`",
        "net" => "write `net name(x: Real) -> Real { .. }`",
        "param" => "write `param name: Real`",
        "train" => "write `train MODEL on DATA`",
        "infer" => "write `infer x by ENGINE`",
        "require" => "write `require exact x`",
        "report" => "write the names of what is asked: `report a, b`",
        "evaluate" => "write `evaluate name = error(y, argmax(y | x)) on DATA`",
        "sample" => "write `sample name = P(x) times 10`",
        "compare" => "write `compare name = P(x | y) by ENGINE, ENGINE`",
        _ => "write `query name = P(x | y)`",
    }
}

/// What a statement lacks that ends too early.
pub fn missing(stop: &Stop) -> Option<String> {
    let wants = |mark: &'static str| stop.expected.contains(&Word::Mark(mark));
    let piece = &stop.source[stop.piece.start..];
    let next = stop.source[stop.at..].trim_start().chars().next();
    if let Some(mark @ ('+' | '-' | '*' | '/' | '@' | ',' | '=' | '~' | '|')) = next
        && stop.source[..stop.at].contains('\n')
    {
        return Some(format!(
            "a line goes on where its last sign asks for more: put the `{mark}` at the end of this one"
        ));
    }
    if wants("else") {
        return Some("every `if` has an `else`: `if CONDITION then A else B`".into());
    }
    Some(
        match word_at(piece) {
            "train" if wants("on") => "write `train MODEL on DATA`",
            "infer" | "compare" if stop.expected.contains(&Word::Thing("an expression")) => {
                "name an engine, as in `by enumeration`"
            }
            "infer" if wants("by") => "say how: `infer x by enumeration`",
            "for" => "write `for i in Axis { .. }`",
            "net" => "write `net f(x: Real) -> Real { .. }`",
            "use" => "write `use \"file.ghm\" as name`",
            "query" | "evaluate" | "sample" | "compare" if wants("=") => "write `query name = P(x | y)`",
            _ => return None,
        }
        .into(),
    )
}

/// How the loop of a line is written.
fn loop_of(line: &str) -> String {
    let line = &line[..line.find(['{', '#']).unwrap_or(line.len())];
    let inner = line[word_at(line).len()..].trim_start().trim_start_matches('(');
    let inner = ["each", "all", "every"].iter().find_map(|w| inner.strip_prefix(w)).unwrap_or(inner).trim_start();
    let index = word_at(inner);
    let index = if index.starts_with(|c: char| c.is_ascii_lowercase()) && index != "in" { index } else { "i" };
    let counts = line.contains(|c: char| c.is_ascii_digit()) || line.contains("range");
    match counts {
        true => format!("a loop runs over an axis: declare `axis Step = 10` and write `for {index} in Step {{ .. }}`"),
        false => format!("write `for {index} in Axis {{ .. }}`"),
    }
}

/// Where reading stopped, counted from the start of the statement's first line, at most its length.
fn offset(stop: &Stop, line: &str) -> usize {
    let at = (stop.at - stop.piece.start.min(stop.at)).min(line.len());
    (0..=at).rev().find(|&i| line.is_char_boundary(i)).unwrap_or(0)
}

/// The word at the start of a text; empty where none stands there.
fn word_at(text: &str) -> &str {
    let end = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'_')).unwrap_or(text.len());
    &text[..end]
}
