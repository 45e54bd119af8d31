//! The elementwise functions: their names, and what each does to one number. Both executors and the constant folder read this one table.

use serde::{Deserialize, Serialize};

use super::real::Real;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unary {
    /// −x.
    Neg,
    /// e^x.
    Exp,
    /// ln x.
    Log,
    /// ln(1 + x).
    Log1p,
    /// e^x − 1.
    Expm1,
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// ln(1 + e^x).
    Softplus,
    /// Hyperbolic tangent.
    Tanh,
    /// max(x, 0).
    Relu,
    /// |x|.
    Abs,
    /// −1, 0 or 1.
    Sign,
    /// √x.
    Sqrt,
    /// x².
    Square,
    /// 1 / x.
    Recip,
    /// sin x.
    Sin,
    /// cos x.
    Cos,
    /// Largest whole number not above x.
    Floor,
    /// ln |Γ(x)|.
    Lgamma,
    /// Derivative of ln Γ.
    Digamma,
    /// The n-th derivative of digamma, for n ≥ 1 and x > 0.
    Polygamma(u8),
    /// The error function.
    Erf,
    /// 1 where x > 0, else 0.
    Step,
    /// 1 where x is finite, else 0.
    IsFinite,
    /// 1 where x = 0, else 0.
    Not,
}

/// A function of two numbers. Comparisons and logic give 0 or 1; a number counts as true unless it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Binary {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a · b.
    Mul,
    /// a / b.
    Div,
    /// a^b.
    Pow,
    /// The larger; NaN if either is.
    Max,
    /// The smaller; NaN if either is.
    Min,
    /// a < b.
    Lt,
    /// a ≤ b.
    Le,
    /// a = b.
    Eq,
    /// Both true.
    And,
    /// Either true.
    Or,
    /// a · b, but 0 wherever a = 0, whatever b is.
    MulZero,
}

impl Unary {
    /// Its value at `x`.
    #[inline(always)]
    pub fn apply<T: Real>(self, x: T) -> T {
        let truth = |b: bool| if b { T::ONE } else { T::ZERO };
        match self {
            Unary::Neg => -x,
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Log1p => x.ln_1p(),
            Unary::Expm1 => x.exp_m1(),
            Unary::Sigmoid => x.sigmoid(),
            Unary::Softplus => x.softplus(),
            Unary::Tanh => x.tanh(),
            Unary::Relu => {
                if x > T::ZERO || x.is_nan() {
                    x
                } else {
                    T::ZERO
                }
            }
            Unary::Abs => x.abs(),
            Unary::Sign => {
                let s = truth(x > T::ZERO) - truth(x < T::ZERO);
                if x.is_nan() { x } else { s }
            }
            Unary::Sqrt => x.sqrt(),
            Unary::Square => x * x,
            Unary::Recip => T::ONE / x,
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Floor => x.floor(),
            Unary::Lgamma => x.lgamma(),
            Unary::Digamma => x.digamma(),
            Unary::Polygamma(n) => x.polygamma(n),
            Unary::Erf => x.erf(),
            Unary::Step => truth(x > T::ZERO),
            Unary::IsFinite => truth(x.is_finite()),
            Unary::Not => truth(x == T::ZERO),
        }
    }
}

impl Binary {
    /// Its value at (`a`, `b`).
    #[inline(always)]
    pub fn apply<T: Real>(self, a: T, b: T) -> T {
        let truth = |b: bool| if b { T::ONE } else { T::ZERO };
        match self {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
            Binary::Pow => a.powf(b),
            Binary::Max => a.larger(b),
            Binary::Min => a.smaller(b),
            Binary::Lt => truth(a < b),
            Binary::Le => truth(a <= b),
            Binary::Eq => truth(a == b),
            Binary::And => truth(a != T::ZERO && b != T::ZERO),
            Binary::Or => truth(a != T::ZERO || b != T::ZERO),
            Binary::MulZero => {
                if a == T::ZERO {
                    T::ZERO
                } else {
                    a * b
                }
            }
        }
    }

    /// Whether the operands can change places.
    pub fn commutes(self) -> bool {
        match self {
            Binary::Add | Binary::Mul | Binary::Max | Binary::Min | Binary::Eq | Binary::And | Binary::Or => true,
            Binary::Sub | Binary::Div | Binary::Pow | Binary::Lt | Binary::Le | Binary::MulZero => false,
        }
    }
}

/// How a reduction joins the numbers along the axes it removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reduction {
    /// Their sum; 0 for none.
    Sum,
    /// The largest; minus infinity for none.
    Max,
    /// The smallest; plus infinity for none.
    Min,
}

/// The law of a random draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Law {
    /// Uniform in [0, 1), in steps of 2^-24 (`f32`) or 2^-32 (`f64`).
    Uniform,
    /// Normal of mean 0 and variance 1.
    Normal,
    /// Standard Gumbel: −ln(−ln u).
    Gumbel,
    /// Exponential of mean 1.
    Exponential,
}
