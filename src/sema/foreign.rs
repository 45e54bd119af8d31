//! Words of other systems and books for what has another name here. Comes in: a name that nothing is called; goes out: what to write, or none.

/// A distribution under another name, or none of that kind.
pub fn distribution(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "gaussian" | "n" | "norm" | "randn" => "it is called `Normal(mean, sd = ..)`",
        "mvn" | "mvnormal" | "multinormal" | "multi_normal" | "multivariatenormal" | "multivariate_normal" => {
            "it is called `Normal(mean, cov = ..)`"
        }
        "cat" | "discrete" | "onehotcategorical" | "choice" | "multinoulli" | "softmax" => {
            "one draw among several states is `Categorical(..)`"
        }
        "bern" | "ber" | "flip" | "coin" | "binary" | "bernoulli_logit" => {
            "it is called `Bernoulli(p)` or `Bernoulli(logit = ..)`"
        }
        "binomial" | "bin" => {
            "a number of successes is a sum over an axis of `Bernoulli` variables; for counts there is `Poisson`"
        }
        "geometric" | "negativebinomial" | "neg_binomial" | "negbinomial" => "of counts there is `Poisson(rate)`",
        "exp" | "expon" => "it is called `Exponential(rate = ..)`",
        "unif" | "flat" | "improperuniform" => {
            "it is called `Uniform(low, high)`; what is learned without a prior is a `param`"
        }
        "halfnormal" | "halfcauchy" | "half_normal" | "half_cauchy" | "halfstudentt" | "truncatednormal" => {
            "a positive scale takes `Gamma`, `LogNormal`, `Exponential` or `InverseGamma`"
        }
        "cauchy" => "it is `StudentT` with one degree of freedom",
        "student" | "t" | "student_t" | "studentst" => "it is called `StudentT`",
        "doubleexponential" | "double_exponential" => "it is called `Laplace`",
        "inversegaussian" | "weibull" | "pareto" | "chi2" | "chisquare" | "chisquared" => {
            "of positive numbers there are `Gamma`, `LogNormal`, `Exponential` and `InverseGamma`"
        }
        "lkj" | "lkjcholesky" | "lkjcorr" | "lkj_corr" => "a covariance takes `InverseWishart` or `Wishart`",
        "delta" | "deterministic" | "dirac" => "what follows from other values is defined with `=`",
        "factor" | "potential" => "a log-potential is a statement: `factor e`",
        "mixture" | "mixturesamefamily" | "gaussianmixture" | "gmm" => {
            "a mixture is a discrete variable and what depends on it: `z: K ~ Categorical(w)`, `x: Real ~ Normal(mu[z], sd = ..)`"
        }
        "markovchain" | "hiddenmarkovmodel" | "gaussianrandomwalk" => {
            "a chain is a loop: `for t in T { s[t]: .. ~ .. s[t-1] .. }`"
        }
        _ => return None,
    })
}

