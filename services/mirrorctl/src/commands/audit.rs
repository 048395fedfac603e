//! What happened, how it was, and who asked.

pub(super) mod access;
pub(super) mod history;
pub(super) mod past;
pub(super) mod watch;
