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

pages! {
    E0101 E0102 E0103 E0104 E0105 E0106 E0107 E0108 E0109 E0110 E0111 E0201
    E0202 E0203 E0204 E0205 E0206 E0207 E0208 E0209 E0301 E0302 E0303 E0304 E0305
    E0306 E0307 E0308 E0309 E0310 E0311 E0401 E0402 E0403 E0404 E0405 E0406
    E0501 E0502 E0503 E0504 E0505 E0506 E0601 E0602 E0603 E0604 E0605 E0606 E0701 E0702
    E0703 E0704 E0705 E0706 E0707 E0708 E0709 E0710 E0711 E0712 E0713 E0714
    E0715 E0716 E0717 E0718 E0719 E0720 E0801 E0802 E0803 E0804 E0901 E0902
    E0903 E0904 E0905 E0906 E0907 E0908 E0909 E0910
    W0501 W0502 W0503 W0601 W0602 W0801
}

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
        None => {
            let near = nearest(&number, Code::ALL.iter().map(|c| c.number()));
            let all = "every code has a page in docs/errors".to_string();
            let help = near.map_or(all, |n| format!("did you mean {n}?"));
            return Err(Trouble::Usage(format!("there is no diagnostic {number}"), help));
        }
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page() {
        let missing: Vec<&str> =
            Code::ALL.iter().map(|c| c.number()).filter(|n| !PAGES.iter().any(|(page, _)| page == n)).collect();
        assert_eq!(missing, Vec::<&str>::new());
        assert_eq!(PAGES.len(), Code::ALL.len());
    }

    #[test]
    fn codes_are_told_from_files() {
        assert!(is_code("E0304") && is_code("w0501"));
        assert!(!is_code("E0304.ghm") && !is_code("E030") && !is_code("X0304"));
    }
}
