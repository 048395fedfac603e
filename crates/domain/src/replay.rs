//! Plans what a replay would do.
//!
//! - `sieve`: which of a contact's events a plan needs
//! - `plan`: decides from those events and the content of the workspace what is done about each object
//! - `planned`: the plan for one object
//! - `tally`: the totals of a plan, and the hash that is approved

mod plan;
mod planned;
mod sieve;
mod tally;

pub use plan::{Target, fold, plan};
pub use planned::{LedgerEntry, Planned, Present, Reason, Step};
pub use sieve::{Needed, Sieve};
pub use tally::{Tally, Terms};
