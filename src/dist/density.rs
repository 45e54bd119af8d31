//! Log-densities of the families, an entry each.

use super::space::{Label, Named, Space};
use super::value::{Args, Value};
use crate::model::{Arg, Family};
use crate::tensor::op::{Binary, Semiring, Unary};

/// What a family's arithmetic needs besides its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The family.
    pub family: Family,
    /// Whether the value is ±1 and not 0/1.
    pub spin: bool,
    /// The axis of the classes, for a categorical; the simplex axis, for a Dirichlet.
    pub class: Option<Label>,
    /// Whether the logarithm of zero counts as `LOG_ZERO`: where a value is summed in closed form, its slopes must be finite.
    pub floor: bool,
}

/// Stands for log 0 in nats: far below any evidence there is, and near enough to keep ten digits beside it.
const LOG_ZERO: f64 = -2e4;

/// log p, from below bounded where the form asks for it.
fn log_probability(space: &mut Space, form: Form, p: &Named) -> Named {
    if !form.floor {
        return space.map(Unary::Log, p);
    }
    // The logarithm is taken of a number that is not zero, so that its derivative is finite on both branches.
    let (zero, one, low) = (space.scalar(0.0), space.scalar(1.0), space.scalar(LOG_ZERO));
    let some = space.zip(Binary::Lt, &zero, p);
    let safe = space.select(&some, p, &one);
    let log = space.map(Unary::Log, &safe);
    space.select(&some, &log, &low)
}

/// ln 2π.
pub(super) const LN_TAU: f64 = 1.837_877_066_409_345_5;

