//! The number types programs run in, `f32` and `f64`, behind one trait.

use std::fmt::{Debug, Display};
use std::hint::select_unpredictable as choose;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::{math, special};

/// A real number type a program can run in.
///
/// In `f32` the elementary functions are polynomials that a vector unit can run (errors below 4e-7 relative, see
/// [`math`]), without fused multiply-adds, so that every machine computes the same bits; in `f64` they are the standard library's.
pub trait Real:
    Copy
    + Default
    + Debug
    + Display
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Minus infinity.
    const NEG_INFINITY: Self;
    /// Plus infinity.
    const INFINITY: Self;
    /// Distance from 1 to the next number.
    const EPSILON: Self;
    /// The type's name.
    const NAME: &'static str;

    /// The nearest number of this type.
    fn of(value: f64) -> Self;
    /// The same number in `f64`.
    fn to_f64(self) -> f64;
    /// The nearest number to a count.
    fn of_index(value: usize) -> Self;
    /// The whole number this stands for, if it is one and lies in `0..bound`.
    fn to_index(self, bound: usize) -> Option<usize>;
    /// `self · a + b`, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Largest whole number not above x.
    fn floor(self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Not a number.
    fn is_nan(self) -> bool;
    /// e^x.
    fn exp(self) -> Self;
    /// e^x within two units of the last place, in a form that a vector unit can run.
    fn vector_exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self;
    /// e^x − 1, accurate near 0.
    fn exp_m1(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Sine of an angle in radians.
    fn sin(self) -> Self;
    /// Cosine of an angle in radians.
    fn cos(self) -> Self;
    /// x^y.
    fn powf(self, y: Self) -> Self;
    /// ln |Γ(x)|.
    fn lgamma(self) -> Self;
    /// Derivative of ln Γ.
    fn digamma(self) -> Self;
    /// The `n`-th derivative of digamma.
    fn polygamma(self, n: u8) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// A word as a number in [0, 1).
    fn unit(word: u32) -> Self;
    /// A word as a number in (0, 1].
    fn unit_above_zero(word: u32) -> Self;
    /// A word as a number in (0, 1).
    fn unit_open(word: u32) -> Self;
    /// Sine and cosine of an angle given in turns in [0, 1).
    fn sin_cos_turns(turns: Self) -> (Self, Self);

    /// The larger; NaN if either is.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        choose((self > other) | self.is_nan(), self, other)
    }

    /// The smaller; NaN if either is.
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        choose((self < other) | self.is_nan(), self, other)
    }

    /// 1 / (1 + e^−x), accurate in both tails.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let e = (-self.abs()).exp();
        let r = Self::ONE / (Self::ONE + e);
        choose(self < Self::ZERO, e * r, r)
    }

    /// ln(1 + e^x), accurate in both tails.
    #[inline(always)]
    fn softplus(self) -> Self {
        let positive = choose(self > Self::ZERO, self, Self::ZERO);
        positive + (-self.abs()).exp().ln_1p()
    }
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const NEG_INFINITY: f32 = f32::NEG_INFINITY;
    const INFINITY: f32 = f32::INFINITY;
    const EPSILON: f32 = f32::EPSILON;
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn of(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn of_index(value: usize) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn to_index(self, bound: usize) -> Option<usize> {
        let i = self as usize;
        (self >= 0.0 && i as f32 == self && i < bound).then_some(i)
    }
    #[inline(always)]
    fn fused(self, a: f32, b: f32) -> f32 {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn floor(self) -> f32 {
        f32::floor(self)
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }
    #[inline(always)]
    fn exp(self) -> f32 {
        math::exp(self)
    }
    #[inline(always)]
    fn vector_exp(self) -> f32 {
        math::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> f32 {
        math::ln(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> f32 {
        math::ln_1p(self)
    }
    #[inline(always)]
    fn exp_m1(self) -> f32 {
        math::exp_m1(self)
    }
    #[inline(always)]
    fn tanh(self) -> f32 {
        math::tanh(self)
    }
    #[inline(always)]
    fn sin(self) -> f32 {
        f32::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> f32 {
        f32::cos(self)
    }
    #[inline(always)]
    fn powf(self, y: f32) -> f32 {
        f32::powf(self, y)
    }
    fn lgamma(self) -> f32 {
        libm::lgamma(f64::from(self)) as f32
    }
    fn digamma(self) -> f32 {
        special::digamma(f64::from(self)) as f32
    }
    fn polygamma(self, n: u8) -> f32 {
        special::polygamma(n, f64::from(self)) as f32
    }
    fn erf(self) -> f32 {
        libm::erf(f64::from(self)) as f32
    }
    #[inline(always)]
    fn unit(word: u32) -> f32 {
        // Through i32, which vector units convert in one instruction; 24 bits always fit.
        ((word >> 8) as i32) as f32 * (1.0 / 16_777_216.0)
    }
    #[inline(always)]
    fn unit_above_zero(word: u32) -> f32 {
        ((word >> 8) as i32 + 1) as f32 * (1.0 / 16_777_216.0)
    }
    #[inline(always)]
    fn unit_open(word: u32) -> f32 {
        (((word >> 9) as i32) as f32 + 0.5) * (1.0 / 8_388_608.0)
    }
    #[inline(always)]
    fn sin_cos_turns(turns: f32) -> (f32, f32) {
        math::sin_cos_turns(turns)
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const NEG_INFINITY: f64 = f64::NEG_INFINITY;
    const INFINITY: f64 = f64::INFINITY;
    const EPSILON: f64 = f64::EPSILON;
    const NAME: &'static str = "f64";

    #[inline(always)]
    fn of(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn of_index(value: usize) -> f64 {
        value as f64
    }
    #[inline(always)]
    fn to_index(self, bound: usize) -> Option<usize> {
        let i = self as usize;
        (self >= 0.0 && i as f64 == self && i < bound).then_some(i)
    }
    #[inline(always)]
    fn fused(self, a: f64, b: f64) -> f64 {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn floor(self) -> f64 {
        f64::floor(self)
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }
    #[inline(always)]
    fn exp(self) -> f64 {
        f64::exp(self)
    }
    #[inline(always)]
    fn vector_exp(self) -> f64 {
        math::exp_double(self)
    }
    #[inline(always)]
    fn ln(self) -> f64 {
        f64::ln(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> f64 {
        f64::ln_1p(self)
    }
    #[inline(always)]
    fn exp_m1(self) -> f64 {
        f64::exp_m1(self)
    }
    #[inline(always)]
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
    #[inline(always)]
    fn sin(self) -> f64 {
        f64::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> f64 {
        f64::cos(self)
    }
    #[inline(always)]
    fn powf(self, y: f64) -> f64 {
        f64::powf(self, y)
    }
    fn lgamma(self) -> f64 {
        libm::lgamma(self)
    }
    fn digamma(self) -> f64 {
        special::digamma(self)
    }
    fn polygamma(self, n: u8) -> f64 {
        special::polygamma(n, self)
    }
    fn erf(self) -> f64 {
        libm::erf(self)
    }
    #[inline(always)]
    fn unit(word: u32) -> f64 {
        f64::from(word) * (1.0 / 4_294_967_296.0)
    }
    #[inline(always)]
    fn unit_above_zero(word: u32) -> f64 {
        (f64::from(word) + 1.0) * (1.0 / 4_294_967_296.0)
    }
    #[inline(always)]
    fn unit_open(word: u32) -> f64 {
        (f64::from(word) + 0.5) * (1.0 / 4_294_967_296.0)
    }
    #[inline(always)]
    fn sin_cos_turns(turns: f64) -> (f64, f64) {
        (turns * std::f64::consts::TAU).sin_cos()
    }
}
