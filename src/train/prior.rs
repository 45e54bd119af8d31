//! Values drawn from a distribution whose arguments read numbers and parameters: priors, and what `init` names. In: the
//! distribution, the axes of what is drawn, the parameters it reads, a stream; out: the entries, row-major.

use std::collections::BTreeMap;

use rand_distr::{Beta, ChiSquared, Distribution, Exp1, Gamma, StudentT};

use crate::base::stream::Stream;
use crate::diag::{Code, Diagnostic};
use crate::model::evaluate::{Values, expression_value};
use crate::model::{Arg, AxisId, Dist, Expr, Family, Program};

/// An argument: its entries over some of the axes of what is drawn.
struct Argument {
    axes: Vec<AxisId>,
    extents: Vec<usize>,
    values: Vec<f64>,
}

/// Draws of one distribution.
struct Drawer<'a> {
    program: &'a Program,
    dist: &'a Dist,
    /// The axes of what is drawn, and their extents.
    axes: &'a [AxisId],
    extents: Vec<usize>,
    args: BTreeMap<Arg, Argument>,
}

/// The place of a distribution: that of its first argument, since a distribution has none of its own.
fn place(dist: &Dist, diagnostic: Diagnostic) -> Diagnostic {
    match dist.exprs().next() {
        Some(first) => diagnostic.primary(first.span, "its arguments begin here"),
        None => diagnostic,
    }
}

/// That a distribution cannot be drawn from. `of` is whose it is.
fn refusal(dist: &Dist, of: &str, why: &str) -> Box<Diagnostic> {
    let message = format!("`{of}` cannot be drawn from {:?}: {why}", dist.family);
    let diagnostic = Diagnostic::new(Code::NotSupported, message);
    Box::new(
        place(dist, diagnostic).help("give it a prior whose arguments are numbers or parameters, inside their domains"),
    )
}

/// Entries over `axes`, drawn. Errors (E0606): the family has no draws, or an argument is outside its domain or cannot be computed.
pub fn draw_entries(
    program: &Program,
    dist: &Dist,
    of: &str,
    axes: &[AxisId],
    values: &Values,
    stream: &mut Stream,
) -> Result<Vec<f64>, Box<Diagnostic>> {
    let refused = |why: String| refusal(dist, of, &why);
    let extents = program.extents(axes).ok_or_else(|| refused("the size of one of its axes is unknown".into()))?;
    let mut args = BTreeMap::new();
    for (role, expr) in &dist.args {
        args.insert(*role, argument(program, expr, values).map_err(refused)?);
    }
    let drawer = Drawer { program, dist, axes, extents, args };
    drawer.draw(stream).map_err(refused)
}

/// The entries of an argument.
fn argument(program: &Program, expr: &Expr, values: &Values) -> Result<Argument, String> {
    let Some(model) = program.models.ids().next() else { return Err("the file has no model".into()) };
    let axes = expr.ty.axes.clone();
    let extents = program.extents(&axes).ok_or("the size of one of its axes is unknown")?;
    let entry = |at: usize| {
        expression_value(program, model, expr, &position(at, &extents), values).map_err(|error| error.to_string())
    };
    let values: Vec<f64> = (0..extents.iter().product()).map(entry).collect::<Result<_, String>>()?;
    Ok(Argument { axes, extents, values })
}

/// Where the entry of that number stands, row-major.
fn position(mut at: usize, extents: &[usize]) -> Vec<usize> {
    let mut position = vec![0; extents.len()];
    for (place, &n) in position.iter_mut().zip(extents).rev() {
        *place = at % n.max(1);
        at /= n.max(1);
    }
    position
}

/// Draws a block of entries that hang together: where it stands along the outer axes, and its extent along the last.
type BlockDraw<'a> = dyn FnMut(&[usize], usize) -> Result<Vec<f64>, String> + 'a;

