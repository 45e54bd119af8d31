//! Embedding the library: compile a text, look at its plan, train it on arrays, ask it, draw from it.
//!
//! `cargo run --release --example embed`

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::AtomicBool;

use ghmc::data::{Column, Table};
use ghmc::pipeline::{Collected, Compiled, Settings};
use ghmc::train::{AnswerValue, Event};
use ndarray::Array2;

const MODEL: &str = r#"
data cases = csv("unused.csv") { x: Bool[Sign] = x }
axis Sign = 6
axis Cause = 2

model mixture {
  param share: Simplex[Cause], rate[Cause]: Unit[Sign]
  z: Cause      ~ Categorical(share)
  x: Bool[Sign] ~ Bernoulli(rate[z])
}

train mixture on cases { maximise loglik with adam(0.1, batch = 50); epochs 60 }
evaluate fit = loglik on cases
sample fresh = P(x) times 3
"#;

fn main() -> Result<(), Box<dyn Error>> {
    // Two kinds of cases that share no sign: the first three signs, or the last three.
    let signs = Array2::from_shape_fn((200, 6), |(row, sign)| {
        let noise = (row * 7 + sign * 13) % 11 == 0;
        f64::from(u8::from((sign < 3) == (row % 2 == 0)) ^ u8::from(noise))
    });
    let column = Column::numbers(vec![6], signs.iter().copied().collect());
    let table = Table::from_columns(vec![("x".to_string(), column)])?;
    let settings = Settings { tables: BTreeMap::from([("cases".to_string(), table)]), ..Settings::default() };

    let compiled = Compiled::of_text("mixture.ghm", MODEL, settings)?;
    println!("{}", compiled.explain());

    let mut events = Collected::default();
    let mut trained = compiled.train(&AtomicBool::new(false), &mut events)?;
    let epochs = events.0.iter().filter(|e| matches!(e, Event::EpochEnded { .. })).count();
    println!("trained for {epochs} epochs; the rates are\n{:.2}", trained.params()["mixture.rate"]);

    for answered in trained.answer_all(&AtomicBool::new(false), &mut |_| {}) {
        match answered.value {
            AnswerValue::Number(value) => println!("{} {} {value:.3}", answered.name, answered.kind.sign()),
            AnswerValue::Draws(drawn) => println!("{}: {:?}", answered.name, drawn[0].values),
            other => println!("{}: {other:?}", answered.name),
        }
    }
    let asked = trained.ask("P(z)")?;
    println!("P(z): {:?}", asked.value);
    Ok(())
}
