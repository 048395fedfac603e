//! The log as a whole: proved, taken out, and taken in.

pub(crate) mod rebuild;
pub(crate) mod transfer;
pub(crate) mod verify;
