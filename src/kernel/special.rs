//! The derivatives of ln Γ, in `f64`.
//!
//! Digamma by its recurrence up to 12 and its asymptotic series there (Abramowitz and Stegun 6.3.5, 6.3.18), with the reflection
//! formula 6.3.7 below 0; higher orders as (−1)^(n+1) n! ζ(n + 1, x) (6.4.10) by Euler-Maclaurin summation.

/// B₂, B₄, .. divided by (2j)!.
const BERNOULLI: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30_240.0,
    -1.0 / 1_209_600.0,
    1.0 / 47_900_160.0,
    -691.0 / 1_307_674_368_000.0,
    1.0 / 74_724_249_600.0,
    -3617.0 / 10_670_622_842_880_000.0,
];

/// Derivative of ln Γ(x); NaN at 0, −1, −2, ...
pub fn digamma(x: f64) -> f64 {
    if x <= 0.0 {
        if x == x.floor() {
            return f64::NAN;
        }
        return digamma(1.0 - x) - std::f64::consts::PI / (std::f64::consts::PI * x).tan();
    }
    let (mut x, mut value) = (x, 0.0);
    while x < 12.0 {
        value -= 1.0 / x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    let series = z
        * (1.0 / 12.0
            - z * (1.0 / 120.0
                - z * (1.0 / 252.0 - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * (691.0 / 32_760.0 - z / 12.0))))));
    value + x.ln() - 0.5 / x - series
}

/// The `n`-th derivative of digamma at x > 0; NaN elsewhere.
pub fn polygamma(n: u8, x: f64) -> f64 {
    if n == 0 {
        return digamma(x);
    }
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let s = f64::from(n) + 1.0;
    let factorial: f64 = (1..=n).map(f64::from).product();
    let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
    sign * factorial * hurwitz_zeta(s, x)
}

/// Σ (x + k)^−s over k ≥ 0, for s > 1 and x > 0.
fn hurwitz_zeta(s: f64, x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 16.0 {
        sum += x.powf(-s);
        x += 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let power = x.powf(-s);
    sum += power * x / (s - 1.0) + 0.5 * power;
    let mut term = power * s / x;
    for (j, b) in BERNOULLI.iter().enumerate() {
        sum += b * term;
        let k = s + 2.0 * j as f64 + 1.0;
        term *= k * (k + 1.0) / (x * x);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn known_values_come_out() {
        let euler = 0.577_215_664_901_532_9;
        close(digamma(1.0), -euler);
        close(digamma(0.5), -euler - 4f64.ln());
        close(digamma(-0.5), digamma(0.5) + 2.0);
        let pi2 = std::f64::consts::PI.powi(2);
        close(polygamma(1, 1.0), pi2 / 6.0);
        close(polygamma(1, 0.5), pi2 / 2.0);
        close(polygamma(2, 1.0), -2.0 * 1.202_056_903_159_594_2);
        assert!(digamma(0.0).is_nan() && digamma(-3.0).is_nan());
    }

    #[test]
    fn recurrences_hold() {
        for i in 1..200 {
            let x = f64::from(i) * 0.37;
            close(digamma(x + 1.0), digamma(x) + 1.0 / x);
            close(polygamma(1, x + 1.0), polygamma(1, x) - 1.0 / (x * x));
            close(polygamma(2, x + 1.0), polygamma(2, x) + 2.0 / (x * x * x));
        }
    }
}
