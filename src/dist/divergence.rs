//! Kullback–Leibler divergences in closed form.

use super::density::Form;
use super::space::{Named, Space};
use super::value::Args;
use crate::model::{Arg, Family};
use crate::tensor::op::{Binary, Semiring, Unary};

/// KL(q ‖ p) of two members of one family for each entry, in nats; none where there is no closed form.
pub fn kl_divergence(space: &mut Space, form: Form, q: &Args, p: &Args) -> Option<Named> {
    match form.family {
        Family::Normal => {
            // log(σp/σq) + (σq² + (μq − μp)²) / 2σp² − ½ (Kingma & Welling 2014, appendix B, for μp = 0, σp = 1)
            let (mq, sq) = (q.get(Arg::Mean)?.clone(), q.get(Arg::Sd)?.clone());
            let (mp, sp) = (p.get(Arg::Mean)?.clone(), p.get(Arg::Sd)?.clone());
            let (log_p, log_q) = (space.map(Unary::Log, &sp), space.map(Unary::Log, &sq));
            let logs = space.sub(&log_p, &log_q);
            let apart = space.sub(&mq, &mp);
            let (a, b) = (space.map(Unary::Square, &sq), space.map(Unary::Square, &apart));
            let sum = space.add(&a, &b);
            let variance = space.map(Unary::Square, &sp);
            let ratio = space.zip(Binary::Div, &sum, &variance);
            let half = space.scale(&ratio, 0.5);
            let constant = space.scalar(-0.5);
            let rest = space.add(&half, &constant);
            Some(space.add(&logs, &rest))
        }
        Family::Bernoulli => {
            let (yes_q, no_q) = bernoulli_logs(space, q);
            let (yes_p, no_p) = bernoulli_logs(space, p);
            let (pq, nq) = (space.map(Unary::Exp, &yes_q), space.map(Unary::Exp, &no_q));
            let (a, b) = (space.sub(&yes_q, &yes_p), space.sub(&no_q, &no_p));
            let (a, b) = (space.mul_zero(&pq, &a), space.mul_zero(&nq, &b));
            Some(space.add(&a, &b))
        }
        Family::Categorical => {
            let class = form.class?;
            let mut logs = |args: &Args| {
                let (raw, is_logit) = match args.get(Arg::Logit) {
                    Some(logit) => (logit.clone(), true),
                    None => (args.get(Arg::P).cloned()?, false),
                };
                let labels = Space::union(&raw.labels, &[class]);
                let raw = space.align(&raw, &labels);
                if !is_logit {
                    return Some(space.map(Unary::Log, &raw));
                }
                let normaliser = space.log_sum_exp(&raw, class, Semiring::Soft);
                Some(space.sub(&raw, &normaliser))
            };
            let (log_q, log_p) = (logs(q)?, logs(p)?);
            let weights = space.map(Unary::Exp, &log_q);
            let ratio = space.sub(&log_q, &log_p);
            let weighted = space.mul_zero(&weights, &ratio);
            Some(space.sum(&weighted, &[class]))
        }
        Family::Uniform
        | Family::Exponential
        | Family::Laplace
        | Family::Beta
        | Family::Gamma
        | Family::Poisson
        | Family::Dirichlet
        | Family::StudentT
        | Family::LogNormal
        | Family::InverseGamma
        | Family::Multinomial
        | Family::Wishart
        | Family::InverseWishart => None,
    }
}

/// log P(yes) and log P(no).
fn bernoulli_logs(space: &mut Space, args: &Args) -> (Named, Named) {
    match args.get(Arg::Logit).cloned() {
        Some(logit) => {
            let minus = space.map(Unary::Neg, &logit);
            let (a, b) = (space.map(Unary::Softplus, &minus), space.map(Unary::Softplus, &logit));
            (space.map(Unary::Neg, &a), space.map(Unary::Neg, &b))
        }
        None => {
            let p = args.get(Arg::P).cloned().unwrap_or(space.scalar(0.5));
            let q = space.complement(&p);
            (space.map(Unary::Log, &p), space.map(Unary::Log, &q))
        }
    }
}
