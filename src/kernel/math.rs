//! Elementary functions of `f32` as straight-line polynomials, which the compiler turns into vector code.
//!
//! Coefficients: the minimax polynomials of the Cephes library (Moshier, 1989) for exp, ln and tanh; Taylor series for sine
//! and cosine on an eighth of a turn. `ln_1p` and `exp_m1` correct for the rounding of `1 + x` and `e^x` (Kahan; Higham, "Accuracy
//! and stability of numerical algorithms", 2nd ed., section 1.14). Multiply and add are rounded apart on every machine, so
//! that all give the same bits. Relative errors stay below 4e-7; infinities, NaN and subnormal numbers come out as in `std`.

use std::hint::select_unpredictable as choose;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
// The two parts of ln 2: the product of the first with a small whole number is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
// Adding 1.5 · 2^23 leaves the nearest whole number in the low bits of the mantissa.
const ROUND: f32 = 12_582_912.0;

/// 2^n for n in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

/// e^x.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Below the first bound the result rounds to 0, above the second it overflows; NaN passes through both.
    let x = choose(x < -104.0, -104.0, x);
    let x = choose(x > 89.0, 89.0, x);
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let k = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = p * (r * r) + r + 1.0;
    // Two powers, so that results below the normal range are reached without an exponent that does not exist.
    let half = (k >> 1).clamp(-100, 100);
    let rest = (k.wrapping_sub(half)).clamp(-100, 100);
    y * power_of_two(half) * power_of_two(rest)
}

/// e^x in double precision: the series to the thirteenth power on |r| ≤ ln 2 / 2, whose rest is below 5e-18. Below −745.2 the result
/// is 0, and results below the normal range are rounded twice.
#[inline(always)]
pub fn exp_double(x: f64) -> f64 {
    // The two parts of ln 2, and what leaves the nearest whole number in the low bits of the mantissa.
    const HIGH: f64 = 0.693_147_180_369_123_8;
    const LOW: f64 = 1.908_214_929_270_587_7e-10;
    const NEAREST: f64 = 6_755_399_441_055_744.0;
    let x = choose(x < -746.0, -746.0, x);
    let x = choose(x > 710.0, 710.0, x);
    let shifted = x * std::f64::consts::LOG2_E + NEAREST;
    let n = shifted - NEAREST;
    let k = (shifted.to_bits() as i64).wrapping_sub(NEAREST.to_bits() as i64);
    let r = x - n * HIGH - n * LOW;
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * r + 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    let y = p * (r * r) + r + 1.0;
    let half = (k >> 1).clamp(-600, 600);
    let rest = k.wrapping_sub(half).clamp(-600, 600);
    let power = |n: i64| f64::from_bits(((n + 1023) << 52) as u64);
    y * power(half) * power(rest)
}

/// ln x.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = choose(tiny, x * 8_388_608.0, x);
    let bits = scaled.to_bits();
    // Exponent and mantissa such that the mantissa lies in [sqrt(1/2), sqrt(2)).
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let mut e = (shifted as i32) >> 23;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    e -= choose(tiny, 23, 0);
    let e = e as f32;
    let f = m - 1.0;
    let z = f * f;
    let mut p = 7.037_683_6e-2;
    p = p * f - 1.151_461e-1;
    p = p * f + 1.167_699_9e-1;
    p = p * f - 1.242_014_1e-1;
    p = p * f + 1.424_932_3e-1;
    p = p * f - 1.666_805_8e-1;
    p = p * f + 2.000_071_5e-1;
    p = p * f - 2.499_999_4e-1;
    p = p * f + 0.333_333_3;
    let y = p * f * z + LN2_LOW * e - 0.5 * z;
    let value = f + y + LN2_HIGH * e;
    let value = choose(x == f32::INFINITY, f32::INFINITY, value);
    let value = choose(x > 0.0, value, f32::NAN);
    choose(x == 0.0, f32::NEG_INFINITY, value)
}

/// ln(1 + x).
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let u = 1.0 + x;
    let rounded = u - 1.0;
    let safe = choose(rounded == 0.0, 1.0, rounded);
    let corrected = ln(u) * (x / safe);
    let value = choose(rounded == 0.0, x, corrected);
    choose(x == f32::INFINITY, x, value)
}

/// e^x − 1.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    let u = exp(x);
    let less = u - 1.0;
    // Away from 0 nothing cancels; near 0 the quotient repairs what the rounding of e^x lost.
    let near = choose(u == 1.0, x, less * (x / ln(u)));
    choose(x > -0.75 && x < 0.75, near, less)
}

/// Hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    p = p * z + 0.020_639_09;
    p = p * z - 5.373_971_6e-2;
    p = p * z + 1.333_144_2e-1;
    p = p * z - 0.333_332_8;
    let small = x + x * (z * p);
    let large = 1.0 - 2.0 / (exp(a + a) + 1.0);
    let large = choose(x < 0.0, -large, large);
    choose(a < 0.625, small, large)
}

/// Sine and cosine of an angle in turns, 0 ≤ turns < 1.
#[inline(always)]
pub fn sin_cos_turns(turns: f32) -> (f32, f32) {
    let shifted = turns * 4.0 + ROUND;
    let quarter = shifted.to_bits() & 3;
    let r = (turns - (shifted - ROUND) * 0.25) * std::f32::consts::TAU;
    let z = r * r;
    let mut s = -1.984_127e-4;
    s = s * z + 8.333_333e-3;
    s = s * z - 1.666_666_7e-1;
    let s = r + r * (z * s);
    let mut c = 2.480_158_7e-5;
    c = c * z - 1.388_888_9e-3;
    c = c * z + 4.166_666_7e-2;
    c = c * z - 0.5;
    let c = 1.0 + z * c;
    let swap = quarter & 1 == 1;
    let (sine, cosine) = (choose(swap, c, s), choose(swap, s, c));
    let sine = choose(quarter & 2 == 2, -sine, sine);
    let cosine = choose((quarter + 1) & 2 == 2, -cosine, cosine);
    (sine, cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(name: &str, own: fn(f32) -> f32, reference: fn(f64) -> f64, low: f32, high: f32) {
        let mut points: Vec<f32> = (0..=200_000).map(|i| low + (high - low) * (i as f32 / 200_000.0)).collect();
        points.extend((0..2000).flat_map(|i| {
            let v = 2f32.powf(-149.0 + i as f32 * 0.1385);
            [v, -v]
        }));
        points.extend([
            0.0,
            -0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            1.0,
            -1.0,
            f32::MAX,
            f32::MIN,
            1e-45,
            -1e-45,
        ]);
        for x in points {
            let (got, want) = (f64::from(own(x)), reference(f64::from(x)));
            let want = f64::from(want as f32);
            // A subnormal result has fewer digits to be right in.
            let fine = (got.is_nan() && want.is_nan())
                || got == want
                || (got - want).abs() <= 4e-7 * want.abs() + 2.0 * f64::from(f32::from_bits(1));
            assert!(fine, "{name}({x:e}) = {got:e}, not {want:e}");
        }
    }

    #[test]
    fn every_function_agrees_with_std() {
        agree("exp", exp, f64::exp, -110.0, 95.0);
        agree("ln", ln, f64::ln, -1.0, 20.0);
        agree("ln_1p", ln_1p, f64::ln_1p, -1.5, 20.0);
        agree("exp_m1", exp_m1, f64::exp_m1, -20.0, 95.0);
        agree("tanh", tanh, f64::tanh, -12.0, 12.0);
        use crate::kernel::real::Real;
        agree("sigmoid", <f32 as Real>::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), -110.0, 40.0);
        agree("softplus", <f32 as Real>::softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), -110.0, 40.0);
    }

    #[test]
    fn the_exponential_in_double_precision_agrees_with_std() {
        for i in 0..1 << 20 {
            let x = -745.0 + 1455.0 * f64::from(i) / f64::from(1 << 20);
            let (got, want) = (exp_double(x), x.exp());
            let near = (got - want).abs() <= 4.5e-16 * want + f64::from_bits(1);
            assert!(got == want || near, "e^{x}: {got:e}, not {want:e}");
        }
        assert_eq!(exp_double(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp_double(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp_double(0.0), 1.0);
        assert!(exp_double(f64::NAN).is_nan());
    }

    #[test]
    fn sine_and_cosine_agree_with_std() {
        for i in 0..1 << 20 {
            let t = i as f32 / (1 << 20) as f32;
            let (s, c) = sin_cos_turns(t);
            let (rs, rc) = (f64::from(t) * std::f64::consts::TAU).sin_cos();
            assert!((f64::from(s) - rs).abs() < 4e-7 && (f64::from(c) - rc).abs() < 4e-7, "{t}");
        }
    }
}
