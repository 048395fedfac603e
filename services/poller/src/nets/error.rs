//! What keeps a round or a pass from going on, and for how long.

use std::time::Duration;

use domain::Verdict;

use crate::context::Tools;
use crate::look::connection::Connection;
use crate::look::fetch::{Stopped, note_refusal};
use crate::look::verdict::judge;

/// Why a round did not come to its end. What it has noted of how far it came stays where it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Ghl(#[from] ghl::Error),
    #[error("{0}")]
    Log(#[from] eventlog::Error),
    #[error("the log does not take what was seen")]
    NotAppended,
    #[error("stopped")]
    Stopped,
}

impl From<Stopped> for Trouble {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl Trouble {
    /// How long to wait before trying again. A search concerns everyone, so even a refusal is tried again, at the slowest pace.
    pub(crate) fn delay(&self, tools: &Tools, connection: &Connection, attempt: u32) -> Duration {
        let retry = &tools.config.retry;
        match self {
            Self::Ghl(error) => {
                note_refusal(tools, connection, error);
                match judge(error, attempt, retry) {
                    Verdict::Retry(delay) => delay,
                    Verdict::Done | Verdict::Park(_) => retry.longest,
                }
            }
            Self::Log(_) | Self::NotAppended | Self::Stopped => retry.reconnect,
        }
    }
}
