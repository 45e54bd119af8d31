//! What must hold of the layout of any program, however it was laid out before: the first zero byte ends a program, and what
//! follows it puts comments, line ends and blanks between its words, or takes them away, three bytes a change. What then reads
//! without a complaint is laid out to the same program, once and for all, and keeps its comments.

use super::parse;

/// What a change puts at its place.
const SCRAPS: [&str; 16] = [
    "\n",
    "\n\n",
    "\n\n\n\n",
    " ",
    "   ",
    "\t",
    "\r\n",
    ";",
    " ; ",
    " # note\n",
    "\n# note\n",
    "#\n",
    "# é \u{3000}\n",
    "\n\n# a\n# b\n\n",
    ",",
    "#### ; }\n",
];

/// Panics where the layout breaks a promise on these bytes.
pub fn check(bytes: &[u8]) {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return };
    let mut pieces = pieces(text);
    let changes = bytes.get(end + 1..).unwrap_or_default();
    for &[high, low, what] in changes.as_chunks::<3>().0.iter().take(64) {
        if pieces.is_empty() {
            break;
        }
        let at = usize::from(u16::from_be_bytes([high, low])) % pieces.len();
        match usize::from(what) {
            what if what < SCRAPS.len() => pieces.insert(at, SCRAPS[what].into()),
            what if what & 1 == 0 && pieces[at].trim().is_empty() => pieces[at] = SCRAPS[what / 2 % 7].into(),
            what if what & 3 == 1 && pieces[at].trim().is_empty() => pieces[at].clear(),
            what => pieces.insert(at, SCRAPS[what % SCRAPS.len()].into()),
        }
    }
    parse::check(pieces.concat().as_bytes());
}

/// A text cut into words, runs of blanks, and single signs.
pub fn pieces(text: &str) -> Vec<String> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '.' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut list: Vec<String> = Vec::new();
    let mut before = 2;
    for c in text.chars() {
        let now = kind(c);
        match list.last_mut() {
            Some(last) if now == before && now != 2 => last.push(c),
            _ => list.push(c.into()),
        }
        before = now;
    }
    list
}
