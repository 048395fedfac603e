//! What happened, how it was, and who has looked.

pub(super) mod access;
pub(super) mod history;
pub(super) mod past;
pub(super) mod watch;
