//! What a replay would do.
//!
//! - `sieve`: which of a contact's events a plan needs
//! - `plan`: from those events, and what the workspace holds, to what is done about each object
//! - `planned`: what a plan says of one object
//! - `tally`: a plan in short: its totals, and the hash that is approved

mod plan;
mod planned;
mod sieve;
mod tally;

pub use plan::{Target, fold, plan};
pub use planned::{Held, Planned, Present, Reason, Step};
pub use sieve::{Needed, Sieve};
pub use tally::{Tally, Terms};