impl Drawer<'_> {
    /// The argument's entry for one entry of what is drawn.
    fn get(&self, role: Arg, at: &[usize]) -> Result<f64, String> {
        let arg = self.args.get(&role).ok_or_else(|| format!("it has no `{}`", role.word()))?;
        let mut flat = 0;
        for (axis, &n) in arg.axes.iter().zip(&arg.extents) {
            let same = self.axes.iter().position(|a| a == axis);
            let here = same.and_then(|i| at.get(i)).ok_or("an argument has an axis that it lacks")?;
            flat = flat * n + here;
        }
        arg.values.get(flat).copied().ok_or_else(|| "an argument has another size".to_string())
    }

    fn draw(&self, stream: &mut Stream) -> Result<Vec<f64>, String> {
        let joint = self.dist.family == Family::Normal && self.args.contains_key(&Arg::Cov);
        match self.dist.family {
            Family::Dirichlet => self.blocks(1, &mut |at, n| self.dirichlet(at, n, stream)),
            Family::Wishart | Family::InverseWishart => self.blocks(2, &mut |at, n| self.wishart(at, n, stream)),
            Family::Normal if joint => self.blocks(1, &mut |at, n| self.joint_normal(at, n, stream)),
            _ => {
                let n = self.extents.iter().product();
                (0..n).map(|i| self.entry(&position(i, &self.extents), stream)).collect()
            }
        }
    }

    /// Draws whose entries along the last `width` axes hang together, one block after the other; `n` is the last extent.
    fn blocks(&self, width: usize, draw: &mut BlockDraw<'_>) -> Result<Vec<f64>, String> {
        let outer = self.extents.len().checked_sub(width).ok_or("it needs more axes")?;
        let (outer, inner) = self.extents.split_at(outer);
        let n = inner.last().copied().unwrap_or(1);
        let mut all = Vec::new();
        for block in 0..outer.iter().product() {
            all.extend(draw(&position(block, outer), n)?);
        }
        Ok(all)
    }

    /// One entry of a family whose entries are independent.
    fn entry(&self, at: &[usize], stream: &mut Stream) -> Result<f64, String> {
        let get = |role: Arg| self.get(role, at);
        let positive = |role: Arg| match self.get(role, at)? {
            value if value > 0.0 && value.is_finite() => Ok(value),
            value => Err(format!("its `{}` is {value}", role.word())),
        };
        let told = |error: &dyn std::fmt::Display| error.to_string();
        Ok(match self.dist.family {
            Family::Normal => get(Arg::Mean)? + positive(Arg::Sd)? * normal(stream),
            Family::LogNormal => inside((get(Arg::Mean)? + positive(Arg::Sd)? * normal(stream)).exp()),
            Family::Uniform => {
                let (low, high) = (get(Arg::Low)?, get(Arg::High)?);
                low + (high - low) * stream.uniform()
            }
            Family::Exponential => inside(exponential(stream) / positive(Arg::Rate)?),
            // The difference of two exponentials.
            Family::Laplace => {
                let noise = exponential(stream) - exponential(stream);
                get(Arg::Mean)? + positive(Arg::Scale)? * noise
            }
            Family::Gamma => inside(gamma(positive(Arg::Shape)?, stream)? / positive(Arg::Rate)?),
            Family::InverseGamma => inside(positive(Arg::Scale)? / inside(gamma(positive(Arg::Shape)?, stream)?)),
            Family::Beta => {
                let beta = Beta::new(positive(Arg::A)?, positive(Arg::B)?).map_err(|e| told(&e))?;
                inside(beta.sample(stream)).min(1.0 - f64::EPSILON)
            }
            Family::StudentT => {
                let student = StudentT::new(positive(Arg::Dof)?).map_err(|e| told(&e))?;
                get(Arg::Mean)? + positive(Arg::Scale)? * student.sample(stream)
            }
            Family::Bernoulli
            | Family::Categorical
            | Family::Poisson
            | Family::Dirichlet
            | Family::Multinomial
            | Family::Wishart
            | Family::InverseWishart => return Err("this family has no draws for a parameter".into()),
        })
    }

    /// Gamma variates over their sum, in logarithms so that small concentrations leave something to divide by:
    /// Γ(a) is Γ(a + 1) · u^(1/a) (Marsaglia & Tsang 2000, section 6).
    fn dirichlet(&self, at: &[usize], n: usize, stream: &mut Stream) -> Result<Vec<f64>, String> {
        let mut logs = Vec::with_capacity(n);
        for k in 0..n {
            let alpha = self.get(Arg::Concentration, &[at, &[k]].concat())?;
            if !(alpha > 0.0 && alpha.is_finite()) {
                return Err(format!("its concentration is {alpha}"));
            }
            logs.push(gamma(alpha + 1.0, stream)?.ln() + (1.0 - stream.uniform()).ln() / alpha);
        }
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = logs.iter().map(|l| (l - largest).exp()).collect();
        let sum: f64 = shares.iter().sum();
        Ok(shares.into_iter().map(|s| s / sum).collect())
    }

    /// mean + L z, where L L' is the covariance.
    fn joint_normal(&self, at: &[usize], n: usize, stream: &mut Stream) -> Result<Vec<f64>, String> {
        let lower = cholesky(&self.matrix(Arg::Cov, at, n)?)?;
        let noise: Vec<f64> = (0..n).map(|_| normal(stream)).collect();
        (0..n)
            .map(|i| {
                let spread: f64 = (0..=i).map(|j| lower[i][j] * noise[j]).sum();
                Ok(self.get(Arg::Mean, &[at, &[i]].concat())? + spread)
            })
            .collect()
    }

    /// A Wishart draw L A A' L', A lower triangular with chi variates on its diagonal and normal ones below (Bartlett 1933; Smith &
    /// Hocking 1972), L L' the scale. An inverse Wishart draw is the inverse of one whose scale is inverted.
    fn wishart(&self, at: &[usize], n: usize, stream: &mut Stream) -> Result<Vec<f64>, String> {
        let dof = self.get(Arg::Dof, at)?;
        if dof <= n as f64 - 1.0 {
            return Err(format!("{n} dimensions need more than {} degrees of freedom, and it has {dof}", n - 1));
        }
        let inverse = self.dist.family == Family::InverseWishart;
        let scale = self.matrix(Arg::Scale, at, n)?;
        let lower = cholesky(&if inverse { inverted(&scale)? } else { scale })?;
        let mut factor = vec![vec![0.0; n]; n];
        for i in 0..n {
            let chi = ChiSquared::new(dof - i as f64).map_err(|e| e.to_string())?;
            factor[i][i] = inside(chi.sample(stream)).sqrt();
            for j in 0..i {
                factor[i][j] = normal(stream);
            }
        }
        let factor = times(&lower, &factor);
        let drawn = times(&factor, &transposed(&factor));
        let drawn = if inverse { inverted(&drawn)? } else { drawn };
        Ok(drawn.concat())
    }

    /// A matrix argument at one block: a number is that multiple of the identity, and the second axis is an alias of the first.
    fn matrix(&self, role: Arg, at: &[usize], n: usize) -> Result<Vec<Vec<f64>>, String> {
        let arg = self.args.get(&role).ok_or_else(|| format!("it has no `{}`", role.word()))?;
        let root = |axis: &AxisId| self.program.axes.root(*axis);
        let along = self.axes.last().map(root);
        let square = match arg.axes.as_slice() {
            [.., a, b] => Some(root(a)) == along && Some(root(b)) == along,
            _ => false,
        };
        if !square {
            let diagonal = self.get(role, at)?;
            return Ok((0..n).map(|i| (0..n).map(|j| if i == j { diagonal } else { 0.0 }).collect()).collect());
        }
        let mut block = 0;
        for (axis, &extent) in arg.axes[..arg.axes.len() - 2].iter().zip(&arg.extents) {
            let same = self.axes.iter().position(|a| a == axis);
            block = block * extent + same.and_then(|i| at.get(i)).ok_or("an argument has an axis that it lacks")?;
        }
        let entries = arg.values.get(block * n * n..(block + 1) * n * n).ok_or("an argument has another size")?;
        Ok(entries.chunks(n).map(<[f64]>::to_vec).collect())
    }
}

