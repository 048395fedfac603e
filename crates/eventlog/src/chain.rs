//! The chain of events.

pub(crate) mod copy;
