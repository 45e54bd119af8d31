//! What every room stands on: typed ids, spans, source files, schemas, random streams. No domain word lives here.

pub mod approximate;
pub mod id;
pub mod places;
pub mod schema;
pub mod span;
pub mod stream;
