//! Cards of the distribution families: what each takes, what it can produce, and what inference may assume of it.
//!
//! The arithmetic (densities, draws, entropies) is the bridge's, in `dist`; here stands only what checking and planning need.

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use super::program::Domain;

/// A family of distributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// Bernoulli over `Bool` (or `Spin`): `Bernoulli(p)` or `Bernoulli(logit = ..)`.
    Bernoulli,
    /// Categorical over an enumeration: `Categorical(p)`, `Categorical(logit = ..)`, `Categorical(uniform)`.
    Categorical,
    /// Normal over `Real`, independent along its event axes: `Normal(mean, sd = ..)`.
    Normal,
    /// Continuous uniform on an interval: `Uniform(low, high)`.
    Uniform,
    /// Exponential over `Positive`: `Exponential(rate = ..)`.
    Exponential,
    /// Laplace over `Real`: `Laplace(mean, scale = ..)`.
    Laplace,
    /// Beta over `Unit`: `Beta(a, b)`.
    Beta,
    /// Gamma over `Positive`: `Gamma(shape, rate = ..)`.
    Gamma,
    /// Poisson over `Count`: `Poisson(rate)`.
    Poisson,
    /// Dirichlet over `Simplex`: `Dirichlet(concentration)`.
    Dirichlet,
    /// Student's t over `Real`: `StudentT(dof, mean, scale = ..)`.
    StudentT,
    /// Log-normal over `Positive`: `LogNormal(mean, sd = ..)`, mean and sd of the logarithm.
    LogNormal,
    /// Inverse gamma over `Positive`: `InverseGamma(shape, scale = ..)`.
    InverseGamma,
    /// Multinomial over `Count[V]` of a known total: `Multinomial(total, p)` or `Multinomial(total, logit = ..)`.
    Multinomial,
    /// Wishart over `Cov`: `Wishart(dof, scale = ..)`.
    Wishart,
    /// Inverse Wishart over `Cov`: `InverseWishart(dof, scale = ..)`.
    InverseWishart,
}

/// The role an argument of a distribution plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Arg {
    /// A probability, or a vector of them that sums to one.
    P,
    /// Log-odds, or unnormalised log-probabilities.
    Logit,
    /// Mean.
    Mean,
    /// Standard deviation.
    Sd,
    /// Lower end.
    Low,
    /// Upper end.
    High,
    /// Rate, the inverse of a scale.
    Rate,
    /// Scale.
    Scale,
    /// Shape.
    Shape,
    /// First concentration of a beta.
    A,
    /// Second concentration of a beta.
    B,
    /// Concentration of a Dirichlet.
    Concentration,
    /// A covariance matrix.
    Cov,
    /// Degrees of freedom.
    Dof,
    /// A number of trials.
    Total,
}

/// A family with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dist {
    /// Which family.
    pub family: Family,
    /// Its arguments, each with the role it plays.
    pub args: Vec<(Arg, Expr)>,
}

impl Dist {
    /// The argument of that role.
    pub fn arg(&self, role: Arg) -> Option<&Expr> {
        self.args.iter().find(|(r, _)| *r == role).map(|(_, e)| e)
    }
}

/// One way of calling a family: the roles of its arguments, positional ones first.
pub struct Signature {
    /// Roles that may be given by position, in order; each may also be named.
    pub positional: &'static [Arg],
    /// Roles that must be named, because the literature disagrees about them.
    pub named: &'static [Arg],
}

impl Arg {
    /// The word by which the argument is named in a file.
    pub fn word(self) -> &'static str {
        match self {
            Arg::P => "p",
            Arg::Logit => "logit",
            Arg::Mean => "mean",
            Arg::Sd => "sd",
            Arg::Low => "low",
            Arg::High => "high",
            Arg::Rate => "rate",
            Arg::Scale => "scale",
            Arg::Shape => "shape",
            Arg::A => "a",
            Arg::B => "b",
            Arg::Concentration => "concentration",
            Arg::Cov => "cov",
            Arg::Dof => "dof",
            Arg::Total => "total",
        }
    }

    /// The domain an argument must lie in (for vectors: each entry, or the whole for `P` of a categorical).
    pub fn domain(self, family: Family) -> Domain {
        match self {
            Arg::P if matches!(family, Family::Categorical | Family::Multinomial) => Domain::Simplex,
            Arg::Cov => Domain::Cov,
            Arg::Scale if matches!(family, Family::Wishart | Family::InverseWishart) => Domain::Cov,
            Arg::P => Domain::Unit,
            Arg::Logit | Arg::Mean | Arg::Low | Arg::High => Domain::Real,
            Arg::Total => Domain::Count,
            Arg::Sd | Arg::Rate | Arg::Scale | Arg::Shape | Arg::A | Arg::B | Arg::Concentration | Arg::Dof => {
                Domain::Positive
            }
        }
    }
}

/// How an argument that is a table of parameters is fitted to weighted observations: the M-step of expectation-maximisation
/// (Dempster, Laird & Rubin 1977).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// A table of probabilities: shares of expected counts.
    Counts,
    /// The probability of a yes: its expected share.
    Share,
    /// The rate of events: the weighted mean of the observations.
    Rate,
    /// The inverse of the weighted mean of the observations.
    InverseMean,
    /// The location of a normal density: the weighted mean of the observations, or of their logarithms.
    Mean,
    /// Its spread: the root of the weighted mean square about the mean.
    Spread,
}

