//! Why a round failed, and when it is retried.

use std::time::Duration;

use domain::Verdict;

use crate::app::problems::Problems;
use crate::config::RetrySettings;
use crate::look::connection::Connection;
use crate::look::fetch::note_error;
use crate::look::retry::Unseen;
use crate::look::verdict::verdict;

/// Why a round failed. The next one resumes from the saved progress.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Ghl(#[from] ghl::Error),
    #[error("{0}")]
    Log(#[from] eventlog::Error),
    #[error("what was seen could not be appended")]
    NotAppended,
    #[error("stopped")]
    Stopped,
    #[error("another request has taken its place")]
    Replaced,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl From<Unseen> for Error {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::Stopped => Self::Stopped,
            Unseen::Refused(error) => Self::Ghl(error),
        }
    }
}

impl Error {
    /// Whether it concerns the kind of record that was read, and not the whole location: others can be read meanwhile.
    pub(crate) fn concerns_kind(&self) -> bool {
        use ghl::Error::{LocationInactive, Throttled, Unauthorized};
        matches!(self, Self::Ghl(error) if !matches!(error, Unauthorized { .. } | LocationInactive { .. } | Throttled { .. }))
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Ghl(ghl::Error::Forbidden { .. }))
    }

    /// How long to wait before the next attempt. A round concerns every contact, so even a refused request is retried, after the longest delay.
    pub(crate) fn delay(&self, problems: &Problems, retry: &RetrySettings, connection: &Connection, attempt: u32) -> Duration {
        match self {
            Self::Ghl(error) => {
                note_error(problems, connection, error, retry.token_pause);
                match verdict(error, attempt, retry) {
                    Verdict::Retry(delay) => delay,
                    Verdict::Done | Verdict::Park(_) => retry.longest,
                }
            }
            Self::Log(_) | Self::NotAppended | Self::Stopped | Self::Replaced => *retry.reconnect,
        }
    }
}
