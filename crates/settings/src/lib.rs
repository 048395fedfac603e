//! Settings: the types that settings are made of, and one phrasing for what types cannot say.
//!
//! Does not know what is set or where it is read from.

mod period;
mod problems;
mod secret;

pub use period::{Interval, Period};
pub use problems::{Check, Problems};
pub use secret::{Secret, hidden};
