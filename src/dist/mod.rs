//! Arithmetic of the model's vocabulary: labelled arrays, values, and what each distribution family computes.
//!
//! `model::family` holds the cards by which programs are checked and planned; here are densities, draws, means and
//! divergences as tensor expressions over named axes.

pub mod density;
pub mod divergence;
pub mod draw;
pub mod joint;
pub mod linear;
pub mod space;
pub mod total;
pub mod value;

pub use density::log_density;
pub use divergence::kl_divergence;
pub use draw::{draw, mean};
pub use space::{Label, Named, Space};
pub use total::log_density_over;
pub use value::{Args, Value};
