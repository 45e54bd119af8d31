//! Log-densities of whole vectors. Where every row meets every one of several components, the sum over a vector's entries is written
//! as matrix products of statistics of the rows and natural parameters of the components, so that no array ranges over rows,
//! components and entries at once.

use super::density::{Form, LN_TAU, log_density, unit_value};
use super::space::{Label, Named, Space};
use super::value::{Args, Value};
use crate::model::{Arg, Family};
use crate::tensor::op::Unary;

/// log D(value; args) summed over the axes `event`, in nats.
pub fn log_density_over(space: &mut Space, form: Form, args: &Args, value: &Value, event: &[Label]) -> Named {
    if let Value::Number(x) = value
        && meets(space, x, args, event)
        && let Some(found) = as_products(space, form, args, value, event)
    {
        return found;
    }
    let entries = log_density(space, form, args, value);
    space.total(&entries, event)
}

/// Whether values and arguments each range over axes that the other does not, beside more than one entry.
fn meets(space: &Space, x: &Named, args: &Args, event: &[Label]) -> bool {
    let entries: usize = event.iter().filter(|&&l| x.has(l)).map(|&l| space.extent(l)).product();
    let many = |labels: &[Label], other: &dyn Fn(Label) -> bool| {
        labels.iter().any(|&l| !event.contains(&l) && !other(l) && space.extent(l) > 1)
    };
    let given = |l: Label| args.0.iter().any(|(_, a)| a.has(l));
    entries > 1 && many(&x.labels, &given) && args.0.iter().any(|(_, a)| many(&a.labels, &|l| x.has(l)))
}

/// The sum as products of statistics and natural parameters, for families that have them.
fn as_products(space: &mut Space, form: Form, args: &Args, value: &Value, event: &[Label]) -> Option<Named> {
    let x = value.array().clone();
    let product = |space: &mut Space, a: &Named, b: &Named| {
        let product = space.mul(a, b);
        space.total(&product, event)
    };
    match form.family {
        Family::Normal => {
            // −½ Σ y²/σ² + Σ y·m/σ² − Σ(½ m²/σ² + log σ + ½ log 2π) about the components' centre, so that little cancels.
            let (mean, sd) = (args.get(Arg::Mean)?, args.get(Arg::Sd)?);
            let own: Vec<Label> = mean.labels.iter().copied().filter(|l| !event.contains(l) && !x.has(*l)).collect();
            let count: usize = own.iter().map(|&l| space.extent(l)).product();
            let sum = space.sum(mean, &own);
            let centre = space.scale(&sum, 1.0 / count as f64);
            let centre = space.stop(&centre);
            let (y, m) = (space.sub(&x, &centre), space.sub(mean, &centre));
            let variance = space.map(Unary::Square, sd);
            let precision = space.map(Unary::Recip, &variance);
            let square = space.map(Unary::Square, &y);
            let quadratic = product(space, &square, &precision);
            let slope = space.mul(&m, &precision);
            let linear = product(space, &y, &slope);
            let own = space.mul(&m, &slope);
            let log_sd = space.map(Unary::Log, sd);
            let constant = space.scalar(0.5 * LN_TAU);
            let half = space.scale(&own, 0.5);
            let rest = space.add(&log_sd, &constant);
            let rest = space.add(&half, &rest);
            let rest = space.total(&rest, event);
            let quadratic = space.scale(&quadratic, -0.5);
            let told = space.add(&quadratic, &linear);
            Some(space.sub(&told, &rest))
        }
        Family::Bernoulli => {
            // Σ x·l − Σ softplus(l)
            let logit = args.get(Arg::Logit)?;
            let x = unit_value(space, form, value);
            let linear = product(space, &x, logit);
            let normaliser = space.map(Unary::Softplus, logit);
            let normaliser = space.total(&normaliser, event);
            Some(space.sub(&linear, &normaliser))
        }
        _ => None,
    }
}