/// A function under another name, or what stands for it.
pub fn function(name: &str) -> Option<&'static str> {
    Some(match name {
        "ln" | "log1p" => "the natural logarithm is `log(x)`",
        "pow" | "power" => "a power is written as a product, or with `square(x)`",
        "dot" | "matmul" | "mm" | "bmm" | "einsum" | "inner" | "linear" => {
            "a sum of products over a shared axis is `a @ b`"
        }
        "transpose" | "permute" | "reshape" | "view" | "squeeze" | "unsqueeze" | "expand" => {
            "axes have names and no order to change: `@` sums over the axis that both sides share"
        }
        "concat" | "cat" | "concatenate" | "stack" | "hstack" | "append" => "vectors are laid end to end with `++`",
        "len" | "length" | "shape" | "nrow" | "ncol" => "the length of an axis is `size(Axis)`",
        "expit" | "inv_logit" | "logistic" => "it is called `sigmoid(x)`",
        "logit" => "pass the logit itself: `Bernoulli(logit = ..)`; of a probability it is `log(p / (1 - p))`",
        "logsigmoid" | "log_sigmoid" => "write `-softplus(-x)`",
        "lse" | "log_sum_exp" | "logaddexp" => "it is called `logsumexp(x)`",
        "min" | "minimum" => "the least of two is `if a < b then a else b`; along an axis it is `-max(-x)`",
        "maximum" => "the larger of two is `if a > b then a else b`",
        "where" | "ifelse" | "cond" | "select" | "iif" => "choose with `if CONDITION then A else B`",
        "log_prob" | "logpdf" | "lpdf" | "lpmf" | "pdf" | "prob" | "P" => {
            "a density is asked for outside of the model: `query q = P(x | y)`, `evaluate fit = loglik on DATA`"
        }
        "normalize" | "normalise" => "probabilities are normalised by `softmax(x)`",
        "onehot" | "one_hot" => "a discrete variable already stands for its indicators: `W @ y`",
        "zeros" | "ones" | "eye" | "full" | "array" | "tensor" => {
            "a single number stands for an array of it; a learned array is `param W: Real[A, B]`"
        }
        "rand" | "random" | "randn" | "sample" => "chance enters by `~` alone: `x: Real ~ Normal(0, sd = 1)`",
        "range" | "arange" | "linspace" => "positions are an axis: `axis T = 10`, `for t in T { .. }`",
        "print" | "println" => "nothing is printed from a model: ask with `query`",
        _ => return None,
    })
}

/// An argument of a distribution under another name.
pub fn argument(name: &str, distribution: &str) -> Option<&'static str> {
    Some(match (name, distribution) {
        ("std" | "sigma" | "scale" | "stddev" | "stdev" | "s" | "stdv", "Normal") => {
            "the standard deviation is called `sd`"
        }
        ("variance" | "var" | "sigma2", "Normal") => {
            "`Normal` takes the standard deviation, the root of the variance: `sd = sqrt(..)`"
        }
        ("precision" | "tau" | "prec", "Normal") => "`Normal` takes the standard deviation: `sd = 1 / sqrt(..)`",
        ("covariance" | "covariance_matrix" | "Sigma" | "cov_matrix", "Normal") => "the covariance is called `cov`",
        ("scale_tril" | "chol" | "cholesky", "Normal") => "`Normal` takes the covariance itself: `cov = ..`",
        ("mu" | "loc" | "location" | "m" | "avg", "Normal") => {
            "the mean is called `mean`, and stands first without a name"
        }
        ("scale" | "theta" | "beta" | "mean", "Gamma" | "Exponential") => {
            "it takes the rate, one over the scale: `rate = 1 / ..`"
        }
        ("lam" | "lambda" | "mu" | "mean", "Poisson" | "Exponential") => "the rate is called `rate`",
        ("logits" | "log_odds" | "eta", _) => "it is called `logit`",
        ("probs" | "prob" | "probability" | "p" | "ps" | "pvals", _) => "write the probability without a name",
        ("alpha" | "conc" | "a", "Dirichlet") => "it is called `concentration`, and stands first without a name",
        ("obs" | "observed" | "value", _) => {
            "a model does not say what is observed: bind the variable to a column of `data`"
        }
        ("size" | "shape" | "dims" | "n" | "sample_shape", _) => {
            "axes are declared with the variable: `x: Real[Axis] ~ ..`"
        }
        _ => return None,
    })
}

/// An objective under another name.
pub fn objective(name: &str) -> Option<&'static str> {
    Some(match name {
        "likelihood" | "loss" | "nll" | "log_likelihood" | "loglikelihood" | "logp" | "mle" | "ml" | "logprob"
        | "cross_entropy" => {
            "the log-likelihood is `loglik`; a lower bound of it is written `E[log(m(x, z)) - log(guide(z | x)) for z ~ guide]`"
        }
        "kl" | "vlb" | "lower_bound" | "free_energy" => {
            "the lower bound is written `E[log(m(x, z)) - log(guide(z | x)) for z ~ guide]`, and has a short name in the standard library"
        }
        _ => return None,
    })
}
