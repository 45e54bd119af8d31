//! How much memory a run may take: comes in, what the system has free or `--max-memory`; goes out, a refusal before anything is taken.

use crate::base::span::Span;
use crate::diag::{Code, Diagnostic};
use crate::model::{ParamId, Program};

/// The allowance where the system does not say what is free, in bytes.
const UNKNOWN: usize = 4 << 30;
/// So many names a person reads.
const MOST_NAMES: usize = 12;
/// Bytes of a number while parameters are started and data is drawn: doubles.
pub const NUMBER: usize = size_of::<f64>();

/// What a computation may hold, whose it is, and where it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// Bytes.
    pub bytes: usize,
    /// What needs them, for people: `stage train`, `` `why` ``.
    pub of: &'a str,
    /// Where that was written.
    pub at: Span,
}

impl Limit<'_> {
    /// That so many bytes are more than allowed.
    pub fn refusal(&self, bytes: usize) -> Diagnostic {
        let message =
            format!("{} would hold {} of memory, and {} are allowed", self.of, amount(bytes), amount(self.bytes));
        Diagnostic::at(Code::TooExpensive, self.at, message)
            .help("make an axis, the batch or the number of draws smaller, or allow more with `--max-memory`")
    }

    /// That an exact sum needs a table over too many variables.
    pub fn wide(&self, names: &[String], count: usize, cells: f64, bytes: f64, flops: f64) -> Diagnostic {
        let mut named: Vec<String> = names.iter().take(MOST_NAMES).map(|n| format!("`{n}`")).collect();
        if names.len() > MOST_NAMES {
            named.push(format!("{} more", names.len() - MOST_NAMES));
        }
        let needs = match bytes > 0.0 {
            true => format!("{} of memory, and {} are allowed", amount(bytes as usize), amount(self.bytes)),
            false => format!("{flops:.0e} operations for each row"),
        };
        let message = format!("{} needs sums over joint states that take {needs}", self.of);
        Diagnostic::at(Code::TooExpensive, self.at, message)
            .note(format!("the largest table has {cells:.1e} cells: it spans {count} entries of {}", named.join(", ")))
            .help("observe more, let fewer variables meet, or allow more with `--max-memory`; else ask for an estimate, as `by gibbs`")
    }

    /// Errors: so many bytes are more than allowed.
    pub fn verify(&self, bytes: usize) -> Result<(), Box<Diagnostic>> {
        if bytes > self.bytes { Err(Box::new(self.refusal(bytes))) } else { Ok(()) }
    }
}

/// Half of what is free now, in bytes.
pub fn allowance() -> usize {
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    free_bytes(&told).map_or(UNKNOWN, |free| free / 2)
}

/// The bytes that a text like `/proc/meminfo` says could be had without swapping.
fn free_bytes(told: &str) -> Option<usize> {
    let line = told.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// The product of some extents and a size; the largest number where it is larger.
pub fn product(extents: &[usize], size: usize) -> usize {
    if extents.contains(&0) { 0 } else { extents.iter().fold(size, |product, &n| product.saturating_mul(n)) }
}

/// Bytes of a parameter in double precision; axes whose extent is not known yet count once.
pub fn param_bytes(program: &Program, id: ParamId) -> usize {
    let axes = &program.params[id].axes;
    let extents: Vec<usize> = axes.iter().filter_map(|&a| program.axes.extent(a)).collect();
    product(&extents, NUMBER)
}

/// Errors: the parameters together hold more bytes than allowed; the largest is named.
pub fn verify_params(program: &Program, bytes: usize) -> Result<(), Box<Diagnostic>> {
    let mut sum = 0usize;
    let mut largest: Option<(usize, ParamId)> = None;
    for id in program.params.ids() {
        let own = param_bytes(program, id);
        sum = sum.saturating_add(own);
        if largest.is_none_or(|(most, _)| own > most) {
            largest = Some((own, id));
        }
    }
    let Some((own, id)) = largest.filter(|_| sum > bytes) else { return Ok(()) };
    let param = &program.params[id];
    let of = match own == sum {
        true => format!("the parameter `{}`", param.name),
        false => format!("the parameters, `{}` with {} the largest of them,", param.name, amount(own)),
    };
    Limit { bytes, of: &of, at: param.span }.verify(sum)
}

/// Bytes for people.
fn amount(bytes: usize) -> String {
    let units = [(1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let unit = units.into_iter().find(|(size, _)| bytes as f64 >= *size);
    match unit {
        Some((size, name)) => format!("{:.1} {name}", bytes as f64 / size),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_never_wrap() {
        assert_eq!(free_bytes("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(free_bytes("nothing of the kind"), None);
        assert_eq!(product(&[usize::MAX, 3], 8), usize::MAX);
        assert_eq!(product(&[usize::MAX, 3, 0], 8), 0);
        assert_eq!((amount(12), amount(320_000_000_000)), ("12 bytes".to_string(), "320.0 GB".to_string()));
    }
}
