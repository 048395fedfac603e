//! How far the mirror is.

pub(super) mod contacts;
pub(super) mod parked;
pub(super) mod status;
