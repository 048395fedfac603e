//! What the poller knows of GHL, and calls to GHL through it.

pub(super) mod budget;
pub(super) mod credentials;
pub(super) mod location;
pub(super) mod operations;
pub(super) mod resync;
pub(super) mod verify;
pub(super) mod webhook;