impl Family {
    /// How an argument is fitted in closed form; none where the family has no such form.
    pub fn fit(self, role: Arg) -> Option<Fit> {
        match (self, role) {
            (Family::Categorical | Family::Multinomial, Arg::P) => Some(Fit::Counts),
            (Family::Bernoulli, Arg::P) => Some(Fit::Share),
            (Family::Poisson, Arg::Rate) => Some(Fit::Rate),
            (Family::Exponential, Arg::Rate) => Some(Fit::InverseMean),
            (Family::Normal | Family::LogNormal, Arg::Mean) => Some(Fit::Mean),
            (Family::Normal | Family::LogNormal, Arg::Sd) => Some(Fit::Spread),
            _ => None,
        }
    }

    /// Every family.
    pub const ALL: [Family; 16] = [
        Family::Bernoulli,
        Family::Categorical,
        Family::Normal,
        Family::Uniform,
        Family::Exponential,
        Family::Laplace,
        Family::Beta,
        Family::Gamma,
        Family::Poisson,
        Family::Dirichlet,
        Family::StudentT,
        Family::LogNormal,
        Family::InverseGamma,
        Family::Multinomial,
        Family::Wishart,
        Family::InverseWishart,
    ];

    /// The name by which files call it.
    pub fn name(self) -> &'static str {
        match self {
            Family::Bernoulli => "Bernoulli",
            Family::Categorical => "Categorical",
            Family::Normal => "Normal",
            Family::Uniform => "Uniform",
            Family::Exponential => "Exponential",
            Family::Laplace => "Laplace",
            Family::Beta => "Beta",
            Family::Gamma => "Gamma",
            Family::Poisson => "Poisson",
            Family::Dirichlet => "Dirichlet",
            Family::StudentT => "StudentT",
            Family::LogNormal => "LogNormal",
            Family::InverseGamma => "InverseGamma",
            Family::Multinomial => "Multinomial",
            Family::Wishart => "Wishart",
            Family::InverseWishart => "InverseWishart",
        }
    }

    /// The family of that name.
    pub fn find(name: &str) -> Option<Family> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// The ways in which it can be called.
    pub fn signatures(self) -> &'static [Signature] {
        const fn s(positional: &'static [Arg], named: &'static [Arg]) -> Signature {
            Signature { positional, named }
        }
        match self {
            Family::Bernoulli | Family::Categorical => const { &[s(&[Arg::P], &[]), s(&[], &[Arg::Logit])] },
            Family::Normal => const { &[s(&[Arg::Mean], &[Arg::Sd]), s(&[Arg::Mean], &[Arg::Cov])] },
            Family::Uniform => const { &[s(&[Arg::Low, Arg::High], &[])] },
            Family::Exponential => const { &[s(&[], &[Arg::Rate])] },
            Family::Laplace => const { &[s(&[Arg::Mean], &[Arg::Scale])] },
            Family::Beta => const { &[s(&[Arg::A, Arg::B], &[])] },
            Family::Gamma => const { &[s(&[Arg::Shape], &[Arg::Rate])] },
            Family::Poisson => const { &[s(&[Arg::Rate], &[])] },
            Family::Dirichlet => const { &[s(&[Arg::Concentration], &[])] },
            Family::StudentT => const { &[s(&[Arg::Dof, Arg::Mean], &[Arg::Scale])] },
            Family::LogNormal => const { &[s(&[Arg::Mean], &[Arg::Sd])] },
            Family::InverseGamma => const { &[s(&[Arg::Shape], &[Arg::Scale])] },
            Family::Multinomial => const { &[s(&[Arg::Total, Arg::P], &[]), s(&[Arg::Total], &[Arg::Logit])] },
            Family::Wishart | Family::InverseWishart => const { &[s(&[Arg::Dof], &[Arg::Scale])] },
        }
    }

    /// Whether a variable of that domain can have this distribution.
    pub fn covers(self, domain: &Domain) -> bool {
        match self {
            Family::Bernoulli => matches!(domain, Domain::Bool | Domain::Spin),
            Family::Categorical => matches!(domain, Domain::Cat(_)),
            Family::Normal | Family::Laplace | Family::StudentT => matches!(domain, Domain::Real),
            Family::Uniform => matches!(domain, Domain::Real | Domain::Unit | Domain::Positive),
            Family::Exponential | Family::Gamma | Family::LogNormal | Family::InverseGamma => {
                matches!(domain, Domain::Positive)
            }
            Family::Beta => matches!(domain, Domain::Unit),
            Family::Poisson | Family::Multinomial => matches!(domain, Domain::Count),
            Family::Dirichlet => matches!(domain, Domain::Simplex),
            Family::Wishart | Family::InverseWishart => matches!(domain, Domain::Cov),
        }
    }

    /// Whether the executor draws from it.
    pub fn is_drawn(self) -> bool {
        self.is_reparameterisable() || matches!(self, Family::Bernoulli | Family::Categorical)
    }

    /// Whether a draw is a differentiable function of the arguments and parameter-free noise.
    pub fn is_reparameterisable(self) -> bool {
        matches!(self, Family::Normal | Family::Uniform | Family::Exponential | Family::Laplace | Family::LogNormal)
    }
}