/// log D(value; args) for each entry; in nats. A grey `Bool` (strictly between 0 and 1) gets the expectation under it.
pub fn log_density(space: &mut Space, form: Form, args: &Args, value: &Value) -> Named {
    let zero = space.scalar(0.0);
    let arg = |role: Arg| args.get(role).cloned().unwrap_or(zero.clone());
    match form.family {
        Family::Bernoulli => {
            let x = unit_value(space, form, value);
            match args.get(Arg::Logit) {
                Some(logit) => {
                    // x·l − softplus(l)
                    let linear = space.mul(&x, logit);
                    let normaliser = space.map(Unary::Softplus, logit);
                    space.sub(&linear, &normaliser)
                }
                None => {
                    let p = arg(Arg::P);
                    let (q, not_x) = (space.complement(&p), space.complement(&x));
                    let (log_p, log_q) = (log_probability(space, form, &p), log_probability(space, form, &q));
                    let (yes, no) = (space.mul_zero(&x, &log_p), space.mul_zero(&not_x, &log_q));
                    space.add(&yes, &no)
                }
            }
        }
        Family::Categorical => {
            let Some(class) = form.class else { return zero };
            let (role, is_logit) = match args.get(Arg::Logit) {
                Some(_) => (Arg::Logit, true),
                None => (Arg::P, false),
            };
            let raw = arg(role);
            let labels = Space::union(&raw.labels, &[class]);
            let raw = space.align(&raw, &labels);
            let log_p = if is_logit {
                let normaliser = space.log_sum_exp(&raw, class, Semiring::Soft);
                space.sub(&raw, &normaliser)
            } else {
                log_probability(space, form, &raw)
            };
            value.pick(space, &log_p, class)
        }
        Family::Normal => {
            // −½((x − μ)/σ)² − log σ − ½ log 2π
            let (mean, sd) = (arg(Arg::Mean), arg(Arg::Sd));
            let centred = space.sub(value.array(), &mean);
            let ratio = space.zip(Binary::Div, &centred, &sd);
            let square = space.map(Unary::Square, &ratio);
            let quadratic = space.scale(&square, -0.5);
            let log_sd = space.map(Unary::Log, &sd);
            let constant = space.scalar(-0.5 * LN_TAU);
            let rest = space.sub(&constant, &log_sd);
            space.add(&quadratic, &rest)
        }
        Family::Laplace => {
            // −|x − μ|/b − log 2b
            let (mean, scale) = (arg(Arg::Mean), arg(Arg::Scale));
            let centred = space.sub(value.array(), &mean);
            let distance = space.map(Unary::Abs, &centred);
            let ratio = space.zip(Binary::Div, &distance, &scale);
            let double = space.scale(&scale, 2.0);
            let log = space.map(Unary::Log, &double);
            let sum = space.add(&ratio, &log);
            space.map(Unary::Neg, &sum)
        }
        Family::Uniform => {
            // −log(high − low) inside, −∞ outside
            let (low, high) = (arg(Arg::Low), arg(Arg::High));
            let width = space.sub(&high, &low);
            let log = space.map(Unary::Log, &width);
            let density = space.map(Unary::Neg, &log);
            let above = space.zip(Binary::Le, &low, value.array());
            let below = space.zip(Binary::Le, value.array(), &high);
            let inside = space.zip(Binary::And, &above, &below);
            let never = space.scalar(f64::NEG_INFINITY);
            space.select(&inside, &density, &never)
        }
        Family::Exponential => {
            // log λ − λx
            let rate = arg(Arg::Rate);
            let log = space.map(Unary::Log, &rate);
            let linear = space.mul(&rate, value.array());
            space.sub(&log, &linear)
        }
        Family::Beta => {
            // (a−1) log x + (b−1) log(1−x) − log B(a, b)
            let (a, b) = (arg(Arg::A), arg(Arg::B));
            let x = value.array().clone();
            let not_x = space.complement(&x);
            let one = space.scalar(1.0);
            let (a1, b1) = (space.sub(&a, &one), space.sub(&b, &one));
            let (log_x, log_not) = (space.map(Unary::Log, &x), space.map(Unary::Log, &not_x));
            let (left, right) = (space.mul_zero(&a1, &log_x), space.mul_zero(&b1, &log_not));
            let (ga, gb) = (space.map(Unary::Lgamma, &a), space.map(Unary::Lgamma, &b));
            let sum = space.add(&a, &b);
            let gab = space.map(Unary::Lgamma, &sum);
            let parts = [right, gab];
            let plus = parts.iter().fold(left, |acc, p| space.add(&acc, p));
            let minus = space.add(&ga, &gb);
            space.sub(&plus, &minus)
        }
        Family::Gamma => {
            // k log β + (k−1) log x − βx − log Γ(k)
            let (k, rate) = (arg(Arg::Shape), arg(Arg::Rate));
            let x = value.array().clone();
            let log_rate = space.map(Unary::Log, &rate);
            let first = space.mul(&k, &log_rate);
            let one = space.scalar(1.0);
            let k1 = space.sub(&k, &one);
            let log_x = space.map(Unary::Log, &x);
            let second = space.mul_zero(&k1, &log_x);
            let third = space.mul(&rate, &x);
            let log_gamma = space.map(Unary::Lgamma, &k);
            let plus = space.add(&first, &second);
            let minus = space.add(&third, &log_gamma);
            space.sub(&plus, &minus)
        }
        Family::Poisson => {
            // x log λ − λ − log x!
            let rate = arg(Arg::Rate);
            let x = value.array().clone();
            let log_rate = space.map(Unary::Log, &rate);
            let first = space.mul_zero(&x, &log_rate);
            let one = space.scalar(1.0);
            let next = space.add(&x, &one);
            let log_factorial = space.map(Unary::Lgamma, &next);
            let minus = space.add(&rate, &log_factorial);
            space.sub(&first, &minus)
        }
        Family::StudentT => {
            // log Γ((ν+1)/2) − log Γ(ν/2) − ½ log νπ − log σ − (ν+1)/2 log(1 + ((x − μ)/σ)²/ν)
            let (dof, mean, scale) = (arg(Arg::Dof), arg(Arg::Mean), arg(Arg::Scale));
            let centred = space.sub(value.array(), &mean);
            let ratio = space.zip(Binary::Div, &centred, &scale);
            let square = space.map(Unary::Square, &ratio);
            let over = space.zip(Binary::Div, &square, &dof);
            let one = space.scalar(1.0);
            let inner = space.add(&one, &over);
            let log = space.map(Unary::Log, &inner);
            let next = space.add(&dof, &one);
            let (half_next, half) = (space.scale(&next, 0.5), space.scale(&dof, 0.5));
            let tail = space.mul(&half_next, &log);
            let (up, down) = (space.map(Unary::Lgamma, &half_next), space.map(Unary::Lgamma, &half));
            let width = space.scale(&dof, std::f64::consts::PI);
            let log_width = space.map(Unary::Log, &width);
            let log_width = space.scale(&log_width, 0.5);
            let log_scale = space.map(Unary::Log, &scale);
            let minus = [log_width, log_scale, tail].iter().fold(down, |sum, part| space.add(&sum, part));
            space.sub(&up, &minus)
        }
        Family::LogNormal => {
            // the normal's density of log x, less log x
            let (mean, sd) = (arg(Arg::Mean), arg(Arg::Sd));
            let log_x = space.map(Unary::Log, value.array());
            let centred = space.sub(&log_x, &mean);
            let ratio = space.zip(Binary::Div, &centred, &sd);
            let square = space.map(Unary::Square, &ratio);
            let quadratic = space.scale(&square, -0.5);
            let log_sd = space.map(Unary::Log, &sd);
            let constant = space.scalar(-0.5 * LN_TAU);
            let minus = space.add(&log_sd, &log_x);
            let rest = space.sub(&constant, &minus);
            space.add(&quadratic, &rest)
        }
        Family::InverseGamma => {
            // k log s − log Γ(k) − (k+1) log x − s/x
            let (k, scale) = (arg(Arg::Shape), arg(Arg::Scale));
            let (log_scale, log_x) = (space.map(Unary::Log, &scale), space.map(Unary::Log, value.array()));
            let first = space.mul(&k, &log_scale);
            let log_gamma = space.map(Unary::Lgamma, &k);
            let one = space.scalar(1.0);
            let next = space.add(&k, &one);
            let second = space.mul(&next, &log_x);
            let third = space.zip(Binary::Div, &scale, value.array());
            let minus = [second, third].iter().fold(log_gamma, |sum, part| space.add(&sum, part));
            space.sub(&first, &minus)
        }
        // One density for many entries: these are `joint`'s.
        Family::Multinomial | Family::Wishart | Family::InverseWishart => zero,
        Family::Dirichlet => {
            // Σ(αₖ−1) log xₖ + log Γ(Σα) − Σ log Γ(αₖ)
            let Some(class) = form.class else { return zero };
            let raw = arg(Arg::Concentration);
            let labels = Space::union(&raw.labels, &[class]);
            let alpha = space.align(&raw, &labels);
            let one = space.scalar(1.0);
            let less = space.sub(&alpha, &one);
            let log_x = space.map(Unary::Log, value.array());
            let weighted = space.mul_zero(&less, &log_x);
            let first = space.sum(&weighted, &[class]);
            let total = space.sum(&alpha, &[class]);
            let second = space.map(Unary::Lgamma, &total);
            let gammas = space.map(Unary::Lgamma, &alpha);
            let third = space.sum(&gammas, &[class]);
            let plus = space.add(&first, &second);
            space.sub(&plus, &third)
        }
    }
}

/// A Bernoulli's value as 0..1, whichever way the domain writes it.
pub(super) fn unit_value(space: &mut Space, form: Form, value: &Value) -> Named {
    let x = value.array().clone();
    if !form.spin {
        return x;
    }
    let half = space.scale(&x, 0.5);
    let shift = space.scalar(0.5);
    space.add(&half, &shift)
}
