//! What becomes of a look that failed.

use domain::Verdict;

use crate::config::RetrySettings;

/// Whether a failed request is retried or parked.
pub(crate) fn verdict(error: &ghl::Error, attempt: u32, retry: &RetrySettings) -> Verdict {
    match error {
        ghl::Error::Unavailable { retry_after, .. } => Verdict::Retry(retry.delay(attempt, *retry_after)),
        ghl::Error::Throttled { retry_after, .. } => Verdict::Retry(retry.delay(attempt, Some(*retry_after))),
        ghl::Error::Unauthorized { .. } | ghl::Error::LocationInactive { .. } => Verdict::Retry(retry.token_pause),
        ghl::Error::Forbidden { .. } => Verdict::Retry(retry.scope_delay(attempt)),
        ghl::Error::Unreadable { .. } if attempt < retry.unreadable_attempts_max => Verdict::Retry(retry.delay(attempt, None)),
        ghl::Error::RecordForbidden { .. }
        | ghl::Error::NotFound { .. }
        | ghl::Error::UnknownOutcome { .. }
        | ghl::Error::Duplicate { .. }
        | ghl::Error::Refused { .. }
        | ghl::Error::TooLong
        | ghl::Error::Unreadable { .. } => Verdict::Park(error.to_string()),
    }
}
