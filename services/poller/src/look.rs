//! From a reason to look at a contact to what was seen of it in the log.
//!
//! - `connection`: a location while it is looked after, and how GHL is asked for it
//! - `absence`: what was missing from an answer, and whether it is gone
//! - `request`: which contact to look at, and which of its parts
//! - `refuted`: rows that differ from what is known for no reason
//! - `refused`: whether a scope is refused or one contact
//! - `owed`: what looks could not read because it was refused
//! - `bulk`: whether many contacts are changing at once, and who is looked at later
//! - `names`: the names of what records refer to, and the location's time zone
//! - `little`: small calls that only tell whether GHL answers
//! - `fetch`: one look at a contact and everything that belongs to it
//! - `verdict`: what becomes of a look that failed
//! - `retry`: looks until there is something to append
//! - `append`: what was seen is appended to the log

pub(crate) mod absence;
pub(crate) mod append;
pub(crate) mod bulk;
pub(crate) mod connection;
pub(crate) mod fetch;
pub(crate) mod little;
pub(crate) mod names;
pub(crate) mod owed;
pub(crate) mod refused;
pub(crate) mod refuted;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod verdict;
