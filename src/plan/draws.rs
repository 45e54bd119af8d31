//! The choice for draws: what potentials or fixed variables below tie together is drawn first, at once; the rest in order, undirected
//! parts by sweeps.

use std::collections::BTreeSet;

use super::ask::Chooser;
use super::method::{Method, SWEEPS};
use super::plan::{Answer, AnswerShape, Draws, Kind, NormaliserOf, Partition, Resampled, Swept};
use super::rules::contrastive::find_undirected;
use super::rules::partition::{choose_partition, refs};
use super::rules::sweep::find_sweep;
use crate::analysis::{Situation, find_components};
use crate::base::approximate::{Approximate, Gibbs};
use crate::diag::{Code, Diagnostic};
use crate::model::{Evidence, FactorKind, VarId, order_factors};

impl Chooser<'_> {
    pub(super) fn choose_draws(
        &self,
        targets: &[VarId],
        evidence: &[Evidence],
    ) -> Result<(Answer, Kind), Box<Diagnostic>> {
        let program = self.program;
        let declared = &program.models[self.model];
        let span = self.ask.span;
        self.check_targets(&[], AnswerShape::Mean, evidence)?;
        let evidence = self.with_ports(evidence);
        let fixed: BTreeSet<VarId> = evidence.iter().map(|e| e.var).collect();
        let cut: BTreeSet<VarId> = evidence.iter().filter(|e| e.intervention).map(|e| e.var).collect();
        let hangs = |factor: &crate::model::Factor| {
            factor.targets().iter().any(|v| fixed.contains(v) && !cut.contains(v))
                && factor.reads().iter().any(|r| !fixed.contains(&r.var) && !factor.targets().contains(&r.var))
        };
        let sweeps = match self.method {
            Some(Method::Approximate(Approximate::Gibbs(gibbs))) => gibbs.sweeps,
            // Nothing else passes `check_method`.
            _ => SWEEPS,
        };
        let order = order_factors(&declared.factors);
        let tied = declared.factors.iter().any(|f| hangs(f) || matches!(f.kind, FactorKind::Potential(_)));
        let (posterior, potentials) = self.choose_tied(&fixed, &cut, tied, sweeps)?;
        let swept = potentials.iter().flat_map(|s| &s.sweep).flat_map(|s| s.vars());
        let first: BTreeSet<VarId> =
            posterior.iter().flat_map(|p| &p.blocks).flat_map(|b| &b.vars).chain(swept).copied().collect();
        let known = |v: &VarId| fixed.contains(v) || first.contains(v);
        let mut gibbs = Vec::new();
        for &position in &order {
            let factor = &declared.factors[position];
            if let FactorKind::Conditional { target, dist } = &factor.kind
                && !known(&target.var)
                && !dist.family.is_drawn()
            {
                let text = format!("draws from `{}` are not built yet", dist.family.name());
                return Err(Box::new(
                    Diagnostic::at(Code::NotSupported, span, text)
                        .label(factor.span, "drawn here")
                        .help("use a family with draws: Bernoulli, Categorical, Normal, LogNormal, Uniform, Exponential, Laplace"),
                ));
            }
            match &factor.kind {
                FactorKind::Undirected { vars, .. } => {
                    let whole: BTreeSet<VarId> = vars.iter().copied().collect();
                    let parts = find_undirected(&Situation::new(program, self.model, &whole));
                    let Some(part) = parts.into_iter().find(|p| p.of == NormaliserOf::Group(position)) else {
                        continue;
                    };
                    let free: Vec<VarId> = part.vars.iter().copied().filter(|v| !known(v)).collect();
                    if free.is_empty() {
                        continue;
                    }
                    let sweep = match find_sweep(program, &part.vars, &part.pieces, &[]) {
                        Ok(sweep) => sweep,
                        Err(reason) => {
                            let text = format!("{} cannot be drawn in blocks", part.name);
                            let mut d = Diagnostic::at(Code::NoEngine, span, text);
                            if let Some(at) = reason.at {
                                d = d.label(at, reason.text);
                            }
                            return Err(Box::new(
                                d.help("leave out `by gibbs`: it is small enough to be drawn at once"),
                            ));
                        }
                    };
                    let sweep = sweep
                        .into_iter()
                        .map(|set| match set {
                            Resampled::Together(vars) => {
                                Resampled::Together(vars.into_iter().filter(|v| !known(v)).collect())
                            }
                            entries => entries,
                        })
                        .filter(|set| set.vars().iter().any(|v| !known(v)))
                        .collect();
                    gibbs.push((position, sweeps, sweep));
                }
                FactorKind::Conditional { .. } | FactorKind::Deterministic { .. } | FactorKind::Potential(_) => {}
            }
        }
        let by_chains = potentials.is_some() || posterior.as_ref().is_some_and(|p| p.kind() != Kind::Exact);
        let refused = match self.method {
            Some(Method::Ancestral) if !gibbs.is_empty() || posterior.is_some() || potentials.is_some() => {
                Some("something here is not drawn in order: potentials, an undirected part, or what is fixed below")
            }
            Some(method) if method.is_exact() && *method != Method::Exact && posterior.is_none() => {
                Some("nothing here must be drawn at once: all is drawn in order")
            }
            Some(Method::Approximate(_)) if gibbs.is_empty() && !by_chains => {
                Some("nothing is drawn here by sweeps: all is drawn in order")
            }
            _ => None,
        };
        if let Some(text) = refused {
            return Err(Box::new(Diagnostic::at(Code::OverrideRefused, span, text).help("leave out `by`")));
        }
        let kind = if gibbs.is_empty() && !by_chains { Kind::Exact } else { Kind::Estimate };
        let draws =
            Draws { model: self.model, fixed: fixed.into_iter().collect(), order, gibbs, potentials, posterior };
        let times = self.ask.times.unwrap_or(1);
        Ok((Answer::Draws { draws, targets: targets.to_vec(), evidence, times }, kind))
    }

    /// What must be drawn at once, and how: what is `tied` by potentials or by fixed variables below, and undirected parts whose
    /// entries cannot be drawn in blocks. None where everything can be drawn in order.
    fn choose_tied(
        &self,
        fixed: &BTreeSet<VarId>,
        cut: &BTreeSet<VarId>,
        tied: bool,
        sweeps: usize,
    ) -> Result<(Option<Partition>, Option<Swept>), Box<Diagnostic>> {
        let program = self.program;
        let mut asked = BTreeSet::new();
        // Whether sweeps would do for every undirected part that is better drawn at once.
        let mut sweeps_do = true;
        if !matches!(self.method, Some(Method::Approximate(_))) {
            for factor in &program.models[self.model].factors {
                let FactorKind::Undirected { vars, .. } = &factor.kind else { continue };
                let whole: BTreeSet<VarId> = vars.iter().copied().collect();
                let parts = find_undirected(&Situation::new(program, self.model, &whole));
                for part in &parts {
                    let sweep = find_sweep(program, &part.vars, &part.pieces, &[]);
                    let apart = |sets: &Vec<Resampled>| sets.iter().all(|s| matches!(s, Resampled::Together(_)));
                    if !sweep.as_ref().is_ok_and(apart) {
                        asked.extend(whole.difference(fixed).copied());
                        sweeps_do &= sweep.is_ok();
                    }
                }
            }
        }
        if !tied && asked.is_empty() {
            return Ok((None, None));
        }
        let situation = Situation { cut, asked: &asked, ..Situation::new(program, self.model, fixed) };
        // Each draw is the last state of a chain of its own. What a chain cannot draw is drawn exactly.
        if let Some(Method::Approximate(Approximate::Gibbs(gibbs))) = self.method {
            let chain = Method::Approximate(Approximate::Gibbs(Gibbs { chains: 1, ..gibbs.clone() }));
            if let Ok(partition) = choose_partition(&situation, Some(&chain)) {
                return Ok((Some(partition), None));
            }
            // Tables would be too large; the summands as they stand may do.
            if let (true, Some(swept)) = (asked.is_empty(), self.choose_swept(&situation, sweeps)) {
                return Ok((None, Some(swept)));
            }
        }
        match choose_partition(&situation, self.method.filter(|m| m.is_exact())) {
            Ok(partition) => Ok((Some(partition), None)),
            Err(_) if !tied && sweeps_do && self.method.is_none() => Ok((None, None)),
            Err(not) => {
                let swept = if asked.is_empty() { self.choose_swept(&situation, sweeps) } else { None };
                if let Some(swept) = swept.filter(|_| !self.method.is_some_and(Method::is_exact)) {
                    return Ok((None, Some(swept)));
                }
                let mut told = not.diagnostic(program, self.ask.span);
                told.message = format!("{}, and draws of it must be joint", told.message);
                Err(Box::new(told))
            }
        }
    }

    /// Sweeps over what the model's own potentials leave latent; none where conditionals cannot be derived, or an undirected part has a
    /// say in it.
    fn choose_swept(&self, situation: &Situation<'_>, sweeps: usize) -> Option<Swept> {
        let components = find_components(situation);
        let vars: Vec<VarId> = components.iter().flat_map(|c| c.vars.iter().copied()).collect();
        let pieces: Vec<_> = components.iter().flat_map(|c| c.pieces.iter().copied()).collect();
        if pieces.iter().any(|p| p.inside) {
            return None;
        }
        let sweep = find_sweep(self.program, &vars, &pieces, &[]).ok()?;
        Some(Swept { sweeps, sweep, pieces: refs(situation, &pieces) })
    }
}
