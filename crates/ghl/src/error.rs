//! What a caller must do when GHL did not give what it was asked for.

use std::time::Duration;

/// A call that gave nothing. Texts of others never get in here: only the status, the place and the vendor's trace id.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Ask again later, nothing is known.
    #[error("GHL is unavailable: {reason}{}", ids(.status, .trace_id))]
    Unavailable {
        reason: &'static str,
        status: Option<u16>,
        retry_after: Option<Duration>,
        trace_id: Option<String>,
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The budget is spent: ask again after the delay.
    #[error("GHL asks to slow down, again in {} ms{}", .retry_after.as_millis(), ids(&None, .trace_id))]
    Throttled { retry_after: Duration, trace_id: Option<String> },
    /// The token is dead or lacks a scope: nothing of this location can be asked until a person replaces it.
    #[error("GHL does not accept the token{}", ids(&Some(*.status), .trace_id))]
    Unauthorized { status: u16, trace_id: Option<String> },
    /// GHL was asked for this very thing and said that it does not exist.
    #[error("GHL says it does not exist{}", ids(&None, .trace_id))]
    NotFound { trace_id: Option<String> },
    /// Asking the same again gives the same: a person has to look. No status when it was never sent.
    #[error("GHL refuses the request{}", ids(.status, .trace_id))]
    Refused { status: Option<u16>, trace_id: Option<String> },
    /// The answer is not what the contract says.
    #[error("GHL's answer cannot be read: {reason}{}", ids(&None, .trace_id))]
    Unreadable { reason: String, trace_id: Option<String> },
}

impl Error {
    /// The vendor's name for the call, for its support.
    pub fn trace_id(&self) -> Option<&str> {
        match self {
            Self::Unavailable { trace_id, .. }
            | Self::Throttled { trace_id, .. }
            | Self::Unauthorized { trace_id, .. }
            | Self::NotFound { trace_id }
            | Self::Refused { trace_id, .. }
            | Self::Unreadable { trace_id, .. } => trace_id.as_deref(),
        }
    }

    /// The status GHL answered with, where it answered and refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unavailable { status, .. } | Self::Refused { status, .. } => *status,
            Self::Unauthorized { status, .. } => Some(*status),
            Self::Throttled { .. } => Some(429),
            Self::NotFound { .. } => Some(404),
            Self::Unreadable { .. } => None,
        }
    }

    /// Whether the same call may succeed later without a person doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Throttled { .. } => true,
            Self::Unauthorized { .. } | Self::NotFound { .. } | Self::Refused { .. } | Self::Unreadable { .. } => false,
        }
    }
}

fn ids(status: &Option<u16>, trace_id: &Option<String>) -> String {
    let status = status.map(|status| format!(", status {status}")).unwrap_or_default();
    let trace_id = trace_id.as_deref().map(|id| format!(", trace {id}")).unwrap_or_default();
    status + &trace_id
}
