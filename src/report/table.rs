//! Tables of text with aligned columns, for a terminal.

use super::figure::Figure;

/// Rows under a header, a blank line's worth of rule between, columns two blanks apart. `right` says which columns are flush right.
/// Empty columns are left out; the last line ends with a line feed.
pub fn table(header: &[&str], right: &[bool], rows: &[Vec<String>]) -> String {
    let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
    let kept: Vec<usize> = (0..header.len()).filter(|&at| rows.iter().any(|row| !cell(row, at).is_empty())).collect();
    let length = |text: &str| text.chars().count();
    let widths: Vec<usize> = kept
        .iter()
        .map(|&at| rows.iter().map(|row| length(&cell(row, at))).chain([length(header[at])]).max().unwrap_or(0))
        .collect();
    let line = |texts: Vec<String>| {
        let mut out = String::new();
        for ((text, &width), &at) in texts.iter().zip(&widths).zip(&kept) {
            let blank = " ".repeat(width - length(text));
            let flush_right = right.get(at).copied().unwrap_or(false);
            out.push_str(&if flush_right { format!("{blank}{text}  ") } else { format!("{text}{blank}  ") });
        }
        format!("{}\n", out.trim_end())
    };
    if kept.is_empty() {
        return String::new();
    }
    let mut out = line(kept.iter().map(|&at| header[at].to_string()).collect());
    out.push_str(&line(widths.iter().map(|&width| "─".repeat(width)).collect()));
    for row in rows {
        out.push_str(&line(kept.iter().map(|&at| cell(row, at)).collect()));
    }
    out
}

/// The figures of a run.
pub fn figures_table(figures: &[Figure]) -> String {
    let count = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|f| {
            vec![f.name.clone(), f.text(), f.interval_text(), count(f.n), count(f.seed), f.data.clone(), f.note.clone()]
        })
        .collect();
    table(
        &["figure", "value", "interval", "n", "seed", "data", "note"],
        &[false, true, false, true, true, false, false],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Sign;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let figures = [
            Figure { name: "error".into(), value: 0.02507, unit: "%".into(), n: Some(359), ..Figure::default() },
            Figure {
                name: "log p(x)".into(),
                kind: Sign::Lower,
                value: -20.53,
                unit: "nats".into(),
                interval: Some((-20.6, -20.45)),
                ..Figure::default()
            },
        ];
        let expect = [
            "figure            value  interval           n",
            "────────  ─────────────  ───────────────  ───",
            "error           2.507 %                   359",
            "log p(x)  ≥ −20.53 nats  [−20.6, −20.45]",
        ];
        assert_eq!(figures_table(&figures).lines().collect::<Vec<_>>(), expect);
        assert_eq!(table(&["a"], &[], &[]), "");
    }
}
