//! The reasons to look at a contact. Each net catches what those before it miss.
//!
//! - `hints`: contacts that a hint names, most often a webhook's
//! - `watch`: contacts whose update time has moved, and the lists of tasks and appointments
//! - `sweep`: everything there is, from which alone it is concluded that something is gone
//! - `backfill`: everything there is, when a location is new or hints may have been lost
//! - `pass`: everything of a kind, page by page, as the last three go through it
//! - `compare`: rows of a page against what is known
//! - `error`: what keeps a net from going on, and for how long

pub(crate) mod backfill;
pub(crate) mod compare;
pub(crate) mod error;
pub(crate) mod hints;
pub(crate) mod pass;
pub(crate) mod sweep;
pub(crate) mod watch;
