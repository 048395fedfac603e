//! How far the mirror is, and what waits for a person.

pub(super) mod contacts;
pub(super) mod parked;
pub(super) mod status;
