//! The page of each diagnostic code, as `ghmc explain E0304` prints it.

use ghmc::diag::{Code, nearest};

use super::trouble::{Trouble, exit, print};

macro_rules! pages {
    ($($number:ident)*) => {
        /// Every page by its code's number.
        const PAGES: &[(&str, &str)] =
            &[$((stringify!($number), include_str!(concat!("../../docs/errors/", stringify!($number), ".md"))),)*];
    };
}

pages! {}

/// Whether a word has the form of a diagnostic code: a letter and four digits.
pub fn is_code(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|c| "EWew".contains(c)) && word.len() == 5 && chars.all(|c| c.is_ascii_digit())
}

/// Prints a code's page.
pub fn show(word: &str) -> Result<u8, Trouble> {
    let number = word.to_ascii_uppercase();
    match PAGES.iter().find(|(n, _)| *n == number) {
        Some((_, page)) => print(page)?,
        None => match Code::find(&number) {
            Some(code) => print(&format!("{number}: {}\n", code.title()))?,
            None => {
                let near = nearest(&number, Code::ALL.iter().map(|c| c.number()));
                let help = near.map_or("codes run from E0101 to W0802".to_string(), |n| format!("did you mean {n}?"));
                return Err(Trouble::Usage(format!("there is no diagnostic {number}"), help));
            }
        },
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_shown() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
        let files =
            std::fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|e| e.file_name().into_string().ok());
        let mut there: Vec<String> = files.filter_map(|f| f.strip_suffix(".md").map(String::from)).collect();
        there.retain(|name| is_code(name));
        there.sort_unstable();
        let mut shown: Vec<&str> = PAGES.iter().map(|(number, _)| *number).collect();
        shown.sort_unstable();
        assert_eq!(there, shown);
    }

    #[test]
    fn codes_are_told_from_files() {
        assert!(is_code("E0304") && is_code("w0501"));
        assert!(!is_code("E0304.ghm") && !is_code("E030") && !is_code("X0304"));
    }
}
