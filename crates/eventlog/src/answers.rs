//! Answers for people and for replays.

pub(crate) mod access;
pub(crate) mod contacts;
pub(crate) mod history;
pub(crate) mod overview;