/// A positive number that is not rounded to zero or infinity.
fn inside(value: f64) -> f64 {
    value.clamp(f64::MIN_POSITIVE, f64::MAX)
}

/// A standard normal variate.
pub fn normal(stream: &mut Stream) -> f64 {
    // Box & Muller 1958; 1 − u keeps the logarithm finite.
    let (u, v) = (1.0 - stream.uniform(), stream.uniform());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn exponential(stream: &mut Stream) -> f64 {
    Exp1.sample(stream)
}

fn gamma(shape: f64, stream: &mut Stream) -> Result<f64, String> {
    Ok(Gamma::new(shape, 1.0).map_err(|e| e.to_string())?.sample(stream))
}

fn transposed(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..a.len()).map(|i| a.iter().map(|row| row[i]).collect()).collect()
}

fn times(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let entry = |row: &[f64], j: usize| row.iter().zip(b).map(|(x, other)| x * other[j]).sum();
    a.iter().map(|row| (0..b.len()).map(|j| entry(row, j)).collect()).collect()
}

/// The lower triangular L with L L' = a.
fn cholesky(a: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, String> {
    let n = a.len();
    let mut lower = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let rest = a[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
            lower[i][j] = match i == j {
                true if rest > 0.0 => rest.sqrt(),
                true => return Err("a matrix among its arguments is not positive definite".into()),
                false => rest / lower[j][j],
            };
        }
    }
    Ok(lower)
}

/// The inverse of a positive definite matrix: L⁻ᵀ L⁻¹.
fn inverted(a: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, String> {
    let lower = cholesky(a)?;
    let n = a.len();
    let mut inverse = vec![vec![0.0; n]; n];
    for column in 0..n {
        for i in column..n {
            let unit = f64::from(u8::from(i == column));
            let rest = unit - (column..i).map(|k| lower[i][k] * inverse[k][column]).sum::<f64>();
            inverse[i][column] = rest / lower[i][i];
        }
    }
    Ok(times(&transposed(&inverse), &inverse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let a = vec![vec![4.0, 1.0, 0.5], vec![1.0, 3.0, -0.2], vec![0.5, -0.2, 2.0]];
        let product = times(&a, &inverted(&a).expect("it is positive definite"));
        for (i, row) in product.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                assert!((entry - f64::from(u8::from(i == j))).abs() < 1e-12, "{product:?}");
            }
        }
        assert!(cholesky(&[vec![1.0, 2.0], vec![2.0, 1.0]]).is_err());
    }
}
