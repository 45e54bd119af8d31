//! Engines as they are named on the command line: `gibbs(1000, chains = 8)`, and lists of them.
//!
//! In: text. Out: methods with their settings, each with the text it was given in.

use ghmc::table::approximate::{Approximation, ENGINES, Exact, Setting};

use super::trouble::Trouble;

/// An engine that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct By {
    /// As it was written.
    pub text: String,
    /// What it means.
    pub method: Approximation,
}

/// One engine. Exact sums may take so many bytes.
pub fn read_by(text: &str, bytes: u64) -> Result<By, Trouble> {
    let text = text.trim();
    let help = || format!("write one of {}, with settings as in loopy_bp(damping = 0.5)", ENGINES.join(", "));
    let (name, inner) = match text.split_once('(') {
        None => (text, ""),
        Some((name, rest)) => match rest.trim_end().strip_suffix(')') {
            Some(inner) => (name.trim_end(), inner),
            None => return Err(Trouble::Usage(format!("`{text}` has no closing bracket"), help())),
        },
    };
    let mut settings = Vec::new();
    for part in inner.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (Some(key.trim().to_string()), value.trim()),
            None => (None, part),
        };
        let value = match value.parse::<f64>() {
            Ok(number) => Setting::Number(number),
            Err(_) => Setting::Word(value.to_string()),
        };
        settings.push((key, value));
    }
    let method = Approximation::of(name, &settings).map_err(|e| Trouble::Usage(e.to_string(), help()))?;
    let method = match method {
        Approximation::Exact(exact) => Approximation::Exact(Exact { bytes, ..exact }),
        other => other,
    };
    Ok(By { text: text.to_string(), method })
}

/// Several engines, with commas between them.
pub fn read_list(text: &str, bytes: u64) -> Result<Vec<By>, Trouble> {
    let (mut depth, mut from, mut parts) = (0i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts.into_iter().map(|part| read_by(part, bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghmc::table::approximate::{Gibbs, LoopyBp, Schedule};

    #[test]
    fn engines_are_read() {
        let list = read_list("loopy_bp(schedule = residual, damping = 0.5), gibbs( 50 ),exact", 7).ok();
        let bp = LoopyBp { schedule: Schedule::Residual, damping: 0.5, ..LoopyBp::default() };
        let methods: Vec<Approximation> = list.into_iter().flatten().map(|b| b.method).collect();
        let gibbs = Gibbs { sweeps: 50, ..Gibbs::default() };
        let exact = Exact { bytes: 7, ..Exact::default() };
        assert_eq!(methods, [Approximation::LoopyBp(bp), Approximation::Gibbs(gibbs), Approximation::Exact(exact)]);
        for wrong in ["", "gibbs(", "bp", "gibbs(x)", "loopy_bp,,exact", "exact(3)"] {
            assert!(read_list(wrong, 7).is_err(), "{wrong}");
        }
    }
}
