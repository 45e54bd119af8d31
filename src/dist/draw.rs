//! Draws and means of the families.

use super::density::Form;
use super::space::{Label, Named, Space};
use super::value::{Args, Value};
use crate::model::{Arg, Family};
use crate::tensor::op::{Binary, Law, Unary};

/// P(yes) of a Bernoulli, or the class probabilities of a categorical.
fn probabilities(space: &mut Space, form: Form, args: &Args) -> Named {
    match (args.get(Arg::Logit).cloned(), form.class) {
        (Some(logit), Some(class)) => {
            let labels = Space::union(&logit.labels, &[class]);
            let logit = space.align(&logit, &labels);
            space.softmax(&logit, class)
        }
        (Some(logit), None) => space.map(Unary::Sigmoid, &logit),
        (None, class) => {
            let p = args.get(Arg::P).cloned().unwrap_or(space.scalar(0.5));
            match class {
                Some(class) => {
                    let labels = Space::union(&p.labels, &[class]);
                    space.align(&p, &labels)
                }
                None => p,
            }
        }
    }
}

/// The expectation: probabilities for discrete families (indicators for a categorical), the mean for others.
///
/// None for families whose mean has no use here yet.
pub fn mean(space: &mut Space, form: Form, args: &Args) -> Option<Value> {
    let number = |named: Named| Some(Value::Number(named));
    match form.family {
        Family::Bernoulli => {
            let p = probabilities(space, form, args);
            if !form.spin {
                return number(p);
            }
            let (double, one) = (space.scale(&p, 2.0), space.scalar(1.0));
            number(space.sub(&double, &one))
        }
        Family::Categorical => {
            let class = form.class?;
            let hot = probabilities(space, form, args);
            Some(Value::State { hot, class, along: None })
        }
        Family::Normal | Family::Laplace => number(args.get(Arg::Mean)?.clone()),
        Family::Uniform => {
            let sum = space.add(&args.get(Arg::Low)?.clone(), &args.get(Arg::High)?.clone());
            number(space.scale(&sum, 0.5))
        }
        Family::Exponential => {
            let rate = args.get(Arg::Rate)?.clone();
            number(space.map(Unary::Recip, &rate))
        }
        Family::Poisson => number(args.get(Arg::Rate)?.clone()),
        Family::Beta
        | Family::Gamma
        | Family::Dirichlet
        | Family::StudentT
        | Family::LogNormal
        | Family::InverseGamma
        | Family::Multinomial
        | Family::Wishart
        | Family::InverseWishart => None,
    }
}

/// A draw for each entry of `labels` (the class axis of a categorical not among them); differentiable in the arguments
/// where the family is reparameterisable. None for families without a vectorised sampler.
pub fn draw(space: &mut Space, form: Form, args: &Args, labels: &[Label]) -> Option<Value> {
    let number = |named: Named| Some(Value::Number(named));
    match form.family {
        Family::Bernoulli => {
            let p = probabilities(space, form, args);
            let u = space.random(Law::Uniform, labels);
            let yes = space.zip(Binary::Lt, &u, &p);
            let yes = space.align(&yes, labels);
            if !form.spin {
                return number(yes);
            }
            let (double, one) = (space.scale(&yes, 2.0), space.scalar(1.0));
            number(space.sub(&double, &one))
        }
        Family::Categorical => {
            // Gumbel-max: argmax(log p + g) is a draw from p (Yellott 1977).
            let class = form.class?;
            let p = probabilities(space, form, args);
            let log_p = space.map(Unary::Log, &p);
            let all: Vec<Label> = labels.iter().copied().chain([class]).collect();
            let noise = space.random(Law::Gumbel, &all);
            let noisy = space.zip(Binary::Add, &noise, &log_p);
            let noisy = space.align(&noisy, &all);
            let hot = space.one_hot_argmax(&noisy, class);
            Some(Value::State { hot, class, along: None })
        }
        Family::Normal => {
            let noise = space.random(Law::Normal, labels);
            let spread = space.mul(&noise, &args.get(Arg::Sd)?.clone());
            let value = space.add(&spread, &args.get(Arg::Mean)?.clone());
            number(space.align(&value, labels))
        }
        Family::Uniform => {
            let u = space.random(Law::Uniform, labels);
            let (low, high) = (args.get(Arg::Low)?.clone(), args.get(Arg::High)?.clone());
            let width = space.sub(&high, &low);
            let scaled = space.mul(&u, &width);
            let value = space.add(&scaled, &low);
            number(space.align(&value, labels))
        }
        Family::Exponential => {
            let noise = space.random(Law::Exponential, labels);
            let value = space.zip(Binary::Div, &noise, &args.get(Arg::Rate)?.clone());
            number(space.align(&value, labels))
        }
        Family::Laplace => {
            // The difference of two exponentials.
            let (a, b) = (space.random(Law::Exponential, labels), space.random(Law::Exponential, labels));
            let noise = space.sub(&a, &b);
            let spread = space.mul(&noise, &args.get(Arg::Scale)?.clone());
            let value = space.add(&spread, &args.get(Arg::Mean)?.clone());
            number(space.align(&value, labels))
        }
        Family::LogNormal => {
            let noise = space.random(Law::Normal, labels);
            let spread = space.mul(&noise, &args.get(Arg::Sd)?.clone());
            let log = space.add(&spread, &args.get(Arg::Mean)?.clone());
            let value = space.map(Unary::Exp, &log);
            number(space.align(&value, labels))
        }
        Family::Beta
        | Family::Gamma
        | Family::Poisson
        | Family::Dirichlet
        | Family::StudentT
        | Family::InverseGamma
        | Family::Multinomial
        | Family::Wishart
        | Family::InverseWishart => None,
    }
}
