//! Blocks whose log p̃ is quadratic in its continuous variables: the Kalman filter and smoother along a sequence, Gaussian elimination of
//! all entries at once elsewhere, both inside an enumeration of the discrete variables where there are few.

use super::partition::names;
use crate::analysis::{Component, Reason, find_chain, find_quadratic};
use crate::model::{AxisId, Program, VarId};
use crate::plan::method::Method;
use crate::plan::plan::{Engine, Refusal};

/// What summing along a sequence is called.
pub const CHAIN: &str = "Kalman filter and smoother";
/// What summing all entries at once is called.
pub const DENSE: &str = "Gaussian elimination";

/// Entries above which no dense matrix of them is factored.
const MAX_ENTRIES: usize = 1024;
/// Entries at one position above which no chain of them is walked.
const MAX_STATE: usize = 256;
/// Joint states of discrete variables, times the square of the entries, above which no matrix is made for each.
const MAX_MATRICES: f64 = (1 << 24) as f64;

/// The engine with its reason; or what the Gaussian engines say to that component.
pub fn claim(
    program: &Program,
    component: &Component<'_>,
    asked: Option<&Method>,
) -> Result<(Engine, String), Vec<Refusal>> {
    let refuse = |engine, reason, mend: Option<&str>| vec![Refusal { engine, reason, mend: mend.map(str::to_string) }];
    if matches!(asked, Some(Method::ClosedForm | Method::Enumeration | Method::ForwardBackward | Method::JunctionTree))
    {
        return Err(Vec::new());
    }
    let continuous = find_quadratic(program, component).map_err(|reason| refuse(DENSE, reason, None))?;
    // What is defined is a linear function of the rest, and nothing to sum over.
    let summed: Vec<VarId> = continuous.iter().copied().filter(|&v| !component.defines(v)).collect();
    let kept: Vec<VarId> = component.vars.iter().copied().filter(|v| !continuous.contains(v)).collect();
    let told = names(program, &summed);
    let mut refusals = Vec::new();
    if !matches!(asked, Some(Method::Gaussian)) {
        match find_along(program, component, &kept, &continuous) {
            Ok(along) => {
                let reason = format!(
                    "log p̃ is quadratic in {told}, which couple only neighbours along {}",
                    program.axes[along].name
                );
                return Ok((Engine::Gaussian { summed, kept, along: Some(along) }, reason));
            }
            Err(reason) => refusals.extend(refuse(CHAIN, reason, None)),
        }
    }
    if matches!(asked, Some(Method::Kalman)) {
        return Err(refusals);
    }
    let entries = summed.iter().map(|&v| component.entries(program, v)).try_fold(0usize, |n, e| n.checked_add(e?));
    let Some(entries) = entries else {
        let reason = Reason::of("an axis has no size yet");
        refusals.extend(refuse(DENSE, reason, Some("bind data, or give the axis a size")));
        return Err(refusals);
    };
    if entries > MAX_ENTRIES {
        let reason = Reason::of(format!("{entries} entries at once, and {MAX_ENTRIES} is the limit"));
        refusals.extend(refuse(DENSE, reason, Some("fewer or smaller variables, or a guide")));
        return Err(refusals);
    }
    if kept.is_empty() {
        let reason = format!("log p̃ is quadratic in the {entries} entries of {told}");
        return Ok((Engine::Gaussian { summed, kept, along: None }, reason));
    }
    let bits = component.log2_states(program, &kept).unwrap_or(f64::INFINITY);
    if bits.exp2() * (entries * entries) as f64 > MAX_MATRICES {
        let text = format!("2^{bits:.0} joint states of {} with {entries} entries each", names(program, &kept));
        refusals.extend(refuse(DENSE, Reason::of(text), Some("fewer or smaller variables, or a guide")));
        return Err(refusals);
    }
    let reason = format!(
        "log p̃ is quadratic in the {entries} entries of {told} for each of {:.0} joint states of {}",
        bits.exp2(),
        names(program, &kept)
    );
    Ok((Engine::Gaussian { summed, kept, along: None }, reason))
}

/// The plate along which a component of continuous variables is a chain.
fn find_along(
    program: &Program,
    component: &Component<'_>,
    kept: &[VarId],
    continuous: &[VarId],
) -> Result<AxisId, Reason> {
    if let Some(&var) = kept.first() {
        let declared = &program.vars[var];
        return Err(Reason::at(declared.span, format!("`{}` is not a number", declared.name)));
    }
    if let Some(&var) = continuous.iter().find(|&&v| component.defines(v)) {
        let declared = &program.vars[var];
        return Err(Reason::at(declared.span, format!("`{}` is defined by its own values elsewhere", declared.name)));
    }
    let along = find_chain(program, component)?.along;
    let own = |v: &VarId| {
        let axes = program.vars[*v].axes().into_iter().filter(|a| *a != along && !component.plates.contains(a));
        axes.map(|a| program.axes.extent(a)).try_fold(1usize, |n, e| n.checked_mul(e?))
    };
    match continuous.iter().map(own).try_fold(0usize, |n, e| n.checked_add(e?)) {
        Some(entries) if entries > MAX_STATE => {
            Err(Reason::of(format!("{entries} entries at one position, and {MAX_STATE} is the limit")))
        }
        // How many there are only data may tell; the form is a chain's whatever they say.
        _ => Ok(along),
    }
}
