//! What every task of the poller works with, and what becomes of work that failed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{Bus, Subject};
use chassis::{Chassis, Shutdown};
use domain::{ContactId, LocationId, Verdict};
use eventlog::{EventLog, Parking, Stage};

use crate::config::{Config, RetrySettings};
use crate::hints::Hinted;
use crate::metrics::Metrics;

pub(crate) struct Tools {
    pub(crate) config: Config,
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) metrics: Metrics,
    /// The locations whose token GHL refuses.
    refused: Mutex<BTreeSet<LocationId>>,
}

/// Why something is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) reason: String,
    pub(crate) status: Option<u16>,
    pub(crate) attempts: u32,
}

impl Tools {
    pub(crate) fn new(config: Config, log: EventLog, bus: Bus, chassis: Arc<Chassis>, metrics: Metrics) -> Self {
        Self { config, log, bus, chassis, metrics, refused: Mutex::default() }
    }

    /// Lets people see which locations are paused because GHL refuses their token.
    pub(crate) fn show_token(&self, location_id: &LocationId, refused: bool) {
        self.metrics.token_refused(location_id, refused);
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused {
            all.insert(location_id.clone())
        } else {
            all.remove(location_id)
        };
        let names: Vec<&str> = all.iter().map(LocationId::as_str).collect();
        self.chassis.control().set_figure("locations_with_refused_token", names.join(" "));
    }

    /// Parks a look at a contact, as the hint that asks for it again when a person sends it again.
    pub(crate) async fn park(&self, hinted: &Hinted, stuck: Stuck, traceparent: Option<String>) -> eventlog::Result<()> {
        let message = serde_json::to_vec(hinted).map_err(|error| eventlog::Error::Unreadable(error.into()))?;
        let subject = Subject::hints(&hinted.location_id).to_string();
        self.park_message(hinted.location_id.clone(), hinted.contact_id.clone(), subject, message, stuck, traceparent).await
    }

    pub(crate) async fn park_message(
        &self,
        location_id: LocationId,
        contact_id: Option<ContactId>,
        subject: String,
        message: Vec<u8>,
        stuck: Stuck,
        traceparent: Option<String>,
    ) -> eventlog::Result<()> {
        let contact = contact_id.as_ref().map(ContactId::as_str).unwrap_or_default();
        tracing::warn!(location.id = %location_id, contact.id = contact, reason = stuck.reason, "parked");
        let parking = Parking {
            stage: Stage::Poller,
            location_id,
            contact_id,
            object: None,
            revision: None,
            subject,
            message,
            reason: stuck.reason,
            status: stuck.status,
            attempts: stuck.attempts,
            traceparent,
        };
        self.log.park(parking).await?;
        self.metrics.parked();
        Ok(())
    }
}

/// What becomes of a question that GHL did not answer.
pub(crate) fn judge(error: &ghl::Error, attempt: u32, retry: &RetrySettings) -> Verdict {
    match error {
        ghl::Error::Unavailable { retry_after, .. } => Verdict::Retry(retry.delay(attempt, *retry_after)),
        ghl::Error::Throttled { retry_after, .. } => Verdict::Retry(retry.delay(attempt, Some(*retry_after))),
        ghl::Error::Unauthorized { .. } => Verdict::Retry(retry.token_pause),
        ghl::Error::Unreadable { .. } if attempt < retry.unreadable_attempts_max => Verdict::Retry(retry.delay(attempt, None)),
        ghl::Error::NotFound { .. }
        | ghl::Error::UnknownOutcome { .. }
        | ghl::Error::Duplicate { .. }
        | ghl::Error::Refused { .. }
        | ghl::Error::Unreadable { .. } => Verdict::Park(error.to_string()),
    }
}

/// Rests; false when it is time to stop.
pub(crate) async fn rest(shutdown: &Shutdown, duration: Duration) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(duration) => true,
    }
}
