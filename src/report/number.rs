//! Numbers as people read them: four significant digits, a true minus sign, ticks at round places.

/// A number in four significant digits; very large and very small ones with an exponent.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        let text = if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "∞"
        } else {
            "−∞"
        };
        return text.into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs();
    if !(1e-4..1e7).contains(&size) {
        let text = format!("{value:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", trimmed(digits)).replace('-', "−");
    }
    let places = (3 - size.log10().floor() as i32).max(0) as usize;
    trimmed(&format!("{value:.places$}")).replace('-', "−")
}

/// Without zeros after the last significant place.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A duration in seconds, in the unit that suits it.
pub fn seconds(value: f64) -> String {
    if value < 1.0 {
        return format!("{} ms", short((value * 1000.0 * 10.0).round() / 10.0));
    }
    if value < 60.0 {
        return format!("{value:.1} s");
    }
    let whole = value.round() as u64;
    if whole < 3600 {
        return format!("{} min {:02} s", whole / 60, whole % 60);
    }
    format!("{} h {:02} min", whole / 3600, whole / 60 % 60)
}

/// Reading back numbers that JSON cannot hold: what was not finite was written as `null`, and becomes NaN.
pub mod gaps {
    use serde::{Deserialize, Deserializer};

    fn number(value: Option<f64>) -> f64 {
        value.unwrap_or(f64::NAN)
    }

    /// One number.
    pub fn value<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Option::<f64>::deserialize(from).map(number)
    }

    /// Two numbers, or nothing.
    pub fn interval<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(f64, f64)>, D::Error> {
        let read = Option::<(Option<f64>, Option<f64>)>::deserialize(from)?;
        Ok(read.map(|(low, high)| (number(low), number(high))))
    }

    /// The points of a curve.
    pub fn points<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(f64, f64)>, D::Error> {
        let read = Vec::<(Option<f64>, Option<f64>)>::deserialize(from)?;
        Ok(read.into_iter().map(|(x, y)| (number(x), number(y))).collect())
    }

    /// Images.
    pub fn images<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<f32>>, D::Error> {
        let read = Vec::<Vec<Option<f32>>>::deserialize(from)?;
        Ok(read.into_iter().map(|image| image.into_iter().map(|v| v.unwrap_or(f32::NAN)).collect()).collect())
    }
}

/// A mark on an axis: its place and its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The value.
    pub at: f64,
    /// What stands beside it.
    pub label: String,
}

/// About `count` round values within [low, high], their steps 1, 2 or 5 times a power of ten; whole ones only, if asked.
pub fn ticks(low: f64, high: f64, count: usize, whole: bool) -> Vec<Tick> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return vec![Tick { at: low, label: short(low) }];
    }
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    // The round step nearest to the wanted one on a logarithmic scale: the bounds are the geometric means of its neighbours.
    let factor = match rough / power {
        r if r < 1.414 => 1.0,
        r if r < 3.162 => 2.0,
        r if r < 7.071 => 5.0,
        _ => 10.0,
    };
    let step = if whole { (factor * power).max(1.0) } else { factor * power };
    let places = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last.min(first + 50))
        .map(|i| {
            let at = i as f64 * step;
            Tick { at, label: label(at, places) }
        })
        .collect()
}

fn label(at: f64, places: usize) -> String {
    let text = match at.abs() {
        0.0 => "0".into(),
        size if size >= 1e6 => format!("{}M", trimmed(&format!("{:.3}", at / 1e6))),
        size if size >= 1e4 => format!("{}k", trimmed(&format!("{:.3}", at / 1e3))),
        _ if places > 5 => return short(at),
        _ => format!("{at:.places$}"),
    };
    text.replace('-', "−")
}

/// Values for a logarithmic axis over [low, high], both positive: powers of ten, and 2 and 5 times them where the span is short.
pub fn log_ticks(low: f64, high: f64) -> Vec<Tick> {
    let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = high.log10() - low.log10();
    let factors: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = (decades / 7.0).ceil().max(1.0) as i32;
    let mut out = Vec::new();
    for power in (from..=to).filter(|power| power.rem_euclid(every) == 0) {
        for factor in factors {
            let at = factor * 10f64.powi(power);
            if at >= low * 0.999_999 && at <= high * 1.000_001 {
                out.push(Tick { at, label: short(at) });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0.0, "0"),
            (-84.6213, "−84.62"),
            (0.02507, "0.02507"),
            (12345.6, "12346"),
            (1e-9, "1e−9"),
            (-1.25e12, "−1.25e12"),
            (0.5, "0.5"),
            (f64::NEG_INFINITY, "−∞"),
        ];
        for (value, expect) in cases {
            assert_eq!(short(value), expect);
        }
        assert_eq!([0.0123, 7.26, 102.4, 7384.0].map(seconds), ["12.3 ms", "7.3 s", "1 min 42 s", "2 h 03 min"]);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&ticks(0.0, 1.0, 5, false)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&ticks(-0.013, 0.028, 4, false)), ["−0.01", "0", "0.01", "0.02"]);
        assert_eq!(labels(&ticks(1.0, 3.0, 5, true)), ["1", "2", "3"]);
        assert_eq!(labels(&ticks(0.0, 60_000.0, 3, true)), ["0", "20k", "40k", "60k"]);
        assert_eq!(ticks(3.0, 3.0, 5, false).len(), 1);
        assert_eq!(labels(&log_ticks(0.01, 1.0)), ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(&log_ticks(1e-3, 1e3)).len(), 7);
    }
}
