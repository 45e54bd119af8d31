//! How much room a text takes, said too high rather than too low, and names set with subscripts.
//!
//! Nobody knows which sans-serif letters a reader has; widths are those of the widest common ones (Verdana, DejaVu Sans).

/// Size of a name.
pub const NAME: f64 = 14.0;
/// Size of a note.
pub const NOTE: f64 = 10.5;
/// Size of a subscript.
pub const SUB: f64 = 9.5;

/// Width of a text at a size.
pub fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '\'' | '|' | '.' | ',' | ':' | ';' | 'I' | '!' => 0.38,
        ' ' | 'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' | '·' => 0.44,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '=' | '≥' | '≈' | '≤' | '−' | '<' | '+' => 0.95,
        c if c.is_ascii_uppercase() => 0.75,
        c if c.is_ascii() || ('à'..='ÿ').contains(&c) || ('α'..='ω').contains(&c) => 0.64,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// A name with a subscript.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// What stands on the line.
    pub base: String,
    /// What stands below it.
    pub sub: String,
}

/// Characters of a name that are shown, at most.
const LONGEST: usize = 18;

/// A text cut to so many characters.
pub fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_string(),
    }
}

impl Name {
    /// A name as a file writes it, at some positions: the digits it ends in and the positions go below the line.
    pub fn new(written: &str, positions: &[String]) -> Name {
        let stem = written.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &written[stem.len()..];
        // A part of something else may be a number, `enc.2`.
        let stem = if stem.is_empty() || stem.ends_with('.') { written } else { stem.trim_end_matches('_') };
        let digits = if stem == written { "" } else { digits };
        let sub: Vec<&str> =
            [digits].into_iter().chain(positions.iter().map(String::as_str)).filter(|s| !s.is_empty()).collect();
        Name { base: cut(stem, LONGEST), sub: cut(&sub.join(","), LONGEST) }
    }

    /// Its width on paper.
    pub fn width(&self, size: f64) -> f64 {
        width(&self.base, size) + width(&self.sub, size * SUB / NAME)
    }
}

/// Width of several names with commas between them.
pub fn names_width(names: &[Name], size: f64) -> f64 {
    names.iter().map(|n| n.width(size)).sum::<f64>() + width(", ", size) * names.len().saturating_sub(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_go_below_the_line() {
        let name = |text: &str, at: &[String]| {
            let n = Name::new(text, at);
            (n.base, n.sub)
        };
        assert_eq!(name("h12", &[]), ("h".into(), "12".into()));
        assert_eq!(name("h1", &["t".into()]), ("h".into(), "1,t".into()));
        assert_eq!(name("wet", &["i".into(), "j".into()]), ("wet".into(), "i,j".into()));
        assert_eq!(name("7", &[]), ("7".into(), String::new()));
        assert_eq!(name("enc.2", &["t".into()]), ("enc.2".into(), "t".into()));
    }
}
