//! What is known of the terminal: whether there is one, how wide it is, and whether colours are welcome.

use std::io::{IsTerminal, Write};

use ghmc::diag::Style;

/// The terminal behind standard output and standard error.
pub struct Terminal {
    /// Whether standard output is one.
    pub out: bool,
    /// Whether standard error is one that can redraw a line.
    pub live: bool,
    /// Whether colours may be used on standard error.
    pub color: bool,
    /// Its columns; 100 where there is none.
    pub width: usize,
}

impl Terminal {
    /// What this process was started in. `NO_COLOR` (set to anything) and `TERM=dumb` are respected.
    pub fn of_process() -> Terminal {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let err = std::io::stderr().is_terminal();
        let out = std::io::stdout().is_terminal();
        let columns = |(width, _): (terminal_size::Width, terminal_size::Height)| usize::from(width.0);
        let width = terminal_size::terminal_size_of(std::io::stderr())
            .or_else(|| terminal_size::terminal_size_of(std::io::stdout()))
            .map_or(100, columns);
        Terminal { out, live: err && !dumb, color: err && !dumb && !set("NO_COLOR"), width: width.max(20) }
    }

    /// How diagnostics are drawn on it.
    pub fn style(&self) -> Style {
        Style { color: self.color, unicode: true, width: self.width.min(120) }
    }

    /// Writes to standard error. That it cannot be written is nothing that could still be told.
    pub fn say(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// A word in bold red, where colours are welcome.
    pub fn paint_error(&self, word: &str) -> String {
        self.paint("1;31", word)
    }

    /// A word that stands back.
    pub fn paint_dim(&self, word: &str) -> String {
        self.paint("2", word)
    }

    fn paint(&self, code: &str, word: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_string() }
    }
}

/// The text in at most `width` characters, the last one an ellipsis where something was cut off.
pub fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
