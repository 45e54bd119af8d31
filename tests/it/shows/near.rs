//! Answers by approximations say how far these came: rounds and the last change of iterations, R-hat and effective draws of chains.

use std::sync::atomic::AtomicBool;

use ghmc::base::approximate::AGREE;

use super::compiled;

const TEXT: &str = "axis Site = 4
model ring {
  var x: Spin[Site]
  factor 0.4 * x[1] * x[2] + 0.4 * x[2] * x[3] - 0.3 * x[3] * x[4] + 0.5 * x[4] * x[1] + 0.2 * x[1]
}
model apart {
  var a: Bool, b: Bool
  factor if a then (if b then 0 else -1000) else (if b then -1000 else 0)
}
query exact   = mean(x) of ring
query beliefs = mean(x) of ring by loopy_bp
query hurried = mean(x) of ring by loopy_bp(rounds = 1, tolerance = 1e-12)
query field   = mean(x) of ring by mean_field
query chains  = mean(x) of ring by gibbs(2000)
query stuck   = P(a) of apart by gibbs(200)
evaluate near = logZ of ring by loopy_bp
";

#[test]
fn approximations_say_how_far_they_came() {
    let mut trained = compiled(TEXT, 1, &[]).untrained();
    let answers = trained.answer_all(&AtomicBool::new(false), &mut |_| {});
    let near = |name: &str| answers.iter().find(|a| a.name == name).expect("it is asked").near;
    assert_eq!(near("exact"), None);
    for name in ["beliefs", "field", "near"] {
        let told = near(name).unwrap_or_else(|| panic!("{name}: {answers:?}"));
        assert!(told.converged && told.rounds > 1 && told.change.is_some_and(|c| c <= 1e-6), "{name}: {told:?}");
        assert_eq!((told.r_hat, told.effective), (None, None));
    }
    let hurried = near("hurried").expect("an iteration");
    assert!(!hurried.converged && hurried.rounds == 1 && hurried.change.is_some_and(|c| c > 1e-3), "{hurried:?}");
    let chains = near("chains").expect("chains");
    assert!(chains.converged && chains.change.is_none(), "{chains:?}");
    assert!(chains.r_hat.is_some_and(|r| r < AGREE) && chains.effective.is_some_and(|n| n > 500.0), "{chains:?}");
    let stuck = near("stuck").expect("chains");
    assert!(!stuck.converged, "{stuck:?}");
}
