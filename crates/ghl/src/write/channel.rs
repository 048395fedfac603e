//! Channels that a contact can close.

use serde::Serialize;

/// A channel that a contact does not want to be disturbed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    Call,
    Email,
    Sms,
    WhatsApp,
    GoogleBusiness,
    Facebook,
}

/// Whether a channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Closed {
    /// Closed.
    Active,
    /// Open.
    Inactive,
    /// Closed for good.
    Permanent,
}
