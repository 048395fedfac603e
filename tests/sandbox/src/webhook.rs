//! Webhooks: what is told, how it is signed, and what becomes of it on the way.

pub(crate) mod keys;
pub(crate) mod outbox;
pub(crate) mod payload;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What becomes of the webhook of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// Sent, and tried again as the settings say.
    Sent,
    /// Signed and never sent: lost on the way.
    Lost,
    /// Sent this many times with the same `webhookId`.
    Repeated(u32),
    /// Sent after this long; changes made later may be told of earlier.
    Delayed(Duration),
    /// As [`crate::Chaos`] has it.
    ByChance,
}

/// The same for the control API and the statistics, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FateName {
    Sent,
    Lost,
    Repeated,
    Delayed,
    #[default]
    ByChance,
}

impl FateName {
    pub(crate) fn fate(self, delay: Duration) -> Webhook {
        match self {
            Self::Sent => Webhook::Sent,
            Self::Lost => Webhook::Lost,
            Self::Repeated => Webhook::Repeated(2),
            Self::Delayed => Webhook::Delayed(delay),
            Self::ByChance => Webhook::ByChance,
        }
    }
}
