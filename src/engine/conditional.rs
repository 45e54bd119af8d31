//! Densities of distributions whose arguments are expressions: of a conditional's target, and of a parameter under its prior.

use super::error::EmitError;
use super::scope::Scope;
use crate::base::span::Span;
use crate::dist::density::Form;
use crate::dist::joint::{self, Square};
use crate::dist::{Label, Named, Value, log_density_over};
use crate::model::{Arg, AxisId, Dist, Domain, Expr, Family, ParamId, VarId};

/// What a density is of: entries of a domain along some axes.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    domain: &'a Domain,
    axes: &'a [AxisId],
    span: Span,
    /// Whether slopes must be finite where a logarithm is of zero.
    floor: bool,
}

impl<'p> Scope<'p> {
    /// The family's form for a variable.
    pub fn form(&mut self, family: Family, var: VarId) -> Result<Form, EmitError> {
        let declared = &self.program.vars[var];
        let form = self.form_of(family, &declared.domain, &declared.event, declared.span)?;
        Ok(Form { floor: self.summed.contains(&var), ..form })
    }

    /// The family's form for entries of a domain along some axes.
    fn form_of(&mut self, family: Family, domain: &Domain, axes: &[AxisId], at: Span) -> Result<Form, EmitError> {
        let class = match (domain, axes.last()) {
            (Domain::Cat(axis), _) => Some(self.axis(*axis)?),
            (Domain::Simplex, Some(&axis)) => Some(self.axis(axis)?),
            _ => None,
        };
        if matches!(family, Family::Multinomial | Family::Wishart | Family::InverseWishart) {
            return Err(EmitError::at(
                at,
                format!("the density of `{}` is not built yet", family.name()),
                "use another family, or wait",
            ));
        }
        Ok(Form { family, spin: *domain == Domain::Spin, class, floor: false })
    }

    /// What a conditional of a variable is a density of.
    pub(super) fn entries_of(&self, var: VarId) -> Entries<'p> {
        let declared = &self.program.vars[var];
        let floor = self.summed.contains(&var);
        Entries { domain: &declared.domain, axes: &declared.event, span: declared.span, floor }
    }

    /// log D(value; arguments) of entries of a domain along some axes, summed over them: of those alone that count, where it is said.
    pub(super) fn log_density(
        &mut self,
        dist: &Dist,
        of: Entries<'_>,
        value: &Value,
        counted: Option<&Named>,
    ) -> Result<Named, EmitError> {
        let zero = self.space.scalar(0.0);
        if let Some((mut density, event)) = self.joint_density(dist, of, value)? {
            if let Some(counted) = counted {
                density = self.space.select(counted, &density, &zero);
            }
            return Ok(self.space.total(&density, &event));
        }
        let form = self.form_of(dist.family, of.domain, of.axes, of.span)?;
        let form = Form { floor: of.floor, ..form };
        let args = self.args(dist)?;
        let mut event = self.axis_labels(of.axes)?;
        // A Dirichlet's density is one for the whole simplex.
        event.retain(|l| Some(*l) != form.class || form.family != Family::Dirichlet);
        let weights = self.read_weights(dist, &args)?;
        let (of_entries, of_all): (&[Label], &[Label]) = if counted.is_some() { (&event, &[]) } else { (&[], &event) };
        let mut density = log_density_over(&mut self.space, form, &args, value, of_all);
        if let Some(weights) = weights {
            let weights = self.space.total(&weights, of_all);
            density = self.space.add(&density, &weights);
        }
        if let Some(counted) = counted {
            density = self.space.select(counted, &density, &zero);
        }
        Ok(self.space.total(&density, of_entries))
    }

    /// The density of a family whose entries are not independent, and the axes along which there is one each; none of others.
    fn joint_density(
        &mut self,
        dist: &Dist,
        of: Entries<'_>,
        value: &Value,
    ) -> Result<Option<(Named, Vec<Label>)>, EmitError> {
        let inside = match dist.family {
            Family::Wishart | Family::InverseWishart => 2,
            Family::Multinomial => 1,
            Family::Normal if dist.arg(Arg::Cov).is_some() => 1,
            _ => return Ok(None),
        };
        let labels = self.axis_labels(of.axes)?;
        let Some(first) = labels.len().checked_sub(inside) else { return Ok(None) };
        let (event, inner) = labels.split_at(first);
        if dist.family != Family::Multinomial && self.space.extent(inner[0]) > joint::MOST_ROWS {
            return Err(EmitError::at(
                of.span,
                format!("a covariance of more than {} rows is not built yet", joint::MOST_ROWS),
                "write `sd = ..`, or use fewer dimensions",
            ));
        }
        let arg = |scope: &mut Self, role: Arg| match dist.arg(role) {
            Some(expr) => scope.number(expr),
            None => Ok(scope.space.scalar(0.0)),
        };
        let x = value.array();
        let density = match dist.family {
            Family::Normal => {
                let (mean, cov) = (arg(self, Arg::Mean)?, arg(self, Arg::Cov)?);
                let (rows, columns) = self.matrix_axes(dist.arg(Arg::Cov), inner[0])?;
                let cov = Square { array: &cov, rows, columns };
                joint::log_normal(&mut self.space, x, &mean, &cov, inner[0])
            }
            Family::Multinomial => {
                let logit = dist.arg(Arg::Logit).is_some();
                let (total, argument) = (arg(self, Arg::Total)?, arg(self, if logit { Arg::Logit } else { Arg::P })?);
                joint::log_multinomial(&mut self.space, x, &total, &argument, logit, inner[0])
            }
            family => {
                let (dof, scale) = (arg(self, Arg::Dof)?, arg(self, Arg::Scale)?);
                let (rows, columns) = self.matrix_axes(dist.arg(Arg::Scale), inner[0])?;
                let scale = Square { array: &scale, rows, columns };
                let x = Square { array: x, rows: inner[0], columns: inner[1] };
                joint::log_wishart(&mut self.space, &x, &dof, &scale, family == Family::InverseWishart)
            }
        };
        Ok(Some((density, event.to_vec())))
    }

    /// The two axes of a matrix argument; those of a single number are nobody's.
    fn matrix_axes(&mut self, expr: Option<&Expr>, like: Label) -> Result<(Label, Label), EmitError> {
        match expr.map(|e| e.ty.axes.as_slice()) {
            Some([.., rows, columns]) => Ok((self.axis(*rows)?, self.axis(*columns)?)),
            _ => {
                let size = self.space.extent(like);
                Ok((self.space.label(size), self.space.label(size)))
            }
        }
    }

    /// The log-density of a parameter's prior at its value, over all its entries; none where it has none.
    pub fn log_prior(&mut self, id: ParamId) -> Result<Option<Named>, EmitError> {
        let declared = &self.program.params[id];
        let Some(prior) = &declared.prior else { return Ok(None) };
        let of = Entries { domain: &declared.domain, axes: &declared.axes, span: declared.span, floor: false };
        let value = Value::Number(self.params[&id].clone());
        self.log_density(prior, of, &value, None).map(Some)
    }
}
