//! The sources as tests of the house rules see them: files below `src/`, and their tokens without comments and blanks.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A source file of the crate.
pub struct Source {
    /// Its path below the root, with `/` between the parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The crate's root folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file below `src/`, sorted.
pub fn sources() -> Vec<Source> {
    let below = files(&root().join("src"));
    let list: Vec<Source> = (below.into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")))
        .map(|path| Source { text: fs::read_to_string(&path).expect("a readable source"), path: relative(&path) })
        .collect();
    assert!(list.iter().any(|s| s.path == "src/lib.rs"), "the sources were not found");
    list
}

/// Every file below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// A path below the root, with `/` between the parts.
pub fn relative(path: &Path) -> String {
    let parts = path.strip_prefix(root()).expect("a path below the root").components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A text's tokens.
pub fn tokens(text: &str) -> TokenStream {
    TokenStream::from_str(text).expect("a source that the compiler reads")
}

/// A token: a word, a sign, a literal, or the opening of a bracket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The word, sign or literal as written; `{`, `(`, `[` for an opening and `}`, `)`, `]` for a closing bracket.
    pub text: String,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// All tokens in the order of the text, brackets included.
pub fn flat(stream: TokenStream) -> Vec<Token> {
    fn walk(stream: TokenStream, into: &mut Vec<Token>) {
        for tree in stream {
            let line = tree.span().start().line;
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    into.push(Token { text: open.into(), line });
                    let end = group.span_close().start().line;
                    walk(group.stream(), into);
                    into.push(Token { text: close.into(), line: end });
                }
                TokenTree::Ident(word) => into.push(Token { text: word.to_string(), line }),
                TokenTree::Punct(sign) => into.push(Token { text: sign.as_char().into(), line }),
                TokenTree::Literal(literal) => into.push(Token { text: literal.to_string(), line }),
            }
        }
    }
    let mut list = Vec::new();
    walk(stream, &mut list);
    list
}

/// The places where these tokens follow one another.
pub fn occurrences<'a>(tokens: &'a [Token], wanted: &[&str]) -> Vec<&'a Token> {
    let same = |window: &[Token]| window.iter().zip(wanted).all(|(token, want)| token.text == *want);
    tokens.windows(wanted.len()).filter(|window| same(window)).map(|window| &window[0]).collect()
}
