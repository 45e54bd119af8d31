//! What every network must keep whatever file it comes from: sizes that memory can hold, conditionals that sum to one, no cycles.

use crate::base::places::unravel;
use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{NetVariable, Network};

/// How far the sum of a conditional's row may lie from one and be taken for rounding.
const ROUNDING: f64 = 0.02;

/// Numbers that all tables of a network may hold together where the text that states them is short.
const MOST_CELLS: usize = 1 << 24;

/// How many numbers a network's tables may hold, counted down as they are stated, so that a short file cannot ask for much memory.
pub(super) struct Room {
    left: usize,
}

impl Room {
    /// The room that a text of so many bytes has: what it could state, and some more for what it leaves to a default.
    pub fn of_text(bytes: usize) -> Room {
        Room { left: MOST_CELLS.saturating_add(bytes) }
    }

    /// Takes a table over axes of these sizes; the number of its cells.
    ///
    /// # Errors
    /// E0108 where the tables together would be larger than the file can mean.
    pub fn table(&mut self, cards: impl IntoIterator<Item = usize>, place: Span) -> Result<usize, Diagnostic> {
        let cells = cards.into_iter().try_fold(1usize, usize::checked_mul).filter(|c| *c <= self.left);
        let Some(cells) = cells else {
            let message = "this table would hold more numbers than the file can state";
            return Err(Diagnostic::at(Code::TooLarge, place, message)
                .help("give the variable fewer parents, or split them over intermediate variables"));
        };
        self.left -= cells;
        Ok(cells)
    }
}

/// Divides each row by its sum where that is one but for rounding. A row whose sum is one to the last digits stays as it is, so that
/// reading what was written changes nothing. The first row that cannot be a distribution, and its sum, otherwise.
pub(super) fn divide_rows(values: &mut [f64], card: usize) -> Result<(), (usize, f64)> {
    let exact = (4.0 * f64::EPSILON * card as f64).max(1e-12);
    for (at, row) in values.chunks_mut(card.max(1)).enumerate() {
        let sum: f64 = row.iter().sum();
        let off = (sum - 1.0).abs();
        if off.is_nan() || off > ROUNDING {
            return Err((at, sum));
        }
        if off > exact {
            row.iter_mut().for_each(|v| *v /= sum);
        }
    }
    Ok(())
}

/// The joint state of the parents that a row of a conditional stands for, in words.
pub(super) fn row_in_words(network: &Network, parents: &[usize], row: usize) -> String {
    let above: Vec<&NetVariable> = parents.iter().map(|&p| &network.variables[p]).collect();
    let cards: Vec<usize> = above.iter().map(|v| v.states.len()).collect();
    let words = unravel(row, &cards).into_iter().zip(above);
    words.map(|(state, v)| format!("{} = {}", v.name, v.states[state])).collect::<Vec<_>>().join(", ")
}

/// Holds a directed network to being one: a conditional for each variable, no variable before itself. `place` says where a variable is.
///
/// # Errors
/// E0506, E0501, E0502.
pub(super) fn verify_directed(network: &Network, place: &dyn Fn(usize) -> Span) -> Result<(), Diagnostic> {
    let count = network.variables.len();
    let name = |v: usize| &network.variables[v].name;
    let mut parents: Vec<Option<&[usize]>> = vec![None; count];
    for factor in &network.factors {
        if let (Some(child), Some((_, above))) = (factor.child, factor.scope.split_last()) {
            if parents[child].is_some() {
                let message = format!("`{}` has two tables", name(child));
                return Err(Diagnostic::at(Code::TwoDefinitions, place(child), message).help("leave one of them out"));
            }
            parents[child] = Some(above);
        }
    }
    let mut known = Vec::with_capacity(count);
    for (at, above) in parents.iter().enumerate() {
        match above {
            Some(above) => known.push(*above),
            None => {
                let message = format!("`{}` has no table", name(at));
                return Err(Diagnostic::at(Code::NeverDefined, place(at), message)
                    .help("give each variable its probabilities, one block a variable"));
            }
        }
    }
    match cycle(&known) {
        None => Ok(()),
        Some(around) => {
            let path: Vec<String> = around.iter().take(8).map(|&v| format!("`{}`", name(v))).collect();
            let more = if around.len() > 8 { " and on" } else { "" };
            let message = format!("the variables depend on each other in a circle: {}{more}", path.join(" on "));
            Err(Diagnostic::at(Code::DirectedCycle, place(around[0]), message)
                .help("take one of these parents away, or write the network as a Markov network"))
        }
    }
}

/// Variables that stand before one another in a circle, if there are such.
fn cycle(parents: &[&[usize]]) -> Option<Vec<usize>> {
    // 0: not seen, 1: on the path, 2: done. The path is kept here and not on the stack, since a network may be a long chain.
    let mut state = vec![0u8; parents.len()];
    for root in 0..parents.len() {
        if state[root] != 0 {
            continue;
        }
        let mut path = vec![(root, 0)];
        state[root] = 1;
        while let Some((at, next)) = path.last_mut() {
            match parents[*at].get(*next) {
                None => {
                    state[*at] = 2;
                    path.pop();
                }
                Some(&parent) => {
                    *next += 1;
                    match state[parent] {
                        0 => {
                            state[parent] = 1;
                            path.push((parent, 0));
                        }
                        1 => {
                            let on_path = path.iter().map(|(v, _)| *v);
                            return Some(on_path.skip_while(|v| *v != parent).chain([parent]).collect());
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_divided_once() {
        let mut values = vec![0.333, 0.333, 0.333, 0.1, 0.2, 0.7];
        divide_rows(&mut values, 3).unwrap();
        assert!((values[..3].iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let once = values.clone();
        divide_rows(&mut values, 3).unwrap();
        assert_eq!(once, values);
        assert_eq!(divide_rows(&mut [0.5, 0.5, 0.0, 0.0], 2), Err((1, 0.0)));
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(cycle(&[&[], &[0], &[1, 0]]), None);
        assert_eq!(cycle(&[&[2], &[0], &[1]]), Some(vec![0, 2, 1, 0]));
        assert_eq!(cycle(&[&[0]]), Some(vec![0, 0]));
    }
}
