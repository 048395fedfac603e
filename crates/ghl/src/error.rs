//! What a caller must do when GHL did not give what it was asked for.

use std::time::Duration;

use domain::ContactId;

use crate::operations::Operation;

/// A call that failed. GHL's texts never get in here: only the status, the position of a syntax error and the trace id.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Ask again later: nothing is known, and nothing was changed.
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
    /// A change was sent, and it is not known whether GHL made it. Look before sending it again: GHL has no idempotency keys. What was
    /// created is looked for by [`crate::Client::find_created_contact`] and its like; what was changed or deleted is read again.
    #[error("GHL may or may not have made the change: {reason}{}; look before sending it again", ids(.status, .trace_id))]
    UnknownOutcome {
        reason: String,
        status: Option<u16>,
        trace_id: Option<String>,
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The token is not valid here: this location cannot be asked until a person replaces it.
    #[error("GHL does not accept the token{}", ids(&Some(*.status), .trace_id))]
    Unauthorized { status: u16, trace_id: Option<String> },
    /// The token is valid and may not do this: most likely it lacks the scope. Other operations may be answered.
    #[error("GHL refuses {}, for which the token needs the scope {}{}", .operation.name, .operation.scope(), ids(&Some(*.status), .trace_id))]
    Forbidden { operation: &'static Operation, status: u16, trace_id: Option<String> },
    /// The token may not do this with this very contact or record. Others may be answered.
    #[error("GHL refuses to show this record{}", ids(&Some(*.status), .trace_id))]
    RecordForbidden { status: u16, trace_id: Option<String> },
    /// The location is switched off at GHL: nothing of it can be asked until it is switched on, and nothing is known to be gone.
    #[error("GHL says that the location is not active{}", ids(&Some(*.status), .trace_id))]
    LocationInactive { status: u16, trace_id: Option<String> },
    /// GHL was asked for this very record and said that it does not exist.
    #[error("GHL says it does not exist{}", ids(&None, .trace_id))]
    NotFound { trace_id: Option<String> },
    /// The location allows no second contact with this e-mail address or number: use the existing one.
    #[error("GHL has this contact already{}", ids(&None, .trace_id))]
    Duplicate {
        contact_id: Option<ContactId>,
        /// What they have in common.
        by: Option<Match>,
        trace_id: Option<String>,
    },
    /// Asking again gives the same: a person has to look. No status when it was never sent.
    #[error("GHL refuses the request{}", ids(.status, .trace_id))]
    Refused { status: Option<u16>, trace_id: Option<String> },
    /// The answer is longer than the limit: ask for less at once.
    #[error("GHL's answer is longer than the limit")]
    TooLong,
    /// The answer is not what the contract says.
    #[error("GHL's answer cannot be read: {reason}{}", ids(&None, .trace_id))]
    Unreadable { reason: String, trace_id: Option<String> },
}

/// What two contacts have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Email,
    Phone,
}

impl Error {
    /// It was not sent: no URL or body can express it, or there is nothing to change.
    pub(crate) const UNSENT: Self = Self::Refused { status: None, trace_id: None };

    /// GHL's id of the call, for its support.
    pub fn trace_id(&self) -> Option<&str> {
        match self {
            Self::Unavailable { trace_id, .. }
            | Self::Throttled { trace_id, .. }
            | Self::UnknownOutcome { trace_id, .. }
            | Self::Unauthorized { trace_id, .. }
            | Self::Forbidden { trace_id, .. }
            | Self::RecordForbidden { trace_id, .. }
            | Self::LocationInactive { trace_id, .. }
            | Self::NotFound { trace_id }
            | Self::Duplicate { trace_id, .. }
            | Self::Refused { trace_id, .. }
            | Self::Unreadable { trace_id, .. } => trace_id.as_deref(),
            // It is in the part of the answer that was not read.
            Self::TooLong => None,
        }
    }

    /// The status GHL answered with, where it answered and refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unavailable { status, .. } | Self::UnknownOutcome { status, .. } | Self::Refused { status, .. } => *status,
            Self::Unauthorized { status, .. }
            | Self::Forbidden { status, .. }
            | Self::RecordForbidden { status, .. }
            | Self::LocationInactive { status, .. } => Some(*status),
            Self::Throttled { .. } => Some(429),
            Self::NotFound { .. } => Some(404),
            Self::Duplicate { .. } => Some(400),
            Self::TooLong | Self::Unreadable { .. } => None,
        }
    }

    /// Whether the same call may succeed later without a person doing anything. Never after a write whose outcome is unknown.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Throttled { .. } => true,
            Self::UnknownOutcome { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::RecordForbidden { .. }
            | Self::LocationInactive { .. }
            | Self::NotFound { .. }
            | Self::Duplicate { .. }
            | Self::Refused { .. }
            | Self::TooLong
            | Self::Unreadable { .. } => false,
        }
    }

    /// The same failure of a write: where a read merely has no answer, it is not known whether a write was made.
    pub(crate) fn of_write(self) -> Self {
        match self {
            // Not connected: it was never sent.
            Self::Unavailable { source: Some(ref source), .. } if source.is_connect() => self,
            // A page that is not GHL's own: a proxy in front of it did not let the request through.
            Self::Unavailable { status: Some(401 | 403 | 404), .. } => self,
            Self::Unavailable { reason, status, trace_id, source, .. } => {
                Self::UnknownOutcome { reason: reason.to_owned(), status, trace_id, source }
            }
            Self::Unreadable { reason, trace_id } => Self::UnknownOutcome { reason, status: None, trace_id, source: None },
            Self::TooLong => Self::UnknownOutcome { reason: self.to_string(), status: None, trace_id: None, source: None },
            Self::Throttled { .. }
            | Self::UnknownOutcome { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::RecordForbidden { .. }
            | Self::LocationInactive { .. }
            | Self::NotFound { .. }
            | Self::Duplicate { .. }
            | Self::Refused { .. } => self,
        }
    }
}

fn ids(status: &Option<u16>, trace_id: &Option<String>) -> String {
    let status = status.map(|status| format!(", status {status}")).unwrap_or_default();
    let trace_id = trace_id.as_deref().map(|id| format!(", trace {id}")).unwrap_or_default();
    status + &trace_id
}
